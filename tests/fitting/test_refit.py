"""A network that is trained anew on all rows, for the epochs that were best on those held out."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from chainrule import Callback, ConfigError, DataError, Ensemble, MLPClassifier, MLPRegressor, NonFiniteError
from chainrule.engines.native.engine import NativeEngine
from chainrule.fitting import loop, train
from chainrule.presets import PRESETS
from chainrule.presets.base import Facts

RNG = np.random.default_rng(8)
N = 400
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N), "kind": RNG.choice(["x", "y"], N)})
T = X["a"] * X["b"] + (X["kind"] == "x") + 0.3 * RNG.normal(size=N)
A, B = X[["a", "b"]].to_numpy(), T.to_numpy()
SMALL: dict[str, Any] = {
    "preprocess": "auto",
    "hidden_layer_sizes": (12,),
    "max_iter": 12,
    "n_iter_no_change": 3,
    "random_state": 0,
    "n_members": 1,  # few rows have several, and hold none out for all of them
}
PLAIN: dict[str, Any] = {
    "hidden_layer_sizes": (12,),
    "max_iter": 60,
    "learning_rate_init": 0.1,
    "early_stopping": True,
    "random_state": 1,
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let the engine say that it has so many cores: from two on a fit is followed in a thread."""
    monkeypatch.setattr(NativeEngine, "workers", lambda _: count)


def regressor(**settings: Any) -> Any:
    return MLPRegressor(**SMALL | settings)


def thetas(net: Any) -> list[np.ndarray[Any, Any]]:
    return [member.theta for member in net.members_]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("more", [{}, {"batch_norm": True}, {"batch_norm": True, "n_members": 2}])
def test_it_is_the_fit_of_all_rows_for_the_best_epochs(
    monkeypatch: pytest.MonkeyPatch, count: int, more: dict[str, Any]
):
    """Parameters, running statistics and predictions."""
    cores(monkeypatch, count)
    ours = {**PLAIN, "shuffle": False, **more}  # an order draws from random_state behind the split
    made = MLPRegressor(**ours, refit=True).fit(A, B)
    assert made.n_iter_refit_ == np.argmax(made.validation_scores_) + 1 < made.n_iter_
    alone = MLPRegressor(**ours | {"early_stopping": False, "max_iter": made.n_iter_refit_}).fit(A, B)
    for own, expected in zip(made.members_, alone.members_, strict=True):
        assert_array_equal(own.theta, expected.theta)
        for name, state in expected.states.items():
            assert_array_equal(np.stack(own.states[name]), np.stack(state))
    assert_array_equal(made.predict(A), alone.predict(A))


@pytest.mark.parametrize(
    "more", [{}, {"n_members": 2}, {"dropout": 0.3, "shuffle": False}, {"dtype": "float32"}]
)
def test_beside_and_behind_have_the_same_bits(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]):
    made = []
    for count, limit in ((1, None), (2, None), (4, None), (2, 1000.0)):
        cores(monkeypatch, count)
        made.append(regressor(time_limit=limit, **more).fit(X, T))
        assert made[-1].n_iter_refit_ > 0
        made[-1].partial_fit(X, T)
    for other in made[1:]:
        assert_array_equal(thetas(made[0]), thetas(other))
        assert made[0].model_.steps_trained == other.model_.steps_trained


def test_curves_and_scores_are_those_of_the_fit_that_was_watched():
    made, watched = regressor().fit(X, T), regressor(refit=False).fit(X, T)
    for name in ("n_iter_", "t_", "loss_curve_", "validation_scores_", "best_validation_score_"):
        assert getattr(made, name) == getattr(watched, name)
    assert made.model_.history.records[0].keys() >= {"loss", "val_loss"} and watched.n_iter_refit_ == 0
    assert not np.array_equal(made.model_.theta, watched.model_.theta)
    best = made.n_iter_refit_
    assert made.model_.epochs_trained == best == np.argmax(made.validation_scores_) + 1
    assert made.model_.steps_trained == best * 7  # batches of 64 of 400 samples


def test_views_of_the_parameters_stay_those_of_the_model():
    made = MLPClassifier(**SMALL).fit(X, T > 0)
    before = made.predict_proba(X)
    made.coefs_[-1][...] = 0
    assert made.n_iter_refit_ and not np.array_equal(before, made.predict_proba(X))


def test_only_fast_asks_for_it_and_not_on_a_part_that_is_small():
    def asks(preset: str, rows: int) -> bool:
        return PRESETS[preset].propose(Facts(rows, 3, "regression", {}, (0,), (0, 1, 2))).refit

    assert [asks("fast", rows) for rows in (40, 1_000, 100_000, 200_000)] == [False, True, True, False]
    assert not asks("realmlp", 1_000) and not asks("tabm", 1_000)
    assert regressor(preset="realmlp").fit(X, T).n_iter_refit_ == 0
    assert regressor(preset="realmlp", refit=True).fit(X, T).n_iter_refit_ > 0


