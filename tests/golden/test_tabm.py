"""TabM's architectures, built of members side by side: outputs, loss, prediction and gradients, to 1e-9 in float64.

The stored numbers and the settings of each case are in tabm.npz; make_tabm.py made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import chainrule as c
from chainrule.engines.native import REASON

STORED = dict(np.load(Path(__file__).with_name("tabm.npz")))
CASES: dict[str, dict[str, Any]] = json.loads(str(STORED["about"]))["cases"]
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
LOSSES = {
    "numbers": c.MeanSquaredError(),
    "classes": c.SoftmaxCrossEntropy(),
    "binary": c.SigmoidCrossEntropy(),
}
every_case = pytest.mark.parametrize("name", CASES)


def network(case: dict[str, Any], inputs: int) -> c.Network:
    """The architecture as layers: each member has its own columns."""
    k, width, arch = case["k"], case["width"], case["arch"]
    layers: list[c.Layer] = [c.Take(list(range(inputs)) * k)]
    if arch == "tabm-mini":
        layers += [c.Scale()]
    for _ in range(case["blocks"]):
        if arch == "tabm":
            layers += [c.Scale(), c.GroupedDense(width, k, shared=True, bias=False), c.Scale(), c.Shift()]
        else:
            layers += [c.GroupedDense(width, k, shared=arch == "tabm-mini")]
        layers += [c.ReLU()]
    layers += [c.GroupedDense(case["outputs"], k)]
    return c.Network(inputs, layers, c.MeanOverMembers(LOSSES[case["task"]], k))


def stored(name: str, what: str) -> dict[str, np.ndarray]:
    """The stored parameters ("of") or gradients ("grad") of a case, by link and field as they are here."""
    case, found = CASES[name], {}
    for key, value in STORED.items():
        place, _, parameter = key.partition("/")
        if place != name or not parameter.startswith(f"{what} "):
            continue
        _, *path = parameter.split(" ")[-1].split(".")
        if path == ["affine", "weight"]:
            link = "scale_1.s"
        elif parameter.split(" ")[-1].startswith("output."):
            link = f"grouped_dense_{case['blocks'] + 1}.{'W' if path[0] == 'weight' else 'b'}"
        else:  # blocks.<number>.0.<field>
            number, field = int(path[1]), path[3]
            names = {"weight": f"grouped_dense_{number + 1}.W", "bias": f"grouped_dense_{number + 1}.b"}
            if case["arch"] == "tabm":
                names |= {"r": f"scale_{2 * number + 1}.s", "s": f"scale_{2 * number + 2}.s"}
                names["bias"] = f"shift_{number + 1}.b"
            link = names[field]
        is_linear = value.ndim == 2 and link.endswith(".W")  # PyTorch's (units, inputs)
        found[link] = value.T if is_linear else value.ravel() if link[:5] in ("scale", "shift") else value
    return found


def model(name: str) -> tuple[c.Model, np.ndarray, np.ndarray]:
    X, y = STORED[f"{name}/X"], STORED[f"{name}/y"]
    made = c.Model(network(CASES[name], X.shape[1]), dtype="float64")
    given = stored(name, "of")
    assert set(given) == {f"{slot.link.name}.{slot.field}" for slot in made.network.slots}
    for place, value in given.items():
        link, field = place.split(".")
        getattr(made.parameters[link], field)[...] = value
    return made, X, y


@every_case
def test_outputs_loss_and_prediction(name: str):
    made, X, y = model(name)
    engines = ["reference"] + ["native"] * (REASON is None)
    for engine in engines:
        assert_allclose(made.outputs(X, engine=engine), STORED[f"{name}/out"], **CLOSE)
    assert_allclose(made.evaluate(X, y)["loss"], STORED[f"{name}/loss"], **CLOSE)
    said = STORED[f"{name}/said"]
    if CASES[name]["task"] == "numbers":
        assert_allclose(made.predict(X), said, **CLOSE)
    else:
        shares = np.hstack([1 - said, said]) if CASES[name]["task"] == "binary" else said
        assert_allclose(made.predict_proba(X), shares, **CLOSE)
        assert (made.predict(X) == shares.argmax(1)).all()


@every_case
def test_gradients(name: str):
    made, X, y = model(name)
    trace = made.trace(X, y)
    assert_allclose(trace.grad_x, STORED[f"{name}/grad_X"], **CLOSE)
    for place, value in stored(name, "grad").items():
        link, field = place.split(".")
        assert_allclose(getattr(trace.grads[link], field), value, **CLOSE)


@every_case
@pytest.mark.skipif(REASON is not None, reason="needs the native engine")
def test_the_native_step(name: str):
    """A step of gradient descent at a rate of 1 moves each parameter by its gradient."""
    made, X, y = model(name)
    before = stored(name, "of")
    made.fit(X, y, epochs=1, batch_size=len(X), optimizer=c.GradientDescent(1.0), engine="native")
    for place, value in stored(name, "grad").items():
        link, field = place.split(".")
        assert_allclose(before[place] - getattr(made.parameters[link], field), value, **CLOSE)
    assert_allclose(made.history["loss"][0], STORED[f"{name}/loss"], **CLOSE)
