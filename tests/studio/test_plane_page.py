"""The screen Plane in a browser: its colours are those of the model's answers, and painted points train."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule.studio.session.studio import Studio
from studio_pages import settle as idle
from studio_pages import studio_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
SIZE, EDGE, FULL = 100, 1.3, 1.7
PIXELS = [(10, 12), (50, 50), (33, 70), (71, 29), (90, 95), (48, 52)]


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="module")
def page(browser: Browser, studio: Studio) -> Iterator[Page]:
    with studio_pages(browser, studio) as pages, pages.open("plane") as page:
        page.set_default_timeout(20_000)
        yield page


def opened(page: Page, *, lang: str = "en", theme: str = "light", motion: bool = False, **state: Any) -> Page:
    """The screen with this state, come to anew from another screen."""
    page.evaluate(
        """async ([shared, state]) => {
        const base = document.querySelector('script[type=module]').src.replace('page.js', '');
        const { defaults } = await import(`${base}plane_settings.js`), { store } = window.chainrule;
        store.set({ screen: 'glossary' });
        await store.settled();
        store.set({ ...defaults, ...shared, ...state, screen: 'plane' });
        await store.settled();
        }""",
        [{"lang": lang, "theme": theme, "motion": motion}, state],
    )
    page.wait_for_selector("[data-test=epoch]")
    idle(page)
    return page


def reload(page: Page) -> None:
    """Load the page anew from its address."""
    page.wait_for_load_state("networkidle")  # or a request that is under way would fail
    page.reload()
    page.wait_for_selector("[data-test=epoch]")
    idle(page)


def until(page: Page, what: str, argument: Any = None) -> None:
    page.wait_for_function(what, arg=argument)
    idle(page)


def built(page: Page) -> None:
    """Wait until the network of the last change is on show."""
    until(page, "() => !document.querySelector('[aria-busy=true]')")


def run_of(studio: Studio) -> Any:
    return studio.runs["plane"]


def stepped(page: Page, studio: Studio, steps: int) -> None:
    """Train the network of the last change for some steps, and wait for the drawing of the last one."""
    built(page)
    run = run_of(studio)
    goal = run.place[1] + steps
    run.step(steps)
    with run.changed:
        assert run.changed.wait_for(lambda: run.place[1] >= goal, 60)
    frames = page.evaluate("() => window.chainrule.frames")
    epochs = goal // run.steps_per_epoch
    until(
        page,
        """([epoch, frames]) => Number(document.querySelector('[data-test=epoch]').dataset.value) === epoch
        && window.chainrule.frames >= frames
        && document.querySelector('[data-test=play]').dataset.running === 'false'""",
        [epochs, frames],
    )


def pixels(page: Page) -> np.ndarray:
    found = page.evaluate(
        """() => { const c = document.querySelector('[data-test=surface]');
        return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }"""
    )
    return np.array(found).reshape(SIZE, SIZE, 4)[..., :3]


def centers() -> np.ndarray:
    """The place of each of PIXELS, (row, column)."""
    step = 2 * EDGE / SIZE
    return np.array([(-EDGE + (c + 0.5) * step, EDGE - (r + 0.5) * step) for r, c in PIXELS], np.float32)


def from_module(page: Page, path: str, expression: str) -> Any:
    return page.evaluate(
        """async ([path, expression]) => {
        const base = document.querySelector('script[type=module]').src.replace('page.js', '');
        const m = await import(base + path);
        return JSON.parse(JSON.stringify(expression.split('.').reduce((o, k) => o[k], m)));
        }""",
        [path, expression],
    )


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "state",
    [
        {"plane.kind": "moons", "plane.norm": True, "plane.residual": True, "plane.layers": [6, 6, 5]},
        {"plane.kind": "surface", "plane.activation": "gelu"},
        {"plane.kind": "blobs", "plane.activation": "relu"},
    ],
    ids=lambda state: str(state["plane.kind"]),
)
def test_a_pixel_of_the_surface_is_the_colour_of_the_models_answer(
    page: Page, studio: Studio, state: dict[str, Any], theme: str
):
    opened(page, theme=theme, **state)
    stepped(page, studio, 130)
    model, shown = run_of(studio).trained(), pixels(page)
    if state["plane.kind"] == "surface":
        value = model.predict(centers())
    else:
        p = model.predict_proba(centers())
        value = 2 * p[:, 1] - 1
    if state["plane.kind"] == "blobs":
        colors = np.array(from_module(page, "plane_colors.js", f"classColors.{theme}"))[:3]
        ground = np.array({"light": (247, 248, 250), "dark": (23, 30, 38)}[theme])
        expected = ground + 0.62 * (p @ colors - ground)
    else:
        table = page.evaluate(
            """async (theme) => {
            const base = document.querySelector('script[type=module]').src.replace('page.js', '');
            return [...(await import(base + 'colors.js')).palette(theme).signed];
            }""",
            theme,
        )
        place = np.clip(np.round(127.5 + 127.5 * value / FULL), 0, 255).astype(int)
        packed = np.array(table)[place]
        expected = np.stack([packed & 255, packed >> 8 & 255, packed >> 16 & 255], 1)
    found = np.array([shown[r, c] for r, c in PIXELS])
    assert np.abs(found - expected).max() <= 4  # a step of the table, where float32 rounds to either side
    assert np.ptp(shown.reshape(-1, 3).astype(int), axis=0).max() > 60


def test_numbers_under_the_pointer_are_the_networks(page: Page, studio: Studio):
    opened(page, **{"plane.kind": "xor", "plane.layers": [3, 2]})
    stepped(page, studio, 40)
    model = run_of(studio).trained()
    weights = page.locator("path.edge").evaluate_all("(all) => all.map((one) => Number(one.dataset.value))")
    expected = np.concatenate([p.W.ravel() for p in model.parameters.values() if hasattr(p, "W")])
    assert np.allclose(weights, expected, rtol=1e-6)
    page.hover('[data-layer="1"][data-unit="1"]')
    says = page.locator("[data-test=neuron-says]")
    assert float(says.get_attribute("data-value") or "nan") == pytest.approx(model.parameters["dense_2"].b[1])
    assert "a2.2 = tanh(z)" in says.inner_text() and "a1.3" in says.inner_text()
    box = page.locator("[data-test=points]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.705 * box["width"], box["y"] + 0.295 * box["height"])
    until(page, "() => !document.querySelector('[data-test=surface-tip]').hidden")
    at = np.array([[-EDGE + 0.705 * 2 * EDGE, EDGE - 0.295 * 2 * EDGE]])
    p = json.loads(page.locator("[data-test=surface-tip]").get_attribute("data-value") or "[]")
    assert p == pytest.approx(model.predict_proba(at)[0], abs=1e-4)
    values = page.locator('[data-layer="1"] .value').evaluate_all("(all) => all.map((o) => +o.dataset.value)")
    assert values == pytest.approx(model.trace(at, [0]).a["tanh_2"][0], abs=1e-4)


@pytest.mark.slow
def test_painted_points_train(page: Page, studio: Studio):
    opened(page, **{"plane.kind": "moons", "plane.rate": 0.1, "plane.batch": 8})
    page.click("[data-test=clear]")
    page.wait_for_selector("[data-test=plane-error]:not([hidden])")
    box = page.locator("[data-test=points]").bounding_box()
    assert box is not None

    def stroke(k: int, places: list[tuple[float, float]]) -> None:
        page.click(f'[data-brush="{k}"]')
        x, y = places[0]
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.down()
        for x, y in places[1:]:
            page.mouse.move(box["x"] + (x - 0.1) * box["width"], box["y"] + y * box["height"], steps=2)
            page.wait_for_timeout(900)
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=2)
        page.mouse.up()

    stroke(0, [(0.2, 0.2), (0.4, 0.2)])
    stroke(2, [(0.6, 0.8), (0.8, 0.8)])
    stroke(3, [(0.2, 0.8), (0.4, 0.8)])
    until(page, "() => document.querySelector('[data-test=plane-error]').hidden")
    until(page, "() => document.querySelectorAll('[data-layer=\"2\"]').length === 4")
    built(page)
    points = run_of(studio).points
    assert set(points.y.tolist()) == {0, 2, 3} and 8 <= len(points.y) <= 30
    assert points.X[points.y == 2].mean(0) == pytest.approx([0.52, -0.78], abs=0.05)
    before = float(page.locator("[data-test=loss]").get_attribute("data-value") or "nan")
    stepped(page, studio, 60 * run_of(studio).steps_per_epoch)
    after = float(page.locator("[data-test=loss]").get_attribute("data-value") or "nan")
    assert after < 0.1 < before
    assert (run_of(studio).trained().predict(points.X) == points.y).all()
    painted = len(points.y)
    reload(page)
    assert len(run_of(studio).points.y) == painted
    box = page.locator("[data-test=points]").bounding_box()
    assert box is not None
    page.click('[data-brush="erase"]')
    page.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    built(page)
    assert len(run_of(studio).points.y) < painted


LATE = """(() => {
  const send = WebSocket.prototype.send, builds = new Set();
  WebSocket.prototype.send = function (text) {
    if (text.includes('"plane.build"')) builds.add(JSON.parse(text).id);
    send.call(this, text);
  };
  const { set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
  Object.defineProperty(WebSocket.prototype, 'onmessage', { set(listen) {
    set.call(this, (event) => {
      const data = event.data, said = typeof data === 'string' ? data : new TextDecoder().decode(data).slice(0, 300);
      setTimeout(() => listen(event), [...builds].some((id) => said.includes(`"id": ${id},`)) ? 1000 : 0);
    });
  } });
})();"""
"""A network's answer comes a second after it was built."""


@pytest.mark.slow
def test_what_is_painted_while_a_network_is_built_stays(browser: Browser):
    studio = Studio()
    with studio_pages(browser, studio) as pages, pages.open("plane", init=LATE) as page:
        built(page)
        page.click("[data-test=clear]")
        page.wait_for_selector("[data-test=plane-error]:not([hidden])")
        box = page.locator("[data-test=points]").bounding_box()
        assert box is not None
        before = run_of(studio)
        for k in (0, 1):
            page.click(f'[data-brush="{k}"]')
            page.mouse.click(box["x"] + (0.2 + 0.4 * k) * box["width"], box["y"] + 0.5 * box["height"])
        page.click('[data-brush="3"]')
        for _ in range(200):
            if run_of(studio) is not before:
                break
            page.wait_for_timeout(20)
        places = np.linspace(0.1, 0.9, 24)
        page.mouse.move(box["x"] + places[0] * box["width"], box["y"] + 0.8 * box["height"])
        page.mouse.down()
        for x in places[1:]:
            page.mouse.move(box["x"] + x * box["width"], box["y"] + 0.8 * box["height"])
            page.wait_for_timeout(50)
        page.mouse.up()
        built(page)
        points = run_of(studio).points
        assert points.X[points.y == 3, 0] == pytest.approx((2 * places - 1) * EDGE, abs=0.03)


def test_points_are_painted_by_keyboard(page: Page, studio: Studio):
    opened(page, **{"plane.kind": "circles"})
    page.click("[data-test=clear]")
    page.focus("[data-test=points]")
    for key in ("1", "ArrowLeft", "ArrowLeft", "Enter", "2", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    until(page, "() => document.querySelector('[data-test=plane-error]').hidden")
    until(page, "() => window.chainrule.store.get('plane.points').length === 11")
    for _ in range(200):  # the run of the circles goes on until the server has the points
        if len(run_of(studio).points.y) == 2:
            break
        page.wait_for_timeout(50)
    idle(page)
    points = run_of(studio).points
    assert points.y.tolist() == [0, 1]
    assert pytest.approx(np.array([[-0.2, 0.0], [-0.2, 0.2]]), abs=2e-3) == points.X


def test_the_address_has_the_whole_state_and_rewinds_to_the_same_weights(page: Page, studio: Studio):
    opened(page, **{"plane.kind": "spirals", "plane.seed": 7, "plane.layers": [4, 3], "plane.noise": 0.04})
    first = run_of(studio).snapshot[0]
    page.click("[data-test=add-layer]")
    until(page, "() => document.querySelectorAll('[data-layer=\"2\"]').length === 3")
    page.click('[data-key="0+"]')
    until(page, "() => document.querySelectorAll('[data-layer=\"0\"]').length === 5")
    assert page.evaluate("() => document.activeElement.dataset.key") == "0+"
    page.select_option("[data-test=optimizer]", "nadam")
    until(page, "() => location.hash.includes('plane.optimizer=nadam')")
    page.wait_for_function("() => window.chainrule.store.get('plane.optimizer') === 'nadam'")
    reload(page)
    settings = run_of(studio).settings
    assert (settings.kind, settings.seed, settings.layers, settings.optimizer) == (
        "spirals",
        7,
        (5, 3, 3),
        "nadam",
    )
    start = run_of(studio).snapshot[0]
    assert start.shape != first.shape
    stepped(page, studio, 30)
    page.click("[data-test=rewind]")
    until(page, "() => document.querySelector('[data-test=epoch]').dataset.value === '0'")
    assert np.array_equal(run_of(studio).snapshot[0], start)
    page.click("[data-test=reseed]")
    until(page, "() => location.hash.includes('plane.seed=8')")
    page.wait_for_function("() => !document.querySelector('[data-test=play]').disabled")


def test_it_is_alive_on_arrival_unless_motion_is_off(page: Page, studio: Studio):
    opened(page, **{"plane.kind": "moons", "plane.seed": 11})
    idle(page)
    assert run_of(studio).place == (0, 0)
    opened(page, motion=True, **{"plane.kind": "moons", "plane.seed": 12})
    until(page, "() => Number(document.querySelector('[data-test=epoch]').dataset.value) >= 5")
    page.click("[data-test=play]")
    until(page, "() => document.querySelector('[data-test=play]').dataset.running === 'false'")
    run = run_of(studio)
    assert run.place[0] >= 5 and not run.is_running
    page.click("[data-test=step]")
    with run.changed:
        assert run.changed.wait_for(lambda: not run.is_running, 20)


def test_put_on_show_other_screens_see_it(page: Page, studio: Studio):
    opened(page, **{"plane.kind": "blobs", "plane.seed": 3})
    page.click("[data-test=show]")
    until(page, "() => document.querySelector('[data-test=shown]').textContent.includes('blobs 2-8-8-3')")
    until(
        page, "() => document.querySelector('[data-test=model-line]').textContent.includes('blobs 2-8-8-3')"
    )
    assert studio.model.network.outputs == 3 and len(studio.data.train) == 200
    assert page.evaluate("() => window.chainrule.store.get('network').runsHere")


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh", "light")])
def test_both_languages_on_a_phone_fit_its_width(page: Page, language: str, theme: str):
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, lang=language, theme=theme, **{"plane.kind": "xor"})
    idle(page)
    text = page.locator("main").inner_text()
    assert ("平面" in text) == (language == "zh") and ("Learning rate" in text) == (language == "en")
    assert "plane." not in text
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_the_python_is_shown_with_the_epochs(page: Page, studio: Studio):
    opened(page, **{"plane.kind": "moons", "plane.seed": 21})
    stepped(page, studio, 3 * run_of(studio).steps_per_epoch)
    page.click("details.code summary")
    text = page.locator("[data-test=code]").inner_text()
    found: dict[str, Any] = {}
    exec(text.replace("print(", "("), found)
    assert "epochs=3," in text and np.array_equal(found["model"].theta, run_of(studio).trained().theta)
