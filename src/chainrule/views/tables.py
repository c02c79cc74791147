"""Tables of numbers for a terminal, a page and a notebook: of an experiment, a network, and a smaller model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from chainrule.core import records
from chainrule.core.wide import rjust, width_of
from chainrule.errors import ShapeError
from chainrule.network.summary import Summary, as_bytes
from chainrule.views import words
from chainrule.views.markup import table, text
from chainrule.views.words.facts import quantity, short

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from chainrule.estimators.distilling import DistillationCost
    from chainrule.export.effect import Int8Effect

TEXT_WIDTH = 110
"""The width of a report as text, in characters, without a terminal."""
MAX_NAME_WIDTH = 28
"""The maximum number of characters of a row's name that are not wrapped."""
MAX_SETTINGS_CHARACTERS = 80
"""The maximum number of characters of a layer's settings; longer ones, such as lists of columns, are omitted."""
COLUMNS_SHOWN = 10
"""The columns of which is said what integers do to them."""


@records.kind("lab_table")
@dataclass(frozen=True)
class Table(records.DataResult):
    """A table with named columns and the rows' names in the first column.

    Cells are text, numbers, or None if missing.  Raises ShapeError unless each row has one cell per column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        """Check that every row has one cell per column."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ShapeError(f"a row has {len(row)} cells for {len(self.columns)} columns: {row!r}.")

    @property
    def left(self) -> frozenset[int]:
        """The left-aligned columns: the first, and those with a cell that starts with a letter."""
        worded = {i for row in self.rows for i, c in enumerate(row) if isinstance(c, str) and c[:1].isalpha()}
        return frozenset({0} | worded)

    def records(self) -> list[dict[str, Any]]:
        """Return one dict per row, by column name."""
        return [dict(zip(self.columns, map(records.plain, row), strict=True)) for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        """Return caption, columns and rows as data."""
        return {"caption": self.caption, "columns": list(self.columns), "rows": records.plain(self.rows)}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print on a terminal; columns that do not fit follow below, with the rows' names again."""
        from rich.text import Text

        if self.caption:
            yield Text(f"\n{self.caption}", "italic")
        rest = list(range(1, len(self.columns)))
        while True:
            count = len(rest)
            while count > 1 and self._least_width((0, *rest[:count])) > options.max_width:
                count -= 1
            yield self._grid((0, *rest[:count]), options.max_width)
            rest = rest[count:]
            if not rest:
                return
            yield ""

    def _grid(self, shown: tuple[int, ...], room: int) -> RenderableType:
        """Return some of the columns: words wrap, numbers do not, names only if space is short."""
        from textwrap import fill

        from rich import box
        from rich.table import Table as Grid
        from rich.text import Text

        whole = sum(max(self._width(i), len(self.columns[i])) + 2 for i in shown) - 1 <= room
        grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        for i in shown:
            name, style = self.columns[i], "" if i else "bold"
            if i in self.left:
                is_whole = self._width(i) >= max((len(cell(row[i])) for row in self.rows), default=0)
                grid.add_column(Text(name), style=style, no_wrap=not i and is_whole)
            else:
                head = name if whole else fill(name, self._width(i), break_long_words=False)
                grid.add_column(Text(head), style=style, justify="right", no_wrap=True)
        for row in self.rows:
            grid.add_row(*(Text(cell(row[i])) for i in shown))
        return grid

    def _width(self, i: int) -> int:
        """Return the minimum width of a column, in characters: a row's name is not wrapped, other words may be."""
        texts = [cell(row[i]) for row in self.rows]
        if i in self.left and (i or max(map(len, texts), default=0) > MAX_NAME_WIDTH):
            texts = [word for text in texts for word in text.split()]
        return max(map(len, [*self.columns[i].split(), *texts]), default=1)

    def _least_width(self, shown: Sequence[int]) -> int:
        return sum(self._width(i) + 2 for i in shown) - 1  # one space beside each, and one more between two

    def html(self) -> str:
        """Return the table as HTML."""
        made = table(self.columns, [tuple(map(cell, row)) for row in self.rows], self.left)
        return (f"<p>{text(self.caption)}</p>" if self.caption else "") + made

    def __str__(self) -> str:
        return rendered(self).strip("\n")

    def _repr_html_(self) -> str:
        return self.html()


def cell(value: Any) -> str:
    """Format a cell: 1,234 and 0.01235 and 1.2e-08; a dash for None."""
    if value is None:
        return words.phrases.NOTHING
    if isinstance(value, str):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool):
        return words.phrases.YES if number else words.phrases.NO
    if isinstance(number, int):
        return f"{number:,}"
    if math.isnan(number):
        return words.phrases.UNDEFINED
    return quantity(number)


def plain_console(out: Any, width: int) -> Console:
    """Create a console of a width, without colors."""
    from rich.console import Console

    return Console(
        file=out, width=width, highlight=False, color_system=None, force_terminal=False, legacy_windows=False
    )


