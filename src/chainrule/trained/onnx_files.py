"""Read a dense network from an ONNX file: its nodes as layers, and its initializers as their numbers.

A file is read as data: it names operators, and each becomes a layer of the package or is refused by its name. An
activation is known by its values rather than by its spelling, since each exporter takes it apart in its own way.
"""

from __future__ import annotations

import heapq
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy import special

from chainrule.core.files import open_regular
from chainrule.errors import ChainruleError, ConfigError, FormatError, fault_of
from chainrule.formulas.layers import (
    ACTIVATIONS,
    ELU,
    BatchNorm,
    Dense,
    Dropout,
    Identity,
    LeakyReLU,
    ParametricActivation,
    PReLU,
    ReLU,
    Rescale,
    Softmax,
    Take,
)
from chainrule.formulas.losses import Loss, Poisson, SoftmaxCrossEntropy
from chainrule.network.blocks import Residual, Skip
from chainrule.network.network import MAX_DEPTH, Network
from chainrule.trained.parts import Contents, Floats, Part, add_affine, contents, dense

try:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import TensorProto, helper
except ImportError as missing:
    raise ConfigError(
        "ONNX files need the extra onnx; install it: pip install 'chainrule[onnx]'."
    ) from missing

Array = NDArray[Any]
OLDEST = 7
"""The opset from which on operators broadcast as NumPy does."""
BATCH, UNKNOWN = -(2**40), -(2**41)
"""Placeholders in a shape: for the number of rows, and for a length that is not known beforehand."""
MOST_CUTS = 24
"""The most nodes in a row of which one activation is sought."""
MOST_FIELDS = 400_000
"""The most fields of a file: a message takes two bytes there, and a hundred in memory."""
MOST_NODES = 50_000
ROOM = 1 << 20
"""The bytes that constants computed from others may have, beside twice those of the file."""
BYTES_OF_COLUMN = 64
"""Those of its number in a list."""
TYPES: dict[int, tuple[str, str]] = {
    TensorProto.FLOAT: ("<f4", "float_data"),
    TensorProto.DOUBLE: ("<f8", "double_data"),
    TensorProto.FLOAT16: ("<f2", "int32_data"),
    TensorProto.INT32: ("<i4", "int32_data"),
    TensorProto.INT64: ("<i8", "int64_data"),
    TensorProto.BOOL: ("?", "int32_data"),
}
"""The types of tensors that are read: NumPy's name, and the field of numbers that are not raw bytes."""
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


class Node(NamedTuple):
    """A node with its settings."""

    op: str
    name: str
    reads: tuple[str, ...]
    makes: str
    settings: dict[str, Any]

    def __str__(self) -> str:
        """Name it as in a sentence."""
        return f"{self.name!r:.60} ({self.op:.60})"


def _clip(z: Array, a: Mapping[str, Any], *bounds: Array) -> Array:
    low, high = (*bounds, None, None)[:2] if bounds else (a.get("min"), a.get("max"))
    return np.clip(z, -np.inf if low is None else low, np.inf if high is None else high)


def _elu(z: Array, alpha: float) -> Array:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _gelu(z: Array, a: Mapping[str, Any]) -> Array:
    kind = "gelu_tanh" if a.get("approximate") == b"tanh" else "gelu"
    return np.asarray(ACTIVATIONS[kind]().f(z))


ELEMENTWISE: dict[str, Callable[..., Array]] = {
    **{
        op: lambda a, *x, f=f: f(*x)
        for op, f in {
            "Abs": np.abs,
            "Add": np.add,
            "Div": np.divide,
            "Erf": special.erf,
            "Exp": np.exp,
            "Greater": np.greater,
            "GreaterOrEqual": np.greater_equal,
            "Identity": np.asarray,
            "Less": np.less,
            "LessOrEqual": np.less_equal,
            "Log": np.log,
            "Mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
            "Mul": np.multiply,
            "Neg": np.negative,
            "Not": np.logical_not,
            "PRelu": lambda z, slope: np.where(z > 0, z, slope * z),
            "Pow": np.power,
            "Reciprocal": np.reciprocal,
            "Relu": lambda z: np.maximum(z, 0),
            "Sigmoid": special.expit,
            "Sign": np.sign,
            "Softplus": lambda z: np.logaddexp(0, z),
            "Sqrt": np.sqrt,
            "Sub": np.subtract,
            "Tanh": np.tanh,
            "Where": np.where,
        }.items()
    },
    "Max": lambda a, *x: reduce(np.maximum, x),
    "Min": lambda a, *x: reduce(np.minimum, x),
    "Sum": lambda a, *x: reduce(np.add, x),
    "Cast": lambda a, z: z,
    "Clip": lambda a, z, *bounds: _clip(z, a, *bounds),
    "Elu": lambda a, z: _elu(z, a.get("alpha", 1.0)),
    "Celu": lambda a, z: a.get("alpha", 1.0) * _elu(z / a.get("alpha", 1.0), 1.0),
    "Selu": lambda a, z: a.get("gamma", 1.0507009873554805) * _elu(z, a.get("alpha", 1.6732632423543772)),
    "Gelu": lambda a, z: _gelu(z, a),
    "HardSigmoid": lambda a, z: np.clip(a.get("alpha", 0.2) * z + a.get("beta", 0.5), 0, 1),
    "LeakyRelu": lambda a, z: np.where(z > 0, z, a.get("alpha", 0.01) * z),
    "Swish": lambda a, z: z * special.expit(a.get("alpha", 1.0) * z),
}
"""The operators that compute number by number: f(settings, *values)."""
ANSWERS = ("ArgMax", "ArrayFeatureExtractor", "Greater", "ZipMap")
"""The operators that make labels of probabilities."""
BEHIND = (*ANSWERS, "Cast", "Identity", "LabelEncoder", "Reshape", "Squeeze")
"""The operators that may stand between probabilities and an output with labels."""
NEAR = np.concatenate([np.linspace(-10, 10, 401), np.geomspace(10, 80, 24), -np.geomspace(10, 80, 24)])
FAR = np.array([-1e4, -1e3, -200, 200, 1e3, 1e4])
"""Where functions are compared; a spelling may overflow far away, where the activation does not."""


def read(
    path: str | os.PathLike[str],
    data: bytes | None = None,
    output: str | None = None,
    loss: Loss | None = None,
) -> Contents:
    """Read a network.

    data: the file, where it is in memory.  output: the one to follow, where several are computed from different values.
    loss: instead of the one that the last layers suggest.
    Raises FormatError, with the node and its neighbors, for what no layer computes, and for damaged files.
    """
    path = Path(path)
    if data is None:
        with open_regular(path) as file:
            data = file.read()
    if not has_fewer_fields(data, MOST_FIELDS):
        raise FormatError(
            f"{path} has more than {MOST_FIELDS:,} parts, so it is no dense network's; export it again."
        )
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise FormatError(
            f"{path} is not a complete ONNX file ({fault_of(error)}); export it again."
        ) from error
    return network_of(path, model, len(data), output, loss)


