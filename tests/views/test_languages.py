"""Everything that is shown, said in a language that marks its words: what is left unmarked is said elsewhere."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html import unescape
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.core.records import view
from chainrule.inspection.attribution import reinitialization_check
from chainrule.inspection.story import explain
from chainrule.lab import run
from chainrule.views import figures as all_figures
from chainrule.views import report, words
from chainrule.views.report import story

MARKED = re.compile(r"⟦[^⟦⟧]*⟧")
TAGS = re.compile(r"<style>.*?</style>|<script.*?</script>|<svg.*?>|<math.*?</math>|<[^>]*>", re.S)
TEMPLATES = re.compile(r"\\\w+(\{\w+\})*|%?\{[^}]*\}")  # of LaTeX too
WORD = re.compile(r"[A-Za-z]{2,}[A-Za-z_]*")
DATA = {
    *("input", "standardize", "dense", "relu", "softmax", "sigmoid", "residual", "rescale", "Residual"),  # links
    *("Standardize", "Dense", "ReLU", "Softmax", "Sigmoid", "Rescale", "Skip", "skip", "slope"),  # layers
    *("ash", "elm", "oak", "length", "width", "depth", "age"),  # the data's own names
    *("SoftmaxCrossEntropy", "MeanSquaredError", "SigmoidCrossEntropy"),
    *("multiclass", "multilabel", "regression", "float", "kB", "MB"),
    *("Chainrule", "nan", "tanh", "label_smoothing"),
    *("dL", "dz", "da", "th", "log", "exp", "sum", "rad", "ex"),  # formulas
}  # fmt: skip
"""What is no word of a language: names of layers and of the data, and code."""


def marked(value: Any) -> Any:
    """The same with marks around every text."""
    if isinstance(value, str):
        return f"⟦{MARKED.sub(lambda found: found[0][1:-1], value)}⟧" if value else value
    if isinstance(value, Mapping):
        return {key: marked(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(marked, value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(marked, value))
    return value


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second language: English, marked."""
    monkeypatch.setattr(words, "LANGUAGES", (*words.LANGUAGES, "xx"))
    package = "chainrule.views.words"
    monkeypatch.setitem(sys.modules, f"{package}.xx", ModuleType(f"{package}.xx"))
    for path in (Path(str(words.__file__)).parent / "catalogue").glob("*.py"):
        if path.stem != "__init__":
            name = f"{package}.xx.{path.stem}"
            module = ModuleType(name)
            for key, value in vars(import_module(f"{package}.en.{path.stem}")).items():
                setattr(module, key, speaking(value) if callable(value) else marked(value))
            monkeypatch.setitem(sys.modules, name, module)
    with words.spoken_in("xx"):
        yield


def speaking(function: Callable[..., Any]) -> Any:
    return function if isinstance(function, type) else lambda *a, **k: marked(function(*a, **k))


def unmarked(text: str) -> set[str]:
    """The words of a text that are neither marked nor data."""
    text = MARKED.sub(" ", unescape(TAGS.sub(" ", text)))
    found = WORD.findall(TEMPLATES.sub(" ", re.sub(r"&\w+;", " ", text)))
    return {word for word in found if re.sub(r"_?\d*$", "", word) not in DATA}


def texts(figure: Any) -> Iterator[str]:
    """What a reader sees of a figure, or when pointing at it."""

    def walk(part: Any, key: str) -> Iterator[str]:
        if isinstance(part, dict):
            for name, item in part.items():
                yield from walk(item, name if name not in ("title",) else key)
        elif isinstance(part, list):
            for item in part:
                yield from walk(item, key)
        elif isinstance(part, str) and key in ("text", "name", "hovertemplate", "ticktext", "x", "y"):
            yield part

    spec = json.loads(figure.to_json())
    yield from walk(spec["data"], "")
    layout = spec["layout"]
    for name, axis in layout.items():
        if name.startswith(("xaxis", "yaxis", "title")):
            yield str(axis.get("title", {}).get("text", "") if name != "title" else axis["text"])
            yield from walk(axis.get("ticktext", []), "ticktext")
    yield from (note["text"] for note in layout.get("annotations", []))


