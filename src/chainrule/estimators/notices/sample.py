"""Some rows of a training table as numbers, and what they and the names of the columns tell without any model."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from chainrule.estimators.fit.data import FitData
from chainrule.estimators.tables import kinds

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MOST_ROWS = 20_000
"""are looked at: of a larger table, blocks of rows that follow each other."""
BLOCKS = 20
LEAST_AUTOCORRELATION = 0.15
EXTREME = 0.005
MOST_LABELS = 10
"""Classes beyond the most frequent ones count as one."""


@dataclass(frozen=True)
class SampledTable:
    """Some rows of a table, with what they are to predict."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    """what each column was taken for: "number", "boolean", "category", "date" or "duration\""""
    values: Array
    """(rows, columns): numbers, seconds, or codes of categories in the order in which they come; NaN for missing"""
    is_input: NDArray[np.bool_]
    """(columns,): whether the network sees it; the others are dropped"""
    y: Array
    """(rows,): numbers, or the numbers of the classes"""
    labels: int
    """the number of classes; 0 for numbers"""
    rows: Rows
    """(rows,): where they are in the table, ascending"""
    total: int
    """the rows of the table"""

    @property
    def inputs(self) -> Array:
        """The columns that the network sees, (rows, inputs)."""
        return np.asarray(self.values[:, self.is_input])

    @property
    def outputs(self) -> Array:
        """What is to predict in columns (rows, outputs): the number, or of each class whether a row is of it."""
        if not self.labels:
            return self.y[:, None]
        return np.asarray(self.y[:, None] == np.arange(self.labels), np.float64)

    def without(self, columns: tuple[str, ...]) -> SampledTable:
        """Return the table with columns that are no inputs."""
        return replace(self, is_input=self.is_input & ~np.isin(self.names, columns))

    def at(self, rows: NDArray[np.bool_], of: slice = slice(None)) -> SampledTable:
        """Return the table of the rows that are true, and of some columns."""
        part = replace(self, names=self.names[of], kinds=self.kinds[of], is_input=self.is_input[of])
        return replace(part, values=self.values[rows, of], y=self.y[rows], rows=self.rows[rows])

    def without_extremes(self) -> SampledTable:
        """Return the table with the largest and the smallest targets, half a percent each, at the next ones."""
        if self.labels:
            return self
        low, high = np.quantile(self.y, (EXTREME, 1 - EXTREME))
        return replace(self, y=np.clip(self.y, low, high))

    @property
    def least_autocorrelation(self) -> float:
        """The correlation with the row before that rows in time have: three times that by chance, or more."""
        return max(LEAST_AUTOCORRELATION, 3 / math.sqrt(len(self.y)))

    def has_autocorrelation(self, order: Rows) -> bool:
        """Return whether the target is like that of the row before, in an order of the rows."""
        return autocorrelation(self.outputs[order]) >= self.least_autocorrelation

    def codes(self, column: int) -> Rows:
        """Return a column as whole numbers from 0, (rows,), a missing value as one of its own."""
        _, codes = np.unique(self.values[:, column], return_inverse=True)
        return np.asarray(codes, np.int64)


