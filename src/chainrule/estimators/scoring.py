"""The score of an epoch that early stopping watches."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from chainrule.data.samples import Samples
from chainrule.estimators import preprocessing
from chainrule.training.run import Run


def score(estimator: Any, scoring: Any, validation: Samples, y: Any, run: Run) -> float:
    """Return the score of an estimator's model as a run has trained it by now; higher is better, NaN where it has none.

    scoring: "loss" for the validation loss, a scorer or its name, or None for the estimator's own score.
    validation: the samples that it is scored on.  y: their targets as the user gave them.
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
        return float(check_scoring(inner, scoring)(inner, validation.X, y))
