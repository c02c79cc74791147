"""The methods of a fitted estimator that explain its answers by the columns of its table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.explain.explain import explain
from chainrule.estimators.explain.parts import AnswerParts
from chainrule.estimators.explain.reasons import Reasons
from chainrule.estimators.hidden import HiddenLayers


class Explains(HiddenLayers):
    """Base class of estimators that explain their answers."""

    def explain(
        self, X: object, *, target: object = None, output: str | None = None, reference: object = None
    ) -> Reasons:
        r"""Say what each column of a table adds to each answer: answer = base + sum over the columns of its value.

        base is the answer for the reference. All that answers is explained: the average of all networks, the range of
        the targets and the temperature; a column's numbers, ranks, categories, vectors and curves are added up.

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
        `chainrule.estimators.explain.chords` through what follows them.
        Raises ConfigError for a target or an output that there is not, and for a layer without such slopes.

        >>> reasons = MLPRegressor(preprocess="auto").fit(X, y).explain(X.head(100))
        >>> print(reasons)              # the story of a row
        >>> reasons.figure()            # all rows, by column
        """
        return explain(self._parts(), X, target, output, reference)

    def _parts(self) -> AnswerParts:
        """Return the fits that answer."""
        return AnswerParts(self._fitted, self._dense, self.engine)

    def _dense(self, X: object) -> NDArray[np.floating]:
        """Return samples without a table, checked and dense."""
        checked: Any = self._check_X(X)
        return np.asarray(checked.toarray() if hasattr(checked, "toarray") else checked)
