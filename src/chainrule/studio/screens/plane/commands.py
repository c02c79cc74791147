"""The screen Plane: points of a plane, the network that learns them, its training, and its commands."""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import TargetsLike
from chainrule.core.settings import check_choice, check_count, check_number
from chainrule.data import checks
from chainrule.engines import ENGINES
from chainrule.errors import ChainruleError, ConfigError, DataError
from chainrule.formulas.layers import ACTIVATIONS, BatchNorm, Dense, Layer
from chainrule.formulas.losses import Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.formulas.optimizers import SGD, Adagrad, Adam, AdamW, Nadam, Optimizer, RMSprop
from chainrule.model import Model
from chainrule.network.blocks import Residual
from chainrule.network.network import Network
from chainrule.recipe.data import from_arrays
from chainrule.studio.screens.model import described
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio
from chainrule.trained.evaluation import evaluate
from chainrule.trained.persistence import named_tensors
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

Drawn = tuple[NDArray[np.float64], NDArray[Any]]


class Points(NamedTuple):
    """Points for training, and as many for testing."""

    X: NDArray[np.float32]  # (n, 2)
    y: NDArray[Any]  # (n,) int64 classes, or float32 heights
    X_test: NDArray[np.float32]  # (n, 2)
    y_test: NDArray[Any]  # (n,)


def _moons(n: int, rng: np.random.Generator) -> Drawn:
    """Two interleaved half circles."""
    y = np.arange(n) % 2
    angle = np.pi * rng.random(n)
    x1 = np.where(y == 0, np.cos(angle), 1 - np.cos(angle)) - 0.5
    x2 = np.where(y == 0, np.sin(angle), 0.5 - np.sin(angle)) - 0.25
    return np.stack([x1, x2], 1) / 1.5, y


def _circles(n: int, rng: np.random.Generator) -> Drawn:
    """A disc, and a ring around it."""
    y = np.arange(n) % 2
    radius = np.where(y == 0, 0.42 * np.sqrt(rng.random(n)), 0.7 + 0.25 * rng.random(n))
    angle = 2 * np.pi * rng.random(n)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), y


def _spirals(n: int, rng: np.random.Generator) -> Drawn:
    """Two interleaved spiral arms."""
    y = np.arange(n) % 2
    radius = 0.08 + 0.9 * np.sqrt(rng.random(n))
    angle = 2.5 * np.pi * radius + np.pi * y
    return radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1), y


def _xor(n: int, rng: np.random.Generator) -> Drawn:
    """Four squares, with opposite ones in the same class."""
    X = rng.uniform(0.06, 1, (n, 2)) * rng.choice([-1.0, 1.0], (n, 2))
    return X, (X[:, 0] * X[:, 1] < 0).astype(np.int64)


def _blobs(n: int, rng: np.random.Generator) -> Drawn:
    """Three clusters in a triangle."""
    y = np.arange(n) % 3
    angle = np.pi / 2 + 2 * np.pi * y / 3
    centers = 0.55 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return centers + 0.16 * rng.standard_normal((n, 2)), y


def _surface(n: int, rng: np.random.Generator) -> Drawn:
    """A surface with hills and valleys: y = sin(2.5 x1) cos(2.5 x2)"""
    X = rng.uniform(-1, 1, (n, 2))
    return X, np.sin(2.5 * X[:, 0]) * np.cos(2.5 * X[:, 1])


KINDS: dict[str, Callable[[int, np.random.Generator], Drawn]] = {
    "moons": _moons,
    "circles": _circles,
    "spirals": _spirals,
    "xor": _xor,
    "blobs": _blobs,
    "surface": _surface,
}
"""Every data set by name: a function of the number of points and a generator."""


