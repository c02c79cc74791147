"""What the engine in a page offers beside training: traces, replaced numbers, runs that go on, refusals, its worker.

What it computes in JavaScript is compared without the compiled engine: answers, moments, the steps that a run asks for.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
import node
from chainrule import (
    SGD,
    BatchNorm,
    Dense,
    Embedding,
    Ensemble,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Model,
    Network,
    OneCycle,
    PReLU,
    ReLU,
    Rescale,
    Residual,
    Scale,
    Shift,
    Skip,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.core.random import generator
from chainrule.formulas import initializers
from chainrule.formulas.layers import Context
from chainrule.formulas.layers.batch_norm import BatchNormState
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.metrics import accuracy
from chainrule.formulas.schedules import SCHEDULES
from chainrule.studio.page.assets import modules
from chainrule.studio.page.join import needed
from chainrule.trained.persistence import network_config
from web_cases import BOUND, DESCRIBED, Prepared, offered, prepared
from web_engine import built, numbers, run, text

TRACES = """
say(given.map(({ file, X, isBytes, n, y, seed }) => {
  const { network } = engine.open(new Uint8Array(readFileSync(file)).buffer);
  const x = numbers(X, isBytes ? Uint8Array : Float32Array), flat = y.flat(), few = Math.min(n, 20);
  const data = { x: x.slice(0, few * network.inputs), n: few, y: flat.slice(0, few * flat.length / n) };
  const { loss, values, gradients } = network.trace(data), arrays = values.map(({ output, error }) => [output, error]);
  const links = network.values.map(({ link }) => link), drawn = engine.network(network.config, { seed }).theta;
  const shown = arrays.map((pair) => pair.map((array) => (array ? text(array) : null)));
  return { loss, mean: network.loss(data), links, values: shown, gradients: text(gradients), drawn: text(drawn) };
}));
"""


def watched(one: Prepared) -> tuple[dict, dict, float, np.ndarray]:
    """The reference's outputs and errors by link, loss and gradients of the first samples, in prediction."""
    network, model, few = one.case.network, one.model, min(len(one.X), 20)
    outputs, errors = {}, {}

    def watch(which, link, values):
        (outputs if which == "forward" else errors)[link.name] = values

    theta = model.theta.astype(np.float64)
    states = {k: type(s)(*(np.asarray(v, np.float64) for v in s)) for k, s in model.states.items()}
    y = one.y[:few]
    if y.ndim == 1:
        y = np.eye(network.outputs)[y]
    context = Context(states=states, watch=watch)
    params = network.unflatten(theta)
    found = network.objective(params, one.X[:few].astype(float), y.astype(float), np.ones(few), context)
    return outputs, errors, float(found.loss), network.flatten(found.grads)


@pytest.mark.slow
def test_a_trace_has_the_outputs_and_the_errors_of_every_layer(tmp_path):
    """And the gradients and the loss; and a seed draws the package's weights."""
    built()
    cases = [prepared(case, tmp_path) for case in itertools.islice(offered(), 40, 60)]
    given = [one.given | {"seed": 7} for one in cases]
    compared = 0
    for one, found in zip(cases, run(tmp_path, TRACES, given), strict=True):
        outputs, errors, loss, gradients = watched(one)
        scale = 10 * BOUND * (1 + np.abs(gradients).max())
        np.testing.assert_allclose(numbers(found["gradients"]), gradients, rtol=1e-3, atol=scale)
        assert found["loss"] == pytest.approx(loss, rel=1e-4, abs=1e-5)
        assert found["mean"] == pytest.approx(loss, rel=1e-4, abs=1e-5)
        last = {link: pair for link, pair in zip(found["links"], found["values"], strict=True) if link}
        for link, (output, error) in last.items():
            np.testing.assert_allclose(
                numbers(output),
                np.ravel(outputs[link]),
                rtol=1e-3,
                atol=1e-3,
                err_msg=f"{link} of {one.case}",
            )
            if error is not None and link in errors:
                expected = np.ravel(errors[link])
                atol = 10 * BOUND * (1 + np.abs(expected).max())
                np.testing.assert_allclose(numbers(error), expected, rtol=1e-3, atol=atol)
                compared += 1
        drawn = one.case.network.initial_theta(7, np.dtype(np.float32))
        np.testing.assert_allclose(numbers(found["drawn"]), drawn, rtol=2e-7)
    assert compared > 60


BY_HAND = """
const network = engine.network(given.config), data = { x: Float32Array.of(1, -2), n: 1, y: Float32Array.of(1) };
network.theta = Float32Array.of(0.5, -1, 2, 0.25, 0, 1, 3, -2, 0.5);
const { loss, values, gradients } = network.trace(data);
const places = network.parameters.map(({ name, start }) => [name, start]);
const step = 1e-2, before = network.theta;
const lossAt = (w) => network.lossWith('dense_1.W', 0, w, data);
const slope = (lossAt(0.5 + step) - lossAt(0.5 - step)) / (2 * step);
network.setNumber('dense_2.b', 0, 7);
const replaced = network.parameter('dense_2.b')[0];
const kept = before.every((w, i) => i === 8 || w === network.theta[i]);
const shown = values.map(({ output, error }) => [[...output], error ? [...error] : null]);
say({ loss, places, slope, replaced, kept, values: shown, gradients: [...gradients] });
"""


