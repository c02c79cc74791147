"""Files that are never half-written, JSON that every parser reads, and CSV cells that no spreadsheet executes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chainrule.core.records import plain

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file beside its place, flush it to the disk, and move it there in one step.

    Whoever reads the path sees the old file or the new one, never a part, also after kill -9 or a power cut.
    Raises OSError, which names the path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        # The system applies the process's umask to these permissions; reading the umask would mean changing it.
        with os.fdopen(os.open(temporary, CREATE, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # `error` is the one to report
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


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
