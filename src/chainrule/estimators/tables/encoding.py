"""Make the array of a network's inputs from the columns of a table and what was learned of them.

scikit-learn's encoders are not used: they count rows and not weights, and know a category only in the type that it had
in training, where a column may come back as text or as numbers (`kinds.codes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.tables import calendar, kinds
from chainrule.estimators.tables.few_rows import Numbers
from chainrule.estimators.tables.fitting import CHUNK
from chainrule.estimators.tables.learned import LearnedColumn
from chainrule.estimators.tables.reading import RawTable
from chainrule.estimators.tables.scaling import Scaler


class Embedded(NamedTuple):
    """A column of the output that holds codes, for a layer `Embedding`."""

    column: int
    codes: int
    """0 to codes - 1; 0 is missing or unknown"""
    size: int


def embedded(learned: Sequence[LearnedColumn]) -> tuple[Embedded, ...]:
    """Return the columns of the output that hold codes."""
    found, at = [], 0
    for each in learned:
        if each.became == "embedded":
            found.append(Embedded(at, each.codes, each.size))
        at += len(each.outputs())
    return tuple(found)


def numbers(learned: Sequence[LearnedColumn]) -> tuple[int, ...]:
    """Return the columns of the output that hold scaled numbers, one for each: not what another scale makes of it."""
    found, at = [], 0
    for each in learned:
        parts = [lane.part for lane in each.lanes if each.became in ("scaled", "parts")]
        found += [at + k for k, part in enumerate(parts) if part not in parts[:k]]
        at += len(each.outputs())
    return tuple(found)


def rising(learned: Sequence[LearnedColumn]) -> tuple[int, ...]:
    """Return the columns of the output that never fall when the number of their column rises: scaled ones and ranks."""
    found, at = [], 0
    for each in learned:
        found += [at + k for k in range(len(each.lanes)) if each.became == "scaled"]
        at += len(each.outputs())
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
    def numbers(self) -> Numbers:
        """The columns that may be read as numbers all at once."""
        places = [
            k for k, each in enumerate(self.learned) if each.kind == "number" and each.became != "dropped"
        ]
        return Numbers([self.learned[k].name for k in places], places)

    @cached_property
    def _plan(self) -> _Plan:
        return _planned(self.learned)

    def encode(self, table: RawTable, at: Mapping[str, int], dtype: str) -> NDArray[np.floating]:
        """Return the (rows, outputs) inputs of a network.

        at: where the columns of the table have each column that was learned, but those that were read at once.
        Raises DataError for values of another kind than in training.
        """
        plan, rows, block = self._plan, table.rows, table.block
        out: NDArray[np.floating] = np.zeros((rows, plan.width), dtype)
        read_at_once = [] if block is None else [self.numbers.places[k] for k in block.which]
        apart = set(read_at_once)
        sources: list[tuple[int, NDArray[np.float64]]] = []
        for k, part in plan.columns:
            if k in apart:
                continue
            column, each = table.columns[at[part.learned.name]], part.learned
            if part.known is not None:
                found = kinds.codes(column, each, part.known)
                _codes(out[:, part.at : part.at + part.width], found, each)
                continue
            values = kinds.values(column, each)
            for j, name in enumerate(part.parts):
                made = values if name == "value" else calendar.number(values, name, each.origin)
                sources.append((part.source + j, made))
            place = part.at + len(each.lanes)
            for cycle in each.cycles:
                out[:, place], out[:, place + 1] = calendar.cycle(values, cycle)
                place += 2
            if each.indicator:
                out[:, place] = np.isnan(values)
        step = max(1, CHUNK // max(plan.sources, 1))
        for begin in range(0, rows if plan.sources else 0, step):
            end = min(begin + step, rows)
            x = np.empty((plan.sources, end - begin))
            x[plan.coded[1]] = out[begin:end, plan.coded[0]].T
            for source, values in sources:
                x[source] = values[begin:end]
            if block is not None:
                own = plan.source_of[read_at_once]
                x[own] = block.values[:, begin:end]
                if plan.indicators.size:
                    places, of = plan.indicators
                    chosen = np.isin(of, own)
                    out[begin:end, places[chosen]] = np.isnan(x[of[chosen]]).T
            if plan.ends is not None:
                np.clip(x, *plan.ends[:, :, None], out=x)
            _scaled(out[begin:end], x, plan.ways)
        return out


class _Part(NamedTuple):
    """A column that is used, and where it goes."""

    learned: LearnedColumn
    at: int
    """its first output"""
    width: int
    source: int
    """the first of the arrays that its scaled outputs are of"""
    parts: tuple[str, ...]
    """what these are, of numbers and dates"""
    known: dict[str, int] | None
    """the code of each category"""


class _Way(NamedTuple):
    """The outputs that are scaled in one way."""

    places: NDArray[np.int64]
    sources: NDArray[np.int64]
    fill: NDArray[np.float64]
    scaler: Scaler


class _Plan(NamedTuple):
    """Where everything goes."""

    width: int
    sources: int
    columns: list[tuple[int, _Part]]
    """with the column's number"""
    source_of: NDArray[np.int64]
    """the array of each column of numbers, (columns,)"""
    coded: NDArray[np.int64]
    """the outputs of categories that are scaled, and the arrays that these become, (2, outputs)"""
    indicators: NDArray[np.int64]
    """the outputs that say what is missing of a number, and the arrays that they are of, (2, outputs)"""
    ways: list[_Way]
    ends: NDArray[np.float64] | None
    """(2, arrays) what the arrays are clipped to; None if none of them is"""


