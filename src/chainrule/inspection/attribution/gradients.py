"""Attributions by gradients: at the sample, and averaged along the straight line from the baseline to the sample."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, RowsLike
from chainrule.data.checks import check_count
from chainrule.errors import ConfigError
from chainrule.inspection.attribution.explained import Explained, Floats, explained
from chainrule.inspection.attribution.result import Attribution, result
from chainrule.network.blocks import Block
from chainrule.network.tree import places, walk
from chainrule.trained.trained import Trained

NODES = 8
"""The number of Gauss-Legendre nodes per piece of the line: exact if f is a polynomial of degree 16 on it."""
MAX_GRADIENTS = 40_000
"""The maximum number of gradients per sample, after which the adaptive rule stops and reports the remaining error."""
MAX_NUMBERS = 100_000_000
"""The maximum number of outputs of the widest layer in these: with more than 2,500 there are fewer gradients."""
MAX_STEPS = 5000
"""The maximum number of nodes of one rule: computing them takes cubic time."""
ROUNDING = 1e-13
"""The error, relative to |f|, that more nodes cannot reduce."""


def saliency(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    signed: bool = False,
) -> Attribution:
    """|df/dx_k|, or with signed=True df/dx_k: the backward pass down to the input.

    X: (n, inputs).  The baseline is stored but not used.  At a kink the derivative is the activation's own.
    Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", arXiv:1312.6034, section 3.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    gradient = f.gradient(f.X, f.V)  # (n, inputs)
    return result(
        "saliency", f, gradient if signed else np.abs(gradient), is_complete=False, signed=bool(signed)
    )


def input_x_gradient(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
) -> Attribution:
    """(x_k - baseline_k) df/dx_k: the contribution of feature k if f were linear with this gradient.

    X: (n, inputs).  With a baseline of 0, as published: x_k df/dx_k.
    Source: Shrikumar, Greenside, Shcherbina, Kundaje, "Not just a black box", arXiv:1605.01713.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    values = (f.X - f.baseline) * f.gradient(f.X, f.V)  # (n, inputs)
    return result("input_x_gradient", f, values, is_complete=False)


def integrated_gradients(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    steps: int | None = None,
    tolerance: float = 1e-6,
) -> Attribution:
    r"""(x_k - b_k) * integral from 0 to 1 of df/dx_k (b + t (x - b)) dt, with b the baseline.

    X: (n, inputs).  steps: the number of Gauss-Legendre nodes on the whole line, as in other packages; None for the
    adaptive rule, which refines until the sum is within `tolerance` of f(x) - f(b), relative.

    The adaptive rule splits the line where a ReLU (or another kinked activation) on it turns on or off. These points
    are found layer by layer: between the points of the layers before it, a layer's pre-activations are linear, so zeros
    follow from the values at both ends. Each piece has 8 nodes, or 1 if f is affine between the points, as with dense
    layers and ReLUs, and is halved if its part of the sum misses its part of f(x) - f(b). For such networks the result
    is exact up to rounding.
    Source: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017, eq. 1, proposition 1.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    if steps is not None:
        steps = check_count(steps, "steps")
        if steps > MAX_STEPS:
            raise ConfigError(
                f"steps must be at most {MAX_STEPS:,}, not {steps:,}; omit it to split the line where f has "
                "kinks."
            )
    elif not (isinstance(tolerance, (int, float)) and 0 < tolerance < 1):
        raise ConfigError(f"tolerance must be between 0 and 1, not {tolerance!r}; 1e-6 is usual.")
    values, used = np.empty_like(f.X), []
    for i in range(len(f.X)):
        values[i], count = _fixed(f, i, steps) if steps is not None else _adaptive(f, i, tolerance)
        used.append(count)
    how = {"steps": steps} if steps is not None else {"steps": None, "tolerance": tolerance}
    return result("integrated_gradients", f, values, is_complete=True, **how, gradients=used)


def _fixed(f: Explained, i: int, steps: int) -> tuple[Floats, int]:
    nodes, weights = gauss_legendre(steps)
    return (f.X[i] - f.baseline[i]) * _mean_gradient(f, i, nodes, weights), steps


