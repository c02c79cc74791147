"""Schedules: factors of the optimizer's learning rate, one per step of a run.

    lr of a step = optimizer.learning_rate * schedule.factor(step, total, steps_per_epoch)

step: from 0, an int or an array of ints, NumPy's or JAX's (traced or not): one call can cover a whole epoch.
total: the steps of the whole run, at least 1.  steps_per_epoch: at least 1.  Both are Python ints.
A factor has step's shape, is finite and at least 0, also past the end of the run.

Only `ReduceOnPlateau` depends on the run: its state is updated by the training loop once per epoch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.core.arrays import Array, namespace
from chainrule.core.settings import count_settings, number_settings
from chainrule.errors import ConfigError


@dataclass(frozen=True)
class Schedule(ABC):
    """Base class of learning rate schedules."""

    kind: ClassVar[str] = ""
    looks_ahead: ClassVar[bool] = True
    """whether the factor of a step depends on `total`; if not, a run can be resumed with more epochs"""

    @abstractmethod
    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """Return the factor of the learning rate at `step`, with the shape of step."""


@dataclass(frozen=True)
class Constant(Schedule):
    """factor = 1"""

    kind: ClassVar[str] = "constant"
    looks_ahead: ClassVar[bool] = False

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """1"""
        step, xp = _steps(step)
        return xp.ones_like(step, dtype=float)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Step decay: the rate drops at given fractions of the run.

    factor = drop^(number of f in at with step >= f total)

    drop: above 0, below 1.
    at: ascending fractions above 0 and below 1; (0.5, 0.75) drops at half and at three quarters.
    """

    kind: ClassVar[str] = "step_decay"
    drop: float = 0.1
    at: tuple[float, ...] = (0.5, 0.75)

    def __post_init__(self) -> None:
        """Check drop in (0, 1), and that `at` are increasing fractions of the run in (0, 1)."""
        number_settings(self, "drop", above=0, below=1)
        at = tuple(self.at) if isinstance(self.at, list | tuple) else ()
        inside = bool(at) and all(isinstance(f, int | float) and 0 < f < 1 for f in at)
        if not inside or any(a >= b for a, b in pairwise(at)):
            raise ConfigError(
                f"at of StepDecay must be increasing fractions of the run between 0 and 1, not {self.at!r}; "
                "pass for example at=(0.5, 0.75)."
            )
        object.__setattr__(self, "at", tuple(float(f) for f in at))

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """drop^(number of f in at with step >= f total)"""
        step, xp = _steps(step)
        drops = sum((step >= f * total) * 1.0 for f in self.at)  # step's shape
        return xp.power(self.drop, drops)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Exponential decay by gamma per epoch, step by step: factor = gamma^(step / steps_per_epoch).

    gamma: above 0, at most 1.
    PyTorch's ExponentialLR has the same value at the start of each epoch, and keeps it through the epoch.
    """

    kind: ClassVar[str] = "exponential"
    looks_ahead: ClassVar[bool] = False
    gamma: float = 0.95

    def __post_init__(self) -> None:
        """Check gamma in (0, 1]."""
        number_settings(self, "gamma", above=0, maximum=1)

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """gamma^(step / steps_per_epoch)"""
        step, xp = _steps(step)
        return xp.power(self.gamma, step / steps_per_epoch)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Cosine decay: a linear warm-up, then half a cosine from 1 to the floor.

    w = warmup total
    step < w:     factor = (step + 1) / (w + 1)
    step >= w:    factor = floor + (1 - floor) (1 + cos(pi p)) / 2      p = min((step - w) / (total - w), 1)

    warmup: a fraction of the run, in [0, 1).  floor: in [0, 1].
    The floor is reached at step `total`, one past the last, so no step has a rate of 0 (PyTorch's CosineAnnealingLR
    with T_max = total).
    Source: Loshchilov, Hutter, "SGDR", ICLR 2017, eq. 5, without restarts.
    """

    kind: ClassVar[str] = "cosine"
    warmup: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Check warmup in [0, 1) and floor in [0, 1]."""
        number_settings(self, "warmup", minimum=0, below=1)
        number_settings(self, "floor", minimum=0, maximum=1)

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """min((step + 1) / (w + 1), 1) before w, then half a cosine"""
        step, xp = _steps(step)
        w = self.warmup * total
        fall = _half_cosine(1.0, self.floor, (step - w) / (total - w), xp)
        return xp.where(step < w, (step + 1) / (w + 1), fall)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One cycle: half a cosine up from `start` to 1, then down to `end`; the learning rate is the peak.

    k = max(warmup total - 1, 0), the step of the peak
    step < k:     factor goes from start to 1 as p = step / k goes from 0 to 1
    step >= k:    factor goes from 1 to end as p = (step - k) / (total - 1 - k) goes from 0 to 1
    from a to b at p:  b + (a - b) (1 + cos(pi p)) / 2

    warmup: a fraction of the run, in [0, 1).  start, end: in [0, 1].
    The last step, total - 1, has `end`.  A run too short to rise (warmup total <= 1) starts at the peak.
    The defaults are PyTorch's OneCycleLR's (div_factor 25, final_div_factor 1e4); momentum is not cycled.
    Source: Smith, Topin, "Super-convergence", 2017, with cosines in place of lines.
    """

    kind: ClassVar[str] = "one_cycle"
    warmup: float = 0.3
    start: float = 1 / 25
    end: float = 1e-4 / 25

    def __post_init__(self) -> None:
        """Check warmup in [0, 1), and start and end in [0, 1]."""
        number_settings(self, "warmup", minimum=0, below=1)
        number_settings(self, "start", minimum=0, maximum=1)
        number_settings(self, "end", minimum=0, maximum=1)

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """Half a cosine from start to 1 at step k, then another to end at the last step"""
        step, xp = _steps(step)
        k = max(self.warmup * total - 1, 0)
        rise = _half_cosine(self.start, 1.0, step / (k or 1.0), xp)
        fall = _half_cosine(1.0, self.end, (step - k) / ((total - 1 - k) or 1.0), xp)
        return xp.where(step < k, rise, fall)


