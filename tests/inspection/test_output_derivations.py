"""Outputs and answers derived by inputs and weights: by hand, `Model.jacobian`, central differences and PyTorch."""

from __future__ import annotations

import re
import warnings
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pylatexenc.latexwalker import LatexWalker

import chainrule as c
from chainrule import ConfigError, Dense, Layer, Model, Network, Tanh
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.derivation.tree import Node
from chainrule.inspection.trace.trace import Trace
from chainrule.trained.persistence import LAYERS
from chainrule.views import words
from layer_examples import examples, loss_with_its_end
from needs import needs
from states import drawn_states, stands_first
from strategies import Problem, problems, seeds, targets_for

INPUTS, WIDTH = 4, 12  # 12 divides into the groups of every GroupedDense


@pytest.fixture(autouse=True)
def quiet():
    """The models are not trained, which their predictions warn of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the model was never trained")
        yield


def model_of(layers: list[Layer], loss: Any = None, inputs: int = INPUTS) -> Model:
    """A model with parameters and states that are drawn, away from 0."""
    network, random = Network(inputs, layers, loss or c.MeanSquaredError()), np.random.default_rng(7)
    theta = random.choice((-1, 1), network.size) * random.uniform(0.3, 0.9, network.size)
    model = Model.with_theta(network, theta)
    model.states = drawn_states(network, random)
    return model


def traced(model: Model, X: Any, training: bool | None = False) -> Trace:
    X = np.atleast_2d(X)
    y = targets_for(model.network.loss.of_member, len(X), model.network.outputs, np.random.default_rng(0))
    return model.trace(X, y, training=training)


def row_for(layer: Layer) -> np.ndarray:
    row = np.random.default_rng(3).normal(size=INPUTS)
    if layer.reads_codes:
        row[[0, 2]] = 2, 1
    return row


def from_leaves(node: Node) -> float:
    """The value of a tree by its own factors and nothing else."""
    if node.leaf is not None:
        return node.leaf.value
    return sum(term.factor.value * (from_leaves(term.node) if term.node else 1.0) for term in node.terms)


def check_numeric(derivation: Derivation) -> None:
    room = 8 * derivation.difference.error + 1e-14 * derivation.magnitude
    assert abs(derivation.value - derivation.numeric) <= 1e-8 * abs(derivation.value) + room, str(derivation)


def check_row(model: Model, x: np.ndarray, of: str, columns: list[int]) -> None:
    """Compare each derivative of one row with `Model.jacobian` and, for some columns, with central differences."""
    trace = traced(model, x)
    J = model.jacobian(x, of="answer" if of == "answer" else "outputs")[0]
    for k, i in np.ndindex(J.shape):
        derivation = trace.derive(f"x[{i}]", of=f"{of}[{k}]")
        room = 1e-14 * derivation.magnitude
        assert_allclose(derivation.value, J[k, i], rtol=1e-11, atol=room, err_msg=str(derivation))
        if i in columns:
            check_numeric(derivation)


# --- by hand


def test_the_lessons_chain():
    """a4 --w3--> a3 --w2--> a2 --w1--> a1 --w0--> a0: da0/da4 = w3 w2 w1 w0 = 0.5 * 3 * -1 * 2, and a0 = -3 a4."""
    model = Model(Network(1, [Dense(1)] * 4, c.MeanSquaredError()), dtype="float64")
    for params, w in zip(model.parameters.values(), (0.5, 3, -1, 2), strict=True):
        params.W[...] = w
    found = model.trace([2.0], -5.0).derive("x[0]", of="output[0]")
    assert [line.strip() for line in found.text().splitlines()] == [
        "∂a0/∂a4 = ∂a3/∂a4 · ∂a2/∂a3 · ∂a1/∂a2 · ∂a0/∂a1",
        "= w3 · w2 · w1 · w0",
        "= 0.5 · 3 · (-1) · 2",
        "= -3",
    ]
    assert str(found).startswith("∂a0/∂a4 = -3, where a4 = x[0] = 2 and a0 = output[0] = -6\n")
    assert found.numeric == pytest.approx(-3, rel=1e-12)
    last = model.trace([2.0], -5.0).derive("dense_4.W[0,0]", of="output")
    assert last.text().splitlines() == ["∂a0/∂w0 = a1", "        = -3"]


def test_a_sum_over_two_paths():
    """f_1 = 3 tanh(2 x) + 5 tanh(-x) at x = 0, where tanh' is 1: f_1' = 2 * 3 - 1 * 5 = 1. f_0 has no term."""
    model = Model.with_theta(
        Network(1, [Dense(2), Tanh(), Dense(2)], c.MeanSquaredError()),
        np.array([2.0, -1, 0, 0, 7, 3, 9, 5, 0, 0]),
    )
    found = model.trace([0.0], [1.0, 1.0]).derive("input[0]", of="output[1]")
    assert found.text() == (
        "∂dense_2.z[1]/∂x[0] = a sum of 2 terms, the largest first\n"
        "    dense_1.W[0,0] · ∂dense_2.z[1]/∂dense_1.z[0]  = 2 · 3   =  6\n"
        "  + dense_1.W[0,1] · ∂dense_2.z[1]/∂dense_1.z[1]  = -1 · 5  = -5\n"
        "  = 1\n\n"
        "∂dense_2.z[1]/∂dense_1.z[0] = tanh′(dense_1.z[0]) · dense_2.W[0,1]\n"
        "                            = 1 · 3\n"
        "                            = 3\n\n"
        "∂dense_2.z[1]/∂dense_1.z[1] = tanh′(dense_1.z[1]) · dense_2.W[1,1]\n"
        "                            = 1 · 5\n"
        "                            = 5"
    )
    assert "where x[0] = input[0] = 0 and dense_2.z[1] = output[1] = 0" in str(found)


def test_the_probabilities_of_two_classes():
    """p = sigmoid(2 x): p' = 2 p (1 - p) = 0.375 at p = 3/4, and 1 - p has the other sign."""
    model = Model.with_theta(Network(1, [Dense(1)], c.SigmoidCrossEntropy()), np.array([2.0, 0]))
    trace = model.trace([np.log(3) / 2], 1)
    first, second = (trace.derive("x[0]", of=f"answer[{k}]") for k in (0, 1))
    assert [first.value, second.value] == pytest.approx([-0.375, 0.375], rel=1e-14)
    assert [first.of_value, second.of_value] == pytest.approx([0.25, 0.75], rel=1e-14)
    assert "= dense_1.W[0,0] · sigmoid′(dense_1.z[0])\n" in second.text()
    assert "= dense_1.W[0,0] · sigmoid′(dense_1.z[0]) · (-1)\n" in first.text()
    assert trace.derive("x[0]", of="output[0]").value == 2


