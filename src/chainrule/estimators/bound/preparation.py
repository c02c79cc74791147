"""Prepare one row: the cells of a table's columns to the inputs of a network, to the bits of `TablePreprocessor`.

One number is scaled to the bits that `scaling.Scaler` has of an array.
"""

from __future__ import annotations

import datetime
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from chainrule.estimators.bound.given import DAY_OF_EPOCH, as_code, as_number
from chainrule.estimators.tables import calendar
from chainrule.estimators.tables.learned import CodedColumn, Lane, LearnedColumn, PlannedColumn, planned
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.estimators.tables.scaling import BY_QUANTILES, FAR, LARGEST, Scaler, Scaling, tail_of
from chainrule.estimators.tables.statistics import Ranks, normal

Writer = Callable[[object, list[float]], None]
"""Writes what a cell becomes into the inputs of a row, which are 0."""
_FIRST, _LAST = datetime.date.min.toordinal() - DAY_OF_EPOCH, datetime.date.max.toordinal() - DAY_OF_EPOCH


class RowPreparation:
    """A snapshot of a preprocessor for rows given as the cells of its columns, in the order of training."""

    def __init__(self, preprocessor: TablePreprocessor) -> None:
        """Put together what each column needs."""
        self.dtype, self.pairs = np.dtype(preprocessor.dtype), preprocessor.crossed_
        plan = planned(preprocessor.learned_, self.dtype.name)
        self.width = plan.width
        largest = float(np.finfo(self.dtype).max)
        self.writers: list[tuple[int, Writer]] = [
            (k, _coded(part.learned, part.codes) if part.codes is not None else _numeric(part, largest))
            for k, part in plan.columns
        ]
        """with the number of the column"""

    def __call__(self, cells: Sequence[object]) -> NDArray[np.floating]:
        """Return the inputs (outputs,). Raises DataError as the preprocessor does, UnusualCell for a container."""
        out = [0.0] * self.width
        for k, write in self.writers:
            write(cells[k], out)
        made = np.array(out, self.dtype)
        if not self.pairs:
            return made
        codes = [pair.codes(made[None])[0] for pair in self.pairs]
        return np.append(made, np.array(codes, self.dtype))


def _coded(learned: LearnedColumn, codes: CodedColumn) -> Writer:
    """Return what writes the outputs of a category."""
    read, at, width = as_code(learned, codes.known), codes.at, codes.table.shape[1]
    table: list[Any] = codes.table.tolist()
    if width == 1:
        only = [row[0] for row in table]

        def write_one(cell: object, out: list[float]) -> None:
            out[at] = only[read(cell)]

        return write_one
    if codes.own is None:

        def write_all(cell: object, out: list[float]) -> None:
            out[at : at + width] = table[read(cell)]

        return write_all
    own = codes.own

    def write_its_own(cell: object, out: list[float]) -> None:
        code = read(cell)
        if 0 <= code < width:
            out[at + code] = own

    return write_its_own


def _numeric(part: PlannedColumn, largest: float) -> Writer:
    """Return what writes the outputs of a number, a date or a duration."""
    learned, at = part.learned, part.at
    read = as_number(learned)
    if learned.kind == "date":
        return _date(part, read, largest)
    lanes = [(at + k, scaled(lane, largest)) for k, lane in enumerate(learned.lanes)]
    low, high = learned.ends or (-math.inf, math.inf)
    marks, mark = learned.indicator, at + len(learned.lanes)

    def write(cell: object, out: list[float]) -> None:
        x = read(cell)
        if x < low:
            x = low
        elif x > high:
            x = high
        for place, z in lanes:
            out[place] = z(x)
        if marks and x != x:
            out[mark] = 1.0

    return write


def _date(part: PlannedColumn, read: Callable[[object], float], largest: float) -> Writer:
    learned, at = part.learned, part.at
    lanes: list[tuple[int, ScalarFunction, ScalarFunction]] = []
    for k, lane in enumerate(learned.lanes):
        of_date = _part(lane.part, learned.origin)
        low, high = map(of_date, learned.ends) if learned.ends else (-math.inf, math.inf)
        lanes.append((at + k, _clipped(of_date, low, high), scaled(lane, largest)))
    first = at + len(learned.lanes)
    cycles = [(first + 2 * k, _turns(cycle)) for k, cycle in enumerate(learned.cycles)]
    marks, mark = learned.indicator, first + 2 * len(cycles)

    def write(cell: object, out: list[float]) -> None:
        seconds = read(cell)
        for place, of_date, z in lanes:
            out[place] = z(of_date(seconds))
        if seconds == seconds:
            for place, turns in cycles:
                angle = 2 * np.pi * turns(seconds)
                out[place], out[place + 1] = float(np.sin(angle)), float(np.cos(angle))
        elif marks:
            out[mark] = 1.0

    return write


