"""What search engines and other sites read: each page's language, translations and description, and the site map."""

from __future__ import annotations

from html import escape
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx

CHINESE = ".zh-TW"
"""The end of the name of a page in Traditional Chinese, whose English page has the rest of the name."""
DESCRIPTIONS = {
    "genindex": "All names of Chainrule's Python reference, from A to Z.",
    "py-modindex": "All modules of Chainrule's Python reference.",
    "search": "Search Chainrule's documentation: pages, and the classes and functions of its reference.",
}


def add_to_head(
    app: Sphinx, pagename: str, _: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """The handler of html-page-context."""
    tags = []
    english = pagename.removesuffix(CHINESE)
    if english != pagename:
        context["language"] = "zh-Hant-TW"
    if english + CHINESE in app.env.found_docs:
        for language, page in (("en", english), ("zh-Hant-TW", english + CHINESE)):
            address = escape(f"{app.config.html_baseurl}{page}.html")
            tags.append(f'<link rel="alternate" hreflang="{language}" href="{address}">')
    if doctree is None and pagename in DESCRIPTIONS:
        tags.append(f'<meta name="description" content="{escape(DESCRIPTIONS[pagename])}">')
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)


def write_map(app: Sphinx, failure: Exception | None) -> None:
    """Write sitemap.xml with all pages, also those that this build found up to date. The handler of build-finished."""
    if failure is None:
        tree = ElementTree.Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
        for page in sorted(app.env.found_docs):
            place = ElementTree.SubElement(ElementTree.SubElement(tree, "url"), "loc")
            place.text = app.config.html_baseurl + app.builder.get_target_uri(page)
        ElementTree.ElementTree(tree).write(app.outdir / "sitemap.xml", "utf-8", xml_declaration=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", add_to_head)
    app.connect("build-finished", write_map)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
