"""Rows that are given one by one, by the names of their columns, as a dict of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.data import frames


def as_columns(X: Any, known: Sequence[str] | None) -> Any:
    """Return rows as a dict of columns, and any other table as it is.

    A row is a mapping of single values, or a pandas Series whose index has one of the names `known`; a list of
    mappings is as many rows, in which a name that a row lacks is a missing value.
    """
    if isinstance(X, Mapping):
        values = iter(X.values())
        is_row = len(X) > 0 and is_single(next(values)) and all(map(is_single, values))
        return {key: [value] for key, value in X.items()} if is_row else X
    if isinstance(X, (list, tuple)):
        if not X or not all(isinstance(row, Mapping) for row in X):
            return X
        names = dict.fromkeys(name for row in X for name in row)
        return {name: [row.get(name) for row in X] for name in names}
    if known is not None and is_pandas(X, "Series"):
        labels = X.index.tolist()
        if not set(known).isdisjoint(each for each in labels if isinstance(each, str)):
            return {label: [value] for label, value in zip(labels, X.tolist(), strict=True)}
    return X


def is_pandas(X: object, kind: str = "DataFrame") -> bool:
    """Return whether a value is a data frame or a Series of pandas."""
    return is_of(X, "pandas", kind)


def is_of(X: object, library: str, kind: str) -> bool:
    """Return whether a value is an instance of a class of a library, which is not imported for it."""
    return any(
        cls.__name__ == kind and cls.__module__.partition(".")[0] == library for cls in type(X).__mro__
    )


def is_single(value: object) -> bool:
    """Return whether a value is a cell: text, or nothing that has a length."""
    return isinstance(value, (str, bytes)) or not (hasattr(value, "__len__") or frames.is_frame(value))
