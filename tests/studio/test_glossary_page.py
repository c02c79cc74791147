"""The studio's glossary: every term in both languages, in the reader's order, and a search over all of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chainrule.studio.page.assets import assets, texts

pytestmark = pytest.mark.browser

TERMS = {
    key.removeprefix("glossary.term."): text
    for key, text in texts().items()
    if key.startswith("glossary.term.")
}
ABOUTS = {key: texts()[f"glossary.about.{key}"] for key in TERMS}
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css">
<div class="chainrule"><div class="screen" data-screen="glossary" id="root"></div></div>
<script type="module">
  import { createStore } from '/store.js';
  import { glossary, url } from '/screens/glossary.js';
  const store = createStore({ lang: new URLSearchParams(location.search).get('lang'), theme: 'light' }, {});
  window.stop = glossary(document.getElementById('root'), store);
  Object.assign(window, { store, url });
</script>"""


def shown(page: Any) -> list[str]:
    return page.locator("[data-term]").evaluate_all("(all) => all.map((one) => one.dataset.term)")


def opened(page: Any, language: str) -> Any:
    """The screen alone, from the assets, on a page that is made up."""

    def serve(route: Any) -> None:
        path = route.request.url.partition("127.0.0.1/")[2].partition("?")[0]
        asset = assets().get(path)
        content, kind = (asset.content, asset.type) if asset else (PAGE, "text/html; charset=utf-8")
        route.fulfill(body=content, content_type=kind)

    page.route("http://127.0.0.1/**", serve)
    page.goto(f"http://127.0.0.1/?lang={language}")
    page.wait_for_selector("[data-term]")
    return page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_term_is_shown_in_both_languages(browser_page, language):
    page = opened(browser_page, language)
    assert sorted(shown(page)) == sorted(TERMS)
    card = page.locator("[data-term=chain_rule]")
    own, other = card.locator("h2 span").all_inner_texts()
    languages = [language, "zh" if language == "en" else "en"]
    assert [own, other] == [TERMS["chain_rule"][one] for one in languages]
    assert card.locator("p").all_inner_texts() == [ABOUTS["chain_rule"][one] for one in languages]
    tags = {"en": "en", "zh": "zh-Hant-TW"}
    assert (
        card.locator("[lang]").evaluate_all("(all) => all.map((one) => one.lang)")
        == [tags[one] for one in languages] * 2
    )
    assert page.locator("[data-test=terms-count]").inner_text().startswith(str(len(TERMS)))


def test_terms_are_in_alphabetical_order(browser_page):
    names = [TERMS[key]["en"].lower() for key in shown(opened(browser_page, "en"))]
    assert [re.sub(r"[^a-z0-9]", "", name) for name in names] == sorted(
        re.sub(r"[^a-z0-9]", "", name) for name in names
    )


def test_search_finds_in_both_languages(browser_page):
    page = opened(browser_page, "en")
    box = page.get_by_role("searchbox")
    for words in ("連鎖律", "chain RULE ", "鏈鎖法則"):
        box.fill(words)
        page.wait_for_function("document.querySelectorAll('[data-term]').length < 10")
        found = shown(page)
        low = words.strip().lower()
        has = [
            key
            for key in TERMS
            if any(low in text.lower() for text in (*TERMS[key].values(), *ABOUTS[key].values()))
        ]
        assert sorted(found) == sorted(has) and "chain_rule" in found
        marks = page.locator("[data-term=chain_rule] mark").all_inner_texts()
        assert marks and {mark.lower() for mark in marks} == {low}
    assert found[0] == "chain_rule"  # where a name has the words comes first
    assert page.evaluate("[store.get('glossary.search'), url]") == ["鏈鎖法則", ["glossary.search"]]
    box.fill("qqq")
    page.wait_for_function("!document.querySelector('[data-term]')")
    assert page.locator("[data-test=terms-count]").inner_text() == texts()["glossary.nothing"]["en"]
    box.fill("")
    page.wait_for_function("document.querySelectorAll('[data-term]').length > 10")
    assert len(shown(page)) == len(TERMS)


def test_a_search_that_the_address_has_is_shown(browser_page):
    page = opened(browser_page, "zh")
    page.evaluate("store.set({ 'glossary.search': 1 })")  # a number, as an address may have it
    page.wait_for_function("document.querySelectorAll('[data-term]').length < 40")
    assert page.get_by_role("searchbox").input_value() == "1"
    page.evaluate("stop(); store.set({ 'glossary.search': '' })")
    page.evaluate("store.settled()")
    assert len(shown(page)) < 40  # a screen that was left does nothing


def test_nothing_scrolls_sideways_on_a_phone(phone_page):
    opened(phone_page, "zh")
    assert phone_page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
