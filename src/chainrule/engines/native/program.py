"""A network as the program of native/program.h: operations on numbered buffers, in which blocks are forks and joins."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule import losses, optimizers
from chainrule.blocks import Residual, Skip
from chainrule.layers import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Link,
    PReLU,
    Projection,
    Rescale,
    Softmax,
    Standardize,
)
from chainrule.network import Network
from chainrule.optimizers import Optimizer

try:
    from chainrule.engines.native import _native
except ImportError:  # not built: the engine refuses everything
    _native = None  # type: ignore[assignment]

KNOWN = {Rescale, Standardize, Dense, Projection, BatchNorm, Dropout, Residual, Skip, *ACTIVATIONS.values()}


class Op(NamedTuple):
    """One operation, in the terms of native/program.h."""

    kind: str
    in_: int
    in2: int
    out: int
    slot0: int
    slot1: int
    state: int
    function: str
    c0: float
    c1: float
    stream: int
    in_training: bool

    def native(self) -> _native.Op:
        """The same with numbers for names."""
        numbers = {"kind": _native.OPS[self.kind], "function": _native.ACTIVATIONS[self.function]}
        return _native.Op(**(self._asdict() | numbers))


class Program:
    """A network as the program of native/program.h."""

    def __init__(self, network: Network, frozen: frozenset[str]) -> None:
        """Lay the chain out as operations on buffers; 0 is the input."""
        self.frozen = frozen
        self.numbers = {(slot.link.name, slot.field): i for i, slot in enumerate(network.slots)}
        self.ops: list[Op] = []
        self.widths = [network.inputs]
        self.states: list[str] = []  # link names
        self.state_widths: list[int] = []
        self.scale, self.offset = 1.0, 0.0  # of the samples as they are read
        self.chain(self.after_reading(network.links), 0)
        name, constant, smoothing = settings_of_loss(network.loss)
        self.native = _native.Program(
            ops=[op.native() for op in self.ops],
            slots=[
                _native.Slot(
                    start=slot.start,
                    rows=slot.parameter.shape[0] if len(slot.parameter.shape) == 2 else 1,
                    columns=slot.parameter.shape[-1],
                    is_weight=slot.parameter.is_weight,
                    is_trained=slot.link.name not in frozen,
                )
                for slot in network.slots
            ],
            widths=self.widths,
            states=self.state_widths,
            size=network.size,
            loss=_native.LOSSES[name],
            loss_c=constant,
            smoothing=smoothing,
            targets=network.loss.targets,
            l2=network.l2,
            l1=network.l1,
            max_norm=network.max_norm or 0.0,
            scale=self.scale,
            offset=self.offset,
        )

    def after_reading(self, links: tuple[Link, ...]) -> tuple[Link, ...]:
        """Make the network's first Rescales part of reading the samples; the links after them.

        A block's own first Rescale stays an operation: the block's other branch reads the samples without it.
        """
        for i, link in enumerate(links):
            if not isinstance(link.layer, Rescale):
                return links[i:]
            scale, offset = link.layer.scale, link.layer.offset
            self.scale, self.offset = self.scale * scale, self.offset * scale + offset
        return ()

    def chain(self, links: tuple[Link, ...], buffer: int) -> int:
        """Add the operations of a chain that starts from a buffer; the buffer it ends in."""
        self.open = -1  # the buffer of a dense just before, in the same chain: nothing else reads its z
        for link in links:
            buffer = self.link(link, buffer)
            self.open = buffer if isinstance(link.layer, Dense) else -1
        return buffer

    def link(self, link: Link, buffer: int) -> int:
        """Add a link's operations; the buffer of its output."""
        layer = link.layer
        if link.branches:
            branch = self.chain(link.branches[0], buffer)
            shortcut = self.chain(link.branches[1], buffer)
            return self.op(link, "add" if isinstance(layer, Residual) else "concat", branch, second=shortcut)
        if isinstance(layer, Projection):
            return self.op(link, "dense", buffer, fields=("W",))
        if isinstance(layer, Dense):
            return self.op(link, "dense", buffer, fields=("W", "b"))
        if isinstance(layer, Rescale):
            return self.op(link, "rescale", buffer)
        if isinstance(layer, Standardize):
            return self.op(link, "standardize", buffer, state=True)
        if isinstance(layer, BatchNorm):
            return self.op(link, "batch_norm", buffer, fields=("gamma", "beta"), state=True)
        if isinstance(layer, Dropout):
            return self.op(link, "dropout", buffer)
        if isinstance(layer, PReLU):
            return self.op(link, "prelu", buffer, fields=("slope",))
        if isinstance(layer, Softmax):
            return self.op(link, "softmax", buffer)
        assert isinstance(layer, Activation)
        c0 = constants(layer.kind, layer)[0]
        if layer.kind in _native.FUSED and c0 >= 0 and buffer == self.open:
            self.ops[-1] = self.ops[-1]._replace(function=layer.kind, c0=c0)
            return buffer
        return self.op(link, "elementwise", buffer, function=layer.kind)

    def op(
        self,
        link: Link,
        kind: str,
        buffer: int,
        *,
        second: int = -1,
        fields: tuple[str, ...] = (),
        function: str = "identity",
        state: bool = False,
    ) -> int:
        """Add one operation; the buffer of its output."""
        slots = [self.numbers[link.name, field] for field in fields] + [-1, -1]
        number = -1
        if state:
            number = len(self.states)
            self.states.append(link.name)
            self.state_widths.append(link.fan_in)
        self.widths.append(link.fan_out)
        out = len(self.widths) - 1
        c0, c1 = constants(function if kind == "elementwise" else kind, link.layer)
        self.ops.append(
            Op(
                kind=kind,
                in_=buffer,
                in2=second,
                out=out,
                slot0=slots[0],
                slot1=slots[1],
                state=number,
                function=function,
                c0=c0,
                c1=c1,
                stream=link.number,
                in_training=link.name not in self.frozen,
            )
        )
        return out

    def put_states(self, session: Any, states: dict[str, Any], dtype: Any) -> None:
        """Running statistics and fitted constants, to the session."""
        for number, name in enumerate(self.states):
            first, second = (np.ascontiguousarray(value, dtype) for value in states[name][:2])
            session.set_state(number, first, second)


