"""Estimators predict by products of bfloat16 or of 8-bit integers where they are asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import ConfigError, MLPClassifier, MLPRegressor
from chainrule.engines.native import REASON

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(REASON is not None, reason="the native engine was not built"),
]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32)
NUMBER = X[:, 0] * 3 + X[:, 1]
KIND = np.array(["low", "mid", "high"])[np.digitize(NUMBER, [-1, 1])]
FIT = {"hidden_layer_sizes": (40,), "max_iter": 5, "early_stopping": True, "random_state": 0}


@pytest.fixture(scope="module", params=["array", "table"])
def rows(request: pytest.FixtureRequest) -> Any:
    return X if request.param == "array" else {f"x{k}": X[:, k].tolist() for k in range(5)}


def fitted(kind: type[Any], rows: Any, y: Any, **settings: Any) -> Any:
    return kind(**FIT, preprocess="auto" if isinstance(rows, dict) else None, **settings).fit(rows, y)


def test_a_classifier(rows: Any):
    net = fitted(MLPClassifier, rows, KIND)
    full, halves = net.predict_proba(rows), net.predict_proba(rows, precision="bf16")
    assert 0 < np.abs(full - halves).max() < 0.02
    np.testing.assert_array_equal(net.predict_log_proba(rows, precision="bf16"), np.log(halves))
    np.testing.assert_array_equal(
        net.predict(rows, precision="bf16"), net.classes_[halves.argmax(1)], strict=True
    )
    sets = net.predict_set(rows, 0.8, precision="bf16")
    assert sets.shape == halves.shape and np.mean(sets == net.predict_set(rows, 0.8)) > 0.98
    np.testing.assert_array_equal(net.predict_proba(rows), full)


def test_a_regressor(rows: Any):
    net = fitted(MLPRegressor, rows, NUMBER)
    full, halves = net.predict(rows), net.predict(rows, precision="bf16")
    assert 0 < np.abs(full - halves).max() < 0.02 * np.abs(full).max()
    ends = net.predict_interval(rows, 0.8, precision="bf16")
    assert ends.shape == (400, 2) and not np.array_equal(ends, net.predict_interval(rows, 0.8))
    np.testing.assert_allclose(ends.mean(1), halves, atol=1e-4)
    row = X[7] if isinstance(rows, np.ndarray) else {name: cells[7] for name, cells in rows.items()}
    bound = net.bind(precision="bf16")
    assert bound.predict(row) == halves[7] and bound.answer(row).prediction == halves[7]
    np.testing.assert_allclose(bound.predict_interval(row, 0.8), ends[7], rtol=1e-6)


def test_precisions_that_an_estimator_does_not_have(rows: Any):
    exact, other = fitted(MLPRegressor, rows, NUMBER, dtype="float64"), fitted(MLPRegressor, rows, NUMBER)
    for net, precision, says in (
        (exact, "bf16", "precision 'bf16' needs a float32 model, not float64; omit it"),
        (other, "fp8", "precision must be 'bf16', 'int8' to predict, or None for the model's own, not 'fp8'"),
    ):
        few = rows[:1] if isinstance(rows, np.ndarray) else {name: cells[:1] for name, cells in rows.items()}
        for given in (rows, few):
            with pytest.raises(ConfigError, match=says):
                net.predict(given, precision=precision)
        with pytest.raises(ConfigError, match=says):
            net.bind(precision=precision)


PRESETS = {
    "plain": {},
    "members": {"n_members": 3},
    "joined": {"preset": "tabm"},
    "steps": {"preset": "realmlp"},
}


@pytest.mark.parametrize("name", [*PRESETS, "fast", "few", "additive"])
def test_products_of_integers(name: str, tmp_path: Path):
    settings = PRESETS.get(name, {"preset": "additive" if name == "additive" else "fast"})
    settings = {**settings, "max_iter": 2} if "preset" in settings else {**FIT, **settings}
    rows, y = (X[:60], NUMBER[:60]) if name == "few" else (X, NUMBER)
    net = MLPRegressor(**{"preprocess": "auto", "random_state": 0, **settings}).fit(rows, y)
    full = net.predict(rows)
    with pytest.raises(ConfigError, match=r"call quantize\(X_train\)"):
        net.predict(rows, precision="int8")
    found = net.quantize(rows).predict(rows, precision="int8")
    assert 0 < np.abs(found - full).max() < 0.1 * np.ptp(full)
    np.testing.assert_allclose(net.predict(rows[:3], precision="int8"), found[:3], rtol=1e-6)
    np.testing.assert_allclose(net.bind(precision="int8").predict(rows[4]), found[4], rtol=1e-6)
    np.testing.assert_array_equal(net.predict(rows), full)
    net.save(tmp_path / "net.safetensors")
    again = MLPRegressor.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict(rows, precision="int8"), found)


@pytest.mark.slow
def test_a_race_in_integers(tmp_path: Path):
    net = MLPClassifier(preset="best", max_iter=2, random_state=0, time_limit=20).fit(X, KIND).quantize(X)
    full, found = net.predict_proba(X), net.predict_proba(X, precision="int8")
    assert 0 < np.abs(full - found).max() < 0.2
    np.testing.assert_allclose(net.bind(precision="int8").predict_proba(X[3]), found[3], rtol=1e-5)
    net.save(tmp_path / "net.safetensors")
    again = MLPClassifier.load(tmp_path / "net.safetensors").predict_proba(X, precision="int8")
    np.testing.assert_allclose(again, found, rtol=1e-12)


def test_few_rows_see_new_ranges():
    net = fitted(MLPRegressor, X, NUMBER).quantize(X)
    before = net.predict(X[:2], precision="int8")
    wide = net.quantize(100 * X).predict(X[:2], precision="int8")
    assert not np.array_equal(wide, before)
