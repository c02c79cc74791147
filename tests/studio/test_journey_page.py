"""The whole way through the studio: draw, train, scrub, choose a weight, reload, and take a screen along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chainrule import Dense, Model, Network, ReLU, Rescale, SoftmaxCrossEntropy
from chainrule.datasets import load_mnist
from chainrule.recipe.data import from_arrays
from chainrule.studio.session.studio import Studio
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser
N = 600
FORM = '{"samples":600,"epochs":3,"layers":[{"kind":"dense","units":16},{"kind":"relu"}]}'


@pytest.fixture(scope="module")
def studio() -> Studio:
    train, test = load_mnist()
    data = from_arrays(train.X[:N], train.y[:N], test=(test.X[:N], test.y[:N]), name="digits", shape=(28, 28))
    model = Model(
        Network(784, [Rescale(1 / 255), Dense(16), ReLU(), Dense(10)], SoftmaxCrossEntropy()), seed=0
    )
    model.fit(train.X[:N], train.y[:N], epochs=3, batch_size=32)
    return Studio(model, data, name="digits 784-16-10")


@pytest.fixture(scope="module")
def pages(browser: Any, studio: Studio) -> Iterator[Pages]:
    with studio_pages(browser, studio) as found:
        yield found


def go(page: Any, screen: str) -> None:
    page.locator(f"nav.screens [data-screen={screen}]").click()
    page.wait_for_selector(f".screen[data-screen={screen}]")
    settle(page)


def sample(page: Any) -> np.ndarray:
    return np.array(page.evaluate("Array.from(window.chainrule.store.get('sample').x)"))


@pytest.mark.parametrize("lang", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_the_whole_way(pages: Pages, studio: Studio, lang: str, tmp_path):
    with pages.open("draw", lang=lang, state={"train.form": FORM}, accept_downloads=True) as page:
        # Draw a one: the answer is that of the model for what the pad says.
        page.locator("[data-test=clear]").click()
        box = page.locator("[data-test=pad]").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.8, steps=8)
        page.mouse.up()
        settle(page)
        x = sample(page)
        assert x.max() > 200
        shown = page.locator("[data-test=prediction]").inner_text()
        assert shown.split()[0] == str(studio.model.predict(x[None])[0])

        # Train: another network takes the place of this one, and the other screens follow its timeline.
        go(page, "train")
        before = page.locator(".screen").get_attribute("data-run")
        page.click("[data-test=start]")
        page.wait_for_selector(f".screen[data-state=done]:not([data-run='{before}'])", timeout=60_000)
        settle(page)
        assert studio.name in page.locator("[data-test=model-line]").inner_text()
        assert studio.model.network.links[1].fan_out == 16
        last = studio.model.theta.copy()
        page.locator("[data-test=timeline]").focus()
        page.keyboard.press("Home")
        page.wait_for_function("() => window.chainrule.store.get('model').steps === 0")
        settle(page)
        assert not np.array_equal(studio.model.theta, last)
        page.click("[data-test=newest]")
        page.wait_for_function("() => window.chainrule.store.get('model').steps > 0")
        settle(page)
        assert np.array_equal(studio.model.theta, last)

        # Choose a weight: the gradient on the page is the library's.
        go(page, "backprop")
        page.wait_for_selector("[data-test=weight] [data-test=gradient]")
        settle(page)
        weight = page.evaluate("window.chainrule.store.get('weight')")
        index = page.evaluate("window.chainrule.store.get('sample.index')")
        if index is None:
            inputs, y = sample(page), int(page.locator("[data-test=target]").first.input_value())
        else:
            inputs, y = studio.data.test.X[index], studio.data.test.y[index]
        _, grads = studio.model.loss_and_gradients(np.asarray(inputs)[None], [y], training=False)
        link, _, field = weight["name"].rpartition(".")
        expected = getattr(grads[link], field)
        expected = float(expected[weight["i"], weight["j"]] if field == "W" else expected[weight["j"]])
        found = float(page.locator("[data-test=gradient]").first.get_attribute("data-value"))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7)

        # Reload: the address holds the state.
        page.reload()
        settle(page)
        assert page.locator(".screen").get_attribute("data-screen") == "backprop"
        assert page.locator("html").get_attribute("lang") == ("zh-Hant-TW" if lang == "zh" else "en")

        # Take the screen along, and open it from the disk.
        page.wait_for_selector("[data-test=weight] [data-test=gradient]")
        settle(page)
        found = float(page.locator("[data-test=gradient]").first.get_attribute("data-value"))
        with page.expect_download() as download:
            page.locator("[data-test=export]").click()
        download.value.save_as(tmp_path / "page.html")
        other = page.context.new_page()
        other.goto((tmp_path / "page.html").as_uri())
        other.wait_for_selector("[data-test=gradient]")
        assert float(other.locator("[data-test=gradient]").first.get_attribute("data-value")) == found
        other.close()
