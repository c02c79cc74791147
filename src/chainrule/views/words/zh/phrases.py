"""Numbers, lists and names as Chinese has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.views.words.facts import percent as percent

if TYPE_CHECKING:
    from chainrule.tables.recurring import RecurringDay

_FEASTS = {"easter": "復活節", "moon": "農曆新年"}
YES, NO, NONE, NOTHING = "是", "否", "無", "-"
UNDEFINED = "未定義"
ACRONYMS = {
    "f1": "F1 分數",
    "auc": "AUC",
    "mse": "均方誤差",
    "rmse": "均方根誤差",
    "mae": "平均絕對誤差",
    "r2": "R²",
    "deviance": "離差",
    "d2": "D²",
    "accuracy": "準確率",
    "balanced_accuracy": "平衡準確率",
    "average_precision": "平均精確率",
    "log_loss": "對數損失",
    "precision": "精確率",
    "recall": "召回率",
    "loss": "損失",
    "learning_rate": "學習率",
    "batch_size": "批次大小",
    "epochs": "週期",
    "seed": "亂數種子",
    "repeats": "重複次數",
    "budget": "工作量",
    "depths": "深度",
    "width": "寬度",
    "widths": "寬度",
    "hidden": "隱藏層寬度",
    "images": "影像",
    "samples": "樣本",
    "steps": "步數",
    "momentum": "動量",
    "learning_rates_tried": "試過的學習率",
    "parameters": "參數",
    "passes": "計算次數",
    "activation": "激活函數",
    "iterations": "疊代次數",
    "tested_on": "測試樣本",
    "judged_on": "評估樣本",
    "probe_samples": "探針樣本",
}
"""Names that Chinese has a word for, and acronyms."""


def several(names: Sequence[str]) -> str:
    """a、b、c"""
    return "、".join(names) if names else NONE


def first_listed(shown: int, count: int) -> str:
    """How many rows of a list a table has, where these are not all."""
    return f"列出前 {shown:,} 個。" if shown < count else ""


def more(count: int) -> str:
    """At the end of a list that is cut: so many others."""
    return f"另外 {count:,} 個"


def counted(count: int, noun: str) -> str:
    """2 個週期"""
    return f"{count:,} 個{noun}"


def spoken(name: str) -> str:
    """A setting, a metric or a column for people: learning_rate is 學習率, rmse is 均方根誤差."""
    return ACRONYMS.get(name, name.replace("_", " "))


def logarithmic(name: str) -> str:
    """The name of an axis that is logarithmic."""
    return f"{name}（對數刻度）"


def duration(seconds: float) -> str:
    """4.1 秒, or 3 分 12 秒."""
    return f"{seconds:.1f} 秒" if seconds < 100 else f"{int(seconds // 60)} 分 {int(seconds % 60)} 秒"


def samples(count: int) -> str:
    """1,000 個樣本"""
    return counted(count, "樣本")


def neurons(count: int) -> str:
    """8 個神經元"""
    return counted(count, "神經元")


def output(k: int) -> str:
    """The name of one of several outputs."""
    return f"輸出 {k}"


def between(low: str, high: str) -> str:
    """0.21 到 0.34"""
    return f"{low} 到 {high}"


def recurring_day(day: RecurringDay) -> str:
    """December 25, 4th Thursday of November, 2 days before Easter"""
    if day.kind in _FEASTS:
        name, since = _FEASTS[day.kind], day.since_feast
        return f"{name}{'前' if since < 0 else '後'} {abs(since)} 天" if since else name
    month, first = day.first
    if day.kind == "weekday":
        name = f"星期{'一二三四五六日'[day.weekday]}"
        if day.nth:
            return f"{month} 月{'最後一' if day.nth < 0 else '第' + '一二三四'[day.nth - 1]}個{name}"
        last, end = day.last
        return f"{month} 月 {first} 日至 {last} 月 {end} 日的{name}"
    return f"{month} 月 {first} 日" + "（平日）" * (day.kind == "workday")
