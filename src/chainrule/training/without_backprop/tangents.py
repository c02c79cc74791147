"""Forward mode: the walk that carries derivatives along with it.

With every number a function of one variable e, theta(e) = theta + e v, a dot is a derivative by e:

a_l = f_l(a_{l-1}; theta_l)        a_l' = (d a_l / d a_{l-1}) a_{l-1}' + (d a_l / d theta_l) v_l

It uses what the forward walk left in the caches, keeps nothing for a walk back, and its result is exact: at the end
stands out' with dL/dtheta . v = sum_i dL/d out_i . out_i'. A custom layer takes part with a method
tangent(self, params, v, cache, a_dot, ctx) that returns its output's derivative (batch, fan_out);
a_dot is None where it is zero and the layer is the first with parameters.
Source: Griewank, Walther, Evaluating Derivatives, 2nd ed., section 3.1; Baydin et al., "Gradients without
backpropagation", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.arrays import Array, namespace
from chainrule.errors import ConfigError
from chainrule.formulas.activations import prelu_prime, prelu_slope_prime
from chainrule.formulas.layers import (
    Activation,
    BatchNorm,
    Context,
    Dense,
    Dropout,
    Link,
    PReLU,
    Projection,
    Rescale,
    Softmax,
    Standardize,
)
from chainrule.network.blocks import Residual, Skip


def forward(
    links: Sequence[Link],
    params: Sequence[Any],
    v: Sequence[Any],
    caches: Sequence[Any],
    a_dot: Array,
    ctx: Context,
) -> Array:
    """out' (batch, fan_out) of a chain, for the a' (batch, fan_in) of its input; None for zero, in and out.

    params, v: parameters and their derivatives.  caches: of the forward walk.
    """
    for link, theta, direction, cache in zip(links, params, v, caches, strict=True):
        if a_dot is not None or link.params or link.branches:  # else nothing has changed so far
            a_dot = rule(link)(link.layer, theta, direction, cache, a_dot, ctx.at(link))
    return a_dot


def rule(link: Link) -> Any:
    """How derivatives pass a link. Raises ConfigError where nothing says it."""
    own = getattr(type(link.layer), "tangent", None)
    if own is not None:
        return own
    for kind in type(link.layer).__mro__:
        if kind in RULES:
            return RULES[kind]
    raise ConfigError(
        f"forward_gradient needs the forward derivative of {link.name} ({type(link.layer).__name__}); give the layer a "
        "method tangent(params, v, cache, a_dot, ctx), or take spsa."
    )


def dense(layer: Any, params: Any, v: Any, cache: Any, a_dot: Array, ctx: Context) -> Array:
    """z' = a' W + a W' + b'"""
    a = cache
    own = a @ v.W + v.b
    return own if a_dot is None else a_dot @ params.W + own


def projection(layer: Any, params: Any, v: Any, cache: Any, a_dot: Array, ctx: Context) -> Array:
    """z' = a' W + a W'"""
    a = cache
    return a @ v.W if a_dot is None else a_dot @ params.W + a @ v.W


def activation(layer: Any, params: Any, v: Any, cache: Any, a_dot: Array, ctx: Context) -> Array:
    """a' = f'(z) z'"""
    z, a = cache
    return layer.prime(z, a) * a_dot


def symmetric(layer: Any, params: Any, v: Any, cache: Any, a_dot: Array, ctx: Context) -> Array:
    """out' = J a', with J = J^T: what the backward walk makes of a'. Parameters, if any, stand still."""
    return layer.backward(params, cache, a_dot, ctx)[1]


def prelu(layer: Any, params: Any, v: Any, cache: Any, a_dot: Array, ctx: Context) -> Array:
    """a' = f'(z) z' + df/dslope slope'"""
    z, a = cache
    own = prelu_slope_prime(z, a, params.slope) * v.slope
    return own if a_dot is None else prelu_prime(z, a, params.slope) * a_dot + own


def batch_norm(layer: Any, params: Any, v: Any, cache: Any, a_dot: Array, ctx: Context) -> Array:
    """out' = (d out / da) a' + gamma' x_hat + beta', with d out / da symmetric, in training too"""
    own = v.gamma * cache.x_hat + v.beta
    return own if a_dot is None else symmetric(layer, params, v, cache, a_dot, ctx) + own


def block(layer: Any, params: Any, v: Any, cache: Any, a_dot: Array, ctx: Context) -> Array:
    """out' = join(F', S'): both joins, the sum and the concatenation, are linear."""
    assert ctx.link is not None
    outs = [
        forward(links, theta, direction, caches, a_dot, ctx)
        for links, theta, direction, caches in zip(ctx.link.branches, params, v, cache, strict=True)
    ]
    known = next((out for out in outs if out is not None), None)
    if known is None:
        return None
    if a_dot is None:  # a branch without parameters hands zero on
        widths = [links[-1].fan_out if links else ctx.link.fan_in for links in ctx.link.branches]
        empty = [namespace(known).zeros((known.shape[0], width), dtype=known.dtype) for width in widths]
        outs = [zero if out is None else out for out, zero in zip(outs, empty, strict=True)]
    return layer.join(*outs)


RULES: dict[type, Any] = {
    Dense: dense,
    Projection: projection,
    Activation: activation,
    Softmax: symmetric,
    PReLU: prelu,
    BatchNorm: batch_norm,
    Dropout: symmetric,
    Rescale: symmetric,
    Standardize: symmetric,
    Residual: block,
    Skip: block,
}
"""By layer; the nearest class of a layer's counts."""
