"""Check the settings of training: names become objects, and invalid settings raise ConfigError."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule import distributed
from chainrule.core.settings import check_choice, check_count
from chainrule.errors import ConfigError, instead, option
from chainrule.formulas.layers import Dropout
from chainrule.formulas.optimizers import OPTIMIZERS, Adam, AnyOptimizer, Optimizer, Solver
from chainrule.formulas.schedules import SCHEDULES, Constant, ReduceOnPlateau, Schedule
from chainrule.network.network import Network
from chainrule.training.options import FACTORS, Compute, Schedules
from chainrule.training.without_backprop import Method, Search

REDUCE = {"tree": "the same bits for any number of processes", "psum": "the order that JAX takes"}
"""The ways to sum over processes."""


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


def as_factors(given: Schedules, optimizer: AnyOptimizer, network: Network) -> dict[str, Schedule]:
    """Return the schedules of a step's factors by name: decay, dropout or smoothing, without those that stay 1.

    Raises ConfigError for a factor without effect.
    """
    changed = {
        "decay": (
            isinstance(optimizer, Optimizer) and optimizer.decays,
            "needs an optimizer with weight decay, such as AdamW",
        ),
        "dropout": (
            any(isinstance(link.layer, Dropout) for link in network.walk()),
            "needs a Dropout in the network",
        ),
        "smoothing": (
            network.loss.smoothed(0.5) is not network.loss,
            "needs a loss with label_smoothing above 0, such as SoftmaxCrossEntropy(label_smoothing=0.1)",
        ),
    }
    made: dict[str, Schedule] = {}
    for name, setting in FACTORS.items():
        schedule, (does, needs) = getattr(given, setting), changed[name]
        argument = f"the schedule of {setting}"
        if schedule is None:
            continue
        if isinstance(schedule, str):
            schedule = check_choice(schedule, SCHEDULES, argument)()
        if not isinstance(schedule, Schedule) or isinstance(schedule, ReduceOnPlateau):
            raise ConfigError(
                f"{argument} must be a schedule of the step such as FlatCosine(), or a name, not {schedule!r}."
            )
        if isinstance(optimizer, Solver):
            raise ConfigError(f"{named(optimizer)} needs the same objective at each step; omit {argument}.")
        if not does:
            raise ConfigError(f"{argument} {needs}; omit it.")
        made[name] = schedule
    return made


def as_method(
    method: Method | str | None, optimizer: Any, schedules: Schedules, engine: str
) -> Method | None:
    """Return a method from a method or its name, or None. Raises ConfigError if other settings conflict with it.

    optimizer: as given by the user, None if not set.
    """
    if method is None:
        return None
    from chainrule.training.without_backprop import METHODS, Backpropagation

    if isinstance(method, str):
        method = check_choice(method, METHODS, "method")()
    if not isinstance(method, Method):
        raise ConfigError(f"method must be a method such as SPSA(c=1e-3), or a name, not {method!r}.")
    if isinstance(method, Search):
        for name, given in (("optimizer", optimizer), ("schedule", schedules.learning_rate)):
            if given is not None:
                raise ConfigError(f"{method.kind} makes its own steps; omit {option(name)}.")
    if isinstance(method, Backpropagation):
        return method
    solver = as_optimizer(optimizer)
    if isinstance(solver, Solver):
        raise ConfigError(
            f"{named(solver)} needs the exact gradient, not the estimate of {method.kind}; "
            f"use {option('optimizer', 'Adam', 'adam')}."
        )
    if engine not in ("auto", "reference"):
        raise ConfigError(
            f"{method.kind} runs on the reference engine, not {engine!r}; "
            f"use {option('engine', 'engine=' + repr('auto'), 'auto')}."
        )
    return method


def check_device(name: object) -> str | None:
    """Check that a device is text or None, and return it; the engine checks whether it exists."""
    if name is None or isinstance(name, str):
        return name
    raise ConfigError(f"{option('device')} must be a name such as 'cpu' or 'cuda:0', or None, not {name!r}.")


def check_shards(compute: Compute, optimizer: object, method: Method | None, members: object) -> int | None:
    """Return the number of shards of each batch, None for whole batches. Raises ConfigError if a batch has none."""
    shards, reduce = compute.shards, compute.reduce
    check_choice(reduce, REDUCE, "reduce")
    if not distributed.is_initialized():
        if reduce != "tree":
            raise ConfigError(
                f"{option('reduce', 'reduce=' + repr(reduce), reduce)} is a way to sum over processes; call "
                "chainrule.distributed.initialize() first, or omit it."
            )
        if shards is None:
            return None
    why = None
    if isinstance(optimizer, Solver):
        why = f"{named(optimizer)} has no batches"
    elif method is not None and method.kind != "backpropagation":
        why = f"{method.kind} runs in one process"
    elif members is not None:
        why = "the members of an ensemble train one by one"
    if why is not None:
        if shards is None and distributed.process_count() == 1:
            return None
        raise ConfigError(
            f"{option('shards')} are parts of a batch, and {why}; train in one process without them."
        )
    usual = distributed.SHARDS if reduce == "tree" else distributed.process_count()
    count = check_count(usual if shards is None else shards, "shards")
    if count & (count - 1):
        raise ConfigError(
            f"{option('shards')} must be a power of two, not {count}; {distributed.SHARDS} is usual."
        )
    return count


def check_precision(precision: object, dtype: DTypeLike, optimizer: object) -> str | None:
    """Check that precision is "bf16" or None and suits dtype and optimizer, and return it."""
    if precision is None:
        return None
    if precision != "bf16":
        raise ConfigError(f"precision must be 'bf16', or None for the model's own, not {precision!r}.")
    if np.dtype(dtype) != np.float32:
        name = option("precision", "precision 'bf16'", "bf16")
        raise ConfigError(f"{name} needs a float32 model, not {np.dtype(dtype)}; omit it.")
    if isinstance(optimizer, Solver):
        raise ConfigError(
            f"{named(optimizer)} runs on the reference engine, which does not support bf16; omit {option('precision')}."
        )
    return "bf16"


def check_group(group: object, members: object) -> int | None:
    """Check the number of members of an ensemble that one program trains, and return it; None for one by one."""
    if group is None:
        return None
    if members is None:
        raise ConfigError("group is for the members of an Ensemble, and a Model is one network; omit it.")
    return check_count(group, "group")
