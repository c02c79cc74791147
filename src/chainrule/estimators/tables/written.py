"""Numbers that were written as text: the decimal sign with which a column is read, in training and in later tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.datasets import numerals
from chainrule.estimators.tables.column import Column
from chainrule.estimators.tables.learned import LearnedColumn


def decoded(column: Column, read: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what was read of each text, for each row."""
    return np.asarray(np.append(read, np.nan)[column.values])


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


def numbers_of(column: Column, learned: LearnedColumn) -> NDArray[np.float64]:
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
    return decoded(column, np.where(np.isinf(read), np.nan, read))


def _tell_sign(learned: LearnedColumn, sign: str) -> None:
    own, other = ("points", "commas") if sign == numerals.POINT else ("commas", "points")
    hints.give(
        f"column {learned.name!r} has decimal {own}, and had decimal {other} in training; its numbers are read with "
        f"{own}. Check that they are right."
    )
