"""Warnings about combinations of layers and losses that are rarely intended, one sentence each.

They are warnings, not errors, because there may be a reason. `chainrule.data.advice` checks targets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core import hints
from chainrule.core.arrays import Array, namespace
from chainrule.core.random import generator
from chainrule.core.settings import check_number
from chainrule.errors import ConfigError
from chainrule.formulas import regularizers
from chainrule.formulas.initializers import GlorotUniform, Initializer
from chainrule.formulas.layers import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Context,
    Dense,
    Embedding,
    GroupedDense,
    Layer,
    Link,
    Parameter,
    PiecewiseLinearEmbedding,
    Standardize,
    Take,
)
from chainrule.formulas.losses import LOSSES, Loss, loss_of
from chainrule.network import backprop, objective, tree
from chainrule.network.constraints import Bounds, Constraints, bounds_of
from chainrule.network.objective import Objective

NOT_PROBABILITIES = (
    Dense,
    GroupedDense,
    BatchNorm,
    *(kind for kind in ACTIVATIONS.values() if not kind.gives_probabilities),
)
"""Layers whose outputs are known not to be probabilities."""


def on_network(layers: Sequence[Layer], loss: Loss) -> Iterator[str]:
    """Iterate over warnings about a last layer and a loss that do not match."""
    last, name = layers[-1], type(loss).__name__
    is_of_logits = loss.domain == "real" and loss.targets in ("binary", "classes")
    if type(loss) in LOSSES.values() and is_of_logits and last.gives_probabilities:
        own, instead = (
            ("softmax", "CategoricalCrossEntropy")
            if loss.targets == "classes"
            else ("sigmoid", "BinaryCrossEntropy")
        )
        hint = f", or use {instead}" if type(last).__name__.lower() == own else ""
        yield (
            f"{name} applies {own} itself, so it takes logits, but the last layer is a "
            f"{type(last).__name__}: remove that layer{hint}."
        )
    if loss.domain == "probability" and type(last) in NOT_PROBABILITIES:
        end, instead = (
            ("Softmax", "SoftmaxCrossEntropy")
            if loss.targets == "classes"
            else ("Sigmoid", "SigmoidCrossEntropy")
        )
        yield (
            f"{name} expects probabilities, but the last layer is a {type(last).__name__}: "
            f"add a {end}(), or use {instead}."
        )


# --- the network: a chain of links, its loss, and one flat vector of all its parameters ------------------------------
# theta contains every parameter, in this order: the links of the chain, depth first (a block's branch, then its
# shortcut), a link's parameters in the order of its NamedTuple, each array in row-major order. Parameters are views of
# theta and gradients share its layout, which optimizers, checkpoints and engines use.

MAX_LINKS = 10_000
"""The maximum number of links, including those in blocks; more is a mistake, or a file made to exhaust memory."""
MAX_DEPTH = 64
"""The maximum nesting depth of blocks, which bounds recursion."""
MAX_WIDTH = 2**31 - 1
"""The maximum number of outputs of a link: more would not fit into an array, and nested skips double them."""


class Slot(NamedTuple):
    """The place of one parameter in theta: theta[start:stop]."""

    link: Link
    field: str
    parameter: Parameter
    start: int
    stop: int

    @property
    def rate(self) -> float:
        """The parameter's factor of the learning rate."""
        return self.parameter.rate

    @property
    def decays(self) -> float:
        """The parameter's factor of the weight decay; 0.0 for none."""
        return float(self.parameter.decays)


