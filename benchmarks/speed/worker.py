"""The process of a peer, `python -P -m speed.worker NAME THREADS`: it answers commands, in JSON.

Only that peer's library is imported. Times are measured in this process, so they do not include the pipe.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.cases import HELD, Case
from speed.peers import make
from speed.peers.base import Peer
from speed.timing import per_call

MIN_SHARE = 0.5
"""A measurement shorter than this share of the requested time is repeated with more work."""


class Server:
    """Answers commands; each command is a method."""

    def __init__(self, peer: Peer) -> None:
        """Start with nothing loaded."""
        self.peer = peer
        self.case: Case | None = None
        self.X: NDArray[Any] = np.empty((0, 0), np.float32)
        self.y: NDArray[Any] = np.empty(0)
        self.planned = 0

    def versions(self) -> dict[str, str]:
        """Return the versions of the peer's packages."""
        return self.peer.versions()

    def load(self, case: dict[str, Any]) -> dict[str, Any]:
        """Make the data and the initial weights; return the reason if the peer does not support the case."""
        self.case, self.planned = Case.from_json(case), 0
        reason = self.peer.refusal(self.case)
        if reason is None:
            self.X, self.y = self.case.data()
            self.peer.prepare(self.case, self.X, self.y, self.case.layers())
        return {"refusal": reason}

    def first(self) -> dict[str, float]:
        """Run the first epoch, unshuffled; return its seconds, compilation included, and the loss after it."""
        assert self.case is not None
        start = time.perf_counter()
        self.peer.train(self.case.samples, shuffle=False)
        seconds = time.perf_counter() - start
        out = self.peer.outputs(self.X[:HELD])
        return {"seconds": seconds, "loss": self.case.loss(out, self.y[:HELD])}

    def train(self, seconds: float) -> dict[str, float]:
        """Return samples per second in shuffled epochs of about `seconds`, at least one epoch or some batches."""
        assert self.case is not None
        count = self.planned or (
            self.case.samples if self.peer.whole_epochs else min(self.case.samples, 16 * self.case.batch)
        )
        while True:
            start = time.perf_counter()
            trained = self.peer.go_on(count)
            spent = time.perf_counter() - start
            if self.planned or spent >= MIN_SHARE * seconds:
                self.planned = count
                return {"rate": trained / spent}
            count = int(count * min(16.0, max(1.5, seconds / spent)))

    def fit(self, epochs: int) -> dict[str, float]:
        """Return the seconds from arrays to a trained network, with everything made anew."""
        assert self.case is not None
        layers = self.case.layers()
        start = time.perf_counter()
        self.peer.prepare(self.case, self.X, self.y, layers)
        self.peer.train(epochs * self.case.samples)
        return {"seconds": time.perf_counter() - start}

    def predict(self, rows: int, seconds: float) -> dict[str, float]:
        """Return the seconds of one call on a number of rows, from a NumPy array to a NumPy array."""
        return {"seconds": per_call(self.peer.predictor(np.ascontiguousarray(self.X[:rows])), seconds)}

    def sgemm(self, seconds: float) -> dict[str, float]:
        """Return the rate of NumPy's float32 matrix product at the better of two sizes, in operations per second."""
        rates = []
        for n in (1536, 2048):
            a, b, c = (np.ones((n, n), np.float32) for _ in range(3))
            rates.append(2.0 * n**3 / per_call(partial(np.matmul, a, b, out=c), seconds / 2))
        return {"rate": max(rates)}

    def memory(self) -> dict[str, float]:
        """Return the peak resident memory of this process in MiB."""
        return {"peak": peak_memory()}


def peak_memory() -> float:
    """Return the peak memory in MiB: by Linux's own count, because getrusage's includes the parent process."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        import resource

        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / unit


def bind_to_cores(threads: int) -> None:
    """Restrict the process to a number of cores, where the system supports it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def serve(name: str, threads: int) -> None:
    """Answer commands until the input ends. What a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    bind_to_cores(threads)
    server: Server | None = None
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        try:
            if server is None:
                server = Server(make(name, threads))
            action: Callable[..., Any] = getattr(server, command.pop("do"))
            answer: dict[str, Any] = {"answer": action(**command)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