@pytest.mark.slow
def test_a_trace_by_hand(tmp_path):
    """z = a W + b = (-3.5, -0.5), a = relu(z) without a change of sign, out = 0.5; L = (out - 1)^2."""
    built()
    layers = [{"kind": "dense", "units": 2}, {"kind": "identity"}, {"kind": "dense", "units": 1}]
    config = {"inputs": 2, "layers": layers, "loss": {"kind": "mean_squared_error"}}
    found = run(tmp_path, BY_HAND, {"config": config})
    assert found["places"] == [["dense_1.W", 0], ["dense_1.b", 4], ["dense_2.W", 6], ["dense_2.b", 8]]
    # z_1 = 1 * 0.5 - 2 * 2 + 0 = -3.5 and z_2 = 1 * -1 - 2 * 0.25 + 1 = -0.5; out = 3 * -3.5 - 2 * -0.5 + 0.5 = -9
    assert found["values"] == [
        [[1, -2], None],
        [[-3.5, -0.5], [-60, 40]],
        [[-3.5, -0.5], [-60, 40]],
        [[-9], [-20]],
    ]
    assert found["loss"] == 100
    assert found["gradients"] == [-60, 40, 120, -80, -60, 40, 70, 10, -20]
    assert found["slope"] == pytest.approx(-60, rel=1e-3)
    assert found["replaced"] == 7 and found["kept"]


GOES_ON = """
const { config, X, y, n, optimizer } = given, data = { x: numbers(X), n, y };
const options = { optimizer, batchSize: 16, epochs: 4, schedule: { kind: 'one_cycle' }, validation: data };
const one = engine.network(config, { seed: 3 }), whole = one.training(data, options);
whole.run(Infinity);
const two = engine.network(config, { seed: 3 }), first = two.training(data, options);
first.steps(9);
const state = first.state(), file = two.save();
first.free();
const three = engine.open(file).network, rest = three.training(data, options);
rest.restore(state);
rest.run(Infinity);
rest.free();
const thetas = { one: text(one.theta), three: text(three.theta) };
const size = () => engine.kernels.call.memory.buffer.byteLength;
const before = size();
for (let i = 0; i < 100; ++i) {
  const training = one.training(data, options);
  training.steps(3);
  training.free();
}
say({ ...thetas, history: whole.history, grown: size() - before, total: whole.total });
"""


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "nadam", "sgd"])
def test_a_run_goes_on_where_another_one_stopped(optimizer, tmp_path):
    """To the bit, from the file and the optimizer's numbers; and 100 trainings leave no memory behind."""
    built()
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)).astype(np.float32), rng.integers(0, 2, 50)
    layers = [{"kind": "dense", "units": 8}, {"kind": "tanh"}, {"kind": "dropout", "rate": 0.2}]
    config = {"inputs": 3, "layers": [*layers, {"kind": "dense", "units": 2}]}
    config["loss"] = {"kind": "softmax_cross_entropy"}
    momentum = {"momentum": 0.9} if optimizer == "sgd" else {}
    given = {
        "config": config,
        "X": text(X),
        "y": y.tolist(),
        "n": 50,
        "optimizer": {"kind": optimizer, **momentum},
    }
    found = run(tmp_path, GOES_ON, given)
    assert found["one"] == found["three"]
    assert found["grown"] == 0
    history = found["history"]
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4] and found["total"] == 16
    assert all(0 <= entry["val_accuracy"] <= 1 and entry["val_loss"] > 0 for entry in history)


STEPPED = """
say(given.map(({ file, X, n, y }) => {
  const { network, isRounded } = engine.open(new Uint8Array(readFileSync(file)).buffer), x = numbers(X);
  const outputs = text(network.outputsOf(x, n));
  const optimizer = { kind: 'sgd', learning_rate: 0.1 };
  network.training({ x, n, y }, { optimizer, batchSize: n, epochs: 1 }).run(Infinity);
  return { outputs, theta: text(network.theta), isRounded };
}));
"""


