"""Print the types of a table's columns, and the costs of the network that is trained on them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chainrule.cli import output

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.estimators.tables.description import DescribedTable
    from chainrule.recipe.baselines import BaselineComparison
    from chainrule.recipe.presets import PresetRun
    from chainrule.recipe.tables import TableData
    from chainrule.training.events import Started

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
    out.print()
    columns_table(out, table.preprocessor.columns_)
    hints = like_identifiers(table.columns, table.preprocessor)
    if hints:
        out.print(output.plain(said.like_identifiers(hints)), markup=False, soft_wrap=True)
    out.print()


def introduce_preset(out: Console, run: PresetRun, started: Started, verbose: bool) -> None:
    """Print the table, and the preset's network for it, when training begins."""
    from chainrule.network.summary import counted

    estimator, settings = run.estimator, run.settings
    made, table = estimator.members_[0], run.table
    held = len(table.train) - started.samples
    held_out = f", {held:,} to validate on" if held > 0 else ""
    out.print(
        f"[bold]{output.plain(run.data.name)}[/bold]  {started.samples:,} samples to train on{held_out}, "
        f"{len(table.test):,} to test on"
    )
    classes = [] if made.classes is None else made.classes.tolist()
    shown = dataclasses.replace(table, preprocessor=estimator.preprocessor_)
    introduce_table(out, shown, [str(label) for label in classes])
    count, loss = len(estimator.members_), made.network.loss.kind
    several = f"{count} networks, " if count > 1 else ""
    each = f"{made.network.size:,} parameters{' each' * (count > 1)}"
    limit = "" if settings.time_limit is None else f", {settings.time_limit:g} s at most"
    out.print(
        f"preset {settings.preset}: {several}{each}, {loss}\n"
        f"batches of {started.batch_size}, {counted(started.epochs, 'epoch')} at most{limit}\n",
        style="dim",
        markup=False,
    )
    if verbose:
        text = output.summary(out, made, started.batch_size)
        out.print(f"{text}\n", markup=False, soft_wrap=not out.is_terminal)


def introduce_race(out: Console, run: PresetRun) -> None:
    """Print the table before recipes race on it."""
    from chainrule.estimators.best.runner import SECONDS

    table = run.table
    out.print(
        f"[bold]{output.plain(run.data.name)}[/bold]  {len(table.train):,} samples to train and validate on, "
        f"{len(table.test):,} to test on"
    )
    labels = [] if table.target.is_number else sorted({str(label) for label in run.data.train.y.tolist()})
    introduce_table(out, table, labels)
    limit = run.settings.time_limit
    out.print(
        f"preset best: recipes race for {SECONDS if limit is None else limit:g} s; the average of the best predicts\n",
        style="dim",
    )


def comparison_table(out: Console, comparison: BaselineComparison, preset: str | None) -> None:
    """Print the network's metrics beside those of simpler models, the best in bold, and a sentence that names the best.

    preset: of the run.
    """
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    from chainrule.views import words
    from chainrule.views.text.tables import verdict
    from chainrule.views.words.facts import quantity

    said = words.tables
    out.print(f"\n[bold]{said.COMPARISON}[/bold]: {said.same_rows(comparison.rows)}")
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    grid.add_column("")
    for name in comparison.names:
        grid.add_column(words.phrases.spoken(name), justify="right", no_wrap=True)
    if out.width >= TIGHT:
        grid.add_column(said.SECONDS, justify="right", no_wrap=True, style="dim")
    for each in comparison.models:
        cells = [
            Text(quantity(each.metrics[name]), "bold" if comparison.best(name) == each.model else "")
            for name in comparison.names
        ]
        grid.add_row(
            Text(said.MODELS[each.model]), *cells, *([f"{each.seconds:.1f}"] if out.width >= TIGHT else [])
        )
    out.print(grid)
    is_behind = comparison.verdict.code in ("behind", "nothing")
    out.print(verdict(comparison, preset), style="orange1" if is_behind else "bold", markup=False)
    out.print()
