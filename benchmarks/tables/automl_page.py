"""docs/automl.md: every number is from the file of results, and who is ahead of us stands first."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from math import exp, log
from pathlib import Path
from statistics import fmean, median

import chainrule
from tables.automl import AUTOML, PACKAGES, TITLES
from tables.cells import Cells
from tables.chart import MAIN
from tables.loaders import TABLES, Table
from tables.page import DOCS, NAMES, number, seconds, table

PAGE = "automl.md"
BEST = "best"
HEAD = """\
# Beside packages that choose their models themselves

This page is written by `python benchmarks/run_automl.py`. It compares `preset="best"` with the same time limit as
AutoGluon, FLAML and mljar, and with two that have none: EBM, and Chainrule's default.

- **Chainrule "best"** is a race of networks with `time_limit={limit:g}`; **Chainrule** is the default,
  `preprocess="auto"` and nothing else set.
- **AutoGluon best** is `presets="best_quality"` and **AutoGluon** its default, `medium_quality`; **FLAML** is its
  `AutoML`; **mljar** has `mode="Compete"`. Each is told the limit, the threads and the score: log loss, or RMSE.
- **EBM** is interpret's explainable boosting machine as it comes.
- **The same rows**: one random fifth is held out, in a classification with as much of each class as there is. Rows of
  one person or one day are on both sides, and "best" looks similar training rows up: for persons never seen the order
  can turn round. Each contestant runs in a process of its own; [when and where](#this-run) is below.
- **Seconds** are of the clock, from the table to the fitted model.
- **Measured several times**: a cell has the median of its measurements on its last day, on that day's processor.
- **One row** is the prediction of a data frame of one row, by the clock, the median of 30; AutoGluon's models are kept
  in memory, as it advises. A bound estimator of ours answers in microseconds ([Estimators](estimators.md)).
- **Size** is of what has to be saved to predict elsewhere: our one file, by `save(path, compact=True)`, AutoGluon's
  clone for deployment, mljar's folder without its reports, and pickles of the others. What predicts of ours, here, is
  that file, loaded again.
- **A dash** is a table on which a contestant was not run, but for mljar on loans_full_schema: it ends with an error as
  it prepares the texts.
- The settings of "best" were chosen on rows of these same tables, so for ours these figures are somewhat too good.
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


def each_table(cells: Cells, what: str | None, scale: float) -> list[str]:
    """Return a row for each table: the medians of a figure, or of the loss."""
    whos = contestants(cells)
    rows = []
    for each in measured(cells):
        values = [cells.middle(each.name, who, what or MAIN[each.task]) for who in whos]
        show = number if what is None else seconds
        shown = [show(None if value is None else value * scale) for value in values]
        if what is None and (known := [value for value in values if value is not None]):
            shown = [
                f"**{text}**" if value == min(known) else text
                for text, value in zip(shown, values, strict=True)
            ]
        rows.append([each.name, *shown])
    return table(["table", *(TITLES[who] for who in whos)], rows)


def when_and_where(cells: Cells, who: str) -> str:
    """Return the days and machines of a contestant's cells, and the tables on which it was measured several times."""
    own = [cell for cell in cells.by_key.values() if cell.who == who]
    places = Counter((cell.date, cells.machines[cell.key]) for cell in own)
    said = [f"{count} cells on {day}, {machine}" for (day, machine), count in sorted(places.items())]
    times = {cell.table: len(cells.repeated(cell.key)) for cell in own}
    if several := [f"{name} {count}" for name, count in times.items() if count > 1]:
        said.append(f"times measured, where more than once: {', '.join(several)}")
    return "; ".join(said)


def circumstances(cells: Cells) -> list[str]:
    """Return the machines, the dates, the versions, and how busy the machine was."""
    found = list(cells.by_key.values())
    rows = [
        *([TITLES[who], when_and_where(cells, who)] for who in contestants(cells)),
        ["threads of each contestant", cells.about.get("threads", "-")],
        ["time limit, seconds", f"{cells.about.get('seconds', 0):g}"],
        [
            "versions",
            ", ".join(f"{name} {release}" for name, release in cells.about.get("versions", {}).items()),
        ],
        ["cells", len(found)],
        [
            "average load as a cell ended, median",
            f"{median(cell.load for cell in found):.1f}" if found else "-",
        ],
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
        'Geometric means over the tables of each contestant\'s figure over that of "best".',
        "",
    ]
    lines += in_the_mean(cells)
    lines += ["## Log loss, or RMSE", "", *each_table(cells, None, 1)]
    lines += ["## Seconds to fit", "", *each_table(cells, "fit", 1)]
    lines += ["## One row, milliseconds", "", *each_table(cells, "row", 1e3)]
    lines += ["## Size, MB", "", *each_table(cells, "bytes", 1e-6)]
    lines += ["## This run", "", *circumstances(cells)]
    return "\n".join(lines).rstrip() + "\n"


def write(cells: Cells, folder: Path = DOCS) -> Path:
    """Write the page, and return its path."""
    path = folder / PAGE
    path.write_text(text(cells), "utf-8")
    return path
