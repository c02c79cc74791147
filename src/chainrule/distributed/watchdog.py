"""A watchdog: a thread that ends a process which waits for another one too long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Self

CODE = 75
"""The exit code of a process that its watchdog ends; sysexits.h calls it a failure that may pass."""


class Watchdog:
    """End this process, and with it the run, where `beat` is not called for so many seconds.

    JAX ends a run with a process that is dead. One that is alive and stuck would keep the others waiting for ever.

    seconds: without a beat.  sentence: what is printed then.  end(code): ends the process.
    """

    def __init__(self, seconds: float, sentence: str, end: Callable[[int], object]) -> None:
        """Keep the arguments; nothing is watched yet."""
        self.seconds, self.sentence, self.end = seconds, sentence, end

    def __enter__(self) -> Self:
        """Begin to watch."""
        self.over = threading.Event()
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
                print(f"chainrule: {self.sentence}", file=sys.stderr)
                self.end(CODE)
                return
