"""Which columns the answers of a run on a table come from, by rows that it was not trained on."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from chainrule.errors import ConfigError
from chainrule.estimators.explain.curves import ColumnCurve, curves
from chainrule.estimators.explain.explain import explain
from chainrule.estimators.explain.importance import ColumnImportance, importance
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
MAX_SHUFFLED = 1_000_000
"""The maximum predictions of shuffled rows: with many columns there are fewer rows."""
FEWEST_ROWS = 200
REPEATS, CURVES = 3, 4
"""The shuffles of a column, and the columns with a curve: the most important ones."""
POINTS, ROWS_OF_CURVES = 30, 200
LEVEL = 0.95


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
    columns = len(table.blocks)
    count = min(len(table.test), MAX_ROWS, max(FEWEST_ROWS, MAX_SHUFFLED // (REPEATS * columns)))
    X, y = rows_of(table.inputs, table.test[:count]), np.asarray(test.y)[:count]
    found = importance(parts, X, y, REPEATS, LEVEL, 0)
    drawn = tuple(
        dataclasses.replace(
            curves(parts, X, name, POINTS, ROWS_OF_CURVES, None, None), target=table.target.name
        )
        for name in found.names[:CURVES]
    )
    try:
        reasons = named(explain(parts, X, None, None, None), table.target.name)
    except ConfigError:
        reasons = None
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
