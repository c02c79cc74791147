"""What a column of a table does for an estimator: how its loss grows without it, and its answers as its cells change.

The loss of a column is measured by shuffling it, with intervals; the answers are those for each row, and their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.arrays import errors_of_means, evenly_spaced
from chainrule.core.settings import check_count, check_number
from chainrule.data.frames import make_frame
from chainrule.errors import ConfigError, DataError, ShapeError
from chainrule.explain.answers import TINY, Wanted, output_of, wanted
from chainrule.explain.explain import explain
from chainrule.explain.parts import AnswerPart, AnswerParts, ExactNetwork, Inputs
from chainrule.explain.reasons import Reasons
from chainrule.fitting.dealing import deal
from chainrule.formulas.layers import Dense, Embedding, Link
from chainrule.inspection.attribution.explained import Floats
from chainrule.network import backprop
from chainrule.race.judge import MIN_PROBABILITY, as_outputs
from chainrule.tables.cells import ReadColumn
from chainrule.tables.exposure import known_exposure, times_exposure
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets
from chainrule.tables.relevance import Relevances
from chainrule.tables.structure import RowValues, read_structure
from chainrule.tables.times import Times
from chainrule.trained.evaluation import average
from chainrule.trust.scorers import HeldOutScorer, Scoring

if TYPE_CHECKING:
    import plotly.graph_objects as go

MIDDLE = 0.9
"""The share of the rows' cells that the middle of a column holds."""
COLUMNS = ("column", "importance", "low", "high")
"""What a record of an importance has."""
BLOCKS = 10
"""The blocks of rows that are left out in turn for the interval of a score."""


@records.kind("column_importance", version=2)
@dataclass(frozen=True, eq=False)
class ColumnImportance(records.Shown, records.TextResult):
    """The growth of a loss, or the fall of a score, where a column's cells are shuffled, the largest first.

    It is the mean over the shuffles, in the unit of the loss or the score: of the RMSE that of y. The interval, with
    Student's t, says how far that of other rows may be from this one, or of rows of other groups: by the paired
    differences of the rows, for the RMSE by the delta method, and for a score by the jackknife over BLOCKS of the rows.
    The shuffles of a column share rows, so with few rows it is somewhat too narrow.
    Source: Breiman, "Random forests", Machine Learning 45 (2001), section 10.
    """

    loss: str
    """what is measured: "rmse", "pinball" or "log_loss", or the name of the score"""
    base: float
    """that of the unchanged rows"""
    names: tuple[str, ...]
    mean: Floats  # (columns,)
    low: Floats  # (columns,)
    high: Floats  # (columns,)
    level: float
    """the probability that an interval covers"""
    rows: int
    repeats: int
    columns: int
    """how many columns the answers depend on, of which these are all or those with the largest mean effects"""
    groups: int | None = None
    """the groups whose rows count as one for the intervals; None where each row counts by itself"""
    is_score: bool = False
    """whether `loss` is a score, of which more is better"""

    def records(self) -> list[dict[str, Any]]:
        """Return one record per column: column, importance, low and high."""
        each = zip(self.names, *(part.tolist() for part in (self.mean, self.low, self.high)), strict=True)
        return [dict(zip(COLUMNS, record, strict=True)) for record in each]

    def to_frame(self, backend: Any = "pandas") -> Any:
        """Return a data frame with a row per record. backend: "pandas", "polars" or "pyarrow"."""
        data = list(self.names), self.mean, self.low, self.high
        return make_frame(dict(zip(COLUMNS, data, strict=True)), backend)

    def figure(self) -> go.Figure:
        """Plot the columns as bars with their intervals."""
        return records.view(self, "as_figure")

    def __repr__(self) -> str:
        """Return the numbers of columns and rows."""
        return f"<ColumnImportance of {len(self.names)} columns on {self.rows:,} rows>"


