"""The texts of the studio: both languages say the same, and Chinese is written as in Taiwan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainrule.studio.page.assets import texts
from studio_words import AVOID, HAN, faults_of_chinese

ROOT = Path(__file__).parents[2]

ALSO_CALLED = {"激活值"}
"""Words to avoid that the glossary names as other words for the same."""


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


# --- the table


ENDS = {".": "。", "?": "？", "!": "！", ":": "：", "…": "…"}


def differences(english: str, chinese: str) -> Iterator[str]:
    """What the two say that one text in two languages does not."""
    if placeholders(english) != placeholders(chinese):
        yield f"{placeholders(english)} is not {placeholders(chinese)}"
    if re.search(HAN, english):
        yield "the English is Chinese"
    if english != english.strip() or chinese != chinese.strip():
        yield "it begins or ends with a space"
    if ENDS.get(english[-1]) != (chinese[-1] if chinese[-1] in ENDS.values() else None):
        yield "one is a sentence"


def test_both_languages_say_the_same():
    found = {key: list(differences(text["en"], text["zh"])) for key, text in texts().items()}
    assert len(found) > 1000
    assert {key: faults for key, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    ("english", "chinese", "says"),
    [
        ("{n} rows", "共 {m} 列", "['n'] is not ['m']"),
        ("列", "列", "Chinese"),
        ("rows ", "列", "a space"),
        ("Rows.", "列", "a sentence"),
        ("rows", "列。", "a sentence"),
    ],
)
def test_differences_are_seen(english: str, chinese: str, says: str):
    (found,) = differences(english, chinese)
    assert says in found


def test_chinese_is_written_as_in_taiwan():
    found = {key: faults_of_chinese(text["zh"]) for key, text in texts().items()}
    for key in [key for key in found if key.startswith("glossary.about.")]:
        found[key] = [fault for fault in found[key] if fault.partition(":")[0] not in ALSO_CALLED]
    assert {key: faults for key, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("訓練數據", "資料"),
        ("一種算法", "演算法"),
        ("按 Start 開始", "Start is not Chinese"),
        ("好,再來", "half-width"),
        ("好（見下)", "half-width"),
        ("共{n}個", "wants a space"),
        ("用Python寫", "wants a space"),
        ("好 的", "has a space"),
        ("好 ，的", "has a space"),
    ],
)
def test_faults_are_seen(text: str, says: str):
    assert any(says in fault for fault in faults_of_chinese(text))


@pytest.mark.parametrize(
    "text",
    ["z = a W + b。", "演算法", "共 {n} 個，{name} 是第 2 個（見 `chainrule info`）。", "（ReLU）「S 型」"],
)
def test_good_chinese_has_no_faults(text: str):
    assert faults_of_chinese(text) == []


def test_the_readme_avoids_the_same_words():
    prose = re.sub(r"^```.*?^```$", "", (ROOT / "README.zh-TW.md").read_text("utf-8"), flags=re.M | re.S)
    found = [f"{m[0]}: {instead}" for word, instead in AVOID.items() for m in re.finditer(word, prose)]
    assert found == []
    assert not re.search(rf"{HAN}[,;!?]|[,;!?]{HAN}", prose)
