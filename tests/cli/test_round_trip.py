"""train -> evaluate -> predict -> info, for every task and kind of data."""

from __future__ import annotations

import csv
import errno
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import chainrule
from chainrule.cli import output
from chainrule.core.files import cells
from chainrule.data.checks import check_samples
from chainrule.datasets import Dataset, load_mnist
from chainrule.recipe.by_model import prepare
from chainrule.recipe.data import Data, check, divide, is_held_out, load
from chainrule.recipe.data import split as split_data
from chainrule.recipe.settings import Settings
from chainrule.training.arguments import split

TASKS = {
    "numbers": "regression",
    "pairs": "regression",
    "two": "binary",
    "words": "multiclass",
    "labels": "multilabel",
}


def test_a_validation_loss_that_overflows_keeps_the_results(command, tmp_path):
    X = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(tmp_path / "far.npz", X=X, y=X[:, 0], X_val=X, y_val=1e30 * X[:, 0])
    found = command("train", "far.npz", "--epochs", 2, "--out", "run", "--report", data=True)
    assert found["metrics"]["loss"] is None
    for name in ("history.json", "metrics.json"):
        json.loads((tmp_path / "run" / name).read_text(), parse_constant=pytest.fail)
    records = json.loads((tmp_path / "run" / "history.json").read_text())["records"]
    assert [record["val_loss"] for record in records] == [None, None]
    assert (tmp_path / "run" / "report.html").is_file()


def test_no_cell_is_a_formula(command, tmp_path):
    X = np.random.default_rng(0).normal(size=(90, 2))
    labels = np.array(["=1+1", "@SUM(A1)", "-1"])
    np.savez(tmp_path / "=d.npz", X=X, y=labels[np.digitize(X[:, 0], [-0.4, 0.4])])
    command("train", "=d.npz", "--epochs", 2, "--out", "run", "--quiet")
    command("predict", "run", "=d.npz", "--out", "out.csv")
    with open("run/confusion_matrix.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == ["-1", "'=1+1", "'@SUM(A1)"]
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["input"] for row in rows} == {"'=d.npz"}
    assert {row["predicted"] for row in rows} <= {"-1", "'=1+1", "'@SUM(A1)"}


