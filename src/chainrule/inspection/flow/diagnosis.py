"""Diagnose the gradient flow of a network, with the thresholds below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.formulas.layers import Activation

VANISHING_RATIO = 1e-3
"""vanishing: the RMS of delta is below this fraction of the last layer's"""
EXPLODING_RATIO = 1e3
"""exploding: the RMS of delta is above this multiple of the last layer's"""
FLAT_SLOPE = 0.05
"""flat: the slope of a sigmoid or tanh is below this fraction of its slope at z = 0"""
SATURATED_SHARE = 0.5
"""saturated: more than this fraction of a layer's activations are flat"""
DEAD_SHARE = 0.2
"""dead: more than this fraction of a layer's neurons have no gradient from any sample"""


@records.kind("layer_flow")
class LayerFlow(NamedTuple):
    """The measurements of one layer with weights and the activation after it. None: not available."""

    layer: str
    activation: str | None
    """the activation after it, with only batch norm and dropout in between"""
    width: int
    delta_rms: float | None
    """RMS of dL/dz; None if no trained link precedes it, where the backward pass ends"""
    delta_ratio: float | None
    """delta_rms relative to the last dense layer's"""
    mean: float
    """mean of the activation's output, or of z without an activation"""
    std: float
    saturated: float | None
    """fraction of flat activations of a sigmoid or tanh"""
    dead: int | None
    """neurons whose slope is 0 for every sample"""
    gradient_rms: float | None
    """RMS of dL/dW, without the penalty"""
    weight_rms: float
    update_ratio: float | None
    """RMS of a step's change of W, relative to RMS(W); None without a step"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("diagnosis")
class Diagnosis(NamedTuple):
    """A problem of the gradient flow. Print it for a sentence.

    kind: "vanishing", "exploding", "saturated", "dead", "not finite" or "no gradient".
    """

    kind: str
    layers: tuple[str, ...]
    """the affected layers, the worst first"""
    worst: LayerFlow
    """the measurements of the worst layer"""
    last: str
    """the last dense layer, to which delta ratios refer"""

    @property
    def words(self) -> str:
        """The diagnosis in one sentence, with numbers and threshold."""
        return records.written(self, "as_words")

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data, its own kind as "what"; see `chainrule.core.records`."""
        fields = self._asdict()
        return records.labeled(self, {"what": fields.pop("kind"), **fields})

    def __str__(self) -> str:
        """Return the diagnosis in one sentence."""
        return self.words


def diagnose(layers: Sequence[LayerFlow]) -> Iterator[Diagnosis]:
    """Iterate over the diagnoses of some layers, the most serious first."""
    reached = [row for row in layers if row.delta_rms is not None]
    if not reached:
        return
    last = reached[-1]
    bad = [row for row in layers if not all(map(np.isfinite, (row.std, row.delta_rms or 0.0)))]
    if bad:
        yield _diagnosis("not finite", bad, last)
        return
    if not last.delta_rms:
        yield _diagnosis("no gradient", [last], last)
        return
    from_least = sorted(reached, key=lambda row: row.delta_ratio or 0.0)
    from_most = sorted(reached, key=lambda row: -(row.delta_ratio or 0.0))
    by_flats = sorted(layers, key=lambda row: -(row.saturated or 0))
    by_dead = sorted(layers, key=lambda row: -(row.dead or 0) / row.width)
    for kind, rows in (
        ("vanishing", [row for row in from_least if (row.delta_ratio or 0.0) < VANISHING_RATIO]),
        ("exploding", [row for row in from_most if (row.delta_ratio or 0.0) > EXPLODING_RATIO]),
        ("saturated", [row for row in by_flats if (row.saturated or 0) > SATURATED_SHARE]),
        ("dead", [row for row in by_dead if (row.dead or 0) > DEAD_SHARE * row.width]),
    ):
        if rows:
            yield _diagnosis(kind, rows, last)


def _diagnosis(kind: str, rows: Sequence[LayerFlow], last: LayerFlow) -> Diagnosis:
    return Diagnosis(kind, tuple(row.layer for row in rows), rows[0], last.layer)


def slopes_of(layer: Any, z: NDArray[Any], a: NDArray[Any]) -> NDArray[Any] | None:
    """Return f'(z) (batch, width) of an elementwise activation without parameters; None for other layers."""
    own = isinstance(layer, Activation) and type(layer).prime is not Activation.prime
    return np.broadcast_to(layer.prime(z, a), a.shape) if own else None


def flat_share(layer: Any, slopes: NDArray[Any] | None) -> float | None:
    """Return the share of slopes below FLAT_SLOPE times the steepest, for a bounded activation."""
    if slopes is None or not layer.is_bounded:
        return None
    zero = np.zeros(1)
    return float((slopes < FLAT_SLOPE * float(layer.prime(zero, layer.f(zero))[0])).mean())
