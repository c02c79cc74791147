"""Few rows of a fitted estimator, answered by what is kept for as long as nothing of the estimator has changed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import has_few_rows
from chainrule.estimators.best.blend import RaceResult
from chainrule.estimators.bound.inputs import TableRow
from chainrule.estimators.bound.networks import bound_networks, preparations
from chainrule.estimators.fit.result import FEW, FitResult
from chainrule.estimators.held import KeptRows
from chainrule.model import Model

MOST_PARAMETERS = 1 << 22
"""Of networks with more parameters nothing is kept, and they are compared with nothing."""
ENGINES = ("auto", "native")
"""Those by which few rows are answered so; another one is asked for what it computes."""


class FewAnswers(NamedTuple):
    """What is predicted for few rows."""

    inputs: NDArray[np.floating]
    """(n, features) as the first preprocessor makes them"""
    predicted: NDArray[Any]
    """probabilities or means (n, outputs)"""


class SeenModel:
    """What the outputs of a model depend on, as it was; its arrays may be written to at any time."""

    def __init__(self, model: Model) -> None:
        """Copy the numbers."""
        self.model, self.network, self.scale = model, model.network, model.target_scale
        self.dtype, self.theta = model.theta.dtype, bytearray(np.ascontiguousarray(model.theta))
        self.states = {name: [np.array(each) for each in state] for name, state in model.states.items()}

    def is_same(self) -> bool:
        """Return whether the model is still as it was, to the bit: a megabyte takes 30 µs."""
        model = self.model
        theta = model.theta
        return (
            model.network is self.network
            and model.target_scale is self.scale
            and theta.dtype == self.dtype
            and bool(self.theta == np.ascontiguousarray(theta))  # bytes
            and (model.states.keys() == self.states.keys())
            and all(self._has(name, state) for name, state in model.states.items())
        )

    def _has(self, name: str, state: Sequence[NDArray[Any]]) -> bool:
        return all(np.array_equal(a, b) for a, b in zip(self.states[name], state, strict=True))


class FewRows:
    """Answers few rows of a table by what `TableRow` prepares and the native engine holds. Threads may share it."""

    def __init__(self, result: FitResult, engine: str, is_compared: bool) -> None:
        """Copy the parameters of a fit with a preprocessor. is_compared: whether they may change from now on."""
        self.result, self.engine, self.is_compared = result, engine, is_compared
        self.parts = result.parts
        self.models = [SeenModel(model) for model in result.networks] if is_compared else []
        preprocessors, places = preparations(result)
        self.learned = [(each, each.learned_, each.crossed_) for each in preprocessors]
        self.table = TableRow(preprocessors)
        self.networks = bound_networks(result, engine, places)

    def is_current(self) -> bool:
        """Return whether nothing has changed on which an answer depends."""
        return (
            _are_same(self.result.parts, self.parts)
            and all(
                each.learned_ is learned and each.crossed_ is pairs for each, learned, pairs in self.learned
            )
            and all(model.is_same() for model in self.models)
        )

    def answers(self, X: object) -> FewAnswers | None:
        """Return what is predicted for a table of few rows; None for one of more. Raises the errors of `predict`."""
        rows = self.table.of_few(X)
        if not rows:
            return None
        predicted = [self.networks.predicted(row) for row in rows]
        return FewAnswers(np.stack([row[0] for row in rows]), np.concatenate(predicted))


def _are_same(parts: Sequence[FitResult], others: Sequence[FitResult]) -> bool:
    return len(parts) == len(others) and all(map(operator.is_, parts, others))


def answer_few(kept: KeptRows, result: FitResult, engine: str, X: object) -> FewAnswers | None:
    """Return the predictions of few rows; None for more, or without a table's preprocessor.

    The networks of a race are compared with what was bound only once somebody may have a way to write to them: those of
    a dozen networks take longer to read than a row to predict.
    """
    if result.preprocessor is None:
        return None
    engine = result.blend.engine if isinstance(result, RaceResult) else engine
    if engine not in ENGINES:
        return None
    is_compared = kept.are_given or not isinstance(result, RaceResult)
    rows = kept.rows
    if not isinstance(rows, FewRows) or not (
        rows.result is result
        and rows.engine == engine
        and rows.is_compared >= is_compared
        and rows.is_current()
    ):
        are_large = sum(model.theta.size for model in result.networks) > MOST_PARAMETERS
        if are_large or not has_few_rows(X, FEW):
            return None
        rows = FewRows(result, engine, is_compared)
        kept.keep(rows)
    return rows.answers(X)
