"""A network as a program of native/program.h: its operations on numbered buffers, some of them fused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.engines.step import are_correct
from chainrule.formulas.losses import Formula, Loss
from chainrule.network.constraints import Bounds
from chainrule.network.network import Network
from chainrule.network.ops import Op, operations

try:
    import chainrule.engines.native._native as _native
except ImportError:  # not built: the engine supports nothing
    _native = None  # type: ignore[assignment]


DENSE = ("dense", "grouped_dense")
"""The operations with which a following activation can be fused."""


class Program:
    """A network as a program of native/program.h."""

    def __init__(
        self,
        network: Network,
        frozen: frozenset[str],
        bounds: Bounds | None = None,
        own_loss: tuple[Any, ...] | None = None,
        slopes: bool = False,
    ) -> None:
        """Assign a buffer to each value of the operations; 0 is the input.

        bounds: those that each step keeps.  own_loss: to train with a loss that the kernels do not know.
        slopes: whether the samples have slopes, for which nothing is fused.
        """
        self.fuses = not slopes
        self.layers = {link.name: link.layer for link in network.walk()}
        self.states: list[str] = []
        """names of the links whose states the program uses, in the session's order"""
        self.frozen = frozen
        self.graph = operations(network)
        self.reads = Counter(value for op in self.graph.ops for value in op.inputs)
        self.buffers = {0: 0}
        """the buffer of each value"""
        self.widths = [network.inputs]
        """number of columns of each buffer"""
        self.state_widths: list[int] = []
        self.constants: dict[str, Any] = {}
        """the fitted constants that the session has, by link"""
        self.scale, self.offset = 1.0, 0.0
        """the factor and the offset applied to samples when they are read"""
        loss = formula_of(network.loss) or Formula("own", members=network.loss.members)
        more: dict[str, Any] = {"slopes": True} if slopes else {}
        if bounds is not None:
            more |= {"lower": bounds.lower.tolist(), "upper": bounds.upper.tolist()}
        self.native = _native.Program(
            ops=list(self.native_ops()),
            parameters=[
                _native.Parameter(
                    start=slot.start,
                    shape=slot.parameter.shape,
                    is_weight=slot.parameter.is_weight,
                    is_trained=slot.link.name not in frozen,
                    rate=slot.rate,
                    decays=slot.decays,
                )
                for slot in network.slots
            ],
            widths=self.widths,
            states=self.state_widths,
            size=network.size,
            loss=_native.LOSSES[loss.name],
            loss_c=loss_constant(loss),
            smoothing=loss.constants.get("label_smoothing", 0.0),
            targets=network.loss.targets,
            members=loss.members,
            l2=network.l2,
            l1=network.l1,
            max_norm=network.max_norm or 0.0,
            scale=self.scale,
            offset=self.offset,
            own_loss=own_loss,
            **more,
        )

    def native_ops(self) -> Iterator[_native.Op]:
        """Iterate over the operations in the kernels' form.

        A rescale is fused with reading the samples if it is their only reader, and an activation with a dense if it is
        the only reader of its output, where supported.
        """
        ops = iter([*self.graph.ops, None])
        op = next(ops)
        while op is not None:
            following = next(ops)
            if not self.fuses:
                yield self.native_op(op)
            elif op.name == "rescale" and self.buffers[op.inputs[0]] == 0 and self.reads[op.inputs[0]] == 1:
                scale, offset = op.constants["scale"], op.constants["offset"]
                self.scale, self.offset = self.scale * scale, self.offset * scale + offset
                self.buffers[op.output] = 0
            elif op.name in DENSE and following is not None and self.is_fused(op, following):
                yield self.native_op(op, following)
                self.buffers[following.output] = self.buffers[op.output]
                following = next(ops)
            else:
                yield self.native_op(op)
            op = following

    def is_fused(self, dense: Op, following: Op) -> bool:
        """Return whether the operation after a dense is fused with it."""
        return (
            following.name == "elementwise"
            and following.function in _native.FUSED
            and following.inputs == (dense.output,)
            and self.reads[dense.output] == 1
            and constants(following)[0] >= 0
        )

    def native_op(self, op: Op, over: Op | None = None) -> _native.Op:
        """Return one operation; over: the elementwise operation fused with it."""
        state = -1
        if op.has_state:
            state = len(self.states)
            self.states.append(op.link.name)
            layer = op.link.layer
            self.state_widths.append(np.size(layer.engine_state(layer.state(op.link.fan_in))[0]))
        self.widths.append(self.graph.widths[op.output])
        self.buffers[op.output] = len(self.widths) - 1
        first, second, *_ = *(self.buffers[value] for value in op.inputs), -1
        function = (over or op).function or "identity"
        c0, c1 = constants(over or op)
        return _native.Op(
            kind=_native.OPS[op.name],
            in_=first,
            in2=second,
            out=self.buffers[op.output],
            parameters=list(op.slots),
            state=state,
            function=_native.ACTIVATIONS[function],
            c0=c0,
            c1=c1,
            stream=op.link.number,
            in_training=op.link.name not in self.frozen,
            groups=op.groups,
            shares=op.shared,
            columns=list(op.columns),
        )

    def put_states(self, session: Any, states: dict[str, Any], dtype: DTypeLike) -> None:
        """Copy running statistics to the session, and fitted constants if they are others than before."""
        for number, name in enumerate(self.states):
            if self.layers[name].defines("engine_state"):
                if self.constants.get(name) is states[name]:
                    continue
                self.constants[name] = states[name]
            state = type(states[name])(
                *(np.array(value, dtype) for value in states[name])
            )  # they may be read-only
            session.set_state(number, *map(np.ravel, self.layers[name].engine_state(state)))

    def take_states(self, session: Any, states: dict[str, Any]) -> dict[str, Any]:
        """Return the states updated with the session's running statistics; steps do not change other states."""
        for number, name in enumerate(self.states):
            if self.layers[name].defines("engine_state"):
                continue
            state = states[name]
            new = [np.empty_like(value) for value in state[:2]]
            session.get_state(number, *new)
            states = states | {name: type(state)(*new, *state[2:])}
        return states


