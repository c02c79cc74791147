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
from chainrule.estimators.tables.few_rows import FEW
from chainrule.estimators.tables.learned import LearnedColumn
from chainrule.estimators.tables.plan import EncodingPlan, ScaledLane, planned
from chainrule.estimators.tables.reading import RawTable

ROWS = 16_384
"""The rows of a column that are scaled at a time, which stay in the cache."""


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
        plan, apart = self.plan(dtype), set(table.at_once)
        out: NDArray[np.floating] = np.zeros((table.rows, plan.width), dtype)
        sources: dict[int, NDArray[np.float64]] = {}
        for k, part in plan.columns:
            if k in apart:
                continue
            column, each = table.columns[at[part.learned.name]], part.learned
            if part.codes is not None:
                part.codes.write(out, kinds.codes(column, each, part.codes.known))
                continue
            values = kinds.values(column, each)
            for j, name in enumerate(part.parts):
                sources[part.source + j] = (
                    values if name == "value" else calendar.number(values, name, each.origin)
                )
            place = part.at + len(each.lanes)
            for cycle in each.cycles:
                out[:, place], out[:, place + 1] = calendar.cycle(values, cycle)
                place += 2
            if each.indicator:
                out[:, place] = np.isnan(values)
        if table.rows > FEW:
            _scale_each(out, sources, plan)
        elif plan.sources:
            x = np.empty((plan.sources, table.rows))
            for source, values in sources.items():
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
            _scale_all(out, x, plan)
        return out


def _scale_all(out: NDArray[np.floating], x: NDArray[np.float64], plan: EncodingPlan) -> None:
    """Write the scaled outputs of the arrays x, (sources, rows), of few rows: all of a way at once."""
    if plan.ends is not None:
        np.clip(x, *plan.ends[:, :, None], out=x)
    largest = float(np.finfo(out.dtype).max)
    for way in plan.ways:
        own = x[way.sources]
        own = np.where(np.isnan(own), way.fill[:, None], own)
        out[:, way.places] = np.clip(way.scaler(own.T), -largest, largest)


def _scale_each(
    out: NDArray[np.floating], sources: Mapping[int, NDArray[np.float64]], plan: EncodingPlan
) -> None:
    """Write the scaled outputs of arrays (rows,), one after the other and some rows at a time."""
    for begin in range(0, len(out), ROWS):
        part = out[begin : begin + ROWS]
        for source, lanes in plan.lanes.items():
            x = sources[source][begin : begin + ROWS]
            if plan.ends is not None:
                x = np.clip(x, *plan.ends[:, source])
            missing = np.isnan(x)
            _scale(part, x, missing if missing.any() else None, lanes)


def _scale(
    out: NDArray[np.floating],
    x: NDArray[np.float64],
    missing: NDArray[np.bool_] | None,
    lanes: Sequence[ScaledLane],
) -> None:
    """Write the outputs of one array (rows,). missing: where it is NaN, None for nowhere."""
    largest = float(np.finfo(out.dtype).max)
    for lane in lanes:
        z = lane.scaler.column(lane.number, x if missing is None else np.where(missing, lane.fill, x))
        out[:, lane.place] = np.clip(z, -largest, largest) if lane.scaler.way == "none" else z
