"""CSV files of numbers: what is read, what is refused, and how much memory that takes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from chainrule import DataError, FormatError
from chainrule.datasets import tables
from chainrule.datasets.tables import read_csv


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode())
    return path


def test_names_numbers_and_y(tmp_path):
    text = '\ufeff"a,b",y,"c\nd"\r\n1, low ,-2.5e3\r\n\r\n nan ,"hi\ngh",4\r\n'
    names, X, y = read_csv(write(tmp_path, text))
    assert names == ["a,b", "c\nd"] and y == [" low ", "hi\ngh"]
    np.testing.assert_array_equal(X, [[1, -2500], [np.nan, 4]])


@pytest.mark.parametrize(
    "text, shape, y",
    [("y\nb\na\n", (2, 0), ["b", "a"]), ("a\n1", (1, 1), None), ("y,y\n1,2\n", (1, 0), ["1"])],
)
def test_tables_of_few_columns(tmp_path, text, shape, y):
    table = read_csv(write(tmp_path, text))
    assert table.X.shape == shape and table.y == y


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "table.csv needs a line of the features' names and at least one row"),
        ("a,b\n\n", "table.csv needs a line of the features' names and at least one row"),
        ("a,b\n1,2\n\n3\n", r"table.csv has 1 cells in row 1 \(line 4\), and 2 names above"),
        ("a,b\n1,2\n3,x\n", r"table.csv contains 'x' in row 1 \(line 3\), column 'b'; encode text"),
        ("a,y,b\n1,x,\n", r"table.csv contains '' in row 0 \(line 2\), column 'b'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, text))


@pytest.mark.parametrize("data", [b"a\n\xff\n", b"a\n" + b'"' + b"1" * 200_000])
def test_what_is_no_csv_file(tmp_path, data):
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(FormatError, match=r"table.csv is no CSV file of UTF-8 text"):
        read_csv(tmp_path / "table.csv")


def test_rows_and_files_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROW", 1 << 20)
    for row in ("1," * (1 << 20), '"\n",' * (1 << 19)):  # one line, and a row of many lines
        with pytest.raises(DataError, match=r"a row of more than 1 million characters at line \d+"):
            read_csv(write(tmp_path, "a\n1\n" + row))
    monkeypatch.setattr(tables, "MAX_CSV_BYTES", 1 << 20)
    with pytest.raises(DataError, match="is larger than 1 MB"):
        read_csv(write(tmp_path, "a\n" + "1\n" * (1 << 20)))


def test_memory_stays_near_that_of_the_array(tmp_path):
    width, height = 50, 4000
    row = ",".join(["12"] * width + ["a label of some length"])
    path = write(tmp_path, "\n".join([",".join([*(f"x{k}" for k in range(width)), "y"]), *[row] * height]))
    tracemalloc.start()
    try:
        table = read_csv(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert table.X.shape == (height, width) and (table.X == 12).all()
    assert table.y == ["a label of some length"] * height
    assert peak < 2 * table.X.nbytes
