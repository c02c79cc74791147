"""Per-sample gradients of one link: the contribution of each row of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context, Link


def sample_gradients(link: Link, params: Any, a: NDArray[Any], delta: NDArray[Any], ctx: Context) -> Any:
    """Compute the link's gradients with a batch axis in front, whose sum over it is `Layer.gradients`.

    a: (batch, fan_in).  delta: (batch, fan_out), dL by the link's output.
    Raises ConfigError for a custom layer without `per_sample` that mixes samples.
    """
    if link.layer.defines("per_sample"):
        return link.layer.per_sample(params, a, delta, ctx)
    return _row_by_row(link, params, a, delta, ctx)


def _row_by_row(link: Link, params: Any, a: NDArray[Any], delta: NDArray[Any], ctx: Context) -> Any:
    """Compute them sample by sample; raise unless they add up to the batch's gradient."""
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
                f"{link.name} mixes the samples of a batch, so its gradient cannot be split by sample; "
                "trace the samples one by one."
            )
    return type(params)(*found)
