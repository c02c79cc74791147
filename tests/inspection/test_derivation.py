"""The chain rule written out: the lesson's lines, the tree's numbers, and both ways to each of them."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pylatexenc.latexwalker import LatexWalker

from chainrule import (
    Activation,
    BatchNorm,
    ConfigError,
    Constant,
    Dense,
    Dropout,
    FocalCrossEntropy,
    Gamma,
    GradientDescent,
    Huber,
    Identity,
    Layer,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Model,
    Network,
    Parameter,
    Poisson,
    PReLU,
    Quantile,
    ReLU,
    Rescale,
    Residual,
    Scale,
    Sigmoid,
    SigmoidCrossEntropy,
    Skip,
    Softmax,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
    Tweedie,
)
from chainrule.formulas.layers import ACTIVATIONS, Operation
from chainrule.formulas.losses import LOSSES
from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.derivation.factors import CellwiseEdge, OwnEdge
from chainrule.inspection.derivation.graph import Graph
from chainrule.inspection.derivation.markup import Fraction, Number, Product, Sum, Symbol
from chainrule.inspection.derivation.tree import Node
from chainrule.inspection.trace.trace import Trace
from chainrule.network.blocks import Block
from strategies import targets_for

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
WEIGHT = np.array([1.0, 2.0, 1.0, 0.5, 3.0, 1.0])


def model_of(layers: list[Layer], loss: Loss | None = None, inputs: int = 4, **settings: float) -> Model:
    """A float64 model away from every kink."""
    model = Model(Network(inputs, layers, loss or MeanSquaredError(), **settings), seed=3, dtype="float64")
    model.theta += 0.1 * np.random.default_rng(5).normal(size=model.theta.size)
    return model


def targets(loss: Loss, outputs: int) -> np.ndarray:
    return targets_for(loss, 6, outputs, np.random.default_rng(11))


def names_of(trace: Trace) -> list[str]:
    """Every number that is learned, and every input."""
    names = []
    for slot in trace.network.slots:
        for index in np.ndindex(slot.parameter.shape):
            names.append(f"{slot.link.name}.{slot.field}[{','.join(map(str, index))}]")
    indices = [(k,) for k in range(trace.x.shape[1])] if trace.n == 1 else list(np.ndindex(trace.x.shape))
    return names + [f"x[{','.join(map(str, index))}]" for index in indices]


def backpropagated(trace: Trace) -> np.ndarray:
    """The same numbers in the same order, by backpropagation."""
    grads = [part.ravel() for params in trace.grads.values() for part in params]
    return np.concatenate([*grads, trace.delta["input"].ravel()])


def check(trace: Trace, every: int = 1, tolerance: float = 1e-8) -> None:
    """Each number, or each so-manieth, is what backpropagation and the central difference say."""
    for name, g in list(zip(names_of(trace), backpropagated(trace), strict=True))[::every]:
        derivation = trace.derive(name)
        room = 1e-12 * abs(g) + 4e-16 * derivation.magnitude
        assert abs(derivation.value - g) <= room, f"{name}: {derivation.value!r}, backpropagation {g!r}"
        numeric = abs(derivation.value - derivation.numeric)
        assert numeric <= tolerance * max(abs(g), 1e-3), f"{name}: {derivation}"


def from_leaves(node: Node) -> float:
    """The value of a tree by its own factors and nothing else: every term, down to the loss."""
    if node.leaf is not None:
        return node.leaf.value
    return math.fsum(
        term.factor.value * (from_leaves(term.node) if term.node else 1.0) for term in node.terms
    )


# --- the lesson's chain of single neurons, worked by hand in test_lesson.py


def lesson() -> Trace:
    """a4 --w3--> a3 --w2--> a2 --w1--> a1 --w0--> a0, C = (a0 - y)^2, with w3 to w0 = 0.5, 3, -1, 2; a4 = 2; y = -5."""
    model = Model(Network(1, [Dense(1)] * 4, MeanSquaredError()), dtype="float64")
    for params, w in zip(model.parameters.values(), (0.5, 3, -1, 2), strict=True):
        params.W[...] = w
    return model.trace([2.0], -5.0)


LINES = {
    "dense_4.W[0,0]": """
        ∂C/∂w0 = ∂a0/∂w0 · ∂C/∂a0
               = a1 · 2(a0 - y)
               = -3 · 2(-6 - (-5))
               = 6""",
    "dense_3.W[0,0]": """
        ∂C/∂w1 = ∂a1/∂w1 · ∂a0/∂a1 · ∂C/∂a0
               = a2 · w0 · 2(a0 - y)
               = 3 · 2 · 2(-6 - (-5))
               = -12""",
    "dense_2.W[0,0]": """
        ∂C/∂w2 = ∂a2/∂w2 · ∂a1/∂a2 · ∂a0/∂a1 · ∂C/∂a0
               = a3 · w1 · w0 · 2(a0 - y)
               = 1 · (-1) · 2 · 2(-6 - (-5))
               = 4""",
    "dense_1.W[0,0]": """
        ∂C/∂w3 = ∂a3/∂w3 · ∂a2/∂a3 · ∂a1/∂a2 · ∂a0/∂a1 · ∂C/∂a0
               = a4 · w2 · w1 · w0 · 2(a0 - y)
               = 2 · 3 · (-1) · 2 · 2(-6 - (-5))
               = 24""",
}


@pytest.mark.parametrize("name", LINES)
def test_the_lessons_four_lines(name: str):
    derivation = lesson().derive(name)
    lines = [line.strip() for line in LINES[name].strip().splitlines()]
    assert [line.strip() for line in derivation.text().splitlines()] == lines
    letter = "w" + str("4321".index(name[6]))
    head, text = str(derivation).split("\n\n")
    assert text == derivation.text()
    assert f"where {letter} = {name} = " in head.splitlines()[0]
    assert f"chain rule           {derivation.value:.12g}" in head
    assert f"central difference   {derivation.numeric:.12g}" in head


def test_the_lessons_update():
    """w3' = w3 - r a4 w2 w1 w0 2 (a0 - y) = 0.5 - 0.01 * 24 = 0.26; then a0 = 0.26 * 2 * -6 = -3.12, C = 1.88^2."""
    step = lesson().derive("dense_1.W[0,0]").step(0.01)
    assert step.formula.splitlines() == [
        "w3′ = w3 - r · ∂C/∂w3",
        "    = w3 - r · a4 · w2 · w1 · w0 · 2(a0 - y)",
        "    = 0.5 - 0.01 · 24",
        "    = 0.26",
    ]
    assert (step.before, step.gradient, step.loss_before) == (0.5, 24, 1)
    assert_allclose((step.after, step.loss_after, step.expected), (0.26, 1.88**2, -5.76), rtol=1e-14)
    assert "loss 1 → 3.5344, a change of +2.53; to first order -5.76" in str(step)


