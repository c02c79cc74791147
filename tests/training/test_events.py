"""The events of a training run: which come, that they are data of their own, and that another thread may read them."""

from __future__ import annotations

import copy
import csv
import dataclasses
import io
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import chainrule as c
from chainrule.training import Listener
from chainrule.training import events as e
from chainrule.training.listeners import figure
from listening import in_another_thread

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)


def model(**settings: Any) -> c.Model:
    return c.Model(c.Network(3, [c.Dense(5), c.Tanh(), c.Dense(3)], c.SoftmaxCrossEntropy()), **settings)


def fit(*callbacks: Any, start: c.Model | None = None, **settings: Any) -> c.History:
    start = model(dtype="float64") if start is None else start
    return start.fit(X, Y, callbacks=callbacks, **({"epochs": 4, "batch_size": 16} | settings))


class Often(Listener):
    """A listener that is told after each step."""

    every_steps = 1


def heard(*callbacks: Any, listener: type[Listener] = Listener, **settings: Any) -> list[e.Event]:
    found: list[e.Event] = []
    fit(listener(found.append), *callbacks, **settings)
    return found


# --- which come


def test_the_events_of_a_run():
    found = heard(epochs=2, listener=Often, validation_data=(X, Y))  # 3 steps an epoch
    names = ["Started", "Progress", "Progress", "EpochEnd", "Progress", "Progress", "EpochEnd", "Finished"]
    assert [type(event).__name__ for event in found] == names
    assert [(event.epoch, event.epochs) for event in found] == [
        *((k, 2) for k in (0, 0, 0, 1, 1, 1, 2)),
        (2, 2),
    ]
    begun = found[0]
    assert isinstance(begun, e.Started)
    assert (begun.step, begun.steps_per_epoch, begun.samples, begun.batch_size) == (0, 3, 40, 16)
    assert begun.engine in c.ENGINES and begun.records == ()


def test_the_records_are_those_of_the_history():
    found: list[e.Event] = []
    history = fit(Listener(found.append), validation_data=(X, Y))
    assert [event.record for event in found if isinstance(event, e.EpochEnd)] == history.records


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_progress_says_the_mean_loss_so_far_and_the_rate(engine: str):
    schedule = c.StepDecay(drop=0.5, at=(0.5,))
    steps = [
        event
        for event in heard(listener=Often, engine=engine, schedule=schedule, shuffle=False)
        if isinstance(event, e.Progress)
    ]
    first = model(dtype="float64").evaluate(X[:16], Y[:16])["loss"]
    assert steps[0].loss == pytest.approx(first, rel=1e-9)
    assert [(event.step, event.of) for event in steps[:3]] == [(1, 3), (2, 3), (1, 3)]
    assert [event.rate for event in steps] == pytest.approx([1e-3] * 4 + [5e-4] * 4)
    assert all(a.seconds < b.seconds for a, b in pairwise(steps) if a.epoch == b.epoch)


def test_lbfgs_tells_of_its_iterations():
    found = heard(optimizer="lbfgs", epochs=3)
    assert [type(event).__name__ for event in found] == ["Started", *["EpochEnd"] * 3, "Finished"]


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("epochs", [0, 2])
def test_a_run_that_is_stopped(optimizer: str, epochs: int):
    last = heard(lambda run: run.stop("enough"), optimizer=optimizer, epochs=epochs)[-1]
    assert last == (e.Stopped(1, 2, "enough") if epochs else e.Finished(0, 0))


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (KeyboardInterrupt(), e.Interrupted(1, 4)),
        (OSError("the disk is full"), e.Failed(1, 4, "OSError", "the disk is full")),
    ],
)
def test_a_run_that_an_error_ends(error: BaseException, event: e.Event):
    def fail(run: Any) -> None:
        raise error

    found: list[e.Event] = []
    with pytest.raises(type(error)):
        fit(Listener(found.append), fail)
    assert (
        found[-1] == event
        and sum(isinstance(one, e.Started | e.Failed | e.Interrupted) for one in found) == 2
    )


