"""The program beside generated C that compares it with expected answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.export.as_c.places import GeneratedCode, IntegerCore, Value, number, quoted
from chainrule.export.as_c.text import inputs_of
from chainrule.export.base import INT8
from chainrule.export.graph import ComputationGraph

TESTED_ROWS = 8


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
        return "0" if value is None else quoted(str(value))
    return number(float(value), "double")  # type: ignore[arg-type]
