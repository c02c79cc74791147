"""Read a sheet of an Excel workbook, .xlsx or .xlsm, with openpyxl, like the same sheet saved as CSV.

The visible sheet with a table is read, of several the one that is asked for. Its cells become the texts of a CSV file:
a formula its value when the workbook was saved, a date 2024-12-31, a boolean TRUE or FALSE, a duration its seconds, and
an error such as #DIV/0! a missing cell.

A workbook is a zip archive of XML. A first pass over its parts estimates the memory without keeping anything.
"""

from __future__ import annotations

import datetime
import os
import warnings
import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any
from xml.parsers import expat

from chainrule.core import hints
from chainrule.core.files import open_regular
from chainrule.datasets.cells import MAX_CELLS, TableColumns, columns_of
from chainrule.datasets.headers import AUTOMATIC, ROWS_LOOKED_AT, Header, TableLayout, find_header
from chainrule.datasets.idx import PathLike, check_bomb
from chainrule.errors import ChainruleError, DataError, FormatError, TableWarning, fault_of, option

MAX_ROWS = 1 << 20
"""Of a sheet; as many as in Excel."""
ROW_BYTES, ELEMENT_BYTES, OTHER_BYTES = 512, 128, 2048
"""openpyxl's memory per row, per element in a row or a text, and per other element."""
MAX_TAG, MAX_DEPTH = 1 << 20, 64
READ_BYTES = 1 << 16
TIMES_AS_LONG = 10
"""as many rows as any other table of a workbook has one that is read unasked"""
ERRORS = frozenset(("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA"))
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0"
"""The first bytes of Excel files before 2007, and of password-protected ones."""


def read_excel(path: PathLike, layout: TableLayout = AUTOMATIC) -> TableColumns:
    """Read a sheet of a workbook as columns by name, like `read_text_table` for CSV.

    Raises FormatError for damaged or too large files and without openpyxl, DataError if there is no table, or if there
    are several and the layout names none.
    """
    name = os.fspath(path)
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{name} is read by openpyxl, which is not installed; install chainrule[excel], or save the "
            "sheet as CSV."
        ) from error
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", module="openpyxl"
        )  # about content that openpyxl drops: pictures, validation rules
        if file.read(4) == OLE_SIGNATURE:
            raise FormatError(
                f"{name} is password-protected or from Excel before 2007; save it as .xlsx without a "
                "password."
            )
        try:
            with zipfile.ZipFile(file) as archive:
                _check_size(name, archive, os.fstat(file.fileno()).st_size)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
            if not sheets:
                raise DataError(f"{name} has no worksheet; put the table on its first sheet.")
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # the file's own may be wrong
            chosen = _chosen(name, sheets, book.worksheets, layout)
            header = find_header(name, _rows(name, chosen), layout)
            return columns_of(
                name, lambda: _of_width(name, _rows(name, chosen), header), header, layout.decimals
            )
        except (ChainruleError, MemoryError):
            raise
        except Exception as error:  # openpyxl documents no errors for damaged files
            raise FormatError(
                f"{name} is damaged or not an Excel workbook ({fault_of(error)}); save it again."
            ) from error


def _chosen(name: str, visible: list[Any], sheets: list[Any], layout: TableLayout) -> Any:
    """Return the sheet that a layout names, or the one with a table, and say which. visible: those to look for it."""
    if layout.sheet is not None:
        return _asked(name, visible, sheets, layout.sheet)
    usual = _find(visible, sheets, layout.usual_sheet)
    if usual is not None:
        return usual
    filled = [sheet for sheet in visible if next(_rows(name, sheet), None) is not None]
    if len(filled) < 2:
        return (filled or visible)[0]
    found = [sheet for sheet in filled if _is_table(name, sheet, layout, known=True)]
    found = found or [sheet for sheet in filled if _is_table(name, sheet, layout)] or filled[:1]
    if len(found) > 1:
        counts = [sum(1 for _ in _rows(name, sheet)) for sheet in found]
        second, most = sorted(counts)[-2:]
        if most < TIMES_AS_LONG * second:
            titles = ", ".join(repr(sheet.title) for sheet in found)
            raise DataError(f"{name} has tables in the sheets {titles}; name one as {option('sheet')}.")
        found = [found[counts.index(most)]]
    others = ", ".join(repr(sheet.title) for sheet in filled if sheet is not found[0])
    facts = {"name": name, "sheet": repr(found[0].title), "others": others}
    said = f"{name}: the sheet {found[0].title!r} is read, not {others}."
    hints.give(TableWarning(said, "sheet", **facts))
    return found[0]


