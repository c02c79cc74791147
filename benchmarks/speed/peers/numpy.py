"""NumPy by hand: the training of exactly this network, written without allocations in the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.cases import LEARNING_RATE, Case, LayerWeights
from speed.peers.base import Peer

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class ByHand(Peer):
    """NumPy in float32, with every array allocated in advance."""

    packages = ("numpy",)

    def __init__(self, threads: int) -> None:
        """Accept the threads, which NumPy's BLAS takes from the environment."""

    def refusal(self, case: Case) -> str | None:
        """Refuse networks other than plain ones."""
        return None if case.blocks == "plain" else f"{case.blocks} is not written out here"

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Allocate theta, its gradient and its moments as flat arrays, with W, b, dW and db as views."""
        self.case, self.X = case, X
        eye = np.eye(case.widths[-1], dtype=np.float32)
        self.Y = y.reshape(-1, 1) if case.is_regression else eye[y]  # (n, outputs)
        self.theta = np.concatenate([part.ravel() for layer in layers for part in layer])
        self.g, self.m, self.v, self.buffer = (np.zeros_like(self.theta) for _ in range(4))
        self.layers, self.grads = self.views(self.theta, layers), self.views(self.g, layers)
        self.t = 0
        self.a = self.rooms(case.batch)
        self.delta = [np.empty_like(a) for a in self.a]
        self.mask = [np.empty(a.shape, bool) for a in self.a]
        self.y, self.column = np.empty_like(self.a[-1]), np.empty((case.batch, 1), np.float32)

    @staticmethod
    def views(flat: NDArray[Any], layers: list[LayerWeights]) -> list[LayerWeights]:
        """Return views (W, b) of each layer."""
        found, start = [], 0
        for W, b in layers:
            middle, stop = start + W.size, start + W.size + b.size
            found.append(LayerWeights(flat[start:middle].reshape(W.shape), flat[middle:stop]))
            start = stop
        return found

    def rooms(self, rows: int) -> list[NDArray[Any]]:
        """Allocate arrays (rows, width) for the input and each layer's output."""
        return [np.empty((rows, width), np.float32) for width in self.case.widths]

    def forward(self, a: list[NDArray[Any]]) -> NDArray[Any]:
        """Compute the output a[-1] from the input a[0], in place."""
        for i, (W, b) in enumerate(self.layers):
            np.matmul(a[i], W, out=a[i + 1])
            np.add(a[i + 1], b, out=a[i + 1])
            if i < len(self.layers) - 1:
                np.maximum(a[i + 1], 0, out=a[i + 1])
        return a[-1]

    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train on at least `samples` samples; the last epoch may be incomplete."""
        n, batch, done = self.case.samples, self.case.batch, 0
        rng = np.random.default_rng(self.t)
        while done < samples:
            order = rng.permutation(n) if shuffle else np.arange(n)
            for start in range(0, n, batch):
                self.step(order[start : start + batch])
                done += batch
                if done >= samples:
                    break
        return done

    def step(self, rows: NDArray[Any]) -> None:
        """Take one training step: forward, backward, and Adam's update."""
        a, delta = self.a, self.delta
        np.take(self.X, rows, axis=0, out=a[0], mode="clip")
        np.take(self.Y, rows, axis=0, out=self.y, mode="clip")
        out = self.forward(a)
        if not self.case.is_regression:
            np.max(out, axis=1, keepdims=True, out=self.column)
            np.subtract(out, self.column, out=out)
            np.exp(out, out=out)
            np.sum(out, axis=1, keepdims=True, out=self.column)
            np.divide(out, self.column, out=out)
        np.subtract(out, self.y, out=delta[-1])
        np.multiply(delta[-1], np.float32(1 / len(rows)), out=delta[-1])
        for i in range(len(self.layers) - 1, -1, -1):
            np.matmul(a[i].T, delta[i + 1], out=self.grads[i].W)
            np.sum(delta[i + 1], axis=0, out=self.grads[i].b)
            if i > 0:
                np.matmul(delta[i + 1], self.layers[i].W.T, out=delta[i])
                np.greater(a[i], 0, out=self.mask[i])
                np.multiply(delta[i], self.mask[i], out=delta[i])
        self.adam()

    def adam(self) -> None:
        """Update m, v and theta in place, through one buffer."""
        self.t += 1
        g, m, v, buffer = self.g, self.m, self.v, self.buffer
        np.multiply(m, np.float32(BETA1), out=m)
        np.multiply(g, np.float32(1 - BETA1), out=buffer)
        np.add(m, buffer, out=m)
        np.multiply(v, np.float32(BETA2), out=v)
        np.multiply(g, g, out=buffer)
        np.multiply(buffer, np.float32(1 - BETA2), out=buffer)
        np.add(v, buffer, out=v)
        np.multiply(v, np.float32(1 / (1 - BETA2**self.t)), out=buffer)
        np.sqrt(buffer, out=buffer)
        np.add(buffer, np.float32(EPS), out=buffer)
        np.divide(m, buffer, out=buffer)
        np.multiply(buffer, np.float32(LEARNING_RATE / (1 - BETA1**self.t)), out=buffer)
        np.subtract(self.theta, buffer, out=self.theta)

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Compute the network's logits or numbers."""
        rooms = self.rooms(len(X))
        rooms[0] = X
        return self.forward(rooms).copy()

    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Return a prediction that writes into arrays allocated here."""
        rooms, forward = self.rooms(len(X)), self.forward
        rooms[0] = X
        return lambda: forward(rooms)
