"""The search for settings: what is tried, held out, pruned, kept in a journal, and found."""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from chainrule import Callback, ConfigError, DataError, Ensemble, FormatError, MLPClassifier, MLPRegressor
from chainrule.estimators import tune
from chainrule.estimators.tuning import search
from chainrule.estimators.tuning import search as one_trial
from chainrule.estimators.tuning.search import Problem, Tried, by_chance, tried
from chainrule.estimators.tuning.spaces import FAST, SPACES
from chainrule.fitting.held import result_of
from chainrule.presets import PRESETS
from chainrule.tables.data import FitInput
from chainrule.tables.structure import FREE

optuna = pytest.importorskip("optuna")
R = np.random.default_rng(5)
X = pd.DataFrame(
    {
        "a": R.normal(size=120),
        "b": R.normal(size=120),
        "kind": R.choice(["red", "blue", "green"], 120),
    }
)
X.loc[::7, "a"] = np.nan
Y = 3 * X["b"].to_numpy() ** 2 + (X["kind"] == "red").to_numpy() + R.normal(0, 0.1, 120)
LABELS = np.where(Y > 2, "high", "low")


def regressor(**settings: Any) -> MLPRegressor:
    return MLPRegressor(**{"preprocess": "auto", "random_state": 0, "max_iter": 4} | settings)


# --- the spaces


@pytest.mark.parametrize("is_regression", [True, False], ids=["regression", "classification"])
@pytest.mark.parametrize("name", SPACES)
def test_the_defaults_of_a_space_are_the_preset(name, is_regression):
    """The first setting gives the bits of the estimator as it is."""
    space = SPACES[name](is_regression)
    assert name in PRESETS
    default = {n: each.default for n, each in space.dimensions.items()}
    kind, y = (MLPRegressor, Y) if is_regression else (MLPClassifier, LABELS)
    how = {"preprocess": "auto", "random_state": 0, "max_iter": 4, "preset": name}
    made = [
        kind(**how, n_members=2).set_params(**parameters).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
        for parameters in ({}, space.parameters(default))
    ]
    assert_array_equal(*(each.predict(X) if is_regression else each.predict_proba(X) for each in made))
    for each in space.dimensions.values():
        assert each.default in each.choices if each.choices else each.low <= each.default <= each.high


def test_a_setting_of_a_published_network_becomes_parameters():
    values = {"layers": 2, "width": 64, "dropout": 0.2, "learning_rate": 0.01, "weight_decay": 0.5}
    found = SPACES["tabm"](True).parameters(values)
    assert (found["hidden_layer_sizes"], found["dropout"]) == ((64, 64), 0.2)
    assert (found["optimizer"].learning_rate, found["optimizer"].weight_decay) == (0.01, 0.5)
    found = SPACES["realmlp"](False).parameters(values | {"activation": "mish", "one_minus_beta2": 0.02})
    assert (found["activation"], found["optimizer"].beta2) == ("mish", 0.98)
    for name in ("realmlp", "tabm"):
        assert SPACES[name](True).parameters({}) == {}


def test_a_setting_becomes_parameters():
    values = {"layers": 3, "width": 64, "narrowing": True, "dropout": 0.2, "activation": "mish"}
    found = FAST.parameters(values | {"learning_rate": 0.01, "weight_decay": 0.5})
    assert found["hidden_layer_sizes"] == (64, 32, 16) and found["dropout"] == 0.2
    assert (found["optimizer"].learning_rate, found["optimizer"].weight_decay) == (0.01, 0.5)
    assert FAST.parameters(values | {"narrowing": False})["hidden_layer_sizes"] == (64, 64, 64)
    assert "optimizer" not in FAST.parameters(values)
    assert FAST.parameters({}) == {}


def test_what_the_user_gave_is_not_varied():
    made = search.prepared(regressor(hidden_layer_sizes=(9,), clip_norm=1.0), FitInput(X, Y), None, 1, 0)
    assert list(made.dimensions) == ["dropout", "activation", "learning_rate", "weight_decay"]
    assert "learning_rate" not in search.prepared(regressor(alpha=0.5), FitInput(X, Y), None, 1, 0).dimensions


