"""The gate of the studio: who is let in, on every route, and what every reply has in its headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from asgi import Header, Reply, ask, assert_sealed, page, small_app, upload
from chainrule.studio.server import gate
from chainrule.studio.server.gate import Gate, Tokens
from chainrule.studio.server.serve import make_app
from chainrule.studio.session.studio import Studio
from interleaved import interleaved

PORT = 8765
OWN = f"127.0.0.1:{PORT}"
METHODS = ("GET", "HEAD", "POST")
OTHERS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "get")


class Door:
    """A gate and a browser that it has let in."""

    def __init__(self, app: Any = None, **settings: Any) -> None:
        self.tokens = Tokens()
        self.gate = Gate(small_app() if app is None else app, port=PORT, tokens=self.tokens, **settings)
        self.secret = self.tokens.redeem(self.tokens.mint())
        self.cookie = f"chainrule-{PORT}={self.secret}"

    def headers(self, **changed: str | None) -> list[Header]:
        """Those of the page's own requests; another value, or None for none, by name: Sec_Fetch_Site=..."""
        own = {"Host": OWN, "Origin": f"http://{OWN}", "Sec_Fetch_Site": "same-origin", "Cookie": self.cookie}
        found = {**own, **changed}
        return [(name.replace("_", "-"), value) for name, value in found.items() if value is not None]

    def ask(self, method: str, target: str, headers: list[Header] | None = None, **more: Any) -> Reply:
        """Ask, and see that the reply is sealed whatever it is."""
        reply = ask(self.gate, method, target, self.headers() if headers is None else headers, **more)
        if reply.status != 101 and reply.code is None:
            assert_sealed(reply)
        return reply


def addresses(routes: list[BaseRoute], prefix: str = "") -> list[tuple[str, bool]]:
    """Every path that an application answers, and whether it is a WebSocket's; a new kind of route is an error."""
    found = []
    for route in routes:
        if isinstance(route, Mount):
            found += addresses(list(route.routes), prefix + route.path)
        else:
            assert isinstance(route, Route | WebSocketRoute), f"a route of another kind: {route}"
            values = dict.fromkeys(route.param_convertors, "a.csv")
            found.append(
                (prefix + str(route.url_path_for(route.name, **values)), isinstance(route, WebSocketRoute))
            )
    return found


ADDRESSES = addresses(make_app(Studio()).routes)

IN, NOT = True, False
# What a request has, and whether it is let in: over HTTP, and as a WebSocket.
TABLE: list[tuple[dict[str, str | None], bool, bool]] = [
    ({}, IN, IN),
    ({"Host": f"localhost:{PORT}", "Origin": f"http://localhost:{PORT}"}, IN, IN),
    ({"Host": f"[::1]:{PORT}", "Origin": f"http://[::1]:{PORT}"}, IN, IN),
    ({"Sec_Fetch_Site": None}, IN, IN),
    ({"Origin": None}, IN, NOT),
    ({"Origin": None, "Sec_Fetch_Site": None}, IN, NOT),
    ({"Origin": None, "Sec_Fetch_Site": None, "Cookie": None}, NOT, NOT),
    # the host
    ({"Host": None}, NOT, NOT),
    ({"Host": ""}, NOT, NOT),
    ({"Host": "127.0.0.1"}, NOT, NOT),
    ({"Host": "localhost"}, NOT, NOT),
    ({"Host": f"127.0.0.1:{PORT + 1}"}, NOT, NOT),
    ({"Host": f"127.0.0.1:0{PORT}"}, NOT, NOT),
    ({"Host": f"127.0.0.1:{PORT}.evil"}, NOT, NOT),
    ({"Host": f"127.0.0.1:{PORT}@evil"}, NOT, NOT),
    ({"Host": f"evil.example:{PORT}", "Origin": f"http://evil.example:{PORT}"}, NOT, NOT),
    ({"Host": f"evil.example:{PORT}", "Origin": None}, NOT, NOT),
    ({"Host": f"127.0.0.1.evil.example:{PORT}"}, NOT, NOT),
    ({"Host": f"localhost.:{PORT}"}, NOT, NOT),
    ({"Host": f"LOCALHOST:{PORT}"}, NOT, NOT),
    ({"Host": f"0.0.0.0:{PORT}"}, NOT, NOT),
    ({"Host": f"127.1:{PORT}"}, NOT, NOT),
    ({"Host": f"2130706433:{PORT}"}, NOT, NOT),
    ({"Host": f"{OWN}, evil"}, NOT, NOT),
    # the origin
    ({"Origin": "http://evil.example"}, NOT, NOT),
    ({"Origin": f"http://evil.example:{PORT}"}, NOT, NOT),
    ({"Origin": f"https://{OWN}"}, NOT, NOT),
    ({"Origin": "http://127.0.0.1"}, NOT, NOT),
    ({"Origin": f"http://127.0.0.1:{PORT + 1}"}, NOT, NOT),
    ({"Origin": f"http://{OWN}/"}, NOT, NOT),
    ({"Origin": f"http://{OWN}.evil.example"}, NOT, NOT),
    ({"Origin": f"ws://{OWN}"}, NOT, NOT),
    ({"Origin": "null"}, NOT, NOT),
    ({"Origin": ""}, NOT, NOT),
    ({"Origin": "file://"}, NOT, NOT),
    # what the browser says of the page that asks
    ({"Sec_Fetch_Site": "cross-site"}, NOT, NOT),
    ({"Sec_Fetch_Site": "same-site"}, NOT, NOT),
    ({"Sec_Fetch_Site": "none"}, NOT, NOT),
    ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "no-cors"}, NOT, NOT),
    ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "websocket"}, NOT, NOT),
    ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, NOT, NOT),
    ({"Sec_Fetch_Site": "same-origin, none"}, NOT, NOT),
    # the cookie
    ({"Cookie": None}, NOT, NOT),
    ({"Cookie": ""}, NOT, NOT),
    ({"Cookie": f"chainrule-{PORT}="}, NOT, NOT),
    ({"Cookie": f"chainrule-{PORT}=x"}, NOT, NOT),
    ({"Cookie": f"chainrule-{PORT + 1}=SECRET"}, NOT, NOT),
    ({"Cookie": f"Chainrule-{PORT}=SECRET"}, NOT, NOT),
    ({"Cookie": f"chainrule-{PORT}=SECRETx"}, NOT, NOT),
    ({"Cookie": f'chainrule-{PORT}="SECRET"'}, NOT, NOT),
    ({"Cookie": f"a=b; chainrule-{PORT}=SECRET; c=d"}, IN, IN),
    ({"Cookie": f"chainrule-{PORT}=of another server; chainrule-{PORT}=SECRET"}, IN, IN),
]


