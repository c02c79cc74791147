"""The metric of a network on a table's test rows, and that of simpler models on the same rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.datasets import Dataset
from chainrule.formulas import metrics
from chainrule.model import Model
from chainrule.recipe import baselines
from chainrule.recipe.data import Data

MAX_TEST_ROWS = 5_000
"""The maximum rows for testing a network after each epoch; of more, evenly spaced ones are used."""


class TestRows(NamedTuple):
    """Rows that no network is trained on."""

    X: NDArray[Any]
    y: NDArray[Any]
    metric: str
    """rmse or accuracy"""

    @classmethod
    def of_table(cls, data: Data) -> TestRows | None:
        """Return those of a table; None for other data."""
        if data.table is None or data.test is None:
            return None
        part = thinned(data.test)
        return cls(part.X, part.y, "rmse" if data.table.target.is_number else "accuracy")

    def of(self, model: Model) -> dict[str, float]:
        """Return the metric of a model by the name of its record."""
        said = np.asarray(model.predict(self.X))
        if self.metric == "accuracy":
            return {"test_accuracy": metrics.accuracy(self.y, said)}
        with np.errstate(over="ignore", invalid="ignore"):
            return {"test_rmse": metrics.rmse(self.y, said.reshape(len(said), -1)[:, 0])}


def thinned(part: Dataset) -> Dataset:
    """Return a part of the data with at most MAX_TEST_ROWS rows."""
    return part if len(part) <= MAX_TEST_ROWS else part.take(evenly_spaced(len(part), MAX_TEST_ROWS))


def reference(data: Data) -> dict[str, Any]:
    """Return the results of the constant and the linear model on these rows, fitted to the network's training rows."""
    tested = TestRows.of_table(data)
    if tested is None or data.test is None:
        return {"metric": None}
    found = baselines.of_table(data._replace(test=thinned(data.test)), ("constant", "linear"))
    return {
        "metric": f"test_{tested.metric}",
        "rows": len(tested.y),
        **{model: reached[tested.metric] for model, reached in found.items()},
    }