def test_rows_given_to_validate_on_are_not_learned_from():
    assert regressor().fit(X[:300], T[:300], X_val=X[300:], y_val=T[300:]).n_iter_refit_ == 0


@pytest.mark.parametrize(
    ("settings", "rows", "said"),
    [
        ({"early_stopping": False}, {}, "needs held-out rows, those of the fit itself or X_val and y_val"),
        ({"early_stopping": False}, {"X_val": A, "y_val": B}, "set early_stopping=True"),
        ({"schedule": "reduce_on_plateau"}, {}, "a learning rate that does not follow the held-out score"),
        (
            {"solver": "sgd", "learning_rate": "adaptive"},
            {},
            "a learning rate that does not follow the held-out score",
        ),
    ],
)
def test_what_it_cannot_be_with(settings: dict[str, Any], rows: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said):
        MLPRegressor(**PLAIN | settings, refit=True).fit(A, B, **rows)
    assert MLPRegressor(**PLAIN | settings).fit(A, B, **rows).n_iter_refit_ == 0


def test_rows_that_are_passed_for_validation_are_learned_from_where_asked():
    """The network is the one that the same rows in one table make in as many epochs."""
    labels = (T.median() < T).to_numpy().astype(int)
    settings = {**PLAIN, "class_weight": {0: 3.0, 1: 1.0}, "max_iter": 5}
    told = {"X_val": A[300:], "y_val": labels[300:]}
    made = MLPClassifier(**settings, refit=True).fit(A[:300], labels[:300], **told)
    epochs = made.n_iter_refit_
    assert epochs > 0 and MLPClassifier(**settings).fit(A[:300], labels[:300], **told).n_iter_refit_ == 0

    def stop(run: Any) -> None:
        if run.epoch >= epochs and run.history.stopped is None:
            run.stop("enough")

    whole = MLPClassifier(**{**settings, "early_stopping": False}, callbacks=[stop]).fit(A, labels)
    for one, other in zip(thetas(made), thetas(whole), strict=True):
        assert_array_equal(one, other)
    table = MLPClassifier(**SMALL, refit=True)
    assert table.fit(X[:300], labels[:300], X_val=X[300:], y_val=labels[300:]).n_iter_refit_ > 0


def test_a_fit_that_goes_on_is_not_followed():
    made = regressor(warm_start=True).fit(X, T)
    assert_array_equal(made.model_.theta, regressor().fit(X, T).model_.theta)
    assert made.n_iter_refit_ > 0 == made.fit(X, T).n_iter_refit_
    assert regressor().fit(X, T).partial_fit(X, T).n_iter_refit_ == 0


# --- what ends it -----------------------------------------------------------------------------------------------------


