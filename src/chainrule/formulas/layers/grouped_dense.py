"""GroupedDense: a separate dense layer for each group of columns, such as the members of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, namespace
from chainrule.core.settings import count_settings
from chainrule.errors import ConfigError
from chainrule.formulas.initializers import Initializer
from chainrule.formulas.layers.base import Context, Layer
from chainrule.formulas.layers.dense import Dense, DenseParams, check_dense
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Interval, Paths, combined, neurons, weights


class GroupedDenseParams(NamedTuple):
    """The parameters of a grouped dense layer; without the axis of groups if shared."""

    W: Any  # (groups, fan_in / groups, units), or (fan_in / groups, units)
    b: Any  # (groups, units), or (units,)


class GroupedProjectionParams(NamedTuple):
    """The parameters of a grouped dense layer without biases."""

    W: Any  # (groups, fan_in / groups, units), or (fan_in / groups, units)


@dataclass(frozen=True)
class GroupedDense(Layer):
    r"""A separate dense layer for each of equal groups of columns: z_g = a_g W_g + b_g, without an activation.

    dL/dW_g = a_g^T delta_g      dL/db_g = sum_i delta_g,i      dL/da_g = delta_g W_g^T
    shared: one W and one b, whose gradients are the sums over the groups.

    units: the number of neurons per group.  groups: the number of groups, a divisor of the input's width.
    shared: whether all groups share W and b.  bias: whether there is a b.
    initializer, weight_rate, bias_rate, weight_decays, bias_decays, parametrization: as in Dense, for each group.
    a: (batch, groups * n), group after group.  W: (groups, n, units).  b: (groups, units).
    z, delta: (batch, groups * units).  shared: W (n, units), b (units,).
    Raises ConfigError for settings out of range, and unless groups divides the input's width.
    Source: Wen, Tran, Ba, "BatchEnsemble", ICLR 2020; Gorishniy, Kotelnikov, Babenko, "TabM", ICLR 2025, section 3.
    """

    is_affine = True
    multiplies = True
    knows_its_weights = True
    units: int
    groups: int
    shared: bool = False
    bias: bool = True
    initializer: Initializer | None = None
    weight_rate: float = 1.0
    bias_rate: float = 1.0
    weight_decays: float = 1.0
    bias_decays: float = 1.0
    parametrization: str = "standard"

    def __post_init__(self) -> None:
        """Check groups, shared and bias, and the settings shared with Dense."""
        check_dense(self)
        count_settings(self, "groups", hint="give the number of members")
        for name in ("shared", "bias"):
            value = getattr(self, name)
            if not isinstance(value, (bool, np.bool_)):
                raise ConfigError(f"{name} of {type(self).__name__} must be True or False, not {value!r}.")
            object.__setattr__(self, name, bool(value))

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """z_g = a_g W_g + b_g"""
        return self.affine(params, self.split(a), ctx), a

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dW, dL/db as in `gradients`      dL/da_g = delta_g W_g^T"""
        grads = self.gradients(params, cache, delta, ctx)
        return grads, joined(ctx.multiply(self.split(delta), params.W.swapaxes(-1, -2)))

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dW_g = a_g^T delta_g      dL/db_g = sum_i delta_g,i      shared: summed over g"""
        a, d = self.split(cache), self.split(ctx.operand(delta))
        return self.made(ctx.multiply(a.swapaxes(1, 2), d), d.sum(1), 0)

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """a'_g^T delta_g, and 0 for b_g      shared: summed over g"""
        found = self.gradients(params, a_dot, delta, ctx)
        return found._replace(b=namespace(delta).zeros_like(params.b)) if self.bias else found

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dW_g = a_g,i^T delta_g,i (batch, groups, n, units)      dL_i/db_g = delta_g,i"""
        a, d = (self.split(part).swapaxes(0, 1) for part in (a, delta))
        return self.made(a[..., None] * d[:, :, None], d.copy(), 1)

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """z_g' = a_g' W_g + a_g W_g' + b_g'"""
        own = self.affine(v, self.split(cache), ctx)
        return own if a_dot is None else joined(self.split(a_dot) @ params.W) + own

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/da_g = delta_g W_g^T"""
        return self._by_groups(delta, params.W.swapaxes(-1, -2))

    def pushforward(self, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """z_g' = a_g' W_g"""
        return self._by_groups(a_dot, params.W)

    def _by_groups(self, vectors: Array, W: Array) -> Array:
        batch, k, width = vectors.shape
        made = joined(self.split(vectors.reshape(batch * k, width)) @ W)
        return made.reshape(batch, k, made.shape[1])

    def split(self, a: Array) -> Array:
        """Split a (batch, groups * n) into groups of columns (groups, batch, n)."""
        return a.reshape(a.shape[0], self.groups, -1).swapaxes(0, 1)

    def affine(self, params: Params, a: Array, ctx: Context) -> Array:
        """Compute a_g W_g + b_g, (batch, groups * units), for a (groups, batch, n)."""
        b = None if not self.bias else params.b if self.shared else params.b[:, None]
        return joined(ctx.multiply(a, params.W, b))

    def made(self, W: Array, b: Array, groups: int) -> Any:
        """Return gradients by group in the structure of the parameters, summed over the axis `groups` if shared."""
        if self.shared:
            W, b = W.sum(groups), b.sum(groups)
        return GroupedDenseParams(W, b) if self.bias else GroupedProjectionParams(W)

    def width(self, fan_in: int) -> int:
        """Return groups * units. Raises ConfigError unless groups divides fan_in."""
        if fan_in % self.groups:
            raise ConfigError(
                f"groups of GroupedDense must divide the {fan_in} input columns, not {self.groups}; all "
                "members have the same number of columns."
            )
        return self.groups * self.units

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """Return W and b as in Dense, for each group or for all."""
        factors = (self.weight_rate, self.bias_rate, self.weight_decays, self.bias_decays)
        one = Dense(self.units, self.initializer, *factors, self.parametrization)
        groups = () if self.shared else (self.groups,)
        W, b = one.parameters(fan_in // self.groups, default)
        W = W._replace(shape=(*groups, *W.shape), initializer=EachGroup(W.initializer, self.groups))
        b = b._replace(shape=(*groups, *b.shape))
        return GroupedDenseParams(W, b) if self.bias else GroupedProjectionParams(W)

    def start_on(self, params: Params, a: NDArray[np.float64], generator: np.random.Generator) -> Any:
        """Start as Dense does, group by group; groups that share W and b start on all their inputs together."""
        one = Dense(self.units)
        groups, b = self.split(a), np.zeros(self.units)
        if self.shared:
            W, b = one.start_on(DenseParams(params.W, b), groups.reshape(-1, groups.shape[-1]), generator)
        else:
            made = [
                one.start_on(DenseParams(W, b), a_g, generator)
                for W, a_g in zip(params.W, groups, strict=True)
            ]
            W, b = (np.stack(parts) for parts in zip(*made, strict=True))
        return GroupedDenseParams(W, b) if self.bias else GroupedProjectionParams(W)

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Do as a Dense, group by group; groups that share W need equal paths."""
        parts = [paths.take(part) for part in np.arange(fan_in).reshape(self.groups, -1)]
        deal = combined if is_last else neurons
        found = [deal(self.units, part) for part in parts]
        of_groups = [weights(part, own) for part, own in zip(parts, found, strict=True)]
        if self.shared and any(
            not np.array_equal(a, b) for each in parts[1:] for a, b in zip(parts[0], each, strict=True)
        ):
            return None
        made = of_groups[0] if self.shared else Interval(*map(np.stack, zip(*of_groups, strict=True)))
        return Confined(Paths(*map(np.concatenate, zip(*found, strict=True))), {"W": made})

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """grouped_dense, with W and b"""
        names = ("W", "b") if self.bias else ("W",)
        return (Operation("grouped_dense", parameters=names, groups=self.groups, shared=self.shared),)

    def operations(self, fan_in: int) -> int:
        """Count one multiplication and one addition per weight and group."""
        return 2 * fan_in * self.units


@dataclass(frozen=True)
class EachGroup(Initializer):
    """The weights of each group, drawn by an initializer as for a separate dense layer."""

    each: Initializer
    groups: int

    def __call__(
        self, generator: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> NDArray[np.float64]:
        """Draw (fan_in / groups, units), once or for each group in turn."""
        fans = fan_in // self.groups, fan_out // self.groups
        if len(shape) == 2:
            return self.each(generator, shape, *fans)
        return np.stack([self.each(generator, shape[1:], *fans) for _ in range(shape[0])])


def joined(z: Array) -> Array:
    """Concatenate groups (groups, batch, units) along the columns: (batch, groups * units)."""
    return z.swapaxes(0, 1).reshape(z.shape[1], -1)
