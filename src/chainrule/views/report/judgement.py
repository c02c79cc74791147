"""What a report says about a model's answers: who was right, how sure it was, where it was most wrong."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.data.checks import check_samples
from chainrule.model import Model
from chainrule.network.answers import true_labels

WORST = 24
"""Mistakes that are shown."""


@records.kind("judgement", rows="samples", also=("n",))
class Judgement(NamedTuple):
    """A model's answers to n samples."""

    task: str
    metrics: dict[str, float]
    labels: list[str]
    y: NDArray[Any]  # (n,) class numbers, (n, labels) 0 or 1, (n, outputs) numbers
    predicted: NDArray[Any]  # the shape of y
    shares: NDArray[Any] | None  # (n, classes) or (n, labels) probabilities; None for numbers
    worst: NDArray[np.int64]  # rows of the worst mistakes, the worst first

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.y)

    def to_data(self, n: int | None = 32) -> dict[str, Any]:
        """Return the metrics and the first n answers as JSON-safe data, None for all of them."""
        return records.to_data(self, n)


def judge(model: Model, X: Any, y: Any, metrics: dict[str, float] | None = None) -> Judgement:
    """Predict, compare, find the worst: the least probability of the truth, or the greatest squared error."""
    metrics = model.evaluate(X, y) if metrics is None else metrics
    samples, _ = check_samples(model.network, X, y, classes=model.classes, features=model.feature_names)
    truth: NDArray[Any] = samples.y
    outputs = max(model.network.outputs, 2)
    labels = [str(label) for label in (range(outputs) if model.classes is None else model.classes.tolist())]
    if model.task == "regression":
        numbers = np.asarray(model.predict(X)).reshape(truth.shape)  # (n, outputs)
        wrong = np.square(numbers - truth).sum(1)  # (n,)
        return Judgement(
            "regression", metrics, labels, truth, numbers, None, (-wrong).argsort(kind="stable")[:WORST]
        )
    shares = model.predict_proba(X)
    truth = true_labels(model.task, truth)
    if model.task == "multilabel":
        chosen = (shares > 0.5).astype(np.int64)
        of_truth = np.where(truth == 1, shares, 1 - shares).min(
            1
        )  # (n,) of the label it was most wrong about
        missed = (chosen != truth).any(1)
    else:
        chosen = shares.argmax(1)
        of_truth = shares[np.arange(len(truth)), truth]  # (n,)
        missed = chosen != truth
    rows = np.flatnonzero(missed)
    worst = rows[of_truth[rows].argsort(kind="stable")][:WORST]
    return Judgement(model.task, metrics, labels, truth, chosen, shares, worst)
