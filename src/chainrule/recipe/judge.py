"""How good a model is on some samples."""

from __future__ import annotations

from typing import Any, NamedTuple

from chainrule.core.records import plain
from chainrule.datasets import Dataset
from chainrule.errors import ConfigError
from chainrule.model import Model
from chainrule.recipe.naming import PYTHON, Names


class Verdict(NamedTuple):
    """What was found."""

    part: str
    """what the samples are: test, validation, train"""
    samples: int
    metrics: dict[str, float]
    matrix: Any
    """(classes, classes), or None where a sample has no single label"""
    classes: list[Any]
    """as the data have them"""
    positive: Any = None
    """of two classes, the one that precision, recall, F1, AUC and average precision are of"""

    @property
    def labels(self) -> list[str]:
        """What each class is called."""
        return [str(label) for label in self.classes]

    def to_json(self) -> dict[str, Any]:
        """As data."""
        found = {"part": self.part, "samples": self.samples, "metrics": self.metrics}
        found |= {} if self.positive is None else {"positive": self.positive}
        if self.matrix is not None:
            found |= {"classes": self.classes, "confusion_matrix": self.matrix.tolist()}
        return dict(plain(found))


def judge(
    model: Model,
    samples: Dataset,
    part: str,
    engine: str = "auto",
    positive: str | None = None,
    named: Names = PYTHON,
) -> Verdict:
    """Metrics, and the confusion matrix where there is one. positive: the text of a label of two."""
    X, y = samples.X, samples.y
    outputs = model.outputs(X, engine=engine)
    classes = class_labels(model)
    of = classes[1] if model.task == "binary" else None
    if positive is not None:
        of = positive_class(positive, classes if model.task in ("binary", "multiclass") else [], named)
    metrics = model.evaluate(X, y, outputs=outputs, positive=of)
    has_matrix = model.task in ("binary", "multiclass")
    matrix = model.confusion_matrix(X, y, outputs=outputs) if has_matrix else None
    return Verdict(part, len(samples), metrics, matrix, classes, of)


def positive_class(text: str, classes: list[Any], named: Names = PYTHON) -> Any:
    """The one of two classes whose label is the text. classes: none where samples have no single label."""
    if len(classes) != 2:
        raise ConfigError(f"{named('positive')} is for two classes; leave it out.")
    for label in classes:
        if text == str(label):
            return label
    raise ConfigError(f"{named('positive')} must be {classes[0]} or {classes[1]}, not {text!r}.")


def class_labels(model: Model) -> list[Any]:
    """Each class, or the number of each label of many: a number or text, as the data have it."""
    if model.classes is not None:
        return list(model.classes.tolist())
    return list(range(max(model.network.outputs, 2)))
