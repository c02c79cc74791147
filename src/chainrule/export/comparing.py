"""How far the answers of what was written are from the graph's, the same for every format, and rows to compare them on.

Where no rows are given they are drawn, in the range of the model's own inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.graph.columns import GraphInput, LevelCodes, WholeCodes
from chainrule.graph.graph import ComputationGraph
from chainrule.graph.numbers import Columnwise, SelectedColumns
from chainrule.graph.operation import NUMBERS

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
"""Of the difference from the graph in float64; in float32 at least four times that of the graph itself in float32."""
ROWS = 1000
"""The most rows that are compared, and those that are drawn."""


class AnswersCompared(NamedTuple):
    """How far answers are from the graph's, on how many rows; NaN where a number is missing among them."""

    rows: int
    difference: float
    tolerance: float
    mean: float = 0.0
    """of the differences of all numbers, in the same parts as the largest one"""
    same_labels: float | None = None
    """the share of the rows with the same label, or with the same class as the likeliest; None of numbers"""

    def check(self, whose: str, advice: str = "") -> None:
        """Raise ConfigError if the difference is above the tolerance. whose, advice: for the message."""
        if not self.difference <= self.tolerance:
            raise ConfigError(
                f"{whose} answers differ from the model's by {self.difference:.1e} on {self.rows} rows, more than "
                f"{self.tolerance:.1e}; {advice}report it with the model's file."
            )


def rows_to_compare(graph: ComputationGraph, rows: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """Return the first rows; in float32 a matrix has the numbers that the input of a file can hold."""
    given = {name: values[:ROWS] for name, values in rows.items()}
    if dtype != "float32":
        return given
    matrix = {each.label for each in graph.inputs if each.holds == NUMBERS}
    return {
        name: np.asarray(values, np.float32) if name in matrix else values for name, values in given.items()
    }


def compared(
    graph: ComputationGraph, found: Mapping[str, NDArray[Any]], given: Mapping[str, Any], dtype: str
) -> AnswersCompared:
    """Compare answers, by the names of outputs, with the graph's for the same rows.

    In float32 a network may itself be further from float64 than the tolerance; four times as far is allowed then.
    """
    exact = graph.run(given)
    names = [name for name in found if name != "label"]
    far, tolerance = max(difference(found[name], exact[name]) for name in names), TOLERANCES[dtype]
    if dtype == "float32":
        rounded = graph.run(given, dtype)
        tolerance = max(tolerance, 4 * max(difference(rounded[name], exact[name]) for name in names))
    same = None
    if "label" in found:
        same = float((found["label"] == exact["label"]).all(1).mean())
    elif graph.task in ("binary", "multiclass"):
        likeliest = [each["probabilities"].argmax(1) for each in (found, exact)]
        same = float((likeliest[0] == likeliest[1]).mean())
    mean = max(difference(found[name], exact[name], np.mean) for name in names)
    return AnswersCompared(len(exact[names[0]]), far, tolerance, mean, same)


def difference(
    found: NDArray[Any], expected: NDArray[Any], of_all: Callable[[NDArray[np.float64]], Any] = np.max
) -> float:
    """Return the largest |x - y| in parts of the largest |y|, or of 1 if that is smaller; 0 for two NaN.

    of_all: what is taken of the differences, such as their mean.
    """
    both = (np.isnan(found) & np.isnan(expected)) | (found == expected)
    with np.errstate(invalid="ignore"):
        far = np.where(both, 0.0, np.abs(found.astype(np.float64) - expected))
    finite = np.abs(expected[np.isfinite(expected)])
    return float((of_all(far) if far.size else 0.0) / max(1.0, finite.max(initial=0.0)))


def read_by_the_caller(graph: ComputationGraph, dates: bool = True) -> list[str]:
    """Return sentences on what a caller prepares. dates: whether they are given as seconds, for want of a type."""
    holds = {each.holds for each in graph.inputs}
    said = []
    if dates and "date" in holds:
        said.append("Dates are given as seconds since 1970 in universal time.")
    if "duration" in holds:
        said.append("Durations are given as seconds.")
    if dates and any(each.reads for each in graph.inputs):
        said.append("Numbers and dates that are text are read by the caller.")
    return said


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
