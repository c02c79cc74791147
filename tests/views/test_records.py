"""Results as data: every result of the package has a kind, a version, and values that JSON can carry."""

from __future__ import annotations

import dataclasses
import json
import math
import pkgutil
import re
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as c
from chainrule import TablePreprocessor
from chainrule.core.records import KINDS, kind, plain, to_data
from chainrule.datasets import load_mnist
from chainrule.estimators.distilling import distill
from chainrule.estimators.graphs import graph_inputs
from chainrule.export.effect import effect_of_int8
from chainrule.inspection.attribution import reinitialization_check
from chainrule.inspection.derivation.derivation import equations
from chainrule.inspection.features.features import best_inputs, exciting_samples
from chainrule.inspection.features.representations import linear_probe
from chainrule.inspection.story import explain
from chainrule.inspection.trace.regions import Ball, Box
from chainrule.lab import (
    features,
    optimizers,
    regularization,
    universality,
    vanishing,
    without_backprop,
    worksheet,
)
from chainrule.recipe.data import from_arrays
from chainrule.recipe.judge import judge
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.tables.target import infer_task
from chainrule.training import Listener
from chainrule.trust.notice import Notice, Notices
from chainrule.views.experiments import Report
from chainrule.views.tables import Table

# Packages whose dataclasses, NamedTuples and classes with a picture are results, and what in them is not one.
ROOMS = (
    "network.summary",
    "training.history",
    "training.events",
    "inspection",
    "lab",
    "recipe",
    "explain",
    "tables.cells",
    "trust.decisions",
    "trust.reliability",
    "estimators.distilling",
    "trust.drift",
    "export.effect",
    "model.comparison",
    "trust.notice",
    "views.experiments",
    "views.tables",
)
NOT_RESULTS = {
    "an input or a base": {
        *(
            "AnsweredRows",
            "ColumnTable",
            "Distilled",
            "SampledTable",
            "SeenColumn",
            "SmallScore",
            "ScorePair",
            "RowSplit",
        ),
        "Event",
        "Ended",
        "LayerWeights",
        "Case",
        "Contestant",
        "Entry",
        *("TargetFunction", "DescentRule", "MethodArm", "DescentTask", "MethodTask", "DigitParts"),
        *("Remedy", "OverfittingData", "Range", "AboutSetting"),
    },
    "on the way to a result": {
        *("Answers", "JudgedDecision", "Demanded", "RunCard", "CardRange"),
        *("RunRows", "DistilledRun", "Int8OfRun", "Lane", "LearnedColumn"),
        *(
            "Settings",
            "Data",
            "Parts",
            "Rows",
            "Checked",
            "CheckedRun",
            "Prepared",
            "TrainedRun",
            "ByModel",
            "ByEstimator",
            "RunTable",
            "TextForm",
            "Earlier",
        ),  # a run
        *("SearchSettings", "TuneRun", "TuneOutcome"),  # of a run's settings
        *("DrawnRows", "Loaded"),  # of files larger than memory
        *(
            "_Compared",
            "ComparedSimilarities",
            "AnswerLookup",
            "TakenColumns",
        ),  # rows, compared with those of training
        *(
            "Defaults",
            "Known",
            "TableData",
            "TargetColumn",
            "TiedRows",
            "RunReasons",
            "JudgedIntervals",
        ),  # a table
        *(
            "Chord",
            "Chords",
            "Absorbed",
            "Proportional",
            "Through",
            "Gathered",
            "Added",
            "Explained",
        ),  # attribution
        *("Perturbation", "Cells", "Variable", "Part"),  # derivation
        *(
            "ChordPass",
            "ExactNetwork",
            "PreparedTable",
            "Wanted",
            "AnswerPart",
            "_Explained",
            "_Rows",
            "Explains",
        ),
    },
    "what a view draws": {"Grid", "Bar", "Bars", "Signed", "Picture", "Chapter", "Part"},
}
"""By their names; `Edge`, a base class, is named in the test."""


