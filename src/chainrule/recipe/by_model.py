"""Train a run by `Model.fit`, reported in events that count the epochs of the whole run: arrays, images, and files.

So is a table whose settings no estimator has.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.arrays import distinct
from chainrule.core.settings import describe
from chainrule.data.checks import check_seed
from chainrule.data.samples import Samples
from chainrule.data.source import ArraySource, Source
from chainrule.errors import ConfigError, FormatError, option
from chainrule.formulas.optimizers import AnyOptimizer, Solver
from chainrule.formulas.schedules import Schedule
from chainrule.model import Model, load
from chainrule.network.network import Network
from chainrule.recipe import build, longer
from chainrule.recipe.augmented import IMAGES
from chainrule.recipe.data import (
    Checked,
    Data,
    Parts,
    Rows,
    check,
    check_is_table,
    divide,
    image_shape,
    is_held_out,
    split,
)
from chainrule.recipe.folder import CHECKPOINT
from chainrule.recipe.judge import positive_class
from chainrule.recipe.longer import ON_REQUEST, PauseOnRequest, StopOnRequest
from chainrule.recipe.messages import call_to_resume, with_value
from chainrule.recipe.prepare import Earlier, Prepared, TrainedRun
from chainrule.recipe.settings import Settings
from chainrule.trained.persistence import network_config
from chainrule.training import (
    Callback,
    Checkpoint,
    Compute,
    CSVLog,
    EarlyStopping,
    History,
    Listener,
    Run,
    StopAt,
    TimeLimit,
    checkpoint,
)
from chainrule.training.events import Consumer, Event, Started
from chainrule.training.time_limit import Shortfall
from chainrule.training.without_backprop import Search

if TYPE_CHECKING:
    from chainrule.recipe.table_data import TableData


class ByModel(NamedTuple):
    """A training by `Model.fit`."""

    parts: Parts
    model: Model
    optimizer: Any
    """None, like the schedule, if the method makes its own steps"""
    schedule: Any
    method: Any
    """None for backpropagation"""

    @property
    def is_race(self) -> bool:
        """Whether several networks are fitted: never."""
        return False

    @property
    def estimator(self) -> None:
        """No estimator is fitted."""
        return None

    @property
    def watched(self) -> str:
        """The samples of the val_ columns of the history: validation or test."""
        return "validation" if self.parts.held_out else self.parts.judged_name

    def table(self, run: Prepared) -> TableData | None:
        """Return the table of a run; None for other data."""
        return run.data.table

    def held_out(self, run: Prepared, trained: int) -> tuple[int, int]:
        """Return the samples to validate on and those to test on."""
        parts = self.parts
        return parts.held_out * parts.watched.n, (parts.judged_name == "test") * parts.judged.n

    def config(self) -> dict[str, Any]:
        """Return its entries of config.json."""
        made = {"optimizer": self.optimizer, "schedule": self.schedule, "method": self.method}
        return {
            "network": network_config(self.model.network),
            **{name: None if value is None else describe(value) for name, value in made.items()},
        }

    def train(self, run: Prepared, listen: Consumer, stop: threading.Event | None = None) -> TrainedRun:
        """Fit the model, from the last checkpoint of this training if there is one."""
        settings, parts, model = run.settings, self.parts, self.model
        path, before = run.place / CHECKPOINT, len(run.records)
        samples: Samples | Source = parts.train if run.data.stream is None else run.data.stream
        if settings.augment and run.image is not None:
            samples = augmented_source(parts.train, run.image, model.classes)
        history = model.fit(
            samples,
            epochs=(settings.epochs or 0) - before,
            batch_size=settings.batch_size,
            optimizer=self.optimizer,
            schedule=self.schedule,
            validation_data=parts.watched,
            scale_targets=True if model.network.loss.targets == "real" else None,
            callbacks=self.callbacks(run, listen, stop),
            clip=settings.clip_norm,
            resume=path if is_of_this_training(path, before) else None,
            engine=Compute(
                settings.engine, settings.device, settings.precision, settings.shards, settings.reduce
            ),
            method=self.method,
        )
        return TrainedRun(run, model, parts, History([*run.records, *history.records], history.stopped))

    def callbacks(
        self, run: Prepared, listen: Consumer, stop: threading.Event | None = None
    ) -> list[Callback]:
        """Make the callbacks of a run: its listener, its log, early and requested stops, its checkpoint."""
        settings, place = run.settings, run.place
        log, path = CSVLog(place / "history.csv"), place / CHECKPOINT
        can_resume = not isinstance(self.optimizer, Solver)  # SciPy does not expose its state

        def tell(event: Event) -> None:
            event = of_whole_run(event, run.records)
            if isinstance(event, Started):
                run.write_changes()
            listen(event)
            log.on_event(event)

        chosen: list[Callback] = [Listener(tell)]
        if settings.target is not None:
            chosen.append(StopAt("val_accuracy", settings.target))
        if settings.patience is not None:
            watch = ("val_loss", settings.patience)
            is_longer = bool(run.earlier)
            chosen.append(LongerStopping(*watch, run.records) if is_longer else EarlyStopping(*watch))
        if settings.time_limit is not None:
            chosen.append(RunLimit(settings.time_limit))
        if can_resume:
            chosen.append(Checkpoint(path, settings.checkpoint_steps))
        if stop is not None:
            chosen.append(PauseOnRequest(stop, path) if can_resume else StopOnRequest(stop))
        return chosen

    def can_grow(self, run: Prepared) -> bool:
        """Return whether a finished run can have more epochs: always."""
        return True

    def taken_up(self, run: Prepared, config: dict[str, Any], epochs: int | None) -> Prepared:
        """Return the run of a folder in its current state, which may be trained for more epochs."""
        place = run.place
        earlier = earlier_of(config, f"{place / 'config.json'}")
        history = longer.recorded(place)
        done = history if is_finished(history, run.settings.epochs or 0, earlier) else None
        if epochs is not None and epochs > (run.settings.epochs or 0):
            if starts_anew(run, self.optimizer, self.schedule, done, epochs):
                assert done is not None
                earlier = (*earlier, Earlier(run.given.epochs, len(done)))
            given, settings = (dataclasses.replace(each, epochs=epochs) for each in (run.given, run.settings))
            run, done = run._replace(given=given, settings=settings), None
        before, model = trained_by(earlier), self.model
        if before and config["data"].get("fingerprint", run.fingerprint) != run.fingerprint:
            raise ConfigError(
                f"the run in {place} was made with other data; train it longer with the same data."
            )
        if before and len(history or ()) < before:
            raise FormatError(
                f"{place / 'history.json'} does not contain the {before} epochs before this training; restore it."
            )
        if before or done is not None:
            model = read_model(place, self.model)
            if model.labels != self.model.labels:  # the samples were checked with these
                raise ConfigError(f"the run in {place} was made with other data; restore them.")
        records = tuple(history.records[:before] if history else ())
        run = run._replace(training=self._replace(model=model), earlier=earlier, records=records)
        return run if done is None else run._replace(done=TrainedRun(run, model, self.parts, done))


def starts_anew(
    run: Prepared,
    optimizer: AnyOptimizer | None,
    schedule: Schedule | None,
    done: History | None,
    epochs: int,
) -> bool:
    """Return whether more epochs are a training of their own; False if the run continues from its checkpoint.

    Raises ConfigError if the run is unfinished and its schedule depends on its end, or if it would stop at once.
    """
    place = run.place
    if isinstance(optimizer, Solver):  # it has no checkpoints, and repeats its iterations
        return False
    looks_ahead = schedule is not None and schedule.looks_ahead
    if done is None:
        if looks_ahead:
            raise ConfigError(
                f"{option('epochs')} is {epochs}, but the run in {place} has not finished its "
                f"{run.settings.epochs} epochs, on "
                f"which {run.settings.schedule} depends; finish it first: {call_to_resume(place)}."
            )
        return False
    target = run.settings.target
    if target is not None and done.stopped and done[-1].get("val_accuracy", 0.0) >= target:
        raise ConfigError(
            f"the run in {place} reached its {option('target')} of {target:g} and would stop at once; "
            "start another run."
        )
    return looks_ahead or done.stopped is not None or not (place / CHECKPOINT).is_file()


def read_model(place: Path, model: Model) -> Model:
    """Read the model of a folder. Raises FormatError if its network, precision or seed is not the run's."""
    found = load(place / "model.safetensors")
    same = network_config(found.network) == network_config(model.network)
    if not same or found.dtype != model.dtype or found.seed != model.seed:
        raise FormatError(f"{place / 'model.safetensors'} is not the model of this run; restore it.")
    return found


