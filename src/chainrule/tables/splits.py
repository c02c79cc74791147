"""Which rows are held out where rows belong together or have an order in time: whole groups, and what comes later.

Dealt by chance, rows of one person or of one hour and the next would be on both sides: what is held out would be known
before, the best epoch would come too late, and its score would promise too much.

    groups           whole groups are held out, labels in proportion where there are some
    time             what is latest is held out, and each fold learns from what is earlier alone; of equal times all or
                     none are held out, so a fold has not exactly its share of the rows
    groups and time  the groups that begin last are held out, from a moment on; learned from are the others' rows before
                     it. It is the moment with the most pairs of a row learned from and one held out: the first row of
                     these groups where the others are over by then, else one in the midst of them

Rows less than `gap` before the first one held out are in neither part.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError
from chainrule.tables.structure import Rows, RowStructure, Split

MOST_STRATIFIED = 2_000
"""The groups up to which labels are kept in proportion; of more groups chance keeps them so."""


def holdout(
    structure: RowStructure, fraction: float, labels: NDArray[Any] | None, random: np.random.RandomState
) -> Split:
    """Return the rows to learn from, and about a fraction that is held out.

    structure: with groups, times or both.  labels: (n,) of a classification, or None.
    random: a `numpy.random.RandomState`, which times alone do not ask.
    Raises DataError where there is nothing to separate: one group, equal times, or a gap as long as the whole time.
    """
    groups, time = structure.groups, structure.time
    if groups is None:
        assert time is not None, "rows that nothing ties together are split elsewhere"
        start = _moments(time, np.array([1 - fraction]))[0]
        return split_from(structure, time >= start, start)
    count = _count_groups(groups)
    if time is None:
        parts = _by_groups(groups, min(max(2, round(1 / fraction)), count), labels, random)
        return min(parts, key=lambda part: abs(len(part.held_out) - fraction * len(groups)))
    block = block_groups(groups, time, np.array([1 - fraction]), random)
    return split_after(structure, block == 1)


def folds(
    structure: RowStructure, count: int, labels: NDArray[Any] | None, random: np.random.RandomState
) -> list[Split]:
    """Return at most so many folds, fewer of fewer groups or times.

    Each group is held out once; in time the folds are of equal length, what is before them is learned from, and the
    latest one is first. The arguments are those of `holdout`.
    """
    groups, time = structure.groups, structure.time
    shares = np.arange(1, count + 1) / (count + 1)
    if groups is None:
        assert time is not None, "rows that nothing ties together are split elsewhere"
        starts = np.unique(_moments(time, shares))
        ends = np.append(starts[1:], np.inf)
        found = [
            split_from(structure, (time >= start) & (time < end), start, must_learn=False)
            for start, end in zip(starts, ends, strict=True)
        ]
    elif time is None:
        return _by_groups(groups, min(count, _count_groups(groups)), labels, random)
    else:
        _count_groups(groups)
        block = block_groups(groups, time, shares, random)
        found = [split_after(structure, block == k, must_learn=False) for k in np.unique(block).tolist() if k]
    kept = [each for each in reversed(found) if len(each.train) and len(each.held_out)]
    if not kept:
        raise _too_long(structure)
    return kept


def stretches(structure: RowStructure, count: int, fraction: float) -> list[Split]:
    """Return at most so many splits, each of which holds out a stretch of time: first the latest, then those before.

    The latest is that of `holdout` with this fraction, the others are of about equal length. Learned from is what is
    before a stretch and what is after it, but for a gap on both sides. Raises DataError as `holdout` does.
    """
    time = structure.time
    assert time is not None and structure.groups is None, "rows of groups are split elsewhere"
    starts = np.unique(_moments(time, np.arange(1, count) / (count - 1) * (1 - fraction)))
    number = np.searchsorted(starts, time, side="right")
    found = list[Split]()
    for k in range(len(starts), -1, -1):
        is_held_out = number == k
        first, last = time[is_held_out].min(), time[is_held_out].max()
        is_apart = (time < first - structure.gap) | (time > last + structure.gap)
        found.append(Split(np.flatnonzero(is_apart), np.flatnonzero(is_held_out)))
    if not len(found[0].train):
        raise _too_long(structure)
    return found


def _count_groups(groups: Rows) -> int:
    count = int(groups.max()) + 1
    if count < 2:
        raise DataError("groups has the same value in all rows, so that none can be held out; omit groups.")
    return count


def _by_groups(
    groups: Rows, count: int, labels: NDArray[Any] | None, random: np.random.RandomState
) -> list[Split]:
    """Return folds of whole groups and of about as many rows each, drawn anew by another random."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    groups = random.permutation(int(groups.max()) + 1)[groups]  # so that chance decides among equal ones
    split: Any = GroupKFold(count)
    if (
        labels is not None
        and groups.max() < MOST_STRATIFIED
        and np.unique_counts(labels).counts.max() >= count
    ):
        split = StratifiedGroupKFold(count, shuffle=True, random_state=random)
    y = np.zeros(len(groups)) if labels is None else labels
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        parts = [Split(*part) for part in split.split(groups[:, None], y, groups)]
    return [part for part in parts if len(part.train) and len(part.held_out)]


