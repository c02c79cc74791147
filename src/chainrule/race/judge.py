"""The loss of predictions for held-out rows, and by it the weights and the temperature of an average of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from chainrule.core.random import generator
from chainrule.data.samples import TargetScale, measure_targets
from chainrule.errors import ConfigError
from chainrule.fitting.dealing import deal
from chainrule.fitting.parameters import Parameters, values_of
from chainrule.formulas.activations import sigmoid, softmax
from chainrule.formulas.losses import LogLink, Loss, SurvivalCrossEntropy
from chainrule.tables.data import FitData
from chainrule.tables.labels import Labels
from chainrule.trust.scorers import HeldOutScorer

MIN_PROBABILITY = 1e-30
"""The smallest probability, or mean of counts, whose logarithm is computed; smaller ones are replaced by it."""


class Judge(NamedTuple):
    """The targets of held-out rows.

    For labels the loss is the mean over the rows of -log p of the truth, summed over the labels of a row; for numbers
    that of the estimator's loss, on standardized targets if the network uses them.
    """

    y: NDArray[Any]
    """(n,) class indices, or (n, outputs) as in `Samples`"""
    weight: NDArray[np.float64]
    """(n,)"""
    loss: Loss | None = None
    """the loss for numbers; None for labels"""
    scale: TargetScale | None = None
    """of the targets, for numbers"""

    def truth(self, predicted: NDArray[Any]) -> NDArray[np.float64]:
        """Return what `mean_loss` takes of predictions (n, outputs): for labels the probability of the true one."""
        predicted = np.asarray(predicted, np.float64)
        if self.loss is not None:
            return predicted
        if self.y.ndim == 1:
            return np.asarray(predicted[np.arange(len(self.y)), self.y][:, None])
        return np.where(self.y > 0.5, predicted, 1 - predicted)

    def mean_loss(self, truth: NDArray[np.float64]) -> float:
        """Return the weighted mean loss. truth: a result of `truth`, or the mean of several."""
        if self.loss is None:
            losses = -np.log(np.maximum(truth, MIN_PROBABILITY)).sum(1)
        else:
            y = self.y
            if self.scale is not None:
                truth, y = self.scale.standardize(truth), self.scale.standardize(y)
            with np.errstate(over="ignore", invalid="ignore"):
                losses = self.loss.value(as_outputs(self.loss, truth), y)
        return float(self.weight @ losses / self.weight.sum())


def as_outputs(loss: Loss, predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the outputs whose predictions these are. Raises ConfigError for a custom loss with a prediction."""
    if isinstance(loss, LogLink):
        return np.log(np.maximum(predicted, MIN_PROBABILITY))
    if isinstance(loss, SurvivalCrossEntropy):
        return np.log(np.maximum(predicted, MIN_PROBABILITY)) - np.log(
            np.maximum(1 - predicted, MIN_PROBABILITY)
        )
    if type(loss).predict is not Loss.predict:
        raise ConfigError(
            f"preset='best' compares predictions, from which it cannot compute the outputs of {type(loss).__name__}; "
            "use preset='fast'."
        )
    return predicted


def judge_of(
    estimator: Parameters,
    data: FitData,
    judged: NDArray[Any],
    judged_weight: NDArray[np.float64],
    rows: NDArray[np.int64] | None,
) -> Judge:
    """Return the judge of some rows of the targets, or of all for None."""
    y, of_rows = (judged, judged_weight) if rows is None else (judged[rows], judged_weight[rows])
    if not of_rows.any():
        of_rows = np.ones(len(y))
    if isinstance(data.targets, Labels):
        return Judge(y, of_rows)
    loss, columns = data.targets.loss(values_of(estimator)), data.samples.y
    scale = measure_targets(columns, data.samples.weight) if loss.any_unit else None
    return Judge(y.reshape(len(y), columns.shape[1]), of_rows, loss, scale)


def joined(judges: list[Judge]) -> Judge:
    """Concatenate judges over all their rows."""
    return judges[0]._replace(
        y=np.concatenate([judge.y for judge in judges]),
        weight=np.concatenate([judge.weight for judge in judges]),
    )