def test_the_chain_in_latex():
    latex = lesson().derive("dense_3.W[0,0]").latex()
    assert latex.splitlines()[1:3] == [
        r"\frac{\partial C}{\partial w_{1}} &= \frac{\partial a_{1}}{\partial w_{1}} \cdot "
        r"\frac{\partial a_{0}}{\partial a_{1}} \cdot \frac{\partial C}{\partial a_{0}} \\",
        r" &= a_{2} \cdot w_{0} \cdot 2\left(a_{0} - y\right) \\",
    ]


def test_a_chain_with_activations_has_z_before_each_and_a_after_it():
    trace = model_of([Dense(1), Tanh(), Dense(1), Sigmoid(), Dense(1)], inputs=1).trace([2.0], -5.0)
    text = trace.derive("dense_1.W[0,0]").text()
    assert "∂C/∂w2 = ∂z2/∂w2 · ∂a2/∂z2 · ∂z1/∂a2 · ∂a1/∂z1 · ∂a0/∂a1 · ∂C/∂a0" in text
    assert "= a3 · tanh′(z2) · w1 · sigmoid′(z1) · w0 · 2(a0 - y)" in text


def test_other_networks_keep_their_own_names():
    for layers, settings in (([Dense(2), Tanh(), Dense(1)], {}), ([Dense(1), Dense(1)], {"l2": 0.1})):
        trace = model_of(layers, inputs=1, **settings).trace([2.0], -5.0)
        assert "∂L/∂dense_1.W[0,0]" in str(trace.derive("dense_1.W[0,0]"))


def test_one_hidden_layer_as_the_lesson_writes_it():
    """dL/dW1 = -(y_true - y) W2 sigmoid'(W1 x + b1) x, with L = (y_true - y)^2 / 2."""
    trace = model_of([Dense(3), Sigmoid(), Dense(1)], MeanSquaredError(half=True)).trace(X[0], 2.0)
    text = trace.derive("dense_1.W[2,1]").text()
    assert "= x[2] · sigmoid′(dense_1.z[1]) · dense_2.W[1,0] · (dense_2.z[0] - y)" in text
    z, W = trace.z["dense_1"][0, 1], trace.parameters["dense_2"].W[1, 0]
    s = 1 / (1 + math.exp(-z))
    by_hand = X[0, 2] * s * (1 - s) * W * (trace.out[0, 0] - 2)
    assert_allclose(trace.derive("dense_1.W[2,1]").value, by_hand, rtol=1e-14)


