"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.core.arrays import Array
from chainrule.core.settings import count_settings
from chainrule.errors import ConfigError
from chainrule.formulas.initializers import Constant, Initializer
from chainrule.formulas.layers.base import Context, Layer, Operation, Parameter


class DenseParams(NamedTuple):
    """The parameters of a dense layer."""

    W: Any  # (fan_in, fan_out)
    b: Any  # (fan_out,)


@dataclass(frozen=True)
class Dense(Layer):
    r"""The fully connected layer: z = a W + b, without an activation, which is a layer of its own behind it.

    dL/dW = a^T delta      dL/db = sum_i delta_i      dL/da = delta W^T      with delta = dL/dz

    units: the number of neurons.
    initializer: of W, such as HeNormal(); None for the one that suits the activation that follows. b starts at 0.
    a: (batch, fan_in).  W: (fan_in, units).  b: (units,).  z, delta: (batch, units).
    Raises ConfigError unless units is a positive integer and initializer an initializer or None.
    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 1986.
    """

    is_affine = True
    stacks = True
    knows_its_weights = True
    units: int
    initializer: Initializer | None = None

    def __post_init__(self) -> None:
        """Check that units is a positive integer, and initializer an initializer or None."""
        count_settings(self, "units", hint="give the number of neurons")
        if self.initializer is not None and not isinstance(self.initializer, Initializer):
            raise ConfigError(
                f"initializer of {type(self).__name__} must be an initializer such as HeNormal(), or None, "
                f"not {self.initializer!r}."
            )

    def forward(self, params: Any, a: Array, ctx: Context) -> tuple[Array, Any]:
        """z = a W + b"""
        return a @ params.W + params.b, a

    def backward(self, params: Any, cache: Any, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dW, dL/db as in `gradients`      dL/da = delta W^T"""
        return self.gradients(params, cache, delta, ctx), delta @ params.W.T

    def gradients(self, params: Any, cache: Any, delta: Array, ctx: Context) -> Any:
        """dL/dW = a^T delta      dL/db = sum_i delta_i"""
        a = cache
        return DenseParams(a.T @ delta, delta.sum(0))

    def per_sample(self, params: Any, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dW = a_i^T delta_i (batch, fan_in, fan_out)      dL_i/db = delta_i"""
        return DenseParams(a[:, :, None] * delta[:, None], delta.copy())

    def tangent(self, params: Any, v: Any, cache: Any, a_dot: Any, ctx: Context) -> Array:
        """z' = a' W + a W' + b'"""
        a = cache
        own = a @ v.W + v.b
        return own if a_dot is None else a_dot @ params.W + own

    def width(self, fan_in: int) -> int:
        """Return units, for every fan_in."""
        return self.units

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """Return W (fan_in, units) with its initializer, and b (units,), initially zero."""
        return DenseParams(
            W=Parameter((fan_in, self.units), self.initializer or default, is_weight=True),
            b=Parameter((self.units,), Constant(0.0)),
        )

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """dense, with W and b"""
        return (Operation("dense", parameters=("W", "b")),)

    def operations(self, fan_in: int) -> int:
        """Count one multiplication and one addition per weight."""
        return 2 * fan_in * self.units


class ProjectionParams(NamedTuple):
    """The parameters of a projection."""

    W: Any  # (fan_in, fan_out)


@dataclass(frozen=True)
class Projection(Dense):
    """A dense layer without a bias: z = a W. A residual block's shortcut where the widths differ.

    dL/dW = a^T delta      dL/da = delta W^T
    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, eq. 2.
    """

    stacks = True
    knows_its_weights = True

    def forward(self, params: Any, a: Array, ctx: Context) -> tuple[Array, Any]:
        """z = a W"""
        return a @ params.W, a

    def gradients(self, params: Any, cache: Any, delta: Array, ctx: Context) -> Any:
        """dL/dW = a^T delta"""
        a = cache
        return ProjectionParams(a.T @ delta)

    def per_sample(self, params: Any, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dW = a_i^T delta_i (batch, fan_in, fan_out)"""
        return ProjectionParams(a[:, :, None] * delta[:, None])

    def tangent(self, params: Any, v: Any, cache: Any, a_dot: Any, ctx: Context) -> Array:
        """z' = a' W + a W'"""
        a = cache
        return a @ v.W if a_dot is None else a_dot @ params.W + a @ v.W

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """Return W (fan_in, units) with its initializer."""
        return ProjectionParams(Parameter((fan_in, self.units), self.initializer or default, is_weight=True))

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """dense, with W alone"""
        return (Operation("dense", parameters=("W",)),)
