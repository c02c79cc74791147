"""JAX: one jitted call a step, and one jitted call an epoch (`lax.scan`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.cases import DROPOUT, LEARNING_RATE, Case, LayerWeights
from speed.peers.base import Peer

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
BN_EPS, BN_MOMENTUM = 1e-5, 0.9


class Jax(Peer):
    """The base of both ways: it builds the network, the step and the prediction."""

    packages = ("jax", "jaxlib")

    def __init__(self, threads: int) -> None:
        """Accept the threads, which JAX takes from the cores that the process may use."""
        import jax

        self.jax = jax

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Make parameters, moments and running statistics as one tree; new functions are compiled anew."""
        jax, jnp = self.jax, self.jax.numpy
        hidden = len(layers) - 1
        theta = [{"W": jnp.asarray(layer.W), "b": jnp.asarray(layer.b)} for layer in layers]
        statistics = []
        if case.blocks == "batch norm":
            for params in theta[:-1]:
                params |= {"gamma": jnp.ones_like(params["b"]), "beta": jnp.zeros_like(params["b"])}
                statistics.append((jnp.zeros_like(params["b"]), jnp.ones_like(params["b"])))
        zeros = jax.tree.map(jnp.zeros_like, theta)
        # No array is shared, because the step donates their memory.
        self.state = (theta, zeros, jax.tree.map(jnp.zeros_like, theta), statistics, jnp.zeros((), jnp.int32))
        self.case, self.X = case, jnp.asarray(X)
        self.y = jnp.asarray(y.reshape(-1, 1) if case.is_regression else y.astype(np.int32))
        self.rng = np.random.default_rng(0)

        def network(theta: Any, statistics: Any, a: Any, key: Any) -> tuple[Any, Any]:
            after = []
            for i, params in enumerate(theta[:-1]):
                z = a @ params["W"] + params["b"]
                if case.blocks == "batch norm":
                    mean, var = statistics[i]
                    if key is not None:
                        m = a.shape[0]
                        batch_mean, batch_var = z.mean(0), z.var(0)
                        mean = BN_MOMENTUM * mean + (1 - BN_MOMENTUM) * batch_mean
                        var = BN_MOMENTUM * var + (1 - BN_MOMENTUM) * batch_var * m / (m - 1)
                        after.append((mean, var))
                        mean, var = batch_mean, batch_var
                    z = params["gamma"] * (z - mean) / jnp.sqrt(var + BN_EPS) + params["beta"]
                f = jax.nn.relu(z)
                a = a + f if case.blocks == "residual" and 0 < i < hidden else f
                if case.blocks == "dropout" and key is not None:
                    kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - DROPOUT, a.shape)
                    a = jnp.where(kept, a / (1 - DROPOUT), 0)
            return a @ theta[-1]["W"] + theta[-1]["b"], after

        def objective(theta: Any, statistics: Any, x: Any, y: Any, key: Any) -> tuple[Any, Any]:
            out, after = network(theta, statistics, x, key)
            if case.is_regression:
                return 0.5 * jnp.mean((out - y) ** 2), after
            picked = jnp.take_along_axis(out, y[:, None], 1)[:, 0]
            return jnp.mean(jax.nn.logsumexp(out, 1) - picked), after

        def step(state: Any, x: Any, y: Any) -> Any:
            theta, m, v, statistics, t = state
            t = t + 1
            key = jax.random.fold_in(jax.random.key(0), t) if case.blocks == "dropout" else True
            g, statistics = jax.grad(objective, has_aux=True)(theta, statistics, x, y, key)
            m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
            v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
            count = t.astype(jnp.float32)
            root = jnp.sqrt(1 - BETA2**count)
            rate, eps = LEARNING_RATE * root / (1 - BETA1**count), EPS * root
            theta = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + eps), theta, m, v)
            return theta, m, v, statistics, t

        self.step = step
        self.forward = jax.jit(lambda state, x: network(state[0], state[3], x, None)[0])

    def order(self, shuffle: bool) -> NDArray[np.int32]:
        """Draw the rows of an epoch, (steps, batch)."""
        n = self.case.samples
        rows = self.rng.permutation(n) if shuffle else np.arange(n)
        return rows.astype(np.int32).reshape(self.case.steps, self.case.batch)

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Compute the network's logits or numbers."""
        return np.asarray(self.forward(self.state, X))

    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Return the prediction compiled for this number of rows."""
        forward, state = self.forward, self.state
        return lambda: np.asarray(forward(state, X))


class JaxStep(Jax):
    """JAX that trains by a Python loop of jitted steps."""

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Compile a call that picks its rows inside."""
        super().prepare(case, X, y, layers)
        step = self.step
        self.call = self.jax.jit(lambda state, X, y, rows: step(state, X[rows], y[rows]), donate_argnums=0)

    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train on at least `samples` samples; the last epoch may be incomplete."""
        done, state = 0, self.state
        while done < samples:
            for rows in self.order(shuffle):
                state = self.call(state, self.X, self.y, rows)
                done += self.case.batch
                if done >= samples:
                    break
        self.state = self.jax.block_until_ready(state)
        return done


class Scan(Jax):
    """JAX that trains a whole epoch in one call."""

    whole_epochs = True

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Compile a call that picks its rows inside."""
        super().prepare(case, X, y, layers)
        step, scan = self.step, self.jax.lax.scan

        def epoch(state: Any, X: Any, y: Any, order: Any) -> Any:
            return scan(lambda state, rows: (step(state, X[rows], y[rows]), None), state, order)[0]

        self.epoch = self.jax.jit(epoch, donate_argnums=0)

    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train on at least `samples` samples, in whole epochs."""
        epochs = -(-samples // self.case.samples)
        for _ in range(epochs):
            self.state = self.epoch(self.state, self.X, self.y, self.order(shuffle))
        self.jax.block_until_ready(self.state)
        return epochs * self.case.samples
