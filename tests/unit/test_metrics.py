"""Metrics: numbers worked by hand, agreement with scikit-learn, and what happens where one is not defined."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as sk

from chainrule import metrics
from chainrule.errors import ConfigError, ShapeError
from chainrule.metrics import METRICS, evaluate

TASKS = ("regression", "binary", "multiclass", "multilabel")


def example(task: str, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """y, predicted, scores, weight."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 2, n)
    if task == "regression":
        y = rng.normal(size=(n, 2))
        return y, y + rng.normal(size=(n, 2)), None, weight
    if task == "binary":
        scores = rng.uniform(size=n)
        return (rng.uniform(size=n) < scores).astype(int), (scores > 0.5).astype(int), scores, weight
    if task == "multiclass":
        scores = rng.dirichlet(np.ones(4), n)
        y = np.array([rng.choice(4, p=p) for p in scores])
        return y, scores.argmax(1), scores, weight
    scores = rng.uniform(size=(n, 3))
    return (rng.uniform(size=(n, 3)) < scores).astype(int), (scores > 0.5).astype(int), scores, weight


def test_accuracy_by_hand():
    y, predicted = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    assert metrics.accuracy(y, predicted) == 0.75
    assert metrics.accuracy(y, predicted, np.array([1, 1, 6, 2])) == 0.4  # 4 of 10
    labels, guessed = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    assert metrics.accuracy(labels, guessed) == 0.5  # the second sample has one label wrong


def test_errors_by_hand():
    # r = (-1, 2, -3): (1 + 4 + 9) / 3 and (1 + 2 + 3) / 3; weighted (1 * 1 + 1 * 4 + 2 * 9) / 4
    y, predicted = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, 6.0])
    assert_allclose(metrics.mse(y, predicted), 14 / 3)
    assert_allclose(metrics.rmse(y, predicted), math.sqrt(14 / 3))
    assert_allclose(metrics.mae(y, predicted), 2)
    assert_allclose(metrics.mse(y, predicted, np.array([1, 1, 2])), 23 / 4)
    # variance of y: ((-1)^2 + 0 + 1^2) / 3, so 1 - 14 / 2
    assert_allclose(metrics.r2(y, predicted), -6)


def test_several_outputs_are_averaged():
    # r = (1, 3) and (1, 1) by row: mse (1 + 1) / 2 = 1 and (9 + 1) / 2 = 5
    y, predicted = np.zeros((2, 2)), np.array([[1.0, 3.0], [1.0, 1.0]])
    assert_allclose(metrics.mse(y, predicted), 3)
    assert_allclose(metrics.rmse(y, predicted), (1 + math.sqrt(5)) / 2)
    assert_allclose(metrics.mae(y, predicted), 1.5)


def test_f1_by_hand():
    # class 1: TP 2, FP 1, FN 1, so 4 / 6; class 0: TP 1, FP 1, FN 1, so 2 / 4
    y, predicted = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    assert_allclose(metrics.f1(y, predicted), 2 / 3)
    assert_allclose(metrics.f1_macro(y, predicted), (2 / 3 + 1 / 2) / 2)
    assert metrics.f1(np.zeros(3, int), np.zeros(3, int)) == 0


def test_auc_by_hand():
    # pairs of a 1 and a 0: 0.8 beats 0.1 and 0.5; 0.5 beats 0.1 and ties with 0.5: 3.5 of 4
    y, scores = np.array([1, 1, 0, 0]), np.array([0.8, 0.5, 0.1, 0.5])
    assert_allclose(metrics.auc(y, scores), 3.5 / 4)


def test_log_loss_by_hand():
    y, scores = np.array([1, 0]), np.array([0.25, 0.2])
    assert_allclose(metrics.log_loss(y, scores), -(math.log(0.25) + math.log(0.8)) / 2)
    assert_allclose(metrics.log_loss(y, np.stack([1 - scores, scores], 1)), metrics.log_loss(y, scores))
    assert_allclose(metrics.log_loss_labels(y[:, None], scores[:, None]), metrics.log_loss(y, scores))


def test_confusion_matrix_by_hand():
    y, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    # class 2 never occurs and still has its row and column
    assert_array_equal(metrics.confusion_matrix(y, predicted, 3), [[1, 1, 0], [1, 2, 0], [0, 0, 0]])
    weight = np.array([1, 10, 1, 1, 100])
    assert_array_equal(metrics.confusion_matrix(y, predicted, 2, weight), [[1, 10], [100, 2]])