@cache
def model(task: str) -> c.Model:
    X, y = samples(task)
    losses = {
        "multiclass": c.SoftmaxCrossEntropy,
        "regression": c.MeanSquaredError,
        "multilabel": c.SigmoidCrossEntropy,
    }
    loss: Any = losses[task]()
    layers = [
        c.Standardize(),
        c.Dense(6),
        c.ReLU(),
        c.Residual([c.Dense(6), c.Sigmoid()]),
        c.Dense(y_width(y)),
    ]
    made = c.Model(c.Network(4, layers, loss=loss), seed=1)
    made.fit(X, y, epochs=3, batch_size=16, validation_data=(X, y), callbacks=[watch()])
    return made


@cache
def watch() -> c.GradientFlow:
    return c.GradientFlow()


def y_width(y: Any) -> int:
    return 3 if y.ndim == 1 else int(y.shape[1])


@cache
def samples(task: str) -> tuple[Any, Any]:
    X = np.random.default_rng(0).normal(size=(60, 4))
    if task == "multiclass":
        return X, np.array(["ash", "elm", "oak"])[X[:, :3].argmax(1)]
    return X, X[:, :2] * 3 if task == "regression" else (X[:, :3] > 0).astype(np.float64)


NAMES = ("length", "width", "depth", "age")


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_no_word_of_a_result_stands_elsewhere(task: str):
    net, (X, y) = model(task), samples(task)
    chosen = {"target": 0} if task == "regression" else {}
    trace, flow, check = (
        net.trace(X, y),
        net.gradient_flow(X, y, optimizer=c.Adam()),
        net.check_gradients(X, y, entries=1),
    )
    why, told = net.attribute(X[:2], **chosen), explain(net, X[0], y[0], names=NAMES)
    quiet = explain(net, X[0])
    derivation = trace.derive("dense_1.W[0,0]")
    shown = {
        "summary": [str(net.summary()), net.summary()._repr_html_()],
        "model": [net._repr_html_(), net.history._repr_html_()],
        "trace": [trace._repr_html_(), *[str(trace).splitlines()[i] for i in (0, -2, -1)]],  # the table breaks names
        "flow": [str(flow), flow._repr_html_(), str(watch())],
        "check": [str(check), check._repr_html_()],
        "attribution": [str(why), why._repr_html_(), view(why, "as_page", 0), why.promise, str(why.targets[0])],
        "story": [str(told), told._repr_html_(), view(told, "as_page"), str(quiet)],
        "derivation": [str(derivation.step(0.1)), str(derivation), view(derivation, "as_page", 4, 40)],
        "report": [report.render(net, net.history, X, y, title="")],
    }  # fmt: skip
    if task == "multiclass":
        shown["check of maps"] = [str(reinitialization_check(net, X[:3]))]
    left = {name: found for name, parts in shown.items() if (found := set().union(*map(unmarked, parts)))}
    assert left == {}


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "regression"])
def test_no_word_of_a_figure_stands_elsewhere(task: str):
    net, (X, y) = model(task), samples(task)
    chosen = {"target": 0} if task == "regression" else {}
    drawn = {
        "curve": net.history.figure("loss"),
        "flow": net.gradient_flow(X, y, optimizer=c.Adam()).figure(),
        "over training": watch().figure(),
        "bars": net.attribute(X[:2], **chosen).figure(),
        "picture": net.attribute(X[:2], shape=(2, 2), **chosen).figure(),
        "confusion": all_figures.confusion(np.eye(3, dtype=int), ["ash", "elm", "oak"]),
        "predicted": all_figures.predicted_against_true(X[:, :2], X[:, :2]),
        "activity": story.activity([("dense_1", X[0]), ("relu_1", abs(X[0]))]),
        "layers": story.layer_bars(["dense_1"], [1.0], words.story_page.BACK, words.story_page.DELTA),
        "probabilities": story.probabilities(["ash", "elm"], [0.5, 0.5], [0.6, 0.4]),
        "labels": all_figures.label_counts(np.eye(3), np.eye(3), ["ash", "elm", "oak"]),
    }
    left = {
        name: found for name, figure in drawn.items() if (found := set().union(*map(unmarked, texts(figure))))
    }
    assert left == {}


