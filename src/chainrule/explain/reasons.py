"""The result of `explain`: what each column of a table adds to each answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.data.frames import is_pandas, make_frame
from chainrule.errors import ConfigError
from chainrule.inspection.attribution.explained import Floats
from chainrule.tables.cells import ReadColumn

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLUMNS_SHOWN = 12
"""The default number of columns in a table or a sentence."""


@records.kind("reasons", rows="rows", columns="columns")
@dataclass(frozen=True, eq=False)
class Reasons(records.Shown):
    """What each column adds to each row's answer: answer = base + sum of the row's values. print() shows a row.

    values: (n, columns), in the unit of the answer.
    """

    cells: tuple[ReadColumn, ...]
    """the columns, with the rows' cells"""
    values: Floats  # (n, columns)
    answers: Floats  # (n,)
    base: Floats  # (n,)
    """the answer for the reference"""
    error: Floats  # (n,)
    """|base + sum of the values - answer|"""
    reference: tuple[ReadColumn, ...]
    """the rows that the answers are compared with: one, or several whose answers are averaged"""
    is_typical: bool
    """whether that is the typical row, not one that was given"""
    output: str
    """what an answer is: "number", "probability" or "log_odds\""""
    labels: tuple[Any, ...]
    """of each row, the class or the label whose probability it is, or the index of the output; () for one number"""
    target: str | None = None
    """the name of what is predicted, if known"""
    index: Any = None
    """the index of the rows, which were a frame of pandas"""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.cells)

    @property
    def mean_effect(self) -> Floats:
        """The mean over the rows of each column's |value| (columns,)."""
        return np.asarray(np.abs(self.values).mean(0))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def order(self, row: int | None = None) -> NDArray[np.int64]:
        """Return the columns by decreasing |value| of a row; None for their mean over the rows."""
        size = self.mean_effect if row is None else np.abs(self.values[self.row(row)])
        return np.argsort(-size, kind="stable")

    def row(self, row: int) -> int:
        """Check the index of a row. Raises ConfigError."""
        if isinstance(row, bool) or not isinstance(row, (int, np.integer)) or not 0 <= row < len(self):
            raise ConfigError(f"row must be the index of a row, from 0 to {len(self) - 1}, not {row!r}.")
        return int(row)

    def place(self, column: str) -> int:
        """Return the place of a column by its name. Raises ConfigError for one that has no part in the answers."""
        if column not in self.names:
            raise ConfigError(
                f"column {column!r} is none of those that the answers depend on; there are "
                f"{', '.join(self.names[:20])}{', ...' * (len(self.names) > 20)}."
            )
        return self.names.index(column)

    def records(self, row: int = 0) -> list[dict[str, Any]]:
        """Return one record per column of a row, by decreasing |value|, for a data frame."""
        i = self.row(row)
        return [
            {"column": self.names[k], "cell": shown(self.cells[k], i), "value": float(self.values[i, k])}
            for k in self.order(i).tolist()
        ]

    def to_frame(self, backend: Any = "pandas") -> Any:
        """Return the values as a data frame, a row for each row, with the columns' names and "base" behind them.

            model.explain(X).to_frame().sum(axis=1)  # the answers

        A frame of pandas has the index of X, if that was one.  backend: or "polars", "pyarrow".
        """
        base = "base"
        while base in self.names:
            base += "_"
        frame = make_frame(dict(zip(self.names, self.values.T, strict=True)) | {base: self.base}, backend)
        return frame if self.index is None or not is_pandas(frame) else frame.set_axis(self.index)

    def to_shap(self) -> Any:
        """Return the values as a `shap.Explanation`, for shap's own plots. Raises ConfigError without shap."""
        try:
            import shap
        except ImportError as error:
            raise ConfigError("to_shap needs the package shap; install it with pip install shap.") from error
        data = np.empty(self.values.shape, object)
        for k, column in enumerate(self.cells):
            data[:, k] = [cell(column, i) for i in range(len(self))]
        if not any(column.is_category for column in self.cells):
            data = data.astype(np.float64)
        return shap.Explanation(self.values, base_values=self.base, data=data, feature_names=list(self.names))

    def to_data(self, n: int | None = 32, width: int | None = None) -> dict[str, Any]:
        """Return the first n rows as JSON-safe data, None for all; see `chainrule.core.records`."""
        kept = len(self) if n is None else min(n, len(self))
        data = {
            "output": self.output,
            "target": self.target,
            "labels": self.labels[:kept],
            "columns": self.names,
            "kinds": [column.taken_for for column in self.cells],
            "is_typical": self.is_typical,
            "reference": [[cell(column, r) for r in range(len(column.values))] for column in self.reference],
            "cells": [[cell(column, i) for column in self.cells] for i in range(kept)],
            "values": self.values[:kept],
            "answers": self.answers[:kept],
            "base": self.base[:kept],
            "error": self.error[:kept],
            "left_out": {"rows": len(self) - kept},
        }
        return records.labeled(self, data)

    def text(self, row: int = 0, top: int = COLUMNS_SHOWN) -> str:
        """Return a row's story as text: the answer, and the columns that raise or lower it most."""
        return records.written(self, "as_text", self.row(row), top)

    def figure(self, row: int | None = None) -> go.Figure:
        """Plot a row's values as bars; None for all rows, each a point, by column (a beeswarm)."""
        return records.view(self, "as_figure", None if row is None else self.row(row))

    def dependence(self, column: str) -> go.Figure:
        """Plot the values of a column over its cells, one point per row."""
        return records.view(self, "as_figure", None, self.place(column))

    def __str__(self) -> str:
        """Return the first row's story."""
        return self.text()

    def __repr__(self) -> str:
        """Return the numbers of rows and columns."""
        return f"<Reasons of {len(self):,} answers by {len(self.cells)} columns>"


def cell(column: ReadColumn, row: int) -> float | str | None:
    """Return a cell: a number, or a text for a category, a date or a duration; None for a missing one."""
    value = float(column.values[row])
    if np.isnan(value):
        return None
    if column.is_category:
        return column.texts[int(value)]
    if column.taken_for == "date":
        text = str(np.datetime64(round(value * 1e6), "us"))
        return text.removesuffix("T00:00:00.000000").removesuffix(".000000").replace("T", " ")
    if column.taken_for == "duration":
        return str(np.timedelta64(round(value * 1e6), "us").item())
    return value


def shown(column: ReadColumn, row: int) -> str:
    """Return a cell as text; empty for a missing one."""
    value = cell(column, row)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
