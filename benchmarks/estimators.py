"""Time the estimators against scikit-learn's MLP, the same settings side by side, and write its table.

    python benchmarks/estimators.py                # prints the table
    python benchmarks/estimators.py --write        # and puts it into benchmarks/notes/estimators.md
    python benchmarks/estimators.py --only iris

Both are fitted in one process, in turn, A B A B ...; a figure is the median of each one's times, a ratio is
scikit-learn's time by ours: above 1 ours is faster. Losses after the fits agree, or the row says so.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from chainrule import MLPClassifier, MLPRegressor

PAGE = Path(__file__).parent / "notes" / "estimators.md"
MARKS = "<!-- speed -->", "<!-- end of speed -->"
SHAPES = (
    # widths, batch, rows, epochs
    ((8, 32, 32, 1), 32, 6400, 2),
    ((50, 256, 256, 256, 1), 256, 6400, 1),
    ((784, 128, 10), 32, 3200, 1),
    ((784, 128, 10), 128, 6400, 1),
    ((784, 512, 512, 10), 128, 2560, 1),
    ((784, 2500, 2000, 1500, 1000, 500, 10), 256, 512, 1),
    ((4, 32, 16, 4), 32, 6400, 2),
    *(((10, w, w, 10), 32, 6400, 1) for w in (32, 45, 46, 64, 128, 256)),
    ((784, 800, 10), 128, 2560, 1),
    ((784, 1024, 1024, 1024, 10), 256, 1024, 1),
)


class Case(NamedTuple):
    """What is timed: a function for each of the two, which returns what to compare."""

    name: str
    theirs: Callable[[], Any]
    ours: Callable[[], Any]
    counts: bool = True
    """whether it counts in the geometric mean over the shapes"""


def fit(kind: Any, X: Any, y: Any, **settings: Any) -> Callable[[], float]:
    """A function that fits an estimator and returns its loss."""
    return lambda: float(kind(random_state=0, **settings).fit(X, y).loss_)


def predictions(net: Any, X: Any, times: int) -> Callable[[], Any]:
    """A function that predicts several times."""

    def predict() -> Any:
        for _ in range(times):
            found = net.predict(X)
        return found

    return predict


def shapes(dtype: Any) -> Iterator[Case]:
    """The shapes of the benchmarks of training."""
    rng = np.random.default_rng(0)
    for widths, batch, n, epochs in SHAPES:
        inputs, *hidden, outputs = widths
        X = rng.normal(size=(n, inputs)).astype(dtype)
        y = rng.normal(size=n) if outputs == 1 else rng.integers(0, outputs, n)
        pair = (TheirRegressor, MLPRegressor) if outputs == 1 else (TheirClassifier, MLPClassifier)
        settings = {"hidden_layer_sizes": tuple(hidden), "batch_size": batch, "max_iter": epochs, "tol": 0.0}
        theirs, ours = (fit(kind, X, y, **settings) for kind in pair)
        name = "-".join(map(str, widths))
        yield Case(f"{name}, batch {batch}, {np.dtype(dtype).name}", theirs, ours)


def others() -> Iterator[Case]:
    """Small data, other solvers, sparse text, a search, prediction."""
    X, y = load_iris(return_X_y=True)
    pair = TheirClassifier, MLPClassifier
    for name, settings in (
        ("iris, defaults", {}),
        ("iris, L-BFGS", {"solver": "lbfgs"}),
        ("iris, SGD, early stopping", {"solver": "sgd", "early_stopping": True}),
    ):
        theirs, ours = (fit(kind, X, y, **settings) for kind in pair)
        yield Case(name, theirs, ours, False)
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4000, 30))
    b = A[:, 0] * A[:, 1] + np.sin(A[:, 2])
    pair = TheirRegressor, MLPRegressor
    theirs, ours = (fit(k, A, b, solver="lbfgs", hidden_layer_sizes=(64, 64), max_iter=30) for k in pair)
    yield Case("4,000 x 30, 64-64, L-BFGS", theirs, ours, False)
    columns = np.sort(rng.integers(0, 50_000, (20_000, 50)), axis=1)
    values = rng.uniform(size=columns.size)
    text = sparse.csr_matrix(
        (values, columns.ravel(), np.arange(0, columns.size + 1, 50)), shape=(20_000, 50_000)
    )
    text.sum_duplicates()
    topic = rng.integers(0, 4, 20_000)
    pair = TheirClassifier, MLPClassifier
    theirs, ours = (fit(k, text, topic, hidden_layer_sizes=(32,), max_iter=1, tol=0.0) for k in pair)
    yield Case("CSR 20,000 x 50,000, 32", theirs, ours, False)

    def search(kind: Any) -> Callable[[], float]:
        grid = {"alpha": [1e-4, 1e-2, 1.0], "hidden_layer_sizes": [(16,), (32,)]}
        made = GridSearchCV(kind(max_iter=50, random_state=0), grid, cv=4, n_jobs=2)
        return lambda: float(made.fit(X, y).best_score_)

    yield Case("iris, grid search of 24 fits, n_jobs=2", *map(search, pair), False)
    digits = rng.normal(size=(10_000, 784))
    fitted = [
        kind((128,), max_iter=1, random_state=0).fit(digits[:1000], rng.integers(0, 10, 1000))
        for kind in pair
    ]
    for rows in (1, 10_000):
        theirs, ours = (predictions(net, digits[:rows], 200 if rows == 1 else 1) for net in fitted)
        yield Case(f"784-128-10, predict {rows:,} row{'s' * (rows > 1)}", theirs, ours, False)


def measure(case: Case, rounds: int, seconds: float, clock: Callable[[], float]) -> tuple[float, float, bool]:
    """The median time of each of the two, in turn, and whether their results agree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [case.theirs(), case.ours()]
        times: tuple[list[float], list[float]] = ([], [])
        begin = time.perf_counter()
        while len(times[0]) < rounds or (time.perf_counter() - begin < seconds and len(times[0]) < 50):
            for function, own in zip((case.theirs, case.ours), times, strict=True):
                start = clock()
                function()
                own.append(clock() - start)
    agree = np.allclose(found[0], found[1], rtol=1e-3) if np.asarray(found[0]).dtype.kind == "f" else True
    return statistics.median(times[0]), statistics.median(times[1]), agree


