"""What a served model takes and gives: its columns with their types and levels, its labels, and a row as an example."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.tables.learned import LearnedColumn
from chainrule.trust.seen import SeenColumn

Cell = str | float | int | bool | None
LEVELS = 1000
"""The maximum levels of a column that are listed."""
MEDIAN = 50
"""The place of the median among the quantiles that a fit keeps of a column, one for each percent."""


class ServedColumn(NamedTuple):
    """A column of the rows that a model takes."""

    name: str
    kind: str
    """"number", "boolean", "category", "date" or "duration" """
    example: Cell
    levels: tuple[str, ...] = ()
    """the categories that the model tells apart; others count as rare ones, or as missing"""
    reads: str = ""
    """how its texts are read: the decimal sign of numbers, the order of dates; "" for ISO dates"""
    can_be_missing: bool = True

    def described(self) -> dict[str, Any]:
        """Return the column as data for JSON."""
        found: dict[str, Any] = {"name": self.name, "type": self.kind, "example": self.example}
        if self.kind == "category":
            found |= {"levels": list(self.levels[:LEVELS]), "level_count": len(self.levels)}
        if self.reads and self.reads not in (".", "iso"):
            found["written"] = self.reads
        if self.kind == "duration":
            found["unit"] = "s"
        return found | {"can_be_missing": self.can_be_missing}


class Schema(NamedTuple):
    """What a model takes and gives."""

    task: str
    """"regression", "binary", "multiclass" or "multilabel" """
    columns: tuple[ServedColumn, ...]
    is_named: bool
    """whether its columns have names; otherwise a row is a list of numbers in their order"""
    labels: tuple[Any, ...]
    """of the classes; none of numbers"""
    outputs: int
    """how many numbers, or labels, are predicted for a row"""
    target: str | None
    """the name of the predicted column, where it is known"""
    can_cover: bool
    """whether intervals or sets of labels may be asked for"""
    can_spread: bool
    """whether the standard deviation of its networks' predictions may be asked for"""

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def label_names(self) -> list[str]:
        """The labels as text."""
        return [str(label) for label in self.labels]

    def example(self) -> dict[str, Cell] | list[Cell]:
        """Return a row of typical values: by name, or in order if the columns have no names."""
        if self.is_named:
            return {column.name: column.example for column in self.columns}
        return [column.example for column in self.columns]

    def described(self) -> dict[str, Any]:
        """Return all of it as data for JSON."""
        return {
            "task": self.task,
            "target": self.target,
            "named": self.is_named,
            "columns": [column.described() for column in self.columns],
            "labels": list(self.labels) or None,
            "outputs": self.outputs,
            "interval": self.can_cover,
            "spread": self.can_spread,
            "example": self.example(),
        }


def columns_of_table(
    learned: Sequence[LearnedColumn], seen: Sequence[SeenColumn], *, whole: bool = False
) -> tuple[ServedColumn, ...]:
    """Return the columns of a table that a model uses. seen: what its fit keeps of their values; none if unknown.

    whole: whether to return those too that it does not use, for rows without names.
    """
    known = {each.name: each for each in seen}
    return tuple(
        ServedColumn(
            each.name,
            each.kind,
            example_of(each, known.get(each.name)),
            each.categories if each.kind == "category" else (),
            each.reads,
        )
        for each in learned
        if whole or each.became != "dropped"
    )


def columns_of_array(names: Sequence[str] | None, inputs: int) -> tuple[ServedColumn, ...]:
    """Return the columns of an array of numbers. names: None if they have none."""
    found = [f"x{k + 1}" for k in range(inputs)] if names is None else list(names)
    return tuple(ServedColumn(name, "number", 0.0, can_be_missing=False) for name in found)


def example_of(learned: LearnedColumn, seen: SeenColumn | None) -> Cell:
    """Return a typical value of a column: the median of training, or the most frequent category."""
    if learned.kind == "boolean":
        return learned.typical != "False"
    if learned.kind == "category":
        return learned.typical or next(iter(learned.categories), "other")
    fills = [lane.fill for lane in learned.lanes if lane.part == "value"]
    middle = seen.quantiles[MEDIAN] if seen is not None and seen.quantiles else next(iter(fills), None)
    if learned.kind == "date":
        return write_date(learned.origin if middle is None or not seen else middle, learned.reads)
    value = float(f"{0.0 if middle is None else middle:.6g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


_DATES: Mapping[str, str] = {
    "ymd": "%Y/%m/%d",
    "dmy": "%d.%m.%Y",
    "mdy": "%m/%d/%Y",
    "my": "%b %Y",
    "ym": "%Y-%m",
    "dby": "%d-%b-%Y",
    "bdy": "%b %d, %Y",
    "time": "%H:%M:%S",
}
"""How each order of dates in a column's texts is written; others as ISO 8601."""


def write_date(seconds: float, reads: str) -> str:
    """Return a date, in seconds since 1970, as the texts of its column have it: ISO 8601 unless they differ."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(seconds))
    if reads in _DATES:
        return moment.strftime(_DATES[reads])
    return moment.date().isoformat() if moment.time() == datetime.time() else moment.isoformat()
