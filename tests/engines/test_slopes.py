"""Training on slopes by the native engine: the numbers of the reference engine, with any layer, batch and threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule import Dense, Layer, Model, Network, Tanh
from chainrule.engines import native
from layer_examples import ACTIVATIONS, LAYERS, examples
from states import stands_first

needs_native = pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))
INPUTS, OUTPUTS = 4, 2


def chain(layer: Layer) -> list[Layer]:
    if stands_first(layer):
        return [layer, Dense(12), c.SiLU(), Dense(OUTPUTS)]
    return [Dense(12), layer, c.SiLU(), Dense(3), c.SiLU(), Dense(OUTPUTS)]


NATIVE = [kind for kind in LAYERS if kind not in ("softmax", "batch_norm", "embedding", "take")]
NATIVE = [kind for kind in NATIVE if kind not in ("periodic_embedding", "piecewise_linear_embedding")]


def fitted(
    engine: str, layers: list[Layer], dtype: str = "float64", n: int = 60, **settings: Any
) -> tuple[Model, float]:
    """A model after three epochs on slopes of which some are unknown, and its last loss."""
    random = np.random.default_rng(2)
    X, y, dY = (random.normal(size=size) for size in ((n, INPUTS), (n, OUTPUTS), (n, OUTPUTS, INPUTS)))
    loss = settings.pop("loss", c.MeanSquaredError())
    model = Model(Network(INPUTS, layers, loss), seed=3, dtype=dtype)
    given = {"slopes": np.where(dY > 0.8, np.nan, dY), "slope_weight": np.abs(X[:, None]), "batch_size": 16}
    history = model.fit(
        X, y, **(given | {"epochs": 3, "sample_weight": 1 + np.arange(n) % 3} | settings), engine=engine
    )
    return model, history["loss"][-1]


def agree(layers: list[Layer], dtype: str = "float64", **settings: Any) -> None:
    (reference, wanted), (native, loss) = (
        fitted(e, layers, dtype, **settings) for e in ("reference", "native")
    )
    tolerance = 1e-11 if dtype == "float64" else 2e-5
    assert_allclose(native.theta, reference.theta, rtol=tolerance, atol=tolerance)
    assert loss == pytest.approx(wanted, rel=tolerance)


@needs_native
@pytest.mark.parametrize("kind", NATIVE)
def test_the_native_engine_agrees_with_the_reference(kind: str):
    for layer in examples(kind):
        if not any(isinstance(inner, c.BatchNorm) for inner in getattr(layer, "layers", ())):
            agree(chain(layer))


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [kind for kind in ACTIVATIONS if kind != "softmax"])
def test_the_native_engine_agrees_for_every_activation(kind: str, dtype: str):
    """Those that a plain step fuses with a dense too."""
    layer = examples(kind)[0]
    agree([Dense(9), layer, Dense(17), layer, Dense(OUTPUTS)], dtype)


@needs_native
def test_the_native_engine_agrees_for_every_size_of_a_batch():
    """One row, micro-batches, wide layers, norms that are clipped, members."""
    layers = [Dense(20), Tanh(), c.Dropout(0.2), Dense(30), Dense(OUTPUTS)]
    agree(layers, batch_size=1, n=20)
    agree(layers, batch_size=2000, n=3000)
    agree(layers, clip=0.1, optimizer="sgd")
    agree([Dense(40), Tanh(), Dense(1030), Tanh(), Dense(OUTPUTS)], batch_size=50)
    agree([Dense(20), Tanh(), Dense(3 * OUTPUTS)], loss=c.MeanOverMembers(c.Huber(), 3))


@needs_native
def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch):
    thetas = []
    for threads in (1, 2):
        monkeypatch.setattr(native.engine, "workers", lambda threads=threads: threads)
        model, _ = fitted("native", [Dense(300), Tanh(), Dense(OUTPUTS)], n=256, batch_size=128)
        thetas.append(model.theta)
    assert_array_equal(*thetas)


@needs_native
def test_a_layer_that_the_native_engine_does_not_train_on_slopes_has_a_sentence():
    X, y, dY = (np.random.default_rng(1).normal(size=size) for size in ((20, 2), 20, (20, 2)))
    model = Model(Network(2, [c.Take([1, 0]), Dense(1)], c.MeanSquaredError()))
    with pytest.raises(c.ConfigError, match=r"it does not train the layer take_1 \(Take\) on slopes"):
        model.fit(X, y, slopes=dY, engine="native")
    with pytest.raises(c.ConfigError, match="precision 'bf16' with slopes requires the reference engine"):
        Model(Network(2, [Dense(8), Tanh(), Dense(1)], c.MeanSquaredError())).fit(
            X, y, slopes=dY, engine=c.Compute("native", precision="bf16")
        )
    model.fit(X, y, slopes=dY, epochs=1)


@needs_native
def test_a_loss_that_overflows_names_its_place():
    X, y, dY = (np.random.default_rng(1).normal(size=size) for size in ((20, 2), 20, (20, 2)))
    with pytest.raises(c.NonFiniteError, match="at step 1"), np.errstate(all="ignore"):
        Model(Network(2, [Dense(8), Tanh(), Dense(1)], c.MeanSquaredError())).fit(
            X, y, slopes=dY * 1e38, slope_weight=1e10, epochs=1, engine="native"
        )
