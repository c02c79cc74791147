"""Random points in a plane: two moons, circles, spirals, XOR, blobs, and a surface to approximate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import TargetsLike
from chainrule.core.settings import check_choice, check_count, check_number
from chainrule.data import checks
from chainrule.errors import ConfigError, DataError
from chainrule.formulas.layers import ACTIVATIONS, BatchNorm, Dense, Layer
from chainrule.formulas.losses import Loss, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.formulas.optimizers import SGD, Adagrad, Adam, AdamW, Nadam, Optimizer, RMSprop
from chainrule.network.blocks import Residual
from chainrule.network.network import Network

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
        imports.append("from chainrule.studio.screens.plane.network import points")
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
