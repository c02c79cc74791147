"""What a link is: forward, backward, and what it needs to be built.

A layer is static configuration, a frozen dataclass. Its parameters, its running statistics, its randomness and what it
remembers between the two walks (the cache) are all passed in or returned: nothing is hidden in the object.

A layer of your own needs two methods::

    class Scale(Layer):
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

from chainrule.core.arrays import Array
from chainrule.formulas.initializers import Initializer


class Parameter(NamedTuple):
    """A parameter before it has numbers: its shape, how it starts, and how it is trained."""

    shape: tuple[int, ...]
    initializer: Initializer
    is_weight: bool = False
    """whether the penalties l2 and l1 and the bound max_norm act on it"""
    rate: float = 1.0
    """a factor of the optimizer's learning rate"""
    decays: float = True
    """whether the optimizer's weight decay acts on it, or a factor of that"""


class Operation(NamedTuple):
    """A layer, or a part of it, as an operation that is known by name: `chainrule.engines.ops` puts them together.

    The first operation of a layer reads the layer's input (of a block: the outputs of its branches), each further one
    the output of the one before it, and the last one's output is the layer's.
    """

    name: str
    """what it does: dense, elementwise, batch_norm, ..."""
    function: str | None = None
    """the function of an elementwise operation: relu, tanh, ..."""
    parameters: tuple[str, ...] = ()
    """the fields of the layer's parameters that it uses"""
    constants: Mapping[str, float] = {}
    """its settings by name"""
    has_state: bool = False
    """whether it uses the layer's state"""
    width: int | None = None
    """columns of its output; None for as many as the layer's output has"""


class Link(NamedTuple):
    """A layer at its place in a network."""

    name: str
    """kind and count: dense_1 is the first Dense"""
    number: int
    """place in the network, depth first, from 0: the stream of its randomness"""
    layer: Layer
    fan_in: int
    fan_out: int
    params: Any
    """the layer's NamedTuple, of `Parameter`; () where it has none"""
    branches: tuple[tuple[Link, ...], ...] = ()
    """the chains inside a block"""


Watch = Callable[[str, Link, Array], None]


class Context(NamedTuple):
    """What a link may know beside its parameters and its input.

    A random draw of a link depends on seed, step and the link's place in the network (its stream), and on nothing else.
    """

    training: bool = False
    seed: Array = 0
    step: Array = 0
    states: Mapping[str, Any] = {}
    frozen: frozenset[str] = frozenset()
    watch: Watch | None = None
    """called as watch("forward", link, output) and watch("backward", link, dL/d output) by the walks"""
    link: Link | None = None
    dropout: Array = 1.0
    """a factor of the rate of every Dropout, at most 1"""

    def at(self, link: Link) -> Context:
        """The same context, seen from one link. A frozen link behaves as in prediction."""
        training = self.training and link.name not in self.frozen
        return Context(
            training, self.seed, self.step, self.states, self.frozen, self.watch, link, self.dropout
        )

    @property
    def state(self) -> Any:
        """The link's own state: running statistics, fitted constants."""
        assert self.link is not None
        return self.states[self.link.name]


@dataclass(frozen=True)
class Layer(ABC):
    """A link of the chain: static configuration only."""

    kind: ClassVar[str] = ""
    """the name that files and parameters use; from the class's name unless the class says otherwise"""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Derive `kind` from the class's name: BatchNorm is batch_norm. Keep the short repr, and inherit no `ops`."""
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Layer.__repr__  # type: ignore[method-assign]  # or the dataclass decorator would add its own
        if "kind" not in cls.__dict__:
            cls.kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        if "ops" not in cls.__dict__:
            cls.ops = Layer.ops  # type: ignore[method-assign]  # what it overrides may compute something else

    @abstractmethod
    def forward(self, params: Any, a: Array, ctx: Context) -> tuple[Array, Any]:
        """Output (batch, fan_out) and cache, for a (batch, fan_in)."""

    @abstractmethod
    def backward(self, params: Any, cache: Any, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """Gradients that mirror params, and dL/da (batch, fan_in), for delta = dL/d output (batch, fan_out)."""

    def gradients(self, params: Any, cache: Any, delta: Array, ctx: Context) -> Any:
        """The gradients alone, for the first link that is trained: nothing needs its dL/da."""
        return self.backward(params, cache, delta, ctx)[0]

    def width(self, fan_in: int) -> int:
        """fan_out for a fan_in."""
        return fan_in

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """A NamedTuple of `Parameter`, or () for none. `default` suits the activation that follows."""
        return ()

    def state(self, fan_in: int) -> Any:
        """A NamedTuple of NumPy arrays that prediction needs and no gradient reaches, or () for none."""
        return ()

    def next_state(self, state: Any, cache: Any, ctx: Context) -> Any:
        """The state after a training step, from the step's cache."""
        return state

    def branches(self, fan_in: int) -> tuple[tuple[Layer, ...], ...]:
        """The chains inside a block; () for a plain layer."""
        return ()

    def ops(self, fan_in: int) -> tuple[Operation, ...] | None:
        """The layer as operations that engines know by name; None, and the reference engine alone can run it.

        A subclass does not inherit it: it may compute something else.
        """
        return None

    def operations(self, fan_in: int) -> int:
        """Floating-point operations a sample of the forward walk, the layer's own."""
        return 0

    def __repr__(self) -> str:
        """As it is written: Dense(256), BatchNorm(momentum=0.99)."""
        arguments = []
        for f in fields(self):
            value = getattr(self, f.name)
            if f.default is MISSING:
                arguments.append(repr(list(value) if isinstance(value, tuple) else value))
            elif value != f.default:
                arguments.append(f"{f.name}={value!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"
