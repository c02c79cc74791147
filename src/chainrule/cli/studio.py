"""`chainrule studio`: a page on this machine that shows a network predict and train."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli import options
from chainrule.cli.subcommand import guard_subcommand
from chainrule.core.files import to_json
from chainrule.errors import ConfigError
from chainrule.views import words

if TYPE_CHECKING:
    from chainrule.datasets.headers import TableLayout
    from chainrule.studio.session.studio import Studio


@guard_subcommand
def studio(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL|DATA]",
            help="A model's file or the folder of a run; or mnist, a folder of IDX files, an .npz or a table. By "
            "default MNIST, and a network that is trained on it meanwhile.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 for a free one.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and do not open a browser.")
    ] = False,
    header: options.Header = None,
    sheet: options.Sheet = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Open a page on this machine: draw a digit, train, step through backpropagation, see every number."""
    try:
        from chainrule.studio.server import serve as server
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the studio needs {error.name}; install it: pip install 'chainrule[studio]'."
        ) from error
    from chainrule.datasets.headers import TableLayout

    is_terminal = not as_json and sys.stdin is not None and sys.stdin.isatty()

    def ready(url: str) -> None:
        if as_json:
            typer.echo(to_json({"url": url}))
        else:
            typer.echo(words.command.studio_at(url))
            typer.echo(words.command.works_once(is_terminal))
        if not no_browser:
            import webbrowser

            webbrowser.open(url)

    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        asked = iter(sys.stdin.readline, "") if is_terminal else ()
        server.serve(
            opened(what, TableLayout(header, sheet)), port=port, ready=ready, asked=asked, again=typer.echo
        )


def opened(what: str | None, layout: TableLayout | None = None) -> Studio:
    """Open a model or data. MNIST and a table are trained at once, to have a network and curves for the screens.

    what: a model file, the folder of a run, or data; None for MNIST.  layout: where a table lies in its file.
    """
    from chainrule.studio.screens.train.desk import desk_of
    from chainrule.studio.session import start

    studio = start.opened(what) if layout is None else start.opened(what, layout)
    if studio.has_model:
        return studio
    studio.first_screen = "front" if what is None else "train"
    if what is None or studio.data.table is not None:
        desk = desk_of(studio)
        desk.source = "mnist" if what is None else what
        desk.start({}, [])
    return studio
