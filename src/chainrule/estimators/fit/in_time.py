"""The rows of a table that a time limit leaves time to prepare: all of them, or some drawn at random.

A limit is kept whatever the length of a table, so of one whose preparation would take most of it only a part is read
and prepared. How many rows is measured: some are prepared, a quarter of them and all, which tells the seconds of a row
from those of a column. Before that a quarter is prepared unmeasured, because the first table of a process takes longer.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.estimators.fit.data import FitInput
from chainrule.estimators.recipes.few import MOST_ROWS
from chainrule.estimators.rows import rows_of

PREPARED = 0.2
"""The part of the time left in which a table may be prepared. What else precedes the training takes as long again."""
BEYOND_FEW = 3.0
"""How many times that part may be taken for a table that then has more than few rows, whose networks are many."""
PROBED_CELLS, PROBED_ROWS = 200_000, 500
"""The cells that are prepared to measure the speed, and the fewest rows."""
EARLY = 0.25
"""The part of the limit after which a fit only does what it must."""
SHORT = 8
"""A table of at most so many times these rows is not measured."""


def rows_in_time(
    given: FitInput, end: float, prepare: Callable[[FitInput], object], seed: int, keep_labels: bool
) -> FitInput:
    """Return what a fit is given, of no more rows than can be prepared before its time is over.

    end: the `time.monotonic()` at which the time is over.  prepare(given): prepares some rows.
    keep_labels: whether a row of each label of y is among them.
    """
    n, columns = shape_of(given.X)
    probed = max(PROBED_ROWS, PROBED_CELLS // max(1, columns))
    if n <= SHORT * probed or len(given.y) != n:
        return given
    labels = np.asarray(given.y) if keep_labels else None
    order = generator(seed, "split", 3).permutation(n)
    clock = []
    for count in (probed // 4, probed // 4, probed):  # the first one loads what a process loads once
        prepare(_some(given, _with_labels(order[:count], labels)))
        clock.append(time.monotonic())
    few, many = np.diff(clock)
    by_row = max((many - few) / (probed - probed // 4), many / probed / SHORT)
    at_once = max(0.0, many - probed * by_row)
    left = PREPARED * (end - clock[-1])
    count = max(int((left - at_once) / by_row), probed)
    if count <= MOST_ROWS and at_once + (MOST_ROWS + 1) * by_row < BEYOND_FEW * left:
        count = MOST_ROWS + 1
    return given if count >= n else _some(given, _with_labels(order[:count], labels))


def rows_again(given: FitInput, rows: int, seed: int, keep_labels: bool) -> FitInput:
    """Return what `rows_in_time` returned for the same table and seed, when it was so many rows."""
    n = shape_of(given.X)[0]
    if not rows < n:
        return given
    labels = np.asarray(given.y) if keep_labels else None
    order = generator(seed, "split", 3).permutation(n)
    return _some(given, _with_labels(order[: _drawn(order, labels, rows)], labels))


def _drawn(order: NDArray[np.int64], labels: NDArray[Any] | None, rows: int) -> int:
    """Return how many of the first rows in an order, with one of each label that they lack, are so many rows."""
    if labels is None or labels.ndim != 1:
        return rows
    first = np.unique(labels[order], return_index=True)[1]
    counts = np.arange(max(0, rows - len(first)), rows + 1)
    lacking = len(first) - np.searchsorted(np.sort(first), counts)
    return int(counts[np.argmin(counts + lacking < rows)])


def is_early(limit: float | None, begun: float) -> bool:
    """Return whether a fit has time for what it can do without, after the preparation of its table."""
    return limit is None or time.monotonic() - begun < EARLY * limit


def shape_of(X: object) -> tuple[int, int]:
    """Return the rows and the columns of a table that knows them at once, or 0 of both."""
    if isinstance(X, Mapping):
        columns = list(X.values())
        return (len(columns[0]), len(columns)) if columns and hasattr(columns[0], "__len__") else (0, 0)
    shape: tuple[int, ...] = tuple(getattr(X, "shape", ()))
    return (int(shape[0]), int(shape[1])) if len(shape) == 2 else (0, 0)


def warn_of_rows(limit: float, used: int, of: int, stacklevel: int) -> None:
    """Warn of rows that a fit had no time for. stacklevel: of the call of `fit`."""
    if used < of:
        warnings.warn(
            f"time_limit={limit:g} leaves time to prepare {used:,} of the {of:,} rows, which were drawn at random; "
            "raise time_limit to learn from all of them.",
            stacklevel=stacklevel,
        )


def _with_labels(rows: NDArray[np.int64], labels: NDArray[Any] | None) -> NDArray[np.int64]:
    """Return rows in order, with one of each label that they lack."""
    if labels is not None and labels.ndim == 1:
        known = set(labels[rows].tolist())
        first = dict(zip(reversed(labels.tolist()), reversed(range(len(labels))), strict=True))
        rows = np.concatenate([rows, [row for label, row in first.items() if label not in known]])
    return np.sort(rows).astype(np.int64)


def _some(given: FitInput, rows: NDArray[np.int64]) -> FitInput:
    some = {name: rows_of(getattr(given, name), rows) for name in ("X", "y")}
    for name in ("sample_weight", "groups", "time"):  # a number, or the name of a column, is that of all rows
        value = getattr(given, name)
        some[name] = rows_of(value, rows) if np.ndim(value) else value
    return given._replace(**some)
