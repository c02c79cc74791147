"""Makes the pictures of docs/gallery: each page's Python runs, and its figures show what it computed.

    python docs/images/make_gallery.py [PAGE ...]

Plotly draws them in Chromium, on a light ground, which is read on dark pages too. Needs the extra `test` (Playwright,
statsmodels) and Chromium.
"""

from __future__ import annotations

import builtins
import io
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots
from sklearn.metrics import confusion_matrix

HERE = Path(__file__).parent
PAGES = HERE.parent / "gallery"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WIDTH, DENSITY, COLORS = 760, 1.5, 64
BLUE, ORANGE, GREY = "#1a6fb5", "#d9730d", "#9a9a9a"

Figures = Iterator[tuple[str, go.Figure]]


def images(page: dict[str, Any]) -> Figures:
    """The worst mistakes; accuracy by the number of labels."""
    worst, sure, y = page["worst"], page["sure"], page["y_test"]
    titles = [f"{y[i]}, taken for {sure[i].argmax()}" for i in worst]
    figure = make_subplots(2, 5, subplot_titles=titles, horizontal_spacing=0.02, vertical_spacing=0.12)
    for place, i in enumerate(worst):
        picture = go.Heatmap(z=page["X_test"][i].reshape(28, 28)[::-1], colorscale="Greys", showscale=False)
        figure.add_trace(picture, place // 5 + 1, place % 5 + 1)
    figure.update_xaxes(visible=False, constrain="domain").update_yaxes(visible=False)
    for k in range(1, 11):
        figure.update_yaxes(scaleanchor=f"x{k}", row=(k - 1) // 5 + 1, col=(k - 1) % 5 + 1)
    yield "worst", figure.update_layout(height=380)

    scores = page["scores"]
    figure = go.Figure()
    for column, name, color in ((0, "with the old hidden layer", BLUE), (1, "from scratch", ORANGE)):
        values = [pair[column] for pair in scores.values()]
        figure.add_scatter(x=list(scores), y=values, name=name, line={"color": color}, mode="lines+markers")
    figure.update_xaxes(title="labelled digits 5 to 9", type="log", tickvals=list(scores))
    yield "transfer", figure.update_yaxes(title="accuracy").update_layout(height=330)


def text(page: dict[str, Any]) -> Figures:
    """What is taken for what."""
    names = list(page["PACKAGES"])
    shares = confusion_matrix(
        page["y_test"], page["net"].predict(page["X_test"]), labels=names, normalize="true"
    )
    figure = go.Figure(
        go.Heatmap(z=shares, x=names, y=names, colorscale="Blues", texttemplate="%{z:.0%}", showscale=False)
    )
    figure.update_xaxes(title="taken for").update_yaxes(title="is from", autorange="reversed")
    yield "", figure.update_layout(height=320, width=520)


def series(page: dict[str, Any]) -> Figures:
    """The last five years of the seasonal series, and what was forecast."""
    figure = make_subplots(2, 1, subplot_titles=["orders (index)", "temperature, °C"], vertical_spacing=0.16)
    for row, (name, (true, forecast)) in enumerate(page["lines"].items(), 1):
        for values, label, color in ((true, "measured", GREY), (forecast, "forecast a month before", BLUE)):
            shown = np.exp(values[-60:] / 100) if name == "orders" else values[-60:]
            line = {"color": color, "width": 4 if color == GREY else 2}
            figure.add_trace(go.Scatter(y=shown, name=label, line=line, showlegend=row == 1), row, 1)
    figure.update_xaxes(title="months", row=2)
    yield "", figure.update_layout(height=460)


def tables(page: dict[str, Any]) -> Figures:
    """What came over what was predicted."""
    late, figure = page["late"], go.Figure()
    for continent in sorted(set(late["continent"])):
        rows = np.flatnonzero(late["continent"].to_numpy() == continent)
        figure.add_scatter(
            x=page["guess"][rows], y=page["y_test"][rows], name=continent, mode="markers", marker={"size": 6}
        )
    ends = [float(page["guess"].min()), float(page["guess"].max())]
    figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dot"}, name="as predicted")
    figure.update_xaxes(title="predicted change, years").update_yaxes(title="change, years")
    yield "", figure.update_layout(height=400)


def run(path: Path) -> dict[str, Any]:
    """What the names of a page's Python mean at its end."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for code in PYTHON.findall(path.read_text("utf-8")):
        builtins.exec(compile(code, str(path), "exec", dont_inherit=True), namespace)
    return namespace


def main() -> None:
    """Make those of the pages that are named, or all."""
    makers = {maker.__name__: maker for maker in (images, text, series, tables)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        screen = browser.new_page(viewport={"width": WIDTH, "height": 600}, device_scale_factor=DENSITY)
        for name in sys.argv[1:] or makers:
            for ending, figure in makers[name](run(PAGES / f"{name}.md")):
                figure.update_layout(
                    template="plotly_white", margin={"l": 60, "r": 20, "t": 60, "b": 50}, font_size=13
                )
                figure.update_layout(legend={"orientation": "h", "y": 1.14} if name != "tables" else {})
                screen.set_content(figure.to_html(config={"displayModeBar": False}, include_mathjax=False))
                drawn = Image.open(io.BytesIO(screen.locator(".svg-container").screenshot())).convert("RGB")
                path = HERE / f"gallery-{name}{'-' * bool(ending)}{ending}.png"
                drawn.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
                print(path, path.stat().st_size)
        browser.close()


if __name__ == "__main__":
    main()
