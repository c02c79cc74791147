"""A second implementation: every layer and loss written with PyTorch, whose autograd finds the gradients.

Nothing of the package's maths is used, of a network only its description. `torch_training.py` trains.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from chainrule import Loss
from chainrule.formulas.layers import Link

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


def focal(loss: Any, out: Tensor, y: Tensor) -> Tensor:
    p = torch.softmax(out, 1)
    return -(y * (1 - p).clamp_min(TINY) ** loss.gamma * torch.log_softmax(out, 1)).sum(1)


def ordinal(loss: Any, out: Tensor, y: Tensor) -> Tensor:
    steps, none = F.softplus(out[:, 1:-1]), torch.zeros_like(out[:, :1])
    t = torch.cat([out[:, :1] - out[:, -1:], steps], 1).cumsum(1)[:, : out.shape[1] - 1]
    ends = torch.cat([F.logsigmoid(t), none], 1) + torch.cat([none, F.logsigmoid(-t)], 1)
    between = torch.cat([none, log(-torch.expm1(-steps)), none], 1)[:, : out.shape[1]]
    return -(y * (ends + between)).sum(1)


LOSS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "mean_squared_error": lambda loss, out, y: (out - y).square().sum(1) * (0.5 if loss.half else 1),
    "huber": lambda loss, out, y: F.huber_loss(out, y, reduction="none", delta=loss.delta).sum(1),
    "mean_absolute_error": lambda loss, out, y: F.l1_loss(out, y, reduction="none").sum(1),
    "quantile": quantile,
    "poisson": lambda loss, out, y: F.poisson_nll_loss(out, y, reduction="none").sum(1),
    "gamma": lambda loss, out, y: (
        -(torch.distributions.Gamma(torch.ones((), dtype=DOUBLE), torch.exp(-out)).log_prob(y)).sum(1)
    ),
    "tweedie": lambda loss, out, y: (
        out.exp() ** (2 - loss.power) / (2 - loss.power)
        - y * out.exp() ** (1 - loss.power) / (1 - loss.power)
    ).sum(1),
    "focal_cross_entropy": focal,
    "ordinal_cross_entropy": ordinal,
    "survival_cross_entropy": lambda loss, out, y: (y.abs() * F.softplus(-y.sign() * out)).sum(1),
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
