"""Make the array of a network's inputs from the columns of a table and what was learned of them.

scikit-learn's encoders are not used: they count rows and not weights, and know a category only in the type that it had
in training, where a column may come back as text or as numbers (`kinds.codes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.tables import calendar, kinds
from chainrule.estimators.tables.column import Column
from chainrule.estimators.tables.fitting import CHUNK
from chainrule.estimators.tables.learned import Lane, LearnedColumn
from chainrule.estimators.tables.scaling import apply


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


def encode(
    columns: Mapping[str, Column], learned: Sequence[LearnedColumn], rows: int, dtype: str
) -> NDArray[np.floating]:
    """Return the (rows, outputs) inputs of a network.

    columns: those that are used, by name.  Raises DataError for values of another kind than in training.
    """
    widths = [len(each.outputs()) for each in learned]
    out: NDArray[np.floating] = np.zeros((rows, sum(widths)), dtype)
    lanes: list[tuple[int, Lane, NDArray[np.float64]]] = []
    pending, at = 0, 0
    for each, width in zip(learned, widths, strict=True):
        if each.became in ("binary", "one_hot", "embedded"):
            _codes(out[:, at : at + width], kinds.codes(columns[each.name], each), each)
            lanes += [(at + k, lane, out[:, at + k].astype(float)) for k, lane in enumerate(each.lanes)]
            pending += len(each.lanes) * rows
        elif width:
            values = kinds.values(columns[each.name], each)
            parts = {lane.part: values for lane in each.lanes}
            for part in parts.keys() - {"value"}:
                parts[part] = calendar.number(values, part, each.origin)
            lanes += [(at + k, lane, parts[lane.part]) for k, lane in enumerate(each.lanes)]
            place = at + len(each.lanes)
            for part in each.cycles:
                out[:, place], out[:, place + 1] = calendar.cycle(values, part)
                place += 2
            if each.indicator:
                out[:, place] = np.isnan(values)
            pending += len(each.lanes) * rows
        at += width
        if pending > CHUNK:
            _scaled(out, lanes)
            lanes, pending = [], 0
    _scaled(out, lanes)
    return out


def _scaled(out: NDArray[np.floating], lanes: list[tuple[int, Lane, NDArray[np.float64]]]) -> None:
    largest = float(np.finfo(out.dtype).max)
    for way in {lane.scale.way: None for _, lane, _ in lanes} if len(out) else ():
        chosen = [each for each in lanes if each[1].scale.way == way]
        x = np.stack([values for *_, values in chosen])  # (lanes, rows)
        fill = np.array([lane.fill for _, lane, _ in chosen])
        x = np.where(np.isnan(x), fill[:, None], x)
        z = apply(x.T, [lane.scale for _, lane, _ in chosen])
        out[:, [place for place, *_ in chosen]] = np.clip(z, -largest, largest)


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