@pytest.mark.parametrize(
    "value, cell",
    [
        ("-1", "-1"),
        (-1.5, -1.5),
        ("+2e-3", "+2e-3"),
        ("-a", "'-a"),
        ("\t=1", "'\t=1"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_a_number_is_no_formula(value, cell):
    assert cells([value]) == [cell]


@pytest.mark.parametrize("name", TASKS)
def test_every_task(command, tables, tmp_path, name):
    found = command("train", tables[name], "--epochs", 8, "--out", "run", "--report", data=True)
    assert found["task"] == TASKS[name]
    assert found["epochs"] == 8 and found["part"] == "validation" and found["samples"] == 32
    assert found["reached"] is None
    run = tmp_path / "run"
    names = "config.json checkpoint.safetensors history.csv history.json metrics.json model.safetensors report.html"
    files = set(names.split())
    has_matrix = TASKS[name] in ("binary", "multiclass")
    assert {path.name for path in run.iterdir()} == files | (
        {"confusion_matrix.csv"} if has_matrix else set()
    )
    assert found["metrics"] == json.loads((run / "metrics.json").read_text())["metrics"]
    if TASKS[name] == "regression":
        assert found["metrics"]["r2"] > (0.5 if name == "numbers" else -1e9)
    else:
        assert found["metrics"]["accuracy"] > 0.5

    judged = command("evaluate", "run", tables[name], "--part", "all", data=True)
    assert judged["samples"] == 160 and judged["part"] == "given" and judged["learned_from"] == 128
    with np.load(tables[name]) as arrays:
        X, y = arrays["X"], arrays["y"]
    model = chainrule.load(run / "model.safetensors")
    assert judged["metrics"] == pytest.approx(model.evaluate(X, y))
    if has_matrix:
        assert np.sum(judged["confusion_matrix"]) == 160
        assert judged["classes"] == np.unique(y).tolist() == found["classes"]

    rows = command("predict", "run/model.safetensors", tables[name], data=True)
    assert len(rows) == 160
    np.testing.assert_array_equal([row["predicted"] for row in rows], model.predict(X))
    if TASKS[name] != "regression":
        assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-5 for row in rows) == has_matrix

    command("predict", "run", tables[name], "--out", "p.npy", "--precision", "bf16")
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), model.predict(X, precision="bf16"))
    command("predict", "run", tables[name], "--out", "p.npy", "--precision", "int8")
    model.quantize(X)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), model.predict(X, precision="int8"))
    beside = command("evaluate", "run", tables[name], "--part", "all", "--precision", "int8", data=True)
    assert beside["metrics_exact"] == judged["metrics"] != beside["metrics"]
    command("predict", "run", tables[name], "--out", "p.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), model.predict(X))
    command("predict", "run", tables[name], "--out", "p.csv")
    with (tmp_path / "p.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 160 and table[7]["row"] == "7"

    described = command("info", "run", data=True)
    assert described["task"] == TASKS[name] and described["parameters"] == model.network.size


@pytest.mark.parametrize("name", TASKS)
def test_for_people(command, tables, name):
    printed = command("train", tables[name], "--epochs", 2, "--verbose").stdout
    assert "samples to train on" in printed and "standardize_1" in printed and "Run folder: runs/" in printed
    assert ("Confusion matrix" in printed) == (TASKS[name] in ("binary", "multiclass"))
    run = printed.split("Run folder: ")[1].split()[0]
    assert "On 160 given samples" in command("evaluate", run, tables[name], "--part", "all").stdout
    assert "140 more rows" in command("predict", run, tables[name]).stdout
    assert "operations" in command("info", run).stdout


@pytest.mark.parametrize(("name", "kind"), [("two", int), ("words", str)])
def test_a_class_has_the_type_of_the_labels_everywhere(command, tables, tmp_path, name, kind):
    found = command("train", tables[name], "--epochs", 1, "--out", "run", data=True)
    story = command("explain", "run", tables[name], "--row", 2, data=True)
    classes = [
        *found["classes"],
        *json.loads((tmp_path / "run/metrics.json").read_text())["classes"],
        *command("evaluate", "run", tables[name], data=True)["classes"],
        *command("info", "run", data=True)["classes"],
        *(row["predicted"] for row in command("predict", "run", tables[name], data=True)),
        *(story["said"], story["truth"], story["rival"]["label"], story["change"]["truth"]),
        *(answer["label"] for answer in story["answers"] + story["change"]["answers_after"]),
    ]
    assert {type(label) for label in classes} == {kind}


def test_inputs_that_are_none_do_not_keep_the_others_from_an_answer(command, idx_folder, tmp_path):
    command("train", idx_folder, "--epochs", 1, "--hidden", 8, "--out", "run", "--quiet")
    Image.fromarray(load_mnist()[1].images[0]).save(tmp_path / "good.png")
    Image.new("L", (40, 40), 200).save(tmp_path / "blank.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    np.save(tmp_path / "narrow.npy", np.zeros((2, 9)))
    inputs = ("bad.png", "good.png", "blank.png", "missing.png", "narrow.npy", "good.png")
    result = command("predict", "run", *inputs, "--json", "--out", "p.csv", code=2)
    assert [row["input"] for row in json.loads(result.stdout)] == ["good.png", "good.png"]
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 3
    lines = result.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith("Error: ") and line.endswith(".") for line in lines)
    for line, name in zip(lines, ("bad.png", "blank.png", "missing.png", "narrow.npy"), strict=True):
        assert name in line
    printed = command("predict", "run", *inputs, code=2)
    assert printed.stdout.count("good.png") == 2 and printed.stderr == result.stderr
    nothing = command("predict", "run", "bad.png", "missing.png", "--out", "none.csv", code=2)
    assert nothing.stdout == "" and len(nothing.stderr.splitlines()) == 2
    assert not (tmp_path / "none.csv").exists()


def test_idx_folder(command, idx_folder, tmp_path):
    found = command(
        "train", idx_folder, "--epochs", 1, "--batch-size", 32, "--out", "run", "--report", data=True
    )
    assert found["part"] == "test" and found["samples"] == 200 and found["metrics"]["accuracy"] > 0.6
    assert found["classes"] == list(range(10))
    for part, samples in (("train", 800), ("test", 200)):
        assert command("evaluate", "run", idx_folder, "--part", part, data=True)["samples"] == samples

    test = load_mnist()[1]
    Image.fromarray(test.images[0]).save(tmp_path / "as-stored.png")
    ink_on_paper = Image.fromarray(255 - test.images[1]).resize((120, 120))
    ink_on_paper.save(tmp_path / "on-paper.jpg")
    rows = command("predict", "run", "as-stored.png", "on-paper.jpg", data=True)
    assert [row["predicted"] for row in rows] == [7, 2]
    np.save(tmp_path / "one.npy", test.images[0])
    np.save(tmp_path / "some.npy", test.images[:3])
    rows = command("predict", "run", "one.npy", "some.npy", data=True)
    assert [row["predicted"] for row in rows[:2]] == [7, 7] and len(rows) == 4
    assert "as-stored.png" in command("predict", "run", "as-stored.png").stdout


def test_every_option(command, tables, tmp_path):
    command(
        *(
            "train",
            tables["words"],
            "--out",
            "run",
            "--epochs",
            3,
            "--hidden",
            "16,12,16",
            "--activation",
            "prelu",
        ),
        *(
            "--batch-norm",
            "--dropout",
            0.1,
            "--input-dropout",
            0.05,
            "--residual",
            "--loss",
            "categorical_cross_entropy",
            "--dtype",
            "float64",
        ),
        *(
            "--label-smoothing",
            0.1,
            "--optimizer",
            "adamw",
            "--weight-decay",
            0.02,
            "--lr",
            0.01,
            "--seed",
            7,
        ),
        *("--schedule", "reduce_on_plateau", "--batch-size", 16, "--l2", 1e-4, "--l1", 1e-5, "--max-norm", 3),
        *(
            "--clip-norm",
            1,
            "--validation-fraction",
            0.25,
            "--patience",
            2,
            "--engine",
            "reference",
            "--quiet",
        ),
    )
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    network = config["network"]
    assert [layer["kind"] for layer in network["layers"]] == [
        *(
            "standardize",
            "dropout",
            "dense",
            "batch_norm",
            "prelu",
            "dropout",
            *("residual", "prelu", "dropout") * 2,
            "dense",
            "softmax",
        )
    ]
    assert network["loss"] == {"kind": "categorical_cross_entropy", "label_smoothing": 0.1}
    assert (network["l2"], network["l1"], network["max_norm"]) == (1e-4, 1e-5, 3.0)
    assert config["optimizer"]["kind"] == "adamw" and config["optimizer"]["weight_decay"] == 0.02
    again = config["command"].split()[1:]
    command(*again, "--out", "again", "--quiet")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (
        tmp_path / "run/model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        (("--hidden", "none"), ["standardize", "dense"]),
        (
            ("--loss", "binary_cross_entropy", "--hidden", "4"),
            ["standardize", "dense", "relu", "dense", "sigmoid"],
        ),
        (("--loss", "softmax_cross_entropy", "--hidden", "4"), ["standardize", "dense", "relu", "dense"]),
        (("--loss", "huber", "--hidden", "4"), ["standardize", "dense", "relu", "dense"]),
        *(
            (("--loss", loss, "--hidden", "4"), ["standardize", "dense", "relu", "dense"])
            for loss in ("poisson", "tweedie", "focal_cross_entropy", "ordinal_cross_entropy")
        ),
        (("--optimizer", "lbfgs", "--hidden", "4"), ["standardize", "dense", "relu", "dense"]),
        (
            ("--optimizer", "sgd", "--momentum", "0.9", "--hidden", "4"),
            ["standardize", "dense", "relu", "dense"],
        ),
    ],
    ids=" ".join,
)
def test_choices(command, tables, tmp_path, options, layers):
    found = command("train", tables["two"], "--epochs", 2, "--out", "run", *options, data=True)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert [layer["kind"] for layer in config["network"]["layers"]] == layers
    assert found["epochs"] == 2


def test_target(command, tables):
    found = command("train", tables["two"], "--target", 0.6, data=True)
    assert found["reached"] is True and found["epochs"] < 40 and "reached" in found["stopped"]
    missed = command("train", tables["words"], "--target", 1.0, "--epochs", 1, code=1)
    assert "was not reached" in missed.stdout


@pytest.mark.parametrize(
    ("options", "epochs", "lr"),
    [
        ([], 4, 0.005),
        (["--target", 0.01], 3, 0.008),
        (["--target", 0.01, "--epochs", 2], 2, 0.005),
        (["--target", 0.01, "--lr", 0.001], 3, 0.001),
        (["--target", 0.01, "--optimizer", "sgd"], 3, 0.01),
    ],
)
def test_a_target_on_images_makes_the_cycle_shorter(command, idx_folder, tmp_path, options, epochs, lr):
    command("train", idx_folder, "--out", "run", *options, data=True)
    resolved = json.loads((tmp_path / "run" / "config.json").read_text())["resolved"]
    assert (resolved["epochs"], resolved["lr"]) == (epochs, lr)


def test_amounts_are_learned_in_their_units(command, tmp_path):
    r = np.random.default_rng(0)
    X = r.normal(size=(400, 4))
    np.savez(tmp_path / "houses.npz", X=X, y=300_000 + 50_000 * X[:, 0] - 20_000 * X[:, 1])
    found = command("train", "houses.npz", data=True)
    assert found["metrics"]["r2"] > 0.95 and found["metrics"]["rmse"] < 12_000


def test_validation_and_test_parts(command, tables, tmp_path):
    with np.load(tables["two"]) as arrays:
        X, y = arrays["X"], arrays["y"]
    np.savez(
        tmp_path / "all.npz",
        X=X[:100],
        y=y[:100],
        X_val=X[100:130],
        y_val=y[100:130],
        X_test=X[130:],
        y_test=y[130:],
    )
    found = command("train", "all.npz", "--epochs", 2, "--patience", 1, "--out", "run", data=True)
    assert found["part"] == "test" and found["samples"] == 30
    printed = command("train", "all.npz", "--epochs", 1).stdout
    assert "100 samples to train on, 30 to validate on, 30 to test on" in printed
    for part, samples in (("train", 100), ("validation", 30), ("test", 30)):
        assert command("evaluate", "run", "all.npz", "--part", part, data=True)["samples"] == samples


def test_what_is_held_out_is_what_fit_would_hold_out():
    X = np.arange(40.0).reshape(20, 2)
    part = Dataset(X, np.arange(20) % 2, (2,))
    data = Data("data", "data.npz", "data.npz", part)
    network = chainrule.Network(2, [chainrule.Dense(1)], chainrule.SigmoidCrossEntropy())
    train, held, *_ = divide(check(data, network), split_data(data, 0.3, seed=5))
    mine = split(check_samples(network, X, part.y)[0], 0.3, 5)
    np.testing.assert_array_equal(train.X, mine[0].X)
    np.testing.assert_array_equal(held.X, mine[1].X)


def test_the_test_set_is_watched_but_not_held_out(idx_folder):
    data = load(str(idx_folder))
    assert not is_held_out(data, split_data(data, None, 0))
    parts = prepare(data, Settings(validation_fraction=0.1)).training.parts
    assert parts.held_out and (parts.watched.n, parts.train.n, parts.judged.n) == (80, 720, 200)


def test_labels_of_bytes(command, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 3))
    np.savez(tmp_path / "bytes.npz", X=X, y=np.array([b"no", b"yes"])[(X[:, 0] > 0).astype(int)])
    assert command("train", "bytes.npz", "--epochs", 2, data=True)["classes"] == ["no", "yes"]


