"""Linear functions below and above a function of one number, over an interval: the relaxations of CROWN.

    below x + low <= f(x) <= above x + high          for every x of the box

Every slope has such lines; the chosen one is closest to f at the middle of the interval, so it touches the convex hull
of f there. Of ReLU its slope is 0 or 1, whichever leaves the smaller area; of a smooth function f' where it bends away,
else that of a chord, or of a line through one end.
Source: Zhang, Weng, Chen, Hsieh, Daniel, "Efficient neural network robustness certification with general activation
functions", NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chainrule.graph.operation import UNITS, Array, Box, Lines

CELLS = 17
"""The cells of equal width of an interval; odd, so that the middle is the center of one."""
ROUNDING = 64 * UNITS
"""The rounding of values, derivatives and lines that they allow for, relative to the largest term."""


def supporting_lines(
    value: Callable[[Array], Array],
    prime: Callable[[Array, Array], Array],
    box: Box,
    bends: Sequence[Array | float],
    is_convex_first: bool,
) -> Lines:
    """Return lines below and above f for each number of a box (n, width).

    value, prime: f and f'(z, f(z)).  bends: the places, ascending, where f turns from convex to concave or back, and
    its kinks.  is_convex_first: whether it is convex before the first.

    The offset of a line of slope s is the least of f(x) - s x, cell by cell: where f is concave one of the ends, and
    where it is convex no less than its tangent at the cell's center c, f(c) - s c - |f'(c) - s| width / 2.
    """
    low, high = box
    shares = np.linspace(0.0, 1.0, CELLS + 1)
    grid = [low, *(low + (high - low) * share for share in shares[1:-1]), high]
    knots = np.stack([*grid, *(np.clip(bend, low, high) for bend in bends)])  # (cells + 1, n, width)
    values = value(knots)
    ends = np.sort(knots, axis=0)
    at_ends = value(ends) if len(bends) else values
    c, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    at = value(c)
    slopes = prime(c, at)
    turns = np.sum([c > bend for bend in bends], axis=0) if len(bends) else np.zeros(c.shape, np.int64)
    is_convex = (turns % 2 == 0) == is_convex_first
    m = (low + high) / 2
    run = high - low
    tangent = prime(m, value(m))
    chord = np.where(run > 0, (values[CELLS] - values[0]) / np.where(run > 0, run, 1.0), tangent)
    largest = np.maximum(np.abs(at_ends).max(0), np.abs(at).max(0)) + np.abs(slopes * half).max(0)
    size = np.maximum(np.abs(low), np.abs(high))
    found = []
    for sign in (1.0, -1.0):
        best: tuple[Array, ...] = (np.full(low.shape, -np.inf), low, low)
        bridge = _bridge(knots[: CELLS + 1], sign * values[: CELLS + 1], m, sign * tangent)
        for s in (sign * tangent, sign * chord, bridge):
            tangents = sign * at - s * c - np.abs(sign * slopes - s) * half
            sides = sign * at_ends - s * ends
            least = np.where(is_convex == (sign > 0), tangents, np.minimum(sides[1:], sides[:-1])).min(0)
            least = least - ROUNDING * (largest + (1 + np.abs(s)) * size)
            is_better = s * m + least > best[0]
            best = tuple(
                np.where(is_better, *each) for each in zip((s * m + least, s, least), best, strict=True)
            )
        found += [sign * best[1], sign * best[2]]
    return Lines(*found)


def _bridge(x: Array, y: Array, m: Array, tangent: Array) -> Array:
    """Return the slope of the chord from the left to the right of m that is lowest at m; (points, n, width) x and y."""
    left = len(x) // 2
    lowest, slope = np.full(m.shape, np.inf), tangent
    for x1, y1 in zip(x[:left], y[:left], strict=True):
        run = x[left:] - x1
        rises = (y[left:] - y1) / np.where(run > 0, run, 1.0)
        there = np.where(run > 0, y1 + rises * (m - x1), np.inf)
        k = there.argmin(0)[None]
        height, rise = (np.take_along_axis(each, k, 0)[0] for each in (there, rises))
        is_lower = height < lowest
        lowest, slope = np.where(is_lower, height, lowest), np.where(is_lower, rise, slope)
    return slope
