"""Whether later rows look like those of training: each column of them beside what a fit has seen of it."""

from __future__ import annotations

import os
from array import array
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, false_discovery_control, fisher_exact, kstwo

from chainrule.core import records
from chainrule.core.files import write_whole
from chainrule.errors import instead
from chainrule.tables.learned import LearnedColumn
from chainrule.trust.seen import SeenColumn

if TYPE_CHECKING:
    import plotly.graph_objects as go

Array = NDArray[np.float64]

NO_STATISTICS = (
    "check needs the statistics of the training table's columns, which a fit of arrays and files of version 0.1 lack; "
    + instead("fit the table again with preprocess='auto'.", "train on the table again.")
)
FEWEST_EXPECTED = 5.0
"""rows of a category in chi-squared's test; others are one"""
BEYOND_MARGIN = 0.1
"""Beyond the range of training by so much of the middle 98 % of the values, a number is like none."""


@records.kind("checked_column")
class CheckedColumn(NamedTuple):
    """What later rows have in a column, beside those of training."""

    name: str
    kind_of_values: str
    """"number", "boolean", "category", "date" or "duration\""""
    distance: float | None
    """the largest difference of both distribution functions, at least; of categories half of the sum of the differences
    of their shares; None for dates, which are later by their nature"""
    p_value: float | None
    """of that distance or a larger one if nothing has changed, corrected for all tests (Benjamini and Hochberg)"""
    missing_before: float
    missing_now: float
    """the shares of missing values"""
    p_missing: float
    """of so many missing values or more, corrected likewise"""
    beyond: int
    """how many numbers are below the smallest or above the largest of training"""
    unknown: int
    """how many categories are not those of training; 0 where training had rare ones, which are not told apart"""
    strange_rows: Sequence[int] = ()
    """the rows, ascending, with a value like none of training: a number far beyond its range, an unknown category, or a
    missing value where training had none"""

    def to_data(self) -> dict[str, Any]:
        """Return the column as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    def has_changed(self, level: float) -> bool:
        """Return whether a test says so at a level."""
        return self.p_missing <= level or (self.p_value is not None and self.p_value <= level)


@records.kind("drift_check")
@dataclass(frozen=True, repr=False)
class DriftCheck(records.Shown, records.TextResult):
    """What later rows have in each column beside those of training. Print it for sentences and a table."""

    rows: int
    level: float
    """If nothing has changed, the probability that a column is said to have changed is at most that."""
    columns: tuple[CheckedColumn, ...]
    strange: NDArray[np.int64] = field(compare=False)
    """(n,): how many values of each row are like none of training, see `CheckedColumn.strange_rows`"""

    @property
    def changed(self) -> tuple[CheckedColumn, ...]:
        """The columns that have changed."""
        return tuple(each for each in self.columns if each.has_changed(self.level))

    @property
    def strange_rows(self) -> NDArray[np.int64]:
        """The numbers of the rows that have a value like none of training, ascending."""
        return np.flatnonzero(self.strange)

    def strange_columns(self, row: int) -> list[str]:
        """Return the names of the columns in which a row has a value like none of training."""
        found = [(each.name, each.strange_rows, bisect(each.strange_rows, row)) for each in self.columns]
        return [name for name, rows, end in found if end and rows[end - 1] == row]

    @property
    def strange_columns_by_row(self) -> list[list[str]]:
        """The `strange_columns` of each of the n rows."""
        found: list[list[str]] = [[] for _ in range(self.rows)]
        for each in self.columns:
            for row in each.strange_rows:
                found[row].append(each.name)
        return found

    def figure(self) -> go.Figure:
        """Plot the distance of each column from training, those that changed first."""
        return records.view(self, "as_figure")

    def html(self) -> str:
        """Return an HTML page of the check, which works offline."""
        return records.written(self, "as_page")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the HTML page to a file."""
        write_whole(path, self.html().encode())

    def __repr__(self) -> str:
        """Show how many columns have changed."""
        return (
            f"<DriftCheck of {self.rows:,} rows: {len(self.changed)} of {len(self.columns)} columns changed>"
        )


