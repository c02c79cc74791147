"""Write a graph as C99, and compare it with the graph by the machine's own compiler.

digits.h         what a caller needs: the row, the answer, the labels, sizes, the measured error
digits.c         the same as statements and constants; <stdint.h>, and <math.h> if it needs it; no heap, no recursion;
                 with -DNO_LIBM functions of its own in place of <math.h>
digits_test.c    some rows with the answers that are expected: cc -std=c99 digits.c digits_test.c -lm && ./a.out
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import write_whole
from chainrule.errors import ConfigError
from chainrule.export.as_c.statements import (
    GeneratedCode,
    IntegerCore,
    identifier,
    number,
    program,
    quoted,
)
from chainrule.export.as_c.text import header, needs_math, scratch_bytes, source
from chainrule.export.comparing import (
    TOLERANCES,
    AnswersCompared,
    compared,
    read_by_the_caller,
    rows_to_compare,
)
from chainrule.export.effect import effect_between
from chainrule.export.formats import ExportedFiles, RowsToCompare
from chainrule.export.quantizing import INT8_DTYPE, calibrated, in_int8
from chainrule.graph.answers import AboveThreshold, LargestColumn
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, step_value
from chainrule.graph.integers import HIGHEST, LOWEST, ToInt8
from chainrule.graph.operation import INT8, NUMBERS, Array, GraphOperation
from chainrule.graph.passes import simplified

NETWORKS = {"float32": "float", "float64": "double", INT8_DTYPE: "float"}
STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror", "-pedantic"]
"""Without a warning by these."""
NO_LIBM = "-DNO_LIBM"
"""To compile it without <math.h>."""
COMPILERS = ("cc", "gcc", "clang")


def write(
    graph: ComputationGraph,
    path: Path,
    rows: RowsToCompare,
    *,
    dtype: str = "float32",
    label: bool = True,
) -> ExportedFiles:
    """Write NAME.c, NAME.h and NAME_test.c.

    rows: inputs, of which up to a thousand rows are compared where the machine has a C compiler, and eight become those
    of the test.  dtype: "float32" or "float64" of the networks; a table is prepared in float64 in both. "int8" is for
    dense layers in 8-bit integers, whose ranges are measured on the rows; what that costs is in `difference`,
    about["mean_difference"] and about["same_labels"].
    label: of no effect, since the answer always has it.
    Raises ConfigError for another dtype, for what has no form in C, and if the answers differ too much.
    """
    if dtype not in NETWORKS:
        raise ConfigError(f"dtype must be 'float32', 'float64' or 'int8', not {dtype!r}.")
    name = identifier(path.stem, set())
    is_int8 = dtype == INT8_DTYPE
    numbers = "float32" if is_int8 else dtype
    exact = small = simplified(graph, by_column=not is_int8)
    given = rows_to_compare(graph, rows.inputs, numbers)
    effect = None
    if is_int8:
        integers = in_int8(exact, calibrated(given, rows.are_given))
        small, effect = integers.graph, effect_between(exact, integers, given)
    made = program(small, name, NETWORKS[dtype])
    code, found = source(made), AnswersCompared(0, 0.0, TOLERANCES[numbers])
    answers = compiled_answers(made, code, given)
    if answers is not None:
        found = compared(exact, answers, given, numbers)
        if is_int8:
            check_integers(small, answers, given)
            found = found._replace(tolerance=math.inf)
    found.check("the C code's", "pass dtype='float64', or ")
    tested = test_program(made, given, TOLERANCES[numbers] if is_int8 else found.tolerance)
    own = None
    if needs_math(made):
        answers = compiled_answers(made, code, given, [NO_LIBM])
        own = None if answers is None else compared(exact, answers, given, numbers)
    written = (header(made, found, own), code, tested)
    paths = [path.with_name(f"{name}{ending}") for ending in (".h", ".c", "_test.c")]
    for at, text in zip(paths, written, strict=True):
        write_whole(at, text.encode())
    runs = os.path.join(path.parent, f"{name}_test")  # ./ before a name in this folder
    build = f"cc -std=c99 -O2 {paths[1]} {paths[2]} -lm -o {runs}"
    return ExportedFiles(
        files=tuple(paths),
        bytes=sum(len(text.encode()) for text in written),
        rows=found.rows,
        difference=found.difference,
        tolerance=found.tolerance,
        left_out=tuple(left_out(graph, found)),
        usage=f"{build} && {runs}",
        effect=effect,
        about={
            "format": "c99",
            "dtype": dtype,
            "constant_bytes": made.bytes,
            "scratch_bytes": scratch_bytes(made),
            "multiply_adds": made.products,
            **({"mean_difference": found.mean, "same_labels": found.same_labels} if found.rows else {}),
            **({} if own is None else {"difference_without_libm": own.difference}),
        },
    )


def left_out(graph: ComputationGraph, found: AnswersCompared) -> list[str]:
    """Return sentences on what the files lack."""
    said = read_by_the_caller(graph)
    if not found.rows:
        said.append("Nothing was compared: there is no C compiler here, or no rows were given.")
    return said


def compiler() -> str | None:
    """Return the C compiler: of the variable CC, or the first that there is."""
    return next(
        (found for each in (os.environ.get("CC", ""), *COMPILERS) if (found := shutil.which(each))), None
    )


def compiled_answers(
    made: GeneratedCode, code: str, rows: Mapping[str, Any], flags: Sequence[str] = ()
) -> dict[str, NDArray[Any]] | None:
    """Compile the source, and return its answers to rows; None without a compiler or rows.

    flags: of the compiler, beside the strict ones.  Raises ConfigError where the compiler refuses it.
    """
    cc = compiler()
    if cc is None or not rows or os.name == "nt":
        return None
    with tempfile.TemporaryDirectory() as folder:
        at, source_file = Path(folder), f"{made.name}.c"
        (at / f"{made.name}.h").write_text(header(made), "utf-8")
        (at / source_file).write_text(code, "utf-8")
        libraries = [] if NO_LIBM in flags else ["-lm"]
        done = subprocess.run(
            [cc, *STRICT, *flags, "-shared", "-fPIC", source_file, "-o", "made.so", *libraries],
            cwd=at,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigError(
                f"{cc} refuses the C code: {done.stderr.strip()[:300]}; report it with the model's file."
            )
        return _answers(ctypes.CDLL(str(at / "made.so")), made, rows)


def _answers(library: ctypes.CDLL, made: GeneratedCode, rows: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the answers of the compiled code to rows."""
    types: dict[str, Any] = {"double": ctypes.c_double, "float": ctypes.c_float, "uint32_t": ctypes.c_uint32}
    answer = _struct(
        "Answer", [(key, types[value.kind] * value.width) for key, value in made.outputs.items()]
    )()
    predict = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)((f"{made.name}_predict", library))
    found: dict[str, list[list[float]]] = {key: [] for key in made.outputs}
    for row in _c_rows(made, rows, types):
        predict(ctypes.addressof(row), ctypes.addressof(answer))
        for key in made.outputs:
            found[key].append(list(getattr(answer, key)))
    return {key: np.array(values, np.float64) for key, values in found.items()}