LABS: dict[str, dict[str, Any]] = {
    "universality": {"budget": 0.02, "widths": (2, 8)},
    "optimizers": {"budget": 0.01, "hidden": 8},
    "regularization": {"budget": 0.04, "samples": 100},
    "features": {"budget": 0.02},
    "vanishing": {"budget": 0.01, "depths": (1, 3), "width": 8},
    "without-backprop": {"budget": 0.02},
}


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "vanishing" else pytest.mark.slow) for name in LABS],
)
def test_no_word_of_an_experiment_stands_elsewhere(name: str):
    told: list[str] = []
    made = run(name, repeats=2, progress=lambda share, what: told.append(what), **LABS[name])
    left = {
        "page": unmarked(made.html()),
        "output": unmarked(made._repr_html_()),
        "progress": set().union(*map(unmarked, told)),
        "figures": set().union(*(unmarked(text) for figure in made.figures for text in texts(figure))),
        "cells": {word for table in made.tables for row in (table.columns, *table.rows) for cell in row
                  if isinstance(cell, str) for word in unmarked(cell)},
    }  # fmt: skip
    assert {where: found for where, found in left.items() if found} == {}


@pytest.mark.parametrize("target", ["price", "kind"])
def test_the_report_of_a_table_is_chinese(target: str, tmp_path: Path):
    """What is left of English is the table's own: names of columns, classes, layers and versions."""
    from chainrule.recipe.run import begun, carry_out
    from chainrule.recipe.settings import Settings
    from chainrule.views.text.tables import table as described

    area = np.random.default_rng(0).uniform(40, 200, 60)
    rows = [f"{a:.1f},{300 + 2 * a:.1f},{'oak' if a > 120 else 'elm'}" for a in area]
    (tmp_path / "t.csv").write_text("\n".join(["area,price,kind", *rows]), "utf-8")
    settings = Settings(target_column=target, preset="none", epochs=1, hidden=(4,))
    with begun(str(tmp_path / "t.csv"), settings, tmp_path / "run") as prepared:
        outcome = carry_out(prepared)
    run, page = outcome.run, tmp_path / "report.html"
    with words.spoken_in("zh"):
        parts = run.model, outcome.history, run.parts.judged
        report.write(page, *parts, judged=outcome.judgement, title="t", table=report.table_run(outcome))
        columns = described(run.data.table.preprocessor.columns_)
    shown = unescape(TAGS.sub(" ", page.read_text("utf-8"))) + columns
    own = {
        *("area", "price", "kind", "oak", "elm"),
        *("Adam", "AUC", "scikit", "learn"),
    }
    own |= {
        *("Dropout", "dropout_", "dense_", "relu_", "rate"),
        *("predict", "explain", "preset", "best"),
    }  # a network's, and commands
    left = set(WORD.findall(TEMPLATES.sub(" ", shown))) - DATA - own
    assert left == set()
    figures = re.findall('id="(figure-[^"]+)"', page.read_text("utf-8"))
    assert len(set(figures)) == len(figures) >= 3  # each draws its own
    said = ("永遠相同的答案", "梯度提升樹", "測試", "個欄位", "這個網頁是完整的")
    assert [each for each in said if each not in shown] == []


def test_a_word_that_is_not_marked_is_seen():
    assert unmarked("<p class='answer'>⟦what was found⟧ dense_1: two words %{x:.2f}</p>") == {"two", "words"}
