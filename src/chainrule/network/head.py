"""Replace the last layers of a network, for another task."""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.errors import ConfigError
from chainrule.formulas.layers import Dense, Layer
from chainrule.formulas.losses import Loss
from chainrule.network import tree
from chainrule.network.network import Network


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
