"""The default with few rows to learn from, beside a linear model and CatBoost, on the open tables.

    OMP_NUM_THREADS=1 python benchmarks/few_rows.py [--draws 20] [--rows 50,200]
        [--who ours,linear,catboost] [--tables "phoneme;adult"] [--page-only] [--kept FILE]

A draw is so many rows of a table, of classes as many as there are in proportion, and up to 5,000 of the others to be
judged on. The loss is the log loss, or the root of the mean squared error. Every contestant has its defaults: the
linear model is LogisticRegression or Ridge behind what one usually writes before it, medians for missing numbers with
an indicator, standardized numbers, and categories as one-hot codes. Each cell is a line of the file of results, written
as soon as it is measured, and cells that are there are not computed again: a run that was ended goes on. The page has
the draws that all contestants of a table have. With --kept the cells are in another file, and the tables are printed.

The settings for few rows (`chainrule.presets.few`) were chosen on the tables of CHOSEN_ON; the others are
those that they are shown on.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import peers
from tables.contestants import ours
from tables.loaders import TABLES, Table
from tables.peers import is_category

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "few_rows.jsonl"
PAGE = ROOT / "benchmarks" / "notes" / "few_rows.md"
BEGIN, END = "<!-- written by benchmarks/few_rows.py -->", "<!-- end of few rows -->"
ROWS = (50, 200, 1_000)
DIGITS = 6
"""The digits of a number in the file."""
LIMIT = 1.05
"""The ratio above which a table is named."""
SECONDS, NEAR = 20, 0.01
"""The limit of preset="best", and how much larger its loss may be than the default's without its table being named."""
DRAWS = 20
MOST_JUDGED = 5_000
BINS = 15
"""The bins of the ECE, of equal width."""
CHOSEN_ON = (
    *("phoneme", "Caravan", "wa_churn", "lending_club", "penbased"),
    *("Bikeshare", "storms", "weather", "CPS1988"),
)
"""The tables on which the settings were chosen."""


def linear(X: pd.DataFrame, is_numeric: bool, seed: int) -> Any:
    """Logistic regression, or ridge regression, behind the usual pipeline."""
    category = is_category(X)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    ready = ColumnTransformer([("numbers", numbers, ~category), ("codes", codes, category)])
    return make_pipeline(ready, Ridge() if is_numeric else LogisticRegression(max_iter=500))


WHO = {
    "ours": ours,
    "best": partial(ours, preset="best", time_limit=SECONDS),
    "linear": linear,
    "catboost": peers.catboost,
}
PEERS = ("linear", "catboost")


class Cell(NamedTuple):
    """A contestant on a draw."""

    table: str
    rows: int
    draw: int
    who: str
    loss: float
    ece: float
    """of the likeliest class; 0 for numbers"""
    seconds: float
    """of the processor, for the fit"""
    least: float
    """the least probability that it gave; 0 for numbers"""

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What it is of."""
        return self.table, self.rows, self.draw, self.who


class Draw(NamedTuple):
    """Rows to learn from, and to be judged on."""

    X: pd.DataFrame
    X_test: pd.DataFrame
    y: pd.Series
    y_test: pd.Series


def drawn(X: pd.DataFrame, y: pd.Series, is_numeric: bool, rows: int, draw: int) -> Draw:
    """Draw the rows."""
    sizes = {"train_size": rows, "test_size": min(MOST_JUDGED, len(X) - rows)}
    found = train_test_split(X, y, **sizes, random_state=draw, stratify=None if is_numeric else y)
    return Draw(*(part.reset_index(drop=True) for part in found))


def ece(y: np.ndarray[Any, Any], found: np.ndarray[Any, Any], classes: np.ndarray[Any, Any]) -> float:
    """Return the expected calibration error of the likeliest class: sum_b n_b / n |accuracy_b - mean confidence_b|."""
    confidence, is_right = found.max(1), classes[found.argmax(1)] == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, is_right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(y))


def measured(table: Table, who: str, part: Draw, draw: int) -> Cell:
    """Fit a contestant to a draw, and judge it."""
    estimator = WHO[who](part.X, table.is_numeric, draw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.process_time()
        estimator.fit(part.X, part.y)
        seconds = time.process_time() - begun
        found = estimator.predict(part.X_test) if table.is_numeric else estimator.predict_proba(part.X_test)
    key = table.name, len(part.y), draw, who
    if table.is_numeric:
        return Cell(*key, float(np.sqrt(mean_squared_error(part.y_test, found))), 0.0, seconds, 0.0)
    classes, y = np.unique(part.y), part.y_test.to_numpy()
    loss = log_loss(y, found, labels=classes)
    return Cell(*key, float(loss), ece(y, np.asarray(found), classes), seconds, float(found.min()))


def read(path: Path) -> dict[tuple[str, int, int, str], Cell]:
    """Read the cells of a file; none where there is none."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {cell.key: cell for cell in (Cell(*json.loads(line)) for line in lines)}


