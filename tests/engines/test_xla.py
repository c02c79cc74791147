"""The xla engine against the reference: the same numbers and errors, compiled once, samples of any form."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from chainrule import (
    LBFGS,
    Adam,
    BatchNorm,
    BatchSource,
    Callback,
    Checkpoint,
    Clip,
    Compute,
    ConfigError,
    Dense,
    Dropout,
    Embedding,
    Ensemble,
    GradientDescent,
    GroupedDense,
    MeanOverMembers,
    MeanSquaredError,
    Model,
    Network,
    NonFiniteError,
    ParametricActivation,
    ReLU,
    Residual,
    Schedules,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.engines import ENGINES, Plan, StepSettings, select
from chainrule.engines.xla import devices, samples
from chainrule.engines.xla.program import program
from chainrule.estimators import MLPClassifier
from chainrule.formulas.layers import Layer
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.training import loop
from full import FULL
from layer_examples import every_kind_of_layer
from random_networks import agreement, draw, train
from strategies import targets_for

jax = pytest.importorskip("jax")

FLOAT64 = 1e-10
FLOAT32 = 2e-3
"""The native engine's bounds."""
DRAWS = np.random.default_rng(0)
X, Y = DRAWS.normal(size=(45, 6)), DRAWS.integers(0, 3, 45)
NETWORK = Network(
    6,
    [Dense(9), ReLU(), Dropout(0.3), Residual([Dense(9), Tanh()]), Dense(3)],
    SoftmaxCrossEntropy(),
    l2=1e-3,
)
HOW = {"epochs": 2, "batch_size": 10, "optimizer": Adam(1e-2)}
"""A run whose program is compiled for several tests: its last batch has five samples."""


def trained(engine: Any, network: Network = NETWORK, X=X, y=Y, dtype: str = "float64", **how) -> Model:
    model = Model(network, seed=3, dtype=dtype)
    model.history = model.fit(X, y, engine=engine, **(HOW | how))
    return model


