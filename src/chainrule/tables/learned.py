"""What a preprocessor learned of each column, as plain data, and where all of it goes in a network's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.tables import calendar
from chainrule.tables.scaling import BY_QUANTILES, FAR, Scaler, Scaling


class Lane(NamedTuple):
    """One output that is a scaled number: a column's own, a part of its dates, or that of a category."""

    part: str
    """"value", "days" or "year", or the number of a category's output"""
    fill: float
    """what a missing value is replaced by"""
    scale: Scaling


def by_way(lanes: Sequence[tuple[int, int, Lane]]) -> list[list[tuple[int, int, Lane]]]:
    """Return lanes, each with two numbers of its own, in groups that are scaled in one way by as many quantiles."""
    groups: dict[tuple[str, int], list[tuple[int, int, Lane]]] = {}
    for each in lanes:
        groups.setdefault((each[2].scale.way, len(each[2].scale.grid)), []).append(each)
    return list(groups.values())


class LearnedColumn(NamedTuple):
    """What was learned of one column."""

    name: str
    kind: str
    why: str
    became: str
    missing: float
    """the share of its values that were missing in training"""
    infinite: int = 0
    """how many of these were infinite"""
    distinct: int | None = None
    """the number of its categories in training; None where it has none"""
    reads: str = ""
    """how its text is read: the decimal sign of numbers, the order of dates"""
    categories: tuple[str, ...] = ()
    """those that have an output or a code of their own, in the order of these"""
    merged: int = 0
    """how many others were too rare for that and share one; in prediction new ones do too"""
    size: int = 0
    """of its embedding"""
    lanes: tuple[Lane, ...] = ()
    cycles: tuple[str, ...] = ()
    origin: float = 0.0
    """the earliest date of training, in seconds since 1970"""
    indicator: bool = False
    """whether an output says that the value is missing"""
    value: float = 1.0
    """of the output of a row's own category, where each category has one"""
    typical: str | None = None
    """the most frequent of its categories, "" where more values are missing; None where that is not known"""
    ends: tuple[float, ...] = ()
    """the smallest and the largest value of training, to which others are clipped; none where they are kept"""
    marks: tuple[float, ...] = ()
    """numbers that stand for missing ones, such as -999"""
    has_words: bool = False
    """whether text without a digit is missing"""

    @property
    def codes(self) -> int:
        """The codes of an embedded column: 0 for missing, its categories, and one for rare ones if there were any."""
        return 1 + len(self.categories) + bool(self.merged)

    def outputs(self) -> list[str]:
        """Return the names of the outputs that it became."""
        if self.became == "dropped":
            return []
        if self.became == "embedded":
            return [self.name]
        if self.became == "binary":
            return [f"{self.name}={self.categories[1]}"]
        if self.became == "one_hot":
            rare = [f"{self.name} rare"] if self.merged else []
            return [*(f"{self.name}={category}" for category in self.categories), *rare]
        twice = len({lane.part for lane in self.lanes}) < len(self.lanes)
        names = [
            self.name
            + f" {lane.part}" * (lane.part != "value")
            + " rank" * (twice and lane.scale.way in BY_QUANTILES)
            + " linear" * (twice and lane.scale.way in FAR)
            for lane in self.lanes
        ]
        names += [f"{self.name} {part}_{wave}" for part in self.cycles for wave in ("sin", "cos")]
        return names + [f"{self.name} missing"] * self.indicator


def placed(learned: Sequence[LearnedColumn]) -> Iterator[tuple[int, LearnedColumn]]:
    """Iterate over the columns, each with the index of its first output column."""
    at = 0
    for each in learned:
        yield at, each
        at += len(each.outputs())


class CodedColumn(NamedTuple):
    """The outputs of a column of categories."""

    known: dict[str, int]
    """the code of each category; len(known) is that of others"""
    at: int
    """its first output"""
    table: NDArray[np.floating]
    """(codes + 2, width): the outputs of each category, of others, and of what is missing"""
    own: float | None
    """what the output of a row's category is, where all others are 0; None where they are as in the table"""

    def write(self, out: NDArray[np.floating], codes: NDArray[np.int64]) -> None:
        """Write the outputs of codes (rows,), -1 for missing, into inputs (rows, outputs) that are 0."""
        width = self.table.shape[1]
        if width == 1:
            out[:, self.at] = self.table[:, 0].take(codes, mode="wrap")
        elif self.own is None:
            out[:, self.at : self.at + width] = self.table[codes]
        else:  # others than the most frequent may have no output
            places = np.arange(len(out)) * out.shape[1] + (self.at + codes)
            has_one = (codes >= 0) & (codes < width)
            out.reshape(-1)[places if has_one.all() else places[has_one]] = self.own


class PlannedColumn(NamedTuple):
    """A column that is used, and where it goes."""

    learned: LearnedColumn
    at: int
    """its first output"""
    source: int
    """the first of the arrays that its scaled outputs are of"""
    parts: tuple[str, ...]
    """what these are, of numbers and dates"""
    codes: CodedColumn | None
    """what becomes of its categories; None of numbers and dates"""


