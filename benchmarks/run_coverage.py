"""Coverage and widths of intervals and sets of labels on real tables, beside MAPIE and crepes, into notes/intervals.md.

    python benchmarks/run_coverage.py [--only NAME] [--rows N] [--seeds N] [--peer-seeds N] [--page-only]

Each table and seed draws N rows to fit and others to judge. MAPIE (absolute errors, or 1 - p) and crepes (errors
divided by a k-nearest neighbors' deviation of y) are calibrated on 15 % of the rows, and their networks and trees learn
from the other 85 %; both get the same predictions. A line of the file of results is one table and seed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from tables.loaders import TABLES, Table, TableError
from tables.peers import Categories, named

from chainrule import MLPClassifier, MLPRegressor
from chainrule.tables.preprocessor import TablePreprocessor

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "coverage.jsonl"
PAGE = ROOT / "benchmarks" / "notes" / "intervals.md"
BEGIN, END = "<!-- written by benchmarks/run_coverage.py -->", "<!-- end -->"
LEVELS = (0.5, 0.8, 0.9, 0.95)
HELD = 0.15
MOST_JUDGED = 4_000
SIGMAS = float(stats.norm.ppf(0.975))
"""Of the band in which a mean is by chance in 95 of 100 cases."""
ROUNDING = 1e-9
OURS = "chainrule"
PEERS = ("MAPIE, network", "crepes, network", "MAPIE, LightGBM", "crepes, LightGBM")


@dataclass(frozen=True)
class Found:
    """What was measured on one table with one seed."""

    table: str
    task: str
    seed: int
    rows: int
    held_out: int
    judged: int
    coverage: dict[str, list[float]]
    """by method, at each of LEVELS"""
    width: dict[str, list[float]]
    """mean widths of intervals, or mean sizes of sets"""


class Known(BaseEstimator):  # type: ignore[misc]
    """An estimator whose X are the numbers of rows, and whose predictions are known."""

    def __init__(self, predicted: Any = None, classes: Any = None) -> None:
        self.predicted, self.classes = predicted, classes
        self.n_features_in_ = 1
        if classes is not None:
            self.classes_ = np.arange(len(classes))

    def fit(self, X: Any, y: Any) -> Known:
        """Learn nothing."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class KnownNumbers(RegressorMixin, Known):  # type: ignore[misc]
    """A regressor with known predictions (n,)."""

    def predict(self, X: Any) -> NDArray[Any]:
        """Look them up."""
        return np.asarray(self.predicted[np.asarray(X)[:, 0].astype(int)])


class KnownLabels(ClassifierMixin, Known):  # type: ignore[misc]
    """A classifier with known probabilities (n, classes)."""

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Look them up."""
        return np.asarray(self.predicted[np.asarray(X)[:, 0].astype(int)])

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable ones."""
        return np.asarray(self.predict_proba(X).argmax(1))


