"""Intervals and sets of labels by the command: in a report, in the terminal, as JSON and in a table."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from chainrule import MLPClassifier, MLPRegressor
from chainrule.cli.predict import outputs_of, show
from chainrule.recipe.answers import Answers
from chainrule.recipe.reported import JudgedIntervals, judged_intervals
from chainrule.recipe.run import begun, carry_out
from chainrule.recipe.settings import Settings
from chainrule.views import words
from chainrule.views.figures.tables import intervals
from chainrule.views.report.tables import TableRun, errors_or_calibration
from house_tables import read, write

RNG = np.random.default_rng(0)
AREA = RNG.uniform(30, 150, 500)
PRICE = 3 * AREA + RNG.normal(0, 30, 500)
TABLE = {
    "area": [f"{value:.2f}" for value in AREA],
    "price": [f"{value:.1f}" for value in PRICE],
    "kind": np.where(PRICE > 300, "dear", np.where(PRICE < 200, "cheap", "usual")).tolist(),
}
FAST = ("--epochs", 8, "--hidden", 16, "--quiet", "--out", "run")


@pytest.fixture
def homes(tmp_path):
    write(tmp_path / "homes.csv", TABLE, ["area", "price"])
    write(tmp_path / "kinds.csv", TABLE, ["area", "kind"])
    return tmp_path


def test_intervals_of_numbers(command, homes):
    command("train", "homes.csv", "--target-column", "price", *FAST)
    expected = MLPRegressor.load(homes / "run/model.safetensors").predict_interval(
        {"area": AREA.round(2)}, 0.8
    )
    rows = command("predict", "run", "homes.csv", "--interval", 0.8, data=True)
    np.testing.assert_allclose([row["interval"] for row in rows], expected, rtol=1e-6)
    assert 0.7 < np.mean((expected[:, 0] <= PRICE) & (expected[:, 1] >= PRICE)) < 0.9
    command("predict", "run", "homes.csv", "--interval", 0.8, "--out", "said.csv")
    said = read(homes / "said.csv")
    assert list(said[0]) == ["input", "row", "predicted", "lower", "upper"]
    np.testing.assert_allclose(
        [[float(row[end]) for end in ("lower", "upper")] for row in said], expected, rtol=1e-6
    )
    lines = command("predict", "run", "homes.csv", "--interval", 0.8).stdout.splitlines()
    assert lines[0] == "homes.csv" and lines[1].split() == ["predicted", "lower", "upper"]
    shown = [f"{float(row['predicted']):.2f}" for row in said[:20]]
    assert [line.split() for line in lines[2:22]] == [
        ["row", f"{i}", shown[i], f"{low:.2f}", f"{high:.2f}"] for i, (low, high) in enumerate(expected[:20])
    ]
    assert {len(line) for line in lines[1:22]} == {len(lines[1])}  # numbers end where their heads do
    plain = command("predict", "run", "homes.csv").stdout.splitlines()
    assert [line.split()[-1] for line in plain[1:21]] == shown and not lines[22].startswith("row")
    for interval, fault in ((90, "--interval must be a finite number above 0 and below 1, not 90.0"),):
        assert fault in command("predict", "run", "homes.csv", "--interval", interval, code=2).stderr
    found = command("predict", "run", "homes.csv", "--interval", 0.9, "--out", "said.npy", code=2)
    assert "--interval writes columns of a table; end 'said.npy' in .csv." in found.stderr


def test_numbers_that_the_terminal_is_too_narrow_for():
    """Several outputs with spreads and intervals have their columns, or in a narrow terminal their names."""
    one = np.array([[1.0, 2000.0], [2.5, 3000.25]])
    found = Answers("homes.csv", one, None, one / 10, np.stack([one - 0.5, one + 0.5], 2))
    said = {}
    for width in (200, 60):
        out = Console(file=io.StringIO(), width=width)
        show(out, found, [])
        said[width] = out.file.getvalue().splitlines()
    assert [" ".join(line.split()) for line in said[200][2:]] == [
        "row 0 1.0000 2000.0 0.10 200 0.5000 1.5000 1999.5 2000.5",
        "row 1 2.5000 3000.2 0.25 300 2.0000 3.0000 2999.8 3000.8",
    ]
    assert " ".join(" ".join(said[60][1:]).split()) == (
        "row 0 predicted 0 1.0000 predicted 1 2000.0 spread 0 0.10 spread 1 200 lower 0 0.5000 upper 0 1.5000 lower 1 "
        "1999.5 upper 1 2000.5 row 1 predicted 0 2.5000 predicted 1 3000.2 spread 0 0.25 spread 1 300 lower 0 2.0000 "
        "upper 0 3.0000 lower 1 2999.8 upper 1 3000.8"
    )


def test_one_interval_of_several_quantiles():
    ends = {"predicted 0": [], "predicted 1": [], "spread 0": [], "lower": [], "upper": []}
    assert outputs_of(ends) == {"0": ["predicted 0", "lower", "upper"], "1": ["predicted 1"]}


def test_sets_of_labels(command, homes):
    command("train", "kinds.csv", "--target-column", "kind", *FAST)
    made = MLPClassifier.load(homes / "run/model.safetensors")
    expected = made.predict_set({"area": AREA.round(2)}, 0.95)
    rows = command("predict", "run", "kinds.csv", "--interval", 0.95, data=True)
    assert [row["set"] for row in rows] == [made.classes_[each].tolist() for each in expected]
    command("predict", "run", "kinds.csv", "--interval", 0.95, "--out", "said.csv")
    said = read(homes / "said.csv")
    heads = [f"in the set({label})" for label in ("cheap", "dear", "usual")]
    assert [[int(row[head]) for head in heads] for row in said] == expected.astype(int).tolist()
    assert "in the set" in command("predict", "run", "kinds.csv", "--interval", 0.95).stdout
    empty = int((~made.predict_set({"area": AREA.round(2)}, 0.3).any(1)).sum())  # less than is right
    few = " ".join(command("predict", "run", "kinds.csv", "--interval", 0.3).stdout.split())
    assert empty > 0 and f"{empty} of 500 rows have no label in the set: none is probable enough." in few
    many = command("predict", "run", "kinds.csv", "--interval", 0.95).stdout
    assert ("no label in the set" in many) == (not expected.any(1).all())


def test_products_of_bfloat16(command, homes):
    """Of numbers, probabilities, spreads, intervals and sets of labels."""
    rows = {"area": AREA.round(2)}
    for table, kind in (("homes.csv", MLPRegressor), ("kinds.csv", MLPClassifier)):
        asked = ("--members", 2, "--preset", "fast")
        target = "price" if table == "homes.csv" else "kind"
        command("train", table, "--target-column", target, *asked, *FAST, "--overwrite")
        made = kind.load(homes / "run/model.safetensors")
        how = ("predict", "run", table, "--spread", "--interval", 0.8)
        full, halved = (command(*how, *more, data=True) for more in ((), ("--precision", "bf16")))
        if table == "homes.csv":
            found = np.array([[row["predicted"], row["spread"], *row["interval"]] for row in halved])
            ends = made.predict_interval(rows, 0.8, precision="bf16")
            apart = made.spread(rows, precision="bf16")
            expected = np.column_stack([made.predict(rows, precision="bf16"), apart, ends])
            others = np.array([[row["predicted"], row["spread"], *row["interval"]] for row in full])
        else:
            found = np.array([list(row["probabilities"].values()) for row in halved])
            others = np.array([list(row["probabilities"].values()) for row in full])
            expected = made.predict_proba(rows, precision="bf16")
            sets = made.predict_set(rows, 0.8, precision="bf16")
            assert [row["set"] for row in halved] == [made.classes_[each].tolist() for each in sets]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert not np.allclose(found, others, rtol=1e-5)


def test_a_model_without_held_out_rows(command, homes):
    command("train", "homes.csv", "--target-column", "price", "--l1", 0.001, *FAST)
    found = command("predict", "run", "homes.csv", "--interval", 0.9, code=2)
    assert "run keeps nothing of such; train it on a table, with --preset fast" in found.stderr


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_shows_how_many_judged_rows_are_inside(homes, language):
    settings = Settings(target_column="price", epochs=4, hidden=(8,))
    with begun(str(homes / "homes.csv"), settings, homes / "run") as prepared:
        done = carry_out(prepared)
    found = judged_intervals(done.run, done.judgement)
    assert found is not None and found.n == 100
    figure = intervals(found, done.judgement)
    assert [len(trace.x) for trace in figure.data[1:]] == [found.contains.sum(), (~found.contains).sum()]
    assert len(figure.data[0].x) == 300
    with words.spoken_in(language):
        of_table = TableRun(done.run.data.table, None, None, intervals=found)
        page = errors_or_calibration(of_table, done.judgement)
    inside = f"{100 * found.contains.mean():.1f} %"
    assert (f"contain {inside} of these 100" if language == "en" else f"這 100 列中的 {inside}") in page


def test_judged_intervals_by_hand():
    ends = np.array([[0.0, 2.0], [1.0, 5.0], [-1.0, 2.0]])
    found = JudgedIntervals(0.9, ends, np.array([2.0, 0.5, -1.0]))
    assert found.contains.tolist() == [True, False, True] and found.width == 3 and found.n == 3
