"""The importance of each column of a table for a model, and the calibration of its probabilities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.random import generator
from chainrule.data.samples import Samples
from chainrule.estimators.reliability import BINS, Reliability, of_classes
from chainrule.recipe.judge import Judgement
from chainrule.recipe.tables import TableData
from chainrule.trained.prediction import PredictionMixin

MOST_ROWS, FEWEST_ROWS = 5000, 500
"""The maximum rows that are shuffled, and the minimum for many columns; of more, the first ones are used."""
MOST_ANSWERS = 5_000_000
"""The maximum predictions, with many columns by fewer repeats and then fewer rows."""
MOST_SHUFFLES = 2000
REPEATS = 5


@records.kind("permutation_importance")
class Importance(NamedTuple):
    """The mean increase of a metric when the cells of one column are shuffled, by column.

    The columns are those that the network uses, the most important first.
    Source: Breiman, "Random forests", Machine Learning 45 (2001), section 10.
    """

    metric: str
    """rmse or log_loss, lower is better"""
    base: float
    """of the unchanged rows"""
    names: tuple[str, ...]
    mean: NDArray[np.float64]  # (columns,) the metric with the column shuffled, less the base
    std: NDArray[np.float64]  # (columns,) over the repeats
    rows: int
    repeats: int

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def permutation_importance(
    model: PredictionMixin,
    samples: Samples,
    table: TableData,
    *,
    repeats: int = REPEATS,
    engine: str = "auto",
) -> Importance:
    """Shuffle each column among the samples in turn, and measure the loss of the model.

    All inputs of a column are shuffled together. samples: rows of the table, checked for the model.
    """
    columns = max(len(table.blocks), 1)
    most = min(MOST_SHUFFLES // columns, MOST_ANSWERS // (columns * min(samples.n, MOST_ROWS)))
    repeats = max(1, min(repeats, most))
    rows = max(FEWEST_ROWS, min(MOST_ROWS, MOST_ANSWERS // (columns * repeats)))
    samples = samples.take(np.arange(min(samples.n, rows)))
    metric = "rmse" if model.task == "regression" else "log_loss"

    def measured(X: NDArray[Any]) -> float:
        return model.evaluate(samples._replace(X=X), metrics=[metric], engine=engine)[metric]

    base, blocks = measured(samples.X), table.blocks
    found = np.zeros((len(blocks), repeats))
    X = np.array(samples.X)
    for i, block in enumerate(blocks.values()):
        for r in range(repeats):
            order = generator(model.seed, "judging", 1 + r).permutation(samples.n)
            X[:, block] = samples.X[order, block]
            found[i, r] = measured(X) - base
        X[:, block] = samples.X[:, block]
    mean, std = found.mean(1), found.std(1)
    order = (-mean).argsort(kind="stable")
    names = list(blocks)
    return Importance(
        metric, base, tuple(names[i] for i in order), mean[order], std[order], samples.n, repeats
    )


def calibration(judgement: Judgement, bins: int = BINS) -> Reliability | None:
    """Return the calibration of an evaluation's probabilities; None for numbers and for multiple labels."""
    if judgement.task not in ("binary", "multiclass") or judgement.shares is None or not judgement.n:
        return None
    classes = judgement.classes
    positive = classes.index(judgement.positive) if judgement.positive in classes else 1
    return of_classes(judgement.shares, judgement.y, judgement.labels, positive, bins)
