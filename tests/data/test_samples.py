"""Samples: their fingerprint, the same for the same data however they lie; and what takes them instead of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import chainrule as c
from chainrule.data import samples
from chainrule.data.samples import Samples

R = np.random.default_rng(0)
WIDE, LONG = R.integers(0, 256, (40, 3000)).astype(np.uint8), R.normal(size=(30_000, 5)).astype(np.float32)


def fingerprint(X: Any, y: Any = None, weight: Any = None) -> int:
    n = X.shape[0]
    y = np.arange(n) % 3 if y is None else y
    return Samples(X, y, np.ones(n) if weight is None else weight, 3).fingerprint()


@pytest.mark.parametrize(
    "X", [WIDE, LONG, LONG[:, :1], LONG.astype(np.float16), WIDE[:1], LONG.astype(np.longdouble)]
)
def test_the_same_data_in_any_layout(X: np.ndarray[Any, Any], tmp_path: Path):
    np.save(tmp_path / "X.npy", X)
    forms = [
        *(X.copy(), np.asfortranarray(X), np.repeat(X, 2, 0)[::2], X.astype(X.dtype.newbyteorder())),
        np.load(tmp_path / "X.npy", mmap_mode="r"),
    ]
    assert {fingerprint(form) for form in forms} == {fingerprint(X)}


@pytest.mark.parametrize(("y", "outputs"), [(np.arange(40) % 3, 3), (R.normal(size=(40, 2)), 2)])
def test_targets_are_those_of_a_batch_without_its_features(y: Any, outputs: int):
    own = Samples(WIDE, y, np.arange(40.0), outputs)
    rows = np.array([7, 3, 3])
    for chosen, found in ((rows, own.targets_of(rows, np.float32)), (slice(None), own.targets_of())):
        whole = own.batch(chosen, found[0].dtype)
        np.testing.assert_array_equal(found[0], whole.y)
        np.testing.assert_array_equal(found[1], whole.s)


@pytest.mark.parametrize("X", [WIDE, LONG])
def test_any_other_data(X: np.ndarray[Any, Any]):
    found = {
        fingerprint(X),
        fingerprint(X[:-1]),
        fingerprint(X[:, :-1]),
        fingerprint(X.reshape(len(X) // 2, -1)),
    }
    assert len(found) == 4
    for row in R.permutation(len(X))[:20]:
        other = X.copy()
        other[row, row % X.shape[1]] += 1
        found.add(fingerprint(other))
        other = X.copy()
        other[[row, row - 1]] = other[[row - 1, row]]
        found.add(fingerprint(other))
    found.add(fingerprint(X, y=np.arange(len(X)) % 2))
    found.add(fingerprint(X, weight=np.arange(len(X)) + 1.0))
    assert len(found) == 46


def test_sparse_data():
    dense = np.where(R.random((500, 40)) < 0.1, 1.5, 0.0)
    X = sparse.csr_matrix(dense)
    wide_indices = X.copy()
    wide_indices.indptr = X.indptr.astype(np.int64)
    assert fingerprint(X) == fingerprint(wide_indices)
    for at in ((0, 3), (250, 9), (499, 39)):
        other = dense.copy()
        other[at] += 1
        assert fingerprint(sparse.csr_matrix(other)) != fingerprint(X)


def test_of_much_data_pieces_that_are_evenly_spaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(samples, "CHECKSUM_PIECE_BYTES", 1000)
    monkeypatch.setattr(samples, "MAX_CHECKSUM_BYTES", 100_000)  # of 600,000
    before = fingerprint(LONG)
    for start in range(0, len(LONG) - 400, 1000):  # of any 7 pieces that follow one another one is read
        other = LONG.copy()
        other[start : start + 400] += 1
        assert fingerprint(other) != before


# --- samples that were checked before


def made(**settings: Any) -> c.Model:
    return c.Model(c.Network(5, [c.Dense(4), c.Tanh(), c.Dense(3)], c.SoftmaxCrossEntropy()), **settings)


@pytest.mark.parametrize("sparsely", [False, True])
def test_checked_samples_stand_for_their_arrays(sparsely: bool):
    """In fit, outputs, evaluate and the confusion matrix, to the bit."""
    X, y = LONG[:90], np.array(["a", "b", "c"])[R.integers(0, 3, 90)]
    X = sparse.csr_matrix(np.where(X > 0.5, X, 0)) if sparsely else X
    plain, checked = made(), made()
    checked.classes = np.array(["a", "b", "c"])
    train, rest = (checked.check_samples(X[part], y[part]) for part in (slice(60), slice(60, 90)))
    first = plain.fit(X[:60], y[:60], epochs=3, batch_size=16, validation_data=(X[60:], y[60:]))
    second = checked.fit(train, epochs=3, batch_size=16, validation_data=rest)
    assert plain.theta.tobytes() == checked.theta.tobytes() and first["val_loss"] == second["val_loss"]
    assert plain.evaluate(X[60:], y[60:]) == checked.evaluate(rest)
    np.testing.assert_array_equal(plain.outputs(X), checked.outputs(checked.check_samples(X, y)))
    np.testing.assert_array_equal(plain.confusion_matrix(X[60:], y[60:]), checked.confusion_matrix(rest))


def test_checked_samples_of_numbers_are_standardized_by_the_model():
    X, y = LONG[:60], 1e6 + 1e3 * LONG[:60, 0].astype(np.float64)
    model = c.Model(c.Network(5, [c.Dense(1)], c.MeanSquaredError()))
    model.fit(model.check_samples(X, y), epochs=2, scale_targets=True)
    plain = Samples(X, y[:, None], np.ones(60), 1)
    assert model.evaluate(plain) == model.evaluate(X, y) == model.evaluate(model.check_samples(X, y))


def test_checked_samples_that_do_not_fit():
    known = made().check_samples(LONG[:9], np.arange(9) % 3)
    for options in ({"sample_weight": np.ones(9)}, {"class_weight": "balanced"}):
        (name,) = options
        with pytest.raises(c.DataError, match=f"already contain {name}; omit {name}"):
            made().evaluate(known, **options)
    with pytest.raises(c.DataError, match="already contain y"):
        made().fit(known, np.arange(9) % 3)
    wide = c.Model(c.Network(5, [c.Dense(4)], c.SoftmaxCrossEntropy()))
    with pytest.raises(c.ShapeError, match="5 features and 3 outputs, but the network has 5 and 4"):
        wide.evaluate(known)
    numbers = c.Model(c.Network(5, [c.Dense(1)], c.MeanSquaredError()))
    numbers.fit(LONG[:9], LONG[:9, 0], epochs=1, scale_targets=True)
    standardized = numbers.check_samples(LONG[:9], LONG[:9, 0])
    assert numbers.fit(standardized, epochs=1, validation_data=standardized)["val_loss"][0] < 1e3
    other = c.Model(c.Network(5, [c.Dense(1)], c.MeanSquaredError()))
    for method in (other.fit, other.evaluate):
        with pytest.raises(c.DataError, match="standardized for another model; check them again"):
            method(standardized)
