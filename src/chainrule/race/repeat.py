"""Repeat a race by its plan: the same fits with the same seeds, stopped at the same steps, and the same weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.data.samples import checksum
from chainrule.errors import ConfigError, DataError
from chainrule.fitting import files
from chainrule.fitting.held import HoldsResult
from chainrule.fitting.lookup import Similarity
from chainrule.fitting.parameters import given
from chainrule.presets import BEST
from chainrule.race.candidates import Candidate
from chainrule.race.plan import NOT_COMPARED, PlannedFit, PlannedNetwork, RacePlan, RowsDigest
from chainrule.race.runner import Runner
from chainrule.race.state import Drawn, RaceChoice, RaceState, Task
from chainrule.tables.data import FitData


def repeating(estimator: HoldsResult, data: object) -> RaceState:
    """Return the start of a race that repeats another one. data: the `plan_` of its estimator.

    Raises ConfigError for other data, and where the estimator has other parameters.
    """
    plan = plan_of(data)
    if estimator.preset != BEST:
        raise ConfigError(f"plan= repeats a race, but preset is {estimator.preset!r}; set it to 'best'.")
    if type(estimator).__name__ != plan.estimator:
        raise ConfigError(
            f"the plan is that of an {plan.estimator}, not of an {type(estimator).__name__}; use that."
        )
    own, theirs = compared(estimator), plan.parameters
    for name in sorted(own.keys() | theirs.keys()):
        if own.get(name) != theirs.get(name) or (name in own) != (name in theirs):
            was = f"with {name}={theirs[name]!r:.60}" if name in theirs else f"without {name}"
            raise ConfigError(f"the race of the plan was made {was}; set the parameter to what it was.")
    return RaceState(plan=plan)


def plan_of(data: object) -> RacePlan:
    """Return the plan of data that `codec.write` made, also by JSON. Raises ConfigError for other data."""
    said = "plan must be the plan_ of an estimator after a fit of preset='best', and this is none"
    return codec.read(RacePlan, data, "", lambda fault: ConfigError(f"{said} ({fault})."))


def compared(estimator: HoldsResult) -> dict[str, Any]:
    """Return the parameters that the races of one plan have in common, as JSON values."""
    names = [name for name in given(estimator) if name not in NOT_COMPARED]
    return files.plain_parameters(estimator, names)


def check_rows(plan: RacePlan, data: FitData, folds: int) -> None:
    """Check that rows are those of a plan, and that their folds, which are so many, are enough. Raises DataError."""
    if data.samples.n != plan.rows:
        raise DataError(
            f"the plan is of {plan.rows:,} rows, and these are {data.samples.n:,}; pass the same rows."
        )
    check_digest(plan.digest, digest_of(data), "the plan")
    if max((each.fold for each in plan.fits), default=0) >= folds:
        raise DataError(
            f"the plan has other folds than the {folds} of these rows; pass groups, time and X_val as in its fit."
        )


def digest_of(data: FitData) -> RowsDigest:
    """Return the checksums of the rows of a fit. Weights of 1 each are none."""
    weight, structure = data.sample_weight, data.structure
    is_weighted = weight is not None and not (weight == 1).all()
    return RowsDigest(
        checksum(np.ascontiguousarray(data.samples.y, np.float64), 0),
        *(_checksum(each) for each in (weight if is_weighted else None, structure.groups, structure.time)),
    )


def _checksum(values: NDArray[Any] | None) -> int:
    """Return a checksum of values, one a row, that is not 0; 0 for None."""
    return 0 if values is None else checksum(np.ascontiguousarray(values, np.float64), 0) or 1


def check_digest(before: RowsDigest, now: RowsDigest, of: str) -> None:
    """Check that rows are those of a race before, as far as it is known of these.

    of: what has it, as errors call it.  Raises DataError for other targets, weights, groups or times.
    """
    if before.targets != now.targets:
        raise DataError(f"the targets are not those of {of}; pass the same rows in the same order.")
    for name in RowsDigest._fields[1:]:
        known, passed = getattr(before, name), getattr(now, name)
        if known is None or known == passed:
            continue
        if not passed:
            raise DataError(f"{of} is of a fit with {name}=, and this one has none; pass the same.")
        if not known:
            raise DataError(f"{of} is of a fit without {name}=; omit it, or fit without {of}.")
        raise DataError(f"{name} has other values than in the fit of {of}; pass the same, in the same order.")


def planned(plan: RacePlan, data: FitData, racing: tuple[Candidate, ...], drawn: Drawn) -> Drawn:
    """Return what was drawn with the seeds of a plan; the others are for fits by which the race goes on afterwards.

    They are equal unless this version has other recipes than that of the plan. Raises DataError for other rows, and
    ConfigError for a recipe that there is not, or that sets something else.
    """
    check_rows(plan, data, len(drawn.folds))
    numbers = {candidate.name: number for number, candidate in enumerate(racing)}
    for name, settings in plan.recipes.items():
        if name not in numbers or settings_of(racing[numbers[name]]) != settings:
            raise ConfigError(
                f"the plan's recipe {name!r:.40} is not one of this version of chainrule; repeat the race with the "
                "version that made it."
            )
    of_folds, of_all = ([[*seeds] for seeds in each] for each in (drawn.of_folds, drawn.of_all))
    networks = len(of_all[0])
    for fit in plan.fits:
        of_folds[numbers[fit.recipe]][fit.fold] = fit.seed
    if max((each.number for each in plan.networks), default=0) >= networks:
        raise ConfigError(
            f"the plan has more than {networks} networks of a recipe; pass the plan_ of a race."
        )
    for network in plan.networks:
        of_all[numbers[network.recipe]][network.number] = network.seed
    return drawn._replace(of_folds=of_folds, of_all=of_all)


def settings_of(candidate: Candidate) -> dict[str, Any]:
    """Return what a recipe sets, as JSON values."""
    changed = {
        name: list(value) if isinstance(value, tuple) else value for name, value in candidate.changed.items()
    }
    return {"preset": candidate.preset, "variant": candidate.variant, "changed": changed}


def made(race: Runner, plan: RacePlan) -> RaceChoice:
    """Make the fits and the networks of a plan, and return what its race chose.

    Raises the error of the first of them that fails, where it did not before.
    """
    numbers = {candidate.name: number for number, candidate in enumerate(race.candidates)}
    named = dict(zip(numbers, race.candidates, strict=True))
    fits = [Task(named[each.recipe], numbers[each.recipe], each.fold, each.seed) for each in plan.fits]
    networks = [
        Task(named[each.recipe], numbers[each.recipe], each.number, each.seed, True) for each in plan.networks
    ]
    for tasks in (fits, networks):
        race.run(tasks, math.inf, math.inf)
        if race.errors:
            raise race.errors[0][1]
    weights = np.array([*plan.weights.values()])
    return RaceChoice([numbers[name] for name in plan.weights], [*plan.folds], weights, plan.temperature)


def plan(
    race: Runner, data: FitData, chosen: RaceChoice, similarity: Similarity | None = None
) -> RacePlan | None:
    """Return the plan of a race whose fits are made; None if how they were made is not known, as of older files."""
    drawn = race.drawn
    fits, networks = list[PlannedFit](), list[PlannedNetwork]()
    if drawn is None or drawn.origin is None:
        return None
    for (number, fold), own in sorted(race.fits.items()):
        if own.result.course is None:
            return None
        name, seed = race.candidates[number].name, drawn.of_folds[number][fold]
        fits.append(PlannedFit(name, fold, seed, own.best, own.epochs, own.result.course))
    for (number, one), own in sorted(race.whole.items()):
        name, seed = race.candidates[number].name, drawn.of_all[number][one]
        networks.append(PlannedNetwork(name, one, seed, own.result.records.n_iter_refit))
    names = {name for name, *_ in fits}
    return RacePlan(
        estimator=type(race.estimator).__name__,
        parameters=compared(race.estimator),
        random_state=drawn.origin,
        rows=drawn.rows,
        **digest_of(data)._asdict(),
        recipes={each.name: settings_of(each) for each in race.candidates if each.name in names},
        fits=tuple(fits),
        networks=tuple(networks),
        weights={
            race.candidates[number].name: float(weight)
            for number, weight in zip(chosen.numbers, chosen.weights, strict=True)
        },
        folds=tuple(chosen.folds),
        temperature=float(chosen.temperature),
        similarity=similarity,
    )
