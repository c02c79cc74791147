"""Train one network with gradient descent and its variants, each with its best learning rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.core import records
from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.core.settings import check_number
from chainrule.data import checks
from chainrule.data.checks import check_samples
from chainrule.engines import Plan
from chainrule.engines.step import gradient
from chainrule.errors import NonFiniteError
from chainrule.formulas.layers import Context, Dense, ReLU, Rescale
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    AnyOptimizer,
    GradientDescent,
    Nadam,
    Optimizer,
    RMSprop,
)
from chainrule.lab import Progress, check_options, part, scaled
from chainrule.model import Model
from chainrule.network import objective
from chainrule.network.network import Network
from chainrule.training.run import Run
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.figures import BLUE, ORANGE, style
from chainrule.views.figures.laboratory import AMBER, GREEN, PINK, SKY
from chainrule.views.tables import Table

BATCH_SIZE = 50
RATE_RATIO = math.sqrt(10.0)
"""The ratio of neighboring learning rates in the grid."""


class DescentRule(NamedTuple):
    """One rule: its constructor from a learning rate, the first rate of its search, and its batch size."""

    name: str
    make: Callable[[float], AnyOptimizer]
    start: float | None  # None without a learning rate
    batch: int | None  # None: all samples


ARMS = (
    DescentRule("gradient_descent", GradientDescent, 0.3, None),
    DescentRule("sgd", SGD, 0.1, BATCH_SIZE),
    DescentRule("momentum", lambda rate: SGD(rate, momentum=0.9), 0.03, BATCH_SIZE),
    DescentRule("nesterov", lambda rate: SGD(rate, momentum=0.9, nesterov=True), 0.03, BATCH_SIZE),
    DescentRule("adagrad", Adagrad, 0.01, BATCH_SIZE),
    DescentRule("rmsprop", RMSprop, 1e-3, BATCH_SIZE),
    DescentRule("adam", Adam, 3e-3, BATCH_SIZE),
    DescentRule("adamw", AdamW, 3e-3, BATCH_SIZE),
    DescentRule("nadam", Nadam, 3e-3, BATCH_SIZE),
    DescentRule("lbfgs", lambda rate: LBFGS(), None, None),
)


@records.kind("lab_descent", fields=("seed", "losses", "seconds", "accuracy"))
@dataclass(frozen=True)
class Descent(records.DataResult):
    """The result of one training run. Its data omit the path."""

    seed: int
    losses: NDArray[np.float64]  # (epochs + 1,) on all training samples, before training and after each epoch
    seconds: NDArray[np.float64]  # (epochs + 1,) of steps, without evaluation
    accuracy: float  # of the test samples, after the last epoch
    path: NDArray[Any]  # (epochs + 1, size) theta

    def passes(self, loss: float) -> int | None:
        """Return the number of epochs until the loss was at most `loss`, or None."""
        below = np.flatnonzero(self.losses <= loss)
        return int(below[0]) if len(below) else None


class DescentTask(NamedTuple):
    """The data and the network shared by all rules."""

    X: NDArray[Any]
    y: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]
    epochs: int
    hidden: int

    def model(self, seed: int) -> Model:
        """Make the untrained network."""
        layers = [Rescale(1 / 255), Dense(self.hidden), ReLU(), Dense(self.hidden), ReLU(), Dense(10)]
        return Model(Network(784, layers, loss=SoftmaxCrossEntropy()), seed=seed)


def tuned(arm: DescentRule, task: DescentTask, seed: int) -> tuple[float | None, int]:
    """Search the learning rate with the lowest final training loss on a growing grid; return it and the grid's size.

    Tries at most eight rates; a non-finite loss counts as the worst.
    """
    if arm.start is None:
        return None, 1
    found = {k: _final(arm, arm.start * RATE_RATIO**k, task, seed) for k in (-1, 0, 1)}
    while len(found) < 8:
        best = min(found, key=lambda k: (found[k], k))
        if min(found) < best < max(found):
            break
        k = best - 1 if best == min(found) else best + 1
        found[k] = _final(arm, arm.start * RATE_RATIO**k, task, seed)
    return float(f"{arm.start * RATE_RATIO ** min(found, key=lambda k: (found[k], k)):.2g}"), len(found)


def _final(arm: DescentRule, rate: float, task: DescentTask, seed: int) -> float:
    last = float(descend(arm, rate, task, seed).losses[-1])
    return last if math.isfinite(last) else math.inf


def descend(arm: DescentRule, rate: float | None, task: DescentTask, seed: int) -> Descent:
    """Train from the initial weights of a seed, and then evaluate the parameters of each epoch."""
    model = task.model(seed)
    path, seconds = [model.theta.copy()], [0.0]

    def keep(run: Run) -> None:
        path.append(run.theta.copy())
        seconds.append(seconds[-1] + run.logs["seconds"])

    with suppress(NonFiniteError):  # later epochs have no loss
        model.fit(task.X, task.y, epochs=task.epochs, batch_size=arm.batch, callbacks=[keep],
                  optimizer=arm.make(1.0 if rate is None else rate))  # fmt: skip
    losses = []
    for theta in path:
        model.theta[...] = theta
        losses.append(model.evaluate(task.X, task.y, metrics=["accuracy"])["loss"])
    accuracy = model.evaluate(task.X_test, task.y_test, metrics=["accuracy"])["accuracy"]
    ended = len(path) > task.epochs or arm.start is None  # L-BFGS may finish early
    for numbers, fill in ((losses, losses[-1] if ended else math.nan), (seconds, seconds[-1])):
        numbers += [fill] * (task.epochs + 1 - len(numbers))
    return Descent(seed, np.array(losses), np.array(seconds), accuracy, np.stack(path))


# --- two-parameter slices of a loss, theta = start + a d1 + b d2, and paths over them --------------------------------

Floats = NDArray[np.float64]
STEPS = 40
SLICE_SAMPLES = 500
POINTS = 33
RULES: dict[str, Callable[[float], Optimizer]] = {
    "gradient_descent": GradientDescent,
    "momentum": lambda rate: SGD(rate, momentum=0.9),
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
}
MAX_LOSS_RATIO = 1.1
"""A rule uses its smallest rate with a final loss of at most this multiple of its lowest: stable, not lucky steps"""
RATES = tuple(10.0 ** (k / 2) for k in range(-5, 4))


@records.kind("lab_slice")
@dataclass(frozen=True)
class View(records.DataResult):
    """The loss over a plane, and paths on it."""

    a: Floats  # (points,)
    b: Floats  # (points,)
    loss: Floats  # (points of b, points of a)
    paths: dict[str, Floats]  # (steps + 1, 2) by rule
    share: float
    """the fraction of the paths' variance about their start that the plane explains"""
    rates: dict[str, float]
    """the learning rates of the paths; empty if those of the training"""
    final: dict[str, float]
    """the loss at the end of each path on the plane"""


