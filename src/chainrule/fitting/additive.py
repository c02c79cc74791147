"""Read the terms of an additive network from its members: what each part of the input adds to the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.data.samples import Samples
from chainrule.errors import ConfigError
from chainrule.fitting.begin import begin
from chainrule.fitting.held import HoldsResult
from chainrule.fitting.plan import Conditions, resolved
from chainrule.fitting.result import FitResult
from chainrule.fitting.terms import OTHER, AdditiveTerm, Axis, Terms
from chainrule.fitting.train import Listeners, train
from chainrule.formulas.layers import Dense, Embedding, Layer, PiecewiseLinearEmbedding
from chainrule.formulas.losses import LogLink, Loss
from chainrule.formulas.paths import Paths
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.tables.crossed import Crossed, Side, sides, with_edges
from chainrule.tables.data import FitData
from chainrule.tables.labels import ORDINAL, Labels
from chainrule.tables.learned import Lane, LearnedColumn
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.scaling import Scaler
from chainrule.trained.evaluation import BATCH

Array = NDArray[np.float64]
Rows = NDArray[Any]


CONFIDENCE = 0.95


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
        term, mean = summarize_terms(
            part.axes, values.reshape(len(values), *sizes, -1), added, samples.weight
        )
        terms.append(term)
        intercept = intercept + mean / unit
        at += count
    own = intercept if scale is None else scale.restore(intercept[None])[0]
    link, labels = link_of(result)
    return Terms(np.asarray(own, np.float64), order_terms(terms), link, labels)


def summarize_terms(
    axes: tuple[Axis, ...],
    members: NDArray[np.float64],
    added: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[AdditiveTerm, NDArray[np.float64]]:
    """Return the term whose values are the mean of its members', centered, and the mean (outputs,) that was taken off.

    members: (members, *sizes, outputs).  added: (members, n, outputs) what each adds in the training rows.
    """
    from scipy.stats import t

    means = np.average(added, axis=1, weights=weight)  # (members, outputs)
    centered = members - means.reshape(len(members), *([1] * len(axes)), -1)
    values, mean = centered.mean(0), means.mean(0)
    spread = np.zeros_like(values)
    if len(members) > 1:
        spread = t.ppf((1 + CONFIDENCE) / 2, len(members) - 1) * centered.std(0, ddof=1)
    size = np.abs(added.mean(0) - mean).max(1)
    return AdditiveTerm(
        axes, values, values - spread, values + spread, float(np.average(size, weights=weight))
    ), mean


def order_terms(terms: Sequence[AdditiveTerm]) -> tuple[AdditiveTerm, ...]:
    """Return the terms with the most important first."""
    return tuple(sorted(terms, key=lambda each: -each.importance))


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
        return ("log" if isinstance(result.model.network.loss, LogLink) else "identity"), ()
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


# --- A fit of preset="additive" around its training: the pairs before it, and one network with its terms after it ----
# The pairs of columns are chosen whose cells a model of single columns leaves something to explain. The one network
# has the mean of the members' outputs.

Prepare = Callable[[TablePreprocessor], FitData]
"""What makes the data of a fit by another preparation of its table."""


def check(
    estimator: HoldsResult, incremental: bool, has_trunk: bool, has_structure: bool, is_source: bool
) -> None:
    """Check that an estimator supports the preset. Raises ConfigError for what it does not.

    has_structure: whether rows have groups or times.  is_source: whether X is read in pieces.
    """
    if has_structure or is_source:
        what = "groups or time" if has_structure else "a source that is read in pieces"
        raise ConfigError(f"preset='additive' takes no {what} yet; use preset='fast'.")
    if getattr(estimator, "loss", None) == ORDINAL:
        raise ConfigError(
            f"preset='additive' does not support loss={ORDINAL!r}, whose thresholds are no sums; use preset='fast'."
        )
    faults = {"warm_start=True": estimator.warm_start, "replace_head": has_trunk}
    for what, is_there in faults.items():
        if is_there:
            raise ConfigError(
                f"preset='additive' does not support {what}, because its members become one network at the end; fit "
                "anew, or use preset='fast'."
            )


def with_pairs(
    estimator: HoldsResult, data: FitData, prepare: Prepare, conditions: Conditions, begun: float
) -> FitData:
    """Return the data with the cells of the pairs that a fit of single columns leaves most to explain."""
    quiet = {"n_members": 1, "verbose": False, "callbacks": None, "refit": False}
    alone = type(estimator)(**{**estimator.get_params(deep=False), **quiet})
    # The state that is kept is of the fit with the pairs, whose data are others.
    plan = resolved(alone, data, conditions=conditions._replace(kept=None), begun=begun)
    result = train(plan, data, begin(plan, data), Listeners(alone))
    prepared = result.preprocessor
    assert prepared is not None, "a preset prepares a table"
    X = data.samples.X
    network: Any = result.model.network
    y, weight = data.samples.scaled(result.model.target_scale).targets_of()
    out = result.model.raw_outputs(X, estimator.engine, len(X)).astype(np.float64)
    loss: Loss = network.loss
    residual = -np.asarray(loss.gradient(out, y))
    allowed = None if plan.constraints is None else plan.constraints.paths(network.inputs)
    made = chosen(prepared, X, residual, weight, allowed)
    return data if not made.crossed_ else prepare(made)


def finished(result: FitResult, data: FitData) -> FitResult:
    """Return the result with one network in place of the members, and with its terms."""
    terms, model = terms_of(result, data.samples), merged(result.members)
    model.keep_history(result.model.history)
    return replace(result, model=model, rates=None, terms=terms)


TEST_CELLS = 8
"""The cells of a number in the test."""
ROWS_OF_A_CELL, LEAST_CELLS, MOST_CELLS = 40, 4, 32
"""The rows for each cell of a pair, and the least and the most cells of a number in it."""
SURE = 4.0
"""How many standard deviations above chance the explained part must be."""
MOST_PAIRS = 12
CELL_VECTOR = 4
"""The numbers of a cell's vector."""
MOST_COLUMNS = 60
"""Of more columns those are tested whose own cells leave most to explain."""


