"""Networks of files that are dropped on the page: its own reader answers as ONNX Runtime does, and refuses in words."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

import chainrule as c
from chainrule.studio.page.assets import modules, texts
from chainrule.studio.page.join import needed
from mutated import mutant
from mutated_networks import edit_graph
from needs import needs
from web_engine import built, run, text

onnxruntime.set_default_logger_severity(4)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)
LABELS = np.arange(40) % 3
W1, b1, W2, b2 = ((RNG.normal(size=n) / 3).astype(np.float32) for n in ((6, 5), (5,), (5, 4), (4,)))
v = RNG.uniform(0.5, 2, 5).astype(np.float32)
ENTRIES = ("play/opened.js", "play/studio.js", "play/graph.js", "network.js")
BYTES_OF_SCRIPT = 60_000

HEAD = """
const { openNetwork } = await import('./modules/play/opened.js');
const { describe } = await import('./modules/play/studio.js');
const { makeNetwork } = await import('./modules/network.js');
const { createGraph } = await import('./modules/play/graph.js');
const bytesOf = (text) => Uint8Array.from(Buffer.from(text, 'base64'));
"""
ANSWERS = """
say(given.map(({ name, file, rows, chosen }) => {
  try {
    const { network, about, guesses } = openNetwork(engine, { name, bytes: bytesOf(file) }, null, chosen ?? {});
    const model = describe(network, network.config, { name, ...about }), shown = makeNetwork(model);
    const answers = rows.map((row) => Array.from(shown.answer(shown.forward(row).at(-1).a)));
    const link = model.links.find(({ kind }) => kind === 'dense').name, y = new Float64Array(model.outputs);
    const derives = model.loss.kind !== 'poisson', x = Float64Array.from(rows[0]);
    const slope = derives ? createGraph(model, x, y, 1).gradientOf(`${link}.b`)[0] : null;
    const { links, task, classes, features } = model;
    return { answers, kinds: links.map(({ kind }) => kind), task, classes, features, guesses, slope };
  } catch (error) {
    if (!error.says) throw error;
    return { says: error.says };
  }
}));
"""


def page_folder(folder: Path) -> Path:
    """The folder with the page's modules."""
    scripts = modules()
    for name in needed(ENTRIES, scripts):
        path = folder / "modules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scripts[name], "utf-8")
    return folder


def opened(folder: Path, *files: bytes, name: str = "net.onnx", **more: Any) -> list[dict[str, Any]]:
    """What the page makes of files, and its answers to X."""
    given = [{"name": name, "file": text(file), "rows": X.tolist()} | more for file in files]
    found: list[dict[str, Any]] = run(page_folder(folder), HEAD + ANSWERS, given)
    return found


