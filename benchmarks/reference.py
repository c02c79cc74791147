"""The reference engine's epoch against a NumPy loop written by hand for one network, every array preallocated.

784-256-10 with ReLU, softmax cross-entropy and Adam, batch 128, float32, one epoch of MNIST's 60,000 images.
Interleaved (hand, engine, hand, engine, ...), medians, ratio.

    python benchmarks/reference.py [repeats]
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from chainrule import Adam, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.datasets import load_mnist

BATCH, HIDDEN, LR = 128, 256, 1e-3


class ByHand:
    """What someone would write for exactly this network: no allocation in the loop, float32 throughout."""

    def __init__(self, X: np.ndarray, y: np.ndarray, theta: np.ndarray) -> None:
        """Preallocate."""
        self.X, self.Y = X, np.eye(10, dtype=np.float32)[y]
        cuts = np.cumsum([784 * HIDDEN, HIDDEN, HIDDEN * 10, 10])
        self.theta = theta.copy()
        self.W1, self.b1, self.W2, self.b2 = self.views(self.theta, cuts)
        self.g = np.empty_like(theta)
        self.dW1, self.db1, self.dW2, self.db2 = self.views(self.g, cuts)
        self.m, self.v, self.buffer = np.zeros_like(theta), np.zeros_like(theta), np.empty_like(theta)
        self.a0, self.y = np.empty((BATCH, 784), np.float32), np.empty((BATCH, 10), np.float32)
        self.z1, self.mask = np.empty((BATCH, HIDDEN), np.float32), np.empty((BATCH, HIDDEN), bool)
        self.d1, self.z2 = np.empty((BATCH, HIDDEN), np.float32), np.empty((BATCH, 10), np.float32)
        self.column = np.empty((BATCH, 1), np.float32)
        self.t = 0

    @staticmethod
    def views(theta: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, ...]:
        """The four parameters."""
        W1, b1, W2, b2, _ = np.split(theta, cuts)
        return W1.reshape(784, HIDDEN), b1, W2.reshape(HIDDEN, 10), b2

    def epoch(self, order: np.ndarray) -> None:
        """Whole batches only, as the engine's run is cut to."""
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            np.take(self.X, rows, axis=0, out=self.a0, mode="clip")
            np.take(self.Y, rows, axis=0, out=self.y, mode="clip")
            np.matmul(self.a0, self.W1, out=self.z1)
            np.add(self.z1, self.b1, out=self.z1)
            np.greater(self.z1, 0, out=self.mask)
            np.maximum(self.z1, 0, out=self.z1)
            np.matmul(self.z1, self.W2, out=self.z2)
            np.add(self.z2, self.b2, out=self.z2)
            np.max(self.z2, axis=1, keepdims=True, out=self.column)
            np.subtract(self.z2, self.column, out=self.z2)
            np.exp(self.z2, out=self.z2)
            np.sum(self.z2, axis=1, keepdims=True, out=self.column)
            np.divide(self.z2, self.column, out=self.z2)
            np.subtract(self.z2, self.y, out=self.z2)
            np.multiply(self.z2, np.float32(1 / BATCH), out=self.z2)
            np.matmul(self.z1.T, self.z2, out=self.dW2)
            np.sum(self.z2, axis=0, out=self.db2)
            np.matmul(self.z2, self.W2.T, out=self.d1)
            np.multiply(self.d1, self.mask, out=self.d1)
            np.matmul(self.a0.T, self.d1, out=self.dW1)
            np.sum(self.d1, axis=0, out=self.db1)
            self.adam()

    def adam(self) -> None:
        """m, v and theta in place, through one buffer."""
        self.t += 1
        np.multiply(self.m, np.float32(0.9), out=self.m)
        np.multiply(self.g, np.float32(0.1), out=self.buffer)
        np.add(self.m, self.buffer, out=self.m)
        np.multiply(self.v, np.float32(0.999), out=self.v)
        np.multiply(self.g, self.g, out=self.buffer)
        np.multiply(self.buffer, np.float32(0.001), out=self.buffer)
        np.add(self.v, self.buffer, out=self.v)
        np.multiply(self.v, np.float32(1 / (1 - 0.999**self.t)), out=self.buffer)
        np.sqrt(self.buffer, out=self.buffer)
        np.add(self.buffer, np.float32(1e-8), out=self.buffer)
        np.divide(self.m, self.buffer, out=self.buffer)
        np.multiply(self.buffer, np.float32(LR / (1 - 0.9**self.t)), out=self.buffer)
        np.subtract(self.theta, self.buffer, out=self.theta)


def main(repeats: int) -> None:
    """Time both, side by side."""
    train, _ = load_mnist()
    X = (train.X[:59904] / np.float32(255)).astype(np.float32)  # 468 whole batches
    y = train.y[:59904]
    network = Network(784, [Dense(HIDDEN), ReLU(), Dense(10)], loss=SoftmaxCrossEntropy())
    model = Model(network, seed=0)
    hand = ByHand(X, y, model.theta)
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {"by hand": [], "reference engine": []}
    for _ in range(repeats):
        order = rng.permutation(len(X))
        start = time.perf_counter()
        hand.epoch(order)
        seconds["by hand"].append(time.perf_counter() - start)
        start = time.perf_counter()
        model.fit(X, y, epochs=1, batch_size=BATCH, optimizer=Adam(LR), engine="reference")
        seconds["reference engine"].append(time.perf_counter() - start)
    for name, times in seconds.items():
        spread = f"{min(times):.3f} to {max(times):.3f}"
        print(f"{name:<18}{statistics.median(times):7.3f} s an epoch (of {repeats}: {spread})")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"ratio, median of pairs {statistics.median(ratios):.2f}; the aim is at most 1.50")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
