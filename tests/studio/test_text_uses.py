"""Every text of the studio is in use, and every text that a module asks for is there.

A module asks for a text by `t(store, 'draw.clear')`. A key that it puts together, as `t(store, `screen.${name}`)`, must
begin as one of PREFIXES does.
"""

from __future__ import annotations

import functools
import io
import re
import tokenize as python_tokens
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

from chainrule.studio.page.assets import modules, texts
from chainrule.studio.page.tokens import Token, tokenize

STUDIO = Path(__file__).parents[2] / "src" / "chainrule" / "studio"

PREFIXES = (
    *("screen.", "glossary.term.", "glossary.about."),
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
    "train.preset_name.",
)
"""How keys begin that are put together from parts."""
VOCABULARY = ("common.", "word.")
"""Texts that any screen may take, whether one does or not."""

KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
KEYS = sorted(texts())


def arguments(tokens: list[Token], opening: int) -> list[list[Token]]:
    """The tokens of each argument of a call."""
    found: list[list[Token]] = [[]]
    depth = len(tokens[opening].inside) + 1
    for token in tokens[opening + 1 : tokens[opening].match]:
        if token.text == "," and len(token.inside) == depth:
            found.append([])
        else:
            found[-1].append(token)
    return found


def asked(text: str) -> Iterator[tuple[int, str, bool]]:
    """The keys that a module asks for, by t(store, key) or texts[key]: line, the key or how it begins, is it whole."""
    tokens = tokenize(text)
    for i, token in enumerate(tokens[:-1]):
        parts: list[Token] = []
        if (token.text, tokens[i + 1].text) == ("t", "(") and tokens[i - 1].text not in (".", "function"):
            parts = [*arguments(tokens, i + 1), []][1]  # a call of one argument is of another t
        elif (token.text, tokens[i + 1].text) == ("texts", "["):
            parts = arguments(tokens, i + 1)[0]
        for part in parts:
            if part.kind == "string" and KEY.fullmatch(part.text[1:-1]):
                yield part.line, part.text[1:-1], True
            elif part.kind == "template" and part.text.startswith("`"):
                yield part.line, part.text.strip("`").removesuffix("${"), part.text.endswith("`")


def strings(path: Path) -> set[str]:
    """Every whole string of a module, in JavaScript or in Python."""
    text = path.read_text("utf-8")
    if path.suffix == ".js":
        return {token.text[1:-1] for token in tokenize(text) if token.kind in ("string", "template")}
    found = python_tokens.generate_tokens(io.StringIO(text).readline)
    plain = [
        token.string for token in found if token.type == python_tokens.STRING and token.string[0] not in "fF"
    ]
    return {str(literal_eval(string)) for string in plain}


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
    undeclared = [
        f"{path}:{line}: {key}" for path, line, key in parts if not key.startswith(PREFIXES + VOCABULARY)
    ]
    assert undeclared == [], "add how they begin to PREFIXES"
    assert [prefix for prefix in PREFIXES if not any(key.startswith(prefix) for _, _, key in parts)] == []


def test_every_key_is_in_use():
    """A key that is written anywhere counts: it may reach t() by way of a variable."""
    written = set().union(*(strings(path) for path in STUDIO.rglob("*") if path.suffix in (".js", ".py")))
    unused = [key for key in KEYS if key not in written and not key.startswith(PREFIXES + VOCABULARY)]
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
