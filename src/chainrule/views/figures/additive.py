"""Figures of an additive model: a curve, or the values of categories, for each column, and a table for each pair."""

from __future__ import annotations

import html
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from chainrule.views import words
from chainrule.views.figures import (
    BLUE,
    ORANGE,
    OUTPUT_COLORS,
    ZERO,
    area,
    cut,
    error_bars,
    named_places,
    see_through,
    shortened,
    size_bars,
    style,
)

if TYPE_CHECKING:
    from chainrule.fitting.terms import AdditiveTerm, Axis, Terms

MAX_BARS, MAX_NAMES, MAX_NUMBERS = 30, 20, 8
"""The most bars of importance, categories with a place of their own, and cells of a side that show their numbers."""
BOTH = [[0.0, ORANGE], [0.5, "rgba(128, 128, 128, 0.06)"], [1.0, BLUE]]


def importance(found: Terms) -> go.Figure:
    """Plot the mean size of what each term adds as a bar, the largest on top."""
    said, shown = words.additive, found.terms[:MAX_BARS]
    names, sizes = [named(each) for each in shown], [each.importance for each in shown]
    told = "%{hovertext}<br>%{x:.4g}<extra></extra>"
    return size_bars(names, sizes, said.IMPORTANCE, said.SIZE, 24, hovertemplate=told)


def term(found: Terms, name: str) -> go.Figure:
    """Plot what a term adds: a line with its band, points with their intervals, or the cells of a pair."""
    one = found[name]
    if len(one.axes) == 2:
        return pair(found, one)
    return curve(found, one) if one.axes[0].kind == "knots" else named_cells(found, one)


def named(one: AdditiveTerm) -> str:
    """Return the name of a term: its column, or both columns of a pair."""
    return " × ".join(axis.column for axis in one.axes)


def curve(found: Terms, one: AdditiveTerm) -> go.Figure:
    """Plot a curve with its band for each output, and what a missing number adds beside it."""
    said, figure, axis = words.additive, go.Figure(), one.axes[0]
    x = np.array(axis.points, float)
    beside = x[0] - 0.05 * ((x[-1] - x[0]) or 1.0)
    for k, (label, color) in enumerate(outputs(found)):
        value, low, high = (each[1:, k] for each in (one.values, one.lower, one.upper))
        figure.add_trace(
            area(
                x,
                low,
                high,
                mode="lines",
                line={"width": 0, "color": color},
                fillcolor=see_through(color, 0.18),
                name=said.INTERVAL,
                legendgroup=label,
                showlegend=not label,
            )
        )
        figure.add_trace(
            go.Scatter(
                x=x,
                y=value,
                customdata=np.stack([low, high], 1),
                mode="lines",
                line={"color": color, "width": 2.5},
                name=html.escape(label),
                legendgroup=label,
                showlegend=bool(label),
                hovertemplate=said.at_cell(html.escape(axis.column)) + "<extra></extra>",
            )
        )
        ends = float(one.lower[0, k]), float(one.upper[0, k])
        figure.add_trace(
            go.Scatter(
                x=[beside],
                y=[one.values[0, k]],
                customdata=[[*ends, said.MISSING]],
                mode="markers",
                marker={"color": color, "size": 9, "symbol": "diamond-open", "line": {"width": 2}},
                error_y=error_bars(one.values[:1, k], one.lower[:1, k], one.upper[:1, k], color, width=4),
                name=said.MISSING,
                legendgroup=label,
                showlegend=k == 0,
                hovertemplate=said.AT_NAME + "<extra></extra>",
            )
        )
    finish(figure, found, one, shortened(axis.column, 30))
    return figure


def named_cells(found: Terms, one: AdditiveTerm) -> go.Figure:
    """Plot what each category, or each cell between edges, adds as a point with its interval, the largest first."""
    said, figure, axis = words.additive, go.Figure(), one.axes[0]
    names = cells(axis)
    size = np.abs(one.values).max(1)
    rows = np.arange(len(names)) if axis.kind == "edges" else np.argsort(-one.values[:, 0], kind="stable")
    if len(rows) > MAX_NAMES:
        kept = set(np.argsort(-size, kind="stable")[:MAX_NAMES].tolist())
        rows = np.array([row for row in rows.tolist() if row in kept])
    listed, crowd = outputs(found), len(outputs(found))
    for k, (label, color) in enumerate(listed):
        value, low, high = (each[rows, k] for each in (one.values, one.lower, one.upper))
        told = [[a, b, html.escape(names[row])] for a, b, row in zip(low, high, rows.tolist(), strict=True)]
        figure.add_trace(
            go.Scatter(
                x=np.arange(len(rows)) + (k - (crowd - 1) / 2) * 0.6 / max(crowd, 2),
                y=value,
                customdata=told,
                mode="markers",
                marker={"color": color, "size": 10, "symbol": "diamond"},
                error_y=error_bars(value, low, high, color, width=4),
                name=html.escape(label) or said.INTERVAL,
                showlegend=bool(label),
                hovertemplate=said.AT_NAME + "<extra></extra>",
            )
        )
    finish(figure, found, one, shortened(axis.column, 30))
    ticks = [cut(names[row], 12) for row in rows.tolist()]
    figure.update_xaxes(
        **named_places(ticks),
        range=[-0.6, len(rows) - 0.4],
        tickangle=0 if sum(map(len, ticks)) <= 36 else 90,
    )
    return figure


