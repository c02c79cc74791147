"""The operations that prepare the columns of a table: what they hold, codes of categories, numbers, dates, cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.graph.lines import supporting_lines
from chainrule.graph.operation import (
    CODES,
    MIN_RUN,
    TEXT,
    UNITS,
    Array,
    Box,
    GraphOperation,
    Lines,
    box_of,
    like,
    widened,
)

DAY = 86400.0


@dataclass(frozen=True, eq=False)
class GraphInput(GraphOperation):
    """An input, by name.

    holds       value
    numbers     a matrix of numbers (n, columns)
    number      a column of numbers, NaN for missing
    date        a column of seconds since 1970 in universal time, NaN for missing
    duration    a column of seconds, NaN for missing
    category    a column of texts, None for missing; a whole number is called as an integer is: 3, not 3.0
    boolean     a column of the texts "True" and "False", None for missing
    """

    name: ClassVar[str] = "input"
    label: str
    """its name: that of the column in the table, "X" of a matrix"""
    holds: str
    columns: int = 1
    names: tuple[str, ...] = ()
    """of a matrix, the names of its columns if they have any"""
    reads: str = ""
    """how text was read in training: the decimal sign of numbers, "." or ",", or the order of dates, such as "iso" """
    has_words: bool = False
    """of numbers, whether text without a digit is missing"""
    arity: ClassVar[int | None] = 0

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.holds in ("category", "boolean")

    def width(self, *widths: int) -> int:
        """Return its columns."""
        return self.columns

    def compute(self, *values: Array) -> Array:
        """Return what was given."""
        return values[0]


@dataclass(frozen=True, eq=False)
class LevelCodes(GraphOperation):
    """The code of each text: its place among the levels; their number for another text, one more for a missing one."""

    takes: ClassVar[str] = TEXT
    makes: ClassVar[str] = CODES
    levels: tuple[str, ...]
    spellings: tuple[tuple[str, int], ...] = ()
    """further texts that stand for a level, and its place: those of true and false"""

    @property
    def places(self) -> dict[str, int]:
        """The code of each text that has one of its own."""
        return dict(self.spellings) | {level: k for k, level in enumerate(self.levels)}

    def compute(self, *values: Array) -> Array:
        """code = place of the text in levels; L for another, L + 1 for None"""
        known: dict[str | None, int] = dict(self.places.items())
        known[None] = len(self.levels) + 1
        other = len(self.levels)
        return np.array([[known.get(text, other)] for text in values[0]], np.int64).reshape(-1, 1)


@dataclass(frozen=True, eq=False)
class WholeCodes(GraphOperation):
    """The code of each number of a column (n, 1): itself if it is one of 0, 1, ..., count - 1, else 0."""

    makes: ClassVar[str] = CODES
    count: int

    def compute(self, *values: Array) -> Array:
        """code = x if x is a whole number from 0 to count - 1, else 0"""
        x = values[0]
        known = (x >= 0) & (x < self.count) & (x == np.floor(x))
        return np.where(known, x, 0).astype(np.int64)

    def bounds(self, *boxes: Box) -> Box:
        """The code of one number; of several any between the first and the last, and 0."""
        low, high = (np.clip(end, 0, self.count - 1).astype(np.int64) for end in boxes[0])
        made = self.compute(boxes[0].low)
        return Box(np.where(boxes[0].is_point, made, 0 * low), np.where(boxes[0].is_point, made, high))


@dataclass(frozen=True, eq=False)
class TableRows(GraphOperation):
    """The row of a table for each code (n, 1): the vector of an embedding, or the outputs of a category."""

    takes: ClassVar[str] = CODES
    table: NDArray[np.float64]
    """(codes, width)"""

    def width(self, *widths: int) -> int:
        """Return the columns of the table."""
        return int(self.table.shape[1])

    def compute(self, *values: Array) -> Array:
        """out = table[code]"""
        return self.table[values[0][:, 0]]

    def bounds(self, *boxes: Box) -> Box:
        """The least and the largest numbers of the rows from the first to the last code."""
        spans = [slice(a, b + 1) for a, b in zip(*(end[:, 0].tolist() for end in boxes[0]), strict=True)]
        shape = (len(spans), self.table.shape[1])
        least, most = ([pick(self.table[span], axis=0) for span in spans] for pick in (np.min, np.max))
        return Box(np.reshape(least, shape), np.reshape(most, shape))


@dataclass(frozen=True, eq=False)
class OneHot(GraphOperation):
    """A column for each of the first `count` codes: `on` in that of the row's code (n, 1), 0 elsewhere."""

    takes: ClassVar[str] = CODES
    count: int
    on: float = 1.0

    def width(self, *widths: int) -> int:
        """Return the number of these codes."""
        return self.count

    def compute(self, *values: Array) -> Array:
        """out_k = on if k = code, else 0"""
        return np.where(values[0] == np.arange(self.count), self.on, 0.0)

    def bounds(self, *boxes: Box) -> Box:
        """0 and `on` for each of several codes, one of both for all others."""
        codes = np.arange(self.count)
        may = (boxes[0].low <= codes) & (codes <= boxes[0].high)
        one = np.where(may & boxes[0].is_point, self.on, 0.0)
        return box_of([one, np.where(may, self.on, 0.0)])


