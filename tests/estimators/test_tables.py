"""Estimators that take a table of any types: `preprocess`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import MLPClassifier, MLPRegressor, TablePreprocessor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 400


def table() -> tuple[pd.DataFrame, Any]:
    """A table of mixed types with missing values, and a price that depends on all of it."""
    rng = np.random.default_rng(0)
    town = rng.integers(0, 90, N)
    frame = pd.DataFrame(
        {
            "size": rng.uniform(20, 200, N),
            "kind": rng.choice(["flat", "house"], N),
            "town": np.array([f"town {i}" for i in range(90)])[town],
            "built": pd.to_datetime("1950-01-01") + pd.to_timedelta(rng.integers(0, 25_000, N), unit="D"),
        }
    )
    price = 3000 * frame["size"] + 50_000 * (frame["kind"] == "house") + 1000 * town
    frame.loc[::7, "size"] = np.nan
    return frame, price


def test_a_regressor_of_a_table(tmp_path: Path):
    frame, price = table()
    maker = TablePreprocessor(max_one_hot=8, min_count=1)
    net = MLPRegressor(
        hidden_layer_sizes=(32,), max_iter=60, learning_rate_init=0.01, random_state=0, preprocess=maker
    ).fit(frame, price)
    assert net.n_features_in_ == 4 and net.feature_names_in_.tolist() == list(frame.columns)
    assert [link.layer.kind for link in net.model_.network.walk()] == ["embedding", "dense", "relu", "dense"]
    assert net.score(frame, price) > 0.5 and abs(net.predict(frame).mean() / price.mean() - 1) < 0.1
    turned = frame[["town", "built", "kind", "size"]]
    np.testing.assert_array_equal(net.predict(turned), net.predict(frame))
    with pytest.raises(ValueError, match="town"):
        net.predict(frame.drop(columns="town"))
    net.save(tmp_path / "price.safetensors")
    again = MLPRegressor.load(tmp_path / "price.safetensors")
    np.testing.assert_array_equal(again.predict(frame), net.predict(frame))
    assert net.transform(frame).shape == (N, 32)


@pytest.mark.parametrize("scoring", [None, "roc_auc"])
def test_a_classifier_of_a_table(scoring: Any):
    frame, price = table()
    label = np.where(price > price.median(), "dear", "cheap")
    net = MLPClassifier(
        (16,),
        max_iter=15,
        learning_rate_init=0.02,
        early_stopping=True,
        scoring=scoring,
        preprocess="auto",
        random_state=0,
    )
    net.fit(frame, label)
    assert net.score(frame, label) > 0.7 and len(net.validation_scores_) == 15
    assert set(net.predict(frame)) == {"dear", "cheap"}
    plain = MLPClassifier((16,), max_iter=2, random_state=0)
    with pytest.raises(ValueError):
        plain.fit(frame, label)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_rows_of_weight_0_are_not_learned_from(scale: float):
    frame, price = table()
    used = np.arange(N) < 200
    frame.loc[~used, "kind"], frame.loc[~used, "size"] = "castle", 1e6
    settings = {"hidden_layer_sizes": 8, "max_iter": 1, "random_state": 0, "preprocess": "auto"}
    weighted = MLPRegressor(**settings).fit(frame, price, sample_weight=scale * used)
    chosen = MLPRegressor(**settings).fit(frame[used], price[used])
    rows = frame[used]
    found, expected = (net.preprocessor_.transform(rows) for net in (weighted, chosen))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-5)
    with pytest.raises(ValueError, match="sample_weight must have shape"):
        MLPRegressor(**settings).fit(frame, price, sample_weight=np.ones(3))