def test_the_probability_of_a_class():
    """d p_2 / d z_j = p_2 ([j = 2] - p_j), with p = (1, 2, 5)/8."""
    model = Model.with_theta(
        Network(1, [Dense(3)], c.SoftmaxCrossEntropy()), np.array([1.0, 10, 100, 0, np.log(2), np.log(5)])
    )
    found = model.trace([0.0], 0).derive("x[0]", of="answer[2]")
    assert found.value == pytest.approx(5 / 8 * (100 - (1 + 20 + 500) / 8), rel=1e-13)
    assert "∂answer[2]/∂dense_1.z[1] = -answer[2] · answer[1]" in found.text()
    assert "∂answer[2]/∂dense_1.z[2] = answer[2] · (1 - answer[2])" in found.text()


def test_members_side_by_side():
    """The mean of two members' probabilities, each of which is 1/2 at z = 0: d/dz = 1/2 * 1/2 * (1 - 1/2) = 1/8."""
    model = Model.with_theta(
        Network(1, [Dense(4)], c.MeanOverMembers(c.SoftmaxCrossEntropy(), 2)),
        np.array([1.0, 0, 3, 0, *4 * [0]]),
    )
    found = model.trace([0.0], 0).derive("x[0]", of="answer[0]")
    assert found.value == pytest.approx(4 / 8, rel=1e-14)
    written = "1/2 · softmax(dense_1.z[2:4])[0] · (1 - softmax(dense_1.z[2:4])[0])"
    assert f"∂answer[0]/∂dense_1.z[2] = {written}" in found.text()


def test_outputs_in_the_targets_units():
    X = np.linspace(-1, 1, 40)[:, None]
    model = Model(Network(1, [Dense(4), Tanh(), Dense(1)], c.MeanSquaredError()), dtype="float64")
    model.fit(X, 1000 + 300 * X[:, 0], epochs=60, optimizer=c.Adam(0.05), scale_targets="clamp")
    for x in (0.1, 3.0):
        check_row(model, np.array([x]), "output", [0])
        check_row(model, np.array([x]), "answer", [0])
    found = traced(model, [0.1]).derive("x[0]", of="output")
    assert "dense_2.W[0,0] · target_scale.std[0]" in found.text()
    assert found.of_value == pytest.approx(float(model.outputs(X[:1] * 0 + 0.1)[0, 0]))
    assert traced(model, [3.0]).derive("x[0]", of="answer[0]").value == 0  # clipped to 1300


# --- the registries

PAIRS = [(layer, "tanh") for kind in LAYERS for layer in examples(kind)] + [
    (Dense(WIDTH), kind) for kind in ACTIVATIONS
]


