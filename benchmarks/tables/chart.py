"""The page's figures, as SVG: a row a table, a dot a contestant, on an axis of powers."""

from __future__ import annotations

import math
from html import escape

from tables.cells import Cells
from tables.contestants import CONTESTANTS, TITLES
from tables.loaders import TABLES

COLORS = {
    "ours": "#d55e00",
    "best": "#a50f15",
    "ours-realmlp": "#fdae6b",
    "mlp": "#0072b2",
    "boosting": "#009e73",
    "linear": "#8a8a8a",
    "catboost": "#e0b000",
    "lightgbm": "#66c2a5",
    "xgboost": "#1b5e20",
    "realmlp": "#7b3294",
    "realmlp-s": "#c2a5cf",
    "tabm": "#56b4e9",
}
LEFT, WIDTH, ROW, TOP = 150, 720, 22, 92
BESIDE, APART = 5, 112
"""The names in a row of the legend, and how far they are from each other."""
MAIN = {"classification": "log_loss", "regression": "rmse"}
"""The score that a figure shows, whose zero is perfect."""
SHORT = {
    "best": '"best"',
    "ours-realmlp": '"realmlp"',
    "mlp": "sklearn's MLP",
    "boosting": "HistGB",
    "realmlp-s": "RealMLP-S",
}
"""Names that would not fit the legend."""

Rows = list[tuple[str, dict[str, float]]]


def scores(cells: Cells) -> str:
    """Log loss or RMSE of each contestant, as a multiple of that of scikit-learn's MLP on the same splits."""
    rows: Rows = []
    for each in TABLES:
        pairs = {who: cells.pair(each.name, who, "mlp", MAIN[each.task]) for who in CONTESTANTS}
        if known := {who: pair[0] / pair[1] for who, pair in pairs.items() if pair and all(pair)}:
            rows.append((each.name, known))
    return drawn(rows, "log loss or RMSE, relative to scikit-learn's MLP; further left is better", 0.5, 2.0)


def times(cells: Cells) -> str:
    """The seconds that each contestant takes to fit."""
    rows: Rows = []
    for each in TABLES:
        values = {who: cells.middle(each.name, who, "fit_cpu") for who in CONTESTANTS}
        if known := {who: value for who, value in values.items() if value}:
            rows.append((each.name, known))
    return drawn(rows, "seconds of the processor to fit", 0.1, 10.0)


def drawn(rows: Rows, title: str, low: float, high: float) -> str:
    """Draw rows of dots from `low` to `high`, or as far as the values go, on a logarithmic axis."""
    every = [value for _, values in rows for value in values.values()]
    low, high = min([low, *every]), max([high, *every])
    height = TOP + ROW * len(rows) + 34

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * math.log(value / low) / math.log(high / low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" fill="#222222">{escape(title)}</text>',
    ]
    for place, who in enumerate(who for who in CONTESTANTS if any(who in values for _, values in rows)):
        at, y = LEFT + APART * (place % BESIDE), 36 + 20 * (place // BESIDE)
        parts.append(f'<circle cx="{at + 5}" cy="{y}" r="5" fill="{COLORS[who]}"/>')
        parts.append(
            f'<text x="{at + 13}" y="{y + 4}" fill="#222222">{escape(SHORT.get(who, TITLES[who]))}</text>'
        )
    for tick in ticks(low, high):
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{height - 26}" stroke="#dddddd"/>'
        )
        parts.append(
            f'<text x="{x(tick):.1f}" y="{height - 10}" text-anchor="middle" fill="#555555">{tick:g}</text>'
        )
    for index, (name, values) in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        parts.append(
            f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end" fill="#222222">{escape(name)}</text>'
        )
        for who in reversed(list(values)):
            parts.append(
                f'<circle cx="{x(values[who]):.1f}" cy="{y:.1f}" r="5" fill="{COLORS[who]}" fill-opacity="0.85"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within the axis; powers alone where it is long."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > 1000 else (1, 2, 5)
    marks = [float(f"{step}e{power}") for power in powers for step in steps]
    return [mark for mark in marks if low <= mark <= high]
