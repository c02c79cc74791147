"""The operations of a graph on numbers, of networks and of scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas import activations
from chainrule.graph.operation import Array, GraphOperation, like


def normal_quantile(share: Array) -> Array:
    """Phi^-1(share): the number below which a standard normal one is with this probability."""
    from scipy.special import ndtri

    made: Array = ndtri(share)
    return made


FUNCTIONS: dict[str, Callable[..., Array]] = {
    **{name: function for name, (function, _) in activations.FUNCTIONS.items()},
    "leaky_relu": activations.leaky_relu,
    "elu": activations.elu,
    "exp": np.exp,
    "log": np.log,
    "soft_clip": lambda z: z / np.sqrt(1 + (z / 3) ** 2),
    "sin_turns": lambda turns: np.sin(2 * np.pi * turns),
    "cos_turns": lambda turns: np.cos(2 * np.pi * turns),
    "normal_quantile": normal_quantile,
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
        return FUNCTIONS[self.function](values[0], **dict(self.constants))


@dataclass(frozen=True, eq=False)
class Columnwise(GraphOperation):
    """An affine function of each column: out = (x - center) factor + offset."""

    center: NDArray[np.float64]
    """(width,)"""
    factor: NDArray[np.float64]
    offset: NDArray[np.float64]

    def compute(self, *values: Array) -> Array:
        """(x - center) factor + offset"""
        x = values[0]
        with np.errstate(over="ignore"):
            return (x - like(self.center, x)) * like(self.factor, x) + like(self.offset, x)


@dataclass(frozen=True, eq=False)
class Affine(GraphOperation):
    """A dense layer: out = x W + b."""

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


@dataclass(frozen=True, eq=False)
class GroupedAffine(GraphOperation):
    """A dense layer for each group of columns: out_g = x_g W_g + b_g, groups side by side."""

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
        parts = x.reshape(len(x), self.groups, -1).swapaxes(0, 1)  # (groups, n, inputs)
        z = parts @ like(self.W, x) + like(self.b, x)[:, None]
        return z.swapaxes(0, 1).reshape(len(x), -1)


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


@dataclass(frozen=True, eq=False)
class Between(GraphOperation):
    """Two values blended by a factor of each column: x + alpha (y - x)."""

    alpha: NDArray[np.float64]
    """(width,)"""
    arity: ClassVar[int | None] = 2

    def compute(self, *values: Array) -> Array:
        """x + alpha (y - x)"""
        x, y = values
        made: Array = x + like(self.alpha, x) * (y - x)
        return made


@dataclass(frozen=True, eq=False)
class JoinedColumns(GraphOperation):
    """Values side by side."""

    arity: ClassVar[int | None] = None

    def width(self, *widths: int) -> int:
        """Return the sum of their columns."""
        return sum(widths)

    def compute(self, *values: Array) -> Array:
        """[x_1, ..., x_k]"""
        return np.concatenate(values, axis=1)


@dataclass(frozen=True, eq=False)
class SelectedColumns(GraphOperation):
    """Some columns, in any order, also repeatedly."""

    columns: tuple[int, ...]

    def width(self, *widths: int) -> int:
        """Return their number."""
        return len(self.columns)

    def compute(self, *values: Array) -> Array:
        """x[:, columns]"""
        return values[0][:, list(self.columns)]


@dataclass(frozen=True, eq=False)
class LinearPieces(GraphOperation):
    """A vector for each column, a continuous function of its number x that is linear between knots.

    out = start_j + (x - knot_j) rise_j with j the last of the column's knots that is no larger than x, or the first.
    """

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
        x = values[0]
        knots = like(self.knots, x)
        piece = (x[:, :, None] >= knots[:, 1:]).sum(2)  # (n, width)
        at = np.arange(len(knots)), piece
        made: Array = like(self.starts, x)[at] + (x - knots[at])[:, :, None] * like(self.rises, x)[at]
        return made.reshape(len(x), -1)


@dataclass(frozen=True, eq=False)
class CosineVectors(GraphOperation):
    """A vector for each column, of cosines of its number x, and x itself: [z W + c, x], z = cos(2 pi w x + b)."""

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