def importance(
    parts: AnswerParts,
    X: object,
    y: object,
    repeats: int,
    level: float,
    random_state: int,
    columns: int | None = None,
    groups: RowValues | None = None,
    reasons: Reasons | None = None,
    scoring: Scoring | None = None,
) -> ColumnImportance:
    """Shuffle each column in turn; see `Explains.importance`. reasons: those of X, where they are known."""
    of_rows = read_structure(X, groups, None, 0.0).groups
    chosen = list(range(len(parts.names)))
    if columns is not None and check_count(columns, "columns") < len(chosen):
        reasons = explain(parts, X, None, None, None) if reasons is None else reasons
        chosen = sorted(reasons.order()[:columns].tolist())
    repeats = check_count(repeats, "repeats")
    level = check_number(level, "level", above=0.0, below=1.0)
    table = ShuffledTable(parts, parts.table(X).inputs)
    n, rng = _some(len(table.inputs[0])), np.random.default_rng(random_state)
    exposure = known_exposure(X, None, parts.result.exposure, n)
    loss_of, loss = row_losses(parts, y, n)
    if scoring is not None:
        loss_of, loss = block_scores(parts, HeldOutScorer(scoring, parts.result.targets, X, y), n, of_rows)
    base = loss_of(times_exposure(table.predicted(), exposure))
    growth = np.zeros((len(chosen), len(base)))
    for own, k in zip(growth, chosen, strict=True):
        for _ in range(repeats):
            shuffled = times_exposure(table.shuffled(k, rng.permutation(n)), exposure)
            own += (loss_of(shuffled) - base) / repeats
    if scoring is not None:
        growth *= -1.0
    mean, half = growth.mean(1), half_widths(growth, level, of_rows if scoring is None else None)
    order = np.argsort(-mean, kind="stable")
    return ColumnImportance(
        loss=loss,
        base=float(base.mean()),
        names=tuple(parts.names[chosen[k]] for k in order.tolist()),
        mean=mean[order],
        low=(mean - half)[order],
        high=(mean + half)[order],
        level=level,
        rows=n,
        repeats=repeats,
        columns=len(parts.names),
        groups=None if of_rows is None else len(np.unique(of_rows)),
        is_score=scoring is not None,
    )


def _some(rows: int) -> int:
    """Return the number of rows. Raises ShapeError for none."""
    if not rows:
        raise ShapeError("X has no rows, whose answers could change; pass at least one.")
    return rows


def half_widths(growth: Floats, level: float, groups: NDArray[np.int64] | None = None) -> Floats:
    """t e of the mean of each row of growth (columns, n), see `errors_of_means`; infinite for one number, or group."""
    from scipy.stats import t

    count = growth.shape[1] if groups is None else len(np.unique(groups))
    return np.asarray(t.ppf((1 + level) / 2, max(1, count - 1)) * errors_of_means(growth, groups))


Measure = Callable[[Floats], Floats]
"""What makes predictions (n, outputs) numbers whose mean is the loss or the score, and their spread that of the mean's
standard error."""


def block_scores(
    parts: AnswerParts, scorer: HeldOutScorer, n: int, groups: NDArray[np.int64] | None
) -> tuple[Measure, str]:
    """Return the score s of n rows as the pseudo-values of the jackknife, moved to the mean s, and the score's name.

        v_b = s + (B - 1) (mean_c s_c - s_b)        s_b: the score without the rows of block b of B

    groups: (n,) the group of each row, whose rows are in one block.
    Source: Miller, "The jackknife: a review", Biometrika 61 (1974).
    """
    labels, rng = None, np.random.default_rng(0)
    if parts.result.targets.task in ("binary", "multiclass"):
        labels = np.asarray(scorer.known)
    blocks = deal(n, BLOCKS, labels, rng)
    if groups is not None:
        own = np.unique(groups, return_inverse=True)[1]
        blocks = deal(int(own.max()) + 1, BLOCKS, None, rng)[own]
    kept = [np.flatnonzero(blocks != block) for block in np.unique(blocks[blocks >= 0]).tolist()]
    if isinstance(scorer.scoring, str):
        scorer = replace(scorer, X=None)  # no table need be copied for it
    scorers, decision = [scorer.take(rows) for rows in kept], parts.result.decision

    def measure(predicted: Floats) -> Floats:
        score = scorer(predicted, decision=decision)
        if np.isnan(score):
            raise DataError(f"{scorer.name} of these rows is not a number; pass more rows, of every class.")
        if len(kept) < 2:
            return np.array([score])
        each = [own(predicted[rows], decision=decision) for own, rows in zip(scorers, kept, strict=True)]
        without = np.nan_to_num(each, nan=score)
        return np.asarray(score + (len(kept) - 1) * (without.mean() - without))

    return measure, scorer.name


