"""Words about whether later rows look like those of training."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.views.words.zh.phrases import several

TITLE = "這些資料列與訓練時相似嗎？"
HEADS = ("欄位", "改變", "距離", "p", "先前缺漏", "現在缺漏", "超出範圍", "未知")
DRIFTED, MORE_MISSING = "值", "缺漏變多"


def summary(rows: int, columns: int, changed: Sequence[str]) -> str:
    """How many columns have changed, and which."""
    if not changed:
        return f"{rows:,} 列：{columns:,} 個欄位都沒有改變。"
    return f"{rows:,} 列：{columns:,} 個欄位中有 {len(changed):,} 個改變：{several(changed)}。"


def strange(count: int, rows: int, shown: Sequence[int]) -> str:
    """How many rows have a value like none of training, and the first of them."""
    first = "、".join(map(str, shown)) + "…" * (count > len(shown))
    return f"{rows:,} 列中有 {count:,} 列與訓練時的任何資料都不像：{first}。"
