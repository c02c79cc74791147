"""The network of a fit, from its parameters and what a recipe sets beyond these."""

from __future__ import annotations

from chainrule.estimators.architecture import hidden_layers
from chainrule.estimators.settings import FitSettings
from chainrule.formulas.layers import Dense, Layer
from chainrule.formulas.losses import Loss
from chainrule.network.network import Network


def build(
    settings: FitSettings, sizes: list[int], inputs: int, front: list[Layer], outputs: int, loss: Loss
) -> tuple[Network, tuple[int, ...]]:
    """Return the network of a fit, and how many layers each of its hidden ones is.

    sizes: the widths of the hidden layers.  front: the layers before all others.  loss: that of the parameters.
    """
    proposal = settings.proposal
    given = proposal.hidden
    if given is None:
        how = (settings.activation, settings.dropout, settings.batch_norm, settings.residual)
        given = tuple(map(tuple, hidden_layers(sizes, *how)))
    groups, front = [list(group) for group in given], [*front, *proposal.front]
    if groups:
        groups[0] = [*front, *groups[0]]
    hidden = [layer for group in groups for layer in group] if groups else front
    head = (Dense(outputs),) if proposal.head is None else proposal.head(outputs)
    loss = loss if proposal.loss is None else proposal.loss(loss)
    return Network(inputs, [*hidden, *head], loss), tuple(map(len, groups))
