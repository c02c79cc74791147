"""Fit a network with one hidden layer to a function as well as possible, with the Levenberg-Marquardt method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.formulas.layers import Context, Dense, ReLU, Sigmoid, Tanh
from chainrule.formulas.losses import MeanSquaredError
from chainrule.model import Model
from chainrule.network import backprop
from chainrule.network.network import Network

Floats: TypeAlias = NDArray[np.float64]
ACTIVATIONS = {"tanh": Tanh, "sigmoid": Sigmoid, "relu": ReLU}
FITTED_POINTS = {1: 256, 2: 33}
"""Points per axis for fitting, by the number of variables."""
EVALUATED_POINTS = {1: 4001, 2: 201}
"""Points per axis for measuring the error."""


class TargetFunction(NamedTuple):
    """A continuous function on [-1, 1]^variables, with values of about 1."""

    kind: str
    """smooth, kinked or steep"""
    variables: int
    f: Callable[[Floats], Floats]  # (n, variables) to (n,)

    @property
    def name(self) -> str:
        """The code, such as smooth_2."""
        return f"{self.kind}_{self.variables}"


def _soft_sign(s: Floats, width: float) -> Floats:
    return s / np.sqrt(s * s + width * width)


TARGETS = (
    TargetFunction("smooth", 1, lambda x: np.sin(np.pi * x[:, 0]) + 0.5 * np.cos(3 * np.pi * x[:, 0])),
    TargetFunction("kinked", 1, lambda x: 2 * np.abs(np.mod(1.5 * x[:, 0], 1.0) * 2 - 1) - 1),
    TargetFunction("steep", 1, lambda x: _soft_sign(x[:, :1] - np.array([-0.6, -0.1, 0.5]), 0.02).mean(1)),
    TargetFunction("smooth", 2, lambda x: np.sin(np.pi * x[:, 0]) * np.cos(np.pi * x[:, 1])),
    TargetFunction("kinked", 2, lambda x: 1 - 2 * np.abs(x).max(1)),
    TargetFunction("steep", 2, lambda x: _soft_sign(0.6 - np.hypot(x[:, 0], x[:, 1]), 0.12)),
)


@records.kind("lab_fit", fields=("width", "seed", "rms", "largest", "iterations"), also=("function",))
class Fit(NamedTuple):
    """One network fitted to one function."""

    target: TargetFunction
    width: int
    seed: int
    rms: float
    largest: float
    iterations: int
    model: Model

    @property
    def function(self) -> str:
        """The code of the target function."""
        return self.target.name

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def fit(target: TargetFunction, width: int, seed: int, iterations: int, activation: str = "tanh") -> Fit:
    """Fit a network with one hidden layer on a grid, and evaluate it on a grid about 16 times as fine per dimension.

    Initial values: hidden neurons in random directions, each centered at a random point of the domain, with a slope
    that grows with the width, so that together they cover it; the output layer by least squares.
    """
    model = _scattered(target, width, seed, activation)
    X, y = _samples(target)
    hidden = np.column_stack([_hidden(model, X), np.ones(len(X))])
    solution = np.linalg.lstsq(hidden, y, rcond=1e-8)[0]
    last = model.parameters["dense_2"]
    last.W[:, 0], last.b[0] = solution[:-1], solution[-1]
    return _judged(target, seed, model, levenberg_marquardt(model, X, y, iterations))


def widen(narrow: Fit, width: int, iterations: int, activation: str = "tanh") -> Fit:
    """Fit a wider network to the same function, starting from the narrow one.

    The new neurons are scattered as in `fit`, with outgoing weights of 0, so that the initial network equals the narrow
    one. The narrow network is returned if the steps lower only the squares and not the maximum error, so this error
    never increases with the width.
    """
    same, model = (embedded(narrow, width, activation) for _ in range(2))
    steps = levenberg_marquardt(model, *_samples(narrow.target), iterations)
    fitted = _judged(narrow.target, narrow.seed, model, steps)
    return min(narrow._replace(width=width, iterations=0, model=same), fitted, key=lambda f: f.largest)


def embedded(narrow: Fit, width: int, activation: str = "tanh") -> Model:
    """Build a wider network with the same function: the outgoing weights of the added hidden neurons are 0."""
    model = _scattered(narrow.target, width, narrow.seed, activation)
    old, new, kept = narrow.model.parameters, model.parameters, slice(narrow.width)
    new["dense_1"].W[:, kept], new["dense_1"].b[kept] = old["dense_1"].W, old["dense_1"].b
    new["dense_2"].W[...], new["dense_2"].b[...] = 0.0, old["dense_2"].b
    new["dense_2"].W[kept] = old["dense_2"].W
    return model


def _samples(target: TargetFunction) -> tuple[Floats, Floats]:
    X = grid(target.variables, FITTED_POINTS[target.variables])
    return X, target.f(X)


def _scattered(target: TargetFunction, width: int, seed: int, activation: str) -> Model:
    layers = [Dense(width), ACTIVATIONS[activation](), Dense(1)]
    model = Model(Network(target.variables, layers, loss=MeanSquaredError()), seed=seed, dtype="float64")
    random = np.random.default_rng([seed, width, target.variables])
    first = model.parameters["dense_1"]
    direction = random.normal(size=first.W.shape)  # (variables, width)
    first.W[...] = direction / np.linalg.norm(direction, axis=0) * width ** (1 / target.variables)
    center = random.uniform(-1.0, 1.0, first.W.shape)
    first.b[...] = -(first.W * center).sum(0)
    return model


def _judged(target: TargetFunction, seed: int, model: Model, iterations: int) -> Fit:
    X = grid(target.variables, EVALUATED_POINTS[target.variables])
    off = model.outputs(X)[:, 0] - target.f(X)
    width = model.parameters["dense_1"].b.size
    rms, largest = float(np.sqrt(np.mean(off * off))), float(np.abs(off).max())
    return Fit(target, width, seed, rms, largest, iterations, model)


def levenberg_marquardt(model: Model, X: Floats, y: Floats, iterations: int) -> int:
    r"""Minimize the sum of squares by damped Gauss-Newton steps, in place; return the number of iterations.

    r = out - y,  J = d out / d theta      (J^T J + lambda D) step = J^T r,  D = diag(J^T J)      theta = theta - step

    lambda is divided by 3 after a step that lowers ||r||^2, and multiplied by 4 until a step does.
    The normal equations are used rather than SciPy's QR of J, which takes seven times as long per iteration with 1,089
    points and 257 parameters; their loss of accuracy is below the errors plotted.
    Source: Hagan, Menhaj, "Training feedforward networks with the Marquardt algorithm", IEEE TNN 5(6), 1994.
    """
    theta, damping = model.theta.copy(), 1e-2
    out, J = jacobian(model.network, theta, X)
    r = out - y
    squares = float(r @ r)
    for iteration in range(iterations):
        A, g = J.T @ J, J.T @ r
        diagonal = np.diag(A) + 1e-10 * np.trace(A) / len(g)
        while True:
            tried = theta - np.linalg.solve(A + damping * np.diag(diagonal), g)
            out, J = jacobian(model.network, tried, X)
            r = out - y
            if float(r @ r) < squares:
                break
            damping *= 4.0
            if damping > 1e12:  # no descent direction: a minimum to float64 accuracy
                return iteration
        gain = 1.0 - float(r @ r) / squares
        theta, squares, damping = tried, float(r @ r), max(damping / 3.0, 1e-14)
        model.theta[...] = theta
        if gain < 1e-9:
            return iteration + 1
    return iterations


def jacobian(network: Network, theta: Floats, X: Floats) -> tuple[Floats, Floats]:
    """Compute out (n,) and J = d out / d theta (n, size) of a chain of dense links and activations."""
    params = network.unflatten(theta)
    deltas: dict[str, Floats] = {}
    ctx = Context(
        watch=lambda way, link, delta: deltas.update({link.name: delta}) if way == "backward" else None
    )
    out, caches = backprop.forward(network.links, params, X, ctx)
    backprop.backward(network.links, params, caches, np.ones_like(out), ctx)
    columns = []
    for link, a in zip(network.links, caches, strict=True):
        if isinstance(link.layer, Dense):
            delta = deltas[link.name]  # (n, units)
            columns += [(a[:, :, None] * delta[:, None, :]).reshape(len(X), -1), delta]
    return out[:, 0], np.concatenate(columns, 1)


def grid(variables: int, points: int) -> Floats:
    """Return (points^variables, variables) points over [-1, 1]^variables, including the borders."""
    axis = np.linspace(-1.0, 1.0, points)
    return np.stack(np.meshgrid(*[axis] * variables, indexing="ij"), -1).reshape(-1, variables)


def _hidden(model: Model, X: Floats) -> Floats:
    links, params = model.network.links[:-1], model.network.unflatten(model.theta)[:-1]
    a: Floats = backprop.forward(links, params, X, Context())[0]
    return a
