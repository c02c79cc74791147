"""The studio's gate behind a real server: what hostile programs on the same machine send, and what is left of them."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from asgi import Reply, assert_sealed
from chainrule.serve import connection as connections
from chainrule.serve.connection import listen
from chainrule.studio.page.assets import VERSION
from chainrule.studio.server import gate
from chainrule.studio.server.gate import Gate
from chainrule.studio.server.serve import make_server
from chainrule.studio.session.studio import Studio

DESCRIPTORS = Path("/proc/self/fd")
HANDSHAKE = "\r\n".join(
    ["Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="]
)
HARMLESS = {
    "Invalid UTF-8 sequence received from client.",  # uvicorn's
    "socket.send() raised exception.",  # asyncio's, of a client that has gone while much was sent to it
}
"""What a browser that was let in may bring to the terminal."""


class Client:
    """A server of an empty studio in another thread, and a browser that it has let in."""

    def __init__(self, server: uvicorn.Server, port: int, token: str) -> None:
        self.server, self.port, self.token = server, port, token
        self.gate: Gate = server.config.app  # type: ignore[assignment]
        self.origin = f"http://127.0.0.1:{port}"
        first = self.ask(self.head(f"GET /?token={token} HTTP/1.1", cookie="a=b"))
        self.cookie = first["set-cookie"].partition(";")[0]

    def head(self, first: str = "GET / HTTP/1.1", more: str = "", cookie: str | None = None) -> bytes:
        lines = [
            first,
            f"Host: 127.0.0.1:{self.port}",
            f"Cookie: {self.cookie if cookie is None else cookie}",
        ]
        return "\r\n".join([*lines, *more.splitlines(), "Connection: close", "", ""]).encode()

    def open(self, **changed: Any) -> ClientConnection:
        settings = {"origin": self.origin, "additional_headers": {"Cookie": self.cookie}, "open_timeout": 10}
        return connect(f"ws://127.0.0.1:{self.port}/ws", **{**settings, "proxy": None, **changed})

    def handshake(self) -> socket.socket:
        """A WebSocket as bytes, opened."""
        connection = self.connect()
        more = f"Origin: {self.origin}\r\n{HANDSHAKE}"
        head = self.head("GET /ws HTTP/1.1", more).replace(b"Connection: close", b"Connection: Upgrade")
        connection.sendall(head)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        assert answer.startswith(b"HTTP/1.1 101")
        return connection

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, request: bytes) -> Reply:
        """What comes back until the server closes the connection; an empty reply where it closes it at once."""
        with self.connect() as connection:
            with suppress(ConnectionError):  # it may close the connection before it has read everything
                connection.sendall(request)
            return read_reply(connection)

    def fetch(self, target: str = "/") -> Reply:
        reply = self.ask(self.head(f"GET {target} HTTP/1.1"))
        assert_sealed(reply, self.port)
        return reply

    def serves(self, descriptors: int | None = None) -> None:
        """The server answers still, and soon has nothing left of others: each look is a request of its own."""
        with self.open() as client:
            assert answer(client, '{"id": 3, "do": "model.get"}') == {"id": 3, "answer": {"model": None}}
        for _ in range(1000):
            reply = self.fetch()
            assert reply.status == 200 and b"Chainrule Studio" in reply.body
            state = self.server.server_state
            more = 0 if descriptors is None else open_descriptors() - descriptors
            left = len(state.connections), len(state.tasks), self.gate.open_sockets, more
            if all(count <= most for count, most in zip(left, (1, 1, 0, 1), strict=True)):  # its own, perhaps
                return
        pytest.fail(f"left: connections, tasks, sockets, descriptors = {left}")


def answer(client: ClientConnection, text: str | bytes) -> Any:
    client.send(text)
    return json.loads(client.recv(timeout=10))


def read_all(connection: socket.socket) -> bytes:
    """Read until the other end closes the connection; the test fails after 10 s."""
    found = bytearray()
    with suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            found += piece
    return bytes(found)


def read_reply(connection: socket.socket) -> Reply:
    head, _, body = read_all(connection).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Reply(int(first.split()[1]) if first else 0, headers, body)


def open_descriptors() -> int:
    return len(os.listdir(DESCRIPTORS)) if DESCRIPTORS.exists() else 0


@contextmanager
def serving() -> Iterator[Client]:
    """Serve an empty studio meanwhile; fail if a thread, a connection or a task of it is left."""
    before = set(threading.enumerate())
    with listen(0) as sock:
        server, url = make_server(Studio(), sock)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield Client(server, sock.getsockname()[1], url().partition("token=")[2])
        finally:
            server.should_exit = True
            thread.join(15)
    assert not thread.is_alive() and not server.server_state.connections and not server.server_state.tasks
    for left in set(threading.enumerate()) - before:
        left.join(5)
        assert not left.is_alive(), left


@pytest.fixture(scope="module")
def running() -> Iterator[Client]:
    with serving() as client:
        yield client


@pytest.fixture
def studio(running: Client, caplog: pytest.LogCaptureFixture) -> Iterator[Client]:
    """The server; after the test it still serves, has forgotten the client, and has written nothing to the terminal."""
    running.serves()
    before = open_descriptors()
    yield running
    running.serves(before)
    records = [record for when in ("call", "teardown") for record in caplog.get_records(when)]
    written = {
        record.getMessage() for record in records if record.name != "websockets.client"
    }  # the test's own
    assert written <= HARMLESS


def test_the_printed_address_opens_the_page(studio: Client):
    token = studio.gate.tokens.mint()
    assert len(token) >= 43 and token != studio.token
    reply = studio.ask(studio.head(f"GET /?token={token} HTTP/1.1", cookie="a=b"))
    assert (reply.status, reply["location"]) == (303, "/")
    assert_sealed(reply, studio.port)
    cookie = reply["set-cookie"].partition(";")[0]
    assert studio.ask(studio.head(cookie=cookie)).status == 200
    assert studio.ask(studio.head(f"GET /?token={token} HTTP/1.1", cookie="a=b")).status == 403


def targets(client: Client) -> Iterator[tuple[str, bool]]:
    """Every route of the application that is served, and whether it is a WebSocket's."""
    app = client.gate.app
    assert isinstance(app, Starlette)
    for route in app.routes:
        assert isinstance(route, Route | WebSocketRoute)
        values = dict.fromkeys(route.param_convertors, "main.js") | {"version": VERSION}
        values = {name: value for name, value in values.items() if name in route.param_convertors}
        yield str(app.url_path_for(route.name, **values)), isinstance(route, WebSocketRoute)


