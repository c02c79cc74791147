"""The comparison with packages that choose their models: a cell, its file, and the page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from results import comma_separated
from run_automl import RESULTS, cell
from tables import automl_page
from tables.automl import AUTOML, TITLES
from tables.cells import Cell, Cells
from tables.loaders import TABLES, Table

FIRST = next(each.name for each in TABLES if not each.is_numeric)
SECOND = next(each.name for each in TABLES if each.is_numeric)


def put(cells: Cells, table: str, who: str, loss: float, *, row: float = 0.001, size: float = 1e6) -> None:
    """Keep a cell with one loss under both names."""
    found = {"log_loss": loss, "rmse": loss, "fit": 60.0, "row": row, "bytes": size}
    cells.put(Cell(table, who, 0, 100, 3, "2026-01-01", 0.5, found))


@pytest.fixture
def cells(tmp_path: Path) -> Cells:
    """Ours wins the first table by a tenth, and loses the second by a fifth."""
    made = Cells.read(tmp_path / "automl.jsonl")
    made.describe({"machine": {"processor": "one", "cores": 2}, "threads": 2, "seconds": 60, "versions": {}})
    put(made, FIRST, "best", 0.5)
    put(made, FIRST, "autogluon-best", 0.55, row=0.1, size=2e7)
    put(made, SECOND, "best", 10.0)
    put(made, SECOND, "autogluon-best", 8.0, row=0.4, size=8e7)
    return made


def test_who_is_ahead_and_the_means(cells: Cells):
    text = automl_page.text(cells)
    assert text.index("## Who is ahead") < text.index("## In the mean")
    assert f"| {SECOND} | AutoGluon best | RMSE | 10 | 8 | 20.0 |" in text
    assert f"| {FIRST} | AutoGluon best |" not in text
    # losses sqrt(1.1 * 0.8), rows sqrt(100 * 400), sizes sqrt(20 * 80)
    assert "| AutoGluon best | 2 | 0.938 | 1 | 1 | 200 | 40 |" in text
    assert automl_page.every_cell(cells)[2][:7] == [FIRST, "AutoGluon best", "log loss", 0.55, 60.0, 0.1, 2e7]
    assert f"| {FIRST} | **0.5** | 0.55 |" in text and f"| {SECOND} | 10 | **8** |" in text


@pytest.mark.slow
def test_a_cell_has_scores_seconds_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = tmp_path / "shipped"
    home.mkdir()
    (home / "__init__.py").write_text("")
    random = np.random.default_rng(0)
    X = pd.DataFrame({"a": random.normal(size=120), "b": random.choice(["x", "y", None], size=120)})
    X.assign(y=X["a"] > 0).to_csv(home / "rows.csv", index=False)
    monkeypatch.syspath_prepend(tmp_path)
    found = cell(Table("rows", "shipped", "rows.csv", "y", False), "ours", 0, 60.0)
    assert (found.rows, found.columns) == (120, 2)
    assert found.found["accuracy"] > 0.7 and 0 < found.found["row"] < found.found["fit"]
    assert found.found["bytes"] > 1000 and "chainrule" in found.versions


def test_the_page_is_of_the_results():
    assert set(TITLES) == set(AUTOML)
    cells = Cells.read(RESULTS)
    assert automl_page.text(cells) == (automl_page.DOCS / automl_page.PAGE).read_text("utf-8")
    rows = comma_separated(automl_page.every_cell(cells))
    assert rows == (automl_page.DOCS / automl_page.FILE).read_text("utf-8")
