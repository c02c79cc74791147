"""Every experiment's page, at a small budget, in headless Chromium: drawn, quiet, and without the network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chainrule import lab
from chainrule.lab import vanishing
from rendered import DRAWN, check

pytestmark = pytest.mark.browser


def first(name: str) -> list[object]:
    """All experiments, of which `make test` takes one."""
    assert name in lab.LABS
    return [pytest.param(each, marks=() if each == name else pytest.mark.slow) for each in lab.LABS]


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """An experiment's report and its page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vanishing.vanishing.__kwdefaults__, "depths", (2, 6))
        patch.setattr(vanishing, "RATES", (0.1,))
        report = lab.run(request.param, repeats=1, budget=0.02)
    path = tmp_path_factory.mktemp("lab") / f"{request.param}.html"
    report.write(path)
    return report, path


@pytest.fixture
def page(made, page_file):
    return Path(shutil.copyfile(made[1], page_file))


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [pytest.param(name, marks=() if name == "features" else pytest.mark.slow) for name in lab.LABS],
    indirect=True,
)
def test_the_page_of_every_experiment(browser_page, made, page):
    report, _ = made
    said, asked = [], []
    browser_page.on("console", lambda message: said.append(message.text))
    browser_page.on("pageerror", lambda error: said.append(str(error)))
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.goto(page.as_uri())
    browser_page.wait_for_function(DRAWN)
    assert said == [] and [url for url in asked if not url.startswith("data:")] == [page.as_uri()]

    text = browser_page.locator("body").inner_text()
    for words in (
        report.title,
        report.question,
        report.answer,
        report.finding,
        report.held_fixed,
        report.limits,
    ):
        assert " ".join(words.split()) in " ".join(text.split())
    assert browser_page.locator(".figure").count() == len(report.figures) >= 1
    assert browser_page.locator(".figure .gtitle").all_text_contents() == [
        figure.layout.title.text for figure in report.figures
    ]
    names = browser_page.evaluate("[...document.querySelectorAll('.figure')].map(f => f.dataset.spec)")
    assert len(set(names)) == len(names)
    assert browser_page.locator("tbody tr").count() >= sum(len(table.rows) for table in report.tables)


@pytest.mark.slow
@pytest.mark.parametrize("made", first("features"), indirect=True)
def test_the_page_of_every_experiment_can_be_read_on_a_phone(phone_page, page):
    phone_page.goto(page.as_uri())
    check(phone_page)
    phone_page.locator("#theme").click()
    assert phone_page.evaluate("document.documentElement.dataset.theme") == "dark"
    check(phone_page)


@pytest.mark.parametrize("made", first("features"), indirect=True)
def test_the_page_of_every_experiment_can_be_read_on_a_wide_screen_and_in_the_dark(browser_page, page):
    browser_page.set_viewport_size({"width": 1200, "height": 800})
    browser_page.emulate_media(color_scheme="dark")
    browser_page.goto(page.as_uri())
    check(browser_page)
    words = browser_page.locator("main").inner_text() + "".join(
        browser_page.locator(".annotation-text").all_text_contents()
    )
    assert "darker" not in words  # which would be false in one of the two themes
