"""A check of later rows as text."""

from __future__ import annotations

from chainrule.trust.drift import DriftCheck
from chainrule.views import words
from chainrule.views.tables import Table

ROWS_SHOWN, COLUMNS_SHOWN = 10, 3
"""Of rows that look like nothing in training, and of the columns of each."""


def cells(found: DriftCheck) -> list[tuple[str, ...]]:
    """Return a row per column, those that changed first."""
    said = words.drift
    made = []
    for each in sorted(found.columns, key=lambda column: not column.has_changed(found.level)):
        drifted = each.p_value is not None and each.p_value <= found.level
        changes = [said.DRIFTED] * drifted + [said.MORE_MISSING] * (each.p_missing <= found.level)
        made.append(
            (
                *(each.name, ", ".join(changes)),
                "" if each.distance is None else f"{each.distance:.3f}",
                "" if each.p_value is None else f"{each.p_value:.2g}",
                *(words.phrases.percent(share) for share in (each.missing_before, each.missing_now)),
                *(f"{each.beyond:,}", f"{each.unknown:,}"),
            )
        )
    return made


def sentences(found: DriftCheck) -> list[str]:
    """Return what has changed, and which rows look like nothing in training."""
    columns = words.drift.summary(found.rows, len(found.columns), [each.name for each in found.changed])
    return [said for said in (columns, said_of_rows(found)) if said]


def said_of_rows(found: DriftCheck) -> str:
    """Return which rows look like nothing in training; an empty text where none does."""
    rows = found.strange_rows
    shown: dict[tuple[str, ...], list[int]] = {}
    for row in rows[:ROWS_SHOWN].tolist():
        shown.setdefault(tuple(_first(found.strange_columns(row))), []).append(row)
    return words.drift.strange(len(rows), found.rows, shown) if len(rows) else ""


def _first(names: list[str]) -> list[str]:
    """Return the first names, and how many others there are."""
    others = len(names) - COLUMNS_SHOWN
    return names if others < 2 else [*names[:COLUMNS_SHOWN], words.phrases.more(others)]


def text(found: DriftCheck) -> str:
    """Return the sentences, a table with a row per column, and what its columns are."""
    said = words.drift
    return "\n".join(
        [*sentences(found), "", str(Table(said.HEADS, tuple(cells(found)))), "", said.HOW_COUNTED]
    )
