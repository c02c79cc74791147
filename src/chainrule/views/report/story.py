"""The page with the story of one prediction, and its figures: neurons, the backward pass, a training step's effect."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from chainrule.inspection.story import Story
from chainrule.inspection.story.chapters import Bars, Chapter, Content, Grid, Picture, Signed
from chainrule.views import words
from chainrule.views.figures import BLUE, GREY, cut, style
from chainrule.views.figures.attribution import (
    BAR_WIDTH,
    DIVERGING,
    attribution_bars,
    attribution_image,
    hatched,
    name_rows,
    upper,
)
from chainrule.views.markup import figure, section, text
from chainrule.views.pictures import image_png
from chainrule.views.report import page

SCROLL = '<div class="scroll" style="margin:4px 0 16px;white-space:nowrap"><table>'
MAX_ANSWERS = 4
"""The maximum number of answers in the figure of probabilities."""


def render(story: Story) -> str:
    """Return the page of a story as HTML."""
    first, answered, made, why, change = story.parts()
    heading = words.story_page.heading(story)
    return page(
        heading,
        heading,
        words.story_page.subtitle(story),
        [
            tiles(story),
            f'<div class="pair">{chapter(first, 1)}{chapter(answered, 2)}</div>',
            chapter(made, 3, figure(activity(strips(story)))),
            chapter(why, 4, reasons(story)),
            chapter(change, 5, after(story)),
        ],
    )


def strips(story: Story) -> list[tuple[str, NDArray[Any]]]:
    """Return the name and the output of each layer, starting with the input of the first trained layer."""
    first = max((i for i, layer in enumerate(story.layers) if layer.changes_units), default=0)
    return [(layer.name, layer.values) for layer in story.layers[first:]]


def tiles(story: Story) -> str:
    """Return tiles with the most important numbers."""
    said = words.story_page
    shown = {said.SAID: words.story_page.said(story)}
    if story.answers[0].share is not None:
        shown[said.PROBABILITY] = words.phrases.percent(story.answers[0].share)
    if story.truth is not None:
        shown[said.TRUTH] = words.story_page.named(story, story.truth)
    if story.rival is not None:
        shown[said.ahead_of(words.story_page.rival_of(story, story.rival))] = f"{story.rival.gap:.3f}"
    error = float(story.attribution.error[0])
    if not np.isnan(error):
        shown[said.off_its_sum(story.attribution.method)] = f"{error:.0e}" if error else "0"
    four = list(shown.items())[:4]
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in four)
    return f'<dl class="tiles">{cells}</dl>'


def chapter(part: Chapter, number: int, drawn: str = "") -> str:
    """Return a chapter as a section. drawn: its figures, which replace the terminal's drawings."""
    pieces = [piece(item, bool(drawn)) for item in part.content]
    return section(f"{number}. {part.title}", pieces[0], drawn, *pieces[1:])


def piece(item: Content, is_drawn: bool) -> str:
    """Return a sentence, a table, bars or an image; "" if a figure already shows it."""
    if isinstance(item, Grid):
        return grid(item)
    if isinstance(item, Bars):
        return bars(item)
    if isinstance(item, Signed):
        return ""
    if isinstance(item, Picture):
        return "" if is_drawn else picture(item)
    return f"<p>{text(item)}</p>"


def picture(item: Picture) -> str:
    """Return the input as an image, with square pixels."""
    height, width = item.pixels.shape
    encoded = base64.b64encode(image_png(item.pixels, (height, width))).decode()
    style = (
        "width:100%;max-width:300px;height:auto;display:block;margin:8px auto;border-radius:10px;"
        "image-rendering:pixelated"
    )
    alt, source = text(words.story_page.INPUT), f"data:image/png;base64,{encoded}"
    return f'<img src="{source}" width="{width}" height="{height}" alt="{alt}" style="{style}">'


def grid(item: Grid) -> str:
    """Return a table with the rows' names in the first column."""
    is_number = [k > 0 and name not in item.words for k, name in enumerate(item.columns)]
    head = "".join(
        f'<th scope="col"{" class=number" if right else ""}>{text(name)}</th>'
        for name, right in zip(item.columns, is_number, strict=True)
    )
    body = ""
    for row in item.rows:
        indent = (len(row[0]) - len(row[0].lstrip())) // 2
        name = f'<th scope="row"{f" style=padding-left:{18 * indent}px" if indent else ""}>{text(row[0].strip())}</th>'
        cells = "".join(
            f'<td class="number">{text(cell)}</td>' if right else f"<td>{text(cell)}</td>"
            for cell, right in zip(row[1:], is_number[1:], strict=True)
        )
        body += f"<tr>{name}{cells}</tr>"
    return f"{SCROLL}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def bars(item: Bars) -> str:
    """Return bars as a table: name, number, bar."""
    rows = "".join(
        f'<tr><th scope="row">{text(row.name)}</th><td class="number">{text(row.number)}</td>'
        '<td style="width:45%;min-width:90px"><div style="height:12px;margin-top:5px;border-radius:6px;'
        f'background:var({"--accent" if row.is_main else "--soft"});width:{max(100 * row.share, 0.5):.2f}%"></div></td>'
        f'<td class="number">{text(row.note)}</td></tr>'
        for row in item.rows
    )
    return f"{SCROLL}<tbody>{rows}</tbody></table></div>"


def reasons(story: Story) -> str:
    """Return figures of the attribution: for the answer, and for the answer against its rival."""
    held = None if story.rival is None else story.rival.attribution
    both = [story.attribution] if held is None else [story.attribution, held]
    if story.shape is None:
        drawn = [attribution_bars(each) for each in both]
    else:
        drawn = [attribution_image(each, with_input=held is None) for each in both]
    cells = "".join(f"<div style=min-width:0>{figure(each)}</div>" for each in drawn)
    return f'<div class="pair">{cells}</div>'


def after(story: Story) -> str:
    """Return figures of the backward pass, and of the probabilities after the step."""
    if story.change is None:
        return ""
    c = story.change
    deltas = layer_bars(
        [d.name for d in c.deltas],
        [d.delta for d in c.deltas],
        words.story_page.BACK,
        words.story_page.DELTA,
    )
    drawn = [deltas]
    if story.task != "regression":
        now, then = story.answers[:MAX_ANSWERS], c.answers_after[:MAX_ANSWERS]
        drawn.append(
            probabilities(
                [a.label for a in now],
                [a.share or 0.0 for a in now],
                [a.share or 0.0 for a in then],
            )
        )
    cells = "".join(f"<div style=min-width:0>{figure(each)}</div>" for each in drawn)
    return f'<div class="pair">{cells}</div>'


# --- its figures -----------------------------------------------------------------------------------------------------


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
