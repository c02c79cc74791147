"""Format the detected types and encodings of a table's columns."""

from __future__ import annotations

from chainrule.estimators.decisions import Decision, Interval
from chainrule.estimators.recipes import BEST
from chainrule.estimators.reliability import Reliability
from chainrule.estimators.tables.cells import DescribedTable
from chainrule.recipe.baselines import BaselineComparison
from chainrule.views import words
from chainrule.views.tables import aligned
from chainrule.views.words.facts import quantity

MAX_NAME_CHARACTERS = 32
"""The maximum number of characters of a column's name."""
MAX_COLUMNS = 200
"""The maximum number of columns listed."""


def table(described: DescribedTable) -> str:
    """Format a table with one row per column, and the totals."""
    heads, rows = cells(described)
    lines = aligned([heads, *rows], len(heads))
    if len(described) > MAX_COLUMNS:
        lines.append("…")
    outputs = sum(column.outputs for column in described)
    return "\n".join([*lines, words.tables.totals(len(described), len(described.dropped), outputs)])


def verdict(comparison: BaselineComparison, preset: str | None) -> str:
    """Compare a network with simpler models, and advise if one of them is better.

    preset: of the run.
    """
    found, said = comparison.verdict, words.tables
    told = said.verdict(
        found.code,
        found.model,
        words.phrases.spoken(found.metric),
        quantity(found.network),
        quantity(found.other),
    )
    if found.may_be_chance:
        told += said.BETWEEN + said.may_be_chance(found.groups)
    return told + said.BETWEEN + said.TRY_BEST if found.code == "behind" and preset != BEST else told


def reliability(found: Reliability) -> str:
    """Write what the points of a reliability diagram show, and how far they are from the diagonal."""
    percent = words.phrases.percent
    rows, bins = int(found.samples.sum()), len(found.samples)
    return words.tables.calibration(
        found.label,
        rows,
        bins,
        round(100 * found.confidence),
        found.outside,
        percent(found.error),
        percent(found.chance),
    )


def decision(found: Decision) -> str:
    """Write how labels are chosen, and what is expected of it."""
    said, confidence = words.tables, round(100 * found.confidence)
    if found.threshold is None:
        lines = [said.decision_by_costs(len(found.costs or ()))]
    else:
        interval = _interval(found.interval)
        lines = [said.decision(quantity(found.threshold), found.scoring, interval, confidence)]
    if found.scoring is not None and found.score is not None:
        score, interval = quantity(found.score), _interval(found.score_interval)
        lines.append(said.expected(found.scoring, score, interval, confidence, found.rows, found.positives))
    return "\n".join(lines)


def _interval(ends: Interval | None) -> str:
    """Return an interval as text."""
    return words.phrases.NOTHING if ends is None else words.phrases.between(*map(quantity, ends))


def cells(described: DescribedTable) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table's column names, and its rows as text."""
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
        for column in described.columns[:MAX_COLUMNS]
    ]
    return said.HEADS, rows


def _short(name: str) -> str:
    """Return a name on one line, cut to MAX_NAME_CHARACTERS."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in name[: MAX_NAME_CHARACTERS + 1])
    return clean if len(clean) <= MAX_NAME_CHARACTERS else f"{clean[: MAX_NAME_CHARACTERS - 1]}…"
