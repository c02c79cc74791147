"""Find the samples that a model misclassifies, where there is something to learn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.data.samples import one_hot
from chainrule.errors import DataError
from chainrule.model import Model
from chainrule.network.answers import decide, true_labels
from chainrule.studio.screens.model import shown_part
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio

SEARCHED = 2000
"""The maximum samples that are searched: the first ones of the shown part."""
MAX_PRODUCTS = 1 << 30
"""The maximum multiply-adds of a search."""


class Ranked(NamedTuple):
    """Samples by their loss, the largest first."""

    order: NDArray[np.int64]
    """those that are misclassified; all, if none is or for numeric targets"""
    mistakes: int | None
    """the number of misclassified samples; None for numeric targets, which are never exactly right"""
    searched: int


@command("backprop.mistake", reads=True)
def mistake(studio: Studio, *, after: int | None = None, of: int | None = None) -> dict[str, Any]:
    """Find the misclassified sample with the largest loss, the next one, or the rank of a sample.

    after: the sample found before; the first one follows the last one.
    of: the sample whose rank is asked for; its rank is None if it is not among the ranked ones.
    If none is misclassified, and for numeric targets, all samples are ranked.  rank: from 1.
    """
    part = shown_part(studio)
    ranked = by_loss(studio.model, part.X, part.y)
    counts = {"mistakes": ranked.mistakes, "searched": ranked.searched}
    place = np.flatnonzero(ranked.order == (after if of is None else of))
    if of is not None:
        return {"sample": of, "rank": int(place[0]) + 1 if len(place) else None} | counts
    at = (int(place[0]) + 1) % len(ranked.order) if len(place) else 0
    return {"sample": int(ranked.order[at]), "rank": at + 1} | counts


def by_loss(model: Model, X: RowsLike, y: TargetsLike) -> Ranked:
    """Rank the first samples of data by their loss. X (n, inputs), y (n,) or (n, outputs)."""
    n = min(len(X), SEARCHED, max(1, MAX_PRODUCTS // max(1, model.network.size)))
    if not n:
        raise DataError("the data have no samples; choose others on the screen Train.")
    samples = model.check_samples(np.asarray(X[:n]), np.asarray(y[:n]))
    network, out = model.network, np.asarray(model.outputs(samples))
    if samples.scale is not None:  # the loss is of standardized targets
        out = samples.scale.standardize(out)
    with np.errstate(all="ignore"):
        is_labels = samples.y.ndim == 1
        target = one_hot(samples.y, samples.outputs, out.dtype) if is_labels else samples.y.astype(out.dtype)
        losses = np.nan_to_num(np.asarray(network.loss.value(out, target)), nan=-np.inf)
        wrong = None
        if model.task != "regression":
            differs = decide(network.loss, out) != true_labels(model.task, samples.y)
            wrong = np.flatnonzero(differs if differs.ndim == 1 else differs.any(1))
    rows = np.arange(n) if wrong is None or not len(wrong) else wrong
    order = rows[np.argsort(-losses[rows], kind="stable")]
    return Ranked(order, None if wrong is None else len(wrong), n)