def assert_same(found: Model, expected: Model, bound: float = FLOAT64) -> None:
    """Parameters, running statistics and everything recorded but the seconds."""
    close = {"rtol": bound, "atol": bound}
    np.testing.assert_allclose(found.theta, expected.theta, **close)
    assert list(found.states) == list(expected.states)
    for name, state in expected.states.items():
        for mine, theirs in zip(found.states[name], state, strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_allclose(mine, theirs, **close)
    for mine, theirs in zip(found.history, expected.history, strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine.keys() - {"seconds"}:
            assert mine[name] == pytest.approx(theirs[name], rel=bound, abs=bound)


def against_reference(network: Network, X=X, y=Y, bound: float = FLOAT64, **how) -> None:
    models = [trained(engine, network, X, y, **how) for engine in ("xla", "reference")]
    assert_same(*models, bound)


class Compilations:
    """Counts what XLA compiles."""

    def __enter__(self) -> Compilations:
        self.count, self.is_open = 0, True
        jax.monitoring.register_event_duration_secs_listener(self.hear)
        return self

    def __exit__(self, *error: object) -> None:
        self.is_open = False  # JAX has no public way to drop a listener

    def hear(self, event: str, seconds: float, **more: object) -> None:
        self.count += self.is_open and event.endswith("backend_compile_duration")


@pytest.mark.slow
def test_it_compiles_once_for_any_call_and_batch_and_seed(tmp_path, monkeypatch):
    """A smaller last batch, calls of 1, 2, ... steps, stops of a checkpoint, further fits, other seeds, an ensemble."""
    network = Network(6, [Dense(4), ReLU(), Dense(3)], SoftmaxCrossEntropy())
    monkeypatch.setattr(loop, "POLL_SECONDS", 60)  # so that calls double to the end
    with Compilations() as compiled:
        how = HOW | {"batch_size": 2, "engine": "xla"}
        model = Model(network, seed=1, dtype="float64")
        model.fit(X, Y, **how, callbacks=[Checkpoint(tmp_path / "a.safetensors", every_steps=7)])
        model.fit(X[::-1], Y, **how)
        Model(network, seed=2, dtype="float64").fit(X, Y, **how)
        assert compiled.count == 1
        Ensemble(network, 3, seed=5, dtype="float64").fit(X, Y, **how)
        assert compiled.count == 1
        mixing = Network(6, [Dense(4), BatchNorm(), ReLU(), Dense(3)], SoftmaxCrossEntropy())
        Model(mixing, seed=2, dtype="float64").fit(X, Y, **how)
        assert compiled.count == 2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_numbers_whatever_jax_is_set_to(dtype):
    """float64 stays float64 where JAX has it switched off, and its settings are as they were."""
    with jax.enable_x64(False), jax.debug_nans(True), jax.numpy_dtype_promotion("strict"):
        found = trained("xla", dtype=dtype)
        outputs = found.outputs(X, engine="xla")
        assert not jax.config.jax_enable_x64
        assert jax.config.jax_debug_nans
    bound = FLOAT64 if dtype == "float64" else 1e-5
    expected = trained("reference", dtype=dtype)
    assert_same(found, expected, bound)
    assert outputs.dtype == dtype
    np.testing.assert_allclose(outputs, expected.outputs(X), rtol=bound, atol=bound)
    np.testing.assert_allclose(found.bind(engine="xla").outputs(X[:3]), outputs[:3], rtol=bound, atol=bound)


def test_where_a_run_is_cut_changes_no_bit(monkeypatch, tmp_path):
    whole = trained("xla")
    monkeypatch.setattr(loop, "POLL_SECONDS", 0)
    assert trained("xla").theta.tobytes() == whole.theta.tobytes()
    monkeypatch.setattr(samples, "MAX_CALL_STEPS", 2)
    path = tmp_path / "checkpoint.safetensors"

    class Killer(Callback):
        def on_steps(self, run):
            if run.step == 8:
                raise MemoryError

    with pytest.raises(MemoryError):
        trained("xla", callbacks=[Checkpoint(path, every_steps=7), Killer()])
    assert trained("xla", resume=path).theta.tobytes() == whole.theta.tobytes()


FORMS = {
    "bytes": lambda X: np.clip(40 * X + 128, 0, 255).astype(np.uint8),
    "int64": lambda X: (3 * X).astype(np.int64),
    "Fortran": np.asfortranarray,
    "big endian": lambda X: X.astype(">f8"),
    "CSR": lambda X: scipy.sparse.csr_matrix(X * (np.abs(X) > 1)),
}


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(form, marks=pytest.mark.slow if form in ("bytes", "int64") else ())
        for form in (*FORMS, "a file")
    ],
)
def test_samples_of_any_form(form, monkeypatch, tmp_path):
    """Those that do not lie on the device are converted some steps at a time."""
    if form == "a file":
        np.save(tmp_path / "X.npy", X)
        given = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        given = FORMS[form](X)
    monkeypatch.setattr(samples, "MAX_CALL_NUMBERS", 6 * 20)  # two steps
    weight = np.linspace(0, 2, 45)
    network = Network(6, [Dense(3)], SoftmaxCrossEntropy())
    against_reference(network, given, sample_weight=weight)


@pytest.mark.slow
def test_pieces_of_a_stream_are_one_program():
    """Blocks of several sizes, which come one after the other; the last batch is smaller."""
    sizes = np.cumsum([0, 7, 13, 4, 21])
    blocks = [(X[a:b], Y[a:b]) for a, b in pairwise(sizes)]
    network = Network(6, [Dense(3), Tanh(), Dense(3)], SoftmaxCrossEntropy())
    with Compilations() as compiled:
        found = trained("xla", network, BatchSource(blocks, window=15), None)
        assert compiled.count == 1
    assert_same(found, trained("reference", network, BatchSource(blocks, window=15), None))


