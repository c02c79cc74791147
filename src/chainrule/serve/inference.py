"""Requests and replies of the Open Inference Protocol, version 2, over the same rows and answers.

Each column of a table is an input of its own, with the shape [rows] or [rows, 1]; an array of numbers may also be one
input "x" of [rows, columns]. Data are flat or nested, in the order of rows; null is a missing value. Outputs are those
of a CSV reply: "predicted", "p(LABEL)" and so on, and "probabilities" [rows, labels] together.
Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import NDArray

from chainrule.core.files import to_json
from chainrule.errors import DataError, FormatError, ShapeError
from chainrule.recipe.answers import Answers
from chainrule.serve.answering import Extras, ServedModel, share_of
from chainrule.serve.batches import Write
from chainrule.serve.bodies import Limits, check_count, check_width, decoded
from chainrule.serve.rows import RequestRows, show
from chainrule.serve.schema import Schema

ARRAY = "x"
"""The name of an input with all columns of an array."""
DATATYPES = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES"),
)
_OF_KIND = {"number": "FP64", "boolean": "BOOL", "category": "BYTES", "date": "BYTES", "duration": "FP64"}


class Inference(NamedTuple):
    """A request of the protocol."""

    rows: RequestRows
    asked: Extras
    write: Write


def metadata(model: ServedModel) -> dict[str, Any]:
    """Return the description of a model."""
    schema = model.schema
    if schema.is_named:
        inputs = [
            {"name": column.name, "datatype": _OF_KIND[column.kind], "shape": [-1]}
            for column in schema.columns
        ]
    else:
        inputs = [{"name": ARRAY, "datatype": "FP64", "shape": [-1, len(schema.columns)]}]
    outputs = [{"name": "predicted", "datatype": label_type(schema), "shape": _shape(schema)}]
    if schema.labels:
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(schema.labels)]})
    return {"name": model.name, "platform": "chainrule", "inputs": inputs, "outputs": outputs}


def _shape(schema: Schema) -> list[int]:
    is_one = schema.outputs == 1 or schema.task in ("binary", "multiclass")
    return [-1] if is_one else [-1, schema.outputs]


def label_type(schema: Schema) -> str:
    """Return the type of what is predicted."""
    if schema.task == "regression":
        return "FP64"
    kinds = {type(label) for label in schema.labels} if schema.task != "multilabel" else {int}
    return (
        {bool: "BOOL", int: "INT64", float: "FP64"}.get(next(iter(kinds)), "BYTES")
        if len(kinds) == 1
        else "BYTES"
    )


def read(body: bytes, model: ServedModel, limits: Limits) -> Inference:
    """Return the rows of a request and what it asks for. Raises FormatError, DataError, ShapeError, TooMuchError."""
    found = decoded(body, limits)
    inputs = found.get("inputs") if isinstance(found, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise FormatError(
            "the body must be an object with a list of inputs; GET /v2/models/NAME has their names."
        )
    check_width(len(inputs), limits)
    tensors = [read_tensor(each, limits) for each in inputs]
    names = [name for name, *_ in tensors]
    if len(set(names)) < len(names):
        raise DataError(
            f"the body has two inputs named {show(max(names, key=names.count))}; rename one of them."
        )
    schema = model.schema
    name, shape, data = tensors[0]
    if len(tensors) == 1 and len(shape) == 2 and (name == ARRAY or not schema.is_named) and shape[1] > 0:
        width = shape[1]
        rows = model.reads.of_json([data[i : i + width] for i in range(0, len(data), width)])
    else:
        wide = next((each for each, shape, _ in tensors if len(shape) == 2 and shape[1] != 1), None)
        if wide is not None:
            raise ShapeError(
                f"the input {show(wide)} must have the shape [rows], as each column; send one for each."
            )
        rows = model.reads.of_columns({name: data for name, _, data in tensors})
    own, wanted = found.get("id"), read_wanted(found.get("outputs"))
    if own is not None and not isinstance(own, str):
        raise DataError(f"id must be text, not {show(own)}.")
    return Inference(
        rows, read_asked(found.get("parameters")), partial(write_inference, own=own, wanted=wanted)
    )


def read_tensor(found: object, limits: Limits) -> tuple[str, list[int], list[Any]]:
    """Return the name, the shape and the flat data of an input."""
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise FormatError("an input must be an object with name, shape, datatype and data.")
    name, shape, data = found["name"], found.get("shape"), found.get("data")
    if found.get("datatype") not in DATATYPES:
        raise FormatError(f"the datatype of the input {show(name)} must be one of {', '.join(DATATYPES)}.")
    if (
        not isinstance(shape, list)
        or len(shape) not in (1, 2)
        or not all(type(each) is int and 0 <= each < 1 << 31 for each in shape)
    ):
        raise ShapeError(f"the shape of the input {show(name)} must be [rows] or [rows, columns].")
    if not isinstance(data, list):
        raise FormatError(f"the data of the input {show(name)} must be a list.")
    flat = [cell for each in data for cell in (each if isinstance(each, list) else (each,))]
    if len(flat) != shape[0] * (shape[1] if len(shape) == 2 else 1):
        raise ShapeError(
            f"the input {show(name)} has {len(flat)} values, but its shape is {shape}; send as many as it says."
        )
    check_count(shape[0], limits)
    return name, shape, flat


def read_wanted(outputs: object) -> list[str] | None:
    """Return the names of the outputs that are asked for; None for all."""
    if outputs is None:
        return None
    if not isinstance(outputs, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in outputs
    ):
        raise FormatError("outputs must be a list of objects with a name.")
    return [each["name"] for each in outputs]


def read_asked(parameters: object) -> Extras:
    """Return what the parameters ask for: interval, a number, and spread, true or false."""
    if parameters is None:
        return Extras()
    if not isinstance(parameters, dict):
        raise FormatError("parameters must be an object.")
    interval, spread = parameters.get("interval"), parameters.get("spread", False)
    if interval is not None:
        interval = share_of(interval, "the parameter interval")
    if not isinstance(spread, bool):
        raise DataError("the parameter spread must be true or false.")
    return Extras(interval, spread)


def write_inference(
    answers: Answers, model: ServedModel, rows: RequestRows, own: str | None, wanted: Sequence[str] | None
) -> bytes:
    """Return the body of a reply. own: the identifier of the request.  wanted: the outputs' names, None for all."""
    outputs = {"predicted": _output(answers.predicted, label_type(model.schema))}
    if answers.probabilities is not None:
        outputs["probabilities"] = _output(answers.probabilities, "FP64")
    if answers.spread is not None:
        outputs["spread"] = _output(answers.spread, "FP64")
    if answers.covering is not None:
        is_set = answers.probabilities is not None
        outputs["set" if is_set else "interval"] = _output(answers.covering, "BOOL" if is_set else "FP64")
    unknown = [name for name in wanted or () if name not in outputs]
    if unknown:
        raise DataError(f"there is no output {show(unknown[0])}; there are {', '.join(outputs)}.")
    found: dict[str, Any] = {"model_name": model.name}
    if own is not None:
        found["id"] = own
    chosen = outputs if wanted is None else {name: outputs[name] for name in wanted}
    found["outputs"] = [{"name": name, **each} for name, each in chosen.items()]
    return to_json(found).encode("utf-8", "replace")


def _output(values: NDArray[Any], datatype: str) -> dict[str, Any]:
    flat = values.ravel().tolist()
    if datatype == "BYTES":
        flat = [str(each) for each in flat]
    return {"datatype": datatype, "shape": list(values.shape), "data": flat}
