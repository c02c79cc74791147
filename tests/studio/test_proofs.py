"""The proofs of the page without a server are those of the library: no wider than a little, and never wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.studio import screens
from chainrule.studio.page.assets import modules
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from node import run

assert screens.__name__, "its import registers the commands"

SCRIPT = """
import { proofOf, largestProven } from './play/bounds.js';
const { model, rows, radii, ends } = given, { arrays } = model;
for (const name of Object.keys(arrays)) arrays[name] = Float32Array.from(arrays[name]);
say(rows.map((x) => ({
  proofs: radii.map((radius) => proofOf(model, Float64Array.from(x), radius, ends)),
  largest: largestProven(model, Float64Array.from(x), 0.01, ends),
})));
"""


def in_page(folder: Path, model: c.Model, **given: Any) -> Any:
    """What the page's JavaScript proves."""
    for name, text in modules().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    shown = dict(find("model.get")(Studio(model), {})["model"])
    shown["arrays"] = {name: np.ravel(values).tolist() for name, values in shown["arrays"].items()}
    return run(folder, SCRIPT, {"model": shown, **given})


@pytest.mark.parametrize(
    "activation", [c.ReLU(), c.LeakyReLU(0.1), c.Tanh(), c.Sigmoid()], ids=lambda a: a.kind
)
@pytest.mark.parametrize("classes", [2, 4])
def test_what_the_page_proves(tmp_path, activation, classes):
    rng = np.random.default_rng(classes)
    X = rng.uniform(0, 255, (200, 9)).astype(np.float32)
    y = (X[:, :classes].argmax(1)).astype(np.int64)
    loss = c.SigmoidCrossEntropy() if classes == 2 else c.SoftmaxCrossEntropy()
    layers = [
        c.Rescale(1 / 255),
        c.Dense(16),
        c.BatchNorm(),
        activation,
        c.Dense(12),
        activation,
        c.Dropout(0.1),
    ]
    model = c.Model(c.Network(9, [*layers, c.Dense(1 if classes == 2 else classes)], loss), seed=0)
    model.fit(X, y, epochs=40, optimizer=c.Adam(0.02))
    radii, ends, x = [0.5, 4.0, 40.0], (0.0, 255.0), X[:5]
    found = in_page(tmp_path, model, rows=x.tolist(), radii=radii, ends=ends)
    shares = rng.uniform(-1, 1, (400, 9))
    shares[200:] = np.sign(shares[200:])
    for k, radius in enumerate(radii):
        low, high = np.clip(x - radius, *ends), np.clip(x + radius, *ends)
        box, proven = model.bounds(low, high, of="answer"), model.certify(x, radius, clip=ends)
        for i, row in enumerate(found):
            proof = row["proofs"][k]
            points = np.clip(x[i] + radius * shares, *ends).astype(np.float32)
            p = model.predict_proba(points)
            assert (p >= np.subtract(proof["low"], 1e-6)).all() and (p <= np.add(proof["high"], 1e-6)).all()
            widths = np.subtract(proof["high"], proof["low"])
            assert (widths <= 1.05 * (box.high[i] - box.low[i]) + 1e-4).all()
            assert proof["proven"] == proven[i]
    largest = model.certified_radius(x, unit=0.01, clip=ends)
    np.testing.assert_allclose([float(row["largest"]) for row in found], largest, rtol=0.03)
    assert any(row["proofs"][0]["proven"] for row in found)


def test_an_absolute_value_by_hand(tmp_path):
    """|x| = relu(x) + relu(-x) against 1: at x = 3 it wins until x = 1, at x = 0.5 it never does."""
    model = c.Model(c.Network(1, [c.Dense(2), c.ReLU(), c.Dense(2)], c.SoftmaxCrossEntropy()), seed=0)
    first, second = model.parameters["dense_1"], model.parameters["dense_2"]
    first.W[:], first.b[:], second.W[:], second.b[:] = [[1, -1]], 0, [[1, 0], [1, 0]], [0, 1]
    high, low = in_page(tmp_path, model, rows=[[3.0], [0.5]], radii=[1.9, 2.1], ends=None)
    assert [proof["proven"] for proof in high["proofs"]] == [True, False]
    assert 200 / 1.01 <= high["largest"] <= 200 and 50 / 1.01 <= low["largest"] <= 50
    p = 1 / (1 + np.exp(1 - 4.9))
    assert high["proofs"][0]["high"][0] == pytest.approx(p, abs=1e-5)


def test_a_network_that_is_no_chain_has_no_proof(tmp_path):
    block = c.Residual([c.Dense(3), c.ReLU()])
    model = c.Model(c.Network(3, [block, c.Dense(2)], c.SoftmaxCrossEntropy()), seed=0)
    (found,) = in_page(tmp_path, model, rows=[[0.0, 0.0, 0.0]], radii=[1.0], ends=None)
    assert found == {"proofs": [None], "largest": None}
