"""Universal approximation: the error as a function of the width of one hidden layer.

The theorem (Cybenko 1989; Hornik, Stinchcombe, White 1989) states that weights exist for any error, not how to find
them. So the plots show the best results of a strong method: Levenberg-Marquardt in float64, from several starts, and
for each width also from the result of the narrower network, which the wider one contains.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.lab.approximation import (
    ACTIVATIONS,
    EVALUATED_POINTS,
    FITTED_POINTS,
    TARGETS,
    Fit,
    Floats,
    TargetFunction,
    fit,
    grid,
    widen,
)
from chainrule.lab.base import Progress, check_options, part, scaled
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.tables import Table

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
    if not (math.isfinite(error) and error > 0):
        raise ConfigError(f"error must be a finite number above 0, not {error!r}; 0.05 is usual.")
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
    from chainrule.views.figures import laboratory

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
        widest.append((said.TARGETS[target.name], said.FORMULAS[target.name], groups[-1][0].model.network.size,
                       *map(_rounded, (ends[0], float(np.median(ends)), ends[-1], _best_rms(groups[-1])))))  # fmt: skip
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
    from chainrule.views.figures.laboratory import Band

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