@pytest.mark.slow
def test_what_the_engine_puts_together_computes_what_it_did_apart(tmp_path):
    """Not where a dense is read twice, or where a slope is below 0; and samples that are rescaled, also twice."""
    built()
    rng = np.random.default_rng(0)
    layers: list[list[Layer]] = [
        [Dense(4), ReLU(), Dense(2)],
        [Dense(4), Skip([ReLU()]), Dense(2)],
        [Dense(4), Residual([Tanh()]), Dense(2)],
        [Dense(4), LeakyReLU(-0.5), Dense(2)],
        [Rescale(2.0, 1.0), Rescale(-0.5, 3.0), Dense(2)],
        [Skip([Rescale(2.0, 1.0)]), Dense(2)],
    ]
    X, y = rng.normal(size=(9, 3)).astype(np.float32), rng.normal(size=(9, 2))
    given, expected = [], []
    for number, each in enumerate(layers):
        dtype = "float64" if number == 1 else "float32"
        model = Model(Network(3, each, MeanSquaredError()), seed=number, dtype=dtype)
        model.theta += 0.1 * rng.normal(size=model.theta.shape).astype(dtype)
        model.save(path := tmp_path / f"{number}.safetensors")
        given.append({"file": str(path), "X": text(X), "n": 9, "y": y.ravel().tolist()})
        outputs = model.outputs(X, engine="reference")
        model.fit(X, y, epochs=1, batch_size=9, optimizer=SGD(0.1), engine="reference")
        expected.append((outputs, model.theta, dtype == "float64"))
    for (outputs, theta, is_rounded), found in zip(expected, run(tmp_path, STEPPED, given), strict=True):
        assert found["isRounded"] == is_rounded
        np.testing.assert_allclose(numbers(found["outputs"]), np.ravel(outputs), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(numbers(found["theta"]), theta, rtol=1e-4, atol=1e-5)


MEASURES = """
const { config, X, y, n } = given, x = numbers(X), network = engine.network(config);
const trained = (data) => {
  network.training(data, { optimizer: { kind: 'sgd', learning_rate: 1e-30 }, epochs: 1 }).run(Infinity);
  return Object.fromEntries(Object.entries(network.states.standardize_1).map(([name, values]) => [name, [...values]]));
};
const first = trained({ x, n, y }), later = trained({ x: x.map((value) => 2 * value), n, y });
network.theta = Float32Array.of(1, 0, 0, 0);
const outputs = () => [...network.outputsOf(x, n)], before = outputs();
network.states.standardize_1.mean.fill(99);   // a copy
const still = [...network.states.standardize_1.mean];
network.states = { standardize_1: { mean: [1, 0, 0], std: [2, 1, 1], count: [40] } };
const after = outputs(), { accuracy } = network.evaluate({ x, n, y });
network.training({ x, n, y }).run(Infinity);
network.initialize(5);
const anew = [...network.theta], expected = [...engine.network(config, { seed: 5 }).theta];
say({ first, later, before, still, after, accuracy, anew, expected });
"""


@pytest.mark.slow
def test_columns_are_measured_once_as_the_package_does(tmp_path):
    """Also one that is constant, and one whose deviation is small next to its mean; of more rows than in one pass."""
    built()
    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(5, 2, 600), np.full(600, 3.3), 1e4 + rng.normal(size=600)], 1).astype(np.float32)
    network = Network(3, [Standardize(), Dense(1)], MeanSquaredError())
    model = Model(network, seed=0)
    model.fit(X, X[:, :1], epochs=1, optimizer=SGD(1e-30), engine="reference")
    given = {"config": network_config(network), "X": text(X), "y": X[:, 0].tolist(), "n": 600}
    found = run(tmp_path, MEASURES, given)
    state = model.states["standardize_1"]
    for name in ("mean", "std", "count"):
        np.testing.assert_allclose(found["first"][name], np.ravel(getattr(state, name)), rtol=1e-5)
    assert found["first"]["std"][1] == 1 and found["later"] == found["first"]
    np.testing.assert_allclose(
        found["before"], (X[:, 0] - state.mean[0]) / state.std[0], rtol=1e-4, atol=1e-6
    )
    assert found["still"] == found["first"]["mean"]
    np.testing.assert_allclose(found["after"], (X[:, 0] - 1) / 2, rtol=1e-6)
    assert found["accuracy"] is None and found["anew"] == found["expected"]


EVALUATES = """
const { config, inputs, n } = given, network = engine.network(config, { seed: 1 });
const wave = (length) => Float32Array.from({ length }, (_, i) => Math.sin(i * i));
const every = [...wave(n)], x = wave(n * inputs), y = every.map((value) => Number(value > 0.3));
const weight = every.map((value) => 1.5 + value), sum = (values) => values.reduce((all, value) => all + value, 0);
const part = (from, to) => {
  const [of, labels, weights] = [x.slice(from * inputs, to * inputs), y.slice(from, to), weight.slice(from, to)];
  return { x: of, y: labels, weight: weights, n: to - from };
};
const whole = network.evaluate(part(0, n)), parts = [part(0, 1000), part(1000, n)];
const each = parts.map((data) => ({ ...network.evaluate(data), weight: sum(data.weight) }));
const joined = (name) => sum(each.map((found) => found.weight * found[name])) / sum(weight);
const p = network.predict(x, n), ofParts = parts.flatMap((data) => [...network.predict(data.x, data.n)]);
const losses = y.map((label, i) => -Math.log(p[2 * i + label]));
const hits = y.map((label, i) => Number(p[2 * i + label] > 0.5));
const byHand = (values) => sum(values.map((value, i) => value * weight[i])) / sum(weight);
const first = part(0, 256), before = network.theta, lost = network.lossWith('dense_1.b', 1, 5, first);
network.theta[0] = 7;
const { theta } = network, isKept = theta.every((w, i) => w === before[i]), after = network.loss(first);
network.setNumber('dense_1.b', 1, 5);
const { values, penalty } = network.trace(first), replaced = network.loss(first);
let error = null;
try { network.trace(part(0, 257)); } catch ({ message }) { error = message; }
const W = [...network.parameter('dense_1.W')], b = network.parameter('dense_1.b')[1];
const squares = sum(W.map((w) => w * w)), sizes = sum(W.map(Math.abs));
say({
  whole: [whole.loss, whole.accuracy, whole.penalty], joined: [joined('loss'), joined('accuracy')],
  alike: p.every((v, i) => v === ofParts[i]), byHand: [byHand(losses), byHand(hits)], isKept, lost, replaced, after,
  rows: values[0].output.length, error, b, penalties: [penalty, network.penalty(), 0.05 * squares + 0.01 * sizes],
});
"""