def sampled(data: FitData) -> SampledTable | None:
    """Return some rows of a table with their targets; None where the targets are several, and without the table."""
    y = data.samples.y
    if data.targets.task == "multilabel" or (y.ndim == 2 and y.shape[1] != 1):
        return None
    if data.preprocessor is None or data.raw is None:
        return None
    learned = {each.name: each for each in data.preprocessor.learned_}
    rows = blocks(len(y), MOST_ROWS, BLOCKS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit has said what there is to say of a column's values
        columns = [each.take(rows) for each in data.raw.columns]
        taken = [kinds.take(each, asked(learned[each.name].kind)) for each in columns]
    found, labels = y.reshape(-1)[rows].astype(np.float64), 0
    found = found / max(float(np.abs(found).max()), np.finfo(float).tiny)  # no square of which overflows
    if data.targets.task != "regression":
        found, labels = frequent(found, MOST_LABELS)
    return SampledTable(
        names=tuple(each.name for each in columns),
        kinds=tuple(each.kind for each in taken),
        values=np.stack([each.values for each in taken], 1),
        is_input=np.array([learned[each.name].became != "dropped" for each in columns]),
        y=found,
        labels=labels,
        rows=rows,
        total=len(y),
    )


def asked(kind: str) -> str | None:
    """Return the kind that a column is read as again; None for one that its values say."""
    return kind if kind in ("category", "number") else None


def blocks(n: int, most: int, count: int) -> Rows:
    """Return at most so many of n rows, ascending: all, or blocks at equal distances of rows that follow each other."""
    if n <= most:
        return np.arange(n)
    starts = np.linspace(0, n - most // count, count).astype(np.int64)
    return (starts[:, None] + np.arange(most // count)).reshape(-1)


def frequent(y: Array, most: int) -> tuple[Array, int]:
    """Return the numbers of classes from the most frequent one, those beyond `most` as one, and how many there are."""
    _, numbers, counts = np.unique(y, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    found = np.minimum(rank[numbers], most - 1)
    return found.astype(np.float64), int(found.max()) + 1


def autocorrelation(outputs: Array) -> float:
    """Return the correlation of the rows of (rows, outputs) with those before them, of several by their variances.

    r = sum_k sum_i (y_ik - m_k)(y_(i-1)k - m_k) / sum_k sum_i (y_ik - m_k)^2
    """
    around = outputs - outputs.mean(0)
    return float((around[1:] * around[:-1]).sum() / max(float((around**2).sum()), 1e-300))


def ranked(values: Array) -> Rows:
    """Return the rank of each value, equal ones in the order in which they come, missing ones last."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words_of(name: str) -> frozenset[str]:
    """Return the words of a name, in small letters: of time_hour and timeHour, time and hour."""
    return frozenset(word.lower() for word in _WORD.findall(name))


TIMES = words_of(
    """
    age date datetime day days dteday dt epoch hour hours hr hrs min minute mnth mon month months
    period qtr quarter round season sec second t time timestamp visit wave week weeks wk year years
    yr yrs
    """
)
THINGS = words_of(
    """
    account animal batch bird case child class client code company customer device driver family
    firm household id idcode ids individual key lot machine member mouse name no nr participant
    patient person pid plant player plot pupil rat school sensor shop site station store student
    subj subject teacher tree uid unit user
    """
)
RANKS = words_of("place pos position rank ranking")
"""Words of numbers that are the order of a quantity."""


def is_of_time(name: str) -> bool:
    """Return whether a name is of a moment or of a count of units of time."""
    return not TIMES.isdisjoint(words_of(name))


def is_of_thing(name: str) -> bool:
    """Return whether a name is of an identifier, or of what has several rows: a person, a shop, a machine."""
    return not THINGS.isdisjoint(words_of(name))


def is_of_rank(name: str) -> bool:
    """Return whether a name is of a place in the order of a quantity."""
    return not RANKS.isdisjoint(words_of(name))


BINS, ROWS_A_BIN = 64, 20
DENSE = 1.5
"""the range of numbers of rows, divided by the rows"""


def explained_alone(table: SampledTable) -> Array:
    """Return the share of the target's variance that each column explains alone, (columns,).

        R2 = 1 - sum_i (y_i - m(b_i))^2 / sum_i (y_i - mean)^2

    m(b) is the mean of the rows of the other half that have the category, or are in the interval, b. Of classes it is
    that of all indicators together, so that 1 - R2 is their Brier score relative to that of their frequencies. Of
    numbers it is the larger one of theirs and of their ranks', in which a few large ones do not decide. Whether a value
    is missing is looked at by itself too: of a few values the intervals have too few rows each to show it; nor do they
    show in few rows that numbers go up with the target, which the square of their ranks' correlation does.
    """
    ways = [table.outputs] if table.labels else [table.outputs, rankdata(table.y)[:, None]]
    half = np.random.default_rng(0).permutation(len(table.y)) % 2 == 0
    missing = np.isnan(table.values)
    bins = [[_binned(table, k)] for k in range(len(table.names))]
    for k in np.flatnonzero(missing.any(0)).tolist():
        bins[k].append(missing[:, k].astype(np.int64))
    found = np.array([max(_explained(one, of, half) for one in each for of in ways) for each in bins])
    rises = (np.ptp(table.values, 0) > 0) & (np.array(table.kinds) != "category") & (table.labels == 0)
    for k in np.flatnonzero(rises).tolist():
        found[k] = max(found[k], np.corrcoef(rankdata(table.values[:, k]), ways[-1][:, 0])[0, 1] ** 2)
    return found


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


def is_row_number(table: SampledTable, column: int) -> bool:
    """Return whether a column numbers the rows: whole numbers, no two the same, with few gaps between them."""
    values = table.values[:, column]
    if table.kinds[column] != "number" or np.isnan(values).any() or (values % 1).any():
        return False
    return len(np.unique(values)) == len(values) and bool(np.ptp(values) < DENSE * table.total)


IN_ONE_PIECE = 0.2
"""the changes from row to row, relative to those of shuffled rows, up to which the rows of a group follow each other"""


def changes(codes: Rows) -> float:
    """Return the share of the rows that have another value than the one before."""
    return float((codes[1:] != codes[:-1]).mean())


SORTED_SHARE = 0.9
"""the share of steps in one direction from which rows are sorted by a column"""
PIECES_OF_CLASS = 5
"""Rows whose classes come in so few pieces each are sorted by them."""


def is_sorted_by(table: SampledTable, column: int) -> bool:
    """Return whether the rows are sorted by a number: all its steps go one way, or most of the few."""
    if table.kinds[column] != "number":
        return False
    up = steps_up(table.values[:, column])
    one_way = max(up, 1 - up)
    return one_way == 1.0 or (one_way > SORTED_SHARE and changes(table.codes(column)) < IN_ONE_PIECE)


def may_be_time(table: SampledTable, column: int) -> bool:
    """Return whether a column by which the rows are sorted may be the time: by its name, or as a number of rows."""
    name = table.names[column]
    return is_of_time(name) or (is_row_number(table, column) and not is_of_rank(name))


def is_sorted_by_target(table: SampledTable) -> bool:
    """Return whether the rows are sorted by what is to predict: numbers go one way, and classes come in few pieces."""
    if table.labels:
        return float((np.diff(table.y) != 0).sum()) <= PIECES_OF_CLASS * table.labels
    return max(up := steps_up(table.y), 1 - up) > SORTED_SHARE


def steps_up(values: Array) -> float:
    """Return the share of the steps from row to row that go up, among those that are not 0; 1/2 without any."""
    steps = np.diff(values)
    steps = steps[(steps != 0) & ~np.isnan(steps)]
    return float((steps > 0).mean()) if len(steps) > 1 else 0.5
