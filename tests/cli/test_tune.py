"""`chainrule tune`: its folder, what is printed, how it goes on, and what is refused."""

from __future__ import annotations

import csv
import json
import re
import sys
from importlib import import_module

import numpy as np
import pytest

from chainrule import MLPClassifier, MLPRegressor
from chainrule.engines import native
from chainrule.recipe.folder import locked
from house_tables import write

pytest.importorskip("optuna")
FAST = ("--epochs", 3, "--trials", 3)
PRICE = ("houses.csv", "--target-column", "price", "--out", "run")


def trials(tmp_path):
    with (tmp_path / "run" / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_leaves_the_folder_of_a_run_with_the_best(command, houses, tmp_path):
    found = command("tune", *PRICE, *FAST, "--report", "--seed", 2, data=True)
    rows = trials(tmp_path)
    values = [float(row["value"]) for row in rows if row["value"]]
    told = found["search"]
    assert (len(rows), told["trials"], told["metric"], told["stopped"]) == (3, 3, "rmse", "trials")
    assert told["best"] == min(values) and told["default"] == values[0]
    assert rows[0]["layers"] == "3" and rows[0]["state"] == "complete"
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["search"] == told
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "chainrule tune houses.csv" in page and "--trials 3" in page
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name.endswith(".lock")]

    kept = MLPRegressor.load(tmp_path / "run" / "model.safetensors")
    assert len(kept.intercepts_) == told["settings"]["layers"] + 1
    judged = command("evaluate", "run", "houses.csv", data=True)
    assert judged["metrics"] == pytest.approx(found["metrics"]) and judged["learned_from"] == 0
    said = command("predict", "run", "houses.csv", data=True)
    table = {name: houses[name] for name in ("area", "town", "garden", "sold", "land")}
    assert [row["predicted"] for row in said] == pytest.approx(kept.predict(table).tolist(), rel=1e-6)
    assert command("info", "run", data=True)["table"]["target"] == "price"
    assert "The prediction" in command("explain", "run", "houses.csv", "--row", 1).stdout


def test_it_says_what_it_tries_and_finds(command, houses, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = command(
        *("tune", "sizes.csv", "--target-column", "size", "--out", "run", "--folds", 2, "--members", 2), *FAST
    ).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "sizes  128 samples to search on, 32 to test on" in text
    assert "preset fast: 3 trials, 2 folds, pruner median" in text
    assert re.search(r"^    0 +[\d.]+ +[\d.]+ +[\d.]+  layers 3, width 256", text, re.MULTILINE)
    assert "best log loss on held-out rows" in text and "of the unchanged preset" in text
    assert re.search(r"^layers +\d +3 *$", text, re.MULTILINE)
    assert MLPClassifier.load("run/model.safetensors").n_members == 2


def test_precision_and_recall_are_of_the_label_that_is_asked_for(command, houses, tmp_path):
    table = {name: values for name, values in houses.items() if name not in ("price", "size")}
    write(tmp_path / "cheap.csv", table)
    found = {
        label: command(
            *("tune", "cheap.csv", "--target-column", "cheap", *FAST, "--positive", label, "--out", label),
            data=True,
        )
        for label in ("0", "1")
    }
    for label, each in found.items():
        assert str(each["positive"]) == label
        matrix = np.array(each["confusion_matrix"])
        k = [str(name) for name in each["classes"]].index(label)
        assert each["metrics"]["recall"] == pytest.approx(matrix[k, k] / matrix[k].sum())
        assert json.loads((tmp_path / label / "metrics.json").read_text())["positive"] == each["positive"]
    assert found["0"]["metrics"]["accuracy"] == found["1"]["metrics"]["accuracy"]
    assert found["0"]["metrics"]["recall"] != found["1"]["metrics"]["recall"]


@pytest.mark.slow
def test_a_search_goes_on(command, houses, tmp_path):
    command("tune", *PRICE, *FAST, "--quiet")
    first = trials(tmp_path)
    command("tune", "run", "--resume", "--trials", 5, "--quiet")
    rows = trials(tmp_path)
    assert rows[:3] == first and len(rows) == 5
    assert json.loads((tmp_path / "run" / "config.json").read_text())["search"]["trials"] == 5
    said = command("tune", *PRICE, "--epochs", 3, "--trials", 1, "--overwrite").stdout
    assert "preset fast: 1 trial, one row of 5 held out, pruner median" in said
    assert len(trials(tmp_path)) == 1
    command(
        "tune", "houses.csv", "--target-column", "price", "--out", "whole", "--epochs", 3, "--trials", 5, "-q"
    )
    with (tmp_path / "whole" / "trials.csv").open(newline="") as file:
        whole = list(csv.DictReader(file))
    same = ("state", "value", "width", "dropout", "learning_rate")
    assert [[row[n] for n in same] for row in whole] == [[row[n] for n in same] for row in rows]


def test_ctrl_c_leaves_a_search_that_goes_on(command, houses, tmp_path, monkeypatch):
    module = import_module("chainrule.cli.tune")  # chainrule.cli has the function under this name
    told = module.TrialLines.add

    def add(self, record):
        told(self, record)
        if record.number == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.TrialLines, "add", add)
    said = command("tune", *PRICE, *FAST, code=130)
    assert "Interrupted; continue with: chainrule tune run --resume" in said.stderr
    assert len(trials(tmp_path)) == 2 and "ended by: interrupted" in said.stdout
    command("predict", "run", "houses.csv")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    command("tune", "run", "--resume", "--quiet")
    assert [row["trial"] for row in trials(tmp_path)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("houses.csv", "houses.csv is a table; name the column to predict with --target-column"),
        ("houses.csv --target-column price --folds 1", "--folds must be an integer of at least 2, not 1."),
        ("houses.csv --target-column price --trials 0", "--trials must be an integer of at least 1, not 0."),
        ("houses.csv --target-column price --jobs 0", "--jobs must be an integer of at least 1, not 0."),
        (
            "houses.csv --target-column price --pruner x",
            "--pruner must be one of median, halving, none, not 'x'.",
        ),
        ("houses.csv --target-column price --time-limit 0", "--time-limit must be a finite number above 0"),
        ("houses.csv --target-column price --preset slow", "--preset must be one of"),
        ("houses.csv --target-column price --members 0", "--members must be an integer of at least 1"),
        ("houses.csv --target-column price --epochs 0", "--epochs must be an integer of at least 1"),
        ("nowhere --resume", "nowhere contains no search to continue"),
        ("nowhere --resume --overwrite", "--resume continues a search, --overwrite replaces it"),
    ],
)
def test_refused(command, houses, tmp_path, words, message):
    out = () if "--resume" in words else ("--out", "run")
    said = command("tune", *words.split(), *out, code=2).stderr
    assert said.startswith(f"Error: {message}") and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_refused_search_leaves_the_run_of_another_and_nothing_of_its_own(command, houses, tmp_path):
    train = ("train", *PRICE, "--preset", "fast", "--epochs", 1, "--quiet")
    command(*train)
    config = tmp_path / "run" / "config.json"
    before = config.read_bytes()
    assert "run already contains a run" in command("tune", *PRICE, *FAST, code=2).stderr
    assert config.read_bytes() == before
    with locked(tmp_path / "run"):
        assert "another process is training in run" in command("tune", *PRICE, *FAST, code=2).stderr
    assert config.read_bytes() == before

    write(tmp_path / "few.csv", {name: values[:11] for name, values in houses.items()})
    few = ("few.csv", "--target-column", "price", "--folds", 6, "--out", "few")
    for _ in range(2):  # the second time is refused for the same reason
        said = command("tune", *few, *FAST, code=2).stderr
        assert "y has 9 rows, too few to hold some out" in said
        assert not (tmp_path / "few").exists()