def is_of_this_training(path: Path, before: int) -> bool:
    """Return whether a checkpoint is from the training that started after this many epochs, not from an earlier one."""
    return path.is_file() and (before == 0 or checkpoint.read(path)["epochs_before"] == before)


def is_finished(history: History | None, epochs: int, earlier: tuple[Earlier, ...]) -> bool:
    """Return whether a run of this many epochs is finished: they were trained, or the last training was stopped."""
    if history is None or history.stopped == ON_REQUEST:
        return False
    return len(history) >= epochs or (history.stopped is not None and len(history) > trained_by(earlier))


def trained_by(earlier: tuple[Earlier, ...]) -> int:
    """Return the number of epochs of all earlier trainings."""
    return earlier[-1].trained if earlier else 0


def earlier_of(config: dict[str, Any], path: str) -> tuple[Earlier, ...]:
    """Return the earlier trainings listed in config.json. Raises FormatError if the list is not valid."""
    place = f"'earlier' in {path}"
    found = codec.read(
        tuple[Earlier, ...], config.get("earlier", []), place, lambda fault: FormatError(f"{fault}.")
    )
    ends = [0, *(each.trained for each in found)]
    if not all(before < after for before, after in pairwise(ends)):
        raise FormatError(f"{place} must have more epochs each time.")
    return found


