"""The agreement of a run's processes between two calls of the engine: when to stop, and where the next call ends.

Clocks differ, and so do signals: process 0 decides on time limits and the length of a call, and a signal to any process
stops all of them at the same step.
"""

from __future__ import annotations

import json
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.distributed import agreement, is_first, processes
from chainrule.errors import ConfigError
from chainrule.training.callbacks import Checkpoint
from chainrule.training.run import Alone, Run

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Together(Alone):
    """The agreement of several processes of one run."""

    def __init__(self) -> None:
        """Begin without a signal."""
        self.asked = False
        self.watchdog = processes.watchdog()

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """Compare the processes' settings, and treat signals as requests until the end of the training.

        Raises ConfigError in all processes if one has another run.
        """
        mine = checksums(run)
        with self.watchdog:
            compare(mine)
            self.watchdog.beat()
            before = {}
            if threading.current_thread() is threading.main_thread():
                before = {each: signal.signal(each, self.ask) for each in SIGNALS}
            try:
                yield
            finally:
                for each, handler in before.items():
                    signal.signal(each, handler)

    def ask(self, number: int, frame: object) -> None:
        """Record a signal; a second Ctrl-C interrupts at once."""
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def agree(self, run: Run) -> None:
        """Follow the decision of process 0, or stop all processes, with their checkpoints, if one got a signal.

        Raises KeyboardInterrupt in all processes at the same step.
        """
        self.watchdog.beat()
        mine = [self.asked, run.chunk, run.epochs, run.shortened, run.history.stopped]
        all = agreement.exchange(mine)
        _, run.chunk, epochs, shortened, run.history.stopped = all[0]
        run.replan(epochs, shortened)
        self.watchdog.beat()
        if any(asked for asked, *_ in all):
            for callback in run.settings.callbacks:
                if isinstance(callback, Checkpoint):
                    callback.write(run)
            raise KeyboardInterrupt

    @property
    def validates(self) -> bool:
        """Whether this is process 0."""
        return is_first()

    def shared(self, validation: dict[str, float] | None) -> dict[str, float]:
        """Return the validation of process 0."""
        self.watchdog.beat()
        values: dict[str, float] = agreement.exchange(validation)[0]
        self.watchdog.beat()
        return values


def checksums(run: Run) -> dict[str, int]:
    """Return checksums, by name, of everything that all processes must share: data, settings, callbacks, parameters."""
    callbacks = [[type(each).__name__, each.every_steps, each.identity()] for each in run.settings.callbacks]
    given = run.fingerprint | {
        "epochs": run.epochs,
        "shards": [run.plan.shards, run.plan.reduce],
        "callbacks": [each for each in callbacks if each[1:] != [None, None]],
        "steps before this run": [run.trained, run.position],
    }
    found = {name: _checksum(value) for name, value in given.items()}
    states = [value for _, state in sorted(run.states.items()) for value in state]
    return found | {"theta": _crc([run.theta]), "running statistics": _crc(states)}


def compare(mine: dict[str, int]) -> None:
    """Raise ConfigError if a process has other checksums than process 0."""
    first, *others = agreement.exchange(mine)
    for number, theirs in enumerate(others, 1):
        differing = [name for name in first | theirs if theirs.get(name) != first.get(name)]
        if differing:
            raise ConfigError(
                f"process {number} differs from process 0 in its {differing[0]}; give all processes the same "
                "program, data and settings."
            )


def _checksum(value: object) -> int:
    return zlib.crc32(json.dumps(value, default=str).encode())


def _crc(arrays: list[Any]) -> int:
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found
