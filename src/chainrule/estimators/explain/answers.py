"""The one answer of each row, from what is predicted, by an estimator's own engine."""

from __future__ import annotations

import numpy as np

from chainrule.core.settings import check_choice
from chainrule.estimators.explain.chords import TINY, Floats
from chainrule.estimators.explain.parts import AnswerParts, Inputs
from chainrule.estimators.explain.targets import Wanted


def output_of(parts: AnswerParts, output: str | None) -> str:
    """Check what is asked of an answer: "number", "probability" or "log_odds"; None for the first that there is."""
    known = ("number",) if parts.result.targets.task == "regression" else ("probability", "log_odds")
    return known[0] if output is None else check_choice(output, {each: each for each in known}, "output")


def answers(parts: AnswerParts, inputs: Inputs, want: Wanted, output: str) -> Floats:
    """Return the answers for prepared rows (n,)."""
    p = parts.predicted(inputs)
    places, negated, _ = want.of_rows(p, slice(0, len(p)))
    found = np.asarray(p[np.arange(len(p)), places], np.float64)
    found = np.where(negated, 1 - found, found)
    if output != "log_odds":
        return found
    return np.asarray(np.log(np.maximum(found, TINY)) - np.log(np.maximum(1 - found, TINY)))


def with_columns(parts: AnswerParts, inputs: Inputs, other: Inputs, columns: list[int]) -> Inputs:
    """Return prepared rows whose inputs of some columns are those of other rows, as many or one."""
    return tuple(
        part.with_columns(own, theirs, columns)
        for part, own, theirs in zip(parts.all, inputs, other, strict=True)
    )
