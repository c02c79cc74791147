"""Plot the gradient flow: by layer at one moment, during training, and by depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from chainrule.inspection.flow.diagnosis import EXPLODING_RATIO, VANISHING_RATIO
from chainrule.views import words
from chainrule.views.figures import BLUE, DASHES, ORANGE, SYMBOLS, area, style

if TYPE_CHECKING:
    from chainrule.inspection.flow.flow import Flow

INK = "rgba(128, 128, 128, 0.9)"
ARM_COLORS = (ORANGE, "#CC79A7", BLUE, "#56B4E9", "#009E73", "#E69F00")
"""Colors of the arms: the plain network in orange, the others in colors distinguishable from it."""
AROUND_ONE = [
    [0.0, "rgba(213, 94, 0, 0.6)"],
    [0.5, "rgba(128, 128, 128, 0.06)"],
    [1.0, "rgba(0, 114, 178, 0.6)"],
]
"""Orange below 1, blue above"""
UP = [[0.0, "rgba(0, 114, 178, 0.0)"], [1.0, "rgba(0, 114, 178, 0.6)"]]
MAX_CELLS = 240
"""The maximum number of cells with room for numbers."""


def by_layer(flow: Flow) -> go.Figure:
    """Plot RMS(delta) relative to the last layer's, and the update-to-weight ratio if known, by layer."""
    figure, said = go.Figure(), words.flow
    names = [row.layer for row in flow.layers]
    lines = (
        (said.GRADIENT, [row.delta_ratio for row in flow.layers], BLUE, 0),
        (said.UPDATE, [row.update_ratio for row in flow.layers], ORANGE, 1),
    )
    for label, values, color, i in lines:
        if not any(values):
            continue
        figure.add_trace(
            go.Scatter(
                x=names,
                y=[value or None for value in values],  # a logarithmic axis has no 0
                name=label,
                mode="lines+markers",
                line={"color": color, "width": 2.5, "dash": DASHES[i]},
                marker={"size": 8, "symbol": SYMBOLS[i]},
                hovertemplate=said.hover(label) + "<extra></extra>",
            )
        )
    style(figure, said.BY_LAYER, said.LAYERS, words.phrases.logarithmic(said.RMS))
    figure.update_layout(hovermode="x unified")
    seen = [value for row in flow.layers for value in (row.delta_ratio,) if value]
    for bound, what in ((VANISHING_RATIO, said.VANISHING_BELOW), (EXPLODING_RATIO, said.EXPLODING_ABOVE)):
        if seen and (min(seen) < 10 * bound if bound < 1 else max(seen) > bound / 10):
            figure.add_hline(y=bound, line={"color": INK, "dash": "dot", "width": 1.5}, annotation_text=what)
    figure.update_xaxes(type="category")
    log_axis(figure, [value for trace in figure.data for value in trace.y if value])
    return figure


def over_training(epochs: Sequence[int], flows: Sequence[Flow]) -> go.Figure:
    """Plot RMS(delta) over layers and epochs relative to the last layer's, and the update-to-weight ratio."""
    said, layers = words.flow, [row.layer for row in flows[0].layers] if flows else []
    shares = np.array([[row.delta_ratio for row in flow.layers] for flow in flows], np.float64).T
    updates = np.array([[row.update_ratio for row in flow.layers] for flow in flows], np.float64).T
    panels = [(said.GRADIENT, shares, AROUND_ONE)]
    if np.isfinite(updates).any():
        panels.append((said.UPDATE, updates, UP))
    figure = make_subplots(
        1,
        len(panels),
        subplot_titles=[title for title, _, _ in panels],
        shared_yaxes=True,
        horizontal_spacing=0.04,
    )
    for k, (title, values, scale) in enumerate(panels, 1):
        with np.errstate(divide="ignore"):
            logs = np.log10(values)  # (layers, epochs)
        logs[~np.isfinite(logs)] = np.nan
        bound = max(float(np.nanmax(np.abs(logs), initial=0.0)), 1.0)
        low = -bound if scale is AROUND_ONE else float(np.nanmin(logs, initial=0.0))
        figure.add_trace(
            go.Heatmap(
                x=[str(epoch) for epoch in epochs],
                y=layers,
                z=logs,
                customdata=values,
                text=[[short(value) for value in row] for row in values],
                texttemplate="%{text}" if values.size <= MAX_CELLS else None,
                textfont={"color": "#333333"},
                zmin=low,
                zmax=bound if scale is AROUND_ONE else float(np.nanmax(logs, initial=low)),
                colorscale=scale,
                showscale=False,
                xgap=1,
                ygap=1,
                hoverongaps=False,
                hovertemplate=said.hover_epoch(title) + "<extra></extra>",
            ),
            1,
            k,
        )
    style(figure, said.OVER_TRAINING, said.EPOCHS)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title={"text": said.LAYER, "standoff": 16}, col=1)
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_layout(height=150 + 26 * max(len(layers), 4), meta="side by side")
    return figure


