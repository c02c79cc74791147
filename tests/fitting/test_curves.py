"""From the same start the estimators walk the curve of scikit-learn's MLP."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from chainrule import MLPClassifier, MLPRegressor
from halves import half

TOLERANCE = 1e-9
"""Of loss and parameters after 20 epochs in float64; what is left is the order of sums. 1e-12 is usual."""
N = 310  # in batches of 64 the last one has 54


@cache
def data(name: str) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
    """Both classes, X, y and further settings of a kind of task."""
    X, y = make_regression(N, 8, n_targets=3, noise=5, random_state=0)
    y = y / y.std(0)
    if name == "regression":
        return TheirRegressor, MLPRegressor, X, y[:, 0], {"activation": "logistic"}
    if name == "outputs":
        return TheirRegressor, MLPRegressor, X, y, {}
    if name == "poisson":
        counts = np.random.default_rng(0).poisson(np.exp(np.clip(y[:, 0], -3, 2)))
        return TheirRegressor, MLPRegressor, X / 3, counts, {"loss": "poisson", "activation": "tanh"}
    if name == "multilabel":
        return TheirClassifier, MLPClassifier, *make_multilabel_classification(N, 8, random_state=0), {}
    classes = {"binary": 2, "multiclass": 3}[name]
    X, y = make_classification(N, 8, n_informative=5, n_classes=classes, random_state=1)
    return TheirClassifier, MLPClassifier, X, np.array(["a", "b", "c"])[y], {"activation": "identity"}


TASKS = ["binary", "multiclass", "multilabel", "regression", "outputs", "poisson"]
SOLVERS: list[dict[str, Any]] = [
    {"solver": "adam"},
    {"solver": "adam", "early_stopping": True},
    {"solver": "adam", "shuffle": False, "batch_size": "auto", "beta_1": 0.0},
    {"solver": "lbfgs"},
    {"solver": "sgd"},
    {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "nesterovs_momentum": False, "early_stopping": True},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-2, "n_iter_no_change": 2},
    {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 1e-2,
        "n_iter_no_change": 2,
        "nesterovs_momentum": False,
    },
]


def both(name: str, settings: dict[str, Any], weight: Any) -> tuple[Any, Any]:
    """The two estimators, fitted."""
    Theirs, Ours, X, y, more = data(name)
    rate = 0.05 if settings["solver"] == "sgd" else 0.01
    rate = rate / 10 if name == "poisson" else rate
    common = {"hidden_layer_sizes": (12, 7), "max_iter": 20, "random_state": 3, "alpha": 1e-2}
    settings = common | {"batch_size": 64, "learning_rate_init": rate} | more | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = {} if weight is None else {"sample_weight": weight}
        return Theirs(**settings).fit(X, y, **given), Ours(**settings).fit(X, y, **given)


@pytest.mark.parametrize(
    ("task", "settings", "weighted"),
    half(TASKS, SOLVERS, [False, True]),
    ids=lambda of: "-".join(map(str, of.values())) if isinstance(of, dict) else str(of),
)
def test_the_same_curve(task: str, settings: dict[str, Any], weighted: bool):
    weight = np.random.default_rng(0).uniform(0.1, 2, N) if weighted else None
    theirs, ours = both(task, settings, weight)
    assert ours.n_iter_ == theirs.n_iter_ and ours.t_ == theirs.t_
    if settings["solver"] == "lbfgs":
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=TOLERANCE)
    else:
        for name in ("loss_curve_", "loss_", "best_loss_", "validation_scores_", "best_validation_score_"):
            found, expected = getattr(ours, name), getattr(theirs, name)
            assert (found is None) == (expected is None), name
            if found is not None:
                np.testing.assert_allclose(found, expected, TOLERANCE, 1e-12, err_msg=name)
        assert ours._no_improvement_count == theirs._no_improvement_count
    for found, expected in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(found, expected, 1e-7, TOLERANCE)
    X = data(task)[2]
    assert ours.score(X, data(task)[3]) == pytest.approx(theirs.score(X, data(task)[3]), rel=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_continues_as_there(solver: str):
    Theirs, Ours, X, y, _ = data("multiclass")
    settings = {"solver": solver, "random_state": 1, "learning_rate": "invscaling", "hidden_layer_sizes": 5}
    theirs, ours = Theirs(**settings), Ours(**settings)
    for begin in (0, 100, 250, 30):
        rows = slice(begin, begin + 70)
        for each in (theirs, ours):
            each.partial_fit(X[rows], y[rows], classes=["a", "b", "c"])
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, TOLERANCE)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], TOLERANCE, TOLERANCE)
    assert ours.t_ == theirs.t_ == sum(min(70, N - begin) for begin in (0, 100, 250, 30))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early", [False, True])
def test_a_warm_start_continues_as_there(early: bool):
    Theirs, Ours, X, y, _ = data("regression")
    settings = {
        "warm_start": True,
        "max_iter": 7,
        "random_state": 1,
        "early_stopping": early,
        "batch_size": 50,
    }
    theirs, ours = Theirs(**settings), Ours(**settings)
    for _ in range(3):
        theirs.fit(X, y)
        ours.fit(X, y)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, 1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), 1e-7, 1e-9)
    assert len(ours.loss_curve_) == 21 and ours.n_iter_ == theirs.n_iter_ == 7


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_sparse_input_walks_the_dense_curve(kind: str):
    from scipy import sparse

    _, Ours, X, y, _ = data("multiclass")
    X = np.where(np.abs(X) > 1, X, 0)
    settings = {"max_iter": 5, "random_state": 0, "tol": 0, "n_iter_no_change": 9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense, thin = Ours(**settings).fit(X, y), Ours(**settings).fit(sparse.csr_array(X).asformat(kind), y)
    np.testing.assert_allclose(thin.loss_curve_, dense.loss_curve_, 1e-12)
    assert (thin.predict(sparse.csc_matrix(X)) == dense.predict(X)).all()


def test_float32_trains_in_float32():
    Theirs, Ours, X, y, _ = data("binary")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Theirs(max_iter=20, random_state=0).fit(X.astype(np.float32), y)
        ours = Ours(max_iter=20, random_state=0).fit(X.astype(np.float32), y)
        forced = Ours(max_iter=20, random_state=0, dtype="float64").fit(X.astype(np.float32), y)
    assert ours.coefs_[0].dtype == theirs.coefs_[0].dtype == np.float32
    assert forced.coefs_[0].dtype == np.float64
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, 1e-4)  # float32 has 7 digits
