"""Checks of settings: a number in a range, an integer, a name from a table; for arguments and for dataclasses.

Each returns the value as plain Python, because a NumPy scalar among the settings would turn float32 into float64. Each
raises ConfigError in one sentence: the setting's name, what was expected, what came, and a usual value if there is one.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Mapping
from functools import cache
from numbers import Integral, Real
from typing import Any, ClassVar, Self, TypeGuard

from chainrule.core.elsewhere import Names, instead_of
from chainrule.errors import ConfigError, option

MAX_COUNT = 1 << 53
"""Counts in a file are below this: every float64 up to it is exact."""


def check_number(
    value: object,
    name: str,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    maximum: float = math.inf,
    below: float = math.inf,
    also: str = "",
    hint: str = "",
    text: str | None = None,
) -> float:
    """Check that a number is finite, minimum <= value <= maximum and above < value < below; return a Python float.

    also: what else is allowed, for the message, such as ", or None".  hint: the end of the message, such as "1e-5 is
    usual".  text: the setting's name in the message, such as "eps of Adam"; `name` by default.
    """
    try:
        if type(value) is float:  # as nearly always, and known at once
            number = value
        else:
            number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an integer too large for a float
        number = math.nan
    if not (math.isfinite(number) and minimum <= number <= maximum and above < number < below):
        bounds = {"of at least": minimum, "above": above, "of at most": maximum, "below": below}
        limits = [f"{word} {bound:g}" for word, bound in bounds.items() if math.isfinite(bound)]
        expected = " and ".join([limit.removeprefix("of ") if i else limit for i, limit in enumerate(limits)])
        raise ConfigError(
            f"{option(name, text)} must be a finite number{' ' * bool(expected)}{expected}{also}, not "
            f"{value!r}{'; ' * bool(hint)}{hint}."
        )
    return number


def check_count(
    value: object, name: str, minimum: int = 1, *, hint: str = "", text: str | None = None
) -> int:
    """Check an integer of at least `minimum`; return a Python integer. hint, text: as in `check_number`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ConfigError(
            f"{option(name, text)} must be an integer of at least {minimum}, not "
            f"{value!r}{'; ' * bool(hint)}{hint}."
        )
    return int(value)


def check_seed(seed: object, name: str = "seed", bits: int = 32) -> int:
    """Check that a seed is an integer in [0, 2^bits), and return it as an int."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**bits:
        raise ConfigError(f"{option(name)} must be an integer in [0, 2^{bits}), not {seed!r}.")
    return int(seed)


def is_count(value: object, minimum: int = 0) -> TypeGuard[int]:
    """Return whether a value of a file is an integer of at least `minimum`, and below `MAX_COUNT`."""
    return type(value) is int and minimum <= value < MAX_COUNT


def check_choice(value: object, registry: Mapping[str, Any], name: str) -> Any:
    """Return the entry of a registry by its name. Raises ConfigError, which lists the names, if there is none."""
    if not isinstance(value, str) or value not in registry:
        raise ConfigError(f"{option(name)} must be one of {', '.join(registry)}, not {value!r}.")
    return registry[value]


def number_settings(owner: object, *names: str, hint: str | None = None, **limits: float) -> None:
    """Check fields of a frozen dataclass with `check_number`, and store them as Python floats.

    hint: the end of the message; the field's default if None.
    """
    kind: Any = type(owner)
    for name in names:
        text, usual = f"{name} of {kind.__name__}", _usual(kind, name) if hint is None else hint
        number = check_number(getattr(owner, name), name, text=text, hint=usual, **limits)  # type: ignore[arg-type]
        object.__setattr__(owner, name, number)


def count_settings(owner: object, *names: str, minimum: int = 1, hint: str | None = None) -> None:
    """Check fields of a frozen dataclass with `check_count`, and store them as Python integers. hint: as above."""
    kind: Any = type(owner)
    for name in names:
        text, usual = f"{name} of {kind.__name__}", _usual(kind, name) if hint is None else hint
        count = check_count(getattr(owner, name), name, minimum, text=text, hint=usual)
        object.__setattr__(owner, name, count)


@cache
def _usual(kind: Any, name: str) -> str:
    """Return the default of a class's field as a hint; "" if it has none."""
    default = next(field.default for field in dataclasses.fields(kind) if field.name == name)
    return f"{default:g} is usual" if isinstance(default, Real) else ""


def describe(value: Any) -> dict[str, Any]:
    """Return an optimizer, a schedule or a method as JSON-ready data: its kind and its settings by name."""
    settings = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return {"kind": value.kind} | {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}


def is_own(kind: type, name: str) -> bool:
    """Return whether a class defines an attribute itself."""
    return name in kind.__dict__


class InitSignature:
    """The parameters of a class's `__init__`, for tools that would show those of its `__new__`."""

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        """Return the signature of a class. Raises AttributeError for an instance, which has none."""
        if instance is not None:
            raise AttributeError("__signature__")
        init: Any = owner.__init__  # type: ignore[misc]
        try:
            found = inspect.signature(init, eval_str=True)
        except NameError:  # a name that is imported for type checkers alone
            found = inspect.signature(init)
        return found.replace(
            parameters=list(found.parameters.values())[1:], return_annotation=inspect.Signature.empty
        )


class NamesElsewhere:
    """Says what to use where a constructor gets an argument that it has not, but one of another library has."""

    names_elsewhere: ClassVar[Names] = {}
    __signature__ = InitSignature()

    def __new__(cls, *args: object, **settings: object) -> Self:
        """Return the new object. Raises TypeError for such an argument."""
        if settings and (unknown := cls.names_elsewhere.keys() & settings.keys()):
            taken = inspect.signature(cls.__init__).parameters
            takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values())
            for name in sorted(unknown - taken.keys()):
                if not takes_all:
                    raise TypeError(
                        f"{cls.__name__}() got an unexpected keyword argument {name!r}"
                        f"{instead_of(name, cls.names_elsewhere)}"
                    )
        return super().__new__(cls)
