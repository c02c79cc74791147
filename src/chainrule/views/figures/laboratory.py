"""Lines with bands and colors for the figures of experiments, and the figures of training without backpropagation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from chainrule.views import words
from chainrule.views.figures import BLUE, DASHES, ORANGE, area, see_through, style

GREEN, SKY, AMBER, PINK = "#009E73", "#56B4E9", "#E69F00", "#CC79A7"
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


# --- plot training with and without backpropagation ------------------------------------------------------------------

FAMILIES = {
    "exact": BLUE,
    "numerical": ORANGE,
    "direction": GREEN,
    "evolution": PINK,
    "other": "#B07A00",
    "none": "#808080",
}
"""One color per kind of method; within a kind, dashes and markers differ."""
MARKERS = ("circle", "diamond", "square", "cross", "triangle-up", "x", "star", "triangle-down", "pentagon",
           "hexagram", "hourglass")  # fmt: skip
MIN_LABEL_DISTANCE = 0.062
"""The minimum distance between labels, as a share of the axis."""


class Curve(NamedTuple):
    """The runs of one method: for each seed a list of values."""

    label: str
    family: str
    """a key of FAMILIES"""
    passes: Sequence[Sequence[float]]
    seconds: Sequence[Sequence[float]]
    loss: Sequence[Sequence[float]]


def loss_curves(curves: Sequence[Curve], against: str) -> go.Figure:
    """Plot the training loss against passes or seconds: the mean over the seeds with a band of their range.

    against: "passes" or "seconds".  Both axes are logarithmic; labels are on the right, in the order of the curves'
    ends;
    narrow pages have a legend instead.
    """
    figure, said = go.Figure(), words.lab_without_backprop
    ends = []
    for curve, (dash, symbol) in zip(curves, _looks(curves), strict=True):
        color = FAMILIES[curve.family]
        x, mean, low, high = averaged(curve, against)
        if not len(x):
            continue
        if len(curve.loss) > 1:
            figure.add_trace(area(x, low, high, fillcolor=color, opacity=0.13))
        figure.add_trace(
            go.Scatter(
                x=x,
                y=mean,
                name=curve.label,
                mode="lines+markers",
                line={"color": color, "width": 4 if curve.family == "exact" else 2.2, "dash": dash},
                marker={"symbol": symbol, "size": 6},
                hovertemplate=said.course_of(curve.label, against) + "<extra></extra>",
            )
        )
        ends.append((float(x[-1]), float(mean[-1]), curve.label, color))
    axes = (words.phrases.logarithmic(name) for name in (said.UNITS[against], said.LOSS))
    style(figure, said.CURVES[against], *axes)
    _label_ends(figure, ends)
    figure.update_layout(height=560, showlegend=False, margin={"r": 190}, meta="labels at the right")
    figure.update_xaxes(type="log", dtick=1, minor={"showgrid": False})
    figure.update_yaxes(type="log", dtick="D2", tickformat="~g")
    return figure


def cosines(found: Sequence[tuple[str, str, float]], chance: float) -> go.Figure:
    """Plot the cosine between each method's step and the gradient: 1 is the gradient's direction, 0 a right angle.

    found: (label, family, cosine); of a negative cosine, the absolute value is plotted.  chance: of a random direction.
    """
    said, rows = words.lab_without_backprop, sorted(found, key=lambda row: row[2])
    figure = go.Figure(
        go.Bar(
            x=[abs(cosine) for *_, cosine in rows],
            y=[label for label, *_ in rows],
            orientation="h",
            marker={"color": [FAMILIES[family] for _, family, _ in rows]},
            text=[f"{cosine:.3f}" for *_, cosine in rows],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=said.COSINE_OF + "<extra></extra>",
        )
    )
    style(figure, said.COSINES, said.COSINE)
    figure.add_vline(x=chance, line={"color": "#808080", "dash": "dash", "width": 1.5})
    figure.add_annotation(
        x=chance,
        xanchor="left",
        y=1.0,
        yref="paper",
        yanchor="bottom",
        text=said.random_direction(chance),
        showarrow=False,
    )
    figure.update_xaxes(range=[0, 1.3], dtick=0.2)
    figure.update_yaxes(showgrid=False, ticksuffix="  ")
    figure.update_layout(height=130 + 32 * len(rows), showlegend=False)
    return figure


def averaged(curve: Curve, against: str) -> tuple[NDArray[np.float64], ...]:
    """Return x, and at each x the mean, the minimum and the maximum of the loss over the seeds.

    Points that a logarithmic axis cannot show are omitted.
    """
    count = min(len(course) for course in curve.loss)
    x = np.mean([course[:count] for course in getattr(curve, against)], 0)  # (count,)
    loss = np.array([course[:count] for course in curve.loss])  # (seeds, count)
    shown = (x > 0) & np.isfinite(loss).all(0) & (loss > 0).all(0)
    return x[shown], loss.mean(0)[shown], loss.min(0)[shown], loss.max(0)[shown]


def _looks(curves: Sequence[Curve]) -> list[tuple[str, str]]:
    """Return a dash and a marker per curve: the dash by index in the family, the marker by index in the list."""
    seen: dict[str, int] = {}
    looks = []
    for i, curve in enumerate(curves):
        place = seen.get(curve.family, 0)
        seen[curve.family] = place + 1
        looks.append((DASHES[place % 3], MARKERS[i % len(MARKERS)]))
    return looks


def _label_ends(figure: go.Figure, ends: list[tuple[float, float, str, str]]) -> None:
    """Add the labels in a column on the right, each as close as possible to its curve's end, with a line to it."""
    if not ends:
        return
    ends = sorted(ends, key=lambda end: end[1])
    values = [y for trace in figure.data for y in trace.y]
    low, high = np.log10(min(values)) - 0.03, np.log10(max(values)) + 0.03
    right = np.log10(max(x for x, *_ in ends))
    left = np.log10(min(float(x) for trace in figure.data for x in trace.x))
    at = (np.log10([y for _, y, *_ in ends]) - low) / max(high - low, 1e-9)  # (n,) shares of the axis, rising
    gap = min(MIN_LABEL_DISTANCE, 1 / len(ends))
    for i in range(1, len(at)):  # move up to avoid overlaps
        at[i] = max(at[i], at[i - 1] + gap)
    at[-1] = min(at[-1], 1.0)
    for i in reversed(range(len(at) - 1)):  # then down from the top
        at[i] = min(at[i], at[i + 1] - gap)
    span = right - left
    for (x, y, label, color), place in zip(ends, at.tolist(), strict=True):
        figure.add_annotation(
            x=np.log10(x),
            y=np.log10(y),
            ax=right + 0.045 * span,
            ay=low + place * (high - low),
            axref="x",
            ayref="y",
            xanchor="left",
            text=f"<b>{label}</b> {y:.2f}",
            font={"color": color, "size": 13},
            showarrow=True,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=color,
            opacity=0.9,
        )
    figure.update_yaxes(range=[low, high])
    figure.update_xaxes(range=[left - 0.02 * span, right + 0.04 * span])