@pytest.mark.parametrize(
    ("option", "message"), [(("--folds", 3), "folds None, not 3"), (("--pruner", "x"), "must be one of")]
)
def test_what_a_search_cannot_go_on_with_changes_nothing(command, houses, tmp_path, option, message):
    command("tune", *PRICE, *FAST, "--trials", 1, "--quiet")
    config = tmp_path / "run" / "config.json"
    before = config.read_bytes()
    assert message in command("tune", "run", "--resume", *option, code=2).stderr
    assert config.read_bytes() == before
    command("tune", "run", "--resume", "--trials", 2, "--quiet")
    assert len(trials(tmp_path)) == 2


def test_refused_with_a_folder(command, houses, tables, tmp_path, monkeypatch):
    command("tune", *PRICE, "--epochs", 2, "--trials", 1, "--quiet")
    said = command("tune", *PRICE, *FAST, code=2).stderr
    assert "run already contains a run; continue it with --resume, replace it with --overwrite" in said
    said = command("tune", "run", "--resume", "--seed", 3, code=2).stderr
    assert "--seed is 3, but the search in run was started with 0; omit it." in said
    said = command("tune", "sizes.csv", "--out", "run", "--resume", code=2).stderr
    source = tmp_path / "houses.csv"
    assert f"DATA is sizes.csv, but the search in run was started with {source}; name that." in said
    command("tune", "houses.csv", "--out", "run", "--resume", "--quiet")
    said = command("train", "run", "--resume", code=2).stderr
    assert "run has a search; continue it with: chainrule tune run --resume" in said
    command(
        "train",
        "houses.csv",
        "--target-column",
        "price",
        "--preset",
        "fast",
        "--epochs",
        1,
        "--out",
        "other",
        "-q",
    )
    said = command("tune", "other", "--resume", code=2).stderr
    assert "other has a run but no search; continue it with: chainrule train other --resume" in said
    said = command("tune", tables["two"], code=2).stderr
    assert "--preset is for tables, and two has no named columns" in said
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = command("tune", "houses.csv", "--target-column", "price", "--out", "third", code=2).stderr
    assert said == "Error: a search needs optuna; install it: pip install 'chainrule[tune]'.\n"
    assert not (tmp_path / "third").exists()


@pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))
def test_trials_in_bfloat16(command, houses, tmp_path):
    command("tune", *PRICE, "--epochs", 2, "--trials", 1, "--precision", "bf16", "--quiet")
    assert MLPRegressor.load(tmp_path / "run" / "model.safetensors").precision == "bf16"
    said = command("tune", *PRICE, "--precision", "fp8", code=2).stderr
    assert "--precision must be bf16, or int8 to predict, not 'fp8'" in said
