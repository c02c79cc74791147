"""Samples of every kind are read by the native engine where they lie, with the bits of a plain array."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import chainrule
from chainrule import Dense, Model, Network, Rescale, SoftmaxCrossEntropy, Tanh
from chainrule.engines.native import engine as native
from native_runs import FLOAT64, FLOATS, assert_same, data, trained


def odd_field(X: np.ndarray) -> np.ndarray:
    """A field whose rows are no whole number of values apart."""
    records = np.zeros(X.shape, [("X", "<f8"), ("b", "u1")])
    records["X"] = X
    return records["X"]


def with_duplicates(X: np.ndarray, dtype: str) -> scipy.sparse.csr_array:
    """X with every entry stored as two parts of it, columns falling, and every third row empty."""
    rows = [np.flatnonzero(row)[::-1].repeat(2) for row in X]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    data = np.concatenate([X[i, row] for i, row in enumerate(rows)]).astype(dtype)
    data[::2], data[1::2] = data[::2] - 3, 3
    return scipy.sparse.csr_array((data, np.concatenate(rows), indptr), shape=X.shape)


def with_wide_indices(X: np.ndarray) -> scipy.sparse.csr_array:
    sparse = scipy.sparse.csr_array(X.astype(np.float32))
    sparse.indices, sparse.indptr = sparse.indices.astype(np.int64), sparse.indptr.astype(np.int64)
    return sparse


FORMS = {
    "uint8": lambda X: X.astype(np.uint8),
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.copy(),
    "read-only": lambda X: np.broadcast_to(X, X.shape),
    "fortran uint8": lambda X: np.asfortranarray(X.astype(np.uint8)),
    "fortran float32": lambda X: np.asfortranarray(X.astype(np.float32)),
    "fortran float64": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every third column": lambda X: np.repeat(X.astype(np.float32), 3, axis=1)[:, ::3],
    "rows backwards": lambda X: X[::-1].copy()[::-1],
    "columns backwards": lambda X: X.astype(np.uint8)[:, ::-1].copy()[:, ::-1],
    "both backwards": lambda X: np.asfortranarray(X[::-1, ::-1])[::-1, ::-1],
    "a part": lambda X: np.pad(X, 3)[3:-3, 3:-3],
    "csr uint8": lambda X: scipy.sparse.csr_array(X.astype(np.uint8)),
    "csr float32": lambda X: scipy.sparse.csr_matrix(X.astype(np.float32)),
    "csr float64": scipy.sparse.csr_array,
    "csr int64": with_wide_indices,
    "csr uint8 duplicates": lambda X: with_duplicates(X, "u1"),
    "csr float64 duplicates": lambda X: with_duplicates(X, "f8"),
}
"""Arrays that hold the same numbers, all read where they lie."""
CONVERTED = {
    "int32": lambda X: X.astype(np.int32),
    "big-endian": lambda X: X.astype(">f4"),
    "csr int32": lambda X: scipy.sparse.csr_array(X.astype(np.int32)),
    "field": lambda X: odd_field(X),
}
"""The others, some rows at a time."""


def pixels(dtype: str = "float32") -> tuple[np.ndarray, np.ndarray, Network]:
    """Half of it is zero, and every third row all of it."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (50, 37)).astype(np.float64), rng.integers(0, 3, 50)
    X *= rng.random(X.shape) < 0.5
    X[::3] = 0
    return X, y, Network(37, [Rescale(1 / 255, -0.1), Dense(7), Tanh(), Dense(3)], SoftmaxCrossEntropy())


