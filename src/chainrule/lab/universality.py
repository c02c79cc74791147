"""Fit a network with one hidden layer to a function as well as possible, with the Levenberg-Marquardt method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.core import records
from chainrule.core.settings import check_number
from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context, Dense, ReLU, Sigmoid, Tanh
from chainrule.formulas.losses import MeanSquaredError
from chainrule.lab import Progress, check_options, part, scaled
from chainrule.model import Model
from chainrule.network import backprop
from chainrule.network.network import Network
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.figures import BLUE, ORANGE, style
from chainrule.views.figures.laboratory import AMBER, FIELD, GREEN, Band, add_curve
from chainrule.views.tables import Table

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
@dataclass(frozen=True)
class Fit(records.DataResult):
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
    return min(replace(narrow, width=width, iterations=0, model=same), fitted, key=lambda f: f.largest)


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


# --- universal approximation: the error as a function of the width of one hidden layer -------------------------------
# The theorem (Cybenko 1989; Hornik, Stinchcombe, White 1989) states that weights exist for any error, not how to find
# them. So the plots show the best results of a strong method: Levenberg-Marquardt in float64, from several starts, and
# for each width also from the result of the narrower network, which the wider one contains.

WIDTHS = (2, 4, 8, 16, 32, 64)
ITERATIONS = 200


def universality(
    *,
    seed: int = 0,
    repeats: int = 3,
    budget: float = 1.0,
    progress: Progress | None = None,
    widths: Sequence[int] = WIDTHS,
    activation: str = "tanh",
    error: float = 0.05,
) -> Report:
    """Measure the error against the width, for smooth, kinked and steep functions of one and two variables.

    repeats: starts per fit.  budget: scales the iterations per fit.  widths: neurons in the hidden layer.
    activation: tanh, sigmoid or relu.  error: the maximum error to reach over the domain.
    """
    check_options(seed, repeats, budget)
    widths = tuple(sorted({checks.check_count(width, "widths") for width in widths}))
    checks.check_choice(activation, ACTIVATIONS, "activation")
    if len(widths) < 2:
        raise ConfigError(f"widths must contain at least two widths, such as 4, 8, 16, not {widths}.")
    check_number(error, "error", above=0, hint="0.05 is usual")
    begin, iterations = time.perf_counter(), scaled(ITERATIONS, budget, 4)
    fits: list[Fit] = []
    jobs = [(t, s, w) for t in TARGETS for s in range(seed, seed + repeats) for w in widths]
    work = np.cumsum([_cost(target, width, width > widths[0]) for target, _, width in jobs])
    for (target, s, width), done in zip(jobs, work, strict=True):
        found = fit(target, width, s, iterations, activation)
        if width > widths[0]:  # fits[-1] has the same start and the previous width
            found = min(found, widen(fits[-1], width, iterations, activation), key=lambda f: f.largest)
        fits.append(found)
        part(progress, 0.0, 1.0)(done / work[-1], words.lab_universality.under_way(target.name, width))
    return _report(fits, widths, error, dict(seed=seed, repeats=repeats, budget=budget, activation=activation,
                   widths=list(widths), error=error, iterations=iterations), begin)  # fmt: skip


def _cost(target: TargetFunction, width: int, is_widened: bool) -> float:
    parameters = width * (target.variables + 2) + 1
    return (1 + is_widened) * float(FITTED_POINTS[target.variables] ** target.variables * parameters**2 + 2e6)


def _report(
    fits: list[Fit], widths: tuple[int, ...], error: float, settings: dict[str, Any], begin: float
) -> Report:
    said = words.lab_universality
    by = {t.name: [[f for f in fits if f.target is t and f.width == w] for w in widths] for t in TARGETS}
    best = {name: [_best(group).largest for group in groups] for name, groups in by.items()}
    rows, widest, reached = [], [], {}
    for target in TARGETS:
        groups = by[target.name]
        least = best[target.name]
        reached[target.name] = next((w for w, e in zip(widths, least, strict=True) if e <= error), None)
        slope = float(np.polyfit(np.log(widths), np.log(np.maximum(least, 1e-300)), 1)[0])
        rows.append((said.TARGETS[target.name], *map(_rounded, least), reached[target.name], round(slope, 2)))
        ends = sorted(f.largest for f in groups[-1])
        size, rms = groups[-1][0].model.network.size, min(f.rms for f in groups[-1])
        widest.append((said.TARGETS[target.name], said.FORMULAS[target.name], size,
                       *map(_rounded, (ends[0], float(np.median(ends)), ends[-1], rms))))  # fmt: skip
    table = Table(said.heads(widths, error), tuple(rows), said.caption(settings["repeats"]))
    greatest = Table(said.WIDEST_HEADS, tuple(widest), said.widest_caption(widths[-1]))
    ranges = {
        n: [
            _curve(said.KINDS[target.kind], widths, by[target.name])
            for target in TARGETS
            if target.variables == n
        ]
        for n in (1, 2)
    }
    last = len(widths) - 1
    lines = [_best(by[t.name][i]) for t in TARGETS if t.variables == 1 for i in sorted({0, 1, last})]
    fields = [_best(by[t.name][i]) for t in TARGETS if t.variables == 2 for i in sorted({0, last // 2, last})]
    return Report(
        name="universality",
        title=said.TITLE,
        question=said.QUESTION,
        answer=said.answer(best, widths),
        finding=said.finding(best, widths, error, reached, _apart(by)),
        held_fixed=said.held_fixed(settings, FITTED_POINTS, EVALUATED_POINTS),
        limits=said.LIMITS,
        tables=(table, greatest),
        figures=(
            approximation(ranges, error),
            fitted_lines(*_drawn_lines(lines)),
            fitted_fields(*_drawn_fields(fields)),
        ),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


def approximation(curves: Mapping[int, Sequence[Band]], error: float) -> go.Figure:
    """Plot the maximum error by width, one panel per number of variables, one line per function.

    curves: by the number of variables; the line is the best of several starts.  error: the target.
    """
    said = words.lab_universality
    panels = [said.variables(n) for n in curves]
    figure = make_subplots(1, len(curves), shared_yaxes=True, horizontal_spacing=0.06, subplot_titles=panels)
    kinds = ((BLUE, "solid", "circle"), (ORANGE, "dash", "diamond"), (GREEN, "dot", "square"))
    for column, group in enumerate(curves.values(), 1):
        for curve, (color, dash, symbol) in zip(group, kinds, strict=True):
            add_curve(figure, curve, color, dash, symbol, column == 1, row=1, col=column)
        figure.add_hline(error, line={"color": "#808080", "width": 1.5, "dash": "dash"}, row=1, col=column)
    figure.add_annotation(
        text=said.asked_for(error), x=0, xref="x2 domain", y=math.log10(error), yref="y2",
        showarrow=False, xanchor="left", yanchor="top", xshift=4,
    )  # fmt: skip
    falls = [curve.middle[0] / max(curve.middle[-1], 1e-300) for group in curves.values() for curve in group]
    style(figure, said.fold(min(falls), max(falls)), said.NEURONS)
    ticks = sorted({int(x) for group in curves.values() for curve in group for x in curve.x})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(t) for t in ticks])
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title={"text": said.LARGEST}, row=1, col=1)
    figure.update_layout(height=500, margin={"t": 96}, meta="side by side",
                         legend={"y": 1.1})  # fmt: skip
    return figure


def fitted_lines(
    x: NDArray[Any], true: Mapping[str, NDArray[Any]], fitted: Mapping[str, Mapping[str, NDArray[Any]]]
) -> go.Figure:
    """Plot functions of one variable over x (n,), true and fitted: one panel per function, one line per width."""
    figure = make_subplots(
        1, len(true), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=list(true)
    )
    looks = ((ORANGE, "dot"), (AMBER, "dash"), (BLUE, "solid"))
    for column, name in enumerate(true, 1):
        figure.add_trace(
            go.Scatter(x=x, y=true[name], name=words.lab_universality.TRUE, mode="lines",
                       line={"color": "rgba(128, 128, 128, 0.45)", "width": 9},
                       showlegend=column == 1, legendgroup="true"),
            row=1, col=column,
        )  # fmt: skip
        for (label, y), (color, dash) in zip(fitted[name].items(), looks, strict=False):
            figure.add_trace(
                go.Scatter(x=x, y=y, name=label, mode="lines", line={"color": color, "width": 2.25, "dash": dash},
                           showlegend=column == 1, legendgroup=label),
                row=1, col=column,
            )  # fmt: skip
    style(figure, words.lab_universality.FITTED_LINES, "x")
    figure.update_yaxes(title={"text": "y"}, row=1, col=1)
    figure.update_layout(height=400, hovermode="x", margin={"t": 96}, legend={"y": 1.12}, meta="side by side")
    return figure


def fitted_fields(axis: NDArray[Any], fields: Mapping[str, Mapping[str, NDArray[Any]]]) -> go.Figure:
    """Plot functions of two variables as fields (n, n) over the axis: one row per function, the true one first."""
    columns = list(next(iter(fields.values())))
    figure = make_subplots(
        len(fields), len(columns), shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.02,
        vertical_spacing=0.03, column_titles=columns, row_titles=list(fields),
    )  # fmt: skip
    for row, field in enumerate(fields.values(), 1):
        for column, z in enumerate(field.values(), 1):
            figure.add_trace(
                go.Heatmap(
                    x=axis, y=axis, z=np.asarray(z, np.float32), zmin=-1, zmax=1, colorscale=FIELD,
                    showscale=row == column == 1,
                    colorbar={"orientation": "h", "y": -0.09, "yanchor": "top", "len": 0.6, "thickness": 10,
                              "tickvals": [-1, 0, 1], "outlinewidth": 0},
                    hovertemplate=words.lab_universality.FIELD_AT + "<extra></extra>",
                ),
                row=row, col=column,
            )  # fmt: skip
    style(figure, words.lab_universality.FITTED_FIELDS)
    figure.update_xaxes(showgrid=False, constrain="domain", tickvals=[-1, 0, 1])
    figure.update_yaxes(showgrid=False, constrain="domain", tickvals=[-1, 0, 1])
    figure.update_layout(height=720, margin={"t": 84, "r": 40, "b": 84})
    return figure


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _best(group: list[Fit]) -> Fit:
    return min(group, key=lambda f: f.largest)


def _curve(name: str, widths: tuple[int, ...], groups: list[list[Fit]]) -> Band:
    best = [min(f.largest for f in group) for group in groups]
    worst = [max(f.largest for f in group) for group in groups]
    return Band(name, widths, best, best, worst)


def _apart(by: dict[str, list[list[Fit]]]) -> tuple[float, str, int] | None:
    """Return the largest ratio between the starts of a fit, with its function and width; None with one start."""
    if len(by[TARGETS[0].name][0]) == 1:
        return None
    return max(
        (max(f.largest for f in group) / max(_best(group).largest, 1e-300), name, group[0].width)
        for name, groups in by.items()
        for group in groups
    )


def _drawn_lines(fits: list[Fit]) -> tuple[Floats, dict[str, Floats], dict[str, dict[str, Floats]]]:
    """x; the true y by function; the fitted ones by function and width."""
    X = grid(1, 401)
    names = words.lab_universality.TARGETS
    true = {names[f.target.name]: f.target.f(X) for f in fits}
    fitted: dict[str, dict[str, Floats]] = {name: {} for name in true}
    for f in fits:
        fitted[names[f.target.name]][words.phrases.neurons(f.width)] = f.model.outputs(X)[:, 0]
    return X[:, 0], true, fitted


def _drawn_fields(fits: list[Fit]) -> tuple[Floats, dict[str, dict[str, Floats]]]:
    """The axis; by function the true field and the fitted ones."""
    points, said = 61, words.lab_universality
    X = grid(2, points)
    fields: dict[str, dict[str, Floats]] = {}
    for f in fits:
        name = said.TARGETS[f.target.name]
        row = fields.setdefault(name, {said.TRUE: f.target.f(X).reshape(points, points).T})
        row[words.phrases.neurons(f.width)] = f.model.outputs(X)[:, 0].reshape(points, points).T
    return np.linspace(-1, 1, points), fields