@pytest.mark.slow
def test_losses_are_those_of_all_rows_with_their_weights_however_many_there_are(tmp_path):
    """More numbers than are in the engine's memory at a time; and a look at a loss changes no number."""
    built()
    config = {"inputs": 2048, "layers": [{"kind": "dense", "units": 2}], "l2": 0.1, "l1": 0.01}
    config["loss"] = {"kind": "softmax_cross_entropy"}
    found = run(tmp_path, EVALUATES, {"config": config, "inputs": 2048, "n": 2100})
    loss, share, penalty = found["whole"]
    assert found["joined"] == pytest.approx([loss, share], rel=1e-6) and found["alike"]
    assert found["byHand"] == pytest.approx([loss - penalty, share], rel=1e-4)
    assert found["isKept"] and found["b"] == 5
    assert (
        found["lost"] == pytest.approx(found["replaced"], rel=1e-6) != pytest.approx(found["after"], rel=1e-3)
    )
    assert found["rows"] == 256 * 2048 and found["error"] == "A trace takes at most 256 rows, not 257."
    assert found["penalties"] == pytest.approx([found["penalties"][-1]] * 3, rel=1e-4) and penalty > 0


REFUSES = """
const messages = [];
const refused = (work) => { try { work(); messages.push(null); } catch (error) { messages.push(error.message); } };
const bytes = (file) => new Uint8Array(readFileSync(file)).buffer;
const config = (layers, rest) => ({ inputs: 2, layers, loss: { kind: 'mean_squared_error' }, ...rest });
const dense = { kind: 'dense', units: 2 }, network = engine.network(config([dense]));
const x = Float32Array.of(1, 2), y = Float32Array.of(1, 2);
refused(() => engine.open(bytes(given.embedding)));
refused(() => engine.open(bytes(given.good).slice(0, 400)));
refused(() => engine.open(new ArrayBuffer(3)));
refused(() => engine.network(config([{ kind: 'dense' }])));
refused(() => engine.network(config([{ kind: 'dense', units: 2.5 }])));
refused(() => engine.network(config([{ kind: 'dense', units: 2, color: 1 }])));
refused(() => engine.network(config([])));
refused(() => engine.network(config([dense], { loss: { kind: 'hinge' } })));
refused(() => network.predict(x, 2));
refused(() => network.training({ x, n: 1, y: [1] }));
refused(() => network.training({ x, n: 1, y }, { optimizer: { kind: 'sgd', nesterov: true } }));
refused(() => network.training({ x, n: 1, y }, { frozen: ['dense_9'] }));
refused(() => network.setNumber('dense_1.W', 4, 0));
refused(() => network.training({ x, n: 1, y, weight: [1, 2] }));
const classes = engine.network(config([dense], { loss: { kind: 'softmax_cross_entropy' } }));
refused(() => classes.training({ x, n: 1, y: [2] }));
const far = network.training({ x: Float32Array.of(1e38, 1e38), n: 1, y }).run(100);
say({ messages, ended: far.ended, done: far.done });
"""


@pytest.mark.slow
def test_every_refusal_is_a_sentence(tmp_path):
    built()
    good, embedding = tmp_path / "good.safetensors", tmp_path / "embedding.safetensors"
    Model(Network(2, [Dense(2)], MeanSquaredError())).save(good)
    Model(Network(2, [Embedding([(0, 4, 2)]), Dense(2)], MeanSquaredError())).save(embedding)
    found = run(tmp_path, REFUSES, {"good": str(good), "embedding": str(embedding)})
    expected = (
        'no layer of kind "embedding"',
        "should be float32 of shape|not a complete model file",
        "not a complete model file",
        "needs a value of units",
        "whole number of outputs",
        "has no setting color",
        "at least one layer",
        'no loss of kind "hinge"',
        "2 rows of 2|n rows of 2",
        "must have 2 numbers",
        "cannot have these settings together",
        "dense_9",
        "the numbers 0 to 3",
        "weight must have 1 numbers, but has 2",
        "classes from 0 to 1",
    )
    assert len(found["messages"]) == len(expected)
    for message, words in zip(found["messages"], expected, strict=True):
        assert message is not None and any(part in message for part in words.split("|")), (message, words)
        assert message.endswith((".", ")")) and "undefined" not in message
    assert found["ended"] in ("loss", "gradient") and found["done"]


