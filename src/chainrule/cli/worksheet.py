"""`chainrule worksheet`: write exercises in backpropagation to print, each with numbers of its own, and their key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from chainrule.cli import options, output
from chainrule.cli.lab import prepare
from chainrule.cli.subcommand import guard_subcommand
from chainrule.views import words

SheetSeed = Annotated[
    int, Option("--seed", help="The number of the first sheet; the next one has the next number.")
]
Copies = Annotated[int, Option(min=1, max=500, help="Number of sheets, each with other numbers.")]
SheetFolder = Annotated[Path, Option("--out", help="Folder for worksheet.html and key.html.")]


@guard_subcommand
def worksheet(
    seed: SheetSeed = 0,
    copies: Copies = 1,
    out: SheetFolder = Path("runs/worksheet"),
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Write exercises in backpropagation to print, with other numbers for each learner, and their key."""
    from chainrule.lab.worksheet import write_worksheets

    prepare(out)
    sheets = write_worksheets(out, seed, copies)
    if as_json:
        output.print_json([sheet.to_data() for sheet in sheets])
        return
    for name in ("worksheet.html", "key.html"):
        output.print_lines(output.console(), words.model.written(str(out / name)))