def points(kind: str, *, n: int = 200, noise: float = 0.1, seed: int = 0) -> Points:
    """Draw n points for training and n for testing, about between -1 and 1.

    noise: standard deviation of the noise of the coordinates, and of the heights of the surface.
    Raises ConfigError for an unknown kind and for numbers out of range.
    """
    draw = check_choice(kind, KINDS, "kind")
    n, noise = check_count(n, "n", 4), check_number(noise, "noise", minimum=0, maximum=1)
    rng = np.random.Generator(np.random.Philox(check_count(seed, "seed", 0)))
    X, y = draw(2 * n, rng)
    if kind == "surface":
        y = (y + noise * rng.standard_normal(len(y))).astype(np.float32)
    else:
        X, y = X + noise * rng.standard_normal(X.shape), y.astype(np.int64)
    order = rng.permutation(2 * n)
    X, y = X[order].astype(np.float32), y[order]
    return Points(X[:n], y[:n], X[n:], y[n:])


# --- the network of the screen Plane: its settings, its points, and the Python that trains it to the same numbers ----

ACTIVATION_KINDS = ("tanh", "relu", "sigmoid", "leaky_relu", "elu", "gelu", "silu", "softplus", "identity")
OPTIMIZER_KINDS: dict[str, Callable[[float], Optimizer]] = {
    "sgd": SGD,
    "momentum": lambda rate: SGD(rate, momentum=0.9),
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": Nadam,
}
"""Optimizers by their name on the page, as functions of the learning rate."""
MAX_POINTS, MAX_LAYERS, MAX_WIDTH, MAX_CLASSES = 400, 6, 12, 4
"""Small enough that all parameters of a network fit into a frame of 8 kB."""
EDGE = 1.3
"""The plane is shown from -EDGE to EDGE in both directions."""


@dataclass(frozen=True)
class PlaneSettings:
    """The settings that determine a network of the plane; the same settings give the same bits."""

    kind: str = "moons"
    """the data set: one of `points.KINDS`, or "painted" """
    n: int = 200
    noise: float = 0.1
    seed: int = 1
    """seed of the points, the weights and the batches"""
    layers: tuple[int, ...] = (8, 8)
    activation: str = "tanh"
    batch_norm: bool = False
    residual: bool = False
    optimizer: str = "adam"
    rate: float = 0.03
    batch: int = 16
    painted: tuple[float, ...] = ()
    """x1, x2 and class of each painted point"""

    def __post_init__(self) -> None:
        """Check everything. Raises ConfigError, and DataError for painted points."""
        if self.kind != "painted":
            check_choice(self.kind, KINDS, "kind")
        check_choice(self.activation, dict.fromkeys(ACTIVATION_KINDS, True), "activation")
        check_choice(self.optimizer, OPTIMIZER_KINDS, "optimizer")
        for name, value, low, high in (
            ("n", self.n, 10, MAX_POINTS),
            ("batch", self.batch, 1, MAX_POINTS),
        ):
            if not low <= value <= high:
                raise ConfigError(f"{name} must be from {low} to {high}, not {value}.")
        check_number(self.noise, "noise", minimum=0, maximum=0.5)
        check_number(self.rate, "rate", above=0, maximum=10)
        checks.check_seed(self.seed)
        if len(self.layers) > MAX_LAYERS or any(not 1 <= width <= MAX_WIDTH for width in self.layers):
            raise ConfigError(
                f"layers must be at most {MAX_LAYERS} numbers from 1 to {MAX_WIDTH}, not {list(self.layers)!r:.60}."
            )

    @property
    def is_regression(self) -> bool:
        """Whether the network predicts a height rather than a class."""
        return self.kind == "surface"


def data_of(settings: PlaneSettings) -> Points:
    """Return the points of the settings. Raises DataError for painted points that cannot be trained on."""
    if settings.kind != "painted":
        return points(settings.kind, n=settings.n, noise=settings.noise, seed=settings.seed)
    numbers = np.asarray(settings.painted, np.float64)
    if len(numbers) % 3 or len(numbers) > 3 * MAX_POINTS:
        raise DataError(f"there may be at most {MAX_POINTS} points of x1, x2 and a class; paint fewer.")
    table = numbers.reshape(-1, 3)
    X, y = table[:, :2], table[:, 2]
    if not (np.abs(X) <= EDGE).all() or not np.isin(y, range(MAX_CLASSES)).all():
        raise DataError(
            f"points must lie between -{EDGE} and {EDGE} and have classes from 0 to {MAX_CLASSES - 1}."
        )
    if len(np.unique(y)) < 2:
        raise DataError("the points have fewer than two classes; paint points of another class.")
    return Points(
        X.astype(np.float32), y.astype(np.int64), np.empty((0, 2), np.float32), np.empty(0, np.int64)
    )


