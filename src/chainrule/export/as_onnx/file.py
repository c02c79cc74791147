"""Write a graph as an ONNX file, checked by ONNX's checker and compared with the graph by ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.files import write_whole
from chainrule.errors import ConfigError
from chainrule.export.base import NUMBERS
from chainrule.export.formats import ExportedFiles, RowsToCompare
from chainrule.export.graph import ComputationGraph
from chainrule.export.passes import only, simplified

INT8 = "int8"
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
"""Of the difference from the graph; in float32 at least four times that of the graph itself in float32."""
MOST_ROWS = 1000
"""The rows that are compared."""


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
    if dtype not in (*TOLERANCES, INT8):
        raise ConfigError(f"dtype must be 'float32', 'float64' or 'int8', not {dtype!r}.")
    if dtype == INT8 and not rows.are_given:
        raise ConfigError(
            "dtype='int8' measures ranges on rows of the model's inputs; pass some hundreds as X."
        )
    if find_spec("onnx") is None or (dtype == INT8 and find_spec("onnxruntime") is None):
        raise ConfigError("ONNX files need the extra onnx; install it: pip install 'chainrule[onnx]'.")
    from chainrule.export.as_onnx.model import onnx_bytes, onnx_inputs, output_names

    names = [name for name in graph.outputs if name != "label" or label]
    chosen = simplified(only(graph, *names))
    numbers = "float32" if dtype == INT8 else dtype
    content = onnx_bytes(chosen, numbers)
    compared = compare(chosen, content, rows.inputs, numbers)
    tolerance = compared.tolerance
    if not compared.difference <= tolerance:
        raise ConfigError(
            f"the ONNX model's answers differ from the model's by {compared.difference:.1e} on {compared.rows} rows, "
            f"more than {tolerance:.1e}; pass dtype='float64', or report it with the model's file."
        )
    if dtype == INT8:
        from chainrule.export.as_onnx.quantized import quantized

        content = quantized(content, onnx_inputs(chosen, first(rows.inputs), numbers))
        compared, tolerance = compare(chosen, content, rows.inputs, numbers), math.inf
    write_whole(path, content)
    return ExportedFiles(
        files=(path,),
        bytes=len(content),
        rows=compared.rows,
        difference=compared.difference,
        tolerance=tolerance,
        left_out=tuple(left_out(graph, label, compared.rows)),
        usage=usage(chosen, list(output_names(chosen).values()), path, numbers),
        about={"format": "onnx", "opset": 13, "dtype": dtype, "same_labels": compared.same_labels},
    )


class AnswersCompared(NamedTuple):
    """How far two are from each other."""

    difference: float
    rows: int
    """on how many; 0 where nothing was compared"""
    tolerance: float
    same_labels: float | None = None
    """the share of the rows for which the same class is the likeliest, of several classes"""


def compare(graph: ComputationGraph, content: bytes, rows: Mapping[str, Any], dtype: str) -> AnswersCompared:
    """Run ONNX Runtime on some rows, and return its largest difference from the graph in float64; of 0 rows without it.

    In float32 a network may itself be further from float64 than the tolerance; four times as far is allowed then.
    """
    tolerance = TOLERANCES[dtype]
    if find_spec("onnxruntime") is None or not rows:
        return AnswersCompared(0.0, 0, tolerance)
    given = first(rows)
    if dtype == "float32":  # the numbers that the file's input of a matrix can hold
        matrix = {each.label for each in graph.inputs if each.holds == NUMBERS}
        given = {
            name: np.asarray(values, np.float32) if name in matrix else values
            for name, values in given.items()
        }
    from chainrule.export.as_onnx.model import answers

    found = answers(graph, content, given, dtype)
    exact, rounded = graph.run(given), graph.run(given, dtype)
    numbers = [name for name in graph.outputs if name != "label"]
    own = max(difference(rounded[name], exact[name]) for name in numbers)
    far = max(difference(found[name], exact[name]) for name in numbers)
    count = len(next(iter(exact.values())))
    same = None
    if graph.task in ("binary", "multiclass"):
        likeliest = [each["probabilities"].argmax(1) for each in (found, exact)]
        same = float(np.mean(likeliest[0] == likeliest[1]))
    return AnswersCompared(far, count, max(tolerance, 4 * own), same)


def first(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows that are compared."""
    return {name: values[:MOST_ROWS] for name, values in rows.items()}


def difference(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    """Return the largest |x - y| in parts of the largest |y|, or of 1 if that is smaller."""
    if not expected.size:
        return 0.0
    both = np.isnan(found) & np.isnan(expected)
    far = np.where(both | (found == expected), 0.0, np.abs(found.astype(np.float64) - expected))
    finite = np.abs(expected[np.isfinite(expected)])
    return float(far.max() / max(1.0, finite.max(initial=0.0)))


def left_out(graph: ComputationGraph, label: bool, rows: int) -> list[str]:
    """Return sentences on what an ONNX file of the graph lacks."""
    said = []
    if "label" in graph.outputs and not label:
        said.append(
            "The predicted label is left to the caller: the labels are in the metadata, label=True adds it."
        )
    holds = {each.holds for each in graph.inputs}
    if "date" in holds:
        said.append("Dates are given as seconds since 1970 in universal time, because ONNX has none.")
    if "duration" in holds:
        said.append("Durations are given as seconds.")
    if holds & {"category", "boolean"}:
        said.append("A missing text is the empty one, because ONNX has no other.")
    if any(each.reads for each in graph.inputs):
        said.append("Numbers and dates that are text are read by the caller.")
    if not rows:
        said.append("Nothing was compared, because onnxruntime is not installed or no rows were given.")
    return said


def usage(graph: ComputationGraph, outputs: list[str], path: Path, dtype: str) -> str:
    """Return five lines that run the file."""
    feeds = []
    for each in graph.inputs:
        if each.is_text:
            level = "text"
            feeds.append(f"{each.label!r}: np.array([[{level!r}]], object)")
        elif each.holds == NUMBERS:
            feeds.append(f"{each.label!r}: np.zeros((1, {each.columns}), np.{dtype})")
        else:
            feeds.append(f"{each.label!r}: np.array([[0.0]])")
    return "\n".join(
        [
            "import numpy as np",
            "import onnxruntime",
            f"session = onnxruntime.InferenceSession({str(path)!r})",
            f"row = {{{', '.join(feeds)}}}",
            f"print(session.run({outputs!r}, row))",
        ]
    )
