"""A table in its original form: its columns by name, the cells of its rows, and the network's inputs for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import DataError
from chainrule.recipe.data import Data
from chainrule.recipe.table_data import TableData
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio

LOOKED_AT = 10_000
"""The maximum rows used to describe a column."""
MOST_CATEGORIES = 64
"""The maximum categories of a text column that are offered for selection."""


def columns_of(data: Data) -> dict[str, Any]:
    """Return a description of a table's columns for a page; an empty one for other data."""
    table = data.table
    if table is None:
        return {}
    return {
        "target": table.target.name,
        "columns": [described(table, name) for name in table.inputs],
    }


def described(table: TableData, name: str) -> dict[str, Any]:
    """Return a column: its name, the indices of its inputs, and its range or its categories, most frequent first."""
    values, place = table.columns[name], table.blocks.get(name)
    places = [] if place is None else list(range(place.start, place.stop))
    found: dict[str, Any] = {"name": name, "inputs": places, "low": None, "high": None, "categories": None}
    if isinstance(values, np.ndarray):
        some = np.asarray(values[:LOOKED_AT], np.float64)
        some = some[np.isfinite(some)]
        if some.size:
            found |= {"low": float(some.min()), "high": float(some.max())}
            found["whole"] = bool((some == np.round(some)).all())
        return found
    counted = Counter(str(value) for value in list(values[:LOOKED_AT]) if value is not None)
    if len(counted) <= MOST_CATEGORIES:
        found["categories"] = [text for text, _ in counted.most_common()]
    return found


def cells_of(data: Data, rows: Sequence[int]) -> list[list[str]] | None:
    """Return the cells of some rows of the shown part, as text in the units of the table; None for other data."""
    if data.table is None:
        return None
    places = data.table.train if data.test is None else data.table.test
    names = list(data.table.inputs)
    return [data.table.values(int(places[row]), names) for row in rows]


@command("table.inputs", reads=True)
def inputs(studio: Studio, *, cells: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of the network (inputs,) for a row of cells, as text or numbers; an empty one is missing."""
    table = studio.data.table
    if table is None:
        raise DataError(f"{studio.data.name} is not a table of columns; pass the numbers themselves.")
    row = {name: one(cells.get(name), values, name) for name, values in table.inputs.items()}
    return {"x": table.preprocessor.transform(row)[0]}


def one(cell: Any, values: Any, name: str) -> Any:
    """Convert a cell to a one-row column of the table column's type. Raises DataError."""
    is_missing = cell is None or cell == ""
    if not isinstance(values, np.ndarray):
        return [None if is_missing else str(cell)]
    try:
        return np.array([np.nan if is_missing else float(cell)])
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be a number, not {str(cell)[:40]!r}.") from error
