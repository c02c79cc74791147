"""The answers that are explained: which output of each row, and in which form."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import check_choice
from chainrule.errors import ConfigError, counted
from chainrule.explain.parts import AnswerParts
from chainrule.inspection.attribution.explained import Floats, label_numbers
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import Targets
from chainrule.tables.times import After, Times

TINY = 1e-300
"""The smallest probability whose logarithm is computed; smaller ones count as this."""


class Wanted(NamedTuple):
    """The outputs that are asked for."""

    places: NDArray[np.int64] | None
    """the place of each row's among the labels (n,); None for what each row's prediction says"""
    labels: list[Any]
    """the labels, or the indices of numbers"""
    is_one_probability: bool
    """whether two labels have one output, the probability of the second"""
    has_labels: bool
    """whether an answer needs one to be told apart"""
    powers: Floats | None = None
    """(outputs,) of a product of the outputs, which is the answer; None for one of them"""

    def label(self, row: int) -> object:
        """Return the label of a row; None where an answer needs none, and where the prediction says it."""
        return self.labels[int(self.places[row])] if self.has_labels and self.places is not None else None

    def of_rows(self, p: Floats, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.bool_], tuple[Any, ...]]:
        """Return of some rows the output (n,), whether it is taken from 1, and the label.

        p: (n, outputs), what is predicted for these rows.
        """
        places = p.argmax(1) if self.places is None else self.places[rows]
        labels = tuple(self.labels[k] for k in places.tolist()) if self.has_labels else ()
        if self.is_one_probability:
            return np.zeros_like(places), places == 0, labels
        return places, np.zeros(len(places), np.bool_), labels


def wanted(targets: Targets, target: object, rows: int) -> Wanted:
    """Check which answers are to be explained.

    target: a label, the index of an output, or one per row; None for the second of two classes, the predicted one of
    several, and the only number or the quantile next to the median.  Raises ConfigError and ShapeError.
    """
    if isinstance(targets, Labels):
        is_one, labels = targets.kind == "binary", targets.classes.tolist()
        default = np.full(rows, len(labels) - 1) if is_one else None
        if is_one and len(labels) == 1:
            labels = [*labels, None]  # the output is the probability of a class that is not there
        noun = "label" if targets.kind == "multilabel" else "class"
        places = default if target is None else label_numbers(target, labels, rows, "target", noun)
        return Wanted(places, labels, is_one, True)
    labels = list(range(targets.outputs))
    if isinstance(targets, Times):
        if isinstance(target, After):
            powers = targets.passed(np.array([target.time]))[0]
            return Wanted(np.zeros(rows, np.int64), [f"> {target.time:g}"], False, True, powers)
        if target is None:
            raise ConfigError(
                f"the estimator predicts the probabilities to survive {counted(len(labels), 'interval')}; choose one "
                "to explain, such as target=0 for the first, or explain that of a time, as explain(X, time=365)."
            )
        places = label_numbers(target, labels, rows, "target", "interval")
        return Wanted(places, targets.intervals, False, True)
    if target is not None:
        return Wanted(label_numbers(target, labels, rows, "target", "output"), labels, False, len(labels) > 1)
    if len(labels) > 1 and targets.middle is None:
        raise ConfigError(
            f"the estimator predicts {len(labels)} numbers; choose the one to explain, such as target=0 for the first."
        )
    return Wanted(np.full(rows, targets.middle or 0, np.int64), labels, False, len(labels) > 1)


def output_of(parts: AnswerParts, output: str | None) -> str:
    """Check what is asked of an answer: "number", "probability" or "log_odds"; None for the first that there is."""
    known = ("number",) if parts.result.targets.task == "regression" else ("probability", "log_odds")
    return known[0] if output is None else check_choice(output, {each: each for each in known}, "output")
