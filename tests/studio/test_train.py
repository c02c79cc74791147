"""The commands of the screen Train, without a browser: runs, their timeline, their frames, and the data that come."""

from __future__ import annotations

import gc
import gzip
import io
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from chainrule import (
    Adam,
    BatchNorm,
    ChainruleError,
    Dense,
    Dropout,
    LeakyReLU,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    SoftmaxCrossEntropy,
    load,
)
from chainrule.datasets import load_mnist
from chainrule.recipe.data import Data, from_arrays
from chainrule.recipe.preset_choice import estimator
from chainrule.recipe.settings import Settings
from chainrule.studio import screens
from chainrule.studio.screens.train import commands, training
from chainrule.studio.screens.train.desk import Desk, desk_of
from chainrule.studio.session.commands import DOWNLOADS, find
from chainrule.studio.session.messages import pack
from chainrule.studio.session.studio import Studio
from chainrule.tables.rows import rows_of

assert screens.__name__, "its import registers the commands"
SMALL = {"samples": 1500, "epochs": 3, "layers": [{"kind": "dense", "units": 16}, {"kind": "relu"}]}


class Listener:
    """A page that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.changed = threading.Condition()

    def put(self, event: str, data: Any) -> None:
        with self.changed:
            self.events.append((event, data))
            self.changed.notify_all()

    def of(self, event: str) -> list[Any]:
        return [data for name, data in self.events if name == event]


def parts() -> tuple[Any, Any, Any, Any]:
    train, test = load_mnist()
    return train.X[:6000], train.y[:6000], test.X[:500], test.y[:500]


@pytest.fixture(scope="module")
def digits() -> Data:
    X, y, X_test, y_test = parts()
    return from_arrays(X, y, test=(X_test, y_test), name="digits", shape=(28, 28))


@pytest.fixture
def studio(digits: Data) -> Iterator[Studio]:
    studio = Studio(data=digits)
    yield studio
    studio.close()


def do(studio: Studio, name: str, **arguments: Any) -> dict[str, Any]:
    return find(name)(studio, arguments)


def wait(until: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not come to that"
        threading.Event().wait(0.002)


def run_to_the_end(studio: Studio, form: dict[str, Any], **more: Any) -> Desk:
    do(studio, "train.start", form=form, **more)
    desk = desk_of(studio)
    wait(lambda: desk.current().phase in ("done", "failed") and not desk.queue)
    return desk


def by_hand(form: dict[str, Any]) -> Model:
    """What Model.fit makes of the small form."""
    X, y, X_test, y_test = parts()
    rows = np.linspace(0, len(X) - 1, form["samples"]).astype(np.int64)
    network = Network(784, [Rescale(1 / 255), Dense(16), ReLU(), Dense(10)], SoftmaxCrossEntropy())
    model = Model(network, seed=form.get("seed", 0))
    model.fit(
        X[rows],
        y[rows],
        epochs=form["epochs"],
        batch_size=128,
        optimizer=Adam(),
        validation_data=(X_test, y_test),
    )
    return model


# --- the same numbers


def test_a_run_is_the_fit_bit_for_bit(studio: Studio):
    found, wanted = run_to_the_end(studio, SMALL).current(), by_hand(SMALL)
    assert found.phase == "done"
    np.testing.assert_array_equal(found.model.theta, wanted.theta)
    without = [{k: v for k, v in record.items() if k != "seconds"} for record in found.records]
    assert without == [
        {k: v for k, v in record.items() if k != "seconds"} for record in wanted.history.records
    ]
    np.testing.assert_array_equal(studio.model.theta, wanted.theta)


def test_pausing_and_stepping_change_no_bit(studio: Studio):
    do(studio, "train.step", form=SMALL)
    desk = desk_of(studio)
    run = desk.current()
    wait(lambda: run.phase == "paused")
    for step in range(2, 15):  # through the end of the first epoch of 12 batches
        do(studio, "train.step", form=SMALL)
        wait(lambda step=step: run.curves.position["step"] == step and run.left == 0)
    assert run.curves.position["epoch"] == 1 and len(run.records) == 1
    do(studio, "train.resume")
    do(studio, "train.pause")
    wait(lambda: run.phase in ("paused", "done"))
    do(studio, "train.resume")
    wait(lambda: run.phase == "done")
    np.testing.assert_array_equal(run.model.theta, by_hand(SMALL).theta)


def test_rewinding_keeps_the_seed_and_new_weights_do_not(studio: Studio):
    first = run_to_the_end(studio, SMALL).current()
    do(studio, "train.rewind", form=SMALL)
    again = desk_of(studio).current()
    assert again.phase == "ready"
    start = Model(again.model.network, seed=0).theta
    np.testing.assert_array_equal(studio.model.theta, start)
    found = run_to_the_end(studio, SMALL).current()
    np.testing.assert_array_equal(found.model.theta, first.model.theta)
    do(studio, "train.rewind", form=SMALL | {"seed": 5})
    assert (studio.model.theta != start).any()


def test_stopping_leaves_what_was_learned(studio: Studio):
    form = SMALL | {"epochs": 9000}
    do(studio, "train.start", form=form)
    run = desk_of(studio).current()
    wait(lambda: run.curves.position["step"] > 20)
    assert do(studio, "train.stop") == {"state": "stopped"}
    assert 20 < run.model.steps_trained < 9000 * 12
    np.testing.assert_array_equal(run.timeline.snapshots[-1].theta, run.model.theta)
    np.testing.assert_array_equal(studio.model.theta, run.model.theta)


def test_closing_ends_a_paused_run(digits: Data):
    studio = Studio(data=digits)
    do(studio, "train.step", form=SMALL)
    run = desk_of(studio).current()
    wait(lambda: run.phase == "paused")
    studio.close()
    assert run.thread is not None and not run.thread.is_alive()


def test_a_new_run_ends_the_old_one(studio: Studio):
    do(studio, "train.start", form=SMALL | {"epochs": 9000})
    old = desk_of(studio).current()
    new = run_to_the_end(studio, SMALL).current()
    assert old.phase == "stopped" and new.phase == "done" and old is not new


def test_a_run_tells_its_state_while_another_one_is_begun(studio: Studio):
    """Whoever begins a run holds the lock, and waits for the end of the one before, which may be telling its state."""
    do(studio, "train.start", form=SMALL)
    desk = desk_of(studio)
    telling = threading.Thread(target=desk.tell, args=("train.state", {}), daemon=True)
    with desk.lock:
        telling.start()
        telling.join(30)
        assert not telling.is_alive()


# --- what pages are told


def test_frames_are_small_few_and_all_is_told(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    page = Listener()
    studio.tabs.add(page)  # type: ignore[arg-type]
    monkeypatch.setattr(training, "PER_SECOND", 1e9)
    monkeypatch.setattr("chainrule.studio.screens.train.desk.PER_SECOND", 1e9)
    monkeypatch.setattr(training, "SECONDS", 0.0)
    wide = [{"kind": "dense", "units": 300}, {"kind": "batch_norm"}, {"kind": "relu"}] * 12
    do(studio, "train.watch", page="one", visible=True)
    run = run_to_the_end(studio, {"samples": 256, "epochs": 1, "batch_size": 32, "layers": wide}).current()
    for event, most in (("train.frame", 1024), ("train.look", 8192)):
        sent = page.of(event)
        assert sent and max(len(pack({"event": event, "data": data})) for data in sent) <= most
    last = page.of("train.look")[-1]["look"]
    assert last["activations"].dtype == np.float16
    assert last["activations"].size == sum(link.shown for link in run.looks.layout) <= training.MAX_VALUES
    assert len(last["layers"]) == len(last["gradient"]) <= training.MAX_ROWS
    assert sum(len(each["records"]) for each in page.of("train.epoch")) == 1
    assert page.of("train.epoch")[-1]["confusion"].sum() == 500
    assert page.of("train.state")[-1]["state"] == "done"
    assert {event for event, _ in page.events} >= {"train.mark", "model.changed"}


def test_a_frame_has_news(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    """A point of the curves that no frame had, unless the time for another look at the numbers has come."""
    page = Listener()
    studio.tabs.add(page)  # type: ignore[arg-type]
    monkeypatch.setattr("chainrule.studio.screens.train.desk.PER_SECOND", 1e9)
    monkeypatch.setattr(training, "NUMBERS_SECONDS", 1e9)
    monkeypatch.setattr(training.Training, "stride", lambda self: 1)
    do(studio, "train.watch", page="one", visible=True)
    form = SMALL | {"batch_size": 2, "epochs": 1}
    run = run_to_the_end(studio, form).current()
    points = [frame["points"] for frame in page.of("train.frame")]
    assert run.curves.grid == 2 and len(points) < run.model.steps_trained
    assert points == sorted(set(points)) and points[-1] == len(run.curves.points)


def test_a_look_takes_one_thread_and_leaves_the_others_as_they_were(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
):
    def blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    found: list[list[int]] = []
    measured = training.flow_of
    monkeypatch.setattr(training, "flow_of", lambda run: (found.append(blas()), measured(run))[1])
    before = blas()
    if not before or max(before) == 1:
        pytest.skip("NumPy's products take one thread here")
    run_to_the_end(studio, SMALL)
    assert found and all(set(each) == {1} for each in found)
    assert blas() == before


def test_the_pace_is_that_of_the_pages(studio: Studio):
    desk = desk_of(studio)
    assert desk.pace() is None
    for page in ("one", "two"):
        studio.tabs.add(page)  # type: ignore[arg-type]
    do(studio, "train.watch", page="one", visible=True)
    do(studio, "train.watch", page="two", visible=False)
    assert desk.pace() == 10
    do(studio, "train.watch", page="one", visible=False)
    assert desk.pace() == 1
    for page in "abc":
        do(studio, "train.watch", page=page, visible=False)
    assert len(desk.pages) == 2
    studio.tabs.clear()


def test_activations_are_those_of_the_model(studio: Studio):
    do(studio, "train.start", form=SMALL)
    do(studio, "train.pin", sample=7)
    run = desk_of(studio).current()
    wait(lambda: run.phase == "done")
    do(studio, "train.pin", sample=3)
    again = run_to_the_end(studio, SMALL).current()
    x = studio.data.test.X[3]  # type: ignore[union-attr]
    trace = again.model.trace(x[None], studio.data.test.y[3:4], training=False)  # type: ignore[union-attr]
    found = again.looks.found
    assert found is not None and [link.name for link in again.looks.layout] == [
        "dense_1",
        "relu_1",
        "dense_2",
    ]
    np.testing.assert_allclose(found["activations"][-10:], trace.out[0], rtol=2e-3, atol=2e-3)
    with pytest.raises(ChainruleError, match="from 0 to 499"):
        do(studio, "train.pin", sample=500)


def test_state_tells_a_page_that_comes_late_everything(studio: Studio):
    assert do(studio, "train.state")["state"] == "none"
    run_to_the_end(studio, SMALL)
    state = do(studio, "train.state")
    assert state["form"] == SMALL and state["state"] == "done" and state["epoch"] == 3
    assert state["curve"].shape == (36, 3) and state["curve"][-1, 0] == 4500
    assert (np.diff(state["curve"][:, 0]) > 0).all()
    assert len(state["records"]) == 3 and state["confusion"].shape == (10, 10)
    np.testing.assert_array_equal(do(studio, "train.curve", start=30)["points"], state["curve"][30:])
    pack({"answer": state})


def test_curves_are_the_means_between_their_points(studio: Studio):
    run = run_to_the_end(studio, SMALL).current()
    points = run.curves.array()
    for epoch in range(3):
        part = points[12 * epoch : 12 * epoch + 12]
        sizes = np.diff([1500 * epoch, *part[:, 0]])
        assert (part[:, 1] * sizes).sum() / 1500 == pytest.approx(run.records[epoch]["loss"], rel=1e-4)
        assert (part[:, 2] * sizes).sum() / 1500 == pytest.approx(run.records[epoch]["accuracy"], rel=1e-4)


def test_curves_are_bounded_and_do_not_depend_on_time(studio: Studio):
    form = SMALL | {"samples": 200, "batch_size": 1, "epochs": 6}
    first = run_to_the_end(studio, form).current().curves
    assert first.grid == 4 and 256 <= len(first.points) <= 2 * 256 + 6
    do(studio, "train.start", form=form, steps=1)
    run = desk_of(studio).current()
    wait(lambda: run.phase == "paused")
    do(studio, "train.resume")
    wait(lambda: run.phase == "done")
    assert run.curves.points == first.points


# --- the timeline


def test_the_timeline_has_the_exact_numbers(studio: Studio):
    run = run_to_the_end(studio, SMALL).current()
    steps = do(studio, "train.state")["timeline"]["step"]
    assert steps[:8] == [0, 1, 2, 3, 4, 5, 6, 7] and steps[-1] == 36
    at = steps.index(12)
    do(studio, "train.show", at=at)
    np.testing.assert_array_equal(studio.model.theta, by_hand(SMALL | {"epochs": 1}).theta)
    assert studio.model.steps_trained == 12 and "1,500" in studio.name
    do(studio, "train.show", at=0)
    np.testing.assert_array_equal(studio.model.theta, Model(run.model.network, seed=0).theta)
    do(studio, "train.show", at=None)
    np.testing.assert_array_equal(studio.model.theta, run.model.theta)
    with pytest.raises(ChainruleError, match="none is number 99"):
        do(studio, "train.show", at=99)


def test_looking_back_while_it_trains_holds_still(studio: Studio):
    do(studio, "train.step", form=SMALL)
    run = desk_of(studio).current()
    wait(lambda: run.phase == "paused")
    do(studio, "train.show", at=0)
    held = studio.model
    do(studio, "train.resume")
    wait(lambda: run.phase == "done")
    assert studio.model is held and held.steps_trained == 0


def test_batch_norm_has_the_statistics_of_its_time(studio: Studio):
    layers = [{"kind": "dense", "units": 8}, {"kind": "batch_norm"}, {"kind": "tanh"}]
    run = run_to_the_end(studio, SMALL | {"layers": layers}).current()
    first, last = (run.timeline[i].states["batch_norm_1"].mean for i in (0, len(run.timeline.snapshots) - 1))
    assert not first.any() and last.any()
    np.testing.assert_array_equal(last, run.model.states["batch_norm_1"].mean)


def test_the_timeline_is_bounded_in_memory(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training.Timeline.__init__, "__defaults__", (600_000,))
    run = run_to_the_end(studio, SMALL).current()
    kept = [each.step for each in run.timeline.snapshots]
    assert sum(each.size for each in run.timeline.snapshots) <= 600_000
    assert kept[0] == 0 and kept[-1] == 36 and len(kept) >= 5 and kept == sorted(kept)


@pytest.mark.parametrize("steps", [1, 2, 7, 1000, 10**6])
def test_marks_are_dense_at_the_start(steps: int):
    found = training.marks(steps)
    assert found[0] == 1 and found[-1] == steps and len(found) <= training.MARKS
    assert (np.diff(found, 2) >= -1).all()


# --- two runs


def test_two_runs_with_one_changed_setting(studio: Studio):
    desk = run_to_the_end(studio, SMALL, versus={"optimizer": "sgd"})
    wait(lambda: desk.current().settings.optimizer == "sgd" and desk.current().phase == "done")
    state = do(studio, "train.state")
    assert state["form"]["optimizer"] == "sgd" and len(state["others"]) == 1
    other = state["others"][0]
    assert other["form"] == SMALL and other["curve"].shape == state["curve"].shape
    np.testing.assert_array_equal(other["records"][-1]["loss"], by_hand(SMALL).history["loss"][-1])
    run_to_the_end(studio, SMALL | {"lr": 0.01}, fresh=False)
    assert [each["form"].get("optimizer") for each in do(studio, "train.state")["others"]] == [None, "sgd"]
    run_to_the_end(studio, SMALL)
    assert do(studio, "train.state")["others"] == []


# --- bad settings


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "many"}, "batch_size must be an integer"),
        ({"epochs": 10**6}, "at most 10,000"),
        ({"lr": -1.0}, "learning_rate"),
        ({"optimizer": "magic"}, "optimizer"),
        ({"optimizer": "lbfgs"}, "all samples at once"),
        ({"optimizer": "adam", "momentum": 0.9}, "adam has no momentum"),
        ({"schedule": "reduce_on_plateau"}, "validation_fraction"),
        ({"patience": 3}, "validation_fraction"),
        ({"seed": -1}, "seed"),
        ({"samples": 10**9}, "at most 6,000"),
        ({"samples": 0}, "samples"),
        ({"loss": "huge"}, "loss"),
        ({"layers": 3}, "layers must be a list"),
        ({"layers": ["dense"]}, "there is no layer"),
        ({"layers": [{"kind": "lstm"}]}, "there is no layer 'lstm'"),
        ({"layers": [{"kind": "standardize"}]}, "there is no layer"),
        ({"layers": [{"kind": []}]}, r"there is no layer \[\]; choose from"),
        ({"layers": [[]]}, "there is no layer None"),
        ({"layers": [{"kind": "dense"}]}, "dense needs units"),
        ({"layers": [{"kind": "dense", "units": -4}]}, "units"),
        ({"layers": [{"kind": "dense", "units": 10, "color": 1}]}, "dense has no setting 'color'"),
        ({"layers": [{"kind": "dense", "units": 2**20}]}, "parameters"),
        ({"layers": [{"kind": "dropout", "rate": 1.5}]}, "rate"),
        ({"layers": [{"kind": "residual", "layers": []}]}, "layer"),
        ({"layers": [{"kind": "residual", "layers": 7}]}, "layer"),
        ({"layers": [{"kind": "relu"}] * 65}, "up to 64 layers"),
        ({"colour": "red"}, "no setting 'colour'"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(studio: Studio, form: dict[str, Any], says: str):
    for name in ("train.check", "train.start", "train.rewind"):
        with pytest.raises(ChainruleError, match=says) as caught:
            do(studio, name, form=form)
        assert str(caught.value).endswith(".")
    assert do(studio, "train.state")["state"] == "none"


def test_the_second_form_is_checked_before_the_first_is_trained(studio: Studio):
    with pytest.raises(ChainruleError, match="batch_size"):
        do(studio, "train.start", form=SMALL, versus={"batch_size": 0})
    assert do(studio, "train.state")["state"] == "none"


def test_deep_blocks_are_refused(studio: Studio):
    layer: dict[str, Any] = {"kind": "relu"}
    for _ in range(40):
        layer = {"kind": "residual", "layers": [layer]}
    with pytest.raises(ChainruleError, match="8 deep"):
        do(studio, "train.check", form={"layers": [layer]})


@pytest.mark.parametrize("name", ["train.pause", "train.resume", "train.stop", "train.curve", "train.show"])
def test_without_a_run_there_is_nothing_to_do(studio: Studio, name: str):
    with pytest.raises(ChainruleError, match="no run yet"):
        do(studio, name)


def test_a_rate_that_is_too_high_fails_with_a_sentence_and_a_hint(studio: Studio):
    form = SMALL | {"optimizer": "sgd", "lr": 1e30}
    state = do(run_to_the_end(studio, form).studio, "train.state")
    assert state["state"] == "failed" and "learning rate" in state["error"]
    assert state["hints"][0]["code"] == "not_finite"


def test_hints_of_the_curves():
    falling = list(np.linspace(2, 1, 40))
    assert not training.is_rising(falling) and training.is_rising([*falling, *np.linspace(1, 4, 20)])
    # Means 0.05 of eight points that vary by 0.04 say nothing beside 0.035; of points that agree, they do.
    low, noisy = [0.035] * 20, [0.01, 0.09] * 4
    assert not training.is_rising([*low, *noisy]) and training.is_rising([*low, *[0.05] * 8])
    records = [{"loss": 1 / n, "val_loss": value} for n, value in enumerate([1.0, 0.8, 0.7, 0.8, 0.9], 1)]
    assert training.is_overfitting(records) and not training.is_overfitting(records[:3])
    assert [hint["code"] for hint in training.hints_of_loss(falling, records)] == ["overfitting"]


def test_dead_units_are_seen(studio: Studio):
    dead = [{"kind": "dense", "units": 16}, {"kind": "relu"}]
    form = SMALL | {"layers": dead, "optimizer": "sgd", "lr": 30.0, "epochs": 1, "clip_norm": 1.0}
    run = run_to_the_end(studio, form).current()
    assert run.looks.found is not None and run.looks.found["dead"][0] > 0.2
    assert "dead" in [hint["code"] for hint in run.looks.hints] or run.looks.hints[0]["code"] == "no_gradient"


# --- the Python that does it


@pytest.mark.parametrize(
    "form",
    [
        SMALL | {"seed": 7},
        SMALL
        | {
            "layers": [
                *({"kind": "dense", "units": 12}, {"kind": "leaky_relu", "slope": 0.2}),
                {"kind": "residual", "layers": [{"kind": "dense", "units": 12}, {"kind": "batch_norm"}]},
                {"kind": "dropout", "rate": 0.25},
            ],
            **{"optimizer": "adamw", "lr": 0.003, "weight_decay": 0.1, "schedule": "one_cycle"},
            **{"validation_fraction": 0.2, "patience": 2, "clip_norm": 1.0, "l2": 1e-4},
        },
    ],
)
def test_the_python_does_the_run_bit_for_bit(
    form: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train, test = load_mnist()
    studio = Studio(data=Data("mnist", "mnist", "mnist", train, None, test))
    code = do(studio, "train.check", form=form)["code"]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    found = run_to_the_end(studio, form).current()
    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").theta, found.model.theta)


def test_the_python_of_points_and_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    studio = Studio()
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(size=(40, 2)), np.arange(40) % 2])
    do(studio, "train.data", kind="points", points=table.tolist())
    form = {"epochs": 2, "batch_size": 8, "layers": [{"kind": "dense", "units": 4}, {"kind": "tanh"}]}
    upload(
        studio,
        tmp_path,
        "points.csv",
        b"a,b,y\n" + b"\n".join(b"%r,%r,%d" % tuple(r) for r in table.tolist()),
    )
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        exec(do(studio, "train.check", form=form)["code"], {})
        found = run_to_the_end(studio, form).current()
        np.testing.assert_array_equal(load(tmp_path / "model.safetensors").theta, found.model.theta)
        do(studio, "train.data", kind="files", uploads=["1-points.csv"])


def test_check_says_what_a_form_means(studio: Studio):
    found = do(studio, "train.check", form=SMALL)
    assert found["size"] == 784 * 16 + 16 + 16 * 10 + 10 and found["steps"] == 12
    assert (found["loss"], found["lr"], found["samples"], found["all"]) == (
        "softmax_cross_entropy",
        0.001,
        1500,
        6000,
    )
    assert [link["kind"] for link in found["links"]] == ["rescale", "dense", "relu", "dense"]


def test_every_option_can_be_chosen(studio: Studio):
    options = do(studio, "train.options")
    for optimizer, settings in options["optimizers"].items():
        assert do(studio, "train.check", form={"optimizer": optimizer})["lr"] == settings["learning_rate"]
    for schedule in options["schedules"]:
        do(studio, "train.check", form={"schedule": schedule, "validation_fraction": 0.1})
    for kind in options["activations"]:
        do(studio, "train.check", form={"layers": [{"kind": kind}]})
    assert {"dense", "batch_norm", "dropout", "residual", "scale"} <= options["layers"].keys()
    assert (
        do(studio, "train.check", form=options["defaults"])["size"]
        == 784 * 128 + 128 + 128 * 32 + 32 + 32 * 10 + 10
    )


# --- data that pages bring


def upload(studio: Studio, folder: Path, name: str, content: bytes) -> str:
    key = f"{len(studio.uploads) + 1}-{name}"
    path = folder / key
    path.write_bytes(content)
    if name.endswith(".csv"):
        (folder / name).write_bytes(content)
    studio.uploads[key] = path
    return key


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def idx(array: np.ndarray[Any, Any]) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes())


def test_a_csv_file(studio: Studio, tmp_path: Path):
    rows = "\n".join(f"{i % 7},{i % 3},{'ab'[i % 2]}" for i in range(60))
    key = upload(studio, tmp_path, "table.csv", f"one,two,y\n{rows}\n".encode())
    found = do(studio, "train.data", kind="files", uploads=[key])
    assert found["name"] == "table" and found["samples"] == 48
    about = do(studio, "data.get")["data"]
    assert (about["target"], [each["name"] for each in about["columns"]]) == ("y", ["one", "two"])
    state = do(run_to_the_end(studio, {"epochs": 2, "batch_size": 16}).studio, "train.state")
    assert state["state"] == "done" and state["labels"] == ["a", "b"]
    assert state["judged"] == {"name": "test", "n": 12}


@pytest.mark.parametrize("ending", ["csv.gz", "parquet", "arrow", "feather", "xlsx"])
def test_every_file_of_a_table_is_the_same_data(studio: Studio, tmp_path: Path, ending: str):
    """Numbers as they are, and text with a missing cell as inputs of its own."""
    columns = {
        "one": [float(i % 7) for i in range(60)],
        "two": [i % 3 for i in range(60)],
        "hue": [(None, "red", "blue")[i % 3] for i in range(60)],
        "y": ["ab"[i % 2] for i in range(60)],
    }
    for names in (("one", "two", "y"), ("one", "two", "hue", "y")):
        table = pa.table({name: columns[name] for name in names})
        text = "\n".join([",".join(names), *(",".join(map(str, row.values())) for row in table.to_pylist())])
        key = upload(studio, tmp_path, "table.csv", text.replace("None", "").encode())
        found = do(studio, "train.data", kind="files", uploads=[key])
        X, y, features = studio.data.train.X, studio.data.train.y, studio.data.features
        stream = io.BytesIO()
        if ending == "csv.gz":
            stream.write(gzip.compress(text.replace("None", "").encode()))
        elif ending == "parquet":
            parquet.write_table(table, stream)
        elif ending == "xlsx":
            book = pytest.importorskip("openpyxl").Workbook()
            for row in (names, *(row.values() for row in table.to_pylist())):
                book.active.append(list(row))
            book.save(stream)
        else:
            feather.write_feather(table, stream)
        key = upload(studio, tmp_path, f"table.{ending}", stream.getvalue())
        assert do(studio, "train.data", kind="files", uploads=[key]) == found
        np.testing.assert_array_equal(studio.data.train.X, X)
        np.testing.assert_array_equal(studio.data.train.y, y)
        assert studio.data.features == features and studio.data.name == "table"


def test_a_table_of_any_types(studio: Studio, tmp_path: Path):
    """Text, dates and a missing cell: the model knows its inputs by the names of the columns."""
    cells = (
        f"{'' if i == 5 else i % 7},{('red', 'blue', 'green')[i % 3]},2024-0{1 + i % 9}-11,{('no', 'yes')[i % 3 == 1]}"
        for i in range(60)
    )
    text = "\n".join(["size,colour,day,bought", *cells, ""])
    key = upload(studio, tmp_path, "table.csv", text.encode())
    found = do(studio, "train.data", kind="files", uploads=[key])
    assert found["samples"] == 48 and found["features"] > 5
    run_to_the_end(studio, {"epochs": 40, "batch_size": 16})
    assert do(studio, "train.state")["labels"] == ["no", "yes"]
    assert {"colour=red", "size", "size missing"} <= set(studio.model.feature_names)
    accuracy = do(studio, "train.state")["final"]["test_accuracy"]
    assert accuracy > 0.8  # the colour alone says it


def test_what_is_said_at_the_end_is_of_the_weights_that_are_kept(studio: Studio, tmp_path: Path):
    """Of a table whose answers are almost chance, learned by heart: the best epoch is long past."""
    random = np.random.default_rng(1)
    X, y = random.normal(size=(240, 6)), random.random(240)
    rows = [
        ",".join(f"{v:.3f}" for v in x) + f",{'no' if q < 0.7 else 'yes'}" for x, q in zip(X, y, strict=True)
    ]
    key = upload(studio, tmp_path, "survey.csv", "\n".join(["a,b,c,d,e,f,said", *rows, ""]).encode())
    do(studio, "train.data", kind="files", uploads=[key])
    run = run_to_the_end(studio, {"epochs": 60}).current()
    state, (X_test, y_test) = do(studio, "train.state"), (studio.data.test.X, studio.data.test.y)
    reached = float(np.mean(studio.model.predict(X_test) == y_test))
    assert state["final"] == {"test_accuracy": pytest.approx(reached)}
    assert np.trace(state["confusion"]) / state["confusion"].sum() == pytest.approx(reached)
    assert len(run.records) < 60 and run.records[-1]["test_accuracy"] != pytest.approx(reached)
    known = studio.model.evaluate(run.prepared.parts.train, metrics=["accuracy"])
    assert state["kept"]["accuracy"] == pytest.approx(known["accuracy"])
    assert state["kept"]["loss"] == pytest.approx(known["loss"]) != run.records[-1]["loss"]


def test_the_best_epoch_of_arrays_is_measured_too(studio: Studio):
    form = {"epochs": 8, "validation_fraction": 0.2, "patience": 2, "lr": 0.5}
    run = run_to_the_end(studio, SMALL | form).current()
    state = do(studio, "train.state")
    best = min(run.records, key=lambda record: record["val_loss"])
    assert best is not run.records[-1]
    for name in ("val_loss", "val_accuracy"):
        assert state["kept"][name] == pytest.approx(best[name], rel=1e-4)
    parts = run.prepared.parts
    np.testing.assert_array_equal(state["confusion"], studio.model.confusion_matrix(run.looks.judged))
    assert state["final"] == {} and parts.judged_name == state["judged"]["name"]


def houses(n: int = 120) -> str:
    """A table of prices that are linear in the size, with a town and an empty cell now and then."""
    random = np.random.default_rng(0)
    size, town = random.uniform(30, 200, n).round(1), random.integers(0, 3, n)
    price = 2000 * size + 30_000 * town + random.normal(0, 5000, n)
    rows = [f"{size[k] if k % 10 else ''},{'abc'[town[k]]},{price[k]:.0f}" for k in range(n)]
    return "\n".join(["size,town,price", *rows, ""])


def test_a_table_is_trained_as_the_command_trains_it(studio: Studio, tmp_path: Path):
    """By the estimators' preset, to the same bits, on the same rows; and beside a constant and a linear model.

    Of few rows the preset averages several networks, and the studio trains one, as `--members 1` does.
    """
    key = upload(studio, tmp_path, "houses.csv", houses().encode())
    do(studio, "train.data", kind="files", uploads=[key])
    defaults = do(studio, "train.options")["defaults"]
    assert defaults["preset"] == "fast" and defaults["epochs"] is defaults["optimizer"] is None
    checked = do(studio, "train.check", form={"epochs": 8})
    assert (checked["optimizer"], checked["batch_size"], checked["epochs"]) == ("adamw", 64, 8)
    assert checked["patience"] == 20 and checked["links"][0]["inputs"] == len(studio.data.features)
    desk = run_to_the_end(studio, {"epochs": 8})
    run, table = desk.current(), studio.data.table
    settings = Settings(preset="fast", epochs=8, members=1)
    alone = estimator(settings, table.target).fit(rows_of(table.inputs, table.train), studio.data.train.y)
    np.testing.assert_array_equal(studio.model.theta, alone.model_.theta)
    said = alone.predict(rows_of(table.inputs, table.test))
    rmse = float(np.sqrt(np.mean((said - studio.data.test.y) ** 2)))
    assert run.final == {"test_rmse": pytest.approx(rmse)} and len(run.records) == 8
    assert all("test_rmse" in record for record in run.records)
    found = do(studio, "train.reference")
    constant = float(np.sqrt(np.mean((studio.data.train.y.mean() - studio.data.test.y) ** 2)))
    assert found["rows"] == 24 and found["constant"] == pytest.approx(constant)
    assert found["linear"] < constant / 2
    # The Python that the page shows does the same.
    code = checked["code"]
    assert "preset='fast'" in code and "max_iter=8" in code and "n_members=1" in code
    names: dict[str, Any] = {}
    source = code.replace("'houses.csv'", repr(str(tmp_path / "houses.csv")))
    exec(
        source.replace("'model.safetensors'", repr(str(tmp_path / "m.safetensors"))).replace(
            '"model.safetensors"', repr(str(tmp_path / "m.safetensors"))
        ),
        names,
    )
    np.testing.assert_array_equal(names["model"].model_.theta, alone.model_.theta)


@pytest.mark.parametrize("samples", [None, 60])
def test_the_python_of_a_table_with_categories_like_numbers(
    studio: Studio, tmp_path: Path, samples: int | None
):
    """Of 4, 6, 8 and "rotary" the rows that are learned from have numbers alone."""
    random = np.random.default_rng(0)
    cells, price = random.choice(["4", "6", "8"], 120).astype(object), random.normal(100, 9, 120)
    key = upload(studio, tmp_path, "engines.csv", engines(cells, price))
    do(studio, "train.data", kind="files", uploads=[key])
    cells[studio.data.table.test[0]] = "rotary"
    key = upload(studio, tmp_path, "engines.csv", engines(cells, price))
    do(studio, "train.data", kind="files", uploads=[key])
    assert "rotary" not in cells[studio.data.table.train] and "rotary" in cells
    form = {"epochs": 2, "samples": samples}
    code = do(studio, "train.check", form=form)["code"]
    run_to_the_end(studio, form)
    names: dict[str, Any] = {}
    code = code.replace("'engines.csv'", repr(str(tmp_path / "engines.csv")))
    exec(code.replace('"model.safetensors"', repr(str(tmp_path / "m.safetensors"))), names)
    model = names["model"]
    assert [each.kind for each in model.preprocessor_.learned_] == ["category", "number"]
    np.testing.assert_array_equal(model.model_.theta, studio.model.theta)


def engines(cells: Sequence[str], price: Sequence[float]) -> bytes:
    rows = [f"{cell},{k % 7},{value:.1f}" for k, (cell, value) in enumerate(zip(cells, price, strict=True))]
    return "\n".join(["cylinders,size,price", *rows, ""]).encode()


@pytest.mark.parametrize(("preset", "rows"), [("tabm", 120), ("fast", 1900)])
def test_only_a_preset_that_averages_networks_is_asked_for_one(
    studio: Studio, tmp_path: Path, preset: str, rows: int
):
    """TabM's members are of one network, and of many rows the preset trains one by itself."""
    key = upload(studio, tmp_path, "houses.csv", houses(rows).encode())
    do(studio, "train.data", kind="files", uploads=[key])
    assert "n_members" not in do(studio, "train.check", form={"preset": preset, "epochs": 1})["code"]


