"""Plot figures with Plotly: those about any model here, each other subject in a module, and the style of all.

Blue and orange are distinguishable by color-blind readers too (Okabe and Ito, "Color universal design", 2008). Color is
never the only cue: lines also differ in dash and marker, and cells show their numbers. Backgrounds are transparent, for
light and dark pages.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.views import words

BLUE, ORANGE = "#0072B2", "#D55E00"
GREY = "rgba(128, 128, 128, 0.25)"
ZERO = {"zeroline": True, "zerolinecolor": "rgba(128, 128, 128, 0.8)", "zerolinewidth": 1}
"""An axis with a line at 0."""
BLUES = [[0.0, "rgba(0, 114, 178, 0.0)"], [1.0, "rgba(0, 114, 178, 1.0)"]]
ORANGES = [[0.0, "rgba(230, 159, 0, 0.0)"], [1.0, "rgba(230, 159, 0, 0.85)"]]
OUTPUT_COLORS = (BLUE, "#E69F00", "#009E73", "#CC79A7", "#56B4E9", ORANGE)
SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up", "x")
MAX_NUMBERED = 20
"""The maximum number of classes whose cells have room for numbers."""
MAX_NAMED = 100
"""The maximum number of classes whose full names appear in the hover text of each cell."""
MAX_POINTS = 2000
"""The maximum number of points of a scatter plot; more are thinned out evenly."""
FEW_TIMES = 5
"""The ratio of a logarithmic axis's largest number to its smallest up to which its ticks have the same distance."""
MAX_NAME_CHARACTERS = 26
"""The maximum number of characters of a name on the axis; the hover text has the whole name."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
DIAGONAL = {"color": "rgba(128, 128, 128, 0.8)", "dash": "dot", "width": 2}


def learning_curve(records: Sequence[dict[str, float]], name: str, watched: str | None = None) -> go.Figure:
    """Plot a metric of a history over the epochs, for training and validation: loss and val_loss.

    watched: the name of the samples of the val_ columns; validation samples by default.
    """
    figure, said = go.Figure(), words.model
    lines = (
        (name, said.TRAINING, BLUE, "solid", "circle"),
        (f"val_{name}", watched or said.VALIDATION, ORANGE, "dash", "diamond"),
    )
    for column, label, color, dash, symbol in lines:
        points = [
            (i, record[column]) for i, record in enumerate(records, 1) if record.get(column) is not None
        ]
        if not points:
            continue
        epochs, values = zip(*points, strict=True)
        figure.add_trace(
            go.Scatter(
                x=epochs,
                y=values,
                name=label,
                mode="lines+markers" if len(points) <= 20 else "lines",
                line={"color": color, "width": 2.5, "dash": dash},
                marker={"size": 8, "symbol": symbol},
                hovertemplate=said.at_epoch(label, name) + "<extra></extra>",
            )
        )
    style(figure, said.titled(name), said.EPOCH, words.phrases.spoken(name))
    figure.update_layout(hovermode="x unified")
    ticks = {"tick0": 1, "dtick": 1} if len(records) <= 10 else {}
    figure.update_xaxes(range=[0.9, max(len(records), 1) + 0.1] if len(records) <= 50 else None, **ticks)
    if name == "loss" and all(value > 0 for trace in figure.data for value in trace.y):
        axis = words.phrases.logarithmic(words.phrases.spoken(name))
        step = logarithmic_step([value for trace in figure.data for value in trace.y])
        figure.update_yaxes(type="log", title={"text": axis}, minor={"showgrid": False})
        figure.update_yaxes(tickformat="~g", tick0=0, dtick=step)
    return figure


def logarithmic_step(values: Sequence[float]) -> str:
    """Return Plotly's step between the ticks of a logarithmic axis of numbers above 0.

    "D2" is 1, 2 and 5 times every power of ten. Where the largest number is less than FEW_TIMES the smallest, as of
    many losses, that may be one tick: so the step is 1, 2 or 5 times a power of ten ("L0.05"), and three to eight fit.
    """
    low, high = min(values, default=1.0), max(values, default=1.0)
    if not low < high < FEW_TIMES * low:
        return "D2"
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    return f"L{max(step * power for step in (1, 2, 5) if step * power <= (high - low) / 3):.6g}"


def confusion(matrix: NDArray[Any], labels: Sequence[str]) -> go.Figure:
    """Plot a confusion matrix (classes, classes), rows true and columns predicted: hits in blue, misses in orange.

    Cells are colored by their share of the true class, misses on a separate scale.
    """
    count = len(matrix)
    is_crowded = count > MAX_NUMBERED
    short = [shortened(label, 16 if is_crowded else 22) for label in labels]
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)  # (classes, classes)
    hit = np.eye(count, dtype=np.bool_)
    cells = np.stack([matrix, 100 * share], -1).astype(object)  # the numbers in the hover text
    hover = words.model.cell("%{y}", "%{x}")
    if count <= MAX_NAMED:
        names = np.array([html.escape(label) for label in labels], object)
        true, predicted = np.meshgrid(names, names, indexing="ij")
        cells = np.concatenate([cells, np.stack([true, predicted], -1)], -1)
        hover = words.model.cell("%{customdata[2]}", "%{customdata[3]}")
    figure = go.Figure()
    most = [float(share[mask].max()) if mask.any() else 1.0 for mask in (hit, ~hit)]
    is_strong = hit & (share >= most[0] / 2)  # white letters are readable on these
    drawn = (
        (is_strong, BLUES, most[0], "white"),
        (hit & ~is_strong, BLUES, most[0], None),
        (~hit, ORANGES, most[1], None),
    )
    for mask, scale, largest, color in drawn:
        figure.add_trace(
            go.Heatmap(
                z=np.where(mask, share, np.nan),
                text=np.where(mask & ((matrix > 0) | hit), matrix.astype(str), ""),
                customdata=cells.tolist(),
                x=list(range(count)),
                y=list(range(count)),
                zmin=0.0,
                zmax=max(largest, 1e-9),
                colorscale=scale,
                showscale=False,
                xgap=1,
                ygap=1,
                hoverongaps=False,
                texttemplate=None if is_crowded else "%{text}",
                textfont={"color": color} if color else None,
                hovertemplate=hover + "<extra></extra>",
            )
        )
    height = min(160 + 17 * count, 1400) if is_crowded else 520
    style(figure, words.model.CONFUSION, words.model.PREDICTED, words.model.TRUE, height=height)
    ticks = named_places(short)
    is_flat = count * max(map(len, labels), default=0) <= 40
    figure.update_xaxes(**ticks, constrain="domain", tickangle=0 if is_flat else 90)
    figure.update_yaxes(**ticks, constrain="domain", autorange="reversed", title={"standoff": 14})
    return figure


def shortened(label: str, letters: int) -> str:
    """Shorten a label to fit on an axis, and escape it."""
    return html.escape(label if len(label) <= letters else label[: letters - 1] + "…")


def cut(name: str, letters: int = MAX_NAME_CHARACTERS) -> str:
    """Shorten a name to fit on an axis, and escape it; of "name = value" the value is kept whole."""
    name, equals, value = name.rpartition(" = ") if " = " in name else (name, "", "")
    return shortened(name, letters) + html.escape(equals + value)


def predicted_against_true(y: NDArray[Any], predicted: NDArray[Any]) -> go.Figure:
    """Plot predictions against true values, with the diagonal. y, predicted: (n,) or (n, outputs)."""
    y, predicted = y.reshape(len(y), -1), predicted.reshape(len(predicted), -1)
    outputs = min(y.shape[1], len(SYMBOLS))
    rows = evenly_spaced(len(y), MAX_POINTS // outputs)
    y, predicted = y[rows], predicted[rows]
    low, high = float(min(y.min(), predicted.min())), float(max(y.max(), predicted.max()))
    figure, said = go.Figure(), words.model
    figure.add_trace(
        go.Scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            name=said.DIAGONAL,
            line=DIAGONAL,
            hoverinfo="skip",
        )
    )
    for k in range(outputs):
        figure.add_trace(
            go.Scatter(
                x=y[:, k],
                y=predicted[:, k],
                mode="markers",
                name=words.phrases.output(k) if outputs > 1 else said.SAMPLES,
                marker={"color": OUTPUT_COLORS[k], "symbol": SYMBOLS[k], "size": 7, "opacity": 0.55},
                hovertemplate=said.POINT + "<extra></extra>",
            )
        )
    style(figure, said.PREDICTED_AGAINST_TRUE, said.TRUE, said.PREDICTED, height=520)
    return figure


def label_counts(y: NDArray[Any], predicted: NDArray[Any], labels: Sequence[str]) -> go.Figure:
    """Plot for each label its numbers of hits, misses and false alarms.

    y, predicted: (n, labels) 0 or 1.
    """
    said, names = words.model, [html.escape(label) for label in labels]
    counts = (
        (said.FOUND, (y == 1) & (predicted == 1), BLUE, ""),
        (said.MISSED, (y == 1) & (predicted == 0), "#E69F00", "/"),
        (said.FALSE_ALARM, (y == 0) & (predicted == 1), ORANGE, "x"),
    )
    figure = go.Figure()
    for name, which, color, shape in counts:
        count = which.sum(0)
        figure.add_trace(
            go.Bar(
                x=names,
                y=count,
                name=name,
                marker={
                    "color": color,
                    "pattern": {"shape": shape, "fillmode": "overlay", "fgcolor": "rgba(0, 0, 0, 0.5)"},
                },
                hovertemplate=said.label_count(name) + "<extra></extra>",
            )
        )
    style(figure, said.LABELS, said.LABEL, said.SAMPLES)
    figure.update_xaxes(type="category")
    figure.update_layout(barmode="group", height=420, hovermode="x unified")
    return figure


def size_bars(
    names: Sequence[str],
    sizes: Sequence[float] | NDArray[np.float64],
    title: str,
    axis: str,
    letters: int,
    **look: Any,
) -> go.Figure:
    """Plot a bar per name, the first on top, with at most some letters of each name beside it."""
    places, told = list(range(len(names))), [html.escape(name) for name in names]
    figure = go.Figure(go.Bar(x=sizes, y=places, orientation="h", marker_color=BLUE, hovertext=told, **look))
    style(figure, title, axis)
    figure.update_xaxes(nticks=6, **ZERO)
    figure.update_yaxes(**named_places([shortened(name, letters) for name in names]), autorange="reversed")
    figure.update_layout(height=130 + 24 * max(len(names), 3))
    return figure


def area(x: Any, low: Any, high: Any, **look: Any) -> go.Scatter:
    """Return the area between two curves over x, which the pointer ignores."""
    return go.Scatter(
        x=[*x, *x[::-1]],
        y=[*high, *low[::-1]],
        fill="toself",
        hoverinfo="skip",
        **{"line": {"width": 0}, "showlegend": False, **look},
    )


def error_bars(value: Any, low: Any, high: Any, color: str, **look: Any) -> dict[str, object]:
    """Return the interval of each point, from low to high."""
    shape = {"type": "data", "symmetric": False, "color": color, "thickness": 1.5}
    return shape | {"array": high - value, "arrayminus": value - low} | look


def see_through(color: str, opacity: float) -> str:
    """Return a color such as #0072B2 through which what is behind it can be seen."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def named_places(names: Sequence[str], first: int = 0) -> dict[str, Any]:
    """Return the settings of an axis with a name at each whole number, from `first` on, and no grid."""
    places = list(range(first, first + len(names)))
    return {"tickmode": "array", "tickvals": places, "ticktext": list(names), "showgrid": False}


def style(figure: go.Figure, title: str, x: str = "", y: str = "", *, height: float = 360) -> None:
    """Apply the common style to a figure, with the names of its axes. height: in pixels."""
    figure.update_layout(
        template="none",
        title={
            "text": title,
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "font": {"size": 19, "weight": 700},
        },
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#707070"},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        margin={"l": 64, "r": 16, "t": 56, "b": 56},
        height=height,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        hoverlabel={"namelength": -1},
    )
    axis = {"gridcolor": GREY, "linecolor": GREY, "zeroline": False, "automargin": True}
    figure.update_xaxes(title={"text": x}, **axis)
    figure.update_yaxes(title={"text": y}, **axis)
