"""Networks trained side by side, each in a thread, in turns, so that each gets the same share of the machine."""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

FRAME_SECONDS = 1 / 20
"""The minimum time between two frames."""
COLUMNS = ("step", "passes", "seconds", "loss")

Tell = Callable[[str, dict[str, Any]], None]


class Look(NamedTuple):
    """The record of a network during training; see `ArmState`. None for an unchanged value."""

    loss: float
    profile: list[float] | None = None
    peak: dict[str, float] | None = None


@dataclass
class ArmState:
    """The progress of one network."""

    name: str
    rows: list[tuple[float, float, float, float]] = field(default_factory=list)
    """one per record: see COLUMNS"""
    profile: list[float] = field(default_factory=list)
    """the latest gradient by layer, relative to the last layer's"""
    peak: dict[str, float] = field(default_factory=dict)
    """the record with the largest loss, if it needs an explanation: the screen's own numbers"""
    facts: dict[str, Any] = field(default_factory=dict)
    is_done: bool = False
    error: str = ""


class SideBySide(ABC):
    """A run of several networks: their turns, their progress, and the end of all of them."""

    def __init__(
        self, lab: str, number: int, names: Sequence[str], settings: dict[str, Any], tell: Tell
    ) -> None:
        """Create it. tell: called with the name of an event and its data, from the threads."""
        self.lab, self.number, self.settings, self.tell = lab, number, settings, tell
        self.arms = {name: ArmState(name) for name in names}
        self.turns = list(names)
        self.changed = threading.Condition()
        self.is_stopped, self.ending = False, dict[str, Any]()
        self.threads: list[threading.Thread] = []
        self.sent = 0.0

    # --- threads -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def train(self, arm: str) -> None:
        """Train a network, in its thread."""

    @abstractmethod
    def conclude(self) -> dict[str, Any]:
        """Return the conclusion, when all are finished."""

    def start(self) -> None:
        """Train each network in a thread."""
        self.threads = [
            threading.Thread(target=self._train, args=(n,), name=f"{self.lab} {n}", daemon=True)
            for n in self.arms
        ]
        for thread in self.threads:
            thread.start()

    def _train(self, name: str) -> None:
        try:
            if self.wait(name):
                self.train(name)
        except ChainruleError as error:
            self.arms[name].error = str(error)
        finally:
            self._leave(name)

    def wait(self, name: str) -> bool:
        """Wait for the turn of a network. Returns False if the run was stopped."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_stopped or self.turns[:1] == [name])
            return not self.is_stopped

    def pass_on(self, name: str) -> bool:
        """Give the turn to the next network, and wait for its next turn. Returns False if the run was stopped."""
        with self.changed:
            if self.turns[:1] == [name]:
                self.turns.append(self.turns.pop(0))
                self.changed.notify_all()
        return self.wait(name)

    def _leave(self, name: str) -> None:
        with self.changed:
            self.arms[name].is_done = True
            self.turns.remove(name)
            is_last = not self.turns
            self.changed.notify_all()
        if is_last:
            if not self.is_stopped:
                self.ending = self.conclude()
            self.tell(f"{self.lab}.frame", self.frame())
            self.tell(f"{self.lab}.ended", {"id": self.number})

    def stop(self, wait: float = 0.0) -> None:
        """Stop all of them after the current step.  wait: seconds to wait for that."""
        with self.changed:
            self.is_stopped = True
            self.changed.notify_all()
        until = time.monotonic() + wait
        for thread in self.threads if wait else ():
            thread.join(max(0.0, until - time.monotonic()))

    # --- what a page sees --------------------------------------------------------------------------------------------

    def note(
        self,
        name: str,
        row: tuple[float, float, float, float],
        profile: list[float] | None = None,
        peak: dict[str, float] | None = None,
    ) -> None:
        """Store a record of a network, and send a frame if one is due."""
        with self.changed:
            arm = self.arms[name]
            arm.rows.append(row)
            if profile is not None:
                arm.profile = profile
            if peak is not None:
                arm.peak = peak
            now = time.monotonic()
            is_due = now - self.sent >= FRAME_SECONDS
            if is_due:
                self.sent = now
        if is_due:
            self.tell(f"{self.lab}.frame", self.frame())

    @property
    def is_running(self) -> bool:
        """Whether any network is still training."""
        return bool(self.turns) and not self.is_stopped

    def frame(self) -> dict[str, Any]:
        """Return the latest record of each network."""
        with self.changed:
            arms = [
                {
                    "name": arm.name,
                    "row": list(arm.rows[-1]) if arm.rows else None,
                    "profile": np.array(arm.profile, np.float32),
                    "peak": arm.peak,
                    "done": arm.is_done,
                }
                for arm in self.arms.values()
            ]
            return {"id": self.number, "running": self.is_running, "arms": arms}

    def state(self) -> dict[str, Any]:
        """Return everything that a page needs: the settings, every record, and the conclusion."""
        with self.changed:
            arms = [
                {
                    "name": arm.name,
                    **{c: np.array([row[i] for row in arm.rows], np.float32) for i, c in enumerate(COLUMNS)},
                    "profile": np.array(arm.profile, np.float32),
                    "peak": arm.peak,
                    "done": arm.is_done,
                    "error": arm.error or None,
                    "facts": arm.facts,
                }
                for arm in self.arms.values()
            ]
            return {
                "id": self.number,
                "running": self.is_running,
                "settings": self.settings,
                "arms": arms,
                "ending": self.ending,
            }


class ArmLooks(Callback):
    """Record a network from time to time during training, and give the turn to the others."""

    def __init__(self, side: SideBySide, name: str, every: int, look: Callable[[Run], Look]):
        """Record after every `every` steps."""
        self.side, self.name, self.every_steps, self.look = side, name, every, look
        self.seconds, self.looked = 0.0, -1

    def on_train_begin(self, run: Run) -> None:
        """Record the untrained network."""
        self._look(run)

    def on_steps(self, run: Run) -> None:
        """Record if due."""
        if self.is_due(run):
            self._look(run)
        self._turn(run)

    def on_epoch_end(self, run: Run) -> None:
        """Add the seconds of the epoch, and record if due."""
        self.seconds += run.logs["seconds"]
        if self.is_due(run) or run.epoch == run.epochs:
            self._look(run)
        self._turn(run)

    def is_due(self, run: Run) -> bool:
        """Return whether to record after this step."""
        return run.step % (self.every_steps or 1) == 0

    def passes(self, run: Run) -> float:
        """Return the number of forward passes so far; steps if they are not counted."""
        return float(run.step)

    def _look(self, run: Run) -> None:
        if run.step == self.looked:
            return
        self.looked = run.step
        seconds, passes = self.seconds + run.seconds, self.passes(run)
        found = self.look(run)
        loss = found.loss if math.isfinite(found.loss) else math.nan
        self.side.note(self.name, (float(run.step), passes, seconds, loss), found.profile, found.peak)

    def _turn(self, run: Run) -> None:
        if not self.side.pass_on(self.name):
            run.stop("stopped")