def hidden(settings: PlaneSettings) -> list[Layer]:
    """Return the hidden layers: Dense layers with activations, from the second one on in residual blocks if set."""
    made: list[Layer] = []
    for i, width in enumerate(settings.layers):
        norm = [BatchNorm()] if settings.batch_norm else []
        layers = [Dense(width), *norm, ACTIVATIONS[settings.activation]()]
        made += [Residual(layers)] if settings.residual and i else layers
    return made


def network_of(settings: PlaneSettings, y: TargetsLike) -> Network:
    """Return the network: one output for two classes or a height, else one per class."""
    classes = 1 if settings.is_regression else int(y.max()) + 1
    outputs = classes if classes > 2 else 1
    return Network(2, [*hidden(settings), Dense(outputs)], loss_of(settings, outputs))


def loss_of(settings: PlaneSettings, outputs: int) -> Loss:
    """Return the loss for the outputs."""
    if settings.is_regression:
        return MeanSquaredError()
    return SigmoidCrossEntropy() if outputs == 1 else SoftmaxCrossEntropy()


def optimizer_of(settings: PlaneSettings) -> Optimizer:
    """Return the optimizer with the learning rate of the settings."""
    return OPTIMIZER_KINDS[settings.optimizer](settings.rate)


def python(settings: PlaneSettings, epochs: str) -> str:
    """Return the program that draws the same points and trains the same network to the same numbers."""
    data = data_of(settings)
    network = network_of(settings, data.y)
    layers = [f"    {_layer(layer)}," for layer in hidden(settings)]
    layers.append(f"    Dense({network.outputs}),")
    optimizer = optimizer_of(settings)
    momentum = ", momentum=0.9" if settings.optimizer == "momentum" else ""
    used = {"Model", "Network", "Dense", type(network.loss).__name__, type(optimizer).__name__}
    if settings.layers:
        used.add(ACTIVATIONS[settings.activation].__name__)
        used |= {"BatchNorm"} if settings.batch_norm else set()
        used |= {"Residual"} if settings.residual and len(settings.layers) > 1 else set()
    test = ""
    if settings.kind == "painted":
        rows = [f"    ({x1:g}, {x2:g}, {int(c)})," for x1, x2, c in np.reshape(settings.painted, (-1, 3))]
        head, source = (
            ["import numpy as np", ""],
            [
                *("painted = np.array([  # x1, x2, class", *rows, "])"),
                "X, y = painted[:, :2].astype(np.float32), painted[:, 2].astype(int)",
            ],
        )
    else:
        head, test = [], ", validation_data=(X_test, y_test)"
        source = [
            f'X, y, X_test, y_test = points("{settings.kind}", n={settings.n}, noise={settings.noise:g}, '
            f"seed={settings.seed})"
        ]
    imports = [f"from chainrule import {', '.join(sorted(used))}"]
    if not head:
        imports.append("from chainrule.studio.screens.plane.commands import points")
    return "\n".join(
        [
            *head,
            *imports,
            "",
            *source,
            "network = Network(2, [",
            *layers,
            f"], {type(network.loss).__name__}())",
            f"model = Model(network, seed={settings.seed})",
            f"model.fit(X, y, epochs={epochs}, batch_size={settings.batch}, "
            f"optimizer={type(optimizer).__name__}({settings.rate:g}{momentum}){test})",
            "print(model.evaluate(X, y))",
            "",
        ]
    )


def _layer(layer: Layer) -> str:
    """Dense(8), Tanh(), Residual([Dense(8), Tanh()])"""
    if isinstance(layer, Residual):
        return f"Residual([{', '.join(map(_layer, layer.layers))}])"
    return f"Dense({layer.units})" if isinstance(layer, Dense) else f"{type(layer).__name__}()"


# --- the training of the plane's network in a thread, with pauses, single steps and progress events ------------------

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
