"""The model of a run on a table as the estimator in its file: `MLPClassifier` or `MLPRegressor`.

So the file of a run equals that of an estimator with `preprocess`: each can be read by the other's `load`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.architecture import ACTIVATION_NAMES, alpha_of
from chainrule.estimators.fit.result import FitResult, Records
from chainrule.estimators.held import HoldsResult, as_fitted
from chainrule.estimators.labels import Labels
from chainrule.estimators.numbers import NumericTargets
from chainrule.formulas.layers import Activation
from chainrule.formulas.optimizers import Adam, Solver
from chainrule.recipe.by_model import ByModel
from chainrule.recipe.prepare import TrainedRun
from chainrule.recipe.settings import Settings


def estimator(run: TrainedRun) -> HoldsResult:
    """Return an estimator as if its fit were the run, as far as its parameters can express that.

    run: on a table, trained.  The blocks of a residual network are in its model, and `residual` is False.
    """
    table, model, settings = run.data.table, run.model, run.settings
    assert table is not None
    kind = MLPRegressor if table.target.is_number else MLPClassifier
    losses = [record["loss"] for record in run.history]
    records = Records(
        len(run.history),
        len(run.history) * run.parts.train.n,
        losses[-1] if losses else None,
        losses,
        [record["val_loss"] for record in run.history if "val_loss" in record],
        best_loss=min(losses) if losses else None,
    )
    chosen, targets = parameters(settings, run), targets_of(run)
    result = FitResult(
        model, targets, group_sizes(run), len(settings.hidden or ()) + 2, table.preprocessor, records
    )
    return as_fitted(kind(**chosen), result)


def targets_of(run: TrainedRun) -> Labels | NumericTargets:
    """Return the kind of target of a run on a table."""
    model = run.model
    if model.task == "regression":
        return NumericTargets(model.network.outputs, model.network.loss)
    assert model.classes is not None
    return Labels(model.classes, "binary" if model.network.outputs == 1 else "multiclass")


def parameters(settings: Settings, run: TrainedRun) -> dict[str, Any]:
    """Return the estimator's parameters that correspond to the settings of a run. settings: resolved."""
    known, table = settings.activation in ACTIVATION_NAMES, run.data.table
    training = run.run.training
    assert isinstance(training, ByModel)
    is_solver, batch = isinstance(training.optimizer, Solver), settings.batch_size or run.parts.train.n
    assert table is not None
    found: dict[str, Any] = {
        "hidden_layer_sizes": tuple(settings.hidden or ()),
        "activation": settings.activation if known else "relu",
        "alpha": alpha_of(settings.l2, run.parts.train.n if is_solver else batch),
        "batch_size": settings.batch_size,
        "max_iter": settings.epochs,
        "random_state": settings.seed,
        "early_stopping": settings.patience is not None,
        "dropout": settings.dropout,
        "batch_norm": settings.batch_norm,
        "dtype": settings.dtype,
        "preprocess": clone(table.preprocessor),  # "auto" would train another network
    }
    if settings.lr is not None:
        found["learning_rate_init"] = settings.lr
    if settings.patience is not None:
        found |= {"n_iter_no_change": settings.patience, "validation_fraction": settings.validation_fraction}
    if settings.clip_norm is not None:
        found["clip_norm"] = settings.clip_norm
    if training.optimizer is not None and type(training.optimizer) is not Adam:
        found["optimizer"] = training.optimizer
    if training.schedule is not None and settings.schedule != "constant":
        found["schedule"] = settings.schedule
    if run.model.task != "regression":  # its loss follows from the labels
        found["label_smoothing"] = settings.label_smoothing
    elif settings.loss != "mean_squared_error":
        found["loss"] = run.model.network.loss
    return found


def group_sizes(run: TrainedRun) -> tuple[int, ...]:
    """Return the number of layers of each hidden layer's group, up to its activation and dropout."""
    layers = run.model.network.layers
    ends = [i for i, layer in enumerate(layers) if isinstance(layer, Activation)][
        : len(run.settings.hidden or ())
    ]
    ends = [end + 2 if run.settings.dropout else end + 1 for end in ends]
    return tuple(np.diff([0, *ends]).tolist())
