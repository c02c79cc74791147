"""What the average of a race predicts for the rows that its fits held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.best.blend import RaceResult
from chainrule.estimators.best.rows import RacedRows
from chainrule.estimators.best.weights import tempered
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.fit.held_out import HeldOut, HeldRows, sampled
from chainrule.estimators.rows import rows_of


def of_race(
    rows: RacedRows, data: FitData, result: RaceResult, folds: list[int], mean: NDArray[np.float64]
) -> HeldOut | None:
    """Return the predictions of a race for the rows held out of some folds, in their order; None without any.

    data: of all rows.  mean: (rows, outputs) the weighted average of what the fits without each fold predict for it.
    """
    if data.validation is not None:
        X, held = rows.given.X_val, HeldRows.passed(data.validation)
    else:
        own = [rows.folds[fold].held_out for fold in folds]
        X, held = rows.given.X, HeldRows.of_fit(data, np.concatenate(own))
    if not len(held.rows):
        return None
    predicted = tempered(mean, result.blend.temperature, data.targets.task == "multiclass")
    assert result.preprocessor is not None, "a race is of tables"
    some = rows_of(X, held.rows[sampled(len(held.rows))])
    return HeldOut.of(held, predicted, result.preprocessor.transform(some))
