"""The result that an estimator holds: what is read from it, and what becomes of it in the next fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from chainrule import DataError, MLPClassifier, MLPRegressor
from chainrule.fitting.held import as_fitted, result_of
from chainrule.race import candidates

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y, T = (X[:, 0] > 0).astype(int), X[:, 0] - X[:, 1]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**settings: object) -> MLPClassifier:
    return MLPClassifier(**{"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0} | settings)


def test_attributes_are_those_of_the_result():
    net = classifier()
    assert not hasattr(net, "model_") and not hasattr(net, "n_iter_") and not hasattr(net, "classes_")
    with pytest.raises(NotFittedError):
        result_of(net)
    result = result_of(net.fit(X, Y))
    assert net.model_ is result.model and net.n_iter_ == result.records.n_iter == 3
    assert not hasattr(net, "preprocessor_") and not hasattr(net, "blend_")
    assert not hasattr(classifier(solver="lbfgs").fit(X, Y), "best_loss_")


def test_what_is_assigned_stands_until_the_next_fit():
    net = classifier().fit(X, Y)
    net.loss_curve_ = [1.0]
    assert net.loss_curve_ == [1.0] and len(result_of(net).records.loss_curve) == 3
    assert len(net.fit(X, Y).loss_curve_) == 3


def test_another_estimator_holds_a_result_with_other_parameters():
    net = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, T)
    made = as_fitted(net, result_of(net), max_iter=9)
    np.testing.assert_array_equal(made.predict(X), net.predict(X))
    assert (made.max_iter, net.max_iter, made.n_features_in_) == (9, 3, 3)


def test_a_fit_that_goes_on_leaves_the_records_of_the_one_before():
    net = classifier(warm_start=True).fit(X, Y)
    before = result_of(net).records
    net.fit(X, Y)
    assert (len(before.loss_curve), len(net.loss_curve_)) == (3, 6)


def test_labels_said_to_a_first_call_that_fails_are_those_of_the_next():
    net = classifier()
    with pytest.raises(ValueError, match="NaN"):
        net.partial_fit(np.full((2, 3), np.nan), Y[:2], classes=[0, 1, 2])
    assert net.partial_fit(X, Y).classes_.tolist() == [0, 1, 2]


def test_a_network_of_a_race_may_be_trained_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidates, "CANDIDATES", candidates.CANDIDATES[:1])
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    net = MLPRegressor(
        hidden_layer_sizes=(4,), max_iter=2, random_state=0, preprocess="auto", preset="best"
    ).fit(table, T)
    heaviest = net.blend_.parts[0].result
    steps = heaviest.model.steps_trained
    net.set_params(**net.blend_.parts[0].estimator.get_params(deep=False))
    with pytest.raises(DataError, match="y has 2 outputs"):
        net.partial_fit(table, np.stack([T, T], 1))
    assert not hasattr(net.partial_fit(table, T), "blend_") and net.model_ is heaviest.model
    assert net.model_.steps_trained > steps