@pytest.mark.parametrize(
    ("host", "origin", "cookie"),
    [
        ("127.0.0.1:PORT", "http://127.0.0.1:PORT", "a=b"),
        ("127.0.0.1:PORT", "http://127.0.0.1:PORT", "chainrule-PORT=x"),
        ("127.0.0.1:PORT", "http://evil.example", "COOKIE"),
        ("127.0.0.1:PORT", "null", "COOKIE"),
        ("127.0.0.1:PORT.evil", "http://127.0.0.1:PORT.evil", "COOKIE"),
        ("evil.example:PORT", "http://evil.example:PORT", "COOKIE"),
        ("127.0.0.1", "http://127.0.0.1", "COOKIE"),
    ],
)
def test_no_route_is_open_to_others(studio: Client, host: str, origin: str, cookie: str):
    found = list(targets(studio))
    assert len(found) >= 5 and any(is_socket for _, is_socket in found)
    for target, is_socket in found:
        for method in ("GET", "HEAD", "POST"):
            opens = is_socket and method == "GET"
            lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Origin: {origin}", f"Cookie: {cookie}"]
            lines += (
                [HANDSHAKE, "Connection: Upgrade"] if opens else ["Content-Length: 0", "Connection: close"]
            )
            text = (
                "\r\n".join([*lines, "", ""])
                .replace("PORT", str(studio.port))
                .replace("COOKIE", studio.cookie)
            )
            reply = studio.ask(text.encode())
            assert reply.status == 403, (lines[0], reply)
            assert_sealed(reply, studio.port)


