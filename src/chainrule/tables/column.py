"""A column as it came: numbers, dates or texts in one array, whatever library or objects held it.

form        values
number      (n,) float64, NaN for missing; infinities are missing and counted
boolean     the same, 0 and 1
date        the same, seconds since 1970 in universal time
duration    the same, seconds; the time of a day too
text        (n,) codes, -1 for missing, of the texts in the order in which they came
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from numbers import Real
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets.text_column import WrittenNumbers
from chainrule.errors import DataError

Array = NDArray[np.float64]
LONGEST = 256
"""Characters that tell a category apart; of a longer text, its beginning and a digest do."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MISSING, _NESTED, _COMPLEX = "missing", "nested", "complex"
_OWN = {bool, int, float, type(None)}
_WRITTEN = {"Interval", "Period"}
"""Classes of pandas whose text is a category's name."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    form: str
    values: NDArray[Any]
    texts: tuple[str, ...] = ()
    infinite: int = 0
    category_by: str = ""
    """why it is one of categories whatever its values look like: "declared" by its type, or by the "texts" of others"""
    decimal: str = ""
    """the decimal sign with which its numbers were read from text; "" where they were none, or either sign will do"""
    written: Column | None = None
    """the texts of its numbers, where these are others with the other sign and only a guess decided"""
    of_strings: bool = False
    """whether it is one of text by its type, in a data frame"""
    has_words: bool = False
    """whether it is one of numbers with words among them, maybe in other rows"""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where a value is missing, (n,)."""
        return self.values < 0 if self.form == "text" else np.isnan(self.values)

    def in_frame(self) -> Column:
        """Return the same of a data frame, which says by its type whether it is text."""
        return replace(self, of_strings=True) if self.form == "text" else self

    def take(self, rows: NDArray[np.int64]) -> Column:
        """Return the column of some rows; of a text column the codes are again in the order in which they come."""
        values = self.values[rows]
        if self.form != "text":
            written = None if self.written is None else self.written.take(rows)
            return replace(self, values=values, infinite=0, written=written)
        codes, first, places = np.unique(values, return_index=True, return_inverse=True)
        there = np.flatnonzero(codes >= 0)
        there = there[np.argsort(first[there])]
        new = np.full(len(codes), -1)
        new[there] = np.arange(len(there))
        texts = tuple(self.texts[code] for code in codes[there].tolist())
        return replace(self, values=new[places], texts=texts)


@dataclass(frozen=True, slots=True)
class CategoryCells:
    """Cells of a column of categories, whatever these look like: text that is no number is in other rows alone."""

    cells: Any
    kind: str = "category"
    """or "number", of numbers with words among them in other rows"""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.cells)


def numbers(name: str, values: Any, form: str = "number") -> Column:
    """Return a column of numbers; infinities become missing, and are counted."""
    with np.errstate(over="ignore"):
        made = np.asarray(values, np.float64)
    infinite = np.isinf(made)
    count = int(infinite.sum())
    column = Column(name, form, np.where(infinite, np.nan, made) if count else made, (), count)
    if not isinstance(values, WrittenNumbers) or not values.decimal:
        return column
    written = None if values.texts is None else texts(name, values.texts)
    return replace(column, decimal=values.decimal, written=written)


def texts(name: str, values: Iterable[str | float | None]) -> Column:
    """Return a column of texts, without blanks around them; an empty one is missing, and so is NaN.

    Each different one is looked at once.
    """
    given = values if isinstance(values, (list, tuple)) else list(values)
    codes: dict[Any, int] = dict.fromkeys(given, -1)
    known: dict[str | None, int] = {None: -1, "": -1}
    for value in codes:
        key = shorten_text(value.strip()) if isinstance(value, str) else None
        codes[value] = known.setdefault(key, len(known) - 2)
    made = np.fromiter(map(codes.__getitem__, given), np.int64, len(given))
    return Column(name, "text", made, tuple(known)[2:])  # type: ignore[arg-type]


def shorten_text(text: str) -> str:
    """Return a text of at most LONGEST characters that differs for different texts."""
    if len(text) <= LONGEST:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{text[: LONGEST - 17]}#{digest}"


