"""Format an attribution and the re-initialization check as tables."""

from __future__ import annotations

import numpy as np

from chainrule.inspection.attribution.reinitialization import SIMILAR_CORRELATION, Reinitialization
from chainrule.inspection.attribution.result import FEATURES_SHOWN, Attribution
from chainrule.views import words


def table(found: Attribution, row: int = 0, top: int = FEATURES_SHOWN) -> str:
    """Format the largest values of a sample, and the completeness check."""
    said, order = words.attribution, found.order(row)
    names = [said.feature(found, k) for k in order[:top].tolist()]
    largest = float(np.abs(found.values[row]).max(initial=0.0)) or 1.0
    width = max(len(said.HEADS[0]), *map(len, names))
    lines = [
        said.title(found.method, said.target(found.targets[row]), row, len(found.values)),
        f"{said.HEADS[0]:<{width}}{said.HEADS[1]:>12}{said.HEADS[2]:>12}{said.HEADS[3]:>14}",
    ]
    for name, k in zip(names, order.tolist(), strict=False):
        a = float(found.values[row, k])
        mark = ("+" if a > 0 else "-") * round(20 * abs(a) / largest)
        numbers = f"{found.X[row, k]:>12.5g}{found.baseline[row, k]:>12.5g}{a:>14.5g}"
        lines.append(f"{name:<{width}}{numbers}  {mark}".rstrip())
    rest = order[top:]
    if len(rest):
        left = float(found.values[row][rest].sum())
        lines.append(f"{said.others(len(rest)):<{width}}{'':>24}{left:>14.5g}")
    return "\n".join([*lines, said.completeness(found, row)])


def bars(found: Attribution, row: int, max_features: int) -> list[tuple[str, float]]:
    """Return the features with the largest values, such as age = 63, the largest first, and the sum of all others."""
    order, said = found.order(row), words.attribution
    shown = [
        (f"{said.feature(found, k)} = {found.X[row, k]:.4g}", float(found.values[row, k]))
        for k in order[:max_features].tolist()
    ]
    rest = order[max_features:]
    return [*shown, (said.others(len(rest)), float(found.values[row, rest].sum()))] if len(rest) else shown


def cells(
    found: Attribution, row: int, max_features: int = FEATURES_SHOWN
) -> list[tuple[str, str, str, float]]:
    """Return the features with the largest values: name, value and baseline as text, and share."""
    return [
        (
            words.attribution.feature(found, k),
            f"{found.X[row, k]:.5g}",
            f"{found.baseline[row, k]:.5g}",
            float(found.values[row, k]),
        )
        for k in found.order(row)[:max_features].tolist()
    ]


def reinitialization(check: Reinitialization) -> str:
    """Format one line per layer, and a conclusion about the correlations."""
    said = words.attribution
    down, signed, absolute = said.CHECK_HEADS
    width = max(len(down), *(len(stage.layer) for stage in check.stages))
    lines = [
        said.check_title(check.method),
        f"{down:<{width}}{signed:>10}{absolute:>10}",
        *(f"{stage.layer:<{width}}{stage.signed:>10.3f}{stage.absolute:>10.3f}" for stage in check.stages),
    ]
    last = check.stages[-1]
    if np.isnan(last.signed):
        return "\n".join([*lines, said.NOTHING_TO_COMPARE])
    return "\n".join([*lines, said.verdict(last.signed, last.absolute, check.passes, SIMILAR_CORRELATION)])
