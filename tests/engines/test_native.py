"""The native engine against the reference: the same numbers, on every instruction set and any number of threads."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings

import chainrule
import chainrule.datasets
from chainrule import (
    Adam,
    BatchNorm,
    Callback,
    Clip,
    Compute,
    Dense,
    Dropout,
    GroupedDense,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Model,
    Network,
    NonFiniteError,
    Poisson,
    PReLU,
    Quantile,
    ReLU,
    Rescale,
    Residual,
    Skip,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.engines import ENGINES, Plan, select
from chainrule.engines.native import engine as native
from chainrule.formulas import bf16, ranking
from chainrule.formulas.layers import ACTIVATIONS, Sigmoid, Softmax
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS
from full import FULL
from halves import half
from native_runs import FLOAT64, FLOATS, SETS, assert_same, bits_of_a_run, data, trained
from sanitized import SANITIZED
from strategies import problems, targets_for

COUNTS = (3,) if SANITIZED else (1, 3, 2, 8)
"""Numbers of threads."""
FLOAT32 = 2e-3
"""Bound of the relative difference of theta after a few epochs in float32, on nets without a kink at work."""

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


@contextlib.contextmanager
def using(isa: str) -> Iterator[None]:
    """An instruction set, in tests in which the run of the reference that all are compared with takes longest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_ISA", isa)
        try:
            yield
        except BaseException as error:
            error.add_note(f"with CHAINRULE_ISA={isa}")
            raise


def deep(width: int = 17) -> list[Layer]:
    """A chain with every kind of layer, blocks in blocks among them."""
    inner = Residual([Dense(4), ACTIVATIONS["prelu"]()])
    return [
        *(Standardize(), Dense(width), BatchNorm(), LeakyReLU(), Dropout(0.3)),
        *(Residual([Dense(5), BatchNorm(), Tanh()]), Skip([Dense(4), Tanh(), inner]), Dense(3)),
    ]


BF16 = Compute("native", precision="bf16")


def test_auto_is_native_and_every_layer_and_rule_is_known():
    network = Network(9, deep(), SoftmaxCrossEntropy())
    assert select("auto", Plan(network, Adam())).name == "native"
    for rule in OPTIMIZERS.values():
        if rule is not LBFGS:
            assert ENGINES["native"].refusal(Plan(network, rule())) is None
    assert set(native._native.LOSSES) == {*LOSSES, *ranking.GROUP_LOSSES, "half_squared_error", "own"}
    assert set(native._native.ACTIVATIONS) | {"prelu", "softmax"} == set(ACTIVATIONS)


