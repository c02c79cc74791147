"""Estimators with scikit-learn's interface, and the preprocessor of tables.

The estimators contain no maths: a `Network` is built from their parameters and a `Model` trains it; the code here
interprets the parameters. Each name is loaded on first use, because importing scikit-learn is slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.estimators.classifier import MLPClassifier
    from chainrule.estimators.ranker import MLPRanker
    from chainrule.estimators.regressor import MLPRegressor
    from chainrule.estimators.survival import MLPSurvival
    from chainrule.estimators.tuning.search import tune
    from chainrule.tables.preprocessor import TablePreprocessor

__all__ = ["MLPClassifier", "MLPRanker", "MLPRegressor", "MLPSurvival", "TablePreprocessor", "tune"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "classifier": "MLPClassifier",
        "ranker": "MLPRanker",
        "regressor": "MLPRegressor",
        "survival": "MLPSurvival",
        ".tables.preprocessor": "TablePreprocessor",
        "tuning.search": "tune",
    },
)
