"""Intervals and sets of labels for `chainrule predict --interval`, by the estimator in a model's file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chainrule.errors import ConfigError

if TYPE_CHECKING:
    from chainrule.estimators import MLPClassifier, MLPRegressor
    from chainrule.recipe.tables import Known


def rows_of_table(path: str, table: Known) -> dict[str, Any]:
    """Return the columns of a table in a file but the target, as an estimator takes them."""
    from chainrule.recipe import tables

    return {k: v for k, v in tables.inputs_of(path, table)[0].items() if k != table.target}


def covering_of(
    made: MLPClassifier | MLPRegressor | None, model: str, coverage: float
) -> Callable[[Any], Any]:
    """Return what makes intervals, or sets of labels, by the estimator in MODEL's file. Raises ConfigError."""
    from chainrule.estimators.covering import check_coverage
    from chainrule.estimators.held import result_of

    check_coverage(coverage, "--interval")
    if made is None or result_of(made).calibration is None:
        raise ConfigError(
            f"--interval needs rows that a model did not learn from, and {model} keeps nothing of such; train it on a "
            "table, with --preset fast."
        )
    find = made.predict_set if hasattr(made, "predict_set") else made.predict_interval
    return lambda rows: find(rows, coverage)
