"""What is known of the columns of a table by all of its rows, where a part of them looks otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chainrule.datasets import numerals
from chainrule.estimators.tables import kinds
from chainrule.estimators.tables.column import Column
from chainrule.estimators.tables.preprocessor import TablePreprocessor


class OfAllRows(NamedTuple):
    """What is known of the columns of a table by all of its rows."""

    kinds: Mapping[str, str]
    """of those of categories, and of numbers with words among them"""
    marks: Mapping[str, tuple[float, ...]]
    """numbers that stand for missing ones"""


NOTHING = OfAllRows({}, {})


def known_of(preprocessor: TablePreprocessor | None) -> OfAllRows:
    """Return what a fitted preprocessor takes the columns for that may look otherwise in a part; nothing for None."""
    learned = () if preprocessor is None else preprocessor.learned_
    own = {each.name: each.kind for each in learned if each.kind == "category" or each.has_words}
    return OfAllRows(own, {each.name: each.marks for each in learned if each.marks})


def kinds_in_part(columns: Iterable[Column], of_all: Mapping[str, str]) -> dict[str, str]:
    """Return the kind of columns by all rows, where a part of these reads as another.

    They are categories that read as numbers or dates in the part, and numbers, which have words in other rows.
    """
    return {
        each.name: of_all[each.name]
        for each in columns
        if each.name in of_all and (of_all[each.name] == "number" or _are_numbers_or_dates(each))
    }


def _are_numbers_or_dates(column: Column) -> bool:
    """Whether a column's cells are no text, or text that reads as numbers or dates."""
    texts = column.texts
    return (
        column.form != "text" or numerals.decimal_of(texts) is not None or len(kinds.date_orders(texts)) == 1
    )
