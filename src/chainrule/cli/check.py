"""`chainrule check`: compare the rows of a later table with those of training; and what `predict` says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.cli import options, output
from chainrule.cli.subcommand import guarded
from chainrule.errors import ConfigError
from chainrule.views import words

if TYPE_CHECKING:
    from chainrule.estimators import MLPClassifier, MLPRegressor
    from chainrule.recipe.later_tables import Known
    from chainrule.trust.drift import DriftCheck


@guarded
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


def rows_of_table(path: str, table: Known) -> dict[str, Any]:
    """Return the columns of a table in a file but the target, as an estimator takes them."""
    from chainrule.recipe import later_tables

    return {k: v for k, v in later_tables.inputs_of(path, table)[0].items() if k != table.target}


def checks_of(
    made: MLPClassifier | MLPRegressor | None, table: Known | None, sources: Sequence[str]
) -> dict[str, DriftCheck]:
    """Compare each table that was predicted with those of training, where the model's file has statistics of these.

    made: the estimator in the model's file.  table: the metadata of the table of the training.
    sources: the files that were predicted, of any kind.
    """
    if table is None or made is None:
        return {}
    from chainrule.datasets.table_files import TABLES
    from chainrule.fitting.held import result_of

    if not result_of(made).seen:
        return {}
    return {
        source: made.check(rows_of_table(source, table))
        for source in sources
        if source.lower().endswith(TABLES)
    }
