"""Scale: each neuron times a factor that is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.core.arrays import Array
from chainrule.core.settings import number_settings
from chainrule.formulas.initializers import Constant, Initializer
from chainrule.formulas.layers.base import Context, Layer, Operation, Parameter


class ScaleParams(NamedTuple):
    """The factors that a Scale learns."""

    s: Any  # (width,)


@dataclass(frozen=True)
class Scale(Layer):
    """One learned factor per column, initially 1: out = a s.

    dL/ds = sum_i delta_i a_i      dL/da = delta s

    In front of a network it learns how much each feature counts; l2, l1 and max_norm leave s alone.
    rate, decays: at least 0, factors of the learning rate and of the weight decay of s.  a, delta: (batch, width).
    Raises ConfigError for a bad rate, or bad decays.
    Source: Holzmüller, Grinsztajn, Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", NeurIPS 2024, section 3.
    """

    is_affine = True
    is_elementwise = True
    keeps_neurons = True
    stacks = True
    multiplies_by = "s"
    knows_its_weights = True
    rate: float = 1.0
    decays: float = 1.0

    def __post_init__(self) -> None:
        """Check that rate and decays are finite numbers of at least 0."""
        number_settings(self, "rate", "decays", minimum=0)

    def forward(self, params: Any, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = a s"""
        return a * params.s, a

    def backward(self, params: Any, cache: Any, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/ds as in `gradients`      dL/da = delta s"""
        return self.gradients(params, cache, delta, ctx), delta * params.s

    def gradients(self, params: Any, cache: Any, delta: Array, ctx: Context) -> Any:
        """dL/ds = sum_i delta_i a_i"""
        a = cache
        return ScaleParams((delta * a).sum(0))

    def per_sample(self, params: Any, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/ds = delta_i a_i"""
        return ScaleParams(delta * a)

    def tangent(self, params: Any, v: Any, cache: Any, a_dot: Any, ctx: Context) -> Array:
        """out' = a' s + a s'"""
        a = cache
        return a * v.s if a_dot is None else a_dot * params.s + a * v.s

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """s (width,), all 1."""
        return ScaleParams(Parameter((fan_in,), Constant(1.0), rate=self.rate, decays=self.decays))

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """scale, with its factors"""
        return (Operation("scale", parameters=("s",)),)

    def operations(self, fan_in: int) -> int:
        """Count one multiplication per neuron."""
        return fan_in
