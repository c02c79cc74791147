"""The estimator in a model's file; and the average of preset="best", which predicts in place of a run's model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators import MLPClassifier, MLPRanker, MLPRegressor, MLPSurvival
from chainrule.formulas.losses import LogLink
from chainrule.model import load_any
from chainrule.race.files import KEY
from chainrule.tables.rows import rows_of

AnyEstimator: TypeAlias = MLPClassifier | MLPRegressor | MLPSurvival
TINY = 1e-300
"""The smallest probability, or mean of amounts, whose logarithm is computed; smaller ones are replaced by it."""


def in_file(metadata: Mapping[str, Any], path: str | os.PathLike[str]) -> AnyEstimator | None:
    """Return the estimator of a file that answers in place of its model: an average, or times; None for any other."""
    made = estimator_of(metadata, path)
    return made if KEY in metadata or isinstance(made, MLPSurvival) else None


def estimator_in(path: str | os.PathLike[str]) -> AnyEstimator | None:
    """Return the estimator in a model's file; None for a file without one."""
    return estimator_of(load_any(path)[1], path)


def estimator_of(metadata: Mapping[str, Any], path: str | os.PathLike[str]) -> AnyEstimator | None:
    """Return the estimator in a file with this metadata, of the class that it names; None for a file without one."""
    if "estimator" not in metadata:
        return None
    kinds: dict[str, type[AnyEstimator]] = {
        each.__name__: each for each in (MLPClassifier, MLPRanker, MLPSurvival)
    }
    return kinds.get(metadata["estimator"]["class"], MLPRegressor).load(path)


def outputs(
    estimator: MLPClassifier | MLPRegressor, columns: Mapping[str, Any], precision: str | None = None
) -> NDArray[np.float64]:
    """Return the average for a table in the form of the outputs of the estimator's `model_`: (n, fan_out).

    For classes these are log p, and log(p / (1 - p)) for a single output, for amounts the logarithm of the mean, with
    probabilities and means of at least TINY.
    """
    model = estimator.model_
    if model.task == "regression":
        out = np.asarray(estimator.predict(columns, precision=precision), np.float64)
        out = out.reshape(len(out), -1)
        if isinstance(model.network.loss.of_member, LogLink):
            out = np.log(np.maximum(out, TINY))
    else:
        shares = np.asarray(estimator.predict_proba(columns, precision=precision), np.float64)
        logs = np.log(np.maximum(shares, TINY))
        out = logs[:, 1:] - logs[:, :1] if model.task == "binary" else logs
    return np.tile(out, model.network.fan_out // out.shape[1])  # if a network itself has members


def outputs_of_rows(
    estimator: MLPClassifier | MLPRegressor,
    columns: Mapping[str, Any],
    target: str,
    rows: NDArray[np.int64],
    precision: str | None = None,
) -> NDArray[np.float64]:
    """Return `outputs` for some rows of a table that also has the target."""
    some = rows_of({name: v for name, v in columns.items() if name != target}, rows)
    return outputs(estimator, some, precision)