def by_runtime(content: bytes, rows: np.ndarray[Any, Any] = X) -> np.ndarray[Any, Any]:
    """The last output of a file."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    lengths = [each for each in entry.shape[1:] if isinstance(each, int)] or [-1]
    kind = np.float64 if entry.type == "tensor(double)" else np.float32
    made = session.run(None, {entry.name: rows.reshape(len(rows), *lengths).astype(kind)})
    last = next((each for each in made if not isinstance(each, np.ndarray)), None)
    if last is not None:
        return np.array([list(row.values()) for row in last])
    return np.asarray(next(each for each in made if each.dtype.kind == "f"))


def model(*steps: Any, shape: Any = ("n", 6), opset: int = 17, **constants: Any) -> bytes:
    """An ONNX file of nodes from x to y: (operator, what it reads, what it makes, settings)."""
    nodes = [
        helper.make_node(
            op, reads.split(), makes.split(), name=f"{op}_{makes.split()[0]}", **(more or [{}])[0]
        )
        for op, reads, makes, *more in steps
    ]
    read = {name for each in nodes for name in each.input}
    known = {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "v": v} | constants
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(each), key) for key, each in known.items() if key in read],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(made.SerializeToString())


FIRST, LAST = ("Gemm", "x W1 b1", "h"), ("Gemm", "a W2 b2", "y")


def of_torch(opset: int, *layers: Any) -> bytes:
    """A module as PyTorch exports it."""
    import io

    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(*layers).eval()
    for each in net:
        if isinstance(each, torch.nn.BatchNorm1d):
            each.running_mean.normal_()
            each.running_var.uniform_(0.5, 2)
    into, names = (
        io.BytesIO(),
        {"dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"], "opset_version": opset},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, torch.zeros(2, 2, 3), into, dynamo=False, **names)
    return into.getvalue()


def by_torch() -> dict[str, bytes]:
    from torch import nn

    flat, n = nn.Flatten(), nn.Linear
    norm = nn.BatchNorm1d(6), n(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), n(8, 3)
    return {
        "torch, ReLU": of_torch(17, flat, n(6, 8), nn.ReLU(), n(8, 3)),
        "torch, norm": of_torch(17, flat, *norm),
        "torch, GELU": of_torch(11, flat, n(6, 8), nn.GELU(), n(8, 3), nn.Softmax(1)),
        "torch, SiLU": of_torch(13, flat, n(6, 8), nn.SiLU(), n(8, 1), nn.Sigmoid()),
        "torch, Mish": of_torch(17, flat, n(6, 8), nn.Mish(), n(8, 8), nn.ELU(), n(8, 2)),
        "torch, logarithms": of_torch(17, flat, n(6, 8), nn.LeakyReLU(0.2), n(8, 3), nn.LogSoftmax(1)),
        "torch, PReLU": of_torch(17, flat, n(6, 8, bias=False), nn.PReLU(8), n(8, 3)),
        "torch, bounds": of_torch(17, flat, n(6, 8), nn.SELU(), n(8, 2), nn.Hardtanh()),
    }


FEW = {"max_iter": 20, "random_state": 0}


def by_scikit_learn() -> dict[str, bytes]:
    from skl2onnx import to_onnx

    fitted = {
        "scikit-learn, two classes": (make_pipeline(StandardScaler(), MLPClassifier(**FEW)), LABELS > 0),
        "scikit-learn, text": (
            make_pipeline(MinMaxScaler(), MLPClassifier(**FEW, activation="logistic")),
            np.array(["a", "b", "c"])[LABELS],
        ),
        "scikit-learn, a number": (make_pipeline(RobustScaler(), MLPRegressor(**FEW)), X[:, 0]),
    }
    return {name: to_onnx(each.fit(X, y), X[:1]).SerializeToString() for name, (each, y) in fitted.items()}


def by_chainrule(folder: Path) -> dict[str, bytes]:
    cases = {
        "own, classes": (
            [c.Standardize(), c.Dense(8), c.BatchNorm(), c.GELU(), c.Dense(3)],
            c.SoftmaxCrossEntropy(),
            LABELS,
        ),
        "own, two classes": ([c.Dense(8), c.Mish(), c.Dense(1)], c.SigmoidCrossEntropy(), LABELS > 0),
        "own, numbers": ([c.Dense(8), c.PReLU(), c.Dense(2)], c.MeanSquaredError(), X[:, :2] * 9 + 5),
        "own, counts": ([c.Dense(8), c.SiLU(), c.Dense(1)], c.Poisson(), LABELS),
    }
    found = {}
    for name, (stack, loss, y) in cases.items():
        made = c.Model(c.Network(6, stack, loss))
        made.fit(X, y, epochs=2, **({"scale_targets": "clamp"} if name == "own, numbers" else {}))
        made.export(folder / "own.onnx", X, **({"label": True} if name == "own, classes" else {}))
        found[name] = (folder / "own.onnx").read_bytes()
    return found


@pytest.mark.slow
@needs("torch")
@needs("skl2onnx")
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_answers_of_three_exporters(tmp_path: Path):
    """Fifteen files, within 1e-5 of ONNX Runtime's."""
    built()
    cases = by_torch() | by_scikit_learn() | by_chainrule(tmp_path)
    for (name, content), found in zip(cases.items(), opened(tmp_path, *cases.values()), strict=True):
        assert "says" not in found, (name, found["says"])
        wanted, answers = by_runtime(content), np.array(found["answers"])
        wanted = np.exp(wanted) if "logarithms" in name else wanted
        if found["task"] == "binary" and wanted.shape[-1] != 2:
            answers = answers[:, 1:]
        np.testing.assert_allclose(answers, wanted.reshape(answers.shape), rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_forms_of_small_files(tmp_path: Path):
    """Products, reshapes, constants as nodes, and what is known by its values."""
    built()
    root, one = np.float32(np.sqrt(2)), np.float32(1)
    cases = {
        "a product and a sum": (
            model(("MatMul", "x W1", "m"), ("Add", "b1 m", "h"), ("Relu", "h", "a"), LAST),
            "dense relu dense",
        ),
        "alpha, beta and transB": (
            model(
                ("Gemm", "x T b1", "h", {"transB": 1, "alpha": 0.5, "beta": 2.0}),
                ("Tanh", "h", "a"),
                LAST,
                T=W1.T.copy(),
            ),
            "dense tanh dense",
        ),
        "a transposed weight": (
            model(("Transpose", "T", "W", {"perm": [1, 0]}), ("MatMul", "x W", "y"), T=W1.T.copy()),
            "dense",
        ),
        "float16": (
            model(
                ("Cast", "V", "W", {"to": TensorProto.FLOAT}), ("MatMul", "x W", "y"), V=W1.astype(np.float16)
            ),
            "dense",
        ),
        "typed fields": (model(("Gemm", "x W b1", "y"), W=W1), "dense"),
        "a computed shape": (
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
            "dense",
        ),
        "a standardization": (
            model(
                ("Sub", "x m", "c"), ("Div", "c s", "d"), ("Gemm", "d W1 b1", "y"), m=X.mean(0), s=X.std(0)
            ),
            "standardize dense",
        ),
        "factors in the middle": (
            model(FIRST, ("Relu", "h", "r"), ("Mul", "r v", "s"), ("Add", "s b1", "a"), LAST),
            "dense relu scale shift dense",
        ),
        "GELU by Erf": (
            model(
                FIRST,
                ("Div", "h root", "p"),
                ("Erf", "p", "q"),
                ("Add", "q one", "r"),
                ("Mul", "h r", "s"),
                ("Mul", "s half", "a"),
                LAST,
                root=root,
                one=one,
                half=one / 2,
            ),
            "dense gelu dense",
        ),
        "softplus taken apart": (
            model(FIRST, ("Exp", "h", "e"), ("Add", "e one", "f"), ("Log", "f", "a"), LAST, one=one),
            "dense softplus dense",
        ),
        "no shape": (model(FIRST, ("Relu", "h", "a"), LAST, shape=("n", "k")), "dense relu dense"),
    }
    made = opened(tmp_path, *(content for content, _ in cases.values()))
    for (name, (content, kinds)), found in zip(cases.items(), made, strict=True):
        assert found.get("kinds") == kinds.split(), (name, found)
        np.testing.assert_allclose(found["answers"], by_runtime(content), rtol=1e-5, atol=1e-5, err_msg=name)


REFUSED: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "a convolution": (
        "open.node",
        {"name": "Conv_k", "op": "Conv"},
        model(
            ("Conv", "x K", "k"), ("Flatten", "k", "y"), shape=("n", 1, 4, 4), K=np.ones((1, 1, 2, 2), "f4")
        ),
    ),
    "another function": (
        "open.node",
        {"name": "HardSigmoid_a", "op": "HardSigmoid"},
        model(FIRST, ("HardSigmoid", "h", "a"), LAST),
    ),
    "a residual sum": (
        "open.ways",
        {"name": "Add_y", "op": "Add"},
        model(FIRST, ("Tanh", "h", "t"), ("Gemm", "t V", "z"), ("Add", "z h", "y"), V=np.eye(5, dtype="f4")),
    ),
    "rows that are mixed": (
        "open.reshape",
        {"name": "Reshape_r", "op": "Reshape"},
        model(("Reshape", "x s", "r"), ("MatMul", "r V", "y"), s=np.array([-1, 3]), V=W1[:3]),
    ),
    "a matrix that does not fit": (
        "open.matrix",
        {"name": "MatMul_y", "op": "MatMul", "width": "6", "rows": 5},
        model(("MatMul", "x W2", "y")),
    ),
    "an old opset": ("open.opset", {"opset": 6}, model(FIRST, ("Relu", "h", "y"), opset=6)),
    "a value that nothing makes": (
        "open.reads",
        {"name": "MatMul_y", "op": "MatMul", "read": "q"},
        model(("MatMul", "x q", "y")),
    ),
    "NaN": ("open.nan", {}, model(("MatMul", "x V", "y"), V=np.full((6, 2), np.nan, np.float32))),
    "an integer type": (
        "open.type",
        {"name": "V", "type": "int8"},
        model(("MatMul", "x V", "y"), V=np.ones((6, 2), "i1")),
    ),
    "no protobuf": ("open.damaged", {}, b"PK\x03\x04 no network"),
    "nothing": ("open.damaged", {}, b""),
    "constants that double": (
        "open.too_large",
        {},
        model(
            ("Concat", "b1 b1", "c0", {"axis": 0}),
            *(("Concat", f"c{k} c{k}", f"c{k + 1}", {"axis": 0}) for k in range(30)),
            ("Add", "x c30", "y"),
        ),
    ),
    "a cycle": (
        "open.inputs",
        {"n": 0},
        model(("Relu", "x", "h"), ("Identity", "q", "y"), ("Identity", "y", "q")),
    ),
}


