"""The arguments of `fit`, checked: the samples or the source, the settings, and what the run is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule import distributed, engines
from chainrule.core import hints
from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.core.settings import check_choice, check_count
from chainrule.data import checks, frames
from chainrule.data.advice import on_codes, on_targets
from chainrule.data.samples import Samples, TargetScale
from chainrule.data.slopes import with_slopes
from chainrule.data.source import ArraySource, Source
from chainrule.data.stream import Stream
from chainrule.engines import Plan
from chainrule.errors import ChainruleError, ConfigError, DataError, option
from chainrule.formulas.layers import Dropout, PiecewiseLinearEmbedding
from chainrule.formulas.optimizers import AnyOptimizer, GradientDescent, Optimizer, Solver
from chainrule.formulas.schedules import SCHEDULES, ReduceOnPlateau, Schedule
from chainrule.network.network import Network
from chainrule.trained.evaluation import metric_names
from chainrule.training import fit as training
from chainrule.training.callbacks import as_callbacks
from chainrule.training.history import History
from chainrule.training.options import (
    FACTORS,
    Compute,
    FitOptions,
    Schedules,
    as_optimizer,
    as_schedule,
    named,
)
from chainrule.training.run import Run, RunSettings, Trainer
from chainrule.training.slopes import check_slopes
from chainrule.training.trainers import trainer_for
from chainrule.training.without_backprop import Method, Search

# --- a source in place of arrays


def arrays(source: ArraySource, y: TargetsLike, sample_weight: ArrayLike | None) -> tuple[Any, Any, Any]:
    """Return the arrays of a source as X, y and sample_weight. Raises ConfigError if one is also an argument."""
    refuse({"y": y, "sample_weight": sample_weight})
    return source.given


def refuse(given: Mapping[str, Any]) -> None:
    """Raise ConfigError for an argument that a source includes, or does not support."""
    for name, value in given.items():
        if value is not None:
            way_out = (
                "pass other rows as validation_data"
                if name == "validation_fraction"
                else f"the source has its own {'y' if name == 'y' else 'weight'}"
            )
            raise ConfigError(f"{name} is for arrays; {way_out}, and omit {name}.")


def check(
    given: Mapping[str, Any],
    batch_size: int | None,
    optimizer: AnyOptimizer,
    is_ensemble: bool,
    network: Network,
    states: Mapping[str, Any],
) -> None:
    """Raise ConfigError for settings that need all rows in memory. given: the arguments that must be None."""
    refuse(given)
    if is_ensemble:
        raise ConfigError("an ensemble is trained on arrays; train a Model on a source, or pass X and y.")
    if isinstance(optimizer, Solver):
        raise ConfigError(
            f"{named(optimizer)} needs all rows at each step, but a source provides them in pieces; use "
            "Adam, or pass arrays."
        )
    if batch_size is None:
        raise ConfigError(
            "batch_size=None uses all rows in one batch, which a source does not support; pass a number."
        )
    for link in network.links:
        if isinstance(link.layer, PiecewiseLinearEmbedding) and states[link.name].count == 0:
            raise ConfigError(
                f"{link.name} is measured on whole columns, which a source does not keep in memory; first "
                "measure it by model.start_on(X), on rows that fit."
            )


def stream(
    source: Source,
    model: Any,
    classes: NDArray[Any] | None,
    features: tuple[str, ...] | None,
    class_weight: Any = None,
) -> Stream:
    """Return the stream of a source for a model. classes, features: the known labels and columns."""
    return Stream(
        source, model.network, model.seed, classes=classes, class_weight=class_weight, features=features
    )


# --- check all arguments, of a model or an ensemble, and train


def checked_fit(
    model: Any,
    X: RowsLike,
    y: TargetsLike,
    options: FitOptions,
    *,
    members: Sequence[Any] | None = None,
    trainer: Trainer | None = None,
    order: Callable[[Run], NDArray[np.int64]] | None = None,
) -> History:
    """Train a model in place and return its history.

    members: the models of an ensemble, None for a single model.  trainer, order: see `RunSettings`.
    A model that is rejected before its first step does not change.
    """
    network, compute = model.network, options.engine
    method = as_method(options.method, options.optimizer, options.schedule, compute.engine)
    optimizer = as_optimizer(options.optimizer)
    schedule = as_schedule(options.schedule.learning_rate, optimizer)
    factors = as_factors(options.schedule, optimizer, network)
    precision = check_precision(compute.precision, model.dtype, optimizer, method)
    device = check_device(compute.device)
    names = metric_names(options.metrics, model.task, model.network.loss, each_epoch=True)
    shards = check_shards(compute, optimizer, method, members)
    epochs = check_count(options.epochs, "epochs", 0)
    size = None if options.batch_size is None else check_count(options.batch_size, "batch_size")
    _check_validation(options.validation_data, options.validation_fraction)
    wanted_scale = _check_scale(model, options.scale_targets)
    monitor = schedule.monitor if isinstance(schedule, ReduceOnPlateau) else ""
    if monitor.startswith("val_") and options.validation_data is None and options.validation_fraction is None:
        raise ConfigError(
            f"ReduceOnPlateau watches {monitor!r}, which needs validation_data or validation_fraction."
        )
    watchers = as_callbacks(options.callbacks)
    plan = Plan(
        network=network,
        optimizer=optimizer if isinstance(optimizer, Optimizer) else GradientDescent(),
        batch_size=size or 1,
        seed=model.seed,
        dtype=model.dtype,
        clip_norm=options.clip.norm,
        clip_value=options.clip.value,
        precision=precision,
        frozen=model.frozen,
        device=device,
    )
    samples: Samples | Stream
    weight = options.sample_weight
    if isinstance(X, ArraySource) and not X.functions:
        X, y, weight = arrays(X, y, weight)
    if isinstance(X, Source):
        beside = {"y": y, "sample_weight": weight, "validation_fraction": options.validation_fraction}
        check(beside, size, optimizer, members is not None, network, model.states)
        trainer_for(optimizer, method).engine(compute.engine, plan)  # raises before the pass over all rows
        samples = stream(X, model, model.classes, model.feature_names, options.class_weight)
        # The first pass over the rows measures the network's inputs and everything else.
        measured = [training.measure(network, model.states, samples, model.dtype)]
        features, classes = samples.features, samples.classes
    elif isinstance(X, Samples):
        samples = checks.check_known(X, y, network, weight, options.class_weight, model.target_scale)
        features, classes = model.feature_names, model.classes
    else:
        features = model.feature_names or frames.column_names(X)
        samples, classes = checks.check_samples(
            network,
            X,
            y,
            sample_weight=weight,
            class_weight=options.class_weight,
            classes=model.classes,
            features=features,
        )
    if isinstance(samples, Samples):
        samples = with_slopes(samples, options.slopes, options.slope_weight)
    elif options.slopes is not None:
        raise ConfigError(
            "slopes is for arrays; a source has none of its own, so omit slopes, or pass X and y."
        )
    held_out = _validation(model, options.validation_data, classes, features)
    if options.validation_fraction is not None and isinstance(samples, Samples):
        samples, held_out = split(samples, options.validation_fraction, model.seed)
    scale = _scale(model, wanted_scale, samples)
    samples, held_out = samples.scaled(scale), None if held_out is None else held_out.scaled(scale)
    plan = plan._replace(
        batch_size=min(samples.n, samples.n if size is None else size),
        streamed=samples.n if isinstance(samples, Stream) else None,
        shards=shards,
        reduce=compute.reduce,
        group=check_group(compute.group, members),
        slopes=isinstance(samples, Samples) and samples.slopes is not None,
    )
    if plan.slopes and method is not None and method.kind != "backpropagation":
        raise ConfigError(f"{method.kind} does not train on slopes; omit method, or slopes.")
    if options.verbose and distributed.is_first():
        from chainrule.training.listeners import ProgressBar

        watchers.insert(0, ProgressBar(options.verbose))
    is_new = (
        not model.steps_trained and options.resume is None and epochs and not isinstance(optimizer, Solver)
    )
    if is_new and isinstance(samples, Samples):
        labels = None if classes is None else classes.tolist()
        is_known = model.classes is not None
        said = on_targets(network.layers, network.loss, samples, labels, is_known)
        for sentence in (*on_codes(network.layers, samples), *said):
            hints.give(sentence)
    models = [model] if members is None else members
    if isinstance(samples, Samples):
        measured = training.measure_each(network, [one.states for one in models], samples, model.dtype)
        check_slopes(network, model.frozen, measured[0], samples)
    before = (
        *(model.classes, model.feature_names, model.target_scale, model.history, model.steps_trained),
        [one.states for one in models],
    )
    model.describe(classes, features, scale)
    for one, states in zip(models, measured, strict=True):
        one.states = states
    given = RunSettings(
        plan,
        optimizer,
        samples,
        held_out,
        epochs=epochs,
        schedule=schedule,
        factors=factors,
        metrics=names,
        shuffle=options.shuffle,
        callbacks=watchers,
        engine=compute.engine,
        method=method,
        trainer=trainer,
        order=order,
        resume=None if options.resume is None else Path(options.resume),
    )
    fitted = None
    try:
        history = training.fit(model, given)
        fitted = model
        return history
    except ChainruleError:
        *known, former_history, steps, formers = before
        if model.steps_trained == steps:
            model.describe(*known)
            model.history = former_history
            for one, former in zip(models, formers, strict=True):
                one.states = former
        raise
    finally:
        for watcher in watchers:
            watcher.on_fit_end(fitted)


def _check_scale(model: Any, wanted: bool | str | None) -> bool | str | None:
    """Return how to scale the targets; None for as before. Raises ConfigError if they cannot be scaled."""
    known: TargetScale | None = model.target_scale
    if wanted is not None and wanted != "clamp" and not isinstance(wanted, (bool, np.bool_)):
        raise ConfigError(f"scale_targets must be True, False, 'clamp' or None, not {wanted!r}.")
    if wanted is None or wanted == ("clamp" if known is not None and known.clamps else known is not None):
        return None
    if model.network.loss.targets != "real":
        raise ConfigError(
            f"scale_targets is for losses of numbers in any unit, not for {type(model.network.loss).__name__}; "
            "omit it."
        )
    if model.steps_trained:
        how = "standardized" if known is not None else "unscaled"
        if known is not None and wanted:
            how += (
                ", with predictions within their range" if known.clamps else ", with predictions of any size"
            )
        raise ConfigError(
            f"scale_targets is {wanted!r}, but the model was trained on targets {how}; "
            "omit it, or make a new model."
        )
    return wanted


def _scale(model: Any, wanted: bool | str | None, samples: Samples | Stream) -> TargetScale | None:
    """Return the scale of the targets: the one measured before, one measured now, or None."""
    if wanted is None:
        known: TargetScale | None = model.target_scale
        return known
    scale = samples.measure_targets(wanted == "clamp") if wanted else None
    if scale is not None and not np.isfinite(scale.std).all():
        raise DataError("y contains numbers too large to standardize; divide them first.")
    return scale


def _check_validation(data: object, fraction: float | None) -> None:
    """Check that data is None or validation data, and that there is no fraction beside it. Raises ConfigError."""
    if data is not None and fraction is not None:
        raise ConfigError("pass validation_data or validation_fraction, not both.")
    is_pair = isinstance(data, (tuple, list)) and len(data) == 2
    if not (data is None or is_pair or isinstance(data, (Samples, Source))):
        raise ConfigError("validation_data must be a pair (X, y), or a source.")


def _validation(
    model: Any,
    data: tuple[Any, Any] | Samples | Source | None,
    classes: NDArray[Any] | None,
    features: tuple[str, ...] | None,
) -> Samples | Stream | None:
    """Return the checked validation samples that were passed; None if there are none."""
    if data is None:
        return None
    if isinstance(data, Samples):
        return checks.check_known(data, None, model.network, scale=model.target_scale)
    if isinstance(data, ArraySource) and not data.functions:
        X, y, weight = data.given
        names = ("X of validation_data", "y of validation_data")
        return checks.check_samples(
            model.network, X, y, sample_weight=weight, classes=classes, features=features, names=names
        )[0]
    if isinstance(data, Source):
        return stream(data, model, classes, features)
    names = ("validation_data[0]", "validation_data[1]")
    return checks.check_samples(model.network, *data, classes=classes, features=features, names=names)[0]


def split(samples: Samples, fraction: float, seed: int) -> tuple[Samples, Samples]:
    """Split samples into training and validation samples, by the rows drawn by `split_rows`."""
    train, held_out = map(samples.take, training.split_rows(samples.n, fraction, seed))
    if not (train.weight.any() and held_out.weight.any()):
        raise DataError(
            "validation_fraction leaves only samples of weight 0 on one side; pass validation_data."
        )
    return train, held_out


# --- the settings of a training

REDUCE = {"tree": "the same bits for any number of processes", "psum": "the order that JAX takes"}
"""The ways to sum over processes."""


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


def check_precision(
    precision: str | None, dtype: DTypeLike, optimizer: object, method: Method | None = None
) -> str | None:
    """Check that precision is "bf16" or None and suits dtype, optimizer and method, and return it."""
    engines.check_precision(precision, dtype)
    way = named(optimizer) if isinstance(optimizer, Solver) else None if method is None else method.kind
    if precision is not None and way not in (None, "backpropagation"):
        raise ConfigError(f"{way} does not support bf16; omit {option('precision')}.")
    return precision


def check_group(group: object, members: object) -> int | None:
    """Check the number of members of an ensemble that one program trains, and return it; None for one by one."""
    if group is None:
        return None
    if members is None:
        raise ConfigError("group is for the members of an Ensemble, and a Model is one network; omit it.")
    return check_count(group, "group")
