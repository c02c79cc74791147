"""Plot overfitting: training and validation loss by remedy, and the seeds' test accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.views import words
from chainrule.views.figures import BLUE, ORANGE, style
from chainrule.views.figures.laboratory import Band, add_curve


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
