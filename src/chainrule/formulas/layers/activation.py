"""Activations as layers: a = f(z), and dL/dz = dL/da * f'(z).

The functions and their derivatives are in `chainrule.formulas.activations`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, NamedTuple

from chainrule.core.arrays import Array, Cache, Params
from chainrule.core.settings import number_settings
from chainrule.formulas import activations as f
from chainrule.formulas.initializers import Constant, GlorotUniform, HeUniform, Initializer, LeCunNormal
from chainrule.formulas.layers.base import Context, Layer, Parameter, symmetric_tangent
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths, not_negative


@dataclass(frozen=True)
class Activation(Layer):
    """Base class of activations: a = f(z), neuron by neuron.      dL/dz = dL/da * f'(z)

    z, a, delta: (batch, width).
    """

    is_elementwise = True
    suits: ClassVar[Initializer] = GlorotUniform()
    """the initializer of the weights before this activation, unless their layer sets one"""

    def __post_init__(self) -> None:
        """Check that all settings are finite numbers."""
        number_settings(self, *numbers_of(type(self)))

    def f(self, z: Array) -> Array:
        """Compute the activation."""
        raise NotImplementedError(f"{type(self).__name__} must define f(z).")

    def prime(self, z: Array, a: Array) -> Array:
        """Compute its derivative at z, where a = f(z)."""
        raise NotImplementedError(f"{type(self).__name__} must define prime(z, a).")

    def second(self, z: Array, a: Array) -> Array:
        """Compute its second derivative at z, where a = f(z), which only second derivatives of answers need."""
        raise NotImplementedError(f"{type(self).__name__} must define second(z, a).")

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """a = f(z)"""
        z = a
        a = self.f(z)
        return a, (z, a)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dz = dL/da * f'(z)"""
        z, a = cache
        return (), delta * self.prime(z, a)

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """a' = f'(z) z'"""
        z, a = cache
        return self.prime(z, a) * a_dot

    def pullback_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Array:
        """delta f''(z) z'"""
        z, a = cache
        return (delta * self.second(z, a)[:, None])[:, :, None] * a_dot[:, None]

    def operations(self, fan_in: int) -> int:
        """Count one operation per neuron, for every activation."""
        return fan_in


@cache
def settings_of(kind: type[Activation]) -> tuple[str, ...]:
    """Return the names of an activation's settings, read once: a pass over one row has no time to spare."""
    return tuple(setting.name for setting in fields(kind))


@cache
def numbers_of(kind: type[Activation]) -> tuple[str, ...]:
    """Return the names of those that are numbers."""
    return tuple(setting.name for setting in fields(kind) if setting.type == "float")


def elementwise(layer: Activation, fan_in: int) -> tuple[Operation, ...]:
    """Return an activation as an elementwise operation, with its function by name and its settings as constants."""
    constants = {setting.name: getattr(layer, setting.name) for setting in fields(layer)}
    return (Operation("elementwise", function=layer.kind, constants=constants),)


@dataclass(frozen=True)
class FormulaActivation(Activation):
    """Base class of the activations whose f, f' and f'' are formulas, which take the settings after z and a."""

    formulas: ClassVar[tuple[Callable[..., Array], Callable[..., Array], Callable[..., Array]]]

    def f(self, z: Array) -> Array:
        """Compute the first formula."""
        return self.formulas[0](z, *self._constants())

    def prime(self, z: Array, a: Array) -> Array:
        """Compute the second formula."""
        return self.formulas[1](z, a, *self._constants())

    def second(self, z: Array, a: Array) -> Array:
        """Compute the third formula; not for a subclass with another derivative."""
        if type(self).prime is not FormulaActivation.prime:
            return super().second(z, a)
        return self.formulas[2](z, a, *self._constants())

    def _constants(self) -> list[Any]:
        return [getattr(self, name) for name in settings_of(type(self))]


