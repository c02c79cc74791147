"""`chainrule train` on several files of columns: as they are named, and after kill -9 within an epoch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from chainrule.recipe import data
from chainrule.training import checkpoint

N = 3000


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(N, 3)).astype(np.float32)
    y = np.where(X[:, 0] + 0.3 * draw.normal(size=N) > 0, "yes", "no")
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": y})
    (tmp_path / "rows").mkdir()
    for k in range(3):
        parquet.write_table(
            table.slice(1000 * k, 1000), tmp_path / "rows" / f"{k}.parquet", row_group_size=200
        )
    return tmp_path / "rows"


def test_several_files(command, rows):
    names = [f"rows/{k}.parquet" for k in range(3)]
    options = ("--target-column", "y", "--epochs", 2, "--hidden", "8", "--quiet")
    found = [
        command("train", *data, *options, "--out", f"run-{k}", data=True)
        for k, data in enumerate((names, ["rows"], ["rows/*.parquet"]))
    ]
    assert len({str(each["metrics"]) for each in found}) == 1 and found[0]["samples"] == 600
    files = [Path(f"run-{k}/model.safetensors").read_bytes() for k in range(3)]
    assert files[0] == files[1] == files[2]
    assert command("evaluate", "run-0", "rows/0.parquet", data=True)["samples"] == 1000
    assert "1,920 samples to train on, 480 to validate on, 600 to test on" in command(
        "train", *names, "--target-column", "y", "--epochs", 1, "--hidden", "8", "--out", "shown"
    ).stdout  # fmt: skip


def test_one_large_file(command, rows, monkeypatch):
    """It is read in pieces as a folder with it is, unless a preset needs all of it."""
    options = ("--target-column", "y", "--epochs", 1, "--hidden", "8", "--quiet")
    (rows.parent / "one").mkdir()
    (rows / "0.parquet").rename(rows.parent / "one" / "0.parquet")
    command("train", "one", *options, "--out", "folder")
    monkeypatch.setattr(data, "LARGE_FILE_BYTES", 1000)
    command("train", "one/0.parquet", *options, "--out", "file")
    files = [(rows.parent / name / "model.safetensors").read_bytes() for name in ("folder", "file")]
    assert files[0] == files[1]
    preset = ("--target-column", "y", "--preset", "fast", "--time-limit", 1, "--quiet")
    command("train", "one/0.parquet", *preset, "--out", "preset")


def test_files_that_are_refused(command, rows):
    (rows.parent / "a.csv").write_text("a,y\n1,2\n")
    for files, said in (
        (["rows/0.parquet", "a.csv"], "several DATA must be Parquet or Arrow files"),
        (["rows/0.parquet", "rows/9.parquet"], "9.parquet does not exist"),
        (["rows"], "rows has tables; name the column to predict with --target-column"),
    ):
        options = () if files == ["rows"] else ("--target-column", "y")
        assert said in command("train", *files, *options, code=2).stderr
    command(
        "train", "rows", "--target-column", "y", "--epochs", 1, "--hidden", "8", "--out", "run", "--quiet"
    )
    assert "rows names several files" in command("evaluate", "run", "rows", code=2).stderr


@pytest.mark.slow
def test_killed_within_an_epoch(command, rows):
    words = ["train", "rows", "--target-column", "y", "--epochs", "3", "--hidden", "64", "--batch-size", "8"]
    command(*words, "--out", "whole", "--checkpoint-steps", 7, "--quiet")
    code = "import sys; from chainrule.cli import main; sys.argv[0] = 'chainrule'; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--out", "killed", "--checkpoint-steps", "7", "--quiet"],
        cwd=rows.parent,
        env=environment,
    )
    path = rows.parent / "killed" / "checkpoint.safetensors"
    end = time.monotonic() + 120
    while not path.exists() and killed.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    state = checkpoint.read(path)
    assert (state["epoch"], state["position"]) < (3, 0) and state["position"] > 0
    command("train", "killed", "--resume", "--quiet")
    mine, theirs = (
        (rows.parent / folder / "model.safetensors").read_bytes() for folder in ("killed", "whole")
    )
    assert mine == theirs