def write(path: Path, cell: Cell) -> None:
    """Add a cell to a file."""
    short = [float(f"{each:.{DIGITS}g}") if isinstance(each, float) else each for each in cell]
    with path.open("a") as file:
        file.write(json.dumps(short) + "\n")


def missing(asked: argparse.Namespace, known: Iterable[tuple[str, int, int, str]]) -> Iterator[Cell]:
    """Yield the cells that are asked for and not known."""
    known = set(known)
    for table in (each for each in TABLES if each.name in asked.tables):
        X, y = table.load()
        for rows in asked.rows:
            for draw in range(asked.draws):
                wanted = [who for who in asked.who if (table.name, rows, draw, who) not in known]
                part = drawn(X, y, table.is_numeric, rows, draw) if wanted else None
                for who in wanted:
                    assert part is not None
                    yield measured(table, who, part, draw)


def means(cells: Iterable[Cell], rows: int) -> dict[str, dict[str, Cell]]:
    """Return the mean over the draws that all contestants of a table have, by table and contestant."""
    by: dict[str, dict[str, dict[int, Cell]]] = {}
    for cell in cells:
        if cell.rows == rows:
            by.setdefault(cell.table, {}).setdefault(cell.who, {})[cell.draw] = cell
    found: dict[str, dict[str, Cell]] = {}
    for table, own in by.items():
        draws = set.intersection(*(set(each) for each in own.values()))
        if draws:
            found[table] = {who: _mean([each[draw] for draw in sorted(draws)]) for who, each in own.items()}
    return found


def _mean(cells: list[Cell]) -> Cell:
    first = cells[0]
    averaged = (fmean(getattr(cell, name) for cell in cells) for name in ("loss", "ece", "seconds"))
    return Cell(first.table, first.rows, len(cells), first.who, *averaged, min(cell.least for cell in cells))


class Compared(NamedTuple):
    """A contestant beside the peers, with so many rows."""

    rows: int
    found: dict[str, dict[str, Cell]]
    """the means by table and contestant"""
    ratio: dict[str, float]
    """its loss over that of the better of the peers, by table"""

    def mean(self, is_chosen: bool | None = None) -> float:
        """Return the geometric mean of the ratios: of all tables, of those chosen on, or of the others."""
        chosen = [ratio for table, ratio in self.ratio.items() if is_chosen in (None, table in CHOSEN_ON)]
        return float(np.exp(np.mean(np.log(chosen)))) if chosen else float("nan")

    @property
    def behind(self) -> list[str]:
        """The tables above the limit, the worst first."""
        return sorted(
            (name for name in self.ratio if self.ratio[name] > LIMIT), key=lambda name: -self.ratio[name]
        )


def compared(cells: Iterable[Cell], whose: str = "ours", beside: str | None = None) -> list[Compared]:
    """Return a contestant beside the peers for each number of rows.

    beside: another one that has the draws and the tables too.
    """
    cells, results = list(cells), []
    wanted = {whose, *PEERS} | ({beside} if beside else set())
    for rows in sorted({cell.rows for cell in cells}):
        every = means((cell for cell in cells if cell.who in wanted), rows)
        found = {table: own for table, own in every.items() if wanted <= own.keys()}
        ratio = {table: own[whose].loss / min(own[who].loss for who in PEERS) for table, own in found.items()}
        if ratio:
            results.append(Compared(rows, found, ratio))
    return results


