"""The state of a server: the model that answers, what waits for it, the reading of a newer file, and its figures.

The figures, of requests, rows, batches and the model, are for Prometheus, by prometheus_client.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from chainrule.core.version import __version__
from chainrule.errors import ChainruleError
from chainrule.serve import large
from chainrule.serve.answering import load
from chainrule.serve.arrival import SMALL, Room
from chainrule.serve.batches import Batches
from chainrule.serve.bodies import ANSWER_TIMES, ARROW, HELD_TIMES, Limits
from chainrule.trained.persistence import file_and_output

KIND = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)
LIMITS = Limits()
LOOK = 1.0
"""Seconds between two looks at the stamp of the model's file."""
Stamp = tuple[int, int, int]


class Metrics:
    """The figures of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Begin at 0."""
        registry = self.registry = CollectorRegistry()
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "chainrule_requests", "Requests by path and status.", ("path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "chainrule_request_seconds",
            "Seconds from a request's header to the end of its reply.",
            ("path",),
            buckets=SECONDS,
            registry=registry,
        )
        self.rows = Counter("chainrule_rows", "Rows that were predicted.", registry=registry)
        self.batch_rows = Histogram(
            "chainrule_batch_rows", "Rows predicted at once.", buckets=SIZES, registry=registry
        )
        self.batch_requests = Histogram(
            "chainrule_batch_requests", "Requests answered at once.", buckets=SIZES, registry=registry
        )
        self.waiting = Gauge("chainrule_waiting_rows", "Rows that wait.", registry=registry)
        self.reloads = Counter(
            "chainrule_reloads", "Readings of a newer file, by outcome.", ("outcome",), registry=registry
        )
        self.loaded = Gauge(
            "chainrule_model_loaded_timestamp_seconds", "When the model was read.", registry=registry
        )
        self.model = Gauge(
            "chainrule_model_info", "The model.", ("name", "digest", "version"), registry=registry
        )

    def note_batch(self, requests: int, rows: int) -> None:
        """Count a batch."""
        self.rows.inc(rows)
        self.batch_rows.observe(rows)
        self.batch_requests.observe(requests)

    def note_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request. path: a known one, or "other"."""
        counter, histogram = self._of_path(path, status)
        counter.inc()
        histogram.observe(seconds)

    def _of_path(self, path: str, status: int) -> tuple[Counter, Histogram]:
        found = self._known.get((path, status))
        if found is None:
            found = self.requests.labels(path, str(status)), self.seconds.labels(path)
            self._known[path, status] = found
        return found

    def note_model(self, name: str, digest: str) -> None:
        """Say which model answers from now on."""
        self.loaded.set_to_current_time()
        self.model.clear()
        self.model.labels(name, digest, __version__).set(1)

    def text(self, waiting: int) -> bytes:
        """Return all figures in Prometheus's text format. waiting: the rows that wait now."""
        self.waiting.set(waiting)
        return generate_latest(self.registry)


class Service:
    """A model file that is served.

    path: the file, or the folder of a run.  name: of the model.  say(sentence): writes a line of the log.
    precision: of matrix products, as in `Model.predict`.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        limits: Limits = LIMITS,
        say: Callable[[str], None] = lambda said: None,
        precision: str | None = None,
    ) -> None:
        """Read the model. Raises FormatError, ConfigError and OSError."""
        self.path, self.name, self.limits, self.say, self.precision = path, name, limits, say, precision
        self.metrics = Metrics()
        self.is_ending = False
        """whether the server answers only what it has accepted"""
        self.batches = Batches(limits, self.metrics.note_batch)
        self.bodies = Room(HELD_TIMES * limits.body_bytes)
        """for large bodies"""
        self.answers = Room(ANSWER_TIMES * limits.body_bytes)
        """for answers that are being sent"""
        self.large = large.LargeRequests(limits, self.answers, self.metrics.note_batch, say)
        self._stamp = stamp_of(path)
        self.model = load(path, name, precision)
        """the model that answers requests that arrive now"""
        self.metrics.note_model(name, self.model.digest)

    async def answer(self, body: bytes, form: large.Form) -> bytes:
        """Return the body of the reply to a request, by the model of now."""
        model = self.model
        if len(body) <= SMALL and form.kind != ARROW:
            rows, asked, write = large.read(body, form, model, self.limits)
            if rows.length * model.answer_bytes <= large.ANSWER_BYTES:
                return await self.batches.answer(model, rows, asked, write)
        return await self.large.answer(model, body, form)

    def close(self) -> None:
        """End the threads and the second process."""
        self.batches.close()
        self.large.close()

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
            made = await asyncio.to_thread(load, self.path, self.name, self.precision)
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
    found = os.stat(file_and_output(path)[0])
    return found.st_mtime_ns, found.st_size, found.st_ino


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror[0].lower()}{error.strerror[1:]}."
    return str(error)
