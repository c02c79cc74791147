"""What a linear model reaches on the rows held out, beside a network that its time limit ended in its first epoch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chainrule.core.random import generator
from chainrule.data.samples import Samples

ROWS = 1_000
"""The most rows that are drawn to fit or to judge."""
ITERATIONS, PENALTY = 50, 0.01
"""Those of the linear model, and the l2 of its weights."""


class Floor(NamedTuple):
    """Mean losses on rows held out."""

    reached: float
    """of the network"""
    linear: float
    """of a linear model of at most a thousand of the rows that the network was trained on"""


def some(samples: Samples, seed: int) -> Samples:
    """Return at most ROWS of the samples, drawn by the seed."""
    if samples.n <= ROWS:
        return samples
    return samples.take(np.sort(generator(seed, "judging", 2).permutation(samples.n)[:ROWS]))
