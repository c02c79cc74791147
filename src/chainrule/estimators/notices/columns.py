"""Columns that make scores too good: that know the target, number the rows, or tell which rows belong together.

The first two say something of the target that they will not of other rows; rows that belong together have the same
inputs, or are of one person or thing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from chainrule.estimators.notices import judge
from chainrule.estimators.notices.notice import Notice
from chainrule.estimators.notices.sample import (
    Array,
    Rows,
    SampledTable,
    autocorrelation,
    is_of_thing,
    is_of_time,
)
from chainrule.estimators.tables.rarity import mean_squares

BINS, ROWS_A_BIN = 64, 20
KNOWS_NUMBERS, KNOWS_CLASSES = 0.97, 0.85
"""of the variance that a column explains alone, from which it is looked at"""
SUM_KNOWS = 1 - 1e-6
"""that several columns explain together, as a sum"""
MOST_SUMMED = 3
NUMBERS_RATIO, CLASSES_RATIO = 2.0, 5.0
"""of the errors without the column to those with it, at least"""
DENSE = 1.5
"""the range of numbers of rows, divided by the rows"""


def explained_alone(table: SampledTable) -> Array:
    """Return the share of the target's variance that each column explains alone, (columns,).

        R2 = 1 - sum_i (y_i - m(b_i))^2 / sum_i (y_i - mean)^2

    m(b) is the mean of the rows of the other half that have the category, or are in the interval, b. Of classes it is
    that of all indicators together, so that 1 - R2 is their Brier score relative to that of their frequencies. Of
    numbers it is the larger one of theirs and of their ranks', in which a few large ones do not decide.
    """
    ways = [table.outputs] if table.labels else [table.outputs, rankdata(table.y)[:, None]]
    half = np.random.default_rng(0).permutation(len(table.y)) % 2 == 0
    bins = [_binned(table, k) for k in range(len(table.names))]
    return np.array([max(_explained(each, outputs, half) for outputs in ways) for each in bins])


def _explained(bins: Rows, outputs: Array, half: NDArray[np.bool_]) -> float:
    """Return what the means of bins explain of outputs (rows, outputs), each half by those of the other."""
    count, error = int(bins.max()) + 1, 0.0
    for learned in (half, ~half):
        sizes = np.bincount(bins[learned], minlength=count) + 1
        for output in outputs.T:
            means = (np.bincount(bins[learned], output[learned], count) + output[learned].mean()) / sizes
            error += float(((output[~learned] - means[bins[~learned]]) ** 2).sum())
    return 1 - error / len(bins) / max(float(outputs.var(0).sum()), 1e-300)


def _binned(table: SampledTable, column: int) -> Rows:
    """Return the categories of a column, or intervals of its numbers with as many rows each, (rows,) from 0."""
    values = table.values[:, column]
    if table.kinds[column] not in ("category", "boolean") and len(np.unique(values)) > BINS:
        count = min(BINS, max(2, len(values) // ROWS_A_BIN))
        edges = np.unique(np.nanquantile(values, np.arange(1, count) / count))
        return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values))
    return table.codes(column)


def that_know(table: SampledTable) -> list[Notice]:
    """Return notices of the columns that know the target: alone, or as a sum of several."""
    alone = np.where(table.is_input & ~_are_times(table), explained_alone(table), 0.0)
    least, ratio = (KNOWS_CLASSES, CLASSES_RATIO) if table.labels else (KNOWS_NUMBERS, NUMBERS_RATIO)
    names = tuple(table.names[k] for k in np.argsort(-alone, kind="stable") if alone[k] >= least)
    known = float(alone.max(initial=0.0))
    if summed := _summed(table):
        names, known = summed, 1.0
    if not names:
        return []
    found = judge.without_columns(table.without_extremes(), names)
    if found is None or found.ratio < ratio:
        return []
    scores = found.with_it.score, found.without.score
    return [Notice("target", names, judge.score_of(table), *scores, known)]


def _are_times(table: SampledTable) -> NDArray[np.bool_]:
    """Return which columns are moments without a missing one: what is near in time may be alike, and is no leak."""
    of_time = [
        is_of_time(name) or kind == "date" for name, kind in zip(table.names, table.kinds, strict=True)
    ]
    return np.array(of_time) & ~np.isnan(table.values).any(0)


def _summed(table: SampledTable) -> tuple[str, ...]:
    """Return the fewest numbers of which the target is a weighted sum; none where there is no such sum of few."""
    if table.labels:
        return ()
    usable = [
        k
        for k in np.flatnonzero(table.is_input)
        if table.kinds[k] == "number" and not np.isnan(table.values[:, k]).any()
    ]
    rows = slice(None, None, max(1, len(table.y) // judge.FEWEST_ROWS))
    x, y = table.values[rows][:, usable], table.y[rows] - table.y[rows].mean()
    x = (x - x.mean(0)) / np.where((deviation := x.std(0)) > 0, deviation, 1.0)
    if not usable or len(y) < 2 * len(usable) or not np.isfinite(x).all() or _left(x, y) > 1 - SUM_KNOWS:
        return ()
    chosen: list[int] = []
    rest = y
    while len(chosen) < MOST_SUMMED:
        chosen.append(int(np.argmax(np.abs(x.T @ rest))))
        rest = y - x[:, chosen] @ np.linalg.lstsq(x[:, chosen], y, rcond=None)[0]
        if float(rest @ rest) <= (1 - SUM_KNOWS) * float(y @ y):
            return tuple(table.names[usable[k]] for k in sorted(chosen))
    return ()


def _left(x: Array, y: Array) -> float:
    """Return the share of y's variance that a sum of the columns x does not explain."""
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(rest @ rest) / max(float(y @ y), 1e-300)


