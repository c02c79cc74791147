"""Numbers and missing values written as text, as in the cells of a table.

    "12"  "-1.5e3"  "1,234.50"  "12 %"  "$5"  "5 €" with a decimal point; commas separate groups of three digits
    "3,14"  "1.234,50"                              with a decimal comma, if the whole column reads this way
    "1 234.5"  "1'234"  "1 234,50"                  groups of three digits behind blanks of any width, or apostrophes
    "(1,234.50)"  "$(12)"  "(5 %)"                  negative, as accounts write it: brackets around the whole amount
    ""  "NA"  "n/a"  "NaN"  "null"  "None"  "?"     missing

The minus sign U+2212, and digits and signs of full width, are those of ASCII.

"1,234" is a number with either decimal sign, 1234 or 1.234: `signs_of` says so, and the caller decides. No group of
digits begins with a zero: "0,875" is 0.875. Digits with a leading zero ("007", "02139", "(02)") are codes, not numbers.
In brackets a decimal comma has two decimals, or groups of digits before it: "(2,50)", not "(1,2)", which is a pair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset(
    (
        *("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", ".", "missing", "nat"),
        *("--", "–", "—", "..", "...", "…", "n.a.", "<na>"),
        *("#value!", "#div/0!", "#ref!", "#num!", "#null!", "#name?"),
    )
)
"""Spellings of a missing value in lower case."""

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(?:(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d*)?|,\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
POINTED_GROUPS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:\.\d{3})+\s*", re.ASCII)
"""A number whose points may separate groups of digits."""
COMMAS, _SEPARATOR = re.compile("[,，]"), re.compile("[.,．，]")
_UNITS = re.compile("[%$€£¥％＄￥]")
_OF_TEXT = re.compile("[,，%$€£¥％＄￥]")
_LONG, _WHOLE = re.compile("[0-9]{16}"), re.compile("[+-]?[0-9]{16,}")
_CODE = re.compile(r"[(（]?\s*[0０][0-9０-９]+\s*[)）]?")
_WORD = re.compile(r"(?!.*inf).*[a-df-z]", re.ASCII | re.IGNORECASE | re.DOTALL)
"""Text with a letter that no number has."""
_AROUND = re.compile(r"[$€£¥]?\s*(.*?)\s*[%$€£¥]?", re.DOTALL)
_PARTED = re.compile(r"[+-]?[1-9]\d{0,2}([ '])\d{3}(?:\1\d{3})*(?:[.,]\d*)?", re.ASCII)
_PAIR = re.compile(r"\d+,(?:\d|\d{3,})", re.ASCII)
_AS_ASCII = str.maketrans(
    {
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
        **dict(zip("－−＋．，％＄￥’（）", "--+.,%$¥'()", strict=True)),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u3000", " "),
    }
)
_FIRST = frozenset("0123456789.")
_DIGITS = re.compile(r"[0-9+\-.eE\n]+")
_CODES = re.compile(r"\n0[0-9]+\n")
SIGNS = b"0123456789+-.eE\n"
"""The characters of numbers with a decimal point, and the separator between them."""
POINT, COMMA = ".", ","


def is_missing(text: str) -> bool:
    """Return whether a text without surrounding blanks is a spelling of a missing value."""
    return len(text) < 8 and text.lower() in MISSING


def read_number(text: str, decimal: str = POINT) -> float:
    """Parse a number; infinity if beyond float64. Raises ValueError for other text."""
    if _PLAIN.fullmatch(text) and decimal == POINT:
        return float(text)
    written = text if text.isascii() else text.translate(_AS_ASCII)
    bare = _inside(written)
    if bare[:1] == "(" and bare[-1:] == ")":
        amount = _inside(bare[1:-1].strip())
        if amount[:1] in _FIRST and not (decimal == COMMA and _PAIR.fullmatch(amount)):
            bare = f"-{amount}"
    if bare[:2] in ("-$", "-€", "-£", "-¥"):  # of a negative amount
        bare = f"-{bare[2:].strip()}"
    if parted := _PARTED.fullmatch(bare):
        bare = bare.replace(parted[1], "")
    if decimal == COMMA and _COMMA.fullmatch(bare):
        return float(bare.replace(".", "").replace(",", "."))
    if decimal == POINT and _GROUPED.fullmatch(bare):
        return float(bare.replace(",", ""))
    if decimal == POINT and _PLAIN.fullmatch(bare):
        return float(bare)
    if _INFINITE.fullmatch(bare):
        return math.inf
    raise ValueError(f"{text[:40]!r} is not a number")


def _inside(text: str) -> str:
    """Return a text without a currency or % sign around it."""
    found = _AROUND.fullmatch(text)
    return found[1] if found else text


def decimal_of(texts: Sequence[str]) -> str | None:
    """Return the decimal sign with which all non-missing texts are numbers, the point if either; None without one."""
    return signs_of(texts).chosen(POINT)


class DecimalSigns(NamedTuple):
    """The decimal signs with which texts are numbers."""

    possible: str = ""
    """none, ".", "," or both"""
    are_others: bool = False
    """whether the numbers with the one are other ones than with the other"""

    @property
    def evident(self) -> str:
        """The only possible sign; "" for none and for both."""
        return self.possible if len(self.possible) == 1 else ""

    def chosen(self, otherwise: str) -> str | None:
        """Return the sign with which to read the texts, `otherwise` where that is open; None for other text."""
        return self.evident or (otherwise if self.are_others else POINT) if self.possible else None


def signs_of(texts: Sequence[str]) -> DecimalSigns:
    """Return the decimal signs with which all non-missing texts are numbers."""
    there = [text for text in texts if not is_missing(text)]
    if not there or _WORD.match(there[0]) or any(map(_CODE.fullmatch, there)) or beyond(there):
        return DecimalSigns()
    found = dict[str, list[float]]()
    for decimal in (POINT, COMMA):
        try:
            found[decimal] = _read(there, decimal)
        except ValueError:
            continue
        if decimal == POINT and not _SEPARATOR.search("\n".join(there)):
            return DecimalSigns(POINT + COMMA)
    numbers = list(found.values())
    return DecimalSigns("".join(found), len(numbers) == 2 and numbers[0] != numbers[1])


def beyond(texts: Sequence[str]) -> str | None:
    """Return a whole number among texts that float64 does not have, as the number of an account may be; else None."""
    if not _LONG.search("\n".join(texts)):
        return None
    return next((text for text in texts if _WHOLE.fullmatch(text) and int(text) != _nearest(text)), None)


def _nearest(text: str) -> float | int:
    found = float(text)
    return int(found) if math.isfinite(found) else found


def mixed_units(texts: Sequence[str]) -> tuple[str, str] | None:
    """Return two numbers with different signs of units among texts: $5 and €5, 5% and 0.05; None without such."""
    first = dict[str, str]()
    for text in texts:
        found = _UNITS.search(text)
        if found or (text.strip("0.,") and not is_missing(text)):
            first.setdefault(found[0].translate(_AS_ASCII) if found else "", text)
    with_sign = [text for sign, text in first.items() if sign]
    if len(with_sign) > 1:
        return with_sign[0], with_sign[1]
    return (first["%"], first[""]) if first.keys() == {"%", ""} else None


class Decimals(NamedTuple):
    """What decides on the decimal sign of a column whose cells are other numbers with the other one.

    That is the sign that is asked for, else the only one of the other columns that leave no choice, else the likely
    one, else the point.
    """

    asked: str | Mapping[str, str] = ""
    """a sign, or signs by the names of columns"""
    likely: str = ""
    """"," where cells are separated by ";", for commas that may be decimal ones"""
    groups_points: bool | None = None
    """whether points may separate groups of digits, as where commas do not separate cells; None of a workbook, whose
    numbers have no sign"""
    otherwise: str | None = (
        'pass decimal="," (--decimal , of the command) if they are decimal commas. A fitted model reads them as in '
        "training"
    )
    """the end of the warning where nothing decides on commas; None without the warning"""

    def asked_of(self, name: str) -> str:
        """Return the sign that is asked for of a column, or ""."""
        return self.asked if isinstance(self.asked, str) else self.asked.get(name, "")


UNDECIDED = Decimals()
"""Nothing is asked for, and no sign is the likely one."""


def is_number(text: str) -> bool:
    """Return whether a text without surrounding blanks is a number, with either decimal separator."""
    return not _WORD.match(text) and decimal_of([text]) is not None


def read_numbers(texts: Sequence[str], decimal: str = POINT) -> NDArray[np.float64]:
    """Return (texts,) numbers, NaN for missing ones. Raises ValueError with the first other text."""
    missing = np.fromiter(map(is_missing, texts), bool, len(texts))
    read = np.full(len(texts), math.nan)
    read[~missing] = _read(
        [text for text in texts if not is_missing(text)] if missing.any() else texts, decimal
    )
    return read


def read_cells(cells: Sequence[str]) -> list[float]:
    """Parse cells without commas and signs of units as numbers with a decimal point, NaN for missing ones.

    Raises ValueError for other text, and for digits that are a code.
    """
    full = [cell for cell in cells if cell]  # missing cells are usually empty
    joined = "\n".join(["", *full, ""])
    if joined.isascii() and not joined.encode().translate(None, SIGNS) and not _CODES.search(joined):
        try:
            if len(full) == len(cells):
                return list(map(float, cells))
            return [float(cell) if cell else math.nan for cell in cells]
        except ValueError:  # such as "1-2" or "e"
            pass
    if _OF_TEXT.search(joined):
        raise ValueError("what a comma and a unit say depends on the other cells")
    texts = [cell.strip() for cell in cells]
    if any(map(_CODE.fullmatch, texts)):
        raise ValueError("digits with a leading zero are a code")
    return list(read_numbers(texts))


def _read(texts: Sequence[str], decimal: str) -> list[float]:
    """Parse texts; those of digits only all at once. Raises ValueError."""
    if decimal == POINT and _DIGITS.fullmatch("\n".join(texts)):
        try:
            return list(map(float, texts))
        except ValueError:  # such as "1-2" or "e"
            pass
    return [read_number(text, decimal) for text in texts]
