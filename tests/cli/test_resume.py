"""A run that was stopped at any moment goes on, and ends with the same bits as one that was not."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chainrule.datasets import load_mnist
from full import FULL

MOMENTS = 20 if FULL else 8
TRAIN = (
    "train", "digits.npz", "--epochs", 3, "--batch-size", 16, "--hidden", "32,32", "--batch-norm", "--dropout", 0.2,
    "--residual", "--patience", 3, "--checkpoint-steps", 3,
)  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SERVER = """
import contextlib, json, os, sys
from chainrule.cli import main
answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
sys.argv = ["chainrule", *json.loads(sys.stdin.readline())]
with contextlib.suppress(SystemExit):
    main()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.argv = ["chainrule", *json.loads(line)]
        main()
    print(child, file=answers, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
"""


class Commands:
    """`chainrule ...` in processes of their own, forked from one that did a first one itself and has all imports
    behind it: a second saved each, and the moments fall on the run rather than on its imports."""

    def __init__(self, folder: Path, *first: object) -> None:
        words, pipe = [sys.executable, "-c", SERVER], subprocess.PIPE
        self.server = subprocess.Popen(
            words, cwd=folder, env=ENVIRONMENT, stdin=pipe, stdout=pipe, text=True, bufsize=1
        )
        self.send(first)

    def send(self, arguments: tuple[object, ...]) -> None:
        """Write a line of arguments."""
        self.server.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")

    def start(self, *arguments: object) -> int:
        """The id of the process."""
        self.send(arguments)
        return int(self.server.stdout.readline())

    def wait(self) -> int:
        """Its exit code, negative for a signal."""
        return int(self.server.stdout.readline())


@pytest.fixture
def commands(digits: Path) -> Iterator[Commands]:
    made = Commands(digits, *TRAIN, "--out", "whole")
    yield made
    made.server.stdin.close()
    made.server.wait(timeout=60)
    made.server.stdout.close()


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """600 digits."""
    train, _ = load_mnist()
    np.savez(tmp_path / "digits.npz", X=train.X[:600], y=train.y[:600])
    return tmp_path


def is_writing(run: Path) -> bool:
    """Whether a checkpoint is half written."""
    return run.is_dir() and any(name.startswith(".checkpoint.") for name in os.listdir(run))


@pytest.mark.slow
def test_killed_at_random_moments(digits, commands):
    """One moment in each eighth of the run, with CHAINRULE_FULL=1 in each twentieth; every other one waits for a
    checkpoint that is half written."""
    durations, models = [], []
    for name in ("again", "and-again"):
        began = time.monotonic()
        commands.start(*TRAIN, "--out", name)
        assert commands.wait() == 0
        durations.append(time.monotonic() - began)
    for name in ("whole", "again", "and-again"):
        models.append((digits / name / "model.safetensors").read_bytes())
    expected, *others = models
    assert others == [expected] * 2
    draw, seen = random.Random(0), Counter()
    for i in range(MOMENTS):
        run = digits / f"killed-{i}"
        delay = min(durations) * (i + draw.random()) / MOMENTS
        # On a busy machine one run takes twice as long as another: what came too late is done again, earlier.
        while not killed_at(delay, commands, run, waits=i % 2 == 1) or (
            stage(run) == "at its end" and i < MOMENTS - 2
        ):
            shutil.rmtree(run)
            delay *= 0.9
        seen[stage(run)] += 1
        commands.start(*TRAIN, "--out", run.name, "--resume")
        assert commands.wait() == 0
        assert (run / "model.safetensors").read_bytes() == expected, (i, seen)
        assert not any(name.endswith(".tmp") for name in os.listdir(run))
        shutil.rmtree(run)
    print(dict(seen))
    assert seen["writing a checkpoint"], seen


def killed_at(delay: float, commands: Commands, run: Path, waits: bool) -> bool:
    """Start a run and kill -9 it; False where it had come to its end before that."""
    process = commands.start(*TRAIN, "--out", run.name)
    time.sleep(delay)
    patience = time.monotonic() + 0.5
    while waits and time.monotonic() < patience and not is_writing(run):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    return commands.wait() == -signal.SIGKILL


def stage(run: Path) -> str:
    """How far a killed run had come."""
    if not (run / "config.json").exists():
        return "before its folder"
    if is_writing(run):
        return "writing a checkpoint"
    return "training" if not (run / "model.safetensors").exists() else "at its end"


def test_the_folder_alone_is_enough(command, tables, tmp_path):
    """--resume RUN takes everything from the folder, wherever it is asked from."""
    options = ("--epochs", 6, "--dropout", 0.2, "--checkpoint-steps", 3)
    command("train", tables["words"], *options, "--out", "whole", "--quiet")
    halfway(command, tables["words"], options, "half")
    (tmp_path / "half" / ".checkpoint.safetensors.x1.tmp").write_bytes(b"half")
    found = command("train", "half", "--resume", data=True)
    assert found["epochs"] == 6
    for name in ("model.safetensors", "confusion_matrix.csv", "metrics.json"):
        assert (tmp_path / "half" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "half").glob(".*.tmp"))
    again = command("train", "half", "--resume", "--report", data=True)
    assert again["epochs"] == 6 and (tmp_path / "half" / "report.html").is_file()
    assert (tmp_path / "half/model.safetensors").read_bytes() == (
        tmp_path / "whole/model.safetensors"
    ).read_bytes()


def halfway(command, data, options, out) -> None:
    """A run that ends at its third checkpoint write."""
    from chainrule.training import checkpoint

    written, calls = checkpoint.write, []

    def write(path, run):
        written(path, run)
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt

    checkpoint.write = write
    try:
        result = command("train", data, *options, "--out", out, code=130)
    finally:
        checkpoint.write = written
    assert result.stderr == f"Interrupted; continue with: chainrule train {out} --resume\n"


def test_the_same_command_starts_or_goes_on(command, tables, tmp_path):
    words = ("train", tables["two"], "--epochs", 3, "--out", "run", "--resume", "--quiet")
    command(*words)
    first = (tmp_path / "run" / "model.safetensors").read_bytes()
    command(*words)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == first


def test_a_stop_is_kept(command, tables):
    found = command("train", tables["two"], "--target", 0.6, "--out", "run", data=True)
    again = command("train", "run", "--resume", data=True)
    assert found["epochs"] == again["epochs"] < 40 and again["reached"]


def test_other_data_are_refused(command, tables, tmp_path):
    shutil.copy(tables["two"], tmp_path / "mine.npz")
    halfway(command, "mine.npz", ("--checkpoint-steps", 2), "run")
    with np.load(tables["two"]) as arrays:
        np.savez(tmp_path / "mine.npz", X=arrays["X"] + 1, y=arrays["y"])
    result = command("train", "run", "--resume", code=2)
    assert "another data" in result.stderr and len(result.stderr.splitlines()) == 1


def test_lbfgs_starts_again(command, tables, tmp_path):
    words = ("train", tables["numbers"], "--optimizer", "lbfgs", "--epochs", 5, "--out", "run")
    command(*words)
    first = (tmp_path / "run" / "model.safetensors").read_bytes()
    command("train", "run", "--resume")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == first


def test_control_c(digits):
    """A real SIGINT in the middle of training."""
    options = ("--epochs", "500", "--checkpoint-steps", "5", "--out", "run", "--json")
    words, pipe = [sys.executable, "-m", "chainrule", "train", "digits.npz", *options], subprocess.PIPE
    # A shell's background job has it ignored, and its children too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(words, cwd=digits, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True)
    signal.signal(signal.SIGINT, before)
    while process.poll() is None and not (digits / "run" / "checkpoint.safetensors").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "Interrupted; continue with: chainrule train run --resume\n"
