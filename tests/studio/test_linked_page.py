"""The studio linked into one module is the studio that its modules are: without a host, and asking for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chainrule.studio.page.assets import assets, modules, texts
from chainrule.studio.page.linker import link

pytestmark = pytest.mark.browser

MOUNT = """
  const host = { kind: 'offline', call: async () => { throw new Error('offline'); }, can: () => false };
  window.studio = mount(document.getElementById('app'), host);
  window.shown = true;
"""
LINKED = """
  const url = URL.createObjectURL(new Blob([SCRIPT], { type: 'text/javascript' }));
  const { mount } = (await import(url)).default;
"""


def opened(page: Any, script: str, served: bool) -> list[str]:
    """What the glossary shows, in English and in Chinese, when a page runs `script`; and what the page asked for."""
    asked: list[str] = []
    body = (
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><div id="app"></div>'
        f'<script type="module">{script}{MOUNT}</script>'
    )

    def serve(route: Any) -> None:
        path = route.request.url.partition("127.0.0.1/")[2].partition("#")[0]
        asked.append(path)
        asset = assets().get(path) if served else None
        content, kind = (asset.content, asset.type) if asset else (body, "text/html; charset=utf-8")
        route.fulfill(body=content, content_type=kind)

    page.unroute_all()
    page.route("http://127.0.0.1/**", serve)
    page.goto("about:blank")  # another address by its fragment alone would load nothing
    page.goto("http://127.0.0.1/#screen=glossary&lang=en&theme=light")
    page.wait_for_function("window.shown")
    seen = [page.inner_text("#app")]
    page.evaluate("studio.store.set({ lang: 'zh' })")
    page.wait_for_function("document.documentElement.lang === 'zh-Hant-TW'")
    seen.append(page.inner_text("#app"))
    assert (len(asked) > 1) == served
    return seen


def test_one_module_shows_what_the_modules_show(browser_page):
    script = link("shell.js", modules(), default=("mount",))
    unlinked = opened(browser_page, "import { mount } from '/shell.js';", served=True)
    linked = opened(browser_page, LINKED.replace("SCRIPT", json.dumps(script)), served=False)
    assert linked == unlinked
    for shown, language in zip(unlinked, ("en", "zh"), strict=True):
        assert texts()["glossary.about.chain_rule"][language] in shown
