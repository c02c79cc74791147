"""Scores of predictions that are made already, by any scorer of scikit-learn or function scorer(estimator, X, y).

A scorer asks an estimator for predictions. So predictions of some rows are given to it as an estimator that answers
with them, and the rows as they are in the user's table: a function of money may read a column of theirs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from chainrule.errors import ConfigError
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets, Targets
from chainrule.tables.rows import rows_of
from chainrule.trust.decisions import Decision

Scoring = str | Callable[..., Any]
"""The name of a scorer of scikit-learn, or a function scorer(estimator, X, y); higher is better."""


class Predicted(BaseEstimator):  # type: ignore[misc]
    """Base class of an estimator whose predictions of some rows are known.

    X: these rows.  predicted: (n, outputs) their probabilities or means.  others: what predicts other rows; None where
    nothing can.  decision: what makes labels of probabilities; None for the likeliest.
    """

    def __init__(
        self,
        X: object,
        targets: Targets,
        predicted: NDArray[Any],
        others: BaseEstimator | None = None,
        decision: Decision | None = None,
    ) -> None:
        """Keep them."""
        self.X, self.targets, self.predicted, self.others = X, targets, predicted, others
        self.decision = decision

    def __sklearn_is_fitted__(self) -> bool:
        """Return that it is fitted."""
        return True

    def predict(self, X: object) -> Any:
        """Return the predictions of the known rows, or of others. Raises ConfigError where nothing predicts these."""
        if X is not self.X:
            return self._beyond().predict(X)
        if self.decision is not None and isinstance(self.targets, Labels):
            return self.decision.labels(self.targets, self.predicted)
        return self.targets.predictions(self.predicted)

    def __getattr__(self, name: str) -> Any:
        """Return what else a function asks for, which is that of the estimator that predicts other rows."""
        if name.startswith("_") or name == "others":
            raise AttributeError(name)
        if self.others is None:
            raise AttributeError(
                f"predictions of rows that are held out have no {name}; use predict or predict_proba"
            )
        return getattr(self.others, name)

    def _beyond(self) -> Any:
        """Return what predicts other rows."""
        if self.others is None:
            raise ConfigError(
                "a scorer of predictions held out has those of the X that it is called with, not of other rows or of a "
                "copy; call predict or predict_proba with that X, and select from the result."
            )
        return self.others


class PredictedLabels(ClassifierMixin, Predicted):  # type: ignore[misc]
    """A classifier whose predictions of some rows are known."""

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted."""
        assert isinstance(self.targets, Labels)
        return self.targets.classes

    def predict_proba(self, X: object) -> NDArray[Any]:
        """Return probabilities (n, classes)."""
        if X is not self.X:
            found: NDArray[Any] = self._beyond().predict_proba(X)
            return found
        assert isinstance(self.targets, Labels)
        return self.targets.shares(self.predicted)


class PredictedNumbers(RegressorMixin, Predicted):  # type: ignore[misc]
    """A regressor whose predictions of some rows are known."""

    def score(self, X: object, y: object, sample_weight: object = None) -> float:
        """Return R2 of the prediction, or of the middle one of several quantiles."""
        assert isinstance(self.targets, NumericTargets)
        return self.targets.r2(self.predict(X), y, sample_weight)


@dataclass(frozen=True)
class HeldOutScorer:
    """What scores predictions of some rows; higher is better.

    By a name, or a scorer that does not say which label is the positive one, this is the label 1, or the last of two
    sorted labels without a 1: that of the second column of `predict_proba`.
    """

    scoring: Scoring
    targets: Targets
    X: Any
    """the rows as the user gave them"""
    y: Any
    """their targets, likewise"""

    def __post_init__(self) -> None:
        """Check the scoring."""
        if not (isinstance(self.scoring, str) or callable(self.scoring)):
            raise ConfigError(
                f"scoring must be the name of a scorer or a function, not {self.scoring!r:.40}."
            )

    @property
    def name(self) -> str:
        """The name of the scorer or of the function."""
        return self.scoring if isinstance(self.scoring, str) else getattr(self.scoring, "__name__", "score")

    def take(self, rows: NDArray[np.int64]) -> HeldOutScorer:
        """Return that of some of the rows."""
        return replace(self, X=rows_of(self.X, rows), y=rows_of(self.y, rows))

    def __call__(
        self, predicted: NDArray[Any], others: BaseEstimator | None = None, decision: Decision | None = None
    ) -> float:
        """Return the score of predictions (n, outputs); NaN where there is none.

        others: the estimator that predicts other rows, should a function ask for them.  decision: what makes labels of
        probabilities; None for the likeliest.
        Raises ConfigError where the scorer cannot score such targets.
        """
        if not np.isfinite(predicted).all():
            return float("nan")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of precision where nothing is positive, for example
            if self.numbered is not None and isinstance(self.scoring, str):
                return self._score(*self.numbered, predicted, others, decision)
            try:
                return self._score(self.targets, self.known, predicted, others, decision)
            except ValueError as error:
                if isinstance(error, ConfigError) or "pos_label" not in f"{error}" or self.numbered is None:
                    raise
            return self._score(*self.numbered, predicted, others, decision)

    def _score(
        self,
        targets: Targets,
        y: object,
        predicted: NDArray[Any],
        others: BaseEstimator | None,
        decision: Decision | None,
    ) -> float:
        """Return the score by the estimator that answers with the predictions."""
        kind = PredictedLabels if isinstance(targets, Labels) else PredictedNumbers
        estimator = kind(self.X, targets, predicted, others, decision)
        scorer = self.scoring
        if isinstance(scorer, str):
            from sklearn.metrics import get_scorer, get_scorer_names

            if scorer not in get_scorer_names():
                raise ConfigError(
                    f"scoring={scorer!r} is not the name of a scorer; sklearn.metrics.get_scorer_names() lists them."
                )
            scorer = get_scorer(scorer)
        try:
            score = scorer(estimator, self.X, y)
        except (AttributeError, ValueError) as error:
            if not isinstance(self.scoring, str):
                raise
            said = f"{error}".partition("\n")[0].rstrip(".")
            of_classes = "as 'f1_macro' or 'roc_auc_ovr' for more than two classes"
            other = (
                of_classes
                if isinstance(targets, Labels)
                else "as 'r2' or 'neg_mean_absolute_error' for numbers"
            )
            raise ConfigError(
                f"scoring={self.scoring!r} cannot score these targets ({said}); name another, {other}, or pass a "
                "function."
            ) from error
        try:
            return float(score)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"scoring must return a number, higher being better, not {score!r:.40}."
            ) from error

    @cached_property
    def known(self) -> Any:
        """The targets, with text of numbers read."""
        return self.targets.read(self.y)

    @cached_property
    def numbered(self) -> tuple[Labels, NDArray[np.int64]] | None:
        """Two labels of which none is 1 as 0 and 1, and the targets likewise; None for other targets."""
        labels = self.targets
        if not (isinstance(labels, Labels) and labels.are_two_without_1):
            return None
        y = (np.asarray(self.known) == labels.classes[1]).astype(np.int64)
        return replace(labels, classes=np.arange(2)), y