def main() -> None:
    """Measure, print and, if asked, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="the least time for each row")
    parser.add_argument(
        "--cpu", action="store_true", help="take the process's own time, where others use the machine too"
    )
    asked = parser.parse_args()
    clock = time.process_time if asked.cpu else time.perf_counter
    lines = ["| | scikit-learn, ms | Chainrule, ms | ratio |", "|---|---:|---:|---:|"]
    ratios: dict[str, list[float]] = {}
    print(*lines, sep="\n")
    for case in chain(shapes(np.float32), shapes(np.float64), others()):
        if asked.only not in case.name or (asked.cpu and "n_jobs" in case.name):
            continue  # a search's work is done in other processes
        theirs, ours, agree = measure(case, asked.rounds, asked.seconds, clock)
        if case.counts:
            ratios.setdefault(case.name.rpartition(", ")[2], []).append(theirs / ours)
        lines.append(
            f"| {case.name}{'' if agree else ' (losses differ)'} | {theirs * 1e3:,.1f} | {ours * 1e3:,.1f} | "
            f"{theirs / ours:.1f} |"
        )
        print(lines[-1], flush=True)
    for name, found in ratios.items():
        mean = math.exp(statistics.fmean(map(math.log, found)))
        lines.append(f"| **geometric mean of the shapes, {name}** | | | **{mean:.1f}** |")
        print(lines[-1], f"smallest {min(found):.2f}")
    print(f"{os.cpu_count()} cores, OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', 'unset')}")
    if asked.write:
        before, _, rest = PAGE.read_text("utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        PAGE.write_text(
            re.sub(r"\n{3,}", "\n\n", f"{before}{MARKS[0]}\n\n{chr(10).join(lines)}\n\n{MARKS[1]}{after}"),
            "utf-8",
        )


if __name__ == "__main__":
    main()
