"""What a network begins with: parameters adapted to some samples, and the layers of another one with a new head.

A forward pass in prediction mode, where each link first sets its own parameters (`Layer.start_on`) and then computes
its output with them, so that every link's inputs come from links already set.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context, Dense, Layer
from chainrule.formulas.losses import Loss
from chainrule.network import tree
from chainrule.network.network import MAX_LINKS, Network

MEMORY = 1 << 30
"""The maximum bytes of the inputs and outputs of all links; with more samples, a random subset is used."""


def start_on(
    network: Network,
    theta: NDArray[Any],
    states: dict[str, Any],
    a: NDArray[np.float64],
    seed: int,
    frozen: frozenset[str] = frozenset(),
) -> NDArray[Any]:
    """Return theta (size,) initialized by the layers on the samples a (n, inputs), with theta's precision.

    theta: the drawn parameters.  states: as in prediction.  frozen: names of links that keep their parameters.
    All sums are in float64, and a link's random draws depend only on the seed and the link's place.
    """
    exact, ctx = theta.astype(np.float64), Context(states=states, frozen=frozen)
    outputs: dict[str | None, Any] = {None: a}
    for place in tree.places(network.links, network.unflatten(exact), inner_first=True):
        link, own = place.link, place.parts[0]
        x = outputs[place.source and place.source.name]
        if link.params and not link.branches and link.name not in frozen:
            wanted = link.layer.start_on(own, x, generator(seed, "start", link.number))
            for array, value in zip(own, wanted, strict=True):
                array[...] = value  # a view of theta
        outputs[link.name], _ = link.layer.forward(own, x, ctx.at(link))
    return exact.astype(theta.dtype)


def rows_to_start_on(network: Network, n: int, seed: int, memory: float = MEMORY) -> NDArray[np.int64]:
    """Return the sorted rows of n samples to use: all, or a random subset that fits `memory` bytes."""
    width = network.inputs + sum(link.fan_out for link in network.walk())
    count = max(1, int(memory / (8 * width)))
    if count >= n:
        return np.arange(n)
    return np.sort(generator(seed, "start", MAX_LINKS).choice(n, count, replace=False))


def with_head(
    network: Network, layers: Iterable[Layer], loss: Loss | None, after: str | None
) -> tuple[Network, frozenset[str]]:
    """Build a network with new last layers; return it and the names of the links kept, those in blocks included.

    after: the last link kept; None for the one before the last Dense.  loss: None to keep the loss.
    """
    links = network.links
    if after is None:
        keep = max((i for i, link in enumerate(links) if isinstance(link.layer, Dense)), default=-1)
    else:
        keep = next((i + 1 for i, link in enumerate(links) if link.name == after), -1)
    if keep < 0:
        raise ConfigError(f"after must be one of {', '.join(link.name for link in links)}, not {after!r}.")
    made = Network(
        network.inputs,
        (*network.layers[:keep], *layers),
        network.loss if loss is None else loss,
        l2=network.l2,
        l1=network.l1,
        max_norm=network.max_norm,
        constraints=network.constraints,
    )
    return made, frozenset(link.name for link in tree.walk(made.links[:keep]))