def shown(show: Callable[[Console], None], width: int) -> str:
    """Return what a function prints on a console, as text of at most `width` characters per line."""
    show(plain_console(out := StringIO(), width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def rendered(made: RenderableType, width: int = TEXT_WIDTH) -> str:
    """Return rich's output, as text of at most `width` characters per line."""
    return shown(lambda console: console.print(made), width)


def aligned(rows: Sequence[Sequence[str]], texts: int, is_ruled: bool = True) -> list[str]:
    """Return rows of cells as lines, the first one as heads, with a rule below it if is_ruled.

    texts: the number of columns of words, which come first and are left-aligned; the others are numbers.
    """
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    rule = [tuple("-" * width for width in widths)] if is_ruled else []
    return [
        "  ".join(
            cell + " " * (width - width_of(cell)) if k < texts else rjust(cell, width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (rows[0], *rule, *rows[1:])
    ]


def summary(summary: Summary, width: int | None = None) -> str:
    """Format the table and the totals, in lines of at most `width` characters if possible.

    A table that is too wide omits the operations, and then the settings of layers.
    """
    head, body = summary_cells(summary)
    lines = aligned([head, *body], 2)
    if width is not None and max(map(len, lines)) > width:
        lines = aligned([line[:4] for line in (head, *body)], 2)
    if width is not None and max(map(len, lines)) > width:
        lines = aligned([(line[0], line[1].partition("(")[0], *line[2:4]) for line in (head, *body)], 2)
    lines += ["", *(f"{name:<13}{value}" for name, value in summary_totals(summary).items())]
    return "\n".join(lines)


def summary_cells(summary: Summary) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the column names, and the rows as text, with links inside blocks indented."""
    said = words.model
    body: list[tuple[str, ...]] = [(said.INPUT, "", str(summary.inputs), "", "")]
    for row in summary.rows:
        count = f"{row.parameters:,}" if row.parameters else ""
        body.append(
            (
                "  " * row.depth + row.name,
                short(row.layer, MAX_SETTINGS_CHARACTERS),
                str(row.output),
                said.frozen(count) if row.parameters and row.frozen else count,
                f"{row.operations:,}" if row.operations else "",
            )
        )
    return said.SUMMARY_HEADS, body


def summary_totals(summary: Summary) -> dict[str, str]:
    """Return parameters, operations and memory of the whole network as text."""
    said, frozen = words.model, summary.parameters - summary.trained
    return {
        said.PARAMETERS: said.parameters(summary.parameters, frozen, as_bytes(summary.parameter_bytes)),
        said.OPERATIONS: said.operations(summary.operations, summary.training_operations),
        said.MEMORY: said.memory(as_bytes(summary.training_bytes), summary.batch_size),
    }


def cost_cells(found: DistillationCost) -> list[tuple[str, ...]]:
    """Return rows with the losses, the seconds, the bytes and the networks of teacher and student."""
    said = words.model
    made = []
    if found.losses:
        name = said.RMSE if found.same_labels is None else said.LOG_LOSS
        made.append((name, *(f"{loss:.4g}" for loss in found.losses)))
    made.append((said.SECONDS_OF_ROWS, *(f"{1000 * seconds:.1f}" for seconds in found.seconds)))
    made.append((said.FILE, *(f"{size:,}" for size in found.bytes)))
    made.append((said.NETWORKS, *(f"{count:,}" for count in found.networks)))
    return made


def cost_sentences(found: DistillationCost) -> list[str]:
    """Return what the student has learned, and how far it is from the teacher."""
    said = words.model
    return [
        said.learned(found.own, found.between, found.trained),
        said.agreement(found.judged, found.difference, found.same_labels, found.is_new),
    ]


def cost(found: DistillationCost) -> str:
    """Return the sentences and the table."""
    table = Table(words.model.COST_HEADS, tuple(cost_cells(found)))
    return "\n".join([*cost_sentences(found), "", str(table)])


def int8_cells(found: Int8Effect) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Return the heads and the rows of a table by layer, by class, and by column.

    Columns that change nothing and empty tables are left out.
    """
    said, percent = words.model, words.phrases.percent
    layers: list[tuple[str, ...]] = [
        (
            *(each.name, f"{each.low:.3g} .. {each.high:.3g}", percent(each.error)),
            *(percent(each.at_the_ends), f"{each.used}"),
        )
        for each in found.layers
    ]
    classes: list[tuple[str, ...]] = [
        (
            *(each.label, f"{each.rows:,}", percent(each.same), f"{each.change:.2g}"),
            each.mostly or words.phrases.NOTHING,
        )
        for each in found.classes
    ]
    columns: list[tuple[str, ...]] = [
        (each.name, f"{each.step:.2g}", f"{each.change:.2g}")
        for each in found.columns[:COLUMNS_SHOWN]
        if each.change > 0
    ]
    tables = [(said.LAYER_HEADS, layers), (said.CLASS_HEADS, classes), (said.COLUMN_HEADS, columns)]
    return [(heads, cells) for heads, cells in tables if cells]


def int8_sentences(found: Int8Effect) -> tuple[str, str]:
    """Return how far the answers are from the exact ones, and how the tables are read."""
    said = words.model
    return (
        said.of_integers(found.rows, found.difference, bool(found.classes)),
        said.how(any(each.change > 0 for each in found.columns)),
    )


def int8(found: Int8Effect) -> str:
    """Return a sentence, and a table by layer, by class, and by column."""
    tables = [str(Table(heads, tuple(cells))) for heads, cells in int8_cells(found)]
    return "\n".join([*int8_sentences(found), *(f"\n{table}" for table in tables)])
