"""Estimators on sources: Parquet files of any columns, and batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chainrule import (
    BatchSource,
    ConfigError,
    DataError,
    Dense,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    ParquetSource,
)
from chainrule.fitting import prepare
from chainrule.race import candidates
from chainrule.race.candidates import Candidate
from chainrule.tables import sources

GENERATOR = np.random.default_rng(4)
N = 400
NUMBER = GENERATOR.normal(size=N)
WHEN = np.datetime64("2024-01-01") + GENERATOR.integers(0, 400, N)
CITY = GENERATOR.choice(["Aarhus", "Oslo", None], N)
Y = 3 * NUMBER + (CITY == "Oslo") + 0.01 * (WHEN - WHEN.min()).astype(int)
TABLE = pa.table(
    {
        "size": pa.array(np.where(np.arange(N) % 9 == 0, np.nan, NUMBER), from_pandas=True),
        "when": pa.array(WHEN),
        "city": pa.array(CITY.tolist(), pa.string()),
        "weight": pa.array(np.arange(N) % 3 + 1.0),
        "price": pa.array(Y),
        "label": pa.array(["rare" if k == 333 else "high" if y > 1 else "low" for k, y in enumerate(Y)]),
    }
)
SMALL: dict[str, Any] = {"preprocess": "auto", "max_iter": 5, "random_state": 0, "hidden_layer_sizes": (8,)}
pytestmark = pytest.mark.filterwarnings("ignore:the least populated class 'rare'")
SMALL["n_members"] = 1  # few rows of a source, unlike those of a table in memory, are not dealt to members
INPUTS = ["size", "when", "city"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(2):
        part = TABLE.slice(k * 200, 200)
        pq.write_table(part, tmp_path / f"part-{k}.parquet", row_group_size=70)
    return tmp_path


def source(folder: Path, target: str = "price", **settings: Any) -> ParquetSource:
    return ParquetSource(folder, target=target, columns=INPUTS, **settings)


def test_files_are_learned_from_as_a_table_in_memory(folder: Path):
    X = TABLE.select(INPUTS)
    whole = MLPRegressor(**SMALL).fit(X, Y)
    for given in ((source(folder),), (source(folder), "price")):
        made = MLPRegressor(**SMALL).fit(*given)
        np.testing.assert_array_equal(made.predict(X), whole.predict(X))
        assert made.feature_names_in_.tolist() == INPUTS
    weight = TABLE["weight"].to_numpy()
    weighted = MLPRegressor(**SMALL).fit(source(folder, weight="weight"))
    np.testing.assert_array_equal(weighted.predict(X), MLPRegressor(**SMALL).fit(X, Y, weight).predict(X))
    labels = TABLE["label"].to_numpy()
    classes = MLPClassifier(**SMALL).fit(source(folder, "label"))
    np.testing.assert_array_equal(
        classes.predict_proba(X), MLPClassifier(**SMALL).fit(X, labels).predict_proba(X)
    )


def test_of_more_rows_a_sample_is_learned_by_the_preprocessor_and_all_by_the_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prepare, "SAMPLE", 80)
    made = MLPRegressor(**SMALL).fit(source(folder))
    held_out = 60  # 15 %
    assert made.t_ == 5 * (N - held_out) and 40 < made.preprocessor_._rows < 120
    classes = MLPClassifier(**SMALL).fit(source(folder, "label"))
    assert classes.classes_.tolist() == ["high", "low", "rare"] and classes.t_ == 5 * (N - held_out)


def test_of_rows_that_there_is_no_time_or_memory_for_some_are_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prepare, "SAMPLE", 80)
    settings = SMALL | {"max_iter": 1}
    with monkeypatch.context() as patched:
        patched.setattr(prepare, "_share_in_time", lambda *_: 0.5)
        with pytest.warns(UserWarning, match=r"time to prepare \d+ of the 400 rows") as said:
            made = MLPClassifier(**settings, time_limit=60).fit(source(folder, "label"))
        assert 0.85 * 150 < made.t_ < 0.85 * 250 and made.classes_.tolist() == ["high", "low", "rare"]
        assert said[0].filename == __file__
        patched.setattr(prepare, "_share_in_time", lambda *_: 0.0)  # then the sample stays
        with pytest.warns(UserWarning, match="of the 400 rows"):
            made = MLPRegressor(**settings, time_limit=60).fit(source(folder))
        assert made.t_ == int(0.85 * made.preprocessor_._rows) < 102
    monkeypatch.setattr(prepare, "MAX_BYTES", 4 * 12 * 200)
    with pytest.warns(UserWarning, match="of inputs are those of .* of the 400 rows of the source") as said:
        MLPRegressor(**settings).fit(source(folder))
    assert said[0].filename == __file__


def test_the_share_in_time_by_hand(monkeypatch: pytest.MonkeyPatch):
    """20 % of 50 s are 10 s; less 5 s for reading, 5 s of the 40 s that preparing takes."""
    monkeypatch.setattr("chainrule.fitting.prepare.time.monotonic", lambda: 110.0)
    how = prepare.Reading(0, False, None, False, 60.0, 100.0)
    assert prepare._share_in_time(how, 5.0, 40.0) == pytest.approx(0.125)
    assert prepare._share_in_time(how, 20.0, 40.0) == 0


def test_a_race_is_of_a_sample(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidates, "CANDIDATES", (Candidate("fast"), Candidate("ranks", variant="ranks")))
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    whole = MLPRegressor(**SMALL | {"preset": "best", "n_members": None}).fit(source(folder))
    assert len(whole.report_) == 2
    monkeypatch.setattr(prepare, "RACED", 100)
    with pytest.warns(UserWarning, match=r"preset='best' races on \d+ of the 400 rows of the source") as said:
        MLPRegressor(**SMALL | {"preset": "best", "n_members": None}).fit(source(folder))
    assert said[0].filename == __file__


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("settings", [SMALL, {**SMALL, "preprocess": None}])
def test_batches_of_arrays(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    X = GENERATOR.normal(size=(90, 3))
    y = X[:, 0].copy()
    batches = BatchSource([(X[:40], y[:40]), (X[40:], y[40:])])
    found = MLPRegressor(**settings).fit(batches).predict(X)
    np.testing.assert_array_equal(found, MLPRegressor(**settings).fit(X, y).predict(X))
    monkeypatch.setattr(prepare, "SAMPLE", 30)
    assert np.isfinite(MLPRegressor(**settings).fit(batches).predict(X)).all()


def test_what_a_source_does_not_support(folder: Path):
    made, X = MLPRegressor(**SMALL), TABLE.select(INPUTS)
    for fault, message in (
        ({"y": "size"}, "y of a source is None or the name of its target, 'price', not 'size'"),
        ({"y": Y}, "y of a source is None"),
        ({"sample_weight": np.ones(N)}, "sample_weight is not supported with a source"),
        ({"groups": "city"}, "groups and time need a table in memory"),
        ({"X_val": source(folder), "y_val": Y}, "X_val must be a table in memory"),
    ):
        with pytest.raises(ConfigError, match=message):
            made.fit(source(folder), **fault)
    with pytest.raises(ConfigError, match="omit map"):
        made.fit(source(folder).map(lambda block, *_: block))
    validated = MLPRegressor(**SMALL).fit(source(folder), X_val=X, y_val=Y)
    assert len(validated.validation_loss_curve_) == 5
    with pytest.raises(
        DataError, match=r"type date32.*neither numeric nor text.*an estimator takes it as it is"
    ):
        Model(Network(3, [Dense(1)], MeanSquaredError())).fit(source(folder))
    with pytest.raises(ValueError, match=r"y cannot be None|requires y|y to be passed"):
        MLPRegressor().fit(np.ones((4, 2)))


def test_a_source_without_rows(tmp_path: Path):
    pq.write_table(TABLE.slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="the source has no rows"):
        MLPRegressor(**SMALL).fit(source(tmp_path))
    assert sources.rows_in(source(tmp_path)) == 0