# --- what is held out


def test_folds_hold_every_row_out_once_and_each_class_in_proportion():
    y = np.array(["a"] * 30 + ["b"] * 12 + ["c"])
    parts = list(by_chance(y, True, 3, 1))
    held = np.concatenate([out for _, out in parts])
    assert sorted(held) == list(range(42))  # all but the class of a single row, which is always learned from
    for rows, out in parts:
        assert not set(rows) & set(out) and len(rows) + len(out) == 43
        assert ((y[out] == "a").sum(), (y[out] == "b").sum()) == (10, 4)
    ((rows, out),) = by_chance(np.arange(50.0), False, None, 1)
    assert len(out) == 10 and len(rows) == 40
    assert [o.tolist() for _, o in by_chance(y, True, 3, 1)] == [o.tolist() for _, o in parts]
    assert [o.tolist() for _, o in by_chance(y, True, 3, 2)] != [o.tolist() for _, o in parts]


# --- a trial


def problem(count: int | None = None) -> Problem:
    return Problem(FitInput(X, Y), search.held_out_by(FREE, Y, False, count, 0), FREE, threading.Event())


@pytest.mark.parametrize("count", [None, 3])
def test_the_value_of_a_trial_is_the_mean_of_the_folds(count):
    made, expected = regressor(), []
    for rows, out in by_chance(Y, False, count, 0):
        fitted = regressor().fit(X.iloc[rows], Y[rows], X_val=X.iloc[out], y_val=Y[out])
        expected.append(math.sqrt(np.mean((fitted.predict(X.iloc[out]) - Y[out]) ** 2)))
    found = tried(made, {}, problem(count), None, math.inf)
    assert found.state == "complete" and found.epochs == 4
    assert found.value == pytest.approx(np.mean(expected), rel=1e-6)


def test_a_trial_ends_at_its_deadline_on_request_and_where_it_diverges():
    assert tried(regressor(), {}, problem(), None, time.monotonic()).state == "interrupted"
    stopped = problem()
    stopped.stop.set()
    assert tried(regressor(), {}, stopped, None, math.inf).state == "interrupted"
    from chainrule import GradientDescent

    bad = tried(regressor(), {"optimizer": GradientDescent(1e30)}, problem(), None, math.inf)
    assert (bad.state, bad.value) == ("failed", None) and bad.error


class Prunes:
    """A trial that is pruned as soon as it may be."""

    def __init__(self) -> None:
        self.reported = list[tuple[float, int]]()

    def report(self, value: float, step: int) -> None:
        self.reported.append((value, step))

    def should_prune(self) -> bool:
        return True


def test_a_trial_is_pruned_after_a_fifth_of_its_epochs_and_sees_each_before():
    trial = Prunes()
    found = tried(regressor(max_iter=15), {}, problem(3), trial, math.inf)
    assert (found.state, found.epochs, found.value) == ("pruned", 3, None)
    assert [step for _, step in trial.reported] == [1, 2, 3]
    fitted = regressor(max_iter=15)
    rows, out = problem(3).folds[0]
    fitted.fit(X.iloc[rows], Y[rows], X_val=X.iloc[out], y_val=Y[out])
    assert [value for value, _ in trial.reported] == fitted.validation_loss_curve_[:3]


# --- the search


def test_the_best_setting_is_fitted_to_all_rows():
    told = list[Any]()
    found = tune(regressor(), X, Y, trials=7, listen=told.append)
    assert [each.number for each in found.trials] == list(range(7)) and told == found.trials
    values = [each.value for each in found.trials if each.value is not None]
    assert found.best.value == min(values) and found.default == found.trials[0]
    assert found.default.settings == {n: each.default for n, each in FAST.dimensions.items()}
    assert (found.metric, found.stopped, found.importances) == ("rmse", "trials", {})
    by_hand = regressor(**FAST.parameters(found.best.settings)).fit(X, Y)
    assert_array_equal(found.estimator.predict(X), by_hand.predict(X))
    again = tune(regressor(), X, Y, trials=7)
    assert [(t.value, t.settings) for t in again.trials] == [(t.value, t.settings) for t in found.trials]
    other = tune(regressor(), X, Y, trials=3, seed=1)
    assert other.trials[1].settings != found.trials[1].settings


