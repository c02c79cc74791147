"""Ordered classes: `MLPClassifier` with the losses "ordinal" and "log_loss", statsmodels' ordered logit and mord.

    python benchmarks/ordinal.py [--seeds 3] [--only selfLR] >> benchmarks/notes/ordinal.md

On tables that statsmodels ships, the mean over five folds, dealt anew for each seed: the log loss, the accuracy of the
likeliest class, and the mean absolute error in ranks of the median class. The linear models get standardized columns.
Needs mord and statsmodels.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import mord
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels import datasets
from statsmodels.miscmodels.ordinal_model import OrderedModel
from threadpoolctl import threadpool_limits

from chainrule import MLPClassifier

TABLES = {"rate_marriage": datasets.fair, "selfLR": datasets.anes96, "PID": datasets.anes96}
"""The column of the classes, and the table."""
HEAD = "| target | rows | classes | | log loss | accuracy | error in ranks |\n" + "|---" * 7 + "|"


class Ordered:
    """The ordered logit of statsmodels behind scikit-learn's interface."""

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> None:
        """Fit by maximum likelihood."""
        self.found = OrderedModel(y, X, distr="logit").fit(method="bfgs", disp=False)

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Predict probabilities (n, classes)."""
        return np.asarray(self.found.predict(X))


def network(loss: str) -> Callable[[int], Any]:
    """Return a function of a seed that makes the estimator of this package."""
    return lambda seed: MLPClassifier(preprocess="auto", loss=loss, random_state=seed)


CONTESTANTS: dict[str, Callable[[int], Any]] = {
    "ordered logit": lambda seed: Ordered(),
    "mord": lambda seed: mord.LogisticAT(alpha=1.0),
    '`loss="log_loss"`': network("log_loss"),
    '`loss="ordinal"`': network("ordinal"),
}


def figures(
    X: pd.DataFrame, y: NDArray[Any], make: Callable[[int], Any], seeds: int, is_linear: bool
) -> Iterator[tuple[float, ...]]:
    """Iterate over the log loss, accuracy and error in ranks of each fold."""
    for seed in range(seeds):
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y):
            scale = make_pipeline(StandardScaler()).fit(X.iloc[train])
            own, new = (scale.transform(X.iloc[at]) if is_linear else X.iloc[at] for at in (train, test))
            contestant, truth = make(seed), y[test]
            contestant.fit(own, y[train])
            p = contestant.predict_proba(new)
            median = (p.cumsum(1) < 0.5).sum(1)
            loss = -np.log(p[np.arange(len(p)), truth]).mean()
            yield loss, (p.argmax(1) == truth).mean(), np.abs(median - truth).mean()


def main() -> None:
    """Go through the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many times the folds are dealt")
    parser.add_argument("--only", action="append", metavar="NAME", help="targets whose names contain it")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(HEAD)
    for target, module in TABLES.items():
        if asked.only and not any(part in target for part in asked.only):
            continue
        table = module.load_pandas().data
        X, y = table.drop(columns=target), np.unique(table[target], return_inverse=True)[1]
        X = X.drop(columns=[name for name in ("logpopul",) if name in X])  # the logarithm of another column
        for name, make in CONTESTANTS.items():
            with threadpool_limits(1):
                found = np.mean([*figures(X, y, make, asked.seeds, "loss" not in name)], axis=0)
            numbers = f"{found[0]:.4f} | {found[1]:.3f} | {found[2]:.3f} |"
            print(f"| {target} | {len(X):,} | {y.max() + 1} | {name} | {numbers}", flush=True)


if __name__ == "__main__":
    main()
