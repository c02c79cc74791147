"""`chainrule card`: describe a run as a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError
from chainrule.views import words

RunToDescribe = Annotated[str, Argument(metavar="RUN", help="The folder of a run.")]
CardLicense = Annotated[
    str | None,
    Option(
        "--license",
        metavar="NAME",
        help="License as the Hub names it, apache-2.0.",
        show_default="none",
    ),
]
CardOut = Annotated[
    Path | None, Option("--out", help="The file to write.", show_default="README.md in the folder")
]
CardOverwrite = Annotated[bool, Option("--overwrite", help="Replace the file.")]


@guard_subcommand
def card(
    run: RunToDescribe,
    license: CardLicense = None,
    out: CardOut = None,
    lang: options.Language = "en",
    overwrite: CardOverwrite = False,
    debug: options.Debug = False,
) -> None:
    """Write a model card of a run, for the Hugging Face Hub: data, results, limits, and how to load it."""
    from chainrule.core.files import write_whole
    from chainrule.recipe.card import read_card
    from chainrule.views.text.card import card as written

    found, path = read_card(Path(run)), out or Path(run) / "README.md"
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; pass --overwrite to replace it, or --out for another file.")
    write_whole(path, written(found, license).encode())
    output.print_lines(output.console(), words.model.written(str(path)))
