"""Directions that a table's truth has: what holding them costs, beside boosted trees that hold the same ones.

    python benchmarks/monotone.py [--seeds 3] [--rows 4000]

For each table the median over splits of the test loss (squared error, or log loss) of a contestant with the directions
of `DIRECTIONS` over that of the same one without, and over that of "fast" without; one thread. Needs the packages of
`make bench-tables`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from tables.loaders import TABLES, Table

from chainrule import MLPClassifier, MLPRegressor

DIRECTIONS: dict[str, dict[str, int]] = {
    "diamonds": {"carat": 1, "x": 1, "y": 1, "z": 1},
    "storms": {"wind": -1, "tropicalstorm_force_diameter": -1, "hurricane_force_diameter": -1},
    "nlswork": {"grade": 1, "ttl_exp": 1, "tenure": 1},
    "nassCDS": {"ageOFocc": 1, "yearVeh": -1},
    "wa_churn": {"tenure": -1, "monthly_charges": 1},
    "adult": {"education-num": 1, "hours-per-week": 1},
}
"""By table: what a person who knows the subject would ask for."""


class Parts(NamedTuple):
    """A split of a table."""

    X: pd.DataFrame
    y: pd.Series
    X_test: pd.DataFrame
    y_test: pd.Series


def parts_of(table: Table, rows: int, seed: int) -> Parts:
    """Draw so many rows to train on, and as many to test on."""
    X, y = table.load()
    names = {name: name.replace(" ", "_") for name in X}
    X = X.rename(columns=names)
    kept = np.random.default_rng(seed).permutation(len(X))[: 2 * rows]
    X, y = X.iloc[kept].reset_index(drop=True), y.iloc[kept].reset_index(drop=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, random_state=seed, stratify=None if table.is_numeric else y
    )
    return Parts(X_train, y_train, X_test, y_test)


def chainrule(table: Table, seed: int, directions: dict[str, int] | None) -> Any:
    """Return the default network for tables."""
    kind = MLPRegressor if table.is_numeric else MLPClassifier
    return kind(preprocess="auto", random_state=seed, monotonic_cst=directions)


class Trees:
    """Boosted trees behind the categories that they take."""

    def __init__(self, net: Any) -> None:
        self.net = net

    def prepared(self, X: pd.DataFrame) -> pd.DataFrame:
        """Turn text into categories, those of training."""
        made = X.copy()
        for name in made:
            if not pd.api.types.is_numeric_dtype(made[name]):
                made[name] = pd.Categorical(made[name].astype(str), categories=self.known.get(name))
        return made

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Trees:
        """Learn the categories, the most frequent ones, and the trees."""
        text = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
        self.known = {name: X[name].astype(str).value_counts().index[:250] for name in text}
        self.net.fit(self.prepared(X), y)
        return self

    def predict(self, X: pd.DataFrame) -> Any:
        """Predict numbers."""
        return self.net.predict(self.prepared(X))

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """Predict probabilities."""
        return self.net.predict_proba(self.prepared(X))


def histogram(table: Table, seed: int, directions: dict[str, int] | None) -> Any:
    """Return scikit-learn's boosted trees."""
    kind = HistGradientBoostingRegressor if table.is_numeric else HistGradientBoostingClassifier
    return Trees(kind(random_state=seed, monotonic_cst=directions, categorical_features="from_dtype"))


def lightgbm(table: Table, seed: int, directions: dict[str, int] | None) -> Any:
    """Return LightGBM, at its defaults."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    class Named(Trees):
        def fit(self, X: pd.DataFrame, y: pd.Series) -> Trees:
            constraints = [(directions or {}).get(name, 0) for name in X]
            self.net.set_params(monotone_constraints=constraints if directions else None)
            return super().fit(X, y)

    kind = LGBMRegressor if table.is_numeric else LGBMClassifier
    return Named(kind(random_state=seed, n_jobs=1, verbose=-1))


CONTESTANTS: dict[str, Callable[[Table, int, dict[str, int] | None], Any]] = {
    "fast": chainrule,
    "HistGradientBoosting": histogram,
    "LightGBM": lightgbm,
}


def loss_of(net: Any, table: Table, parts: Parts) -> float:
    """Return the test loss."""
    if table.is_numeric:
        return float(mean_squared_error(parts.y_test, net.predict(parts.X_test)))
    return float(log_loss(parts.y_test, net.predict_proba(parts.X_test)))


def measure(rows: int, seeds: int, names: list[str]) -> Iterator[tuple[str, str, float, float, float, float]]:
    """Iterate over tables and contestants: both losses, and both seconds of the processor, as medians."""
    known = {table.name: table for table in TABLES}
    for name in names:
        table, found = known[name], {}
        for seed in range(seeds):
            parts = parts_of(table, rows, seed)
            for who, make in CONTESTANTS.items():
                for directions in (None, DIRECTIONS[name]):
                    begun = time.process_time()
                    net = make(table, seed, directions).fit(parts.X, parts.y)
                    seconds = time.process_time() - begun
                    found.setdefault((who, directions is not None), []).append(
                        (loss_of(net, table, parts), seconds)
                    )
        for who in CONTESTANTS:
            free, held = (np.median(found[who, is_held], 0) for is_held in (False, True))
            yield name, who, free[0], held[0], free[1], held[1]


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--rows", type=int, default=4_000)
    arguments.add_argument("tables", nargs="*", default=[*DIRECTIONS])
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    print("| table | network or trees | loss | with directions | ratio | seconds | with directions |")
    print("|---|---|---|---|---|---|---|")
    for name, who, free, held, first, second in measure(given.rows, given.seeds, given.tables):
        print(
            f"| {name} | {who} | {free:.4g} | {held:.4g} | {held / free:.3f} | {first:.1f} | {second:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
