"""The estimator of an order within groups."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _num_samples, check_consistent_length

from chainrule.core import hints
from chainrule.errors import DataError, counted
from chainrule.estimators.base import MLPEstimator, checked_pair
from chainrule.fitting.parameters import COUNT, activation, documented, hidden_layer_sizes, parameter
from chainrule.fitting.prepare import FitRequest
from chainrule.formulas.ranking import GROUPS, LEVELS, ndcg
from chainrule.presets import PRESETS
from chainrule.tables.data import FitInput
from chainrule.tables.relevance import KINDS, Relevances
from chainrule.tables.rows import as_weights, check_column, check_there
from chainrule.tables.structure import RowValues, Table, column_of


@documented
@dataclass(eq=False, repr=False)
class MLPRanker(MLPEstimator):
    """A fully connected network that ranks the rows of a group, such as the documents found for a query.

        net = MLPRanker(preprocess="auto", random_state=0).fit(X, y, groups=query)
        net.predict(X_new), net.score(X_test, y_test, groups=query_test)

    y: (n,) whole numbers from 0 to 31, larger for a more relevant row, which are compared within a group only.
    Each row has a score, of its own columns alone, and the largest is the first of its group. A batch consists of whole
    groups, but for one that is cut where none of those left fits.

    After fit it has the attributes of an `MLPRegressor`. There are no intervals: a score has no unit.
    Sources: Burges and others, Learning to rank using gradient descent, ICML 2005; Burges, From RankNet to LambdaRank
    to LambdaMART, MSR-TR-2010-82 (2010).
    """

    hidden_layer_sizes: Any = hidden_layer_sizes()
    activation: Any = activation()
    _: KW_ONLY
    loss: str = parameter(
        "lambdarank",
        [StrOptions(set(KINDS))],
        '"lambdarank" to count a pair of rows by what its order changes in NDCG, "pairwise" to count all alike.',
        "network",
    )
    eval_at: int | None = parameter(
        10,
        [COUNT, None],
        "how many ranks of a group count in NDCG, the score; None for all.",
        "whole fit",
    )
    solver: Any = parameter("adam", [StrOptions({"sgd", "adam"})], '"adam" or "sgd".', "optimizer")
    preset: str | None = parameter(
        None,
        [StrOptions(set(PRESETS)), None],
        'the network and the training for tables by name, as of the other estimators; not "additive" and "best".',
        "hidden layers",
    )
    scoring: Any = parameter(
        None,
        [StrOptions({"loss"}), None],
        'the score for early stopping: None for NDCG, "loss" for the validation loss.',
        "whole fit",
    )

    target_type = Relevances

    def fit(
        self,
        X: Table,
        y: object = None,
        sample_weight: object = None,
        *,
        groups: RowValues | None = None,
        group: object = None,
        X_val: Table = None,
        y_val: object = None,
        groups_val: RowValues | None = None,
        eval_set: object = None,
        eval_group: Any = None,
    ) -> Self:
        """Train on X and y, from new initial weights or with warm_start the current ones; return the estimator.

        X: (n, features) array, sparse matrix or data frame.  y: (n,) relevances.
        sample_weight: (n,) of the rows, or None; a group has the mean of its rows' weights.
        groups: (n,) the group of each row, or the name of a column of X, which is then not an input; or in its place
        group: the numbers of rows of successive groups, as LightGBM's ranker takes them.
        X_val, y_val, groups_val: rows for validation after each epoch and for early_stopping, instead of a fraction of
        the groups; or as LightGBM takes them eval_set, [(X_val, y_val)], and eval_group, [sizes].
        """
        if y is None:
            return super().fit(X, y)  # type: ignore[no-any-return]
        of_rows = groups_of_rows(X, groups, group, _num_samples(y))
        packed = with_groups(X, y, of_rows)
        if sample_weight is not None:
            codes = np.unique(column_of(X, of_rows, "groups").values, return_inverse=True)[1].reshape(-1)
            weight = np.broadcast_to(as_weights(sample_weight), len(packed))
            sample_weight = (np.bincount(codes, weight) / np.bincount(codes))[codes]
        sizes = None
        if eval_set is not None:
            X_val, y_val = checked_pair(eval_set, is_alone=X_val is None and y_val is None)
            sizes = eval_group if eval_group is None or np.ndim(eval_group[0]) == 0 else eval_group[0]
        if y_val is not None:
            of_val = groups_of_rows(X_val, groups_val, sizes, _num_samples(y_val), "_val")
            y_val = with_groups(X_val, y_val, of_val, "y_val", is_new=False)
        return super().fit(  # type: ignore[no-any-return]
            X, packed, sample_weight, groups=of_rows, X_val=X_val, y_val=y_val
        )

    def partial_fit(self, *given: Any, **named: Any) -> Self:
        """Raise DataError: epochs of a ranker are those of `fit` with warm_start=True."""
        raise DataError("MLPRanker has no partial_fit; use fit with warm_start=True.")

    def update(self, *given: Any, **named: Any) -> Self:
        """Raise DataError, likewise."""
        raise DataError("MLPRanker has no update; use fit with warm_start=True.")

    def predict(self, X: Table, *, precision: str | None = None) -> NDArray[Any]:
        """Predict scores (n,), larger for a row that comes earlier in its group.

        precision: "bf16" for matrix products of bfloat16, "int8" of 8-bit integers, as in `Model.predict`; None for the
        networks' own.
        """
        found: NDArray[Any] = self._predictions(X, precision)
        return found

    def score(self, X: Table, y: object, *, groups: RowValues | None = None, group: object = None) -> float:
        """Return the mean NDCG over the groups, at eval_at; those with equally relevant rows only do not count.

        groups, group: as in `fit`.
        """
        of_rows = groups_of_rows(X, groups, group, _num_samples(y))
        targets = with_groups(X, y, of_rows, is_new=False)[:, None]
        return ndcg(np.asarray(self.predict(X), np.float64), targets, self.eval_at)

    def _make_request(self, given: FitInput, *others: Any) -> FitRequest:
        """Return what a fit is asked for; rows of groups are not dealt to members, however few."""
        request = super()._make_request(given, *others)
        return replace(request, conditions=request.conditions._replace(may_deal=False))


def groups_of_rows(X: Table, groups: RowValues | None, sizes: object, rows: int, suffix: str = "") -> Any:
    """Return the group of each row, as numbers or as the name of a column of X.

    groups: a value for each row, or the name of a column.  sizes: the rows of each group in turn, as LightGBM has them.
    Raises DataError unless there is one of the two, and for sizes that do not add up to the rows.
    """
    if (groups is None) == (sizes is None):
        raise DataError(
            f"pass groups{suffix}=, the group of each row, or group{suffix}=, the rows of successive groups; rows "
            "are ranked within their group."
        )
    if groups is not None:
        return groups
    counts = np.asarray(sizes)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 1).any() or counts.sum() != rows:
        raise DataError(
            f"group{suffix} must be the numbers of rows of successive groups, which add up to the {rows:,} rows; for a "
            f"value for each row use groups{suffix}=."
        )
    return np.repeat(np.arange(len(counts)), counts)


def with_groups(
    X: Table, y: object, groups: RowValues, name: str = "y", is_new: bool = True
) -> NDArray[np.float64]:
    """Return relevances (n,) and groups in one number each, see `chainrule.formulas.ranking`.

    is_new: whether groups of which nothing can be learned are told.
    Raises DataError unless y has whole numbers from 0 to LEVELS - 1, and where no group has two that differ.
    """
    check_column(y, name)
    check_there(y, name)
    try:
        relevance = np.asarray(y, np.float64).reshape(-1)
    except (TypeError, ValueError):
        relevance = np.full(1, np.nan)
    if not np.isin(relevance, np.arange(LEVELS)).all():
        raise DataError(
            f"{name} must be whole numbers from 0 to {LEVELS - 1}, larger for a more relevant row; for others number "
            "their ranks within the group."
        )
    codes = np.unique(column_of(X, groups, "groups").values, return_inverse=True)[1].reshape(-1)
    check_consistent_length(relevance, codes)
    count = int(codes.max(initial=-1)) + 1
    if count > GROUPS:
        raise DataError(f"y has {count:,} groups; pass the rows of at most {GROUPS:,}.")
    sums = [np.bincount(codes, each) for each in (np.ones(len(codes)), relevance, relevance**2)]
    same = int((sums[0] * sums[2] == sums[1] ** 2).sum())
    if same == count:
        raise DataError(f"no group of {name} has rows of two relevances, so there is no order; check groups.")
    if same and is_new:
        hints.give(
            f"nothing is learned from {counted(same, 'group')} of {count:,}, whose rows are all equally relevant."
        )
    return np.asarray(relevance + codes / GROUPS)
