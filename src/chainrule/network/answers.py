"""The meaning of a network's output: its task, its predictions, and its probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError
from chainrule.formulas.losses import Loss


def task_of(loss: Loss, outputs: int) -> str:
    """Return the task of a network: "regression", "binary", "multiclass" or "multilabel"."""
    if loss.targets == "classes":
        return "multiclass"
    if loss.targets == "binary":
        return "binary" if outputs == 1 else "multilabel"
    return "regression"


def likeliest(loss: Loss, out: NDArray[Any]) -> NDArray[np.int64]:
    """Return the likeliest class (n,): of the largest output, or of the largest probability if that may be another."""
    classes: NDArray[np.int64] = (out if loss.keeps_order else loss.predict(out)).argmax(1)
    return classes


def decide(loss: Loss, out: NDArray[Any]) -> Any:
    """Compute predictions from outputs: class indices (n,), 0 or 1 (n, labels), or numbers (n,) or (n, outputs)."""
    task = task_of(loss, out.shape[1] // loss.members)
    if task == "multiclass":
        return likeliest(loss, out)
    prediction = loss.predict(out)
    if task != "regression":
        prediction = (prediction > 0.5).astype(np.int64)
    return prediction[:, 0] if prediction.shape[1] == 1 else prediction


def true_labels(task: str, y: NDArray[Any]) -> NDArray[Any]:
    """Convert targets to the form of `decide`: class indices, 0 or 1, or numbers.

    y: as in `Samples`; a row of probabilities becomes the most likely class, a probability above 0.5 becomes 1.
    """
    if task == "multiclass":
        return y if y.ndim == 1 else y.argmax(1)
    y = y if task == "regression" else (y > 0.5).astype(np.int64)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def scores(loss: Loss, out: NDArray[Any]) -> Any:
    """Compute probabilities: (n, classes), (n,) of class 1 if binary, (n, labels); numbers for regression."""
    probability = loss.predict(out)
    return probability[:, 0] if probability.shape[1] == 1 else probability


def probabilities(loss: Loss, out: NDArray[Any]) -> NDArray[Any]:
    """Compute probabilities (n, classes), two columns if binary; (n, labels). Raises DataError for regression."""
    if loss.targets not in ("classes", "binary"):
        raise DataError(
            f"{type(loss).__name__} is a regression loss, which has no probabilities; use predict."
        )
    probability = scores(loss, out)
    if task_of(loss, out.shape[1] // loss.members) != "binary":
        return np.asarray(probability)
    return np.stack([1 - probability, probability], 1)
