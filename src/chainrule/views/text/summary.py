"""A network's summary as a table of its links."""

from __future__ import annotations

from chainrule.network.summary import Summary, as_bytes
from chainrule.views import words
from chainrule.views.tables import aligned
from chainrule.views.words.facts import short

MAX_SETTINGS_CHARACTERS = 80
"""The maximum number of characters of a layer's settings; longer ones, such as lists of columns, are omitted."""


def table(summary: Summary, width: int | None = None) -> str:
    """Format the table and the totals, in lines of at most `width` characters if possible.

    A table that is too wide omits the operations, and then the settings of layers.
    """
    head, body = cells(summary)
    lines = aligned([head, *body], 2)
    if width is not None and max(map(len, lines)) > width:
        lines = aligned([line[:4] for line in (head, *body)], 2)
    if width is not None and max(map(len, lines)) > width:
        lines = aligned([(line[0], line[1].partition("(")[0], *line[2:4]) for line in (head, *body)], 2)
    lines += ["", *(f"{name:<13}{value}" for name, value in totals(summary).items())]
    return "\n".join(lines)


def cells(summary: Summary) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
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


def totals(summary: Summary) -> dict[str, str]:
    """Return parameters, operations and memory of the whole network as text."""
    said, frozen = words.model, summary.parameters - summary.trained
    return {
        said.PARAMETERS: said.parameters(summary.parameters, frozen, as_bytes(summary.parameter_bytes)),
        said.OPERATIONS: said.operations(summary.operations, summary.training_operations),
        said.MEMORY: said.memory(as_bytes(summary.training_bytes), summary.batch_size),
    }
