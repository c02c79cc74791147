"""Deal rows to folds, several times over: each member of an ensemble leaves out one fold of one dealing.

Rows of groups, such as persons, are dealt by whole groups: what is predicted for a row left out is of a group that the
member does not know. Of rows in order of time each member leaves out a stretch, the same ones in every dealing. The
only row of a class, or its only groups or stretch, are left out by no member, so that every member knows every class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.presets.base import FoldMembers
from chainrule.tables import splits
from chainrule.tables.structure import FREE, RowStructure

ALWAYS = -1
"""The fold of a row that is never held out."""

LATEST = 0.15
"""The part of the rows in order of time that is the latest stretch, as much as is held out of many rows."""


@dataclass(frozen=True, eq=False)
class Dealt:
    """Which rows each member learns from, and which members have not seen a row."""

    learned: list[NDArray[np.int64]]
    """of each member"""
    rows: NDArray[np.int64]
    """(m,) the rows that are left out once in each dealing"""
    members: NDArray[np.int64]
    """(dealings, m) the member that leaves out each of them"""

    @cached_property
    def places(self) -> list[tuple[int, tuple[NDArray[np.int64], ...]]]:
        """Each member that leaves out rows, with the places of these in `members`."""
        return [(member, np.nonzero(self.members == member)) for member in np.unique(self.members).tolist()]


def dealt(
    n: int,
    how: FoldMembers,
    labels: NDArray[Any] | None,
    random: np.random.RandomState,
    structure: RowStructure = FREE,
) -> Dealt:
    """Deal n rows to folds, or whole groups of them, or stretches of time.

    labels: (n,) of a classification, which the folds have in proportion, or None.
    structure: with the groups or the times, if any.
    """
    if structure.time is not None:
        return deal_stretches(structure, how, labels)
    folds = min(how.folds, n)
    found = np.stack(
        [
            deal(n, folds, labels, random)
            if structure.groups is None
            else deal_groups(structure, folds, labels, random)
            for _ in range(how.dealings)
        ]
    )
    learned = [np.flatnonzero(of_rows != fold) for of_rows in found for fold in np.arange(how.folds).tolist()]
    return _of_members(learned, found, how)


def _of_members(learned: list[NDArray[np.int64]], found: NDArray[np.int64], how: FoldMembers) -> Dealt:
    """Return what the members that there are learn from and leave out. found: (dealings, n) the fold of each row."""
    members = found + how.folds * np.arange(how.dealings)[:, None]
    is_left_out = found >= 0
    if how.most is not None:
        learned, is_left_out = learned[: how.most], is_left_out & (members < how.most)
    rows = np.flatnonzero(is_left_out.all(0))
    return Dealt(learned, rows, members[:, rows])


def deal(n: int, folds: int, labels: NDArray[Any] | None, random: Any) -> NDArray[np.int64]:
    """Return the fold of each row (n,): folds of equal sizes, stratified by label.

    labels: (n,), or None for numbers and for multilabel data. The only row of a label is never held out, so that
    each label is among the others of every fold.  random: a `numpy.random.RandomState` or `numpy.random.Generator`.
    """
    order = random.permutation(n)
    found = np.empty(n, np.int64)
    if labels is None:
        found[order] = np.arange(n) % folds
        return found
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order = order[np.argsort(numbers[order], kind="stable")]
    order = order[counts[numbers[order]] > 1]
    found[...] = ALWAYS
    found[order] = np.arange(len(order)) % folds
    return found


def deal_stretches(structure: RowStructure, how: FoldMembers, labels: NDArray[Any] | None) -> Dealt:
    """Deal rows in order of time: the first member of a dealing leaves out the latest stretch, the next the one before.

    The rows of a label that no other stretch has are never left out, nor is a stretch with all others within the gap.
    """
    parts = splits.stretches(structure, how.folds, LATEST)
    every = np.arange(sum(len(part.held_out) for part in parts))
    found, learned = np.full(len(every), ALWAYS), [every] * how.folds
    for number, (train, left) in enumerate(parts):
        if not len(train):
            continue
        if labels is not None:
            is_alone = ~np.isin(labels, labels[train])
            train, left = np.union1d(train, every[is_alone]), left[~is_alone[left]]
        found[left], learned[number] = number, train
    return _of_members(learned * how.dealings, np.tile(found, (how.dealings, 1)), how)


def deal_groups(
    structure: RowStructure, folds: int, labels: NDArray[Any] | None, random: np.random.RandomState
) -> NDArray[np.int64]:
    """Return the fold of each row (n,): whole groups, in at most so many folds.

    The groups with a label that no other fold has are never left out.
    """
    groups = structure.groups
    assert groups is not None, "rows that nothing ties together are dealt by `deal`"
    found = np.full(len(groups), ALWAYS)
    for number, (learned, left) in enumerate(splits.folds(structure, folds, labels, random)):
        found[left] = number
        if labels is not None:
            alone = groups[left][~np.isin(labels[left], labels[learned])]
            found[np.isin(groups, alone)] = ALWAYS
    return found


def latest(rows: Dealt) -> NDArray[np.int64]:
    """Return the places, among the rows left out in order of time, of those that are later than all else."""
    return np.flatnonzero(rows.members[0] == 0)


def out_of_fold(
    predict: Callable[[int, NDArray[Any]], NDArray[Any]], rows: Dealt, X: NDArray[Any], outputs: int
) -> NDArray[np.float64]:
    """Return what the member of each dealing that leaves out a row computes for it: (dealings, m, outputs).

    predict: predict(member, X) -> outputs, asked of each member for the rows that it leaves out alone.  X: the m rows.
    """
    found = np.empty((*rows.members.shape, outputs))
    for member, left in rows.places:
        found[left] = predict(member, X[left[1]])
    return found
