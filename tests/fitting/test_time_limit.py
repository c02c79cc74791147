"""time_limit of the estimators, by a clock on which the preparation and each step take a tenth of a second."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import chainrule
from chainrule import MLPClassifier, MLPRegressor
from chainrule.fitting.in_time import members_for, rows_again, rows_in_time
from chainrule.fitting.limit import FitLimit
from chainrule.fitting.prepare import FitRequest
from chainrule.race import candidates
from chainrule.race.candidates import Candidate
from chainrule.tables.data import FitInput

GENERATOR = np.random.default_rng(2)
X = GENERATOR.normal(size=(40, 3))
Y = X[:, 0] - X[:, 1]
SMALL: dict[str, Any] = {"hidden_layer_sizes": (4,), "batch_size": 4, "random_state": 0, "max_iter": 20}
PREPARATION = 0.5
"""The seconds before the first step."""


class Clock(chainrule.Callback):
    """A clock that says how many steps were taken, of one run."""

    every_steps = 1

    def __init__(self) -> None:
        self.asked = self.steps = 0

    def __call__(self) -> float:
        """Return 0 s when a fit begins, and PREPARATION behind it the seconds of the steps."""
        self.asked += 1
        return 0.0 if self.asked == 1 else PREPARATION + self.steps / 10

    def on_steps(self, run: Any) -> None:
        self.steps = run.step

    def on_epoch_end(self, run: Any) -> None:
        self.on_steps(run)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    with monkeypatch.context() as patched:
        patched.setattr("chainrule.training.time_limit.time.monotonic", made)
        yield made


FITS: dict[str, dict[str, Any]] = {
    "batches": {},
    "members": {"n_members": 2},
    "a table": {"preprocess": "auto", "early_stopping": False},
    "a schedule": {"schedule": "cosine"},
    "held out": {"early_stopping": True, "validation_fraction": 0.2},
    "classes": {"kind": MLPClassifier},
}


def fitted(clock: Clock, limit: float, kind: Any = MLPRegressor, **settings: Any) -> Any:
    made = kind(**SMALL | settings, time_limit=limit, callbacks=clock)
    return made.fit(X, Y if kind is MLPRegressor else Y > 0)


@pytest.mark.parametrize("name", FITS)
def test_no_epoch_goes_on_behind_the_limit(clock: Clock, name: str):
    """0.5 s before the first step leave 0.65 s for the 8 or 10 of an epoch: seven, or those planned to 0.95.

    These are four of members, or two of one network: half of the time is then for leveling its outputs.
    """
    with pytest.warns(ConvergenceWarning, match=r"time_limit=1.15 ended the training after [247] of the"):
        made = fitted(clock, 1.15, **FITS[name])
    assert made.n_iter_ == 0 and "time limit of 1.15 s" in made.model_.history.stopped
    assert made.model_.steps_trained == clock.steps == {"a table": 4, "a schedule": 2}.get(name, 7)


def test_the_rows_held_out_are_judged_within_the_limit(clock: Clock):
    """0.95 of 1.2 s leave 0.64 for six steps of 24 rows, but 16 rows held out take as long as two steps.

    They are judged three times, and the outputs leveled, for which half of the time is left.
    """
    with pytest.warns(ConvergenceWarning, match="after 3 of the 6 steps"):
        fitted(clock, 1.2, schedule="cosine", early_stopping=True, validation_fraction=0.4)
    assert clock.steps == 3


@pytest.mark.parametrize(
    ("epoch", "now", "validation", "rest"),
    [
        (0, 4.0, None, 0.6 + 0.6 + 2.1 - 0.5),
        (0, 9.0, None, 0.6 + 2.1 - 0.5),
        (0, 9.0, 1, 3 * 0.6 + 2.1 - 0.5),
        (1, 4.0, None, 0.6 + 2.1 - 0.5),
    ],
)
def test_by_hand_what_no_steps_are_planned_for(epoch: int, now: float, validation: Any, rest: float):
    """An epoch of 10 steps takes 2 s; judging takes a quarter of one and half a step, leveling one and half a step.

    0.5 of 10 s are free for it.
    """
    limit = FitLimit(10.0, True, 0.0, None, judging=0.25, leveling=1.0)
    limit.begin, limit.planned = 0.0, 9.5
    run: Any = SimpleNamespace(
        steps_per_epoch=10, epoch=epoch, step=0 if epoch == 0 else 10, validation=validation
    )
    assert limit.rest(run, now, 0.2) == pytest.approx(rest)


@pytest.mark.parametrize("name", FITS)
def test_an_epoch_that_does_not_end_is_said(clock: Clock, name: str):
    with pytest.warns(
        ConvergenceWarning, match=r"time_limit=0.1 ended the training after (\d) of the "
    ) as said:
        made = fitted(
            clock, 0.1, **FITS[name]
        )  # over before the first step: 0.005 s more from there, which is one
    of = 8 if name == "held out" else 10
    text = str(said[0].message)
    assert f"of the {of} steps of the first epoch, which needs about {PREPARATION + of / 10:g} s" in text
    assert text.endswith("raise time_limit, or fit fewer rows.") and said[0].filename == __file__
    assert made.n_iter_ == 0 and made.model_.steps_trained > 0


def test_the_preparation_counts(clock: Clock):
    with pytest.warns(ConvergenceWarning, match="after 2 of the 20 epochs"):
        made = fitted(clock, 2.6)  # 2.5 s behind two epochs; 2.7 s at the second step of the third
    assert made.n_iter_ == 2 and clock.steps == 22


@pytest.mark.parametrize("name", ["batches", "a schedule", "held out"])
def test_a_fit_says_how_few_of_its_epochs_it_had_time_for(clock: Clock, name: str):
    """An epoch is ten steps of a tenth of a second, or eight: half of the 20 epochs need 10.5 s, and all 20.5."""
    steps = 8 if name == "held out" else 10
    with pytest.warns(
        ConvergenceWarning, match=r"time_limit=6 ended the training after \d of the 20 "
    ) as said:
        made = fitted(clock, 6.0, **FITS[name])
    text, seconds = str(said[0].message), 20 * steps / 10 + PREPARATION
    assert f"after {made.n_iter_} of the 20 epochs that were planned, which need about" in text
    needed = float(text.partition("about ")[2].partition(" s")[0])
    assert seconds <= needed <= seconds + 1  # rounded up
    assert text.endswith("raise time_limit, or fit fewer rows.") and said[0].filename == __file__
    clock.asked = clock.steps = 0
    with warnings.catch_warnings():  # most of its epochs are not few
        warnings.simplefilter("error")
        assert 10 <= fitted(clock, 13.0, **FITS[name]).n_iter_ < 20


def test_a_partial_fit_has_its_epoch(clock: Clock):
    made = MLPRegressor(**SMALL, time_limit=1.6, callbacks=clock)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.partial_fit(X, Y).n_iter_ == 1
    clock.asked = clock.steps = 0
    with pytest.warns(ConvergenceWarning, match="of the 10 steps of the first epoch"):
        made.set_params(time_limit=0.1).partial_fit(X, Y)


def test_a_later_fit_forgets_it(clock: Clock):
    with pytest.warns(ConvergenceWarning, match="of the first epoch"):
        made = fitted(clock, 0.1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made.set_params(time_limit=None).fit(X, Y)
    assert not [each for each in said if "first epoch" in str(each.message)]


def test_a_race_says_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidates, "CANDIDATES", (Candidate("fast", changed={"hidden_layer_sizes": (4,)}),))
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    made = MLPRegressor(preprocess="auto", preset="best", batch_size=1, time_limit=1e-9, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"time_limit=1e-09 ended the training after .* steps"
    ) as said:
        made.fit(X, Y)
    assert said[0].filename == __file__ and made.n_iter_ == 0 and len(made.predict(X)) == len(X)


# --- the rows that there is time to prepare --------------------------------------------------------------------------

ROWS = 10_000
LONG = {"a": np.arange(ROWS, dtype=float), "b": np.arange(ROWS)[::-1] % 7.0}


def kept(limit: float, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[FitInput, list[int]]:
    """Return the rows by a clock on which preparing a table takes a second, and 1 ms a row, and how many each took.

    The first one takes `first` seconds beside, which are not of the limit here.
    """
    first = settings.pop("first", 0.0)
    seconds, sizes = [-1.25 - first], list[int]()

    def prepare(given: FitInput) -> None:
        seconds[0] += 1 + 1e-3 * len(given.y) + (0 if sizes else first)
        sizes.append(len(given.y))

    monkeypatch.setattr("chainrule.fitting.in_time.time.monotonic", lambda: seconds[0])
    monkeypatch.setattr("chainrule.fitting.in_time.PROBED_CELLS", 2000)
    given = FitInput(LONG, settings.pop("y", np.arange(ROWS)), settings.pop("weight", None))
    return rows_in_time(given, limit, prepare, seed=0, **{"keep_labels": False} | settings), sizes


def test_of_a_table_too_long_for_the_limit_some_rows_are_prepared(monkeypatch: pytest.MonkeyPatch):
    weight = np.arange(ROWS) / 2
    found, sizes = kept(20.0, monkeypatch, weight=weight)  # 3.25 s to measure; 0.2 of the rest are 3.35 s
    assert sizes == [250, 250, 1000] and len(found.y) in (2349, 2350)  # by rounding
    assert (np.diff(found.y) > 0).all()  # in their order, and each once
    np.testing.assert_array_equal(found.X["a"], found.y)
    np.testing.assert_array_equal(found.X["b"], (ROWS - 1 - found.y) % 7)
    np.testing.assert_array_equal(found.sample_weight, found.y / 2)
    again, _ = kept(20.0, monkeypatch, first=7.0)  # of a process in which nothing was prepared before
    np.testing.assert_array_equal(again.y, found.y)


def test_all_rows_are_prepared_if_there_is_time(monkeypatch: pytest.MonkeyPatch):
    found, sizes = kept(3.25 + 11.01 / 0.2, monkeypatch)
    assert found.X is LONG and sizes == [250, 250, 1000]
    assert len(kept(3.25 + 10.9 / 0.2, monkeypatch)[0].y) == 9900
    monkeypatch.setattr("chainrule.fitting.in_time.SHORT", 10)
    assert kept(0.1, monkeypatch)[1] == []  # so few are not measured


def test_a_limit_that_measuring_has_used_up_leaves_the_rows_measured(monkeypatch: pytest.MonkeyPatch):
    assert len(kept(1.0, monkeypatch)[0].y) == 1000


def test_a_table_is_not_made_one_of_few_rows(monkeypatch: pytest.MonkeyPatch):
    """1,501 rows take 2.501 s, and may take 0.6 of the rest of the time, which is 2.25 or 2.85 s."""
    assert [len(kept(limit, monkeypatch)[0].y) for limit in (7.0, 8.0)] == [1000, 1501]


def test_a_row_of_each_label_is_kept(monkeypatch: pytest.MonkeyPatch):
    y = np.array(["often"] * ROWS, object)
    y[[17, 4000]] = "once", "never"
    found, sizes = kept(20.0, monkeypatch, y=y, keep_labels=True)
    assert set(found.y) == {"often", "once", "never"} and sizes[0] > 250
    again = rows_again(FitInput(LONG, y), len(found.y), 0, keep_labels=True)  # as a race does that goes on
    np.testing.assert_array_equal(again.X["a"], found.X["a"])


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_a_fit_says_which_rows_it_had_no_time_for(preset: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidates, "CANDIDATES", (Candidate("fast", changed={"hidden_layer_sizes": (4,)}),))
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    monkeypatch.setattr("chainrule.fitting.in_time.PREPARED", 1e-9)
    monkeypatch.setattr("chainrule.fitting.in_time.PROBED_CELLS", 1000)
    more = {"n_members": 1} if preset == "fast" else {}  # few rows have several, which hold none out together
    made = MLPRegressor(preprocess="auto", preset=preset, time_limit=60, max_iter=1, random_state=0, **more)
    with pytest.warns(UserWarning, match="time to prepare 500 of the 10,000 rows, which were drawn") as said:
        made.fit(LONG, LONG["a"])
    assert said[0].filename == __file__ and made.t_ < 500 and made.preprocessor_._rows == 500


def test_a_fit_that_is_late_looks_for_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chainrule.fitting.prepare.time.monotonic", lambda: 115.0)
    limits = None, 61.0, 60.0
    assert [FitRequest(FitInput([], []), 100.0, each).is_early for each in limits] == [True, True, False]


# --- the members of few rows that there is time to train -------------------------------------------------------------


def test_by_hand_how_many_members_there_is_time_for():
    """Twelve epochs of 12 steps of 55 million parameters, and 7 more, take 151 s for a member, or two on two cores."""
    sizes = 55_000_000, 12, 16
    times = [
        members_for(*sizes, cores=2, limit=2 * seconds) for seconds in (1, 301, 302, 603, 604, 1207, 1208)
    ]
    assert times == [2, 2, 4, 4, 8, 8, 16]
    assert [members_for(*sizes, cores=1, limit=2 * seconds) for seconds in (603, 604)] == [2, 4]
    assert members_for(55_000_000, 12, 3, cores=1, limit=1.0) == 2 and members_for(10, 12, 1, 1, 1e-9) == 1


def test_a_limit_too_short_for_all_members_leaves_some(monkeypatch: pytest.MonkeyPatch):
    table = {"a": GENERATOR.normal(size=80), "b": GENERATOR.choice(["x", "y"], 80)}
    kept = {"preprocess": "auto", "max_iter": 2, "random_state": 0, "batch_size": "auto"}

    def members(limit: float | None) -> Any:
        return MLPRegressor(**kept, time_limit=limit).fit(table, table["a"])

    whole = members(None)
    assert len(whole.model_) == 16
    np.testing.assert_array_equal(members(60.0).model_.theta, whole.model_.theta)
    monkeypatch.setattr("chainrule.fitting.in_time.SPEED", 1.0)
    some = members(60.0)
    assert len(some.model_) == 2 and np.isfinite(some.predict(table)).all()
    intervals = some.predict_interval(
        table, 0.5
    )  # by the quarter of the rows that one of the two has left out
    assert np.isfinite(intervals).all() and len(some.loss_curve_) == 2
