"""Train networks on a small sample of digits, with and without remedies for overfitting."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.datasets import Dataset
from chainrule.formulas.layers import BatchNorm, Dense, Dropout, Layer, ReLU, Rescale
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import Adam
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.trained.evaluation import evaluate
from chainrule.training import EarlyStopping
from chainrule.training.run import Run

BATCH = 50
RATE = 1e-3
WIDTH = 128
HELD_OUT = 1000
"""Validation samples: for early stopping, curves, and the choice of strengths"""
PATIENCE = 8


class Remedy(NamedTuple):
    """The settings that a remedy adds to the plain network and its training."""

    name: str
    dropout: float = 0.0
    l2: float = 0.0
    batch_norm: bool = False
    early_stopping: bool = False


class OverfittingData(NamedTuple):
    """A small sample for training, another for validation, and the test set."""

    X: NDArray[Any]
    y: NDArray[Any]
    X_watched: NDArray[Any]
    y_watched: NDArray[Any]
    test: Dataset


@records.kind("lab_remedy_run", also=("epochs", "best_epoch"))
class RemedyRun(NamedTuple):
    """The result of one training run. The losses are those of the data, without a penalty."""

    loss: list[float]  # of the training sample after each epoch, in prediction mode
    watched: list[float]  # of the watched sample
    train_accuracy: float  # these for the final model
    watched_accuracy: float
    test_accuracy: float
    test_loss: float

    @property
    def epochs(self) -> int:
        """The number of epochs run."""
        return len(self.loss)

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss."""
        return int(np.argmin(self.watched)) + 1

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def split(train: Dataset, test: Dataset, samples: int, seed: int, wrong: float) -> OverfittingData:
    """Draw the training sample of a seed, with a share of wrong labels, and the validation sample, with right ones."""
    random = np.random.default_rng([seed, 2])
    rows = random.permutation(len(train.X))[: samples + HELD_OUT]
    X, y = train.X[rows], train.y[rows]
    spoiled = random.permutation(samples)[: round(wrong * samples)]
    y[spoiled] = (y[spoiled] + random.integers(1, 10, len(spoiled))) % 10
    return OverfittingData(X[:samples], y[:samples], X[samples:], y[samples:], test)


def learn(remedy: Remedy, parts: OverfittingData, seed: int, epochs: int) -> RemedyRun:
    """Train, and evaluate both losses in prediction mode: no dropout, running statistics."""
    layers: list[Layer] = [Rescale(1 / 255)]
    for _ in range(2):
        layers += [Dense(WIDTH), *([BatchNorm()] if remedy.batch_norm else []), ReLU()]
        layers += [Dropout(remedy.dropout)] if remedy.dropout else []
    model = Model(Network(784, [*layers, Dense(10)], loss=SoftmaxCrossEntropy(), l2=remedy.l2), seed=seed)
    losses: list[float] = []

    def watch(run: Run) -> None:
        network = run.plan.network
        found = evaluate(network, run.engine, run.theta, run.states, run.samples, ())
        losses.append(found["loss"] - float(network.penalty(network.unflatten(run.theta))))

    stop = [EarlyStopping("val_log_loss", patience=PATIENCE)] if remedy.early_stopping else []
    history = model.fit(
        parts.X, parts.y, epochs=epochs, batch_size=BATCH, optimizer=Adam(RATE), metrics=["log_loss"],
        validation_data=(parts.X_watched, parts.y_watched), callbacks=[watch, *stop],
    )  # fmt: skip
    train, watched, test = (
        model.evaluate(X, y, metrics=["accuracy", "log_loss"])
        for X, y in ((parts.X, parts.y), (parts.X_watched, parts.y_watched), (parts.test.X, parts.test.y))
    )
    return RemedyRun(losses, history["val_log_loss"], train["accuracy"], watched["accuracy"], test["accuracy"],
                   test["log_loss"])  # fmt: skip
