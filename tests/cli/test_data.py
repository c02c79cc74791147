"""`chainrule data`: tables to begin with, and a shuffled copy of files."""

from __future__ import annotations

import csv
import shlex

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.datasets import load_diabetes


def test_shuffle(command, tmp_path):
    (tmp_path / "in").mkdir()
    parquet.write_table(pa.table({"k": np.arange(1000)}), tmp_path / "in" / "a.parquet")
    printed = command("data", "shuffle", "in", "out", "--row-group-size", 300).stdout
    assert printed.startswith("1,000 rows in 1 file of 4 row groups") and printed.strip().endswith("out")
    order = parquet.read_table(tmp_path / "out" / "part-00000.parquet")["k"].to_numpy()
    assert (np.sort(order) == np.arange(1000)).all() and (order != np.arange(1000)).any()
    found = command("data", "shuffle", "in", "other", "--seed", 1, data=True)
    assert found["rows"] == 1000 and found["path"] == "other"


@pytest.mark.parametrize(
    ("name", "rows", "columns", "target", "last"),
    [
        ("breast_cancer", 569, 31, "diagnosis", {"malignant", "benign"}),
        ("diabetes", 442, 11, "progression", None),
        ("iris", 150, 5, "species", {"setosa", "versicolor", "virginica"}),
        ("wine", 178, 14, "cultivar", {"class_0", "class_1", "class_2"}),
    ],
)
def test_a_table_to_begin_with(command, tmp_path, name, rows, columns, target, last):
    said = command("data", name).stdout.splitlines()
    assert said[0].startswith(f"{name}.csv: {rows} rows, {columns - 1} columns and {target}")
    assert said[1] == f"Next: chainrule train {name}.csv --target-column {target} --report"
    with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        heads, *cells = csv.reader(file)
    assert len(cells) == rows and {len(row) for row in cells} == {len(heads)} == {columns}
    assert heads[-1] == target and (last is None or {row[-1] for row in cells} == last)
    found = command("data", name, f"a {name}.csv", data=True)
    assert (found["path"], found["rows"], found["target_column"]) == (f"a {name}.csv", rows, target)
    assert (tmp_path / found["path"]).read_bytes() == (tmp_path / f"{name}.csv").read_bytes()
    assert shlex.split(found["next"])[2] == found["path"]


def test_the_numbers_of_a_table_are_those_of_scikit_learn(command, tmp_path):
    command("data", "diabetes")
    X, y = load_diabetes(return_X_y=True, scaled=False)
    assert (np.loadtxt(tmp_path / "diabetes.csv", delimiter=",", skiprows=1) == np.column_stack([X, y])).all()


def test_a_file_of_other_content_is_kept(command, tmp_path):
    (tmp_path / "iris.csv").write_text("my own\n")
    result = command("data", "iris", code=2)
    assert "iris.csv already exists" in result.stderr and "chainrule data iris other.csv" in result.stderr
    assert (tmp_path / "iris.csv").read_text() == "my own\n"
    for _ in range(2):  # the second time it is there already, as it would be written
        command("data", "iris", "other.csv")


def test_bad_input(command, tmp_path):
    for arguments, said in (
        (("shuffle", "none.parquet", "out"), "none.parquet does not exist"),
        (("sort", "none.parquet", "out"), "ACTION must be shuffle or a table (breast_cancer, diabetes, "),
        (("shuffle", "none.parquet"), "shuffle needs two places; type chainrule data shuffle IN OUT"),
        (("wine", "a.csv", "out"), "OUT, --seed and --row-group-size are for shuffle"),
        (("wine", "--seed", "1"), "OUT, --seed and --row-group-size are for shuffle"),
        (("wine", "wine.xlsx"), "IN must be a file with the ending .csv, not 'wine.xlsx'"),
        (("shuffle", "none.parquet", "out", "--seed", "-1"), "--seed must be an integer"),
        (("shuffle", ".", "out", "--row-group-size", "0"), "--row-group-size must be"),
    ):
        result = command("data", *arguments, code=2)
        assert said in result.stderr and "Traceback" not in result.stderr, result.stderr
