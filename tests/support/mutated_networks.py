"""Files of ONNX and Keras that are whole, but with another graph, other settings, or damaged parts within them."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from mutated import MUTATIONS, edit_json, flip_bits

Rng = np.random.Generator
LENGTHS = (0, 1, -1, 2, 7, 2**31, 2**40, 2**62, -(2**63))
OPERATORS = (
    *(
        "Add",
        "Mul",
        "Sub",
        "Concat",
        "Split",
        "Gather",
        "Slice",
        "Reshape",
        "Squeeze",
        "Softmax",
        "Cast",
        "Pow",
    ),
    *(
        "Gemm",
        "MatMul",
        "Flatten",
        "Clip",
        "Where",
        "Dropout",
        "Identity",
        "Shape",
        "Constant",
        "ArgMax",
        "ZipMap",
    ),
    *(
        "BatchNormalization",
        "Scaler",
        "OneHotEncoder",
        "ReduceLogSumExp",
        "Transpose",
        "Conv",
        "If",
        "Loop",
        "QGemm",
    ),
)
SETTINGS = (
    "axis",
    "alpha",
    "beta",
    "transA",
    "transB",
    "to",
    "perm",
    "epsilon",
    "ratio",
    "allowzero",
    "axes",
    "min",
)
VALUES = (
    -(2**63),
    -9,
    -1,
    0,
    1,
    2,
    99,
    2**62,
    float("nan"),
    float("inf"),
    1e-300,
    -0.5,
    b"",
    b"\xff",
    [],
    [0, 0],
)


def one(rng: Rng, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _swap_inputs(model: Any, rng: Rng) -> None:
    first, second = one(rng, model.graph.node).input, one(rng, model.graph.node).input
    i, j = rng.integers(len(first)), rng.integers(len(second))
    first[i], second[j] = second[j], first[i]


def _read_another(model: Any, rng: Rng) -> None:
    """A value of any node or tensor, also of one behind it: a cycle."""
    names = [name for node in model.graph.node for name in node.output] + [
        each.name for each in model.graph.initializer
    ]
    reads = one(rng, model.graph.node).input
    reads[int(rng.integers(len(reads)))] = one(rng, [*names, "", "nothing"])


def _make_twice(model: Any, rng: Rng) -> None:
    names = [each.name for each in (*model.graph.initializer, *model.graph.input)]
    names += [name for node in model.graph.node for name in node.output]
    one(rng, model.graph.node).output[0] = one(rng, names)


def _leave_out(model: Any, rng: Rng) -> None:
    part = one(rng, [model.graph.initializer, model.graph.node, model.graph.input, model.graph.output])
    del part[int(rng.integers(len(part)))]


def _repeat(model: Any, rng: Rng) -> None:
    part = one(rng, [model.graph.initializer, model.graph.node, model.graph.input, model.graph.output])
    part.add().CopyFrom(one(rng, part))


def _turn(model: Any, rng: Rng) -> None:
    nodes = [each.SerializeToString() for each in model.graph.node]
    del model.graph.node[:]
    for each in rng.permutation(len(nodes)):
        model.graph.node.add().ParseFromString(nodes[each])


def _rename_operator(model: Any, rng: Rng) -> None:
    one(rng, model.graph.node).op_type = one(rng, OPERATORS)


def _set(model: Any, rng: Rng) -> None:
    node, name = one(rng, model.graph.node), one(rng, SETTINGS)
    kept = [each for each in node.attribute if each.name != name]
    value = one(rng, VALUES)
    made = helper.make_attribute(name, value, attr_type=onnx.AttributeProto.INTS if value == [] else None)
    del node.attribute[:]
    node.attribute.extend([*kept, made])


def _unset(model: Any, rng: Rng) -> None:
    del one(rng, [each for each in model.graph.node if each.attribute] or [model.graph.node[0]]).attribute[:]


def _more_inputs(model: Any, rng: Rng) -> None:
    node = one(rng, model.graph.node)
    node.input.extend([one(rng, [*node.input, ""])] * int(rng.integers(1, 300)))


def _opset(model: Any, rng: Rng) -> None:
    model.opset_import[0].version = one(rng, (1, 6, 7, 9, 11, 13, 18, 99, 2**40, -1))


def _dimensions(model: Any, rng: Rng) -> None:
    tensor = one(rng, model.graph.initializer)
    what = rng.integers(4)
    if what == 0 and tensor.dims:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = one(rng, LENGTHS)
    elif what == 1:
        tensor.dims[:] = list(reversed(tensor.dims))
    elif what == 2:
        tensor.dims.append(one(rng, LENGTHS))
    else:
        tensor.dims[:] = [1] * int(rng.integers(80)) + list(tensor.dims)


def _shape(model: Any, rng: Rng) -> None:
    shape = one(rng, model.graph.input).type.tensor_type.shape
    what = rng.integers(3)
    if what == 0 and shape.dim:
        one(rng, shape.dim).dim_value = one(rng, LENGTHS)
    elif what == 1:
        shape.dim.add().dim_value = one(rng, LENGTHS)
    else:
        del shape.dim[int(rng.integers(len(shape.dim))) if shape.dim else 0 :]


def _type(model: Any, rng: Rng) -> None:
    """The same bytes as numbers of another type, or the numbers in one of a wrong length."""
    tensor, kind = one(rng, model.graph.initializer), int(rng.integers(25))
    if rng.random() < 0.5:
        tensor.data_type = kind
        return
    values = numpy_helper.to_array(tensor)
    kinds = {
        TensorProto.FLOAT16: "f2",
        TensorProto.DOUBLE: "f8",
        TensorProto.INT8: "i1",
        TensorProto.INT64: "i8",
    }
    kind = one(rng, list(kinds))
    with np.errstate(all="ignore"):
        made = numpy_helper.from_array(values.astype(kinds[kind]), tensor.name)
    made.raw_data = (
        made.raw_data[: int(rng.integers(len(made.raw_data) + 1))] if rng.random() < 0.5 else made.raw_data
    )
    tensor.CopyFrom(made)


def _numbers(model: Any, rng: Rng) -> None:
    tensor = one(rng, model.graph.initializer)
    values = numpy_helper.to_array(tensor).copy()
    with np.errstate(all="ignore"):
        values.reshape(-1)[rng.integers(max(1, values.size))] = one(
            rng, (0, 1, -1, 2**31, 3e38, np.nan, np.inf)
        )
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _elsewhere(model: Any, rng: Rng) -> None:
    tensor = one(rng, model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    places = (
        "/etc/hostname",
        "../mutant",
        "beside.data",
        "",
        ".",
        "/dev/zero",
        "C:\\x",
        "a\0b",
        "x" * 5000,
        "~/x",
    )
    for key, value in (
        ("location", one(rng, places)),
        ("offset", one(rng, ("0", "-1", "9" * 30, "x"))),
        ("length", "4"),
    ):
        tensor.external_data.add(key=key, value=value)


def _sparse(model: Any, rng: Rng) -> None:
    tensor = model.graph.initializer.pop(int(rng.integers(len(model.graph.initializer))))
    made = model.graph.sparse_initializer.add(dims=[2**40, 2**20])
    made.values.CopyFrom(tensor)
    made.indices.CopyFrom(numpy_helper.from_array(np.arange(3), "places"))


def _rename_values(model: Any, rng: Rng) -> None:
    """Another name everywhere, which changes no answer."""
    for node in model.graph.node:
        node.name = one(rng, ("", "x" * 3000, "\u202e", "a\nb", node.name))
    model.doc_string, model.producer_name = "z" * 2000, "somebody"


EDITS: tuple[Callable[[Any, Rng], None], ...] = (
    *(
        _swap_inputs,
        _read_another,
        _make_twice,
        _leave_out,
        _repeat,
        _turn,
        _rename_operator,
        _set,
        _set,
        _unset,
    ),
    *(
        _more_inputs,
        _opset,
        _dimensions,
        _dimensions,
        _shape,
        _type,
        _numbers,
        _elsewhere,
        _sparse,
        _rename_values,
    ),
)


def edit_graph(data: bytes, rng: Rng, other: bytes) -> bytes:
    """An ONNX file with another graph, or with tensors of other shapes, types or places."""
    try:
        model = onnx.ModelProto.FromString(data)
        one(rng, EDITS)(model, rng)
        return bytes(model.SerializeToString())
    except (DecodeError, LookupError, ValueError, TypeError, OverflowError, NotImplementedError):
        # nothing of this kind is in the file
        return flip_bits(data, rng, other)


def edit_archive(data: bytes, rng: Rng, other: bytes) -> bytes:
    """A `.keras` file with other settings, or with damaged numbers, and the archive's sums made again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        what = rng.integers(5)
        if what < 2:
            parts["config.json"] = edit_json(parts["config.json"], rng, other)
        elif what < 4:
            parts["model.weights.h5"] = one(rng, MUTATIONS)(parts["model.weights.h5"], rng, other)
        else:
            name = one(rng, list(parts))
            parts[name] = one(rng, (b"", b" " * 10**6, b"[" * 9999, json.dumps([0] * 10**5).encode()))
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        KeyError,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ):
        return flip_bits(data, rng, other)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", one(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()