def _same_lines(box: Box) -> Lines:
    """Return the lines of a function that returns its number."""
    zero = 0.0 * box.low
    return Lines(zero + 1, zero, zero + 1, zero)


@dataclass(frozen=True, eq=False)
class KeptRange(GraphOperation):
    """Numbers outside of [low, high] become missing: NaN. So do infinities, and dates some 6,000 years from 1970.

    So do the marks, numbers that stand for missing ones.
    """

    low: NDArray[np.float64]
    """(width,)"""
    high: NDArray[np.float64]
    marks: tuple[float, ...] = ()

    def compute(self, *values: Array) -> Array:
        """x if low <= x <= high and x is no mark, else NaN"""
        x = values[0]
        is_kept = (x >= like(self.low, x)) & (x <= like(self.high, x)) & ~np.isin(x, self.marks)
        return np.where(is_kept, x, x.dtype.type(np.nan))

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta where x is kept, else 0"""
        return (np.where(np.isnan(out), 0.0, delta),)

    def bounds(self, *boxes: Box) -> Box:
        """The box itself. Raises ConfigError for one with numbers that count as missing and others that do not."""
        low, high = (self.compute(end) for end in boxes[0])
        has_mark = np.any([(boxes[0].low <= m) & (m <= boxes[0].high) for m in self.marks], axis=0)
        if ((np.isnan(low) != np.isnan(high)) | (has_mark & ~boxes[0].is_point)).any():
            marks = f", or {', '.join(map(str, self.marks))}," if self.marks else ""
            raise ConfigError(
                f"a box holds numbers beyond {self.low[0]:g} and {self.high[0]:g}{marks} which count as missing, "
                "and others; make two of it."
            )
        return Box(low, high)

    def lines(self, *boxes: Box) -> Lines | None:
        """x itself, where it is not missing."""
        return _same_lines(boxes[0])


@dataclass(frozen=True, eq=False)
class Bounded(GraphOperation):
    """Numbers clipped to [low, high]; NaN stays."""

    least_run: ClassVar[float] = MIN_RUN
    low: NDArray[np.float64]
    """(width,), -infinity for no bound"""
    high: NDArray[np.float64]

    def compute(self, *values: Array) -> Array:
        """min(max(x, low), high)"""
        x = values[0]
        return np.clip(x, like(self.low, x), like(self.high, x))

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta where low <= x <= high, else 0"""
        return (np.where(out == values[0], delta, 0.0),)

    def lines(self, *boxes: Box) -> Lines | None:
        """Those of a function that is convex up to `low` and a little beyond, and concave up to `high`."""
        return supporting_lines(
            self.compute, lambda x, out: (x == out) * 1.0, boxes[0], (self.low, self.high), True
        )


@dataclass(frozen=True, eq=False)
class MissingMarks(GraphOperation):
    """1 where a number is missing (NaN), else 0."""

    def compute(self, *values: Array) -> Array:
        """1 if x is NaN, else 0"""
        return np.isnan(values[0]).astype(values[0].dtype)


