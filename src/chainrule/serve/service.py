"""The state of a server: the model that answers, what waits for it, its figures, and the reading of a newer file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from chainrule.errors import ChainruleError
from chainrule.serve.answering import Extras, ServedModel, load
from chainrule.serve.batches import Batches, Write
from chainrule.serve.bodies import Limits
from chainrule.serve.metrics import Metrics
from chainrule.serve.rows import RequestRows

LIMITS = Limits()
LOOK = 1.0
"""Seconds between two looks at the stamp of the model's file."""
Stamp = tuple[int, int, int]


class Service:
    """A model file that is served.

    path: the file, or the folder of a run.  name: of the model.  say(sentence): writes a line of the log.
    """

    def __init__(
        self, path: Path, name: str, limits: Limits = LIMITS, say: Callable[[str], None] = lambda said: None
    ) -> None:
        """Read the model. Raises FormatError, ConfigError and OSError."""
        self.path, self.name, self.limits, self.say = path, name, limits, say
        self.metrics = Metrics()
        self.is_ending = False
        """whether the server answers only what it has accepted"""
        self.batches = Batches(limits, self.metrics.note_batch)
        self._stamp = stamp_of(path)
        self.model = load(path, name)
        """the model that answers requests that arrive now"""
        self.metrics.note_model(name, self.model.digest)

    async def answer(self, model: ServedModel, rows: RequestRows, asked: Extras, write: Write) -> bytes:
        """Return the body of a reply to rows that were read for a model."""
        return await self.batches.answer(model, rows, asked, write)

    def end(self) -> None:
        """Close the connection after each reply from now on, and report that the server is not ready."""
        self.is_ending = True

    async def watch(self, look: float = LOOK) -> None:
        """Read the file again whenever its stamp has changed and then stays the same for a look, until cancelled."""
        before = self._stamp
        while True:
            await asyncio.sleep(look)
            try:
                now = await asyncio.to_thread(stamp_of, self.path)
            except OSError:
                continue  # between the removal of a file and the next one
            if now == before and now != self._stamp:
                await self.reload()
            before = now

    async def reload(self) -> bool:
        """Read the file again; the old model answers until the new one does, and goes on if the file is damaged."""
        try:
            stamp = await asyncio.to_thread(stamp_of, self.path)
            self._stamp = stamp
            made = await asyncio.to_thread(load, self.path, self.name)
        except (ChainruleError, OSError) as error:
            self.metrics.reloads.labels("refused").inc()
            self.say(f"The newer file was refused, and the model of before goes on: {_sentence(error)}")
            return False
        if made.digest == self.model.digest:
            self.say(f"The file has not changed: {made.digest}.")
            return True
        old = self.model
        self.model = made
        self.metrics.reloads.labels("taken").inc()
        self.metrics.note_model(self.name, made.digest)
        self.say(f"The newer file answers: {made.digest} in place of {old.digest}.")
        if old.schema != made.schema:
            self.say("Its columns or labels differ from those of before; GET /schema has them.")
        return True


def stamp_of(path: Path) -> Stamp:
    """Return what changes when a file is written again. Raises OSError."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror[0].lower()}{error.strerror[1:]}."
    return str(error)
