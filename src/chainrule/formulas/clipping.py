"""Clipping: bounds on a gradient before the optimizer sees it."""

from __future__ import annotations

from chainrule.core.arrays import Array, namespace


def clip_by_norm(g: Array, max_norm: float) -> Array:
    """Scale g down to norm max_norm if it is longer: g min(1, max_norm / ||g||).

    g: (n,), the whole gradient, so that the norm is global.  max_norm: a Python float above 0.  Returns (n,).
    Computed as g (max_norm / max(||g||, max_norm)): a g within the bound keeps its bits, and 0 stays 0.
    NaN or infinity in g gives NaN.  In float32 the square of |g| above 1.8e19 overflows: all becomes 0.
    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
    """
    square = namespace(g).sum(g * g)  # ()  pairwise: unlike BLAS, its order does not depend on the threads
    return g * shortening(square, max_norm)


def shortening(square: Array, max_norm: float) -> Array:
    """Return the factor max_norm / max(||g||, max_norm), at most 1.  square: ||g||^2, ().  Returns ()."""
    xp = namespace(square)
    return max_norm / xp.maximum(xp.sqrt(square), max_norm)


def clip_by_value(g: Array, limit: float) -> Array:
    """Bound each component: min(max(g, -limit), limit).

    g: any shape.  limit: a Python float above 0.  Returns g's shape.  NaN stays NaN.
    """
    return namespace(g).clip(g, -limit, limit)
