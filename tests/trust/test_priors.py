"""The shares of the classes: class weights, rare classes, and probabilities at other shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import ConfigError, FormatError, MLPClassifier
from chainrule.fitting.held import result_of
from chainrule.presets.base import Facts
from chainrule.presets.realmlp import realmlp
from chainrule.presets.tabm import tabm
from chainrule.race import candidates
from chainrule.race.candidates import Candidate
from chainrule.tables.labels import ClassShares, Labels, adjust_probabilities, checked_prior

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"size": RNG.normal(size=600), "kind": RNG.choice(["a", "b"], 600)})
ANSWER = np.where(TABLE["size"] + 0.7 * RNG.normal(size=600) > 1.3, "Yes", "No")
TWO = Labels(np.array(["No", "Yes"]), "binary")


def net(**settings: Any) -> Any:
    return MLPClassifier(**{"preprocess": "auto", "max_iter": 8, "random_state": 0} | settings)


def test_other_shares_by_hand():
    """From halves to one in ten: the odds 0.8 / 0.2 times 1 / 9 are 4 / 9, which is a probability of 4 / 13."""
    shares = ClassShares((0.9, 0.1), (0.5, 0.5))
    p = np.array([[0.2, 0.8], [1.0, 0.0]])
    np.testing.assert_allclose(adjust_probabilities(p, shares, None), [[9 / 13, 4 / 13], [1, 0]])
    np.testing.assert_allclose(adjust_probabilities(p, shares, np.array([0.5, 0.5])), p)
    never = ClassShares((0.9, 0.1), (1.0, 0.0))  # a class of weight 0
    np.testing.assert_allclose(adjust_probabilities(p, never, None), [[1, 0], [1, 0]])


@given(
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
)
def test_there_and_back(p: list[float], trained: list[float], prior: list[float]):
    one, other, wanted = (np.array(each) / sum(each) for each in (p, trained, prior))
    there = adjust_probabilities(one[None], ClassShares(tuple(other), tuple(other)), wanted)
    assert there.sum() == pytest.approx(1)
    back = adjust_probabilities(there, ClassShares(tuple(wanted), tuple(wanted)), other)
    np.testing.assert_allclose(back[0], one, rtol=1e-9)


def test_class_weights_are_undone(tmp_path: Path):
    plain, weighted = net().fit(TABLE, ANSWER), net(class_weight="balanced").fit(TABLE, ANSWER)
    rate = (ANSWER == "Yes").mean()
    shares = result_of(weighted).shares
    assert (
        shares is not None
        and shares.of_rows[1] == pytest.approx(rate)
        and shares.trained == pytest.approx((0.5, 0.5))
    )
    p, right = weighted.predict_proba(TABLE)[:, 1].mean(), weighted.adjusted_proba(TABLE)[:, 1].mean()
    assert p > 1.8 * rate and right == pytest.approx(rate, rel=0.25)
    np.testing.assert_allclose(plain.adjusted_proba(TABLE), plain.predict_proba(TABLE))
    given_ = weighted.adjusted_proba(TABLE, {"No": 1 - rate, "Yes": rate})
    np.testing.assert_allclose(given_, weighted.adjusted_proba(TABLE))
    weighted.save(tmp_path / "made")
    read = MLPClassifier.load(tmp_path / "made")
    np.testing.assert_allclose(read.adjusted_proba(TABLE, [1, 1]), weighted.adjusted_proba(TABLE, [0.5, 0.5]))


def test_costs_take_class_weights_into_account():
    weighted = net(class_weight={"No": 1, "Yes": 5}).fit(TABLE, ANSWER)
    odds = weighted.set_threshold(costs=[[0, 1], [4, 0]]).threshold_
    assert odds / (1 - odds) == pytest.approx(5 / 4)  # of probabilities whose odds are five times too high
    np.testing.assert_array_equal(
        weighted.predict(TABLE) == "Yes", weighted.adjusted_proba(TABLE)[:, 1] >= 0.2
    )


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"No": 1}, r"share for each of the labels \['No', 'Yes'\], not \['No'\]"),
        ([0.2, 0.3, 0.5], "2 numbers of at least 0"),
        ([-1, 2], "2 numbers of at least 0"),
        ([0, 0], "2 numbers of at least 0"),
        (["x", 1], "the share of each class"),
    ],
)
def test_shares_that_are_refused(prior: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        checked_prior(prior, TWO)
    np.testing.assert_allclose(checked_prior([1, 3], TWO), [0.25, 0.75])


@pytest.mark.parametrize("data", [[[0.5, 0.5], [0.4, 0.4]], [[1.0], [1.0]], [[2.0, -1.0], [0.5, 0.5]]])
def test_shares_in_files_that_no_classifier_has(data: Any):
    with pytest.raises(FormatError, match="the shares of the classes"):
        ClassShares.read(data, TWO)


@pytest.mark.parametrize("recipe", [realmlp, tabm])
def test_presets_that_stop_by_accuracy_stop_by_the_loss_for_a_rare_class(recipe: Any):
    def found(share: float, **given_: Any) -> tuple[Any, Any]:
        proposed = recipe(Facts(2000, 2, "binary", given_, (0,), (0, 0, 1), rarest=share)).parameters
        return proposed.get("scoring"), proposed.get("label_smoothing")

    assert found(0.009) == ("loss", None)
    assert found(0.011) == (None, 0.1 if recipe is realmlp else None) == found(1.0)


def test_a_fit_knows_the_share_of_its_rarest_class():
    rare = np.where(np.arange(600) < 5, "Yes", "No")
    small = net(preset="tabm", n_members=2, hidden_layer_sizes=(4,), max_iter=2)
    assert small.fit(TABLE, rare).best_validation_score_ < 0  # a loss
    assert small.fit(TABLE, ANSWER).best_validation_score_ > 0  # accuracy


@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}, {"preset": "best"}])
def test_a_class_of_one_row_in_a_hundred(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Some of its rows are held out, it is told from the others, and its probabilities have its share."""
    monkeypatch.setattr(candidates, "CANDIDATES", (Candidate("one", changed={"hidden_layer_sizes": (8,)}),))
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    n = 2000
    X = pd.DataFrame({"size": RNG.normal(size=n), "other": RNG.normal(size=n)})
    y = np.zeros(n, int)
    y[np.argsort(-X["size"] - 0.3 * RNG.normal(size=n))[:20]] = 1
    made = net(max_iter=15, **settings).fit(X, y)
    held = result_of(made).held_out
    assert held is not None and held.y.sum() == (20 if "preset" in settings else 3)
    p = made.adjusted_proba(X)[:, 1]
    assert p[y == 1].min() > np.median(p[y == 0]) and 0.002 < p.mean() < 0.03