def constants(op: Op) -> tuple[float, float]:
    """Return c0 and c1 of an operation: its constants in the order of native/enumerations.h."""
    return named_constants(op.function or op.name, op.constants)


def formula_of(loss: Loss) -> Formula | None:
    """Return the formula of a loss, None if the kernels do not know it."""
    formula = loss.formula()
    return formula if formula is not None and formula.name in _native.LOSSES else None


def own_loss(network: Network, rows: int, dtype: DTypeLike) -> tuple[Any, ...] | None:
    """Return a loss that the kernels do not know, as they call it: see `OwnLoss` in native/program.h; None of others.

    rows: of a batch.
    """
    loss = network.loss
    if formula_of(loss) is not None:
        return None
    widths = network.fan_out, network.outputs, network.fan_out
    by_column = [np.empty((width, rows), dtype) for width in widths]  # as NumPy sums the outputs fastest
    (out, y, gradient), value = (each.T for each in by_column), np.empty(rows, dtype)
    is_judged = loss.targets == "binary" or (loss.targets == "classes" and not loss.keeps_order)
    is_correct = np.zeros(rows, bool) if is_judged else None

    def compute(n: int, smoothing: float) -> None:
        some, own = out[:n], loss.smoothed(smoothing)
        value[:n], gradient[:n] = own.value_and_gradient(some, y[:n])
        if is_correct is not None:
            is_correct[:n] = are_correct(loss, some, y[:n])

    return compute, *by_column[:2], value, by_column[2], is_correct


def loss_constant(loss: Formula) -> list[float]:
    """Return the constant of a loss: one number for all outputs, or one per output."""
    name, *_ = *_native.CONSTANTS[loss.name], None
    given = 0.0 if name is None else loss.constants[name]
    return [float(each) for each in (given if isinstance(given, tuple) else (given,))]


def named_constants(name: str, given: Mapping[str, Any]) -> tuple[float, float]:
    """Return c0 and c1 of the operation, function or loss of this name; 0 for missing constants."""
    c0, c1, *_ = *(float(given[constant]) for constant in _native.CONSTANTS[name]), 0.0, 0.0
    return c0, c1
