"""Recipes beside those of `PRESETS`, which differ from "fast" in one thing each: others for a race to try."""

from __future__ import annotations

from dataclasses import replace

from chainrule.estimators.recipes.base import Facts, Proposal, Recipe
from chainrule.estimators.recipes.fast import fast, for_tables
from chainrule.formulas.layers import PeriodicEmbedding


def periodic(facts: Facts) -> Proposal:
    """Return "fast" with a `PeriodicEmbedding` in place of each number."""
    proposal = for_tables(facts)
    if not facts.numbers:
        return proposal
    embedding = PeriodicEmbedding(16, 4, columns=facts.numbers, rate=0.1, decays=0.1)
    return proposal._replace(front=(embedding, *proposal.front))


def decayed(facts: Facts) -> Proposal:
    """Return "fast" with a weight decay of 1."""
    proposal = fast(facts)
    optimizer = replace(proposal.parameters["optimizer"], weight_decay=1.0)
    return proposal._replace(parameters={**proposal.parameters, "optimizer": optimizer})


VARIANTS: dict[str, Recipe] = {
    "plain": Recipe(for_tables),
    "periodic": Recipe(periodic),
    "ranks": Recipe(fast, {"scale": "quantile"}),
    "decay": Recipe(decayed),
    "robust": Recipe(fast, {"scale": "robust+quantile"}),
}
"""The recipes by name: without an embedding of numbers, with waves for one, of ranks alone, with a stronger
decay, of numbers in units of their quartiles."""
