"""How good a network is, in the same words and numbers for the terminal, the report, `info` and a card."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from chainrule.presets import BEST
from chainrule.views import words
from chainrule.views.words.facts import quantity

if TYPE_CHECKING:
    from chainrule.recipe.baselines import BaselineComparison, Verdict
    from chainrule.recipe.judge import Judgement
    from chainrule.trust.notice import Notice, Notices

LEAST_RECALL = 0.5
"""The share of a class's rows below which it is said how few of them are recognized."""


class Headline(NamedTuple):
    """A number that stands first."""

    label: str
    value: str
    beside: str = ""
    """the number to compare it with"""
    is_good: bool = True
    """whether it is better than that one"""


def verdict(found: Verdict, preset: str | None = BEST) -> str:
    """Compare a network with simpler models, and advise if one of them is better.

    preset: of the run; the best one for no advice.
    """
    said, metric = words.verdict, words.phrases.spoken(found.metric)
    told = [said.verdict(found.code, found.model, metric, quantity(found.network), quantity(found.other))]
    if found.may_be_chance:
        told.append(said.may_be_chance(found.groups))
    both = found.accuracy, found.accuracy_of_constant
    if found.code == "labels" or (
        found.code == "behind" and found.has_poor_labels and found.model != "constant"
    ):
        told.append(said.poor_labels(*(figure("accuracy", each) for each in both if each is not None)))
    if found.code == "behind" and preset != BEST:
        told.append(said.TRY_BEST)
    return str(said.BETWEEN.join(told))


def headlines(
    judgement: Judgement, comparison: BaselineComparison | None, notices: Notices | None = None
) -> list[Headline]:
    """Return the numbers that stand first, the most honest one before all others.

    Beside simpler models it is the metric that the verdict is by, with that of the constant model; and of classes the
    accuracy. What makes these too good stands before them: the score of a small model without it.
    """
    metrics, part, said = judgement.metrics, judgement.part, words.verdict
    found = []
    if (notice := misleading(notices)) is not None:
        beside = said.otherwise(notice, _score(notice.score_with))
        found.append(Headline(said.on_other_rows(notice), _score(notice.score_without), beside, False))
    if comparison is None:
        chief = next((name for name in ("accuracy", "r2") if name in metrics), "loss")
        return [*found, Headline(words.model.of_part(part, chief), figure(chief, metrics[chief]))]
    by = comparison.verdict
    assert by.constant is not None
    both = said.always_the_same(figure(by.metric, by.constant)) + said.LESS_IS_BETTER
    is_good = by.network < by.constant
    found.append(Headline(words.model.of_part(part, by.metric), figure(by.metric, by.network), both, is_good))
    if by.accuracy_of_constant is not None:
        own, other = metrics["accuracy"], by.accuracy_of_constant
        both = said.always_the_same(figure("accuracy", other))
        found.append(
            Headline(words.model.of_part(part, "accuracy"), figure("accuracy", own), both, own > other)
        )
    return found


def in_short(
    judgement: Judgement,
    comparison: BaselineComparison,
    notices: Notices | None = None,
    preset: str | None = None,
) -> list[str]:
    """Return sentences: what makes the scores too good, how the network stands, and which class it fails on."""
    said, told = words.verdict, []
    if (notice := misleading(notices)) is not None:
        beside = said.otherwise(notice, _score(notice.score_with))
        told.append(said.too_good(said.on_other_rows(notice), _score(notice.score_without), beside))
    told.append(verdict(comparison.verdict, preset))
    if (matrix := judgement.matrix) is not None:
        rows, hits = matrix.sum(1), matrix.diagonal()
        recalls = [hit / n if n else 1.0 for hit, n in zip(hits.tolist(), rows.tolist(), strict=True)]
        worst = min(range(len(recalls)), key=recalls.__getitem__)
        if recalls[worst] < LEAST_RECALL:
            told.append(said.worst_class(judgement.labels[worst], int(hits[worst]), int(rows[worst])))
    return told


def misleading(notices: Notices | None) -> Notice | None:
    """Return what makes the scores too good by the most; None without any."""
    return max(notices or (), key=lambda each: each.score_with - each.score_without, default=None)


def _score(number: float) -> str:
    """Format a score of a small model, as the sentence of the notice has it."""
    return f"{number:.3f}"


def figure(name: str, number: float) -> str:
    """Format a metric: 98.24 % for an accuracy, 0.0561 for another number."""
    if math.isnan(number):
        return str(words.phrases.UNDEFINED)
    return f"{100 * number:.2f} %" if name == "accuracy" else quantity(number)
