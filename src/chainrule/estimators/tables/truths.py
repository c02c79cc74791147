"""True and false, and the ways to write them: a column of them is the same one however a table holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.core import hints
from chainrule.datasets import numerals
from chainrule.estimators.tables.column import Column

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

    These are all spellings where training had two categories that say true and false, such as "no" and "yes".
    """
    low = [level.lower() for level in levels]
    if len(low) == 2 and len(TRUE.intersection(low)) == 1 == len(FALSE.intersection(low)):
        true = int(low[1] in TRUE)
        return dict.fromkeys(TRUE, true) | dict.fromkeys(FALSE, 1 - true)
    return {word: low.index(word) for word in ("true", "false") if low.count(word) == 1}


def code_of(text: str, known: Mapping[str, int], spelled: Mapping[str, int], name: str) -> int:
    """Return the code of a text; len(known) for an unknown one, with a warning where training had true and false only.

    known: the code of each category.  spelled: their `spellings`.  name: of the column.
    """
    code = known.get(text)
    if code is None:
        code = spelled.get(text.lower(), len(known))
    if code == len(known) and len(spelled) > len(known):
        hints.give(
            f"column {name!r} has texts that say neither true nor false, and had only {' and '.join(map(repr, known))} "
            "in training; such cells count as missing. Correct them, or leave them empty."
        )
    return code
