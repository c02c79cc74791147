"""Two threads that use one object: one stands still at a line of a file, while the other one does all that it can."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any

BLOCKED = 0.2
"""The seconds after which a thread that has not ended is taken to wait for the one that stands still."""
SECONDS = 60


class Work(threading.Thread):
    """A thread whose result or error is kept; with a file, it stands still before one of the lines of it."""

    def __init__(self, work: Callable[[], Any], file: str = "", line: int = 0) -> None:
        super().__init__(daemon=True)
        self.work, self.file, self.line = work, file, line
        self.stops, self.goes_on = threading.Event(), threading.Event()
        self.stands = False
        self.outcome: Any = None

    def run(self) -> None:
        if self.file:
            sys.settrace(self.trace)
        try:
            self.outcome = self.work()
        except Exception as error:
            self.outcome = error
        finally:
            sys.settrace(None)
            self.stops.set()

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != self.file:
            return None
        if event == "line":
            if self.line == 0:
                self.stands = True
                self.stops.set()
                assert self.goes_on.wait(SECONDS)
            self.line -= 1
        return self.trace


def interleaved(
    file: str, make: Callable[[], tuple[Callable[[], Any], Callable[[], Any]]]
) -> Iterator[list[Any]]:
    """What two threads return or raise, for each line of the file before which the first one stands.

    make(): what they do, upon a new object.
    """
    for line in count():
        one, other = make()
        first, second = Work(one, file, line), Work(other)
        first.start()
        assert first.stops.wait(SECONDS)
        if not first.stands:  # it has no more lines
            first.join()
            return
        second.start()
        second.join(BLOCKED)
        first.goes_on.set()
        for thread in (first, second):
            thread.join(SECONDS)
            assert not thread.is_alive()
        yield [first.outcome, second.outcome]
