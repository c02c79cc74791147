"""The time limit: what a shortened run is over, by a clock that counts steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as c

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(np.int64)
SCHEDULE = c.Cosine(warmup=0.05)
STEPS = 10
"""the steps of an epoch"""


class Clock(c.Callback):
    """A clock by which a step takes a tenth of a second."""

    every_steps = 1

    def __init__(self) -> None:
        self.seconds = 0.0

    def on_steps(self, run: Any) -> None:
        self.seconds, self.taken = run.step / 10, run.step

    def on_epoch_end(self, run: Any) -> None:
        self.on_steps(run)


def fitted(
    monkeypatch: pytest.MonkeyPatch, limit: float, epochs: int = 100, **settings: Any
) -> tuple[c.Model, Clock]:
    clock = Clock()
    model = c.Model(c.Network(3, [c.Dense(5), c.Tanh(), c.Dense(2)], c.SoftmaxCrossEntropy()))
    with monkeypatch.context() as patched:
        patched.setattr("chainrule.training.time_limit.time.monotonic", lambda: clock.seconds)
        watchers = [clock, c.TimeLimit(limit, **settings)]
        model.fit(X, Y, epochs=epochs, batch_size=4, schedule=SCHEDULE, callbacks=watchers)
    return model, clock


@pytest.mark.parametrize(
    ("limit", "steps"),
    [(10.0, 90), (6.0, 50), (3.05, 28), (0.6, 5)],  # of 95, 57, 28 and 5 that 0.95 of the limit has
    ids=["nine epochs", "five epochs", "a part of the third", "a part of the first"],
)
def test_a_shortened_run_completes_its_schedule(monkeypatch: pytest.MonkeyPatch, limit: float, steps: int):
    model, clock = fitted(monkeypatch, limit, shorten=True)
    assert clock.taken == model.steps_trained == steps and len(model.history) == steps // STEPS
    assert f"time limit of {limit:g} s" in str(model.history.stopped)
    if steps % STEPS == 0:
        last = 1e-3 * float(SCHEDULE.factor(np.array(steps - 1), steps, STEPS))
        assert model.history[-1]["learning_rate"] == pytest.approx(last) and last < 1e-5


def test_a_limit_that_is_not_reached_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    limited, _ = fitted(monkeypatch, 1000.0, 5, shorten=True)
    free, _ = fitted(monkeypatch, 1000.0, 5)
    assert limited.history.stopped is None and len(limited.history) == 5
    np.testing.assert_array_equal(limited.theta, free.theta)


def test_the_seconds_may_count_from_before_the_training(monkeypatch: pytest.MonkeyPatch):
    _, clock = fitted(monkeypatch, 10.0, shorten=True, since=-4.0)  # 5.5 s are left to plan for
    assert clock.taken == 50


def test_an_ensemble_ends_within_its_first_epoch(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    ensemble = c.Ensemble(c.Network(3, [c.Dense(5), c.Tanh(), c.Dense(2)], c.SoftmaxCrossEntropy()), 2)
    start = ensemble.theta.copy()
    with monkeypatch.context() as patched:
        patched.setattr("chainrule.training.time_limit.time.monotonic", lambda: clock.seconds)
        watchers = [clock, c.TimeLimit(0.6, shorten=True)]
        ensemble.fit(X, Y, epochs=100, batch_size=4, schedule=SCHEDULE, callbacks=watchers)
    assert clock.taken == ensemble.steps_trained == 5
    assert (ensemble.theta != start).any(1).all()  # and not back at its start
