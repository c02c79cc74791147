"""Figure of a check of later rows: how far each column is from what it was in training."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from chainrule.trust.drift import DriftCheck
from chainrule.views import words
from chainrule.views.figures import BLUE, ORANGE, named_places, shortened, style

HATCH = {"fillmode": "overlay", "fgcolor": "rgba(0, 0, 0, 0.4)"}
MAX_COLUMNS = 40
"""The most columns of a figure: those that changed first, then those with the largest distance."""


def drift(found: DriftCheck) -> go.Figure:
    """Plot the distance of each column as a bar, of one that changed in orange and hatched, and more missing values."""
    said = words.drift
    columns = sorted(
        found.columns, key=lambda each: (not each.has_changed(found.level), -(each.distance or 0.0))
    )
    shown = columns[:MAX_COLUMNS]
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
