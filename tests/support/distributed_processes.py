"""The processes of one run that tests start, and end."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAM = str(Path(__file__).with_name("distributed_run.py"))


class Program:
    """`distributed_run.py`: processes forked from one that has the imports behind it, two seconds saved each."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, pipe = folder, subprocess.PIPE
        self.server = subprocess.Popen(
            [sys.executable, PROGRAM],
            env=os.environ | environment,
            stdin=pipe,
            stdout=pipe,
            text=True,
            bufsize=1,
        )

    def ask(self, **request: object) -> int | None:
        self.server.stdin.write(json.dumps(request) + "\n")
        return json.loads(self.server.stdout.readline())

    def started(self, count: int, **given: object) -> contextlib.AbstractContextManager[list[Forked]]:
        """Start it as so many processes of one run, with settings."""
        return ending([Forked(self, place, given) for place in places(count)])


class Forked:
    """A process of the program, with the methods of subprocess.Popen that the tests call."""

    def __init__(self, program: Program, environment: dict[str, str], given: dict[str, object]) -> None:
        self.program, self.returncode = program, None
        name = secrets.token_hex(4)
        self.files = [program.folder / f"{name}.{which}" for which in ("out", "error")]
        out, error = map(str, self.files)
        self.pid = program.ask(start=given, environment=environment, out=out, error=error)

    def poll(self, seconds: float = 0) -> int | None:
        """Wait for its end, at most so long."""
        if self.returncode is None:
            self.returncode = self.program.ask(wait=self.pid, seconds=seconds)
        return self.returncode

    def communicate(self, timeout: float = 60) -> list[str]:
        assert self.poll(timeout) is not None, f"a process has not ended within {timeout} s"
        return [path.read_text() for path in self.files]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[str] | Forked


def places(count: int) -> list[dict[str, str]]:
    """The variables by which so many processes find their places in one run."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    shared = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": str(count)}
    return [shared | {"JAX_PROCESS_ID": str(i)} for i in range(count)]


@contextlib.contextmanager
def ending(processes: list[Process]) -> Iterator[list[Process]]:
    """End those that are left."""
    try:
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
