"""The weights of an average of predictions by a score of one's own, guarded against luck on few rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.estimators.best.judge import Judge, Numbers, greedy
from chainrule.estimators.fit.dealing import deal
from chainrule.estimators.scorers import HeldOutScorer

ROUNDS = 20
"""The members that are taken by a score, which takes longer to compute than a loss."""
MAX_SHARE_OF_LIMIT = 0.1
"""The fraction of a race's time limit after which no further round by the score begins."""


def is_by_loss(scoring: object) -> bool:
    """Return whether a race is judged by the loss alone."""
    return scoring is None or (isinstance(scoring, str) and scoring == "loss")


class ScoredParts(NamedTuple):
    """Rows that were held out, what each member predicts of them, and what judges that."""

    parts: Sequence[Numbers]
    """(n, outputs) of each member"""
    judge: Judge
    scorer: HeldOutScorer

    def take(self, rows: NDArray[np.int64]) -> ScoredParts:
        """Return some of the rows."""
        judge = self.judge._replace(y=self.judge.y[rows], weight=self.judge.weight[rows])
        return ScoredParts([part[rows] for part in self.parts], judge, self.scorer.take(rows))

    def by_loss(self) -> Numbers:
        """Return the weights with a small loss."""
        return greedy([self.judge.truth(part) for part in self.parts], self.judge.mean_loss)

    def by_score(self, is_over: Callable[[], bool]) -> Numbers:
        """Return the weights with a high score; among equal scores those with the smaller loss."""
        return greedy(self.parts, self.misses, ROUNDS, is_over)

    def misses(self, predicted: Numbers) -> tuple[float, float]:
        """Return the negative score of predictions, infinity for none, and their loss."""
        score = self.scorer(predicted)
        missed = -score if math.isfinite(score) else math.inf
        return missed, self.judge.mean_loss(self.judge.truth(predicted))

    def score(self, weights: Numbers) -> float:
        """Return the score of the average with these weights."""
        return self.scorer(np.tensordot(weights, np.stack(self.parts), 1))


def ranking(judge: Judge, scorer: HeldOutScorer | None) -> Callable[[Numbers], tuple[float, ...]]:
    """Return what ranks predictions of some rows: by the negative score and the loss, or without a scorer the loss."""
    if scorer is None:
        return lambda predicted: (judge.mean_loss(judge.truth(predicted)),)
    return ScoredParts([], judge, scorer).misses


def check_score(scorer: HeldOutScorer, n: int) -> None:
    """Check before a race that the targets can be scored, by predictions that are all alike.

    n: the rows.  Raises ConfigError, or what a function of the user's own raises.
    """
    outputs = scorer.targets.outputs
    scorer(np.full((n, outputs), 1 / outputs if scorer.targets.task == "multiclass" else 0.5))


def score_weights(judged: ScoredParts, seconds: float) -> Numbers:
    """Return the weights (members,) by the score, or by the loss where the score's are not better on other rows.

    The score of few rows is as much luck as skill, the more so if it only counts, as accuracy and F1 do. So both kinds
    of weights are also chosen on either half of the rows and scored on the other half, and those by the score are used
    where their sum of the two scores is higher.

    seconds: those of the race, which bound the search.
    """
    until = time.monotonic() + MAX_SHARE_OF_LIMIT * seconds

    def is_over() -> bool:
        return time.monotonic() > until

    by_loss = judged.by_loss()
    if len(judged.parts) == 1:
        return by_loss
    y = judged.judge.y
    is_exclusive = judged.judge.loss is None and (y.ndim == 1 or y.shape[1] == 1)
    half = deal(len(y), 2, y.reshape(len(y)) if is_exclusive else None, generator(0, "judging", 0))
    gains = []
    for one in (0, 1):
        chosen, other = (judged.take(np.flatnonzero((half == one) == here)) for here in (True, False))
        gains.append(other.score(chosen.by_score(is_over)) - other.score(chosen.by_loss()))
    return judged.by_score(is_over) if sum(gains) > 0 else by_loss