def network_of(
    path: Path, model: onnx.ModelProto, size: int, output: str | None, loss: Loss | None
) -> Contents:
    """Return the network of a model in ONNX's form. size: the bytes of its file; otherwise as `read`."""
    try:
        with np.errstate(all="ignore"):  # far values of an activation, and those of damaged constants
            return Reader(path, model, size).network(output, loss)
    except FormatError:
        raise
    except ChainruleError as error:
        raise FormatError(f"{path}: {str(error)[:300]}") from error
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        RuntimeError,
    ) as error:
        raise FormatError(f"{path} is damaged ({fault_of(error)}); export it again.") from error


def has_fewer_fields(data: bytes, most: int) -> bool:
    """Return whether a message of Protocol Buffers has at most so many fields, those of messages in it included.

    It takes two bytes to write an empty message, so the fields are counted before the file is read: by the wire format
    alone, in which bytes that could be a message count as one until something in them could not.
    """

    def number(at: int, stop: int) -> tuple[int, int]:
        value = shift = 0
        while at < stop and shift < 70:
            byte = data[at]
            value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
            if byte < 128:
                return value, at
        return 0, stop

    waiting = [(0, len(data))]
    while waiting:
        at, stop = waiting.pop()
        while at < stop:
            most -= 1
            if most < 0:
                return False
            tag, at = number(at, stop)
            if tag < 8 or tag & 7 not in (0, 1, 2, 5):
                break
            length, at = (0, at) if tag & 7 in (1, 5) else number(at, stop)
            if tag & 7 == 2 and 0 < length <= stop - at:
                waiting.append((at, at + length))
            at += {0: 0, 1: 8, 2: length, 5: 4}[tag & 7]
    return True


# --- the columns of a table, as skl2onnx writes a ColumnTransformer: the preparation in an estimator's file, as data


AS_THEY_ARE = ("Cast", "Flatten", "Identity", "Reshape")
"""The operators that leave rows of columns as they are."""


class Cell(NamedTuple):
    """One number of a prepared row: scale x + offset, where x is a column or whether it has a category."""

    column: str
    category: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    fill: float | None = None
    """what a missing number of the column is replaced by; None where nothing replaces it"""


Cells = list[Cell]


def cells_of(
    op: str, settings: Mapping[str, Any], given: Sequence[Cells | Array | None], texts: frozenset[str]
) -> Cells | None:
    """Return the numbers that an operator makes of those of columns, or of constants; None for another operator.

    given: None where neither.  texts: the columns of text, of which only categories are numbers.
    """
    if any(each is None for each in given):
        return None
    cells = [each for each in given if isinstance(each, list)]
    first = cells[0]
    if op in ("Concat", "FeatureVectorizer") and len(cells) == len(given):
        return [cell for each in cells for cell in each]
    if op in AS_THEY_ARE:
        return first
    if op == "OneHotEncoder" and len(first) == 1 and first[0][1:4] == (None, 1.0, 0.0):
        kinds = "cats_strings" if first[0].column in texts else "cats_int64s"
        known = [each.decode() if isinstance(each, bytes) else str(each) for each in settings.get(kinds, ())]
        return [Cell(first[0].column, each) for each in known] or None
    if op in ("ArrayFeatureExtractor", "Gather") and given[0] is first and len(given) == 2:
        return [first[int(k)] for k in np.ravel(np.asarray(given[1]))]
    if any(cell.column in texts and cell.category is None for each in cells for cell in each):
        return None
    if op == "Imputer":
        fills = np.broadcast_to(settings["imputed_value_floats"], len(first)).tolist()
        return [cell._replace(fill=fill) for cell, fill in zip(first, fills, strict=True)]
    if op == "Scaler":
        scale, center = (np.broadcast_to(settings[name], len(first)) for name in ("scale", "offset"))
        return _scaled(first, scale, -center * scale)
    function = {"Add": np.add, "Div": np.divide, "Mul": np.multiply, "Sub": np.subtract}.get(op)
    if function is None or given[0] is not first or len(cells) != 1 or len(given) != 2:
        return None
    constant = np.broadcast_to(np.ravel(np.asarray(given[1], np.float64)), len(first))
    offset = function(0.0, constant)
    return _scaled(first, function(1.0, constant) - offset, offset)


def _scaled(cells: Cells, scale: Floats, offset: Floats) -> Cells:
    return [
        cell._replace(scale=cell.scale * s, offset=cell.offset * s + t)
        for cell, s, t in zip(cells, scale.tolist(), offset.tolist(), strict=True)
    ]


class Preparation(NamedTuple):
    """What makes prepared rows of a table."""

    table: dict[str, Any]
    """as in a model's file"""
    names: list[str]
    """of the numbers that it makes"""
    chosen: tuple[int, ...]
    """which of these each number of a row is"""
    scale: Floats
    offset: Floats
    """of each number of a row, where the table does not scale it"""


def preparation(cells: Cells, categories: Mapping[str, Sequence[str]]) -> Preparation:
    """Return the preparation of a table that makes some numbers.

    categories: of each column that has them, all in their order.
    Raises ValueError for a column that is a number and categories too.
    """
    columns: dict[str, dict[str, Any]] = {}
    first: dict[tuple[str, str | None], int] = {}
    names: list[str] = []
    scale, offset = (np.array([getattr(cell, name) for cell in cells]) for name in ("scale", "offset"))
    for cell in cells:
        own = categories.get(cell.column)
        if (own is None) != (cell.category is None):
            raise ValueError(f"the column {cell.column!r:.60} is a number and categories too")
        if cell.column in columns:
            continue
        about: dict[str, Any] = {"name": cell.column, "why": "asked", "missing": 0.0}
        if own is None:
            spread = 1 / cell.scale if cell.scale > 0 else 1.0
            center = 0.0 - cell.offset * spread if cell.scale > 0 else 0.0
            fill = center if cell.fill is None else cell.fill
            lanes = [["value", float(fill), "affine", float(center), float(spread)]]
            about |= {"kind": "number", "became": "scaled", "lanes": lanes}
            of_column = [k for k, each in enumerate(cells) if each.column == cell.column]
            if len({cells[k].fill for k in of_column}) > 1:
                raise ValueError(f"the column {cell.column!r:.60} has missing values of two kinds")
            for k in of_column:
                is_same = cells[k] == cell
                offset[k] = 0.0 if is_same else offset[k] + scale[k] * center
                scale[k] = 1.0 if is_same else scale[k] * spread
        else:
            about |= {"kind": "category", "became": "one_hot", "distinct": len(own), "categories": list(own)}
        columns[cell.column] = about
        for category in own or (None,):
            first[cell.column, category] = len(names)
            names.append(cell.column if category is None else f"{cell.column}={category}")
    table = {
        "kind": "table_preprocessor",
        "version": 1,
        "settings": {},
        "named": True,
        "columns": list(columns.values()),
    }
    chosen = tuple(first[cell.column, cell.category] for cell in cells)
    return Preparation(table, names, chosen, scale, offset)