def _struct(name: str, fields: list[tuple[str, Any]]) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def _c_rows(made: GeneratedCode, rows: Mapping[str, Any], types: Mapping[str, Any]) -> Iterator[Any]:
    """Yield rows as C has them: structs of a table's cells, or arrays of a matrix's numbers."""
    if not made.fields:
        for numbers in np.asarray(next(iter(rows.values())), np.float64).reshape(-1, made.inputs).tolist():
            yield (types[made.network] * made.inputs)(*numbers)
        return
    row = _struct("Row", [(f, ctypes.c_char_p if own.is_text else ctypes.c_double) for own, f in made.fields])
    for cells in zip(*(rows[own.label] for own, _ in made.fields), strict=True):
        yield row(
            *(
                (None if cell is None else str(cell).encode("utf-8", "replace"))
                if own.is_text
                else float(cell)
                for (own, _), cell in zip(made.fields, cells, strict=True)
            )
        )


# --- the program beside it that compares, and integers next to a boundary --------------------------------------------

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


def test_program(made: GeneratedCode, rows: Mapping[str, Any], allowed: float) -> str:
    """Return the program that compares some rows with the answers that are expected.

    allowed: the tolerance of the comparison; other compilers and libraries may have ten times as much.
    """
    graph, name = made.graph, made.name
    tested = {key: values[:TESTED_ROWS] for key, values in rows.items()}
    is_in_integers = any(step.makes == INT8 for step in graph.steps)
    found = graph.run(tested, "float32" if is_in_integers else "float64")
    count = len(next(iter(found.values()))) if tested else 0
    if not count:
        return f"/* No rows were given to test {name}.c with. */\nint main(void)\n{{\n    return 0;\n}}\n"
    numbers = next(key for key in made.outputs if key != "label")
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
    width, kind = made.outputs[numbers].width, made.outputs[numbers].kind
    of_rows = f"const {name}_row" if made.fields else f"const {made.network}"
    shape = f"[{count}]" if made.fields else f"[{count}][{made.inputs}]"
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
