"""The training of the plane's network in a thread, with pauses, single steps and progress events."""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import ENGINES
from chainrule.errors import ChainruleError, ConfigError
from chainrule.model import Model
from chainrule.recipe.data import from_arrays
from chainrule.studio.screens.model import described
from chainrule.studio.screens.plane.network import (
    EDGE,
    PlaneSettings,
    data_of,
    network_of,
    optimizer_of,
    python,
)
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio
from chainrule.trained.evaluation import evaluate
from chainrule.trained.persistence import named_tensors
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

FRAME_SECONDS = 1 / 30
"""The minimum time between two frames."""
MAX_EPOCHS = 100_000
MAX_RECORDS = 600
"""The maximum epochs in the curve; beyond them every other one is dropped."""
COLUMNS = ("epoch", "loss", "val_loss", "accuracy", "val_accuracy")

Tell = Callable[[str, dict[str, Any]], None]


class PlaneRun(Callback):
    """One network and its points; one call of `Model.fit` trains it, with any number of pauses."""

    every_steps = 1

    def __init__(self, settings: PlaneSettings, number: int, tell: Tell) -> None:
        """Build the network. tell: called with the name of an event and its data, from the training thread."""
        self.settings, self.number, self.tell = settings, number, tell
        self.points = data_of(settings)
        self.model = Model(network_of(settings, self.points.y), seed=settings.seed)
        self.changed = threading.Condition()
        """guards the attributes below; notified when a page requests something, and when a frame was sent"""
        self.goal = 0.0
        """the step up to which the thread trains before it pauses"""
        self.pace = 0.0
        """minimum seconds per epoch"""
        self.is_ended, self.error = False, ""
        self.thread: threading.Thread | None = None
        self.records: list[tuple[float, ...]] = [self._at_start()]
        self.place = (0, 0)
        """completed epochs and steps"""
        self.snapshot: tuple[NDArray[Any], dict[str, Any]] = (self.model.theta.copy(), self.model.states)
        self.sent, self.due = 0.0, 0.0

    def _at_start(self) -> tuple[float, ...]:
        """Return the record of the untrained network."""
        found = []
        for X, y in ((self.points.X, self.points.y), (self.points.X_test, self.points.y_test)):
            names = () if self.settings.is_regression else ("accuracy",)
            if not len(X):
                found.append({"loss": math.nan, "accuracy": math.nan})
                continue
            samples = self.model.check_samples(X, y)
            engine = ENGINES["reference"]
            found.append(
                evaluate(self.model.network, engine, self.model.theta, self.model.states, samples, names)
            )
        accuracies = (part.get("accuracy", math.nan) for part in found)
        return (0.0, *(part["loss"] for part in found), *accuracies)

    # --- what a page asks for ----------------------------------------------------------------------------------------

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch."""
        n = len(self.points.X)
        return -(-n // min(n, self.settings.batch))

    @property
    def is_running(self) -> bool:
        """Whether the thread is training rather than paused."""
        return self.place[1] < self.goal and not self.is_ended and not self.error

    def go(self, epochs: int | None, pace: float) -> None:
        """Continue training for some epochs or without end.  pace: minimum seconds per epoch."""
        with self.changed:
            steps = math.inf if epochs is None else epochs * self.steps_per_epoch
            self.goal, self.pace = self.place[1] + steps, pace
        self._wake()

    def step(self, steps: int) -> None:
        """Train for some steps, then pause."""
        with self.changed:
            self.goal, self.pace = float(self.place[1] + steps), 0.0
        self._wake()

    def pause(self) -> None:
        """Pause after the current step."""
        with self.changed:
            self.goal = min(self.goal, float(self.place[1] + 1))
            self.changed.notify_all()

    def stop(self, wait: float = 0.0) -> None:
        """Stop the thread. wait: seconds to wait for its end."""
        with self.changed:
            self.is_ended = True
            self.changed.notify_all()
        if wait and self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(wait)

    def _wake(self) -> None:
        with self.changed:
            if self.thread is None and not self.is_ended:
                self.thread = threading.Thread(target=self._train, name="plane", daemon=True)
                self.thread.start()
            self.changed.notify_all()

    def _train(self) -> None:
        points, settings = self.points, self.settings
        try:
            self.model.fit(
                points.X,
                points.y,
                epochs=MAX_EPOCHS,
                batch_size=settings.batch,
                optimizer=optimizer_of(settings),
                validation_data=(points.X_test, points.y_test) if len(points.X_test) else None,
                metrics=None if settings.is_regression else ["accuracy"],
                callbacks=[self],
            )
        except ChainruleError as error:
            self.error = str(error)
            self.tell("plane.failed", {"id": self.number, "error": self.error})

    # --- the callback ------------------------------------------------------------------------------------------------

    def on_train_begin(self, run: Run) -> None:
        """Start measuring the time."""
        self.due = time.monotonic()

    def on_steps(self, run: Run) -> None:
        """Record, report and pause after a step within an epoch."""
        self._after(run)

    def on_epoch_end(self, run: Run) -> None:
        """Store the record of the epoch, and do the same."""
        loss, accuracy = run.logs["loss"], run.logs.get("accuracy", math.nan)
        val_loss, val_accuracy = (run.logs.get(name, math.nan) for name in ("val_loss", "val_accuracy"))
        with self.changed:
            self.records.append((float(run.epoch), loss, val_loss, accuracy, val_accuracy))
            if len(self.records) > MAX_RECORDS:
                self.records = [*self.records[:-1:2], self.records[-1]]
        self._after(run)

    def _after(self, run: Run) -> None:
        with self.changed:
            self.place = (run.epoch, run.step)
            self.due += self.pace / self.steps_per_epoch
            now = time.monotonic()
            if self.due < now - 0.2:  # late: it does not catch up
                self.due = now
            while not self.is_ended and (self.place[1] >= self.goal or now < self.due):
                if self.place[1] >= self.goal:
                    self._tell(run)
                    self.changed.wait_for(lambda: self.is_ended or self.place[1] < self.goal)
                    self.due = time.monotonic()
                else:
                    self.changed.wait(self.due - now)
                now = time.monotonic()
            if self.is_ended:
                run.stop("ended")
                return
            if now - self.sent >= FRAME_SECONDS:
                self._tell(run)

    def _tell(self, run: Run) -> None:
        self.snapshot = (run.theta.copy(), dict(run.states))
        self.sent = time.monotonic()
        self.tell("plane.frame", self.frame())
        self.changed.notify_all()

    # --- what a page sees --------------------------------------------------------------------------------------------

    def frame(self) -> dict[str, Any]:
        """Return the progress, and all parameters of the network in one array (see `slots`)."""
        with self.changed:
            theta, states = self.snapshot
            epoch, step = self.place
            tensors = named_tensors(self.model.network, theta, states)
            return {
                "id": self.number,
                "epoch": epoch,
                "step": step,
                "running": self.is_running,
                "record": list(self.records[-1]),
                "numbers": np.concatenate([np.ravel(value) for value in tensors.values()], dtype=np.float32),
            }

    def slots(self) -> list[tuple[str, int, tuple[int, ...]]]:
        """Return the name, the start and the shape of each array in a frame's parameters."""
        tensors = named_tensors(self.model.network, self.model.theta, self.model.states)
        found, start = [], 0
        for name, value in tensors.items():
            found.append((name, start, np.shape(value)))
            start += int(np.size(value))
        return found

    def history(self) -> dict[str, NDArray[np.float32]]:
        """Return the curve as arrays by column."""
        with self.changed:
            table = np.array(self.records, np.float32)
        return {name: table[:, i] for i, name in enumerate(COLUMNS)}

    def trained(self) -> Model:
        """Return a copy of the model in the state of the last frame."""
        with self.changed:
            theta, states = self.snapshot
            model = copy.copy(self.model)
            model.take(theta.copy(), dict(states), self.place)
        return model


