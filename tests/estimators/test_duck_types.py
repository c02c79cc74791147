"""An estimator has a method exactly where it works: scikit-learn asks `hasattr` what an estimator can do."""

from __future__ import annotations

import datetime
import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule import ConfigError, DataError, MLPClassifier, MLPRegressor

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


DATES = DAYS.astype(object).tolist()
ODD: list[tuple[Any, Any, str]] = [
    (
        MLPRegressor,
        pd.Series(DAYS).dt.tz_localize("Asia/Taipei"),
        "y has dates, which have no unit to predict in;",
    ),
    (
        MLPRegressor,
        pd.DataFrame({"n": 1.0, "day": pd.Series(DAYS).dt.tz_localize("Asia/Taipei")})[["day"]],
        "y has dates, which have no unit to predict in; convert them to numbers, such as days: (y - start) /",
    ),
    (MLPRegressor, pd.DataFrame({"n": 1.0, "day": DAYS}), "y has dates, which have no unit to predict in;"),
    (MLPRegressor, [[1, day] for day in DATES], "such as days: [(day - start).days for day in y]."),
    (MLPRegressor, DATES, "such as days: [(day - start).days for day in y]."),
    (MLPRegressor, pd.Series(DATES, dtype=object), "such as days: [(day - start).days for day in y]."),
    (MLPRegressor, [day - DATES[0] for day in DATES], "y has durations, which have no unit to predict in;"),
    (
        MLPRegressor,
        [datetime.time(k % 24) for k in range(len(X))],
        "hours: [each.hour + each.minute / 60 for each",
    ),
    (MLPRegressor, pd.period_range("2020", periods=len(X), freq="D"), "[each.ordinal for each in y]."),
    (
        MLPRegressor,
        list(map(str, DATES)),
        "but has dates such as '2024-01-01' in row 0; convert them, such as to days",
    ),
    (
        MLPRegressor,
        ["1", "2", "x", "4"] * 10,
        "but has other values in 10 of 40 rows, the first of them 'x' in row 2;",
    ),
    (
        MLPRegressor,
        ["1.5", "2,5"] * 20,
        "but has text that is no number; write all of them with a decimal point",
    ),
    (MLPRegressor, [[1, "b"]] * len(X), "but has 'b' in row 0; use MLPClassifier for labels."),
    (
        MLPClassifier,
        DAYS,
        "y has dates of which 40 of 40 differ, and classes come again; write them as text, for example [str(each) "
        "for each in y], or predict numbers, such as days, by MLPRegressor.",
    ),
    (
        MLPClassifier,
        pd.Series(pd.date_range("2024", periods=2, tz="UTC").repeat(20)),
        "y has dates as objects, which are no labels; write them as text, for example [str(each)",
    ),
    (
        MLPClassifier,
        DATES,
        "y has dates as objects, which are no labels; write them as text, for example [str(each)",
    ),
    (
        MLPClassifier,
        [["a", "b"], ["a"]] * 20,
        "and has lists in it, such as ['a', 'b']; of several labels a row make",
    ),
    (MLPClassifier, pd.Series([("a", "b"), ("a",)] * 20), "and has tuples in it, such as ('a', 'b');"),
    (MLPClassifier, [{"a"}] * len(X), "and has sets in it, such as {'a'};"),
    (MLPClassifier, "kind", "is the text 'kind'; pass the values of that column, and X without it"),
    (MLPClassifier, {"kind": [1] * len(X)}, "is a mapping of 'kind'; pass one of its values."),
    (MLPRegressor, 3, "y must have one target for each row, and is one int; pass a list or an array."),
    (MLPRegressor, (k for k in range(len(X))), "and is one generator; pass list(y)."),
    (MLPRegressor, dict.fromkeys(range(len(X)), 1.0).values(), "and is one dict_values; pass list(y)."),
    (
        MLPRegressor,
        set(range(len(X))),
        "and is a set, which has no order; pass a list in that of the rows.",
    ),
    (MLPClassifier, frozenset(range(len(X))), "and is a frozenset, which has no order; pass a list in that"),
    (
        MLPRegressor,
        np.zeros((len(X), 2, 2)),
        "is an array (40, 2, 2); pass (n,) or, of several outputs, (n, outputs).",
    ),
]


@pytest.mark.parametrize("preprocess", [None, "auto"])
@pytest.mark.parametrize(("kind", "y", "said"), ODD, ids=lambda value: str(value)[:30])
def test_what_cannot_be_targets_is_one_sentence(kind: Any, y: Any, said: str, preprocess: Any):
    with pytest.raises(DataError, match=re.escape(said)) as found:
        kind(preprocess=preprocess).fit(X, y)
    assert str(found.value).startswith("y ") and "\n" not in str(found.value)


def test_text_of_several_columns_of_numbers_is_read():
    y = pd.DataFrame({"a": [f"{1000 + k:,}.5" for k in range(len(X))], "b": range(len(X))})
    asked: dict[str, Any] = {"hidden_layer_sizes": (2,), "max_iter": 2, "random_state": 0, "solver": "lbfgs"}
    read = MLPRegressor(**asked).fit(X, y).predict(X)
    assert np.array_equal(
        read, MLPRegressor(**asked).fit(X, np.c_[np.arange(len(X)) + 1000.5, y["b"]]).predict(X)
    )


def test_dates_that_come_again_are_labels():
    y = DAYS[np.arange(len(X)) % 2]
    assert (
        MLPClassifier(max_iter=2, hidden_layer_sizes=(2,), solver="lbfgs").fit(X, y).classes_.tolist()
        == DATES[:2]
    )


