"""The page about an attribution: its figure, the completeness check, the features in a table."""

from __future__ import annotations

from chainrule.inspection.attribution.result import FEATURES_SHOWN, Attribution
from chainrule.views import words
from chainrule.views.report.page import page
from chainrule.views.report.sections import figure, section, table, text
from chainrule.views.text.attribution import cells


def render(attribution: Attribution, row: int = 0) -> str:
    """Return the page of a sample's attribution as HTML."""
    said, (n, features) = words.attribution, attribution.values.shape
    target = said.target(attribution.targets[row])
    rows = [(*texts, f"{value:+.5g}") for *texts, value in cells(attribution, row)]
    return page(
        said.title(attribution.method, target, row, 1),
        said.question(target),
        said.subtitle(attribution.method, features, row, n),
        [
            section("", figure(attribution.figure(row))),
            section(said.ADDS_UP, f"<p>{text(attribution.completeness(row))}</p>"),
            section(said.largest(min(FEATURES_SHOWN, features)), table(said.HEADS, rows)),
        ],
    )
