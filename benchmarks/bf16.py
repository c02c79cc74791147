"""What products of bfloat16 numbers and of 8-bit integers are worth on this processor: speed and accuracy.

    python benchmarks/bf16.py [--seconds 0.5] [--rounds 5] [--only speed|accuracy|prediction|tables] [--write]

Training of five networks on all threads, in float32 and in bf16, by Chainrule and by PyTorch, which takes turns as in
`make bench`; then the test accuracy on MNIST and the loss on three tables, in both, for five seeds. prediction: a
network trained on MNIST bound in float32, bf16 and int8, beside ONNX Runtime's static int8 (QDQ, with ranges of the
same rows): time and accuracy. tables: preset="fast" in both on the open tables, loss and processor time. --write keeps
the figures in benchmarks/results/bf16.jsonl, in place of the same processor's, and writes docs/benchmarks.md again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
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
PARTS = ("speed", "accuracy", "prediction", "tables")
SEEDS = 5
NAMES = ("diamonds", "nassCDS", "lending_club")
ROWS = 4_000
"""The rows of a table to train on, and as many to judge by."""
ROWS_TO_PREDICT = (1, 32, 128, 1024)
ROWS_TO_MEASURE = 1_000
"""Those whose ranges 8-bit integers have."""
FEW_SEEDS, MANY_SEEDS = 3, 10
"""Of a table, and of one whose losses differ by more than `CLOSE` in the mean of the first."""
CLOSE = 0.002


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


def of_digits(precision: Any, seed: int) -> chainrule.Model:
    """Return 784-512-512-10 after three epochs of MNIST."""
    train, _ = load_mnist()
    layers = [chainrule.Rescale(1 / 255), chainrule.Dense(512), chainrule.ReLU()]
    layers += [chainrule.Dense(512), chainrule.ReLU(), chainrule.Dense(10)]
    model = chainrule.Model(chainrule.Network(784, layers, chainrule.SoftmaxCrossEntropy()), seed=seed)
    how = {"optimizer": chainrule.Adam(2e-3), "schedule": chainrule.OneCycle()}
    compute = chainrule.Compute(precision=precision)
    model.fit(train.X, train.y, epochs=3, batch_size=128, engine=compute, **how)
    return model


def of_mnist(precision: Any) -> list[float]:
    """Return the test accuracies, a seed each."""
    test = load_mnist()[1]
    models = (of_digits(precision, seed) for seed in range(SEEDS))
    return [float(np.mean(model.predict(test.X) == test.y)) for model in models]


def of_table(table: Table, precision: Any) -> list[float]:
    """Return the losses of `preset="fast"` on rows that it has not seen, a seed each."""
    X, y = table.load()
    return [of_split(table, X, y, precision, seed)[0] for seed in range(SEEDS)]


def of_split(table: Table, X: Any, y: Any, precision: Any, seed: int) -> tuple[float, float]:
    """Return the loss of `preset="fast"` on rows that it has not seen, and the seconds of processor of its fit."""
    some = np.random.default_rng(seed).permutation(len(X))[: 2 * ROWS]
    fit, rest = some[: len(some) // 2], some[len(some) // 2 :]
    begin = time.process_time()
    model = ours(X, table.is_numeric, seed, precision=precision).fit(X.iloc[fit], y.iloc[fit])
    seconds = time.process_time() - begin
    if table.is_numeric:
        return float(root_mean_squared_error(y.iloc[rest], model.predict(X.iloc[rest]))), seconds
    p = model.predict_proba(X.iloc[rest])
    return float(log_loss(y.iloc[rest], p, labels=model.classes_)), seconds


def open_tables() -> Iterator[dict[str, Any]]:
    """Yield bf16's loss and processor time in parts of float32's, geometric means over seeds, of each table."""
    for table in TABLES:
        X, y = table.load()
        ratios: list[tuple[float, float]] = []
        for seed in range(MANY_SEEDS):
            if len(ratios) == FEW_SEEDS and abs(math.log(means(ratios)[0])) < CLOSE:
                break
            float32, bf16 = (of_split(table, X, y, precision, seed) for precision in (None, "bf16"))
            ratios.append((bf16[0] / float32[0], bf16[1] / float32[1]))
        loss, seconds = means(ratios)
        yield {"table": table.name, "seeds": len(ratios), "loss": loss, "seconds": seconds}


def means(ratios: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the geometric means of the first and of the second numbers."""
    first, second = (statistics.geometric_mean(each) for each in zip(*ratios, strict=True))
    return first, second


def runtime_int8(model: chainrule.Model, rows: Any) -> Callable[[Any], Any]:
    """Return ONNX Runtime's prediction by static 8-bit integers, in QDQ form, with the ranges of these rows."""
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Rows(CalibrationDataReader):  # type: ignore[misc]
        parts = iter(np.array_split(rows, 10))

        def get_next(self) -> dict[str, Any] | None:
            part = next(self.parts, None)
            return None if part is None else {"X": part}

    with tempfile.TemporaryDirectory() as folder:
        exact, made = f"{folder}/exact.onnx", f"{folder}/int8.onnx"
        model.export(exact, rows)
        types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(exact, made, Rows(), per_channel=True, **types)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        session = onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])
    return lambda X: session.run(["probabilities"], {"X": X})[0]


def predictions(seconds: float, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the microseconds of a call by its rows, medians of rounds in turns, and the accuracy on MNIST."""
    train, test = load_mnist()
    model = of_digits(None, 0)
    some = train.X[:: len(train.X) // ROWS_TO_MEASURE][:ROWS_TO_MEASURE].astype(np.float32)
    ways = {
        "float32": model.bind().outputs,
        "bf16": model.bind(precision="bf16").outputs,
        "int8": model.bind(precision="int8", rows=some).outputs,
        "onnxruntime": runtime_int8(model, some),
    }
    pictures = test.X.astype(np.float32)
    right = {name: float(np.mean(way(pictures).argmax(1) == test.y)) for name, way in ways.items()}
    yield {"rows": 0, "accuracy": right}
    for count in ROWS_TO_PREDICT:
        X, found = np.ascontiguousarray(pictures[:count]), {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                times, end = [], time.perf_counter() + seconds
                while time.perf_counter() < end:
                    begin = time.perf_counter()
                    way(X)
                    times.append(time.perf_counter() - begin)
                found[name].append(1e6 * statistics.median(times))
        yield {"rows": count, "microseconds": {name: statistics.median(each) for name, each in found.items()}}


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
    arguments.add_argument("--only", choices=PARTS)
    arguments.add_argument("--write", action="store_true")
    asked = arguments.parse_args()
    warnings.simplefilter("ignore")
    record: dict[str, Any] = {"processor": generation(machine()), "cores": cores(), "date": today()}
    kept = page.bf16_records()
    before = next(
        (r for r in kept if (r["processor"], r["cores"]) == (record["processor"], record["cores"])), {}
    )
    record |= {key: before[key] for key in PARTS if key in before}
    parts = (
        partial(speeds, asked.seconds, asked.rounds),
        accuracies,
        partial(predictions, asked.seconds, asked.rounds),
        open_tables,
    )
    for name, part in zip(PARTS, parts, strict=True):
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
