"""A scikit-learn Pipeline with an estimator becomes one ONNX file by skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule import ConfigError, MLPClassifier, MLPRegressor
from chainrule.estimators.pipelines import register_converters
from needs import needs

pytestmark = [
    pytest.mark.slow,
    needs("skl2onnx"),
    needs("onnxruntime"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
QUICK: dict[str, Any] = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}


def answers(pipeline: Any, X: np.ndarray, **options: Any) -> list[np.ndarray]:
    import onnxruntime
    from skl2onnx import to_onnx

    register_converters()
    content = to_onnx(pipeline, X[:1], **options).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X})


@pytest.mark.parametrize(
    "labels", [["low", "mid", "high"], [3, 5, 9], [False, True]], ids=["texts", "integers", "booleans"]
)
def test_a_classifier(labels: list[Any]):
    rng = np.random.default_rng(0)
    X = rng.normal(40, 9, (80, 4)).astype(np.float32)
    y = np.array(labels)[rng.integers(0, len(labels), 80)]
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**QUICK)).fit(X, y)
    label, shares = answers(pipeline, X, options={"zipmap": False})
    assert np.abs(shares - pipeline.predict_proba(X)).max() < 1e-5
    assert (np.asarray(label).astype(y.dtype) == pipeline.predict(X)).mean() > 0.97


def test_a_regressor_with_members():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4)).astype(np.float32)
    y = X @ rng.normal(size=(4, 2))
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(**QUICK, n_members=2)).fit(X, y)
    [found] = answers(pipeline, X)
    assert np.abs(found - pipeline.predict(X)).max() < 1e-5


def test_a_table_is_exported_alone():
    estimator = MLPRegressor(**QUICK, preprocess="auto").fit({"a": [1.0, 2.0, 3.0] * 5}, [1.0, 2.0, 4.0] * 5)
    with pytest.raises(ConfigError, match="prepares a table itself; export it alone"):
        answers(estimator, np.ones((2, 1), np.float32))
