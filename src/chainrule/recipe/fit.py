"""Train a run: `Model.fit` with its settings, reported in events that count the epochs of the whole run."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from chainrule.data.samples import Samples
from chainrule.data.source import Source
from chainrule.formulas.optimizers import Solver
from chainrule.model import Model
from chainrule.recipe import augmented, folder, longer
from chainrule.recipe.prepare import Prepared
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


def train(prepared: Prepared, listen: Consumer, stop: threading.Event | None = None) -> History:
    """Fit the model, from the last checkpoint of this training if there is one; return the history of the whole run."""
    settings, parts, model = prepared.settings, prepared.parts, prepared.model
    assert isinstance(model, Model)  # ensembles belong to presets
    path, before = prepared.place / "checkpoint.safetensors", len(prepared.records)
    samples: Samples | Source = parts.train if prepared.data.stream is None else prepared.data.stream
    if settings.augment and prepared.image is not None:
        samples = augmented.source(parts.train, prepared.image, model.classes)
    history = model.fit(
        samples,
        epochs=(settings.epochs or 0) - before,
        batch_size=settings.batch_size,
        optimizer=prepared.optimizer,
        schedule=prepared.schedule,
        validation_data=parts.watched,
        scale_targets=True if model.network.loss.targets == "real" else None,
        callbacks=callbacks(prepared, listen, stop),
        clip=settings.clip_norm,
        resume=path if longer.is_of_this_training(path, before) else None,
        engine=Compute(
            settings.engine, settings.device, settings.precision, settings.shards, settings.reduce
        ),
        method=prepared.method,
    )
    return History([*prepared.records, *history.records], history.stopped)


def callbacks(prepared: Prepared, listen: Consumer, stop: threading.Event | None = None) -> list[Callback]:
    """Make the callbacks of a run: its listener, its log, early and requested stops, its checkpoint."""
    settings, place = prepared.settings, prepared.place
    log, path = CSVLog(place / "history.csv"), place / "checkpoint.safetensors"
    can_resume = not isinstance(prepared.optimizer, Solver)  # SciPy does not expose its state

    def tell(event: Event) -> None:
        event = of_whole_run(event, prepared.records)
        if isinstance(event, Started) and folder.read_config(place)["resolved"]["epochs"] != settings.epochs:
            folder.write_config(place, prepared.config())  # if it is trained longer
        listen(event)
        log.on_event(event)

    chosen: list[Callback] = [Listener(tell)]
    if settings.target is not None:
        chosen.append(StopAt("val_accuracy", settings.target))
    if settings.patience is not None:
        watch = ("val_loss", settings.patience)
        is_longer = bool(prepared.earlier)
        chosen.append(longer.LongerStopping(*watch, prepared.records) if is_longer else EarlyStopping(*watch))
    if settings.time_limit is not None:
        chosen.append(RunLimit(settings.time_limit))
    if can_resume:
        chosen.append(Checkpoint(path, settings.checkpoint_steps))
    if stop is not None:
        chosen.append(PauseOnRequest(stop, path) if can_resume else StopOnRequest(stop))
    return chosen


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


class StopOnRequest(Callback):
    """End a run after an epoch once a `threading.Event` is set."""

    looks_inside = False

    def __init__(self, request: threading.Event) -> None:
        """Store the event that requests the stop."""
        self.request = request

    def on_epoch_end(self, run: Run) -> None:
        """Stop if requested, unless the run is at its end anyway."""
        if self.request.is_set() and run.history.stopped is None and run.epoch < run.epochs:
            run.stop(longer.ON_REQUEST)


class PauseOnRequest(StopOnRequest, Checkpoint):
    """End a run within an epoch once a `threading.Event` is set, with a checkpoint that resumes it exactly there."""

    def __init__(self, request: threading.Event, path: Path) -> None:
        """path: that of the checkpoint that the run writes after each epoch, just before this is called."""
        StopOnRequest.__init__(self, request)
        Checkpoint.__init__(self, path)

    def on_steps(self, run: Run) -> None:
        """Write a checkpoint within the epoch, then stop."""
        if self.request.is_set() and run.history.stopped is None:
            checkpoint.write(self.path, run)
            run.stop(longer.ON_REQUEST)
