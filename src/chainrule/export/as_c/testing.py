"""Whether compiled C answers as its graph: the program beside it that compares, and integers next to a boundary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.export.as_c.statements import GeneratedCode, IntegerCore, Value, number, quoted
from chainrule.export.as_c.text import inputs_of
from chainrule.export.comparing import TOLERANCES
from chainrule.graph.answers import AboveThreshold, LargestColumn
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, step_value
from chainrule.graph.integers import HIGHEST, LOWEST, ToInt8
from chainrule.graph.operation import INT8, NUMBERS, Array, GraphOperation

TESTED_ROWS = 8
MOST_ROUNDED = 0.01
"""The share of rows in which a number may be rounded the other way, or one row of few; see `check_integers`."""
MOST_ROUNDINGS = 2**12
"""Of a row that are tried."""
TOLERANCE = TOLERANCES["float32"]


class IntegersTested(NamedTuple):
    """The lines of the test that are about integers."""

    arrays: tuple[str, ...] = ()
    """the integers of the rows, and those that are expected"""
    check: tuple[str, ...] = ()
    """of row i"""


def test(
    graph: ComputationGraph,
    made: GeneratedCode,
    outputs: Mapping[str, Value],
    name: str,
    rows: Mapping[str, Any],
    allowed: float,
) -> str:
    """Return the program that compares some rows with the answers that are expected.

    allowed: the tolerance of the comparison; other compilers and libraries may have ten times as much.
    """
    tested = {key: values[:TESTED_ROWS] for key, values in rows.items()}
    found = graph.run(tested, "float32" if is_in_integers(graph) else "float64")
    count = len(next(iter(found.values()))) if tested else 0
    if not count:
        return f"/* No rows were given to test {name}.c with. */\nint main(void)\n{{\n    return 0;\n}}\n"
    numbers = next(key for key in outputs if key != "label")
    tolerance = 10 * allowed
    written = []
    for i in range(count):
        if made.fields:
            cells = [_literal(tested[own.label][i], own.is_text) for own, _ in made.fields]
            written.append(f"    {{{', '.join(cells)}}}")
        else:
            values = np.asarray(tested[graph.inputs[0].label][i]).ravel()
            written.append("    {" + ", ".join(number(float(each), made.network) for each in values) + "}")
    expected = ["    {" + ", ".join(number(float(v), "double") for v in row) + "}" for row in found[numbers]]
    width, kind = outputs[numbers].width, outputs[numbers].kind
    of_rows = f"const {name}_row" if made.fields else f"const {made.network}"
    shape = f"[{count}]" if made.fields else f"[{count}][{inputs_of(graph)}]"
    integers = IntegersTested() if made.core is None else integers_tested(graph, made.core, name, tested)
    lines = [
        f"/* Compares {name}.c with the answers of the model: cc -std=c99 -O2 {name}.c {name}_test.c -lm && ./a.out */",
        f'#include "{name}.h"',
        "",
        "#include <math.h>",
        "#include <stdio.h>",
        "",
        f"static {of_rows} rows{shape} = {{\n" + ",\n".join(written) + "\n};",
        f"static const double expected[{count}][{width}] = {{\n" + ",\n".join(expected) + "\n};",
        *integers.arrays,
        "",
        "int main(void)",
        "{",
        f"    {name}_answer answer;",
        "    double far = 0.0, largest = 1.0;",
        f"    for (unsigned i = 0u; i < {count}u; ++i) {{",
        *integers.check,
        f"        {name}_predict({'&' if made.fields else ''}rows[i], &answer);",
        f"        for (unsigned k = 0u; k < {width}u; ++k) {{",
        f"            const double found = {'(double)' if kind == 'float' else ''}answer.{numbers}[k];",
        "            far = fmax(far, fabs(found - expected[i][k]));",
        "            largest = fmax(largest, fabs(expected[i][k]));",
        "        }",
        "    }",
        "    far /= largest;",
        f'    printf("{count} rows, the largest difference %.1e: %s\\n", far,',
        f'           far <= {tolerance!r} ? "as expected" : "WRONG");',
        f"    return far <= {tolerance!r} ? 0 : 1;",
        "}",
        "",
    ]
    return "\n".join(lines)


def integers_tested(
    graph: ComputationGraph, core: IntegerCore, name: str, tested: Mapping[str, Any]
) -> IntegersTested:
    """Return what compares the integers of rows, which must be the same to the bit."""
    values = graph.values(tested, "float32")
    given, expected = (
        ",\n".join("    {" + ", ".join(map(str, row)) + "}" for row in values[k].tolist())
        for k in (core.first, core.last)
    )
    count = len(values[core.first])
    arrays = (
        f"static const int8_t rows_q[{count}][{core.inputs}] = {{\n{given}\n}};",
        f"static const int8_t expected_q[{count}][{core.outputs}] = {{\n{expected}\n}};",
    )
    check = (
        f"        int8_t out[{core.outputs}];",
        f"        {name}_predict_q(rows_q[i], out);",
        f"        for (unsigned k = 0u; k < {core.outputs}u; ++k) {{",
        "            far = out[k] == expected_q[i][k] ? far : (double)INFINITY;",
        "        }",
    )
    return IntegersTested(arrays, check)


def is_in_integers(graph: ComputationGraph) -> bool:
    """Whether a graph has operations on 8-bit integers."""
    return any(step.makes == INT8 for step in graph.steps)


def _literal(value: object, is_text: bool) -> str:
    if is_text:
        return "0" if value is None else quoted(str(value).encode("utf-8", "replace").decode())
    return number(float(value), "double")  # type: ignore[arg-type]


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
