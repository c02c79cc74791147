"""Chainrule's race beside AutoGluon, FLAML, mljar and EBM with the same time limit, into docs/automl.md.

    python benchmarks/run_automl.py [--only NAME] [--rows N] [--seeds N] [--seconds S] [--contestants LIST]
                                    [--python NAME=PATH] [--again] [--page-only]

Each cell is a contestant, a table and a split, fitted by a process of its own, and a line of the file of results once
it is there; a run goes on with those that are missing. Packages that exclude each other can be in environments of their
own: --python autogluon=/path/to/python, again for more, where a contestant's name begins with NAME. Needs the packages
that ship the tables (`make bench-tables` installs them), and of the peers those that are to be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median
from typing import NamedTuple

from results import machine, today
from tables import automl_page
from tables.automl import AUTOML, Contestant
from tables.cells import Cell, Cells, threads
from tables.loaders import TABLES, Table, TableError
from tables.measure import Split, measured, split

import chainrule

RESULTS = Path(__file__).parent / "results" / "automl.jsonl"
GRACE = 900.0
"""The seconds after its limit at which a contestant is ended"""
ROWS_ONE_BY_ONE = 30


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="tables whose names contain it; again for more")
    add("--rows", type=int, help="leave out tables of more rows")
    add("--seeds", type=int, default=1, help="splits of each table")
    add("--seconds", type=float, default=60.0, help="time limit of those that have one")
    add("--contestants", default=",".join(AUTOML), help="some of them, with commas between")
    add("--python", action="append", default=[], metavar="NAME=PATH", help="interpreter of a contestant")
    add("--again", action="store_true", help="measure anew what is asked for and is there already")
    add("--out", type=Path, default=RESULTS, help="file of the results")
    add("--page-only", action="store_true", help="only write docs/automl.md again")
    add("--cell", nargs=3, metavar=("TABLE", "WHO", "SEED"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.contestants = asked.contestants.split(",")
    if unknown := set(asked.contestants) - set(AUTOML):
        parser.error(f"--contestants: {', '.join(sorted(unknown))} is none of {', '.join(AUTOML)}")
    return asked


def interpreter(who: str, given: list[str]) -> str:
    """Return the Python of a contestant."""
    pairs = dict(each.split("=", 1) for each in given)
    return next((path for name, path in pairs.items() if who.startswith(name)), sys.executable)


def sized(folder: Path) -> int:
    """Return the bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def one_by_one(contestant: Contestant, rows: Split, is_numeric: bool) -> float:
    """Return the median seconds, by the clock, of the prediction of a frame of one row."""
    answer = contestant.predict if is_numeric else contestant.predict_proba
    found = []
    for row in range(min(ROWS_ONE_BY_ONE, len(rows.X_test))):
        frame = rows.X_test.iloc[[row]]
        begun = time.perf_counter()
        answer(frame)
        found.append(time.perf_counter() - begun)
    return median(found)


class Found(NamedTuple):
    """What a process finds."""

    rows: int
    columns: int
    found: dict[str, float]
    versions: dict[str, str]


def cell(table: Table, who: str, seed: int, seconds: float) -> Found:
    """Fit and judge one contestant in this process."""
    X, y = table.load()
    rows = split(X, y, table.is_numeric, seed)
    contestant = AUTOML[who](seconds, seed, is_numeric=table.is_numeric)
    found = measured(contestant, rows, table.is_numeric)
    found["row"] = one_by_one(contestant, rows, table.is_numeric)
    with tempfile.TemporaryDirectory() as folder:
        contestant.saved(Path(folder))
        found["bytes"] = float(sized(Path(folder)))
    return Found(len(X), X.shape[1], found, automl_page.versions())


def in_a_process(table: Table, who: str, seed: int, asked: argparse.Namespace) -> Found | None:
    """Return what `cell` finds in a process of its own; None, with a line that says why, where it ends without."""
    command = [interpreter(who, asked.python), __file__, "--cell", table.name, who, str(seed)]
    source = str(Path(chainrule.__file__).parents[1])
    try:
        done = subprocess.run(
            [*command, "--seconds", str(asked.seconds)],
            env=os.environ | {"PYTHONPATH": source, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=asked.seconds + GRACE,
        )
    except subprocess.TimeoutExpired:
        print(
            f"{table.name}, split {seed}, {who} is left out: not done {GRACE:g} s after its limit", flush=True
        )
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"rows"')]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        print(f"{table.name}, split {seed}, {who} is left out: {last}", flush=True)
        return None
    return Found(**json.loads(lines[-1]))


def measure(asked: argparse.Namespace, cells: Cells) -> None:
    """Measure what is missing, table by table."""
    tables = [each for each in TABLES if not asked.only or any(part in each.name for part in asked.only)]
    for table in tables:
        try:
            rows = len(table.load().X)
        except TableError as error:
            print(f"{table.name} is left out: {error}", file=sys.stderr)
            continue
        if asked.rows is None or rows <= asked.rows:
            measure_table(table, asked, cells)


def measure_table(table: Table, asked: argparse.Namespace, cells: Cells) -> None:
    """Measure the cells of one table that are missing: split by split, the contestants in turn."""
    for seed, who in product(range(asked.seeds), asked.contestants):
        if (table.name, who, seed) in cells and not asked.again:
            continue
        done = in_a_process(table, who, seed, asked)
        if done is None:
            continue
        known = cells.about.get("versions", {})
        about = {"machine": machine(), "threads": threads(), "seconds": asked.seconds}
        cells.describe(about | {"versions": done.versions | known})
        busy = os.getloadavg()[0]
        cells.put(Cell(table.name, who, seed, done.rows, done.columns, today(), busy, done.found))
        score = ", ".join(f"{name} {value:.4g}" for name, value in done.found.items())
        print(f"{table.name}, split {seed}, {who}: {score}", flush=True)


def main() -> None:
    """Measure what is missing, and write the page."""
    asked = arguments()
    if asked.cell:
        name, who, seed = asked.cell
        table = next(each for each in TABLES if each.name == name)
        print(json.dumps(cell(table, who, int(seed), asked.seconds)._asdict()))
        return
    cells = Cells.read(asked.out)
    if not asked.page_only:
        measure(asked, cells)
    if asked.out == RESULTS:
        print(automl_page.write(cells))


if __name__ == "__main__":
    main()