def chains() -> dict[str, list[Layer]]:
    return {
        "embedding": [Embedding([(0, 4, 3), (2, 2, 2)]), Dense(4), Tanh(), Dense(3)],
        "batch norm": [Dense(4), BatchNorm(), Residual([Dense(4), BatchNorm(), ReLU()]), Dense(3)],
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["embedding", "batch norm"])
def test_layers_that_look_up_or_mix(name):
    inputs = np.abs(X).astype(int) + X * (np.arange(6) % 2) if name == "embedding" else X
    network = Network(6, chains()[name], SoftmaxCrossEntropy(0.1))
    against_reference(
        network,
        inputs % 4 if name == "embedding" else X,
        clip=Clip(value=0.1),
        optimizer=OPTIMIZERS["sgd"](0.05),
    )


@pytest.mark.slow
def test_a_frozen_network_under_every_setting():
    """Frozen links, clipping, penalties, a bound on norms, rates of their own and schedules: one program."""
    layers = [
        Dense(5, bias_rate=0.1, bias_decays=0),
        BatchNorm(),
        Tanh(),
        Dropout(0.4),
        Dense(4),
        ReLU(),
        Dense(3),
    ]
    network = Network(6, layers, SoftmaxCrossEntropy(0.1), l2=0.01, l1=0.003, max_norm=0.8)
    models = []
    for engine in ("xla", "reference"):
        model = Model(network, seed=3, dtype="float64").freeze("dense_2", "batch_norm_1")
        start = model.theta.copy()
        model.history = model.fit(
            X, Y, engine=engine, epochs=2, batch_size=16, optimizer="adamw", clip=0.05, class_weight="balanced",
            schedule=Schedules("one_cycle", "cosine", "cosine", "cosine"),
        )  # fmt: skip
        slot = next(slot for slot in network.slots if slot.link.name == "dense_2")
        assert (model.theta[slot.start : slot.stop] == start[slot.start : slot.stop]).all()
        models.append(model)
    assert_same(*models)


