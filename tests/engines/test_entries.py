"""A first dense that reads the entries of a CSR matrix: the bits of dense rows, without their memory."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    SGD,
    Adam,
    Clip,
    Compute,
    Dense,
    Dropout,
    GradientDescent,
    MeanSquaredError,
    Model,
    Network,
    NonFiniteError,
    ReLU,
    Rescale,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.engines.native import engine as native
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS
from halves import half
from sanitized import SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

SETS = native._native.instruction_sets()
RULES = [kind for kind in OPTIMIZERS if OPTIMIZERS[kind] is not LBFGS]
BF16 = Compute("native", precision="bf16")
HOW: list[dict[str, Any]] = [
    {},
    {"clip": 0.01},
    {"clip": Clip(value=1e-3)},
    {"batch_size": 1},
    {"batch_size": 1024},  # micro-batches
    {"engine": BF16},
    {"frozen": "dense_1"},
    {"sample_weight": True},
    {"l2": 0.01},
    {"l1": 0.003, "l2": 0.01},
    {"max_norm": 0.5},
    {"scale": 0.3},
]


def words(n: int, columns: int, density: float, seed: int = 0) -> scipy.sparse.csr_array:
    """Few entries, in unequal columns; some rows are empty, and one has an entry in the last column."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns)) * (rng.random((n, columns)) < density * 2 * rng.random(columns))
    X[::7], X[-1, -1] = 0, 1.5
    return scipy.sparse.csr_array(X)


def unsorted(X: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """The same matrix, columns falling, each entry in two parts whose sum is it to the bit, of which one is 0."""
    rows = [X.indices[a:b][::-1].repeat(2) for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)]
    values = [X.data[a:b][::-1].repeat(2) for a, b in zip(X.indptr[:-1], X.indptr[1:], strict=True)]
    values = [v * (np.arange(len(v)) % 2) for v in values]
    return scipy.sparse.csr_array((np.concatenate(values), np.concatenate(rows), 2 * X.indptr), shape=X.shape)


def theta(X: Any, optimizer: Any, dtype: str, hidden: int = 33, **how: Any) -> tuple[bytes, bytes]:
    """The parameters after a few steps, and the outputs."""
    fixed = {name: how.pop(name) for name in ("l1", "l2", "max_norm") if name in how}
    front = [Rescale(how.pop("scale"))] if "scale" in how else []
    layers = [*front, Dense(hidden), Tanh(), Dropout(0.1), Dense(3)]
    rng, n = np.random.default_rng(1), X.shape[0]
    model = Model(Network(X.shape[1], layers, SoftmaxCrossEntropy(), **fixed), seed=2, dtype=dtype)
    if "frozen" in how:
        model.freeze(how.pop("frozen"))
    if how.get("sample_weight"):
        how["sample_weight"] = rng.integers(0, 3, n)
    how = {"epochs": 2, "batch_size": 23, "engine": "native"} | how
    model.fit(X, rng.integers(0, 3, n), optimizer=optimizer, **how)
    return model.theta.tobytes(), model.outputs(X, engine="native").tobytes()


@pytest.mark.parametrize(("how", "dtype", "isa"), half(HOW, ["float32", "float64"], SETS), ids=str)
def test_entries_give_the_bits_of_dense_rows(how, dtype, isa, monkeypatch):
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    if "engine" in how and dtype == "float64":
        pytest.skip("bfloat16 is of a float32 model")
    X = words(1100 if how.get("batch_size") == 1024 else 70, 205, 0.05)
    for optimizer in (Adam(1e-2), GradientDescent(0.1), SGD(0.1, momentum=0.9)):
        expected = theta(X.toarray(), optimizer, dtype, **how)
        assert theta(X, optimizer, dtype, **how) == expected
        assert theta(unsorted(X), optimizer, dtype, **how) == expected


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_rule(kind, dtype):
    X = words(70, 205, 0.05)
    optimizer = OPTIMIZERS[kind](0.01)
    assert theta(X, optimizer, dtype) == theta(X.toarray(), optimizer, dtype)


