"""What is predicted where the cells of one column are shuffled among the rows.

Of a wide table nearly all work is that of the first dense layer, which a single column hardly changes. Where the layers
before it work on each column alone, what it computes is a sum over the columns,

    z = b + sum_c P_c      P_c = h_c W_c (n, units), with h_c what becomes of the cells of column c

so that in another order o of that column's cells, z' = z + P_c[o] - P_c: a part of the layer for each column, in place
of all of it. Computed in float64, in which these differences are exact to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.explain.chords import Floats
from chainrule.estimators.explain.parts import AnswerPart, AnswerParts, ExactNetwork
from chainrule.estimators.explain.taken import Inputs
from chainrule.estimators.explain.targets import with_columns
from chainrule.formulas.layers import Dense, Embedding, Link
from chainrule.network import backprop
from chainrule.trained.evaluation import average

WIDE = 100
"""The columns up to which all layers are computed anew, with the bits of `predict`: there is little to gain."""
MAX_NUMBERS = 1 << 27
"""The numbers before the first dense layers of all parts that are kept at most, 1 GB: of more rows all is computed
anew."""
ROWS = 4096
"""The rows that the layers behind the first dense one take at once."""


class ShuffledTable:
    """A table's prepared rows, to predict them as they are and with the cells of one column in other orders."""

    def __init__(self, parts: AnswerParts, inputs: Inputs) -> None:
        """Compute the first dense layers of a wide table, where they are sums over its columns."""
        self.parts, self.inputs = parts, inputs
        self.sums: list[FirstLayers | None] = [None] * len(parts.all)
        if len(parts.names) > WIDE:
            most = MAX_NUMBERS // len(parts.all)
            self.sums = [
                first_layers(part, rows, most) for part, rows in zip(parts.all, inputs, strict=False)
            ]

    def predicted(self) -> Floats:
        """Return what is predicted for the rows as they are (n, outputs)."""
        each = [
            part.predicted(rows, self.parts.engine) if own is None else own.predicted(None, None)
            for part, own, rows in zip(self.parts.all, self.sums, self.inputs, strict=False)
        ]
        return self.parts.combined(each, self.inputs)

    def shuffled(self, column: int, order: NDArray[np.int64]) -> Floats:
        """Return what is predicted with the cells of a column in another order (n,) of the rows: (n, outputs)."""
        parts, inputs = self.parts, self.inputs
        sums = [None if own is None or column in own.paired else own for own in self.sums]
        if parts.lookup is not None or None in sums:
            inputs = with_columns(parts, inputs, tuple(rows[order] for rows in inputs), [column])
        each = [
            part.predicted(rows, parts.engine) if own is None else own.predicted(column, order)
            for part, own, rows in zip(parts.all, sums, inputs, strict=False)
        ]
        return parts.combined(each, inputs)


class FirstLayers:
    """The first dense layers of a part's networks as sums over the columns of the table."""

    def __init__(
        self, part: AnswerPart, at: int, owners: NDArray[np.int64], rows: NDArray[np.floating]
    ) -> None:
        """Compute them. at: the place of the dense layers.  owners: the column of each of their inputs, -1 for none."""
        self.part, self.at, self.owners = part, at, owners
        own = len(part.columns) - len(part.crossed)
        starts = [side.start for pair in part.crossed for side in (pair.first, pair.second)]
        self.paired = {int(part.columns[:own][start]) for start in starts}
        """the columns of pairs with an input of their own, which is no sum"""
        X = np.asarray(rows, np.float64)
        self.inputs = [_forward(network, X, 0, at) for network in part.networks]
        self.z = [
            _forward(network, h, at, at + 1) for network, h in zip(part.networks, self.inputs, strict=True)
        ]

    def predicted(self, column: int | None, order: NDArray[np.int64] | None) -> Floats:
        """Return what the part predicts, as `AnswerPart.predicted`, with a column's cells in another order."""
        out = []
        places = np.flatnonzero(self.owners == column)  # none of a column that other parts alone take
        for network, h, z in zip(self.part.networks, self.inputs, self.z, strict=True):
            changed = z
            if len(places):
                P = h[:, places] @ network.params[self.at].W[places]
                changed = z + (P[order] - P)
            pieces = [changed[start : start + ROWS] for start in range(0, len(changed), ROWS)]
            out.append(np.concatenate([_forward(network, each, self.at + 1) for each in pieces]))
        result = self.part.result
        mean = average(result.model.network, np.stack(out)) if len(out) > 1 else out[0]
        return np.asarray(result.predicted_of(mean), np.float64)


def first_layers(part: AnswerPart, rows: NDArray[np.floating], most: int) -> FirstLayers | None:
    """Return the first dense layers of a part's networks, None where they are no sums or have more inputs than most."""
    links = part.networks[0].links
    found = before_dense(links)
    if found is None or len(rows) * len(found) * len(part.networks) > most:
        return None
    own = len(part.columns) - len(part.crossed)
    columns = np.where(np.arange(len(part.columns)) < own, part.columns, -1)
    at = next(k for k, link in enumerate(links) if type(link.layer) is Dense)
    return FirstLayers(part, at, columns[found], rows)


def before_dense(links: Sequence[Link]) -> NDArray[np.int64] | None:
    """Return the input of the network that each input of its first dense layer is made of; None where it is several."""
    found = np.arange(links[0].fan_in)
    for link in links:
        layer: Any = link.layer
        if type(layer) is Dense:
            return found
        if isinstance(layer, Embedding):
            places, sizes = ([each[k] for each in layer.columns] for k in (0, 2))
            found = found[np.concatenate([layer.rest(link.fan_in), np.repeat(places, sizes)])]
        elif (own := layer.sources(link.fan_in)) is not None:
            found = found[own]
        elif not layer.is_elementwise:
            return None
    return None


def _forward(network: ExactNetwork, a: Floats, start: int, stop: int | None = None) -> Floats:
    """Run some links of a network."""
    some = slice(start, stop)
    return np.asarray(backprop.forward(network.links[some], network.params[some], a, network.ctx)[0])
