"""Read the columns of a table that were learned, and make the array of a network's inputs from them.

scikit-learn's encoders are not used: they count rows and not weights, and know a category only in the type that it had
in training, where a column may come back as text or as numbers (`kinds.codes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import places
from chainrule.errors import ShapeError
from chainrule.tables import calendar, kinds, reading
from chainrule.tables.column import Column
from chainrule.tables.learned import CodedColumn, EncodingPlan, LearnedColumn, place_columns, planned
from chainrule.tables.reading import MAX_FEW_ROWS, Numbers, RawTable

ROWS = 16_384
"""The rows of a column that are scaled at a time, which stay in the cache."""


LOOKS = 64
"""The first rows of a column of numbers, which say at once that most others have no levels."""
UNITS = (1.0, 100.0)
"""The parts of 1 that numbers with levels are made of."""
MOST_SPREAD = 8
"""The largest distance of two of these in a column, in these parts, for each row."""
LARGEST_LEVEL = 2.0**53
"""The first number, in these parts, that is not told apart from its neighbor."""


def used_columns(
    learned: Sequence[LearnedColumn], named: bool, X: object
) -> list[tuple[LearnedColumn, Column]]:
    """Return the columns that a preprocessor uses, each with the one of a table.

    named: whether columns are matched by name.  Raises DataError for a missing column, and ShapeError for another
    number of columns without names.
    """
    used = [each for each in learned if each.became != "dropped"]
    table = reading.read(X, known=[each.name for each in used] if named else None)
    at = places_of(learned, table, named)
    return [(each, table.columns[at[each.name]]) for each in used]


def read_for(learned: Sequence[Sequence[LearnedColumn]], named: bool, X: object) -> reading.RawTable:
    """Read the columns of a table that preprocessors use, by what each has learned of the same columns.

    named: whether columns are matched by name.
    """
    used = [any(each.became != "dropped" for each in column) for column in zip(*learned, strict=True)]
    wanted = [each for each, is_used in zip(learned[0], used, strict=True) if is_used]
    places = [
        k
        for k, column in enumerate(zip(*learned, strict=True))
        if used[k]
        and all(each.became == "dropped" or (each.kind == "number" and not each.marks) for each in column)
    ]
    numbers = Numbers([learned[0][k].name for k in places] if named else (), places)
    return reading.read(X, known=[each.name for each in wanted] if named else None, numbers=numbers)


def places_of(learned: Sequence[LearnedColumn], table: reading.RawTable, named: bool) -> dict[str, int]:
    """Return where the columns of a table have each column that was learned and is among those that were read.

    named: whether the columns of training had names.  Raises DataError for a missing column, and ShapeError for another
    number of columns without names.
    """
    at = {column.name: k for k, column in enumerate(table.columns)}
    if named and table.named:
        places([each.name for each in learned if each.became != "dropped"], table.names, "X")
        return at
    if len(table.names) != len(learned):
        raise ShapeError(
            f"X has {len(table.names)} features, but TablePreprocessor is expecting {len(learned)} features "
            "as input; pass the columns of training, or a data frame, whose columns are matched by name."
        )
    pairs = zip(learned, table.names, strict=True)
    return {each.name: at[label] for each, label in pairs if label in at}


class Embedded(NamedTuple):
    """A column of the output that holds codes, for a layer `Embedding`."""

    column: int
    codes: int
    """0 to codes - 1; 0 is missing or unknown"""
    size: int


def numbers(learned: Sequence[LearnedColumn]) -> tuple[int, ...]:
    """Return the columns of the output that hold scaled numbers, one for each: not what another scale makes of it."""
    found = list[int]()
    for at, each in place_columns(learned):
        parts = [lane.part for lane in each.lanes if each.became in ("scaled", "parts")]
        found += [at + k for k, part in enumerate(parts) if part not in parts[:k]]
    return tuple(found)


def ways(learned: Sequence[LearnedColumn]) -> tuple[str, ...]:
    """Return how each column of the output is scaled, one of `scaling.WAYS`, or "" where it is not a number."""
    found = list[str]()
    for each in learned:
        own = [lane.scale.way for lane in each.lanes] if each.became in ("scaled", "parts") else []
        found += own + [""] * (len(each.outputs()) - len(own))
    return tuple(found)


class Encoder:
    """What makes a network's inputs: what was learned of the columns, put together once for all tables to come."""

    def __init__(self, learned: Sequence[LearnedColumn]) -> None:
        """Keep what was learned; it is put together when the first table comes."""
        self.learned = tuple(learned)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made of the rest."""
        return {"learned": self.learned}

    @cached_property
    def _plans(self) -> dict[str, EncodingPlan]:
        """By the type of the inputs."""
        return {}

    def plan(self, dtype: str) -> EncodingPlan:
        """Return where everything goes in inputs of a type."""
        found = self._plans.get(dtype)
        if found is None:
            found = self._plans[dtype] = planned(self.learned, dtype)
        return found

    def encode(self, table: RawTable, at: Mapping[str, int], dtype: str) -> NDArray[np.floating]:
        """Return the (rows, outputs) inputs of a network.

        at: where the columns of the table have each column that was learned, but those that were read at once.
        Raises DataError for values of another kind than in training.
        """
        if table.rows > MAX_FEW_ROWS:
            return self.columns(table, at, dtype).inputs(0, table.rows)
        found = self._read(table, at, dtype)
        plan, out = found.plan, found.unscaled(0, table.rows)
        if plan.sources:
            x = np.empty((plan.sources, table.rows))
            for source, values in found.numbers.items():
                x[source] = values
            if table.block is not None:
                own_columns = [
                    row for row, k in enumerate(table.at_once) if self.learned[k].became != "dropped"
                ]
                own = plan.source_of[[table.at_once[row] for row in own_columns]]
                x[own] = table.block.values[own_columns]
                if plan.indicators.size:
                    places, of = plan.indicators
                    chosen = np.isin(of, own)
                    out[:, places[chosen]] = np.isnan(x[of[chosen]]).T
            scale_all(out, x, plan)
        return out

    def columns(self, table: RawTable, at: Mapping[str, int], dtype: str) -> TableColumns:
        """Return the columns of many rows, of which the inputs can be made some at a time; else as `encode`."""
        found = self._read(table, at, dtype)
        for source in found.plan.lanes.keys() & found.numbers.keys():
            levels = levels_of(found.numbers[source])
            if levels is not None:
                numbers, codes = levels
                made = _scaled(np.append(numbers, np.nan), source, found.plan)
                found.levels[source] = codes, [z.astype(dtype) for z in made]
                del found.numbers[source]
        return found

    def _read(self, table: RawTable, at: Mapping[str, int], dtype: str) -> TableColumns:
        """Return the columns of a table as what they were in training, but those that were read at once."""
        plan, apart = self.plan(dtype), set(table.at_once)
        found = TableColumns(plan, [], [], {}, {})
        for k, part in plan.columns:
            if k in apart:
                continue
            column, each = table.columns[at[part.learned.name]], part.learned
            if part.codes is not None:
                found.codes.append((part.codes, kinds.codes(column, each, part.codes.known)))
                continue
            values = kinds.values(column, each)
            for j, name in enumerate(part.parts):
                found.numbers[part.source + j] = each.part_of(values, name)
            place = part.at + len(each.lanes)
            for cycle in each.cycles:
                found.outputs.extend(zip((place, place + 1), calendar.cycle(values, cycle), strict=True))
                place += 2
            if each.indicator:
                found.outputs.append((place, np.isnan(values)))
        return found


def levels_of(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return the distinct numbers of a column, ascending, and the code of each cell, so that each is scaled once.

    x: (n,). The codes (n,) are places among the distinct numbers; NaN has the number of them. None unless all numbers
    are whole or have at most two decimals, and if n / 4 or more are distinct: scaling each cell is then as fast.
    """
    n, first = len(x), x[:LOOKS]
    with np.errstate(over="ignore", invalid="ignore"):
        whole = (each for each in UNITS if (np.isnan(first) | (np.rint(first * each) / each == first)).all())
        units = next(whole, None)
        missing = np.isnan(x)
        some = bool(missing.any())
        there = x[~missing] if some else x
        if units is None or not len(there):
            return None
        low, high = np.rint(there.min() * units), np.rint(there.max() * units)
        if not (high - low < MOST_SPREAD * n and max(-low, high) < LARGEST_LEVEL):
            return None
        places = (x if units == 1 else np.rint(x * units)) - low
        places = (np.where(missing, 0, places) if some else places).astype(np.int64)
    code_of = np.zeros(int(high - low) + 1, np.int32)
    code_of[places] = 1
    used = np.flatnonzero(code_of)
    if len(used) >= n / 4:
        return None
    code_of[used] = np.arange(len(used))
    numbers, codes = (used + low) / units, code_of.take(places).astype(np.int64)
    same = numbers.take(codes).view(np.int64) == x.view(np.int64)  # bits: 0 and -0 differ
    if not (same | missing).all():
        return None
    codes[missing] = len(numbers)
    return numbers, codes