class Network:
    """A fully connected network: `inputs` features, a chain of layers, and the loss on its output.

    L = sum_i s_i * loss(out_i, y_i) / sum_i s_i + l2/2 * ||W||^2 + l1 * |W|, with s_i the weight of sample i.

    inputs: the number of features.  layers: in order, such as [Dense(32), ReLU(), Dense(1)].  loss: such as
    MeanSquaredError().  l2, l1: at least 0, the factors of the penalty on weights (not on biases).
    max_norm: the maximum norm of a neuron's incoming weights, enforced after each step; None for no bound.
    constraints: directions and sets of inputs that hold for all parameters that training may find; None for none.
    Raises ConfigError if the parts do not fit, and for more than 10,000 links or 2^31 - 1 outputs of a link.

    A network has no state: `Model` adds the parameters. `links` are the layers at their places, named dense_1, relu_1,
    ...; `fan_out` is the width of the last one, `outputs` the width of a prediction (the same except for
    MeanOverMembers), and `size` the number of parameters.
    """

    def __init__(
        self,
        inputs: int,
        layers: Iterable[Layer],
        loss: Loss | Callable[[Array, Array], tuple[Array, Array]],
        *,
        l2: float = 0.0,
        l1: float = 0.0,
        max_norm: float | None = None,
        constraints: Constraints | None = None,
    ) -> None:
        """Name the links, compute their widths, and lay out theta."""
        is_count = isinstance(inputs, (int, np.integer)) and not isinstance(inputs, bool)
        if not is_count or not 1 <= inputs <= MAX_WIDTH:
            raise ConfigError(
                "inputs must be the number of features, a positive integer of at most 2^31 - 1, not "
                f"{inputs!r}."
            )
        self.inputs = int(inputs)
        self.layers = tuple(layers) if isinstance(layers, Iterable) else (layers,)
        self.loss: Loss = loss_of(loss)
        self.l2, self.l1, self.max_norm = l2, l1, max_norm
        self._check()
        self.size = self.slots[-1].stop if self.slots else 0
        self.fan_out = self.links[-1].fan_out
        self.loss.check_outputs(self.fan_out)
        self.outputs: int = self.fan_out // self.loss.members
        self.constraints = constraints

    def _check(self) -> None:
        wrong = [layer for layer in self.layers if not isinstance(layer, Layer)]
        if not self.layers or wrong:
            raise ConfigError(f"layers must be a non-empty list of layers; got {_described(wrong)}.")
        if not isinstance(self.loss, Loss):
            raise ConfigError(f"loss must be a loss such as SoftmaxCrossEntropy(), not {self.loss!r}.")
        self.l2, self.l1 = (check_number(getattr(self, name), name, minimum=0) for name in ("l2", "l1"))
        if self.max_norm is not None:
            self.max_norm = check_number(self.max_norm, "max_norm", above=0)
        heads = [layer.changes_units for layer in self.layers]
        if any(isinstance(layer, Standardize) and not all(heads[:i]) for i, layer in enumerate(self.layers)):
            raise ConfigError("Standardize must come before all trainable layers; after them use BatchNorm.")
        for sentence in on_network(self.layers, self.loss.of_member):
            hints.give(sentence)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """The layers at their places."""
        found = _build(self.layers, self.inputs, GlorotUniform(), Counter(), iter(range(MAX_LINKS)))
        check_places(found)
        return found

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The place of each parameter in theta."""
        return tuple(_slots(self.links))

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle has: not the links and slots, two thirds of its time, which are made again on use."""
        state = super().__getstate__()
        assert isinstance(state, dict), "it has no slots"
        return {name: value for name, value in state.items() if name not in ("links", "slots")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle, or of a copy."""
        for name, value in state.items():
            setattr(self, name, value)

    def __copy__(self) -> Self:
        """Return a network with the same links and slots."""
        made = type(self).__new__(type(self))
        made.__setstate__(self.__getstate__() | {"links": self.links, "slots": self.slots})
        return made

    @cached_property
    def bounds(self) -> Bounds | None:
        """The bounds of all parameters by which the constraints hold; None without constraints.

        Raises ConfigError for a layer that cannot keep them.
        """
        return None if self.constraints is None else bounds_of(self.links, self.inputs, self.constraints)

    # --- theta ---------------------------------------------------------------------------------------------------

    def initial_theta(self, seed: int, dtype: DTypeLike) -> np.ndarray[Any, Any]:
        """Draw every parameter from its initializer: a (size,) vector."""
        theta = np.empty(self.size, dtype)
        for number, (link, _, parameter, start, stop) in enumerate(self.slots):
            draw = parameter.initializer(
                generator(seed, "weights", number), parameter.shape, link.fan_in, link.fan_out
            )
            theta[start:stop] = np.broadcast_to(draw, parameter.shape).ravel()
        return theta if self.bounds is None else self.bounds.first(theta)

    def initial_states(self, dtype: DTypeLike) -> dict[str, Any]:
        """Return the initial running statistics and fitted constants, by link name."""
        states = {}
        for link in self.walk():
            state = link.layer.state(link.fan_in)
            if state != ():
                states[link.name] = type(state)(*(np.asarray(value, dtype) for value in state))
        return states

    def unflatten(self, theta: Array) -> tuple[Any, ...]:
        """Return the tree of parameters, as views of theta (NumPy) or slices (JAX)."""
        return self.fill(theta[slot.start : slot.stop] for slot in self.slots)

    def fill(self, vectors: Iterable[Array]) -> tuple[Any, ...]:
        """Return the tree of parameters filled with one vector (n,) per parameter, in theta's order."""
        pairs = zip(vectors, self.slots, strict=True)
        return _fill(self.links, iter([vector.reshape(slot.parameter.shape) for vector, slot in pairs]))

    def flatten(self, params: Sequence[Any], out: Array = None) -> Array:
        """Concatenate a tree of parameters or gradients to (size,) in theta's order; into `out` under NumPy."""
        leaves = [leaf.reshape(-1) for leaf in tree.leaves(params)]
        if out is not None and leaves:
            return np.concatenate(leaves, out=out)
        return namespace(leaves[0]).concatenate(leaves) if leaves else np.empty(0)

    def named(self, params: Sequence[Any]) -> Mapping[str, Any]:
        """Return parameters or gradients by link name: named(grads)["dense_1"].W"""
        places = tree.places(self.links, params)
        return {place.link.name: place.parts[0] for place in places if place.link.params}

    def walk(self) -> Iterator[Link]:
        """Iterate over all links, depth first."""
        return tree.walk(self.links)

    # --- the objective -------------------------------------------------------------------------------------------

    def predict(self, params: Sequence[Any], a: Array, ctx: Context) -> Array:
        """Compute the output (batch, fan_out), before the output activation of the loss."""
        return backprop.forward(self.links, params, a, ctx)[0]

    def objective(
        self,
        params: Sequence[Any],
        a: Array,
        y: Array,
        s: Array,
        ctx: Context,
        factor: Array = 1.0,
        smoothing: Array = 1.0,
        slopes: tuple[Array, Array] | None = None,
    ) -> Objective:
        """Compute the objective, its gradients and the next states, in one forward and one backward pass.

        a: (batch, inputs).  y: (batch, outputs).  s: (batch,) weights with a positive sum.  factor: of the penalty.
        smoothing: a factor of the loss's label smoothing.  slopes: d and w (batch, outputs, inputs); None for none.
        """
        penalty = self.penalty(params, factor)
        of_batch = self.weighted(params, a, y, objective.shares(s), ctx, smoothing, penalty, slopes)
        return of_batch._replace(grads=self.add_penalty(params, of_batch.grads, factor), penalty=penalty)

    def weighted(
        self,
        params: Sequence[Any],
        a: Array,
        y: Array,
        share: Array,
        ctx: Context,
        smoothing: Array = 1.0,
        penalty: object = 0.0,
        slopes: tuple[Array, Array] | None = None,
    ) -> Objective:
        """Compute sum_i share_i loss_i + penalty, the gradients of the sum without the penalty, and the next states.

        share: (batch,) of any sum, so that results over parts of a batch add up to the result over the whole batch.
        """
        of_loss = self.loss.smoothed(smoothing)
        out, caches = backprop.forward(self.links, params, a, ctx)
        losses, slopes_of_loss = of_loss.value_and_gradient(out, y)
        loss = objective.value(losses, share, penalty)
        delta = objective.gradient(slopes_of_loss, share)  # (batch, outputs)
        if slopes is None:
            grads = backprop.gradients(self.links, params, caches, delta, ctx)
        else:
            of_slopes, grads = self.with_slopes(params, caches, delta, share, slopes, ctx)
            loss = loss + of_slopes
        return Objective(loss, out, grads, backprop.next_states(self.links, caches, ctx))

    def with_slopes(
        self,
        params: Sequence[Any],
        caches: Sequence[Any],
        delta: Array,
        share: Array,
        slopes: tuple[Array, Array],
        ctx: Context,
    ) -> tuple[Array, tuple[Any, ...]]:
        """Compute sum_i share_i S_i, and the gradients of it and of a loss whose gradient by the output is delta.

        g_ik = J_i^T e_k is a backward pass for each output. With v_ik = share_i dS_i/dg_ik held fixed, the gradient of
        the sum is that of sum_ik e_k . J_i v_ik, a tangent: `backprop.backward_tangent`.
        """
        (rows, outputs), members = delta.shape, self.loss.members
        xp = namespace(delta)
        d, w = (xp.concatenate([each] * members, 1) for each in slopes)
        axes = xp.broadcast_to(xp.eye(outputs, dtype=delta.dtype), (rows, outputs, outputs))
        g = backprop.pullback(self.links, params, caches, axes, ctx, rows)
        loss = objective.value(objective.slopes_value(g, d, w / members), share, 0.0)
        v = share[:, None, None] * objective.slopes_gradient(g, d, w / members)
        return loss, backprop.backward_tangent(self.links, params, caches, delta, axes, v, ctx)[0]

    def penalty(self, params: Sequence[Any], factor: Array = 1.0) -> Any:
        """Compute factor (l2/2 ||W||^2 + l1 |W|) over all weights."""
        if not (self.l2 or self.l1):
            return 0.0
        leaves = zip(tree.leaves(params), self.slots, strict=True)
        weights = (W for W, slot in leaves if slot.parameter.is_weight)
        return sum(regularizers.penalty(W, self.l2, self.l1, factor) for W in weights)

    def add_penalty(
        self, params: Sequence[Any], grads: tuple[Any, ...], factor: Array = 1.0
    ) -> tuple[Any, ...]:
        """Add the gradients of the penalty, factor (l2 W + l1 sign(W)), to the gradients."""
        if not (self.l2 or self.l1):
            return grads
        leaves = zip(tree.leaves(params), tree.leaves(grads), self.slots, strict=True)
        return _fill(
            self.links,
            iter(
                g + regularizers.penalty_gradient(W, self.l2, self.l1, factor)
                if slot.parameter.is_weight
                else g
                for W, g, slot in leaves
            ),
        )

    def __repr__(self) -> str:
        """Return the network as Python code."""
        names = ("l2", "l1", "max_norm", "constraints")
        settings = [f"{name}={getattr(self, name)!r}" for name in names if getattr(self, name)]
        layers = ", ".join(map(repr, self.layers))
        return f"Network({', '.join([f'{self.inputs}, [{layers}]', f'loss={self.loss!r}', *settings])})"


def _described(wrong: Sequence[Any]) -> str:
    """Describe what was given instead of layers: an empty list, a class, or another object."""
    if not wrong:
        return "an empty list"
    if isinstance(wrong[0], type):
        return f"the class {wrong[0].__name__}; write {wrong[0].__name__}()"
    return repr(wrong[0])


def _build(
    layers: Sequence[Layer],
    fan_in: int,
    after: Initializer,
    counts: Counter[str],
    numbers: Iterator[int],
    depth: int = 0,
) -> tuple[Link, ...]:
    """Build links from layers, depth first, with names, widths and parameters. depth: the number of blocks around."""
    if depth > MAX_DEPTH:
        raise ConfigError(
            f"layers must not nest blocks more than {MAX_DEPTH} deep; put them one after the other."
        )
    defaults = []
    for layer in reversed(layers):
        defaults.append(after)
        if isinstance(layer, Activation):
            after = layer.suits
        elif isinstance(layer, (Dense, GroupedDense)) or layer.defines("branches"):
            after = GlorotUniform()
    links = []
    for layer, default in zip(layers, reversed(defaults), strict=True):
        counts[layer.kind] += 1
        name, number = f"{layer.kind}_{counts[layer.kind]}", next(numbers, None)
        if number is None:
            raise ConfigError(
                f"layers must be at most {MAX_LINKS:,}, including those in blocks; remove some."
            )
        branches = tuple(
            _build(branch, fan_in, default, counts, numbers, depth + 1) for branch in layer.branches(fan_in)
        )
        fan_out, params = layer.width(fan_in), layer.parameters(fan_in, default)
        if fan_out > MAX_WIDTH:
            raise ConfigError(f"{name} would have over {MAX_WIDTH:,} outputs; make it or its input narrower.")
        if params != () and (branches or not hasattr(params, "_fields")):
            what = "() for a block" if branches else "a NamedTuple of Parameter, or ()"
            raise ConfigError(f"parameters() of {type(layer).__name__} must return {what}.")
        for field in getattr(params, "_fields", ()):
            for setting in ("rate", "decays"):
                value = getattr(getattr(params, field), setting)
                text, hint = f"{setting} of {field} in {name}", "1 keeps the optimizer's value"
                given = float(value) if isinstance(value, bool) else value  # decays=False is 0
                check_number(given, setting, minimum=0, text=text, hint=hint)
        links.append(Link(name, number, layer, fan_in, fan_out, params, branches))
        fan_in = fan_out
    return tuple(links)


def _slots(links: Sequence[Link]) -> Iterator[Slot]:
    start = 0
    for link in tree.walk(links):
        for field in getattr(link.params, "_fields", ()):
            parameter = getattr(link.params, field)
            stop = start + math.prod(parameter.shape)
            yield Slot(link, field, parameter, start, stop)
            start = stop


def _fill(links: Sequence[Link], arrays: Iterator[Array]) -> tuple[Any, ...]:
    """Build the tree of parameters of some links, with leaves from `arrays` in theta's order."""
    return tree.build(
        links, lambda link: type(link.params)(*(next(arrays) for _ in link.params)) if link.params else ()
    )


def check_places(links: Sequence[Link]) -> None:
    """Check that layers for the input come first. Raises ConfigError."""
    for link in tree.walk(links):
        if isinstance(link.layer, Standardize) and link not in links:
            raise ConfigError("Standardize cannot be in a block; put it first in the network.")
        if link.layer.reads_codes and link is not links[0]:
            raise ConfigError(
                f"{type(link.layer).__name__} must be the first layer, because it reads codes in the columns "
                "of X; scale the other columns of X beforehand."
            )
    for i, link in enumerate(links):
        if isinstance(link.layer, PiecewiseLinearEmbedding):
            _check_measured(link, links[:i])
    if any(
        isinstance(link.layer, PiecewiseLinearEmbedding) and link not in links for link in tree.walk(links)
    ):
        raise ConfigError("PiecewiseLinearEmbedding cannot be in a block; put it among the first layers.")


def _check_measured(link: Link, before: Sequence[Link]) -> None:
    """Check that a PiecewiseLinearEmbedding's inputs do not change in training, because its edges are measured once."""
    layer = link.layer
    assert isinstance(layer, PiecewiseLinearEmbedding)
    is_number = np.ones(before[0].fan_in if before else link.fan_in, bool)
    for each in before:
        if isinstance(each.layer, Embedding):
            rest = each.layer.rest(each.fan_in)
            is_number = np.arange(each.fan_out) < len(rest)
        elif isinstance(each.layer, Take):
            is_number = is_number[list(each.layer.columns)]
        elif not each.layer.changes_units:
            raise ConfigError(
                "PiecewiseLinearEmbedding must come before all trainable layers except Embedding, because "
                "its edges are measured on the data."
            )
    wrong = [int(column) for column in layer.embedded(link.fan_in) if not is_number[column]]
    if wrong and not is_number.any():
        raise ConfigError(
            "PiecewiseLinearEmbedding has no numeric columns: the Embedding before it takes them all."
        )
    if wrong:
        numbers = ", ".join(map(str, np.flatnonzero(is_number)[:20]))
        raise ConfigError(
            f"columns of PiecewiseLinearEmbedding contains {max(wrong)}, a column of the Embedding before "
            f"it; name numeric columns: {numbers}."
        )