@dataclass(frozen=True, eq=False)
class FilledMissing(GraphOperation):
    """Numbers with a constant of their column in place of each missing one."""

    fill: NDArray[np.float64]
    """(width,)"""

    def compute(self, *values: Array) -> Array:
        """fill if x is NaN, else x"""
        x = values[0]
        return np.where(np.isnan(x), like(self.fill, x), x)

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta where x is there, else 0"""
        return (np.where(np.isnan(values[0]), 0.0, delta),)

    def lines(self, *boxes: Box) -> Lines | None:
        """x itself, where it is not missing."""
        return _same_lines(boxes[0])


@dataclass(frozen=True, eq=False)
class RankShares(GraphOperation):
    """The share F of the numbers of training that are smaller, by their quantiles at equal steps; NaN stays.

    Between two different neighboring quantiles g_i < g_j, F is linear from s_i, i the last place with the value g_i,
    to s_j, j the first with g_j, where s_k = k / (quantiles - 1). At a quantile it is the mean of the shares of its
    first and its last place. It is 0 below the first quantile and 1 above the last.
    """

    grid: NDArray[np.float64]
    """(width, quantiles), each row ascending, equal ones repeated"""

    def compute(self, *values: Array) -> Array:
        """The mean of two linear interpolations: one takes the last of equal quantiles, the other the first."""
        x = values[0]
        steps = np.linspace(0.0, 1.0, self.grid.shape[1])
        made = np.empty(x.shape)
        with np.errstate(over="ignore", invalid="ignore"):  # slopes between numbers near the ends of float64
            for k, grid in enumerate(self.grid):
                own = x[:, k].astype(np.float64)
                up, down = np.interp(own, grid, steps), np.interp(-own, -grid[::-1], -steps[::-1])
                made[:, k] = (up - down) / 2
        return made.astype(x.dtype, copy=False)

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta (s_j - s_i) / (g_j - g_i) between two quantiles, of the upper two at a quantile, else 0"""
        x = values[0]
        made = np.zeros_like(delta)
        for k in range(x.shape[1]):
            places, first, last = self.knots(k)
            with np.errstate(over="ignore"):
                slopes = np.concatenate([[0.0], (first[1:] - last[:-1]) / np.diff(places), [0.0]])
            piece = np.searchsorted(places, x[:, k].astype(np.float64), side="right")
            made[:, k] = delta[:, k] * np.where(np.isnan(x[:, k]), 0.0, slopes[piece])
        return (made,)

    def bounds(self, *boxes: Box) -> Box:
        """The shares of both ends."""
        low, high = (self.compute(end) for end in boxes[0])
        return widened(low, high, UNITS)

    def knots(self, column: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the different quantiles of a column (m,), and the shares of the first and last place of each."""
        places, first = np.unique(self.grid[column], return_index=True)
        last = np.append(first[1:], self.grid.shape[1]) - 1
        steps = np.linspace(0.0, 1.0, self.grid.shape[1])
        return places, steps[first], steps[last]


@dataclass(frozen=True, eq=False)
class CalendarPart(GraphOperation):
    """A part of dates, given as seconds since 1970 in universal time; NaN for missing ones.

    days           (seconds - origin) / 86400, a division to the last bit: a share of equal quantiles depends on it
    year           the year of the Gregorian calendar
    year_turn      (day of the year - 1) / 365.25
    leap_day       the days since January 1 in a leap year: 0 to 365, 59 on February 29 alone
    weekday_turn   (day of the week) / 7, Monday 0
    day_turn       seconds since midnight / 86400
    """

    part: str
    origin: float = 0.0
    """of the days, in seconds since 1970"""

    def compute(self, *values: Array) -> Array:
        """The part of each date."""
        x = values[0]
        if self.part == "days":
            days: Array = (x - x.dtype.type(self.origin)) / x.dtype.type(DAY)
            return days
        missing = np.isnan(x)
        seconds = np.where(missing, 0.0, x.astype(np.float64))
        days = np.floor(seconds / DAY)
        if self.part == "day_turn":
            made = seconds % DAY / DAY
        elif self.part == "weekday_turn":
            made = (days + 3) % 7 / 7  # 1970 began on a Thursday
        else:
            dates = days.astype("M8[D]")
            years = dates.astype("M8[Y]")
            since = (dates - years.astype("M8[D]")).astype(np.float64)
            if self.part == "leap_day":
                is_short = (years + 1).astype("M8[D]") - years.astype("M8[D]") < np.timedelta64(366, "D")
                made = since + (is_short & (since >= 59))
            else:
                made = years.astype(np.float64) + 1970.0 if self.part == "year" else since / 365.25
        return np.where(missing, np.nan, made).astype(x.dtype, copy=False)

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta / 86400 of days and of the turn of a day; 0 of the others, which change from day to day in steps"""
        return (delta / DAY if self.part in ("days", "day_turn") else np.zeros_like(delta),)

    def bounds(self, *boxes: Box) -> Box:
        """The parts of both ends, of turns within one; else a whole turn."""
        made = widened(*(self.compute(end) for end in boxes[0]))
        if self.part in ("days", "year"):
            return made
        days = {"day_turn": 1, "weekday_turn": 7, "year_turn": 365, "leap_day": 365}[self.part]
        first, last = (np.floor(end / DAY) for end in boxes[0])
        is_one = ((last - first < days) & (made.low <= made.high)) | np.isnan(first)
        end = {"year_turn": 366 / 365.25, "leap_day": 365.0}.get(self.part, 1.0)
        return Box(np.where(is_one, made.low, 0.0), np.where(is_one, made.high, end))


@dataclass(frozen=True, eq=False)
class CellNumbers(GraphOperation):
    """The number of the cell of each number of a column (n, 1): 0 for NaN, else 1 + the edges that are no larger."""

    edges: NDArray[np.float64]
    """(edges,), ascending"""

    def compute(self, *values: Array) -> Array:
        """0 if x is NaN, else 1 + count(edges <= x)"""
        x = values[0]
        found = 1 + np.searchsorted(self.edges, x.astype(np.float64), side="right")
        return np.where(np.isnan(x), 0, found).astype(x.dtype)


@dataclass(frozen=True, eq=False)
class ToPrecision(GraphOperation):
    """Numbers in another precision: "network", that of the run, or "double".

    A table is prepared in float64, because a number may be large next to its spread; its networks run in their own.
    """

    is_affine: ClassVar[bool] = True
    to: str

    def compute(self, *values: Array) -> Array:
        """x itself; `ComputationGraph.run` converts."""
        return values[0]

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta"""
        return (delta.astype(values[0].dtype, copy=False),)
