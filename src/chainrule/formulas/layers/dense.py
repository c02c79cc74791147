"""The fully connected layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, by_matrix, namespace
from chainrule.core.settings import count_settings, number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.initializers import (
    Constant,
    Floats,
    Initializer,
    LeCunNormal,
    check_initializer,
)
from chainrule.formulas.layers.base import Context, Layer, Parameter
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths, combined, neurons, weights


class DenseParams(NamedTuple):
    """The parameters of a dense layer."""

    W: Any  # (fan_in, fan_out)
    b: Any  # (fan_out,)


@dataclass(frozen=True)
class Dense(Layer):
    r"""The fully connected layer: z = a W + b, followed by an activation as a separate layer.

    dL/dW = a^T delta      dL/db = sum_i delta_i      dL/da = delta W^T      with delta = dL/dz

    units: the number of neurons.
    initializer: of W, such as HeNormal(); None for the one of the activation that follows. b starts at 0.
    weight_rate, bias_rate: at least 0, factors of the learning rate of W and b; 0 freezes them.
    weight_decays, bias_decays: at least 0, factors of the optimizer's weight decay of W and b.
    parametrization: "standard", or "ntk" to train W as if it were V / sqrt(fan_in), see below.
    a: (batch, fan_in).  W: (fan_in, units).  b: (units,).  z, delta: (batch, units).
    Raises ConfigError unless units is a positive integer, initializer an initializer or None, and the rest valid.
    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 1986.

    The NTK parametrization, z = a V / sqrt(fan_in) + b with V ~ N(0, 1), makes one learning rate fit layers of any
    width. W is stored, and optimizers whose steps do not depend on the gradient's scale (Adam and variants, RMSprop,
    Adagrad, Adadelta) move W as they would move V, with

        initializer LeCunNormal(), N(0, 1 / fan_in), unless another is given
        rate of W    weight_rate / sqrt(fan_in)              a step of V is 1 / sqrt(fan_in) times as long in W
        decays of W  weight_decays sqrt(fan_in)              so that W = (1 - lr weight_decay) W, as for V

    except that eps, added to d loss / dV = (d loss / dW) / sqrt(fan_in), acts here as eps / sqrt(fan_in) would there,
    and that clipping, l2, l1 and max_norm apply to W and its gradient. A gradient descent step, with or without
    momentum, is 1 / fan_in times as long for V as for W: pass weight_rate=1 / sqrt(fan_in) as well.
    Source: Jacot, Gabriel, Hongler, "Neural tangent kernel", NeurIPS 2018; for tables, with a rate of 0.1 for biases:
    Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024.
    """

    is_affine = True
    multiplies = True
    stacks = True
    knows_its_weights = True
    units: int
    initializer: Initializer | None = None
    weight_rate: float = 1.0
    bias_rate: float = 1.0
    weight_decays: float = 1.0
    bias_decays: float = 1.0
    parametrization: str = "standard"

    def __post_init__(self) -> None:
        """Check units, the initializer, the factors and the parametrization."""
        check_dense(self)

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """z = a W + b"""
        return ctx.multiply(a, params.W, params.b), a

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dW, dL/db as in `gradients`      dL/da = delta W^T"""
        return self.gradients(params, cache, delta, ctx), ctx.multiply(delta, params.W.T)

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dW = a^T delta      dL/db = sum_i delta_i"""
        a, delta = cache, ctx.operand(delta)
        return DenseParams(ctx.multiply(a.T, delta), delta.sum(0))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dW = a_i^T delta_i (batch, fan_in, fan_out)      dL_i/db = delta_i"""
        return DenseParams(a[:, :, None] * delta[:, None], delta.copy())

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """z' = a' W + a W' + b'"""
        a = cache
        own = a @ v.W + v.b
        return own if a_dot is None else a_dot @ params.W + own

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/da = delta W^T"""
        return by_matrix(delta, params.W.T)

    def pushforward(self, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """z' = a' W"""
        return by_matrix(a_dot, params.W)

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """a'^T delta, and 0 for b"""
        return DenseParams(ctx.multiply(a_dot.T, delta), namespace(delta).zeros_like(params.b))

    def width(self, fan_in: int) -> int:
        """Return units, for every fan_in."""
        return self.units

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """Return W (fan_in, units) with its initializer, and b (units,), initially 0, with their rates and decays."""
        root = 1.0
        if self.parametrization == "ntk":
            root, default = math.sqrt(fan_in), LeCunNormal()
        return DenseParams(
            W=Parameter(
                (fan_in, self.units),
                self.initializer or default,
                is_weight=True,
                rate=self.weight_rate / root,
                decays=self.weight_decays * root,
            ),
            b=Parameter((self.units,), Constant(0.0), rate=self.bias_rate, decays=self.bias_decays),
        )

    def start_on(self, params: Params, a: NDArray[np.float64], generator: np.random.Generator) -> Any:
        """Scale W to give each a W a standard deviation of 1, and choose b to place each kink among the inputs."""
        W = unit_std(params.W, a)
        return DenseParams(W, kinks_among(a @ W, generator))

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Deal the neurons to directions and sets, or as the last layer combine them; W has the signs of its paths."""
        found = combined(self.units, paths) if is_last else neurons(self.units, paths)
        return Confined(found, {"W": weights(paths, found)})

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """dense, with W and b"""
        return (Operation("dense", parameters=("W", "b")),)

    def operations(self, fan_in: int) -> int:
        """Count one multiplication and one addition per weight."""
        return 2 * fan_in * self.units


def check_dense(layer: Any) -> None:
    """Check the settings that a layer shares with Dense."""
    count_settings(layer, "units", hint="give the number of neurons")
    number_settings(layer, "weight_rate", "bias_rate", "weight_decays", "bias_decays", minimum=0)
    if layer.parametrization not in ("standard", "ntk"):
        raise ConfigError(
            f"parametrization of {type(layer).__name__} must be 'standard' or 'ntk', not "
            f"{layer.parametrization!r}."
        )
    check_initializer(layer)


class ProjectionParams(NamedTuple):
    """The parameters of a projection."""

    W: Any  # (fan_in, fan_out)


@dataclass(frozen=True)
class Projection(Dense):
    """A dense layer without a bias: z = a W. The shortcut of a residual block whose input and output widths differ.

    dL/dW = a^T delta      dL/da = delta W^T
    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, eq. 2.
    """

    stacks = True
    knows_its_weights = True
    pullback, pushforward = Dense.pullback, Dense.pushforward

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """z = a W"""
        return ctx.multiply(a, params.W), a

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dW = a^T delta"""
        a = cache
        return ProjectionParams(ctx.multiply(a.T, delta))

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """a'^T delta"""
        return self.gradients(params, a_dot, delta, ctx)

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dW = a_i^T delta_i (batch, fan_in, fan_out)"""
        return ProjectionParams(a[:, :, None] * delta[:, None])

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """z' = a' W + a W'"""
        a = cache
        return a @ v.W if a_dot is None else a_dot @ params.W + a @ v.W

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """Return W (fan_in, units) with its initializer."""
        return ProjectionParams(super().parameters(fan_in, default).W)

    def start_on(self, params: Params, a: NDArray[np.float64], generator: np.random.Generator) -> Any:
        """Scale W so that each a W has a standard deviation of 1."""
        return ProjectionParams(unit_std(params.W, a))

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """dense, with W alone"""
        return (Operation("dense", parameters=("W",)),)


