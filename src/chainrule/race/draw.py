"""A race on few rows: each fit learns from all of them, and predicts each row by the members that have not seen it.

The recipes are that of few rows (`chainrule.presets.few`) and what it becomes with other settings. A fit is
an ensemble whose members leave out folds, so what it predicts out of fold for all rows is what it is judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from chainrule.core.random import generator
from chainrule.fitting.dealing import deal, dealt, latest
from chainrule.fitting.held import HoldsResult
from chainrule.fitting.in_time import with_members_in_time
from chainrule.fitting.plan import few_of, recipe, resolved
from chainrule.formulas.losses import Poisson
from chainrule.presets import DEFAULT
from chainrule.presets.base import FoldMembers
from chainrule.presets.few import DEALINGS, FOLDS
from chainrule.race import candidates, repeat
from chainrule.race.candidates import Candidate
from chainrule.race.judge import Judge, Numbers
from chainrule.race.plan import RacePlan, RandomOrigin, RandomPlace
from chainrule.race.state import SECONDS, Drawn, RaceState
from chainrule.tables.data import FitData
from chainrule.tables.splits import folds
from chainrule.tables.structure import Split

DRAWS = 200
"""The draws of the weights of rows."""
TEMPERED = 0.5
"""The power of the temperature of an average whose fits have one of their own, by much the same predictions."""
MIN_WEIGHT = 0.02
"""A smaller weight is 0."""
FEW_TO_JUDGE = 100
"""The rows judged up to which half of all weight is that of the default recipe's fits."""


def are_few(estimator: HoldsResult, data: FitData) -> bool:
    """Return whether a fit of the default recipe would deal the rows to the folds of its members."""
    if data.table is None or not candidates.OF_FEW_ROWS:
        return False
    return few_of(_default(estimator), data.table, races=True) is not None


def gone_on(start: RaceState, n: int) -> RaceState:
    """Return the start of a race of n few rows: a new one for that which had no time for all members of a fit."""
    drawn = start.drawn
    has_one_recipe = drawn is not None and drawn.rows == n and len(drawn.of_folds) == 1
    return RaceState(more=start.more) if has_one_recipe else start


def racing(estimator: HoldsResult, data: FitData, start: RaceState) -> tuple[Candidate, ...]:
    """Return the recipes of a race of few rows, or the only one if its limit is too short for all members of a fit.

    start: whose fits and plan tell what raced.
    """
    if start.plan is not None:
        planned = tuple(each for each in candidates.OF_FEW_MEMBERS if each.name in start.plan.recipes)
        return planned or candidates.OF_FEW_ROWS
    if start.fits:
        return candidates.OF_FEW_ROWS
    limit = start.more or estimator.time_limit or SECONDS
    plan = resolved(_default(estimator, time_limit=limit), data, of_few=recipe(DEFAULT, None).of_few)
    members = with_members_in_time(plan, data).parameters.n_members
    if members == plan.parameters.n_members:
        return candidates.OF_FEW_ROWS
    return tuple(each for each in candidates.OF_FEW_MEMBERS if each.members == members)


def _default(estimator: HoldsResult, **changed: object) -> HoldsResult:
    """Return an unfitted estimator with the default recipe in place of the race."""
    return type(estimator)(**{**estimator.get_params(deep=False), "preset": DEFAULT, **changed})


def dealt_rows(data: FitData, racing: tuple[Candidate, ...], seeds: Sequence[int]) -> Split:
    """Return all rows, and those that every fit holds out: in order of time the latest, or else all out of fold.

    seeds: of the fits of the recipes.
    """
    how, n, members = FoldMembers(FOLDS, DEALINGS), data.samples.n, racing[0].members
    how = how if members is None else how.first(members)
    if data.structure.time is not None:
        found = dealt(n, how, data.labels, check_random_state(seeds[0]), data.structure)
        return Split(np.arange(n), found.rows[latest(found)])
    each = [
        dealt(n, how, data.labels, check_random_state(seed), data.structure).rows
        for seed in (seeds if data.structure.groups is not None else seeds[:1])
    ]  # which rows are left out depends on the dealing only where whole groups are dealt
    return Split(np.arange(n), reduce(np.intersect1d, each))


