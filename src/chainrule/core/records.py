"""Results: every one of the package as JSON-safe data, for a page, a log, or another program, and on display.

A result's class registers its kind with the decorator `kind`, and has the method `to_data`:

    >>> model.gradient_flow(X, y).to_data()
    {"kind": "flow", "version": 1, "layers": [{"layer": "dense_1", "width": 32, ...}, ...], "loss": 0.31, ...}

The value consists of dicts with text keys, lists, text, bools, ints, finite floats and None. NaN and infinity, which
JSON lacks, become None; NumPy arrays and numbers become lists and Python numbers. A nested result is a dict of its
fields; its layout belongs to the version of the outer one. A version changes when a key changes its meaning or is
removed; keys may be added at any time, in any order.

Results that grow with the number of samples are truncated: `to_data(n=32, width=128)` keeps the first n samples and
the first `width` numbers of each, and "left_out" counts the missing ones: {"samples": 968, ...}; None keeps all.

The functions that draw results are in `chainrule.views`, and their interactive page is in `chainrule.studio`; both
import the results (see the picture in docs/design.md). A result names the function that shows it, which is loaded when
it is first called.
"""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any, NamedTuple, TypeVar

SHOW, WIDGET = "chainrule.views:show", "chainrule.studio:widget"
"""The functions that show results, by name, because their rooms import the results."""
Class = TypeVar("Class", bound=type)


class Kind(NamedTuple):
    """The data format of one class of results."""

    name: str
    """the value of "kind", unique in the package"""
    version: int
    fields: tuple[str, ...] | None
    """attributes to write; None for the fields of the dataclass or NamedTuple"""
    also: tuple[str, ...]
    """properties to write as well"""
    rows: str | None
    """the items on the first axis of its arrays, such as "samples", which `n` bounds; None if not bounded"""
    columns: str | None
    """the items on the last axis of arrays with two or more axes, which `width` bounds"""


KINDS: dict[type, Kind] = {}
"""The registry: the kind of each class of results; subclasses inherit it."""


def kind(
    name: str,
    version: int = 1,
    *,
    fields: tuple[str, ...] | None = None,
    also: tuple[str, ...] = (),
    rows: str | None = None,
    columns: str | None = None,
) -> Callable[[Class], Class]:
    """Return a class decorator that registers a class of results; arguments as in `Kind`.

    Raises ValueError if another class has the name.
    """

    def register(cls: Class) -> Class:
        if any(name == other.name for other in KINDS.values()):
            raise ValueError(f"the kind {name!r} is registered twice; give {cls.__name__} another name.")
        KINDS[cls] = Kind(name, version, fields, also, rows, columns)
        return cls

    return register


class DataResult:
    """Base class of results, where they are no NamedTuples."""

    __slots__ = ()

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return to_data(self)


def to_data(result: object, n: int | None = None, width: int | None = None) -> dict[str, Any]:
    """Return a registered result as JSON-safe data: its kind, its version and its fields.

    n, width: bounds on the axes that its kind names; None for no bound.
    Raises TypeError if the result is not registered, or a field is not data.
    """
    found = _kind_of(result)
    if found is None:
        raise TypeError(f"{type(result).__name__} is not registered as a kind of result.")
    values = {name: getattr(result, name) for name in (*(found.fields or _fields(result)), *found.also)}
    if found.rows is None:
        return labeled(result, values)
    left_out = {found.rows: 0} | ({} if found.columns is None else {found.columns: 0})
    for name, value in values.items():
        if getattr(value, "ndim", 0) > 0:
            values[name] = cut = value[:n]
            left_out[found.rows] = max(left_out[found.rows], len(value) - len(cut))
            if found.columns is not None and value.ndim > 1:
                values[name] = cut[..., :width]
                missing = value.shape[-1] - values[name].shape[-1]
                left_out[found.columns] = max(left_out[found.columns], missing)
    return labeled(result, values | {"left_out": left_out})


def labeled(result: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON-safe data under the kind and version of a result, for a class with a custom layout."""
    registered = _kind_of(result)
    assert registered is not None and not values.keys() & {"kind", "version"}, type(result)
    return {"kind": registered.name, "version": registered.version, **plain(values)}


def plain(value: Any) -> Any:
    """Convert data to JSON-safe data. Raises TypeError for anything else, such as a function."""
    if _kind_of(value) is not None:
        return {key: item for key, item in value.to_data().items() if key not in ("kind", "version")}
    if isinstance(value, array) and value.typecode not in "fd":  # of whole numbers
        return value.tolist()
    if hasattr(value, "tolist"):  # a NumPy array or number
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(getattr(value, name)) for name in _fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be converted to JSON.")


def _kind_of(value: object) -> Kind | None:
    return next((KINDS[cls] for cls in type(value).__mro__ if cls in KINDS), None)


def _fields(result: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(result):
        return tuple(field.name for field in dataclasses.fields(result))
    return tuple(result._fields)


def view(result: object, form: str, *arguments: Any) -> Any:
    """Return a result in one form: view(flow, "as_figure")."""
    return resolve_name(SHOW)(result, form, *arguments)


def written(result: object, form: str, *arguments: Any) -> str:
    """Return a result in a form that is text: written(flow, "as_text")."""
    text: str = view(result, form, *arguments)
    return text


def widget(result: object, **settings: Any) -> Any:
    """Return a model or a trace as a notebook widget, by `chainrule.studio.widget`."""
    return resolve_name(WIDGET)(result, **settings)


class Shown:
    """Base class of results that notebooks display."""

    def _repr_html_(self) -> str:
        """Return the HTML for a notebook, from `chainrule.views`."""
        return written(self, "as_output")


class TextResult(DataResult):
    """Base class of results that print as text."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the result as text, from `chainrule.views`."""
        return written(self, "as_text")
