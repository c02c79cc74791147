"""The state of one server: the model and the data on show, and the pages that are told of changes."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from chainrule.errors import ConfigError, DataError
from chainrule.model import Model
from chainrule.recipe.data import Data
from chainrule.studio.messages import pack

MAX_WAITING = 256
"""Events that wait for a slow page; of more, none is sent but that it has missed some, upon which it asks anew."""
MISSED = "missed"
AHEAD = 16
"""Frames that are sent before a page says that it got one; it does so after every eighth."""


class Page(Protocol):
    """Who is told of events: a page over a socket, or a widget."""

    def put(self, event: str, data: Any) -> None:
        """Tell it of an event."""


class Message(NamedTuple):
    """What is sent to a page."""

    content: str | bytes
    is_answer: bool = False
    """whether the page waits for it; how many such there are at a time is for who calls `reply` to bound"""


class Tab:
    """What waits to be sent to one page: answers and events in order, and of each kind of frame the newest.

    No answer is ever dropped. Frames are sent as they come, until the page has not said of AHEAD of them that it got
    them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to the loop of a socket's thread."""
        self.loop, self.wake = loop, asyncio.Event()
        self.messages: deque[Message] = deque()
        self.events = 0
        """among the messages"""
        self.frames: OrderedDict[str, Any] = OrderedDict()
        self.sent, self.acknowledged = 0, 0
        self.lock = threading.Lock()

    def put(self, event: str, data: Any) -> None:
        """Leave an event for the page; any thread may."""
        with self.lock:
            is_frame = event.endswith(".frame")
            if is_frame:
                self.frames[event] = data
            else:
                self._add(event, data)
        if not (is_frame and self.is_behind):  # else the page's word wakes it
            self.signal()

    def _add(self, event: str, data: Any) -> None:
        """Add an event to the messages, or put the word that some were missed in the place of all that wait."""
        if self.events >= MAX_WAITING:
            self.messages = deque(message for message in self.messages if message.is_answer)
            self.events, event, data = 0, MISSED, {}
        self.messages.append(Message(pack({"event": event, "data": data})))
        self.events += 1

    def reply(self, content: str | bytes) -> None:
        """Leave an answer for the page."""
        with self.lock:
            self.messages.append(Message(content, is_answer=True))
        self.signal()

    @property
    def is_behind(self) -> bool:
        """Return whether no more frames are sent until the page says that it got some."""
        return self.sent - self.acknowledged >= AHEAD

    def signal(self) -> None:
        """Wake the task that sends."""
        try:
            self.loop.call_soon_threadsafe(self.wake.set)
        except RuntimeError:  # the loop has ended, and the page with it
            return

    def acknowledge(self, number: int) -> None:
        """Note that the page got the frames up to a number."""
        self.acknowledged = max(self.acknowledged, min(number, self.sent))
        self.wake.set()

    def take(self) -> Message | None:
        """Return what is sent next, None where nothing is."""
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


class Studio:
    """The model and the data on show, and what else the commands of all pages share."""

    def __init__(self, model: Model | None = None, data: Data | None = None, *, name: str = "") -> None:
        """Show a model and data; either may come later."""
        self.lock = threading.RLock()
        """held for a moment by who reads or changes the attributes below"""
        self._model, self._data = model, data
        self.name = name
        """of the model: a file's name, or what it was made for"""
        self.tabs: set[Page] = set()
        self.parts: dict[str, Any] = {}
        """what the commands of a screen keep between calls, by the screen's name"""
        self.first_screen = "draw"
        """that a page opens whose address names none"""
        self.uploads: dict[str, Path] = {}
        self.closers: list[Any] = []
        """called when the server ends, so that threads do"""

    # --- what is on show -----------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The model. Raises ConfigError where there is none."""
        with self.lock:
            if self._model is None:
                raise ConfigError("there is no model yet; train one, or open a model's file.")
            return self._model

    @property
    def data(self) -> Data:
        """The data. Raises DataError where there are none."""
        with self.lock:
            if self._data is None:
                raise DataError("there are no data yet; choose some on the screen Train.")
            return self._data

    @property
    def has_model(self) -> bool:
        """Return whether there is a model."""
        return self._model is not None

    @property
    def has_data(self) -> bool:
        """Return whether there are data."""
        return self._data is not None

    def show_model(self, model: Model, name: str) -> None:
        """Put a model on show; every page is told."""
        with self.lock:
            self._model, self.name = model, name
        self.send("model.changed", {"name": name})

    def show_data(self, data: Data) -> None:
        """Put data on show; every page is told."""
        with self.lock:
            self._data = data
        self.send("data.changed", {"name": data.name})

    # --- the pages -----------------------------------------------------------------------------------------------

    def send(self, event: str, data: Any) -> None:
        """Tell every page. An event whose name ends in ".frame" replaces the one before where a page is slow."""
        with self.lock:
            tabs = list(self.tabs)
        for tab in tabs:
            tab.put(event, data)

    def close(self) -> None:
        """End what runs in threads of its own."""
        for closer in self.closers:
            closer()
