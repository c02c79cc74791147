"""Regularizers: penalties on weights, and a bound on each neuron's."""

from __future__ import annotations

from chainrule.core.arrays import Array, namespace


def penalty(W: Array, l2: float, l1: float) -> Array:
    """Compute the penalty of weights, which is added to the loss.

    penalty(W) = l2/2 ||W||^2 + l1 |W|_1            d penalty / dW = l2 W + l1 sign(W)

    W: any shape.  l2, l1: Python floats of at least 0.  Returns ().
    Source: Goodfellow, Bengio, Courville, Deep Learning, section 7.1.
    """
    xp = namespace(W)
    return 0.5 * l2 * xp.sum(W * W) + l1 * xp.sum(xp.abs(W))


def penalty_gradient(W: Array, l2: float, l1: float) -> Array:
    """d penalty / dW = l2 W + l1 sign(W), of W's shape.  At the kink, w = 0, the derivative of |w| is 0."""
    xp = namespace(W)
    gradient = l2 * W
    return gradient + l1 * xp.sign(W) if l1 else gradient  # three passes over W saved where there is no l1


def max_norm(W: Array, limit: float) -> Array:
    """Scale down the incoming weights of each neuron to at most the limit.

    W_j = W_j min(1, limit / ||W_j||) for each column j

    W: (fan_in, fan_out).  limit: a Python float above 0.  Returns (fan_in, fan_out).
    A column that is short enough keeps its bits.
    Source: Srebro, Shraibman, COLT 2005; Srivastava et al., "Dropout", JMLR 15, 2014, section 5.1.
    """
    xp = namespace(W)
    norm = xp.sqrt(xp.sum(W * W, axis=0))  # (fan_out,)
    return W * (limit / xp.maximum(norm, limit))
