"""Whether probabilities are right: what was predicted beside how often it came true, in bins of equally many rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.errors import DataError

BINS, MIN_ROWS = 10, 10
"""The bins of many rows; the rows of a bin of few."""
CONFIDENCE = 0.9


@records.kind("reliability")
@dataclass(frozen=True, repr=False)
class Reliability(records.TextResult):
    """Predicted probabilities and observed shares. Print it for sentences; `figure()` is the reliability diagram.

    With two classes the probability of the positive one, with more that of the predicted class; of times to an event
    that it came by a time.
    The bins have equal counts of rows, in the order of the probability. Each share has its binomial interval (Wilson,
    1927), which contains the mean probability of a bin whose probabilities are right in about 90 % of bins.
    Source: Nixon and others, "Measuring calibration in deep learning", CVPR workshops 2019.
    """

    label: str | None
    """the positive class; None for bins of the predicted class"""
    predicted: NDArray[np.float64]  # (bins,) the mean probability
    observed: NDArray[np.float64]  # (bins,) the share of rows of that class
    low: NDArray[np.float64]  # (bins,) the ends of the interval of the share
    high: NDArray[np.float64]
    samples: NDArray[np.int64]  # (bins,)
    error: float
    """the mean distance of both over the rows, the expected calibration error (ECE)"""
    chance: float
    """the ECE that is to be expected of as many rows where every probability is right"""
    confidence: float = CONFIDENCE

    @property
    def outside(self) -> int:
        """The number of bins whose mean probability is not in the interval of the share."""
        return int(((self.predicted < self.low) | (self.predicted > self.high)).sum())

    def figure(self) -> Any:
        """Return the reliability diagram, a plotly figure."""
        return records.view(self, "as_figure")

    def __repr__(self) -> str:
        """Show the rows, the bins and the ECE."""
        return (
            f"<Reliability of {self.samples.sum():,} rows in {len(self.samples)} bins: ECE {self.error:.4g}>"
        )


def reliability(
    said: NDArray[Any], came_true: NDArray[np.bool_], label: str | None = None, bins: int = BINS
) -> Reliability:
    """Return the reliability of probabilities (n,), which came true or not (n,).

    label: the class that they are of; None for those of the predicted class.  bins: the most of them.
    Raises DataError without a row.
    """
    return compared(said, lambda part: (float(came_true[part].mean()), len(part)), label, bins)


def compared(
    said: NDArray[Any],
    share: Callable[[NDArray[np.int64]], tuple[float, float]],
    label: str | None,
    bins: int,
) -> Reliability:
    """Return the reliability of probabilities (n,). share(rows): the share that came true, and how many rows say it."""
    if not len(said):
        raise DataError(
            "there are no rows whose probabilities could be compared with what came true; pass some."
        )
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(order) // MIN_ROWS)))
    predicted = np.array([said[part].mean() for part in parts])
    observed, rows = np.array([share(part) for part in parts]).T
    count = np.array([len(part) for part in parts])
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle, wide = (
        observed + z**2 / (2 * rows),
        z * np.sqrt(observed * (1 - observed) / rows + (z / (2 * rows)) ** 2),
    )
    low, high = np.clip(np.stack([middle - wide, middle + wide]) / (1 + z**2 / rows), 0, 1)
    # the mean of |x| of a normal x is sqrt(2 / pi) of its deviation
    spread = np.sqrt([(said[part] * (1 - said[part])).mean() for part in parts] / rows)
    weight = count / count.sum()
    return Reliability(
        label,
        predicted,
        observed,
        low,
        high,
        count,
        float(weight @ np.abs(predicted - observed)),
        float(weight @ spread) * math.sqrt(2 / math.pi),
    )


def of_classes(
    shares: NDArray[Any], y: NDArray[Any], labels: list[str], positive: int = 1, bins: int = BINS
) -> Reliability:
    """Return the reliability of probabilities (n, classes) of rows of class numbers y (n,).

    positive: of two classes, the number of the one whose probability is compared.
    """
    if len(labels) == 2:
        return reliability(shares[:, positive], y == positive, labels[positive], bins)
    chosen = shares.argmax(1)
    return reliability(shares[np.arange(len(y)), chosen], chosen == y, None, bins)
