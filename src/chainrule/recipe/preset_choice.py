"""The network that the settings of a run choose, a plain one or that of a preset, and the unfitted estimator for it.

A table in memory is trained with the preset "fast" unless another one is named. An option that no preset supports, or
the preset "none", selects a plain network, as for images and arrays. It is an estimator's too, unless an option is none
of an estimator. What only the estimators of a table need is imported where it is used.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chainrule import distributed
from chainrule.core.arrays import distinct
from chainrule.data.checks import check_choice, check_seed
from chainrule.engines import ENGINES
from chainrule.errors import ConfigError, DataError, option
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import Solver
from chainrule.formulas.schedules import SCHEDULES
from chainrule.presets import ADDITIVE, BEST, PRESETS
from chainrule.recipe import build
from chainrule.recipe.judge import positive_class
from chainrule.recipe.messages import with_value
from chainrule.recipe.settings import ABOUT, NO_PRESET, Settings
from chainrule.training.arguments import check_precision

if TYPE_CHECKING:
    from chainrule.estimators.base import MLPEstimator
    from chainrule.recipe.columns import TargetColumn

DEFAULT = "fast"
"""The default preset of a table in memory."""
DIRECT = {name: about.parameter for name, about in ABOUT.items() if about.parameter is not None}
"""The estimator's parameter of each setting that an estimator takes unchanged."""
OPTIMIZING = tuple(name for name, about in ABOUT.items() if "optimizer" in about.of)
OF_CLASSIFIERS = ("sigmoid_cross_entropy", "softmax_cross_entropy", "ordinal_cross_entropy")
PLAIN_LOSSES = tuple(
    kind
    for kind, loss in LOSSES.items()
    if loss.targets in ("binary", "classes", "survived") and kind not in OF_CLASSIFIERS
)
"""Losses of labels and of times that no preset supports."""
CHOICES: dict[str, Any] = {
    "preset": {**PRESETS, ADDITIVE: None, BEST: None},
    "activation": {name: layer for name, layer in ACTIVATIONS.items() if name != "softmax"},
    "loss": LOSSES,
    "schedule": SCHEDULES,
    "engine": {"auto": None, **ENGINES},
}
"""The valid values of settings that are names."""


def is_of_presets(name: str) -> bool:
    """Return whether presets support a setting, unchanged or in another form."""
    about = ABOUT[name]
    return about.parameter is not None or bool({"optimizer", "presets"} & {*about.of})


def not_of_presets(settings: Settings) -> list[str]:
    """Return the names of the given settings that no preset supports."""
    return [name for name in settings.given() if not is_of_presets(name)]


def without_optimizer(settings: Settings) -> list[str]:
    """Return the given settings of an optimizer without a given name: a preset has its own optimizer."""
    if settings.optimizer != Settings().optimizer:
        return []
    return [name for name in OPTIMIZING if name in settings.given()]


def plain_because(settings: Settings) -> str | None:
    """Return the first given setting that selects a plain network if no preset is named; None without one."""
    if settings.loss in PLAIN_LOSSES:
        return "loss"
    if settings.activation == "softmax":
        return "activation"
    return next(iter([*not_of_presets(settings), *without_optimizer(settings)]), None)


def is_of_estimator(settings: Settings) -> bool:
    """Return whether the fit of an estimator can train a table with these settings."""
    if settings.has_preset:
        return True
    of_model = [name for name in not_of_presets(settings) if "plain" not in ABOUT[name].of]
    is_other = settings.loss in PLAIN_LOSSES or settings.activation == "softmax"
    return not (of_model or is_other or distributed.process_count() > 1)


def chosen(settings: Settings) -> Settings:
    """Return the settings of a run on a table in memory, with the name of its preset, or "none" for a plain network."""
    if settings.preset is not None:
        return settings
    if settings.plan is not None:
        return dataclasses.replace(settings, preset=BEST)
    is_plain = plain_because(settings) is not None or distributed.process_count() > 1
    return dataclasses.replace(settings, preset=NO_PRESET if is_plain else DEFAULT)


def as_it_was(settings: Settings, resolved: Settings) -> Settings:
    """Return the settings of a resumed run, with its preset.

    resolved: the settings in the run's folder; they name no preset if it was made before presets were the default.
    """
    return dataclasses.replace(settings, preset=resolved.preset or NO_PRESET)


def plain(
    settings: Settings,
    target: TargetColumn,
    rows: int,
    rising: Mapping[str, int] | None = None,
) -> MLPEstimator:
    """Return the estimator of a plain network, with the parameters of the settings. rows: those that it is fitted to.

    settings: resolved, and checked for a network.  rising: the directions of columns, `monotonic_cst`.
    """
    from chainrule.fitting.loop import alpha_of
    from chainrule.recipe.columns import gap_of
    from chainrule.tables.preprocessor import TablePreprocessor

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
    if target.event is not None:
        return _valid(target, parameters)
    if target.is_number:
        return _valid(target, parameters | {"loss": build.make_loss(settings)})
    return _valid(target, parameters | {"label_smoothing": settings.label_smoothing} | _ordinal(settings))


def estimator(
    settings: Settings,
    target: TargetColumn,
    rising: Mapping[str, int] | None = None,
) -> MLPEstimator:
    """Return the estimator of a preset for a target, with the parameters of the settings.

    rising: the directions of columns, `monotonic_cst`.
    Raises ConfigError for unsupported settings.
    """
    from chainrule.recipe.columns import gap_of

    check(settings)
    given = settings.given()
    parameters: dict[str, Any] = {DIRECT[name]: value for name, value in given.items() if name in DIRECT}
    if "activation" in given:
        parameters["activation"] = _activation(settings)
    if settings.loss is not None and target.is_number:
        parameters["loss"] = LOSSES[settings.loss]()
    elif settings.loss not in (None, *OF_CLASSIFIERS):
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
    if settings.positive is not None and target.event is None:
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
    if "optimizer" in given:
        parameters["optimizer"] = build.optimizer(settings)
    if rising is not None:
        parameters["monotonic_cst"] = rising
    if settings.gap is not None:
        parameters["gap"] = gap_of(settings)
    if settings.dtype != Settings().dtype:
        parameters["dtype"] = settings.dtype
    parameters |= {} if target.is_number else _ordinal(settings)
    of_preset = {"preprocess": "auto", "preset": settings.preset, "random_state": settings.seed}
    return _valid(target, of_preset | parameters)


def _ordinal(settings: Settings) -> dict[str, str]:
    """Return the loss of a classifier, if it is that of ordered classes."""
    return {"loss": "ordinal"} if settings.loss == "ordinal_cross_entropy" else {}


def _activation(settings: Settings) -> str:
    """Return an activation by the estimators' name."""
    return "logistic" if settings.activation == "sigmoid" else settings.activation


def _valid(target: TargetColumn, parameters: dict[str, Any]) -> MLPEstimator:
    """Return the estimator of a target. Raises ConfigError for parameters that it does not take."""
    from sklearn.utils._param_validation import InvalidParameterError

    from chainrule.estimators import MLPClassifier, MLPRegressor, MLPSurvival
    from chainrule.fitting.held import check_parameters

    of_numbers = MLPRegressor if target.event is None else MLPSurvival
    made = of_numbers(**parameters) if target.is_number else MLPClassifier(**parameters)
    try:
        check_parameters(made)
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
    check_precision(settings.precision, settings.dtype, None)  # with an optimizer the estimator checks it
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
