"""Figures of attributions: what each pixel or feature did for an answer.

Blue is for, orange against, as in all figures; the sign stands in each bar's hatching and in each cell's hover text
too, so that no one needs the color.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from chainrule.figures.base import BLUE, GREY, ORANGE, style

if TYPE_CHECKING:
    from chainrule.inspection.attribution import Attribution

DIVERGING = [[0.0, "rgb(226, 106, 10)"], [0.5, "rgba(128, 128, 128, 0)"], [1.0, "rgb(20, 130, 205)"]]
"""Against, nothing, for. Nothing is transparent: the page shows through."""
PICTURE = [[0.0, "rgb(0, 0, 0)"], [1.0, "rgb(255, 255, 255)"]]
BARS = 12
"""Features that have a bar of their own; the rest share one."""
LETTERS = 26
"""Longer names are cut on the axis; the hover text has them whole."""


def attribution_image(attribution: Attribution, row: int = 0, with_input: bool = True) -> go.Figure:
    """A picture, and beside it what each of its pixels did: blue for, orange against, nothing transparent."""
    assert attribution.shape is not None
    pixels = attribution.X[row].reshape(attribution.shape)
    values = attribution.values[row].reshape(attribution.shape)
    most = float(np.abs(values).max()) or 1.0
    figure = go.Figure()
    if with_input:
        figure.add_trace(
            go.Heatmap(
                z=pixels,
                colorscale=PICTURE,
                showscale=False,
                hovertemplate="pixel (%{y}, %{x})<br>value %{z:.4g}<extra></extra>",
            )
        )
    is_one_sided = bool((values >= 0).all())
    figure.add_trace(
        go.Heatmap(
            z=values,
            zmin=0 if is_one_sided else -most,
            zmax=most,
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
            hovertemplate="pixel (%{y}, %{x})<br>attribution %{z:+.4g}<extra></extra>",
        )
    )
    style(figure, f"Each pixel, for {html.escape(attribution.targets[row])}", "", "")
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
    against = "attribution" if is_one_sided else "+ for, - against"
    figure.update_layout(
        height=400,
        margin={"l": 8, "r": 8, "t": 56, "b": 72},
        hovermode="closest",
        xaxis=hidden | {"domain": [0.0, 0.48], "title": {"text": "the input", "standoff": 6}},
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
    """The scale of values without a sign."""
    return [[0.0, DIVERGING[1][1]], [1.0, DIVERGING[2][1]]]


def attribution_bars(attribution: Attribution, row: int = 0, most: int = BARS) -> go.Figure:
    """A bar a feature, the largest first, and one for all that are left."""
    order = attribution.order(row)
    values, X = attribution.values[row], attribution.X[row]
    names = [f"{attribution.feature(k)} = {X[k]:.4g}" for k in order[:most].tolist()]
    numbers = values[order[:most]].tolist()
    if len(order) > most:
        rest = len(order) - most
        names.append(f"{rest:,} other{'s' * (rest != 1)}")
        numbers.append(float(values[order[most:]].sum()))
    figure = signed_bars(
        names, numbers, f"Each feature, for {attribution.targets[row]}", "+ for, - against", "feature"
    )
    return figure


def signed_bars(
    names: Sequence[str], numbers: Sequence[float], title: str, x: str, y: str, digits: str = "+.4g"
) -> go.Figure:
    """Horizontal bars, the first on top: for in blue, against in hatched orange, each with its number."""
    figure = go.Figure()
    ticks = [cut(name) for name in names]
    places = list(range(len(names)))
    for name, color, pattern, sign in (("for", BLUE, "", 1), ("against", ORANGE, "/", -1)):
        chosen = [i for i in places if numbers[i] * sign > 0 or (numbers[i] == 0 and sign == 1)]
        figure.add_trace(
            go.Bar(
                x=[numbers[i] for i in chosen],
                y=chosen,
                name=name,
                orientation="h",
                marker={
                    "color": color,
                    "pattern": {
                        "shape": pattern,
                        "fillmode": "overlay",
                        "fgcolor": "rgba(0, 0, 0, 0.45)",
                        "size": 6,
                    },
                },
                text=[format(numbers[i], digits) for i in chosen],
                textposition="outside",
                cliponaxis=False,
                customdata=[html.escape(names[i]) for i in chosen],
                hovertemplate=f"%{{customdata}}<br>%{{x:{digits}}}<extra></extra>",
            )
        )
    style(figure, html.escape(title), x, y)
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    pad = 0.26 * ((high - low) or 1.0)
    figure.update_yaxes(
        tickmode="array",
        tickvals=places,
        ticktext=ticks,
        autorange="reversed",
        showgrid=False,
        title={"text": ""},
    )
    figure.update_xaxes(
        range=[low - pad if low < 0 else 0.0, high + pad if high > 0 else 0.0],
        zeroline=True,
        zerolinecolor="rgba(128, 128, 128, 0.8)",
        zerolinewidth=1,
        nticks=6,
    )
    figure.update_layout(
        height=130 + 30 * max(len(names), 3),
        barmode="overlay",
        bargap=0.35,
        hovermode="closest",
        showlegend=False,
    )
    return figure


def cut(name: str) -> str:
    """A name that fits on an axis, escaped."""
    return html.escape(name if len(name) <= LETTERS else name[: LETTERS - 1] + "…")
