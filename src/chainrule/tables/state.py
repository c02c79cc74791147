"""Write what a preprocessor learned as JSON values, and read it back: text, numbers and lists, no code.

A file may come from anywhere, so each value is checked before it is used: its type, its range and its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from chainrule.errors import FormatError
from chainrule.tables import calendar, marks
from chainrule.tables.column import LONGEST
from chainrule.tables.fitting import MOST_CODES
from chainrule.tables.learned import Lane, LearnedColumn
from chainrule.tables.scaling import BY_QUANTILES, LARGEST, WAYS, Scaling

KIND, VERSION = "table_preprocessor", 1
MOST_COLUMNS = 1_000_000
MOST_GRID = 1000
KINDS = ("number", "boolean", "category", "date", "duration")
"""What a column may be taken for."""
WHYS = (
    *("numbers", "text_numbers", "booleans", "texts", "dates", "text_dates", "durations", "asked"),
    *("declared", "code_texts", "mostly_numbers"),
    *("all_missing", "constant", "near_constant", "every_value_differs", "identifier"),
)
"""Why: what it holds, or why it is dropped."""
OUTCOMES = ("scaled", "parts", "binary", "one_hot", "embedded", "indicator", "dropped")
"""What became of it."""
LONGEST_NAME = 1 << 16
_READS = ("", ".", ",", *calendar.ORDERS)


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
    columns, named, settings = data.get("columns"), data.get("named"), data.get("settings")
    if not isinstance(columns, list) or not 0 < len(columns) <= MOST_COLUMNS:
        raise _bad("columns", f"a list of 1 to {MOST_COLUMNS:,} columns")
    if not isinstance(named, bool):
        raise _bad("named", "true or false")
    if not isinstance(settings, dict):
        raise _bad("settings", "an object")
    for key, value in settings.items():
        _setting(value, f"settings.{str(key)[:60]}")
    learned = [_column(column, f"columns[{k}]") for k, column in enumerate(columns)]
    if len({each.name for each in learned}) < len(learned):
        raise _bad("columns", "columns of different names")
    return learned, named, settings


def _column(data: Any, where: str) -> LearnedColumn:
    if not isinstance(data, dict):
        raise _bad(where, "an object")
    unknown = [key for key in data if key not in LearnedColumn._fields]
    if unknown:
        raise FormatError(
            f"{where} has the key {unknown[0]!r:.60}, which none has; fit the preprocessor anew."
        )
    origin = 0.0
    kind = _choice(data, "kind", KINDS, where)
    if kind == "date":
        try:
            origin = calendar.from_text(_text(data.get("origin"), f"{where}.origin"))
        except (ValueError, OverflowError) as error:
            raise _bad(f"{where}.origin", "a date such as 2024-12-31T00:00:00.000000") from error
        if abs(origin) > calendar.LATEST:
            raise _bad(f"{where}.origin", "a date of the years -4000 to 8000")
    made = LearnedColumn(
        name=_text(data.get("name"), f"{where}.name", LONGEST_NAME),
        kind=kind,
        why=_choice(data, "why", WHYS, where),
        became=_choice(data, "became", OUTCOMES, where),
        missing=_number(data.get("missing"), f"{where}.missing", 0.0, 1.0),
        infinite=_count(data.get("infinite", 0), f"{where}.infinite"),
        distinct=None if data.get("distinct") is None else _count(data["distinct"], f"{where}.distinct"),
        reads=_choice(data | {"reads": data.get("reads", "")}, "reads", _READS, where),
        categories=_texts(data.get("categories", []), f"{where}.categories", MOST_CODES, LONGEST),
        merged=_count(data.get("merged", 0), f"{where}.merged"),
        size=_count(data.get("size", 0), f"{where}.size", MOST_CODES),
        lanes=_lanes(data.get("lanes", []), f"{where}.lanes"),
        cycles=_texts(data.get("cycles", []), f"{where}.cycles", len(calendar.CYCLES), LONGEST),
        origin=origin,
        indicator=data.get("indicator", False),
        value=_number(data.get("value", 1.0), f"{where}.value", 0.0, LARGEST),
        typical=None if data.get("typical") is None else _text(data["typical"], f"{where}.typical"),
        ends=_ends(data.get("ends", []), f"{where}.ends"),
        has_words=data.get("has_words", False),
        marks=_marks(data.get("marks", []), kind, f"{where}.marks"),
    )
    _whole(made, where)
    return made


def _whole(made: LearnedColumn, where: str) -> None:
    """Check that the parts of a column agree with what it became."""
    for name in ("indicator", "has_words"):
        if not isinstance(getattr(made, name), bool):
            raise _bad(f"{where}.{name}", "true or false")
    if not set(made.cycles) <= set(calendar.CYCLES) or (made.cycles and made.kind != "date"):
        raise _bad(f"{where}.cycles", f"of {', '.join(calendar.CYCLES)}, of a date")
    count, coded = len(made.categories), made.kind in ("category", "boolean")
    parts = (
        ("value",) if made.kind in ("number", "duration") else calendar.NUMBERS if made.kind == "date" else ()
    )
    own = [lane.part for lane in made.lanes]
    fits_parts = set(own) <= set(parts)
    if own and coded and made.became in ("binary", "one_hot"):  # a scale for each output
        each = 1 if made.became == "binary" else count + bool(made.merged)
        is_its = all(lane.scale.way == "realmlp" for lane in made.lanes)
        fits_parts = is_its and own == [str(k) for k in range(each)]
    fits = {
        "dropped": not count and not made.lanes and not made.cycles,
        "scaled": made.kind in ("number", "duration") and len(made.lanes) > 0,
        "parts": made.kind == "date" and bool(made.lanes or made.cycles),
        "indicator": made.indicator and not coded and not made.lanes and not made.cycles,
        "binary": coded and count == 2,
        "one_hot": coded and 0 < count <= MOST_CODES,
        "embedded": coded and count > 0 and made.size > 0,
    }
    fits_value = made.value == 1.0 or (made.became == "one_hot" and made.value > 0)
    if not (fits[made.became] and fits_parts and fits_value):
        raise FormatError(f"{where} is {made.became}, and its other values are not those of such a column.")


def _lanes(data: Any, where: str) -> tuple[Lane, ...]:
    most = MOST_CODES + 1
    if not isinstance(data, list) or len(data) > most:
        raise _bad(where, f"a list of at most {most}")
    made = []
    for lane in data:
        if not isinstance(lane, list) or not 5 <= len(lane) <= 5 + MOST_GRID:
            raise _bad(where, "lists of a part, its fill, a way of scaling, a center, a spread and quantiles")
        part, way = _text(lane[0], where), _text(lane[2], where)
        fill, center, spread, *grid = (_number(value, where) for value in (lane[1], *lane[3:]))
        if way not in WAYS or (len(grid) > 1) != (way in BY_QUANTILES) or len(grid) == 1:
            raise _bad(where, f"of the ways {', '.join(WAYS)}, and with quantiles for that of these")
        if spread <= 0 or any(a > b for a, b in pairwise(grid)):
            raise _bad(where, "a spread above 0 and quantiles in order")
        made.append(Lane(part, fill, Scaling(way, center, spread, tuple(grid))))
    if len({(lane.part, lane.scale.way) for lane in made}) < len(made):
        raise _bad(where, "different parts")
    return tuple(made)


def _ends(data: object, where: str) -> tuple[float, ...]:
    if not isinstance(data, list) or len(data) not in (0, 2):
        raise _bad(where, "the smallest and the largest value, or nothing")
    made = tuple(_number(value, where) for value in data)
    if made and made[0] > made[1]:
        raise _bad(where, "the smallest value and then the largest")
    return made


def _marks(data: object, kind: str, where: str) -> tuple[float, ...]:
    if not isinstance(data, list) or len(data) > marks.MOST or (data and kind != "number"):
        raise _bad(where, f"a list of at most {marks.MOST} numbers, of a column of numbers")
    return tuple(_number(value, where) for value in data)


def _choice(data: dict[str, Any], key: str, allowed: Sequence[str], where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise _bad(f"{where}.{key}", f"of {', '.join(map(repr, allowed))}")
    return value


def _number(value: Any, where: str, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _bad(where, "a finite number")
    try:
        number = float(value)
    except OverflowError as error:
        raise _bad(where, "a finite number") from error
    if not math.isfinite(number) or not low <= number <= high:
        raise _bad(where, "a finite number" + f" from {low:g} to {high:g}" * math.isfinite(low))
    return number


def _count(value: Any, where: str, most: int = 1 << 53) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise _bad(where, f"a whole number of 0 to {most:,}")
    return value


def _text(value: Any, where: str, longest: int = LONGEST) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise _bad(where, f"text of at most {longest:,} characters")
    return value


def _setting(value: Any, where: str) -> None:
    """Check that a setting is of a type and a size that one can have; the preprocessor checks the rest."""
    if isinstance(value, dict):
        for key, item in value.items():
            _text(key, where, LONGEST_NAME)
            if isinstance(item, list) and len(item) <= marks.MOST:
                item = [_number(each, where) for each in item]
            else:
                _text(item, where)
    elif isinstance(value, str):
        _text(value, where)
    elif value is not None and not isinstance(value, bool):
        _number(value, where, -1e15, 1e15)


def _texts(value: Any, where: str, most: int, longest: int) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise _bad(where, f"a list of at most {most:,} texts")
    made = tuple(_text(each, where, longest) for each in value)
    if len(set(made)) < len(made):
        raise _bad(where, "texts that differ")
    return made


def _bad(where: str, expected: str) -> FormatError:
    return FormatError(f"{where} must be {expected}; the data was damaged or written by another program.")
