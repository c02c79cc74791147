"""The laboratory's screens in a browser: the arms move while they train, and a sentence says what they came to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule.studio.session.studio import Studio
from studio_pages import Pages, settle, studio_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
ENDED = "[data-test=ending]:not(:empty)"
SHORT: dict[str, dict[str, Any]] = {
    "vanishing": {
        "vanishing.arms": json.dumps(
            ["sigmoid", "relu", "relu_batch_norm", "sigmoid_skip", "sigmoid_residual"]
        ),
        "vanishing.depth": 6,
        "vanishing.budget": 0.1,
    },
    "without_backprop": {
        "without_backprop.arms": json.dumps(["spsa", "feedback_alignment"]),
        "without_backprop.passes": 200,
    },
}


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="module")
def pages(browser: Browser, studio: Studio) -> Iterator[Pages]:
    with studio_pages(browser, studio) as pages:
        yield pages


def run_of(studio: Studio, name: str) -> Any:
    return studio.runs[name]


@pytest.fixture(autouse=True)
def fresh(studio: Studio) -> None:
    """No run from the test before: a page that opens would show it."""
    for run in studio.runs.values():
        run.stop(wait=5)
    studio.runs.clear()


def begin(page: Page) -> None:
    page.click("[data-test=start]")
    page.wait_for_selector("[data-test=start][data-running=true], " + ENDED)


def fits_a_narrow_desk(page: Page) -> None:
    """At 1280 pixels nothing runs out of the menu's selected item, of a table or of a card."""
    page.set_viewport_size({"width": 1280, "height": 800})
    settle(page)
    outside = page.evaluate("""() => {
      const right = (node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return range.getBoundingClientRect().right;
      };
      const boxes = document.querySelectorAll('.screens [aria-current], .lab-table, [data-net]');
      return [...boxes].filter((one) => right(one) > one.getBoundingClientRect().right).map((one) => one.className);
    }""")
    assert outside == []


def numbers(page: Page, selector: str) -> list[float]:
    return page.locator(selector).evaluate_all("(all) => all.map((one) => Number(one.dataset.value))")


@pytest.mark.slow
def test_the_gradients_of_the_nets_move_and_end_as_measured(pages: Pages, studio: Studio):
    with pages.open("vanishing", state=SHORT["vanishing"]) as page:
        assert page.locator("[data-net]").count() == 0  # with motion off it waits to be started
        begin(page)
        page.wait_for_selector('[data-net="sigmoid_residual"]')
        seen = {tuple(numbers(page, '[data-net="relu"] [data-layer]'))}
        page.wait_for_selector(ENDED, timeout=60_000)
        settle(page)
        run = run_of(studio, "vanishing")
        for name, arm in run.arms.items():
            shown = numbers(page, f'[data-net="{name}"] [data-layer]')
            assert shown == pytest.approx(arm.profile, rel=1e-5) and len(shown) == 7
            assert numbers(page, f"[data-test=loss-{name}]") == pytest.approx([arm.rows[-1][3]], rel=1e-5)
            heights = page.locator(f'[data-net="{name}"] [data-layer] i').evaluate_all(
                "(all) => all.map((one) => parseFloat(one.style.height))"
            )
            expected = [100 * min(1, max(0, (np.log10(ratio) + 14) / 16)) for ratio in arm.profile]
            assert heights == pytest.approx(expected, abs=0.1)
        seen.add(tuple(numbers(page, '[data-net="relu"] [data-layer]')))
        assert len(seen) == 2, "the bars moved"
        assert page.locator("[data-test=ending]").inner_text() == run.ending["sentence"]
        assert "lost" in (page.locator("[data-test=first-sigmoid]").get_attribute("class") or "")
        said = page.locator("[data-test=high] p").all_inner_texts()
        peaks = {name: arm.peak["loss"] for name, arm in run.arms.items() if arm.peak}
        assert len(said) == len(peaks) > 0
        for text, loss in zip(said, peaks.values(), strict=True):
            assert f"{float(f'{loss:.3g}'):g}" in text and "guessing, 2.30" in text
        fits_a_narrow_desk(page)
        tops = page.locator(".vanishing-net").evaluate_all("(all) => all.map((one) => one.offsetTop)")
        assert len(tops) == 5 and len(set(tops)) == 1, "five cards stand in one row"


@pytest.mark.slow
def test_the_methods_are_compared_by_steps_passes_and_seconds(pages: Pages, studio: Studio):
    with pages.open("without_backprop", state=SHORT["without_backprop"]) as page:
        assert page.locator('[data-arm="backpropagation"]').is_disabled()
        page.click('[data-arm="cma_es"]')
        begin(page)
        page.wait_for_selector('[data-method="cma_es"]')
        page.wait_for_selector(ENDED, timeout=60_000)
        settle(page)
        run = run_of(studio, "without_backprop")
        assert list(run.arms) == ["backpropagation", "spsa", "cma_es", "feedback_alignment"]
        for name, arm in run.arms.items():
            for i, column in enumerate(("step", "passes", "seconds", "loss")):
                shown = numbers(page, f'[data-method="{name}"] [data-column="{column}"]')
                assert shown == pytest.approx([arm.rows[-1][i]], rel=1e-5)
        assert page.locator("[data-test=ending]").inner_text() == run.ending["sentence"]
        drawn = set()
        for key in ("step", "passes", "seconds"):
            page.click(f'[role=tab][data-key="{key}"]')
            settle(page)
            drawn.add(page.evaluate("() => document.querySelector('canvas.chart').toDataURL()"))
        assert len(drawn) == 3
        assert "without_backprop.axis=seconds" in page.evaluate("location.hash")
        fits_a_narrow_desk(page)


