"""The methods of a fitted estimator that explain its answers by the columns of its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.fitting.hidden import HiddenLayers

if TYPE_CHECKING:
    from chainrule.explain.columns import ColumnCurve, ColumnImportance, ColumnPairs
    from chainrule.explain.parts import AnswerParts
    from chainrule.explain.reasons import Reasons
    from chainrule.tables.structure import RowValues
    from chainrule.trust.scorers import Scoring


class Explains(HiddenLayers):
    """Base class of estimators that explain their answers."""

    def explain(
        self, X: object, *, target: object = None, output: str | None = None, reference: object = None
    ) -> Reasons:
        r"""Say what each column of a table adds to each answer: answer = base + sum over the columns of its value.

        base is the answer for the reference. All that answers is explained: the average of all networks, the range of
        the targets and the temperature; a column's numbers, ranks, categories, vectors and curves are added up. Where
        `preset="best"` corrects its average by similar training rows, a column's value also has what it adds to that by
        making these rows more or less similar.

        X: (n, columns), as for `predict`.
        target: a class, a label, the index of an output, or one per row; None for the second of two classes, the
            predicted one of several, the likeliest label, the only number, or the quantile next to the median.
        output: what is explained of a class: its "probability", the default, or "log_odds", log p - log (1 - p), in
            which effects are not squeezed where p is near 0 or 1.
        reference: a table of 1 to 100 rows to compare with, over which reasons are averaged; None for one typical row,
            with the median of each number and date and the most frequent category of each other column (without a
            `preprocess`, the means of the training data if the network standardizes, else zeros).

        The sum is complete to rounding, which `error` states for each row, in float64; a network that predicts in
        float32 differs from that by its rounding.
        Method: DeepLIFT (see `chainrule.inspection.attribution`) through the networks, and the slopes of
        `chainrule.graph.operation.GraphOperation.chord` through what follows them.
        Raises ConfigError for a target or an output that there is not, and for a layer without such slopes.

        >>> reasons = MLPRegressor(preprocess="auto").fit(X, y).explain(X.head(100))
        >>> print(reasons)              # the story of a row
        >>> reasons.figure()            # all rows, by column
        """
        from chainrule.explain.explain import explain

        return explain(self._parts(), X, target, output, reference)

    def importance(
        self,
        X: object,
        y: object,
        *,
        repeats: int = 5,
        level: float = 0.95,
        random_state: int = 0,
        columns: int | None = None,
        groups: RowValues | None = None,
        scoring: Scoring | None = None,
    ) -> ColumnImportance:
        """Return how much the loss of rows grows where a column's cells are shuffled among them, with intervals.

            regressor.importance(X_test, y_test).to_frame()  # in the unit of y
            classifier.importance(X_test, y_test, scoring="roc_auc")

        X, y: rows that the estimator has not been trained on, and their targets.  repeats: the shuffles of a column.
        level: the probability that an interval covers.  random_state: the seed of the shuffles.
        columns: how many are shuffled at most, those with the largest mean effects in `explain`; None for all.
        groups: as in `fit`, a column's name or one value per row: rows of a group resemble each other, and count as
        one for the intervals.
        scoring: the name of a scorer of scikit-learn, or a function scorer(estimator, X, y) that calls predict or
        predict_proba; how much that score falls, in place of how the loss grows.
        All that a column has become is shuffled together. The loss is the mean of -log of the probability of a row's
        class, the root of the mean squared error of numbers (over all outputs), or the mean pinball loss of several
        quantiles. An importance near 0 says that the answers do without the column, which they also do where another
        column says the same.
        Raises ShapeError for another number of targets than rows, DataError for unknown labels and rows without a
        score, as those of a single class, and ConfigError for a score of other targets.
        """
        from chainrule.explain.columns import importance

        return importance(self._parts(), X, y, repeats, level, random_state, columns, groups, scoring=scoring)

    def curves(
        self,
        X: object,
        column: str,
        *,
        points: int = 40,
        rows: int = 500,
        target: object = None,
        output: str | None = None,
    ) -> ColumnCurve:
        """Return what is answered for rows as the cells of one column change, and the mean (partial dependence).

        column: its name.  points: the most cells that are put in: of numbers and dates from the smallest to the largest
        of X, of categories the most frequent.  rows: the most rows, evenly spread over X.
        target: a class or the index of an output; None as in `explain`, but of several classes the likeliest on
        average.  output: as in `explain`.
        """
        from chainrule.explain.columns import curves

        return curves(self._parts(), X, column, points, rows, target, output)

    def pairs(
        self, X: object, *, columns: int = 6, target: object = None, output: str | None = None
    ) -> ColumnPairs:
        """Return what each two columns do to the answers together, beyond what each does alone.

        columns: how many, those with the largest mean effects in `explain`.  target, output: as there.
        It takes one prediction of X for each pair.
        """
        from chainrule.explain.columns import pairs

        return pairs(self._parts(), X, columns, target, output)

    def _parts(self) -> AnswerParts:
        """Return the fits that answer."""
        from chainrule.explain.parts import AnswerParts

        return AnswerParts(self._fitted, self._dense, self.engine)

    def _dense(self, X: object) -> NDArray[np.floating]:
        """Return samples without a table, checked and dense."""
        checked: Any = self._check_X(X)
        return np.asarray(checked.toarray() if hasattr(checked, "toarray") else checked)
