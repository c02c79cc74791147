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
from chainrule.formulas.layers.base import Context, Layer, Link, zeros_like
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


# --- derivatives of the output by the input, in prediction: several vectors for each row, which are the second axis


def pullback(
    links: Sequence[Link], params: Sequence[Any], caches: Sequence[Any], delta: Array, ctx: Context, rows: int
) -> Array:
    """Compute J^T delta (rows, k, fan_in) with J = d out / d a_0, for k vectors delta of each row.

    delta: (rows, k, fan_out), or (1, k, fan_out) for the same ones in all rows, as then the result may be.
    """
    for link, theta, cache in zip(reversed(links), reversed(params), reversed(caches), strict=True):
        delta = link.layer.pullback(theta, cache, of_rows(link.layer, delta, rows), ctx.at(link))
    return delta


def pushforward(
    links: Sequence[Link], params: Sequence[Any], caches: Sequence[Any], a_dot: Array, ctx: Context, rows: int
) -> list[Array]:
    """Compute a_l' = (d a_l / d a_0) a_0' for l = 0 .. L, (rows, k, fan_out) or (1, k, fan_out) each.

    a_dot: (rows, k, fan_in), or (1, k, fan_in) for the same directions in all rows.
    """
    dots = [a_dot]
    for link, theta, cache in zip(links, params, caches, strict=True):
        dots[-1] = of_rows(link.layer, dots[-1], rows)
        dots.append(link.layer.pushforward(theta, cache, dots[-1], ctx.at(link)))
    return dots


def pullback_tangent(
    links: Sequence[Link],
    params: Sequence[Any],
    caches: Sequence[Any],
    delta: Array,
    a_dot: Array,
    ctx: Context,
    rows: int,
) -> Array:
    """Compute sum_j delta_j (d^2 out_j / da_0^2) a_0' (rows, k, m, fan_in), the change of `pullback` along a_0'.

    (delta_{l-1})' = (d a_l / d a_{l-1})^T delta_l' + sum_j delta_lj (d^2 a_lj / d a_{l-1}^2) a_{l-1}'

    delta: (rows, k, fan_out).  a_dot: (rows, m, fan_in). Either may be the same for all rows, as above.
    Returns None where every link is affine between its kinks.
    Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994.
    """
    dots = pushforward(links, params, caches, a_dot, ctx, rows)[:-1]
    shape = (rows, delta.shape[1], a_dot.shape[1], -1)
    found = None
    for link, theta, cache, dot in zip(*map(reversed, (links, params, caches, dots)), strict=True):
        at, delta = ctx.at(link), of_rows(link.layer, delta, rows)
        if found is not None:
            flat = found.reshape(rows, shape[1] * shape[2], link.fan_out)
            found = link.layer.pullback(theta, cache, flat, at).reshape(*shape[:3], link.fan_in)
        own = bend(link, theta, cache, delta, dot, at)
        if own is not None:
            found = own if found is None else found + own
        delta = link.layer.pullback(theta, cache, delta, at)
    return found


def backward_tangent(
    links: Sequence[Link],
    params: Sequence[Any],
    caches: Sequence[Any],
    grad: Array,
    delta: Array,
    a_dot: Array,
    ctx: Context,
) -> tuple[tuple[Any, ...], Array]:
    """Run a backward pass of out and of its tangents at once: return the gradients by the parameters, and by a_0, of

    sum_i grad_i . out_i + sum_ik delta_ik . out'_ik          out'_ik = J_i a'_0,ik

    grad: (batch, fan_out).  delta: (batch, k, fan_out).  a_dot: (batch, k, fan_in).
    One link has four products of matrices: of a', of grad and of delta, and dL/dW = a^T grad + a'^T delta.
    """
    dots = pushforward(links, params, caches, a_dot, ctx, a_dot.shape[0])[:-1]
    grads: list[Any] = []
    for link, theta, cache, dot in zip(*map(reversed, (links, params, caches, dots)), strict=True):
        at = ctx.at(link)
        if ctx.watch is not None:
            ctx.watch("backward", link, grad)
        g, grad = link.layer.backward_tangent(theta, cache, grad, delta, dot, at)
        delta = link.layer.pullback(theta, cache, delta, at)
        grads.append(g)
    return tuple(reversed(grads)), grad


def bend(link: Link, params: Params, cache: Any, delta: Array, a_dot: Array, ctx: Context) -> Array:
    """Compute sum_j delta_j (d^2 out_j / da^2) a' of a link; None for 0."""
    layer = link.layer
    return None if layer.is_straight else layer.pullback_tangent(params, cache, delta, a_dot, ctx)


def of_rows(layer: Layer, vectors: Array, rows: int) -> Array:
    """Return vectors (rows, k, width) from (1, k, width), unless the layer does the same to them in all rows."""
    is_same = layer.is_affine and (layer.is_elementwise or layer.defines("pullback"))
    return vectors if is_same else namespace(vectors).broadcast_to(vectors, (rows, *vectors.shape[1:]))
