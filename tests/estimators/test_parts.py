"""Parts of the estimators, each beside what it stands for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.utils.multiclass import type_of_target, unique_labels

from chainrule import (
    BatchNorm,
    Dense,
    MeanSquaredError,
    MLPClassifier,
    Network,
    PiecewiseLinearEmbedding,
    ReLU,
)
from chainrule.fitting.begin import PIECE, initial_theta
from chainrule.fitting.result import FEW
from chainrule.tables.labels import Labels


@pytest.mark.parametrize(
    "y",
    [
        np.array([3, 1, 3, 1, 1]),
        np.array([2, 2, 2]),
        np.array([0, 1, 2, 0, 1, 2]),
        np.array([0, 1, 2, 3]),  # more classes than half of the samples
        np.array([True, False, True, True]),
        np.array(["b", "a", "b", "b"]),
        np.array(["b", "a", "c", "b", "a", "c"], dtype=object),
        np.array([1.0, 2.0, 1.0, 2.0]),
        np.array([[1, 0], [1, 1], [0, 0]]),
    ],
    ids=str,
)
def test_labels_are_what_scikit_learn_takes_them_for(y: Any):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = Labels.learn(y, {"loss": "log_loss"})
        assert labels.kind == type_of_target(y).removesuffix("-indicator")
    np.testing.assert_array_equal(labels.classes, unique_labels(y))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("good", "bad"),
    [({"shuffle": True}, {"shuffle": 1}), ({"alpha": 0}, {"alpha": "0"}), ({"alpha": 1}, {"alpha": [1]})],
    ids=str,
)
def test_parameters_that_passed_are_no_excuse_for_others(good: dict[str, Any], bad: dict[str, Any]):
    X, y = np.arange(12.0).reshape(6, 2), [0, 1] * 3
    MLPClassifier(max_iter=1, **good).fit(X, y)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"The '{next(iter(bad))}' parameter of MLPClassifier must be"):
            MLPClassifier(max_iter=1, **bad).fit(X, y)


def test_the_start_is_drawn_in_pieces_as_if_at_once():
    width = PIECE // 100 + 7
    network = Network(100, [Dense(width), ReLU(), Dense(2)], MeanSquaredError())
    random = np.random.RandomState(0)
    bounds = [np.sqrt(6 / (100 + width))] * 2 + [np.sqrt(6 / (width + 2))] * 2
    expected = [
        random.uniform(-b, b, n) for b, n in zip(bounds, (100 * width, width, 2 * width, 2), strict=True)
    ]
    found = initial_theta(network, np.random.RandomState(0), np.float32, logistic=False)
    np.testing.assert_array_equal(found, np.concatenate(expected).astype(np.float32))


def test_every_start_is_drawn_from_random_state():
    """Those of embeddings too, while a network without them has scikit-learn's own draws."""
    edges = PiecewiseLinearEmbedding(4, 3)
    network = Network(2, [edges, Dense(3), BatchNorm(), ReLU(), Dense(1)], MeanSquaredError())
    place = next(
        slot for slot in network.slots if slot.field == "E" or slot.link.name.startswith("piecewise")
    )
    starts = [
        initial_theta(network, np.random.RandomState(seed), np.float64, logistic=False) for seed in (0, 0, 1)
    ]
    assert np.array_equal(starts[0], starts[1])
    front = [theta[: place.stop] for theta in starts]
    assert front[0].any() and not np.array_equal(front[0], front[2])
    random = np.random.RandomState(0)
    two = [initial_theta(network, random, np.float64, logistic=False) for _ in range(2)]
    assert np.array_equal(two[0], starts[0]) and not np.array_equal(
        two[0][: place.stop], two[1][: place.stop]
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("as_X", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_few_rows_are_predicted_as_many(as_X: Any):
    rng = np.random.default_rng(0)
    X = as_X(rng.normal(size=(4 * FEW, 6)))
    net = MLPClassifier((7,), max_iter=2, random_state=0).fit(X, rng.integers(0, 3, 4 * FEW))
    many = net.predict_proba(X)
    for rows in (1, FEW):
        np.testing.assert_allclose(net.predict_proba(X[:rows]), many[:rows], 1e-12)
    net.coefs_[0][...] = 0
    assert len(np.unique(net.predict_proba(X[:FEW]))) == 3
