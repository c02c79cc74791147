"""The parameters that both estimators have: scikit-learn's of its MLP, and further ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

import numpy as np

from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.optimizers import AnyOptimizer
from chainrule.formulas.schedules import Schedule


@dataclass(eq=False, repr=False)
class Parameters:
    """The parameters by name: those of an estimator, or those that a fit is done by."""

    _: KW_ONLY
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: int | str = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: int | np.random.RandomState | None = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    dropout: float | Iterable[float] = 0.0
    batch_norm: bool = False
    residual: bool = False
    optimizer: AnyOptimizer | str | None = None
    schedule: Schedule | str | None = None
    clip_norm: float | None = None
    scoring: Any = None
    time_limit: float | None = None
    callbacks: Any = None
    dtype: str | None = None
    engine: str = "auto"
    preprocess: TablePreprocessor | str | None = None
    n_members: int | None = None
    own_batches: bool = True
    refit: bool | None = None
    preset: str | None = None


def values_of(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters of an estimator by name, those of its class alone included."""
    return {field.name: getattr(parameters, field.name) for field in fields(parameters)}


def given(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters that have another value than their default."""
    defaults = {field.name: field.default for field in fields(parameters)}
    return {
        name: value for name, value in values_of(parameters).items() if not is_default(value, defaults[name])
    }


def is_default(value: Any, default: Any) -> bool:
    """Return whether a parameter has the value of its default; a list is not the tuple (100,)."""
    return value is default or (type(value) is type(default) and bool(value == default))