@pytest.mark.slow
def test_refused_by_the_name_of_the_node(tmp_path: Path):
    """In both languages, whose sentences have each value of the refusal."""
    built()
    made = opened(tmp_path, *(content for *_, content in REFUSED.values()))
    for (name, (key, values, _)), found in zip(REFUSED.items(), made, strict=True):
        assert found.get("says") == [key, values], (name, found)
        assert all(
            set(values) == {v for v in values if f"{{{v}}}" in texts()[key][lang]} for lang in ("en", "zh")
        )


@pytest.mark.slow
@needs("torch")
def test_the_state_of_a_module(tmp_path: Path):
    """In the order of its names; the activation is asked for, and another tensor is named."""
    built()
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = [
        nn.Linear(6, 8),
        nn.BatchNorm1d(8),
        nn.ELU(),
        *(m for _ in range(5) for m in (nn.Linear(8, 8), nn.ELU())),
    ]
    net = nn.Sequential(*layers, nn.Linear(8, 3)).eval()
    net[1].running_var.uniform_(0.5, 2)
    state = {f"net.{name}": value.numpy() for name, value in net.state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    content, name = (tmp_path / "net.safetensors").read_bytes(), "net.safetensors"
    (found,) = opened(tmp_path, content, name=name, chosen={"activation": "elu"})
    with torch.no_grad():
        np.testing.assert_allclose(found["answers"], net(torch.tensor(X)).numpy(), rtol=1e-5, atol=1e-5)
    assert found["kinds"] == ["dense", "batch_norm", "elu", *["dense", "elu"] * 5, "dense"]
    (guessed,) = opened(tmp_path, content, name=name)
    assert {each["key"]: each["value"] for each in guessed["guesses"]} == {
        "activation": "relu",
        "answers": "numbers",
    }
    save_file(state | {"conv.weight": np.ones((2, 1, 3, 3), "f4")}, tmp_path / "net.safetensors")
    (refused,) = opened(tmp_path, (tmp_path / "net.safetensors").read_bytes(), name=name)
    assert refused["says"] == ["open.state", {"name": "conv.weight", "shape": "(2, 1, 3, 3)"}]


FUZZED = """
const seconds = [];
const found = { opened: 0, refused: 0, other: [] };
for (const [k, { name, file }] of given.entries()) {
  const bytes = bytesOf(file), begun = performance.now();
  try {
    openNetwork(engine, { name, bytes }, null, {}).network.free();
    found.opened += 1;
  } catch (error) {
    if (error.says || error.constructor === Error) found.refused += 1;
    else found.other.push(`${k} ${error.stack}`);
  }
  seconds.push((performance.now() - begun) / 1000);
}
say({ ...found, slowest: Math.max(...seconds), memory: process.memoryUsage().rss });
"""


@pytest.mark.slow
def test_two_thousand_mutated_files(tmp_path: Path):
    """Each is opened or refused, none takes seconds or makes another error."""
    built()
    own = c.Model(c.Network(6, [c.Standardize(), c.Dense(8), c.ReLU(), c.Dense(3)], c.SoftmaxCrossEntropy()))
    own.fit(X, LABELS, epochs=1)
    own.save(tmp_path / "own.safetensors")
    save_file(
        {"a.weight": W1.T.copy(), "a.bias": b1, "b.weight": W2.T.copy()}, tmp_path / "state.safetensors"
    )
    own.export(tmp_path / "own.onnx", X)
    taken_apart = model(
        ("Shape", "x", "s"),
        ("Reshape", "x t", "f"),
        ("Sub", "f m", "c"),
        ("Gemm", "c W1 b1", "h"),
        ("BatchNormalization", "h v b1 b1 v", "n"),
        ("Sigmoid", "n", "g"),
        ("Mul", "n g", "a"),
        ("Gemm", "a W2 b2", "z"),
        ("Softmax", "z", "y", {"axis": 1}),
        shape=("n", 2, 3),
        t=np.array([0, -1]),
        m=X.mean(0),
    )
    goods = {
        "net.onnx": [(tmp_path / "own.onnx").read_bytes(), taken_apart],
        "net.safetensors": [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("own", "state")],
    }
    files = []
    for k in range(2000):
        name = "net.safetensors" if k % 3 == 0 else "net.onnx"
        made = mutant(goods[name], np.random.default_rng([0, k]), edit_graph if k % 3 == 1 else None)
        files.append({"name": name, "file": text(made)})
    found = run(page_folder(tmp_path), HEAD + FUZZED, files)
    assert found["other"] == [] and found["slowest"] < 5
    assert found["opened"] + found["refused"] == 2000 and found["opened"] > 100 and found["refused"] > 500


def test_the_readers_script_is_small():
    scripts = modules()
    own = set(needed(["play/opened.js"], scripts)) - {"activations.js"}
    assert own == {"play/opened.js", "play/onnx.js", "play/parts.js", "play/protobuf.js"}
    assert sum(len(scripts[name].encode()) for name in own) < BYTES_OF_SCRIPT
