"""Where an addition goes, in CONTRIBUTING.md: every file that it names is there, and has the name to look for."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Where an addition goes\n")[2]
ROWS = re.findall(r"^- `(.+?)`, `(.+?)`: (.+)$", PAGE, re.MULTILINE)


def test_every_file_has_its_name():
    missing = [
        f"{path} has no {name}: {what}"
        for path, name, what in ROWS
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", (ROOT / path).read_text("utf-8"))
    ]
    assert len(ROWS) > 60 and missing == []


def test_every_path_is_there():
    paths = set(re.findall(r"`((?:src|tests|docs|native)/[\w./-]*)`", PAGE))
    assert {path for path in paths if not (ROOT / path).exists()} == set()
