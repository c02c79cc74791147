"""Metrics: how good a prediction is, in the numbers that people report.

    name(y, predicted, weight)      or      name(y, scores, weight)      a float; weight (n,) or None

| task       | y               | predicted       | scores                              |
|------------|-----------------|-----------------|-------------------------------------|
| regression | (n,) (n, out)   | the shape of y  | none                                |
| binary     | (n,) 0 or 1     | (n,) 0 or 1     | (n,) probability of class 1         |
| multiclass | (n,) 0 .. K-1   | (n,) 0 .. K-1   | (n, K) probabilities, rows sum to 1 |
| multilabel | (n, K) 0 or 1   | (n, K) 0 or 1   | (n, K) probabilities                |

`METRICS` lists them by name, `evaluate` computes several at once. They agree with scikit-learn, as the tests hold; they
do not call it, for its import alone takes as long as training on MNIST. Where a metric is not defined it is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule._arrays import Array, distinct
from chainrule.errors import ConfigError, ShapeError


def accuracy(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """The share of samples predicted right; with many labels, right in every label."""
    return float(np.average(np.equal(y, predicted).reshape(len(y), -1).all(1), weights=weight))


def mse(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Mean squared error, sum_i w_i (y_i - predicted_i)^2 / sum_i w_i; the mean over the outputs."""
    r = np.subtract(y, predicted, dtype=np.float64)
    return float(np.average(r * r, 0, weights=weight).mean())


