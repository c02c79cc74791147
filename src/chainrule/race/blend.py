"""The weighted average of several fits, which predicts for their estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from chainrule.fitting.lookup import Lookup
from chainrule.fitting.result import Check, FitResult
from chainrule.race.judge import tempered
from chainrule.race.plan import RacePlan
from chainrule.race.report import RaceReport
from chainrule.race.state import NOTHING, RaceState
from chainrule.tables.labels import Labels


class BlendPart(NamedTuple):
    """A fit of an average."""

    weight: float
    estimator: BaseEstimator
    """the fitted one, with the parameters of its recipe"""
    recipe: str
    result: FitResult
    """its result"""


@dataclass(eq=False, repr=False)
class Blend:
    """An average of probabilities, or of numbers: sum_i w_i p_i, with probabilities at a temperature in the end.

    parts: the fits, with weights that add up to 1.  temperature: see `tempered`; 1 for numbers.
    engine: by which they predict.  lookup: what corrects the average, before the temperature; None for nothing.
    """

    parts: Sequence[BlendPart]
    temperature: float = 1.0
    engine: str = "auto"
    lookup: Lookup | None = None

    def average(
        self, each: NDArray[np.float64], exclusive: bool, compared: NDArray[np.floating] | None = None
    ) -> NDArray[np.float64]:
        """Return the average (n, outputs) of what each part predicts (parts, n, outputs).

        compared: the inputs of the lookup (n, inputs); None without one.
        """
        mean: NDArray[np.float64] = np.tensordot(self._weights, each, 1)
        if self.lookup is not None and compared is not None:
            mean = self.lookup.corrected(compared, mean)
        elif exclusive and self.temperature == 1:  # as at any other: networks in float32 add up to nearly 1
            mean = mean / mean.sum(1, keepdims=True)
        return tempered(mean, self.temperature, exclusive)

    def deviation(self, each: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted standard deviation (n, outputs) of what each part predicts (parts, n, outputs)."""
        mean = np.tensordot(self._weights, each, 1)
        found: NDArray[np.float64] = np.sqrt(np.tensordot(self._weights, np.square(each - mean), 1))
        return found

    @property
    def _weights(self) -> NDArray[np.float64]:
        return np.array([part.weight for part in self.parts])

    @property
    def networks(self) -> int:
        """The networks of all parts, of which a fit of few rows has several."""
        return sum(len(part.result.members) for part in self.parts)

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.parts)

    def __repr__(self) -> str:
        """Show the recipes, with the sum of the weights of each."""
        sums: dict[str, float] = {}
        for part in self.parts:
            sums[part.recipe] = sums.get(part.recipe, 0.0) + part.weight
        each = ", ".join(f"{weight:.2f} {recipe}" for recipe, weight in sums.items())
        lookup = "" if self.lookup is None else f"; {self.lookup!r}"
        return f"<Blend of {self.networks} networks: {each}; temperature {self.temperature:.3g}{lookup}>"


@dataclass(frozen=True)
class RaceResult(FitResult):
    """The result of a race: that of the heaviest part, the average, what happened, and what it can go on from."""

    blend: Blend = field(default_factory=lambda: Blend([]))
    report: RaceReport = field(default_factory=RaceReport)
    state: RaceState = NOTHING
    """all of its fits; none for the result in a file"""
    plan: RacePlan | None = None
    """what another race repeats; None where that is not known"""

    @classmethod
    def of(
        cls,
        heaviest: FitResult,
        blend: Blend,
        report: RaceReport,
        state: RaceState = NOTHING,
        is_cut: bool = False,
        plan: RacePlan | None = None,
    ) -> Self:
        """Return the result of a race whose heaviest part has this result; it is short if no part had a whole epoch."""
        own = {each.name: getattr(heaviest, each.name) for each in fields(FitResult)} | {"is_cut": is_cut}
        shortfalls = [part.result.shortfall for part in blend.parts]
        if any(short is None or short.planned is not None for short in shortfalls):
            own["shortfall"] = None
        return cls(**own, blend=blend, report=report, state=state, plan=plan)

    @property
    def weighted(self) -> list[tuple[float, FitResult]]:
        """The weight of each of the parts in their average, and its result."""
        return [(part.weight, part.result) for part in self.blend.parts]

    @property
    def temperature(self) -> float:
        """That of the average's probabilities."""
        return self.blend.temperature

    @property
    def lookup(self) -> Lookup | None:
        """That of the average."""
        return self.blend.lookup

    def engine_of(self, engine: str) -> str:
        """Return the engine of the average."""
        return self.blend.engine

    def combined(self, each: Sequence[NDArray[Any]], compared: NDArray[Any] | None) -> NDArray[Any]:
        """Return the average (n, outputs) of the parts' predictions. compared: the inputs of the lookup."""
        stacked = np.stack([np.asarray(one, np.float64) for one in each])
        return self.blend.average(stacked, self.targets.task == "multiclass", compared)

    def spread(self, X: object, engine: str, check: Check, precision: str | None = None) -> NDArray[Any]:
        """Return the weighted standard deviation of the parts' predictions (n, outputs)."""
        blocks = [self.each(block, self.blend.engine, precision) for block in self.blocks(X, check)]
        whole = [np.asarray(np.concatenate(part), np.float64) for part in zip(*blocks, strict=True)]
        return self.blend.deviation(np.stack(whole))

    def shown_spread(self, spread: NDArray[Any]) -> NDArray[Any]:
        """Return the deviation of the parts (n, outputs) as `spread` shows it: of two classes for each of them."""
        if spread.shape[1] > 1 or (isinstance(self.targets, Labels) and self.targets.is_one_class):
            return super().shown_spread(spread)
        return np.hstack([spread, spread]) if isinstance(self.targets, Labels) else spread[:, 0]