@dataclass(frozen=True)
class CosLog(Schedule):
    """Growing cycles: a cosine over the logarithm of the run, with periods that each double in length.

    factor = (1 - cos(2 pi log2(1 + (2^cycles - 1) t))) / 2          t = min(step / total, 1), the progress

    It is 0 at t = (2^j - 1) / (2^cycles - 1) for j = 0 to cycles, so at the first step too, and 1 midway between them
    in log2; for 4 cycles at t = 0, 1/15, 1/5, 7/15 and 1. The rate falls to 0 once per cycle, so a run stopped there
    has a model as good as one trained to its end.
    cycles: at least 1.  With equal batches, t is the share of the run's samples processed so far.
    Source: Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024, section 3 (coslog_4).
    """

    kind: ClassVar[str] = "cos_log"
    cycles: int = 4

    def __post_init__(self) -> None:
        """Check that cycles is an integer from 1 to 32."""
        count_settings(self, "cycles")
        if self.cycles > 32:
            raise ConfigError(f"cycles of CosLog must be at most 32, not {self.cycles}; 4 is usual.")

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """(1 - cos(2 pi log2(1 + (2^cycles - 1) t))) / 2"""
        step, xp = _steps(step)
        t = xp.clip(step / total, 0.0, 1.0)
        return 0.5 - 0.5 * xp.cos(2 * math.pi * xp.log2(1 + (2**self.cycles - 1) * t))


@dataclass(frozen=True)
class FlatCosine(Schedule):
    """Constant, then half a cosine from 1 to 0.

    factor = 1 where t < flat, else (1 + cos(pi (t - flat) / (1 - flat))) / 2      t = min(step / total, 1)

    flat: in [0, 1), the fraction of the run before the decay; 0 is `Cosine`.
    With equal batches, t is the share of the run's samples processed so far.
    Source: Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024, section 3 (flat_cos), used there for
    dropout and weight decay.
    """

    kind: ClassVar[str] = "flat_cosine"
    flat: float = 0.5

    def __post_init__(self) -> None:
        """Check that flat is in [0, 1)."""
        number_settings(self, "flat", minimum=0, below=1)

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """1 before flat, then half a cosine"""
        step, xp = _steps(step)
        return _half_cosine(1.0, 0.0, (step / total - self.flat) / (1 - self.flat), xp)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """Inverse scaling, as in stochastic approximation: factor = 1 / (step + 1)^power.

    power: above 0; convergence in theory requires more than 0.5 and at most 1.
    It counts steps; scikit-learn's "invscaling" counts samples and changes once per epoch.
    Source: Robbins, Monro, "A stochastic approximation method", Ann. Math. Statist. 22(3), 1951.
    """

    kind: ClassVar[str] = "inverse_scaling"
    looks_ahead: ClassVar[bool] = False
    power: float = 0.5

    def __post_init__(self) -> None:
        """Check that power is above 0."""
        number_settings(self, "power", above=0)

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """1 / (step + 1)^power"""
        step, xp = _steps(step)
        return xp.power(step + 1.0, -self.power)


