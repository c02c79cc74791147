"""The figures of experiments: fits, descents, what neurons look for, regularization, networks without backprop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.views import words
from chainrule.views.figures import BLUE, DASHES, ORANGE, area, see_through, style

# --- plot figures of the laboratory: approximation by width, optimizers and their paths ------------------------------

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


# --- plot what layers encode: neurons with their inputs, weights as images, linear probes, and alignment (CKA) -------

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


# --- plot overfitting: training and validation loss by remedy, and the seeds' test accuracies ------------------------


def overfitting(
    runs: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]],
    accuracy: Mapping[str, float],
    wrong: float,
) -> go.Figure:
    """Plot the training and the validation loss over the epochs, one panel per remedy.

    runs: for each seed both losses by epoch; the line is the median over the seeds still running, the band their range.
    accuracy: on the test set, in percent, for the panel's title.  wrong: the share of wrong labels.
    """
    columns, said = 3, words.lab_regularization
    rows = -(-len(runs) // columns)
    figure = make_subplots(
        rows, columns, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=0.12,
        subplot_titles=[said.panel(name, accuracy[name]) for name in runs],
    )  # fmt: skip
    longest = max(len(losses[0]) for group in runs.values() for losses in group)
    for i, group in enumerate(runs.values()):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        for which, (name, color, dash, symbol) in enumerate(
            (
                (said.LOSSES[0], BLUE, "solid", "circle"),
                (said.LOSSES[1], ORANGE, "dash", "diamond"),
            )
        ):
            curve = _across(name, [losses[which] for losses in group])
            add_curve(figure, curve, color, dash, symbol, i == 0, **where)
    style(figure, said.both_losses(wrong))
    figure.update_xaxes(title={"text": said.EPOCH}, row=rows)
    figure.update_xaxes(range=[1, max(longest, 2)])
    highest = max(max(group[0][which][0] for which in (0, 1)) for group in runs.values())
    figure.update_yaxes(range=[0, 1.05 * highest])
    figure.update_yaxes(title={"text": said.LOSS}, col=1)
    figure.update_layout(
        height=250 * rows + 110,
        margin={"t": 104},
        legend={"y": 1.07},
        meta="side by side",
    )
    return figure


def test_accuracies(found: Mapping[float, Mapping[str, NDArray[np.float64]]]) -> go.Figure:
    """Plot each seed's test accuracy in percent: one row per remedy, the first on top; one panel per kind of labels."""
    said = words.lab_regularization
    figure = make_subplots(1, len(found), shared_yaxes=True, horizontal_spacing=0.05,
                           subplot_titles=[said.with_labels(wrong) for wrong in found])  # fmt: skip
    for column, accuracies in enumerate(found.values(), 1):
        rows, first = list(accuracies.values()), column == 1
        names = [said.REMEDIES[name] for name in accuracies]
        plain = float(rows[0].mean())
        for s in range(len(rows[0])):
            figure.add_trace(
                go.Scatter(
                    x=[float(row[s]) for row in rows], y=names, mode="markers", name=said.ONE_SEED,
                    showlegend=first and s == 0, marker={"color": BLUE, "size": 9, "opacity": 0.6},
                    hovertemplate="%{y}<br>%{x:.2f} %<extra></extra>",
                ),
                row=1, col=column,
            )  # fmt: skip
        means = [float(row.mean()) for row in rows]
        figure.add_trace(
            go.Scatter(
                x=means, y=names, mode="markers+text", name=said.MEAN, showlegend=first, cliponaxis=False,
                text=[f"<b>{mean:.1f}</b>" for mean in means], textposition="top center",
                marker={"symbol": "line-ns", "size": 22, "line": {"width": 4, "color": ORANGE}, "color": ORANGE},
                hovertemplate=said.MEAN_OF + "<extra></extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
        figure.add_vline(plain, line={"color": "#808080", "width": 1.5, "dash": "dot"}, row=1, col=column)
    style(figure, said.ACCURACIES, said.ACCURACY)
    figure.update_yaxes(type="category", autorange="reversed")
    figure.update_layout(
        height=64 * len(names) + 150,
        margin={"t": 96},
        legend={"y": 1.1},
        meta="side by side",
    )
    return figure


def _across(name: str, runs: Sequence[Sequence[float]]) -> Band:
    """Return the median and the range at each epoch, over the runs that reached it."""
    epochs = range(1, max(map(len, runs)) + 1)
    at = [np.array([run[e - 1] for run in runs if len(run) >= e]) for e in epochs]
    return Band(name, list(epochs), [float(v.min()) for v in at], [float(np.median(v)) for v in at],
                 [float(v.max()) for v in at])  # fmt: skip


# --- plot training with and without backpropagation ------------------------------------------------------------------

FAMILIES_OF_METHODS = {
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
        color = FAMILIES_OF_METHODS[curve.family]
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
            marker={"color": [FAMILIES_OF_METHODS[family] for _, family, _ in rows]},
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
