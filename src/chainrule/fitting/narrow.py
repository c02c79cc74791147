"""The inputs of a wide table that the members of an ensemble learn from: those that say something of the target alone.

Of many columns most say nothing, and a network learns their noise. So each member learns from its own strong inputs,
found among the rows that it learns from; those left out stay unseen, and what is predicted for them is honest. For each
input x and output y of these rows

    F = (B / b) / ((T - B) / (n - b - 1))      T the sum of squares of y around its mean, B what x explains of it,
                                               linearly (b = 1), or by the means of BINS intervals (b = BINS - 1)
    z = ((1 - 2 / 9d) F^(1/3) - (1 - 2 / 9b)) / sqrt(2 / 9d F^(2/3) + 2 / 9b),  d = n - b - 1

which is a standard normal number where y does not depend on x. The strong inputs are the most for which the share of
those that are strong by chance is FALSE at most. What they explain of y hides others, so these are looked for in what
they leave, ROUNDS times. There are at least LEAST, and at most as many as the recipe has. Where more are strong, as the
pixels of an image are, every member learns from all inputs, and those that would be its strong ones have curves.

The networks are trained on the inputs that are strong for any member, with weights of 0 for those that are not for the
member itself, whose gradients are then 0 too. They are part of a network of all inputs afterwards, whose other weights
are 0 but for the linear part, which all inputs have (`chainrule.fitting.few_solved`).

Sources: Wilson and Hilferty, "The distribution of chi-square", PNAS 1931, for z; Benjamini and Hochberg, "Controlling
the false discovery rate", JRSS B 1995; Fan and Lv, "Sure independence screening for ultrahigh dimensional feature
space", JRSS B 2008, for the rounds; Ambroise and McLachlan, "Selection bias in gene extraction on the basis of
microarray gene-expression data", PNAS 2002, for why rows left out must not choose.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from chainrule.data.samples import Samples
from chainrule.fitting.dealing import Dealt
from chainrule.fitting.start import dense_slots, views
from chainrule.formulas.layers import Embedding, PiecewiseLinearEmbedding, Scale, Take
from chainrule.model import Model
from chainrule.network.network import Network

BINS = 8
FALSE, LEAST = 0.2, 8
ROUNDS, EXPLAINED, PENALTY = 4, 32, 10.0
"""How often strong inputs are looked for; how many of those of a round are explained away, and by what penalty."""

Mask = NDArray[np.bool_]


class Narrow(NamedTuple):
    """What the members of an ensemble learn from a wide table."""

    rows: Dealt
    strong: Mask
    """(members, inputs) the inputs of each one"""
    curved: Mask
    """(inputs,) those that have curves"""
    codes: tuple[int, ...]
    """the inputs that are codes, which all of them have"""

    @classmethod
    def of(cls, samples: Samples, rows: Dealt, codes: tuple[int, ...], most: int) -> Narrow:
        """Return the strong inputs of each member, at most so many. codes: the inputs that are codes."""
        X, (y, weight) = np.asarray(samples.X, np.float32), samples.targets_of()
        X = (X - X.mean(0)) / np.maximum(X.std(0), np.float32(1e-30))
        y = (y - y.mean(0)) / np.maximum(y.std(0), 1e-300)
        own = np.zeros((len(rows.learned), samples.n))
        for member, each in enumerate(rows.learned):
            own[member, each] = weight[each] > 0
        left = np.repeat(y[None], len(own), 0)  # what is not explained yet
        strong, by_itself = np.zeros((len(own), X.shape[1]), bool), np.zeros(len(own))
        for number in range(ROUNDS):
            z = normal_scores(X, left, own)
            z[:, list(codes)] = -np.inf
            z[strong] = -np.inf
            grew = False
            for member, scores in enumerate(z):
                order = np.argsort(-scores, kind="stable")
                by_chance = 2 * len(scores) * ndtr(-scores[order])
                found = np.flatnonzero(by_chance <= FALSE * np.arange(1, len(scores) + 1))
                by_itself[member] += 0 if number or not len(found) else found[-1] + 1
                added = order[: min(found[-1] + 1 if len(found) else 0, most - strong[member].sum())]
                if len(added):
                    grew, strong[member, added] = True, True
                    explain(left[member], X[:, added[:EXPLAINED]], np.flatnonzero(own[member]))
            if not grew:
                break
        for member, scores in enumerate(z):
            rest = np.argsort(-scores, kind="stable")[: max(LEAST - strong[member].sum(), 0)]
            strong[member, rest[scores[rest] > -np.inf]] = True
        curved: Mask = np.asarray(strong.any(0))
        if np.median(by_itself) > most:
            strong[:] = True
            strong[:, list(codes)] = False
        return cls(rows, strong, curved, codes)

    @property
    def inputs(self) -> NDArray[np.int64]:
        """The inputs that any of the networks has."""
        return np.union1d(np.flatnonzero(self.strong.any(0)), np.array(self.codes, np.int64))

    def network(self, whole: Network) -> Network:
        """Return the network of these inputs, which is a part of one of all."""
        return narrowed(whole, self.inputs)

    def begin(self, model: Model, number: int) -> None:
        """Let the network of a member be without the inputs that others learn from."""
        mute(model, ~self.strong[number, self.inputs])

    def finish(self, whole: Model, trained: Model) -> None:
        """Copy a trained network into one of all inputs."""
        put(whole, trained, self.inputs)


def explain(left: NDArray[np.float64], X: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
    """Subtract from targets (n, outputs), in place, what a ridge regression explains of these rows.

    It is one on the numbers X (n, inputs) and on whether each is above the edges of its intervals.
    """
    own = X[rows]
    edges = np.quantile(own, np.arange(1, BINS) / BINS, axis=0)
    A = np.concatenate([own, *(own > edge for edge in edges)], 1).astype(np.float64)
    A = (A - A.mean(0)) / np.maximum(A.std(0), 1e-6)
    mean = left[rows].mean(0)
    right = A.T @ (left[rows] - mean)
    left[rows] -= mean + A @ np.linalg.solve(A.T @ A + PENALTY * np.eye(A.shape[1]), right)


def normal_scores(X: NDArray[np.float32], y: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[Any]:
    """Return the largest z of each input (members, inputs); -infinity where it is the same on all rows of a member.

    X: (n, inputs).  y: (members, n, outputs).  own: (members, n) 1 for the rows that a member learns from.
    """
    targets = [y[:, :, k] for k in range(y.shape[2])]
    columns = [own, *(own * each for each in targets)]
    left = np.concatenate(columns).astype(np.float32)  # the sums of 1 and of each output, of each member
    shape = (len(columns), len(own), X.shape[1])
    n = np.maximum(own.sum(1), 1)[:, None]
    sums = np.stack([each.sum(1) for each in columns])[:, :, None]  # (1 + outputs, members, 1)
    total = np.stack([(own * each**2).sum(1) for each in targets])[:, :, None] - sums[1:] ** 2 / n
    of_x = (left @ X).reshape(shape).astype(np.float64)
    spread = (own.astype(np.float32) @ X**2) - of_x[0] ** 2 / n
    varies = spread > 1e-6 * n
    line = (of_x[1:] - of_x[0] * sums[1:] / n) ** 2 / np.where(varies, spread, np.inf)
    between, bins, before = -(sums[1:] ** 2) / n, np.zeros(shape[1:]), np.zeros(shape)
    for edge in [*np.quantile(X, np.arange(1, BINS) / BINS, axis=0), np.full(X.shape[1], np.inf)]:
        below = (left @ (edge >= X).astype(np.float32)).reshape(shape).astype(np.float64)
        count, *each = below - before
        between = between + np.stack(each) ** 2 / np.maximum(count, 1)
        bins, before = bins + (count > 0), below
    z = np.maximum(as_normal(line, total, np.ones(shape[1:]), n), as_normal(between, total, bins - 1, n))
    return np.where(varies, z.max(0), -np.inf)


def as_normal(
    between: NDArray[np.float64], total: NDArray[np.float64], b: NDArray[np.float64], n: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return z of sums of squares (outputs, members, inputs), explained by b numbers (members, inputs)."""
    b, d = np.maximum(b, 1), np.maximum(n - b - 1, 1)
    share = np.clip(between / np.maximum(total, 1e-300), 0, 1 - 1e-9)
    root = np.cbrt(share / b * d / (1 - share))
    found: NDArray[np.float64] = ((1 - 2 / (9 * d)) * root - (1 - 2 / (9 * b))) / np.sqrt(
        2 / (9 * d) * root**2 + 2 / (9 * b)
    )
    return found