def estimator(prepared: Preparation, network: Network, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the estimator of a network behind a preparation, as in a model's file. about: the model's metadata."""
    outputs, targets, classes = network.outputs, network.loss.targets, about["classes"]
    labels, parameters = None, dict[str, Any](preprocess=None)
    if targets in ("real", "amounts"):
        parameters |= {"loss": "squared_error" if targets == "real" else network.loss.kind, "quantiles": 0.5}
    else:
        kind = "multiclass" if targets == "classes" else "binary" if outputs == 1 else "multilabel"
        known = np.array(range(max(outputs, 1 + (kind == "binary"))) if classes is None else classes)
        labels = {"classes": known.tolist(), "dtype": known.dtype.str, "kind": kind, "is_sparse": False}
    layers = sum(isinstance(layer, Dense) for layer in network.layers) + 1
    counts = {"n_iter_": 0, "t_": 0, "n_layers_": layers, "n_outputs_": outputs}
    return {
        "class": "MLPRegressor" if labels is None else "MLPClassifier",
        "parameters": parameters,
        "labels": labels,
        "records": {**counts, "n_features_in_": len(prepared.table["columns"]), "loss_curve_": []},
        "table": prepared.table | {"settings": {"dtype": about["dtype"]}},
        "group_sizes": [],
    }


# --- the nodes of a graph as layers


class Reader:
    """The nodes of a graph that an output needs, and the layers that they are."""

    def __init__(self, path: Path, model: onnx.ModelProto, size: int) -> None:
        """Take the graph. size: the bytes of the file."""
        self.path, self.graph, self.room = path, model.graph, 2 * size + ROOM
        self.about = {each.key: each.value for each in model.metadata_props}
        opset = max(
            (each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0
        )
        if not self.graph.node:
            raise FormatError(f"{path} has no nodes, so it is no network in ONNX's form; export it again.")
        if opset < OLDEST:
            raise FormatError(f"{path} has opset {opset}; export it again with opset 13.")
        self.opset = opset
        self.tensors = {each.name: each for each in self.graph.initializer}
        self.constants: dict[str, Array] = {}
        self.nodes: list[Node] = []
        self.maker: dict[str, int] = {}
        for k, each in enumerate(self.graph.node):
            made = list(each.output)
            settings = {a.name: helper.get_attribute_value(a) for a in each.attribute}
            name, op = each.name or (made[0] if made else f"node {k}"), each.op_type
            if each.domain not in ("", "ai.onnx", "ai.onnx.ml"):
                op = f"{each.domain}.{op}"
            for part, makes in enumerate(made if op == "Split" else made[:1] or [""]):
                if makes and (makes in self.maker or makes in self.tensors):
                    raise FormatError(f"{path} is damaged: two nodes make {makes!r:.60}; export it again.")
                own = {"part": (part, len(made))} if op == "Split" else {}
                self.maker[makes] = len(self.nodes)
                self.nodes.append(Node(op, name, tuple(each.input), makes, settings | own))
            if len(self.nodes) > MOST_NODES:
                raise FormatError(f"{path} has more than {MOST_NODES:,} nodes, which no dense network has.")
        self.live: list[int] = []
        """the nodes that depend on the input, in their order"""
        self.readers: dict[str, list[int]] = {}
        self.inputs: int | None = None
        self.last = ""
        """the value behind all layers"""
        self.loss: Loss | None = None
        """what the last node says of it"""
        self.prepared: Preparation | None = None
        """that of a table, before all layers"""
        self.before: list[Part] = []
        """the layers that order and scale what it makes"""
        self.is_choice = False
        """whether an output is the place of the largest number"""
        self.bounds: tuple[Array, Array] | None = None
        self.is_float64 = False

    def refuse(self, node: Node, why: str) -> NoReturn:
        """Raise FormatError, which names the node and its neighbors."""
        before = [
            str(self.nodes[self.maker[name]]) if name in self.maker else f"{name!r:.60}"
            for name in node.reads
            if name and name not in self.constants and name not in self.tensors
        ]
        after = [str(each) for each in self.nodes if node.makes and node.makes in each.reads]
        raise FormatError(
            f"{self.path}: the node {node} cannot be a layer: it {why}; it reads {_listed(before) or 'constants'}, and "
            f"{_listed(after) or 'an output'} reads it."
        )

    # --- constants -------------------------------------------------------------------------------------------------

    def array(self, tensor: TensorProto) -> Array:
        """Return a tensor's numbers. Raises FormatError unless its bytes are those of its shape."""
        known, count = TYPES.get(tensor.data_type), math.prod(tensor.dims)
        if known is None or min(tensor.dims, default=0) < 0:
            kind = TensorProto.DataType.keys()[tensor.data_type : tensor.data_type + 1]
            raise FormatError(
                f"{self.path}: the tensor {tensor.name!r:.60} is {_listed(kind) or 'of no type'}, which is not read; "
                "export the network in float32."
            )
        dtype = np.dtype(known[0])
        if tensor.data_location == TensorProto.EXTERNAL:
            raw = self.external(tensor, count * dtype.itemsize)
        else:
            raw = tensor.raw_data
        if tensor.HasField("raw_data") or raw:
            found = np.frombuffer(raw, dtype) if len(raw) == count * dtype.itemsize else None
        else:
            field = getattr(tensor, known[1])
            stored = np.dtype(np.uint16) if dtype.itemsize == 2 else dtype
            found = np.fromiter(field, stored, count).view(dtype) if len(field) == count else None
        if found is None:
            raise FormatError(
                f"{self.path}: the tensor {tensor.name!r:.60} should have {count:,} numbers, but has others; "
                "export it again."
            )
        return found.reshape(tuple(tensor.dims))

    def external(self, tensor: TensorProto, length: int) -> bytes:
        """Return the bytes of a tensor in a file beside this one. Raises FormatError for a file elsewhere."""
        where = {each.key: each.value for each in tensor.external_data}
        beside, offset = Path(where.get("location", "")), int(where.get("offset", 0))
        folder = self.path.parent.resolve()
        if beside.is_absolute() or not (folder / beside).resolve().is_relative_to(folder):
            raise FormatError(
                f"{self.path}: the numbers of {tensor.name!r:.60} are outside of its folder; put them into one file."
            )
        try:
            with open_regular(folder / beside) as file:
                file.seek(offset)
                found = b"" if length > os.fstat(file.fileno()).st_size else file.read(length)
        except (OSError, ChainruleError) as error:
            raise FormatError(
                f"{self.path}: the numbers of {tensor.name!r:.60} are in {str(beside)!r:.60} beside it, which cannot "
                "be read; put them into one file."
            ) from error
        if len(found) != length:
            raise FormatError(
                f"{self.path}: {beside} is shorter than the numbers of {tensor.name!r:.60}; export it again."
            )
        return found

    def constant(self, name: str) -> Array | None:
        """Return the value of a constant; None for what depends on the input."""
        if name not in self.constants and name in self.tensors:
            self.constants[name] = self.array(self.tensors[name])
        return self.constants.get(name)

    def fold(self, node: Node) -> Array:
        """Compute a node whose inputs are constants."""
        a, op = node.settings, node.op
        if op == "Constant":
            if "value" in a:
                return self.array(a["value"])
            for name in ("value_float", "value_floats", "value_int", "value_ints"):
                if name in a:
                    return np.asarray(a[name], "f4" if "float" in name else "i8")
            self.refuse(node, "has no numbers")
        if op == "Shape":
            return np.array([BATCH] + [UNKNOWN] * 7)
        x, *rest = (np.asarray(self.constant(name)) for name in node.reads if name)
        if op == "Transpose":
            return x.transpose(a.get("perm"))
        if op in ("Identity", "Dropout"):
            return x
        if op == "Cast":
            return x.astype(TYPES[a["to"]][0]) if a["to"] in TYPES else self.refuse(node, "has another type")
        if op in ("Unsqueeze", "Squeeze"):
            axes = tuple(int(k) for k in (rest[0].ravel() if rest else a.get("axes", ())))
            return np.expand_dims(x, axes) if op == "Unsqueeze" else np.squeeze(x, axes or None)
        if op == "Reshape":
            return x.reshape([x.shape[i] if n == 0 else int(n) for i, n in enumerate(rest[0])])
        if op == "Flatten":
            return x.reshape(math.prod(x.shape[: a.get("axis", 1)]), -1)
        if op == "Concat":
            found = np.concatenate([x, *rest], a.get("axis", 0))
        elif op == "Gather" and x.ndim == 1:
            found = np.take(x, rest[0])
        elif op == "Slice" and x.ndim == 1:
            found = x[_range(a, rest)]
        elif op in ELEMENTWISE and not any((each <= BATCH).any() for each in (x, *rest)):
            if math.prod(np.broadcast_shapes(*(each.shape for each in (x, *rest)))) * 8 > self.room:
                self.refuse(node, "makes a constant larger than the file")
            found = ELEMENTWISE[op](a, x, *rest)
            if x.dtype.kind in "if":
                found = found.astype(x.dtype)
        else:
            self.refuse(node, "computes a constant in a way that is not known")
        self.room -= found.nbytes
        if self.room < 0:
            self.refuse(node, "makes constants larger than the file")
        return np.asarray(found)

    # --- which nodes ------------------------------------------------------------------------------------------------

    def network(self, output: str | None, loss: Loss | None) -> Contents:
        """Return the network that an output needs."""
        end, classes = self.end(output)
        while (k := self.maker.get(end)) is not None and (
            self.nodes[k].op == "Identity"
            or (self.nodes[k].op == "Cast" and self.nodes[k].settings.get("to") in FLOATS)
        ):
            end = self.nodes[k].reads[0]
        self.last = end
        start, dims, names = self.start(end)
        parts, dims = self.walk(start, dims, end, frozenset(self.live), 0)
        if self.inputs is None:
            raise FormatError(
                f"{self.path} does not say how many columns its input has; export it with a shape."
            )
        if dims is not None and math.prod(dims[:-1]) != 1:
            raise FormatError(f"{self.path}: its output has the shape {dims}; flatten it.")
        parts = self.before + parts
        dtype = np.dtype(np.float64 if self.is_float64 else np.float32)
        are_logits = self.is_choice and bool(parts) and type(parts[-1].layer) is Dense
        loss = loss or self.loss or (SoftmaxCrossEntropy() if are_logits else None)
        made = contents(parts, self.inputs, dtype, loss, classes=classes, names=names, bounds=self.bounds)
        if self.prepared is not None:
            network, _, _, about = made
            about["estimator"] = estimator(self.prepared, network, about)
        return made

    def end(self, output: str | None) -> tuple[str, list[Any] | None]:
        """Return the value that an output, or all of them, are made of, and the labels in the file."""
        outputs = [each.name for each in self.graph.output]
        if output is not None and output not in outputs:
            raise FormatError(f"{self.path} has no output {output!r}; it has {_listed(map(repr, outputs))}.")
        ends, classes = dict[str, str](), None
        if "labels" in self.about and self.about.get("task") in ("binary", "multiclass"):
            classes = json.loads(self.about["labels"])
        for name in outputs if output is None else [output]:
            value, of_labels = name, name
            while (k := self.maker.get(value)) is not None and self.nodes[k].op in BEHIND:
                node = self.nodes[k]
                value = node.reads[-1 if node.op == "ArrayFeatureExtractor" else 0]
                if node.op in ANSWERS:
                    of_labels, self.is_choice = value, self.is_choice or node.op == "ArgMax"
                    a = node.settings
                    classes = classes or list(
                        a.get("classlabels_int64s") or a.get("classlabels_strings") or ()
                    )
                    if node.op == "ArrayFeatureExtractor" and node.reads[0] in self.tensors and not classes:
                        known = self.tensors[node.reads[0]]
                        classes = list(known.string_data) or self.array(known).ravel().tolist()
            ends[of_labels] = name
        if not ends:
            raise FormatError(f"{self.path} has no output; export it again.")
        classes = [each.decode() if isinstance(each, bytes) else each for each in classes or ()] or None
        for end in ends:
            needs = {end}
            for node in reversed(self.nodes):
                if node.makes in needs:
                    needs.update(node.reads)
            if needs.issuperset(ends):
                return end, classes
        raise FormatError(
            f"{self.path} has outputs that are computed from different values; choose one, as in "
            f"{self.path}:{next(iter(ends.values()))}: {', '.join(ends.values())}."
        )

    def start(self, end: str) -> tuple[str, tuple[int, ...] | None, list[str] | None]:
        """Find the nodes that a value needs, fold constants, and return the input, its shape and its names."""
        needs = {end}
        for node in reversed(self.nodes):
            if node.makes in needs and node.op != "Shape":
                needs.update(node.reads)
        given = {each.name: each for each in self.graph.input if each.name not in self.tensors}
        values = {name for name in given if name in needs}
        names = list(values)
        for k, node in enumerate(self.nodes):
            if node.makes not in needs or not node.makes:
                continue
            reads = [name for name in node.reads if name]
            for name in reads if node.op != "Shape" else ():
                if name not in values and self.constant(name) is None:
                    self.refuse(node, f"reads {name!r:.60}, which nothing before it makes")
            if node.op == "Shape" or not any(name in values for name in reads):
                self.constants[node.makes] = self.fold(node)
                continue
            values.add(node.makes)
            self.live.append(k)
            for name in reads:
                if name in values:
                    self.readers.setdefault(name, []).append(k)
        if end not in values:
            raise FormatError(
                f"{self.path}: its output {end!r:.60} does not depend on an input; export it again."
            )
        shapes = {name: self.shape(given[name]) for name in names}
        joins = {k for name in names for k in self.readers.get(name, ())}
        texts = frozenset(
            name for name in names if given[name].type.tensor_type.elem_type == TensorProto.STRING
        )
        if texts or (len(joins) > 1 < len(names)):
            return self.columns(names, texts, end)
        if len(names) == 1:
            labels = self.labels(names[0])
            dims = shapes[names[0]]
            if dims is not None:
                self.inputs = math.prod(dims)
            return names[0], dims, labels if labels and len(labels) == self.inputs else None
        node = self.nodes[joins.pop()]
        dims_of = [shapes[name] for name in node.reads] if set(node.reads) == set(names) else []
        if node.op not in ("Concat", "FeatureVectorizer") or not dims_of or None in dims_of:
            raise FormatError(
                f"{self.path} has the inputs {_listed(map(repr, names))}; only one, or several that are first joined "
                "into one, can be opened."
            )
        self.inputs = sum(math.prod(dims) for dims in dims_of if dims is not None)
        self.live.remove(self.maker[node.makes])
        is_named = self.inputs == len(names)
        return node.makes, (self.inputs,), list(node.reads) if is_named else None

    def columns(
        self, names: Sequence[str], texts: frozenset[str], end: str
    ) -> tuple[str, tuple[int, ...], list[str]]:
        """Find the preparation of a table with an input for each column, as `start` finds the input of an array."""
        cells, known = {name: [Cell(name)] for name in names}, dict[str, list[str]]()
        rest = list[Node]()
        for node in (self.nodes[k] for k in self.live):
            given = [cells.get(name, self.constants.get(name)) for name in node.reads if name]
            made = cells_of(node.op, node.settings, given, texts)
            if made is None:
                rest.append(node)
                continue
            cells[node.makes] = made
            if node.op == "OneHotEncoder":
                categories = [str(cell.category) for cell in made]
                if known.setdefault(made[0].column, categories) != categories:
                    self.refuse(node, "has other categories of a column than another node")
        entries = {name for node in rest for name in node.reads if name in cells}
        if len(entries) != 1 or any(
            cell.column in texts and cell.category is None for cell in cells[min(entries)]
        ):
            node = next((each for each in rest if texts.intersection(each.reads)), (rest or self.nodes)[0])
            self.refuse(
                node, "prepares the columns of a table in another way than scalers and one-hot encoders"
            )
        (start,) = entries
        self.live = [self.maker[node.makes] for node in rest]
        self.prepared = found = preparation(cells[start], known)
        if found.chosen != tuple(range(len(found.names))):
            self.before.append(Part(Take(found.chosen)))
        add_affine(self.before, found.scale, found.offset, False)
        self.inputs = len(found.names)
        return start, (len(found.chosen),), found.names

    def shape(self, given: onnx.ValueInfoProto) -> tuple[int, ...] | None:
        """Return the lengths of an input behind its rows; None where one is not known."""
        dims = given.type.tensor_type.shape.dim
        if len(dims) == 1:
            raise FormatError(
                f"{self.path}: its input {given.name!r:.60} has no axis of rows; export it with a batch."
            )
        lengths = tuple(int(each.dim_value) for each in dims[1:])
        if math.prod(lengths) > self.room:
            raise FormatError(
                f"{self.path}: its input {given.name!r:.60} is larger than the file; export it again."
            )
        self.rows = int(dims[0].dim_value) if dims else 0
        return lengths if lengths and min(lengths) > 0 else None

    def labels(self, name: str) -> list[str] | None:
        """Return the names of an input's columns in a file that `export` wrote; None in another."""
        if "inputs" not in self.about:
            return None
        return next(
            (each["columns"] for each in json.loads(self.about["inputs"]) if each["name"] == name), None
        )

    # --- nodes as layers --------------------------------------------------------------------------------------------

    def walk(
        self, x: str, dims: tuple[int, ...] | None, end: str, among: frozenset[int], depth: int
    ) -> tuple[list[Part], tuple[int, ...] | None]:
        """Return the layers from a value to another, and the shape of the latter. among: the nodes between them."""
        parts: list[Part] = []
        while x != end:
            cuts: list[tuple[str, list[int]]] = []
            y = x
            while y != end and len(cuts) < MOST_CUTS:
                y, between = self.segment(y, end, among)
                cuts.append((y, between))
                if any(self.nodes[k].op not in ELEMENTWISE for k in between):
                    break
            first = self.nodes[cuts[0][1][-1]]
            longest = len(cuts) - any(self.nodes[k].op not in ELEMENTWISE for k in cuts[-1][1])
            for count in range(longest, 0, -1):
                between = [k for _, some in cuts[:count] for k in some]
                y = cuts[count - 1][0]
                if self.add_function(parts, x, y, between, dims, depth == 0):
                    break
            else:
                y, between = cuts[0]
                if len(between) == 1:
                    dims = self.add_node(parts, first, dims, depth == 0)
                else:
                    dims = self.add_block(parts, x, first, between, dims, depth)
            x = y
        return parts, dims

    def segment(self, x: str, end: str, among: frozenset[int]) -> tuple[str, list[int]]:
        """Return the next value through which everything between x and the end passes, and the nodes up to it."""

        def readers(name: str) -> list[int]:
            return [] if name == end else [k for k in self.readers.get(name, ()) if k in among]

        made, waiting = {x}, readers(x)
        pending, seen = len(waiting), list[int]()
        heapq.heapify(waiting)
        while waiting:
            k = heapq.heappop(waiting)
            if seen and seen[-1] == k:
                continue
            node = self.nodes[k]
            live = [name for name in node.reads if name and name not in self.constants]
            if not made.issuperset(live):
                break
            seen.append(k)
            made.add(node.makes)
            after = readers(node.makes)
            pending += len(after) - len(live)
            if pending == len(after):
                return node.makes, seen
            for each in after:
                heapq.heappush(waiting, each)
        node = self.nodes[seen[-1] if seen else self.live[-1]]
        self.refuse(
            node, f"is on a way that does not come together behind {x!r}, so it is no layer of a chain"
        )

    def add_function(
        self,
        parts: list[Part],
        x: str,
        y: str,
        between: Sequence[int],
        dims: tuple[int, ...] | None,
        is_input: bool,
    ) -> bool:
        """Add the activation, or the scale and offset, that nodes compute; return whether they compute one."""
        vectors, tolerance = dict[str, Array](), 2e-6
        for k in between:
            node = self.nodes[k]
            if node.op == "Cast" and node.settings.get("to") not in FLOATS:
                return False
            for name in node.reads:
                value = self.constants.get(name)
                if value is None:
                    continue
                if value.dtype == np.float16:
                    tolerance = 2e-3
                value = value.astype(np.float64)
                if value.size != 1:
                    if dims is None:
                        dims = value.shape[-1:]
                        self.inputs = math.prod(dims)
                    wide = (1, *dims)
                    if math.prod(dims) > self.room or np.broadcast_shapes(value.shape, wide) != wide:
                        return False
                    value = np.broadcast_to(value, wide)
                vectors[name] = value.reshape(-1)
        form = self.affine(x, y, between, vectors)
        if form is not None:
            scale, offset = form
            add_affine(parts, scale, offset, is_input)
            return True
        found = self.activation(x, y, between, vectors, tolerance)
        parts += [part for part in found or () if part.layer != Identity()]
        return found is not None

    def affine(
        self, x: str, y: str, between: Iterable[int], vectors: Mapping[str, Array]
    ) -> tuple[Array, Array] | None:
        """Return s and t of y = s x + t; None for another function."""
        zero, one = np.zeros(1), np.ones(1)
        forms = {name: (zero, value) for name, value in vectors.items()} | {x: (one, zero)}
        for k in between:
            node = self.nodes[k]
            (s, t), *others = (forms[name] for name in node.reads if name)
            u, v = others[0] if others else (zero, zero)
            if node.op in ("Identity", "Cast"):
                made = s, t
            elif node.op == "Neg":
                made = -s, -t
            elif node.op in ("Add", "Sum") and len(others) == 1:
                made = s + u, t + v
            elif node.op == "Sub":
                made = s - u, t - v
            elif node.op == "Mul" and not (s.any() and u.any()):
                made = s * v + u * t, t * v
            elif node.op == "Div" and not u.any():
                made = s / v, t / v
            else:
                return None
            forms[node.makes] = made
        found = forms[y]
        return found if all(np.isfinite(each).all() for each in found) else None

    def activation(
        self, x: str, y: str, between: Iterable[int], vectors: Mapping[str, Array], tolerance: float
    ) -> list[Part] | None:
        """Return the activation that nodes compute, by its values; None where none is as near.

        vectors: the constants, of which one that differs by column is the slopes of a PReLU, or the factors of a
        ParametricActivation.
        The bounds of the answer, behind all layers, are kept apart.
        """
        width = max((value.size for value in vectors.values()), default=1)
        z = np.concatenate([NEAR, FAR])

        def values(columns: slice, z: Array) -> Array:
            made = {name: v if v.size == 1 else v[columns] for name, v in vectors.items()} | {x: z[:, None]}
            for k in between:
                node = self.nodes[k]
                made[node.makes] = np.asarray(
                    ELEMENTWISE[node.op](node.settings, *(made.get(name) for name in node.reads))
                )
            return np.asarray(made[y], np.float64)

        def error(found: Array, wanted: Array) -> float:
            apart = np.abs(found - wanted) / np.maximum(1, np.abs(wanted))
            apart[len(NEAR) :][~np.isfinite(found[len(NEAR) :])] = 0.0
            return float(np.where(np.isfinite(apart), apart, np.inf).max())

        at = values(slice(0, 1), np.array([-1e4, -1.0]))[:, 0]
        own = [LeakyReLU(_short(-at[1])), ELU(_short(-at[0]))] if np.isfinite(at).all() else []
        known = [kind() for name, kind in ACTIVATIONS.items() if name not in ("prelu", "softmax", "identity")]
        blocks = [slice(k, k + 64) for k in range(0, width, 64)]
        if y == self.last:
            low, high = (
                np.concatenate([values(b, np.array([end]))[0] for b in blocks]) for end in (-1e30, 1e30)
            )
            are_bounds = np.abs([low, high]).max() < 1e29 and (low <= high).all()
            if are_bounds and all(
                error(values(b, z), np.clip(z[:, None], low[b], high[b])) <= tolerance for b in blocks
            ):
                self.bounds = low, high
                return [Part(Identity())]
        if width == 1:
            f = values(slice(0, 1), z)[:, 0]
            errors = [error(f, np.asarray(each.f(z))) for each in (*known, *own)]
            best = int(np.argmin(errors))
            if errors[best] <= tolerance:
                return [Part((*known, *own)[best])]
            return _clipped(f, error, tolerance)
        slopes = np.concatenate([-values(block, np.array([-1.0]))[0] for block in blocks])
        if all(
            error(values(b, z), np.where(z[:, None] > 0, z[:, None], slopes[b] * z[:, None])) <= tolerance
            for b in blocks
        ):
            return [Part(PReLU(), (slopes,))]
        for each in known:
            rise = np.asarray(each.f(NEAR)) - NEAR
            alpha = np.concatenate([rise @ (values(b, NEAR) - NEAR[:, None]) for b in blocks]) / (rise @ rise)
            if not np.isfinite(alpha).all():
                continue
            rise = (np.asarray(each.f(z)) - z)[:, None]
            if all(error(values(b, z), z[:, None] + alpha[b] * rise) <= tolerance for b in blocks):
                return [Part(ParametricActivation(each), (alpha,))]
        return None

    def add_node(
        self, parts: list[Part], node: Node, dims: tuple[int, ...] | None, is_input: bool
    ) -> tuple[int, ...] | None:
        """Add the layer of one node; return the shape of what it makes."""
        a, op, x = node.settings, node.op, self.constants
        given = [x.get(name) for name in node.reads]
        if op in ("MatMul", "Gemm"):
            W = given[1] if len(given) > 1 and given[0] is None else None
            if W is None or W.ndim != 2 or a.get("transA", 0):
                self.refuse(node, "multiplies other things than rows by a matrix of constants")
            W = W.T if a.get("transB", 0) else W
            if dims is None:
                self.inputs, dims = len(W), (len(W),)
            if dims[-1] != len(W) or math.prod(dims[:-1]) != 1:
                self.refuse(node, f"multiplies rows of {_listed(map(str, dims))} by a matrix {W.shape}")
            kind = np.result_type(W.dtype, np.float32)
            self.is_float64 |= kind == np.float64
            W = W.astype(kind) * a.get("alpha", 1.0) if a.get("alpha", 1.0) != 1 else W.astype(kind)
            part = dense(W)
            if len(node.reads) > 2 and node.reads[2]:
                b = np.asarray(given[2], kind) * a.get("beta", 1.0)
                if given[2] is None or np.broadcast_shapes(b.shape, (1, W.shape[1])) != (1, W.shape[1]):
                    self.refuse(node, "adds something that is no bias")
                part = dense(W, np.broadcast_to(b, (1, W.shape[1]))[0])
            parts.append(part)
            return (W.shape[1],)
        if op in ("Flatten", "Reshape", "Squeeze"):
            return self.reshaped(node, dims)
        if dims is None:
            self.refuse(node, "comes before the width of its input is known")
        width = math.prod(dims)
        if op == "BatchNormalization":
            gamma, beta, mean, var = (np.asarray(v) for v in given[1:5])
            if (
                a.get("training_mode")
                or len(dims) > 1
                or any(v.shape != (width,) for v in (gamma, beta, mean, var))
            ):
                self.refuse(node, "normalizes other things than columns")
            momentum = _short(a.get("momentum", 0.9))
            layer = BatchNorm(momentum if 0 <= momentum < 1 else 0.9, _short(a.get("epsilon", 1e-5)))
            parts.append(Part(layer, (gamma, beta), (mean, var)))
        elif op == "Scaler" and len(dims) == 1:
            scale, center = (np.asarray(a[name], np.float64) for name in ("scale", "offset"))
            if {scale.size, center.size} - {1, width}:
                self.refuse(node, f"scales other columns than {width}")
            add_affine(parts, scale, -center * scale, is_input)
        elif op in ("Softmax", "LogSoftmax") and a.get("axis", 1 if self.opset < 13 else -1) in (
            len(dims),
            -1,
        ):
            if len(dims) > 1:
                self.refuse(node, "is about other things than columns")
            if op == "LogSoftmax" and self.readers.get(node.makes):
                self.refuse(node, "takes logarithms in the middle of the network")
            parts.append(Part(Softmax()))
        elif op == "Exp" and node.makes == self.last:
            self.loss = Poisson()
        elif op == "Dropout":
            ratio = _short(a.get("ratio", 0.5) if len(given) < 2 or given[1] is None else float(given[1]))
            if 0 < ratio < 1:
                parts.append(Part(Dropout(ratio)))
        elif op == "Cast" and {self.nodes[k].op for k in self.readers.get(node.makes, ())} == {
            "OneHotEncoder"
        }:
            pass  # whole numbers, of which a category is one
        elif op == "Expand" and self.keeps_shape(node, dims):
            pass
        elif op == "OneHotEncoder" and dims == (1,) and a.get("cats_int64s"):
            return _one_hot(parts, np.array(a["cats_int64s"]))
        elif op == "Split" and len(dims) == 1 and a.get("axis", 0) in (1, -1):
            return self.split(parts, node, width)
        elif (
            (op == "ArrayFeatureExtractor" or (op == "Gather" and a.get("axis", 0) in (1, -1)))
            and len(dims) == 1
            and given[1] is not None
        ):
            return self.take(parts, node, [int(k) % width for k in given[1].ravel() if -width <= k < width])
        elif op == "Slice" and len(dims) == 1 and None not in given[1:]:
            return self.take(parts, node, range(width)[_range(a, given[1:], 1)])
        else:
            self.refuse(node, "computes what no layer or activation of Chainrule does")
        return dims

    def keeps_shape(self, node: Node, dims: tuple[int, ...]) -> bool:
        """Return whether Expand leaves a value as it is: for its own shape, or that of what is made of it by column."""
        shape = self.constants.get(node.reads[1])
        if shape is None or shape.tolist() in ([1, *dims], [self.rows, *dims]):
            return shape is not None
        waiting, seen = [node.reads[1]], {node.reads[0]}
        while waiting:
            if (name := waiting.pop()) in seen:
                continue
            seen.add(name)
            if name in self.tensors:
                lengths = self.tensors[name].dims
                if math.prod(lengths) != 1 and (
                    len(dims) > 1 or math.prod(lengths) != dims[0] != lengths[-1]
                ):
                    return False
                continue
            made = self.nodes[self.maker[name]] if name in self.maker else None
            if made is not None and made.op == "Gemm" and made.reads[1] in self.tensors:
                if self.tensors[made.reads[1]].dims[0 if made.settings.get("transB") else 1] != dims[-1]:
                    return False
            elif made is not None and made.op in {*ELEMENTWISE, "Constant", "ConstantOfShape", "Shape"}:
                waiting += made.reads
            else:
                return False
        return True

    def reshaped(self, node: Node, dims: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """Return the shape behind a node that keeps the numbers of each row together; refuse another."""
        if dims is None:
            self.refuse(node, "comes before the width of its input is known")
        width = math.prod(dims)
        if node.op == "Flatten":
            if node.settings.get("axis", 1) not in (1, -len(dims)):
                self.refuse(node, "flattens rows together")
            return (width,)
        shape = self.constants.get(node.reads[1]) if len(node.reads) > 1 else None
        if node.op == "Squeeze":
            axes = node.settings.get("axes", ()) if shape is None else shape.ravel().tolist()
            axes = {int(k) % (len(dims) + 1) for k in axes}
            left = tuple(n for k, n in enumerate(dims, 1) if k not in axes)
            if not axes or 0 in axes or math.prod(left) != width:
                self.refuse(node, "drops more than axes of one number")
            return left or (1,)
        rows, *lengths = ([] if shape is None else shape.ravel().tolist()) or [0]
        if rows == -1 and lengths in ([], [1]) and (width == 1 or node.makes == self.last):
            return dims  # the outputs of all rows, one beneath the other: the same numbers
        lengths = [
            dims[k] if n == 0 and k < len(dims) and not node.settings.get("allowzero") else n
            for k, n in enumerate(lengths)
        ]
        if lengths.count(-1) == 1 and rows != -1:
            rest = math.prod(n for n in lengths if n != -1)
            lengths = [width // rest if n == -1 and rest > 0 else n for n in lengths]
        keeps = rows in (BATCH, -1, 0) or (rows > 0 and rows == self.rows)
        if shape is None or not keeps or min(lengths, default=0) <= 0 or math.prod(lengths) != width:
            self.refuse(node, "reshapes rows into others")
        return tuple(lengths)

    def add_block(
        self,
        parts: list[Part],
        x: str,
        last: Node,
        between: Sequence[int],
        dims: tuple[int, ...] | None,
        depth: int,
    ) -> tuple[int, ...] | None:
        """Add the block whose ways from x come together in a node; return the shape of what it makes."""
        ways = [name for name in last.reads if name and name not in self.constants]
        is_sum = last.op in ("Add", "Sum") or (last.op == "Sub" and ways[0] == x)
        is_join = last.op == "Concat" and last.settings.get("axis") in (1, -1)
        ops = [self.nodes[k].op for k in between]
        readers = {self.nodes[k].op for k in self.readers.get(last.makes, ())}
        if is_sum and ops == ["ReduceLogSumExp", "Sub"] and readers == {"Softmax"}:
            return dims  # a softmax is the same with and without the logarithm of the sum
        if (
            depth >= MAX_DEPTH
            or not (is_sum or is_join)
            or len(ways) < 2
            or (is_sum and len(ways) != 2)
            or len(ways) != len(last.reads)
        ):
            self.refuse(last, "brings ways together that no block of Chainrule does")
        inside = [self.between(way, between) for way in ways]
        chains = [self.walk(x, dims, way, some, depth + 1) for way, some in zip(ways, inside, strict=True)]
        dims = dims or (self.inputs or 0,)
        widths = [math.prod(made if made is not None and chain else dims) for chain, made in chains]
        branch, other = chains[0][0], chains[1][0]
        if last.op == "Sub":
            branch, other = [*other, Part(Rescale(-1.0))], []
        elif not branch:
            branch, other = other, branch
        if is_join:
            if len(chains) == 2 and [type(part.layer) for part in (*branch, *other)] == [Dense, Dense]:
                pairs = zip(branch[0].arrays, other[0].arrays, strict=True)
                parts.append(dense(*(np.concatenate(pair, -1) for pair in pairs)))
            elif len(chains) == 2 and branch and not other:
                self.check_columns(last, sum(widths))
                parts.append(_block(Skip, branch))
                if not chains[0][0]:
                    self.take(parts, last, [*range(widths[1], sum(widths)), *range(widths[1])])
            else:
                self.join(parts, last, [chain for chain, _ in chains], widths, math.prod(dims))
            return (sum(widths),)
        if widths[0] != widths[1] or not branch:
            self.refuse(last, "adds values of different widths, or one to itself")
        if other:
            branch, other = (branch, other) if len(other) == 1 else (other, branch)
            if len(other) != 1 or type(other[0].layer) is not Dense:
                self.refuse(last, "adds ways of which none is the value itself or a dense layer of it")
            W, b = other[0].arrays
            if widths[0] == math.prod(dims):  # [F(a), a] times [1, W] is F(a) + a W
                parts += [_block(Skip, branch), dense(np.concatenate([np.eye(len(b), dtype=W.dtype), W]), b)]
                return (widths[0],)
            add_affine(branch, np.ones(1), b, False)
            parts.append(_block(Residual, branch, (Part(other[0].layer, (W,)),)))
        else:
            parts.append(_block(Residual, branch))
        return (widths[0],)

    def join(
        self, parts: list[Part], node: Node, chains: Sequence[list[Part]], widths: Sequence[int], width: int
    ) -> None:
        """Add [F1(a), ..., Fn(a)] of n chains: a block for each, [Fk(a), ..., F1(a), a], and a Take that orders them.

        width: of a.  A chain that selects columns alone needs no block.
        """
        self.check_columns(node, (width + sum(widths)) * len(chains))
        total, starts, blocks = 0, list[int](), list[Part]()
        for chain, own in zip(chains, widths, strict=True):
            if [part for part in chain if type(part.layer) is not Take]:
                of_a = [Part(Take(tuple(range(total, total + width))))] if total else []
                blocks.append(_block(Skip, [*of_a, *chain]))
                total += own
            starts.append(total)
        columns: list[int] = []
        for chain, own, start in zip(chains, widths, starts, strict=True):
            if [part for part in chain if type(part.layer) is not Take]:
                columns += range(total - start, total - start + own)
                continue
            chosen = list(range(total, total + width))
            for part in chain:
                chosen = [chosen[k] for k in part.layer.columns]  # type: ignore[attr-defined]
            columns += chosen
        parts += blocks
        self.take(parts, node, columns)

    def split(self, parts: list[Part], node: Node, width: int) -> tuple[int, ...]:
        """Add the selection of the columns of one of the values that Split makes."""
        part, count = node.settings["part"]
        sizes = self.constants.get(node.reads[1]) if len(node.reads) > 1 else node.settings.get("split")
        longest = -(-width // count)
        sizes = (
            [longest] * (count - 1) + [width - longest * (count - 1)] if sizes is None else np.ravel(sizes)
        )
        ends = np.cumsum(sizes).tolist()
        if len(ends) != count or ends[-1] != width or min(sizes) < 1:
            self.refuse(node, f"splits other columns than {width}")
        return self.take(parts, node, range(ends[part] - int(sizes[part]), ends[part]))

    def take(self, parts: list[Part], node: Node, columns: Sequence[int]) -> tuple[int, ...]:
        """Add the selection of some columns; return the shape of what it makes."""
        self.check_columns(node, len(columns))
        parts.append(Part(Take(tuple(columns))))
        return (len(columns),)

    def check_columns(self, node: Node, count: int) -> None:
        """Refuse a node that selects more columns than the file has room for."""
        if count * BYTES_OF_COLUMN > self.room:
            self.refuse(node, "takes more columns than the file has bytes")

    def between(self, end: str, among: Sequence[int]) -> frozenset[int]:
        """Return those of some nodes that a value needs."""
        needs, found = {end}, set[int]()
        for k in reversed(sorted(among)):
            if self.nodes[k].makes in needs:
                found.add(k)
                needs.update(self.nodes[k].reads)
        return frozenset(found)


def _block(kind: type[Residual | Skip], branch: list[Part], shortcut: tuple[Part, ...] = ()) -> Part:
    return Part(kind([part.layer for part in branch]), inside=(tuple(branch), shortcut))


def _clipped(f: Array, error: Callable[[Array, Array], float], tolerance: float) -> list[Part] | None:
    """Return the layers of y = min(max(s z + t, low), high), from its values f at NEAR and FAR; None for another one.

    max(u, low) = relu(u - low) + low      min(v, high) = high - relu(high - v)
    """
    z, (low, high) = np.concatenate([NEAR, FAR]), (f[len(NEAR)], f[-1])
    if not np.isfinite(f).all():
        return None
    steps = np.diff(f[:401]) / np.diff(NEAR[:401])
    s = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    between = np.flatnonzero((f > low) & (f < high))
    if not len(between) or s == 0:
        return None
    s = _short(round(s, 9))
    middle = between[np.argmin(np.abs(z[between]))]
    t = _short(round(float(f[middle] - s * z[middle]), 7))
    ends = [_short(round(float(end), 7)) if abs(end) < 1e3 else None for end in (low, high)]
    if error(f, _clip(s * z + t, {"min": ends[0], "max": ends[1]})) > tolerance:
        return None
    parts: list[Part] = []
    for sign, end in zip((1.0, -1.0), ends, strict=True):
        if end is not None:
            parts += [Part(Rescale(sign * s, sign * (t - end))), Part(ReLU())]
            s, t = sign, end
    parts.append(Part(Rescale(s, t)))
    return [part for part in parts if part.layer != Rescale(1.0)]


def _one_hot(parts: list[Part], categories: NDArray[np.int64]) -> tuple[int, ...]:
    """Add [x = c1, ..., x = ck] of a column of whole numbers, as dense layers; return the shape.

    x = c is relu(x - c + 1) - 2 relu(x - c) + relu(x - c - 1), which is exact in float32 below 2^23.
    """
    if np.abs(categories).max() >= 1 << 22:
        raise ValueError("a category that float32 does not represent")
    knots = np.unique([categories - 1, categories, categories + 1])
    V = np.zeros((len(knots), len(categories)), np.float32)
    for step, factor in ((-1, 1), (0, -2), (1, 1)):
        V[np.searchsorted(knots, categories + step), np.arange(len(categories))] = factor
    parts += [dense(np.ones((1, len(knots)), np.float32), -knots.astype(np.float32))]
    parts += [Part(ReLU()), dense(V)]
    return (len(categories),)


def _listed(names: Iterable[str]) -> str:
    """Return some names in a sentence, the first three."""
    some = list(names)
    return ", ".join(some[:3]) + (f" and {len(some) - 3} more" if len(some) > 3 else "")


def _short(number: float) -> float:
    """Return 0.01 for the number in float32 that stands for it; others as they are."""
    short = float(str(np.float32(number)))
    return short if np.float32(number) == number else float(number)


def _range(settings: Mapping[str, Any], given: Sequence[Any], axis: int = 0) -> slice:
    """Return what Slice takes of an axis, from its settings (before opset 10) or its inputs."""
    values = list(given) or [settings.get(name) for name in ("starts", "ends", "axes")]
    start, end, at, step = (None if v is None else np.ravel(v).tolist() for v in (*values, None, None)[:4])
    if start is None or end is None or len(start) != 1 or (at is not None and at[0] not in (axis, -1)):
        raise ValueError("a slice of several axes")
    return slice(int(start[0]), int(end[0]), None if step is None else int(step[0]))
