"""Runs that version 0.1.0 wrote (commit 73fcdef, on the native engine) are read, evaluated, explained and gone on with.

golden/runs_0.1/plain is `chainrule train houses.csv --target-column price --hidden 8 --epochs 20`, and fast the same
with `--preset fast --epochs 6`; predicted.csv of each is that version's `chainrule predict`. Only the folder of the
table and the platform are written over. make_houses.py made the table.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

STORED = Path(__file__).parent.parent / "golden" / "runs_0.1"


@pytest.fixture(params=["plain", "fast"])
def run(request: pytest.FixtureRequest, command, tmp_path: Path) -> str:
    """A stored run, beside its table."""
    name: str = request.param
    shutil.copytree(STORED / name, tmp_path / name)
    shutil.copy(STORED / "houses.csv", tmp_path)
    return name


def predictions(path: Path) -> np.ndarray:
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([float(row["predicted"]) for row in csv.DictReader(file)])


def test_it_predicts_what_it_did(command, run, tmp_path):
    command("predict", run, "houses.csv", "--out", "again.csv")
    found, expected = predictions(tmp_path / "again.csv"), predictions(STORED / run / "predicted.csv")
    assert len(found) == 120
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_it_is_evaluated_as_it_was(command, run):
    """On the rows that it held out for testing, which are drawn anew from its settings."""
    stored = json.loads((STORED / run / "metrics.json").read_text("utf-8"))
    found = command("evaluate", run, "houses.csv", data=True)
    assert found["samples"] == stored["samples"] == 24
    for name, value in stored["metrics"].items():
        assert found["metrics"][name] == pytest.approx(value, rel=1e-5)


def test_it_is_read_by_every_command(command, run, tmp_path):
    assert "Columns of the table from which it predicts price" in command("info", run).stdout
    command("explain", run, "houses.csv", "--row", "3")
    command("card", run)
    command("export", run, "--onnx", "--out", "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size > 1000
    said = command("check", run, "houses.csv", code=2).stderr
    assert "which a fit of arrays and files of version 0.1 lack; train on the table again." in said


def test_it_is_at_its_end(command, run):
    assert (
        "Nothing is left to train; its results are written again." in command("train", run, "--resume").output
    )


def test_it_is_trained_for_longer(command, tmp_path):
    shutil.copytree(STORED / "plain", tmp_path / "plain")
    shutil.copy(STORED / "houses.csv", tmp_path)
    command("train", "plain", "--resume", "--epochs", "24", "--quiet")
    history = json.loads((tmp_path / "plain" / "history.json").read_text("utf-8"))
    stored = json.loads((STORED / "plain" / "history.json").read_text("utf-8"))
    assert len(history["records"]) == 24 and len(stored["records"]) == 20
    assert history["records"][:20] == stored["records"]
