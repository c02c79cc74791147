"""What is wrong with a network's gradient flow, in words, by thresholds that stand here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.formulas.layers import Activation

if TYPE_CHECKING:
    from chainrule.inspection.flow.flow import LayerFlow

VANISHING = 1e-3
"""A layer whose delta is below this share of the last layer's has all but lost the gradient."""
EXPLODING = 1e3
"""And one whose delta is above this multiple of it has far too much."""
FLAT = 0.05
"""A sigmoid or tanh is saturated where its slope is below this share of the steepest, the one at z = 0."""
SATURATED = 0.5
"""A layer with more than this share of its activations there is called saturated."""
DEAD = 0.2
"""A layer is called dead when more than this share of its neurons passes no gradient from any sample."""


@records.kind("diagnosis")
class Diagnosis(NamedTuple):
    """What is wrong, in words: kind is "vanishing", "exploding", "saturated", "dead", "not finite" or "no gradient"."""

    kind: str
    layers: tuple[str, ...]
    """the layers concerned, the worst one first"""
    words: str

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data, its own kind as "what"; see `chainrule.core.records`."""
        return records.labeled(self, {"what": self.kind, "layers": self.layers, "words": self.words})

    def __str__(self) -> str:
        return self.words


def diagnose(layers: Sequence[LayerFlow]) -> Iterator[Diagnosis]:
    """The diagnoses of some layers, the gravest first."""
    reached = [row for row in layers if row.delta_rms is not None]
    if not reached:
        return
    bad = [row for row in layers if not all(map(np.isfinite, (row.std, row.delta_rms or 0.0)))]
    if bad:
        words = f"Not finite: NaN or infinity in {bad[0].layer}; lower the learning rate or scale the input."
        yield Diagnosis("not finite", tuple(row.layer for row in bad), words)
        return
    last = reached[-1]
    if not last.delta_rms:
        words = f"No gradient: delta of {last.layer} is 0; these samples leave nothing to learn."
        yield Diagnosis("no gradient", (last.layer,), words)
        return
    ratios = {row.layer: float(row.delta_ratio or 0.0) for row in reached}
    low = sorted((name for name in ratios if ratios[name] < VANISHING), key=lambda name: ratios[name])
    if low:
        words = (
            f"Vanishing: delta of {low[0]} is {ratios[low[0]]:.1e} of {last.layer}'s{also(low)} "
            f"(threshold {VANISHING:g})."
        )
        yield Diagnosis("vanishing", tuple(low), words)
    high = sorted((name for name in ratios if ratios[name] > EXPLODING), key=lambda name: -ratios[name])
    if high:
        words = (
            f"Exploding: delta of {high[0]} is {ratios[high[0]]:.1e} times {last.layer}'s{also(high)} "
            f"(threshold {EXPLODING:g})."
        )
        yield Diagnosis("exploding", tuple(high), words)
    flat = sorted(
        (row for row in layers if (row.saturated or 0) > SATURATED), key=lambda row: -(row.saturated or 0)
    )
    if flat:
        names = tuple(row.layer for row in flat)
        words = (
            f"Saturated: {100 * (flat[0].saturated or 0):.0f} % of {flat[0].activation} is on the flats, where the "
            f"slope is below {100 * FLAT:.0f} % of the steepest{also(names)} (threshold {100 * SATURATED:.0f} %)."
        )
        yield Diagnosis("saturated", names, words)
    dead = sorted(
        (row for row in layers if (row.dead or 0) > DEAD * row.width),
        key=lambda row: -(row.dead or 0) / row.width,
    )
    if dead:
        names = tuple(row.layer for row in dead)
        words = (
            f"Dead: {dead[0].dead} of the {dead[0].width} neurons of {dead[0].layer} pass no gradient from any "
            f"sample{also(names)} (threshold {100 * DEAD:.0f} %)."
        )
        yield Diagnosis("dead", names, words)


def also(names: Sequence[str]) -> str:
    """The same of how many other layers."""
    more = len(names) - 1
    return f", and so in {more} more {'layer' if more == 1 else 'layers'}" if more else ""


def slopes_of(layer: Any, z: NDArray[Any], a: NDArray[Any]) -> NDArray[Any] | None:
    """f'(z) (batch, width) of an activation that works neuron by neuron and learns nothing; None for what else."""
    own = isinstance(layer, Activation) and type(layer).prime is not Activation.prime
    return np.broadcast_to(layer.prime(z, a), a.shape) if own else None


def flat_share(layer: Any, slopes: NDArray[Any] | None) -> float | None:
    """The share of slopes below FLAT of the steepest, for what is bounded on both sides."""
    if slopes is None or not layer.is_bounded:
        return None
    zero = np.zeros(1)
    return float((slopes < FLAT * float(layer.prime(zero, layer.f(zero))[0])).mean())
