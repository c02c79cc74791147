"""Training without backpropagation in the studio's page: the steps, passes and losses of the library's methods."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule.data.samples import Samples
from chainrule.datasets import load_mnist
from chainrule.lab.without_backprop import ARMS
from chainrule.studio.page.static import methods
from chainrule.studio.screens.labs import methods as labs
from studio_pages import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
IMAGES, TESTED, BATCH, HIDDEN = 600, 200, 50, 2
"""The images of these tests, those of a batch, and the neurons of a hidden layer: fewer than on the screen."""
ENTRY = """import { generator, legacy } from './random.js';
import { withoutBackprop } from './play/without_backprop.js';
Object.assign(window, { generator, legacy, withoutBackprop });
"""
RUN = """async ([given, parts, args]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const [train, test] = parts.map(([X, y]) => ({ X: bytes(X), y: bytes(y), n: bytes(y).length }));
  const sent = new Set(), needData = () => ({ name: 'mnist', train, test });
  const studio = { given: { without_backprop: given }, needData, send: (event) => sent.add(event) };
  const commands = window.withoutBackprop(studio, (f) => () => setTimeout(f));
  let { run } = commands['without_backprop.start'](args);
  while (run.running) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    ({ run } = commands['without_backprop.get']());
  }
  const plain = (value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
  const entries = (arm) => Object.entries(arm).map(([key, value]) => [key, plain(value)]);
  return { ...run, arms: run.arms.map((arm) => Object.fromEntries(entries(arm))), sent: [...sent].sort() };
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with page_of(browser, ENTRY) as page:
        yield page


def few() -> tuple[Samples, Samples]:
    """The first images as the laboratory has them: averaged over squares of 4 x 4 pixels, from 0 to 1."""
    found = []
    for part, n in zip(load_mnist(), (IMAGES, TESTED), strict=True):
        X = part.images[:n].reshape(n, 7, 4, 7, 4).mean((2, 4)).reshape(n, 49) / 255
        found.append(Samples(X, np.asarray(part.y[:n], np.int64), np.ones(n), 10))
    return found[0], found[1]


def encoded(array: Any) -> str:
    return base64.b64encode(np.asarray(array, np.uint8).tobytes()).decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arms", "depth", "activation", "passes", "seed"),
    [
        (list(ARMS), 1, "tanh", 300, 0),
        (["forward_gradient", "feedback_alignment", "random_features", "cma_es"], 2, "relu", 150, 3),
        (["spsa", "openai_es", "random_search"], 3, "sigmoid", 150, 7),
    ],
)
def test_a_run_is_that_of_the_server(page: Page, monkeypatch, arms, depth, activation, passes, seed):
    monkeypatch.setattr(labs, "samples", few)
    monkeypatch.setattr(labs, "BATCH", BATCH)
    monkeypatch.setattr(labs, "HIDDEN", HIDDEN)
    names = [name for name in ARMS if name in {*arms, "backpropagation"}]
    server = labs.MethodRun(1, lambda event, data: None, names, depth, activation, passes, seed)
    server.start()
    for thread in server.threads:
        thread.join()
    expected = server.state()
    parts = [
        [encoded(part.X[:n]), encoded(part.y[:n])]
        for part, n in zip(load_mnist(), (IMAGES, TESTED), strict=True)
    ]
    args = {"arms": arms, "depth": depth, "activation": activation, "passes": passes, "seed": seed}
    found = page.evaluate(RUN, [methods() | {"batch": BATCH, "hidden": HIDDEN}, parts, args])
    assert found["settings"] == expected["settings"] and found["code"] == server.python()
    assert found["sent"] == ["without_backprop.ended", "without_backprop.frame"]
    for mine, theirs in zip(found["arms"], expected["arms"], strict=True):
        assert (mine["name"], mine["error"], mine["done"]) == (theirs["name"], theirs["error"], True)
        assert mine["step"] == theirs["step"].tolist(), mine["name"]
        np.testing.assert_allclose(mine["passes"], theirs["passes"], rtol=1e-6, err_msg=mine["name"])
        np.testing.assert_allclose(mine["loss"], theirs["loss"], rtol=2e-5, err_msg=mine["name"])
        assert mine["facts"] == pytest.approx(theirs["facts"], rel=1e-9), mine["name"]
    numbers = ("accuracy", "best_accuracy", "at")
    mine, theirs = ([each["ending"][name] or 0 for name in numbers] for each in (found, expected))
    assert found["ending"]["best"] == expected["ending"]["best"] and mine == pytest.approx(theirs, rel=1e-6)


def test_random_numbers_are_those_of_numpy(page: Page):
    """Of the state that the library's CMA-ES draws from, and a whole number of 32 bits, which seeds it."""
    drawn = page.evaluate("() => Array.from(window.legacy(4_000_000_001).normal(1001))")
    np.testing.assert_allclose(drawn, np.random.RandomState(4_000_000_001).randn(1001), rtol=1e-14)
    words = page.evaluate("() => window.generator([5, 4, 9]).integers(2 ** 32 - 1, 3)")
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([5, 4, 9])))
    assert words == [int(rng.integers(2**32)) for _ in range(3)]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"arms": ["spsa"], "depth": 4}, "depth must be from 1 to 3, not 4."),
        ({"arms": ["spsa"], "passes": 50}, "passes must be from 100 to 20000, not 50."),
        ({"arms": [], "activation": "gelu"}, "activation must be one of tanh, sigmoid, relu, not gelu."),
    ],
)
def test_what_is_refused(page: Page, args: dict[str, Any], message: str):
    part = [encoded(np.zeros((1, 784))), encoded([0])]
    with pytest.raises(Exception, match=message):
        page.evaluate(RUN, [methods(), [part, part], args])
