"""`chainrule serve`: a model as a service over HTTP."""

from __future__ import annotations

import gc
import os
import shlex
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chainrule.cli import options
from chainrule.cli.subcommand import guard_subcommand
from chainrule.core.files import open_regular, to_json
from chainrule.errors import ConfigError
from chainrule.views import words

if TYPE_CHECKING:
    from chainrule.serve.service import Service

VARIABLE = "CHAINRULE_TOKEN"
"""The environment variable with the token."""
SHORTEST = 16
"""The minimum characters of a token."""
MAX_TOKEN_BYTES = 4096


@guard_subcommand
def serve(
    model: options.ModelFile,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8000,
    name: options.ServedName = None,
    token_file: options.TokenFile = None,
    max_mb: options.MaxMegabytes = 16,
    max_rows: options.MaxRows = 100_000,
    max_connections: options.MaxConnections = 1024,
    max_seconds: options.MaxSeconds = 20.0,
    batch_rows: options.BatchRows = 1024,
    batch_delay: options.BatchDelay = 1.0,
    precision: options.Precision = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Answer requests with a model's predictions over HTTP, until a signal ends it."""
    try:
        from chainrule.serve.server import make_server
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"chainrule serve needs {error.name}; install it: pip install 'chainrule[serve]'."
        ) from error
    from chainrule.cli.models import model_file
    from chainrule.serve.answering import name_of
    from chainrule.serve.bodies import Limits
    from chainrule.serve.connection import listen
    from chainrule.serve.service import Service

    token = token_of(token_file)
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"--host {host} can be reached from other machines; pass --token-file, or set {VARIABLE}, so that not "
            "everybody may ask."
        )
    limits = Limits(
        body_bytes=max_mb << 20,
        rows=max_rows,
        connections=max_connections,
        seconds=max_seconds,
        batch_rows=batch_rows,
        batch_delay=batch_delay / 1000,
    )
    service = Service(model_file(model), name or name_of(model), limits, log, precision)
    with listen(port, host) as sock:
        server = make_server(service, sock, token, lambda error: log_failure(error, debug))
        introduce(service, host, int(sock.getsockname()[1]), token is not None, as_json)
        gc.freeze()  # otherwise a collection looks at all that was imported, which stops every request for 0.1 seconds
        server.run(sockets=[sock])


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from its own machine only."""
    return host in ("127.0.0.1", "localhost", "::1")


def token_of(path: Path | None) -> str | None:
    """Return the token in a file, or else in the environment; None without one. Raises ConfigError for a short one."""
    if path is None:
        token, source = os.environ.get(VARIABLE), VARIABLE
    else:
        with open_regular(path) as file:
            token, source = file.read(MAX_TOKEN_BYTES).decode("utf-8", "replace"), f"{path}"
    if token is None:
        return None
    token = token.strip()
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"the token in {source} must have at least {SHORTEST} characters of ASCII without blanks; make one: "
            "openssl rand -hex 32."
        )
    return token


def log(said: str) -> None:
    """Write a line of the log, on standard error."""
    typer.echo(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {said}", err=True)


def log_failure(error: Exception, debug: bool) -> None:
    """Write an error that is a bug into the log."""
    log(f"A request failed by a bug in chainrule ({type(error).__name__}: {error}); --debug shows where.")
    if debug:
        typer.echo("".join(traceback.format_exception(error)), err=True)


def introduce(service: Service, host: str, port: int, has_token: bool, as_json: bool) -> None:
    """Print the address, the paths, and a request that works as it stands."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "localhost") else f"[{host}]" if ":" in host else host
    url, schema = f"http://{shown}:{port}", service.model.schema
    if as_json:
        typer.echo(to_json({"url": url, "name": service.name, "digest": service.model.digest}))
        return
    said = words.command
    typer.echo(said.serving(service.name, schema.task, len(schema.columns), url))
    for path, what in (
        ("POST /predict", "predict"),
        ("GET  /schema", "schema"),
        ("GET  /openapi.json", "openapi"),
        ("GET  /health", "health"),
        ("GET  /metrics", "metrics"),
        (f"POST /v2/models/{service.name}/infer", "infer"),
    ):
        typer.echo(f"  {path:<20} {said.PATHS[what]}")
    typer.echo(f"\n{said.TRY_IT}\n")
    key = f' -H "Authorization: Bearer ${VARIABLE}"' if has_token else ""
    row = shlex.quote(to_json(schema.example()))
    typer.echo(f"curl{key} -H 'Content-Type: application/json' -d {row} {url}/predict\n")
    typer.echo(said.SERVER_ENDS)
