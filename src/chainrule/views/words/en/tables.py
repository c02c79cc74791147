"""What is said of the columns of a table: what each was taken for, why, and what became of it."""

from __future__ import annotations

from chainrule.views.words.en.phrases import counted

HEADS = ("column", "taken for", "because", "missing", "categories", "becomes")
KINDS = {
    "number": "number",
    "boolean": "boolean",
    "category": "category",
    "date": "date",
    "duration": "duration",
}
WHYS = {
    "numbers": "its values are numbers",
    "text_numbers": "its text reads as numbers",
    "booleans": "its values are true or false",
    "texts": "its values are text",
    "dates": "its values are dates",
    "text_dates": "its text reads as dates or times",
    "durations": "its values are durations",
    "asked": "it was asked for",
    "all_missing": "every value is missing",
    "constant": "every value is the same",
    "near_constant": "nearly every value is the same",
    "every_value_differs": "no text occurs twice",
    "identifier": "it numbers the rows",
}


def became(outcome: str, outputs: int, size: int, merged: int) -> str:
    """What became of a column."""
    said = {
        "scaled": f"{counted(outputs, 'number')}",
        "parts": f"{counted(outputs, 'number')}: days, year, cycles",
        "binary": "1 number: -1 or 1",
        "one_hot": f"{counted(outputs, 'number')}: one-hot",
        "embedded": f"an embedding of {counted(size, 'number')}",
        "indicator": "1 number: whether it is missing",
        "dropped": "dropped",
    }[outcome]
    return said + (
        f", {counted(merged, 'rare category').replace('categorys', 'categories')} as one" if merged else ""
    )


def infinite(share: str, count: int) -> str:
    """The share of missing values, and how many of these were infinite."""
    return f"{share} ({count:,} infinite)" if count else share


def totals(columns: int, dropped: int, outputs: int) -> str:
    """The sums of a table in one sentence."""
    left = f", {dropped:,} of them dropped" if dropped else ""
    return f"{counted(columns, 'column')}{left}; {counted(outputs, 'input')} for a network."