def _planned(learned: Sequence[LearnedColumn]) -> _Plan:
    columns, lanes, coded, indicators = [], [], [], []
    ends: list[NDArray[np.float64]] = []  # (2, parts) of each column
    source_of = np.zeros(len(learned), np.int64)
    at = sources = 0
    for k, each in enumerate(learned):
        width = len(each.outputs())
        if not width:
            continue
        is_coded = each.became in ("binary", "one_hot", "embedded")
        names = [lane.part for lane in each.lanes]
        parts = tuple(dict.fromkeys(names)) or (("value",) if each.kind == "number" else ())
        known = {text: j for j, text in enumerate(each.categories)} if is_coded else None
        columns.append((k, _Part(each, at, width, sources, parts, known)))
        lanes += [(at + j, sources + parts.index(lane.part), lane) for j, lane in enumerate(each.lanes)]
        source_of[k] = sources
        if is_coded:
            coded += [(at + j, sources + j) for j in range(len(names))]
        if each.indicator and each.kind == "number":
            indicators.append((at + width - 1, sources))
        ends.append(_ends(each, parts))
        sources += len(parts)
        at += width
    ways = []
    for way in dict.fromkeys((lane.scale.way, len(lane.scale.grid)) for *_, lane in lanes):
        chosen = [each for each in lanes if (each[2].scale.way, len(each[2].scale.grid)) == way]
        places, of, own = zip(*chosen, strict=True)
        fill = np.array([lane.fill for lane in own])
        scaler = Scaler([lane.scale for lane in own])
        ways.append(_Way(np.array(places), np.array(of), fill, scaler))
    clipped = np.concatenate(ends, axis=1) if any(each.ends for each in learned) else None
    return _Plan(at, sources, columns, source_of, _pairs(coded), _pairs(indicators), ways, clipped)


def _ends(learned: LearnedColumn, parts: Sequence[str]) -> NDArray[np.float64]:
    """Return the least and the largest of each part of a column, (2, parts); infinite where it is not clipped."""
    if not learned.ends:
        return np.array([[-np.inf], [np.inf]]).repeat(len(parts), 1)
    ends = np.array(learned.ends)
    of_parts = [ends if part == "value" else calendar.number(ends, part, learned.origin) for part in parts]
    return np.stack(of_parts, axis=1)


def _pairs(found: list[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(found, np.int64).reshape(-1, 2).T


def _scaled(out: NDArray[np.floating], x: NDArray[np.float64], ways: Sequence[_Way]) -> None:
    """Write the scaled outputs of the arrays x, (sources, rows)."""
    largest = float(np.finfo(out.dtype).max)
    for way in ways:
        own = x[way.sources]
        own = np.where(np.isnan(own), way.fill[:, None], own)
        out[:, way.places] = np.clip(way.scaler(own.T), -largest, largest)


def _codes(out: NDArray[np.floating], codes: NDArray[np.int64], learned: LearnedColumn) -> None:
    """Write the codes of a column, (rows,), into its outputs, which are 0 (rows, width)."""
    count = len(learned.categories)
    if learned.became == "binary":
        out[:, 0] = np.array([-1.0, 1.0, 0.0, 0.0])[codes]  # the last two: other categories, and missing (-1)
    elif learned.became == "embedded":
        table = [*range(1, count + 1), count + 1 if learned.merged else 0, 0]
        out[:, 0] = np.array(table, float)[codes]
    else:
        rows = np.flatnonzero(
            (codes >= 0) & (codes < out.shape[1])
        )  # others too rare, where they have no output
        out[rows, codes[rows]] = learned.value
