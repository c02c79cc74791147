"""The preparation of a table as steps of a graph: from the values of its columns to the inputs of a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.graph.answers import WeightedSum
from chainrule.graph.columns import (
    Bounded,
    CalendarPart,
    CellNumbers,
    FilledMissing,
    GraphInput,
    KeptRange,
    LevelCodes,
    MissingMarks,
    OneHot,
    RankShares,
    TableRows,
    ToPrecision,
    WholeCodes,
)
from chainrule.graph.graph import GraphBuilder, GraphValue
from chainrule.graph.numbers import Columnwise, Elementwise, JoinedColumns, SelectedColumns
from chainrule.graph.operation import constant
from chainrule.tables import calendar, kinds, recurring
from chainrule.tables.column import Column
from chainrule.tables.crossed import Side
from chainrule.tables.encoding import used_columns
from chainrule.tables.learned import Lane, LearnedColumn, by_way, find_ends
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.scaling import BY_QUANTILES, FAR, LARGEST, Scaler, Scaling, magnify, tail_of
from chainrule.tables.spellings import spellings

Array = NDArray[np.float64]
NEAR_THE_END = 1e300
"""Numbers from which on a difference of two may be beyond float64, so that it is one of their halves."""


def _spellings(levels: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return the spellings of true and false that stand for levels, in lower and upper case and with a capital."""
    return tuple(
        sorted(
            {
                (form(text), code)
                for text, code in spellings(levels).items()
                for form in (str.lower, str.upper, str.title)
            }
        )
    )


class ColumnInputs:
    """The inputs of a graph, one for each column, whatever number of preparations reads it."""

    def __init__(self, build: GraphBuilder) -> None:
        """Begin without inputs."""
        self.build = build
        self.known: dict[str, GraphValue] = {}
        self.holds: dict[str, str] = {}

    def of(self, learned: LearnedColumn) -> GraphValue:
        """Return the input of a column. Raises ConfigError where two preparations take it for different things."""
        name, kind = learned.name, learned.kind
        if self.holds.setdefault(name, kind) != kind:
            raise ConfigError(
                f"column {name!r} is a {kind} in one network and a {self.holds[name]} in another, so the average has "
                "no one input for it; declare its kind with TablePreprocessor(kinds=...) and fit again."
            )
        if name not in self.known:
            made = GraphInput(name, kind, reads=learned.reads, has_words=learned.has_words)
            self.known[name] = self.build.add(made, of=name)
        return self.known[name]


