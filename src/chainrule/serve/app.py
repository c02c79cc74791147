"""The routes of a server: predictions, what the model takes, how it is, and its figures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from chainrule.core.version import __version__
from chainrule.errors import ChainruleError
from chainrule.serve import inference
from chainrule.serve.answering import Extras, share_of
from chainrule.serve.arrival import ArrivingBody, Room
from chainrule.serve.bodies import JSON, TYPES, RefusedError, Reply, json_reply, preferred, refused
from chainrule.serve.gate import PATTERN, READ_HEADERS, send_reply
from chainrule.serve.large import Form
from chainrule.serve.openapi import document
from chainrule.serve.service import KIND, Service

Endpoint = Callable[[Scope, Receive], Awaitable[Reply]]
FIELDS = 16
"""The maximum fields of a query."""


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
        asked = asked_by(scope["query_string"])
        wanted = preferred(headers.get(b"accept", b""), kind)
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
def asked_by(query: bytes) -> Extras:
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
