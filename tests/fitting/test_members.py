"""Estimators of several members: an ensemble beneath, whose average is predicted and watched."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris

import chainrule
from chainrule import Callback, Ensemble, MLPClassifier, MLPRegressor, Model

X, Y = load_iris(return_X_y=True)
RNG = np.random.default_rng(3)
A = RNG.normal(size=(120, 3))
B = A[:, 0] - A[:, 1] ** 2
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**settings: Any) -> MLPClassifier:
    return MLPClassifier(
        **{"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0, "n_members": 3, "batch_size": 32}
        | settings
    )


class Start(Callback):
    """The parameters before the first step."""

    def on_train_begin(self, run: Any) -> None:
        self.theta = run.theta.copy()


def test_the_average_is_predicted():
    made = classifier(dropout=0.1, batch_norm=True).fit(X, Y)
    assert isinstance(made.model_, Ensemble) and [type(member) for member in made.members_] == [Model] * 3
    each = np.stack([member.predict_proba(X) for member in made.members_])
    assert_allclose(made.predict_proba(X), each.mean(0), atol=1e-12)
    assert_array_equal(made.predict(X), each.mean(0).argmax(1))
    assert_allclose(made.predict_proba(X[:2]), each.mean(0)[:2], atol=1e-12)
    assert_allclose(made.spread(X), each.std(0), atol=1e-12)
    assert each.std(0).max() > 0.01


def test_numbers_are_averaged_in_their_units():
    made = MLPRegressor(
        hidden_layer_sizes=(8,), max_iter=5, n_members=3, random_state=0, preprocess="auto"
    ).fit(pd.DataFrame(A, columns=["a", "b", "c"]), 1000 + 50 * B)
    table = made.preprocessor_.transform(pd.DataFrame(A, columns=["a", "b", "c"]))
    each = np.stack([member.predict(table) for member in made.members_])
    assert_allclose(made.predict(pd.DataFrame(A, columns=["a", "b", "c"])), each.mean(0), rtol=1e-6)
    assert_allclose(made.spread(pd.DataFrame(A, columns=["a", "b", "c"])), each.std(0), rtol=1e-4)


def test_one_member_is_one_network():
    one = classifier(n_members=1).fit(X, Y)
    assert type(one.model_) is Model and one.members_ == [one.model_]
    with pytest.raises(ValueError, match="spread compares the members of an ensemble; fit with n_members=5"):
        one.spread(X)


def test_the_first_member_begins_as_one_network_does():
    starts = []
    for n_members in (1, 3):
        start = Start()
        classifier(n_members=n_members, callbacks=start).fit(X, Y)
        starts.append(np.atleast_2d(start.theta))
    assert_array_equal(starts[0][0], starts[1][0])
    assert not np.isclose(starts[1][1], starts[1][2]).any()


def test_the_same_random_state_gives_the_same_bits():
    once, again = (classifier(early_stopping=True).fit(X, Y) for _ in range(2))
    assert_array_equal(once.predict_proba(X), again.predict_proba(X))
    assert once.loss_curve_ == again.loss_curve_
    shared = classifier(early_stopping=True, own_batches=False).fit(X, Y)
    assert not np.array_equal(once.predict_proba(X), shared.predict_proba(X))


def test_early_stopping_watches_the_average():
    made = classifier(early_stopping=True, max_iter=60, learning_rate_init=0.01, n_iter_no_change=5)
    made.fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert made.score(X[1::2], Y[1::2]) == made.best_validation_score_ == max(made.validation_scores_)
    assert len(made.validation_loss_curve_) == made.n_iter_


@pytest.mark.parametrize("n_members", [1, 2])
def test_the_score_has_the_running_statistics_of_its_epoch(n_members: int):
    made = classifier(
        batch_norm=True, early_stopping=True, n_members=n_members, max_iter=40, learning_rate_init=0.02
    )
    made.fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert made.score(X[1::2], Y[1::2]) == made.best_validation_score_ > 0.8


def test_the_parameters_have_an_axis_of_members():
    made = classifier().fit(X, Y)
    assert [W.shape for W in made.coefs_] == [(3, 4, 8), (3, 8, 3)]
    assert [b.shape for b in made.intercepts_] == [(3, 8), (3, 3)]
    made.coefs_[0][1] = 0.0
    assert (made.members_[1].parameters["dense_1"].W == 0).all()
    made.coefs_ = [np.ones((3, 4, 8)), np.ones((3, 8, 3))]
    assert (made.members_[2].theta == 1).sum() >= 4 * 8 + 8 * 3


def test_training_goes_on():
    made = classifier(warm_start=True, max_iter=3)
    assert made.fit(X, Y).n_iter_ == 3
    before = made.model_.theta.copy()
    made.fit(X, Y)
    assert not np.array_equal(made.model_.theta, before) and made.model_.epochs_trained == 6
    part = classifier().partial_fit(X, Y, classes=[0, 1, 2])
    first = part.model_.theta.copy()
    part.partial_fit(X, Y)
    assert part._optimizer.kept.steps == 2 * 5 and not np.array_equal(part.model_.theta, first)
    with pytest.raises(ValueError, match="n_members cannot change when the training of a network continues"):
        made.set_params(n_members=2).fit(X, Y)


@pytest.mark.parametrize("again", ["file", "pickle", "copy"])
def test_it_is_kept(tmp_path: Path, again: str):
    made = classifier(batch_norm=True).fit(X, Y)
    path = tmp_path / "estimator.safetensors"
    made.save(path)
    found = {
        "file": lambda: MLPClassifier.load(path),
        "pickle": lambda: pickle.loads(pickle.dumps(made)),
        "copy": lambda: copy.deepcopy(made),
    }[again]()
    assert_array_equal(found.predict_proba(X), made.predict_proba(X))
    assert found.n_members == 3 and len(found.members_) == 3 and found.loss_curve_ == made.loss_curve_
    assert_array_equal(Ensemble.load(path).predict_proba(X), made.model_.predict_proba(X))
    found.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(chainrule.FormatError, match="contains an MLPClassifier"):
        MLPRegressor.load(path)
    assert clone(made).n_members == 3


def test_hidden_layers_stand_side_by_side():
    made = classifier().fit(X, Y).set_output(transform="pandas")
    out = made.transform(X)
    assert out.shape == (150, 24) and len(set(out.columns)) == 24
    first = made.members_[1].parameters["dense_1"]
    assert_allclose(out.to_numpy()[:, 8:16], np.maximum(X @ first.W + first.b, 0), atol=1e-12)


def test_what_is_for_one_network():
    with pytest.raises(ValueError, match="n_members above 1 needs training in batches"):
        classifier(solver="lbfgs").fit(X, Y)
    for wrong in (0, 1.5, "3"):
        with pytest.raises(ValueError, match="The 'n_members' parameter"):
            classifier(n_members=wrong).fit(X, Y)


def test_transfer():
    made = classifier(max_iter=3).fit(X, Y)
    other = made.replace_head(MLPRegressor(max_iter=3, random_state=1)).fit(X, X[:, 0])
    assert len(other.members_) == 3 and other.get_params()["n_members"] is None
    assert_array_equal(other.coefs_[0], made.coefs_[0])
    assert other.coefs_[1].shape == (3, 8, 1) and np.ptp(other.coefs_[1], axis=0).all()
    free = clone(made.replace_head(freeze=False)).fit(X, Y > 0)
    assert len(free.members_) == 3 and not np.array_equal(free.coefs_[0], made.coefs_[0])
    one = classifier(n_members=1, max_iter=3).fit(X, Y)
    assert type(one.replace_head(classifier()).fit(X, Y).model_) is Model
    with pytest.raises(ValueError, match="n_members above 1 needs training in batches"):
        made.replace_head(MLPRegressor(solver="lbfgs")).fit(X, X[:, 0])


def test_a_member_that_diverges_is_left_out():
    class Spoil(Callback):
        def on_epoch_end(self, run: Any) -> None:
            run.session.theta[1] = 1e200

    made = classifier(max_iter=3, callbacks=Spoil())
    with pytest.warns(UserWarning, match="member 1 diverged"):
        made.fit(X, Y)
    assert len(made.members_) == 2 and made.coefs_[0].shape == (2, 4, 8)
    assert np.isfinite(made.predict_proba(X)).all()
    made.set_params(callbacks=None).partial_fit(X, Y)


@pytest.mark.parametrize("at", [0, 2])
def test_ctrl_c_leaves_whole_epochs(at: int):
    class Interrupt(Callback):
        every_steps = 1

        def on_steps(self, run: Any) -> None:
            if run.epoch == at and run.position == 2:
                raise KeyboardInterrupt

    made = classifier(callbacks=Interrupt())
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        made.fit(X, Y)
    assert made.n_iter_ == at and np.isfinite(made.loss_) and made.model_.epochs_trained == at
    if at:
        assert_array_equal(made.predict_proba(X), classifier(max_iter=at).fit(X, Y).predict_proba(X))
