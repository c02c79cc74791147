"""Exposure on the command: amounts where a table has its column, and rates where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import MLPRegressor

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
    X[:4].assign(years=[1, 0, 2, 3]).to_csv("none.csv", index=False)
    said = command("predict", "net.safetensors", "none.csv", code=2).output
    assert (
        "none.csv: exposure must be above 0, and is not in 1 of 4 rows, the first of them row 1 (0)" in said
    )


def test_a_race_for_amounts_is_judged_by_its_means(command: Any) -> None:
    """Not by exp of them: the outputs of an average are logarithms, as those of its networks."""
    TABLE.to_csv("t.csv", index=False)
    data = ("t.csv", "--target-column", "claims", "--loss", "poisson")
    command("train", *data, "--preset", "best", "--time-limit", 0.5, "--out", "run", "--quiet")
    found = command("evaluate", "run", "t.csv", "--part", "all", data=True)["metrics"]
    predicted = MLPRegressor.load("run/model.safetensors").predict(TABLE.drop(columns="claims"))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - TABLE["claims"]) ** 2)), rel=1e-4)
