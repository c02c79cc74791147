"""Tables of text: their encoding, what Arrow makes of a column, and the table."""

from __future__ import annotations

import codecs
import csv
import importlib.util
import io
import os
import re
import sys
from array import array
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.core.files import open_regular
from chainrule.datasets.cells import TableColumns, columns_of, names_of, read_columns
from chainrule.datasets.headers import AUTOMATIC, TableLayout, find_header
from chainrule.datasets.idx import GZIP_SIGNATURE, MAX_RATIO, SAFE_BYTES, PathLike, check_bomb, read_growing
from chainrule.datasets.numerals import COMMA, MISSING, SIGNS, read_cells
from chainrule.datasets.text_column import TextsRead
from chainrule.errors import ConfigError, DataError, FormatError, option

# --- tell in which encoding a text is: UTF-8, UTF-16 with its mark, or one of the older encodings below --------------
# A text that is not UTF-8 is of the only older encoding in which it reads as its language is written, which is said.
# Where none or several are possible, as for a few characters, and where UTF-8 is damaged, it is refused with the first
# byte's place. An encoding that is named, or that an earlier text of the same origin had, needs no such judgment.

UTF_8 = "utf-8"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
ENCODINGS = {
    **{"cp950": "Big5, Taiwan", "gb18030": "GBK, mainland China", "cp932": "Shift-JIS, Japan"},
    **{"cp949": "EUC-KR, Korea", "cp1252": "Western Europe", "cp1251": "Cyrillic"},
}
"""The older encodings that are told apart, by Python's names."""
_COMMON = {
    "cp950": re.compile(rb"[\xa4-\xc5][\x40-\xfe]|\xc6[\x40-\x7e]|[\xa1-\xa3][\x40-\xfe]"),
    "gb18030": re.compile(rb"[\xa1\xa3\xb0-\xd7][\xa1-\xfe]"),
    "cp932": re.compile(
        rb"\x81[\x40-\xac]|\x82[\x4f-\xf1]|\x83[\x40-\x96]|[\x88-\x97][\x40-\xfc]|\x98[\x40-\x72]"
    ),
    "cp949": re.compile(rb"[\xa1\xa3\xb0-\xc8][\xa1-\xfe]"),
}
"""The characters in common use, which these encodings have in places of their own: kana, Hangul, the first level."""
MOST_RARE = 0.05
"""The share of a text's different characters that may be other ones."""
_FEWEST = 10
"""Different characters by which Korean is told from Chinese, whose common ones reach beyond the place of Hangul."""
_SIGNS = frozenset("\xa0€£§°²³·«»‘’“”„–—…•®©™¿¡¼½¾±×÷№‰")
_LETTER = r"[^\W\d_²³¹¼½¾]"
_WORD = re.compile(rf"{_LETTER}*(?![\x00-\x7f]){_LETTER}{_LETTER}*")
"""Letters of which one is not ASCII."""
_SPLIT = re.compile(r"[£³¼¾][^\W\d_]|[^\W\d_]¿")
"""Signs in words, which are letters of Central Europe."""
_WORDS = {
    "cp1251": re.compile("[А-ЯЁЄІЇҐЎ]?[а-яёєіїґў]+|[А-ЯЁЄІЇҐЎ]+"),
    "cp1252": re.compile(r"(?=.*[A-Za-z]|.$)(?!.*[^\x00-\x7f]{3})[A-Za-zÀ-ÖØ-öø-ÿŠšŽžŒœŸªºµ]+"),
}
"""The words of these encodings: of Western Europe with at most two letters in a row that are not ASCII."""
_BYTES_LOOKED_AT = 1 << 20
"""The characters whose words are looked at."""


def encoding_of(name: str, data: bytes, asked: str | None = None, likely: str | None = None) -> str:
    """Return the encoding in which all of a text can be read.

    name: of the text, for messages.  asked: the encoding, if it is named.  likely: that of an earlier text of the same
    origin.  Raises FormatError for bytes that are not text in this encoding, or in any; ConfigError for an unknown one.
    """
    if asked is not None:
        return _checked(name, data, asked)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _checked(name, data, encoding)
    if b"\0" in data[: 1 << 20]:
        place = data.index(b"\0")
        raise FormatError(
            f"{name} is not a CSV file, because byte {place} is 0; save it as text, or rename a Parquet file "
            "to .parquet."
        )
    try:
        data.decode(UTF_8)
        return UTF_8
    except UnicodeDecodeError as error:
        return _older(name, data, error.start, likely)


