"""What a race did, as data: from it another race makes the same networks, with no decision by the clock.

The fits without a fold, with their seeds and what their time limits did to them; the networks of all rows; the weights
and the temperature. Not the table, which is passed again, nor the estimator, which has to have the same parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
from sklearn.utils import check_random_state

from chainrule.core.settings import is_count
from chainrule.errors import ChainruleError, ConfigError, FormatError, fault_of
from chainrule.fitting.limit import LimitCourse, course_of
from chainrule.fitting.lookup import Similarity, similarity_of
from chainrule.race.candidates import Candidate
from chainrule.race.judge import are_weights, is_temperature

VERSION = 1
"""That of the data of a plan."""
STATE = 624
"""The numbers of a state of NumPy's Mersenne Twister."""
NOT_COMPARED = ("random_state", "time_limit", "verbose", "callbacks", "scoring")
"""The parameters that a repeated race reads from its plan, or whose networks do not depend on them."""


class PlannedFit(NamedTuple):
    """A fit without a fold."""

    recipe: str
    fold: int
    seed: int
    best: int
    """the epoch with the least loss on the rows held out"""
    epochs: int
    """those that its schedule was for"""
    course: LimitCourse


class PlannedNetwork(NamedTuple):
    """A network of all rows."""

    recipe: str
    number: int
    seed: int
    epochs: int


class RandomOrigin(NamedTuple):
    """Where the random numbers of a race begin: with a seed, or with a state of `RandomState`."""

    seed: int | None
    key: tuple[int, ...] = ()
    """(624,) the state, if there is no seed"""
    place: int = 0
    """in it"""

    @classmethod
    def of(cls, random_state: object) -> RandomOrigin | None:
        """Return that of an estimator's random_state, before anything is drawn; None where nobody can tell it.

        An integer of NumPy is a state, because `seed_of_rows` draws rows as with no seed.
        """
        if isinstance(random_state, int):
            return cls(int(random_state))
        kind, key, place, *_ = cast(tuple[Any, ...], check_random_state(random_state).get_state())
        return cls(None, tuple(map(int, key)), int(place)) if kind == "MT19937" else None

    def begin(self) -> np.random.RandomState:
        """Return a generator that begins there."""
        if self.seed is not None:
            return np.random.RandomState(self.seed)
        made = np.random.RandomState()
        made.set_state(("MT19937", np.array(self.key, np.uint32), self.place, 0, 0.0))
        return made


class RowsDigest(NamedTuple):
    """Checksums of what tells the rows of a race from others, to compare with those that are passed later.

    0 for what is not there; None where it is not known, as of plans of before.
    """

    targets: int
    sample_weight: int | None = None
    groups: int | None = None
    time: int | None = None


@dataclass(frozen=True)
class RacePlan:
    """What a race did. `estimator.plan_` is its data."""

    kind: str
    """the class of the estimator"""
    parameters: Mapping[str, Any]
    """those that differ from their defaults, but for `NOT_COMPARED`, as JSON values"""
    origin: RandomOrigin
    rows: int
    """that raced, which a time limit may have made fewer than those passed"""
    digest: RowsDigest
    """checksums of their targets, weights, groups and times"""
    recipes: Mapping[str, Mapping[str, Any]]
    """what each recipe sets, by name"""
    fits: tuple[PlannedFit, ...]
    networks: tuple[PlannedNetwork, ...]
    weights: Mapping[str, float]
    """of the recipes that were compared, 0 for one that is not used"""
    folds: tuple[int, ...]
    """on whose rows these were"""
    temperature: float
    similarity: Similarity | None = None
    """by which rows are looked up; None where they are not"""

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "version": VERSION,
            "estimator": self.kind,
            "parameters": dict(self.parameters),
            "random_state": self.origin.seed
            if self.origin.seed is not None
            else {"key": list(self.origin.key), "place": self.origin.place},
            "rows": self.rows,
            **self.digest._asdict(),
            "recipes": {name: dict(each) for name, each in self.recipes.items()},
            "fits": [each._asdict() | {"course": each.course.to_data()} for each in self.fits],
            "networks": [each._asdict() for each in self.networks],
            "weights": dict(self.weights),
            "folds": list(self.folds),
            "temperature": self.temperature,
            "similarity": None if self.similarity is None else self.similarity.to_data(),
        }


