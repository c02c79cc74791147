"""Models in files: an exact round trip of everything, and a sentence for every file that is not one."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import chainrule as c
from chainrule.engines.native import REASON
from chainrule.formulas.initializers import INITIALIZERS
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.trained.persistence import (
    DEFAULTS_1,
    LAYERS,
    completed,
    custom_defaults,
    encode,
    network_config,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "model_format_1.safetensors"
"""A model that an earlier version saved."""

X = np.random.default_rng(1).normal(size=(20, 4))
Y = np.arange(20) % 3


def network(*layers: Any, loss: Any = None, **settings: Any) -> c.Network:
    return c.Network(4, [*layers, c.Dense(3)], loss or c.SoftmaxCrossEntropy(), **settings)


def model(*layers: Any, **settings: Any) -> c.Model:
    return c.Model(network(*layers or [c.Dense(3), c.Tanh()]), **settings)


def check_round_trip(made: c.Model, path: Path, custom: Any = None) -> c.Model:
    made.save(path)
    again = c.load(path, custom=custom)
    assert repr(again.network) == repr(made.network)
    assert again.theta.tobytes() == made.theta.tobytes() and again.dtype == made.dtype
    assert again.states.keys() == made.states.keys()
    for name, state in made.states.items():
        for a, b in zip(state, again.states[name], strict=True):
            assert np.shape(a) == np.shape(b) and np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert (again.seed, again.frozen) == (made.seed, made.frozen)
    assert (again.epochs_trained, again.steps_trained) == (made.epochs_trained, made.steps_trained)
    assert (again.classes is None) == (made.classes is None)
    if made.classes is not None:
        assert again.classes is not None and again.classes.tolist() == made.classes.tolist()
    assert again.outputs(X).tobytes() == made.outputs(X).tobytes()
    bytes_before = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == bytes_before
    return again


# Every layer that a file may name, with its defaults and with other settings.
LAYER_LIST: dict[str, list[c.Layer]] = {kind: [layer()] for kind, layer in ACTIVATIONS.items()} | {
    "rescale": [c.Rescale(1 / 255), c.Rescale(-2, offset=0.5)],
    "standardize": [c.Standardize()],
    "scale": [c.Scale(), c.Scale(6)],
    "take": [c.Take([1, 0, 1])],
    "grouped_dense": [
        c.GroupedDense(2, 1),
        c.GroupedDense(3, 1, True, False, c.HeNormal(), 0.5, 2.0, 0.1, 0.0, "ntk"),
    ],
    "shift": [c.Shift(), c.Shift(2.0, 0.5, c.SameForMembers(c.Uniform(0.1), 2))],
    "embedding": [c.Embedding([(1, 3, 2)]), c.Embedding([(2, 5, 1), (0, 3, 2)], std=0.1)],
    "periodic_embedding": [
        c.PeriodicEmbedding(3),
        c.PeriodicEmbedding(8, 3, columns=(2, 0), sigma=0.5, rate=0.1, decays=0.5),
    ],
    "parametric_activation": [
        c.ParametricActivation(c.Mish()),
        c.ParametricActivation(c.ELU(0.5), rate=0.1, decays=0.3),
    ],
    "piecewise_linear_embedding": [
        c.PiecewiseLinearEmbedding(3, 4),
        c.PiecewiseLinearEmbedding(columns=(2, 0), decays=0.5, linear_decays=1.0, rate=0.1, ties=4),
    ],
    "dense": [c.Dense(4)],
    "batch_norm": [c.BatchNorm(), c.BatchNorm(momentum=0.99, eps=1e-3)],
    "dropout": [c.Dropout(), c.Dropout(0.0)],
    "residual": [c.Residual([c.Dense(4), c.ReLU()]), c.Residual([c.Dense(7), c.Residual([c.BatchNorm()])])],
    "skip": [c.Skip([c.Dense(2)]), c.Skip([c.Skip([c.Dropout(0.1), c.PReLU()])])],
}
LAYER_LIST["leaky_relu"].append(c.LeakyReLU(0.3))
LAYER_LIST["prelu"].append(c.PReLU(0.1))
LAYER_LIST["elu"].append(c.ELU(0.5))


def test_every_layer_is_in_the_list():
    assert LAYER_LIST.keys() == LAYERS.keys()


@pytest.mark.parametrize("layer", [layer for found in LAYER_LIST.values() for layer in found], ids=repr)
@pytest.mark.filterwarnings("ignore:.*which is not a code")
def test_every_layer(layer: c.Layer, tmp_path: Path):
    made = model(layer)
    made.fit(X, Y, epochs=1, batch_size=8)
    again = check_round_trip(made, tmp_path / "model.safetensors")
    assert again.network.layers == made.network.layers
    made.fit(X, Y, epochs=1)
    again.fit(X, Y, epochs=1)  # the same shuffles, masks and statistics follow
    assert again.theta.tobytes() == made.theta.tobytes()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.filterwarnings("ignore:.*CrossEntropy expects probabilities")
def test_every_loss(loss: Any, tmp_path: Path):
    settings = {"huber": {"delta": 2.5}, "quantile": {"q": 0.9}, "mean_squared_error": {"half": True}}
    settings |= {"tweedie": {"power": 1.3}, "focal_cross_entropy": {"gamma": 1.0}}
    cross = {"label_smoothing": 0.1} if hasattr(loss, "label_smoothing") else {}
    for made in (loss(), loss(**settings.get(loss.kind, cross))):
        again = check_round_trip(c.Model(network(loss=made)), tmp_path / "model.safetensors")
        assert again.network.loss == made and type(again.network.loss) is loss


def test_a_loss_of_members(tmp_path: Path):
    layers = [c.GroupedDense(3, 2)]
    loss = c.MeanOverMembers(c.SoftmaxCrossEntropy(0.1), 2)
    made = c.Model(c.Network(4, layers, loss))
    made.save(tmp_path / "model.safetensors")
    assert c.load(tmp_path / "model.safetensors").network.loss == loss


@pytest.mark.parametrize("initializer", INITIALIZERS.values(), ids=INITIALIZERS)
def test_every_initializer(initializer: Any, tmp_path: Path):
    settings = {"orthogonal": {"gain": 2.0}, "constant": {"value": -0.5}}
    for made in (initializer(), initializer(**settings.get(initializer.kind, {}))):
        again = check_round_trip(model(c.Dense(4, made)), tmp_path / "model.safetensors")
        assert again.network.layers[0] == c.Dense(4, made)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precision_seed_penalties_and_frozen_links(dtype: str, tmp_path: Path):
    net = network(c.Dense(5), c.BatchNorm(), l2=0.01, l1=1e-4, max_norm=2.5)
    made = c.Model(net, seed=2**32 - 1, dtype=dtype).freeze("dense_1", "batch_norm_1")
    made.fit(X, Y, epochs=2)
    again = check_round_trip(made, tmp_path / "model.safetensors")
    assert (again.network.l2, again.network.l1, again.network.max_norm) == (0.01, 1e-4, 2.5)


def test_more_steps_than_32_bits_count(tmp_path: Path):
    made = model(c.Dropout(0.5), c.Dense(4))
    made.steps_trained, made.epochs_trained = 2**32 - 1, 2**33
    for engine in ("reference", "native", "auto"):
        if engine != "native" or REASON is None:
            made.fit(X, Y, epochs=1, engine=engine)
            again = check_round_trip(made, tmp_path / "model.safetensors")
            assert (again.steps_trained, again.epochs_trained) == (made.steps_trained, made.epochs_trained)
    assert made.steps_trained > 2**32


@pytest.mark.parametrize(
    "labels", [["é", "日本", 'a"b\\'], [-5, 0, 7], [0.25, 0.5, 1.0], [0, 1, 2], ["", " ", "0"]], ids=repr
)
def test_labels(labels: list[Any], tmp_path: Path):
    y = np.asarray(labels)[Y]
    made = model()
    made.fit(X, y, epochs=1)
    again = check_round_trip(made, tmp_path / "model.safetensors")
    assert again.predict(X).tolist() == made.predict(X).tolist()
    assert again.evaluate(X, y) == made.evaluate(X, y)


def test_an_untrained_model_and_one_without_parameters(tmp_path: Path):
    check_round_trip(model(), tmp_path / "model.safetensors")
    check_round_trip(
        c.Model(c.Network(4, [c.Rescale(2.0)], c.MeanSquaredError())), tmp_path / "model.safetensors"
    )


def test_a_layer_of_ones_own_with_a_state_of_no_dimensions(tmp_path: Path):
    from collections import namedtuple
    from dataclasses import dataclass

    State = namedtuple("State", ["steps", "last"])

    @dataclass(frozen=True)
    class Counter(c.Layer):
        by: float = 1.0

        def forward(self, params: Any, a: Any, ctx: Any) -> Any:
            return a * self.by, a

        def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
            return (), delta * self.by

        def state(self, fan_in: int) -> Any:
            return State(np.zeros(()), np.zeros((2, fan_in)))

        def next_state(self, state: Any, cache: Any, ctx: Any) -> Any:
            return State(state.steps + 1, cache[:2])

    made = model(Counter(2.0))
    made.fit(X, Y, epochs=1, batch_size=10)
    path = tmp_path / "model.safetensors"
    again = check_round_trip(made, path, {"counter": Counter})
    assert again.states["counter_1"].steps == 2 and again.network.layers[0] == Counter(2.0)
    with pytest.raises(
        c.FormatError, match=r"no layer of kind 'counter'; if it is your own, .*custom=\[CLASS\]"
    ):
        c.load(path)


def test_the_file_is_readable_by_others(tmp_path: Path):
    path = tmp_path / "folder" / "model.safetensors"
    made = model(c.Standardize(), c.Dense(3), c.BatchNorm())
    made.save(path)  # makes the folder
    tensors = load_file(path)
    assert list(tensors) == sorted(tensors)
    assert {name: value.shape for name, value in tensors.items()} == {
        **{"dense_1.W": (4, 3), "dense_1.b": (3,), "dense_2.W": (3, 3), "dense_2.b": (3,)},
        **{f"batch_norm_1.{name}": (3,) for name in ("gamma", "beta", "mean", "var")},
        **{"standardize_1.mean": (4,), "standardize_1.std": (4,), "standardize_1.count": ()},
    }
    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["chainrule"])
    assert header["format"] == 2 and header["network"]["inputs"] == 4 and header["dtype"] == "float32"
    _, dense, norm, _ = header["network"]["layers"]
    factors = dict.fromkeys(("weight_rate", "bias_rate", "weight_decays", "bias_decays"), 1.0)
    assert (
        dense == {"kind": "dense", "units": 3, "initializer": None, "parametrization": "standard"} | factors
    )
    assert norm == {"kind": "batch_norm", "momentum": 0.9, "eps": 1e-05, "rate": 1.0, "decays": 1.0}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


# --- settings, and the format before


@dataclass(frozen=True)
class OtherDefault(c.BatchNorm):
    """Batch normalization as a later version could have it."""

    kind = "batch_norm"
    momentum: float = 0.5
    eps: float = 1e-3


def test_a_changed_default_does_not_change_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "model.safetensors"
    model(c.BatchNorm()).save(path)
    monkeypatch.setitem(LAYERS, "batch_norm", OtherDefault)
    for file in (path, GOLDEN):
        layer = next(found for found in c.load(file).network.layers if found.kind == "batch_norm")
        assert layer == OtherDefault(momentum=0.9, eps=1e-5)


def test_a_file_of_format_1():
    read = c.load(GOLDEN)
    block = c.Residual([c.Dense(4, initializer=c.HeNormal()), c.PReLU(), c.BatchNorm(momentum=0.8)])
    layers = [
        *(c.Rescale(0.5), c.Standardize(), c.Dense(5), c.BatchNorm(), c.LeakyReLU(), c.Dropout(), block),
        *(c.Skip([c.Dense(3), c.ELU()]), c.Dense(2)),
    ]
    assert read.network.layers == tuple(layers) and read.network.loss == c.Huber()
    assert (read.network.l2, read.network.l1, read.network.max_norm) == (1e-3, 0.0, None)
    assert (read.seed, read.epochs_trained, read.steps_trained) == (3, 2, 10)
    expected = [[-0.02244376577436924, 0.13995222747325897], [0.7220616340637207, -0.19765424728393555]]
    X = np.random.default_rng(0).normal(size=(40, 6))[:2]
    np.testing.assert_allclose(read.outputs(X, engine="reference"), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", DEFAULTS_1)
def test_what_format_1_left_out_are_settings(kind: str):
    known = LAYERS | LOSSES | INITIALIZERS
    assert DEFAULTS_1[kind].keys() <= {field.name for field in fields(known[kind])}


def test_every_setting_is_in_the_file():
    everything = [
        *LAYER_LIST["batch_norm"],
        *LAYER_LIST["residual"],
        c.Orthogonal(),
        *(loss() for loss in LOSSES.values()),
    ]
    for value in everything:
        assert encode(value).keys() == {"kind", *(field.name for field in fields(value))}


def test_a_custom_layer_may_have_a_default_that_is_no_json(tmp_path: Path):
    @dataclass(frozen=True)
    class Applied(c.Layer):
        function: Any = np.sin
        by: float = 2.0

        def forward(self, params: Any, a: Any, ctx: Any) -> Any:
            return self.by * a, None

        def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
            return (), self.by * delta

    assert encode(Applied()) == {"kind": "applied", "by": 2.0}
    check_round_trip(model(Applied()), tmp_path / "model.safetensors", {"applied": Applied})
    old = {"inputs": 4, "layers": [{"kind": "applied"}, {"kind": "dropout"}], "loss": {"kind": "huber"}}
    network = c.Network(4, [Applied(), c.Dropout()], c.Huber())
    assert completed(old, custom_defaults(network)) == network_config(network)


# --- what is refused


def forge(path: Path, edit: Callable[[dict[str, Any], dict[str, np.ndarray]], Any]) -> Path:
    """A good model's file with another header or other tensors."""
    made = model(c.Standardize(), c.Dense(3), c.BatchNorm())
    made.freeze("dense_1").fit(X, np.array(["a", "b", "c"])[Y], epochs=1)
    made.save(path)
    tensors = load_file(path)
    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["chainrule"])
    edit(header, tensors)
    save_file(tensors, path, {"chainrule": json.dumps(header)})
    return path


