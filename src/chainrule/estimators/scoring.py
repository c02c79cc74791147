"""The score of an epoch that early stopping watches."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from chainrule.data.samples import Samples
from chainrule.errors import ConfigError
from chainrule.estimators import preprocessing
from chainrule.training.run import Run


def score(estimator: Any, scoring: Any, validation: Samples, y: Any, run: Run) -> float:
    """Return the score of an estimator's model as a run has trained it by now; higher is better, NaN where it has none.

    scoring: "loss" for the validation loss, a scorer or its name, or None for the estimator's own score.
    validation: the samples that it is scored on.  y: their targets as the user gave them.
    A scorer's name takes the second of two labels for the positive class, unless there is a 1, which scikit-learn does.
    Raises ConfigError where it cannot score such targets.
    """
    model = estimator.model_
    model.states = run.states
    if scoring == "loss":
        return -float(run.logs["val_loss"])
    if scoring is None:
        out, scale = estimator._outputs(validation.X), validation.scale
        if scale is not None and scale.clamps:
            out = scale.standardize(scale.clamp(scale.restore(out)))
        return float("nan") if not np.isfinite(out).all() else estimator._score(out, validation)
    from sklearn.metrics import check_scoring

    with warnings.catch_warnings():  # arrays are scored, and the names of columns are known to match
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        inner = preprocessing.without_table(estimator)
        if not isinstance(scoring, str):
            return float(check_scoring(inner, scoring)(inner, validation.X, y))
        inner, y = with_positive(inner, y)
        scorer = check_scoring(inner, scoring)
        try:
            return float(scorer(inner, validation.X, y))
        except ValueError as error:
            said = f"{error}".partition("\n")[0].rstrip(".")
            raise ConfigError(
                f"scoring={scoring!r} cannot score these targets ({said}); name another, as 'f1_macro' or "
                "'roc_auc_ovr' for more than two classes, or pass a function."
            ) from error


def with_positive(estimator: Any, y: Any) -> tuple[Any, Any]:
    """Return an estimator and its targets y with the labels 0 and 1 in place of two of which none is 1."""
    labels = getattr(estimator, "_labels", None)
    if labels is None or labels.kind != "binary" or len(labels.classes) != 2 or 1 in labels.classes.tolist():
        return estimator, y
    made = copy.copy(estimator)
    made.classes_ = np.arange(2)
    made._labels = labels._replace(classes=made.classes_)
    return made, (np.asarray(y) == labels.classes[1]).astype(np.int64)