def weights(parts: Sequence[Numbers], judge: Judge, are_default: Sequence[bool] = ()) -> NDArray[np.float64]:
    """Return the weights (members,), which add up to 1: "pseudo-BMA+" of what each member predicts out of fold.

        w_k = mean over g of l_k(g) / sum_j l_j(g)        g ~ n Dirichlet(1, ..., 1), the weights of the n rows

    l_k(g) is the likelihood of the rows, weighted by g. Where the best member depends on which of the rows count more,
    several have a weight. -log l is n times the loss of probabilities and of counts, and n / 2 log(loss) for numbers,
    whose errors have a scale that is not known. Up to FEW_TO_JUDGE rows tell recipes hardly apart, so half of all
    weight is then that of the default recipe's fits, those that `are_default` says.

    Source: Yao, Vehtari, Simpson and Gelman, "Using stacking to average Bayesian predictive distributions", Bayesian
    Analysis 2018, section 3.4.
    """
    n, truths = len(judge.y), [judge.truth(part) for part in parts]
    draws = n * generator(0, "judging", 1).dirichlet(np.ones(n), DRAWS)  # (draws, n)
    found = np.mean([_shares([*map(_weighted(judge, own), truths)], judge) for own in draws], 0)
    if n <= FEW_TO_JUDGE and any(are_default):
        trusted = np.array(are_default) & [bool(np.isfinite(part).all()) for part in parts]
        found = (found + trusted / trusted.sum()) / 2 if trusted.any() else found
    found[found < MIN_WEIGHT] = 0
    return np.asarray(found / found.sum())


def _weighted(judge: Judge, by: NDArray[np.float64]) -> Callable[[Numbers], float]:
    """Return the mean loss of the rows with other weights: theirs times these."""
    return judge._replace(weight=judge.weight * by).mean_loss


def _shares(losses: list[float], judge: Judge) -> NDArray[np.float64]:
    """Return the likelihoods (members,), divided by their sum, for mean losses; 0 for one that is not finite."""
    each, n = np.nan_to_num(np.array(losses), nan=np.inf, posinf=np.inf), len(judge.y)
    least = each.min()
    if not np.isfinite(least):
        return np.full(len(each), 1 / len(each))
    if judge.loss is None or isinstance(judge.loss, Poisson):
        behind = n * (each - least)
    elif least > 0:
        behind = n / 2 * np.log(each / least)
    else:  # without an error
        behind = np.where(each > least, np.inf, 0.0)
    likelihood = np.exp(-behind)
    return np.asarray(likelihood / likelihood.sum())


# --- the draws of a race before its clock is read: the folds of the rows, and the seeds of all fits ------------------

RACE_FOLDS = 5
MAX_ROWS_FOR_ALL_FOLDS = 2_000
"""With more rows the race is on the first fold alone."""
MIN_ROWS_TO_RACE = 20
MOST_HELD_OUT = 10_000
"""The most rows of a fold."""
NETWORKS = 3
"""The networks of all rows per recipe."""


def origin_of(random_state: object) -> RandomOrigin | None:
    """Return that of an estimator's random_state, before anything is drawn; None where nobody can tell it.

    An integer of NumPy is a place, because `seed_of_rows` draws rows as with no seed.
    """
    if isinstance(random_state, int):
        return int(random_state)
    kind, key, place, *_ = cast(tuple[Any, ...], check_random_state(random_state).get_state())
    return RandomPlace(tuple(map(int, key)), int(place)) if kind == "MT19937" else None


def begin_at(origin: RandomOrigin) -> np.random.RandomState:
    """Return a generator that begins there."""
    if isinstance(origin, int):
        return np.random.RandomState(origin)
    made = np.random.RandomState()
    made.set_state(("MT19937", np.array(origin.key, np.uint32), origin.place, 0, 0.0))
    return made


def drawn(
    estimator: HoldsResult,
    data: FitData,
    racing: tuple[Candidate, ...],
    plan: RacePlan | None,
    are_few: bool = False,
) -> Drawn:
    """Draw the folds of the rows and the seeds of the candidates' fits, with a plan as its race did."""
    if plan is None:
        origin, random = origin_of(estimator.random_state), check_random_state(estimator.random_state)
    else:
        origin, random = plan.random_state, begin_at(plan.random_state)
    folds, raced = ([], [0]) if are_few else _folds(data, random)
    of_folds, of_all = (
        random.randint(2**31 - 1, size=(len(racing), each)).tolist() for each in (RACE_FOLDS, NETWORKS)
    )
    if are_few:
        folds = [dealt_rows(data, racing, [seeds[0] for seeds in of_folds])]
    made = Drawn(data.samples.n, folds, raced, of_folds, of_all, origin, repeat.digest_of(data))
    return made if plan is None else repeat.planned(plan, data, racing, made)


def _folds(data: FitData, random: np.random.RandomState) -> tuple[list[Split], list[int]]:
    """Return the folds of the rows, at most FOLDS, and which of them the race is over: the latest one of many rows."""
    n, structure = data.samples.n, data.structure
    if data.validation is not None or n < MIN_ROWS_TO_RACE:
        return [Split(np.arange(n), np.empty(0, np.int64))], [0]
    count = max(RACE_FOLDS, -(-n // MOST_HELD_OUT))
    if structure.is_free:
        fold = deal(n, count, data.labels, random)
        found = [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(RACE_FOLDS)]
    else:
        found = folds(structure, count, data.labels, random)[:RACE_FOLDS]
    return found, [*range(len(found))] if n <= MAX_ROWS_FOR_ALL_FOLDS else [0]
