"""Evaluate a model on some samples: its metrics, its predictions, its worst mistakes, and whether another is worse."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec, records
from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, option
from chainrule.formulas.losses import Loss
from chainrule.formulas.metrics import METRICS, confusion_matrix, evaluate
from chainrule.network.answers import decide, probabilities, true_labels
from chainrule.trained.prediction import PredictionMixin

if TYPE_CHECKING:
    from chainrule.estimators import MLPSurvival
    from chainrule.trust.decisions import Decision

WORST = 24
"""The maximum number of mistakes that are kept."""


@records.kind("judgement", rows="samples", also=("n",))
class Judgement(NamedTuple):
    """A model's answers to n samples."""

    part: str
    """the part of the samples: test, validation, train"""
    task: str
    metrics: dict[str, float]
    classes: list[Any]
    """as in the data"""
    y: NDArray[Any]  # (n,) class numbers, (n, labels) 0 or 1, (n, outputs) numbers
    predicted: NDArray[Any]  # the shape of y
    shares: NDArray[Any] | None  # (n, classes) or (n, labels) probabilities; None for numbers
    worst: NDArray[np.int64]  # rows of the worst mistakes, the worst first
    positive: Any = None
    """of two classes, the positive one for precision, recall, F1, AUC and average precision"""
    decision: Decision | None = None
    """how labels were chosen; None for the likeliest class"""

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.y)

    @property
    def labels(self) -> list[str]:
        """The name of each class."""
        return [str(label) for label in self.classes]

    @property
    def matrix(self) -> NDArray[np.int64] | None:
        """The confusion matrix (classes, classes), rows true; None if a sample has no single label."""
        if self.task not in ("binary", "multiclass"):
            return None
        return confusion_matrix(self.y, self.predicted, len(self.classes))

    def to_data(self, n: int | None = 32) -> dict[str, Any]:
        """Return the metrics and the first n answers as JSON-safe data; all of them for None."""
        return records.to_data(self, n)

    def to_json(self) -> dict[str, Any]:
        """Return the metrics, and the confusion matrix if there is one, as in metrics.json."""
        found = {"part": self.part, "samples": self.n, "metrics": self.metrics}
        found |= {} if self.positive is None else {"positive": self.positive}
        found |= {} if self.decision is None else {"decision": codec.write(self.decision)}
        if (matrix := self.matrix) is not None:
            found |= {"classes": self.classes, "confusion_matrix": matrix.tolist()}
        return dict(records.plain(found))


def judge_times(
    estimator: MLPSurvival, X: object, y: NDArray[np.float64], part: str, precision: str | None = None
) -> Judgement:
    """Return how good the curves of rows with times and events (n, 2) are. part, precision: as in `judge`."""
    metrics, medians = (
        estimator.evaluate(X, y, precision=precision),
        estimator.predict(X, precision=precision),
    )
    return Judgement(part, "survival", metrics, [], y, medians, None, np.empty(0, np.int64))


def judge(
    model: PredictionMixin,
    samples: Samples,
    *,
    part: str = "given",
    positive: object = None,
    engine: str = "auto",
    precision: str | None = None,
    outputs: NDArray[Any] | None = None,
    metrics: dict[str, float] | None = None,
    decision: Decision | None = None,
) -> Judgement:
    """Compare the predictions of a model for n samples with their targets, and find the worst mistakes.

    The worst mistakes have the smallest probability of the true class, or the largest squared error.
    samples: from `Model.check_samples`; their values are not checked again.  part: their name, such as test.
    positive: of two classes the positive one for precision, recall and so on, by default the one that sorts last.
    engine, precision: as in `Model.outputs`.
    outputs: (n, outputs) in the form of `Model.outputs` that others than the model give, such as an average; they are
    not clipped to the range of its targets. Computed by the model if not given.  metrics: likewise.
    decision: how labels are chosen of probabilities; None for the likeliest.
    """
    out = model.outputs(samples, engine=engine, precision=precision) if outputs is None else outputs
    if outputs is not None and (scale := model.target_scale) is not None:
        model = copy.copy(model)
        model.target_scale = scale._replace(low=None, high=None)
        samples = samples.scaled(model.target_scale)._replace(scale=model.target_scale)
    if metrics is None:
        metrics = model.evaluate(samples, outputs=out, positive=positive)
    classes = model.labels
    if positive is None and model.task == "binary":
        positive = classes[1]
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # outputs that overflow have no worst, but no warning either
        found = _judgement(model, samples, out, part, metrics, classes, positive)
    return (
        found
        if decision is None or found.shares is None
        else decided(found, samples.weight, decision, model.network.loss)
    )


def decided(found: Judgement, weight: NDArray[np.float64], decision: Decision, loss: Loss) -> Judgement:
    """Return a judgement of the labels that a decision chooses in place of the likeliest.

    weight: of the samples.  loss: of the model.
    """
    assert found.shares is not None, "a decision is of classes"
    said = decision.chosen(found.shares[:, 1:] if len(found.classes) == 2 else found.shares)
    names = [name for name in found.metrics if name in METRICS and METRICS[name].reads == "predicted"]
    of_labels = evaluate(
        found.task,
        found.y,
        said,
        None,
        None if (weight == 1).all() else weight,
        names,
        positive=found.classes.index(found.positive) if found.task == "binary" else 1,
        loss=loss,
    )
    rows = np.flatnonzero(said != found.y)
    worst = rows[found.shares[rows, found.y[rows]].argsort(kind="stable")][:WORST]
    return found._replace(metrics=found.metrics | of_labels, predicted=said, worst=worst, decision=decision)


def _judgement(
    model: PredictionMixin,
    samples: Samples,
    out: NDArray[Any],
    part: str,
    metrics: dict[str, float],
    classes: list[Any],
    positive: object,
) -> Judgement:
    loss, y = model.network.loss, samples.y
    if model.task == "regression":
        if (scale := samples.scale) is not None:
            y, out = scale.restore(y), scale.clamp(out)
        said = np.asarray(decide(loss, out)).reshape(y.shape)  # (n, outputs)
        worst = (-np.square(said - y).sum(1)).argsort(kind="stable")[:WORST]
        return Judgement(part, model.task, metrics, classes, y, said, None, worst)
    y, said, shares = true_labels(model.task, y), decide(loss, out), probabilities(loss, out)
    if model.task == "multilabel":
        y, said = y.reshape(shares.shape), said.reshape(shares.shape)
        of_truth = np.where(y == 1, shares, 1 - shares).min(1)  # (n,) for the label with the largest error
        missed = (said != y).any(1)
    else:
        of_truth = shares[np.arange(len(y)), y]  # (n,)
        missed = said != y
    rows = np.flatnonzero(missed)
    worst = rows[of_truth[rows].argsort(kind="stable")][:WORST]
    return Judgement(part, model.task, metrics, classes, y, said, shares, worst, positive)


def positive_class(text: str, classes: list[Any]) -> Any:
    """Return the one of two classes with this label. classes: empty if samples do not have a single label."""
    if len(classes) != 2:
        raise ConfigError(f"{option('positive')} is for two classes; omit it.")
    for label in classes:
        if text == str(label):
            return label
    raise ConfigError(f"{option('positive')} must be {classes[0]} or {classes[1]}, not {text!r}.")


def positive_of(model: PredictionMixin, text: str | None) -> Any:
    """Return the label of a model's two classes that a text names; None for None."""
    if text is None:
        return None
    return positive_class(text, model.labels if model.task in ("binary", "multiclass") else [])