def _asked(name: str, visible: list[Any], sheets: list[Any], asked: str | int) -> Any:
    """Return the sheet that a user names. Raises DataError if there is none."""
    if (found := _find(visible, sheets, asked)) is not None:
        return found
    titles = ", ".join(repr(sheet.title) for sheet in visible)
    raise DataError(f"{name} has no sheet {asked!r}, the value of {option('sheet')}; it has {titles}.")


def _find(visible: list[Any], sheets: list[Any], asked: str | int | None) -> Any:
    """Return a sheet by its name, or by its number among those that are visible; None if there is none."""
    for sheet in sheets:
        if sheet.title == asked:
            return sheet
    text = f"{asked}"
    is_number = text.isascii() and text.isdigit() and 0 < int(text) <= len(visible)
    return visible[int(text) - 1] if is_number else None


def _is_table(name: str, sheet: Any, layout: TableLayout, *, known: bool = False) -> bool:
    """Return whether a sheet has names of two columns or more and a row of as many; known: with those of a layout."""
    rows = list(islice(_rows(name, sheet), ROWS_LOOKED_AT))
    header = find_header(name, rows, layout._replace(header=None))
    if known and not (layout.names and set(layout.names) <= set(header.names)):
        return False
    return len(header.names) > 1 and any(sum(map(bool, cells)) > 1 for _, cells in rows[header.skip :])


def _rows(name: str, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Iterate over non-empty rows: number and cells, up to the last one that is not empty."""
    taken = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        taken += len(row)
        if number > MAX_ROWS or taken > MAX_CELLS:
            raise DataError(
                f"{name} has cells beyond row {MAX_ROWS:,}, or more than {MAX_CELLS:,} cells; pass a part of "
                "it."
            )
        texts = list(map(_text, row))
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            yield number, texts


def _of_width(
    name: str, rows: Iterator[tuple[int, list[str]]], header: Header
) -> Iterator[tuple[int, list[str]]]:
    """Iterate over rows, those of the table with as many cells as it has names."""
    width = len(header.names)
    for number, texts in rows:
        if number >= header.first and len(texts) > width:
            raise DataError(
                f"{name} has {texts[-1][:40]!r} in row {number}, column {len(texts)}, but names for {width} "
                f"columns{f' in row {header.line}' * (header.line > 0)}; name that column too, move other content to "
                f"another sheet, or give the row of the names as {option('header')}."
            )
        yield number, texts + [""] * (width - len(texts))


def _text(value: object) -> str:
    """Return a cell's value as a CSV file would have it."""
    if value is None or (isinstance(value, str) and value in ERRORS):
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time()
        return value.date().isoformat() if is_day else value.isoformat(" ")
    if isinstance(value, datetime.timedelta):
        return repr(value.total_seconds())
    return str(value).strip()


def _check_size(name: str, archive: zipfile.ZipFile, packed: int) -> None:
    """Raise FormatError for an archive whose parts would take far more memory than its size."""
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)  # no more is ever unpacked
    check_bomb(name, unpacked, packed)
    for part in parts:
        if part.filename.lower().endswith((".xml", ".rels")):
            with archive.open(part) as stream:
                unpacked = _Counter(name, unpacked, packed).read(stream)


class _Counter:
    """Counts openpyxl's memory for XML elements, without keeping them."""

    def __init__(self, name: str, taken: int, packed: int) -> None:
        self.name, self.taken, self.packed = name, taken, packed
        self.inside = self.depth = 0
        """the depth at which a row or a text began, 0 outside; the current depth"""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.declare

    def read(self, stream: IO[bytes]) -> int:
        """Read a part; return the memory counted up to its end."""
        fed = 0
        while piece := stream.read(READ_BYTES):
            self.parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(0, self.parser.CurrentByteIndex) > MAX_TAG:  # expat buffers a tag until its end
                raise ValueError("a tag has over a million characters")
            check_bomb(self.name, self.taken, self.packed)
        self.parser.Parse(b"", True)
        return self.taken

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("its elements are nested too deeply")
        kind = tag.rpartition(" ")[2]
        if not self.inside and kind in ("row", "si"):
            self.inside = self.depth
        self.taken += ROW_BYTES if kind == "row" else ELEMENT_BYTES if self.inside else OTHER_BYTES

    def end(self, tag: str) -> None:
        if self.inside == self.depth:
            self.inside = 0
        self.depth -= 1

    def declare(self, *_: Any) -> None:
        raise ValueError("it declares a document type, which workbooks do not")
