"""Small runs of the native engine and of the reference, for tests that compare them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from chainrule import (
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    Model,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
)
from chainrule.engines.native import engine as native

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


FLOAT64 = 1e-10


SETS = native._native.instruction_sets()
FLOATS = [isa for isa in SETS if isa not in ("amx", "avx512bf16", "wide_tiles")]
"""Those with an engine of their own: the others multiply bfloat16 numbers in another way."""


def data(n: int = 101, features: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, features)), rng.integers(0, 3, n)


def trained(engine: Any, network: Network, X, y, dtype: str = "float64", seed: int = 3, **how) -> Model:
    model = Model(network, seed=seed, dtype=dtype)
    how = {"epochs": 3, "batch_size": 16, "optimizer": "sgd"} | how
    model.history = model.fit(X, y, engine=engine, **how)
    return model


def assert_same(a: Model, b: Model, X, bound: float) -> None:
    """Parameters, states, outputs and everything recorded but the seconds."""
    scale = max(1.0, float(np.abs(a.theta).max(initial=0.0)))
    assert np.abs(a.theta - b.theta).max(initial=0.0) <= bound * scale
    for name, state in a.states.items():
        for x, z in zip(state, b.states[name], strict=True):
            assert np.allclose(x, z, rtol=bound, atol=bound * scale)
    out = a.outputs(X, engine="reference")
    assert np.allclose(
        out, b.outputs(X, engine="native"), rtol=bound, atol=bound * max(1.0, np.abs(out).max())
    )
    for mine, other in zip(a.history, b.history, strict=True):
        assert mine.keys() == other.keys()
        for name in mine.keys() - {"seconds"}:
            assert mine[name] == pytest.approx(other[name], rel=bound, abs=bound)


def bits_of_a_run(dtype: str = "float32") -> tuple[bytes, ...]:
    """A deep net with batch norm and dropout, wide enough for many threads to have work."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 40)), rng.integers(0, 3, 300)
    layers = [
        Dense(200),
        BatchNorm(),
        ReLU(),
        Dropout(0.2),
        Residual([Dense(150), BatchNorm(), ReLU()]),
        Dense(3),
    ]
    network = Network(40, layers, SoftmaxCrossEntropy(), l2=1e-3)
    model = trained("native", network, X, y, dtype, batch_size=128, optimizer=Adam(1e-3), clip=1.0)
    states = b"".join(np.asarray(v).tobytes() for s in model.states.values() for v in s)
    return model.theta.tobytes(), states, repr(model.history["loss"]).encode(), model.outputs(X).tobytes()
