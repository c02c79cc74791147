"""Large requests, answered by a second process one after another, so that they hold up nobody else.

Python runs one thread at a time: reading a body of megabytes, or writing a long answer, would stop the event loop for
as long, whichever thread does it. The second process starts with the first large request and ends without one for a
while. Where the system has such limits (Linux) its memory has one; a request that needs more ends it, and gets a
sentence. A message between the two is the lengths of a head of JSON and of a body, the head, and the body.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, NamedTuple

from chainrule.core.files import to_json
from chainrule.errors import ChainruleError
from chainrule.serve import inference
from chainrule.serve.answering import PLAIN, Extras, ServedModel, load
from chainrule.serve.arrival import Room
from chainrule.serve.bodies import (
    ANSWER_TIMES,
    Limits,
    RefusedError,
    TooMuchError,
    refused,
    rows_of,
    writer,
)
from chainrule.trained.persistence import file_and_output

ANSWER_BYTES = 128 << 10
"""The bytes of an answer, as estimated, above which a request is large."""
WARM_ROWS = 4096
"""The rows of a first prediction, which starts the threads, whose stacks count as memory."""
SECONDS = 120.0
"""The maximum seconds of a large request."""
IDLE = 60.0
"""Seconds without a large request after which the second process ends."""
_LENGTHS = struct.Struct("<QQ")
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from chainrule.serve.large import main; main()"
)
GONE = "The rows of this request take more memory or time than the server gives to one request; send fewer at a time."


class Form(NamedTuple):
    """How a request is written, and what it asks for."""

    kind: str
    """the type of the body"""
    wanted: str
    """the type of the answer"""
    asked: Extras = PLAIN
    is_inference: bool = False
    """whether it is one of the Open Inference Protocol, whose body says what it asks for"""


def read(body: bytes, form: Form, model: ServedModel, limits: Limits) -> inference.Inference:
    """Return the rows of a request and what it asks for. Raises ChainruleError for what the model cannot take."""
    model.check(form.asked)
    if not form.is_inference:
        rows = rows_of(body, form.kind, model.reads, limits)
        return inference.Inference(rows, form.asked, writer(form.wanted))
    found = inference.read(body, model, limits)
    model.check(found.asked)
    return found


class LargeRequests:
    """The second process, and the requests that wait for it.

    note(requests, rows): called with each answered request.  say(sentence): writes a line of the log.
    """

    def __init__(
        self, limits: Limits, answers: Room, note: Callable[[int, int], None], say: Callable[[str], None]
    ) -> None:
        """Start no process yet. answers: the room for answers that are being sent."""
        self.limits, self.answers, self.note, self.say = limits, answers, note, say
        self._turn, self._thread = asyncio.Lock(), ThreadPoolExecutor(1, "large requests")
        self._process: subprocess.Popen[bytes] | None = None
        self._model: ServedModel | None = None
        self._idle: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is no process."""
        return self._process is None

    async def answer(self, model: ServedModel, body: bytes, form: Form) -> bytes:
        """Return the body of the reply to a request. Raises RefusedError, TooMuchError, or a bug's error."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            await self.answers.enter(0)
            head, found = await loop.run_in_executor(self._thread, self._answered, model, body, form)
        if self._idle is not None:
            self._idle.cancel()
        self._idle = loop.call_later(IDLE, self._thread.submit, self._end)
        if "bug" in head:
            error = RuntimeError(head["bug"])
            error.add_note(head["trace"])
            raise error
        if head["status"] != 200:
            raise RefusedError(head["status"], head["text"])
        self.note(1, head["rows"])
        return found

    def close(self) -> None:
        """End the process, at once."""
        if (process := self._process) is not None:
            process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._end()

    def _answered(self, model: ServedModel, body: bytes, form: Form) -> tuple[dict[str, Any], bytes]:
        """Return what the second process says, in the thread."""
        process = self._started(model)
        limit = threading.Timer(SECONDS, process.kill)
        limit.start()
        try:
            send(process.stdin, form._asdict(), body)  # type: ignore[arg-type]
            return receive(process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError):
            self._end()
            self.say(f"A large request ended the process that read it ({process.returncode}).")
            raise TooMuchError(GONE) from None
        finally:
            limit.cancel()

    def _started(self, model: ServedModel) -> subprocess.Popen[bytes]:
        """Return the process of a model. Raises RuntimeError if it does not start."""
        if self._process is not None and self._model is model and self._process.poll() is None:
            return self._process
        self._end()
        command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._process, self._model = process, model
        try:
            head = {
                "name": model.name,
                "limits": self.limits,
                "precision": model.precision,
                "kind": model.kind,
            }
            send(process.stdin, head, model.content)  # type: ignore[arg-type]
            receive(process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError) as error:
            self._end()
            raise RuntimeError("the process for large requests did not start") from error
        return process

    def _end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError), process:  # closes the pipes
                process.wait()


def send(file: BinaryIO, head: object, body: bytes = b"") -> None:
    """Write a message."""
    text = to_json(head).encode()
    file.write(_LENGTHS.pack(len(text), len(body)) + text)
    file.write(body)
    file.flush()


def receive(file: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read a message. Raises EOFError at the end."""
    length, size = _LENGTHS.unpack(_exactly(file, _LENGTHS.size))
    return json.loads(_exactly(file, length)), _exactly(file, size)


def _exactly(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise EOFError
    return found


def main() -> None:
    """Answer the messages on standard input until it ends."""
    for each in (signal.SIGINT, signal.SIGTERM):  # the server ends this process after its last answer
        signal.signal(each, signal.SIG_IGN)
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(EOFError, BrokenPipeError):
        head, content = receive(incoming)
        limits = Limits(*head["limits"])
        with TemporaryDirectory() as folder:
            path = Path(folder, f"model{head['kind']}")
            file_and_output(path)[0].write_bytes(content)
            model = load(path, head["name"], head["precision"])
        rows = model.reads.of_json([model.schema.example()] * WARM_ROWS)
        model.predicts.answers(model.reads.joined([rows]), PLAIN)
        bound_memory(limits.memory)
        send(outgoing, {})
        while True:
            head, body = receive(incoming)
            send(outgoing, *answer_message(head, body, model, limits))


def answer_message(
    head: Mapping[str, Any], body: bytes, model: ServedModel, limits: Limits
) -> tuple[dict[str, Any], bytes]:
    """Return the head and the body of the reply to a message; ends the process if memory does not suffice."""
    try:
        form = Form(**{**head, "asked": Extras(*head["asked"])})
        rows, asked, write = read(body, form, model, limits)
        found = write(model.predicts.answers(model.reads.joined([rows]), asked), model, rows)
        most = ANSWER_TIMES * limits.body_bytes
        if len(found) > most:
            raise TooMuchError(f"The answer has more than {most:,} bytes; send fewer rows at a time.")
        return {"status": 200, "rows": rows.length}, found
    except MemoryError:
        os._exit(1)
    except ChainruleError as error:
        refusal = refused(error)
        return {"status": refusal.status, "text": refusal.text}, b""
    except Exception as error:
        return {"bug": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}, b""


def bound_memory(count: int) -> None:
    """Bound what this process may take from now on, in bytes, where the system can."""
    if sys.platform == "linux":
        import resource

        with suppress(OSError, ValueError):
            text = Path("/proc/self/status").read_text()
            (own,) = (int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("VmData:"))
            resource.setrlimit(resource.RLIMIT_DATA, (own + count, own + count))
