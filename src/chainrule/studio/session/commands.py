"""The commands that a page may call on the server: functions by name, whose arguments are checked by their annotations.

    @command("model.trace")
    def trace(studio: Studio, *, sample: int | None = None) -> dict[str, Any]: ...

Annotations are int, float, str, bool, list[...], tuple[...], dict, Literal[...] and unions with None. A command runs
in its own thread and returns data: text, numbers, lists, dicts and NumPy arrays.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_type_hints

from chainrule.core import codec
from chainrule.errors import ChainruleError, ConfigError
from chainrule.studio.session.messages import Call, pack
from chainrule.studio.session.studio import Studio

if TYPE_CHECKING:
    from chainrule.studio.session.studio import Studio

LOG = logging.getLogger("chainrule.studio")
Function = TypeVar("Function", bound=Callable[..., dict[str, Any]])


@dataclass(frozen=True)
class Command:
    """A function that a page may call."""

    name: str
    function: Callable[..., dict[str, Any]]
    hints: dict[str, Any]
    """the annotations of its arguments"""
    required: frozenset[str]
    is_read: bool = False
    """whether it is read-only, so that its answer may be stored in an exported page"""

    def __call__(self, studio: Studio, arguments: dict[str, Any]) -> dict[str, Any]:
        """Check the arguments and call the function. Raises ConfigError."""
        for name in arguments:
            if name not in self.hints:
                raise ConfigError(
                    f"{self.name} has no argument {name!r}; it has {', '.join(self.hints) or 'none'}."
                )
        missing = sorted(self.required - arguments.keys())
        if missing:
            raise ConfigError(f"{self.name} needs {missing[0]}.")
        checked = {name: fitted(value, self.hints[name], name) for name, value in arguments.items()}
        return self.function(studio, **checked)


COMMANDS: dict[str, Command] = {}
"""Every command by name; the modules of `chainrule.studio.screens` fill it."""
DOWNLOADS: dict[str, Callable[[Studio, dict[str, str]], tuple[bytes, str]]] = {}
"""The downloads of a page by file name: functions of the query's values that return the content and its type."""


def command(name: str, *, reads: bool = False) -> Callable[[Function], Function]:
    """Return a decorator that registers a command. Its first parameter is the studio, the others are keywords.

    A single keyword whose type is a dataclass stands for its fields, which are the page's arguments.

    reads: whether it is read-only, so that its answer may be stored in an exported page.
    """

    def register(function: Function) -> Function:
        if name in COMMANDS:
            raise ValueError(f"the command {name!r} is registered twice.")
        hints = get_type_hints(function)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        called: Callable[..., dict[str, Any]] = function
        settings = hints[parameters[0].name] if len(parameters) == 1 else None
        if isinstance(settings, type) and is_dataclass(settings):
            called = _gathering(function, parameters[0].name, settings)
            hints = get_type_hints(settings)
            parameters = list(inspect.signature(settings).parameters.values())
        COMMANDS[name] = Command(
            name,
            called,
            {p.name: hints[p.name] for p in parameters},
            frozenset(p.name for p in parameters if p.default is p.empty),
            reads,
        )
        return function

    return register


def _gathering(
    function: Callable[..., dict[str, Any]], keyword: str, settings: Any
) -> Callable[..., dict[str, Any]]:
    """Return a function of a dataclass's fields from a function of the dataclass."""

    @wraps(function)
    def called(studio: Studio, **fields: Any) -> dict[str, Any]:
        return function(studio, **{keyword: settings(**fields)})

    return called


def find(name: str) -> Command:
    """Return a command. Raises ConfigError for an unknown name."""
    if name not in COMMANDS:
        raise ConfigError(f"there is no command {name[:64]!r}; reload the page.")
    return COMMANDS[name]


def answered(studio: Studio, call: Call) -> str | bytes:
    """Return the answer to a command, or the error message."""
    try:
        return pack({"id": call.id, "answer": find(call.name)(studio, call.arguments)})
    except ChainruleError as error:
        return pack({"id": call.id, "error": str(error)})
    except MemoryError:
        return pack({"id": call.id, "error": "there is not enough memory for this."})
    except Exception:
        LOG.exception("the command %s failed", call.name)
        return pack({"id": call.id, "error": "a bug in chainrule; the terminal shows where."})


def fitted(value: object, hint: Any, name: str) -> Any:
    """Convert a JSON value to the type of an annotation. Raises ConfigError."""
    return codec.read(hint, value, name, lambda fault: ConfigError(f"{fault}."))


# --- additional answers stored in an exported page, besides those that its screen requested, by the screen's name ----


class KeptAnswer(NamedTuple):
    """A command, its arguments and its answer, in the page's form."""

    name: str
    arguments: dict[str, Any]
    answer: dict[str, Any]


class Exported(NamedTuple):
    """A screen that is exported."""

    studio: Studio
    state: dict[str, Any]
    """the page's state"""
    calls: list[tuple[str, dict[str, Any]]]
    """the commands that the screen requested, the newest last"""
    rows: list[int]
    """the samples of the shown part that are stored in the page; an exporter removes the last ones if time is short"""


EXPORTS: dict[str, Callable[[Exported], Iterator[KeptAnswer]]] = {}
"""Exporters by the screen's name; the modules `exported` of the screens fill it."""