def _checked(name: str, data: bytes, encoding: str) -> str:
    """Return an encoding in which a text can be read. Raises FormatError or ConfigError."""
    try:
        codecs.lookup(encoding)
        data.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{name} is not {encoding.upper()} text: {_place(data, error.start)}; name another "
            f"{option('encoding')}, or save it as UTF-8."
        ) from error
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"{option('encoding')} must be an encoding that Python knows, such as utf-8, cp950, gb18030, cp932 or "
            f"cp1252, not {encoding!r:.60}."
        ) from error
    return encoding


def _older(name: str, data: bytes, first: int, likely: str | None) -> str:
    """Return the older encoding of a text whose byte `first` is not UTF-8."""
    readings = {each: text for each in ENCODINGS if (text := _decoded(data, each)) is not None}
    as_utf_8 = data[: 4 * _BYTES_LOOKED_AT].decode(UTF_8, "surrogateescape")
    bad = len(re.findall("[\udc80-\udcff]", as_utf_8))
    if 2 * bad <= len(re.findall("[^\x00-\x7f]", as_utf_8)):  # as many characters are whole as bytes are not
        raise FormatError(
            f"{name} is UTF-8, but {_place(data, first)} is not; correct it, or name another {option('encoding')}."
        )
    found = {each: text for each, text in readings.items() if _is_written_in(each, text)}
    is_sure = likely not in ("cp1251", "cp1252")  # of which every byte is a character
    if likely in found or (likely is not None and is_sure and _decoded(data, likely) is not None):
        return likely
    found = _without_coincidences(found)
    if len(set(found.values())) != 1:
        shown = [
            f"{each} ({ENCODINGS[each]}: {_shown(text)!r})" for each, text in (found or readings).items()
        ]
        raise FormatError(
            f"{name} is not UTF-8: {_place(data, first)}; save it as UTF-8, or name its {option('encoding')}, such as "
            f"{', '.join(shown[:4]) or 'cp950, gb18030 or cp1252'}."
        )
    encoding = next(iter(found))
    hints.give(
        f"{name} is not UTF-8; it is read as {encoding} ({ENCODINGS[encoding]}), such as {_shown(found[encoding])!r}; "
        'if that is wrong, name its encoding (encoding="...", or --encoding of the command).'
    )
    return encoding


def _without_coincidences(found: dict[str, str]) -> dict[str, str]:
    """Return the readings of a text without those that another one explains better.

    A letter of Western Europe and the ASCII letter behind it are also one character of East Asia: "°C" is one of Big5.
    """
    asian = found.keys() & _COMMON.keys()
    pairs = [character.encode(each) for each in asian for character in _characters(found[each])]
    if "cp1252" in found and all(pair[-1] < 0x80 for pair in pairs):
        return {each: text for each, text in found.items() if each not in asian}
    if "cp949" in found and len(_characters(found["cp949"])) >= _FEWEST:
        return {each: text for each, text in found.items() if each not in asian - {"cp949"}}
    return found


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)[:_BYTES_LOOKED_AT]
    except (LookupError, ValueError):
        return None


def _characters(text: str) -> set[str]:
    return {character for character in set(text) if not character.isascii()}


def _is_written_in(encoding: str, text: str) -> bool:
    """Return whether a text reads as one of its language."""
    characters = _characters(text)
    if encoding in _COMMON:
        common = _COMMON[encoding]
        rare = sum(not common.fullmatch(character.encode(encoding)) for character in characters)
        return rare <= MOST_RARE * len(characters)
    signs = {character for character in characters if not character.isalpha()}
    return (
        signs <= _SIGNS
        and not _SPLIT.search(text)
        and all(map(_WORDS[encoding].fullmatch, set(_WORD.findall(text))))
    )


def _shown(text: str) -> str:
    """Return some letters and signs around the first one that is not ASCII."""
    found = re.search(r"[^\W_]*[^\x00-\x7f][^\x00-\x2f:-@]*", text)
    return found[0][:20] if found else ""


def _place(data: bytes, place: int) -> str:
    line, column = data.count(b"\n", 0, place) + 1, place - data.rfind(b"\n", 0, place)
    return f"byte 0x{data[place]:02X} at place {column:,} of line {line:,} (byte {place:,} of the file)"


