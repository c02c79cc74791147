"""The xla engine's epoch against a JAX program written by hand for one network: `jax.grad`, a tree, one `lax.scan`.

Both train the same network on the same batches from the same weights, with Adam in float32, and must end at the same
parameters. Interleaved (hand, engine, hand, engine, ...): the median of the ratios, by processor time and by the clock,
and the seconds by the clock until the first epoch is done, in which both compile.

    python benchmarks/xla.py [repeats]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np
from speed.cases import LEARNING_RATE, Case
from speed.peers.jax import Scan

from chainrule import Adam, Dense, MeanSquaredError, Network, ReLU, SoftmaxCrossEntropy
from chainrule.data.samples import Samples
from chainrule.engines import ENGINES, Plan, StepSettings

CASES = (Case((784, 128, 10), 64), Case((784, 512, 512, 10), 64), Case((20, 256, 128, 64, 1), 256))


class Hand:
    """The program by hand."""

    def __init__(self, case: Case, X: np.ndarray, y: np.ndarray) -> None:
        """Prepare it."""
        self.peer, self.shape = Scan(0), (case.steps, case.batch)
        self.peer.prepare(case, X, y, case.layers())

    def epoch(self, order: np.ndarray) -> None:
        """Train."""
        peer = self.peer
        rows = order.astype(np.int32).reshape(self.shape)
        peer.state = peer.jax.block_until_ready(peer.epoch(peer.state, peer.X, peer.y, rows))

    @property
    def theta(self) -> np.ndarray:
        """All parameters."""
        return np.concatenate([np.ravel(layer[name]) for layer in self.peer.state[0] for name in "Wb"])


class Engine:
    """The engine's session."""

    def __init__(self, case: Case, X: np.ndarray, y: np.ndarray) -> None:
        """Make the network and its session."""
        layers: list[Any] = [layer for units in case.widths[1:-1] for layer in (Dense(units), ReLU())]
        loss = MeanSquaredError(half=True) if case.is_regression else SoftmaxCrossEntropy()
        network = Network(case.widths[0], [*layers, Dense(case.widths[-1])], loss)
        theta = np.concatenate([np.ravel(part) for layer in case.layers() for part in layer])
        optimizer = Adam(LEARNING_RATE)
        plan = Plan(network, optimizer, case.batch, 0, theta.dtype)
        self.session = ENGINES["xla"].session(plan, theta, {}, optimizer.init(theta), 0)
        y = y.astype(np.float64)[:, None] if case.is_regression else y
        self.samples = Samples(X, y, np.ones(len(X)), network.outputs)
        self.settings = StepSettings.of(np.full(case.steps, LEARNING_RATE))

    def epoch(self, order: np.ndarray) -> None:
        """Train."""
        self.session.steps(self.samples, order, self.settings, self.session.taken + 1)

    @property
    def theta(self) -> np.ndarray:
        """All parameters."""
        self.session.synchronize()
        return self.session.theta.copy()


def seconds(one: Hand | Engine, order: np.ndarray) -> tuple[float, float]:
    """Processor time and time by the clock of an epoch."""
    start = time.process_time(), time.perf_counter()
    one.epoch(order)
    return time.process_time() - start[0], time.perf_counter() - start[1]


def compare(case: Case, repeats: int) -> None:
    """Print a line about a case."""
    X, y = case.data()
    rng = np.random.default_rng(0)
    both = Hand(case, X, y), Engine(case, X, y)
    order = rng.permutation(case.samples)
    first = [seconds(one, order)[1] for one in both]
    hand, engine = (one.theta for one in both)
    apart = np.linalg.norm(engine - hand) / np.linalg.norm(hand)
    assert apart < 5e-4, f"{case.name}: after an epoch the parameters are {apart:.1e} of their norm apart"
    times = []
    for order in (rng.permutation(case.samples) for _ in range(repeats)):
        times.append([seconds(one, order) for one in both])
    spent = np.array(times)  # (repeats, 2 programs, 2 clocks)
    steps = [statistics.median(spent[:, k, 0]) / case.steps * 1e6 for k in (0, 1)]
    ratios = [statistics.median(spent[:, 1, clock] / spent[:, 0, clock]) for clock in (0, 1)]
    print(
        f"{case.name}: by hand {steps[0]:.0f} us a step, engine {steps[1]:.0f}; ratio {ratios[0]:.3f} by processor "
        f"time, {ratios[1]:.3f} by the clock; first epoch {first[0]:.1f} and {first[1]:.1f} s"
    )


if __name__ == "__main__":
    for case in CASES:
        compare(case, int(sys.argv[1]) if len(sys.argv) > 1 else 15)
