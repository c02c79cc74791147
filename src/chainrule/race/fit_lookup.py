"""Rows held out of a race, which a lookup is learned on, and which columns identify groups of rows that err alike."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chainrule.core.random import generator
from chainrule.errors import ConfigError
from chainrule.fitting.lookup import (
    ComparedRows,
    Lookup,
    Memory,
    Numbers,
    Similarity,
    are_codes,
    as_shares,
    corrected_numbers,
    corrected_numbers_back,
    differ,
    share_odds,
    share_odds_back,
)
from chainrule.fitting.result import FitResult
from chainrule.formulas.losses import MeanSquaredError
from chainrule.formulas.optimizers import Adam
from chainrule.race.blend import RaceResult
from chainrule.race.judge import Judge, is_by_loss, joined
from chainrule.race.runner import Runner
from chainrule.race.state import RaceChoice
from chainrule.tables import reading
from chainrule.tables.data import fitted_preprocessor
from chainrule.tables.labels import Labels
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import rows_of
from chainrule.tables.structure import Split

MIN_VALUES, MOST_IDENTIFYING, GROUPED = 20, 4, 2.0
"""Columns of at least so many values may identify groups, so many at most, and by so many standard errors."""


class Queries(NamedTuple):
    """Rows held out of a fold."""

    rows: ComparedRows
    predicted: Numbers
    """(n, outputs) before correction; of labels the probabilities of all classes"""
    y: NDArray[Any]
    """(n,) classes, or numbers (n, outputs)"""
    weight: Numbers
    """(n,)"""

    def take(self, chosen: NDArray[np.int64]) -> Queries:
        """Return some of them."""
        return Queries(self.rows.take(chosen), self.predicted[chosen], self.y[chosen], self.weight[chosen])

    @property
    def errors(self) -> Numbers:
        """What was observed less what was predicted: of numbers (n, outputs), of labels (n, classes)."""
        if self.y.ndim == 1:
            return np.asarray(np.eye(self.predicted.shape[1])[self.y] - self.predicted)
        return np.asarray(self.y - self.predicted)

    def losses(self, predicted: Numbers) -> Numbers:
        """Return the loss of each row (n,): -log p of its class, or the mean squared error of its numbers."""
        if self.y.ndim == 1:
            return np.asarray(-np.log(predicted[np.arange(len(self.y)), self.y]))
        return np.asarray(np.square(predicted - self.y).mean(1))


class Identifying(NamedTuple):
    """Columns that identify groups of rows."""

    numbers: NDArray[np.bool_]
    codes: NDArray[np.bool_]

    def any(self) -> bool:
        """Return whether there are some."""
        return bool(self.numbers.any() or self.codes.any())


def identifying(folds: Sequence[tuple[Memory, Queries]]) -> Identifying:
    """Return the columns that identify groups: errors are alike in a group, and not between neighbors.

    With e the error of a row held out, and m the mean error of training rows, shrunk by one row without an error,

        d = e . (m of the rows with the same value - m of the rows with the next smaller and the next larger value)

    is above 0 in the sum by `GROUPED` standard errors, which are over the values. Categories have no neighbors: their m
    is that of no rows.
    """
    rows = folds[0][1].rows
    numbers, codes = rows.numbers.shape[1], rows.codes.shape[1]
    scores = np.array(
        [
            _standard_errors([group_errors(*fold, column) for fold in folds])
            for column in range(numbers + codes)
        ]
    )
    found = scores > GROUPED
    found[np.argsort(scores)[:-MOST_IDENTIFYING]] = False
    return Identifying(found[:numbers], found[numbers:])


def group_errors(memory: Memory, queries: Queries, column: int) -> Numbers:
    """Return the sums of d of `identifying` over the rows held out with each value of training (values,).

    column: of the numbers, or after them of the codes.
    """
    train, held = (_values(rows, column) for rows in (memory.rows, queries.rows))
    order = np.argsort(train, kind="stable")
    values, first, counts = np.unique(train[order], return_index=True, return_counts=True)
    if len(values) < MIN_VALUES:
        return np.zeros(0)
    sums = np.add.reduceat(memory.errors[order], first)
    at = np.minimum(np.searchsorted(values, held), len(values) - 1)
    found = sums[at] / (1 + counts[at])[:, None]
    if column < memory.rows.numbers.shape[1]:
        of_nearby, nearby = _of_neighbors(sums), _of_neighbors(counts[:, None])
        found -= of_nearby[at] / (1 + nearby[at])
    d = np.where(values[at] == held, queries.weight * (queries.errors * found).sum(1), 0.0)
    return np.asarray(np.bincount(at, d, len(values)), np.float64)


def _values(rows: ComparedRows, column: int) -> NDArray[Any]:
    """Return a column of the numbers, or after them of the codes."""
    columns = rows.numbers.shape[1]
    return rows.numbers[:, column] if column < columns else rows.codes[:, column - columns]


def _of_neighbors(sums: NDArray[Any]) -> NDArray[Any]:
    """Return the sums of the value before and of the value after (values, k)."""
    padded = np.pad(sums, ((1, 1), (0, 0)))
    return np.asarray(padded[:-2] + padded[2:])


def _standard_errors(folds: Sequence[Numbers]) -> float:
    """Return by how many standard errors the sum is above 0 of what is independent."""
    each = np.concatenate(folds)
    error = math.sqrt(np.square(each).sum())
    return float(each.sum() / error) if error > 0 else 0.0


# --- learn how alike rows are, on rows held out: by the gradient of their loss after correction ----------------------

NEAREST, STEPS, REFRESHED = 64, 60, 20
"""The training rows that a row is compared with, the steps, and after how many of them the nearest are found anew."""
RATE, LAST_RATE = 0.3, 0.02
"""The first and the last step of a logarithm."""
MOST_QUERIED, MOST_REMEMBERED = 1_500, 20_000
"""The most rows held out, and the most training rows, from which the similarity is learned."""
NEAR, DIFFERENT = 0.16, 9.0
"""To begin with: one over the distance of a row to its tenth neighbor; and a category over a number."""
NEAR_IN_GROUPS, OTHER_GROUP = 5.0, 160.0
"""The same in the second start, for columns that identify groups of rows: all rows of a group are alike."""
LEAST_PRIOR, FIRST_PRIOR = 0.1, 1.0
PENALTY = 1.0
"""Of the squared differences of the logarithms to their mean, over the number of rows, as a part of the loss."""
SURE, ENOUGH = 1.5, 0.02
"""The standard errors above 0, and the part of the loss, by which a correction has to be better on rows held out."""


class LearnedSimilarity(NamedTuple):
    """A similarity, and what rows held out are predicted by those that were learned without them."""

    similarity: Similarity
    predicted: list[Numbers]
    """of each fold (n, outputs)"""
    losses: tuple[float, float]
    """the mean loss of these rows before and after correction"""


def learn_similarity(
    folds: Sequence[tuple[Memory, Queries]], threads: int = 1, starts: int = 2, is_decided: bool = False
) -> LearnedSimilarity | None:
    """Return the similarity by which rows held out are predicted better; None if they are not.

    Of two halves of the rows each is corrected by what the other has learned; the answer is their geometric mean.
    folds: of each the training rows and those held out, with numbers in units of their deviation.
    starts: 1, all columns alike, or 2, the better of it and of those that identify groups, if there are some.
    is_decided: whether it is wanted also where it does not help.
    """
    if min(len(memory.observed) for memory, _ in folds) < NEAREST:
        return None
    counts = [len(queries.weight) for _, queries in folds]
    halves = [generator(0, "judging", number).permutation(count) for number, count in enumerate(counts)]
    most = MOST_QUERIED // len(folds)
    told = [
        [
            (memory, queries.take(own[queries.weight[own] > 0][:most]))
            for (memory, queries), order in zip(folds, halves, strict=True)
            for own in [order[half::2]]
        ]
        for half in (0, 1)
    ]
    if min(len(queries.weight) for half in told for _, queries in half) < 1:
        return None

    def of_half(half: int, first: Identifying | None) -> tuple[Similarity, list[Numbers]]:
        found = SimilarityDescent(told[half], first).run()
        others = [
            memory.corrected(other.rows, other.predicted, found)
            for (memory, queries), order in zip(folds, halves, strict=True)
            for other in [queries.take(order[1 - half :: 2])]
        ]
        return found, others

    def of_both(first: Identifying | None) -> tuple[Similarity, list[Numbers]]:
        with ThreadPoolExecutor(min(threads, 2)) as pool:
            made = [*pool.map(of_half, (0, 1), (first, first))]
        predicted = [np.array(queries.predicted) for _, queries in folds]
        for half, (_, others) in enumerate(made):
            for own, order, other in zip(predicted, halves, others, strict=True):
                own[order[1 - half :: 2]] = other
        return mean_of(*(own for own, _ in made)), predicted

    each = [queries for _, queries in folds]
    weight = np.concatenate([queries.weight for queries in each])
    weight = weight / weight.mean()

    def losses(predicted: list[Numbers]) -> Numbers:
        return np.asarray(
            weight * np.concatenate([own.losses(p) for own, p in zip(each, predicted, strict=True)])
        )

    similarity, predicted = of_both(None)
    before, after = losses([queries.predicted for queries in each]), losses(predicted)
    if starts > 1 and (groups := identifying(folds)).any():
        other, predicted_by_other = of_both(groups)
        if is_better(after, losses(predicted_by_other)):
            similarity, predicted = other, predicted_by_other
            after = losses(predicted)
    if not (is_decided or is_better(before, after)):
        return None
    return LearnedSimilarity(
        similarity._replace(starts=starts), predicted, (float(before.mean()), float(after.mean()))
    )


def is_better(before: Numbers, after: Numbers) -> bool:
    """Return whether the losses of rows (n,) are smaller after a correction, beyond the error of the mean."""
    gain = before - after
    error = gain.std() / math.sqrt(len(gain))
    return bool(gain.mean() > max(SURE * error, ENOUGH * before.mean()))


def mean_of(one: Similarity, other: Similarity) -> Similarity:
    """Return the geometric mean of two similarities."""
    return Similarity(
        np.sqrt(one.numbers * other.numbers),
        np.sqrt(one.codes * other.codes),
        math.sqrt(one.prior * other.prior),
        np.sqrt(one.same * other.same),
    )


class SimilarityDescent:
    """Adam on the logarithms of a similarity, over the nearest training rows of each row."""

    def __init__(self, folds: Sequence[tuple[Memory, Queries]], groups: Identifying | None = None) -> None:
        """Begin with all columns alike, or with groups of rows."""
        self.folds = folds
        (memory, queries), self.are_shares = folds[0], folds[0][0].expected is not None
        self.columns = queries.rows.numbers.shape[1]
        codes = queries.rows.codes.shape[1]
        first, near = np.full(codes, DIFFERENT), NEAR
        self.same = np.zeros(self.columns)
        if groups is not None:
            first[groups.codes], self.same[groups.numbers], near = OTHER_GROUP, OTHER_GROUP, NEAR_IN_GROUPS
        alike = Similarity(np.ones(self.columns), first, FIRST_PRIOR, self.same)
        some = queries.rows.take(slice(0, 500))
        away = alike.distances(alike.scaled(some), alike.scaled(memory.rows))
        tenth = np.partition(away, 10, axis=1)[:, 10]
        self.first = np.log([*alike.numbers, *first, *self.same[self.same > 0]])
        self.first -= math.log(near * float(np.median(tenth)) + 1e-6)
        self.logs = np.array([*self.first, math.log(FIRST_PRIOR)])
        """(columns + 1,) of a, b and s, and of the prior above the least one"""
        self.weight = np.concatenate([queries.weight for _, queries in folds])
        self.weight /= self.weight.sum()
        self.predicted = np.concatenate([queries.predicted for _, queries in folds])
        self.y = np.concatenate([queries.y for _, queries in folds])

    @property
    def similarity(self) -> Similarity:
        """That of the logarithms."""
        scales, prior = np.exp(self.logs[:-1]), LEAST_PRIOR + math.exp(self.logs[-1])
        same = np.zeros(self.columns)
        count = np.count_nonzero(self.same)
        same[self.same > 0] = scales[len(scales) - count :]
        return Similarity(scales[: self.columns], scales[self.columns : len(scales) - count], prior, same)

    def run(self) -> Similarity:
        """Take all steps, and return what they came to."""
        rule, rates = Adam(), np.linspace(RATE, LAST_RATE, STEPS)
        state = rule.init(self.logs)
        for step, rate in enumerate(rates):
            if step % REFRESHED == 0:
                self.find_nearest()
            self.logs, state = rule.update(self.gradient()[1], state, self.logs, rate, step + 1)
        return self.similarity

    def find_nearest(self) -> None:
        """Find the nearest training rows of each row, how they differ, and what is known of them."""
        different, known = [], []
        for memory, queries in self.folds:
            near = nearest(queries.rows, memory.rows, self.similarity)
            others = memory.rows.take(near)
            numbers = np.square(queries.rows.numbers[:, None] - others.numbers)
            codes = queries.rows.codes[:, None] != others.codes
            same = np.flatnonzero(self.same)
            other = differ(queries.rows.numbers[:, None, same], others.numbers[..., same])
            different.append(np.concatenate([numbers, codes, other], 2, dtype=np.float32))
            known.append(memory.known[near])
        self.different = np.concatenate(different)  # (n, NEAREST, columns)
        self.known = np.concatenate(known)  # (n, NEAREST, ...)

    def gradient(self) -> tuple[float, Numbers]:
        """Return the mean loss with the penalty, and its derivative by the logarithms (columns + 1,).

        With s = sum_i k_i known_i:  dL/dk_i = known_i . dL/ds; dk_i by the logarithms is beneath `Similarity`'s k.
        """
        scale, prior = np.exp(self.logs[:-1]), self.similarity.prior
        k = np.exp(-(self.different @ scale.astype(np.float32))).astype(np.float64)
        sums = np.matmul(k[:, None], self.known)[:, 0]
        of_row = self._of_shares if self.are_shares else self._of_numbers
        losses, by_sums, by_prior = of_row(sums, prior)
        loss = float(self.weight @ losses)
        by_k = np.matmul(self.known, by_sums[:, :, None])[:, :, 0]
        by_distance = (-k * by_k * self.weight[:, None]).astype(np.float32)
        by_logs = np.tensordot(by_distance, self.different, 2) * scale
        away = self.logs[:-1] - self.first
        away -= away.mean()
        penalty = PENALTY / len(k) * loss
        by_logs += 2 * penalty * away
        own = float(self.weight @ by_prior) * (prior - LEAST_PRIOR)
        return loss + penalty * float(away @ away), np.array([*by_logs, own])

    def _of_numbers(self, sums: Numbers, prior: float) -> tuple[Numbers, Numbers, Numbers]:
        """Return of each row the squared error, and its derivatives by the sums and by the prior."""
        errors, rows = sums[:, :-1], sums[:, -1]
        error = corrected_numbers(self.predicted, errors, rows, prior) - self.y
        by_sums, by_prior = corrected_numbers_back(errors, rows, prior, 2 * error / error.shape[1])
        return np.square(error).mean(1), by_sums, by_prior

    def _of_shares(self, sums: Numbers, prior: float) -> tuple[Numbers, Numbers, Numbers]:
        """Return of each row -log of the probability of its class, and the derivatives by the sums and by the prior."""
        p, row = self.predicted, np.arange(len(sums))
        observed, expected = np.split(sums, 2, axis=1)
        q = share_odds(p, observed, expected, prior)
        total = q.sum(1)
        by_q = np.repeat(1 / total[:, None], p.shape[1], 1)
        by_q[row, self.y] -= 1 / q[row, self.y]
        losses = np.log(total) - np.log(q[row, self.y])
        return losses, *share_odds_back(p, expected, prior, q, by_q)


def nearest(one: ComparedRows, other: ComparedRows, similarity: Similarity) -> NDArray[np.int64]:
    """Return the nearest rows (n, NEAREST) of each row, in any order."""
    at_once = max(1, (1 << 22) // len(other.numbers))
    single = similarity._replace(
        numbers=similarity.numbers.astype(np.float32),
        codes=similarity.codes.astype(np.float32),
        same=similarity.same.astype(np.float32),
    )
    others = single.scaled(other)
    found = [
        np.argpartition(
            single.distances(single.scaled(one.take(slice(k, k + at_once))), others), NEAREST - 1, axis=1
        )[:, :NEAREST]
        for k in range(0, len(one.numbers), at_once)
    ]
    return np.concatenate(found)


# --- the rows that a lookup of few rows learns from, as members that have not seen them predict them -----------------
# A fit of few rows learns from all of them, and predicts each out of fold. So what is remembered of a training row is
# its error out of fold, both when the similarity is learned and when it is used, and no network predicts it again. To
# learn the similarity the rows are dealt once more, and those of a part are corrected by those of all the others.

PARTS, LEARNED = 8, 4
"""The parts to which the rows are dealt, and the similarities that are learned, each without as many of the parts."""


def remembered(
    compared: ComparedRows, mean: Numbers, judge: Judge, scale: Numbers | None, chosen: NDArray[np.int64]
) -> Memory:
    """Return some of the rows, with what was predicted for them out of fold.

    compared: (n,) all of them.  mean: (n, outputs) what is predicted for them out of fold.  judge: of them.
    scale: (outputs,) the unit of errors; None for labels.  chosen: (m,) their places; a row of weight 0 is left out.
    """
    chosen = chosen[judge.weight[chosen] > 0]
    return Memory.of(compared.take(chosen), judge.y[chosen], mean[chosen], judge.weight[chosen], scale)


def parted(n: int) -> list[NDArray[np.int64]]:
    """Return the places of n rows in PARTS parts, drawn by chance and each in order."""
    order = generator(3, "judging", 0).permutation(n)
    return [np.sort(order[part::PARTS]) for part in range(PARTS)]


def told(
    compared: ComparedRows, mean: Numbers, judge: Judge, scale: Numbers | None, queries: Queries
) -> list[tuple[Memory, Queries]]:
    """Return for each part of the rows the others, which are remembered, and its own. queries: all rows."""
    n = len(judge.weight)
    parts = parted(n)
    return [
        (remembered(compared, mean, judge, scale, np.setdiff1d(np.arange(n), part)), queries.take(part))
        for part in parts
    ]


def learn_for_few(
    folds: Sequence[tuple[Memory, Queries]], threads: int = 1, is_decided: bool = False
) -> LearnedSimilarity | None:
    """Return the similarity by which rows are predicted better; None if they are not.

    Each of LEARNED similarities is learned without the parts whose rows it then corrects; the answer is their geometric
    mean. What is predicted is in the order of all rows, in one piece.
    folds: what `told` returns.  is_decided: whether it is wanted also where it does not help.
    """
    if min(len(memory.observed) for memory, _ in folds) < NEAREST:
        return None
    counting = [(memory, own.take(np.flatnonzero(own.weight > 0))) for memory, own in folds]

    def without(number: int) -> Similarity:
        return SimilarityDescent([fold for k, fold in enumerate(counting) if k % LEARNED != number]).run()

    with ThreadPoolExecutor(min(threads, LEARNED)) as pool:
        found = [*pool.map(without, range(LEARNED))]
    predicted = in_order(
        [
            memory.corrected(own.rows, own.predicted, found[part % LEARNED])
            for part, (memory, own) in enumerate(folds)
        ]
    )
    before, after = (
        np.concatenate(
            [own.weight * own.losses(values) for (_, own), values in zip(folds, each, strict=True)]
        )
        for each in (
            [own.predicted for _, own in folds],
            [predicted[part] for part in parted(len(predicted))],
        )
    )
    total = sum(float(own.weight.sum()) for _, own in folds) / len(predicted)
    before, after = before / total, after / total
    if not (is_decided or is_better(before, after)):
        return None
    one, other, third, fourth = found
    similarity = mean_of(mean_of(one, other), mean_of(third, fourth))._replace(starts=1)
    return LearnedSimilarity(similarity, [predicted], (float(before.mean()), float(after.mean())))


def in_order(parts: list[Numbers]) -> Numbers:
    """Return what belongs to the rows of each part, in the order of all rows."""
    found = np.concatenate(parts)
    return np.asarray(found[np.argsort(np.concatenate(parted(len(found))), kind="stable")])


# --- the lookup of a race: learned on the rows that its folds hold out, and then of all rows that it trained on ------
# What an average expects of a training row is what its networks predict for it, which have been trained on it. It is
# so when the similarity is learned and when it is used, so it is learned as well how much smaller such errors are.

MOST_KEPT, MOST_COLUMNS, MOST_CLASSES = MOST_REMEMBERED, 100, 30
"""The most training rows of a lookup, the most inputs that are compared, and the most classes."""
MAX_SHARE_OF_RACE = 0.15
"""The part of the seconds of a race that learning may take."""
PER_SIMILARITY, PER_CODE, PER_DIFFERENCE = 12e-9, 3e-9, 3e-9
"""Seconds of one core: for a similarity of two rows, for a category in it, and for a number in a step."""
COMPARED: Mapping[str, Any] = {
    "scale": "standard",
    "max_one_hot": 2,
    "embeddings": True,
    "min_count": 1,
    "category_scale": 1.0,
    "dtype": "float32",
}
"""How the rows that are compared are prepared: a category of many is a code."""


class LearnedLookup(NamedTuple):
    """What a race has learned of its lookup."""

    preprocessor: TablePreprocessor
    """of the rows that are compared"""
    similarity: Similarity
    predicted: Numbers
    """(rows, outputs) of the rows held out, corrected by what was learned without them"""
    losses: tuple[float, float]
    """the mean loss of these rows before and after"""
    seconds: float
    """how long the networks take to predict the training rows"""
    memory: Memory | None = None
    """few rows, as they are predicted out of fold; None where the networks predict the training rows"""


def learned(race: Runner, chosen: RaceChoice, mean: Numbers, end: float) -> LearnedLookup | None:
    """Return how alike rows are for the average of a race, or None where looking up does not help.

    mean: (rows, outputs) what the average predicts for the rows held out of the chosen folds.
    end: the `time.monotonic()` until which there is time, which a plan does not ask for.
    Rows are looked up for the loss of probabilities and the squared error, without constraints, where there is time.
    """
    judges = [race.rows.judges[fold] for fold in chosen.folds]
    if not _is_possible(race, judges[0]) or min(len(_train(race, fold)) for fold in chosen.folds) < NEAREST:
        return None
    scale = _deviation(joined(judges))
    preprocessor = _preprocessor(race, _kept(race))
    attempts = _starts(race, preprocessor, chosen.folds, end)
    if not attempts:
        return None
    begun, memory = time.monotonic(), None
    if race.rows.are_few:
        rows = _held_out(race, preprocessor, chosen.folds[0])
        folds = told(rows, mean, judges[0], scale, _queries(rows, mean, judges[0], scale))
        units = None if scale is None else np.ones_like(scale)
        memory = remembered(rows, mean, judges[0], units, np.arange(len(mean)))
    else:
        folds = _told(race, preprocessor, chosen, mean, scale)
    seconds = time.monotonic() - begun
    planned = None if race.plan is None else race.plan.similarity
    if planned is not None and not planned.fits(folds[0][0].rows):
        raise ConfigError("the plan looks up rows of other columns; pass the rows of its fit.")
    if race.rows.are_few:
        found = learn_for_few(folds, race.workers, planned is not None)
    else:
        found = learn_similarity(folds, race.workers, attempts, planned is not None)
    if found is None:
        return None
    predicted = np.concatenate(found.predicted)
    predicted = predicted[:, -mean.shape[1] :] if scale is None else predicted * scale
    return LearnedLookup(preprocessor, planned or found.similarity, predicted, found.losses, seconds, memory)


def _told(
    race: Runner, preprocessor: TablePreprocessor, chosen: RaceChoice, mean: Numbers, scale: Numbers | None
) -> list[tuple[Memory, Queries]]:
    """Return for each of the chosen folds what is remembered of its training rows, and the rows held out."""
    judges = [race.rows.judges[fold] for fold in chosen.folds]
    starts = np.cumsum([0, *(len(judge.y) for judge in judges)])
    folds = []
    for fold, judge, start in zip(chosen.folds, judges, starts, strict=False):
        rows = _train(race, fold)
        if len(rows) > MOST_REMEMBERED:
            rows = np.sort(generator(1, "judging", fold).permutation(rows)[:MOST_REMEMBERED])
        parts = [
            (weight, race.fits[number, fold].result)
            for number, weight in zip(chosen.numbers, chosen.weights, strict=True)
            if weight
        ]
        memory = _memory(race, preprocessor, rows, parts, scale)
        own = mean[start : start + len(judge.y)]
        folds.append((memory, _queries(_held_out(race, preprocessor, fold), own, judge, scale)))
    return folds


def of_all(race: Runner, result: RaceResult, found: LearnedLookup) -> RaceResult:
    """Return the result of a race whose average looks up the training rows."""
    one = np.ones(race.targets.outputs)
    memory = found.memory or _memory(
        race,
        found.preprocessor,
        _kept(race),
        result.weighted,
        one if race.targets.task == "regression" else None,
    )
    lookup = Lookup(found.preprocessor, found.similarity, memory, found.losses)
    return replace(result, blend=replace(result.blend, lookup=lookup))


def seconds(race: Runner, judge: Judge) -> float:
    """Return the seconds that are kept for learning; 0 where rows are not looked up. judge: of the first fold."""
    return MAX_SHARE_OF_RACE * race.seconds if _is_possible(race, judge) else 0.0


def _is_possible(race: Runner, judge: Judge) -> bool:
    """Return whether rows may be looked up in a race, by its plan, its parameters, its task and its rows."""
    if race.plan is not None and race.plan.similarity is None:
        return False
    asked, targets = race.estimator, race.targets
    is_squared = judge.loss is None or isinstance(judge.loss, MeanSquaredError)
    return (
        asked.lookup
        and (not race.rows.are_few or race.data.structure.is_free)
        and not race.ended.is_set()
        and asked.monotonic_cst is None
        and asked.interaction_cst is None
        and is_by_loss(asked.scoring)
        and is_squared
        and targets.task != "multilabel"
        and not (isinstance(targets, Labels) and targets.is_one_class)
        and targets.outputs <= MOST_CLASSES
        and len(judge.y) > 0
        and race.data.preprocessor is not None
        and len(race.data.preprocessor.learned_) <= MOST_COLUMNS
    )


def _starts(race: Runner, preprocessor: TablePreprocessor, folds: list[int], end: float) -> int:
    """Return from how many starts, at most 2, learning takes its share of the time at most and what is left.

    By the sizes, or by a plan.
    """
    if race.plan is not None:
        assert race.plan.similarity is not None, "rows are looked up"
        return race.plan.similarity.starts
    width, codes = len(preprocessor.sources_), len(preprocessor.embedded_)
    if not 0 < width <= MOST_COLUMNS:
        return 0
    held = [len(race.rows.judges[fold].y) for fold in folds]
    kept = [min(MOST_REMEMBERED, len(_train(race, fold))) for fold in folds]
    queried = min(MOST_QUERIED, sum(held) // 2)
    if race.rows.are_few:  # LEARNED times all but one of as many parts; a row takes half as long (measured)
        queried = sum(held) * (LEARNED - 1) // 4
    pairs = sum((8 * queried / len(held) + own) * rows for own, rows in zip(held, kept, strict=True))
    expected = pairs * (PER_SIMILARITY + PER_CODE * codes)
    expected += 2 * STEPS * queried * NEAREST * (width + 2 * race.targets.outputs) * PER_DIFFERENCE
    most = min(MAX_SHARE_OF_RACE * race.seconds, end - time.monotonic())
    return next((starts for starts in (2, 1) if starts * expected / min(2, race.workers) <= most), 0)


def _deviation(judge: Judge) -> Numbers | None:
    """Return the standard deviations of numbers (outputs,), by which errors are divided; None for labels."""
    if judge.loss is None:
        return None
    found = np.std(judge.y[judge.weight > 0], axis=0)
    return np.asarray(np.where(found > 0, found, 1.0))


def _train(race: Runner, fold: int) -> NDArray[np.int64]:
    """Return the training rows of a fold that count."""
    return _counting(race, race.rows.folds[fold].train)


def _counting(race: Runner, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of the rows whose weight is not 0."""
    return rows[race.data.samples.weight[rows] > 0]


