"""Who is told of a race: the callbacks of an estimator, of each of its fits and of its report."""

from __future__ import annotations

import math

from chainrule.fitting.held import HoldsResult
from chainrule.race.report import RaceReport
from chainrule.training.callbacks import as_callbacks


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
