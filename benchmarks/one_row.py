"""What a prediction costs: one raw row, and 100,000 of them, beside LightGBM, CatBoost and scikit-learn's pipeline.

    python benchmarks/one_row.py [--tables NAME ...] [--rows 4000] [--seconds 30] [--write]

Each contestant is fitted as in `make bench-tables`, and predicts from the columns as they were read: probabilities or
numbers. Microseconds and seconds are of the processor, over all cores; contestants take turns, and a figure is the
median of the rounds. CatBoost gets categories that are already text, and one row as a list, without a data frame.
--write puts the table into benchmarks/notes/estimators.md. Needs the packages of `make bench-tables`.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from results import generation, machine, today
from tables.contestants import CONTESTANTS, ours
from tables.loaders import TABLES, Table
from tables.peers import is_category

PAGE = Path(__file__).parent / "notes" / "estimators.md"
BEGIN, END = "<!-- written by benchmarks/one_row.py -->", "<!-- end of one row -->"
NAMES = ("diamonds", "nassCDS", "lending_club")
MANY, ROUNDS = 100_000, 7
TURN, MOST_CALLS = 0.02, 500
"""The seconds of a turn, and the calls in it"""
FEWER_TREES = 300
BOUND, FRAME = "bound", "a frame"
Answer = Callable[[], Any]


def timed(tasks: Mapping[str, Answer], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median seconds of the processor of a call of each task, which take turns of some milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in tasks}
    calls = {}
    for name, task in tasks.items():
        task()
        begun = time.process_time()
        task()
        calls[name] = min(max(int(TURN / max(time.process_time() - begun, 1e-6)), 1), MOST_CALLS)
    for _ in range(rounds):
        for name, task in tasks.items():
            begun = time.process_time()
            for _ in range(calls[name]):
                task()
            found[name].append((time.process_time() - begun) / calls[name])
    return {name: median(times) for name, times in found.items()}


def ready(X: pd.DataFrame) -> pd.DataFrame:
    """Return a table with categories as CatBoost takes them: text, none missing."""
    names = X.columns[is_category(X)]
    return X.assign(**{name: X[name].astype(object).fillna("missing").astype(str) for name in names})


def fitted(table: Table, X: pd.DataFrame, y: pd.Series, seconds: float) -> dict[str, Any]:
    """Fit the contestants."""
    made = {
        "fast": ours(X, table.is_numeric, 0),
        "best": ours(X, table.is_numeric, 0, preset="best", time_limit=seconds),
    }
    made |= {who: CONTESTANTS[who](X, table.is_numeric, 0) for who in ("lightgbm", "catboost", "mlp")}
    return {who: model.fit(X, y) for who, model in made.items()}


def answering(model: Any, is_numeric: bool) -> Callable[[Any], Any]:
    """Return what predicts numbers or probabilities."""
    found: Callable[[Any], Any] = model.predict if is_numeric else model.predict_proba
    return found


def tasks_of(
    table: Table, models: dict[str, Any], X: pd.DataFrame
) -> tuple[dict[str, Answer], dict[str, Answer]]:
    """Return what is timed for one row, and for many."""
    row, cells = X[:1], X[:1].to_dict("records")[0]
    text, text_cells = ready(X), ready(X[:1]).iloc[0].tolist()
    one: dict[str, Answer] = {}
    many: dict[str, Answer] = {}
    for who in ("fast", "best"):
        bound, whole = (answering(each, table.is_numeric) for each in (models[who].bind(), models[who]))
        one[f'"{who}", {BOUND}'] = lambda bound=bound: bound(cells)
        one[f'"{who}", {FRAME}'] = lambda whole=whole: whole(row)
        many[f'"{who}"'] = lambda whole=whole: whole(X)
    trees = models["catboost"].model
    fewer = trees.copy()
    fewer.shrink(FEWER_TREES)
    for name, model in (
        (f"CatBoost, {trees.tree_count_:,} trees", trees),
        (f"CatBoost, {FEWER_TREES} trees", fewer),
    ):
        predict = answering(model, table.is_numeric)
        one[name] = lambda predict=predict: predict([text_cells])
        many[name] = lambda predict=predict: predict(text)
    for who, name in (("lightgbm", "LightGBM"), ("mlp", "scikit-learn's MLP in a pipeline")):
        whole = answering(models[who], table.is_numeric)
        one[name] = lambda whole=whole: whole(row)
        many[name] = lambda whole=whole: whole(X)
    return one, many


def measured(table: Table, rows: int, seconds: float) -> Iterator[str]:
    """Measure a table; yield lines of the page."""
    X, y = table.load()
    rng = np.random.default_rng(0)
    some = rng.permutation(len(X))[:rows]
    models = fitted(table, X.iloc[some], y.iloc[some], seconds)
    drawn = X.iloc[rng.integers(len(X), size=MANY)].reset_index(drop=True)
    one, many = tasks_of(table, models, drawn)
    times, of_many = timed(one), timed(many)
    prepare = models["fast"].preprocessor_.transform
    prepared = timed({"fast": lambda: prepare(drawn)})["fast"]
    base, base_many = times[f'"fast", {BOUND}'], of_many['"fast"']
    kinds = f"{X.shape[1]} columns, {int(is_category(X).sum())} of text"
    for name, value in times.items():
        whole = of_many.get(name.partition(",")[0] if name.endswith(BOUND) else name)
        last = "" if whole is None else f"{whole:.3f} ({whole / base_many:.2f})"
        title = name
        if name == f'"best", {BOUND}':
            count = len(models["best"].blend_)
            title = f'"best" of {count} network{"s" * (count > 1)}, {BOUND}'
        yield f"| {table.name}: {kinds} | {title} | {value * 1e6:,.0f} ({value / base:,.2f}) | {last} |"
    yield f'| {table.name} | of "fast": preparing the table | | {prepared:.3f} ({prepared / base_many:.2f}) |'


def page(lines: list[str], rows: int, seconds: float, loads: tuple[float, float]) -> list[str]:
    """Return the lines between the marks."""
    return [
        "",
        f"Processor time, medians of {ROUNDS} rounds in which all take turns, and in brackets the ratio to the first "
        f"line of the same table. Fitted on {rows:,} rows, the race for {seconds:g} seconds; load of {loads[0]:.0f} to "
        f"{loads[1]:.0f} on {os.cpu_count()} cores. Measured: `python benchmarks/one_row.py --write`, {today()}, "
        f"{generation(machine())}, medians of {ROUNDS} rounds. "
        "CatBoost gets one row as a list, LightGBM and the pipeline as a frame; a bound row is a mapping.",
        "",
        "| table | | one raw row, µs | 100,000 raw rows as a frame, s |",
        "|---|---|---|---|",
        *lines,
        "",
    ]


def main() -> None:
    """Measure, print, and write the page if asked."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--tables", nargs="*", default=list(NAMES))
    arguments.add_argument("--rows", type=int, default=4_000)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--write", action="store_true")
    asked = arguments.parse_args()
    warnings.simplefilter("ignore")
    known = {table.name: table for table in TABLES}
    lines, loads = [], [os.getloadavg()[0]]
    for name in asked.tables:
        for line in measured(known[name], asked.rows, asked.seconds):
            print(line, flush=True)
            lines.append(line)
        loads.append(os.getloadavg()[0])
    if asked.write:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        _, after = rest.split(END)
        made = page(lines, asked.rows, asked.seconds, (min(loads), max(loads)))
        PAGE.write_text("\n".join([before + BEGIN, *made, END + after]), "utf-8")


if __name__ == "__main__":
    main()
