"""Exposure: amounts that are those of years, people or kilometers, beside other libraries and by hand."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import TweedieRegressor
from sklearn.model_selection import cross_val_score

from chainrule import Gamma, MLPClassifier, MLPRegressor, ParquetSource, Poisson, Tweedie
from chainrule.errors import ConfigError, DataError
from chainrule.estimators import TablePreprocessor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
rng = np.random.default_rng(0)
ROWS = 600
X = rng.normal(size=(ROWS, 3))
YEARS = rng.uniform(0.1, 3, ROWS)
MEAN = YEARS * np.exp(0.3 + X @ [0.5, -0.4, 0.2])
COUNTS = rng.poisson(MEAN).astype(np.float64)
AMOUNTS: dict[float, tuple[Any, np.ndarray]] = {
    1.0: ("poisson", COUNTS),
    2.0: ("gamma", rng.gamma(2, MEAN / 2)),
    1.3: (Tweedie(1.3), np.where(rng.random(ROWS) < 0.3, 0, rng.gamma(2, MEAN / 1.4))),
}
"""Losses and amounts by power."""
TABLE = pd.DataFrame(X, columns=list("abc")).assign(years=YEARS)
WITHOUT = TABLE.drop(columns="years")


def linear(loss: Any = "poisson") -> MLPRegressor:
    """Return a network without hidden layers, trained to the end."""
    return MLPRegressor(loss, (), alpha=0, solver="lbfgs", max_iter=3000, tol=1e-10, random_state=0)


def of_table(**parameters: Any) -> MLPRegressor:
    """Return a small network for a table."""
    given = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0, "preprocess": "auto"}
    return MLPRegressor("poisson", **given | parameters)


@pytest.fixture(scope="module")
def fitted() -> MLPRegressor:
    """Return a fit to the table with the name of its column."""
    return of_table().fit(TABLE, COUNTS, exposure="years")


@pytest.mark.parametrize("power", AMOUNTS)
def test_linear_networks_have_the_coefficients_of_scikit_learn(power: float) -> None:
    """There the rates are fitted, with weights."""
    loss, y = AMOUNTS[power]
    net = linear(loss).fit(X, y, exposure=YEARS)
    other = TweedieRegressor(power=power, alpha=0, link="log", tol=1e-10, max_iter=10_000)
    other.fit(X, y / YEARS, sample_weight=YEARS ** (2 - power))
    found = [*net.intercepts_[0], *net.coefs_[0][:, 0]]
    np.testing.assert_allclose(found, [other.intercept_, *other.coef_], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("power", AMOUNTS)
def test_linear_networks_have_the_coefficients_of_statsmodels(power: float) -> None:
    """There the amounts are fitted, with an offset."""
    models = pytest.importorskip("statsmodels.api")
    families, (loss, y) = models.families, AMOUNTS[power]
    family = {1.0: families.Poisson(), 2.0: families.Gamma(families.links.Log())}
    chosen, inputs = family.get(power, families.Tweedie(var_power=power)), models.add_constant(X)
    other = models.GLM(y, inputs, family=chosen, exposure=YEARS).fit(tol=1e-12)
    net = linear(loss).fit(X, y, exposure=YEARS)
    np.testing.assert_allclose([*net.intercepts_[0], *net.coefs_[0][:, 0]], other.params, atol=1e-5)
    amounts = other.predict(inputs, exposure=YEARS)
    np.testing.assert_allclose(net.predict(X, exposure=YEARS), amounts, rtol=1e-4)


@pytest.mark.parametrize("power", AMOUNTS)
def test_an_intercept_is_the_ratio_of_sums(power: float) -> None:
    """sum s y e^(1 - p) / sum s e^(2 - p), where the derivative of the likelihood with the offset is 0."""
    loss, y = AMOUNTS[power]
    s = rng.uniform(0.5, 2, ROWS)
    net = linear(loss).fit(np.zeros((ROWS, 1)), y, s, exposure=YEARS)
    rate = (s * y * YEARS ** (1 - power)).sum() / (s * YEARS ** (2 - power)).sum()
    np.testing.assert_allclose(net.predict(np.zeros((2, 1))), rate, rtol=1e-5)
    np.testing.assert_allclose(
        net.predict(np.zeros((2, 1)), exposure=[1.0, 3.0]), [rate, 3 * rate], rtol=1e-5
    )


@given(
    st.sampled_from([Poisson(), Gamma(), Tweedie(1.2), Tweedie(1.9)]),
    st.floats(-2, 2),
    st.floats(0.01, 50),
    st.floats(0.01, 50),
)
def test_gradients_of_rates_are_those_with_the_offset(loss: Any, f: float, y: float, e: float) -> None:
    """d loss(f + log e, y) / df = e^(2 - p) d loss(f, y / e) / df, by central differences."""
    h = 1e-5
    ends = [float(loss.value(np.array([[f + np.log(e) + step]]), np.array([[y]]))[0]) for step in (h, -h)]
    rate = float(loss.gradient(np.array([[f]]), np.array([[y / e]]))[0, 0])
    expected, size = e ** (2 - loss.power) * rate, max(map(abs, ends))
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(expected, rel=1e-6, abs=1e-8 * (1 + size))


def test_a_named_column_is_no_input_and_makes_amounts(fitted: MLPRegressor) -> None:
    rates = fitted.predict(WITHOUT)
    for table in (TABLE, pl.from_pandas(TABLE), TABLE.to_dict("list"), TABLE.to_dict("records")):
        np.testing.assert_allclose(fitted.predict(table), rates * YEARS, rtol=1e-6)
    assert fitted.predict(TABLE.iloc[3])[0] == pytest.approx(rates[3] * YEARS[3], rel=1e-6)
    assert fitted.predict(WITHOUT.iloc[3])[0] == pytest.approx(rates[3], rel=1e-6)
    np.testing.assert_array_equal(fitted.predict(TABLE, exposure=1), rates)
    np.testing.assert_allclose(fitted.predict(WITHOUT, exposure=YEARS), rates * YEARS, rtol=1e-6)
    np.testing.assert_allclose(fitted.predict(TABLE.assign(n=2.0), exposure="n"), rates * 2)
    assert fitted.bind().predict(TABLE.iloc[3].to_dict()) == pytest.approx(rates[3], rel=1e-6)
    assert [each.name for each in fitted.preprocessor_.learned_ if each.became == "dropped"] == ["years"]


def test_values_and_a_name_are_fitted_alike(fitted: MLPRegressor) -> None:
    by_row = of_table().fit(WITHOUT, COUNTS, exposure=YEARS)
    np.testing.assert_array_equal(by_row.predict(WITHOUT), fitted.predict(WITHOUT))
    assert by_row.score(WITHOUT, COUNTS, exposure=YEARS) == pytest.approx(fitted.score(TABLE, COUNTS))
    two = linear().fit(X, np.c_[COUNTS, 2 * COUNTS], exposure=YEARS)
    assert two.predict(X, exposure=YEARS).shape == (ROWS, 2)
    one = linear().fit(X, COUNTS, exposure=YEARS).predict(X, exposure=YEARS)
    np.testing.assert_allclose(two.predict(X, exposure=YEARS), np.c_[one, 2 * one], rtol=1e-3)


def test_a_unit_changes_rates_alone() -> None:
    """Days in place of years: 365 times smaller rates, with the same tolerance and penalty."""
    for how in ({"solver": "lbfgs", "alpha": 3.0, "max_iter": 1000}, {"solver": "adam", "max_iter": 500}):
        both = [
            MLPRegressor("poisson", (4,), random_state=0, **how).fit(X, COUNTS, exposure=unit * YEARS)
            for unit in (1, 365)
        ]
        np.testing.assert_allclose(365 * both[1].predict(X), both[0].predict(X), rtol=0.01)
        assert both[0].n_iter_ > 20


def test_files_and_pickles_keep_the_column(fitted: MLPRegressor, tmp_path: Path) -> None:
    fitted.save(path := tmp_path / "net.safetensors")
    for again in (MLPRegressor.load(path), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(again.predict(TABLE), fitted.predict(TABLE))


def test_scores_and_importance_are_those_of_amounts(fitted: MLPRegressor) -> None:
    amounts = fitted.predict(TABLE)
    r2 = 1 - ((COUNTS - amounts) ** 2).sum() / ((COUNTS - COUNTS.mean()) ** 2).sum()
    assert fitted.score(TABLE, COUNTS) == pytest.approx(r2)
    found = fitted.importance(TABLE, COUNTS, repeats=1)
    assert found.base == pytest.approx(np.sqrt(((COUNTS - amounts) ** 2).mean()))
    assert fitted.importance(TABLE, COUNTS, repeats=1, scoring="r2").base == pytest.approx(r2)
    scores = cross_val_score(of_table(), TABLE, COUNTS, cv=2, params={"exposure": "years"})
    half = of_table().fit(TABLE[:300], COUNTS[:300], exposure="years")
    assert scores[1] == pytest.approx(half.score(TABLE[300:], COUNTS[300:]))


def test_validation_has_the_weights_of_its_exposure() -> None:
    net = of_table(preprocess=TablePreprocessor())
    net.fit(TABLE[:400], COUNTS[:400], exposure="years", X_val=TABLE[400:], y_val=COUNTS[400:])
    rate, e = net.predict(WITHOUT[400:]), YEARS[400:]
    loss = (e * rate - COUNTS[400:] * np.log(rate)).sum() / e.sum()
    assert net.validation_loss_curve_[-1] == pytest.approx(loss, rel=1e-5)


def test_intervals_cover_short_and_long_exposures_alike() -> None:
    """The error of a rate is in proportion to 1 / sqrt(e): without that 57 % of the shortest were covered, not 90 %."""
    random = np.random.default_rng(1)
    x, e = random.normal(size=(6000, 2)), random.uniform(0.1, 3, 6000)
    table = pd.DataFrame(x, columns=["a", "b"]).assign(years=e)
    y = random.poisson(e * np.exp(0.3 + 0.5 * x[:, 0])).astype(np.float64)
    net = of_table(hidden_layer_sizes=(16,), max_iter=10).fit(table[:3000], y[:3000], exposure="years")
    low, high = net.predict_interval(table[3000:], 0.9).T
    held = (low <= y[3000:]) & (y[3000:] <= high)
    for short in (e[3000:] < 0.5, e[3000:] > 2.5):  # 400 rows, whose share has a standard error of 1.5 points
        assert 0.84 < held[short].mean() < 0.97
    one = net.predict_interval(table.drop(columns="years")[:1], 0.9)[0]
    np.testing.assert_allclose(one, net.predict_interval(table[:1], 0.9, exposure=1)[0])
    np.testing.assert_allclose(one, net.bind().predict_interval(table.iloc[0].to_dict(), 0.9), rtol=1e-6)


def test_more_rows_have_an_exposure_too(fitted: MLPRegressor) -> None:
    net = pickle.loads(pickle.dumps(fitted)).update(TABLE, COUNTS, epochs=1)
    np.testing.assert_allclose(net.predict(TABLE), net.predict(WITHOUT) * YEARS, rtol=1e-6)
    some, same = (MLPRegressor("tweedie", (4,), random_state=0) for _ in range(2))
    for _ in range(2):
        some.partial_fit(X, COUNTS, exposure=YEARS)
        same.partial_fit(X, COUNTS / YEARS, np.sqrt(YEARS))
    np.testing.assert_allclose(some.predict(X), same.predict(X), rtol=1e-6)
    with pytest.raises(ConfigError, match="pass exposure of these rows too"):
        some.partial_fit(X, COUNTS)


@pytest.mark.parametrize(
    ("exposure", "said"),
    [
        (np.where(np.arange(ROWS) == 7, 0, YEARS), r"above 0, and is not in 1 of 600 rows, .* row 7 \(0\)"),
        (-1, r"above 0, and is not in 600 of 600 rows, the first of them row 0 \(-1\)"),
        (np.where(np.arange(ROWS) == 7, np.nan, YEARS), "exposure is missing in 1 of 600 rows"),
        (YEARS[:5], "exposure has 5 values but there are 600 rows"),
        ("yers", "exposure='yers' is no column of X; did you mean 'years'"),
        (["long"] * ROWS, "exposure must be numbers, and has texts"),
    ],
)
def test_a_wrong_exposure_is_named(fitted: MLPRegressor, exposure: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        of_table().fit(TABLE, COUNTS, exposure=exposure)
    with pytest.raises(DataError, match=said):
        fitted.predict(TABLE, exposure=exposure)


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (MLPRegressor(preprocess="auto"), "needs a loss with a logarithm, not 'squared_error'"),
        (MLPRegressor("poisson"), "names a column of a table, which needs preprocess='auto'"),
        (MLPClassifier(preprocess="auto"), "a classifier predicts labels; use MLPRegressor"),
        (of_table(scoring="r2"), "a scorer knows no exposure; use scoring='loss'"),
    ],
)
def test_a_fit_that_takes_no_exposure_says_so(estimator: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        estimator.fit(TABLE, COUNTS > 1 if isinstance(estimator, MLPClassifier) else COUNTS, exposure="years")


def test_unknown_exposures_are_named(fitted: MLPRegressor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pass X with its column 'years', or pass exposure"):
        fitted.score(WITHOUT, COUNTS)
    with pytest.raises(ConfigError, match="the fit had no exposure"):
        of_table().fit(WITHOUT, COUNTS).predict(WITHOUT, exposure=YEARS)
    with pytest.raises(ConfigError, match="X_val needs an exposure too"):
        of_table().fit(WITHOUT, COUNTS, exposure=YEARS, X_val=WITHOUT, y_val=COUNTS)
    TABLE.assign(y=COUNTS).to_parquet(path := tmp_path / "rows.parquet")
    with pytest.raises(ConfigError, match="a source that is read in pieces"):
        of_table().fit(ParquetSource(path, target="y"), exposure="years")
