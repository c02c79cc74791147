"""The networks that the experiment on vanishing gradients compares, by their codes, and when one of them learned."""

from __future__ import annotations

import math

PLAIN, CURES = "sigmoid", ("relu", "relu_batch_norm", "sigmoid_skip", "sigmoid_residual")
NORMED, RESIDUAL_RELU = "relu_batch_norm", "relu_batch_norm_residual"
CHANCE = math.log(10)
"""The loss of guessing among ten classes."""


def learns(loss: float) -> bool:
    """Return whether a training loss fell below half that of guessing."""
    return loss < CHANCE / 2
