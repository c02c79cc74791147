"""The state of one server: the shown model and data, and the pages that are notified of changes."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from chainrule.errors import ConfigError, DataError
from chainrule.model import Model
from chainrule.recipe.data import Data
from chainrule.studio.session.messages import pack

if TYPE_CHECKING:
    from chainrule.estimators import MLPClassifier, MLPRegressor

MAX_WAITING = 256
"""The maximum waiting events of a slow page; beyond, one event replaces them, upon which it requests everything."""
MISSED = "missed"
AHEAD = 16
"""The maximum frames sent without acknowledgment; a page acknowledges every eighth."""


class StoppableRun(Protocol):
    """A training in threads of its own."""

    def stop(self, wait: float = 0.0) -> None:
        """Stop it after the current step.  wait: seconds to wait for that."""


AnyRun = TypeVar("AnyRun", bound=StoppableRun)


class Page(Protocol):
    """A recipient of events: a page over a socket, or a widget."""

    def put(self, event: str, data: object) -> None:
        """Notify it of an event."""


class Message(NamedTuple):
    """A message to a page."""

    content: str | bytes
    is_answer: bool = False
    """whether the page waits for it; the caller of `reply` bounds the number of such messages"""


class Tab:
    """The waiting messages of one page: answers and events in order, and the newest frame of each kind.

    No answer is ever dropped. Frames are sent until AHEAD of them are unacknowledged.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Attach to the event loop of a socket's thread."""
        self.loop, self.wake = loop, asyncio.Event()
        self.messages: deque[Message] = deque()
        self.events = 0
        """among the messages"""
        self.frames: OrderedDict[str, Any] = OrderedDict()
        self.sent, self.acknowledged = 0, 0
        self.lock = threading.Lock()

    def put(self, event: str, data: object) -> None:
        """Queue an event for the page; any thread may call it."""
        with self.lock:
            is_frame = event.endswith(".frame")
            if is_frame:
                self.frames[event] = data
            else:
                self._add(event, data)
        if not (is_frame and self.is_behind):  # else the acknowledgment wakes it
            self.signal()

    def _add(self, event: str, data: object) -> None:
        """Add an event to the messages, or replace all waiting events by one that reports missed events."""
        if self.events >= MAX_WAITING:
            self.messages = deque(message for message in self.messages if message.is_answer)
            self.events, event, data = 0, MISSED, {}
        self.messages.append(Message(pack({"event": event, "data": data})))
        self.events += 1

    def reply(self, content: str | bytes) -> None:
        """Queue an answer for the page."""
        with self.lock:
            self.messages.append(Message(content, is_answer=True))
        self.signal()

    @property
    def is_behind(self) -> bool:
        """Return whether frames are paused until the page acknowledges some."""
        return self.sent - self.acknowledged >= AHEAD

    def signal(self) -> None:
        """Wake the sending task."""
        try:
            self.loop.call_soon_threadsafe(self.wake.set)
        except RuntimeError:  # the loop and the page have ended
            return

    def acknowledge(self, number: int) -> None:
        """Record that the page received the frames up to a number."""
        self.acknowledged = max(self.acknowledged, min(number, self.sent))
        self.wake.set()

    def take(self) -> Message | None:
        """Return the next message, None without one."""
        with self.lock:
            if self.messages:
                message = self.messages.popleft()
                self.events -= not message.is_answer
                return message
            if not self.frames or self.is_behind:
                return None
            event, data = self.frames.popitem(last=False)
            self.sent += 1
            return Message(pack({"event": event, "data": data, "frame": self.sent}))


class Contents(NamedTuple):
    """A model and data, each if there is one, the model's name, and the average that it is one network of."""

    model: Model | None
    data: Data | None
    name: str
    average: MLPClassifier | MLPRegressor | None = None


