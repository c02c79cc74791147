"""The screen Neurons: its numbers against NumPy and the library, its edits against copies that are edited by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule.studio.server.serve  # registers the commands
from chainrule import (
    BatchNorm,
    ChainruleError,
    ConfigError,
    DataError,
    Dense,
    Dropout,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.export.effect import effect_of_int8
from chainrule.formulas.layers import Context
from chainrule.inspection.features.features import exciting_samples, layer_outputs
from chainrule.network import backprop
from chainrule.recipe.data import Data, from_arrays
from chainrule.studio.screens.neurons.edits import ablate, applied, copied, layers_of, neurons_of
from chainrule.studio.session.commands import find
from chainrule.studio.session.messages import pack
from chainrule.studio.session.studio import Studio

assert chainrule.studio.server.serve

LABELS = np.array(["ant", "bee", "cat"])


def classes_data() -> Data:
    random = np.random.default_rng(0)
    y = np.arange(240) % 3
    X = random.normal(size=(240, 6)) + 1.5 * np.eye(3, 6)[y]
    return from_arrays(X[:160], LABELS[y[:160]], test=(X[160:], LABELS[y[160:]]))


DATA = classes_data()
assert DATA.test is not None
X, Y = DATA.test.X, DATA.test.y
CHAINS: dict[str, list[Any]] = {
    "relu": [Dense(8), ReLU(), Dense(5), Tanh(), Dense(3)],
    "sigmoid": [Dense(8), Sigmoid(), Dropout(0.1), Dense(3)],
    "batch_norm": [Dense(8), BatchNorm(), ReLU(), Dense(5), Sigmoid(), BatchNorm(), Dense(3)],
}


def trained(layers: list[Any], loss: Any = None, data: Data = DATA, **settings: Any) -> Model:
    model = Model(Network(data.train.X.shape[1], layers, loss or SoftmaxCrossEntropy(), **settings), seed=0)
    model.fit(data.train.X, data.train.y, epochs=20, batch_size=16, optimizer="adam")
    return model


@pytest.fixture(scope="module", params=CHAINS)
def model(request: pytest.FixtureRequest) -> Model:
    return trained(CHAINS[request.param])


@pytest.fixture(scope="module")
def relu() -> Model:
    return trained(CHAINS["relu"])


def ask(model: Model, command: str, data: Data = DATA, **arguments: Any) -> dict[str, Any]:
    return asked(Studio(model, data, name="m"), command, **arguments)


def asked(studio: Studio, command: str, **arguments: Any) -> dict[str, Any]:
    answer = find(command)(studio, arguments)
    assert pack({"id": 1, "answer": answer})
    return answer


def run(code: str, model: Model, data: Data, folder: Path) -> dict[str, Any]:
    """Execute the Python of a panel, beside the files that it reads."""
    assert data.test is not None
    model.save(folder / "model.safetensors")
    np.savez(folder / "samples.npz", X=data.test.X, y=data.test.y)
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(compile(code, "panel", "exec"), names)
    finally:
        os.chdir(before)
    return names


# --- what a layer does


def test_numbers_of_a_layer(relu: Model):
    found = ask(relu, "neurons.layer", layer="dense_1")
    p = relu.parameters["dense_1"]
    z = X @ p.W + p.b
    a = np.maximum(z, 0)
    assert found["last"] == "relu_1" and found["samples"] == 80 and found["labels"] == LABELS.tolist()
    assert [layer["last"] for layer in found["layers"]] == ["relu_1", "tanh_1", "dense_3"]
    np.testing.assert_allclose(found["mean"], a.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found["variance"], a.var(0), rtol=1e-6)
    np.testing.assert_array_equal(found["active"], (z > 0).mean(0))
    np.testing.assert_array_equal(found["always"], (z > 0).all(0))
    np.testing.assert_array_equal(found["dead"], (z <= 0).all(0))
    np.testing.assert_allclose(found["norm"], np.sqrt((p.W**2).sum(0)), rtol=1e-6)
    by_class = np.array([a[label == Y].mean(0) for label in LABELS])
    np.testing.assert_allclose(found["by_class"], by_class, rtol=1e-6)
    within = sum(((a[label == Y] - a[label == Y].mean(0)) ** 2).sum(0) for label in LABELS) / len(a)
    np.testing.assert_allclose(found["selectivity"], 1 - within / a.var(0), rtol=1e-6)


def test_dead_always_on_and_saturated_neurons_are_marked():
    model = trained([Dense(3), ReLU(), Dense(3)])
    model.parameters["dense_1"].b[:] = (-100, 100, 0)
    found = ask(model, "neurons.layer")
    assert found["dead"].tolist() == [True, False, False] and found["always"].tolist() == [False, True, False]
    assert np.isnan(found["selectivity"][0]) and not found["saturated"].any()
    model = trained([Dense(3), Sigmoid(), Dense(3)])
    model.parameters["dense_1"].b[:] = (-30, 30, 0)
    assert ask(model, "neurons.layer")["saturated"].tolist() == [True, True, False]


def test_selectivity_for_numbers_is_the_squared_correlation():
    random = np.random.default_rng(1)
    A = random.normal(size=(200, 4))
    data = from_arrays(A[:150], A[:150] @ [1, -2, 0, 1], test=(A[150:], A[150:] @ [1, -2, 0, 1]))
    assert data.test is not None
    model = trained([Dense(5), Tanh(), Dense(1)], MeanSquaredError(), data)
    found = ask(model, "neurons.layer", data)
    a = layer_outputs(model, data.test.X, ["tanh_1"])["tanh_1"]
    expected = [np.corrcoef(column, data.test.y)[0, 1] ** 2 for column in a.T]
    np.testing.assert_allclose(found["selectivity"], expected, rtol=1e-6)
    assert found["by_class"] is None and found["labels"] is None
    tried = ask(model, "neurons.try", data, edits=[{"do": "biases", "layer": None}])
    assert tried["metric"] == "rmse" and tried["changed"] is None and tried["before"]["by_class"] is None


def test_many_samples_are_thinned(relu: Model):
    big = from_arrays(np.tile(X, (200, 1)), np.tile(Y, 200))
    found = ask(relu, "neurons.layer", big)
    assert found["samples"] == 10_000
    one = ask(relu, "neurons.one", big, layer="dense_1", neuron=0)
    assert max(one["most"]["rows"]) < 16_000
    np.testing.assert_array_equal(one["most"]["X"], big.train.X[one["most"]["rows"]].astype(np.float32))


def test_the_numbers_follow_the_model():
    studio = Studio(trained(CHAINS["relu"]), DATA)
    before = asked(studio, "neurons.layer")
    studio.model.parameters["dense_1"].b[:] += 1
    assert not np.allclose(asked(studio, "neurons.layer")["mean"], before["mean"])


# --- one neuron


def test_exciting_samples(model: Model):
    layer = layers_of(model)[0]
    last = neurons_of(model, layer)[-1].name
    found = ask(model, "neurons.one", layer=layer, neuron=2, count=5)
    expected = exciting_samples(model, X, last, [2], k=5)
    assert found["most"]["rows"] == expected.most[0].tolist()
    assert found["least"]["rows"] == expected.least[0].tolist()
    np.testing.assert_allclose(found["most"]["values"], expected.most_values[0])
    a = layer_outputs(model, X, [last])[last][:, 2]
    assert found["most"]["rows"] == sorted(range(len(a)), key=lambda i: (-a[i], i))[:5]
    assert found["most"]["y"] == Y[found["most"]["rows"]].tolist()
    counts, ends = np.histogram(a, 40)
    assert found["counts"].tolist() == counts.tolist() and found["counts"].sum() == len(X)
    np.testing.assert_allclose(found["ends"], ends)
    np.testing.assert_allclose(found["weights"], model.parameters[layer].W[:, 2], rtol=1e-6)


def test_what_a_neuron_reads(relu: Model):
    sources = [ask(relu, "neurons.one", layer=layer, neuron=0)["source"] for layer in layers_of(relu)]
    assert sources == [None, "dense_1", "dense_2"]


# --- edits


def intervened(model: Model, layer: str, neuron: int, c: float) -> np.ndarray[Any, Any]:
    """The outputs where a neuron's output is replaced by a number, walked by hand."""
    last = neurons_of(model, layer)[-1].name
    links, params = model.network.links, model.network.unflatten(model.theta)
    at = [link.name for link in links].index(last) + 1
    ctx = Context(states=model.states)
    a, _ = backprop.forward(links[:at], params[:at], X.astype(model.dtype), ctx)
    a[:, neuron] = c
    return np.asarray(backprop.forward(links[at:], params[at:], a, ctx)[0])


