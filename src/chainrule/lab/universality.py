"""Universal approximation: how the error falls as one hidden layer grows wider.

The theorem (Cybenko 1989; Hornik, Stinchcombe, White 1989) says that weights exist for any error, not how to find them.
So what is drawn is the best that a strong method finds: Levenberg and Marquardt's, in float64, from several starts, and
for each width also from what the narrower one had come to, which the wider one contains.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.lab.approximation import (
    ACTIVATIONS,
    JUDGED,
    TARGETS,
    TRAINED,
    Fit,
    Floats,
    Target,
    fit,
    grid,
    widen,
)
from chainrule.lab.base import Progress, check_options, part, scaled
from chainrule.views.experiments import Report
from chainrule.views.tables import Table

WIDTHS = (2, 4, 8, 16, 32, 64)
ITERATIONS = 200
SPELLED = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}


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
    """Measure the error against the width, for smooth, kinked and steep functions of one and of two variables.

    repeats: starts of each fit.  budget: scales the iterations of a fit.  widths: neurons of the hidden layer.
    activation: tanh, sigmoid or relu.  error: the largest error to be reached, anywhere in the domain.
    """
    check_options(seed, repeats, budget)
    widths = tuple(sorted({checks.check_count(width, "widths") for width in widths}))
    checks.check_choice(activation, ACTIVATIONS, "activation")
    if len(widths) < 2:
        raise ConfigError(f"widths must name at least two widths, not {widths}; such as 4, 8, 16.")
    if not (math.isfinite(error) and error > 0):
        raise ConfigError(f"error must be a finite number above 0, not {error!r}; 0.05 is usual.")
    begin, iterations = time.perf_counter(), scaled(ITERATIONS, budget, 4)
    fits: list[Fit] = []
    jobs = [(t, s, w) for t in TARGETS for s in range(seed, seed + repeats) for w in widths]
    work = np.cumsum([_cost(target, width, width > widths[0]) for target, _, width in jobs])
    for (target, s, width), done in zip(jobs, work, strict=True):
        found = fit(target, width, s, iterations, activation)
        if width > widths[0]:  # fits[-1] is the same start's at the width before
            found = min(found, widen(fits[-1], width, iterations, activation), key=lambda f: f.largest)
        fits.append(found)
        part(progress, 0.0, 1.0)(done / work[-1], f"{target.name}, width {width}")
    return _report(fits, widths, error, dict(seed=seed, repeats=repeats, budget=budget, activation=activation,
                   widths=list(widths), error=error, iterations=iterations), begin)  # fmt: skip


def _cost(target: Target, width: int, is_widened: bool) -> float:
    parameters = width * (target.variables + 2) + 1
    return (1 + is_widened) * float(TRAINED[target.variables] ** target.variables * parameters**2 + 2e6)


def _report(
    fits: list[Fit], widths: tuple[int, ...], error: float, settings: dict[str, Any], begin: float
) -> Report:
    from chainrule.views.figures import laboratory

    by = {t.name: [[f for f in fits if f.target is t and f.width == w] for w in widths] for t in TARGETS}
    rows, widest, reached = [], [], {}
    for target in TARGETS:
        groups = by[target.name]
        best = [_best(group).largest for group in groups]
        reached[target.name] = next((w for w, e in zip(widths, best, strict=True) if e <= error), None)
        slope = float(np.polyfit(np.log(widths), np.log(np.maximum(best, 1e-300)), 1)[0])
        rows.append((target.name, *map(_rounded, best), reached[target.name], round(slope, 2)))
        ends = sorted(f.largest for f in groups[-1])
        widest.append((target.name, target.formula, groups[-1][0].model.network.size,
                       *map(_rounded, (ends[0], float(np.median(ends)), ends[-1], _best_rms(groups[-1])))))  # fmt: skip
    table = Table(
        ("function", *map(str, widths), f"width for {error:g}", "slope"),
        tuple(rows),
        f"The largest error anywhere, best of {settings['repeats']} starts, by the neurons of the hidden layer; the "
        "least width whose best start reaches the error asked for; the slope of log error against log width.",
    )
    greatest = Table(
        ("function", "formula", "parameters", "best", "median", "worst", "best RMS"),
        tuple(widest),
        f"At {widths[-1]} neurons: the largest error of the best, the median and the worst start; the best RMS error.",
    )
    ranges = {
        n: [_curve(target.kind, widths, by[target.name]) for target in TARGETS if target.variables == n]
        for n in (1, 2)
    }
    last = len(widths) - 1
    lines = [_best(by[t.name][i]) for t in TARGETS if t.variables == 1 for i in sorted({0, 1, last})]
    fields = [_best(by[t.name][i]) for t in TARGETS if t.variables == 2 for i in sorted({0, last // 2, last})]
    return Report(
        name="universality",
        title="Universality: width against error",
        question="How does the error of approximating a continuous function fall as one hidden layer grows wider?",
        answer=_answer(by, widths),
        finding=_finding(by, widths, error, reached),
        held_fixed=(
            f"One hidden layer of {SPELLED[settings['activation']]} neurons and a linear output; float64; at most "
            f"{settings['iterations']} steps of Levenberg and Marquardt's method on all points at once, from "
            f"{settings['repeats']} random starts whose output layer is the least-squares one, and for each start from "
            "the same start's fit at the width before, the new neurons having no weight in the output at first; "
            f"{TRAINED[1]} points fitted for one variable and {TRAINED[2]} x {TRAINED[2]} for two, with no noise; "
            f"the error is measured at {JUDGED[1]:,} and at {JUDGED[2]} x {JUDGED[2]} points. Only the width changes."
        ),
        limits=(
            "The theorem says that weights exist; a fit says that they were found. Where an error does not fall with "
            "the width, the training failed and not the theorem, and a best start is no lower bound. No error rises "
            "with the width, because the wider network may stay what the narrower one was. The error "
            "between the measured points is not bounded. Functions of many variables need far more neurons than "
            "these of one and two, noise and generalization are not in it, and depth, which can do with fewer "
            "neurons, is not compared."
        ),
        tables=(table, greatest),
        figures=(
            laboratory.approximation(ranges, error),
            laboratory.fitted_lines(*_drawn_lines(lines)),
            laboratory.fitted_fields(*_drawn_fields(fields)),
        ),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _best(group: list[Fit]) -> Fit:
    return min(group, key=lambda f: f.largest)


def _best_rms(group: list[Fit]) -> float:
    return min(f.rms for f in group)


def _curve(name: str, widths: tuple[int, ...], groups: list[list[Fit]]) -> Any:
    from chainrule.views.figures.laboratory import Curve

    best = [min(f.largest for f in group) for group in groups]
    worst = [max(f.largest for f in group) for group in groups]
    return Curve(name, widths, best, best, worst)


def _answer(by: dict[str, list[list[Fit]]], widths: tuple[int, ...]) -> str:
    best = {name: [_best(group).largest for group in groups] for name, groups in by.items()}
    falls = {name: errors[0] / max(errors[-1], 1e-300) for name, errors in best.items()}
    least, most = min(falls, key=falls.__getitem__), max(falls, key=falls.__getitem__)
    steps = [after < before for errors in best.values() for before, after in pairwise(errors)]
    return (
        f"From {widths[0]} to {widths[-1]} neurons the largest error falls by a factor of {_rounded(falls[least]):g} "
        f"({least}) to {_rounded(falls[most]):,g} ({most}), in {sum(steps)} of the {len(steps)} steps from a width to "
        "the next, and in none does it rise."
    )


def _finding(
    by: dict[str, list[list[Fit]]], widths: tuple[int, ...], error: float, reached: dict[str, int | None]
) -> str:
    said = []
    for kind in ("smooth", "kinked", "steep"):
        names = [t.name for t in TARGETS if t.kind == kind]
        falls = [f"{_best(by[name][0]).largest:.2g} to {_best(by[name][-1]).largest:.2g}" for name in names]
        said.append(f"{kind} from {falls[0]} with one variable and from {falls[1]} with two")
    met = {name: width for name, width in reached.items() if width is not None}
    missed = [name for name, width in reached.items() if width is None]
    text = f"From {widths[0]} to {widths[-1]} neurons the largest error of the best start went: {'; '.join(said)}."
    if met:
        numbers = ", ".join(f"{width} neurons ({name})" for name, width in met.items())
        text += f" It came to {error:g} or less with {numbers}."
    if missed:
        text += f" It stayed above {error:g} with {widths[-1]} neurons for {' and '.join(missed)}."
    apart = max(
        (max(f.largest for f in group) / max(_best(group).largest, 1e-300), name, group[0].width)
        for name, groups in by.items()
        for group in groups
    )
    return text + (
        f" Starts differ: at worst {apart[0]:.0f}-fold ({apart[1]}, width {apart[2]})."
        if len(by[TARGETS[0].name][0]) > 1
        else ""
    )


def _drawn_lines(fits: list[Fit]) -> tuple[Floats, dict[str, Floats], dict[str, dict[str, Floats]]]:
    """x; the true y by function; the fitted ones by function and width."""
    X = grid(1, 401)
    true = {f.target.name: f.target.f(X) for f in fits}
    fitted: dict[str, dict[str, Floats]] = {name: {} for name in true}
    for f in fits:
        fitted[f.target.name][f"{f.width} neurons"] = f.model.outputs(X)[:, 0]
    return X[:, 0], true, fitted


def _drawn_fields(fits: list[Fit]) -> tuple[Floats, dict[str, dict[str, Floats]]]:
    """The axis; by function the true field and the fitted ones."""
    points = 61
    X = grid(2, points)
    fields: dict[str, dict[str, Floats]] = {}
    for f in fits:
        row = fields.setdefault(f.target.name, {"true": f.target.f(X).reshape(points, points).T})
        row[f"{f.width} neurons"] = f.model.outputs(X)[:, 0].reshape(points, points).T
    return np.linspace(-1, 1, points), fields
