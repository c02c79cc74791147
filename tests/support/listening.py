"""A thread that is told of a run's events and has nothing else of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from chainrule.training.events import Event


@contextmanager
def in_another_thread(consumers: Iterable[Callable[[Event], Any]]) -> Iterator[Callable[[Event], None]]:
    """Give a function that passes events on to the consumers in a thread of their own; all are read in the end."""
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def read() -> None:
        while (event := events.get()) is not None:
            for consume in consumers:
                consume(event)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield events.put
    finally:
        events.put(None)
        reader.join()