@pytest.mark.parametrize("to", ["zero", "mean"])
def test_an_ablated_neuron_gives_one_number(model: Model, to: str):
    for layer in layers_of(model)[:-1]:
        last = neurons_of(model, layer)[-1].name
        for neuron in range(model.parameters[layer].W.shape[1]):
            c = 0.0 if to == "zero" else float(layer_outputs(model, X, [last])[last][:, neuron].mean())
            before = model.theta.copy()
            edited, lines = applied(model, [{"do": "ablate", "layer": layer, "neuron": neuron, "to": to}], X)
            np.testing.assert_allclose(
                edited.outputs(X), intervened(model, layer, neuron, c), rtol=2e-4, atol=2e-5
            )
            np.testing.assert_array_equal(model.theta, before)
            assert len(lines) == 2


@pytest.mark.parametrize("to", ["zero", "mean"])
def test_neurons_in_blocks(to: str):
    model = trained([Dense(6), ReLU(), Residual([Dense(6), ReLU(), Dense(6)]), ReLU(), Dense(3)])
    for layer in layers_of(model):
        last = neurons_of(model, layer)[-1].name
        edited, _ = applied(model, [{"do": "ablate", "layer": layer, "neuron": 1, "to": to}], X)
        was, now = (layer_outputs(each, X, [last])[last] for each in (model, edited))
        c = 0.0 if to == "zero" else was[:, 1].mean()
        np.testing.assert_allclose(now[:, 1], c, atol=1e-6)
        np.testing.assert_allclose(np.delete(now, 1, 1), np.delete(was, 1, 1), atol=1e-6)


