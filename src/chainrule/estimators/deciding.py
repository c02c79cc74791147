"""What a classifier's `set_threshold` was asked for, with the rows to choose on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples

from chainrule.errors import ConfigError, DataError
from chainrule.estimators.decisions import Decision, checked_costs, checked_threshold
from chainrule.estimators.fit.held_out import HeldOut
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.held import HoldsResult, result_of
from chainrule.estimators.labels import Labels
from chainrule.estimators.rows import rows_of
from chainrule.estimators.scorers import HeldOutScorer, Scoring
from chainrule.estimators.thresholds import JudgedRows, by_costs, by_score


def decided(
    classifier: HoldsResult,
    scoring: Scoring | None,
    costs: Sequence[Sequence[float]] | NDArray[Any] | None,
    threshold: float | None,
    X: object,
    y: object,
) -> Decision | None:
    """Return the decision that the arguments of `set_threshold` ask for; None for the likeliest class."""
    result = result_of(classifier)
    if sum(each is not None for each in (scoring, costs, threshold)) > 1:
        raise ConfigError("pass one of scoring, costs and threshold, not several.")
    if scoring is None and costs is None and threshold is None:
        return None
    if not (scoring is None or isinstance(scoring, str) or callable(scoring)):
        raise ConfigError(f"scoring must be the name of a scorer or a function, not {scoring!r:.40}.")
    labels = exclusive(result)
    if len(labels.classes) > 2 and costs is None:
        raise ConfigError(
            f"a threshold is of two classes, and there are {len(labels.classes)}; pass costs=, {len(labels.classes)} "
            f"rows of {len(labels.classes)} numbers."
        )
    if threshold is not None:
        return Decision(checked_threshold(threshold))
    rows = found_rows(classifier, X, y)
    X_rows = of_fit(result, X) if y is None and X is not None and rows is not None else X
    if costs is not None:
        factors = np.ones(len(labels.classes)) if result.shares is None else result.shares.factors()
        return by_costs(rows, checked_costs(costs, labels), factors)
    assert scoring is not None, "another argument was handled before"
    rows = some(rows)
    scorer = HeldOutScorer(scoring, labels, X_rows, labels.classes[rows.y])
    try:
        return by_score(rows, scorer)
    except TypeError as error:
        if X_rows is not None or isinstance(scoring, str):
            raise
        raise ConfigError(
            f"the function failed without rows ({error}); for one that reads columns also pass X=, that of the fit."
        ) from error


def rows_to_judge(classifier: HoldsResult, X: object, y: object) -> JudgedRows:
    """Return the rows that are passed, or those that the fit held out. Raises DataError for none."""
    return some(found_rows(classifier, X, y))


def found_rows(classifier: HoldsResult, X: object, y: object) -> JudgedRows | None:
    """Return the rows that are passed, or without y those that the fit held out; None where there are none."""
    result = result_of(classifier)
    labels = exclusive(result)
    return held_out(labels, result.held_out) if y is None else passed(classifier, labels, X, y)


def some(rows: JudgedRows | None) -> JudgedRows:
    """Return rows. Raises DataError for none."""
    if rows is None:
        raise DataError(
            "no rows are held out whose predictions could be judged: the fit had none, without early_stopping or "
            "X_val, or the classifier was read from a file; pass X and y that it has not learned from."
        )
    return rows


def exclusive(result: FitResult) -> Labels:
    """Return the labels of a fit of which each row has one. Raises ConfigError for others."""
    labels = result.targets
    if not isinstance(labels, Labels) or labels.kind == "multilabel" or len(labels.classes) < 2:
        raise ConfigError(
            "it takes labels of which each row has one, of at least two; of several labels a row judge each column of "
            "predict_proba by itself."
        )
    return labels


def held_out(labels: Labels, held: HeldOut | None) -> JudgedRows | None:
    """Return the rows that a fit held out; None where there are none."""
    if held is None or not len(held.rows):
        return None
    return JudgedRows(labels, held.y.reshape(len(held.y)).astype(np.int64), held.predicted, held.groups)


def of_fit(result: FitResult, X: object) -> Any:
    """Return the rows of the X of a fit, or of its X_val, that were held out. Raises DataError for a shorter X."""
    held = result.held_out
    assert held is not None, "there are rows"
    count = _num_samples(next(iter(X.values())) if isinstance(X, Mapping) else X)
    if count <= held.rows.max():
        raise DataError(
            f"X has {count:,} rows, but row {held.rows.max():,} was held out; pass the "
            f"{'X_val' if held.are_passed else 'X'} of the fit, or other rows with their y."
        )
    return rows_of(X, held.rows)


def passed(classifier: HoldsResult, labels: Labels, X: object, y: object) -> JudgedRows:
    """Return rows that are passed, with what the classifier predicts for them."""
    predicted = np.asarray(classifier.predict_proba(X), np.float64)
    checked = labels.check_validation(predicted, y)
    numbers = labels.encode(checked).reshape(len(predicted)).astype(np.int64)
    return JudgedRows(labels, numbers, predicted[:, 1:] if labels.kind == "binary" else predicted)
