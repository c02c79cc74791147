"""What `chainrule train TABLE` makes of the open tables by its defaults, beside its own simpler models.

    python benchmarks/command_tables.py [--only NAME] [--rows N] [--seed N]

Each table is written to a Parquet file and trained on as the command does it. A line says how the network stands beside
the constant, the linear model and the boosted trees on the rows to test on, and the last line counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tables.loaders import TABLES, Table, TableError

from chainrule.recipe.baselines import Verdict
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings

TARGET = "the target"


def verdict(table: Table, seed: int, rows: int | None) -> tuple[Verdict, float] | None:
    """The verdict on a table and the seconds of the training; None for one of more rows."""
    X, y = table.load()
    if rows is not None and len(X) > rows:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        X.assign(**{TARGET: y}).to_parquet(path)
        loss = "mean_squared_error" if table.is_numeric else "softmax_cross_entropy"
        outcome = run(
            str(path), Settings(target_column=TARGET, loss=loss, seed=seed), out=Path(folder) / "run"
        )
    assert outcome.comparison is not None
    return outcome.comparison.verdict, outcome.comparison.models[0].seconds


def main() -> None:
    """Go through the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="tables whose names contain it")
    parser.add_argument("--rows", type=int, help="leave out tables of more rows")
    parser.add_argument("--seed", type=int, default=0, help="of the rows to test on and of the network")
    asked = parser.parse_args()
    counts: Counter[str] = Counter()
    for table in TABLES:
        if asked.only and not any(part in table.name for part in asked.only):
            continue
        try:
            found = verdict(table, asked.seed, asked.rows)
        except TableError as error:
            print(f"{table.name} is left out: {error}", file=sys.stderr)
            continue
        if found is not None:
            told, seconds = found
            counts[told.code] += 1
            print(
                f"{table.name:<20} {told.code:<8} {told.metric} {told.network:.5g}; {told.model} {told.other:.5g} "
                f"({told.network / told.other:.3f}), {seconds:.1f} s",
                flush=True,
            )
    print(", ".join(f"{code} {count}" for code, count in counts.most_common()))


if __name__ == "__main__":
    main()
