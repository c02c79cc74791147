"""Learn how alike rows are, on rows held out: by the gradient of their loss after correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.estimators.best.lookup import (
    ComparedRows,
    Memory,
    Numbers,
    Similarity,
    corrected_numbers,
    corrected_numbers_back,
    differ,
    share_odds,
    share_odds_back,
)
from chainrule.estimators.best.lookup_held import Identifying, Queries, identifying
from chainrule.formulas.optimizers import Adam

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


def learn(
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
