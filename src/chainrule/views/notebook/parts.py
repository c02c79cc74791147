"""The parts of an output: a frame with its style, tables, bars, curves and pictures."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.views.pictures import png

MAX_ROWS = 40
"""Rows of a table; of a longer one the first and the last are shown."""
MAX_POINTS = 200
"""Points of a curve; a longer one is thinned out, evenly."""
MAX_LETTERS = 80
"""Characters of a cell."""
POSITIVE, NEGATIVE = "#1482cd", "#e26a0a"
"""Blue and orange, as in all figures, bright enough for both grounds."""
WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 24, 22
"""Of a curve, in pixels: its size, and the room for its title and numbers."""

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
    """The whole output: its style, a title and the parts."""
    return f'<div class="chainrule"><style>{STYLE}</style><h4>{text(title)}</h4>{"".join(parts)}</div>'


def text(item: object) -> str:
    """item as escaped text, cut where it is too long."""
    whole = str(item)
    return html.escape(whole if len(whole) <= MAX_LETTERS else whole[: MAX_LETTERS - 1] + "…")


def paragraph(words: object) -> str:
    """A paragraph of escaped text, uncut."""
    return f"<p>{html.escape(str(words))}</p>"


class Markup(str):
    """A cell that is HTML already."""

    __slots__ = ()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """A table of escaped cells; the middle of a long one is left out.

    heads: names of the columns, all empty for no head.  left: the columns that are aligned to the left.
    Cells of the type Markup are taken as they are.
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
        gap = f'<tr><td colspan="{len(heads)}">… {len(rows) - MAX_ROWS:,} more rows …</td></tr>'

    def written(row: Sequence[str]) -> str:
        cells = (cell if isinstance(cell, Markup) else text(cell) for cell in row)
        return "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(cells, kinds, strict=True))

    body = "".join(f"<tr>{written(row)}</tr>" for row in first) + gap
    body += "".join(f"<tr>{written(row)}</tr>" for row in last)
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def indented(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows of a table in text, the spaces before the name of an inner link kept."""
    return [(row[0].replace("  ", "\N{NO-BREAK SPACE}" * 4), *row[1:]) for row in rows]


def bar(share: float, color: str = POSITIVE) -> Markup:
    """A bar of a length from 0 to 1; none for other values."""
    if not math.isfinite(share):
        return Markup("")
    width = round(100 * min(max(share, 0.01), 1.0))
    style = f"width:{width}px;height:10px;background:{color};border-radius:3px"
    return Markup(f'<div style="{style}"></div>')


def signed_bar(value: float, most: float) -> Markup:
    """A bar to the right of the middle for what is positive, to the left for what is negative."""
    width = round(50 * min(abs(value) / most, 1.0)) if most and math.isfinite(value) else 0
    start, color = (50, POSITIVE) if value >= 0 else (50 - width, NEGATIVE)
    style = f"margin-left:{start}px;width:{width}px;height:10px;background:{color};border-radius:3px"
    return Markup(f'<div style="width:100px"><div style="{style}"></div></div>')


def curves(title: str, lines: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    """Curves over the epochs as SVG: (name, a value an epoch), the first solid and blue, the second dashed and orange.

    What is None, NaN or infinite leaves a gap. On a logarithmic scale where all values are positive and the largest is
    more than 20 times the least.
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
        f'<text x="{LEFT}" y="{HEIGHT - 6}">epoch 1</text>'
        + (f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{count:,}</text>' * (count > 1))
    )
    head = f'<text x="2" y="13">{text(title)}{" (logarithmic)" if is_log else ""}</text>'
    label = f'<text x="{WIDTH - RIGHT}" y="13" text-anchor="end">{" ".join(key)}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(title)} by epoch">'
        f"{head}{label}{axes}{''.join(drawn)}</svg>"
    )


def _pieces(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The runs of finite values, with their epochs, counted from 1."""
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), MAX_POINTS)).astype(np.int64))
    found: list[list[tuple[int, float]]] = [[]]
    for i in chosen.tolist():
        value = values[i]
        if value is not None and math.isfinite(value):
            found[-1].append((i + 1, float(value)))
        elif found[-1]:
            found.append([])
    return [piece for piece in found if piece]


def grey(pixels: NDArray[Any], name: str) -> str:
    """A picture (height, width), from black, the least, to white."""
    values = np.asarray(pixels, np.float64)
    low, high = float(values.min()), float(values.max())
    return _image(np.rint(255 * (values - low) / ((high - low) or 1.0)).astype(np.uint8), name)


def signed(values: NDArray[Any], name: str) -> str:
    """A map (height, width): blue for what is positive, orange for what is negative, nothing transparent."""
    v = np.nan_to_num(np.asarray(values, np.float64))
    most = float(np.abs(v).max()) or 1.0
    colors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (POSITIVE, NEGATIVE)], np.uint8)
    rgba = np.empty((*v.shape, 4), np.uint8)
    rgba[..., :3] = colors[(v < 0).astype(np.int64)]
    rgba[..., 3] = np.rint(255 * np.abs(v) / most)
    return _image(rgba, name)


def _image(pixels: NDArray[np.uint8], name: str) -> str:
    encoded = base64.b64encode(png(pixels, 256)).decode()
    return f'<img alt="{text(name)}" src="data:image/png;base64,{encoded}"/>'
