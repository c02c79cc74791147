"""The recipe "additive": a sum of a curve for each number, a value for each category, and a table for each chosen pair.

    Embedding of the cells of pairs, PiecewiseLinearEmbedding of the numbers, Dense

A number is x = (x - min) / (max - min), clipped to [0, 1], so that a curve is linear between its knots in the number
itself, and constant beyond the range of training. Several members, each trained on its own draw with replacement of the
rows, become one network whose parts are their means (`fitting/additive.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chainrule.errors import ConfigError, option
from chainrule.formulas.layers import Embedding, Layer, PiecewiseLinearEmbedding
from chainrule.formulas.optimizers import AdamW
from chainrule.presets.base import Facts, Proposal, Recipe, in_message
from chainrule.presets.fast import TIES, bins_of, for_tables

MEMBERS = 8
VECTOR = 4
"""The numbers of a vector of a curve."""
RATE, DECAY = 4e-3, 0.3
CELL_RATE, CELL_DECAYS = 4.0, 6.0
"""Factors of the rate and the decay for the cells of pairs, of which a batch touches few."""


def additive(facts: Facts) -> Proposal:
    """Return the network and the training above. Raises ConfigError for parameters of hidden layers."""
    for name in ("hidden_layer_sizes", "activation", "dropout", "batch_norm", "residual"):
        if name in facts.given:
            raise ConfigError(
                f"{in_message('additive')} has no hidden layers, so {option(name)} changes nothing; omit it, or use "
                f"{in_message('fast')}."
            )
    proposal = for_tables(facts)
    found: dict[str, Any] = {
        **proposal.parameters,
        "hidden_layer_sizes": (),
        "dropout": 0.0,
        "n_members": MEMBERS,
        "optimizer": AdamW(RATE, weight_decay=DECAY),
    }
    front: tuple[Layer, ...] = ()
    if facts.numbers:
        front = (PiecewiseLinearEmbedding(VECTOR, bins_of(facts.rows), columns=facts.numbers, ties=TIES),)
    return proposal._replace(parameters=found, front=front, hidden=(), resamples=True, codes=of_cells)


def of_cells(layer: Embedding) -> Embedding:
    """Return the layer of the cells of pairs, and of categories that are many, as it is trained here."""
    return replace(layer, std=1e-3, rate=CELL_RATE, decays=CELL_DECAYS)


TABLE = {"scale": "range"}
RECIPE = Recipe(additive, TABLE)
