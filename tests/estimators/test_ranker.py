"""MLPRanker: its order within groups, batches of whole groups, tables, files and exports, and what it refuses."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from chainrule import ConfigError, DataError, MLPRanker
from chainrule.estimators import tune
from chainrule.fitting import curve
from commands import invoke

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(groups: int = 120, seed: int = 0) -> tuple[pd.DataFrame, Any, Any]:
    """Rows whose relevance is a number that the group shifts, so that only the order within it can be learned."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(groups), rng.integers(2, 9, groups))
    X = pd.DataFrame(rng.normal(size=(len(query), 2)), columns=["a", "b"])
    X["kind"] = rng.choice(["red", "blue"], len(query))
    s = X["a"] - X["b"] * (X["kind"] == "red") + 3 * rng.normal(size=groups)[query]
    y = pd.Series(s).groupby(query).rank(method="first").astype(int).clip(upper=5) - 1
    return X, y.to_numpy(), query


def fitted(X: Any, y: Any, *, max_iter: int = 30, **given: Any) -> MLPRanker:
    how = {"groups", "group", "sample_weight", "X_val", "y_val", "groups_val", "eval_set", "eval_group"}
    own = {name: given.pop(name) for name in how & given.keys()}
    net = MLPRanker((16,), learning_rate_init=0.01, max_iter=max_iter, random_state=0, **given)
    return net.fit(X, y, **own)


@pytest.mark.parametrize("loss", ["lambdarank", "pairwise"])
def test_a_table_is_ranked(loss, tmp_path: Path):
    X, y, query = table()
    net = fitted(X, y, groups=query, loss=loss, preprocess="auto", early_stopping=True)
    other = table(60, seed=1)
    score = net.score(other[0], other[1], groups=other[2])
    chance = np.mean(
        [
            net.score(other[0], np.random.default_rng(k).permutation(other[1]), groups=other[2])
            for k in range(5)
        ]
    )
    assert score > 0.95 > 0.85 > chance
    assert max(net.validation_scores_) == net.best_validation_score_ <= 1
    net.save(tmp_path / "ranker.safetensors")
    again = MLPRanker.load(tmp_path / "ranker.safetensors")
    assert clone(net).get_params() == net.get_params()
    assert_array_equal(pickle.loads(pickle.dumps(net)).predict(X), net.predict(X))
    assert_array_equal(again.predict(X), net.predict(X))
    assert again.score(other[0], other[1], groups=other[2]) == score
    found = net.graph().run({name: X[name].to_numpy() for name in X})["predictions"]
    assert_allclose(found.ravel(), net.predict(X), rtol=1e-5, atol=1e-5)
    with pytest.raises(ConfigError, match="compares those of a group"):
        net.importance(X, y)
    assert net.explain(X[:3]).values.shape[0] == 3


def test_the_command_predicts_scores(tmp_path: Path):
    X, y, query = table(30)
    net = fitted(X, y, groups=query, preprocess="auto", max_iter=3)
    net.save(tmp_path / "ranker.safetensors")
    X[:4].to_csv(tmp_path / "rows.csv", index=False)
    done = invoke(["predict", tmp_path / "ranker.safetensors", tmp_path / "rows.csv", "--json"])
    assert_allclose([row["predicted"] for row in json.loads(done.stdout)], net.predict(X[:4]), rtol=1e-5)


def test_groups_are_told_in_three_ways():
    X, y, query = table(30)
    sizes = np.unique(query, return_counts=True)[1]
    by_rows = fitted(X, y, groups=query, preprocess="auto")
    by_sizes = fitted(X, y, group=sizes, preprocess="auto")
    by_name = fitted(X.assign(query=query), y, groups="query", preprocess="auto")
    assert_array_equal(by_rows.predict(X), by_sizes.predict(X))
    assert_array_equal(by_rows.predict(X), by_name.predict(X))
    assert by_rows.score(X, y, group=sizes) == by_rows.score(X, y, groups=query)
    assert by_rows.score(X, y, groups=query) == by_name.score(X.assign(query=query), y, groups="query")


