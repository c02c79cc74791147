"""Stop a run on request, and continue it: resume one that was stopped, or train a finished one for more epochs.

If the schedule depends on the number of epochs (one cycle, cosine, step decay), the additional epochs are a training of
their own, from the run's model, with a fresh optimizer and the schedule over them, like a second call of `Model.fit`.
With any other schedule the run continues from its last checkpoint, as if all epochs had been requested at once.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.datasets.column_files import source_of
from chainrule.errors import ConfigError, option
from chainrule.presets import BEST
from chainrule.recipe.data import Data
from chainrule.recipe.messages import VALUE
from chainrule.recipe.settings import NO_PRESET, Settings, as_text
from chainrule.training import Callback, Checkpoint, History, Run, checkpoint

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


def value_of(name: str, value: object) -> str:
    """Mark a value of an option."""
    return option(f"{VALUE}{name}", repr(value), as_text(name, value))


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