def is_row_number(table: SampledTable, column: int) -> bool:
    """Return whether a column numbers the rows: whole numbers, no two the same, with few gaps between them."""
    values = table.values[:, column]
    if table.kinds[column] != "number" or np.isnan(values).any() or (values % 1).any():
        return False
    return len(np.unique(values)) == len(values) and bool(np.ptp(values) < DENSE * table.total)


def that_number(table: SampledTable) -> list[Notice]:
    """Return notices of the columns that number the rows, but for those that number moments."""
    found = []
    for k in np.flatnonzero(table.is_input).tolist():
        name = table.names[k]
        if (
            not is_row_number(table, k)
            or is_of_time(name)
            or table.has_autocorrelation(np.argsort(table.values[:, k]))
        ):
            continue
        compared = judge.without_columns(table, (name,))
        if compared is not None:
            scores = compared.with_it.score, compared.without.score
            found.append(Notice("row_number", (name,), judge.score_of(table), *scores, 1.0))
    return found


LEAST_REPEATED = 0.2
"""of the rows have the inputs of another one"""
LEAST_SHARED = 0.2
"""of the rows share their group with another row"""
MORE_THAN_CHANCE = 3.0
"""Rows with the same inputs, relative to those of independent columns."""
FEWEST_GROUPS, LARGEST_GROUP = 20, 0.1
"""of the rows at most are in the group of a typical row"""
IN_ONE_PIECE = 0.2
"""the changes from row to row, relative to those of shuffled rows, up to which the rows of a group follow each other"""
MANY_GROUPS = 50
"""of a text, whatever its name and its order"""
LEAST_CORRELATION = 0.02
"""of the targets in a group, to be judged"""
MOST_JUDGED = 3
SMOOTH = 0.3
"""the correlation of the means of neighboring values from which a number is a quantity"""


def repeated(table: SampledTable) -> tuple[list[Notice], Rows | None]:
    """Return a notice of rows with the inputs of another one, and which rows have the same, (rows,)."""
    rows, random = len(table.y), np.random.default_rng(0)
    key, alike = np.zeros(rows, np.uint64), float(rows)
    for k in np.flatnonzero(table.is_input).tolist():
        codes = table.codes(k)
        shares = np.bincount(codes) / rows
        alike *= float((shares**2).sum())
        key += random.integers(0, 2**63, len(shares), np.uint64)[codes]
    _, codes, counts = np.unique(key, return_inverse=True, return_counts=True)
    share = float((counts[codes] > 1).mean())
    observed = float((counts.astype(float) ** 2).sum()) / rows - 1
    if share < LEAST_REPEATED or observed < MORE_THAN_CHANCE * alike:
        return [], None
    found = judge.groups_compared(table, codes)
    if found is None or not found.differs:
        return [], None
    scores = found.with_it.score, found.without.score
    return [Notice("repeated", (), judge.score_of(table), *scores, share, len(counts))], codes


def grouped(table: SampledTable) -> tuple[list[Notice], Rows | None]:
    """Return a notice of the column whose rows belong together, and the group of each row, (rows,)."""
    candidates = []
    for k in range(len(table.names)):
        codes = table.codes(k)
        spread = mean_squares(codes, table.outputs.T) if may_group(table, k, codes) else None
        if spread is not None and spread.rho >= LEAST_CORRELATION:
            candidates.append((spread.rho, k, codes))
    candidates.sort(key=lambda each: -each[0])
    best: tuple[judge.ScorePair, float, int, Rows] | None = None
    for rho, k, codes in candidates[:MOST_JUDGED]:
        found = judge.groups_compared(table, codes, codes if table.is_input[k] else None)
        if found is not None and found.differs and (best is None or found.ratio > best[0].ratio):
            best = found, rho, k, codes
    if best is None:
        return [], None
    found, rho, k, codes = best
    scores = found.with_it.score, found.without.score
    notice = Notice("groups", (table.names[k],), judge.score_of(table), *scores, rho, int(codes.max()) + 1)
    return [notice], codes


def may_group(table: SampledTable, column: int, codes: Rows) -> bool:
    """Return whether a column may tell persons or things apart that have several rows each.

    Text of many values may; other text, and whole numbers, if their name says so or if the rows of a value follow each
    other, as they do in a table that is sorted by them. A number in which the target is smooth is a quantity, and what
    has a name of time is time.
    """
    name, values, kind = table.names[column], table.values[:, column], table.kinds[column]
    if kind not in ("category", "number") or is_of_time(name):
        return False
    counts = np.bincount(codes)
    if len(counts) < FEWEST_GROUPS or np.median(counts[codes]) > LARGEST_GROUP * len(codes):
        return False
    if (counts[codes] > 1).mean() < LEAST_SHARED:
        return False
    follow = changes(codes) < IN_ONE_PIECE * (1 - float(((counts / len(codes)) ** 2).sum()))
    if kind == "category":
        return follow or len(counts) >= MANY_GROUPS or is_of_thing(name)
    if (values % 1 > 0).any() or not (follow or is_of_thing(name)):
        return False
    means = np.stack([np.bincount(codes, output) / counts for output in table.outputs.T], 1)
    return autocorrelation(means) < SMOOTH


def changes(codes: Rows) -> float:
    """Return the share of the rows that have another value than the one before."""
    return float((codes[1:] != codes[:-1]).mean())
