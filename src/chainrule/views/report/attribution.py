"""Write a page about one attribution: its figure, the completeness check, the features in a table."""

from __future__ import annotations

from chainrule.inspection.attribution.result import SHOWN, Attribution
from chainrule.views.report.page import page
from chainrule.views.report.sections import figure, section, table, text
from chainrule.views.words.en.attribution import NAMES


def render(attribution: Attribution, row: int = 0) -> str:
    """Return the page of a sample's attribution as HTML."""
    name, target = NAMES[attribution.method], attribution.targets[row]
    many = f"Sample {row} of {len(attribution.values):,}. " if len(attribution.values) > 1 else ""
    return page(
        f"{name} of {target}",
        f"Why {target}?",
        f"{many}{name}: what each of {attribution.values.shape[1]:,} features did for the output.",
        [
            section("", figure(attribution.figure(row))),
            section("Does it add up?", f"<p>{text(attribution.completeness(row))}</p>"),
            section(f"The {min(SHOWN, attribution.values.shape[1])} largest", features(attribution, row)),
        ],
    )


def features(attribution: Attribution, row: int, max_features: int = SHOWN) -> str:
    """Return a table of the max_features features with the largest |attribution|."""
    rows = [
        (
            record["feature"],
            f"{record['value']:.5g}",
            f"{record['baseline']:.5g}",
            f"{record['attribution']:+.5g}",
        )
        for record in attribution.records(row)[:max_features]
    ]
    return table(("feature", "value", "baseline", "attribution"), rows)
