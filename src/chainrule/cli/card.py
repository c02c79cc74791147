"""`chainrule card`: describe a run as a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from chainrule.cli import options, output
from chainrule.cli.options import LANGUAGES_SAID
from chainrule.cli.subcommand import check_language, guarded
from chainrule.errors import ConfigError

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
CardLanguage = Annotated[str, Option("--lang", help=f"Language of the card: {LANGUAGES_SAID}")]
CardOverwrite = Annotated[bool, Option("--overwrite", help="Replace the file.")]


@guarded
def card(
    run: RunToDescribe,
    license: CardLicense = None,
    out: CardOut = None,
    lang: CardLanguage = "en",
    overwrite: CardOverwrite = False,
    debug: options.Debug = False,
) -> None:
    """Write a model card of a run, for the Hugging Face Hub: data, results, limits, and how to load it."""
    from chainrule.core.files import write_whole
    from chainrule.recipe.card import read_card
    from chainrule.views.text.card import card as written
    from chainrule.views.words import spoken_in

    check_language(lang)
    found, path = read_card(Path(run)), out or Path(run) / "README.md"
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; pass --overwrite to replace it, or --out for another file.")
    with spoken_in(lang):
        text = written(found, license)
    write_whole(path, text.encode())
    output.print_lines(output.console(), f"Written to {path}")
