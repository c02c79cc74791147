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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import write_whole
from chainrule.errors import ConfigError
from chainrule.export.as_c.statements import GeneratedCode, Value, identifier, program
from chainrule.export.as_c.testing import check_integers, test
from chainrule.export.as_c.text import header, inputs_of, needs_math, scratch_bytes, source
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
from chainrule.graph.graph import ComputationGraph
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
    made, outputs = program(small, name, NETWORKS[dtype])
    code = source(small, made, outputs, name)
    answers = compiled_answers(small, made, outputs, name, code, given)
    found = None if answers is None else compared(exact, answers, given, numbers)
    if found is not None and is_int8 and answers is not None:
        check_integers(small, answers, given)
        found = found._replace(tolerance=math.inf)
    if found is not None and not found.is_close:
        raise ConfigError(
            f"the C code's answers differ from the model's by {found.difference:.1e} on {found.rows} rows, "
            f"more than {found.tolerance:.1e}; pass dtype='float64', or report it with the model's file."
        )
    tolerance = TOLERANCES[numbers] if found is None else found.tolerance
    tested = test(small, made, outputs, name, given, TOLERANCES[numbers] if is_int8 else tolerance)
    own = None
    if needs_math(made):
        answers = compiled_answers(small, made, outputs, name, code, given, [NO_LIBM])
        own = None if answers is None else compared(exact, answers, given, numbers)
    written = (header(small, made, outputs, name, found, own), code, tested)
    paths = [path.with_name(f"{name}{ending}") for ending in (".h", ".c", "_test.c")]
    for at, text in zip(paths, written, strict=True):
        write_whole(at, text.encode())
    build = f"cc -std=c99 -O2 {paths[1]} {paths[2]} -lm -o {path.with_name(name + '_test')}"
    return ExportedFiles(
        files=tuple(paths),
        bytes=sum(len(text.encode()) for text in written),
        rows=0 if found is None else found.rows,
        difference=0.0 if found is None else found.difference,
        tolerance=tolerance,
        left_out=tuple(left_out(graph, found)),
        usage=f"{build} && {path.with_name(name + '_test')}",
        effect=effect,
        about={
            "format": "c99",
            "dtype": dtype,
            "constant_bytes": made.bytes,
            "scratch_bytes": scratch_bytes(made),
            "multiply_adds": made.products,
            **({} if found is None else {"mean_difference": found.mean, "same_labels": found.same_labels}),
            **({} if own is None else {"difference_without_libm": own.difference}),
        },
    )


def left_out(graph: ComputationGraph, found: AnswersCompared | None) -> list[str]:
    """Return sentences on what the files lack."""
    said = read_by_the_caller(graph)
    if found is None:
        said.append("Nothing was compared: there is no C compiler here, or no rows were given.")
    return said


def compiler() -> str | None:
    """Return the C compiler: of the variable CC, or the first that there is."""
    return next(
        (found for each in (os.environ.get("CC", ""), *COMPILERS) if (found := shutil.which(each))), None
    )


def compiled_answers(
    graph: ComputationGraph,
    made: GeneratedCode,
    outputs: Mapping[str, Value],
    name: str,
    code: str,
    rows: Mapping[str, Any],
    flags: Sequence[str] = (),
) -> dict[str, NDArray[Any]] | None:
    """Compile the source, and return its answers to rows; None without a compiler or rows.

    flags: of the compiler, beside the strict ones.  Raises ConfigError where the compiler refuses it.
    """
    cc = compiler()
    if cc is None or not rows or os.name == "nt":
        return None
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        (at / f"{name}.h").write_text(header(graph, made, outputs, name, None), "utf-8")
        (at / f"{name}.c").write_text(code, "utf-8")
        libraries = [] if NO_LIBM in flags else ["-lm"]
        done = subprocess.run(
            [cc, *STRICT, *flags, "-shared", "-fPIC", f"{name}.c", "-o", "made.so", *libraries],
            cwd=at,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigError(
                f"{cc} refuses the C code: {done.stderr.strip()[:300]}; report it with the model's file."
            )
        return _answers(ctypes.CDLL(str(at / "made.so")), made, outputs, name, rows, inputs_of(graph))


def _answers(
    library: ctypes.CDLL,
    made: GeneratedCode,
    outputs: Mapping[str, Value],
    name: str,
    rows: Mapping[str, Any],
    inputs: int,
) -> dict[str, NDArray[Any]]:
    """Return the answers of the compiled code to rows."""
    types: dict[str, Any] = {"double": ctypes.c_double, "float": ctypes.c_float, "uint32_t": ctypes.c_uint32}
    answer = _struct("Answer", [(key, types[value.kind] * value.width) for key, value in outputs.items()])()
    predict = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)((f"{name}_predict", library))
    found: dict[str, list[list[float]]] = {key: [] for key in outputs}
    for row in _c_rows(made, rows, inputs, types):
        predict(ctypes.addressof(row), ctypes.addressof(answer))
        for key in outputs:
            found[key].append(list(getattr(answer, key)))
    return {key: np.array(values, np.float64) for key, values in found.items()}


def _struct(name: str, fields: list[tuple[str, Any]]) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def _c_rows(
    made: GeneratedCode, rows: Mapping[str, Any], inputs: int, types: Mapping[str, Any]
) -> Iterator[Any]:
    """Yield rows as C has them: structs of a table's cells, or arrays of a matrix's numbers."""
    if not made.fields:
        for numbers in np.asarray(next(iter(rows.values())), np.float64).reshape(-1, inputs).tolist():
            yield (types[made.network] * inputs)(*numbers)
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
