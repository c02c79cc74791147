"""The traces that pages show, of one sample or a batch, and the mistakes of a model to begin with."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.data.samples import one_hot
from chainrule.engines import Plan
from chainrule.engines.step import by_parameter, constrained, cut, gradient, is_frozen
from chainrule.errors import ConfigError, DataError
from chainrule.formulas.layers import Link
from chainrule.formulas.optimizers import GradientDescent
from chainrule.inspection.trace.trace import Trace
from chainrule.inspection.walk import Walk
from chainrule.model import Model
from chainrule.network import tree
from chainrule.network.answers import decide, true_labels
from chainrule.recipe.data import Data
from chainrule.studio.screens.model import shown_part
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio

KEPT = 8
"""The maximum number of stored walks."""
MAX_BYTES = 512 << 20
"""The maximum size of all stored walks except the newest."""


class Walked(NamedTuple):
    """A trace with its number and its inputs."""

    id: int
    model: Model
    trace: Trace
    rows: list[int] | None
    """the indices of the samples in the shown part of the data; None for numbers given by the page"""
    assumed: bool
    """whether the target is the model's own answer, because none was given"""
    asked: str
    """the samples and the target that the page requested"""
    data: Data | None
    """the data of the samples"""


class Walks:
    """The newest walks, by number."""

    def __init__(self) -> None:
        """Start without walks."""
        self._lock = threading.Lock()
        self._found: OrderedDict[int, Walked] = OrderedDict()
        self._numbers = itertools.count(1)

    @classmethod
    def of(cls, studio: Studio) -> Walks:
        """Return the walks of a studio."""
        with studio.lock:
            found: Walks = studio.parts.setdefault("backprop", cls())
        return found

    def find(self, model: Model, asked: str, data: Data | None) -> Walked | None:
        """Return the stored walk of a model with the same parameters and samples, None if there is none."""
        with self._lock:
            known = [
                w for w in self._found.values() if w.model is model and w.asked == asked and w.data is data
            ]
        return next((w for w in known if np.array_equal(w.trace.theta, model.theta)), None)

    def keep(self, model: Model, trace: Trace, **about: Any) -> Walked:
        """Number a walk and store it, replacing the oldest ones. about: the other attributes of a `Walked`."""
        with self._lock:
            made = Walked(next(self._numbers), model, trace, **about)
            self._found[made.id] = made
            while len(self._found) > KEPT or (len(self._found) > 1 and self._older_bytes() > MAX_BYTES):
                self._found.popitem(last=False)
        return made

    def _older_bytes(self) -> int:
        return sum(walked.trace.nbytes for walked in list(self._found.values())[:-1])

    def get(self, number: int) -> Walked:
        """Return a walk. Raises ConfigError if it is no longer stored."""
        with self._lock:
            if number not in self._found:
                raise ConfigError(f"walk {number} is no longer stored; compute it again.")
            return self._found[number]


class Station(NamedTuple):
    """A link, and the links whose outputs are its inputs."""

    link: Link
    sources: tuple[str, ...]
    """for a block: the ends of its chains"""


def stations(links: Sequence[Link]) -> list[Station]:
    """Return the links in the order of their outputs: a block after the links inside it."""
    found = []

    def arrive(link: Link, source: str, ends: tuple[str, ...]) -> str:
        found.append(Station(link, ends or (source,)))
        return link.name

    tree.fold(links, "input", arrive)
    return found


def slope(trace: Walk, station: Station) -> NDArray[Any] | None:
    """Return d out / d in (batch, width) of an elementwise link; None for others."""
    link, ctx = station.link, trace.context(station.link)
    source = trace.a["input"] if station.sources[0] == "input" else trace.outputs[station.sources[0]]
    if link.branches or not link.layer.is_elementwise or (link.layer.mixes_samples and ctx.training):
        return None
    params = trace.parameters.get(link.name, ())
    _, cache = link.layer.forward(params, source, ctx)
    return np.asarray(link.layer.backward(params, cache, np.ones_like(source), ctx)[1])


def descend(walked: Walked, rate: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Take one step of gradient descent on a walk's samples: the gradient, the change and the new theta, (size,) each.

    As in training: frozen links do not change, each parameter has its factor of the rate, and max_norm applies.
    """
    model, trace, ctx = walked.model, walked.trace, walked.trace.context()
    network, theta = trace.network, trace.theta
    plan = Plan(network, GradientDescent(), trace.n, ctx.seed, theta.dtype, frozen=ctx.frozen)
    _, g = gradient(
        plan, network.unflatten(theta), dict(ctx.states), trace.batch, ctx.step, training=ctx.training
    )
    rates = by_parameter(network, "rate")
    lr: Any = rate if rates is None else rate * rates.astype(theta.dtype)
    new = theta - np.asarray(lr, theta.dtype) * g
    for slot, part in zip(network.slots, cut(network, new), strict=True):
        part[...] = constrained(network, slot, part)
    if model.frozen:
        new = np.where(is_frozen(plan, theta), theta, new)
    return g, new - theta, new


# --- find the samples that a model misclassifies, where there is something to learn ----------------------------------

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
