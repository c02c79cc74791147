"""What a fit notices by itself, as data, and whether it is asked to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from chainrule.core import records
from chainrule.core.codec import Count, one_of, sized

KINDS = ("target", "row_number", "repeated", "groups", "time", "order")
"""Columns that give the target away; one that numbers the rows; rows with the inputs of another one; a column of
persons or things, each with several rows; one of the time; and a table whose rows are like those next to them."""
WITHOUT_COLUMNS = ("repeated", "order")
MOST_NOTICES = 1000
SCORES = ("r2", "auc", "accuracy")


@records.kind("notice")
class Notice(NamedTuple):
    """One thing that makes a score too good, or a column that does not belong in a table.

    Two scores of a small model show how much: on the same rows, learned from as many. What differs is whether the
    column is there, or whether rows that belong to these are among those that it learns from, as they are if rows are
    held out at random.
    """

    what: Annotated[str, one_of(KINDS)]
    """one of KINDS"""
    columns: tuple[str, ...]
    """those that it is about; none where it is the rows or their order"""
    score: Annotated[str, one_of(SCORES)]
    """what the two scores are: "r2", "auc" (of two classes) or "accuracy\""""
    score_with: float
    """with the column, or with rows that belong to these"""
    score_without: float
    figure: float
    """by kind: the score of the column alone (R2, of classes by the Brier score); 1; the share of the rows; the
    intraclass correlation of the target; the autocorrelation of the target"""
    groups: Count = 0
    """the groups of rows, of equal rows or by the column; 0 of other kinds"""
    shift: float = 0.0
    """of rows in time: how far the target's mean moves from the first fifth to the last, in standard deviations"""
    share: float = 1.0
    """of the rows that the figures are of: below 1 those where columns that give the target away have a value"""

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        return {"a column": len(self.columns) > 0 or self.what in WITHOUT_COLUMNS}

    def to_data(self) -> dict[str, Any]:
        """Return the notice as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    def __str__(self) -> str:
        """Say it in a sentence: the column, both scores, and what to pass."""
        return records.written(self, "as_sentence")


@records.kind("notices")
@dataclass(frozen=True, repr=False)
class Notices(records.Shown, records.DataResult):
    """What a fit has noticed. Print it for a sentence each."""

    found: Annotated[tuple[Notice, ...], sized(0, MOST_NOTICES)] = ()

    def __iter__(self) -> Iterator[Notice]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, place: int) -> Notice:
        return self.found[place]

    def __repr__(self) -> str:
        """Show their kinds and columns."""
        said = ", ".join(f"{each.what}({', '.join(each.columns)})" for each in self.found)
        return f"<Notices: {said or 'nothing'}>"

    def __str__(self) -> str:
        """Say each in a sentence, or that there is none."""
        return "\n".join(map(str, self.found)) or records.written(self, "as_words")


IS_ASKED: ContextVar[bool] = ContextVar("IS_ASKED", default=False)


@contextmanager
def asked() -> Iterator[None]:
    """Let fits look at their tables whatever the filters of warnings are, which other threads may have changed."""
    token = IS_ASKED.set(True)
    try:
        yield
    finally:
        IS_ASKED.reset(token)
