"""Jacobians and Hessians of rows beside JAX's `jit(vmap(jacrev(f)))` and `jit(vmap(hessian(f)))`, compiled before.

    python benchmarks/derivatives.py [--only 784-128-10] [--seconds 0.5] >> benchmarks/notes/derivatives.md

Float32, NumPy arrays in and out, ReLU and tanh for Jacobians, tanh for Hessians (of ReLU they are 0). Both in turn in
one process for each number of threads, which may use as many cores: medians, and JAX's seconds divided by ours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import warnings
from itertools import pairwise
from typing import Any

import numpy as np

WIDTHS = (
    *((4, 16, 16, 1), (10, 32, 32, 3), (784, 2500, 2000, 1500, 1000, 500, 10), (300, 2048, 2048, 10)),
    *((784, 512, 512, 10), (784, 128, 10), (50, 256, 256, 256, 10)),
)
ROWS, THREADS = (1, 32, 256), (1, 2)
MOST = 30_000_000
"""The maximum number of numbers of a result, without which JAX's intermediate arrays do not fit into memory."""


def both(widths: tuple[int, ...], activation: str, order: int, X: np.ndarray) -> dict[str, Any]:
    """Return the calls for the same network, Chainrule's and JAX's."""
    import jax

    import chainrule as c

    layer = {"relu": c.ReLU, "tanh": c.Tanh}[activation]
    hidden = [each for width in widths[1:-1] for each in (c.Dense(width), layer())]
    network = c.Network(widths[0], [*hidden, c.Dense(widths[-1])], c.MeanSquaredError())
    rng = np.random.default_rng(1)
    parts = [(rng.normal(size=(m, n)) / np.sqrt(m), rng.normal(size=n) / 10) for m, n in pairwise(widths)]
    params = [(W.astype(np.float32), b.astype(np.float32)) for W, b in parts]
    model = c.Model.with_theta(network, np.concatenate([part.ravel() for pair in params for part in pair]))
    f_of = {"relu": jax.nn.relu, "tanh": jax.numpy.tanh}[activation]

    def f(params: Any, x: Any) -> Any:
        for W, b in params[:-1]:
            x = f_of(x @ W + b)
        W, b = params[-1]
        return x @ W + b

    derivative = (jax.jacrev, jax.hessian)[order - 1]
    compiled, there = jax.jit(jax.vmap(derivative(f, 1), (None, 0))), jax.device_put(params)
    own = (model.jacobian, model.hessian)[order - 1]
    return {"own": lambda: own(X), "jax": lambda: np.asarray(compiled(there, X))}


def seconds(call: Any, least: float) -> float:
    """Return the seconds of a call, of as many as take a hundredth of the asked time."""
    count, begun = 0, time.perf_counter()
    while not count or time.perf_counter() - begun < least / 100:
        call()
        count += 1
    return (time.perf_counter() - begun) / count


def in_process(asked: argparse.Namespace) -> None:
    """Print the rows of one number of threads."""
    warnings.simplefilter("ignore")
    for widths in WIDTHS:
        name = "-".join(map(str, widths))
        if asked.only and asked.only not in name:
            continue
        for activation, order in (("relu", 1), ("tanh", 1), ("tanh", 2)):
            if asked.order not in (None, order):
                continue
            cells = []
            for rows in ROWS:
                if rows * widths[-1] * widths[0] ** order > MOST:
                    cells.append("–")
                    continue
                X = np.random.default_rng(0).normal(size=(rows, widths[0])).astype(np.float32)
                calls = both(widths, activation, order, X)
                own, theirs = (call() for call in calls.values())
                assert np.abs(own - theirs).max() < 1e-4 * np.abs(theirs).max(), (widths, activation, order)
                spent: dict[str, list[float]] = {name: [] for name in calls}
                end = time.perf_counter() + 2 * asked.seconds
                while time.perf_counter() < end or len(spent["jax"]) < 3:
                    for each, call in calls.items():
                        spent[each].append(seconds(call, asked.seconds))
                own, theirs = (1e3 * float(np.median(spent[each])) for each in calls)
                cells.append(f"{own:.3g} / {theirs:.3g} ms = **{theirs / own:.2f}**")
            kind = f"{'Jacobian' if order == 1 else 'Hessian'}, {activation}"
            print(f"| {name} | {kind} | {asked.threads} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Run a process for each number of threads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="networks whose names contain it")
    parser.add_argument("--order", type=int, help="1 for Jacobians alone, 2 for Hessians")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each of both")
    parser.add_argument("--threads", type=int, help="measure with so many, in this process")
    asked = parser.parse_args()
    if asked.threads:
        in_process(asked)
        return
    print("| network | derivative | threads | 1 row | 32 rows | 256 rows |", flush=True)
    print("|---|---|---:|---:|---:|---:|", flush=True)
    cores = sorted(os.sched_getaffinity(0))
    for threads in THREADS:
        os.sched_setaffinity(0, cores[:threads])  # the process counts them when it imports its libraries
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--threads", str(threads)], check=True)


if __name__ == "__main__":
    main()
