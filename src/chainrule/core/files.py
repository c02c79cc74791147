"""Files that are never half-written, JSON that every parser reads, and CSV cells that no spreadsheet executes."""

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
TRIES = 9
"""How often a file is begun anew that another process took for one of a dead writer."""
MAX_DEPTH = 256
"""The most lists and objects of a file's JSON that lie within each other."""
_STRING = r'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?'  # possessive, so it never backtracks
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise FormatError unless a path is a regular file: a pipe or a device could block, or never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(f"{os.fspath(path)} is not a regular file; give the path of a file.")


@contextlib.contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file to read. Raises FormatError for what is none."""
    check_regular(path)
    with open(path, "rb") as file:
        yield file


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file beside its place, flush it to the disk, and move it there in one step.

    Whoever reads the path sees the old file or the new one, never a part, also after kill -9 or a power cut. What
    writers of this path left that were killed is removed.
    Raises OSError, which names the path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    for left in reversed(range(TRIES)):
        try:
            _write_beside(path, data)
            return
        except FileNotFoundError:
            if not left:
                raise


def _write_beside(path: Path, data: bytes) -> None:
    """Write a temporary file and move it to its place. Raises FileNotFoundError if it was removed meanwhile."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        # The system applies the process's umask to these permissions; reading the umask would mean changing it.
        with os.fdopen(os.open(temporary, CREATE, 0o666), "wb") as file:
            _lock(file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform != "win32":  # there an open file cannot be moved, and others cannot remove it
                os.replace(temporary, path)
        if sys.platform == "win32":
            os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # `error` is the one to report
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of a path whose writers are dead: those that no process has locked.

    The system releases a writer's lock when it ends, however it ends. Where files cannot be locked, they stay. A writer
    that has made its file and not locked it yet writes it anew.
    """
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}\.tmp")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if name.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    if sys.platform == "win32":
        os.unlink(path)  # which the system refuses while a writer has it open
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
    """Return whether JSON has at most so many lists and objects, and commas, and nests no deeper than MAX_DEPTH.

    A list in a list takes 20 times its text, and what goes over it calls itself as deep. What is in strings is no
    structure: labels may contain anything.
    """
    structure = re.sub(_STRING, "", text, flags=re.DOTALL)
    if structure.count("[") + structure.count("{") > containers or structure.count(",") > commas:
        return False
    return max(accumulate(map(_STEP.__getitem__, re.sub(r"[^][{}]+", "", structure))), default=0) <= MAX_DEPTH


def to_json(value: Any, indent: int | None = None) -> str:
    """Write data as JSON; NaN and infinity, which JSON lacks, become null."""
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(plain(value), indent=indent, allow_nan=False)


def cells(values: Iterable[Any]) -> list[Any]:
    """Return the cells of a CSV row; text that a spreadsheet would take for a formula gets a quote in front.

    Such text begins with = + - @ or a control character and is no number. Source: OWASP, "CSV injection".
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
