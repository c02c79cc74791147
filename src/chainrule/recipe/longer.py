"""Stop a run on request, and continue it: resume one that was stopped, or train a finished one for more epochs.

If the schedule depends on the number of epochs (one cycle, cosine, step decay), the additional epochs are a training of
their own, from the run's model, with a fresh optimizer and the schedule over them, like a second call of `Model.fit`.
With any other schedule the run continues from its last checkpoint, as if all epochs had been requested at once.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from chainrule.core import codec
from chainrule.datasets.column_files import source_of
from chainrule.errors import ConfigError, FormatError, option
from chainrule.formulas.optimizers import AnyOptimizer, Solver
from chainrule.formulas.schedules import Schedule
from chainrule.model import Model, load
from chainrule.presets import BEST
from chainrule.recipe.data import Data
from chainrule.recipe.folder import CHECKPOINT
from chainrule.recipe.messages import call_to_resume, value_of
from chainrule.recipe.prepare import Earlier, Prepared
from chainrule.recipe.settings import NO_PRESET, Settings
from chainrule.trained.persistence import network_config
from chainrule.training import Callback, Checkpoint, EarlyStopping, History, Run, checkpoint

ON_REQUEST = "on request"
"""The reason of a stop after which a resumed run continues as if it had never been stopped."""
BY_HAND = "by Ctrl-C"
"""The reason of a stop with which a run of an estimator ends early."""


class StopOnRequest(Callback):
    """End a run after an epoch once a `threading.Event` is set."""

    looks_inside = False

    def __init__(self, request: threading.Event) -> None:
        """Store the event that requests the stop."""
        self.request = request

    def on_epoch_end(self, run: Run) -> None:
        """Stop if requested, unless the run is at its end anyway."""
        if self.request.is_set() and run.history.stopped is None and run.epoch < run.epochs:
            run.stop(ON_REQUEST)


class PauseOnRequest(StopOnRequest, Checkpoint):
    """End a run within an epoch once a `threading.Event` is set, with a checkpoint that resumes it exactly there."""

    def __init__(self, request: threading.Event, path: Path, within_epochs: bool = True) -> None:
        """path: that of the checkpoint that the run writes after each epoch, just before this is called.

        within_epochs: False to end it only after one, as an ensemble does, whose members may be at different steps.
        """
        StopOnRequest.__init__(self, request)
        Checkpoint.__init__(self, path)
        self.within_epochs = within_epochs

    def on_steps(self, run: Run) -> None:
        """Write a checkpoint within the epoch, then stop."""
        is_one = (
            self.within_epochs and run.theta.ndim == 1
        )  # few rows of a table have members that nobody asked for
        if is_one and self.request.is_set() and run.history.stopped is None:
            checkpoint.write(self.path, run)
            run.stop(ON_REQUEST)


def agreed(
    place: Path,
    config: Mapping[str, Any],
    given: Settings,
    chosen: Sequence[str],
    data: Data | str | None,
    what: str = "run",
    resolved: Settings | None = None,
) -> Settings:
    """Check the given settings and data against those in a folder, and return its settings.

    chosen: names of the settings that must be equal.  what: run or search.  resolved: the settings of a run that may be
    trained longer, to more epochs than these; None if all must be equal.
    """
    asked = Settings.from_json(config["settings"], f"{place / 'config.json'}")
    given.check_types()
    grows = growing(resolved)
    for name in chosen:
        mine, theirs = getattr(given, name), getattr(resolved if name == grows else asked, name)
        if mine == theirs or (name == grows and is_more(name, mine, theirs)):
            continue
        if name == "preset" and resolved is not None and mine == (resolved.preset or NO_PRESET):
            continue  # the default, by its name
        was = "without it" if theirs is None else f"with {value_of(name, theirs)}"
        raise ConfigError(
            f"{option(name)} is {value_of(name, mine)}, but the {what} in {place} was started {was}; omit "
            "it" + (", or give more to train it longer." if name == grows else ".")
        )
    source = config["data"]["source"]
    if data is None and not source:
        raise ConfigError(
            f"the {what} in {place} was made with arrays; continue it in Python, with the same arrays."
        )
    name = data.text or "arrays" if isinstance(data, Data) else data or ""
    sources = (data.source,) if isinstance(data, Data) else (name, f"{Path(name).resolve()}", source_of(name))
    if data is not None and source not in sources:
        raise ConfigError(
            f"{option('data')} is {name}, but the {what} in {place} was started with {source or 'arrays'}; "
            "name that."
        )
    if grows == "time_limit" and grows in chosen:
        return dataclasses.replace(asked, time_limit=given.time_limit)
    return asked


def growing(resolved: Settings | None) -> str | None:
    """Return the setting of which a resumed run may have more: its epochs, or the seconds of a race."""
    if resolved is None:
        return None
    return "time_limit" if resolved.preset == BEST else "epochs"


def is_more(name: str, mine: float | None, theirs: float | None) -> bool:
    """Return whether a resumed run is to be trained at least as long as before."""
    if name == "time_limit" and theirs is None:
        from chainrule.race.state import SECONDS

        theirs = SECONDS
    return mine is None or (theirs is not None and mine > theirs)


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


def recorded(place: Path) -> History | None:
    """Return the history of the last training whose results a folder contains; None if there are none."""
    if not all((place / name).is_file() for name in ("model.safetensors", "history.json", "metrics.json")):
        return None
    try:
        found = History.from_json((place / "history.json").read_text("utf-8"))
        whole = all(map(checkpoint.is_record, found)) and isinstance(found.stopped, str | None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # the checkpoint contains it too
    return found if whole else None


def is_finished(history: History | None, epochs: int, earlier: tuple[Earlier, ...]) -> bool:
    """Return whether a run of this many epochs is finished: they were trained, or the last training was stopped."""
    if history is None or history.stopped == ON_REQUEST:
        return False
    return len(history) >= epochs or (history.stopped is not None and len(history) > trained_by(earlier))


def trained_by(earlier: tuple[Earlier, ...]) -> int:
    """Return the number of epochs of all earlier trainings."""
    return earlier[-1].trained if earlier else 0


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