def _adaptive(f: Explained, i: int, tolerance: float) -> tuple[Floats, int]:
    """Compute the values (inputs,) of sample i, and the number of gradients used."""
    way = f.X[i] - f.baseline[i]  # (inputs,)
    count = 1 if is_piecewise_affine(f) else NODES
    most = most_gradients(f)
    edges = turning_points(f, i)  # (pieces + 1,)
    if len(edges) * count > most < MAX_GRADIENTS:
        edges = edges[np.unique(np.linspace(0, len(edges) - 1, max(2, most // (2 * count))).astype(int))]
    at_edges = f.value(_along(f, i, edges), f.V[i])  # (pieces + 1,)
    goal = max(tolerance * abs(at_edges[-1] - at_edges[0]), ROUNDING * float(np.abs(at_edges).max()))
    nodes, weights = gauss_legendre(count)
    starts, stops, rises = edges[:-1], edges[1:], np.diff(at_edges)
    total, used, left = np.zeros_like(way), 0, 0.0
    while len(starts):
        sums = np.empty((len(starts), len(way)))
        step = max(1, f.rows_per_pass // count)
        for first in range(0, len(starts), step):
            some = slice(first, first + step)
            width = stops[some] - starts[some]  # (some,)
            t = starts[some, None] + width[:, None] * nodes  # (some, count)
            g = f.gradient(_along(f, i, t.ravel()), f.V[i]).reshape(*t.shape, -1)
            sums[some] = way * (width[:, None] * np.einsum("k,pki->pi", weights, g))
        used += starts.size * count
        errors = np.abs(sums.sum(1) - rises)  # (pieces,) completeness of each piece
        # Halve the worst pieces, as few as possible: the other errors then add up to less than half the limit.
        order = np.argsort(errors)
        fine = np.zeros(len(errors), np.bool_)
        fine[order] = np.cumsum(errors[order]) <= max(goal - left, 0) / 2
        fine |= (stops - starts) < 1e-12
        if used + 2 * count * np.count_nonzero(~fine) > most:
            fine[:] = True
        total += sums[fine].sum(0)
        left += float(errors[fine].sum())
        middle = (starts[~fine] + stops[~fine]) / 2
        f_starts, f_stops = (
            f.value(_along(f, i, t), f.V[i]) if len(t) else t for t in (starts[~fine], stops[~fine])
        )
        f_middle = f.value(_along(f, i, middle), f.V[i]) if len(middle) else middle
        starts, stops = np.concatenate([starts[~fine], middle]), np.concatenate([middle, stops[~fine]])
        rises = np.concatenate([f_middle - f_starts, f_stops - f_middle])
    return total, used


def most_gradients(f: Explained) -> int:
    """Return the maximum number of gradients per sample."""
    return max(NODES, min(MAX_GRADIENTS, MAX_NUMBERS // f.width))


def is_piecewise_affine(f: Explained) -> bool:
    """Return whether f is affine on each piece between kinks, with one gradient per piece."""
    return all(
        layer.joins_linearly if isinstance(layer, Block) else layer.is_affine or layer.is_piecewise_affine
        for layer in (link.layer for link in walk(f.links))
    )


def turning_points(f: Explained, i: int) -> Floats:
    """Return 0, 1, and the sorted positions on sample i's line where an activation's z, or a number, crosses a kink."""
    t = np.array([0.0, 1.0])
    for number in itertools.count():
        caches = f.forward(_along(f, i, t))[1]
        z = next(itertools.islice(_beside_kinks(f, caches), number, None), None)  # (len(t), width)
        if z is None:
            break
        turns = (z[:-1] > 0) != (z[1:] > 0)
        piece, unit = np.nonzero(turns)
        a, b = z[piece, unit], z[piece + 1, unit]
        found = t[piece] + (t[piece + 1] - t[piece]) * (a / (a - b))
        t = np.unique(np.concatenate([t, found]))
        # Merge points that differ only by rounding.
        t = t[np.concatenate([[True], np.diff(t) > 1e-14])]
        t[-1] = 1.0
        if len(t) * NODES > most_gradients(f):
            break
    return t


def _beside_kinks(f: Explained, caches: Sequence[Any]) -> Iterator[Floats]:
    """Iterate over z minus each kink (rows, kinks * width) of the layers with kinks, in forward order."""
    for link, *_, (cache,) in places(f.links, caches):
        if distances := link.layer.from_kinks(cache, f.ctx.at(link)):
            yield np.hstack(distances)


def _along(f: Explained, i: int, t: Floats) -> Floats:
    """Return points (len(t), inputs) on the line: the baseline at 0, the sample at 1."""
    return np.asarray(f.baseline[i] + t[:, None] * (f.X[i] - f.baseline[i]))


def _mean_gradient(f: Explained, i: int, t: Floats, weights: Floats) -> Floats:
    total = np.zeros(f.X.shape[1])
    for some in f.chunks(len(t)):
        total += weights[some] @ f.gradient(_along(f, i, t[some]), f.V[i])
    return total


def gauss_legendre(count: int) -> tuple[Floats, Floats]:
    """Return nodes (count,) on [0, 1] and weights (count,) with sum 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2
