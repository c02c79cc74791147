"""An estimator has a method exactly where it works: scikit-learn asks `hasattr` what an estimator can do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule import MLPClassifier, MLPRegressor
from chainrule.errors import ConfigError, DataError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(40, 2)), np.arange(40) % 2
DAYS = np.datetime64("2024-01-01") + np.arange(40)
PRESETS: tuple[dict[str, Any], ...] = (
    {},
    *(
        {"preprocess": "auto", "preset": each}
        for each in (None, "fast", "realmlp", "tabm", "additive", "best")
    ),
)


def expected(estimator: Any) -> dict[str, str]:
    """The checks that an estimator does not pass, with the reason."""
    if estimator.preset is None:
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": "it holds rows out, and a weight of 2 is not two rows"
    }


@pytest.mark.slow
@parametrize_with_checks(
    [
        MLPClassifier(preprocess="auto", preset="additive", max_iter=20, n_members=2),
        MLPRegressor(hidden_layer_sizes=(), max_iter=100, learning_rate_init=0.1),
    ],
    expected_failed_checks=expected,
)
def test_checks(estimator: Any, check: Any):
    check(estimator)


@pytest.mark.parametrize("settings", PRESETS, ids=str)
def test_what_continues_and_what_has_features(settings: dict[str, Any]):
    made = MLPClassifier(**settings)
    assert hasattr(made, "partial_fit") == (made.preset not in ("additive", "best"))
    assert hasattr(made, "transform") == (made.preset != "additive")


@pytest.mark.parametrize("preset", ["additive", "best"])
def test_why_there_is_no_partial_fit(preset: str):
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as found:
        MLPClassifier(preprocess="auto", preset=preset).partial_fit(X, Y, classes=[0, 1])
    assert f"preset='{preset}' does not support partial_fit, because" in str(found.value.__cause__)


def test_a_network_without_hidden_layers_has_no_outputs_of_them():
    linear = MLPRegressor(hidden_layer_sizes=(), max_iter=2, solver="lbfgs").fit(X, Y)
    assert not hasattr(linear, "transform") and not hasattr(MLPRegressor(hidden_layer_sizes=()), "transform")
    assert hasattr(linear.set_params(hidden_layer_sizes=(3,)).fit(X, Y), "transform")


@pytest.mark.parametrize("settings", PRESETS, ids=str)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_fit_without_targets_says_so(kind: Any, settings: dict[str, Any]):
    with pytest.raises(DataError, match="requires y to be passed, but the target y is None: call fit"):
        kind(time_limit=1.0, **settings).fit(X)


@pytest.mark.parametrize("preprocess", [None, "auto"])
@pytest.mark.parametrize(
    ("y", "said"),
    [
        (
            DAYS,
            "y has dates, which have no unit to predict in; convert them to numbers, such as days: (y - start) /",
        ),
        (
            DAYS - DAYS[0],
            "y has durations, which have no unit to predict in; convert them to numbers, such as days: y",
        ),
    ],
)
def test_dates_are_no_numbers(y: Any, said: str, preprocess: Any):
    with pytest.raises(DataError, match=re.escape(said)):
        MLPRegressor(preprocess=preprocess).fit(X, y)


def test_a_layer_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="layer must be an index of the 1 hidden layers"):
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, solver="lbfgs").fit(X, Y).transform(X, layer=1)
