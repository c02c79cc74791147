"""PeriodicEmbedding, which puts learned waves of a number beside it, and all that the package does to a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines.native import REASON
from chainrule.inspection.attribution import METHODS
from chainrule.inspection.derivation.factors import PeriodicEdge
from chainrule.inspection.derivation.graph import Graph
from halves import half

RNG = np.random.default_rng(8)
N = 60
X = RNG.normal(size=(N, 5))
Y = np.arange(N) % 3
NAME = "periodic_embedding_1"
needs_native = pytest.mark.skipif(REASON is not None, reason="needs the native engine")


def made(*layers: c.Layer, dtype: str = "float64", **how: Any) -> c.Model:
    """A model of an embedding of columns 3, 0 and 2, and of other layers than these if they are given."""
    behind = layers or (c.Dense(6), c.BatchNorm(), c.Tanh(), c.Dense(3))
    embedding = c.PeriodicEmbedding(5, 4, columns=(3, 0, 2), sigma=0.4)
    return c.Model(c.Network(5, [embedding, *behind], c.SoftmaxCrossEntropy(), **how), seed=2, dtype=dtype)


def test_it_is_a_dense_of_the_waves():
    """The output and every gradient are those of a dense layer on the cosines of each column."""
    model = made()
    trace = model.trace(X, Y, training=False)
    params, delta, grads = model.parameters[NAME], trace.grad_outputs[NAME], trace.grads[NAME]
    places = {0: slice(0, 4), 2: slice(5, 9), 3: slice(9, 13)}  # 1 and 4 are kept: 4 and 13
    assert_array_equal(trace.z[NAME][:, [4, 13]], X[:, [1, 4]])
    assert_array_equal(trace.grad_x[:, [1, 4]], delta[:, [4, 13]])
    for t, k in enumerate((3, 0, 2)):
        angle = 2 * np.pi * X[:, [k]] * params.w1[t] + params.b1[t]
        e = np.cos(angle) @ params.W2[t] + params.b2[t]
        assert_allclose(trace.z[NAME][:, places[k]], np.hstack([e, X[:, [k]]]), atol=1e-12)
        own = delta[:, places[k]]
        back = -np.sin(angle) * (own[:, :3] @ params.W2[t].T)
        assert_allclose(grads.W2[t], np.cos(angle).T @ own[:, :3], atol=1e-12)
        assert_allclose(grads.b2[t], own[:, :3].sum(0), atol=1e-12)
        assert_allclose(grads.b1[t], back.sum(0), atol=1e-12)
        assert_allclose(grads.w1[t], 2 * np.pi * X[:, k] @ back, atol=1e-12)
        assert_allclose(trace.grad_x[:, k], own[:, 3] + 2 * np.pi * back @ params.w1[t], atol=1e-12)


def test_the_start():
    """w1 in N(0, sigma^2), b1 in U(-pi, pi), W2 and b2 in U(-1/4, 1/4) for 16 frequencies; no penalty on any."""
    network = c.Network(300, [c.PeriodicEmbedding(rate=0.1, decays=0.5)], c.MeanSquaredError())
    params = c.Model(network).parameters[NAME]
    assert (params.w1.shape, params.b1.shape) == ((300, 16), (300, 16))
    assert (params.W2.shape, params.b2.shape) == ((300, 16, 3), (300, 3))
    assert np.std(params.w1) == pytest.approx(0.1, rel=0.05) and abs(np.mean(params.w1)) < 0.01
    for values, bound in ((params.b1, np.pi), (params.W2, 0.25), (params.b2, 0.25)):
        assert 0.98 * bound < np.abs(values).max() <= bound
        assert np.std(values) == pytest.approx(bound / 3**0.5, rel=0.05)
    assert {(slot.parameter.is_weight, slot.rate, slot.decays) for slot in network.slots} == {
        (False, 0.1, 0.5)
    }


@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "l1": 0.01}])
def test_gradients_agree_with_central_differences(settings: dict[str, float]):
    assert made(**settings).check_gradients(X, Y).error < 1e-6
    inside = made(c.Dense(3), c.Residual([c.PeriodicEmbedding(2, 3), c.Dense(3)]), c.Dense(3), **settings)
    assert inside.check_gradients(X, Y).error < 1e-6


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: c.PeriodicEmbedding(0), "frequencies of PeriodicEmbedding must be an integer of at least 1"),
        (
            lambda: c.PeriodicEmbedding(1025),
            "frequencies of PeriodicEmbedding must be at most 1,024, not 1,025",
        ),
        (lambda: c.PeriodicEmbedding(size=1), "size of PeriodicEmbedding must be an integer of at least 2"),
        (lambda: c.PeriodicEmbedding(sigma=0), "sigma of PeriodicEmbedding must be a finite number above 0"),
        (lambda: c.PeriodicEmbedding(rate=-1), "rate of PeriodicEmbedding must be"),
        (lambda: c.PeriodicEmbedding(decays=np.inf), "decays of PeriodicEmbedding must be"),
        (
            lambda: c.PeriodicEmbedding(columns=(1, 1)),
            "columns of PeriodicEmbedding must be a list of distinct columns",
        ),
        (
            lambda: c.PeriodicEmbedding(columns=()),
            "columns of PeriodicEmbedding must be a list of distinct columns",
        ),
        (lambda: c.PeriodicEmbedding(columns=(0.5,)), "column of PeriodicEmbedding must be an integer"),
        (lambda: c.PeriodicEmbedding(columns=3), "columns of PeriodicEmbedding must be a list"),
        (
            lambda: c.Network(3, [c.PeriodicEmbedding(columns=[3])], c.MeanSquaredError()),
            "columns of PeriodicEmbedding contains 3, but its inputs are 0 to 2",
        ),
    ],
)
def test_errors(make, said: str):
    with pytest.raises(c.ConfigError, match=said):
        make()


@needs_native
@pytest.mark.parametrize(
    ("optimizer", "batch_size", "how"),
    half(
        [c.SGD(0.01, momentum=0.9), c.AdamW(0.01)],
        [1, 7, 60],
        [{}, {"clip": 0.1}, {"clip": c.Clip(value=0.01)}],
    ),
    ids=str,
)
def test_both_engines_agree(optimizer: c.Optimizer, batch_size: int, how: dict[str, Any]):
    """First in a network, where no gradient of x is wanted, and behind layers that learn."""
    for front in ([], [c.Scale(), c.Dense(5)]):
        chain = [*front, c.PeriodicEmbedding(19, 5, columns=(3, 0, 2), rate=0.5, decays=0.3), c.Dense(6)]
        chain += [c.Tanh(), c.Skip([c.PeriodicEmbedding(16)]), c.Dense(3)]
        network = c.Network(5, chain, c.SoftmaxCrossEntropy(), l2=0.01)
        models = [c.Model(network, seed=2, dtype="float64") for _ in range(2)]
        for model, engine in zip(models, ("native", "reference"), strict=True):
            model.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=optimizer, engine=engine, **how)
        assert_allclose(models[0].theta, models[1].theta, rtol=1e-9, atol=1e-10)
        native, reference = (models[0].outputs(X, engine=engine) for engine in ("native", "reference"))
        assert_allclose(native, reference, rtol=1e-11, atol=1e-12)
        assert_array_equal(models[0].bind(engine="native").outputs(X[:1]), native[:1])


def waves(x: np.ndarray, dtype: str, engine: str) -> tuple[np.ndarray, np.ndarray]:
    """The cosine of x turns and its derivative by the angle, as a network computes them."""
    layer = c.PeriodicEmbedding(1, 2)
    model = c.Model(c.Network(1, [c.Scale(), layer], c.MeanSquaredError()), dtype=dtype)
    params = model.parameters[NAME]
    params.w1[...], params.b1[...], params.W2[...], params.b2[...] = 1, 0, 1, 0
    out = model.outputs(x[:, None], engine=engine)
    sines = []
    for each in x[
        :: len(x) // 50
    ]:  # the loss of outputs out and targets out - (1, 0) / 2 has the gradient (1, 0)
        moved = c.Model(model.network, dtype=dtype)
        moved.theta[:] = model.theta
        target = moved.outputs([[each]], engine=engine) - [[0.5, 0]]
        moved.fit([[each]], target, epochs=1, optimizer=c.GradientDescent(1), engine=engine)
        sines.append(model.theta[2] - moved.theta[2])
    return out[:, 0], -np.array(sines)


@needs_native
def test_waves_in_float32():
    """Of many turns and few, exact to about 1e-7 where the number of turns is."""
    x = np.concatenate([np.linspace(-2, 2, 4001), np.linspace(-300, 300, 4001)]).astype(np.float32)
    cosines, _ = waves(x, "float32", "native")
    assert_allclose(cosines, np.cos(2 * np.pi * x.astype(np.float64)), rtol=0, atol=2e-7)
    near = np.abs(np.cos(2 * np.pi * x.astype(np.float64))) > 1e-3
    assert_allclose(cosines[near], np.cos(2 * np.pi * x.astype(np.float64))[near], rtol=3e-7)
    few = x[:4001]
    assert_allclose(
        waves(few, "float32", "native")[1], np.sin(2 * np.pi * few[:: 4001 // 50].astype(float)), atol=1e-6
    )
    far = np.array([2.0**22 + 0.5, 2.0**30, 1e30, -1e38], np.float32)
    assert (np.abs(waves(np.repeat(far, 50), "float32", "native")[0]) <= 1).all()


@needs_native
def test_waves_in_float64():
    x = np.concatenate([np.linspace(-2, 2, 4001), np.linspace(-300, 300, 4001)])
    turns = x - np.round(x)  # exact
    cosines, sines = waves(x, "float64", "native")
    assert_allclose(cosines, np.cos(2 * np.pi * turns), rtol=0, atol=5e-16)
    assert_allclose(sines, np.sin(2 * np.pi * turns[:: len(x) // 50]), rtol=0, atol=2e-15)


@needs_native
@pytest.mark.parametrize(("dtype", "bits"), [("float32", 22), ("float64", 50)])
def test_many_whole_turns_are_none(dtype: str, bits: int):
    """Quarters of a turn beyond 1, 2, 4, ... whole ones, as far as the type has them, are those of the first."""
    whole = 2.0 ** np.arange(bits)
    x = (np.concatenate([whole, -whole])[:, None] + [0.0, 0.25, 0.5, 0.75]).ravel().astype(dtype)
    cosines, _ = waves(x, dtype, "native")
    assert_allclose(cosines, np.tile([1, 0, -1, 0], 2 * bits), rtol=0, atol=2e-7)


@needs_native
@pytest.mark.parametrize("batch_size", [64, 2048])
def test_the_bits_depend_on_no_number_of_threads(batch_size: int, monkeypatch: pytest.MonkeyPatch):
    """Batches of rows and of parts."""
    rng = np.random.default_rng(3)
    rows, y, found = rng.normal(size=(4096, 9)), rng.integers(0, 3, 4096), set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        layers = [c.PeriodicEmbedding(columns=(1, 2, 5, 7)), c.Dense(32), c.ReLU(), c.Dense(3)]
        model = c.Model(c.Network(9, layers, c.SoftmaxCrossEntropy()), seed=1)
        model.fit(rows, y, epochs=1, batch_size=batch_size, engine="native")
        found.add(model.theta.tobytes())
    assert len(found) == 1


@needs_native
def test_the_bits_are_those_of_every_instruction_set(monkeypatch: pytest.MonkeyPatch):
    from chainrule.engines.native import _native

    sets = [name for name in _native.instruction_sets() if name.startswith("avx")]
    for dtype in ("float32", "float64"):
        found = set()
        for name in sets:
            monkeypatch.setenv("CHAINRULE_ISA", name)
            model = made(c.Dense(4), c.PeriodicEmbedding(23, 3), c.Dense(3), dtype=dtype)
            model.fit(X, Y, epochs=2, batch_size=16, optimizer=c.Adam(0.01), engine="native")
            found.add(model.theta.tobytes() + model.outputs(X).tobytes())
        assert len(found) == min(1, len(sets))


@needs_native
def test_a_gradient_that_is_larger_than_a_float_is_found_before_it_is_used():
    """dL/dw1 has a factor W2 that neither x nor delta has."""
    network = c.Network(2, [c.PeriodicEmbedding(5), c.Dense(3)], c.MeanSquaredError())
    model = c.Model(network, seed=1)
    W2 = model.parameters[NAME].W2
    W2[...] = RNG.choice([-1e15, 1e15], W2.shape)
    start = model.theta.copy()
    with pytest.raises(c.NonFiniteError, match="gradient"):
        model.fit(1e6 * X[:, :2], np.full((N, 3), 1e18), epochs=1, batch_size=None, engine="native")
    assert_array_equal(model.theta, start)


def test_per_sample_gradients_add_up():
    trace = made().trace(X, Y, training=False)
    for part, whole in zip(trace.per_sample(NAME), trace.grads[NAME], strict=True):
        assert_allclose(part.sum(0), whole, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_attributions(method: str):
    found = made(c.Dense(6), c.Tanh(), c.Dense(3)).attribute(X[:5], method=method)
    assert found.values.shape == (5, 5)
    if found.is_complete:
        assert found.relative_error.max() < 1e-5


def test_derivation():
    trace = made().trace(X[:2], Y[:2])
    for what in ("w1[2,1]", "b1[0,4]", "W2[1,3,2]", "b2[0,1]"):
        derivation = trace.derive(f"{NAME}.{what}")
        assert derivation.value == pytest.approx(derivation.difference.value, rel=1e-6, abs=1e-9)
    for what in ("x[1,3]", "x[0,1]", "dense_1.W[0,1]"):
        derivation = trace.derive(what)
        assert derivation.value == pytest.approx(derivation.difference.value, rel=1e-6, abs=1e-9)
    assert isinstance(Graph(trace).edge_of(NAME), PeriodicEdge)
    text = str(made(c.Dense(3)).trace(X[:1], Y[:1]).derive(f"{NAME}.w1[0,1]"))
    assert "sin(" in text and f"{NAME}.W2[0,1,2]" in text


def test_a_file_keeps_it(tmp_path: Path):
    model = made()
    model.save(tmp_path / "model.safetensors")
    again = c.load(tmp_path / "model.safetensors")
    assert again.network.layers == model.network.layers
    assert again.outputs(X).tobytes() == model.outputs(X).tobytes()


def test_trained_on_waves():
    """With waves to begin with a network learns one of x within a few epochs, as the same network without does not."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (600, 1))
    y = np.sin(12 * x)
    losses = []
    for front in ([c.PeriodicEmbedding(sigma=1.5)], []):
        model = c.Model(
            c.Network(1, [*front, c.Dense(16), c.Tanh(), c.Dense(1)], c.MeanSquaredError()), seed=3
        )
        model.fit(x, y, epochs=40, batch_size=32, optimizer=c.Adam(0.01))
        losses.append(model.evaluate(x, y)["loss"])
    assert losses[0] < 0.05 < losses[1] / 4


@needs_native
@given(st.integers(1, 40), st.integers(2, 7), st.integers(1, 9))
def test_any_size_in_float32(frequencies: int, size: int, batch: int):
    rng = np.random.default_rng(frequencies)
    layers = [c.PeriodicEmbedding(frequencies, size, columns=(2, 0)), c.Dense(2)]
    model = c.Model(c.Network(3, layers, c.MeanSquaredError()), seed=1)
    x = rng.normal(size=(batch, 3)).astype(np.float32)
    native, reference = (model.outputs(x, engine=engine) for engine in ("native", "reference"))
    assert_allclose(native, reference, rtol=2e-5, atol=2e-5)
