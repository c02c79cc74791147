"""Tell what a column is from its values, and read later tables as the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.datasets import numerals
from chainrule.errors import ConfigError, DataError, TableWarning
from chainrule.tables import calendar, marks
from chainrule.tables.calendar import LATEST, Array, orders_of
from chainrule.tables.column import Column, plain
from chainrule.tables.learned import LearnedColumn
from chainrule.tables.spellings import (
    FALSE,
    TRUE,
    are_codes,
    code_of,
    decimal_of,
    nearly_numbers,
    spellings,
    without_words,
)

BOOLEANS = ("False", "True")
_DIGIT = re.compile(r"\d", re.ASCII)


class Taken(NamedTuple):
    """A column by what it was taken for."""

    kind: str
    why: str
    values: NDArray[np.float64]
    """(n,): numbers, seconds or, of booleans and categories, codes of texts; NaN for missing"""
    texts: tuple[str, ...] = ()
    reads: str = ""
    infinite: int = 0
    has_words: bool = False
    """whether text among its numbers is missing"""


def take(
    column: Column, asked: str | None = None, table: Sequence[Column] = (), *, is_target: bool = False
) -> Taken:
    """Tell what a column of training is.

    Text in which every value reads as a number is one, but of a data frame's column of text whole numbers that come
    again are codes; so is text in which nearly every value does, if it has few words; text in which every value is a
    date is one; other text is a category.
    asked: the kind that the user gave it.  table: all columns, which decide between decimal signs.
    is_target: whether it is a target, whose type says nothing, and of which no word is missing.
    Raises DataError where its values cannot be taken for that kind.
    """
    by = column.category_by or ("code_texts" if not (asked or is_target) and are_codes(column) else "")
    if asked == "category" or (asked is None and by):
        values, texts = categories(column)
        return Taken("category", "asked" if asked else by, values, texts)
    if column.form == "text":
        found = _text(column, asked, table, is_target)
    elif column.form == "boolean":
        found = Taken("boolean", "booleans", column.values, BOOLEANS)
    elif column.form == "date":
        found = Taken("date", "dates", is_in_range(column.values))
    else:
        found = Taken(
            column.form, f"{column.form}s", column.values, reads=column.decimal, infinite=column.infinite
        )
    if asked == "number" and found.kind in ("boolean", "duration"):
        found = found._replace(kind="number", texts=())
    if asked is not None and found.kind != asked:
        raise DataError(
            f"kinds declares column {column.name!r} a {asked}, but its values are {found.why.replace('_', ' ')}; "
            "remove it from kinds, or correct the values."
        )
    has_words = found.kind == "number" and (found.has_words or column.has_words or asked == "number")
    return found._replace(why="asked" if asked is not None else found.why, has_words=has_words)


def is_in_range(seconds: Array) -> Array:
    """Return the dates, NaN for those beyond LATEST."""
    return np.where(np.abs(seconds) <= LATEST, seconds, np.nan)


def _text(column: Column, asked: str | None, table: Sequence[Column], is_target: bool) -> Taken:
    of_numbers, why = asked in (None, "number"), "text_numbers"
    decimal = decimal_of(column, table) if of_numbers else None
    if (
        decimal is None
        and of_numbers
        and not is_target
        and (bare := nearly_numbers(column, asked)) is not None
    ):
        column, decimal, why = bare, decimal_of(bare, table), "mostly_numbers"
    if decimal is not None:
        if units := numerals.mixed_units(column.texts):
            hints.give(
                f"column {column.name!r} has numbers with different signs, such as {units[0][:40]!r} and "
                f"{units[1][:40]!r}, which are read without them; write all in one unit."
            )
        values = decode_texts(column, numerals.read_numbers(column.texts, decimal))
        infinite = int(np.isinf(values).sum())
        values = np.where(np.isinf(values), np.nan, values)
        return Taken("number", why, values, (), decimal, infinite, why == "mostly_numbers")
    orders = date_orders(column.texts) if asked in (None, "date") else []
    if len(orders) == 1:
        seconds = is_in_range(decode_texts(column, calendar.read_dates(column.texts, orders[0])))
        if orders == ["minguo"]:
            example = next(text for text in column.texts if not numerals.is_missing(text))
            day = calendar.as_text(calendar.read_dates([example], "minguo")[0])[:10]
            said = (
                f"column {column.name!r} has dates such as {example[:40]!r}, which are read by Taiwan's calendar "
                f"(Minguo): {day}. If they are of another calendar, write their years with four digits."
            )
            facts = {"column": repr(column.name), "example": example[:40], "day": day}
            hints.give(TableWarning(said, "minguo", **facts))
        return Taken("date", "text_dates", seconds, reads=orders[0])
    if orders:
        example = min(text for text in column.texts if not numerals.is_missing(text))
        hints.give(
            f"column {column.name!r} has dates such as {example[:40]!r}, of which none says whether the day or "
            "the month comes first; it is taken for categories. Write the year first, or convert it to dates."
        )
    values, texts = categories(column)
    return Taken("category", "texts", values, texts)


def decode_texts(column: Column, read: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what was read of each text, for each row."""
    return np.asarray(np.append(read, np.nan)[column.values])


