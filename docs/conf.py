"""How the site is built by Sphinx: `make site`, which is `build_site.py`.

The environment variable SITE_URL has the address at which it will be served.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature
from sphinx.writers.html5 import HTML5Translator

import chainrule.model.model
from chainrule.inspection.attribution import Attribution
from chainrule.inspection.flow import flow
from chainrule.inspection.trace import gradient_check, trace

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "extensions")]
from check_site import MOCKED  # noqa: E402

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]

project = "Chainrule"
author = "The Chainrule authors"
copyright = f"2026, {author}"
version = release = PROJECT["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxext.opengraph",
    "names",
    "heads",
    "accessible",
    "chinese",
]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

smartquotes = False  # the prime of f'(z) is no apostrophe

html_theme = "furo"
html_title = f"Chainrule {release}"
html_copy_source = False
html_theme_options = {
    "light_css_variables": {
        "code-font-size": "80%",  # a line of 120 columns fits
        "color-brand-primary": "#0065a3",
        "color-brand-content": "#0065a3",
        "color-brand-visited": "#0065a3",
    },
    "dark_css_variables": {
        "color-brand-primary": "#66beff",
        "color-brand-content": "#66beff",
        "color-brand-visited": "#66beff",
    },
}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["scroll.js"]
html_favicon = "../src/chainrule/studio/web/icon.svg"

html_baseurl = os.environ.get("SITE_URL", "http://localhost:8000/").rstrip("/") + "/"
ogp_site_url = html_baseurl
ogp_site_name = project
ogp_image = "_static/card.png"
ogp_image_alt = "Chainrule: a network of two hidden layers, and the chain rule of one of its weights."
ogp_social_cards = {"enable": False}  # one picture for all pages
ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image">']

copybutton_selector = "div:not(.highlight-text) > div.highlight pre"  # what is printed is not to be copied

autodoc_mock_imports = MOCKED
add_module_names = False
maximum_signature_line_length = 100  # a longer one has a line for each parameter
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}

# A union is shown by its name where it is long, with names of NumPy's own, when it is written out.
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "Exposure": "ArrayLike", "RowValues": "ArrayLike"}
ALIAS = re.compile(r"[\w.~]*TypeAliasForwardRef\('(\w+)'\)")
OBJECT = re.compile(
    r"(?<==)( ?)<(?:(?:class '|function |built-in function )([\w.]+)'?|[\w.]+|[\w. ]+<lambda>|[\w. ]+ at 0x\w+)>"
)
NDARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[(?:~?typing\.)?Any, \.\.\.\], ~?numpy\.dtype\[([^\[\]]+)\]\]")

ANNOTATED = re.compile(r"~?typing\.Annotated\[")


def plain_hints(text: str) -> str:
    """A signature with the type alone of each `Annotated`, without the conditions that a value in a file must meet."""
    while (begin := ANNOTATED.search(text)) is not None:
        depth, comma = 1, 0
        for end in range(begin.end(), len(text)):
            depth += (text[end] in "[(") - (text[end] in "])")
            if depth == 1 and text[end] == "," and not comma:
                comma = end
            if not depth:
                break
        text = text[: begin.start()] + text[begin.end() : comma] + text[end + 1 :]
    return text


# What a model imports for type checkers alone: in signatures each links to its own page.
vars(chainrule.model.model).update(
    Attribution=Attribution,
    Flow=flow.Flow,
    GradientCheck=gradient_check.GradientCheck,
    Method=chainrule.Method,
    Schedule=chainrule.Schedule,
    Trace=trace.Trace,
)


# Docstrings are plain text, written to be read in an editor: formulas stand in them as formulas, and |z|, y_k and a * b
# mean what they say. Sphinx takes docstrings for reStructuredText, where those are markup, so each becomes
# reStructuredText that shows it as it was written.


def escape(text: str) -> str:
    """Plain text with `code` in it, as reStructuredText."""
    parts = re.split(r"(`+)(.+?)\1", text)  # text, backticks, code, text, backticks, code, ..., text
    texts = [re.sub(r"([\\*_|`])", r"\\\1", part) for part in parts[::3]]
    codes = [f"``{code}``" for code in parts[2::3]] + [""]
    # An escaped space ends the markup where a letter follows it at once.
    return "".join(text + (code and rf"\ {code}\ ") for text, code in zip(texts, codes, strict=True))


def is_layout(block: list[str]) -> bool:
    """Whether the lines are laid out by hand: indented, set in columns, or drawn."""
    return any(re.match(r" {2}", line) or re.search(r"\S {3,}\S|[─│├└]", line) for line in block)


def blocks(lines: list[str]) -> list[list[str]]:
    """The runs of lines between empty ones."""
    found, rest = [], lines
    while rest:
        block = list(takewhile(str.strip, rest))
        if block:
            found.append(block)
        rest = rest[len(block) + 1 :]
    return found


def literal(block: list[str]) -> list[str]:
    """Lines that are shown as they are."""
    return [".. code-block:: text", "", *("   " + line for line in block), ""]


def items(block: list[str]) -> list[str]:
    """A list: each line that starts with a dash is an item, what follows is the rest of it."""
    return [*(("" if line.startswith("- ") else "  ") + escape(line.strip()) for line in block), ""]


STARTS = r"[\w, .*]{1,40}:  ?\S|Returns |Raises |Stable |Source: "
"""The beginnings of the usual parts of a docstring, such as `name: text` of a parameter."""


def is_parameters(block: list[str]) -> bool:
    """Whether the lines describe parameters, `name: text`, those that continue a text indented by four spaces."""
    is_plain = not any(re.search(r"\S {3,}\S|[─│├└]", line) for line in block)
    return (
        bool(re.match(STARTS, block[0])) and is_plain and all(re.match(r" {4}\S|\S", line) for line in block)
    )


def prose(block: list[str]) -> list[str]:
    """Sentences flow together; a line that starts as one of the usual parts of a docstring stands alone."""
    if any(re.match(STARTS, line) for line in block):
        is_indented = any(line.startswith(" ") for line in block)
        joined: list[str] = []
        for line in block:
            if joined and (line.startswith(" ") if is_indented else not re.match(STARTS, line)):
                joined[-1] += " " + line.strip()
            else:
                joined.append(line)
        return [*("| " + escape(line) for line in joined), ""]
    return [*map(escape, block), ""]


def as_plain_text(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """The handler of autodoc-process-docstring."""
    shown: list[str] = []
    for block in blocks(lines):
        if block[-1].endswith("::"):
            shown += prose([*block[:-1], block[-1][:-1]])
        elif block[0].startswith("- "):
            shown += items(block)
        elif is_layout(block) and not is_parameters(block):
            shown += literal(block)
        else:
            shown += prose(block)
    lines[:] = shown


def skip_field_numbers(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """A NamedTuple's fields without a docstring of their own say only which number they have."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def default_name(match: re.Match[str]) -> str:
    """The name of a default that is a function or a class, of which Python prints what it cannot read."""
    return f"{match[1]}{match[2].rpartition('.')[2] if match[2] else '...'}"


