"""A table of persons with several visits each: what the command notices of it, and of rows unlike all of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

VISITS = ("train", "visits.csv", "--target-column", "cost", "--out", "run", "--epochs", 3, "--quiet")


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """Sixty persons with ten visits each; the cost depends on the person, whom nothing else tells."""
    random = np.random.default_rng(0)
    person = random.permutation(np.repeat(np.arange(60), 10))
    cost = 100 + 30 * random.normal(size=60)[person] + random.normal(size=600)
    rows = zip([f"P{i}" for i in person], random.normal(27, 4, 600).round(1), cost.round(2), strict=True)
    return write(tmp_path / "visits.csv", ["person", "bmi", "cost"], rows)


def write(path: Path, names: list[str], rows: object) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("always::chainrule.errors.LeakWarning")
def test_it_names_the_option_that_a_table_of_persons_needs(command, visits, tmp_path):
    """With the scores on persons that are known, and on new ones; nothing more is said where it is passed."""
    said = command(*VISITS, "--report").stderr
    assert said.count("Warning") == 1 and said.rstrip().endswith("pass --groups person.")
    assert "rows with the same 'person' are alike: a small model has R² 0.9" in said
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "<h3>What the fit noticed</h3><p>Rows with the same" in page and "pass --groups person." in page
    assert "Warning" not in command(*VISITS, "--overwrite", "--groups", "person", "--report").stderr
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert re.search(r"95 % interval, in which the rows of each of \d+ groups count as one", page)


def test_rows_unlike_those_of_training_are_pointed_out(command, visits, tmp_path):
    command(*VISITS, "--groups", "person")
    later = [("P3", 30.1), ("P4", 99.0), ("P5", 25.0)]
    write(tmp_path / "new.csv", ["person", "bmi"], later)
    found = command("predict", "run", "new.csv", "--interval", 0.9)
    assert found.stderr == "new.csv: 1 of 3 rows looks like nothing in training: 1 (bmi).\n"
    write(tmp_path / "usual.csv", ["person", "bmi"], later[::2])
    assert not command("predict", "run", "usual.csv").stderr


def test_text_among_the_numbers_of_a_target_is_named_with_its_row(command, visits, tmp_path):
    rows = [line.split(",") for line in visits.read_text().splitlines()[1:]]
    rows[17][2], rows[40][2] = "unknown", "n.b."
    write(tmp_path / "text.csv", ["person", "bmi", "cost"], rows)
    told = (
        "has numbers, but text in 2 of 600 rows, such as 'unknown' in row 17, counted from 0; correct them, or leave "
        "the cells empty."
    )
    assert told in command("train", "text.csv", "--target-column", "cost", code=2).stderr
    command(*VISITS, "--groups", "person")
    assert told in command("evaluate", "run", "text.csv", code=2).stderr
    rows[40][2] = "1.0"
    write(tmp_path / "text.csv", ["person", "bmi", "cost"], rows)
    assert (
        "text in 1 of 600 rows, such as 'unknown' in row 17, counted from 0; correct it, or leave the cell"
        in (command("train", "text.csv", "--target-column", "cost", code=2).stderr)
    )


@pytest.mark.filterwarnings("always:.*counted from 0")
def test_text_among_few_numbers_makes_classes_and_is_told(command, visits, tmp_path):
    rows = [[i % 13, i % 7] for i in range(600)]
    for row in rows[17:500:5]:
        row[0] = "many"
    for row in rows[200:500]:
        row[0] = f"{row[0]}".replace("many", "3")
    write(tmp_path / "few.csv", ["count", "x"], rows)
    few = (
        "train",
        "few.csv",
        "--target-column",
        "count",
        "--epochs",
        1,
        "--quiet",
        "--overwrite",
        "--out",
        "run",
    )
    assert (
        "text in 37 of 600 rows, such as 'many' in row 17, counted from 0; correct them, or leave the cells empty. It "
        in (said := command(*few).stderr)
    )
    assert "It is predicted as 14 classes." in said
    assert "counted from 0" not in command(*few, "--loss", "softmax_cross_entropy").stderr


@pytest.mark.filterwarnings("always:whether the network")
def test_rows_without_the_column_of_the_groups_are_evaluated(command, visits, tmp_path):
    """All of them, with a remark, because by that column the test rows were chosen."""
    command(*VISITS, "--groups", "person")
    rows = [line.split(",")[1:] for line in visits.read_text().splitlines()[1:]]
    write(tmp_path / "others.csv", ["bmi", "cost"], rows)
    found = command("evaluate", "run", "others.csv")
    assert found.stdout.startswith("On 600 given samples")
    assert (
        "whether the network has learned from some of these rows is not known: others.csv has no column"
        in found.stderr
    )
    assert command("evaluate", "run", "visits.csv").stdout.startswith("On 120 test samples")


def test_the_reasons_of_the_first_rows_follow_the_rows(command, visits, tmp_path):
    """What is said of further rows is beneath those that it is about."""
    command(*VISITS, "--groups", "person")
    lines = command("predict", "run", "visits.csv", "--explain").stdout.splitlines()
    assert lines[21] == "... and 580 more rows; --out writes them all, --json prints them."
    assert lines[23] == "The reasons of the first 3 rows; --out writes those of all, --json prints them."
    assert [line for line in lines if line.startswith("row ")][20:] == ["row 0", "row 1", "row 2"]


def test_a_column_that_is_named_as_the_target(command, visits):
    """The error of what is no number says which option is meant."""
    said = " ".join(
        command("train", "visits.csv", "--target", "cost", code=2).stderr.replace("│", " ").split()
    )
    assert "Invalid value for '--target'" in said and "--target-column names the column to predict." in said


def test_info_rounds_what_it_prints(command, visits):
    """Six digits of the scale of the target; --json has all of them."""
    command(*VISITS, "--groups", "person")
    scale = command("info", "run", data=True)["target_scale"]
    mean = scale["mean"][0] if isinstance(scale["mean"], list) else scale["mean"]
    assert f"{mean!r}" != f"{mean:.6g}" and f"mean {mean:.6g}" in command("info", "run").stdout
