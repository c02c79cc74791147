"""The server of a service: the connections it accepts, and what each request is answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from chainrule.core.files import to_json
from chainrule.core.version import __version__
from chainrule.errors import ChainruleError
from chainrule.serve import inference
from chainrule.serve.answering import Extras, share_of
from chainrule.serve.arrival import ArrivingBody, Room
from chainrule.serve.bodies import ARROW, CSV, JSON, Limits, RefusedError, Reply, json_reply, refused
from chainrule.serve.connection import Timed, listen, settings
from chainrule.serve.gate import PATTERN, READ_HEADERS, ServiceGate, send_reply
from chainrule.serve.large import Form
from chainrule.serve.openapi import document
from chainrule.serve.service import KIND, LIMITS, Service

# --- the routes of a server: predictions, what the model takes, how it is, and its figures ---------------------------

Endpoint = Callable[[Scope, Receive], Awaitable[Reply]]
FIELDS = 16
"""The maximum fields of a query."""


TYPES = (JSON, CSV, ARROW)


def make_app(service: Service, *, has_token: bool = False) -> Router:
    """Return the application, to be wrapped in the gate; it does no access control."""

    @contextlib.asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        watching = asyncio.create_task(service.watch())
        try:
            yield
        finally:
            watching.cancel()
            service.close()

    async def answer(scope: Scope, receive: Receive, form: Form) -> Reply:
        async with ArrivingBody(scope, receive, service.limits, service.bodies) as body:
            return Reply(200, form.wanted, await service.answer(body, form))

    async def predict(scope: Scope, receive: Receive) -> Reply:
        headers = scope[READ_HEADERS]
        kind = content_type(headers.get(b"content-type", b""), headers.get(b"content-encoding", b""))
        asked = read_query(scope["query_string"])
        wanted = preferred_type(headers.get(b"accept", b""), kind)
        return await answer(scope, receive, Form(kind, wanted, asked))

    async def health(scope: Scope, receive: Receive) -> Reply:
        ready = not service.is_ending
        return json_reply({"live": True, "ready": ready}, 200 if ready else 503)

    async def schema(scope: Scope, receive: Receive) -> Reply:
        model = service.model
        return json_reply({"name": model.name, "digest": model.digest, **model.schema.described()})

    async def openapi(scope: Scope, receive: Receive) -> Reply:
        return json_reply(document(service.model, service.limits, has_token=has_token))

    async def metrics(scope: Scope, receive: Receive) -> Reply:
        return Reply(200, KIND, service.metrics.text(service.batches.waiting_rows))

    async def live(scope: Scope, receive: Receive) -> Reply:
        return json_reply({"live": True})

    async def ready(scope: Scope, receive: Receive) -> Reply:
        is_ready = not service.is_ending
        return json_reply({"live": is_ready}, 200 if is_ready else 503)

    async def server(scope: Scope, receive: Receive) -> Reply:
        return json_reply({"name": "chainrule", "version": __version__, "extensions": []})

    def of_model(scope: Scope) -> None:
        if scope["path_params"]["name"] != service.name:
            raise RefusedError(404, f"There is no such model; this server has {service.name}.")

    async def metadata(scope: Scope, receive: Receive) -> Reply:
        of_model(scope)
        return json_reply(inference.metadata(service.model))

    async def model_ready(scope: Scope, receive: Receive) -> Reply:
        of_model(scope)
        is_ready = not service.is_ending
        return json_reply({"name": service.name, "ready": is_ready}, 200 if is_ready else 503)

    async def infer(scope: Scope, receive: Receive) -> Reply:
        of_model(scope)
        headers = scope[READ_HEADERS]
        if content_type(headers.get(b"content-type", b""), headers.get(b"content-encoding", b"")) != JSON:
            raise RefusedError(415, f"The body must be {JSON}.")
        return await answer(scope, receive, Form(JSON, JSON, is_inference=True))

    routes: list[tuple[str, Endpoint, str]] = [
        ("/predict", predict, "POST"),
        ("/v2/models/{name}/infer", infer, "POST"),
        ("/health", health, "GET"),
        ("/schema", schema, "GET"),
        ("/openapi.json", openapi, "GET"),
        ("/metrics", metrics, "GET"),
        ("/v2", server, "GET"),
        ("/v2/health/live", live, "GET"),
        ("/v2/health/ready", ready, "GET"),
        ("/v2/models/{name}", metadata, "GET"),
        ("/v2/models/{name}/ready", model_ready, "GET"),
    ]
    return Router(
        [
            Route(path, Answering(path, endpoint, method, service.answers))
            for path, endpoint, method in routes
        ],
        redirect_slashes=False,
        default=unknown,
        lifespan=lifespan,
    )


@lru_cache(maxsize=64)
def preferred_type(accept: bytes, own: str) -> str:
    """Return the type of a reply. accept: the header, empty without one.  own: the type of the request.

    The type of the request is chosen where the client takes anything. Raises RefusedError if no type suits.
    """
    if accept.strip() in (b"", b"*/*"):
        return own
    best, most = None, 0.0
    for kind in (own, *TYPES):
        weight = _weight(accept.decode("latin-1"), kind)
        if weight > most and (kind != ARROW or find_spec("pyarrow") is not None):
            best, most = kind, weight
    if best is None:
        raise RefusedError(406, f"The answers are {JSON}, {CSV} or {ARROW}; accept one of these.")
    return best


def _weight(accept: str, kind: str) -> float:
    """Return the weight of a type in the header Accept, by the most specific range that has it; 0 for none."""
    found, closest = 0.0, -1
    for part in accept.split(",")[:32]:
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        specific = (
            2 if name == kind else 1 if name == f"{kind.partition('/')[0]}/*" else 0 if name == "*/*" else -1
        )
        if specific > closest:
            closest, found = specific, _quality(parameters)
    return found


def _quality(parameters: list[str]) -> float:
    for each in parameters:
        if each.startswith("q="):
            try:
                return min(max(float(each[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


class Answering:
    """An ASGI application for one path. Its errors become refusals, which the gate writes."""

    def __init__(self, path: str, endpoint: Endpoint, method: str, room: Room) -> None:
        """Take the pattern of the path, and what answers one method. room: for answers that are being sent."""
        self.path, self.endpoint, self.room = path, endpoint, room
        self.methods = ("GET", "HEAD") if method == "GET" else (method,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope[PATTERN] = self.path
        if scope["method"] not in self.methods:
            allowed = ", ".join(self.methods)
            raise RefusedError(405, f"This path answers {allowed}.", ((b"allow", allowed.encode()),))
        try:
            reply = await self.endpoint(scope, receive)
        except ChainruleError as error:
            raise refused(error) from error
        self.room.hold(len(reply.body))
        try:
            await send_reply(send, reply)
        finally:
            self.room.hold(-len(reply.body))


async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a path that no route has."""
    if scope["type"] == "http":
        raise RefusedError(404, "There is no such path; GET /openapi.json lists them.")


