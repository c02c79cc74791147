"""Sets of labels, calibrated on the rows that a fit held out.

The score of a held-out row is 1 - p of its true label, and the set of a new row has every label whose 1 - p is at most
the score of rank ceil((m + 1) coverage), see `intervals`. Among all sets with that coverage these are the smallest on
average, if the probabilities are right. A row may have an empty set, where no label is probable enough: they are common
if the classifier is right more often than `coverage`. The probabilities of held-out rows are those of a network that
has not learned from them, of two labels at the log-odds of the one that predicts (`fit.held_out.Confidence`).
Source: Sadinle, Lei, Wasserman, "Least ambiguous set-valued classifiers with bounded error levels" (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError
from chainrule.estimators.conformal.intervals import Scores
from chainrule.estimators.fit.held_out import HeldOut
from chainrule.estimators.labels import Labels

Numbers = NDArray[np.float64]

MAX_OF_LABEL = 200
"""The most scores of a label that are kept."""


@dataclass(frozen=True)
class LabelSets:
    """The calibrated sets of a classifier."""

    scores: Scores
    """of all held-out rows"""
    by_label: tuple[Scores, ...]
    """of those of each label"""
    own: Numbers | None = None
    """(m,) the score of each held-out row; None from a file"""

    @classmethod
    def of(cls, held_out: HeldOut, targets: Labels) -> Self:
        """Calibrate sets on the rows that a fit held out, at most some thousands of them."""
        held_out = held_out.thinned()
        y = held_out.y.reshape(len(held_out.y)).astype(np.int64)
        predicted = held_out.predicted if held_out.surer is None else held_out.surer.of(held_out.predicted)
        own = misfits(predicted)[np.arange(len(y)), y]
        by_label = [
            Scores.of(own[y == label], held_out.weight[y == label], MAX_OF_LABEL)
            for label in range(len(targets.classes))
        ]
        return cls(Scores.of(own, held_out.weight), tuple(by_label), own)

    def to_data(self) -> dict[str, Any]:
        """Return them as JSON values."""
        by_label = [each.to_data() for each in self.by_label]
        return {"scores": self.scores.to_data(), "by_label": by_label}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], targets: Labels) -> Self:
        """Return what `to_data` wrote. Raises FormatError for other values."""
        by_label = tuple(map(Scores.from_data, data["by_label"]))
        if len(by_label) != len(targets.classes):
            raise FormatError("the sets are not of the labels in the file")
        return cls(Scores.from_data(data["scores"]), by_label)


def misfits(predicted: Numbers) -> Numbers:
    """Return 1 - p of each label (n, labels). predicted: (n, labels), or (n, 1) of the second of two."""
    if predicted.shape[1] == 1:
        return np.hstack([predicted, 1 - predicted])
    return 1 - predicted