class Plane:
    """The loss of some samples on the plane start + a d1 + b d2, in float64, with its gradient in (a, b)."""

    def __init__(
        self, model: Model, X: RowsLike, y: TargetsLike, start: NDArray[Any], directions: Floats
    ) -> None:
        """directions: (2, size), orthonormal."""
        self.model, self.start, self.directions = model, start.astype(np.float64), directions
        samples, _ = check_samples(model.network, X, y)
        self.batch = samples.batch(slice(None), np.float64)
        self.plan = Plan(model.network, GradientDescent(), samples.n, model.seed, np.float64)

    def at(self, c: Floats) -> tuple[float, Floats]:
        """Compute the loss at c (2,) and its gradient (d1^T g, d2^T g)."""
        params = self.plan.network.unflatten(self.start + c @ self.directions)
        here, g = gradient(self.plan, params, self.model.states, self.batch, 0, training=False)
        return float(here.loss), self.directions @ g

    def over(self, a: Floats, b: Floats, progress: Progress | None = None) -> Floats:
        """Compute the loss on a grid: (len(b), len(a))."""
        network, ctx = self.plan.network, Context(states=self.model.states)
        share = objective.shares(self.batch.s)
        loss = np.empty((len(b), len(a)))
        for i, b_i in enumerate(b):
            for j, a_j in enumerate(a):
                theta = self.start + np.array([a_j, b_i]) @ self.directions
                params = network.unflatten(theta)
                out = network.predict(params, self.batch.a, ctx)
                losses = network.loss.value(out, self.batch.y)
                loss[i, j] = objective.value(losses, share, network.penalty(params))
            part(progress, 0.0, 1.0)((i + 1) / len(b), words.lab_optimizers.SLICE)
        return loss


