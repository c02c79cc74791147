"""Figures of columns: how much each matters, what is answered as one changes, and what two do together."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from chainrule.core.arrays import evenly_spaced
from chainrule.estimators.explain.columns import MIDDLE
from chainrule.estimators.explain.reasons import cell
from chainrule.views import words
from chainrule.views.figures.base import (
    BLUE,
    BLUES,
    GREY,
    cut,
    error_bars,
    named_places,
    shortened,
    size_bars,
    style,
)
from chainrule.views.figures.reasons import on_axis
from chainrule.views.text.reasons import in_units

if TYPE_CHECKING:
    from chainrule.estimators.explain.columns import ColumnCurve, ColumnImportance
    from chainrule.estimators.explain.pairs import ColumnPairs

MAX_COLUMNS = 20
"""The maximum number of columns with a bar."""
MAX_ROWS = 40
"""The maximum number of rows with a curve."""
MAX_CATEGORIES = 12
"""The maximum number of categories of a curve."""


def importance(found: ColumnImportance) -> go.Figure:
    """Plot the importance of each column as a bar with its interval, the largest on top."""
    said, count = words.reasons, min(len(found.names), MAX_COLUMNS)
    mean, low, high = (each[:count] for each in (found.mean, found.low, found.high))
    return size_bars(
        found.names[:count],
        mean,
        said.IMPORTANCE,
        said.grows(found.loss),
        22,
        error_x=error_bars(mean, low, high, "rgba(128, 128, 128, 0.9)"),
        customdata=np.stack([low, high], 1),
        hovertemplate="%{hovertext}<br>%{x:.4g} (%{customdata[0]:.4g}, %{customdata[1]:.4g})<extra></extra>",
    )


def curve(found: ColumnCurve) -> go.Figure:
    """Plot the mean answer over a column's cells, the curves of some rows, and where most rows are."""
    said, column = words.reasons, found.column
    name, is_category = shortened(column.name, 24), column.is_category
    figure = go.Figure()
    if is_category:
        order = np.argsort(-found.mean, kind="stable")[:MAX_CATEGORIES]
        texts = [cell(column, i) for i in order.tolist()]
        x: list[object] = list(range(len(order)))
    else:
        order, texts = np.arange(len(column.values)), []
        x = on_axis(column).tolist() if column.taken_for != "date" else list(on_axis(column).astype(str))
    shown = evenly_spaced(len(found.answers), MAX_ROWS)
    for k, row in enumerate(shown.tolist()):
        figure.add_trace(
            go.Scatter(
                x=x,
                y=found.answers[row, order],
                mode="markers" if is_category else "lines",
                name=said.ICE,
                legendgroup="rows",
                showlegend=k == 0,
                line={"color": "rgba(128, 128, 128, 0.28)", "width": 1},
                marker={"color": "rgba(128, 128, 128, 0.35)", "size": 5},
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=found.mean[order],
            mode="markers" if is_category else "lines",
            name=said.MEAN,
            line={"color": BLUE, "width": 3},
            marker={"color": BLUE, "size": 11, "symbol": "diamond"},
            hovertemplate=f"{html.escape(column.name)} %{{x}}<br>%{{y:.4g}}<extra></extra>",
        )
    )
    style(figure, said.curve(name), name, said.answer_axis(found.output))
    if is_category:
        labels = [cut(str(text if text is not None else said.MISSING), 14) for text in texts]
        figure.update_xaxes(tickmode="array", tickvals=x, ticktext=labels)
    else:
        figure.update_xaxes(type="date" if column.taken_for == "date" else "linear", nticks=6)
        if np.isfinite(found.low):
            ends = on_axis(column._replace(values=np.array([found.low, found.high])))
            edges = [str(each) if column.taken_for == "date" else float(each) for each in ends]
            figure.add_vrect(
                x0=edges[0], x1=edges[1], fillcolor=GREY, opacity=0.4, line_width=0, layer="below"
            )
            figure.add_trace(
                go.Scatter(
                    x=[None],
                    y=[None],
                    mode="markers",
                    name=said.middle(MIDDLE),
                    marker={"symbol": "square", "color": GREY, "size": 12},
                )
            )
    if found.output == "probability":
        figure.update_yaxes(tickformat=".0%")
    below = {"x": 0, "xanchor": "left", "y": -0.22, "yanchor": "top"}
    figure.update_layout(height=470, margin={"b": 110}, legend=below)
    return figure


def pairs(found: ColumnPairs) -> go.Figure:
    """Plot the mean size of each pair's joint effect as a cell with its number."""
    said, count, mean = words.reasons, len(found.names), found.mean
    scale = in_units(found.output)
    below = np.tril(np.ones((count, count), bool), -1)
    names = [cut(name, 14) for name in found.names]
    figure = go.Figure(
        go.Heatmap(
            z=np.where(below, scale * mean, np.nan),
            x=list(range(count)),
            y=list(range(count)),
            text=np.where(below, np.vectorize(lambda value: f"{value:.3g}")(scale * mean), ""),
            texttemplate="%{text}",
            customdata=[[f"{html.escape(a)} × {html.escape(b)}" for a in found.names] for b in found.names],
            hovertemplate="%{customdata}<br>%{z:.4g}<extra></extra>",
            colorscale=BLUES,
            showscale=False,
            xgap=2,
            ygap=2,
            hoverongaps=False,
        )
    )
    style(figure, said.JOINT, said.pair(found.output))
    figure.update_xaxes(**named_places(names[:-1]), range=[-0.5, count - 1.5])
    figure.update_yaxes(**named_places(names[1:], 1), range=[count - 0.5, 0.5])
    figure.update_layout(height=160 + 46 * count)
    return figure