class TableSteps:
    """Adds the steps of one preparation."""

    def __init__(self, build: GraphBuilder, preprocessor: TablePreprocessor, inputs: ColumnInputs) -> None:
        """Keep what the steps are made of."""
        self.build, self.inputs = build, inputs
        self.learned, self.pairs = preprocessor.learned_, preprocessor.crossed_
        self.codes: dict[int, GraphValue] = {}
        """of each column of categories, by its number"""
        self.sources: list[GraphValue] = []
        """the numbers that are scaled, one column each"""
        self.source_of: dict[tuple[int, str], int] = {}
        """their places, by the number of the column and its part"""
        self.pieces: list[tuple[GraphValue, list[int]]] = []
        """what was made, and which outputs it is"""

    def add(self) -> GraphValue:
        """Add all steps; return the inputs of the network (n, outputs)."""
        at = 0
        marks: list[tuple[GraphValue, int]] = []
        lanes: list[tuple[int, int, Lane]] = []  # output, column, lane
        for k, each in enumerate(self.learned):
            width = len(each.outputs())
            if not width:
                continue
            if each.became in ("binary", "one_hot", "embedded"):
                self.pieces.append((self._categories(k, each), list(range(at, at + width))))
            else:
                values = self._numbers(k, each)
                lanes += [(at + j, k, lane) for j, lane in enumerate(each.lanes)]
                place = at + len(each.lanes)
                for cycle in each.cycles:
                    self.pieces.append((self._cycle(values, cycle, each.name), [place, place + 1]))
                    place += 2
                if each.indicator:
                    marks.append((values, place))
            at += width
        if marks:
            joined = self._joined([value for value, _ in marks], "missing")
            self.pieces.append(
                (self.build.add(MissingMarks(), joined, of="missing"), [place for _, place in marks])
            )
        scaled = self._scaled(lanes)
        made = self._in_order(at)
        if self.pairs:
            cells = [self._pair(pair.first, pair.second, scaled) for pair in self.pairs]
            made = self._joined([made, *cells], "pairs")
        return self.build.add(ToPrecision("network"), made, of="table")

    def _joined(self, values: Sequence[GraphValue], of: str) -> GraphValue:
        return values[0] if len(values) == 1 else self.build.add(JoinedColumns(), *values, of=of)

    def _selected(self, value: GraphValue, columns: Sequence[int], of: str) -> GraphValue:
        if list(columns) == list(range(value.width)):
            return value
        return self.build.add(SelectedColumns(tuple(columns)), value, of=of)

    def _in_order(self, width: int) -> GraphValue:
        """Put what was made side by side, in the order of the outputs."""
        joined = self._joined([value for value, _ in self.pieces], "table")
        places = [place for _, each in self.pieces for place in each]
        return self._selected(joined, np.argsort(places).tolist()[:width], "table")

    def _categories(self, k: int, each: LearnedColumn) -> GraphValue:
        codes = self.build.add(
            LevelCodes(each.categories, _spellings(each.categories)), self.inputs.of(each), of=each.name
        )
        self.codes[k] = codes
        if each.became == "one_hot" and not each.lanes:
            width = len(each.outputs())
            return self.build.add(OneHot(width, float(each.value)), codes, of=each.name)
        return self.build.add(TableRows(constant(outputs_by_code(each))), codes, of=each.name)

    def _numbers(self, k: int, each: LearnedColumn) -> GraphValue:
        """Add a column of numbers or dates, and its parts to what is scaled; return it, NaN for all that is missing."""
        most = calendar.LATEST if each.kind == "date" else float(np.finfo(np.float64).max)
        values = self.build.add(
            KeptRange(constant([-most]), constant([most]), each.marks), self.inputs.of(each), of=each.name
        )
        for part in dict.fromkeys(lane.part for lane in each.lanes):
            self.source_of[k, part] = len(self.sources)
            self.sources.append(self._part(values, part, each))
        return values

    def _part(self, values: GraphValue, part: str, each: LearnedColumn) -> GraphValue:
        if part == "recurring":
            return self._recurring(values, each)
        if part == "days":
            return self.build.add(CalendarPart("days", each.origin), values, of=each.name)
        if part == "year":
            return self.build.add(CalendarPart("year"), values, of=each.name)
        return values

    def _recurring(self, values: GraphValue, each: LearnedColumn) -> GraphValue:
        """Add the sum of the effects of the recurring days that a date is, see `recurring.codes_of`."""
        parts = {
            part: self.build.add(CalendarPart(part), values, of=each.name)
            for part in ("weekday_turn", "leap_day", "year", "days")
        }
        week = float(recurring.WEEK * recurring.DAYS)
        code = self.build.add(
            WeightedSum((week, 1.0)), parts["weekday_turn"], parts["leap_day"], of=each.name
        )
        by_day, *by_feast = recurring.effects_by_code(each.recurring)
        starts = np.arange(len(by_day), dtype=np.float64) - 0.5
        found = [self._looked_up(code, starts, by_day, each.name)]
        for dates, beside in zip(recurring.days_of_feasts(), by_feast, strict=True):
            if beside.any():
                feast = self._looked_up(parts["year"], recurring.YEARS, dates, each.name, recurring.NO_DAY)
                since = self.build.add(WeightedSum((1.0, -1.0)), parts["days"], feast, of=each.name)
                starts = np.arange(len(beside), dtype=np.float64) - recurring.REACH
                found.append(self._looked_up(since, starts, beside, each.name))
        if len(found) == 1:
            return found[0]
        return self.build.add(WeightedSum((1.0,) * len(found)), *found, of=each.name)

    def _looked_up(
        self, value: GraphValue, starts: Array, numbers: Array, of: str, other: float = 0.0
    ) -> GraphValue:
        """Add numbers[k] where a value is from starts[k], ascending, to the next one, 1 beyond the last; else other."""
        made = np.concatenate([[other], numbers, [other]])
        changes = 1 + np.flatnonzero(np.diff(made))
        edges = np.append(starts, starts[-1] + 1)[changes - 1]
        cells = self.build.add(CellNumbers(constant(edges)), value, of=of)
        codes = self.build.add(WholeCodes(len(edges) + 2), cells, of=of)
        table = np.concatenate([[other], made[:1], made[changes]])
        return self.build.add(TableRows(constant(table[:, None])), codes, of=of)

    def _cycle(self, values: GraphValue, cycle: str, of: str) -> GraphValue:
        turns = self.build.add(CalendarPart(calendar.CYCLES[cycle]), values, of=of)
        waves = [self.build.add(Elementwise(wave), turns, of=of) for wave in ("sin_turns", "cos_turns")]
        both = self.build.add(JoinedColumns(), *waves, of=of)
        return self.build.add(FilledMissing(constant([0.0, 0.0])), both, of=of)

    def _scaled(self, lanes: Sequence[tuple[int, int, Lane]]) -> GraphValue | None:
        """Add the scaled outputs, those of one way together; return all that is scaled, before it was filled."""
        if not self.sources:
            return None
        joined = self._joined(self.sources, "numbers")
        ends = self._ends()
        if ends is not None:
            joined = self.build.add(Bounded(*ends), joined, of="ends")
        for own in by_way(lanes):
            chosen = self._selected(joined, [self.source_of[k, lane.part] for _, k, lane in own], "numbers")
            fill = constant([lane.fill for *_, lane in own])
            filled = self.build.add(FilledMissing(fill), chosen, of="numbers")
            made = scale_steps(self.build, [lane.scale for *_, lane in own], filled)
            self.pieces.append((made, [place for place, *_ in own]))
        return joined

    def _ends(self) -> tuple[Array, Array] | None:
        """Return the least and the largest of each scaled part (sources,), to which it is clipped; None if none is."""
        if not any(each.ends for each in self.learned):
            return None
        low, high = np.full(len(self.sources), -np.inf), np.full(len(self.sources), np.inf)
        for (k, part), place in self.source_of.items():
            each = self.learned[k]
            low[place], high[place] = find_ends(each, [part])[:, 0]
        return constant(low), constant(high)

    def _pair(self, first: Side, second: Side, scaled: GraphValue | None) -> GraphValue:
        """Add the number of a pair's cell: that of the first column times the cells of the second, plus its."""
        one, other = self._cells(first, scaled), self._cells(second, scaled)
        return self.build.add(WeightedSum((float(second.cells), 1.0)), one, other, of="pairs")

    def _cells(self, side: Side, scaled: GraphValue | None) -> GraphValue:
        each = self.learned[side.column]
        if side.kind != "scaled":
            outputs = outputs_by_code(each)
            rows = np.zeros((len(outputs), side.start + side.width))
            rows[:, side.start :] = outputs
            table = constant(side.codes(rows)[:, None])
            return self.build.add(TableRows(table), self.codes[side.column], of=each.name)
        assert scaled is not None, "a scaled side is of a number"
        lane = each.lanes[0]
        value = self._selected(scaled, [self.source_of[side.column, lane.part]], each.name)
        if side.missing < 0:
            value = self.build.add(FilledMissing(constant([lane.fill])), value, of=each.name)
        value = scale_steps(self.build, [lane.scale], value)
        return self.build.add(CellNumbers(constant(side.edges)), value, of=each.name)


