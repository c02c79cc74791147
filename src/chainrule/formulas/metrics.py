"""Metrics: functions of predictions and targets.

    name(y, predicted, weight)      or      name(y, scores, weight)      a float; weight (n,) or None

| task       | y               | predicted       | scores                              |
|------------|-----------------|-----------------|-------------------------------------|
| regression | (n,) (n, out)   | the shape of y  | none                                |
| binary     | (n,) 0 or 1     | (n,) 0 or 1     | (n,) probability of class 1         |
| multiclass | (n,) 0 .. K-1   | (n,) 0 .. K-1   | (n, K) probabilities, rows sum to 1 |
| multilabel | (n, K) 0 or 1   | (n, K) 0 or 1   | (n, K) probabilities                |
| survival   | (n, 2) times    | none            | `PredictedSurvival`                 |

`METRICS` lists them by name, and `evaluate` computes several at once. The tests compare them with scikit-learn's; it is
not called, because its import alone takes as long as training on MNIST. An undefined metric is NaN.

For two classes, precision, recall, F1, AUC and average precision describe the **positive** class: class 1, or class 0
with `evaluate(..., positive=0)`. For many classes or labels they are macro averages: the unweighted mean over the
classes, each against the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, distinct
from chainrule.errors import ConfigError, ShapeError
from chainrule.formulas import survival
from chainrule.formulas.losses import LogLink, Loss, OrdinalCrossEntropy

Function: TypeAlias = Callable[[Array, Any, Array | None], float]


def accuracy(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """The share of samples predicted correctly; for multilabel, in every label."""
    return float(np.average(np.equal(y, predicted).reshape(len(y), -1).all(1), weights=weight))


def mse(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Mean squared error, sum_i w_i (y_i - predicted_i)^2 / sum_i w_i; the mean over the outputs."""
    r = np.subtract(y, predicted, dtype=np.float64)
    return float(np.average(r * r, 0, weights=weight).mean())