def row_losses(parts: AnswerParts, y: object, rows: int) -> tuple[Measure, str]:
    """Return the loss of each row (n,), and its name. y: the true targets.

    The RMSE is that of the rows' errors e as (r + e^2 / r) / 2 with r = sqrt(mean(e^2)), whose mean is r.
    """
    targets = parts.result.targets
    given = np.asarray(targets.read(y))
    if len(given) != rows:
        raise ShapeError(f"y has {len(given):,} targets for {rows:,} rows; pass one for each row of X.")
    if isinstance(targets, Labels):
        targets.check_again(given, False)
        return _log_loss(np.asarray(targets.encode(given))), "log_loss"
    if isinstance(targets, Times):
        loss, known = targets.loss({}), targets.encode(given)
        return lambda p: loss.value(as_outputs(loss, p), known), "log_loss"
    if isinstance(targets, Relevances):
        raise ConfigError(
            "importance needs the errors of single rows, and a ranker compares those of a group; use explain(X), or "
            "permutation_importance of scikit-learn with a function that calls score(X, y, groups=...)."
        )
    assert isinstance(targets, NumericTargets)
    numbers = np.asarray(targets.encode(given), np.float64)
    if len(targets.q) > 1:
        q = np.asarray(targets.q)
        return lambda p: np.maximum(q * (numbers - p), (q - 1) * (numbers - p)).mean(1), "pinball"
    return lambda p: _as_root(np.square(p - numbers).mean(1)), "rmse"


def _as_root(squares: Floats) -> Floats:
    root = np.sqrt(squares.mean())
    return squares if root == 0 else np.asarray((root + squares / root) / 2)


def _log_loss(y: NDArray[Any]) -> Measure:
    """-log p of the true class, or the sum over labels that do not exclude each other."""
    if y.ndim == 1:
        return lambda p: -np.log(np.maximum(p[np.arange(len(y)), y], MIN_PROBABILITY))
    return lambda p: -np.log(np.maximum(np.where(y > 0.5, p, 1 - p), MIN_PROBABILITY)).sum(1)


def answers(parts: AnswerParts, inputs: Inputs, want: Wanted, output: str) -> Floats:
    """Return the answers for prepared rows (n,)."""
    p = parts.predicted(inputs)
    if want.powers is not None:
        p = np.exp(np.log(np.maximum(p, TINY)) @ want.powers[:, None])
    places, negated, _ = want.of_rows(p, slice(0, len(p)))
    found = np.asarray(p[np.arange(len(p)), places], np.float64)
    found = np.where(negated, 1 - found, found)
    if output != "log_odds":
        return found
    return np.asarray(np.log(np.maximum(found, TINY)) - np.log(np.maximum(1 - found, TINY)))


@records.kind("column_curve", version=1)
@dataclass(frozen=True, eq=False)
class ColumnCurve(records.Shown):
    """The prediction for each row with other values of one column, and their mean over the rows (partial dependence).

    The mean includes combinations of values that do not occur, such as a child with a pension.
    Sources: Friedman, "Greedy function approximation", Annals of Statistics 29 (2001), section 8.2; for single rows
    (ICE) Goldstein, Kapelner, Bleich, Pitkin, "Peeking inside the black box", J. Comp. Graph. Stat. 24 (2015).
    """

    column: ReadColumn
    """the cells that are put in (points,)"""
    answers: Floats  # (rows, points)
    data: ReadColumn
    """the column's cells in the rows (rows,)"""
    low: float
    """the start of the middle of the column's cells, which holds MIDDLE of them; NaN for categories"""
    high: float
    output: str
    """what an answer is: "number", "probability" or "log_odds\""""
    label: Any = None
    """the class or the output; None for one number"""
    target: str | None = None

    @property
    def mean(self) -> Floats:
        """The mean over the rows (points,)."""
        return np.asarray(self.answers.mean(0))

    def to_data(self) -> dict[str, Any]:
        """Return the mean and the range as JSON-safe data; see `chainrule.core.records`."""
        return records.labeled(
            self,
            {
                "column": self.column,
                "mean": self.mean,
                "low": self.low,
                "high": self.high,
                "rows": len(self.answers),
                "output": self.output,
                "label": self.label,
                "target": self.target,
            },
        )

    def figure(self) -> go.Figure:
        """Plot the mean, the curves of some rows, and the range that the data have."""
        return records.view(self, "as_figure")

    def __repr__(self) -> str:
        """Return the column, and the numbers of points and rows."""
        points, rows = len(self.column.values), len(self.answers)
        return f"<ColumnCurve of {self.column.name!r}: {points} points over {rows:,} rows>"


