"""Regularizers: penalties on weights, and a bound on the norm of each neuron's weights."""

from __future__ import annotations

from chainrule.core.arrays import Array, namespace


def penalty(W: Array, l2: float, l1: float, factor: Array = 1.0) -> Array:
    """Compute the penalty on weights that is added to the loss.

    penalty(W) = factor (l2/2 ||W||^2 + l1 |W|_1)            d penalty / dW = factor (l2 W + l1 sign(W))

    W: any shape.  l2, l1: Python floats of at least 0.  factor: (), the step's schedule factor.  Returns ().
    Source: Goodfellow, Bengio, Courville, Deep Learning, section 7.1.
    """
    xp = namespace(W)
    return _scalar(factor, W) * (0.5 * l2 * xp.sum(W * W) + l1 * xp.sum(xp.abs(W)))


def penalty_gradient(W: Array, l2: float, l1: float, factor: Array = 1.0) -> Array:
    """d penalty / dW = factor (l2 W + l1 sign(W)), of W's shape.  At w = 0, the derivative of |w| is 0."""
    gradient = _scalar(factor * l2, W) * W
    if not l1:  # saves three passes over W
        return gradient
    return gradient + _scalar(factor * l1, W) * namespace(W).sign(W)


def _scalar(value: Array, W: Array) -> Array:
    """Return a number that keeps W's dtype: a Python float, or a 0-d array of W's dtype."""
    return value if type(value) is float else namespace(W).asarray(value, dtype=W.dtype)


def max_norm(W: Array, limit: float) -> Array:
    """Scale down each neuron's incoming weights to a norm of at most the limit.

    W_j = W_j min(1, limit / ||W_j||) for each column j

    W: (fan_in, fan_out), or (groups, fan_in, fan_out).  limit: a Python float above 0.  Returns W's shape.
    A column within the limit keeps its bits.
    Source: Srebro, Shraibman, COLT 2005; Srivastava et al., "Dropout", JMLR 15, 2014, section 5.1.
    """
    xp = namespace(W)
    norm = xp.sqrt(xp.sum(W * W, axis=-2, keepdims=True))  # (1, fan_out)
    return W * (limit / xp.maximum(norm, limit))
