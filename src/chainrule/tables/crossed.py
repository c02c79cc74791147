"""Cells of two columns of a table: a code for each pair of a range or category of the one and of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.codec import ASCENDING, from_to, sized
from chainrule.tables.learned import LearnedColumn, place_columns

MOST_CATEGORIES = 64
"""A column of more categories is in no pair."""
MOST_EDGES = 256


@codec.as_list
class Side(NamedTuple):
    """One column of a pair, as the outputs of the table's preparation have it. Cell 0 is missing or unknown."""

    column: int
    """of the table"""
    start: int
    """its first output"""
    width: int
    """how many outputs it has, without the one that says what is missing"""
    kind: str
    """"scaled", "binary" or "one_hot\""""
    missing: int = -1
    """the output that says what is missing; -1 for none"""
    edges: Annotated[tuple[float, ...], sized(0, MOST_EDGES), ASCENDING] = ()
    """of a scaled number: between its cells"""

    @property
    def cells(self) -> int:
        """The number of cells."""
        return 1 + (
            len(self.edges) + 1 if self.kind == "scaled" else 2 if self.kind == "binary" else self.width
        )

    def codes(self, out: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the cell of each row of outputs (n, width)."""
        own = out[:, self.start : self.start + self.width]
        if self.kind == "scaled":
            found = 1 + np.searchsorted(np.array(self.edges), own[:, 0].astype(np.float64), side="right")
            return found if self.missing < 0 else np.where(out[:, self.missing] > 0, 0, found)
        if self.kind == "binary":
            return np.where(own[:, 0] == 0, 0, np.where(own[:, 0] < 0, 1, 2))
        return np.where((own != 0).any(1), 1 + own.argmax(1), 0)


def sides(learned: Sequence[LearnedColumn]) -> list[Side]:
    """Return the columns that may be in a pair, numbers without edges yet, and categories that are not too many."""
    found = []
    for k, (at, each) in enumerate(place_columns(learned)):
        names = each.outputs()
        if each.became == "scaled":
            found.append(Side(k, at, 1, "scaled", at + len(names) - 1 if each.indicator else -1))
        elif each.became in ("binary", "one_hot") and len(names) <= MOST_CATEGORIES:
            found.append(Side(k, at, len(names), each.became))
    return found


def with_edges(side: Side, out: NDArray[np.floating], cells: int) -> Side:
    """Return a number's side with at most so many cells of about equally many rows; each edge lies between two values.

    out: the outputs (n, width) of the training table.
    """
    if side.kind != "scaled":
        return side
    values = out[:, side.start].astype(np.float64)
    if side.missing >= 0:
        values = values[out[:, side.missing] == 0]
    ordered, distinct = np.sort(values), np.unique(values)
    wanted = ordered[(np.arange(1, cells) * len(ordered)) // cells]
    places = np.unique(np.searchsorted(distinct, wanted))
    places = places[places > 0]
    return side._replace(edges=tuple(((distinct[places - 1] + distinct[places]) / 2).tolist()))


@codec.as_list
class Crossed(NamedTuple):
    """A pair of columns, and the size of the vector that its cells become."""

    first: Side
    second: Side
    size: Annotated[int, from_to(1, MOST_EDGES)]

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.first.cells * self.second.cells

    def codes(self, out: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the cell of each row of outputs: that of the first column times the cells of the second, plus its."""
        return self.first.codes(out) * self.second.cells + self.second.codes(out)