WORKER = """
const { server } = await import(pathToFileURL(`${folder}/engine/serve.js`).href);
const { connect } = await import(pathToFileURL(`${folder}/engine/client.js`).href);
const early = await new Promise((resolve) => server(resolve)({ id: 1, method: 'get', args: ['a', 'theta'] }));
const page = new EventTarget(), told = [];
const postMessage = server((data) => page.dispatchEvent(new MessageEvent('message', { data })));
const worker = { postMessage, addEventListener: page.addEventListener.bind(page), terminate() {} };
const there = await connect({ worker, wasm: readFileSync(`${folder}/engine.wasm`), description });
const about = await there.network('a', given.config, { seed: 1 });
await there.data('points', { x: numbers(given.X), n: given.n, y: given.y });
const tell = (each) => told.push(each);
const train = (options) => there.train('a', { data: 'points' }, { batchSize: 10, ...options }, tell);
const run = train({ epochs: 3, paused: true }), begun = await run.begun, three = await run.steps(3);
await run.resume();
const last = await run.done, loss = await there.call('a', 'evaluate', { data: 'points' });
const wrong = await there.call('b', 'evaluate', { data: 'points' }).catch(({ message }) => message);
const file = await there.save('a', { classes: [0, 1], epochs_trained: 3, steps_trained: begun.total });

const stepped = train({ epochs: 1, paused: true }), five = await stepped.steps(5), over = await stepped.done;
const after = await stepped.resume().catch(({ message }) => message);
const idle = train({ epochs: 1, paused: true }), before = train({ epochs: 1, paused: true }), two = await idle.steps(2);
await idle.stop();
await before.stop();
const stopped = [await idle.done, await before.done];
const open = train({ epochs: 1, paused: true });
await open.begun;
page.dispatchEvent(Object.assign(new Event('error'), { message: 'out of memory' }));
const lost = await open.done.catch(({ message }) => message);
say({ early, about, begun, three, loss, last, told, wrong, file: text(file), five, over, after, two, stopped, lost });
"""


