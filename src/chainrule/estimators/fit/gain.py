"""How much less the network of all rows errs in numbers than the one whose rows were held out.

Intervals are calibrated by the errors of the network that has not learned from the rows held out, and are then those of
a network that has learned from all rows. Where more rows help much, they would be too wide. Errors fall as a power of
the rows that are learned from, so a third network, of a part of them, tells by how much, judged on the same rows held
out:

    E(n) = c n^-a        E(all) / E(learned) = (E(learned) / E(part)) ^ (log(all / learned) / log(learned / part))

It is trained only where the network of all rows has moved far on the rows held out, by FAR of the errors and more:
where more rows help little, what they say of each other moves it little. `docs/design.md` has the figures.
Source: Cortes, Jackel, Solla, Vapnik, Denker, "Learning curves: asymptotic values and rate of convergence" (1993).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.fit.held_out import HeldOut
from chainrule.estimators.fit.plan import FitPlan
from chainrule.estimators.numbers import NumericTargets

Numbers = NDArray[np.float64]

PART = 4
"""One in so many of the rows learned from are those of the third network."""
FAR = 0.45
"""The mean distance of the two networks on the rows held out, in mean absolute errors, from which it is trained."""
MIN_JUDGED = 100
"""With fewer rows held out, or learned from, the ratio of errors is mostly chance."""


def learned_of(plan: FitPlan, data: FitData, train: Samples) -> Samples | None:
    """Return the rows that a fit trains on, where it is to be told how much the others help; None where it is not.

    It is told of numbers, not of several quantiles, whose intervals are their own; of rows that are not tied
    together, more of which are more of the same; and not in a race or a search, whose fits are of parts.
    """
    targets = data.targets
    is_of_numbers = isinstance(targets, NumericTargets) and targets.middle is None
    return train if is_of_numbers and plan.conditions.is_alone and data.structure.is_free else None


def part_of(learned: Samples) -> Samples:
    """Return the rows for the third network, evenly spaced among those learned from."""
    return learned.take(np.arange(0, learned.n, PART))


def mean_distance(held_out: HeldOut, first: Numbers, second: Numbers) -> Numbers:
    """Return the weighted mean absolute distances (outputs,) between numbers for the rows held out, (m, outputs)."""
    return np.asarray(np.average(np.abs(first - second), axis=0, weights=held_out.weight), np.float64)


def has_moved(held_out: HeldOut, after: Numbers) -> NDArray[np.bool_]:
    """Return whether the network of all rows, which predicts `after` (m, outputs), has moved far: (outputs,)."""
    errors = mean_distance(held_out, held_out.y, held_out.predicted)
    return (errors > 0) & (mean_distance(held_out, after, held_out.predicted) > FAR * errors)


def error_ratio(held_out: HeldOut, of_part: Numbers, rows: tuple[int, int, int]) -> Numbers:
    """Return the errors of the network of all rows in those of the one that was watched (outputs,), at most 1.

    of_part: (m, outputs) what the network of a part predicts.  rows: those of the part, learned from, and all.
    """
    part, learned, whole = rows
    errors = mean_distance(held_out, held_out.y, held_out.predicted)
    before = mean_distance(held_out, held_out.y, of_part)
    ratio = np.divide(errors, before, out=np.ones_like(errors), where=before > 0)
    found = ratio ** (np.log(whole / learned) / np.log(learned / part))
    return np.asarray(np.clip(found, learned / whole, 1.0), np.float64)