class Way(NamedTuple):
    """The outputs that are scaled in one way."""

    places: NDArray[np.int64]
    sources: NDArray[np.int64]
    fill: NDArray[np.float64]
    scaler: Scaler


class ScaledLane(NamedTuple):
    """One of them."""

    place: int
    fill: float
    scaler: Scaler
    number: int
    """of the scaler's columns"""


class EncodingPlan(NamedTuple):
    """Where everything goes."""

    dtype: str
    width: int
    sources: int
    columns: list[tuple[int, PlannedColumn]]
    """with the column's number"""
    source_of: NDArray[np.int64]
    """the array of each column of numbers, (columns,)"""
    indicators: NDArray[np.int64]
    """the outputs that say what is missing of a number, and the arrays that they are of, (2, outputs)"""
    ways: list[Way]
    lanes: dict[int, list[ScaledLane]]
    """the same outputs, by the array that they are of"""
    ends: NDArray[np.float64] | None
    """(2, arrays) what the arrays are clipped to; None if none of them is"""


def planned(learned: Sequence[LearnedColumn], dtype: str) -> EncodingPlan:
    """Put together where everything goes in inputs of a type."""
    columns: list[tuple[int, PlannedColumn]] = []
    lanes: list[tuple[int, int, Lane]] = []  # place, array
    indicators: list[tuple[int, int]] = []
    ends: list[NDArray[np.float64]] = []  # (2, parts) of each column
    source_of = np.zeros(len(learned), np.int64)
    at = sources = 0
    for k, each in enumerate(learned):
        width = len(each.outputs())
        if not width:
            continue
        codes, parts = None, tuple[str, ...]()
        if each.became in ("binary", "one_hot", "embedded"):
            codes = _coded(each, at, width, dtype)
        else:
            names = [lane.part for lane in each.lanes]
            parts = tuple(dict.fromkeys(names)) or (("value",) if each.kind == "number" else ())
            lanes += [(at + j, sources + parts.index(lane.part), lane) for j, lane in enumerate(each.lanes)]
            ends.append(_ends(each, parts))
        columns.append((k, PlannedColumn(each, at, sources, parts, codes)))
        source_of[k] = sources
        if each.indicator and each.kind == "number":
            indicators.append((at + width - 1, sources))
        sources += len(parts)
        at += width
    ways = _ways(lanes)
    by_source: dict[int, list[ScaledLane]] = {}
    for way in ways:
        each_lane = zip(way.places.tolist(), way.sources.tolist(), way.fill.tolist(), strict=True)
        for number, (place, source, fill) in enumerate(each_lane):
            by_source.setdefault(source, []).append(ScaledLane(place, fill, way.scaler, number))
    pairs = np.array(indicators, np.int64).reshape(-1, 2).T
    clipped = np.concatenate(ends, axis=1) if any(each.ends for each in learned) else None
    return EncodingPlan(dtype, at, sources, columns, source_of, pairs, ways, by_source, clipped)


def _ways(lanes: Sequence[tuple[int, int, Lane]]) -> list[Way]:
    """Return lanes, each with its output and its array, by how they are scaled."""
    ways = []
    for chosen in by_way(lanes):
        places, of, own = zip(*chosen, strict=True)
        fill = np.array([lane.fill for lane in own])
        scaler = Scaler([lane.scale for lane in own])
        ways.append(Way(np.array(places), np.array(of), fill, scaler))
    return ways


def _coded(learned: LearnedColumn, at: int, width: int, dtype: str) -> CodedColumn:
    """Return the outputs of a column of categories."""
    known = {text: code for code, text in enumerate(learned.categories)}
    count = len(known)
    table: NDArray[np.floating] = np.zeros((count + 2, width), dtype)
    if learned.became == "binary":
        table[:2, 0] = -1.0, 1.0
    elif learned.became == "embedded":
        table[:, 0] = [*range(1, count + 1), count + 1 if learned.merged else 0, 0]
    else:
        own = np.arange(width)  # one more than the categories where others have one too
        table[own, own] = learned.value
    if not learned.lanes:
        return CodedColumn(known, at, table, learned.value)
    x, largest = table.astype(np.float64), float(np.finfo(table.dtype).max)
    for k, lane in enumerate(learned.lanes):
        column = np.where(np.isnan(x[:, k]), lane.fill, x[:, k])
        table[:, k] = np.clip(Scaler([lane.scale])(column[:, None])[:, 0], -largest, largest)
    return CodedColumn(known, at, table, None)


def _ends(learned: LearnedColumn, parts: Sequence[str]) -> NDArray[np.float64]:
    """Return the least and the largest of each part of a column, (2, parts); infinite where it is not clipped."""
    if not learned.ends:
        return np.array([[-np.inf], [np.inf]]).repeat(len(parts), 1)
    ends = np.array(learned.ends)
    of_parts = [ends if part == "value" else calendar.number(ends, part, learned.origin) for part in parts]
    return np.stack(of_parts, axis=1)
