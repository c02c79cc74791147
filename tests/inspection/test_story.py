"""The story of one prediction: its numbers are those of the model, and its sentences are made of them."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from rich.console import Console

from chainrule import (
    Adam,
    BatchNorm,
    CategoricalCrossEntropy,
    ConfigError,
    Dense,
    Layer,
    MeanSquaredError,
    Model,
    Network,
    Poisson,
    ReLU,
    Rescale,
    Residual,
    ShapeError,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    Standardize,
)
from chainrule.inspection.attribution import METHODS
from chainrule.inspection.story import Story, explain
from chainrule.inspection.story.chapters import Grid
from chainrule.views import words
from chainrule.views.text.story import grid

R = np.random.default_rng(0)
X = R.normal(3.0, 2.0, size=(150, 6))
CLASSES = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [2.0, 4.0])]


def trained(layers, loss, y, **options) -> Model:
    model = Model(Network(6, layers, loss), seed=0, dtype="float64")
    model.fit(X, y, epochs=8, batch_size=16, optimizer=Adam(1e-2), **options)
    return model


@pytest.fixture(scope="module")
def classifier() -> Model:
    layers = [Standardize(), Dense(12), BatchNorm(), ReLU(), Residual([Dense(12), ReLU()]), Dense(3)]
    return trained(layers, SoftmaxCrossEntropy(), CLASSES)


def flat(story: Story) -> str:
    return " ".join(str(story).split())


# --- the numbers


def test_the_answers_are_the_models(classifier):
    story = explain(classifier, X[0])
    shares = dict(zip(classifier.classes, classifier.predict_proba(X[:1])[0], strict=True))
    assert story.said == classifier.predict(X[:1])[0] == story.answers[0].label
    for answer in story.answers:
        assert answer.share == pytest.approx(shares[answer.label], abs=1e-12)
    assert [answer.share for answer in story.answers] == pytest.approx(sorted(shares.values(), reverse=True))
    top = np.sort(classifier.outputs(X[:1])[0])
    assert story.rival.gap == pytest.approx(top[-1] - top[-2], abs=1e-12)


def test_the_layers_are_those_of_a_trace(classifier):
    story = explain(classifier, X[0])
    trace = classifier.trace(X[0], story.said, training=False)
    assert [layer.name for layer in story.layers] == [
        *("input", "standardize_1", "dense_1", "batch_norm_1", "relu_1"),
        *("dense_2", "relu_2", "residual_1", "dense_3"),
    ]
    for layer in story.layers[1:]:
        np.testing.assert_allclose(layer.values, trace.outputs[layer.name][0])
    assert [layer.depth for layer in story.layers[5:8]] == [1, 1, 0]
    relu = story.layers[4]
    assert relu.active == (trace.outputs["relu_1"][0] > 0).sum()
    assert relu.strongest[0] == trace.outputs["relu_1"][0].argmax()
    np.testing.assert_allclose(story.standard, (X[0] - X.mean(0)) / X.std(0))


def test_evidence_adds_up_at_every_layer(classifier):
    story = explain(classifier, X[0])
    f = story.rival.f
    change = float((f.value(f.X, f.V) - f.value(f.baseline, f.V))[0])
    assert [layer.name for layer in story.evidence] == ["relu_1", "residual_1", "dense_3"]
    for layer in story.evidence:
        assert layer.total == pytest.approx(change, abs=1e-9)


@pytest.mark.parametrize("row", range(5))
def test_the_change_of_the_input_turns_the_answer_and_half_of_it_does_not(classifier, row):
    story = explain(classifier, X[row])
    rival = story.rival
    assert rival.reached
    after = X[row] + rival.change * (1 + 1e-6)
    assert classifier.predict(after[None])[0] == rival.answer_then == rival.label
    assert classifier.predict((X[row] + rival.change / 2)[None])[0] == story.said
    # The distance is what the first learning layer sees: standard deviations.
    assert rival.distance == pytest.approx(float(np.linalg.norm(rival.change / X.std(0))))


def test_the_hidden_change_closes_the_gap(classifier):
    rival = explain(classifier, X[0]).rival
    name, need, size = rival.hidden
    a = classifier.trace(X[0], CLASSES[0], training=False).outputs["residual_1"][0]
    w = classifier.parameters["dense_3"].W @ rival.f.V[0]
    assert (name, size) == ("residual_1", pytest.approx(np.linalg.norm(a)))
    b = classifier.parameters["dense_3"].b
    assert (a - need * w / np.linalg.norm(w)) @ w + b @ rival.f.V[0] == pytest.approx(0, abs=1e-9)


def test_the_step_is_the_one_that_training_would_take(classifier):
    """The gradient of `loss_and_gradients` as in prediction, one step of plain gradient descent."""
    story = explain(classifier, X[0], CLASSES[0], learning_rate=0.05)
    loss, grads = classifier.loss_and_gradients(X[:1], CLASSES[:1], training=False)
    g = np.concatenate([part.ravel() for parts in grads.values() for part in parts])
    stepped = Model(classifier.network, dtype="float64")
    stepped.theta[...] = classifier.theta - 0.05 * g
    stepped.states, stepped.classes = classifier.states, classifier.classes
    change = story.change
    assert change.loss == pytest.approx(loss, rel=1e-12)
    assert change.loss_after == pytest.approx(
        stepped.loss_and_gradients(X[:1], CLASSES[:1], training=False)[0], rel=1e-9
    )
    assert change.expected == pytest.approx(-0.05 * g @ g, rel=1e-12)
    shares = dict(zip(classifier.classes, stepped.predict_proba(X[:1])[0], strict=True))
    assert [a.label for a in change.answers_after] == [a.label for a in story.answers]
    for answer in change.answers_after:
        assert answer.share == pytest.approx(shares[answer.label], rel=1e-9)
    largest = change.moves[0]
    assert abs(largest.after - largest.before) == pytest.approx(0.05 * np.abs(g).max(), rel=1e-9)
    link, field, index = re.fullmatch(r"(\w+)\.(\w+)\[([\d,]+)\]", largest.name).groups()
    place = tuple(map(int, index.split(",")))
    assert getattr(classifier.parameters[link], field)[place] == largest.before


def test_frozen_weights_stay():
    model = trained([Dense(5), ReLU(), Dense(3)], SoftmaxCrossEntropy(), CLASSES).freeze("dense_2")
    story = explain(model, X[0], "low", learning_rate=0.1)
    assert all(move.name.startswith("dense_1.") for move in story.change.moves)
    assert "frozen" in story.text()


# --- the words


def test_the_story_in_words(classifier):
    story = explain(classifier, X[0], CLASSES[0], source="patient 3", names=["age", *"bcdef"])
    text = flat(story)
    for title in (
        "1 The input",
        "2 The prediction",
        "3 The output of each layer",
        f"4 Why {story.said}",
        "5 The effect",
    ):
        assert title in text
    for part in (
        "patient 3: a sample of 6 features",
        "age",
        "standardize_1",
        f"The true answer is {CLASSES[0]}",
        "adds up",
    ):
        assert part in text
    assert f"the model then predicts {story.rival.answer_then}" in text
    assert max(map(len, story.text(80).splitlines())) <= 80
    assert f"<Story of patient 3: {story.said}>" == repr(story)


def test_right_and_wrong(classifier):
    said = explain(classifier, X[0]).said
    other = next(label for label in ("low", "mid", "high") if label != said)
    assert f"The true answer is {said}: right." in flat(explain(classifier, X[0], said))
    assert f"The true answer is {other}: wrong." in flat(explain(classifier, X[0], other))
    assert f"No true answer was given, so the prediction, {said}, is used instead" in flat(
        explain(classifier, X[0])
    )


def test_a_step_too_long_is_said_to_be():
    model = trained([Dense(5), ReLU(), Dense(1)], MeanSquaredError(), X[:, 0])
    story = explain(model, X[0], X[0, 0] + 5, learning_rate=10.0)
    assert story.change.loss_after > story.change.loss and "the loss rises" in flat(story)


def test_a_picture():
    model = Model(Network(64, [Rescale(1 / 255), Dense(8), ReLU(), Dense(4)], SoftmaxCrossEntropy()), seed=1)
    pixels = R.integers(0, 256, 64, dtype=np.uint8)
    pixels[:40] = 0
    story = explain(model, pixels, source="a.png")
    text = story.text()
    assert "a picture of 8 x 8 pixels" in text and "24 of 64" in flat(story)
    assert "█" in text and "# + are for, = - against" in text
    frames = [line for line in text.splitlines() if "┌" in line]
    assert len(frames) == 2 and frames[1].count("┌") == 3


def test_colors_on_a_terminal():
    import io

    from rich.console import Console

    model = Model(Network(64, [Dense(4)], SoftmaxCrossEntropy()), seed=1)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=110)
    explain(model, R.integers(0, 256, 64, dtype=np.uint8)).show(console)
    assert "▀" in out.getvalue() and "\x1b[38;2;" in out.getvalue()


# --- every task, every method


def tasks():
    labels = (X[:, :3] > 3).astype(int)
    hidden = [Dense(8), ReLU()]
    return {
        "two classes": (
            [*hidden, Dense(1)],
            SigmoidCrossEntropy(),
            np.where(X[:, 0] > 3, "yes", "no"),
            "yes",
        ),
        "probabilities": ([*hidden, Dense(3), Softmax()], CategoricalCrossEntropy(), CLASSES, "mid"),
        "many labels": ([*hidden, Dense(3)], SigmoidCrossEntropy(), labels, [1, 0, 1]),
        "numbers": ([*hidden, Dense(1)], MeanSquaredError(), X[:, 0], 2.5),
        "two numbers": ([*hidden, Dense(2)], MeanSquaredError(), X[:, :2], [2.5, 1.0]),
        "counts": ([Sigmoid(), Dense(1)], Poisson(), np.floor(np.abs(X[:, 0])), 3),
    }


@pytest.mark.parametrize("task", tasks())
def test_every_task(task):
    layers, loss, y, truth = tasks()[task]
    model = trained(layers, loss, y)
    for given in (None, truth):
        story = explain(model, X[5], given)
        text, data = flat(story), json.loads(json.dumps(story.to_json(), allow_nan=False))
        assert data["said"] == story.said
        assert (story.change is None) == (given is None and model.task == "regression")
        assert "nan" not in text
        if given is not None:
            assert f"The true answer is {story.truth}" in text
            assert story.change.loss_after < story.change.loss
    is_held_against = task == "probabilities"  # else f is one logit, and needs no second attribution
    assert (story.rival is not None and story.rival.attribution is not None) == is_held_against
    if task == "many labels":
        on = [str(k) for k in np.flatnonzero(model.predict(X[5:6])[0])]
        assert story.chosen == on and story.truth == "0, 2"
    if model.task == "regression":
        assert story.said == ", ".join(f"{v:.6g}" for v in np.ravel(model.predict(X[5:6])))


@pytest.mark.parametrize("method", METHODS)
def test_every_method(classifier, method):
    story = explain(classifier, X[0], method=method)
    assert story.attribution.method == method
    assert story.rival.attribution.method == method
    assert story.attribution.completeness() in flat(story)


def test_a_layer_of_your_own():
    class Triple(Layer):
        def forward(self, params, a, ctx):
            return 3 * a, None

        def backward(self, params, cache, delta, ctx):
            return (), 3 * delta

    story = explain(Model(Network(6, [Dense(4), Triple(), Dense(3)], SoftmaxCrossEntropy())), X[0])
    assert story.evidence == () and story.no_rule == ("triple_1", "Triple")
    assert "but DeepLIFT has none for Triple (triple_1)." in flat(story)
    assert story.to_data()["no_rule"] == {"name": "triple_1", "layer": "Triple"}
    assert story.rival.reached


def test_the_model_is_not_changed(classifier):
    before = classifier.theta.copy(), classifier.steps_trained
    explain(classifier, X[0], CLASSES[0])
    assert (classifier.theta == before[0]).all() and classifier.steps_trained == before[1]


@pytest.mark.parametrize("scale", [1e20, 1e100, 1e180, 1e300])
def test_a_gradient_whose_square_overflows(scale):
    model = Model(Network(6, [Dense(2)], SoftmaxCrossEntropy()), dtype="float64")
    model.theta[:] = np.random.default_rng(1).normal(size=model.theta.size) * scale
    story = explain(model, X[0])
    assert story.said and story.said in flat(story)
    json.dumps(story.to_json())


def test_small_words():
    assert [words.phrases.percent(p) for p in (0, 1e-6, 0.12345, 0.99999, 1)] == [
        *("0.00 %", "< 0.01 %", "12.35 %", "> 99.99 %", "100.00 %")
    ]
    assert [words.phrases.several(list(names)) for names in ("", "a", "ab", "abc")] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"x": X[:2]}, ShapeError, "x contains 2 samples; a story is about one"),
        ({"x": X[0, :4]}, ShapeError, "x"),
        (
            {"y": "huge"},
            ConfigError,
            "the truth 'huge' is not a class of the model; choose from high, low, mid",
        ),
        ({"method": "lime"}, ConfigError, "method must be one of saliency"),
        ({"learning_rate": 0}, ConfigError, "learning_rate must be a finite number above 0"),
        ({"names": ["a"]}, ConfigError, "names contains 1 names for 6 features"),
    ],
)
def test_bad_input(classifier, settings, error, message):
    with pytest.raises(error, match=message):
        explain(classifier, **{"x": X[0]} | settings)


def test_words_of_a_wide_table_stay_whole_on_a_narrow_terminal():
    """Columns that do not fit follow below, with the rows' names again."""
    made = "PiecewiseLinearEmbedding(...)"
    rows = (("piecewise_linear_embedding_1", made, "90", "105 (41 %)", "#191 -0.673, #250 -0.624"),)
    out = io.StringIO()
    heads = ("layer", "what it is", "neurons", "active", "strongest neurons")
    Console(file=out, width=80, color_system=None).print(grid(Grid(heads, rows, (heads[1], heads[-1]))))
    text = out.getvalue()
    assert all(cell in text for cell in rows[0]) and text.count(rows[0][0]) == 2
    assert max(map(len, text.splitlines())) <= 80