def date_orders(texts: Sequence[str]) -> list[str]:
    """Return the orders in which all texts are dates, see `calendar`: none where no text has a digit."""
    return calendar.orders_of(texts) if any(map(_DIGIT.search, texts)) else []


def categories(column: Column) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return a column as codes of texts, whatever its values are: a whole number is called as an integer is."""
    if column.form == "text":
        return np.where(column.values < 0, np.nan, column.values.astype(float)), column.texts
    if column.form == "boolean":
        there = [bool((column.values == value).any()) for value in (0.0, 1.0)]
        texts = tuple(text for text, is_there in zip(BOOLEANS, there, strict=True) if is_there)
        return column.values - float(not there[0]), texts
    distinct, codes = np.unique(column.values, return_inverse=True)
    missing = np.isnan(column.values)
    found = distinct[~np.isnan(distinct)].tolist()
    if column.form == "date":
        texts = tuple(
            calendar.as_text(value) if abs(value) <= calendar.LATEST else plain(value) for value in found
        )
    else:
        texts = tuple(map(plain, found))
    return np.where(missing, np.nan, codes.astype(float)), texts


def codes(column: Column, learned: LearnedColumn, known: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the codes of a column by the categories of training, (n,): -1 missing, len(categories) for others.

    known: the code of each category.
    """
    if learned.kind == "boolean" and column.form != "boolean":
        return _booleans(column, learned)
    values, texts = (column.values, column.texts) if column.form == "text" else categories(column)
    spelled = spellings(learned.categories)
    found = (code_of(text, known, spelled, learned.name) for text in texts)
    table = np.array([*found, -1], np.int64)  # the last for missing
    if column.form == "text":
        return np.asarray(table[column.values])
    return np.asarray(table[np.where(np.isnan(values), len(texts), values).astype(np.int64)])


def values(column: Column, learned: LearnedColumn) -> NDArray[np.float64]:
    """Return a column as the numbers or seconds that it was in training, NaN for missing.

    Raises DataError where its values are of another kind and cannot be read as that one.
    """
    if column.missing.all():
        return np.full(len(column.values), np.nan)
    return marks.without(_values(column, learned), learned.marks)


def _values(column: Column, learned: LearnedColumn) -> NDArray[np.float64]:
    kind, form = learned.kind, column.form
    if form == "number" and kind == "number":
        return read_spelled_numbers(column, learned)
    if learned.has_words and column.texts and form == "boolean":
        return np.full(len(column.values), np.nan)  # words among numbers, as "true" is beside others
    if form == kind or (kind == "number" and form == "boolean"):
        return is_in_range(column.values) if kind == "date" else column.values
    if form != "text" or kind == "duration":
        raise _changed(column, learned)
    try:
        if kind == "date":
            order = learned.reads or order_of_dates(column.texts) or "iso"
            return is_in_range(decode_texts(column, calendar.read_dates(column.texts, order)))
        return numbers_of_text(without_words(column) if learned.has_words else column, learned)
    except (ValueError, OverflowError) as error:
        raise _changed(column, learned) from error