def check(
    seen: Sequence[SeenColumn], columns: Sequence[tuple[LearnedColumn, Array]], level: float
) -> DriftCheck:
    """Compare columns of later rows with what was seen of them.

    A column of which a file of version 0.2.0 knows other categories is left out.
    """
    before = {each.name: each for each in seen}
    made, p_values, rows = [], [], len(columns[0][1])
    columns = [each for each in columns if is_of(before.get(each[0].name), each[0])]
    strange = np.zeros(rows, np.int64)
    for learned, values in columns:
        known, there = before[learned.name], values[~np.isnan(values)]
        beyond = unknown = 0
        distance = p_value = None
        is_strange = np.zeros(rows, np.bool_)
        if known.quantiles:
            sketch = np.array(known.quantiles)
            beyond = int(((there < sketch[0]) | (there > sketch[-1])).sum())
            room = BEYOND_MARGIN * (sketch[-2] - sketch[1])
            is_strange = (values < sketch[0] - room) | (values > sketch[-1] + room)
            if learned.kind != "date" and len(there):
                distance = ks_distance(sketch, there)
                p_value = ks_p_value(distance, known.rows - known.missing, len(there))
        elif known.counts and len(there):
            counts = np.bincount(there.astype(np.int64), minlength=len(known.counts))
            distance, p_value = levels(np.array(known.counts), counts)
            if not known.counts[-1]:
                unknown = int(counts[-1])
                is_strange = values == len(known.counts) - 1
        now = rows - len(there)
        p_missing = p_of_missing(known, now, rows)
        p_values += [each for each in (p_missing, p_value) if each is not None]
        shares = known.missing / max(1, known.rows), now / max(1, rows)
        if not known.missing:
            is_strange |= np.isnan(values)
        strange += is_strange
        found = (distance, p_value, *shares, p_missing, beyond, unknown)
        of_rows = array(
            "q", np.flatnonzero(is_strange).astype(np.int64).tobytes()
        )  # a fifth of a tuple's memory
        made.append(CheckedColumn(learned.name, learned.kind, *found, of_rows))
    corrected = iter(false_discovery_control(np.clip(p_values, 0, 1)).tolist())
    made = [
        each._replace(p_missing=next(corrected), p_value=None if each.p_value is None else next(corrected))
        for each in made
    ]
    return DriftCheck(rows, level, tuple(made), strange)


def is_of(known: SeenColumn | None, learned: LearnedColumn) -> bool:
    """Return whether what was seen is of a column as it was learned: of the same categories."""
    return known is not None and len(known.counts) in (0, len(learned.categories) + 1)


def ks_distance(sketch: Array, values: Array) -> float:
    """Return the least distance of Kolmogorov and Smirnov that a sample has from one with this sketch.

        D = sup_x max(G(x) - F(x), F(x) - G(x))

    F is only known at the values of the sketch, q_0 <= ... <= q_100: i / 100 <= F(x) <= (i + 1) / 100 from q_i to
    q_(i+1). So each difference is taken to the nearest end of that, and a test claims no more than one by F.
    """
    x, steps = np.sort(values), len(sketch) - 1
    after = np.arange(1, len(x) + 1) / len(x)  # G at each value, and just before it
    up = np.searchsorted(sketch, x, side="right")  # sketch values up to it
    upper = np.where(up == 0, 0.0, np.minimum(up, steps) / steps)
    below = np.searchsorted(sketch, x, side="left")
    lower = np.clip(below - 1, 0, steps) / steps
    return float(max(0.0, (after - upper).max(), (lower - (after - 1 / len(x))).max()))


def ks_p_value(distance: float, before: int, now: int) -> float:
    """Return the probability that two samples of one distribution are so far apart or more, as SciPy's ks_2samp."""
    return float(kstwo.sf(distance, max(1, round(before * now / (before + now)))))


def levels(before: NDArray[np.int64], now: NDArray[np.int64]) -> tuple[float, float]:
    """Return the distance of the shares of categories, and chi-squared's p-value, rare ones as one."""
    distance = float(np.abs(before / before.sum() - now / now.sum()).sum() / 2)
    expected = (before + now) * min(now.sum(), before.sum()) / (before.sum() + now.sum())
    rare = expected < FEWEST_EXPECTED
    both = np.stack([before, now])
    both = np.hstack([both[:, ~rare], both[:, rare].sum(1, keepdims=True)])
    both = both[:, both.sum(0) > 0]
    if both.shape[1] < 2:
        return distance, 1.0
    return distance, float(chi2_contingency(both, correction=False).pvalue)


def p_of_missing(known: SeenColumn, missing: int, rows: int) -> float:
    """Return the probability of so many missing values or more, if their share is that of training (Fisher)."""
    if not missing:
        return 1.0
    table = np.array([[missing, rows - missing], [known.missing, known.rows - known.missing]])
    return float(fisher_exact(table, alternative="greater").pvalue)