@dataclass(frozen=True)
class Identity(FormulaActivation):
    """The identity: a = z      a' = 1"""

    is_increasing = True
    is_affine = True
    is_identity = True
    formulas = (f.identity, f.identity_prime, f.linear_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class ReLU(FormulaActivation):
    """The rectified linear unit: a = max(0, z)      a' = 1 where z > 0, else 0"""

    is_increasing = True
    kind = "relu"
    is_piecewise_affine = True
    kinks = (0.0,)
    suits = HeUniform()
    formulas = (f.relu, f.relu_prime, f.linear_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class LeakyReLU(FormulaActivation):
    """The leaky ReLU: a = z where z > 0, else slope * z      a' = 1 where z > 0, else slope"""

    is_increasing = True
    kind = "leaky_relu"
    is_piecewise_affine = True
    kinks = (0.0,)
    suits = HeUniform()
    formulas = (f.leaky_relu, f.leaky_relu_prime, f.linear_second)
    ops = elementwise
    stacks = True
    slope: float = 0.01

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep directions unless the slope is negative."""
        return Confined(paths) if self.slope >= 0 or paths.are_free else None


class PReLUParams(NamedTuple):
    """The parameters of PReLU."""

    slope: Any  # (width,)


@dataclass(frozen=True)
class PReLU(Activation):
    """The leaky ReLU with one learned slope per neuron: a = z where z > 0, else slope * z.

    dL/dslope = sum_i delta_i * z_i where z_i <= 0      dL/dz = delta where z > 0, else delta * slope
    slope: the initial slope.  rate, decays: at least 0, factors of the slopes' learning rate and weight decay; the
    source has no decay.  Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    kind = "prelu"
    is_piecewise_affine = True
    kinks = (0.0,)
    suits = HeUniform()
    stacks = True
    knows_its_weights = True
    slope: float = 0.25
    rate: float = 1.0
    decays: float = 1.0

    def __post_init__(self) -> None:
        """Check that slope is a finite number, and rate and decays are at least 0."""
        number_settings(self, "slope")
        number_settings(self, "rate", "decays", minimum=0)

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """a = z where z > 0, else slope * z"""
        z = a
        a = f.leaky_relu(z, params.slope)
        return a, (z, a)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dz = delta where z > 0, else delta * slope"""
        z, a = cache
        return self.gradients(params, cache, delta, ctx), delta * f.leaky_relu_prime(z, a, params.slope)

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dslope = sum_i delta_i * z_i where z_i <= 0"""
        z, a = cache
        return PReLUParams((delta * f.prelu_slope_prime(z, a, params.slope)).sum(0))

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """sum_i delta_i z'_i where z_i <= 0"""
        z, a = cache
        return PReLUParams((delta * a_dot * (1 - f.relu_prime(z, a))).sum(0))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dslope = delta_i min(z_i, 0)"""
        return PReLUParams(delta * f.prelu_slope_prime(a, a, params.slope))

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """a' = f'(z) z' + df/dslope slope'"""
        z, a = cache
        own = f.prelu_slope_prime(z, a, params.slope) * v.slope
        return own if a_dot is None else f.leaky_relu_prime(z, a, params.slope) * a_dot + own

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """slope (width,)"""
        return PReLUParams(Parameter((fan_in,), Constant(self.slope), rate=self.rate, decays=self.decays))

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep the slopes of neurons with a direction at 0 or above."""
        return Confined(paths, {"slope": not_negative(paths.directions != 0)})

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """prelu, with its slopes"""
        return (Operation("prelu", parameters=("slope",)),)


@dataclass(frozen=True)
class ELU(FormulaActivation):
    """The exponential linear unit: a = z where z > 0, else alpha * (exp(z) - 1)

    a' = 1 where z > 0, else alpha * exp(z)
    """

    is_increasing = True
    kind = "elu"
    kinks = (0.0,)
    suits = HeUniform()
    formulas = (f.elu, f.elu_prime, f.elu_second)
    ops = elementwise
    stacks = True
    alpha: float = 1.0

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep directions unless alpha is negative."""
        return Confined(paths) if self.alpha >= 0 or paths.are_free else None


@dataclass(frozen=True)
class SELU(FormulaActivation):
    """The scaled ELU, with constants that keep mean 0 and variance 1 from layer to layer.

    a = scale * elu(z, alpha)      a' = scale where z > 0, else scale * alpha * exp(z)
    """

    is_increasing = True
    kind = "selu"
    kinks = (0.0,)
    suits = LeCunNormal()
    formulas = (f.selu, f.selu_prime, f.selu_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class GELU(FormulaActivation):
    """The Gaussian error linear unit: a = z Phi(z), with Phi the normal distribution function, phi its density.

    a' = Phi(z) + z phi(z)
    """

    kind = "gelu"
    suits = HeUniform()
    formulas = (f.gelu, f.gelu_prime, f.gelu_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class GELUTanh(FormulaActivation):
    """The tanh approximation of GELU: a = z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))), with its exact derivative."""

    kind = "gelu_tanh"
    suits = HeUniform()
    formulas = (f.gelu_tanh, f.gelu_tanh_prime, f.gelu_tanh_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class SiLU(FormulaActivation):
    """The sigmoid linear unit, or swish: a = z sigmoid(z)      a' = sigmoid(z) (1 + z (1 - sigmoid(z)))"""

    kind = "silu"
    suits = HeUniform()
    formulas = (f.silu, f.silu_prime, f.silu_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class Mish(FormulaActivation):
    """Mish: a = z tanh(softplus(z))      a' = tanh(softplus(z)) + z sigmoid(z) (1 - tanh(softplus(z))^2)"""

    suits = HeUniform()
    formulas = (f.mish, f.mish_prime, f.mish_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class Softplus(FormulaActivation):
    """The smooth ReLU: a = log(1 + exp(z))      a' = sigmoid(z)"""

    is_increasing = True
    suits = HeUniform()
    formulas = (f.softplus, f.softplus_prime, f.softplus_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class Sigmoid(FormulaActivation):
    """The logistic function: a = 1 / (1 + exp(-z))      a' = a (1 - a)"""

    is_increasing = True
    is_bounded = True
    gives_probabilities = True
    formulas = (f.sigmoid, f.sigmoid_prime, f.sigmoid_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class Tanh(FormulaActivation):
    """The hyperbolic tangent: a = tanh(z)      a' = 1 - a^2"""

    is_increasing = True
    is_bounded = True
    formulas = (f.tanh, f.tanh_prime, f.tanh_second)
    ops = elementwise
    stacks = True


@dataclass(frozen=True)
class Softmax(Activation):
    """Class probabilities from logits: a_k = exp(z_k) / sum_j exp(z_j). Each output depends on every input of its row.

    dL/dz_k = a_k (delta_k - sum_j delta_j a_j), the whole Jacobian diag(a) - a a^T applied to delta.
    Source: Bishop, Pattern Recognition and Machine Learning, eq. 4.104 to 4.106.
    """

    is_elementwise = False
    gives_probabilities = True
    stacks = True
    tangent = symmetric_tangent

    def f(self, z: Array) -> Array:
        """exp(z_k) / sum_j exp(z_j)"""
        return f.softmax(z)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dz_k = a_k (delta_k - sum_j delta_j a_j)"""
        _, a = cache
        return (), f.softmax_pullback(a, delta)

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/dz_k = a_k (delta_k - sum_j delta_j a_j)"""
        return f.softmax_pullback(cache[1][:, None], delta)

    def pullback_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Array:
        """a'_k (delta_k - sum_j delta_j a_j) - a_k sum_j delta_j a'_j"""
        a = cache[1][:, None]
        return f.softmax_pullback_tangent(
            a[:, None], delta[:, :, None], f.softmax_pullback(a, a_dot)[:, None]
        )

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """softmax"""
        return (Operation("softmax"),)


ACTIVATIONS: dict[str, type[Activation]] = {
    layer.kind: layer
    for layer in (
        *(Identity, ReLU, LeakyReLU, PReLU, ELU, SELU, GELU, GELUTanh),
        *(SiLU, Mish, Softplus, Sigmoid, Tanh, Softmax),
    )
}
