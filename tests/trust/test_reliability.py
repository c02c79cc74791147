"""Whether probabilities are right: the bins, their intervals, the ECE, and the diagram."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from chainrule import ConfigError, DataError, MLPClassifier
from chainrule.fitting.held import result_of
from chainrule.trust.reliability import of_classes, reliability
from chainrule.views import words

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"size": RNG.normal(size=300), "kind": RNG.choice(["a", "b"], 300)})
ANSWER = np.where(TABLE["size"] + RNG.normal(size=300) > 0.4, "Yes", "No")


def test_bins_by_hand():
    p = np.repeat([0.2, 0.7], 20)
    came = np.r_[np.arange(20) < 4, np.arange(20) < 10]  # 4 of 20 as predicted, and 10 of 20 where 14 were
    found = reliability(p, came, "Yes", bins=2)
    np.testing.assert_allclose(found.predicted, [0.2, 0.7])
    np.testing.assert_allclose(found.observed, [0.2, 0.5])
    assert found.samples.tolist() == [20, 20] and found.error == pytest.approx(0.1)
    # Wilson: (k + z^2 / 2 -+ z sqrt(k (n - k) / n + z^2 / 4)) / (n + z^2)
    z = 1.6448536269514722
    ends = (10 + z * z / 2 + np.array([-1, 1]) * z * np.sqrt(5 + z * z / 4)) / (20 + z * z)
    np.testing.assert_allclose([found.low[1], found.high[1]], ends)
    assert found.outside == 1  # 0.7 is above 0.671
    expected = np.sqrt(2 / np.pi) * (np.sqrt(0.2 * 0.8 / 20) + np.sqrt(0.7 * 0.3 / 20)) / 2
    assert found.chance == pytest.approx(expected)


def test_the_error_is_the_mean_over_the_rows_by_hand():
    """Of 21 rows 11 are 0.2 too high and 10 are 0.3 too low."""
    found = reliability(np.repeat([0.2, 0.7], [11, 10]), np.arange(21) > 10)
    assert found.samples.tolist() == [11, 10] and found.error == pytest.approx((11 * 0.2 + 10 * 0.3) / 21)
    chance = 11 * np.sqrt(0.2 * 0.8 / 11) + 10 * np.sqrt(0.7 * 0.3 / 10)
    assert found.chance == pytest.approx(np.sqrt(2 / np.pi) * chance / 21)


@pytest.mark.slow
def test_right_probabilities_are_off_by_chance_alone():
    random = np.random.default_rng(2)
    p = random.beta(0.5, 2, size=(200, 500))
    found = [reliability(each, random.random(500) < each) for each in p]
    assert np.mean([each.error for each in found]) == pytest.approx(
        np.mean([each.chance for each in found]), rel=0.05
    )
    assert np.mean([each.outside for each in found]) == pytest.approx(1.0, abs=0.3)  # of ten bins, at 90 %


def test_few_rows_have_few_bins():
    assert reliability(np.array([0.3]), np.array([True])).samples.tolist() == [1]
    assert reliability(np.linspace(0, 1, 45), np.ones(45, bool)).samples.tolist() == [12, 11, 11, 11]
    with pytest.raises(DataError, match="no rows whose probabilities"):
        reliability(np.empty(0), np.empty(0, bool))


def test_of_more_classes_it_is_the_predicted_one():
    shares = np.tile([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]], (20, 1))
    found = of_classes(shares, np.tile([0, 1], 20), ["x", "y", "z"], bins=2)
    assert found.label is None and found.observed.tolist() == [1.0, 0.0]
    np.testing.assert_allclose(found.predicted, [0.6, 0.7])
    assert of_classes(shares[:, :2], np.zeros(40, int), ["x", "y"], positive=0).label == "x"


def test_a_classifier_judges_its_probabilities():
    made = MLPClassifier(preprocess="auto", max_iter=3, random_state=0).fit(TABLE, ANSWER)
    held = result_of(made).held_out
    found = made.reliability()
    assert held is not None and found.samples.sum() == len(held.rows) and found.label == "Yes"
    of_all = made.reliability(TABLE, ANSWER, bins=5)
    p = np.sort(made.predict_proba(TABLE)[:, 1]).reshape(5, 60)
    np.testing.assert_allclose(of_all.predicted, p.mean(1, dtype=np.float64))
    assert f"{of_all}".startswith(
        "Each point is one of 5 equal parts of 300 rows, by the probability of class Yes"
    )
    assert repr(of_all) == f"<Reliability of 300 rows in 5 bins: ECE {of_all.error:.4g}>"
    with words.spoken_in("zh"):
        assert "將 300 列依類別 Yes 的機率排序" in f"{of_all}"
    data = json.loads(json.dumps(of_all.to_data()))
    assert data["kind"] == "reliability" and data["high"] == of_all.high.tolist()
    line, points = of_all.figure().data
    assert list(line.x) == [0, 1] and list(points.error_y.array) == (of_all.high - of_all.observed).tolist()
    with pytest.raises(ConfigError, match="labels of which each row has one"):
        MLPClassifier(preprocess="auto", max_iter=1).fit(
            TABLE, np.eye(2, dtype=int)[RNG.integers(0, 2, 300)]
        ).reliability()
