"""Train the same network on the same data with every method, with the same number of forward passes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.lab.base import Progress, check_options, scaled
from chainrule.lab.without_backprop_runs import (
    ARMS,
    BATCH,
    COSINE_EVALUATIONS,
    STEP_SIZES,
    TUNING_SHARE,
    MethodArm,
    MethodRuns,
    MethodTask,
    network,
    run,
    samples,
)
from chainrule.training.without_backprop import CMAES, NoTraining
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.tables import Table
from chainrule.views.words.facts import chance

PASSES = 12_000
"""The number of forward passes per method, at a budget of 1."""


def without_backprop(
    *,
    seed: int = 0,
    repeats: int = 3,
    budget: float = 1.0,
    progress: Progress | None = None,
    methods: Sequence[str] | None = None,
) -> Report:
    """Train one network with every method, for the same number of forward passes, and fill in the lesson's table.

    seed, repeats: seeds seed .. seed + repeats - 1, each with initial weights and batches shared by all methods.
    budget: share of 12,000 passes.  progress: called with the completed share.  methods: names, None for all;
    backpropagation is always included.  Raises ConfigError for invalid options.
    """
    check_options(seed, repeats, budget)
    names = _names(methods)
    if "cma_es" in names:
        CMAES(diagonal=True).check(network(), 0)  # its library, before anything is trained
    start, passes = time.perf_counter(), scaled(PASSES, budget, 500)
    train, test = samples()
    task = MethodTask(network(), train, test)
    clock = Clock(progress, len(names) * (repeats + len(STEP_SIZES) * TUNING_SHARE))
    found: dict[str, MethodRuns] = {}
    for name in names:
        arm = ARMS[name]
        size = tuned(task, arm, seed, passes, clock)
        courses = []
        for k in range(repeats):
            clock.at(words.experiments.of_seed(words.lab_without_backprop.METHODS[name], seed + k))
            courses.append(run(task, arm, size, seed + k, passes, looks=COSINE_EVALUATIONS))
            clock.add(1)
        found[name] = MethodRuns(arm, size, courses)
    return _report(task, found, passes, {"seed": seed, "repeats": repeats, "budget": budget}, start)


def _names(methods: Sequence[str] | None) -> list[str]:
    chosen = list(ARMS) if methods is None else [methods] if isinstance(methods, str) else list(methods)
    for name in chosen:
        checks.check_choice(name, ARMS, "methods")
    if not chosen:
        raise ConfigError("methods must contain at least one method, or be None for all.")
    return [name for name in ARMS if name in chosen or name == "backpropagation"]


# --- tuning


class Clock:
    """Reports the progress of a known number of units."""

    def __init__(self, progress: Progress | None, total: float) -> None:
        """Start at 0. total: the number of units that `add` counts."""
        self.progress, self.total, self.done, self.what = progress, total, 0.0, ""

    def at(self, what: str) -> None:
        """Set the description of the current unit."""
        self.what = what
        self.add(0)

    def add(self, units: float) -> None:
        """Advance the progress by `units`."""
        self.done += units
        if self.progress is not None:
            self.progress(min(self.done / self.total, 1.0), self.what)


def tuned(task: MethodTask, arm: MethodArm, seed: int, passes: int, clock: Clock) -> float | None:
    """Return the step size with the lowest loss after a fifth of the passes, at the first seed."""
    if isinstance(arm.make(1.0), NoTraining):
        clock.add(len(STEP_SIZES) * TUNING_SHARE)
        return None
    losses = []
    for size in STEP_SIZES:
        clock.at(words.lab_without_backprop.trying(arm.name, size))
        losses.append(run(task, arm, size, seed, round(TUNING_SHARE * passes), looks=0).loss[-1])
        clock.add(TUNING_SHARE)
    return STEP_SIZES[int(np.argmin(losses))]


# --- what it came to


def _report(
    task: MethodTask, found: dict[str, MethodRuns], passes: int, settings: dict[str, Any], start: float
) -> Report:
    from chainrule.views.figures import search

    said, lesson, P = words.lab_without_backprop, words.lab_lesson, task.network.size
    curves = [
        search.Curve(
            said.METHODS[outcome.arm.name],
            outcome.arm.family,
            [course.passes for course in outcome.courses],
            [course.seconds for course in outcome.courses],
            [course.loss for course in outcome.courses],
        )
        for outcome in found.values()
    ]
    angles = [
        (said.METHODS[o.arm.name], o.arm.family, o.cosine) for o in found.values() if o.cosine is not None
    ]
    figures = (
        search.loss_curves(curves, "passes"),
        search.loss_curves(curves, "seconds"),
        search.cosines(angles, chance(P)),
    )
    tables = (measured(found), Table(lesson.HEADS, lesson.rows(found, P), lesson.CAPTION))
    return Report(
        "without-backprop",
        said.TITLE,
        said.QUESTION,
        said.answer(found, passes),
        said.finding(found, P, passes),
        said.held_fixed(task.network, task.train.n, settings, passes, BATCH, STEP_SIZES, TUNING_SHARE),
        said.limits(P),
        tables,
        figures,
        settings | {"parameters": P, "passes": passes},
        time.perf_counter() - start,
    )


def measured(found: dict[str, MethodRuns]) -> Table:
    """Return the table with each method's numbers."""
    rows, said = [], words.lab_without_backprop
    backprop = found["backpropagation"]
    for name, outcome in found.items():
        moves = name not in ("backpropagation", "none")
        rows.append(
            (
                said.METHODS[name],
                outcome.size,
                outcome.passes_a_step,
                outcome.milliseconds,
                outcome.cosine,
                round(outcome.steps),
                outcome.loss,
                100 * outcome.accuracy,
                backprop.passes_to(outcome.loss) if moves else None,
            )
        )
    return Table(said.HEADS, tuple(rows), said.CAPTION)
