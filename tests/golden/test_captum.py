"""Every attribution method as Captum computes it, value by value, to 1e-9 in float64 where Captum keeps float64.

The stored values, networks and samples are in captum.npz; make_captum.py made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.inspection import attribution

STORED = dict(np.load(Path(__file__).with_name("captum.npz")))
ABOUT = json.loads(str(STORED["about"]))
CASES: dict[str, dict[str, Any]] = ABOUT["cases"]
CLOSE = {"rtol": 1e-9, "atol": 1e-10}
# Captum turns the nodes of integrated gradients, and the outputs that occlusion compares, into float32.
SINGLE = {"rtol": 2e-6, "atol": 2e-6}


def layer(text: str) -> c.Layer:
    if text.startswith("dense"):
        return c.Dense(int(text.split()[1]))
    return c.BatchNorm() if text == "batch_norm" else ACTIVATIONS[text]()


def build(name: str) -> c.Model:
    case = CASES[name]
    layers = [layer(text) for text in case["layers"]]
    model = c.Model(c.Network(case["inputs"], layers, c.SoftmaxCrossEntropy()), dtype="float64")
    model.theta[...] = STORED[f"{name}/theta"]
    statistics = iter(np.split(STORED[f"{name}/statistics"], max(2 * len(model.states), 1)))
    model.states = {
        link: type(state)(*(next(statistics) for _ in state)) for link, state in model.states.items()
    }
    return model


def stored(name: str, part: str) -> np.ndarray:
    return STORED[f"{name}/{part}"]


def arguments(name: str) -> dict[str, Any]:
    return {"target": stored(name, "target"), "baseline": stored(name, "baseline")}


each_case = pytest.mark.parametrize("name", CASES)


@each_case
def test_outputs(name):
    np.testing.assert_allclose(build(name).outputs(stored(name, "X")), stored(name, "outputs"), **CLOSE)


@each_case
def test_saliency(name):
    model, X = build(name), stored(name, "X")
    for signed, part in ((False, "saliency"), (True, "signed_saliency")):
        found = attribution.saliency(model, X, signed=signed, **arguments(name))
        np.testing.assert_allclose(found.values, stored(name, part), **CLOSE)


@each_case
def test_input_x_gradient(name):
    found = attribution.input_x_gradient(build(name), stored(name, "X"), target=stored(name, "target"))
    np.testing.assert_allclose(found.values, stored(name, "input_x_gradient"), **CLOSE)


@each_case
def test_integrated_gradients_with_as_many_nodes(name):
    found = attribution.integrated_gradients(
        build(name), stored(name, "X"), steps=ABOUT["steps"], **arguments(name)
    )
    np.testing.assert_allclose(found.values, stored(name, "integrated_gradients"), **SINGLE)


@each_case
def test_adaptive_integrated_gradients_are_what_captum_tends_to(name):
    """5,000 nodes are still some 1e-4 off where ReLUs turn; the adaptive rule is exact there."""
    found = attribution.integrated_gradients(build(name), stored(name, "X"), **arguments(name))
    fine = stored(name, "fine_integrated_gradients")
    np.testing.assert_allclose(found.values, fine, rtol=0, atol=1e-3)
    captum_error = np.abs(fine.sum(1) - found.expected)
    assert (found.error <= np.maximum(captum_error, 1e-6 * np.abs(found.expected))).all()


@each_case
def test_deep_lift(name):
    found = attribution.deep_lift(build(name), stored(name, "X"), **arguments(name))
    np.testing.assert_allclose(found.values, stored(name, "deep_lift"), **CLOSE)


@pytest.mark.parametrize("name", [name for name in CASES if f"{name}/epsilon_lrp" in STORED])
def test_epsilon_lrp(name):
    found = attribution.epsilon_lrp(
        build(name), stored(name, "X"), target=stored(name, "target"), epsilon=ABOUT["epsilon"]
    )
    np.testing.assert_allclose(found.values, stored(name, "epsilon_lrp"), **CLOSE)


def test_captum_has_lrp_for_relu_tanh_and_batch_norm():
    names = {name for name in CASES if f"{name}/epsilon_lrp" in STORED}
    assert names == {"relu", "relu_deep", "tanh", "tanh_deep", "batch_norm", "image"}


@each_case
def test_occlusion(name):
    found = attribution.occlusion(build(name), stored(name, "X"), **arguments(name))
    np.testing.assert_allclose(found.values, stored(name, "occlusion"), **SINGLE)


def test_occlusion_by_patches():
    case = CASES["image"]
    found = attribution.occlusion(
        build("image"),
        stored("image", "X"),
        shape=case["shape"],
        patch=tuple(case["patch"]),
        stride=tuple(case["stride"]),
        **arguments("image"),
    )
    np.testing.assert_allclose(found.values, stored("image", "patches"), **SINGLE)
