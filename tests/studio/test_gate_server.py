"""The studio's gate behind a real server: what hostile programs on the same machine send, and what is left of them."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chainrule.studio import connection as connections
from chainrule.studio.gate import SOCKETS, Gate, Tokens
from served import Reply, Server, assert_sealed, read_all, read_reply, serving, small_app

DESCRIPTORS = Path("/proc/self/fd")


class Studio:
    """A server behind its gate, and the cookie of a browser that it has let in."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = server.port
        self.gate: Gate = server.app  # type: ignore[assignment]
        secret = self.gate.tokens.redeem(self.gate.tokens.mint())
        self.cookie = f"chainrule-{self.port}={secret}"
        self.origin = f"http://127.0.0.1:{self.port}"

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
        connection = self.server.connect()
        more = f"Origin: {self.origin}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        more += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        head = self.head("GET /ws HTTP/1.1", more).replace(b"Connection: close", b"Connection: Upgrade")
        connection.sendall(head)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        assert answer.startswith(b"HTTP/1.1 101")
        return connection

    def serves(self, descriptors: int | None = None) -> None:
        """The server answers still, and soon has nothing left of others: each look is a request of its own."""
        with self.open() as client:
            client.send("here")
            assert client.recv(timeout=10) == "here"
        for _ in range(1000):
            reply = self.server.ask(self.head())
            assert (reply.status, reply.body) == (200, b"page")
            assert_sealed(reply, self.port)
            state = self.server.server_state
            more = 0 if descriptors is None else open_descriptors() - descriptors
            left = len(state.connections), len(state.tasks), self.gate.open_sockets, more
            if all(
                count <= most for count, most in zip(left, (1, 1, 0, 1), strict=True)
            ):  # its own may be there yet
                return
        pytest.fail(f"left: connections, tasks, sockets, descriptors = {left}")


def open_descriptors() -> int:
    return len(os.listdir(DESCRIPTORS)) if DESCRIPTORS.exists() else 0


@pytest.fixture(scope="module")
def running() -> Iterator[Studio]:
    with serving(lambda port: Gate(small_app(), port=port, tokens=Tokens())) as server:
        yield Studio(server)


@pytest.fixture
def studio(running: Studio, caplog: pytest.LogCaptureFixture) -> Iterator[Studio]:
    """The server; after the test it still serves, has forgotten the client, and has written nothing to the terminal."""
    running.serves()
    before = open_descriptors()
    yield running
    running.serves(before)
    written = {record.getMessage() for when in ("call", "teardown") for record in caplog.get_records(when)}
    assert written <= {
        "Invalid UTF-8 sequence received from client."
    }  # uvicorn's, of a browser that was let in


def test_the_printed_address_opens_the_page(studio: Studio):
    token = studio.gate.tokens.mint()
    reply = studio.server.ask(studio.head(f"GET /?token={token} HTTP/1.1", cookie="a=b"))
    assert (reply.status, reply["location"]) == (303, "/")
    assert_sealed(reply, studio.port)
    cookie = reply["set-cookie"].partition(";")[0]
    assert studio.server.ask(studio.head(cookie=cookie)).status == 200
    assert studio.server.ask(studio.head(f"GET /?token={token} HTTP/1.1", cookie="a=b")).status == 403


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
def test_a_malformed_request_is_refused(studio: Studio, request_: str):
    """By the gate in a sentence, or by the server before there is a request that the gate could see."""
    text = request_.replace("PORT", str(studio.port)).replace("COOKIE", studio.cookie)
    reply = studio.server.ask(text.encode("latin-1"))
    assert 400 <= reply.status < 500
    if reply.status == 400 and b"studio" not in reply.body:
        assert b"Invalid HTTP request received." in reply.body
    else:
        assert_sealed(reply, studio.port)


def test_100_mb_are_refused_at_once(studio: Studio):
    more = f"Origin: {studio.origin}\r\nContent-Length: {100 << 20}"
    reply = studio.server.ask(studio.head("POST /upload/a.csv HTTP/1.1", more))
    assert reply.status == 413 and b"more than 64 MiB" in reply.body
    assert_sealed(reply, studio.port)


def test_100_mb_that_say_they_are_fewer_are_refused_on_the_way(studio: Studio):
    """The client may see the connection end before it sees why."""
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    with studio.server.connect() as connection:
        connection.sendall(studio.head("POST /upload/a.csv HTTP/1.1", "Transfer-Encoding: chunked"))
        with pytest.raises(ConnectionError):
            for _ in range(100):
                connection.sendall(chunk)
            read_reply(connection)
            raise ConnectionResetError  # it took in all that was sent, then answered


