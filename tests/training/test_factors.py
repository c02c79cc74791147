"""Schedules of the weight decay, of dropout and of label smoothing, through `Model.fit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import chainrule as c
from chainrule import ENGINES, Schedule
from chainrule.engines import Plan, StepSettings
from chainrule.engines.native import REASON

NAMES = ["reference", *(["native"] if REASON is None else [])]
X = np.random.default_rng(0).normal(size=(40, 5))
Y = np.arange(40) % 3
SCHEDULES = {
    "weight_decay": c.FlatCosine(),
    "dropout": "cosine",
    "label_smoothing": c.CosLog(2),
}
SETTINGS: dict[str, Any] = {"epochs": 4, "batch_size": 16, "optimizer": c.AdamW(0.02, weight_decay=0.3)}


def made() -> c.Model:
    layers = [c.Dense(8), c.Tanh(), c.Dropout(0.4), c.Dense(3)]
    return c.Model(c.Network(5, layers, c.SoftmaxCrossEntropy(label_smoothing=0.3)), seed=2)


@pytest.mark.parametrize("engine", NAMES)
def test_each_step_has_the_factors_of_the_schedules(engine: str):
    """Against steps whose settings are written out: 3 to an epoch, 12 in all, in order."""
    at = np.arange(12)
    settings = StepSettings.of(
        0.02 * (0.5 + 0.5 * np.cos(np.pi * at / 12)),
        decay=np.where(at < 6, 1, 0.5 + 0.5 * np.cos(np.pi * (at - 6) / 6)),
        dropout=0.5 + 0.5 * np.cos(np.pi * at / 12),
        smoothing=0.5 - 0.5 * np.cos(2 * np.pi * np.log2(1 + 3 * at / 12)),
    )
    by_hand, model = made(), made()
    plan = Plan(by_hand.network, SETTINGS["optimizer"], 16, 2, np.float32)
    session = ENGINES[engine].session(plan, by_hand.theta, {}, plan.optimizer.init(by_hand.theta), 0)
    samples = by_hand.check_samples(X, Y)
    for epoch in range(4):
        part = settings.part(3 * epoch, 3 * epoch + 3)
        session.steps(samples, np.arange(40), part, 3 * epoch + 1)
    session.synchronize()
    model.fit(X, Y, shuffle=False, engine=engine, schedule=c.Schedules("cosine", **SCHEDULES), **SETTINGS)
    np.testing.assert_allclose(model.theta, by_hand.theta, rtol=1e-5, atol=1e-6)
    for left_out in SCHEDULES:
        other, rest = made(), {name: value for name, value in SCHEDULES.items() if name != left_out}
        other.fit(X, Y, shuffle=False, engine=engine, schedule=c.Schedules("cosine", **rest), **SETTINGS)
        assert np.abs(other.theta - model.theta).max() > 1e-4, left_out


@pytest.mark.parametrize("engine", NAMES)
def test_a_resumed_run_has_the_same_bits(engine: str, tmp_path: Path):
    whole, again = made(), made()
    whole.fit(X, Y, engine=engine, schedule=c.Schedules(**SCHEDULES), **SETTINGS)

    class Stop(c.Callback):
        every_steps = 8

        def on_steps(self, run: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made().fit(
            X,
            Y,
            engine=engine,
            callbacks=[Stop(), c.Checkpoint(tmp_path / "cut", 7)],
            schedule=c.Schedules(**SCHEDULES),
            **SETTINGS,
        )
    again.fit(X, Y, engine=engine, resume=tmp_path / "cut", schedule=c.Schedules(**SCHEDULES), **SETTINGS)
    assert again.theta.tobytes() == whole.theta.tobytes()
    for name, factor in zip(SCHEDULES, ("decay", "dropout", "smoothing"), strict=True):
        other = SCHEDULES | {name: "step_decay"}
        with pytest.raises(c.ConfigError, match=f"was made with another {factor} schedule"):
            made().fit(
                X, Y, engine=engine, resume=tmp_path / "cut", schedule=c.Schedules(**other), **SETTINGS
            )


def test_members_of_an_ensemble_have_them_too():
    for engine in NAMES:
        ensemble = c.Ensemble(made().network, 2, seed=4).start_on(X)
        alone = c.Model(made().network, seed=ensemble.seeds[1]).start_on(X)
        for model in (ensemble, alone):
            model.fit(X, Y, engine=engine, schedule=c.Schedules(**SCHEDULES), **SETTINGS)
        assert_array_equal(ensemble.members[1].theta, alone.theta)


def test_a_schedule_that_looks_ahead_fixes_the_epochs(tmp_path: Path):
    path = tmp_path / "run"
    settings = {name: value for name, value in SETTINGS.items() if name != "epochs"}
    for ahead, schedule in ((True, "cosine"), (False, "exponential")):
        made().fit(
            X,
            Y,
            epochs=2,
            callbacks=[c.Checkpoint(path)],
            schedule=c.Schedules(weight_decay=schedule),
            **settings,
        )
        model = made()
        if ahead:
            with pytest.raises(c.ConfigError, match="another epochs"):
                model.fit(
                    X, Y, epochs=4, resume=path, schedule=c.Schedules(weight_decay=schedule), **settings
                )
        else:
            assert (
                len(
                    model.fit(
                        X, Y, epochs=4, resume=path, schedule=c.Schedules(weight_decay=schedule), **settings
                    )
                )
                == 4
            )


@pytest.mark.parametrize("method", ["spsa", "forward_gradient"])
def test_other_methods_have_them_too(method: str):
    plain, with_schedules = made(), made()
    plain.fit(X, Y, method=method, **SETTINGS)
    with_schedules.fit(X, Y, method=method, schedule=c.Schedules(label_smoothing="cosine"), **SETTINGS)
    assert (plain.theta != with_schedules.theta).any()


@dataclass(frozen=True)
class Twice(Schedule):
    kind = "twice"

    def factor(self, step, total, steps_per_epoch):
        return 2.0 * np.ones_like(step, dtype=float)


NONE = c.Network(5, [c.Dense(3)], c.SoftmaxCrossEntropy())
REFUSED = {
    "decay": (
        c.Adam(),
        "weight_decay",
        "cosine",
        "the schedule of weight_decay needs an optimizer with weight decay, such as AdamW",
    ),
    "dropout": (c.AdamW(), "dropout", "cosine", "the schedule of dropout needs a Dropout in the network"),
    "smoothing": (c.AdamW(), "label_smoothing", "cosine", "needs a loss with label_smoothing above 0"),
    "plateau": (
        c.AdamW(),
        "weight_decay",
        c.ReduceOnPlateau(),
        "must be a schedule of the step such as FlatCosine",
    ),
    "class": (c.AdamW(), "weight_decay", c.FlatCosine, "must be a schedule of the step such as FlatCosine"),
    "name": (c.AdamW(), "weight_decay", "cos", "the schedule of weight_decay must be one of constant, "),
    "solver": (
        "lbfgs",
        "weight_decay",
        "cosine",
        "needs the same objective at each step; omit the schedule of weight_decay",
    ),
    "large": (
        c.AdamW(),
        "weight_decay",
        Twice(),
        "the schedule of weight_decay must give factors from 0 to 1, not 2 to 2",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_change_nothing_or_too_much_is_refused(name: str):
    optimizer, argument, schedule, sentence = REFUSED[name]
    model = c.Model(NONE, seed=1)
    before = model.theta.copy()
    with pytest.raises(c.ConfigError, match=sentence):
        model.fit(X, Y, epochs=1, optimizer=optimizer, schedule=c.Schedules(**{argument: schedule}))
    assert_array_equal(model.theta, before)
