"""What a lookup of few rows is learned from: each of them as it is predicted by members that have not seen it.

A fit of few rows learns from all of them, and predicts each out of fold. So what is remembered of a training row is
its error out of fold, both when the similarity is learned and when it is used, and no network predicts it again. To
learn the similarity the rows are dealt once more, and those of a part are corrected by those of all the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.estimators.best.judge import Judge
from chainrule.estimators.best.lookup import ComparedRows, Memory, Numbers, Similarity
from chainrule.estimators.best.lookup_fit import (
    NEAREST,
    LearnedSimilarity,
    SimilarityDescent,
    is_better,
    mean_of,
)
from chainrule.estimators.best.lookup_held import Queries

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


def learn(
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
