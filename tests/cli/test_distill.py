"""`chainrule distill`: one network out of a run, judged on the test rows of the run, which it never learns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from chainrule import MLPRegressor
from chainrule.recipe.distilled import rows_of_run
from chainrule.recipe.folder import read_config

RUN = ("train", "houses.csv", "--target-column", "price", "--members", 3, "--epochs", 2, "--hidden", 8)
SMALL = ("--hidden", 4, "--epochs", 2, "--between", 40)


def test_a_run_becomes_one_network(command, houses, tmp_path):
    command(*RUN, "--out", "three", "--quiet")
    told = command("distill", "three", *SMALL).output
    metrics = json.loads((tmp_path / "three/metrics.json").read_text("utf-8"))
    assert f"{metrics['metrics']['rmse']:.4g}" in told, "the teacher's loss is that of the run"
    assert (
        "Written to three/distilled.safetensors" in told
        and "chainrule export three/distilled.safetensors --c" in told
    )
    student = MLPRegressor.load(tmp_path / "three" / "distilled.safetensors")
    assert student.hidden_layer_sizes == (4,)
    found = command("distill", "three", *SMALL, "--out", "one.safetensors", data=True)
    teacher = MLPRegressor.load(tmp_path / "three/model.safetensors")
    rows = rows_of_run(teacher, read_config(tmp_path / "three"), tmp_path / "three")
    assert found["networks"] == [3, 1] and found["is_new"] and found["between"] == 40
    assert (found["own"], found["judged"]) == (len(rows.train["area"]), metrics["samples"])
    assert set(rows.train) == set(rows.test) == {"area", "town", "garden", "sold", "land"}
    loss = np.sqrt(
        np.mean((MLPRegressor.load(tmp_path / "one.safetensors").predict(rows.test) - rows.y_test) ** 2)
    )
    assert np.isclose(found["losses"][1], loss)
    assert np.isclose(found["losses"][0], metrics["metrics"]["rmse"])
    command("predict", "one.safetensors", "houses.csv", "--out", "p.csv")
    command("train", "houses.csv", *RUN[2:], "--out", "three", "--overwrite", "--quiet")
    assert not (tmp_path / "three" / "distilled.safetensors").exists(), "it is of the run before"


def test_columns_that_the_run_left_out_stay_out(command, houses, tmp_path):
    command(*RUN, "--out", "three", "--quiet", "--exclude-columns", "town")
    command("distill", "three", *SMALL)
    assert "town" not in MLPRegressor.load(tmp_path / "three" / "distilled.safetensors").feature_names_in_


def test_what_is_refused(command, houses, tables, tmp_path: Path):
    command(*RUN, "--out", "three", "--quiet")
    text = (tmp_path / "houses.csv").read_text("utf-8").splitlines()
    (tmp_path / "houses.csv").write_text("\n".join([text[0], *text[2:]]), "utf-8")
    said = command("distill", "three", code=2).output
    assert "houses.csv is not the table that the run in three was trained on, or has changed since" in said
    assert "--hidden must be widths" in command("distill", "three", "--hidden", "wide", code=2).output
    command("train", tables["two"], "--epochs", 1, "--out", "plain", "--quiet")
    assert "is distilled from a run on a table" in command("distill", "plain", code=2).output
