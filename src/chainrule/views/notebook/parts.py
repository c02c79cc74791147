"""Build the parts of a notebook output: a frame with styles, tables, bars, curves and pictures."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.views import words
from chainrule.views.pictures import png

MAX_ROWS = 40
"""The maximum number of rows of a table; longer ones show their first and last rows."""
MAX_POINTS = 200
"""The maximum number of points of a curve; longer ones are thinned out evenly."""
MAX_LETTERS = 80
"""The maximum number of characters of a cell."""
POSITIVE, NEGATIVE = "#1482cd", "#e26a0a"
"""Blue and orange, as in all figures, bright enough for light and dark backgrounds."""
WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 24, 22
"""The size of a chart of curves, and its margins for the title and the numbers, in pixels."""

STYLE = """
.chainrule .scroll { overflow-x: auto; }
.chainrule h4 { margin: 4px 0; font-size: 1.05em; }
.chainrule p { margin: 4px 0; }
.chainrule table { border-collapse: collapse; width: auto; margin: 6px 0; font-size: 0.92em; }
.chainrule table th, .chainrule table td { text-align: left !important; padding: 3px 12px 3px 0; border: 0;
  border-bottom: 1px solid #8884; vertical-align: middle; white-space: nowrap; font-variant-numeric: tabular-nums; }
.chainrule table th { font-weight: 600; }
.chainrule table .number { text-align: right !important; }
.chainrule svg { width: 100%; max-width: 340px; height: auto; margin: 4px 16px 4px 0; }
.chainrule svg text { fill: currentColor; font: 11px system-ui, sans-serif; }
.chainrule img { width: 168px; max-width: 45%; height: auto; margin: 4px 12px 4px 0; image-rendering: pixelated;
  border: 1px solid #8884; }
.chainrule summary { cursor: pointer; font-weight: 600; padding: 3px 0; }
"""


def framed(title: str, *parts: str) -> str:
    """Return the whole output: the style, a title and the parts."""
    return f'<div class="chainrule"><style>{STYLE}</style><h4>{text(title)}</h4>{"".join(parts)}</div>'


def text(item: object) -> str:
    """Return an object as escaped text of at most MAX_LETTERS characters."""
    whole = str(item)
    return html.escape(whole if len(whole) <= MAX_LETTERS else whole[: MAX_LETTERS - 1] + "…")


def paragraph(words: object) -> str:
    """Return a paragraph of escaped text of any length."""
    return f"<p>{html.escape(str(words))}</p>"


class Markup(str):
    """A cell that is already HTML, which `table` does not escape."""

    __slots__ = ()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return a table of escaped cells, at most MAX_ROWS rows of it.

    heads: the column names, all empty for no header.  left: the left-aligned columns.
    Markup cells are not escaped.
    """
    kinds = ["" if i in left else ' class="number"' for i in range(len(heads))]
    head = "".join(
        f'<th scope="col"{kind}>{text(name)}</th>' for name, kind in zip(heads, kinds, strict=True)
    )
    head = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    first, last = list(rows), []
    gap = ""
    if len(rows) > MAX_ROWS:
        first, last = list(rows[: MAX_ROWS - 10]), list(rows[-10:])
        gap = f'<tr><td colspan="{len(heads)}">{text(words.model.more_rows(len(rows) - MAX_ROWS))}</td></tr>'

    def written(row: Sequence[str]) -> str:
        cells = (cell if isinstance(cell, Markup) else text(cell) for cell in row)
        return "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(cells, kinds, strict=True))

    body = "".join(f"<tr>{written(row)}</tr>" for row in first) + gap
    body += "".join(f"<tr>{written(row)}</tr>" for row in last)
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def indented(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows whose names keep their leading spaces, which HTML would drop."""
    return [(row[0].replace("  ", "\N{NO-BREAK SPACE}" * 4), *row[1:]) for row in rows]


def bar(share: float) -> Markup:
    """Return a bar of a length from 0 to 1; an empty cell if not finite."""
    if not math.isfinite(share):
        return Markup("")
    width = round(100 * min(max(share, 0.01), 1.0))
    style = f"width:{width}px;height:10px;background:{POSITIVE};border-radius:3px"
    return Markup(f'<div style="{style}"></div>')


def signed_bar(value: float, largest: float) -> Markup:
    """Return a bar of length |value| / largest: from the middle to the right if positive, to the left if negative."""
    width = round(50 * min(abs(value) / largest, 1.0)) if largest and math.isfinite(value) else 0
    start, color = (50, POSITIVE) if value >= 0 else (50 - width, NEGATIVE)
    style = f"margin-left:{start}px;width:{width}px;height:10px;background:{color};border-radius:3px"
    return Markup(f'<div style="width:100px"><div style="{style}"></div></div>')


def curves(title: str, lines: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    """Plot one or two curves over the epochs as SVG: the first solid and blue, the second dashed and orange.

    lines: (name, one value per epoch) each; None, NaN and infinity leave a gap.
    The scale is logarithmic if all values are positive and the largest is more than 20 times the smallest.
    """
    pieces = [(name, _pieces(values)) for name, values in lines]
    found = [y for _, parts in pieces for part in parts for _, y in part]
    if not found:
        return ""
    low, high = min(found), max(found)
    is_log = low > 0 and high > 20 * low
    scale = math.log10 if is_log else float
    bottom, top = scale(low), scale(high)
    count = max(len(values) for _, values in lines)

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * ((x - 1) / (count - 1) if count > 1 else 0.5)
        up = (scale(y) - bottom) / (top - bottom) if top > bottom else 0.5
        return f"{across:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (1 - up):.1f}"

    drawn, key = [], []
    for (name, parts), color, dash in zip(pieces, (POSITIVE, NEGATIVE), ("", "6 3"), strict=False):
        style = f'stroke="{color}" fill="none" stroke-width="2" stroke-dasharray="{dash or "none"}"'
        for part in parts:
            if len(part) == 1:
                x, y = place(*part[0]).split(",")
                drawn.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>')
            else:
                drawn.append(f'<polyline points="{" ".join(place(*p) for p in part)}" {style}/>')
        if parts:
            key.append(f'<tspan style="fill:{color}">{"━" if not dash else "╍"} {text(name)}</tspan>')
    axes = (
        f'<path d="M{LEFT},{TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}" stroke="#888" fill="none"/>'
        f'<text x="{LEFT - 5}" y="{TOP + 4}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{LEFT - 5}" y="{HEIGHT - BOTTOM}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{text(words.model.FIRST_EPOCH)}</text>'
        + (f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{count:,}</text>' * (count > 1))
    )
    head = f'<text x="2" y="13">{text(words.phrases.logarithmic(title) if is_log else title)}</text>'
    label = f'<text x="{WIDTH - RIGHT}" y="13" text-anchor="end">{" ".join(key)}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(words.model.by_epoch(title))}">'
        f"{head}{label}{axes}{''.join(drawn)}</svg>"
    )


def _pieces(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the runs of finite values, each as (epoch, value) pairs; epochs count from 1."""
    chosen = evenly_spaced(len(values), MAX_POINTS)
    found: list[list[tuple[int, float]]] = [[]]
    for i in chosen.tolist():
        value = values[i]
        if value is not None and math.isfinite(value):
            found[-1].append((i + 1, float(value)))
        elif found[-1]:
            found.append([])
    return [piece for piece in found if piece]


def grey(pixels: NDArray[Any], name: str) -> str:
    """Return a gray image of values (height, width), the smallest black and the largest white."""
    values = np.asarray(pixels, np.float64)
    low, high = float(values.min()), float(values.max())
    return _image(np.rint(255 * (values - low) / ((high - low) or 1.0)).astype(np.uint8), name)


def signed(values: NDArray[Any], name: str) -> str:
    """Return an image of values (height, width): blue where positive, orange where negative, transparent where 0."""
    v = np.nan_to_num(np.asarray(values, np.float64))
    largest = float(np.abs(v).max()) or 1.0
    colors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (POSITIVE, NEGATIVE)], np.uint8)
    rgba = np.empty((*v.shape, 4), np.uint8)
    rgba[..., :3] = colors[(v < 0).astype(np.int64)]
    rgba[..., 3] = np.rint(255 * np.abs(v) / largest)
    return _image(rgba, name)


def _image(pixels: NDArray[np.uint8], name: str) -> str:
    encoded = base64.b64encode(png(pixels, 256)).decode()
    return f'<img alt="{text(name)}" src="data:image/png;base64,{encoded}"/>'