def test_many_classes_are_shown_by_their_largest_confusions(command, tmp_path):
    r = np.random.default_rng(0)
    np.savez(tmp_path / "many.npz", X=r.normal(size=(500, 3)), y=r.integers(0, 30, 500))
    printed = command("train", "many.npz", "--epochs", 1, "--out", "run").stdout
    assert "Largest confusions" in printed
    assert len((tmp_path / "run/confusion_matrix.csv").read_text().splitlines()) == 31


def test_the_xla_engine(command, tables, tmp_path):
    """A run on a device, which is judged like any other, and repeated by the command in its folder."""
    how = ("--hidden", 4, "--epochs", 2, "--dtype", "float64")
    given = command(
        "train", tables["two"], *how, "--engine", "xla", "--device", "cpu", "--out", "run", data=True
    )
    expected = command("train", tables["two"], *how, "--engine", "reference", "--out", "other", data=True)
    assert given["metrics"] == pytest.approx(expected["metrics"], rel=1e-9)
    assert (
        "--engine xla --device cpu" in json.loads((tmp_path / "run" / "config.json").read_text())["command"]
    )


def test_info(command):
    found = command("info", data=True)
    assert found["packages"]["numpy"] == np.__version__
    assert sum(engine["auto"] for engine in found["engines"]) == 1
    assert "cpu:0" in found["devices"]
    assert "engines" in command("info").stdout