# --- every link, every loss


EVERYTHING = [
    *(Standardize(), Rescale(0.5, 0.1), Dense(5), BatchNorm(), ReLU(), Dropout(0.3)),
    *(Residual([Tanh(), Dense(4), PReLU()]), Skip([BatchNorm(), Residual([Sigmoid(), Dense(9)]), Dense(2)])),
    *(Residual([Dense(11), Softmax()]), Dense(3)),
]


@pytest.mark.parametrize("training", [True, False])
def test_through_everything(training: bool):
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    model = model_of(EVERYTHING, loss, l2=0.02, l1=0.01)
    model.steps_trained = 4
    check(model.trace(X, targets(loss, 3), sample_weight=WEIGHT, training=training), every=7)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation(kind: str):
    check(
        model_of([Dense(3), ACTIVATIONS[kind](), Dense(2)]).trace(X, targets(MeanSquaredError(), 2)), every=2
    )


LOSSES_AND_SETTINGS = [
    *(kind() for kind in LOSSES.values()),
    *(MeanSquaredError(half=True), Huber(0.3), Quantile(0.2)),
    *(kind(label_smoothing=0.2) for kind in LOSSES.values() if hasattr(kind, "label_smoothing")),
    *(Tweedie(1.2), FocalCrossEntropy(0.5)),
]


@pytest.mark.parametrize("loss", LOSSES_AND_SETTINGS, ids=repr)
def test_every_loss(loss: Loss):
    last = [] if loss.domain == "real" else [Softmax() if loss.targets == "classes" else Sigmoid()]
    trace = model_of([Dense(3), Tanh(), Dense(3), *last], loss).trace(
        X, targets(loss, 3), sample_weight=WEIGHT
    )
    check(trace, every=3)
    for name in ("x[1,1]", "dense_2.b[1]"):
        tree = trace.derive(name).tree
        assert_allclose(from_leaves(tree), tree.value, rtol=1e-12)
    # each formula comes to what backpropagation starts from, and none is left to its name alone
    graph = Graph(trace)
    expected = trace.share[:, None] * loss.gradient(trace.out, trace.y)
    for i, k in np.ndindex(expected.shape):
        leaf = graph.leaf(i, k)
        assert_allclose(leaf.value, expected[i, k], rtol=1e-12, atol=1e-15)
        assert "loss′" not in leaf.text()
        assert leaf.text().startswith(f"s[{i}]/Σs")


def test_leaves_by_hand():
    for loss, leaf in {
        MeanSquaredError(): "2(dense_1.z[0] - y)",
        MeanSquaredError(half=True): "dense_1.z[0] - y",
        MeanAbsoluteError(): "sign(dense_1.z[0] - y)",
        Quantile(0.9): "sign(dense_1.z[0] - y)/2 - 0.4",
        Huber(0.01): "0.01",
        Huber(100.0): "dense_1.z[0] - y",
        SigmoidCrossEntropy(): "sigmoid(dense_1.z[0]) - y",
        Poisson(): "exp(dense_1.z[0]) - y",
        Gamma(): "1 - y · exp(-1 · dense_1.z[0])",
        Tweedie(): "exp(0.5 · dense_1.z[0]) - y · exp(-0.5 · dense_1.z[0])",
    }.items():
        trace = model_of([Dense(1)], loss).trace(X[0], float(loss.targets != "real"))
        found = Graph(trace).leaf(0, 0)
        assert found.text().lstrip("-") == leaf.lstrip("-"), loss
    trace = model_of([Dense(2)], SoftmaxCrossEntropy()).trace(X[:2], [0, 1])
    assert Graph(trace).leaf(1, 0).text() == "1/2 · (softmax(dense_1.z[1])[0] - y[1,0])"


def test_a_probability_held_away_from_zero_has_no_slope():
    from chainrule import CategoricalCrossEntropy

    trace = model_of([Dense(2), Softmax()], CategoricalCrossEntropy()).trace(1e4 * X[:1], [1])
    low = int(trace.out[0].argmin())
    assert trace.out[0, low] == 0
    assert Graph(trace).leaf(0, low).value == trace.network.loss.gradient(trace.out, trace.y)[0, low]


@pytest.mark.parametrize(
    "name", ["dense_1.W[1,2]", "dense_2.W[0,1]", "batch_norm_1.gamma[3]", "prelu_1.slope[1]", "x[2,1]"]
)
def test_the_value_is_what_the_trees_numbers_make(name: str):
    """Every factor and every term down to the loss, multiplied and added without a look at any array."""
    layers = [Dense(4), BatchNorm(), PReLU(), Residual([Dense(4)]), Skip([Softmax()]), Dense(2)]
    derivation = model_of(layers, l2=0.1).trace(X[:3], targets(MeanSquaredError(), 2)[:3]).derive(name)
    assert_allclose(from_leaves(derivation.tree), derivation.value, rtol=1e-12)