def classes() -> list[type]:
    found = []
    for module in pkgutil.walk_packages(c.__path__, "chainrule."):
        name = module.name.removeprefix("chainrule.")
        if name.startswith(ROOMS) and ".peers." not in name:
            found += [
                value
                for value in vars(import_module(module.name)).values()
                if isinstance(value, type) and value.__module__ == module.name
            ]
    return found


def is_registered(cls: type) -> bool:
    return any(base in KINDS for base in cls.__mro__)


def test_no_result_is_missing_from_the_registry():
    from chainrule.inspection.derivation.factors import Edge

    shown = {"to_data", "to_json", "figure", "html", "records", "to_frame", "_repr_html_"}
    others = set().union(*NOT_RESULTS.values())
    missing = [
        f"{cls.__module__}.{cls.__name__}"
        for cls in classes()
        if (hasattr(cls, "_fields") or dataclasses.is_dataclass(cls) or shown & set(dir(cls)))
        and not is_registered(cls)
        and not issubclass(cls, Edge)
        and cls.__name__ not in others
    ]
    assert not missing, f"register these with records.kind, and add to_data: {missing}"


@cache
def model() -> c.Model:
    layers = [c.Standardize(), c.Dense(6), c.Sigmoid(), c.Dense(3)]
    made = c.Model(c.Network(4, layers, loss=c.SoftmaxCrossEntropy(), l2=1e-3), seed=1)
    made.fit(*samples(), epochs=2, batch_size=8, callbacks=[watch()])
    return made


def another_model() -> c.Model:
    """Another model of the same network."""
    made = c.Model(model().network, seed=2)
    made.fit(*samples(), epochs=1)
    return made


@cache
def watch() -> c.GradientFlow:
    return c.GradientFlow()


@cache
def samples() -> tuple[Any, Any]:
    X = np.random.default_rng(0).normal(size=(40, 4))
    return X, X[:, :3].argmax(1)


@cache
def results() -> dict[str, Any]:
    """One of each kind, from real runs; by the name of the kind."""
    X, y = samples()
    net = model()
    trace = net.trace(X, y)
    derivation = trace.derive("dense_1.W[0,0]")
    equation = equations(derivation.tree, 4, 12)[0][0]
    term = derivation.tree.terms[0]
    flow = net.gradient_flow(X, y, optimizer=c.Adam())
    vanishing = c.Model(
        c.Network(4, [c.Dense(4), c.Sigmoid()] * 9 + [c.Dense(3)], loss=c.SoftmaxCrossEntropy())
    )
    check = net.check_gradients(X, y, entries=2)
    story = explain(net, X[0], y[0])
    own = c.Network(4, [c.Dense(4), c.Softmax(), c.Dense(3)], loss=c.SoftmaxCrossEntropy())
    without = explain(c.Model(own), X[0])  # softmax inside has no rule
    flipped = reinitialization_check(net, X[:4])
    table = Table(("net", "loss"), (("small", np.float32(0.5)), ("large", math.nan)))
    parts = {
        name: name for name in ("name", "title", "question", "answer", "finding", "held_fixed", "limits")
    }
    made = [
        *experiments(),
        net.summary(),
        net.summary().rows[0],
        compared := c.compare(net, another_model(), X),
        compared.farthest[0],
        net.fit(X, y, epochs=1, batch_size=8, validation_data=(X, y)),
        trace,
        check,
        next(iter(check.values())),
        Box(),
        Ball(),
        derivation,
        derivation.step(0.1),
        derivation.difference,
        derivation.tree,
        term,
        equation,
        equation.written()[0],
        flow,
        flow.layers[0],
        vanishing.gradient_flow(X, y).diagnoses[0],
        watch(),
        net.attribute(X),
        net.attribute(X).targets[0],
        flipped,
        flipped.stages[0],
        best_inputs(net, "dense_2", within=Box(-1.0, 1.0), starts=2, steps=3),
        exciting_samples(net, X, "dense_1", k=3),
        linear_probe(X, y, X, y),
        story,
        story.answers[0],
        story.layers[0],
        story.evidence[0],
        without.no_rule,
        story.rival,
        story.change,
        story.change.moves[0],
        story.change.deltas[0],
        Report(**parts, tables=(table,), figures=(), settings={"widths": (1, np.int64(2))}, seconds=1.0),
        table,
        judge(net, net.check_samples(X, y)),
        described := TablePreprocessor().fit(X).columns_,
        Notices((notice := Notice("order", (), "r2", 0.9, 0.1, 0.5),)),
        notice,
        described["0"],
        c.MLPClassifier(preprocess="auto", max_iter=1, random_state=0)
        .fit(X, y)
        .set_threshold(costs=1 - np.eye(3))
        .decision_,
        infer_task(y),
        *reasons_of_answers(),
        *additive_model(),
        *smaller_models(),
        *table_run(),
        sheet := worksheet.make_worksheet(3),
        sheet.exercises[0],
        sheet.exercises[0].answers[0],
    ]
    return {result.to_data()["kind"]: result for result in [*made, *events()]}


