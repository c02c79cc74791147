"""An offline folder of Weights & Biases, and trackio's database, have what the history has; nothing is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chainrule import ConfigError, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.estimators import MLPClassifier
from chainrule.tracking import WandB
from needs import needs
from wandb_file import read

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)
NET = Network(3, [Dense(8), ReLU(), Dense(2)], loss=SoftmaxCrossEntropy())


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Arguments of `WandB` for runs in a folder of the test."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    return {"mode": "offline", "dir": str(tmp_path)}


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))


@needs("wandb")
def test_a_run_has_the_history(tmp_path: Path, offline):
    model = Model(NET, seed=1)
    tracker = WandB("mine", name="first", **offline)
    model.fit(X, Y, epochs=3, batch_size=40, validation_fraction=0.2, callbacks=[tracker])
    (path,) = files(tmp_path)
    found = read(path)
    assert found.info["project"] == "mine" and found.info["name"] == "first" and found.exit_code == 0
    assert [row["_step"] for row in found.history] == [4, 8, 12]
    assert [row["epoch"] for row in found.history] == [1, 2, 3]
    for name, column in (("train/loss", "loss"), ("val/loss", "val_loss"), ("train/accuracy", "accuracy")):
        assert [row[name] for row in found.history] == pytest.approx(model.history[column])
    assert found.config["optimizer.learning_rate"] == 1e-3 and found.config["batch_size"] == 40


@needs("wandb")
def test_a_race_is_a_group(tmp_path: Path, offline):
    table = pd.DataFrame({"a": X[:, 0].astype(float), "b": RNG.choice(["x", "y"], 200)})
    options = {"preset": "best", "preprocess": "auto", "time_limit": 1.0, "random_state": 0, "refit": False}
    made = MLPClassifier(**options, callbacks=[WandB("mine", **offline)]).fit(table, np.where(Y, "a", "b"))
    found = [read(path) for path in files(tmp_path)]
    (race,) = [run for run in found if not run.info["group"]]
    parts = [run for run in found if run is not race]
    assert {run.info["group"] for run in parts} == {race.info["id"]}
    assert "fast, fold 1" in {run.info["name"] for run in parts} and len(parts) >= made.report_[0].networks
    assert race.config["preset"] == "best" and race.summary["weight/fast"] == made.report_[0].weight
    first = next(run for run in parts if run.info["name"] == "fast, fold 1")
    assert first.config["recipe"] == "fast" and first.summary["loss_held_out"] > 0 and first.history


@needs("wandb")
def test_a_training_that_fails_is_a_run_that_failed(tmp_path: Path, offline):
    def stop(run):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Model(NET).fit(X, Y, epochs=2, callbacks=[WandB("mine", **offline), stop])
    assert read(files(tmp_path)[0]).exit_code == 1


@needs("trackio")
def test_trackio(tmp_path: Path):
    """In a process of its own, because trackio takes its folder from the environment as it is imported."""
    code = """
import json
import numpy as np
from trackio import Api
from trackio.sqlite_storage import SQLiteStorage
from chainrule import Dense, MeanSquaredError, Model, Network
from chainrule.tracking import WandB
X = np.random.default_rng(0).normal(size=(100, 3))
model = Model(Network(3, [Dense(1)], loss=MeanSquaredError()), seed=0)
tracker = WandB("mine", module="trackio", name="first", embed=False)
model.fit(X, X[:, 0], epochs=3, batch_size=20, validation_fraction=0.2, callbacks=[tracker])
(run,) = Api().runs("mine")
print(json.dumps([run.name, run.config, SQLiteStorage.get_logs("mine", "first"), model.history.records]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TRACKIO_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("[")]
    name, config, rows, history = json.loads(line)
    assert name == "first" and config["batch_size"] == 20 and config["optimizer"] == "adam"
    rows = [row for row in rows if "train/loss" in row]
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert [row["val/loss"] for row in rows] == pytest.approx([each["val_loss"] for each in history])


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match="module of WandB must be one of wandb, trackio, not 'aim'"):
        WandB("mine", module="aim")
    with pytest.raises(ConfigError, match="project of WandB must be a name, not ''"):
        WandB("")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"WandB needs wandb; install it: pip install 'chainrule\[wandb\]'"):
        WandB("mine")
