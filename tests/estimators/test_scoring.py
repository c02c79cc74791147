"""Any scorer: of single fits by rows of the table, and of a race by the rows held out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import fbeta_score, get_scorer, make_scorer, mean_pinball_loss

from chainrule import ConfigError, FormatError, MLPClassifier, MLPRegressor, Quantile
from chainrule.core import codec
from chainrule.fitting.held import result_of
from chainrule.race.candidates import Candidate
from chainrule.race.judge import Judge, ScoredParts, greedy, score_weights
from chainrule.race.report import RaceReport, Record
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets
from chainrule.trust.scorers import HeldOutScorer

RNG = np.random.default_rng(0)
N = 80
TABLE = pd.DataFrame({"size": RNG.normal(size=N), "price": RNG.uniform(1, 100, N)})
ANSWER = np.where(TABLE["size"] + RNG.normal(size=N) > 0.4, "Yes", "No")
YES_NO = Labels(np.array(["No", "Yes"]), "binary")
SMALL = tuple(Candidate(name, changed={"hidden_layer_sizes": (4,)}) for name in ("one", "two"))


def money(estimator: Any, X: Any, y: Any) -> float:
    """Gain the price of each row that is rightly taken, and lose that of each other one."""
    taken = estimator.predict(X) == "Yes"
    return float((X["price"] * taken * np.where(y == "Yes", 1, -1)).sum())


@pytest.fixture
def _few(race_of: Callable[..., None]) -> None:
    race_of(*SMALL)


def best(kind: type[Any] = MLPClassifier, **settings: Any) -> Any:
    return kind(**{"preprocess": "auto", "preset": "best", "max_iter": 3, "random_state": 3} | settings)


# --- predictions that are made already ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["accuracy", "roc_auc", "average_precision", "neg_log_loss", "balanced_accuracy"]
)
def test_a_name_scores_as_of_a_fitted_estimator(name: str):
    made = MLPClassifier(preprocess="auto", max_iter=1, random_state=0).fit(TABLE, ANSWER)
    numbered = clone(made).fit(
        TABLE, ANSWER == "Yes"
    )  # scikit-learn has no average precision of other two labels
    found = HeldOutScorer(name, YES_NO, TABLE, ANSWER)(made.predict_proba(TABLE)[:, 1:])
    assert found == pytest.approx(get_scorer(name)(numbered, TABLE, ANSWER == "Yes"))


@pytest.mark.parametrize(
    ("scoring", "expected"),
    [
        ("f1", 0.8),  # precision 2 / 3, recall 1
        ("precision", 2 / 3),
        ("recall", 1.0),
        (make_scorer(fbeta_score, beta=2), 10 / 11),  # 5 P R / (4 P + R)
        (make_scorer(fbeta_score, beta=2, pos_label="No"), 5 / 9),  # precision 1, recall 1 / 2
        ("roc_auc", 0.75),
        (lambda estimator, X, y: (estimator.predict(X) == y).mean(), 0.75),
        (lambda estimator, X, y: estimator.score(X, y) * estimator.predict_proba(X)[0, 0], 0.3),
    ],
)
def test_scores_of_yes_and_no_by_hand(scoring: Any, expected: float):
    p, y = np.array([[0.6], [0.9], [0.7], [0.2]]), np.array(["Yes", "Yes", "No", "No"])
    assert HeldOutScorer(scoring, YES_NO, object(), y)(p) == pytest.approx(expected)


def test_scores_of_numbers_by_hand():
    targets, X, y = NumericTargets(1, Quantile(0.5)), object(), ["1 km", "4 km"]
    predicted = np.array([[2.0], [1.0]])
    assert HeldOutScorer("neg_mean_absolute_error", targets, X, y)(predicted) == -2
    pinball = make_scorer(mean_pinball_loss, alpha=0.9, greater_is_better=False)
    assert HeldOutScorer(pinball, targets, X, y)(predicted) == pytest.approx(-(0.1 * 1 + 0.9 * 3) / 2)
    three = NumericTargets(3, Quantile((0.1, 0.5, 0.9)))
    found = HeldOutScorer(lambda e, X, y: e.score(X, y), three, X, y)(np.array([[0, 1.0, 9], [0, 4.0, 9]]))
    assert found == 1.0  # R2 of the quantile in the middle


def test_what_cannot_be_scored():
    p, y = np.array([[0.6], [0.9]]), np.array(["Yes", "No"])
    assert math.isnan(HeldOutScorer("roc_auc", YES_NO, object(), y)(np.array([[0.5], [np.nan]])))
    with pytest.raises(ConfigError, match="scoring='auc' is not the name of a scorer"):
        HeldOutScorer("auc", YES_NO, object(), y)(p)
    X = TABLE[:2]
    with pytest.raises(ConfigError, match=r"those of the X that it is called with.*select from the result"):
        HeldOutScorer(lambda e, X, y: e.predict(X[:1])[0], YES_NO, X, y)(p)
    three = Labels(np.arange(3), "multiclass")
    with pytest.raises(ConfigError, match=r"scoring='f1' cannot score .*name another, as 'f1_macro'"):
        HeldOutScorer("f1", three, X, np.arange(3))(np.eye(3))


# --- a single fit ---------------------------------------------------------------------------------------------------


def test_a_function_reads_the_columns_of_the_table():
    made = MLPClassifier(preprocess="auto", max_iter=3, random_state=0, scoring=money)
    made.fit(TABLE[:60], ANSWER[:60], X_val=TABLE[60:], y_val=ANSWER[60:])
    assert money(made, TABLE[60:], ANSWER[60:]) == made.best_validation_score_ == max(made.validation_scores_)

    seen = []

    def noted(estimator: Any, X: Any, y: Any) -> float:
        seen.append((X, y))
        dear = X[X["price"] > X["price"].median()]  # rows of a part are predicted by the network itself
        np.testing.assert_allclose(
            estimator.predict_proba(dear), estimator.predict_proba(X)[X["price"] > X["price"].median()]
        )
        assert estimator.n_features_in_ == 2 and estimator.classes_.tolist() == ["No", "Yes"]
        return 0.0

    made = MLPClassifier(preprocess="auto", max_iter=1, random_state=0, scoring=noted).fit(TABLE, ANSWER)
    X, y = seen[0]
    assert len(X) == 12 and (ANSWER[X.index] == y).all()
    pd.testing.assert_frame_equal(X, TABLE.loc[X.index])


# --- weights by a score ---------------------------------------------------------------------------------------------


def test_ties_go_by_the_second_loss():
    parts = [np.array([3.0]), np.array([1.0]), np.array([2.0])]
    np.testing.assert_array_equal(greedy(parts, lambda mean: (0.0, float(mean[0])), 1), [0, 1, 0])
    np.testing.assert_array_equal(
        greedy(parts, lambda mean: (float(mean[0] != 3), float(mean[0])), 1), [1, 0, 0]
    )
    np.testing.assert_array_equal(greedy(parts, lambda mean: (math.nan, float(mean[0])), 1), [0, 1, 0])
    calls = []
    greedy(parts, lambda mean: calls.append(1) or 0.0, 9, is_over=lambda: True)
    assert len(calls) == 3  # one round, whatever the clock says


def judged(parts: list[np.ndarray], y: np.ndarray, scoring: Any) -> ScoredParts:
    labels = Labels(np.arange(2), "binary")
    judge = Judge(y[:, None].astype(float), np.ones(len(y)))
    return ScoredParts(
        [part[:, None] for part in parts], judge, HeldOutScorer(scoring, labels, np.arange(len(y)), y)
    )


def test_weights_by_a_score_that_differs_from_the_loss():
    """One member ranks without a fault but is far too sure; the other has the better loss and ranks worse."""
    y = np.arange(100) % 2
    ranks = np.where(y == 1, 1 - 1e-12, 1 - 1e-9)
    sound = np.where(RNG.random(100) < 0.8, y, 1 - y) * 0.6 + 0.2
    found = judged([ranks, sound], y, "roc_auc")
    np.testing.assert_array_equal(found.by_loss(), [0, 1])
    np.testing.assert_array_equal(score_weights(found, 60.0), [1, 0])
    np.testing.assert_array_equal(score_weights(judged([ranks, sound], y, "neg_log_loss"), 60.0), [0, 1])


def test_weights_by_luck_are_those_of_the_loss():
    """Beside a member that knows, guesses have a higher accuracy with it on few rows, but on others a lower one."""
    random = np.random.default_rng(9)
    y = random.integers(0, 2, 60)
    knows = np.where(random.random(60) < 0.75, y, 1 - y) * 0.4 + 0.3
    found = judged([knows, *(random.uniform(0, 1, 60) for _ in range(5))], y, "accuracy")
    lucky, by_loss = found.by_score(lambda: False), found.by_loss()
    assert found.score(lucky) > found.score(by_loss)
    np.testing.assert_array_equal(score_weights(found, 60.0), by_loss)


# --- a race ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_few")
def test_a_race_for_money(tmp_path: Path):
    made = best(scoring=money).fit(TABLE, ANSWER)
    assert [len(record) for record in made.report_] == [10, 10]
    assert "score held out" in f"{made.report_}" and "score held out" in made.report_.to_html()
    # each row is held out once, so the scores are sums over the table
    most = float(TABLE["price"][ANSWER == "Yes"].sum())
    assert all(record.score is not None and -most < record.score <= most for record in made.report_)
    assert all(part.estimator.scoring is None for part in made.blend_.parts)
    made = best(scoring="f1").fit(TABLE, ANSWER)
    made.save(tmp_path / "made")
    read = MLPClassifier.load(tmp_path / "made")
    assert [each.score for each in read.report_] == [each.score for each in made.report_] != [None, None]
    np.testing.assert_array_equal(read.predict(TABLE), made.predict(TABLE))


@pytest.mark.usefixtures("_few")
def test_a_race_scores_the_rows_that_are_passed():
    made = best(MLPRegressor, scoring="neg_mean_absolute_error")
    made.fit(TABLE[["size"]][:60], TABLE["price"][:60], X_val=TABLE[["size"]][60:], y_val=TABLE["price"][60:])
    record, part = made.report_[0], made.blend_.parts[-1]
    numbers = {each.recipe: each for each in made.report_}
    error = np.abs(part.estimator.predict(TABLE[["size"]][60:]) - TABLE["price"][60:]).mean()
    assert numbers[part.recipe].score == pytest.approx(-error)
    assert record.score is not None and result_of(made).records.n_iter == 3


@pytest.mark.usefixtures("_few")
def test_a_race_that_cannot_be_scored_does_not_begin():
    begun: list[int] = []
    with pytest.raises(ConfigError, match="scoring='f1' cannot score these targets"):
        best(scoring="f1", callbacks=None).fit(TABLE, np.arange(N) % 3)

    def broken(estimator: Any, X: Any, y: Any) -> float:
        begun.append(1)
        raise KeyError("cost")

    with pytest.raises(KeyError, match="cost"):
        best(scoring=broken).fit(TABLE, ANSWER)
    assert len(begun) == 1


def test_reports_of_earlier_files():
    record = Record("fast", {}, 1, 3, 0.5, 0.7, 1.0)
    data = record._asdict()
    data.pop("score")
    assert codec.read(Record, data, "it") == record and "score" not in f"{RaceReport([record])}"
    with pytest.raises(FormatError, match="score of it must be a number or null, not 'high'"):
        codec.read(Record, data | {"score": "high"}, "it")
