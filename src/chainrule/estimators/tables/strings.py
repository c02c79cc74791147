"""Columns of text that are nearly numbers: those with few words among them, and codes of digits."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from chainrule.core import hints
from chainrule.datasets import numerals
from chainrule.errors import TableWarning
from chainrule.estimators.tables.column import Column

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
