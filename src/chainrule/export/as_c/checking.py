"""Whether compiled integers are those of a graph: the same, or rounded to the one beside it next to a boundary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.export.answers import AboveThreshold, LargestColumn
from chainrule.export.base import NUMBERS, Array, GraphOperation
from chainrule.export.columns import GraphInput
from chainrule.export.comparing import TOLERANCES
from chainrule.export.graph import ComputationGraph, step_value
from chainrule.export.integers import HIGHEST, LOWEST, ToInt8

MOST_ROUNDED = 0.01
"""The share of rows in which a number may be rounded the other way, or one row of few; see `check_integers`."""
MOST_ROUNDINGS = 2**12
"""Of a row that are tried."""
TOLERANCE = TOLERANCES["float32"]


def check_integers(
    graph: ComputationGraph, answers: Mapping[str, NDArray[Any]], rows: Mapping[str, Any]
) -> None:
    """Raise ConfigError unless the answers of compiled integers are those of the graph.

    In one row of a hundred a number that becomes an integer may be rounded to the one beside it, where the C library's
    functions prepare it: the row must then have the answers of the graph with some numbers next to a boundary rounded
    the other way, see `possible_answers`. The integers that dense layers read and make are compared bit for bit by the
    test program.
    """
    values = graph.values(rows, "float32")
    expected = {name: values[graph.outputs[name]] for name in answers}
    rows_off = ~_same(answers, expected, expected)
    if rows_off.sum() > max(1, MOST_ROUNDED * len(rows_off)):
        raise ConfigError(
            f"the C code's integers differ from the model's in {rows_off.sum():,} of {len(rows_off):,} rows; pass "
            "dtype='float32', or report it with the model's file."
        )
    for i in np.flatnonzero(rows_off):
        found = {name: each[i : i + 1] for name, each in answers.items()}
        possible = possible_answers(graph, [value[i : i + 1] for value in values])
        if not _same(found, possible, expected).any():
            raise ConfigError(
                f"the C code's integers in row {i} are none that rounding could make of the model's; pass "
                "dtype='float32', or report it with the model's file."
            )


def possible_answers(graph: ComputationGraph, values: list[Array]) -> dict[str, Array]:
    """Return (roundings, width) of each output of one row, the graph's own first.

    values: those of the row (1, width), step by step. Others have any of the numbers that become integers or a label,
    and lie within the tolerance of the boundary between two, on its other side.
    """
    made: list[Array] = []
    count = 1
    for step, value in zip(graph.steps, values, strict=True):
        operation = step.operation
        if isinstance(operation, GraphInput):
            made.append(np.repeat(value, count, 0))
            continue
        read = [made[k] for k in step.reads]
        made.append(step_value(operation, read, np.dtype(np.float32)))
        if isinstance(graph.steps[step.reads[0]].operation, GraphInput):
            continue  # nothing was computed yet
        for other in _beyond(operation, read[0]):
            for j in np.flatnonzero((other != made[-1][: len(other)]).any(0)):
                if 2 * count > MOST_ROUNDINGS:
                    break
                made = [np.concatenate([each, each]) for each in made]
                made[-1][count:, j] = np.resize(other[:, j], count)
                count *= 2
    return {name: made[k] for name, k in graph.outputs.items()}


def _beyond(operation: GraphOperation, x: Array) -> Iterator[Array]:
    """Yield what an operation that rounds makes of numbers (n, width) a tolerance lower, and higher."""
    if operation.takes != NUMBERS or not isinstance(operation, (ToInt8, AboveThreshold, LargestColumn)):
        return
    largest = max(1.0, float(np.abs(x).max(initial=0.0)))
    far = TOLERANCE * ((HIGHEST - LOWEST) * operation.scale if isinstance(operation, ToInt8) else largest)
    if not isinstance(operation, LargestColumn):
        yield operation.compute(x - far)
        yield operation.compute(x + far)
    else:
        yield operation.compute(x - far * (np.arange(x.shape[1]) == operation.compute(x)))


def _same(
    found: Mapping[str, Array], expected: Mapping[str, Array], whole: Mapping[str, Array]
) -> NDArray[np.bool_]:
    """Return (n,) whether rows have the same answers, within the tolerance in parts of the largest of the whole."""
    same: NDArray[np.bool_] = np.logical_and.reduce(
        [
            np.isclose(
                values,
                expected[name],
                rtol=0,
                atol=TOLERANCE * max(1.0, float(np.abs(whole[name]).max(initial=0.0))),
                equal_nan=True,
            ).all(1)
            for name, values in found.items()
        ]
    )
    return same
