"""The base of all trackers: a callback that keeps each fit as a run of a tracker."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from chainrule import distributed
from chainrule.core.settings import describe
from chainrule.errors import ChainruleError, ConfigError
from chainrule.tracking.follow import Follow, Guard, cause
from chainrule.tracking.tracked import Setting, TrackedRun, flat
from chainrule.training.callbacks import Callback
from chainrule.training.events import Event
from chainrule.training.listeners import Listener
from chainrule.training.run import Run


class NowTracked:
    """The fit that a tracker follows now, and the key of its last run. A copy of it has neither."""

    def __init__(self) -> None:
        """Begin without a fit."""
        self.given: Mapping[str, Setting] = {}
        self.follow: Follow | None = None
        self.last: str | None = None
        self.lock = threading.Lock()

    def begin(self, given: Mapping[str, Setting]) -> None:
        """Note the settings of a fit, which has no run so far."""
        self.given, self.follow = given, None

    def track(self, follow: Follow) -> None:
        """Note the run of the fit."""
        self.follow, self.last = follow, follow.run.key

    def __reduce__(self) -> tuple[type[NowTracked], tuple[()]]:
        """Return what makes a copy, as of a cloned estimator or in another process."""
        return NowTracked, ()


class Tracker(Listener):
    """A callback that keeps each fit as a run: of a `Model`, of an estimator, or of several networks in a race.

    A model that is trained further by the same object goes on in the same run. In a run of several processes only
    process 0 writes. What goes wrong while the training runs is a warning, once, and the training goes on; a run that
    cannot begin is a ConfigError.
    """

    follows_several = True

    def __init__(self) -> None:
        """Begin without a run."""
        super().__init__(self.tell)
        self.now = NowTracked()

    def tell(self, event: Event) -> None:
        """Write what an event says into the run of the fit, if it has one."""
        if self.now.follow is not None:
            self.now.follow.on_event(event)

    @property
    def name(self) -> str:
        """The tracker's name in messages."""
        return type(self).__name__

    @abstractmethod
    def open(self, earlier: str | None) -> TrackedRun:
        """Open a run. earlier: the key of the one to go on with; None for a new one."""

    def interrupted(self) -> str | None:
        """Return the key of the run of a training that is resumed, if this is known where it is kept."""
        return None

    def begin(
        self, settings: Mapping[str, Setting], earlier: str | None = None, epochs: int = 0, steps: int = 0
    ) -> Follow:
        """Open a run, and return the callback that writes the events of a training into it.

        The caller completes it by its `close`.  epochs, steps: those of the model before this training.
        Raises ConfigError if it cannot be opened.
        """
        try:
            run = self.open(earlier)
        except ChainruleError:
            raise
        except Exception as error:
            raise ConfigError(f"{self.name} cannot begin a run: {cause(error)}.") from error
        made = Follow(run, Guard(self.name), epochs, steps)
        made.describe(settings)
        return made

    @property
    def followed(self) -> Follow:
        """What writes into the run of the fit."""
        assert self.now.follow is not None
        return self.now.follow

    # --- the hooks of a callback ------------------------------------------------------------------------------------

    def on_fit_begin(self, settings: Mapping[str, Any]) -> None:
        """Note the parameters of an estimator, before any of its trainings."""
        self.now.begin(flat(settings))

    def on_train_begin(self, run: Run) -> None:
        """Open a run, unless the fit has one."""
        if not distributed.is_first():
            return
        if self.now.follow is None:
            earlier = None
            if run.step:
                earlier = self.now.last or self.interrupted()
            elif run.epochs_before:
                earlier = self.now.last
            steps = run.trained[1] - run.step
            settings = settings_of(run) | dict(self.now.given)
            self.now.track(self.begin(settings, earlier, run.epochs_before, steps))
        super().on_train_begin(run)

    def part(self, name: str, settings: Mapping[str, Any]) -> Callback:
        """Return the callback of one of several networks of a fit."""
        with self.now.lock:
            if self.now.follow is None:
                self.now.track(self.begin(self.now.given))
        return self.followed.part(name, settings)

    def on_judged(self, figures: Mapping[str, float]) -> None:
        """Write figures of the finished model."""
        if self.now.follow is not None:
            self.now.follow.on_judged(figures)

    def on_fit_end(self, fitted: object) -> None:
        """Complete the run, with the model if the tracker keeps it."""
        if self.now.follow is not None:
            self.now.follow.close(fitted)
        self.now.begin({})


def settings_of(run: Run) -> dict[str, Setting]:
    """Return the settings of a run: network, optimizer, schedule, sizes, seed."""
    given, plan = run.settings, run.plan
    found = {
        "network": repr(plan.network),
        "parameters": int(run.theta.shape[-1]),
        "optimizer": describe(given.optimizer),
        "schedule": describe(given.schedule),
        "method": None if given.method is None else describe(given.method),
        "epochs": run.epochs,
        "batch_size": plan.batch_size,
        "training_samples": int(run.samples.n),
        "validation_samples": None if run.validation is None else int(run.validation.n),
        "clip_norm": plan.clip_norm,
        "seed": plan.seed,
        "dtype": np.dtype(plan.dtype).name,
        "engine": run.engine.name,
    }
    return flat(found)


def needed(module: str, what: str, extra: str) -> ModuleType:
    """Return a module. Raises ConfigError where it is not installed. what: the tracker.  extra: of this package."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"{what} needs {module}; install it: pip install 'chainrule[{extra}]'.") from error
