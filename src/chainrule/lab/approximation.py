"""Fits a network of one hidden layer to a function as well as possible, by the method of Levenberg and Marquardt."""

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
TRAINED = {1: 256, 2: 33}
"""Points along an axis that are fitted, by the number of variables"""
JUDGED = {1: 4001, 2: 201}
"""Points along an axis that the error is measured at"""


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
    TargetFunction(
        "smooth",
        1,
        lambda x: np.sin(np.pi * x[:, 0]) + 0.5 * np.cos(3 * np.pi * x[:, 0]),
    ),
    TargetFunction(
        "kinked",
        1,
        lambda x: 2 * np.abs(np.mod(1.5 * x[:, 0], 1.0) * 2 - 1) - 1,
    ),
    TargetFunction(
        "steep",
        1,
        lambda x: _soft_sign(x[:, :1] - np.array([-0.6, -0.1, 0.5]), 0.02).mean(1),
    ),
    TargetFunction(
        "smooth",
        2,
        lambda x: np.sin(np.pi * x[:, 0]) * np.cos(np.pi * x[:, 1]),
    ),
    TargetFunction(
        "kinked",
        2,
        lambda x: 1 - 2 * np.abs(x).max(1),
    ),
    TargetFunction(
        "steep",
        2,
        lambda x: _soft_sign(0.6 - np.hypot(x[:, 0], x[:, 1]), 0.12),
    ),
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
        """The code of the function that it was fitted to."""
        return self.target.name

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def fit(target: TargetFunction, width: int, seed: int, iterations: int, activation: str = "tanh") -> Fit:
    """Fit a network of one hidden layer on a grid, and evaluate it on a grid about 16 times as fine per dimension.

    Start: hidden neurons in random directions, each with its center at a random point of the domain and a slope that
    grows with the width, so that together they resolve it; the output layer by least squares.
    """
    model = _scattered(target, width, seed, activation)
    X, y = _samples(target)
    hidden = np.column_stack([_hidden(model, X), np.ones(len(X))])
    solution = np.linalg.lstsq(hidden, y, rcond=1e-8)[0]
    last = model.parameters["dense_2"]
    last.W[:, 0], last.b[0] = solution[:-1], solution[-1]
    return _judged(target, seed, model, levenberg_marquardt(model, X, y, iterations))


def widen(narrow: Fit, width: int, iterations: int, activation: str = "tanh") -> Fit:
    """Fit the same function by a wider network that starts as the narrow one.

    The new neurons are scattered as those of `fit`, and their outgoing weights are 0, so that the network at the start
    is the narrow one exactly. It is the result where the steps lower only the squares and not the largest error:
    whatever the width, that error is never above the narrow one's.
    """
    same, model = (embedded(narrow, width, activation) for _ in range(2))
    steps = levenberg_marquardt(model, *_samples(narrow.target), iterations)
    fitted = _judged(narrow.target, narrow.seed, model, steps)
    return min(narrow._replace(width=width, iterations=0, model=same), fitted, key=lambda f: f.largest)


def embedded(narrow: Fit, width: int, activation: str = "tanh") -> Model:
    """Build a wider network that computes the same: the outgoing weights of the added hidden neurons are 0."""
    model = _scattered(narrow.target, width, narrow.seed, activation)
    old, new, kept = narrow.model.parameters, model.parameters, slice(narrow.width)
    new["dense_1"].W[:, kept], new["dense_1"].b[kept] = old["dense_1"].W, old["dense_1"].b
    new["dense_2"].W[...], new["dense_2"].b[...] = 0.0, old["dense_2"].b
    new["dense_2"].W[kept] = old["dense_2"].W
    return model


def _samples(target: TargetFunction) -> tuple[Floats, Floats]:
    X = grid(target.variables, TRAINED[target.variables])
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
    X = grid(target.variables, JUDGED[target.variables])
    off = model.outputs(X)[:, 0] - target.f(X)
    width = model.parameters["dense_1"].b.size
    rms, largest = float(np.sqrt(np.mean(off * off))), float(np.abs(off).max())
    return Fit(target, width, seed, rms, largest, iterations, model)


def levenberg_marquardt(model: Model, X: Floats, y: Floats, iterations: int) -> int:
    r"""Minimize the squares by damped Gauss-Newton steps, in place; return the number of iterations.

    r = out - y,  J = d out / d theta      (J^T J + lambda D) step = J^T r,  D = diag(J^T J)      theta = theta - step

    lambda falls threefold after a step that lowers ||r||^2 and rises fourfold until one does.
    The normal equations rather than SciPy's QR of J, which takes seven times as long an iteration at 1,089 points and
    257 parameters; what they lose in accuracy lies below the errors that are drawn.
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
            if damping > 1e12:  # no direction leads down: as low as float64 can tell
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
    """Return (points^variables, variables) points over [-1, 1]^variables, the borders included."""
    axis = np.linspace(-1.0, 1.0, points)
    return np.stack(np.meshgrid(*[axis] * variables, indexing="ij"), -1).reshape(-1, variables)


def _hidden(model: Model, X: Floats) -> Floats:
    links, params = model.network.links[:-1], model.network.unflatten(model.theta)[:-1]
    a: Floats = backprop.forward(links, params, X, Context())[0]
    return a
