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
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from chainrule.core.settings import MAX_COUNT
from chainrule.errors import FormatError

Class = TypeVar("Class", bound=type)
Value = TypeVar("Value")
Reader = Callable[[Any], Any]
Hint: TypeAlias = Any
"""A class, or a form of `typing` of classes."""
MAX_CHARACTERS = 1 << 16
"""The longest text."""
LARGEST = sys.float_info.max
NOT_SAVED = "not saved"
"""Annotates a field that is in no file."""
_AS_LISTS: set[type] = set()


class Condition(NamedTuple):
    """What a value must be beside its type.

    In a module that postpones annotations a condition has a name of its own: a lambda in a hint would look up names in
    the class.
    """

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
    return Condition(f"one of {', '.join(map(repr, names))}", frozenset(names).__contains__)


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
        found: Value = _reader(cast(Hint, hint))(value)
    except Misfit as misfit:
        where = " of ".join(filter(None, (misfit.path, place)))
        raise error(f"{where} {misfit.fault}".lstrip()) from None
    return found


def write(value: object) -> Any:
    """Return an instance as values of JSON, of which `read` makes it again."""
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
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
    """A value that is none of a hint, by itself; perhaps of another one, so that words are made only when asked."""

    def __init__(self, hint: Hint, value: object) -> None:
        """Keep both."""
        self.hint, self.value, self.path = hint, value, ""

    @property
    def fault(self) -> str:  # type: ignore[override]
        """What is wrong."""
        return f"must be {_words(self.hint)}, not {reprlib.repr(self.value):.60}"


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
def _reader(hint: Hint) -> Reader:
    """Return a function that reads values of a hint, and raises Misfit for others."""
    origin: Any = get_origin(hint)
    if hint is Any:
        return lambda value: value
    if hint in _PLAIN:
        return _plain_reader(hint)
    if origin is Annotated:
        return _annotated_reader(hint)
    if origin in (Union, types.UnionType):
        return _union_reader(hint)
    if origin in (list, tuple):
        return _list_reader(hint)
    if _is_class(hint):
        return _class_reader(hint)
    item = _reader(get_args(hint)[1]) if origin in (dict, Mapping) else None

    def read_value(value: Any) -> Any:
        if item is not None and isinstance(value, Mapping) and {str} >= {*map(type, value)}:
            return _parts(dict.fromkeys(value, item), value)
        if origin is Literal and any(type(value) is type(each) and value == each for each in get_args(hint)):
            return value
        if origin is np.ndarray and isinstance(value, (list, tuple)):
            with suppress(TypeError, ValueError, OverflowError):
                if np.isfinite(array := np.array(value, np.float64)).all():
                    return array
        raise Mismatch(hint, value)

    return read_value


def _plain_reader(hint: Hint) -> Reader:
    _, fits = _PLAIN[hint]

    def read_plain(value: Any) -> Any:
        if not fits(value):
            raise Mismatch(hint, value)
        return float(value) if hint is float else value

    return read_plain


def _annotated_reader(hint: Hint) -> Reader:
    base, *conditions = get_args(hint)
    read_base, is_nan = _reader(base), OR_NAN in conditions and type(None) not in get_args(base)

    def read_annotated(value: object) -> Any:
        if value is None and is_nan:
            return math.nan
        try:
            found = read_base(value)
        except Mismatch:
            raise Mismatch(hint, value) from None
        for each in conditions:
            held = each.holds(found)
            if held is not True and not np.all(held):
                raise Mismatch(hint, value)
        return found

    return read_annotated


def _union_reader(hint: Hint) -> Reader:
    readers = [_reader(part) for part in get_args(hint)]
    has_none = type(None) in get_args(hint)

    def read_union(value: object) -> Any:
        if value is None and has_none:
            return None
        for each in readers:
            try:
                return each(value)
            except Mismatch:
                continue
        raise Mismatch(hint, value)

    return read_union


def _list_reader(hint: Hint) -> Reader:
    origin: Any = get_origin(hint)
    parts = get_args(hint)
    is_long, first = origin is list or ... in parts, _reader(parts[0])
    has_floats = is_long and parts[0] is float

    def read_list(value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or not (is_long or len(value) == len(parts)):
            raise Mismatch(hint, value)
        if has_floats and {*map(type, value)} == {float} and all(map(math.isfinite, value)):
            return origin(value)  # as most long ones are, in less time
        readers = [first] * len(value) if is_long else map(_reader, parts)
        items: list[Any] = []
        try:
            for read_item, each in zip(readers, value, strict=True):
                items.append(read_item(each))
        except Misfit as misfit:
            if isinstance(misfit, Mismatch) and not _is_class(parts[0]):
                raise Mismatch(hint, value) from None
            raise misfit.within(f"[{len(items)}]") from None
        return origin(items)

    return read_list


def _class_reader(kind: Hint) -> Reader:
    readers = {name: _reader(hint) for name, hint in _fields(kind).items()}
    parameters = inspect.signature(kind).parameters
    needed = {name for name in readers if parameters[name].default is inspect.Parameter.empty}
    requires = getattr(kind, "requires", None)

    def read_class(value: object) -> Any:
        if kind in _AS_LISTS and isinstance(value, list) and len(value) <= len(readers):
            value = dict(zip(readers, value, strict=False))
        if not isinstance(value, Mapping):
            raise Mismatch(kind, value)
        if wrong := value.keys() - readers.keys() or needed - value.keys():
            name = min(map(str, wrong))
            raise Misfit("is missing" if name in needed else "is unknown", name[:60])
        made = kind(**_parts(readers, value))
        if requires is not None:
            for what, holds in requires(made).items():
                if not holds:
                    raise Misfit(f"must have {what}")
        return made

    return read_class


def _parts(readers: Mapping[str, Reader], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return each of some values by its name, as its reader reads it."""
    found, name = {}, ""
    try:
        for name, each in values.items():
            found[name] = readers[name](each)
    except Misfit as misfit:
        raise misfit.within(name) from None
    return found