def narrowed(network: Network, inputs: NDArray[np.int64]) -> Network:
    """Return the network of some of its inputs, among them all that are codes or become vectors."""
    place, layers = np.cumsum(np.isin(np.arange(network.inputs), inputs)) - 1, list(network.layers)
    width = len(inputs)
    for k, layer in enumerate(layers):
        if isinstance(layer, Embedding):
            coded = tuple((int(place[column]), codes, size) for column, codes, size in layer.columns)
            layers[k] = replace(layer, columns=coded)
        elif isinstance(layer, Take):
            origin = origins(network, k)
            kept = (origin < 0) | np.isin(origin, inputs)
            taken = [c for c in layer.columns if kept[c]]
            layers[k] = replace(layer, columns=tuple((np.cumsum(kept)[taken] - 1).tolist()))
            width = len(taken)
        elif isinstance(layer, PiecewiseLinearEmbedding):  # of the last columns
            count = len(layer.embedded(width))
            layers[k] = replace(layer, columns=tuple(range(width - count, width)))
    return Network(len(inputs), layers, network.loss)


def origins(network: Network, layers: int | None = None) -> NDArray[np.int64]:
    """Return which input each input of the first Dense is made of, or those behind so many layers; -1 for vectors."""
    origin = np.arange(network.inputs)
    for link in network.links[:layers]:
        layer = link.layer
        if isinstance(layer, Embedding):
            origin = np.delete(origin, [column for column, *_ in layer.columns])
            origin = np.concatenate([origin, np.full(link.fan_out - len(origin), -1)])
        elif isinstance(layer, Take):
            origin = origin[list(layer.columns)]
        elif isinstance(layer, PiecewiseLinearEmbedding):
            origin = origin[layer.sources(link.fan_in)]
        elif not isinstance(layer, Scale):
            break
    return origin


def mute(model: Model, muted: Mask) -> None:
    """Let the network of a member be without some inputs: their factors and weights are 0, and stay so in training."""
    places = muted[origins(model.network)]
    places &= origins(model.network) >= 0
    for slot in model.network.slots:
        if isinstance(slot.link.layer, Scale):
            model.theta[slot.start : slot.stop][places] = 0
            break
    views(model.network, model.theta, "W")[0][places] = 0


def put(model: Model, narrow: Model, inputs: NDArray[np.int64]) -> None:
    """Copy a trained network of these inputs into one of all."""
    origin = origins(model.network)
    kept = (origin < 0) | np.isin(origin, inputs)
    first = dense_slots(model.network, "W")[0]
    for slot, own in zip(model.network.slots, narrow.network.slots, strict=True):
        values = narrow.theta[own.start : own.stop].reshape(own.parameter.shape)
        view = model.theta[slot.start : slot.stop].reshape(slot.parameter.shape)
        if slot == first:
            view[...] = 0
        if view.shape == values.shape:
            view[...] = values
        else:
            view[kept] = values
    model.take(model.theta, dict(narrow.states), (narrow.epochs_trained, narrow.steps_trained))