def reasons_of_answers() -> list[Any]:
    """What a column adds to an estimator's answers, how it matters, what changes with it, and whether it drifts."""
    X, y = samples()
    net = c.MLPClassifier(hidden_layer_sizes=(4,), preprocess="auto", max_iter=2, random_state=0)
    net.fit(X, np.where(y > 0, "yes", "no"))
    reasons = net.explain(X)
    matters = net.importance(X, np.where(y > 0, "yes", "no"), repeats=1)
    drift = net.check(X)
    return [
        drift,
        drift.columns[0],
        reasons,
        reasons.cells[0],
        matters,
        net.curves(X, "0", points=3),
        net.pairs(X, columns=2),
        net.slopes(X),
    ]


def additive_model() -> list[Any]:
    """The terms of an additive model."""
    X, _ = samples()
    net = c.MLPRegressor(preprocess="auto", preset="additive", n_members=2, max_iter=2, random_state=0)
    return [net.fit(X, X[:, 0]).terms()]


def smaller_models() -> list[Any]:
    """What one network in place of another costs, and what integers do."""
    X, y = samples()
    quick: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2}
    teacher = c.MLPClassifier(**quick, preprocess="auto", random_state=0).fit(X, np.where(y > 0, "yes", "no"))
    _, cost = distill(teacher, X, between=10, preset=None, **quick)
    effect = effect_of_int8(teacher.graph(), graph_inputs(teacher, X))
    return [cost, effect, effect.layers[0], effect.classes[0], effect.columns[0]]


def experiments() -> list[Any]:
    """What the experiments of the laboratory measure on the way to their reports, small."""
    train, test = load_mnist()
    few, other = (type(d)(d.X[:400], d.y[:400], d.shape, d.name, d.classes) for d in (train, test))
    task = optimizers.DescentTask(few.X, few.y, other.X, other.y, 2, 4)
    run = optimizers.descend(optimizers.ARMS[1], 0.1, task, 0)
    parts = regularization.split(train, other, 60, 0, 0.2)
    methods = without_backprop.MethodTask(without_backprop.network(), *without_backprop.samples())
    arm = without_backprop.ARMS["spsa"]
    course = without_backprop.run(methods, arm, 0.1, 0, 30, looks=1)
    digits = vanishing.DigitParts(few.X, few.y, (other.X, other.y), (other.X, other.y))
    found = features.examine(0, few, other, 1, 100, lambda share, what: None)
    return [
        universality.fit(universality.TARGETS[0], 2, 0, 2),
        run,
        optimizers.views(task.model(0), few.X, few.y, {"sgd": run.path}, 0.01, None)[1],
        regularization.learn(regularization.Remedy("plain"), parts, 0, 1),
        course,
        without_backprop.MethodRuns(arm, 0.1, [course]),
        found,
        features.pictures(found.model, "dense_1", other, 2, 0),
        vanishing._measure("sigmoid", 1, 4, digits, 0, 1),
    ]


