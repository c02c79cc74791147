"""Plot figures about one prediction: all neurons, the backward pass, and the effect of a training step."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from chainrule.views import words
from chainrule.views.figures import BLUE, GREY, cut, style
from chainrule.views.figures.attribution import BAR_WIDTH, DIVERGING, hatched, name_rows, upper


def probabilities(names: Sequence[str], before: Sequence[float], after: Sequence[float]) -> go.Figure:
    """Plot two bars per class: the probability now, and after a step."""
    figure, said = go.Figure(), words.story_page
    places = list(range(len(names)))
    for name, shares, color, pattern, offset in (
        (said.NOW, before, BLUE, "", 0),
        (said.AFTER, after, "#E69F00", "/", 1),
    ):
        figure.add_trace(
            go.Bar(
                x=list(shares),
                y=places,
                name=html.escape(name),
                orientation="h",
                offsetgroup=str(offset),
                marker=hatched(color, pattern),
                text=[words.phrases.percent(share) for share in shares],
                textposition="outside",
                cliponaxis=False,
                customdata=[html.escape(n) for n in names],
                hovertemplate=f"%{{customdata}}<br>{html.escape(name)} %{{x:.4%}}<extra></extra>",
            )
        )
    style(figure, said.BEFORE_AND_AFTER, said.PROBABILITIES)
    name_rows(figure, names)
    figure.update_xaxes(range=[0, 1.32], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1.0])
    figure.update_layout(height=150 + 52 * len(names), barmode="group", bargap=0.3)
    return figure


def layer_bars(names: Sequence[str], numbers: Sequence[float], title: str, x: str) -> go.Figure:
    """Plot a bar per layer, from the input on, for sizes over many powers of ten."""
    figure = go.Figure()
    places = list(range(len(names)))
    positive = [number for number in numbers if number > 0]
    is_wide = bool(positive) and max(positive) > 1000 * min(positive)
    figure.add_trace(
        go.Bar(
            x=[number if number > 0 else None for number in numbers] if is_wide else list(numbers),
            y=places,
            orientation="h",
            width=BAR_WIDTH,
            marker={"color": BLUE},
            text=[f"{number:.3g}" for number in numbers],
            textposition="auto",
            cliponaxis=False,
            customdata=[html.escape(name) for name in names],
            hovertemplate="%{customdata}<br>%{x:.4g}<extra></extra>",
        )
    )
    style(figure, html.escape(title), words.phrases.logarithmic(x) if is_wide else x)
    name_rows(figure, names)
    figure.update_xaxes(type="log" if is_wide else "linear", nticks=5, exponentformat="e")
    figure.update_layout(height=130 + 28 * max(len(names), 3), showlegend=False)
    return figure


def activity(layers: Sequence[tuple[str, NDArray[Any]]]) -> go.Figure:
    """Plot a strip per layer with a cell per neuron, each strip on its own scale: blue above 0, orange below.

    layers: (name, values (width,)), from the first on; all neurons are shown, in order.
    """
    figure = go.Figure()
    count = len(layers)
    gap = 0.35
    for place, (name, a) in enumerate(layers):
        low, high = float(min(a.min(), 0.0)), float(max(a.max(), 0.0))
        largest = max(-low, high) or 1.0
        scale = DIVERGING if low < 0 else upper()
        number = "" if place == 0 else str(place + 1)
        figure.add_trace(
            go.Heatmap(
                z=[a.tolist()],
                x=np.arange(len(a)).tolist(),
                zmin=-largest if low < 0 else 0.0,
                zmax=largest,
                colorscale=scale,
                showscale=False,
                xaxis=f"x{number}",
                yaxis=f"y{number}",
                hovertemplate=f"{html.escape(name)}[%{{x}}]<br>%{{z:.4g}}<extra></extra>",
            )
        )
        top = 1 - place / count
        is_last = place == count - 1
        figure.update_layout(
            {
                f"xaxis{number}": {
                    "showgrid": False,
                    "zeroline": False,
                    "showticklabels": False,
                    "anchor": f"y{number}",
                    "showline": True,
                    "mirror": True,
                    "linecolor": GREY,
                    "ticks": "",
                    "title": {"text": words.story_page.IN_ORDER if is_last else ""},
                },
                f"yaxis{number}": {
                    "domain": [top - (1 - gap) / count, top],
                    "tickmode": "array",
                    "tickvals": [0],
                    "ticktext": [cut(words.story_page.strip(name, len(a)))],
                    "showgrid": False,
                    "zeroline": False,
                    "anchor": f"x{number}",
                    "showline": True,
                    "mirror": True,
                    "linecolor": GREY,
                    "ticks": "",
                    "automargin": True,
                },
            }
        )
    axes = figure.to_dict()["layout"]
    style(figure, words.story_page.NEURONS)
    for key, axis in axes.items():
        if key.startswith(("xaxis", "yaxis")):
            figure.update_layout({key: axis})
    is_signed = any(float(a.min()) < 0 for _, a in layers)
    figure.add_trace(  # only for the legend
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            marker={
                "color": [0],
                "cmin": -1 if is_signed else 0,
                "cmax": 1,
                "colorscale": DIVERGING if is_signed else upper(),
                "showscale": True,
                "colorbar": {
                    "orientation": "h",
                    "thickness": 10,
                    "len": 0.7,
                    "outlinewidth": 0,
                    "y": -1 / count,  # a strip below the last
                    "yanchor": "top",
                    "tickvals": [-1, 0, 1] if is_signed else [0, 1],
                    "ticktext": list(words.story_page.LARGEST[0 if is_signed else 1 :]),
                    "title": {"text": words.story_page.SCALES, "side": "bottom"},
                },
            },
        )
    )
    figure.update_layout(height=196 + 46 * count, margin={"b": 126})
    return figure
