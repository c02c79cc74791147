"""Measure the engine for web pages beside the native engine's baseline build and TensorFlow.js, under Node.js.

    python benchmarks/web.py --packages FOLDER [--rounds N] [--seconds S]

FOLDER: where `npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm` has installed both. Samples a second of one
core's time, training with Adam; the contestants take turns. Writes the table of docs/web.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "native"))
PAGE = ROOT / "docs" / "web.md"
BEGIN, END = "<!-- speed -->\n", "<!-- end of speed -->"
CONTESTANTS = ("ours", "baseline", "wasm", "cpu")
HEADS = (
    "network",
    "this engine",
    "baseline build",
    "of it",
    "TensorFlow.js, WebAssembly",
    "times",
    "its plain backend",
    "times",
)


class Case(NamedTuple):
    """A network and what it is trained on."""

    name: str
    widths: tuple[int, ...]
    activation: str
    batch_size: int
    samples: int
    is_mnist: bool = False


CASES = (
    Case("784-128-10, MNIST", (784, 128, 10), "relu", 128, 2560, True),
    Case("784-512-256-10, MNIST", (784, 512, 256, 10), "relu", 128, 640, True),
    Case("54-256-256-7, a table", (54, 256, 256, 7), "relu", 256, 2560),
    Case("20-64-64-1, regression", (20, 64, 64, 1), "relu", 64, 2560),
    Case("2-8-8-2, points in a plane", (2, 8, 8, 2), "tanh", 32, 1280),
)


def config(case: Case) -> dict[str, Any]:
    """Return the network as the page has it."""
    layers: list[dict[str, Any]] = [{"kind": "rescale", "scale": 1 / 255}] if case.is_mnist else []
    for units in case.widths[1:-1]:
        layers += [{"kind": "dense", "units": units}, {"kind": case.activation}]
    layers.append({"kind": "dense", "units": case.widths[-1]})
    loss = "softmax_cross_entropy" if case.widths[-1] > 1 else "mean_squared_error"
    return {"inputs": case.widths[0], "layers": layers, "loss": {"kind": loss}}


def samples(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return X and y: images of MNIST, or normal numbers."""
    if case.is_mnist:
        from chainrule.datasets import load_mnist

        data, _ = load_mnist()
        images = np.asarray(data.X[: case.samples], np.uint8)
        return images.reshape(case.samples, -1), np.asarray(data.y[: case.samples], np.int32)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(case.samples, case.widths[0])).astype(np.float32)
    if case.widths[-1] == 1:
        return X, X[:, :1] * X[:, 1:2]
    return X, rng.integers(0, case.widths[-1], case.samples).astype(np.int32)


@contextmanager
def node(name: str, folder: Path) -> Iterator[Callable[[float], float]]:
    """Run a contestant of web.mjs; yields a function of seconds that returns samples a second."""
    command = ["node", str(Path(__file__).with_suffix(".mjs")), name, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()

        def run(seconds: float) -> float:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            return float(found["samples"] / found["seconds"])

        yield run
        process.stdin.close()


@contextmanager
def baseline(case: Case, X: np.ndarray, y: np.ndarray) -> Iterator[Callable[[float], float]]:
    """Run the native engine's baseline build on one thread; yields a function of seconds as `node` does."""
    from chainrule.data.samples import Samples
    from chainrule.engines.native import NativeEngine
    from chainrule.engines.step.base import Plan, StepSettings
    from chainrule.formulas.optimizers import Adam
    from chainrule.trained.persistence import network_from_config

    network, optimizer = network_from_config(config(case)), Adam()
    theta = network.initial_theta(0, np.dtype(np.float32))
    plan = Plan(network, optimizer, case.batch_size, dtype=np.float32, threads=1)
    session = NativeEngine().session(plan, theta, {}, optimizer.init(theta), 0)
    given = Samples(
        X, y.astype(np.int64) if y.ndim == 1 else y.astype(np.float64), np.ones(len(X)), network.outputs
    )
    rng, count, taken = np.random.default_rng(0), -(-len(X) // case.batch_size), 0

    def run(seconds: float) -> float:
        nonlocal taken
        begun, done = time.process_time(), 0
        while time.process_time() - begun < seconds or done == 0:
            rates = np.full(count, optimizer.learning_rate)
            session.steps(given, rng.permutation(len(X)), StepSettings.of(rates), taken + 1)
            taken, done = taken + count, done + len(X)
        return done / (time.process_time() - begun)

    run(0.1)
    yield run


def measured(case: Case, folder: Path, packages: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the samples a second of each contestant in each of some rounds, in which all take their turn."""
    import build_web

    X, y = samples(case)
    (folder / "x").write_bytes(X.tobytes())
    (folder / "y").write_bytes(y.tobytes())
    about = {
        "config": config(case),
        "n": case.samples,
        "batchSize": case.batch_size,
        "isBytes": case.is_mnist,
        "built": str(build_web.build()),
        "packages": str(packages.resolve()),
    }
    (folder / "about.json").write_text(json.dumps(about), "utf-8")
    found: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    with (
        node("ours", folder) as ours,
        baseline(case, X, y) as native,
        node("wasm", folder) as wasm,
        node("cpu", folder) as cpu,
    ):
        for _ in range(rounds):
            for name, run in zip(CONTESTANTS, (ours, native, wasm, cpu), strict=True):
                found[name].append(run(seconds))
    return found


def line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"


def row(case: Case, found: dict[str, list[float]]) -> str:
    """Return a case's row of the table: medians, of ratios too, because both sides of one are of the same moments."""

    def speed(name: str) -> str:
        return f"{statistics.median(found[name]):,.0f}"

    def ratio(name: str) -> float:
        return statistics.median(ours / other for ours, other in zip(found["ours"], found[name], strict=True))

    cells = [case.name, speed("ours"), speed("baseline"), f"{ratio('baseline'):.2f}"]
    for name in ("wasm", "cpu"):
        cells += [speed(name), f"{ratio(name):.1f}"]
    return line(cells)


def main(words: list[str]) -> None:
    """Measure every case, and write the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--packages", type=Path, required=True, help="the folder with node_modules/@tensorflow"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts; default: 5")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one core for each turn; default: 1")
    parser.add_argument("--only", default="", help="only cases whose name has this, and nothing is written")
    asked = parser.parse_args(words)
    os.environ["CHAINRULE_ISA"] = "baseline"
    table = line(HEADS) + line(["---", *["---:"] * (len(HEADS) - 1)])
    for case in CASES:
        if asked.only not in case.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = measured(case, Path(folder), asked.packages, asked.rounds, asked.seconds)
        print(row(case, found), end="", flush=True)
        table += row(case, found)
    if not asked.only:
        before, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(before + BEGIN + table + END + rest.split(END)[1], "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