def measure(table: Table, seed: int, rows: int, with_peers: bool) -> Found:
    """Measure a table with a seed."""
    X, y = table.load()
    order = np.random.default_rng(seed).permutation(len(X))[: rows + MOST_JUDGED]
    count = min(rows, len(order) * 4 // 5)
    X, y = X.iloc[order].reset_index(drop=True), y.iloc[order].to_numpy()
    judged = np.arange(count, len(order))
    measured = of_numbers if table.is_numeric else of_labels
    held_out, coverage, width = measured(X, y, count, judged, seed, with_peers)
    return Found(table.name, table.task, seed, count, held_out, len(judged), coverage, width)


Measured = tuple[int, dict[str, list[float]], dict[str, list[float]]]


def of_numbers(
    X: pd.DataFrame, y: NDArray[Any], count: int, judged: NDArray[Any], seed: int, with_peers: bool
) -> Measured:
    """Measure intervals. The first `count` rows are those to fit."""
    net = MLPRegressor(preprocess="auto", random_state=seed).fit(X[:count], y[:count])
    held_out = len(net._fitted.held_out.rows)
    found = {OURS: [net.predict_interval(X.iloc[judged], level) for level in LEVELS]}
    if with_peers:
        found |= peers_of_numbers(X, y, count, judged, seed)
    truth = y[judged]
    coverage = {
        who: [float(((truth >= low) & (truth <= high)).mean()) for low, high in (each.T for each in made)]
        for who, made in found.items()
    }
    return (
        held_out,
        coverage,
        {who: [float(np.ptp(each, 1).mean()) for each in made] for who, made in found.items()},
    )


def peers_of_numbers(
    X: pd.DataFrame, y: NDArray[Any], count: int, judged: NDArray[Any], seed: int
) -> dict[str, list[NDArray[Any]]]:
    """Return the intervals of MAPIE and crepes about the predictions of a network, and about those of LightGBM."""
    split, conformal = (
        named("mapie.regression", "SplitConformalRegressor"),
        named("crepes.base", "ConformalRegressor"),
    )
    proper = round((1 - HELD) * count)
    calibrated = np.arange(proper, count)
    difficulty = named("crepes.extras", "DifficultyEstimator")()
    prepared = TablePreprocessor().fit(X[:proper], y[:proper]).transform(X)
    difficulty.fit(X=prepared[:proper], y=y[:proper], scaler=True)
    sigmas = difficulty.apply(prepared)
    found: dict[str, list[NDArray[Any]]] = {}
    network = MLPRegressor(preprocess="auto", random_state=seed).fit(X[:proper], y[:proper]).predict(X)
    trees = Categories().fit(X[:proper])
    boosted = named("lightgbm", "LGBMRegressor")(verbose=-1, n_jobs=1, random_state=seed)
    boosted.fit(trees.transform(X[:proper]), y[:proper])
    for who, predicted in (("network", network), ("LightGBM", boosted.predict(trees.transform(X)))):
        mapie = split(KnownNumbers(predicted), confidence_level=list(LEVELS), prefit=True)
        mapie.conformalize(calibrated[:, None], y[calibrated])
        ends = mapie.predict_interval(judged[:, None])[1]  # (n, 2, levels)
        found[f"MAPIE, {who}"] = [ends[:, :, place] for place in range(len(LEVELS))]
        crepes = conformal().fit(y[calibrated] - predicted[calibrated], sigmas=sigmas[calibrated])
        found[f"crepes, {who}"] = [
            crepes.predict_int(predicted[judged], sigmas=sigmas[judged], confidence=level) for level in LEVELS
        ]
    return found


def of_labels(
    X: pd.DataFrame, y: NDArray[Any], count: int, judged: NDArray[Any], seed: int, with_peers: bool
) -> Measured:
    """Measure sets of labels. The first `count` rows are those to fit."""
    net = MLPClassifier(preprocess="auto", random_state=seed).fit(X[:count], y[:count])
    held_out = len(net._fitted.held_out.rows)
    judged = judged[np.isin(y[judged], net.classes_)]
    truth = np.searchsorted(net.classes_, y[judged])
    found = {OURS: [net.predict_set(X.iloc[judged], level) for level in LEVELS]}
    proper = round((1 - HELD) * count)
    if with_peers and len(np.unique(y[:proper])) == len(net.classes_):
        found |= peers_of_labels(X, np.searchsorted(net.classes_, y), proper, count, judged, seed)
    places = np.arange(len(judged))
    coverage = {who: [float(each[places, truth].mean()) for each in made] for who, made in found.items()}
    return (
        held_out,
        coverage,
        {who: [float(each.sum(1).mean()) for each in made] for who, made in found.items()},
    )


def peers_of_labels(
    X: pd.DataFrame, y: NDArray[Any], proper: int, count: int, judged: NDArray[Any], seed: int
) -> dict[str, list[NDArray[Any]]]:
    """Return the sets of MAPIE and crepes by the probabilities of a network, and by those of LightGBM."""
    split, conformal = (
        named("mapie.classification", "SplitConformalClassifier"),
        named("crepes.base", "ConformalClassifier"),
    )
    calibrated = np.arange(proper, count)
    network = MLPClassifier(preprocess="auto", random_state=seed).fit(X[:proper], y[:proper]).predict_proba(X)
    trees = Categories().fit(X[:proper])
    boosted = named("lightgbm", "LGBMClassifier")(verbose=-1, n_jobs=1, random_state=seed)
    boosted.fit(trees.transform(X[:proper]), y[:proper])
    found: dict[str, list[NDArray[Any]]] = {}
    for who, p in (("network", network), ("LightGBM", boosted.predict_proba(trees.transform(X)))):
        p = np.asarray(p, float) / np.asarray(p, float).sum(1, keepdims=True)
        mapie = split(KnownLabels(p, range(p.shape[1])), confidence_level=list(LEVELS), prefit=True)
        mapie.conformalize(calibrated[:, None], y[calibrated])
        sets = mapie.predict_set(judged[:, None])[1]  # (n, classes, levels)
        found[f"MAPIE, {who}"] = [sets[:, :, place].astype(bool) for place in range(len(LEVELS))]
        crepes = conformal().fit(1 - p[calibrated, y[calibrated]], seed=seed)
        found[f"crepes, {who}"] = [
            crepes.predict_set(1 - p[judged], confidence=level, smoothing=True, seed=seed).astype(bool)
            for level in LEVELS
        ]
    return found


# --- the page -------------------------------------------------------------------------------------------------------


def band(found: list[Found], level: float, sigmas: float = SIGMAS) -> tuple[float, float]:
    """Return the bounds between which the mean coverage of some seeds is by chance, if all rows are exchangeable.

    Of n judged rows the covered ones are then beta-binomial with k = ceil((m + 1) level) and m + 1 - k, where m rows
    were held out: all n share one calibration. The mean of several is about normal.
    Source: Vovk, "Conditional validity of inductive conformal predictors" (2012).
    """
    chances = [
        stats.betabinom(one.judged, rank := rank_of(one.held_out, level), one.held_out + 1 - rank)
        for one in found
    ]
    center = np.mean([chance.mean() / one.judged for chance, one in zip(chances, found, strict=True)])
    each = [chance.var() / one.judged**2 for chance, one in zip(chances, found, strict=True)]
    half = sigmas * float(np.sqrt(np.mean(each) / len(each)))
    return float(center - half), float(center + half)


def rank_of(held_out: int, level: float) -> int:
    """Return the rank of the score that bounds intervals, among those of the rows held out."""
    return int(np.ceil((held_out + 1) * level - ROUNDING))


def outside(by_table: dict[str, list[Found]], sigmas: float = SIGMAS) -> dict[tuple[str, int], bool]:
    """Return the tables and places of LEVELS whose mean coverage is outside of its band: whether it is below."""
    found = {}
    for (name, own), place in itertools.product(by_table.items(), range(len(LEVELS))):
        mean, (low, high) = mean_coverage(own)[place], band(own, LEVELS[place], sigmas)
        if not low <= mean <= high:
            found[name, place] = bool(mean < low)
    return found


def mean_coverage(found: list[Found]) -> NDArray[np.float64]:
    """Return the mean of ours over seeds, at each of LEVELS."""
    return np.mean([one.coverage[OURS] for one in found], 0)


def written(results: list[Found]) -> Iterator[str]:
    """Iterate over the lines of the page."""
    names = [table.name for table in TABLES if any(one.table == table.name for one in results)]
    by_table = {name: [one for one in results if one.table == name] for name in names}
    heads = " | ".join(f"{100 * level:g} %" for level in LEVELS)
    yield f"| table | seeds | held out | {heads} | " + " | ".join(f"to {who}" for who in PEERS) + " |"
    yield "|---|" + "---:|" * (2 + len(LEVELS) + len(PEERS))
    marked = outside(by_table)
    for name, own in by_table.items():
        cells = [
            f"{100 * mean:.1f}" + "\\*" * ((name, place) in marked)
            for place, mean in enumerate(mean_coverage(own))
        ]
        held = f"{np.mean([one.held_out for one in own]):.0f}"
        ratios = [f"{value:.2f}" if np.isfinite(value := ratio(own, who)) else "" for who in PEERS]
        yield f"| {name} | {len(own)} | {held} | " + " | ".join([*cells, *ratios]) + " |"
    yield ""
    overall = [f"{100 * mean:.1f}" for mean in np.mean([mean_coverage(own) for own in by_table.values()], 0)]
    count = len(names) * len(LEVELS)
    sigmas_of_all = float(stats.norm.ppf((1 + 0.95 ** (1 / count)) / 2))
    far = [f"{name} at {100 * LEVELS[place]:g} %" for name, place in outside(by_table, sigmas_of_all)]
    yield (
        "\\*: outside of the band in which the mean over the seeds is by chance in 95 of 100 cases: "
        f"{len(marked)}, {sum(marked.values())} of them below, of {count}, where chance makes {0.05 * count:.1f}. "
        f"Outside of the wider bands in which all {count} are by chance in 95 of 100 cases: "
        f"{', '.join(far) or 'none'}. Over all tables the coverage is {', '.join(overall)} %."
    )
    for task, what in (("regression", "widths of intervals"), ("classification", "sizes of sets")):
        own = [[one for one in each if one.task == task] for each in by_table.values()]
        own = [each for each in own if each]
        yield ""
        yield f"| mean {what} relative to | {heads} | narrower on |"
        yield "|---|" + "---:|" * (len(LEVELS) + 1)
        for who in PEERS:
            by_level = [[ratio(each, who, [place]) for each in own] for place in range(len(LEVELS))]
            overall = [ratio(each, who) for each in own]
            if not np.isfinite(overall).any():
                continue
            wins = sum(value < 1 for value in overall)
            counted = sum(np.isfinite(value) for value in overall)
            means = " | ".join(f"{np.exp(np.nanmean(np.log(each))):.3f}" for each in by_level)
            yield f"| {who} | {means} | {wins} of {counted} |"


def ratio(found: list[Found], who: str, places: list[int] | None = None) -> float:
    """Return the geometric mean of our mean widths over a peer's, over seeds and some of LEVELS; NaN without any."""
    places = [*range(len(LEVELS))] if places is None else places
    logs = [
        np.log(one.width[OURS][place] / one.width[who][place])
        for one in found
        for place in places
        if who in one.width and one.width[who][place] > 0 and np.isfinite(one.width[who][place])
    ]
    return float(np.exp(np.mean(logs))) if logs else float("nan")


def read(path: Path) -> list[Found]:
    """Return the results in a file; none where there is no file."""
    return [Found(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Measure what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="tables whose names contain it; again for more")
    add("--rows", type=int, default=2_000, help="rows to fit")
    add("--seeds", type=int, default=20, help="seeds of each table")
    add("--peer-seeds", type=int, default=3, help="seeds with the peers")
    add("--out", type=Path, default=RESULTS, help="file of the results")
    add("--page-only", action="store_true", help="only write the page again")
    asked = parser.parse_args()
    known = {(one.table, one.seed) for one in read(asked.out)}
    tables = [table for table in TABLES if not asked.only or any(each in table.name for each in asked.only)]
    for seed, table in ((seed, table) for seed in range(asked.seeds) for table in tables):
        if asked.page_only or (table.name, seed) in known:
            continue
        begin = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = measure(table, seed, asked.rows, seed < asked.peer_seeds)
        except TableError as error:
            print(f"{table.name}: {error}", file=sys.stderr)
            continue
        with asked.out.open("a") as file:
            file.write(json.dumps(found.__dict__) + "\n")
        print(f"{table.name}, seed {seed}: {time.process_time() - begin:.1f} s", file=sys.stderr)
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *written(read(asked.out)), "", END + after]))


if __name__ == "__main__":
    main()
