"""Columns of text that are nearly numbers: those with few words among them, and codes of digits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from chainrule.core import hints
from chainrule.datasets import numerals
from chainrule.errors import TableWarning
from chainrule.tables.column import Column

ROWS_OF_A_CODE = 2
"""the rows of each whole number, on average, from which those of a column of text are codes"""
FEWEST_NUMBERS = 10
"""The different numbers from which a column is told: fewer may well be codes, such as 4, 6, 8 and "rotary"."""
MOST_WORDS, MOST_WORD_ROWS = 5, 0.2
"""the most different words among numbers, and the largest share of the rows that have one"""
_DIGIT, _DIGITS = re.compile(r"\d", re.ASCII), re.compile(r"\d+", re.ASCII)


def are_codes(column: Column) -> bool:
    """Return whether a data frame's column of text has digits alone, each number in two rows on average, and say so."""
    if not column.of_strings or not all(
        _DIGITS.fullmatch(text) or numerals.is_missing(text) for text in column.texts
    ):
        return False
    named = [text for text in column.texts if not numerals.is_missing(text)]
    if not named or ROWS_OF_A_CODE * len(named) > np.count_nonzero(column.values >= 0):
        return False
    if numerals.decimal_of(column.texts) is not None:  # else a leading zero says so
        said = (
            f"column {column.name!r} is of text with whole numbers that come again, such as {named[0][:40]!r}, and is "
            "taken for categories. If they are quantities, convert it to numbers, or pass "
            f"TablePreprocessor(kinds={{{column.name!r}: 'number'}}) as preprocess."
        )
        facts = {"column": repr(column.name), "example": named[0][:40]}
        hints.give(TableWarning(said, "codes", **facts))
    return True


def nearly_numbers(column: Column, asked: str | None) -> Column | None:
    """Return a column of numbers without the few words among them, which are told; None of other text.

    asked: "number" for as many words as there are, in up to half of the rows.
    """
    words = list[str]()
    for text in column.texts:
        if not numerals.is_missing(text) and not numerals.is_number(text):
            words.append(text)
            if _DIGIT.search(text) or (asked is None and len(words) > MOST_WORDS):
                return None
    apart = frozenset(words)
    texts = [text for text in column.texts if text not in apart and not numerals.is_missing(text)]
    if len(texts) < (FEWEST_NUMBERS if asked is None else 1) or numerals.decimal_of(texts) is None:
        return None
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.texts))
    named = [(int(count), text) for text, count in zip(column.texts, counts, strict=True) if text in apart]
    rows, share = sum(count for count, _ in named), MOST_WORD_ROWS if asked is None else 0.5
    if rows > share * counts.sum():
        return None
    if asked is None and rows:
        shown = ", ".join(
            f"{text[:40]!r} in {count:,}" for count, text in sorted(named, reverse=True) if count
        )
        said = (
            f"column {column.name!r} has numbers, and text in {rows:,} of {counts.sum():,} rows ({shown}): it is read "
            "as numbers, and that text as missing. If all are codes, pass "
            f"TablePreprocessor(kinds={{{column.name!r}: 'category'}}) as preprocess."
        )
        of_words = "、".join(f"{text[:40]!r}" for count, text in sorted(named, reverse=True) if count)
        facts = {"column": repr(column.name), "rows": rows, "of": int(counts.sum()), "texts": of_words}
        hints.give(TableWarning(said, "words", **facts))
    return without_words(column)


def without_words(column: Column) -> Column:
    """Return a column of text with that missing which is no number and has no digit."""
    is_kept = (_DIGIT.search(text) or numerals.is_number(text) for text in column.texts)
    return replace(
        column, texts=tuple(text if kept else "" for text, kept in zip(column.texts, is_kept, strict=True))
    )


# --- true and false, and the ways to write them: a column of them is the same one however a table holds it -----------

TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0"))
FALSE = frozenset(("false", "f", "no", "n", "0", "0.0"))
"""Spellings of true and false in lower case."""


def with_truths(column: Column) -> Column:
    """Return a column of text that says only true or false, in letters of any case, as booleans with their texts."""
    if column.form != "text" or column.category_by or not column.texts:
        return column
    if not _is_truth(column.texts[0]) or not all(map(_is_truth, column.texts)):
        return column
    found = [np.nan if numerals.is_missing(text) else float(text.lower() == "true") for text in column.texts]
    values = np.append(found, np.nan)[column.values]
    return column if np.isnan(values).all() else Column(column.name, "boolean", values, column.texts)


def _is_truth(text: str) -> bool:
    return text.lower() in ("true", "false") or numerals.is_missing(text)


def spellings(levels: Sequence[str]) -> dict[str, int]:
    """Return the codes of true and false, and of other spellings of them in lower case, by the categories of training.

    These are all spellings where training had two categories that say true and false, such as "no" and "yes", and
    codes without their leading zeros where all categories are codes of digits.
    """
    low = [level.lower() for level in levels]
    if len(low) == 2 and len(TRUE.intersection(low)) == 1 == len(FALSE.intersection(low)):
        true = int(low[1] in TRUE)
        return dict.fromkeys(TRUE, true) | dict.fromkeys(FALSE, 1 - true)
    words = {word: low.index(word) for word in ("true", "false") if low.count(word) == 1}
    return words or _without_zeros(levels)


def _without_zeros(levels: Sequence[str]) -> dict[str, int]:
    """Return the codes of postal codes and the like without their leading zeros, where each belongs to one category.

    A spreadsheet or a reader of files makes 1067 of "01067" when it takes a column for numbers.
    """
    if not all(map(_DIGITS.fullmatch, levels)):
        return {}
    bare = [level.lstrip("0") for level in levels]
    count = Counter(bare)
    return {
        text: code for code, text in enumerate(bare) if text and text != levels[code] and count[text] == 1
    }


def code_of(text: str, known: Mapping[str, int], spelled: Mapping[str, int], name: str) -> int:
    """Return the code of a text; len(known) for an unknown one. Warn where training had true and false only, or zeros.

    known: the code of each category.  spelled: their `spellings`.  name: of the column.
    """
    code = known.get(text)
    if code is None:
        code = spelled.get(text.lower(), len(known))
        if code < len(known) and _DIGIT.match(text) and len(spelled) <= len(known):
            hints.give(
                f"column {name!r} has codes whose leading zeros are lost, and which are read as those of training with "
                "zeros; read the column as text."
            )
    if code == len(known) and len(spelled) > len(known):
        hints.give(
            f"column {name!r} has texts that say neither true nor false, and had only {' and '.join(map(repr, known))} "
            "in training; such cells count as missing. Correct them, or leave them empty."
        )
    return code


# --- numbers that were written as text: the decimal sign with which a column is read, in training and in later tables


def decimal_of(column: Column, table: Iterable[Column] = ()) -> str | None:
    """Return the decimal sign with which all texts of a column are numbers; None if there is none.

    Where the numbers are others with either sign, the other columns of the table decide, if only one sign is possible
    in these; else it is the point, and a warning says so.
    """
    signs = numerals.signs_of(column.texts)
    if signs.chosen("") != "":
        return signs.chosen("")
    others = {each.decimal or numerals.signs_of(each.texts).evident for each in table} - {""}
    if len(others) != 1 and any(map(numerals.COMMAS.search, column.texts)):
        hints.give(
            f"column {column.name!r} has numbers whose commas all have three digits behind them; they are taken to "
            "separate thousands; convert the column to numbers if they are decimal commas."
        )
    return others.pop() if len(others) == 1 else numerals.POINT