def test_batch_norm_makes_every_sample_feel_every_other():
    trace = model_of([Dense(3), BatchNorm(), Dense(1)]).trace(X, targets(MeanSquaredError(), 1))
    node = trace.derive("dense_1.W[0,0]").tree.terms[0].node
    assert node is not None and node.count == len(X)
    assert trace.derive("x[0,0]").tree.terms[0].node.count == len(X)  # type: ignore[union-attr]
    still = model_of([Dense(3), BatchNorm(), Dense(1)]).trace(
        X, targets(MeanSquaredError(), 1), training=False
    )
    node = still.derive("dense_1.W[0,0]").tree.terms[0].node
    assert node is not None and node.count == 1


def test_penalties_are_terms_of_their_own():
    model = model_of([Dense(2)], l2=0.25, l1=0.5)
    trace = model.trace(X[0], [1.0, 2.0])
    w = trace.parameters["dense_1"].W[3, 1]
    derivation = trace.derive("dense_1.W[3,1]")
    *_, l2, l1 = derivation.tree.largest(1)[0]  # shown however few are asked for
    assert (l2.factor.text(), l2.value) == ("l2 · dense_1.W[3,1]", 0.25 * w)
    assert (l1.factor.text(), l1.value) == ("l1 · sign(dense_1.W[3,1])", math.copysign(0.5, w))
    assert trace.derive("dense_1.b[1]").tree.count == 1


# --- layers of one's own


class ShiftParams(NamedTuple):
    c: Any


class Shift(Layer):
    """out = a * sin(c) + mean over the batch, which no rule of the package knows."""

    def parameters(self, fan_in, default):
        return ShiftParams(Parameter((fan_in,), Constant(0.7)))

    def forward(self, params, a, ctx):
        return a * np.sin(params.c) + a.mean(0), (a, params.c)

    def backward(self, params, cache, delta, ctx):
        a, c = cache
        return ShiftParams((delta * a * np.cos(c)).sum(0)), delta * np.sin(c) + delta.mean(0)


class Cubed(Activation):
    """a = z^3"""

    def f(self, z):
        return z**3

    def prime(self, z, a):
        return 3 * z**2


class Weighted(Block):
    """out = 0.25 F(a) + 0.75 a, a block with a join of its own."""

    def width(self, fan_in):
        return fan_in

    def join(self, branch, shortcut):
        return 0.25 * branch + 0.75 * shortcut

    def split(self, delta, ctx):
        return 0.25 * delta, 0.75 * delta


class Opaque(Residual):
    """A block that walks in a way of its own."""

    def forward(self, params, a, ctx):
        return super().forward(params, a, ctx)


class Cubic(Loss):
    """sum_k |r_k|^3, a loss of one's own."""

    kind, targets = "cubic", "real"

    def value(self, out, y):
        return (np.abs(out - y) ** 3).sum(-1)

    def gradient(self, out, y):
        return 3 * (out - y) * np.abs(out - y)


def test_through_layers_of_ones_own():
    layers = [Dense(3), Cubed(), Weighted([Dense(3), Shift()]), Shift(), Dense(2)]
    trace = model_of(layers, Cubic()).trace(X, targets(MeanSquaredError(), 2))
    check(trace, every=2)
    assert "cubed′(dense_1.z[" in trace.derive("dense_1.b[0]").text()
    assert re.search(r"∂shift_2\.z\[\d,\d\]/∂weighted_1\.z\[\d,\d\]", trace.derive("x[0,0]").text(nodes=60))
    assert "loss′(dense_3.z[" in trace.derive("dense_3.b[0]").text()


class Half(Layer):
    """out = a / 2, a layer of one's own in a known operation."""

    def forward(self, params, a, ctx):
        return 0.5 * a, None

    def backward(self, params, cache, delta, ctx):
        return (), 0.5 * delta

    def ops(self, fan_in):
        return (Operation("rescale", constants={"scale": 0.5, "offset": 0.0}),)


class HalfOfTheSecond(Half):
    """A subclass that is not the operation of the class above."""

    def forward(self, params, a, ctx):
        return a * np.arange(1, 3) / 2, None

    def backward(self, params, cache, delta, ctx):
        return (), delta * np.arange(1, 3) / 2


