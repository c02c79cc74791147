"""Every text of the studio is in use, and every text that a module asks for is there.

A module asks for a text by `t(store, 'draw.clear')`. A key that it puts together, as `t(store, `screen.${name}`)`, must
begin as one of PREFIXES does.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from chainrule.studio.page.assets import modules, texts

STUDIO = Path(__file__).parents[2] / "src" / "chainrule" / "studio"

PREFIXES = (
    *("screen.", "glossary.term.", "glossary.about.", "course.step.", "course.verdict."),
    *("backprop.task_", "backprop.ask_", "backprop.mark_"),
    *("neurons.column_", "neurons.about_", "neurons.mark_", "neurons.tool_", "neurons.metric_"),
    *("why.method_", "why.about_"),
    *(
        "train.field.",
        "train.help.",
        "train.hint.",
        "train.remedy.",
        "train.kind.",
        "train.preset.",
        "train.points.",
    ),
    *("train.layer.", "train.tile.", "train.name.", "train.score.", "train.line.", "train.verdict."),
    *("train.preset_name.", "play.door."),
)
"""How keys begin that are put together from parts."""

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


def quoted(path: Path) -> set[str]:
    """Every string of a module that has the form of a key, in JavaScript or in Python."""
    return set(re.findall(rf"['\"`]({KEY})['\"`]", path.read_text("utf-8")))


@functools.cache
def uses() -> list[tuple[str, int, str, bool]]:
    """Read in a test, not by every worker that collects this file."""
    return [(path, *use) for path, text in modules().items() if path != "texts.js" for use in asked(text)]


def test_every_key_that_is_asked_for_is_there():
    missing = [
        f"{path}:{line}: {key}" for path, line, key, is_whole in uses() if is_whole and key not in texts()
    ]
    assert missing == []


def test_keys_of_parts_begin_as_declared():
    parts = [(path, line, key) for path, line, key, is_whole in uses() if not is_whole]
    undeclared = [f"{path}:{line}: {key}" for path, line, key in parts if not key.startswith(PREFIXES)]
    assert undeclared == [], "add how they begin to PREFIXES"
    assert [prefix for prefix in PREFIXES if not any(key.startswith(prefix) for _, _, key in parts)] == []


def test_every_key_is_in_use():
    """A key that is written anywhere counts: it may reach t() by way of a variable."""
    written = set().union(*(quoted(path) for path in STUDIO.rglob("*") if path.suffix in (".js", ".py")))
    unused = [key for key in KEYS if key not in written and not key.startswith(PREFIXES)]
    assert unused == [], "use them, or take them out"


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
    rows = re.findall(r"^\| ([A-Z][\w ]+) \| .+ \|$", page, re.MULTILINE)
    names = [texts()[key]["en"] for key in KEYS if re.fullmatch(r"screen\.\w+", key)]
    assert sorted(rows) == sorted(names)
