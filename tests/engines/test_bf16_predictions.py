"""Predictions by products of bfloat16: the same bits on every instruction set, of any rows and in any form."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from chainrule import (
    ConfigError,
    DataError,
    Dense,
    Embedding,
    Ensemble,
    GroupedDense,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    Skip,
    SoftmaxCrossEntropy,
)
from chainrule.datasets import load_mnist
from chainrule.engines.native import engine as native
from chainrule.formulas import bf16
from native_runs import SETS
from sanitized import SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

WIDE = 101
HALF = {"precision": "bf16"}
ROWS = (1, 2, 31, 32, 33, 100) if SANITIZED else (1, 2, 31, 32, 33, 100, 1000)


def chain() -> Network:
    """Products of numbers of terms that are no whole blocks, and all ways in which values are read twice."""
    layers = [Dense(203), ReLU(), Residual([Dense(77), ReLU()]), Skip([Dense(40), ReLU()]), Dense(3)]
    return Network(WIDE, layers, MeanSquaredError())


def numbers(n: int) -> np.ndarray[Any, Any]:
    """The first rows of a thousand, with many zeros."""
    rng = np.random.default_rng(0)
    X = rng.normal(40, 30, (1000, WIDE)) * (rng.random((1000, WIDE)) < 0.1)
    return X[:n].astype(np.float32)


def test_the_bits_are_those_of_the_definition():
    X = np.random.default_rng(0).normal(size=(33, WIDE)).astype(np.float32)
    model = Model(
        Network(WIDE, [Dense(203), ReLU(), Dense(40), ReLU(), Dense(3)], MeanSquaredError()), seed=1
    )
    np.testing.assert_array_equal(model.outputs(X, **HALF), model.outputs(X, engine="reference", **HALF))


@pytest.fixture(scope="module")
def expected() -> np.ndarray[Any, Any]:
    return Model(chain(), seed=1).outputs(numbers(1000), **HALF)


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("threads", [1, 2])
def test_any_rows_have_the_same_bits_on_every_instruction_set(isa, threads, expected, monkeypatch):
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", str(threads))
    X, model = numbers(1000), Model(chain(), seed=1)
    for n in ROWS:
        np.testing.assert_array_equal(model.outputs(X[:n], **HALF), expected[:n])
        np.testing.assert_array_equal(Model(chain(), seed=1).outputs(X[-n:], **HALF), expected[-n:])
    bound = model.bind(**HALF)
    for i in range(0, 1000, 37):
        np.testing.assert_array_equal(bound.outputs(X[i]), expected[i : i + 1])
    np.testing.assert_array_equal(bound.outputs(X[:33]), expected[:33])


FORMS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "float64": lambda X: X.astype(np.float64),
    "uint8": lambda X: np.abs(X).astype(np.uint8),
    "columns": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, 0)[::2],
    "every second column": lambda X: np.repeat(X, 2, 1)[:, ::2],
    "backwards": lambda X: X[::-1].copy()[::-1],
    "sparse": scipy.sparse.csr_matrix,
    "list": lambda X: X.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first", [[], [Rescale(1 / 255)]], ids=["as they are", "rescaled"])
def test_any_form_of_rows_has_the_same_bits(form, first):
    model = Model(Network(WIDE, [*first, *chain().layers], MeanSquaredError()), seed=1)
    given = FORMS[form](numbers(33))
    rows = np.array(given.toarray() if form == "sparse" else given, np.float32, order="C")
    before, found = rows.copy(), model.outputs(rows, **HALF)
    np.testing.assert_array_equal(rows, before)  # not rounded where they lie
    np.testing.assert_array_equal(model.outputs(given, **HALF), found)
    np.testing.assert_array_equal(model.bind(**HALF).outputs(given), found)
    if not first:
        np.testing.assert_array_equal(model.outputs(bf16.rounded(rows), **HALF), found)


def test_wide_rows_are_copied_a_few_at_a_time(expected, monkeypatch):
    """A row of a wide sparse matrix has millions of numbers, of which a copy of many would not fit into memory."""
    made = []
    session = native._native.Session
    monkeypatch.setattr(native, "MAX_CONVERTED", 3 * WIDE + 1)
    monkeypatch.setattr(
        native._native, "Session", lambda **how: made.append(how["capacity"]) or session(**how)
    )
    found = Model(chain(), seed=1).outputs(scipy.sparse.csr_matrix(numbers(100)), **HALF)
    np.testing.assert_array_equal(found, expected[:100])
    assert made == [3]


def of_codes() -> Network:
    """Codes that bfloat16 does not have are looked up before anything is rounded."""
    return Network(4, [Embedding([(0, 300, 8)]), Dense(40), ReLU(), Dense(3)], SoftmaxCrossEntropy())


def of_groups() -> Network:
    return Network(4, [Dense(34), ReLU(), GroupedDense(24, 2), ReLU(), Dense(3)], SoftmaxCrossEntropy())


@pytest.mark.parametrize("network", [of_codes, of_groups, lambda: chain()], ids=["codes", "groups", "chain"])
def test_predictions_are_near_those_of_float32_and_others(network):
    model = Model(network(), seed=2)
    X = np.random.default_rng(0).normal(size=(300, model.network.inputs)).astype(np.float32)
    X[:, 0] = np.arange(300)
    full, halved = model.outputs(X), model.outputs(X, **HALF)
    largest = np.abs(full).max()
    assert 1e-6 * largest < np.abs(halved - full).max() < 0.02 * largest
    np.testing.assert_array_equal(model.outputs(X), full)  # what is kept of one is not taken for the other
    np.testing.assert_array_equal(np.concatenate([model.outputs(x[None], **HALF) for x in X]), halved)


def test_predictions_of_digits_are_as_accurate():
    train, test = load_mnist()
    layers = [Rescale(1 / 255), Dense(64), ReLU(), Dense(10)]
    model = Model(Network(784, layers, SoftmaxCrossEntropy()), seed=0)
    model.fit(train.X[:10_000], train.y[:10_000], epochs=1)
    full, halved = model.predict(test.X), model.predict(test.X, **HALF)
    assert abs(np.mean(full == test.y) - np.mean(halved == test.y)) < 0.002
    assert np.mean(full == halved) > 0.99


def test_the_members_of_an_ensemble_predict_so_too():
    X = numbers(70)
    ensemble = Ensemble(chain(), 3, seed=1)
    ensemble.fit(X / 100, X[:, :3] / 100, epochs=1)
    each = np.stack([member.outputs(X, **HALF) for member in ensemble])
    np.testing.assert_array_equal(ensemble.outputs_of_each(X, **HALF), each)
    np.testing.assert_allclose(ensemble.outputs(X, **HALF), each.mean(0), rtol=1e-5)
    np.testing.assert_allclose(ensemble.spread(X, **HALF), each.astype(np.float64).std(0))
    assert not np.array_equal(ensemble.spread(X), ensemble.spread(X, **HALF))
    packed = ensemble.bind(**HALF).outputs(X).reshape(70, 3, 3).swapaxes(0, 1)
    np.testing.assert_array_equal(packed, each)


def test_numbers_that_are_not_finite_are_seen():
    model = Model(chain(), seed=1)
    bound, X = model.bind(**HALF), numbers(40)
    for bad in (np.nan, np.inf):
        X[33, 5] = bad
        for predict in (bound.predict, lambda X: model.predict(X, **HALF)):
            with pytest.raises(DataError, match=f"X contains {bad} at row 33, column 5"):
                predict(X)


@pytest.mark.parametrize(
    ("dtype", "how", "message"),
    [
        ("float64", HALF, "precision 'bf16' needs a float32 model, not float64; omit it"),
        (
            "float32",
            {"precision": "fp8"},
            "precision must be 'bf16', 'int8' to predict, or None for the model's own, not 'fp8'",
        ),
        (
            "float32",
            {"precision": True},
            "precision must be 'bf16', 'int8' to predict, or None for the model's own, not True",
        ),
    ],
)
def test_precisions_that_a_model_does_not_have(dtype, how, message):
    X = numbers(3)
    for made in (Model(chain(), dtype=dtype), Ensemble(chain(), 2, dtype=dtype)):
        for predict in (made.predict, made.predict_proba, made.outputs):
            with pytest.raises(ConfigError, match=message):
                predict(X, **how)
        with pytest.raises(ConfigError, match=message):
            made.bind(**how)