class At(Callback):
    """Do something at the end of the second epoch."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def on_epoch_end(self, run: Any) -> None:
        if run.epoch == 2:
            self.act(run)


def interrupt(_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("act", [lambda run: run.stop("enough"), interrupt])
@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_a_fit_that_was_ended_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch, count: int, act: Any):
    cores(monkeypatch, count)
    made, alone = (regressor(callbacks=[At(act)], refit=again).fit(X, T) for again in (None, False))
    assert made.n_iter_ == 2 and made.n_iter_refit_ == 0
    assert_array_equal(made.model_.theta, alone.model_.theta)


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_ends_both(monkeypatch: pytest.MonkeyPatch, count: int):
    def fail(_: Any) -> None:
        raise RuntimeError("no")

    cores(monkeypatch, count)
    made = regressor(callbacks=[At(fail)], max_iter=10_000, n_iter_no_change=np.inf)
    with pytest.raises(RuntimeError, match="no"):
        made.fit(X, T)


def test_ctrl_c_behind_the_last_epoch_keeps_the_network_that_was_watched(monkeypatch: pytest.MonkeyPatch):
    class Impatient(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            made = super().submit(*args, **kwargs)

            class Waiting(Future):  # type: ignore[type-arg]
                done = made.done

                def result(self, timeout: float | None = None) -> Any:
                    raise KeyboardInterrupt

            return Waiting()

    cores(monkeypatch, 2)
    monkeypatch.setattr(train, "ThreadPoolExecutor", Impatient)
    monkeypatch.setattr(train.Following, "is_complete", False)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        made = regressor().fit(X, T)
    assert_array_equal(made.model_.theta, regressor(refit=False).fit(X, T).model_.theta)


def test_ctrl_c_behind_the_network_of_all_rows_keeps_it(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    is_large = np.where(T > 1, "large", "small")
    whole = MLPClassifier(**SMALL).fit(X, is_large)
    monkeypatch.setattr(train, "confidence_of", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        made = MLPClassifier(**SMALL).fit(X, is_large)
    assert made.n_iter_refit_ == whole.n_iter_refit_ > 0
    assert_array_equal(made.model_.theta, whole.model_.theta)
    assert made.held_out_.surer is None is not whole.held_out_.surer


@pytest.mark.parametrize("count", [1, 2])
def test_where_all_rows_diverge_the_network_that_was_watched_stays(
    monkeypatch: pytest.MonkeyPatch, count: int
):
    run = loop.run

    def diverging(plan: Any, *args: Any) -> Any:
        if not plan.parameters.early_stopping:
            raise DataError("NaN in step 3")
        return run(plan, *args)

    cores(monkeypatch, count)
    monkeypatch.setattr(loop, "run", diverging)
    with pytest.warns(UserWarning, match="training on all rows diverged, .*NaN in step 3"):
        made = regressor().fit(X, T)
    monkeypatch.undo()
    assert made.n_iter_refit_ == 0
    assert_array_equal(made.model_.theta, regressor(refit=False).fit(X, T).model_.theta)


@pytest.mark.parametrize("count", [1, 2])
def test_where_they_diverge_behind_a_good_epoch_nothing_is_said_of_it_in_the_curves(
    monkeypatch: pytest.MonkeyPatch, count: int
):
    follow = train.Following.on_epoch_end

    def diverging(curve: Any, run: Any) -> None:
        follow(curve, run)
        if curve.best is not None:
            raise NonFiniteError("NaN in step 9", 9, "loss")

    cores(monkeypatch, count)
    watched = regressor(refit=False).fit(X, T)
    monkeypatch.setattr(train.Following, "on_epoch_end", diverging)
    monkeypatch.setattr(train.FollowedFit, "judged", lambda fit, epoch: epoch == 1)
    with pytest.warns(UserWarning, match="training on all rows diverged, .*NaN in step 9"):
        made = regressor().fit(X, T)
    assert made.n_iter_refit_ == 0 and made.loss_curve_ == watched.loss_curve_
    assert made.validation_scores_ == watched.validation_scores_
    assert_array_equal(made.model_.theta, watched.model_.theta)


def test_a_time_limit_that_the_first_fit_takes_leaves_none_for_it():
    made = regressor(time_limit=0.3, max_iter=1_000_000, n_iter_no_change=np.inf).fit(X, T)
    assert made.n_iter_ > 1 and made.n_iter_refit_ == 0


@pytest.mark.parametrize(("share", "is_made"), [(0.99, False), (1.01, True)])
def test_it_is_begun_if_95_percent_of_the_limit_are_enough_for_it(
    monkeypatch: pytest.MonkeyPatch, share: float, is_made: bool
):
    """Half of the rows take 10,000 s for n epochs, so b of all rows take 10,000 b / n for each half."""
    settings = {**PLAIN, "refit": True, "validation_fraction": 0.5}
    known = MLPRegressor(**settings, time_limit=1e6).fit(A, B)
    needed = 10_000 + 2 * 10_000 * known.n_iter_refit_ / known.n_iter_
    assert 0 < known.n_iter_refit_ < known.n_iter_
    seconds = iter([0.0, 10_000.0])
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + next(seconds))
    monkeypatch.setattr(train, "time", clock)
    made = MLPRegressor(**settings, time_limit=share * needed / 0.95).fit(A, B)
    assert made.n_iter_ == known.n_iter_ and made.n_iter_refit_ == (known.n_iter_refit_ if is_made else 0)


def test_a_member_that_diverged_leaves_those_that_were_watched(monkeypatch: pytest.MonkeyPatch):
    made = regressor(n_members=2)
    leave = Ensemble.leave_out_diverged

    def one_less(ensemble: Ensemble) -> None:
        if not made.early_stopping and ensemble is not made.model_:
            ensemble._in_training[0] = False
        leave(ensemble)

    monkeypatch.setattr(Ensemble, "leave_out_diverged", one_less)
    made.fit(X, T)
    assert len(made.members_) == 2 and made.n_iter_refit_ == 0


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_says_it(tmp_path: Path):
    made = regressor().fit(X, T)
    made.save(tmp_path / "made.safetensors")
    read = MLPRegressor.load(tmp_path / "made.safetensors")
    assert read.n_iter_refit_ == made.n_iter_refit_ > 0
    assert_array_equal(read.predict(X), made.predict(X))