@lru_cache(maxsize=64)
def content_type(given: bytes, encoding: bytes) -> str:
    """Return the type of a request's body, one of TYPES. Raises RefusedError for others, and for a packed body.

    given, encoding: the headers Content-Type and Content-Encoding.
    """
    if encoding.strip().lower() not in (b"", b"identity"):
        raise RefusedError(415, "The body must not be packed; send it without Content-Encoding.")
    kind, *parameters = (each.strip().lower() for each in given.decode("latin-1").split(";"))
    charset = next((each[8:].strip("\"' ") for each in parameters if each.startswith("charset=")), "utf-8")
    if kind not in TYPES:
        raise RefusedError(415, f"The header Content-Type must be {', '.join(TYPES[:-1])} or {TYPES[-1]}.")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise RefusedError(415, "The body must be in UTF-8.")
    return kind


@lru_cache(maxsize=64)
def read_query(query: bytes) -> Extras:
    """Return what a query asks for: interval=0.9, spread=true. Raises RefusedError for anything else."""
    interval, spread = None, False
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError as error:
        raise RefusedError(
            422, f"The query has more than {FIELDS} fields; send interval and spread."
        ) from error
    for name, value in fields:
        if name == "interval":
            try:
                interval = share_of(float(value), "interval")
            except ValueError as error:
                raise RefusedError(422, "interval must be a share between 0 and 1, such as 0.9.") from error
        elif name == "spread":
            if value not in ("true", "false"):
                raise RefusedError(422, "spread must be true or false.")
            spread = value == "true"
        else:
            raise RefusedError(422, "The query may have interval=0.9 and spread=true, and nothing else.")
    return Extras(interval, spread)


