"""How good a network is, in the same words and numbers for the terminal, the report, `info` and a card."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.presets import BEST
from chainrule.views import words
from chainrule.views.words.facts import quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chainrule.recipe.baselines import BaselineComparison, Verdict
    from chainrule.recipe.judge import Judgement
    from chainrule.trust.notice import Notice, Notices

LEAST_RECALL = 0.5
"""The share of a class's rows below which the terminal says how few of them are recognized."""
ROWS_OF_PART, MOST_PARTS = 20, 5
"""The fewest rows of a part of the predictions, and the most parts; the one with the largest errors is named."""


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
    both = said.always_the_same(figure(by.metric, by.constant), comparison.constant) + said.LESS_IS_BETTER
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
    told = [_too_good(notices), verdict(comparison.verdict, preset), _worst_class(judgement, LEAST_RECALL)]
    return list(filter(None, told))


def for_readers(
    judgement: Judgement,
    comparison: BaselineComparison | None,
    notices: Notices | None = None,
    preset: str | None = None,
) -> list[str]:
    """Return what a reader of a report is told first, each sentence in agreement with the verdict.

    What makes the scores too good; how much better the network is than one answer for every row, and how it stands
    beside other models; and where it fails most.
    """
    found = None if comparison is None else comparison.verdict
    stands = [_beside_guessing(judgement, found), "" if found is None else verdict(found, preset)]
    if not any(stands):
        chief = headlines(judgement, comparison)[0]
        stands = [words.verdict.reaches(chief.label, chief.value)]
    fails = _worst_class(judgement, 1.0) or _worst_part(judgement)
    return list(
        filter(None, [_too_good(notices), str(words.verdict.BETWEEN.join(filter(None, stands))), fails])
    )


def _beside_guessing(judgement: Judgement, found: Verdict | None) -> str:
    """Say how much better a network is than one answer for every row; "" where its verdict says it, or nothing does."""
    said, metrics, y = words.verdict, judgement.metrics, judgement.y
    name, own, constant = "accuracy", metrics.get("accuracy"), None
    if found is not None:
        if found.code in ("nothing", "labels"):
            return ""
        assert found.constant is not None
        own, constant = found.accuracy, found.accuracy_of_constant
        if own is None or found.network >= found.constant:
            name, own, constant = found.metric, found.network, found.constant
        elif found.has_poor_labels:
            return ""
    elif (matrix := judgement.matrix) is not None:
        constant = matrix.sum(1).max() / judgement.n
    elif judgement.task == "regression":
        name, own, constant = "rmse", metrics.get("rmse"), float(np.sqrt(((y - y.mean(0)) ** 2).mean()))
    if own is None or not constant:
        return ""
    both = figure(name, own), figure(name, constant)
    if name == "accuracy" and own > constant:
        return str(said.is_right(*both))
    if name != "accuracy" and own < constant:
        return str(
            said.smaller_errors(words.phrases.spoken(name), *both, f"{100 * (1 - own / constant):.1f} %")
        )
    return str(said.no_better(words.phrases.spoken(name), *both))


def _too_good(notices: Notices | None) -> str:
    if (notice := misleading(notices)) is None:
        return ""
    said = words.verdict
    beside = said.otherwise(notice, _score(notice.score_with))
    return str(said.too_good(said.on_other_rows(notice), _score(notice.score_without), beside))


def _worst_class(judgement: Judgement, below: float) -> str:
    """Name the class of which the smallest share is recognized; "" if that is not below a share."""
    if (matrix := judgement.matrix) is None:
        return ""
    rows, hits = matrix.sum(1), matrix.diagonal()
    recalls = np.divide(hits, rows, out=np.ones(len(rows)), where=rows > 0)
    worst = int(recalls.argmin())
    if recalls[worst] >= below:
        return ""
    return str(words.verdict.worst_class(judgement.labels[worst], int(hits[worst]), int(rows[worst])))


def _worst_part(judgement: Judgement) -> str:
    """Name the part of the predictions with the largest errors; "" for classes, several outputs and few rows."""
    parts = min(MOST_PARTS, judgement.n // ROWS_OF_PART)
    if judgement.task != "regression" or judgement.y.size != judgement.n or parts < 2:
        return ""
    predicted, squared = judgement.predicted.ravel(), (judgement.predicted - judgement.y).ravel() ** 2
    if not squared.any():
        return ""
    rows: Sequence[Any] = np.array_split(predicted.argsort(kind="stable"), parts)
    worst = max(rows, key=lambda each: float(squared[each].mean()))
    ends = (quantity(float(predicted[worst[end]])) for end in (0, -1))
    both = (quantity(float(np.sqrt(each.mean()))) for each in (squared[worst], squared))
    return str(words.verdict.worst_part(*ends, *both))


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
