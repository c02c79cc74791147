"""What a race draws before its clock is read: the folds of the rows, and the seeds of all fits."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from chainrule.estimators.best import few, repeat
from chainrule.estimators.best.candidates import Candidate
from chainrule.estimators.best.plan import RacePlan, RandomOrigin
from chainrule.estimators.best.state import Drawn
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.fit.dealing import deal
from chainrule.estimators.fit.splits import folds
from chainrule.estimators.fit.structure import Split
from chainrule.estimators.held import HoldsResult

FOLDS = 5
MAX_ROWS_FOR_ALL_FOLDS = 2_000
"""With more rows the race is on the first fold alone."""
MIN_ROWS_TO_RACE = 20
MOST_HELD_OUT = 10_000
"""The most rows of a fold."""
NETWORKS = 3
"""The networks of all rows per recipe."""


def drawn(
    estimator: HoldsResult,
    data: FitData,
    racing: tuple[Candidate, ...],
    plan: RacePlan | None,
    are_few: bool = False,
) -> Drawn:
    """Draw the folds of the rows and the seeds of the candidates' fits, with a plan as its race did."""
    if plan is None:
        origin, random = RandomOrigin.of(estimator.random_state), check_random_state(estimator.random_state)
    else:
        origin, random = plan.origin, plan.origin.begin()
    folds, raced = ([], [0]) if are_few else _folds(data, random)
    of_folds, of_all = (
        random.randint(2**31 - 1, size=(len(racing), each)).tolist() for each in (FOLDS, NETWORKS)
    )
    if are_few:
        folds = [few.dealt_rows(data, racing, [seeds[0] for seeds in of_folds])]
    made = Drawn(data.samples.n, folds, raced, of_folds, of_all, origin, repeat.digest_of(data))
    return made if plan is None else repeat.planned(plan, data, racing, made)


def _folds(data: FitData, random: np.random.RandomState) -> tuple[list[Split], list[int]]:
    """Return the folds of the rows, at most FOLDS, and which of them the race is over: the latest one of many rows."""
    n, structure = data.samples.n, data.structure
    if data.validation is not None or n < MIN_ROWS_TO_RACE:
        return [Split(np.arange(n), np.empty(0, np.int64))], [0]
    count = max(FOLDS, -(-n // MOST_HELD_OUT))
    if structure.is_free:
        fold = deal(n, count, data.labels, random)
        found = [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    else:
        found = folds(structure, count, data.labels, random)[:FOLDS]
    return found, [*range(len(found))] if n <= MAX_ROWS_FOR_ALL_FOLDS else [0]
