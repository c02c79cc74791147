"""The judges of a race: one of the rows that are held out of each fold, and one of several folds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import measure_targets
from chainrule.estimators.best.judge import Judge
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.held import HoldsResult
from chainrule.estimators.parameters import values_of


def judge_of(
    estimator: HoldsResult,
    data: FitData,
    judged: NDArray[Any],
    judged_weight: NDArray[np.float64],
    rows: NDArray[np.int64] | None,
) -> Judge:
    """Return the judge of some rows of the targets, or of all for None."""
    y, of_rows = (judged, judged_weight) if rows is None else (judged[rows], judged_weight[rows])
    if not of_rows.any():
        of_rows = np.ones(len(y))
    if data.targets.task != "regression":
        return Judge(y, of_rows)
    loss, columns = data.targets.loss(values_of(estimator)), data.samples.y
    scale = measure_targets(columns, data.samples.weight) if loss.targets == "real" else None
    return Judge(y.reshape(len(y), columns.shape[1]), of_rows, loss, scale)


def joined(judges: list[Judge]) -> Judge:
    """Concatenate judges over all their rows."""
    return judges[0]._replace(
        y=np.concatenate([judge.y for judge in judges]),
        weight=np.concatenate([judge.weight for judge in judges]),
    )