def test_validation_rows_as_here_and_as_lightgbm_has_them():
    X, y, query = table(40)
    (X_val, y_val, of_val), numbers = table(20, seed=1), ["a", "b"]
    sizes = np.unique(of_val, return_counts=True)[1]
    ours = fitted(X[numbers], y, groups=query, X_val=X_val[numbers], y_val=y_val, groups_val=of_val)
    theirs = fitted(X[numbers], y, groups=query, eval_set=[(X_val[numbers], y_val)], eval_group=[sizes])
    assert (
        ours.validation_loss_curve_ == theirs.validation_loss_curve_
        and len(ours.validation_loss_curve_) == 30
    )
    with pytest.raises(DataError, match="pass groups_val=, the group of each row"):
        fitted(X[numbers], y, groups=query, X_val=X_val[numbers], y_val=y_val)


def test_a_group_has_the_mean_of_its_weights():
    X, y, query = table(30)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    mean = (np.bincount(query, weight) / np.bincount(query))[query]
    X = X[["a", "b"]]
    by_rows = fitted(X, y, groups=query, sample_weight=weight)
    by_groups = fitted(X, y, groups=query, sample_weight=mean)
    assert_allclose(
        by_rows.predict(X), by_groups.predict(X), rtol=1e-6, atol=1e-8
    )  # as the means are rounded
    assert (by_rows.predict(X) != fitted(X, y, groups=query).predict(X)).any()


def test_members_and_other_presets():
    X, y, query = table(60)
    for own in ({"n_members": 2}, {"preset": "tabm", "n_members": 4}, {"preset": "realmlp"}):
        net = fitted(X, y, groups=query, preprocess="auto", max_iter=60, **own)
        assert net.score(X, y, groups=query) > 0.9, own


def test_what_nothing_is_learned_from():
    X, y, query = table(30)
    single = np.r_[query, 1000, 1001]
    more, relevance = pd.concat([X, X[:2]], ignore_index=True)[["a", "b"]], np.r_[y, 0, 1]
    with pytest.warns(UserWarning, match="nothing is learned from 2 groups of 32"):
        net = fitted(more, relevance, groups=single)
    assert net.score(more, relevance, groups=single) == net.score(X[["a", "b"]], y, groups=query)
    with pytest.raises(DataError, match="no group of y has rows of two relevances"):
        fitted(more, relevance, groups=np.arange(len(more)))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "pass groups=, the group of each row, or group="),
        ({"groups": [1, 1], "group": [2]}, "pass groups=, the group of each row, or group="),
        ({"group": [1, 2]}, "which add up to the 2 rows"),
        ({"groups": [1, 1], "y": [0, 0.5]}, "whole numbers from 0 to 31"),
        ({"groups": [1, 1], "y": [0, 32]}, "whole numbers from 0 to 31"),
        ({"groups": [1, 1], "y": ["a", "b"]}, "whole numbers from 0 to 31"),
        ({"groups": [1, 1], "y": [0, None]}, "y"),
    ],
    ids=str,
)
def test_errors(given, says):
    y = given.pop("y", [0, 1]) if "y" in given else [0, 1]
    with pytest.raises(DataError, match=says):
        MLPRanker().fit([[1.0], [2.0]], y, **{name: each for name, each in given.items() if name != "y"})


def test_no_search_and_no_epochs_of_its_own():
    with pytest.raises(ConfigError, match="estimator must be an MLPClassifier, MLPRegressor or MLPSurvival"):
        tune(MLPRanker(preprocess="auto"), *table(20)[:2])
    for method in ("partial_fit", "update"):
        with pytest.raises(DataError, match="use fit with warm_start=True"):
            getattr(MLPRanker(), method)([[1.0]], [1])


@given(
    groups=st.lists(st.integers(0, 9), min_size=1, max_size=60),
    size=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_batches_are_of_whole_groups(groups, size, seed):
    """Each row once, those of a group together; a batch ends within one only if none of those left fits."""
    own = np.array(groups)
    order = np.random.default_rng(seed).permutation(len(own))
    found = curve.whole_groups(order, own, size)
    assert sorted(found.tolist()) == list(range(len(own)))
    runs = own[found]
    assert (np.diff(runs) != 0).sum() + 1 == len(set(groups))
    assert runs[0] == own[order[0]] or np.bincount(own)[own[order[0]]] > size
    counts = np.bincount(own)
    for end in range(size, len(own), size):
        if runs[end - 1] == runs[end]:  # cut
            begin = end - 1
            while begin > 0 and runs[begin - 1] == runs[end] and begin % size:
                begin -= 1
            left = set(runs[end:].tolist()) - {int(runs[end])}
            assert begin % size == 0 or all(counts[each] > end - begin for each in left)
