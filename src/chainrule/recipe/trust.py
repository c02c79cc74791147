"""How far the answers of a run on a table can be trusted: its labels, intervals and probabilities on rows held out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators import MLPRegressor
from chainrule.estimators.decisions import COST, Decision
from chainrule.estimators.held import result_of
from chainrule.estimators.labels import Labels
from chainrule.estimators.reliability import BINS, Reliability, of_classes
from chainrule.estimators.rows import rows_of
from chainrule.estimators.thresholds import COUNTED, JudgedRows, counted
from chainrule.formulas.metrics import confusion_matrix
from chainrule.recipe.judge import Judgement
from chainrule.recipe.prepare import TrainedRun

Numbers = NDArray[np.float64]
GIVEN = "f1"
"""The score that is shown for a threshold that was given."""
THRESHOLDS = 200
"""Those of a curve: as many quantiles of the probabilities."""


class JudgedDecision(NamedTuple):
    """The labels that a decision chooses for n judged rows, and the likeliest ones."""

    decision: Decision
    labels: list[str]
    chosen: NDArray[np.int64]
    """(classes, classes) confusion matrix of the decision, rows true"""
    likeliest: NDArray[np.int64]
    """that of the likeliest class"""
    name: str
    """the score of the values: f1, ..., or cost"""
    value: float
    """the score, or the mean cost of a row, of the decision"""
    value_of_likeliest: float
    thresholds: Numbers
    """(k,) ascending; none for more than two classes"""
    values: Numbers
    """(k,) the score, or the mean cost, at each"""


def judged_decision(judgement: Judgement) -> JudgedDecision | None:
    """Return what a judgement's decision does to its rows; None where the likeliest class is predicted."""
    decision, shares = judgement.decision, judgement.shares
    if decision is None or shares is None or not judgement.n:
        return None
    count, y = len(judgement.classes), judgement.y
    likeliest = confusion_matrix(y, shares.argmax(1), count)
    chosen = confusion_matrix(y, judgement.predicted, count)
    name = decision.scoring if decision.scoring in (*COUNTED, COST) else GIVEN
    assert name is not None, "a name is found"
    nothing = np.empty(0)
    found = JudgedDecision(decision, judgement.labels, chosen, likeliest, name, 0.0, 0.0, nothing, nothing)
    if count > 2:
        value, of_likeliest = (_cost(each, decision) for each in (chosen, likeliest))
        return found._replace(value=value, value_of_likeliest=of_likeliest)
    p = shares[:, 1].astype(np.float64)
    assert decision.threshold is not None, "two classes have a threshold"
    grid = np.unique(np.r_[0, np.quantile(p, np.linspace(0, 1, THRESHOLDS)), np.nextafter(p.max(), 2)])
    known = np.unique(np.r_[grid, decision.threshold, 0.5])
    rows = JudgedRows(Labels(np.array(judgement.classes), "binary", False), y, p[:, None])
    if name == COST:
        values = np.array([_cost(confusion_matrix(y, (p >= each) * 1, 2), decision) for each in known])
    else:
        values = counted(rows, name, known, np.ones(len(y), np.int64))
    at = {each: float(value) for each, value in zip(known.tolist(), values, strict=True)}
    return found._replace(
        value=at[decision.threshold], value_of_likeliest=at[0.5], thresholds=known, values=values
    )


def _cost(matrix: NDArray[np.int64], decision: Decision) -> float:
    """Return the mean cost of a row."""
    return float((matrix * np.array(decision.costs)).sum() / matrix.sum())


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
