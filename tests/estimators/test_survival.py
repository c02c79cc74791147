"""Times to an event, also censored: what is learned of them, curves, scores, files and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from chainrule import ConfigError, DataError, MLPRegressor, MLPSurvival
from chainrule.estimators import survival as estimator
from chainrule.estimators import tune
from chainrule.formulas import survival

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
Times = MLPSurvival.target_type
FIELDS = [("event", bool), ("time", float)]


def censored(n: int, seed: int, shape: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n, 2), y (n, 2) and the scale of each row's Weibull distribution, of rows censored at random times."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    scale = np.exp(X[:, 0])
    time, end = scale * rng.weibull(shape, n), rng.exponential(2.5, n)
    return X, np.c_[np.minimum(time, end), time <= end], scale


def structured(y: np.ndarray) -> np.ndarray:
    return np.array([(event > 0, time) for time, event in y], FIELDS)


# --- numbers by hand --------------------------------------------------------------------------------------------------

BY_HAND = Times((1.0, 3.0, 4.0))
P = np.array([[0.8, 0.25, 0.5], [0.9, 0.9, 1.0]])


def test_intervals_by_hand():
    y = np.array([[0.5, 1], [2.0, 0], [3.0, 1], [3.0, 0], [9.0, 1], [0.0, 0]])
    assert_array_equal(
        BY_HAND.encode(y), [[-1, 0, 0], [1, 0.5, 0], [1, -1, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]]
    )


def test_curves_by_hand():
    # S = 0.8, 0.2, 0.1 at the knots; half of the interval from 1 to 3 is at 0.8 sqrt(1/4)
    assert_allclose(BY_HAND.survival(P, np.array([0, 1, 2, 3, 4, 99]))[0], [1, 0.8, 0.4, 0.2, 0.1, 0.1])
    # 0.8 (1/4)^f = 1/2: f = log 1.6 / log 4, of a width of 2; the second row stays at 0.81
    assert_allclose(BY_HAND.predictions(P), [1 + 2 * np.log(1.6) / np.log(4), np.inf])


def test_restricted_means_are_areas():
    grid = np.linspace(0, 6, 600_001)
    for horizon in (0.4, 1.0, 2.5, 4.0, 6.0):
        at = grid[grid <= horizon + 1e-9]
        area = np.trapezoid(BY_HAND.survival(P, at), at, axis=1)
        assert_allclose(BY_HAND.restricted_mean(P, horizon), area, rtol=1e-8)


def test_certain_rows():
    never, at_once = np.ones((1, 3)), np.zeros((1, 3))
    assert_array_equal(BY_HAND.predictions(never), [np.inf])
    assert_array_equal(BY_HAND.predictions(at_once), [0])
    assert_array_equal(BY_HAND.survival(at_once, np.array([0, 0.1, 5])), [[1, 0, 0]])
    for horizon in (0.5, 2.0, 9.0):
        assert_allclose(BY_HAND.restricted_mean(never, horizon), horizon)
        assert_allclose(BY_HAND.restricted_mean(at_once, horizon), 0, atol=0.002)


def test_kaplan_meier_by_hand():
    y = np.array([[1, 1], [2, 0], [3, 1], [3, 1], [4, 0], [5, 1.0]])
    assert estimator.came_by(y, 0.5) == (0, 6)
    # 5/6 at 1; of 4 at 3 there are 2 events: 5/6 1/2
    share, rows = estimator.came_by(y, 4.5)
    assert_allclose(share, 7 / 12)
    assert_allclose(rows, (7 / 12) / (5 / 12) / (1 / (6 * 5) + 2 / (4 * 2)))
    # without a censored row it counts as many rows as there are
    assert_allclose(estimator.came_by(np.c_[np.arange(9.0), np.ones(9)], 3.5), (4 / 9, 9))


def test_concordance_by_hand():
    y = np.array([[1, 1], [2, 0], [3, 1], [3, 0.0]])
    # known: row 0 before the three others, and row 2 before 3, which was seen at the same time without its event
    assert survival.concordance(y, np.array([0, 1, 2, 3])) == 1
    assert survival.concordance(y, np.array([3, 2, 1, 0])) == 0
    assert survival.concordance(y, np.array([1, 1, 0, 0.5])) == (0.5 + 0 + 0 + 1) / 4
    assert survival.concordance(y, np.array([1, 1, 0, 0.5]), np.array([1, 1, 2, 3.0])) == (0.5 + 6) / (
        1 + 2 + 3 + 6
    )
    assert np.isnan(survival.concordance(y[[1, 3]], np.array([0, 1])))


def test_concordance_of_many_rows_is_that_of_all_pairs():
    rng = np.random.default_rng(1)
    n = 700
    y, later = np.c_[rng.integers(0, 60, n), rng.random(n) < 0.5].astype(float), rng.integers(0, 40, n)
    weight = rng.random(n)
    time, event = y.T
    known = (event[:, None] > 0) & ((time[:, None] < time) | ((time[:, None] == time) & (event == 0)))
    pairs = weight[:, None] * weight * known
    right = (later[:, None] < later) + 0.5 * (later[:, None] == later)
    assert_allclose(survival.concordance(y, later, weight), (pairs * right).sum() / pairs.sum())


# --- what is learned --------------------------------------------------------------------------------------------------


def test_a_network_without_information_is_kaplan_meier():
    rng = np.random.default_rng(2)
    y = np.c_[rng.integers(1, 9, 300), rng.random(300) < 0.6].astype(float)
    net = MLPSurvival((), solver="lbfgs", alpha=0, knots=99, tol=1e-9, max_iter=2000, random_state=0)
    net.fit(np.ones((300, 1)), y)
    assert_array_equal(net.knots_, np.unique(y[y[:, 1] > 0, 0]))  # all times of events are fewer than 99
    expected = [1 - estimator.came_by(y, knot)[0] for knot in net.knots_]
    assert_allclose(net.predict_survival([[1.0]], net.knots_)[0], expected, atol=1e-5)


def test_few_knots_are_near_kaplan_meier():
    _, y, _ = censored(2000, 3)
    net = MLPSurvival((), solver="lbfgs", alpha=0, knots=8, tol=1e-9, random_state=0).fit(
        np.ones((2000, 1)), y
    )
    assert len(net.knots_) == 8
    counts = np.histogram(y[y[:, 1] > 0, 0], [0, *net.knots_])[0]
    assert counts.max() - counts.min() <= 2
    expected = [1 - estimator.came_by(y, knot)[0] for knot in net.knots_]
    # Rows censored within an interval count for the part that they were seen. The last knot is that of few rows.
    assert_allclose(net.predict_survival([[1.0]], net.knots_)[0, :-1], expected[:-1], atol=0.002)


@pytest.mark.parametrize("shape", [1.0, 2.0])
def test_curves_of_weibull_times_are_found(shape: float):
    X, y, _ = censored(1500, 4, shape)
    new, _, scale = censored(300, 5, shape)
    net = MLPSurvival((16,), random_state=0, max_iter=60, early_stopping=True, learning_rate_init=0.01).fit(
        X, y
    )
    times = np.array([0.3, 0.7, 1.2])
    true = np.exp(-((times / scale[:, None]) ** shape))
    assert np.abs(net.predict_survival(new, times) - true).mean() < 0.05
    median = scale * np.log(2) ** (1 / shape)
    known = np.isfinite(found := net.predict(new)) & (median < 1.5)
    assert known.mean() > 0.6 and np.median(np.abs(found / median - 1)[known]) < 0.15


@pytest.fixture(scope="module")
def fitted() -> tuple[MLPSurvival, pd.DataFrame, np.ndarray]:
    X, y, _ = censored(300, 6)
    table = pd.DataFrame({"risk": X[:, 0], "other": X[:, 1], "where": np.where(X[:, 1] > 0, "a", "b")})
    table.loc[::17, "other"] = np.nan
    table.loc[::13, "where"] = None
    net = MLPSurvival(preprocess="auto", random_state=0, max_iter=15)
    return net.fit(table, structured(y)), table, y


def test_a_table_is_prepared_and_scored(fitted: Any):
    net, table, y = fitted
    assert (
        len(net.members_) > 1 and len(net.knots_) == int(y[:, 1].sum()) // 20 > 5
    )  # few rows have an ensemble
    assert 0.65 < net.score(table, structured(y)) <= 1
    curves = net.predict_survival(table, [0, 0.5, 1, 5])
    assert (np.diff(curves, axis=1) <= 0).all() and (curves[:, 0] == 1).all()
    assert_allclose(net.predict_mean(table, 1e-6), 1e-6, rtol=1e-4)
    assert (net.predict_mean(table) <= net.knots_[-1]).all()
    assert_allclose(
        net.predict_survival(table[:3], net.predict(table[:3]).clip(0, 1e9))[[0, 1, 2], [0, 1, 2]], 0.5
    )


def test_evaluation_is_that_of_the_formulas(fitted: Any):
    net, X, y = fitted
    at = survival.brier_times(y)
    own = np.array([net.predict_survival(X[i : i + 1], y[i, 0])[0, 0] for i in range(len(y))])
    said = survival.PredictedSurvival(net.predict_mean(X), own, at, net.predict_survival(X, at))
    found = net.evaluate(X, y)
    assert found == {
        name: pytest.approx(function(y, said), rel=1e-6) for name, (function, _) in survival.METRICS.items()
    }
    assert found["concordance"] == net.score(X, y)
    assert np.isnan(list(net.evaluate(X[:20], y[:20] * [1, 0]).values())).sum() == 2


def test_survival_at_a_time_is_explained(fitted: Any):
    net, X, _ = fitted
    time = float(net.knots_[2]) * 1.1
    reasons = net.explain(X[:6], time=time)
    assert_allclose(reasons.answers, net.predict_survival(X[:6], [time])[:, 0], rtol=1e-5)
    assert_allclose(reasons.base + reasons.values.sum(1), reasons.answers, rtol=1e-9)
    odds = net.explain(X[:6], time=time, output="log_odds")
    assert_allclose(1 / (1 + np.exp(-odds.answers)), reasons.answers, rtol=1e-6)
    with pytest.raises(ConfigError, match="pass time, or the index of an interval as target, not both"):
        net.explain(X, time=1, target=0)
    with pytest.raises(ConfigError, match="time must be a finite number above 0"):
        net.explain(X, time=0)


def test_reliability_at_a_time(fitted: Any):
    net, table, y = fitted
    found = net.reliability(table, y, 1.0)
    assert found.samples.sum() == 300 and found.label == "≤ 1" and len(found.samples) == 10
    came = 1 - net.predict_survival(table, [1.0])[:, 0]
    part = np.array_split(np.argsort(came, kind="stable"), 10)[4]
    assert_allclose(found.observed[4], estimator.came_by(y[part], 1.0)[0])
    assert (found.low <= found.observed + 1e-12).all() and (found.observed <= found.high + 1e-12).all()
    assert found.figure() is not None and "≤ 1" in str(found)


def test_files_pickles_and_clones_are_the_same(fitted: Any, tmp_path: Path):
    net, table, _ = fitted
    net.save(tmp_path / "net.safetensors")
    with pytest.raises(Exception, match="MLPSurvival"):
        MLPRegressor.load(tmp_path / "net.safetensors")
    for again in (MLPSurvival.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net))):
        assert_array_equal(again.knots_, net.knots_)
        assert_array_equal(again.predict(table), net.predict(table))
    assert clone(net).get_params()["knots"] is None and not hasattr(clone(net), "knots_")


def test_inherited_methods_know_times(fitted: Any):
    net, table, y = fitted
    importance = net.importance(table[:100], y[:100], repeats=1)
    assert importance.names[0] == "risk"
    assert net.graph().run({name: table[name].to_numpy() for name in table})["predictions"].shape == (
        300,
        len(net.knots_),
    )
    assert f"t > {net.knots_[1]:g} | t > {net.knots_[0]:g}" in str(net.explain(table[:2], target=1))
    with pytest.raises(ConfigError, match=r"to survive \d+ intervals; choose one to explain"):
        net.explain(table[:2])
    updated = pickle.loads(pickle.dumps(net)).update(table[:60], structured(y[:60]), epochs=1)
    assert updated.updates_[-1].rows == 60


def test_a_rising_column_postpones_the_event():
    X, y, _ = censored(400, 7)
    net = MLPSurvival((8,), monotonic_cst=[0, 1], random_state=0, max_iter=30).fit(X, y)
    rows = np.c_[np.zeros(5), np.linspace(-2, 2, 5)]
    assert (np.diff(net.predict_survival(rows, [0.5, 1.0]), axis=0) >= 0).all()


@pytest.mark.parametrize("preset", ["realmlp", "tabm"])
def test_other_presets(preset: str):
    X, y, _ = censored(120, 8)
    net = MLPSurvival(preprocess="auto", preset=preset, max_iter=3, random_state=0, hidden_layer_sizes=(16,))
    assert np.isfinite(net.fit(X, y).score(X, y))


def test_scikit_learn_searches_and_folds():
    X, y, _ = censored(300, 9)
    scores = cross_val_score(
        MLPSurvival((8,), max_iter=60, random_state=0, learning_rate_init=0.02), X, structured(y), cv=3
    )
    assert scores.shape == (3,) and scores.mean() > 0.6


def test_a_search_judges_by_the_likelihood():
    X, y, _ = censored(80, 11)
    found = tune(MLPSurvival(preprocess="auto", max_iter=2, random_state=0), X, structured(y), trials=2)
    assert found.metric == "loss" and np.isfinite(found.estimator.score(X, y))


def test_weights_are_counts():
    X, y, _ = censored(80, 10)
    times = 1 + np.arange(80) % 2
    settings: dict[str, Any] = {"solver": "lbfgs", "alpha": 0, "random_state": 0, "knots": [0.5, 1.0, 2.0]}
    weighted = MLPSurvival((), **settings).fit(X, y, times)
    repeated = MLPSurvival((), **settings).fit(X.repeat(times, 0), y.repeat(times, 0))
    assert_allclose(weighted.predict_survival(X, [1.0]), repeated.predict_survival(X, [1.0]), atol=1e-3)


# --- y in its forms ---------------------------------------------------------------------------------------------------

SEEN = np.array([[3.0, 1], [2.5, 0], [4.0, 1]])


@pytest.mark.parametrize(
    "y",
    [
        structured(SEEN),
        SEEN,
        SEEN.tolist(),
        [(3.0, True), (2.5, False), (4.0, True)],
        pd.DataFrame({"days": SEEN[:, 0], "died": SEEN[:, 1] > 0}),
        pd.DataFrame({"died": SEEN[:, 1].astype(int), "days": SEEN[:, 0]}),
        pd.DataFrame({"a": SEEN[:, 1].astype(int), "b": SEEN[:, 0]}),
        pd.DataFrame({"a": SEEN[:, 0], "b": SEEN[:, 1]}).astype({"b": "Int64"}),
        np.array([(3, 1), (2.5, 0), (4, 1)], [("time", "f4"), ("status", "i1")]),
        structured(SEEN).view(np.recarray),
    ],
)
def test_forms_of_y(y: Any):
    assert_array_equal(Times.read(y), SEEN)


@pytest.mark.parametrize(
    "names, event",
    [(("time", "event"), 1), (("event", "time"), 0), (("a", "b"), 1)],
)
def test_times_of_0_and_1_are_told_apart_by_their_names(names: tuple[str, str], event: int):
    y = np.array([[1, 0], [1, 1], [0, 1]])
    assert_array_equal(Times.read(pd.DataFrame(y, columns=list(names)))[:, 1], y[:, event])


@pytest.mark.parametrize(
    "y, says",
    [
        (SEEN[:, 0], r"two columns \(time, event\).*it has 1 column"),
        (np.c_[SEEN, SEEN], r"it has 4 columns"),
        (pd.DataFrame({"time": [1.0, 2]}), r"it has 1 column"),
        (SEEN[:, ::-1], r"the events are not all 0 or 1, and the first column is: turn them round"),
        (np.c_[SEEN[:, 0], [2, 1, 1]], r"the events are not all 0 or 1\."),
        (pd.DataFrame({"time": ["x", "y", "z"], "event": [0, 1, 1]}), r"the times are no numbers"),
        (SEEN * [-1, 1], r"the times of y must be at least 0, and are negative in 3 of 3 rows"),
        (
            np.where(SEEN == 2.5, np.nan, SEEN),
            r"contains NaN: the target is missing in 1 of 3 rows, the first of them row 1",
        ),
        (np.where(SEEN == 2.5, np.inf, SEEN), r"contains infinity"),
        (SEEN * [1, 0], r"y has no event after time 0"),
        (None, r"requires y to be passed"),
    ],
)
def test_other_targets_are_refused(y: Any, says: str):
    with pytest.raises(DataError, match=says):
        MLPSurvival((), max_iter=1).fit(np.eye(3), y)


@pytest.mark.parametrize("knots", [[1.0, 1.0], [0.0, 1.0], [], [1.0, np.inf], ["a"], [[1.0]]])
def test_knots_that_do_not_rise_are_refused(knots: Any):
    with pytest.raises(ConfigError, match="knots must be a number of intervals, or their ends"):
        MLPSurvival((), knots=knots, max_iter=1).fit(np.eye(3), SEEN)


def test_few_events_have_five_intervals_and_no_exposure():
    y = np.c_[1 + np.arange(30.0), np.arange(30) % 2]
    net = MLPSurvival((), max_iter=1).fit(np.eye(30), y)
    assert_array_equal(net.knots_, [6, 12, 18, 24, 30])
    with pytest.raises(ConfigError, match="MLPSurvival predicts times"):
        net.fit(np.eye(30), y, exposure=np.ones(30))


def test_times_that_cannot_be_are_refused(fitted: Any):
    net, table, y = fitted
    for times in ([-1.0], [np.nan], "soon", [[1.0]]):
        with pytest.raises(DataError, match="times must be numbers of at least 0"):
            net.predict_survival(table, times)
    with pytest.raises(ConfigError, match="horizon must be"):
        net.predict_mean(table, 0)
    with pytest.raises(ConfigError, match="time must be"):
        net.reliability(table, y, -1)
    with pytest.raises(ValueError, match="'preset' parameter"):
        MLPSurvival(preset="best", preprocess="auto").fit(table, y)