def rmse(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Root of the mean squared error, in the units of y; the mean over the outputs of each one's root."""
    r = np.subtract(y, predicted, dtype=np.float64)
    return float(np.sqrt(np.average(r * r, 0, weights=weight)).mean())


def mae(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Mean absolute error, sum_i w_i |y_i - predicted_i| / sum_i w_i; the mean over the outputs."""
    r = np.subtract(y, predicted, dtype=np.float64)
    return float(np.average(np.abs(r), 0, weights=weight).mean())


def r2(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """Share of variance explained, 1 - mse / variance of y; the mean over the outputs; NaN for one sample.

    An output that does not vary counts as 1 where it is met exactly, as 0 where it is not.
    """
    if len(y) < 2:
        return float("nan")
    y, predicted = (np.asarray(each, np.float64).reshape(len(y), -1) for each in (y, predicted))
    error = np.average(np.square(y - predicted), 0, weights=weight)  # (outputs,)
    variance = np.average(np.square(y - np.average(y, 0, weights=weight)), 0, weights=weight)
    # The mean of equal numbers need not equal them: rounding leaves a variance, which must not divide the error.
    varies = (np.ptp(y if weight is None else y[np.asarray(weight) > 0], 0) > 0) & (variance > 0)
    explained = 1 - error / np.where(varies, variance, 1)
    return float(np.where(varies, explained, np.where(error > 0, 0.0, 1.0)).mean())


def _f1(y: Array, predicted: Array, weight: Array | None) -> float:
    """2 TP / (2 TP + FP + FN) of two arrays of truth values (n,); 0 for 0 / 0."""
    s = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    total = float(s @ y + s @ predicted)
    return 2 * float(s @ (y & predicted)) / total if total else 0.0


def f1(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """2 TP / (2 TP + FP + FN) of class 1; 0 where there is none of it, true or predicted."""
    return _f1(np.equal(y, 1), np.equal(predicted, 1), weight)


def f1_macro(y: Array, predicted: Array, weight: Array | None = None) -> float:
    """The mean of `f1` over the labels, or over the classes that occur, each against the rest."""
    y, predicted = np.asarray(y), np.asarray(predicted)
    if y.ndim == 2:
        return float(np.mean([f1(y[:, k], predicted[:, k], weight) for k in range(y.shape[1])]))
    occurring = distinct(np.concatenate((y.ravel(), predicted.ravel())))
    return float(np.mean([_f1(y == k, predicted == k, weight) for k in occurring]))


def auc(y: Array, scores: Array, weight: Array | None = None) -> float:
    """Area under the ROC curve: how often class 1 scores above class 0, a tie half; NaN with one class."""
    s = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    # The scores that occur, the lowest first, and the weight at each of them: (levels,)
    levels, level = np.unique(np.asarray(scores), return_inverse=True)
    positive, negative = (np.bincount(level, s * np.equal(y, k), len(levels)) for k in (1, 0))
    pairs = float(positive.sum() * negative.sum())
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below) / pairs if pairs else float("nan")


def auc_labels(y: Array, scores: Array, weight: Array | None = None) -> float:
    """The mean of `auc` over the labels (columns) that occur as 0 and as 1; NaN with none."""
    areas = np.array([auc(y[:, k], scores[:, k], weight) for k in range(scores.shape[1])])  # (K,)
    defined = areas[~np.isnan(areas)]
    return float(defined.mean()) if len(defined) else float("nan")


def auc_one_vs_rest(y: Array, scores: Array, weight: Array | None = None) -> float:
    """The mean of `auc` over the classes, each against the rest, as far as they occur; NaN with one class."""
    return auc_labels(np.equal(np.asarray(y)[:, None], np.arange(scores.shape[1])), scores, weight)


def log_loss(y: Array, scores: Array, weight: Array | None = None) -> float:
    """Minus the mean log-probability of the true class, in nats; 0 is raised to the dtype's eps."""
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
    """How many samples of each class (row) were taken for each class (column), (classes, classes), or their weight."""
    cells = np.asarray(y, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(cells, weight, classes * classes).reshape(classes, classes)


Function: TypeAlias = Callable[[Array, Array, Array | None], float]


@dataclass(frozen=True)
class Metric:
    """A metric by name: its function for each task, what that reads beside y, and which way is better."""

    name: str
    functions: Mapping[str, Function]
    better: Literal["higher", "lower"]
    reads: Literal["predicted", "scores"] = "predicted"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it serves."""
        return tuple(self.functions)

    def __call__(
        self, task: str, y: Array, predicted: Array, scores: Array | None = None, weight: Array | None = None
    ) -> float:
        """Its value, the same call for every metric; shapes as in the table above."""
        read = predicted if self.reads == "predicted" else scores
        if read is None:
            raise ConfigError(f"{self.name} needs scores but got none; pass them or leave the metric out.")
        if self.reads == "predicted" and np.shape(read) != np.shape(y):
            raise ShapeError(f"predicted has shape {np.shape(read)} but y {np.shape(y)}; give them the same.")
        return self.functions[task](y, read, weight)


REGRESSION, CLASSIFICATION = ("regression",), ("binary", "multiclass", "multilabel")
F1 = {"binary": f1, "multiclass": f1_macro, "multilabel": f1_macro}
AUC = {"binary": auc, "multiclass": auc_one_vs_rest, "multilabel": auc_labels}
LOG_LOSS = {"binary": log_loss, "multiclass": log_loss, "multilabel": log_loss_labels}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", dict.fromkeys(CLASSIFICATION, accuracy), "higher"),
        Metric("f1", F1, "higher"),
        Metric("auc", AUC, "higher", "scores"),
        Metric("log_loss", LOG_LOSS, "lower", "scores"),
        Metric("mse", dict.fromkeys(REGRESSION, mse), "lower"),
        Metric("rmse", dict.fromkeys(REGRESSION, rmse), "lower"),
        Metric("mae", dict.fromkeys(REGRESSION, mae), "lower"),
        Metric("r2", dict.fromkeys(REGRESSION, r2), "higher"),
    )
}


def names_for(task: str) -> list[str]:
    """The names of the metrics of a task, in the order of `METRICS`."""
    names = [name for name, metric in METRICS.items() if task in metric.tasks]
    if not names:
        raise ConfigError(f"task is {task!r} but must be one of {', '.join(REGRESSION + CLASSIFICATION)}.")
    return names


def evaluate(
    task: str,
    y: Array,
    predicted: Array,
    scores: Array | None = None,
    weight: Array | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, float]:
    """The metrics named, or all of the task's, by name; shapes as in the table above.

    Raises ConfigError for a metric that does not exist or does not serve the task.
    """
    known = names_for(task)
    names = known if names is None else names
    for name in names:
        if name not in known:
            raise ConfigError(f"{name!r} is no metric for {task}; choose from {', '.join(known)}.")
    return {name: METRICS[name](task, y, predicted, scores, weight) for name in names}
