"""Bad input: one sentence on standard error, exit code 2, nothing on standard output, no traceback."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import METHODS
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.formulas.schedules import SCHEDULES

TABLE = "two.npz"


@pytest.fixture
def place(command, tables, idx_folder, tmp_path) -> Path:
    """A folder with good and bad files in it."""
    for name, path in tables.items():
        (tmp_path / f"{name}.npz").symlink_to(path)
    (tmp_path / "digits").symlink_to(idx_folder)
    r = np.random.default_rng(0)
    X = r.normal(size=(200, 6))
    (tmp_path / "cut.npz").write_bytes(tables["two"].read_bytes()[:900])
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (tmp_path / "not.safetensors").write_bytes(b"no model at all")
    np.savez(tmp_path / "no-y.npz", X=X)
    np.savez(tmp_path / "y-only.npz", y=X[:, 0])
    np.savez(tmp_path / "nan.npz", X=np.where(X > 2, np.nan, X), y=X[:, 0])
    np.savez(tmp_path / "nan-y.npz", X=X, y=np.where(X[:, 0] > 2, np.nan, X[:, 0]))
    np.savez(tmp_path / "wide.npz", X=r.normal(size=(9, 7)), y=np.arange(9) % 2)
    np.savez(tmp_path / "many.npz", X=X, y=np.arange(200) * 7)
    np.savez(tmp_path / "one.npz", X=X, y=np.zeros(200, np.int64))
    np.savez(tmp_path / "with-val.npz", X=X, y=X[:, 0] > 0, X_val=X, y_val=X[:, 0] > 0)
    np.savez(tmp_path / "unknown.npz", X=X, y=np.array(["a", "b"])[(X[:, 0] > 0).astype(int)])
    np.save(tmp_path / "none.npy", np.zeros((0, 2, 3)))
    np.save(tmp_path / "wide.npy", r.normal(size=(3, 7)))
    np.save(tmp_path / "text.npy", np.array(["a", "b"]))
    np.save(tmp_path / "pickled.npy", np.array([{}, 1], object), allow_pickle=True)
    command("train", TABLE, "--epochs", 1, "--out", "run", "--quiet")
    for name, change in (("other-format", {"format": 99}), ("odd-setting", {"settings": {"epochs": "many"}})):
        (tmp_path / name).mkdir()
        config = json.loads((tmp_path / "run/config.json").read_text()) | change
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    (tmp_path / "no-json").mkdir()
    (tmp_path / "no-json" / "config.json").write_text("{")
    return tmp_path


CASES = [
    (("train", "nowhere"), "nowhere does not exist"),
    (("train", "table.csv"), "name the column to predict with --target-column"),
    (("train", "run/history.json"), "is not data"),
    (("train", "empty"), "needs one file"),
    (("train", "run"), "add --resume"),
    (("train", "cut.npz"), "cut.npz"),
    (("train", "no-y.npz"), "contains X but not y"),
    (("train", "y-only.npz"), "contains y but not X"),
    (("train", "nan.npz"), "nan"),
    (("train", "nan-y.npz"), "NaN"),
    (("train", "many.npz"), "--loss mean_squared_error"),
    (("train", "with-val.npz", "--validation-fraction", "0.1"), "omit --validation-fraction"),
    (("train", TABLE, "--validation-fraction", "1.5"), "--validation-fraction must"),
    (("train", TABLE, "--validation-fraction", "1e-4"), "leaves none on one side; bring more samples."),
    (("train", TABLE, "--hidden", "12,x"), "--hidden must be"),
    (("train", TABLE, "--hidden", "0"), "--hidden must be"),
    (("train", TABLE, "--hidden", ""), "--hidden must be"),
    (("train", TABLE, "--activation", "rleu"), "--activation must be one of identity, relu"),
    (("train", TABLE, "--loss", "mse"), "--loss must be one of mean_squared_error"),
    (("train", TABLE, "--optimizer", "adamm"), "--optimizer must be one of"),
    (("train", TABLE, "--schedule", "cos"), "--schedule must be one of"),
    (("train", TABLE, "--engine", "gpu"), "--engine must be one of auto"),
    (("train", TABLE, "--dtype", "float16"), "--dtype must be one of float32, float64"),
    (("train", TABLE, "--dropout", "1.5"), "--dropout must"),
    (
        ("train", TABLE, "--label-smoothing", "1"),
        "--label-smoothing must be a finite number of at least 0 and below 1, not 1.0",
    ),
    (("train", "numbers.npz", "--label-smoothing", "0.1"), "does not support label smoothing"),
    (("train", TABLE, "--residual", "--hidden", "8"), "set two"),
    (("train", TABLE, "--lr", "-1"), "--lr must"),
    (("train", TABLE, "--momentum", "0.9"), "adam has no momentum"),
    (("train", TABLE, "--weight-decay", "0.1"), "adam has no weight decay"),
    (("train", TABLE, "--optimizer", "lbfgs", "--lr", "1"), "lbfgs has no learning rate"),
    (("train", TABLE, "--optimizer", "lbfgs", "--dropout", "0.5"), "Dropout"),
    (("train", TABLE, "--optimizer", "lbfgs", "--schedule", "cosine"), "omit --schedule"),
    (("train", TABLE, "--epochs", "0"), "--epochs must be an integer of at least 1"),
    (("train", TABLE, "--batch-size", "0"), "--batch-size must be"),
    (("train", TABLE, "--checkpoint-steps", "0"), "--checkpoint-steps must be"),
    (("train", TABLE, "--l2", "-1"), "--l2 must be"),
    (("train", TABLE, "--max-norm", "0"), "--max-norm must be"),
    (("train", TABLE, "--clip-norm", "nan"), "--clip-norm must be"),
    (("train", TABLE, "--precision", "fp8"), "--precision must be bf16, or int8 to predict"),
    (("train", TABLE, "--precision", "bf16", "--dtype", "float64"), "needs a float32 model"),
    (("train", TABLE, "--precision", "bf16", "--method", "cma_es"), "omit --precision"),
    (("train", TABLE, "--seed", "-1"), "--seed must be"),
    (("train", TABLE, "--patience", "0"), "--patience must be"),
    (("train", "digits", "--patience", "3"), "--validation-fraction 0.1"),
    (("train", "digits", "--schedule", "reduce_on_plateau"), "--validation-fraction 0.1"),
    (("train", TABLE, "--target", "98"), "--target is an accuracy"),
    (("train", "numbers.npz", "--target", "0.9"), "--target is an accuracy"),
    (("train", "words.npz", "--loss", "sigmoid_cross_entropy"), "--loss softmax_cross_entropy"),
    (("train", "words.npz", "--loss", "huber"), "must contain numbers"),
    (
        ("train", "numbers.npz", "--optimizer", "sgd", "--lr", "1e9", "--schedule", "constant"),
        "NaN or infinity at step",
    ),
    (("train", TABLE, "--out", "run"), "already contains a run"),
    (("train", TABLE, "--out", "digits"), "already contains files"),
    (("train", TABLE, "--out", "table.csv"), "is a file"),
    (("train", TABLE, "--out", "run", "--resume", "--overwrite"), "choose one"),
    (("train", TABLE, "--out", "run", "--resume", "--hidden", "9"), "--hidden is 9, but"),
    (("train", "numbers.npz", "--out", "run", "--resume"), "DATA is numbers.npz, but"),
    (("train", "empty", "--resume"), "contains no run"),
    (("train", "nowhere", "--resume"), "contains no run"),
    (("train", "other-format", "--resume"), "format 99"),
    (("train", "odd-setting", "--resume"), "'epochs'"),
    (("train", "no-json", "--resume"), "config.json"),
    (("evaluate", "nowhere", TABLE), "nowhere does not exist"),
    (("evaluate", "empty", TABLE), "no model.safetensors"),
    (("evaluate", "no-json", TABLE), "finish the run"),
    (("evaluate", "not.safetensors", TABLE), "not a complete safetensors"),
    (("evaluate", "run", "nowhere"), "nowhere does not exist"),
    (("evaluate", "run", "wide.npz"), "7 features"),
    (("evaluate", "run", "unknown.npz"), "labels unknown to the model"),
    (("evaluate", "run", TABLE, "--part", "test"), "has no test part"),
    (("evaluate", "run", TABLE, "--part", "some"), "--part must be"),
    (("evaluate", "run", TABLE, "--engine", "gpu"), "engine must be one of"),
    (
        ("predict", "run", TABLE, "--precision", "fp8"),
        "--precision must be bf16, or int8 to predict, not 'fp8'",
    ),
    (("predict", "run", "nowhere.npy"), "nowhere.npy does not exist"),
    (("predict", "run", "nowhere"), "nowhere does not exist"),
    (("predict", "run", "table.csv"), "2 features"),
    (("predict", "run", "run/history.json"), "is not an input"),
    (("predict", "run", "wide.npy"), "7 features"),
    (("predict", "run", "none.npy"), "no samples"),
    (("explain", "run", "none.npy"), "none.npy contains 0 samples"),
    (("predict", "run", "text.npy"), "real numbers"),
    (("predict", "run", "pickled.npy"), "objects"),
    (("predict", "run", "y-only.npz"), "contains no X"),
    (("predict", "run", "cut.png"), "784 inputs"),
    (("predict", "run", TABLE, "--out", "p.txt"), ".npy or .csv"),
    (("predict", "run", TABLE, "--out", "table.csv/p.csv"), "table.csv"),
    (("info", "nowhere"), "nowhere does not exist"),
    (("info", "not.safetensors"), "not a complete safetensors"),
]


def test_bad_input(command, place):
    wrong = []
    for arguments, words in CASES:
        result = command(*arguments, code=None)
        lines = result.stderr.splitlines()
        fits = (
            result.exit_code == 2
            and len(lines) == 1
            and lines[0].startswith("Error: ")
            and lines[0].endswith(".")
            and words in lines[0]
        )
        if not fits or "Traceback" in result.stderr or (result.stdout and "step" not in words):
            wrong.append((arguments, words, result.exit_code, result.stderr, result.stdout))
    assert wrong == [], "\n".join(map(str, wrong))


IN_FLAGS = [
    *(("--" + name, -1) for name in ("l1", "l2", "dropout", "input-dropout", "label-smoothing")),
    *(
        ("--" + name, 0)
        for name in ("max-norm", "clip-norm", "lr", "epochs", "batch-size", "validation-fraction")
    ),
    *(("--" + name, -1) for name in ("seed", "patience", "checkpoint-steps", "target")),
    *(
        ("--" + name, "none such")
        for name in ("hidden", "activation", "loss", "dtype", "method", "optimizer")
    ),
    *(("--" + name, "none such") for name in ("schedule", "precision", "engine", "positive")),
    ("--momentum", 1, "--optimizer", "sgd"),
    ("--weight-decay", -1, "--optimizer", "adamw"),
    ("--nesterov", "--optimizer", "sgd"),
    ("--clip-norm", 1, "--optimizer", "lbfgs"),
    ("--schedule", "cosine", "--optimizer", "lbfgs"),
    ("--precision", "bf16", "--optimizer", "lbfgs"),
    ("--precision", "bf16", "--dtype", "float64"),
    ("--engine", "native", "--method", "spsa"),
    ("--optimizer", "lbfgs", "--method", "spsa"),
    ("--lr", 1e30, "--optimizer", "sgd", "--schedule", "constant"),
    ("--loss", "sigmoid_cross_entropy"),
    ("--loss", "huber"),
]


def test_errors_speak_of_flags(command, place):
    """What a user of the command has not typed and cannot type is not named: arguments and classes of the library."""
    kinds = "|".join((*LOSSES, *OPTIMIZERS, *SCHEDULES, *METHODS, *ACTIVATIONS))
    wrong = []
    for options in IN_FLAGS:
        epochs = () if options[0] == "--epochs" else ("--epochs", 2)
        data = "words.npz" if options[0] == "--loss" else TABLE
        said = command("train", data, *options, *epochs, "--out", "new", code=2).stderr
        rest = re.sub(rf"'none such'|\b(NaN|{kinds}|dense_\d)\b", "", said)
        spelled_out = re.findall(r"(?<!-)\b[a-z]+_\w+|\w+=|[A-Z][a-z]+[A-Z]\w*|\bNone\b", rest)
        if spelled_out or ("--" not in said and "words.npz" not in data):
            wrong.append((options, spelled_out, said))
    assert wrong == [], "\n".join(map(str, wrong))


def test_a_picture_that_is_none(command, place):
    command("train", "digits", "--epochs", 1, "--hidden", 8, "--out", "digits-run", "--quiet")
    for name in ("cut.png", "missing.png"):
        result = command("predict", "digits-run", name, code=2)
        assert name in result.stderr and len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("row", [0, *(pytest.param(row, marks=pytest.mark.slow) for row in (3, 117)), 159])
@pytest.mark.parametrize("array", ["X", "y", "X_val", "y_val", "X_test", "y_test"])
def test_the_row_of_a_bad_number_is_that_of_the_file(command, tables, tmp_path, array, row):
    with np.load(tables["numbers"]) as arrays:
        whole = {name: arrays[name[0]].copy() for name in ("X", "y", "X_val", "y_val", "X_test", "y_test")}
    whole[array][row, ...] = np.nan
    np.savez(tmp_path / "bad.npz", **whole)
    np.savez(tmp_path / "less.npz", **{name: whole[name] for name in ("X", "y")})
    for data in ("bad.npz", *(["less.npz"] if array in "Xy" else [])):
        result = command("train", data, "--epochs", 1, "--out", "run", code=2)
        assert re.search(rf"Error: {array} contains .* at row {row}\b", result.stderr), result.stderr
        assert not (tmp_path / "run").exists()
    command("train", tables["numbers"], "--epochs", 1, "--out", "run", "--quiet")
    part = {"X": "train", "X_val": "validation", "X_test": "test"}["X" + array[1:]]
    result = command("evaluate", "run", "bad.npz", "--part", part, code=2)
    assert re.search(rf"Error: {array} contains .* at row {row}\b", result.stderr), result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("train",),
        ("train", "x", "--bogus"),
        ("train", "x", "--epochs", "many"),
        ("bogus",),
        ("predict", "x"),
        ("evaluate",),
    ],
    ids=" ".join,
)
def test_usage(command, arguments):
    result = command(*arguments, code=2)
    assert "Traceback" not in result.stderr and result.stderr


def test_bad_input_leaves_nothing_behind(command, place):
    before = sorted(os.listdir(place))
    for arguments in (
        ("train", "nan.npz"),
        ("train", TABLE, "--lr", "-1"),
        ("train", "words.npz", "--loss", "huber"),
    ):
        command(*arguments, code=2)
    assert not (place / "runs").exists() and sorted(os.listdir(place)) == before


def test_a_run_of_the_same_second_gets_a_folder_of_its_own(command, place):
    for _ in range(3):
        command("train", TABLE, "--epochs", 1, "--hidden", "2", "--quiet")
    assert len(os.listdir(place / "runs")) == 3


def test_overwrite(command, place):
    (place / "run" / "mine.txt").write_text("kept")
    command("train", "words.npz", "--epochs", 1, "--out", "run", "--overwrite", "--quiet")
    assert command("info", "run", data=True)["outputs"] == 3
    assert (place / "run" / "mine.txt").read_text() == "kept"


def test_debug_shows_the_traceback(command, place):
    result = command("train", "nowhere", "--debug", code=1)
    assert type(result.exception).__name__ == "DataError"


def test_a_fault_is_said_without_a_traceback(command, place, monkeypatch):
    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(sys.modules["chainrule.cli.info"], "installation", broken)
    result = command("info", code=1)
    assert result.stderr == "Error: a bug in chainrule (RuntimeError: boom); --debug shows where.\n"


def test_text_from_data_cannot_steer_the_terminal(command, place):
    X = np.random.default_rng(0).normal(size=(80, 2))
    np.savez(place / "evil.npz", X=X, y=np.array(["\x1b[31mred", "[bold]b[/]"])[(X[:, 0] > 0).astype(int)])
    printed = command("train", "evil.npz", "--epochs", 1).stdout
    assert "\x1b[31m" not in printed and "[bold]b[/]" in printed


def test_names_of_columns_cannot_steer_the_terminal(command, tmp_path):
    lines = [f"{i % 7},{i % 5},{'yes' if i % 7 > 3 else 'no'}" for i in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["\x1b[31ma,b,y", *lines]), "utf-8")
    command("train", "table.csv", "--target-column", "y", "--preset", "none", "--epochs", 1, "--out", "run")
    printed = command("check", "run", "table.csv").stdout
    assert "[31ma" in printed and "\x1b" not in printed


def test_a_check_names_the_table_that_lacks_a_column(command, tmp_path):
    lines = [f"{i % 7},{i % 5},{'yes' if i % 7 > 3 else 'no'}" for i in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *lines]), "utf-8")
    command("train", "table.csv", "--target-column", "y", "--preset", "none", "--epochs", 1, "--out", "run")
    (tmp_path / "later.csv").write_text("a\n1\n2\n", "utf-8")
    assert (
        "Error: later.csv lacks 'b' of the 2 columns" in command("check", "run", "later.csv", code=2).stderr
    )
    (tmp_path / "empty.csv").write_text("", "utf-8")
    said = command("check", "run", "empty.csv", code=2).stderr
    assert said.count("empty.csv") == 1
