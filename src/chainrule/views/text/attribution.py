"""Format an attribution and the re-initialization check as tables."""

from __future__ import annotations

import numpy as np

from chainrule.inspection.attribution.reinitialization import ALIKE, Reinitialization
from chainrule.inspection.attribution.result import SHOWN, Attribution
from chainrule.views.words.en import attribution as words


def table(found: Attribution, row: int = 0, top: int = SHOWN) -> str:
    """Format the largest values of a sample, and the completeness check."""
    shown = found.records(row)[:top]
    largest = max((abs(record["attribution"]) for record in shown), default=0.0) or 1.0
    width = max(len("feature"), *(len(record["feature"]) for record in shown))
    many = f", sample {row} of {len(found.values)}" if len(found.values) > 1 else ""
    lines = [
        f"{words.NAMES[found.method]} of {found.targets[row]}{many}",
        f"{'feature':<{width}}{'value':>12}{'baseline':>12}{'attribution':>14}",
    ]
    for record in shown:
        a = record["attribution"]
        mark = ("+" if a > 0 else "-") * round(20 * abs(a) / largest)
        numbers = f"{record['value']:>12.5g}{record['baseline']:>12.5g}{a:>14.5g}"
        lines.append(f"{record['feature']:<{width}}{numbers}  {mark}".rstrip())
    rest = found.values[row].size - len(shown)
    if rest:
        left = float(found.values[row][found.order(row)[top:]].sum())
        lines.append(f"{words.others(rest):<{width}}{'':>24}{left:>14.5g}")
    return "\n".join([*lines, words.completeness(found, row)])


def bars(found: Attribution, row: int, max_features: int) -> list[tuple[str, float]]:
    """Return the features with the largest values, as age = 63, the largest first, and the sum of all others."""
    order = found.order(row)
    shown = [
        (f"{found.feature(k)} = {found.X[row, k]:.4g}", float(found.values[row, k]))
        for k in order[:max_features].tolist()
    ]
    rest = order[max_features:]
    return [*shown, (words.others(len(rest)), float(found.values[row, rest].sum()))] if len(rest) else shown


def reinitialization(check: Reinitialization) -> str:
    """Format one line per layer, and say what the correlations mean."""
    width = max(len("new weights down to"), *(len(stage.layer) for stage in check.stages))
    lines = [
        f"Re-initialization check of {words.NAMES[check.method]}: rank correlation with the trained network's map",
        f"{'new weights down to':<{width}}{'signed':>10}{'absolute':>10}",
        *(f"{stage.layer:<{width}}{stage.signed:>10.3f}{stage.absolute:>10.3f}" for stage in check.stages),
    ]
    last = check.stages[-1]
    if np.isnan(last.signed):
        return "\n".join([*lines, "No sample has two maps to compare: they need two features that differ."])
    found = f"With all layers new, {last.signed:.2f} signed and {last.absolute:.2f} absolute"
    verdict = (
        f"{found}: the maps depend on what was learned."
        if check.passes
        else f"{found}, above {ALIKE}: the maps show the input more than what the network learned of it."
    )
    return "\n".join([*lines, verdict])
