"""The default with few rows to learn from, beside a linear model and CatBoost, on the open tables.

    OMP_NUM_THREADS=1 PYTHONPATH=src:benchmarks python benchmarks/few_rows.py --kept FILE [--draws 20] [--rows 50,200]
        [--who ours,linear,catboost] [--tables phoneme,adult] [--page]

A draw is so many rows of a table, of classes as many as there are in proportion, and up to 5,000 of the others to be
judged on. The loss is the log loss, or the root of the mean squared error. Every contestant has its defaults: the
linear model is LogisticRegression or Ridge behind what one usually writes before it, medians for missing numbers with
an indicator, standardized numbers, and categories as one-hot codes. Each cell is a line of the file of --kept, and
cells that are there are not computed again; --page only prints the tables of docs/estimators.md.

The settings for few rows (`chainrule.estimators.recipes.few`) were chosen on the tables of CHOSEN_ON; the others are
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

ROWS = (50, 200, 1_000)
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
    "best": partial(ours, preset="best", time_limit=20),
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


def page(cells: Iterable[Cell], whose: str = "ours") -> str:
    """Return the page's table: the losses and their ratio by table and number of rows, and the geometric means."""
    cells = list(cells)
    lines = []
    for rows in sorted({cell.rows for cell in cells}):
        found = {table: own for table, own in means(cells, rows).items() if {whose, *PEERS} <= own.keys()}
        ratio = {table: own[whose].loss / min(own[who].loss for who in PEERS) for table, own in found.items()}
        if not ratio:
            continue
        lines += [f"| {rows} rows | draws | linear | CatBoost | Chainrule | ratio | ECE, linear | seconds |"]
        lines += ["|---|---:|---:|---:|---:|---:|---:|---:|"]
        for table in (each.name for each in TABLES if each.name in found):
            own = found[table]
            losses = " | ".join(f"{own[who].loss:.4g}" for who in ("linear", "catboost", whose))
            errors = f"{own[whose].ece:.3f}, {own['linear'].ece:.3f}" if own[whose].ece else "-"
            name = table if table in CHOSEN_ON else f"**{table}**"
            last = f"{ratio[table]:.3f} | {errors} | {own[whose].seconds:.2f}"
            lines.append(f"| {name} | {own[whose].draw} | {losses} | {last} |")
        both = {True: "chosen on", False: "**shown on**"}
        for chosen, title in both.items():
            logs = [np.log(value) for table, value in ratio.items() if (table in CHOSEN_ON) == chosen]
            lines += (
                [f"| geometric mean, {title} | | | | | {np.exp(np.mean(logs)):.3f} | | |"] if logs else []
            )
        lines += [f"| geometric mean | | | | | {np.exp(np.mean(np.log([*ratio.values()]))):.3f} | | |", ""]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [each.name for each in TABLES]
    parser.add_argument("--kept", type=Path, required=True, help="the file of the cells")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--rows", type=lambda text: [int(part) for part in text.split(",")], default=ROWS)
    parser.add_argument("--who", type=lambda text: text.split(","), default=["ours", *PEERS])
    parser.add_argument("--tables", type=lambda text: text.split(";"), default=names, help="with ; between")
    parser.add_argument("--page", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure what is missing, and print the ratios."""
    asked = arguments()
    cells = read(asked.kept)
    if not asked.page:
        for cell in missing(asked, cells):
            cells[cell.key] = cell
            with asked.kept.open("a") as file:
                file.write(json.dumps(cell) + "\n")
    print(page(cells.values(), next(who for who in asked.who if who not in PEERS) if asked.page else "ours"))


if __name__ == "__main__":
    main()