def test_dates_that_are_named_may_all_differ():
    days = DAYS[:3]
    net = MLPClassifier(hidden_layer_sizes=(2,)).partial_fit(X[:3], days, classes=days)
    assert net.partial_fit(X[:4], days[[0, 1, 2, 0]]).classes_.tolist() == DATES[:3]
    with pytest.raises(DataError, match="classes not in"):
        net.partial_fit(X[:3], DAYS[3:6])


def test_numbers_may_be_arrays_without_axes():
    asked: dict[str, Any] = {"hidden_layer_sizes": (2,), "max_iter": 2, "random_state": 0, "solver": "lbfgs"}
    numbers = [np.array(k * 1.0) for k in range(len(X))]
    read = MLPRegressor(**asked).fit(X, numbers).predict(X)
    assert np.array_equal(read, MLPRegressor(**asked).fit(X, np.arange(len(X)) * 1.0).predict(X))


def test_a_layer_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="layer must be an index of the 1 hidden layers"):
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, solver="lbfgs").fit(X, Y).transform(X, layer=1)


# --- a time, and whether something happened then ----------------------------------------------------------------------

TIME = np.random.default_rng(3).exponential(10, 60) + 0.1
HAPPENED = TIME < 8
INPUTS = pd.DataFrame({"a": np.log(TIME)})


def fit_of(y: Any, kind: Any = MLPRegressor) -> Any:
    return kind(preprocess="auto", max_iter=1, n_members=1, random_state=0).fit(INPUTS, y)


@pytest.mark.parametrize(
    "y",
    [
        pd.DataFrame({"time": TIME, "event": HAPPENED.astype(int)}),
        pd.DataFrame({"died": HAPPENED.astype(float), "followup_days": TIME}),
        pd.DataFrame({"Status": HAPPENED, "value": TIME}),
        pl.DataFrame({"monthsObserved": TIME, "censoring": HAPPENED}),
        [(bool(event), float(time)) for event, time in zip(HAPPENED, TIME, strict=True)],
    ],
)
def test_a_time_that_may_be_censored_is_warned_of(y: Any):
    with pytest.warns(
        UserWarning, match="two numbers are predicted, .* MLPSurvival predicts when it"
    ) as said:
        made = fit_of(y)
    assert made.n_outputs_ == 2 and len(said) == 1 and said[0].filename == __file__


@pytest.mark.parametrize(
    "y",
    [
        np.c_[TIME, HAPPENED],
        np.c_[TIME, 2 * TIME],
        pd.DataFrame({"height": TIME, "is_tall": HAPPENED}),
        pd.DataFrame({"hours": TIME, "event_cost": TIME}),
        pd.DataFrame({"time": TIME - 9, "event": HAPPENED.astype(int)}),
        pd.DataFrame({"time": TIME, "event": HAPPENED.astype(int), "other": TIME}),
        pd.DataFrame({"died": HAPPENED.astype(int), "survival": 1 - HAPPENED}),
        [[time, 2 * time] for time in TIME],
    ],
)
def test_two_other_targets_are_predicted_without_a_word(y: Any):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert fit_of(y).n_outputs_ >= 2


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_an_array_of_fields_is_refused_by_their_names(kind: Any):
    y = np.array([*zip(HAPPENED, TIME, strict=True)], [("event", bool), ("time", float)])
    for made in (y, pd.DataFrame({"event": HAPPENED, "time": TIME}).to_records(index=False)):
        with pytest.raises(
            DataError, match=r"the fields event, time; pass one of them, such as y\['time'\].*MLPSurvival"
        ):
            fit_of(made, kind)


# --- numbers of any size ----------------------------------------------------------------------------------------------

SIZES = np.random.default_rng(5).normal(size=(80, 2))
SUM = SIZES.sum(1) + 0.1 * np.random.default_rng(6).normal(size=80)


def of_sizes(y: Any, kind: Any = MLPRegressor, weight: Any = None, **settings: Any) -> Any:
    made = kind(preprocess="auto", max_iter=8, n_members=1, random_state=0, **settings)
    return made.fit({"a": SIZES[:, 0], "b": SIZES[:, 1]}, y, weight)


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-200, 1e200, 1e306])
def test_only_the_ratios_of_weights_count(size: float):
    weight = np.full(80, size)
    number, label = SIZES[:, 0] + SIZES[:, 1], SIZES[:, 0] > 0
    np.testing.assert_allclose(
        of_sizes(number, weight=weight).predict({"a": [0.5], "b": [1.0]}),
        of_sizes(number, weight=np.ones(80)).predict({"a": [0.5], "b": [1.0]}),
        rtol=1e-9,
    )
    made = of_sizes(label, MLPClassifier, class_weight={True: size, False: size})
    assert made.score({"a": SIZES[:, 0], "b": SIZES[:, 1]}, label) > 0.8


@pytest.mark.parametrize("size", [2.0**-1030, 2.0**-990, 2.0**-550, 2.0**-20])
def test_targets_of_any_small_unit_are_learned_alike(size: float):
    table = {"a": SIZES[:, 0], "b": SIZES[:, 1]}
    np.testing.assert_allclose(
        of_sizes(SUM * size).predict(table) / size, of_sizes(SUM).predict(table), rtol=1e-4
    )


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1, "a", None])
@pytest.mark.parametrize("preset", ["fast", "best"])
def test_a_class_weight_that_is_no_weight_is_refused_by_its_name(weight: Any, preset: str):
    with pytest.raises(
        ConfigError, match=f"class_weight must have a finite number .* not {weight!r} for 'yes'"
    ):
        MLPClassifier(preprocess="auto", preset=preset, class_weight={"yes": weight, "no": 1.0}).fit(
            {"a": SIZES[:, 0]}, np.where(SUM > 0, "yes", "no")
        )
