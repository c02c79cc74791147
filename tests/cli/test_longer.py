"""A run that is done says so, and can be trained longer; its folder has the commands that do it again, to the bit."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from chainrule import Adam, Model, OneCycle, load
from chainrule.recipe import build, data
from chainrule.recipe.settings import Settings
from chainrule.training import checkpoint


def model_bytes(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def as_json(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_run_that_is_done_says_so(command, tables, tmp_path, monkeypatch, optimizer):
    command("train", tables["two"], "--epochs", 3, "--optimizer", optimizer, "--out", "run", "--quiet")
    before = model_bytes(tmp_path / "run"), as_json(tmp_path / "run/metrics.json")
    monkeypatch.setattr(Model, "fit", None)  # it is not called
    epochs = len(as_json(tmp_path / "run/history.json")["records"])
    printed = command("train", "run", "--resume").stdout
    assert f"This run is finished: {epochs} of 3 epochs." in printed
    assert "To train it longer: chainrule train run --resume --epochs 6\n" in printed
    command("train", "run", "--resume", "--report")
    assert (tmp_path / "run/report.html").is_file()
    assert before == (model_bytes(tmp_path / "run"), as_json(tmp_path / "run/metrics.json"))


def test_a_schedule_that_has_ended_begins_anew_as_in_a_second_fit(command, tables, tmp_path):
    options = ("--hidden", "9", "--dropout", 0.2, "--batch-norm")
    command("train", tables["two"], "--epochs", 3, *options, "--out", "run", "--quiet")
    found = command("train", "run", "--resume", "--epochs", 5, data=True)
    assert found["epochs"] == 5
    found = data.load(str(tables["two"]))
    settings = build.resolve(Settings(hidden=(9,), dropout=0.2, batch_norm=True), found.train)
    model = Model(build.network(settings, found.train))
    parts = data.divide(data.check(found, model.network), data.split(found, None, 0))
    for epochs in (3, 2):
        model.fit(
            parts.train.X,
            parts.train.y,
            epochs=epochs,
            batch_size=32,
            optimizer=Adam(2e-3),
            schedule=OneCycle(),
        )
    assert load(tmp_path / "run/model.safetensors").theta.tobytes() == model.theta.tobytes()
    records = as_json(tmp_path / "run/history.json")["records"]
    assert len(records) == 5 and records[3]["learning_rate"] > 100 * records[2]["learning_rate"]
    rows = list(csv.DictReader((tmp_path / "run/history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("schedule", ["constant", "exponential", "inverse_scaling", "reduce_on_plateau"])
def test_another_schedule_goes_on_as_if_asked_at_once(command, tables, tmp_path, schedule):
    options = ("--schedule", schedule, "--dropout", 0.1)
    command("train", tables["words"], "--epochs", 5, *options, "--out", "whole", "--quiet")
    command("train", tables["words"], "--epochs", 2, *options, "--out", "run", "--quiet")
    command("train", "run", "--resume", "--epochs", 5, "--quiet")
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "whole")
    whole, run = (as_json(tmp_path / name / "config.json") for name in ("whole", "run"))
    assert run == whole


@pytest.mark.parametrize("name", ["two", "numbers", "pairs"])
def test_config_has_the_commands_that_do_it_again(command, tables, tmp_path, name):
    command("train", tables[name], "--dropout", 0.1, "--epochs", 2, "--out", "run", "--quiet")
    for epochs in (4, 5):
        command("train", "run", "--resume", "--epochs", epochs, "--report", "--quiet")
    config = as_json(tmp_path / "run/config.json")
    assert config["earlier"] == [{"epochs": 2, "trained": 2}, {"epochs": 4, "trained": 4}]
    assert config["resolved"]["epochs"] == 5
    first = (tmp_path / "run").rename(tmp_path / "first")
    assert config["command"].replace("&&", "&amp;&amp;") in (first / "report.html").read_text()
    for line in config["command"].split(" && "):
        command(*shlex.split(line)[1:])
    assert model_bytes(tmp_path / "run") == model_bytes(first)
    assert as_json(tmp_path / "run/config.json") == config


@pytest.mark.parametrize("writes", [1, 3])
def test_the_second_training_goes_on_where_it_was_stopped(command, tables, tmp_path, monkeypatch, writes):
    options = ("--epochs", 3, "--dropout", 0.2, "--checkpoint-steps", 3, "--patience", 3)
    command("train", tables["words"], *options, "--out", "run", "--quiet")
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    command("train", "whole", "--resume", "--epochs", 6, "--quiet")
    calls, write = [], checkpoint.write

    def interrupted(path, run):
        calls.append(path)
        if len(calls) == writes:
            raise KeyboardInterrupt
        write(path, run)

    monkeypatch.setattr(checkpoint, "write", interrupted)
    result = command("train", "run", "--resume", "--epochs", 6, code=130)
    assert result.stderr == "Interrupted; continue with: chainrule train run --resume\n"
    monkeypatch.setattr(checkpoint, "write", write)
    command("train", "run", "--resume", "--quiet")
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "whole")
    runs = [as_json(tmp_path / name / "history.json")["records"] for name in ("run", "whole")]
    losses, whole = ([record["val_loss"] for record in records] for records in runs)
    assert losses == whole and len(losses) == 6


def test_early_stopping_looks_at_the_whole_run(command, tables, tmp_path):
    """The best epoch of all is kept, and its number is that of the whole run."""
    r = np.random.default_rng(1)
    np.savez(tmp_path / "noise.npz", X=r.normal(size=(120, 6)), y=r.integers(0, 2, 120))
    command("train", "noise.npz", "--patience", 2, "--out", "run", "--quiet")
    first = as_json(tmp_path / "run/history.json")
    before = len(first["records"])
    assert first["stopped"] and before < 40
    printed = command("train", "run", "--resume", "--epochs", 60).stdout
    second = as_json(tmp_path / "run/history.json")
    losses = [record["val_loss"] for record in second["records"]]
    best = losses.index(min(losses)) + 1
    assert second["stopped"] == f"val_loss has not improved since epoch {best}"
    assert second["stopped"] in " ".join(printed.split())
    assert as_json(tmp_path / "run/metrics.json")["metrics"]["loss"] == pytest.approx(min(losses), rel=1e-5)
    assert as_json(tmp_path / "run/config.json")["earlier"] == [{"epochs": None, "trained": before}]


def test_what_cannot_be_trained_longer(command, tables, tmp_path):
    shutil.copy(tables["two"], tmp_path / "mine.npz")
    command("train", "mine.npz", "--epochs", 3, "--out", "run", "--quiet")
    result = command("train", "run", "--resume", "--epochs", 2, code=2)
    assert result.stderr.endswith("was started with 3; omit it, or give more to train it longer.\n")
    with np.load(tables["two"]) as arrays:
        np.savez(tmp_path / "mine.npz", X=arrays["X"] + 1, y=arrays["y"])
    result = command("train", "run", "--resume", "--epochs", 5, code=2)
    assert "other data" in result.stderr and as_json(tmp_path / "run/config.json")["earlier"] == []
    command("train", tables["two"], "--target", 0.6, "--out", "aim", "--quiet")
    result = command("train", "aim", "--resume", "--epochs", 50, code=2)
    assert "reached its --target of 0.6" in result.stderr
    (tmp_path / "run" / "metrics.json").unlink()
    result = command("train", "run", "--resume", "--epochs", 5, code=2)
    assert "finish it first: chainrule train run --resume." in result.stderr


@pytest.mark.parametrize(
    "earlier", [5, [3], [{"epochs": 2}], [{"epochs": 2, "trained": 0}], [{"epochs": "2", "trained": 2}]]
)
def test_earlier_trainings_that_are_none(command, tables, tmp_path, earlier):
    command("train", tables["two"], "--epochs", 2, "--out", "run", "--quiet")
    path = tmp_path / "run/config.json"
    path.write_text(json.dumps(as_json(path) | {"earlier": earlier}))
    result = command("train", "run", "--resume", code=2)
    assert "config.json" in result.stderr and len(result.stderr.splitlines()) == 1