# --- the start on samples

SAMPLES_PER_KINK = 5
"""The samples between which `kinks_among` places a neuron's kink."""


def unit_std(W: Floats, a: Floats) -> Floats:
    """Divide each neuron's weights by the standard deviation of a W, which becomes 1.

    W: (fan_in, units).  a: (n, fan_in), the layer's inputs.  A neuron with a constant a W keeps its weights.
    Source: Mishkin, Matas, "All you need is a good init", ICLR 2016, without iterating; neuron by neuron, as here:
    Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024.
    """
    z = a @ W  # (n, units)
    std = z.std(0)
    return W / np.where(std <= 1e-12 * np.abs(z).max(0), 1.0, std)


def kinks_among(z: Floats, generator: np.random.Generator) -> Floats:
    """Return biases b (units,) that place each neuron's kink, z + b = 0, at a random point between five samples.

    b_j = -sum_m lambda_m z[r_m, j]      r_m: five random rows;  lambda: uniform on the simplex; drawn for each neuron

    z: (n, units), a W. The point sum_m lambda_m a[r_m] then lies on the kink and inside the samples' convex hull.
    Source: Steinwart, "A sober look at neural network initializations", arXiv:1903.11482 ("he+5").
    """
    n, units = z.shape
    rows = generator.integers(n, size=(SAMPLES_PER_KINK, units))
    shares = generator.standard_exponential((SAMPLES_PER_KINK, units))
    shares /= shares.sum(0)
    b: Floats = -(shares * np.take_along_axis(z, rows, 0)).sum(0)
    return b