@pytest.mark.parametrize("optimizer", [c.SGD(1e12), c.LBFGS()])
def test_numbers_that_overflow_are_a_failure(optimizer: Any):
    found: list[e.Event] = []
    big = 1e300 if isinstance(optimizer, c.LBFGS) else 1.0
    with pytest.raises(c.NonFiniteError) as caught:
        made = c.Model(c.Network(3, [c.Dense(1)], c.MeanSquaredError()), dtype="float64")
        made.fit(big * X, X[:, 0], optimizer=optimizer, epochs=200, callbacks=[Listener(found.append)])
    last = found[-1]
    assert isinstance(last, e.Failed) and (last.kind, last.error) == ("NonFiniteError", str(caught.value))


def test_a_resumed_run_begins_with_its_records(tmp_path: Path):
    path = tmp_path / "run.safetensors"

    def stop(run: Any) -> None:
        if run.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(c.Checkpoint(path), stop)
    with pytest.raises(KeyboardInterrupt):
        fit(c.Checkpoint(path), stop)
    begun = heard(resume=path)[0]
    assert isinstance(begun, e.Started) and len(begun.records) == begun.epoch > 0


# --- that they are data


def test_events_are_frozen_and_of_their_own():
    found: list[e.Event] = []

    def spoil(run: Any) -> None:
        run.logs["loss"] = -1.0

    fit(Listener(found.append), spoil)
    kept = [event for event in found if isinstance(event, e.EpochEnd)]
    assert all(event.record["loss"] > 0 for event in kept)
    for event in found:
        assert pickle.loads(pickle.dumps(event)) == copy.deepcopy(event) == event
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.epoch = 7  # type: ignore[misc]


def test_listening_changes_no_bit():
    quiet, watched = model(), model()
    fit(start=quiet)
    fit(Often(lambda event: None), start=watched)
    assert quiet.theta.tobytes() == watched.theta.tobytes()


# --- that they suffice: in another thread, which has nothing but them


def elsewhere(made: c.Model, consumers: Any, **settings: Any) -> c.History:
    """Train with a queue between the run and the consumers, which a thread of their own calls."""
    with in_another_thread(consumers) as listen:
        return fit(Often(listen), start=made, validation_data=(X, Y), **settings)


def test_table_bar_and_log_from_the_events_of_another_thread(tmp_path: Path):
    screen = io.StringIO()
    bar = c.ProgressBar(console=Console(file=screen, force_terminal=True, color_system=None, width=120))
    log = c.CSVLog(tmp_path / "log.csv")
    places: list[tuple[float, int]] = []

    def compare(event: e.Event) -> None:
        if isinstance(event, e.Progress):
            places.append((bar.bar.tasks[0].completed, event.step))

    history = elsewhere(model(), [bar.on_event, log.on_event, compare])
    shown = screen.getvalue()
    assert "epoch 1/4" in shown and "epoch 4/4" in shown
    assert places == [(1, 1), (2, 2)] * 4
    assert all(f"{loss:.4f}" in shown for loss in history["val_loss"])
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == history["loss"]


def test_a_live_curve_from_the_events_of_another_thread():
    from chainrule.views.figures import learning_curve

    records: list[Any] = []
    drawn: list[Any] = []

    def draw(event: e.Event) -> None:
        if isinstance(event, e.EpochEnd):
            records.append(event.record)
            drawn.append(learning_curve(records, "loss"))

    history = elsewhere(model(), [draw])
    assert len(drawn) == 4
    assert list(drawn[-1].data[0].y) == history["loss"]


def test_large_losses_are_written_in_groups():
    values = {0.01934: "0.0193", 9876.54321: "9876.5432", 12345.678: "12,345.68", 199327.44: "199,327.4"}
    values |= {4765255328.3293: "4,765,255,328", -1e6: "-1,000,000", float("inf"): "inf"}
    assert {value: figure("val_mse", value) for value in values} == values
    assert figure("seconds", 1.25) == "1.2"
