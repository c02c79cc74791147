"""The command `chainrule`: thin, with one file per subcommand. Slow imports are made where they are used."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer import BadParameter
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo

from chainrule.cli.bounds import bounds
from chainrule.cli.card import card
from chainrule.cli.check import check
from chainrule.cli.compare import compare
from chainrule.cli.data import data
from chainrule.cli.distill import distill
from chainrule.cli.evaluate import evaluate
from chainrule.cli.explain import explain
from chainrule.cli.export import export
from chainrule.cli.info import info
from chainrule.cli.lab import lab
from chainrule.cli.predict import predict
from chainrule.cli.serve import serve
from chainrule.cli.studio import studio
from chainrule.cli.train import train
from chainrule.cli.tune import tune
from chainrule.cli.worksheet import worksheet
from chainrule.core.version import __version__

EXAMPLES: tuple[tuple[Callable[..., None], str], ...] = (
    (train, "chainrule train mnist --report --out runs/mnist"),
    (tune, "chainrule tune table.csv --target-column y --trials 30 --out runs/tuned"),
    (evaluate, "chainrule evaluate runs/mnist mnist"),
    (predict, "chainrule predict runs/mnist digit.png"),
    (check, "chainrule check runs/table later.csv"),
    (compare, "chainrule compare runs/a runs/b --rows rows.npy"),
    (bounds, "chainrule bounds runs/mnist --rows mnist --radius 2"),
    (info, "chainrule info runs/mnist"),
    (data, "chainrule data diabetes"),
    (explain, "chainrule explain runs/mnist digit.png --out why.html"),
    (distill, "chainrule distill runs/table --hidden 32"),
    (export, "chainrule export runs/mnist --onnx"),
    (card, "chainrule card runs/mnist --license mit"),
    (lab, "chainrule lab vanishing --budget 0.1"),
    (worksheet, "chainrule worksheet --copies 30"),
    (serve, "chainrule serve runs/table"),
    (studio, "chainrule studio runs/mnist"),
)
"""Every subcommand, with the example at the end of its --help."""


NARROW = 80
"""The width of a terminal below which --help omits the types of options, because their names would be cut."""


class _PlainFlags:
    """A command whose --help omits the type `<bool>` of switches."""

    def get_params(self, ctx: object) -> list[Any]:
        """Return the parameters, including --help."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        is_narrow = shutil.get_terminal_size().columns < NARROW
        for parameter in found:
            is_option = parameter.param_type_name == "option"
            if is_option and parameter.metavar is None and (parameter.is_flag or is_narrow):
                parameter.metavar = ""
        return found


class _Command(_PlainFlags, TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. The error of a column that is given as --target says which option names it."""
        try:
            return super().parse_args(ctx, args)
        except BadParameter as error:
            if error.param is None or error.param.name != "target":
                raise
            told = f"{error.message}. --target-column names the column to predict."
            raise BadParameter(told, error.ctx, error.param) from None


class _Group(_PlainFlags, TyperGroup):
    pass


app = typer.Typer(
    name="chainrule",
    cls=_Group,
    help="Train fully connected networks, and put them to work.",
    epilog="Example: chainrule train mnist --report",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command, _example in EXAMPLES:
    app.command(cls=_Command, epilog=f"Example: {_example}")(_command)
TOP = ("-h", "--help", "--version")
"""The options of the command itself, which need no option of a subcommand."""


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train fully connected networks, and put them to work."""


def _listed() -> None:
    """Stand for a subcommand of which --help shows the name and the first line."""


def main() -> None:
    """Run the command on the arguments of this process.

    For a fast start, only the subcommand that is named gets its options, none where --help lists them all, and garbage
    collection, which takes as long as some of the imports, is made rarer. A process that ends frees all of its memory:
    Python's last collection would visit every object of every module for it. The threads of OpenBLAS, which NumPy and
    SciPy start when they are imported, wait for work in a loop on a core of their own: 2^22 ticks, not 2^28 (70 ms).
    """
    gc.set_threshold(100_000)
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "22")
    atexit.register(gc.freeze)
    named = [
        made for made in app.registered_commands if getattr(made.callback, "__name__", "") in sys.argv[1:2]
    ]
    if not named and sys.argv[1:2] and sys.argv[1] in TOP:
        named = [CommandInfo(each.__name__, help=each.__doc__, callback=_listed) for each, _ in EXAMPLES]
    app.registered_commands = named or app.registered_commands
    app(prog_name="chainrule")
