"""A watchdog: a thread that ends a process which waits for another one too long."""

from __future__ import annotations

import sys
import threading
import time
from typing import Self

from chainrule.distributed import processes

CODE = 75
"""The exit code of a process that its watchdog ends; sysexits.h calls it a failure that may pass."""


class Watchdog:
    """End this process, and with it the run, where `beat` is not called for the seconds that `initialize` was given.

    JAX ends a run with a process that is dead. One that is alive and stuck would keep the others waiting for ever.
    """

    def __enter__(self) -> Self:
        """Begin to watch."""
        self.seconds, self.over = processes.timeout(), threading.Event()
        self.beat()
        threading.Thread(target=self.watch, name="chainrule-watchdog", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop watching."""
        self.over.set()

    def beat(self) -> None:
        """Say that there is progress."""
        self.last = time.monotonic()

    def watch(self) -> None:
        """Look whether there was progress, until the end."""
        while not self.over.wait(min(self.seconds / 4, 5.0)):
            if time.monotonic() - self.last > self.seconds:
                print(
                    f"chainrule: process {processes.process_index()} of {processes.process_count()} has waited "
                    f"{self.seconds:g} s for another one and ends; see which is stuck, and start all of them again "
                    "from the last checkpoint.",
                    file=sys.stderr,
                )
                processes.end(CODE)
