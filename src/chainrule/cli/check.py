"""`chainrule check`: compare the rows of a later table with those of training; and what `predict` says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError
from chainrule.views import words

if TYPE_CHECKING:
    pass


@guard_subcommand
def check(
    model: options.ModelFile,
    later: options.LaterTable,
    out: options.CheckPage = None,
    header: options.Header = None,
    sheet: options.Sheet = None,
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Print which columns of a later table have changed since training, and which rows look like nothing in it."""
    from chainrule.cli.models import load_estimator, load_with_table
    from chainrule.core.records import view
    from chainrule.datasets.headers import AUTOMATIC
    from chainrule.recipe.columns import read_columns
    from chainrule.recipe.later_tables import in_file

    if out is not None and out.suffix.lower() != ".html":
        raise ConfigError(f"--out must end in .html, not {out.name!r}.")
    made, table = load_estimator(model, "check needs")[0], load_with_table(model, header, sheet)[1]
    columns = read_columns(later, AUTOMATIC if table is None else table.layout)
    with in_file(later):
        found = made.check(columns)
    if out is not None:
        found.write(out)
    if as_json:
        output.print_json(found.to_data())
        return
    console = output.console()
    output.print_lines(console, view(found, "as_text"))
    if out is not None:
        console.print(words.model.written(str(out)), markup=False)
