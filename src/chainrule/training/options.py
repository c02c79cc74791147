"""The arguments of `fit`: related ones grouped in objects, all of them as one, and names made into objects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

from chainrule.core import hints
from chainrule.core.elsewhere import FIT, instead_of
from chainrule.core.settings import check_choice, check_number
from chainrule.data.samples import Samples
from chainrule.data.source import Source
from chainrule.errors import ConfigError, instead, option
from chainrule.formulas.optimizers import OPTIMIZERS, Adam, AnyOptimizer, Optimizer, Solver
from chainrule.formulas.schedules import SCHEDULES, Constant, Schedule
from chainrule.training.without_backprop import Method

EngineName = Literal["auto", "native", "reference", "xla"]


@dataclass(frozen=True)
class Clip:
    """Bounds on the gradient g of a step, before the optimizer uses it.

        model.fit(X, y, clip=Clip(norm=1.0))  # the same as clip=1.0

    value: maximum absolute value of each component:  g_i <- max(-value, min(g_i, value))
    norm: maximum Euclidean norm of g, over all layers:  g <- g min(1, norm / ||g||)
    Both are in the units of the gradient, and value is applied first; None for no bound. Raises ConfigError unless
    above 0.
    Source: Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013, algorithm 1.
    """

    norm: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        """Check the bounds."""
        for name in ("norm", "value"):
            bound = getattr(self, name)
            if bound is not None:
                also, text = instead(", or None", ""), f"{name} of Clip"
                bound = check_number(bound, f"clip_{name}", above=0, also=also, text=text)
            object.__setattr__(self, name, bound)

    @classmethod
    def of(cls, given: Clip | float | None) -> Clip:
        """Return the bounds for an argument: a number is a norm."""
        return given if isinstance(given, Clip) else cls(given)


FACTORS = {"decay": "weight_decay", "dropout": "dropout", "smoothing": "label_smoothing"}
"""The factors of a step's settings, each with the name in `Schedules` of the setting that it multiplies."""


@dataclass(frozen=True)
class Schedules:
    """Schedules of settings that may change from step to step: each is multiplied by its schedule's factor.

        model.fit(X, y, optimizer=AdamW(1e-3), schedule=Schedules(OneCycle(), weight_decay="cosine"))

    learning_rate: of the optimizer's learning rate, the same as schedule=OneCycle() alone.
    weight_decay: of the optimizer's weight decay, which is also multiplied by the learning rate's factor.
    dropout: of the rate of every Dropout.  label_smoothing: of the loss's label smoothing.
    Each is a schedule or its name; None for a constant. Factors other than the learning rate's are from 0 to 1.
    """

    learning_rate: Schedule | str | None = None
    weight_decay: Schedule | str | None = None
    dropout: Schedule | str | None = None
    label_smoothing: Schedule | str | None = None

    @classmethod
    def of(cls, given: Schedules | Schedule | str | None) -> Schedules:
        """Return the schedules for an argument: a single one is that of the learning rate."""
        return given if isinstance(given, Schedules) else cls(given)


@dataclass(frozen=True)
class Compute:
    """How the training steps are computed: by which engine, device, precision and processes.

        model.fit(X, y, engine=Compute("xla", device="cuda:0"))
        model.fit(X, y, engine=Compute(precision="bf16"))

    engine: "native" for C++, "reference" for NumPy, "xla" for compilation by JAX, or "auto" for the first that supports
        the network; engine="native" alone is the same as Compute("native").
    device: the device of the xla engine, such as "cpu", "gpu" or "cuda:0"; None for JAX's choice.
    precision: "bf16" to round the factors of matrix products to bfloat16, with sums, weights and the optimizer's state
        in float32 (native and reference engines); None for the model's own. `chainrule.formulas.bf16` has the formula,
        whose bits are the same on every processor with FMA. Training is faster with AMX (Intel since 2023) and
        AVX-512 BF16 (Zen 4 and 5), for wide layers most, and slower than in float32 on other processors.
    shards: the parts of each batch, a power of two, distributed over the processes of `chainrule.distributed`: the bits
        depend on the number of shards, not on their distribution. Batch normalization uses the statistics of a shard.
        None for 8 after `distributed.initialize()`, else for whole batches.
    reduce: how processes sum the gradients of their shards. "tree" gives the same bits for any number of processes;
        "psum" leaves the order to JAX, which transfers less between many of them, and gives each one shard unless
        `shards` is set; the bits then depend on their number.
    group: for an `Ensemble` on the xla engine, the number of members that one program trains side by side; None for one
        by one. It is for GPUs, whose launches take longer than the steps of a small network; on processors it is no
        faster. Results agree up to rounding.
    `fit` checks them with its other arguments.
    """

    engine: EngineName = "auto"
    device: str | None = None
    precision: Literal["bf16"] | None = None
    shards: int | None = None
    reduce: Literal["tree", "psum"] = "tree"
    group: int | None = None

    @classmethod
    def of(cls, given: Compute | EngineName) -> Compute:
        """Return the object for an argument: a name is that of the engine."""
        return given if isinstance(given, Compute) else cls(given)


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """The arguments of `Model.fit` and `Ensemble.fit` other than the samples, as given."""

    epochs: int
    batch_size: int | None
    optimizer: AnyOptimizer | str | None
    schedule: Schedules
    validation_data: tuple[Any, Any] | Samples | Source | None
    validation_fraction: float | None
    sample_weight: Any
    slopes: Any
    slope_weight: Any
    class_weight: Mapping[Any, float] | str | None
    metrics: Iterable[str] | None
    callbacks: Iterable[Any]
    scale_targets: bool | str | None
    shuffle: bool
    clip: Clip
    resume: str | os.PathLike[str] | None
    verbose: int
    engine: Compute
    method: Method | str | None = None


class Former(TypedDict, total=False):
    """Arguments of `fit` that are now fields of an object; they are accepted until version 0.3."""

    clip_norm: float | None
    clip_value: float | None
    decay_schedule: Schedule | str | None
    dropout_schedule: Schedule | str | None
    smoothing_schedule: Schedule | str | None
    precision: Literal["bf16"] | None
    device: str | None
    shards: int | None
    reduce: Literal["tree", "psum"]
    group: int | None


NEW = {
    "clip_norm": ("clip", "norm"),
    "clip_value": ("clip", "value"),
    "decay_schedule": ("schedule", "weight_decay"),
    "dropout_schedule": ("schedule", "dropout"),
    "smoothing_schedule": ("schedule", "label_smoothing"),
    **{name: ("engine", name) for name in ("precision", "device", "shards", "reduce", "group")},
}
"""The argument that replaces each former one, and the field of its object."""


def with_former(options: FitOptions, former: Former) -> FitOptions:
    """Return the options with those given by a former argument, each of which warns. Raises TypeError for others."""
    for name, value in former.items():
        if name not in NEW:
            raise TypeError(f"fit() got an unexpected keyword argument {name!r}{instead_of(name, FIT)}")
        argument, field = NEW[name]
        owner = getattr(options, argument)
        kind = type(owner).__name__
        hints.give(
            f"fit({name}=...) is now fit({argument}={kind}({field}=...)), and will be an error from version 0.3 on.",
            FutureWarning,
        )
        options = replace(options, **{argument: replace(owner, **{field: value})})
    return options


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
