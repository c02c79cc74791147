"""What a report says of a run on a table: which columns its answers come from, and the terms of an additive model."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import ConfigError
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.additive.terms import Terms
from chainrule.estimators.explain.columns import ColumnCurve, ColumnImportance, curves, importance
from chainrule.estimators.explain.explain import explain
from chainrule.estimators.explain.parts import AnswerParts
from chainrule.estimators.explain.reasons import Reasons
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.held import result_of
from chainrule.estimators.labels import Labels
from chainrule.estimators.numbers import NumericTargets, Targets
from chainrule.estimators.rows import rows_of
from chainrule.recipe.prepare import TrainedRun
from chainrule.recipe.tables import TableData

MAX_ROWS = 2_000
"""The maximum rows, the first ones."""
MAX_COLUMNS = 100
"""The maximum columns that are shuffled, those with the largest effects."""
MAX_SHUFFLED = 1_000_000
"""The maximum predictions of shuffled rows: with many columns there are fewer rows."""
FEWEST_ROWS = 200
REPEATS, CURVES = 3, 4
"""The shuffles of a column, and the columns with a curve: the most important ones."""
POINTS, ROWS_OF_CURVES = 30, 200
LEVEL = 0.95
CLOSE = 1e-3
"""The part of the prediction by which the sum of its terms may differ, since it was computed in float32."""


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
        reasons = named(explain(parts, X, None, None, None), table.target.name)
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


def named(reasons: Reasons, target: str | None) -> Reasons:
    """Return reasons that know the name of what is predicted."""
    return dataclasses.replace(reasons, target=target)


def terms_of_run(run: TrainedRun) -> tuple[Terms, dict[str, Any] | None] | None:
    """Return the terms, and the first test row by column, None where its sum is not shown; None for another model."""
    made, table = run.estimator, run.data.table
    if made is None or table is None or made.preset != "additive":
        return None
    terms = made.terms()
    one = rows_of(table.inputs, table.test[:1])
    row = {name: _cell(values[0]) for name, values in one.items()}
    return terms, row if _adds_up(terms, row, made, one) else None


def _cell(value: object) -> Any:
    """Return a cell as Python's own value."""
    return value.item() if isinstance(value, np.generic) else value


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
        return bool(abs(1 / (1 + np.exp(-total[0])) - made.predict_proba(one)[0, 1]) < CLOSE)
    answer = float(np.ravel(made.predict(one))[0])
    expected = np.exp(total[0]) if terms.link == "log" else total[0]
    return bool(abs(expected - answer) <= CLOSE * max(1.0, abs(answer)))