@given(problem=problems())
@settings(max_examples=60 if FULL else 30, deadline=None)
def test_random_architectures(problem):
    """Hypothesis draws depth, widths of 1 on, blocks, losses, penalties, weights and batches of one."""
    model, X, y, weight = problem
    how = {"epochs": 2, "batch_size": 2, "optimizer": chainrule.SGD(1e-3), "sample_weight": weight}

    def train(engine: str, shake: float = 0.0, draw: int = 0) -> Model:
        other = Model(model.network, seed=model.seed, dtype="float64")
        rng = np.random.default_rng(draw)
        other.theta[:] = model.theta * (1 + shake * rng.normal(size=model.theta.shape))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shaken = X * (1 + shake * rng.normal(size=X.shape))
            other.history = other.fit(shaken, y, engine=engine, **how)
        return other

    try:
        reference = train("reference")
    except NonFiniteError:  # an exponential of large outputs, which leaves nothing to compare
        reject()
    # A batch norm over two samples may divide by eps alone, and enlarges last digits 300 times; several in a chain
    # leave nothing to compare. How much of it there is, a change in the last digits of the numbers given shows.
    felt = 0.0
    for draw in range(4):  # one alone may happen to miss what another feels
        shaken = train("reference", 1e-15, draw)
        felt = max(felt, np.abs(shaken.theta - reference.theta).max(initial=0.0))
        felt = max(felt, np.abs(shaken.outputs(X) - reference.outputs(X)).max())
    assume(felt < 1e-9)
    for isa in FLOATS:
        with using(isa):
            assert_same(reference, train("native"), X, max(FLOAT64, 1e3 * felt))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "layers",
    [
        [Residual([Rescale(3.0)])],
        [Residual([Rescale(3.0), Tanh()])],
        [Skip([Rescale(3.0, 1.0), Dense(4)]), Dense(9)],
        [Residual([Skip([Rescale(-2.0, 0.5), Rescale(0.5)]), Rescale(2.0)]), Dense(9)],
        [Rescale(0.5, 1.0), Residual([Rescale(3.0, -1.0), Dense(9)])],
        [Rescale(0.5, 1.0), Rescale(2.0), Skip([Residual([Rescale(3.0)])]), Dense(9)],
    ],
    ids=repr,
)
def test_a_rescale_first_in_a_block_leaves_the_shortcut_alone(layers, dtype, tmp_path):
    """Only the network's own first Rescales are part of reading the samples."""
    X = data(40)[0]
    network = Network(9, layers, MeanSquaredError())
    how = {"epochs": 2, "optimizer": chainrule.SGD(1e-3)}
    models = [trained(engine, network, X, X[:, ::-1], dtype, **how) for engine in ("reference", "native")]
    assert_same(*models, X, FLOAT64 if dtype == "float64" else 1e-5)
    models[1].save(tmp_path / "model.safetensors")
    again = chainrule.load(tmp_path / "model.safetensors")
    for engine in ("reference", "native"):
        np.testing.assert_allclose(
            again.outputs(X, engine=engine), models[0].outputs(X), rtol=1e-4, atol=1e-4
        )
    np.testing.assert_allclose(again.bind().outputs(X[0]), models[0].outputs(X[:1]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("isa", "batch_size"),
    [
        *((isa, 16) for isa in FLOATS),
        *(pytest.param(isa, 1, marks=pytest.mark.slow if k else ()) for k, isa in enumerate(FLOATS)),
    ],
)
@pytest.mark.parametrize("kind", [kind for kind in OPTIMIZERS if kind != "lbfgs"])
def test_every_rule(isa, kind, batch_size, monkeypatch):
    """The gradient of a single sample is made on the way, where nothing is added to it."""
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    X, y = data()
    layers = [Standardize(), Dense(17), LeakyReLU(), Dropout(0.3), Residual([Dense(5), Tanh()]), Dense(3)]
    penalties = {"l2": 0.01, "l1": 0.001} if batch_size > 1 else {}
    network = Network(9, layers, SoftmaxCrossEntropy(label_smoothing=0.1), **penalties)
    how = {"optimizer": kind, "class_weight": "balanced", "batch_size": batch_size}
    assert_same(*(trained(engine, network, X, y, **how) for engine in ("reference", "native")), X, 1e-8)


@pytest.mark.parametrize("isa", FLOATS)
@pytest.mark.parametrize("kind", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_every_activation_in_float32_over_its_whole_range(isa, kind, monkeypatch):
    """Against the formula in float64: its own polynomials of exp, log1p, expm1 and erfc, from the tails to near 0."""
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    z = np.geomspace(1e-30, 80, 999, dtype=np.float32)
    z = np.concatenate((-z, [0], z)).astype(np.float32)[:, None]
    network = Network(1, [ACTIVATIONS[kind]()], MeanSquaredError())
    found = Model(network, dtype="float32").outputs(z, engine="native")
    expected = Model(network, dtype="float64").outputs(z.astype(np.float64), engine="reference")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    small = np.abs(z) < 1e-3  # where a difference of nearly equal numbers would lose digits
    np.testing.assert_allclose(found[small], expected[small], rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("isa", FLOATS)
@pytest.mark.parametrize("kind", sorted(ACTIVATIONS))
def test_every_activation(isa, kind, monkeypatch):
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    X, y = data()
    network = Network(
        9, [Dense(7), ACTIVATIONS[kind](), Dense(5), ACTIVATIONS[kind](), Dense(3)], SoftmaxCrossEntropy()
    )
    assert_same(*(trained(engine, network, X, y) for engine in ("reference", "native")), X, FLOAT64)
    assert_same(*(trained(e, network, X, y, dtype="float32") for e in ("reference", "native")), X, FLOAT32)


@pytest.mark.parametrize(
    "how",
    [
        {"clip": 0.1},
        {"clip": Clip(value=0.01)},
        {"shuffle": False, "batch_size": None},
        {"batch_size": 1},
        {"batch_size": 20},
        {"schedule": "one_cycle", "validation_fraction": 0.2},
        {"schedule": chainrule.ReduceOnPlateau("loss", patience=1)},
    ],
    ids=str,
)
def test_ways_to_train(how):
    X, y = data()
    network = Network(9, deep(), SoftmaxCrossEntropy(), max_norm=0.5)
    models = [trained(engine, network, X, y, **how) for engine in ("reference", "native")]
    assert_same(*models, X, 1e-7 if how.get("batch_size") == 1 else FLOAT64)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"clip": 0.05},
        pytest.param({"clip": Clip(value=1e-3)}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_batch_too_large_for_the_cache(how, monkeypatch):
    """Panels of narrow layers share the samples some hundreds at a time; wide layers' columns are packed."""
    X, y = data(1500)
    network = Network(
        9,
        [Dense(75), Tanh(), Dense(130), Tanh(), Dense(2060), Tanh(), Dense(3)],
        SoftmaxCrossEntropy(),
        l2=1e-3,
        max_norm=1.0,
    )
    how = {"epochs": 1, "batch_size": 1300, "optimizer": Adam(1e-3), **how}
    reference = trained("reference", network, X, y, **how)
    for isa in FLOATS:
        with using(isa):
            runs = []
            for threads in COUNTS[:2]:
                monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(threads))
                runs.append(trained("native", network, X, y, **how))
            assert runs[0].theta.tobytes() == runs[-1].theta.tobytes()
            assert_same(reference, runs[0], X, FLOAT64)


@pytest.mark.parametrize("isa", FLOATS)
def test_a_narrow_and_a_wide_dense_on_the_same_samples(isa, monkeypatch):
    """Mostly zero, in a batch too large for the cache: the narrow one takes them some at a time, the wide one all."""
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1500, 80)) * (rng.random((1500, 80)) < 0.02), rng.integers(0, 3, 1500)
    network = Network(
        80, [Residual([Dense(2200), Tanh(), Dense(40)]), Tanh(), Dense(3)], SoftmaxCrossEntropy()
    )
    how = {"epochs": 1, "batch_size": 1300, "optimizer": Adam(1e-3)}
    assert_same(*(trained(engine, network, X, y, **how) for engine in ("reference", "native")), X, FLOAT64)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"clip": 0.05},
        {"sample_weight": np.random.default_rng(3).random(2500) + 0.5},
        {"batch_size": 600},
        {"engine": BF16},
    ],
    ids=["plain", "clip", "weights", "small", "bf16"],
)
@pytest.mark.parametrize(
    "width", [pytest.param(20, id="narrow"), pytest.param(1001, id="wide", marks=pytest.mark.slow)]
)
def test_micro_batches(width, how, monkeypatch):
    """A large batch of a small network is cut into parts, of one micro-batch each or, of the wide one, of more."""
    X, y = data(2500)
    layers = [Dense(width), Tanh(), Dropout(0.3), Dense(17), PReLU(), Residual([Dense(17), ReLU()]), Dense(3)]
    network = Network(9, layers, SoftmaxCrossEntropy(label_smoothing=0.1), l2=1e-3, max_norm=1.0)
    how = {"epochs": 1, "batch_size": 2300, "optimizer": Adam(1e-3), **how}
    engine = how.pop("engine", "native")
    dtype = "float32" if engine == BF16 else "float64"
    reference = None if engine == BF16 else trained("reference", network, X, y, **how)
    for isa in SETS if engine == BF16 else FLOATS:
        with using(isa):
            runs = []
            for threads in COUNTS:
                monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(threads))
                runs.append(trained(engine, network, X, y, dtype, **how))
            assert all(run.theta.tobytes() == runs[0].theta.tobytes() for run in runs)
            assert all(run.history["loss"] == runs[0].history["loss"] for run in runs)
            if reference is not None:
                assert_same(reference, runs[0], X, FLOAT64)