def test_the_page_and_its_files(studio: Client):
    assert studio.fetch("/")["cache-control"] == "no-store"
    reply = studio.fetch(f"/static/{VERSION}/main.js")
    assert (reply.status, reply["cache-control"]) == (200, "private, max-age=31536000, immutable")
    assert reply["content-type"].startswith("text/javascript")
    for target in (
        "/static/0/main.js",
        f"/static/{VERSION}/../gate.py",
        f"/static/{VERSION}/%2e%2e/gate.py",
        "/x",
    ):
        reply = studio.fetch(target)
        assert (reply.status, reply["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "request_",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: 127.0.0.1:PORT\r\nCookie: COOKIE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT.evil\r\nCookie: COOKIE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil:PORT\r\nOrigin: http://evil:PORT\r\nCookie: COOKIE\r\n\r\n",
        "GET http://evil/ HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nCookie: COOKIE\r\n\r\n",
        "CONNECT evil:80 HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nCookie: COOKIE\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nCookie: COOKIE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n Cookie: COOKIE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nCookie : COOKIE\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nCookie: COOKIE\r\nX: \0\r\n\r\n",
        "GET /\xff HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nCookie: COOKIE\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /upload/a HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nCookie: COOKIE\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\r\n\r\n\r\n\r\n\0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX: " + "a" * (20 << 10) + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX: " + "a" * (40 << 10) + "\r\n\r\n",
        "GET /" + "a" * (40 << 10) + " HTTP/1.1\r\n",
        "GET /" + "a" * (40 << 10),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_malformed_request_is_refused(studio: Client, request_: str):
    """By the gate in a sentence, or by the server before there is a request that the gate could see."""
    text = request_.replace("PORT", str(studio.port)).replace("COOKIE", studio.cookie)
    reply = studio.ask(text.encode("latin-1"))
    assert 400 <= reply.status < 500
    if reply.status == 400 and b"studio" not in reply.body:
        assert b"Invalid HTTP request received." in reply.body
    else:
        assert_sealed(reply, studio.port)


def test_100_mb_are_refused_at_once(studio: Client, monkeypatch: pytest.MonkeyPatch):
    """Before any of it has come: the reply is there though the client sends nothing."""
    monkeypatch.setattr(gate, "LINGER", 0.1)
    more = f"Origin: {studio.origin}\r\nContent-Length: {100 << 20}"
    reply = studio.ask(studio.head("POST /upload/a.csv HTTP/1.1", more))
    assert reply.status == 413 and b"more than 64 MiB" in reply.body
    assert_sealed(reply, studio.port)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_who_sends_100_mb_reads_why_they_are_refused(studio: Client, is_chunked: bool):
    """A browser sends everything before it reads, so what is refused is taken in nevertheless, and dropped."""
    piece = bytes(1 << 20)
    declared = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {100 << 20}"
    with studio.connect() as connection:
        connection.sendall(studio.head("POST /upload/a.csv HTTP/1.1", declared))
        for _ in range(100):
            connection.sendall(b"100000\r\n" + piece + b"\r\n" if is_chunked else piece)
        connection.sendall(b"0\r\n\r\n" if is_chunked else b"")
        reply = read_reply(connection)
    assert reply.status == 413 and b"more than 64 MiB" in reply.body


def test_who_goes_on_sending_is_cut_off(studio: Client):
    with studio.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(studio.head("POST /x HTTP/1.1", f"Content-Length: {1 << 40}"))
        for _ in range(1000):
            connection.sendall(bytes(1 << 20))


def test_64_mib_are_let_in(studio: Client):
    more = f"Content-Length: {64 << 20}"
    reply = studio.ask(studio.head("POST /upload/a.csv HTTP/1.1", more) + bytes(64 << 20))
    assert reply.status == 200 and json.loads(reply.body)["name"] == "a.csv"


@pytest.mark.parametrize("name", ["..", ".", "...", "a%2f..%2fb", "%2e%2e", "a%5cb", "a%20b", "a%00b", "%ff"])
def test_an_upload_has_the_name_of_a_file(studio: Client, name: str):
    reply = studio.ask(studio.head(f"POST /upload/{name} HTTP/1.1", "Content-Length: 1") + b"a")
    assert reply.status in (400, 404)
    assert_sealed(reply, studio.port)


def test_an_upload_keeps_as_much_of_a_long_name_as_a_file_may_have(studio: Client):
    for name, kept in (
        ("房" * 90 + ".csv.gz", "房" * 64 + ".csv.gz"),  # 3 bytes each, 200 with the ending
        ("b" * 96 + ".csv", "b" * 96 + ".csv"),
        ("é" * 100, "é" * 100),
        ("𠀀" * 60, "𠀀" * 50),
    ):
        reply = studio.ask(studio.head(f"POST /upload/{quote(name)} HTTP/1.1", "Content-Length: 1") + b"a")
        assert reply.status == 200 and json.loads(reply.body)["name"] == kept


def test_200_connections_at_once(studio: Client):
    def fetched(i: int) -> Reply:
        if i % 2:
            return studio.ask(studio.head())
        return studio.ask(studio.head(cookie="a=b"))

    with ThreadPoolExecutor(50) as threads:
        replies = list(threads.map(fetched, range(200)))
    assert [reply.status for reply in replies] == [403, 200] * 100


def test_more_connections_than_there_may_be(studio: Client):
    with ExitStack() as stack:
        idle = [stack.enter_context(studio.connect()) for _ in range(connections.CONNECTIONS)]
        assert read_all(stack.enter_context(studio.connect())) == b""
        idle.pop().close()
        for _ in range(1000):  # as soon as the server knows that it has gone
            if studio.ask(studio.head()).status == 200:
                break
        else:
            pytest.fail("refused for good")


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: "], ids=repr)
def test_half_a_request_is_not_waited_for(studio: Client, monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr(connections, "HEAD", 0.1)
    with studio.connect() as connection:
        connection.sendall(sent)
        assert read_all(connection) == b""


def test_half_of_a_second_request_is_not_waited_for(studio: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "HEAD", 0.1)
    with studio.connect() as connection:
        connection.sendall(studio.head().replace(b"Connection: close\r\n", b""))
        reply = b""
        while not reply.endswith(b"</html>\n"):
            reply += connection.recv(1 << 16)
        connection.sendall(b"GET / HT")
        assert read_all(connection) == b""


def test_half_a_body_is_not_waited_for(studio: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(studio.gate, "stall", 0.1)
    more = "Content-Length: 100"
    reply = studio.ask(studio.head("POST /upload/a.csv HTTP/1.1", more) + b"abc")
    assert reply.status == 408 and b"send it again" in reply.body


def test_clients_that_hang_up_are_forgotten(studio: Client):
    beginnings = [
        b"",
        b"GET / HT",
        studio.head(),
        studio.head("POST /upload/a.csv HTTP/1.1", "Content-Length: 100") + b"abc",
        studio.head("POST /upload/a.csv HTTP/1.1", "Transfer-Encoding: chunked") + b"5\r\nab",
    ]
    for sent in beginnings * 10:
        with studio.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.sendall(sent)
    for _ in range(10):
        studio.handshake().close()


# --- WebSockets


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": None},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:PORT"},
        {"additional_headers": {}},
        {"additional_headers": {"Cookie": "chainrule-PORT=x"}},
        {"additional_headers": {"Cookie": "COOKIE", "Sec-Fetch-Site": "same-site"}},
        {"additional_headers": {"Cookie": "COOKIE", "Sec-Fetch-Site": "none"}},
    ],
    ids=str,
)
def test_a_handshake_from_elsewhere_is_refused(studio: Client, changed: dict[str, Any]):
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(text) for name, text in value.items()}
        return value and value.replace("PORT", str(studio.port)).replace("COOKIE", studio.cookie)

    with pytest.raises(InvalidStatus) as error:
        studio.open(**{name: filled(value) for name, value in changed.items()})
    response = error.value.response
    assert response.status_code == 403 and response.body is not None
    headers = [(name.lower(), value) for name, value in response.headers.raw_items()]
    assert_sealed(Reply(403, headers, response.body), studio.port)


