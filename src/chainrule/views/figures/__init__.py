"""Plot figures with Plotly, for notebooks, pages and reports. Each has a title and axis labels.

Each subject's figures are in one module; those about any model, and the common style, in `base`.
"""

from __future__ import annotations

from chainrule.views.figures.base import (
    BLUE,
    BLUES,
    GREY,
    MAX_NUMBERED,
    MAX_POINTS,
    ORANGE,
    ORANGES,
    OUTPUT_COLORS,
    SYMBOLS,
    confusion,
    label_counts,
    learning_curve,
    predicted_against_true,
    style,
)

__all__ = [
    "BLUE",
    "BLUES",
    "GREY",
    "MAX_NUMBERED",
    "MAX_POINTS",
    "ORANGE",
    "ORANGES",
    "OUTPUT_COLORS",
    "SYMBOLS",
    "confusion",
    "label_counts",
    "learning_curve",
    "predicted_against_true",
    "style",
]
