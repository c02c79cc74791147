"""A second implementation: networks and their training written with PyTorch, whose autograd finds the gradients.

Nothing of the package's maths is used: of a network only its description, of a model only its first theta and what it
has measured of the data (`Standardize`, the edges of a `PiecewiseLinearEmbedding`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule import Layer, Loss, Model, Network
from chainrule.formulas.layers import ACTIVATIONS, Link

DOUBLE = torch.float64
TINY = sys.float_info.min
Values = Mapping[str, Tensor]
"""The parameters, or the state, of a link by field."""


class Batch(NamedTuple):
    """What a walk needs to know beside its input."""

    params: Mapping[str, Values]  # by link
    states: Mapping[str, Values]  # by link
    training: bool
    frozen: Collection[str]
    statistics: dict[
        str, tuple[Tensor, Tensor]
    ]  # the mean and the variance of each batch norm's input, filled by the walk

    def at(self, link: Link) -> tuple[Values, Values]:
        return self.params.get(link.name, {}), self.states.get(link.name, {})

    def trains(self, link: Link) -> bool:
        return self.training and link.name not in self.frozen


# --- activations: f(layer, z)

FUNCTIONS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "identity": lambda layer, z: z,
    "relu": lambda layer, z: torch.relu(z),
    "leaky_relu": lambda layer, z: F.leaky_relu(z, layer.slope),
    "elu": lambda layer, z: F.elu(z, layer.alpha),
    "selu": lambda layer, z: F.selu(z),
    "gelu": lambda layer, z: F.gelu(z),
    "gelu_tanh": lambda layer, z: F.gelu(z, approximate="tanh"),
    "silu": lambda layer, z: F.silu(z),
    "mish": lambda layer, z: F.mish(z),
    "softplus": lambda layer, z: torch.logaddexp(z, torch.zeros_like(z)),
    "sigmoid": lambda layer, z: torch.sigmoid(z),
    "tanh": lambda layer, z: torch.tanh(z),
    "softmax": lambda layer, z: torch.softmax(z, 1),
}


# --- layers: f(link, a, batch)


def dense(link: Link, a: Tensor, batch: Batch) -> Tensor:
    p, _ = batch.at(link)
    return F.linear(a, p["W"].T, p.get("b"))


def grouped_dense(link: Link, a: Tensor, batch: Batch) -> Tensor:
    """A product by the block diagonal matrix of all groups."""
    (p, _), layer = batch.at(link), link.layer
    each = [p["W"]] * layer.groups if layer.shared else list(p["W"])
    z = a @ torch.block_diag(*each)
    if layer.bias:
        z = z + (p["b"].repeat(layer.groups) if layer.shared else p["b"].flatten())
    return z


def batch_norm(link: Link, a: Tensor, batch: Batch) -> Tensor:
    p, s = batch.at(link)
    mean, var = s["mean"], s["var"]
    if batch.trains(link):
        var, mean = torch.var_mean(a, 0, correction=0)
        batch.statistics[link.name] = mean.detach(), var.detach()
    return p["gamma"] * (a - mean) * torch.rsqrt(var + link.layer.eps) + p["beta"]


def embedding(link: Link, a: Tensor, batch: Batch) -> Tensor:
    p, _ = batch.at(link)
    codes = {column: (count, f"E{i}") for i, (column, count, _) in enumerate(link.layer.columns, 1)}
    numbers = [a[:, [column]] for column in range(a.shape[1]) if column not in codes]
    vectors = []
    for column, (count, name) in codes.items():
        is_code = torch.isin(a[:, column], torch.arange(count, dtype=DOUBLE))
        vectors.append(F.embedding(torch.where(is_code, a[:, column], 0).long(), p[name]))
    return torch.cat(numbers + vectors, 1)


def in_place(link: Link, a: Tensor, vector: Callable[[int, Tensor], Tensor]) -> Tensor:
    """The columns with vector(i, x) (batch, size) in place of the i-th embedded one x (batch, 1)."""
    columns = link.layer.columns or range(a.shape[1])
    place = {column: i for i, column in enumerate(columns)}
    each = a.split(1, 1)
    return torch.cat([vector(place[j], x) if j in place else x for j, x in enumerate(each)], 1)


def periodic_embedding(link: Link, a: Tensor, batch: Batch) -> Tensor:
    p, _ = batch.at(link)

    def vector(i: int, x: Tensor) -> Tensor:
        waves = torch.cos(2 * math.pi * x * p["w1"][i] + p["b1"][i])
        return torch.cat([waves @ p["W2"][i] + p["b2"][i], x], 1)

    return in_place(link, a, vector)


def piecewise_linear_embedding(link: Link, a: Tensor, batch: Batch) -> Tensor:
    """The encoding h of each number, clipped to [0, 1] but at the two ends, times E."""
    p, s = batch.at(link)

    def vector(i: int, x: Tensor) -> Tensor:
        bins = int(s["bins"][i])
        left, right = s["edges"][i, :bins], s["edges"][i, 1 : bins + 1]
        at = torch.arange(bins)
        h = (x - left) / (right - left)
        h = torch.where((h < 0) & (at > 0), 0.0, h)
        h = torch.where((h > 1) & (at < bins - 1), 1.0, h)
        return x * p["w0"][i] + p["b0"][i] + h @ p["E"][i, :bins]

    return in_place(link, a, vector)


def parametric_activation(link: Link, a: Tensor, batch: Batch) -> Tensor:
    function = link.layer.function
    return torch.lerp(a, FUNCTIONS[function.kind](function, a), batch.at(link)[0]["alpha"])


def dropout(link: Link, a: Tensor, batch: Batch) -> Tensor:
    assert link.layer.rate == 0 or not batch.training, "the package's own draws are not written once more"
    return a


def standardize(link: Link, a: Tensor, batch: Batch) -> Tensor:
    s = batch.at(link)[1]
    return (a - s["mean"]) / s["std"]


WALKS: dict[str, Callable[[Link, Tensor, Batch], Tensor]] = {
    **{kind: lambda link, a, batch: FUNCTIONS[link.layer.kind](link.layer, a) for kind in FUNCTIONS},
    "prelu": lambda link, a, batch: F.prelu(a, batch.at(link)[0]["slope"]),
    "parametric_activation": parametric_activation,
    "dense": dense,
    "projection": dense,
    "grouped_dense": grouped_dense,
    "take": lambda link, a, batch: a.index_select(1, torch.tensor(link.layer.columns)),
    "rescale": lambda link, a, batch: link.layer.scale * a + link.layer.offset,
    "scale": lambda link, a, batch: a * batch.at(link)[0]["s"],
    "shift": lambda link, a, batch: a + batch.at(link)[0]["b"],
    "standardize": standardize,
    "batch_norm": batch_norm,
    "dropout": dropout,
    "embedding": embedding,
    "periodic_embedding": periodic_embedding,
    "piecewise_linear_embedding": piecewise_linear_embedding,
    "residual": lambda link, a, batch: walk(link.branches[0], a, batch) + walk(link.branches[1], a, batch),
    "skip": lambda link, a, batch: torch.cat([walk(link.branches[0], a, batch), a], 1),
}


def walk(links: Sequence[Link], a: Tensor, batch: Batch) -> Tensor:
    for link in links:
        a = WALKS[link.layer.kind](link, a, batch)
    return a


# --- losses: f(loss, out, y) (batch,)


def log(p: Tensor) -> Tensor:
    return torch.log(p.clamp_min(TINY))


def quantile(loss: Any, out: Tensor, y: Tensor) -> Tensor:
    q, r = torch.tensor(loss.q, dtype=DOUBLE), y - out
    return torch.maximum(q * r, (q - 1) * r).sum(1)


LOSS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "mean_squared_error": lambda loss, out, y: (out - y).square().sum(1) * (0.5 if loss.half else 1),
    "huber": lambda loss, out, y: F.huber_loss(out, y, reduction="none", delta=loss.delta).sum(1),
    "mean_absolute_error": lambda loss, out, y: F.l1_loss(out, y, reduction="none").sum(1),
    "quantile": quantile,
    "poisson": lambda loss, out, y: F.poisson_nll_loss(out, y, reduction="none").sum(1),
    "sigmoid_cross_entropy": lambda loss, out, y: F.binary_cross_entropy_with_logits(
        out, y, reduction="none"
    ).sum(1),
    "softmax_cross_entropy": lambda loss, out, y: F.cross_entropy(out, y, reduction="none"),
    "binary_cross_entropy": lambda loss, out, y: -(y * log(out) + (1 - y) * log(1 - out)).sum(1),
    "categorical_cross_entropy": lambda loss, out, y: -(y * log(out)).sum(1),
}


def loss_of_each(loss: Loss, out: Tensor, y: Tensor) -> Tensor:
    if loss.members > 1:
        parts = out.chunk(loss.members, 1)
        return torch.stack([loss_of_each(loss.of_member, part, y) for part in parts]).mean(0)
    smoothing = getattr(loss, "label_smoothing", 0.0)
    if smoothing > 0:
        y = (1 - smoothing) * y + smoothing / (2 if loss.targets == "binary" else y.shape[1])
    return LOSS[loss.kind](loss, out, y)


# --- training


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
            torch.nn.utils.clip_grad_value_(learn, clip_value)
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


def is_written(layer: type[Layer]) -> bool:
    """Whether a kind of layer, and an activation within another layer, is written here."""
    return layer.kind in WALKS and (layer.kind not in ACTIVATIONS or layer.kind in (*FUNCTIONS, "prelu"))
