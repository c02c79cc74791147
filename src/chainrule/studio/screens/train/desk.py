"""The training of one studio: the current or last run, the runs that it is compared with, and the pages."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.model import Model
from chainrule.recipe.data import Data
from chainrule.studio.screens.train.form import plan as plan_of
from chainrule.studio.screens.train.form import prepare
from chainrule.studio.screens.train.training import (
    PER_SECOND,
    PER_SECOND_HIDDEN,
    Snapshot,
    Training,
    model_of,
)

if TYPE_CHECKING:
    from chainrule.studio.session.studio import Studio

MAX_OTHERS = 3
"""The maximum earlier runs whose curves are kept."""
STOP_SECONDS = 10.0


class Desk:
    """One run at a time. Commands come from the threads of pages, and events go to all pages."""

    def __init__(self, studio: Studio) -> None:
        """Attach to a studio, and close with it."""
        self.studio = studio
        self.lock = threading.RLock()
        """held while a run is started or stopped"""
        self.training: Training | None = None
        self.form: dict[str, Any] = {}
        self.number = 0
        """of the run; a page with another number requests everything again"""
        self.others: list[dict[str, Any]] = []
        self.queue: list[dict[str, Any]] = []
        """forms that are trained after the run, for comparison"""
        self.shown: int | None = None
        """the shown snapshot; None for the newest parameters"""
        self.name = ""
        """the name of the run's models"""
        self.learned: Data | None = None
        """the data of the run"""
        self.source = ""
        """the source of the shown data, for the script: mnist, points, or a file name"""
        self.divided: tuple[Data, Data] | None = None
        """a table as it was chosen, and its columns and rows as a run has divided them, which are shown"""
        self.pinned: NDArray[Any] | None = None
        self.comparing = threading.Lock()
        """held while simpler models are fitted to the shown data"""
        self.reference: tuple[Any, dict[str, Any]] | None = None
        """data, and the results of these models on them"""
        self.coming: list[str] = []
        """the names of data that are being read"""
        self.pages: dict[str, bool] = {}
        """whether each page is visible, by a name that the page chooses"""
        studio.closers.append(self.end)

    # --- who looks on --------------------------------------------------------------------------------------------

    def looks(self, page: str, visible: bool) -> None:
        """Record whether a page is visible."""
        with self.studio.lock:
            self.pages.pop(page, None)
            self.pages[page] = visible
            while len(self.pages) > max(1, len(self.studio.tabs)):
                del self.pages[next(iter(self.pages))]

    def pace(self) -> float | None:
        """Return the number of frames per second: None without a page."""
        with self.studio.lock:
            if not self.studio.tabs:
                return None
            return PER_SECOND if any(self.pages.values()) else PER_SECOND_HIDDEN

    @property
    def data(self) -> Data:
        """The data as they were chosen, with the columns that the run may have left out."""
        shown = self.studio.data
        return self.divided[0] if self.divided is not None and self.divided[1] is shown else shown

    # --- data that come ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Notify all pages that data are being read; meanwhile no run starts on other data."""
        with self.lock:
            self.coming.append(name)
        self.tell_reading()
        try:
            yield
        finally:
            with self.lock:
                self.coming.remove(name)
            self.tell_reading()

    def tell_reading(self) -> None:
        """Report the data that are being read."""
        self.studio.send("train.reading", {"name": self.read_now})

    @property
    def read_now(self) -> str | None:
        """The name of the data being read. Takes no lock: the caller is a run for whose end the holder may wait."""
        return next(reversed(self.coming), None)

    # --- the run -------------------------------------------------------------------------------------------------

    def tell(self, event: str, data: dict[str, Any]) -> None:
        """Send an event of the run to all pages; if its state has changed, the whole state."""
        if event == "train.state":
            self.studio.send(event, self.to_data())
        else:
            self.studio.send(event, {"run": self.number} | data)

    def ready(self, form: dict[str, Any]) -> Training:
        """Prepare a run with a form, and show its first model; the previous run is stopped."""
        with self.lock:
            if self.coming:
                raise ConfigError(f"{self.coming[-1]} is being read; train when it is loaded.")
            data = self.data
            prepared = prepare(plan_of(data, form))
            self.end()
            begun = prepared.plan.begun
            if begun is not None and not _is_alike(begun.data, self.studio.data):
                self.studio.show_data(begun.data)
                self.divided = data, begun.data
            self.form, self.number, self.shown = form, self.number + 1, None
            training = Training(prepared, self.tell, self.show_live, self.pace, self.pinned)
            self.training = training
            self.learned = self.studio.data
            self.name = f"{self.learned.name} {widths(training.model)}"
            self.studio.show_model(training.model_at_start(), self.name)
            return training

    def start(self, form: dict[str, Any], queue: list[dict[str, Any]], *, steps: int | None = None) -> None:
        """Start training with a form, and then with those of the queue."""
        for other in queue:
            plan_of(self.data, other)  # rejected now rather than later
        with self.lock:
            training = self.ready(form)
            self.queue = list(queue)
            training.start(self.ended, steps=steps)

    def ended(self, training: Training) -> None:
        """Start the next run of the queue, or report the end; called in the run's thread."""
        while not self.lock.acquire(timeout=0.05):
            if training.ending:  # the lock's holder waits for this thread
                return
        try:
            if training is not self.training:
                return
            if training.phase == "done" and self.queue:
                form, *rest = self.queue
                self.keep()
                self.start(form, rest)
                return
            self.queue = []
        finally:
            self.lock.release()
        self.tell("train.state", {})

    def keep(self) -> None:
        """Keep the curves of the run, for comparison with the next ones."""
        with self.lock:
            if self.training is not None and self.training.curves.points:
                kept = {
                    "form": self.form,
                    "curve": self.training.curves.array(),
                    "records": list(self.training.records),
                }
                self.others = [*self.others, kept][-MAX_OTHERS:]

    def end(self) -> None:
        """Stop the current run, if there is one, and ignore its further events."""
        training = self.training
        self.queue = []
        if training is not None:
            training.tell, training.show = nothing, nothing
            training.stop(STOP_SECONDS)

    def current(self) -> Training:
        """Return the run. Raises ConfigError without one."""
        if self.training is None:
            raise ConfigError("there is no run yet; start one.")
        return self.training

    # --- what is on show -----------------------------------------------------------------------------------------

    def show_live(self, model: Model, snapshot: Snapshot) -> None:
        """Show the newest parameters, unless a page shows earlier ones."""
        if self.shown is None and self.learned is not None:
            self.studio.show_newest(model, self.name, self.learned)

    def show(self, at: int | None) -> None:
        """Show a snapshot; None for the newest parameters."""
        training = self.current()
        if at is not None:
            snapshot = training.timeline[at]
            self.shown = at
            self.studio.show_model(
                model_of(training.model, snapshot), f"{self.name} ({snapshot.seen:,} samples seen)"
            )
        else:
            self.shown = None
            self.studio.show_model(training.newest(), self.name)
        self.studio.send("train.shown", {"run": self.number, "at": at})

    def to_data(self) -> dict[str, Any]:
        """Return everything that a page shows: the run, the form, and the kept curves."""
        training = self.training
        found: dict[str, Any] = {"state": "none"} if training is None else training.to_data()
        return found | {
            "run": self.number,
            "form": self.form,
            "others": self.others,
            "queued": len(self.queue),
            "shown": self.shown,
            "reading": self.read_now,
        }


def _is_alike(one: Data, other: Data) -> bool:
    """Return whether two data of a table have the same inputs and test rows."""
    assert one.table is not None and other.table is not None
    return one.features == other.features and np.array_equal(one.table.test, other.table.test)


def nothing(*ignored: Any) -> None:
    """Ignore the arguments."""


def widths(model: Model) -> str:
    """Return the widths of a model's dense layers, such as 784-128-10."""
    network = model.network
    dense = [link.fan_out for link in network.walk() if link.layer.kind == "dense"]
    return "-".join(map(str, [network.inputs, *dense]))


def desk_of(studio: Studio) -> Desk:
    """Return the studio's desk, created at the first call."""
    with studio.lock:
        if "train" not in studio.parts:
            studio.parts["train"] = Desk(studio)
        desk: Desk = studio.parts["train"]
        return desk