def principal_plane(paths: Sequence[NDArray[Any]]) -> tuple[Floats, float]:
    """Find the two orthonormal directions (2, size) that explain most of the variance of the paths about their start.

    Principal components, uncentered about the start, of all points of all paths (steps + 1, size), computed from the
    Gram matrix, whose side is the number of points. Signs: each path's mean end is on the positive side.
    Also returns the share of the sum of squares that they explain.
    Source: Li, Xu, Taylor, Studer, Goldstein, "Visualizing the loss landscape of neural nets", NeurIPS 2018, sec. 7.
    """
    steps = np.concatenate([path[1:].astype(np.float64) - path[0] for path in paths])  # (points, size)
    values, vectors = np.linalg.eigh(steps @ steps.T)
    top = vectors[:, [-1, -2]]  # (points, 2)
    directions: Floats = (steps.T @ top / np.sqrt(np.maximum(values[[-1, -2]], 1e-300))).T
    ends = np.array([path[-1].astype(np.float64) - path[0] for path in paths]).mean(0)
    directions *= np.where(directions @ ends < 0, -1.0, 1.0)[:, None]
    return directions, float(values[[-1, -2]].sum()) / float(values.sum())


def views(
    model: Model,
    X: RowsLike,
    y: TargetsLike,
    paths: Mapping[str, NDArray[Any]],
    budget: float,
    progress: Progress | None,
) -> tuple[View, View]:
    """Project the paths of a training on their principal plane, and walk rules on that plane alone.

    model: before training.  X, y: the training samples, of which the first 500 define the loss.
    """
    directions, share = principal_plane(list(paths.values()))
    plane = Plane(model, X[:SLICE_SAMPLES], y[:SLICE_SAMPLES], model.theta, directions)
    points = max(9, min(POINTS, round(POINTS * math.sqrt(budget))))
    shadows = {name: (path.astype(np.float64) - path[0]) @ directions.T for name, path in paths.items()}
    a, b = _axes(shadows.values(), points)
    loss = plane.over(a, b, part(progress, 0.0, 0.35))
    ends = {name: plane.at(shadow[-1])[0] for name, shadow in shadows.items()}
    projected = View(a, b, loss, shadows, share, {}, ends)
    steps = max(8, min(STEPS, round(STEPS * budget)))
    walks, rates, final = {}, {}, {}
    for i, (name, make) in enumerate(RULES.items()):
        part(progress, 0.35, 0.65)(i / len(RULES), words.lab_optimizers.on_a_slice(name))
        tried = {rate: walk(plane, make(rate), steps) for rate in RATES}
        lowest = min(end for _, end in tried.values())  # finite, because the smallest rate hardly moves
        rates[name] = min(rate for rate, (_, end) in tried.items() if end <= MAX_LOSS_RATIO * lowest)
        walks[name], final[name] = tried[rates[name]]
    a, b = _axes(walks.values(), points)
    loss = plane.over(a, b, part(progress, 0.65, 1.0))
    return projected, View(a, b, loss, walks, 1.0, rates, final)


def walk(plane: Plane, optimizer: Optimizer, steps: int) -> tuple[Floats, float]:
    """Return the path (steps + 1, 2) of a rule that updates only the two coordinates, and the loss at its end."""
    c = np.zeros(2)
    path, state = [c], optimizer.init(c)
    for t in range(1, steps + 1):
        _, g = plane.at(c)
        c, state = optimizer.update(g, state, c, np.float64(optimizer.learning_rate), t)
        if not np.isfinite(c).all() or np.abs(c).max() > 1e3:
            return np.array(path), math.inf
        path.append(c)
    last = plane.at(c)[0]
    return np.array(path), last if math.isfinite(last) else math.inf