class Scored(NamedTuple):
    """A pair of columns, and how far what its cells explain is above chance, in standard deviations."""

    first: Side
    second: Side
    score: float


def score(
    residual: NDArray[np.float64], weight: NDArray[np.float64], a: NDArray[np.int64], b: NDArray[np.int64]
) -> float:
    r"""Return how far the interaction of two columns of cells is above chance, in standard deviations.

    SS = sum over cells of (sum w r)^2 / sum w, for the cells of both columns less those of each one, over the variance
    of r: about chi-squared with (A - 1)(B - 1) degrees of freedom where there is no interaction, whose mean is taken
    off and by whose deviation sqrt(2 df) the rest is divided. The sum over the outputs of r.
    residual: (n, outputs).  weight: (n,).  a, b: (n,) cells.
    Source: the idea, Lou, Caruana, Gehrke and Hooker, "Accurate intelligible models with pairwise interactions", KDD
    2013.
    """
    both = a * (b.max() + 1) + b
    total, chance = 0.0, 0.0
    cells = [np.unique(each, return_inverse=True)[1] for each in (both, a, b)]
    df = float(max(cells[0].max() - cells[1].max() - cells[2].max(), 1))
    for r in residual.T:
        wr, own = weight * r, 0.0
        for cell, sign in zip(cells, (1.0, -1.0, -1.0), strict=True):
            sums, mass = np.bincount(cell, wr), np.bincount(cell, weight)
            own += sign * float((sums**2 / np.maximum(mass, 1e-300)).sum())
        variance = float(np.average(r**2, weights=weight)) * float((weight**2).sum() / weight.sum())
        total += own / max(variance, 1e-300)
        chance += df
    return float((total - chance) / np.sqrt(2 * chance))


def chosen(
    prepared: TablePreprocessor,
    out: NDArray[np.floating],
    residual: NDArray[np.float64],
    weight: NDArray[np.float64],
    paths: Paths | None = None,
) -> TablePreprocessor:
    """Return the preparation of a table with the cells of the pairs that explain most of what is left.

    out: (n, width) the prepared training table.  residual: (n, outputs) what is left of the targets.
    paths: of the outputs, where there are constraints: no pair has a column with a direction, or two of different sets.
    """
    known = [side for side in sides(prepared.learned_) if paths is None or not paths.directions[side.start]]
    tested = [with_edges(side, out, TEST_CELLS) for side in known]
    cells = [side.codes(out) for side in tested]
    if len(tested) > MOST_COLUMNS:
        spread = [np.unique(each).size for each in cells]
        kept = np.argsort(-np.array(spread), kind="stable")[:MOST_COLUMNS]
        known, cells = [known[k] for k in kept], [cells[k] for k in kept]
    found = [
        Scored(known[i], known[j], score(residual, weight, cells[i], cells[j]))
        for i, j in combinations(range(len(known)), 2)
        if paths is None or (paths.sets[known[i].start] & paths.sets[known[j].start]).any()
    ]
    best = sorted((each for each in found if each.score > SURE), key=lambda each: -each.score)[:MOST_PAIRS]
    return prepared.crossed(crossings(best, out, CELL_VECTOR))


