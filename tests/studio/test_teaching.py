"""The teacher's page lists the steps of the course as they are."""

from __future__ import annotations

import re
from pathlib import Path

from chainrule.studio.page.assets import modules, texts

PAGE = Path(__file__).parents[2] / "docs" / "teaching.md"


def test_the_page_lists_every_step():
    found = re.findall(
        r"^  \{ name: '(\w+)', screen: '(\w+)', minutes: (\d+)", modules()["course_steps.js"], re.MULTILINE
    )
    assert len(found) > 10
    steps = [
        (
            name,
            *(texts()[key]["en"] for key in (f"course.step.{name}.title", f"screen.{screen}")),
            minutes,
            texts()[f"course.step.{name}.goal"]["en"],
        )
        for name, screen, minutes in found
    ]
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+?) \| ([^|]+?) \| (\d+) \| ([^|]+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert [(*row, goal[0].upper() + goal[1:] + ".") for *row, goal in rows] == steps


def test_every_step_is_tested():
    tests = (Path(__file__).parent / "test_course_page.py").read_text("utf-8")
    names = re.findall(r"^  \{ name: '(\w+)'", modules()["course_steps.js"], re.MULTILINE)
    untested = [name for name in names if f'"{name}"' not in tests]
    assert untested == []


def test_the_readmes_count_the_steps():
    count = len(re.findall(r"^  \{ name: '", modules()["course_steps.js"], re.MULTILINE))
    root = PAGE.parents[1]
    assert f"A course of {count} steps" in (root / "README.md").read_text("utf-8")
    assert f"還有 {count} 步的課程" in (root / "README.zh-TW.md").read_text("utf-8")
