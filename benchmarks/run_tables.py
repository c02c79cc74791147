"""Chainrule, scikit-learn, boosted trees and other networks on real tables, into a file of results and docs/tables.md.

    python benchmarks/run_tables.py [--only NAME] [--rows N] [--seeds N] [--contestants LIST] [--again] [--page-only]

Each cell is a contestant, a table and a split, and a line of the file once it is there; a run goes on with those that
are missing. See docs/tables.md for how a comparison is made.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from results import today
from tables import page
from tables.cells import Cell, Cells, circumstances
from tables.contestants import CONTESTANTS
from tables.loaders import TABLES, Table, TableError
from tables.measure import measured, split
from tables.peers import PeerError

RESULTS = Path(__file__).parent / "results" / "tables.jsonl"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="tables whose names contain it; again for more")
    add("--rows", type=int, help="leave out tables of more rows")
    add("--seeds", type=int, default=3, help="splits of each table")
    add("--most-seconds", type=float, help="leave out a contestant on a table where a split took it longer")
    add("--contestants", default=",".join(CONTESTANTS), help="some of them, with commas between")
    add("--again", action="store_true", help="measure anew what is asked for and is there already")
    add("--out", type=Path, default=RESULTS, help="file of the results")
    add("--page-only", action="store_true", help="only write docs/tables.md and its figures again")
    asked = parser.parse_args()
    asked.contestants = asked.contestants.split(",")
    if unknown := set(asked.contestants) - set(CONTESTANTS):
        parser.error(f"--contestants: {', '.join(sorted(unknown))} is none of {', '.join(CONTESTANTS)}")
    return asked


def measure_table(table: Table, asked: argparse.Namespace, cells: Cells) -> None:
    """The cells of a table that are missing: split by split, the contestants in turn."""
    todo = [
        (seed, who)
        for seed in range(asked.seeds)
        for who in asked.contestants
        if asked.again or (table.name, who, seed) not in cells
    ]
    if not todo:
        return
    X, y = table.load()
    if asked.rows is not None and len(X) > asked.rows:
        print(f"{table.name}: {len(X):,} rows, left out", file=sys.stderr)
        return
    for seed, who in todo:
        if asked.most_seconds and any(
            cell.found["fit"] > asked.most_seconds for cell in cells.of(table.name, who)
        ):
            continue
        rows = split(X, y, table.is_numeric, seed)
        started = time.monotonic()
        try:
            found = measured(CONTESTANTS[who](rows.X, table.is_numeric, seed), rows, table.is_numeric)
        except PeerError as error:
            print(f"{table.name}, split {seed}, {who} is left out: {error}", file=sys.stderr)
            continue
        busy = os.getloadavg()[0]
        cells.put(Cell(table.name, who, seed, len(X), X.shape[1], today(), busy, found))
        score = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
        print(f"{table.name}, split {seed}, {who}: {score} ({time.monotonic() - started:.0f} s)", flush=True)


def main() -> None:
    """Measure what is missing, and write the page."""
    asked = arguments()
    cells = Cells.read(asked.out)
    if not asked.page_only:
        cells.describe(circumstances())
        for table in TABLES:
            if asked.only and not any(part in table.name for part in asked.only):
                continue
            try:
                measure_table(table, asked, cells)
            except TableError as error:
                print(f"{table.name} is left out: {error}", file=sys.stderr)
            except KeyboardInterrupt:
                sys.exit("\nStopped; the same command goes on.")
    if asked.out == RESULTS:
        for path in page.write(cells):
            print(path)


if __name__ == "__main__":
    main()
