"""Figures of reasons: a row's effects as bars, those of all rows as points, and a column's over its cells.

Points of numbers are blue where the cell is low and orange where it is high, and the pointer tells the cell.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.views import words
from chainrule.views.figures import (
    BLUE,
    GREY,
    MAX_POINTS,
    ORANGE,
    ZERO,
    cut,
    named_places,
    shortened,
    style,
)
from chainrule.views.figures.attribution import signed_bars
from chainrule.views.text.tables import effects, in_units, subject

if TYPE_CHECKING:
    from chainrule.explain.reasons import Reasons
    from chainrule.tables.cells import ReadColumn

MAX_LETTERS = 40
"""of a cell that the pointer shows"""
MAX_COLUMNS = 15
"""The maximum number of columns of a figure of all rows."""
MIN_ROWS_SHOWN = 200
"""The rows that have points of however many columns."""
MAX_CATEGORIES = 12
"""The categories that have a place of their own on an axis."""
BINS = 40
"""The bins of a column's effects, in which points are put side by side."""
HEIGHT_OF_ROW = 0.38
"""The most that a point is moved from the line of its column, which is 1 from the next."""
ABOVE_LINES, MARGINS = 58, 112
"""The height of a figure of all rows beside that of the lines of its columns, in its plot and beside it."""
LOW_TO_HIGH = [[0.0, BLUE], [0.5, "#B9A8B4"], [1.0, ORANGE]]
POINT_OF_CATEGORY = "#808890"


def row_bars(found: Reasons, row: int) -> go.Figure:
    """Plot a bar per column, the largest on top, and one for the rest: blue raises, hatched orange lowers."""
    said, listed = words.reasons, effects(found, row)
    names = [f"{each.column} = {each.cell}" if each.cell else each.column for each in listed]
    scale = in_units(found.output)
    numbers = [scale * each.value for each in listed]
    title = said.of_row(html.escape(subject(found, row)), row, len(found))
    return signed_bars(names, numbers, (said.RAISES, said.LOWERS), title, said.axis(found.output))


