"""The walks that pages look at: traces of one sample or a batch, kept so that later questions are about them."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Plan
from chainrule.engines.step import by_parameter, constrained, cut, gradient, is_frozen
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Link
from chainrule.formulas.optimizers import GradientDescent
from chainrule.inspection.trace.trace import Trace
from chainrule.inspection.trace.walk import Walk
from chainrule.model import Model
from chainrule.network import tree
from chainrule.recipe.data import Data
from chainrule.studio.studio import Studio

KEPT = 8
"""The most walks that are kept."""
MAX_BYTES = 512 << 20
"""Of the walks that are kept besides the newest."""


class Walked(NamedTuple):
    """A walk with its number, and what it is a walk of."""

    id: int
    model: Model
    trace: Trace
    rows: list[int] | None
    """the numbers of the samples in the part of the data on show; None for numbers that the page gave"""
    assumed: bool
    """whether the target is the model's own answer, for want of another"""
    asked: str
    """the samples and the target that the page asked for"""
    data: Data | None
    """the data that the samples are of"""


class Walks:
    """The newest walks, by their numbers."""

    def __init__(self) -> None:
        """Keep none yet."""
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
        """Return the walk of a model with the same numbers through the same samples, if it is kept."""
        with self._lock:
            known = [
                w for w in self._found.values() if w.model is model and w.asked == asked and w.data is data
            ]
        return next((w for w in known if np.array_equal(w.trace.theta, model.theta)), None)

    def keep(self, model: Model, trace: Trace, **about: Any) -> Walked:
        """Number a walk and keep it; the oldest make room. about: the other attributes of a `Walked`."""
        with self._lock:
            made = Walked(next(self._numbers), model, trace, **about)
            self._found[made.id] = made
            while len(self._found) > KEPT or (len(self._found) > 1 and self._older_bytes() > MAX_BYTES):
                self._found.popitem(last=False)
        return made

    def _older_bytes(self) -> int:
        return sum(walked.trace.nbytes for walked in list(self._found.values())[:-1])

    def get(self, number: int) -> Walked:
        """Return a walk. Raises ConfigError for one that is not kept."""
        with self._lock:
            if number not in self._found:
                raise ConfigError(f"walk {number} is not kept any more; walk again.")
            return self._found[number]


class Station(NamedTuple):
    """A link on the way, and the links whose outputs go into it."""

    link: Link
    sources: tuple[str, ...]
    """of a block: the ends of its chains"""


def stations(links: Sequence[Link]) -> list[Station]:
    """Return the links in the order in which their outputs are made: a block after the links inside it."""
    found = []

    def arrive(link: Link, source: str, ends: tuple[str, ...]) -> str:
        found.append(Station(link, ends or (source,)))
        return link.name

    tree.fold(links, "input", arrive)
    return found


def slope(trace: Walk, station: Station) -> NDArray[Any] | None:
    """Return d out / d in (batch, width) of a link that works neuron by neuron; None for another."""
    link, ctx = station.link, trace.context(station.link)
    source = trace.a["input"] if station.sources[0] == "input" else trace.outputs[station.sources[0]]
    if link.branches or not link.layer.is_elementwise or (link.layer.mixes_samples and ctx.training):
        return None
    params = trace.parameters.get(link.name, ())
    _, cache = link.layer.forward(params, source, ctx)
    return np.asarray(link.layer.backward(params, cache, np.ones_like(source), ctx)[1])


def descend(walked: Walked, rate: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Take one step of gradient descent on a walk's samples: the gradient, the change and the new theta, (size,) each.

    As in training: frozen links stay, each parameter has its factor of the rate, and max_norm holds after the step.
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