@pytest.mark.parametrize("name", SHORT)
def test_a_run_stops_when_asked(pages: Pages, studio: Studio, name: str):
    long = {"vanishing": {"vanishing.budget": 1}, "without_backprop": {"without_backprop.passes": 12000}}
    with pages.open(name, state=long[name]) as page:
        begin(page)
        page.wait_for_selector("[data-test=start][data-running=true]")
        page.wait_for_selector("[data-net], [data-method]")
        page.keyboard.press("Tab")
        page.focus("[data-test=start]")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-test=start][data-running=false]")
        for thread in run_of(studio, name).threads:
            thread.join(20)
            assert not thread.is_alive()
        assert page.locator("[data-test=ending]").inner_text() == ""


@pytest.mark.slow
def test_it_is_alive_on_arrival_and_a_page_that_comes_later_sees_the_same_run(pages: Pages, studio: Studio):
    with pages.open("vanishing", motion=True, state=SHORT["vanishing"]) as page:
        page.wait_for_selector(ENDED, timeout=60_000)
        run = run_of(studio, "vanishing")
        page.click('.switch [data-lang="zh"]')
        page.wait_for_selector(ENDED)
        assert run_of(studio, "vanishing") is run
        said = page.locator("[data-test=ending]").inner_text()
        assert "6 個隱藏層" in said and f"4 種解法中有 {run.ending['restored']} 種" in said


@pytest.mark.parametrize(
    ("name", "language", "theme"),
    [
        pytest.param("without_backprop", "zh", "light", marks=pytest.mark.slow),
        pytest.param("vanishing", "en", "dark", marks=pytest.mark.slow),
        pytest.param("vanishing", "zh", "light", marks=pytest.mark.slow),
        pytest.param("without_backprop", "en", "dark", marks=pytest.mark.slow),
    ],
)
def test_both_languages_on_a_phone_fit_its_width(pages: Pages, name: str, language: str, theme: str):
    with pages.open(name, lang=language, theme=theme, phone=True, state=SHORT[name]) as page:
        begin(page)
        page.wait_for_selector(ENDED, timeout=60_000)
        settle(page)
        text = page.locator("main").inner_text()
        assert not re.search(rf"\b{name}\.|\bword\.", text)
        assert bool(re.search("[\u3400-\u9fff]", page.locator("[data-test=ending]").inner_text())) == (
            language == "zh"
        )
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        right = page.locator("[data-column=loss], [data-column=accuracy]").evaluate_all(
            "(all) => all.map((one) => one.getBoundingClientRect().right)"
        )
        assert len(right) == (6 if name == "without_backprop" else 0)  # of three methods
        assert all(0 < x < 380 for x in right)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vanishing", "without_backprop"])
def test_a_tour_shows_the_run_that_is_there_and_leaves_it(pages: Pages, studio: Studio, name: str):
    with pages.open(name, state=SHORT[name]) as page:
        begin(page)
        page.wait_for_selector(ENDED, timeout=60_000)
        settle(page)
        run, address, before = run_of(studio, name), page.url, page.locator("main").inner_text()
        tabs = "(all) => all.filter((one) => one.ariaSelected === 'true').map((one) => one.dataset.key)"
        page.click("[data-test=tour-start]")
        tour = page.locator("[data-test=tour]")
        chosen: set[str] = set()
        sizes: set[str] = set()
        for k in range(tour.locator(".tour-dots i").count()):
            assert tour.get_attribute("data-step") == str(k)
            page.wait_for_selector("[data-test=tour][data-found=true]")
            settle(page)
            chosen.update(page.locator("main [role=tab]").evaluate_all(tabs))
            sizes.add(
                page.locator(".tour-hole").evaluate("(one) => `${one.style.width} ${one.style.height}`")
            )
            page.keyboard.press("ArrowRight")
        assert len(sizes) >= 8, "the steps are about parts of the run"
        assert chosen == ({"step", "passes", "seconds"} if name == "without_backprop" else set())
        page.keyboard.press("Escape")
        settle(page)
        assert page.locator("main").inner_text() == before and page.url == address
        assert run_of(studio, name) is run


@pytest.mark.parametrize("name", SHORT)
def test_a_wrong_address_is_answered_with_a_sentence(pages: Pages, name: str):
    with pages.open(name, state={f"{name}.depth": 99}) as page:
        page.click("[data-test=start]")
        page.wait_for_selector("[data-test=lab-error]:not([hidden])")
        assert "depth must be from 1" in page.locator("[data-test=lab-error]").inner_text()