def visits(persons: int = 60, each: int = 5) -> str:
    """A panel: the cost is of the person, whom the columns tell apart; `copy` is the cost again."""
    random = np.random.default_rng(0)
    own, rows = random.normal(0, 1, (persons, 3)), []
    for k in np.repeat(np.arange(persons), each).tolist():
        cost = own[k, 2] + random.normal(0, 0.1)
        rows.append(f"p{k},{own[k, 0]:.3f},{own[k, 1]:.3f},{cost:.3f},{cost + 0.001:.4f}")
    return "\n".join(["person,age,size,copy,cost", *rows, ""])


def test_a_table_whose_fit_notices_something_is_divided_as_the_form_says(studio: Studio, tmp_path: Path):
    """What is noticed has a change of the form that heeds it; and what is left out can be chosen again."""
    key = upload(studio, tmp_path, "visits.csv", visits().encode())
    do(studio, "train.data", kind="files", uploads=[key])
    whole, options = studio.data, do(studio, "train.options")
    assert options["columns"] == ["person", "age", "size", "copy"]
    ties = {one["name"]: one["is_column"] for one in options["fields"] if one["of_table"]}
    assert ties == {"groups": True, "time": True, "gap": False, "exclude_columns": False}
    first = do(studio, "train.check", form={"epochs": 2})["notices"]
    assert [each["change"] for each in first] == [{"exclude_columns": "copy"}, {"groups": "person"}]
    assert first[0]["said"]["en"].endswith("leave 'copy' out.") and "請略過" in first[0]["said"]["zh"]
    form = {"epochs": 2} | first[0]["change"]
    second = do(studio, "train.check", form=form)
    assert {"groups": "person"} in [each["change"] for each in second["notices"]]
    form |= {"groups": "person"}
    assert not {"groups", "target"} & {one["what"] for one in do(studio, "train.check", form=form)["notices"]}
    run_to_the_end(studio, form)
    table = studio.data.table
    assert list(table.inputs) == ["age", "size"] and {"age", "size"} == set(table.blocks)
    held, learned = (set(np.asarray(table.tied.groups)[rows]) for rows in (table.test, table.train))
    assert len(held) == 12 and not held & learned
    assert do(studio, "train.reference")["rows"] == len(table.test)
    code = do(studio, "train.check", form=form)["code"].replace(
        "'visits.csv'", repr(str(tmp_path / "visits.csv"))
    )
    names: dict[str, Any] = {}
    exec(code.replace('"model.safetensors"', repr(str(tmp_path / "m.safetensors"))), names)
    np.testing.assert_array_equal(names["model"].model_.theta, studio.model.theta)
    assert do(studio, "train.options")["columns"] == ["person", "age", "size", "copy"]
    run_to_the_end(studio, {"epochs": 1})
    np.testing.assert_array_equal(studio.data.table.test, whole.table.test)
    assert list(studio.data.table.inputs) == list(whole.table.inputs)
    for bad, says in (
        ({"groups": "persn"}, "did you mean 'person'"),
        ({"gap": "3"}, "gap lies between times"),
        ({"exclude_columns": "person,age,size,copy"}, "is the only column that is left"),
        ({"preset": "none", "groups": "person"}, "groups is for a table that a preset trains"),
    ):
        with pytest.raises(ChainruleError, match=says):
            do(studio, "train.check", form=bad)