def test_a_layer_of_ones_own_in_a_known_operation_is_written_out_as_it():
    trace = model_of([Dense(2), Half(), HalfOfTheSecond(), Dense(1)]).trace(X, targets(MeanSquaredError(), 1))
    check(trace)
    edges = {edge.link.name: type(edge) for variable in Graph(trace).variables for edge in variable.edges}
    assert edges["half_1"] is CellwiseEdge and edges["half_of_the_second_1"] is OwnEdge


class GateParams(NamedTuple):
    w: Any


class Gate(Layer):
    """out = max(a, 0) w, a layer of one's own that moves nothing where a is not above 0."""

    def parameters(self, fan_in, default):
        return GateParams(Parameter((fan_in,), Constant(1.5), is_weight=True))

    def forward(self, params, a, ctx):
        return np.maximum(a, 0) * params.w, (a, params.w)

    def backward(self, params, cache, delta, ctx):
        a, w = cache
        return GateParams((np.maximum(a, 0) * delta).sum(0)), (a > 0) * delta * w


@pytest.mark.parametrize(("l2", "lines"), [(0.0, ["0"]), (0.1, ["l2 · gate_1.w[0]", "0.1 · 1.5", "0.15"])])
def test_a_number_that_moves_nothing_has_no_terms_but_the_penaltys(l2: float, lines: list[str]):
    network = Network(2, [Gate(), Dense(1)], MeanSquaredError(), l2=l2)
    trace = Model(network, dtype="float64").trace([-1.0, 1.0], 1.0)
    for name, expected in (("gate_1.w[0]", lines), ("x[0]", ["0"])):
        derivation = trace.derive(name)
        written = [line.partition("= ")[2] for line in derivation.text().splitlines()]
        assert written == expected
        assert derivation.value == pytest.approx(derivation.numeric, rel=1e-12)
        assert derivation.value == pytest.approx(float(expected[-1]))
        for markup in (derivation.mathml(), derivation._repr_html_()):
            ET.fromstring(markup)
        LatexWalker(derivation.latex(), tolerant_parsing=False).get_latex_nodes()
    assert "∂gate_1.z[1]/∂x[1]" in trace.derive("x[1]").text()


def test_a_walk_that_is_not_finite_is_named():
    for layers, loss, theta, place in [
        ([Dense(1), Tanh(), Dense(1)], None, math.nan, "the output of dense_1"),
        ([Dense(1), Dense(1)], None, 1e200, "the output of dense_2"),
        ([Dense(1)], Poisson(), 500.0, "the loss"),
    ]:
        model = model_of(layers, loss, inputs=1)
        model.theta[:] = theta
        with (
            np.errstate(all="ignore"),
            pytest.raises(ConfigError, match=f"^{place} contains NaN or infinity"),
        ):
            model.trace([1.0], 1.0).derive("x[0]")


def test_through_a_block_that_walks_in_its_own_way_but_not_inside():
    trace = model_of([Dense(3), Opaque([Dense(3), Tanh()]), Dense(2)]).trace(
        X, targets(MeanSquaredError(), 2)
    )
    derivation = trace.derive("dense_1.W[1,1]")
    assert_allclose(derivation.value, trace.grads["dense_1"].W[1, 1], rtol=1e-12)
    with pytest.raises(ConfigError, match="dense_2 is in a custom block"):
        trace.derive("dense_2.W[0,0]")


# --- sums over wide layers


def wide() -> Derivation:
    layers = [Dense(300), Tanh(), Dense(300), Tanh(), Dense(10)]
    model = model_of(layers, SoftmaxCrossEntropy(), inputs=4)
    return model.trace(X[0], 7).derive("dense_1.W[3,1]")


def test_the_largest_terms_and_the_rest_are_the_exact_sum():
    derivation = wide()
    end = derivation.tree.terms[0].node
    while end.count == 1:  # type: ignore[union-attr]
        end = end.terms[0].node  # type: ignore[union-attr]
    assert end is not None and end.count == 300
    for count in (1, 4, 299, 300):
        shown, others, rest = end.largest(count)
        assert (len(shown), others) == (count, 300 - count)
        sizes = [abs(term.value) for term in shown]
        assert sizes == sorted(sizes, reverse=True)
        assert_allclose(math.fsum([*(term.value for term in shown), rest]), end.value, rtol=1e-14)
    assert {abs(term.value) for term in end.largest(4)[0]} == set(
        sorted((abs(term.value) for term in end.terms), reverse=True)[:4]
    )
    assert_allclose(derivation.value, derivation.numeric, rtol=1e-10)


