"""What an estimator asks of a race, whether it supports one, its seconds and its start; and what it is told of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chainrule.core.settings import check_number
from chainrule.errors import ConfigError
from chainrule.fitting.held import HoldsResult
from chainrule.fitting.prepare import FitRequest
from chainrule.fitting.result import FitResult
from chainrule.presets import BEST
from chainrule.race.blend import RaceResult
from chainrule.race.report import RaceReport
from chainrule.race.state import SECONDS, RaceState
from chainrule.training.callbacks import as_callbacks

# --- what is asked of a race: whether an estimator supports one, its seconds, and a race to go on with ---------------


def check_support(estimator: HoldsResult, request: FitRequest) -> None:
    """Check that an estimator supports a race. Raises ConfigError for settings of a single network."""
    faults = {
        "partial_fit": request.incremental,
        "warm_start=True": estimator.warm_start,
        "callbacks but those of `chainrule.tracking`": getattr(estimator, "_skl_callbacks", None)
        or not all(each.follows_several for each in as_callbacks(estimator.callbacks)),
        "n_members": estimator.n_members is not None,
        "replace_head": request.trunk is not None,
        "solver='lbfgs'": estimator.solver == "lbfgs",
        "parameters to begin with": bool(request.start),
    }
    for what, is_there in faults.items():
        if is_there:
            raise ConfigError(
                f"preset='best' does not support {what}, because it trains several networks; use preset='fast', or "
                "omit it."
            )


def seconds_of_race(estimator: HoldsResult, start: RaceState) -> float | None:
    """Return the seconds of a race from its start; None for one that is repeated, whose plan has no clock."""
    if start.plan is not None:
        return None
    if start.more is not None:
        return start.more
    return SECONDS if estimator.time_limit is None else float(estimator.time_limit)


def start_of_race(
    estimator: HoldsResult, before: FitResult | None, more: float | None, plan: Mapping[str, object] | None
) -> RaceState:
    """Return what a race begins with that is not new: the last race, for so many seconds more, or a plan.

    Raises ConfigError for both, and for what does not go with the estimator.
    """
    if more is not None and plan is not None:
        raise ConfigError("more= goes on with a race and plan= repeats one; pass one of them.")
    if plan is not None:
        from chainrule.race.repeat import repeating

        return repeating(estimator, plan)
    assert more is not None, "a new race is not asked for"
    return go_on_with(estimator, before, more)


def go_on_with(estimator: HoldsResult, before: FitResult | None, more: float) -> RaceState:
    """Return the start of a race that goes on with the last one of an estimator for so many seconds.

    Raises ConfigError where there is none, or where it is known to be of other parameters.
    """
    check_number(more, "more", above=0)
    if not isinstance(before, RaceResult) or before.state.drawn is None:
        raise ConfigError(
            "more= goes on with the race of a fit of preset='best' in this process, and there is none (a file has only "
            "its result); fit without it."
        )
    if estimator.preset != BEST:
        raise ConfigError(
            f"more= goes on with a race, but preset is {estimator.preset!r} now; set it to 'best'."
        )
    return before.state._replace(more=more)


# --- who is told of a race: the callbacks of an estimator, of each of its fits and of its report ---------------------


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