def test_a_handshake_under_another_name_is_refused(studio: Client):
    evil = f"evil.example:{studio.port}"
    with studio.connect() as connection, pytest.raises(InvalidStatus) as error:
        connect(f"ws://{evil}/ws", sock=connection, origin=f"http://{evil}", proxy=None)  # type: ignore[arg-type]
    assert error.value.response.status_code == 403


def test_sixteen_sockets_and_no_more(studio: Client):
    with ExitStack() as stack:
        clients = [stack.enter_context(studio.open()) for _ in range(16)]
        with pytest.raises(InvalidStatus) as error:
            studio.open()
        assert error.value.response.status_code == 503
        assert b"close one of them" in (error.value.response.body or b"")
        for client in clients:
            assert answer(client, '{"id": 3, "do": "model.get"}')["id"] == 3
        assert studio.ask(studio.head()).status == 200  # the page itself still comes


def test_a_message_of_a_mebibyte_is_the_largest(studio: Client):
    with studio.open(max_size=None) as client:
        assert "must be JSON" in answer(client, "a" * (1 << 20))["error"]
        with suppress(ConnectionClosed):  # it may be cut off while it is being sent
            client.send("a" * ((1 << 20) + 1))
        with pytest.raises(ConnectionClosed) as error:
            client.recv(timeout=10)
        assert error.value.rcvd is None or error.value.rcvd.code == 1009
    with studio.open() as client, pytest.raises(ConnectionClosed):
        client.send("a" * 1000 for _ in range(1100))  # in pieces
        client.recv(timeout=10)


