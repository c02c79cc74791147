"""Read the terms of an additive network from its members: what each part of the input adds to the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.data.samples import Samples
from chainrule.estimators.additive.terms import OTHER, Axis, Terms, ordered, summarized
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.labels import Labels
from chainrule.estimators.tables.crossed import Crossed, Side, sides
from chainrule.estimators.tables.learned import Lane, LearnedColumn
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.estimators.tables.scaling import Scaler
from chainrule.formulas.layers import PiecewiseLinearEmbedding
from chainrule.formulas.losses import Poisson
from chainrule.model import Model
from chainrule.trained.evaluation import BATCH

Array = NDArray[np.float64]
Rows = NDArray[Any]


class InputPart(NamedTuple):
    """A part of the prepared inputs on which one term depends."""

    axes: tuple[Axis, ...]
    variations: tuple[tuple[tuple[int, float], ...], ...]
    """for each place, or pair of places in row-major order, the inputs that are not 0, and their values"""
    added: Callable[[Rows, Array], Array]
    """added(X, values (places, outputs)) -> what the term adds (n, outputs) in prepared rows"""


def terms_of(result: FitResult, samples: Samples) -> Terms:
    """Return the terms of the members of a fit, centered on its samples, in the units of the targets."""
    prepared, model = result.preprocessor, result.model
    assert prepared is not None, "a preset prepares a table"
    parts = [*parts_of(prepared, result)]
    rows = varied(parts, samples.X.shape[1], samples.X.dtype)
    outs = np.stack([member.raw_outputs(rows, "auto", BATCH) for member in result.members]).astype(np.float64)
    scale = model.target_scale
    intercept = outs[:, 0].mean(0)
    unit = np.ones(len(intercept)) if scale is None else np.asarray(scale.std, np.float64)
    terms, at = [], 1
    for part in parts:
        count = len(part.variations)
        values = (outs[:, at : at + count] - outs[:, :1]) * unit  # (members, places, outputs)
        added = np.stack([part.added(samples.X, each) for each in values])
        sizes = [axis.size for axis in part.axes]
        term, mean = summarized(part.axes, values.reshape(len(values), *sizes, -1), added, samples.weight)
        terms.append(term)
        intercept = intercept + mean / unit
        at += count
    own = intercept if scale is None else scale.restore(intercept[None])[0]
    link, labels = link_of(result)
    return Terms(np.asarray(own, np.float64), ordered(terms), link, labels)


def varied(parts: Sequence[InputPart], width: int, dtype: DTypeLike) -> Rows:
    """Return prepared rows (1 + all variations, width): one of zeros, and one for each variation of each part."""
    rows = np.zeros((1 + sum(len(part.variations) for part in parts), width), dtype)
    for row, changes in zip(rows[1:], chain.from_iterable(part.variations for part in parts), strict=True):
        for place, value in changes:
            row[place] = value
    return rows


def terms_of_another(result: FitResult, other: Model) -> Terms | None:
    """Return the terms of a result for a network that differs a little from its own, such as one with rounded weights.

    Each value changes by the difference between the outputs of the two networks, so that the terms add up to the other
    network's output. Their means over the training rows, which are no longer available, may then differ from 0 by as
    much. None if the result has no terms.
    """
    terms, prepared = result.terms, result.preprocessor
    if terms is None or prepared is None:
        return terms
    parts, scale = [*parts_of(prepared, result)], result.model.target_scale
    rows = varied(parts, result.model.network.inputs, result.model.theta.dtype)
    before, after = (
        each.raw_outputs(rows, "auto", BATCH).astype(np.float64) for each in (result.model, other)
    )
    change = (after - before) * (1.0 if scale is None else np.asarray(scale.std, np.float64))
    changes, at = dict[tuple[Axis, ...], Array](), 1
    for part in parts:
        shape = *(axis.size for axis in part.axes), -1
        changes[part.axes] = (change[at : at + len(part.variations)] - change[0]).reshape(shape)
        at += len(part.variations)
    moved = tuple(
        term._replace(
            values=term.values + changes[term.axes],
            lower=term.lower + changes[term.axes],
            upper=term.upper + changes[term.axes],
        )
        for term in terms
    )
    return replace(terms, intercept=terms.intercept + change[0], terms=moved)


def link_of(result: FitResult) -> tuple[str, tuple[str, ...]]:
    """Return the link from the sum to the prediction, and the classes of the outputs."""
    targets = result.targets
    if not isinstance(targets, Labels):
        return ("log" if isinstance(result.model.network.loss, Poisson) else "identity"), ()
    labels = tuple(f"{label}" for label in targets.classes)
    if targets.kind == "binary":
        return "log_odds", labels[-1:]
    if targets.kind == "multilabel":
        return "log_odds", labels
    return "softmax", labels


def parts_of(prepared: TablePreprocessor, result: FitResult) -> Iterator[InputPart]:
    """Iterate over the parts of a table's prepared inputs: those of each column, and of each pair."""
    knots, at = knots_of(prepared, result), 0
    sided = {side.column: side for side in sides(prepared.learned_)}
    names = [each.name if isinstance(each.name, str) else f"{each.name}" for each in prepared.learned_]
    for k, each in enumerate(prepared.learned_):
        width = len(each.outputs())
        indicator = at + width - 1 if each.indicator and width else -1
        if each.became in ("scaled", "parts"):
            for j, (lane, name) in enumerate(zip(each.lanes, each.outputs(), strict=False)):
                own = indicator if j == 0 else -1
                yield number(names[k] if each.became == "scaled" else name, lane, at + j, own, knots[at + j])
            for j in range(len(each.lanes), len(each.lanes) + 2 * len(each.cycles)):
                yield wave(each.outputs()[j], at + j)
        elif each.became == "indicator":
            yield coded(Axis(names[k], "categories", (OTHER,)), (((at, 1.0),), ()), is_there(at))
        elif each.became == "embedded":
            axis = Axis(names[k], "categories", (*each.categories, *([OTHER] * bool(each.merged))))
            yield coded(axis, tuple(((at, float(code)),) for code in range(axis.size)), code_in(at))
        elif each.became in ("binary", "one_hot"):
            side = sided.get(k, Side(k, at, width, each.became))
            yield coded(categories(each, names[k]), category_changes(each, side), side.codes)
        at += width
    for pair in prepared.crossed_:
        yield crossed(pair, at, prepared.learned_, names)
        at += 1


