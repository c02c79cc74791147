"""Exposure on the command: amounts where a table has its column, and rates where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_poisson_deviance

from chainrule import MLPRegressor
from chainrule.recipe.data import load
from chainrule.recipe.settings import Settings

rng = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {"a": rng.normal(size=300), "town": rng.choice(["x", "y"], 300), "years": rng.uniform(0.1, 3, 300)}
)
TABLE["claims"] = rng.poisson(TABLE["years"] * np.exp(0.3 + 0.5 * TABLE["a"]))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("how", [{"max_iter": 3}, {"preset": "best", "time_limit": 0.5}])
def test_predicted_amounts_are_those_of_the_estimator(command: Any, how: dict[str, Any]) -> None:
    X = TABLE.drop(columns="claims")
    net = MLPRegressor("poisson", preprocess="auto", random_state=0, **how)
    net.fit(X, TABLE["claims"], exposure="years").save("net.safetensors")
    X[:4].to_csv("amounts.csv", index=False)
    X[:4].drop(columns="years").to_csv("rates.csv", index=False)
    for name, exposure in (("amounts.csv", None), ("rates.csv", 1)):
        rows = command("predict", "net.safetensors", name, "--interval", 0.8, "--spread", data=True)
        covering = net.predict_interval(X[:4], 0.8, exposure=exposure)
        e = 1 if exposure else X["years"][:4]
        expected = {"predicted": net.predict(X[:4], exposure=exposure), "spread": e * net.spread(X[:4])}
        for key, values in (expected | {"interval": covering}).items():
            np.testing.assert_allclose([row[key] for row in rows], values, rtol=1e-4, atol=1e-6)
    rates = MLPRegressor("poisson", preprocess="auto", hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    rates.fit(X, TABLE["claims"]).save("plain.safetensors")
    both = ("net.safetensors", "plain.safetensors", "--rows", "amounts.csv")
    differ = command("compare", *both, code=1, data=True)
    assert differ["largest"] == pytest.approx(
        np.abs(net.predict(X[:4]) - rates.predict(X[:4])).max(), rel=1e-4
    )
    X[:4].assign(years=[1, 0, 2, 3]).to_csv("none.csv", index=False)
    said = command("predict", "net.safetensors", "none.csv", code=2).output
    assert (
        "none.csv: exposure must be above 0, and is not in 1 of 4 rows, the first of them row 1 (0)" in said
    )


@pytest.mark.parametrize(
    "how",
    [
        ("--preset", "fast"),
        pytest.param(("--preset", "none"), marks=pytest.mark.slow),
        pytest.param(("--preset", "best", "--time-limit", 0.5), marks=pytest.mark.slow),
    ],
)
def test_a_run_learns_rates_and_judges_amounts(command: Any, how: tuple[Any, ...]) -> None:
    TABLE.to_csv("t.csv", index=False)
    data = ("t.csv", "--target-column", "claims", "--loss", "poisson", "--exposure", "years")
    command(
        "train",
        *data,
        *how,
        *(() if "best" in how else ("--epochs", 3)),
        "--out",
        "run",
        "--quiet",
        "--report",
    )
    net, X, y = MLPRegressor.load("run/model.safetensors"), TABLE.drop(columns="claims"), TABLE["claims"]
    np.testing.assert_allclose(net.predict(X), X["years"] * net.predict(X.drop(columns="years")), rtol=1e-5)
    found = command("evaluate", "run", "t.csv", "--part", "all", data=True)["metrics"]
    predicted = net.predict(X)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - y) ** 2)), rel=1e-4)
    assert found["deviance"] == pytest.approx(mean_poisson_deviance(y, predicted), rel=1e-4)
    run = json.loads(Path("run/metrics.json").read_text())
    assert command("evaluate", "run", "t.csv", data=True)["metrics"]["rmse"] == run["metrics"]["rmse"]
    X.iloc[:, :2].assign(claims=y).to_csv("other.csv", index=False)
    said = command("evaluate", "run", "other.csv", code=2).output
    assert "other.csv lacks the column 'years', the exposure of the amounts; add it." in said


def test_the_constant_model_of_a_run_is_one_rate(command: Any) -> None:
    """sum y / sum e of the training rows, times the exposure of each test row."""
    TABLE.to_csv("t.csv", index=False)
    data = ("t.csv", "--target-column", "claims", "--loss", "poisson", "--exposure", "years")
    command("train", *data, "--epochs", 2, "--out", "run", "--quiet")
    models = json.loads(Path("run/metrics.json").read_text())["comparison"]
    found = next(each["metrics"]["rmse"] for each in models if each["model"] == "constant")
    table = load("t.csv", Settings(target_column="claims", loss="poisson", exposure="years")).table
    (y, e), test = (TABLE[name].to_numpy() for name in ("claims", "years")), table.test
    rate = y[table.train].sum() / e[table.train].sum()
    assert found == pytest.approx(np.sqrt(np.mean((rate * e[test] - y[test]) ** 2)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--exposure", "years"),
            "--exposure is for a loss of amounts; pass --loss, one of poisson, gamma, tweedie.",
        ),
        (
            ("--loss", "poisson", "--exposure", "yers"),
            "has no column 'yers', the value of --exposure; did you mean",
        ),
        (("--loss", "poisson", "--exposure", "claims"), "--exposure names 'claims', the column to predict"),
        (("--loss", "poisson", "--exposure", "a"), "must be above 0, and is not in"),
        (("--loss", "poisson", "--exposure", "town"), "must be numbers, and has texts"),
    ],
)
def test_a_wrong_column_is_named(command: Any, options: tuple[str, ...], said: str) -> None:
    TABLE.to_csv("t.csv", index=False)
    found = command("train", "t.csv", "--target-column", "claims", *options, "--out", "run", code=2)
    assert said in found.output and not Path("run").exists()


def test_a_race_for_amounts_is_judged_by_its_means(command: Any) -> None:
    """Not by exp of them: the outputs of an average are logarithms, as those of its networks."""
    TABLE.to_csv("t.csv", index=False)
    data = ("t.csv", "--target-column", "claims", "--loss", "poisson")
    command("train", *data, "--preset", "best", "--time-limit", 0.5, "--out", "run", "--quiet")
    found = command("evaluate", "run", "t.csv", "--part", "all", data=True)["metrics"]
    predicted = MLPRegressor.load("run/model.safetensors").predict(TABLE.drop(columns="claims"))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - TABLE["claims"]) ** 2)), rel=1e-4)