# What scikit-learn calls it: (y, predicted, scores, weight) -> float.
PEERS = {
    "accuracy": lambda y, p, s, w: sk.accuracy_score(y, p, sample_weight=w),
    "f1": lambda y, p, s, w: sk.f1_score(
        y, p, average="binary" if set(np.unique(y)) == {0, 1} and y.ndim == 1 else "macro", sample_weight=w
    ),
    "auc": lambda y, p, s, w: sk.roc_auc_score(
        y, s, multi_class="ovr" if y.ndim == 1 else "raise", sample_weight=w
    ),
    "log_loss": lambda y, p, s, w: (
        sk.log_loss(y, s, sample_weight=w)
        if y.ndim == 1
        else np.mean([sk.log_loss(y[:, k], s[:, k], sample_weight=w) for k in range(y.shape[1])])
    ),
    "mse": lambda y, p, s, w: sk.mean_squared_error(y, p, sample_weight=w),
    "rmse": lambda y, p, s, w: sk.root_mean_squared_error(y, p, sample_weight=w),
    "mae": lambda y, p, s, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "r2": lambda y, p, s, w: sk.r2_score(y, p, sample_weight=w),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task, name", [(t, name) for name, m in METRICS.items() for t in m.tasks])
def test_agrees_with_scikit_learn(task, name, weighted):
    y, predicted, scores, weight = example(task)
    w = weight if weighted else None
    got = METRICS[name](task, y, predicted, scores, w)
    assert isinstance(got, float)
    assert_allclose(got, PEERS[name](y, predicted, scores, w), rtol=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_gives_the_metrics_of_the_task(task):
    names = ["mse", "rmse", "mae", "r2"] if task == "regression" else ["accuracy", "f1", "auc", "log_loss"]
    y, predicted, scores, weight = example(task)
    result = evaluate(task, y, predicted, scores, weight)
    assert list(result) == names == metrics.names_for(task)
    assert evaluate(task, y, predicted, scores, names=names[::-1]).keys() == set(names)
    assert evaluate(task, y, predicted, scores, names=[]) == {}


def test_float32_is_added_up_in_float64():
    y = np.full((300_000, 2), 1e4, np.float32)
    assert_allclose(metrics.mse(y, y + 1), 1, rtol=1e-12)


def test_auc_is_nan_with_one_class():
    assert math.isnan(metrics.auc(np.ones(3, int), np.arange(3.0)))
    the_only_zero_weighs_nothing = np.array([1, 1, 0])
    assert math.isnan(metrics.auc(np.array([1, 1, 0]), np.arange(3.0), the_only_zero_weighs_nothing))
    assert math.isnan(metrics.auc_one_vs_rest(np.ones(3, int), np.eye(3)))
    assert math.isnan(metrics.auc_labels(np.ones((3, 2), int), np.ones((3, 2))))


def test_auc_passes_over_a_class_that_does_not_occur():
    y = np.array([0, 0, 1, 1])
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.4, 0.4], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1]])
    # class 0: 0.8 beats both, 0.2 beats 0.1 only: 3 of 4; class 1: all 4 of 4; class 2 does not occur
    assert_allclose(metrics.auc_one_vs_rest(y, scores), (3 / 4 + 1) / 2)


def test_r2_of_one_sample_is_nan():
    assert math.isnan(metrics.r2(np.ones(1), np.zeros(1)))


def test_log_loss_of_float32_probabilities_that_touch_zero_is_finite():
    scores = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    assert 10 < metrics.log_loss(np.array([0, 2]), scores) * 2 < 40


def test_what_cannot_be_is_refused():
    y, predicted, scores, _ = example("binary")
    with pytest.raises(ConfigError, match="'mse' is no metric for binary; choose from accuracy, f1"):
        evaluate("binary", y, predicted, scores, names=["mse"])
    with pytest.raises(ConfigError, match="task is 'clustering'"):
        evaluate("clustering", y, predicted, scores)
    with pytest.raises(ConfigError, match="auc needs scores"):
        evaluate("binary", y, predicted, names=["auc"])
    with pytest.raises(ShapeError, match=r"predicted has shape \(60, 1\) but y \(60,\)"):
        evaluate("binary", y, predicted[:, None], names=["accuracy"])


def test_the_simple_ones_do_not_import_scikit_learn():
    code = (
        "import sys, numpy as np; from chainrule import metrics as m; y = np.ones(3);"
        "[f(y, y) for f in (m.accuracy, m.mse, m.rmse, m.mae)]; sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
