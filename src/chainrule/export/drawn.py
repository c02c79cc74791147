"""Rows to compare the answers of what was exported, where none are given: in the range of the model's own inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.export.base import NUMBERS
from chainrule.export.columns import GraphInput, LevelCodes, WholeCodes
from chainrule.export.graph import ComputationGraph
from chainrule.export.numbers import Columnwise, SelectedColumns

ROWS = 1000


def drawn_rows(graph: ComputationGraph) -> dict[str, NDArray[np.float64]]:
    """Return rows for the matrix "X" of a graph (rows, columns): normal numbers, or what a first scale makes of them.

    Where a standardization or a factor reads the input, its center and spread are those of the rows. Columns of codes
    hold codes, one in each column beyond those that are known.
    """
    own = graph.inputs[0]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, own.columns))
    for step in graph.steps:
        reads_input = [graph.steps[read].operation is own for read in step.reads]
        if isinstance(step.operation, Columnwise) and all(reads_input):
            factor = np.where(step.operation.factor == 0, 1.0, step.operation.factor)
            X = X / factor + step.operation.center
            break
    for step in graph.steps:
        if isinstance(step.operation, WholeCodes):
            chosen = graph.steps[step.reads[0]].operation
            if isinstance(chosen, SelectedColumns) and len(chosen.columns) == 1:
                X[:, chosen.columns[0]] = rng.integers(0, step.operation.count + 1, ROWS)
    return {own.label: X}


def typical_row(graph: ComputationGraph, rows: Mapping[str, Any]) -> dict[str, str | float]:
    """Return a row of a table to begin with: of each column the median of rows, or the most frequent known text.

    rows: values by name, as `ComputationGraph.run` takes them. Dates and durations are whole seconds. A column without
    values is 0, or a known text. Of a matrix it is {}.
    """
    found: dict[str, str | float] = {}
    for each in graph.inputs:
        values = np.asarray(rows.get(each.label, ()))
        if each.is_text:
            known = known_texts(graph, each)
            counted = Counter(text for text in values.tolist() if text in known)
            found[each.label] = counted.most_common(1)[0][0] if counted else next(iter(known), "text")
        elif each.holds != NUMBERS:
            numbers = np.sort(values[np.isfinite(values.astype(np.float64))].astype(np.float64))
            middle = float(numbers[len(numbers) // 2]) if len(numbers) else 0.0
            found[each.label] = float(f"{middle:.6g}") if each.holds == "number" else float(round(middle))
    return found


def known_texts(graph: ComputationGraph, column: GraphInput) -> tuple[str, ...]:
    """Return the texts of a column that a graph knows."""
    for step in graph.steps:
        if isinstance(step.operation, LevelCodes) and graph.steps[step.reads[0]].operation is column:
            return step.operation.levels
    return ()
