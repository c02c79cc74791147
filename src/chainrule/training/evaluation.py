"""The loss and the metrics of a network on samples it is not being trained on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples, one_hot
from chainrule.engines import Engine
from chainrule.errors import DataError
from chainrule.formulas import metrics
from chainrule.formulas.losses import Loss
from chainrule.network.network import Network

BATCH = 1024
"""Samples a walk outside training: large enough for the arithmetic, small enough for the cache."""


def task_of(loss: Loss, outputs: int) -> str:
    """What a network is for: regression, binary, multiclass or multilabel."""
    if loss.targets == "classes":
        return "multiclass"
    if loss.targets == "binary":
        return "binary" if outputs == 1 else "multilabel"
    return "regression"


def decide(loss: Loss, out: NDArray[Any]) -> Any:
    """Predictions from outputs: class numbers (n,), 0 or 1 (n, labels), or numbers (n,) or (n, outputs)."""
    task = task_of(loss, out.shape[1])
    if task == "multiclass":
        return out.argmax(1)
    prediction = loss.predict(out)
    if task != "regression":
        prediction = (prediction > 0.5).astype(np.int64)
    return prediction[:, 0] if prediction.shape[1] == 1 else prediction


def true_labels(task: str, y: NDArray[Any]) -> NDArray[Any]:
    """What predictions are held against: class numbers (n,), 0 or 1 (n, labels), or numbers, as `decide` gives them.

    y: as in `Samples`; a row of probabilities stands for the likeliest class, a probability above 0.5 for 1.
    """
    if task == "multiclass":
        return y if y.ndim == 1 else y.argmax(1)
    y = y if task == "regression" else (y > 0.5).astype(np.int64)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def scores(loss: Loss, out: NDArray[Any]) -> Any:
    """Probabilities from outputs: (n, classes), (n,) of class 1 for two, (n, labels); numbers for regression."""
    probability = loss.predict(out)
    return probability[:, 0] if probability.shape[1] == 1 else probability


def probabilities(loss: Loss, out: NDArray[Any]) -> NDArray[Any]:
    """Probabilities from outputs: (n, classes), two columns for two; (n, labels). Raises DataError for regression."""
    if loss.targets not in ("classes", "binary"):
        raise DataError(f"{type(loss).__name__} is a regression loss: use predict.")
    probability = scores(loss, out)
    if task_of(loss, out.shape[1]) != "binary":
        return np.asarray(probability)
    return np.stack([1 - probability, probability], 1)


def evaluate(
    network: Network,
    engine: Engine,
    theta: NDArray[Any],
    states: dict[str, Any],
    samples: Samples,
    names: tuple[str, ...],
) -> dict[str, float]:
    """{"loss": ...} by the law, penalty and all, and each metric named; all NaN where an output is not finite."""
    out = engine.predict(network, theta, states, samples.X, BATCH)
    return evaluate_outputs(network, theta, out, samples, names)


def evaluate_outputs(
    network: Network,
    theta: NDArray[Any],
    out: NDArray[Any],
    samples: Samples,
    names: tuple[str, ...],
    positive: int | None = None,
) -> dict[str, float]:
    """The same from the outputs (n, outputs). A loss or metric that overflows is inf or NaN, without a warning.

    positive: of two classes the one that precision and its like are of, 1 for None. Two outputs of a multiclass loss
    are two classes where it is given, else averaged over.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _evaluate_outputs(network, theta, out, samples, names, positive)


def _evaluate_outputs(
    network: Network,
    theta: NDArray[Any],
    out: NDArray[Any],
    samples: Samples,
    names: tuple[str, ...],
    positive: int | None,
) -> dict[str, float]:
    if not np.isfinite(out).all():
        return dict.fromkeys(("loss", *names), math.nan)
    total = 0.0
    for start in range(0, samples.n, BATCH):
        rows = slice(start, start + BATCH)
        y = samples.y[rows]
        y = one_hot(y, samples.outputs, theta.dtype) if y.ndim == 1 else y.astype(theta.dtype)
        total += float(samples.weight[rows] @ network.loss.value(out[rows], y))
    loss = total / float(samples.weight.sum()) + float(network.penalty(network.unflatten(theta)))
    task = task_of(network.loss, network.outputs)
    y, predicted, score = samples.y, out, scores(network.loss, out)
    if samples.scale is not None:  # metrics are in the targets' own units, unlike the loss
        y, predicted = samples.scale.restore(y), samples.scale.restore(out)
    y, predicted = true_labels(task, y), decide(network.loss, predicted)
    weight = None if (samples.weight == 1).all() else samples.weight
    if positive is not None and task == "multiclass":
        task, score = "binary", score[:, 1]
    found = metrics.evaluate(
        task, y, predicted, score, weight, names, positive=1 if positive is None else positive
    )
    return {"loss": loss} | found
