"""Metrics: numbers worked by hand, agreement with scikit-learn, and what happens where one is not defined."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as sk

from chainrule import ConfigError, Gamma, OrdinalCrossEntropy, Poisson, ShapeError, Tweedie
from chainrule.formulas import metrics
from chainrule.formulas.metrics import METRICS, evaluate

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


def test_precision_recall_and_balanced_accuracy_by_hand():
    # class 1: TP 2, FP 1, FN 2; class 0: TP 2, FP 2, FN 1
    y, predicted = np.array([1, 1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 0, 1, 0, 0])
    assert_allclose(metrics.precision(y, predicted), 2 / 3)
    assert_allclose(metrics.recall(y, predicted), 1 / 2)
    assert_allclose(metrics.precision_macro(y, predicted), (2 / 3 + 1 / 2) / 2)
    assert_allclose(metrics.recall_macro(y, predicted), (1 / 2 + 2 / 3) / 2)
    assert_allclose(metrics.balanced_accuracy(y, predicted), (1 / 2 + 2 / 3) / 2)
    # a class that is predicted and never true has a precision, and no part in balanced accuracy
    assert_allclose(metrics.balanced_accuracy(np.array([0, 0, 1]), np.array([0, 2, 1])), (1 / 2 + 1) / 2)
    assert metrics.precision(y, np.zeros(7, int)) == metrics.recall(np.zeros(7, int), y) == 0


def test_average_precision_by_hand():
    # from the top: 0.9 is a 1: 1/1; 0.5 twice, a 1 and a 0: 2/3; the last 1 at 0.1: 3/4, each a third of the recall
    y, scores = np.array([1, 1, 0, 1]), np.array([0.9, 0.5, 0.5, 0.1])
    assert_allclose(metrics.average_precision(y, scores), (1 + 2 / 3 + 3 / 4) / 3)
    assert math.isnan(metrics.average_precision(np.zeros(3, int), np.arange(3.0)))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_positive_class_is_the_one_asked_for(weighted):
    y, predicted, scores, weight = example("binary")
    w = weight if weighted else None
    found = evaluate("binary", y, predicted, scores, w, positive=0)
    for name, value in found.items():
        other = name in ("log_loss", "accuracy", "balanced_accuracy")
        args = (y, predicted, scores) if other else (1 - y, 1 - predicted, 1 - scores)
        assert_allclose(value, PEERS[name](*args, w), rtol=1e-12)
    assert found["f1"] != evaluate("binary", y, predicted, scores, w)["f1"]


def test_scores_near_zero_are_no_ties_for_the_other_class():
    y, scores = np.array([0, 1, 0, 1]), np.array([1e-20, 2e-20, 3e-20, 4e-20])
    one, zero = (evaluate("binary", y, y, scores, names=["auc"], positive=k)["auc"] for k in (1, 0))
    assert one == zero == 3 / 4


@pytest.mark.parametrize("task, positive", [("multiclass", 0), ("binary", 2), ("multilabel", 0)])
def test_another_positive_class_is_refused(task, positive):
    with pytest.raises(ConfigError, match=f"positive is {positive} but must be 0 or 1"):
        evaluate(task, *example(task), positive=positive)


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


def average(y):
    return "binary" if y.ndim == 1 and set(np.unique(y)) == {0, 1} else "macro"


# What scikit-learn calls it: (y, predicted, scores, weight) -> float.
PEERS = {
    "accuracy": lambda y, p, s, w: sk.accuracy_score(y, p, sample_weight=w),
    "balanced_accuracy": lambda y, p, s, w: sk.balanced_accuracy_score(y, p, sample_weight=w),
    "precision": lambda y, p, s, w: sk.precision_score(y, p, average=average(y), sample_weight=w),
    "recall": lambda y, p, s, w: sk.recall_score(y, p, average=average(y), sample_weight=w),
    "f1": lambda y, p, s, w: sk.f1_score(y, p, average=average(y), sample_weight=w),
    "average_precision": lambda y, p, s, w: sk.average_precision_score(y, s, sample_weight=w),
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
@pytest.mark.parametrize(
    "task, name", [(t, name) for name, m in METRICS.items() for t in m.tasks if t in TASKS]
)
def test_agrees_with_scikit_learn(task, name, weighted):
    y, predicted, scores, weight = example(task)
    w = weight if weighted else None
    got = METRICS[name](task, y, predicted, scores, w)
    assert isinstance(got, float)
    assert_allclose(got, PEERS[name](y, predicted, scores, w), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss, power", [(Poisson(), 1), (Tweedie(1.3), 1.3), (Gamma(), 2)])
def test_the_deviance_agrees_with_scikit_learn(loss, power, weighted):
    rng = np.random.default_rng(3)
    y, predicted = rng.gamma(2.0, size=50), np.exp(rng.normal(size=50))
    y[:20] *= power == 2  # of the others some are 0
    w = rng.uniform(0, 2, 50) if weighted else None
    found = evaluate("regression", y, predicted, weight=w, names=["deviance", "d2"], loss=loss)
    about = {"power": power, "sample_weight": w}
    assert_allclose(found["deviance"], sk.mean_tweedie_deviance(y, predicted, **about), rtol=1e-12)
    assert_allclose(found["d2"], sk.d2_tweedie_score(y, predicted, **about), rtol=1e-12)
    two = evaluate(
        "regression", *(np.stack([a, b], 1) for a, b in ((y, y), (predicted, predicted + 1))), loss=loss
    )
    each = [evaluate("regression", y, predicted + more, loss=loss)["d2"] for more in (0, 1)]
    assert_allclose(two["d2"], np.mean(each), rtol=1e-12)


def test_the_error_in_ranks_by_hand():
    y, predicted, w = np.array([0, 3, 1]), np.array([2, 3, 0]), np.array([1.0, 2.0, 1.0])
    found = evaluate("multiclass", y, predicted, names=["rank_error"], loss=OrdinalCrossEntropy())
    assert found["rank_error"] == 1  # (2 + 0 + 1) / 3
    found = evaluate("multiclass", y, predicted, None, w, ["rank_error"], loss=OrdinalCrossEntropy())
    assert found["rank_error"] == 0.75
    with pytest.raises(ConfigError, match="'rank_error' is not a metric for multiclass"):
        evaluate("multiclass", y, predicted, names=["rank_error"])


def test_the_deviance_by_hand():
    # of Gamma 2 (y / m - 1 - log(y / m)): 2 (1 - log 2) and 2 (1/2 - 1 + log 2), whose mean is 1/2
    y, predicted = np.array([2.0, 2.0]), np.array([1.0, 4.0])
    assert_allclose(evaluate("regression", y, predicted, names=["deviance"], loss=Gamma())["deviance"], 0.5)
    assert evaluate("regression", y, y, loss=Gamma())["d2"] == 1  # a constant
    assert evaluate("regression", y, predicted, loss=Gamma())["d2"] == 0
    assert np.isnan(evaluate("regression", y[:1], y[:1], loss=Gamma())["d2"])
    with pytest.raises(
        ConfigError, match="'d2' is not a metric for regression; choose from mse, rmse, mae, r2"
    ):
        evaluate("regression", y, predicted, names=["d2"])


def odd(
    task: str, r: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """y, predicted, scores, weight: few samples, ties, classes that do not occur, constant y, weights of 0, float32."""
    n, K, dtype = int(r.integers(2, 12)), int(r.integers(2, 5)), r.choice([np.float32, np.float64])
    weights = (None, r.uniform(0.1, 2, n), r.integers(0, 3, n), r.integers(0, 2, n) * r.uniform(0.1, 2, n))
    weight = weights[r.integers(len(weights))]
    if weight is not None and not weight.any():
        weight[0] = 1
    if task == "regression":
        y = r.normal(size=(n, 2))
        y[:, 0] *= r.integers(2)  # an output that does not vary; the mean of zeros has no rounding
        return y, y + r.integers(-1, 2, (n, 2)) * r.normal(size=(n, 2)), None, weight
    shares = r.integers(0, r.choice([3, 1000]), (n, K)) + 0.0
    y = r.integers(0, r.choice([1, 2]), (n, K))
    if task == "multilabel":
        scores = (shares / (shares.max() or 1)).astype(dtype)
        return y, (scores > 0.5).astype(int), scores, weight
    if task == "binary":
        scores = (shares[:, 0] / (shares.max() or 1)).astype(dtype)
        return y[:, 0], (scores > 0.5).astype(int), scores, weight
    shares[np.arange(n), r.integers(0, K, n)] += 1
    scores = (shares / shares.sum(1, keepdims=True)).astype(dtype)
    return r.integers(0, r.integers(1, K + 1), n), scores.argmax(1), scores, weight


def area(y, s, w):
    """Of scikit-learn, where both classes count; NaN where they do not."""
    counted = y if w is None else y[w > 0]
    return sk.roc_auc_score(y, s, sample_weight=w) if len(set(counted.tolist())) == 2 else math.nan


def mean_of_defined(values):
    defined = [value for value in values if not math.isnan(value)]
    return np.mean(defined) if defined else math.nan


def steps(y, s, w):
    """The average precision of scikit-learn, where class 1 counts; NaN where it does not."""
    counted = y if w is None else y[w > 0]
    return sk.average_precision_score(y, s, sample_weight=w) if counted.any() else math.nan


# As PEERS, where scikit-learn has to be asked label by label or told what may occur.
ODD_PEERS = PEERS | {
    ("binary", "f1"): lambda y, p, s, w: sk.f1_score(y, p, sample_weight=w, zero_division=0),
    "f1": lambda y, p, s, w: sk.f1_score(y, p, average="macro", sample_weight=w, zero_division=0),
    **{
        key: lambda y, p, s, w, score=score, how=how: score(
            y, p, average=how, sample_weight=w, zero_division=0
        )
        for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score))
        for key, how in ((("binary", name), "binary"), (name, "macro"))
    },
    ("binary", "average_precision"): lambda y, p, s, w: steps(y, s, w),
    ("multiclass", "average_precision"): lambda y, p, s, w: mean_of_defined(
        [steps((y == k).astype(int), s[:, k], w) for k in range(s.shape[1])]
    ),
    "average_precision": lambda y, p, s, w: mean_of_defined(
        [steps(y[:, k], s[:, k], w) for k in range(y.shape[1])]
    ),
    ("binary", "auc"): lambda y, p, s, w: area(y, s, w),
    ("multiclass", "auc"): lambda y, p, s, w: mean_of_defined(
        [area((y == k).astype(int), s[:, k], w) for k in range(s.shape[1])]
    ),
    "auc": lambda y, p, s, w: mean_of_defined([area(y[:, k], s[:, k], w) for k in range(y.shape[1])]),
    ("binary", "log_loss"): lambda y, p, s, w: sk.log_loss(y, s, sample_weight=w, labels=[0, 1]),
    ("multiclass", "log_loss"): lambda y, p, s, w: sk.log_loss(
        y, s, sample_weight=w, labels=np.arange(s.shape[1])
    ),
    "log_loss": lambda y, p, s, w: np.mean(
        [sk.log_loss(y[:, k], s[:, k], sample_weight=w, labels=[0, 1]) for k in range(y.shape[1])]
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "task, name", [(t, name) for name, m in METRICS.items() for t in m.tasks if t in TASKS]
)
@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(15), id="some"),
        pytest.param(range(15, 60), id="more", marks=pytest.mark.slow),
    ],
)
def test_agrees_with_scikit_learn_on_odd_samples(task, name, seeds):
    peer = ODD_PEERS.get((task, name), ODD_PEERS[name])
    for seed in seeds:
        y, predicted, scores, weight = odd(task, np.random.default_rng(seed))
        got = METRICS[name](task, y, predicted, scores, weight)
        single = name == "log_loss" and scores.dtype == np.float32  # added up in the scores' own precision
        expected = peer(y, predicted, scores, weight)
        assert_allclose(got, expected, rtol=1e-6 if single else 1e-12, atol=1e-15, err_msg=str(seed))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", range(20))
def test_the_confusion_matrix_is_scikit_learns(seed):
    y, predicted, scores, weight = odd("multiclass", np.random.default_rng(seed))
    K = scores.shape[1]
    expected = sk.confusion_matrix(y, predicted, labels=np.arange(K), sample_weight=weight)
    assert_allclose(metrics.confusion_matrix(y, predicted, K, weight), expected, rtol=1e-13)


def test_the_confusion_matrix_counts_beyond_the_weights_type():
    y = np.ones(300, int)
    assert metrics.confusion_matrix(y, y, 2, np.ones(300, np.int8))[1, 1] == 300
    assert metrics.confusion_matrix(y, y, 2, y > 0)[1, 1] == 300


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_gives_the_metrics_of_the_task(task):
    names = ["mse", "rmse", "mae", "r2"]
    if task != "regression":
        names = ["accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "average_precision"]
        names = [name for name in names if task != "multilabel" or name != "balanced_accuracy"] + ["log_loss"]
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


@pytest.mark.parametrize(
    "weight", [None, np.array([0.1, 0.7, 1.1, 0.2, 1.9, 0.3, 0.9]), np.r_[0.0, np.ones(6)]]
)
def test_r2_of_an_output_that_does_not_vary_is_no_quotient_of_rounding(weight):
    y = np.full((7, 1), 0.1)  # whose mean is off by a rounding
    if weight is not None and weight[0] == 0:
        y[0] = 5.0  # what weighs nothing does not vary
    assert metrics.r2(y, y + 1, weight) == 0
    assert metrics.r2(y, y, weight) == 1


def test_log_loss_of_float32_probabilities_that_touch_zero_is_finite():
    scores = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    assert 10 < metrics.log_loss(np.array([0, 2]), scores) * 2 < 40


def test_what_cannot_be_is_refused():
    y, predicted, scores, _ = example("binary")
    with pytest.raises(
        ConfigError, match="'mse' is not a metric for binary; choose from accuracy, balanced_accuracy"
    ):
        evaluate("binary", y, predicted, scores, names=["mse"])
    with pytest.raises(ConfigError, match="task is 'clustering'"):
        evaluate("clustering", y, predicted, scores)
    with pytest.raises(ConfigError, match="auc needs scores"):
        evaluate("binary", y, predicted, names=["auc"])
    with pytest.raises(ShapeError, match=r"predicted has shape \(60, 1\) but y \(60,\)"):
        evaluate("binary", y, predicted[:, None], names=["accuracy"])


def test_none_of_them_imports_scikit_learn():
    code = (
        "import sys, numpy as np; from chainrule.formulas import metrics as m; y = np.ones((3, 1), int);"
        "[m.evaluate(t, *(a[:, 0] if t == 'binary' else a for a in (y, y, y / 2))) for t in"
        " ('regression', 'binary', 'multilabel')]; m.evaluate('multiclass', y[:, 0], y[:, 0], np.eye(3));"
        "m.confusion_matrix(y[:, 0], y[:, 0], 2); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