def curves(
    parts: AnswerParts, X: object, column: str, points: int, rows: int, target: object, output: str | None
) -> ColumnCurve:
    """Put other cells into a column; see `Explains.curves`."""
    points, rows = check_count(points, "points", 2), check_count(rows, "rows")
    column = f"{column}"  # a frame's may be numbers
    if column not in parts.names:
        raise ConfigError(
            f"column must be one that the answers depend on, not {column!r}; there are {', '.join(parts.names[:20])}."
        )
    if isinstance(target, (list, tuple, np.ndarray)):
        raise ConfigError("target must be one class or output for all rows of a curve; pass one.")
    output, k, table = output_of(parts, output), parts.names.index(column), parts.table(X)
    chosen = evenly_spaced(_some(table.rows), rows)
    inputs: Inputs = tuple(own[chosen] for own in table.inputs)
    if target is None:
        target = _likeliest(parts, inputs)
    want = wanted(parts.result.targets, target, len(chosen))
    data = table.cells[k]
    cells, low, high = _points(data, points)
    put = parts.table(parts.typical_with(column, cells))
    each: Iterator[Inputs] = (tuple(own[i : i + 1] for own in put.inputs) for i in range(len(cells)))
    found = [answers(parts, parts.with_columns(inputs, one, [k]), want, output) for one in each]
    return ColumnCurve(
        column=put.cells[k],
        answers=np.stack(found, 1),
        data=data.take(chosen),
        low=low,
        high=high,
        output=output,
        label=want.label(0),
    )


def _likeliest(parts: AnswerParts, inputs: Inputs) -> object:
    """Return the class that is likeliest on average, where there are several; None otherwise."""
    targets = parts.result.targets
    if targets.task not in ("multiclass", "multilabel"):
        return None
    return wanted(targets, None, 1).labels[int(parts.predicted(inputs).mean(0).argmax())]


def _points(data: ReadColumn, points: int) -> tuple[NDArray[np.generic], float, float]:
    """Return the cells to put in, as a table may hold them, and the range of the column's middle."""
    there = data.values[~np.isnan(data.values)]
    if data.is_category:
        codes, counts = np.unique(there.astype(np.int64), return_counts=True)
        frequent = codes[np.argsort(-counts, kind="stable")][:points]
        texts = [data.texts[code] for code in frequent.tolist()]
        if data.taken_for == "boolean":
            return np.array([text == "True" for text in texts] or [False]), np.nan, np.nan
        return np.array(texts or [None], object), np.nan, np.nan
    if not len(there):
        return np.array([np.nan]), np.nan, np.nan
    low, high = np.quantile(there, [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2]).tolist()
    distinct = np.unique(there)
    grid = distinct if len(distinct) <= points else np.linspace(distinct[0], distinct[-1], points)
    if data.taken_for in ("date", "duration"):
        unit = "M8[us]" if data.taken_for == "date" else "m8[us]"
        return np.round(grid * 1e6).astype(unit), low, high
    return grid, low, high


# --- the joint effect of two columns on an answer, beyond the effect of each alone -----------------------------------


