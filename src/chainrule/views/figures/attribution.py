"""Figures of attributions: the contribution of each pixel or feature to an answer.

Blue is for an answer, orange against it. The sign also shows in each bar's hatching and in each cell's hover text, so
that color is not needed.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from chainrule.views import words
from chainrule.views.figures import BLUE, GREY, ORANGE, ZERO, cut, named_places, style

if TYPE_CHECKING:
    from chainrule.inspection.attribution import Attribution

DIVERGING = [[0.0, "rgb(226, 106, 10)"], [0.5, "rgba(128, 128, 128, 0)"], [1.0, "rgb(20, 130, 205)"]]
"""Colors of negative values, 0 and positive values; 0 is transparent, to show the page."""
PICTURE = [[0.0, "rgb(0, 0, 0)"], [1.0, "rgb(255, 255, 255)"]]
MAX_BARS = 12
"""The maximum number of features with their own bar; the rest share one."""
BAR_WIDTH = 0.65
"""The share of a row that its bar fills; Plotly's default depends on the distance between bars."""


def attribution_image(attribution: Attribution, row: int = 0, with_input: bool = True) -> go.Figure:
    """Plot an image, and beside it the contributions of its pixels: blue for, orange against, zero transparent."""
    assert attribution.shape is not None
    pixels = attribution.X[row].reshape(attribution.shape)
    values = attribution.values[row].reshape(attribution.shape)
    largest = float(np.abs(values).max()) or 1.0
    figure, said = go.Figure(), words.attribution
    if with_input:
        figure.add_trace(
            go.Heatmap(
                z=pixels,
                colorscale=PICTURE,
                showscale=False,
                hovertemplate=said.VALUE_OF_PIXEL + "<extra></extra>",
            )
        )
    is_one_sided = bool((values >= 0).all())
    figure.add_trace(
        go.Heatmap(
            z=values,
            zmin=0 if is_one_sided else -largest,
            zmax=largest,
            colorscale=upper() if is_one_sided else DIVERGING,
            xaxis="x2",
            yaxis="y2",
            colorbar={
                "orientation": "h",
                "thickness": 10,
                "outlinewidth": 0,
                "tickformat": "+.2~g",
                "nticks": 5,
                "len": 0.42 if with_input else 0.7,
                "x": 0.76 if with_input else 0.5,
                "y": -0.12,
                "yanchor": "top",
            },
            hovertemplate=said.PIXEL + "<extra></extra>",
        )
    )
    style(figure, said.each_pixel(html.escape(said.target(attribution.targets[row]))))
    hidden: dict[str, Any] = {
        "showgrid": False,
        "showticklabels": False,
        "zeroline": False,
        "constrain": "domain",
        "linecolor": GREY,
        "mirror": True,
        "showline": True,
        "ticks": "",
    }
    against = said.ATTRIBUTION if is_one_sided else said.SIGNS
    figure.update_layout(
        height=400,
        margin={"l": 8, "r": 8, "t": 56, "b": 72},
        xaxis=hidden | {"domain": [0.0, 0.48], "title": {"text": said.INPUT, "standoff": 6}},
        xaxis2=hidden
        | {
            "domain": [0.52, 1.0] if with_input else [0.0, 1.0],
            "title": {"text": against, "standoff": 6},
            "anchor": "y2",
        },
        xaxis_visible=with_input,
        yaxis_visible=with_input,
        yaxis=hidden | {"autorange": "reversed", "scaleanchor": "x", "title": {"text": ""}},
        yaxis2=hidden | {"autorange": "reversed", "scaleanchor": "x2", "anchor": "x2"},
    )
    return figure


def upper() -> list[list[Any]]:
    """Return the upper half of DIVERGING, for values of one sign."""
    return [[0.0, DIVERGING[1][1]], [1.0, DIVERGING[2][1]]]


def signed_bars(
    names: Sequence[str], numbers: Sequence[float], heads: tuple[str, str], title: str, axis: str
) -> go.Figure:
    """Plot a bar per name: blue for a number of 0 or above, hatched orange for one below. heads: their names."""
    figure, places = go.Figure(), range(len(names))
    for head, color, pattern, is_negative in ((heads[0], BLUE, "", False), (heads[1], ORANGE, "/", True)):
        chosen = [i for i in places if (numbers[i] < 0) == is_negative]
        figure.add_trace(
            go.Bar(
                x=[numbers[i] for i in chosen],
                y=chosen,
                name=head,
                orientation="h",
                width=BAR_WIDTH,
                marker=hatched(color, pattern),
                text=[f"{numbers[i]:+.4g}" for i in chosen],
                textposition="outside",
                cliponaxis=False,
                customdata=[html.escape(names[i]) for i in chosen],
                hovertemplate="%{customdata}<br>%{x:+.4g}<extra></extra>",
            )
        )
    style(figure, title, axis)
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    pad = 0.4 * ((high - low) or 1.0)
    name_rows(figure, names)
    figure.update_xaxes(
        range=[low - pad if low < 0 else 0.0, high + pad if high > 0 else 0.0], nticks=6, **ZERO
    )
    figure.update_layout(height=130 + 30 * max(len(names), 3), barmode="overlay", showlegend=False)
    return figure


def attribution_bars(attribution: Attribution, row: int = 0, max_features: int = MAX_BARS) -> go.Figure:
    """Plot a bar per feature, the largest on top, and one for the rest: blue for, hatched orange against."""
    names, numbers = zip(*attribution.bars(row, max_features), strict=True)
    said = words.attribution
    title = said.each_feature(html.escape(said.target(attribution.targets[row])))
    return signed_bars(names, numbers, (said.FOR, said.AGAINST), title, said.SIGNS)


def hatched(color: str, shape: str) -> dict[str, Any]:
    """Return a bar's color with a hatching that distinguishes it without color; "" for none."""
    pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "rgba(0, 0, 0, 0.45)", "size": 6}
    return {"color": color, "pattern": pattern}


def name_rows(figure: go.Figure, names: Sequence[str]) -> None:
    """Label horizontal bars at 0, 1, 2, ..., the first on top."""
    figure.update_yaxes(**named_places([cut(name) for name in names]), autorange="reversed")
