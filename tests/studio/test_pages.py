"""The studio's page as a whole, and that the pages of the tests see what goes wrong in them."""

from __future__ import annotations

import pytest

from chainrule import Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.studio.session.studio import Studio
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(browser):
    model = Model(Network(4, [Dense(3), ReLU(), Dense(2)], SoftmaxCrossEntropy()), seed=0)
    with studio_pages(browser, Studio(model, name="small")) as pages:
        yield pages


def test_a_page_has_the_model(pages: Pages):
    with pages.open() as page:
        assert "small" in page.locator("[data-test=model-line]").inner_text()
        assert page.evaluate("window.chainrule.store.get('network').links.length") == 3


def test_a_page_opens_in_the_language_and_the_theme_of_its_address(pages: Pages):
    with pages.open(lang="zh", theme="dark", phone=True) as page:
        assert page.evaluate("document.documentElement.lang") == "zh-Hant-TW"
        assert page.locator(".chainrule").get_attribute("data-theme") == "dark"
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_screen_at_hand_is_in_sight_and_what_has_the_focus_keeps_it(pages: Pages):
    with pages.open("glossary", lang="zh", phone=True) as page:
        chosen = page.locator(".screens [aria-current]")
        box = chosen.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        chosen.focus()
        page.evaluate("() => { window.button = document.activeElement; }")
        set_model = "(more) => chainrule.store.set({ model: { ...chainrule.store.get('model'), ...more } })"
        for more, is_same in (
            ({}, True),
            ({"name": "other"}, False),
        ):  # new numbers, as while it trains; a new model
            page.evaluate(set_model, more)
            settle(page)
            assert page.evaluate("document.activeElement.dataset.screen") == "glossary"
            assert page.evaluate("document.activeElement === window.button") == is_same
        assert "other" in page.locator("[data-test=model-line]").inner_text()


def test_a_page_is_idle_when_the_last_answer_is_drawn(pages: Pages):
    """An answer that comes behind a frame is drawn in the next one, and changes the page there."""
    with pages.open() as page:
        assert page.evaluate(
            """async () => {
              const { store } = chainrule;
              let busy = 1, drawn = false;
              Object.defineProperty(store.host, 'busy', { get: () => busy });
              const idle = chainrule.idle();
              await store.settled();
              requestAnimationFrame(() => { busy = 0; requestAnimationFrame(() => { drawn = true; }); });
              await idle;
              return drawn;
            }"""
        )


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("console.error('a complaint')", "a complaint"),
        ("setTimeout(() => { throw new Error('thrown'); })", "thrown"),
        ("fetch('/missing').then(() => {})", "404"),
        ("fetch('http://127.0.0.2:9/').catch(() => {})", "127.0.0.2"),
        ("try { document.body.innerHTML = '<b>'; } catch {}", "policy"),
        ("document.body.setAttribute('style', 'color: red')", "policy"),
        ("new WebSocket('ws://127.0.0.2:9/')", "127.0.0.2"),
    ],
)
def test_what_goes_wrong_fails_the_test(pages: Pages, script: str, says: str):
    with pytest.raises(AssertionError, match=says), pages.open() as page:
        page.evaluate(f"async () => {{ {script}; await new Promise((resolve) => setTimeout(resolve, 50)); }}")
        settle(page)
