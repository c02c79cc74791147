"""Estimators predict by products of bfloat16 where they are asked to."""

from __future__ import annotations

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
        (other, "fp8", "precision must be 'bf16', or None for the model's own, not 'fp8'"),
    ):
        few = rows[:1] if isinstance(rows, np.ndarray) else {name: cells[:1] for name, cells in rows.items()}
        for given in (rows, few):
            with pytest.raises(ConfigError, match=says):
                net.predict(given, precision=precision)
        with pytest.raises(ConfigError, match=says):
            net.bind(precision=precision)
