"""The start of a network on samples: parameters that suit the inputs that each layer gets from them.

A walk forward in prediction, on which each link first sets its own parameters (`Layer.start_on`) and then makes its
output of them, so that every link sees inputs from links that are set already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.formulas.layers import Context, Link
from chainrule.network.network import MAX_LINKS, Network

MEMORY = 1 << 30
"""The most bytes of inputs and outputs of all links, above which some of the samples are drawn."""


def start_on(
    network: Network,
    theta: NDArray[Any],
    states: dict[str, Any],
    a: NDArray[np.float64],
    seed: int,
    frozen: frozenset[str] = frozenset(),
) -> NDArray[Any]:
    """Return theta (size,) as the layers want it for the samples a (n, inputs), with theta's own precision.

    theta: the drawn parameters.  states: as in prediction.  frozen: names of links that keep their parameters.
    All sums are in float64, and a link's random draws depend on the seed and the link's place alone.
    """
    exact = theta.astype(np.float64)
    _walk(network.links, network.unflatten(exact), a, Context(states=states, frozen=frozen), seed)
    return exact.astype(theta.dtype)


def _walk(links: Sequence[Link], params: Sequence[Any], a: Any, ctx: Context, seed: int) -> None:
    for link, own in zip(links, params, strict=True):
        if link.branches:
            for branch, inner in zip(link.branches, own, strict=True):
                _walk(branch, inner, a, ctx, seed)
        elif link.params and link.name not in ctx.frozen:
            wanted = link.layer.start_on(own, a, generator(seed, "start", link.number))
            for array, value in zip(own, wanted, strict=True):
                array[...] = value  # a view of theta
        a, _ = link.layer.forward(own, a, ctx.at(link))


def rows_to_start_on(network: Network, n: int, seed: int, memory: float = MEMORY) -> NDArray[np.int64]:
    """Return the rows of n samples to start on, sorted: all, or as many drawn ones as fit `memory` bytes."""
    width = network.inputs + sum(link.fan_out for link in network.walk())
    count = max(1, int(memory / (8 * width)))
    if count >= n:
        return np.arange(n)
    return np.sort(generator(seed, "start", MAX_LINKS).choice(n, count, replace=False))
