"""The studio's widget, as a notebook's kernel has it: traits, answers to commands, and a network that learns."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import chainrule.studio
from chainrule import Adam, BatchNorm, ConfigError, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.studio import notebook
from studio_messages import unpacked


@pytest.fixture
def model() -> Model:
    rng = np.random.default_rng(0)
    made = Model(Network(4, [Dense(5), BatchNorm(), ReLU(), Dense(3)], SoftmaxCrossEntropy()), seed=0)
    made.fit(rng.normal(size=(30, 4)), np.arange(30) % 3, epochs=1)
    return made


@pytest.fixture
def samples():
    rng = np.random.default_rng(1)
    return rng.normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3


class Sent:
    """What a widget sends to its page."""

    def __init__(self, view: notebook.StudioView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages = []
        monkeypatch.setattr(view, "send", self.keep)

    def keep(self, content, buffers=None):
        self.messages.append(unpacked(buffers[0]) if buffers else json.loads(json.dumps(content)))


def test_a_model_and_its_samples(model, samples):
    view = model.view(*samples)
    boot = unpacked(view.boot)
    assert boot["state"] == {"screen": "draw", "lang": "en"}
    assert np.array_equal(boot["model"]["arrays"]["dense_1.W"], model.parameters["dense_1"].W)
    assert np.array_equal(boot["model"]["arrays"]["batch_norm_1.mean"], model.states["batch_norm_1"].mean)
    assert boot["data"]["shown"] == 12
    assert "export default" in str(view._esm)


def test_the_style_leaves_the_notebook_alone():
    """Every rule hangs below the root."""
    text = re.sub(r"/\*.*?\*/", "", str(notebook.StudioView._css), flags=re.DOTALL)
    selectors = re.findall(r"([^{};]+)\{", text)
    plain = [
        s.strip()
        for s in selectors
        if not s.strip().startswith(("@", "from", "to")) and not s.strip()[0].isdigit()
    ]
    assert len(plain) > 40
    parts = [part for s in plain for part in re.split(r",\s*(?![^(]*\))", s)]  # not those within :is(...)
    assert [part for part in parts if not part.startswith(".chainrule")] == []


def test_commands_are_answered(model, samples, monkeypatch):
    view = model.view(*samples, lang="zh")
    sent = Sent(view, monkeypatch)
    view.answer_page(view, {"id": 3, "do": "data.samples", "with": {"rows": [2]}}, [])
    view.answer_page(view, {"id": 4, "do": "no.command", "with": {}}, [])
    assert sent.messages[0]["id"] == 3 and np.array_equal(sent.messages[0]["answer"]["X"], samples[0][[2]])
    assert sent.messages[1]["id"] == 4 and "no command" in sent.messages[1]["error"]


def test_what_is_no_command_is_passed_over(model, monkeypatch):
    view = model.view()
    sent = Sent(view, monkeypatch)
    for content in (
        {},
        {"id": "x"},
        {"do": "model.get"},
        [],
        None,
        {"id": 1, "do": "x", "with": float("nan")},
    ):
        view.answer_page(view, content, [])
    assert sent.messages == []


def test_a_network_that_learns(model, samples, monkeypatch):
    """A frame at least each epoch, with the numbers of that moment; the model's own in the end."""
    view = model.view(*samples)
    sent = Sent(view, monkeypatch)
    model.fit(*samples, epochs=3, optimizer=Adam(0.1), callbacks=[view.live()])
    frames = [m["data"] for m in sent.messages if m["event"] == "model.frame"]
    assert [frame["steps"] for frame in frames] == sorted(frame["steps"] for frame in frames)
    assert len(frames) >= 3
    weights = [frame["arrays"]["dense_1.W"] for frame in frames]
    assert not np.array_equal(weights[0], weights[-1])
    assert np.array_equal(weights[-1], model.parameters["dense_1"].W)
    assert np.array_equal(unpacked(view.boot)["model"]["arrays"]["dense_1.W"], model.parameters["dense_1"].W)


def test_a_trace(model, samples):
    X, y = samples
    view = model.trace(X[:5], y[:5]).view()
    boot = unpacked(view.boot)
    assert boot["state"] == {"screen": "backprop", "lang": "en", "sample.index": 0}
    assert boot["data"]["shown"] == 5 and boot["data"]["labels"] == ["0", "1", "2"]
    assert np.array_equal(boot["model"]["arrays"]["dense_2.W"], model.parameters["dense_2"].W)
    assert view.studio.model.outputs(X) == pytest.approx(model.outputs(X), rel=1e-6)


def test_bad_input(model):
    with pytest.raises(ConfigError, match="lang must be one of en, zh, not 'fr'"):
        model.view(lang="fr")
    with pytest.raises(ConfigError, match="shows a model or a trace, not int"):
        chainrule.studio.widget(3)


def test_without_anywidget(model, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "chainrule.studio.notebook")
    monkeypatch.delattr(chainrule.studio, "notebook")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(
        ConfigError, match=r"needs anywidget; install it: pip install 'chainrule\[notebook\]'"
    ):
        model.view()