def test_a_number_that_nothing_can_give():
    model = trained([Dense(6), Sigmoid(), Residual([Dense(6)]), Dense(3)])
    with pytest.raises(ConfigError, match="set its mean instead"):
        applied(model, [{"do": "ablate", "layer": "dense_1", "neuron": 1, "to": "zero"}], X)


def test_projections_have_no_bias():
    model = trained([Residual([Dense(4), ReLU()]), Dense(3)])
    name = next(layer for layer in layers_of(model) if layer.startswith("projection"))
    edited, lines = applied(model, [{"do": "ablate", "layer": name, "neuron": 1, "to": "zero"}], X)
    assert len(lines) == 1 and not edited.parameters[name].W[:, 1].any()
    with pytest.raises(ConfigError, match="has no biases"):
        applied(model, [{"do": "set", "layer": name, "row": None, "neuron": 1, "value": 1.0}], X)
    assert ask(model, "neurons.layer", layer=name)["bias"].tolist() == [0, 0, 0, 0]


def by_hand(model: Model, edit: dict[str, Any]) -> Model:
    """A copy that is edited as the table of `chainrule.studio.screens.neurons.edits` says."""
    copy = Model(model.network, seed=0, dtype=model.dtype)
    copy.classes, copy.theta, copy.states = model.classes, model.theta.copy(), model.states
    random = np.random.default_rng(edit.get("seed"))
    for name in layers_of(model) if edit.get("layer") is None else [edit["layer"]]:
        p = copy.parameters[name]
        match edit["do"]:
            case "set" if edit["row"] is None:
                p.b[edit["neuron"]] = edit["value"]
            case "set":
                p.W[edit["row"], edit["neuron"]] = edit["value"]
            case "noise":
                rms = np.sqrt(np.mean(p.W**2))
                p.W[:] = p.W + edit["sigma"] * rms * random.standard_normal(p.W.shape)
            case "biases":
                p.b[:] = 0
            case "zero":
                p.W[:], p.b[:] = 0, 0
            case "round":
                levels = 2 ** (edit["bits"] - 1) - 1
                step = np.abs(p.W).max() / levels
                p.W[:] = np.round(p.W / step) * step
                assert len(np.unique(p.W)) <= 2 * levels + 1
    return copy


