"""Format what became of the columns of a table."""

from __future__ import annotations

from chainrule.estimators.settings import BEST
from chainrule.estimators.tables.description import DescribedTable
from chainrule.recipe.baselines import BaselineComparison
from chainrule.views import words
from chainrule.views.words.facts import quantity

WIDEST = 32
"""The most characters of a column's name that are shown."""
MOST = 200
"""The most columns that are shown."""


def table(described: DescribedTable) -> str:
    """Format a table with one row per column, and the sums."""
    heads, rows = cells(described)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (heads, tuple("-" * width for width in widths), *rows)
    ]
    if len(described) > MOST:
        lines.append("…")
    outputs = sum(column.outputs for column in described)
    return "\n".join([*lines, words.tables.totals(len(described), len(described.dropped), outputs)])


def verdict(comparison: BaselineComparison, preset: str | None) -> str:
    """Say how a network stands beside simpler models, and what to do where one of them is better.

    preset: of the run.
    """
    found, said = comparison.verdict, words.table_runs
    told = said.verdict(
        found.code,
        found.model,
        words.phrases.spoken(found.metric),
        quantity(found.network),
        quantity(found.other),
    )
    return f"{told} {said.try_best()}" if found.code == "behind" and preset != BEST else told


def cells(described: DescribedTable) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the heads of the table, and its rows as text."""
    said, nothing = words.tables, words.phrases.NOTHING
    rows: list[tuple[str, ...]] = [
        (
            _short(column.name),
            said.KINDS[column.taken_for],
            said.WHYS[column.why],
            said.infinite(
                words.phrases.percent(column.missing) if column.missing else nothing, column.infinite
            ),
            nothing if column.categories is None else f"{column.categories:,}",
            said.became(column.became, column.outputs, column.size, column.merged),
        )
        for column in described.columns[:MOST]
    ]
    return said.HEADS, rows


def _short(name: str) -> str:
    """Return a name on one line, cut to WIDEST characters, whatever characters it has."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in name[: WIDEST + 1])
    return clean if len(clean) <= WIDEST else f"{clean[: WIDEST - 1]}…"
