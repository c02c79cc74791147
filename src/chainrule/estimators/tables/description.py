"""What each column of a table was taken for, why, and what became of it: as data, and as a printed table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.core import records
from chainrule.core.shown import TextResult
from chainrule.estimators.tables.learned import LearnedColumn


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
class DescribedTable(TextResult):
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
