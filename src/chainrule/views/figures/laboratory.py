"""Plot figures of the laboratory: approximation by width, optimizers and their paths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.views import words
from chainrule.views.figures import BLUE, ORANGE, area, see_through, style

GREEN, SKY, AMBER, PINK = "#009E73", "#56B4E9", "#E69F00", "#CC79A7"
STEP = "rgba(128, 128, 128, 0.075)"
"""The color of one contour level: overlapping levels add up, on light and dark pages."""
FIELD = [[0.0, "#8c510a"], [0.25, "#d8b365"], [0.5, "#f5f5f5"], [0.75, "#5ab4ac"], [1.0, "#01665e"]]
"""Colors of signed fields: brown, white, teal, distinguishable by color-blind readers too."""


class Band(NamedTuple):
    """A line with a band: x, and at each x the minimum, the line and the maximum of y."""

    name: str
    x: Sequence[Any]
    low: Sequence[float]
    middle: Sequence[float]
    high: Sequence[float]


def add_curve(
    figure: go.Figure, curve: Band, color: str, dash: str, symbol: str, legend: bool = True, **where: Any
) -> None:
    """Add a line with markers, over a band of its range."""
    figure.add_trace(
        area(
            curve.x,
            curve.low,
            curve.high,
            fillcolor=see_through(color, 0.16),
            mode="lines",
            legendgroup=curve.name,
        ),
        **where,
    )
    figure.add_trace(
        go.Scatter(
            x=list(curve.x),
            y=list(curve.middle),
            name=curve.name,
            legendgroup=curve.name,
            showlegend=legend,
            mode="lines+markers" if len(curve.x) <= 12 else "lines",
            line={"color": color, "width": 2.5, "dash": dash},
            marker={"size": 9, "symbol": symbol, "color": color},
            customdata=list(zip(curve.low, curve.high, strict=True)),
            hovertemplate=words.model.ranged(
                curve.name, "%{y:.3g}", "%{customdata[0]:.3g}", "%{customdata[1]:.3g}"
            )
            + "<extra></extra>",
        ),
        **where,
    )


def approximation(curves: Mapping[int, Sequence[Band]], error: float) -> go.Figure:
    """Plot the maximum error by width, one panel per number of variables, one line per function.

    curves: by the number of variables; the line is the best of several starts.  error: the target.
    """
    said = words.lab_universality
    panels = [said.variables(n) for n in curves]
    figure = make_subplots(1, len(curves), shared_yaxes=True, horizontal_spacing=0.06, subplot_titles=panels)
    kinds = ((BLUE, "solid", "circle"), (ORANGE, "dash", "diamond"), (GREEN, "dot", "square"))
    for column, group in enumerate(curves.values(), 1):
        for curve, (color, dash, symbol) in zip(group, kinds, strict=True):
            add_curve(figure, curve, color, dash, symbol, column == 1, row=1, col=column)
        figure.add_hline(error, line={"color": "#808080", "width": 1.5, "dash": "dash"}, row=1, col=column)
    figure.add_annotation(
        text=said.asked_for(error), x=0, xref="x2 domain", y=math.log10(error), yref="y2",
        showarrow=False, xanchor="left", yanchor="top", xshift=4,
    )  # fmt: skip
    falls = [curve.middle[0] / max(curve.middle[-1], 1e-300) for group in curves.values() for curve in group]
    style(figure, said.fold(min(falls), max(falls)), said.NEURONS)
    ticks = sorted({int(x) for group in curves.values() for curve in group for x in curve.x})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(t) for t in ticks])
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title={"text": said.LARGEST}, row=1, col=1)
    figure.update_layout(height=500, margin={"t": 96}, meta="side by side",
                         legend={"y": 1.1})  # fmt: skip
    return figure


def fitted_lines(
    x: NDArray[Any], true: Mapping[str, NDArray[Any]], fitted: Mapping[str, Mapping[str, NDArray[Any]]]
) -> go.Figure:
    """Plot functions of one variable over x (n,), true and fitted: one panel per function, one line per width."""
    figure = make_subplots(
        1, len(true), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=list(true)
    )
    looks = ((ORANGE, "dot"), (AMBER, "dash"), (BLUE, "solid"))
    for column, name in enumerate(true, 1):
        figure.add_trace(
            go.Scatter(x=x, y=true[name], name=words.lab_universality.TRUE, mode="lines",
                       line={"color": "rgba(128, 128, 128, 0.45)", "width": 9},
                       showlegend=column == 1, legendgroup="true"),
            row=1, col=column,
        )  # fmt: skip
        for (label, y), (color, dash) in zip(fitted[name].items(), looks, strict=False):
            figure.add_trace(
                go.Scatter(x=x, y=y, name=label, mode="lines", line={"color": color, "width": 2.25, "dash": dash},
                           showlegend=column == 1, legendgroup=label),
                row=1, col=column,
            )  # fmt: skip
    style(figure, words.lab_universality.FITTED_LINES, "x")
    figure.update_yaxes(title={"text": "y"}, row=1, col=1)
    figure.update_layout(height=400, hovermode="x", margin={"t": 96}, legend={"y": 1.12}, meta="side by side")
    return figure


def fitted_fields(axis: NDArray[Any], fields: Mapping[str, Mapping[str, NDArray[Any]]]) -> go.Figure:
    """Plot functions of two variables as fields (n, n) over the axis: one row per function, the true one first."""
    columns = list(next(iter(fields.values())))
    figure = make_subplots(
        len(fields), len(columns), shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.02,
        vertical_spacing=0.03, column_titles=columns, row_titles=list(fields),
    )  # fmt: skip
    for row, field in enumerate(fields.values(), 1):
        for column, z in enumerate(field.values(), 1):
            figure.add_trace(
                go.Heatmap(
                    x=axis, y=axis, z=np.asarray(z, np.float32), zmin=-1, zmax=1, colorscale=FIELD,
                    showscale=row == column == 1,
                    colorbar={"orientation": "h", "y": -0.09, "yanchor": "top", "len": 0.6, "thickness": 10,
                              "tickvals": [-1, 0, 1], "outlinewidth": 0},
                    hovertemplate=words.lab_universality.FIELD_AT + "<extra></extra>",
                ),
                row=row, col=column,
            )  # fmt: skip
    style(figure, words.lab_universality.FITTED_FIELDS)
    figure.update_xaxes(showgrid=False, constrain="domain", tickvals=[-1, 0, 1])
    figure.update_yaxes(showgrid=False, constrain="domain", tickvals=[-1, 0, 1])
    figure.update_layout(height=720, margin={"t": 84, "r": 40, "b": 84})
    return figure


FAMILIES: dict[str, tuple[str, str, str]] = {
    "gradient_descent": ("#808080", "dot", "x"),
    "sgd": (BLUE, "solid", "circle"),
    "momentum": (SKY, "dash", "circle-open"),
    "nesterov": (BLUE, "dot", "circle-dot"),
    "adagrad": (AMBER, "solid", "square"),
    "rmsprop": (ORANGE, "dash", "diamond"),
    "adam": (GREEN, "solid", "triangle-up"),
    "adamw": (GREEN, "dash", "triangle-up-open"),
    "nadam": (GREEN, "dot", "triangle-down"),
    "lbfgs": (PINK, "longdash", "cross"),
}
"""Colors by family, dashes and markers by rule."""
VISIBLE_RULES = ("gradient_descent", "sgd", "momentum", "adagrad", "rmsprop", "adam", "lbfgs")
"""The paths visible initially; the legend adds the others."""


def descents(losses: Mapping[str, NDArray[Any]], seconds: Mapping[str, NDArray[Any]]) -> go.Figure:
    """Plot the training loss by rule, over passes and over seconds; both (passes + 1,)."""
    figure, said = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04), words.lab_optimizers
    for column in (1, 2):  # a logarithmic axis has no start at 0 s
        for name, loss in losses.items():
            color, dash, symbol = FAMILIES[name]
            rule = said.RULES[name]
            hover = said.after_passes(rule) if column == 1 else said.after_seconds(rule)
            x, y = (np.arange(len(loss)), loss) if column == 1 else (seconds[name][1:], loss[1:])
            figure.add_trace(
                go.Scatter(
                    x=x, y=y, name=rule, legendgroup=name, showlegend=column == 1, mode="lines+markers",
                    line={"color": color, "width": 2.25, "dash": dash},
                    marker={"size": 8, "symbol": symbol, "color": color, "maxdisplayed": 7},
                    hovertemplate=hover + "<extra></extra>",
                ),
                row=1, col=column,
            )  # fmt: skip
    style(figure, said.DESCENTS)
    figure.update_xaxes(title={"text": said.PASSES}, row=1, col=1)
    figure.update_xaxes(
        title={"text": words.phrases.logarithmic(said.SECONDS)},
        type="log",
        dtick="D2",
        tickformat="~g",
        row=1,
        col=2,
    )
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title={"text": said.LOSS}, row=1, col=1)
    figure.update_layout(height=520, margin={"t": 60, "b": 130}, meta="side by side",
                         legend={"x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top"})  # fmt: skip
    return figure


def slice_paths(view: Any, title: str) -> go.Figure:
    """Plot the loss over a plane as contours, with paths from one start. view: a `chainrule.lab.optimizers.View`."""
    figure, said = go.Figure(), words.lab_optimizers
    level = np.log10(np.maximum(view.loss, 1e-12))
    figure.add_trace(
        go.Contour(
            x=view.a, y=view.b, z=level, customdata=view.loss, ncontours=18,
            colorscale=[[0.0, STEP], [1.0, STEP]],
            line={"color": "rgba(128, 128, 128, 0.6)", "width": 0.75},
            showscale=False,
            hovertemplate=said.LOSS_AT + "<extra></extra>", name=said.LOSS_NAME,
        )
    )  # fmt: skip
    for name, path in view.paths.items():
        color, dash, symbol = FAMILIES[name]
        rule = said.RULES[name]
        label = said.at_rate(rule, view.rates[name]) if view.rates else rule
        figure.add_trace(
            go.Scatter(
                x=path[:, 0], y=path[:, 1], name=label, mode="lines+markers",
                visible=True if name in VISIBLE_RULES or view.rates else "legendonly",
                line={"color": color, "width": 2.25, "dash": dash},
                marker={"symbol": symbol, "color": color, "size": [6] * (len(path) - 1) + [13]},
                hovertemplate=said.step_of(rule) + "<extra></extra>",
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(x=[0], y=[0], mode="markers+text", text=[said.START], textposition="bottom center", name=said.START,
                   marker={"symbol": "star", "size": 16, "color": "#808080"}, showlegend=False, hoverinfo="skip")
    )  # fmt: skip
    style(figure, title, *said.DIRECTIONS)
    figure.update_xaxes(showgrid=False, range=[float(view.a[0]), float(view.a[-1])], constrain="domain")
    figure.update_yaxes(showgrid=False, range=[float(view.b[0]), float(view.b[-1])], scaleanchor="x")
    figure.add_annotation(
        text=said.shades(float(view.loss.min()), float(view.loss.max())),
        x=1, y=1.0, xref="x domain", yref="y domain", xanchor="right", yanchor="bottom", showarrow=False,
    )  # fmt: skip
    side = {"orientation": "v", "x": 1.02, "xanchor": "left", "y": 1, "yanchor": "top"}
    figure.update_layout(height=640, legend=side)
    return figure
