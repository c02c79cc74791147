"""The time limit: what a shortened run is over, by a clock that counts steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.training.time_limit import rounded_up

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(np.int64)
SCHEDULE = c.Cosine(warmup=0.05)
STEPS = 10
"""the steps of an epoch"""


class Clock(c.Callback):
    """A clock by which a step takes a tenth of a second."""

    every_steps = 1

    def __init__(self, still: int = 0) -> None:
        """Stand still for some steps at first."""
        self.seconds, self.still = 0.0, still

    def on_steps(self, run: Any) -> None:
        self.seconds, self.taken = max(0, run.step - self.still) / 10, run.step

    def on_epoch_end(self, run: Any) -> None:
        self.on_steps(run)


def fitted(
    monkeypatch: pytest.MonkeyPatch, limit: float, epochs: int = 100, still: int = 0, **settings: Any
) -> tuple[c.Model, Clock]:
    clock = Clock(still)
    model = c.Model(c.Network(3, [c.Dense(5), c.Tanh(), c.Dense(2)], c.SoftmaxCrossEntropy()))
    with monkeypatch.context() as patched:
        patched.setattr("chainrule.training.time_limit.time.monotonic", lambda: clock.seconds)
        watchers = [clock, c.TimeLimit(limit, **settings)]
        model.fit(X, Y, epochs=epochs, batch_size=4, schedule=SCHEDULE, callbacks=watchers)
    return model, clock


@pytest.mark.parametrize(
    ("limit", "steps"),
    # of 95, 57 and 28 that 0.95 of the limit has; of 11 that 0.6 s and 0.95 of as many more have
    [(10.0, 90), (6.0, 50), (3.05, 28), (0.6, 10)],
    ids=["nine epochs", "five epochs", "a part of the third", "the first, which is late"],
)
def test_a_shortened_run_completes_its_schedule(monkeypatch: pytest.MonkeyPatch, limit: float, steps: int):
    model, clock = fitted(monkeypatch, limit, shorten=True)
    assert clock.taken == model.steps_trained == steps and len(model.history) == steps // STEPS
    assert f"time limit of {limit:g} s" in str(model.history.stopped)
    if steps % STEPS == 0:
        last = 1e-3 * float(SCHEDULE.factor(np.array(steps - 1), steps, STEPS))
        assert model.history[-1]["learning_rate"] == pytest.approx(last) and last < 3e-5


def test_a_limit_that_is_not_reached_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    limited, _ = fitted(monkeypatch, 1000.0, 5, shorten=True)
    free, _ = fitted(monkeypatch, 1000.0, 5)
    assert limited.history.stopped is None and len(limited.history) == 5
    np.testing.assert_array_equal(limited.theta, free.theta)


def test_a_clock_that_stands_still_ends_nothing_and_is_planned_by_once_it_goes(
    monkeypatch: pytest.MonkeyPatch,
):
    model, clock = fitted(monkeypatch, 10.0, epochs=3, still=30, shorten=True)
    assert clock.taken == 30 and clock.seconds == 0 and model.history.stopped is None
    model, clock = fitted(monkeypatch, 10.0, still=30, shorten=True)  # 95 steps more in 0.95 of the limit
    assert clock.taken == 120 and model.history.stopped == "the time limit of 10 s is over"


def test_the_seconds_may_count_from_before_the_training(monkeypatch: pytest.MonkeyPatch):
    _, clock = fitted(monkeypatch, 10.0, shorten=True, since=-4.0)  # 5.5 s are left to plan for
    assert clock.taken == 50


@pytest.mark.parametrize("shorten", [False, True])
def test_a_first_epoch_that_is_late_goes_on_for_the_limit_again(
    monkeypatch: pytest.MonkeyPatch, shorten: bool
):
    model, clock = fitted(monkeypatch, 0.6, shorten=shorten)
    assert clock.taken == STEPS and len(model.history) == 1
    assert model.history.stopped == "the time limit of 0.6 s is over"


@pytest.mark.parametrize(("shorten", "steps"), [(False, 7), (True, 5)])  # at 0.7 s; 0.3 s and 0.95 of it
def test_a_run_that_ends_within_its_first_epoch_says_so(
    monkeypatch: pytest.MonkeyPatch, shorten: bool, steps: int
):
    said = f"{steps} of the 10 steps of the first epoch, which needs about 1 s"
    with pytest.warns(UserWarning, match=rf"TimeLimit\(0.3\) ended the training after {said}; raise it"):
        model, clock = fitted(monkeypatch, 0.3, shorten=shorten)
    assert clock.taken == model.steps_trained == steps and not len(model.history)
    assert model.history.stopped == f"the time limit of 0.3 s is over, after {said}"


def test_a_first_epoch_that_begins_behind_the_limit_has_it_from_there(monkeypatch: pytest.MonkeyPatch):
    model, clock = fitted(monkeypatch, 1.0, since=-4.0)
    assert clock.taken == STEPS and len(model.history) == 1
    with pytest.warns(UserWarning, match="6 of the 10 steps of the first epoch, which needs about 5 s"):
        fitted(monkeypatch, 0.5, since=-4.0)  # 4 s before it and 1 s for it


def test_a_limit_without_grace_ends_a_run_where_it_is(monkeypatch: pytest.MonkeyPatch):
    model, clock = fitted(monkeypatch, 0.3, grace=0)
    assert clock.taken == 4 and not len(model.history)


@pytest.mark.parametrize(("seconds", "shown"), [(0.1234, "0.13"), (5.0, "5"), (61.2, "62"), (1234, "1300")])
def test_seconds_are_rounded_up(seconds: float, shown: str):
    assert f"{rounded_up(seconds):g}" == shown


@pytest.mark.parametrize(("shorten", "steps"), [(False, 7), (True, 5)])
def test_an_ensemble_ends_within_its_first_epoch(monkeypatch: pytest.MonkeyPatch, shorten: bool, steps: int):
    clock = Clock()
    ensemble = c.Ensemble(c.Network(3, [c.Dense(5), c.Tanh(), c.Dense(2)], c.SoftmaxCrossEntropy()), 2)
    start = ensemble.theta.copy()
    with monkeypatch.context() as patched, pytest.warns(UserWarning, match="of the 10 steps"):
        patched.setattr("chainrule.training.time_limit.time.monotonic", lambda: clock.seconds)
        watchers = [clock, c.TimeLimit(0.3, shorten=shorten)]
        ensemble.fit(X, Y, epochs=100, batch_size=4, schedule=SCHEDULE, callbacks=watchers)
    assert clock.taken == ensemble.steps_trained == steps
    assert (ensemble.theta != start).any(1).all()  # and not back at its start
