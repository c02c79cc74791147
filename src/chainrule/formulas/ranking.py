"""Losses of an order within groups, such as the documents found for a query: each row is compared with its group.

    y = relevance + group / GROUPS          one number says both, exactly also in float32: relevance 0, 1, ..., 31

P are the pairs (i, j) of a group with i more relevant than j, m = out_i - out_j, n the rows of the group:

    loss of a group = n sum_P w_ij log(1 + exp(-m))

Half of a pair's part belongs to each of its rows, so the objective is the mean over rows as of any loss; its gradient
is exact where the rows of a group have one weight. A group without pairs costs nothing. The functions compare all rows
with all, (batch, batch).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, namespace
from chainrule.errors import ConfigError
from chainrule.formulas.activations import sigmoid, softplus
from chainrule.formulas.losses import Loss, by_kind

GROUPS = 1 << 19
"""One more than the largest number of a group."""
LEVELS = 32
"""One more than the largest relevance."""


def relevance_of(y: Array) -> Array:
    """floor(y) (batch,)"""
    return namespace(y).floor(y[..., 0])


def group_of(y: Array) -> Array:
    """GROUPS (y - floor(y)) (batch,)"""
    return (y[..., 0] - relevance_of(y)) * GROUPS


def together(y: Array) -> Array:
    """1 where two rows are of one group, else 0 (batch, batch)"""
    group = group_of(y)
    return group[:, None] == group[None, :]


def pairs(y: Array) -> Array:
    """P: whether row i is more relevant than j of its group (batch, batch)"""
    relevance = relevance_of(y)
    return together(y) & (relevance[:, None] > relevance[None, :])


def discounts(s: Array, same: Array) -> Array:
    """1 / log2(1 + rank) (batch,), rank from 1 by descending s within the group; of equal s the first row first"""
    xp = namespace(s)
    place = xp.arange(s.shape[0])
    is_before = (s[None, :] > s[:, None]) | ((s[None, :] == s[:, None]) & (place[None, :] < place[:, None]))
    return 1 / xp.log2(2 + (same & is_before).sum(1).astype(s.dtype))


def equal_weights(out: Array, y: Array) -> Array:
    """w_ij = 1 / |P|"""
    xp, own = namespace(out), pairs(y)
    count = together(y).astype(out.dtype) @ own.sum(1).astype(out.dtype)
    return own / xp.maximum(count, 1)[:, None]


def ndcg_weights(out: Array, y: Array) -> Array:
    """w_ij = |2^r_i - 2^r_j| |d_i - d_j| / best: by how much NDCG changes if the two swap their ranks

    r: the relevance.  d: the discount of the rank.  best: the DCG of the best order.
    w is constant between changes of the order, and so is not differentiated.
    """
    xp, same, relevance = namespace(out), together(y), relevance_of(y)
    gain, d = 2**relevance, discounts(out[:, 0], same)
    best = same.astype(out.dtype) @ ((gain - 1) * discounts(relevance, same))
    change = xp.abs(gain[:, None] - gain[None, :]) * xp.abs(d[:, None] - d[None, :])
    return xp.where(pairs(y), change, 0) / xp.where(best > 0, best, 1)[:, None]


def of_rows(w: Array, y: Array) -> Array:
    """n w_ij (batch, batch)"""
    return w * together(y).sum(1)[:, None].astype(w.dtype)


def ranking(out: Array, y: Array, w: Array) -> Array:
    """Negative log-likelihood of the order of the pairs, in nats; w: weights of `of_rows`.

    sum_j (c_ij + c_ji) / 2, c_ij = w_ij log(1 + exp(-(out_i - out_j)))
    """
    c = w * softplus(out[None, :, 0] - out[:, :1])
    return (c.sum(1) + c.sum(0)) / 2


def ranking_gradient(out: Array, y: Array, w: Array) -> Array:
    """sum_j w_ji sigmoid(out_i - out_j) - w_ij sigmoid(out_j - out_i), of the sum over all rows"""
    slope = w * sigmoid(out[None, :, 0] - out[:, :1])
    return (slope.sum(0) - slope.sum(1))[:, None]


class GroupLoss(Loss):
    """Base class of the losses of an order within groups, of one output. It predicts scores: out."""

    targets = "ranked"

    def check_outputs(self, outputs: int) -> None:
        """Check that there is one. Raises ConfigError."""
        if outputs != 1:
            raise ConfigError(
                f"{type(self).__name__} compares scores, one output, not {outputs}; use Dense(1)."
            )

    @abstractmethod
    def weights(self, out: Array, y: Array) -> Array:
        """Return w (batch, batch), 0 elsewhere than on P."""

    def group_of(self, y: Array) -> Array:
        """Return the group (batch,) of each row."""
        return group_of(y)

    def value(self, out: Array, y: Array) -> Array:
        """Compute loss_i (batch,)."""
        return by_groups(lambda z, y: ranking(z, y, of_rows(self.weights(z, y), y)), out, y)

    def gradient(self, out: Array, y: Array) -> Array:
        """Compute d sum_j loss_j / d out_i (batch, 1)."""
        return by_groups(lambda z, y: ranking_gradient(z, y, of_rows(self.weights(z, y), y)), out, y)


PART = 128
"""The rows of a part of `by_groups`, with those of its last group beyond."""


def by_groups(f: Callable[[Array, Array], Array], out: Array, y: Array) -> Array:
    """Compute f(out, y) in parts of whole groups, whose matrices are small; of arrays of JAX at once."""
    if not isinstance(out, np.ndarray):
        return f(out, y)
    group = group_of(y)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    parts = np.split(order, starts[1:][np.diff(starts // PART) > 0])
    found = np.concatenate([f(out[rows], y[rows]) for rows in parts])
    made = np.empty_like(found)
    made[order] = found
    return made


@dataclass(frozen=True)
class PairwiseLogistic(GroupLoss):
    """All pairs of a group count alike.

    Source: Burges and others, Learning to rank using gradient descent (RankNet), ICML 2005.
    """

    kind = "pairwise_logistic"
    formula = by_kind

    def weights(self, out: Array, y: Array) -> Array:
        """Return `equal_weights`."""
        return equal_weights(out, y)


@dataclass(frozen=True)
class LambdaRank(GroupLoss):
    """A pair counts by what its order changes in NDCG, which is most at the top.

    Source: Burges, From RankNet to LambdaRank to LambdaMART, Microsoft Research MSR-TR-2010-82 (2010).
    """

    kind = "lambda_rank"
    formula = by_kind

    def weights(self, out: Array, y: Array) -> Array:
        """Return `ndcg_weights`."""
        return ndcg_weights(out, y)


GROUP_LOSSES: dict[str, type[Loss]] = {loss.kind: loss for loss in (PairwiseLogistic, LambdaRank)}
"""Beside `LOSSES`, whose losses are of one row each."""


def ndcg(scores: NDArray[np.floating], y: NDArray[np.float64], at: int | None = None) -> float:
    """Return the mean over groups of DCG / (the best DCG), with DCG = sum_i (2^r_i - 1) / log2(1 + rank_i).

    scores: (n,).  y: (n, 1).  at: only the first so many ranks of a group count; None for all.
    Rows with equal scores share the ranks that they have together. Groups of one relevance have no order, and do not
    count; NaN if there are no others.
    Source: Jarvelin, Kekalainen, Cumulated gain-based evaluation of IR techniques, 2002.
    """
    group = np.unique(group_of(y), return_inverse=True)[1].reshape(-1)
    gain = 2 ** relevance_of(y) - 1
    starts = np.searchsorted(np.sort(group), np.arange(group.max(initial=-1) + 1))

    def dcg(by: NDArray[np.floating]) -> NDArray[Any]:
        order = np.lexsort((-by, group))
        own, s = group[order], by[order]
        rank = np.arange(len(order)) - starts[own]
        discount = np.where(rank < (at or len(order)), 1 / np.log2(2 + rank), 0)
        tie = np.cumsum(np.diff(s, prepend=np.nan) != 0) + own
        tie = np.unique(tie, return_inverse=True)[1].reshape(-1)
        mean = np.bincount(tie, discount) / np.bincount(tie)
        return np.bincount(own, gain[order] * mean[tie])

    counts = np.bincount(group)
    has_order = np.bincount(group, gain**2) * counts > np.bincount(group, gain) ** 2
    with np.errstate(invalid="ignore"):
        found = dcg(scores)[has_order] / dcg(gain)[has_order]
    return float(found.mean()) if len(found) else float("nan")
