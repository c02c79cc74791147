"""Read ahead of an iterator in a thread, for reading that releases the interpreter lock."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.05
"""How often a waiting thread checks whether the other one has ended."""
JOIN_SECONDS = 5.0
"""How long to wait at the end for the thread, which may be in a read that does not return."""


def prefetch(items: Iterator[T]) -> Generator[T]:
    """Iterate over the same items, read ahead by a thread: one item in use, one ready and one being read.

    The iterator's errors are raised here, after the items before them. The thread ends with the iteration, even when it
    is closed or left by an error; `items` is then closed in the thread.
    """
    queue: Queue[tuple[Any, BaseException | None]] = Queue(1)
    ended, done = Event(), object()

    def put(item: object, error: BaseException | None = None) -> bool:
        while not ended.is_set():
            try:
                queue.put((item, error), timeout=POLL_SECONDS)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item) or ended.is_set():
                    break
            else:
                put(done)
        except BaseException as error:
            put(done, error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = Thread(target=work, name="chainrule-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item, error = queue.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if error is not None:
                raise error
            if item is done:
                return
            yield item
            del item  # frees its memory before the next one is read
    finally:
        ended.set()
        with suppress(Empty):  # lets a thread that waits for a free place continue
            while True:
                queue.get_nowait()
        thread.join(JOIN_SECONDS)