class TableColumns(NamedTuple):
    """The columns of a table, read as what they were in training."""

    plan: EncodingPlan
    codes: list[tuple[CodedColumn, NDArray[np.int64]]]
    """the categories, (rows,)"""
    outputs: list[tuple[int, NDArray[Any]]]
    """places and values, (rows,), of outputs that are not scaled"""
    numbers: dict[int, NDArray[np.float64]]
    """(rows,) by the array that they are"""
    levels: dict[int, tuple[NDArray[np.int64], Sequence[NDArray[np.floating]]]]
    """the same where few numbers repeat: which one each row has, and each output of these, scaled"""

    def inputs(self, begin: int, end: int) -> NDArray[np.floating]:
        """Return the inputs (end - begin, outputs) of some rows, which are many."""
        out = self.unscaled(begin, end)
        for first in range(begin, end, ROWS):
            rows = slice(first, min(first + ROWS, end))
            part = out[first - begin : rows.stop - begin]
            for source, lanes in self.plan.lanes.items():
                made: Sequence[NDArray[np.floating]]
                if source in self.levels:
                    codes, each = self.levels[source]
                    made = [z.take(codes[rows]) for z in each]
                else:
                    made = _scaled(self.numbers[source][rows], source, self.plan)
                for lane, z in zip(lanes, made, strict=True):
                    part[:, lane.place] = z
        return out

    def unscaled(self, begin: int, end: int) -> NDArray[np.floating]:
        """Return the inputs of some rows with 0 for those that are scaled."""
        out: NDArray[np.floating] = np.zeros((end - begin, self.plan.width), self.plan.dtype)
        for coded, codes in self.codes:
            coded.write(out, codes[begin:end])
        for place, values in self.outputs:
            out[:, place] = values[begin:end]
        return out


def scale_all(out: NDArray[np.floating], x: NDArray[np.float64], plan: EncodingPlan) -> None:
    """Write the scaled outputs of the arrays x, (sources, rows), of few rows: all of a way at once."""
    if plan.ends is not None:
        np.clip(x, *plan.ends[:, :, None], out=x)
    largest = float(np.finfo(out.dtype).max)
    for way in plan.ways:
        own = x[way.sources]
        own = np.where(np.isnan(own), way.fill[:, None], own)
        out[:, way.places] = np.clip(way.scaler(own.T), -largest, largest)


def _scaled(x: NDArray[np.float64], source: int, plan: EncodingPlan) -> list[NDArray[np.float64]]:
    """Return each scaled output of the numbers x, (rows,), of one array."""
    if plan.ends is not None:
        x = np.clip(x, *plan.ends[:, source])
    missing = np.isnan(x)
    some, made, largest = bool(missing.any()), [], float(np.finfo(plan.dtype).max)
    for lane in plan.lanes[source]:
        z = lane.scaler.column(lane.number, np.where(missing, lane.fill, x) if some else x)
        made.append(np.clip(z, -largest, largest) if lane.scaler.way == "none" else z)
    return made
