"""The figures of a server for Prometheus: requests, rows, batches and the model, by prometheus_client."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

import chainrule

KIND = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)


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
        self.model.labels(name, digest, chainrule.__version__).set(1)

    def text(self, waiting: int) -> bytes:
        """Return all figures in Prometheus's text format. waiting: the rows that wait now."""
        self.waiting.set(waiting)
        return generate_latest(self.registry)