def test_64_mib_are_let_in(studio: Studio):
    more = f"Content-Length: {64 << 20}"
    reply = studio.server.ask(studio.head("POST /upload/a.csv HTTP/1.1", more) + bytes(64 << 20))
    assert (reply.status, reply.body) == (200, b'{"bytes":%d}' % (64 << 20))


def test_200_connections_at_once(studio: Studio):
    def fetched(i: int) -> Reply:
        if i % 2:
            return studio.server.ask(studio.head())
        return studio.server.ask(studio.head(cookie="a=b"))

    with ThreadPoolExecutor(50) as threads:
        replies = list(threads.map(fetched, range(200)))
    assert [reply.status for reply in replies] == [403, 200] * 100


def test_more_connections_than_there_may_be(studio: Studio):
    with ExitStack() as stack:
        idle = [stack.enter_context(studio.server.connect()) for _ in range(connections.CONNECTIONS)]
        assert read_all(stack.enter_context(studio.server.connect())) == b""
        idle.pop().close()
        for _ in range(1000):  # as soon as the server knows that it has gone
            if studio.server.ask(studio.head()).status == 200:
                break
        else:
            pytest.fail("refused for good")


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: "], ids=repr)
def test_half_a_request_is_not_waited_for(studio: Studio, monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr(connections, "HEAD", 0.1)
    with studio.server.connect() as connection:
        connection.sendall(sent)
        assert read_all(connection) == b""


def test_half_of_a_second_request_is_not_waited_for(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "HEAD", 0.1)
    with studio.server.connect() as connection:
        connection.sendall(studio.head().replace(b"Connection: close\r\n", b""))
        reply = b""
        while not reply.endswith(b"page"):
            reply += connection.recv(1 << 16)
        connection.sendall(b"GET / HT")
        assert read_all(connection) == b""


def test_half_a_body_is_not_waited_for(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(studio.gate, "stall", 0.1)
    more = "Content-Length: 100"
    reply = studio.server.ask(studio.head("POST /upload/a.csv HTTP/1.1", more) + b"abc")
    assert reply.status == 408 and b"send it again" in reply.body


def test_clients_that_hang_up_are_forgotten(studio: Studio):
    beginnings = [
        b"",
        b"GET / HT",
        studio.head(),
        studio.head("POST /upload/a.csv HTTP/1.1", "Content-Length: 100") + b"abc",
        studio.head("POST /upload/a.csv HTTP/1.1", "Transfer-Encoding: chunked") + b"5\r\nab",
    ]
    for sent in beginnings * 10:
        with studio.server.connect() as connection:
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
def test_a_handshake_from_elsewhere_is_refused(studio: Studio, changed: dict[str, Any]):
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


def test_a_handshake_under_another_name_is_refused(studio: Studio):
    evil = f"evil.example:{studio.port}"
    with studio.server.connect() as connection, pytest.raises(InvalidStatus) as error:
        connect(f"ws://{evil}/ws", sock=connection, origin=f"http://{evil}", proxy=None)  # type: ignore[arg-type]
    assert error.value.response.status_code == 403


def test_sixteen_sockets_and_no_more(studio: Studio):
    with ExitStack() as stack:
        clients = [stack.enter_context(studio.open()) for _ in range(SOCKETS)]
        with pytest.raises(InvalidStatus) as error:
            studio.open()
        assert error.value.response.status_code == 503
        assert b"close one of them" in (error.value.response.body or b"")
        for client in clients:
            client.send("here")
        assert [client.recv(timeout=10) for client in clients] == ["here"] * SOCKETS
        assert studio.server.ask(studio.head()).status == 200  # the page itself still comes


def test_a_message_of_a_mebibyte_is_the_largest(studio: Studio):
    with studio.open(max_size=None) as client:
        client.send("a" * (1 << 20))
        assert client.recv(timeout=10) == "a" * (1 << 20)
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
def test_a_malformed_frame_closes_the_socket(studio: Studio, sent: bytes, code: int):
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
    studio: Studio, monkeypatch: pytest.MonkeyPatch, first: str, more: str
):
    """With a reply, or, by some versions of uvicorn, by hanging up when its time is over."""
    monkeypatch.setattr(connections, "HEAD", 0.1)
    text = studio.head(first, f"Origin: {studio.origin}\r\nUpgrade: websocket\r\n{more}")
    reply = studio.server.ask(text.replace(b"Connection: close", b"Connection: Upgrade"))
    assert reply.status == 0 or 400 <= reply.status < 500


def test_a_server_that_stops_lets_go_of_its_sockets():
    with ExitStack() as stack:
        with serving(lambda port: Gate(small_app(), port=port, tokens=Tokens())) as server:
            client = stack.enter_context(Studio(server).open())
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
