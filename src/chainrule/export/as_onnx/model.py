"""A graph as the bytes of an ONNX model, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from chainrule.errors import ConfigError
from chainrule.export.as_onnx.tables import written
from chainrule.export.as_onnx.writer import OnnxWriter
from chainrule.export.graph import ComputationGraph, to_json
from chainrule.export.numbers import NUMBERS

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
