"""The benchmark cases: a network, a batch size, and the data and weights that every peer starts from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCKS = ("plain", "batch norm", "dropout", "residual")
DROPOUT = 0.2
LEARNING_RATE = 1e-4
HELD = 2048
"""The most samples on which the loss after an epoch is compared."""

EPOCH_SECONDS = 0.12
LONGEST_STEP = 1.0
ARITHMETIC, MEMORY, CALL = 1.2e11, 5e8, 2e-6
"""For rough estimates only: operations per second, weight updates per second, and the overhead per step in seconds."""


class LayerWeights(NamedTuple):
    """The initial weights of a dense layer."""

    W: NDArray[np.float32]  # (fan_in, fan_out)
    b: NDArray[np.float32]  # (fan_out,)


@dataclass(frozen=True)
class Case:
    """A benchmark case: dense layers with ReLU, Adam, float32; half squared error for one output, softmax for more.

    widths: inputs, hidden layers, outputs.  batch: samples per step.  blocks: plain, batch norm, dropout or residual.
    """

    widths: tuple[int, ...]
    batch: int
    blocks: str = "plain"

    @property
    def network(self) -> str:
        """The widths as text: 784-128-10."""
        return "-".join(map(str, self.widths))

    @property
    def name(self) -> str:
        """The name of the case: 784-128-10, batch 32, dropout."""
        return f"{self.network}, batch {self.batch}" + (f", {self.blocks}" if self.blocks != "plain" else "")

    @property
    def is_regression(self) -> bool:
        """Whether the network has one output, and so predicts a number instead of classes."""
        return self.widths[-1] == 1

    @property
    def weights(self) -> int:
        """The number of weights, without biases."""
        return sum(m * n for m, n in pairwise(self.widths))

    @property
    def operations(self) -> int:
        """Operations per sample of a training step: 6 per weight, 4 in the first layer (no input gradient)."""
        return 6 * self.weights - 2 * self.widths[0] * self.widths[1]

    @property
    def step_seconds(self) -> float:
        """A rough estimate of the seconds per step."""
        return self.operations * self.batch / ARITHMETIC + self.weights / MEMORY + CALL

    @property
    def is_affordable(self) -> bool:
        """Whether a step takes at most LONGEST_STEP seconds."""
        return self.step_seconds <= LONGEST_STEP

    @property
    def steps(self) -> int:
        """The number of steps per epoch, for about a tenth of a second."""
        return int(max(2, min(EPOCH_SECONDS / self.step_seconds, 65536 / self.batch, 8192)))

    @property
    def samples(self) -> int:
        """The number of samples per epoch, in whole batches."""
        return self.steps * self.batch

    def data(self, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Draw X (samples, inputs), normal, and y, the int64 classes or float32 values of a random linear teacher."""
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((self.samples, self.widths[0]), np.float32)
        teacher = rng.standard_normal((self.widths[0], self.widths[-1]), np.float32)
        out = X @ (teacher / np.float32(np.sqrt(self.widths[0])))  # (samples, outputs)
        if self.is_regression:
            return X, out[:, 0] + np.float32(0.1) * rng.standard_normal(self.samples, np.float32)
        y = out.argmax(1)
        y[: self.widths[-1]] = np.arange(self.widths[-1])[
            : len(y)
        ]  # every class occurs, also in any first part
        return X, y

    def layers(self, seed: int = 1) -> list[LayerWeights]:
        """Draw the initial weights by He, "Delving deep into rectifiers", 2015, with biases 0."""
        rng = np.random.default_rng(seed)
        return [
            LayerWeights(
                rng.standard_normal((m, n), np.float32) * np.float32(np.sqrt(2 / m)), np.zeros(n, np.float32)
            )
            for m, n in pairwise(self.widths)
        ]

    def loss(self, outputs: NDArray[Any], y: NDArray[Any]) -> float:
        """Compute the mean loss from logits (or log probabilities) (n, classes) or numbers (n, 1)."""
        out = np.asarray(outputs, np.float64).reshape(len(y), -1)
        if self.is_regression:
            return float(0.5 * np.mean((out[:, 0] - y) ** 2))
        out = out - out.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(out).sum(1)) - out[np.arange(len(y)), y]))

    def as_json(self) -> dict[str, Any]:
        """Return the case as data for a worker."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Case:
        """Make a case from the data of `as_json`."""
        return cls(**(data | {"widths": tuple(data["widths"])}))
