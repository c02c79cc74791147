"""The report of a race: a record per recipe, as data, as text and as a table for notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from sklearn.exceptions import ConvergenceWarning

from chainrule.core import hints
from chainrule.core.codec import OR_NAN, Count, Positive, from_to
from chainrule.errors import counted
from chainrule.fitting.limit import ENOUGH

HEADS = (
    "recipe",
    "changed parameters",
    "networks",
    "epochs",
    "seconds",
    "loss held out",
    "weight",
    "score held out",
)


class Record(NamedTuple):
    """A recipe of the race."""

    recipe: str
    parameters: Mapping[str, Any]
    """the parameters that differ from the preset"""
    networks: Count
    """the number of its fits: of the folds, and of all rows"""
    epochs: Count
    """of the first fit"""
    seconds: Annotated[float, from_to(0)]
    """of all its fits"""
    loss: Annotated[float, OR_NAN]
    """on the held-out rows; NaN of a recipe that failed"""
    weight: Annotated[float, from_to(0, 1 + 1e-6)]
    """in the average that predicts; 0 for an unused one"""
    error: str = ""
    """why one of its fits failed"""
    score: Annotated[float | None, OR_NAN] = None
    """by the race's scoring, on the held-out rows; None where the loss alone judges"""
    planned: Positive | None = None
    """the epochs that the first fit was planned for, where the time limit left it fewer than half of them"""

    def cells(self) -> tuple[str, ...]:
        """Return its cells of a table, of which the last one is the score."""
        changed = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        counts = f"{self.networks}", self.shown_epochs(), f"{self.seconds:.1f}"
        score = "" if self.score is None else f"{self.score:.5g}"
        return self.recipe, changed, *counts, f"{self.loss:.5g}", f"{self.weight:.2f}", score

    def shown_epochs(self) -> str:
        """Return its epochs, and of how many where few of them were left."""
        return f"{self.epochs}" if self.planned is None else f"{self.epochs} of {self.planned}"


class RaceReport(list[Record]):
    """The records of a race in order. Print it for a table."""

    def failures(self) -> list[str]:
        """Return a line for each recipe that failed."""
        return [f"{each.recipe} failed: {each.error}" for each in self if each.error]

    def lines(self) -> list[tuple[str, ...]]:
        """Return the cells of the heads and of each record, with the score's column where there is one."""
        lines = [HEADS, *(each.cells() for each in self)]
        return lines if any(each.score is not None for each in self) else [line[:-1] for line in lines]

    def warn_of_limit(self, limit: float, recipes: int) -> None:
        """Warn of a race that had no time for what makes it better than a single fit.

        That is a second recipe, and at least half of the epochs of the first one and of half of the average.
        """
        cut = [each for each in self if each.planned is not None]
        is_short = self[0] in cut or sum(each.weight for each in cut) >= ENOUGH
        if is_short or len(self) == 1 < recipes:
            epochs = ", ".join(f"{each.recipe} {each.shown_epochs()}" for each in cut)
            hints.give(
                f"time_limit={limit:g} left the race time for {len(self)} of its {counted(recipes, 'recipe')}"
                f"{f', and for few of the planned epochs ({epochs})' if cut else ''}; raise time_limit.",
                ConvergenceWarning,
            )

    def __repr__(self) -> str:
        """Show a line for each recipe."""
        lines = self.lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = (
            [
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            for line in lines
        )
        return "\n".join([*("  ".join(line).rstrip() for line in aligned), *self.failures()])

    def to_html(self) -> str:
        """Return a table for a notebook."""
        heads, *cells = self.lines()
        rows = [(heads, "th"), *((line, "td") for line in cells)]
        made = ("".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) for cells, tag in rows)
        failures = "".join(f"<p>{html.escape(line)}</p>" for line in self.failures())
        return f"<table>{''.join(f'<tr>{cells}</tr>' for cells in made)}</table>{failures}"

    _repr_html_ = to_html  # which a notebook calls
