"""`chainrule serve` in a process of its own: what it prints works, and signals and hostile clients do it no harm."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import MLPRegressor
from chainrule.serve import connection
from chainrule.serve.bodies import Limits
from chainrule.serve.server import served
from served_models import row

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGTERM for one process")
TIMEOUT = 120


class Process:
    """A server, its address, and what it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.lines = process, list[str]()
        assert process.stdout is not None
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, "the server ended"
            self.lines.append(line)
        self.port = int(re.search(r":(\d+)$", self.lines[0].strip())[1])  # type: ignore[index]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def end(self, sig: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(sig)
        _, log = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, log

    def head(self, body: bytes = b"", first: str = "POST /predict HTTP/1.1", more: str = "") -> bytes:
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        return f"{first}\r\nHost: 127.0.0.1:{self.port}\r\n{kind}{more}\r\n".encode() + body


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "chainrule", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield Process(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=TIMEOUT)


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


def read_all(connection: socket.socket) -> bytes:
    found = bytearray()
    while piece := connection.recv(1 << 16):
        found += piece
    return bytes(found)


def ask(server: Process, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)) as client:
        client.request(method, path, body, headers)
        reply = client.getresponse()
        return reply.status, json.loads(reply.read())


@pytest.mark.slow
def test_what_it_prints_works_and_no_accepted_request_is_lost_by_sigterm(models: dict[str, Path]):
    """Clients that ask without pause on kept connections: each request that was sent is answered, until a close."""
    with serving(str(models["labels"])) as server:
        (line,) = [line for line in server.lines if line.startswith("curl")]
        words = shlex.split(line)
        headers = dict(words[i + 1].split(": ") for i, word in enumerate(words) if word == "-H")
        status, answer = ask(server, "POST", "/predict", words[words.index("-d") + 1], **headers)
        assert (
            status == 200
            and answer["predicted"] in ("no", "yes")
            and words[-1].endswith(f":{server.port}/predict")
        )

        begun = threading.Barrier(9)
        lost, answered = list[str](), list[int]()
        body = json.dumps([row(i) for i in range(5)])

        def ask_on() -> None:
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
            count = 0
            try:
                while True:
                    client.request("POST", "/predict", body, {"Content-Type": "application/json"})
                    reply = client.getresponse()
                    assert reply.status == 200 and len(json.loads(reply.read())) == 5
                    count += 1
                    if count == 3:
                        begun.wait(TIMEOUT)
                    if reply.will_close:
                        break
            except Exception as error:
                lost.append(repr(error))
            finally:
                client.close()
            answered.append(count)

        threads = [threading.Thread(target=ask_on) for _ in range(8)]
        for thread in threads:
            thread.start()
        begun.wait(TIMEOUT)
        code, log = server.end()
        for thread in threads:
            thread.join(TIMEOUT)
        assert (lost, code, log) == ([], 0, "")
        assert len(answered) == 8 and min(answered) > 3
        with pytest.raises(OSError):
            server.connect()


