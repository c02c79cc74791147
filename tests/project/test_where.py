"""The newcomer's page: every file that it sends somebody to is there, and has the name to look for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "where.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (.+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("path", "name", "what"), ROWS)
def test_the_file_has_the_name(path: str, name: str, what: str):
    text = (ROOT / path).read_text("utf-8")
    assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text), f"{path} has no {name}: {what}"


def test_every_row_is_read():
    rows = [
        line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("| file", "|--"))
    ]
    assert len(rows) == len(ROWS) > 30


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:src|tests|docs|native)/[\w./-]*)`", PAGE))))
def test_the_path_is_there(path: str):
    assert (ROOT / path).exists()


def test_the_seven_things_are_there():
    things = ("activation", "layer", "loss", "optimizer", "experiment", "figure", "subcommand")
    heads = [line for line in PAGE.splitlines() if line.startswith("## ")]
    assert all(any(thing in head for head in heads) for thing in things)
