"""What an experiment hands back: a table, a figure, words, and the same three on a page of its own."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule import validation
from chainrule.errors import ConfigError, ShapeError
from chainrule.files import write_whole

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from rich.console import Console, RenderableType

Progress = Callable[[float, str], None]
"""progress(share, what): how much is done, 0 to 1, and what is under way"""

WIDTH = 110
"""Columns of a report as text, where no terminal says how many there are."""


@dataclass(frozen=True)
class Table:
    """Rows under column names; the first column names the row.

    Cells are text, numbers, or None for what there is not.  Raises ShapeError where a row has not a cell a column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        """Refuse a ragged table."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ShapeError(f"a row has {len(row)} cells for {len(self.columns)} columns: {row!r}.")

    @property
    def left(self) -> frozenset[int]:
        """The columns that read from the left: the first, and those with a cell that begins with a letter."""
        worded = {i for row in self.rows for i, c in enumerate(row) if isinstance(c, str) and c[:1].isalpha()}
        return frozenset({0} | worded)

    def records(self) -> list[dict[str, Any]]:
        """A dict a row, by column name."""
        return [dict(zip(self.columns, map(as_json, row), strict=True)) for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        """Caption, columns and rows."""
        return {"caption": self.caption, "columns": list(self.columns), "rows": as_json(self.rows)}

    def rich(self) -> RenderableType:
        """For the terminal: columns of words wrap, columns of numbers do not, but for their names."""
        from textwrap import fill

        from rich import box
        from rich.console import Group
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        rows = [tuple(map(cell, row)) for row in self.rows]
        for i, name in enumerate(self.columns):
            style = "" if i else "bold"
            if i in self.left:
                grid.add_column(Text(name), style=style)
            else:
                width = max(map(len, [*name.split(), *(row[i] for row in rows)]))
                grid.add_column(Text(fill(name, width)), style=style, justify="right", no_wrap=True)
        for row in rows:
            grid.add_row(*map(Text, row))
        return Group(Text(f"\n{self.caption}", "italic"), grid) if self.caption else grid

    def html(self) -> str:
        """For a page."""
        from chainrule.report.sections import table, text

        made = table(self.columns, [tuple(map(cell, row)) for row in self.rows], self.left)
        return (f"<p>{text(self.caption)}</p>" if self.caption else "") + made

    def __str__(self) -> str:
        return rendered(self.rich()).strip("\n")

    def _repr_html_(self) -> str:
        return self.html()


@dataclass(frozen=True)
class Report:
    """What an experiment of the laboratory found; print it, show its figures, write it to a page.

    tables, figures: the first of each is the one that answers the question.
    settings: seed, repeats, budget, and the experiment's own.
    """

    name: str
    title: str
    question: str
    """one sentence"""
    answer: str
    """one sentence too, built from this run's numbers"""
    finding: str
    """more words built from them"""
    held_fixed: str
    """what was the same for all that was compared"""
    limits: str
    """what the result does not show"""
    tables: tuple[Table, ...]
    figures: tuple[go.Figure, ...]
    settings: dict[str, Any]
    seconds: float

    @property
    def table(self) -> Table:
        """The table that answers the question."""
        return self.tables[0]

    @property
    def figure(self) -> go.Figure:
        """The figure that answers the question."""
        return self.figures[0]

    def to_json(self) -> dict[str, Any]:
        """All but the figures, as data that JSON holds; NaN and infinity become None."""
        import chainrule

        return {
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "answer": self.answer,
            "finding": self.finding,
            "held_fixed": self.held_fixed,
            "limits": self.limits,
            "tables": [table.to_json() for table in self.tables],
            "settings": as_json(self.settings),
            "seconds": self.seconds,
            "version": chainrule.__version__,
        }

    def words(self) -> list[tuple[str, str]]:
        """The parts in prose, under their headings."""
        return [
            ("What was found", f"{self.answer} {self.finding}"),
            ("What was held fixed", self.held_fixed),
            ("What this does not show", self.limits),
        ]

    def show(self, console: Console) -> None:
        """Print it: the table, what was found, what was held fixed, what it does not show."""
        from rich.text import Text

        console.print(Text(self.title, "bold"))
        console.print(Text(self.question))
        for table in self.tables:
            console.print(table.rich())
        console.print()
        for head, words in self.words():
            console.print(Text.assemble((f"{head}. ", "bold"), words), "", sep="\n")
        console.print(Text(self.footnote(), "dim"))

    def footnote(self) -> str:
        """seed 0, repeats 5, budget 1.0; 41.2 s"""
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items())
        return f"{said}; {self.seconds:.1f} s"

    def text(self, width: int = WIDTH) -> str:
        """The same as plain text."""
        out = StringIO()
        self.show(plain_console(out, width))
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def html(self) -> str:
        """One page, self-contained, that works offline."""
        from chainrule import figures
        from chainrule.report.page import page
        from chainrule.report.sections import figure, pairs, section, text

        (found, _), *others = self.words()
        settings = [(figures.spoken(name), value) for name, value in self.settings.items()]
        more = "".join(section("", table.html()) for table in self.tables[1:])
        sections = [
            section(found, f'<p class="answer">{text(self.answer)}</p><p>{text(self.finding)}</p>'),
            *(section("", figure(made)) for made in self.figures),
            *(section("In numbers", table.html()) for table in self.tables[:1]),
            f'<div class="pair">{more}</div>' if more else "",
            *(section(head, f"<p>{text(words)}</p>") for head, words in others),
            section("Settings", pairs([*settings, ("seconds", f"{self.seconds:.1f}")])),
        ]
        return page(self.title, self.title, self.question, sections)

    def write(self, path: str | os.PathLike[str]) -> None:
        """The page as a file that ends in .html, or the data as one that ends in .json."""
        import json

        ending = Path(path).suffix.lower()
        if ending not in (".html", ".json"):
            raise ConfigError(f"path must end in .html or .json, not {os.fspath(path)!r}.")
        made = self.html() if ending == ".html" else json.dumps(self.to_json(), indent=2) + "\n"
        write_whole(path, made.encode())

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from chainrule.report.sections import text

        words = "".join(f"<p><b>{head}.</b> {text(said)}</p>" for head, said in self.words())
        return f"<h3>{text(self.title)}</h3><p>{text(self.question)}</p>{self.table.html()}{words}"


