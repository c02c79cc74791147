"""How a classifier makes labels of probabilities: by a threshold, or by what each error costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec, records
from chainrule.core.codec import Count
from chainrule.errors import ConfigError
from chainrule.tables.labels import Labels

Interval = tuple[float, float]
COST = "cost"
"""The `scoring` of a decision by costs."""


@records.kind("decision")
@dataclass(frozen=True, repr=False)
class Decision(records.TextResult):
    """How labels are chosen, what chose that, and how well it is expected to do. Print it for sentences.

    Two classes: `classes_[1]` where its probability p is at least the threshold. Costs C: the class j with the least
    expected cost sum_i p_i C[i][j], where C[i][j] is that of predicting class j for a row of class i.
    """

    threshold: float | None = None
    """of the probability of `classes_[1]`; None for more than two classes"""
    costs: tuple[tuple[float, ...], ...] | None = None
    """(classes, classes), rows true, each times what undoes the class_weight of its class; None without"""
    scoring: str | None = None
    """the name of the score that chose the threshold; "cost" by costs; None for a threshold that was given"""
    interval: Interval | None = None
    """of the threshold by the score"""
    score: float | None = None
    """the score that is expected on new rows, less what choosing on these rows adds; by costs the mean cost of a row"""
    score_interval: Interval | None = None
    confidence: float = 0.9
    """of both intervals"""
    rows: Count = 0
    """the rows that it was chosen on"""
    positives: Count = 0
    """how many of them are of `classes_[1]`"""

    def labels(self, labels: Labels, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return the labels (n,) of probabilities (n, outputs)."""
        found: NDArray[Any] = labels.classes[self.chosen(predicted)]
        return found

    def chosen(self, predicted: NDArray[Any]) -> NDArray[np.int64]:
        """Return the numbers of the classes (n,) chosen by probabilities (n, outputs), of two classes of the second."""
        if self.threshold is not None:
            return (predicted[:, 0] >= self.threshold).astype(np.int64)
        assert self.costs is not None, "a decision has a threshold or costs"
        return np.asarray((predicted @ np.array(self.costs)).argmin(1), np.int64)

    def __repr__(self) -> str:
        """Show the threshold, or the number of classes of the costs."""
        if self.threshold is not None:
            return f"<Decision at the threshold {self.threshold:.4g}>"
        return f"<Decision by the costs of {len(self.costs or ())} classes>"

    @classmethod
    def read(cls, data: Mapping[str, Any], labels: Labels) -> Self:
        """Return the decision in a file. Raises FormatError for one that no classifier of these labels has."""
        made = codec.read(cls, data, "the decision")
        count, is_binary = len(labels.classes), labels.kind == "binary" and len(labels.classes) == 2
        facts = {
            "a threshold where there are two classes": (made.threshold is not None) == is_binary,
            "costs for each class": made.costs is None or {*map(len, made.costs), len(made.costs)} == {count},
            "a threshold or costs": made.threshold is not None or made.costs is not None,
        }
        codec.require(facts, "the decision")
        return made


def check_threshold(threshold: float) -> float:
    """Return a threshold of probabilities as a number. Raises ConfigError for another value."""
    try:
        found = float(threshold)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 <= found <= 1:
        raise ConfigError(f"threshold must be a probability from 0 to 1, not {threshold!r:.60}.")
    return found


def check_costs(costs: Sequence[Sequence[float]] | NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Return costs as an array (classes, classes). Raises ConfigError for others than the labels can have."""
    count = len(labels.classes)
    try:
        found = np.asarray(costs, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"costs must be numbers, {count} rows of {count} ({error}).") from error
    if found.shape != (count, count) or not np.isfinite(found).all():
        raise ConfigError(
            f"costs must be {count} rows of {count} finite numbers, a row for each true class in the order of "
            f"classes_, not of shape {found.shape}."
        )
    right = np.diag(found)
    if (found < right[:, None]).any() or (count == 2 and (found[[0, 1], [1, 0]] <= right).any()):
        raise ConfigError(
            "costs must have the smallest number of each row on the diagonal, the cost of the right answer; negative "
            "numbers are gains."
        )
    return found


def threshold_of(costs: NDArray[np.float64]) -> float:
    """Return the threshold of two classes at which both have the same expected cost.

    t = (C01 - C00) / (C01 - C00 + C10 - C11). Source: Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.
    """
    alarm, miss = costs[0, 1] - costs[0, 0], costs[1, 0] - costs[1, 1]
    return float(alarm / (alarm + miss))