def test_the_precision_that_is_asked_for(models: dict[str, Path]):
    rows = [row(i) for i in range(9)]
    made = MLPRegressor.load(models["numbers"])
    with serving(str(models["numbers"]), "--precision", "bf16") as server:
        status, answers = ask(
            server, "POST", "/predict", json.dumps(rows), **{"Content-Type": "application/json"}
        )
    found, expected = [each["predicted"] for each in answers], made.predict(rows, precision="bf16")
    assert status == 200 and np.abs(expected - made.predict(rows)).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_header_without_an_end(models: dict[str, Path]):
    """By its bytes, however fast they come; uvicorn's reader by httptools has no limit of its own."""
    with served(models["labels"]) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        for sent, is_answered in ((32_768 // 4, True), (2 * 32_768, False)):
            with socket.create_connection(address, timeout=10) as endless:
                endless.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\n".encode())
                answer = b""
                with suppress(OSError):  # of a connection that was closed meanwhile
                    for _ in range(sent // 1000):
                        endless.sendall(b"X: " + b"x" * 995 + b"\r\n")
                        time.sleep(0.001)
                    endless.sendall(b"\r\n")
                    answer = endless.recv(1 << 16)
                assert statuses(answer) == ([200] if is_answered else [])


@pytest.mark.slow
def test_connections_without_a_request(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    """There are so many at most, and each has some seconds for a header; one that asks again and again goes on."""
    with served(models["labels"], limits=Limits(connections=2)) as url:
        port = int(url.rpartition(":")[2])
        head = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX: {'x' * 4000}\r\n\r\n".encode()

        def connect() -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), timeout=10)

        def reply(to: socket.socket) -> bytes:
            """Its head and its body, JSON, may come in pieces."""
            found = b""
            while not found.endswith(b"}") and (piece := to.recv(1 << 16)):
                found += piece
            return found

        with connect() as often:
            for _ in range(3 * 32_768 // len(head)):
                often.sendall(head[:3000])
                time.sleep(0.001)
                often.sendall(head[3000:])
                assert statuses(reply(often)) == [200]
            with connect(), connect() as third:
                assert statuses(read_all(third)) == [503]
        monkeypatch.setattr(connection, "HEAD", 0.1)
        for sent in (b"", head[:-2]):
            with connect() as silent:
                silent.sendall(sent)
                assert read_all(silent) == b""
        monkeypatch.undo()
        with connect() as again:
            again.sendall(head)
            assert statuses(reply(again)) == [200]


@pytest.mark.slow
def test_hostile_clients(models: dict[str, Path]):
    with serving(str(models["labels"]), "--max-seconds", "1") as server:
        one = server.head(json.dumps(row(0)).encode())
        with server.connect() as pipelined:  # three requests before the first answer
            last = server.head(b"{}", more="Connection: close\r\n")
            pipelined.sendall(one + server.head(first="HEAD /schema HTTP/1.1") + last)
            assert statuses(read_all(pipelined)) == [200, 200, 422]

        with server.connect() as slow:  # a byte, and then no more
            slow.sendall(one[:-20])
            slow.sendall(one[-20:-19])
            answered = read_all(slow)
            assert statuses(answered) == [408] and b"within 1 seconds" in answered

        with server.connect() as no_http:
            no_http.sendall(b"\x16\x03\x01 hello\r\n\r\n")
            assert statuses(read_all(no_http)) in ([400], [])

        with server.connect() as endless, pytest.raises(OSError):  # a header without an end
            endless.sendall(b"GET / HTTP/1.1\r\n")
            for _ in range(10_000):
                endless.sendall(b"X: " + b"x" * 1000 + b"\r\n")

        with server.connect() as large:  # more than the limit, without saying so
            large.sendall(
                server.head(more="Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
            )
            with suppress(OSError):
                for _ in range(40):
                    large.sendall(b"80000\r\n" + b" " * 0x80000 + b"\r\n")
                large.sendall(b"0\r\n\r\n")
            assert statuses(read_all(large)) == [413]

        with server.connect() as half:  # a client that goes away
            half.sendall(one[:-5])
        assert ask(server, "GET", "/health") == (200, {"live": True, "ready": True})
        assert server.end() == (0, "")


@pytest.mark.slow
def test_a_token_and_a_newer_file(models: dict[str, Path], tmp_path: Path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(models["labels"].read_bytes())
    token = "0123456789abcdef"
    with serving(str(path), "--name", "mine", CHAINRULE_TOKEN=token) as server:
        assert any("Bearer $CHAINRULE_TOKEN" in line for line in server.lines)

        def digest() -> str:
            _, found = ask(server, "GET", "/schema", Authorization=f"Bearer {token}")
            assert found["name"] == "mine"
            return str(found["digest"])

        before = digest()
        path.write_bytes(models["numbers"].read_bytes())
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT
        while digest() == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert digest() != before
        code, log = server.end(signal.SIGINT)
        assert code == 0 and "newer file answers" in log


@pytest.mark.slow
def test_connections_have_a_maximum(models: dict[str, Path]):
    with serving(str(models["labels"]), "--connections", "4") as server:
        held = [server.connect() for _ in range(4)]
        for each in held:
            each.sendall(server.head(first="GET /health HTTP/1.1"))
            assert statuses(each.recv(1 << 16)) == [200]
        with server.connect() as fifth:
            assert statuses(read_all(fifth)) == [503]
        for each in held:
            each.close()
        assert server.end()[0] == 0
