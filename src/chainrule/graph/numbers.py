"""The operations of a graph on numbers, of networks and of scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas import activations
from chainrule.graph.lines import ROUNDING, supporting_lines
from chainrule.graph.operation import (
    EPSILON,
    MIN_RUN,
    UNITS,
    Array,
    Box,
    GraphOperation,
    Lines,
    box_of,
    like,
    log_mean,
    widened,
)


def normal_quantile(share: Array) -> Array:
    """Phi^-1(share): the number below which a standard normal one is with this probability."""
    from scipy.special import ndtri

    made: Array = ndtri(share)
    return made


class ElementFunction(NamedTuple):
    """A function of each number, and its derivative beneath it."""

    value: Callable[..., Array]
    prime: Callable[..., Array]
    """f'(z) of z and f(z)"""
    bottom: float | None = None
    """the place of the only minimum, before which it falls and behind which it rises; None of one that never falls"""
    turns: float | None = None
    """the place of a maximum of a function with period 1, whose minimum is half a period later"""
    least: float = -np.inf
    """what no value is below"""
    most: float = np.inf
    cancels: float = 0.0
    """where 1 and a number near -1 are added, the largest |z| that multiplies what is lost"""
    slope: Callable[[Array, Array], Array] | None = None
    """(f(z) - f(z')) / (z - z') of z and f(z), z' the last row of (n + 1, width), where a quotient would lose digits"""
    bends: tuple[float, ...] | None = None
    """the places where it turns from convex to concave or back, and kinks; None of one without lines"""
    is_convex_first: bool = True
    """whether it is convex before the first"""

    def lines(self, box: Box, constants: Mapping[str, Any]) -> Lines | None:
        """Return lines below and above the function over a box; constants are numbers, or (width,)."""
        if self.bends is None:
            return None
        return supporting_lines(
            lambda z: self.value(z, **constants),
            lambda z, a: self.prime(z, a, **constants),
            box,
            self.bends,
            self.is_convex_first != _falls(constants),
        )

    def bounds(self, box: Box, constants: Mapping[str, float]) -> Box:
        """Return a box of the values of z in a box."""
        with np.errstate(over="ignore", divide="ignore"):
            ends = [self.value(end, **constants) for end in box]
        low, high = box_of(ends)
        if self.turns is not None:
            low = np.where(_has_whole(box, self.turns + 0.5), self.least, low)
            high = np.where(_has_whole(box, self.turns), self.most, high)
        bottom = 0.0 if _falls(constants) else self.bottom
        if bottom is not None:
            low = np.minimum(low, self.value(np.clip(bottom, *box), **constants))
        lost = UNITS * np.minimum(np.maximum(*map(np.abs, box)), self.cancels)
        wide = widened(low, high, lost)
        return Box(np.maximum(wide.low, self.least), np.minimum(wide.high, self.most))


def _falls(constants: Mapping[str, Any]) -> bool:
    """Whether a function with such a slope or scale falls on the left of its kink."""
    return any(np.min(each) < 0 for each in constants.values())


def _has_whole(box: Box, start: float) -> NDArray[np.bool_]:
    """Return where a box has start plus a whole number, or nearly."""
    near = UNITS * np.maximum(*map(np.abs, box))
    return np.asarray(np.floor(box.high - start + near) >= np.ceil(box.low - start - near))


def _sigmoid_slope(z: Array, a: Array) -> Array:
    """(p - p') / (z - z') = L(p, p') L(q, q') / (L(p, p') + L(q, q')), q = 1 - p, L the logarithmic mean.

    Since z = log p - log q.
    """
    logs = (activations.log_sigmoid(z), activations.log_sigmoid(-z))
    of_p, of_q = (log_mean(np.exp(log[:-1]), np.exp(log[-1:]), log[:-1] - log[-1:]) for log in logs)
    total = of_p + of_q
    return np.asarray(of_p * (of_q / np.where(total > 0, total, 1.0)))


