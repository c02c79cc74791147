"""ONNX Runtime: prediction of a network built with onnx.helper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.cases import Case, LayerWeights
from speed.peers.base import Peer


class OnnxRuntime(Peer):
    """ONNX Runtime on a graph of Gemm and Relu, with all graph optimizations."""

    packages = ("onnxruntime", "onnx")

    def __init__(self, threads: int) -> None:
        """Import the library."""
        import onnxruntime

        self.runtime, self.threads = onnxruntime, threads

    def refusal(self, case: Case) -> str | None:
        """Refuse networks other than plain ones."""
        return None if case.blocks == "plain" else f"{case.blocks} is not written down for it here"

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Build the graph with the initial weights, and its session."""
        from onnx import TensorProto, helper, numpy_helper

        nodes, constants, a = [], [], "X"
        for i, layer in enumerate(layers):
            out = f"z{i}" if i < len(layers) - 1 else "out"
            constants += [
                numpy_helper.from_array(layer.W, f"W{i}"),
                numpy_helper.from_array(layer.b, f"b{i}"),
            ]
            nodes.append(helper.make_node("Gemm", [a, f"W{i}", f"b{i}"], [out]))
            a = out
            if out != "out":
                a = f"a{i}"
                nodes.append(helper.make_node("Relu", [out], [a]))
        place = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
            for name, width in (("X", case.widths[0]), ("out", case.widths[-1]))
        ]
        graph = helper.make_graph(nodes, "network", place[:1], place[1:], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        self.session = self.runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Raise NotImplementedError: this peer only predicts."""
        raise NotImplementedError("ONNX Runtime predicts only")

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Compute the network's logits or numbers."""
        return np.asarray(self.session.run(None, {"X": X})[0])

    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Return a prediction by one run of the session."""
        run, names, feed = self.session.run, ["out"], {"X": X}
        return lambda: run(names, feed)[0]
