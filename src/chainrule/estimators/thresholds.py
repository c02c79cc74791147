"""Choose a threshold, or judge costs, on predictions of rows that the network had not learned from.

No network is fitted for it. The intervals are the percentiles of resamples of these rows with replacement, of whole
groups where there are groups. The score of the best threshold on the rows that chose it is too high; what choosing adds
is measured on the resamples and taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples

from chainrule.core.random import generator
from chainrule.errors import ConfigError, DataError
from chainrule.fitting.held import HoldsResult, result_of
from chainrule.fitting.result import FitResult
from chainrule.tables.held_out import HeldOut
from chainrule.tables.labels import Labels
from chainrule.tables.rows import rows_of
from chainrule.trust.decisions import COST, Decision, Interval, check_costs, check_threshold, threshold_of
from chainrule.trust.scorers import HeldOutScorer, Scoring

Numbers = NDArray[np.float64]
CONFIDENCE = 0.9
THRESHOLDS, RESAMPLES = 400, 500
"""The most thresholds that are compared, and the resamples, for scores of counts."""
FEW_THRESHOLDS, FEW_RESAMPLES = 40, 60
"""The same for other scores, each of which is a call."""


class JudgedRows(NamedTuple):
    """Rows that the network had not learned from."""

    labels: Labels
    y: NDArray[np.int64]
    """(n,) class numbers"""
    predicted: Numbers
    """(n, outputs) probabilities"""
    groups: NDArray[np.int64] | None = None
    """(n,) which of them are drawn together"""

    def resamples(self, count: int) -> Iterator[NDArray[np.int64]]:
        """Iterate over how often each row is drawn (n,), in resamples that have each class."""
        random = generator(0, "judging", 1)
        unit = (
            np.arange(len(self.y)) if self.groups is None else np.unique(self.groups, return_inverse=True)[1]
        )
        units = int(unit.max()) + 1
        for _ in range(count):
            drawn = np.bincount(random.integers(units, size=units), minlength=units)[unit]
            if len(np.unique(self.y[drawn > 0])) == len(np.unique(self.y)):
                yield drawn


# --- scores of counts -----------------------------------------------------------------------------------------------


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    """Return a quotient, 0 where it is not defined, as scikit-learn's scorers have it."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole != 0)


def _matthews(tp: Numbers, fp: Numbers, fn: Numbers, tn: Numbers) -> Numbers:
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