def depth(
    arms: Sequence[str],
    profiles: Mapping[str, Any],
    depths: Sequence[int],
    losses: Mapping[str, Any],
    chance: float,
) -> go.Figure:
    """Plot RMS(delta) by layer of the deepest networks before training, and the training loss by depth.

    profiles: for each arm, seeds x layers, relative to the last.  losses: for each arm, depths x seeds; infinity if a
    run diverged.  Lines are medians over the seeds, bands their ranges.
    """
    said = words.lab_vanishing
    figure = make_subplots(
        1,
        2,
        subplot_titles=(said.on_its_way(depths[-1]), said.LEARNED),
        horizontal_spacing=0.1,
    )
    ceiling = 1.25 * chance
    for i, arm in enumerate(arms):
        seeds = np.asarray(profiles[arm], np.float64)
        layers = list(range(1, seeds.shape[1] + 1))
        add_band(figure, 1, said.NETS[arm], i, layers, seeds, said.HOVER_LAYER)
        lost = np.minimum(np.asarray(losses[arm], np.float64), ceiling).T  # (seeds, depths)
        add_band(figure, 2, said.NETS[arm], i, list(depths), lost, said.HOVER_LOSS)
    figure.add_hline(
        y=chance,
        row=1,
        col=2,
        line={"color": INK, "dash": "dot", "width": 1.5},
        annotation={"text": said.guessing(chance), "yshift": -18},
    )
    plain = float(np.median(np.asarray(profiles[arms[0]], np.float64)[:, 0]))
    if plain > 0:
        figure.add_annotation(
            x=1,
            y=math.log10(plain),
            text=said.of_the_last(arms[0], plain),
            ax=70,
            ay=-6,
            xanchor="left",
            align="left",
            arrowcolor=INK,
            row=1,
            col=1,
        )
    style(figure, said.FIGURE)
    count = depths[-1] + 1
    ticks = [1, *range(5, count - 1, 5), count]
    figure.update_xaxes(
        title={"text": words.flow.LAYERS},
        tickvals=ticks,
        ticktext=[*map(str, ticks[:-1]), said.OUT],
        range=[0.4, count + 0.6],
        row=1,
        col=1,
    )
    figure.update_xaxes(title={"text": said.HIDDEN}, tickvals=list(depths), row=1, col=2)
    figure.update_yaxes(title={"text": said.RMS}, row=1, col=1)
    log_axis(figure, [value for arm in arms for seed in profiles[arm] for value in seed], row=1, col=1)
    figure.update_yaxes(title={"text": said.LOSS}, range=[0, ceiling], row=1, col=2)
    figure.update_layout(
        height=560,
        meta="side by side",
        legend={"x": 0, "xanchor": "left", "y": 1.08, "yanchor": "bottom"},
        margin={"t": 116},
        title={"y": 0.97, "yanchor": "top"},
    )
    return figure


def add_band(
    figure: go.Figure, column: int, name: str, i: int, x: list[Any], seeds: np.ndarray[Any, Any], hover: str
) -> None:
    """Add the median over the seeds (seeds, len(x)) as a line, and their range as a band."""
    color, width = ARM_COLORS[i % len(ARM_COLORS)], 2.5 if i else 4
    low, middle, high = seeds.min(0), np.median(seeds, 0), seeds.max(0)
    figure.add_trace(
        area(x, low, high, fillcolor=color, opacity=0.15, legendgroup=name),
        1,
        column,
    )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=middle,
            name=name,
            mode="lines+markers",
            line={"color": color, "width": width, "dash": DASHES[i % len(DASHES)]},
            marker={"size": 8 if i else 10, "symbol": SYMBOLS[i % len(SYMBOLS)]},
            legendgroup=name,
            showlegend=column == 1,
            hovertemplate=f"{name}<br>{hover}<extra></extra>",
        ),
        1,
        column,
    )


def short(value: float) -> str:
    """Format a number in short: 0.12, 3e-07; "" if not finite."""
    if not math.isfinite(value):
        return ""
    return f"{value:.2g}" if 1e-3 <= abs(value) < 1e3 or value == 0 else f"{value:.0e}"


def first_layer(arms: Sequence[str], depths: Sequence[int], shares: Mapping[str, Any]) -> go.Figure:
    """Plot RMS(delta) of the first layer relative to the last, by depth. shares: for each arm, depths x seeds."""
    figure, said = make_subplots(1, 1), words.lab_vanishing
    for i, arm in enumerate(arms):
        seeds = np.asarray(shares[arm], np.float64).T  # (seeds, depths)
        add_band(figure, 1, said.NETS[arm], i, list(depths), seeds, said.HOVER_DEPTH)
    style(figure, said.ARRIVES, said.HIDDEN, said.RMS)
    figure.update_xaxes(tickvals=list(depths))
    log_axis(figure, [value for arm in arms for row in shares[arm] for value in row])
    figure.update_layout(height=440, margin={"t": 90})
    figure.update_layout(legend={"x": 0, "xanchor": "left"})
    return figure


def log_axis(figure: go.Figure, values: Sequence[float], **where: int) -> None:
    """Make the y axis logarithmic, with readable ticks at powers of ten."""
    seen = [math.log10(value) for value in values if value > 0] or [0.0]
    decades = max(seen) - min(seen)
    ticks = {"dtick": max(1, math.ceil(decades / 8))} if decades > 2 else {}
    figure.update_yaxes(type="log", exponentformat="power", minor={"showgrid": False}, **ticks, **where)
