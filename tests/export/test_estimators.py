"""The graph of a fitted estimator answers as the estimator does: tables of any kind, presets, averages, decisions."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from chainrule import ChainruleError, ConfigError, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.estimators.graphs import graph_inputs
from chainrule.presets import PRESETS
from exported import later, table
from hostile_tables import hostile_table

CASES = int(os.environ.get("CHAINRULE_EXPORT_TABLES", "8"))
"""Hostile tables that are compared; 300 in the figure of docs/export.md."""
CLOSE = 1e-12
QUICK: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0, "dtype": "float64"}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def difference(estimator: Any, X: Any) -> float:
    """The largest |x - y| / (1 + |y|) of what the graph answers for a table."""
    graph = estimator.graph()
    found = graph.run(graph_inputs(estimator, X))
    if isinstance(estimator, MLPRegressor):
        expected = estimator.predict(X)
        pairs = [(found["predictions"], expected)]
    else:
        expected = estimator.predict_proba(X)
        pairs = [(found["probabilities"], expected)]
        labels = np.array(graph.labels, dtype=estimator.classes_.dtype)
        assert (labels[found["label"][:, 0]] == estimator.predict(X)).all()
    far = (np.abs(a - np.reshape(b, a.shape)) / (1 + np.abs(np.reshape(b, a.shape))) for a, b in pairs)
    return max(float(each.max(initial=0.0)) for each in far)


@pytest.mark.parametrize(
    ("kind", "preset"),
    [*zip([MLPClassifier, MLPRegressor] * 2, sorted(PRESETS), strict=False), (MLPRegressor, "additive")],
)
def test_presets(kind: type[Any], preset: str):
    X, y = table()
    y = y if kind is MLPRegressor else np.digitize(y, [3, 5])
    settings = QUICK | {"preset": preset, "preprocess": "auto"}
    if preset == "additive":
        settings.pop("hidden_layer_sizes")
    estimator = kind(**settings).fit(X, y)
    for rows in (X, later(X)):
        assert difference(estimator, rows) <= CLOSE


@pytest.mark.parametrize(
    "scale", ["robust", "realmlp", "range", "none", "robust+quantile", "robust+rank+linear", "straight"]
)
def test_preparations(scale: str):
    X, y = table(120)
    own = TablePreprocessor(
        scale=scale, dtype="float64", max_one_hot=3, category_scale=0.5, impute="mean", out_of_range="clip"
    )
    estimator = MLPClassifier(**QUICK, preprocess=own).fit(X, y > 4)
    for rows in (X, later(X)):
        assert difference(estimator, rows) <= CLOSE


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["robust+quantile", "robust+rank+linear"])
def test_numbers_at_the_ends_of_float64(scale: str, tmp_path: Any):
    """Neighboring quantiles whose distance, or one divided by it, is beyond float64: the same shares everywhere."""
    rng = np.random.default_rng(0)
    X = {
        "wide": rng.choice([-1e308, 1e308], 60) * rng.uniform(1.2, 1.7, 60),
        "tiny": np.where(rng.random(60) < 0.5, 0, rng.uniform(0, 1e-310, 60)),
        "both": rng.choice([-1.7e308, 0, 1e-315, 1.7e308], 60),
        "low": rng.uniform(-1.7e308, -1.2e308, 60),
        "usual": rng.normal(size=60),
    }
    own = TablePreprocessor(scale=scale, dtype="float64")
    estimator = MLPRegressor(**QUICK, preprocess=own).fit(X, rng.normal(size=60))
    far = {
        name: np.r_[values[:9] / 3, np.linspace(-1, 1, 21) * 1.79e308, 3e-311] for name, values in X.items()
    }
    assert difference(estimator, far) <= CLOSE
    for ending, settings in {"onnx": {"dtype": "float64"}, "c": {"dtype": "float64"}, "mjs": {}}.items():
        for rows in (far, None):
            made = estimator.export(tmp_path / f"made.{ending}", rows, **settings)
            assert made.rows >= 20 and made.difference <= CLOSE, ending


def test_a_number_between_far_quantiles_by_hand():
    """Five of ten quantiles are -1.7e308 and five 1.7e308: F is linear from 4/9 to 5/9 between them."""
    made = TablePreprocessor(scale="quantile", dtype="float64").fit({"x": [-1.7e308, 1.7e308] * 10})
    found = made.transform({"x": [-1.7e308, -0.85e308, 0.0, 1.7e308]})[:, 0]
    assert norm.cdf(found) == pytest.approx([2 / 9, 17 / 36, 1 / 2, 7 / 9], abs=1e-12)


def test_members_quantiles_and_decisions():
    X, y = table(120)
    members = MLPRegressor(**QUICK, preprocess="auto", n_members=3, preset="fast").fit(X, y)
    assert difference(members, later(X)) <= CLOSE
    quantiles = MLPRegressor(**QUICK, preprocess="auto", loss="quantile", quantiles=(0.9, 0.1, 0.5)).fit(X, y)
    assert difference(quantiles, later(X)) <= CLOSE
    two = MLPClassifier(**QUICK, preprocess="auto").fit(X, np.where(y > 4, "high", "low"))
    assert difference(two.set_threshold(threshold=0.4), later(X)) <= CLOSE
    three = MLPClassifier(**QUICK, preprocess="auto").fit(X, np.digitize(y, [3, 5]))
    assert difference(three.set_threshold(costs=[[0, 1, 5], [1, 0, 1], [9, 1, 0]]), later(X)) <= CLOSE
    one = MLPClassifier(**QUICK, preprocess="auto").fit(X, np.zeros(120, int))
    assert one.graph().run(graph_inputs(one, X))["label"].max() == 0


@pytest.mark.slow
def test_a_race():
    X, y = table(160)
    race = MLPClassifier(
        preset="best", preprocess="auto", time_limit=1, random_state=0, dtype="float64", max_iter=5
    ).fit(X, y > 4)
    assert difference(race, later(X)) <= CLOSE
    graph = race.graph()
    assert [each.label for each in graph.inputs].count("age") == 1
    json.dumps(graph.to_data(), allow_nan=False)


def test_arrays():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)), rng.integers(0, 2, (80, 4))
    several = MLPClassifier(**QUICK).fit(X, y)
    found = several.graph().run(X)
    assert np.abs(found["probabilities"] - several.predict_proba(X)).max() <= CLOSE
    assert (found["label"] == several.predict(X)).all() and several.graph().task == "multilabel"


@pytest.mark.parametrize("seed", range(CASES))
def test_hostile_tables(seed: int):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = hostile_table(seed)
    kind = (MLPClassifier, MLPRegressor)[seed % 2]
    is_text = any(isinstance(each, str) for each in case.y)
    y = list(range(len(case.y))) if is_text and kind is MLPRegressor else case.y
    if kind is MLPClassifier and not is_text and not all(isinstance(each, int) for each in y):
        y = [each > 0 for each in y]
    try:
        estimator = kind(**QUICK, preprocess="auto", preset="fast").fit(case.X, y)
    except ChainruleError:
        return  # a table that no estimator takes
    for rows in (case.X, case.later):
        try:
            estimator.predict(rows)
        except ChainruleError as error:
            with pytest.raises(type(error)):
                graph_inputs(estimator, rows)
            continue
        assert difference(estimator, rows) <= CLOSE, case.name


@pytest.mark.parametrize("where", ["column", "label", "category"])
@pytest.mark.parametrize("ending", ["c", "onnx", "html", "js"])
def test_a_lone_surrogate_is_written_or_refused_in_a_sentence(where: str, ending: str, tmp_path: Any):
    """ONNX and pages have labels as JSON, C no names of columns, and JavaScript all as JSON."""
    column, label, category = ("a" + "\ud800" * (each == where) for each in ("column", "label", "category"))
    X = {column: np.arange(40.0), "kind": [category, "v"] * 20}
    made = MLPClassifier((2,), preprocess="auto", n_members=1, max_iter=1, random_state=0)
    made.fit(X, [label] * 20 + ["other"] * 20)
    if (ending, where) in [("onnx", "label"), ("html", "label"), ("c", "column")] or ending == "js":
        assert made.export(tmp_path / f"made.{ending}", X).difference < 1e-5
        return
    with pytest.raises(ConfigError, match=r"has a lone surrogate, half of a character: .*\\ud800"):
        made.export(tmp_path / f"made.{ending}", X)


def test_a_label_longer_than_a_literal_of_c(tmp_path: Any):
    X = {"a": np.arange(40.0)}
    for label, fits in (("é" * 2047, True), ("é" * 2048, False)):
        made = MLPClassifier((2,), preprocess="auto", n_members=1, max_iter=1, random_state=0)
        made.fit(X, [label] * 20 + ["other"] * 20)
        if fits:
            assert made.export(tmp_path / "made.c", X).rows == 40
            continue
        with pytest.raises(ConfigError, match=r"'é{20}'\.\.\. has 4,096 bytes, .* fit with a shorter label"):
            made.export(tmp_path / "made.c", X)
