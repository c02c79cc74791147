"""How to train, from what a user passes: names become objects, and what cannot be is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.errors import ConfigError
from chainrule.metrics import METRICS, names_for
from chainrule.optimizers import LBFGS, OPTIMIZERS, Adam, AnyOptimizer, Optimizer
from chainrule.schedules import SCHEDULES, Constant, Schedule
from chainrule.validation import check_choice

EACH_EPOCH = {"regression": ("rmse",)}
"""The metric that validation shows after each epoch, where it is not accuracy."""


def as_optimizer(optimizer: AnyOptimizer | str | None) -> AnyOptimizer:
    """An optimizer from itself, from its name, or Adam()."""
    if optimizer is None:
        return Adam()
    if isinstance(optimizer, str):
        made: AnyOptimizer = check_choice(optimizer, OPTIMIZERS, "optimizer")()
        return made
    if not isinstance(optimizer, (Optimizer, LBFGS)):
        raise ConfigError(f"optimizer must be an optimizer such as Adam(1e-3), or a name, not {optimizer!r}.")
    return optimizer


def as_schedule(schedule: Schedule | str | None, optimizer: AnyOptimizer) -> Schedule:
    """A schedule from itself, from its name, or a constant rate."""
    if isinstance(schedule, str):
        schedule = check_choice(schedule, SCHEDULES, "schedule")()
    schedule = Constant() if schedule is None else schedule
    if not isinstance(schedule, Schedule):
        raise ConfigError(f"schedule must be a schedule such as OneCycle(), or a name, not {schedule!r}.")
    if isinstance(optimizer, LBFGS) and not isinstance(schedule, Constant):
        raise ConfigError("LBFGS finds its own step lengths; leave schedule out.")
    return schedule


def metric_names(names: Iterable[str] | None, task: str, each_epoch: bool = False) -> tuple[str, ...]:
    """Metrics that suit a task, by name; None for all of its own, or for the one shown after each epoch."""
    if names is None:
        return EACH_EPOCH.get(task, ("accuracy",)) if each_epoch else tuple(names_for(task))
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if task not in check_choice(name, METRICS, "metrics").tasks:
            known = ", ".join(n for n, metric in METRICS.items() if task in metric.tasks)
            raise ConfigError(f"the metric {name!r} is not for {task}; choose from {known}.")
    return names


def check_clip(name: str, bound: Any) -> float | None:
    """A bound of the gradient, or None for none."""
    if bound is None:
        return None
    if isinstance(bound, (bool, str)) or not (np.isfinite(bound) and bound > 0):
        raise ConfigError(f"{name} must be a finite number above 0, or None, not {bound!r}.")
    return float(bound)