def crossings(pairs: Sequence[Scored], out: NDArray[np.floating], size: int) -> list[Crossed]:
    """Return pairs with as many cells of their numbers as there are rows and values for."""
    made = []
    for pair in pairs:
        most = [distinct_of(side, out) for side in pair[:2]]
        wanted = len(out) / ROWS_OF_A_CELL
        least = min(most)
        root = wanted**0.5
        each = [
            min(own, max(wanted / least if least < root else root, LEAST_CELLS), MOST_CELLS) for own in most
        ]
        sides_of = [with_edges(side, out, int(cells)) for side, cells in zip(pair[:2], each, strict=True)]
        made.append(Crossed(sides_of[0], sides_of[1], size))
    return made


def distinct_of(side: Side, out: NDArray[np.floating]) -> int:
    """Return the most cells that a column can have."""
    return side.cells if side.kind != "scaled" else np.unique(out[:, side.start]).size


def merged(members: Sequence[Model]) -> Model:
    """Return the network of all members: their vectors side by side, and the means of their last layers.

    mean over m of (e_m W_m + b_m) = [e_1, ..., e_M] [W_1; ...; W_M] / M + mean b_m. A column that passes the layers in
    front unchanged has the mean of its weights.
    """
    first, count = members[0], len(members)
    if count == 1:
        return first
    network = first.network
    layers, blocks = _layers(network, count)
    made = Network(
        network.inputs, layers, network.loss, l2=network.l2, l1=network.l1, constraints=network.constraints
    )
    values: dict[tuple[str, str], NDArray[Any]] = {}
    for link in network.links:
        own = [member.parameters[link.name] for member in members]
        for field in link.params._fields:
            each = [getattr(params, field) for params in own]
            if isinstance(link.layer, Dense):
                values[link.name, field] = _last(each, blocks) if field == "W" else np.mean(each, axis=0)
            else:
                values[link.name, field] = np.concatenate(each, axis=-1)
    theta = np.concatenate([values[slot.link.name, slot.field].ravel() for slot in made.slots]).astype(
        first.theta.dtype
    )
    model = Model.with_theta(made, theta, seed=first.seed)
    model.take(model.theta, first.states, (first.epochs_trained, first.steps_trained))
    model.describe(first.classes, first.feature_names, first.target_scale)
    return model


def _layers(network: Network, count: int) -> tuple[list[Layer], list[int | None]]:
    """Return the layers of the merged network, and the sizes of a member's vectors that the last layer reads.

    None stands for a column that is no vector.
    """
    layers: list[Layer] = []
    blocks: list[int | None] = [None] * network.inputs
    for link in network.links:
        layer = link.layer
        if isinstance(layer, Embedding):
            sizes = [size for _, _, size in layer.columns]
            blocks = [*[None] * len(layer.rest(link.fan_in)), *sizes]
            layer = replace(
                layer, columns=tuple((column, codes, size * count) for column, codes, size in layer.columns)
            )
        elif isinstance(layer, PiecewiseLinearEmbedding):
            embedded = set(layer.embedded(link.fan_in).tolist())
            blocks = [layer.size if k in embedded else size for k, size in enumerate(blocks)]
            layer = replace(layer, size=layer.size * count)
        layers.append(layer)
    return layers, blocks


def _last(weights: Sequence[NDArray[Any]], blocks: Sequence[int | None]) -> NDArray[Any]:
    """Return the last layer's weights: those of each block below each other, divided by the number of members."""
    stops = np.cumsum([size or 1 for size in blocks])[:-1]
    parts = zip(*(np.split(W, stops) for W in weights), strict=True)
    count = len(weights)
    return np.concatenate(
        [
            np.mean(part, axis=0) if size is None else np.concatenate(part) / count
            for part, size in zip(parts, blocks, strict=True)
        ]
    )
