"""What a preprocessor learned of each column: as plain data, and as a printed table that also says why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.core import records
from chainrule.estimators.tables.scaling import BY_QUANTILES, FAR, Scaling

KINDS = ("number", "boolean", "category", "date", "duration")
"""What a column may be taken for."""
WHYS = (
    *("numbers", "text_numbers", "booleans", "texts", "dates", "text_dates", "durations", "asked"),
    "declared",
    *("all_missing", "constant", "near_constant", "every_value_differs", "identifier"),
)
"""Why: what it holds, or why it is dropped."""
OUTCOMES = ("scaled", "parts", "binary", "one_hot", "embedded", "indicator", "dropped")
"""What became of it."""


class Lane(NamedTuple):
    """One output that is a scaled number: a column's own, a part of its dates, or that of a category."""

    part: str
    """"value", "days" or "year", or the number of a category's output"""
    fill: float
    """what a missing value is replaced by"""
    scale: Scaling


def by_way(lanes: Sequence[tuple[int, int, Lane]]) -> list[list[tuple[int, int, Lane]]]:
    """Return lanes, each with two numbers of its own, in groups that are scaled in one way by as many quantiles."""
    groups: dict[tuple[str, int], list[tuple[int, int, Lane]]] = {}
    for each in lanes:
        groups.setdefault((each[2].scale.way, len(each[2].scale.grid)), []).append(each)
    return list(groups.values())


class LearnedColumn(NamedTuple):
    """What was learned of one column."""

    name: str
    kind: str
    why: str
    became: str
    missing: float
    """the share of its values that were missing in training"""
    infinite: int = 0
    """how many of these were infinite"""
    distinct: int | None = None
    """the number of its categories in training; None where it has none"""
    reads: str = ""
    """how its text is read: the decimal sign of numbers, the order of dates"""
    categories: tuple[str, ...] = ()
    """those that have an output or a code of their own, in the order of these"""
    merged: int = 0
    """how many others were too rare for that and share one; in prediction new ones do too"""
    size: int = 0
    """of its embedding"""
    lanes: tuple[Lane, ...] = ()
    cycles: tuple[str, ...] = ()
    origin: float = 0.0
    """the earliest date of training, in seconds since 1970"""
    indicator: bool = False
    """whether an output says that the value is missing"""
    value: float = 1.0
    """of the output of a row's own category, where each category has one"""
    typical: str | None = None
    """the most frequent of its categories, "" where more values are missing; None where that is not known"""
    ends: tuple[float, ...] = ()
    """the smallest and the largest value of training, to which others are clipped; none where they are kept"""

    @property
    def codes(self) -> int:
        """The codes of an embedded column: 0 for missing, its categories, and one for rare ones if there were any."""
        return 1 + len(self.categories) + bool(self.merged)

    def outputs(self) -> list[str]:
        """Return the names of the outputs that it became."""
        if self.became == "dropped":
            return []
        if self.became == "embedded":
            return [self.name]
        if self.became == "binary":
            return [f"{self.name}={self.categories[1]}"]
        if self.became == "one_hot":
            rare = [f"{self.name} rare"] if self.merged else []
            return [*(f"{self.name}={category}" for category in self.categories), *rare]
        twice = len({lane.part for lane in self.lanes}) < len(self.lanes)
        names = [
            self.name
            + f" {lane.part}" * (lane.part != "value")
            + " rank" * (twice and lane.scale.way in BY_QUANTILES)
            + " linear" * (twice and lane.scale.way in FAR)
            for lane in self.lanes
        ]
        names += [f"{self.name} {part}_{wave}" for part in self.cycles for wave in ("sin", "cos")]
        return names + [f"{self.name} missing"] * self.indicator


def placed(learned: Sequence[LearnedColumn]) -> Iterator[tuple[int, LearnedColumn]]:
    """Iterate over the columns, each with its first column of the output."""
    at = 0
    for each in learned:
        yield at, each
        at += len(each.outputs())


@records.kind("described_column")
class DescribedColumn(NamedTuple):
    """One column of a training table."""

    name: str
    taken_for: str
    """"number", "boolean", "category", "date" or "duration\""""
    why: str
    """a code: what its values are, or why it is dropped"""
    became: str
    """a code: "scaled", "parts" (of dates), "binary", "one_hot", "embedded", "indicator" or "dropped\""""
    missing: float
    """the share of its values"""
    infinite: int
    """how many of its values were infinite and count as missing"""
    categories: int | None
    merged: int
    """how many categories were too rare for an output or a code of their own"""
    outputs: int
    """how many columns of the output it became"""
    size: int
    """of its embedding; 0 without one"""

    def to_data(self) -> dict[str, Any]:
        """Return the column as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("described_table")
@dataclass(frozen=True, repr=False)
class DescribedTable(records.TextResult):
    """What became of each column of a table. Print it for a table of text."""

    columns: tuple[DescribedColumn, ...]
    rows: int | None
    """of the training table; None where the preprocessor was read from data"""

    def __getitem__(self, name: str) -> DescribedColumn:
        """Return a column by name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(
            f"{name!r} is no column; there are {', '.join(each.name for each in self.columns[:20])}."
        )

    def __iter__(self) -> Iterator[DescribedColumn]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def dropped(self) -> tuple[DescribedColumn, ...]:
        """The columns that a network does not see."""
        return tuple(column for column in self.columns if column.became == "dropped")

    def __repr__(self) -> str:
        """Show how many columns there are, how many are dropped, and how many outputs the others became."""
        outputs = sum(column.outputs for column in self.columns)
        return (
            f"<DescribedTable of {len(self):,} columns, {len(self.dropped):,} dropped: {outputs:,} outputs>"
        )


def describe(learned: Sequence[LearnedColumn], rows: int | None) -> DescribedTable:
    """Return what was learned as a table of its own."""
    return DescribedTable(
        tuple(
            DescribedColumn(
                *(each.name, each.kind, each.why, each.became, each.missing, each.infinite, each.distinct),
                *(each.merged, len(each.outputs()), each.size),
            )
            for each in learned
        ),
        rows,
    )
