"""A fit of preset="additive" around its training: the pairs before it, and one network with its terms after it.

The pairs of columns are chosen whose cells a model of single columns leaves something to explain. The one network has
the mean of the members' outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.estimators.additive.reading import terms_of
from chainrule.estimators.fit.begin import begin
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.fit.plan import Conditions, resolved
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.fit.train import Listeners, train
from chainrule.estimators.held import HoldsResult
from chainrule.estimators.tables.crossed import Crossed, Side, sides, with_edges
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.layers import Dense, Embedding, Layer, PiecewiseLinearEmbedding
from chainrule.formulas.losses import Loss
from chainrule.formulas.paths import Paths
from chainrule.model import Model
from chainrule.network.network import Network

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
