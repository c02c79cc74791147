"""Networks that were trained elsewhere: what is opened answers as ONNX Runtime and the library that trained it do."""

from __future__ import annotations

import json
import re
import tracemalloc
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler

import chainrule as c
from commands import invoke
from needs import needs

onnxruntime.set_default_logger_severity(4)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6)).astype(np.float32)
LABELS = np.arange(50) % 3
W1, b1, W2, b2, W3, b3 = (
    (RNG.normal(size=shape) / 3).astype(np.float32) for shape in ((6, 5), (5,), (5, 4), (4,), (5, 5), (5,))
)
v = RNG.uniform(0.5, 2, 5).astype(np.float32)
WEIGHTS = {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "W3": W3, "b3": b3, "v": v}
Step = tuple[Any, ...]
"""A node: the operator, what it reads, what it makes, and its settings, as in ("Gemm", "x W b", "z", {"transB": 1})."""


def node(op: str, reads: str, makes: str, settings: Mapping[str, Any] | None = None) -> onnx.NodeProto:
    names = ["" if name == "-" else name for name in reads.split()]
    domain = "ai.onnx.ml" if op in ("Scaler", "ZipMap", "ArrayFeatureExtractor") else ""
    return helper.make_node(
        op, names, makes.split(), name=f"{op}_{makes.split()[0]}", domain=domain, **(settings or {})
    )


def model(
    *steps: Step,
    shape: Sequence[Any] = ("n", 6),
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("y",),
    **constants: Any,
) -> bytes:
    """An ONNX file of nodes from x to y, with the constants that they read."""
    nodes = [node(*step) for step in steps]
    read = {name for each in nodes for name in each.input}
    tensors = [
        each if isinstance(each, TensorProto) else numpy_helper.from_array(np.asarray(each), name)
        for name, each in (WEIGHTS | constants).items()
        if name in read
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
        tensors,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 2)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())


def by_runtime(content: bytes, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The last output of a file, by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}[
        given.type
    ]
    lengths = [each for each in given.shape[1:] if isinstance(each, int)] or [-1]
    made = session.run(None, {given.name: rows.reshape(len(rows), *lengths).astype(kind)})[-1]
    return np.array([list(row.values()) for row in made]) if isinstance(made, list) else np.asarray(made)


