"""Rows to compare the answers of what was exported, where none are given: in the range of the model's own inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.export.columns import WholeCodes
from chainrule.export.graph import ComputationGraph
from chainrule.export.numbers import Columnwise, SelectedColumns

ROWS = 1000


def drawn_rows(graph: ComputationGraph, rows: int = ROWS, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Return rows for the matrix "X" of a graph (rows, columns): normal numbers, or what a first scale makes of them.

    Where a standardization or a factor reads the input, its center and spread are those of the rows. Columns of codes
    hold codes, one in each column beyond those that are known.
    """
    own = graph.inputs[0]
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, own.columns))
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
                X[:, chosen.columns[0]] = rng.integers(0, step.operation.count + 1, rows)
    return {own.label: X}
