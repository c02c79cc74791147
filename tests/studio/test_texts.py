"""The texts of the studio: both languages say the same, and Chinese is written as in Taiwan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainrule.studio.page.assets import texts
from studio_words import AVOID, HAN, faults_of_chinese

ROOT = Path(__file__).parents[2]

ALSO_CALLED = {"激活值"}
"""Words to avoid that the glossary names as other words for the same."""

KEYS = sorted(texts())


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


# --- the table


@pytest.mark.parametrize("key", KEYS)
def test_both_languages_say_the_same(key: str):
    english, chinese = texts()[key]["en"], texts()[key]["zh"]
    assert placeholders(english) == placeholders(chinese)
    assert not re.search(HAN, english)
    assert english == english.strip() and chinese == chinese.strip()
    ends = {".": "。", "?": "？", "!": "！", ":": "：", "…": "…"}
    assert ends.get(english[-1]) == (chinese[-1] if chinese[-1] in ends.values() else None), (
        "one is a sentence"
    )


@pytest.mark.parametrize("key", KEYS)
def test_chinese_is_written_as_in_taiwan(key: str):
    faults = faults_of_chinese(texts()[key]["zh"])
    if key.startswith("glossary.about."):
        faults = [fault for fault in faults if fault.partition(":")[0] not in ALSO_CALLED]
    assert faults == []


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
