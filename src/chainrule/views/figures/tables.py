"""Plot figures about a model trained on a table: its errors and its probabilities."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from chainrule.core.arrays import evenly_spaced
from chainrule.estimators.reliability import Reliability
from chainrule.recipe.judge import Judgement
from chainrule.recipe.trust import JudgedDecision, JudgedIntervals
from chainrule.views import words
from chainrule.views.figures.base import BLUE, DIAGONAL, MAX_POINTS, ORANGE, error_bars, style

MAX_INTERVALS = 150
"""The most intervals of a figure; of more rows, some evenly spaced ones in the order of their predictions."""


def residuals(judgement: Judgement) -> go.Figure:
    """Plot the error of each prediction, predicted - true, over the prediction, and a line at 0."""
    said = words.tables
    predicted = judgement.predicted.reshape(judgement.n, -1)[:, 0]
    error = predicted - judgement.y.reshape(judgement.n, -1)[:, 0]
    rows = evenly_spaced(judgement.n, MAX_POINTS)
    figure = go.Figure()
    figure.add_trace(
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
    style(figure, said.RESIDUALS, said.PREDICTED, said.RESIDUAL)
    figure.update_layout(height=420)
    return figure


def intervals(found: JudgedIntervals, judgement: Judgement) -> go.Figure:
    """Plot true numbers over predicted ones with their intervals: blue dots inside, orange crosses outside."""
    said = words.tables
    predicted = judgement.predicted.reshape(judgement.n, -1)[:, 0]
    order = np.argsort(predicted, kind="stable")
    rows = order[evenly_spaced(found.n, MAX_INTERVALS)]
    low, high = found.ends[rows].T
    gaps = np.full(len(rows), np.nan)
    figure = go.Figure()
    figure.add_trace(
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
    style(figure, said.INTERVALS, said.PREDICTED, said.TRUE)
    figure.update_layout(height=420)
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
    style(figure, said.over_thresholds(found.name), said.THRESHOLD, said.valued(found.name))
    figure.update_xaxes(range=[0, 1], nticks=6)
    figure.update_layout(height=420)
    return figure


def calibration(found: Reliability) -> go.Figure:
    """Plot the observed share of predictions over their probabilities, with its interval, and the diagonal."""
    said = words.tables
    figure = go.Figure()
    figure.add_trace(
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
    style(figure, said.CALIBRATION, said.PREDICTED_SHARE, said.OBSERVED_SHARE)
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", nticks=6)
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", nticks=6)
    figure.update_layout(height=420)
    return figure
