"""Thresholds and costs: how labels are made of probabilities, chosen on rows held out."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score, get_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from chainrule import ConfigError, DataError, FormatError, MLPClassifier
from chainrule.core import codec
from chainrule.estimators.thresholds import COUNTED, JudgedRows, by_costs, by_score, candidates, counted
from chainrule.fitting.held import result_of
from chainrule.tables.labels import Labels
from chainrule.trust.decisions import Decision, check_costs, threshold_of
from chainrule.trust.scorers import HeldOutScorer
from chainrule.views import words

RNG = np.random.default_rng(0)
N = 400
TABLE = pd.DataFrame(
    {"size": RNG.normal(size=N), "kind": RNG.choice(["a", "b"], N), "price": RNG.uniform(1, 9, N)}
)
ANSWER = np.where(TABLE["size"] + (TABLE["kind"] == "a") + RNG.normal(size=N) > 1.5, "Yes", "No")
THREE = pd.cut(TABLE["size"] + RNG.normal(size=N), [-9, -0.5, 0.5, 9], labels=["x", "y", "z"]).astype(str)
TWO = Labels(np.arange(2), "binary")
CLASSIFIER = MLPClassifier(preprocess="auto", max_iter=4, random_state=0).fit(TABLE, ANSWER)


def classifier() -> MLPClassifier:
    return pickle.loads(pickle.dumps(CLASSIFIER))  # a copy of its own, fitted


def rows_of(p: Any, y: Any, labels: Labels = TWO, groups: Any = None) -> JudgedRows:
    return JudgedRows(labels, np.asarray(y), np.asarray(p, float).reshape(len(y), -1), groups)


# --- scores of counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("classes", [[0, 1], [1, 2], ["No", "Yes"]])
def test_scores_of_counts_are_scikit_learns(name: str, classes: list[Any]):
    labels = Labels(np.array(classes), "binary")
    p, y = RNG.random(60).round(2), RNG.integers(0, 2, 60)
    drawn = RNG.integers(0, 3, 60)
    thresholds = np.array([0.0, 0.2, 0.5, 0.8, 1.0])
    own = np.repeat(np.arange(60), drawn)
    scorer = HeldOutScorer(name, labels, None, labels.classes[y[own]])
    expected = [scorer(p[own, None], decision=Decision(each)) for each in thresholds]
    np.testing.assert_allclose(counted(rows_of(p, y, labels), name, thresholds, drawn), expected)


def test_candidates_by_hand():
    found = candidates(rows_of([0.2, 0.4, 0.4, 0.8], [0, 1, 0, 1]), 100)
    np.testing.assert_allclose(found, [0.1, 0.3, 0.6, 0.9])  # all, all but one, one, none are positive


def test_the_best_threshold_by_hand():
    """From 0.6 on both are positive and one of two others is: F1 = 4 / 5; any higher threshold loses one of two."""
    rows = rows_of([0.1, 0.2, 0.3, 0.9, 0.6, 0.7], [0, 0, 0, 0, 1, 1])
    found = by_score(rows, HeldOutScorer("f1", TWO, None, rows.y))
    assert found.threshold == pytest.approx(0.45) and (found.rows, found.positives) == (6, 2)
    assert found.score is not None and 0 < found.score <= 0.8
    assert found.interval is not None and found.interval[0] < 0.451 and found.interval[1] > 0.449


def test_of_equally_good_thresholds_it_is_the_one_next_to_a_half():
    """From 0.2 and from 0.7 on three of four answers are right."""
    rows = rows_of([0.1, 0.3, 0.6, 0.8], [0, 1, 0, 1])
    assert by_score(rows, HeldOutScorer("accuracy", TWO, None, rows.y)).threshold == pytest.approx(0.7)


def test_every_resample_has_both_classes():
    rows = rows_of(np.linspace(0.1, 0.9, 8), np.arange(8) == 3)
    drawn = np.array([*rows.resamples(200)])
    assert (drawn[:, 3] > 0).all() and (drawn.sum(1) == 8).all() and 100 < len(drawn) < 200


def test_intervals_narrow_and_choosing_is_taken_off():
    def judged(n: int) -> Decision:
        random = np.random.default_rng(2)
        p = random.random(n)
        rows = rows_of(p, (random.random(n) < p).astype(int))
        found = by_score(rows, HeldOutScorer("f1", TWO, None, rows.y))
        at_best = f1_score(rows.y, p >= found.threshold)
        assert found.score is not None and found.score < at_best
        return found

    def width(ends: Any) -> float:
        return ends[1] - ends[0]

    few, many = judged(100), judged(5000)
    assert width(many.score_interval) < width(few.score_interval) / 3
    assert width(many.interval) < width(few.interval)
    # of such p, F1 = (1 - t^2) / (3 / 2 - t), which is highest where t^2 - 3 t + 1 = 0, and there 2 t
    at = (3 - 5**0.5) / 2
    assert many.interval is not None and many.interval[0] < at < many.interval[1]
    assert many.score_interval is not None and many.score_interval[0] < 2 * at < many.score_interval[1]


def test_what_choosing_adds_is_taken_off_the_interval_too():
    """Of answers that p says nothing of: the interval is about what is left, not about the score of the best one."""
    scores = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        rows = rows_of(random.random(60), random.integers(0, 2, 60))
        found = by_score(rows, HeldOutScorer("accuracy", TWO, None, rows.y))
        at_best = ((rows.predicted[:, 0] >= found.threshold) == rows.y).mean()
        scores.append((at_best, found.score, np.mean(found.score_interval)))
    best, left, middle = np.mean(scores, 0)
    assert best > 0.56 and abs(left - 0.5) < 0.02 and abs(middle - left) < 0.02


def test_groups_are_drawn_whole():
    p = np.tile(np.linspace(0.1, 0.9, 20), 10)
    y = (np.arange(200) // 20 % 2 == 0) & (p > 0.4)
    single = by_costs(rows_of(p, y.astype(int)), np.array([[0.0, 1], [1, 0]]), np.ones(2))
    groups = by_costs(
        rows_of(p, y.astype(int), groups=np.arange(200) // 20), np.array([[0.0, 1], [1, 0]]), np.ones(2)
    )
    assert groups.score == single.score
    assert np.ptp(groups.score_interval) > 1.5 * np.ptp(single.score_interval)


def test_a_cost_of_every_row_is_the_mean_of_every_resample():
    """Also where groups are of other sizes."""
    rows = rows_of([0.1] * 20, [1] * 19 + [0], groups=np.repeat([0, 1, 2, 3], [2, 12, 5, 1]))
    found = by_costs(rows, np.array([[0.0, 1], [1, 0]]), np.ones(2))
    assert found.score == 19 / 20
    found = by_costs(
        rows._replace(predicted=np.where(rows.y == 1, 0.1, 0.9)[:, None]),
        np.array([[0.0, 1], [1, 0]]),
        np.ones(2),
    )
    assert found.score_interval == (1, 1)


# --- costs ----------------------------------------------------------------------------------------------------------


def test_costs_by_hand():
    assert threshold_of(np.array([[0.0, 1], [4, 0]])) == 0.2
    assert threshold_of(np.array([[-1.0, 1], [4, -2]])) == 0.25  # 2 / (2 + 6)
    rows = rows_of([0.1, 0.3, 0.3, 0.6], [0, 0, 1, 1])
    found = by_costs(rows, np.array([[0.0, 1], [4, 0]]), np.ones(2))
    assert (found.threshold, found.score, found.scoring) == (
        0.2,
        0.25,
        "cost",
    )  # one false alarm of four rows
    # with twice the weight a false alarm costs 2: from 2 / (2 + 4) on
    assert by_costs(None, np.array([[0.0, 1], [4, 0]]), np.array([2.0, 1])).threshold == pytest.approx(1 / 3)
    three = Labels(np.array(["x", "y", "z"]), "multiclass")
    costs = ((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (9.0, 9.0, 0.0))
    p = np.array([[0.6, 0.3, 0.1], [0.8, 0.15, 0.05], [0.2, 0.5, 0.3]])
    # expected costs 0.3 + 0.9, 0.6 + 0.9, 0.9; 0.15 + 0.45, 0.8 + 0.45, 0.95; and z again
    np.testing.assert_array_equal(Decision(costs=costs).labels(three, p), ["z", "x", "z"])


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ([[0, 1, 2], [1, 0, 2]], r"2 rows of 2 finite numbers.*not of shape \(2, 3\)"),
        ([[0, 1], [np.nan, 0]], "finite numbers"),
        ([[0, "x"], [1, 0]], "costs must be numbers"),
        ([[1, 0], [1, 0]], "smallest number of each row on the diagonal"),
        ([[0, 0], [1, 0]], "smallest number of each row on the diagonal"),
    ],
)
def test_costs_that_are_refused(costs: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        check_costs(costs, TWO)


# --- a classifier ---------------------------------------------------------------------------------------------------


def test_the_threshold_is_scikit_learns():
    made, X, y = classifier(), TABLE[200:], ANSWER[200:] == "Yes"
    numbered = MLPClassifier(preprocess="auto", max_iter=4, random_state=0).fit(TABLE, ANSWER == "Yes")
    assert (made.threshold_, numbered.decision_) == (0.5, None)
    numbered.set_threshold("f1", X=X, y=y)
    p = numbered.predict_proba(X)[:, 1]
    tried = candidates(rows_of(p, y.astype(int)), 400)
    tuned = TunedThresholdClassifierCV(
        FrozenEstimator(numbered), scoring="f1", cv="prefit", refit=False, thresholds=tried
    ).fit(X, y)
    assert f1_score(y, numbered.predict(X)) == pytest.approx(tuned.best_score_)
    assert numbered.decision_ is not None and numbered.decision_.rows == 200
    fixed = FixedThresholdClassifier(FrozenEstimator(made), threshold=0.31, pos_label="Yes").fit(
        X, ANSWER[200:]
    )
    np.testing.assert_array_equal(made.set_threshold(threshold=0.31).predict(X), fixed.predict(X))
    assert 0 < (made.predict(X) != CLASSIFIER.predict(X)).mean() < 1
    np.testing.assert_array_equal(made.predict_proba(X), CLASSIFIER.predict_proba(X))
    assert made.score(X, ANSWER[200:]) == get_scorer("accuracy")(fixed, X, ANSWER[200:])


def test_a_threshold_comes_goes_and_is_kept_in_a_file(tmp_path: Path):
    made = classifier().set_threshold("balanced_accuracy")
    held, found = result_of(made).held_out, made.decision_
    assert held is not None and found is not None and found.rows == len(held.rows)
    assert made.threshold_ == found.threshold != 0.5
    made.save(tmp_path / "made")
    read = MLPClassifier.load(tmp_path / "made")
    assert read.decision_ == found
    np.testing.assert_array_equal(read.predict(TABLE), made.predict(TABLE))
    assert repr(found) == f"<Decision at the threshold {found.threshold:.4g}>"
    assert f"{found}".startswith(f"Threshold {found.threshold:.4g} (90 % interval ")
    with words.spoken_in("zh"):
        assert "平衡準確率" in f"{found}"
    assert json.loads(json.dumps(found.to_data()))["threshold"] == found.threshold
    assert clone(made).fit(TABLE, ANSWER).decision_ is None
    assert made.set_threshold(None).threshold_ == 0.5 and made.decision_ is None
    np.testing.assert_array_equal(made.predict(TABLE), CLASSIFIER.predict(TABLE))
    made.set_threshold(costs=[[0, 1], [9, 0]])
    assert made.threshold_ == 0.1 and "expected cost" in f"{made.decision_}"
    with pytest.raises(DataError, match="the classifier was read from a file"):
        read.set_threshold("f1")
    assert read.set_threshold("f1", X=TABLE, y=ANSWER).decision_.rows == N


def test_a_function_reads_the_columns_of_the_rows_held_out():
    seen = []

    def gain(estimator: Any, X: Any, y: Any) -> float:
        seen.append(len(X))
        return float((X["price"] * (estimator.predict(X) == "Yes") * np.where(y == "Yes", 1, -0.5)).sum())

    made = classifier()
    made.set_threshold(gain, X=TABLE)
    held = result_of(made).held_out
    assert held is not None and {*seen} == {len(held.rows)} and made.decision_.scoring == "gain"
    gains = np.where(ANSWER[held.rows] == "Yes", 1, -0.5) * TABLE["price"].to_numpy()[held.rows]
    p = held.predicted[:, 0]
    best = max(gains[p >= at].sum() for at in np.linspace(0.05, 0.95, 19))
    assert gains[p >= made.threshold_].sum() > 0.9 * best > made.decision_.score * 0.5
    with pytest.raises(ConfigError, match=r"failed without rows.*also pass X="):
        made.set_threshold(gain)
    with pytest.raises(DataError, match=r"X has 20 rows, but row \d+ was held out"):
        made.set_threshold(gain, X=TABLE[:20])


def test_costs_of_three_classes(tmp_path: Path):
    made = MLPClassifier(preprocess="auto", max_iter=4, random_state=0).fit(TABLE, THREE)
    costs = [[0, 1, 1], [1, 0, 1], [20, 20, 0]]
    made.set_threshold(costs=costs)
    p = made.predict_proba(TABLE)
    np.testing.assert_array_equal(made.predict(TABLE), made.classes_[(p @ np.array(costs)).argmin(1)])
    assert (made.predict(TABLE) == "z").mean() > 0.5 and not hasattr(made, "threshold_")
    assert f"{made.decision_}".startswith(
        "Of 3 classes the one with the least expected cost is chosen.\nExpected cost"
    )
    made.save(tmp_path / "made")
    assert MLPClassifier.load(tmp_path / "made").decision_ == made.decision_
    with pytest.raises(ConfigError, match="a threshold is of two classes, and there are 3; pass costs="):
        made.set_threshold("f1")


def test_what_is_refused():
    made = classifier()
    with pytest.raises(ConfigError, match="one of scoring, costs and threshold"):
        made.set_threshold("f1", threshold=0.3)
    with pytest.raises(ConfigError, match=r"a probability from 0 to 1, not 1\.5"):
        made.set_threshold(threshold=1.5)
    with pytest.raises(ConfigError, match="scoring='roc_auc' is the same at every threshold"):
        made.set_threshold("roc_auc")
    with pytest.raises(DataError, match="none of the 9 rows held out is of class Yes"):
        made.set_threshold("f1", X=TABLE[:9], y=["No"] * 9)
    several = np.eye(2, dtype=int)[RNG.integers(0, 2, N)]
    many = MLPClassifier(preprocess="auto", max_iter=1, random_state=0).fit(TABLE[["size"]], several)
    with pytest.raises(ConfigError, match="labels of which each row has one"):
        many.set_threshold(threshold=0.3)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": None}, {"threshold": float("nan")}, {"threshold": "high"}, {"interval": [0.1]}, {"rows": -1},
        {"costs": [[0.0, 1.0]]}, {"scoring": 3}, {"score": True},
    ],
)  # fmt: skip
def test_decisions_in_files_that_no_classifier_has(change: dict[str, Any]):
    made = Decision(0.3, scoring="f1", interval=(0.2, 0.4), score=0.6, rows=9)
    assert Decision.read(json.loads(json.dumps(codec.write(made))), TWO) == made
    with pytest.raises(FormatError, match="the decision must"):
        Decision.read(codec.write(made) | change, TWO)
    with pytest.raises(FormatError, match="the decision must have a threshold where"):
        Decision.read(codec.write(made), Labels(np.arange(3), "multiclass"))