def readable_types(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, ...]:
    """The handler of autodoc-process-signature: ArrayLike, NDArray[...] and defaults as they stand in the source."""
    if what == "class" and signature and signature.startswith("(*args"):  # of the `__new__` of a mocked base
        parameters = inspect.signature(obj)
        signature = stringify_signature(parameters, show_return_annotation=False, unqualified_typehints=True)
    signature = signature and OBJECT.sub(default_name, plain_hints(signature))
    both = [text and ALIAS.sub(r"~numpy.typing.\1", text) for text in (signature, returned)]
    return tuple(text and NDARRAY.sub(r"~numpy.typing.NDArray[\1]", text) for text in both)


# Formulas stand in the pages as MathML, which browsers lay out themselves: no script, and nothing from the network.


def inline_formula(translator: HTML5Translator, node: nodes.math) -> None:
    """$...$"""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def displayed_formula(translator: HTML5Translator, node: nodes.math_block) -> None:
    """$$...$$, in a box of its own that scrolls where the page is narrower."""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div style="overflow-x: auto; overflow-y: hidden">{formula}</div>\n')
    raise nodes.SkipNode


def head_modules(app: Sphinx, page: str, source: list[str]) -> None:
    """Set each module of a page of the reference under a heading of its name, unless it has one. For source-read."""
    if page.startswith("reference/"):
        text = re.sub(r"(?m)^(?=\.\. automodule::)", "```\n\n```{eval-rst}\n", source[0])
        text = re.sub(r"(?m)^```\{eval-rst\}\n+```\n", "", text)
        for module in re.findall(r"automodule:: (\S+)", text):
            if f"## {module}\n" not in text:
                block = f"```{{eval-rst}}\n.. automodule:: {module}\n"
                text = text.replace(block, f"## {module}\n\n{block}")
        source[0] = text


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
    app.connect("source-read", head_modules)
    app.connect("autodoc-process-docstring", as_plain_text)
    app.connect("autodoc-process-signature", readable_types)
    app.connect("autodoc-skip-member", skip_field_numbers)
