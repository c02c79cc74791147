"""The list of named operations that a network is written as, and what the native engine makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from chainrule import (
    BatchNorm,
    Clip,
    ConfigError,
    Dense,
    Dropout,
    LeakyReLU,
    MeanSquaredError,
    Model,
    Network,
    NonFiniteError,
    PiecewiseLinearEmbedding,
    PReLU,
    ReLU,
    Rescale,
    Residual,
    Skip,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.engines import ENGINES, Plan, native
from chainrule.formulas.layers import ACTIVATIONS, Layer, Operation
from chainrule.formulas.losses import Formula, Loss
from chainrule.formulas.optimizers import Optimizer, Rule
from chainrule.network.ops import operations
from chainrule.trained.persistence import LAYERS

needs_native = pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))


def test_operations_stand_in_the_order_of_the_walk():
    layers = [
        Standardize(),
        Residual([Dense(3), LeakyReLU(0.2), BatchNorm()]),
        Skip([Dense(2), PReLU()]),
        Dropout(0.25),
        Dense(4),
    ]
    network = Network(5, layers, SoftmaxCrossEntropy())
    ops, widths = operations(network)
    assert [(op.name, op.function, op.inputs, op.output) for op in ops] == [
        ("standardize", None, (0,), 1),
        ("dense", None, (1,), 2),
        ("elementwise", "leaky_relu", (2,), 3),
        ("batch_norm", None, (3,), 4),
        ("dense", None, (1,), 5),  # the projection of the residual block
        ("add", None, (4, 5), 6),
        ("dense", None, (6,), 7),
        ("prelu", None, (7,), 8),
        ("concat", None, (8, 6), 9),
        ("dropout", None, (9,), 10),
        ("dense", None, (10,), 11),
    ]
    assert widths == (5, 5, 3, 3, 3, 3, 3, 2, 2, 5, 5, 4)
    assert [[f"{network.slots[n].link.name}.{network.slots[n].field}" for n in op.slots] for op in ops] == [
        [],
        ["dense_1.W", "dense_1.b"],
        [],
        ["batch_norm_1.gamma", "batch_norm_1.beta"],
        ["projection_1.W"],
        [],
        ["dense_2.W", "dense_2.b"],
        ["prelu_1.slope"],
        [],
        [],
        ["dense_3.W", "dense_3.b"],
    ]
    assert [op.link.name for op in ops if op.has_state] == ["standardize_1", "batch_norm_1"]
    constants = [dict(op.constants) for op in ops if op.constants]
    assert constants == [{"slope": 0.2}, {"eps": 1e-5, "momentum": 0.9}, {"rate": 0.25}]


def layer_of(kind: type[Layer]) -> Layer:
    settings = {"dense": (2,), "projection": (2,), "rescale": (2.0,), "embedding": ([(1, 3, 2), (0, 5, 4)],)}
    settings["parametric_activation"] = (LeakyReLU(0.2),)
    settings |= {"take": ([1, 0, 1],), "grouped_dense": (2, 2)}
    return kind(*settings.get(kind.kind, ([Tanh()],) if kind.kind in ("residual", "skip") else ()))


@pytest.mark.parametrize("kind", LAYERS.values(), ids=list(LAYERS))
def test_every_layer_is_written_in_operations(kind: type[Layer]):
    ops = layer_of(kind).ops(3)
    assert ops
    fields = kind.parameters(layer_of(kind), 3, None) if kind.kind not in ("residual", "skip") else ()
    used = [name for op in ops for name in op.parameters]
    assert used == list(getattr(fields, "_fields", ()))


@needs_native
@pytest.mark.parametrize("kind", LAYERS.values(), ids=list(LAYERS))
def test_the_kernels_know_every_operation_and_its_constants(kind: type[Layer]):
    for op in layer_of(kind).ops(3) or ():
        assert op.name in native._native.OPS
        assert set(native._native.CONSTANTS[op.function or op.name]) == set(op.constants)


@needs_native
def test_the_kernels_know_no_function_that_is_no_activation():
    assert set(native._native.ACTIVATIONS) | {"prelu", "softmax"} == set(ACTIVATIONS)
    assert set(native._native.ACTIVATIONS) >= native._native.FUSED


class Doubled(Dense):
    """Not the operation of its base class."""

    def forward(self, params, a, ctx):
        z, cache = super().forward(params, a, ctx)
        return 2 * z, cache


@dataclass(frozen=True)
class Halved(Layer):
    """A layer of one's own that is written in known operations: two of them, one after the other."""

    def forward(self, params, a, ctx):
        return np.maximum(0.5 * a, 0), a

    def backward(self, params, cache, delta, ctx):
        return (), np.where(cache > 0, 0.5 * delta, 0)

    def ops(self, fan_in):
        return (
            Operation("rescale", constants={"scale": 0.5, "offset": 0.0}),
            Operation("elementwise", function="relu"),
        )


