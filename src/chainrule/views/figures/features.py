"""Plot what layers encode: neurons with their inputs, weights as images, linear probes, and alignment (CKA)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.views import words
from chainrule.views.figures import BLUE, DASHES, ORANGE, style
from chainrule.views.figures.laboratory import AMBER, FIELD, GREEN, PINK, Band, add_curve

INK = [[0.0, "#f4f4f4"], [1.0, "#10161d"]]
TILE_GAP = 3
"""The distance between tiles, in pixels."""


def mosaic(tiles: NDArray[Any]) -> NDArray[np.float64]:
    """Arrange tiles (rows, columns, height, width) in one image, with NaN between them."""
    rows, columns, height, width = tiles.shape
    image = np.full((rows * (height + TILE_GAP) - TILE_GAP, columns * (width + TILE_GAP) - TILE_GAP), np.nan)
    for i in range(rows):
        for j in range(columns):
            top, left = i * (height + TILE_GAP), j * (width + TILE_GAP)
            image[top : top + height, left : left + width] = tiles[i, j]
    return image


def neurons(layers: Sequence[Any]) -> go.Figure:
    """Plot a column per neuron: its best input, the two maximizing samples, and the minimizing sample.

    layers: four `chainrule.lab.features.Pictures`; all images from 0 to 255.
    """
    columns, said = 2, words.lab_features
    rows = -(-len(layers) // columns)
    figure = make_subplots(
        rows, columns, horizontal_spacing=0.1, vertical_spacing=0.13,
        subplot_titles=[said.panel(i, len(each.units)) for i, each in enumerate(layers)],
    )  # fmt: skip
    for i, each in enumerate(layers):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        tiles = np.stack(
            [each.best, each.most[:, 0], each.most[:, 1], each.least]
        )  # (4, neurons, height, width)
        height, width = tiles.shape[2] + TILE_GAP, tiles.shape[3] + TILE_GAP
        shown = mosaic(tiles)
        _image(figure, shown, INK, 0, 255, where)
        figure.update_xaxes(
            tickvals=[width * (j + 0.5) - TILE_GAP / 2 for j in range(len(each.units))],
            ticktext=[str(unit) for unit in each.units.tolist()], **where,
        )  # fmt: skip
        figure.update_yaxes(
            tickvals=[height * (k + 0.5) - TILE_GAP / 2 for k in range(len(said.KINDS))],
            ticktext=list(said.KINDS),
            showticklabels=where["col"] == 1,
            **where,  # on a phone, stacked, all panels have them
        )
    style(figure, said.NEURONS)
    _frameless(figure, rows * 215 + 110)
    figure.update_layout(meta="side by side")
    return figure


def weights(images: NDArray[Any], max_images: int = 64) -> go.Figure:
    """Plot the incoming weights (units, height, width) with the largest norms: teal above 0, brown below."""
    norm = np.square(images).sum((1, 2))
    chosen = np.sort((-norm).argsort(kind="stable")[:max_images])
    columns = min(8, len(chosen))
    rows = -(-len(chosen) // columns)
    tiles = np.full((rows + rows % 2, columns, *images.shape[1:]), np.nan)
    shown = images[chosen].astype(np.float64)
    tiles.reshape(-1, *images.shape[1:])[: len(chosen)] = shown / np.abs(shown).max((1, 2), keepdims=True)
    figure = make_subplots(1, 2, horizontal_spacing=0.02)  # in two blocks, stacked on a phone
    for column, half in enumerate(np.split(tiles, 2), 1):
        _image(figure, mosaic(half), FIELD, -1, 1, {"row": 1, "col": column})
    style(figure, words.lab_features.WEIGHTS)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    _frameless(figure, 62 * len(tiles) // 2 + 90)
    figure.update_layout(meta="side by side")
    return figure


def held_by_layers(
    names: Sequence[str],
    probes: Mapping[str, NDArray[np.float64]],
    purity: Mapping[str, NDArray[np.float64]],
    at_input: float,
) -> go.Figure:
    """Plot the accuracy of linear probes and the purity of maximizing samples, by layer, trained and untrained.

    probes, purity: shares (seeds, layers) under "trained" and "untrained".  at_input: the probe on the input itself.
    """
    said = words.lab_features
    figure = make_subplots(1, 2, horizontal_spacing=0.09, subplot_titles=said.MEASURES)
    looks = {"trained": (BLUE, "solid", "circle"), "untrained": (ORANGE, "dash", "diamond")}
    for column, shares in enumerate((probes, purity), 1):
        for which, (color, dash, symbol) in looks.items():
            found = 100 * shares[which]
            curve = Band(
                said.WHICH[which],
                list(names),
                found.min(0).tolist(),
                found.mean(0).tolist(),
                found.max(0).tolist(),
            )
            add_curve(figure, curve, color, dash, symbol, column == 1, row=1, col=column)
    figure.add_hline(100 * at_input, line={"color": "#808080", "width": 1.5, "dash": "dot"}, row=1, col=1)
    figure.add_annotation(text=said.ON_PIXELS, x=0, xref="x domain", y=100 * at_input, yref="y", showarrow=False,
                          xanchor="left", yanchor="bottom", xshift=4)  # fmt: skip
    style(figure, said.BEFORE_AND_AFTER)
    figure.update_yaxes(title={"text": said.AXES[0]}, row=1, col=1)
    figure.update_yaxes(title={"text": said.AXES[1]}, row=1, col=2)
    figure.update_layout(height=430, margin={"t": 96}, legend={"y": 1.1}, meta="side by side")
    return figure


def alignment(
    layers: Sequence[str], matrix: NDArray[np.float64], names: Sequence[str], over: NDArray[np.float64]
) -> go.Figure:
    """Plot the linear CKA between layers, and of each layer with its final self during training.

    matrix: (layers, layers).  over: (seeds, epochs + 1, names).
    """
    said = words.lab_features
    figure = make_subplots(
        1, 2, horizontal_spacing=0.12, subplot_titles=said.ALIGNED, column_widths=[0.45, 0.55]
    )
    figure.add_trace(
        go.Heatmap(
            z=matrix, x=list(layers), y=list(layers), zmin=0, zmax=1, xgap=1, ygap=1, showscale=False,
            colorscale=[[0.0, "rgba(0, 114, 178, 0.0)"], [1.0, "rgba(0, 114, 178, 0.75)"]],
            texttemplate="%{z:.2f}", hovertemplate=said.PAIR + "<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    looks = zip((BLUE, GREEN, AMBER, PINK), DASHES, ("circle", "square", "diamond", "cross"), strict=False)
    for i, (name, (color, dash, symbol)) in enumerate(zip(names, looks, strict=True)):
        values = over[:, :, i]
        curve = Band(name, list(range(values.shape[1])), values.min(0).tolist(), values.mean(0).tolist(),
                      values.max(0).tolist())  # fmt: skip
        add_curve(figure, curve, color, dash, symbol, row=1, col=2)
    style(figure, said.ALIGNMENT)
    figure.update_xaxes(showgrid=False, row=1, col=1)
    figure.update_yaxes(showgrid=False, autorange="reversed", row=1, col=1)
    figure.update_xaxes(title={"text": said.EPOCHS}, row=1, col=2)
    figure.update_yaxes(title={"text": said.CKA}, range=[0, 1.03], row=1, col=2)
    figure.update_layout(height=450, margin={"t": 96}, legend={"y": 1.1}, meta="side by side")
    return figure


def _image(
    figure: go.Figure, image: NDArray[Any], scale: object, low: float, high: float, where: Mapping[str, int]
) -> None:
    figure.add_trace(
        go.Heatmap(z=image.astype(np.float32), zmin=low, zmax=high, colorscale=scale, showscale=False,
                   hoverinfo="skip", hoverongaps=False),
        **where,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", constrain="domain", constraintoward="top", **where)


def _frameless(figure: go.Figure, height: int) -> None:
    figure.update_xaxes(showgrid=False, showline=False, ticks="", constrain="domain")
    figure.update_yaxes(showgrid=False, showline=False, ticks="")
    for axis in figure.select_yaxes():
        axis.scaleanchor = axis.anchor or "x"
    figure.update_layout(height=height, margin={"t": 84, "b": 40})
