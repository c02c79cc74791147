"""Dropout: a random part of the neurons is set to 0 in each training step."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from types import ModuleType
from typing import Any

from chainrule.core.arrays import Array, Cache, Params, namespace
from chainrule.core.random import uniform_bits
from chainrule.core.settings import number_settings
from chainrule.formulas.layers.base import Context, Layer, symmetric_tangent
from chainrule.formulas.operation import Operation


@dataclass(frozen=True)
class Dropout(Layer):
    """Inverted dropout: `rate` is the probability that a neuron is dropped.

    training:    out = a * mask      mask = keep / (1 - rate), keep in {0, 1} with P(keep = 0) = rate
    prediction:  out = a
    dL/da = delta * mask

    rate: in [0, 1); a training step may scale it down (`Context.dropout`).
    The mask depends only on (seed, link, step, row of the batch): `chainrule.core.random.uniform_bits`.
    Source: Srivastava et al., "Dropout", JMLR 15, 2014, section 10.
    """

    is_affine = True
    is_elementwise = True
    is_identity = True
    is_increasing = True
    keeps_neurons = True
    tangent = symmetric_tangent
    rate: float = 0.5

    def __post_init__(self) -> None:
        """Check that rate is in [0, 1)."""
        number_settings(self, "rate", minimum=0, below=1, hint="give the probability of dropping a neuron")

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = a * mask"""
        if not ctx.training or self.rate == 0:
            return a, None
        assert ctx.link is not None
        xp, rate = namespace(a), self.rate * ctx.dropout
        bits = uniform_bits(
            ctx.seed, ctx.link.number, ctx.step, a.shape, xp, ctx.row
        )  # (batch, width) uint32
        keep = bits >= threshold(rate, xp)
        mask = keep.astype(a.dtype) * xp.asarray(1 / (1 - rate), dtype=a.dtype)  # (batch, width)
        return a * mask, mask

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da = delta * mask"""
        mask = cache
        return (), (delta if mask is None else delta * mask)

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/da = delta * mask"""
        return delta if cache is None else delta * cache[:, None]

    @property
    def is_random(self) -> bool:
        """Whether the rate is above 0."""
        return self.rate > 0

    def arrays(self, training: bool) -> int:
        """Count the mask as well in training, and none in prediction, where the input passes through."""
        return 3 if training else 0

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """dropout"""
        return (Operation("dropout", constants={"rate": self.rate}),)

    def operations(self, fan_in: int) -> int:
        """Count none, because in prediction the input passes through."""
        return 0


def threshold(rate: Array, xp: ModuleType) -> Array:
    """Return the 32-bit integer below which a neuron is dropped: rate * 2^32, rounded, at most 2^32 - 1."""
    if isinstance(rate, Real):
        return xp.uint32(min(round(float(rate) * 2**32), 2**32 - 1))
    # rate may be a JAX tracer, also in float32, whose largest number below 2^32 is 2^32 - 256.
    largest = 2.0**32 - (1 if rate.dtype.itemsize == 8 else 256)
    return xp.minimum(xp.round(rate * 2.0**32), largest).astype(xp.uint32)
