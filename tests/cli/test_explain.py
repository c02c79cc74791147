"""`chainrule explain`: every kind of input, the page, the data, and one sentence for what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from chainrule import Dense, Model, Network, ReLU, Rescale, SoftmaxCrossEntropy, load
from chainrule.datasets import load_mnist
from chainrule.inspection.attribution import METHODS


@pytest.fixture
def digits(tmp_path) -> str:
    """A network that has seen a thousand digits, in a run folder."""
    train, test = load_mnist()
    model = Model(
        Network(784, [Rescale(1 / 255), Dense(16), ReLU(), Dense(10)], SoftmaxCrossEntropy()), seed=0
    )
    model.fit(train.X[:1000], train.y[:1000], epochs=3, optimizer="adam")
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run" / "model.safetensors")
    Image.fromarray(test.images[0]).save(tmp_path / "digit.png")
    np.savez(tmp_path / "digits.npz", X=test.images[:3], y=test.y[:3])
    np.save(tmp_path / "one.npy", test.images[0])
    return "run"


def test_a_picture_as_a_story_and_a_page(command, digits, tmp_path):
    printed = command("explain", digits, "digit.png", "--true", 7, "--out", "why.html").stdout
    for words in (
        "1  The input",
        "digit.png: a picture of 28 x 28",
        "2  The prediction",
        "4  Why 7",
        "5  The effect",
    ):
        assert words in printed
    assert printed.rstrip().endswith("Written to why.html")
    page = (tmp_path / "why.html").read_text("utf-8")
    assert "<title>Why 7? - Chainrule</title>" in page and "The true answer is 7: right." in page


def test_data_from_every_kind_of_file(command, digits, tmp_path):
    test = load_mnist()[1]
    model = load(tmp_path / "run" / "model.safetensors")
    expected = int(model.predict(test.X[:1])[0])
    for source, row, truth in (
        ("digit.png", None, None),
        ("one.npy", None, None),
        ("digits.npz", 0, 7),
        ("mnist", 0, 7),
    ):
        data = command("explain", digits, source, *(() if row is None else ("--row", row)), data=True)
        assert (data["said"], data["truth"]) == (expected, truth)
        assert data["attribution"]["shape"] == [28, 28]
        assert data["attribution"]["samples"][0]["relative_error"] <= 1e-6
        assert data["change"]["is_given"] == (truth is not None)


def test_a_csv_names_the_features(command, tables, tmp_path):
    command("train", tables["words"], "--out", "run", "--epochs", 2, "--quiet")
    with np.load(tables["words"]) as held:
        row = held["X"][0]
    names = ["age", "height", "a,b", "weight", "pulse", "<i>risk</i>"]
    head = ",".join(f'"{name}"' for name in [*names, "y"])
    (tmp_path / "rows.csv").write_text(
        "\n".join([head, ",".join([*map(repr, row.tolist()), "high"]), ""]), "utf-8"
    )
    data = command("explain", "run", "rows.csv", "--out", "why.html", data=True)
    assert data["attribution"]["features"] == names and data["truth"] == "high"
    assert "<i>risk" not in (tmp_path / "why.html").read_text("utf-8").split("<script>")[0]
    assert "a,b" in command("explain", "run", "rows.csv").stdout


def test_a_csv_is_matched_to_the_models_own_names(command, tmp_path):
    names = ["age", "height", "weight"]
    model = Model(Network(3, [Dense(2)], SoftmaxCrossEntropy()), dtype="float64")
    model.feature_names = names
    model.save("model.safetensors")
    (tmp_path / "rows.csv").write_text("weight,y,age,shoe,height\n3,0,1,44,2\n")
    (tmp_path / "other.csv").write_text("weight,y,Age,height\n3,0,1,2\n")
    np.save("row.npy", np.array([[1.0, 2.0, 3.0]]))
    by_name, as_it_lies = (
        command("explain", "model.safetensors", f, data=True) for f in ("rows.csv", "row.npy")
    )
    assert by_name["answers"] == as_it_lies["answers"]
    assert by_name["attribution"] == as_it_lies["attribution"] and by_name["attribution"]["features"] == names
    refused = command("explain", "model.safetensors", "other.csv", code=2)
    assert "other.csv lacks 'age' (renamed to 'Age'?) of the 3 columns" in refused.stderr


@pytest.mark.parametrize("task", ["numbers", "pairs", "two", "words", "labels"])
def test_every_task(command, tables, task):
    command("train", tables[task], "--out", "run", "--epochs", 2, "--quiet")
    printed = command("explain", "run", tables[task], "--row", 3).stdout
    assert "The true answer is" in printed and "After the step the loss" in printed
    truth = {"numbers": "101.5", "pairs": "101.5,90", "two": "1", "words": "low", "labels": "0,2"}[task]
    data = command("explain", "run", tables[task], "--row", 3, "--true", truth, data=True)
    said = truth.replace(",", ", ")
    assert data["truth"] == (int(said) if task == "two" else said) and data["change"]["is_given"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method(command, digits, method):
    assert (
        command("explain", digits, "digit.png", "--method", method, data=True)["attribution"]["method"]
        == method
    )


def test_the_learning_rate_is_used(command, digits):
    small, large = (
        command("explain", digits, "digit.png", "--lr", lr, data=True)["change"] for lr in (1e-5, 1e-3)
    )
    assert large["expected"] == pytest.approx(100 * small["expected"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnist",), "mnist contains 10,000 samples; select one with --row, from 0 to 9999."),
        (("digits.npz", "--row", "3"), "--row is 3, but digits.npz contains 3 samples, from 0 to 2."),
        (("digits.npz", "--row", "-1"), "--row counts from 0; it is -1."),
        (("digit.png", "--row", "1"), "digit.png is one picture; omit --row."),
        (("digit.png", "--true", "eleven"), "the truth 'eleven' is not a class of the model"),
        (("digit.png", "--method", "lime"), "method must be one of saliency"),
        (("digit.png", "--lr", "0"), "--lr must be above 0, not 0."),
        (("digit.png", "--lr", "nan"), "--lr must be a finite number above 0, not nan"),
        (("digit.png", "--out", "why.pdf"), "--out must end in .html, not 'why.pdf'."),
        (("nothing.png",), "nothing.png does not exist; check the path."),
        (("nothing.csv",), "nothing.csv does not exist; check the path."),
        (("letter.txt",), "letter.txt is not an input"),
        (
            ("words.csv",),
            "words.csv contains 'red' in row 0, column 'b'; encode text as numbers first.",
        ),
        (("ragged.csv",), "ragged.csv has 1 cell in line 3, but 2 names in line 1"),
        (("short.csv",), "short.csv has a header but no rows; add at least one."),
        (
            ("few.csv",),
            "few.csv contains samples of 2 features, but the model takes 784; select the same columns.",
        ),
        (("binary.csv",), "binary.csv is not a CSV file, because byte 0 is 0"),
        (("alone.csv",), "alone.csv has only the column 'y'; the model's features are missing."),
        (("holes.csv",), "x contains nan at row 0, column 0"),
    ],
)
def test_bad_input(command, digits, tmp_path, arguments, message):
    (tmp_path / "letter.txt").write_text("x")
    (tmp_path / "words.csv").write_text("a,b\n1,red\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "short.csv").write_text("a,b\n")
    (tmp_path / "few.csv").write_text("a,b\n1,2\n")
    (tmp_path / "binary.csv").write_bytes(b"\x00\x81")
    (tmp_path / "alone.csv").write_text("y\n1\n")
    (tmp_path / "holes.csv").write_text(",".join(f"p{k}" for k in range(784)) + "\n" + "," * 783 + "\n")
    result = command("explain", digits, *arguments, code=2)
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output and len(result.stderr.strip().splitlines()) == 1


def test_a_picture_needs_a_model_of_pictures(command, tables, digits):
    command("train", tables["two"], "--out", "two", "--epochs", 1, "--quiet")
    result = command("explain", "two", "digit.png", code=2)
    assert "digit.png is a picture, which needs a model with 784 inputs; this one has 6." in result.stderr


def test_a_numbers_truth_must_be_numbers(command, tables):
    command("train", tables["pairs"], "--out", "run", "--epochs", 1, "--quiet")
    for truth, message in (
        ("tall,short", "--true must be 2 number(s)"),
        ("3", "contains 1 numbers for 2 outputs"),
    ):
        assert (
            message in command("explain", "run", tables["pairs"], "--row", 0, "--true", truth, code=2).stderr
        )
    command("train", tables["labels"], "--out", "labels", "--epochs", 1, "--quiet")
    result = command("explain", "labels", tables["labels"], "--row", 0, "--true", "0,9", code=2)
    assert "--true names '9', which is not a label of the model; its labels are 0, 1, 2." in result.stderr


def test_another_language(command, digits, tmp_path):
    """In the terminal and on the page; what asks for it wrongly is told so before anything is read."""
    printed = command("explain", digits, "digit.png", "--true", 7, "--lang", "zh", "--out", "why.html").stdout
    page = (tmp_path / "why.html").read_text("utf-8")
    assert "正確答案是 7" in printed and "正確答案是 7" in page and '<html lang="zh-Hant-TW"' in page
    for wrong, said in (
        (("explain", "no file", "digit.png", "--lang", "fr"), "--lang must be en or zh, not 'fr'."),
        (("train", "none.npz", "--lang", "zh"), "錯誤：none.npz 不存在"),
        (("train", "none.npz", "--report", "--lang", "tw"), "--lang must be en or zh, not 'tw'."),
    ):
        assert said in " ".join(command(*wrong, code=2).stderr.split())