def read_spelled_numbers(column: Column, learned: LearnedColumn) -> NDArray[np.float64]:
    """Return numbers that may have been read from text; where only a guess decided, by the sign of training."""
    if not column.decimal or learned.reads in ("", column.decimal):
        return column.values
    if column.written is not None:
        return numbers_of_text(column.written, learned)
    _tell_sign(learned, column.decimal)
    return column.values


def numbers_of_text(column: Column, learned: LearnedColumn) -> NDArray[np.float64]:
    """Return the numbers of text by the decimal sign of training, or by the other one where only that is possible."""
    sign = learned.reads or decimal_of(column) or numerals.POINT
    try:
        read = numerals.read_numbers(column.texts, sign)
    except ValueError:
        sign = numerals.COMMA if sign == numerals.POINT else numerals.POINT
        read = numerals.read_numbers(column.texts, sign)
        _tell_sign(learned, sign)
    return decode_texts(column, np.where(np.isinf(read), np.nan, read))


def _tell_sign(learned: LearnedColumn, sign: str) -> None:
    own, other = ("points", "commas") if sign == numerals.POINT else ("commas", "points")
    hints.give(
        f"column {learned.name!r} has decimal {own}, and had decimal {other} in training; its numbers are read with "
        f"{own}. Check that they are right."
    )


def order_of_dates(texts: Sequence[str]) -> str | None:
    """Return the one order in which all texts are surely dates; None if there is none, and if there are several."""
    found = orders_of(texts)
    return found[0] if len(found) == 1 and found != ["minguo"] else None


def _booleans(column: Column, learned: LearnedColumn) -> NDArray[np.int64]:
    if column.missing.all():
        return np.full(len(column.values), -1)
    found, texts = categories(column)
    table = np.full(len(texts) + 1, -1)
    for k, text in enumerate(texts):
        low = text.lower()
        if low not in TRUE | FALSE and not numerals.is_missing(low):
            raise _changed(column, learned)
        if not numerals.is_missing(low):
            said = BOOLEANS[low in TRUE]
            table[k] = (
                learned.categories.index(said) if said in learned.categories else len(learned.categories)
            )
    return np.asarray(table[np.where(np.isnan(found), len(texts), found).astype(np.int64)])


def _changed(column: Column, learned: LearnedColumn) -> DataError:
    names, known = categories(column)
    example = ""
    for text in known[:10_000]:
        if column.form != "text" or not _reads(text, learned):
            row = int(np.flatnonzero(names == known.index(text))[0])
            example = f" ({text[:40]!r} at row {row})"
            break
    like = f", such as {calendar.EXAMPLES[learned.reads or 'iso']}" if learned.kind == "date" else ""
    return DataError(
        f"X has {column.form}s in column {learned.name!r}{example}, which had {learned.kind}s in training{like}; "
        "convert it, or fill such cells with missing values."
    )


def _reads(text: str, learned: LearnedColumn) -> bool:
    try:
        if learned.kind == "boolean":
            return text.lower() in TRUE | FALSE or numerals.is_missing(text)
        if learned.kind == "date":
            calendar.read_dates([text], learned.reads or "iso")
        else:
            is_word = learned.has_words and not _DIGIT.search(text)
            return is_word or numerals.is_missing(text) or numerals.is_number(text)
    except (ValueError, OverflowError):
        return False
    return True


def check_kinds(kinds: object) -> dict[str, str]:
    """Check the kinds that a user gives to columns by name, and return a dict of them; {} for None."""
    if kinds is None:
        return {}
    if not isinstance(kinds, dict) or not all(
        isinstance(each, str) for pair in kinds.items() for each in pair
    ):
        raise ConfigError(
            f"kinds must be a dict from column names to kinds, such as {{'zip': 'category'}}, or None, "
            f"not {kinds!r:.80}."
        )
    allowed = ("number", "category", "date", "drop")
    for name, kind in kinds.items():
        if kind not in allowed:
            raise ConfigError(f"kinds[{name!r}] must be one of {', '.join(allowed)}, not {kind!r}.")
    return dict(kinds)
