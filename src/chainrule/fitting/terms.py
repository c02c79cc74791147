"""The terms of an additive model: what each column and each pair adds, as numbers from which a prediction follows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec, records
from chainrule.core.codec import one_of
from chainrule.core.files import write_whole
from chainrule.tables import kinds
from chainrule.tables.column import is_missing_cell, objects, plain, texts

if TYPE_CHECKING:
    import plotly.graph_objects as go

LINKS = ("identity", "log", "log_odds", "softmax")
AXES = ("knots", "edges", "categories")
OTHER = "(other)"
"""The category that all those without a value of their own count as."""


@codec.as_list
class Axis(NamedTuple):
    """The places along one column of a term. Place 0 is missing, or an unknown category."""

    column: str
    kind: Annotated[str, one_of(AXES)]
    """"knots" between which a curve is linear, "edges" between which it is constant, or "categories\""""
    points: tuple[float, ...] | tuple[str, ...]
    """the knots or edges in order, in the unit of the column; or the categories"""

    @property
    def size(self) -> int:
        """The number of places, the one of missing numbers included."""
        return 1 + len(self.points) + (self.kind == "edges")


class AdditiveTerm(NamedTuple):
    """What one column, or a pair of columns, adds to the sum. Its mean over the training rows is 0."""

    axes: tuple[Axis, ...]
    values: NDArray[np.float64]
    """(size of the axis, outputs), or (size, size, outputs) for a pair"""
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    """a 95 % interval of each value, by the spread of the members"""
    importance: float
    """the mean size of what it adds, over the training rows"""

    @property
    def name(self) -> str:
        """Its column, or both columns of a pair."""
        return " x ".join(axis.column for axis in self.axes)

    def at(self, *places: Any) -> NDArray[np.float64]:
        """Return what the term adds (outputs,) for a value of each column; None or NaN for a missing one."""
        if len(self.axes) == 1 and self.axes[0].kind == "knots" and not is_missing_cell(places[0]):
            knots = np.array(self.axes[0].points, float)
            return np.array([np.interp(number_in(places[0]), knots, own[1:]) for own in self.values.T])
        found = tuple(place(axis, value) for axis, value in zip(self.axes, places, strict=True))
        return np.asarray(self.values[found])


def place(axis: Axis, value: Any) -> int:
    """Return the index of a value along an axis."""
    if is_missing_cell(value):
        return 0
    if axis.kind == "categories":
        is_number = isinstance(value, (float, np.floating)) and np.isfinite(value)
        read = texts("row", [plain(float(value)) if is_number else str(value)]).texts  # none of blanks alone
        if not read:
            return 0
        known = read[0] if read[0] in axis.points else OTHER
        return axis.points.index(known) + 1 if known in axis.points else 0
    if axis.kind == "knots":
        raise ValueError("a value lies between knots; use AdditiveTerm.at.")
    return 1 + int(np.searchsorted(np.array(axis.points, float), number_in(value), side="right"))


def number_in(value: Any) -> float:
    """Return the number that a cell is as a table's are read: also what a text says, and the seconds of a duration.

    Raises ValueError for another text.
    """
    if isinstance(value, (int, float, np.number)):
        return float(value)
    taken = kinds.take(objects("row", [value]))
    if taken.kind == "category":
        raise ValueError(
            f"{value!r:.40} is no number, and the term is of numbers; give the row's cells as the table has them."
        )
    return float(taken.values[0])


@records.kind("additive_terms")
@dataclass(frozen=True, repr=False)
class Terms(records.DataResult):
    """An additive model as data: intercept and terms, whose sum is the decision, before the link function.

        decision = intercept + sum over terms of what they add

    For numbers the decision is the prediction (its logarithm with loss="poisson", "gamma" or "tweedie"); with two
    classes it is the log-odds of the second one, with more the logarithm of each probability but for a common constant,
    and with several labels a row the log-odds of each.
    """

    intercept: NDArray[np.float64]
    """(outputs,)"""
    terms: tuple[AdditiveTerm, ...]
    """the most important first"""
    link: Annotated[str, one_of(LINKS)] = "identity"
    """from the sum to the prediction: "identity", "log" (of the prediction), "log_odds", or "softmax" of several"""
    labels: tuple[str, ...] = ()
    """the classes of the outputs: of two classes the second one; none for numbers"""

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        outputs = self.intercept.shape
        return {
            "a value for each place of a term": all(
                values.shape == (*(axis.size for axis in term.axes), *outputs)
                for term in self.terms
                for values in (term.values, term.lower, term.upper)
            ),
            "texts as categories, and numbers on other axes": all(
                isinstance(point, str) == (axis.kind == "categories")
                for term in self.terms
                for axis in term.axes
                for point in axis.points
            ),
            "a label for each output": self.link != "log_odds" or len(self.labels) == len(self.intercept),
        }

    def __len__(self) -> int:
        return len(self.terms)

    def __iter__(self) -> Any:
        return iter(self.terms)

    def __getitem__(self, name: str) -> AdditiveTerm:
        """Return the term of a column, or of a pair: "size x age"."""
        for term in self.terms:
            if term.name == name:
                return term
        raise KeyError(f"{name!r} is no term; there are {', '.join(each.name for each in self.terms[:20])}.")

    def decision(self, row: Any) -> NDArray[np.float64]:
        """Return the sum (outputs,) for a row, a mapping of the columns' values. Raises KeyError for one that lacks."""
        lacking = [axis.column for term in self.terms for axis in term.axes if axis.column not in row]
        if lacking:
            raise KeyError(
                f"the row lacks {lacking[0]!r}, which has a term; of a date these are its parts, one by one."
            )
        added = [term.at(*(row[axis.column] for axis in term.axes)) for term in self.terms]
        return np.asarray(self.intercept + np.sum(added, axis=0)) if added else self.intercept

    def figure(self, name: str) -> go.Figure:
        """Plot what a term adds: a curve with its 95 % interval, the values of categories, or the cells of a pair."""
        return records.view(self, "as_figure", name)

    def html(self, row: Mapping[str, Any] | None = None) -> str:
        """Return the page that is the model: every term with its interval, the most important first; works offline.

        row: the cells of a row by column, to be shown as a sum. Raises KeyError for a row without a column.
        """
        return records.written(self, "as_page", row)

    def write(self, path: str | os.PathLike[str], row: Mapping[str, Any] | None = None) -> None:
        """Write the HTML page to a file."""
        write_whole(path, self.html(row).encode())

    def __repr__(self) -> str:
        """Show how many terms there are."""
        pairs = sum(len(each.axes) == 2 for each in self.terms)
        return f"<Terms: {len(self.terms) - pairs} of a column, {pairs} of a pair>"

    def __str__(self) -> str:
        """Write a line for each term: its mean size, and its least and largest value."""
        width = max([len(each.name) for each in self.terms], default=0)
        lines = [f"{'intercept':{width}}  {np.array2string(self.intercept, precision=4)}"]
        lines += [
            f"{each.name:{width}}  {each.importance:10.4g}  {each.values.min():10.4g} to {each.values.max():.4g}"
            for each in self.terms
        ]
        return "\n".join(lines)
