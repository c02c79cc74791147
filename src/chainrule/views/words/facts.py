"""What the words of every language are about: codes, thresholds, and which of the results is spoken of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Protocol

FEW_DIGITS = 1e-6
"""A derivative is remarked on where its own error, in relation to it, is above this."""
FEATURES = 12
"""Features that a story lists."""
RIVALS = 4
"""Answers that a story lists."""
LONG = 40
"""Characters beyond which a story leaves out a layer's settings."""


def short(layer: str, longest: int = LONG) -> str:
    """Return a layer as it is written, with numbers of many digits rounded; a long one by its name alone."""
    text = re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4g}", layer)
    return text if len(text) <= longest else f"{text.partition('(')[0]}(...)"


def quantity(number: float) -> str:
    """Return a number with four digits, or all of those before the point: 0.05612, 52.23, 49,167, 428,670."""
    return f"{number:,.0f}" if 10_000 <= abs(number) < 1e12 else f"{number:.4g}"


# --- vanishing gradients

PLAIN, CURES = "sigmoid", ("relu", "relu_batch_norm", "sigmoid_skip", "sigmoid_residual")
NORMED, RESIDUAL_RELU = "relu_batch_norm", "relu_batch_norm_residual"
CHANCE = math.log(10)
"""The loss of guessing among ten classes."""


def learns(loss: float) -> bool:
    """Return whether a training loss fell below half that of guessing."""
    return loss < CHANCE / 2


class Net(Protocol):
    """The results of one network at one depth: medians over the seeds."""

    @property
    def depth(self) -> int:
        """Hidden layers."""
        ...

    @property
    def ratio(self) -> float:
        """The first layer's gradient relative to the last layer's, before training."""
        ...

    @property
    def loss(self) -> float:
        """The training loss in the end."""
        ...


# --- training without backpropagation


class Coded(Protocol):
    """A method."""

    @property
    def name(self) -> str:
        """Its code."""
        ...


class MethodResults(Protocol):
    """The results of one method: means over the seeds."""

    @property
    def arm(self) -> Coded:
        """The method."""
        ...

    @property
    def size(self) -> float | None:
        """The step size that tuning chose."""
        ...

    @property
    def loss(self) -> float:
        """The final loss."""
        ...

    @property
    def accuracy(self) -> float:
        """The final accuracy on the test samples."""
        ...

    @property
    def steps(self) -> float:
        """The number of steps."""
        ...

    @property
    def passes_a_step(self) -> float:
        """The number of forward passes per step."""
        ...

    @property
    def milliseconds(self) -> float:
        """Milliseconds per step."""
        ...

    @property
    def cosine(self) -> float | None:
        """The cosine to the gradient; None if the method never moved."""
        ...

    def passes_to(self, loss: float) -> float | None:
        """The number of passes after which it reached a loss; None if it never did."""
        ...


Found = Mapping[str, MethodResults]
HANDS_BACK = ("backpropagation", "feedback_alignment")
"""Methods with a walk back through the layers."""


def best_forward(found: Found) -> MethodResults | None:
    """Return the method of the lowest loss among those that propagate no error back through a layer."""
    others = [outcome for name, outcome in found.items() if name not in (*HANDS_BACK, "none")]
    return min(others, key=lambda outcome: outcome.loss, default=None)


def chance(P: int) -> float:
    """The mean cosine between a fixed direction and a random one of P numbers, turned so that it is not negative."""
    return math.sqrt(2 / (math.pi * P))
