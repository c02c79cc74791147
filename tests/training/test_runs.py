"""What a run may be given beside the arguments of `Model.fit`: its order, its steps' settings, an optimizer's state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule import LBFGS
from chainrule.data.samples import Samples
from chainrule.engines import Plan, StepSettings, native
from chainrule.formulas.optimizers import OPTIMIZERS, SGDState
from chainrule.training import Run
from chainrule.training.fit import fit
from chainrule.training.run import OptimizerState, RunSettings

GENERATOR = np.random.default_rng(4)
X, Y = GENERATOR.normal(size=(22, 3)), np.arange(22) % 3
SAMPLES = Samples(X, Y, np.ones(22), 3)
NAMES = ["native"] * (native.REASON is None) + ["reference"]
OPTIMIZER_LIST = [
    *(rule() for rule in OPTIMIZERS.values() if rule is not LBFGS),
    *(c.SGD(0.05, momentum=0.9), c.RMSprop(momentum=0.9), c.Adam(uncorrected_eps=True)),
]
every_engine = pytest.mark.parametrize("engine", NAMES)


class Ends(c.Callback):
    """Keeps the run, and what its optimizer remembers at its end."""

    run: Run
    state: OptimizerState

    def on_train_end(self, run: Run) -> None:
        self.run, self.state = run, run.optimizer_state


def model(dtype: str = "float64") -> c.Model:
    layers = [c.Dense(5), c.BatchNorm(), c.ReLU(), c.Dropout(0.3), c.Dense(3)]
    return c.Model(c.Network(3, layers, c.SoftmaxCrossEntropy(), l2=0.01), seed=3, dtype=dtype)


def train(
    made: c.Model, optimizer: Any = None, samples: Samples = SAMPLES, batch_size: int = 8, **settings: Any
) -> c.History:
    """Train by the function beneath `Model.fit`."""
    optimizer = c.Adam() if optimizer is None else optimizer
    plan = Plan(made.network, optimizer, batch_size, made.seed, made.dtype)
    return fit(made, RunSettings(plan, optimizer, samples, **({"epochs": 2} | settings)))


def one_weight(l2: float = 0.0) -> c.Model:
    """w = 2 and b = 0: the derivative by both is out - y where x = 1, as in `ONES`."""
    made = c.Model(c.Network(1, [c.Dense(1)], c.MeanSquaredError(half=True), l2=l2), dtype="float64")
    made.theta[...] = 2, 0
    return made


ONES = Samples(np.ones((3, 1)), np.zeros((3, 1)), np.array([1.0, 1.0, 2.0]), 1)

# --- the order


@every_engine
def test_an_order_is_that_of_the_samples(engine: str):
    back = np.arange(22)[::-1]
    given, turned = model(), model()
    train(given, engine=engine, order=lambda run: back)
    train(turned, engine=engine, samples=SAMPLES.take(back), shuffle=False)
    assert given.theta.tobytes() == turned.theta.tobytes()


def test_an_order_is_asked_for_at_the_beginning_of_each_epoch():
    asked: list[int] = []

    def order(run: Run) -> Any:
        asked.append(run.epoch)
        return np.random.default_rng(run.epoch).permutation(run.samples.n)

    train(model(), epochs=3, order=order)
    assert asked == [0, 1, 2]
    with pytest.raises(c.ConfigError, match=r"order must return a vector of 22 rows, not an array \(5,\)"):
        train(model(), order=lambda run: np.arange(5))


# --- the settings of the steps


@every_engine
def test_settings_by_hand(engine: str):
    """Batches of two: rows 2 and 0, then row 1. The penalty's factor is one over the weight of the batch.

    Step 1: out 2; loss 2, penalty 0.3/2 * 2^2 / 3 = 0.2; dw = 2 + 0.3 * 2 / 3 = 2.2, db = 2; lr 0.1: w = 1.78, b = -0.2
    Step 2: out 1.58; loss 1.2482, penalty 0.15 * 1.78^2 = 0.47526; dw = 1.58 + 0.534 = 2.114; lr 0.05: w = 1.6743
    """
    seen, ends, made = [], Ends(), one_weight(l2=0.3)

    def settings(run: Run, rows: Any) -> StepSettings:
        seen.append(rows.tolist())
        total = np.add.reduceat(run.samples.weight[rows], np.arange(0, len(rows), run.plan.batch_size))
        return StepSettings.of(np.array([0.1, 0.05]))._replace(penalty=1 / total)

    history = train(
        made,
        c.GradientDescent(),
        ONES,
        2,
        epochs=1,
        engine=engine,
        order=lambda run: np.array([2, 0, 1]),
        steps=settings,
        callbacks=[ends],
    )
    assert seen == [[2, 0, 1]]
    np.testing.assert_allclose(made.theta, [1.6743, -0.2 - 0.05 * 1.58], rtol=1e-13)
    assert history["learning_rate"] == [0.05]
    np.testing.assert_allclose(history["loss"], [(3 * 2.2 + 1.2482 + 0.47526) / 4], rtol=1e-13)
    sums = [2 * 2.2 + 1.2482 + 0.47526, 2 * 0.2 + 0.47526]
    np.testing.assert_allclose(ends.run.session.row_sums, sums, rtol=1e-13)


def test_settings_of_another_number_are_refused():
    words = "steps must return vectors of 3 numbers, one for each step of the epoch"
    with pytest.raises(c.ConfigError, match=words):
        train(model(), steps=lambda run, rows: StepSettings.of(np.ones(22)))


@every_engine
def test_the_sums_by_rows_are_those_of_the_last_epoch(engine: str):
    ends = Ends()
    history = train(model(), engine=engine, callbacks=[ends], epochs=3)
    loss, penalty = ends.run.session.row_sums  # every weight is 1
    assert loss / 22 == pytest.approx(history["loss"][-1], rel=1e-12)
    assert 0 < penalty < loss


# --- the optimizer's state


@every_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZER_LIST, ids=repr)
def test_two_runs_with_the_state_between_have_the_bits_of_one(optimizer: Any, dtype: str, engine: str):
    whole, parts, first, second = model(dtype), model(dtype), Ends(), Ends()
    train(whole, optimizer, epochs=3, engine=engine)
    train(parts, optimizer, epochs=2, engine=engine, callbacks=[first])
    kept = [np.copy(leaf) for leaf in first.state.state]
    train(parts, optimizer, epochs=1, engine=engine, callbacks=[second], optimizer_state=first.state)
    assert whole.theta.tobytes() == parts.theta.tobytes()
    assert (first.state.steps, second.state.steps) == (6, 9)
    assert (
        (parts.steps_trained, parts.epochs_trained) == (whole.steps_trained, whole.epochs_trained) == (9, 3)
    )
    assert all(map(np.array_equal, first.state.state, kept))  # it was copied
    if kept:
        alone = model(dtype)
        train(alone, optimizer, epochs=2, engine=engine)
        train(alone, optimizer, epochs=1, engine=engine)
        assert alone.theta.tobytes() != whole.theta.tobytes()


def test_a_state_goes_on_in_another_model():
    ends, other = Ends(), model()
    train(model(), epochs=2, callbacks=[ends])
    train(other, epochs=1, optimizer_state=ends.state)
    assert other.steps_trained == 3


def test_a_state_of_something_else_is_refused():
    ends = Ends()
    train(model(), callbacks=[ends])
    words = "optimizer_state must be that of {} for this model's parameters, not AdamState; pass"
    with pytest.raises(c.ConfigError, match=words.format("SGD")):
        train(model(), c.SGD(momentum=0.9), optimizer_state=ends.state)
    with pytest.raises(c.ConfigError, match=words.format("Adam")):
        train(model("float32"), optimizer_state=ends.state)
    with pytest.raises(c.ConfigError, match=words.format("LBFGS")):
        train(one_weight(), c.LBFGS(), ONES, optimizer_state=ends.state)


@every_engine
def test_a_run_that_began_with_a_state_is_resumed(engine: str, tmp_path: Path):
    class Stop(Exception):
        pass

    class Killer(c.Callback):
        every_steps = 1

        def on_steps(self, run: Run) -> None:
            if run.step == 4:
                raise Stop

    ends, path = Ends(), tmp_path / "run"
    train(model(), engine=engine, callbacks=[ends])
    whole, cut, last = model(), model(), [Ends(), Ends()]
    train(whole, engine=engine, optimizer_state=ends.state, callbacks=[last[0]])
    with pytest.raises(Stop):
        train(
            cut,
            engine=engine,
            optimizer_state=ends.state,
            callbacks=[Killer(), c.Checkpoint(path, every_steps=1)],
        )
    again = model()
    train(again, engine=engine, callbacks=[last[1]], resume=path)
    assert again.theta.tobytes() == whole.theta.tobytes()
    assert last[0].state.steps == last[1].state.steps == 12
    assert again.steps_trained == whole.steps_trained
    assert last[0].run.session.row_sums.tobytes() == last[1].run.session.row_sums.tobytes()


# --- the velocity


@every_engine
@pytest.mark.parametrize("nesterov", [False, True], ids=["heavy ball", "nesterov"])
def test_a_scaled_velocity_is_one_that_contains_the_rate(nesterov: bool, engine: str):
    """v = 0.9 v - lr g, and theta = theta + v, or theta + 0.9 v - lr g, with a rate that falls after each epoch."""
    rates = [0.1, 0.05, 0.01]

    class Falls(c.Callback):
        def on_epoch_end(self, run: Run) -> None:
            if run.epoch < 3:
                run.scale_velocity(rates[run.epoch - 1] / rates[run.epoch])

    def settings(run: Run, rows: Any) -> StepSettings:
        return StepSettings.of(np.full(run.steps_per_epoch, rates[run.epoch]))

    made = one_weight()
    train(
        made,
        c.SGD(0.1, 0.9, nesterov),
        ONES,
        2,
        epochs=3,
        engine=engine,
        steps=settings,
        callbacks=[Falls()],
    )
    w, b, v = 2.0, 0.0, 0.0
    for lr in np.repeat(rates, 2).tolist():
        g = w + b  # dL/dw and dL/db
        v = 0.9 * v - lr * g
        move = 0.9 * v - lr * g if nesterov else v
        w, b = w + move, b + move
    np.testing.assert_allclose(made.theta, [w, b], rtol=1e-12)


def test_a_velocity_is_scaled_where_there_is_one():
    ends = Ends()
    train(model(), c.SGD(momentum=0.9), callbacks=[ends])
    ends.run.scale_velocity(2)
    found = ends.run.optimizer_state
    assert isinstance(found.state, SGDState) and np.array_equal(found.state.v, 2 * ends.state.state.v)
    train(model(), c.SGD(), callbacks=[ends])
    ends.run.scale_velocity(2)
    train(model(), c.Adam(), callbacks=[ends])
    with pytest.raises(c.ConfigError, match="scale_velocity is for SGD, Adam has no velocity; omit it"):
        ends.run.scale_velocity(2)