@pytest.mark.slow
def test_micro_batches_of_a_larger_network(monkeypatch):
    """Its micro-batches are larger, so only a larger batch is cut."""
    X, y = data(4100)
    network = Network(9, [Dense(520), Tanh(), Dense(510), ReLU(), Dense(3)], SoftmaxCrossEntropy())
    how = {"epochs": 1, "batch_size": 4096, "optimizer": Adam(1e-3)}
    reference = trained("reference", network, X, y, **how)
    for isa in FLOATS:
        with using(isa):
            runs = []
            for threads in COUNTS[:2]:
                monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(threads))
                runs.append(trained("native", network, X, y, "float64", **how))
            assert runs[0].theta.tobytes() == runs[-1].theta.tobytes()
            assert_same(reference, runs[0], X, FLOAT64)


@pytest.mark.parametrize("rate", [2.0**-33, 0.5 + 2.0**-33, 1 - 2.0**-32, 1 - 2.0**-34, 1 - 2.0**-53])
def test_dropout_at_the_edges_of_what_32_bits_tell_apart(rate):
    X, y = data()
    network = Network(9, [Dropout(rate), Dense(8), Tanh(), Dense(3)], SoftmaxCrossEntropy())
    assert_same(*(trained(engine, network, X, y) for engine in ("reference", "native")), X, FLOAT64)


@pytest.mark.parametrize("n", [101, 2300])
@pytest.mark.parametrize("normalizes", [True, False])
def test_a_batch_larger_than_the_samples_is_all_of_them(n, normalizes):
    """To the bit, also where a batch of so many samples would be cut in another way; and no room is made for more."""
    X, y = data(n)
    layers = [Dense(17), *([BatchNorm()] if normalizes else []), Tanh(), Dense(3)]
    network = Network(9, layers, SoftmaxCrossEntropy())
    runs = [
        trained("native", network, X, y, batch_size=size) for size in (n, None, 3 * n, 10**9, 2**59, 2**63)
    ]
    for run in runs[1:]:
        assert run.theta.tobytes() == runs[0].theta.tobytes()
        assert run.history["loss"] == runs[0].history["loss"]


def test_depth_50():
    X, y = data()
    network = Network(
        9, [*[layer for _ in range(50) for layer in (Dense(8), Tanh())], Dense(3)], SoftmaxCrossEntropy()
    )
    assert_same(*(trained(engine, network, X, y) for engine in ("reference", "native")), X, FLOAT64)


def test_frozen_links_keep_their_bits():
    X, y = data()
    models = []
    for engine in ("reference", "native"):
        model = trained(engine, Network(9, deep(), SoftmaxCrossEntropy(), l2=0.01, l1=0.003), X, y)
        model.freeze("dense_1", "batch_norm_1", "dense_3")
        frozen = model.parameters["dense_1"].W.copy(), model.states["batch_norm_1"].mean.copy()
        model.history = model.fit(X, y, epochs=2, batch_size=16, optimizer="adamw", clip=0.5, engine=engine)
        assert np.array_equal(frozen[0], model.parameters["dense_1"].W)
        assert np.array_equal(frozen[1], model.states["batch_norm_1"].mean)
        models.append(model)
    assert_same(*models, X, 1e-9)


