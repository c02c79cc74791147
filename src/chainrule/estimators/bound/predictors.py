"""Estimators bound for one row: raw row in, answer out, in microseconds and without a data frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.estimators import covering
from chainrule.estimators.bound.inputs import ArrayRow, Row, RowInputs, TableRow
from chainrule.estimators.bound.networks import BoundFit, BoundNetworks, bound_networks, preparations
from chainrule.estimators.fit.result import NO_SPREAD, FitResult
from chainrule.estimators.labels import Labels


class RowAnswer(NamedTuple):
    """What a bound estimator says of one row."""

    prediction: Any
    """the label or the number, or an array (outputs,) of several"""
    probabilities: NDArray[np.floating] | None
    """(classes,) of a classifier; None of a regressor"""
    spread: Any
    """the disagreement of the networks, as `spread` has it; None of a single network"""


class BoundEstimator:
    """A snapshot of a fitted estimator that answers one row, made by its `bind`.

        bound = estimator.bind()
        bound.predict({"rooms": 3, "city": "Tainan"}), bound.answer([3, "Tainan"])

    A row is a mapping of values by column name, a sequence in the order of the columns of training, or a table of one
    row. A row's inputs have the bits that a table's have, and a single network's answer the bits of `predict`. A
    weighted average, of `preset="best"`, agrees to 1e-12.
    Cells are read as those of a table: None, NaN, NaT and pandas.NA are missing, an unknown category counts as a rare
    one, and any other cell raises the error of `predict`.
    It keeps the parameters, threshold and calibration of its time: bind again after more training. Threads may share
    it.
    """

    def __init__(self, result: FitResult, inputs: RowInputs, networks: BoundNetworks) -> None:
        """Keep what prepares a row and what answers it; `bound` makes both of a result."""
        self.result, self.inputs, self.networks = result, inputs, networks

    def predict(self, X: object) -> Any:
        """Predict a row: its label or number; an array (outputs,) of several."""
        return self._labelled(self._predicted(X))

    def spread(self, X: object) -> Any:
        """Return how much the networks disagree about a row, as the estimator's `spread` has it of a table.

        Raises ConfigError for a single network.
        """
        _, found = self.networks.predicted_and_spread(self.inputs(X))
        if found is None:
            raise ConfigError(NO_SPREAD)
        return self.result.shown_spread(found)[0]

    def answer(self, X: object) -> RowAnswer:
        """Return the prediction of a row with its probabilities and the spread, by one pass through the networks."""
        predicted, spread = self.networks.predicted_and_spread(self.inputs(X))
        shares = self._shares(predicted) if isinstance(self.result.targets, Labels) else None
        shown = None if spread is None else self.result.shown_spread(spread)[0]
        return RowAnswer(self._labelled(predicted), shares, shown)

    def _predicted(self, X: object) -> NDArray[Any]:
        return self.networks.predicted(self.inputs(X))

    def _labelled(self, predicted: NDArray[Any]) -> Any:
        """Return the prediction of what was predicted (1, outputs)."""
        return self.result.predictions(predicted)[0]

    def _shares(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return the probabilities (classes,) of what was predicted (1, outputs)."""
        assert isinstance(self.result.targets, Labels)
        found: NDArray[Any] = self.result.targets.shares(predicted)[0]
        return found

    def _with_first(self, X: object) -> tuple[Row, NDArray[Any]]:
        """Return the inputs of the first preparation (1, features), and what is predicted."""
        rows = self.inputs(X)
        return rows[0][None], self.networks.predicted(rows)

    def __repr__(self) -> str:
        """Show the kind and the columns."""
        return f"<{type(self).__name__} of {self.result.n_features:,} columns>"


class BoundClassifier(BoundEstimator):
    """A snapshot of a fitted classifier that answers one row; see `BoundEstimator`."""

    def predict_proba(self, X: object) -> NDArray[Any]:
        """Predict the probabilities (classes,) of a row, in the order of `classes_`."""
        return self._shares(self._predicted(X))

    def predict_set(self, X: object, coverage: float = 0.9) -> NDArray[np.bool_]:
        """Return which labels are in the set of a row, (classes,), see `MLPClassifier.predict_set`."""
        covering.check_coverage(coverage)
        found: NDArray[np.bool_] = covering.sets(self.result, *self._with_first(X), coverage)[0]
        return found


class BoundRegressor(BoundEstimator):
    """A snapshot of a fitted regressor that answers one row; see `BoundEstimator`."""

    def predict_interval(self, X: object, coverage: float = 0.9) -> NDArray[Any]:
        """Return the interval [lower, upper] of a row, or (outputs, 2), see `MLPRegressor.predict_interval`."""
        covering.check_coverage(coverage)
        found: NDArray[Any] = covering.intervals(self.result, *self._with_first(X), coverage)[0]
        return found[0] if len(found) == 1 else found


AnyBound = TypeVar("AnyBound", bound=BoundEstimator)


def bound(kind: type[AnyBound], result: FitResult, engine: str, check: Callable[[Any], Any]) -> AnyBound:
    """Bind the result of a fit. check(X): what checks arrays of an estimator without a preprocessor."""
    if result.preprocessor is not None:
        preprocessors, places = preparations(result)
        return kind(result, TableRow(preprocessors), bound_networks(result, engine, places))
    names = result.feature_names
    row = ArrayRow(None if names is None else names.tolist(), result.n_features, check)
    return kind(result, row, BoundFit(result, engine))