def put(*keys: Any) -> Callable[[Any, Any], None]:
    """Set a value deep in the header: put("network", "inputs", 5)."""

    def edit(header: Any, _: Any) -> None:
        *way, last, value = keys
        for key in way:
            header = header[key]
        header[last] = value

    return edit


def tensor(name: str, value: Any) -> Callable[[Any, Any], None]:
    return lambda _, tensors: tensors.update({name: value}) if value is not None else tensors.pop(name)


def nested(inner: Any, depth: int) -> Any:
    for _ in range(depth):
        inner = {"kind": "residual", "layers": [inner]}
    return inner


WRONG: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "format": (put("format", 3), "has format 3, this version of Chainrule reads 1 and 2; update it"),
    "no network": (put("network", None), "the metadata contains no network"),
    "dtype": (put("dtype", "float16"), "dtype must be float32 or float64, not 'float16'"),
    "other dtype": (put("dtype", "float64"), "the tensor dense_1.W should be float64 but is F32"),
    "no layer": (
        put("network", "layers", []),
        "the architecture cannot be built: layers must be a non-empty list",
    ),
    "no kind": (put("network", "layers", 0, "kind", "conv"), "there is no layer of kind 'conv'"),
    "eval": (put("network", "layers", 0, "kind", "__import__('os')"), "there is no layer of kind"),
    "loss": (put("network", "loss", {"kind": "mse"}), "there is no loss of kind 'mse'"),
    "setting": (put("network", "layers", 1, "bias", True), "the architecture in the metadata is malformed"),
    "units": (put("network", "layers", 1, "units", 4), "the tensor dense_1.W should be (4, 4) but is (4, 3)"),
    "giant": (
        put("network", "layers", 1, "units", 2**40),
        "dense_1 would have over 2,147,483,647 outputs",
    ),
    "enormous": (
        put("network", "layers", 1, "units", 2**70),
        "dense_1 would have over 2,147,483,647 outputs",
    ),
    "inputs": (
        put("network", "inputs", 10**9),
        "the tensor dense_1.W should be (1000000000, 3) but is (4, 3)",
    ),
    "negative": (put("network", "inputs", -4), "inputs must be the number of features"),
    "missing": (tensor("dense_2.b", None), "the tensor dense_2.b is missing"),
    "missing state": (tensor("batch_norm_1.var", None), "the tensor batch_norm_1.var is missing"),
    "shape": (
        tensor("dense_2.b", np.zeros(4, np.float32)),
        "the tensor dense_2.b should be (3,) but is (4,)",
    ),
    "state": (
        tensor("standardize_1.count", np.zeros(1, np.float32)),
        "standardize_1.count should be () but is (1,)",
    ),
    "precision": (tensor("dense_2.b", np.zeros(3)), "the tensor dense_2.b should be float32 but is F64"),
    "NaN": (
        tensor("dense_2.b", np.full(3, np.nan, np.float32)),
        "contains NaN or infinity among its numbers",
    ),
    "infinite state": (
        tensor("batch_norm_1.mean", np.full(3, np.inf, np.float32)),
        "contains NaN or infinity",
    ),
    "frozen": (put("frozen", ["dense_7"]), "there is no link 'dense_7' with parameters"),
    "seed": (put("seed", -1), "seed must be an integer in [0, 2^32), not -1"),
    "steps": (put("steps_trained", 1.5), "steps_trained must be an integer"),
    "few classes": (put("classes", ["a"]), "classes must be a list of one label per output"),
    "many classes": (put("classes", ["a", "b", "c", "d"]), "classes must be a list of one label per output"),
    "mixed classes": (put("classes", [None, None, None]), "classes must be a list of one label per output"),
    "a class twice": (put("classes", ["b", "a", "b"]), "classes must be a list of different labels"),
    "classes of two kinds": (put("classes", ["1", 2, "3"]), "all numbers or all text"),
    "a class of NaN": (put("classes", [0.0, 1.0, np.nan]), "classes must be 64-bit numbers or text"),
    "a class of 70 bits": (put("classes", [0, 1, 2**70]), "classes must be 64-bit numbers or text"),
    "a class without end": (
        put("classes", ["a", "b", "c" * (6 << 20)]),
        "classes has labels that take 72 MB as an array",
    ),
    "classes of numbers": (
        put("network", "loss", {"kind": "mean_squared_error"}),
        "classes must be null for MeanSquaredError",
    ),
    "classes of many labels": (
        put("network", "loss", {"kind": "sigmoid_cross_entropy"}),
        "classes must be null for SigmoidCrossEntropy",
    ),
    "lists without end": (
        put("more", [[]] * 50_000),
        "the metadata is larger than that of any network with 10,000",
    ),
    "numbers without end": (
        put("more", [0] * (1 << 22)),
        "the metadata is larger than that of any network with 10,000",
    ),
    "layers without end": (
        put("network", "layers", [{"kind": "relu"}] * 10_001),
        "layers must be at most 10,000, including those in blocks",
    ),
    "blocks without end": (
        put("network", "layers", [nested({"kind": "relu"}, 65)]),
        "layers must not nest blocks more than 64 deep",
    ),
    "lists within lists": (
        put("more", nested([], 300)),
        "the metadata is larger than that of any network with 10,000",
    ),
    "widths without end": (
        put("network", "layers", [{"kind": "skip", "layers": [{"kind": "relu"}]}] * 3000),
        "would have over 2,147,483,647 outputs; make it or its input narrower",
    ),
    "nested classes": (
        put("classes", [["a"], ["b"], ["c"]]),
        "classes must be a list of one label per output",
    ),
}


