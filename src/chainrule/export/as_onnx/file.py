"""A graph as the bytes of an ONNX model, checked."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from chainrule.core.files import write_whole
from chainrule.errors import ConfigError
from chainrule.export.as_onnx.operations import written
from chainrule.export.as_onnx.writer import OnnxWriter
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
from chainrule.export.quantizing import INT8_DTYPE, calibrated
from chainrule.graph.graph import ComputationGraph, to_json
from chainrule.graph.operation import NUMBERS
from chainrule.graph.passes import only, simplified

LARGEST = 2**31 - 1
"""The bytes that a file of ONNX may have."""


def onnx_bytes(graph: ComputationGraph, dtype: str) -> bytes:
    """Return the model of a graph, which ONNX's checker accepts.

    The same graph has the same bytes. Raises ConfigError for a name that cannot be written, and for two gigabytes.
    """
    if any(not each.label for each in graph.inputs):
        raise ConfigError(
            "a column has no name, and an input of ONNX needs one; name the column, and fit again."
        )
    prefix = "/"
    while any(each.label.startswith(prefix) for each in graph.inputs):
        prefix += "/"
    w = OnnxWriter(np.dtype(dtype), prefix)
    made: list[str] = []
    for k, step in enumerate(graph.steps):
        w.begin(step.of.replace(" ", "_") or f"step_{k}")
        made.append(written(step.operation, w, *(made[read] for read in step.reads)))
    written_as, outputs = output_names(graph), []
    for name, k in graph.outputs.items():
        value = made[k] if name == "label" else w.cast(made[k], w.network)
        w.nodes.append(
            helper.make_node("Identity", [value], [written_as[name]], name=f"{prefix}answer/{name}")
        )
        kind = TensorProto.INT64 if name == "label" else w.number_type(w.network)
        outputs.append(helper.make_tensor_value_info(written_as[name], kind, ["N", graph.steps[k].width]))
    model = w.model(outputs, str(graph.about.get("chainrule", "")))
    helper.set_model_props(model, metadata(graph, dtype))
    if model.ByteSize() > LARGEST:
        raise ConfigError("the model has more than the two gigabytes of an ONNX file; export fewer members.")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConfigError(f"ONNX's checker refuses the model: {str(error)[:300]}") from error
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def output_names(graph: ComputationGraph) -> dict[str, str]:
    """Return the name of each output in a file: its own, or with "predicted_" in front where a column has that name."""
    taken = {each.label for each in graph.inputs}
    return {name: f"predicted_{name}" if name in taken else name for name in graph.outputs}


def metadata(graph: ComputationGraph, dtype: str) -> dict[str, str]:
    """Return what the file says of itself, as texts: the task, labels and inputs as JSON, and where it comes from."""
    inputs = [
        {"name": each.label, "holds": each.holds, "columns": list(each.names), "reads": each.reads}
        for each in graph.inputs
    ]
    return {
        "task": graph.task,
        "labels": json.dumps(to_json(graph.labels)),
        "inputs": json.dumps(inputs),
        "dtype": dtype,
        **{name: str(value) for name, value in graph.about.items()},
    }


def answers(
    graph: ComputationGraph, content: bytes, rows: Mapping[str, Any], dtype: str
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the outputs of an ONNX model for inputs as the graph takes them, by ONNX Runtime."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # on a busy machine threads wait long
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = output_names(graph)
    return dict(zip(names, session.run(list(names.values()), onnx_inputs(graph, rows, dtype)), strict=True))


def onnx_inputs(
    graph: ComputationGraph, rows: Mapping[str, Any], dtype: str
) -> dict[str, np.ndarray[Any, Any]]:
    """Return inputs as an ONNX model takes them: columns (n, 1), float64 or text, "" for missing; a matrix as it is."""
    made: dict[str, np.ndarray[Any, Any]] = {}
    for each in graph.inputs:
        values = rows[each.label]
        if each.is_text:
            texts = ["" if text is None else str(text) for text in values]
            made[each.label] = np.array(texts, object)[:, None]
        elif each.holds == NUMBERS:
            made[each.label] = np.asarray(values, dtype)
        else:
            made[each.label] = np.asarray(values, np.float64).reshape(-1, 1)
    return made


# --- an ONNX model with products of 8-bit integers: weights by output neuron, activations by their range on given rows

BATCH = 100
"""The rows of a step of the calibration."""


class CalibrationRows(CalibrationDataReader):  # type: ignore[misc]
    """The rows on which ONNX Runtime measures the range of each activation, some at a time."""

    def __init__(self, rows: Mapping[str, NDArray[np.generic]]) -> None:
        """Keep the inputs by name, as an ONNX model takes them."""
        count = len(next(iter(rows.values())))
        self.parts: Iterator[dict[str, NDArray[np.generic]]] = iter(
            [
                {name: values[start : start + BATCH] for name, values in rows.items()}
                for start in range(0, count, BATCH)
            ]
        )

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Return the next part; None after the last."""
        return next(self.parts, None)


def quantized(content: bytes, rows: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return a float32 model with its dense layers in int8, as pairs of QuantizeLinear and DequantizeLinear (QDQ).

    Weights are symmetric int8 with a scale for each output, biases int32, activations uint8 with a zero point; a
    runtime for integers fuses the pairs. The preparation of a table and the answer stay as they are.
    rows: inputs of the model, on which the ranges of activations are measured.
    """
    with TemporaryDirectory() as folder, quietly():
        path = Path(folder, "int8.onnx")
        quantize_static(
            onnx.load_from_string(content),
            str(path),
            CalibrationRows(rows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Gemm", "MatMul"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        made = onnx.load(path)
    onnx.checker.check_model(made, full_check=True)
    found: bytes = made.SerializeToString(deterministic=True)
    return found


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out advice that ONNX Runtime logs about models that others wrote."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


# --- write a graph as an ONNX file, checked by ONNX's checker and compared with the graph by ONNX Runtime ------------


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

    names = [name for name in graph.outputs if name != "label" or label]
    chosen = simplified(only(graph, *names), by_column=dtype != INT8_DTYPE)
    numbers = "float32" if dtype == INT8_DTYPE else dtype
    content = onnx_bytes(chosen, numbers)
    found = compare(chosen, content, rows.inputs, numbers)
    effect = None
    found.check("the ONNX model's", "pass dtype='float64', or ")
    if dtype == INT8_DTYPE:
        measured = rows_to_compare(chosen, rows.inputs, numbers)
        content = quantized(content, onnx_inputs(chosen, measured, numbers))
        effect = effect_of_int8(chosen, measured)
        found = compare(chosen, content, rows.inputs, numbers)._replace(tolerance=math.inf)
    write_whole(path, content)
    return ExportedFiles(
        files=(path,),
        bytes=len(content),
        rows=found.rows,
        difference=found.difference,
        tolerance=found.tolerance,
        left_out=tuple(left_out(graph, label, found.rows)),
        usage=usage(chosen, rows.inputs, list(output_names(chosen).values()), path, numbers),
        effect=effect,
        about={"format": "onnx", "opset": 13, "dtype": dtype, "same_labels": found.same_labels},
    )


def compare(graph: ComputationGraph, content: bytes, rows: Mapping[str, Any], dtype: str) -> AnswersCompared:
    """Run ONNX Runtime on the first rows, and compare with the graph; on 0 rows without it."""
    if find_spec("onnxruntime") is None or not rows:
        return AnswersCompared(0, 0.0, TOLERANCES[dtype])

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