COUNTED: dict[str, Callable[[Numbers, Numbers, Numbers, Numbers], Numbers]] = {
    "accuracy": lambda tp, fp, fn, tn: _ratio(tp + tn, tp + fp + fn + tn),
    "balanced_accuracy": lambda tp, fp, fn, tn: (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2,
    "f1": lambda tp, fp, fn, tn: _ratio(2 * tp, 2 * tp + fp + fn),
    "jaccard": lambda tp, fp, fn, tn: _ratio(tp, tp + fp + fn),
    "matthews_corrcoef": _matthews,
    "precision": lambda tp, fp, fn, tn: _ratio(tp, tp + fp),
    "recall": lambda tp, fp, fn, tn: _ratio(tp, tp + fn),
}
"""Scorers of scikit-learn that are functions of the true and false positives and negatives (thresholds,)."""


def counted(rows: JudgedRows, name: str, thresholds: Numbers, drawn: NDArray[np.int64]) -> Numbers:
    """Return a score of counts at each threshold. drawn: (n,) how often each row counts."""
    passed = np.searchsorted(thresholds, rows.predicted[:, 0], side="right")  # thresholds up to p
    found = []
    for label in (1, 0):
        own = rows.y == label
        counts = np.bincount(passed[own], drawn[own], len(thresholds) + 1)
        above = counts[::-1].cumsum()[::-1][1:]
        found += [above, counts.sum() - above]
    tp, fn, fp, tn = found
    if rows.labels.classes[0] == 1:  # scikit-learn's positive class, which is the first one here
        tp, fp, fn, tn = tn, fn, fp, tp
    return COUNTED[name](tp, fp, fn, tn)


# --- the choice -----------------------------------------------------------------------------------------------------


def by_score(rows: JudgedRows, scorer: HeldOutScorer) -> Decision:
    """Return the decision by the threshold with the highest score.

    scorer: of these rows. Its scores are of labels that are predicted at the threshold.
    Raises DataError for rows of one class, and ConfigError for a score that no threshold changes.
    """
    _check(rows)
    name = scorer.name
    if scorer.scoring in tuple(COUNTED):
        thresholds = candidates(rows, THRESHOLDS)

        def scores(drawn: NDArray[np.int64]) -> Numbers:
            return counted(rows, name, thresholds, drawn)
    else:
        thresholds = candidates(rows, FEW_THRESHOLDS)

        def scores(drawn: NDArray[np.int64]) -> Numbers:
            own = np.repeat(np.arange(len(rows.y)), drawn)
            some, predicted = scorer.take(own), rows.predicted[own]
            return np.array([some(predicted, decision=Decision(float(each))) for each in thresholds])

    whole = scores(np.ones(len(rows.y), np.int64))
    if not np.isfinite(whole).any() or (name not in COUNTED and np.ptp(whole[np.isfinite(whole)]) == 0):
        raise ConfigError(
            f"scoring={name!r} is the same at every threshold; name a score of predicted labels, such as 'f1' or "
            "'balanced_accuracy', or pass a function that calls predict."
        )
    best, chosen, added = _best(whole, thresholds), [], []
    own_scores = []
    for drawn in rows.resamples(RESAMPLES if name in COUNTED else FEW_RESAMPLES):
        found = scores(drawn)
        at = _best(found, thresholds)
        chosen.append(thresholds[at])
        added.append(found[at] - whole[at])
        own_scores.append(found[best])
    optimism = max(0.0, float(np.nanmean(added)))
    return Decision(
        float(thresholds[best]),
        scoring=name,
        interval=_percentiles(np.array(chosen)),
        score=float(whole[best]) - optimism,
        score_interval=_percentiles(np.array(own_scores) - optimism),
        confidence=CONFIDENCE,
        rows=len(rows.y),
        positives=int((rows.y == 1).sum()),
    )


def by_costs(rows: JudgedRows | None, costs: Numbers, factors: Numbers) -> Decision:
    """Return the decision by costs, with the mean cost of the rows.

    rows: None for none.  factors: (classes,) what the probabilities of each class are to be multiplied by, since
    class_weight changed them; so are the costs of its rows.
    """
    of_weighted = factors[:, None] * costs
    threshold = threshold_of(of_weighted) if len(costs) == 2 else None
    made = Decision(threshold, tuple(map(tuple, of_weighted.tolist())), COST, confidence=CONFIDENCE)
    if rows is None:
        return made
    chosen = made.chosen(rows.predicted)
    each = costs[rows.y, chosen]
    means = [float(drawn @ each / drawn.sum()) for drawn in rows.resamples(RESAMPLES)]
    positives = int((rows.y == 1).sum()) if threshold is not None else 0
    interval = _percentiles(np.array(means)) if means else None
    return replace(
        made, score=float(each.mean()), score_interval=interval, rows=len(each), positives=positives
    )


def candidates(rows: JudgedRows, most: int) -> Numbers:
    """Return about so many thresholds, ascending: halfway between probabilities, as many among those of each class."""
    p = np.unique(rows.predicted[:, 0])
    parts = np.linspace(0, 1, most // 2)
    places = [
        np.searchsorted(p, np.quantile(rows.predicted[rows.y == label, 0], parts, method="nearest"))
        for label in (0, 1)
    ]
    edges = np.concatenate([[0.0], p, [1.0]])
    return np.unique(((edges[:-1] + edges[1:]) / 2)[np.unique(np.concatenate([*places, [len(p)]]))])


def _best(scores: Numbers, thresholds: Numbers) -> int:
    """Return the number of the threshold with the highest score, of several the one next to a half."""
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    return int(np.lexsort((np.abs(thresholds - 0.5), -scores))[0])


def _percentiles(values: Numbers) -> Interval:
    """Return the middle part of values."""
    low, high = np.nanquantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _check(rows: JudgedRows) -> None:
    """Raise DataError unless both classes are among the rows."""
    counts = np.bincount(rows.y, minlength=2)
    if not counts.all():
        missing = rows.labels.classes[int(counts.argmin())]
        raise DataError(
            f"none of the {len(rows.y):,} rows held out is of class {missing}, so that no threshold can be chosen on "
            "them; pass X and y with rows of both classes, or threshold=."
        )


# --- the settings of a classifier's `set_threshold`, with the rows to choose on --------------------------------------


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
    labels = exclusive(result)
    if len(labels.classes) > 2 and costs is None:
        raise ConfigError(
            f"a threshold is of two classes, and there are {len(labels.classes)}; pass costs=, {len(labels.classes)} "
            f"rows of {len(labels.classes)} numbers."
        )
    if threshold is not None:
        return Decision(check_threshold(threshold))
    rows = found_rows(classifier, X, y)
    X_rows = of_fit(result, X) if y is None and X is not None and rows is not None else X
    if costs is not None:
        factors = np.ones(len(labels.classes)) if result.shares is None else result.shares.factors()
        return by_costs(rows, check_costs(costs, labels), factors)
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
