"""What preprocess="auto" sets, what it leaves, and that the parameters are as before afterwards."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from chainrule import AdamW, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.estimators import recipe


def table(n: int = 200) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=n), "kind": rng.choice(["a", "b", "c"], n)})
    return frame, frame["size"] * 3 + (frame["kind"] == "a") * 5 + 100


def kinds(net: Any) -> list[str]:
    return [link.layer.kind for link in net.model_.network.walk()]


def test_the_recipe_is_used_and_the_parameters_are_given_back():
    X, y = table()
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=30)
    before = dict(net.get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the planned end of a schedule is no failure
        net.fit(X, y)
    assert net.get_params() == before and clone(net).get_params() == before
    assert kinds(net) == ["scale", *["dense", "relu", "dropout"] * 3, "dense"]
    assert [W.shape[1] for W in net.coefs_] == [256, 128, 64, 1] and net.n_layers_ == 5
    assert net.n_iter_ <= 30  # what is given stays
    assert len(net.validation_scores_) == len(net.validation_loss_curve_) == net.n_iter_
    assert net.best_validation_score_ == -min(net.validation_loss_curve_)  # the loss decides
    assert net.transform(X).shape == (200, 64) and net.transform(X, 0).shape == (200, 256)
    assert net.score(X, y) > 0.9


def test_a_preprocessor_of_ones_own_leaves_scikit_learns_defaults():
    X, y = table()
    net = MLPRegressor(preprocess=TablePreprocessor(), max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        net.fit(X, y)
    assert kinds(net) == ["dense", "relu", "dense"] and net.coefs_[0].shape[1] == 100


def test_given_parameters_stay():
    values = recipe.values(200)
    assert {"optimizer", "schedule", "alpha"} <= set(values) and isinstance(values["optimizer"], AdamW)
    net = MLPClassifier([100], preprocess="auto", dropout=0.2, solver="sgd")
    with recipe.in_use(net, 200, incremental=False):
        assert net.hidden_layer_sizes == [100] and net.dropout == 0.2 and net.batch_size == 64
        assert (net.solver, net.optimizer, net.schedule, net.alpha) == ("sgd", None, None, 0.0001)
        assert net.early_stopping and net.scoring == "loss"
    assert not net.early_stopping and net.batch_size == "auto"
    with recipe.in_use(clone(net).set_params(solver="adam"), 200, incremental=False) as nothing:
        assert nothing is None
    untouched = MLPClassifier(preprocess=None)
    with recipe.in_use(untouched, 200, incremental=False):
        assert untouched.optimizer is None


def test_a_failed_fit_gives_the_parameters_back():
    X, y = table()
    net = MLPRegressor(preprocess="auto")
    before = dict(net.get_params())
    with pytest.raises(ValueError):
        net.fit(X, y[:-1])
    assert net.get_params() == before


@pytest.mark.parametrize("rows", [2, 49, 51])
def test_few_rows_hold_nothing_out(rows: int):
    X, y = table(rows)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=3, hidden_layer_sizes=(8,)).fit(X, y)
    assert (net.validation_scores_ is not None) == (rows >= recipe.LEAST)
    assert np.isfinite(net.predict(X)).all()


def test_a_class_of_one_row_is_no_obstacle():
    X, y = table(120)
    y = np.where(np.arange(120) == 5, "rare", "usual")
    net = MLPClassifier((8,), preprocess="auto", random_state=0, max_iter=2).fit(X, y)
    assert net.predict_proba(X).shape == (120, 2)


def test_more_epochs_one_at_a_time():
    X, y = table()
    net = MLPRegressor(hidden_layer_sizes=(8,), preprocess="auto", random_state=0)
    for _ in range(3):
        net.partial_fit(X, y)
    assert net.t_ == 600 and kinds(net)[0] == "scale" and net.get_params()["optimizer"] is None


def test_a_network_without_hidden_layers():
    X, y = table()
    net = MLPRegressor(hidden_layer_sizes=(), preprocess="auto", random_state=0, max_iter=20).fit(X, y)
    assert kinds(net) == ["scale", "dense"] and net.score(X, y) > 0.3


def test_larger_tables_get_larger_batches_and_fewer_epochs():
    found = [recipe.values(rows) for rows in (100, 10_000, 50_000, 1_000_000)]
    assert [each["batch_size"] for each in found] == [64, 128, 256, 512]
    assert [each["max_iter"] for each in found] == [100, 100, 45, 20]
    assert found[-1]["validation_fraction"] == 0.01 and found[0]["validation_fraction"] == 0.15
    assert recipe.values(10)["batch_size"] == 8 and "early_stopping" not in recipe.values(10)
