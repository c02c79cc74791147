"""Recipes beside those of `PRESETS`, which differ from "fast" in a thing or two each: others for a race to try."""

from __future__ import annotations

from functools import partial

from chainrule.formulas.layers import PeriodicEmbedding, Scale
from chainrule.presets.base import Facts, OfFewRows, Proposal, Recipe
from chainrule.presets.fast import (
    DECAY,
    FRONT_RATE,
    TABLE,
    are_few,
    decay_of,
    decayed,
    embedded,
    fast,
    for_tables,
)
from chainrule.presets.few import FINE, OF_FEW, FewSettings, few


def periodic(facts: Facts) -> Proposal:
    """Return "fast" with a `PeriodicEmbedding` in place of each number without a direction."""
    proposal = for_tables(facts)
    numbers = tuple(place for place in facts.numbers if place not in facts.monotone)
    if not numbers:
        return proposal
    embedding = PeriodicEmbedding(16, 4, columns=numbers, rate=0.1, decays=0.1)
    return proposal._replace(front=(embedding, *proposal.front))


def switched(facts: Facts) -> Proposal:
    """Return "fast" without an embedding where it has one, and with one where there are too many numbers for it."""
    return for_tables(facts) if are_few(facts) else embedded(facts)


def strict(facts: Facts) -> Proposal:
    """Return "fast" with a weight decay of 1, of many rows less in proportion."""
    return decayed(fast(facts), decay_of(facts.rows) / DECAY)


def free(facts: Facts) -> Proposal:
    """Return "fast" without a decay of the factors of its inputs."""
    proposal = fast(facts)
    return proposal._replace(front=(*proposal.front[:-1], Scale(rate=FRONT_RATE, decays=0.0)))


def few_rows(settings: FewSettings) -> Recipe:
    """Return "fast" with other settings where there are few rows."""
    return Recipe(fast, TABLE, of_few(settings))


def of_few(settings: FewSettings) -> OfFewRows:
    """Return the recipe with other settings."""
    return OF_FEW._replace(propose=partial(few, settings=settings))


VARIANTS: dict[str, Recipe] = {
    "plain": Recipe(for_tables, TABLE),
    "embedded": Recipe(embedded, TABLE),
    "switched": Recipe(switched, TABLE),
    "periodic": Recipe(periodic, TABLE),
    "ranks": Recipe(fast, {**TABLE, "scale": "quantile"}),
    "decay": Recipe(strict, TABLE),
    "free": Recipe(free, TABLE),
    "robust": Recipe(fast, {**TABLE, "scale": "robust+quantile"}),
    "few bent": few_rows(FewSettings(curves=1.0)),
    "few deep": few_rows(FewSettings(layers=2)),
    "few deep bent": few_rows(FewSettings(layers=2, curves=1.0)),
    "few fine": few_rows(FewSettings(fineness=FINE)),
    "few free": few_rows(FewSettings(decay=0.05)),
    "few additive": few_rows(FewSettings(layers=0)),
    **{f"few of {members}": few_rows(FewSettings(members=members)) for members in (2, 4, 8)},
}
"""The recipes by name: without an embedding of numbers, with one, with one where "fast" has none and without where it
has one, with waves for one, of ranks alone, with a stronger decay, without that of the inputs' factors, of numbers in
units of their quartiles; and where there are few rows with curves that begin bent, two layers, both, finer bins, hardly
any decay, no hidden layer, or with fewer members."""
