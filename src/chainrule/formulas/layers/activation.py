# Over 300 lines because fourteen activations stand here side by side to be compared, with one list of them.
"""Activations as layers: a = f(z), and dL/dz = dL/da * f'(z).

The functions and their derivatives are in `chainrule.formulas.activations`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

from chainrule.core.arrays import Array, Cache, Params
from chainrule.core.settings import number_settings
from chainrule.formulas import activations as f
from chainrule.formulas.initializers import Constant, GlorotUniform, HeUniform, Initializer, LeCunNormal
from chainrule.formulas.layers.base import Context, Layer, Operation, Parameter, symmetric_tangent
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
        number_settings(self, *(field.name for field in fields(self) if field.type == "float"))

    def f(self, z: Array) -> Array:
        """Compute the activation."""
        raise NotImplementedError(f"{type(self).__name__} must define f(z).")

    def prime(self, z: Array, a: Array) -> Array:
        """Compute its derivative at z, where a = f(z)."""
        raise NotImplementedError(f"{type(self).__name__} must define prime(z, a).")

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

    def operations(self, fan_in: int) -> int:
        """Count one operation per neuron, for every activation."""
        return fan_in


def elementwise(layer: Activation, fan_in: int) -> tuple[Operation, ...]:
    """Return an activation as an elementwise operation, with its function by name and its settings as constants."""
    constants = {setting.name: getattr(layer, setting.name) for setting in fields(layer)}
    return (Operation("elementwise", function=layer.kind, constants=constants),)


@dataclass(frozen=True)
class Identity(Activation):
    """The identity: a = z      a' = 1"""

    is_increasing = True
    is_affine = True
    is_identity = True
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """z"""
        return f.identity(z)

    def prime(self, z: Array, a: Array) -> Array:
        """1"""
        return f.identity_prime(z, a)


@dataclass(frozen=True)
class ReLU(Activation):
    """The rectified linear unit: a = max(0, z)      a' = 1 where z > 0, else 0"""

    is_increasing = True
    kind = "relu"
    is_piecewise_affine = True
    kinks = (0.0,)
    suits = HeUniform()
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """max(0, z)"""
        return f.relu(z)

    def prime(self, z: Array, a: Array) -> Array:
        """1 where z > 0, else 0"""
        return f.relu_prime(z, a)


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """The leaky ReLU: a = z where z > 0, else slope * z      a' = 1 where z > 0, else slope"""

    is_increasing = True
    kind = "leaky_relu"
    is_piecewise_affine = True
    kinks = (0.0,)
    suits = HeUniform()
    ops = elementwise
    stacks = True
    slope: float = 0.01

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep directions unless the slope is negative."""
        return Confined(paths) if self.slope >= 0 or paths.are_free else None

    def f(self, z: Array) -> Array:
        """z where z > 0, else slope * z"""
        return f.leaky_relu(z, self.slope)

    def prime(self, z: Array, a: Array) -> Array:
        """1 where z > 0, else slope"""
        return f.leaky_relu_prime(z, a, self.slope)


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
        a = f.prelu(z, params.slope)
        return a, (z, a)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dz = delta where z > 0, else delta * slope"""
        z, a = cache
        return self.gradients(params, cache, delta, ctx), delta * f.prelu_prime(z, a, params.slope)

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dslope = sum_i delta_i * z_i where z_i <= 0"""
        z, a = cache
        return PReLUParams((delta * f.prelu_slope_prime(z, a, params.slope)).sum(0))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dslope = delta_i min(z_i, 0)"""
        return PReLUParams(delta * f.prelu_slope_prime(a, a, params.slope))

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """a' = f'(z) z' + df/dslope slope'"""
        z, a = cache
        own = f.prelu_slope_prime(z, a, params.slope) * v.slope
        return own if a_dot is None else f.prelu_prime(z, a, params.slope) * a_dot + own

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
class ELU(Activation):
    """The exponential linear unit: a = z where z > 0, else alpha * (exp(z) - 1)"""

    is_increasing = True
    kind = "elu"
    kinks = (0.0,)
    suits = HeUniform()
    ops = elementwise
    stacks = True
    alpha: float = 1.0

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep directions unless alpha is negative."""
        return Confined(paths) if self.alpha >= 0 or paths.are_free else None

    def f(self, z: Array) -> Array:
        """z where z > 0, else alpha * (exp(z) - 1)"""
        return f.elu(z, self.alpha)

    def prime(self, z: Array, a: Array) -> Array:
        """1 where z > 0, else alpha * exp(z)"""
        return f.elu_prime(z, a, self.alpha)


@dataclass(frozen=True)
class SELU(Activation):
    """The scaled ELU, with constants that keep mean 0 and variance 1 from layer to layer."""

    is_increasing = True
    kind = "selu"
    kinks = (0.0,)
    suits = LeCunNormal()
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """scale * elu(z, alpha)"""
        return f.selu(z)

    def prime(self, z: Array, a: Array) -> Array:
        """scale where z > 0, else scale * alpha * exp(z)"""
        return f.selu_prime(z, a)


@dataclass(frozen=True)
class GELU(Activation):
    """The Gaussian error linear unit: a = z Phi(z), with Phi the normal distribution function."""

    kind = "gelu"
    suits = HeUniform()
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """z Phi(z)"""
        return f.gelu(z)

    def prime(self, z: Array, a: Array) -> Array:
        """Phi(z) + z phi(z)"""
        return f.gelu_prime(z, a)


@dataclass(frozen=True)
class GELUTanh(Activation):
    """The tanh approximation of GELU."""

    kind = "gelu_tanh"
    suits = HeUniform()
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3)))"""
        return f.gelu_tanh(z)

    def prime(self, z: Array, a: Array) -> Array:
        """Compute the exact derivative of the approximation."""
        return f.gelu_tanh_prime(z, a)