@pytest.mark.parametrize("layer, activation", PAIRS, ids=lambda each: repr(each))
def test_every_layer_and_activation(layer: Layer, activation: str):
    body = [layer, Dense(WIDTH)] if stands_first(layer) else [Dense(WIDTH), layer]
    model = model_of([*body, ACTIVATIONS[activation](), Dense(2)])
    check_row(model, row_for(layer), "output", [1, 3])


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("members", [1, 2])
def test_the_answer_of_every_loss(kind: str, members: int):
    if (made := loss_with_its_end(kind, members)) is None:
        return
    loss, ends = made
    outputs = 1 if loss.targets == "binary" and not ends else 3
    model = model_of([Dense(3), Tanh(), Dense(outputs * members), *ends], loss)
    for of in ("output", "answer"):
        check_row(model, row_for(Dense(1)), of, [0, 3])
    tree = (
        traced(model, row_for(Dense(1)))
        .derive("x[1]", of="answer[1]" if loss.targets != "real" else "answer[0]")
        .tree
    )
    assert_allclose(from_leaves(tree), tree.value, rtol=1e-11)


@settings(max_examples=40)
@given(problems(dropout=False), seeds, st.booleans())
def test_random_networks(problem: Problem, seed: int, of_answer: bool):
    """A random output or answer of a random row by a random input of it, and by a random parameter."""
    model, X, y, weight = problem
    trace, rng = model.trace(X, y, sample_weight=weight, training=False), np.random.default_rng(seed)
    J = model.jacobian(X, of="answer" if of_answer else "outputs")
    i, k, j = (int(rng.integers(size)) for size in J.shape)
    of = "answer" if of_answer else "output"
    place, by = (f"{k}", f"{j}") if len(X) == 1 else (f"{i},{k}", f"{i},{j}")
    found = trace.derive(f"x[{by}]", of=f"{of}[{place}]")
    assert_allclose(found.value, J[i, k, j], rtol=1e-9, atol=1e-13 * max(1.0, found.magnitude))
    check_numeric(found)
    if model.network.size:
        slot = list(model.network.slots)[int(rng.integers(len(model.network.slots)))]
        index = ",".join(str(rng.integers(size)) for size in slot.parameter.shape)
        check_numeric(trace.derive(f"{slot.link.name}.{slot.field}[{index}]", of=f"{of}[{place}]"))


def test_in_training_samples_affect_each_other():
    model = model_of([Dense(3), c.BatchNorm(), Tanh(), c.Dropout(0.4), c.Residual([Dense(3)]), Dense(2)])
    X = np.random.default_rng(1).normal(size=(5, INPUTS))
    trace, still = traced(model, X, training=True), traced(model, X)
    for name in ("x[0,1]", "x[3,1]", "dense_1.W[1,2]", "batch_norm_1.gamma[0]"):
        found = trace.derive(name, of="output[3,1]")
        check_numeric(found)
        assert_allclose(from_leaves(found.tree), found.value, rtol=1e-11)
    assert trace.derive("x[0,1]", of="output[3,1]").value != 0
    apart = still.derive("x[0,1]", of="output[3,1]")
    assert apart.value == apart.numeric == apart.tree.count == 0


@needs("torch")
@pytest.mark.parametrize("loss", [c.SoftmaxCrossEntropy(), c.MeanSquaredError()], ids=repr)
def test_pytorch_agrees(loss: Any):
    """Each output and answer by each input and parameter, with blocks, norms and slopes, by PyTorch's autograd."""
    import torch

    from torch_networks import Batch, walk

    layers = [
        Dense(5),
        c.BatchNorm(),
        c.GELU(),
        c.Residual([Dense(5), c.PReLU()]),
        c.Skip([Dense(2), c.SiLU()]),
    ]
    model = model_of([*layers, Dense(3)], loss)
    x = row_for(Dense(1))
    trace = traced(model, x)
    params = {
        name: {field: torch.tensor(value, requires_grad=True) for field, value in each._asdict().items()}
        for name, each in model.parameters.items()
    }
    states = {name: {f: torch.tensor(v) for f, v in s._asdict().items()} for name, s in model.states.items()}
    a = torch.tensor(x[None], requires_grad=True)
    out = walk(model.network.links, a, Batch(params, states, False, (), {}))
    names = [(name, field) for name, each in params.items() for field in each]
    answer = torch.softmax(out, 1) if loss.targets == "classes" else out
    for of, values in (("output", out), ("answer", answer)):
        for k in range(3):
            leaves = [a, *(params[name][field] for name, field in names)]
            grads = torch.autograd.grad(values[0, k], leaves, retain_graph=True)
            for i in range(INPUTS):
                found = trace.derive(f"x[{i}]", of=f"{of}[{k}]")
                assert_allclose(found.value, float(grads[0][0, i]), rtol=1e-10, atol=1e-13)
            for (name, field), grad in zip(names, grads[1:], strict=True):
                place = np.unravel_index(int(grad.abs().argmax()), tuple(grad.shape))
                found = trace.derive(f"{name}.{field}[{','.join(map(str, place))}]", of=f"{of}[{k}]")
                assert_allclose(found.value, float(grad[place]), rtol=1e-10, atol=1e-13)


