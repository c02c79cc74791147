"""The training objective of a batch, and its gradient with respect to the output, defined once for the whole package.

    L = sum_i s_i loss(out_i, y_i) / sum_i s_i + l2/2 ||W||^2 + l1 |W|

loss(out_i, y_i) is a loss's `value`, its derivative by out_i the loss's `gradient`; s are weights of at least 0. The
penalty depends on all weights W and on no sample: `Network.penalty`.

Training on slopes adds sum_i s_i S_i / sum_i s_i, with what is known of the derivatives by the inputs:

    S_i = 1/2 sum_kj w_ikj (g_ikj - d_ikj)^2          g_ikj = d out_ik / d x_ij          w = 0 where d is not known

Source: Czarnecki, Osindero, Jaderberg, Swirszcz, Pascanu, "Sobolev training for neural networks", NeurIPS 2017.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array, namespace


class Objective(NamedTuple):
    """The objective of one batch, with gradients, output and next states."""

    loss: Array  # ()  with the penalty
    out: Array  # (batch, outputs)
    grads: Any  # in the structure of the parameters
    states: dict[str, Any]  # running statistics after this step, by link name
    penalty: Any = 0.0  # ()  included in the loss


def shares(s: Array) -> Array:
    """Compute s_i / sum_i s_i (batch,), each sample's share of the batch; all 0 if all weights are 0."""
    return s / namespace(s).maximum(s.sum(), np.finfo(s.dtype).tiny)


def parts(losses: Array, share: Array) -> Array:
    """Compute share_i * loss_i, each sample's contribution. losses: (batch,), or (k, batch) for k networks."""
    return share * losses


def value(losses: Array, share: Array, penalty: object) -> Array:
    """L = sum_i share_i loss_i + penalty, () or (k,)."""
    return parts(losses, share).sum(-1) + penalty


def gradient(slopes: Array, share: Array) -> Array:
    """dL/d out_i = share_i d loss_i / d out_i, (batch, outputs)."""
    return share[:, None] * slopes


def slopes_value(g: Array, d: Array, w: Array) -> Array:
    """S_i = 1/2 sum_kj w_ikj (g_ikj - d_ikj)^2, (batch,). g, d, w: (batch, outputs, inputs)."""
    return 0.5 * (w * (g - d) ** 2).sum((1, 2))


def slopes_gradient(g: Array, d: Array, w: Array) -> Array:
    """d S_i / d g_ikj = w_ikj (g_ikj - d_ikj)"""
    return w * (g - d)
