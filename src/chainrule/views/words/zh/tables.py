"""What is said of the columns of a table: what each was taken for, why, and what became of it."""

from __future__ import annotations

HEADS = ("欄位", "當成", "原因", "缺漏", "類別數", "變成")
KINDS = {"number": "數字", "boolean": "布林", "category": "類別", "date": "日期", "duration": "時間長度"}
WHYS = {
    "numbers": "值是數字",
    "text_numbers": "文字可讀成數字",
    "booleans": "值是真或假",
    "texts": "值是文字",
    "dates": "值是日期",
    "text_dates": "文字可讀成日期或時間",
    "durations": "值是時間長度",
    "asked": "依照指定",
    "all_missing": "每個值都缺漏",
    "constant": "每個值都相同",
    "near_constant": "幾乎每個值都相同",
    "every_value_differs": "沒有文字出現兩次",
    "identifier": "它只是資料列的編號",
}


def became(outcome: str, outputs: int, size: int, merged: int) -> str:
    """What became of a column."""
    said = {
        "scaled": f"{outputs:,} 個數字",
        "parts": f"{outputs:,} 個數字：日、年與循環",
        "binary": "1 個數字：-1 或 1",
        "one_hot": f"{outputs:,} 個數字：每個類別一個",
        "embedded": f"{size:,} 個數字的嵌入向量",
        "indicator": "1 個數字：是否缺漏",
        "dropped": "捨棄",
    }[outcome]
    return said + (f"，{merged:,} 個罕見類別合為一個" if merged else "")


def infinite(share: str, count: int) -> str:
    """The share of missing values, and how many of these were infinite."""
    return f"{share}（{count:,} 個無限大）" if count else share


def totals(columns: int, dropped: int, outputs: int) -> str:
    """The sums of a table in one sentence."""
    left = f"，捨棄其中 {dropped:,} 個" if dropped else ""
    return f"{columns:,} 個欄位{left}；網路有 {outputs:,} 個輸入。"
