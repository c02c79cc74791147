"""The site: `make site` finds what is wrong with it, and the built site opens in a browser without a fault.

The tests in the browser read docs/_build/html, and are skipped where `make site` has not written it; with the variable
SITE in the environment, as in continuous integration, they read that folder, and fail without it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

import a11y

DOCS = Path(__file__).parents[2] / "docs"
BUILT = Path(os.environ.get("SITE") or DOCS / "_build" / "html").resolve()
PAGE = """<!doctype html><html lang="en"><head><title>A page</title><meta name="description" content="Of the tests.">
<link rel="canonical" href="https://example.org/"></head><body>{}</body></html>"""


@cache
def checks() -> ModuleType:
    return module_of(DOCS / "check_site.py")


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the checks


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            '<a href="https://example.org/">out</a> <a href="other.html#there">in</a> <a href="#here" id="here">',
            "",
        ),
        ('<a href="pages/app.html#state=1">a program</a> <img src="data:image/png;base64,AA">', ""),
        ('<a href="gone.html">', "index.html leads to gone.html, which is not there"),
        ('<a href="../../">', "index.html leads to ../../, which is not there"),
        ('<a href="other.html#gone">', "index.html leads to other.html#gone, where that place is not"),
        ('<img src="gone.png">', "index.html leads to gone.png, which is not there"),
        (
            '<img src="other.html" srcset="other.html 1x, gone.png 2x">',
            "index.html leads to gone.png, which is not there",
        ),
        (
            '<script src="https://example.org/a.js">',
            "index.html loads https://example.org/a.js from another host",
        ),
        ('<script src="//example.org/a.js">', "index.html loads //example.org/a.js from another host"),
        (
            '<link rel="stylesheet" href="https://example.org/a.css">',
            "index.html loads https://example.org/a.css from another host",
        ),
        (
            "<p style=\"background: url('https://example.org/a.png')\">",
            "index.html loads https://example.org/a.png from another host",
        ),
        ('<iframe src="http://example.org/">', "index.html loads http://example.org/ from another host"),
    ],
)
def test_a_wrong_link_is_found(tmp_path: Path, body: str, fault: str):
    written = {"index.html": body, "other.html": '<p id="there">', "pages/app.html": ""}
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(PAGE.format(text))
    pages = {path: checks().Page(path.read_text()) for path in tmp_path.rglob("*.html")}
    index = tmp_path / "index.html"
    found = [
        line for link in pages[index].links for line in checks().link_faults(tmp_path, index, link, pages)
    ]
    assert found == [fault] * bool(fault)


def test_a_page_without_title_description_or_language_is_found():
    assert list(checks().page_faults("a.html", checks().Page(PAGE))) == []
    without = checks().Page('<html><head><title></title><meta name="description" content=" "></head>')
    assert [line.split()[-1] for line in checks().page_faults("a.html", without)] == [
        "title",
        "description",
        "language",
    ]


def test_a_name_that_search_does_not_know_is_found(tmp_path: Path):
    names = sorted(set(checks().chainrule.__all__) - checks().NOT_IN_SEARCH)
    entries = ", ".join(f'[0, 1, 1, "", "{name}"]' for name in names if name != "Dense")
    (tmp_path / "searchindex.js").write_text(f'Search.setIndex({{"objects": {{"chainrule": [{entries}]}}}})')
    assert list(checks().search_faults(tmp_path)) == ["the search does not know Dense"]


SIGNATURE = """<dl class="py class"><dt class="sig sig-object py" id="chainrule.formulas.optimizers.Adam">
<em class="property">class</em> <span class="sig-name">Adam</span>({})</dt></dl>"""


def test_a_signature_without_its_parameters_is_found():
    pytest.importorskip("sphinx", reason="the site is built by Sphinx")
    names = ("learning_rate", "beta1", "beta2", "eps", "uncorrected_eps")
    as_shown = (
        '<em class="sig-param"><span class="n"><span class="pre">{}</span></span><span>: float</span></em>'
    )
    whole = ", ".join(map(as_shown.format, names))
    assert list(checks().signature_faults("a.html", SIGNATURE.format(whole))) == []
    of_new = '<em class="sig-param"><span class="o">*</span><span class="n"><span class="pre">args</span></span></em>'
    for shown in (of_new, ""):
        (fault,) = checks().signature_faults("a.html", SIGNATURE.format(shown))
        assert fault == f"a.html shows chainrule.formulas.optimizers.Adam without {', '.join(names)}"
    (fault,) = checks().signature_faults("a.html", SIGNATURE.format(whole + "_NestedSequence[float]"))
    assert "autodoc_type_aliases" in fault


def test_a_module_of_the_reference_that_cannot_be_imported_is_found(tmp_path: Path):
    pytest.importorskip("sphinx", reason="the site is built by Sphinx")
    page = (
        "```{{eval-rst}}\n.. automodule:: chainrule.{}\n   :members:\n.. autoclass:: chainrule.{}.Name\n```\n"
    )
    (tmp_path / "a.md").write_text(page.format("errors", "core.settings") + page.format("none", "nothing"))
    found = [line.split(",")[0] for line in checks().module_faults(tmp_path)]
    assert found == [f"the reference describes chainrule.{name}" for name in ("none", "nothing")]


def test_a_page_that_the_map_has_not_is_found(tmp_path: Path):
    (tmp_path / "sitemap.xml").write_text(
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://example.org/a.html</loc></url></urlset>'
    )
    assert list(checks().map_faults(tmp_path, ["a.html", "b.html", "search.html"])) == [
        "sitemap.xml has not b.html"
    ]


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("sphinx", reason="the site is built by Sphinx")
    pytest.importorskip("latex2mathml", reason="the site's formulas are MathML")
    monkeypatch.setattr("sys.path", [*sys.path])
    return module_of(DOCS / "conf.py")


def test_parameters_of_a_docstring_flow_and_formulas_stand(conf: ModuleType):
    text = (
        "X, y: as in\n    `fit`.\nn: a count\n    of rows.\nRows keep their order.\n\nz = x W\n    x: a row\n"
    )
    lines = text.splitlines()
    conf.as_plain_text(None, "function", "f", None, None, lines)
    shown = ["| X, y: as in \\ ``fit``\\ .", "| n: a count of rows.", "| Rows keep their order.", ""]
    assert lines == [*shown, ".. code-block:: text", "", "   z = x W", "       x: a row", ""]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("(f=<function max>, g: int = <function <lambda>>)", "(f=max, g: int = ...)"),
        ("(f=<function A.<lambda>>, g=<built-in function empty>)", "(f=..., g=empty)"),
        ("(f=<factory>, g=<class 'numpy.float64'>, h='<b>')", "(f=..., g=float64, h='<b>')"),
        ("(f=<object object at 0x7f1a>, g=<a.b.C object at 0x7f1a>)", "(f=..., g=...)"),
        ("(f: TypeAliasForwardRef('ArrayLike') | None = None)", "(f: ~numpy.typing.ArrayLike | None = None)"),
        (
            "(f: ~numpy.ndarray[tuple[~typing.Any, ...], ~numpy.dtype[~numpy.float64]])",
            "(f: ~numpy.typing.NDArray[~numpy.float64])",
        ),
    ],
)
def test_a_signature_can_be_read(conf: ModuleType, given: str, shown: str):
    assert conf.readable_types(None, "function", "f", None, None, given, None) == (shown, None)


# --- what stands around a Chinese page

MENU = """<p class="caption"><span class="caption-text">Learn</span></p>
<ul class="current">
<li class="toctree-l1 has-children"><a href="../guide.html#top">Guide</a><input aria-label="Guide"></li>
<li class="toctree-l1"><a href="../api.html">Reference</a></li></ul>
<p class="caption"><span class="caption-text">繁體中文</span></p>
<ul><li class="toctree-l1 current current-page"><a href="#">說明</a></li></ul>"""


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("sphinx", reason="the site is built by Sphinx")
    pytest.importorskip("bs4", reason="the site's theme needs it")
    monkeypatch.syspath_prepend(DOCS / "extensions")
    return module_of(DOCS / "extensions" / "chinese.py")


@pytest.mark.parametrize(("page", "is_here"), [("start/guide.zh-TW", False), ("guide.zh-TW", True)])
def test_the_menu_of_a_chinese_page(chinese: ModuleType, page: str, is_here: bool):
    """Titles are Chinese, and so is a page that is translated; the part of the Chinese pages is not there twice."""
    html = MENU if not is_here else MENU.replace("../", "")
    shown = chinese.menu(html, page, {"guide"})
    guide = "#" if is_here else "../guide.zh-TW.html#top"
    assert f'<a href="{guide}">使用指南</a><input aria-label="展開或收合「使用指南」"/>' in shown
    assert 'api.html" hreflang="en">參考手冊</a>' in shown
    assert "學習" in shown and "繁體中文" not in shown and ("current-page" in shown) is is_here


def test_labels_and_texts_of_the_theme_are_chinese(chinese: ModuleType):
    button = '<button aria-label="Toggle Light / Dark / Auto color theme" title="Copy">'
    assert chinese.labels_in_chinese(button) == '<button aria-label="切換亮色、暗色或自動" title="Copy">'
    texts = chinese.Chinese()
    assert [texts.gettext(text) for text in ("Next", "Search", "unheard of")] == [
        "下一頁",
        "搜尋",
        "unheard of",
    ]


def test_what_the_theme_leaves_out_for_listeners(chinese: ModuleType):
    accessible = module_of(DOCS / "extensions" / "accessible.py").accessible
    assert 'role="heading" aria-level="2">' in accessible('<p class="caption" role="heading">')
    asides = accessible('<aside class="sidebar-drawer"></aside><aside class="toc-drawer no-toc"></aside>')
    assert 'drawer" aria-label="Pages"' in asides and 'no-toc" aria-label="On this page"' in asides
    assert 'aria-label="本頁內容"' in chinese.labels_in_chinese(asides)
    row = '<tr><th class="head"><p></p></th><th class="head"><p>loss</p></th></tr>'
    assert accessible(row) == '<tr><td class="head"></td><th class="head"><p>loss</p></th></tr>'
    assert accessible('<div id="search-results"></div>').startswith("<h1>Search</h1>")
    lines = '<dl>\n<dd><em class="sig-param">a</em>,</dd>\n<dd><em class="sig-param">b</em>,</dd>\n</dl>'
    shown = '<div><em class="sig-param">a</em>,</div>\n<div><em class="sig-param">b</em>,</div>\n'
    assert accessible(lines) == f'<div class="sig-params">{shown}</div>'


# --- the site

built = pytest.mark.skipif(
    not os.environ.get("SITE") and not (BUILT / "sitemap.xml").exists(),
    reason="`make site` has not built the site",
)
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"
UNRENDERED = r"""[...document.querySelectorAll('article *')]
  .filter(element => !element.closest('pre, code, annotation'))
  .flatMap(element => [...element.childNodes]).filter(node => node.nodeType === 3)
  .map(node => node.data).filter(text => /\\[a-z]{2,}|\$/.test(text))"""
FORMULAS = """[...document.querySelectorAll('math')].map(formula => {
  const box = formula.getBoundingClientRect();
  return [formula.textContent, box.width, box.height];
})"""


@built
@pytest.mark.browser
@pytest.mark.slow
def test_pages_fit_a_phone_and_ask_nobody(phone_page):
    """The fixture fails where a request leaves this machine, or a script does."""
    folders = ("gallery/", "moving/", "")
    pages = [path for folder in folders for path in sorted((BUILT / folder).glob("*.html"))]
    pages.append(
        BUILT / "reference" / "optimizers.html"
    )  # made as the others of reference/ are, which are long
    assert len(pages) > 35
    for path in pages:
        phone_page.goto(path.as_uri())
        assert "Chainrule" in phone_page.title()
        assert not phone_page.evaluate(SIDEWAYS), path.name


@built
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("page", ["index", "index.zh-TW"])
def test_front_page_on_a_desk(browser_page, page):
    browser_page.goto((BUILT / f"{page}.html").as_uri())
    assert not browser_page.evaluate(SIDEWAYS)
    assert browser_page.evaluate("document.documentElement.lang") == (
        "en" if page == "index" else "zh-Hant-TW"
    )
    shown = browser_page.locator("article img:visible").first
    browser_page.wait_for_function(
        "image => image.complete && image.naturalWidth > 0", arg=shown.element_handle()
    )
    assert browser_page.locator(".sidebar-tree .caption").count() == (5 if page == "index" else 4)
    has_play = browser_page.locator("iframe.front").count() == 1
    assert has_play == (BUILT / "play" / "index.html").exists()


ENGLISH = """() => [
  ...[...document.querySelectorAll('.sidebar-drawer :is(.caption, a:not(.sidebar-brand))'),
    ...document.querySelectorAll('footer .context, .toc-title, .back-to-top')].map((one) => one.textContent),
  ...[...document.querySelectorAll('body [aria-label], .headerlink')].map((one) => one.ariaLabel ?? one.title),
].filter((text) => !/\\p{Script=Han}/u.test(text))"""


@built
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("page", ["index", "start", "guide"])
def test_around_a_chinese_page_everything_is_chinese(browser_page, page):
    browser_page.goto((BUILT / f"{page}.zh-TW.html").as_uri())
    assert browser_page.evaluate(ENGLISH) == []
    assert browser_page.locator(".sidebar-tree .current-page").count() == (page != "index")
    assert browser_page.locator(".sidebar-brand").get_attribute("href") in ("#", "index.zh-TW.html")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each request."""

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    """Where a plain file server has the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=BUILT)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@built
@pytest.mark.browser
@pytest.mark.slow
def test_search_lands_on_an_object(address, browser_page):
    """The server ends after the page, which reads what it found."""
    browser_page.goto(f"{address}/search.html?q=OneCycle")
    first = browser_page.locator("ul.search li a").first
    first.wait_for()
    assert first.get_attribute("href").startswith(
        "reference/optimizers.html#chainrule.formulas.schedules.OneCycle"
    )


@built
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("page", "least"), [("notation", 30), ("tutorial", 25), ("laboratory", 1)])
def test_formulas_are_laid_out_without_a_script(browser_page, page, least):
    browser_page.goto((BUILT / f"{page}.html").as_uri())
    formulas = browser_page.evaluate(FORMULAS)
    assert len(formulas) >= least
    assert all(width > 4 and height > 4 for _, width, height in formulas)
    assert browser_page.evaluate(UNRENDERED) == []
    assert browser_page.locator("math mfrac").count() or page == "laboratory"


@built
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(
    "page", ["index", "index.zh-TW", "guide.zh-TW", "estimators", "reference/optimizers", "search"]
)
@pytest.mark.skipif(not a11y.AXE.is_file(), reason="`make lint` fetches axe where there is npm")
def test_axe_finds_no_fault(browser_page, page):
    browser_page.goto((BUILT / f"{page}.html").as_uri())
    assert a11y.axe_faults(browser_page) == []
