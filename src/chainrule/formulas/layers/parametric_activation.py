"""ParametricActivation: an activation blended with the identity by a learned factor per neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array, Cache, Params
from chainrule.core.settings import number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.initializers import Constant, Initializer
from chainrule.formulas.layers.activation import Activation
from chainrule.formulas.layers.base import Context, Parameter
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths, not_negative


class ParametricActivationParams(NamedTuple):
    """The learned factors of a ParametricActivation."""

    alpha: Any  # (width,)


@dataclass(frozen=True)
class ParametricActivation(Activation):
    """An activation with one learned factor per neuron, initially 1: a = z + alpha (f(z) - z).

    dL/dalpha = sum_i delta_i (f(z_i) - z_i)      dL/dz = delta (1 + alpha (f'(z) - 1))

    With alpha = 1 the neuron computes f, with 0 the identity. l2, l1 and max_norm do not apply to alpha.
    function: f, an elementwise activation without parameters, with its settings: Mish(), ELU(0.5).
    rate, decays: at least 0, factors of alpha's learning rate and weight decay.
    z, a, delta: (batch, width).
    Raises ConfigError for an invalid function, rate or decays.
    Source: Holzmüller, Grinsztajn, Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", NeurIPS 2024, section 3: a rate of 0.1, with SELU for classification and Mish for regression.
    """

    knows_its_weights = True
    stacks = True
    function: Activation
    rate: float = 1.0
    decays: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings, and take over the function's initializer and kinks."""
        number_settings(self, "rate", "decays", minimum=0)
        f = self.function
        if not isinstance(f, Activation) or type(f).prime is Activation.prime:
            raise ConfigError(
                "function of ParametricActivation must be an elementwise activation without parameters, "
                f"not {f!r}; SELU() and Mish() are usual."
            )
        object.__setattr__(self, "suits", f.suits)
        object.__setattr__(self, "kinks", f.kinks)

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """a = z + alpha (f(z) - z)"""
        z, f = a, self.function.f(a)
        return z + params.alpha * (f - z), (z, f)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dz = delta (1 + alpha (f'(z) - 1))"""
        return self.gradients(params, cache, delta, ctx), delta * self.slope(params, cache)

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dalpha = sum_i delta_i (f(z_i) - z_i)"""
        z, f = cache
        return ParametricActivationParams((delta * (f - z)).sum(0))

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """sum_i delta_i (f'(z_i) - 1) z'_i"""
        z, f = cache
        return ParametricActivationParams((delta * (self.function.prime(z, f) - 1) * a_dot).sum(0))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dalpha = delta_i (f(z_i) - z_i)"""
        return ParametricActivationParams(delta * (self.function.f(a) - a))

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """a' = (1 + alpha (f'(z) - 1)) z' + (f(z) - z) alpha'"""
        z, f = cache
        own = (f - z) * v.alpha
        return own if a_dot is None else self.slope(params, cache) * a_dot + own

    def slope(self, params: Params, cache: Cache) -> Array:
        """da/dz = 1 + alpha (f'(z) - 1)"""
        z, f = cache
        return 1 + params.alpha * (self.function.prime(z, f) - 1)

    def pullback_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Array:
        """delta alpha f''(z) z'"""
        return self.function.pullback_tangent((), cache, delta * params.alpha, a_dot, ctx)

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """alpha (width,), all 1."""
        return ParametricActivationParams(
            Parameter((fan_in,), Constant(1.0), rate=self.rate, decays=self.decays)
        )

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep alpha of neurons with a direction between 0 and 1, if the function is increasing."""
        of_function = self.function.confined(fan_in, paths, is_last)
        if of_function is None:
            return None
        interval = not_negative(paths.directions != 0)
        upper = np.where(paths.directions != 0, 1.0, np.inf)
        return Confined(paths, {"alpha": interval._replace(upper=upper)})

    def ops(self, fan_in: int) -> tuple[Operation, ...] | None:
        """parametric, with f and its constants, and alpha; None for a function that is not one elementwise operation"""
        of_function = self.function.ops(fan_in)
        if of_function is None or len(of_function) > 1 or of_function[0].name != "elementwise":
            return None
        return (of_function[0]._replace(name="parametric", parameters=("alpha",)),)

    def operations(self, fan_in: int) -> int:
        """Count one operation per neuron for f, and three for the blend."""
        return 4 * fan_in
