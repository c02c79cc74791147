"""What a race did, as data: from it another race makes the same networks, with no decision by the clock.

The fits without a fold, with their seeds and what their time limits did to them; the networks of all rows; the weights
and the temperature. Not the table, which is passed again, nor the estimator, which has to have the same parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from chainrule.core.codec import Count, Positive, from_to, sized
from chainrule.fitting.limit import LimitCourse
from chainrule.fitting.lookup import Similarity
from chainrule.race.judge import are_weights, is_temperature

STATE = 624
"""The numbers of a state of NumPy's Mersenne Twister."""
NOT_COMPARED = ("random_state", "time_limit", "verbose", "callbacks", "scoring")
"""The parameters that a repeated race reads from its plan, or whose networks do not depend on them."""


class PlannedFit(NamedTuple):
    """A fit without a fold."""

    recipe: str
    fold: Count
    seed: Count
    best: Positive
    """the epoch with the least loss on the rows held out"""
    epochs: Positive
    """those that its schedule was for"""
    course: LimitCourse


class PlannedNetwork(NamedTuple):
    """A network of all rows."""

    recipe: str
    number: Count
    seed: Count
    epochs: Positive


class RandomPlace(NamedTuple):
    """Where random numbers begin: a state of `RandomState`."""

    key: Annotated[tuple[Annotated[int, from_to(0, (1 << 32) - 1)], ...], sized(STATE, STATE)]
    place: Annotated[int, from_to(0, STATE)]


RandomOrigin = Count | RandomPlace
"""Where the random numbers of a race begin: with a seed, or at a place."""


class RowsDigest(NamedTuple):
    """Checksums of what tells the rows of a race from others, to compare with those that are passed later.

    0 for what is not there; None where it is not known, as of plans of before.
    """

    targets: int
    sample_weight: int | None = None
    groups: int | None = None
    time: int | None = None


@dataclass(frozen=True, kw_only=True)
class RacePlan:
    """What a race did. `estimator.plan_` is its data."""

    version: Literal[1] = 1
    estimator: str
    """its class"""
    parameters: Mapping[str, Any]
    """those that differ from their defaults, but for `NOT_COMPARED`, as JSON values"""
    random_state: RandomOrigin
    rows: Positive
    """that raced, which a time limit may have made fewer than those passed"""
    targets: Count
    sample_weight: Count | None = None
    groups: Count | None = None
    time: Count | None = None
    """their `digest`"""
    recipes: Mapping[str, Mapping[str, Any]]
    """what each recipe sets, by name"""
    fits: tuple[PlannedFit, ...]
    networks: tuple[PlannedNetwork, ...]
    weights: Mapping[str, float]
    """of the recipes that were compared, 0 for one that is not used"""
    folds: tuple[Count, ...]
    """on whose rows these were"""
    temperature: float
    similarity: Similarity | None = None
    """by which rows are looked up; None where they are not"""

    @property
    def digest(self) -> RowsDigest:
        """Checksums of their targets, weights, groups and times."""
        return RowsDigest(self.targets, self.sample_weight, self.groups, self.time)

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        fitted = {(each.recipe, each.fold) for each in self.fits}
        needed = {(name, fold) for name in self.weights for fold in self.folds}
        needed |= {(each.recipe, 0) for each in self.networks}
        return {
            "a description of each recipe": {name for name, _ in fitted} <= self.recipes.keys(),
            "a fit of each recipe to each fold": needed <= fitted,
            "rows held out": len(self.folds) > 0,
            "weights of at least 0 with a sum of 1": are_weights([*self.weights.values()]),
            "the temperature of a race": is_temperature(self.temperature),
        }


def seed_of_rows(random_state: object, plan: RacePlan | None) -> int:
    """Return the seed by which the rows are drawn that there is time for, or that there was time for in a plan's race.

    That of a random_state which is a seed, otherwise 0.
    """
    seed = random_state if plan is None else plan.random_state
    return seed if isinstance(seed, int) else 0