def knots_of(prepared: TablePreprocessor, result: FitResult) -> dict[int, Array]:
    """Return the knots of each scaled number by its output: those of all members, and both ends of the range."""
    network = result.model.network
    codes = np.array([each.column for each in prepared.embedded_], np.int64)
    places = {int(output - (codes < output).sum()): output for output in prepared.numbers_}
    found: dict[int, Array] = {}
    for link in network.links:
        if isinstance(link.layer, PiecewiseLinearEmbedding):
            for row, column in enumerate(link.layer.embedded(link.fan_in)):
                edges = [member.states[link.name].edges[row] for member in result.members]
                found[places[int(column)]] = np.unique(np.concatenate([[0.0, 1.0], *edges]).clip(0.0, 1.0))
    return found


def number(name: str, lane: Lane, at: int, indicator: int, knots: Array) -> InputPart:
    """Return the part of a scaled number: its curve, and what a missing one adds."""
    fill = float(Scaler([lane.scale])(np.array([[lane.fill]]))[0, 0])
    points = lane.scale.center + knots * lane.scale.spread
    missing = ((at, fill), *(((indicator, 1.0),) if indicator >= 0 else ()))
    changes = (missing, *(((at, float(knot)),) for knot in knots))

    def added(X: Rows, values: Array) -> Array:
        z = X[:, at].astype(np.float64)
        curve = np.stack([np.interp(z, knots, own[1:]) for own in values.T], 1)
        return curve if indicator < 0 else np.where(X[:, indicator, None] > 0, values[0], curve)

    return InputPart((Axis(name, "knots", tuple(points.tolist())),), changes, added)


def wave(name: str, at: int) -> InputPart:
    """Return the part of a wave of a date, which is linear in it."""
    ends = np.array([-1.0, 1.0])

    def added(X: Rows, values: Array) -> Array:
        return np.stack([np.interp(X[:, at].astype(np.float64), ends, own[1:]) for own in values.T], 1)

    return InputPart((Axis(name, "knots", (-1.0, 1.0)),), ((), ((at, -1.0),), ((at, 1.0),)), added)


def coded(
    axis: Axis, changes: tuple[tuple[tuple[int, float], ...], ...], codes: Callable[[Rows], NDArray[np.int64]]
) -> InputPart:
    """Return the part of a column of categories, of which each has a value."""
    return InputPart((axis,), changes, lambda X, values: values[codes(X)])


def is_there(at: int) -> Callable[[Rows], NDArray[np.int64]]:
    """Return the function of prepared rows that is 0 where an output says that the value is missing, and else 1."""
    return lambda X: (X[:, at] == 0).astype(np.int64)


def code_in(at: int) -> Callable[[Rows], NDArray[np.int64]]:
    """Return the function of prepared rows that is the code in an output."""
    return lambda X: X[:, at].astype(np.int64)


def categories(each: LearnedColumn, name: str) -> Axis:
    """Return the axis of a column with an output for each category, or one for two."""
    return Axis(
        name, "categories", (*each.categories, *([OTHER] * (bool(each.merged) and each.became == "one_hot")))
    )


def category_changes(each: LearnedColumn, side: Side) -> tuple[tuple[tuple[int, float], ...], ...]:
    """Return the inputs of each category; those of a missing one are 0."""
    if each.became == "binary":
        return (), ((side.start, -1.0),), ((side.start, 1.0),)
    return ((), *(((side.start + k, each.value),) for k in range(side.width)))


def crossed(pair: Crossed, at: int, learned: Sequence[LearnedColumn], names: Sequence[str]) -> InputPart:
    """Return the part of a pair of columns, whose cells each have a value."""

    def axis(side: Side) -> Axis:
        each = learned[side.column]
        if side.kind != "scaled":
            return categories(each, names[side.column])
        scale = each.lanes[0].scale
        edges = scale.center + np.array(side.edges) * scale.spread
        return Axis(names[side.column], "edges", tuple(edges.tolist()))

    first, second = (cells_of(side, learned) for side in pair[:2])
    codes = (a * pair.second.cells + b for a in first for b in second)
    changes = tuple(((at, float(code)),) for code in codes)
    return InputPart((axis(pair.first), axis(pair.second)), changes, lambda X, values: values[code_in(at)(X)])


def cells_of(side: Side, learned: Sequence[LearnedColumn]) -> list[int]:
    """Return the cells along one side. Without an output for it a missing number is in the cell of what replaces it."""
    cells = [*range(side.cells)]
    if side.kind == "scaled" and side.missing < 0:
        lane = learned[side.column].lanes[0]
        z = Scaler([lane.scale])(np.array([[lane.fill]]))
        cells[0] = 1 + int(np.searchsorted(np.array(side.edges), z[0, 0], side="right"))
    return cells
