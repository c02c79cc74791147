"""Words about smaller models: one network in place of an average, and integers in place of floating point."""

from __future__ import annotations

from chainrule.views.words.zh.phrases import duration, percent

DISTILLED = "以一個網路代替平均"
COST_HEADS = ("", "老師", "學生")
NETWORKS, FILE, SECONDS = "網路數", "檔案，位元組", "1,000 列，毫秒"
LOG_LOSS, RMSE = "對數損失", "RMSE"
INT8 = "8 位元整數的影響"
LAYER_HEADS = ("層", "數值", "誤差", "超出兩端", "用到的整數")
CLASS_HEADS = ("類別", "列數", "類別不變", "機率相差", "其餘多半變成")
COLUMN_HEADS = ("欄位", "一個整數，以標準差計", "答案相差")


def learning(run: str) -> str:
    """What is about to be trained."""
    return f"一個網路學習 {run} 的各網路對其資料列以及其間各列的答案。"


def written(path: str) -> str:
    """Where it is."""
    return f"已寫入 {path}"


def learned(own: int, between: int, seconds: float) -> str:
    """What the student has learned."""
    return f"學生學了老師對 {own:,} 列以及其間 {between:,} 列的答案，用時 {duration(seconds)}。"


def agreement(judged: int, difference: float, same: float | None, is_new: bool) -> str:
    """How far both are apart."""
    rows = f"{judged:,} 列新資料" if is_new else f"學生沒有學過的 {judged:,} 列"
    if same is None:
        return f"在 {rows}上，兩者的答案相差 {difference:.3f} 個標準差。"
    return f"在 {rows}上，{percent(same)} 的最可能類別相同；機率相差 {difference:.4f}。"


def of_integers(rows: int, difference: float, is_classes: bool) -> str:
    """How far the answers are from the exact ones."""
    what = "機率平均相差" if is_classes else "答案平均相差（以標準差計）"
    return f"在 {rows:,} 列上，{what} {difference:.2g}。"


def for_chips(ranged: int) -> str:
    """What the integers are for, and where their ranges come from."""
    return (
        "小型晶片以 8 位元整數計算，chainrule export --c --dtype int8 就是這樣寫出的。"
        f"整數的範圍取自 {ranged:,} 列訓練資料。"
    )


def how(of_columns: bool) -> str:
    """How the tables are read. of_columns: whether there is one of columns."""
    layers = "一層的誤差是其結果的誤差，以結果的大小為單位；有數個網路時取最大的。"
    if not of_columns:
        return layers
    return f"{layers}每個欄位在第一個稠密層讀取處單獨取整；它改變的是答案的平均差距。"
