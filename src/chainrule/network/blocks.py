"""Blocks: links that contain chains.

A block's parameters, gradients and cache are tuples with one entry per branch, each a tuple over the branch's links.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.core.arrays import Array, Cache, Params, namespace
from chainrule.errors import ConfigError
from chainrule.formulas.layers.base import Context, Layer
from chainrule.formulas.layers.dense import Projection
from chainrule.formulas.operation import Operation
from chainrule.network import backprop


@dataclass(frozen=True)
class Block(Layer):
    """Two parallel chains with the same input: the branch of given layers, and the shortcut."""

    joins_linearly: ClassVar[bool] = False
    """whether `join` adds or concatenates the outputs"""
    layers: tuple[Layer, ...]

    def __init__(self, layers: Iterable[Layer]) -> None:
        """Check and store the layers of the branch, in order."""
        layers = tuple(layers) if isinstance(layers, Iterable) else (layers,)
        wrong = [layer for layer in layers if not isinstance(layer, Layer)]
        if not layers or wrong:
            raise ConfigError(
                f"{type(self).__name__} takes a non-empty list of layers, "
                + (f"not {wrong[0]!r} in it." if wrong else "not an empty one.")
            )
        object.__setattr__(self, "layers", layers)

    @abstractmethod
    def join(self, branch: Array, shortcut: Array) -> Array:
        """Combine the outputs of the two chains."""

    @abstractmethod
    def split(self, delta: Array, ctx: Context) -> tuple[Array, Array]:
        """dL/d branch and dL/d shortcut from dL/d output."""

    def shortcut(self, fan_in: int) -> tuple[Layer, ...]:
        """Return the layers of the shortcut; () for the identity."""
        return ()

    def branch_width(self, fan_in: int) -> int:
        """Return fan_out of the branch."""
        for layer in self.layers:
            fan_in = layer.width(fan_in)
        return fan_in

    def branches(self, fan_in: int) -> tuple[tuple[Layer, ...], ...]:
        """Return the branch and the shortcut."""
        return self.layers, self.shortcut(fan_in)

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = join(F(a), S(a))"""
        assert ctx.link is not None
        outputs, caches = zip(
            *(
                backprop.forward(links, theta, a, ctx)
                for links, theta in zip(ctx.link.branches, params, strict=True)
            ),
            strict=True,
        )
        return self.join(*outputs), caches

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da = F'(a)^T dL/dF + S'(a)^T dL/dS"""
        assert ctx.link is not None
        deltas = self.split(delta, ctx)
        (grads_F, grad_F), (grads_S, grad_S) = (
            backprop.backward(*walk, ctx)
            for walk in zip(ctx.link.branches, params, cache, deltas, strict=True)
        )
        return (grads_F, grads_S), grad_F + grad_S

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """Compute the gradients of each branch."""
        assert ctx.link is not None
        deltas = self.split(delta, ctx)
        return tuple(
            backprop.gradients(*walk, ctx)
            for walk in zip(ctx.link.branches, params, cache, deltas, strict=True)
        )

    def backward_tangent(
        self, params: Params, cache: Cache, grad: Array, delta: Array, a_dot: Array, ctx: Context
    ) -> tuple[Any, Array]:
        """The sum over the branches, for a linear join"""
        assert ctx.link is not None
        parts = self.split(grad, ctx), self.split(delta, ctx)
        grads, below = zip(
            *(
                backprop.backward_tangent(*walk, a_dot, ctx)
                for walk in zip(ctx.link.branches, params, cache, *parts, strict=True)
            ),
            strict=True,
        )
        return grads, sum(below)


def joined_tangent(self: Block, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Any:
    """out' = join(F', S'), for a linear join; None if no branch has parameters."""
    assert ctx.link is not None
    outs = [
        backprop.tangent(links, theta, direction, caches, a_dot, ctx)
        for links, theta, direction, caches in zip(ctx.link.branches, params, v, cache, strict=True)
    ]
    known = next((out for out in outs if out is not None), None)
    if known is None:
        return None
    if a_dot is None:  # the tangent of a branch without parameters is zero
        widths = [links[-1].fan_out if links else ctx.link.fan_in for links in ctx.link.branches]
        empty = [namespace(known).zeros((known.shape[0], width), dtype=known.dtype) for width in widths]
        outs = [zero if out is None else out for out, zero in zip(outs, empty, strict=True)]
    return self.join(*outs)