def test_a_frozen_batch_norm_is_a_fixed_line_on_the_way_back():
    """With the running statistics, of which no sample of the batch is part: the links below it are trained."""
    X, y = data()
    models = []
    for engine in ("reference", "native"):
        model = Model(
            Network(9, [Dense(7), BatchNorm(), Tanh(), Dense(3)], SoftmaxCrossEntropy()), dtype="float64"
        )
        state = model.states["batch_norm_1"]
        state.mean[:], state.var[:] = np.linspace(-1, 1, 7), np.linspace(0.5, 3, 7)
        model.freeze("batch_norm_1")
        model.history = model.fit(X, y, epochs=2, batch_size=16, optimizer="sgd", engine=engine)
        models.append(model)
    assert_same(*models, X, FLOAT64)


@pytest.mark.parametrize("layer", [ACTIVATIONS["elu"](0.5), LeakyReLU(0.3), LeakyReLU(-0.2)], ids=repr)
def test_the_setting_of_an_activation(layer):
    X, y = data()
    network = Network(9, [Dense(7), layer, Dense(5), Residual([layer]), Dense(3)], SoftmaxCrossEntropy())
    assert_same(*(trained(engine, network, X, y) for engine in ("reference", "native")), X, FLOAT64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_of_large_numbers(dtype):
    model = Model(Network(3, [Softmax()], MeanSquaredError()), dtype=dtype)
    np.testing.assert_allclose(model.outputs([[-1e3, 1e3, 1e3]], engine="native"), [[0, 0.5, 0.5]])


@pytest.mark.filterwarnings("ignore:y contains only one class")
@pytest.mark.parametrize("batch_size", [1, 13, 1100], ids=["one", "part of a vector", "micro-batches"])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss(kind, outputs, batch_size):
    """With its setting away from the default, and samples of different weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1100 if batch_size > 99 else 40, 9))
    setting = {"delta": 0.3, "q": 0.2, "label_smoothing": 0.1, "half": True, "power": 1.7, "gamma": 0.7}
    fields = LOSSES[kind].__dataclass_fields__
    loss = LOSSES[kind](**{name: value for name, value in setting.items() if name in fields})
    heads = {"binary_cross_entropy": [Sigmoid()], "categorical_cross_entropy": [Softmax()]}
    network = Network(9, [Dense(7), Tanh(), Dense(outputs), *heads.get(kind, [])], loss)
    y = targets_for(loss, len(X), outputs, rng)
    how = {"epochs": 1, "batch_size": batch_size, "sample_weight": rng.integers(1, 5, len(X)) / 2}
    assert_same(*(trained(engine, network, X, y, **how) for engine in ("reference", "native")), X, FLOAT64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_accuracy_on_soft_targets_goes_by_the_likeliest_class(dtype):
    """The weights 1, 2 and 4 tell which of the three samples were right: the first two."""
    X = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0]])
    y = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])
    for engine in ("reference", "native"):
        model = Model(Network(3, [Dense(3)], chainrule.SoftmaxCrossEntropy()), dtype=dtype)
        model.theta[:] = [*np.eye(3).ravel(), 0, 0, 0]
        history = model.fit(X, y, epochs=1, sample_weight=[1, 2, 4], engine=engine)
        assert history["accuracy"][0] == pytest.approx(3 / 7)


def test_l1_leaves_a_weight_of_zero_alone():
    """sign(0) = 0: with no gradient of the data, a step moves every other weight by lr l1 and not this one."""
    X, y = np.zeros((4, 3)), np.zeros(4)
    for engine in ("reference", "native"):
        model = Model(Network(3, [Dense(1)], MeanSquaredError(), l1=0.5), dtype="float64")
        model.theta[:] = [2.0, 0.0, -2.0, 0.0]
        model.fit(X, y, epochs=1, optimizer=chainrule.SGD(0.1), engine=engine)
        np.testing.assert_allclose(model.theta, [1.95, 0.0, -1.95, 0.0], rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.*expects probabilities")
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        *((kind, {"q": 0.2} if kind == "quantile" else {}) for kind in LOSSES),
        ("quantile", {"q": (0.1, 0.5, 0.9)}),
    ],
    ids=str,
)
def test_every_loss_where_it_has_a_kink_or_a_bound(kind, settings):
    """Residuals of 0 and of Huber's delta, probabilities of 0 and of 1, and the same output for several classes."""
    out = np.array([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.5, 0.5, 1.0], [1.0, 0.0, 0.0], [2.0, -1.0, 1.0]])
    loss = LOSSES[kind](**settings)
    if loss.domain == "probability":
        out = np.clip(out, 0, 1)
    y = (
        np.array([2, 1, 0, 0, 2])
        if loss.targets == "classes"
        else np.array([[0, 1, 1], [1, 0, 1], [0, 1, 1]] * 2)[:5] + (loss.targets == "positive")
    )
    network = Network(3, [Dense(3)], loss)
    models = []
    for engine in ("reference", "native"):
        model = Model(network, dtype="float64")
        model.theta[:] = [*np.eye(3).ravel(), 0, 0, 0]
        how = {"batch_size": 5, "optimizer": chainrule.SGD(0.5), "epochs": 1}
        model.history = model.fit(out, y, engine=engine, **how)
        models.append(model)
    assert_same(*models, out, FLOAT64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_quantiles_train_on_the_native_engine(dtype):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 2))
    y = np.repeat(x[:, :1] + rng.normal(size=(300, 1)), 3, 1)
    network = Network(2, [Dense(9), Tanh(), Dense(3)], Quantile((0.1, 0.5, 0.9)))
    models = []
    for engine in ("reference", "native"):
        model = Model(network, dtype=dtype, seed=1)
        model.history = model.fit(x, y, epochs=5, batch_size=37, sample_weight=1 + x[:, 0], engine=engine)
        models.append(model)
    assert_same(*models, x, FLOAT64 if dtype == "float64" else FLOAT32)
    assert select("auto", Plan(network)).name == "native"


