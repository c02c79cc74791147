"""Few rows of classes: the shift to the shares of two, and how sure several are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import MeanSquaredError, MLPClassifier, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.data.samples import Samples
from chainrule.fitting import folds
from chainrule.fitting.few_solved import Bound, shift
from chainrule.fitting.folds import shift_of, shifted

LOSS = SigmoidCrossEntropy()


def samples_of(ones: int, n: int = 100) -> Samples:
    return Samples(np.zeros((n, 1)), (np.arange(n) < ones).astype(float)[:, None], np.ones(n), 1)


def table(n: int, classes: int, seed: int = 0) -> tuple[pd.DataFrame, Any]:
    """A rare class of two, or several alike ones, which two numbers tell apart."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    z = X["a"] + 0.5 * X["b"]
    edges = [0.85] if classes == 2 else np.quantile(z, np.arange(1, classes) / classes)
    return X, np.digitize(z, edges)


def test_a_shift_by_hand():
    # 30 of 100 rows, all of which have logits of 0: sigmoid(d) = 0.3
    found = shift_of(np.zeros((2, 100, 1)), LOSS, samples_of(30))
    assert found == pytest.approx(math.log(3 / 7), abs=1e-3)
    # two members with odds of 2 and 1/2, and 3 times as many rows: (2t / (1 + 2t) + t / (2 + t)) / 2 = 0.6 at odds of t
    odds = np.array([2.0, 0.5])[:, None, None] * np.ones((1, 100, 1))
    t = math.exp(shift_of(np.log(odds), LOSS, samples_of(60)))
    assert (2 * t / (1 + 2 * t) + t / (2 + t)) / 2 == pytest.approx(0.6, abs=1e-4)
    weighted = samples_of(30)._replace(weight=np.where(np.arange(100) < 30, 7.0, 3.0))  # as many of each
    assert shift_of(np.zeros((1, 100, 1)), LOSS, weighted) == pytest.approx(0, abs=1e-3)


def test_a_shift_is_bounded_and_others_have_none():
    far = np.full((1, 100, 1), 4.0)
    assert shift_of(far, LOSS, samples_of(30)) == -1
    assert shift_of(-far, LOSS, samples_of(30)) == 1
    assert shift_of(far, LOSS, samples_of(0)) == shift_of(far, LOSS, samples_of(100)) == 0
    nobody = samples_of(30)._replace(weight=np.zeros(100))
    assert shift_of(far, LOSS, nobody) == shift_of(far * np.nan, LOSS, samples_of(30)) == 0
    assert shift_of(far, MeanSquaredError(), samples_of(30)) == 0
    labels = samples_of(30)._replace(y=np.eye(2)[np.arange(100) % 2])
    assert shift_of(np.ones((1, 100, 2)), LOSS, labels) == 0
    assert shift_of(np.ones((1, 100, 2)), SoftmaxCrossEntropy(), labels) == 0


@given(st.integers(0, 2**16), st.integers(2, 60))
def test_after_a_shift_the_mean_is_the_share_within_the_bound(seed: int, n: int):
    rng = np.random.default_rng(seed)
    bound = Bound(0.3, 3.0, np.array([0.2]))
    y = (rng.random(n) < 0.4).astype(float)
    y[:2] = 0, 1
    samples = Samples(np.zeros((n, 1)), y[:, None], rng.random(n) + 0.1, 1)
    out = bound(rng.normal(y[:, None] - 0.5, 1, (2, n, 1)))
    by = shift_of(out, LOSS, samples, bound)
    moved = shifted(out, by, bound)
    assert np.abs(moved - bound.d).max() < bound.s
    mean = np.average(LOSS.predict(LOSS.average(moved))[:, 0], weights=samples.weight)
    share = np.average(y, weights=samples.weight)
    assert abs(mean - share) < 1e-3 if abs(by) < 1 else (by > 0) == (mean < share)


def test_a_network_is_shifted_as_what_it_predicts_is():
    X, y = table(60, 2)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=3).fit(X, y)
    model, rows = net.members_[0], net.preprocessor_.transform(X)
    bound = Bound.of(model)
    wanted = shifted(model.raw_outputs(rows, "native", 64), -0.7, bound)
    shift(model, -0.7)
    np.testing.assert_allclose(model.raw_outputs(rows, "native", 64), wanted, atol=2e-5)
    assert Bound.of(model) == bound


@pytest.mark.parametrize("n", [80, 160])
def test_two_classes_are_predicted_out_of_fold_as_often_as_they_are(n: int, monkeypatch: pytest.MonkeyPatch):
    X, y = table(n, 2, seed=1)

    def excess() -> float:
        held = MLPClassifier(preprocess="auto", random_state=0, max_iter=15).fit(X, y).held_out_
        assert len(held.rows) == n
        return float(held.predicted[:, -1].mean() - y.mean())

    assert abs(excess()) < 1e-4
    monkeypatch.setattr(folds, "shift_of", lambda *_: 0.0)
    assert abs(excess()) > 1e-3


def test_what_is_known_of_the_past_is_not_shifted_to_its_shares(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(folds, "shift_of", lambda *_: pytest.fail("shifted"))
    X, y = table(60, 2)
    MLPClassifier(preprocess="auto", random_state=0, max_iter=2).fit(X, y, time=np.arange(60))


@pytest.mark.parametrize(("name", "other"), [("FOR_ALL", 0.8), ("OF_SEVERAL", (1.0, 8.0))])
@pytest.mark.parametrize("n", [60, 130])
@pytest.mark.parametrize("classes", [2, 3])
def test_several_classes_are_surer(
    name: str, other: Any, n: int, classes: int, monkeypatch: pytest.MonkeyPatch
):
    """By a factor with very few rows, which have a linear part, and by what is out of fold with more."""
    X, y = table(n, classes)

    def sureness() -> float:
        net = MLPClassifier(preprocess="auto", random_state=0, max_iter=20).fit(X, y)
        return float(net.predict_proba(X).max(1).mean())

    now = sureness()
    monkeypatch.setattr(folds, name, other)
    assert (now > sureness() + 0.002) == (classes == 3 and (n == 60) == (name == "FOR_ALL"))
