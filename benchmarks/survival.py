"""Times to an event beside scikit-survival: Cox's model, its random survival forest, and `MLPSurvival`, at defaults.

    python benchmarks/survival.py [--seeds 3] [--only whas500] >> benchmarks/notes/survival.md

On the tables that scikit-survival ships, the mean over five folds, dealt anew for each seed: the integrated Brier score
between the 5th and 95th percentile of the times of events (the less the better), Harrell's c, and the seconds of a fit
and its predictions, one thread. Cox's model has a ridge penalty of 0.01, without which it fails on some folds; the
forest has 500 trees. Both get standardized columns with categories as columns of 0 and 1. Needs scikit-survival.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sksurv import datasets
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored, integrated_brier_score
from threadpoolctl import threadpool_limits

from chainrule import MLPSurvival

TABLES: dict[str, Callable[[], tuple[pd.DataFrame, Any]]] = {
    "veterans": datasets.load_veterans_lung_cancer,
    "whas500": datasets.load_whas500,
    "gbsg2": datasets.load_gbsg2,
    "aids": datasets.load_aids,
}
HEAD = "| table | rows | events | | integrated Brier score | c | s |\n|---|---:|---:|---|---:|---:|---:|"


class Predicted(NamedTuple):
    """What is predicted for the rows of a fold."""

    risk: NDArray[Any]
    """(n,) larger for an earlier event"""
    curves: NDArray[Any]
    """(n, times)"""


class Peer:
    """An estimator of scikit-survival behind what it needs of a table."""

    def __init__(self, estimator: Any) -> None:
        others = make_column_selector(dtype_exclude="number")
        encode = OneHotEncoder(drop="if_binary", handle_unknown="ignore", sparse_output=False)
        prepare = make_column_transformer((encode, others), remainder="passthrough", sparse_threshold=0)
        self.prepare, self.estimator = make_pipeline(prepare, StandardScaler()), estimator

    def fit(self, X: pd.DataFrame, y: Any) -> None:
        """Prepare the table, and fit to it."""
        self.estimator.fit(self.prepare.fit_transform(X), y)

    def answer(self, X: pd.DataFrame, times: NDArray[Any]) -> Predicted:
        """Predict."""
        inputs = self.prepare.transform(X)
        curves = np.array([each(times) for each in self.estimator.predict_survival_function(inputs)])
        return Predicted(self.estimator.predict(inputs), curves)


class Network:
    """The estimator of this package."""

    def __init__(self, seed: int) -> None:
        self.estimator = MLPSurvival(preprocess="auto", random_state=seed)

    def fit(self, X: pd.DataFrame, y: Any) -> None:
        """Fit to the table."""
        self.estimator.fit(X, y)

    def answer(self, X: pd.DataFrame, times: NDArray[Any]) -> Predicted:
        """Predict."""
        return Predicted(-self.estimator.predict_mean(X), self.estimator.predict_survival(X, times))


CONTESTANTS: dict[str, Callable[[int], Any]] = {
    "Cox": lambda seed: Peer(CoxPHSurvivalAnalysis(alpha=0.01)),
    "forest": lambda seed: Peer(RandomSurvivalForest(500, random_state=seed)),
    "`MLPSurvival`": Network,
}


def figures(
    X: pd.DataFrame, y: Any, make: Callable[[int], Any], seeds: int
) -> Iterator[tuple[float, float, float]]:
    """Iterate over the Brier score, c and seconds of each fold."""
    event, moment = y.dtype.names
    for seed in range(seeds):
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y[event]):
            own, new = y[train], y[test]
            low, high = np.quantile(own[moment][own[event]], [0.05, 0.95])
            ends = max(low, new[moment].min()), min(high, 0.999 * new[moment].max())
            times = np.linspace(*ends, 30)
            contestant, begun = make(seed), time.perf_counter()
            contestant.fit(X.iloc[train], own)
            risk, curves = contestant.answer(X.iloc[test], times)
            seconds = time.perf_counter() - begun
            known = new[moment] < own[moment].max()  # beyond, the censoring that weighs the rows is not known
            brier = integrated_brier_score(own, new[known], curves[known], times)
            yield brier, concordance_index_censored(new[event], new[moment], risk)[0], seconds


def main() -> None:
    """Go through the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many times the folds are dealt")
    parser.add_argument("--only", action="append", metavar="NAME", help="tables whose names contain it")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(HEAD)
    for name, load in TABLES.items():
        if asked.only and not any(part in name for part in asked.only):
            continue
        X, y = load()
        for contestant, make in CONTESTANTS.items():
            with threadpool_limits(1):
                found = np.mean([*figures(X, y, make, asked.seeds)], axis=0)
            start = f"| {name} | {len(X):,} | {y[y.dtype.names[0]].sum():,} |"
            print(f"{start} {contestant} | {found[0]:.4f} | {found[1]:.3f} | {found[2]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
