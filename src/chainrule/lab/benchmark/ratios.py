"""Ratios of a comparison: Chainrule's rate relative to a peer's, or to the best peer's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.core import records

OURS = "chainrule"


def geometric_mean(ratios: Iterable[float]) -> float:
    """Compute exp(mean(log r)); NaN for no ratios."""
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(math.fsum(logs) / len(logs)) if logs else math.nan


@records.kind("benchmark_comparison", also=("best", "is_loss"))
@dataclass(frozen=True)
class Comparison:
    """Rates by peer, higher is better; Chainrule is one of them."""

    rates: Mapping[str, float]

    @property
    def ours(self) -> float:
        """Chainrule's rate."""
        return self.rates[OURS]

    @property
    def best(self) -> str | None:
        """The fastest peer's name; None without peers."""
        peers = {name: rate for name, rate in self.rates.items() if name != OURS}
        return max(peers, key=peers.__getitem__) if peers else None

    def ratio(self, peer: str | None = None) -> float:
        """Return Chainrule's rate relative to a peer's, by default the best one's: below 1 is a loss."""
        peer = peer or self.best
        return self.ours / self.rates[peer] if peer else math.nan

    @property
    def is_loss(self) -> bool:
        """Whether a peer is faster."""
        return self.ratio() < 1

    def to_data(self) -> dict[str, Any]:
        """Return rates, the best peer and the ratio to it as JSON-safe data; see `chainrule.core.records`."""
        values = {"rates": self.rates, "best": self.best, "ratio": self.ratio(), "is_loss": self.is_loss}
        return records.labeled(self, values)


def said(ratio: float) -> str:
    """Write a ratio in words; below 1 it is called a loss."""
    if math.isnan(ratio):
        return "-"
    return f"{ratio:.2f} loss" if ratio < 1 else f"{ratio:.2f}"
