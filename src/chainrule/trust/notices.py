"""Some rows of a training table as numbers, and what they and the names of the columns tell without any model."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chainrule.core import hints
from chainrule.core.arrays import evenly_spaced
from chainrule.errors import LeakWarning
from chainrule.tables import kinds
from chainrule.tables.data import FitData, FitInput
from chainrule.tables.rarity import mean_squares
from chainrule.tables.relevance import Relevances
from chainrule.trust.notice import IS_ASKED, Notice, Notices

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MOST_ROWS = 20_000
"""are looked at: of a larger table, blocks of rows that follow each other."""
BLOCKS = 20
LEAST_AUTOCORRELATION = 0.15
EXTREME = 0.005
MOST_LABELS = 10
"""Classes beyond the most frequent ones count as one."""


@dataclass(frozen=True)
class SampledTable:
    """Some rows of a table, with what they are to predict."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    """what each column was taken for: "number", "boolean", "category", "date" or "duration\""""
    values: Array
    """(rows, columns): numbers, seconds, or codes of categories in the order in which they come; NaN for missing"""
    is_input: NDArray[np.bool_]
    """(columns,): whether the network sees it; the others are dropped"""
    y: Array
    """(rows,): numbers, or the numbers of the classes"""
    labels: int
    """the number of classes; 0 for numbers"""
    rows: Rows
    """(rows,): where they are in the table, ascending"""
    total: int
    """the rows of the table"""

    @property
    def inputs(self) -> Array:
        """The columns that the network sees, (rows, inputs)."""
        return np.asarray(self.values[:, self.is_input])

    @property
    def outputs(self) -> Array:
        """What is to predict in columns (rows, outputs): the number, or of each class whether a row is of it."""
        if not self.labels:
            return self.y[:, None]
        return np.asarray(self.y[:, None] == np.arange(self.labels), np.float64)

    def without(self, columns: tuple[str, ...]) -> SampledTable:
        """Return the table with columns that are no inputs."""
        return replace(self, is_input=self.is_input & ~np.isin(self.names, columns))

    def at(self, rows: NDArray[np.bool_], of: slice = slice(None)) -> SampledTable:
        """Return the table of the rows that are true, and of some columns."""
        part = replace(self, names=self.names[of], kinds=self.kinds[of], is_input=self.is_input[of])
        return replace(part, values=self.values[rows, of], y=self.y[rows], rows=self.rows[rows])

    def without_extremes(self) -> SampledTable:
        """Return the table with the largest and the smallest targets, half a percent each, at the next ones."""
        if self.labels:
            return self
        low, high = np.quantile(self.y, (EXTREME, 1 - EXTREME))
        return replace(self, y=np.clip(self.y, low, high))

    @property
    def least_autocorrelation(self) -> float:
        """The correlation with the row before that rows in time have: three times that by chance, or more."""
        return max(LEAST_AUTOCORRELATION, 3 / math.sqrt(len(self.y)))

    def has_autocorrelation(self, order: Rows) -> bool:
        """Return whether the target is like that of the row before, in an order of the rows."""
        return autocorrelation(self.outputs[order]) >= self.least_autocorrelation

    def codes(self, column: int) -> Rows:
        """Return a column as whole numbers from 0, (rows,), a missing value as one of its own."""
        _, codes = np.unique(self.values[:, column], return_inverse=True)
        return np.asarray(codes, np.int64)


