"""The screen Why: its numbers against the methods of attribution, and what it says of sums and of turned answers."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule.studio.server.serve  # registers the commands
from chainrule import (
    Adam,
    ChainruleError,
    ConfigError,
    Dense,
    Layer,
    MeanSquaredError,
    MLPClassifier,
    Model,
    Network,
    ReLU,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.inspection.attribution import METHODS
from chainrule.inspection.attribution.explained import explained
from chainrule.recipe.data import Data, from_arrays
from chainrule.recipe.run import run as run_recipe
from chainrule.recipe.settings import Settings
from chainrule.studio.session.commands import find
from chainrule.studio.session.messages import pack
from chainrule.studio.session.start import opened
from chainrule.studio.session.studio import Studio
from chainrule.tables.rows import rows_of
from small_studios import SIDE, bright_rows
from studio_words import faults_of_chinese

assert chainrule.studio.server.serve

LABELS = np.array(["low", "mid", "top"])


def fitted(layers: list[Any], loss: Any, data: Data, epochs: int = 15) -> Model:
    model = Model(Network(data.train.X.shape[1], layers, loss), seed=0)
    model.fit(data.train.X, data.train.y, epochs=epochs, batch_size=20, optimizer=Adam(0.01))
    return model


PICTURES = bright_rows(0.6, labels=LABELS, dtype="float64")
assert PICTURES.test is not None
X, Y = PICTURES.test.X, PICTURES.test.y
TABLE = np.random.default_rng(1).normal(size=(120, 4))


@pytest.fixture(scope="module")
def studio() -> Studio:
    layers = [Dense(12), ReLU(), Dense(6), Tanh(), Dense(3)]
    return Studio(fitted(layers, SoftmaxCrossEntropy(), PICTURES), PICTURES, name="rows")


@pytest.fixture(scope="module")
def binary() -> Studio:
    data = from_arrays(TABLE, np.where(TABLE[:, 0] > TABLE[:, 1], "yes", "no"), name="table")
    return Studio(fitted([Standardize(), Dense(6), ReLU(), Dense(1)], SigmoidCrossEntropy(), data), data)


@pytest.fixture(scope="module")
def numbers() -> Studio:
    y = np.stack([TABLE[:, 0] + 1, 2 * TABLE[:, 1]], 1)
    data = from_arrays(TABLE, y, name="table")
    return Studio(fitted([Dense(6), Tanh(), Dense(2)], MeanSquaredError(), data), data)


@pytest.fixture(scope="module")
def many() -> Studio:
    data = from_arrays(TABLE, (TABLE[:, :3] > 0).astype(int), name="table")
    return Studio(fitted([Dense(8), ReLU(), Dense(3)], SigmoidCrossEntropy(), data), data)


def ask(studio: Studio, command: str, **arguments: Any) -> dict[str, Any]:
    answer = find(command)(studio, arguments)
    assert pack({"id": 1, "answer": answer})
    return answer


def run(code: str, studio: Studio, folder: Path) -> dict[str, Any]:
    """Execute the Python of a panel, beside the files that it reads."""
    part = studio.data.test or studio.data.train
    studio.model.save(folder / "model.safetensors")
    np.savez(folder / "samples.npz", X=part.X, y=part.y)
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(compile(code, "panel", "exec"), names)
    finally:
        os.chdir(before)
    return names


# --- the sample


def test_a_sample_and_its_answers(studio: Studio):
    found = ask(studio, "why.sample", row=5)
    np.testing.assert_allclose(found["x"], X[5], rtol=1e-6)
    assert (found["y"], found["row"], found["n"], found["labels"]) == (Y[5], 5, 100, LABELS.tolist())
    shares = {answer["label"]: answer["share"] for answer in found["answers"]}
    expected = dict(zip(LABELS.tolist(), studio.model.predict_proba(X[5:6])[0].tolist(), strict=True))
    assert shares == pytest.approx(expected, rel=1e-4)
    assert next(a["label"] for a in found["answers"] if a["is_said"]) == studio.model.predict(X[5:6])[0]
    assert found["methods"] == list(METHODS) and found["against"] is True


def test_what_may_be_asked_about(binary: Studio, numbers: Studio, many: Studio):
    found = ask(binary, "why.sample", row=0)
    assert found["against"] is False and sorted(found["labels"]) == ["no", "yes"]
    found = ask(numbers, "why.sample", row=0)
    assert found["labels"] == ["output 0", "output 1"] and found["y"] == pytest.approx(
        [TABLE[0, 0] + 1, 2 * TABLE[0, 1]]
    )
    assert ask(many, "why.sample", row=0)["y"] == (TABLE[0, :3] > 0).astype(int).tolist()


def test_a_drawing_needs_no_data(studio: Studio):
    drawn = Studio(studio.model)
    x = X[3].tolist()
    found = ask(drawn, "why.sample", x=x)
    assert (found["row"], found["y"], found["n"]) == (None, None, 0)
    for method in METHODS:
        one, other = (
            ask(drawn, "why.method", method=method, x=x),
            ask(studio, "why.method", method=method, row=3),
        )
        np.testing.assert_allclose(one["values"], other["values"], atol=1e-12)


# --- the methods


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("target", "against"), [(None, None), ("mid", None), ("top", "low")])
def test_values_are_those_of_the_library(
    studio: Studio, method: str, target: str | None, against: str | None
):
    found = ask(studio, "why.method", method=method, row=7, target=target, against=against)
    expected = studio.model.attribute(X[[7]], method, target=target, against=against)
    np.testing.assert_array_equal(found["values"], expected.values[0])
    assert found["output"] == expected.outputs[0] and found["sum"] == expected.values[0].sum()
    assert found["sentence"] == expected.completeness()
    assert found["target"] == (target or studio.model.predict(X[[7]])[0]) and found["against"] == against
    if method == "saliency":
        assert found["expected"] is found["error"] is None
    else:
        assert found["expected"] == expected.expected[0] and found["error"] == expected.error[0]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"preset": "best", "time_limit": 4.0}, {}], ids=["race", "few rows"])
def test_an_average_is_explained_as_a_whole(options: dict[str, Any], tmp_path: Path):
    """The answers, the mistakes and the reasons by column are those of all networks together."""
    random = np.random.default_rng(0)
    size, hue = random.uniform(30, 200, 80), random.integers(0, 2, 80)
    rows = [
        f"{s:.2f},{('red', 'blue')[k]},{('cheap', 'dear')[int(s + 60 * k > 140)]}"
        for s, k in zip(size, hue, strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["size,hue,price", *rows]))
    settings = Settings(target_column="price", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_recipe(str(tmp_path / "t.csv"), settings, out=tmp_path / "run")
    studio = opened(str(tmp_path / "run"))
    estimator, table = MLPClassifier.load(tmp_path / "run" / "model.safetensors"), studio.data.table
    networks = estimator.blend_.networks if options else len(estimator.members_)
    assert networks > 1 and studio.name == "run" and ask(studio, "model.get")["model"]["networks"] == networks
    inputs = rows_of(table.inputs, table.test)
    said, p = estimator.predict(inputs), estimator.predict_proba(inputs)
    sample = ask(studio, "why.sample", row=3)
    assert sample["networks"] == networks and sample["methods"] == [] and not sample["against"]
    shares = {answer["label"]: answer["share"] for answer in sample["answers"]}
    assert shares == pytest.approx(dict(zip(["cheap", "dear"], p[3], strict=True)))
    assert [answer["label"] for answer in sample["answers"] if answer["is_said"]] == [said[3]]
    found, wanted = ask(studio, "why.reasons", row=3, target="dear"), estimator.explain(inputs, target="dear")
    values = dict(zip(wanted.names, wanted.values[3], strict=True))
    assert {each["name"]: each["value"] for each in found["values"]} == pytest.approx(values)
    assert found["of"] == "dear" and found["base"] + sum(values.values()) == pytest.approx(found["answer"])
    assert found["answer"] == pytest.approx(p[3, 1], abs=1e-5) and found["error"] < 1e-9
    wrong = np.flatnonzero(said != np.asarray(studio.data.test.y))
    assert ask(studio, "why.mistake")["row"] == (int(wrong[0]) if len(wrong) else None)
    code = found["code"].replace("model.safetensors", str(tmp_path / "run" / "model.safetensors"))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        exec(code, {})
    assert "size" in told.getvalue() and "dear" in told.getvalue()
    with pytest.raises(ConfigError, match="none of the classes"):
        ask(studio, "why.reasons", row=3, target="free")
    studio.show_model(studio.model, "another")
    with pytest.raises(ConfigError, match="average of networks"):
        ask(studio, "why.reasons", row=3)


@pytest.mark.parametrize("row", range(4))
def test_complete_methods_add_up(studio: Studio, row: int):
    """To f(x) - f(baseline), and epsilon-LRP to f(x) with what biases and epsilon absorb."""
    model = studio.model.in_float64()
    said = list(LABELS).index(model.predict(X[[row]])[0])
    change = float((model.outputs(X[[row]]) - model.outputs(np.zeros((1, SIDE**2))))[0, said])
    for method in METHODS:
        found = ask(studio, "why.method", method=method, row=row)
        if found["promise"] == "difference":
            assert found["complete"] and found["sum"] == pytest.approx(change, rel=1e-5)
            assert found["error"] < 1e-5 * abs(change)
        elif found["promise"] == "output":
            assert found["sum"] + sum(found["absorbed"].values()) == pytest.approx(found["output"])
        elif method != "saliency":
            assert not found["complete"] and found["error"] == pytest.approx(abs(found["sum"] - change))


def test_tables_and_numbers(binary: Studio, numbers: Studio, many: Studio):
    assert ask(binary, "why.method", method="deep_lift", row=0, target="no")["target"] == "no"
    first = ask(numbers, "why.method", method="deep_lift", row=0)
    assert first["target"] == "0" and first["name"] == "output 0"
    second = ask(numbers, "why.method", method="deep_lift", row=0, target="output 1", against="output 0")
    expected = numbers.model.attribute(TABLE[[0]], "deep_lift", target=1, against=0)
    np.testing.assert_array_equal(second["values"], expected.values[0])
    assert ask(many, "why.method", method="occlusion", row=0, target="2")["target"] == "2"


def test_a_table_is_told_by_its_columns(tmp_path: Path):
    """Each column has all of its inputs and its own cell, and a number has the name of the target."""
    lines = [f"{i},{'oak' if i % 3 else 'elm'},{2 * i + i % 3}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["age,kind,height", *lines]), "utf-8")
    settings = Settings(target_column="height", preset="none", epochs=1, hidden=(4,))
    outcome = run_recipe(str(tmp_path / "t.csv"), settings, out=tmp_path / "run")
    made = Studio(outcome.model, outcome.run.data)
    found = ask(made, "why.sample", row=2)
    place = int(outcome.run.data.table.test[2])
    assert found["answers"][0]["label"] == "height"
    assert [each["name"] for each in found["columns"]] == ["age", "kind"]
    assert [each["cell"] for each in found["columns"]] == lines[place].split(",")[:2]
    places = [i for each in found["columns"] for i in each["inputs"]]
    assert places == list(range(len(found["x"])))
    assert ask(made, "why.story", row=2)["of"] == "height"
    assert ask(made, "why.sample", x=found["x"].tolist())["columns"][0]["cell"] is None


# --- what turns the answer


@pytest.mark.parametrize("row", range(6))
def test_the_change_turns_the_answer(studio: Studio, row: int):
    found, model = ask(studio, "why.turn", row=row), studio.model.in_float64()
    said = model.predict(X[[row]])[0]
    outputs = dict(zip(LABELS.tolist(), model.outputs(X[[row]])[0].tolist(), strict=True))
    order = sorted(outputs, key=lambda label: -outputs[label])
    assert order[0] == said and found["to"] == order[1]
    assert found["gap"] == pytest.approx(outputs[order[0]] - outputs[order[1]])
    assert found["reached"] and found["distance"] == pytest.approx(float(np.linalg.norm(found["change"])))
    assert model.predict((X[row] + 1.001 * found["change"])[None])[0] == found["to"] == found["then"]
    assert model.predict((X[row] + 0.9 * found["change"])[None])[0] == said


def test_a_change_to_another_label(studio: Studio):
    row = 0
    said = studio.model.predict(X[[row]])[0]
    found = [ask(studio, "why.turn", row=row, to=label) for label in LABELS if label != said]
    for one in found:
        f = explained(studio.model, X[[row]], target=said, against=one["to"])
        assert f.value((X[row] + one["change"])[None], f.V)[0] <= 0
        assert one["gap"] == pytest.approx(f.value(f.X, f.V)[0])
    with pytest.raises(ConfigError, match="already top; choose another label"):
        ask(studio, "why.turn", row=row, to=str(said))


def test_changes_of_two_classes_and_of_many_labels(binary: Studio, many: Studio):
    found, model = ask(binary, "why.turn", row=1), binary.model.in_float64()
    said = model.predict(TABLE[[1]])[0]
    assert found["to"] != said
    np.testing.assert_allclose(found["scaled"], found["change"] / TABLE.std(0))
    assert found["distance"] == pytest.approx(float(np.linalg.norm(found["scaled"])))
    assert model.predict(TABLE[[1]] + 1.001 * found["change"])[0] == found["to"]
    for row in range(8):
        found, model = ask(many, "why.turn", row=row), many.model.in_float64()
        before, after = (model.predict(TABLE[[row]] + part * found["change"])[0] for part in (0, 1.001))
        label = int(found["to"])
        assert before[label] != after[label] and bool(before[label]) == found["negated"]


def test_numbers_turn_to_nothing(numbers: Studio):
    with pytest.raises(ConfigError, match="a number has no other answer"):
        ask(numbers, "why.turn", row=0)
    with pytest.raises(ConfigError, match="only classes or labels"):
        ask(numbers, "why.mistake")


# --- the story


def test_evidence_adds_up_at_every_layer(studio: Studio):
    found = ask(studio, "why.story", row=2)
    sums = [layer["for"] + layer["against"] for layer in found["evidence"]]
    assert len(sums) == 3 and sums == pytest.approx([sums[0]] * 3)
    of, against = found["of"], found["against"]
    f = explained(studio.model, X[[2]], target=of, against=against)
    assert sums[0] == pytest.approx(float((f.value(f.X, f.V) - f.value(f.baseline, f.V))[0]))
    assert [chapter["title"] for chapter in found["chapters"]["en"]][3] == f"Why {of}"
    said = " ".join(
        part["text"] for chapter in found["chapters"]["en"] for part in chapter["content"] if "text" in part
    )
    assert f"The network predicts {of}" in said and f"The true answer is {Y[2]}" in said


@pytest.mark.parametrize("name", ["binary", "numbers", "many"])
def test_every_task_has_a_story(name: str, request: pytest.FixtureRequest):
    found = ask(request.getfixturevalue(name), "why.story", row=0)
    assert found["against"] is None
    english, chinese = found["chapters"]["en"], found["chapters"]["zh"]
    assert [len(chapter["content"]) for chapter in english] == [
        len(chapter["content"]) for chapter in chinese
    ]
    for chapter in chinese:
        said = [chapter["title"], *(part["text"] for part in chapter["content"] if "text" in part)]
        names = r"\b(?:no|yes)\b|logit|label \w+|[a-z]+_\d+|\d+e[-+]\d+|[xyf]_?\d*"
        assert [fault for text in said for fault in faults_of_chinese(re.sub(names, "x", text))] == []


class Triple(Layer):
    """A custom layer, of which DeepLIFT knows nothing."""

    def forward(self, params: Any, a: Any, ctx: Any) -> Any:
        return 3.0 * a, None

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
        return (), 3.0 * delta


def test_a_layer_without_a_rule_is_named():
    model = fitted([Dense(5), Triple(), Dense(3)], SoftmaxCrossEntropy(), PICTURES)
    found = ask(Studio(model, PICTURES), "why.story", row=0)
    assert found["no_rule"] == "triple_1" and found["evidence"] == []


def test_the_next_mistake(studio: Studio):
    rough = fitted([Dense(3), Sigmoid(), Dense(3)], SoftmaxCrossEntropy(), PICTURES, epochs=3)
    wrong = np.flatnonzero(rough.predict(X) != Y).tolist()
    assert len(wrong) > 2
    bad = Studio(rough, PICTURES)
    assert ask(bad, "why.mistake") == {"row": wrong[0]}
    assert ask(bad, "why.mistake", after=wrong[0]) == {"row": wrong[1]}
    assert ask(bad, "why.mistake", after=wrong[-1]) == {"row": wrong[0]}
    assert ask(bad, "why.mistake", after=10**9) == {"row": wrong[0]}
    right = Studio(studio.model, from_arrays(X, studio.model.predict(X)))
    assert ask(right, "why.mistake", after=3) == {"row": None}


# --- what cannot be asked


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("why.sample", {}, "give one sample: row"),
        ("why.sample", {"row": 1, "x": [0.0]}, "give one sample: row"),
        ("why.sample", {"row": 100}, "row must be from 0 to 99"),
        ("why.sample", {"row": -1}, "row must be from 0 to 99"),
        ("why.sample", {"x": [0.0] * 63}, "x must have 64 numbers, one per input of the network, not 63"),
        ("why.sample", {"x": [1e308] * 64}, "must be at most 1e.30"),
        ("why.method", {"row": 0}, "why.method needs method"),
        ("why.method", {"row": 0, "method": "guess"}, "method must be one of"),
        ("why.method", {"row": 0, "method": "saliency", "target": "x"}, "'x' is none of them"),
        (
            "why.method",
            {"row": 0, "method": "saliency", "target": "low", "against": "low"},
            "the target itself",
        ),
        ("why.turn", {"row": 0, "to": "x"}, "'x' is none of them"),
        ("why.story", {"row": 1000}, "row must be from 0 to 99"),
        ("why.mistake", {"after": "x"}, "after must be an integer"),
    ],
)
def test_bad_input_gets_a_sentence(studio: Studio, command: str, arguments: dict[str, Any], says: str):
    with pytest.raises(ChainruleError, match=says) as caught:
        ask(studio, command, **arguments)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_two_classes_have_nothing_against(binary: Studio):
    with pytest.raises(ConfigError, match="against needs more than two classes"):
        ask(binary, "why.method", method="saliency", row=0, target="yes", against="no")


# --- the Python of the panels


@pytest.mark.parametrize("method", ["deep_lift", "saliency"])
def test_the_python_of_a_method(
    studio: Studio, tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
):
    found = ask(studio, "why.method", method=method, row=9, target="mid", against="low")
    made = run(found["code"], studio, tmp_path)
    np.testing.assert_array_equal(made["found"].values[0], found["values"])
    assert made["found"].shape == (SIDE, SIDE) and capsys.readouterr().out.strip() == found["sentence"]


def test_the_python_of_a_drawing(studio: Studio, tmp_path: Path):
    x = np.where(X[0] > 0.5, X[0], 0.0)
    found = ask(studio, "why.method", method="integrated_gradients", x=x.tolist())
    made = run(found["code"], studio, tmp_path)
    np.testing.assert_array_equal(made["found"].values[0], found["values"])


@pytest.mark.parametrize(
    ("name", "row"), [("studio", 4), ("binary", 2), *(("many", row) for row in range(4))]
)
def test_the_python_of_a_turn(name: str, row: int, tmp_path: Path, request: pytest.FixtureRequest):
    studio = request.getfixturevalue(name)
    found = ask(studio, "why.turn", row=row)
    made = run(found["code"], studio, tmp_path)
    np.testing.assert_allclose(made["change"], found["change"])
    assert made["distance"] == pytest.approx(found["distance"])