def objects(name: str, values: Sequence[Any]) -> Column:
    """Return a column of Python objects. Raises DataError for one that holds complex numbers or nested objects."""
    kinds = set(map(type, values))
    sorts = {cls: _sort(cls) for cls in kinds}
    found = set(sorts.values()) - {_MISSING}
    if found == {"text"} and kinds <= {str, type(None)}:
        return texts(name, values)
    if str in kinds and kinds <= {float, str, type(None)} and not _has_number(values):
        return texts(name, values)
    for bad, said in ((_NESTED, "omit it, or make columns of what is in it"), (_COMPLEX, "split them")):
        if bad in found:
            row, value = next((i, v) for i, v in enumerate(values) if sorts[type(v)] == bad)
            what = "Complex data not supported" if bad == _COMPLEX else "A table's cells hold single values"
            raise DataError(
                f"{what}: column {name!r} has {type(value).__name__} {_show_value(value)} at row {row}; {said}."
            )
    if not found:
        return Column(name, "number", np.full(len(values), np.nan))
    if found <= {"number", "boolean"}:
        return numbers(name, _floats(values, kinds), "boolean" if found == {"boolean"} else "number")
    if found == {"date"}:
        return Column(name, "date", np.array([seconds_of(value) for value in values], float))
    if found == {"duration"}:
        return Column(name, "duration", np.array([_lasting(value) for value in values], float))
    return texts(name, [None if sorts[type(value)] == _MISSING else _text(value) for value in values])


def mask_of(values: object) -> NDArray[np.bool_] | None:
    """Return where the cells of one of NumPy's masked arrays are masked; None where none is, and of records."""
    if not isinstance(values, np.ma.MaskedArray) or values.dtype.names:
        return None
    mask = np.ma.getmaskarray(values)
    return mask if mask.any() else None


def is_missing_cell(value: object) -> bool:
    """Return whether a cell has no value: None, NaN, NaT or pandas' NA."""
    is_nan = isinstance(value, (float, np.floating)) and bool(np.isnan(value))
    return (
        is_nan
        or _sort(type(value)) == _MISSING
        or (isinstance(value, np.datetime64) and bool(np.isnat(value)))
    )


def plain(value: float) -> str:
    """Return a number as the name of a category: 1.0 is 1."""
    return str(int(value)) if value == math.floor(value) and abs(value) < 1e16 else repr(float(value))


def sort_of_values(cls: type) -> str:
    """Return the form of a class of values, or what is wrong with it."""
    if cls is type(None) or cls.__name__ in ("NAType", "NaTType"):
        return _MISSING
    if issubclass(cls, (bool, np.bool_)):
        return "boolean"
    if issubclass(cls, (complex, np.complexfloating)):
        return _COMPLEX
    if issubclass(cls, (datetime.timedelta, np.timedelta64, datetime.time)):
        return "duration"
    if issubclass(cls, (datetime.date, np.datetime64)):
        return "date"
    if issubclass(cls, (Decimal, Fraction, Real, np.integer, np.floating)):
        return "number"
    written = (str, bytes, uuid.UUID, PurePath, ipaddress._BaseAddress)
    if issubclass(cls, written) or cls.__name__ in _WRITTEN:
        return "text"
    return _NESTED


_sort: Callable[[Any], str] = lru_cache(maxsize=256)(sort_of_values)


def _has_number(values: Sequence[Any]) -> bool:
    """Return whether a float of these is not NaN."""
    return any(value == value for value in dict.fromkeys(values) if type(value) is float)


def _floats(values: Sequence[Any], kinds: set[type]) -> Array | list[float]:
    """Return numbers of these types, NaN for missing; those of Python's own all at once."""
    if kinds <= _OWN:
        try:
            return np.array(values, np.float64)
        except OverflowError:  # an integer beyond float64
            pass
    return list(map(_float, values))


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):  # a missing value, or a signaling NaN of Decimal
        return math.nan


def seconds_of(value: Any) -> float:
    """Return the seconds since 1970 of a date or a moment, in universal time; NaN for a missing one."""
    if isinstance(value, np.datetime64):
        return float("nan") if np.isnat(value) else float(value.astype("M8[us]").astype(np.int64)) / 1e6
    if _sort(type(value)) == _MISSING:
        return math.nan
    if not isinstance(value, datetime.datetime):
        return float(value.toordinal() - 719163) * 86400.0
    aware = (
        value
        if value.tzinfo is not None and value.utcoffset() is not None
        else value.replace(tzinfo=datetime.UTC)
    )
    return float((aware - _EPOCH).total_seconds())


def _lasting(value: Any) -> float:
    if isinstance(value, np.timedelta64):
        return float("nan") if np.isnat(value) else float(value.astype("m8[us]").astype(np.int64)) / 1e6
    if isinstance(value, datetime.time):
        return float(value.hour * 3600 + value.minute * 60 + value.second) + value.microsecond / 1e6
    return math.nan if _sort(type(value)) == _MISSING else float(value.total_seconds())


def _text(value: Any) -> str | None:
    """Return what a value of a column of several types is called; None for NaN."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if _sort(type(value)) == "number":
        number = _float(value)
        return None if math.isnan(number) else plain(number) if math.isfinite(number) else "inf"
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def _show_value(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        return ""
    return text[:40]
