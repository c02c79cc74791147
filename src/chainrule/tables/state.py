"""Write what a preprocessor learned as JSON values, and read it back: text, numbers and lists, no code.

A file may come from anywhere, so each value is checked before it is used: its type, its range and its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from chainrule.core import codec
from chainrule.core.codec import from_to, sized
from chainrule.errors import FormatError
from chainrule.tables import calendar, marks
from chainrule.tables.column import LONGEST
from chainrule.tables.learned import LearnedColumn

KIND, VERSION = "table_preprocessor", 1
MOST_COLUMNS = 1_000_000
Number = Annotated[int, from_to(-1e15, 1e15)] | Annotated[float, from_to(-1e15, 1e15)]
Text = Annotated[str, sized(0, LONGEST)]
Setting = bool | Number | Text | dict[str, Text | Annotated[list[Number], sized(0, marks.MOST)]] | None
"""What a setting of the preprocessor can be; it checks the rest."""


def write(learned: Sequence[LearnedColumn], named: bool, settings: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values: the settings and, of each column, what differs from the default."""
    columns = []
    for each in learned:
        values, defaults = each._asdict().items(), LearnedColumn._field_defaults
        fields = {key: value for key, value in values if key not in defaults or value != defaults[key]}
        if each.kind == "date":
            fields["origin"] = calendar.as_text(each.origin)
        if each.lanes:
            fields["lanes"] = [
                [lane.part, lane.fill, *lane.scale[:3], *lane.scale.grid] for lane in each.lanes
            ]
        columns.append(
            {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
        )
    return {"kind": KIND, "version": VERSION, "settings": settings, "named": named, "columns": columns}


def read(data: Any) -> tuple[list[LearnedColumn], bool, dict[str, Any]]:
    """Return the columns, whether they have names, and the settings that `write` wrote.

    Raises FormatError for anything else, in one sentence that says where.
    """
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise FormatError(f"data is no {KIND}, as TablePreprocessor.to_data() writes it; pass that.")
    if data.get("version") != VERSION:
        raise FormatError(
            f"version is {data.get('version')!r:.40}, and this release reads {VERSION}; fit the preprocessor anew."
        )
    named = codec.read(bool, data.get("named"), "named", _damaged)
    settings = codec.read(dict[str, Setting], data.get("settings"), "settings", _damaged)
    columns = codec.read(list[dict[str, Any]], data.get("columns"), "columns", _damaged)
    if not 0 < len(columns) <= MOST_COLUMNS:
        raise _damaged(f"columns must be a list of 1 to {MOST_COLUMNS:,} columns")
    learned = [_column(column, f"columns[{k}]") for k, column in enumerate(columns)]
    if len({each.name for each in learned}) < len(learned):
        raise _damaged("columns must be columns of different names")
    return learned, named, settings


def _column(data: dict[str, Any], where: str) -> LearnedColumn:
    own = dict(data)
    if own.get("kind") == "date":
        try:
            own["origin"] = calendar.from_text(str(data.get("origin"))[:40])
        except (ValueError, OverflowError) as error:
            raise _damaged(f"origin of {where} must be a date such as 2024-12-31T00:00:00.000000") from error
    if isinstance(lanes := data.get("lanes"), list) and all(isinstance(lane, list) for lane in lanes):
        own["lanes"] = [[*lane[:2], [*lane[2:5], lane[5:]]] for lane in lanes]
    return codec.read(LearnedColumn, own, where, _damaged)


def _damaged(fault: str) -> FormatError:
    return FormatError(f"{fault}; the data was damaged or written by another program.")
