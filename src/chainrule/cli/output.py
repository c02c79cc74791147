"""Print the output of the command: tables, bars, one line per epoch, or JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.core.files import to_json
from chainrule.views import words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from chainrule.model import Ensemble, Model
    from chainrule.recipe.judge import Judgement
    from chainrule.recipe.table_data import TableData
    from chainrule.tables.cells import DescribedTable

MAX_CLASSES = 20
"""The maximum classes of a confusion matrix that is printed as a table."""
MAX_MISSES = 10
"""The most frequent misses that are listed for more classes."""
WIDEST = 1000
"""The maximum width of a table, in characters."""
SHOWN = 24
"""The maximum columns that are described before training; `chainrule info` prints all of them."""
NARROW = 100
"""The minimum width of a terminal, in characters, for the reasons of kept columns."""
TIGHT = 60
"""The minimum width for missing values and seconds."""


def console(quiet: bool = False) -> Console:
    """Return a console on standard output, or one that prints nothing."""
    from rich.console import Console

    return Console(quiet=quiet, highlight=False)


def summary(out: Console, model: Model | Ensemble, batch_size: int = 128) -> str:
    """Return a model's summary, as wide as the terminal."""
    return model.summary(batch_size).text(out.width if out.is_terminal else None)


def print_json(value: object) -> None:
    """Print data as one JSON document on standard output; NaN and infinity become null."""
    sys.stdout.write(to_json(value, indent=2) + "\n")


def print_lines(console: Console, text: str) -> None:
    """Print text of several lines as it is, without control characters in them."""
    for line in text.splitlines():
        console.print(plain(line), markup=False, highlight=False, soft_wrap=True)


def plain(text: object) -> str:
    """Return text from data or files without control characters, which a terminal would execute."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def percent(share: float) -> str:
    """Format a share as a percentage: 98.24 %."""
    return f"{100 * share:.2f} %"


def metric_lines(metrics: Mapping[str, Mapping[str, float]], positive: object = None) -> Table:
    """Return lines of name and value. metrics: by the head of a column.  positive: of two classes, the positive one."""
    from rich.table import Table
    from rich.text import Text

    from chainrule.views.words.facts import quantity

    table = Table.grid(padding=(0, 3))
    table.add_column(style="bold")
    for _ in metrics:
        table.add_column(justify="right")
    if len(metrics) > 1:
        table.add_row("", *metrics)
    for name in next(iter(metrics.values())):
        values = (each[name] for each in metrics.values())
        shown = (words.phrases.UNDEFINED if math.isnan(value) else quantity(value) for value in values)
        table.add_row(words.phrases.spoken(name), *shown)
    if positive is not None:
        table.add_row(words.model.POSITIVE, Text(plain(str(positive))))
    return table


def confusion_table(matrix: Any, labels: Sequence[str], is_tight: bool = False) -> Table:
    """Return a table of a confusion matrix, true classes in rows: hits bold blue, larger half of misses orange.

    is_tight: with narrower columns, and without recall.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0) if is_tight else (0, 1), pad_edge=not is_tight)
    table.add_column("", style="bold")
    for label in labels:
        table.add_column(Text(plain(label)), justify="right")
    if not is_tight:
        table.add_column(words.command.RECALL, justify="right", style="dim", no_wrap=True)
    worst = max((int(n) for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j), default=0)
    for i, (row, label) in enumerate(zip(matrix, labels, strict=True)):
        cells = [
            Text(f"{int(n)}", "bold bright_blue" if i == j else miss_style(int(n), worst))
            if n or i == j
            else Text("·", "dim")
            for j, n in enumerate(row)
        ]
        total = int(row.sum())
        recall = [] if is_tight else [f"{100 * row[i] / total:.1f}%" if total else ""]
        table.add_row(Text(plain(label)), *cells, *recall)
    return table


def miss_style(count: int, worst: int) -> str:
    """Return the style of a count of misses: orange, which every eye can tell from blue, for the larger half."""
    return "orange1" if 2 * count > worst else ""


