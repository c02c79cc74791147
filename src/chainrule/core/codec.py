"""Values of JSON as instances of classes and back, by type hints: for files, messages and metadata.

    class Replan(NamedTuple):
        step: Annotated[int, from_to(0)]
        shortened: int | None = None

    read(Replan, {"step": 3}, "the plan")      Replan(step=3, shortened=None)
    read(Replan, {"step": -1}, "the plan")     FormatError: step of the plan must be an integer of at least 0, not -1
    write(Replan(3))                           {"step": 3, "shortened": None}

A hint is a NamedTuple, a dataclass, an array, a list, a tuple, a mapping, a Literal, int, float, str, bool, None, Any,
or a union of these; in `Annotated` its rules must hold too. Numbers are finite, integers at most 2^53 in size. A class
is an object of its fields, or with the decorator `as_list` a list; those with a default may be missing. What must hold
of several fields is said by its method `requires`: facts by what the instance must have.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import operator
import re
import reprlib
import sys
import types
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from chainrule.core.settings import MAX_COUNT
from chainrule.errors import FormatError

Class = TypeVar("Class", bound=type)
Value = TypeVar("Value")
Hint: TypeAlias = Any
"""A class, or a form of `typing` of classes."""
MAX_CHARACTERS = 1 << 16
"""The longest text."""
LARGEST = sys.float_info.max
NOT_SAVED = "not saved"
"""Annotates a field that is in no file."""
_AS_LISTS: set[type] = set()


class Condition(NamedTuple):
    """What a value must be beside its type."""

    words: str
    """what is expected, with "*" for the words of the type: "* in ascending order\""""
    holds: Callable[[Any], Any]


def from_to(least: float, most: float = math.inf) -> Condition:
    """Return the rule of a number, or of each of an array, in a range with its ends."""
    words = f"from {least:g} to {most:,}" if most < math.inf else f"of at least {least:g}"
    return Condition(f"* {words}", lambda value: (least <= value) & (value <= most))


def above(least: float) -> Condition:
    """Return the rule of a number, or of each of an array, above another."""
    return Condition(f"* above {least:g}", lambda value: value > least)


def one_of(names: Collection[str]) -> Condition:
    """Return the rule of a text that is one of some."""
    return Condition(f"one of {', '.join(names)}", frozenset(names).__contains__)


def sized(least: int, most: int) -> Condition:
    """Return the rule of a text, a list or an array of so many characters or items."""
    words = f"{least:,} to {most:,}" if least < most else f"{most:,}"
    return Condition(f"* with a length of {words}", lambda value: least <= len(value) <= most)


Count = Annotated[int, from_to(0)]
Positive = Annotated[int, from_to(1)]
OR_NAN = Condition("*", lambda value: True)
"""Annotates a number that may be NaN, or infinite: null in files, and then NaN."""
DIFFERENT = Condition("* that differ", lambda items: len({*items}) == len(items))
ASCENDING = Condition("* in ascending order", lambda items: all(map(operator.le, items, items[1:])))


def as_list(kind: Class) -> Class:
    """Have a class written as the list of its fields; a decorator."""
    _AS_LISTS.add(kind)
    return kind


def read(
    hint: type[Value], value: object, place: str, error: Callable[[str], Exception] = FormatError
) -> Value:
    """Return a value of JSON as what a hint says.

    place: what has it, for the message, or "".  Raises the error for a value that is none.
    """
    try:
        found: Value = _fit(hint, value)
    except Misfit as misfit:
        where = " of ".join(filter(None, (misfit.path, place)))
        raise error(f"{where} {misfit.fault}".lstrip()) from None
    return found


def write(value: object) -> Any:
    """Return an instance as values of JSON, of which `read` makes it again."""
    kind: Any = type(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if _is_class(kind):
        written = {name: write(getattr(value, name)) for name in _fields(kind)}
        for name, hint in _fields(kind).items():
            if OR_NAN in get_args(hint) and written[name] is not None and not math.isfinite(written[name]):
                written[name] = None
        return [*written.values()] if kind in _AS_LISTS else written
    if isinstance(value, Mapping):
        return {name: write(each) for name, each in value.items()}
    return [write(each) for each in value] if isinstance(value, (list, tuple)) else value


def require(facts: Mapping[str, object], place: str) -> None:
    """Raise FormatError for the first fact that does not hold; its name is what the place must have."""
    for what, holds in facts.items():
        if not holds:
            raise FormatError(f"{place} must have {what}")


class Misfit(Exception):
    """What is wrong with a value, and its place in others."""

    def __init__(self, fault: str, path: str = "") -> None:
        """Keep both."""
        super().__init__(fault)
        self.fault, self.path = fault, path

    def within(self, outer: str) -> Misfit:
        """Return it with what the place is in: the name of a field, or a number in brackets."""
        return Misfit(self.fault, outer[:60] + "." * (self.path[:1] not in ("", "[")) + self.path)


class Mismatch(Misfit):
    """A value that is of another type or breaks a rule, by itself."""


_PLAIN: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("an integer", lambda value: type(value) is int and abs(value) <= MAX_COUNT),
    float: ("a number", lambda value: type(value) in (float, int) and abs(value) <= LARGEST),
    str: ("text", lambda value: isinstance(value, str) and len(value) <= MAX_CHARACTERS),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    type(None): ("null", lambda value: value is None),
}
"""The words of each plain type, and whether a value of JSON is of it."""