def _axes(paths: Any, points: int) -> tuple[Floats, Floats]:
    """Return two axes of equal length that contain all paths with a margin of one sixth."""
    every = np.concatenate(list(paths))
    low, high = every.min(0), every.max(0)
    middle, reach = (low + high) / 2, max(float((high - low).max()), 1e-6) * 2 / 3
    a, b = (np.linspace(m - reach, m + reach, points) for m in middle)
    return a, b


# --- compare gradient descent and its variants on the same network, and their paths over a slice of the loss ---------

EPOCHS = 20
SAMPLES = 4000


def optimizers(
    *,
    seed: int = 0,
    repeats: int = 3,
    budget: float = 1.0,
    progress: Progress | None = None,
    samples: int = SAMPLES,
    hidden: int = 64,
    loss: float = 0.1,
) -> Report:
    """Compare ten rules on one network and a part of MNIST, each with its best learning rate.

    repeats: seeds of initial weights and shuffles.  budget: scales the epochs and the samples.  samples, hidden: the
    numbers of training samples and of neurons per hidden layer.  loss: the training loss up to which passes are
    counted.
    """
    from chainrule.datasets import load_mnist

    check_options(seed, repeats, budget)
    checks.check_count(samples, "samples", 100)
    checks.check_count(hidden, "hidden")
    check_number(loss, "loss", above=0, hint="0.1 is usual")
    begin = time.perf_counter()
    train, test = load_mnist()
    share = math.sqrt(budget)  # for epochs and samples each: the work is their product
    count = min(scaled(samples, share, 100), len(train.X))
    rows = np.random.default_rng([seed, 1]).permutation(len(train.X))[:count]
    some = slice(None, scaled(len(test.X), min(share, 1.0), 100))
    task = DescentTask(
        train.X[rows], train.y[rows], test.X[some], test.y[some], scaled(EPOCHS, share, 2), hidden
    )
    rates, tried = {}, {}
    for i, arm in enumerate(ARMS):
        part(progress, 0.0, 0.55)(i / len(ARMS), words.lab_optimizers.tuning(arm.name))
        rates[arm.name], tried[arm.name] = tuned(arm, task, seed + repeats)
    outcomes: dict[str, list[Descent]] = {}
    for i, arm in enumerate(ARMS):
        part(progress, 0.55, 0.85)(i / len(ARMS), words.lab_optimizers.RULES[arm.name])
        outcomes[arm.name] = [descend(arm, rates[arm.name], task, s) for s in range(seed, seed + repeats)]
    paths = {name: runs[0].path for name, runs in outcomes.items()}
    seen = views(task.model(seed), task.X, task.y, paths, budget, part(progress, 0.85, 1.0))
    settings = {
        "seed": seed, "repeats": repeats, "budget": budget, "samples": count, "hidden": hidden, "loss": loss,
        "epochs": task.epochs, "batch": BATCH_SIZE,
    }  # fmt: skip
    return _report(task, rates, tried, outcomes, seen, settings, begin)


