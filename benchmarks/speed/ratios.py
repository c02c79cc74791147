"""Ratios of a comparison: Chainrule's rate relative to a peer's, or to the best peer's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OURS = "chainrule"


def geometric_mean(ratios: Iterable[float]) -> float:
    """Compute exp(mean(log r)); NaN for no ratios."""
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(math.fsum(logs) / len(logs)) if logs else math.nan


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


def said(ratio: float) -> str:
    """Write a ratio in words; below 1 it is called a loss."""
    if math.isnan(ratio):
        return "-"
    return f"{ratio:.2f} loss" if ratio < 1 else f"{ratio:.2f}"