def joined_pullback(self: Block, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
    """F'(a)^T dL/dF + S'(a)^T dL/dS"""
    assert ctx.link is not None
    deltas = self.split(delta, ctx)
    walks = zip(ctx.link.branches, params, cache, deltas, strict=True)
    return sum(backprop.pullback(*walk, ctx, delta.shape[0]) for walk in walks)


def joined_pushforward(self: Block, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
    """join(F', S'), for a linear join"""
    assert ctx.link is not None
    walks = zip(ctx.link.branches, params, cache, strict=True)
    rows, xp = a_dot.shape[0], namespace(a_dot)
    outs = (backprop.pushforward(*walk, a_dot, ctx, rows)[-1] for walk in walks)
    return self.join(*(xp.broadcast_to(out, (rows, *out.shape[1:])) for out in outs))


def joined_pullback_tangent(
    self: Block, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
) -> Array:
    """The sum over the branches, for a linear join; None where both are affine between their kinks."""
    assert ctx.link is not None
    walks = zip(ctx.link.branches, params, cache, self.split(delta, ctx), strict=True)
    parts = [backprop.pullback_tangent(*walk, a_dot, ctx, delta.shape[0]) for walk in walks]
    return sum(curved) if (curved := [part for part in parts if part is not None]) else None


@dataclass(frozen=True, init=False)
class Residual(Block):
    """A residual block: out = F(a) + P(a), with F the given layers, P the identity, or a W_p if the widths differ.

    dL/da = F'(a)^T delta + P'(a)^T delta: a part of the gradient bypasses F.
    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, eq. 1 and 2.
    """

    joins_linearly = True
    tangent, pullback, pushforward = joined_tangent, joined_pullback, joined_pushforward
    pullback_tangent = joined_pullback_tangent

    def shortcut(self, fan_in: int) -> tuple[Layer, ...]:
        """Return a projection if the widths differ, else ()."""
        units = self.branch_width(fan_in)
        return () if units == fan_in else (Projection(units),)

    def width(self, fan_in: int) -> int:
        """Return the width of the branch."""
        return self.branch_width(fan_in)

    def join(self, branch: Array, shortcut: Array) -> Array:
        """F + P"""
        return branch + shortcut

    def split(self, delta: Array, ctx: Context) -> tuple[Array, Array]:
        """dL/dF = dL/dP = delta"""
        return delta, delta

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """add"""
        return (Operation("add"),)

    def operations(self, fan_in: int) -> int:
        """Count the addition."""
        return self.branch_width(fan_in)


@dataclass(frozen=True, init=False)
class Skip(Block):
    """A skip connection: out = [F(a), a], the layers' output concatenated with the input.

    dL/da = F'(a)^T delta[:, :k] + delta[:, k:], with k the width of F(a).
    Source: Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", CVPR 2017.
    """

    joins_linearly = True
    tangent, pullback, pushforward = joined_tangent, joined_pullback, joined_pushforward
    pullback_tangent = joined_pullback_tangent

    def width(self, fan_in: int) -> int:
        """Return the sum of the widths of branch and input."""
        return self.branch_width(fan_in) + fan_in

    def join(self, branch: Array, shortcut: Array) -> Array:
        """[F, a]"""
        return namespace(branch).concatenate([branch, shortcut], axis=-1)

    def split(self, delta: Array, ctx: Context) -> tuple[Array, Array]:
        """dL/dF = delta[:, :k]      dL/da = delta[:, k:]"""
        assert ctx.link is not None
        k = self.branch_width(ctx.link.fan_in)
        return delta[..., :k], delta[..., k:]

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """concat"""
        return (Operation("concat"),)