def test_the_text_of_a_wide_sum():
    text = wide().text(terms=3, nodes=5)
    assert "= a sum of 300 terms, the 3 largest one by one" in text
    assert re.search(r"\+ the other 297 terms +=", text)
    assert text.count("∂L/∂dense_3.z[7] = ") == 1  # the heaviest path reaches the loss whatever `nodes` is
    assert "more derivatives are named but not written out" in text


def test_numbers_of_terms_and_nodes_are_checked():
    derivation = lesson().derive("dense_1.W[0,0]")
    for settings in ({"terms": 0}, {"nodes": 0}, {"terms": 1.5}, {"nodes": True}):
        with pytest.raises(ConfigError, match="must be an integer of at least 1"):
            derivation.text(**settings)


# --- the central difference


def test_no_step_crosses_a_kink():
    """z = w x = 0.01, and ReLU's kink is at w = 0."""
    model = Model(Network(1, [Dense(1), ReLU(), Dense(1)], MeanSquaredError()), dtype="float64")
    model.theta[:] = [0.01, 0, 2.0, 0]
    derivation = model.trace([1.0], 1.0).derive("dense_1.W[0,0]")
    assert derivation.difference.step < 0.01
    assert derivation.difference.kink is not None and 0.005 < derivation.difference.kink <= 0.02
    assert derivation.difference.note.startswith(
        "there is a kink within"
    ) and derivation.difference.note in str(derivation)
    assert_allclose(derivation.numeric, derivation.value, rtol=1e-12)


def test_a_kink_at_the_very_place_is_said():
    model = Model(Network(1, [Dense(1), ReLU(), Dense(1)], MeanSquaredError()), dtype="float64")
    model.theta[:] = [0.0, 0, 2.0, 0]  # z = 0: on the left the slope is 0, on the right 2 (0 - 1) 2 = -4
    derivation = model.trace([1.0], 1.0).derive("dense_1.W[0,0]")
    assert derivation.value == 0  # ReLU'(0) = 0
    assert_allclose(derivation.numeric, -2, rtol=1e-5)
    assert derivation.difference.kink == 0 and "there is a kink at this value" in str(derivation)


def test_a_gradient_too_small_for_the_difference_is_said():
    model = model_of([layer for _ in range(14) for layer in (Dense(2), Sigmoid())] + [Dense(1)])
    derivation = model.trace(X, targets(MeanSquaredError(), 1)).derive("dense_1.W[0,0]")
    assert 0 < abs(derivation.value) < 1e-10
    assert abs(derivation.value - derivation.numeric) <= 2 * derivation.difference.error
    assert re.search(r"is accurate only to about \de-1\d: a loss of .+ has no more digits", str(derivation))


def test_terms_that_cancel_are_said():
    """A bias before batch norm changes nothing: its terms add up to 0, of which rounding leaves a trace."""
    trace = model_of([Dense(5), BatchNorm(), Tanh(), Dense(1)]).trace(X, targets(MeanSquaredError(), 1))
    derivations = [trace.derive(f"dense_1.b[{k}]") for k in range(5)]
    assert all(d.magnitude > 1e9 * max(abs(d.value), abs(d.numeric)) for d in derivations)
    assert any(
        re.search(r"terms of up to \de[-+]\d+ cancel, so it is accurate only to", str(d)) for d in derivations
    )


def test_the_steps_loss_is_the_models_loss_after_it():
    model = model_of(EVERYTHING, SoftmaxCrossEntropy(), l2=0.1)
    y = targets(model.network.loss, 3)
    for name in ("dense_1.W[2,1]", "batch_norm_1.beta[0]"):
        trace = model.trace(X, y)
        step = trace.derive(name).step(0.05)
        again = Model(model.network, seed=3, dtype="float64")
        again.theta[:], again.states = model.theta, model.states
        link, field, index = re.fullmatch(r"(\w+)\.(\w+)\[(.+)\]", name).groups()  # type: ignore[union-attr]
        getattr(again.parameters[link], field)[tuple(map(int, index.split(",")))] = step.after
        assert_allclose(step.loss_after, again.loss_and_gradients(X, y)[0], rtol=1e-12)
        assert step.loss_before == trace.loss


def test_a_step_is_what_gradient_descent_does():
    model = model_of([Dense(1)], inputs=1)
    step = model.trace([1.5], 2.0, training=True).derive("dense_1.W[0,0]").step(0.1)
    model.fit([[1.5]], [2.0], epochs=1, optimizer=GradientDescent(0.1))
    assert_allclose(model.parameters["dense_1"].W[0, 0], step.after, rtol=1e-14)


# --- float32


