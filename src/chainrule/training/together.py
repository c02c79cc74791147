"""What the processes of a run agree on between two calls of the engine: when to stop, and where the next call ends.

Clocks differ, and so do signals: process 0's word counts where a limit of time or the length of a call is worked out,
and a signal to any process stops all of them at the same step.
"""

from __future__ import annotations

import json
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chainrule.distributed import agreement, is_first, process_count
from chainrule.distributed.watchdog import Watchdog
from chainrule.errors import ConfigError
from chainrule.training.callbacks import Checkpoint
from chainrule.training.run import Run

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Together:
    """The agreement of the processes of one run; it does nothing in a run of one process."""

    def __init__(self, run: Run) -> None:
        """Look whether the run has several processes."""
        self.is_shared = run.plan.shards is not None and process_count() > 1
        self.asked = False
        self.watchdog = Watchdog()

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """Compare what the processes were given, and take signals as requests until the end of the training.

        Raises ConfigError in all processes where one was given another run.
        """
        if not self.is_shared:
            yield
            return
        compare(run)
        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {each: signal.signal(each, self.ask) for each in SIGNALS}
        try:
            with self.watchdog:
                yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def ask(self, number: int, frame: Any) -> None:
        """Remember a signal; a second Ctrl-C interrupts at once."""
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def agree(self, run: Run) -> None:
        """Let all go on as process 0 does, or end all, with their checkpoints, where one has got a signal.

        Raises KeyboardInterrupt in all processes at the same step.
        """
        if not self.is_shared:
            return
        self.watchdog.beat()
        mine = [self.asked, run.chunk, run.epochs, run.shortened, run.history.stopped]
        all = agreement.exchange(mine)
        _, run.chunk, run.epochs, run.shortened, run.history.stopped = all[0]
        self.watchdog.beat()
        if any(asked for asked, *_ in all):
            for callback in run.callbacks:
                if isinstance(callback, Checkpoint):
                    callback.write(run)
            raise KeyboardInterrupt

    def validated(self, run: Run) -> dict[str, float]:
        """Return the validation of process 0, by which all decide."""
        if not self.is_shared:
            return run.validate(run)
        found = run.validate(run) if is_first() else None
        self.watchdog.beat()
        values: dict[str, float] = agreement.exchange(found)[0]
        self.watchdog.beat()
        return values


def compare(run: Run) -> None:
    """Raise ConfigError where a process has other data, settings or numbers than process 0."""
    mine = {name: _checksum(value) for name, value in run.fingerprint.items()}
    mine |= {"start": _checksum([run.epoch, run.position]), "theta": zlib.crc32(run.theta.tobytes())}
    all = agreement.exchange(mine)
    for number, theirs in enumerate(all):
        other = [name for name, value in theirs.items() if value != all[0].get(name)]
        if other:
            raise ConfigError(
                f"process {number} was given another {other[0]} than process 0; give all processes the same program, "
                "data and settings."
            )


def _checksum(value: Any) -> int:
    return zlib.crc32(json.dumps(value).encode())