def outputs_by_code(each: LearnedColumn) -> Array:
    """Return the outputs of each category, of another one and of a missing one: (categories + 2, outputs)."""
    count = len(each.categories)
    if each.became == "binary":
        made = np.array([[-1.0], [1.0], [0.0], [0.0]])
    elif each.became == "embedded":
        codes = [*range(1, count + 1), count + 1 if each.merged else 0, 0]
        made = np.array(codes, np.float64)[:, None]
    else:
        made = np.eye(count + 2)[:, : len(each.outputs())] * each.value
    if not each.lanes:
        return made
    return np.stack([Scaler([lane.scale])(made[:, [j]])[:, 0] for j, lane in enumerate(each.lanes)], 1)


def scale_steps(build: GraphBuilder, scales: Sequence[Scaling], x: GraphValue) -> GraphValue:
    """Add the steps of scales of one way, with as many quantiles each: z of each column; NaN stays."""
    way, of = scales[0].way, "numbers"
    if way == "none":
        return x
    each = np.ones(x.width)
    if way in BY_QUANTILES:
        factor, grid = magnify(np.array([scale.grid for scale in scales]))
        if (factor != 1).any():
            most = np.where(factor > 1, 2.0**1020 / np.maximum(factor, 1.0), np.inf)  # what stays in float64
            x = build.add(Bounded(constant(-most), constant(most)), x, of=of)
            x = build.add(Columnwise(constant(0 * each), constant(factor), constant(0 * each)), x, of=of)
        shares = build.add(RankShares(constant(grid)), x, of=of)
        tail = tail_of(way, grid.shape[1])
        bounded = build.add(Bounded(constant(tail * each), constant((1 - tail) * each)), shares, of=of)
        return build.add(Elementwise("normal_quantile"), bounded, of=of)
    center = np.array([scale.center for scale in scales])
    spread = np.array([scale.spread for scale in scales])
    if max(np.abs(center).max(), spread.max()) > NEAR_THE_END:
        x = build.add(Columnwise(constant(0 * each), constant(0.5 * each), constant(0 * each)), x, of=of)
        center, spread = center / 2, spread / 2
    z = build.add(Columnwise(constant(center), constant(1 / spread), constant(0 * each)), x, of=of)
    if way == "range":
        return build.add(Bounded(constant(0 * each), constant(each)), z, of=of)
    largest = FAR.get(way, LARGEST)
    z = build.add(Bounded(constant(-largest * each), constant(largest * each)), z, of=of)
    if way in FAR:
        return z
    return build.add(Elementwise("soft_clip"), z, of=of)


# --- the values of a table's columns ---------------------------------------------------------------------------------


def column_values(preprocessor: TablePreprocessor, X: object) -> dict[str, NDArray[np.generic]]:
    """Return a table's values as the inputs of its graph take them, by name: numbers, seconds, and texts or None.

    X: as for `TablePreprocessor.transform`.  Raises DataError for values of another kind than in training.
    """
    used = used_columns(preprocessor.learned_, hasattr(preprocessor, "feature_names_in_"), X)
    return {each.name: _values(each, column) for each, column in used}


def _values(each: LearnedColumn, column: Column) -> NDArray[np.generic]:
    if each.kind not in ("category", "boolean"):
        return kinds.values(column, each)
    if each.kind == "boolean":
        other = next((text for text in kinds.BOOLEANS if text not in each.categories), "")
        known = {text: k for k, text in enumerate(each.categories)}
        codes, texts = kinds.codes(column, each, known), [*each.categories, other, None]
    else:
        values, found = kinds.categories(column)
        texts = [*found, None]
        codes = np.where(np.isnan(values), len(found), values).astype(np.int64)
    return np.array(texts, object)[codes]
