"""Excel workbooks as tables: what the same sheet is as CSV; what is none, or would fill the memory, is refused."""

from __future__ import annotations

import datetime
import io
import math
import re
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.datasets import idx, read_table, table_files


def workbook(path: Path, *rows: list[Any], **others: list[list[Any]]) -> Path:
    """Write a sheet and, before it, others by name: "_a" is hidden, "__a" very hidden, as a macro hides it."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in [*others.items(), ("table", list(rows))]:
        sheet = book.create_sheet(name)
        state = len(name) - len(name.lstrip("_"))
        sheet.sheet_state = ("visible", "hidden", "veryHidden")[state]
        for row in lines:
            sheet.append(row)
    book.save(path)
    return path


def with_sheet(path: Path, xml: str, name: str = "xl/worksheets/sheet1.xml") -> Path:
    """Write a workbook in which a part is other XML; {} in it is the namespace."""
    workbook(path, ["a", "b"], [1, 2])
    data = path.read_bytes()
    text = xml.replace("{}", 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"')
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, text)
    return path


def plain(table: Any) -> dict[str, list[Any]]:
    return {
        name: [None if isinstance(v, float) and math.isnan(v) else v for v in values]
        for name, values in table.items()
    }


def test_every_kind_of_cell(tmp_path: Path):
    day, time = datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 12, 30)
    path = workbook(
        tmp_path / "t.xlsx",
        [],
        ["n", " city ", "day", "when", "ok", "lasts", "zip", 2024, None, "wrong", "early"],
        [
            1,
            "Oslo",
            day,
            time,
            True,
            datetime.timedelta(hours=30),
            "007",
            5,
            " x ",
            "#DIV/0!",
            datetime.datetime(2024, 1, 2, 0, 5),
        ],
        [],
        [-2.5e-3, None, None, day, False, datetime.timedelta(minutes=1), "02139", None, None, 7, None],
        [None, None, None, None, None, None, None, None, None, "#GETTING_DATA", day, "  "],
        _notes=[["hidden"]],
    )
    assert plain(read_table(path)) == {
        "n": [1, -0.0025, None],
        "city": ["Oslo", None, None],
        "day": ["2024-01-02", None, None],
        "when": ["2024-01-02 12:30:00", "2024-01-02", None],
        "ok": ["TRUE", "FALSE", None],
        "lasts": [108_000, 60, None],
        "zip": ["007", "02139", None],
        "2024": [5, None, None],
        "unnamed: 8": ["x", None, None],
        "wrong": [None, 7, None],
        "early": ["2024-01-02 00:05:00", None, "2024-01-02"],
    }


def test_a_sheet_is_what_it_is_as_csv(tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = [["x", "word", "late", "gap"]]
    for k in range(300):
        number = round(float(rng.normal()), 6)
        rows.append([number, f"w{k % 7}", "text" if k == 299 else k, None if k % 3 else k / 4])
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert plain(read_table(workbook(tmp_path / "T.XLSX", *rows))) == plain(read_table(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], r"t.xlsx is empty; it needs a header"),
        ([["a", "b"]], r"t.xlsx has a header but no rows"),
        ([["a", "a"], [1, 2]], r"has two columns named 'a'"),
        (
            [["a", "b"], [1, 2], [], [3, None, "note"]],
            r"has 'note' in row 4, column 3, but names for 2 columns",
        ),
    ],
)
def test_what_is_no_table(rows: list[list[Any]], said: str, tmp_path: Path):
    with pytest.raises(c.DataError, match=said):
        read_table(workbook(tmp_path / "t.xlsx", *rows))


def test_sheets_that_are_hidden_are_not_read(tmp_path: Path):
    rows = [["a", "b"], [1, 2], [3, 4]]
    other = [["k", "m"], [5, 6], [7, 8]]
    found = read_table(workbook(tmp_path / "t.xlsx", *rows, _old=other, __lists=other))
    assert plain(found) == {"a": [1, 3], "b": [2, 4]}
    path = workbook(tmp_path / "t.xlsx", *rows, __lists=other)
    assert list(read_table(path, sheet="__lists")) == ["k", "m"]  # unless one is asked for
    with pytest.raises(c.DataError, match=r"has no sheet 2, the value of sheet; it has 'table'\."):
        read_table(path, sheet=2)


def test_the_sheet_with_the_table_is_read(tmp_path: Path):
    rows = [["Sales of May"], [], ["shop", "sold"], ["a", 1], ["b", 2], ["c", 3]]
    notes = [["About this file"], ["Sales in thousands."]]
    path = workbook(tmp_path / "t.xlsx", *rows, notes=notes, empty=[])
    with pytest.warns(UserWarning) as said:
        found = read_table(path)
    assert [str(each.message).partition(": ")[2] for each in said] == [
        "the sheet 'table' is read, not 'notes'.",
        "the header is in row 3; the 2 rows above it were skipped.",
    ]
    assert plain(found) == {"shop": ["a", "b", "c"], "sold": [1, 2, 3]}
    assert (
        plain(read_table(path, sheet="table", header=3))
        == plain(read_table(path, sheet=3, header=3))
        == plain(found)
    )


def test_of_several_tables_one_is_asked_for(tmp_path: Path):
    rows = [["shop", "sold"], ["a", 1], ["b", 2]]
    path = workbook(tmp_path / "t.xlsx", *rows, May=[["town", "rain"], ["x", 5], ["y", 6]])
    with pytest.raises(c.DataError, match=r"has tables in the sheets 'May', 'table'; name one as sheet\."):
        read_table(path)
    assert plain(read_table(path, sheet="May")) == {"town": ["x", "y"], "rain": [5, 6]}
    assert (
        plain(read_table(path, sheet="2"))
        == plain(read_table(path, sheet=2))
        == {"shop": ["a", "b"], "sold": [1, 2]}
    )
    with pytest.warns(
        UserWarning, match="the sheet 'table' is read, not 'May'"
    ):  # which has the columns that are known
        assert list(read_table(path, names=["sold"])) == ["shop", "sold"]
    with pytest.raises(
        c.DataError, match=r"has no sheet 'june', the value of sheet; it has 'May', 'table'\."
    ):
        read_table(path, sheet="june")
    with pytest.raises(c.ConfigError, match="sheet must be the name of a sheet, its number from 1"):
        read_table(path, sheet=1.5)
    longer = workbook(tmp_path / "t.xlsx", rows[0], *rows[1:] * 3, codes=[["code", "means"], ["a", "north"]])
    with pytest.raises(c.DataError, match=r"has tables in the sheets 'codes', 'table'"):
        read_table(longer)
    wide = workbook(tmp_path / "t.xlsx", ["a", "note", "beside", "it"], *rows)
    assert list(read_table(wide, header=2)) == ["shop", "sold"]
    long = workbook(tmp_path / "t.xlsx", rows[0], *rows[1:] * 20, codes=[["code", "means"], ["a", "north"]])
    with pytest.warns(UserWarning, match="the sheet 'table' is read, not 'codes'"):
        assert len(read_table(long)["shop"]) == 40


def test_damaged_and_protected_files(tmp_path: Path):
    whole = workbook(path := tmp_path / "t.xlsx", ["a", "b"], [1, "x"], [2, "y"]).read_bytes()
    for damaged in (b"", b"a,b\n1,2\n", whole[:-30], whole[: len(whole) // 2], whole[:50] + whole[90:]):
        path.write_bytes(damaged)
        with pytest.raises(
            c.FormatError, match=r"t.xlsx is damaged or not an Excel workbook \(.+\); save it again"
        ):
            read_table(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(c.FormatError, match=r"is password-protected or from Excel before 2007; save it"):
        read_table(path)


def test_without_openpyxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        c.FormatError, match=r"is not installed; install chainrule\[excel\], or save the sheet as CSV"
    ):
        read_table(tmp_path / "t.xlsx")


SHEET = "<worksheet {}><sheetData>%s</sheetData></worksheet>"
STRINGS = "xl/sharedStrings.xml"
BOMBS = {
    "zeros": (SHEET % ("<row>" + " " * (8 << 20) + "</row>"), "", r"packed bytes claim to contain \d+"),
    "cells of one row": (SHEET % ("<row>" + "<c/>" * 300_000 + "</row>"), "", "claim to contain"),
    "rows": (SHEET % ("<row/>" * 100_000), "", "claim to contain"),
    "texts": ("<sst {}>" + "<si/>" * 200_000 + "</sst>", STRINGS, "claim to contain"),
    "merged cells": (
        "<worksheet {}><sheetData/><mergeCells>"
        + '<mergeCell ref="A1:B2"/>' * 20_000
        + "</mergeCells></worksheet>",
        "",
        "claim to contain",
    ),
    "depth": (SHEET % ("<row>" * 70 + "</row>" * 70), "", "its elements are nested too deeply"),
    "a tag": (SHEET % ("<row a='" + "1 " * (1 << 20) + "'/>"), "", "a tag has over a million characters"),
    "entities": (
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
        + SHEET % "<row><c><v>&c;</v></c></row>",
        "",
        "it declares a document type",
    ),
    "a row far below": (
        SHEET % '<row r="1"><c r="A1"><v>1</v></c></row><row r="99999999999"/>',
        "",
        "beyond row",
    ),
    "columns far to the right": (
        SHEET % "".join(f'<row r="{k}"><c r="ZZZ{k}"><v>1</v></c></row>' for k in range(1, 20)),
        "",
        "or more than 200,000",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    xml, part, said = BOMBS[name]
    path = with_sheet(tmp_path / "t.xlsx", xml, part or "xl/worksheets/sheet1.xml")
    assert path.stat().st_size < 40_000
    monkeypatch.setattr(idx, "SAFE_BYTES", 4 << 20)
    monkeypatch.setattr(table_files, "MAX_ROWS", 10_000)
    monkeypatch.setattr(table_files, "MAX_CELLS", 200_000)
    tracemalloc.start()
    try:
        with pytest.raises(c.ChainruleError, match=said) as caught:
            read_table(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert re.search(r"t\.xlsx", str(caught.value)) and len(str(caught.value)) < 400
