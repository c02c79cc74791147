"""The tours of the screens: every step finds what it is about, and leaving gives the screen back as it was."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chainrule.studio.page.assets import modules, texts
from small_studios import noise
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser

SCREENS = sorted(re.findall(r"^  (\w+): \[$", modules()["tours.js"], re.MULTILINE))
QUICK = (("backprop", "desk"), ("draw", "phone"), ("train", "desk"))
FORMS = [
    pytest.param(
        *(screen, phone),
        id=f"{screen}-{size}",
        marks=() if (screen, size) in QUICK else pytest.mark.slow,
    )
    for screen in SCREENS
    for phone, size in enumerate(("desk", "phone"))
]
"""Each screen at a desk and on a phone."""
FOUND = "[data-test=tour][data-found=true]"
# How much of what a step is about is seen, of what could be, and how far the card is from each side of the window.
PLACES = """() => {
  const rect = (selector) => document.querySelector(selector).getBoundingClientRect();
  const hole = rect('.tour-hole'), card = rect('.tour-card');
  const bottom = document.querySelector('.tour').classList.contains('narrow') ? card.top : innerHeight;
  const sides = [card.top, innerHeight - card.bottom, card.left, innerWidth - card.right];
  const seen = (Math.min(hole.bottom, bottom) - Math.max(hole.top, 0)) / Math.min(hole.height, bottom / 2);
  return [seen, Math.min(...sides)];
}"""


@pytest.fixture(scope="module")
def pages(browser):
    with studio_pages(browser, noise()) as pages:
        yield pages


def begin(page: Any) -> Any:
    page.click("[data-test=tour-start]")
    return page.locator("[data-test=tour]")


def said(page: Any) -> str:
    return page.locator("[data-test=tour-says] .tour-text").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize(("screen", "phone"), FORMS)
def test_every_step_finds_what_it_is_about(pages: Pages, screen: str, phone: bool):
    with pages.open(screen, phone=phone, lang="zh" if phone else "en") as page:
        tour = begin(page)
        count = tour.locator(".tour-dots i").count()
        assert 8 <= count <= 12
        spoken = []
        for k in range(count):
            assert tour.get_attribute("data-step") == str(k)
            page.wait_for_selector(FOUND)
            settle(page)
            spoken.append(said(page))
            seen, inside = page.evaluate(PLACES)
            assert seen > 0.95, "what the step is about is out of sight"
            assert inside >= -1, "the card is out of sight"
            page.keyboard.press("ArrowRight" if k % 2 else "Enter")
        assert len(set(spoken)) == count
        keys = [key for key in texts() if key.startswith(f"tour.{screen}.")]
        language = "zh" if phone else "en"
        assert set(spoken) == {texts()[key][language] for key in keys}
        if count % 2 == 0:  # the last key was an arrow, and arrows do not leave
            page.keyboard.press("Enter")
        assert tour.count() == 0


def test_keys_and_buttons(pages: Pages):
    with pages.open("glossary") as page:
        tour = begin(page)
        at = lambda: int(tour.get_attribute("data-step") or -1)  # noqa: E731
        page.keyboard.press("ArrowLeft")
        assert at() == 0 and page.locator("[data-test=tour-back]").is_disabled()
        page.keyboard.press("ArrowRight")
        page.click("[data-test=tour-next]")
        assert at() == 2
        page.keyboard.press("ArrowLeft")
        page.click("[data-test=tour-back]")
        assert at() == 0
        assert page.evaluate("document.activeElement.dataset.test") == "tour-next"  # where Back was disabled
        says = page.locator("[data-test=tour-says]")
        assert (says.get_attribute("aria-live"), says.get_attribute("aria-atomic")) == ("polite", "true")
        assert says.inner_text().startswith("Step 1 of ")


@pytest.mark.parametrize("way", ["Escape", "button"])
def test_leaving_gives_everything_back(pages: Pages, way: str):
    with pages.open("glossary", state={"glossary.search": "bias"}) as page:
        tour = begin(page)
        inert = page.evaluate("[...document.querySelector('.chainrule').children].map((one) => one.inert)")
        assert len(inert) > 2 and inert == [True] * (len(inert) - 1) + [False]  # all but the tour itself
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        settle(page)
        assert page.evaluate("window.chainrule.store.get('glossary.search')") == "chain rule"
        page.keyboard.press("Escape") if way == "Escape" else page.click("[data-test=tour-leave]")
        settle(page)
        assert tour.count() == 0
        assert page.evaluate("window.chainrule.store.get('glossary.search')") == "bias"
        assert page.evaluate("document.activeElement.dataset.test") == "tour-start"
        assert page.evaluate("document.querySelectorAll('[inert]').length") == 0


def test_a_step_back_shows_what_it_showed(pages: Pages):
    with pages.open("glossary") as page:
        begin(page)
        search = "window.chainrule.store.get('glossary.search') || ''"
        for key, expected in (("ArrowRight", ""), ("ArrowRight", "chain rule"), ("ArrowLeft", "")):
            page.keyboard.press(key)
            settle(page)
            assert page.evaluate(search) == expected


def test_the_focus_stays_in_the_card(pages: Pages):
    with pages.open("glossary") as page:
        begin(page)
        page.keyboard.press("ArrowRight")
        stops = []
        for _ in range(4):
            page.keyboard.press("Tab")
            stops.append(page.evaluate("document.activeElement.dataset.test"))
        assert stops == ["tour-leave", "tour-back", "tour-next", "tour-leave"]
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.dataset.test") == "tour-next"
        page.mouse.click(300, 860)  # beside the card
        assert page.evaluate("document.activeElement.dataset.test") == "tour-next"


def test_it_ends_with_its_screen_and_follows_the_language(pages: Pages):
    with pages.open("glossary") as page:
        tour = begin(page)
        page.evaluate("window.chainrule.store.set({ lang: 'zh' })")
        settle(page)
        assert said(page) == texts()["tour.glossary.all"]["zh"]
        page.evaluate("window.chainrule.store.set({ screen: 'draw' })")
        settle(page)
        assert tour.count() == 0


@pytest.mark.parametrize("motion", [False, True])
def test_nothing_glides_for_who_wants_no_motion(pages: Pages, motion: bool):
    with pages.open("glossary", motion=motion) as page:
        begin(page)
        page.wait_for_selector(FOUND)
        seconds = page.evaluate("getComputedStyle(document.querySelector('.tour-hole')).transitionDuration")
        assert (seconds != "0s") == motion


def test_texts_and_steps_belong_together():
    """Each text of a tour is of a screen that has one."""
    owners = {key.split(".")[1] for key in texts() if key.count(".") == 2 and key.startswith("tour.")}
    assert owners == set(SCREENS)
