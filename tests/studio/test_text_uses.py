"""Every text of the studio that a module asks for is there, by `t(store, 'draw.clear')`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from chainrule.studio.page.assets import modules, texts

STUDIO = Path(__file__).parents[2] / "src" / "chainrule" / "studio"

KEY = r"[a-z0-9_]+(?:\.[a-z0-9_]+)+"
QUOTED = re.compile(rf"'({KEY})'|`([^`$]+)(\$[^`]*)?`")
"""A key between apostrophes, or a template: how it begins, and what it is put together with."""
ASKS = re.compile(r"(?<![.\w])(?:t\(|texts\[)")
PIECE = re.compile(r"'(?:[^'\\\n]|\\.)*'|`[^`]*`|[][(){},]")
"""A string or a template, in which brackets do not count, or what begins or ends an argument."""
KEYS = sorted(texts())


def argument(text: str, at: int) -> str:
    """What stands from a place to the comma or the bracket that ends an argument."""
    depth = 0
    for piece in PIECE.finditer(text, at):
        depth += (piece[0] in "([{") - (piece[0] in ")]}")
        if depth < 0 or (depth == 0 and piece[0] == ","):
            return text[at : piece.start()]
    return text[at:]


def asked(text: str) -> Iterator[tuple[int, str, bool]]:
    """The keys that a module asks for, by t(store, key) or texts[key]: line, the key or how it begins, is it whole."""
    for found in ASKS.finditer(text):
        at = found.end()
        if found[0] == "t(":
            at += len(argument(text, at))
            if text[at] != ",":  # of another t, which has one argument
                continue
            at += 1
        for key, template, parts in QUOTED.findall(argument(text, at)):
            yield text.count("\n", 0, at) + 1, key or template, not parts


@functools.cache
def uses() -> list[tuple[str, int, str, bool]]:
    """Read in a test, not by every worker that collects this file."""
    return [(path, *use) for path, text in modules().items() if path != "texts.js" for use in asked(text)]


def test_every_key_that_is_asked_for_is_there():
    missing = [
        f"{path}:{line}: {key}" for path, line, key, is_whole in uses() if is_whole and key not in texts()
    ]
    assert missing == []


def test_uses_are_seen():
    text = (
        "f(t(store, 'a.b'), a.t(store, 'c.d'), t(store, x ? 'e.f' : `g.${h}.i`, { n: t(s, 'j.k') }), 'l.m');"
    )
    expected = [("a.b", True), ("e.f", True), ("g.", False), ("j.k", True)]
    assert [use[1:] for use in asked(text)] == expected
    assert list(asked("t('a.b');")) == []
    assert list(asked("\ntexts[`n.${o}`][p];")) == [(2, "n.", False)]


def test_every_screen_has_a_name_and_a_sentence():
    files = {
        path.removeprefix("screens/")[:-3]: text
        for path, text in modules().items()
        if path.startswith("screens/")
    }
    screens = [name for name, text in files.items() if f"\nexport function {name}(root, store)" in text]
    lacking = [name for name in screens if not {f"screen.{name}", f"screen.{name}.says"} <= texts().keys()]
    assert lacking == []


def test_the_documentation_has_every_screen():
    page = (STUDIO.parents[2] / "docs" / "studio.md").read_text("utf-8")
    rows = re.findall(r"^\| ([A-Z][\w ,.]+) \| .+ \|$", page, re.MULTILINE)
    names = [texts()[key]["en"] for key in KEYS if re.fullmatch(r"screen\.\w+", key)]
    assert sorted(rows) == sorted(names)