@pytest.mark.parametrize("z", [79.0, 81.0, 85.0, 88.0, 88.5, 88.72])
def test_the_exponential_function_of_large_numbers(z):
    network = Network(1, [Dense(1)], Poisson())
    models = []
    for engine in ("reference", "native"):
        model = Model(network, dtype="float32")
        model.theta[:] = [0.0, z]
        model.history = model.fit([[0.0]], [[1.0]], epochs=1, optimizer=chainrule.SGD(1e-30), engine=engine)
        models.append(model)
    assert models[1].history["loss"][0] == pytest.approx(np.exp(z), rel=2e-5)  # z itself is rounded
    np.testing.assert_allclose(models[1].theta, models[0].theta, rtol=1e-6)


@pytest.mark.parametrize(("isa", "dtype"), half(FLOATS, ["float32", "float64"]))
def test_the_same_bits_on_any_number_of_threads(isa, dtype, monkeypatch):
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    runs = []
    for count in COUNTS:
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(count))
        runs.append(bits_of_a_run(dtype))
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize(
    "batch_size", [pytest.param(1, marks=pytest.mark.slow), 8, pytest.param(100, marks=pytest.mark.slow)]
)
def test_a_few_rows_whose_columns_threads_share(batch_size, monkeypatch):
    """Denses one after the other, with an activation and without, in a block, and one that is read twice."""
    X, y = data(3 * batch_size + 7, 40)
    inner = Residual([Dense(300), Tanh(), Dense(500)])
    layers = [Dense(700), ReLU(), Dense(500), inner, Dense(801), ReLU(), Dense(700), Dense(3)]
    network = Network(40, layers, SoftmaxCrossEntropy(), l2=1e-3)
    how = {"epochs": 1, "batch_size": batch_size, "optimizer": Adam(1e-4)}
    reference = trained("reference", network, X, y, **how)
    for isa in FLOATS:
        with using(isa):
            runs = []
            for threads in COUNTS:
                monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(threads))
                model = trained("native", network, X, y, **how)
                outputs = model.outputs(X[:5]).tobytes()
                runs.append((model.theta.tobytes(), repr(model.history["loss"]), outputs))
            assert all(run == runs[0] for run in runs)
            assert_same(reference, model, X, 1e-8)


def test_one_row_of_a_large_network_on_many_threads(monkeypatch):
    network = Network(
        300, [Dense(2600), ReLU(), Dense(2600), Tanh(), Dense(2600), ReLU(), Dense(9)], MeanSquaredError()
    )
    x = np.random.default_rng(0).normal(size=(3, 300)).astype(np.float32)
    answers, model = [], Model(network, seed=1)
    for threads in (1, 2, 3):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(threads))
        bound = model.bind()
        answers.append([bound.outputs(row).tobytes() for row in x])
    assert answers[0] == answers[1] == answers[2]
    assert answers[0] == [row.tobytes() for row in model.outputs(x)]


@pytest.mark.parametrize("isa", FLOATS)
@pytest.mark.parametrize("batch_size", [16, 200])
def test_samples_that_are_mostly_zero_train_as_the_whole(isa, batch_size, monkeypatch):
    """As in images: a stroke somewhere, nothing around it, and rows and columns with nothing at all."""
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    rng = np.random.default_rng(5)
    y, X = rng.integers(0, 3, 333), np.zeros((333, 201))
    for i, start in enumerate(rng.integers(10, 150, 333)):
        X[i, start : start + 20] = rng.normal(size=20)
    X[::50] = 0

    def model(engine: str, dtype: str, clip: float | None = None) -> Model:
        network = Network(201, [Dense(70), ReLU(), Dense(3)], SoftmaxCrossEntropy())
        return trained(engine, network, X, y, dtype, batch_size=batch_size, clip=clip)

    assert_same(model("reference", "float64"), model("native", "float64"), X, FLOAT64)
    assert_same(model("reference", "float64", 1.0), model("native", "float64", 1.0), X, FLOAT64)
    bits = []
    for count in COUNTS:
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(count))
        bits.append(model("native", "float32").theta.tobytes())
    assert len(set(bits)) == 1


