"""scikit-learn's checks of estimators."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule import MLPClassifier, MLPRegressor, TablePreprocessor

RICH: dict[str, Any] = {
    "hidden_layer_sizes": (16, 16),
    "activation": ["gelu", "silu"],
    "batch_norm": True,
    "residual": True,
    "dropout": 0.1,
    "optimizer": "adamw",
    "schedule": "one_cycle",
    "clip_norm": 1.0,
    "learning_rate_init": 0.01,
}
OF_TABLES: dict[str, Any] = {
    "hidden_layer_sizes": (16,),
    "max_iter": 50,
    "learning_rate_init": 0.01,
    "preprocess": TablePreprocessor(dtype="float64"),  # float32 has not the digits that the checks compare
}


OF_REALMLP: dict[str, Any] = {
    "hidden_layer_sizes": (32,),
    "max_iter": 100,
    "preset": "realmlp",
    "preprocess": TablePreprocessor(dtype="float64"),
}
OF_TABM: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "max_iter": 20,
    "preset": "tabm",
    "n_members": 2,
    "preprocess": TablePreprocessor(dtype="float64"),
}


def expected(estimator: Any) -> dict[str, str]:
    """The checks that an estimator does not pass, with the reason."""
    if not (estimator.dropout or estimator.preset):
        return {}
    reason = "dropout draws masks by rows, and batch_norm and a start on rows measure them: a weight of 2 is not two"
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        MLPClassifier(max_iter=100),
        MLPRegressor(max_iter=100),
        MLPClassifier(**OF_TABLES),
    ],
    expected_failed_checks=expected,
)
def test_checks(estimator: Any, check: Any):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        *(kind(max_iter=50, n_members=2) for kind in (MLPClassifier, MLPRegressor)),
        *(kind(**OF_REALMLP) for kind in (MLPClassifier, MLPRegressor)),
        *(kind(max_iter=30, **RICH) for kind in (MLPClassifier, MLPRegressor)),
        MLPRegressor(**OF_TABLES),
        *(kind(**OF_TABM) for kind in (MLPClassifier, MLPRegressor)),
    ],
    expected_failed_checks=expected,
)
def test_more_checks(estimator: Any, check: Any):
    """Of members, of layers that draw and measure, of RealMLP and TabM; and of a table the regressor."""
    check(estimator)
