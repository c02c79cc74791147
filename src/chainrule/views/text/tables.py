"""What is said of a fit on a table: its columns and decisions, and what each column does to its answers."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainrule.core import hints
from chainrule.errors import LeakWarning, TableWarning, renamed
from chainrule.explain.reasons import COLUMNS_SHOWN, Reasons, shown
from chainrule.recipe.messages import in_flags
from chainrule.trust.notice import Notice
from chainrule.views import words
from chainrule.views.tables import aligned
from chainrule.views.words.facts import FEW_DIGITS, decimals, quantity

if TYPE_CHECKING:
    from chainrule.explain.columns import ColumnImportance, ColumnPairs
    from chainrule.explain.slopes import Slopes
    from chainrule.tables.cells import DescribedTable, ReadColumn
    from chainrule.trust.decisions import Decision, Interval
    from chainrule.trust.reliability import Reliability

MAX_NAME_CHARACTERS = 32
"""The maximum number of characters of a column's name."""
MAX_COLUMNS = 200
"""The maximum number of columns listed."""
COLUMNS_OF_IMPORTANCE = 20
"""The maximum number of columns in a table of importances."""


def table(described: DescribedTable) -> str:
    """Format a table with one row per column, and the totals."""
    heads, rows = cells(described)
    lines = aligned([heads, *rows], len(heads))
    if len(described) > MAX_COLUMNS:
        lines.append("…")
    outputs = sum(column.outputs for column in described)
    return "\n".join([*lines, words.tables.totals(len(described), len(described.dropped), outputs)])


def warned(message: Warning | str) -> str:
    """Say a warning, with options of the command in place of arguments of a fit."""
    if isinstance(message, TableWarning):
        return str(words.tables.decided(message.code, message.facts, f"{message}"))
    if isinstance(message, LeakWarning) and isinstance(message.notice, Notice):
        return str(words.notices.sentence(message.notice, "command"))
    return str(words.messages.translated(renamed(hints.marked(message), in_flags)))


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
            said.missing(
                words.phrases.percent(column.missing) if column.missing else nothing,
                column.infinite,
                [f"{mark:.10g}" for mark in column.marks],
            ),
            nothing if column.categories is None else f"{column.categories:,}",
            said.became(
                *(column.became, column.outputs, column.size, column.merged),
                [words.phrases.recurring_day(day) for day in column.recurring],
            ),
        )
        for column in described.columns[:MAX_COLUMNS]
    ]
    return said.HEADS, rows


def _short(name: str) -> str:
    """Return a name on one line, cut to MAX_NAME_CHARACTERS."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in name[: MAX_NAME_CHARACTERS + 1])
    return clean if len(clean) <= MAX_NAME_CHARACTERS else f"{clean[: MAX_NAME_CHARACTERS - 1]}…"


class Effect(NamedTuple):
    """What a column does to a row's answer, in texts."""

    column: str
    cell: str
    typical: str
    """its cell in the row that is compared with; empty for several rows"""
    value: float


def in_units(output: str) -> float:
    """Return the factor of an effect as it is shown: of a probability in percentage points."""
    return 100.0 if output == "probability" else 1.0


def subject(found: Reasons | Slopes, row: int | None) -> str:
    """Say what an answer is: of a row, or of all rows."""
    said, labels = words.reasons, found.labels
    if row is None and len(set(map(str, labels))) > 1:
        return str(said.several_subjects(found.output))
    label = labels[row or 0] if labels else None
    return str(said.subject(found.output, label, found.target))


def effects(found: Reasons, row: int, top: int = COLUMNS_SHOWN) -> list[Effect]:
    """Return the largest effects on a row's answer, and the sum of all others, without those that are 0."""
    said, values = words.reasons, found.values[row]
    order = [k for k in found.order(row).tolist() if values[k] != 0]
    is_one = len(found.reference[0].values) == 1
    listed = [
        Effect(
            found.names[k],
            _cell(found.cells[k], row),
            _cell(found.reference[k], 0) if is_one else "",
            float(values[k]),
        )
        for k in order[:top]
    ]
    rest = order[top:]
    return (
        [*listed, Effect(said.other_columns(len(rest)), "", "", float(values[rest].sum()))]
        if rest
        else listed
    )


def _cell(column: ReadColumn, row: int) -> str:
    """Return a cell as text, of a date with the name of the recurring day that it is."""
    day = column.day(row)
    name = "" if day is None else f" ({words.phrases.recurring_day(day)})"
    return shown(column, row) + name or str(words.reasons.MISSING)


