"""The file of results: a JSON line of the circumstances, and one a measurement of a cell.

A cell that was measured several times has the medians of its measurements on the last day, on that day's processor:
those before are of an earlier state of the package, or of another machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from results import cores, generation, machine, rounded

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Cell:
    """One contestant on one split of one table."""

    table: str
    who: str
    seed: int
    rows: int
    columns: int
    date: str
    load: float
    """what else the machine did: its average load"""
    found: dict[str, float]
    """scores, and seconds"""

    @property
    def key(self) -> Key:
        """What a later cell replaces."""
        return self.table, self.who, self.seed


def circumstances() -> dict[str, Any]:
    """The machine, the threads that a library takes, and the versions of what is compared."""
    names = (
        "chainrule",
        "scikit-learn",
        "numpy",
        "pandas",
        "catboost",
        "lightgbm",
        "xgboost",
        "pytabkit",
        "torch",
    )
    return {"machine": machine(), "threads": threads(), "versions": dict(_versions(names))}


def threads() -> int:
    """The threads that each contestant may take."""
    return int(os.environ.get("OMP_NUM_THREADS", cores()))


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def in_words(about: dict[str, Any]) -> str:
    """The machine of some circumstances: its processor, with its generation, and its cores."""
    machine = about.get("machine", {})
    return f"{generation(machine)}, {machine.get('cores', '-')} cores"


class Cells:
    """The results of all runs that wrote into one file."""

    def __init__(self, path: Path) -> None:
        """See `read`."""
        self.path = path
        self.about: dict[str, Any] = {}
        self.by_key: dict[Key, Cell] = {}
        self.machines: dict[Key, str] = {}
        """that of each cell, in words"""
        self.measured: dict[Key, list[tuple[Cell, str]]] = {}
        """every measurement of each cell, with its machine, in order"""

    @classmethod
    def read(cls, path: Path) -> Cells:
        """Read the file, or begin without one; a last line that was cut off is left out."""
        cells = cls(path)
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                data = json.loads(line)
            except ValueError:
                continue
            if "machine" in data:
                cells.about = data
            else:
                cells._keep(Cell(**data))
        return cells

    def __contains__(self, key: Key) -> bool:
        """Whether a cell was measured."""
        return key in self.by_key

    def put(self, cell: Cell) -> None:
        """Keep a cell as its line says it, and write the line."""
        data = rounded(asdict(cell))
        self._keep(Cell(**data))
        self._append(data)

    def repeated(self, key: Key) -> list[Cell]:
        """Return the measurements of a cell on its last day, on that day's machine."""
        last, machine = self.measured[key][-1]
        return [cell for cell, where in self.measured[key] if cell.date == last.date and where == machine]

    def _keep(self, cell: Cell) -> None:
        self.machines[cell.key] = in_words(self.about)
        self.measured.setdefault(cell.key, []).append((cell, self.machines[cell.key]))
        alike = self.repeated(cell.key)
        found = {
            name: median(each.found[name] for each in alike if name in each.found) for name in cell.found
        }
        self.by_key[cell.key] = replace(cell, found=found, load=median(each.load for each in alike))

    def describe(self, about: dict[str, Any]) -> None:
        """Write the circumstances where they are others than before."""
        if about != self.about:
            self.about = about
            self._append(about)

    def of(self, table: str, who: str) -> list[Cell]:
        """The splits of a table that a contestant has, in order."""
        return sorted(
            (cell for cell in self.by_key.values() if (cell.table, cell.who) == (table, who)),
            key=lambda cell: cell.seed,
        )

    def middle(self, table: str, who: str, what: str, seeds: Collection[int] | None = None) -> float | None:
        """The median over the splits, all or some, of a score or of seconds; None where there are none."""
        values = [
            cell.found[what]
            for cell in self.of(table, who)
            if what in cell.found and (seeds is None or cell.seed in seeds)
        ]
        return median(values) if values else None

    def pair(self, table: str, who: str, peer: str, what: str) -> tuple[float, float] | None:
        """The medians of a score or of seconds of two contestants over the splits that both have; None without any."""
        seeds = {cell.seed for cell in self.of(table, who)} & {cell.seed for cell in self.of(table, peer)}
        a, b = (self.middle(table, each, what, seeds) for each in (who, peer))
        return None if a is None or b is None else (a, b)

    def _append(self, data: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(rounded(data), ensure_ascii=False) + "\n"
        with self.path.open("ab+") as file:
            if file.tell() and file.seek(-1, 2) and file.read() != b"\n":  # the last line was cut off
                line = "\n" + line
            file.write(line.encode())