@dataclass(frozen=True)
class SiLU(Activation):
    """The sigmoid linear unit, also called swish: a = z sigmoid(z)."""

    kind = "silu"
    suits = HeUniform()
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """z sigmoid(z)"""
        return f.silu(z)

    def prime(self, z: Array, a: Array) -> Array:
        """sigmoid(z) (1 + z (1 - sigmoid(z)))"""
        return f.silu_prime(z, a)


@dataclass(frozen=True)
class Mish(Activation):
    """Mish: a = z tanh(softplus(z))"""

    suits = HeUniform()
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """z tanh(softplus(z))"""
        return f.mish(z)

    def prime(self, z: Array, a: Array) -> Array:
        """tanh(softplus(z)) + z sigmoid(z) (1 - tanh(softplus(z))^2)"""
        return f.mish_prime(z, a)


@dataclass(frozen=True)
class Softplus(Activation):
    """The smooth ReLU: a = log(1 + exp(z))      a' = sigmoid(z)"""

    is_increasing = True
    suits = HeUniform()
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """log(1 + exp(z))"""
        return f.softplus(z)

    def prime(self, z: Array, a: Array) -> Array:
        """sigmoid(z)"""
        return f.softplus_prime(z, a)


@dataclass(frozen=True)
class Sigmoid(Activation):
    """The logistic function: a = 1 / (1 + exp(-z))      a' = a (1 - a)"""

    is_increasing = True
    is_bounded = True
    gives_probabilities = True
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """1 / (1 + exp(-z))"""
        return f.sigmoid(z)

    def prime(self, z: Array, a: Array) -> Array:
        """a (1 - a)"""
        return f.sigmoid_prime(z, a)


@dataclass(frozen=True)
class Tanh(Activation):
    """The hyperbolic tangent: a = tanh(z)      a' = 1 - a^2"""

    is_increasing = True
    is_bounded = True
    ops = elementwise
    stacks = True

    def f(self, z: Array) -> Array:
        """tanh(z)"""
        return f.tanh(z)

    def prime(self, z: Array, a: Array) -> Array:
        """1 - a^2"""
        return f.tanh_prime(z, a)


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