class Studio:
    """The shown model and data, and the state shared by the commands of all pages."""

    def __init__(
        self,
        model: Model | None = None,
        data: Data | None = None,
        *,
        name: str = "",
        average: MLPClassifier | MLPRegressor | None = None,
    ) -> None:
        """Show a model and data; either may be set later. average: of several networks, of which the model is one."""
        self.lock = threading.RLock()
        """held briefly to read or change the attributes below"""
        self._model, self._data, self.average = model, data, average
        self.name = name
        """of the model: a file name, or its purpose"""
        self.example: str | None = None
        """the kind of the shown model, if it is an example"""
        self.aside: Contents | None = None
        """the contents replaced by an example until it ends"""
        self.tabs: set[Page] = set()
        self.parts: dict[str, Any] = {}
        """the state of a screen's commands between calls, by the screen's name"""
        self.runs: dict[str, Any] = {}
        """the current run of the plane and of each laboratory, by the screen's name"""
        self.runs_begun = 0
        self.first_screen = "draw"
        """the screen of a page whose address names none"""
        self.uploads: dict[str, Path] = {}
        self.closers: list[Any] = []
        """called when the server ends, to stop threads"""

    # --- what is on show -----------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The model. Raises ConfigError without one."""
        with self.lock:
            if self._model is None:
                raise ConfigError("there is no model yet; train one, or open a model file.")
            return self._model

    @property
    def data(self) -> Data:
        """The data. Raises DataError without data."""
        with self.lock:
            if self._data is None:
                raise DataError("there is no data yet; choose some on the screen Train.")
            return self._data

    @property
    def networks(self) -> int:
        """How many networks answer together: those of the average, or one."""
        if self.average is None:
            return 1
        return self.average.blend_.networks if hasattr(self.average, "blend_") else len(self.average.members_)

    @property
    def has_model(self) -> bool:
        """Return whether there is a model."""
        return self._model is not None

    @property
    def has_data(self) -> bool:
        """Return whether there are data."""
        return self._data is not None

    def show_model(self, model: Model, name: str, *, example: str | None = None) -> None:
        """Show a model and notify every page.  example: its kind, if it is one."""
        with self.lock:
            self._model, self.name, self.average, self.example = model, name, None, example
        self.send("model.changed", {"name": name})

    def show_newest(self, model: Model, name: str, data: Data) -> None:
        """Show the newest model of a run on some data, or set it aside while an example is shown in their place."""
        with self.lock:
            if self.aside is not None and self.aside.data is data:
                self.aside = Contents(model, data, name)
                return
        self.show_model(model, name)

    def show_example(self, kind: str, model: Model, data: Data, name: str) -> None:
        """Show an example, and set aside the model and the data shown before the first one."""
        with self.lock:
            if self.aside is None:
                self.aside = Contents(self._model, self._data, self.name, self.average)
            self.show_data(data)
            self.show_model(model, name, example=kind)

    def end_example(self) -> str:
        """Show again what was set aside, and return the model's name. Raises ConfigError if there is nothing."""
        with self.lock:
            if self.aside is None:
                raise ConfigError("there is no model to restore; train one, or open a model file.")
            self._model, self._data, self.name, self.average = self.aside
            self.aside = self.example = None
            name = self.name
        self.send("data.changed", {"name": name})
        self.send("model.changed", {"name": name})
        return name

    def show_data(self, data: Data) -> None:
        """Show data and notify every page."""
        with self.lock:
            self._data = data
        self.send("data.changed", {"name": data.name})

    # --- runs ----------------------------------------------------------------------------------------------------

    def replace_run(self, screen: str, make: Callable[[int], AnyRun]) -> AnyRun:
        """Make a run of a screen from its number, in place of the previous one, which ends."""
        with self.lock:
            self.runs_begun += 1
            number = self.runs_begun
        run = make(number)
        with self.lock:
            before, self.runs[screen] = self.runs.get(screen), run
        if before is not None:
            before.stop()
        return run

    # --- the pages -----------------------------------------------------------------------------------------------

    def send(self, event: str, data: object) -> None:
        """Notify every page. An event whose name ends in ".frame" replaces the previous one if a page is slow."""
        with self.lock:
            tabs = list(self.tabs)
        for tab in tabs:
            tab.put(event, data)

    def close(self) -> None:
        """Stop everything that runs in its own thread."""
        for run in self.runs.values():
            run.stop(wait=5)
        for closer in self.closers:
            closer()