def test_the_positive_class_is_said_and_can_be_chosen(command, tables, tmp_path):
    with np.load(tables["two"]) as held:
        X, words = held["X"], np.where(held["y"] == 1, "well", "ill")
    np.savez(tmp_path / "health.npz", X=X, y=words)
    trained = command("train", "health.npz", "--out", "run", "--epochs", 3, "--quiet", "--report")
    assert "positive class" in trained.stdout and "well" in trained.stdout
    assert "<dt>positive class</dt><dd>well</dd>" in (tmp_path / "run" / "report.html").read_text("utf-8")
    well, ill = (
        command("evaluate", "run", "health.npz", "--part", "all", "--positive", p, data=True)
        for p in ("well", "ill")
    )
    plain = command("evaluate", "run", "health.npz", "--part", "all", data=True)
    assert plain == well and well["positive"] == "well" and ill["positive"] == "ill"
    expected = chainrule.load("run/model.safetensors").evaluate(X, words, positive="ill")
    assert ill["metrics"] == pytest.approx(expected)
    other = command("train", "health.npz", "--out", "other", "--epochs", 3, "--positive", "ill", data=True)
    assert other["positive"] == "ill"
    refused = command("train", "health.npz", "--positive", "sick", "--out", "no", code=2)
    assert "--positive must be ill or well, not 'sick'." in refused.stderr and not (tmp_path / "no").exists()
    assert (
        "--positive must be ill or well"
        in command("evaluate", "run", "health.npz", "--positive", "x", code=2).stderr
    )
    command("train", tables["words"], "--out", "three", "--epochs", 1, "--quiet")
    for arguments in (("evaluate", "three", tables["words"]), ("train", tables["numbers"], "--out", "no")):
        assert "--positive is for two classes" in command(*arguments, "--positive", "low", code=2).stderr