def beeswarm(found: Reasons) -> go.Figure:
    """Plot the effect of each row's cell as a point, a line for each of the columns with the largest mean effects."""
    said = words.reasons
    order = found.order()[:MAX_COLUMNS]
    rows = evenly_spaced(len(found), max(MIN_ROWS_SHOWN, 2 * MAX_POINTS // max(len(order), 1)))
    scale, height = in_units(found.output), ABOVE_LINES + 34 * max(len(order), 2)
    figure = go.Figure()
    for place, k in enumerate(order.tolist()):
        column = found.cells[k].take(rows)
        effect = scale * found.values[rows, k]
        figure.add_trace(
            go.Scatter(
                x=effect,
                y=place + _side_by_side(effect),
                mode="markers",
                showlegend=False,
                marker={"size": 5, "opacity": 0.75, **_colors(column, height if place == 0 else None)},
                customdata=_describe_rows(column, rows),
                hovertemplate=said.point(html.escape(column.name)) + "<extra></extra>",
            )
        )
    style(figure, said.of_rows(html.escape(subject(found, None))), said.axis(found.output))
    figure.update_xaxes(nticks=6, **ZERO)
    names = [cut(found.names[k], 20) for k in order]
    figure.update_yaxes(**named_places(names), range=[len(order) - 0.4, -0.6])
    figure.update_layout(height=height + MARGINS, meta="bar_above")
    # A title of the bar itself would move those of the figure and of its axes out of their places.
    figure.add_annotation(
        text=said.CELL,
        font={"size": 12},
        showarrow=False,
        x=1,
        xref="paper",
        xanchor="right",
        y=1,
        yref="paper",
        yanchor="bottom",
        yshift=14,
    )
    return figure


def dependence(found: Reasons, k: int) -> go.Figure:
    """Plot the effects of a column over its cells, a point per row, and where the typical cell is."""
    said = words.reasons
    rows = evenly_spaced(len(found), MAX_POINTS)
    column = found.cells[k].take(rows)
    scale = in_units(found.output)
    effect = scale * found.values[rows, k]
    name = shortened(column.name, 30)
    figure = go.Figure()
    is_missing = np.isnan(column.values)
    x: NDArray[Any]
    ticks: list[str] | None
    x, ticks = _places(column, effect) if column.is_category else (on_axis(column), None)
    for chosen, symbol, title in ((~is_missing, "circle", ""), (is_missing, "x", said.MISSING)):
        if not chosen.any() or (title and ticks is None and not np.isfinite(x[~is_missing]).any()):
            continue
        own = x[chosen] if not title or ticks is not None else np.full(int(chosen.sum()), _beside(x))
        figure.add_trace(
            go.Scatter(
                x=own,
                y=effect[chosen],
                mode="markers",
                name=title,
                showlegend=bool(title) and ticks is None,
                marker={"color": ORANGE if title else BLUE, "symbol": symbol, "size": 6, "opacity": 0.55},
                customdata=_describe_rows(column.take(np.flatnonzero(chosen)), rows[chosen]),
                hovertemplate=said.dependence_point(html.escape(column.name)) + "<extra></extra>",
            )
        )
    style(figure, said.depends(name), name, said.axis(found.output), height=420)
    figure.update_yaxes(**ZERO)
    if ticks is not None:
        figure.update_xaxes(
            tickmode="array", tickvals=list(range(len(ticks))), ticktext=[cut(each, 14) for each in ticks]
        )
    else:
        figure.update_xaxes(type="date" if column.taken_for == "date" else "linear", nticks=6)
        if found.is_typical and np.isfinite(found.reference[k].values[0]):
            figure.add_vline(
                x=on_axis(found.reference[k])[0], line={"color": GREY, "dash": "dash", "width": 2}
            )
    return figure


def _side_by_side(effect: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each point is moved from its line so that equal effects do not cover each other (n,)."""
    span = float(np.ptp(effect)) or 1.0
    bins = np.floor((effect - effect.min()) / span * BINS).astype(np.int64)
    moved, largest = np.zeros(len(effect)), int(np.bincount(bins).max())
    for each in np.unique(bins):
        chosen = np.flatnonzero(bins == each)
        place = np.arange(len(chosen))
        moved[chosen] = np.where(place % 2 == 0, 1, -1) * ((place + 1) // 2)
    return moved * HEIGHT_OF_ROW / max(largest / 2, 8)


def _colors(column: ReadColumn, height: int | None) -> dict[str, object]:
    """Return the colors of a column's points: of numbers by their rank, of categories one.

    height: of the plot, above which the bar of colors stands; None for no bar.
    """
    scale = {"colorscale": LOW_TO_HIGH, "cmin": 0, "cmax": 1}
    bar = {
        "orientation": "h",
        "thickness": 8,
        "len": 0.45,
        "x": 1,
        "xanchor": "right",
        "y": 1 + 10 / (height or 1),  # 10 pixels above the plot
        "yanchor": "middle",
        "tickvals": [],
        "outlinewidth": 0,
    }
    with_bar = {} if height is None else {"showscale": True, "colorbar": bar}
    if column.is_category:
        return (
            {"color": [0.5] * len(column.values), **scale, **with_bar}
            if with_bar
            else {"color": POINT_OF_CATEGORY}
        )
    there = ~np.isnan(column.values)
    _, place = np.unique(column.values[there], return_inverse=True)
    rank = np.full(len(column.values), 0.5)
    rank[there] = place / max(int(place.max(initial=1)), 1)
    return {"color": rank, **scale, **with_bar}


def _describe_rows(column: ReadColumn, rows: NDArray[np.int64]) -> list[list[str]]:
    """Return what the pointer shows of each row: its cell, and its number."""
    from chainrule.explain.reasons import shown

    missing = words.reasons.MISSING
    texts = [shown(column, i) or missing for i in range(len(rows))]
    return [
        [html.escape(text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 1] + "…"), f"{row:,}"]
        for text, row in zip(texts, rows.tolist(), strict=True)
    ]


def on_axis(column: ReadColumn) -> NDArray[Any]:
    """Return numbers, or dates, for an axis."""
    if column.taken_for != "date":
        return column.values
    known = np.where(np.isnan(column.values), 0, column.values)
    dates = np.round(known * 1e3).astype("M8[ms]")
    dates[np.isnan(column.values)] = np.datetime64("NaT")
    return dates


def _beside(x: NDArray[Any]) -> Any:
    """Return a place left of all numbers or dates, for missing ones."""
    there = x[~np.isnat(x)] if x.dtype.kind == "M" else x[np.isfinite(x)]
    low, high = there.min(), there.max()
    return low - (high - low) / 20


def _places(column: ReadColumn, effect: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Return each point's place on an axis of categories, and their names: by mean effect, rare ones as one."""
    codes = np.where(np.isnan(column.values), -1, column.values).astype(np.int64)
    there, counts = np.unique(codes, return_counts=True)
    frequent = there[np.argsort(-counts, kind="stable")][:MAX_CATEGORIES]
    kept = sorted(frequent.tolist(), key=lambda code: float(effect[codes == code].mean()))
    said = words.reasons
    names = [said.MISSING if code < 0 else column.texts[code] for code in kept]
    if len(there) > len(kept):
        names.append(said.other_columns(len(there) - len(kept)))
    place = {code: i for i, code in enumerate(kept)}
    at = np.array([place.get(code, len(kept)) for code in codes.tolist()], np.float64)
    for each in np.unique(at):  # side by side
        chosen = np.flatnonzero(at == each)
        at[chosen] += (np.arange(len(chosen)) * 0.618 % 1 - 0.5) * 0.5
    return at, names
