"""The base class of layers, and the types that describe a layer at its place in a network.

A layer is static configuration: a frozen dataclass without state. Parameters, running statistics, randomness and the
cache between forward and backward pass are passed in or returned.

A custom layer needs two methods::

    class Triple(Layer):
        def forward(self, params, a, ctx):
            return 3.0 * a, None                # output, cache

        def backward(self, params, cache, delta, ctx):
            return (), 3.0 * delta              # gradients that mirror params, dL/da
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, State, namespace
from chainrule.core.elsewhere import LAYER
from chainrule.core.settings import NamesElsewhere, is_own
from chainrule.formulas import bf16
from chainrule.formulas.initializers import Initializer
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths


class Parameter(NamedTuple):
    """The description of a parameter: its shape, its initializer, and how it is trained."""

    shape: tuple[int, ...]
    initializer: Initializer
    is_weight: bool = False
    """whether the l2 and l1 penalties and the max_norm bound apply to it"""
    rate: float = 1.0
    """a factor of the optimizer's learning rate; 0 freezes it. Solvers that choose their own steps (L-BFGS, a search)
    only distinguish 0 from other values"""
    decays: float = True
    """whether the optimizer's weight decay applies to it, or a factor of that decay"""


class Link(NamedTuple):
    """A layer at its place in a network."""

    name: str
    """kind and count: dense_1 is the first Dense"""
    number: int
    """place in the network, depth first, from 0: the stream of its random numbers"""
    layer: Layer
    fan_in: int
    fan_out: int
    params: Any
    """the layer's NamedTuple of `Parameter`; () for none"""
    branches: tuple[tuple[Link, ...], ...] = ()
    """the chains inside a block"""

    @property
    def multiplies(self) -> bool:
        """Whether the input is a factor of a product, of the link's own or of the first link of a chain inside."""
        return self.layer.multiplies or any(chain[0].multiplies for chain in self.branches if chain)


Watch = Callable[[str, Link, Array], None]


class Context(NamedTuple):
    """The context of a pass: everything a layer may use besides its parameters and its input.

    A link's random draws depend only on seed, step and the link's place in the network (its stream).
    """

    training: bool = False
    seed: Array = 0
    step: Array = 0
    states: Mapping[str, Any] = {}
    frozen: frozenset[str] = frozenset()
    watch: Watch | None = None
    """called in each pass, as watch("forward", link, output) and watch("backward", link, dL/d output)"""
    link: Link | None = None
    dropout: Array = 1.0
    """a factor of every Dropout's rate, at most 1"""
    row: Array = 0
    """the index in the batch of the first row, when a pass covers part of a batch: random draws depend on it"""
    precision: str | None = None
    """"bf16" for products of bfloat16 numbers, see `chainrule.formulas.bf16`; None for those of the arrays"""

    def at(self, link: Link) -> Context:
        """Return the same context for one link. A frozen link behaves as in prediction."""
        training = self.training and link.name not in self.frozen
        return Context(
            training,
            self.seed,
            self.step,
            self.states,
            self.frozen,
            self.watch,
            link,
            self.dropout,
            self.row,
            self.precision,
        )

    def operand(self, a: Array) -> Array:
        """Return a as a product reads it."""
        return a if self.precision is None else bf16.rounded(a)

    def multiply(self, a: Array, b: Array, start: Array = None) -> Array:
        """Compute start + a b, or a b without a start, in the pass's precision."""
        if self.precision is not None:
            return bf16.multiply(a, b, start)
        return a @ b if start is None else a @ b + start

    @property
    def state(self) -> Any:
        """The link's own state: running statistics, fitted constants."""
        assert self.link is not None
        return self.states[self.link.name]


OF_A_CLASS = (
    *("ops", "per_sample", "start_on", "confined", "pullback", "pushforward", "gradients_tangent"),
    *("stacks", "multiplies_by", "knows_its_weights", "is_increasing"),
)
"""Attributes that subclasses do not inherit, because a subclass may compute something else; it may set them again."""


