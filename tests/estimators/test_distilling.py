"""One network learns an average's answers, on its own rows and rows in between, and the report says what that costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import ConfigError, DataError, MLPClassifier, MLPRegressor
from chainrule.estimators.distilling import ColumnTable, distill, fractions, rows_between
from exported import table

QUICK: dict[str, Any] = {
    "hidden_layer_sizes": (16,),
    "max_iter": 60,
    "learning_rate_init": 0.01,
    "preset": None,
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_rows_between_are_between():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"a": np.r_[rng.random(60), 0.5], "n": np.arange(61) % 5, "c": ["x", "y", None] * 20 + ["x"]}
    )
    X.loc[3, "a"] = np.nan
    made, own = rows_between(ColumnTable.of(X), 200, rng)
    assert made.rows == 261 == len(own) and own[:61].tolist() == list(range(61))
    a = made.columns["a"]
    assert np.array_equal(a[:61], X["a"], equal_nan=True)
    assert np.nanmin(a) >= X["a"].min() and np.nanmax(a) <= X["a"].max()
    assert len(np.unique(a[~np.isnan(a)])) > 150  # numbers that no row has
    assert set(made.columns["n"].to_list()) == set(range(5))
    assert {each for each in made.columns["c"].to_list() if isinstance(each, str)} == {"x", "y"}


def test_fractions_by_hand():
    assert fractions(np.array([1, 2])) is None and fractions(np.array(["1.5"])) is None
    assert fractions(np.array([1.0, 2.0, np.nan])) is None
    found = fractions(np.array([1.5, np.nan], np.float32))
    assert found is not None and found[0] == 1.5


def test_a_student_of_classes():
    """It learns the teacher, not the labels, which it never sees."""
    X, y = table(700)
    labels = np.where(y > 4, "high", "low")
    teacher = MLPClassifier((32,), preprocess="auto", n_members=4, max_iter=40, random_state=0)
    teacher.fit(X[:500], labels[:500])
    student, cost = distill(teacher, X[:500], X_test=X[500:], y_test=labels[500:], between=1500, **QUICK)
    assert isinstance(student, MLPClassifier) and list(student.classes_) == ["high", "low"]
    assert cost.same_labels is not None and cost.same_labels > 0.9 and cost.difference < 0.1
    assert cost.networks == (4, 1) and cost.bytes[1] < cost.bytes[0]
    assert (cost.own, cost.between, cost.judged, cost.is_new) == (500, 1500, 200, True)
    assert cost.losses[1] < 1.2 * cost.losses[0]
    said = str(cost)
    assert "500 rows and 1,500 in between" in said and "On 200 new rows" in said and "log loss" in said


def test_a_student_of_numbers_and_of_a_matrix():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    teacher = MLPRegressor(hidden_layer_sizes=(32,), max_iter=200, random_state=0).fit(
        X, X[:, 0] + np.abs(X[:, 1])
    )
    student, cost = distill(teacher, X, between=800, **QUICK)
    assert isinstance(student, MLPRegressor) and student.predict(X[:2]).shape == (2,)
    assert cost.difference < 0.2 and cost.same_labels is None and cost.losses == ()
    assert (cost.own, cost.judged, cost.is_new) == (360, 40, False)
    assert "On 40 rows that the student has not learned their answers differ by" in str(cost)
    again = distill(teacher, X, between=800, **QUICK).student
    assert np.array_equal(again.predict(X), student.predict(X))


def test_a_student_keeps_what_the_teacher_promised():
    """The direction of a column, and the threshold or the costs of labels."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"area": rng.normal(size=200), "noise": rng.normal(size=200)})
    y = np.where(X["area"] + rng.normal(size=200) > 0, "dear", "cheap")
    teacher = MLPClassifier((8,), preprocess="auto", monotonic_cst={"area": 1}, max_iter=5, random_state=0)
    teacher.fit(X, y).set_threshold(threshold=0.2)
    student = distill(teacher, X, between=0, **QUICK | {"max_iter": 3}).student
    assert isinstance(student, MLPClassifier) and student.threshold_ == 0.2
    rows = pd.DataFrame({"area": np.linspace(-2, 2, 40), "noise": np.zeros(40)})
    p = student.predict_proba(rows)[:, 1]
    assert (np.diff(p) >= 0).all() and p[-1] > p[0]
    assert np.array_equal(student.predict(rows) == "dear", p >= 0.2)
    teacher.set_threshold(costs=[[0, 1], [9, 0]])
    student = distill(teacher, X, between=0, **QUICK | {"max_iter": 3}).student
    assert isinstance(student, MLPClassifier) and teacher.threshold_ == student.threshold_ == 0.1


def test_what_is_refused():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    several = MLPClassifier((4,), max_iter=1, random_state=0).fit(X, X > 0)
    with pytest.raises(ConfigError, match="of which a row has one"):
        distill(several, X)
    one = MLPClassifier((4,), max_iter=1, random_state=0).fit(X, X[:, 0] > 0)
    with pytest.raises(ConfigError, match="belong together"):
        distill(one, X, X_test=X)
    with pytest.raises(DataError, match="at least 20 rows, not 5"):
        distill(one, X[:5])
