"""Make the unfitted estimator for the settings of a run: `MLPClassifier` or `MLPRegressor`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from sklearn.utils._param_validation import InvalidParameterError

from chainrule.core.arrays import distinct
from chainrule.data.checks import check_choice, check_seed
from chainrule.engines import ENGINES
from chainrule.errors import ConfigError, DataError, option
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.fit.loop import alpha_of
from chainrule.estimators.recipes import ADDITIVE, BEST, PRESETS
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import Solver
from chainrule.formulas.schedules import SCHEDULES
from chainrule.recipe import build
from chainrule.recipe.columns import TargetColumn, gap_of
from chainrule.recipe.judge import positive_class
from chainrule.recipe.messages import with_value
from chainrule.recipe.preset_choice import DIRECT, not_of_presets, without_optimizer
from chainrule.recipe.settings import Settings

CHOICES: dict[str, Any] = {
    "preset": {**PRESETS, ADDITIVE: None, BEST: None},
    "activation": {name: layer for name, layer in ACTIVATIONS.items() if name != "softmax"},
    "loss": LOSSES,
    "schedule": SCHEDULES,
    "engine": {"auto": None, **ENGINES},
}
"""The valid values of settings that are names."""


def plain(
    settings: Settings,
    target: TargetColumn,
    rows: int,
    rising: Mapping[str, int] | None = None,
) -> MLPClassifier | MLPRegressor:
    """Return the estimator of a plain network, with the parameters of the settings. rows: those that it is fitted to.

    settings: resolved, and checked for a network.  rising: the directions of columns, `monotonic_cst`.
    """
    optimizer, watches = build.optimizer(settings), settings.patience is not None
    held_out = math.ceil((settings.validation_fraction or 0.0) * rows) if watches else 0
    batch = min(settings.batch_size or rows, rows - held_out)
    parameters: dict[str, Any] = {
        parameter: value
        for name, parameter in DIRECT.items()
        if (value := getattr(settings, name)) is not None and name != "label_smoothing"
    }
    parameters |= {
        "activation": _activation(settings),
        "alpha": alpha_of(settings.l2, rows if isinstance(optimizer, Solver) else batch),
        "batch_size": batch,
        "dtype": settings.dtype,
        "early_stopping": watches,
        "optimizer": optimizer,
        "gap": gap_of(settings),
        "monotonic_cst": rising,
        "preprocess": TablePreprocessor(
            dtype=settings.dtype, out_of_range="keep" if settings.time is None else "clip"
        ),
        "random_state": settings.seed,
        "refit": False,
        "scoring": "loss" if watches else None,
        "tol": 0.0,
    }
    if target.is_number:
        return _valid(target, parameters | {"loss": build.make_loss(settings)})
    return _valid(target, parameters | {"label_smoothing": settings.label_smoothing})


def estimator(
    settings: Settings,
    target: TargetColumn,
    rising: Mapping[str, int] | None = None,
) -> MLPClassifier | MLPRegressor:
    """Return the estimator of a preset for a target, with the parameters of the settings.

    rising: the directions of columns, `monotonic_cst`.
    Raises ConfigError for unsupported settings.
    """
    check(settings)
    chosen = settings.given()
    parameters: dict[str, Any] = {DIRECT[name]: value for name, value in chosen.items() if name in DIRECT}
    if "activation" in chosen:
        parameters["activation"] = _activation(settings)
    if settings.loss is not None and target.is_number:
        parameters["loss"] = LOSSES[settings.loss]()
    elif settings.loss not in (None, "sigmoid_cross_entropy", "softmax_cross_entropy"):
        raise ConfigError(
            f"a preset does not support {with_value('loss', settings.loss)} for classes; omit it."
        )
    if not target.is_number and target.y.dtype.kind == "f":
        raise DataError(
            f"the column {target.name!r} has numbers that are not integers, and so are not classes; omit "
            f"{option('loss')}."
        )
    if target.is_number and settings.label_smoothing:
        raise ConfigError(f"regression does not support label smoothing; omit {option('label_smoothing')}.")
    if settings.positive is not None:
        positive_class(settings.positive, [] if target.is_number else distinct(target.y).tolist())
    if settings.preset == BEST and settings.members is not None:
        raise ConfigError(f"{with_value('preset', BEST)} is already an average; omit {option('members')}.")
    if settings.checkpoint_steps is not None and settings.members is not None and settings.preset != "tabm":
        raise ConfigError(
            f"an ensemble has a checkpoint after each epoch; omit {option('checkpoint_steps')}, or {option('members')}."
        )
    if settings.optimizer == "lbfgs" and (settings.members or 1) > 1:
        raise ConfigError(
            f"{option('members')} are trained in batches, and lbfgs has none; omit it, or name another "
            f"{option('optimizer')}."
        )
    if "optimizer" in chosen:
        parameters["optimizer"] = build.optimizer(settings)
    if rising is not None:
        parameters["monotonic_cst"] = rising
    if settings.gap is not None:
        parameters["gap"] = gap_of(settings)
    if settings.dtype != Settings().dtype:
        parameters["dtype"] = settings.dtype
    of_preset = {"preprocess": "auto", "preset": settings.preset, "random_state": settings.seed}
    return _valid(target, of_preset | parameters)


def _activation(settings: Settings) -> str:
    """Return an activation by the estimators' name."""
    return "logistic" if settings.activation == "sigmoid" else settings.activation


def _valid(target: TargetColumn, parameters: dict[str, Any]) -> MLPClassifier | MLPRegressor:
    """Return the estimator of a target. Raises ConfigError for parameters that it does not take."""
    made = MLPRegressor(**parameters) if target.is_number else MLPClassifier(**parameters)
    try:
        made._validate_params()
    except InvalidParameterError as error:
        raise ConfigError(_in_settings(f"{error}")) from None
    return made


def check(settings: Settings) -> None:
    """Check types and values. Raises ConfigError for an unknown preset, and for settings that none supports."""
    settings.check_types()
    check_seed(settings.seed)
    for name, known in CHOICES.items():
        if getattr(settings, name) is not None:
            check_choice(getattr(settings, name), known, name)
    for name in not_of_presets(settings):
        raise ConfigError(f"a preset does not support {option(name)}; omit it or {option('preset')}.")
    for name in without_optimizer(settings):
        raise ConfigError(
            f"{option(name)} would apply to the preset's own optimizer; also name one with "
            f"{option('optimizer')}, such as {with_value('optimizer', 'adamw')}, or omit it."
        )
    dataclasses.replace(settings, dropout=settings.dropout or 0.0).check_numbers()


def _in_settings(message: str) -> str:
    """Translate scikit-learn's message about a parameter to one about its setting."""
    found = re.search(r"'(\w+)'.*? must be (.+)", message, re.DOTALL)
    if found is None:  # worded differently by another release
        return message
    parameter, rest = found.groups()
    setting = next((name for name, known in DIRECT.items() if known == parameter), parameter)
    return f"{option(setting)} must be {' '.join(rest.split()).replace('. Got', ', not').replace(' instead', '')}"
