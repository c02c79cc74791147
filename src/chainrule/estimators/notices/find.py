"""Look at a training table for what makes its scores too good."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chainrule.core import hints
from chainrule.errors import LeakWarning
from chainrule.estimators.fit.begin import FitRequest
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.notices import columns, judge
from chainrule.estimators.notices.columns import FEWEST_GROUPS, IN_ONE_PIECE, changes, is_row_number
from chainrule.estimators.notices.notice import Notice, Notices
from chainrule.estimators.notices.sample import (
    Array,
    Rows,
    SampledTable,
    autocorrelation,
    is_of_rank,
    is_of_time,
    ranked,
    sampled,
)

FEWEST_ROWS = 100
_IS_ASKED: ContextVar[bool] = ContextVar("_IS_ASKED", default=False)


@contextmanager
def asked() -> Iterator[None]:
    """Let fits look at their tables whatever the filters of warnings are, which other threads may have changed."""
    token = _IS_ASKED.set(True)
    try:
        yield
    finally:
        _IS_ASKED.reset(token)


def of_fit(request: FitRequest, data: FitData, is_alone: bool) -> Notices:
    """Return what a fit notices, and warn of it; nothing for arrays, and where warnings are ignored and nobody asked.

    data: that of the request, checked. The notices of a fit that it goes on from stay.
    is_alone: whether no search asks for the fit, which would hear the same of each trial.
    Rows are not looked at for what groups, time or X_val say of them already.
    """
    if request.before is not None:
        return request.before.notices
    if not is_alone or data.preprocessor is None or data.samples.n < FEWEST_ROWS:
        return Notices()
    if is_silent() and not _IS_ASKED.get():
        return Notices()
    given, table = request.given, sampled(data)
    if table is None:
        return Notices()
    is_judged, known = given.X_val is not None, data.structure.groups
    together = None if known is None else known[table.rows]
    said = is_judged or known is not None, is_judged or given.time is not None
    with np.errstate(all="ignore"), threadpool_limits(1, "openmp"):
        found = looked_at(table, together, *said)  # more threads take longer to start than its trees to grow
    for each in found:
        hints.give(LeakWarning(str(each), each))
    return Notices(found)


def is_silent() -> bool:
    """Return whether the user's filters ignore all warnings of this class, so that there is no need to look."""
    for action, message, category, module, _ in warnings.filters:
        if issubclass(LeakWarning, category):
            return action == "ignore" and message is None and module is None
    return False


def looked_at(
    table: SampledTable, together: Rows | None = None, has_groups: bool = False, has_time: bool = False
) -> tuple[Notice, ...]:
    """Return what is noticed of some rows of a table.

    together: (rows,) the group of each row, where it is known.  has_groups, has_time: whether it was said already which
    rows belong together, and which come later.
    """
    if table.y.std() == 0 or not table.is_input.any():
        return ()
    found = columns.that_know(table)
    for each in found:  # beside which nothing else would show
        table = table.without(each.columns)
    if not table.is_input.any():
        return tuple(found)
    table = table.without_extremes()  # a few of which would decide alone whether scores differ
    found += columns.that_number(table)
    if not has_groups:
        more, together = columns.grouped(table)
        if not more:
            more, together = columns.repeated(table)
        found += more
    if not has_time:
        found += in_time(table, together)
    return tuple(found)


SORTED = 0.9
"""the share of steps in one direction from which rows are sorted by a column"""
PIECES_OF_CLASS = 5
"""Rows whose classes come in so few pieces each are sorted by them."""
FIFTHS = 5


