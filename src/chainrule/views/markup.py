"""The HTML elements of pages: escaped text, sections, tables, and figures for Plotly."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

NARROW_COLUMNS = 4
"""The maximum number of columns of a table that fits a phone."""


def text(item: object) -> str:
    """Return an object as escaped text."""
    return html.escape(str(item))


def section(title: str, *content: str) -> str:
    """Return a section with a title; "" without content."""
    return f"<section>{f'<h2>{text(title)}</h2>' if title else ''}{''.join(content)}</section>"


def fold(title: str, *content: str) -> str:
    """Return content that a click on the title opens; "" without any. The figures in it are drawn then."""
    inner = "".join(content)
    return f'<details class="fold"><summary>{text(title)}</summary>{inner}</details>' if inner else ""


def figure(made: Any) -> str:
    """Return an element for a figure, and the figure as JSON, from which the page's script plots it."""
    name = "figure-" + re.sub(r"\W+", "-", made.layout.title.text.lower()).strip("-")
    spec = made.to_json().replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    height = made.layout.height
    label = text(made.layout.title.text)
    return (
        f'<div class="figure" data-spec="{name}" role="img" aria-label="{label}" style="min-height:{height}px"></div>'
        f'<script type="application/json" id="{name}">{spec}</script>'
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return a table with the rows' names in the first column; on a phone, a card per row if it has many columns.

    left: the left-aligned columns; others are right-aligned.
    """
    kinds = ["" if i in left else ' class="number"' for i in range(len(heads))]
    cards, called = "", [""] * len(heads)
    if len(heads) > NARROW_COLUMNS:
        cards, called = " cards", [f' data-head="{text(name)}"' for name in heads]
    head = "".join(
        f'<th scope="col"{kind}>{breakable(text(name))}</th>' for name, kind in zip(heads, kinds, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row"{called[0]}>{text(row[0])}</th>'
        + "".join(
            f"<td{kind}{head}>{text(cell)}</td>"
            for cell, kind, head in zip(row[1:], kinds[1:], called[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll{cards}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def breakable(name: str) -> str:
    """Return the HTML of a name that may go on in the next line behind an underscore."""
    return name.replace("_", "_<wbr>")


def pairs(rows: Iterable[tuple[str, Any]]) -> str:
    """Return a table of names and values."""
    body = "".join(f'<tr><th scope="row">{text(name)}</th><td>{text(item)}</td></tr>' for name, item in rows)
    return f'<div class="scroll"><table><tbody>{body}</tbody></table></div>'
