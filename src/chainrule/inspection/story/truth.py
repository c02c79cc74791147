"""Name the answers of a model, and validate the true answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.arrays import Array, TargetsLike
from chainrule.data.checks import as_array
from chainrule.errors import ConfigError, ShapeError
from chainrule.inspection.attribution.explained import Floats
from chainrule.inspection.story.facts import Answer
from chainrule.trained.trained import Trained


def label_names(model: Trained) -> list[str]:
    """Return the name of each answer."""
    if model.task == "regression":
        return [f"output {k}" for k in range(model.network.outputs)]
    return [str(label) for label in model.labels]


def check_truth(model: Trained, y: TargetsLike) -> Any:
    """Check y, and convert it for `Model.trace`: (1,) or (1, outputs). A label may be text, as on the command line."""
    if model.task in ("binary", "multiclass"):
        labels = label_names(model)
        known = model.labels
        value = np.ravel(as_array(y, "y"))
        if len(value) == 1:
            label = value[0].item() if isinstance(value[0], np.generic) else value[0]
            if label in known:  # True is 1
                return np.asarray([known[known.index(label)]])
            spelled = str(label)
            if spelled not in labels:
                some = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
                raise ConfigError(f"the truth {spelled!r} is not a class of the model; choose from {some}.")
            return np.asarray([known[labels.index(spelled)]])
    numbers = np.ravel(np.asarray(as_array(y, "y"), np.float64))
    if len(numbers) != model.network.outputs:
        raise ShapeError(
            f"the truth contains {len(numbers)} numbers for {model.network.outputs} outputs; give one per output."
        )
    return numbers[None]


def name_truth(model: Trained, truth: Array, labels: list[str]) -> str:
    """Return the true answer as text."""
    if model.task == "regression":
        return ", ".join(f"{v:.6g}" for v in np.ravel(truth))
    if model.task == "multilabel":
        return ", ".join(labels[k] for k in np.flatnonzero(np.ravel(truth) > 0.5)) or "none"
    return str(truth[0]) if np.size(truth) == 1 else labels[int(np.argmax(truth))]


def itself(model: Trained, found: tuple[Answer, ...], labels: list[str], out: Floats) -> Any:
    """Return the prediction in the form of a target."""
    if model.task == "regression":
        return model.network.loss.predict(out[None])
    if model.task == "multilabel":
        on = {answer.label for answer in found if answer.is_said}
        return np.asarray([[float(label in on) for label in labels]])
    return check_truth(model, next(answer.label for answer in found if answer.is_said))
