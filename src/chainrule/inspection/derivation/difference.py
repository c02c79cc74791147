"""Central differences in one number, to float64 accuracy: (L(t + h) - L(t - h)) / 2h, extrapolated to h = 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.formulas.layers import Context, Link
from chainrule.inspection.derivation.graph import Graph
from chainrule.network import backprop
from chainrule.network.tree import places

FIRST_STEP = 0.5
"""The initial h, times max(1, |t|)."""
MAX_HALVINGS = 60
TABLE_ROWS = 12
"""The number of steps in the extrapolation table."""
EPS = float(np.finfo(np.float64).eps)


@records.kind("central_difference")
class Difference(NamedTuple):
    """The result of a central difference."""

    value: float
    error: float
    """estimated error, from the extrapolation and from rounding"""
    step: float
    """the largest h used"""
    kink: float | None
    """an upper bound of the distance to the nearest kink; 0 for a kink at the number itself; None if none was met"""

    @property
    def note(self) -> str:
        """The remark about a kink; "" if none was met."""
        return records.written(self, "as_words")

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


class Perturbation(NamedTuple):
    """The loss or the output at one value: its parts, of a loss by sample, and the side of each kink."""

    parts: NDArray[np.float64]  # (batch,)  s_i / sum_i s_i * loss_i; of an output (1,)
    penalty: float  # of the varied number
    sides: tuple[NDArray[np.bool_], ...]

    def minus(self, other: Perturbation) -> float:
        """Return the difference of two losses, subtracted sample by sample so that equal parts cancel exactly."""
        return math.fsum([*(self.parts - other.parts).tolist(), self.penalty, -other.penalty])


def central_difference(probe: Callable[[float], Perturbation], at: float) -> Difference:
    """dL/dt at t = `at`, by Richardson extrapolation from h, h/2, h/4, ... (with Ridders' choice among the results).

    D(h) = (L(t + h) - L(t - h)) / 2h = L'(t) + c_2 h^2 + c_4 h^4 + ...      each column of the table removes one power

    h starts at max(1, |t|) / 2 and is halved until there is no kink between t - h and t + h, judged from both ends.
    The result is the entry with the smallest error: the difference to its neighbors, or the rounding of the two losses
    over 2h, whichever is larger.  Source: Ridders, "Accurate computation of F'(x)", Adv. Eng. Software 4, 1982.
    """
    here = probe(at)
    start = FIRST_STEP * max(1.0, abs(at))
    best = Difference(0.0, math.inf, 0.0, None)
    rows: list[list[float]] = []
    first, crossed = start, 0
    for k in range(MAX_HALVINGS):
        h = start / 2**k
        high, low = at + h, at - h
        if high == at or low == at:  # the step vanishes by rounding
            break
        up, down = probe(high), probe(low)
        # Across a kink, or if the loss is not finite, discard this step and all larger ones.
        if not _same(here, up, down):
            rows, crossed, first = [], k + 1, h / 2
            best = Difference(0.0, math.inf, 0.0, None)
            continue
        rounding = (
            EPS * float(np.abs(up.parts).sum() + np.abs(down.parts).sum() + abs(up.penalty)) / (high - low)
        )
        row = [up.minus(down) / (high - low)]
        for j, left in enumerate(rows[-1] if rows else []):
            row.append(row[j] + (row[j] - left) / (4.0 ** (j + 1) - 1))
            error = max(abs(row[-1] - row[j]), abs(row[-1] - left), rounding)
            if error <= best.error:
                best = Difference(row[-1], error, first, None)
        if not rows and best.error == math.inf:
            best = Difference(row[0], math.inf, h, None)
        rows.append(row)
        if len(rows) >= TABLE_ROWS:
            break
    if not rows:
        return _at_a_kink(probe, at, start / 2**20)
    if not crossed:
        return best
    return best._replace(kink=start / 2 ** (crossed - 1))


def _at_a_kink(probe: Callable[[float], Perturbation], at: float, h: float) -> Difference:
    """Return the mean of the one-sided derivatives, if no step is small enough."""
    up, down = probe(at + h), probe(at - h)
    return Difference(up.minus(down) / (2 * h), math.inf, h, 0.0)


def _same(here: Perturbation, *others: Perturbation) -> bool:
    """Return whether two values are on the same side of every kink, with finite losses."""
    return all(
        np.isfinite(other.parts).all()
        and all(np.array_equal(a, b) for a, b in zip(here.sides, other.sides, strict=True))
        for other in others
    )


def prober(
    graph: Graph, place: int | tuple[int, int], is_weight: bool
) -> tuple[Callable[[float], Perturbation], float]:
    """Return what the graph derives as a function of one number, theta[place] or x[place], and its current value."""
    trace, ctx = graph.trace, graph.trace.context()
    theta, x = trace.theta.copy(), trace.x.copy()
    links = (*trace.network.links, *(link for link, _ in graph.ends))
    # Views of theta, so that the passes see its changes.
    tree = (*trace.network.unflatten(theta), *(params for _, params in graph.ends))
    moved: Any = theta if isinstance(place, int) else x
    l2, l1 = graph.penalties if is_weight else (0.0, 0.0)
    at = float(moved[place])

    def probe(t: float) -> Perturbation:
        moved[place] = t
        with np.errstate(all="ignore"):  # a large step may overflow, and is then discarded
            out, caches = backprop.forward(links, tree, x, ctx)
            parts = graph.parts(out)
        moved[place] = at
        sides = [*_sides(links, caches, ctx), *graph.sides(out)]
        if l1:
            sides.append(np.array([t > 0]))
        return Perturbation(parts, 0.5 * l2 * t * t + l1 * abs(t), tuple(sides))

    return probe, at


def _sides(links: Sequence[Link], caches: Sequence[Any], ctx: Context) -> list[Any]:
    """Return for each number the side of each kink of the layer that reads it."""
    return [
        distance > 0
        for link, *_, (cache,) in places(links, caches)
        for distance in link.layer.from_kinks(cache, ctx.at(link))
    ]
