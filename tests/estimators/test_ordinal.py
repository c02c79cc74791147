"""MLPClassifier on ordered classes: their order, probabilities, decisions, files and exports, beside statsmodels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from chainrule import ConfigError, DataError, MLPClassifier, OrdinalCrossEntropy

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = np.array(["poor", "fair", "good", "best"])


def rows(n: int = 400) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Rows whose class says between which thresholds a linear score with logistic noise lies."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    return X, np.digitize(1.5 * X[:, 0] - X[:, 1] + rng.logistic(size=n), [-2, 0, 1.5])


def fitted(X: Any, y: Any, **parameters: Any) -> MLPClassifier:
    return MLPClassifier(
        (8,), loss="ordinal", learning_rate_init=0.02, max_iter=40, random_state=0, **parameters
    ).fit(X, y)


def slopes_of(net: MLPClassifier, X: NDArray[Any]) -> NDArray[Any]:
    """The derivatives of the probabilities by the inputs (n, classes, inputs), as differences."""
    steps = 1e-5 * np.eye(X.shape[1])
    return np.stack([net.predict_proba(X + h) - net.predict_proba(X - h) for h in steps], 2) / 2e-5


def test_an_ordered_categorical_is_in_its_own_order(tmp_path: Path):
    X, ranks = rows()
    y = pd.Series(pd.Categorical.from_codes(ranks, NAMES.tolist(), ordered=True))
    named, numbered = fitted(X, y), fitted(X, ranks)
    assert named.classes_.tolist() == NAMES.tolist() and isinstance(
        named.model_.network.loss, OrdinalCrossEntropy
    )
    p = numbered.predict_proba(X)
    assert_array_equal(named.predict_proba(X), p)
    assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert_array_equal(named.predict(X), NAMES[p.argmax(1)])
    assert named.score(X, y) == numbered.score(X, ranks) > 0.45
    found = named.model_.evaluate(X, y)  # labels that are not in the order of the alphabet
    assert_allclose(found["rank_error"], np.abs(p.argmax(1) - ranks).mean(), rtol=1e-12)
    assert_allclose(found["log_loss"], -np.log(p[np.arange(len(p)), ranks]).mean(), rtol=1e-12)
    named.save(tmp_path / "model.safetensors")
    again = MLPClassifier.load(tmp_path / "model.safetensors")
    assert again.classes_.tolist() == NAMES.tolist()
    assert_array_equal(again.predict(X), named.predict(X))
    # a category without a row is no class, and an order without the loss none either
    assert fitted(X[ranks < 3], y[ranks < 3]).classes_.tolist() == NAMES[:3].tolist()
    assert MLPClassifier((), max_iter=1).fit(X, y).classes_.tolist() == sorted(NAMES)


def test_the_costs_of_ranks_choose_the_median():
    X, ranks = rows()
    net, costs = fitted(X, ranks), np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    median = (net.predict_proba(X).cumsum(1) < 0.5).sum(1)
    assert_array_equal(net.set_threshold(costs=costs).predict(X), median)
    assert np.abs(median - ranks).mean() <= np.abs(net.set_threshold().predict(X) - ranks).mean()


def test_a_linear_network_is_no_worse_than_an_ordered_logit():
    """Its steps between thresholds depend on the row, so on the rows of the fit its likelihood is at least theirs."""
    models = pytest.importorskip("statsmodels.miscmodels.ordinal_model")
    X, ranks = rows()
    net = MLPClassifier((), loss="ordinal", solver="lbfgs", alpha=0, tol=1e-9, max_iter=2000).fit(X, ranks)
    theirs = models.OrderedModel(ranks, X, distr="logit").fit(method="bfgs", disp=False)
    own = np.log(net.predict_proba(X)[np.arange(len(X)), ranks]).sum()
    assert theirs.llf < own < theirs.llf + 10  # 6 of 12 slopes more


def test_two_ordered_classes_are_the_classes_of_the_log_loss():
    X, ranks = rows()
    two = MLPClassifier((8,), max_iter=5, random_state=0).fit(X, ranks > 1)
    assert_array_equal(
        two.predict_proba(X),
        MLPClassifier((8,), loss="ordinal", max_iter=5, random_state=0).fit(X, ranks > 1).predict_proba(X),
    )


@pytest.mark.parametrize("members", [1, 3])
def test_other_forms_of_the_answer_agree(members: int, tmp_path: Path):
    X, ranks = rows()
    net = fitted(
        X, ranks, n_members=members, class_weight="balanced", label_smoothing=0.1, early_stopping=True
    )
    p = net.predict_proba(X)
    assert_allclose(net.graph().run({"X": X})["probabilities"], p, atol=1e-12)
    assert_allclose(net.bind().predict_proba(X[0]), p[0], rtol=1e-12)
    written = [net.export(tmp_path / f"m.{kind}").difference for kind in ("c", "js")]
    assert max(written) < 1e-6
    assert net.predict_set(X, 0.9)[np.arange(len(X)), ranks].mean() > 0.8
    if members == 1:
        assert_allclose(net.model_.jacobian(X[:3], of="answer"), slopes_of(net, X[:3]), atol=1e-6)


def test_partial_fit_knows_the_order():
    X, ranks = rows()
    y = pd.Categorical.from_codes(ranks, NAMES.tolist(), ordered=True)
    net = MLPClassifier(loss="ordinal", random_state=0).partial_fit(X[:100], np.asarray(y)[:100], classes=y)
    assert net.classes_.tolist() == NAMES.tolist()
    assert set(net.partial_fit(X, np.asarray(y)).predict(X)) <= set(NAMES)


def test_bad_input_is_named():
    X, ranks = rows()
    with pytest.raises(
        DataError, match=r"labels with an order, and y has \['best', 'fair', 'good'\]; pass numbers"
    ):
        fitted(X, NAMES[ranks])
    with pytest.raises(DataError, match="labels with an order"):
        fitted(X, np.eye(4, dtype=int)[ranks])
    with pytest.raises(ConfigError, match="preset='additive' does not support loss='ordinal'"):
        fitted(pd.DataFrame(X, columns=list("abc")), ranks, preset="additive")