@pytest.mark.parametrize("isa", FLOATS)
@pytest.mark.parametrize("form", [*FORMS, "memory map", "fortran memory map"])
def test_samples_are_read_as_they_lie(form, isa, tmp_path, monkeypatch):
    """No conversion, and the bits of the plain array."""
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    X, y, network = pixels()
    expected = trained("native", network, X, y, "float32")
    outputs = expected.outputs(X, engine="native")
    if form in FORMS:
        given = FORMS[form](X)
    else:
        np.save(tmp_path / "X.npy", np.asarray(X.astype(np.uint8), order="F" if "fortran" in form else "C"))
        given = np.load(tmp_path / "X.npy", mmap_mode="r")
    before = given.copy()

    def refuse(*_):
        raise AssertionError("converted")

    monkeypatch.setattr(native, "as_rows", refuse)
    monkeypatch.setattr(type(given), "toarray", refuse, raising=False) if form.startswith("csr") else None
    monkeypatch.setattr(chainrule.data.samples.Samples, "take", refuse)
    monkeypatch.setattr(chainrule.data.samples.Samples, "fingerprint", lambda self: 0)
    model = trained("native", network, given, y, "float32")
    assert model.theta.tobytes() == expected.theta.tobytes()
    assert model.outputs(given, engine="native").tobytes() == outputs.tobytes()
    assert ((before != given).sum() if hasattr(before, "tocsr") else (before != given).any()) == 0


@pytest.mark.parametrize("form", CONVERTED)
def test_other_samples_are_converted(form):
    X, y, network = pixels()
    given = CONVERTED[form](X)
    assert not native.is_direct(given)
    assert_same(trained("reference", network, X, y), trained("native", network, given, y), X, FLOAT64)


def test_duplicates_are_summed_in_their_own_type():
    """200 + 100 is 44 in uint8, as in SciPy's own dense form."""
    X = scipy.sparse.csr_array((np.array([200, 100], np.uint8), [1, 1], [0, 2]), shape=(1, 3))
    model = Model(Network(3, [Dense(2)], chainrule.MeanSquaredError()), seed=1)
    assert np.array_equal(model.outputs(X), model.outputs(X.toarray()))
    assert np.array_equal(model.outputs(X), model.outputs(np.array([[0, 44, 0]])))


def outside(X: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    X.indices[3] = X.shape[1]
    return X


def negative(X: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    X.indices[3] = -1
    return X


def falling(X: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    X.indptr[2] = X.indptr[1] - 1
    return X


def short(X: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    X.data, X.indices = X.data[:-5], X.indices[:-5]
    return X


@pytest.mark.parametrize("harm", [outside, negative, falling, short])
def test_a_malformed_csr_matrix_is_an_error(harm, monkeypatch):
    X, y, network = pixels()
    X = harm(scipy.sparse.csr_array(X[1::3]))
    model = Model(network)
    for call in (lambda: model.fit(X, y[1::3]), lambda: model.predict(X)):
        with pytest.raises(chainrule.DataError, match=r"X is not a valid CSR matrix: .* build it again"):
            call()
    monkeypatch.setattr(
        scipy.sparse.csr_array, "check_format", lambda *_, **__: None
    )  # and changed after its check
    monkeypatch.setattr(chainrule.data.checks, "_check_finite", lambda *_: None)
    monkeypatch.setattr(chainrule.data.samples.Samples, "fingerprint", lambda self: 0)
    for call in (lambda: model.fit(X, y[1::3], engine="native"), lambda: model.predict(X)):
        with pytest.raises(ValueError, match="a CSR matrix whose"):
            call()


def test_an_infinite_entry_of_a_csr_matrix_is_named():
    X, y, network = pixels()
    X[4, 5] = np.inf
    with pytest.raises(chainrule.DataError, match="X contains inf at row 4, column 5"):
        Model(network).fit(scipy.sparse.csr_array(X), y)


def test_wide_samples_are_converted_a_few_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(
        native, "MAX_CONVERTED", 9 * 20
    )  # 20 rows of 9 features: one batch of 16, or 20 rows to predict
    seen = []
    convert = native.as_rows
    monkeypatch.setattr(native, "as_rows", lambda X, dtype: seen.append(X.shape[0]) or convert(X, dtype))
    X, y = data()
    X = scipy.sparse.csr_array(np.where(X > 0, 3 * X, 0.0).astype(np.int32))
    network = Network(9, [Dense(7), Tanh(), Dense(3)], SoftmaxCrossEntropy())
    assert_same(*(trained(engine, network, X, y) for engine in ("reference", "native")), X, FLOAT64)
    assert max(seen) == 20
