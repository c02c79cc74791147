"""The network in depth, drawn by WebGL2 in software: its colours, what it picks, how it turns, and without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule import Dense, Model, Network, ReLU, Rescale, SoftmaxCrossEntropy
from chainrule.recipe.data import from_arrays
from chainrule.studio.session.studio import Studio
from chromium import CHROMIUM_ARGUMENTS, chromium_path
from studio_pages import Pages, settle, studio_pages

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

pytestmark = pytest.mark.browser
VIEW = "document.querySelector('[data-test=network]').view"
DEPTH = {"draw.view": "depth"}


@pytest.fixture(scope="module")
def pages(playwright: Playwright) -> Iterator[Pages]:
    arguments = [one for one in CHROMIUM_ARGUMENTS if one != "--disable-gpu"]
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (40, 784)).astype(np.uint8), rng.integers(0, 10, 40)
    network = Network(
        784, [Rescale(1 / 255), Dense(20), ReLU(), Dense(6), ReLU(), Dense(10)], SoftmaxCrossEntropy()
    )
    studio = Studio(Model(network, dtype="float32", seed=0), from_arrays(X, y, name="noise"), name="deep")
    browser = playwright.chromium.launch(
        executable_path=chromium_path(),
        args=[*arguments, "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
    )
    with studio_pages(browser, studio) as pages:
        yield pages
    browser.close()


def drawn(page: Any, index: int) -> dict[str, Any]:
    """A neuron of dense_1 in the picture without connections: its pixel, its colour, and what is picked there."""
    return page.evaluate(
        f"""(index) => {{
          const neuron = {{ link: 'dense_1', index }}, scene = {VIEW}.scene();
          scene.edges = scene.layers.map(() => []);
          {VIEW}.render();
          const painter = {VIEW}.painter(), [x, y] = {VIEW}.place(neuron), {{ canvas }} = painter;
          const ratio = canvas.width / canvas.clientWidth, pixel = new Uint8Array(4), gl = canvas.getContext('webgl2');
          const row = canvas.height - 1 - Math.floor(y * ratio);
          gl.readPixels(Math.floor(x * ratio), row, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
          return {{ pixel: new Uint32Array(pixel.buffer)[0], color: {VIEW}.color(neuron),
            hit: painter.at({VIEW}.scene(), x, y), angles: painter.angles(), place: [x, y] }};
        }}""",
        index,
    )


@pytest.mark.slow
def test_neurons_in_depth_have_the_colours_of_the_flat_picture(pages: Pages):
    with pages.open(state=DEPTH) as page:
        for index in (0, 7, 19):
            found = drawn(page, index)
            assert found["pixel"] == found["color"]
            assert found["hit"] == {"place": 1, "index": index}
        page.locator("[data-key=flat]").click()
        assert page.evaluate(f"{VIEW}.color({{ link: 'dense_1', index: 19 }})") == found["color"]
        settle(page)
        assert page.evaluate(f"{VIEW}.painter().canvas.getContext('2d') !== null")


@pytest.mark.slow
def test_it_turns_comes_nearer_and_picks(pages: Pages):
    with pages.open(state=DEPTH) as page:
        first = drawn(page, 3)
        box = page.locator("canvas.depth").bounding_box()
        page.mouse.move(box["x"] + 30, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 130, box["y"] + 70, steps=4)
        page.mouse.up()
        assert page.evaluate("chainrule.store.get('neuron')") is None  # a drag chooses nothing
        turned = drawn(page, 3)
        assert turned["angles"]["yaw"] < first["angles"]["yaw"]
        assert turned["angles"]["pitch"] > first["angles"]["pitch"]
        assert turned["pixel"] == turned["color"] and turned["place"] != first["place"]
        page.locator("[data-test=network]").focus()
        page.keyboard.press("+")
        page.keyboard.press("Shift+ArrowRight")
        assert drawn(page, 3)["angles"]["zoom"] < 1
        page.locator("canvas.depth").hover()
        page.mouse.wheel(0, 400)
        page.wait_for_function(f"() => {VIEW}.painter().angles().zoom > 1")
        x, y = drawn(page, 3)["place"]
        page.locator("canvas.depth").click(position={"x": x, "y": y})
        settle(page)
        assert page.evaluate("chainrule.store.get('neuron')") == {"link": "dense_1", "index": 3}
        page.locator("[data-test=network]").focus()
        page.keyboard.press("PageDown")
        assert page.evaluate("chainrule.store.get('neuron').link") == "dense_2"


def test_it_comes_back_when_the_graphics_were_lost(pages: Pages):
    with pages.open(state=DEPTH) as page:
        before = drawn(page, 5)
        page.evaluate(
            f"""() => new Promise((resolve) => {{
              const {{ canvas }} = {VIEW}.painter();
              const lost = canvas.getContext('webgl2').getExtension('WEBGL_lose_context');
              canvas.addEventListener('webglcontextrestored', () => setTimeout(resolve));
              canvas.addEventListener('webglcontextlost', () => setTimeout(() => lost.restoreContext()));
              lost.loseContext();
            }})"""
        )
        settle(page)
        assert drawn(page, 5)["pixel"] == before["color"]


def test_on_a_phone_nothing_reaches_beyond_the_screen(pages: Pages):
    with pages.open(state=DEPTH, phone=True, theme="dark") as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("canvas.depth").count() == 1


@pytest.mark.slow
def test_without_webgl_the_picture_is_flat(pages: Pages):
    without = """const real = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
        return kind === 'webgl2' ? null : real.call(this, kind, ...rest);
      };"""
    with pages.open(state=DEPTH, init=without) as page:
        assert page.locator("canvas.depth").count() == page.locator("[data-key=depth]").count() == 0
        assert page.evaluate(f"{VIEW}.scene().layers.length") == 4
