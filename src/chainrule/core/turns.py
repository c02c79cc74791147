"""Run several jobs at once on a few threads, step by step, for work that releases the interpreter lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event


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