RULES = [kind for kind in OPTIMIZERS if kind != "lbfgs"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", RULES)
def test_every_optimizer(kind):
    """And what it remembers, which a second session goes on with."""
    more = {"sgd": {"momentum": 0.9, "nesterov": True}, "rmsprop": {"momentum": 0.5}}.get(kind, {})
    optimizer = OPTIMIZERS[kind](0.01, **more, **({"eps": 1e-4} if hasattr(OPTIMIZERS[kind], "eps") else {}))
    network = Network(6, [Dense(4), Tanh(), Dense(3)], SoftmaxCrossEntropy())
    plan = Plan(network, optimizer, 10, 3, np.float64, clip_norm=0.5)
    data = Model(network).check_samples(X, Y)
    found = []
    for engine in ("xla", "reference"):
        theta = network.initial_theta(3, np.float64)
        state = optimizer.init(theta)
        for first, rows in ((1, np.arange(30)), (4, np.arange(30, 45))):
            session = ENGINES[engine].session(plan, theta, {}, state, 7)
            session.steps(data, rows, StepSettings.of(np.full(-(-len(rows) // 10), 0.01)), first)
            session.synchronize()
            state = session.optimizer_state
        found.append([theta, session.sums, session.row_sums, *state])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss(kind):
    loss = LOSSES[kind]()
    head = [Softmax() if loss.targets == "classes" else Sigmoid()] if loss.domain == "probability" else []
    y = targets_for(loss, 45, 2, DRAWS)
    against_reference(Network(6, [Dense(2), *head], loss), y=y, sample_weight=np.linspace(0, 2, 45))


def test_members_side_by_side():
    loss = MeanOverMembers(SoftmaxCrossEntropy(), 2)
    against_reference(Network(6, [Dense(4), ReLU(), GroupedDense(3, 2, shared=False)], loss))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"] if FULL else ["float64"])
def test_every_layer(dtype):
    """One chain of all of them, blocks in blocks included; one step, since errors grow from layer to layer."""
    network = Network(5, every_kind_of_layer(), SoftmaxCrossEntropy(0.1), l2=1e-3, max_norm=1.5)
    how = {"epochs": 1, "batch_size": 45, "clip": 0.9, "optimizer": OPTIMIZERS["gradient_descent"](0.01)}
    against_reference(network, X[:, :5], bound=1e-8 if dtype == "float64" else FLOAT32, dtype=dtype, **how)


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([3], id="one"),
        pytest.param(range(20, 26 if FULL else 22), id="many", marks=pytest.mark.slow),
    ],
)
def test_random_networks(numbers):
    """Theta, outputs, running statistics and all that is recorded; the step and the link of an error."""
    for seed in numbers:
        case = draw(seed)
        found = agreement(case, train(case, "reference"), "xla")
        assert found.holds, (seed, found, case.network)


FAULTS = {
    "update": (np.inf, None, 0.0),
    "input in the middle": (1e-3, 27, 1e39),
    "input at once": (1e-3, 3, 1e39),
    "loss in the middle": (1e-3, 44, 1e25),
}
"""A learning rate, and the row that has so large a number."""
PLAIN = Network(6, [Dense(4), Tanh(), Dense(4), ReLU(), Dense(1)], MeanSquaredError())


@pytest.mark.parametrize("name", FAULTS)
def test_nan_is_named_at_its_step_and_link(name):
    """The steps before it are taken, the numbers are those of the reference engine, and so is what was summed."""
    rate, row, large = FAULTS[name]
    x, y = X.copy(), X[:, :1].copy()
    if row is not None:
        (x if large > 1e38 else y)[row, 0] = large
    found = []
    for engine in ("xla", "reference"):
        model = Model(PLAIN, seed=3)
        data = model.check_samples(x, y)
        plan = Plan(PLAIN, Adam(), 10, 3, np.float32)
        session = ENGINES[engine].session(plan, model.theta, {}, plan.optimizer.init(model.theta), 0)
        rates = np.full(5, 1e-3)
        if rate > 1:
            rates[2] = 1e39
        with pytest.raises(NonFiniteError) as error:
            session.steps(data, np.arange(45), StepSettings.of(rates), 1)
        found.append((str(error.value), error.value.step, error.value.link, session.taken))
        found.append(np.nan_to_num(np.concatenate([model.theta, session.sums]), posinf=2.0, neginf=3.0))
    assert found[0] == found[2]
    assert (
        found[0][1:3]
        == {
            "update": (3, "update of dense_1"),
            "input in the middle": (3, "input"),
            "input at once": (1, "input"),
            "loss in the middle": (5, "loss"),
        }[name]
    )
    np.testing.assert_allclose(found[1], found[3], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_what_a_callback_writes_counts():
    """A snapshot put back, statistics of batch norm with it, and a velocity that is scaled."""
    network = Network(6, [Dense(4), BatchNorm(), Tanh(), Dense(3)], SoftmaxCrossEntropy())

    class Back(Callback):
        def on_train_begin(self, run):
            self.kept = run.snapshot()

        def on_epoch_end(self, run):
            if run.epoch == 1:
                run.restore(self.kept)
                run.scale_velocity(0.5)

    against_reference(network, callbacks=[Back()], optimizer=OPTIMIZERS["sgd"](0.1, momentum=0.9))


def test_members_of_an_ensemble_have_the_bits_of_single_models():
    ensemble = Ensemble(NETWORK, 2, seed=5, dtype="float64")
    ensemble.fit(X, Y, engine="xla", **HOW)
    for member in ensemble.members:
        alone = Model(NETWORK, seed=member.seed, dtype="float64")
        alone.fit(X, Y, engine="xla", **HOW)
        assert alone.theta.tobytes() == member.theta.tobytes()


@pytest.mark.slow
def test_samples_that_were_written_into_are_read_anew():
    """By a later fit, although a callback has kept the first run with what is on the device."""
    network, own = Network(6, [Dense(3)], SoftmaxCrossEntropy()), X.copy()
    model, kept = Model(network, seed=1), []
    data = model.check_samples(own, Y)
    model.fit(data, engine="xla", callbacks=[kept.append], **HOW)
    own[...] = own[::-1].copy()
    again = [Model(network, seed=1) for _ in range(2)]
    again[0].fit(data, engine="xla", **HOW)
    again[1].fit(own, Y, engine="xla", **HOW)
    assert again[0].theta.tobytes() == again[1].theta.tobytes() != model.theta.tobytes()
    assert kept


@pytest.mark.slow
def test_an_estimator_compiles_once_for_all_its_fits():
    """And has the numbers of the reference engine."""
    found = []
    with Compilations() as compiled:
        for engine in ("xla", "reference"):
            made = MLPClassifier((4,), max_iter=2, random_state=0, engine=engine, batch_size=10)
            with pytest.warns(ConvergenceWarning):
                made.fit(X, Y)
            count = compiled.count
            found.append(made.partial_fit(X, Y).partial_fit(X, Y))
            assert compiled.count == count
    np.testing.assert_allclose(found[0].coefs_[0], found[1].coefs_[0], rtol=FLOAT64, atol=FLOAT64)
    assert found[0].loss_ == pytest.approx(found[1].loss_)


@pytest.mark.slow
def test_lbfgs_walks_on_it():
    y = X[:, :2] ** 2
    network = Network(6, [Dense(3), Tanh(), Dense(2)], MeanSquaredError())
    how = {"optimizer": LBFGS(), "epochs": 5}
    models = [trained(engine, network, X, y, **how) for engine in ("xla", "reference")]
    np.testing.assert_allclose(models[0].theta, models[1].theta, rtol=1e-6, atol=1e-8)


class Threshold(Layer):
    """A layer that branches on a value, which a compiled formula cannot."""

    def forward(self, params, a, ctx):
        return (a if float(a.sum()) > 0 else 2 * a), None

    def backward(self, params, cache, delta, ctx):
        return (), delta


class Double(Layer):
    """A layer of one's own that runs under both namespaces."""

    def forward(self, params, a, ctx):
        return 2 * a, None

    def backward(self, params, cache, delta, ctx):
        return (), 2 * delta


@pytest.mark.slow
def test_a_layer_of_ones_own():
    against_reference(Network(6, [Dense(3), Double()], SoftmaxCrossEntropy()))
    network = Network(6, [Dense(3), Threshold()], SoftmaxCrossEntropy())
    with pytest.raises(ConfigError, match=r"engine xla cannot compile .* or engine='reference'"):
        trained("xla", network)


def test_devices():
    assert "cpu:0" in devices.names()
    by_name = [devices.find(name) for name in ("cpu", "cpu:0", "CPU")]
    assert by_name == [jax.devices("cpu")[0]] * 3
    for wrong in ("cuda:7", "npu", "cpu:99", 3):
        with pytest.raises(ConfigError, match=r"device must be one of 'cpu:0'.*, not .*; omit it"):
            devices.find(wrong)
    for default in (None, "cpu", jax.devices("cpu")[0]):
        with jax.default_device(default):
            assert devices.find(None) == by_name[0]
    with pytest.raises(ConfigError, match="device must be one of"):
        trained(Compute("xla", device="npu"))
    assert trained(Compute("xla", device="cpu")).theta.tobytes() == trained("xla").theta.tobytes()


def test_other_engines_run_on_the_processor():
    for engine in ("native", "reference"):
        if ENGINES[engine].refusal(Plan(NETWORK)) is None:
            assert select(engine, Plan(NETWORK, device="cpu")) is ENGINES[engine]
        with pytest.raises(ConfigError, match=r"device 'cuda:0' requires the xla engine|it was not built"):
            select(engine, Plan(NETWORK, device="cuda:0"))
    assert select("auto", Plan(NETWORK)).name != "xla"


def test_it_says_what_it_does_not_do(monkeypatch):
    with pytest.raises(ConfigError, match="precision 'bf16' requires the native or the reference engine"):
        trained(Compute("xla", precision="bf16"), dtype="float32")
    with pytest.raises(ConfigError, match="spsa runs on the reference engine, not 'xla'"):
        trained("xla", method="spsa")
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"needs JAX, which is not installed \(pip install 'chainrule\[xla\]'\)"
    ):
        trained("xla")


def test_without_being_asked_for_it_imports_no_jax():
    code = (
        "import sys, numpy as np, chainrule as c; from chainrule.engines import ENGINES, Plan;"
        "n = c.Network(2, [c.Dense(1)], c.MeanSquaredError()); ENGINES['xla'].refusal(Plan(n));"
        "c.Model(n).fit(np.eye(2), np.ones(2), epochs=1); print('jax' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "False\n"


class Times(Layer):
    """A layer with a number that is no field: two of them are equal to Python."""

    def __init__(self, number):
        object.__setattr__(self, "number", number)

    def forward(self, params, a, ctx):
        return self.number * a, None

    def backward(self, params, cache, delta, ctx):
        return (), self.number * delta


def test_equal_networks_share_a_program():
    """A search or a further `partial_fit` makes new ones; custom layers may differ although they are equal."""

    def made(*layers: Layer, **more) -> object:
        return program(Plan(Network(6, [Dense(3), *layers], SoftmaxCrossEntropy(), **more), Adam(), 10))

    assert made(ReLU()) is made(ReLU())
    assert made(ReLU()) is not made(Tanh())
    assert made(ReLU()) is not made(ReLU(), l2=0.1)
    assert Times(2) == Times(3)
    assert made(Times(2)) is not made(Times(3))
    outputs = [
        Model(Network(6, [Dense(3), Times(k)], SoftmaxCrossEntropy()), seed=1).outputs(X, engine="xla")
        for k in (2, 3)
    ]
    np.testing.assert_allclose(outputs[0] * 1.5, outputs[1], rtol=1e-5)


class Pulled(GradientDescent):
    """A rule with a number that is no field: two of them are equal to Python."""

    def __init__(self, number):
        super().__init__(0.1)
        object.__setattr__(self, "number", number)

    def update(self, g, state, theta, lr, t):
        return super().update(self.number * g, state, theta, lr, t)


class Gain(Tanh):
    """An activation with a number that is no field."""

    def __init__(self, number):
        object.__setattr__(self, "number", number)

    def f(self, z):
        return self.number * super().f(z)

    def prime(self, z, fz):
        return self.number * super().prime(z, fz / self.number)


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda k: ([Tanh()], Pulled(k)), id="optimizer"),
        pytest.param(lambda k: ([ParametricActivation(Gain(k))], GradientDescent(0.1)), id="function"),
    ],
)
def test_custom_parts_that_are_equal_to_python_have_programs_of_their_own(made):
    y = np.arange(len(X)) % 3
    for k in (1.0, 5.0):
        layers, optimizer = made(k)
        assert made(1.0) == made(5.0)
        models = {}
        for engine in ("reference", "xla"):
            net = Network(6, [Dense(4), *layers, Dense(3)], SoftmaxCrossEntropy())
            models[engine] = Model(net, seed=1, dtype="float64")
            models[engine].fit(X, y, epochs=1, batch_size=10, optimizer=optimizer, engine=engine)
        np.testing.assert_allclose(models["xla"].theta, models["reference"].theta, rtol=1e-9, atol=1e-12)
        outputs = [models[engine].outputs(X, engine=engine) for engine in models]
        np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-9, atol=1e-12)


def test_seeds_do_not_make_another_program():
    plan = Plan(NETWORK, Adam(), 10, 1, np.float64)
    assert program(plan) is program(plan._replace(seed=2, threads=1, device="cpu", streamed=7))
    assert program(plan) is not program(plan._replace(optimizer=replace(Adam(), beta1=0.5)))
