"""The first screen: a drawing is answered before the engine is there, and one weight is dragged along the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import a11y
from chainrule import Dense, Model, Network, ReLU, Rescale, SoftmaxCrossEntropy
from chainrule.datasets import load_mnist
from chainrule.studio.page.assets import assets
from chainrule.studio.session.studio import Studio
from static_pages import BELOW, StaticPages, built_page, static_pages
from studio_messages import unpacked
from studio_pages import PHONE, settle, studio_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
AROUND = f'<!doctype html><title>x</title><iframe src="{BELOW}/#lang=en" width="700" height="800"></iframe>'


@pytest.fixture(scope="module")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticPages]:
    folder = built_page(tmp_path_factory.mktemp("page"))
    (folder / "around.html").write_text(AROUND, "utf-8")
    with static_pages(browser, folder) as found:
        yield found


def kept() -> tuple[Model, dict[str, Any]]:
    """The network of the file, and its sample."""
    found = unpacked(assets()["front.bin"].content)
    layers = [Rescale(1 / 255), Dense(128), ReLU(), Dense(32), ReLU(), Dense(10)]
    model = Model(Network(784, layers, SoftmaxCrossEntropy()), seed=0)
    for name, values in found["model"]["arrays"].items():
        link, field = name.split(".")
        getattr(model.parameters[link], field)[...] = values
    return model, found["sample"]


def number(page: Page, name: str) -> float:
    return float(page.locator(f"[data-test={name}]").get_attribute("data-value") or "nan")


def stroke(page: Page) -> None:
    """A 1, which takes the place of the digit on the pad."""
    page.evaluate("scrollTo(0, 0)")
    pad = page.locator("[data-test=pad]").bounding_box()
    assert pad is not None
    page.mouse.move(pad["x"] + 0.5 * pad["width"], pad["y"] + 0.15 * pad["height"])
    page.mouse.down()
    page.mouse.move(pad["x"] + 0.5 * pad["width"], pad["y"] + 0.85 * pad["height"], steps=8)
    page.mouse.up()


def answered(page: Page) -> str | None:
    return page.locator("[data-test=prediction]").get_attribute("data-value")


def test_the_network_of_the_file_reads_mnist_and_misreads_its_digit():
    model, sample = kept()
    test = load_mnist()[1]
    assert len(assets()["front.bin"].content) < 220_000
    assert (model.predict_proba(test.X).argmax(1) == test.y).mean() > 0.975
    shares = model.predict_proba(sample["x"][None].astype(np.float32))[0]
    assert shares.argsort()[:-3:-1].tolist() == [9, 4] and sample["y"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(("lang", "theme"), [("en", "light"), ("zh", "dark")])
def test_its_numbers_are_the_librarys_and_everything_is_in_sight_on_a_phone(pages, lang, theme):
    model, sample = kept()
    context = pages.browser.new_context(**(PHONE | {"reduced_motion": "reduce"}))
    try:
        page = context.new_page()
        page.goto(f"{pages.origin}/{BELOW}/#lang={lang}&theme={theme}")
        page.wait_for_selector(".screen[data-ready=true]")
        assert answered(page) == "9"
        name = page.locator(".screen").get_attribute("data-weight")
        trace = model.trace(sample["x"].astype(np.float32), sample["y"])
        expected = trace.derive(name).value
        assert number(page, "gradient") == pytest.approx(expected, rel=1e-4)
        assert number(page, "difference") == pytest.approx(expected, rel=1e-4)
        factors = [number(page, factor) for factor in ("came", "slope", "error")]
        assert np.prod(factors) == pytest.approx(expected, rel=1e-4)
        assert page.evaluate("[scrollY, document.documentElement.scrollWidth]") == [0, 390]
        for place in ("[data-test=weight]", "[data-go=backprop]", "[data-go=train]"):
            box = page.locator(f"main {place}").bounding_box()
            assert box is not None and box["y"] + box["height"] <= 844, place
        tag = {"en": "en", "zh": "zh-Hant-TW"}[lang]
        assert a11y.faults(page, tag) + a11y.axe_faults(page) + a11y.touch_faults(page) == []
    finally:
        context.close()


@pytest.mark.slow
def test_a_stroke_is_answered_a_weight_dragged_and_the_door_leads_on_with_both(pages):
    context = pages.browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(f"{pages.origin}/{BELOW}/#lang=en")
        page.wait_for_selector(".screen[data-ready=true]")
        page.wait_for_function(
            "() => window.chainrule.store.get('data') && window.chainrule.store.get('model')"
        )
        page.evaluate("window.chainrule.idle()")
        assert a11y.keyboard_faults(page) == []
        lent = page.locator(".screen").get_attribute("data-weight")
        stroke(page)
        page.wait_for_function("() => document.querySelector('[data-test=prediction]').dataset.value === '1'")
        page.wait_for_function(
            "(lent) => document.querySelector('.screen').dataset.weight !== lent", arg=lent
        )
        # The weight turns the answer to the runner-up; its derivative follows, by both ways.
        (target,) = page.locator(".front-bar[aria-pressed=true]").evaluate_all(
            "all => all.map((one) => one.dataset.digit)"
        )
        begun, rail = number(page, "value"), page.locator("[data-test=weight]")
        rail.focus()
        page.keyboard.press("End")
        assert answered(page) == target != "1" and number(page, "value") > begun
        assert abs(number(page, "gradient")) < 0.5
        assert number(page, "difference") == pytest.approx(number(page, "gradient"), abs=1e-6)
        page.keyboard.press("Home")
        assert answered(page) == "1"
        page.locator(".front-bar[data-digit='3']").click()
        assert page.locator(".front-bar[aria-pressed=true]").get_attribute("data-digit") == "3"
        weight = page.locator(".screen").get_attribute("data-weight")
        # The same network, drawing and weight on the screen behind the door; it is not trained over.
        page.locator("main [data-go=backprop]").click()
        page.locator("[data-test=relative]").wait_for()
        assert page.locator("section.weight").get_attribute("data-shown") == weight
        page.evaluate("window.chainrule.idle()")
        assert page.evaluate("window.chainrule.store.get('model').arrays['dense_1.W'].length") == 784 * 128
        assert (
            page.evaluate("window.chainrule.store.call('train.state').then(({ state }) => state)") == "none"
        )
        assert page.evaluate("[scrollY, document.activeElement.tagName]") == [0, "H1"]
        # Another network learns where it is watched, and the first screen keeps its own.
        page.locator("nav [data-screen=play]").click()
        page.locator(".screen[data-state=done]").wait_for()
        page.locator("[data-test=home]").click()
        page.wait_for_selector(".screen[data-screen=front][data-ready=true]")
    finally:
        context.close()


@pytest.mark.slow
def test_within_another_page_it_asks_for_nothing_more_and_its_doors_lead_out(pages):
    context = pages.browser.new_context(viewport={"width": 1000, "height": 900})
    try:
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{pages.origin}/around.html")
        frame = page.frame_locator("iframe")
        frame.locator(".screen[data-ready=true]").wait_for()
        page.wait_for_timeout(300)
        assert not [url for url in asked if "worker" in url or "data/" in url]
        frame.locator("main [data-go=train]").click()
        page.wait_for_url("**/#*screen=train*")
        assert BELOW in page.url
    finally:
        context.close()


@pytest.mark.slow
def test_it_is_the_served_studios_first_screen(browser: Browser):
    studio = Studio(kept()[0], name="mnist")
    studio.first_screen = "front"
    with studio_pages(browser, studio) as pages:
        page, faults = pages.watched(pages.context(PHONE | {"reduced_motion": "reduce"}), "")
        page.goto(f"{pages.origin}/#lang=en")
        settle(page)
        page.wait_for_selector(".screen[data-screen=front][data-ready=true]")
        assert answered(page) == "9" and page.locator("nav [data-screen]").count() == 10
        page.locator("main [data-go=backprop]").click()
        page.locator("[data-test=relative]").wait_for()
        settle(page)
        assert "4" in page.locator("[data-test=question]").inner_text()
        assert not faults, "\n".join(faults)
