"""Gradient descent on networks of `torch_networks.py`, with penalties, clipping, max_norm and frozen links.

Of a model only its first theta and what it has measured of the data are taken (`Standardize`, the edges of a
`PiecewiseLinearEmbedding`).
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule import Model, Network
from torch_networks import DOUBLE, TINY, Batch, loss_of_each, walk


class Twin:
    """A network of PyTorch, from a model that has not been trained."""

    def __init__(self, model: Model, frozen: Collection[str]) -> None:
        """Take the parameters as leaves of autograd, and the states."""
        self.network, self.frozen = model.network, frozen
        self.states = {
            name: {field: torch.tensor(value, dtype=DOUBLE) for field, value in state._asdict().items()}
            for name, state in model.states.items()
        }
        self.parameters = [
            torch.tensor(model.theta[slot.start : slot.stop], dtype=DOUBLE)
            .reshape(slot.parameter.shape)
            .requires_grad_(slot.link.name not in frozen)
            for slot in model.network.slots
        ]

    def batch(self, training: bool) -> Batch:
        by_link: dict[str, dict[str, Tensor]] = {}
        for slot, values in zip(self.network.slots, self.parameters, strict=True):
            by_link.setdefault(slot.link.name, {})[slot.field] = values
        return Batch(by_link, self.states, training, self.frozen, {})

    def objective(self, X: Tensor, y: Tensor, s: Tensor, batch: Batch) -> Tensor:
        """The weighted mean of the losses, and the penalty of all weights."""
        value = (
            s
            @ loss_of_each(self.network.loss, walk(self.network.links, X, batch), y)
            / s.sum().clamp_min(TINY)
        )
        for W in self.weights():
            value = value + self.network.l2 / 2 * W.square().sum() + self.network.l1 * W.abs().sum()
        return value

    def weights(self) -> list[Tensor]:
        pairs = zip(self.network.slots, self.parameters, strict=True)
        return [values for slot, values in pairs if slot.parameter.is_weight]

    def step(
        self, X: Tensor, y: Tensor, s: Tensor, rate: float, clip_norm: float | None, clip_value: float | None
    ) -> float:
        """One step of gradient descent; the objective before it."""
        batch = self.batch(training=True)
        for values in self.parameters:
            values.grad = None
        value = self.objective(X, y, s, batch)
        if value.requires_grad:
            value.backward()
        learn = [each for each in self.parameters if each.grad is not None]
        if clip_value is not None:
            for each in learn:
                each.grad.clamp_(-clip_value, clip_value)
        if clip_norm is not None and learn:
            norm = math.sqrt(sum(float(each.grad.square().sum()) for each in learn))
            for each in learn:
                each.grad *= min(1.0, clip_norm / max(norm, TINY))
        with torch.no_grad():
            for slot, values in zip(self.network.slots, self.parameters, strict=True):
                if values.grad is None:
                    continue
                values -= rate * slot.parameter.rate * values.grad
                if self.network.max_norm is not None and slot.parameter.is_weight:
                    norm = torch.linalg.vector_norm(values, dim=-2, keepdim=True)
                    values *= torch.where(norm > self.network.max_norm, self.network.max_norm / norm, 1.0)
        self.remember(batch, len(X))
        return float(value.detach())

    def remember(self, batch: Batch, n: int) -> None:
        """Move the running statistics of each batch norm, by the unbiased variance, which one sample does not have."""
        for link in self.network.walk():
            if link.name in batch.statistics and n > 1:
                (mean, var), state = batch.statistics[link.name], self.states[link.name]
                state["mean"] = torch.lerp(mean, state["mean"], link.layer.momentum)
                state["var"] = torch.lerp(var * n / (n - 1), state["var"], link.layer.momentum)

    def outputs(self, X: Tensor) -> np.ndarray:
        with torch.no_grad():
            return walk(self.network.links, X, self.batch(training=False)).numpy()

    def theta(self) -> np.ndarray:
        parts = [values.detach().numpy().ravel() for values in self.parameters]
        return np.concatenate([np.empty(0), *parts])


def targets(network: Network, y: np.ndarray) -> Tensor:
    """y (n, outputs): one-hot for classes."""
    if network.loss.targets == "classes":
        return F.one_hot(torch.tensor(y), network.outputs).to(DOUBLE)
    return torch.tensor(y, dtype=DOUBLE).reshape(len(y), -1)