@pytest.mark.parametrize(("changed", "over_http", "over_socket"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_who_is_let_in(changed: dict[str, str | None], over_http: bool, over_socket: bool):
    reached: list[str] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    door = Door(inside)
    given = {name: value and value.replace("SECRET", str(door.secret)) for name, value in changed.items()}
    for path, _ in ADDRESSES:
        for method in METHODS:
            reply = door.ask(method, path, door.headers(**given))
            assert (reply.status, reached) == ((200, ["http"]) if over_http else (403, [])), path
            reached.clear()
        reply = door.ask("WS", path, door.headers(**given))
        assert (reply.status, reached) == ((101, ["websocket"]) if over_socket else (403, [])), path
        bare = door.ask(
            "WS", path, door.headers(**given), extensions=()
        )  # of a server without replies in HTTP
        assert bare.code == (None if over_socket else 1008), path
        reached.clear()


def test_two_of_a_header_are_not_let_in():
    door = Door()
    for name, value in (("Host", OWN), ("Origin", f"http://{OWN}"), ("Sec-Fetch-Site", "same-origin")):
        for second in (value, "evil"):
            for headers in ([*door.headers(), (name, second)], [(name, second), *door.headers()]):
                assert door.ask("GET", "/", headers).status == 403
                assert door.ask("WS", "/ws", headers).status == 403


def test_a_person_may_open_the_page_and_load_it_again():
    door = Door()
    opened = door.headers(Origin=None, Sec_Fetch_Site="none", Sec_Fetch_Mode="navigate")
    assert door.ask("GET", "/", opened).status == door.ask("HEAD", "/", opened).status == 200
    assert door.ask("POST", "/upload/a.csv", opened).status == 403
    assert door.ask("WS", "/ws", [*opened, ("Origin", f"http://{OWN}")]).status == 403


def test_port_80_may_go_unsaid():
    tokens = Tokens()
    gate = Gate(small_app(), port=80, tokens=tokens)
    cookie = ("Cookie", f"chainrule-80={tokens.redeem(tokens.mint())}")
    for host in ("127.0.0.1", "localhost", "[::1]"):
        for form in (host, f"{host}:80"):
            headers = [("Host", form), ("Origin", f"http://{host}"), cookie]
            assert ask(gate, "GET", "/", headers).status == 200
            assert ask(gate, "WS", "/ws", headers).status == 101


# --- tokens and sessions


def launch(door: Door, query: str, **changed: str | None) -> Reply:
    opened = {"Origin": None, "Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate", "Cookie": None}
    return door.ask("GET", f"/?{query}", door.headers(**{**opened, **changed}))


def test_a_token_opens_one_session():
    door = Door()
    token = door.tokens.mint()
    reply = launch(door, f"token={token}")
    assert (reply.status, reply["location"]) == (303, "/")
    cookie, *attributes = reply["set-cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    assert cookie.startswith(f"chainrule-{PORT}=") and token not in reply["set-cookie"]
    assert door.ask("GET", "/", door.headers(Cookie=cookie)).body == b"page"
    assert door.ask("WS", "/ws", door.headers(Cookie=cookie)).status == 101

    again = launch(door, f"token={token}")
    assert again.status == 403 and "set-cookie" not in again.names()
    assert b"open the address that chainrule studio printed" in again.body
    assert token.encode() not in again.body
    # but the browser that has the cookie is sent to the page
    mine = launch(door, f"token={token}", Cookie=cookie)
    assert mine.status == 303 and "set-cookie" not in mine.names()


def test_nothing_but_the_token_goes_from_the_query_into_the_address():
    door = Door()
    reply = launch(door, f"screen=train&token={door.tokens.mint()}&next=http://evil.example")
    assert (reply.status, reply["location"]) == (303, "/")


@pytest.mark.parametrize(
    "query",
    ["token=", "token=x", "token", "token=%00", "token=%ff%fe", "token=TOKEN&token=TOKEN", "token[]=TOKEN"],
)
def test_a_wrong_token_is_refused(query: str):
    door = Door()
    token = door.tokens.mint()
    assert launch(door, query.replace("TOKEN", token)).status == 403
    assert launch(door, f"token={token}").status == 303  # and spoils no other


def test_a_token_counts_nowhere_else():
    door = Door()
    token = door.tokens.mint()
    opened = door.headers(Origin=None, Sec_Fetch_Site="none", Sec_Fetch_Mode="navigate", Cookie=None)
    for path, _ in [*ADDRESSES, ("//", False), ("/x", False)]:
        for method in (*METHODS, "WS"):
            if (method, path) != ("GET", "/"):
                assert door.ask(method, f"{path}?token={token}", opened).status == 403
    assert launch(door, f"token={token}", Sec_Fetch_Site="cross-site").status == 403
    assert launch(door, f"token={token}", Host=f"evil.example:{PORT}").status == 403
    assert launch(door, f"token={token}", Origin="http://evil.example").status == 403
    assert launch(door, f"token={token}").status == 303


def test_a_session_of_one_run_is_none_of_another():
    assert Door().ask("GET", "/", Door().headers()).status == 403


def test_tokens_and_sessions_are_bounded_and_not_kept():
    tokens = Tokens(most=4)
    minted = [tokens.mint() for _ in range(6)]
    assert all(len(token) >= 43 for token in minted) and len(set(minted)) == 6
    secrets = [tokens.redeem(token) for token in minted]
    assert [secret is not None for secret in secrets] == [False] * 2 + [True] * 4
    late = tokens.redeem(tokens.mint())
    assert late is not None and tokens.knows(late)
    assert [secret is not None and tokens.knows(secret) for secret in secrets] == [False] * 3 + [True] * 3
    kept = repr(vars(tokens))
    assert not [text for text in [*minted, *secrets, late] if text and text in kept]


def test_one_token_opens_one_session_in_any_number_of_threads():
    tokens = Tokens()
    for _ in range(20):
        token = tokens.mint()
        with ThreadPoolExecutor(8) as threads:
            found = [secret for secret in threads.map(tokens.redeem, [token] * 16) if secret]
        assert len(found) == 1


@pytest.mark.parametrize("other", ["redeem", pytest.param("mint", marks=pytest.mark.slow)])
def test_at_whatever_line_a_thread_stands_a_token_opens_one_session(other: str):
    """While one that redeems a token stands still, another one redeems it too, or makes a token, which is good."""
    used: list[Tokens] = []

    def make() -> tuple[Callable[[], Any], Callable[[], Any]]:
        tokens = Tokens()
        token = tokens.mint()
        used.append(tokens)
        return lambda: tokens.redeem(token), tokens.mint if other == "mint" else lambda: tokens.redeem(token)

    for found in interleaved(gate.__file__, make):
        assert not any(isinstance(each, Exception) for each in found), found
        if other == "mint":
            assert used[-1].redeem(found.pop()) is not None
        (secret,) = [each for each in found if each is not None]
        assert used[-1].knows(secret)
    assert len(used) > 5  # lines


# --- methods, sizes, errors


@pytest.mark.parametrize("method", OTHERS)
def test_other_methods_are_refused(method: str):
    door = Door()
    for path, _ in ADDRESSES:
        reply = door.ask(method, path)
        assert (reply.status, reply["allow"]) == (405, "GET, HEAD, POST")
    assert door.ask(method, "/", door.headers(Origin="http://evil.example")).status == 403


@pytest.mark.parametrize(
    ("target", "more", "status"),
    [
        ("/static/1/" + "a" * 2039, [], 414),
        ("/?" + "a" * 2048, [], 414),
        ("/?" + "a" * 2047, [], 200),
        ("/", [("X", "a" * (16 << 10))], 431),
        ("/", [(f"X-{i}", "") for i in range(5000)], 431),
        ("/", [("X", "a" * (15 << 10))], 200),
        ("http://evil.example/", [], 400),
        ("*", [], 400),
        ("", [], 400),
        ("/static/1/a\nb", [], 400),
        ("/static/1/a\0b", [], 400),
        ("/static/../../x", [], 200),  # a name like any other: files come from a table
        ("/nothing/here", [], 404),
        ("/", [("Content-Length", "65537")], 413),
        ("/", [("Content-Length", "65536")], 200),
        ("/", [("Content-Length", "-1")], 413),
        ("/", [("Content-Length", "9" * 5000)], 413),
        ("/", [("Content-Length", "1"), ("Content-Length", "65537")], 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_sizes_and_odd_addresses(target: str, more: list[Header], status: int):
    door = Door()
    assert door.ask("GET", target, [*door.headers(), *more]).status == status


def pieces(count: int, size: int) -> Iterator[bytes]:
    return (bytes(size) for _ in range(count))


@pytest.mark.parametrize(
    ("target", "most"), [("/upload/a.csv", 64 << 20), ("/count", 64 << 10), ("/uploads", 64 << 10)]
)
def test_a_body_is_counted_while_it_comes(target: str, most: int):
    """Whatever its declared length; what the application does after it was cut off is not seen."""
    routes = [Route(path, upload, methods=["POST"]) for path in ("/upload/{name}", "/count", "/uploads")]
    door = Door(Starlette(routes=routes))
    size = most // 64
    assert json.loads(door.ask("POST", target, body=pieces(64, size)).body) == {"bytes": most}
    for declared in ([], [("Content-Length", "10")]):
        reply = door.ask("POST", target, [*door.headers(), *declared], body=pieces(65, size))
        assert reply.status == 413 and b"send a smaller file" in reply.body
        assert reply["connection"] == "close"


def test_100_mb_are_refused_before_they_are_read():
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        pytest.fail("reached")

    door = Door(inside)
    headers = [*door.headers(), ("Content-Length", str(100 << 20))]
    assert door.ask("POST", "/upload/a.csv", headers).status == 413


def test_an_application_that_hides_the_end_of_a_body_does_not_get_its_reply_through():
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(100):
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    reply = Door(inside).ask("POST", "/x", body=pieces(99, 1024))
    assert reply.status == 413 and b"done" not in reply.body


def test_a_body_that_stalls_is_given_up():
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["more_body"]
        assert (await receive())["type"] == "http.disconnect"
        raise ClientDisconnect

    async def incoming() -> Any:
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    door = Door(inside, stall=0.01)
    messages: list[Any] = [{"type": "http.request", "body": b"a", "more_body": True}]
    sent: list[Any] = []
    headers = [(name.lower().encode(), value.encode()) for name, value in door.headers()]
    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": headers}
    asyncio.run(door.gate(scope, incoming, send))
    assert [message.get("status") for message in sent] == [408, None]


def test_a_page_may_take_longer_than_a_body():
    """The wait for a client to go, as of a reply that goes on, is no stall."""

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        assert not (await receive())["more_body"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    assert Door(inside, stall=0.01).ask("GET", "/").status == 200


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_says_nothing_of_the_program(debug: bool):
    door = Door(small_app(debug))
    reply = Reply()
    with pytest.raises(RuntimeError, match="a secret"):  # for the terminal
        ask(door.gate, "GET", "/broken", door.headers(), into=reply)
    assert_sealed(reply)
    assert reply.status == 500
    assert reply.body == b"The studio failed to answer; the terminal in which it runs says why.\n"


@pytest.mark.parametrize("is_begun", [False, True])
def test_an_application_that_fails_in_any_place_gets_no_word_through(is_begun: bool):
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        if is_begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(f"a secret in {__file__}")

    door, reply = Door(inside), Reply()
    with pytest.raises(RuntimeError, match="a secret"):
        ask(door.gate, "GET", "/", door.headers(), into=reply)
    assert_sealed(reply)
    assert (reply.status, b"secret" in reply.body) == (200 if is_begun else 500, False)


@pytest.mark.parametrize("is_accepted", [False, True])
def test_a_socket_that_fails_is_closed(is_accepted: bool):
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        if is_accepted:
            await send({"type": "websocket.accept"})
        raise RuntimeError(f"a secret in {__file__}")

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    door = Door(inside)
    headers = [(name.lower().encode(), value.encode()) for name, value in door.headers()]
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": headers}
    with pytest.raises(RuntimeError, match="a secret"):
        asyncio.run(door.gate(scope, receive, send))
    assert sent[-1] == {"type": "websocket.close", "code": 1011}
    assert door.gate.open_sockets == 0


def test_a_handshake_that_the_application_refuses_has_the_gates_reply():
    reply = Door().ask("WS", "/nothing")
    assert reply.status == 403 and b"accepts no WebSocket" in reply.body


def test_sixteen_sockets_at_a_time():
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    door = Door(inside)
    headers = [(name.lower().encode(), value.encode()) for name, value in door.headers()]

    async def opened(answers: list[Any], gone: asyncio.Event, extensions: dict[str, Any]) -> None:
        async def receive() -> Any:
            await gone.wait()
            return {"type": "websocket.disconnect", "code": 1001}

        async def send(message: Any) -> None:
            answers.append(message.get("status") or message.get("code") or message["type"])

        scope = {
            "type": "websocket",
            "path": "/ws",
            "query_string": b"",
            "headers": headers,
            "extensions": extensions,
        }
        await door.gate(scope, receive, send)

    async def main() -> None:
        gone = asyncio.Event()
        for _ in range(2):  # and as many again when those have gone
            answers: list[Any] = []
            waiting = [asyncio.create_task(opened(answers, gone, {})) for _ in range(16)]
            while len(answers) < 16:
                await asyncio.sleep(0)
            assert answers == ["websocket.accept"] * 16
            for extensions, refused in (({}, 1013), ({"websocket.http.response": {}}, 503)):
                more: list[Any] = []
                await opened(more, gone, extensions)
                assert more[0] == refused
            gone.set()
            await asyncio.gather(*waiting)
            gone.clear()
            assert door.gate.open_sockets == 0

    asyncio.run(asyncio.wait_for(main(), 10))


# --- headers


def test_only_what_has_a_version_in_its_path_is_kept_by_the_browser():
    door = Door(Starlette(routes=[Route("/{path:path}", page)]))
    assert door.ask("GET", "/static/1a2b/main.js")["cache-control"].endswith("immutable")
    for target in ("/", "/static/main.js", "/download/a.csv", "/1a2b/static/main.js"):
        assert door.ask("GET", target)["cache-control"] == "no-store"
    assert (
        Door(Starlette()).ask("GET", "/static/1a2b/main.js")["cache-control"] == "no-store"
    )  # nothing is there
    assert door.ask("GET", "/static/1a2b/main.js", door.headers(Cookie=None))["cache-control"] == "no-store"


def test_the_application_cannot_loosen_the_headers():
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        given = [
            (b"Content-Security-Policy", b"default-src *"),
            (b"Access-Control-Allow-Origin", b"*"),
            (b"access-control-allow-credentials", b"true"),
            (b"Cross-Origin-Resource-Policy", b"cross-origin"),
            (b"Referrer-Policy", b"unsafe-url"),
            (b"Cache-Control", b"public"),
            (b"ETag", b'"kept"'),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": given})
        await send({"type": "http.response.body"})

    reply = Door(inside).ask("GET", "/")
    assert ("ETag", '"kept"') in reply.headers
    assert len(reply.headers) == len({name.lower() for name, _ in reply.headers})


def test_a_refusal_is_one_plain_sentence():
    door = Door()
    for reply in (
        door.ask("GET", "/", door.headers(Host="evil")),
        door.ask("GET", "/", door.headers(Origin="null")),
        door.ask("GET", "/", door.headers(Cookie=None)),
        door.ask("PUT", "/"),
        door.ask("GET", "/?" + "a" * 3000),
    ):
        text = reply.body.decode()
        assert reply["content-type"] == "text/plain; charset=utf-8"
        assert text.endswith(".\n") or text.endswith("instead.\n")
        assert text.count("\n") == 1 and 20 < len(text) < 200
        assert int(reply["content-length"]) == len(reply.body)