def places_of(found: Reasons, row: int) -> int | None:
    """Return the decimals of the numbers in a row's story: those with which its largest effect has four digits.

    So one can see that they add up. Probabilities are percentages with two; None for numbers that are too different.
    """
    if found.output == "probability":
        return 2
    largest = float(np.abs(found.values[row]).max(initial=0.0))
    answers = float(found.answers[row]), float(found.base[row])
    return decimals([largest], FEW_DIGITS) if largest else decimals(answers)


def headline(found: Reasons, row: int) -> str:
    """Say what the answer for a row is, and for what it is compared with."""
    said = words.reasons
    answer, base = (
        said.amount(found.output, float(each[row]), places_of(found, row))
        for each in (found.answers, found.base)
    )
    rows = len(found.reference[0].values)
    return str(said.headline(subject(found, row), answer, base, found.is_typical, rows))


def reasons(found: Reasons, row: int = 0, top: int = COLUMNS_SHOWN) -> str:
    """Write a row's story, a line for each of the largest effects, and what they add up to."""
    said, listed = words.reasons, effects(found, row, top)
    count, places = len([k for k in found.values[row] if k != 0]) - top, places_of(found, row)
    lines = [headline(found, row)]
    for i, (column, cell, typical, value) in enumerate(listed):
        change = said.change(found.output, value, places)
        if i == top:
            lines.append(f"  {said.others(count, change, value > 0)}")
        else:
            known = typical if found.is_typical and typical != cell else None
            lines.append(f"  {said.effect(column, cell, known, change, value > 0)}")
    if not listed:
        lines.append(f"  {said.no_effect(len(found.cells))}")
    return "\n".join([*lines, said.adds_up(float(found.error[row]))])


def importance(found: ColumnImportance) -> str:
    """Write the columns with their importances and intervals, and what these are."""
    said = words.reasons
    table = aligned([said.IMPORTANCE_HEADS, *importance_cells(found)], 1, is_ruled=False)
    return "\n".join([*table, *about_importance(found, COLUMNS_OF_IMPORTANCE)])


def about_importance(found: ColumnImportance, shown: int) -> list[str]:
    """Return sentences: which of the columns are shown, at most so many, and what an importance is."""
    said, count = words.reasons, len(found.names)
    about = (
        said.most_important(min(count, shown), count, found.columns),
        said.importance(
            found.loss,
            found.is_score,
            quantity(found.base),
            found.rows,
            found.repeats,
            found.level,
            found.groups,
        ),
    )
    return [each for each in about if each]


def importance_cells(found: ColumnImportance) -> list[tuple[str, ...]]:
    """Return a row for each of the first columns: its name, its importance, and the ends of its interval."""
    each = zip(found.names, found.mean, found.low, found.high, strict=True)
    return [
        (name, *(quantity(number) for number in numbers))
        for name, *numbers in islice(each, COLUMNS_OF_IMPORTANCE)
    ]


def pairs(found: ColumnPairs) -> str:
    """Write the pairs with their mean joint effects, the largest first."""
    scale = in_units(found.output)
    rows = [(a, b, f"{scale * value:.4g}") for a, b, value in found.order()[:COLUMNS_SHOWN]]
    said = words.reasons
    return "\n".join([*aligned([said.PAIR_HEADS, *rows], 2, is_ruled=False), said.pair(found.output)])


def slopes(found: Slopes, row: int = 0) -> str:
    """Write the answer for a row, and how it changes with each column."""
    heading, rows = slope_cells(found, row)
    return "\n".join([heading, *aligned([words.reasons.SLOPE_HEADS, *rows], 2, is_ruled=False)])


def slope_cells(found: Slopes, row: int) -> tuple[str, list[tuple[str, str, str]]]:
    """Return a sentence with the answer for a row, and of each column its name, its cell and the change."""
    said, rows = words.reasons, []
    for k, (each, column) in enumerate(zip(found.records(row), found.cells, strict=True)):
        text = shown(column, row) or said.MISSING
        scale = in_units(found.output)
        change = f"{scale * each['value']:+.4g}"
        if each["error"] is not None:
            change += f" ± {scale * each['error']:.2g}"
        if not each["is_slope"]:
            typical = shown(found.reference[k], 0) or said.MISSING
            text = said.instead(text, typical)
        elif column.taken_for in ("date", "duration"):
            change = said.a_day(change)
        rows.append((_short(column.name), text, change))
    return said.slopes(subject(found, row), said.amount(found.output, float(found.answers[row]), None)), rows
