"""A run that is done, and how it is trained longer.

A schedule that looks ahead to the end of the run (one cycle, cosine, step decay) has come to that end: the further
epochs are a training of their own, from the run's model, with a fresh optimizer and the schedule over them, as a second
call of `Model.fit` makes it. At any other schedule the run goes on from its last checkpoint, as if all epochs had been
asked for at once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.errors import ConfigError, FormatError
from chainrule.formulas.optimizers import Solver
from chainrule.model import Model, load
from chainrule.recipe.commands import Earlier
from chainrule.recipe.naming import PYTHON, Names
from chainrule.recipe.prepare import Prepared
from chainrule.trained.persistence import network_config
from chainrule.training import EarlyStopping, History, Run, checkpoint

ON_REQUEST = "on request"
"""Why a run was stopped that goes on, when it is resumed, as if it had never been stopped."""


def earlier_of(config: dict[str, Any], path: str) -> tuple[Earlier, ...]:
    """What config.json says of earlier trainings. Raises FormatError where it does not say it."""
    entries = config.get("earlier", [])
    if not isinstance(entries, list):
        raise FormatError(f"{path} has {entries!r:.60} for 'earlier', which must be a list.")
    found, last = list[Earlier](), 0
    for entry in entries:
        values = (entry.get("epochs"), entry.get("trained")) if isinstance(entry, dict) else (None, None)
        asked, trained = values
        if not (asked is None or type(asked) is int) or type(trained) is not int or trained <= last:
            raise FormatError(f"{path} has an earlier training without its epochs.")
        found.append(Earlier(asked, trained))
        last = trained
    return tuple(found)


def taken_up(run: Prepared, config: dict[str, Any], epochs: int | None, named: Names = PYTHON) -> Prepared:
    """The run of a folder as it stands, with its history where it is done.

    epochs: how many it is to be trained for in all; None for as many as it was asked for.
    """
    place = run.place
    earlier = earlier_of(config, f"{place / 'config.json'}")
    history = recorded(place)
    done = history if is_finished(history, run.settings.epochs or 0, earlier) else None
    if epochs is not None and epochs > (run.settings.epochs or 0):
        if starts_anew(run, done, epochs, named):
            assert done is not None
            earlier = (*earlier, Earlier(run.given.epochs, len(done)))
        given, settings = (dataclasses.replace(each, epochs=epochs) for each in (run.given, run.settings))
        run, done = run._replace(given=given, settings=settings), None
    before = trained_by(earlier)
    if before and config["data"].get("fingerprint", run.fingerprint) != run.fingerprint:
        raise ConfigError(
            f"the run in {place} was made with other data; train longer with the data of that run."
        )
    if before and len(history or ()) < before:
        raise FormatError(
            f"{place / 'history.json'} does not contain the {before} epochs before this training; bring it back."
        )
    if before or done is not None:
        model = read_model(place, run.model)
        if model.labels != run.model.labels:  # by which the samples were checked
            raise ConfigError(f"the run in {place} was made with other data; bring those back.")
        run = run._replace(model=model)
    records = tuple(history.records[:before] if history else ())
    return run._replace(earlier=earlier, records=records, done=done)


def starts_anew(run: Prepared, done: History | None, epochs: int, named: Names = PYTHON) -> bool:
    """Whether more epochs are a training of their own; False where the run goes on as if asked for them at once.

    Raises ConfigError where the run is not done and its schedule looks ahead, and where it would stop at once.
    """
    place = run.place
    if isinstance(run.optimizer, Solver):  # it has no checkpoints, and its iterations are the same again
        return False
    looks_ahead = run.schedule is not None and run.schedule.looks_ahead
    if done is None:
        if looks_ahead:
            raise ConfigError(
                f"{named('epochs')} is {epochs}, but the run in {place} has not come to the end of its "
                f"{run.settings.epochs}, to which {run.settings.schedule} looks ahead; "
                f"finish it first: {named.resume(place)}."
            )
        return False
    target = run.settings.target
    if target is not None and done.stopped and done[-1].get("val_accuracy", 0.0) >= target:
        raise ConfigError(
            f"the run in {place} reached its {named('target')} of {target:g} and would stop again at once; "
            "start another run."
        )
    return looks_ahead or done.stopped is not None or not (place / "checkpoint.safetensors").is_file()


def recorded(place: Path) -> History | None:
    """The history of the last training that a folder contains the results of; None where it contains none."""
    if not all((place / name).is_file() for name in ("model.safetensors", "history.json", "metrics.json")):
        return None
    try:
        found = History.from_json((place / "history.json").read_text("utf-8"))
        whole = all(map(checkpoint.is_record, found)) and isinstance(found.stopped, str | None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # the checkpoint contains it too
    return found if whole else None


def is_finished(history: History | None, epochs: int, earlier: tuple[Earlier, ...]) -> bool:
    """Whether a run of so many epochs is done: they were trained, or the last training was stopped."""
    if history is None or history.stopped == ON_REQUEST:
        return False
    return len(history) >= epochs or (history.stopped is not None and len(history) > trained_by(earlier))


def trained_by(earlier: tuple[Earlier, ...]) -> int:
    """Epochs of all earlier trainings together."""
    return earlier[-1].trained if earlier else 0


def read_model(place: Path, model: Model) -> Model:
    """The model that a folder contains, which must be of the run's network."""
    found = load(place / "model.safetensors")
    same = network_config(found.network) == network_config(model.network)
    if not same or found.dtype != model.dtype or found.seed != model.seed:
        raise FormatError(f"{place / 'model.safetensors'} is not the model of this run; bring that back.")
    return found


def is_of_this_training(path: Path, before: int) -> bool:
    """Whether a checkpoint was written by the training that began after so many epochs, not by an earlier one."""
    return path.is_file() and (before == 0 or checkpoint.read(path)["epochs_before"] == before)


class LongerStopping(EarlyStopping):
    """Early stopping in a run that is trained longer: its model counts, and epochs are those of the whole run."""

    def __init__(self, monitor: str, patience: int, records: Sequence[dict[str, float]]) -> None:
        """records: of the earlier epochs."""
        super().__init__(monitor, patience)
        self.records = records

    def on_train_begin(self, run: Run) -> None:
        """The model to begin with is the best so far."""
        super().on_train_begin(run)
        if run.step == 0:
            values = [self.sign * record[self.monitor] for record in self.records]
            values = [-math.inf if math.isnan(value) else value for value in values]
            self.best = max(values)
            self.best_epoch = values.index(self.best) + 1 - len(values)
            self.kept = run.snapshot()

    def reason(self) -> str:
        """Why the run is stopped."""
        return f"{self.monitor} has not improved since epoch {len(self.records) + self.best_epoch}"