def answers(opened: c.Model, rows: np.ndarray[Any, Any], like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the model answers, in the form of the file's output."""
    made = opened.predict(rows) if opened.task == "regression" else opened.predict_proba(rows)
    made = made[:, 1:] if opened.task == "binary" and like.size == len(rows) else made
    return made.reshape(like.shape)


def check(content: bytes, folder: Path, rows: np.ndarray[Any, Any] = X, tolerance: float = 1e-6) -> c.Model:
    """Open a file, and compare its answers with ONNX Runtime's."""
    path = folder / "net.onnx"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = c.open(path)
    wanted = by_runtime(content, rows)
    apart = np.abs(answers(opened, rows, wanted) - wanted) / np.maximum(1, np.abs(wanted))
    assert apart.max() <= tolerance, (apart.max(), opened.network)
    return opened


def layers(opened: c.Model) -> str:
    return repr(list(opened.network.layers)).strip("[]")


FIRST: Step = ("Gemm", "x W1 b1", "h")
LAST: Step = ("Gemm", "a W2 b2", "y")


# --- activations: each by its operator, and taken apart as exporters do


ROOT = np.float32(np.sqrt(2))
FUNCTIONS: dict[str, tuple[str, list[Step], dict[str, Any]]] = {
    "Relu": ("ReLU()", [("Relu", "h", "a")], {}),
    "LeakyRelu": ("LeakyReLU(slope=0.3)", [("LeakyRelu", "h", "a", {"alpha": 0.3})], {}),
    "Elu": ("ELU(alpha=0.5)", [("Elu", "h", "a", {"alpha": 0.5})], {}),
    "Celu of 1": ("ELU()", [("Celu", "h", "a")], {}),
    "Selu": ("SELU()", [("Selu", "h", "a")], {}),
    "Elu times a number": (
        "SELU()",
        [("Elu", "h", "e", {"alpha": 1.6732632}), ("Mul", "e k", "a")],
        {"k": np.float32(1.050701)},
    ),
    "Sigmoid": ("Sigmoid()", [("Sigmoid", "h", "a")], {}),
    "Tanh": ("Tanh()", [("Tanh", "h", "a")], {}),
    "Softplus": ("Softplus()", [("Softplus", "h", "a")], {}),
    "Softplus taken apart": (
        "Softplus()",
        [("Exp", "h", "e"), ("Add", "e one", "f"), ("Log", "f", "a")],
        {"one": np.float32(1)},
    ),
    "GELU by Erf": (
        "GELU()",
        [
            ("Div", "h root", "p"),
            ("Erf", "p", "q"),
            ("Add", "q one", "r"),
            ("Mul", "h r", "s"),
            ("Mul", "s half", "a"),
        ],
        {"root": ROOT, "one": np.float32(1), "half": np.float32(0.5)},
    ),
    "GELU by tanh and Pow": (
        "GELUTanh()",
        [
            ("Pow", "h three", "p"),
            ("Mul", "p k", "q"),
            ("Add", "h q", "r"),
            ("Mul", "r m", "s"),
            ("Tanh", "s", "t"),
            ("Add", "t one", "u"),
            ("Mul", "h half", "w"),
            ("Mul", "w u", "a"),
        ],
        {
            "three": np.float32(3),
            "k": np.float32(0.044715),
            "m": np.float32(np.sqrt(2 / np.pi)),
            "one": np.float32(1),
            "half": np.float32(0.5),
        },
    ),
    "SiLU": ("SiLU()", [("Sigmoid", "h", "s"), ("Mul", "s h", "a")], {}),
    "Mish": ("Mish()", [("Softplus", "h", "s"), ("Tanh", "s", "t"), ("Mul", "h t", "a")], {}),
    "PRelu": ("PReLU()", [("PRelu", "h v", "a")], {}),
    "a leaky maximum": (
        "LeakyReLU(slope=0.25)",
        [("Mul", "h k", "s"), ("Max", "s h", "a")],
        {"k": np.float32(0.25)},
    ),
    "scale": ("Scale()", [("Mul", "v h", "a")], {}),
    "scale and shift": ("Scale(), Shift()", [("Mul", "v h", "s"), ("Add", "s b3", "a")], {}),
    "a number": (
        "Rescale(2.0, offset=3.0)",
        [("Mul", "h k", "s"), ("Add", "m s", "a")],
        {"k": np.float32(2), "m": np.float32(3)},
    ),
    "negative": ("Rescale(-1.0)", [("Neg", "h", "a")], {}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_known_by_its_values(name: str, tmp_path: Path):
    wanted, steps, constants = FUNCTIONS[name]
    opened = check(model(FIRST, *steps, LAST, **constants), tmp_path)
    assert layers(opened) == f"Dense(5), {wanted}, Dense(4)"


@pytest.mark.parametrize("kind", ["none", "tanh"])
def test_gelu_as_an_operator(kind: str, tmp_path: Path):
    opened = check(model(FIRST, ("Gelu", "h", "a", {"approximate": kind}), LAST, opset=20), tmp_path)
    assert layers(opened) == f"Dense(5), {'GELUTanh' if kind == 'tanh' else 'GELU'}(), Dense(4)"


def test_a_factor_by_column_of_an_activation(tmp_path: Path):
    """h + v (tanh(h) - h), as `export` writes a ParametricActivation."""
    steps: list[Step] = [("Tanh", "h", "t"), ("Sub", "t h", "d"), ("Mul", "d v", "e"), ("Add", "h e", "a")]
    opened = check(model(FIRST, *steps, LAST), tmp_path)
    assert layers(opened) == "Dense(5), ParametricActivation(Tanh()), Dense(4)"
    np.testing.assert_allclose(opened.parameters["parametric_activation_1"].alpha, v, rtol=1e-6)


# --- the forms of products, shapes, scalers and blocks


FORMS: dict[str, tuple[str, bytes]] = {
    "MatMul and Add": (
        "Dense(5), ReLU(), Dense(4)",
        model(("MatMul", "x W1", "m"), ("Add", "b1 m", "h"), ("Relu", "h", "a"), ("MatMul", "a W2", "y")),
    ),
    "transB, alpha and beta": (
        "Dense(5), ReLU(), Dense(4)",
        model(
            ("Gemm", "x T b1", "h", {"transB": 1, "alpha": 0.5, "beta": 2.0}),
            ("Relu", "h", "a"),
            LAST,
            T=W1.T.copy(),
        ),
    ),
    "a transposed weight": (
        "Dense(5)",
        model(("Transpose", "T", "W", {"perm": [1, 0]}), ("MatMul", "x W", "y"), T=W1.T.copy()),
    ),
    "constants as nodes": (
        "Dense(5), Rescale(0.5), Tanh()",
        model(("Constant", "", "k", {"value_float": 0.5}), FIRST, ("Mul", "h k", "g"), ("Tanh", "g", "y")),
    ),
    "float16": (
        "Dense(5), ReLU(), Dense(4)",
        model(
            ("Cast", "V", "W", {"to": TensorProto.FLOAT}),
            ("MatMul", "x W", "h"),
            ("Relu", "h", "a"),
            LAST,
            V=W1.astype(np.float16),
        ),
    ),
    "typed fields": (
        "Dense(5)",
        model(
            ("Gemm", "x W b1", "y"),
            W=helper.make_tensor("W", TensorProto.FLOAT, W1.shape, W1.ravel().tolist()),
        ),
    ),
    "pictures that are flattened": (
        "Dense(5)",
        model(("Flatten", "x", "f"), ("Gemm", "f W1 b1", "y"), shape=("n", 1, 2, 3)),
    ),
    "pictures scaled, then reshaped": (
        "Rescale(0.5), Dense(5)",
        model(
            ("Div", "x two", "h"),
            ("Reshape", "h s", "f"),
            ("Gemm", "f W1 b1", "y"),
            shape=("n", 2, 3),
            two=np.float32(2),
            s=np.array([-1, 6]),
        ),
    ),
    "a shape that is computed": (
        "Dense(5)",
        model(
            ("Shape", "x", "s"),
            ("Gather", "s zero", "n"),
            ("Unsqueeze", "n axes", "m"),
            ("Concat", "m minus", "t", {"axis": 0}),
            ("Reshape", "x t", "f"),
            ("Gemm", "f W1 b1", "y"),
            shape=("n", 2, 3),
            zero=np.array(0),
            axes=np.array([0]),
            minus=np.array([-1]),
        ),
    ),
    "a standardization": (
        "Standardize(), Dense(5)",
        model(("Sub", "x m", "c"), ("Div", "c s", "d"), ("Gemm", "d W1 b1", "y"), m=X.mean(0), s=X.std(0)),
    ),
    "a scaler": (
        "Standardize(), Dense(5)",
        model(
            ("Scaler", "x", "d", {"offset": X.mean(0).tolist(), "scale": (1 / X.std(0)).tolist()}),
            ("Gemm", "d W1 b1", "y"),
        ),
    ),
    "batch normalization": (
        "Dense(5), BatchNorm(momentum=0.8, eps=0.001), ReLU()",
        model(
            FIRST,
            ("BatchNormalization", "h v b1 b3 v", "n", {"epsilon": 1e-3, "momentum": 0.8}),
            ("Relu", "n", "y"),
        ),
    ),
    "dropout": (
        "Dense(5), Dropout(rate=0.2), Dense(4)",
        model(FIRST, ("Dropout", "h r", "a"), LAST, r=np.float32(0.2)),
    ),
    "a residual block": (
        "Dense(5), Residual([Dense(5), Tanh()]), Dense(4)",
        model(FIRST, ("Gemm", "h W3 b3", "z"), ("Tanh", "z", "t"), ("Add", "t h", "a"), LAST),
    ),
    "a projected shortcut": (
        "Dense(5), Residual([Dense(4), Tanh(), Shift()])",
        model(
            FIRST,
            ("Gemm", "h W2 b2", "z"),
            ("Tanh", "z", "t"),
            ("Gemm", "h V b2", "p"),
            ("Add", "p t", "y"),
            V=W2[::-1].copy(),
        ),
    ),
    "a dense shortcut of the same width": (
        "Dense(5), Skip([Dense(5), Tanh()]), Dense(5)",
        model(
            FIRST,
            ("Gemm", "h W3 b3", "z"),
            ("Tanh", "z", "t"),
            ("MatMul", "h V", "p"),
            ("Add", "t p", "y"),
            V=W3.T.copy(),
        ),
    ),
    "a block within a block": (
        "Dense(5), Residual([Tanh(), Residual([Dense(5)])])",
        model(
            FIRST,
            ("Tanh", "h", "t"),
            ("Gemm", "t W3 b3", "z"),
            ("Add", "z t", "s"),
            ("Sub", "s zero", "u"),
            ("Add", "h u", "y"),
            zero=np.float32(0),
        ),
    ),
    "joined behind": (
        "Dense(5), Skip([Dense(5), ReLU()])",
        model(FIRST, ("Gemm", "h W3 b3", "z"), ("Relu", "z", "r"), ("Concat", "r h", "y", {"axis": 1})),
    ),
    "joined in front": (
        "Dense(5), Skip([Dense(4), ReLU()]), Take([4, 5, 6, 7, 8, 0, 1, 2, 3])",
        model(FIRST, ("Gemm", "h W2 b2", "z"), ("Relu", "z", "r"), ("Concat", "h r", "y", {"axis": -1})),
    ),
    "two heads that are joined": (
        "Dense(5), Dense(9)",
        model(FIRST, ("Gemm", "h W2 b2", "p"), ("Gemm", "h W3 b3", "q"), ("Concat", "p q", "y", {"axis": 1})),
    ),
    "chosen columns": (
        "Take([2, 0, 5]), Dense(5)",
        model(("Gather", "x k", "t", {"axis": 1}), ("MatMul", "t V", "y"), k=np.array([2, 0, -1]), V=W1[:3]),
    ),
    "a slice of the columns": (
        "Take([1, 2, 3]), Dense(5)",
        model(
            ("Slice", "x i j one", "t"),
            ("MatMul", "t V", "y"),
            i=np.array([1]),
            j=np.array([4]),
            one=np.array([1]),
            V=W1[:3],
        ),
    ),
    "float64": (
        "Dense(5), Sigmoid(), Dense(4)",
        model(
            ("Gemm", "x W b", "h"),
            ("Sigmoid", "h", "a"),
            ("MatMul", "a V", "y"),
            dtype=TensorProto.DOUBLE,
            W=W1.astype(float),
            b=b1.astype(float),
            V=W2.astype(float),
        ),
    ),
    "clipped answers": (
        "Dense(5)",
        model(FIRST, ("Clip", "h low high", "y"), low=np.float32(-0.5), high=np.float32(1)),
    ),
    "opset 7": (
        "Dense(5), ReLU(), Dense(4)",
        model(("Gemm", "x W1 b1", "h"), ("Relu", "h", "a"), ("Gemm", "a W2 b2", "y"), opset=7),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_of_a_file(name: str, tmp_path: Path):
    wanted, content = FORMS[name]
    opened = check(content, tmp_path)
    assert layers(opened) == wanted
    assert opened.dtype == (np.float64 if name == "float64" else np.float32)
    if name == "clipped answers":
        assert opened.target_scale is not None and opened.target_scale.high.tolist() == [1.0] * 5


def test_the_loss_is_that_of_the_last_layer(tmp_path: Path):
    softmax, logarithms, sigmoid = (
        check(model(FIRST, (op, "h", "y"), opset=opset), tmp_path, tolerance=tolerance)
        for op, opset, tolerance in (("Softmax", 11, 1e-6), ("LogSoftmax", 13, np.inf), ("Sigmoid", 13, 1e-6))
    )
    assert softmax.network.loss == logarithms.network.loss == c.SoftmaxCrossEntropy()
    assert softmax.task == "multiclass" and layers(softmax) == "Dense(5)"
    assert sigmoid.network.loss == c.BinaryCrossEntropy() and layers(sigmoid) == "Dense(5), Sigmoid()"
    logits = tmp_path / "logits.onnx"
    logits.write_bytes(model(FIRST, ("Tanh", "h", "a"), LAST))
    assert c.open(logits).network.loss == c.MeanSquaredError()
    opened = c.open(logits, loss=c.SoftmaxCrossEntropy())
    np.testing.assert_allclose(opened.outputs(X), by_runtime(logits.read_bytes(), X), atol=1e-6)
    assert opened.task == "multiclass"


def test_one_of_several_outputs(tmp_path: Path):
    path = tmp_path / "policy.onnx"
    path.write_bytes(model(FIRST, ("Gemm", "x W1 b3", "g"), outputs=("h", "g")))
    with pytest.raises(c.FormatError, match=rf"choose one, as in {re.escape(str(path))}:h: h, g\."):
        c.open(path)
    assert np.allclose(c.open(path, output="g").predict(X), X @ W1 + b3, atol=1e-5)
    assert (c.open(f"{path}:g").predict(X) == c.open(path, output="g").predict(X)).all()
    with pytest.raises(c.FormatError, match="has no output 'k'; it has 'h', 'g'"):
        c.open(path, output="k")


def test_several_inputs_that_are_joined_first_have_names(tmp_path: Path):
    made = onnx.load_from_string(
        model(("Concat", "age x", "j", {"axis": 1}), ("MatMul", "j V", "y"), shape=("n", 1), V=W1[:2])
    )
    made.graph.input.insert(0, helper.make_tensor_value_info("age", TensorProto.FLOAT, ("n", 1)))
    onnx.save(made, tmp_path / "net.onnx")
    opened = c.open(tmp_path / "net.onnx")
    assert opened.feature_names == ("age", "x")
    assert np.allclose(opened.predict(X[:, :2]), X[:, :2] @ W1[:2], atol=1e-6)


def test_numbers_in_a_file_beside_it_and_nowhere_else(tmp_path: Path):
    made = onnx.load_from_string(model(FIRST, ("Relu", "h", "y")))
    onnx.save(made, tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    opened = c.open(tmp_path / "net.onnx")
    assert np.allclose(opened.predict(X), np.maximum(X @ W1 + b1, 0), atol=1e-6)
    (tmp_path / "net.data").write_bytes(b"short")
    with pytest.raises(c.FormatError, match=r"net\.data is shorter than the numbers of 'W1'"):
        c.open(tmp_path / "net.onnx")
    (tmp_path / "net.data").unlink()
    with pytest.raises(c.FormatError, match=r"are in 'net\.data' beside it, which cannot be read"):
        c.open(tmp_path / "net.onnx")
    inner = tmp_path / "inner"
    inner.mkdir()
    for place in ("../net.data", str(tmp_path / "net.data")):
        content = onnx.load(tmp_path / "net.onnx", load_external_data=False)
        for tensor in content.graph.initializer:
            tensor.external_data[0].value = place
        (inner / "net.onnx").write_bytes(content.SerializeToString())
        with pytest.raises(c.FormatError, match="outside of its folder"):
            c.open(inner / "net.onnx")


# --- what is refused, with the node, its operator and its neighbors


REFUSED: dict[str, tuple[str, bytes]] = {
    "a convolution": (
        r"the node 'Conv_k' \(Conv\) cannot be .* it reads 'x', and 'Flatten_y' \(Flatten\) reads it\.",
        model(
            ("Conv", "x K", "k"),
            ("Flatten", "k", "y"),
            shape=("n", 1, 4, 4),
            K=np.ones((1, 1, 2, 2), np.float32),
        ),
    ),
    "another function": (
        r"'HardSwish_a' \(HardSwish\) cannot be .* reads 'Gemm_h' \(Gemm\), and 'Gemm_y' \(Gemm\)",
        model(FIRST, ("HardSwish", "h", "a"), LAST),
    ),
    "layer normalization": (
        r"\(LayerNormalization\)",
        model(FIRST, ("LayerNormalization", "h v b3", "a"), LAST),
    ),
    "a product of two ways": (
        r"the node 'Mul_a' \(Mul\) cannot be a layer: it brings ways together",
        model(FIRST, ("Gemm", "h W3 b3", "g"), ("Mul", "h g", "a"), LAST),
    ),
    "ways that cross": (
        r"the node 'Add_a' \(Add\) cannot be a layer: it adds ways of which none is the value itself",
        model(
            FIRST,
            ("Tanh", "h", "p"),
            ("Gemm", "p W3 b3", "q"),
            ("Gemm", "h W3 b1", "r"),
            ("Add", "q r", "s"),
            ("Add", "s p", "a"),
            LAST,
        ),
    ),
    "rows that are mixed": (
        "reshapes rows into others",
        model(("Reshape", "x s", "r"), ("MatMul", "r V", "y"), s=np.array([-1, 3]), V=W1[:3]),
    ),
    "a matrix that does not fit": (
        r"multiplies rows of 6 by a matrix \(5, 4\)",
        model(("MatMul", "x W2", "y")),
    ),
    "an old opset": ("has opset 6; export it again with opset 13", model(FIRST, ("Relu", "h", "y"), opset=6)),
    "a value that nothing makes": (
        r"reads 'q', which nothing before it makes",
        model(("MatMul", "x q", "y")),
    ),
    "a tensor of other numbers": (
        r"the tensor 'W1' should have 30 numbers, but has others",
        b"",
    ),
    "NaN": (
        "there is NaN or infinity among its numbers",
        model(("MatMul", "x V", "y"), V=np.full((6, 2), np.nan, np.float32)),
    ),
    "an input without numbers for it": (
        "its input 'x' is larger than the file",
        model(FIRST, ("Relu", "h", "y"), shape=("n", 2**40)),
    ),
    "columns that the file does not have": (
        "takes more columns than the file has bytes",
        model(
            ("Tanh", "x", "t"),
            ("Sigmoid", "x", "s"),
            ("Concat", "x t s", "y", {"axis": 1}),
            shape=("n", 2**19),
        ),
    ),
    "a tensor of 40 axes": (
        "is damaged",
        model(("MatMul", "x W1", "h"), ("Add", "h d", "y"), d=np.ones((1,) * 39 + (5,), np.float32)),
    ),
    "no protobuf": ("is not a complete ONNX file", b"PK\x03\x04 no network"),
    "nothing": ("has no nodes", b""),
    "constants that double": (
        "makes constants larger than the file",
        model(
            ("Concat", "b1 b1", "c0", {"axis": 0}),
            *(("Concat", f"c{k} c{k}", f"c{k + 1}", {"axis": 0}) for k in range(30)),
            ("Add", "x c30", "y"),
        ),
    ),
    "a constant made of a row and a column": (
        "larger than the file",
        model(
            ("Mul", "row column", "p"),
            ("Add", "x p", "y"),
            row=np.ones((1, 9000), np.float32),
            column=np.ones((9000, 1), np.float32),
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_sentence(name: str, tmp_path: Path):
    says, content = REFUSED[name]
    path = tmp_path / "net.onnx"
    if name == "a tensor of other numbers":
        made = onnx.load_from_string(model(FIRST, ("Relu", "h", "y")))
        made.graph.initializer[0].raw_data = b"1234"
        content = made.SerializeToString()
    path.write_bytes(content)
    with pytest.raises(c.FormatError, match=says) as error:
        c.open(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "says"),
    {
        "net.pt": r"torch\.onnx\.export\(module",
        "net.pkl": r"chainrule\.open\(FITTED\)",
        "policy.zip": "policy_net",
    }.items(),
)
def test_a_file_that_may_run_code_names_what_writes_another(name: str, says: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"PK\x03\x04" * 9)
    for read in (c.open, c.load):
        with pytest.raises(c.FormatError, match=says):
            read(tmp_path / name)


# --- exporters


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", range(4))
def test_own_exports(case: int, dtype: str, tmp_path: Path):
    blocks = c.Residual([c.Dense(8), c.Mish()]), c.Skip([c.Dense(3), c.SELU()])
    stack, loss, y = (
        (
            [c.Standardize(), c.Dense(8), c.BatchNorm(), c.GELU(), *blocks, c.Dense(3)],
            c.SoftmaxCrossEntropy(),
            np.array(["a", "b", "c"])[LABELS],
        ),
        (
            [c.Dense(8), c.PReLU(), c.Dense(6), c.ParametricActivation(c.Mish()), c.Dense(1)],
            c.SigmoidCrossEntropy(),
            LABELS > 0,
        ),
        (
            [c.Take([0, 2, 1]), c.Dense(8), c.GELUTanh(), c.Shift(), c.ELU(0.3), blocks[0], c.Dense(2)],
            c.MeanSquaredError(),
            X[:, :2] * 100 + 50,
        ),
        ([c.Dense(8), c.SiLU(), c.Dense(1)], c.Poisson(), LABELS),
    )[case]
    settings = {"scale_targets": "clamp"} if case == 2 else {}
    made = c.Model(c.Network(6, stack, loss), dtype=dtype)
    made.fit(X, y, epochs=2, **settings)
    made.export(tmp_path / "net.onnx", X, dtype=dtype, **({"label": True} if case < 2 else {}))
    opened = c.open(tmp_path / "net.onnx")
    assert opened.dtype == made.dtype and opened.task == made.task and opened.labels == made.labels
    one, other = (
        each.predict(X) if made.task == "regression" else each.predict_proba(X) for each in (made, opened)
    )
    np.testing.assert_allclose(
        other, one, rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-5 if case == 2 else 1e-6
    )
    if made.target_scale is not None:
        np.testing.assert_allclose(
            opened.target_scale.to_data()["low"], made.target_scale.to_data()["low"], rtol=1e-6
        )


@needs("torch")
@pytest.mark.parametrize("opset", [11, 17])
def test_pytorch(opset: int, tmp_path: Path):
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.2))
            self.block = nn.Sequential(
                nn.Linear(8, 8), nn.GELU(approximate="tanh"), nn.Linear(8, 8), nn.Mish()
            )
            self.last = nn.Sequential(nn.Linear(16, 5), nn.PReLU(5), nn.Linear(5, 3), nn.Softmax(1))

        def forward(self, x: Any) -> Any:
            a = self.first(x.view(x.size(0), -1))
            a = a + self.block(a)
            return self.last(torch.cat([torch.nn.functional.silu(a), a], 1))

    torch.manual_seed(0)
    net = Net().eval()
    net.first[1].running_mean.normal_()
    net.first[1].running_var.uniform_(0.5, 2)
    names = {"dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"], "opset_version": opset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, torch.zeros(2, 2, 3), tmp_path / "made.onnx", dynamo=False, **names)
    opened = check((tmp_path / "made.onnx").read_bytes(), tmp_path)
    assert layers(opened).endswith("Skip([SiLU()]), Dense(5), PReLU(), Dense(3)")
    with torch.no_grad():
        wanted = net(torch.tensor(X).reshape(-1, 2, 3)).numpy()
    np.testing.assert_allclose(opened.predict_proba(X), wanted, atol=1e-6)


FEW = {"max_iter": 20, "random_state": 0}
FITTED: dict[str, tuple[Any, Any]] = {
    "three classes": (make_pipeline(StandardScaler(), MLPClassifier(**FEW)), LABELS),
    "text": (MLPClassifier(**FEW, activation="logistic"), np.array(["a", "b", "c"])[LABELS]),
    "two classes": (make_pipeline(MinMaxScaler(), MLPClassifier(**FEW, activation="tanh")), LABELS > 0),
    "numbers": (make_pipeline(RobustScaler(), MLPRegressor(**FEW, activation="identity")), X[:, 0]),
    "two numbers": (make_pipeline(MaxAbsScaler(), MLPRegressor(**FEW, hidden_layer_sizes=(9, 5))), X[:, :2]),
    "several labels": (MLPClassifier(**FEW), np.eye(3, dtype=int)[LABELS]),
}


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_fitted_estimator(name: str):
    theirs, y = FITTED[name]
    theirs.fit(X.astype(float), y)
    opened = c.open(theirs)
    own = (opened.predict if opened.task == "regression" else opened.predict_proba)(X.astype(float))
    wanted = (theirs.predict if opened.task == "regression" else theirs.predict_proba)(X.astype(float))
    np.testing.assert_allclose(own, wanted, rtol=1e-12, atol=1e-14)
    if opened.task != "regression":
        assert np.array_equal(opened.predict(X.astype(float)), theirs.predict(X.astype(float)))


@needs("skl2onnx")
@pytest.mark.parametrize("name", ["three classes", "text", "two classes", "numbers", "two numbers"])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_skl2onnx(name: str, tmp_path: Path):
    from skl2onnx import to_onnx

    theirs, y = FITTED[name]
    theirs.fit(X, y)
    opened = check(to_onnx(theirs, X[:1]).SerializeToString(), tmp_path)
    if opened.task != "regression":
        assert opened.labels == np.unique(y).tolist()
        assert np.array_equal(opened.predict(X), theirs.predict(X))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_names_of_a_fitted_pipeline():
    frame = load_iris(as_frame=True)
    theirs = make_pipeline(StandardScaler(), MLPClassifier(max_iter=30, random_state=0)).fit(
        frame.data, frame.target
    )
    opened = c.open(theirs)
    assert opened.feature_names == tuple(frame.data.columns)
    assert opened.evaluate(frame.data, frame.target)["accuracy"] == theirs.score(frame.data, frame.target)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (MLPClassifier(), "fit it first"),
        (make_pipeline(PolynomialFeatures(), MLPClassifier(max_iter=1)), "open takes StandardScaler"),
        (5, "open takes a path, or a fitted MLPClassifier"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_no_network_in_memory(given: Any, says: str):
    if hasattr(given, "steps"):
        given.fit(X, LABELS)
    with pytest.raises(c.ConfigError, match=says):
        c.open(given)


# --- the weights of a module, without its layers


def test_a_state_dict(tmp_path: Path):
    """Weights (outputs, inputs) in the order of their names: 10 behind 9."""
    path, statistics = tmp_path / "net.safetensors", {"9.running_mean": b3, "9.running_var": v}
    tensors = {"0.weight": W1.T.copy(), "0.bias": b1, "10.weight": W2.T.copy(), "10.bias": b2}
    save_file(
        tensors | {"9.weight": v, "9.bias": b1, "9.num_batches_tracked": np.array(3)} | statistics, path
    )
    with pytest.warns(UserWarning, match="no activations: ReLU is taken"):
        assert layers(c.open(path)) == "Dense(5), BatchNorm(), ReLU(), Dense(4)"
    opened = c.open(path, activation="tanh", loss=c.SoftmaxCrossEntropy())
    z = (X @ W1 + b1 - b3) / np.sqrt(v + 1e-5) * v + b1
    np.testing.assert_allclose(opened.outputs(X), np.tanh(z) @ W2 + b2, atol=1e-5)
    with pytest.raises(c.ConfigError, match="activation must be one of"):
        c.open(path, activation="wave")
    save_file({"conv.weight": np.ones((2, 2, 3, 3), np.float32)}, path)
    with pytest.raises(c.FormatError, match=r"conv.weight has the shape \(2, 2, 3, 3\)"):
        c.open(path, activation=c.Tanh())
    save_file({"scale": v}, path)
    with pytest.raises(c.FormatError, match="has 'scale' among its tensors"):
        c.open(path, activation=c.Tanh())


def test_an_own_file_is_opened_as_it_is(tmp_path: Path):
    made = c.Model(c.Network(6, [c.Dense(2)], c.SoftmaxCrossEntropy()))
    made.save(tmp_path / "net.safetensors")
    assert c.open(tmp_path / "net.safetensors").theta.tobytes() == made.theta.tobytes()
    with pytest.raises(c.ConfigError, match="has its network with it"):
        c.open(tmp_path / "net.safetensors", loss=c.MeanSquaredError())


# --- the whole tool behind it


def test_training_goes_on_and_everything_else_works(tmp_path: Path):
    rng = np.random.default_rng(1)
    rows, labels = rng.normal(size=(300, 6)).astype(np.float32), rng.integers(0, 5, 300)
    content = model(
        ("Sub", "x m", "c"),
        ("Div", "c s", "d"),
        ("Gemm", "d W1 b1", "h"),
        ("Softmax", "h", "y"),
        m=rows.mean(0),
        s=rows.std(0),
    )
    opened = check(content, tmp_path, rows)
    assert "not trained here yet" in repr(opened)
    mean = opened.states["standardize_1"].mean.copy()
    before = opened.evaluate(rows, labels)["loss"]
    assert opened.check_gradients(rows, labels).error < 1e-5
    assert opened.trace(rows[0], labels[0]).derive("dense_1.W[3,1]")
    assert opened.attribute(rows[:2]).values.shape == (2, 6)
    for ending in ("c", "js", "onnx"):
        assert opened.export(tmp_path / f"again.{ending}", rows).difference < 1e-5
    assert opened.export(tmp_path / "int8.c", rows, dtype="int8").effect is not None
    opened.fit(rows, labels, epochs=3)
    assert opened.evaluate(rows, labels)["loss"] < before
    assert opened.states["standardize_1"].mean.tobytes() == mean.tobytes()
    opened.save(tmp_path / "own.safetensors")
    assert c.load(tmp_path / "own.safetensors").predict(rows).tolist() == opened.predict(rows).tolist()


def test_the_command_takes_a_file_for_a_model(tmp_path: Path):
    path = tmp_path / "net.onnx"
    path.write_bytes(model(FIRST, ("Tanh", "h", "a"), ("Gemm", "a W2 b2", "l"), ("Softmax", "l", "y")))
    np.save(tmp_path / "rows.npy", X[:3])
    described = json.loads(invoke(["info", path, "--json"]).stdout)
    assert (described["inputs"], described["outputs"], described["loss"]) == (6, 4, "softmax_cross_entropy")
    assert [each["kind"] for each in described["network"]["layers"]] == ["dense", "tanh", "dense"]
    assert "dense_2  Dense(4)" in invoke(["info", path]).stdout
    rows = json.loads(invoke(["predict", path, tmp_path / "rows.npy", "--json"]).stdout)
    assert [int(row["predicted"]) for row in rows] == by_runtime(path.read_bytes(), X[:3]).argmax(1).tolist()
    before = path.read_bytes()
    refused = invoke(["export", path, "--onnx"])
    assert refused.exit_code == 2 and "is the model's own file; name another with --out" in refused.stderr
    assert path.read_bytes() == before
    assert invoke(["export", path, "--js"]).exit_code == 0 and (tmp_path / "net.js").exists()


# --- damaged files


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def message(field: int, content: bytes) -> bytes:
    return varint(8 * field + 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    "content",
    {
        "nodes": message(7, 500_000 * message(1, b"")),
        "initializers": message(7, 500_000 * message(5, b"")),
        "settings": message(7, 250 * message(1, 2000 * message(5, b""))),
        "lengths of an input": message(7, message(11, message(2, message(1, message(2, 500_000 * message(1, b"")))))),
    }.values(),
)  # fmt: skip
def test_a_million_empty_messages_are_refused_before_they_are_read(content: bytes, tmp_path: Path):
    """Each would take fifty times its two bytes in memory."""
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08" + content)
    with pytest.raises(c.FormatError, match="has more than 400,000 parts"):
        c.open(tmp_path / "net.onnx")


@pytest.mark.parametrize("fields", ["raw", "typed"])
def test_memory_is_a_small_multiple_of_the_file(fields: str, tmp_path: Path):
    V = np.ones((6, 60_000), np.float32)
    W = V if fields == "raw" else helper.make_tensor("W", TensorProto.FLOAT, V.shape, V.ravel())
    content = model(("MatMul", "x W", "h"), ("Add", "h v", "y"), W=W, v=V[0])
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    c.open(path)  # imports count for no file
    inflated = content.replace(b"\xe0\xd4\x03", b"\xe0\xd4\x7f")
    assert inflated != content
    for data in (content, inflated, content[: len(content) // 2]):
        path.write_bytes(data)
        tracemalloc.start()
        try:
            c.open(path)
        except c.FormatError:
            assert data is not content
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * len(data)