def largest_confusions(matrix: Any, labels: Sequence[str]) -> Table:
    """Return a table of the most frequent misses, for more classes than fit in a confusion table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    said = words.command
    table = Table(said.TRUE, said.PREDICTED, box=box.SIMPLE_HEAD)
    table.add_column(said.SAMPLES, justify="right")
    misses = [(int(n), i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j and n]
    for count, i, j in sorted(misses, key=lambda miss: (-miss[0], miss[1:]))[:MAX_MISSES]:
        table.add_row(Text(plain(labels[i])), Text(plain(labels[j])), f"{count:,}")
    return table


def show_confusion(out: Console, matrix: object, labels: Sequence[str]) -> None:
    """Print the matrix, or its largest misses if it is too wide to print or to read."""
    if len(labels) <= MAX_CLASSES:
        for is_tight in (False, True):
            table = confusion_table(matrix, labels, is_tight)
            if out.measure(table, options=out.options.update(width=WIDEST)).maximum <= out.width:
                out.print(f"\n[bold]{words.command.CONFUSION}[/bold]")
                out.print(table)
                return
    out.print(f"\n[bold]{words.command.CONFUSIONS}[/bold]")
    table = largest_confusions(matrix, labels)
    out.print(table if table.row_count else words.command.NO_CONFUSION)


def show_judgement(
    out: Console, judgement: Judgement, metrics: Mapping[str, Mapping[str, float]] | None = None
) -> None:
    """Print the metrics and the confusion matrix. metrics: in several precisions, by name; None for those alone."""
    out.print(metric_lines(metrics or {"": judgement.metrics}, judgement.positive))
    if (matrix := judgement.matrix) is not None:
        show_confusion(out, matrix, judgement.labels)


def show_decision(out: Console, judgement: Judgement) -> None:
    """Print how labels were chosen, unless they are the likeliest."""
    if judgement.decision is not None:
        print_lines(out, str(judgement.decision))
        out.print()


def columns_table(out: Console, described: DescribedTable, *, whole: bool = False) -> None:
    """Print the columns, as wide as the terminal: in a narrow one without the reasons of kept columns.

    whole: print all of them, not SHOWN at most.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from chainrule.views.text.tables import cells

    heads, rows = cells(described)
    is_wide = out.width >= NARROW
    kept = range(len(heads)) if is_wide else (0, 1, 3, 5) if out.width >= TIGHT else (0, 1, 5)
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for i in kept:
        grid.add_column(heads[i], style="bold" if i == 0 else "", overflow="fold", no_wrap=i in (1, 3))
    for column, row in list(zip(described, rows, strict=False))[: None if whole else SHOWN]:
        dropped = column.became == "dropped"
        cell = [plain(row[i]) for i in kept]
        if dropped and not is_wide:
            cell[-1] += f": {row[2]}"
        grid.add_row(*(Text(each) for each in cell), style="dim" if dropped else None)
    out.print(grid)
    if not whole and len(described) > SHOWN:
        out.print(words.tables.more(len(described) - SHOWN), style="dim")
    outputs = sum(column.outputs for column in described)
    out.print(words.tables.totals(len(described), len(described.dropped), outputs), style="dim")


def introduce_table(out: Console, data: TableData, classes: list[str]) -> None:
    """Print the target, and the types of the columns."""
    said, target = words.tables, data.target
    task = said.numbers(target.why) if target.is_number else said.classes(target.why, classes)
    if (event := target.event) is not None:
        task = said.times(event.column, event.label, int(target.y[:, 1].sum()), len(target.y))
    out.print(plain(said.predicts(target.name, task)), markup=False)
    if data.left_out:
        out.print(said.left_out(data.left_out), markup=False)
    if data.tied.names:
        out.print(plain(said.held_out_by(data.tied.names, data.tied.gap)), markup=False)
    out.print()
    columns_table(out, data.preprocessor.columns_)
    if hints := data.like_identifiers:
        out.print(plain(said.like_identifiers(hints)), markup=False, soft_wrap=True)
    out.print()
