"""Which columns the answers of a run on a table come from, by rows that it was not trained on."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from chainrule.errors import ConfigError
from chainrule.estimators.explain.curves import ColumnCurve
from chainrule.estimators.explain.importance import ColumnImportance
from chainrule.estimators.explain.reasons import Reasons
from chainrule.estimators.rows import rows_of
from chainrule.recipe.prepare import TrainedRun

MAX_ROWS = 2_000
"""The maximum rows, the first ones."""
MAX_SHUFFLED = 1_000_000
"""The maximum predictions of shuffled rows: with many columns there are fewer rows."""
FEWEST_ROWS = 200
REPEATS, CURVES = 3, 4
"""The shuffles of a column, and the columns with a curve: the most important ones."""
POINTS, ROWS_OF_CURVES = 30, 200


class RunReasons(NamedTuple):
    """What a report says of the columns of a table."""

    importance: ColumnImportance
    reasons: Reasons
    curves: tuple[ColumnCurve, ...]


def of_run(run: TrainedRun) -> RunReasons | None:
    """Explain the test rows of a run on a table; None without an estimator, and for a layer that has no rule."""
    table, estimator, test = run.data.table, run.estimator, run.data.test
    if table is None or estimator is None or test is None:
        return None
    columns = len(table.blocks)
    count = min(len(table.test), MAX_ROWS, max(FEWEST_ROWS, MAX_SHUFFLED // (REPEATS * columns)))
    X, y = rows_of(table.inputs, table.test[:count]), np.asarray(test.y)[:count]
    try:
        reasons = named(estimator.explain(X), table.target.name)
    except ConfigError:
        return None
    importance = estimator.importance(X, y, repeats=REPEATS)
    curves = tuple(
        dataclasses.replace(
            estimator.curves(X, name, points=POINTS, rows=ROWS_OF_CURVES), target=table.target.name
        )
        for name in importance.names[:CURVES]
    )
    return RunReasons(importance, reasons, curves)


def named(reasons: Reasons, target: str | None) -> Reasons:
    """Return reasons that know the name of what is predicted."""
    return dataclasses.replace(reasons, target=target)
