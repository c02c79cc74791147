"""The studio's widget without a notebook: its module as anywidget loads it; an object stands for the kernel."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from chainrule import Dense, Model, Network, ReLU, SoftmaxCrossEntropy

pytestmark = pytest.mark.browser

# What anywidget gives to `render`: get, set, on, off and send; buffers come as DataViews.
PAGE = """async ([source, boot, state]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const listeners = new Map(), traits = { boot: new DataView(bytes(boot).buffer), state };
  window.kernel = {
    sent: [],
    get: (name) => traits[name],
    set(name, value) { traits[name] = value; this.fire(`change:${name}`); },
    save_changes() {},
    on(name, f) { listeners.set(name, [...(listeners.get(name) || []), f]); },
    off(name, f) { listeners.set(name, (listeners.get(name) || []).filter((g) => g !== f)); },
    fire(name, ...args) { for (const f of listeners.get(name) || []) f(...args); },
    count: (name) => (listeners.get(name) || []).length,
    send(content) { this.sent.push(content); },
    push(text) { this.fire('msg:custom', {}, [new DataView(bytes(text).buffer)]); },
    boot(text) { this.set('boot', new DataView(bytes(text).buffer)); },
  };
  const module = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  const el = document.createElement('div');
  document.body.append(el);
  window.controller = new AbortController();
  await module.default.render({ model: window.kernel, el, signal: window.controller.signal });
  window.studio = el.firstChild.studio;
}"""


def packed(message: bytes) -> str:
    return base64.b64encode(message).decode()


@pytest.fixture
def shown(browser_page):
    """A page with the widget in it, its view, and the messages of the kernel's side."""
    model = Model(Network(4, [Dense(5), ReLU(), Dense(3)], SoftmaxCrossEntropy()), seed=0)
    view = model.view(np.eye(4, dtype=np.float32), [0, 1, 2, 0], lang="zh")
    browser_page.goto("about:blank")
    browser_page.add_style_tag(content=str(view._css))
    browser_page.evaluate(PAGE, [str(view._esm), packed(view.boot), dict(view.state)])
    return browser_page, view, model


def answer_all(page, view, monkeypatch) -> None:
    """Answer the commands that the page has sent, as the kernel does."""
    for content in page.evaluate("window.kernel.sent.splice(0)"):
        sent = []
        monkeypatch.setattr(
            view, "send", lambda content, buffers=None, sent=sent: sent.append((content, buffers))
        )
        view.answer_page(view, content, [])
        for found, buffers in sent:
            if buffers:
                page.evaluate("text => window.kernel.push(text)", packed(buffers[0]))
            else:
                page.evaluate("c => window.kernel.fire('msg:custom', JSON.parse(c), [])", json.dumps(found))


def test_it_shows_the_model(shown):
    page, _, model = shown
    assert "試一列" in page.locator("h1").inner_text()
    assert page.evaluate("window.studio.get('model').size") == model.network.size
    found = page.evaluate("Array.from(window.studio.get('network').forward([0, 1, 0, 0]).at(-1).a)")
    assert found == pytest.approx(model.outputs(np.eye(4)[[1]])[0].tolist(), rel=1e-5)
    assert page.evaluate("location.hash") == ""  # the notebook's address is its own


def test_a_command_goes_to_the_kernel_and_back(shown, monkeypatch):
    page, view, _ = shown
    page.evaluate("""() => {
      window.studio.call('data.samples', { rows: [2] }).then((found) => { window.found = found; });
      window.studio.call('nothing.here').catch((error) => { window.failed = error.message; });
    }""")
    page.wait_for_function("window.kernel.sent.length >= 2")
    answer_all(page, view, monkeypatch)
    page.wait_for_function("window.found && window.failed")
    assert page.evaluate("[Array.from(window.found.X), window.found.X.shape, window.found.y]") == [
        [0, 0, 1, 0],
        [1, 4],
        [2],
    ]
    assert "no command" in page.evaluate("window.failed")


def test_a_network_that_learns_is_followed(shown, monkeypatch):
    page, view, model = shown
    pushed = []
    monkeypatch.setattr(view, "send", lambda content, buffers=(): pushed.extend(buffers))
    before = page.evaluate("Array.from(window.studio.get('network').arrays['dense_1.W'])")
    model.fit(np.eye(4), [0, 1, 2, 0], epochs=2, callbacks=[view.live()])
    for message in pushed:
        page.evaluate("text => window.kernel.push(text)", packed(message))
    after = page.evaluate("Array.from(window.studio.get('network').arrays['dense_1.W'])")
    assert after != before
    assert after == pytest.approx(model.parameters["dense_1"].W.ravel().tolist(), rel=1e-6)
    assert page.evaluate("window.studio.get('model').steps") == model.steps_trained == 2
    page.evaluate("text => window.kernel.boot(text)", packed(view.boot))
    assert page.evaluate("Array.from(window.studio.get('network').arrays['dense_1.W'])") == after


def test_it_ends_with_its_cell(shown):
    page, _, _ = shown
    page.evaluate("window.controller.abort()")
    assert page.evaluate("[window.kernel.count('msg:custom'), window.kernel.count('change:boot')]") == [0, 0]
