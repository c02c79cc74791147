"""Backpropagation in the studio: its numbers are those of the model, of differences, and of the lesson by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import (
    SGD,
    BatchNorm,
    ChainruleError,
    Dense,
    Dropout,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.inspection.trace.gradient_check import loss_and_gradient
from chainrule.recipe.data import from_arrays
from chainrule.studio import screens
from chainrule.studio.session.commands import find
from chainrule.studio.session.messages import pack
from chainrule.studio.session.studio import Studio

assert screens.__name__
rng = np.random.default_rng(5)
X = rng.normal(size=(40, 6))
LABELS = np.arange(40) % 3


def call(studio: Studio, name: str, /, **arguments: Any) -> dict[str, Any]:
    answer = find(f"backprop.{name}")(studio, arguments)
    assert pack({"id": 1, "answer": answer})  # it can be sent
    return answer


def classifier(*layers: Any, dtype: str = "float64", **options: Any) -> Studio:
    layers = layers or (Dense(5), Tanh(), Dense(4), Sigmoid(), Dense(3))
    model = Model(Network(6, layers, SoftmaxCrossEntropy(), **options), seed=3, dtype=dtype)
    return Studio(model, from_arrays(X, LABELS), name="small")


def shown(studio: Studio) -> tuple[np.ndarray, np.ndarray]:
    part = studio.data.test or studio.data.validation or studio.data.train
    return part.X, part.y


# --- the walk


@pytest.mark.parametrize("n", [1, 7])
def test_a_walk_is_the_trace_of_the_model(n: int):
    studio = classifier()
    at = slice(2, 2 + n)
    X, y = shown(studio)
    trace = studio.model.trace(X[at], y[at]) if n > 1 else studio.model.trace(X[2], y[2])
    found = call(studio, "walk", sample=2, n=n)
    assert found["rows"] == list(range(2, 2 + n))
    assert found["loss"] == trace.loss
    assert_allclose(found["error_x"], trace.grad_x, rtol=1e-6)
    by_name = {link["name"]: link for link in found["links"]}
    assert list(by_name) == ["dense_1", "tanh_1", "dense_2", "sigmoid_1", "dense_3"]
    for name, link in by_name.items():
        assert_allclose(link["out"], trace.outputs[name], rtol=1e-6)
        assert_allclose(link["error"], trace.grad_outputs[name], rtol=1e-6)
    slopes = 1 - trace.a["tanh_1"] ** 2
    assert_allclose(by_name["tanh_1"]["slope"], slopes, rtol=1e-6)
    # error x slope is the error of the link before
    product = by_name["tanh_1"]["error"] * by_name["tanh_1"]["slope"]
    assert_allclose(product, trace.delta["dense_1"], rtol=1e-5)
    assert by_name["dense_1"]["slope"] is None


def test_the_largest_gradient_of_each_parameter():
    studio = classifier()
    X, y = shown(studio)
    _, grads = studio.model.loss_and_gradients(X[:4], y[:4])
    found = call(studio, "walk", n=4)
    for link in found["links"]:
        for field, facts in link["fields"].items():
            g = getattr(grads[link["name"]], field)
            assert facts["shape"] == list(g.shape)
            assert_allclose(facts["norm"], np.linalg.norm(g), rtol=1e-12)
            assert facts["largest"]["value"] == g[tuple(facts["largest"]["index"])]
            assert abs(facts["largest"]["value"]) == np.abs(g).max()


def test_numbers_of_the_page():
    studio = classifier()
    x = [0.5, -1.0, 2.0, 0.0, 1.0, -0.25]
    assumed = call(studio, "walk", x=x)
    assert assumed["assumed"] and assumed["rows"] is None
    assert assumed["labels"] == [int(studio.model.outputs([x]).argmax())]
    given = call(studio, "walk", x=x, label=2)
    assert given["labels"] == [2] and not given["assumed"]
    assert given["loss"] == studio.model.trace(x, 2).loss


def test_a_label_in_place_of_the_data_s():
    studio = classifier()
    X, _ = shown(studio)
    found = call(studio, "walk", sample=3, label=1)
    assert found["loss"] == studio.model.trace(X[3], 1).loss


def test_blocks_come_after_what_is_in_them():
    studio = classifier(Dense(5), Residual([Dense(5), ReLU()]), Dense(3))
    found = call(studio, "walk")
    names = [link["name"] for link in found["links"]]
    assert names == ["dense_1", "dense_2", "relu_1", "residual_1", "dense_3"]
    assert [link["sources"] for link in found["links"]] == [
        ["input"],
        ["dense_1"],
        ["dense_2"],
        ["relu_1", "dense_1"],
        ["residual_1"],
    ]
    assert_allclose(found["links"][3]["out"], found["links"][0]["out"] + found["links"][2]["out"], rtol=1e-6)


def test_regression_in_its_own_units():
    model = Model(Network(6, [Dense(4), Tanh(), Dense(1)], MeanSquaredError()), dtype="float64")
    y = 100 + 10 * X[:, 0]
    model.fit(X, y, epochs=2, scale_targets=True)
    found = call(Studio(model, from_arrays(X, y), name="prices"), "walk", sample=0, y=[130.0])
    assert_allclose(found["target"], [[130]], rtol=1e-6)
    assert_allclose(found["prediction"][0, 0], model.predict(shown_x(X, y)[:1])[0], rtol=1e-6)


def shown_x(X: Any, y: Any) -> Any:
    data = from_arrays(X, y)
    return (data.test or data.validation or data.train).X


# --- one weight


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize(
    ("name", "index"), [("dense_1.W", [4, 2]), ("dense_2.b", [1]), ("dense_3.W", [0, 2])]
)
def test_a_weight_s_gradient_and_its_difference(n: int, name: str, index: list[int]):
    studio = classifier()
    X, y = shown(studio)
    _, grads = studio.model.loss_and_gradients(X[:n], y[:n], training=n > 1)
    walk = call(studio, "walk", n=n)["walk"]
    found = call(studio, "weight", walk=walk, name=name, index=index)
    link, field = name.split(".")
    exact = float(getattr(grads[link], field)[tuple(index)])
    assert found["gradient"] == exact
    assert_allclose(found["value"], exact, rtol=1e-12)
    assert_allclose(found["difference"]["value"], exact, rtol=1e-7)
    assert found["relative"] < 1e-7
    samples = studio.model.check_samples(X[:n], y[:n])
    slot = next(slot for slot in studio.model.network.slots if (slot.link.name, slot.field) == (link, field))
    k = slot.start + int(np.ravel_multi_index(index, slot.parameter.shape))
    assert studio.model.theta[k] == found["at"]
    sides = []
    for h in (1e-5, -1e-5):  # a difference of another kind, by the losses alone
        theta = studio.model.theta.copy()
        theta[k] += h
        sides.append(loss_and_gradient(studio.model, theta, samples, n > 1)[0])
    assert_allclose((sides[0] - sides[1]) / 2e-5, exact, rtol=1e-5)


def test_of_a_model_in_float32():
    studio = classifier(dtype="float32")
    walk = call(studio, "walk")["walk"]
    found = call(studio, "weight", walk=walk, name="dense_1.W", index=[0, 0])
    X, y = shown(studio)
    assert found["gradient"] == studio.model.loss_and_gradients(X[:1], y[:1])[1]["dense_1"].W[0, 0]
    assert_allclose(found["value"], found["gradient"], rtol=1e-4)
    assert found["relative"] < 1e-7  # both in float64


def test_paths_are_counted():
    studio = classifier()
    walk = call(studio, "walk")["walk"]

    def of(name: str, index: list[int]) -> Any:
        return call(studio, "weight", walk=walk, name=name, index=index)["paths"]

    assert of("dense_1.W", [0, 0]) == {"every": 12, "live": 12}  # 4 neurons, then 3 outputs
    assert of("dense_3.W", [0, 0]) == {"every": 1, "live": 1}
    batch = call(studio, "walk", n=5)["walk"]
    assert call(studio, "weight", walk=batch, name="dense_1.W", index=[0, 0])["paths"]["every"] == 60


def test_paths_through_silent_neurons_carry_nothing():
    studio = classifier(Dense(5), ReLU(), Dense(4), ReLU(), Dense(3))
    walks = [call(studio, "walk", sample=k) for k in range(8)]
    walk = next(w for w in walks if 0 < (w["links"][3]["slope"] > 0).sum() < 4)
    alive = int((walk["links"][3]["slope"] > 0).sum())
    on = int(np.argmax(walk["links"][1]["slope"][0]))
    found = call(studio, "weight", walk=walk["walk"], name="dense_1.W", index=[0, on])
    assert found["paths"] == {"every": 12, "live": 3 * alive}


def test_paths_that_meet_again():
    studio = classifier(Dense(5), Residual([Dense(5), Tanh()]), Dense(3))
    walk = call(studio, "walk")["walk"]
    found = call(studio, "weight", walk=walk, name="dense_1.W", index=[0, 0])
    assert found["paths"]["every"] == 3 * (1 + 5)  # the shortcut, and through five neurons


def test_batch_norm_leads_every_path_through_the_batch():
    studio = classifier(Dense(4), BatchNorm(), Tanh(), Dense(3))
    walk = call(studio, "walk", n=5)["walk"]
    found = call(studio, "weight", walk=walk, name="dense_1.W", index=[0, 0])
    assert found["paths"]["every"] == 5 * 5 * 3
    assert found["relative"] < 1e-6


def nodes_of(tree: Any) -> list[Any]:
    return [tree, *(found for child in tree[2:] if isinstance(child, list) for found in nodes_of(child))]


def test_formulas_say_which_numbers_they_are_about():
    studio = classifier()
    walk = call(studio, "walk")["walk"]
    found = call(studio, "weight", walk=walk, name="dense_2.W", index=[3, 1], terms=3, nodes=4)
    trees = [
        term[form]
        for e in found["equations"]
        for term in e["terms"] or ()
        for form in ("symbols", "numbers")
        if term[form]
    ]
    trees += [row for e in found["equations"] for row in e["rows"] or ()] + [found["symbol"]]
    marks = [node[1] for made in trees for node in nodes_of(made) if "data-role" in node[1]]
    assert all(tree[0] == "math" for tree in trees)
    roles = {mark["data-role"] for mark in marks}
    assert {"weight", "cell", "delta", "slope", "target"} <= roles
    trace = studio.model.trace(*(part[0] for part in shown(studio)))
    for mark in marks:
        value, link, index = float(mark["data-value"]), mark["data-link"], mark["data-index"]
        at = tuple(int(i) for i in index.split(",")) if index else ()
        if mark["data-role"] == "weight":
            assert value == getattr(trace.parameters[link], mark["data-field"])[at]
        elif mark["data-role"] == "cell" and link != "input":
            assert value == trace.outputs[link][0][at]
        elif mark["data-role"] == "call":
            assert value == trace.prediction[0][at]
        elif mark["data-role"] == "slope":
            a = trace.a[link][0][at]
            assert_allclose(value, a * (1 - a), rtol=1e-12)


def test_terms_and_their_rest_add_up():
    studio = classifier(Dense(20), Tanh(), Dense(20), Tanh(), Dense(3))
    walk = call(studio, "walk")["walk"]
    found = call(studio, "weight", walk=walk, name="dense_1.W", index=[0, 0], terms=4, nodes=3)
    sums = [e for e in found["equations"] if e["terms"]]
    assert sums and found["left_out"] > 0
    for e in sums:
        assert_allclose(sum(term["value"] for term in e["terms"]) + e["rest"], e["value"], rtol=1e-12)
    assert found["value"] == found["equations"][0]["value"]


def test_an_input_is_derived_too():
    studio = classifier()
    walk = call(studio, "walk")
    found = call(studio, "weight", walk=walk["walk"], name="input", index=[4])
    assert_allclose(found["value"], walk["error_x"][0, 4], rtol=1e-6)
    assert_allclose(found["gradient"], found["value"], rtol=1e-12)


def test_a_neuron_s_parameters():
    studio = classifier()
    X, y = shown(studio)
    walk = call(studio, "walk", n=3)["walk"]
    found = call(studio, "neuron", walk=walk, link="dense_2", index=3)["fields"]
    _, grads = studio.model.loss_and_gradients(X[:3], y[:3])
    assert_allclose(found["W"]["gradients"], grads["dense_2"].W[:, 3], rtol=1e-6)
    assert_allclose(found["b"]["values"], studio.model.parameters["dense_2"].b[3:4], rtol=1e-6)


# --- the update


@pytest.mark.parametrize("n", [1, 6])
def test_an_update_is_a_step_of_gradient_descent_on_a_copy(n: int):
    studio = classifier(l2=0.01)
    model = studio.model
    X, y = shown(studio)
    before = model.theta.copy()
    loss, grads = model.loss_and_gradients(X[:n], y[:n], training=n > 1)
    found = call(studio, "update", walk=call(studio, "walk", n=n)["walk"], rate=0.1, theta=True)
    assert_array_equal(model.theta, before)
    g = np.concatenate([part.ravel() for link in grads.values() for part in link])
    stepped = model.in_float64()
    stepped.theta = before - 0.1 * g
    assert_allclose(found["before"], loss, rtol=1e-12)
    assert_allclose(found["after"], stepped.loss_and_gradients(X[:n], y[:n], training=n > 1)[0], rtol=1e-12)
    assert found["after"] < found["before"]
    assert_allclose(found["expected"], -0.1 * (g @ g), rtol=1e-12)
    assert_allclose(found["theta"], stepped.theta, rtol=1e-6)
    assert_allclose([change["after"] - change["before"] for change in found["changes"]],
                    [-0.1 * change["gradient"] for change in found["changes"]], rtol=1e-9)  # fmt: skip
    assert abs(found["changes"][0]["gradient"]) == np.abs(g).max()


def test_a_kept_update_is_what_fit_does():
    studio, other = classifier(), classifier()
    X, y = shown(studio)
    told = []
    studio.send = lambda event, data: told.append(event)  # type: ignore[method-assign]
    call(studio, "keep", walk=call(studio, "walk", n=8)["walk"], rate=0.3)
    other.model.fit(X[:8], y[:8], epochs=1, batch_size=8, optimizer=SGD(0.3))
    assert_allclose(studio.model.theta, other.model.theta, rtol=1e-12)
    assert studio.model.steps_trained == other.model.steps_trained == 1
    assert told == ["model.changed"]


def test_frozen_links_and_bounds_hold():
    studio = classifier(max_norm=0.5)
    studio.model.freeze("dense_1")
    walk = call(studio, "walk", n=4)
    assert [link["frozen"] for link in walk["links"]][:2] == [True, False]
    before = studio.model.parameters["dense_1"].W.copy()
    call(studio, "keep", walk=walk["walk"], rate=5.0)
    assert_array_equal(studio.model.parameters["dense_1"].W, before)
    assert np.linalg.norm(studio.model.parameters["dense_3"].W, axis=0).max() <= 0.5 + 1e-12


def test_an_update_is_not_kept_twice():
    studio = classifier()
    walk = call(studio, "walk")["walk"]
    call(studio, "keep", walk=walk, rate=0.1)
    with pytest.raises(ChainruleError, match="the model has changed since these passes; compute them again"):
        call(studio, "keep", walk=walk, rate=0.1)


def test_dropout_keeps_its_mask_in_an_update():
    studio = classifier(Dense(8), Tanh(), Dropout(0.5), Dense(3))
    walk = call(studio, "walk", n=6)
    found = call(studio, "update", walk=walk["walk"], rate=1e-6)
    assert_allclose(found["after"] - found["before"], found["expected"], rtol=1e-3)


def test_a_walk_stays_as_it_was_while_the_model_trains():
    studio = classifier()
    walk = call(studio, "walk")["walk"]
    first = call(studio, "weight", walk=walk, name="dense_1.W", index=[0, 0])
    studio.model.fit(*shown(studio), epochs=3)
    assert call(studio, "weight", walk=walk, name="dense_1.W", index=[0, 0]) == first


# --- the lesson


def text_of(tree: Any) -> str:
    return "".join(child if isinstance(child, str) else text_of(child) for child in tree[2:])


def test_the_lesson_s_lines_by_hand():
    studio = classifier()
    before = studio.model, studio.data
    call(studio, "example")
    walk = call(studio, "walk", sample=0)
    assert walk["is_chain"] and walk["has_before"] and walk["loss"] == 1
    found = call(studio, "chain", walk=walk["walk"], rate=0.01)
    assert found["letters"] == "lesson"
    lines = [(text_of(line["left"]), *map(text_of, line["rows"]), line["value"]) for line in found["forward"]]
    assert lines == [
        ("a3", "w3·a4", "0.5·2", 1),
        ("a2", "w2·a3", "3·1", 3),
        ("a1", "w1·a2", "−1·3", -3),
        ("a0", "w0·a1", "2·(−3)", -6),
    ]
    assert [text_of(row) for row in found["loss"]["rows"]] == ["(a0−y)2", "(−6−(−5))2"]
    assert found["loss"]["value"] == 1
    # dC/dw0, dC/dw1, dC/dw2, dC/dw3 as in the lesson
    assert [line["value"] for line in found["weights"]] == [6, -12, 4, 24]
    assert [text_of(line["rows"][0]) for line in found["weights"]] == [
        "∂a0∂w0·∂C∂a0",
        "∂a1∂w1·∂a0∂a1·∂C∂a0",
        "∂a2∂w2·∂a1∂a2·∂a0∂a1·∂C∂a0",
        "∂a3∂w3·∂a2∂a3·∂a1∂a2·∂a0∂a1·∂C∂a0",
    ]
    assert text_of(found["weights"][3]["rows"][1]) == "a4·w2·w1·w0·2(a0−y)"
    assert text_of(found["weights"][3]["update"]["rows"][1]) == "w3−r·a4·w2·w1·w0·2(a0−y)"
    assert_allclose([line["update"]["value"] for line in found["weights"]], [1.94, -0.88, 2.96, 0.26])
    for line in found["weights"]:
        assert line["relative"] < 1e-9
    call(studio, "example_end")
    assert (studio.model, studio.data) == before
    with pytest.raises(ChainruleError, match="no model to restore"):
        call(studio, "example_end")


def test_symbols_of_the_lesson_have_places():
    studio = Studio()
    call(studio, "example")
    walk = call(studio, "walk")["walk"]
    found = call(studio, "chain", walk=walk)
    marks = [node[1] for node in nodes_of(found["weights"][3]["rows"][1]) if "data-role" in node[1]]
    assert [(m["data-role"], m["data-link"], m["data-index"]) for m in marks] == [
        ("cell", "input", "0"),
        ("weight", "dense_2", "0,0"),
        ("weight", "dense_3", "0,0"),
        ("weight", "dense_4", "0,0"),
        ("cell", "dense_4", "0"),
        ("target", "target", ""),
    ]
    call(studio, "example_end")
    assert not studio.has_data or studio.data.name == "chain"


def sigmoid(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


def test_the_chain_with_sigmoids_has_slopes():
    studio = classifier()
    call(studio, "example", kind="sigmoid")
    walk = call(studio, "walk", sample=0)
    found = call(studio, "chain", walk=walk["walk"])
    z1 = 0.5 * 2
    a1 = sigmoid(z1)
    z2 = 3 * a1
    a2 = sigmoid(z2)
    z3 = -a2
    a3 = sigmoid(z3)
    z4 = 2 * a3
    by_hand = 2 * 3 * -1 * 2 * a1 * (1 - a1) * a2 * (1 - a2) * a3 * (1 - a3) * 2 * (z4 + 5)
    assert_allclose(found["weights"][3]["value"], by_hand, rtol=1e-12)
    assert text_of(found["weights"][3]["rows"][1]) == (
        "a4·sigmoid′(z3)·w2·sigmoid′(z2)·w1·sigmoid′(z1)·w0·2(a0−y)"
    )
    assert text_of(found["weights"][3]["update"]["rows"][0]) == "w3−r·∂C∂w3"
    marks = [node[1] for node in nodes_of(found["weights"][3]["rows"][1]) if "data-role" in node[1]]
    assert [(m["data-role"], m["data-link"]) for m in marks][:3] == [
        ("cell", "input"),
        ("slope", "dense_1"),
        ("weight", "dense_2"),
    ]
    cells = {"dense_1": "z3", "sigmoid_1": "a3", "dense_2": "z2", "sigmoid_2": "a2", "dense_3": "z1"}
    cells |= {"sigmoid_3": "a1", "dense_4": "a0"}
    numbers = {"dense_1": 3, "dense_2": 2, "dense_3": 1, "dense_4": 0}
    assert walk["letters"] == {"cells": {"input": "a4", **cells}, "numbers": numbers, "loss": "C"}
    assert [line["value"] for line in found["forward"]][:2] == [z1, pytest.approx(a1)]


# --- where a walk begins


def test_a_walk_begins_with_a_mistake():
    """w x with w = 1, -1 takes x above 0 for class 0: wrong are 3, by a loss of ln(1 + e^4), and 1, by ln(1 + e)."""
    X, y = np.array([[1.0], [0.5], [-1.0], [2.0], [-3.0]]), np.array([0, 1, 1, 1, 1])
    model = Model(Network(1, [Dense(2)], SoftmaxCrossEntropy()), dtype="float64")
    model.parameters["dense_1"].W[...] = [[1, -1]]
    model.parameters["dense_1"].b[...] = 0
    studio = Studio(model, from_arrays(X, y, test=(X, y)))
    first = call(studio, "mistake")
    assert first == {"sample": 3, "rank": 1, "mistakes": 2, "searched": 5}
    assert call(studio, "mistake", after=3)["sample"] == 1
    assert call(studio, "mistake", after=1)["sample"] == 3
    right = from_arrays(X, (X[:, 0] < 0).astype(int), test=(X, (X[:, 0] < 0).astype(int)))
    studio.show_data(right)
    assert call(studio, "mistake") == {
        "sample": 1,
        "rank": 1,
        "mistakes": 0,
        "searched": 5,
    }  # the largest loss of all


def test_numbers_begin_with_the_largest_loss():
    studio = Studio()
    call(studio, "example")
    assert call(studio, "mistake") == {
        "sample": 0,
        "rank": 1,
        "mistakes": None,
        "searched": 6,
    }  # of x = 2 and -2 the first
    y = 100 + 10 * X[:, 0]
    model = Model(Network(6, [Dense(1)], MeanSquaredError()), dtype="float64")
    model.fit(X, y, epochs=1, scale_targets=True)
    ranked = call(Studio(model, from_arrays(X, y, test=(X, y))), "mistake")
    assert ranked["sample"] == int(np.abs(model.predict(X) - y).argmax())


# --- bad input


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("walk", {"sample": 99}, "sample must be from 0 to"),
        ("walk", {"sample": -1}, "sample must be from 0 to"),
        ("walk", {"n": 0}, "n must be from 1 to 256 samples, not 0"),
        ("walk", {"x": [1.0, 2.0]}, "6"),
        ("walk", {"label": 3}, "label must be from 0 to 2, not 3"),
        ("walk", {"y": [1.0]}, "this model is for classes: give label"),
        ("walk", {"y": [1.0], "label": 1}, "give label or y, not both"),
        ("weight", {"walk": 99, "name": "dense_1.W", "index": [0, 0]}, "walk 99 is no longer stored; compute it again"),
        ("weight", {"walk": 1, "name": "dense_9.W", "index": [0, 0]}, "there is no parameter 'dense_9.W'"),
        ("weight", {"walk": 1, "name": "dense_1.W", "index": [9, 9]}, "dense_1.W has shape"),
        ("weight", {"walk": 1, "name": "dense_1.W", "index": [-1, 0]}, "what must name one number"),
        ("weight", {"walk": 1, "name": "dense_1.W", "index": []}, "dense_1.W has shape"),
        ("weight", {"walk": 1, "name": "input", "index": [1], "terms": 99}, "terms must be from 1 to 24"),
        ("neuron", {"walk": 1, "link": "tanh_1", "index": 0}, "there is no link 'tanh_1' with parameters"),
        ("neuron", {"walk": 1, "link": "dense_1", "index": 5}, "index must be from 0 to 4, not 5"),
        ("neuron", {"walk": 1, "link": "dense_1", "index": -1}, "index must be from 0 to 4, not -1"),
        ("update", {"walk": 1, "rate": 0.0}, "rate must be above 0"),
        ("update", {"walk": 1, "rate": 1e9}, "rate must be above 0"),
        ("chain", {"walk": 1}, "load the example"),
    ],
)  # fmt: skip
def test_bad_input(name: str, arguments: dict[str, Any], says: str):
    studio = classifier()
    call(studio, "walk")
    with pytest.raises(ChainruleError) as error:
        call(studio, name, **arguments)
    assert says in str(error.value)


def test_without_a_model_or_data():
    with pytest.raises(ChainruleError, match="there is no model yet"):
        call(Studio(), "walk")
    with pytest.raises(ChainruleError, match="there is no data yet"):
        call(Studio(classifier().model), "walk")


def test_a_diverged_model_is_refused_in_a_sentence():
    studio = classifier()
    studio.model.theta[...] = np.nan
    walk = call(studio, "walk")["walk"]
    with pytest.raises(ChainruleError, match="NaN or infinity"):
        call(studio, "weight", walk=walk, name="dense_1.W", index=[0, 0])


def test_the_oldest_walks_make_room():
    studio = classifier()
    walks = [call(studio, "walk", sample=k)["walk"] for k in range(8 + 1)]
    with pytest.raises(ChainruleError, match="compute it again"):
        call(studio, "update", walk=walks[0], rate=0.1)
    assert call(studio, "update", walk=walks[-1], rate=0.1)


def test_the_same_walk_has_the_same_number_until_the_model_changes():
    studio = classifier()
    first = call(studio, "walk", sample=3)
    assert call(studio, "walk", sample=4)["walk"] != first["walk"]
    again = call(studio, "walk", sample=3)
    assert again["walk"] == first["walk"] and again["loss"] == first["loss"]
    call(studio, "keep", walk=first["walk"], rate=0.1)
    assert call(studio, "walk", sample=3)["walk"] != first["walk"]
    studio.show_data(from_arrays(-X, LABELS))
    changed = call(studio, "walk", sample=3)
    assert_allclose(changed["x"][0], shown(studio)[0][3], rtol=1e-6)