# --- views, and what is refused


def test_every_view_shows_the_output():
    model = model_of([Dense(2), Tanh(), Dense(3)], c.SoftmaxCrossEntropy())
    found = traced(model, row_for(Dense(1))).derive("x[1]", of="answer[2]")
    assert repr(found).startswith("<Derivation of ∂answer[2]/∂x[1] = ")
    for markup in (found.mathml(nodes=20), found._repr_html_()):
        ET.fromstring(markup)
    latex = found.latex(nodes=20)
    LatexWalker(latex, tolerant_parsing=False).get_latex_nodes()
    assert r"\frac{\partial \mathrm{answer}_{2}}{\partial x_{1}}" in latex
    page = found.html()
    assert "The derivative of answer[2] by x[1]" in page and f"answer[2] {found.of_value:.6g}" in page
    data = found.to_data()
    assert data["of"] == "answer[2]" and data["equations"][0]["value"] == found.value
    assert traced(model, row_for(Dense(1))).derive("x[1]").to_data()["of"] == "loss"


def test_the_same_in_chinese():
    model = model_of([Dense(6), Tanh(), Dense(3)], c.SoftmaxCrossEntropy())
    trace = traced(model, row_for(Dense(1)))
    found = trace.derive("x[1]", of="answer[2]")
    with words.spoken_in("zh"):
        shown, page, loss = str(found), found.html(), trace.derive("dense_1.W[0,0]")
        assert f"其中 x[1] = {found.at:.6g}，answer[2] = {found.of_value:.6g}\n" in shown
        assert "∂answer[2]/∂x[1] = 6 項的和，逐一寫出最大的 4 項\n" in shown
        assert f"<p>其中 x[1] = {found.at:.6g}，answer[2] = {found.of_value:.6g}。</p>" in page
        assert "answer[2]對 x[1] 的導數，1 個樣本，如預測時" in page
        assert "損失對 dense_1.W[0,0] 的導數" in loss.html()
        assert str(loss.step(0.1)).splitlines()[-1].startswith(f"損失 {trace.loss:.6g} → ")
    assert "Where x[1] = " in found.html()


class Squared(c.MeanSquaredError):
    """A loss that predicts the square of its output."""

    def predict(self, out: Any) -> Any:
        return out**2


def test_what_is_refused():
    model = model_of([Dense(3), Tanh(), Dense(2)])
    one, batch = traced(model, np.ones(INPUTS)), traced(model, np.ones((3, INPUTS)))
    for trace, of, message in [
        (one, "logits[0]", "of must name the loss, 'output[1]' or 'answer[1]', not 'logits'"),
        (one, "output.W[0]", "of must name the loss, 'output[1]' or 'answer[1]', not 'output.W'"),
        (one, "loss[0]", "of must name the loss, 'output[1]' or 'answer[1]', not 'loss'"),
        (one, 1, "of must name the loss, 'output[1]' or 'answer[1]', not 1"),
        (one, "output", "an output of this trace of 1 is named like output[1]"),
        (
            one,
            "answer[2]",
            "answer has shape (1, 2), so its last number is answer[0,1]; answer[0,2] does not exist",
        ),
        (
            batch,
            "output[1]",
            "this trace of 3 is named like output[0,1]: the sample's index, then the output's",
        ),
    ]:
        with pytest.raises(ConfigError, match=re.escape(message)):
            trace.derive("x[0,1]" if trace is batch else "x[1]", of=of)  # type: ignore[arg-type]
    with pytest.raises(
        ConfigError, match=r"a step lowers the loss, but this is the derivative of output\[1\]"
    ):
        one.derive("x[1]", of="output[1]").step(0.1)
    with pytest.raises(ConfigError, match=r"the derivative of Squared.predict is not known"):
        traced(model_of([Dense(2)], Squared()), np.ones(INPUTS)).derive("x[1]", of="answer[1]")


def test_an_answer_that_is_not_finite_is_named():
    model = Model.with_theta(Network(1, [Dense(1)], c.Poisson()), np.array([800.0, 0]))
    with np.errstate(all="ignore"):
        trace = model.trace([1.0], 1.0)
        assert trace.derive("x[0]", of="output").value == 800
        with pytest.raises(ConfigError, match=r"^answer\[0\] contains NaN or infinity"):
            trace.derive("x[0]", of="answer")
