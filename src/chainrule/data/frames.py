"""Data frames: their column names, and their numbers with the columns in the order that a model expects.

Frames are read through narwhals, imported for the first frame. Rows may also be given one by one, by the names of their
columns: they become a dict of columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from chainrule.errors import ConfigError, DataError

MAX_COLUMNS_SHOWN = 3
"""The maximum number of columns listed in an error."""
FRAMES = ("pandas", "polars", "pyarrow")
"""The libraries whose frames results become."""


def is_frame(value: object) -> bool:
    """Return whether a value may be a data frame or a series, from its class only: a lazy frame might run a query."""
    return not isinstance(value, np.ndarray) and any(
        hasattr(type(value), known) for known in ("columns", "column_names", "to_frame")
    )


def column_names(value: object, name: str = "X") -> tuple[str, ...] | None:
    """Return the column names of a data frame if all are text; None for other names and other objects.

    Raises DataError for duplicate names and lazy frames.
    """
    if not is_frame(value):
        return None
    frame = read_frame(value, name)
    return _names(frame.columns, name) if hasattr(frame, "columns") else None


def to_array(
    value: object, name: str, known: Sequence[str] | None = None
) -> tuple[Any, tuple[str, ...] | None]:
    """Convert a data frame or a series to an array; return it and the column names if all are text.

    known: the names that a model was trained on: these columns are selected in this order. A row of a pandas frame, a
    series indexed by the names, is matched likewise.
    Raises DataError for missing or duplicate columns, and lazy frames.
    """
    frame = read_frame(value, name)
    if hasattr(frame, "columns"):
        names = _names(frame.columns, name)
        if names is None or known is None or names == tuple(known):
            return frame.to_numpy(), names
        places(known, names, name)
        return frame.select(*known).to_numpy(), tuple(known)
    index: Any = getattr(value, "index", None)
    if known is not None and hasattr(index, "get_loc") and 1 < len(known) <= len(index):
        names = tuple(index)
        if all(isinstance(each, str) for each in names):
            return frame.to_numpy()[places(known, names, name)], tuple(known)
    return frame.to_numpy(), None


def places(known: Sequence[str], came: Sequence[str], name: str) -> list[int]:
    """Return the index of each known column among the given ones. Raises DataError that lists the missing ones."""
    where = {each: k for k, each in enumerate(came)}
    missing = [each for each in known if each not in where]
    if not missing:
        return [where[each] for each in known]
    from difflib import get_close_matches

    others = {each.casefold(): each for each in came if each not in set(known)}
    shown = []
    for each in missing[:MAX_COLUMNS_SHOWN]:
        near = get_close_matches(each.casefold(), others, 1)
        shown.append(f"{each!r}" + (f" (renamed to {others[near[0]]!r}?)" if near else ""))
    more = f" and {len(missing) - MAX_COLUMNS_SHOWN} more" if len(missing) > MAX_COLUMNS_SHOWN else ""
    if all(each.startswith(tuple(f"{other}{sign}" for other in came for sign in " =")) for each in missing):
        raise DataError(
            f"{name} has the columns of a table, but the model takes the features that an estimator's "
            "preprocessor makes, "
            f"such as {missing[0]!r}; pass preprocessor_.transform({name}) of that estimator."
        )
    raise DataError(
        f"{name} lacks {', '.join(shown)}{more} of the {len(known)} columns the model was trained on; "
        "add what is missing, or rename its columns."
    )


def read_frame(value: Any, name: str) -> Any:
    """Return a data frame, a series or an index of pandas as a narwhals object.

    Raises DataError for lazy frames and duplicate names.
    """
    import narwhals

    if hasattr(value, "to_series") and hasattr(value, "get_level_values"):  # an index of pandas
        value = value.to_series()
    try:
        frame = narwhals.from_native(value, allow_series=True)
    except ValueError as error:  # narwhals rejects duplicate names
        names = list(value.column_names if hasattr(value, "column_names") else value.columns)
        if len(set(names)) == len(names):
            raise
        raise _twice(names, name) from error
    except TypeError as error:
        raise DataError(
            f"{name} must be an array or a data frame that narwhals supports, not {type(value).__name__}; "
            "pass it as a NumPy array."
        ) from error
    if isinstance(frame, narwhals.LazyFrame):
        raise DataError(
            f"{name} is a lazy frame ({type(value).__name__}), whose rows are not computed yet; "
            f"collect it first, in Polars with {name}.collect()."
        )
    return frame


def make_frame(columns: Mapping[str, Any], backend: Any = None) -> Any:
    """Return a data frame with these columns. backend: its library; None for the first of FRAMES that is installed.

    Raises ConfigError for another library, and for one that is not installed.
    """
    import narwhals

    backend = backend or next(filter(find_spec, FRAMES), FRAMES[0])
    try:
        return narwhals.from_dict(columns, backend=backend).to_native()
    except ModuleNotFoundError as error:
        raise ConfigError(f"a data frame of {backend!r} needs that library; install it first.") from error
    except ValueError as error:
        raise ConfigError(f"backend must be one of {', '.join(FRAMES)}, not {backend!r}.") from error


def _names(columns: Sequence[Any], name: str) -> tuple[str, ...] | None:
    names = tuple(columns)
    if not names or not all(isinstance(each, str) for each in names):
        return None
    if len(set(names)) < len(names):
        raise _twice(names, name)
    return names


def _twice(names: Sequence[Any], name: str) -> DataError:
    twice = next(each for each in names if names.count(each) > 1)
    return DataError(f"{name} has two columns named {twice!r}; rename one of them.")


def is_pandas(X: object, kind: str = "DataFrame") -> bool:
    """Return whether a value is a data frame or a Series of pandas."""
    return is_of(X, "pandas", kind)


def is_of(X: object, library: str, kind: str) -> bool:
    """Return whether a value is an instance of a class of a library, which is not imported for it."""
    return any(
        cls.__name__ == kind and cls.__module__.partition(".")[0] == library for cls in type(X).__mro__
    )


def has_few_rows(X: object, most: int) -> bool:
    """Return whether a table probably has at most so many rows. It is not read; False where the number is not known."""
    if isinstance(X, Mapping):
        X = next(iter(X.values()), None)
        if is_single(X):
            return True
    elif is_of(X, "pandas", "Series"):
        return True
    elif not (isinstance(X, (list, np.ndarray)) or is_frame(X)):
        return False
    try:
        return len(X) <= most  # type: ignore[arg-type]
    except TypeError:  # of a lazy frame, or an array without dimensions
        return False


def is_single(value: object) -> bool:
    """Return whether a value is a cell: text, or nothing that has a length."""
    return isinstance(value, (str, bytes)) or not (hasattr(value, "__len__") or is_frame(value))