def test_the_samples_that_a_run_learned_from_are_not_judged_without_a_word(command, tables, tmp_path):
    trained = command(
        "train", tables["two"], "--epochs", 3, "--validation-fraction", 0.25, "--out", "run", data=True
    )
    (tmp_path / "copy.npz").write_bytes(tables["two"].read_bytes())
    for model in ("run", "run/model.safetensors"):
        held = command("evaluate", model, "copy.npz", data=True)
        assert (held["part"], held["samples"], held["learned_from"]) == ("validation", 40, 0)
        assert held["metrics"] == pytest.approx(trained["metrics"])
    assert "was trained on the other 120 samples" in " ".join(
        command("evaluate", "run", "copy.npz").stdout.split()
    )
    for part, samples, learned in (("train", 120, 120), ("validation", 40, 0), ("all", 160, 120)):
        found = command("evaluate", "run", "copy.npz", "--part", part, data=True)
        assert (found["samples"], found["learned_from"]) == (samples, learned)
    said = " ".join(command("evaluate", "run", "copy.npz", "--part", "all").stdout.split())
    assert "was trained on 120 of these samples; --part validation evaluates the held-out ones." in said
    with np.load(tables["two"]) as arrays:
        np.savez(tmp_path / "other.npz", X=arrays["X"][::-1], y=arrays["y"][::-1])
    other = command("evaluate", "run", "other.npz", data=True)
    assert (other["part"], other["samples"], other["learned_from"]) == ("given", 160, None)
    (tmp_path / "alone").mkdir()
    (tmp_path / "run/model.safetensors").rename(tmp_path / "alone/model.safetensors")
    (tmp_path / "alone/config.json").write_text("[]")  # another program's
    assert command("evaluate", "alone", "copy.npz", data=True)["learned_from"] is None


def test_rows_are_those_of_the_file(command, tables, tmp_path):
    """In the report's mistakes, although they are of the part that was held out."""
    with np.load(tables["numbers"]) as arrays:
        X, y = arrays["X"], arrays["y"].copy()
    far = [3, 71, 150]
    y[far] += 1e4
    np.savez(tmp_path / "far.npz", X=X, y=y)
    for seed in range(3):
        out = f"run{seed}"
        command("train", "far.npz", "--epochs", 1, "--seed", seed, "--out", out, "--report", "--quiet")
        page = (tmp_path / out / "report.html").read_text()
        rows = [
            int(row) for row in re.findall(r'<tr><th scope="row">(\d+)</th>', page.split("Largest errors")[1])
        ]
        held = split_data(load(str(tmp_path / "far.npz")), None, seed).held_out
        assert set(rows) <= set(held.tolist()) and set(rows[:3]) >= set(far) & set(held.tolist())