# --- the screen Plane: build a small network, train it on points of a plane, and pass it to the other screens --------

PACES = {"slow": 0.5, "normal": 1 / 30, "fast": 0.0}
"""The minimum seconds per epoch."""
MAX_STEPS = 10_000


def run_of(studio: Studio) -> PlaneRun:
    """Return the current network. Raises ConfigError without one."""
    run: PlaneRun | None = studio.runs.get("plane")
    if run is None:
        raise ConfigError("there is no plane network yet; build one.")
    return run


def state(run: PlaneRun) -> dict[str, Any]:
    """Return everything that a page needs to know about a network."""
    settings = dataclasses.asdict(run.settings)
    points = run.points
    return {
        "settings": settings,
        "edge": EDGE,
        "classes": None if run.settings.is_regression else int(points.y.max()) + 1,
        "X": points.X,
        "y": points.y,
        "X_test": points.X_test,
        "y_test": points.y_test,
        "model": described(run.model, name_of(run)),
        "slots": run.slots(),
        "frame": run.frame(),
        "history": run.history(),
        "steps_per_epoch": run.steps_per_epoch,
        "code": python(run.settings, "EPOCHS"),
        "error": run.error or None,
    }


def name_of(run: PlaneRun) -> str:
    """moons 2-8-8-1"""
    widths = (2, *run.settings.layers, run.model.network.outputs)
    return f"{run.settings.kind} {'-'.join(map(str, widths))}"


@command("plane.build")
def build(studio: Studio, *, settings: PlaneSettings) -> dict[str, Any]:
    """Draw points and build a network; the previous one ends. Raises ConfigError or DataError."""
    run = studio.replace_run("plane", lambda number: PlaneRun(settings, number, studio.send))
    studio.send("plane.built", {"id": run.number})
    return state(run)


@command("plane.get", reads=True)
def get(studio: Studio) -> dict[str, Any]:
    """Return the current network; {"model": None} without one."""
    run = studio.runs.get("plane")
    return {"model": None} if run is None else state(run)


@command("plane.start")
def start(
    studio: Studio, *, epochs: int | None = None, pace: Literal["slow", "normal", "fast"] = "normal"
) -> dict[str, Any]:
    """Continue training, without end or for some epochs."""
    if epochs is not None and not 1 <= epochs <= MAX_STEPS:
        raise ConfigError(f"epochs must be from 1 to {MAX_STEPS}, or null for no end, not {epochs}.")
    run = run_of(studio)
    run.go(epochs, PACES[pace])
    return run.frame()


@command("plane.step")
def step(studio: Studio, *, steps: int = 1) -> dict[str, Any]:
    """Take some steps, then pause."""
    if not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"steps must be from 1 to {MAX_STEPS}, not {steps}.")
    run = run_of(studio)
    run.step(steps)
    return run.frame()


@command("plane.pause")
def pause(studio: Studio) -> dict[str, Any]:
    """Pause after the current step."""
    run = run_of(studio)
    run.pause()
    return run.frame()


@command("plane.show")
def show(studio: Studio) -> dict[str, Any]:
    """Show a copy of the network on all screens, with its points as the data."""
    run = run_of(studio)
    points = run.points
    test = (points.X_test, points.y_test) if len(points.X_test) else None
    name = name_of(run)
    studio.show_data(from_arrays(points.X, points.y, test=test, name=name))
    studio.show_model(run.trained(), name)
    return {"name": name}
