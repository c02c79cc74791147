"""What furo and Sphinx leave out for those who listen to a page: levels of captions, names of its parts, a title."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

PLACES = {"sidebar-drawer": "Pages", "toc-drawer": "On this page"}
"""The names of furo's two parts beside a page, by class."""


PARAMETERS = re.compile(
    r"""<dl>\s*((?:<dd>(?:<em class="sig-param">|<span class="|[*/]).*?</dd>\s*)+)</dl>""", re.DOTALL
)
"""The parameters of a signature, a line each, which Sphinx writes as definitions without a term."""


def accessible(html: str) -> str:
    """The filter of the template: what stands between <body> and </body>."""
    html = html.replace(
        '<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'
    )
    for name, label in PLACES.items():
        html = re.sub(rf'<aside class="({name}[^"]*)">', rf'<aside class="\1" aria-label="{label}">', html)
    html = re.sub(
        r'<th class="(head[^"]*)"><p></p></th>', r'<td class="\1"></td>', html
    )  # says nothing of its column
    html = PARAMETERS.sub(
        lambda found: (
            f'<div class="sig-params">{found[1].replace("<dd>", "<div>").replace("</dd>", "</div>")}</div>'
        ),
        html,
    )
    return html.replace('<div id="search-results">', '<h1>Search</h1>\n<div id="search-results">')


def show(app: Sphinx, pagename: str, _: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """The handler of html-page-context."""
    app.builder.templates.environment.filters["accessible"] = accessible


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", show)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
