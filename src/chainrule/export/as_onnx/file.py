"""Write a graph as an ONNX file, checked by ONNX's checker and compared with the graph by ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chainrule.core.files import write_whole
from chainrule.errors import ConfigError
from chainrule.export.comparing import (
    TOLERANCES,
    AnswersCompared,
    compared,
    read_by_the_caller,
    rows_to_compare,
    typical_row,
)
from chainrule.export.effect import effect_of_int8
from chainrule.export.formats import ExportedFiles, RowsToCompare
from chainrule.export.graph import ComputationGraph
from chainrule.export.numbers import NUMBERS
from chainrule.export.passes import only, simplified
from chainrule.export.quantizing import INT8_DTYPE, calibrated


def write(
    graph: ComputationGraph,
    path: Path,
    rows: RowsToCompare,
    *,
    dtype: str = "float32",
    label: bool = False,
) -> ExportedFiles:
    """Write a graph as ONNX: opset 13, with any number of rows, and no more than the checker and the runtime accept.

    rows: inputs, of which up to a thousand rows are compared.  dtype: "float32" or "float64" of the networks and the
    answer; a table is prepared in float64 in both. "int8" is a float32 file whose dense layers are products of 8-bit
    integers, whose ranges are measured on the rows; what that costs is in `difference` and about["same_labels"].
    label: whether the place of the predicted label is a second output.
    Raises ConfigError without the extra onnx, for another dtype, and if the answers differ by more than the tolerance.
    """
    if dtype not in (*TOLERANCES, INT8_DTYPE):
        raise ConfigError(f"dtype must be 'float32', 'float64' or 'int8', not {dtype!r}.")
    if dtype == INT8_DTYPE:
        calibrated(rows.inputs, rows.are_given)
    if find_spec("onnx") is None or (dtype == INT8_DTYPE and find_spec("onnxruntime") is None):
        raise ConfigError("ONNX files need the extra onnx; install it: pip install 'chainrule[onnx]'.")
    from chainrule.export.as_onnx.model import onnx_bytes, onnx_inputs, output_names

    names = [name for name in graph.outputs if name != "label" or label]
    chosen = simplified(only(graph, *names), by_column=dtype != INT8_DTYPE)
    numbers = "float32" if dtype == INT8_DTYPE else dtype
    content = onnx_bytes(chosen, numbers)
    found = compare(chosen, content, rows.inputs, numbers)
    tolerance, effect = found.tolerance, None
    if not found.is_close:
        raise ConfigError(
            f"the ONNX model's answers differ from the model's by {found.difference:.1e} on {found.rows} rows, "
            f"more than {tolerance:.1e}; pass dtype='float64', or report it with the model's file."
        )
    if dtype == INT8_DTYPE:
        from chainrule.export.as_onnx.quantized import quantized

        measured = rows_to_compare(chosen, rows.inputs, numbers)
        content = quantized(content, onnx_inputs(chosen, measured, numbers))
        effect = effect_of_int8(chosen, measured)
        found, tolerance = compare(chosen, content, rows.inputs, numbers), math.inf
    write_whole(path, content)
    return ExportedFiles(
        files=(path,),
        bytes=len(content),
        rows=found.rows,
        difference=found.difference,
        tolerance=tolerance,
        left_out=tuple(left_out(graph, label, found.rows)),
        usage=usage(chosen, rows.inputs, list(output_names(chosen).values()), path, numbers),
        effect=effect,
        about={"format": "onnx", "opset": 13, "dtype": dtype, "same_labels": found.same_labels},
    )


def compare(graph: ComputationGraph, content: bytes, rows: Mapping[str, Any], dtype: str) -> AnswersCompared:
    """Run ONNX Runtime on the first rows, and compare with the graph; on 0 rows without it."""
    if find_spec("onnxruntime") is None or not rows:
        return AnswersCompared(0, 0.0, TOLERANCES[dtype])
    from chainrule.export.as_onnx.model import answers

    given = rows_to_compare(graph, rows, dtype)
    return compared(graph, answers(graph, content, given, dtype), given, dtype)


def left_out(graph: ComputationGraph, label: bool, rows: int) -> list[str]:
    """Return sentences on what an ONNX file of the graph lacks."""
    said = []
    if "label" in graph.outputs and not label:
        said.append(
            "The predicted label is left to the caller: the labels are in the metadata, label=True adds it."
        )
    said += read_by_the_caller(graph)
    if any(each.is_text for each in graph.inputs):
        said.append("A missing text is the empty one, because ONNX has no other.")
    if not rows:
        said.append("Nothing was compared, because onnxruntime is not installed or no rows were given.")
    return said


def usage(
    graph: ComputationGraph, rows: Mapping[str, Any], outputs: list[str], path: Path, dtype: str
) -> str:
    """Return five lines that run the file on a typical one of some rows."""
    row, feeds = typical_row(graph, rows), []
    for each in graph.inputs:
        if each.holds == NUMBERS:
            feeds.append(f"{each.label!r}: np.zeros((1, {each.columns}), np.{dtype})")
        else:
            feeds.append(f"{each.label!r}: np.array([[{row[each.label]!r}]]{', object' * each.is_text})")
    return "\n".join(
        [
            "import numpy as np",
            "import onnxruntime",
            f"session = onnxruntime.InferenceSession({str(path)!r})",
            f"row = {{{', '.join(feeds)}}}",
            f"print(session.run({outputs!r}, row))",
        ]
    )