def constants(name: str, settings: Any) -> tuple[float, float]:
    """c0 and c1 of an operation, a function or a loss: those of its settings that native/enumerations.h names."""
    c0, c1, *_ = *(float(getattr(settings, name)) for name in _native.CONSTANTS[name]), 0.0, 0.0
    return c0, c1


def settings_of_loss(loss: losses.Loss) -> tuple[str, float, float]:
    """A loss as native/losses.h takes it: its name, its constant, and the smoothing of its labels."""
    if isinstance(loss, losses.MeanSquaredError):
        return "half_squared_error" if loss.half else loss.kind, 0.0, 0.0
    smoothing = loss.label_smoothing if isinstance(loss, losses.CrossEntropy) else 0.0
    return loss.kind, constants(loss.kind, loss)[0], smoothing


def settings_of(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer as native/optimizers.h takes it: rule, beta1, beta2, eps and decay, those that it has."""
    rule, settings = optimizer.kind, {}
    if isinstance(optimizer, optimizers.SGD):
        rule = "nesterov" if optimizer.nesterov else "momentum" if optimizer.momentum else "gradient_descent"
        settings = {"beta1": optimizer.momentum}
    if isinstance(optimizer, optimizers.RMSprop):
        rule = "rmsprop_momentum" if optimizer.momentum else "rmsprop"
        settings = {"beta1": optimizer.momentum, "beta2": optimizer.rho, "eps": optimizer.eps}
    if isinstance(optimizer, optimizers.Adagrad):
        settings = {"eps": optimizer.eps}
    if isinstance(optimizer, optimizers.AdamFamily):
        settings = {"beta1": optimizer.beta1, "beta2": optimizer.beta2, "eps": optimizer.eps}
    if isinstance(optimizer, optimizers.AdamW):
        settings["decay"] = optimizer.weight_decay
    if isinstance(optimizer, optimizers.Nadam):
        settings["decay"] = optimizer.psi
    return {"rule": _native.RULES[rule], **settings}
