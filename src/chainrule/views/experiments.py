"""The result of a laboratory experiment: tables, figures and sentences, and their page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.core import records
from chainrule.core.files import to_json, write_whole
from chainrule.errors import ConfigError
from chainrule.views import words
from chainrule.views.markup import text
from chainrule.views.tables import TEXT_WIDTH, Table, shown

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from rich.console import Console


@records.kind("lab_report")
@dataclass(frozen=True)
class Report:
    """The result of an experiment: print it, show its figures, or write it to a page.

    tables, figures: the first of each answers the question.
    settings: seed, repeats, budget, and the experiment's own.
    """

    name: str
    title: str
    question: str
    """one sentence"""
    answer: str
    """one sentence, built from this run's numbers"""
    finding: str
    """further sentences built from them"""
    held_fixed: str
    """the controlled variables"""
    limits: str
    """the limits of the result"""
    tables: tuple[Table, ...]
    figures: tuple[go.Figure, ...]
    settings: dict[str, Any]
    seconds: float

    @property
    def table(self) -> Table:
        """Return the table that answers the question."""
        return self.tables[0]

    @property
    def figure(self) -> go.Figure:
        """Return the figure that answers the question."""
        return self.figures[0]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the figures as data; NaN and infinity become None."""
        from chainrule.core.version import __version__

        return {
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "answer": self.answer,
            "finding": self.finding,
            "held_fixed": self.held_fixed,
            "limits": self.limits,
            "tables": [table.to_json() for table in self.tables],
            "settings": records.plain(self.settings),
            "seconds": self.seconds,
            "version": __version__,
        }

    def to_data(self) -> dict[str, Any]:
        """Return everything but the figures as JSON-safe data, like `to_json`; the package's version is "chainrule"."""
        made = self.to_json()
        made["chainrule"] = made.pop("version")
        return records.labeled(self, made)

    def words(self) -> list[tuple[str, str]]:
        """Return the paragraphs with their headings."""
        return [
            (words.experiments.FOUND, f"{self.answer} {self.finding}"),
            (words.experiments.HELD_FIXED, self.held_fixed),
            (words.experiments.LIMITS, self.limits),
        ]

    def show(self, console: Console) -> None:
        """Print the report: the table, the finding, the controlled variables, and the limits of the result."""
        from rich.text import Text

        console.print(Text(self.title, "bold"))
        console.print(Text(self.question))
        for table in self.tables:
            console.print(table)
        console.print()
        for head, said in self.words():
            console.print(Text.assemble((f"{head}. ", "bold"), said), "", sep="\n")
        console.print(Text(self.footnote(), "dim"))

    def footnote(self) -> str:
        """Return the settings in one line: seed 0, repeats 5, budget 1.0; 41.2 s"""
        return words.experiments.footnote(self.settings, self.seconds)

    def text(self, width: int = TEXT_WIDTH) -> str:
        """Return the report as plain text."""
        return shown(self.show, width)

    def html(self) -> str:
        """Return a self-contained page that works offline."""
        return records.written(self, "as_page")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file ending in .html, or the data to one ending in .json."""
        ending = Path(path).suffix.lower()
        if ending not in (".html", ".json"):
            raise ConfigError(f"path must end in .html or .json, not {os.fspath(path)!r}.")
        made = self.html() if ending == ".html" else to_json(self.to_json(), indent=2) + "\n"
        write_whole(path, made.encode())

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        paragraphs = "".join(f"<p><b>{head}.</b> {text(said)}</p>" for head, said in self.words())
        return f"<h3>{text(self.title)}</h3><p>{text(self.question)}</p>{self.table.html()}{paragraphs}"