def seed_of_rows(random_state: object, plan: RacePlan | None) -> int:
    """Return the seed by which the rows are drawn that there is time for, or that there was time for in a plan's race.

    That of a random_state which is a seed, otherwise 0.
    """
    seed = random_state if plan is None else plan.origin.seed
    return seed if isinstance(seed, int) else 0


def settings_of(candidate: Candidate) -> dict[str, Any]:
    """Return what a recipe sets, as JSON values."""
    changed = {
        name: list(value) if isinstance(value, tuple) else value for name, value in candidate.changed.items()
    }
    return {"preset": candidate.preset, "variant": candidate.variant, "changed": changed}


def plan_of(data: object) -> RacePlan:
    """Return the plan of data that `RacePlan.to_data` made, also by JSON. Raises ConfigError for other data."""
    try:
        return _read(data)
    except (ChainruleError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ConfigError(
            "plan must be the plan_ of an estimator after a fit of preset='best', and this is none "
            f"({fault_of(error)})."
        ) from error


def _read(data: object) -> RacePlan:
    if not isinstance(data, Mapping):
        raise FormatError(f"it is of type {type(data).__name__}")
    if data["version"] != VERSION:
        raise FormatError(f"its version is {data['version']!r:.20}, and {VERSION} can be read")
    made = RacePlan(
        kind=data["estimator"],
        parameters=dict(data["parameters"]),
        origin=_origin(data["random_state"]),
        rows=_count(data["rows"], 1),
        digest=RowsDigest(
            _count(data["targets"]),
            *(None if data.get(name) is None else _count(data[name]) for name in RowsDigest._fields[1:]),
        ),
        recipes={f"{name}": dict(each) for name, each in data["recipes"].items()},
        fits=tuple(
            PlannedFit(
                *(f"{each['recipe']}", _count(each["fold"]), _count(each["seed"])),
                *(_count(each["best"], 1), _count(each["epochs"], 1), course_of(each["course"])),
            )
            for each in data["fits"]
        ),
        networks=tuple(
            PlannedNetwork(
                *(f"{each['recipe']}", _count(each["number"]), _count(each["seed"])),
                _count(each["epochs"], 1),
            )
            for each in data["networks"]
        ),
        weights={f"{name}": float(weight) for name, weight in data["weights"].items()},
        folds=tuple(map(_count, data["folds"])),
        temperature=float(data["temperature"]),
        similarity=None if data.get("similarity") is None else similarity_of(data["similarity"]),
    )
    fitted = {(each.recipe, each.fold) for each in made.fits}
    needed = {(name, fold) for name in made.weights for fold in made.folds}
    needed |= {(each.recipe, 0) for each in made.networks}
    faults = {
        "a recipe is not described": not {name for name, _ in fitted} <= made.recipes.keys(),
        "a fit is missing": not needed <= fitted,
        "no rows are held out": not made.folds,
        "the weights are not at least 0 with a sum of 1": not are_weights([*made.weights.values()]),
        "the temperature is not that of a race": not is_temperature(made.temperature),
    }
    for fault, is_there in faults.items():
        if is_there:
            raise FormatError(fault)
    return made


def _origin(data: object) -> RandomOrigin:
    if not isinstance(data, Mapping):
        return RandomOrigin(_count(data))
    key = tuple(_count(each) for each in data["key"])
    if len(key) != STATE or max(key) >= 1 << 32 or data["place"] > STATE:
        raise FormatError("random_state is no state of a RandomState")
    return RandomOrigin(None, key, _count(data["place"]))


def _count(value: object, minimum: int = 0) -> int:
    """Return a count of JSON. Raises FormatError for another value."""
    if not is_count(value, minimum):
        raise FormatError(f"{value!r:.60} is no count from {minimum}")
    return value
