"""The words of docstrings, comments, messages and pages: those of the field, not words of the house."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRIVATE = {
    r"laws?": "objective, rule",
    r"glances?": "poll interval, call",
    r"tall(y|ies)": "running sums",
    r"employ(s|ed)?": "reserve, use",
    r"what cannot be": "invalid settings",
    r"what is no": "say the condition: 'a positive number'",
    r"none came": "got an empty list",
    r"is none;": "say what was given instead",
    r"(layers?|losse?s?|blocks?|kinds?) of (one's|your) own": "custom layer",
    r"nobody has looked": "not validated",
    r"refuse what": "check that",
}
"""Expressions of one's own, and what the field says."""
PATTERN = re.compile(rf"\b({'|'.join(PRIVATE)})(?!\w)", re.IGNORECASE)
PYTHON = sorted((ROOT / "src" / "chainrule").rglob("*.py"))
NATIVE = sorted(path for path in (ROOT / "native").rglob("*") if path.suffix in (".h", ".cpp"))
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "gallery").glob("*.md")),
    *(ROOT / f"{n}.md" for n in ("README", "CONTRIBUTING", "CHANGELOG")),
]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are for people: comments and strings of words, all of a page.

    None of a file of Python without any of the expressions, in code or not: to divide it into tokens takes longest.
    """
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        if not PATTERN.search(text):
            return
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            words = token.type == tokenize.COMMENT or (
                tokenize.tok_name[token.type] in ("STRING", "FSTRING_MIDDLE") and " " in token.string.strip()
            )
            if words:
                yield from enumerate(token.string.splitlines(), token.start[0])
    elif path.suffix == ".md":
        yield from enumerate(text.splitlines(), 1)
    else:
        yield from ((i, line.partition("//")[2]) for i, line in enumerate(text.splitlines(), 1))


@pytest.mark.parametrize("paths", [PYTHON, NATIVE, PAGES], ids=["src", "native", "pages"])
def test_no_private_word(paths: list[Path]):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r} in {line.strip()!r}"
        for path in paths
        for number, line in prose(path)
        for match in PATTERN.finditer(line)
    ]
    assert len(paths) > 10 and not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "# the one law",
        "raise ConfigError('Refuse what is no step.')",
        '"""A layer of one\'s own needs this."""',
    ],
)
def test_a_private_word_is_seen(tmp_path: Path, line: str):
    path = tmp_path / "module.py"
    path.write_text(f"{line}\n")
    assert any(PATTERN.search(text) for _, text in prose(path))


def test_names_are_not_prose(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text("law = employ['tally']  # a claim is lawful, and a log is a catalog\n")
    assert not any(PATTERN.search(text) for _, text in prose(path))


def test_the_list_says_what_to_write():
    assert all(PRIVATE.values())
