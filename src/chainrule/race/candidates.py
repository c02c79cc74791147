"""What races, in the order in which it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Candidate(NamedTuple):
    """A recipe, and the parameters that it changes of those that are at their defaults."""

    name: str
    preset: str = "fast"
    variant: str | None = None
    """one of `recipes.variants.VARIANTS` in place of the preset"""
    changed: Mapping[str, Any] = {}
    cost: float = 1.0
    """about how many times the seconds of the first one it takes"""
    deals: bool = False
    """whether its fit learns from all rows, and deals them to the folds of its members"""
    members: int | None = None
    """how many of these members there are, the first ones; None for all"""


WIDE = {"hidden_layer_sizes": (512, 256, 128), "dropout": 0.2}
NARROW = {"hidden_layer_sizes": (64, 64), "dropout": 0.2}
CANDIDATES: tuple[Candidate, ...] = (
    Candidate("fast"),
    Candidate("free", variant="free"),
    Candidate("narrow", changed=NARROW, cost=0.5),
    Candidate("ranks", variant="ranks"),
    Candidate("dropout", changed={"dropout": 0.3}),
    Candidate("wide", changed=WIDE, cost=3.0),
    Candidate("additive", variant="embedded", changed={"hidden_layer_sizes": ()}, cost=0.2),
    Candidate("decay", variant="decay"),
    Candidate("switched", variant="switched"),
    Candidate("narrow ranks", variant="ranks", changed=NARROW, cost=0.5),
    Candidate("periodic", variant="periodic", cost=1.5),
    Candidate("linear", variant="plain", changed={"hidden_layer_sizes": ()}, cost=0.2),
    Candidate("robust", variant="robust"),
    Candidate("realmlp", "realmlp", changed={"scoring": "loss"}, cost=15.0),
    Candidate("tabm", "tabm", changed={"scoring": "loss", "n_members": 8}, cost=60.0),
    Candidate("wide ranks", variant="ranks", changed=WIDE, cost=3.0),
    Candidate("fast again"),
)
"""The race, in order; what stands first is what a short limit allows."""
OF_FEW_ROWS: tuple[Candidate, ...] = tuple(
    Candidate(name, variant=variant, cost=cost, deals=True)
    for name, variant, cost in (
        ("few rows", None, 1.0),
        ("few bent", "few bent", 1.0),
        ("few deep", "few deep", 1.1),
        ("few fine", "few fine", 1.2),
        ("few deep bent", "few deep bent", 1.1),
        ("few additive", "few additive", 0.7),
        ("few free", "few free", 1.0),
        ("few rows again", None, 1.0),
        ("few bent again", "few bent", 1.0),
        ("few deep again", "few deep", 1.1),
        ("few fine again", "few fine", 1.2),
        ("few deep bent again", "few deep bent", 1.1),
    )
)
"""The race of few rows, in order: the recipe of few rows, and it with other settings. No name is in the other race."""
OF_FEW_MEMBERS: tuple[Candidate, ...] = tuple(
    Candidate(f"few rows by {members}", variant=f"few of {members}", deals=True, members=members)
    for members in (2, 4, 8)
)
"""The only recipe where the time limit is too short for all members of one, by how many it is long enough for."""


def racing(is_constrained: bool) -> tuple[Candidate, ...]:
    """Return the candidates of a race: those whose network can be held to constraints if there are some."""
    return tuple(each for each in CANDIDATES if each.preset == "fast" or not is_constrained)