def test_models_train_in_several_python_threads_at_once(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "2")
    alone, together = bits_of_a_run(), []
    threads = [threading.Thread(target=lambda: together.append(bits_of_a_run())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert together == [alone] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_trains_after_a_fork():
    """In a fresh process, where nothing but this package has threads: train, fork, train in both."""
    script = (
        "import os, sys; sys.path.insert(0, os.environ['SUPPORT'])\n"
        "os.environ['CHAINRULE_NUM_THREADS'] = '2'\n"
        "from native_runs import bits_of_a_run\n"
        "before = bits_of_a_run(); child = os.fork()\n"
        "same = bits_of_a_run() == before\n"
        "os._exit(not same) if child == 0 else None\n"
        "sys.exit(os.waitpid(child, 0)[1] or not same)\n"
    )
    support = str(Path(__file__).parents[1] / "support")
    environment = os.environ | {"SUPPORT": support, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, timeout=120, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("batch_size", [16, 1])
def test_nan_is_named_at_its_step(batch_size):
    X, y = data()
    network = Network(9, [Dense(8), ReLU(), Dense(3)], SoftmaxCrossEntropy())
    for engine in ("reference", "native"):
        with pytest.raises(NonFiniteError) as caught:
            trained(
                engine, network, X, y, dtype="float32", optimizer=chainrule.SGD(1e30), batch_size=batch_size
            )
        assert caught.value.step <= 4
        assert caught.value.link in (
            "dense_1",
            "dense_2",
            "loss",
            "gradient of dense_2",
            "gradient of relu_1",
        )


@pytest.mark.parametrize("frozen", [(), ("dense_1",)], ids=["trained", "frozen"])
@pytest.mark.parametrize("how", [{}, {"clip": 1.0}, {"batch_size": 1}], ids=str)
def test_a_penalty_that_overflows_is_a_loss_that_does(how, frozen):
    """The error of the reference, and no step is made: the gradient alone would be finite."""
    network = Network(9, [Dense(8), ReLU(), Dense(3)], SoftmaxCrossEntropy(), l2=1e-25)
    found = []
    for engine in ("reference", "native"):
        model = Model(network, dtype="float32", seed=1)
        model.theta[:72] *= 1e20
        before = model.theta.copy()
        if frozen:
            model.freeze(*frozen)
        with pytest.raises(NonFiniteError) as caught:
            model.fit(np.zeros((40, 9)), data(40)[1], epochs=2, engine=engine, **how)
        found.append((caught.value.step, caught.value.link))
        assert np.array_equal(model.theta, before)
        assert model.steps_trained == 0
    assert found == [(1, "loss")] * 2


@pytest.mark.parametrize("large", [1.0, 20.0], ids=["ends measured", "all measured"])
def test_a_gradient_that_overflows_between_finite_ends(large):
    """a = 1e24 before the last layer, whose W of 1e-10 makes an output of about 1e16: dL/dW = a delta = 1e40."""
    network = Network(64, [Dense(64), ReLU(), Dense(64), ReLU(), Dense(1)], MeanSquaredError(half=True))
    found = []
    for engine in ("reference", "native"):
        model = Model(network, dtype="float32", seed=1)
        for params, weight in zip(list(model.parameters.values()), (16 * large, 16, 1e-10), strict=True):
            params.W[...], params.b[...] = weight, 0
        before = model.theta.copy()
        with pytest.raises(NonFiniteError) as caught:
            model.fit(np.full((32, 64), 1e18 / large), np.zeros(32), epochs=2, batch_size=32, engine=engine)
        found.append((caught.value.step, caught.value.link))
        assert np.array_equal(model.theta, before)
    assert found[0] == found[1]
    assert found[0][0] == 1


def test_numbers_changed_by_a_callback_count():
    class Shrink(Callback):
        def on_epoch_end(self, run):
            run.theta[...] *= 0.5
            run.model.states["batch_norm_1"].mean[...] = 0.0

    X, y = data()
    network = Network(9, deep(), SoftmaxCrossEntropy())
    models = [trained(engine, network, X, y, callbacks=[Shrink()]) for engine in ("reference", "native")]
    assert_same(*models, X, FLOAT64)


def test_a_layer_of_your_own_goes_to_the_reference():
    class Twice(Layer):
        def forward(self, params, a, ctx):
            return 2 * a, None

        def backward(self, params, cache, delta, ctx):
            return (), 2 * delta

    network = Network(9, [Twice(), Dense(3)], SoftmaxCrossEntropy())
    assert select("auto", Plan(network)).name == "reference"
    with pytest.raises(chainrule.ConfigError, match="twice_1"):
        select("native", Plan(network))


@pytest.mark.parametrize(
    ("name", "value"),
    [("CHAINRULE_ISA", "mmx"), ("CHAINRULE_NUM_THREADS", "0"), ("CHAINRULE_NUM_THREADS", "two")],
)
def test_bad_settings_get_a_sentence(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    X, y = data()
    with pytest.raises(chainrule.ConfigError, match=name):
        trained("native", Network(9, [Dense(3)], SoftmaxCrossEntropy()), X, y)


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33])
def test_bf16_rounds_what_goes_into_a_product_and_nothing_else(n):
    """One step of gradient descent, written out: float32 sums of products of bfloat16, float32 weights."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 21)).astype(np.float32), rng.normal(size=(n, 3))
    network = Network(21, [Dense(40), ReLU(), Dense(3)], chainrule.MeanSquaredError())
    model = Model(network, seed=1)
    (W1, b1), (W2, b2) = (map(np.copy, model.parameters[name]) for name in ("dense_1", "dense_2"))
    rate = 0.1
    model.fit(
        X, y, epochs=1, batch_size=n, shuffle=False, optimizer=chainrule.SGD(rate), engine=BF16
    )  # fmt: skip
    a0 = bf16.rounded(X)
    a1 = bf16.rounded(np.maximum(a0 @ bf16.rounded(W1) + b1, 0))
    delta2 = bf16.rounded(2 * (a1 @ bf16.rounded(W2) + b2 - y.astype(np.float32)) / n)
    delta1 = bf16.rounded((delta2 @ bf16.rounded(W2).T) * (a1 > 0))
    expected = (
        W1 - rate * a0.T @ delta1,
        b1 - rate * delta1.sum(0),
        W2 - rate * a1.T @ delta2,
        b2 - rate * delta2.sum(0),
    )
    found = (*model.parameters["dense_1"], *model.parameters["dense_2"])
    for x, z in zip(found, expected, strict=True):
        assert np.abs(x - z).max() < 2e-4 * np.abs(z).max()  # a sum in another order may round another way
    full = Model(network, seed=1)
    full.fit(X, y, epochs=1, batch_size=n, shuffle=False, optimizer=chainrule.SGD(rate), engine="native")
    assert np.abs(full.theta - model.theta).max() > 1e-5


STEPS = {
    "one layer": [],
    "affine": [Dense(40), Dense(70)],
    "relu": [Dense(40), ReLU()],
    "residual": [Dense(40), ReLU(), Residual([Dense(40), ReLU()])],
    "projection": [Dense(40), ReLU(), Residual([Dense(50), ReLU()])],
    "skip": [Dense(40), Skip([Dense(33), ReLU()])],
    "groups": [Dense(40), ReLU(), GroupedDense(7, 4), ReLU()],
    "tanh": [Dense(40), Tanh()],
    "shared": [Dense(40), ReLU(), GroupedDense(7, 4, shared=True), ReLU()],
}
ROUNDED_OTHERWISE = ("tanh", "shared")
"""Layers with a function that the engines compute by other formulas, or with a sum over groups in another order."""


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("n", [1, 32, 77])
def test_a_step_in_bf16_has_the_bits_of_the_reference_engine(name, n, monkeypatch):
    """At a rate that is a power of two: W - rate g is then rounded once, fused or not."""
    rng = np.random.default_rng(n)
    X, y = rng.normal(size=(n, 21)).astype(np.float32), rng.normal(size=(n, 3))
    network = Network(21, [*STEPS[name], Dense(3)], chainrule.MeanSquaredError())
    how = {"epochs": 1, "batch_size": n, "optimizer": chainrule.GradientDescent(2**-3), "shuffle": False}
    expected = Model(network, seed=1)
    expected.fit(X, y, engine=Compute("reference", precision="bf16"), **how)
    for isa in SETS:
        monkeypatch.setenv("CHAINRULE_ISA", isa)
        found = Model(network, seed=1)
        found.fit(X, y, engine=BF16, **how)
        if name in ROUNDED_OTHERWISE:
            assert np.abs(found.theta - expected.theta).max() < 1e-5 * np.abs(expected.theta).max()
            assert np.mean(found.theta != expected.theta) < 0.1
        else:
            assert np.array_equal(found.theta, expected.theta)


def test_bf16_has_the_same_bits_on_any_number_of_threads(monkeypatch):
    thetas = []
    for count in COUNTS:
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(count))
        X, y = data(300, 40)
        layers = [Dense(200), BatchNorm(), ReLU(), Dropout(0.2), Residual([Dense(150), Tanh()]), Dense(3)]
        network = Network(40, layers, SoftmaxCrossEntropy(), max_norm=2.0)
        thetas.append(trained(BF16, network, X, y, "float32", batch_size=128).theta)
    assert all(np.array_equal(theta, thetas[0]) for theta in thetas)


@pytest.mark.parametrize("precision", [None, "bf16"])
@pytest.mark.parametrize("normalizes", [True, False])
@pytest.mark.parametrize("batch_size", [37, 599])
def test_the_same_bits_on_every_instruction_set_that_fuses(precision, normalizes, batch_size, monkeypatch):
    """The processor's dot products of bfloat16 pairs among them. Without FMA a product is rounded by itself."""
    thetas = {}
    for isa in SETS if precision else FLOATS:
        monkeypatch.setenv("CHAINRULE_ISA", isa)
        X, y = data(700, 41)
        norm = [BatchNorm()] if normalizes else []
        layers = [Dense(203), *norm, ReLU(), Dropout(0.2), Residual([Dense(151), Tanh()]), Dense(3)]
        network = Network(41, layers, SoftmaxCrossEntropy(), l2=1e-3)
        how = {"batch_size": batch_size, "optimizer": Adam(1e-3)}
        engine = Compute("native", precision=precision)
        thetas[isa] = trained(engine, network, X.astype(np.float32), y, "float32", **how).theta
    fused = [theta.tobytes() for isa, theta in thetas.items() if isa != "baseline"]
    assert len(set(fused)) <= 1
    if "baseline" in thetas:
        assert np.abs(thetas["baseline"] - next(iter(thetas.values()))).max() < 0.02


@pytest.mark.slow
def test_bf16_learns_mnist_as_well():
    train, test = chainrule.datasets.load_mnist()
    found = {}
    for precision in (None, "bf16"):
        accuracies = []
        for seed in range(3):
            network = Network(784, [Rescale(1 / 255), Dense(64), ReLU(), Dense(10)], SoftmaxCrossEntropy())
            model = Model(network, seed=seed)
            how = {
                "epochs": 2,
                "schedule": "one_cycle",
                "optimizer": Adam(5e-3),
                "engine": Compute(precision=precision),
            }
            model.fit(train.X, train.y, **how)
            accuracies.append(float(np.mean(model.predict(test.X) == test.y)))
        found[precision] = np.mean(accuracies)
    assert abs(found["bf16"] - found[None]) < 0.003


@pytest.mark.parametrize(
    ("dtype", "how", "message"),
    [
        ("float64", {"engine": Compute(precision="bf16")}, "float32"),
        ("float32", {"engine": Compute(precision="fp8")}, "precision"),
        ("float32", {"engine": Compute("xla", precision="bf16")}, "native or the reference"),
        (
            "float32",
            {"engine": Compute("reference", precision="bf16"), "method": "spsa"},
            "spsa does not support bf16",
        ),
        (
            "float32",
            {"engine": Compute(precision="bf16"), "optimizer": "lbfgs"},
            "LBFGS does not support bf16",
        ),
    ],
)
def test_bf16_where_it_cannot_be(dtype, how, message):
    X, y = data()
    model = Model(Network(9, [Dense(3)], SoftmaxCrossEntropy()), dtype=dtype)
    with pytest.raises(chainrule.ConfigError, match=message):
        model.fit(X, y, epochs=1, **how)


def test_a_bound_model_answers_one_row_with_the_bits_of_a_batch():
    X, y = data()
    for dtype in ("float32", "float64"):
        model = trained("native", Network(9, deep(40), SoftmaxCrossEntropy()), X, y, dtype)
        X[::2, 3] = 0.0
        bound, many = model.bind(), model.outputs(X)
        for form in (X, X.astype(np.float32), np.asfortranarray(X)):
            expected = model.outputs(form)
            rows = np.concatenate([bound.outputs(row) for row in form])
            assert np.array_equal(rows, expected)
        assert np.array_equal(bound.outputs(X), many)
        assert np.array_equal(bound.predict(X[5]), model.predict(X[5]))
        assert np.array_equal(bound.predict_proba(X[5]), model.predict_proba(X[5]))
        model.theta[:] = 0
        assert np.array_equal(bound.outputs(X), many)  # a snapshot
        with pytest.raises(chainrule.ShapeError, match="8 features"):
            bound.predict(X[:, :8])
        with pytest.raises(chainrule.DataError, match="X contains nan"):
            bound.predict(np.full(9, np.nan))
        for bad in (np.nan, -np.inf):  # infinity may leave the outputs finite
            spoilt = X.copy()
            spoilt[70, 2] = bad
            with pytest.raises(chainrule.DataError, match=f"X contains {bad} at row 70, column 2"):
                bound.outputs(spoilt)
            with pytest.raises(chainrule.DataError, match=f"X contains {bad} at row 0, column 2"):
                bound.predict(spoilt[70])
        with pytest.raises(chainrule.ShapeError, match="no samples"):
            bound.outputs(X[:0])
        assert np.array_equal(bound.outputs(X.tolist()), many)
        assert np.array_equal(bound.outputs(np.ma.masked_array(X)), many)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_that_is_not_finite_is_seen_at_every_place(dtype):
    """In whole vectors and behind the last one, of rows that lie one after the other and of others."""
    for width in (1, 7, 10, 21, 33):
        net = Network(width, [Dense(2)], MeanSquaredError())
        walk = native.NativeWalk(net, net.initial_theta(0, np.dtype(dtype)), {}, 8)
        wide = np.full((9, width + 3), 1e30, dtype)
        for X in (np.ascontiguousarray(wide[:, :width]), wide[:, 1 : width + 1]):
            assert walk.unchecked(X) is not None
            for number, (row, column) in enumerate(np.ndindex(X.shape)):
                X[row, column] = (np.nan, np.inf, -np.inf)[number % 3]
                assert walk.unchecked(X) is None
                X[row, column] = -1e30


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_that_is_read_and_nothing_else(dtype):
    """No operation is left where a Rescale is part of reading the samples."""
    X = data()[0].astype(dtype)
    model = Model(Network(9, [Rescale(2.0, 1.0)], MeanSquaredError()), dtype=dtype)
    expected = model.outputs(X, engine="reference")
    assert np.array_equal(model.outputs(X, engine="native"), expected)
    assert np.array_equal(model.bind().outputs(X), expected)
    assert np.array_equal(model.bind().outputs(X[0]), expected[:1])