@pytest.mark.parametrize("count", [None, 3])
def test_a_search_holds_out_whole_groups_or_what_comes_later(count: int | None):
    table, who = X.assign(who=np.arange(120) % 8), np.arange(120) % 8
    made = search.prepared(regressor(), FitInput(table, Y, groups="who"), count, 1, 0)
    for train, held_out in made.problem.folds:
        assert set(who[train]).isdisjoint(who[held_out]) and len(held_out) in (15, 30, 45)
    assert search.setup(made, count)["held_out_by"] == ["groups"]
    later = search.prepared(regressor(gap=2), FitInput(X, Y, time=np.arange(120)), count, 1, 0).problem.folds
    assert all(train[-1] + 2 < held_out[0] for train, held_out in later)
    found = tune(regressor(max_iter=2), table, Y, trials=1, folds=count, groups="who")
    assert result_of(found.estimator).held_out.groups is not None
    assert "who" not in " ".join(found.estimator.preprocessor_.get_feature_names_out())


def test_classes_in_folds_with_members_and_halving():
    made = MLPClassifier(preprocess="auto", max_iter=4, n_members=2)
    found = tune(made, X, LABELS, trials=3, folds=2, pruner="halving", seed=4)
    assert found.metric == "log_loss" and isinstance(found.estimator.model_, Ensemble)
    assert found.estimator.random_state == 4 and made.random_state is None
    shares = found.estimator.predict_proba(X)
    assert shares.shape == (120, 2) and found.estimator.time_limit is None


def test_trials_at_a_time_are_all_tried_and_share_the_cores(tmp_path):
    found = tune(regressor(), X, Y, trials=6, jobs=2)
    assert len(found.trials) == 6 and found.default is not None
    path = tmp_path / "journal.log"
    with search.silence_optuna():
        search.open_study(path, "median", json.loads(json.dumps(study_setup()))).ask()  # and is killed
    found = tune(regressor(), X, Y, trials=3, jobs=2, journal=path)
    assert found.default == found.trials[0] and [each.number for each in found.trials] == [1, 2, 3]
    assert found.best.value == min(each.value for each in found.trials if each.value is not None)


def test_an_error_of_one_job_ends_the_others(monkeypatch):
    begun = list[int]()

    def fit(estimator: Any, parameters: Any, given: Problem, trial: Any, deadline: float) -> Tried:
        begun.append(trial.number)
        if trial.number == 2:
            raise RuntimeError("no such device")
        if trial.number:
            assert given.stop.wait(20)  # by which a trial ends
        return Tried(None, "interrupted", 1, 0.1) if trial.number else Tried(1.0, "complete", 1, 0.1)

    monkeypatch.setattr(one_trial, "tried", fit)
    with pytest.raises(RuntimeError, match="no such device"):
        tune(regressor(), X, Y, trials=9, jobs=2)
    assert sorted(begun) == [0, 1, 2]


def test_a_journal_goes_on_with_what_it_would_have_tried(tmp_path):
    """Also after a trial of a process that was killed; the trials before count, and those of several processes too."""
    whole = tune(regressor(), X, Y, trials=6)
    path = tmp_path / "journal.log"
    first = tune(regressor(), X, Y, trials=3, journal=path)
    with search.silence_optuna():
        opened = search.open_study(path, "median", json.loads(json.dumps(study_setup())))
        opened.ask()  # and is killed
    told = list[Any]()
    found = tune(regressor(), X, Y, trials=6, journal=path, listen=told.append)
    assert len(told) == 3 and [t.value for t in found.trials[:3]] == [t.value for t in first.trials]
    assert [t.settings for t in found.trials] == [t.settings for t in whole.trials]
    done = tune(regressor(), X, Y, trials=6, journal=path, listen=told.append)
    assert len(told) == 3 and done.best == found.best
    assert_array_equal(done.estimator.predict(X), found.estimator.predict(X))
    assert all(json.loads(line) for line in path.read_text().splitlines())


