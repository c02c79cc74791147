"""Estimators that take a table of any types: `preprocess`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.tables import reading

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


TEXTS = st.lists(st.sampled_from(["oak", "elm", "", "1", "2.5", None, " ash "]), min_size=1, max_size=30)


@given(TEXTS, st.data())
def test_rows_of_a_table_that_was_read_are_those_of_the_table(texts: list[str | None], data: st.DataObject):
    """Columns of some rows, and of their texts only those that occur, in the order in which they come."""
    n = len(texts)
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=n)), np.int64)
    days = np.array([f"2020-01-{1 + k:02d}" for k in range(n)], "M8[s]")
    numbers = np.where(np.arange(n) % 3 == 0, np.nan, np.arange(n))
    whole = {"text": np.array([*texts, None], object)[:-1], "number": numbers, "day": days}
    for read, part in zip(
        reading.read(whole).columns,
        reading.read({name: values[rows] for name, values in whole.items()}).columns,
        strict=True,
    ):
        taken = read.take(rows)
        if part.form == "number" and read.form == "text":  # where all of the rows are missing
            assert taken.missing.all() and part.missing.all()
            continue
        assert (taken.name, taken.form, taken.texts) == (part.name, part.form, part.texts)
        np.testing.assert_array_equal(taken.values, part.values)


def test_the_time_may_be_any_column_of_a_table_that_was_read():
    """A column is chosen by its name, also where another one has missing values."""
    frame, price = table()
    assert [each.name for each in reading.read(reading.read(frame), known=["built"]).columns] == ["built"]
    made = [
        MLPRegressor(
            hidden_layer_sizes=(4,), preprocess="auto", max_iter=2, early_stopping=True, random_state=0
        )
        for _ in range(2)
    ]
    made[0].fit(frame, price, time="built")
    made[1].fit(frame, price, time=frame["built"])
    np.testing.assert_array_equal(made[0].predict(frame), made[1].predict(frame))


def test_a_fit_reads_its_table_once(monkeypatch: pytest.MonkeyPatch):
    """The preprocessor, what the fit notices and what it keeps of the columns take what was read."""
    frame, price = table()
    looked, read = list[str](), reading._frame_column

    def told(frame: Any, k: int, key: str | None, label: str) -> Any:
        looked.append(label)
        return read(frame, k, key, label)

    monkeypatch.setattr(reading, "_frame_column", told)
    net = MLPRegressor(hidden_layer_sizes=(4,), preprocess="auto", max_iter=1, early_stopping=True).fit(
        frame, price
    )
    assert sorted(looked) == sorted(frame.columns)
    assert len(net.check(frame).columns) == 4
