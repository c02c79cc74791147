"""What a race has drawn and fitted so far, from which another one goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.fitting.result import FitResult
from chainrule.presets.fast import REFIT
from chainrule.race.candidates import Candidate
from chainrule.race.plan import RacePlan, RandomOrigin, RowsDigest
from chainrule.tables.structure import Split

SECONDS = 60.0
"""The time limit of a race, where none is given."""
Key = tuple[int, int]
"""The number of a candidate, and its fold or the number of its network."""


class Task(NamedTuple):
    """A fit of the race."""

    candidate: Candidate
    number: int
    """of the candidate"""
    fold: int
    """the rows that are held out"""
    seed: int
    is_of_all: bool = False
    """whether none are; then `fold` is the number of the network"""


class RaceFit(NamedTuple):
    """A fit that was made."""

    result: FitResult
    predicted: NDArray[np.float64]
    """(n, outputs) what it predicts for the rows that were held out, in their order"""
    seconds: float
    best: int = 1
    """the epoch with the least loss on these"""
    epochs: int = 1
    """those that its schedule was for"""
    is_cut: bool = False
    """whether the race was interrupted before its end"""


class Drawn(NamedTuple):
    """The random numbers of a race, drawn from the estimator's random_state before its clock is read."""

    rows: int
    folds: list[Split]
    """the rows of the fits to each fold; one that holds nothing out where no row is held out of these"""
    raced: list[int]
    """the folds of the race"""
    of_folds: list[list[int]]
    """the seed of each candidate's fit to each fold"""
    of_all: list[list[int]]
    """those of its networks of all rows"""
    origin: RandomOrigin | None = None
    """where they begin; None where that is not known"""
    digest: RowsDigest | None = None
    """checksums of the rows; None where they are not known"""

    @property
    def learns_most(self) -> bool:
        """Whether so few rows are held out of a fold that networks of all rows would hardly be better."""
        return 0 < len(self.folds[0].held_out) < REFIT * self.rows


class RaceChoice(NamedTuple):
    """What a race has chosen of its fits."""

    numbers: list[int]
    """of the candidates that are weighted"""
    folds: list[int]
    """to which all of them were fitted"""
    weights: NDArray[np.float64]
    """(candidates,) with a sum of 1"""
    temperature: float


class RaceState(NamedTuple):
    """What a race has so far. One that starts with it makes none of these fits again.

    A race of the same estimator and the same rows goes on with it, also with a longer time limit or after the process
    of the first one has ended. `drawn` may be None where random_state is an integer, which draws the same again.
    """

    drawn: Drawn | None = None
    fits: Mapping[Key, RaceFit] = {}
    """by the number of the candidate and the fold"""
    whole: Mapping[Key, RaceFit] = {}
    """of all rows, by the number of the candidate and of the network; the predictions are of the fit watched"""
    more: float | None = None
    """the seconds for which a race goes on with it; None for what is left of its time limit"""
    plan: RacePlan | None = None
    """what another race did, to be repeated in place of decisions by the clock; None for none"""

    @property
    def rows(self) -> int | None:
        """How many rows raced before; None where that is not known."""
        return self.drawn.rows if self.drawn is not None else None if self.plan is None else self.plan.rows


NOTHING = RaceState()
"""That of a race before its first fit."""
RaceListener = Callable[[Task, RaceFit], object]
"""Called with each fit that came to its end, in the thread that made it, one call at a time."""