def test_a_float32_model_is_derived_in_float64():
    network = Network(4, [Dense(5), BatchNorm(), Tanh(), Dropout(0.4), Dense(2)], MeanSquaredError())
    model = Model(network, seed=1)
    trace = model.trace(X, targets(MeanSquaredError(), 2))
    derivation = trace.derive("dense_1.W[1,1]")
    assert trace.theta.dtype == np.float32
    assert derivation.trace.theta.dtype == np.float64
    assert_array_equal(derivation.trace.theta, trace.theta)
    assert_array_equal(derivation.trace.z["dropout_1"] == 0, trace.z["dropout_1"] == 0)  # the same mask
    assert_allclose(derivation.value, trace.grads["dense_1"].W[1, 1], rtol=1e-4)
    assert derivation.relative_difference < 1e-9


# --- names


def test_names_of_numbers():
    trace = model_of(EVERYTHING, SoftmaxCrossEntropy()).trace(X, targets(SoftmaxCrossEntropy(), 3))
    one = model_of([Dense(3)]).trace(X[0], [1.0, 2.0, 3.0])
    assert trace.derive(" dense_2.W[ 3, 1 ] ").name == "dense_2.W[3,1]"
    assert one.derive("input[3]").value == one.derive("x[3]").value == one.derive("x[0,3]").value
    assert one.derive("x[0,3]").name == "x[3]"
    assert trace.derive("input[2,3]").name == "input[2,3]"
    assert repr(one.derive("x[3]")).startswith("<Derivation of ∂L/∂x[3] = ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dense_9.W[0,0]", r"there is no parameter 'dense_9\.W'; there are dense_1\.W, .*, input\."),
        ("dense_1.gamma[0]", r"there is no parameter 'dense_1\.gamma'"),
        ("dense_1[0]", r"there is no parameter 'dense_1'"),
        ("dense_1.W[0,5]", r"dense_1\.W has shape .* last number is dense_1\.W\[3,4\]; dense_1\.W\[0,5\] does not"),
        ("dense_1.W[0]", r"dense_1\.W has shape \(4, 5\)"),
        ("x[9,0]", r"x has shape \(6, 4\), .* last number is x\[5,3\]"),
        ("x[3]", r"an input of this trace of 6 is named like x\[0,5\]: the sample's index, then the feature's"),
        ("dense_1.W[-1,0]", "must name one number, such as"),
        ("", "must name one number, such as"),
        (3, "must name one number, such as"),
    ],
)  # fmt: skip
def test_a_number_that_is_not_there(name: Any, message: str):
    trace = model_of(EVERYTHING, SoftmaxCrossEntropy()).trace(X, targets(SoftmaxCrossEntropy(), 3))
    with pytest.raises(ConfigError, match=message):
        trace.derive(name)


# --- writing


def test_brackets_and_signs():
    a, b = Symbol("a", "a", "", "", -2.0), Symbol("b", "b", "", "", 3.0)
    one = Number(1.0)
    for made, symbols, numbers, value in [
        (Product(one, a), "a", "-2", -2.0),
        (Product(), "1", "1", 1.0),
        (Product(b, a), "b · a", "3 · (-2)", -6.0),
        (Product(a, Sum(b, (-1, a))), "a · (b - a)", "-2 · (3 - (-2))", -10.0),
        (Product(Number(2.0), Sum(b, (-1, a))), "2(b - a)", "2(3 - (-2))", 10.0),
        (Product(b, Product(Number(2.0), Sum(a, b))), "b · 2(a + b)", "3 · 2(-2 + 3)", 6.0),
        (Product(one, Sum(a, b)), "a + b", "-2 + 3", 1.0),
        (Sum((-1, Fraction(Product(a, b), one))), "-a · b/1", "-(-2 · 3/1)", 6.0),
        (Fraction(Sum(one, (-1, b)), Sum(one, (-1, a))), "(1 - b)/(1 - a)", "(1 - 3)/(1 - (-2))", -2 / 3),
        (Sum(b, Product(a, b)), "b + a · b", "3 + (-2 · 3)", -3.0),
    ]:
        assert (made.text(), made.text(numbers=True)) == (symbols, numbers)
        assert made.value == pytest.approx(value, rel=1e-15)


def test_numbers_in_three_ways():
    assert Number(-0.0).text() == "0"
    assert Number(1.5e-7).latex() == r"1.5 \times 10^{-7}"
    assert Number(-2.5).mathml() == "<mrow><mo form='prefix'>−</mo><mn>2.5</mn></mrow>"
    assert "<msup><mn>10</mn><mn>−7</mn></msup>" in Number(1.5e-7).mathml()


KNOWN_MACROS = {
    *("frac", "partial", "cdot", "left", "right", "quad", "text", "operatorname", "mathrm", "hat", "times"),
    *("gamma", "beta", "sigma", "lambda", "Sigma", "begin", "end", "\\"),
}
"""What amsmath compiles; a macro that is not here has not been seen to compile."""