@given(
    n=st.integers(1, 60),
    columns=st.integers(1, 230),
    hidden=st.integers(1, 70),
    density=st.floats(0, 0.12),
    batch=st.integers(1, 40),
    threads=st.sampled_from(["1", "2", "3"]),
    dtype=st.sampled_from(["float32", "float64"]),
    rule=st.sampled_from(RULES),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_shapes(n, columns, hidden, density, batch, threads, dtype, rule, seed):
    X, before = words(n, columns, density, seed), os.environ.get("CHAINRULE_NUM_THREADS")
    how = {"optimizer": OPTIMIZERS[rule](0.01), "dtype": dtype, "hidden": hidden, "batch_size": batch}
    try:
        os.environ["CHAINRULE_NUM_THREADS"] = "1"
        expected = theta(X.toarray(), **how)
        os.environ["CHAINRULE_NUM_THREADS"] = threads
        assert theta(X, **how) == expected
        assert theta(unsorted(X), **how) == expected
    finally:
        os.environ.pop("CHAINRULE_NUM_THREADS")
        os.environ |= {} if before is None else {"CHAINRULE_NUM_THREADS": before}


@pytest.mark.parametrize("batch", [64, 1024])
def test_the_same_bits_on_any_number_of_threads(batch, monkeypatch):
    """Enough work that several take part."""
    X, found = words(2100, 1500, 0.03), set()
    for threads in ("1", "2", "3", "8"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        found.add(theta(X, Adam(1e-3), "float32", hidden=90, batch_size=batch))
    assert len(found) == 1


def test_an_entry_that_overflows_is_an_error_as_in_dense_rows():
    X, found = words(40, 60, 0.05), set()
    X.data[5] = 1e300  # infinite in float32
    for samples in (X, X.toarray()):
        model = Model(Network(60, [Dense(4), ReLU(), Dense(1)], MeanSquaredError()), seed=0)
        with pytest.raises(NonFiniteError) as caught:
            model.fit(samples, np.zeros(40), engine="native")
        found.add((caught.value.step, caught.value.link))
    assert len(found) == 1


def test_one_step_by_hand():
    """Rows (0, 2, 0, ...) and (0, 1, 3, 0, ...), W = 1 and b = 0, both targets 0."""
    X = scipy.sparse.csr_array(np.pad([[0.0, 2, 0], [0, 1, 3]], ((0, 0), (0, 40))))
    network = Network(43, [Dense(1)], MeanSquaredError(half=True))
    model = Model(network, seed=0, dtype="float64")
    model.theta[:-1] = 1
    model.fit(
        X, np.array([[0.0], [0.0]]), epochs=1, batch_size=2, optimizer=GradientDescent(1.0), engine="native"
    )
    # z = (2, 4), dL/dW = (x_1 2 + x_2 4) / 2 = (0, 4, 6, 0, ...), dL/db = 3
    assert np.array_equal(model.theta, [1, -3, -5, *[1] * 40, -3])


@pytest.mark.skipif(SANITIZED or not sys.platform.startswith("linux"), reason="counts the memory of Linux")
def test_a_batch_is_never_made_dense():
    """256 rows of 2,000,000 columns would be 2 GB; what training and predicting take is a tenth of it."""
    code = """
import resource, numpy as np, scipy.sparse
from chainrule import Dense, GradientDescent, MeanSquaredError, Model, Network
rng = np.random.default_rng(0)
X = scipy.sparse.csr_array((np.ones(5120, "f4"), rng.integers(0, 2_000_000, 5120), np.arange(0, 5121, 10)),
                           shape=(512, 2_000_000))
model = Model(Network(2_000_000, [Dense(1)], MeanSquaredError()), seed=0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model.fit(X, np.zeros(512), batch_size=256, epochs=2, optimizer=GradientDescent(0.1), engine="native")
model.outputs(X, engine="native")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    kib = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert kib < 1_200_000
