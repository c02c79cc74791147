"""What `chainrule predict` prints of its predictions: a table of numbers, or bars of probabilities, and the reasons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chainrule.cli import output
from chainrule.recipe.answers import Answers, as_columns
from chainrule.views import words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN = 20
"""The maximum number of rows that are printed."""
SHOWN_REASONS = 3
"""The maximum number of rows whose reasons are printed."""
TOP = 3
"""The number of printed classes per sample."""


def empty_sets(answers: Answers) -> int:
    """Return how many rows have a set without a label, where sets of labels were asked for."""
    if answers.covering is None or answers.probabilities is None:
        return 0
    return len(answers.covering) - int(answers.covering.any(1).sum())


def table_of_numbers(answers: Answers, out: Console) -> Table:
    """Return the first rows of predicted numbers: a column for each, for its spread and for the ends of its interval.

    All numbers of an output have equally many decimals. Where the columns are wider than the terminal, a row has them
    behind each other.
    """
    from rich.table import Table
    from rich.text import Text

    from chainrule.views.words.facts import alike, decimals

    count, many = min(len(answers.predicted), SHOWN), len(answers.predicted) > 1
    columns = {name: values[:count].tolist() for name, values in as_columns(answers, []).items()}
    said = dict[str, list[str]]()
    for of, names in outputs_of(columns).items():
        places = decimals(number for name in names for number in columns[name])
        for name in names:
            said[name] = alike(columns[name], places)
        if (spread := f"spread {of}".strip()) in columns:
            said[spread] = alike(columns[spread], decimals(columns[spread], 2), 2)
    said = {name: said[name] for name in columns}
    rows = [Text(words.command.row(i) if many else output.plain(answers.source)) for i in range(count)]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in said:
        table.add_column(justify="right", no_wrap=True)
    if len(said) > 1:
        table.add_row("", *(Text(_head(name), "dim") for name in said))
    for name, *cells in zip(rows, *said.values(), strict=True):
        table.add_row(
            name,
            *(
                Text(each, "bold" if head.startswith("predicted") else "")
                for head, each in zip(said, cells, strict=True)
            ),
        )
    if out.measure(table, options=out.options.update(width=output.WIDEST)).maximum <= out.width:
        return table
    table = Table.grid(padding=(0, 2))
    for name, *cells in zip(rows, *said.values(), strict=True):
        table.add_row(
            name, Text("  ".join(f"{_head(head)} {each}" for head, each in zip(said, cells, strict=True)))
        )
    return table


def _head(name: str) -> str:
    """Return the name of a column of numbers, such as "lower 0", in the language in use."""
    kind, blank, of = name.partition(" ")
    return f"{words.command.FIGURES[kind]}{blank}{of}"


def outputs_of(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the columns of each output but its spread: its prediction and the ends of its interval.

    By the ending of the names, as in " 0"; the one interval of several quantiles is with the first of them.
    """
    found = dict[str, list[str]]()
    for kind, of, name in ((*name.partition(" ")[::2], name) for name in columns):
        if kind == "predicted":
            found[of] = [name]
        elif kind != "spread":
            found[of if of in found else next(iter(found))].append(name)
    return found


def show(out: Console, answers: Answers, labels: list[str]) -> None:
    """Print the most probable classes of each row with bars, or its numbers."""
    from rich.table import Table
    from rich.text import Text

    count, many = len(answers.predicted), len(answers.predicted) > 1
    table = Table.grid(padding=(0, 2))
    if answers.probabilities is None:
        table = table_of_numbers(answers, out)
    for i in range(0 if answers.probabilities is None else min(count, SHOWN)):
        name = words.command.row(i) if many else output.plain(answers.source)
        shares = answers.probabilities[i]
        is_one_label = answers.predicted.ndim == 1
        shown = TOP if answers.covering is None else max(TOP, int(answers.covering[i].sum()))
        for rank, k in enumerate((-shares).argsort(kind="stable")[:shown].tolist()):
            chosen = labels[k] == str(answers.predicted[i]) if is_one_label else shares[k] > 0.5
            table.add_row(
                Text(name if rank == 0 else ""),
                Text(output.plain(labels[k]), "bold" if chosen else "dim"),
                Text(output.percent(float(shares[k])), "bold" if chosen else "dim", justify="right"),
                *([] if answers.spread is None else [Text(f"± {100 * answers.spread[i, k]:.2f}", "dim")]),
                Text(output.bar(float(shares[k])), "bright_blue" if chosen else "dim"),
                *(
                    []
                    if answers.covering is None
                    else [Text(words.command.IN_THE_SET * bool(answers.covering[i, k]), "dim")]
                ),
            )
    if many:
        out.print(Text(output.plain(answers.source), "bold"))
    out.print(table)
    if empty := empty_sets(answers):
        out.print(words.command.empty_sets(empty, count), style="dim")
    if count > SHOWN:
        out.print(words.command.more_rows(count - SHOWN), style="dim")
    if answers.reasons is not None:
        if count > SHOWN_REASONS:
            out.print(f"\n{words.command.first_reasons(SHOWN_REASONS)}", style="dim")
        for i in range(min(count, SHOWN_REASONS)):
            out.print(Text(f"\n{words.command.row(i)}" if many else "", "bold"))
            output.print_lines(out, answers.reasons.text(i))