def table_run() -> list[Any]:
    """What a run on a table finds: how it compares, which columns matter, and its calibration."""
    from chainrule.recipe.reported import calibration
    from chainrule.recipe.run import begun, carry_out

    X, y = samples()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        answers = np.where(y > 0, "yes", "no").tolist()
        lines = [",".join(map(str, [*row, answer])) for row, answer in zip(X.tolist(), answers, strict=True)]
        path.write_text("\n".join(["a,b,c,d,answer", *lines]))
        settings = Settings(epochs=1, hidden=(4,), target_column="answer")
        with begun(str(path), settings, Path(folder) / "run") as prepared:
            outcome = carry_out(prepared)
    done, comparison = outcome.run, outcome.comparison
    assert comparison is not None and done.data.table is not None
    return [
        comparison,
        comparison.models[0],
        comparison.verdict,
        calibration(outcome.judgement),
    ]


def events() -> list[Any]:
    """Every event of a run: from one that ends by itself, one that is stopped, one interrupted and one that fails."""
    told: list[Any] = []
    for ends in (None, lambda run: run.stop("seen enough"), interrupt, fail):
        listener = Listener(told.append)
        listener.every_steps = 1
        callbacks = [listener, *([ends] if ends else [])]
        net = c.Model(c.Network(4, [c.Dense(3)], loss=c.SoftmaxCrossEntropy()))
        with suppress(KeyboardInterrupt, OSError):
            net.fit(*samples(), epochs=2, batch_size=20, callbacks=callbacks)
    with TemporaryDirectory() as folder:
        data, out = from_arrays(*samples()), Path(folder) / "run"
        told.append(run(data, Settings(epochs=1), out=out, listen=told.append))
    return told


def interrupt(run: Any) -> None:
    raise KeyboardInterrupt


def fail(run: Any) -> None:
    raise OSError("the disk is full")


@pytest.mark.slow
def test_a_real_result_of_every_kind_is_tested():
    made = set(results())  # first, so that every module with a kind is loaded
    assert {kind.name for kind in KINDS.values() if not kind.name.startswith("test_")} == made


@pytest.mark.parametrize("name", sorted(kind.name for kind in KINDS.values()))
def test_every_result_is_valid_json_with_its_kind_and_version(name: str):
    data = results()[name].to_data()
    assert list(data)[:2] == ["kind", "version"]
    assert data["kind"] == name and type(data["version"]) is int and data["version"] >= 1
    assert len(data) > 2
    assert json.loads(json.dumps(data, allow_nan=False)) == data  # no tuple, no number of NumPy, no NaN


SENTENCES = {
    "run_stopped.reason": "as who stopped it gave it",
    "run_failed.error": "the message of an error",
}
"""Where data hold words of a language."""


def sentences(value: Any, place: str) -> set[str]:
    """The places of data whose text has two words or more, tags apart; a report of the laboratory is made of words."""
    if isinstance(value, dict):
        inner = (sentences(item, f"{place}.{key}") for key, item in value.items())
        return set().union(*inner)
    if isinstance(value, list):
        return set().union(*(sentences(item, place) for item in value))
    is_text = isinstance(value, str) and re.search(
        r"[a-z]{2,}[,;:]? +[a-z]{2,}", re.sub("<[^>]*>", " ", value)
    )
    return {place} if is_text else set()


@pytest.mark.parametrize("name", sorted({kind.name for kind in KINDS.values()} - {"lab_report", "lab_table"}))
def test_data_hold_codes_and_no_sentences(name: str):
    found = sentences(results()[name].to_data(), name)
    assert {place for place in found if not place.startswith(tuple(SENTENCES))} == set()


def test_a_sentence_in_data_is_seen():
    assert sentences({"a": [{"promise": "adds up to f"}, {"code": "not_finite"}]}, "x") == {"x.a.promise"}
    every = set().union(*(sentences(result.to_data(), name) for name, result in results().items()))
    assert all(any(place.startswith(known) for place in every) for known in SENTENCES)


def test_kinds_are_unique():
    results()  # so that every module is loaded
    names = [kind.name for kind in KINDS.values()]
    assert len(names) == len(set(names))
    with pytest.raises(ValueError, match="'flow' is registered twice"):
        kind("flow")(dict)


# --- values


class Pair(NamedTuple):
    left: Any
    right: Any


