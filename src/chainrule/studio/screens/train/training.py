"""A training run in its own thread, its snapshots and curves, and what is measured in its network."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from chainrule.data.samples import Samples
from chainrule.engines import Engine
from chainrule.errors import ChainruleError, ConfigError
from chainrule.formulas.layers import Context, Link
from chainrule.formulas.metrics import confusion_matrix
from chainrule.inspection.flow.flow import Flow, measure, thinned
from chainrule.model import Model
from chainrule.network.answers import decide, task_of, true_labels
from chainrule.network.network import Network
from chainrule.recipe.data import Parts
from chainrule.studio.screens.train.form import Fresh
from chainrule.studio.screens.train.reference import TestRows
from chainrule.trained.evaluation import BATCH
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

MARKS = 48
"""The number of snapshots of a run, spaced evenly in the logarithm of the steps."""
MAX_BYTES = 128 << 20
"""The maximum size of all snapshots; with a large network some of the dense ones are dropped."""


class Snapshot(NamedTuple):
    """The parameters of a model after some steps."""

    step: int
    seen: int
    """samples that the run has trained on, with repetitions"""
    epoch: int
    """epochs completed"""
    theta: NDArray[Any]
    states: dict[str, Any]

    @property
    def size(self) -> int:
        """The size of the arrays in bytes."""
        return int(self.theta.nbytes) + sum(
            int(np.asarray(v).nbytes) for s in self.states.values() for v in s
        )


def marks(steps: int) -> list[int]:
    """Return the steps of a run at which snapshots are taken: 1, 2, 3, 5, ..., steps."""
    return sorted({int(step) for step in np.geomspace(1, max(1, steps), MARKS).round()})


def seen(run: Run) -> int:
    """Return the number of samples that a run has trained on."""
    n: int = run.samples.n
    return run.epoch * n + min(run.position * run.plan.batch_size, n)


def taken(run: Run) -> Snapshot:
    """Copy the current parameters of a run."""
    run.synchronize()
    found = run.snapshot()
    states = {name: type(s)(**found["states"][name]) for name, s in run.states.items()}
    return Snapshot(run.step, seen(run), run.epoch, found["theta"], states)


def model_of(model: Model, snapshot: Snapshot) -> Model:
    """Return a copy of a model in training with the parameters of a snapshot, sharing no arrays."""
    found = copy.copy(model)
    states = {name: type(s)(*(np.copy(v) for v in s)) for name, s in snapshot.states.items()}
    found.take(snapshot.theta.copy(), states, (snapshot.epoch, snapshot.step))
    return found


class Timeline(Callback):
    """A callback that takes a snapshot before the first step, at each of the marks, and at the end."""

    looks_inside = False  # it reads the parameters only when it takes a snapshot

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Start without snapshots."""
        self.max_bytes = max_bytes
        self.snapshots: list[Snapshot] = []
        self.fresh: list[tuple[int, int]] = []
        """step and samples seen of the snapshots that were not requested yet"""
        self.lock = threading.Lock()
        self.wanted: list[int] = []

    def on_train_begin(self, run: Run) -> None:
        """Take the first snapshot, and plan the others."""
        self.wanted = marks(run.epochs * run.steps_per_epoch)
        self.take(run)

    def on_steps(self, run: Run) -> None:
        """Take a snapshot at a mark."""
        if self.wanted and run.step >= self.wanted[0]:
            self.take(run)

    def on_epoch_end(self, run: Run) -> None:
        """Do the same after an epoch."""
        self.on_steps(run)

    def on_train_end(self, run: Run) -> None:
        """Take a snapshot if the run ended before a mark, or restored its best epoch."""
        if run.error is None and not np.array_equal(self.snapshots[-1].theta, run.theta):
            self.take(run)

    def take(self, run: Run) -> None:
        """Copy the parameters, drop a snapshot if there are too many, and set the next mark."""
        self.wanted = [step for step in self.wanted if step > run.step]
        self.every_steps = self.wanted[0] if self.wanted else None  # its next multiple
        snapshot = taken(run)
        with self.lock:
            self.snapshots.append(snapshot)
            self.fresh.append((snapshot.step, snapshot.seen))
            while (
                len(self.snapshots) > 3 and sum(each.size for each in self.snapshots) > self.max_bytes
            ):  # the one whose neighbors are closest in the logarithm
                at = [np.log(each.seen + 1.0) for each in self.snapshots]
                gaps = [at[i + 1] - at[i - 1] for i in range(1, len(at) - 1)]
                del self.snapshots[1 + int(np.argmin(gaps))]

    def news(self) -> list[tuple[int, int]]:
        """Return the step and the samples seen of each snapshot since the last call."""
        with self.lock:
            fresh, self.fresh = self.fresh, []
            return fresh

    def __getitem__(self, i: int) -> Snapshot:
        """Return a snapshot. Raises ConfigError."""
        with self.lock:
            if not 0 <= i < len(self.snapshots):
                raise ConfigError(f"there are {len(self.snapshots)} snapshots, and none is number {i}.")
            return self.snapshots[i]

    def listed(self) -> dict[str, Any]:
        """Return the steps and the samples seen of all snapshots."""
        with self.lock:
            return {
                "step": [each.step for each in self.snapshots],
                "seen": [each.seen for each in self.snapshots],
            }


