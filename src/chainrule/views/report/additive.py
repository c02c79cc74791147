"""The sections that are an additive model: every curve and every table of a pair, the most important first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chainrule.tables.column import is_missing_cell
from chainrule.views import words
from chainrule.views.figures import additive as figures
from chainrule.views.markup import figure, section, table, text
from chainrule.views.report.sections import numbers
from chainrule.views.words.facts import quantity

if TYPE_CHECKING:
    from chainrule.fitting.terms import Terms

MAX_FIGURES = 60
"""The most terms with a figure of their own."""


def sections(found: Terms, row: Mapping[str, object] | None = None) -> str:
    """Return the sections of the model, for its page and for the report of a run. row: one to add up."""
    said = words.additive
    label = figures.label_of(found)
    told = (said.how(found.link, label, numbers(found.intercept)), said.HOW_TO_READ)
    about = section(said.THE_MODEL, *(f"<p>{text(line)}</p>" for line in told))
    first = [section("", figure(figures.importance(found))), added_up(found, row)]
    shown = found.terms[:MAX_FIGURES]
    drawn = "".join(section("", figure(figures.term(found, each.name))) for each in shown)
    left = len(found) - len(shown)
    more = section("", f"<p>{text(said.more(left))}</p>") if left else ""
    return f'{about}<div class="pair top">{"".join(first)}</div><div class="pair top">{drawn}</div>{more}'


def added_up(found: Terms, row: Mapping[str, object] | None) -> str:
    """Return a row as a sum: what each term adds for its cells, down to the prediction; nothing without a row."""
    if row is None or len(found.intercept) > 1:
        return ""
    said, rows = words.additive, [(words.additive.INTERCEPT, "", f"{found.intercept[0]:+.3g}")]
    for each in found.terms:
        own = [row[axis.column] for axis in each.axes]
        cells = ", ".join(shown(value) for value in own)
        rows.append((figures.named(each), cells, f"{each.at(*own)[0]:+.3g}"))
    total = float(found.decision(row)[0])
    rows.append((said.SUM, "", f"{total:+.3g}"))
    answer, label = quantity(total), ""
    if found.link == "log":
        answer = quantity(math.exp(total))
    elif found.link == "log_odds":
        answer, label = words.phrases.percent(1 / (1 + math.exp(-total))), found.labels[0]
    end = said.row_adds_up(found.link, quantity(total), answer, label)
    return section(said.ROW, table((said.TERM, said.CELL, said.ADDS), rows, (0, 1)), f"<p>{text(end)}</p>")


def shown(value: object) -> str:
    """Return a cell as text."""
    if is_missing_cell(value):
        return words.additive.MISSING
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"