class LongerStopping(EarlyStopping):
    """Early stopping in a run that is trained longer: the best epoch may be an earlier one."""

    def __init__(self, monitor: str, patience: int, records: Sequence[dict[str, float]]) -> None:
        """Store the records of the earlier epochs, which may include the best."""
        super().__init__(monitor, patience)
        self.records = records

    def on_train_begin(self, run: Run) -> None:
        """Keep the initial model as the best so far."""
        super().on_train_begin(run)
        if run.step == 0:
            values = [self.sign * record[self.monitor] for record in self.records]
            values = [-math.inf if math.isnan(value) else value for value in values]
            self.best = max(values)
            self.best_epoch = values.index(self.best) + 1 - len(values)
            self.kept = run.snapshot()

    def reason(self) -> str:
        """Return the reason of the stop, with epochs counted over the whole run."""
        return f"{self.monitor} has not improved since epoch {len(self.records) + self.best_epoch}"


def augmented_source(samples: Samples, shape: tuple[int, int], classes: NDArray[Any] | None) -> ArraySource:
    """Return the samples of a run as a source that distorts them in each epoch.

    shape: (height, width) of an image.  classes: the labels, if y is class indices.
    """
    y = samples.y if classes is None else classes[samples.y.reshape(-1).astype(np.int64)]
    made: ArraySource = ArraySource(samples.X, y, samples.weight).map(
        dataclasses.replace(IMAGES, shape=shape)
    )
    return made


class CheckedRun(NamedTuple):
    """The settings of a run and its data, checked against each other, and what is built of them."""

    settings: Settings
    """with a value for each that was left open"""
    network: Network
    data: Checked
    rows: Rows | None
    """those for training and those held out; None where no samples are divided"""
    method: Any
    optimizer: AnyOptimizer | None
    """None of a search, as the schedule"""
    schedule: Schedule | None


def check_run(data: Data, given: Settings, resolved: Settings | None = None) -> CheckedRun:
    """Check the settings and the data, also for a run whose network an estimator builds.

    resolved: the settings as resolved by an earlier start of the same run.
    """
    given.check_types()
    check_seed(given.seed)
    if given.members is not None:
        raise ConfigError(
            f"{option('members')} belongs to a preset, and this is a plain network; omit it, or train a table with "
            f"{with_value('preset', 'fast')}."
        )
    for name in ("target_column", "header", "sheet", "exclude_columns", "decimal", "encoding"):
        if getattr(given, name) is not None:
            check_is_table(data, name)
    if given.augment and image_shape(data.train) is None:
        raise ConfigError(f"{option('augment')} distorts images, and {data.name} has none; omit it.")
    rows = split(data, given.validation_fraction, given.seed)
    held_out = is_held_out(data, rows)
    settings = build.resolve(
        given if resolved is None else resolved, data.train, is_table=data.table is not None
    )
    build.check(settings, held_out)
    if settings.positive is not None:
        is_label = build.make_loss(settings).targets in ("binary", "classes") and data.train.y.ndim == 1
        positive_class(settings.positive, distinct(data.train.y).tolist() if is_label else [])
    codes = None if data.table is None else data.table.preprocessor.embedded_
    network = build.network(settings, data.train, codes)
    checked = check(data, network)
    method = build.method(settings)
    if isinstance(method, Search):
        return CheckedRun(settings, network, checked, rows, method, None, None)
    optimizer, schedule = build.optimizer(settings), build.schedule(settings, held_out)
    return CheckedRun(settings, network, checked, rows, method, optimizer, schedule)


def prepare(data: Data, given: Settings, resolved: Settings | None = None) -> Prepared:
    """Check the settings and the data, and build the model; see `check_run`."""
    made = check_run(data, given, resolved)
    settings, samples = made.settings, made.data
    model = Model(made.network, seed=settings.seed, dtype=settings.dtype)
    if data.table is not None:
        model.feature_names = data.table.preprocessor.get_feature_names_out().tolist()
    model.classes = samples.classes
    training = ByModel(divide(samples, made.rows), model, made.optimizer, made.schedule, made.method)
    return Prepared(data, given, settings, training, samples.train.fingerprint())


def of_whole_run(event: Event, records: Sequence[Mapping[str, float]]) -> Event:
    """Return an event whose epochs count from the start of the run. records: the epochs of earlier trainings."""
    before = len(records)
    event = dataclasses.replace(event, epoch=event.epoch + before, epochs=event.epochs + before)
    return (
        dataclasses.replace(event, records=(*map(dict, records), *event.records))
        if isinstance(event, Started)
        else event
    )


class RunLimit(TimeLimit):
    """The time limit of a run, whose reason is reported at its end even within the first epoch."""

    def warn(self, shortfall: Shortfall) -> None:
        """Do nothing: the reason of the stop reports it."""
