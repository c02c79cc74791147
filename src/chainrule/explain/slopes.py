"""The derivatives of answers by the columns of their table, through the whole graph of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.errors import ConfigError, ShapeError
from chainrule.explain.answers import output_of, wanted
from chainrule.explain.parts import AnswerParts
from chainrule.explain.reasons import cell
from chainrule.graph.columns import DAY
from chainrule.graph.graph import ComputationGraph
from chainrule.inspection.attribution.explained import Floats
from chainrule.tables.cells import ReadColumn

ROWS_AT_ONCE = 512
"""The rows whose derivatives are computed at once."""


@records.kind("slopes", rows="rows", columns="columns")
@dataclass(frozen=True, eq=False)
class Slopes(records.Shown):
    """How each row's answer changes with each column. print() shows a row.

    Of a number the derivative at the row's cell, by one unit of the column; of a date or a duration by one day. A
    category and a missing cell have no derivative: theirs is answer - answer with the typical cell in its place.
    """

    cells: tuple[ReadColumn, ...]
    """the columns, with the rows' cells"""
    values: Floats  # (n, columns)
    is_slope: NDArray[np.bool_]  # (n, columns)
    """whether a value is a derivative, not a difference"""
    error: Floats | None  # (n, columns)
    """the standard error of each value, s / sqrt(members), of the mean over the members of an ensemble; None without"""
    answers: Floats  # (n,)
    reference: tuple[ReadColumn, ...]
    """the typical row: the median of each number and date, and the most frequent category"""
    output: str
    """what an answer is: "number" or "probability\""""
    labels: tuple[Any, ...]
    """of each row, the class or the label whose probability it is, or the index of the output; () for one number"""
    target: str | None = None
    """the name of what is predicted, if known"""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.cells)

    def records(self, row: int = 0) -> list[dict[str, Any]]:
        """Return one record per column of a row, for a data frame; typical is None for a derivative."""
        i = self._row(row)
        return [
            {
                "column": column.name,
                "cell": cell(column, i),
                "typical": None if self.is_slope[i, k] else cell(self.reference[k], 0),
                "is_slope": bool(self.is_slope[i, k]),
                "value": float(self.values[i, k]),
                "error": None if self.error is None else float(self.error[i, k]),
            }
            for k, column in enumerate(self.cells)
        ]

    def to_data(self, n: int | None = 32) -> dict[str, Any]:
        """Return the first n rows as JSON-safe data, None for all; see `chainrule.core.records`."""
        kept = len(self.values[:n])
        rows = [self.records(i) for i in range(kept)]
        data = {"output": self.output, "target": self.target, "labels": self.labels[:kept], "rows": rows}
        left_out = {"rows": len(self.values) - kept}
        return records.labeled(self, data | {"answers": self.answers[:kept], "left_out": left_out})

    def text(self, row: int = 0) -> str:
        """Return a row's slopes as text."""
        return records.written(self, "as_text", self._row(row))

    def _row(self, row: int) -> int:
        if isinstance(row, bool) or not isinstance(row, int | np.integer) or not 0 <= row < len(self.values):
            raise ConfigError(
                f"row must be the index of a row, from 0 to {len(self.values) - 1}, not {row!r}."
            )
        return int(row)

    def __str__(self) -> str:
        """Return the first row's slopes."""
        return self.text()

    def __repr__(self) -> str:
        """Return the numbers of rows and columns."""
        return f"<Slopes of {len(self.values):,} answers by {len(self.cells)} columns>"


Columns = Mapping[str, NDArray[np.generic]]
"""The inputs of a graph by name: columns of a table (n,), or the matrix "X" (n, columns)."""


def slopes(
    parts: AnswerParts, graphs: Sequence[ComputationGraph], inputs: Columns, X: object, target: object
) -> Slopes:
    """Differentiate answers; see `Fitted.slopes`.

    graphs: of the answers, and then those of the members that they are the mean of, if any.  inputs: the rows of X as
    the graphs take them, and in the end the typical one.
    """
    table, output = parts.table(X), output_of(parts, None)
    if not table.rows:
        raise ShapeError("X has no rows, whose answers could change; pass at least one.")
    want, (whole, *members) = wanted(parts.result.targets, target, table.rows), graphs
    places = want.places
    if places is None:
        places = predicted(whole, {name: values[:-1] for name, values in inputs.items()}).argmax(1)
    values, answers = changes(whole, inputs, table.cells, places)
    each = [changes(member, inputs, table.cells, places)[0] for member in members]
    return Slopes(
        cells=table.cells,
        values=values,
        is_slope=np.stack([has_slope(column) for column in table.cells], 1),
        error=np.std(each, 0, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else None,
        answers=answers,
        reference=parts.reference(None).cells,
        output=output,
        labels=tuple(want.labels[k] for k in places.tolist()) if want.has_labels else (),
    )


def has_slope(column: ReadColumn) -> NDArray[np.bool_]:
    """Return whether each cell has a derivative (n,): it is there, and no category."""
    return np.asarray(~np.isnan(column.values) & (not column.is_category))


def predicted(graph: ComputationGraph, inputs: Columns) -> Floats:
    """Return the numbers or probabilities that a graph predicts (n, outputs)."""
    return np.asarray(graph.run(inputs)[next(iter(graph.outputs))])


def changes(
    graph: ComputationGraph, inputs: Columns, cells: Sequence[ReadColumn], places: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return each row's slopes and differences (n, columns), and answers (n,), of the output at its place (n,)."""
    n, names = len(places), [column.name for column in cells]
    values, answers = np.zeros((n, len(cells))), np.zeros(n)
    for start in range(0, n, ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, n))
        own = {name: column[:-1][rows] for name, column in inputs.items()}
        at = np.arange(rows.stop - start), places[rows]
        answers[rows] = predicted(graph, own)[at]
        for name, derivatives in graph.jacobian(own, next(iter(graph.outputs))).items():
            if name in names:
                values[rows, names.index(name)] = derivatives[at][:, 0]
            else:  # a matrix
                values[rows] = derivatives[at]
        for k, column in enumerate(cells):
            if column.taken_for in ("date", "duration"):
                values[rows, k] *= DAY
            without = np.flatnonzero(~has_slope(column)[rows])
            if len(without):
                put = {name: column[without] for name, column in own.items()}
                put[column.name] = np.repeat(inputs[column.name][-1:], len(without))
                other = predicted(graph, put)[np.arange(len(without)), at[1][without]]
                values[start + without, k] = answers[start + without] - other
    return values, answers
