"""The client of a peer's process: it sends commands and receives answers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from chainrule.errors import ChainruleError

TIMEOUT = 600.0
THREAD_VARIABLES = (
    "CHAINRULE_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class PeerError(ChainruleError):
    """A peer's process failed; the message says in which command."""


class Worker:
    """A peer in a process of its own, with a number of threads and cores. Use it in a `with`."""

    def __init__(self, peer: str, threads: int, *, timeout: float = TIMEOUT) -> None:
        """Start the process; it imports its library at the first command."""
        environment = dict(os.environ, PYTHONWARNINGS="ignore", JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="")
        environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        environment.pop("JAX_ENABLE_X64", None)
        paths = [str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        if threads == 1:
            flag = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {flag}".strip()
        self.peer, self.threads, self.timeout = peer, threads, timeout
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "speed.worker", peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def send(self, do: str, **arguments: Any) -> None:
        """Send a command without waiting."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `receive` says what happened
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()

    def receive(self) -> Any:
        """Return the answer to the oldest command. Raises PeerError if it failed, died or took too long."""
        assert self.process.stdout is not None
        is_late = threading.Event()
        timer = threading.Timer(self.timeout, self._give_up, (is_late,))
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            code = self.process.wait()
            if is_late.is_set():
                raise PeerError(f"{self.peer} did not answer within {self.timeout:g} s.")
            raise PeerError(f"{self.peer}'s process ended (exit code {code}). {self.last_error()}".strip())
        try:
            answer = json.loads(line)
            reason = answer.get("error")
            found = answer["answer"] if reason is None else None
        except (ValueError, KeyError, AttributeError) as error:
            raise PeerError(
                f"{self.peer}'s process answered {line.strip()[:40]!r}, which is no answer."
            ) from error
        if reason is not None:
            raise PeerError(f"{self.peer}: {reason}")
        return found

    def _give_up(self, is_late: threading.Event) -> None:
        is_late.set()
        self.process.kill()

    def ask(self, do: str, **arguments: Any) -> Any:
        """Send a command and return its answer."""
        self.send(do, **arguments)
        return self.receive()

    def last_error(self) -> str:
        """The last line that the process wrote to standard error."""
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def __enter__(self) -> Worker:
        """Return the worker."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self.close()
