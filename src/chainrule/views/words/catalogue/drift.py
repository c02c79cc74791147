"""Words about whether later rows look like those of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import say
from .phrases import counted, several

TITLE = say("Do these rows look like those of training?", "這些資料列與訓練時相似嗎？")
HEADS = say(
    ("column", "changed", "distance", "p", "missing before", "missing now", "beyond", "unknown"),
    ("欄位", "改變", "距離", "p", "先前缺漏", "現在缺漏", "超出範圍", "未知"),
)
DRIFTED, MORE_MISSING = say(("values", "more missing"), ("值", "缺漏變多"))
BY_COLUMN, DISTANCE_AXIS = say(
    ("Drift by column", "distance from training, 0 to 1"), ("各欄位的變動", "與訓練資料的距離，0 到 1")
)
CHANGED, UNCHANGED = say(("changed", "not changed"), ("有改變", "沒有改變"))


def column_told() -> str:
    """What the pointer shows of a column: its name, the distance and p, missing values, beyond and unknown."""
    parts = say(
        (
            "distance %{customdata[1]}, p %{customdata[2]}",
            "missing %{customdata[3]}, now %{customdata[4]}",
        ),
        ("距離 %{customdata[1]}，p %{customdata[2]}", "缺漏 %{customdata[3]}，現在 %{customdata[4]}"),
    )
    return "<br>".join(
        (
            "%{customdata[0]}",
            *parts,
            say(
                "%{customdata[5]} beyond the range, %{customdata[6]} unknown",
                "%{customdata[5]} 個超出範圍，%{customdata[6]} 個未知",
            ),
        )
    )


HOW_TO_READ = say(
    "The bar is the largest difference of both distribution functions; of categories it is half of the sum of the "
    "differences of their shares: 0 for the same, 1 for nothing in common. A diamond is how much the share of "
    "missing values grew. What changed is decided by tests that are corrected for the number of columns, since a "
    "distance of few rows is large by chance. Dates have no bar: they are later by their nature.",
    "長條是兩個分布函數的最大差距；類別則是各類別比例之差的總和的一半：0 表示相同，1 表示毫無共同之處。"
    "菱形是缺漏比例增加了多少。列數少時距離偶然也會大，所以是否改變由檢定決定，並依欄位數目校正。"
    "日期沒有長條：日期本來就會比較晚。",
)
"""How the figure is read."""
HOW_COUNTED = say(
    "Distance: 0 for the same distribution, 1 for nothing in common. p: how probable so large a distance is by chance. "
    "Beyond: numbers outside of the range of training. Unknown: categories that training did not have.",
    "距離：0 表示分布相同，1 表示毫無共同之處。p：僅因偶然而有這麼大的距離的機率。"
    "超出範圍：在訓練資料的範圍之外的數值個數。未知：訓練資料沒有的類別的個數。",
)
"""What the columns of the table are."""


def summary(rows: int, columns: int, changed: Sequence[str]) -> str:
    """How many columns have changed, and which."""
    if not changed:
        return say(
            f"{counted(rows, 'row')}: none of {counted(columns, 'column')} has changed.",
            f"{rows:,} 列：{columns:,} 個欄位都沒有改變。",
        )
    return say(
        f"{counted(rows, 'row')}: {len(changed):,} of {counted(columns, 'column')} changed: {several(changed)}.",
        f"{rows:,} 列：{columns:,} 個欄位中有 {len(changed):,} 個改變：{several(changed)}。",
    )


def strange(count: int, rows: int, shown: Mapping[tuple[str, ...], Sequence[int]]) -> str:
    """How many rows have a value like none of training, and the first of them by the columns that have it."""
    listed = [
        say(
            f"{', '.join(map(str, some))} ({several(names)})",
            f"{'、'.join(map(str, some))}（{several(names)}）",
        )
        for names, some in shown.items()
    ]
    others = count - sum(map(len, shown.values()))
    first = say("; ", "；").join(listed)
    if others > 0:
        first += say(f" and {others:,} more", f" 等 {count:,} 列")
    return say(
        f"{count:,} of {counted(rows, 'row')} look{'s' * (count == 1)} like nothing in training: {first}.",
        f"{rows:,} 列中有 {count:,} 列與訓練時的任何資料都不像：{first}。",
    )
