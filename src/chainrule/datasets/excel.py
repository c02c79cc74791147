"""Read a sheet of an Excel workbook, .xlsx or .xlsm, by openpyxl: the columns that the same sheet has as CSV.

The first visible sheet is read. Its cells become the texts that a CSV file would have: a formula is the value that it
had when the workbook was saved, a date is 2024-12-31, a truth value TRUE or FALSE, a duration its seconds, and an error
such as #DIV/0! a missing cell.

A workbook is a zip archive of XML. How much memory its parts will take is found by a pass over them that keeps nothing.
"""

from __future__ import annotations

import datetime
import os
import warnings
import zipfile
from collections.abc import Iterator
from typing import IO, Any
from xml.parsers import expat

from chainrule.core.files import open_regular
from chainrule.datasets.idx import PathLike, refuse_bomb
from chainrule.datasets.text_tables import MAX_CELLS, TableColumns, columns_of
from chainrule.errors import ChainruleError, DataError, FormatError

MAX_ROWS = 1 << 20
"""Of a sheet; Excel has as many."""
ROW_BYTES, ELEMENT_BYTES, OTHER_BYTES = 512, 128, 2048
"""What openpyxl takes for a row, for an element in a row or a text, and for any other element."""
MAX_TAG, MAX_DEPTH = 1 << 20, 64
PIECE = 1 << 16
ERRORS = frozenset(("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA"))
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0"
"""How files of Excel before 2007 begin, and those that a password protects."""


def read_excel(path: PathLike) -> TableColumns:
    """Read the first visible sheet of a workbook as columns by name, as `read_text_table` reads CSV.

    Raises FormatError for damaged files, for what takes too much memory and without openpyxl, DataError for no table.
    """
    name = os.fspath(path)
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{name} is read by openpyxl, which is not installed; install chainrule[excel], or save the sheet as CSV."
        ) from error
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of what openpyxl does not keep: pictures, rules for what may be typed
        if file.read(4) == OLE_SIGNATURE:
            raise FormatError(
                f"{name} is protected by a password or of Excel before 2007; save it as .xlsx without one."
            )
        try:
            with zipfile.ZipFile(file) as archive:
                _check_size(name, archive, os.fstat(file.fileno()).st_size)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
            if not sheets:
                raise DataError(f"{name} has no sheet of cells; put the table on its first sheet.")
            sheets[0].reset_dimensions()  # what a file says of them may be wrong
            return columns_of(name, lambda: _rows(name, sheets[0]))
        except (ChainruleError, MemoryError):
            raise
        except Exception as error:  # openpyxl promises no list of what a damaged file makes it raise
            said = " ".join(f"{error}".split())[:120] or type(error).__name__
            raise FormatError(f"{name} is damaged or no Excel workbook ({said}); save it anew.") from error


def _rows(name: str, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Iterate over the rows that are not empty, from that of the names on: number and cells, as many as it has."""
    width = cells = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells += len(row)
        if number > MAX_ROWS or cells > MAX_CELLS:
            raise DataError(
                f"{name} has cells outside of {MAX_ROWS:,} rows, or over {MAX_CELLS:,}; give a part."
            )
        if not row:
            continue
        texts = list(map(_text, row))
        while texts and not texts[-1]:
            texts.pop()
        if not texts:
            continue
        width = width or len(texts)
        if len(texts) > width:
            raise DataError(
                f"{name} has {texts[-1][:40]!r} in row {number}, column {len(texts)}, and names of {width} columns; "
                "name it too, or move what does not belong to the table to another sheet."
            )
        yield number, texts + [""] * (width - len(texts))


def _text(value: Any) -> str:
    """Return what a CSV file would have for the value of a cell."""
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
    """Raise FormatError for an archive whose parts would take far more memory than it has bytes."""
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)  # no more is unpacked, whatever there is
    refuse_bomb(name, unpacked, packed)
    for part in parts:
        if part.filename.lower().endswith((".xml", ".rels")):
            with archive.open(part) as stream:
                unpacked = _Counter(name, unpacked, packed).read(stream)


class _Counter:
    """Counts what the elements of XML take as openpyxl has them, without keeping one."""

    def __init__(self, name: str, taken: int, packed: int) -> None:
        self.name, self.taken, self.packed = name, taken, packed
        self.inside = self.depth = 0
        """the depth at which a row or a text began, 0 outside of them; the depth now"""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.declare

    def read(self, stream: IO[bytes]) -> int:
        """Read a part, and return what is taken with it."""
        fed = 0
        while piece := stream.read(PIECE):
            self.parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(0, self.parser.CurrentByteIndex) > MAX_TAG:  # which expat keeps until its end
                raise ValueError("a tag has over a million characters")
            refuse_bomb(self.name, self.taken, self.packed)
        self.parser.Parse(b"", True)
        return self.taken

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("its elements nest too deep")
        kind = tag.rpartition(" ")[2]
        if not self.inside and kind in ("row", "si"):
            self.inside = self.depth
        self.taken += ROW_BYTES if kind == "row" else ELEMENT_BYTES if self.inside else OTHER_BYTES

    def end(self, tag: str) -> None:
        if self.inside == self.depth:
            self.inside = 0
        self.depth -= 1

    def declare(self, *_: Any) -> None:
        raise ValueError("it declares a document type, which no workbook does")
