"""Layers with a parameter for each column: Scale, a learned factor, and Shift, a learned bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.core.arrays import Array, Cache, Params
from chainrule.core.settings import number_settings
from chainrule.formulas.initializers import Constant, Initializer, check_initializer
from chainrule.formulas.layers.base import Context, Layer, Parameter, zeros_like
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths, not_negative


@dataclass(frozen=True)
class ColumnParameter(Layer):
    """Base class of layers with a parameter for each column, see `Scale` for the settings."""

    is_affine = True
    is_elementwise = True
    keeps_neurons = True
    rate: float = 1.0
    decays: float = 1.0
    initializer: Initializer | None = None

    def __post_init__(self) -> None:
        """Check that rate and decays are finite numbers of at least 0, and the initializer."""
        number_settings(self, "rate", "decays", minimum=0)
        check_initializer(self)

    def operations(self, fan_in: int) -> int:
        """Count one multiplication or addition per neuron."""
        return fan_in


class ScaleParams(NamedTuple):
    """The learned factors of a Scale."""

    s: Any  # (width,)


@dataclass(frozen=True)
class Scale(ColumnParameter):
    """A learned factor per column, initially 1 by default: out = a s.

    dL/ds = sum_i delta_i a_i      dL/da = delta s

    At the start of a network it weighs the features; l2, l1 and max_norm do not apply to s.
    On the columns of ensemble members that share weights, it gives each member its own, as in TabM.
    rate, decays: at least 0, factors of the learning rate and the weight decay of s.  a, delta: (batch, width).
    initializer: of s, such as PerFeature(Normal(), sizes); None for 1.
    Raises ConfigError for an invalid rate, decays or initializer.
    Source: Holzmüller, Grinsztajn, Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", NeurIPS 2024, section 3.
    """

    stacks = True
    multiplies_by = "s"
    knows_its_weights = True

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = a s"""
        return a * params.s, a

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/ds as in `gradients`      dL/da = delta s"""
        return self.gradients(params, cache, delta, ctx), delta * params.s

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/ds = sum_i delta_i a_i"""
        a = cache
        return ScaleParams((delta * a).sum(0))

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """sum_i delta_i a'_i"""
        return ScaleParams((delta * a_dot).sum(0))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/ds = delta_i a_i"""
        return ScaleParams(delta * a)

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """out' = a' s + a s'"""
        a = cache
        return a * v.s if a_dot is None else a_dot * params.s + a * v.s

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """s (width,), all 1 unless an initializer is given."""
        start = self.initializer or Constant(1.0)
        return ScaleParams(Parameter((fan_in,), start, rate=self.rate, decays=self.decays))

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep the factors of columns with a direction at 0 or above."""
        return Confined(paths, {"s": not_negative(paths.directions != 0)})

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """scale, with its factors"""
        return (Operation("scale", parameters=("s",)),)


class ShiftParams(NamedTuple):
    """The learned biases of a Shift."""

    b: Any  # (width,)


@dataclass(frozen=True)
class Shift(ColumnParameter):
    """A learned bias per column: out = a + b.

    dL/db = sum_i delta_i      dL/da = delta

    After layers that ensemble members share, it gives each member its own biases, as in TabM; l2, l1 and max_norm do
    not apply to b.
    rate, decays: at least 0, factors of the learning rate and the weight decay of b.  a, delta: (batch, width).
    initializer: of b, such as SameForMembers(Uniform(0.1), 8); None for 0.
    Raises ConfigError for an invalid rate, decays or initializer.
    Source: Gorishniy, Kotelnikov, Babenko, "TabM", ICLR 2025, section 3.3.
    """

    is_increasing = True
    stacks = True
    knows_its_weights = True

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = a + b"""
        return a + params.b, None

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/db as in `gradients`      dL/da = delta"""
        return self.gradients(params, cache, delta, ctx), delta

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/db = sum_i delta_i"""
        return ShiftParams(delta.sum(0))

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """0"""
        return zeros_like(params)

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/db = delta_i"""
        return ShiftParams(delta.copy())

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """out' = a' + b'"""
        return v.b if a_dot is None else a_dot + v.b

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """b (width,), initially zero unless an initializer is given."""
        return ShiftParams(
            Parameter((fan_in,), self.initializer or Constant(0.0), rate=self.rate, decays=self.decays)
        )

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """shift, with its biases"""
        return (Operation("shift", parameters=("b",)),)
