"""What a preprocessor learned of each column, as plain data, and where all of it goes in a network's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.codec import ASCENDING, DIFFERENT, Condition, Count, from_to, one_of, sized
from chainrule.graph.columns import CalendarPart
from chainrule.tables import calendar, marks, recurring
from chainrule.tables.column import LONGEST
from chainrule.tables.recurring import RecurringDay
from chainrule.tables.scaling import BY_QUANTILES, FAR, LARGEST, Scaler, Scaling

MOST_CODES = 100_000
"""The most categories of a column that have a code of their own, the most frequent ones."""
KINDS = ("number", "boolean", "category", "date", "duration")
"""What a column may be taken for."""
WHYS = (
    *("numbers", "text_numbers", "booleans", "texts", "dates", "text_dates", "durations", "asked"),
    *("declared", "code_texts", "mostly_numbers"),
    *("all_missing", "constant", "near_constant", "every_value_differs", "identifier"),
)
"""Why: what it holds, or why it is dropped."""
OUTCOMES = ("scaled", "parts", "binary", "one_hot", "embedded", "indicator", "dropped")
"""What became of it."""
READS = ("", ".", ",", *calendar.ORDERS)
ARE_SHORT = Condition(
    f"* of at most {LONGEST} characters", lambda texts: max(map(len, texts), default=0) <= LONGEST
)


@codec.as_list
class Lane(NamedTuple):
    """One output that is a scaled number: a column's own, a part of its dates, or that of a category."""

    part: str
    """"value", "days", "year" or "recurring", or the number of a category's output"""
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
    kind: Annotated[str, one_of(KINDS)]
    why: Annotated[str, one_of(WHYS)]
    became: Annotated[str, one_of(OUTCOMES)]
    missing: Annotated[float, from_to(0, 1)]
    """the share of its values that were missing in training"""
    infinite: Count = 0
    """how many of these were infinite"""
    distinct: Count | None = None
    """the number of its categories in training; None where it has none"""
    reads: Annotated[str, one_of(READS)] = ""
    """how its text is read: the decimal sign of numbers, the order of dates"""
    categories: Annotated[tuple[str, ...], sized(0, MOST_CODES), ARE_SHORT, DIFFERENT] = ()
    """those that have an output or a code of their own, in the order of these"""
    merged: Count = 0
    """how many others were too rare for that and share one; in prediction new ones do too"""
    size: Annotated[int, from_to(0, MOST_CODES)] = 0
    """of its embedding"""
    lanes: Annotated[tuple[Lane, ...], sized(0, MOST_CODES + 1)] = ()
    cycles: Annotated[tuple[Annotated[str, one_of(calendar.CYCLES)], ...], DIFFERENT] = ()
    origin: Annotated[float, from_to(-calendar.LATEST, calendar.LATEST)] = 0.0
    """the earliest date of training, in seconds since 1970"""
    indicator: bool = False
    """whether an output says that the value is missing"""
    value: Annotated[float, from_to(0, LARGEST)] = 1.0
    """of the output of a row's own category, where each category has one"""
    typical: Annotated[str, sized(0, LONGEST)] | None = None
    """the most frequent of its categories, "" where more values are missing; None where that is not known"""
    ends: Annotated[
        tuple[float, ...], Condition("* at both ends, or none", lambda ends: len(ends) in (0, 2)), ASCENDING
    ] = ()
    """the smallest and the largest value of training, to which others are clipped; none where they are kept"""
    marks: Annotated[tuple[float, ...], sized(0, marks.MOST)] = ()
    """numbers that stand for missing ones, such as -999"""
    has_words: bool = False
    """whether text without a digit is missing"""
    recurring: Annotated[tuple[RecurringDay, ...], sized(0, recurring.MOST)] = ()
    """the days that come again each year on which the target is another"""

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        count, coded = len(self.categories), self.kind in ("category", "boolean")
        is_number, own = self.kind in ("number", "duration"), [lane.part for lane in self.lanes]
        parts = ("value",) if is_number else calendar.NUMBERS if self.kind == "date" else ()
        fits_parts = set(own) <= set(parts)
        if own and coded and self.became in ("binary", "one_hot"):  # a scale for each output
            each = 1 if self.became == "binary" else count + bool(self.merged)
            is_its = all(lane.scale.way == "realmlp" for lane in self.lanes)
            fits_parts = is_its and own == [str(k) for k in range(each)]
        fits = {
            "dropped": not count and not self.lanes and not self.cycles,
            "scaled": is_number and len(self.lanes) > 0,
            "parts": self.kind == "date" and bool(self.lanes or self.cycles),
            "indicator": self.indicator and not coded and not self.lanes and not self.cycles,
            "binary": coded and count == 2,
            "one_hot": coded and 0 < count <= MOST_CODES,
            "embedded": coded and count > 0 and self.size > 0,
        }
        fits_value = self.value == 1.0 or (self.became == "one_hot" and self.value > 0)
        return {
            "cycles only of a date": not self.cycles or self.kind == "date",
            "marks only of numbers": not self.marks or self.kind == "number",
            "recurring days only of a date": not self.recurring or self.kind == "date",
            "lanes of different parts": len({(lane.part, lane.scale.way) for lane in self.lanes}) == len(own),
            f"the values of a column that is {self.became}": fits[self.became] and fits_parts and fits_value,
        }

    def part_of(self, values: NDArray[np.float64], part: str) -> NDArray[np.float64]:
        """Return the numbers of a part, as a lane has it, of values (n,)."""
        if part == "value":
            return values
        if part == "recurring":
            return recurring.effects(values, self.recurring)
        return CalendarPart(part, self.origin).compute(values[:, None])[:, 0]

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


def place_columns(learned: Sequence[LearnedColumn]) -> Iterator[tuple[int, LearnedColumn]]:
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
            codes = code_outputs(each, at, width, dtype)
        else:
            names = [lane.part for lane in each.lanes]
            parts = tuple(dict.fromkeys(names)) or (("value",) if each.kind == "number" else ())
            lanes += [(at + j, sources + parts.index(lane.part), lane) for j, lane in enumerate(each.lanes)]
            ends.append(find_ends(each, parts))
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


def code_outputs(learned: LearnedColumn, at: int, width: int, dtype: str) -> CodedColumn:
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


def find_ends(learned: LearnedColumn, parts: Sequence[str]) -> NDArray[np.float64]:
    """Return the least and the largest of each part of a column, (2, parts); infinite where it is not clipped."""
    if not learned.ends:
        return np.array([[-np.inf], [np.inf]]).repeat(len(parts), 1)
    ends = np.array(learned.ends)
    unclipped = np.array([-np.inf, np.inf])
    of_parts = [unclipped if part == "recurring" else learned.part_of(ends, part) for part in parts]
    return np.stack(of_parts, axis=1)