def sampled(data: FitData) -> SampledTable | None:
    """Return some rows of a table with their targets; None of several targets, of times, and without the table."""
    y = data.samples.y
    if (
        data.targets.task in ("multilabel", "survival")
        or isinstance(data.targets, Relevances)
        or (y.ndim == 2 and y.shape[1] != 1)
    ):
        return None
    if data.preprocessor is None or data.raw is None:
        return None
    learned = {each.name: each for each in data.preprocessor.learned_}
    rows = blocks(len(y), MOST_ROWS, BLOCKS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit has said what there is to say of a column's values
        columns = [each.take(rows) for each in data.raw.columns]
        taken = [kinds.take(each, asked(learned[each.name].kind)) for each in columns]
    found, labels = y.reshape(-1)[rows].astype(np.float64), 0
    found = found / max(float(np.abs(found).max()), np.finfo(float).tiny)  # no square of which overflows
    if data.targets.task != "regression":
        found, labels = frequent(found, MOST_LABELS)
    return SampledTable(
        names=tuple(each.name for each in columns),
        kinds=tuple(each.kind for each in taken),
        values=np.stack([each.values for each in taken], 1),
        is_input=np.array([learned[each.name].became != "dropped" for each in columns]),
        y=found,
        labels=labels,
        rows=rows,
        total=len(y),
    )


def asked(kind: str) -> str | None:
    """Return the kind that a column is read as again; None for one that its values say."""
    return kind if kind in ("category", "number") else None


def blocks(n: int, most: int, count: int) -> Rows:
    """Return at most so many of n rows, ascending: all, or blocks at equal distances of rows that follow each other."""
    if n <= most:
        return np.arange(n)
    starts = np.linspace(0, n - most // count, count).astype(np.int64)
    return (starts[:, None] + np.arange(most // count)).reshape(-1)


def frequent(y: Array, most: int) -> tuple[Array, int]:
    """Return the numbers of classes from the most frequent one, those beyond `most` as one, and how many there are."""
    _, numbers, counts = np.unique(y, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    found = np.minimum(rank[numbers], most - 1)
    return found.astype(np.float64), int(found.max()) + 1


def autocorrelation(outputs: Array) -> float:
    """Return the correlation of the rows of (rows, outputs) with those before them, of several by their variances.

    r = sum_k sum_i (y_ik - m_k)(y_(i-1)k - m_k) / sum_k sum_i (y_ik - m_k)^2
    """
    around = outputs - outputs.mean(0)
    return float((around[1:] * around[:-1]).sum() / max(float((around**2).sum()), 1e-300))


def ranked(values: Array) -> Rows:
    """Return the rank of each value, equal ones in the order in which they come, missing ones last."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words_of(name: str) -> frozenset[str]:
    """Return the words of a name, in small letters: of time_hour and timeHour, time and hour."""
    return frozenset(word.lower() for word in _WORD.findall(name))


TIMES = words_of(
    """
    age date datetime day days dteday dt epoch hour hours hr hrs min minute mnth mon month months
    period qtr quarter round season sec second t time timestamp visit wave week weeks wk year years
    yr yrs
    """
)
THINGS = words_of(
    """
    account animal batch bird case child class client code company customer device driver family
    firm household id idcode ids individual key lot machine member mouse name no nr participant
    patient person pid plant player plot pupil rat school sensor shop site station store student
    subj subject teacher tree uid unit user
    """
)
RANKS = words_of("place pos position rank ranking")
"""Words of numbers that are the order of a quantity."""


def is_of_time(name: str) -> bool:
    """Return whether a name is of a moment or of a count of units of time."""
    return not TIMES.isdisjoint(words_of(name))


def is_of_thing(name: str) -> bool:
    """Return whether a name is of an identifier, or of what has several rows: a person, a shop, a machine."""
    return not THINGS.isdisjoint(words_of(name))


def is_of_rank(name: str) -> bool:
    """Return whether a name is of a place in the order of a quantity."""
    return not RANKS.isdisjoint(words_of(name))


BINS, ROWS_A_BIN = 64, 20
DENSE = 1.5
"""the range of numbers of rows, divided by the rows"""


def explained_alone(table: SampledTable) -> Array:
    """Return the share of the target's variance that each column explains alone, (columns,).

        R2 = 1 - sum_i (y_i - m(b_i))^2 / sum_i (y_i - mean)^2

    m(b) is the mean of the rows of the other half that have the category, or are in the interval, b. Of classes it is
    that of all indicators together, so that 1 - R2 is their Brier score relative to that of their frequencies. Of
    numbers it is the larger one of theirs and of their ranks', in which a few large ones do not decide. Whether a value
    is missing is looked at by itself too: of a few values the intervals have too few rows each to show it; nor do they
    show in few rows that numbers go up with the target, which the square of their ranks' correlation does.
    """
    ways = [table.outputs] if table.labels else [table.outputs, rankdata(table.y)[:, None]]
    half = np.random.default_rng(0).permutation(len(table.y)) % 2 == 0
    missing = np.isnan(table.values)
    bins = [[_binned(table, k)] for k in range(len(table.names))]
    for k in np.flatnonzero(missing.any(0)).tolist():
        bins[k].append(missing[:, k].astype(np.int64))
    found = np.array([max(_explained(one, of, half) for one in each for of in ways) for each in bins])
    rises = (np.ptp(table.values, 0) > 0) & (np.array(table.kinds) != "category") & (table.labels == 0)
    for k in np.flatnonzero(rises).tolist():
        found[k] = max(found[k], np.corrcoef(rankdata(table.values[:, k]), ways[-1][:, 0])[0, 1] ** 2)
    return found


def _explained(bins: Rows, outputs: Array, half: NDArray[np.bool_]) -> float:
    """Return what the means of bins explain of outputs (rows, outputs), each half by those of the other."""
    count, error = int(bins.max()) + 1, 0.0
    for learned in (half, ~half):
        sizes = np.bincount(bins[learned], minlength=count) + 1
        for output in outputs.T:
            means = (np.bincount(bins[learned], output[learned], count) + output[learned].mean()) / sizes
            error += float(((output[~learned] - means[bins[~learned]]) ** 2).sum())
    return 1 - error / len(bins) / max(float(outputs.var(0).sum()), 1e-300)


def _binned(table: SampledTable, column: int) -> Rows:
    """Return the categories of a column, or intervals of its numbers with as many rows each, (rows,) from 0."""
    values = table.values[:, column]
    if table.kinds[column] not in ("category", "boolean") and len(np.unique(values)) > BINS:
        count = min(BINS, max(2, len(values) // ROWS_A_BIN))
        edges = np.unique(np.nanquantile(values, np.arange(1, count) / count))
        return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values))
    return table.codes(column)


def is_row_number(table: SampledTable, column: int) -> bool:
    """Return whether a column numbers the rows: whole numbers, no two the same, with few gaps between them."""
    values = table.values[:, column]
    if table.kinds[column] != "number" or np.isnan(values).any() or (values % 1).any():
        return False
    return len(np.unique(values)) == len(values) and bool(np.ptp(values) < DENSE * table.total)


IN_ONE_PIECE = 0.2
"""the changes from row to row, relative to those of shuffled rows, up to which the rows of a group follow each other"""


def changes(codes: Rows) -> float:
    """Return the share of the rows that have another value than the one before."""
    return float((codes[1:] != codes[:-1]).mean())


SORTED_SHARE = 0.9
"""the share of steps in one direction from which rows are sorted by a column"""
PIECES_OF_CLASS = 5
"""Rows whose classes come in so few pieces each are sorted by them."""


def is_sorted_by(table: SampledTable, column: int) -> bool:
    """Return whether the rows are sorted by a number: all its steps go one way, or most of the few."""
    if table.kinds[column] != "number":
        return False
    up = steps_up(table.values[:, column])
    one_way = max(up, 1 - up)
    return one_way == 1.0 or (one_way > SORTED_SHARE and changes(table.codes(column)) < IN_ONE_PIECE)


def may_be_time(table: SampledTable, column: int) -> bool:
    """Return whether a column by which the rows are sorted may be the time: by its name, or as a number of rows."""
    name = table.names[column]
    return is_of_time(name) or (is_row_number(table, column) and not is_of_rank(name))


def is_sorted_by_target(table: SampledTable) -> bool:
    """Return whether the rows are sorted by what is to predict: numbers go one way, and classes come in few pieces."""
    if table.labels:
        return float((np.diff(table.y) != 0).sum()) <= PIECES_OF_CLASS * table.labels
    return max(up := steps_up(table.y), 1 - up) > SORTED_SHARE


def steps_up(values: Array) -> float:
    """Return the share of the steps from row to row that go up, among those that are not 0; 1/2 without any."""
    steps = np.diff(values)
    steps = steps[(steps != 0) & ~np.isnan(steps)]
    return float((steps > 0).mean()) if len(steps) > 1 else 0.5


# --- the score of a small model with and without something: on the same rows, learned from as many -------------------

TREES, LEAVES, RATE = 40, 15, 0.2
LEAF = 20
"""The rows of a leaf, at least."""
MOST_TREES = 120
"""of a classifier of several classes, which has one for each in every round"""
FEWEST_ROUNDS = 8
CELLS, FEWEST_ROWS_JUDGED = 150_000, 3_000
"""Numbers that are learned at most, but so many rows in any case: a tenth of a second. Of 3,000 rows learned, two of
the open tables would lose a notice: nlswork, and flights with all columns."""
FEWEST_TESTED = 30
LAST_SHARE = 0.2
"""the share of the rows that the last ones are"""
GROUPS_TESTED = 0.4
"""the share of the rows whose groups are tested"""
TESTED = 3
"""One in so many of those rows is tested; the others are the ones that belong to it."""
LEAST_DIFFERENCE = 0.01
"""of the scores"""
SURELY = ((1.1, 3.0), (1.5, 2.0))
"""The ratio of the errors without something to those with it, and the standard errors of their difference: of one pair
both are reached at least."""
FIFTHS = 5
CLUSTERS = 40
"""Pieces of a tail, each of whose errors go together."""


class SmallScore(NamedTuple):
    """How a model predicts some rows."""

    score: float
    """R2 of numbers, the area under the ROC curve of two classes, the accuracy of several"""
    errors: Array
    """(rows,): squared, of classes those of their probabilities (Brier), in units of the target's variance"""


class ScorePair(NamedTuple):
    """The same rows predicted with something and without it."""

    with_it: SmallScore
    without: SmallScore
    clusters: Rows | None = None
    """(rows,): those with errors that go together"""

    @property
    def ratio(self) -> float:
        """The mean error without it, divided by the one with it."""
        return float(self.without.errors.mean()) / max(float(self.with_it.errors.mean()), 1e-12)

    @property
    def standard_errors(self) -> float:
        """The mean difference of both errors, in its standard errors, of independent clusters."""
        gains = self.without.errors - self.with_it.errors
        of = (
            np.arange(len(gains))
            if self.clusters is None
            else np.unique(self.clusters, return_inverse=True)[1]
        )
        around = np.bincount(of, gains - gains.mean())
        groups = len(around)
        if groups < 5:
            return 0.0
        error = np.sqrt((around**2).sum() * groups / (groups - 1)) / len(gains)
        return float(gains.mean() / max(float(error), 1e-300))

    @property
    def has_scores(self) -> bool:
        """Whether both scores are numbers: an area under the ROC curve is none where a test has one class."""
        return bool(np.isfinite([self.with_it.score, self.without.score]).all())

    @property
    def goes_that_way(self) -> bool:
        """Whether it is better with it by what matters, though that may be chance."""
        return self.with_it.score - self.without.score >= LEAST_DIFFERENCE and self.standard_errors >= 1

    @property
    def differs(self) -> bool:
        """Whether the scores differ surely, and by what matters."""
        ratio, errors = self.ratio, self.standard_errors
        is_sure = any(ratio >= least and errors >= sure for least, sure in SURELY)
        with_it, without = self.with_it.score, self.without.score
        return is_sure and with_it > 0 and with_it - without >= LEAST_DIFFERENCE

    def notice(
        self,
        table: SampledTable,
        what: str,
        columns: tuple[str, ...],
        figure: float,
        groups: int = 0,
        shift: float = 0.0,
    ) -> Notice:
        """Return what the scores say of a table. The arguments are the fields of `Notice`."""
        score = {0: "r2", 2: "auc"}.get(table.labels, "accuracy")
        return Notice(what, columns, score, self.with_it.score, self.without.score, figure, groups, shift)


class RowSplit(NamedTuple):
    """Rows to test, and two sets of as many rows to learn from."""

    near: Rows
    """with rows that belong to those of the test"""
    far: Rows
    """without"""
    test: Rows
    clusters: Rows

    @property
    def is_enough(self) -> bool:
        """Whether it has enough rows to test and to learn."""
        return len(self.test) >= FEWEST_TESTED and len(self.far) >= 2 * FEWEST_TESTED


def most_rows(table: SampledTable) -> int:
    """Return how many rows are judged at most."""
    return max(FEWEST_ROWS_JUDGED, CELLS // max(1, int(table.is_input.sum())))


FOLDS = 5
"""of the rows whose groups' means are learned from the others"""
Predict = Callable[[Rows], Array]
"""Predicts rows of a table: (rows,) numbers, or (rows, classes) probabilities."""


def group_means(codes: Rows, outputs: Array, of: Rows) -> Array:
    """Return the mean targets of groups, (len(of), outputs), closer to that of all rows the less sure they are.

        l m_c + (1 - l) m        l = n_c s^2 / (n_c s^2 + s_c^2)

    n_c, m_c, s_c^2 are the rows, the mean and the variance of group c, m and s^2 those of all rows.
    codes: (rows,) from 0.  outputs: (rows, outputs).  of: the groups; of one without rows it is m.
    Source: Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes" (2001).
    """
    count, found = int(max(codes.max(), of.max())) + 1, np.empty((len(of), outputs.shape[1]))
    sizes = np.bincount(codes, minlength=count)
    for k, output in enumerate(outputs.T):
        means = np.bincount(codes, output, count) / np.maximum(sizes, 1)
        within = np.bincount(codes, (output - means[codes]) ** 2, count) / np.maximum(sizes, 1)
        between = sizes * output.var()
        share = between / np.maximum(between + within, 1e-300)
        found[:, k] = (share * means + (1 - share) * output.mean())[of]
    return found


def means_of_others(codes: Rows, outputs: Array) -> Array:
    """Return the mean targets of the rows' groups, (rows, outputs), those of each fold by the rows of the others."""
    found = np.empty(outputs.shape)
    for rows in np.array_split(np.random.RandomState(0).permutation(len(codes)), FOLDS):
        others = np.ones(len(codes), bool)
        others[rows] = False
        found[rows] = group_means(codes[others], outputs[others], codes[rows])
    return found


def learned(table: SampledTable, train: Rows, group: Rows | None = None, leaf: int = LEAF) -> Predict:
    """Learn rows by boosted trees.

    group: (rows,) codes, of which the model also gets the mean target of each, as an embedding would learn it.
    leaf: the rows of a leaf, at least.
    """
    # A quarter of a second to import, which a network without a look at its table does not need.
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    y, outputs = table.y[train], table.outputs[train]
    present = np.flatnonzero(outputs.any(0)) if table.labels else np.arange(1)
    if table.labels and len(present) == 1:
        return lambda rows: np.tile(outputs[0], (len(rows), 1))
    settings = {"max_leaf_nodes": LEAVES, "learning_rate": RATE, "early_stopping": False, "random_state": 0}
    settings["min_samples_leaf"] = leaf
    inputs = table.inputs[train]
    inputs[:, np.isnan(inputs).all(0)] = 0.0  # a column without a value has no intervals
    told = outputs[:, present[1:] if len(present) == 2 else present]
    if group is not None:
        inputs = np.hstack([inputs, means_of_others(group[train], told)])
    if table.labels:
        rounds = min(TREES, max(FEWEST_ROUNDS, MOST_TREES // len(present)))
        model = HistGradientBoostingClassifier(max_iter=rounds, **settings).fit(inputs, y)
    else:
        model = HistGradientBoostingRegressor(max_iter=TREES, **settings).fit(inputs, y)

    def predict(rows: Rows) -> Array:
        tested = table.inputs[rows]
        if group is not None:
            tested = np.hstack([tested, group_means(group[train], told, group[rows])])
        if not table.labels:
            return np.asarray(model.predict(tested))
        shares = np.zeros((len(rows), table.labels))
        shares[:, present] = model.predict_proba(tested)
        return shares

    return predict


def small_score(table: SampledTable, predict: Predict, test: Rows) -> SmallScore:
    """Judge the rows of a test, as a model predicts them."""
    from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

    truth, predicted, outputs = table.y[test], predict(test), table.outputs
    squares = (outputs[test] - predicted.reshape(len(test), -1)) ** 2
    errors = squares.sum(1) / max(float(outputs.var(0).sum()), 1e-300)
    if not table.labels:
        return SmallScore(float(r2_score(truth, predicted)), errors)
    if table.labels == 2:
        both = 0 < truth.sum() < len(truth)
        return SmallScore(float(roc_auc_score(truth, predicted[:, 1])) if both else float("nan"), errors)
    return SmallScore(float(accuracy_score(truth, predicted.argmax(1))), errors)


def compared(
    table: SampledTable, split: RowSplit, group: Rows | None = None, far: Predict | None = None
) -> ScorePair | None:
    """Judge the test rows of a split by both sets of rows to learn from; None where these are too few.

    far: what has learned its rows far from the test, where there is such a model already.
    """
    if not split.is_enough:
        return None
    models = learned(table, split.near, group), far or learned(table, split.far, group)
    near, other = (small_score(table, each, split.test) for each in models)
    return ScorePair(near, other, split.clusters)


def groups_compared(table: SampledTable, codes: Rows, group: Rows | None = None) -> ScorePair | None:
    """Judge rows by others of their groups, and by rows of other groups; None where there are too few.

    One test is enough where it is sure. Where it is not, but its scores go that way, as they do if little of the target
    can be predicted, up to five more test other rows, four fifths in all. The first three have the same rows of other
    groups to learn, and so have the last three.
    """
    pairs: list[ScorePair] = []
    for turn in range(2 * TESTED):
        split = by_groups(table, codes, turn)
        if turn % TESTED == 0:
            far = learned(table, split.far, group) if split.is_enough else None
        found = compared(table, split, group, far)
        if found is None or not found.has_scores:
            if not pairs:
                return found
            continue
        pairs.append(found)
        found = pooled(pairs)
        if found.differs or not found.goes_that_way:
            break
    return pooled(pairs)


def judge_order(
    table: SampledTable, ranks: Rows, groups: Rows | None, columns: tuple[str, ...]
) -> Notice | None:
    """Judge the last fifth of the rows by those before it; None where others of it help no more.

    ranks, groups: as for `by_time`.  columns: that of the time; none for the order of the rows.
    """
    made = compared(table, by_time(table, ranks, groups))
    if made is None or not made.differs:
        return None
    outputs = table.outputs[np.argsort(ranks, kind="stable")]
    fifth = len(outputs) // FIFTHS
    moves = (outputs[-fifth:].mean(0) - outputs[:fifth].mean(0)) / np.maximum(outputs.std(0), 1e-300)
    shift = float(moves[-1] if table.labels <= 2 else moves[np.argmax(np.abs(moves))])
    return made.notice(table, "time" if columns else "order", columns, autocorrelation(outputs), shift=shift)


def pooled(pairs: Sequence[ScorePair]) -> ScorePair:
    """Return the errors of all tests together, with the mean of each score, weighted by the rows of its test."""
    sizes = [len(each.with_it.errors) for each in pairs]

    def together(parts: Sequence[SmallScore]) -> SmallScore:
        score = float(np.average([each.score for each in parts], weights=sizes))
        return SmallScore(score, np.concatenate([each.errors for each in parts]))

    clusters = [
        np.arange(n) if each.clusters is None else each.clusters for n, each in zip(sizes, pairs, strict=True)
    ]
    return ScorePair(
        together([each.with_it for each in pairs]),
        together([each.without for each in pairs]),
        np.concatenate(clusters),
    )


def without_columns(table: SampledTable, columns: tuple[str, ...]) -> ScorePair | None:
    """Judge a third of the rows, held out at random, with columns and without them; None where it cannot be judged.

    A leaf of the trees may have half of the rows of the rarest class, which a column may tell from the others.
    """
    order = np.random.default_rng(0).permutation(len(table.y))[: most_rows(table)]
    test, train = np.split(order, [len(order) // TESTED])
    rest = table.without(columns)
    if not rest.is_input.any() or len(test) < FEWEST_TESTED:
        return None
    leaf = LEAF
    if table.labels:
        leaf = min(LEAF, max(1, int(np.unique(table.y[train], return_counts=True)[1].min()) // 2))
    with_them, without = (small_score(each, learned(each, train, leaf=leaf), test) for each in (table, rest))
    pair = ScorePair(with_them, without)
    return pair if pair.has_scores else None


def by_groups(table: SampledTable, codes: Rows, turn: int = 0) -> RowSplit:
    """Split rows so that those of a test belong to groups of which others are learned, or are not.

    codes: (rows,) from 0.  Two fifths of the rows are of tested groups; of these one in three is tested.
    turn: from 0 to 5, which third, and of which two fifths: from 3 on of those at the other end of the groups' order.
    """
    random = np.random.default_rng(0)
    counts = np.bincount(codes)
    order = random.permutation(len(counts))[:: 1 if turn < TESTED else -1]
    kept = _first(order, counts, min(most_rows(table), len(codes)))
    tested = _first(order[counts[order] > 1], counts, GROUPS_TESTED * counts[kept].sum()) & kept
    rows = random.permutation(len(codes))
    rows = rows[kept[codes[rows]]]
    inside, far = rows[tested[codes[rows]]], rows[~tested[codes[rows]]]
    inside = inside[np.argsort(codes[inside], kind="stable")]
    place = np.arange(len(inside)) - np.searchsorted(codes[inside], codes[inside])
    is_tested = place % TESTED == turn % TESTED
    test, belong = inside[is_tested], inside[~is_tested]
    belong = random.permutation(belong)[: len(far)]
    return RowSplit(np.concatenate([belong, far[: len(far) - len(belong)]]), far, test, codes[test])


def _first(order: Rows, counts: Rows, most: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which groups are the first in an order that have at most so many rows together."""
    chosen = np.zeros(len(counts), bool)
    chosen[order[np.cumsum(counts[order]) <= most]] = True
    return chosen


def by_time(table: SampledTable, ranks: Rows, groups: Rows | None) -> RowSplit:
    """Split rows so that a test is of the last fifth, of which others are learned, or are not.

    ranks: (rows,) the order of the time.  groups: (rows,) codes of rows that belong together anyway: none is both
    tested and learned.
    """
    random = np.random.default_rng(0)
    order = np.argsort(ranks, kind="stable")
    order = order[blocks(len(order), most_rows(table), CLUSTERS)]
    head, tail = np.split(order, [round((1 - LAST_SHARE) * len(order))])
    of = np.arange(len(tail)) if groups is None else np.unique(groups[tail], return_inverse=True)[1]
    is_tested = random.permutation(int(of.max(initial=0)) + 1)[of] % TESTED == 0
    if groups is not None:
        head = head[~np.isin(groups[head], groups[tail])]
    test, belong = tail[is_tested], random.permutation(tail[~is_tested])[: len(head)]
    clusters = np.arange(len(tail))[is_tested] * CLUSTERS // len(tail)
    return RowSplit(
        np.concatenate([belong, random.permutation(head)[: len(head) - len(belong)]]), head, test, clusters
    )


# --- look at a training table for what makes its scores too good -----------------------------------------------------
# Columns that know the target or number the rows say something of the target that they will not of other rows; rows
# that belong together have the same inputs, or are of one person or thing; those next to each other may be alike.

FEWEST_ROWS = 100


def of_fit(given: FitInput, data: FitData, is_alone: bool) -> Notices:
    """Return what a fit notices, and warn of it; nothing for arrays, and where warnings are ignored and nobody asked.

    data: what was given, checked.
    is_alone: whether no search asks for the fit, which would hear the same of each trial.
    Rows are not looked at for what groups, time or X_val say of them already.
    """
    if not is_alone or data.preprocessor is None or data.samples.n < FEWEST_ROWS:
        return Notices()
    if is_silent():
        return Notices()
    table = sampled(data)
    if table is None:
        return Notices()
    is_judged, known = given.X_val is not None, data.structure.groups
    together = None if known is None else known[table.rows]
    said = is_judged or known is not None, is_judged or given.time is not None
    with np.errstate(all="ignore"), threadpool_limits(1, "openmp"):
        found = looked_at(table, together, *said)  # more threads take longer to start than its trees to grow
    for each in found:
        hints.give(LeakWarning(str(each), each))
    return Notices(found)


def is_silent() -> bool:
    """Return whether nobody asks, and the user's filters ignore all warnings of the class: there is no need to look."""
    if IS_ASKED.get():
        return False
    for action, message, category, module, _ in warnings.filters:
        if issubclass(LeakWarning, category):
            return action == "ignore" and message is None and module is None
    return False


def looked_at(
    table: SampledTable, together: Rows | None = None, has_groups: bool = False, has_time: bool = False
) -> tuple[Notice, ...]:
    """Return what is noticed of some rows of a table.

    together: (rows,) the group of each row, where it is known.  has_groups, has_time: whether it was said already which
    rows belong together, and which come later.
    """
    if table.y.std() == 0 or not table.is_input.any():
        return ()
    found = that_know(table)
    for each in found:  # beside which nothing else would show
        table = table.without(each.columns)
    if not table.is_input.any():
        return tuple(found)
    table = table.without_extremes()  # a few of which would decide alone whether scores differ
    found += that_number(table)
    if not has_groups:
        more, together = grouped(table)
        if not more:
            more, together = repeated(table)
        if not more:
            more, together = hidden(table)
        found += more
    if not has_time:
        found += find_order(table, together)
    return tuple(found)


KNOWS_NUMBERS, KNOWS_CLASSES = 0.97, 0.85
"""of the variance that a column explains alone, from which it is looked at"""
SUM_KNOWS = 1 - 1e-6
"""that several columns explain together, as a sum"""
MOST_SUMMED = 3
NUMBERS_RATIO, CLASSES_RATIO = 2.0, 5.0
"""of the errors without the column to those with it, at least"""


def that_know(table: SampledTable) -> list[Notice]:
    """Return a notice of the columns that know the target: alone, as a sum of several, or where they have a value."""
    least, ratio = (KNOWS_CLASSES, CLASSES_RATIO) if table.labels else (KNOWS_NUMBERS, NUMBERS_RATIO)
    there, of_time = ~np.isnan(table.values), _are_times(table)
    alone = np.where(table.is_input & ~(of_time & there.all(0)), explained_alone(table), 0.0)
    gaps = table.is_input & ~of_time & ~there.all(0)
    partly = np.array([_explained_at(table, k, there[:, k]) if has else 0.0 for k, has in enumerate(gaps)])
    everywhere, somewhere = np.ones(len(table.y), bool), np.asarray(there[:, partly >= least].any(1))
    for rows, explained, summed in ((everywhere, alone, _summed(table)), (somewhere, partly, ())):
        if not summed and explained.max() < least:
            continue
        most = np.maximum(explained, partly)  # a column with gaps would hide that others know the target
        known = (table.names[k] for k in np.argsort(-most, kind="stable") if most[k] >= least)
        names = tuple(dict.fromkeys((*summed, *known)))
        found = without_columns(table.at(rows).without_extremes(), names)
        if found is not None and found.ratio >= ratio:
            figure = 1.0 if summed else float(explained.max())
            return [found.notice(table, "target", names, figure)._replace(share=float(rows.mean()))]
    return []


def _explained_at(table: SampledTable, column: int, there: NDArray[np.bool_]) -> float:
    """Return what a column explains alone of the rows (rows,) where it has a value; 0 of too few, or of one target."""
    if there.sum() < FEWEST_ROWS or np.ptp(table.y[there]) == 0:
        return 0.0
    return float(explained_alone(table.at(there, slice(column, column + 1)))[0])


def _are_times(table: SampledTable) -> NDArray[np.bool_]:
    """Return which columns are moments: what is near in time may be alike, and is no leak."""
    kinds = zip(table.names, table.kinds, strict=True)
    return np.array([is_of_time(name) or kind == "date" for name, kind in kinds])


def _summed(table: SampledTable) -> tuple[str, ...]:
    """Return the fewest numbers of which the target is a weighted sum; none where there is no such sum of few."""
    if table.labels:
        return ()
    is_number = table.is_input & (np.array(table.kinds) == "number")
    usable = np.flatnonzero(is_number & ~np.isnan(table.values).any(0)).tolist()
    rows = slice(None, None, max(1, len(table.y) // FEWEST_ROWS_JUDGED))
    x, y = table.values[rows][:, usable], table.y[rows] - table.y[rows].mean()
    x = (x - x.mean(0)) / np.where((deviation := x.std(0)) > 0, deviation, 1.0)
    if not usable or len(y) < 2 * len(usable) or not np.isfinite(x).all() or _left(x, y) > 1 - SUM_KNOWS:
        return ()
    chosen: list[int] = []
    rest = y
    while len(chosen) < MOST_SUMMED:
        chosen.append(int(np.argmax(np.abs(x.T @ rest))))
        rest = y - x[:, chosen] @ np.linalg.lstsq(x[:, chosen], y, rcond=None)[0]
        if float(rest @ rest) <= (1 - SUM_KNOWS) * float(y @ y):
            return tuple(table.names[usable[k]] for k in sorted(chosen))
    return ()


def _left(x: Array, y: Array) -> float:
    """Return the share of y's variance that a sum of the columns x does not explain."""
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(rest @ rest) / max(float(y @ y), 1e-300)


def that_number(table: SampledTable) -> list[Notice]:
    """Return notices of the columns that number the rows, but for those that number moments."""
    found = []
    for k in np.flatnonzero(table.is_input).tolist():
        name = table.names[k]
        numbers_rows = is_row_number(table, k) and not is_of_time(name)
        if numbers_rows and not table.has_autocorrelation(np.argsort(table.values[:, k])):
            compared = without_columns(table, (name,))
            if compared is not None:
                found.append(compared.notice(table, "row_number", (name,), 1.0))
    return found


LEAST_REPEATED = 0.2
"""of the rows have the inputs of another one"""
LEAST_SHARED = 0.2
"""of the rows share their group with another row"""
MORE_THAN_CHANCE = 3.0
"""Rows with the same inputs, relative to those of independent columns."""
FEWEST_GROUPS, LARGEST_GROUP = 20, 0.1
"""of the rows at most are in the group of a typical row"""
MANY_GROUPS = 50
"""of a text, whatever its name and its order"""
LEAST_CORRELATION = 0.02
"""of the targets in a group, to be judged"""
MOST_JUDGED = 3
SMOOTH = 0.3
"""the correlation of the means of neighboring values from which a number is a quantity"""


def grouped(table: SampledTable) -> tuple[list[Notice], Rows | None]:
    """Return a notice of the column whose rows belong together, and the group of each row, (rows,)."""
    columns = ((k, table.codes(k)) for k in range(len(table.names)))
    return judge_groups(table, [((k,), codes) for k, codes in columns if may_group(table, k, codes)])


def judge_groups(
    table: SampledTable, candidates: Sequence[tuple[tuple[int, ...], Rows]], most: int = MOST_JUDGED
) -> tuple[list[Notice], Rows | None]:
    """Return a notice of the columns whose groups help most to predict other rows of theirs, and these groups.

    candidates: columns, and the group of each row by them, (rows,) from 0.  most: those that are judged.
    """
    spreads = ((mean_squares(codes, table.outputs.T), columns, codes) for columns, codes in candidates)
    spread = [(each.rho, columns, codes) for each, columns, codes in spreads if each is not None]
    likely = [each for each in spread if each[0] >= LEAST_CORRELATION]
    likely.sort(key=lambda each: -each[0])
    best: tuple[ScorePair, float, tuple[int, ...], Rows] | None = None
    for rho, columns, codes in likely[:most]:
        found = groups_compared(table, codes, codes if table.is_input[list(columns)].all() else None)
        if found is not None and found.differs and (best is None or found.ratio > best[0].ratio):
            best = found, rho, columns, codes
    if best is None:
        return [], None
    found, rho, columns, codes = best
    names = tuple(table.names[k] for k in columns)
    return [found.notice(table, "groups", names, rho, int(codes.max()) + 1)], codes


MOST_KEY_COLUMNS, MOST_KEYS, MOST_PAIRS = 100, 6, 2_000
"""The most columns of a table in which keys are looked for, that keys begin with, and the most pairs of rows of one."""
AGREES, SURELY_AGREES, ALWAYS_AGREES = 0.2, 0.5, 0.98
"""The share of the pairs with the same key that are of one person or thing, as the agreement of other columns says: to
make a column a part of the key, to be sure of it, and where the key needs no further column."""


def hidden(table: SampledTable) -> tuple[list[Notice], Rows | None]:
    """Return a notice of columns by which rows of one person or thing find each other though none names it."""
    return judge_groups(table, shared_keys(table), 1)


def shared_keys(table: SampledTable) -> list[tuple[tuple[int, ...], Rows]]:
    """Return columns that are a key of persons or things together, and the group of each row by them.

    Two rows with the same value in a column of many agree in other columns by chance only, unless they are of one
    person or thing: its other constants agree as well. With p_k the probability that two rows agree in column k and q_k
    that of pairs with the same key, the share of these pairs that are of one is about

        e_k = (q_k - p_k) / (1 - p_k)

    A key begins with a column and is extended by the one with the largest e_k as long as that tells others apart.
    """
    may = [
        k
        for k, (name, kind) in enumerate(zip(table.names, table.kinds, strict=True))
        if kind != "date" and (not is_of_time(name) or "age" in words_of(name))
    ]
    if not 1 < len(may) <= MOST_KEY_COLUMNS:
        return []
    codes = np.stack([table.codes(k) for k in may], 1)
    shares = [np.bincount(each) / len(codes) for each in codes.T]
    chance = np.array([float((each**2).sum()) for each in shares])
    begins = [k for k in np.argsort(chance, kind="stable").tolist() if are_shared(codes[:, k])]
    found: dict[tuple[int, ...], Rows] = {}
    for begin in begins[:MOST_KEYS]:
        key, of, share = [begin], codes[:, begin], 0.0
        while True:
            first, second = same_pairs(of)
            agree = (codes[first] == codes[second]).mean(0)
            excess = (agree - chance) / np.maximum(1 - chance, 1e-12)
            excess[key] = 0.0
            share = max(share, float(excess.max()))
            parts = np.where(agree < ALWAYS_AGREES, excess, 0.0)
            k = int(parts.argmax())
            if parts[k] < (AGREES if len(key) == 1 else SURELY_AGREES):
                break
            finer = np.unique(of * (int(codes[:, k].max()) + 1) + codes[:, k], return_inverse=True)[1]
            if not are_shared(finer):
                break
            key, of = [*key, k], finer
        columns = tuple(sorted(may[k] for k in key))
        if share >= SURELY_AGREES and is_mark(table, columns, of):
            found.setdefault(columns, of)
    return list(found.items())


def are_shared(codes: Rows) -> bool:
    """Return whether groups of few rows each have many of the rows in them."""
    counts = np.bincount(codes)
    is_small = bool(np.median(counts[codes]) <= LARGEST_GROUP * len(codes))
    return len(counts) >= FEWEST_GROUPS and is_small and bool((counts[codes] > 1).mean() >= LEAST_SHARED)


def same_pairs(codes: Rows) -> tuple[Rows, Rows]:
    """Return pairs of rows of the same group, drawn at random."""
    order = np.random.default_rng(0).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    at = np.flatnonzero(codes[order[1:]] == codes[order[:-1]])
    at = at[evenly_spaced(len(at), MOST_PAIRS)]
    return order[at], order[at + 1]


def is_mark(table: SampledTable, columns: tuple[int, ...], codes: Rows) -> bool:
    """Return whether columns mark things: one has numbers with fractions, and next to a thing are others unlike it.

    So does the weight of a person or of a survey's household. Codes that meet, as of an airline and an airport, are no
    persons, and quantities from which the target follows have similar targets next to each other.
    """
    values = table.values[:, list(columns)]
    is_number = np.array([table.kinds[k] == "number" for k in columns])
    if not (values[:, is_number] % 1 > 0).any():
        return False
    _, first = np.unique(codes, return_index=True)
    points = np.nan_to_num(values[first])
    apart = np.where(is_number, np.maximum(points.std(0), 1e-300), 1e-6)  # another category is far away
    nearest = np.asarray(cKDTree(points / apart).query(points / apart, 2)[1])[:, 1]
    means = np.stack([np.bincount(codes, output) / np.bincount(codes) for output in table.outputs.T], 1)
    around = means - means.mean(0)
    return float((around * around[nearest]).sum() / max(float((around**2).sum()), 1e-300)) < SMOOTH


def may_group(table: SampledTable, column: int, codes: Rows) -> bool:
    """Return whether a column may tell persons or things apart that have several rows each.

    Text of many values may; other text, and whole numbers, if their name says so or if the rows of a value follow each
    other, as they do in a table that is sorted by them. A number in which the target is smooth is a quantity, and what
    has a name of time is time.
    """
    name, values, kind = table.names[column], table.values[:, column], table.kinds[column]
    if kind not in ("category", "number") or is_of_time(name):
        return False
    if not are_shared(codes):
        return False
    counts = np.bincount(codes)
    follow = changes(codes) < IN_ONE_PIECE * (1 - float(((counts / len(codes)) ** 2).sum()))
    if kind == "category":
        return follow or len(counts) >= MANY_GROUPS or is_of_thing(name)
    if (values % 1 > 0).any() or not (follow or is_of_thing(name)):
        return False
    means = np.stack([np.bincount(codes, output) / counts for output in table.outputs.T], 1)
    return autocorrelation(means) < SMOOTH


def repeated(table: SampledTable) -> tuple[list[Notice], Rows | None]:
    """Return a notice of rows with the inputs of another one, and which rows have the same, (rows,)."""
    rows, random = len(table.y), np.random.default_rng(0)
    key, alike = np.zeros(rows, np.uint64), float(rows)
    for k in np.flatnonzero(table.is_input).tolist():
        codes = table.codes(k)
        shares = np.bincount(codes) / rows
        alike *= float((shares**2).sum())
        key += random.integers(0, 2**63, len(shares), np.uint64)[codes]
    _, codes, counts = np.unique(key, return_inverse=True, return_counts=True)
    share = float((counts[codes] > 1).mean())
    observed = float((counts.astype(float) ** 2).sum()) / rows - 1
    if share < LEAST_REPEATED or observed < MORE_THAN_CHANCE * alike:
        return [], None
    found = groups_compared(table, codes)
    if found is None or not found.differs:
        return [], None
    return [found.notice(table, "repeated", (), share, len(counts))], codes


def find_order(table: SampledTable, groups: Rows | None) -> list[Notice]:
    """Return a notice of rows in order of time: by a column of dates, or as they stand in the table.

    groups: (rows,) which rows belong together anyway; None where none do.
    """
    found = _order(table)
    if found is None:
        return []
    column, ranks = found
    noticed = judge_order(table, ranks, groups, () if column is None else (table.names[column],))
    return [] if noticed is None else [noticed]


def _order(table: SampledTable) -> tuple[int | None, Rows] | None:
    """Return the column of the time, None for the order of the rows, and the rank of each row; None without time."""
    along = [
        (autocorrelation(table.outputs[np.argsort(values, kind="stable")]), k)
        for k, (kind, values) in enumerate(zip(table.kinds, table.values.T, strict=True))
        if kind == "date" and len(np.unique(values)) > 2
    ]
    correlation, k = max(along, default=(0.0, 0))
    if correlation >= table.least_autocorrelation:
        return k, ranked(table.values[:, k])
    by = [k for k in range(len(table.names)) if is_sorted_by(table, k)]
    of_time = [k for k in by if may_be_time(table, k)]
    if len(of_time) < len(by) or (not by and is_sorted_by_target(table)):
        return None  # neighbors are alike in a quantity, or in the target itself
    if of_time:
        finest = max(of_time, key=lambda k: len(np.unique(table.values[:, k])))
        is_like = table.has_autocorrelation(np.arange(len(table.y)))
        return (finest, np.arange(len(table.y))) if is_like else None
    return _standing(table)


def _standing(table: SampledTable) -> tuple[None, Rows] | None:
    """Return the order of the rows as they stand, within the pieces of a table that is sorted by a few categories."""
    pieces = np.zeros(len(table.y), np.int64)
    for k in range(len(table.names)):
        codes = table.codes(k)
        few = codes.max() + 1 < FEWEST_GROUPS and changes(codes) * len(codes) <= 2 * codes.max()
        if few and not is_of_time(table.names[k]):
            pieces = np.unique(pieces * (codes.max() + 1) + codes, return_inverse=True)[1]
    sizes = np.bincount(pieces)
    means = [(np.bincount(pieces, output) / sizes)[pieces] for output in table.outputs.T]
    if autocorrelation(table.outputs - np.stack(means, 1)) < table.least_autocorrelation:
        return None
    order = np.argsort(pieces, kind="stable")
    place = np.empty(len(pieces))
    place[order] = np.arange(len(pieces)) - np.searchsorted(pieces[order], pieces[order])
    return None, ranked(place / sizes[pieces])