def rmse(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Root mean squared error, in the units of y; averaged over the outputs."""
    r = np.subtract(y, predicted, dtype=np.float64)
    return float(np.sqrt(np.average(r * r, 0, weights=weight)).mean())


def mae(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Mean absolute error, sum_i w_i |y_i - predicted_i| / sum_i w_i; the mean over the outputs."""
    r = np.subtract(y, predicted, dtype=np.float64)
    return float(np.average(np.abs(r), 0, weights=weight).mean())


def r2(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Coefficient of determination, 1 - mse / variance of y; averaged over the outputs; NaN for one sample.

    A constant output scores 1 if predicted exactly, else 0.
    """
    if len(y) < 2:
        return float("nan")
    y, predicted = (np.asarray(each, np.float64).reshape(len(y), -1) for each in (y, predicted))
    error = np.average(np.square(y - predicted), 0, weights=weight)  # (outputs,)
    variance = np.average(np.square(y - np.average(y, 0, weights=weight)), 0, weights=weight)
    # Rounding can leave a constant y with a tiny variance, which must not divide the error.
    varies = (np.ptp(y if weight is None else y[np.asarray(weight) > 0], 0) > 0) & (variance > 0)
    explained = 1 - error / np.where(varies, variance, 1)
    return float(np.where(varies, explained, np.where(error > 0, 0.0, 1.0)).mean())


def deviance(loss: LogLink, y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Mean deviance of amounts, twice the loss above that of predicting y itself; averaged over the outputs.

    loss: `Poisson`, `Gamma` or `Tweedie`; the deviance is that of its distribution.
    """
    return float(_deviances(loss, y, predicted, weight).mean())


def d2(loss: LogLink, y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Explained share of the deviance, 1 - deviance / deviance of the weighted mean of y; averaged over the outputs.

    As `r2` it is NaN for one sample, and of a constant output 1 if predicted exactly, else 0.
    """
    if len(y) < 2:
        return float("nan")
    mean = np.broadcast_to(np.average(y, 0, weights=weight), np.shape(y))
    own, of_mean = (_deviances(loss, y, each, weight) for each in (predicted, mean))
    varies = np.ptp(y if weight is None else np.asarray(y)[np.asarray(weight) > 0], 0) > 0
    explained = 1 - own / np.where(varies, of_mean, 1)
    return float(np.where(varies, explained, np.where(own > 0, 0.0, 1.0)).mean())


def _deviances(loss: LogLink, y: Array, predicted: Array, weight: Array | None) -> NDArray[np.float64]:
    """The weighted mean deviance of each output: (outputs,)"""
    y, predicted = (np.asarray(each, np.float64).reshape(len(y), -1, 1) for each in (y, predicted))
    with np.errstate(divide="ignore", invalid="ignore"):
        half = loss.value(np.log(predicted), y) + loss.saturated(y)
    found: NDArray[np.float64] = np.average(2 * np.maximum(half, 0), 0, weights=weight)
    return found


def rank_error(loss: OrdinalCrossEntropy, y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Mean distance of the predicted class to the true one, in ranks of ordered classes: `mae` of their numbers."""
    return mae(y, predicted, weight)


class Hits(NamedTuple):
    """The total weight of three sets of samples: truly of a class, predicted as it, and both."""

    true: float
    predicted: float
    both: float

    def precision(self) -> float:
        """TP / (TP + FP); 0 for 0 / 0"""
        return self.both / self.predicted if self.predicted else 0.0

    def recall(self) -> float:
        """TP / (TP + FN); 0 for 0 / 0"""
        return self.both / self.true if self.true else 0.0

    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 0 for 0 / 0"""
        total = self.true + self.predicted
        return 2 * self.both / total if total else 0.0


def _hits(y: Array, predicted: Array, weight: Array | None) -> Hits:
    """Sum the sample weights of the true, the predicted and the correctly predicted, from two boolean arrays (n,)."""
    s = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    return Hits(float(s @ y), float(s @ predicted), float(s @ (y & predicted)))


def _each(y: Array, predicted: Array, weight: Array | None) -> list[Hits]:
    """Return the hits of each label (column), or of each class among true or predicted, against the rest."""
    y, predicted = np.asarray(y), np.asarray(predicted)
    if y.ndim == 2:
        return [_hits(y[:, k] == 1, predicted[:, k] == 1, weight) for k in range(y.shape[1])]
    occurring = distinct(np.concatenate((y.ravel(), predicted.ravel())))
    return [_hits(y == k, predicted == k, weight) for k in occurring]


def precision(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """TP / (TP + FP) of class 1: the share of samples predicted as 1 that are 1; 0 if none was predicted."""
    return _hits(np.equal(y, 1), np.equal(predicted, 1), weight).precision()


def precision_macro(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """The mean of `precision` over the labels, or over the classes that occur, each against the rest."""
    return float(np.mean([hits.precision() for hits in _each(y, predicted, weight)]))


def recall(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """TP / (TP + FN) of class 1: the share of its samples that were predicted as 1; 0 if there are none."""
    return _hits(np.equal(y, 1), np.equal(predicted, 1), weight).recall()


def recall_macro(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """The mean of `recall` over the labels, or over the classes that occur, each against the rest."""
    return float(np.mean([hits.recall() for hits in _each(y, predicted, weight)]))


def f1(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """2 TP / (2 TP + FP + FN) of class 1; 0 if it occurs neither as true nor as predicted."""
    return _hits(np.equal(y, 1), np.equal(predicted, 1), weight).f1()


def f1_macro(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """The mean of `f1` over the labels, or over the classes that occur, each against the rest."""
    return float(np.mean([hits.f1() for hits in _each(y, predicted, weight)]))


def balanced_accuracy(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """The mean of `recall` over the classes in y: accuracy as if all classes had the same size."""
    return float(np.mean([hits.recall() for hits in _each(y, predicted, weight) if hits.true]))


def _by_score(y: Array, scores: Array, weight: Array | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sum the weights of class 1 and of the rest at each distinct score, in ascending order: (levels,) each."""
    s = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    levels, level = np.unique(np.asarray(scores), return_inverse=True)
    positive, negative = (np.bincount(level, s * np.equal(y, k), len(levels)) for k in (1, 0))
    return positive, negative


def auc(y: Array, scores: Array, weight: Array | None = None) -> float:
    """Area under the ROC curve: the share of pairs with class 1 scored above class 0, ties half; NaN for one class."""
    positive, negative = _by_score(y, scores, weight)
    pairs = float(positive.sum() * negative.sum())
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below) / pairs if pairs else float("nan")


def average_precision(y: Array, scores: Array, weight: Array | None = None) -> float:
    """Area under the precision-recall curve as a sum of steps; NaN without class 1.

    sum_k (recall_k - recall_(k-1)) precision_k over the distinct scores as thresholds, in descending order.
    """
    positive, negative = (each[::-1] for each in _by_score(y, scores, weight))
    hits, taken = np.cumsum(positive), np.cumsum(positive + negative)
    if not (hits.size and hits[-1] > 0):
        return float("nan")
    return float(positive @ (hits / np.where(taken > 0, taken, 1))) / float(hits[-1])


def _mean_over_labels(metric: Function, y: Array, scores: Array, weight: Array | None) -> float:
    """Average a metric over the columns for which it is defined; NaN if there are none."""
    values = np.array([metric(y[:, k], scores[:, k], weight) for k in range(scores.shape[1])])  # (K,)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _classes_as_labels(y: Array, scores: Array) -> NDArray[Any]:
    """One-hot encode the classes as a boolean array (n, K)."""
    labels: NDArray[Any] = np.equal(np.asarray(y)[:, None], np.arange(scores.shape[1]))
    return labels


def auc_labels(y: Array, scores: Array, weight: Array | None = None) -> float:
    """The mean of `auc` over the labels (columns) that have both 0 and 1; NaN if there are none."""
    return _mean_over_labels(auc, y, scores, weight)


def auc_one_vs_rest(y: Array, scores: Array, weight: Array | None = None) -> float:
    """The mean of `auc` over the classes that occur, each against the rest; NaN for one class."""
    return auc_labels(_classes_as_labels(y, scores), scores, weight)


def average_precision_labels(y: Array, scores: Array, weight: Array | None = None) -> float:
    """The mean of `average_precision` over the labels (columns) that have a 1; NaN if there are none."""
    return _mean_over_labels(average_precision, y, scores, weight)


def average_precision_one_vs_rest(y: Array, scores: Array, weight: Array | None = None) -> float:
    """The mean of `average_precision` over the classes that occur, each against the rest."""
    return average_precision_labels(_classes_as_labels(y, scores), scores, weight)


def log_loss(y: Array, scores: Array, weight: Array | None = None) -> float:
    """Negative mean log-probability of the true class, in nats; probabilities are clipped at the dtype's eps."""
    scores = np.asarray(scores)
    shares = scores if scores.ndim == 2 else np.stack([1 - scores, scores], 1)
    eps = np.finfo(shares.dtype).eps
    shares = np.clip(shares, eps, 1 - eps)
    shares = shares / shares.sum(1, keepdims=True)
    chosen = shares[np.arange(len(shares)), np.asarray(y, np.int64)]
    return float(-np.average(np.log(chosen), weights=weight))


def log_loss_labels(y: Array, scores: Array, weight: Array | None = None) -> float:
    """The mean of `log_loss` over the labels."""
    return float(np.mean([log_loss(y[:, k], scores[:, k], weight) for k in range(scores.shape[1])]))


def confusion_matrix(y: Array, predicted: Array, classes: int, weight: Array | None = None) -> NDArray[Any]:
    """Count the samples by true class (row) and predicted class (column), (classes, classes), or sum their weights."""
    cells = np.asarray(y, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(cells, weight, classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Metric:
    """A metric by name: its function for each task, its second argument, and which direction is better."""

    name: str
    functions: Mapping[str, Function]
    better: Literal["higher", "lower"]
    reads: Literal["predicted", "scores"] = "predicted"
    of_positive: bool = False
    """whether, for two classes, it describes the positive one"""
    of_loss: Callable[[Any, Array, Array, Array | None], float] | None = None
    """its function where it belongs to losses, and not to a task"""
    losses: type[Loss] = LogLink
    """the class of these losses"""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks for which it is defined."""
        return tuple(self.functions)

    def __call__(
        self,
        task: str,
        y: Array,
        predicted: Array,
        scores: Any = None,
        weight: Array | None = None,
        loss: Loss | None = None,
    ) -> float:
        """Compute the metric; shapes as in the table above."""
        read = predicted if self.reads == "predicted" else scores
        if read is None:
            raise ConfigError(f"{self.name} needs scores but got none; pass them or leave the metric out.")
        if self.reads == "predicted" and np.shape(read) != np.shape(y):
            raise ShapeError(
                f"predicted has shape {np.shape(read)} but y {np.shape(y)}; they must be the same."
            )
        if self.of_loss is None:
            return self.functions[task](y, read, weight)
        assert loss is not None and isinstance(loss.of_member, self.losses)
        return self.of_loss(loss.of_member, y, read, weight)


REGRESSION, CLASSIFICATION = ("regression",), ("binary", "multiclass", "multilabel")
PRECISION, RECALL, F1 = (
    {"binary": two, "multiclass": macro, "multilabel": macro}
    for two, macro in ((precision, precision_macro), (recall, recall_macro), (f1, f1_macro))
)
AUC = {"binary": auc, "multiclass": auc_one_vs_rest, "multilabel": auc_labels}
AVERAGE_PRECISION = {
    "binary": average_precision,
    "multiclass": average_precision_one_vs_rest,
    "multilabel": average_precision_labels,
}
LOG_LOSS = {"binary": log_loss, "multiclass": log_loss, "multilabel": log_loss_labels}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", dict.fromkeys(CLASSIFICATION, accuracy), "higher"),
        Metric("balanced_accuracy", dict.fromkeys(("binary", "multiclass"), balanced_accuracy), "higher"),
        Metric("precision", PRECISION, "higher", of_positive=True),
        Metric("recall", RECALL, "higher", of_positive=True),
        Metric("f1", F1, "higher", of_positive=True),
        Metric("auc", AUC, "higher", "scores", of_positive=True),
        Metric("average_precision", AVERAGE_PRECISION, "higher", "scores", of_positive=True),
        Metric("log_loss", LOG_LOSS, "lower", "scores"),
        Metric("mse", dict.fromkeys(REGRESSION, mse), "lower"),
        Metric("rmse", dict.fromkeys(REGRESSION, rmse), "lower"),
        Metric("mae", dict.fromkeys(REGRESSION, mae), "lower"),
        Metric("r2", dict.fromkeys(REGRESSION, r2), "higher"),
        Metric("deviance", {}, "lower", of_loss=deviance),
        Metric("d2", {}, "higher", of_loss=d2),
        Metric("rank_error", {}, "lower", of_loss=rank_error, losses=OrdinalCrossEntropy),
        *(
            Metric(name, {"survival": function}, better, "scores")
            for name, (function, better) in survival.METRICS.items()
        ),
    )
}


def names_for(task: str, loss: Loss | None = None) -> list[str]:
    """Return the names of the metrics of a task, in the order of `METRICS`; of a loss with some its own too."""
    names = [
        name
        for name, metric in METRICS.items()
        if task in metric.tasks
        or (metric.of_loss is not None and loss is not None and isinstance(loss.of_member, metric.losses))
    ]
    if not names:
        raise ConfigError(f"task is {task!r} but must be one of {', '.join(REGRESSION + CLASSIFICATION)}.")
    return names


def evaluate(
    task: str,
    y: Array,
    predicted: Array,
    scores: Any = None,
    weight: Array | None = None,
    names: Sequence[str] | None = None,
    positive: int = 1,
    loss: Loss | None = None,
) -> dict[str, float]:
    """Compute the named metrics, or all of the task's; shapes as in the table above.

    positive: for the task binary, the class that precision, recall, F1, AUC and average precision describe, 1 or 0.
    loss: with `Poisson`, `Gamma` or `Tweedie`, deviance and d2 are those of its distribution, with
    `OrdinalCrossEntropy` rank_error is of its classes.
    Raises ConfigError for an unknown metric, one that does not support the task, and an invalid positive.
    """
    known = names_for(task, loss)
    names = known if names is None else names
    for name in names:
        if name not in known:
            raise ConfigError(f"{name!r} is not a metric for {task}; choose from {', '.join(known)}.")
    if positive == 1:
        return {name: METRICS[name](task, y, predicted, scores, weight, loss) for name in names}
    if task != "binary" or positive != 0:
        raise ConfigError(f"positive is {positive!r} but must be 0 or 1, and 1 unless the task is binary.")
    # Make class 0 the positive one: rank by the negated scores, without a rounding that could create ties.
    turned = np.subtract(1, y), np.subtract(1, predicted), None if scores is None else np.negative(scores)
    return {
        name: METRICS[name](task, *(turned if METRICS[name].of_positive else (y, predicted, scores)), weight)
        for name in names
    }
