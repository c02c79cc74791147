"""The rows that a time limit leaves time to prepare, all or some drawn at random, and the members of few rows to train.

A limit is kept whatever the length of a table, so of one whose preparation would take most of it only a part is read
and prepared. How many rows is measured: some are prepared, a quarter of them and all, which tells the seconds of a row
from those of a column. Before that a quarter is prepared unmeasured, because the first table of a process takes longer.

Sixteen networks of a wide table take seconds before they have learned anything, and a few that learn are better than
many that do not. Their number is a function of the sizes and the limit alone, so that the same fit has as many again:
the most of which some epochs, with what precedes and follows them, are expected to take at most half of the limit.

    seconds = (EPOCHS * steps + BESIDE) * parameters * members / (SPEED * min(members, cores))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.core.random import generator
from chainrule.engines import Plan, select
from chainrule.errors import option
from chainrule.fitting.begin import network_of
from chainrule.fitting.loop import AUTO_BATCH
from chainrule.fitting.plan import FitPlan
from chainrule.presets.few import MOST_ROWS
from chainrule.tables.data import FitData, FitInput

PREPARED = 0.2
"""The part of the time left in which a table may be prepared. What else precedes the training takes as long again."""
BEYOND_FEW = 3.0
"""How many times that part may be taken for a table that then has more than few rows, whose networks are many."""
PROBED_CELLS, PROBED_ROWS = 200_000, 500
"""The cells that are prepared to measure the speed, and the fewest rows."""
SHORT = 8
"""A table of at most so many times these rows is not measured."""
EPOCHS = 12
"""The epochs of members that there has to be time for. With fewer of them more members predict no better."""
BESIDE = 7
"""The steps that take about as long as beginning and judging a member."""
SPEED = 55e6
"""The parameters for which a core takes a step in a second: of networks that no cache holds, on a small machine."""
TRAINED = 0.5
"""The part of the limit in which these epochs have to be expected to end."""
LEAST_MEMBERS = 2
"""The fewest members that one is chosen by: each leaves out an eighth of the rows, and these say when to stop."""


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
        prepare(given.taken(_with_labels(order[:count], labels)))
        clock.append(time.monotonic())
    few, many = np.diff(clock)
    by_row = max((many - few) / (probed - probed // 4), many / probed / SHORT)
    at_once = max(0.0, many - probed * by_row)
    left = PREPARED * (end - clock[-1])
    count = max(int((left - at_once) / by_row), probed)
    if count <= MOST_ROWS and at_once + (MOST_ROWS + 1) * by_row < BEYOND_FEW * left:
        count = MOST_ROWS + 1
    return given if count >= n else given.taken(_with_labels(order[:count], labels))


def rows_again(given: FitInput, rows: int, seed: int, keep_labels: bool) -> FitInput:
    """Return what `rows_in_time` returned for the same table and seed, when it was so many rows."""
    n = shape_of(given.X)[0]
    if not rows < n:
        return given
    labels = np.asarray(given.y) if keep_labels else None
    order = generator(seed, "split", 3).permutation(n)
    return given.taken(_with_labels(order[: _drawn(order, labels, rows)], labels))


def _drawn(order: NDArray[np.int64], labels: NDArray[Any] | None, rows: int) -> int:
    """Return how many of the first rows in an order, with one of each label that they lack, are so many rows."""
    if labels is None or labels.ndim != 1:
        return rows
    first = np.unique(labels[order], return_index=True)[1]
    counts = np.arange(max(0, rows - len(first)), rows + 1)
    lacking = len(first) - np.searchsorted(np.sort(first), counts)
    return int(counts[np.argmin(counts + lacking < rows)])


def with_members_in_time(plan: FitPlan, data: FitData) -> FitPlan:
    """Return the plan of a new fit with as many of its members of folds as its time limit is long enough for."""
    how, p, rows = plan.proposal.folds, plan.parameters, data.samples.n
    if how is None or p.time_limit is None or p.n_members is None:
        return plan
    network = network_of(plan, data)[0]
    cores = select(p.engine, Plan(network)).workers()
    batch = AUTO_BATCH if isinstance(p.batch_size, str) else p.batch_size
    steps = -(-rows // min(batch, rows))
    count = members_for(network.size, steps, p.n_members, cores, float(p.time_limit))
    if count == p.n_members:
        return plan
    own = replace(p, n_members=count)
    return replace(plan, parameters=own, proposal=plan.proposal._replace(folds=how.first(count)))


def members_for(size: int, steps: int, members: int, cores: int, limit: float) -> int:
    """Return how many members there is time for: all of them, or half as often as necessary, but two.

    size: the parameters of each.  steps: of an epoch.  limit: in seconds.
    """
    count = members
    while count > LEAST_MEMBERS:
        seconds = (EPOCHS * steps + BESIDE) * size * count / (SPEED * min(count, cores))
        if seconds <= TRAINED * limit:
            break
        count = max(count // 2, LEAST_MEMBERS)
    return count


def shape_of(X: object) -> tuple[int, int]:
    """Return the rows and the columns of a table that knows them at once, or 0 of both."""
    if isinstance(X, Mapping):
        columns = list(X.values())
        return (len(columns[0]), len(columns)) if columns and hasattr(columns[0], "__len__") else (0, 0)
    shape: tuple[int, ...] = tuple(getattr(X, "shape", ()))
    return (int(shape[0]), int(shape[1])) if len(shape) == 2 else (0, 0)


def warn_of_rows(limit: float, used: int, of: int) -> None:
    """Warn of rows that a fit had no time for."""
    if used < of:
        asked = option("time_limit", f"time_limit={limit:g}", f"{limit:g}")
        hints.give(
            f"{asked} leaves time to prepare {used:,} of the {of:,} rows, which were drawn at random; "
            f"raise {option('time_limit')} to learn from all of them."
        )


def _with_labels(rows: NDArray[np.int64], labels: NDArray[Any] | None) -> NDArray[np.int64]:
    """Return rows in order, with one of each label that they lack."""
    if labels is not None and labels.ndim == 1:
        known = set(labels[rows].tolist())
        first = dict(zip(reversed(labels.tolist()), reversed(range(len(labels))), strict=True))
        rows = np.concatenate([rows, [row for label, row in first.items() if label not in known]])
    return np.sort(rows).astype(np.int64)