@records.kind("column_pairs")
@dataclass(frozen=True, eq=False)
class ColumnPairs(records.Shown, records.TextResult):
    """The joint effects of pairs of columns on each row's answer, compared with a typical row.

    joint_ab = f(x) - f(x with a typical) - f(x with b typical) + f(x with both typical)

    a second difference: 0 where the effect of a is the same whichever of its two cells b has.
    """

    names: tuple[str, ...]
    """the columns, those with the largest effects first"""
    values: Floats  # (n, columns, columns), symmetric, 0 on the diagonal
    output: str
    """what an answer is: "number", "probability" or "log_odds\""""
    target: str | None = None

    @property
    def mean(self) -> Floats:
        """The mean over the rows of each |joint effect| (columns, columns)."""
        return np.asarray(np.abs(self.values).mean(0))

    def order(self) -> list[tuple[str, str, float]]:
        """Return the pairs with their mean |joint effect|, the largest first."""
        size = self.mean
        found = [
            (self.names[a], self.names[b], float(size[a, b]))
            for a, b in combinations(range(len(self.names)), 2)
        ]
        return sorted(found, key=lambda each: -each[2])

    def to_data(self) -> dict[str, Any]:
        """Return the mean joint effects as JSON-safe data; see `chainrule.core.records`."""
        return records.labeled(
            self,
            {
                "names": self.names,
                "mean": self.mean,
                "rows": len(self.values),
                "output": self.output,
                "target": self.target,
            },
        )

    def figure(self) -> go.Figure:
        """Plot the mean joint effect of each pair as a cell."""
        return records.view(self, "as_figure")

    def __repr__(self) -> str:
        """Return the numbers of columns and rows."""
        return f"<ColumnPairs of {len(self.names)} columns on {len(self.values):,} rows>"


def pairs(parts: AnswerParts, X: object, columns: int, target: object, output: str | None) -> ColumnPairs:
    """Measure the joint effects of the columns with the largest effects; see `Explains.pairs`."""
    columns, output = check_count(columns, "columns", 2), output_of(parts, output)
    reasons = explain(parts, X, target, output, None)
    chosen = reasons.order()[:columns].tolist()
    inputs, typical = parts.table(X).inputs, parts.reference(None).inputs
    labels = list(reasons.labels) if reasons.labels else target
    want = wanted(parts.result.targets, labels, len(reasons))

    def with_typical(*typical_columns: int) -> Floats:
        return answers(parts, parts.with_columns(inputs, typical, list(typical_columns)), want, output)

    whole, alone = answers(parts, inputs, want, output), {k: with_typical(k) for k in chosen}
    values = np.zeros((len(reasons), len(chosen), len(chosen)))
    for a, b in combinations(range(len(chosen)), 2):
        first, second = chosen[a], chosen[b]
        joint = whole - alone[first] - alone[second] + with_typical(first, second)
        values[:, a, b] = values[:, b, a] = joint
    return ColumnPairs(tuple(parts.names[k] for k in chosen), values, output)


# --- rows with the cells of one column shuffled -----------------------------------------------------------------------
# Of a wide table nearly all work is that of the first dense layer, which a single column hardly changes. Where the
# layers before it work on each column alone, what it computes is a sum over the columns,
#
#     z = b + sum_c P_c      P_c = h_c W_c (n, units), with h_c what becomes of the cells of column c
#
# so that in another order o of that column's cells, z' = z + P_c[o] - P_c: a part of the layer for each column, in
# place of all of it. Computed in float64, in which these differences are exact to rounding.

MAX_COLUMNS_COMPUTED_ANEW = 100
"""The columns up to which all layers are computed anew, with the bits of `predict`: there is little to gain."""
MAX_NUMBERS_KEPT = 1 << 27
"""The numbers before the first dense layers of all parts that are kept at most, 1 GB: of more rows all is computed
anew."""
ROWS_AT_ONCE = 4096
"""The rows that the layers behind the first dense one take at once."""


class ShuffledTable:
    """A table's prepared rows, to predict them as they are and with the cells of one column in other orders."""

    def __init__(self, parts: AnswerParts, inputs: Inputs) -> None:
        """Compute the first dense layers of a wide table, where they are sums over its columns."""
        self.parts, self.inputs = parts, inputs
        self.sums: list[FirstLayers | None] = [None] * len(parts.all)
        if len(parts.names) > MAX_COLUMNS_COMPUTED_ANEW:
            most = MAX_NUMBERS_KEPT // len(parts.all)
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
            pieces = [changed[start : start + ROWS_AT_ONCE] for start in range(0, len(changed), ROWS_AT_ONCE)]
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
