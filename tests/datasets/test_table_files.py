"""Tables from files: CSV as people write it, Parquet, Arrow; what is none is refused by file, line and column."""

from __future__ import annotations

import gzip
import math
import sys
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, parquet

import chainrule as c
from chainrule.datasets import cells, idx, read_table, table_files, text_tables
from chainrule.tables.target import infer_task


def written(tmp_path: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def columns(table: Any) -> dict[str, list[Any]]:
    return {
        name: [None if isinstance(v, float) and math.isnan(v) else v for v in values]
        for name, values in table.items()
    }


PLAIN = {"age": [31.0, None, 7.5], "city": ["Oslo", None, "Łódź"], "day": ["2024-01-01", "2024-01-02", None]}


@pytest.mark.parametrize(
    "text",
    [
        "age,city,day\n31,Oslo,2024-01-01\n?,NA,2024-01-02\n7.5,Łódź,\n",
        "age;city;day\r\n31;Oslo;2024-01-01\r\n;null;2024-01-02\r\n7,5;Łódź;n/a\r\n",
        "age\tcity\tday\n31\tOslo\t2024-01-01\n\tnan\t2024-01-02\n\n7.5\tŁódź\t\n",
        'age| city |day\n"31"| Oslo|2024-01-01\n| |2024-01-02\n7.5|"Łódź"|None\n',
        "\ufeffage,city,day\n31,Oslo,2024-01-01\n,,2024-01-02\n7.5,Łódź,\n",
        "age,city,day\n31,Oslo,2024-01-01\n,,2024-01-02\n7.5,Łódź,\n".encode("utf-16"),
    ],
)
def test_one_table_in_many_writings(tmp_path: Path, text: str | bytes):
    assert columns(read_table(written(tmp_path, text))) == PLAIN


def test_cells_as_people_write_them(tmp_path: Path):
    text = 'id,note,zip,price\n1,"a, b\nc ""d""",007,"1,234.50"\n2,x,02139,$3\n'
    found = columns(read_table(written(tmp_path, text)))
    assert found == {
        "id": [1, 2],
        "note": ['a, b\nc "d"', "x"],
        "zip": ["007", "02139"],
        "price": [1234.5, 3],
    }
    assert columns(read_table(written(tmp_path, "1,2\n3,4\n"))) == {"x1": [1, 3], "x2": [2, 4]}
    assert list(read_table(written(tmp_path, ",a,\n0,b,c\n"))) == ["unnamed: 0", "a", "unnamed: 2"]
    assert columns(read_table(written(tmp_path, "one\nx\ny\n"))) == {"one": ["x", "y"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"t.csv is empty; it needs a header"),
        ("a,b\n", r"t.csv has a header but no rows"),
        (
            "a,b\n1,2\n3\n",
            r"has 1 cell in line 3, but 2 names in line 1 \(column 'b' is missing\); make them equal",
        ),
        (
            "a,b\n1,2\n\n3,4,5\n",
            r"has 3 cells in line 4, but 2 names in line 1 \(the last cells have no name\)",
        ),
        (
            "Sales 2024\n1,b\n1,c\n",
            r"has 2 cells in line 2, but 1 name in line 1 .*; if that is a title, give the row of the names as header",
        ),
        ("a,b,a\n1,2,3\n", r"has two columns named 'a' \(1 and 3 of line 1\)"),
        ("a\n" + "x" * 200_000, "is not valid CSV at line 2: field larger than field limit"),
        (b"a,b\n\x00\x01", r"is not a CSV file, because byte 4 is 0"),
        (b"\xff\xfea", r"is not UTF-16 text: byte 0x61 at place 3"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str | bytes, said: str):
    with pytest.raises(c.ChainruleError, match=said):
        read_table(written(tmp_path, text))


TITLED = {
    "a title": ("Sales\nday,sold\n2024-01-01,3\n2024-01-02,4\n", 2, ["day", "sold"]),
    "blank lines and a note": (
        "Sales\n\nas of 1 May, all shops\n\na;b;c\n1,5;x;2\n2,5;y;3\n",
        5,
        ["a", "b", "c"],
    ),
    "as Excel saves it": (
        "Sales;;\n;;\nStand:;1.5.;\nName;Ort;Alter\na;b;1\nc;d;2\n",
        4,
        ["Name", "Ort", "Alter"],
    ),
    "text only": ("Members\nname,town,team\na,b,c\nd,e,f\n", 2, ["name", "town", "team"]),
    "names that are years": ("Rain\nplace,2019,2020\na,1,2\nb,3,4\n", 2, ["place", "2019", "2020"]),
    "a column without a name": ("Rain\n,wet,dry\n0,1,2\n1,3,4\n", 2, ["unnamed: 0", "wet", "dry"]),
    "dates and text": ("Log\nwhen\twhat\n2024-01-01\ta\n2024-01-02\tb\n", 2, ["when", "what"]),
    "missing cells": ("Log\nx,what\n1,\nNA,b\n,c\n", 2, ["x", "what"]),
}


@pytest.mark.parametrize("case", TITLED)
def test_names_below_a_title(tmp_path: Path, case: str):
    text, row, names = TITLED[case]
    path = written(tmp_path, text)
    above = f"the {row - 1} rows above it were" if row > 2 else "the row above it was"
    with pytest.warns(UserWarning, match=rf"t.csv: the header is in row {row}; {above} skipped\.") as said:
        found = read_table(path)
    assert list(found) == names and len(said) == 1
    assert columns(read_table(path, header=row)) == columns(found)
    whole = written(tmp_path, "".join(text.splitlines(keepends=True)[row - 1 :]), "whole.csv")
    assert columns(read_table(whole)) == columns(found)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (",0\na,5\nb,6\n", ["unnamed: 0", "0"]),
        (",word\na,x\nb,y\n", ["unnamed: 0", "word"]),
        ("name,\nx,y\nu,v\n", ["name", "unnamed: 1"]),
        ("a,b\nm,kg\n1,2\n", ["a", "b"]),
        ("one\nx y\nz\n", ["one"]),
        ("2019,2020,2021\n5,6,7\n", ["2019", "2020", "2021"]),
        ("2018,2020,2022\n2019,2021,2023\n", ["x1", "x2", "x3"]),
        ("2019,2019,2020\n1,2,3\n", ["x1", "x2", "x3"]),
        ("2019,5\n2020,6\n", ["x1", "x2"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*the years 2019 to 2021 are taken for names")
def test_names_in_the_first_line(tmp_path: Path, text: str, names: list[str]):
    assert list(read_table(written(tmp_path, text))) == names


def test_the_row_of_the_names_can_be_given(tmp_path: Path):
    path = written(tmp_path, "a,b\nc,d\n\n1,2\n3,4\n")
    assert columns(read_table(path, header=2)) == {"c": [1, 3], "d": [2, 4]}
    assert columns(read_table(path, header=4)) == {"1": [3], "2": [4]}
    assert columns(read_table(path, header=0)) == {"x1": ["a", "c", "1", "3"], "x2": ["b", "d", "2", "4"]}
    for header in (3, 9):
        with pytest.raises(c.DataError, match=f"has no cells in row {header}, the value of header"):
            read_table(path, header=header)
    for bad in (-1, 1.5, True, "1"):
        with pytest.raises(c.ConfigError, match="header must be the number of a row from 1, 0 for none"):
            read_table(path, header=bad)
    with pytest.warns(UserWarning, match="the header is in row 2"):  # as its names are known
        assert list(read_table(path, names=["d"])) == ["c", "d"]
    with pytest.warns(UserWarning, match="the table has no header, and begins in row 3; the 2 rows above"):
        assert columns(read_table(written(tmp_path, "Run 5\n\n1,2\n3,4\n"))) == {"x1": [1, 3], "x2": [2, 4]}


def test_a_large_table_below_a_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = "".join(f"{k},w{k % 7}\n" for k in range(500))
    found = []
    for least in (1, 1 << 20):  # by PyArrow and by the standard library
        monkeypatch.setattr(text_tables, "MIN_BYTES", least)
        with pytest.warns(UserWarning, match="row 4; the 3 rows above"):
            found.append(columns(read_table(written(tmp_path, f"Title\r\n\r\nNote\r\nn,word\r\n{rows}"))))
    assert found[0] == found[1] and len(found[0]["n"]) == 500


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = written(tmp_path, "a,b\n1,2\n3,4\n")
    for name, most, said in [
        ("MAX_BYTES", 5, "is larger than"), ("MAX_CELLS", 3, "more than 3 cells"), ("MAX_COLUMNS", 1, "has 2 columns"),
    ]:  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(text_tables if name == "MAX_BYTES" else cells, name, most)
            with pytest.raises(c.DataError, match=said):
                read_table(path)
    parquet.write_table(pa.table({"a": range(9)}), tmp_path / "t.parquet")
    monkeypatch.setattr(table_files, "MAX_CELLS", 5)
    feather.write_feather(pa.table({"a": range(9)}), tmp_path / "t.arrow")
    for name in ("t.parquet", "t.arrow"):
        with pytest.raises(c.DataError, match="has 9 rows and 1 columns, more than 5 cells"):
            read_table(tmp_path / name)


@pytest.mark.parametrize("text", ["a,b\n1,x\n2,y\n", "a;b\n1;x\n2;y\n".encode("utf-16")])
def test_packed_files(tmp_path: Path, text: str | bytes):
    data = text if isinstance(text, bytes) else text.encode()
    for name in ("t.csv.gz", "T.TSV.GZ", "t.csv"):  # by its first bytes
        assert columns(read_table(written(tmp_path, gzip.compress(data), name))) == {
            "a": [1, 2],
            "b": ["x", "y"],
        }
    assert columns(read_table(written(tmp_path, data, "plain.csv.gz"))) == {"a": [1, 2], "b": ["x", "y"]}
    for damaged in (
        gzip.compress(data)[:-9],
        gzip.compress(data)[:-1],
        gzip.compress(data) + b"more",
        b"\x1f\x8b",
    ):
        with pytest.raises(c.FormatError, match=r"d.csv.gz cannot be unpacked past byte \d+ of its contents"):
            read_table(written(tmp_path, damaged, "d.csv.gz"))


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bomb = gzip.compress(b"a\n" + b"1\n" * 1_000_000, 9)
    assert len(bomb) < 10_000
    monkeypatch.setattr(idx, "SAFE_BYTES", 1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(c.FormatError, match="over 200 times"):
            read_table(written(tmp_path, bomb, "t.csv.gz"))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(text_tables, "MAX_BYTES", 1 << 10)
    with pytest.raises(c.DataError, match="is larger than"):
        read_table(written(tmp_path, gzip.compress(np.random.default_rng(0).bytes(4096)), "t.csv.gz"))
    text = pa.table({"a": pa.array(["x" * 1_000_000 + str(k) for k in range(4)])})
    parquet.write_table(text, tmp_path / "t.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(c.FormatError, match="over 200 times"):
        read_table(tmp_path / "t.parquet")
    feather.write_feather(pa.table({"a": np.zeros(1 << 20)}), tmp_path / "t.arrow", "zstd", chunksize=1 << 14)
    with pytest.raises(c.FormatError, match="over 200 times"):
        read_table(tmp_path / "t.arrow")


@pytest.mark.parametrize("late", ["x", "007", "01", "０１", "(02)", "1,5", "inf"])
@pytest.mark.parametrize("rows", [0, 1, 9, 10])
def test_a_column_is_what_all_of_its_cells_say(tmp_path, monkeypatch, late: str, rows: int):
    """Read in pieces, of which the first say less than the last does."""
    text = "a;b;c\n" + "1;;z\n" * rows + f"{late};2;\n"
    at_once = read_table(written(tmp_path, text))
    monkeypatch.setattr(cells, "CHUNK", 6)
    found = read_table(written(tmp_path, text))
    assert columns(found) == columns(at_once) and columns(found)["b"] == [None] * rows + [2]
    first = {"1,5": 1, "inf": 1}.get(late, "1")
    assert columns(found)["a"] == [first] * rows + [{"1,5": 1.5, "inf": math.inf}.get(late, late)]


CELLS = [
    *(
        "",
        "1",
        "-2.5",
        "+3",
        ".5",
        "4.",
        "1e3",
        "1E400",
        "-0",
        "007",
        "0",
        "00.5",
        "1,5",
        "1_0",
        "e",
        "1-2",
        "inf",
        "NaN",
    ),
    *(
        "NA",
        "na ",
        "?",
        "-",
        ".",
        " ",
        " 7",
        "7 ",
        "12 %",
        "x",
        "x y",
        "\u00e9",
        "\u2028",
        "x" * 40,
        "'",
        "\\",
        "\ufeff",
    ),
    *('""', '"a,b"', '"a\nb"', '"a\r\nb"', '"a""b"', '"1"', '"', 'a"b', '"a"b', "\t", ";", "\r", "\0"),
]
ROWS = st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3), min_size=1, max_size=6)


@pytest.mark.filterwarnings(
    "ignore:.*(the header is in row|the table has no header|numbers with different signs)"
)
@given(rows=ROWS, width=st.integers(0, 3), delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]),
       mark=st.booleans(), block=st.sampled_from([8, 64, 1 << 20]))  # fmt: skip
def test_pyarrow_reads_what_the_standard_library_reads(rows, width, delimiter, end, mark, block):
    """Whatever the text, in pieces or whole: the same columns to the bit, or the same error."""
    if width:  # most rows are of one width, as a table's are
        rows = [(row * width)[:width] for row in rows]
    text = ("\ufeff" if mark else "") + end.join(delimiter.join(row) for row in rows)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = written(Path(folder), text.encode())
        expected = outcome(path)
        patch.setattr(text_tables, "MIN_BYTES", 0)
        patch.setattr(text_tables, "BLOCK_BYTES", block)
        assert outcome(path) == expected


def outcome(path: Path) -> object:
    """The columns of a file with the bits of their numbers, or its error."""
    try:
        return {
            name: values.tobytes() if isinstance(values, np.ndarray) else list(values)
            for name, values in read_table(path).items()
        }
    except c.ChainruleError as error:
        return type(error), str(error)


def test_pyarrow_reads_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Numbers with missing cells, one that turns into text late, labels and quoted texts, in several blocks."""
    rows = [
        f'{k / 7},{k or ""},{k if k < 25_000 else "x"},{"abc"[k % 3]},"say ""{k}"", or\nso"'
        for k in range(30_000)
    ]
    path = written(tmp_path, "\n".join(["number,missing,late,label,text", *rows]))
    parted = []
    batches = text_tables.batches
    monkeypatch.setattr(text_tables, "batches", lambda *a: parted.append(a) or batches(*a))
    found = outcome(path)
    assert len(parted) == 2  # again for the column that turned out to be text
    monkeypatch.setattr(text_tables, "MIN_BYTES", 1 << 40)
    assert found == outcome(path)


def test_rows_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_tables, "MAX_ROW", 1 << 20)
    for row in ("1," * (1 << 20), '"\n",' * (1 << 19)):  # one line, and a row of many lines
        with pytest.raises(c.DataError, match=r"a row of more than 1 million characters at line \d+"):
            read_table(written(tmp_path, "a\n1\n" + row))


def test_memory_stays_near_that_of_the_array(tmp_path: Path):
    width, height = 50, 4000
    row = ",".join(["12"] * width + ["a label of some length"])
    path = written(tmp_path, "\n".join([",".join([*(f"x{k}" for k in range(width)), "y"]), *[row] * height]))
    tracemalloc.start()
    try:
        table = read_table(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert table.pop("y") == ["a label of some length"] * height
    assert (np.stack(list(table.values())) == 12).all()
    assert peak < 8 * 50 * 4000 + 3 * path.stat().st_size + 12 * cells.CHUNK * 8


def test_files_of_arrow(tmp_path: Path):
    table = pa.table({"n": [1.5, None, 2.0], "s": ["x", None, "y"]})
    parquet.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, tmp_path / "t.feather")
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    for name in ("t.parquet", "t.feather", "t.arrow"):
        assert read_table(tmp_path / name).equals(table)
        damaged = written(tmp_path, (tmp_path / name).read_bytes()[:40], f"damaged-{name}")
        with pytest.raises(c.FormatError, match="is damaged or not a valid"):
            read_table(damaged)


def test_views_of_texts_in_parquet(tmp_path: Path):
    table = pa.table({"v": pa.array(["x", None, "a text of more than twelve letters"] * 9, pa.string_view())})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(table)


def test_other_endings_and_no_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(c.FormatError, match=r"has the ending '.ods'; a table must have one of .csv, .tsv"):
        read_table(written(tmp_path, "x", "t.ods"))
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        c.FormatError, match=r"is not installed; install chainrule\[tables\], or save the table as CSV"
    ):
        read_table(written(tmp_path, "x", "t.parquet"))
    assert columns(read_table(written(tmp_path, "a,b\n1,x\n"))) == {"a": [1], "b": ["x"]}


def test_a_file_and_its_frame_become_the_same(tmp_path: Path):
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=50).round(3), "word": rng.choice(["a", "b", "c"], 50).tolist()}
    lines = [f"{x},{word}" for x, word in zip(*data.values(), strict=True)]
    table = read_table(written(tmp_path, "\n".join(["x,word", *lines])))
    expected = c.TablePreprocessor().fit_transform(data)
    np.testing.assert_array_equal(c.TablePreprocessor().fit_transform(table), expected)


@pytest.mark.parametrize(
    ("y", "task", "why"),
    [
        (["yes", "no", None] * 9, "binary", "two_values"),
        ([1.5, 7.25] * 9, "binary", "two_values"),
        ([True, False], "binary", "two_values"),
        (["a", "b", "c"], "multiclass", "texts"),
        (list(range(10)) * 10, "multiclass", "few_whole_numbers"),
        (list(range(10)) * 9, "regression", "many_whole_numbers"),
        (list(range(21)) * 100, "regression", "many_whole_numbers"),
        ([0.5, 1, 2] * 99, "regression", "fractions"),
        (["1,200", "1,300", "1,400.5"], "regression", "fractions"),
    ],
)
def test_the_task_is_inferred(y: list[Any], task: str, why: str):
    found = infer_task(y)
    assert (found.task, found.why, found.missing) == (task, why, y.count(None))


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([1, 1], "y has 1 value in 2 rows"),
        ([None], "y has 0 values in 0 rows"),
        (["2020-01-01", "2020-01-02"], "y holds dates"),
    ],
)
def test_what_is_no_target(y: list[Any], said: str):
    with pytest.raises(c.DataError, match=said):
        infer_task(y)