def _part(part: str, origin: float) -> ScalarFunction:
    """Return a part of a date as a number, as `calendar.number`."""
    if part == "days":
        return lambda seconds: (seconds - origin) / calendar.DAY
    if part == "value":
        return lambda seconds: seconds

    def year(seconds: float) -> float:
        if seconds != seconds:
            return math.nan
        days = math.floor(seconds / calendar.DAY)
        if _FIRST <= days <= _LAST:
            return float(datetime.date.fromordinal(days + DAY_OF_EPOCH).year)
        return float(calendar.number(np.array([seconds]), part, origin)[0])

    return year


def _clipped(of_date: ScalarFunction, low: float, high: float) -> ScalarFunction:
    if low == -math.inf:
        return of_date

    def clipped(seconds: float) -> float:
        value = of_date(seconds)
        return low if value < low else high if value > high else value

    return clipped


def _turns(cycle: str) -> ScalarFunction:
    """Return which part of a cycle has passed at a date, as `calendar.turns`."""
    if cycle == "weekday":
        return lambda seconds: (math.floor(seconds / calendar.DAY) + 3) % 7 / 7
    if cycle == "time":
        return lambda seconds: seconds % calendar.DAY / calendar.DAY

    def of_year(seconds: float) -> float:
        days = math.floor(seconds / calendar.DAY)
        if _FIRST <= days <= _LAST:
            day = datetime.date.fromordinal(days + DAY_OF_EPOCH)
            return (day.toordinal() - datetime.date(day.year, 1, 1).toordinal()) / 365.25
        return float(calendar.turns(np.array([seconds]), "year")[0])

    return of_year


ScalarFunction = Callable[[float], float]


def scaled(lane: Lane, largest: float) -> ScalarFunction:
    """Return z of a number x, which may be NaN for missing. largest: that the type of the inputs can have."""
    scale = lane.scale
    made = _rank(scale) if scale.way in BY_QUANTILES else _linear(scale, largest)
    filled = made(lane.fill)

    def z(x: float) -> float:
        return made(x) if x == x else filled

    return z


def _linear(scale: Scaling, largest: float) -> ScalarFunction:
    center, spread, sqrt = scale.center / 2, scale.spread / 2, math.sqrt  # halves, as in an array

    def unchanged(x: float) -> float:
        return min(max(x, -largest), largest)

    def in_range(x: float) -> float:
        return min(max((x / 2 - center) / spread, 0.0), 1.0)

    def clipped_smoothly(x: float) -> float:
        z = min(max((x / 2 - center) / spread, -LARGEST), LARGEST)
        third = z / 3
        return z / sqrt(1 + third * third)

    far = FAR.get(scale.way, LARGEST)

    def clipped(x: float) -> float:
        return min(max((x / 2 - center) / spread, -far), far)

    ways: dict[str, ScalarFunction] = {"none": unchanged, "range": in_range, **dict.fromkeys(FAR, clipped)}
    return ways.get(scale.way, clipped_smoothly)


def _rank(scale: Scaling) -> ScalarFunction:
    """Return Phi^-1(F(x)), see `ranks.Segments`."""
    grid = np.array(scale.grid)
    tail = tail_of(scale.way, len(grid))
    ranks = Ranks(grid, tail)
    if not ranks.is_usable:  # differences beyond float64, or none
        whole = Scaler([scale])
        return lambda x: float(whole.column(0, np.array([x]))[0])
    low, high, slope, at_low, at_high, _ = (each.tolist() for each in ranks.segments)
    at_quantile, distinct = ranks.at_quantile.tolist(), low[1:]
    below, above = (float(each) for each in normal(np.array([0.0, 1.0]), tail))
    last, highest = len(distinct), 1 - tail

    def z(x: float) -> float:
        place = bisect_right(distinct, x)
        if place == 0:
            return below
        if x == low[place]:
            return at_quantile[place]  # type: ignore[no-any-return]
        if place == last:
            return above
        up = slope[place] * (x - low[place]) + at_low[place]
        down = slope[place] * (high[place] - x) - at_high[place]
        return float(ndtri(min(max((up - down) / 2, tail), highest)))

    return z
