"""Choose between a plain network and the network of an estimator's preset, and who trains it.

A table in memory is trained with the preset "fast" unless another one is named. An option that no preset supports, or
the preset "none", selects a plain network, as for images and arrays. It is an estimator's too, unless an option is none
of an estimator.
"""

from __future__ import annotations

import dataclasses

from chainrule import distributed
from chainrule.estimators.recipes import BEST
from chainrule.recipe.settings import ABOUT, NO_PRESET, Settings

DEFAULT = "fast"
"""The default preset of a table in memory."""
DIRECT = {name: about.parameter for name, about in ABOUT.items() if about.parameter is not None}
"""The estimator's parameter of each setting that an estimator takes unchanged."""
OPTIMIZING = tuple(name for name, about in ABOUT.items() if "optimizer" in about.of)
PLAIN_LOSSES = ("binary_cross_entropy", "categorical_cross_entropy")
"""Losses on probabilities, which no preset supports."""


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
