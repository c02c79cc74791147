"""The training of one studio: the run under way or the last one, the ones it is compared with, and who looks on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.model import Model
from chainrule.studio.screens.train.form import plan as plan_of
from chainrule.studio.screens.train.form import prepare
from chainrule.studio.screens.train.timeline import Snapshot, model_of
from chainrule.studio.screens.train.training import PER_SECOND, PER_SECOND_HIDDEN, Training

if TYPE_CHECKING:
    from chainrule.studio.studio import Studio

MAX_OTHERS = 3
"""Runs whose curves are kept beside those of the last one."""
STOP_SECONDS = 10.0


class Desk:
    """One run at a time. Commands come from the threads of pages, events go to all of them."""

    def __init__(self, studio: Studio) -> None:
        """Belong to a studio, and end with it."""
        self.studio = studio
        self.lock = threading.RLock()
        """held while a run is begun or ended"""
        self.training: Training | None = None
        self.form: dict[str, Any] = {}
        self.number = 0
        """of the run; a page that has another one asks for everything anew"""
        self.others: list[dict[str, Any]] = []
        self.queue: list[dict[str, Any]] = []
        """forms that are trained after the run, for comparison"""
        self.shown: int | None = None
        """the snapshot on show; None for the newest numbers"""
        self.name = ""
        """of the models of the run"""
        self.source = ""
        """what the data on show are from, for the script: mnist, points, or a file's name"""
        self.pinned: NDArray[Any] | None = None
        self.comparing = threading.Lock()
        """held while simpler models are trained on the data on show"""
        self.reference: tuple[Any, dict[str, Any]] | None = None
        """data, and what these models reach on them"""
        self.coming: list[str] = []
        """the names of data that are being read, to be put on show"""
        self.pages: dict[str, bool] = {}
        """by a name that each page gives itself, whether it is looked at"""
        studio.closers.append(self.close)

    # --- who looks on --------------------------------------------------------------------------------------------

    def looks(self, page: str, visible: bool) -> None:
        """Note whether a page is looked at."""
        with self.studio.lock:
            self.pages.pop(page, None)
            self.pages[page] = visible
            while len(self.pages) > max(1, len(self.studio.tabs)):
                del self.pages[next(iter(self.pages))]

    def pace(self) -> float | None:
        """Return how many frames a second are wanted: None while there is no page."""
        with self.studio.lock:
            if not self.studio.tabs:
                return None
            return PER_SECOND if any(self.pages.values()) else PER_SECOND_HIDDEN

    # --- data that come ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Tell all pages meanwhile that data are being read; no run begins on other ones."""
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
        """Tell which data are being read."""
        self.studio.send("train.reading", {"name": self.read_now})

    @property
    def read_now(self) -> str | None:
        """The name of data that are being read. Takes no lock: a run asks, for whose end the lock's holder may wait."""
        return next(reversed(self.coming), None)

    # --- the run -------------------------------------------------------------------------------------------------

    def tell(self, event: str, data: dict[str, Any]) -> None:
        """Send an event of the run to all pages; with its whole state where that has changed."""
        if event == "train.state":
            self.studio.send(event, self.to_data())
        else:
            self.studio.send(event, {"run": self.number} | data)

    def ready(self, form: dict[str, Any]) -> Training:
        """Prepare a run of a form, and put its first model on show; the run before is ended."""
        with self.lock:
            if self.coming:
                raise ConfigError(f"{self.coming[-1]} is being read; train when it is there.")
            prepared = prepare(plan_of(self.studio.data, form))
            self.end()
            if (
                prepared.plan.begun is not None
                and prepared.plan.begun.data.features != self.studio.data.features
            ):
                self.studio.show_data(prepared.plan.begun.data)
            self.form, self.number, self.shown = form, self.number + 1, None
            training = Training(prepared, self.tell, self.show_live, self.pace, self.pinned)
            self.training = training
            self.name = f"{self.studio.data.name} {widths(training.model)}"
            self.studio.show_model(training.model_at_start(), self.name)
            return training

    def start(self, form: dict[str, Any], queue: list[dict[str, Any]], *, steps: int | None = None) -> None:
        """Begin to train by a form, and then by those of the queue."""
        for other in queue:
            plan_of(self.studio.data, other)  # refused now rather than in the middle
        with self.lock:
            training = self.ready(form)
            self.queue = list(queue)
            training.start(self.ended, steps=steps)

    def ended(self, training: Training) -> None:
        """Begin the next run of the queue, or say that all is done; called in the run's thread."""
        while not self.lock.acquire(timeout=0.05):
            if training.ending:  # who holds the lock waits for this thread
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
        """End the run that is under way, if one is, and hear no more of it."""
        training = self.training
        self.queue = []
        if training is not None:
            training.tell, training.show = nothing, nothing
            training.stop(STOP_SECONDS)

    def close(self) -> None:
        """End the run, since the server ends."""
        self.end()

    def current(self) -> Training:
        """Return the run. Raises ConfigError where there is none."""
        if self.training is None:
            raise ConfigError("there is no run yet; start one.")
        return self.training

    # --- what is on show -----------------------------------------------------------------------------------------

    def show_live(self, model: Model, snapshot: Snapshot) -> None:
        """Put the newest numbers on show, unless a page looks back at earlier ones."""
        if self.shown is None:
            self.studio.show_model(model, self.name)

    def show(self, at: int | None) -> None:
        """Put a snapshot on show; None for the newest numbers."""
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
        """Return everything that a page shows: of the run, the form, and the curves kept."""
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


def nothing(*ignored: Any) -> None:
    """Take no notice."""


def widths(model: Model) -> str:
    """Return the widths of a model's dense layers, as in 784-128-10."""
    network = model.network
    dense = [link.fan_out for link in network.walk() if link.layer.kind == "dense"]
    return "-".join(map(str, [network.inputs, *dense]))


def desk_of(studio: Studio) -> Desk:
    """Return the studio's desk; it is made by the first who asks."""
    with studio.lock:
        if "train" not in studio.parts:
            studio.parts["train"] = Desk(studio)
        desk: Desk = studio.parts["train"]
        return desk