@pytest.mark.slow
def test_the_worker_answers_between_the_slices_of_a_training(tmp_path):
    """A training that is paused, stepped, and resumed; a model file that the package opens and evaluates alike.

    However a training ends, by its last step, by `steps`, by `stop` or with its worker, its promise `done` is settled.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    layers = [{"kind": "dense", "units": 4}, {"kind": "tanh"}, {"kind": "dense", "units": 2}]
    config = {"inputs": 2, "layers": layers, "loss": {"kind": "softmax_cross_entropy"}}
    given = {"config": config, "X": text(X), "y": y.tolist(), "n": 50}
    found = run(tmp_path, WORKER, given)
    assert found["early"]["error"] == "The engine is not loaded yet."
    assert found["wrong"] == "The worker has no network b."
    assert (found["about"]["size"], found["about"]["targets"]) == (22, "classes")
    assert found["begun"] == {"total": 15, "stepsPerEpoch": 5}
    assert (found["three"]["step"], found["three"]["done"]) == (3, False)
    assert (found["last"]["step"], found["last"]["done"], found["last"]["ended"]) == (15, True, "done")
    assert found["told"][-1] == found["last"]
    assert (found["five"]["step"], found["five"]["done"]) == (5, True) and found["over"] == found["five"]
    assert "it may be over" in found["after"]
    assert (found["two"]["step"], found["two"]["done"]) == (2, False)
    assert found["stopped"] == [found["two"], None] and found["lost"] == "out of memory"
    path = tmp_path / "model.safetensors"
    path.write_bytes(numbers(found["file"], "uint8").tobytes())
    model = chainrule.load(path)
    assert model.network.layers == (Dense(4), Tanh(), Dense(2))
    assert model.network.loss == SoftmaxCrossEntropy() and model.epochs_trained == 3
    assert model.evaluate(X, y)["loss"] == pytest.approx(found["loss"]["loss"], rel=1e-5)
    assert model.evaluate(X, y)["accuracy"] == pytest.approx(found["loss"]["accuracy"])


# --- without the compiled engine --------------------------------------------------------------------------------------


def without_engine(folder: Path, script: str, given: object, *entries: str) -> Any:
    """Run a script beside modules of the page and those that they import."""
    scripts = modules()
    for name in needed(entries, scripts):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(scripts[name], "utf-8")
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    return node.run(folder, script, given)


ANSWERS = """
import { isRight, predictions } from './engine/answers.js';
say(given.map(({ out, width, loss, y, n }) => {
  const right = Array.from({ length: n }, (_, i) => isRight({ fanOut: width, loss }, out, i, y, i));
  const made = Float64Array.from(out);
  for (const name of loss.predict) predictions[name](made, width);
  return { right, made: [...made] };
}));
"""


def test_predictions_and_right_answers_are_those_of_the_package(tmp_path):
    """Of every loss, of outputs below, at and above its threshold."""
    rng = np.random.default_rng(0)
    given, expected, n, width = [], [], 80, 2
    for kind, described in DESCRIBED["losses"].items():
        loss, targets = LOSSES[kind](), described["targets"]
        is_share = kind in ("binary_cross_entropy", "categorical_cross_entropy")
        out = rng.choice([0.25, 0.5, 0.75] if is_share else [-0.75, 0, 0.25, 0.5, 2], (n, width))
        y = rng.integers(0, 2, n if targets == "classes" else (n, width))
        predicted = loss.predict(out)
        said = predicted.argmax(1) if targets == "classes" else predicted > 0.5
        hits = [accuracy(y[[i]], said[[i]]) == 1 for i in range(n)]
        expected.append((predicted, hits if targets in ("classes", "binary") else [False] * n))
        own = {"targets": targets, "predict": described["predict"]}
        given.append(
            {"out": out.ravel().tolist(), "width": width, "loss": own, "y": y.ravel().tolist(), "n": n}
        )
    found = without_engine(tmp_path, ANSWERS, given, "engine/answers.js")
    are_of_labels = [loss.targets in ("binary", "classes") for loss in LOSSES.values()]
    assert [0 < sum(right) < n for _, right in expected] == are_of_labels
    for (predicted, right), answered in zip(expected, found, strict=True):
        np.testing.assert_allclose(answered["made"], predicted.ravel(), rtol=1e-12)
        assert answered["right"] == right


MOMENTS = """
import { moments, normGradients } from './engine/answers.js';
const { a, delta, mean, variance, eps, n, width } = given, x = Float64Array.from(a);
const found = { ...moments(x, n, width), ...normGradients(x, delta, { mean, var: variance }, eps) };
say(Object.fromEntries(Object.entries(found).map(([name, values]) => [name, [...values]])));
"""


def test_moments_and_gradients_of_a_batch_norm_are_those_of_the_package(tmp_path):
    rng = np.random.default_rng(0)
    network = Network(2, [BatchNorm(), Dense(1)], MeanSquaredError())
    X, y, errors = rng.normal(5, [1, 30], (9, 2)), rng.normal(size=(9, 1)), {}
    state = BatchNormState(np.array([2.0, 4.0]), np.array([3.0, 1e-4]))  # of which the second is near eps

    def watch(which: str, link: Any, values: np.ndarray) -> None:
        errors[which, link.name] = values

    context = Context(states={"batch_norm_1": state}, watch=watch)
    params = network.unflatten(rng.normal(size=network.size))
    gradients = network.objective(params, X, y, np.ones(9), context).grads[0]
    given = {"a": X, "delta": errors["backward", "batch_norm_1"], "mean": state.mean, "variance": state.var}
    given = {name: np.ravel(values).tolist() for name, values in given.items()}
    given |= {"eps": BatchNorm().eps, "n": 9, "width": 2}
    found = without_engine(tmp_path, MOMENTS, given, "engine/answers.js")
    np.testing.assert_allclose(found["mean"], X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found["std"], X.std(0), rtol=1e-12)
    np.testing.assert_allclose(found["gamma"], gradients.gamma, rtol=1e-5)
    np.testing.assert_allclose(found["beta"], gradients.beta, rtol=1e-5)


STARTS = """
import { networkOf } from './engine/links.js';
import { initialStates, initialTheta } from './engine/start.js';
const plain = (states) => Object.fromEntries(Object.entries(states).map(([name, values]) => [name, [...values]]));
const refused = (config) => { try { networkOf(given.description, config); } catch ({ message }) { return message; } };
const made = given.configs.map((config) => {
  const network = networkOf(given.description, config), states = initialStates(network);
  const theta = [...initialTheta(given.description, network, 3)];
  return { theta, states: Object.fromEntries(Object.entries(states).map(([link, each]) => [link, plain(each)])) };
});
say({ made, refused: given.refused.map(refused) });
"""


def test_initial_numbers_are_those_of_the_package(tmp_path):
    """Of every initializer, of layers with states, and of blocks; and what the page cannot open is said."""
    layers: list[list[Layer]] = [
        [Dense(5, initializers.INITIALIZERS[kind]()), ReLU(), Dense(2)] for kind in DESCRIBED["initializers"]
    ]
    layers += [
        [Dense(4, initializers.Constant(0.5)), Tanh(), BatchNorm(), PReLU(), Dense(2)],
        [Standardize(), Scale(), Shift(), Dense(2)],
    ]
    layers += [[Residual([Dense(4), ReLU()]), Skip([Dense(2, initializers.HeNormal())]), Dense(2)]]
    networks = [Network(3, each, MeanSquaredError()) for each in layers]
    few = {"inputs": 1, "layers": [{"kind": "dense", "units": 2}], "loss": {"kind": "mean_squared_error"}}
    deep = few["layers"]
    for _ in range(66):
        deep = [{"kind": "residual", "layers": deep}]
    odd = [
        {"constraints": {"monotone": [1]}},
        {"loss": {"kind": "quantile", "q": [0.1, 0.5, 0.9]}},
        {"inputs": 1.5},
    ]
    given = {"description": DESCRIBED, "configs": [network_config(each) for each in networks]}
    given["refused"] = [
        few | each for each in [*odd, {"layers": deep}, {"layers": [{"kind": "dense", "units": 0}]}]
    ]
    found = without_engine(tmp_path, STARTS, given, "engine/links.js", "engine/start.js")
    for network, one in zip(networks, found["made"], strict=True):
        model = Model(network, seed=3)
        np.testing.assert_allclose(one["theta"], model.theta, rtol=2e-7)
        assert one["states"].keys() == model.states.keys()
        for name, state in model.states.items():
            for field, values in state._asdict().items():
                np.testing.assert_array_equal(one["states"][name][field], np.ravel(values))
    expected = (
        "has constraints",
        "3 values of q, but the network 2 outputs",
        "inputs must be",
        "64 blocks within",
        "a whole number of outputs of at least 1, not 0",
    )
    for message, words in zip(found["refused"], expected, strict=True):
        assert words in message and message.endswith(".")


FILES = """
import { networkOf } from './engine/links.js';
import { read, tensorsOf } from './engine/safetensors.js';
say(given.files.map((file) => {
  const bytes = readFileSync(file), buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  try {
    const { header, tensor } = read(buffer), { parameters, walk } = networkOf(given.description, header.network);
    return tensorsOf(parameters, walk).map(({ name, shape }) => [...tensor(name, shape)]).flat();
  } catch ({ message }) {
    return message;
  }
}));
"""


def test_model_files_are_read_or_refused_in_a_sentence(tmp_path):
    """In float32 and float64; of other formats, damaged and cut off anywhere."""
    network = Network(2, [Standardize(), Dense(3), Tanh(), Dense(1)], MeanSquaredError())
    files, expected = [], []
    for number, dtype in enumerate(("float32", "float64")):
        model = Model(network, seed=number, dtype=dtype)
        model.save(tmp_path / dtype)
        files.append(tmp_path / dtype)
        states = np.concatenate([*map(np.ravel, model.states["standardize_1"])])
        expected.append([*model.theta.astype(np.float32), *states])
    model.theta[2] = 1e300
    whole = (tmp_path / "float32").read_bytes()
    Ensemble(network, 2).save(tmp_path / "ensemble")
    model.save(tmp_path / "beyond")
    Model(network).save(tmp_path / "compact", compact=True)
    changed = {
        "format": (rb"\"format\": 2", rb"\"format\": 9"),
        "shape": (b'"shape":[2,3]', b'"shape":[3,2]'),
    }
    for name, (before, after) in changed.items():
        assert whole.count(before) == 1
        (tmp_path / name).write_bytes(whole.replace(before, after))
    words = {"ensemble": "an ensemble", "beyond": "beyond float32", "compact": "compact=True"}
    words |= {"format": "format 9", "shape": "dense_1.W of this model file should be float32 of shape (2, 3)"}
    for cut in (0, 7, 100, len(whole) - 30, len(whole) - 1):
        (tmp_path / f"cut {cut}").write_bytes(whole[:cut])
        words[f"cut {cut}"] = "not a complete model file" if cut < 200 else "of this model file should be"
    given = {
        "files": [str(each) for each in [*files, *(tmp_path / name for name in words)]],
        "description": DESCRIBED,
    }
    found = without_engine(tmp_path, FILES, given, "engine/links.js", "engine/safetensors.js")
    assert found[:2] == [pytest.approx(each) for each in expected]
    for message, said in zip(found[2:], words.values(), strict=True):
        assert isinstance(message, str) and said in message and message.endswith(".")


RATES = """
import { settingsOf, tree } from './engine/expressions.js';
say(given.cases.map(({ config, total, each }) => {
  const described = given.schedules[config.kind], settings = settingsOf(described, config, 'it');
  const at = (step) => tree(described.factor, { ...settings, step, total, steps_per_epoch: each });
  return Array.from({ length: total }, (_, step) => at(step));
}));
"""


def test_rates_of_every_schedule_are_those_of_the_package(tmp_path):
    """With warmups that end at, between and behind steps, and with a single step."""
    kinds = {"cosine": [{"warmup": 0.25, "floor": 0.1}], "flat_cosine": [{"flat": 0.25}, {"flat": 0.9}]}
    kinds |= {"one_cycle": [{"warmup": 0.0}, {"warmup": 0.95}, {"warmup": 0.125}]}
    cases, expected = [], []
    for kind in DESCRIBED["schedules"]:
        for own in [{}, *kinds.get(kind, [])]:
            for total, each in ((1, 1), (8, 4), (21, 3)):
                cases.append({"config": {"kind": kind} | own, "total": total, "each": each})
                expected.append(SCHEDULES[kind](**own).factor(np.arange(total), total, each))
    given = {"cases": cases, "schedules": DESCRIBED["schedules"]}
    found = without_engine(tmp_path, RATES, given, "engine/expressions.js")
    for case, rates, factors in zip(cases, found, expected, strict=True):
        np.testing.assert_allclose(rates, np.broadcast_to(factors, len(rates)), atol=1e-12, err_msg=str(case))


STEPS = """
import { Kernels } from './engine/kernels.js';
import { networkOf } from './engine/links.js';
import { Training } from './engine/training.js';
const memory = { buffer: new ArrayBuffer(1 << 20) }, calls = [], measured = [], events = [];
let room = 8, fails = Infinity;
const view = (Type, at, n) => new Type(memory.buffer, at, n);
const exports = {   // kernels that note what they are asked for; the loss of a row is its number
  memory,
  names() {
    const bytes = new TextEncoder().encode(JSON.stringify(given.names)), at = exports.malloc(bytes.length + 1);
    view(Uint8Array, at, bytes.length).set(bytes);
    return at;
  },
  malloc(n) { room += 8 * Math.ceil(n / 8) + 8; return room - 8 * Math.ceil(n / 8) - 8; },
  free() {}, make: () => 1, set_mu_product() {}, set_theta() {}, get_theta() {}, release: () => events.push('released'),
  steps(_at, _x, _type, _labels, _y, _weight, order, n, settings, steps, first, _offset, to) {
    const rows = [...view(BigInt64Array, order, n)].map(Number), sums = view(Float64Array, to, 6);
    calls.push({ rows, rates: [...view(Float64Array, settings, steps)], first, steps });
    if (first > fails) return 1;
    for (const row of rows) { sums[0] += row; sums[1] += 1; sums[2] += row % 2; }
    sums[5] = steps;
    return 0;
  },
};
const kernels = new Kernels(exports), plan = networkOf(given.description, given.config), { n } = given;
const theta = new Float32Array(plan.size);
const network = {
  kernels, description: given.description, plan, size: plan.size, seed: 5, standardize: (data) => measured.push(data.n),
  version: 0, get numbers() { events.push('read'); return theta; }, placed: () => ({ free() {} }), outdate() {},
  evaluate: ({ n: rows }) => ({ loss: rows, accuracy: 0.5 }),
};
const made = given.runs.map(({ most, step = 0, targets = 'classes', isMeasured = true, failing, ...options }) => {
  fails = failing ?? Infinity;
  Object.assign(network, { targets, isMeasured });
  const training = new Training(network, { n }, { ...options, validation: { n: 7 } }), begun = calls.length, told = [];
  if (step) training.restore({ step, moments: [], muProduct: 1 });
  while (!training.done) told.push(training.steps(most));
  events.length = 0;
  training.free();
  return { events: [...events], history: training.history, calls: calls.slice(begun), told, total: training.total };
});
exports.malloc = () => 0;
let full = null;
try { kernels.allocate(Float32Array, 5); } catch ({ message }) { full = message; }
say({ made, measured, full });
"""


def test_the_steps_of_a_run_are_those_of_the_package(tmp_path):
    """Orders, batches, rates and the history, however few steps are taken at a time. 21 rows make 3 batches of 8."""
    X, y = np.random.default_rng(0).normal(size=(21, 2)), np.arange(21) % 2
    network = Network(2, [Dense(2)], SoftmaxCrossEntropy())
    model = Model(network, seed=5)
    model.fit(X, y, epochs=4, batch_size=8, optimizer=SGD(0.5), schedule=OneCycle(), engine="reference")
    options = {"optimizer": {"kind": "sgd", "learning_rate": 0.5}, "schedule": {"kind": "one_cycle"}}
    options |= {"batchSize": 8, "epochs": 4}
    kinds = [{"shuffle": "package"}, {"shuffle": "package", "most": 2}, {"most": 1}, {"most": 1, "seed": 6}]
    kinds += [{"shuffle": "package", "step": 4}, {"targets": "binary", "isMeasured": False}]
    kinds += [{"targets": "real"}, {"most": 1, "failing": 3}]
    names = {
        "ops": [["dense", "", ""]],
        "activations": [["identity", "", True]],
        "rules": ["gradient_descent"],
    }
    names |= {"losses": [["softmax_cross_entropy", ""]], "ends": ["done", "loss"]}
    given = {"names": names, "description": DESCRIBED, "config": network_config(network), "n": 21}
    given["runs"] = [options | kind for kind in kinds]
    entries = "engine/training.js", "engine/kernels.js", "engine/links.js"
    told = without_engine(tmp_path, STEPS, given, *entries)
    whole, *others, rest, binary, real, failed = told["made"]
    assert (
        failed["told"][-1]["ended"] == "loss" and failed["told"][-1]["done"] and len(failed["history"]) == 1
    )
    assert told["full"].startswith("There is not enough memory in the page for this; take fewer rows")
    assert whole["events"] == ["read", "released"]  # the numbers are read back before the session goes
    assert told["measured"] == [21]  # columns are measured where they have not been
    for found, share in ((binary, 10 / 21), (real, None)):  # numbers are neither right nor wrong
        assert [each["accuracy"] for each in found["history"]] == [share] * 4
        assert found["told"][0]["accuracy"] == share
    for found in (whole, *others):
        assert found["total"] == 12 and found["told"][-1]["done"] and found["told"][-1]["step"] == 12
        rates = [rate for call in found["calls"] for rate in call["rates"]]
        np.testing.assert_allclose(rates, 0.5 * OneCycle().factor(np.arange(12), 12, 3))
        assert [call["first"] for call in found["calls"]] == np.cumsum(
            [1, *(call["steps"] for call in found["calls"][:-1])]
        ).tolist()
        order = [row for call in found["calls"] for row in call["rows"]]
        epochs = [order[21 * epoch : 21 * (epoch + 1)] for epoch in range(4)]
        assert all(sorted(rows) == list(range(21)) for rows in epochs) and len({*map(tuple, epochs)}) == 4
        assert len({rows[0] for rows in epochs}) > 1 < len({rows[-1] for rows in epochs})
        for epoch, record in enumerate(found["history"]):
            assert record["epoch"] == epoch + 1 and (record["val_loss"], record["val_accuracy"]) == (7, 0.5)
            assert record["learning_rate"] == pytest.approx(model.history[epoch]["learning_rate"])
            assert (record["loss"], record["accuracy"]) == pytest.approx((10, 10 / 21))
        if found in (whole, others[0]):
            expected = [generator(5, "shuffle", epoch).permutation(21).tolist() for epoch in range(4)]
            assert epochs == expected
    assert others[1]["calls"] != others[2]["calls"]  # another seed has another order
    # each step of eight rows tells their mean loss and how many are right
    for told, call in zip(others[1]["told"], others[1]["calls"], strict=True):
        assert (told["loss"], told["accuracy"]) == (np.mean(call["rows"]), np.mean(np.mod(call["rows"], 2)))
    # of 21 rows 5 are left for the third step of an epoch
    assert [told["samples"] for told in others[0]["told"]] == [16, 13, 13, 16, 13, 13]
    # one that goes on behind the fourth step has the rows and the rates of the others from there
    assert rest["calls"][0]["first"] == 5 and rest["history"][1:] == whole["history"][2:]
    for name, taken in (("rows", 29), ("rates", 4)):
        every, left = (
            [each for call in found["calls"] for each in call[name]] for found in (others[0], rest)
        )
        assert left == every[taken:]