def study_setup() -> dict[str, Any]:
    return search.setup(search.prepared(regressor(), FitInput(X, Y), None, 1, 0), None)


def test_importances_tell_what_matters():
    found = tune(regressor(max_iter=6), X, Y, trials=14, pruner="none")
    assert set(found.importances) == set(FAST.dimensions)
    assert sum(found.importances.values()) == pytest.approx(1)


class Interrupt(Callback):
    """Ctrl-C within the fit of this number."""

    def __init__(self, number: int) -> None:
        self.number, self.fits = number, 0

    def on_epoch_end(self, run: Any) -> None:
        self.fits += run.epoch == 1
        if self.fits == self.number and run.epoch == 2:
            raise KeyboardInterrupt

    def __sklearn_clone__(self) -> Interrupt:
        return self


def test_ctrl_c_keeps_what_was_found():
    found = tune(regressor(callbacks=[Interrupt(3)]), X, Y, trials=9)
    assert (found.stopped, [each.state for each in found.trials]) == (
        "interrupted",
        ["complete", "complete", "interrupted"],
    )
    rows, out = next(iter(by_chance(Y, False, None, 0)))
    fitted = regressor(**FAST.parameters(found.best.settings))
    fitted.fit(X.iloc[rows], Y[rows], X_val=X.iloc[out], y_val=Y[out])
    assert_array_equal(found.estimator.predict(X), fitted.predict(X))
    with pytest.raises(KeyboardInterrupt):
        tune(regressor(callbacks=[Interrupt(1)]), X, Y, trials=9)


def test_the_clock_ends_the_search(monkeypatch):
    """By a clock that is set by hand: each trial takes 10 s, and the time of the last fit is kept free."""

    class Clock:
        now = 0.0

        @classmethod
        def monotonic(cls) -> float:
            return cls.now

    limits = list[Any]()

    def slow(estimator: Any, parameters: Any, given: Any, trial: Any, deadline: float) -> Any:
        limits.append((parameters.get("time_limit"), deadline))
        found = tried(
            estimator, {k: v for k, v in parameters.items() if k != "time_limit"}, given, None, math.inf
        )
        Clock.now += 10
        return found._replace(seconds=10.0)

    for module in (one_trial, search):
        monkeypatch.setattr(module, "clock", Clock.monotonic)
    monkeypatch.setattr(one_trial, "tried", slow)
    found = tune(regressor(), X, Y, time_limit=50)
    # 0 to 10, 20, 30 and 38.5, for 1.15 of 10 s are kept: a fourth trial would be cut at 38.5 and may not begin at 40
    assert limits[0] == (0.4 * 50, 50.0)
    assert [most for most, _ in limits[1:]] == [pytest.approx(38.5 - begun) for begun in (10, 20, 30)]
    assert [end for _, end in limits[1:]] == [pytest.approx(38.5)] * 3
    assert (len(found.trials), found.stopped) == (4, "time limit")