Numbers = NDArray[np.float64]
ROUNDS_BY_LOSS = 40
"""The members that are taken, with replacement."""
SAME_LOSS = 1e-3
"""The part of the least loss by which another is as good."""
MAX_TEMPERATURE = 4.0
"""The temperature lies between a quarter and this."""


def greedy(
    parts: Sequence[Numbers],
    loss: Callable[[Numbers], float | tuple[float, ...]],
    rounds: int = ROUNDS_BY_LOSS,
    is_over: Callable[[], bool] = lambda: False,
) -> Numbers:
    """Return the weights (members,), which add up to 1, of an average with a small loss.

    Round by round the member is taken, with replacement, with which the mean of those taken has the least loss; the
    weights are the counts of the first round that is within a thousandth of the best one, which has fewer members.

    parts: what each member predicts, arrays of one shape.  loss(mean): of the mean of some of them; of several losses
    each decides between means of which those before it are equal.  is_over: whether no further round is to begin.
    Source: Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of models", ICML 2004.
    """
    total, counts = np.zeros_like(parts[0]), np.zeros(len(parts))
    rounds_of: list[tuple[float, Numbers]] = []
    for taken in range(1, rounds + 1):
        if rounds_of and is_over():
            break
        losses = [_finite(loss((total + part) / taken)) for part in parts]
        chosen = min(range(len(parts)), key=losses.__getitem__)
        total, counts[chosen] = total + parts[chosen], counts[chosen] + 1
        rounds_of.append((losses[chosen][0], counts / taken))
    least = min(value for value, _ in rounds_of)
    enough = least + SAME_LOSS * abs(least) if math.isfinite(least) else least
    return next(weights for value, weights in rounds_of if value <= enough)


def _finite(losses: float | tuple[float, ...]) -> tuple[float, ...]:
    """Return losses with infinity in place of NaN and negative infinity."""
    each = losses if isinstance(losses, tuple) else (losses,)
    return tuple(value if math.isfinite(value) else math.inf for value in each)


def are_weights(values: Sequence[float]) -> bool:
    """Return whether values of a file are weights of an average: from 0 to 1, with a sum of 1 but for rounding."""
    return all(0 <= value <= 1 for value in values) and abs(sum(values) - 1) < 1e-6


def tempered(p: Numbers, temperature: float, exclusive: bool) -> Numbers:
    """Return probabilities at a temperature T: of exclusive classes softmax(log p / T), else sigmoid(logit(p) / T).

    p: (n, classes), or (n, labels) of probabilities that do not exclude each other.  T = 1 changes nothing, above 1 all
    are nearer to each other.
    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
    """
    if temperature == 1:
        return p
    logs = np.log(np.maximum(p, MIN_PROBABILITY)) / temperature
    if exclusive:
        return np.asarray(softmax(logs))
    return np.asarray(sigmoid(logs - np.log(np.maximum(1 - p, MIN_PROBABILITY)) / temperature))


def temperature(loss: Callable[[float], float]) -> float:
    """Return the temperature from a quarter to 4 with the least loss(temperature); 1 where none is better."""
    bound = math.log(MAX_TEMPERATURE)
    found = minimize_scalar(lambda log: loss(math.exp(log)), bounds=(-bound, bound), method="bounded")
    made = math.exp(float(found.x))
    return made if loss(made) < loss(1.0) else 1.0


def is_temperature(value: float) -> bool:
    """Return whether a value of a file is between the least and the largest `temperature`, but for rounding."""
    return 1 / MAX_TEMPERATURE <= value * 1.001 <= 1.01 * MAX_TEMPERATURE


# --- the weights of an average of predictions by a score of one's own, guarded against luck on few rows --------------

ROUNDS_BY_SCORE = 20
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
        return greedy(self.parts, self.misses, ROUNDS_BY_SCORE, is_over)

    def misses(self, predicted: Numbers) -> tuple[float, float]:
        """Return the negative score of predictions, infinity for none, and their loss."""
        score = self.scorer(predicted)
        missed = -score if math.isfinite(score) else math.inf
        return missed, self.judge.mean_loss(self.judge.truth(predicted))

    def score(self, weights: Numbers) -> float:
        """Return the score of the average with these weights."""
        return self.scorer(np.tensordot(weights, np.stack(self.parts), 1))


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
