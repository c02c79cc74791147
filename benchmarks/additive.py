"""preset="additive" beside the explainable boosting machine of `interpret`: test loss, and seconds of one thread.

    python benchmarks/additive.py [--seeds 3] [--rows 3000] [--who additive fast ebm] [TABLE ...] > runs.txt
    python benchmarks/additive.py --read runs.txt

The first form measures and writes a line for each fit, the second one makes the table of notes/trust.md of them.
Losses are the squared error and the log loss of as many rows as are trained on. Needs the packages of
`make bench-tables`, and interpret.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from monotone import loss_of, parts_of
from tables.loaders import TABLES, Table

from chainrule import MLPClassifier, MLPRegressor

NAMES = ("wa_churn", "Bikeshare", "storms", "nassCDS", "nlswork", "adult", "diamonds")


def made(who: str, table: Table, seed: int) -> Any:
    """Return a contestant at its defaults, on one thread."""
    if who == "ebm":
        from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

        kind = ExplainableBoostingRegressor if table.is_numeric else ExplainableBoostingClassifier
        return kind(random_state=seed, n_jobs=1)
    kind = MLPRegressor if table.is_numeric else MLPClassifier
    return kind(preprocess="auto", preset=who, random_state=seed)


def measure(names: list[str], contestants: list[str], rows: int, seeds: int) -> None:
    """Fit everything, and print a line for each fit."""
    known = {table.name: table for table in TABLES}
    for seed in range(seeds):
        for name in names:
            parts = parts_of(known[name], rows, seed)
            for who in contestants:
                begun = time.process_time()
                net = made(who, known[name], seed).fit(parts.X, parts.y)
                seconds = time.process_time() - begun
                print(name, seed, who, len(parts.X), loss_of(net, known[name], parts), seconds, flush=True)


def table_of(path: Path) -> None:
    """Print the medians of each table and contestant, and the ratios to the boosting machine."""
    lines = [line.split() for line in path.read_text("utf-8").splitlines() if len(line.split()) == 6]
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name, _, who, _, loss, seconds in lines:
        found.setdefault((name, who), []).append((float(loss), float(seconds)))
    print("| table | loss, EBM | additive, ratio | fast, ratio | seconds, EBM | additive | a tenth? |")
    print("|---|---|---|---|---|---|---|")
    for name in NAMES:
        medians = {
            who: np.median(found[name, who], 0) for who in ("ebm", "additive", "fast") if (name, who) in found
        }
        if len(medians) < 3:
            continue
        (loss, seconds), own, net = medians["ebm"], medians["additive"], medians["fast"]
        print(
            f"| {name} | {loss:.4g} | {own[0] / loss:.3f} | {net[0] / loss:.3f} | {seconds:.1f} | {own[1]:.1f} | "
            f"1/{seconds / own[1]:.0f} |"
        )


def main() -> None:
    """Measure, or read what was measured."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--rows", type=int, default=3_000)
    arguments.add_argument("--who", nargs="*", default=["additive", "fast", "ebm"])
    arguments.add_argument("--read", type=Path)
    arguments.add_argument("tables", nargs="*", default=[*NAMES])
    given = arguments.parse_args()
    if given.read is not None:
        return table_of(given.read)
    warnings.simplefilter("ignore")
    return measure(given.tables, given.who, given.rows, given.seeds)


if __name__ == "__main__":
    main()
