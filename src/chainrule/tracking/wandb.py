"""Weights & Biases, and what has its interface: a run of a project, written online or into a folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from chainrule.core.settings import check_choice
from chainrule.errors import ConfigError
from chainrule.tracking.tracked import Position, Setting, TrackedRun
from chainrule.tracking.tracker import Tracker, needed
from chainrule.training.events import Ended, Failed, Interrupted

MODULES: dict[str, dict[str, Any]] = {"wandb": {"reinit": "create_new"}, "trackio": {}}
"""The modules that a run may be of, and what their `init` needs for runs beside each other."""
LOCK = threading.Lock()
"""Held while a run is begun or ended, which these modules do for one thread at a time."""


class ModuleRun(Protocol):
    """What a run of such a module has; the one of wandb also a summary and an id."""

    id: str
    name: str
    config: dict[str, object]

    def log(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep numbers."""

    def finish(self, **how: int) -> None:
        """End the run."""


class WandB(Tracker):
    """Keep each fit as a run of Weights & Biases, or of trackio, which keeps it on this machine.

    The settings are its config, the columns of the history are train/loss, val/loss, ... at the number of updates, and
    figures of the finished model its summary. The fits of a race are runs of one group.

    project: its name.  module: "wandb" or "trackio".  init: further arguments of its `init`, such as
    mode="offline", dir=, name=, tags=; the login and the environment variables are the module's own.
    Needs the extra `wandb`, or `trackio`.
    """

    def __init__(self, project: str = "chainrule", *, module: str = "wandb", **init: Any) -> None:
        """Keep the settings; the run is begun with the first training."""
        super().__init__()
        check_choice(module, MODULES, "module of WandB")
        needed(module, self.name, module)
        if not isinstance(project, str) or not project:
            raise ConfigError(f"project of WandB must be a name, not {project!r}.")
        self.project, self.module, self.init = project, module, init

    def __repr__(self) -> str:
        """Return the settings as Python code."""
        module = "" if self.module == "wandb" else f", module={self.module!r}"
        return f"WandB({self.project!r}{module}{''.join(f', {k}={v!r}' for k, v in self.init.items())})"

    def open(self, earlier: str | None) -> WandBRun:
        """Begin a run, or go on with one."""
        key = "id" if self.module == "wandb" else "name"
        return WandBRun(self, self.begun(**{} if earlier is None else {key: earlier, "resume": "allow"}))

    def begun(self, **more: Any) -> ModuleRun:
        """Return a run that the module begins. more: arguments in place of those given."""
        with LOCK:
            library = needed(self.module, self.name, self.module)
            made: ModuleRun = library.init(
                **{"project": self.project, **MODULES[self.module], **self.init, **more}
            )
            return made


class WandBRun(TrackedRun):
    """A run of such a module."""

    def __init__(self, tracker: WandB, run: ModuleRun) -> None:
        """Keep the module's run."""
        self.tracker, self.run = tracker, run

    @property
    def key(self) -> str:
        """The run's id, or in trackio its name."""
        return str(self.run.id if self.tracker.module == "wandb" else self.run.name)

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Keep the settings as config."""
        self.run.config.update(dict(settings))

    def write(self, numbers: Mapping[str, float], at: Position) -> None:
        """Log numbers."""
        named = {
            f"val/{name.removeprefix('val_')}" if name.startswith("val_") else f"train/{name}": float(value)
            for name, value in numbers.items()
        }
        self.run.log(named | {"epoch": at.epoch}, step=at.step)

    def judged(self, figures: Mapping[str, float], at: Position) -> None:
        """Keep figures of the finished model as the summary; trackio has none, and they are logged."""
        found = {name: float(value) for name, value in figures.items()}
        if hasattr(self.run, "summary"):
            self.run.summary.update(found)
        else:
            self.run.log(found, step=at.step)

    def part(self, name: str) -> WandBRun:
        """Begin a run of the group that is named after this one."""
        own = name if self.tracker.module == "wandb" else f"{self.key}, {name}"
        return WandBRun(self.tracker, self.tracker.begun(group=self.key, name=own))

    def keep(self, fitted: object) -> None:
        """Keep nothing: a model is uploaded where somebody asks for it."""

    def close(self, ended: Ended | None) -> None:
        """End the run."""
        with LOCK:
            if self.tracker.module == "wandb":
                self.run.finish(exit_code=1 if isinstance(ended, Failed | Interrupted) else 0)
            else:
                self.run.finish()

    def abandon(self) -> None:
        """End the run as failed."""
        self.close(Failed(0, 0, "", ""))
