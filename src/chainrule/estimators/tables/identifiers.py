"""Tell columns that only identify the rows: numbers of rows and accounts."""

from __future__ import annotations

import math
import re

import numpy as np

from chainrule.estimators.tables.kinds import Taken

_IDENTIFIER = re.compile(
    r"(?:|index|idx|ix|u?uid|guid|rowid|row[ _.]?(?:names?|nr|no|num(?:ber)?)?|unnamed: ?\d+|"
    r"obs(?:ervation)?|(?:.*[ _.-])?id|id[ _.-].*)",
    re.IGNORECASE,
)
FEWEST_ACCOUNTS, FEWEST_DIGITS = 50, 10_000_000
"""The rows from which numbers are looked at as those of accounts, and the least that the largest of these is."""
_MOMENTS = (
    *((scale * 315_532_800.0, scale * 4_102_444_800.0) for scale in (1, 1e3, 1e6)),
    *((18_000_101.0, 21_000_101.0), (1.8e13, 2.11e13), (1.8e11, 2.11e11)),
)
"""The years 1980 to 2099 in seconds, milliseconds and microseconds since 1970, and 1800 to 2100 as 20241231, also with
the time of the day."""
_CAMEL = re.compile(r".*[a-z]I[Dd]")


def is_identifier(name: str, taken: Taken) -> bool:
    """Return whether a column only tells the rows apart: whole numbers, no two the same, and a name that says so.

    The values alone would not do: a price or a population may differ in every row too.
    """
    says_so = _IDENTIFIER.fullmatch(name.strip()) or _CAMEL.fullmatch(name.strip())
    return says_so is not None and differ(taken)


def like_accounts(taken: Taken) -> bool:
    """Return whether a column without such a name holds numbers as of accounts: long, whole, and drawn evenly.

    Amounts and counts crowd near small ones, and moments are within some decades. So the values, of which 99 % differ,
    have eight digits or more, are spread over at least a hundred times their number, and their distribution is as near
    to the uniform one as that of so many draws from it (Kolmogorov and Smirnov's test at 1 %).
    """
    values = taken.values
    rows = len(values)
    if taken.kind != "number" or rows < FEWEST_ACCOUNTS or np.isnan(values).any():
        return False
    if values.max() < FEWEST_DIGITS or values.max() >= 2.0**53 or values.min() < 0 or (values % 1).any():
        return False
    ordered = np.sort(values)
    if 1 + np.count_nonzero(np.diff(ordered)) < 0.99 * rows or np.ptp(ordered) < 100 * rows:
        return False
    if any(low <= ordered[0] and ordered[-1] < high for low, high in _MOMENTS):
        return False
    share = (ordered - ordered[0]) / np.ptp(ordered)
    steps = np.arange(rows + 1) / rows
    distance = max(float((steps[1:] - share).max()), float((share - steps[:-1]).max()))
    return distance * math.sqrt(rows) < 1.63


def differ(taken: Taken) -> bool:
    """Return whether a column is of whole numbers, none missing and no two the same."""
    values = taken.values
    if taken.kind != "number" or len(values) < 3 or np.isnan(values).any():
        return False
    return bool((values == np.floor(values)).all()) and len(np.unique(values)) == len(values)
