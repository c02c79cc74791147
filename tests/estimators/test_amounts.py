"""Amounts, whose mean is exp(output): claims, costs and counts, from a table to exports, in any unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import d2_tweedie_score, mean_tweedie_deviance

from chainrule import ConfigError, DataError, Gamma, MLPRegressor, Poisson, Tweedie

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 600
QUICK: dict[str, Any] = {"hidden_layer_sizes": (16,), "max_iter": 30, "random_state": 0}


def table() -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Numbers and a category; and targets with means of 1,000 to 9,000, by loss."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.uniform(18, 80, N), "town": rng.choice(["a", "b", "c"], N)})
    mean = 1000 * np.exp(0.03 * (X["age"] - 18) + 0.4 * (X["town"] == "c")).to_numpy()
    claims = rng.poisson(1.0, N)
    return X, {
        "poisson": rng.poisson(mean).astype(float),
        "gamma": rng.gamma(2.0, mean / 2),
        "tweedie": np.where(claims > 0, rng.gamma(2.0 * np.maximum(claims, 1), mean / 2), 0),
    }


AMOUNTS: dict[str, Any] = {"poisson": Poisson(), "gamma": Gamma(), "tweedie": Tweedie()}
every_loss = pytest.mark.parametrize("kind", AMOUNTS)


@every_loss
def test_a_table_in_any_unit(kind: str):
    X, ys = table()
    y, power, fitted = ys[kind], AMOUNTS[kind].power, []
    for unit in (1.0, 1e-3, 1e4):
        net = MLPRegressor(kind, preprocess="auto", **QUICK).fit(X[:400], unit * y[:400])
        found = net.predict(X[400:])
        assert (found > 0).all() and net.out_activation_ == "exp"
        fitted.append(d2_tweedie_score(unit * y[400:], found, power=power))
        got = net.model_.evaluate(net.preprocessor_.transform(X[400:]), unit * y[400:])
        assert got["deviance"] == pytest.approx(
            mean_tweedie_deviance(unit * y[400:], found, power=power), rel=1e-4
        )
        assert got["d2"] == pytest.approx(fitted[-1], rel=1e-4)
    assert (
        min(fitted) > {"poisson": 0.9, "gamma": 0.3, "tweedie": 0.02}[kind]
    )  # of the last nearly all is noise


@every_loss
def test_the_loss_curve_is_half_the_mean_deviance(kind: str):
    X, ys = table()
    for solver in ("adam", "lbfgs"):
        how = {"solver": solver, "batch_size": N, "alpha": 0.0, "shuffle": False} | QUICK
        one, more = (
            MLPRegressor(kind, **how | {"max_iter": k}).fit(X[["age"]] / 50, ys[kind] / 1e3) for k in (3, 4)
        )
        after = one if solver == "adam" else more
        half = (
            mean_tweedie_deviance(ys[kind] / 1e3, after.predict(X[["age"]] / 50), power=AMOUNTS[kind].power)
            / 2
        )
        assert more.loss_curve_[3 if solver == "adam" else -1] == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize("preset", ["fast", "tabm", "realmlp", "additive"])
def test_presets_begin_with_the_weighted_mean(preset: str):
    """By steps of almost 0 predictions stay those of the start: of the size of the mean, whose logarithm is 8."""
    X, ys = table()
    hidden = {} if preset == "additive" else {"hidden_layer_sizes": (16,)}
    net = MLPRegressor(
        "gamma",
        preprocess="auto",
        preset=preset,
        max_iter=1,
        learning_rate_init=1e-12,
        random_state=0,
        **hidden,
    )
    ratio = net.fit(X, ys["gamma"]).predict(X) / ys["gamma"].mean()
    assert 0.2 < np.median(ratio) < 5


@every_loss
def test_files_intervals_and_exports_keep_to_the_amounts(kind: str, tmp_path: Path):
    X, ys = table()
    net = MLPRegressor(kind, preprocess="auto", early_stopping=True, **QUICK).fit(X[:400], ys[kind][:400])
    lower, upper = net.predict_interval(X, 0.8).T
    assert (lower >= 0).all() and 0.7 < ((lower <= ys[kind]) & (ys[kind] <= upper))[400:].mean() < 0.95
    net.save(tmp_path / "net")
    np.testing.assert_array_equal(MLPRegressor.load(tmp_path / "net").predict(X), net.predict(X))
    bound = net.bind()
    found = [bound.predict(row) for row in X[:20].to_dict("records")]
    np.testing.assert_allclose(found, net.predict(X[:20]), rtol=1e-5)
    for ending in ("onnx", "js"):
        assert net.export(tmp_path / f"net.{ending}", X) is not None


def test_a_loss_with_a_power_of_its_own():
    X, ys = table()
    net = MLPRegressor(Tweedie(power=1.2), preprocess="auto", **QUICK).fit(X, ys["tweedie"])
    assert net.model_.network.loss == Tweedie(1.2)


@pytest.mark.parametrize(
    ("loss", "worst", "said"),
    [
        (
            "gamma",
            0.0,
            r"y must be above 0 for Gamma, but its smallest value is 0; use Tweedie\(\), which takes 0 too",
        ),
        (
            Gamma(),
            -2.0,
            "y must be above 0 for Gamma, but its smallest value is -2; a squared error takes any",
        ),
        (
            "tweedie",
            -0.5,
            "y must be at least 0 for Tweedie, but its smallest value is -0.5; a squared error",
        ),
        (Poisson(), -1.0, "y must be at least 0 for Poisson, but its smallest value is -1; a squared error"),
    ],
    ids=str,
)
def test_amounts_that_a_loss_does_not_take(loss: Any, worst: float, said: str):
    X, y = np.arange(20.0)[:, None], np.arange(1.0, 21)
    y[7] = worst
    with pytest.raises(DataError, match=said):
        MLPRegressor(loss, max_iter=1).fit(X, y)
    with pytest.raises(DataError, match=said):
        MLPRegressor(loss, max_iter=1).fit(X, y + 3).partial_fit(X, y)


def test_metrics_of_amounts_need_such_a_loss():
    net = MLPRegressor(max_iter=1).fit(np.arange(20.0)[:, None], np.arange(20.0))
    with pytest.raises(
        ConfigError, match="the metric 'd2' is not for MeanSquaredError; choose from mse, rmse, mae, r2"
    ):
        net.model_.evaluate(np.ones((2, 1)), [1, 2], metrics=["d2"])