class PlateauState(NamedTuple):
    """The best value so far, epochs since it, and the factor reached."""

    best: float
    waited: int
    factor: float


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Reduce the rate when a monitored value has not fallen for `patience` epochs.

    value < best - min_delta:    best = value, waited = 0
    otherwise:                   waited = waited + 1
    waited = patience:           factor = max(drop factor, floor), waited = 0

    monitor: a name in the history, lower is better: use the negative of a metric to maximize.
    drop: above 0, below 1.  patience: epochs, at least 1.  min_delta: at least 0.  floor: in [0, 1].
    NaN is not an improvement.
    The lr of a step is learning_rate * state.factor; the method `factor`, which knows only the step, returns 1.
    """

    kind: ClassVar[str] = "reduce_on_plateau"
    looks_ahead: ClassVar[bool] = False
    monitor: str = "val_loss"
    drop: float = 0.5
    patience: int = 10
    min_delta: float = 1e-4
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Check drop in (0, 1), min_delta >= 0, floor in [0, 1], patience >= 1, and that monitor is a string."""
        number_settings(self, "drop", above=0, below=1)
        number_settings(self, "min_delta", minimum=0)
        number_settings(self, "floor", minimum=0, maximum=1)
        if not isinstance(self.patience, int) or self.patience < 1:
            raise ConfigError(
                "patience of ReduceOnPlateau must be an integer of at least 1, "
                f"not {self.patience!r}; 10 is usual."
            )
        if not isinstance(self.monitor, str) or not self.monitor:
            raise ConfigError(
                f"monitor of ReduceOnPlateau must be a name in the history, not {self.monitor!r}; "
                "'val_loss' is usual."
            )

    def init(self) -> PlateauState:
        """Return the state before the first epoch."""
        return PlateauState(math.inf, 0, 1.0)

    def observe(self, state: PlateauState, value: float) -> PlateauState:
        """Return the state after an epoch that ended with `value`."""
        if value < state.best - self.min_delta:
            return PlateauState(float(value), 0, state.factor)
        if state.waited + 1 < self.patience:
            return state._replace(waited=state.waited + 1)
        return PlateauState(state.best, 0, max(self.drop * state.factor, self.floor))

    def factor(self, step: Array, total: int, steps_per_epoch: int) -> Array:
        """Return 1: the training loop multiplies by the factor of the state instead."""
        step, xp = _steps(step)
        return xp.ones_like(step, dtype=float)


def _steps(step: Array) -> tuple[Array, Any]:
    """Return the steps as an array, and its namespace; a Python int becomes a NumPy array."""
    step = step if hasattr(step, "__array_namespace__") else np.asarray(step)
    return step, namespace(step)


def _half_cosine(begin: float, end: float, p: Array, xp: ModuleType) -> Array:
    """end + (begin - end) (1 + cos(pi p)) / 2: begin at p = 0, end from p = 1 on."""
    return end + (begin - end) * (0.5 + 0.5 * xp.cos(math.pi * xp.clip(p, 0.0, 1.0)))


SCHEDULES: dict[str, type[Schedule]] = {
    schedule.kind: schedule
    for schedule in (
        *(Constant, StepDecay, Exponential, Cosine, OneCycle, CosLog, FlatCosine),
        *(InverseScaling, ReduceOnPlateau),
    )
}
"""Every schedule by its `kind`, its name in files and on the command line; the tests run over this table."""