def _moments(time: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times, none of them the first, before which the nearest to these shares of the rows are."""
    times, counts = np.unique(time, return_counts=True)
    if len(times) < 2:
        raise DataError("time is the same in all rows, so that none is later; omit time.")
    before = np.cumsum(counts)[:-1] / len(time)  # the share of rows before times[1:]
    at = np.abs(before[:, None] - shares).argmin(0)
    return np.asarray(times[1:][at])


def split_from(
    structure: RowStructure, held_out: NDArray[np.bool_], start: float, must_learn: bool = True
) -> Split:
    """Return the split that learns from what is before a start, and a gap."""
    assert structure.time is not None
    found = Split(np.flatnonzero(structure.time < start - structure.gap), np.flatnonzero(held_out))
    if must_learn and not len(found.train):
        raise _too_long(structure)
    return found


def block_groups(
    groups: Rows, time: NDArray[np.float64], shares: NDArray[np.float64], random: np.random.RandomState
) -> Rows:
    """Return the block (n,) of each row's group: the groups in the order in which they begin, cut near these shares."""
    count = int(groups.max()) + 1
    begun = np.full(count, np.inf)
    np.minimum.at(begun, groups, time)
    order = np.lexsort((random.permutation(count), begun))
    before = np.cumsum(np.bincount(groups)[order])[:-1] / len(groups)
    cuts = (
        np.unique(np.abs(before[:, None] - shares).argmin(0)) + 1
    )  # the first place of each block but the first
    block = np.empty(count, np.int64)
    block[order] = np.searchsorted(cuts, np.arange(count), side="right")
    return np.asarray(block[groups])


def split_after(structure: RowStructure, is_held_out: NDArray[np.bool_], must_learn: bool = True) -> Split:
    """Return the split of some groups from a moment on, and of the others before it: that with the most pairs."""
    time = structure.time
    assert time is not None
    theirs, others = np.sort(time[is_held_out]), np.sort(time[~is_held_out])
    starts = np.unique(theirs)
    later = len(theirs) - np.searchsorted(theirs, starts)
    earlier = np.searchsorted(others, starts - structure.gap)
    start = starts[(later * earlier).argmax()]
    found = Split(
        np.flatnonzero(~is_held_out & (time < start - structure.gap)),
        np.flatnonzero(is_held_out & (time >= start)),
    )
    if must_learn and not len(found.train):
        raise _too_long(structure)
    return found


def _too_long(structure: RowStructure) -> DataError:
    gap = f" with a gap of {structure.gap:g}" if structure.gap else ""
    return DataError(
        f"no row is earlier than those held out{gap}, so that there is nothing to learn from; make gap smaller, or "
        "omit time."
    )