def test_plain_data():
    value = {
        1: np.float32(0.5),
        "array": np.array([[1.0, math.nan], [-math.inf, 2.0]]),
        "labels": np.array(["a", "b"]),
        "pair": Pair(np.int64(3), (np.bool_(True), None)),
        "text": np.str_("x"),
    }
    data = plain(value)
    assert data == {
        "1": 0.5,
        "array": [[1.0, None], [None, 2.0]],
        "labels": ["a", "b"],
        "pair": {"left": 3, "right": [True, None]},
        "text": "x",
    }
    assert type(data["1"]) is float and type(data["text"]) is str and type(data["pair"]["left"]) is int


def test_what_is_not_data_is_refused():
    with pytest.raises(TypeError, match="builtin_function_or_method cannot be converted"):
        plain([1, print])
    with pytest.raises(TypeError, match="Pair is not registered"):
        to_data(Pair(1, 2))


def test_a_result_inside_another_has_no_version_of_its_own():
    layer = results()["flow"].to_data()["layers"][0]
    alone = results()["layer_flow"].to_data()
    assert layer == {key: value for key, value in alone.items() if key not in ("kind", "version")}


# --- bounds


def test_a_trace_is_cut_and_says_what_is_missing():
    trace = results()["trace"]
    data = trace.to_data(n=3, width=2)
    assert data["left_out"] == {
        "samples": 37,
        "neurons": {"input": 2, "standardize_1": 2, "dense_1": 4, "sigmoid_1": 4, "dense_2": 1},
        "parameters": {"dense_1.W": 20, "dense_1.b": 4, "dense_2.W": 14, "dense_2.b": 1},
    }
    assert np.array_equal(data["links"]["dense_1"]["z"], trace.z["dense_1"][:3, :2])
    assert np.array_equal(data["links"]["dense_1"]["grads"]["W"], trace.grads["dense_1"].W[:2, :2])
    assert np.array_equal(data["losses"], trace.losses[:3])
    whole = trace.to_data(n=None, width=None)
    assert whole["left_out"] == {"samples": 0, "neurons": {}, "parameters": {}}
    assert {key: whole[key] for key in json.loads(trace.to_json())} == json.loads(trace.to_json())


def test_an_attribution_keeps_the_largest_features_in_their_order():
    found = results()["attribution"]
    data = found.to_data(n=5, width=2)
    assert data["left_out"] == {"samples": 35, "features": 2}
    kept = sorted(np.argsort(-np.abs(found.values[:5]).sum(0))[:2].tolist())
    assert data["features"] == [found.feature(k) for k in kept]
    assert np.array_equal(data["samples"][4]["values"], found.values[4, kept])
    assert found.to_data(None, None)["samples"] == found.to_json()["samples"]


def test_arrays_of_neurons_are_cut():
    best = results()["best_inputs"].to_data(n=2, width=3)
    assert best["left_out"] == {"units": 1, "inputs": 1}
    assert np.shape(best["x"]) == (2, 3) and np.shape(best["starts"]) == (2, 2, 3)
    assert results()["examples"].to_data(n=4)["left_out"] == {"units": 2}
    answers = results()["judgement"].to_data(n=10)
    assert answers["left_out"] == {"samples": 30} and len(answers["predicted"]) == 10


def test_a_derivation_is_cut():
    data = results()["derivation"].to_data(terms=2, nodes=3)
    whole = results()["derivation"].to_data(terms=9, nodes=99)
    assert whole["left_out"] == {"derivatives": 0} and data["left_out"]["derivatives"] > 0
    assert len(data["equations"]) < len(whole["equations"])
    assert data["equations"][0]["value"] == data["value"] == results()["derivation"].value
    node = results()["derivation_node"]
    assert sum(term["value"] for term in node.to_data(None)["terms"]) == pytest.approx(node.value)
    few = node.to_data(terms=0)
    assert few["others"] + len(few["terms"]) == node.count


def test_the_json_of_a_history_keeps_its_layout():
    history = c.History([{"loss": math.nan, "val_loss": 0.5}], "enough")
    assert json.loads(history.to_json()) == {
        "records": [{"loss": None, "val_loss": 0.5}],
        "stopped": "enough",
    }
    assert history.to_data() == {"kind": "history", "version": 1, **json.loads(history.to_json())}
