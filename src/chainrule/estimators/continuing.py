"""What a fit begins with: empty records, or those of the fit that it continues, whose network must be the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ConfigError, DataError
from chainrule.estimators.settings import FitSettings

ARCHITECTURE = (
    *("preprocess", "preset", "hidden_layer_sizes", "activation", "dropout", "batch_norm", "residual"),
    *("loss", "quantiles", "label_smoothing", "n_members"),
)
"""The parameters that say what the network is, and so cannot change while it is trained on."""


def begin_records(estimator: Any, first: bool) -> None:
    """Set what a fit records to nothing yet, or complete what an earlier fit left out."""
    estimator.n_iter_refit_, estimator._shortfall = 0, None
    if first:
        estimator.n_iter_, estimator.t_ = 0, 0
        estimator.validation_loss_curve_, estimator.loss_curve_ = [], []
    if not hasattr(estimator, "validation_loss_curve_"):
        estimator.validation_loss_curve_ = []


def begin_watching(estimator: Any, watches: bool, first: bool) -> None:
    """Set what training by batches counts to its start: on a first fit, or where another thing is watched now.

    watches: whether early stopping watches a score.
    """
    best = "best_validation_score_" if watches else "best_loss_"
    if not first and getattr(estimator, best, None) is not None:
        return
    estimator._no_improvement_count = 0
    estimator.validation_scores_ = [] if watches else None
    estimator.best_validation_score_ = -np.inf if watches else None
    estimator.best_loss_ = None if watches else np.inf


def check_unchanged(estimator: Any, settings: FitSettings, sizes: list[int], first: bool) -> None:
    """Note what the network is; in a later call check that it is still asked for. Raises ConfigError otherwise."""
    now = {name: repr(settings.values[name]) for name in ARCHITECTURE if name in settings.values}
    now["hidden_layer_sizes"] = repr(tuple(sizes))
    before = now if first else estimator.__dict__.get("_architecture", now)
    for name, value in now.items():
        if before[name] != value:
            raise ConfigError(
                f"{name} cannot change while a network is trained on: it was {before[name]} and is {value}; "
                "set it back, or fit with warm_start=False."
            )
    estimator._architecture = now


def check_outputs(estimator: Any, outputs: int) -> None:
    """Check that targets have the outputs of the network that is trained on. Raises DataError otherwise."""
    trained = estimator.model_.network.outputs
    if outputs != trained:
        raise DataError(
            f"y has {outputs} outputs but the network was trained on {trained}; pass the same columns."
        )


def check_pair(X_val: Any, y_val: Any) -> None:
    """Check that samples for validation have targets, and targets samples. Raises DataError otherwise."""
    if (X_val is None) != (y_val is None):
        raise DataError("X_val and y_val belong together; pass both, or neither.")


def check_weights(weight: Any) -> Any:
    """Return the weights (n,) of the samples, those of their classes included, if they can be used."""
    if (weight < 0).any():
        raise DataError(
            f"sample_weight and class_weight must be at least 0, not {weight.min():g}; leave a sample out by 0."
        )
    if not weight.any():
        raise DataError("sample_weight times class_weight is 0 for every sample; give one that counts.")
    return weight
