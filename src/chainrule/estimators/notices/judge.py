"""The score of a small model with and without something: on the same rows, learned from as many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import sklearn
from sklearn.utils.fixes import parse_version

from chainrule.estimators.notices.notice import Notice
from chainrule.estimators.notices.sample import Array, Rows, SampledTable, autocorrelation, blocks

if TYPE_CHECKING:
    from sklearn.preprocessing import TargetEncoder

TREES, LEAVES, RATE = 40, 15, 0.2
LEAF = 20
"""The rows of a leaf, at least."""
MOST_TREES = 120
"""of a classifier of several classes, which has one for each in every round"""
FEWEST_ROUNDS = 8
CELLS, FEWEST_ROWS = 150_000, 3_000
"""Numbers that are learned at most, but so many rows in any case: a tenth of a second."""
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


def most_rows(table: SampledTable) -> int:
    """Return how many rows are judged at most."""
    return max(FEWEST_ROWS, CELLS // max(1, int(table.is_input.sum())))


def shuffled_encoder(kind: str) -> TargetEncoder:
    """Return what replaces a category by its mean target, of shuffled folds.  kind: of the target."""
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import TargetEncoder

    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        return TargetEncoder(target_type=kind, cv=KFold(5, shuffle=True, random_state=0))
    return TargetEncoder(target_type=kind, random_state=0)


def small_score(
    table: SampledTable, train: Rows, test: Rows, group: Rows | None = None, leaf: int = LEAF
) -> SmallScore:
    """Learn rows by boosted trees, and judge others.

    group: (rows,) codes, of which the model also gets the mean target of each, as an embedding would learn it.
    leaf: the rows of a leaf, at least.
    """
    # A quarter of a second to import, which a network without a look at its table does not need.
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

    y, truth = table.y[train], table.y[test]
    inputs, tested = table.inputs[train], table.inputs[test]
    settings = {"max_leaf_nodes": LEAVES, "learning_rate": RATE, "early_stopping": False, "random_state": 0}
    settings["min_samples_leaf"] = leaf
    present = np.unique(y).astype(np.int64) if table.labels else None
    if group is not None and (present is None or len(present) > 1):
        kind = {0: "continuous", 2: "binary"}.get(table.labels, "multiclass")
        kind = "binary" if present is not None and len(present) == 2 else kind
        encoder = shuffled_encoder(kind)
        inputs = np.hstack([inputs, encoder.fit_transform(group[train, None], y)])
        tested = np.hstack([tested, encoder.transform(group[test, None])])
    if present is None:
        model = HistGradientBoostingRegressor(max_iter=TREES, **settings).fit(inputs, y)
        predicted = model.predict(tested)
        errors = (truth - predicted) ** 2 / max(float(table.y.var()), 1e-300)
        return SmallScore(float(r2_score(truth, predicted)), errors)
    shares = np.zeros((len(test), table.labels))
    shares[:, present] = 1.0
    if len(present) > 1:
        rounds = min(TREES, max(FEWEST_ROUNDS, MOST_TREES // len(present)))
        model = HistGradientBoostingClassifier(max_iter=rounds, **settings).fit(inputs, y)
        shares[:, present] = model.predict_proba(tested)
    outputs = table.outputs
    errors = ((outputs[test] - shares) ** 2).sum(1) / max(float(outputs.var(0).sum()), 1e-300)
    if table.labels == 2:
        both = 0 < truth.sum() < len(truth)
        return SmallScore(float(roc_auc_score(truth, shares[:, 1])) if both else float("nan"), errors)
    return SmallScore(float(accuracy_score(truth, shares.argmax(1))), errors)


def compared(table: SampledTable, split: RowSplit, group: Rows | None = None) -> ScorePair | None:
    """Judge the test rows of a split by both sets of rows to learn from; None where these are too few."""
    if len(split.test) < FEWEST_TESTED or len(split.far) < 2 * FEWEST_TESTED:
        return None
    near, far = (small_score(table, rows, split.test, group) for rows in (split.near, split.far))
    return ScorePair(near, far, split.clusters)


def groups_compared(table: SampledTable, codes: Rows, group: Rows | None = None) -> ScorePair | None:
    """Judge rows by others of their groups, and by rows of other groups; None where there are too few.

    One test is enough where it is sure. Where it is not, but its scores go that way, as they do if little of the target
    can be predicted, five more test other rows, four fifths in all.
    """
    first = compared(table, by_groups(table, codes), group)
    if first is None or first.differs or not first.goes_that_way:
        return first
    more = (compared(table, by_groups(table, codes, turn), group) for turn in range(1, 2 * TESTED))
    return pooled([first, *(each for each in more if each is not None and each.has_scores)])


def in_time(table: SampledTable, ranks: Rows, groups: Rows | None, columns: tuple[str, ...]) -> Notice | None:
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
    with_them, without = (small_score(each, train, test, leaf=leaf) for each in (table, rest))
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
