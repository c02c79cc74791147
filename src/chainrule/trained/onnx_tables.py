"""The columns of a table in an ONNX file, as skl2onnx writes a ColumnTransformer: an input each, scaled or one-hot.

The preparation becomes that of an estimator's file, as data; the network begins behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas.layers import Dense
from chainrule.network.network import Network
from chainrule.trained.parts import Floats

Array = NDArray[Any]
AS_THEY_ARE = ("Cast", "Flatten", "Identity", "Reshape")
"""The operators that leave rows of columns as they are."""


class Cell(NamedTuple):
    """One number of a prepared row: scale x + offset, where x is a column or whether it has a category."""

    column: str
    category: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    fill: float | None = None
    """what a missing number of the column is replaced by; None where nothing replaces it"""


Cells = list[Cell]


def cells_of(
    op: str, settings: Mapping[str, Any], given: Sequence[Cells | Array], texts: frozenset[str]
) -> Cells | None:
    """Return the numbers that an operator makes of those of columns, or of constants; None for another operator.

    texts: the columns of text, of which only categories are numbers.
    """
    cells = [each for each in given if isinstance(each, list)]
    first = cells[0]
    if op in ("Concat", "FeatureVectorizer") and len(cells) == len(given):
        return [cell for each in cells for cell in each]
    if op in AS_THEY_ARE:
        return first
    if op == "OneHotEncoder" and len(first) == 1 and first[0][1:4] == (None, 1.0, 0.0):
        kinds = "cats_strings" if first[0].column in texts else "cats_int64s"
        known = [each.decode() if isinstance(each, bytes) else str(each) for each in settings.get(kinds, ())]
        return [Cell(first[0].column, each) for each in known] or None
    if op in ("ArrayFeatureExtractor", "Gather") and given[0] is first and len(given) == 2:
        return [first[int(k)] for k in np.ravel(given[1])]
    if any(cell.column in texts and cell.category is None for each in cells for cell in each):
        return None
    if op == "Imputer":
        fills = np.broadcast_to(settings["imputed_value_floats"], len(first)).tolist()
        return [cell._replace(fill=fill) for cell, fill in zip(first, fills, strict=True)]
    if op == "Scaler":
        scale, center = (np.broadcast_to(settings[name], len(first)) for name in ("scale", "offset"))
        return _scaled(first, scale, -center * scale)
    function = {"Add": np.add, "Div": np.divide, "Mul": np.multiply, "Sub": np.subtract}.get(op)
    if function is None or given[0] is not first or len(cells) != 1 or len(given) != 2:
        return None
    constant = np.broadcast_to(np.ravel(np.asarray(given[1], np.float64)), len(first))
    offset = function(0.0, constant)
    return _scaled(first, function(1.0, constant) - offset, offset)


def _scaled(cells: Cells, scale: Floats, offset: Floats) -> Cells:
    return [
        cell._replace(scale=cell.scale * s, offset=cell.offset * s + t)
        for cell, s, t in zip(cells, scale.tolist(), offset.tolist(), strict=True)
    ]


class Preparation(NamedTuple):
    """What makes prepared rows of a table."""

    table: dict[str, Any]
    """as in a model's file"""
    names: list[str]
    """of the numbers that it makes"""
    chosen: tuple[int, ...]
    """which of these each number of a row is"""
    scale: Floats
    offset: Floats
    """of each number of a row, where the table does not scale it"""


def preparation(cells: Cells, categories: Mapping[str, Sequence[str]]) -> Preparation:
    """Return the preparation of a table that makes some numbers.

    categories: of each column that has them, all in their order.
    Raises ValueError for a column that is a number and categories too.
    """
    columns: dict[str, dict[str, Any]] = {}
    first: dict[tuple[str, str | None], int] = {}
    names: list[str] = []
    scale, offset = (np.array([getattr(cell, name) for cell in cells]) for name in ("scale", "offset"))
    for cell in cells:
        own = categories.get(cell.column)
        if (own is None) != (cell.category is None):
            raise ValueError(f"the column {cell.column!r:.60} is a number and categories too")
        if cell.column in columns:
            continue
        about: dict[str, Any] = {"name": cell.column, "why": "asked", "missing": 0.0}
        if own is None:
            spread = 1 / cell.scale if cell.scale > 0 else 1.0
            center = 0.0 - cell.offset * spread if cell.scale > 0 else 0.0
            fill = center if cell.fill is None else cell.fill
            lanes = [["value", float(fill), "affine", float(center), float(spread)]]
            about |= {"kind": "number", "became": "scaled", "lanes": lanes}
            of_column = [k for k, each in enumerate(cells) if each.column == cell.column]
            if len({cells[k].fill for k in of_column}) > 1:
                raise ValueError(f"the column {cell.column!r:.60} has missing values of two kinds")
            for k in of_column:
                is_same = cells[k] == cell
                offset[k] = 0.0 if is_same else offset[k] + scale[k] * center
                scale[k] = 1.0 if is_same else scale[k] * spread
        else:
            about |= {"kind": "category", "became": "one_hot", "distinct": len(own), "categories": list(own)}
        columns[cell.column] = about
        for category in own or (None,):
            first[cell.column, category] = len(names)
            names.append(cell.column if category is None else f"{cell.column}={category}")
    table = {
        "kind": "table_preprocessor",
        "version": 1,
        "settings": {},
        "named": True,
        "columns": list(columns.values()),
    }
    chosen = tuple(first[cell.column, cell.category] for cell in cells)
    return Preparation(table, names, chosen, scale, offset)


def estimator(prepared: Preparation, network: Network, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the estimator of a network behind a preparation, as in a model's file. about: the model's metadata."""
    outputs, targets, classes = network.outputs, network.loss.targets, about["classes"]
    labels, parameters = None, dict[str, Any](preprocess=None)
    if targets in ("real", "amounts"):
        parameters |= {"loss": "squared_error" if targets == "real" else network.loss.kind, "quantiles": 0.5}
    else:
        kind = "multiclass" if targets == "classes" else "binary" if outputs == 1 else "multilabel"
        known = np.array(range(max(outputs, 1 + (kind == "binary"))) if classes is None else classes)
        labels = {"classes": known.tolist(), "dtype": known.dtype.str, "kind": kind, "is_sparse": False}
    layers = sum(isinstance(layer, Dense) for layer in network.layers) + 1
    counts = {"n_iter_": 0, "t_": 0, "n_layers_": layers, "n_outputs_": outputs}
    return {
        "class": "MLPRegressor" if labels is None else "MLPClassifier",
        "parameters": parameters,
        "labels": labels,
        "records": {**counts, "n_features_in_": len(prepared.table["columns"]), "loss_curve_": []},
        "table": prepared.table | {"settings": {"dtype": about["dtype"]}},
        "group_sizes": [],
    }
