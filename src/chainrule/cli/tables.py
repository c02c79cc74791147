"""Print the types of a table's columns, and the results of simpler models on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli import output

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.estimators.tables.learned import DescribedTable
    from chainrule.recipe.baselines import BaselineComparison
    from chainrule.recipe.tables import TableData

SHOWN = 24
"""The maximum columns that are described before training; `chainrule info` prints all of them."""
NARROW = 100
"""The minimum width of a terminal, in characters, for the reasons of kept columns."""
TIGHT = 60
"""The minimum width for missing values and seconds."""


def columns_table(out: Console, described: DescribedTable, *, whole: bool = False) -> None:
    """Print the columns, as wide as the terminal: in a narrow one without the reasons of kept columns.

    whole: print all of them, not SHOWN at most.
    """
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    from chainrule.views import words
    from chainrule.views.text.tables import cells

    heads, rows = cells(described)
    is_wide = out.width >= NARROW
    kept = range(len(heads)) if is_wide else (0, 1, 3, 5) if out.width >= TIGHT else (0, 1, 5)
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for i in kept:
        grid.add_column(heads[i], style="bold" if i == 0 else "", overflow="fold", no_wrap=i in (1, 3))
    for column, row in list(zip(described, rows, strict=False))[: None if whole else SHOWN]:
        dropped = column.became == "dropped"
        cell = [output.plain(row[i]) for i in kept]
        if dropped and not is_wide:
            cell[-1] += f": {row[2]}"
        grid.add_row(*(Text(each) for each in cell), style="dim" if dropped else None)
    out.print(grid)
    if not whole and len(described) > SHOWN:
        out.print(words.tables.more(len(described) - SHOWN), style="dim")
    outputs = sum(column.outputs for column in described)
    out.print(words.tables.totals(len(described), len(described.dropped), outputs), style="dim")


def introduce_table(out: Console, table: TableData, classes: list[str]) -> None:
    """Print the target, and the types of the columns."""
    from chainrule.recipe.columns import like_identifiers
    from chainrule.views import words

    said, target = words.tables, table.target
    task = said.numbers(target.why) if target.is_number else said.classes(target.why, classes)
    out.print(f"predicts [bold]{output.plain(target.name)}[/bold]: ", end="")
    out.print(output.plain(task), markup=False)
    if table.left_out:
        out.print(said.left_out(table.left_out), markup=False)
    if table.tied.names:
        out.print(output.plain(said.held_out_by(table.tied.names, table.tied.gap)), markup=False)
    out.print()
    columns_table(out, table.preprocessor.columns_)
    hints = like_identifiers(table.columns, table.preprocessor)
    if hints:
        out.print(output.plain(said.like_identifiers(hints)), markup=False, soft_wrap=True)
    out.print()


def comparison_table(out: Console, comparison: BaselineComparison, preset: str | None) -> None:
    """Print the network's metrics beside those of simpler models, the best in bold, and a sentence that names the best.

    preset: of the run.
    """
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    from chainrule.views import words
    from chainrule.views.text.tables import verdict
    from chainrule.views.words.facts import metrics_alike

    said = words.tables
    out.print(f"\n[bold]{said.COMPARISON}[/bold]: {said.same_rows(comparison.rows)}")
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    grid.add_column("")
    for name in comparison.names:
        grid.add_column(words.phrases.spoken(name), justify="right", no_wrap=True)
    if out.width >= TIGHT:
        grid.add_column(said.SECONDS, justify="right", no_wrap=True, style="dim")
    shown = {name: metrics_alike(*comparison.values(name)) for name in comparison.names}
    for k, each in enumerate(comparison.models):
        cells = [
            Text(shown[name][k], "bold" if comparison.best(name) == each.model else "")
            for name in comparison.names
        ]
        grid.add_row(
            Text(said.MODELS[each.model]), *cells, *([f"{each.seconds:.1f}"] if out.width >= TIGHT else [])
        )
    out.print(grid)
    is_behind = comparison.verdict.code in ("behind", "nothing")
    out.print(verdict(comparison, preset), style="orange1" if is_behind else "bold", markup=False)
    out.print()