def peak_memory(call: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a class without end", "lists without end", "layers without end"])
def test_a_small_file_takes_little_memory(name: str, tmp_path: Path):
    path = forge(tmp_path / "model.safetensors", WRONG[name][0])

    def read() -> None:
        with pytest.raises(c.FormatError):
            c.load(path)

    assert peak_memory(read) < (8 << 20) + 4 * path.stat().st_size


@pytest.mark.slow
def test_labels_that_no_file_could_hold_are_refused_before_training(tmp_path: Path):
    labels = np.array(["a", "b", "c" * (6 << 20)], object)[Y]
    with pytest.raises(c.DataError, match="y has labels that take 72 MB as an array"):
        model().fit(X, labels)


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be(name: str, tmp_path: Path):
    edit, words = WRONG[name]
    path = forge(tmp_path / "model.safetensors", edit)
    with pytest.raises(c.FormatError) as caught:
        c.load(path)
    assert str(path) in str(caught.value) and words in str(caught.value)


def test_files_that_are_none(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    for content in (b"", b"short", b"\xff" * 100, b"\2\0\0\0\0\0\0\0{}", b"\2\0\0\0\0\0\0\0[]"):
        path.write_bytes(content)
        with pytest.raises(
            c.FormatError, match=r"is not a complete safetensors file|without a Chainrule network"
        ):
            c.load(path)
    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(c.FormatError, match="without a Chainrule network in its metadata"):
        c.load(path)
    for text in ("", "{", "[]", "3", '{"network": 3}', "[" * 100_000, '{"network": {}}'):
        save_file({"x": np.zeros(3)}, path, {"chainrule": text})
        with pytest.raises(c.FormatError, match=r"metadata|format"):
            c.load(path)


def test_no_file():
    with pytest.raises(FileNotFoundError):
        c.load("there/is/none.safetensors")


def test_a_width_that_no_tensor_holds_up_is_not_allocated(tmp_path: Path):
    made = c.Model(c.Network(3, [c.Standardize()], c.MeanSquaredError()))
    path = tmp_path / "model.safetensors"
    made.save(path)
    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["chainrule"])
    header["network"]["inputs"] = 2**31 - 1  # 16 GB of means
    save_file(load_file(path), path, {"chainrule": json.dumps(header)})
    with pytest.raises(c.FormatError, match=r"standardize_1.mean should be .* but is \(3,\)"):
        c.load(path)


def test_blocks_in_blocks_without_end(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    for depth in (50, 200, 400, 1000, 5000):
        inner = '{"kind": "residual", "layers": [' * depth + '{"kind": "tanh"}' + "]}" * depth
        text = f'{{"format": 1, "dtype": "float32", "network": {{"inputs": 4, "layers": [{inner}], "loss": '
        text += '{"kind": "huber"}}, "seed": 0, "classes": null, "frozen": [], "epochs_trained": 0, "steps_trained": 0}'
        save_file({"x": np.zeros(3)}, path, {"chainrule": text})
        try:
            assert c.load(path).network.outputs == 4
        except c.FormatError as error:
            assert depth > 50 and str(path) in str(error)


JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    0.5,
    1e308,
    1e-320,
    2**40,
    10**30,
    "",
    "relu",
    [],
    {},
    [1, 2],
    {"kind": "relu"},
]


def places(value: Any) -> list[tuple[Any, ...]]:
    """The way to every part of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *way) for key, part in inner for way in places(part))]


@pytest.mark.slow
def test_junk_in_every_place_of_the_header_is_refused_or_works(tmp_path: Path):
    layers = [
        c.Rescale(0.5),
        c.Standardize(),
        c.Dense(4, c.Orthogonal(1.5)),
        c.BatchNorm(0.8, 1e-4),
        c.PReLU(0.1),
    ]
    layers += [c.Residual([c.Dense(4), c.LeakyReLU(0.2)]), c.Dropout(0.3), c.Skip([c.ELU(0.9)]), c.GELU()]
    net = network(*layers, loss=c.SoftmaxCrossEntropy(label_smoothing=0.2), l2=0.1, l1=0.2, max_norm=3.0)
    made = c.Model(net).freeze("dense_1")
    made.fit(X, np.array(["a", "b", "c"])[Y], epochs=1)
    path = tmp_path / "model.safetensors"
    made.save(path)
    tensors = load_file(path)
    with safe_open(path, "numpy") as file:
        text = file.metadata()["chainrule"]
    read = refused = 0
    for way in places(json.loads(text))[1:]:
        for junk in JUNK:
            header = json.loads(text)
            put(*way, junk)(header, None)
            save_file(tensors, path, {"chainrule": json.dumps(header)})
            try:
                again = c.load(path)
            except c.FormatError as error:
                refused += 1
                assert str(path) in str(error)
                continue
            read += 1
            with np.errstate(all="ignore"):
                assert again.predict(X).shape == (20,), way
                again.summary()
    assert read > 50 and refused > 500