EDITS: list[dict[str, Any]] = [
    {"do": "set", "layer": "dense_2", "row": 3, "neuron": 1, "value": -2.5},
    {"do": "set", "layer": "dense_2", "row": None, "neuron": 1, "value": 2.5},
    {"do": "noise", "layer": None, "sigma": 0.7, "seed": 3},
    {"do": "noise", "layer": "dense_1", "sigma": 2.0, "seed": 4},
    {"do": "biases", "layer": None},
    {"do": "zero", "layer": "dense_2"},
    {"do": "round", "layer": None, "bits": 2},
    {"do": "round", "layer": "dense_3", "bits": 4},
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: f"{edit['do']}-{edit['layer']}")
def test_edits_equal_copies_that_are_edited_by_hand(relu: Model, edit: dict[str, Any]):
    found, expected = ask(relu, "neurons.try", edits=[edit]), by_hand(relu, edit)
    numbers = expected.evaluate(X, Y, metrics=["accuracy"])
    assert found["after"]["score"] == numbers["accuracy"]
    assert found["after"]["loss"] == pytest.approx(numbers["loss"], rel=1e-6)
    right = expected.predict(X) == Y
    np.testing.assert_allclose(
        found["after"]["by_class"], [right[label == Y].mean() for label in LABELS], rtol=1e-12
    )
    assert found["changed"] == (expected.predict(X) != relu.predict(X)).sum()
    assert found["before"]["score"] == relu.evaluate(X, Y)["accuracy"]


def test_edits_add_up(relu: Model):
    """In their order: each acts on what the ones before it left."""
    edits = [EDITS[3], {"do": "ablate", "layer": "dense_1", "neuron": 0, "to": "mean"}, EDITS[6], EDITS[4]]
    edited, _ = applied(relu, edits, X)
    step = relu
    for edit in edits:
        if edit["do"] == "ablate":
            mean = layer_outputs(step, X, ["relu_1"])["relu_1"][:, 0].mean(dtype=np.float64)
            step.parameters["dense_1"].W[:, 0], step.parameters["dense_1"].b[0] = 0, mean
        else:
            step = by_hand(step, edit)
    np.testing.assert_allclose(edited.theta, step.theta, rtol=1e-6, atol=1e-7)


def test_importance_is_the_loss_without_each_neuron(relu: Model):
    found = ask(relu, "neurons.importance", layer="dense_1")
    assert found["n"] == 80
    assert found["whole"] == pytest.approx([relu.evaluate(X, Y)[name] for name in ("loss", "accuracy")])
    for neuron in range(8):
        edit = {"do": "ablate", "layer": "dense_1", "neuron": neuron, "to": "zero"}
        alone = ask(relu, "neurons.try", edits=[edit])["after"]
        assert found["loss"][neuron] == pytest.approx(alone["loss"])
        assert found["score"][neuron] == alone["score"]


def test_edits_are_kept_and_taken_back():
    model = trained(CHAINS["relu"])
    studio, theta = Studio(model, DATA, name="m"), model.theta.copy()
    assert asked(studio, "neurons.kept") == {"kept": False}
    asked(studio, "neurons.keep", edits=[EDITS[4]])
    assert (
        studio.model is not model and studio.name == "m *" and asked(studio, "neurons.kept") == {"kept": True}
    )
    assert isinstance(studio.model, Model)
    np.testing.assert_array_equal(studio.model.theta, by_hand(model, EDITS[4]).theta)
    studio.model.fit(DATA.train.X, DATA.train.y, epochs=1)
    np.testing.assert_array_equal(model.theta, theta)
    asked(studio, "neurons.back")
    assert studio.model is model and studio.name == "m"
    with pytest.raises(ConfigError, match="nothing to undo"):
        asked(studio, "neurons.back")
    with pytest.raises(ConfigError, match="no edits to keep"):
        asked(studio, "neurons.keep", edits=[])


