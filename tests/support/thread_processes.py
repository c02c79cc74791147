"""The processes of one run as threads of this one: each has its place, and messages go through memory.

All of the package's own code runs as it does in processes; only what JAX does between them is done here: to gather
rows, and to sum shards along the tree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import distributed
from chainrule.distributed import agreement, processes
from chainrule.distributed.processes import Rank
from chainrule.engines.xla import engine

SECONDS = 120
"""The most that one waits for another."""


class Left(Exception):
    """Raised in one that waits for one that has ended."""


class ThreadState(threading.local):
    """What each of them knows of the run, in place of `processes.State`; this program's own thread is alone."""

    place: Rank = processes.ALONE
    is_initialized = False
    timeout = 600.0
    messages = 0
    """those that it has sent"""


class ThreadProcesses:
    """So many processes of one run, as threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self.count, self.state = count, ThreadState()
        self.changed, self.messages, self.is_left = threading.Condition(), dict[int, dict[int, Any]](), False
        monkeypatch.setattr(processes, "_STATE", self.state)
        monkeypatch.setattr(agreement, "_gather", self.gathered)
        summed, program = engine.ShardedSteps.summed, engine.program

        def summed_over_threads(steps: engine.ShardedSteps, parts: Any) -> Any:
            return self.summed(steps, parts) if distributed.process_count() > 1 else summed(steps, parts)

        monkeypatch.setattr(engine.ShardedSteps, "summed", summed_over_threads)

        def own_program(plan: Any, make: Any) -> Any:
            """The steps of a thread of their own, with what is compiled shared, in which no thread's number stands."""
            made = make(plan)
            made.compiled = program(plan, make).compiled
            return made

        monkeypatch.setattr(engine, "program", own_program)

    def gathered(self, row: Any) -> np.ndarray:
        """The rows of all, in each of them."""
        with self.changed:
            rows = self.messages.setdefault(self.state.messages, {})
            self.state.messages += 1
            rows[distributed.process_index()] = row
            self.changed.notify_all()
            self.changed.wait_for(lambda: len(rows) == self.count or self.is_left, SECONDS)
        if len(rows) < self.count:
            raise Left
        return np.stack([rows[number] for number in range(self.count)])

    def leave(self) -> None:
        """Let none wait any more for one that has ended."""
        with self.changed:
            self.is_left = True
            self.changed.notify_all()

    def summed(self, steps: engine.ShardedSteps, parts: Any) -> Any:
        """The sum over the shards of all, each of which sums its own branch of the tree first."""
        first, last = steps.own
        own = steps.run("own sums", steps.along_tree, parts[first:last])
        return steps.run("sums", steps.along_tree, engine.put(self.gathered(np.asarray(own)), parts.device))

    def results(self, work: Callable[[], Any], timeout: float = 600.0) -> list[Any]:
        """What `work()` returns in each of them, or its error."""
        found: list[Any] = [None] * self.count

        def one(number: int) -> None:
            self.state.place = Rank("nowhere:1", self.count, number)
            self.state.is_initialized, self.state.timeout = True, timeout
            try:
                found[number] = work()
            except BaseException as error:
                found[number] = error
            finally:
                self.leave()

        threads = [threading.Thread(target=one, args=(number,)) for number in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found