def _report(
    task: DescentTask,
    rates: dict[str, float | None],
    tried: dict[str, int],
    outcomes: dict[str, list[Descent]],
    views: tuple[View, View],
    settings: dict[str, Any],
    begin: float,
) -> Report:
    said = words.lab_optimizers
    target, repeats = settings["loss"], settings["repeats"]
    rows = []
    for arm in ARMS:
        runs = outcomes[arm.name]
        last = [float(run.losses[-1]) for run in runs]
        rows.append((
            said.RULES[arm.name], len(task.X) if arm.batch is None else arm.batch, rates[arm.name],
            *(float(f"{f(last):.3g}") for f in (np.median, min, max)), _median_passes(runs, target),
            round(100 * float(np.median([run.accuracy for run in runs])), 2),
            round(float(np.median([run.seconds[-1] for run in runs])), 3),
        ))  # fmt: skip
    count = len(task.X)
    table = Table(said.heads(target), tuple(rows), said.caption(task.epochs, count, repeats, target))
    confined = views[1]
    plane = Table(
        said.SLICE_HEADS,
        tuple(
            (said.RULES[name], float(f"{rate:.3g}"), float(f"{confined.final[name]:.3g}"))
            for name, rate in confined.rates.items()
        ),
        said.slice_caption(len(confined.paths["adam"]) - 1, SLICE_SAMPLES, len(RATES)),
    )
    median = {name: np.median([run.losses for run in runs], 0) for name, runs in outcomes.items()}
    clock = {name: np.median([run.seconds for run in runs], 0) for name, runs in outcomes.items()}
    return Report(
        name="optimizers",
        title=said.TITLE,
        question=said.QUESTION,
        answer=_answer(task, outcomes, target),
        finding=_finding(task, outcomes, rates, views[0].share),
        held_fixed=said.held_fixed(
            *(task.hidden, task.model(0).network.size, count, task.epochs, BATCH_SIZE),
            tuned_on=settings["seed"] + repeats,
            tried=(min(tried[arm.name] for arm in ARMS[:-1]), max(tried.values())),
        ),
        limits=said.limits(_steps(task)),
        tables=(table, plane),
        figures=(
            descents(median, clock),
            slice_paths(views[1], said.CONFINED),
            slice_paths(views[0], said.PROJECTED),
        ),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


STEP = "rgba(128, 128, 128, 0.075)"
"""The color of one contour level: overlapping levels add up, on light and dark pages."""
FAMILIES: dict[str, tuple[str, str, str]] = {
    "gradient_descent": ("#808080", "dot", "x"),
    "sgd": (BLUE, "solid", "circle"),
    "momentum": (SKY, "dash", "circle-open"),
    "nesterov": (BLUE, "dot", "circle-dot"),
    "adagrad": (AMBER, "solid", "square"),
    "rmsprop": (ORANGE, "dash", "diamond"),
    "adam": (GREEN, "solid", "triangle-up"),
    "adamw": (GREEN, "dash", "triangle-up-open"),
    "nadam": (GREEN, "dot", "triangle-down"),
    "lbfgs": (PINK, "longdash", "cross"),
}
"""Colors by family, dashes and markers by rule."""
VISIBLE_RULES = ("gradient_descent", "sgd", "momentum", "adagrad", "rmsprop", "adam", "lbfgs")
"""The paths visible initially; the legend adds the others."""


def descents(losses: Mapping[str, NDArray[Any]], seconds: Mapping[str, NDArray[Any]]) -> go.Figure:
    """Plot the training loss by rule, over passes and over seconds; both (passes + 1,)."""
    figure, said = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04), words.lab_optimizers
    for column in (1, 2):  # a logarithmic axis has no start at 0 s
        for name, loss in losses.items():
            color, dash, symbol = FAMILIES[name]
            rule = said.RULES[name]
            hover = said.after_passes(rule) if column == 1 else said.after_seconds(rule)
            x, y = (np.arange(len(loss)), loss) if column == 1 else (seconds[name][1:], loss[1:])
            figure.add_trace(
                go.Scatter(
                    x=x, y=y, name=rule, legendgroup=name, showlegend=column == 1, mode="lines+markers",
                    line={"color": color, "width": 2.25, "dash": dash},
                    marker={"size": 8, "symbol": symbol, "color": color, "maxdisplayed": 7},
                    hovertemplate=hover + "<extra></extra>",
                ),
                row=1, col=column,
            )  # fmt: skip
    style(figure, said.DESCENTS)
    figure.update_xaxes(title={"text": said.PASSES}, row=1, col=1)
    figure.update_xaxes(
        title={"text": words.phrases.logarithmic(said.SECONDS)},
        type="log",
        dtick="D2",
        tickformat="~g",
        row=1,
        col=2,
    )
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title={"text": said.LOSS}, row=1, col=1)
    figure.update_layout(height=520, margin={"t": 60, "b": 130}, meta="side by side",
                         legend={"x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top"})  # fmt: skip
    return figure


