"""What a notebook shows of each result: well-formed, escaped, self-contained and of bounded size."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chainrule as c
from chainrule.datasets import load_mnist
from chainrule.inspection.story import explain

EVIL = "<img src=x onerror=alert(1)>&\"'"
VOID = {"img", "br", "hr", "meta", "input"}
FEATURES = [EVIL, "age", "</div></table>"]


class Reader(HTMLParser):
    """Reads HTML; fails where a tag is not closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


class Named(c.Activation):
    """An activation whose name in tables is hostile."""

    kind = "named"
    name = "named"

    def forward(self, params: Any, a: Any, ctx: Any) -> Any:
        return a, a

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
        return (), delta

    def __repr__(self) -> str:
        return EVIL


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """One of each, of a network on a table whose names would break a page."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=FEATURES)
    labels = np.where(frame["age"] > 0, EVIL, "no")
    net = c.Network(3, [c.Dense(5), Named(), c.Dense(1)], loss=c.SigmoidCrossEntropy())
    model = c.Model(net)
    flow = c.GradientFlow()
    model.fit(frame, labels, epochs=3, validation_fraction=0.2, callbacks=[flow], engine="reference")
    model.history.stopped = EVIL
    trace = model.trace(frame[:4], labels[:4])
    return {
        "model": model,
        "history": model.history,
        "summary": model.summary(),
        "trace": trace,
        "flow": model.gradient_flow(frame, labels),
        "callback": flow,
        "attribution": model.attribute(frame, "occlusion"),
        "check": model.check_gradients(frame, labels),
        "story": explain(model, frame[:1], labels[0], method="occlusion", source=EVIL),
        "derivation": trace.derive("dense_1.W[0,0]"),
    }


def check(made: str) -> Reader:
    """Well-formed, escaped, without a script and without anything that is elsewhere."""
    reader = Reader(made)
    assert "script" not in reader.tags and "iframe" not in reader.tags
    assert all(link.startswith("data:image/png;base64,") for link in reader.links)
    assert "url(" not in made and "@import" not in made
    assert EVIL not in made and "onerror" not in re.sub(r"&lt;.*?&gt;", "", made)
    return reader


NAMES = (
    *("model", "history", "summary", "trace", "flow", "callback", "attribution", "check", "story"),
    "derivation",
)


@pytest.mark.parametrize("name", NAMES)
def test_output_is_whole(results: dict[str, Any], name: str):
    made = results[name]._repr_html_()
    reader = check(made)
    assert "table" in reader.tags
    assert len(made) < 60_000


@pytest.mark.parametrize("name", ["model", "history", "summary", "trace", "attribution", "story"])
def test_hostile_names_are_shown_as_they_are(results: dict[str, Any], name: str):
    assert EVIL in Reader(results[name]._repr_html_()).words


@pytest.mark.parametrize("name", [name for name in NAMES if name != "callback"])
def test_repr_is_one_short_line(results: dict[str, Any], name: str):
    line = repr(results[name])
    assert "\n" not in line and len(line) < 200 and line.startswith("<") and line.endswith(">")


def test_numbers_are_those_of_the_results(results: dict[str, Any]):
    words = {name: Reader(result._repr_html_()).words for name, result in results.items()}
    flow, check, history = results["flow"], results["check"], results["history"]
    assert f"{flow.layers[0].delta_ratio:.4f}" in words["flow"]
    assert (
        f"{check['dense_1.W'].numeric:.12g}" in words["check"] and check.place("dense_1.W") in words["check"]
    )
    assert f"{history[-1]['val_loss']:.5g}" in words["history"]
    assert results["attribution"].completeness(0) in words["attribution"]
    assert f"{results['trace'].loss:.6g}" in words["trace"]
    assert f"{results['model'].network.size:,} parameters" in words["model"]
    assert results["story"].parts()[1].content[0] in words["story"]


def test_pictures_are_in_the_output():
    test = load_mnist()[1]
    net = c.Network(784, [c.Rescale(1 / 255), c.Dense(8), c.ReLU(), c.Dense(10)], c.SoftmaxCrossEntropy())
    model = c.Model(net)
    found = model.attribute(test.X[:2])
    assert len(check(found._repr_html_()).links) == 2
    assert len(check(explain(model, test.X[0])._repr_html_()).links) >= 3


def of_losses(losses: list[float | None]) -> str:
    return c.History([{} if loss is None else {"loss": loss} for loss in losses])._repr_html_()


@pytest.mark.slow
def test_size_does_not_grow_with_the_network():
    layers = [layer for _ in range(100) for layer in (c.Dense(4), c.Tanh())]
    model = c.Model(c.Network(4, [*layers, c.Dense(1)], c.MeanSquaredError()), dtype="float64")
    X, y = np.ones((2, 4)), np.ones(2)
    results = (
        model,
        model.trace(X, y),
        model.gradient_flow(X, y),
        model.check_gradients(X, y, samples=1, entries=1),
        explain(model, X[:1], 1.0, method="saliency"),
    )
    for result in results:
        made = result._repr_html_()
        check(made)
        assert len(made) < 50_000, type(result)
        assert "more rows" in made
        assert len(repr(result)) < 200


def test_size_does_not_grow_with_the_run():
    records = [{"loss": 1 / (i + 1), "val_loss": float(i % 7)} for i in range(20_000)]
    made = c.History(records)._repr_html_()
    check(made)
    assert len(made) < 20_000
    assert "History of 20,000 epochs" in made and "19,960 more rows" in made


def test_a_long_table_has_its_first_and_its_last_rows():
    made = of_losses([float(i) for i in range(100)])
    shown = [int(n) for n in re.findall(r"<tr><t[dh][^>]*>(\d+)<", made)]
    assert shown == [*range(1, 31), *range(91, 101)]
    assert "60 more rows" in made


def test_a_long_name_is_cut():
    made = c.History([{"loss": 1.0, "x" * 10_000: 1.0}])._repr_html_()
    assert "x" * 79 + "…<" in made and "x" * 80 not in made


@pytest.mark.parametrize(
    ("values", "lines", "points"),
    [
        ([1.0, 0.5, 0.25], 1, 0),
        ([1.0, float("nan"), 0.25, 0.2], 1, 1),  # the gap leaves one epoch alone
        ([float("inf"), None, 3.0, 2.0], 1, 0),
        ([2.0], 0, 1),
        ([2.0, 2.0], 1, 0),
        ([0.0, -1.0], 1, 0),
    ],
)
def test_curve_has_gaps_where_there_are_no_numbers(values: list[Any], lines: int, points: int):
    made = of_losses(values)
    assert (made.count("<polyline"), made.count("<circle")) == (lines, points)
    for pair in re.findall(r'points="(.*?)"', made):
        for point in pair.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 340 and 0 <= y <= 170


def test_curve_without_numbers_is_left_out():
    assert "<svg" in of_losses([1.0, 2.0]) and "<svg" not in of_losses([float("nan"), None])


def test_curve_is_thinned():
    made = of_losses([float(i) for i in range(5000)])
    (points,) = re.findall(r'points="(.*?)"', made)
    assert len(points.split()) == 200
    assert points.split()[0].endswith(",148.0") and points.split()[-1].endswith(",24.0")


def test_curve_is_logarithmic_where_the_range_is_wide():
    assert "(logarithmic)" in of_losses([100.0, 1.0])
    assert "(logarithmic)" not in of_losses([2.0, 1.0])
    assert "(logarithmic)" not in c.History([{"r2": r2} for r2 in (-100.0, 1.0)])._repr_html_()


@pytest.mark.parametrize("empty", [c.History, c.GradientFlow])
def test_nothing_yet(empty: Callable[[], Any]):
    assert re.search("has(?: not)? been (?:recorded|measured)", check(empty()._repr_html_()).words)


# --- the history of a model


def fitted(callbacks: Any = (), epochs: int = 3) -> c.Model:
    model = c.Model(c.Network(2, [c.Dense(3), c.Tanh(), c.Dense(1)], c.MeanSquaredError()))
    model.fit(np.eye(2), np.ones(2), epochs=epochs, callbacks=callbacks)
    return model


def test_model_keeps_the_history_of_its_last_fit():
    model = c.Model(c.Network(2, [c.Dense(1)], c.MeanSquaredError()))
    assert len(model.history) == 0
    first = model.fit(np.eye(2), np.ones(2), epochs=2)
    assert model.history is first and len(first) == 2
    second = model.fit(np.eye(2), np.ones(2), epochs=1)
    assert model.history is second and len(second) == 1


def test_history_is_there_after_ctrl_c():
    class Interrupt(c.Callback):
        def on_epoch_end(self, run: Any) -> None:
            if run.epoch == 2:
                raise KeyboardInterrupt

    model = c.Model(c.Network(2, [c.Dense(1)], c.MeanSquaredError()))
    with pytest.raises(KeyboardInterrupt):
        model.fit(np.eye(2), np.ones(2), epochs=5, callbacks=[Interrupt()])
    assert len(model.history) == model.epochs_trained == 2
    assert "trained for 2 epochs" in repr(model)


def test_history_stays_when_a_fit_is_refused():
    model = fitted()
    before = model.history
    with pytest.raises(c.ConfigError):
        model.fit(np.eye(2), np.ones(2), epochs=-1)
    with pytest.raises(c.ConfigError):
        model.fit(np.eye(2), np.ones(2), resume="nowhere.safetensors")
    assert model.history is before


def test_a_loaded_model_has_an_empty_history(tmp_path: Any):
    model = fitted()
    model.save(tmp_path / "model.safetensors")
    again = c.load(tmp_path / "model.safetensors")
    assert len(again.history) == 0
    assert "trained for 3 epochs" in repr(again)
    check(again._repr_html_())


def test_history_has_a_figure():
    model = fitted()
    figure = model.history.figure()
    assert figure.layout.title.text == "Loss"
    assert list(figure.data[0].y) == model.history["loss"]
    assert model.history.figure("learning_rate").layout.title.text == "Learning rate"
    with pytest.raises(c.ConfigError, match=r"must be a recorded column, one of loss, .*, not 'acuracy'"):
        model.history.figure("acuracy")
    with pytest.raises(c.ConfigError, match="no records"):
        c.History().figure()


def test_figure_of_a_validation_column_has_both():
    history = c.History([{"loss": 1.0, "val_loss": 2.0}, {"loss": 0.5, "val_loss": 1.5}])
    names = [trace.name for trace in history.figure("val_loss").data]
    assert names == ["training", "validation"]


def test_run_is_one_line():
    seen: list[str] = []

    class Look(c.Callback):
        def on_epoch_end(self, run: Any) -> None:
            seen.append(repr(run))

    fitted([Look()])
    assert re.fullmatch(
        r"<Run: epoch 1 of 3, step 1 of 3, \w+ engine, loss \S+, learning_rate 0.001, seconds \S+>", seen[0]
    )


def test_wide_networks_are_cut_in_the_middle():
    net = c.Network(
        9, [layer for n in range(20, 40) for layer in (c.Dense(n), c.ReLU())], c.MeanSquaredError()
    )
    assert "<Model 9-20-21-22-23-...-38-39: " in repr(c.Model(net))


@pytest.mark.slow
def test_an_output_needs_no_plotly():
    """The import of Plotly takes longer than any of these outputs."""
    import subprocess
    import sys

    code = (
        "import sys, numpy as np, chainrule as c\n"
        "m = c.Model(c.Network(2, [c.Dense(1)], c.MeanSquaredError()))\n"
        "m.fit(np.eye(2), np.ones(2), epochs=2)\n"
        "for r in (m, m.history, m.trace(np.eye(2), np.ones(2)), m.attribute(np.eye(2))): r._repr_html_()\n"
        "print('plotly' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