def _kept(race: Runner) -> NDArray[np.int64]:
    """Return the rows that a lookup has of all: as many as there are, or drawn."""
    rows = _counting(race, np.arange(race.data.samples.n))
    if len(rows) <= MOST_KEPT:
        return rows
    return rows[np.sort(generator(2, "judging", 0).permutation(len(rows))[:MOST_KEPT])]


def _preprocessor(race: Runner, rows: NDArray[np.int64]) -> TablePreprocessor:
    """Return what prepares rows to be compared, by these."""
    asked = race.estimator.preprocess
    base = asked if isinstance(asked, TablePreprocessor) else TablePreprocessor()
    some = race.rows.given.parted(Split(rows, np.empty(0, np.int64)))._replace(sample_weight=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # which the preparation of the race has given already
        return fitted_preprocessor(
            clone(base).set_params(**COMPARED), some, reading.read(some.X), some.y, None
        )


def _compared(race: Runner, preprocessor: TablePreprocessor, rows: NDArray[np.int64]) -> ComparedRows:
    inputs = preprocessor.transform(rows_of(race.rows.given.X, rows))
    return ComparedRows.of(inputs, are_codes(preprocessor))


def _held_out(race: Runner, preprocessor: TablePreprocessor, fold: int) -> ComparedRows:
    """Return the rows that are held out of a fold."""
    X, _ = race.rows.held_out([fold])
    return ComparedRows.of(preprocessor.transform(X), are_codes(preprocessor))


def _queries(rows: ComparedRows, mean: Numbers, judge: Judge, scale: Numbers | None) -> Queries:
    """Return rows held out, with what is predicted for them in units of the deviation."""
    if scale is not None:
        return Queries(rows, mean / scale, judge.y / scale, judge.weight)
    return Queries(rows, as_shares(mean), judge.y.reshape(-1).astype(np.int64), judge.weight)


def _memory(
    race: Runner,
    preprocessor: TablePreprocessor,
    rows: NDArray[np.int64],
    parts: list[tuple[float, FitResult]],
    scale: Numbers | None,
) -> Memory:
    """Return training rows, with what the weighted parts expect of each."""
    compared, y = _compared(race, preprocessor, rows), race.data.samples.y[rows]
    expected = np.zeros((len(rows), race.targets.outputs))
    for weight, result in parts:
        assert result.preprocessor is not None, "a race is of tables"
        inputs = race.inputs.prepared(result.preprocessor).given.X[rows]
        expected += weight * np.asarray(result.predicted(inputs, race.estimator.engine), np.float64)
    return Memory.of(compared, y, expected, race.data.samples.weight[rows], scale)
