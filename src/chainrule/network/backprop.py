r"""The forward and the backward pass over a chain.

forward:   a_l = f_l(a_{l-1}; theta_l),  l = 1 .. L
backward:  delta_{l-1} = (d a_l / d a_{l-1})^T delta_l      dL/dtheta_l = (d a_l / dtheta_l)^T delta_l

with delta_l = dL/da_l, starting from delta_L = dL/da_L, the gradient of the loss. Each link computes its own part, and
the passes hand on a_l and delta_l. These pure functions run unchanged under NumPy and `jax.jit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.arrays import Array, Params, namespace
from chainrule.formulas.layers.base import Context, Link
from chainrule.network import tree


def forward(
    links: Sequence[Link], params: Sequence[Any], a: Array, ctx: Context
) -> tuple[Array, tuple[Any, ...]]:
    """Run the forward pass from a (batch, fan_in): return the output (batch, fan_out) and a cache per link."""
    caches: list[Any] = []
    for link, theta in zip(links, params, strict=True):
        if ctx.precision is not None and link.multiplies:
            a, caches[-1:] = as_factor(a, caches[-1:], ctx)
        a, cache = link.layer.forward(theta, a, ctx.at(link))
        caches.append(cache)
        if ctx.watch is not None:
            ctx.watch("forward", link, a)
    return a, tuple(caches)


def as_factor(a: Array, caches: Sequence[Any], ctx: Context) -> tuple[Array, list[Any]]:
    """Return a as a product reads it, and the cache of the link that made it, if any, with this a.

    All that reads a then reads the same numbers: the sum of a residual block, and an activation's derivative.
    """
    factor = ctx.operand(a)
    return factor, [
        tuple(factor if part is a else part for part in cache) if type(cache) is tuple else cache
        for cache in caches
    ]


def backward(
    links: Sequence[Link], params: Sequence[Any], caches: Sequence[Any], delta: Array, ctx: Context
) -> tuple[tuple[Any, ...], Array]:
    """Run the backward pass from dL/d output: return the gradients, in the structure of params, and dL/d input."""
    grads = []
    for link, theta, cache in zip(reversed(links), reversed(params), reversed(caches), strict=True):
        if ctx.watch is not None:
            ctx.watch("backward", link, delta)
        g, delta = link.layer.backward(theta, cache, delta, ctx.at(link))
        grads.append(g)
    return tuple(reversed(grads)), delta


def gradients(
    links: Sequence[Link], params: Sequence[Any], caches: Sequence[Any], delta: Array, ctx: Context
) -> tuple[Any, ...]:
    """Compute the gradients only: the backward pass ends at the first trained link.

    Links before that one get zeros; links without parameters get ().
    """
    first = next((i for i, link in enumerate(links) if is_trained(link, ctx)), len(links))
    before = tuple(zeros_like(theta) for theta in params[:first])
    if first == len(links):
        return before
    after, delta = backward(links[first + 1 :], params[first + 1 :], caches[first + 1 :], delta, ctx)
    link = links[first]
    if ctx.watch is not None:
        ctx.watch("backward", link, delta)
    return (*before, link.layer.gradients(params[first], caches[first], delta, ctx.at(link)), *after)


def tangent(
    links: Sequence[Link],
    params: Sequence[Any],
    v: Sequence[Any],
    caches: Sequence[Any],
    a_dot: Array,
    ctx: Context,
) -> Any:
    """Run the forward pass of tangents, from a' (batch, fan_in) to out' (batch, fan_out). None stands for zero in both.

    With every quantity a function of one variable e, theta(e) = theta + e v, a prime is the derivative by e:

    a_l' = (d a_l / d a_{l-1}) a_{l-1}' + (d a_l / d theta_l) v_l

    It uses the caches of the forward pass, stores nothing for a backward pass, and is exact: at the end
    dL/dtheta . v = sum_i dL/d out_i . out_i'.  v: has the structure of the parameters.
    Source: Griewank, Walther, Evaluating Derivatives, 2nd ed., section 3.1.
    """
    for link, theta, direction, cache in zip(links, params, v, caches, strict=True):
        if a_dot is not None or link.params or link.branches:  # else the tangent is still zero
            a_dot = link.layer.tangent(theta, direction, cache, a_dot, ctx.at(link))
    return a_dot


def next_states(links: Sequence[Link], caches: Sequence[Any], ctx: Context) -> dict[str, Any]:
    """Return the states of all links after a training step, by name; those of frozen links are unchanged."""
    states: dict[str, Any] = {}
    for link, *_, (cache,) in tree.places(links, caches):
        if link.name in ctx.states:
            at = ctx.at(link)
            states[link.name] = link.layer.next_state(at.state, cache, at) if at.training else at.state
    return states


def is_trained(link: Link, ctx: Context) -> bool:
    """Return whether the link, or a link inside it, has parameters that are not frozen."""
    return any(inner.params != () and inner.name not in ctx.frozen for inner in tree.walk([link]))


def zeros_like(params: Params) -> Any:
    """Return a tree of zeros with the structure of params."""
    if not isinstance(params, tuple):
        return namespace(params).zeros_like(params)
    parts = [zeros_like(part) for part in params]
    return type(params)(*parts) if hasattr(params, "_fields") else tuple(parts)
