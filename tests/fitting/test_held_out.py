"""What a fit predicts for the rows that it held out: whose networks, which rows, and in which units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from chainrule import DataError, MLPClassifier, MLPRegressor
from chainrule.fitting.held import HoldsResult, result_of
from chainrule.race import candidates
from chainrule.race.judge import tempered
from chainrule.tables.held_out import HeldOut

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
T = 1000 + 50 * (X[:, 0] - X[:, 1] ** 2) + RNG.normal(size=200)
Y = np.where(T > 970, "high", "low")
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def held_out(estimator: HoldsResult) -> HeldOut:
    found = result_of(estimator).held_out
    assert found is not None
    return found


def test_rows_are_those_of_early_stopping_and_predictions_those_of_the_network_kept():
    net = MLPRegressor(**SMALL, early_stopping=True, validation_fraction=0.2)
    weight = np.arange(1.0, 201.0)
    found = held_out(net.fit(X, T, weight))
    assert len(found.rows) == 40 == len(np.unique(found.rows)) and not found.are_passed
    np.testing.assert_array_equal(found.y[:, 0], T[found.rows])
    np.testing.assert_array_equal(found.weight, weight[found.rows])
    np.testing.assert_allclose(found.predicted[:, 0], net.predict(X[found.rows]), rtol=1e-12)
    np.testing.assert_array_equal(found.inputs, X[found.rows])


def test_rows_of_groups_keep_them():
    of_rows = np.arange(200) // 4 * 10
    found = held_out(MLPRegressor(**SMALL, early_stopping=True).fit(X, T, groups=of_rows))
    numbers = dict(zip(of_rows[found.rows], found.groups, strict=True))
    assert [numbers[group] for group in of_rows[found.rows]] == found.groups.tolist()
    assert len(set(numbers.values())) == len(numbers) == len(found.rows) / 4


def test_of_a_network_trained_again_on_all_rows_they_are_those_of_the_first():
    settings = {**SMALL, "preprocess": "auto", "early_stopping": True, "max_iter": 30}
    again, alone = (MLPRegressor(**settings, refit=refit).fit(X, T) for refit in (True, False))
    assert again.n_iter_refit_ and not alone.n_iter_refit_
    found = held_out(again)
    np.testing.assert_array_equal(found.predicted, held_out(alone).predicted)
    np.testing.assert_allclose(found.predicted[:, 0], alone.predict(X[found.rows]), rtol=1e-9)
    assert np.abs(found.predicted[:, 0] - again.predict(X[found.rows])).max() > 1e-3
    np.testing.assert_array_equal(found.y[:, 0], T[found.rows])  # in the units of y, to the bit


@pytest.mark.parametrize(
    ("is_held", "said"), [(True, "held out for early stopping"), (False, "learned from")]
)
def test_rows_of_which_none_counts_are_said(is_held: bool, said: str):
    net = MLPClassifier(**SMALL, early_stopping=True)
    weight = np.ones(len(X))
    rows = held_out(net.fit(X, Y)).rows
    weight[rows if is_held else np.setdiff1d(np.arange(len(X)), rows)] = 0
    with pytest.raises(
        DataError, match=f"all rows that are {said} have a weight of 0; leave out the rows of weight 0"
    ):
        net.fit(X, Y, weight)


def test_a_class_weight_is_no_weight_of_a_row():
    net = MLPClassifier(**SMALL, early_stopping=True, class_weight="balanced").fit(X, Y)
    found = held_out(net)
    np.testing.assert_array_equal(found.weight, np.ones(20))
    np.testing.assert_array_equal(net.classes_[found.y[:, 0].astype(int)], Y[found.rows])
    np.testing.assert_allclose(found.predicted[:, 0], net.predict_proba(X[found.rows])[:, 1], rtol=1e-12)
    assert found.inputs is None


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_rows_passed_for_validation(settings):
    net = MLPRegressor(**SMALL, **settings).fit(X[:150], T[:150], X_val=X[150:], y_val=T[150:])
    found = held_out(net)
    assert found.are_passed
    np.testing.assert_array_equal(found.rows, np.arange(50))
    np.testing.assert_array_equal(found.y[:, 0], T[150:])
    np.testing.assert_allclose(found.predicted[:, 0], net.predict(X[150:]), rtol=1e-12)


def test_nothing_is_held_out_where_a_network_may_have_learned_from_the_rows():
    assert result_of(MLPRegressor(**SMALL).fit(X, T)).held_out is None
    net = MLPRegressor(**SMALL, early_stopping=True, warm_start=True)
    assert result_of(net.fit(X, T)).held_out is not None
    assert result_of(net.fit(X, T)).held_out is None  # the split is another one
    net = MLPRegressor(**SMALL, early_stopping=True).fit(X, T)
    assert result_of(net.set_params(early_stopping=False).partial_fit(X, T)).held_out is None


@pytest.mark.parametrize("labels", [None, ["low", "high"], ["a", "b", "c"]])
def test_a_race_predicts_the_rows_of_each_fold_by_the_network_of_the_others(labels, monkeypatch):
    monkeypatch.setattr(candidates, "CANDIDATES", candidates.CANDIDATES[:1])
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    frame = pd.DataFrame(X, columns=list("abc"))
    y = T if labels is None else np.array(labels)[np.digitize(X[:, 0], [0.0, 0.8][: len(labels) - 1])]
    settings = {"preprocess": "auto", "preset": "best", "max_iter": 2, "random_state": 0, "time_limit": 60}
    settings["lookup"] = False  # which corrects them
    net = (MLPRegressor if labels is None else MLPClassifier)(**settings).fit(frame, y)
    result = result_of(net)
    each = np.stack(result.each(result.prepare(frame, np.asarray), "auto"))
    found, degree = held_out(net), net.blend_.temperature
    np.testing.assert_array_equal(np.sort(found.rows), np.arange(200))
    np.testing.assert_array_equal(found.y, result_of(net).targets.encode(y[found.rows]))
    for fold, rows in enumerate(found.rows.reshape(5, 40)):
        expected = tempered(each[fold, rows], degree, exclusive=labels is not None and len(labels) > 2)
        np.testing.assert_allclose(found.predicted[40 * fold : 40 * fold + 40], expected, rtol=1e-6)
    if labels is None:
        np.testing.assert_array_equal(found.inputs, net.preprocessor_.transform(frame.iloc[found.rows]))
