"""Directions of columns, thresholds and costs by the command: kept in the run, and read by the other commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule import MLPClassifier, MLPRegressor
from chainrule.formulas.metrics import confusion_matrix
from chainrule.recipe.demands import directions, listed
from chainrule.recipe.reported import judged_decision
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.views import words
from chainrule.views.figures.tables import threshold_curve
from house_tables import read, write

RNG = np.random.default_rng(0)
AGE, DEBT = RNG.integers(18, 80, 900), RNG.choice(["none", "much"], 900)
ODDS = -1.5 + 0.06 * (45 - AGE) + 1.5 * (DEBT == "much")
DEFAULT = RNG.random(900) < 1 / (1 + np.exp(-ODDS))
TABLE = {
    "age": AGE.tolist(),
    "debt": DEBT.tolist(),
    "answer": np.where(DEFAULT, "lost", "paid").tolist(),
    "worth": (10 - 3.0 * DEFAULT + AGE / 20).round(2).tolist(),
    "kind": np.where(AGE > 60, "old", np.where(AGE < 30, "young", "usual")).tolist(),
}
FAST = ("--epochs", 4, "--hidden", 16, "--quiet", "--out", "run")
LOANS = ("train", "loans.csv", "--target-column", "answer", *FAST)


slow = pytest.mark.slow


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    write(tmp_path / "loans.csv", TABLE, ["age", "debt", "answer"])
    write(tmp_path / "worth.csv", TABLE, ["age", "debt", "worth"])
    write(tmp_path / "kinds.csv", TABLE, ["age", "debt", "kind"])
    return tmp_path


@slow
def test_a_direction_holds_and_is_in_the_command_of_the_run(command, loans):
    fit = ("train", "worth.csv", "--target-column", "worth", *FAST)
    command(*fit, "--monotonic", "age:-1")
    made = MLPRegressor.load(loans / "run/model.safetensors")
    many = made.predict({"age": np.arange(-200, 500), "debt": ["much"] * 700})
    assert made.monotonic_cst == {"age": -1} and (np.diff(many) <= 1e-6).all()
    assert "--monotonic age:-1" in json.loads((loans / "run/config.json").read_text())["command"]
    for wrong, fault in {
        "age": "--monotonic must be COLUMN:+1",
        "age:up": "--monotonic must be COLUMN:+1",
        "aeg:+1": "has no column 'aeg', the value of --monotonic; did you mean 'age'?",
        "debt:+1": "a category",
    }.items():
        found = command(*fit, "--overwrite", "--monotonic", wrong, code=2)
        assert fault in " ".join(found.stderr.split())
    both = command(*fit, "--overwrite", "--monotonic", "age:+1", "--monotonic", "age:-1", code=2)
    assert "both directions" in both.stderr


def test_several_directions_are_one_setting():
    settings = Settings(monotonic='"a,b:+1",c:d:-1')
    assert listed("age:+1") == ["age:+1"] and directions(Settings(), ["a"], "t.csv") is None
    assert directions(settings, ["a,b", "c:d"], "t.csv") == {"a,b": 1, "c:d": -1}


def test_a_threshold_is_kept_and_read_by_every_command(command, loans):
    trained = command(*LOANS, "--threshold", "balanced_accuracy", "--report", data=True)
    at = trained["decision"]["threshold"]
    made = MLPClassifier.load(loans / "run/model.safetensors")
    assert made.threshold_ == at and trained["decision"]["scoring"] == "balanced_accuracy"
    kept = json.loads((loans / "run/metrics.json").read_text())
    assert kept["metrics"] == trained["metrics"]
    evaluated = command("evaluate", "run", "loans.csv", data=True)
    assert evaluated["metrics"] == pytest.approx(trained["metrics"])
    assert evaluated["confusion_matrix"] == trained["confusion_matrix"]
    rows = command("predict", "run", "loans.csv", data=True)
    columns = {name: TABLE[name] for name in ("age", "debt")}
    assert [row["predicted"] for row in rows] == made.predict(columns).tolist()
    assert [row["predicted"] == "paid" for row in rows] == [
        row["probabilities"]["paid"] >= at for row in rows
    ]
    command("predict", "run", "loans.csv", "--out", "said.csv")
    assert [row["predicted"] for row in read(loans / "said.csv")] == made.predict(columns).tolist()
    page = (loans / "run/report.html").read_text("utf-8")
    assert f"<h2>{words.tables.DECIDED}</h2>" in page and "which has the highest balanced accuracy" in page
    again = command("train", "run", "--resume", data=True)
    assert again["decision"]["threshold"] == at and again["metrics"] == trained["metrics"]


def test_a_threshold_that_is_given_moves_the_labels(command, loans):
    command(*LOANS, "--threshold", 0)
    assert {row["predicted"] for row in command("predict", "run", "loans.csv", data=True)} == {"paid"}
    assert "Threshold 0, as given." in command("evaluate", "run", "loans.csv").stdout


@slow
def test_costs_of_several_classes(command, loans):
    """Whoever is young may cost nothing, and everything else much: that is what is predicted."""
    fit = ("train", "kinds.csv", "--target-column", "kind", *FAST)
    found = command(*fit, "--costs", "0,9,9/9,0,9/0.5,0.5,0", "--report", "--lang", "zh", data=True)
    assert found["classes"] == ["old", "usual", "young"] and found["decision"]["threshold"] is None
    made = MLPClassifier.load(loans / "run/model.safetensors")
    p = np.array(
        [list(r["probabilities"].values()) for r in command("predict", "run", "kinds.csv", data=True)]
    )
    said = made.classes_[(p @ np.array([[0, 9, 9], [9, 0, 9], [0.5, 0.5, 0]])).argmin(1)]
    assert (said == made.predict({name: TABLE[name] for name in ("age", "debt")})).all()
    assert "預測哪個標籤" in (loans / "run/report.html").read_text("utf-8")


REFUSED = {
    ("answer", "--threshold", "auc"): "--threshold must be a probability from 0 to 1, or a score to maximize",
    ("answer", "--threshold", "2"): "--threshold must be a probability from 0 to 1",
    ("answer", "--threshold", "f1", "--costs", "0,1/1,0"): "--costs give the threshold too",
    ("answer", "--costs", "0,a/1,0"): "0,1/20,0: they must be numbers (could not convert",
    ("answer", "--threshold", "f1", "--positive", "lost"): "omit --positive, or use --costs",
    ("answer", "--costs", "0,1"): "--costs are a row for each true class (lost paid)",
    ("answer", "--costs", "1,0/0,1"): "must have the smallest number of each row on the diagonal",
    ("age", "--threshold", "f1", "--loss", "mean_squared_error"): "has numbers to predict; omit it",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_cannot_be_is_said_before_the_training(command, loans, words):
    column, *options = words
    found = command("train", "loans.csv", "--target-column", column, *FAST, *options, code=2)
    assert REFUSED[words] in " ".join(found.stderr.split()) and not (loans / "run").exists()


def test_other_data_have_none(command, tmp_path):
    np.savez(tmp_path / "d.npz", X=RNG.normal(size=(60, 3)), y=RNG.integers(0, 2, 60))
    for option in (("--threshold", "f1"), ("--monotonic", "a:+1"), ("--costs", "0,1/1,0")):
        assert f"{option[0]} is for a table in memory" in command("train", "d.npz", *option, code=2).stderr


def test_a_score_without_rows_held_out_leaves_the_likeliest_class(tmp_path):
    """Of 45 rows one network holds none out: the training is not lost, and the warning says why."""
    write(
        tmp_path / "few.csv", {name: values[:45] for name, values in TABLE.items()}, ["age", "debt", "answer"]
    )
    settings = Settings(target_column="answer", preset="fast", members=1, epochs=2, threshold="f1")
    with pytest.warns(UserWarning, match="the likeliest class is predicted, without a threshold: no rows"):
        found = run(str(tmp_path / "few.csv"), settings, out=tmp_path / "run")
    assert found.judgement.decision is None and judged_decision(found.judgement) is None


@slow
def test_by_hand_the_counts_beside_the_likeliest_class(loans):
    settings = Settings(target_column="answer", epochs=3, hidden=(8,), costs="0,6/1,0")
    outcome = run(str(loans / "loans.csv"), settings, out=loans / "run")
    found = judged_decision(outcome.judgement)
    assert found is not None and outcome.judgement.shares is not None
    p, y = outcome.judgement.shares[:, 1], outcome.judgement.y
    assert found.decision.threshold == pytest.approx(6 / 7)
    assert (found.chosen == confusion_matrix(y, (p >= 6 / 7) * 1, 2)).all()
    assert (found.likeliest == confusion_matrix(y, (p >= 0.5) * 1, 2)).all()
    assert found.value == pytest.approx((6 * found.chosen[0, 1] + found.chosen[1, 0]) / len(y))
    assert found.values[0] == pytest.approx(6 * (y == 0).mean()) and found.values[-1] == pytest.approx(
        (y == 1).mean()
    )
    figure = threshold_curve(found)
    assert figure.data[1].x == (found.decision.threshold,) and figure.data[1].y == (found.value,)