def _words(hint: Hint) -> str:
    """Return what is expected, in words."""
    origin: Any = get_origin(hint)
    parts = get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint][0]
    if origin is Annotated:
        found = _words(parts[0])
        for rule in parts[1:]:
            found = rule.words.replace("*", found)
        return found
    if origin in (Union, types.UnionType):
        return " or ".join(map(_words, parts))
    if origin is Literal:
        return f"{'one of ' * (len(parts) > 1)}{', '.join(map(str, parts))}"
    if origin is np.ndarray:
        return "an array of numbers"
    if origin in (list, tuple):
        if len(parts) == 2 and parts[1] is not ...:
            return f"a list of {len(parts)}"
        item = _words(parts[0])
        if item.startswith(("one of", "true or")):
            return f"a list, each {item}"
        return "a list of " + re.sub("^(an? )?([a-z]+)", r"\2s", item)
    if hint in _AS_LISTS:
        return f"a list of {', '.join(_fields(hint))}"
    return "an object"


def _is_class(hint: Hint) -> bool:
    return isinstance(hint, type) and (hasattr(hint, "_fields") or dataclasses.is_dataclass(hint))


@cache
def _fields(kind: Hint) -> dict[str, Any]:
    """Return the hints of a class's fields in files, by name."""
    hints, names = get_type_hints(kind, include_extras=True), inspect.signature(kind).parameters
    return {name: hints[name] for name in names if NOT_SAVED not in get_args(hints[name])}


@cache
def _needed(kind: Hint) -> list[str]:
    """Return the names of a class's fields that have no default."""
    parameters = inspect.signature(kind).parameters
    return [name for name in _fields(kind) if parameters[name].default is inspect.Parameter.empty]


def _fit(hint: Hint, value: Any) -> Any:
    """Return a value of JSON as what a hint says. Raises Misfit for a value that is none."""
    if hint is Any or (isinstance(hint, type) and hint in _PLAIN and _PLAIN[hint][1](value)):
        return float(value) if hint is float else value
    origin: Any = get_origin(hint)
    parts = get_args(hint)
    if value is None and type(None) in parts:
        return None
    if origin is Annotated:
        with suppress(Mismatch):
            found = _fit(parts[0], value)
            if all(held is True or np.all(held) for held in (rule.holds(found) for rule in parts[1:])):
                return found
        if value is None and OR_NAN in parts:
            return math.nan
    elif origin is Literal:
        if any(type(value) is type(part) and value == part for part in parts):  # True is not 1
            return value
    elif origin in (Union, types.UnionType):
        for part in parts:
            with suppress(Mismatch):
                return _fit(part, value)
    elif origin is np.ndarray and isinstance(value, (list, tuple)):
        with suppress(TypeError, ValueError, OverflowError):
            if np.isfinite(array := np.array(value, np.float64)).all():
                return array
    elif origin in (list, tuple) and isinstance(value, (list, tuple)):
        is_long = origin is list or ... in parts
        if is_long and parts[0] in (float, int, str) and all(map(_PLAIN[parts[0]][1], value)):
            return origin(map(float, value) if parts[0] is float else value)  # as most are, in less time
        hints = parts[:1] * len(value) if is_long else parts
        items: list[Any] = []
        try:
            for part, each in zip(hints, value, strict=False):
                items.append(_fit(part, each))
            if len(items) == len(hints) == len(value):
                return origin(items)
        except Misfit as misfit:
            if not isinstance(misfit, Mismatch) or _is_class(parts[0]):
                raise misfit.within(f"[{len(items)}]") from None
    elif origin in (dict, Mapping) and isinstance(value, Mapping) and {str} >= {*map(type, value)}:
        return {name: _fit_part(name, parts[1], each) for name, each in value.items()}
    elif _is_class(hint):
        return _fit_class(hint, value)
    raise Mismatch(f"must be {_words(hint)}, not {reprlib.repr(value):.60}")


def _fit_part(name: str, hint: Hint, value: object) -> Any:
    try:
        return _fit(hint, value)
    except Misfit as misfit:
        raise misfit.within(name) from None


def _fit_class(kind: Hint, value: object) -> Any:
    hints = _fields(kind)
    if kind in _AS_LISTS and isinstance(value, list) and len(value) <= len(hints):
        value = dict(zip(hints, value, strict=False))
    if not isinstance(value, Mapping):
        raise Mismatch(f"must be {_words(kind)}, not {reprlib.repr(value):.60}")
    for name in [*value, *_needed(kind)]:
        if name not in hints or name not in value:
            raise Misfit("is unknown" if name in value else "is missing", f"{name!s:.60}")
    made = kind(**{name: _fit_part(name, hints[name], each) for name, each in value.items()})
    for what, holds in made.requires().items() if hasattr(kind, "requires") else ():
        if not holds:
            raise Misfit(f"must have {what}")
    return made
