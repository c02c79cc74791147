"""What products of bfloat16 numbers are worth on this processor: speed beside PyTorch's, and accuracy.

    python benchmarks/bf16.py [--seconds 0.5] [--rounds 5] [--only speed|accuracy] [--write]

Training of five networks on all threads, in float32 and in bf16, by Chainrule and by PyTorch, which takes turns as in
`make bench`; then the test accuracy on MNIST and the loss on three tables, in both, for five seeds. --write keeps the
figures in benchmarks/results/bf16.jsonl, in place of the same processor's, and writes docs/benchmarks.md again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import page
from results import Results, cores, generation, machine, rounded, today
from sklearn.metrics import log_loss, root_mean_squared_error
from speed import Case
from speed.measure import Contestant, Pool, training
from tables.contestants import ours
from tables.loaders import TABLES, Table

import chainrule
from chainrule.core.files import write_whole
from chainrule.datasets import load_mnist
from chainrule.engines.native import instruction_set

CASES = (
    Case((784, 2500, 2000, 1500, 1000, 500, 10), 256),
    Case((784, 512, 512, 10), 128),
    Case((784, 128, 10), 128),
    Case((50, 256, 256, 256, 10), 256),
    Case((300, 2048, 2048, 10), 1024),
)
SEEDS = 5
NAMES = ("diamonds", "nassCDS", "lending_club")
ROWS = 4_000
"""The rows of a table to train on, and as many to judge by."""


def speeds(seconds: float, rounds: int) -> Iterator[dict[str, Any]]:
    """Measure the networks; yield the medians of the samples per second, and their spreads in percent."""
    contestants = [Contestant(name, cores()) for name in page.BF16_PEERS]
    with Pool() as pool:
        for case in CASES:
            cell = training(pool, case, contestants, seconds=seconds, rounds=rounds)
            if cell.refused:
                print(cell.refused)
            found = {name.partition("@")[0]: spread for name, spread in cell.rates().items()}
            rates = {name: spread.median for name, spread in found.items()}
            yield {
                "case": case.name,
                "rates": rates,
                "percent": {name: spread.percent for name, spread in found.items()},
            }


def of_mnist(precision: Any) -> list[float]:
    """Return the test accuracies of 784-512-512-10 after three epochs, a seed each."""
    train, test = load_mnist()
    found = []
    for seed in range(SEEDS):
        layers = [chainrule.Rescale(1 / 255), chainrule.Dense(512), chainrule.ReLU()]
        layers += [chainrule.Dense(512), chainrule.ReLU(), chainrule.Dense(10)]
        model = chainrule.Model(chainrule.Network(784, layers, chainrule.SoftmaxCrossEntropy()), seed=seed)
        how = {"optimizer": chainrule.Adam(2e-3), "schedule": chainrule.OneCycle()}
        compute = chainrule.Compute(precision=precision)
        model.fit(train.X, train.y, epochs=3, batch_size=128, engine=compute, **how)
        found.append(float(np.mean(model.predict(test.X) == test.y)))
    return found


def of_table(table: Table, precision: Any) -> list[float]:
    """Return the losses of `preset="fast"` on rows that it has not seen, a seed each."""
    X, y = table.load()
    found = []
    for seed in range(SEEDS):
        some = np.random.default_rng(seed).permutation(len(X))[: 2 * ROWS]
        fit, rest = some[: len(some) // 2], some[len(some) // 2 :]
        model = ours(X, table.is_numeric, seed, precision=precision).fit(X.iloc[fit], y.iloc[fit])
        if table.is_numeric:
            found.append(float(root_mean_squared_error(y.iloc[rest], model.predict(X.iloc[rest]))))
        else:
            p = model.predict_proba(X.iloc[rest])
            found.append(float(log_loss(y.iloc[rest], p, labels=model.classes_)))
    return found


def accuracies() -> Iterator[dict[str, Any]]:
    """Yield the figures of MNIST and of the tables in float32 and in bf16."""
    known = {table.name: table for table in TABLES}
    for name in ("MNIST, accuracy", *NAMES):
        of = of_mnist if name not in known else partial(of_table, known[name])
        shown = name if name not in known else f"{name}, {'RMSE' if known[name].is_numeric else 'log loss'}"
        found = {key: of(precision) for key, precision in (("float32", None), ("bf16", "bf16"))}
        difference = [b - a for a, b in zip(found["float32"], found["bf16"], strict=True)]
        spread = statistics.stdev(difference) / math.sqrt(SEEDS)
        yield {"what": shown, **found, "difference": statistics.mean(difference), "error": spread}


def main() -> None:
    """Measure, print, and keep if asked."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seconds", type=float, default=0.5)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", choices=("speed", "accuracy"))
    arguments.add_argument("--write", action="store_true")
    asked = arguments.parse_args()
    warnings.simplefilter("ignore")
    record: dict[str, Any] = {"processor": generation(machine()), "cores": cores(), "date": today()}
    kept = page.bf16_records()
    before = next(
        (r for r in kept if (r["processor"], r["cores"]) == (record["processor"], record["cores"])), {}
    )
    record |= {key: before[key] for key in ("speed", "accuracy") if key in before}
    parts = {"speed": partial(speeds, asked.seconds, asked.rounds), "accuracy": accuracies}
    for name, part in parts.items():
        if asked.only in (None, name):
            record[name] = []
            for line in part():
                print(json.dumps(rounded(line)), flush=True)
                record[name].append(line)
    record["isa"], record["load"] = instruction_set(), os.getloadavg()[0]
    if asked.write:
        lines = [json.dumps(rounded(r)) for r in (*(r for r in kept if r is not before), record)]
        write_whole(page.BF16, ("\n".join(lines) + "\n").encode())
        newest = Results.newest()
        assert newest is not None
        page.write(newest)


if __name__ == "__main__":
    main()