def test_a_table_with_layers_of_ones_own(studio: Studio, tmp_path: Path):
    key = upload(studio, tmp_path, "houses.csv", houses().encode())
    do(studio, "train.data", kind="files", uploads=[key])
    form = {"preset": "none", "layers": [{"kind": "dense", "units": 5}, {"kind": "tanh"}]}
    checked = do(studio, "train.check", form=form)
    assert [link["width"] for link in checked["links"] if link["kind"] == "dense"] == [5, 1]
    assert (
        checked["epochs"] == 60 and checked["schedule"] == "one_cycle"
    )  # as the command has a plain network
    state = do(run_to_the_end(studio, form | {"epochs": 2}).studio, "train.state")
    assert state["state"] == "done" and {"val_rmse", "test_rmse"} <= state["records"][-1].keys()
    for bad, says in (
        ({"preset": "best"}, "trains one network"),
        ({"members": 3}, "trains one network"),
        ({"l2": 0.1}, "a preset does not support l2"),
        ({"lr": 0.1}, "name one with optimizer"),
        ({"preset": "slow"}, "preset"),
    ):
        with pytest.raises(ChainruleError, match=says):
            do(studio, "train.check", form=bad)


def test_cells_of_a_table_are_as_they_stand_in_it(studio: Studio, tmp_path: Path):
    key = upload(studio, tmp_path, "houses.csv", houses().encode())
    do(studio, "train.data", kind="files", uploads=[key])
    size, town = do(studio, "data.get")["data"]["columns"]
    assert (size["name"], size["categories"], size["whole"]) == ("size", None, False)
    assert 30 <= size["low"] < size["high"] <= 200 and sorted(town["categories"]) == ["a", "b", "c"]
    lines, places = houses().splitlines()[1:], studio.data.table.test
    found = do(studio, "data.samples", rows=[0, 5, 7])
    for row, cells, y in zip((0, 5, 7), found["cells"], found["y"], strict=True):
        assert [*cells, f"{y:.0f}"] == lines[places[row]].split(",")
    for row, cells in enumerate(found["cells"]):
        given = dict(zip(("size", "town"), cells, strict=True))
        np.testing.assert_array_equal(do(studio, "table.inputs", cells=given)["x"], found["X"][row])
    for cells, says in (
        ({"size": "large"}, "size must be a number, not 'large'"),
        ({"size": []}, "size must be"),
    ):
        with pytest.raises(ChainruleError, match=says):
            do(studio, "table.inputs", cells=cells)