def _exp_slope(z: Array, a: Array) -> Array:
    """L(e^z, e^z')"""
    return log_mean(a[:-1], a[-1:], z[:-1] - z[-1:])


def _log_slope(z: Array, a: Array) -> Array:
    """1 / L(z, z')"""
    return np.asarray(1 / log_mean(z[:-1], z[-1:], a[:-1] - a[-1:]))


def _soft_clip_prime(z: Array, a: Array) -> Array:
    """(1 + (z / 3)^2)^(-3/2)"""
    made: Array = (1 + (z / 3) ** 2) ** -1.5
    return made


def _waves(place: float, left: float, right: float) -> dict[str, Any]:
    """Return the place of the minimum of a function that is convex between two others, and concave beyond."""
    return {"bottom": place, "bends": (left, right), "is_convex_first": False}


_KINK: dict[str, Any] = {"bends": (0.0,)}
_SHAPES: dict[str, dict[str, Any]] = {
    "gelu": {**_waves(-0.7517915246935644, -math.sqrt(2), math.sqrt(2)), "cancels": 8.5},
    "gelu_tanh": {**_waves(-0.7524614220710163, -1.4185040087908285, 1.4185040087908285), "cancels": 8.5},
    "identity": {"bends": ()},
    "log_sigmoid": {"most": 0.0, "bends": (), "is_convex_first": False},
    "mish": _waves(-1.192431214515495, -2.256376396360793, 1.4905711794854286),
    "relu": _KINK,
    "selu": _KINK,
    "sigmoid": {"least": 0.0, "most": 1.0, "slope": _sigmoid_slope, "bends": (0.0,)},
    "silu": _waves(-1.2784645427610737, -2.3993572805154675, 2.3993572805154675),
    "softplus": {"least": 0.0, "bends": ()},
    "tanh": {"least": -1.0, "most": 1.0, "bends": (0.0,)},
}
"""What bounds and chords need of an activation beyond its values: a minimum is where f' = 0, a bend where f'' = 0."""

FUNCTIONS: dict[str, ElementFunction] = {
    **{
        name: ElementFunction(value, prime, **_SHAPES.get(name, {}))
        for name, (value, prime, _) in activations.FUNCTIONS.items()
    },
    "leaky_relu": ElementFunction(activations.leaky_relu, activations.leaky_relu_prime, **_KINK),
    "elu": ElementFunction(activations.elu, activations.elu_prime, **_KINK),
    "exp": ElementFunction(np.exp, lambda z, a: a, least=0.0, slope=_exp_slope, bends=()),
    "log": ElementFunction(np.log, lambda z, a: 1 / z, slope=_log_slope, bends=(), is_convex_first=False),
    "soft_clip": ElementFunction(lambda z: z / np.sqrt(1 + (z / 3) ** 2), _soft_clip_prime, **_KINK),
    "sin_turns": ElementFunction(
        lambda turns: np.sin(2 * np.pi * turns),
        lambda turns, a: 2 * np.pi * np.cos(2 * np.pi * turns),
        turns=0.25,
        least=-1.0,
        most=1.0,
    ),
    "cos_turns": ElementFunction(
        lambda turns: np.cos(2 * np.pi * turns),
        lambda turns, a: -2 * np.pi * np.sin(2 * np.pi * turns),
        turns=0.0,
        least=-1.0,
        most=1.0,
    ),
    "normal_quantile": ElementFunction(
        normal_quantile,
        lambda share, a: np.sqrt(2 * np.pi) * np.exp(a * a / 2),
        bends=(0.5,),
        is_convex_first=False,
    ),
}
"""The functions of `Elementwise` by name; leaky_relu takes `slope`, elu `alpha`."""