# --- split the text of a CSV file into cells by PyArrow, if it is installed and gives what the standard library gives
# Both readers agree on UTF-8 without zero bytes, with lines that end in a line feed or a carriage return and a line
# feed, and with quotes around whole cells only, doubled inside. This is checked first. Everything else, and whatever
# PyArrow refuses, is left to the standard library's reader, whose errors name the line.

MIN_BYTES, MIN_BYTES_TO_IMPORT = 1 << 20, 8 << 20
"""The bytes from which PyArrow is faster: if it is imported already, and if it has to be imported first."""
MAX_COLUMNS = 2_000
"""With more columns a block has so few rows that reading it column by column is slower."""
BLOCK_BYTES = 1 << 20
"""The bytes that PyArrow splits at a time; a longer row is left to the standard library."""
_FEW = 1 << 10
"""The cells that are looked at together for one with a point."""
_PIECE_BYTES = 1 << 22
"""The bytes whose quotes are checked at a time."""


class NotAlike(Exception):
    """PyArrow refuses the text, or may split it differently than the standard library."""


class ArrowCells:
    """The cells of some rows in one column as PyArrow's strings, null if empty or missing."""

    def __init__(self, column: Any) -> None:
        """Hold a column of a batch."""
        self.column = column

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.column)

    def add_numbers(self, numbers: array[float]) -> None:
        """Add the cells as numbers, parsed as by `read_cells`. Raises ValueError, and adds none then."""
        import pyarrow as pa

        if self._is_plain():
            try:
                read: NDArray[np.float64] = self.column.cast(pa.float64()).to_numpy(zero_copy_only=False)
                numbers.frombytes(read.tobytes())
                return
            except pa.ArrowInvalid:  # such as "1-2" or "e", or a number beyond float64
                pass
        numbers.extend(read_cells(self.column.fill_null("").to_pylist()))

    def with_point(self) -> Iterator[str]:
        """Iterate over the cells with a decimal point."""
        if self._text()[0].find(b".") < 0:
            return
        for begin in range(0, len(self), _FEW):
            yield from (
                cell for cell in self.column[begin : begin + _FEW].to_pylist() if cell and "." in cell
            )

    def texts(self) -> list[str]:
        """Return the cells as texts."""
        return list(self.column.fill_null("").to_pylist())

    def add_texts(self, texts: TextsRead) -> None:
        """Add the cells as texts."""
        coded = self.column.fill_null("").dictionary_encode()
        texts.add_coded(coded.dictionary.to_pylist(), coded.indices.to_numpy())

    def _is_plain(self) -> bool:
        """Return whether all cells consist of digits, signs, points and e, and none is digits with a leading zero."""
        joined, places = self._text()
        if joined.translate(None, SIGNS):
            return False
        text, starts = np.frombuffer(joined, np.uint8), places[:-1][np.diff(places) > 1]
        return not ((text[starts] == ord("0")) & (text[starts + 1] - ord("0") < 10)).any()

    def _text(self) -> tuple[bytes, NDArray[np.int32]]:
        """Return the cells as one text, and where each begins and the last one ends."""
        _, ends, data = self.column.buffers()
        places = np.frombuffer(ends, np.int32)[self.column.offset :][: len(self.column) + 1]
        return bytes(memoryview(data or b"")[places[0] : places[-1]]), places - places[0]