def all_derivations() -> list[Derivation]:
    found = [lesson().derive("dense_1.W[0,0]"), wide()]
    names = ("dense_1.W[0,0]", "prelu_1.slope[0]", "batch_norm_1.gamma[1]", "x[0,0]")
    for i, loss in enumerate(LOSSES_AND_SETTINGS):
        last = [] if loss.domain == "real" else [Softmax() if loss.targets == "classes" else Sigmoid()]
        trace = model_of([*EVERYTHING, *last], loss, l2=0.1, l1=0.1).trace(
            X, targets(loss, 3), sample_weight=WEIGHT
        )
        found.append(trace.derive(names[i % len(names)]))
    own = model_of([Dense(2), Identity(), Cubed(), Shift(), Dense(1)], Cubic())
    found.append(own.trace(X, targets(MeanSquaredError(), 1)).derive("shift_1.c[0]"))
    return found


@pytest.mark.slow
def test_latex_is_well_formed():
    for derivation in all_derivations():
        latex = derivation.latex(nodes=20)
        LatexWalker(
            latex, tolerant_parsing=False
        ).get_latex_nodes()  # raises where a brace or an environment is open
        assert set(re.findall(r"\\([A-Za-z]+|\\)", latex)) <= KNOWN_MACROS
        assert latex.count(r"\left") == latex.count(r"\right")
        assert latex.isascii()
        assert not re.search(r"(?<!\\)_(?!\{)", latex)


@pytest.mark.slow
def test_mathml_and_html_are_well_formed():
    for derivation in all_derivations():
        for markup in (derivation.mathml(nodes=20), derivation._repr_html_()):
            root = ET.fromstring(markup)
            assert root.tag.rpartition("}")[2] in ("math", "div")
            assert {len(row) for row in root.iter() if row.tag.endswith("mtr")} <= {3}


def test_a_kind_with_strange_letters_is_escaped():
    class Odd(Cubed):
        kind = "a_b<&%"

    trace = model_of([Dense(2), Odd(), Dense(1)]).trace(X[0], 1.0)
    derivation = trace.derive("dense_1.b[0]")
    ET.fromstring(derivation.mathml())
    assert r"\operatorname{a\_b<\&\%}" in derivation.latex()


def test_the_page_holds_the_same_numbers():
    derivation = lesson().derive("dense_1.W[0,0]")
    page = derivation.html()
    assert page.startswith("<!doctype html>")
    assert "∂C/∂w3 = 24" in page
    assert r"\frac{\partial C}{\partial w_{3}}" in page
    assert page.count("<details") == 1
    assert len(page) < 100_000  # it has no figure, so it does not carry Plotly


@pytest.mark.parametrize("training", [False, True])
def test_edges_hand_back_what_layers_do(training: bool):
    """sum over target cells of factor * delta, from the factors as arrays and one by one, is the layer's backward."""
    layers = [
        *(Rescale(0.5), Dense(4), Scale(), BatchNorm(), PReLU(), Dropout(0.3), Dense(4), Tanh(), Softmax()),
        Dense(3),
    ]
    model = Model(Network(4, layers, SoftmaxCrossEntropy()), seed=3, dtype="float64")
    rng = np.random.default_rng(4)
    X = rng.normal(size=(5, 4))
    model.fit(X, np.arange(5) % 3, epochs=1)
    trace = model.trace(X, np.arange(5) % 3, training=training)
    for source in Graph(trace).variables:
        for edge in source.edges:
            link, theta = edge.link, trace.parameters.get(edge.link.name, ())
            delta = rng.normal(size=edge.target.value.shape)
            ctx = trace.context(link)
            _, cache = link.layer.forward(theta, source.value, ctx)
            back = link.layer.backward(theta, cache, delta, ctx)[1]
            assert_allclose(edge.backward(delta), back, rtol=1e-12, atol=1e-12)
            for i, k in np.ndindex(source.value.shape):
                rows, columns, factors = edge.cells(i, k)
                assert factors @ delta[rows, columns] == pytest.approx(back[i, k], rel=1e-11, abs=1e-12)


def test_the_difference_at_a_kink_away_from_0():
    """|t - 1| at t = 1, where the smallest steps round to nothing: the mean of -1 and 1."""
    from chainrule.inspection.derivation.difference import Perturbation, central_difference

    def probe(t: float) -> Perturbation:
        return Perturbation(np.array([abs(t - 1)]), 0.0, (np.array([t > 1, t < 1]),))

    found = central_difference(probe, 1.0)
    assert found.value == 0.0 and found.kink == 0.0