@dataclass(frozen=True)
class Foreign(Layer):
    """Written in an operation that no engine knows."""

    def forward(self, params, a, ctx):
        return a, None

    def backward(self, params, cache, delta, ctx):
        return (), delta

    def ops(self, fan_in):
        return (Operation("fourier"),)


@needs_native
@pytest.mark.parametrize("layer", [Doubled(3), Foreign()])
def test_what_is_not_known_is_refused(layer: Layer):
    network = Network(4, [Dense(3), Skip([layer]), Dense(2)], SoftmaxCrossEntropy())
    reason = ENGINES["native"].refusal(Plan(network))
    assert reason == f"it does not know the layer {layer.kind}_1 ({type(layer).__name__})"


def test_the_first_link_without_operations_is_named():
    network = Network(4, [Dense(3), Residual([ReLU(), Doubled(3)])], SoftmaxCrossEntropy())
    with pytest.raises(ConfigError, match=r"doubled_1 \(Doubled\) declares no operations"):
        Model(network).graph()


@dataclass(frozen=True)
class Squared(Loss):
    """A loss of one's own that is a formula of the kernels."""

    kind, targets = "squared", "real"

    def value(self, out, y):
        return 0.5 * ((out - y) ** 2).sum(-1)

    def gradient(self, out, y):
        return out - y

    def formula(self):
        return Formula("half_squared_error")


@dataclass(frozen=True)
class Heavy(Optimizer):
    """An optimizer of one's own that is a rule of the kernels."""

    kind = "heavy"

    def init(self, theta):
        return (np.zeros_like(theta),)

    def update(self, g, state, theta, lr, t):
        v = 0.8 * state[0] + g
        return theta - lr * v, (v,)

    def rule(self):
        return Rule("momentum", beta1=0.8)


class SquaredToo(Squared):
    kind = "squared_too"


class HeavyToo(Heavy):
    kind = "heavy_too"


@needs_native
def test_a_loss_and_an_optimizer_of_ones_own_in_known_formulas_run_on_the_kernels():
    X = np.random.default_rng(0).normal(size=(50, 4))
    y = np.sin(X[:, :2])

    def trained(engine: str) -> Model:
        model = Model(Network(4, [Dense(8), Tanh(), Dense(2)], Squared()), seed=1, dtype=np.float64)
        model.fit(X, y, optimizer=Heavy(0.05), epochs=5, batch_size=8, engine=engine)
        return model

    native_one, reference = trained("native"), trained("reference")
    np.testing.assert_allclose(native_one.theta, reference.theta, rtol=1e-9, atol=1e-11)


@needs_native
def test_a_subclass_says_again_what_the_kernels_know():
    plan = Plan(Network(4, [Dense(2)], Squared()), HeavyToo(0.05))
    assert ENGINES["native"].refusal(plan) == "it does not know the optimizer HeavyToo"
    assert SquaredToo().formula() is None and HeavyToo(0.1).rule() is None


@needs_native
def test_a_layer_of_ones_own_in_known_operations_runs_on_the_kernels():
    layers = [Rescale(0.5), Rescale(2.0, 1.0), Dense(8), Halved(), Skip([Rescale(3.0), Halved()]), Dense(3)]
    X, y = np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 3

    def trained(engine: str) -> Model:
        model = Model(Network(4, layers, SoftmaxCrossEntropy()), seed=1, dtype=np.float64)
        model.fit(X, y, epochs=3, batch_size=8, engine=engine)
        return model

    native_one, reference = trained("native"), trained("reference")
    np.testing.assert_allclose(native_one.theta, reference.theta, rtol=1e-9, atol=1e-11)
    outputs = native_one.outputs(X, engine="native")
    np.testing.assert_allclose(outputs, native_one.outputs(X, engine="reference"), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
@pytest.mark.parametrize("how", [{}, {"clip": Clip(norm=1.0)}], ids=["plain", "clipped"])
def test_a_gradient_that_is_larger_than_a_float_is_found_before_it_is_used(engine: str, how: dict):
    """dL/dE has the factor (x - edge) / width, here 1e30, which neither x nor delta has."""
    network = Network(1, [PiecewiseLinearEmbedding(2, 1), Dense(1)], MeanSquaredError())
    model = Model(network, seed=1)
    model.fit([[0.0], [1e-30]], [0, 0], epochs=0)  # one bin, of width 1e-30
    start = model.theta.copy()
    with pytest.raises(NonFiniteError, match="first in gradient"):
        model.fit([[1.0]] * 4, [1e10] * 4, epochs=1, engine=engine, **how)
    np.testing.assert_array_equal(model.theta, start)
