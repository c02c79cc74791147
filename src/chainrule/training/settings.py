"""Check the settings of training: names become objects, and invalid settings raise ConfigError."""

from __future__ import annotations

from chainrule.core.settings import check_choice
from chainrule.errors import ConfigError, instead, option
from chainrule.formulas.optimizers import OPTIMIZERS, Adam, AnyOptimizer, Optimizer, Solver
from chainrule.formulas.schedules import SCHEDULES, Constant, Schedule


def named(solver: Solver) -> str:
    """Return a solver's name for a message: LBFGS, or lbfgs if settings are text."""
    return instead(type(solver).__name__, solver.kind)


def as_optimizer(optimizer: AnyOptimizer | str | None) -> AnyOptimizer:
    """Return an optimizer from an optimizer, its name, or None for Adam()."""
    if optimizer is None:
        return Adam()
    if isinstance(optimizer, str):
        made: AnyOptimizer = check_choice(optimizer, OPTIMIZERS, "optimizer")()
        return made
    if not isinstance(optimizer, (Optimizer, Solver)):
        raise ConfigError(f"optimizer must be an optimizer such as Adam(1e-3), or a name, not {optimizer!r}.")
    return optimizer


def as_schedule(schedule: Schedule | str | None, optimizer: AnyOptimizer) -> Schedule:
    """Return a schedule from a schedule, its name, or None for a constant rate."""
    if isinstance(schedule, str):
        schedule = check_choice(schedule, SCHEDULES, "schedule")()
    schedule = Constant() if schedule is None else schedule
    if not isinstance(schedule, Schedule):
        raise ConfigError(f"schedule must be a schedule such as OneCycle(), or a name, not {schedule!r}.")
    if isinstance(optimizer, Solver) and not isinstance(schedule, Constant):
        raise ConfigError(f"{named(optimizer)} finds its own step lengths; omit {option('schedule')}.")
    return schedule
