"""Build the network, the optimizer and the schedule of a run from its settings and data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule import distributed
from chainrule.core.arrays import distinct
from chainrule.data.checks import check_choice
from chainrule.datasets import Dataset
from chainrule.errors import ConfigError, DataError, option
from chainrule.formulas.layers import (
    ACTIVATIONS,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    Layer,
    Rescale,
    Sigmoid,
    Softmax,
    Standardize,
)
from chainrule.formulas.losses import LOSSES, Loss
from chainrule.formulas.optimizers import OPTIMIZERS, AdamFamily, AnyOptimizer
from chainrule.formulas.schedules import SCHEDULES, ReduceOnPlateau, Schedule
from chainrule.network.blocks import Residual
from chainrule.network.network import Network
from chainrule.recipe.messages import with_value
from chainrule.recipe.settings import ABOUT, Settings
from chainrule.training.arguments import check_precision
from chainrule.training.without_backprop import Method, Search

PIXELS_RATE, ARRAY_RATE, TABLE_RATE = 5e-3, 2e-3, 5e-3
"""Default peak learning rates of Adam and its variants in a one-cycle schedule: images, other arrays, tables."""
TARGET_RATE = 8e-3
"""The default peak for images if a target is to be reached early, in a cycle that is one epoch shorter."""


class Defaults(NamedTuple):
    """The defaults of a run."""

    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    rate: float
    """the peak of the learning rate of Adam and its variants in a one-cycle schedule"""
    patience: int | None = None
    validation_fraction: float | None = None
    """the fraction of the training samples for early stopping"""
    dropout: float = 0.0


def defaults(train: Dataset, is_table: bool) -> Defaults:
    """Return the defaults for images, other arrays, and tables.

    For tables the batch grows with the rows, so that an epoch of up to 32,768 rows has about a hundred steps at
    most, and training ends when the validation loss no longer falls. Measured on ten tables of 263 to 8,645 rows
    (bicycle counts, wages, visits to a doctor, incomes, sales, purchases, survival, graduation, salaries,
    insurance), two seeds each, as the test error relative to histogram gradient boosting on the same inputs,
    geometric mean and worst table: 0.941 and 1.10. With dropout 0 0.985 and 1.17, 0.2 0.972 and 1.18; rate 0.002
    without dropout 1.005 and 1.32, 0.008 0.971 and 1.09; two layers of 64 0.973 and 1.11, of 256 1.006 and 1.22,
    three of 128 0.984 and 1.19; batches of 128 0.961 and 1.14; 100 epochs with a patience of 20 0.957 and 1.07;
    SiLU 0.969 and 1.13; batch norm 1.013 and 1.54; AdamW with decay 0.05 as good, 0.940 and 1.07.
    """
    if train.X.dtype == np.uint8:
        return Defaults((256,), 4, 128, PIXELS_RATE)
    if not is_table:
        return Defaults((64, 64), 40, 32, ARRAY_RATE)
    size = next((size for size in (32, 64, 128) if len(train) <= 128 * size), 256)
    return Defaults((128, 128), 60, size, TABLE_RATE, 12, 0.2, 0.1)


def resolve(settings: Settings, train: Dataset, *, is_table: bool = False) -> Settings:
    """Return the settings with all defaults that depend on the data.

    is_table: whether the inputs were prepared from a table, not given as an array.
    """
    pixels, usual = train.X.dtype == np.uint8, defaults(train, is_table)
    hurries = pixels and settings.target is not None and settings.epochs is None
    steers_itself = isinstance(method(settings), Search)
    if steers_itself:
        check_search(settings)
    loss = settings.loss or default_loss(train.y)
    no_cycle = steers_itself or settings.optimizer == "lbfgs"
    schedule = settings.schedule or ("constant" if no_cycle else "one_cycle")
    kind = check_choice(settings.optimizer, OPTIMIZERS, "optimizer")
    lr = settings.lr
    if lr is None and not no_cycle:
        one_cycle = issubclass(kind, AdamFamily) and schedule == "one_cycle"
        peak = TARGET_RATE if hurries else usual.rate
        lr = peak if one_cycle else kind().learning_rate
    return dataclasses.replace(
        settings,
        loss=loss,
        schedule=schedule,
        lr=lr,
        hidden=usual.hidden if settings.hidden is None else settings.hidden,
        epochs=(3 if hurries else usual.epochs) if settings.epochs is None else settings.epochs,
        batch_size=usual.batch_size if settings.batch_size is None else settings.batch_size,
        shards=distributed.SHARDS
        if settings.shards is None and settings.reduce == "tree" and distributed.process_count() > 1
        else settings.shards,
        validation_fraction=usual.validation_fraction
        if settings.validation_fraction is None
        else settings.validation_fraction,
        patience=usual.patience if settings.patience is None and not no_cycle else settings.patience,
        dropout=settings.dropout if settings.dropout is not None else 0.0 if no_cycle else usual.dropout,
    )


def default_loss(y: NDArray[Any]) -> str:
    """Return the default loss of a target.

    labels, two of them: sigmoid_cross_entropy      labels: softmax_cross_entropy
    rows of 0 and 1: sigmoid_cross_entropy          numbers: mean_squared_error
    """
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    zero_one = y.dtype.kind in "biuf" and bool(((y == 0) | (y == 1)).all())
    if y.ndim == 2 or (y.dtype.kind == "f" and not zero_one):
        return "sigmoid_cross_entropy" if zero_one else "mean_squared_error"
    classes = len(distinct(y))
    if y.dtype.kind in "iu" and classes > 100 and 20 * classes > len(y):
        raise DataError(
            f"y has {classes} different integers in {len(y)} samples: pass "
            f"{with_value('loss', 'mean_squared_error')} if they are amounts, "
            f"{with_value('loss', 'softmax_cross_entropy')} if they are classes."
        )
    return "sigmoid_cross_entropy" if classes <= 2 else "softmax_cross_entropy"


def network(
    settings: Settings,
    train: Dataset,
    embedded: Sequence[tuple[int, int, int]] | None = None,
) -> Network:
    """Build the network: input link, hidden layers, output layer.

    settings: resolved.  train: all of X, including samples to be held out, whose labels are needed too.
    embedded: (column, codes, size) of each column of X with codes, if X was prepared from a table, whose numbers are
    already scaled; None for other data.
    """
    loss = make_loss(settings)
    y = train.y[:, 0] if train.y.ndim == 2 and train.y.shape[1] == 1 else train.y
    outputs = 1 if y.ndim == 1 else y.shape[1]
    if loss.targets == "classes" and y.ndim == 1:
        outputs = max(len(distinct(train.y)), 2)
    layers: list[Layer] = [Embedding(tuple(embedded))] if embedded else []
    if embedded is None:
        layers = [Rescale(1 / 255) if train.X.dtype == np.uint8 else Standardize()]
    layers += hidden_layers(settings)
    layers.append(Dense(outputs))
    if loss.domain == "probability":
        layers.append(Softmax() if loss.targets == "classes" else Sigmoid())
    return Network(train.X.shape[1], layers, loss, l2=settings.l2, l1=settings.l1, max_norm=settings.max_norm)


def make_loss(settings: Settings) -> Loss:
    """Make the loss of the settings."""
    kind = check_choice(settings.loss, LOSSES, "loss")
    if not settings.label_smoothing:
        made: Loss = kind()
        return made
    if not hasattr(kind, "label_smoothing"):
        raise ConfigError(
            f"{settings.loss} does not support label smoothing; omit {option('label_smoothing')}."
        )
    smoothed: Loss = kind(label_smoothing=settings.label_smoothing)
    return smoothed


def hidden_layers(settings: Settings) -> list[Layer]:
    """Make the hidden layers: dense, batch norm, activation and dropout per width, after the input's dropout.

    residual: from the second width on dense and batch norm are in a block, so that the activation acts on the sum.
    """
    widths = settings.hidden or ()
    activation = check_choice(settings.activation, ACTIVATIONS, "activation")
    if settings.residual and len(widths) < 2:
        raise ConfigError(
            f"{option('residual')} applies from the second hidden layer on; set two, such as "
            f"{with_value('hidden', (256, 256))}."
        )
    layers: list[Layer] = [Dropout(settings.input_dropout)] if settings.input_dropout else []
    for i, width in enumerate(widths):
        weights = [Dense(width), *([BatchNorm()] if settings.batch_norm else [])]
        layers += [Residual(weights)] if settings.residual and i > 0 else weights
        layers += [activation(), *([Dropout(settings.dropout)] if settings.dropout else [])]
    return layers


def method(settings: Settings) -> Method | None:
    """Make the method of the settings; None for backpropagation."""
    if settings.method == "backpropagation":
        return None
    from chainrule.training.without_backprop import METHODS

    made: Method = check_choice(settings.method, METHODS, "method")()
    return made


def check_search(settings: Settings) -> None:
    """Raise ConfigError for options of an optimizer if the method has none."""
    fresh = Settings()
    for name in (name for name, about in ABOUT.items() if "step" in about.of):
        value = getattr(settings, name)
        if value != getattr(fresh, name) and (name, value) != ("schedule", "constant"):
            raise ConfigError(f"{settings.method} makes its own steps; omit {option(name)}.")


def optimizer(settings: Settings) -> AnyOptimizer:
    """Make the optimizer of the settings."""
    kind = check_choice(settings.optimizer, OPTIMIZERS, "optimizer")
    known = {f.name for f in dataclasses.fields(kind)}
    options: dict[str, Any] = {}
    for name, own in (
        ("learning_rate", "lr"),
        *((n, n) for n in ("momentum", "nesterov", "weight_decay")),
    ):
        value = getattr(settings, own)
        if value is None or value is False:
            continue
        if name not in known:
            raise ConfigError(f"{settings.optimizer} has no {name.replace('_', ' ')}; omit {option(own)}.")
        options[name] = value
    made: AnyOptimizer = kind(**options)
    return made


def schedule(settings: Settings, held_out: bool) -> Schedule:
    """Make the schedule of the settings. held_out: whether validation samples may control it."""
    kind = check_choice(settings.schedule, SCHEDULES, "schedule")
    made: Schedule = ReduceOnPlateau() if kind is ReduceOnPlateau and held_out else kind()
    if kind is ReduceOnPlateau and not held_out:
        raise ConfigError(
            "reduce_on_plateau follows the validation loss, and must not follow the test set; "
            f"add {with_value('validation_fraction', 0.1)}."
        )
    return made


def check(settings: Settings, held_out: bool) -> None:
    """Raise ConfigError for options that contradict each other or the data."""
    settings.check_numbers()
    if settings.precision is not None:
        check_precision(settings.precision, settings.dtype, optimizer(settings))
    if settings.patience is not None and not held_out:
        raise ConfigError(
            f"{option('patience')} selects the best epoch, which must not use the test set; "
            f"add {with_value('validation_fraction', 0.1)}."
        )
    if settings.target is not None and make_loss(settings).targets not in ("classes", "binary"):
        raise ConfigError(
            f"{option('target')} is an accuracy, which {settings.loss} does not define; omit it."
        )