def test_a_label_that_only_samples_held_out_have_is_learned(command, tables, tmp_path):
    with np.load(tables["words"]) as arrays:
        X, y = arrays["X"], arrays["y"].copy()
    y[split_data(load(str(tables["words"])), None, 0).held_out[0]] = "rare"
    np.savez(tmp_path / "rare.npz", X=X, y=y)
    assert "rare" in command("train", "rare.npz", "--epochs", 1, data=True)["classes"]


def test_amounts_of_very_different_units_are_all_learned(command, tmp_path):
    r = np.random.default_rng(1)
    X = r.normal(size=(600, 3))
    y = np.stack([np.sin(X[:, 0]), 4e5 + 1e5 * (X[:, 1] - X[:, 2] ** 2), 1e6 + 1e3 * X[:, 2]], 1)
    np.savez(tmp_path / "units.npz", X=X[:500], y=y[:500], X_test=X[500:], y_test=y[500:])
    found = command("train", "units.npz", "--out", "run", data=True)
    assert found["metrics"]["r2"] > 0.9 and found["metrics"]["loss"] < 0.3
    model = chainrule.load("run/model.safetensors")
    error = np.square(model.predict(X[500:]) - y[500:]).mean(0) / y[500:].var(0)
    assert (error < 0.1).all()
    command("predict", "run", "units.npz", "--out", "said.npy")
    np.testing.assert_allclose(np.load(tmp_path / "said.npy"), model.predict(X[:500]))
    told = command("explain", "run", "units.npz", "--row", 0, data=True)
    assert [a["output"] for a in told["answers"]] == pytest.approx(model.predict(X[:1])[0].tolist())


def test_a_machine_without_a_temporary_folder_says_so(command, tables, monkeypatch):
    """The error of Python names no file."""
    command("train", tables["two"], "--epochs", 1, "--out", "run", "--quiet")

    def none(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("chainrule.cli.models.load_any", none)
    said = command("predict", "run", "x.npz", code=2).output
    assert said == "Error: no usable temporary directory found in ['/tmp'].\n"


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_sentence(command, tables, tmp_path):
    with np.load(tables["two"]) as arrays:
        np.savez(tmp_path / "one.npz", X=arrays["X"], y=np.zeros(len(arrays["X"]), np.int64))
    told = command("train", "one.npz", "--epochs", 1, "--out", "run").stderr
    assert "Warning: y contains only one class, 0, so" in told
    assert ".py" not in told and "UserWarning" not in told
    assert "Warning" not in command("train", tables["two"], "--epochs", 1, "--out", "other").stderr


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_terminal(monkeypatch, width):
    """The confusion matrix of ten classes, of long names, of many, and the summary of a network with blocks."""
    monkeypatch.setenv("COLUMNS", str(width))
    for labels in (
        [str(k) for k in range(10)],
        [f"a long name {k}" for k in range(10)],
        list(map(str, range(19))),
    ):
        matrix = np.full((len(labels), len(labels)), 37) + np.diag([1234] * len(labels))
        screen = io.StringIO()
        out = Console(file=screen, width=width, force_terminal=True, color_system=None)
        output.show_confusion(out, matrix, labels)
        text = screen.getvalue()
        assert max(map(len, text.splitlines())) <= width and "…" not in text
        assert all(label in text for label in labels[:2]) and "37" in text
        assert ("Confusion matrix" in text) == (len(labels[-1]) < 3 and (width == 120 or len(labels) == 10))
    layers = [chainrule.Rescale(1 / 255), chainrule.Dense(64), chainrule.LeakyReLU(0.0123456789)]
    layers += [chainrule.Residual([chainrule.Dense(64)]), chainrule.Dense(10)]
    summary = chainrule.Model(chainrule.Network(784, layers, chainrule.SoftmaxCrossEntropy())).summary()
    lines = summary.text(width).splitlines()
    assert max(map(len, lines[: lines.index("")])) <= width
    assert summary.text() == str(summary) == summary.text(1000)


def test_info_shows_the_features_names_and_the_targets_scale(command, tables):
    command("train", tables["pairs"], "--epochs", 1, "--out", "run", "--quiet")
    model = chainrule.load("run/model.safetensors")
    model.feature_names = [f"column {k}" for k in range(6)]
    model.save("named.safetensors")
    found = command("info", "named.safetensors", data=True)
    assert found["target_scale"] == model.target_scale.to_data()
    assert found["target_scale"]["mean"] == model.target_scale.mean.tolist()
    assert "column 0, column 1" in " ".join(command("info", "named.safetensors").stdout.split())
