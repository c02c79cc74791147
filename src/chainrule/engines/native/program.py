"""A network as the program of native/program.h: operations on numbered buffers, in which blocks are forks and joins."""

from __future__ import annotations

from typing import Any

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

# The enumerations of native/program.h, activations.h, losses.h and optimizers.h, in their order.
KINDS = {
    name: i
    for i, name in enumerate(
        (
            "rescale",
            "standardize",
            "dense",
            "activation",
            "prelu",
            "softmax",
            "batch_norm",
            "dropout",
            "add",
            "concat",
        )
    )
}
FUNCTIONS = {
    name: i
    for i, name in enumerate(
        (
            *("identity", "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh"),
            *("silu", "mish", "softplus", "sigmoid", "tanh"),
        )
    )
}
LOSSES: dict[type[losses.Loss], int] = {
    losses.MeanSquaredError: 0,  # 1 with the half
    losses.Huber: 2,
    losses.MeanAbsoluteError: 3,
    losses.Quantile: 4,
    losses.Poisson: 5,
    losses.SigmoidCrossEntropy: 6,
    losses.SoftmaxCrossEntropy: 7,
    losses.BinaryCrossEntropy: 8,
    losses.CategoricalCrossEntropy: 9,
}
RULES = {
    name: i
    for i, name in enumerate(
        (
            *("gradient_descent", "momentum", "nesterov", "rmsprop", "rmsprop_momentum"),
            *("adagrad", "adam", "amsgrad", "adamw", "nadam"),
        )
    )
}
FUSED = {"identity", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh"}
"""Activations that a dense writes over its own z: their derivative is found from a alone, whose sign is z's."""
KNOWN = {Rescale, Standardize, Dense, Projection, BatchNorm, Dropout, Residual, Skip, *ACTIVATIONS.values()}


class Program:
    """A network as the program of native/program.h."""

    def __init__(self, network: Network, frozen: frozenset[str]) -> None:
        """Lay the chain out as operations on buffers; 0 is the input."""
        self.frozen = frozen
        self.numbers = {(slot.link.name, slot.field): i for i, slot in enumerate(network.slots)}
        self.ops: list[tuple[Any, ...]] = []
        self.widths = [network.inputs]
        self.states: list[str] = []  # link names
        self.state_widths: list[int] = []
        self.scale, self.offset = 1.0, 0.0  # of the samples as they are read
        self.chain(self.after_reading(network.links), 0)
        loss = network.loss
        number = LOSSES[type(loss)] + (isinstance(loss, losses.MeanSquaredError) and loss.half)
        setting = getattr(loss, "delta", getattr(loss, "q", 0.0))
        slots = [
            (
                slot.start,
                slot.parameter.shape[0] if len(slot.parameter.shape) == 2 else 1,
                slot.parameter.shape[-1],
                slot.parameter.is_weight,
                slot.link.name not in frozen,
            )
            for slot in network.slots
        ]
        from chainrule.engines.native import _native

        self.native = _native.program(
            self.ops,
            slots,
            self.widths,
            self.state_widths,
            network.size,
            int(number),
            float(setting),
            float(getattr(loss, "label_smoothing", 0.0)),
            loss.targets,
            network.l2,
            network.l1,
            network.max_norm or 0.0,
            self.scale,
            self.offset,
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
            return self.op(link, "rescale", buffer, c0=layer.scale, c1=layer.offset)
        if isinstance(layer, Standardize):
            return self.op(link, "standardize", buffer, state=True)
        if isinstance(layer, BatchNorm):
            return self.op(
                link,
                "batch_norm",
                buffer,
                fields=("gamma", "beta"),
                c0=layer.eps,
                c1=layer.momentum,
                state=True,
            )
        if isinstance(layer, Dropout):
            return self.op(link, "dropout", buffer, c0=layer.rate, c1=layer.threshold)
        if isinstance(layer, PReLU):
            return self.op(link, "prelu", buffer, fields=("slope",))
        if isinstance(layer, Softmax):
            return self.op(link, "softmax", buffer)
        assert isinstance(layer, Activation)
        setting = getattr(layer, "slope", getattr(layer, "alpha", 0.0))
        if layer.kind in FUSED and setting >= 0 and buffer == self.open:
            self.ops[-1] = (*self.ops[-1][:7], FUNCTIONS[layer.kind], float(setting), *self.ops[-1][9:])
            return buffer
        return self.op(link, "activation", buffer, function=FUNCTIONS[layer.kind], c0=setting)

    def op(
        self,
        link: Link,
        kind: str,
        buffer: int,
        *,
        second: int = -1,
        fields: tuple[str, ...] = (),
        function: int = 0,
        c0: float = 0.0,
        c1: float = 0.0,
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
        in_training = link.name not in self.frozen
        self.ops.append(
            (
                KINDS[kind],
                buffer,
                second,
                out,
                slots[0],
                slots[1],
                number,
                function,
                float(c0),
                float(c1),
                link.number,
                in_training,
            )
        )
        return out

    def put_states(self, session: Any, states: dict[str, Any], dtype: Any) -> None:
        """Running statistics and fitted constants, to the session."""
        for number, name in enumerate(self.states):
            first, second = (np.ascontiguousarray(value, dtype) for value in states[name][:2])
            session.set_state(number, first, second)


def settings_of(optimizer: Optimizer) -> tuple[str, float, float, float, float]:
    """An optimizer as native/optimizers.h takes it: rule, beta1, beta2, eps, decay."""
    kind = optimizer.kind
    if isinstance(optimizer, optimizers.SGD):
        rule = "nesterov" if optimizer.nesterov else "momentum" if optimizer.momentum else "gradient_descent"
        return rule, optimizer.momentum, 0.0, 0.0, 0.0
    if isinstance(optimizer, optimizers.RMSprop):
        rule = "rmsprop_momentum" if optimizer.momentum else "rmsprop"
        return rule, optimizer.momentum, optimizer.rho, optimizer.eps, 0.0
    if isinstance(optimizer, optimizers.Adagrad):
        return kind, 0.0, 0.0, optimizer.eps, 0.0
    if isinstance(optimizer, optimizers.AdamFamily):
        decay = getattr(optimizer, "weight_decay", getattr(optimizer, "psi", 0.0))
        return kind, optimizer.beta1, optimizer.beta2, optimizer.eps, decay
    return kind, 0.0, 0.0, 0.0, 0.0
