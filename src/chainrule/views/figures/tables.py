"""Figures of a fit on a table: its errors, intervals and probabilities, and what its columns do to its answers."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from chainrule.core.arrays import evenly_spaced
from chainrule.explain.columns import MIDDLE
from chainrule.explain.reasons import cell
from chainrule.trust.drift import DriftCheck
from chainrule.views import words
from chainrule.views.figures import (
    BLUE,
    BLUES,
    DIAGONAL,
    GREY,
    MAX_POINTS,
    ORANGE,
    cut,
    error_bars,
    named_places,
    shortened,
    size_bars,
    style,
)
from chainrule.views.figures.reasons import on_axis
from chainrule.views.text.tables import in_units

if TYPE_CHECKING:
    from chainrule.explain.columns import ColumnCurve, ColumnImportance, ColumnPairs
    from chainrule.recipe.judge import Judgement
    from chainrule.recipe.reported import JudgedDecision, JudgedIntervals
    from chainrule.trust.reliability import Reliability

MAX_INTERVALS = 150
"""The most intervals of a figure; of more rows, some evenly spaced ones in the order of their predictions."""
MAX_COLUMNS = 20
"""The maximum number of columns with a bar."""
MAX_ROWS = 40
"""The maximum number of rows with a curve."""
MAX_CATEGORIES = 12
"""The maximum number of categories of a curve."""


def residuals(judgement: Judgement) -> go.Figure:
    """Plot the error of each prediction, predicted - true, over the prediction, and a line at 0."""
    said = words.tables
    predicted = judgement.predicted.reshape(judgement.n, -1)[:, 0]
    error = predicted - judgement.y.reshape(judgement.n, -1)[:, 0]
    rows = evenly_spaced(judgement.n, MAX_POINTS)
    figure = go.Figure(
        go.Scatter(
            x=[float(predicted.min()), float(predicted.max())],
            y=[0.0, 0.0],
            mode="lines",
            line=DIAGONAL,
            showlegend=False,
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=predicted[rows],
            y=error[rows],
            mode="markers",
            showlegend=False,
            marker={"color": BLUE, "size": 7, "opacity": 0.55},
            hovertemplate=said.RESIDUAL_POINT + "<extra></extra>",
        )
    )
    style(figure, said.RESIDUALS, said.PREDICTED, said.RESIDUAL, height=420)
    return figure


def intervals(found: JudgedIntervals, judgement: Judgement) -> go.Figure:
    """Plot true numbers over predicted ones with their intervals: blue dots inside, orange crosses outside."""
    said = words.tables
    predicted = judgement.predicted.reshape(judgement.n, -1)[:, 0]
    order = np.argsort(predicted, kind="stable")
    rows = order[evenly_spaced(found.n, MAX_INTERVALS)]
    low, high = found.ends[rows].T
    gaps = np.full(len(rows), np.nan)
    figure = go.Figure(
        go.Scatter(
            x=np.stack([predicted[rows], predicted[rows], gaps], 1).ravel(),
            y=np.stack([low, high, gaps], 1).ravel(),
            mode="lines",
            line={"color": "rgba(0, 114, 178, 0.35)", "width": 3},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    kinds = ((said.INSIDE, BLUE, "circle", True), (said.OUTSIDE, ORANGE, "x", False))
    for name, color, symbol, inside in kinds:
        own = rows[found.contains[rows] == inside]
        figure.add_trace(
            go.Scatter(
                x=predicted[own],
                y=found.y[own],
                customdata=found.ends[own],
                mode="markers",
                name=name,
                marker={"color": color, "size": 7, "symbol": symbol},
                hovertemplate=said.interval("%{customdata[0]:.4g}", "%{customdata[1]:.4g}")
                + "<extra></extra>",
            )
        )
    style(figure, said.INTERVALS, said.PREDICTED, said.TRUE, height=420)
    return figure


def threshold_curve(found: JudgedDecision) -> go.Figure:
    """Plot the score, or the mean cost, over the thresholds; the chosen one with its interval, and 0.5."""
    said, decision = words.tables, found.decision
    figure = go.Figure(
        go.Scatter(
            x=found.thresholds,
            y=found.values,
            mode="lines",
            line={"color": BLUE, "width": 2.5},
            showlegend=False,
            hovertemplate=said.threshold_point(found.name) + "<extra></extra>",
        )
    )
    if decision.interval is not None:
        low, high = decision.interval
        figure.add_vrect(low, high, fillcolor="rgba(213, 94, 0, 0.18)", line_width=0)
    points = (
        (decision.threshold, found.value, said.CHOSEN, ORANGE, "diamond"),
        (0.5, found.value_of_likeliest, said.HALF, "#808890", "circle"),
    )
    for at, value, name, color, symbol in points:
        figure.add_trace(
            go.Scatter(
                x=[at],
                y=[value],
                mode="markers",
                name=name,
                marker={"color": color, "size": 12, "symbol": symbol},
                hovertemplate=said.threshold_point(found.name) + "<extra></extra>",
            )
        )
    style(figure, said.over_thresholds(found.name), said.THRESHOLD, said.valued(found.name), height=420)
    figure.update_xaxes(range=[0, 1], nticks=6)
    return figure


def calibration(found: Reliability) -> go.Figure:
    """Plot the observed share of predictions over their probabilities, with its interval, and the diagonal."""
    said = words.tables
    figure = go.Figure(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            name=said.CALIBRATED,
            line=DIAGONAL,
            hoverinfo="skip",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=found.predicted,
            y=found.observed,
            customdata=np.stack([found.samples, found.low, found.high], 1),
            mode="lines+markers",
            showlegend=False,
            line={"color": BLUE, "width": 2.5},
            marker={"size": 9},
            error_y=error_bars(found.observed, found.low, found.high, BLUE, width=5),
            hovertemplate=said.point("%{customdata[0]}", "%{customdata[1]:.1%}", "%{customdata[2]:.1%}")
            + "<extra></extra>",
        )
    )
    style(figure, said.CALIBRATION, said.PREDICTED_SHARE, said.OBSERVED_SHARE, height=420)
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", nticks=6)
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", nticks=6)
    return figure


def importance(found: ColumnImportance) -> go.Figure:
    """Plot the importance of each column as a bar with its interval, the largest on top."""
    said, count = words.reasons, min(len(found.names), MAX_COLUMNS)
    mean, low, high = (each[:count] for each in (found.mean, found.low, found.high))
    return size_bars(
        found.names[:count],
        mean,
        said.IMPORTANCE,
        said.grows(found.loss, found.is_score),
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
    style(figure, said.JOINT, said.pair(found.output), height=160 + 46 * count)
    figure.update_xaxes(**named_places(names[:-1]), range=[-0.5, count - 1.5])
    figure.update_yaxes(**named_places(names[1:], 1), range=[count - 0.5, 0.5])
    return figure


# --- figure of a check of later rows: how far each column is from what it was in training ----------------------------

HATCH = {"fillmode": "overlay", "fgcolor": "rgba(0, 0, 0, 0.4)"}
MAX_DRIFTED_COLUMNS = 40
"""The most columns of a figure: those that changed first, then those with the largest distance."""


def drift(found: DriftCheck) -> go.Figure:
    """Plot the distance of each column as a bar, of one that changed in orange and hatched, and more missing values."""
    said = words.drift
    columns = sorted(
        found.columns, key=lambda each: (not each.has_changed(found.level), -(each.distance or 0.0))
    )
    shown = columns[:MAX_DRIFTED_COLUMNS]
    figure, places = go.Figure(), np.arange(len(shown))
    for changed, name, color, shape in ((True, said.CHANGED, ORANGE, "/"), (False, said.UNCHANGED, BLUE, "")):
        own = [i for i in places.tolist() if shown[i].has_changed(found.level) == changed]
        if own:
            figure.add_trace(
                go.Bar(
                    x=[shown[i].distance or 0.0 for i in own],
                    y=own,
                    orientation="h",
                    name=name,
                    marker={"color": color, "pattern": HATCH | {"shape": shape}},
                    customdata=[describe_column(found, shown[i].name) for i in own],
                    hovertemplate=said.column_told() + "<extra></extra>",
                )
            )
    more = [(i, each.missing_now - each.missing_before) for i, each in enumerate(shown)]
    more = [(i, by) for i, by in more if by > 0]
    if more:
        figure.add_trace(
            go.Scatter(
                x=[by for _, by in more],
                y=[i for i, _ in more],
                mode="markers",
                name=said.MORE_MISSING,
                marker={"color": "#808890", "size": 9, "symbol": "diamond"},
                customdata=[describe_column(found, shown[i].name) for i, _ in more],
                hovertemplate=said.column_told() + "<extra></extra>",
            )
        )
    style(figure, said.BY_COLUMN, said.DISTANCE_AXIS)
    names = [shortened(each.name, 22) for each in shown]
    figure.update_xaxes(range=[0, 1.02], nticks=6)
    figure.update_yaxes(**named_places(names), range=[len(shown) - 0.4, -0.6])
    figure.update_layout(height=150 + 26 * max(len(shown), 3), barmode="overlay", bargap=0.3)
    return figure


def describe_column(found: DriftCheck, name: str) -> list[str]:
    """Return what the pointer shows of a column."""
    each = next(one for one in found.columns if one.name == name)
    nothing, percent = words.phrases.NOTHING, words.phrases.percent
    return [
        html.escape(each.name),
        nothing if each.distance is None else f"{each.distance:.3f}",
        nothing if each.p_value is None else f"{each.p_value:.2g}",
        percent(each.missing_before),
        percent(each.missing_now),
        f"{each.beyond:,}",
        f"{each.unknown:,}",
    ]