def test_an_npz_of_numbers_is_a_regression(studio: Studio, tmp_path: Path):
    X = np.random.default_rng(0).normal(size=(80, 3))
    key = upload(studio, tmp_path, "prices.npz", npz(X=X, y=1000 + 50 * X.sum(1)))
    do(studio, "train.data", kind="files", uploads=[key])
    state = do(run_to_the_end(studio, {"epochs": 3, "batch_size": 16}).studio, "train.state")
    assert state["state"] == "done" and state["confusion"] is None
    assert np.isnan(state["curve"][:, 2]).all() and "val_rmse" in state["records"][-1]
    assert studio.model.target_scale is not None


def test_an_idx_folder_in_four_files(studio: Studio, tmp_path: Path):
    rng = np.random.default_rng(0)
    keys = []
    for part, n in (("train", 40), ("t10k", 10)):
        keys.append(
            upload(studio, tmp_path, f"{part}-images-idx3-ubyte.gz", idx(rng.integers(0, 255, (n, 5, 4))))
        )
        keys.append(upload(studio, tmp_path, f"{part}-labels-idx1-ubyte.gz", idx(np.arange(n) % 3)))
    found = do(studio, "train.data", kind="files", uploads=keys)
    assert found == {"name": "IDX", "samples": 40, "features": 20}
    assert run_to_the_end(studio, {"epochs": 1}).current().phase == "done"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"x\n1\n"),
        ("a.csv", b"x,y\n1,2\n3\n"),
        ("a.csv", b"x,y\nred,1\n"),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.csv.gz", b"\x1f\x8b\x08"),
        ("a.parquet", b"PAR1"),
        ("a.arrow", b"ARROW1 and no more"),
        ("a.npz", b"PK\x03\x04 and no more"),
        ("a.npz", npz(A=np.zeros(3))),
        ("a.npz", npz(X=np.zeros((3, 2)), y=np.zeros(4))),
        ("a.npz", npz(X=np.array([{}], object), y=np.zeros(1))),
        ("a.exe", b"MZ"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03"),
    ],
)
def test_broken_files_are_refused_and_the_data_stay(
    studio: Studio, tmp_path: Path, name: str, content: bytes
):
    before = studio.data
    key = upload(studio, tmp_path, name, content)
    with pytest.raises(ChainruleError) as caught:
        do(studio, "train.data", kind="files", uploads=[key])
    assert "chainrule-" not in str(caught.value) and key not in str(caught.value)
    assert studio.data is before


