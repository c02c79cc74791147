"""Who is answered, with and without a token, and what every reply has in its headers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from asgi import ask
from chainrule.serve.bodies import Reply
from chainrule.serve.gate import ServiceGate, send_reply
from served_models import JSON, PORT, Served, row, sentence

OWN = f"127.0.0.1:{PORT}"
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def guarded(models: dict[str, Path]) -> Served:
    return Served(models["labels"], token=TOKEN)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 200),
        ({"Host": f"localhost:{PORT}"}, 200),
        ({"Host": f"[::1]:{PORT}"}, 200),
        ({"Origin": f"http://{OWN}"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": ""}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Host": f"127.0.0.1:{PORT + 1}"}, 403),
        ({"Host": f"evil.example:{PORT}"}, 403),
        ({"Host": f"127.0.0.1.evil.example:{PORT}"}, 403),
        ({"Host": f"0.0.0.0:{PORT}"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"https://{OWN}"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "path", ["/schema", "/predict", "/v2/models/labels/infer", "/metrics", "/openapi.json", "/v2"]
)
def test_without_a_token_this_machine_alone(
    served: dict[str, Served], changed: dict[str, str], status: int, path: str
):
    method = "POST" if path in ("/predict", "/v2/models/labels/infer") else "GET"
    reply = served["labels"].ask(method, path, [b"{}"] if method == "POST" else [], [JSON, *changed.items()])
    assert (reply.status == 403) == (status == 403)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer \xff", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
    ],
    ids=str,
)
def test_with_a_token_whoever_has_it(guarded: Served, given: str | None, status: int):
    headers = [("Host", "models.example"), *([] if given is None else [("Authorization", given)])]
    for path in ("/schema", "/metrics", "/openapi.json", "/v2/models/labels", "/nothing"):
        reply = guarded.ask("GET", path, headers=headers)
        assert reply.status == (404 if path == "/nothing" and status == 200 else status)
        if status == 401:
            assert reply["www-authenticate"] == "Bearer" and TOKEN not in sentence(reply)
    for path in ("/health", "/v2/health/live", "/v2/health/ready"):
        assert guarded.ask("GET", path, headers=headers).status == 200


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Host", (OWN, OWN)),
        ("Host", ("evil.example", OWN)),
        ("Origin", ("http://evil.example", f"http://{OWN}")),
        ("Origin", (f"http://{OWN}", f"http://{OWN}")),
        ("Content-Type", ("application/json", "application/json")),
    ],
)
def test_two_of_a_header_are_refused(served: dict[str, Served], name: str, values: tuple[str, str]):
    """Whichever comes last."""
    own = [] if name == "Host" else [("Host", OWN)]
    reply = ask(served["labels"].gate, "GET", "/schema", [*own, *((name, value) for value in values)])
    assert reply.status == 400 and f"{name.lower()} comes twice" in sentence(reply)


def test_two_tokens_are_refused(guarded: Served):
    headers = [("Host", OWN), ("Authorization", "Bearer x"), ("Authorization", f"Bearer {TOKEN}")]
    reply = ask(guarded.gate, "GET", "/schema", headers)
    assert reply.status == 400 and "twice" in sentence(reply)


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("OPTIONS", "/predict", (), 405),
        ("PUT", "/predict", (), 405),
        ("DELETE", "/schema", (), 405),
        ("GET", "/predict", (), 405),
        ("POST", "/schema", (), 405),
        ("HEAD", "/predict", (), 405),
        ("HEAD", "/schema", (), 200),
        ("GET", "/predict/", (), 404),
        ("GET", "/", (), 404),
        ("GET", "/../etc/passwd", (), 404),
        ("GET", "/schema?" + "x" * 5000, (), 414),
        ("GET", "/schema", (("X", "x" * 20_000),), 431),
    ],
)
def test_methods_and_paths(
    served: dict[str, Served], method: str, target: str, headers: tuple[tuple[str, str], ...], status: int
):
    reply = served["labels"].ask(method, target, headers=headers)
    assert reply.status == status
    assert reply["x-content-type-options"] == "nosniff" and reply["cache-control"] == "no-store"
    assert not [name for name in reply.names() if name.startswith("access-control-")]
    if status == 405:
        assert reply["allow"]


def test_a_server_that_ends_closes_connections(models: dict[str, Path]):
    ending = Served(models["labels"])
    assert ending.ask("GET", "/health").status == 200
    ending.service.end()
    reply = ending.ask("GET", "/health")
    assert reply.status == 503 and reply["connection"] == "close"
    assert ending.post("/predict", row(0)).status == 200  # what is on its way is answered


def test_port_80_is_in_no_name():
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(send, Reply(200, "text/plain", b""))

    for port, status in ((80, 200), (8080, 403)):
        gate = ServiceGate(
            app, port=port, token=None, is_ending=lambda: False, note=lambda *_: None, fail=lambda _: None
        )
        own = {"Host": "localhost", "Origin": "http://localhost"}
        assert ask(gate, "GET", "/schema", list(own.items())).status == status
        assert ask(gate, "GET", "/schema", [("Host", f"localhost:{port}")]).status == 200


@pytest.mark.parametrize(("more", "left"), [((), 0), ((("Expect", "100-continue"),), 3)])
def test_the_rest_of_a_refused_body_is_dropped(
    served: dict[str, Served], more: tuple[tuple[str, str], ...], left: int
):
    """So that the client reads the reply; one that waits until it may send its body is not told to."""
    pieces = [b"[", b"1", b"]"]

    def unread() -> Iterator[bytes]:
        while pieces:
            yield pieces.pop(0)

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/nothing",
        "query_string": b"",
        "headers": [(b"host", OWN.encode()), *((a.lower().encode(), b.encode()) for a, b in more)],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        piece = next(unread(), None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(served["labels"].gate(scope, receive, send))
    assert sent[0]["status"] == 404 and (b"connection", b"close") in sent[0]["headers"]
    assert len(pieces) == left


def test_no_websocket(served: dict[str, Served]):
    assert served["labels"].ask("WS", "/predict").code == 1008
