"""A traced network as a graph of variables and edges, with dL by every cell.

The edge through a link is that of its layer's operation, see `edge_of_link`. At the end is dL/d out: the sample's
weight times the derivative of the loss. The graph of an output has it in place of L, and 1 at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Params
from chainrule.errors import ConfigError
from chainrule.formulas.activations import sigmoid
from chainrule.formulas.layers import (
    Context,
    Link,
    Operation,
)
from chainrule.formulas.losses import (
    LOSSES,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    FocalCrossEntropy,
    Huber,
    LogLink,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    OrdinalCrossEntropy,
    Quantile,
    SigmoidCrossEntropy,
    SoftmaxLoss,
    SurvivalCrossEntropy,
    focal_slopes,
    ordinal_thresholds,
)
from chainrule.inspection.derivation.factors import (
    CellwiseEdge,
    Edge,
    OwnEdge,
    Variable,
    edge_of_link,
)
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.markup import (
    Expression,
    Fraction,
    FunctionCall,
    Number,
    Product,
    Sum,
    Symbol,
)
from chainrule.inspection.walk import Walk
from chainrule.network import objective
from chainrule.network.blocks import Block
from chainrule.network.tree import fold

TINY = float(np.finfo(np.float64).tiny)
Floats = NDArray[np.float64]


def share(trace: Walk, letters: Letters, i: int) -> Expression:
    """s_i / sum_i s_i: 1 for one sample, 1/n for n samples without weights."""
    s = trace.s
    if trace.n == 1:
        return Number(float(trace.share[0]))
    if (s == 1).all():
        return Fraction(Number(1.0), Number(float(trace.n)))
    return Fraction(letters.weight(i, float(s[i])), Symbol("Σs", "Sigma", "", "s", float(s.sum())))


def derivative(trace: Walk, out: Variable, gradient: Floats, i: int, k: int) -> Expression:
    """d loss_i / d out_i,k as a formula; gradient (batch, fan_out): its values.

    For an ensemble, 1 / members times that of the member's loss, whose outputs are n of the columns.
    """
    members, loss, n = trace.network.loss.members, trace.network.loss.of_member, trace.network.outputs
    letters, a, number = out.letters, out.symbol(i, k), float(gradient[i, k]) * members
    first, k = k // n * n, k % n
    targets = loss.smooth(trace.y)
    y = letters.target(i, k, n, float(targets[i, k]), targets is not trace.y)
    made: Expression | None = None
    if LOSSES.get(loss.kind) is type(loss):
        if isinstance(loss, SoftmaxLoss):
            own = loss.predict(out.value[i : i + 1, first : first + n])
            row = letters.row(out.link, i, f"{first}:{first + n}" if members > 1 else "")
            made = Sum(FunctionCall("softmax", row, float(own[0, k]), below=str(k)), (-1, y))
            if isinstance(loss, FocalCrossEntropy):
                made = _focused(loss, made, out.value[i, first : first + n], targets[i])
        elif isinstance(loss, OrdinalCrossEntropy):
            row = letters.row(out.link, i, f"{first}:{first + n}" if members > 1 else "")
            of = [letters.target(i, j, n, float(targets[i, j]), targets is not trace.y) for j in range(n)]
            made = _ordinal(row, out.value[i, first : first + n], a, of, k)
        else:
            made = formula(loss, a, y, k)
    # A custom loss, or a probability clamped by `clamped_log`.
    made = made or FunctionCall("loss", a, number, prime=True)
    return made if members == 1 else Product(Fraction(Number(1.0), Number(float(members))), made)


def _focused(loss: FocalCrossEntropy, made: Expression, z: Floats, y: Floats) -> Expression | None:
    """(softmax(z) - y) times a number of the sample; None unless y is one class."""
    if (y == 1).sum() != 1:
        return None
    return Product(Number(-float(focal_slopes(z, y, loss.gamma).sum())), made)


def _ordinal(row: Expression, z: Floats, a: Symbol, y: list[Symbol], k: int) -> Expression:
    """The gradient of `OrdinalCrossEntropy`, by cumulative(z)_j = P(class <= j); a is z_k."""
    s, last = sigmoid(ordinal_thresholds(z)), len(z) - 1
    terms: list[tuple[int, Expression]] = []
    for j in range(k if k < last else 0, last):
        upto = FunctionCall("cumulative", row, float(s[j]), below=str(j))
        terms += [(1, Product(upto, Sum(y[j], y[j + 1]))), (-1, y[j])]
    if not 0 < k < last:
        return Sum(*((-sign if k else sign, term) for sign, term in terms)) if terms else Number(0.0)
    own, rest = (float(sigmoid(np.asarray(value))) for value in (z[k], -z[k]))
    lost = Product(y[k], FunctionCall("sigmoid", Sum((-1, a)), rest))
    return Sum(Product(FunctionCall("sigmoid", a, own), Sum(*terms)), (-1, lost))


def formula(loss: Loss, a: Symbol, y: Symbol, k: int) -> Expression | None:
    """d loss / da of output k and its target, for an elementwise loss; None if clamped."""
    one, r = Number(1.0), Sum(a, (-1, y))
    match loss:
        case MeanSquaredError():
            return r if loss.half else Product(Number(2.0), r)
        case Huber():
            return r if abs(r.value) <= loss.delta else Number(math.copysign(loss.delta, r.value))
        case MeanAbsoluteError():
            return _sign(r)
        case Quantile():
            rest = 0.5 - (loss.q[k] if isinstance(loss.q, tuple) else loss.q)
            half = Fraction(_sign(r), Number(2.0))
            return Sum(half, (1 if rest > 0 else -1, Number(abs(rest)))) if rest else half
        case LogLink():
            mean, inverse = (_power_of_mean(a, power) for power in (2 - loss.power, 1 - loss.power))
            return Sum(mean, (-1, y if loss.power == 1 else Product(y, inverse)))
        case SigmoidCrossEntropy():
            return Sum(FunctionCall("sigmoid", a, float(sigmoid(np.asarray(a.value)))), (-1, y))
        case SurvivalCrossEntropy():
            lost = Product(y, FunctionCall("sigmoid", a, float(sigmoid(np.asarray(a.value)))))
            return Sum(lost, (-1, y)) if y.value > 0 else Sum((-1, lost))
        case CategoricalCrossEntropy() if a.value > TINY:
            return Sum((-1, Fraction(y, a)))
        case BinaryCrossEntropy() if a.value > TINY and 1 - a.value > TINY:
            return Sum(Fraction(Sum(one, (-1, y)), Sum(one, (-1, a))), (-1, Fraction(y, a)))
    return None


def _power_of_mean(a: Symbol, power: float) -> Expression:
    """exp(power a)"""
    if not power:
        return Number(1.0)
    inside = a if power == 1 else Product(Number(power), a)
    return FunctionCall("exp", inside, math.exp(power * a.value))


def _sign(r: Sum) -> Expression:
    """sign(out - y), 0 at 0"""
    return FunctionCall("sign", r, (r.value > 0) - (r.value < 0))


ADD, CONCATENATE = (Operation("add"),), (Operation("concat"),)
"""The operations of blocks that add, or concatenate, the outputs of their chains."""


class Graph:
    """The variables of a trace in forward order, and the edges between them; dL by every cell.

    of: what is derived.  symbol: its symbol, L.  ends: the links after the network's own, with their parameters.
    penalties: l2 and l1.
    """

    of = "loss"

    def __init__(
        self, trace: Walk, ends: Sequence[tuple[Link, Params]] = (), name: str = "", first: int = 0
    ) -> None:
        """Build the graph of a float64 trace. name, first: of the last variable of ends, and of its first column."""
        self.trace, self.ends = trace, tuple(ends)
        self.letters = Letters(trace, of_chain=not ends)
        self.symbol = self.letters.loss
        self.penalties = trace.network.l2, trace.network.l1
        self.x = Variable(None, trace.x, self.letters)
        self.variables = [self.x]
        self.edges: dict[str, Edge] = {}
        """the edge of each link with parameters, by link name"""
        self.out = fold(trace.network.links, self.x, self._step, trace.tree, enters=_walks_branches)
        for number, (link, params) in enumerate(self.ends, 1):
            ctx, source = trace.context(link), self.out
            value, _ = link.layer.forward(params, source.value, ctx)
            if number < len(self.ends):
                self.out = Variable(link, value, self.letters)
            else:
                self.out = Variable(link._replace(name=name), value, self.letters, first)
            source.edges.append(edge_of_link(link, source, self.out, params, ctx))
            self.variables.append(self.out)
        self._deltas: dict[int, Floats] = {}
        self._sizes: dict[int, Floats] = {}
        self._paths: tuple[dict[int, Floats], dict[int, Floats]] = ({}, {})

    def _step(self, link: Link, source: Variable, ends: Sequence[Variable], theta: Array) -> Variable:
        """Add a link after a source, or a block after the ends of its chains; return its output."""
        target = Variable(link, self.trace.outputs[link.name], self.letters)
        if ends:
            self._join(link, ends, target)
        else:
            edge = edge_of_link(link, source, target, theta, self.trace.context(link))
            source.edges.append(edge)
            if link.params:
                self.edges[link.name] = edge
        self.variables.append(target)
        return target

    def _join(self, link: Link, ends: Sequence[Variable], target: Variable) -> None:
        """Create the edges from the ends of a block's chains to its output."""
        layer, ctx = link.layer, self.trace.context(link)
        assert isinstance(layer, Block)
        ops, offset = layer.ops(link.fan_in), 0
        for number, end in enumerate(ends):
            if ops in (ADD, CONCATENATE):
                end.edges.append(CellwiseEdge(link, end, target, np.ones(end.value.shape), offset))
            else:
                end.edges.append(OwnEdge(link, end, target, partial(_part_of, layer, ctx, number)))
            offset += end.value.shape[1] if ops == CONCATENATE else 0

    # --- the number at the end -----------------------------------------------------------------------------------

    @cached_property
    def gradient(self) -> Floats:
        """d loss_i / d out_i (batch, outputs)"""
        gradient: Floats = self.trace.network.loss.gradient(self.trace.out, self.trace.y)
        return gradient

    @cached_property
    def start(self) -> Floats:
        """dL/d out (batch, outputs)"""
        return np.asarray(objective.gradient(self.gradient, self.trace.share))

    @property
    def reached(self) -> Floats:
        """1 for each output that affects L (batch, outputs)."""
        return np.ones(self.out.value.shape)

    def leaf(self, i: int, k: int) -> Expression:
        """Return dL by an output as a formula."""
        weight = share(self.trace, self.letters, i)
        return Product(weight, derivative(self.trace, self.out, self.gradient, i, k))

    def parts(self, out: Floats) -> Floats:
        """Return the parts (batch,) of the L of some outputs (batch, outputs), without the penalty."""
        losses = self.trace.network.loss.value(out, self.trace.y)
        return np.asarray(objective.parts(losses, self.trace.share))

    def sides(self, out: Floats) -> Sequence[NDArray[np.bool_]]:
        """Return for each output the side of each kink of the loss."""
        loss = self.trace.network.loss
        residual = out - np.tile(self.trace.y, loss.members)
        return [residual > kink for kink in loss.kinks]

    # --- its derivative by a cell --------------------------------------------------------------------------------

    def delta(self, variable: Variable) -> Floats:
        """Compute dL by each cell of a variable (batch, width): the sum over its edges of factor times delta."""
        return self._back_to(variable, self._deltas, self.start, lambda edge, d: edge.backward(d))

    def size(self, variable: Variable) -> Floats:
        """Compute the same sum of absolute values: the size of a derivative's terms."""
        return self._back_to(variable, self._sizes, np.abs(self.start), lambda edge, d: edge.backward_size(d))

    def paths(self, variable: Variable, live: bool = False) -> Floats:
        """Count the paths from each cell of a variable to L; live: without those with a factor of 0."""
        start = (self.start != 0).astype(np.float64) if live else self.reached
        return self._back_to(variable, self._paths[live], start, lambda edge, d: edge.paths(d, live))

    def _back_to(
        self,
        variable: Variable,
        known: dict[int, Floats],
        start: Floats,
        backward: Callable[[Edge, Floats], Floats],
    ) -> Floats:
        """Propagate from the end back to a variable, and cache all intermediate results."""
        for v in reversed(self.variables):  # those that depend on v come after it
            if id(v) not in known and v is self.out:
                known[id(v)] = start
            elif id(v) not in known:
                known[id(v)] = np.sum([backward(edge, known[id(edge.target)]) for edge in v.edges], axis=0)
            if v is variable:
                break
        return known[id(variable)]

    def edge_of(self, name: str) -> Edge:
        """Return the edge of a link's parameters."""
        if name not in self.edges:
            raise ConfigError(
                f"{name} is in a custom block, which cannot be written out; derive a number outside it."
            )
        return self.edges[name]


def _part_of(block: Block, ctx: Context, number: int, delta: Floats) -> Floats:
    """Return one chain's part of a block's gradient."""
    return np.asarray(block.split(delta, ctx)[number])


def _walks_branches(link: Link) -> bool:
    """Return whether a block uses `Block`'s forward and backward, and only overrides join and split."""
    kind = type(link.layer)
    return issubclass(kind, Block) and kind.forward is Block.forward and kind.backward is Block.backward
