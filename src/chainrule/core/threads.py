"""Threads for work that releases the interpreter lock: several jobs in turns, step by step, and reading ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar


def in_turns(jobs: Iterable[Iterator[object]], workers: int) -> None:
    """Run jobs to completion; each is an iterator that does one step of work per item.

    A thread takes the job that has waited longest, runs one step, and puts it back, so that equal jobs finish together
    although there are fewer threads than jobs. With one worker the steps run in the calling thread.
    Raises an error of a job, and KeyboardInterrupt, after the steps in progress; no other step starts.
    """
    queue, ended = deque(jobs), Event()
    workers = min(workers, len(queue))

    def work() -> None:
        while not ended.is_set():
            try:
                job = queue.popleft()
            except IndexError:
                return
            try:
                next(job)
            except StopIteration:
                continue
            except BaseException:
                ended.set()
                raise
            queue.append(job)

    if workers <= 1:
        work()
        return
    with ThreadPoolExecutor(workers) as pool:
        threads = [pool.submit(work) for _ in range(workers)]
        try:
            for thread in threads:
                thread.result()
        finally:
            ended.set()


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
