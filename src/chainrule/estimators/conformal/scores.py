"""The scores of held-out rows: how far each truth is from its prediction, and the score that a share of rows is below.

If a new row and m held-out rows are exchangeable, the new score is equally likely to be at each of m + 1 places among
theirs. So the score of rank ceil((m + 1) coverage) is at least the new one with a probability of at least `coverage`,
whatever the network and the distribution, and of at most coverage + 1 / (m + 1) without ties.
Source: Vovk, Gammerman, Shafer, "Algorithmic learning in a random world" (2005), section 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError

MAX_KEPT = 1_000
"""The most scores that are kept."""
ROUNDING = 1e-9
"""The relative error of sums of weights."""


@dataclass(frozen=True)
class Scores:
    """The scores of held-out rows in ascending order; of many, only the largest of every few.

    Those left out make the rank of `quantile` larger by less than one in so many as are kept, and never smaller.
    """

    values: NDArray[np.float64]
    """(k,) ascending"""
    masses: NDArray[np.float64]
    """(k,) the sum of the weights of the rows with at most this score"""
    total: float
    """the sum of the weights of all rows and of a new one, whose weight is their mean"""

    @classmethod
    def of(cls, scores: NDArray[np.float64], weight: NDArray[np.float64], most: int = MAX_KEPT) -> Self:
        """Return the scores (m,) of rows with weights (m,); rows of weight 0 are left out. most: the most kept."""
        counted = weight > 0
        scores, weight = scores[counted], weight[counted]
        order = np.argsort(scores, kind="stable")
        values, masses = scores[order], np.cumsum(weight[order])
        step = max(1, -(-len(values) // most))
        kept = np.arange(len(values))[::-1][::step][::-1]  # the largest one is always kept
        mass = float(masses[-1]) if len(masses) else 0.0
        return cls(values[kept], masses[kept], mass + (mass / len(values) if mass else 1.0))

    def quantile(self, coverage: float) -> float:
        """Return the smallest score whose rows, together, weigh at least coverage * total; infinity if none does.

        With equal weights it is the one of rank ceil((m + 1) coverage) of m.
        """
        place = int(np.searchsorted(self.masses, coverage * self.total * (1 - ROUNDING)))
        return float(self.values[place]) if place < len(self.values) else np.inf

    @property
    def most(self) -> float:
        """The largest coverage with a finite score: m / (m + 1) with equal weights."""
        return float(self.masses[-1]) / self.total if len(self.masses) else 0.0

    def to_data(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return {"values": self.values.tolist(), "masses": self.masses.tolist(), "total": self.total}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the scores that `to_data` wrote. Raises FormatError for others."""
        values, masses = (np.asarray(data[name], np.float64) for name in ("values", "masses"))
        total = float(data["total"])
        fits = values.ndim == 1 and values.shape == masses.shape and np.isfinite([*values, *masses]).all()
        if not (fits and (np.diff(values) >= 0).all() and (np.diff(masses, prepend=0.0) > 0).all()):
            raise FormatError("the scores of held-out rows are not ascending, or weigh nothing")
        if not (np.isfinite(total) and total > (masses[-1] if len(masses) else 0.0)):
            raise FormatError("the scores of held-out rows weigh more than all of them")
        return cls(values, masses, total)