def frame(first: int, payload: bytes, mask: bool = True, length: bytes | None = None) -> bytes:
    size = bytes([len(payload) | (0x80 if mask else 0)]) if length is None else length
    return bytes([first]) + size + (bytes(4) if mask else b"") + payload


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0x81, b"not masked", mask=False), 1002),
        (frame(0x83, b"an opcode that is not there"), 1002),
        (frame(0xF1, b"bits that are reserved"), 1002),
        (frame(0x80, b"the rest of nothing"), 1002),
        (frame(0x09, b"half a ping"), 1002),
        (frame(0x89, bytes(128), length=b"\xfe\x00\x80"), 1002),  # a ping may have 125 bytes
        (frame(0x01, b"a") + frame(0x81, b"two at once"), 1002),
        (frame(0x81, b"\xff\xfe"), 1007),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, b"\x00\x00"), 1002),
        (frame(0x82, b"", length=b"\xff" + b"\x7f" + b"\xff" * 7), 1009),  # 2^63 - 1 bytes
        (frame(0x82, b"", length=b"\xff" + b"\xff" * 8), 1009),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_malformed_frame_closes_the_socket(studio: Client, sent: bytes, code: int):
    with studio.handshake() as connection:
        connection.sendall(sent)
        answer = read_all(connection)
    assert answer[:1] == b"\x88" and int.from_bytes(answer[2:4], "big") == code


@pytest.mark.parametrize(
    "first", ["GET /ws HTTP/1.1", "POST /ws HTTP/1.1", "GET /ws HTTP/1.0", "GET * HTTP/1.1"]
)
@pytest.mark.parametrize(
    "more", ["", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13"]
)
def test_what_looks_like_a_handshake_is_refused(
    studio: Client, monkeypatch: pytest.MonkeyPatch, first: str, more: str
):
    """With a reply, or, by some versions of uvicorn, by hanging up when its time is over."""
    monkeypatch.setattr(connections, "HEAD", 0.1)
    text = studio.head(first, f"Origin: {studio.origin}\r\nUpgrade: websocket\r\n{more}")
    reply = studio.ask(text.replace(b"Connection: close", b"Connection: Upgrade"))
    assert reply.status == 0 or 400 <= reply.status < 500


@pytest.mark.parametrize(
    "text",
    [
        "",
        b"",
        b"\0" * 1000,
        "nothing",
        "[" * 500_000,
        '{"a":' * 100_000,
        '{"id": NaN, "do": "model.get"}',
        '{"id": 1, "do": "data.samples", "with": {"count": NaN}}',
        '{"id": 1, "do": "data.samples", "with": {"count": -Infinity}}',
        '{"id": 1, "do": "data.samples", "with": {"count": 1e999}}',
        '{"id": 1, "do": "data.samples", "with": {"count": %s}}' % ("9" * 4000),
        '{"id": 1, "do": "data.samples", "with": {"count": %s}}' % ("9" * 900_000),
        '{"id": %s, "do": "model.get"}' % ("9" * 400),
        '{"id": 1, "do": "data.samples", "with": {"rows": [%s1]}}' % ("1," * 400_000),
        '{"id": 1, "do": "__import__", "with": {}}',
        '{"id": 1, "do": "data.samples", "with": {"__class__": 1}}',
        '{"ack": -1}',
    ],
    ids=lambda text: repr(text)[:60],
)
def test_a_message_of_any_kind_gets_one_sentence(studio: Client, text: str | bytes):
    with studio.open() as client:
        found = answer(client, text)
        assert set(found) == {"id", "error"} and found["id"] in (None, 1)
        assert found["error"].endswith(".") and len(found["error"]) < 300 and "/" not in found["error"]
        assert answer(client, '{"id": 2, "do": "model.get"}')["id"] == 2


def test_a_thousand_messages_of_a_client_that_does_not_read(studio: Client):
    with studio.open(close_timeout=0.1) as client:
        for number in range(1000):
            client.send(json.dumps({"id": number, "do": "model.get"}))
        with studio.open() as other:
            assert answer(other, '{"id": 3, "do": "model.get"}')["id"] == 3


def test_a_server_that_stops_lets_go_of_its_sockets():
    with ExitStack() as stack:
        with serving() as client:
            socket = stack.enter_context(client.open())
            assert answer(socket, '{"id": 3, "do": "model.get"}')["id"] == 3
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