def in_time(table: SampledTable, groups: Rows | None) -> list[Notice]:
    """Return a notice of rows in order of time: by a column of dates, or as they stand in the table.

    groups: (rows,) which rows belong together anyway; None where none do.
    """
    found = _order(table)
    if found is None:
        return []
    column, ranks = found
    order = np.argsort(ranks, kind="stable")
    made = judge.compared(table, judge.by_time(table, ranks, groups))
    if made is None or not made.differs:
        return []
    outputs = table.outputs[order]
    fifth = len(order) // FIFTHS
    moves = (outputs[-fifth:].mean(0) - outputs[:fifth].mean(0)) / np.maximum(outputs.std(0), 1e-300)
    shift = float(moves[-1] if table.labels <= 2 else moves[np.argmax(np.abs(moves))])
    scores = made.with_it.score, made.without.score
    columns = () if column is None else (table.names[column],)
    kind = "time" if columns else "order"
    return [Notice(kind, columns, judge.score_of(table), *scores, autocorrelation(outputs), shift=shift)]


def _order(table: SampledTable) -> tuple[int | None, Rows] | None:
    """Return the column of the time, None for the order of the rows, and the rank of each row; None without time."""
    dates = [
        k for k, kind in enumerate(table.kinds) if kind == "date" and len(np.unique(table.values[:, k])) > 2
    ]
    along = [
        (autocorrelation(table.outputs[np.argsort(table.values[:, k], kind="stable")]), k) for k in dates
    ]
    for correlation, k in sorted(along, reverse=True)[:1]:
        if correlation >= table.least_autocorrelation:
            return k, ranked(table.values[:, k])
    by = [k for k in range(len(table.names)) if is_sorted_by(table, k)]
    of_time = [k for k in by if may_be_time(table, k)]
    if len(of_time) < len(by) or (not by and is_sorted_by_target(table)):
        return None  # neighbors are alike in a quantity, or in the target itself
    if of_time:
        finest = max(of_time, key=lambda k: len(np.unique(table.values[:, k])))
        is_like = table.has_autocorrelation(np.arange(len(table.y)))
        return (finest, np.arange(len(table.y))) if is_like else None
    return _standing(table)


def _standing(table: SampledTable) -> tuple[None, Rows] | None:
    """Return the order of the rows as they stand, within the pieces of a table that is sorted by a few categories."""
    pieces = np.zeros(len(table.y), np.int64)
    for k in range(len(table.names)):
        codes = table.codes(k)
        few = codes.max() + 1 < FEWEST_GROUPS and changes(codes) * len(codes) <= 2 * codes.max()
        if few and not is_of_time(table.names[k]):
            pieces = np.unique(pieces * (codes.max() + 1) + codes, return_inverse=True)[1]
    sizes = np.bincount(pieces)
    means = [(np.bincount(pieces, output) / sizes)[pieces] for output in table.outputs.T]
    if autocorrelation(table.outputs - np.stack(means, 1)) < table.least_autocorrelation:
        return None
    order = np.argsort(pieces, kind="stable")
    place = np.empty(len(pieces))
    place[order] = np.arange(len(pieces)) - np.searchsorted(pieces[order], pieces[order])
    return None, ranked(place / sizes[pieces])


def is_sorted_by(table: SampledTable, column: int) -> bool:
    """Return whether the rows are sorted by a number: all its steps go one way, or most of the few."""
    if table.kinds[column] != "number":
        return False
    up = steps_up(table.values[:, column])
    one_way = max(up, 1 - up)
    return one_way == 1.0 or (one_way > SORTED and changes(table.codes(column)) < IN_ONE_PIECE)


def may_be_time(table: SampledTable, column: int) -> bool:
    """Return whether a column by which the rows are sorted may be the time: by its name, or as a number of rows."""
    name = table.names[column]
    return is_of_time(name) or (is_row_number(table, column) and not is_of_rank(name))


def is_sorted_by_target(table: SampledTable) -> bool:
    """Return whether the rows are sorted by what is to predict: numbers go one way, and classes come in few pieces."""
    if table.labels:
        return float((np.diff(table.y) != 0).sum()) <= PIECES_OF_CLASS * table.labels
    return max(up := steps_up(table.y), 1 - up) > SORTED


def steps_up(values: Array) -> float:
    """Return the share of the steps from row to row that go up, among those that are not 0; 1/2 without any."""
    steps = np.diff(values)
    steps = steps[(steps != 0) & ~np.isnan(steps)]
    return float((steps > 0).mean()) if len(steps) > 1 else 0.5
