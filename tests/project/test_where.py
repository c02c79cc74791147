"""The newcomer's page: every file that it sends somebody to is there, and has the name to look for."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "where.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (.+) \|$", PAGE, re.MULTILINE)


def test_every_file_has_its_name():
    missing = [
        f"{path} has no {name}: {what}"
        for path, name, what in ROWS
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", (ROOT / path).read_text("utf-8"))
    ]
    assert missing == []


def test_every_row_is_read():
    rows = [
        line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("| file", "|--"))
    ]
    assert len(rows) == len(ROWS) > 30


def test_every_path_is_there():
    paths = set(re.findall(r"`((?:src|tests|docs|native)/[\w./-]*)`", PAGE))
    assert len(paths) > 50
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_the_seven_things_are_there():
    things = ("activation", "layer", "loss", "optimizer", "experiment", "figure", "subcommand")
    heads = [line for line in PAGE.splitlines() if line.startswith("## ")]
    assert all(any(thing in head for head in heads) for thing in things)
