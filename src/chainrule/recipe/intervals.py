"""How sure the answers of a run on a table are: intervals of numbers, and the calibration of probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators import MLPRegressor
from chainrule.estimators.held import result_of
from chainrule.estimators.reliability import BINS, Reliability, of_classes
from chainrule.estimators.rows import rows_of
from chainrule.recipe.judge import Judgement
from chainrule.recipe.prepare import TrainedRun

COVERAGE = 0.9
"""The share of rows that the intervals of a report are to contain."""


class JudgedIntervals(NamedTuple):
    """Intervals of the first output for n judged rows."""

    coverage: float
    """the share that they are to contain"""
    ends: NDArray[np.float64]  # (n, 2)
    y: NDArray[np.float64]  # (n,)

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.y)

    @property
    def contains(self) -> NDArray[np.bool_]:
        """Whether the interval of each row contains its y."""
        return (self.ends[:, 0] <= self.y) & (self.y <= self.ends[:, 1])

    @property
    def width(self) -> float:
        """The mean width."""
        return float((self.ends[:, 1] - self.ends[:, 0]).mean())


def judged_intervals(run: TrainedRun, judgement: Judgement) -> JudgedIntervals | None:
    """Return intervals for the judged rows of a regression; None without held-out rows that calibrate them."""
    table, made = run.data.table, run.estimator
    if table is None or not isinstance(made, MLPRegressor) or result_of(made).calibration is None:
        return None
    ends = made.predict_interval(rows_of(table.inputs, table.test), COVERAGE)
    if len(ends) != judgement.n or not np.isfinite(ends).all():
        return None
    return JudgedIntervals(
        COVERAGE, ends.reshape(judgement.n, -1)[:, :2], judgement.y.reshape(judgement.n, -1)[:, 0]
    )


def calibration(judgement: Judgement, bins: int = BINS) -> Reliability | None:
    """Return the calibration of an evaluation's probabilities; None for numbers and for multiple labels."""
    if judgement.task not in ("binary", "multiclass") or judgement.shares is None or not judgement.n:
        return None
    classes = judgement.classes
    positive = classes.index(judgement.positive) if judgement.positive in classes else 1
    return of_classes(judgement.shares, judgement.y, judgement.labels, positive, bins)
