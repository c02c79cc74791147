"""Times to an event on the command: trained, predicted, evaluated and explained from a table, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from chainrule import MLPSurvival
from chainrule.formulas import survival

rng = np.random.default_rng(0)
N = 240
TABLE = pd.DataFrame({"age": rng.normal(60, 10, N).round(), "dose": rng.choice(["low", "high"], N)})
SCALE = 300 * np.exp((60 - TABLE["age"]) / 10 + 0.5 * (TABLE["dose"] == "high"))
TIME, END = SCALE * rng.weibull(1.5, N), rng.uniform(50, 900, N)
TABLE["days"], TABLE["died"] = np.minimum(TIME, END).round(1), (TIME <= END).astype(int)
ASKED = ("--time-to-event", "days", "--event", "died")
QUICK = ("--hidden", "8", "--epochs", 8)


@pytest.fixture
def trained(command: Any) -> Any:
    TABLE.to_csv("table.csv", index=False)
    command("train", "table.csv", *ASKED, *QUICK, "--out", "run")
    return command


def test_a_run_is_predicted_evaluated_and_explained(trained: Any):
    net, X, y = MLPSurvival.load("run/model.safetensors"), TABLE[["age", "dose"]], TABLE[["days", "died"]]
    X.to_csv("later.csv", index=False)
    rows = trained("predict", "run", "later.csv", "--times", "30,90", data=True)
    assert_allclose(
        [[row["S(30)"], row["S(90)"]] for row in rows], net.predict_survival(X, [30, 90]), rtol=1e-6
    )
    [mean] = [name for name in rows[0] if name.startswith("mean(")]
    assert_allclose([row[mean] for row in rows], net.predict_mean(X), rtol=1e-6)
    medians = [np.inf if row["predicted"] is None else row["predicted"] for row in rows]
    assert_allclose(medians, net.predict(X), rtol=1e-6)
    shown = trained("predict", "run", "later.csv", "--times", "30", "--out", "out.csv").output
    assert "median" in shown
    assert "S(30)" in shown
    assert_allclose(pd.read_csv("out.csv")["S(30)"], net.predict_survival(X, [30])[:, 0])

    found = trained("evaluate", "run", "table.csv", "--part", "all", data=True)
    for name, value in net.evaluate(X, y).items():
        assert_allclose(found["metrics"][name], value, rtol=1e-6)
    test = trained("evaluate", "run", "table.csv", data=True)
    assert (test["part"], test["samples"], test["learned_from"]) == ("test", N // 5, 0)
    assert test["metrics"]["integrated_brier"] < test["kaplan_meier"]["integrated_brier"]
    assert test["kaplan_meier"]["concordance"] == 0.5
    assert "Kaplan-Meier" in trained("evaluate", "run", "table.csv").output

    reasons = trained("explain", "run", "later.csv", "--row", 2, "--time", 200, data=True)
    assert_allclose(reasons["answers"], net.predict_survival(X[2:3], [200])[0], rtol=1e-5)
    assert "的機率是" in trained("explain", "run", "later.csv", "--row", 2, "--lang", "zh").output
    because = trained("predict", "run", "later.csv", "--times", 200, "--explain", data=True)[2]
    assert_allclose(because["typical_answer"] + sum(because["because"].values()), because["answer"])
    info = trained("info", "run", data=True)
    assert (info["task"], info["event"], len(info["knots"])) == ("survival", "died = 1", info["outputs"])
    assert "predicts when an event comes" in Path(trained("card", "run") and "run/README.md").read_text()


def test_the_shares_of_events_are_kept_and_a_run_resumes(trained: Any):
    said = trained("train", "run", "--resume", data=True)
    assert said["task"] == "regression"
    assert [each["model"] for each in said["comparison"]] == ["network", "kaplan_meier"]
    found = trained("evaluate", "run", "table.csv", data=True)
    assert said["metrics"] == found["metrics"]


@pytest.mark.parametrize(
    "words, chosen, event",
    [
        (("1", "0"), (), "1"),
        (("True", "False"), (), "True"),
        (("yes", "no"), (), "yes"),
        (("dead", "alive"), (), "dead"),
        (("b", "a"), ("--positive", "b"), "b"),
    ],
)
def test_events_in_words(command: Any, words: tuple[str, str], chosen: tuple[str, ...], event: str):
    TABLE.assign(died=np.where(TABLE["died"] == 1, *words)).to_csv("words.csv", index=False)
    said = command("train", "words.csv", *ASKED, *chosen, *QUICK, "--out", "run").output
    assert f"died = '{event}': {TABLE['died'].sum()} of {N} rows" in " ".join(said.split())


def test_rows_without_a_time_or_an_event_are_left_out(command: Any):
    table = TABLE.astype({"died": object})
    table.loc[:4, "days"], table.loc[5:6, "died"] = np.nan, None
    table.to_csv("some.csv", index=False)
    said = " ".join(command("train", "some.csv", *ASKED, *QUICK, "--out", "run").output.split())
    assert "7 rows without a target are left out" in said
    test = command("evaluate", "run", "some.csv", "--part", "all", data=True)
    assert test["samples"] == N - 7


@pytest.mark.parametrize(
    "change, options, says",
    [
        (
            {"days": -3.0},
            ASKED,
            "must be at least 0, and are negative in 240 of 240 rows, the first of them row 0",
        ),
        ({"died": 0}, ASKED, "no event came, all are censored, and nothing can be learned"),
        ({"died": "no"}, ASKED, "no event came, all are censored"),
        (
            {"died": ["a", "b"] * (N // 2)},
            ASKED,
            "has 'a' and 'b'; say which is the event, such as --positive a",
        ),
        ({"died": ["a", "b"] * (N // 2)}, (*ASKED, "--positive", "c"), "--positive must be a or b, not 'c'"),
        ({"died": ["a", "b", "c"] * (N // 3)}, ASKED, "has 3 different values, such as 'c'"),
        ({"days": "soon"}, ASKED, "has text, but must have numbers"),
        ({"days": np.nan}, ASKED, "has no values"),
        ({}, ("--event", "died"), "--event names one of two columns; also name, with --time-to-event"),
        ({}, ("--time-to-event", "days"), "also name, with --event, that of whether it came then"),
        ({}, ("--time-to-event", "days", "--event", "days"), "--event names 'days', the column of the times"),
        ({}, (*ASKED, "--loss", "poisson"), "--time-to-event says what is predicted; omit --loss"),
        (
            {},
            (*ASKED, "--target-column", "age"),
            "--time-to-event says what is predicted; omit --target-column",
        ),
        ({}, (*ASKED, "--l1", "0.1"), "--time-to-event is for a table in memory"),
        ({}, (*ASKED, "--preset", "best"), "--preset must be"),
    ],
)
def test_what_is_refused(command: Any, change: dict[str, Any], options: tuple[str, ...], says: str):
    TABLE.assign(**change).to_csv("bad.csv", index=False)
    said = command("train", "bad.csv", *options, "--out", "run", code=2).output
    assert says in " ".join(said.split())
    assert not Path("run").exists()


def test_later_tables_are_refused_by_a_sentence(trained: Any):
    TABLE[["age", "dose"]].to_csv("later.csv", index=False)
    TABLE.assign(died="maybe").to_csv("maybe.csv", index=False)
    for words, says in (
        (("evaluate", "run", "later.csv"), "lacks the column 'days'"),
        (("evaluate", "run", "maybe.csv"), "must be '1' where the event came"),
        (("predict", "run", "later.csv", "--times", "x"), "--times must be numbers"),
        (("predict", "run", "later.csv", "--times", "-1"), "--times must be a finite number above 0"),
        (("predict", "run", "later.csv", "--interval", "0.9"), "of times to an event, --times has the curve"),
        (("predict", "run", "later.csv", "--explain"), "name its time with --times"),
        (("explain", "run", "later.csv", "--row", 999), "from 0 to 239"),
        (("explain", "run", "later.csv", "--row", 0, "--out", "x.html"), "omit --out and --true"),
        (("serve", "run"), "which serve does not answer"),
        (("distill", "run"), "has another one"),
    ):
        assert says in " ".join(trained(*words, code=2).output.split()), words


def test_kaplan_meier_beside_a_run_is_that_of_its_training_rows(trained: Any):
    simple = trained("evaluate", "run", "table.csv", "--part", "all", data=True)["kaplan_meier"]
    assert set(simple) == set(survival.METRICS)
    y = TABLE[["days", "died"]].to_numpy(float)
    curve, at = survival.kaplan_meier(y), survival.brier_times(y)
    whole = survival.PredictedSurvival(np.zeros(N), curve(y[:, 0]), at, np.tile(curve(at), (N, 1)))
    assert_allclose(simple["integrated_brier"], survival.integrated_brier(y, whole), rtol=0.02)
