"""Numbers, lists and names in English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.views.words.facts import percent as percent

from . import say

if TYPE_CHECKING:
    from chainrule.tables.recurring import RecurringDay

_MONTHS = say(
    (
        *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
        *("November", "December"),
    ),
    tuple(f"{month} 月" for month in range(1, 13)),
)
_WEEKDAYS = say(
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    tuple(f"星期{day}" for day in "一二三四五六日"),
)
_NTH = say(
    {-1: "last", 1: "1st", 2: "2nd", 3: "3rd", 4: "4th"},
    {-1: "最後一", 1: "第一", 2: "第二", 3: "第三", 4: "第四"},
)
_FEASTS = {"easter": say("Easter", "復活節"), "moon": say("the lunar new year", "農曆新年")}
YES, NO, NONE, NOTHING = say(("yes", "no", "none", "-"), ("是", "否", "無", "-"))
UNDEFINED = say("undefined", "未定義")
ACRONYMS = say(
    {
        **{"f1": "F1", "auc": "AUC", "mse": "MSE", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "d2": "D²"},
        **{"integrated_brier": "integrated Brier score", "d_calibration": "D-calibration (p)"},
    },
    {
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
        "rank_error": "名次誤差",
        "integrated_brier": "積分 Brier 分數",
        "concordance": "一致性指標",
        "d_calibration": "D 校準（p）",
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
    },
)


def several(names: Sequence[str]) -> str:
    """a, b and c"""
    return (
        say(" and ".join(filter(None, (", ".join(names[:-1]), names[-1]))), "、".join(names))
        if names
        else NONE
    )


def first_listed(shown: int, count: int) -> str:
    """How many rows of a list a table has, where these are not all."""
    return say(f"The first {shown:,} are listed.", f"列出前 {shown:,} 個。") if shown < count else ""


def more(count: int) -> str:
    """At the end of a list that is cut: so many others."""
    return say(f"{count:,} more", f"另外 {count:,} 個")


def counted(count: int, noun: str) -> str:
    """1 epoch, 2 epochs"""
    return say(f"{count:,} {noun}{'s' * (count != 1)}", f"{count:,} 個{noun}")


def spoken(name: str) -> str:
    """The display name of a setting, a metric or a column: learning_rate is learning rate, rmse is RMSE."""
    return ACRONYMS.get(name, name.replace("_", " "))


def logarithmic(name: str) -> str:
    """The name of a logarithmic axis."""
    return say(f"{name} (logarithmic)", f"{name}（對數刻度）")


def duration(seconds: float) -> str:
    """4.1 s, or 3 min 12 s."""
    return (
        say(f"{seconds:.1f} s", f"{seconds:.1f} 秒")
        if seconds < 100
        else say(
            f"{int(seconds // 60)} min {int(seconds % 60)} s",
            f"{int(seconds // 60)} 分 {int(seconds % 60)} 秒",
        )
    )


def samples(count: int) -> str:
    """1 sample, 1,000 samples"""
    return counted(count, say("sample", "樣本"))


def neurons(count: int) -> str:
    """8 neurons"""
    return say(f"{count} neurons", counted(count, "神經元"))


def output(k: int) -> str:
    """The name of one of several outputs."""
    return say(f"output {k}", f"輸出 {k}")


def between(low: str, high: str) -> str:
    """0.21 to 0.34"""
    return say(f"{low} to {high}", f"{low} 到 {high}")


def recurring_day(day: RecurringDay) -> str:
    """December 25, 4th Thursday of November, 2 days before Easter"""
    if day.kind in _FEASTS:
        name, since = _FEASTS[day.kind], day.since_feast
        return (
            say(
                f"{counted(abs(since), 'day')} {'before' if since < 0 else 'after'} {name}",
                f"{name}{'前' if since < 0 else '後'} {abs(since)} 天",
            )
            if since
            else name
        )
    first, last = (
        _MONTHS[month - 1] + say(f" {of_month}", f" {of_month} 日")
        for month, of_month in (day.first, day.last)
    )
    if day.kind != "weekday":
        return first + say(" on a weekday", "（平日）") * (day.kind == "workday")
    name, month = _WEEKDAYS[day.weekday], _MONTHS[day.first[0] - 1]
    if day.nth:
        return say(f"{_NTH[day.nth]} {name} of {month}", f"{month}{_NTH[day.nth]}個{name}")
    return say(f"{name} from {first} to {last}", f"{first}至 {last}的{name}")
