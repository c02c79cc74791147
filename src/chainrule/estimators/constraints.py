"""What each parameter of the estimators may be, checked by scikit-learn's own rules and worded by it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from chainrule.engines import ENGINES
from chainrule.estimators.architecture import ACTIVATION_NAMES
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
    "engine": [StrOptions({"auto", *ENGINES})],
}
"""The constraints of the parameters that classifier and regressor share, by name."""

__all__ = ["SHARE", "SHARED", "Interval", "StrOptions"]
