"""A source as an argument of `fit`: checks of the other arguments, and the stream that the loop reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule import distributed
from chainrule.core import hints
from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.data import checks, frames
from chainrule.data.advice import on_codes, on_targets
from chainrule.data.samples import Samples, TargetScale
from chainrule.data.source import ArraySource, Source
from chainrule.data.stream import Stream
from chainrule.engines import Plan
from chainrule.errors import ChainruleError, ConfigError, DataError
from chainrule.formulas.layers import PiecewiseLinearEmbedding
from chainrule.formulas.optimizers import AnyOptimizer, GradientDescent, Optimizer, Solver
from chainrule.formulas.schedules import ReduceOnPlateau
from chainrule.network.network import Network
from chainrule.trained.evaluation import metric_names
from chainrule.training import fit as training
from chainrule.training import settings
from chainrule.training.callbacks import as_callbacks
from chainrule.training.history import History
from chainrule.training.options import FitOptions
from chainrule.training.run import Run, RunSettings, Trainer
from chainrule.training.settings import named


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


# --- check the arguments of `fit`, of a model or an ensemble, and train ----------------------------------------------


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
    method = settings.as_method(options.method, options.optimizer, options.schedule, compute.engine)
    optimizer = settings.as_optimizer(options.optimizer)
    schedule = settings.as_schedule(options.schedule.learning_rate, optimizer)
    factors = settings.as_factors(options.schedule, optimizer, network)
    precision = settings.check_precision(compute.precision, model.dtype, optimizer)
    device = settings.check_device(compute.device)
    names = metric_names(options.metrics, model.task, each_epoch=True)
    shards = settings.check_shards(compute, optimizer, method, members)
    epochs = checks.check_count(options.epochs, "epochs", 0)
    size = None if options.batch_size is None else checks.check_count(options.batch_size, "batch_size")
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
        training.trainer_for(optimizer, method).engine(
            compute.engine, plan
        )  # raises before the pass over all rows
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
    held_out = _validation(model, options.validation_data, classes, features)
    if options.validation_fraction is not None and isinstance(samples, Samples):
        samples, held_out = training.split(samples, options.validation_fraction, model.seed)
    scale = _scale(model, wanted_scale, samples)
    samples, held_out = samples.scaled(scale), None if held_out is None else held_out.scaled(scale)
    plan = plan._replace(
        batch_size=min(samples.n, samples.n if size is None else size),
        streamed=samples.n if isinstance(samples, Stream) else None,
        shards=shards,
        reduce=compute.reduce,
        group=settings.check_group(compute.group, members),
    )
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