def slice_paths(view: View, title: str) -> go.Figure:
    """Plot the loss over a plane as contours, with paths from one start."""
    figure, said = go.Figure(), words.lab_optimizers
    level = np.log10(np.maximum(view.loss, 1e-12))
    figure.add_trace(
        go.Contour(
            x=view.a, y=view.b, z=level, customdata=view.loss, ncontours=18,
            colorscale=[[0.0, STEP], [1.0, STEP]],
            line={"color": "rgba(128, 128, 128, 0.6)", "width": 0.75},
            showscale=False,
            hovertemplate=said.LOSS_AT + "<extra></extra>", name=said.LOSS_NAME,
        )
    )  # fmt: skip
    for name, path in view.paths.items():
        color, dash, symbol = FAMILIES[name]
        rule = said.RULES[name]
        label = said.at_rate(rule, view.rates[name]) if view.rates else rule
        figure.add_trace(
            go.Scatter(
                x=path[:, 0], y=path[:, 1], name=label, mode="lines+markers",
                visible=True if name in VISIBLE_RULES or view.rates else "legendonly",
                line={"color": color, "width": 2.25, "dash": dash},
                marker={"symbol": symbol, "color": color, "size": [6] * (len(path) - 1) + [13]},
                hovertemplate=said.step_of(rule) + "<extra></extra>",
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(x=[0], y=[0], mode="markers+text", text=[said.START], textposition="bottom center", name=said.START,
                   marker={"symbol": "star", "size": 16, "color": "#808080"}, showlegend=False, hoverinfo="skip")
    )  # fmt: skip
    style(figure, title, *said.DIRECTIONS)
    figure.update_xaxes(showgrid=False, range=[float(view.a[0]), float(view.a[-1])], constrain="domain")
    figure.update_yaxes(showgrid=False, range=[float(view.b[0]), float(view.b[-1])], scaleanchor="x")
    figure.add_annotation(
        text=said.shades(float(view.loss.min()), float(view.loss.max())),
        x=1, y=1.0, xref="x domain", yref="y domain", xanchor="right", yanchor="bottom", showarrow=False,
    )  # fmt: skip
    side = {"orientation": "v", "x": 1.02, "xanchor": "left", "y": 1, "yanchor": "top"}
    figure.update_layout(height=640, legend=side)
    return figure


def _answer(task: DescentTask, outcomes: dict[str, list[Descent]], target: float) -> str:
    """Describe the result by medians; a diverged run counts as infinite."""
    last = {
        name: float(np.median([np.nan_to_num(run.losses[-1], nan=math.inf) for run in runs]))
        for name, runs in outcomes.items()
    }
    first = {name: float(np.median([run.losses[0] for run in runs])) for name, runs in outcomes.items()}
    passes = {name: _median_passes(runs, target) for name, runs in outcomes.items()}
    return words.lab_optimizers.answer(task.epochs, first, last, passes, target)


def _median_passes(runs: list[Descent], target: float) -> int | None:
    """Return the median number of passes to the target; None if the median run did not reach it."""
    passes = sorted(math.inf if (p := run.passes(target)) is None else p for run in runs)
    middle = passes[(len(passes) - 1) // 2]
    return int(middle) if math.isfinite(middle) else None


def _steps(task: DescentTask) -> int:
    """Return the number of steps per pass in batches."""
    return -(-len(task.X) // BATCH_SIZE)


def _finding(
    task: DescentTask, outcomes: dict[str, list[Descent]], rates: dict[str, float | None], share: float
) -> str:
    last = {name: float(np.median([run.losses[-1] for run in runs])) for name, runs in outcomes.items()}
    spread = max(
        (max(run.losses[-1] for run in runs) / max(min(run.losses[-1] for run in runs), 1e-12), name)
        for name, runs in outcomes.items()
    )
    apart = spread if len(outcomes["sgd"]) > 1 else None
    return words.lab_optimizers.finding(task.epochs, _steps(task), BATCH_SIZE, last, rates, apart, share)
