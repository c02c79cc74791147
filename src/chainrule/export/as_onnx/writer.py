"""What an ONNX model is written with: nodes, constants by their values, and the type of each value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, ML_OPSET, IR_VERSION = 13, 2, 7
"""The lowest that have all words used here: what ONNX Runtime 1.6 and everything after it reads."""
DOUBLE = np.dtype(np.float64)


class OnnxWriter:
    """Nodes that are added one after the other; a value is the name of the node's output.

    network: the precision of networks, float32 or float64; the preparation of a table is float64 in both.
    prefix: what the names of values begin with, and that of no input does.
    """

    def __init__(self, network: np.dtype[np.floating], prefix: str = "/") -> None:
        """Begin without nodes."""
        self.network, self.prefix = network, prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.types: dict[str, np.dtype[np.floating]] = {}
        """of values that are numbers"""
        self.label = ""
        """what the step is called that is being written"""
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def begin(self, label: str) -> None:
        """Let the names of the next nodes begin with a label."""
        self.label = label

    def node(
        self,
        operator: str,
        *values: str,
        dtype: np.dtype[np.floating] | None = None,
        domain: str = "",
        **settings: object,
    ) -> str:
        """Add a node; return its output. dtype: of its numbers, None for that of the first value."""
        self._count += 1
        name = f"{self.prefix}{self.label}/{operator.lower()}_{self._count}"
        self.nodes.append(
            helper.make_node(operator, list(values), [name], name=name, domain=domain, **settings)
        )
        found = dtype or next((self.types[value] for value in values if value in self.types), None)
        if found is not None:
            self.types[name] = found
        return name

    def constant(self, values: object, dtype: np.dtype[np.generic] | type[np.generic]) -> str:
        """Return a constant; equal ones are stored once."""
        array: NDArray[np.generic] = np.asarray(values, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = f"{self.prefix}constant_{len(self.constants) + 1}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def like(self, values: object, x: str) -> str:
        """Return a constant in the precision of x."""
        return self.constant(values, self.types[x])

    def integers(self, values: object) -> str:
        """Return a constant of integers."""
        return self.constant(values, np.int64)

    def cast(self, x: str, dtype: np.dtype[np.floating]) -> str:
        """Return numbers in a precision."""
        if self.types.get(x) == dtype:
            return x
        return self.node("Cast", x, dtype=dtype, to=helper.np_dtype_to_tensor_dtype(dtype))

    def cast_of(self, x: str, dtype: np.dtype[np.floating]) -> str:
        """Return booleans or integers as numbers."""
        return self.node("Cast", x, dtype=dtype, to=self.number_type(dtype))

    def sorted_rows(self, x: str, count: int) -> str:
        """Return the numbers of each row in ascending order."""
        self._count += 1
        name = f"{self.prefix}{self.label}/sorted_{self._count}"
        reads = [x, self.integers([count])]
        settings = {"axis": 1, "largest": 0, "sorted": 1}
        self.nodes.append(helper.make_node("TopK", reads, [name, f"{name}_places"], name=name, **settings))
        self.types[name] = self.types[x]
        return name

    def whole(self, x: str) -> str:
        """Return numbers or booleans as integers."""
        self._count += 1
        name = f"{self.prefix}{self.label}/codes_{self._count}"
        self.nodes.append(helper.make_node("Cast", [x], [name], name=name, to=TensorProto.INT64))
        return name

    def each_row(self, x: str, row: Callable[[str], str], outputs: int) -> str:
        """Return what nodes make of each row (columns,) of x, all of them (n, outputs).

        row: adds the nodes of one, which may read other values and constants. It is a Loop, which takes no rows too.
        """
        rows = self.node("Gather", self.node("Shape", x), self.integers(0), axis=0)
        before, self.nodes = self.nodes, []
        self._count += 1
        place, goes_on = (f"{self.prefix}{self.label}/{name}_{self._count}" for name in ("place", "on"))
        made = row(self.node("Gather", x, place, axis=0))
        still = self.node("Identity", goes_on)
        body = helper.make_graph(
            self.nodes,
            "row",
            [
                helper.make_tensor_value_info(place, TensorProto.INT64, []),
                helper.make_tensor_value_info(goes_on, TensorProto.BOOL, []),
            ],
            [
                helper.make_tensor_value_info(still, TensorProto.BOOL, []),
                helper.make_tensor_value_info(made, self.number_type(self.types[made]), [outputs]),
            ],
        )
        self.nodes = before
        return self.node("Loop", rows, "", dtype=self.types[made], body=body)

    def reshape(self, x: str, *shape: int) -> str:
        """Return a value in another shape, -1 for the rows."""
        return self.node("Reshape", x, self.integers(shape))

    def input(self, name: str, kind: int, columns: int) -> None:
        """Add an input of the model, of any number of rows."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["N", columns]))

    def number_type(self, dtype: np.dtype[np.floating]) -> int:
        """Return ONNX's number of a precision."""
        return int(helper.np_dtype_to_tensor_dtype(dtype))

    def model(self, outputs: Sequence[onnx.ValueInfoProto], version: str) -> onnx.ModelProto:
        """Return the model of all nodes. version: of this package."""
        graph = helper.make_graph(self.nodes, "chainrule", self.inputs, list(outputs), self.constants)
        imports = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self.nodes):
            imports.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        return helper.make_model(
            graph,
            opset_imports=imports,
            ir_version=IR_VERSION,
            producer_name="chainrule",
            producer_version=version,
        )
