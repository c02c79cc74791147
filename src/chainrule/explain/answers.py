"""The answers that are explained, as they are and with the cells of columns shuffled.

Of a wide table nearly all work is that of the first dense layer, which a single column hardly changes. Where the layers
before it work on each column alone, what it computes is a sum over the columns,

    z = b + sum_c P_c      P_c = h_c W_c (n, units), with h_c what becomes of the cells of column c

so that in another order o of that column's cells, z' = z + P_c[o] - P_c: a part of the layer for each column, in place
of all of it. Computed in float64, in which these differences are exact to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import check_choice
from chainrule.errors import ConfigError
from chainrule.explain.parts import AnswerPart, AnswerParts, ExactNetwork, Inputs
from chainrule.formulas.layers import Dense, Embedding, Link
from chainrule.inspection.attribution.explained import Floats, label_numbers
from chainrule.network import backprop
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import Targets
from chainrule.trained.evaluation import average

TINY = 1e-300
"""The smallest probability whose logarithm is computed; smaller ones count as this."""


class Wanted(NamedTuple):
    """The outputs that are asked for."""

    places: NDArray[np.int64] | None
    """the place of each row's among the labels (n,); None for what each row's prediction says"""
    labels: list[Any]
    """the labels, or the indices of numbers"""
    is_one_probability: bool
    """whether two labels have one output, the probability of the second"""
    has_labels: bool
    """whether an answer needs one to be told apart"""

    def label(self, row: int) -> object:
        """Return the label of a row; None where an answer needs none, and where the prediction says it."""
        return self.labels[int(self.places[row])] if self.has_labels and self.places is not None else None

    def of_rows(self, p: Floats, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.bool_], tuple[Any, ...]]:
        """Return of some rows the output (n,), whether it is taken from 1, and the label.

        p: (n, outputs), what is predicted for these rows.
        """
        places = p.argmax(1) if self.places is None else self.places[rows]
        labels = tuple(self.labels[k] for k in places.tolist()) if self.has_labels else ()
        if self.is_one_probability:
            return np.zeros_like(places), places == 0, labels
        return places, np.zeros(len(places), np.bool_), labels


def wanted(targets: Targets, target: object, rows: int) -> Wanted:
    """Check which answers are to be explained.

    target: a label, the index of an output, or one per row; None for the second of two classes, the predicted one of
    several, and the only number or the quantile next to the median.  Raises ConfigError and ShapeError.
    """
    if isinstance(targets, Labels):
        is_one, labels = targets.kind == "binary", targets.classes.tolist()
        default = np.full(rows, len(labels) - 1) if is_one else None
        if is_one and len(labels) == 1:
            labels = [*labels, None]  # the output is the probability of a class that is not there
        noun = "label" if targets.kind == "multilabel" else "class"
        places = default if target is None else label_numbers(target, labels, rows, "target", noun)
        return Wanted(places, labels, is_one, True)
    labels = list(range(targets.outputs))
    if target is not None:
        return Wanted(label_numbers(target, labels, rows, "target", "output"), labels, False, len(labels) > 1)
    if len(labels) > 1 and targets.middle is None:
        raise ConfigError(
            f"the estimator predicts {len(labels)} numbers; choose the one to explain, such as target=0 for the first."
        )
    return Wanted(np.full(rows, targets.middle or 0, np.int64), labels, False, len(labels) > 1)


def output_of(parts: AnswerParts, output: str | None) -> str:
    """Check what is asked of an answer: "number", "probability" or "log_odds"; None for the first that there is."""
    known = ("number",) if parts.result.targets.task == "regression" else ("probability", "log_odds")
    return known[0] if output is None else check_choice(output, {each: each for each in known}, "output")


def answers(parts: AnswerParts, inputs: Inputs, want: Wanted, output: str) -> Floats:
    """Return the answers for prepared rows (n,)."""
    p = parts.predicted(inputs)
    places, negated, _ = want.of_rows(p, slice(0, len(p)))
    found = np.asarray(p[np.arange(len(p)), places], np.float64)
    found = np.where(negated, 1 - found, found)
    if output != "log_odds":
        return found
    return np.asarray(np.log(np.maximum(found, TINY)) - np.log(np.maximum(1 - found, TINY)))


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
            inputs = parts.with_columns(inputs, tuple(rows[order] for rows in inputs), [column])
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
