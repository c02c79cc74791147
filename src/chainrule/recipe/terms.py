"""The terms of a run's additive model, and a test row whose sum is its prediction."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.additive.terms import Terms
from chainrule.estimators.rows import rows_of
from chainrule.recipe.prepare import TrainedRun

CLOSE = 1e-3
"""The part of the prediction by which the sum of its terms may differ, since it was computed in float32."""


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
