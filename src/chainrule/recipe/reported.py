"""What a report says of a run beside its metrics: how far its answers can be trusted, and where they come from.

Labels, intervals and probabilities on the judged rows; the columns that answers depend on; the terms of an additive
model; and what 8-bit integers do to the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.graphs import graph_inputs
from chainrule.estimators.thresholds import COUNTED, JudgedRows, counted
from chainrule.explain.columns import ColumnCurve, ColumnImportance, curves, importance
from chainrule.explain.explain import explain
from chainrule.explain.parts import AnswerParts
from chainrule.explain.reasons import Reasons
from chainrule.export.comparing import ROWS
from chainrule.export.effect import Int8Effect, effect_between
from chainrule.export.quantizing import in_int8
from chainrule.fitting.held import result_of
from chainrule.fitting.result import FitResult
from chainrule.fitting.terms import Terms
from chainrule.formulas.metrics import confusion_matrix
from chainrule.graph.graph import ComputationGraph
from chainrule.graph.passes import simplified
from chainrule.recipe.judge import Judgement
from chainrule.recipe.prepare import TrainedRun
from chainrule.recipe.table_data import TableData
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets, Targets
from chainrule.tables.rows import rows_of
from chainrule.trust.decisions import COST, Decision
from chainrule.trust.reliability import BINS, Reliability, of_classes

Numbers = NDArray[np.float64]
GIVEN = "f1"
"""The score that is shown for a threshold that was given."""
THRESHOLDS = 200
"""Those of a curve: as many quantiles of the probabilities."""
COVERAGE = 0.9
"""The share of rows that the intervals of a report are to contain."""
MAX_ROWS = 2_000
"""The maximum rows that are explained, the first ones."""
MAX_COLUMNS = 100
"""The maximum columns that are shuffled, those with the largest effects."""
MAX_SHUFFLED = 1_000_000
"""The maximum predictions of shuffled rows: with many columns there are fewer rows."""
FEWEST_ROWS = 200
REPEATS, CURVES = 3, 4
"""The shuffles of a column, and the columns with a curve: the most important ones."""
POINTS, ROWS_OF_CURVES = 30, 200
LEVEL = 0.95
MAX_RELATIVE_ERROR_OF_TERMS = 1e-3
"""The part of the prediction by which the sum of its terms may differ, since it was computed in float32."""
MOST_INPUTS = 10_000
"""Of a network whose integers a report shows: rows of more are large."""


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


class RunReasons(NamedTuple):
    """What a report says of the columns of a table."""

    importance: ColumnImportance
    curves: tuple[ColumnCurve, ...] = ()
    reasons: Reasons | None = None
    """None of a network with a layer that has no rule for them"""


def of_run(run: TrainedRun) -> RunReasons | None:
    """Explain the test rows of a run on a table; None for other data."""
    table, test = run.data.table, run.data.test
    if table is None or test is None:
        return None
    parts = parts_of(run, table)
    columns = min(len(table.blocks), MAX_COLUMNS)
    count = min(len(table.test), MAX_ROWS, max(FEWEST_ROWS, MAX_SHUFFLED // (REPEATS * columns)))
    X, y = rows_of(table.inputs, table.test[:count]), np.asarray(test.y)[:count]
    try:
        reasons = dataclasses.replace(explain(parts, X, None, None, None), target=table.target.name)
    except ConfigError:
        reasons = None
    groups = None if table.tied.groups is None else rows_of(table.tied.groups, table.test[:count])
    chosen = None if reasons is None else MAX_COLUMNS
    found = importance(parts, X, y, REPEATS, LEVEL, 0, chosen, groups, reasons)
    drawn = tuple(
        dataclasses.replace(
            curves(parts, X, name, POINTS, ROWS_OF_CURVES, None, None), target=table.target.name
        )
        for name in found.names[:CURVES]
    )
    return RunReasons(found, drawn, reasons)


def parts_of(run: TrainedRun, table: TableData) -> AnswerParts:
    """Return what answers for a run on a table: the fits of its estimator, or a network that no estimator trains."""
    model = run.model
    if run.estimator is not None:
        result = result_of(run.estimator)
    else:
        loss, outputs = model.network.loss, model.network.outputs
        targets: Targets = NumericTargets(outputs, loss)
        if model.classes is not None:
            targets = Labels(np.asarray(model.classes), "binary" if outputs == 1 else "multiclass")
        result = FitResult(model, targets, (), 0, table.preprocessor)
    return AnswerParts(result, np.asarray, run.settings.engine)


def terms_of_run(run: TrainedRun) -> tuple[Terms, dict[str, Any] | None] | None:
    """Return the terms, and the first test row by column, None where its sum is not shown; None for another model."""
    made, table = run.estimator, run.data.table
    if made is None or table is None or made.preset != "additive":
        return None
    terms = made.terms()
    one = rows_of(table.inputs, table.test[:1])
    one.pop(table.exposure, None)  # a term has what it adds to the rate
    row = {name: v.item() if isinstance(v := values[0], np.generic) else v for name, values in one.items()}
    return terms, row if _adds_up(terms, row, made, one) else None


def _adds_up(terms: Terms, row: dict[str, Any], made: MLPClassifier | MLPRegressor, one: Any) -> bool:
    """Return whether the sum of a row's terms is what the model predicts; dates are no cells of a term."""
    try:
        total = terms.decision(row)
    except (KeyError, TypeError, ValueError):
        return False
    if terms.link == "softmax" or len(total) > 1:
        return False
    if terms.link == "log_odds":
        assert isinstance(made, MLPClassifier), "log-odds are of classes"
        return bool(
            abs(1 / (1 + np.exp(-total[0])) - made.predict_proba(one)[0, 1]) < MAX_RELATIVE_ERROR_OF_TERMS
        )
    answer = float(np.ravel(made.predict(one))[0])
    expected = np.exp(total[0]) if terms.link == "log" else total[0]
    return bool(abs(expected - answer) <= MAX_RELATIVE_ERROR_OF_TERMS * max(1.0, abs(answer)))


class Int8OfRun(NamedTuple):
    """What 8-bit integers do to the model of a run, on rows that it is judged on."""

    effect: Int8Effect
    ranged: int
    """the training rows on which the ranges of the integers were measured"""


def int8_of_run(run: TrainedRun) -> Int8OfRun | None:
    """Return what 8-bit integers do to the model of a run; None where it has no such form, and of very many inputs."""
    if run.model.network.inputs > MOST_INPUTS:
        return None
    try:
        graph, learned, judged = graph_and_rows(run)
        exact = simplified(graph, by_column=False)
        made = in_int8(exact, learned)
    except ConfigError:
        return None
    return Int8OfRun(effect_between(exact, made, judged), len(next(iter(learned.values()))))


def graph_and_rows(run: TrainedRun) -> tuple[ComputationGraph, Mapping[str, Any], Mapping[str, Any]]:
    """Return the graph of the model of a run with its inputs for training rows and for judged ones, ROWS at most."""
    table, parts = run.data.table, run.parts
    if run.estimator is None or table is None:
        both = (each.X[:ROWS] for each in (parts.train, parts.judged))
        learned, judged = ({"X": np.asarray(X.toarray() if hasattr(X, "toarray") else X)} for X in both)
        return run.model.graph(), learned, judged
    rows = (rows_of(table.inputs, each[:ROWS]) for each in (table.train, table.test))
    learned, judged = (dict(graph_inputs(run.estimator, each)) for each in rows)
    return run.estimator.graph(), learned, judged
