"""What trackers share: where points are, what a setting becomes, and that no fault ends a training."""

from __future__ import annotations

import pickle
import warnings

import pytest

from chainrule import Adam, Callback, OneCycle
from chainrule.tracking import Tracker, follow
from chainrule.tracking.tracked import TrackedRun, flat
from chainrule.training.events import EpochEnd, Finished, Progress, Started


class Kept(TrackedRun):
    """Keeps what it is told; `broken` names the methods that raise."""

    def __init__(self, *broken: str) -> None:
        self.told, self.broken = [], broken

    @property
    def key(self):
        return "kept"

    def note(self, name, *what):
        if name in self.broken:
            raise RuntimeError(f"no {name}")
        self.told.append((name, *what))

    def describe(self, settings):
        self.note("describe", dict(settings))

    def write(self, numbers, at):
        self.note("write", dict(numbers), at.epoch, at.step)

    def judged(self, figures, at):
        self.note("judged", dict(figures), at.step)

    def part(self, name):
        self.note("part", name)
        return Kept(*self.broken)

    def keep(self, fitted):
        self.note("keep", fitted)

    def close(self, ended):
        self.note("close", ended)

    def abandon(self):
        self.told.append(("abandon",))
        raise RuntimeError("it is broken")


STARTED = Started(0, 2, step=0, steps_per_epoch=10, samples=95, batch_size=10, engine="reference")


def test_points_are_at_the_updates_of_the_whole_training(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(follow, "BETWEEN", 0.0)
    run = Kept()
    made = follow.Follow(run, follow.Guard("Kept"), epochs=3, steps=40)
    for event in (
        STARTED,
        Progress(0, 2, step=4, of=10, loss=0.5, rate=0.1, seconds=1.0),
        Progress(0, 2, step=5, of=10, loss=None, rate=0.1, seconds=1.0),
        EpochEnd(1, 2, {"loss": 0.25}),
        Progress(1, 2, step=1, of=10, loss=0.125, rate=0.05, seconds=1.0),
        Finished(1, 2),
    ):
        made.on_event(event)
    made.on_judged({"accuracy": 0.75})
    made.close("the model")
    assert run.told == [
        ("write", {"loss_within_epoch": 0.5, "learning_rate": 0.1}, 3, 44),
        ("write", {"loss": 0.25}, 4, 50),
        ("write", {"loss_within_epoch": 0.125, "learning_rate": 0.05}, 4, 51),
        ("judged", {"accuracy": 0.75}, 51),
        ("keep", "the model"),
        ("close", Finished(1, 2)),
    ]


def test_short_epochs_have_no_points_within():
    run = Kept()
    made = follow.Follow(run, follow.Guard("Kept"))
    made.on_event(STARTED)
    made.on_event(Progress(0, 2, step=4, of=10, loss=0.5, rate=0.1, seconds=0.1))
    assert run.told == []


@pytest.mark.parametrize("method", ["describe", "write", "judged", "part", "keep", "close"])
def test_a_fault_is_said_once_and_nothing_is_called_behind_it(method):
    run = Kept(method)
    guard = follow.Guard("Kept")
    made = follow.Follow(run, guard)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made.describe({})
        made.on_event(STARTED)
        made.on_event(EpochEnd(1, 2, {"loss": 1.0}))
        made.on_judged({"accuracy": 1.0})
        part = made.part("fast", {"seed": 1})
        made.close("the model")
        part.on_fit_end(None)
    assert [f"{each.message}" for each in said] == [
        f"Kept is told nothing more, and the training goes on without it: RuntimeError: no {method}."
    ]
    assert isinstance(part, Callback)
    order = ["describe", "write", "judged", "part", "keep", "close"]
    assert [name for name, *_ in run.told] == [*order[: order.index(method)], "abandon"]


def test_settings_are_flat_and_plain():
    long = "x" * (500 + 1)
    found = flat(
        {
            "optimizer": Adam(1e-3),
            "schedule": OneCycle(),
            "sizes": (3, 2),
            "none": None,
            "empty": (),
            "flag": True,
            "long": long,
            "callbacks": [print],
            "inner": {"deep": {"value": 1.5}},
        }
    )
    assert found["optimizer"] == "adam" and found["optimizer.learning_rate"] == 1e-3
    assert found["schedule"] == "one_cycle" and found["sizes"] == "3,2" and found["empty"] == "none"
    assert found["flag"] is True and found["inner.deep.value"] == 1.5
    assert len(found["long"]) == 500 and found["long"].endswith("...")
    assert not {"none", "callbacks"} & found.keys()


class KeptTracker(Tracker):
    def open(self, earlier):
        return Kept()


def test_a_copy_has_no_run():
    made = KeptTracker()
    made.on_fit_begin({"a": 1})
    made.part("fast", {})
    copied = pickle.loads(pickle.dumps(made))
    assert made.now.follow is not None and copied.now.follow is None and copied.now.given == {}
    copied.part("fast", {})  # it has a lock of its own
