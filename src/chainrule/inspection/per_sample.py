"""Per-sample gradients of one link: what each row of a batch adds to the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.formulas import activations
from chainrule.formulas.layers import BatchNorm, Context, Dense, Link, PReLU
from chainrule.formulas.layers.dense import Projection


def sample_gradients(link: Link, params: Any, a: NDArray[Any], delta: NDArray[Any], ctx: Context) -> Any:
    """The link's NamedTuple with a batch axis before each shape; the sum over it is `Layer.gradients`.

    dense        dL_i/dW = a_i^T delta_i           dL_i/db = delta_i
    batch norm   dL_i/dgamma = delta_i x_hat_i     dL_i/dbeta = delta_i
    PReLU        dL_i/dslope = delta_i min(z_i, 0)

    a: (batch, fan_in).  delta: (batch, fan_out), dL by the link's output.
    Raises ConfigError for a layer of one's own in which the samples feel each other.
    """
    kind = type(link.layer)
    if kind in (Dense, Projection):
        W = np.einsum("ij,ik->ijk", a, delta)  # (batch, fan_in, fan_out)
        return type(params)(W, delta.copy()) if kind is Dense else type(params)(W)
    if kind is BatchNorm:
        _, cache = link.layer.forward(params, a, ctx)
        return type(params)(delta * cache.x_hat, delta.copy())
    if kind is PReLU:
        return type(params)(delta * activations.prelu_slope_prime(a, a, params.slope))
    return _row_by_row(link, params, a, delta, ctx)


def _row_by_row(link: Link, params: Any, a: NDArray[Any], delta: NDArray[Any], ctx: Context) -> Any:
    """Any other layer, one sample at a time; held against the batch's gradient, which only a row-wise layer matches."""
    parts = []
    for row, d in zip(a[:, None], delta[:, None], strict=True):
        _, cache = link.layer.forward(params, row, ctx)
        parts.append(link.layer.gradients(params, cache, d, ctx))
    found = [np.stack(leaves) for leaves in zip(*parts, strict=True)]
    _, cache = link.layer.forward(params, a, ctx)
    whole = link.layer.gradients(params, cache, delta, ctx)
    room = 1e3 * float(np.finfo(delta.dtype).eps)
    for each, g in zip(found, whole, strict=True):
        if not np.allclose(each.sum(0), g, rtol=room, atol=room * float(np.abs(each).sum(0).max(initial=0))):
            raise ConfigError(
                f"{link.name} mixes the samples of a batch, so its gradient has no part for each; "
                "trace the samples one by one."
            )
    return type(params)(*found)
