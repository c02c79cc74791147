"""Atomic file writes, portable JSON, and CSV cells that spreadsheets do not execute."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from chainrule.core.records import plain
from chainrule.errors import FormatError

CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
OPEN = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
MAX_WRITE_ATTEMPTS = 9
"""The number of attempts to write a file whose temporary file another process may remove."""
MAX_DEPTH = 256
"""The maximum nesting depth of JSON in a file."""
_STRING = r'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?'  # possessive, so it never backtracks
_OF_WRITER = re.compile(r"[0-9a-f]{16}\.tmp")
"""The end of the name of a temporary file."""
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise FormatError unless a path is a regular file: a pipe or a device could block, or never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(f"{os.fspath(path)} is not a regular file; give the path of a file.")


@contextlib.contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file for reading. Raises FormatError for anything else."""
    check_regular(path)
    with open(path, "rb") as file:
        yield file


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a temporary file beside the path, flush it to disk, and rename it in one step.

    Readers of the path see the old file or the new one, never a part, even after kill -9 or a power cut. Temporary
    files that killed writers of this path left are removed.
    Raises OSError, which names the path.
    """
    path = Path(path)
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    for left in reversed(range(MAX_WRITE_ATTEMPTS)):
        try:
            _write_beside(path, data)
            return
        except FileNotFoundError:
            if not left:
                raise


def _write_beside(path: Path, data: bytes) -> None:
    """Write a temporary file and rename it to the path. Raises FileNotFoundError if it was removed meanwhile."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        # The system applies the process's umask to these permissions; reading the umask would mean changing it.
        with os.fdopen(os.open(temporary, CREATE, 0o666), "wb") as file:
            _lock(file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform != "win32":  # where an open file can be neither renamed nor removed
                os.replace(temporary, path)
        if sys.platform == "win32":
            os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # report `error` instead
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of a path whose writers are dead: those not locked by a process.

    The system releases a writer's lock whenever it ends. Where files cannot be locked, they stay. A writer whose file
    is removed between its creation and its lock starts over.
    """
    start = f".{path.name}."
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            name = entry.name
            if (
                name.startswith(start)
                and _OF_WRITER.fullmatch(name, len(start))
                and entry.is_file(follow_symlinks=False)
            ):
                with contextlib.suppress(OSError):
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    if sys.platform == "win32":
        os.unlink(path)  # refused by the system while a writer has it open
        return
    with os.fdopen(os.open(path, OPEN), "rb") as file:
        if _lock(file.fileno()):
            os.unlink(path)


def _lock(handle: int) -> bool:
    """Lock an open file; return False if another process has locked it, or the file system has no locks."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_modest_json(text: str, containers: int, commas: int) -> bool:
    """Return whether JSON has at most this many containers and commas, nested at most MAX_DEPTH deep.

    Nested lists take 20 times the memory of their text, and recursion over them is as deep. Text in strings does not
    count: labels may contain anything.
    """
    structure = re.sub(_STRING, "", text, flags=re.DOTALL)
    if structure.count("[") + structure.count("{") > containers or structure.count(",") > commas:
        return False
    return max(accumulate(map(_STEP.__getitem__, re.sub(r"[^][{}]+", "", structure))), default=0) <= MAX_DEPTH


def to_json(value: object, indent: int | None = None) -> str:
    """Serialize data as JSON; NaN and infinity, which JSON lacks, become null."""
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(plain(value), indent=indent, allow_nan=False)


def cells(values: Iterable[Any]) -> list[Any]:
    """Return the cells of a CSV row; text that a spreadsheet would execute as a formula is prefixed with a quote.

    Such text begins with = + - @ or a control character and is not a number. Source: OWASP, "CSV injection".
    """
    return [f"'{value}" if isinstance(value, str) and _is_formula(value) else value for value in values]


def _is_formula(text: str) -> bool:
    if not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