def pair(found: Terms, one: AdditiveTerm) -> go.Figure:
    """Plot what each cell of two columns adds; of several classes, for the one that it is largest for."""
    said, (first, second) = words.additive, one.axes
    k = int(np.abs(one.values).max((0, 1)).argmax())
    kept = [shown_places(axis, one.values[..., k], side) for side, axis in enumerate(one.axes)]
    z, low, high = (each[np.ix_(*kept)][..., k] for each in (one.values, one.lower, one.upper))
    names = [[html.escape(cells(axis)[i]) for i in own] for axis, own in zip(one.axes, kept, strict=True)]
    most = float(np.abs(z).max(initial=0.0)) or 1.0
    has_room = max(map(len, kept)) <= MAX_NUMBERS
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=names[1],
            y=names[0],
            customdata=np.stack([low, high], -1).tolist(),
            zmin=-most,
            zmax=most,
            colorscale=BOTH,
            colorbar={"thickness": 10, "outlinewidth": 0, "nticks": 5},
            xgap=1,
            ygap=1,
            text=[[f"{each:.2g}" for each in line] for line in z] if has_room else None,
            texttemplate="%{text}" if has_room else None,
            hovertemplate=said.in_cell(html.escape(first.column), html.escape(second.column))
            + "<extra></extra>",
        )
    )
    label, _ = outputs(found)[k]
    title = shortened(named(one), 30) + (f" ({html.escape(label)})" if len(outputs(found)) > 1 else "")
    style(figure, title, shortened(second.column, 24), shortened(first.column, 24), height=400)
    flat = sum(map(len, names[1])) <= 30
    figure.update_xaxes(type="category", showgrid=False, tickangle=0 if flat else 90)
    figure.update_yaxes(type="category", showgrid=False)
    return figure


def finish(figure: go.Figure, found: Terms, one: AdditiveTerm, column: str) -> None:
    """Give a figure of one column its style."""
    label = label_of(found)
    style(figure, column, column, words.additive.adds(found.link, cut(label, 16)), height=400)
    figure.update_xaxes(nticks=6)
    figure.update_yaxes(nticks=7, **ZERO)


def label_of(found: Terms) -> str:
    """Return what the log-odds are of: the second of two classes, or each label of several; "" of other sums."""
    if found.link != "log_odds":
        return ""
    return found.labels[0] if len(found.labels) == 1 else words.additive.EACH_LABEL


def outputs(found: Terms) -> list[tuple[str, str]]:
    """Return the label and the color of each output; of a single one no label."""
    count = len(found.intercept)
    if count == 1:
        return [("", BLUE)]
    labels = found.labels if len(found.labels) == count else tuple(f"{k + 1}" for k in range(count))
    return [(label, OUTPUT_COLORS[k % len(OUTPUT_COLORS)]) for k, label in enumerate(labels)]


def cells(axis: Axis) -> list[str]:
    """Return the names of the places along an axis, the first of which is missing."""
    said = words.additive
    if axis.kind == "categories":
        from chainrule.fitting.terms import OTHER

        return [said.MISSING, *(said.OTHER if each == OTHER else f"{each}" for each in axis.points)]
    edges = [f"{float(each):.4g}" for each in axis.points]
    if axis.kind == "knots" or not edges:
        return [said.MISSING, *edges, *([] if axis.kind == "knots" else [words.phrases.NOTHING])]
    inner = [words.phrases.between(low, high) for low, high in pairwise(edges)]
    return [said.MISSING, f"< {edges[0]}", *inner, f"≥ {edges[-1]}"]


def shown_places(axis: Axis, values: NDArray[np.float64], side: int) -> list[int]:
    """Return the places of a side that are shown: without that of missing cells where it adds nothing."""
    is_there = bool(np.abs(values.take(0, side)).max(initial=0.0) > 0)
    return list(range(0 if is_there else 1, axis.size))