def test_copies_share_no_numbers():
    model = trained(CHAINS["batch_norm"])
    copy = copied(model)
    copy.theta[:] = 0
    copy.states["batch_norm_1"].mean[:] = 7
    assert model.theta.any() and not (model.states["batch_norm_1"].mean == 7).any()


def test_many_labels():
    random = np.random.default_rng(2)
    A = random.normal(size=(90, 5))
    many = (A[:, :3] > 0).astype(int)
    data = from_arrays(A, many)
    model = trained([Dense(6), ReLU(), Dense(3)], SigmoidCrossEntropy(), data)
    found = ask(model, "neurons.layer", data)
    assert found["by_class"] is None and np.isnan(found["selectivity"]).all()
    tried = ask(model, "neurons.try", data, edits=[{"do": "zero", "layer": "dense_2"}])
    edited = by_hand(model, {"do": "zero", "layer": "dense_2"})
    assert tried["after"]["score"] == edited.evaluate(A, many)["accuracy"]
    assert tried["changed"] == (edited.predict(A) != model.predict(A)).any(1).sum()


# --- what cannot be asked


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("neurons.layer", {"layer": "dense_9"}, "layer must be one of dense_1, dense_2, dense_3"),
        ("neurons.layer", {"layer": "relu_1"}, "layer must be one of"),
        ("neurons.layer", {"layer": 3}, "layer must be text or null, not 3"),
        ("neurons.one", {"layer": "dense_1", "neuron": 8}, "neuron must be from 0 to 7"),
        ("neurons.one", {"layer": "dense_1", "neuron": -1}, "neuron must be from 0 to 7"),
        ("neurons.one", {"layer": "dense_1", "neuron": 0, "count": 0}, "count must be from 1 to 24"),
        ("neurons.importance", {"layer": "x"}, "layer must be one of"),
        ("neurons.try", {"edits": [{}]}, "edit 1 must do one of ablate, set"),
        ("neurons.try", {"edits": [{"do": []}]}, "edit 1 must do one of"),
        ("neurons.try", {"edits": [1]}, "edits must be a list"),
        ("neurons.try", {"edits": [{"do": "zero"}]}, "layer of edit 1 must be text"),
        ("neurons.try", {"edits": [{"do": "zero", "layer": "x" * 500}]}, "layer must be one of"),
        ("neurons.try", {"edits": [{"do": "zero", "layer": "dense_1", "more": 1}]}, "zero, has no 'more'"),
        (
            "neurons.try",
            {"edits": [{"do": "ablate", "layer": "dense_1", "neuron": 8, "to": "zero"}]},
            "neuron of dense_1",
        ),
        (
            "neurons.try",
            {"edits": [{"do": "ablate", "layer": "dense_1", "neuron": 0, "to": "one"}]},
            "to of edit 1",
        ),
        ("neurons.try", {"edits": [EDITS[0] | {"row": 8}]}, "row of dense_2 must be from 0 to 7"),
        ("neurons.try", {"edits": [EDITS[0] | {"value": None}]}, "value of edit 1 must be a number"),
        ("neurons.try", {"edits": [EDITS[2] | {"sigma": -1}]}, "sigma must be from 0"),
        ("neurons.try", {"edits": [EDITS[2] | {"seed": -1}]}, "seed must be from 0"),
        ("neurons.try", {"edits": [EDITS[6] | {"bits": 1}]}, "bits must be from 2 to 16"),
        ("neurons.try", {"edits": [EDITS[4]] * 65}, "there may be at most 64 edits"),
    ],
)
def test_bad_input_gets_a_sentence(relu: Model, command: str, arguments: dict[str, Any], says: str):
    with pytest.raises(ChainruleError, match=says) as caught:
        ask(relu, command, **arguments)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_numbers_that_overflow_are_none(relu: Model):
    edits = [
        {"do": "set", "layer": "dense_3", "row": row, "neuron": 0, "value": value}
        for row, value in ((0, 3e38), (1, -3e38))
    ]
    edits += [{"do": "noise", "layer": None, "sigma": 9e5, "seed": 0}]
    found = ask(relu, "neurons.try", edits=edits)
    assert not np.isfinite(found["after"]["loss"])
    with pytest.raises(ConfigError, match="value must be at most"):
        ask(relu, "neurons.try", edits=[edits[0] | {"value": 1e39}])


