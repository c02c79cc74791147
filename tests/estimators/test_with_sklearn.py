"""The estimators among scikit-learn's: searches, calibration, stacking, pipelines, routing, callbacks, pickles."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_regression
from sklearn.ensemble import StackingRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from chainrule import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def small(**settings: Any) -> MLPClassifier:
    return MLPClassifier(
        **{"hidden_layer_sizes": 8, "max_iter": 20, "learning_rate_init": 0.02, "random_state": 0} | settings
    )


@pytest.mark.slow
def test_a_grid_search_in_two_processes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(small(), {"activation": ["relu", "gelu"]}, cv=2, n_jobs=2)
        search.fit(X, Y)
    assert search.best_score_ > 0.6 and search.best_estimator_.n_iter_ == 20
    assert search.predict(X).shape == (150,)


def test_calibration_and_stacking():
    calibrated = CalibratedClassifierCV(small(), cv=2).fit(X, Y)
    assert calibrated.predict_proba(X).shape == (150, 3)
    A, b = make_regression(100, 4, random_state=0)
    first = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=30, random_state=0)
    assert StackingRegressor([("net", first), ("linear", Ridge())], cv=2).fit(A, b).score(A, b) > 0.9


def test_a_pipeline_has_its_tags():
    pipe = make_pipeline(StandardScaler(), small())
    assert (
        is_classifier(pipe)
        and not is_regressor(pipe)
        and is_regressor(make_pipeline(StandardScaler(), MLPRegressor()))
    )
    tags = get_tags(pipe[-1])
    assert tags.input_tags.sparse and tags.classifier_tags.multi_label and tags.target_tags.required
    assert pipe.fit(X, Y).score(X, Y) > 0.8


def test_the_hidden_layers_are_features():
    net = small(hidden_layer_sizes=(8, 5), max_iter=60).fit(X, Y)
    assert net.transform(X).shape == (150, 5) and net.transform(X, layer=0).shape == (150, 8)
    hidden = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0)
    np.testing.assert_allclose(net.transform(X, layer=0), hidden, 1e-12, 1e-12)
    assert net.get_feature_names_out().tolist() == [f"mlpclassifier{i}" for i in range(5)]
    assert make_pipeline(StandardScaler(), small(), LogisticRegression()).fit(X, Y).score(X, Y) > 0.9
    with pytest.raises(ValueError, match="layer must be an index of the 2 hidden layers"):
        net.transform(X, layer=2)


def test_metadata_is_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        net = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        assert cross_validate(net, X, Y, params={"sample_weight": np.ones(150)}, cv=2)["test_score"].min() > 0
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        weighted = make_pipeline(scaler, clone(net)).fit(X, Y, sample_weight=np.arange(150.0))
        plain = make_pipeline(scaler, clone(net)).fit(X, Y)
    assert weighted[-1].loss_ != plain[-1].loss_


def test_clones_and_pickles():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(5000, 20)), rng.integers(0, 3, 5000)
    net = small(max_iter=2).fit(A, b)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(A), net.predict_proba(A))
    assert again.coefs_[0].base is not None and len(pickle.dumps(net)) < 20_000  # the data have 800,000 bytes
    again.partial_fit(A, b)
    assert not hasattr(clone(net), "model_") and clone(net).get_params() == net.get_params()
    with pytest.raises(NotFittedError):
        clone(net).predict(A)


def test_coefficients_are_the_models():
    net = small().fit(X, Y)
    assert net.coefs_[0].base is net.model_.theta
    net.coefs_[-1] = np.zeros((8, 3))
    net.intercepts_ = [np.zeros(8), np.array([0.0, 0.0, 1.0])]
    assert (net.predict(X) == 2).all()
    with pytest.raises(ValueError):
        net.coefs_[0] = np.zeros((2, 2))


def test_warnings_and_interrupts():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(20\) reached"):
        small().fit(X, Y)

    def interrupt(run: Any) -> None:
        if run.epoch == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        net = small(callbacks=[interrupt]).fit(X, Y)
    assert net.n_iter_ == 3 and len(net.loss_curve_) == 3 and net.predict(X).shape == (150,)


def test_scikit_learns_callbacks():
    pytest.importorskip("sklearn.callback")

    class Seen:
        def __init__(self) -> None:
            self.calls: list[str] = []
            self.scores: list[float] = []

        def setup(self, estimator: Any, context: Any) -> None:
            self.calls.append("setup")

        def teardown(self, estimator: Any, context: Any) -> None:
            self.calls.append("teardown")

        def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any = None) -> None:
            self.calls.append(f"begin {context.task_name}")

        def on_fit_task_end(
            self, estimator: Any, context: Any, *, X: Any = None, fitted_estimator: Any = None
        ) -> bool:
            self.calls.append(f"end {context.task_name}")
            self.scores.append(fitted_estimator.score(X, Y))
            return len(self.scores) == 4

    seen = Seen()
    net = small().set_callbacks(seen).fit(X, Y)
    epochs = ["begin epoch", "end epoch"] * 4
    assert seen.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert net.n_iter_ == 4 and seen.scores[0] != seen.scores[3] and seen.scores[4] == net.score(X, Y)
