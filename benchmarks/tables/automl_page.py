"""docs/automl.md: every number is from the file of results, and who is ahead of us stands first."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from math import exp, log
from pathlib import Path
from statistics import fmean, median

from results import comma_separated

import chainrule
from tables.automl import AUTOML, PACKAGES, TITLES
from tables.cells import Cells
from tables.chart import MAIN
from tables.loaders import TABLES, Table
from tables.page import DOCS, NAMES, best, marked, number, table

PAGE = "automl.md"
BEST = "best"
FILE = "automl.csv"
HEAD = """\
# Beside packages that choose their models themselves

`python benchmarks/run_automl.py` writes this page. It compares `preset="best"` and `time_limit={limit:g}` with the same
time limit for **AutoGluon best** (`presets="best_quality"`), **AutoGluon** (its default, `medium_quality`), **FLAML**
(`AutoML`) and **mljar** (`mode="Compete"`), and without a limit for **EBM**, interpret's explainable boosting machine.

- **Score**: log loss or RMSE, which the packages are told, on a random fifth of the rows, stratified by class. Rows of
  one person or one day are on both sides, and "best" looks up similar training rows: for new persons
  the order can differ.
- **Seconds** are of the clock, from the table to the fitted model.
- **One row** is the prediction of a data frame of one row, the median of 30, with AutoGluon's models kept in memory.
- **Size**: Chainrule's `save(path, compact=True)`, AutoGluon's clone for deployment, mljar's folder without reports,
  and pickles of the others.
- **A dash** is a table that was not measured; mljar ends with an error on loans_full_schema.
- The settings of "best" were chosen on these tables, so Chainrule's figures are somewhat too good.
- **Every loss, time and size** is in [a CSV file](automl.csv).
"""


def versions() -> dict[str, str]:
    """Return the versions of the packages that are compared, of those that are installed here."""
    found = {"chainrule": chainrule.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def measured(cells: Cells) -> list[Table]:
    """Return the tables on which ours and somebody else were measured."""
    return [each for each in TABLES if cells.of(each.name, BEST) and len(contestants(cells, each)) > 1]


def contestants(cells: Cells, each: Table | None = None) -> list[str]:
    """Return those of whom anything was measured, or anything on a table, in order."""
    known = {cell.who for cell in cells.by_key.values() if each is None or cell.table == each.name}
    return [who for who in AUTOML if who in known]


def loss(cells: Cells, each: Table, who: str) -> tuple[float, float] | None:
    """Return the losses of ours and of a contestant on a table, over the splits that both have."""
    return cells.pair(each.name, BEST, who, MAIN[each.task])


def ahead(cells: Cells) -> list[str]:
    """Return a row for each peer with a smaller loss than ours on a table."""
    rows = []
    for each in measured(cells):
        for who in contestants(cells, each):
            pair = loss(cells, each, who)
            if pair is not None and pair[1] < pair[0]:
                mine, theirs = pair
                shown = [
                    NAMES[MAIN[each.task]],
                    number(mine),
                    number(theirs),
                    f"{100 * (1 - theirs / mine):.1f}",
                ]
                rows.append([each.name, TITLES[who], *shown])
    heads = ["table", "ahead", "score", "ours", "theirs", "smaller by %"]
    return table(heads, rows, texts=3) if rows else ["None of those measured on any table.", ""]


def geometric(ratios: list[float]) -> str:
    """Return the geometric mean, in three digits."""
    return f"{exp(fmean(map(log, ratios))):.3g}"


def in_the_mean(cells: Cells) -> list[str]:
    """Return a row for each contestant: its losses, time and size beside ours."""
    rows = []
    for who in contestants(cells):
        if who == BEST:
            continue
        ratios: dict[str, list[float]] = {"loss": [], "fit": [], "row": [], "bytes": []}
        for each in measured(cells):
            pairs = {"loss": loss(cells, each, who)}
            pairs |= {what: cells.pair(each.name, BEST, who, what) for what in ("fit", "row", "bytes")}
            for what, pair in pairs.items():
                if pair is not None:
                    ratios[what].append(pair[1] / pair[0])
        if ratios["loss"]:
            behind = sum(ratio > 1 for ratio in ratios["loss"])
            counts = [len(ratios["loss"]), geometric(ratios["loss"]), behind]
            rows.append(
                [TITLES[who], *counts, *(geometric(ratios[what]) for what in ("fit", "row", "bytes"))]
            )
    heads = ['beside Chainrule "best"', "tables", "loss", "larger on", "seconds to fit", "one row", "size"]
    return table(heads, rows)


def losses(cells: Cells) -> list[str]:
    """Return a row for each table: the medians of the loss, the smallest in bold."""
    whos = contestants(cells)
    rows = []
    for each in measured(cells):
        values = [cells.middle(each.name, who, MAIN[each.task]) for who in whos]
        first = best(MAIN[each.task], values)
        marks = ["**" if index == first else "" for index in range(len(values))]
        rows.append(
            [each.name, *(marked(number(value), mark) for value, mark in zip(values, marks, strict=True))]
        )
    return table(["table", *(TITLES[who] for who in whos)], rows)


def every_cell(cells: Cells) -> list[list[object]]:
    """Return the rows of the file: a cell's medians, seconds by the clock and bytes, and where it was measured."""
    rows: list[list[object]] = []
    for each in measured(cells):
        for who in contestants(cells, each):
            cell = cells.of(each.name, who)[0]
            medians = [
                cells.middle(each.name, who, what) for what in (MAIN[each.task], "fit", "row", "bytes")
            ]
            last = [len(cells.repeated(cell.key)), cell.date, cells.machines[cell.key]]
            rows.append([each.name, TITLES[who], NAMES[MAIN[each.task]], *medians, *last])
    heads = ("table", "contestant", "score", "loss", "seconds to fit", "seconds for one row", "bytes")
    return [[*heads, "measurements", "date", "machine"], *rows]


def circumstances(cells: Cells) -> list[str]:
    """Return the machines, the dates, the versions, and how busy the machine was."""
    found = list(cells.by_key.values())
    places = Counter((cells.machines[cell.key], cell.date) for cell in found)
    versions = ", ".join(f"{name} {release}" for name, release in cells.about.get("versions", {}).items())
    rows = [
        *([f"{count} cells", f"{machine}, {day}"] for (machine, day), count in sorted(places.items())),
        ["threads of each contestant", cells.about.get("threads", "-")],
        ["versions", versions],
        ["average load, median", f"{median(cell.load for cell in found):.1f}" if found else "-"],
    ]
    if absent := [TITLES[who] for who in AUTOML if who not in contestants(cells)]:
        rows.append(["not measured", ", ".join(absent)])
    return table(["what", ""], rows, texts=2)


def text(cells: Cells) -> str:
    """Return the whole page."""
    lines = [
        HEAD.format(limit=cells.about.get("seconds", 60)),
        '## Who is ahead of "best"',
        "",
        *ahead(cells),
    ]
    lines += [
        "## In the mean",
        "",
        'Geometric means, over the tables, of each figure divided by that of "best":',
        "",
    ]
    lines += in_the_mean(cells)
    lines += ["## Log loss, or RMSE", "", *losses(cells)]
    lines += ["## This run", "", *circumstances(cells)]
    return "\n".join(lines).rstrip() + "\n"


def write(cells: Cells, folder: Path = DOCS) -> Path:
    """Write the page and its file, and return the page's path."""
    path = folder / PAGE
    path.write_text(text(cells), "utf-8")
    (folder / FILE).write_text(comma_separated(every_cell(cells)), "utf-8")
    return path
