"""Surrogate models of five functions from as many runs each: values alone, values and slopes, beside SMT's.

    python benchmarks/slopes.py [--seeds 3] [--only branin] >> benchmarks/notes/slopes.md

The runs are a Latin hypercube of 5, 10 or 20 for each dimension, whose slopes are exact (a complex step). The error is
the root mean square over 10,000 fresh points, in standard deviations of the function; of the seeds, which draw runs,
points and networks, the geometric mean. One thread. Needs smt: GENN, its gradient-enhanced network, with 1,000
iterations and a line search; KRG and GEKPLS, kriging without and with slopes, at defaults.
Source of the functions: Surjanovic, Bingham, "Virtual library of simulation experiments", sfu.ca/~ssurjano.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc
from smt.design_space import DesignSpace
from smt.surrogate_models import GEKPLS, GENN, KRG
from threadpoolctl import threadpool_limits

from chainrule import MLPRegressor, TablePreprocessor

Numbers = NDArray[Any]
RUNS, FRESH = (5, 10, 20), 10_000


def branin(x: Numbers, y: Numbers) -> Numbers:
    """(y - 5.1 x^2 / 4 pi^2 + 5 x / pi - 6)^2 + 10 (1 - 1 / 8 pi) cos x + 10"""
    pi = np.pi
    return (y - 5.1 / (4 * pi**2) * x**2 + 5 / pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * np.cos(x) + 10


def hartmann6(*x: Numbers) -> Numbers:
    """-sum_i alpha_i exp(-sum_j A_ij (x_j - P_ij)^2)"""
    A = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    P = np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                  [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]) / 10_000  # fmt: skip
    apart = (np.stack(x, 1)[:, None] - P) ** 2
    return -np.exp(-(A * apart).sum(2)) @ np.array([1, 1.2, 3, 3.2])


def borehole(
    rw: Numbers, r: Numbers, Tu: Numbers, Hu: Numbers, Tl: Numbers, Hl: Numbers, L: Numbers, Kw: Numbers
) -> Numbers:
    """The flow of water through a borehole, m^3 / yr"""
    log = np.log(r / rw)
    return 2 * np.pi * Tu * (Hu - Hl) / (log * (1 + 2 * L * Tu / (log * rw**2 * Kw) + Tu / Tl))


def wing_weight(*x: Numbers) -> Numbers:
    """The weight of the wing of a light aircraft, lb; the angle is in degrees"""
    S, Wf, A, angle, q, taper, t, N, W, Wp = x
    c = np.cos(angle * np.pi / 180)
    loaded = (A / c**2) ** 0.6 * q**0.006 * taper**0.04 * (100 * t / c) ** -0.3 * (N * W) ** 0.49
    return 0.036 * S**0.758 * Wf**0.0035 * loaded + S * Wp


def otl_circuit(
    Rb1: Numbers, Rb2: Numbers, Rf: Numbers, Rc1: Numbers, Rc2: Numbers, beta: Numbers
) -> Numbers:
    """The midpoint voltage of an amplifier without a transformer, V"""
    gain = beta * (Rc2 + 9)
    all = gain + Rf
    return (12 * Rb2 / (Rb1 + Rb2) + 0.74) * gain / all + 11.35 * Rf / all + 0.74 * Rf * gain / (all * Rc1)


FUNCTIONS: dict[Callable[..., Numbers], tuple[list[float], list[float]]] = {
    branin: ([-5, 0], [10, 15]),
    hartmann6: ([0] * 6, [1] * 6),
    borehole: (
        [0.05, 100, 63070, 990, 63.1, 700, 1120, 9855],
        [0.15, 50000, 115600, 1110, 116, 820, 1680, 12045],
    ),
    wing_weight: (
        [150, 220, 6, -10, 16, 0.5, 0.08, 2.5, 1700, 0.025],
        [200, 300, 10, 10, 45, 1, 0.18, 6, 2500, 0.08],
    ),
    otl_circuit: ([50, 25, 0.5, 1.2, 0.25, 50], [150, 70, 3, 2.5, 1.2, 300]),
}
"""Each with the ends of its columns."""


class Runs(NamedTuple):
    """Runs of a function."""

    X: Numbers
    y: Numbers
    dY: Numbers


def runs(f: Callable[..., Numbers], X: Numbers) -> Runs:
    """Return the values of a function, and its slopes by a complex step."""
    tiny = 1e-30
    steps = [X + 1j * tiny * unit for unit in np.diag(np.ones(X.shape[1]))]
    return Runs(X, f(*X.T), np.stack([f(*step.T).imag / tiny for step in steps], 1))


def ours(given: Runs, ends: Numbers, seed: int, slopes: bool) -> Callable[[Numbers], Numbers]:
    """Fit the network that the documentation advises."""
    linear = TablePreprocessor(scale="linear", dtype="float64")
    network = MLPRegressor(
        hidden_layer_sizes=HIDDEN, activation=ACTIVATION, solver="lbfgs", alpha=ALPHA, max_iter=ITERATIONS,
        max_fun=10**6, tol=1e-9, preprocess=linear, random_state=seed,
    )  # fmt: skip
    return network.fit(given.X, given.y, **({"slopes": given.dY} if slopes else {})).predict


HIDDEN, ACTIVATION, ALPHA, ITERATIONS = (64, 64), "silu", 1e-5, 3000


def theirs(
    kind: Any, given: Runs, ends: Numbers, seed: int, slopes: bool, **settings: Any
) -> Callable[[Numbers], Numbers]:
    """Fit a model of SMT."""
    if kind is GEKPLS:
        settings |= {"design_space": DesignSpace(ends.T.tolist()), "n_comp": min(3, given.X.shape[1])}
    model = kind(print_global=False, **settings)
    model.set_training_values(given.X, given.y[:, None])
    for k in range(given.X.shape[1] if slopes else 0):
        model.set_training_derivatives(given.X, given.dY[:, [k]], k)
    model.train()
    return lambda X: model.predict_values(X)[:, 0]


GENN_SETTINGS = {
    **{"hidden_layer_sizes": [12, 12], "alpha": 0.1, "lambd": 0.1, "num_iterations": 1000},
    **{"is_backtracking": True, "is_normalize": True},
}
CONTESTANTS: Mapping[str, Callable[..., Callable[[Numbers], Numbers]]] = {
    "values alone": partial(ours, slopes=False),
    "values and slopes": partial(ours, slopes=True),
    "SMT GENN": partial(theirs, GENN, slopes=True, **GENN_SETTINGS),
    "SMT KRG, values alone": partial(theirs, KRG, slopes=False),
    "SMT GEKPLS": partial(theirs, GEKPLS, slopes=True),
}


def figures(
    f: Callable[..., Numbers], ends: Numbers, count: int, seeds: int
) -> dict[str, tuple[float, float]]:
    """Return each contestant's error, the geometric mean over the seeds, and its mean seconds."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS}
    for seed in range(seeds):
        points = qmc.LatinHypercube(ends.shape[1], rng=seed).random(count)
        given, fresh = (
            runs(f, qmc.scale(points, *ends)),
            np.random.default_rng(1000 + seed).uniform(*ends, (FRESH, ends.shape[1])),
        )
        y = f(*fresh.T)
        for name, fit in CONTESTANTS.items():
            begun = time.perf_counter()
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    predicted = fit(given, ends, seed)(fresh)
                error = float(np.sqrt(np.mean((predicted - y) ** 2)) / y.std())
            except Exception as failure:  # which is said, and counts as the mean's error
                print(
                    f"{name} failed on {f.__name__}, {count} runs, seed {seed}: {failure!s:.80}\n", flush=True
                )
                error = 1.0
            found[name].append((error, time.perf_counter() - begun))
    means = {}
    for name, each in found.items():
        errors, seconds = np.array(each).T
        means[name] = float(np.exp(np.log(errors).mean())), float(seconds.mean())
    return means


def main() -> None:
    """Go through the functions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many times runs are drawn")
    parser.add_argument("--only", action="append", metavar="NAME", help="functions whose names contain it")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"| function | runs | {' | '.join(CONTESTANTS)} |\n|---|---:|{'---:|' * len(CONTESTANTS)}")
    for f, ends in FUNCTIONS.items():
        if asked.only and not any(part in f.__name__ for part in asked.only):
            continue
        for each in RUNS:
            with threadpool_limits(1):
                found = figures(f, np.array(ends, float), each * len(ends[0]), asked.seeds)
            cells = (f"{error:.2g} ({seconds:.1f} s)" for error, seconds in found.values())
            print(f"| {f.__name__} | {each * len(ends[0])} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