def test_values_that_cannot_be_trained_on_are_refused_at_the_start(studio: Studio, tmp_path: Path):
    X = np.ones((20, 2))
    X[3, 1] = np.nan
    key = upload(studio, tmp_path, "holes.npz", npz(X=X, y=np.arange(20) % 2))
    do(studio, "train.data", kind="files", uploads=[key])
    with pytest.raises(ChainruleError, match="contains nan"):
        do(studio, "train.start", form={"epochs": 1})


@pytest.mark.parametrize("points", [[], [[0.0, 1.0, 0.0]] * 9, [[0.0, 1.0]] * 9, [[0.0, 0.0, 1.0]] * 3000])
def test_points_that_are_no_data(studio: Studio, points: list[list[float]]):
    with pytest.raises(ChainruleError, match="points"):
        do(studio, "train.data", kind="points", points=points)


def test_an_upload_that_is_gone(studio: Studio):
    for uploads, says in (
        ([], "no longer exists"),
        (["9-gone.csv"], "no longer exists"),
        (["1-a.csv"] * 5, "at most 4 files, not 5"),
    ):
        with pytest.raises(ChainruleError, match=says):
            do(studio, "train.data", kind="files", uploads=uploads)


def test_nothing_begins_while_data_are_read(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every page is told their name; what would train on the data before is refused until they are there."""
    page, read, begun = Listener(), threading.Event(), threading.Event()
    studio.tabs.add(page)

    def slowly(found: Studio, names: list[str]) -> Data:
        begun.set()
        assert read.wait(30)
        return of_uploads(found, names)

    of_uploads = commands.of_uploads
    monkeypatch.setattr(commands, "of_uploads", slowly)
    key = upload(studio, tmp_path, "table.csv", b"one,y\n" + b"1,0\n2,1\n" * 10)
    asked = threading.Thread(
        target=do, args=(studio, "train.data"), kwargs={"kind": "files", "uploads": [key]}
    )
    asked.start()
    assert begun.wait(30)
    try:
        assert do(studio, "train.state")["reading"] == "table.csv"
        for name in ("train.start", "train.step", "train.rewind"):
            with pytest.raises(ChainruleError, match=r"table\.csv is being read; train when it is loaded\."):
                do(studio, name, form=SMALL)
        assert do(studio, "train.state")["state"] == "none"
    finally:
        read.set()
        asked.join()
    assert page.of("train.reading") == [{"name": "table.csv"}, {"name": None}]
    assert studio.data.name == "table" and do(studio, "train.state")["reading"] is None
    with pytest.raises(ChainruleError, match="no longer exists"):
        do(studio, "train.data", kind="files", uploads=["9-gone.csv"])
    assert do(studio, "train.state")["reading"] is None


@pytest.mark.parametrize(
    "is_table", [pytest.param(False, id="array", marks=pytest.mark.slow), pytest.param(True, id="table")]
)
def test_an_ended_run_leaves_with_the_next_one(studio: Studio, tmp_path: Path, is_table: bool):
    """It is in no cycle of references, which only a full collection would find: a run holds a network and its data."""
    form = {"epochs": 2} if is_table else SMALL | {"epochs": 1, "samples": 200}
    if is_table:
        key = upload(studio, tmp_path, "houses.csv", houses().encode())
        do(studio, "train.data", kind="files", uploads=[key])
    run_to_the_end(studio, form)
    gc.collect()
    gc.disable()
    try:
        ended = weakref.ref(run_to_the_end(studio, form).current())
        left = weakref.ref(ended().model)
        ended().thread.join()
        run_to_the_end(studio, form)
        assert ended() is None and left() is None
    finally:
        gc.enable()


# --- the model's file


def test_the_file_is_the_run_and_what_is_on_show(studio: Studio, tmp_path: Path):
    run = run_to_the_end(studio, SMALL).current()
    do(studio, "train.show", at=0)
    for query, wanted in (({"of": "run"}, run.model.theta), ({}, studio.model.theta)):
        content, kind = DOWNLOADS["model.safetensors"](studio, query)
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        found = load(path)
        np.testing.assert_array_equal(found.theta, wanted)
        assert kind == "application/octet-stream" and found.labels == list(range(10))
    assert found.network.layers[1:3] == (Dense(16), ReLU())


def test_layers_of_the_form_are_those_of_the_library(studio: Studio):
    layers = [
        {"kind": "dense", "units": 6},
        {"kind": "batch_norm"},
        {"kind": "leaky_relu", "slope": 0.3},
        {"kind": "dropout", "rate": 0.1},
        {"kind": "residual", "layers": [{"kind": "dense", "units": 6}]},
    ]
    do(studio, "train.rewind", form={"layers": layers})
    found = studio.model.network.layers
    wanted = (Dense(6), BatchNorm(), LeakyReLU(0.3), Dropout(0.1), Residual([Dense(6)]))
    assert found[1:-1] == wanted
