"""Messages with options: marked where they are written, and translated where they are read, into the reader's names."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chainrule.errors import ChainruleError, option
from chainrule.recipe.settings import NAMES, as_text, flag

OF_LIBRARY = {"learning_rate": "lr", "hidden_layer_sizes": "hidden"}
"""Options of the library with another name as a setting."""
VALUE = "value of "
"""What stands before an option's name where only its value is marked."""
Naming = Callable[[str, str, str], str]
"""naming(option, value, text): an option with its value, if it has one, as the caller writes it; text: as the message
has it"""


def with_value(name: str, value: object) -> str:
    """Mark an option with its value, `batch_size=32`; True for a switch."""
    return option(name, f"{name}={value!r}", as_text(name, value))


def call_to_resume(place: Path) -> str:
    """Mark the call that continues the run of a folder."""
    return option("resume", f"run(..., out={str(place)!r}, resume=True)", f"{place}")


def in_python(option: str, value: str, text: str) -> str:
    """Name an option as in Python: `batch_size`, `batch_size=32`."""
    if option not in NAMES or text.startswith(f"{option}="):
        return text
    return f"{option}={_value(value)!r}" if value else option


OTHERS = frozenset(
    {"clip_value", "repeats", "budget", "row_group_size", "trials", "folds", "pruner", "jobs"}
    | {"out", "overwrite", "resume", "rows", "interval", "tolerance"}
)
"""The options of the command in messages besides the settings of a run."""


def in_flags(option: str, value: str, text: str) -> str:
    """Name an option as on the command line: `--batch-size`, `--batch-size 32`; the data, which have none, are DATA."""
    if option.startswith(VALUE):
        return value
    if option == "data":
        return "DATA"
    if option == "resume" and value not in ("", "True"):
        return shlex.join(["chainrule", "train", value, "--resume"])
    if option not in NAMES and option not in OTHERS:
        return text
    return flag(option) if value in ("", "True") else f"{flag(option)} {value}"


def told(error: ChainruleError, naming: Naming = in_python) -> str:
    """Return the message, with its marked options under the caller's names."""
    return error.said(lambda option, value, text: naming(OF_LIBRARY.get(option, option), value, text))


def _value(text: str) -> object:
    """Parse the text of a value: 0.1 is a number, adam is text."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
