"""Who is told of a race: the callbacks of an estimator, of each of its fits and of its report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from chainrule.fitting.held import HoldsResult
from chainrule.race.judge import Judge
from chainrule.race.report import RaceReport
from chainrule.race.state import RaceFit, Task
from chainrule.training.callbacks import Callback, as_callbacks


class FollowedTask:
    """The callbacks of one fit of a race, and the figures that they are told at its end."""

    def __init__(self, callbacks: Sequence[Callback], task: Task, judges: Mapping[int, Judge]) -> None:
        """Make the callbacks. callbacks: those of the race.  judges: of the rows held out, by fold."""
        rows = "all" if task.is_of_all or task.candidate.deals else f"without fold {task.fold + 1}"
        own = {"recipe": task.candidate.name, "rows": rows, "seed": task.seed, **task.candidate.changed}
        name = name_of(task) + f" {task.fold + 1}" * task.is_of_all
        self.callbacks = tuple(each.part(name, own) for each in callbacks)
        self.judge = None if task.is_of_all else judges.get(task.fold)
        self.figures = dict[str, float]()

    def made(self, fit: RaceFit | None) -> None:
        """Take the figures of the fit, if there is one: its seconds, and its loss on the rows that were held out."""
        if fit is None:
            return
        self.figures["seconds"], judge = fit.seconds, self.judge
        if judge is not None and len(fit.predicted):
            self.figures["loss_held_out"] = judge.mean_loss(judge.truth(fit.predicted))


@contextmanager
def followed(
    callbacks: Sequence[Callback], task: Task, judges: Mapping[int, Judge]
) -> Iterator[FollowedTask]:
    """Give the callbacks of a fit of a race, and tell them of its end, also if it fails."""
    made = FollowedTask(callbacks, task, judges)
    try:
        yield made
    finally:
        for each in made.callbacks:
            if made.figures:
                each.on_judged(made.figures)
            each.on_fit_end(None)


def name_of(task: Task) -> str:
    """Return the name of a fit: its recipe, and its fold or that it is of all rows, unless all fits of it are."""
    if task.candidate.deals:
        return task.candidate.name
    return f"{task.candidate.name}, {'all rows' if task.is_of_all else f'fold {task.fold + 1}'}"


def tell_report(estimator: HoldsResult, report: RaceReport) -> None:
    """Tell callbacks what a race found of each recipe, as loss_held_out/fast, and print it where that is asked for."""
    found = {
        f"{name}/{each.recipe}": value
        for each in report
        for name, value in (
            ("loss_held_out", each.loss),
            ("score_held_out", each.score),
            ("weight", each.weight),
        )
        if value is not None and math.isfinite(value)
    }
    for callback in as_callbacks(estimator.callbacks):
        callback.on_judged(found)
    if estimator.verbose:
        print(report)
