"""Read a CSV file of numbers row by row, so that each cell takes 8 bytes instead of its text."""

from __future__ import annotations

import csv
import io
import os
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import is_number
from chainrule.datasets.idx import PathLike, open_regular
from chainrule.errors import DataError, FormatError

MAX_CSV_BYTES = 64 << 20
MAX_ROW = 4 << 20  # characters: as text the cells of a row take 20 times as much memory
MAX_LABELS = 1 << 16  # distinct texts of y that are stored once each


class NumberTable(NamedTuple):
    """The contents of a CSV file."""

    names: list[str]
    X: NDArray[np.float64]  # (n, features)
    y: list[str] | None
    """the column named y, if there is one"""


def read_csv(path: PathLike) -> NumberTable:
    """Read the names of features from the first line, their numbers from the others, and y as text if present.

    Rows are counted from 0 and lines from 1; empty lines are skipped.
    Raises DataError for a cell that is not a number and rows of unequal length, FormatError for other files.
    """
    name = os.fspath(path)
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_CSV_BYTES:
            raise DataError(
                f"{name} is larger than {MAX_CSV_BYTES >> 20} MB; make an .npz of the rows to explain."
            )
        try:
            with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
                return _read(name, text)
        except (UnicodeDecodeError, csv.Error) as error:
            raise FormatError(f"{name} is no CSV file of UTF-8 text ({error}).") from error


def _read(name: str, text: TextIO) -> NumberTable:
    values, targets, known = array("d"), [], dict[str, str]()
    rows = _rows(name, text)
    _, names = next(rows, (0, []))
    kept = [k for k, column in enumerate(names) if column != "y"]
    y = names.index("y") if "y" in names else None
    count = 0
    for line, cells in rows:
        if len(cells) != len(names):
            raise DataError(
                f"{name} has {len(cells)} cells in row {count} (line {line}), and {len(names)} names above; "
                "make them equal."
            )
        if y is not None:
            label = cells[y]
            targets.append(known.get(label, label))
            if len(known) < MAX_LABELS:
                known.setdefault(label, label)
        try:
            values.extend([float(cells[k]) for k in kept])
        except ValueError as error:
            column = next(k for k in kept if not is_number(cells[k]))
            raise DataError(
                f"{name} contains {cells[column]!r} in row {count} (line {line}), column {names[column]!r}; "
                "encode text as numbers first."
            ) from error
        count += 1
    if not count:
        raise DataError(f"{name} needs a line of the features' names and at least one row of numbers.")
    X: NDArray[Any] = np.frombuffer(values) if values else np.empty(0)
    return NumberTable(
        [names[k] for k in kept], X.reshape(count, len(kept)), targets if y is not None else None
    )


def _rows(name: str, text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Iterate over rows that are not empty: the line in which each ends, and its cells."""
    pending = 0

    def lines() -> Iterator[str]:
        nonlocal pending
        while line := text.readline(MAX_ROW + 1):
            pending += len(line)
            if pending > MAX_ROW:
                raise DataError(
                    f"{name} has a row of more than {MAX_ROW >> 20} million characters at line "
                    f"{reader.line_num + 1}; make an .npz of the rows to explain."
                )
            yield line

    reader = csv.reader(lines())
    for cells in reader:
        pending = 0
        if cells:
            yield reader.line_num, cells
