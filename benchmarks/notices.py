"""What a fit notices of the open tables by itself: the table of benchmarks/notes/trust.md.

    python benchmarks/notices.py [--only NAME]

Each table is looked at as `benchmarks/tables/loaders.py` loads it, and again with the columns that are left out there.
The seconds are those of looking, of one processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import warnings

from tables.loaders import TABLES, Loaded, Table, TableError
from threadpoolctl import threadpool_limits

from chainrule.tables import reading
from chainrule.tables.data import FitInput, of_table
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.trust.notice import Notice
from chainrule.trust.notices import looked_at, sampled
from chainrule.views import words

SETTINGS = {"loss": "squared_error", "quantiles": 0.5, "class_weight": None, "label_smoothing": 0.0}
"""The parameters of an estimator that its targets and weights ask for."""
HEAD = "| table | rows | noticed | with it | without | honest is | s |\n|---|---|---|---|---|---|---|"
HONEST = {
    "target": "without the column",
    "row_number": "without the column",
    "repeated": "by equal rows",
    "groups": "`groups`",
    "time": "`time`",
    "order": "`groups` or `time`",
}


def notices(loaded: Loaded, is_numeric: bool) -> tuple[tuple[Notice, ...], float]:
    """Return what is noticed of a table, and the seconds that it took."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        preprocessor = TablePreprocessor().fit(loaded.X)
        kind = NumericTargets if is_numeric else Labels
        data = of_table(kind, FitInput(*loaded), SETTINGS, preprocessor, read=reading.read(loaded.X))
    begun = time.process_time()
    table = sampled(data)
    assert table is not None
    with threadpool_limits(1):
        found = looked_at(table)
    return found, time.process_time() - begun


def lines(table: Table) -> list[str]:
    """Return the rows of a table in the page: as it is loaded, and with its other columns."""
    made = []
    for whole in (False, True) if table.dropped else (False,):
        loaded = dataclasses.replace(table, dropped=() if whole else table.dropped).load()
        found, seconds = notices(loaded, table.is_numeric)
        name = f"{table.name}, all columns" if whole else table.name
        start = f"| {name} | {len(loaded.X):,} |"
        if not found:
            made.append(f"{start} nothing | | | by chance | {seconds:.2f} |")
        for each in found:
            columns = ", ".join(f"`{column}`" for column in each.columns)
            what = f"{words.notices.KINDS[each.what]}{': ' * bool(columns)}{columns}"
            scores = f"{words.notices.score(each.score, each.score_with)} | {each.score_without:.3f}"
            made.append(f"{start} {what} | {scores} | {HONEST[each.what]} | {seconds:.2f} |")
    return made


def main() -> None:
    """Go through the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="tables whose names contain it")
    asked = parser.parse_args()
    print(HEAD)
    for table in TABLES:
        if asked.only and not any(part in table.name for part in asked.only):
            continue
        try:
            print(*lines(table), sep="\n", flush=True)
        except TableError as error:
            print(f"{table.name} is left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