def test_a_last_fit_that_has_no_time_for_an_epoch_says_so():
    made = search.prepared(regressor(batch_size=4), FitInput(X, Y), None, 1, 0)
    made.begun, made.end = 0.0, 1e-6  # which is long ago
    with pytest.warns(ConvergenceWarning, match="ended the training after .* steps of the first epoch"):
        found = search.refitted(made, {})
    assert found.time_limit is None and found.model_.steps_trained > 0


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "limit"), [(1, 3), (2, 6)])  # two processes have imports before them
def test_a_time_limit_is_kept(jobs, limit):
    begun = time.monotonic()
    found = tune(regressor(max_iter=2000, n_iter_no_change=2000), X, Y, time_limit=limit, jobs=jobs)
    assert limit / 3 < time.monotonic() - begun < limit + 2
    assert found.stopped == "time limit" and found.estimator.predict(X).shape == (120,)


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trials": 0}, "trials must be an integer of at least 1, not 0."),
        ({"folds": 1}, "folds must be an integer of at least 2, not 1."),
        ({"jobs": 0}, "jobs must be an integer of at least 1, not 0."),
        ({"time_limit": 0}, "time_limit must be a finite number above 0, not 0; it is in seconds."),
        ({"pruner": "hard"}, "pruner must be one of median, halving, none, not 'hard'."),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ConfigError) as caught:
        tune(regressor(), X, Y, **arguments)
    assert f"{caught.value}".startswith(message)


def test_bad_estimators_data_and_journals(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="must be an MLPClassifier, MLPRegressor or MLPSurvival"):
        tune("net", X, Y)
    with pytest.raises(ConfigError, match="pass preprocess='auto' to it"):
        tune(MLPRegressor(), X, Y)
    with pytest.raises(DataError, match="too few to hold some out"):
        tune(regressor(), X[:4], Y[:4])
    journal = tmp_path / "journal.log"
    tune(regressor(), X, Y, trials=1, journal=journal)
    with pytest.raises(ConfigError, match=r"is of a search with rows 120, not 100; go on with the same data"):
        tune(regressor(), X[:100], Y[:100], trials=1, journal=journal)
    text = tmp_path / "text.log"
    text.write_text("no journal\n")
    with pytest.raises(FormatError, match=r"text.log is not the journal of a search"):
        tune(regressor(), X, Y, trials=1, journal=text)
    from chainrule import GradientDescent

    with pytest.raises(DataError, match="the settings as they are fail: "):
        tune(regressor(optimizer=GradientDescent(1e30)), X, Y, trials=1)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"install it: pip install 'chainrule\[tune\]'\."):
        tune(regressor(), X, Y)


def test_targets_are_read_as_by_a_fit():
    """A mask, missing labels and dates are told in the same sentence, before the first trial; units are read."""
    x, is_third = np.linspace(-1, 1, 60)[:, None], np.arange(60) == 3
    labels = np.where(x[:, 0] > 0, "a", "b")
    wrong = [
        (MLPRegressor, np.ma.masked_array(x[:, 0], is_third)),
        (MLPClassifier, np.ma.masked_array(labels, is_third)),
        (MLPClassifier, np.where(is_third, None, labels.astype(object))),
        (MLPRegressor, np.arange(60).astype("M8[D]")),
    ]
    for made, y in wrong:
        net = made(preprocess="auto", max_iter=1, random_state=0)
        with pytest.raises(DataError) as of_fit:
            net.fit(x, y)
        with pytest.raises(DataError, match=f"^{re.escape(str(of_fit.value))}$"):
            tune(net, x, y, trials=1)
    net = MLPRegressor(preprocess="auto", max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="y is read as numbers without their unit 'kg'"):
        tuned = tune(net, x, [f"{each:.3f} kg" for each in x[:, 0]], trials=1)
    assert tuned.estimator.predict(x).shape == (60,)


def test_what_is_said_of_a_table_is_said_once():
    """Neither of the rows of each trial, whose numbers are others, nor again by the last fit."""
    X = {
        "x": np.linspace(-1, 1, 60),
        "text": [f"these are the words of row {k % 50}" for k in range(60)],
    }
    with pytest.warns(UserWarning, match="free text") as told:
        tune(MLPRegressor(preprocess="auto", max_iter=1, random_state=0), X, X["x"], trials=2)
    assert ["free text" in str(each.message) for each in told].count(True) == 1


def test_a_preset_without_a_space_says_so(monkeypatch):
    monkeypatch.setattr(search, "SPACES", {})
    with pytest.raises(ConfigError, match="there is no search for preset='fast' yet"):
        tune(regressor(), X, Y)
