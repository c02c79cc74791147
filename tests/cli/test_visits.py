"""A table of persons with several visits each: what the command notices of it, and of rows unlike all of them."""

from __future__ import annotations

import csv
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


@pytest.mark.filterwarnings("always::chainrule.errors.LeakWarning")
def test_it_names_the_option_that_a_table_of_persons_needs(command, visits, tmp_path):
    """With the scores on persons that are known, and on new ones; nothing more is said where it is passed."""
    said = command(*VISITS, "--report").stderr
    assert said.count("Warning") == 1 and said.rstrip().endswith("pass --groups person.")
    assert "rows with the same 'person' are alike: a small model has R² 0.9" in said
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "<h2>What the fit noticed</h2><p>Rows with the same" in page and "pass --groups person." in page
    assert "Warning" not in command(*VISITS, "--overwrite", "--groups", "person").stderr


def test_rows_unlike_those_of_training_are_pointed_out(command, visits, tmp_path):
    command(*VISITS, "--groups", "person")
    later = [("P3", 30.1), ("P4", 99.0), ("P5", 25.0)]
    write(tmp_path / "new.csv", ["person", "bmi"], later)
    found = command("predict", "run", "new.csv", "--interval", 0.9)
    assert found.stderr == "new.csv: 1 of 3 rows look like nothing in training: 1.\n"
    write(tmp_path / "usual.csv", ["person", "bmi"], later[::2])
    assert not command("predict", "run", "usual.csv").stderr