def batches(data: bytes, delimiter: str, begin: int, width: int) -> Iterator[list[ArrowCells]]:
    """Iterate over the rows of a text from byte `begin` in batches, by column.

    Raises NotAlike, even after some batches, for a text that is left to the standard library.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    if width > MAX_COLUMNS or data.startswith(codecs.BOM_UTF8, begin):  # PyArrow skips it
        raise NotAlike
    names = [str(k) for k in range(width)]
    limit = csv.field_size_limit()
    try:
        opened = arrow.open_csv(
            pa.py_buffer(data)[begin:],
            arrow.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
            arrow.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in data),
            arrow.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=missing_spellings(),
                strings_can_be_null=True,
            ),
        )
        for batch in opened:
            for column in batch.columns:
                places = np.frombuffer(column.buffers()[1], np.int32)
                if len(column) and np.diff(places[column.offset :][: len(column) + 1]).max() > limit:
                    raise NotAlike
            if batch.num_rows:
                yield list(map(ArrowCells, batch.columns))
    except pa.ArrowException as error:
        raise NotAlike from error


def begin_of_rows(data: bytes, encoding: str, lines: int) -> int:
    """Return the byte after the first lines of a text and the byte order mark.

    Raises NotAlike for a row of several lines among them, or without a row after them.
    """
    begin = len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
    for _ in range(lines):
        end = data.find(b"\n", begin) + 1
        if not end or data.count(b'"', begin, end) % 2:
            raise NotAlike
        begin = end
    return begin


def can_split(data: bytes, encoding: str, delimiter: str) -> bool:
    """Return whether PyArrow is installed, worth its import, and splits a text as the standard library does."""
    return (
        len(data) >= (MIN_BYTES if "pyarrow" in sys.modules else MIN_BYTES_TO_IMPORT)
        and encoding in ("utf-8", "utf-8-sig")
        and importlib.util.find_spec("pyarrow") is not None
        and b"\0" not in data
        and (b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"))
        and _are_quotes_around_cells(data, delimiter)
    )


def _are_quotes_around_cells(data: bytes, delimiter: str) -> bool:
    """Return whether every quote opens a cell, closes one, or is half of a doubled quote inside one.

    No carriage return may be inside quotes: PyArrow drops a line feed after one at the end of a block.
    """
    if b'"' not in data:
        return True
    outside = np.zeros(256, bool)
    outside[[ord(delimiter), ord("\n"), ord("\r"), ord('"')]] = True
    text, count = np.frombuffer(data, np.uint8), 0
    for begin in range(0, len(text), _PIECE_BYTES):
        piece = text[begin : begin + _PIECE_BYTES]
        places = np.flatnonzero(piece == ord('"')) + begin
        returns = np.flatnonzero(piece == ord("\r")) + begin
        opens = (np.arange(len(places)) + count) % 2 == 0
        before, after = places[opens] - 1, places[~opens] + 1
        if not (outside[text[before[before >= 0]]].all() and outside[text[after[after < len(text)]]].all()):
            return False
        if ((np.searchsorted(places, returns) + count) % 2).any():
            return False
        count += len(places)
    return count % 2 == 0


# --- read a CSV file with columns of numbers and text ----------------------------------------------------------------
# The delimiter (comma, semicolon, tab, pipe) is the one that splits the first rows, but for a title above them, into
# the most columns, equally many, or that of a first line such as "sep=;"; the encoding is UTF-8, or another one (see
# below). A column whose cells are all numbers (see `chainrule.datasets.numerals`) is numeric;
# missing cells are NaN in numbers, None in text.
#
# The standard library's reader splits the cells, or for a large file PyArrow where it splits them alike
# (`chainrule.datasets.text_tables`), so that a file reads the same on every installation. `chainrule.datasets.cells`
# makes columns of them.

MAX_BYTES = 1 << 30
MAX_ROW = 16 << 20  # characters; the cells of a row take ten times the memory
DELIMITERS = ",;\t|"
_LOOKED_AT = 64 << 10
"""the number of characters used to detect the delimiter"""
_SAID = re.compile(r'"?sep=([^"\r\n])"?(?=\r?\n)', re.IGNORECASE)
"""A first line that names the delimiter, as for Excel."""


class TextTable(dict[str, Any]):
    """The columns of a text by name."""

    def __init__(self, columns: TableColumns, encoding: str) -> None:
        """Take columns, and the encoding of their text."""
        super().__init__(columns)
        self.encoding = encoding


def read_text_table(path: PathLike, layout: TableLayout = AUTOMATIC) -> TextTable:
    """Read a CSV file, plain or gzip (detected by content), as columns by name: (n,) numbers, or sequences of text.

    The first line below a title contains the names (see `chainrule.datasets.headers`), unless all its cells are
    numbers: the columns are then called x1, x2, ... Empty lines are skipped; a column without a name is "unnamed: k".
    Raises FormatError for non-text, DataError for rows of unequal length, duplicate names and no rows.
    """
    name = os.fspath(path)
    return text_table(name, _contents(path, name), layout)


def text_table(name: str, data: bytes, layout: TableLayout = AUTOMATIC) -> TextTable:
    """Return the columns of the bytes of a CSV file, as `read_text_table`. name: of the data, for errors."""
    encoding = encoding_of(name, data, layout.encoding, layout.usual_encoding)
    head, read_as = data[: 4 * _LOOKED_AT].decode(encoding, "ignore")[:_LOOKED_AT], encoding
    if said := _SAID.match(head):
        delimiter, read_as = said[1], UTF_8
        data = data.decode(encoding)[said.end() :].encode()
    else:
        delimiter = delimiter_of(head)
    decimals = layout.decimals._replace(
        groups_points=delimiter != ",", likely=COMMA if delimiter == ";" else ""
    )

    def rows() -> Iterator[tuple[int, list[str]]]:
        return _rows(name, io.TextIOWrapper(io.BytesIO(data), read_as, newline=""), delimiter)

    header = find_header(name, rows(), layout)
    if can_split(data, read_as, delimiter):
        try:
            begin = begin_of_rows(data, read_as, header.line or header.first - 1)
            names = names_of(name, header)
            read = partial(batches, data, delimiter, begin, len(names))
            return TextTable(read_columns(name, names, read, decimals), encoding)
        except NotAlike:
            pass
    return TextTable(columns_of(name, rows, header, decimals), encoding)


def _contents(path: PathLike, name: str) -> bytes:
    """Return the unpacked bytes of a file. Raises DataError for more than MAX_BYTES."""
    with open_regular(path) as file:
        is_packed = file.read(2) == GZIP_SIGNATURE
        file.seek(0)
        size = min(os.fstat(file.fileno()).st_size, MAX_BYTES + 1)
        data = _unpack(name, file, MAX_BYTES) if is_packed else file.read(size)
    if len(data) > MAX_BYTES:
        raise DataError(
            f"{name} is larger than {MAX_BYTES >> 30} GB; pass a part of its rows, or a Parquet file."
        )
    return data


def _unpack(name: str, file: BinaryIO, most: int) -> bytes:
    """Return the contents of a gzip file, truncated to `most` + 1 bytes.

    Raises FormatError for a damaged file, and as `check_bomb`.
    """
    import gzip
    import zlib

    packed = os.fstat(file.fileno()).st_size
    safe = max(SAFE_BYTES, MAX_RATIO * packed)
    with gzip.GzipFile(fileobj=file) as stream:
        try:
            data = read_growing(stream.read, min(safe, most) + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(
                f"{name} cannot be unpacked past byte {stream.tell()} of its contents: {error}; download the "
                "file again."
            ) from error
    check_bomb(name, len(data), packed)
    return bytes(data)


def delimiter_of(text: str) -> str:
    """Return the delimiter of a text's first rows; the comma if none splits them."""
    lines = text.splitlines()
    whole = lines[:-1] if len(lines) > 1 and len(text) >= _LOOKED_AT else lines
    best, most = ",", (0, 1)
    for delimiter in DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(whole[:50], delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not counts or counts[-1] == 1:
            continue
        equal = next((k for k, count in enumerate(reversed(counts)) if count != counts[-1]), len(counts))
        is_whole = equal == len(counts)
        is_below = equal > 1 and counts[-1] not in counts[:-equal]  # a title, of another number of cells
        if (is_whole or is_below) and (len(counts) if is_whole else equal, counts[-1]) > most:
            best, most = delimiter, (equal, counts[-1])
    if most == (0, 1) and whole:  # rows of unequal length: the most frequent in the first line
        best = max(DELIMITERS, key=whole[0].count)
    return best


def _rows(name: str, text: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Iterate over non-empty rows: the line on which each ends, and its cells."""
    pending = 0

    def lines() -> Iterator[str]:
        nonlocal pending
        for line in text:
            pending += len(line)
            if pending > MAX_ROW:
                raise DataError(
                    f"{name} has a row of more than {MAX_ROW >> 20} million characters at line "
                    f"{reader.line_num + 1}; fix its quotes, or remove columns."
                )
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    try:
        for cells in reader:
            pending = 0
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise FormatError(
            f"{name} is not valid CSV at line {reader.line_num}: {error}; fix its quotes, or shorten that "
            "cell."
        ) from error


def missing_spellings() -> list[str]:
    """Return common spellings of a missing value; `is_missing` accepts more."""
    return sorted(
        {form(each) for each in MISSING for form in (str.lower, str.upper, str.title)} | {"NaN", "NaT"}
    )