# --- serve a model until a signal ends it: uvicorn with connections that have deadlines, and an end that loses nothing

ARRIVAL_SECONDS = 0.5
"""Seconds after the signal in which requests that are on their way still arrive, and are answered."""
GRACE = 30
"""Seconds after which an answer that is not complete is given up."""
FULL = "The server has as many connections as it takes; close one, or try again in a second."


def make_connections(most: int) -> type[Any]:
    """Return the class of connections, by httptools if it is installed and else by h11. most: connections at a time."""
    reader: type[Any] = H11Protocol
    if find_spec("httptools") is not None:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        reader = HttpToolsProtocol
    return type("Connection", (_ServedConnection, reader), {"most": most})


class _ServedConnection(Timed):
    def refuse(self, transport: asyncio.Transport) -> None:
        """Say that there are too many connections, and close this one."""
        body = to_json({"error": FULL}).encode()
        head = (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        transport.write(head.encode() + body)
        transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle; at once if its client does not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()


class Server(uvicorn.Server):
    """uvicorn's server, with an end at SIGTERM or SIGINT that answers what has arrived, and exits with 0."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        """Take the configuration, and the service to end."""
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end; a second Ctrl-C does not wait for answers."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and read the file again at SIGHUP."""
        await super().startup(sockets)
        if hasattr(signal, "SIGHUP"):
            loop = asyncio.get_running_loop()
            try:
                loop.add_signal_handler(
                    signal.SIGHUP, lambda: loop.create_task(self.service.reload(), name="reload")
                )
            except (RuntimeError, ValueError):  # not in the main thread
                return

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has arrived and what is on its way, closing each connection after its answer, and end."""
        self.service.end()
        if not self.force_exit:
            await asyncio.sleep(ARRIVAL_SECONDS)
        await super().shutdown(sockets)


def make_server(
    service: Service, sock: socket.socket, token: str | None, fail: Callable[[Exception], None]
) -> Server:
    """Return a server for a listening socket. fail(error): called with an error that is a bug."""
    app = ServiceGate(
        make_app(service, has_token=token is not None),
        port=int(sock.getsockname()[1]),
        token=token,
        is_ending=lambda: service.is_ending,
        note=service.metrics.note_request,
        fail=fail,
    )
    config = uvicorn.Config(
        app,
        **settings(
            http=make_connections(service.limits.connections),
            ws="none",
            loop="uvloop" if find_spec("uvloop") is not None else "asyncio",
            timeout_graceful_shutdown=GRACE,
            lifespan="on",
            backlog=1024,
        ),
    )
    return Server(config, service)


@contextmanager
def served(
    model: str | os.PathLike[str],
    *,
    name: str = "model",
    limits: Limits = LIMITS,
    token: str | None = None,
    precision: str | None = None,
) -> Iterator[str]:
    """Serve a model's file, or the folder of a run, in a thread within the block, on a free port of this machine.

        with served("runs/table") as url:
            urllib.request.urlopen(f"{url}/schema")

    precision: as in `Model.predict`.
    Yields the address. Raises FormatError, ConfigError and OSError as `chainrule.serve.answering.load`.
    """
    path = Path(model)
    path = path / "model.safetensors" if path.is_dir() else path
    service = Service(path, name, limits, precision=precision)
    with listen(0) as sock:
        server = make_server(service, sock, token, lambda error: None)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{int(sock.getsockname()[1])}"
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(GRACE + 10)