@dataclass(frozen=True, eq=False)
class Elementwise(GraphOperation):
    """A function of each number; `FUNCTIONS` has their formulas, of activations in `chainrule.formulas.activations`."""

    function: str
    constants: tuple[tuple[str, float], ...] = ()
    """its settings by name: ("slope", 0.01) of leaky_relu, ("alpha", 1.0) of elu"""

    def compute(self, *values: Array) -> Array:
        """f(x)"""
        return FUNCTIONS[self.function].value(values[0], **dict(self.constants))

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta f'(x)"""
        return (delta * FUNCTIONS[self.function].prime(values[0], out, **dict(self.constants)),)

    def chord(self, m: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """m (f(x) - f(x')) / (x - x')"""
        slope = FUNCTIONS[self.function].slope
        return super().chord(m, out, *values) if slope is None else (m * slope(values[0], out),)

    def bounds(self, *boxes: Box) -> Box:
        """Of a rising function its values at the ends; else also at its minimum, or -1 and 1 of waves."""
        return FUNCTIONS[self.function].bounds(boxes[0], dict(self.constants))

    def lines(self, *boxes: Box) -> Lines | None:
        """Those of the function."""
        return FUNCTIONS[self.function].lines(boxes[0], dict(self.constants))


@dataclass(frozen=True, eq=False)
class Columnwise(GraphOperation):
    """An affine function of each column: out = (x - center) factor + offset."""

    is_affine: ClassVar[bool] = True
    center: NDArray[np.float64]
    """(width,)"""
    factor: NDArray[np.float64]
    offset: NDArray[np.float64]

    def compute(self, *values: Array) -> Array:
        """(x - center) factor + offset"""
        x = values[0]
        with np.errstate(over="ignore"):
            return (x - like(self.center, x)) * like(self.factor, x) + like(self.offset, x)

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta factor"""
        return (delta * like(self.factor, delta),)

    def bounds(self, *boxes: Box) -> Box:
        """The results of both ends."""
        with np.errstate(invalid="ignore"):  # an infinite end of a column without weight
            parts = [np.where(self.factor == 0, 0.0, (end - self.center) * self.factor) for end in boxes[0]]
        rounding = UNITS * (np.maximum(*map(np.abs, boxes[0])) + np.abs(self.center)) * np.abs(self.factor)
        rounding = np.where(np.isfinite(rounding), rounding, 0.0) + UNITS * np.abs(self.offset)
        low, high = box_of(parts)
        return widened(low + self.offset, high + self.offset, rounding)


def affine_bounds(box: Box, W: Array, b: Array) -> Box:
    """Return a box of x W + b, by center and radius: |(x - c) W| <= r |W|, c = (low + high) / 2, r = high - c.

    W: (..., inputs, outputs).  b: (..., 1, outputs) or (outputs,). An infinite end of a number makes those ends
    infinite that it moves.
    """
    low, high = box
    below, above = (np.isinf(end) for end in box)
    finite = [np.where(below | above, 0.0, end) for end in box]
    c = finite[0] / 2 + finite[1] / 2
    r = np.maximum(finite[1] - c, c - finite[0]) * (1 + UNITS)
    size = np.abs(W)
    y, spread = c @ W + b, r @ size
    rounding = (W.shape[-2] + 4) * EPSILON * (np.abs(c) @ size + spread + np.abs(b))
    ends = widened(y - spread, y + spread, rounding)
    rises, falls = (W > 0).astype(np.float64), (W < 0).astype(np.float64)
    down = (below & (low < 0)) @ rises + (above & (high > 0)) @ falls
    up = (above & (high > 0)) @ rises + (below & (low < 0)) @ falls
    return Box(np.where(down > 0, -np.inf, ends.low), np.where(up > 0, np.inf, ends.high))


@dataclass(frozen=True, eq=False)
class Affine(GraphOperation):
    """A dense layer: out = x W + b."""

    is_affine: ClassVar[bool] = True
    W: NDArray[np.float64]
    """(inputs, outputs)"""
    b: NDArray[np.float64]
    """(outputs,)"""

    def width(self, *widths: int) -> int:
        """Return the outputs."""
        return int(self.W.shape[1])

    def compute(self, *values: Array) -> Array:
        """x W + b"""
        return values[0] @ like(self.W, values[0]) + like(self.b, values[0])

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta W^T"""
        return (delta @ like(self.W, delta).T,)

    def bounds(self, *boxes: Box) -> Box:
        """See `affine_bounds`."""
        return affine_bounds(boxes[0], self.W, self.b)


@dataclass(frozen=True, eq=False)
class GroupedAffine(GraphOperation):
    """A dense layer for each group of columns: out_g = x_g W_g + b_g, groups side by side."""

    is_affine: ClassVar[bool] = True
    W: NDArray[np.float64]
    """(groups, inputs, outputs), or (1, inputs, outputs) where all groups share it"""
    b: NDArray[np.float64]
    """(groups, outputs), or (1, outputs)"""
    groups: int

    def width(self, *widths: int) -> int:
        """Return the outputs of all groups."""
        return self.groups * int(self.W.shape[2])

    def compute(self, *values: Array) -> Array:
        """x_g W_g + b_g"""
        x = values[0]
        z = _by_group(x, self.groups) @ like(self.W, x) + like(self.b, x)[:, None]
        return z.swapaxes(0, 1).reshape(len(x), -1)

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta_g W_g^T"""
        made = _by_group(delta, self.groups) @ like(self.W, delta).swapaxes(1, 2)
        return (made.swapaxes(0, 1).reshape(values[0].shape),)

    def bounds(self, *boxes: Box) -> Box:
        """See `affine_bounds`."""
        groups = Box(*(_by_group(end, self.groups) for end in boxes[0]))
        ends = affine_bounds(groups, self.W, self.b[:, None])
        return Box(*(end.swapaxes(0, 1).reshape(len(boxes[0].low), -1) for end in ends))


def _by_group(x: Array, groups: int) -> Array:
    """Return (groups, n, columns) of groups side by side."""
    return x.reshape(len(x), groups, -1).swapaxes(0, 1)


@dataclass(frozen=True, eq=False)
class NegativeSlopes(GraphOperation):
    """The leaky ReLU with a slope for each column: max(x, 0) + slope min(x, 0)."""

    slope: NDArray[np.float64]
    """(width,)"""

    def compute(self, *values: Array) -> Array:
        """max(x, 0) + slope min(x, 0)"""
        x = values[0]
        made: Array = np.maximum(x, 0) + like(self.slope, x) * np.minimum(x, 0)
        return made

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta where x > 0, else delta slope"""
        return (np.where(values[0] > 0, delta, delta * like(self.slope, delta)),)

    def bounds(self, *boxes: Box) -> Box:
        """The results of both ends and of the kink between them."""
        (low, high) = boxes[0]
        made = box_of([self.compute(end) for end in (low, high, np.clip(0.0, low, high))])
        return widened(*made)

    def lines(self, *boxes: Box) -> Lines | None:
        """Those of the leaky ReLU."""
        return FUNCTIONS["leaky_relu"].lines(boxes[0], {"slope": self.slope})


@dataclass(frozen=True, eq=False)
class Between(GraphOperation):
    """Two values blended by a factor of each column: x + alpha (y - x)."""

    is_affine: ClassVar[bool] = True
    alpha: NDArray[np.float64]
    """(width,)"""
    arity: ClassVar[int | None] = 2

    def compute(self, *values: Array) -> Array:
        """x + alpha (y - x)"""
        x, y = values
        made: Array = x + like(self.alpha, x) * (y - x)
        return made

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta (1 - alpha), delta alpha"""
        alpha = like(self.alpha, delta)
        return delta * (1 - alpha), delta * alpha

    def bounds(self, *boxes: Box) -> Box:
        """The sum of the boxes of x (1 - alpha) and of y alpha."""
        parts = [
            box_of([end * factor for end in box])
            for box, factor in zip(boxes, (1 - self.alpha, self.alpha), strict=True)
        ]
        low, high = (sum(ends) for ends in zip(*parts, strict=True))
        size = sum(np.maximum(*map(np.abs, part)) for part in parts)
        return widened(np.asarray(low), np.asarray(high), UNITS * np.asarray(size))


@dataclass(frozen=True, eq=False)
class JoinedColumns(GraphOperation):
    """Values side by side."""

    is_affine: ClassVar[bool] = True
    arity: ClassVar[int | None] = None

    def width(self, *widths: int) -> int:
        """Return the sum of their columns."""
        return sum(widths)

    def compute(self, *values: Array) -> Array:
        """[x_1, ..., x_k]"""
        return np.concatenate(values, axis=1)

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """The columns of delta that each value became."""
        return tuple(np.split(delta, np.cumsum([value.shape[1] for value in values])[:-1], axis=1))


@dataclass(frozen=True, eq=False)
class SelectedColumns(GraphOperation):
    """Some columns, in any order, also repeatedly."""

    is_affine: ClassVar[bool] = True
    columns: tuple[int, ...]

    def width(self, *widths: int) -> int:
        """Return their number."""
        return len(self.columns)

    def compute(self, *values: Array) -> Array:
        """x[:, columns]"""
        return values[0][:, list(self.columns)]

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """The sum of delta over the places that a column became."""
        made = np.zeros_like(values[0], delta.dtype)
        columns = np.array(self.columns, np.int64)
        if len(set(self.columns)) == len(columns):
            made[:, columns] = delta
        else:
            np.add.at(made.T, columns, delta.T)
        return (made,)


@dataclass(frozen=True, eq=False)
class LinearPieces(GraphOperation):
    """A vector for each column, a continuous function of its number x that is linear between knots.

    out = start_j + (x - knot_j) rise_j with j the last of the column's knots that is no larger than x, or the first.
    """

    least_run: ClassVar[float] = MIN_RUN
    knots: NDArray[np.float64]
    """(width, pieces), ascending in each row; infinity where a column has fewer"""
    starts: NDArray[np.float64]
    """(width, pieces, size): the vector at the knot"""
    rises: NDArray[np.float64]
    """(width, pieces, size): what it grows by for each unit of x"""

    def width(self, *widths: int) -> int:
        """Return the numbers of all vectors, side by side."""
        return int(self.starts.shape[0] * self.starts.shape[2])

    def compute(self, *values: Array) -> Array:
        """start_j + (x - knot_j) rise_j"""
        x, at = values[0], self._piece(values[0])
        knots = like(self.knots, x)[at]
        made: Array = like(self.starts, x)[at] + (x - knots)[:, :, None] * like(self.rises, x)[at]
        return made.reshape(len(x), -1)

    def _piece(self, x: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the column and the place of the last knot that is no larger than each x, (n, width) both."""
        piece = (x[:, :, None] >= like(self.knots, x)[:, 1:]).sum(2)
        return np.broadcast_to(np.arange(len(self.knots)), piece.shape), piece

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """sum_s delta_ks rise_js"""
        rises = like(self.rises, delta)[self._piece(values[0])]
        return ((delta.reshape(rises.shape) * rises).sum(2),)

    def bounds(self, *boxes: Box) -> Box:
        """The results of both ends, and of the knots between them."""
        low, high = (end[:, :, None] for end in boxes[0])
        inside = ((low < self.knots) & (self.knots < high))[..., None]  # (n, width, pieces, 1)
        ends = box_of([self.compute(end) for end in boxes[0]])
        least = np.where(inside, self.starts, np.inf).min(2, initial=np.inf).reshape(ends.low.shape)
        most = np.where(inside, self.starts, -np.inf).max(2, initial=-np.inf).reshape(ends.low.shape)
        size = np.abs(self.starts).max(1) + np.abs(self.knots[:, :1] * self.rises[:, 0])
        rounding = UNITS * np.where(np.isfinite(size), size, 0.0).ravel()
        return widened(np.minimum(ends.low, least), np.maximum(ends.high, most), rounding)

    def lines(self, *boxes: Box) -> Lines | None:
        """The chord between both ends, moved to the lowest and the highest of the knots between them."""
        low = boxes[0].low
        shape = len(low), len(self.knots), 1, -1
        y, end = (self.compute(x).reshape(shape) for x in boxes[0])
        first, last = (x[:, :, None, None] for x in boxes[0])
        s = (end - y) / np.where(last > first, last - first, 1.0)  # (n, width, 1, size)
        there = self.knots[..., None]
        is_inside = (first < there) & (there < last)
        knots = np.where(is_inside, there, 0.0)
        sides = np.concatenate([y - s * first, end - s * last], 2)
        inner = np.where(is_inside, self.starts - s * knots, sides[:, :, :1])
        every = np.concatenate([sides, inner], 2)
        size = np.abs(self.starts).max(1)[:, None] + np.abs(y) + np.abs(end)
        size = size + np.abs(s) * np.maximum(np.abs(first), np.abs(last))
        error = ROUNDING * size[:, :, 0]
        made = s[:, :, 0], every.min(2) - error, s[:, :, 0], every.max(2) + error
        return Lines(*(each.reshape(len(low), -1) for each in made))


@dataclass(frozen=True, eq=False)
class CosineVectors(GraphOperation):
    """A vector for each column, of cosines of its number x, and x itself: [z W + c, x], z = cos(2 pi w x + b)."""

    least_run: ClassVar[float] = MIN_RUN
    w: NDArray[np.float64]
    """(width, frequencies), in turns per unit of x"""
    b: NDArray[np.float64]
    """(width, frequencies), in radians"""
    W: NDArray[np.float64]
    """(width, frequencies, size - 1)"""
    c: NDArray[np.float64]
    """(width, size - 1)"""

    def width(self, *widths: int) -> int:
        """Return the numbers of all vectors, side by side."""
        return int(self.W.shape[0] * (self.W.shape[2] + 1))

    def compute(self, *values: Array) -> Array:
        """[cos(2 pi w x + b) W + c, x]"""
        x = values[0]
        t = x.dtype.type(2 * np.pi) * (x[:, :, None] * like(self.w, x)) + like(self.b, x)
        z = np.einsum("nkf,kfs->nks", np.cos(t), like(self.W, x)) + like(self.c, x)
        return np.concatenate([z, x[:, :, None]], 2).reshape(len(x), -1)

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """-sum_f 2 pi w_f sin(2 pi w_f x + b_f) sum_s W_fs delta_s, and delta of x itself"""
        x, w = values[0], 2 * np.pi * like(self.w, delta)
        each = delta.reshape(*x.shape, -1)
        waves = np.sin(x[:, :, None] * w + like(self.b, delta)) * w
        of_waves = np.einsum("nks,kfs->nkf", each[:, :, :-1], like(self.W, delta))
        return (each[:, :, -1] - (waves * of_waves).sum(2),)

    def bounds(self, *boxes: Box) -> Box:
        """Those of each cosine, as of `cos_turns`, and of their sum, as of a dense layer."""
        n, width = boxes[0].low.shape
        each = box_of([end[:, :, None] * self.w for end in boxes[0]])
        low, high = (end + self.b / (2 * np.pi) for end in each)
        turns = widened(low, high, UNITS * np.abs(self.b))
        cosines = FUNCTIONS["cos_turns"].bounds(turns, {})
        own = [
            affine_bounds(Box(*(end[:, k] for end in cosines)), self.W[k], self.c[k]) for k in range(width)
        ]
        sides = zip(zip(*own, strict=True), boxes[0], strict=True)
        low, high = (
            np.concatenate([np.stack(sums, 1), x[:, :, None]], 2).reshape(n, -1) for sums, x in sides
        )
        return Box(low, high)