def test_nothing_on_show(relu: Model):
    with pytest.raises(ConfigError, match="no model yet"):
        asked(Studio(), "neurons.layer")
    with pytest.raises(DataError, match="no data yet"):
        asked(Studio(relu), "neurons.layer")
    assert asked(Studio(), "neurons.kept") == {"kept": False}


# --- the Python of the panels


def test_the_python_of_a_layer(relu: Model, tmp_path: Path):
    found = ask(relu, "neurons.layer", layer="dense_1")
    made = run(found["code"], relu, DATA, tmp_path)
    for name in ("mean", "variance", "norm", "by_class", "selectivity"):
        np.testing.assert_allclose(made[name], found[name], rtol=1e-5)


def test_the_python_of_a_neuron(relu: Model, tmp_path: Path):
    found = ask(relu, "neurons.one", layer="dense_2", neuron=3)
    made = run(found["code"], relu, DATA, tmp_path)["found"]
    assert made.most[0].tolist() == found["most"]["rows"] and made.least[0].tolist() == found["least"]["rows"]


def test_the_python_of_edits(model: Model, tmp_path: Path):
    """It ends at the same numbers, to the last bit of every weight."""
    first = layers_of(model)[0]
    edits = [
        {"do": "ablate", "layer": first, "neuron": 2, "to": "mean"},
        {"do": "ablate", "layer": first, "neuron": 3, "to": "zero"},
        *(edit for edit in EDITS if edit["layer"] in (None, first)),
        {"do": "set", "layer": first, "row": 1, "neuron": 1, "value": 0.1},
        {"do": "ablate", "layer": layers_of(model)[-1], "neuron": 1, "to": "mean"},
    ]
    found = ask(model, "neurons.try", edits=edits)
    made = run(found["code"], model, DATA, tmp_path)
    np.testing.assert_array_equal(made["model"].theta, applied(model, edits, X)[0].theta)
    assert made["after"]["accuracy"] == found["after"]["score"]
    assert made["before"]["accuracy"] == found["before"]["score"]


def test_the_python_reads_mnist_from_the_package(tmp_path: Path):
    from chainrule.recipe.data import load
    from chainrule.studio.screens.neurons.commands import preamble

    mnist = load("mnist")
    model = Model(Network(784, [Dense(2), ReLU(), Dense(10)], SoftmaxCrossEntropy()), seed=0)
    made = run("\n".join(preamble(Studio(model, mnist))), model, DATA, tmp_path)
    assert mnist.test is not None
    np.testing.assert_array_equal(made["X"], mnist.test.X)


def test_ablating_needs_no_walk(relu: Model):
    copy = copied(relu)
    assert ablate(copy, "dense_1", 0, 0.0, np.zeros(1)) == [
        'p["dense_1"].W[:, 0] = 0  # neuron 0 of relu_1 is 0',
        'p["dense_1"].b[0] = 0.0',
    ]


def test_what_integers_do_is_that_of_the_export(relu: Model, tmp_path: Path):
    found = ask(relu, "neurons.integers")
    assert DATA.test is not None
    effect = effect_of_int8(relu.graph(), {"X": DATA.test.X})
    assert found["difference"] == effect.difference and set(found["told"]) == {"en", "zh"}
    layers, classes, columns = found["told"]["en"]["tables"]
    assert [row[0] for row in layers["rows"]] == [each.name for each in effect.layers]
    assert [row[0] for row in classes["rows"]] == ["ant", "bee", "cat"]
    assert [row[0] for row in columns["rows"]] == [each.name for each in effect.columns]
    assert found["told"]["zh"]["title"] == "8 位元整數的影響"
    said = run(found["code"].replace("model.export", "written = model.export"), relu, DATA, tmp_path)
    assert said["written"].effect.difference == effect.difference
