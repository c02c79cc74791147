"""How much surer of two classes the network of all rows is than the one whose rows were held out.

What is calibrated on rows held out is of the network that has not learned from them; what predicts is then trained on
all rows, for as many epochs, so with more steps. Its log-odds are others, in size and in level:

    z' = a z + b        z = log p / (1 - p)

by least squares over rows that both have learned from: what it did to these it does to others, while the truth of no
row is asked for. The calibration then is that of a z + b in place of z. Without it 50 % sets of labels covered 56.9 %
on Caravan, whose network of all rows is surer of the frequent class; with it 50.0 %.

Of several classes there is none: networks that know nearly all of the rows that they have learned from are sure of
these in another way than of new ones, and 50 % sets covered 54.1 % on penbased, in place of 49.2 % without it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas.activations import sigmoid

Numbers = NDArray[np.float64]

MIN_PROBABILITY = 1e-12
"""Probabilities from this to 1 less this have log-odds; others are taken to be these."""
MAX_COMPARED = 2_000
"""The most rows on which two networks are compared."""
MAX_FACTOR = 2.0
"""The factor is from a half to this: another one says that the two networks have little in common."""


class Confidence(NamedTuple):
    """The log-odds of one network by those of another."""

    factor: float
    shift: float

    def of(self, predicted: Numbers) -> Numbers:
        """Return the probabilities (n, 1) of the second class at these log-odds, from those of the other network."""
        return np.asarray(sigmoid(self.factor * log_odds(predicted) + self.shift), np.float64)


def confidence_of(before: Numbers, after: Numbers) -> Confidence | None:
    """Return how the log-odds of probabilities after follow from those before, (n, 1) each.

    None where there is no such line, and for several classes.
    """
    fits = before.shape[1] == 1 and len(before) and np.isfinite(before).all() and np.isfinite(after).all()
    if not fits:
        return None
    x, y = log_odds(before), log_odds(after)
    inner = float(np.square(x - x.mean()).sum())
    if not inner:
        return None
    factor = float(((x - x.mean()) * (y - y.mean())).sum()) / inner
    if not 1 / MAX_FACTOR <= factor <= MAX_FACTOR:
        return None
    return Confidence(factor, float(y.mean() - factor * x.mean()))


def log_odds(predicted: Numbers) -> Numbers:
    """Return the log-odds of probabilities (n, 1)."""
    p = np.clip(np.asarray(predicted, np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.asarray(np.log(p) - np.log1p(-p))