@dataclass(frozen=True)
class Layer(NamesElsewhere, ABC):
    """Base class of layers: static configuration only."""

    kind: ClassVar[str] = ""
    """the name in files and parameters; by default derived from the class's name"""
    names_elsewhere: ClassVar = LAYER

    # Facts that attributions, derivations and methods choose by. Subclasses inherit them.
    is_affine: ClassVar[bool] = False
    """whether in prediction the output is J a + c, with J and c the same for every a"""
    is_piecewise_affine: ClassVar[bool] = False
    """whether it is affine between its kinks, see `from_kinks`"""
    is_elementwise: ClassVar[bool] = False
    """whether in prediction each output is a function of the input in the same column"""
    is_identity: ClassVar[bool] = False
    """whether in prediction the output is the input"""
    is_bounded: ClassVar[bool] = False
    """whether the output is flat on both sides, so that a neuron can saturate"""
    keeps_neurons: ClassVar[bool] = False
    """whether its columns are the neurons of the link before it, to which a following activation then applies"""
    changes_units: ClassVar[bool] = False
    """whether it only changes the unit and the origin of each feature, and is not trained"""
    reads_codes: ClassVar[bool] = False
    """whether some of its inputs are codes, which have no derivative; it must be first in a network"""
    multiplies: ClassVar[bool] = False
    """whether its input is a factor of a product of matrices, as `Context.multiply` computes them"""
    mixes_samples: ClassVar[bool] = False
    """whether in training a sample's output depends on the other samples of the batch"""
    gives_probabilities: ClassVar[bool] = False
    """whether the outputs are probabilities, from 0 to 1"""
    kinks: ClassVar[tuple[float, ...]] = ()
    """where an activation's first or higher derivative jumps"""

    # Facts about exactly this class: subclasses do not inherit them.
    stacks: ClassVar[bool] = False
    """whether forward also works for a stack of networks: a (k, batch, width), vectors (k, 1, width)"""
    multiplies_by: ClassVar[str] = ""
    """the parameter (width,) whose product with the input is the output; empty for none"""
    knows_its_weights: ClassVar[bool] = False
    """whether dL/da depends on no parameters but weights, besides slopes and statistics"""
    is_increasing: ClassVar[bool] = False
    """whether, if it is elementwise, an output never falls when its input rises, for all parameters"""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Derive `kind` from the class's name, such as batch_norm from BatchNorm. Keep the short repr."""
        super().__init_subclass__(**kwargs)
        if not is_own(cls, "__repr__"):
            cls.__repr__ = Layer.__repr__  # type: ignore[method-assign]  # prevents the dataclass decorator's own
        if not is_own(cls, "kind"):
            cls.kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        for name in OF_A_CLASS:
            if not is_own(cls, name):  # the subclass may compute something else
                setattr(cls, name, getattr(Layer, name))

    @abstractmethod
    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """Compute the output (batch, fan_out) and the cache, for a (batch, fan_in)."""

    @abstractmethod
    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """Compute gradients in the structure of params, and dL/da (batch, fan_in). delta: dL/d out (batch, fan_out)."""

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """Compute the gradients only, for the first trained link, which needs no dL/da."""
        return self.backward(params, cache, delta, ctx)[0]

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """out' = (d out / da) a' + (d out / d theta) v, (batch, fan_out): the derivative along a direction (JVP).

        v: has the structure of params.  cache: from the forward pass.  a_dot: (batch, fan_in), or None where it is zero
        and the layer is the first with parameters.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define tangent().")

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """Compute dL/da alone (batch, k, fan_in), in prediction, for k vectors dL/d out of each row.

        delta: (batch, k, fan_out).  By default from `backward`: of an elementwise layer once, else vector by vector.
        Subclasses do not inherit this method.
        """
        if self.is_identity:
            return delta
        xp = namespace(delta)
        if self.is_elementwise:
            slopes = self.backward(params, cache, xp.ones_like(delta[:, 0]), ctx)[1]
            return delta * slopes[:, None]
        columns = [self.backward(params, cache, delta[:, i], ctx)[1] for i in range(delta.shape[1])]
        return xp.stack(columns, 1)

    def pushforward(self, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """Compute out' = (d out / da) a' (batch, k, fan_out), in prediction, for k directions a' of each row.

        a_dot: (batch, k, fan_in).  By default from `tangent`. Subclasses do not inherit this method.
        """
        if self.is_elementwise or type(self).tangent is symmetric_tangent:
            return self.pullback(params, cache, a_dot, ctx)
        still = zeros_like(params)
        columns = [self.tangent(params, still, cache, a_dot[:, i], ctx) for i in range(a_dot.shape[1])]
        return namespace(a_dot).stack(columns, 1)

    def pullback_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Array:
        """Compute sum_j delta_j (d^2 out_j / da^2) a', the change of `pullback` along a' where delta is fixed.

        delta: (batch, k, fan_out).  a_dot: (batch, m, fan_in).  Returns (batch, k, m, fan_in), or None for 0. A layer
        that is affine, or is so between its kinks, needs none.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define pullback_tangent().")

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """Compute the change of `gradients` along a' (batch, fan_in) where delta (batch, fan_out) is fixed.

        It is the gradient of sum_ij delta_ij out'_ij by params, which training on slopes needs.
        """
        if params == ():
            return ()
        raise NotImplementedError(f"{type(self).__name__} does not define gradients_tangent().")

    def backward_tangent(
        self, params: Params, cache: Cache, grad: Array, delta: Array, a_dot: Array, ctx: Context
    ) -> tuple[Any, Array]:
        """Compute the gradients of sum_i grad_i . out_i + sum_ik delta_ik . out'_ik by params, and by a.

        grad: (batch, fan_out).  delta: (batch, k, fan_out).  a_dot: (batch, k, fan_in), the k directions of out'.
        """
        grads, below = self.backward(params, cache, grad, ctx)
        for k in range(delta.shape[1]):
            if params != ():
                own = self.gradients_tangent(params, cache, delta[:, k], a_dot[:, k], ctx)
                grads = type(grads)(*(g + more for g, more in zip(grads, own, strict=True)))
            if not self.is_straight:
                some = slice(k, k + 1)
                bent = self.pullback_tangent(params, cache, delta[:, some], a_dot[:, some], ctx)
                below = below + bent[:, 0, 0]
        return grads, below

    @property
    def is_straight(self) -> bool:
        """Whether the second derivative by the input is 0, at a kink too."""
        return self.is_affine or self.is_piecewise_affine or self.reads_codes

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """Compute per-sample gradients: params with a batch axis in front, which sum to `gradients`.

        a: (batch, fan_in).  delta: (batch, fan_out), dL/d output.  Subclasses do not inherit this method.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define per_sample().")

    def defines(self, name: str) -> bool:
        """Return whether the layer overrides an optional method, such as tangent or per_sample."""
        return getattr(type(self), name) is not getattr(Layer, name)

    def width(self, fan_in: int) -> int:
        """Return fan_out for a given fan_in."""
        return fan_in

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """Return a NamedTuple of `Parameter`, or () for none. `default`: the initializer for the next activation."""
        return ()

    def start_on(self, params: Params, a: NDArray[np.float64], generator: np.random.Generator) -> Any:
        """Return the initial parameters, given the drawn ones and the layer's inputs a (n, fan_in) for some samples.

        The drawn ones by default; see `Model.start_on`. Subclasses do not inherit this method.
        """
        return params

    def state(self, fan_in: int) -> Any:
        """Return a NamedTuple of NumPy arrays that prediction needs and that have no gradient, or () for none."""
        return ()

    def next_state(self, state: State, cache: Cache, ctx: Context) -> Any:
        """Return the state after a training step, from the step's cache."""
        return state

    @property
    def is_random(self) -> bool:
        """Whether in training the output depends on a random draw."""
        return False

    def inverse(self, out: Array, ctx: Context) -> Array | None:
        """Return the input a whose output in prediction is `out`, if it `changes_units`; None without inverse."""
        return None

    def arrays(self, training: bool) -> int:
        """Count the arrays (batch, fan_out) of both passes: out, dL/d out, and those only in the cache."""
        return 2

    def engine_state(self, state: State) -> tuple[Array, Array]:
        """Return the two arrays of equal size that the layer's operation takes from its state."""
        first, second, *_ = state
        return first, second

    def from_kinks(self, cache: Cache, ctx: Context) -> list[Array]:
        """Return arrays (batch, any width) whose signs tell on which side of each kink the values are."""
        return [cache[0] - kink for kink in self.kinks]

    def sources(self, fan_in: int) -> NDArray[np.int64] | None:
        """Return the index of the one input that each output depends on, (fan_out,), or None.

        For a layer with more outputs than inputs.
        """
        return None

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Return the paths of the outputs from those of the inputs, and the bounds of the parameters that these need.

        None for a layer that cannot keep the directions and the sets of the paths. By default it can if it is
        elementwise, and increasing where a direction matters. Subclasses do not inherit this method.
        is_last: whether all layers behind it are elementwise, so that its outputs combine the sets.
        """
        keeps = self.is_elementwise and (self.is_increasing or paths.are_free)
        return Confined(paths) if keeps and not self.branches(fan_in) else None

    def branches(self, fan_in: int) -> tuple[tuple[Layer, ...], ...]:
        """Return the chains inside a block; () for a plain layer."""
        return ()

    def ops(self, fan_in: int) -> tuple[Operation, ...] | None:
        """Return the layer as operations that engines know by name, or None if only the reference engine can run it.

        Subclasses do not inherit this method.
        """
        return None

    def operations(self, fan_in: int) -> int:
        """Count the floating-point operations of the forward pass per sample, without inner links."""
        return 0

    def __repr__(self) -> str:
        """Return the layer as Python code: Dense(256), BatchNorm(momentum=0.99)."""
        arguments = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.default is MISSING:
                arguments.append(repr(list(value) if isinstance(value, tuple) else value))
            elif value != f.default:
                arguments.append(f"{f.name}={value!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"


def symmetric_tangent(
    self: Layer, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context
) -> Array:
    """out' = J a' with J = J^T, which is `backward` of a'; for layers without parameters."""
    return self.backward(params, cache, a_dot, ctx)[1]


def zeros_like(params: Params) -> Any:
    """Return a tree of zeros with the structure of params."""
    if not isinstance(params, tuple):
        return namespace(params).zeros_like(params)
    parts = [zeros_like(part) for part in params]
    return type(params)(*parts) if hasattr(params, "_fields") else tuple(parts)
