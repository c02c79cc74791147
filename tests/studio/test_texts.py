"""The texts of the studio: both languages say the same, and Chinese is written as in Taiwan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainrule.studio.page.assets import texts

ROOT = Path(__file__).parents[2]

AVOID = {
    "數據": "資料",
    "網絡": "網路",
    "默認": "預設",
    "缺省": "預設",
    "程序": "程式",
    "代碼": "程式碼",
    "文件夾": "資料夾",
    "軟件": "軟體",
    "硬件": "硬體",
    "信息": "資訊",
    "優化": "最佳化",
    "質量": "品質",
    "屏幕": "螢幕、畫面",
    "鼠標": "滑鼠",
    "點擊": "點選",
    "光標": "游標",
    "回歸": "迴歸",
    "代價函數": "成本函數",
    "歸一化": "正規化",
    "規則化": "正則化",
    "批量": "批次",
    "隱層": "隱藏層",
    "全連線層": "全連接層",
    "後向傳播": "反向傳播",
    "鏈式法則": "連鎖律",
    "漸層": "梯度",
    "輪次": "週期",
    "紀元": "週期",
    "欠擬合": "擬合不足",
    "過擬合": "過度擬合",
    "暫退法": "dropout",
    "失活": "dropout",
    "跳躍連接": "跳接",
    "殘差塊": "殘差區塊",
    "查準率": "精確率",
    "查全率": "召回率",
    "數組": "陣列",
    "內存": "記憶體",
    "加載": "載入",
    "保存": "儲存",
    "回調": "回呼",
    "隨機種子": "亂數種子",
    "調度": "排程",
    "推理": "推論",
    "概率": "機率",
    "矢量": "向量",
    "變量": "變數",
    "實時": "即時",
    "在線": "線上",
    "界面": "介面",
    "圖標": "圖示",
    "鏈接": "連結",
    "運行": "執行",
    "打印": "列印、印出",
    "用戶": "使用者",
    "登錄": "登入",
    "字符": "字元",
    "反饋": "回饋",
    "異步": "非同步",
    "字段": "欄位",
    "調試": "除錯",
    "(?<!演)算法": "演算法",
    "激活值": "活化值",
    "激勵函數": "激活函數",
    "方差": "變異數",
    "標籤集": "標籤",
}
"""What mainland China writes, or nobody, and what to write."""
ALSO_CALLED = {"激活值"}
"""Words to avoid that the glossary names as other words for the same."""

ALLOWED = {
    *(
        "Chainrule",
        "Python",
        "MNIST",
        "Adam",
        "MLP",
        "ReLU",
        "softmax",
        "tanh",
        "sigmoid",
        "logits",
        "dropout",
    ),
    *("MSE", "MAE", "SGD", "ROC", "AUC", "F1", "S", "SPSA", "NumPy", "CSV", "IDX", "ONNX", "DeepLIFT", "LRP"),
    *("z", "a", "W", "b", "x", "y", "f", "z_k", "max", "exp", "L", "dC", "dw", "dz", "da"),
}
"""Names and letters that stay as they are in Chinese; other Latin words stand in `code` only."""

HAN = r"[\u3400-\u9fff]"
KEYS = sorted(texts())


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def faults_of_chinese(text: str) -> list[str]:
    """What is wrong with a text that is to be Chinese as Taiwan writes it."""
    faults = [
        f"{match[0]}: {instead}" for word, instead in AVOID.items() for match in re.finditer(word, text)
    ]
    prose = re.sub(r"`[^`]*`", "`", text)
    plain = re.sub(r"\{\w+\}", "0", prose)
    latin = {word for word in re.findall(r"[A-Za-z][\w'-]*", plain)} - ALLOWED
    faults += [f"{word} is not Chinese" for word in sorted(latin)]
    faults += [
        f"{match[0]!r} is half-width" for match in re.finditer(rf"{HAN}[,.;:!?()]|[,;:!?()]{HAN}", plain)
    ]
    spaced = rf"{HAN}[A-Za-z0-9`]|[A-Za-z0-9`%]{HAN}"
    faults += [f"{match[0]!r} wants a space" for match in re.finditer(spaced, plain)]
    faults += [
        f"{match[0]!r} has a space"
        for match in re.finditer(rf"{HAN} +{HAN}| [，。；：、）」]|[（「] ", prose)
    ]
    return faults


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