# --- A training run in its own thread, its curves, and what is measured in its network: activations, gradients, hints

GRADIENT_SAMPLES = 64
"""The number of samples for gradients."""
MAX_VALUES = 2560
"""The maximum activations in a frame, as float16: 5 kB."""
MAX_ROWS = 16
"""The maximum layers in a frame."""
SHARE = 0.01
"""The maximum fraction of the time for measurements."""
SECONDS = 0.5
"""The minimum time between two measurements."""
JUDGED = 2000
"""The number of samples of the confusion matrix after an epoch."""
EVALUATED = 5000
"""The maximum samples on which the trained model is evaluated in the end."""


class ShownLink(NamedTuple):
    """A link whose first neurons are in a frame."""

    name: str
    kind: str
    width: int
    shown: int


def layout(network: Network) -> list[ShownLink]:
    """Choose the links whose activations are shown, including the output, and the number of neurons of each."""
    links = [link for link in network.links if not link.layer.is_identity or link is network.links[-1]]
    links = [link for link in links if link.layer.kind not in ("rescale", "standardize", "dropout")]
    links = links[-MAX_ROWS:]
    most = max(1, MAX_VALUES // len(links))
    return [ShownLink(link.name, link.layer.kind, link.fan_out, min(link.fan_out, most)) for link in links]


def activations(
    network: Network, theta: NDArray[Any], states: Any, x: NDArray[Any], wanted: Sequence[ShownLink]
) -> NDArray[np.float16]:
    """Return the outputs of the links of a layout for one sample x (inputs,), concatenated."""
    found: dict[str, NDArray[Any]] = {}

    def watch(walk: str, link: Link, value: NDArray[Any]) -> None:
        found[link.name] = value[0]

    with np.errstate(all="ignore"):
        a = np.asarray(x, theta.dtype).reshape(1, -1)
        network.predict(network.unflatten(theta), a, Context(states=states, watch=watch))
        return np.concatenate([found[link.name][: link.shown] for link in wanted]).astype(np.float16)


def flow_of(run: Run) -> Flow:
    """Measure the gradients of a run on a few of its samples, as in its next step."""
    few = thinned(run.samples.first(), GRADIENT_SAMPLES)
    session = run.session
    return measure(run.plan, session.theta, session.states, few, session.step_offset + run.step + 1)


def rows_of(flow: Flow) -> dict[str, Any]:
    """Return the names of the layers, and their measurements as arrays; NaN for missing values."""
    rows = flow.layers[-MAX_ROWS:]

    def column(values: Sequence[float | None]) -> NDArray[np.float32]:
        return np.array([np.nan if value is None else value for value in values], np.float32)

    return {
        "layers": [row.layer for row in rows],
        "gradient": column([row.gradient_rms for row in rows]),
        "weight": column([row.weight_rms for row in rows]),
        "dead": column([None if row.dead is None else row.dead / row.width for row in rows]),
        "saturated": column([row.saturated for row in rows]),
    }


# --- hints


def hints_of_flow(flow: Flow) -> list[dict[str, Any]]:
    """Return the problems of the gradient flow, as codes with the worst layer."""
    found = []
    for each in flow.diagnoses:
        share = {"dead": (each.worst.dead or 0) / each.worst.width, "saturated": each.worst.saturated or 0.0}
        found.append(
            {
                "code": each.kind.replace(" ", "_"),
                "layer": each.worst.layer,
                "value": share.get(each.kind, each.worst.delta_ratio),
            }
        )
    return found


def is_rising(losses: Sequence[float], window: int = 8) -> bool:
    """Return whether the loss of the last points is well above the earlier ones, by more than it varies among them."""
    if len(losses) < 2 * window:
        return False
    values = np.asarray(losses, np.float64)
    means = np.convolve(values, np.ones(window) / window, "valid")
    margin = 3 * values[-window:].std(ddof=1) / math.sqrt(window)
    return bool(means[-1] - margin > 1.3 * means[:-window].min() + 1e-6)


def is_overfitting(records: Sequence[dict[str, float]]) -> bool:
    """Return whether the validation loss has risen for two epochs while the training loss fell."""
    values = [record.get("val_loss") for record in records]
    if len(values) < 4 or any(value is None for value in values):
        return False
    best = int(np.argmin(np.array(values, np.float64)))
    is_worse = float(values[-1] or 0) > 1.02 * float(values[best] or 0)
    return is_worse and best <= len(values) - 3 and records[-1]["loss"] < records[best]["loss"]


def hints_of_loss(losses: Sequence[float], records: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
    """Return hints from the curves: a rising loss, and overfitting."""
    found: list[dict[str, Any]] = []
    if is_rising(losses):
        found.append({"code": "rising"})
    if is_overfitting(records):
        found.append({"code": "overfitting"})
    return found


# --- the confusion matrix


def confusion_of(
    network: Network, engine: Engine, theta: NDArray[Any], states: Any, samples: Samples
) -> NDArray[np.int32] | None:
    """Count (class, answer) of samples as (classes, classes); None for samples without a single class."""
    task = task_of(network.loss, network.outputs)
    if task not in ("binary", "multiclass"):
        return None
    answers = decide(network.loss, engine.predict(network, theta, states, samples.X, BATCH))
    counts = confusion_matrix(true_labels(task, samples.y), answers, max(network.outputs, 2))
    return counts.astype(np.int32)


class Looks:
    """The latest measurements of a run, and the time of the next ones."""

    def __init__(self, network: Network, judged: Samples, pinned: NDArray[Any] | None) -> None:
        """judged: samples of the confusion matrix.  pinned: the sample (inputs,) whose activations are shown."""
        self.network, self.layout = network, layout(network)
        self.judged = thinned(judged, JUDGED)
        first = judged.X[0]
        first = np.asarray(first.toarray()[0] if hasattr(first, "toarray") else first, np.float64)
        self.pinned = first if pinned is None or pinned.shape != first.shape else pinned
        self.found: dict[str, Any] | None = None
        self.confusion: NDArray[np.int32] | None = None
        self.kept: dict[str, float | None] = {}
        """the loss and the metric of the trained model, named as in the records; empty before it is evaluated"""
        self.hints: list[dict[str, Any]] = []
        self.blas = ThreadpoolController().select(user_api="blas")
        self.at = self.cost = 0.0
        """the time of the last measurement, and its duration in seconds"""

    def is_due(self, now: float) -> bool:
        """Return whether another measurement is due."""
        return now - self.at > max(SECONDS, self.cost / SHARE)

    def look(self, run: Run, losses: Sequence[float], records: Sequence[dict[str, float]]) -> None:
        """Measure the gradients of a few samples and the activations of the pinned one, and derive hints.

        The products use one thread: those of OpenBLAS spin for some 25 ms after each, on the cores of the training.
        """
        start = time.perf_counter()
        session = run.session
        session.synchronize()
        with self.blas.limit(limits=1):
            flow = flow_of(run)
            a = activations(self.network, session.theta, session.states, self.pinned, self.layout)
        self.found = rows_of(flow) | {"step": run.step, "activations": a}
        self.hints = [*hints_of_loss(losses, records), *hints_of_flow(flow)]
        self.at = time.perf_counter()
        self.cost = self.at - start

    def evaluate(
        self, model: Model, parts: Parts, records: Sequence[dict[str, float]], is_refit: bool
    ) -> None:
        """Measure a trained model, which need not be that of the last epoch, as its records and the matrix do.

        is_refit: whether it was trained on the validation samples too, which then say nothing about it.
        """
        last = records[-1] if records else {}
        for prefix, samples in (("", parts.train), ("val_", parts.watched)):
            names = [name for name in ("accuracy", "rmse") if prefix + name in last]
            if f"{prefix}loss" in last:
                found = model.evaluate(thinned(samples, EVALUATED), metrics=names)
                self.kept |= {prefix + k: None if prefix and is_refit else v for k, v in found.items()}
        if self.confusion is not None:
            self.confusion = model.confusion_matrix(self.judged).astype(np.int32)

    def judge(self, run: Run) -> None:
        """Compute the confusion matrix."""
        session = run.session
        session.synchronize()
        self.confusion = confusion_of(self.network, run.engine, session.theta, session.states, self.judged)


# --- curves: loss and accuracy at steps that depend only on the settings, and the current position

POINTS = 256
"""The minimum points of a run's curves, at most twice as many: each is the mean over the steps since the previous."""
TAIL = 32
"""The minimum points in a frame, so that a page may miss one; if it missed more, it requests them."""
SPEED_SECONDS, FIRST_SECONDS = 0.4, 0.05
"""The interval over which the speed is measured, and the first one, during which a run reports after each step."""
Sums = tuple[float, float, float]
"""Sums over the current epoch: the losses, the weights, and the correct samples."""
NOTHING: Sums = (0.0, 0.0, 0.0)


class Curves:
    """The points of a run's curves, its position and its speed."""

    def __init__(self, steps: int, has_accuracy: bool) -> None:
        """steps: the number of steps of the whole run."""
        self.grid = 1 << max(0, (steps // POINTS).bit_length() - 1)
        """a point after each multiple of this power of two, and after each epoch"""
        self.has_accuracy = has_accuracy
        self.points: list[tuple[float, float, float]] = []
        """samples seen, loss, accuracy; NaN for missing values"""
        self.position: dict[str, Any] = {"step": 0, "seen": 0, "epoch": 0, "rate": 0.0} | {
            "loss": None,
            "accuracy": None,
        }
        self.speed = {"samples": 0.0, "steps": 0.0}
        """per second"""
        self.before = self.last = NOTHING
        """the sums of the epoch at the last point, and at the last call"""
        self.begin()

    def note(self, run: Run, ends: bool = False) -> None:
        """Record the position of the run, and add a point if one is due. ends: whether an epoch ends."""
        total, weight, correct = run.session.sums[:3]
        sums = float(total), float(weight), float(correct)
        loss, accuracy = self.means(sums, self.last)
        self.position = {
            "step": run.step,
            "seen": seen(run),
            "epoch": run.epoch,
            "rate": run.rate,
            "loss": loss,
            "accuracy": accuracy,
        }
        self.last = NOTHING if ends else sums
        if ends or run.step % self.grid == 0:
            point = self.means(sums, self.before)
            self.before = self.last
            mean, share = (math.nan if value is None else value for value in point)
            self.points.append((float(seen(run)), mean, share))

    def means(self, sums: Sums, before: Sums) -> tuple[float | None, float | None]:
        """Return the mean loss and accuracy between two sums; None if there is none."""
        weight = sums[1] - before[1]
        if weight <= 0:
            return None, None
        return (sums[0] - before[0]) / weight, (sums[2] - before[2]) / weight if self.has_accuracy else None

    def begin(self) -> None:
        """Start measuring the speed."""
        self.measured = (time.perf_counter(), self.position["step"], self.position["seen"])

    def measure(self) -> None:
        """Measure the speed if due."""
        start, step, samples = self.measured
        elapsed = time.perf_counter() - start
        if elapsed > (SPEED_SECONDS if self.speed["steps"] else FIRST_SECONDS):
            self.speed = {
                "samples": (self.position["seen"] - samples) / elapsed,
                "steps": (self.position["step"] - step) / elapsed,
            }
            self.begin()

    def array(self, start: int = 0) -> NDArray[np.float32]:
        """Return the points from an index on as (points, 3)."""
        return np.asarray(self.points[start:], np.float32).reshape(-1, 3)


# --- the run in its own thread, which pages start, pause, step and stop, and its events for them

Phase = Literal["ready", "running", "paused", "done", "stopped", "failed"]
PER_SECOND, PER_SECOND_HIDDEN = 10, 1
"""Frames per second while a page is visible, which draws each as several pictures, and while none is."""
NUMBERS_SECONDS = 0.25
"""The minimum time between two frames without new points of a curve."""
SHOW_SECONDS, EPOCH_SECONDS = 2.0, 0.5
"""The minimum time between two shown models, and between two confusion matrices."""
ON_REQUEST = "stopped on request"


class Training(Callback):
    """A run of `Model.fit` in a thread: it is a callback of the run, and waits while that is paused.

    tell: called with an event and its data.  show: called with a copy of the model, to show it.
    """

    looks_inside = False  # it reads the parameters itself when it needs them

    def __init__(
        self,
        prepared: Fresh,
        tell: Callable[[str, dict[str, Any]], Any],
        show: Callable[[Model, Snapshot], Any],
        pace: Callable[[], float | None] = lambda: PER_SECOND,
        pinned: NDArray[Any] | None = None,
    ) -> None:
        """Create it. pace: returns the number of frames per second, None for none.  pinned: a sample (inputs,)."""
        self.prepared, self.tell, self.show, self.wanted_pace = prepared, tell, show, pace
        plan, samples = prepared.plan, prepared.parts.train
        self.model, self.settings = prepared.model, plan.settings
        self.phase: Phase = "ready"
        self.error = ""
        self.batch = min(plan.settings.batch_size or 1, samples.n)
        self.epochs = plan.settings.epochs or 1
        self.steps_per_epoch = -(-samples.n // self.batch)
        self.samples = samples.n
        classes = plan.network.loss.targets in ("classes", "binary")
        self.curves = Curves(self.steps_per_epoch * self.epochs, classes)
        self.looks = Looks(plan.network, prepared.parts.judged, pinned)
        self.timeline = Timeline()
        self.judge = TestRows.of_table(plan.data)
        self.final: dict[str, float] = {}
        """the metric of the kept model on a table's test rows"""
        self.records: list[dict[str, float]] = []
        self.condition = threading.Condition()
        self.left: int | None = None
        """the steps to take before the run pauses; None without a limit"""
        self.ending = False
        self.thread: threading.Thread | None = None
        self.last_shown: Model | None = None
        self.every_steps = 1
        self.next_frame = self.at_frame = self.at_show = self.at_epoch = 0.0
        self.sent = 0
        """points of the curves at the last frame"""
        self.told = 0
        """records that were sent to the pages"""

    # --- asked for by pages --------------------------------------------------------------------------------------

    def start(
        self, then: Callable[[Training], Any] = lambda training: None, *, steps: int | None = None
    ) -> None:
        """Start training. steps: pause after this many.  then: called in the run's thread when it has ended."""
        self.left = steps
        self.phase = "running"
        self.thread = threading.Thread(target=self.train, args=(then,), name="training", daemon=True)
        self.thread.start()

    def pause(self) -> None:
        """Pause the run after its current call of the engine."""
        with self.condition:
            self.left = 0

    def go_on(self) -> None:
        """Continue a paused run."""
        with self.condition:
            self.left = None
            self.condition.notify_all()

    def step(self) -> None:
        """Take one step of a paused run."""
        with self.condition:
            self.left = 1
            self.condition.notify_all()

    def stop(self, seconds: float | None = None) -> None:
        """Stop the run, and wait until it has ended, at most some seconds."""
        with self.condition:
            self.ending = True
            self.condition.notify_all()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(seconds)

    @property
    def is_alive(self) -> bool:
        """Return whether the run is running or paused."""
        return self.phase in ("running", "paused")

    # --- the run, in its thread ----------------------------------------------------------------------------------

    def train(self, then: Callable[[Training], Any]) -> None:
        """Train to the end."""
        try:
            history, is_refit = self.prepared.fit([self.timeline, self])
            self.conclude(is_refit)
            stopped, is_table = history.stopped, self.judge is not None  # a table's run has a patience
            self.phase = "stopped" if stopped == ON_REQUEST else "done"
            self.error = "" if is_table or stopped in (None, ON_REQUEST) else str(stopped)
        except ChainruleError as error:
            self.phase, self.error = "failed", str(error)
            self.looks.hints = [{"code": "not_finite"}, *self.looks.hints]
        except MemoryError:
            said = "there is not enough memory for this network; use narrower layers."
            self.phase, self.error = "failed", said
        finally:
            if self.is_alive:
                self.phase = "failed"
        then(self)

    def on_train_begin(self, run: Run) -> None:
        """Measure the network before its first step."""
        self.model = run.model  # an estimator makes its own, with the same initial weights
        self.curves.begin()
        self.tell_marks()
        self.look(run)
        self.tell("train.state", {})
        self.every_steps = self.stride()

    def on_steps(self, run: Run) -> None:
        """Record the loss, send a frame if one is due, and wait while the run is paused."""
        self.curves.note(run)
        self.report(run)
        self.gate(run)

    def on_epoch_end(self, run: Run) -> None:
        """Do the same after an epoch, with its record and the confusion matrix."""
        self.curves.note(run, ends=True)
        self.records.append(run.logs | self.judged(run))
        ends = run.epoch == run.epochs or run.history.stopped is not None
        now = time.perf_counter()
        if ends or self.left is not None or now - self.at_epoch > EPOCH_SECONDS:
            self.looks.judge(run)
            new, self.told, self.at_epoch = self.records[self.told :], len(self.records), now
            self.tell("train.epoch", {"records": new, "count": self.told, "confusion": self.looks.confusion})
        self.report(run)
        if not ends:
            self.gate(run)

    def judged(self, run: Run) -> dict[str, float]:
        """Return the metric on a table's test rows; an empty dict for other data."""
        return {} if self.judge is None else self.judge.of(model_of(self.model, taken(run)))

    def conclude(self, is_refit: bool) -> None:
        """Measure and show the kept model, which need not be the last epoch's. is_refit: see `Looks.evaluate`."""
        if self.judge is None and self.settings.patience is None:
            return
        model, step = self.model, self.curves.position["step"]
        snapshot = Snapshot(step, 0, len(self.records), model.theta, dict(model.states))
        kept = self.last_shown = model_of(model, snapshot)
        self.final = {} if self.judge is None else self.judge.of(kept)
        self.looks.evaluate(kept, self.prepared.parts, self.records, is_refit)
        self.show(kept, snapshot)

    def on_train_end(self, run: Run) -> None:
        """Measure once more, and show the model."""
        self.tell_marks()
        if run.error is None:
            self.look(run)
            self.show_now(run)

    def report(self, run: Run) -> None:
        """Measure, show the model and send a frame, each if due."""
        self.tell_marks()
        now = time.perf_counter()
        pace = self.wanted_pace()
        is_stepping = self.left is not None
        if pace is not None and (is_stepping or self.looks.is_due(now)):
            self.look(run)
        if is_stepping or now - self.at_show > SHOW_SECONDS:
            self.show_now(run)
        has_news = len(self.curves.points) > self.sent or now - self.at_frame > NUMBERS_SECONDS
        if pace is not None and (is_stepping or (now >= self.next_frame and has_news)):
            in_time = self.next_frame + 1 / pace
            self.next_frame = in_time if in_time > now else now + 1 / pace
            self.tell("train.frame", self.frame())
            self.at_frame, self.sent = now, len(self.curves.points)
        self.every_steps = self.stride()

    def look(self, run: Run) -> None:
        """Measure activations and gradients, and report them."""
        self.looks.look(run, [point[1] for point in self.curves.points], self.records)
        self.tell("train.look", {"look": self.looks.found, "hints": self.looks.hints[:4]})

    def show_now(self, run: Run) -> None:
        """Show a copy of the current model."""
        self.at_show = time.perf_counter()
        snapshot = taken(run)
        self.last_shown = model_of(self.model, snapshot)
        self.show(self.last_shown, snapshot)

    def stride(self) -> int:
        """Return the number of steps until the next report: a power of two, like the grid of the curves."""
        self.curves.measure()
        if self.left is not None:
            return 1
        wanted = self.curves.speed["steps"] / 10
        return min(self.curves.grid, 1 << max(0, int(wanted).bit_length() - 1))

    def gate(self, run: Run) -> None:
        """Wait while the run is paused; stop it if requested."""
        if self.left is None and not self.ending and self.phase == "running":
            return
        with self.condition:
            if self.left is not None:
                self.left -= 1
            while self.left is not None and self.left <= 0 and not self.ending:
                if self.phase != "paused":
                    self.phase = "paused"
                    self.look(run)
                    self.show_now(run)
                self.tell("train.state", {})
                self.condition.wait()
                self.curves.begin()
            if self.phase == "paused" and self.left is None:
                self.phase = "running"
                self.tell("train.state", {})
            self.every_steps = self.stride()
            if self.ending:
                run.stop(ON_REQUEST)

    def tell_marks(self) -> None:
        """Report new snapshots here, so that the timeline does not depend on this run."""
        for step, known in self.timeline.news():
            self.tell("train.mark", {"step": step, "seen": known})

    def model_at_start(self) -> Model:
        """Return a copy of the model before its first step."""
        return model_of(self.model, Snapshot(0, 0, 0, self.model.theta, self.model.states))

    def newest(self) -> Model:
        """Return a copy of the model: that of the last snapshot during training, and the final one afterwards."""
        if not self.is_alive:
            steps, epochs = self.model.steps_trained, self.model.epochs_trained
            return model_of(self.model, Snapshot(steps, 0, epochs, self.model.theta, self.model.states))
        return self.last_shown or model_of(self.model, self.timeline[len(self.timeline.snapshots) - 1])

    # --- data for pages ------------------------------------------------------------------------------------------

    def frame(self) -> dict[str, Any]:
        """Return a frame: the position of the run, and the end of its curves with all new points."""
        curves = self.curves
        found = {"state": self.phase, **curves.position, "speed": curves.speed, "points": len(curves.points)}
        return found | {"tail": curves.array(max(0, min(self.sent, len(curves.points) - TAIL)))}

    def to_data(self) -> dict[str, Any]:
        """Return everything that a page shows of the run."""
        return {
            **self.curves.position,
            "state": self.phase,
            "error": self.error,
            "speed": self.curves.speed,
            "batch": self.batch,
            "epochs": self.epochs,
            "samples": self.samples,
            "steps_per_epoch": self.steps_per_epoch,
            "layout": [link._asdict() for link in self.looks.layout],
            "curve": self.curves.array(),
            "records": self.records,
            "confusion": self.looks.confusion,
            "final": self.final,
            "kept": self.looks.kept,
            "preset": self.settings.preset,
            "judged": {"name": self.prepared.parts.judged_name, "n": self.looks.judged.n},
            "labels": [str(label) for label in self.model.labels],
            "look": self.looks.found,
            "hints": self.looks.hints,
            "advice": list(self.prepared.advice),
            "timeline": self.timeline.listed(),
        }