def check_options(seed: int, repeats: int, budget: float) -> None:
    """The options that all experiments share. Raises ConfigError for what cannot be."""
    validation.check_seed(seed)
    validation.check_count(repeats, "repeats")
    if isinstance(budget, (bool, str)) or not (math.isfinite(budget) and 0 < budget <= 1000):
        raise ConfigError(
            f"budget must be a share of the default work, above 0 and at most 1000, not {budget!r}."
        )


def scaled(amount: int, budget: float, least: int = 1) -> int:
    """That share of an amount of work, rounded, and at least so much."""
    return max(least, round(amount * budget))


def cell(value: Any) -> str:
    """A cell for people: 1,234 and 0.01235 and 1.2e-08; a dash for nothing."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool):
        return "yes" if number else "no"
    if isinstance(number, int):
        return f"{number:,}"
    if math.isnan(number):
        return "undefined"
    return f"{number:,.0f}" if 10_000 <= abs(number) < 1e9 else f"{number:.4g}"


def as_json(value: Any) -> Any:
    """Plain data: NumPy's numbers and arrays as Python's, tuples as lists, None for NaN and infinity."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain_console(out: Any, width: int) -> Console:
    """A console without colors, so wide."""
    from rich.console import Console

    return Console(file=out, width=width, highlight=False, color_system=None, force_terminal=False)


def rendered(made: RenderableType, width: int = WIDTH) -> str:
    """What rich prints, as text."""
    out = StringIO()
    plain_console(out, width).print(made)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def part(progress: Progress | None, start: float, stop: float) -> Progress:
    """The progress of one part of the work, as a share of all of it."""
    return partial(_part, progress, start, stop)


def _part(progress: Progress | None, start: float, stop: float, share: float, what: str) -> None:
    if progress is not None:
        progress(start + (stop - start) * min(max(share, 0.0), 1.0), what)