def page(cells: Iterable[Cell], whose: str = "ours") -> Iterator[str]:
    """Yield the page's lines: what is behind, the geometric means, and the losses by table and number of rows."""
    results = compared(cells, whose)
    for each in results:
        behind = ", ".join(f"{name} {each.ratio[name]:.3f}" for name in each.behind) or "none"
        ahead = sum(ratio < 1 for ratio in each.ratio.values())
        yield (
            f"- **{each.rows:,} rows**: above {LIMIT} on {behind}; ahead on {ahead} of {len(each.ratio)} tables. "
            f"The geometric mean is {each.mean():.3f}: {each.mean(True):.3f} on the tables that the settings were "
            f"chosen on, {each.mean(False):.3f} on the others."
        )
    yield from of_best(cells)
    for each in results:
        yield ""
        yield f"| {each.rows:,} rows | draws | linear | CatBoost | Chainrule | ratio | ECE, linear | seconds |"
        yield "|---|---:|---:|---:|---:|---:|---:|---:|"
        for table in (table.name for table in TABLES if table.name in each.found):
            yield _line(table, each.found[table], each.ratio[table], whose)


def of_best(cells: Iterable[Cell]) -> Iterator[str]:
    """Yield a line of preset="best" beside the default for each number of rows that it was measured with."""
    cells = list(cells)
    default = {each.rows: each for each in compared(cells, "ours", "best")}
    for each in compared(cells, "best", "ours"):
        other = default[each.rows]
        gains = {table: each.ratio[table] / other.ratio[table] for table in each.ratio}
        worse = [table for table in sorted(gains, key=lambda name: -gains[name]) if gains[table] > 1 + NEAR]
        named = ", ".join(f"{table} {gains[table]:.3f}" for table in worse) or "none"
        ahead = sum(gain < 1 for gain in gains.values())
        counts = sorted({own["best"].draw for own in each.found.values()})
        drawn = " to ".join(f"{count}" for count in dict.fromkeys((counts[0], counts[-1])))
        seconds = [own["best"].seconds for own in each.found.values()]
        yield (
            f'- **{each.rows:,} rows, `preset="best"`** with a limit of {SECONDS} seconds, {drawn} '
            f"draw{'s' * (counts[-1] > 1)} of {len(gains)} tables: {each.mean():.3f}, where the default has "
            f"{other.mean():.3f} ({each.mean(True):.3f} and {other.mean(True):.3f} on the tables that were chosen on, "
            f"{each.mean(False):.3f} and {other.mean(False):.3f} on the others). Its loss is smaller than the "
            f"default's on {ahead} tables, and more than {NEAR:.0%} larger on {named}. "
            f"It takes {min(seconds):.0f} to {max(seconds):.0f} seconds of the processor, "
            f"{fmean(seconds):.0f} in the mean."
        )


def _line(table: str, own: dict[str, Cell], ratio: float, whose: str) -> str:
    """Return the page's line of a table."""
    losses = " | ".join(f"{own[who].loss:.4g}" for who in (*PEERS, whose))
    errors = f"{own[whose].ece:.3f}, {own['linear'].ece:.3f}" if own[whose].ece else "-"
    name = table if table in CHOSEN_ON else f"**{table}**"
    return f"| {name} | {own[whose].draw} | {losses} | {ratio:.3f} | {errors} | {own[whose].seconds:.2f} |"


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [each.name for each in TABLES]
    parser.add_argument("--kept", type=Path, help="another file of cells; then the page is printed")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--rows", type=lambda text: [int(part) for part in text.split(",")], default=ROWS)
    parser.add_argument("--who", type=lambda text: text.split(","), default=["ours", *PEERS])
    parser.add_argument("--tables", type=lambda text: text.split(";"), default=names, help="with ; between")
    parser.add_argument("--whose", default="ours", choices=[who for who in WHO if who not in PEERS])
    parser.add_argument("--page-only", action="store_true", help="measure nothing")
    return parser.parse_args()


def main() -> None:
    """Measure what is missing, and write the page."""
    asked = arguments()
    path = asked.kept or RESULTS
    if not asked.page_only:
        for cell in missing(asked, read(path)):
            write(path, cell)
    lines = list(page(read(path).values(), asked.whose))
    if asked.kept is not None or asked.whose != "ours":
        print("\n".join(lines))
        return
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *lines, "", END]) + after)


if __name__ == "__main__":
    main()
