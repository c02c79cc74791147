"""Train a run by `Model.fit`, reported in events that count the epochs of the whole run: arrays, images, and files.

So is a table whose settings no estimator has.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.core.arrays import distinct
from chainrule.core.settings import describe
from chainrule.data.checks import check_seed
from chainrule.data.samples import Samples
from chainrule.data.source import Source
from chainrule.errors import ConfigError, FormatError, option
from chainrule.formulas.optimizers import Solver
from chainrule.model import Model
from chainrule.recipe import augmented, build, longer
from chainrule.recipe.data import Data, Parts, check, check_is_table, divide, image_shape, is_held_out, split
from chainrule.recipe.folder import CHECKPOINT
from chainrule.recipe.judge import positive_class
from chainrule.recipe.longer import PauseOnRequest, StopOnRequest
from chainrule.recipe.messages import with_value
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
    StopAt,
    TimeLimit,
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
            samples = augmented.source(parts.train, run.image, model.classes)
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
            resume=path if longer.is_of_this_training(path, before) else None,
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
            chosen.append(longer.LongerStopping(*watch, run.records) if is_longer else EarlyStopping(*watch))
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
        earlier = longer.earlier_of(config, f"{place / 'config.json'}")
        history = longer.recorded(place)
        done = history if longer.is_finished(history, run.settings.epochs or 0, earlier) else None
        if epochs is not None and epochs > (run.settings.epochs or 0):
            if longer.starts_anew(run, self.optimizer, self.schedule, done, epochs):
                assert done is not None
                earlier = (*earlier, Earlier(run.given.epochs, len(done)))
            given, settings = (dataclasses.replace(each, epochs=epochs) for each in (run.given, run.settings))
            run, done = run._replace(given=given, settings=settings), None
        before, model = longer.trained_by(earlier), self.model
        if before and config["data"].get("fingerprint", run.fingerprint) != run.fingerprint:
            raise ConfigError(
                f"the run in {place} was made with other data; train it longer with the same data."
            )
        if before and len(history or ()) < before:
            raise FormatError(
                f"{place / 'history.json'} does not contain the {before} epochs before this training; restore it."
            )
        if before or done is not None:
            model = longer.read_model(place, self.model)
            if model.labels != self.model.labels:  # the samples were checked with these
                raise ConfigError(f"the run in {place} was made with other data; restore them.")
        records = tuple(history.records[:before] if history else ())
        run = run._replace(training=self._replace(model=model), earlier=earlier, records=records)
        return run if done is None else run._replace(done=TrainedRun(run, model, self.parts, done))


def prepare(data: Data, given: Settings, resolved: Settings | None = None) -> Prepared:
    """Check the settings and the data, and build the model.

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
    prepared = None if data.table is None else data.table.preprocessor
    codes = None if prepared is None else prepared.embedded_
    network = build.network(settings, data.train, codes)
    model = Model(network, seed=settings.seed, dtype=settings.dtype)
    if prepared is not None:
        model.feature_names = prepared.get_feature_names_out().tolist()
    checked = check(data, model.network)
    model.classes = checked.classes
    method = build.method(settings)
    is_search = isinstance(method, Search)
    training = ByModel(
        divide(checked, rows),
        model,
        None if is_search else build.optimizer(settings),
        None if is_search else build.schedule(settings, held_out),
        method,
    )
    return Prepared(data, given, settings, training, checked.train.fingerprint())


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
