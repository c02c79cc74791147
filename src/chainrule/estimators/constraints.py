"""What each parameter of the estimators may be, checked by scikit-learn's own rules and worded by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from chainrule.engines import ENGINES
from chainrule.estimators.architecture import ACTIVATION_NAMES
from chainrule.estimators.fit.plan import BEST
from chainrule.estimators.recipes import PRESETS
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.layers import Activation
from chainrule.formulas.optimizers import OPTIMIZERS, Optimizer, Solver
from chainrule.formulas.schedules import SCHEDULES, Schedule

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
COUNT = Interval(Integral, 1, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="left")

SHARED: dict[str, list[Any]] = {
    # scikit-learn's
    "hidden_layer_sizes": ["array-like", COUNT],
    "activation": [StrOptions(set(ACTIVATION_NAMES)), Activation, "array-like"],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [NOT_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), COUNT],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [POSITIVE],
    "power_t": [NOT_NEGATIVE],
    "max_iter": [COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [SHARE],
    "beta_1": [SHARE],
    "beta_2": [SHARE],
    "epsilon": [POSITIVE],
    "n_iter_no_change": [COUNT, Options(Real, {np.inf})],
    "max_fun": [COUNT],
    # further ones
    "dropout": [SHARE, "array-like"],
    "batch_norm": ["boolean"],
    "residual": ["boolean"],
    "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer, Solver, None],
    "schedule": [StrOptions(set(SCHEDULES)), Schedule, None],
    "clip_norm": [POSITIVE, None],
    "scoring": [str, callable, None],
    "time_limit": [POSITIVE, None],
    "callbacks": ["array-like", callable, HasMethods("on_epoch_end"), None],
    "dtype": [StrOptions({"float32", "float64"}), None],
    "preprocess": [StrOptions({"auto"}), TablePreprocessor, None],
    "preset": [StrOptions({*PRESETS, BEST}), None],
    "engine": [StrOptions({"auto", *ENGINES})],
    "n_members": [COUNT, None],
    "own_batches": ["boolean"],
    "refit": ["boolean", None],
}
"""The constraints of the parameters that classifier and regressor share, by name."""


def check(kind: type[Any], settings: dict[str, Any]) -> None:
    """Check settings by the constraints of their class; plain values that passed before are not checked again."""
    rules: Callable[..., None] = check_once if all(map(is_plain, settings.values())) else check_all
    rules(kind, **settings)


def check_all(kind: Any, **settings: Any) -> None:
    """Check settings by scikit-learn's rules. Raises its InvalidParameterError."""
    validate_parameter_constraints(kind._parameter_constraints, settings, caller_name=kind.__name__)


check_once = lru_cache(maxsize=64, typed=True)(check_all)


def is_plain(value: Any) -> bool:
    """Return whether a value's type and equality say all of it: numbers, text, None, and tuples of these."""
    if type(value) is tuple:
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


__all__ = ["SHARE", "SHARED", "Interval", "StrOptions", "check"]
