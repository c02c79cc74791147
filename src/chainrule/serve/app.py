"""The routes of a server: predictions, what the model takes, how it is, and its figures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from chainrule.core.version import __version__
from chainrule.errors import ChainruleError, FormatError
from chainrule.recipe.messages import told
from chainrule.serve import inference
from chainrule.serve.answering import Extras, share_of
from chainrule.serve.batches import BusyError
from chainrule.serve.bodies import (
    JSON,
    TYPES,
    Limits,
    RefusedError,
    Reply,
    TooMuchError,
    json_reply,
    preferred,
    rows_of,
    writer,
)
from chainrule.serve.gate import PATTERN, READ_HEADERS, send_reply
from chainrule.serve.openapi import document
from chainrule.serve.service import KIND, Service

Endpoint = Callable[[Scope, Receive], Awaitable[Reply]]


def make_app(service: Service, *, has_token: bool = False) -> Router:
    """Return the application, to be wrapped in the gate; it does no access control."""

    @contextlib.asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        watching = asyncio.create_task(service.watch())
        try:
            yield
        finally:
            watching.cancel()
            service.batches.close()

    async def predict(scope: Scope, receive: Receive) -> Reply:
        headers = scope[READ_HEADERS]
        kind = content_type(headers.get(b"content-type", b""), headers.get(b"content-encoding", b""))
        asked = asked_by(scope["query_string"])
        wanted = preferred(headers.get(b"accept", b""), kind)
        body = await body_of(headers, receive, service.limits)
        model = service.model
        model.check(asked)
        rows = rows_of(body, kind, model.reads, service.limits)
        return Reply(200, wanted, await service.answer(model, rows, asked, writer(wanted)))

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
        body = await body_of(headers, receive, service.limits)
        model = service.model
        asked = inference.read(body, model, service.limits)
        model.check(asked.asked)
        return Reply(200, JSON, await service.answer(model, asked.rows, asked.asked, asked.write))

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
        [Route(path, Answering(path, endpoint, method)) for path, endpoint, method in routes],
        redirect_slashes=False,
        default=unknown,
        lifespan=lifespan,
    )


class Answering:
    """An ASGI application for one path. Its errors become refusals, which the gate writes."""

    def __init__(self, path: str, endpoint: Endpoint, method: str) -> None:
        """Take the pattern of the path, and what answers one method."""
        self.path, self.endpoint = path, endpoint
        self.methods = ("GET", "HEAD") if method == "GET" else (method,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope[PATTERN] = self.path
        if scope["method"] not in self.methods:
            allowed = ", ".join(self.methods)
            raise RefusedError(405, f"This path answers {allowed}.", ((b"allow", allowed.encode()),))
        try:
            reply = await self.endpoint(scope, receive)
        except TooMuchError as error:
            raise RefusedError(413, f"{error}") from error
        except BusyError as error:
            raise RefusedError(503, f"{error}", ((b"retry-after", b"1"),)) from error
        except FormatError as error:
            raise RefusedError(400, told(error)) from error
        except ChainruleError as error:
            raise RefusedError(422, told(error)) from error
        await send_reply(send, reply)


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
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=16):
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


async def body_of(headers: Mapping[bytes, bytes], receive: Receive, limits: Limits) -> bytes:
    """Return the body of a request. Raises RefusedError for one that is too large or too slow."""
    declared = headers.get(b"content-length", b"0")
    most = f"The body has more than {limits.body_bytes:,} bytes; send fewer rows at a time."
    if not declared.isdigit() or len(declared) > 18 or int(declared) > limits.body_bytes:
        raise RefusedError(413, most)
    pieces, count = [], 0
    try:
        async with asyncio.timeout(limits.seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                piece = message.get("body", b"")
                count += len(piece)
                if count > limits.body_bytes:
                    raise RefusedError(413, most)
                pieces.append(piece)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise RefusedError(
            408, f"The body did not come within {limits.seconds:g} seconds; send it again."
        ) from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
