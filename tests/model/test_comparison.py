"""Two models on the same rows: agreement, differences, other labels and the rows that differ most, worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

import chainrule as c


class Numbers:
    """A fitted regressor with known answers."""

    def __init__(self, *rows: Any) -> None:
        self.rows = np.array(rows, np.float64)

    def predict(self, X: Any) -> Any:
        return self.rows


class Shares:
    """A fitted classifier with known probabilities."""

    def __init__(self, classes: list[Any], *rows: Any) -> None:
        self.classes_, self.rows = np.array(classes), np.array(rows)

    def predict_proba(self, X: Any) -> Any:
        return self.rows

    def predict(self, X: Any) -> Any:
        return self.classes_[self.rows.argmax(1)]


X = np.zeros((4, 1))


def test_numbers():
    """The mean size of the output is 2.5, so that 2e-5 apart is near 0 within 1e-5, and 3e-5 is not."""
    a, b = Numbers(0.0, 0.0, 5.0, 5.0), Numbers(2e-5, 3e-5, 5.00004, 4.0)
    found = c.compare(a, b, X)
    assert (found.rows, found.agreeing, found.other_decisions, found.confusion) == (4, 2, None, None)
    assert found.largest == 1.0 and found.median == pytest.approx(3.5e-5) and not found.is_equal
    assert [(each.row, each.answers) for each in found.farthest[:2]] == [
        (3, ([5.0], [4.0])),
        (2, ([5.0], [5.00004])),
    ]
    assert c.compare(a, b, X, tolerance=0.2).is_equal and c.compare(a, a, X, tolerance=0).is_equal
    said = str(found)
    assert "A and B agree on 2 of 4 rows (tolerance 1e-05)." in said and "is 1, the median 3.5e-05" in said


def test_an_outlier_loosens_nothing_elsewhere_in_its_row_or_output():
    a, b = Numbers([1e9, 1.0], [1.0, 1.0]), Numbers([1e9, 1.1], [1.0, 1.0])
    found = c.compare(a, b, X[:2])
    assert found.agreeing == 1 and found.farthest[0].output == 1 and "[1] 1.1" in str(found)


def test_missing_and_infinite_numbers():
    a, b = (
        Numbers(np.nan, np.inf, np.nan, np.inf, 1.0, 2.0),
        Numbers(np.nan, np.inf, 1.0, -np.inf, np.inf, 2.0),
    )
    found = c.compare(a, b, X)
    assert (
        found.agreeing == 3 and np.isnan(found.largest) and [each.row for each in found.farthest] == [2, 3, 4]
    )
    assert found.to_data()["largest"] is None and "undefined" in str(found)


def test_classes():
    a = Shares(["cat", "dog"], [0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5])
    b = Shares(["cat", "dog"], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.5 - 1e-6, 0.5 + 1e-6])
    found = c.compare(a, b, X)
    assert (found.agreeing, found.other_decisions) == (2, 2)
    assert found.largest == pytest.approx(0.2) and found.median == pytest.approx(0.05, abs=1e-5)
    assert found.confusion is not None and found.confusion.tolist() == [[1, 1], [1, 1]]
    assert [each.row for each in found.farthest] == [1, 2, 3] and found.farthest[0].labels == ("dog", "cat")
    said = str(found)
    assert "rows with another label: 2." in said and "dog 0.6" in said and "cat 0.6" in said
    by_class = c.compare(a, b, X, tolerance="class")
    assert by_class.agreeing == 2 and [each.row for each in by_class.farthest] == [1, 3, 2]
    assert "A and B predict the same label on 2 of 4 rows." in str(by_class)


def test_labels_are_matched_by_name():
    """Text that sorts otherwise than the numbers, as some files have it; no labels are those of the positions."""
    a = Shares([2, 10], [0.9, 0.1], [0.2, 0.8])
    b = Shares(["10", "2"], [0.1, 0.9], [0.8, 0.2])
    assert c.compare(a, b, X[:2]).is_equal
    assert c.compare(a, b, X[:2]).classes == (2, 10)
    with pytest.raises(c.ConfigError, match="A has the classes 2, 10 and B a, b"):
        c.compare(a, Shares(["a", "b"], [0.1, 0.9], [0.8, 0.2]), X[:2])


@pytest.mark.filterwarnings("ignore:the model was never trained")
@given(n=st.integers(1, 9), width=st.integers(1, 3), k=st.sampled_from(["classes", "labels", "numbers"]))
def test_a_model_is_equal_to_itself_in_every_shape(n: int, width: int, k: str):
    loss = {
        "classes": c.SoftmaxCrossEntropy() if width > 1 else c.SigmoidCrossEntropy(),
        "labels": c.SigmoidCrossEntropy(),
        "numbers": c.MeanSquaredError(),
    }[k]
    model = c.Model(c.Network(2, [c.Dense(width)], loss), seed=0)
    other = c.Model(c.Network(2, [c.Dense(width)], loss), seed=1)
    rows = np.random.default_rng(0).normal(size=(n, 2))
    found, apart = c.compare(model, model, rows, tolerance=0), c.compare(model, other, rows)
    assert found.is_equal and found.rows == n and found.farthest == () and "all" in str(found)
    assert apart.agreeing == 0 and len(apart.farthest) == n and str(apart)


def test_estimators_of_scikit_learn_and_what_is_opened_of_them():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    fitted = MLPClassifier((5,), solver="lbfgs", random_state=0).fit(rows, np.where(rows[:, 0] > 0, "a", "b"))
    found = c.compare(fitted, c.open(fitted), rows)
    assert found.is_equal and found.other_decisions == 0 and found.largest < 1e-6


def test_what_is_refused():
    a, b = Numbers(1.0, 2.0), Shares([0, 1], [0.5, 0.5], [0.1, 0.9])
    with pytest.raises(c.ConfigError, match=r"A predicts numbers and B classes.*needs its loss"):
        c.compare(a, b, X)
    with pytest.raises(c.ShapeError, match="A answers 1 numbers for each of 2 rows and B 2"):
        c.compare(a, Numbers([1.0, 2.0], [1.0, 2.0]), X)
    for tolerance in (-1, float("nan"), float("inf"), "label", None):
        with pytest.raises(c.ConfigError, match="tolerance must be a number, 0 or larger, or class"):
            c.compare(a, a, X, tolerance=tolerance)  # type: ignore[arg-type]
    with pytest.raises(c.ConfigError, match="tolerance must be a number, because both"):
        c.compare(a, a, X, tolerance="class")
