"""Words about what a fit notices of its table by itself."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from chainrule.views.words.facts import LEAST_NOTICED_SHIFT, NOTICED_COLUMNS
from chainrule.views.words.zh.phrases import several, spoken

if TYPE_CHECKING:
    from chainrule.trust.notice import Notice

TITLE = "訓練時注意到的事"
NOTHING = "訓練時沒有在表格中注意到什麼。"
HEADS = ("注意到", "欄位", "有", "沒有", "該傳入什麼")
KINDS = {
    "target": "洩漏目標",
    "row_number": "資料列的編號",
    "repeated": "相同的資料列",
    "groups": "資料列彼此相關",
    "time": "依時間排列",
    "order": "相鄰的資料列相似",
}


def score(name: str, value: float) -> str:
    """A score with its name: R² 0.91."""
    return f"{spoken(name)} {value:.3f}"


def sentence(notice: Notice, to: str = "fit") -> str:
    """What was noticed, what it does to a score, and what to do. to: a "fit", the "command", or the studio's "form"."""
    names = several([repr(name) for name in notice.columns[:NOTICED_COLUMNS]])
    with_it, without = score(notice.score, notice.score_with), f"{notice.score_without:.3f}"
    advice = {"fit": to_pass, "command": options, "form": fields}[to](notice)
    if to != "form":
        advice = f"請傳入 {advice}"
    if notice.what == "target":
        alone = f"，單獨就能解釋其 {100 * notice.figure:.1f} %" if len(notice.columns) == 1 else ""
        where = f"在有值的 {100 * notice.share:.1f} % 資料列中" if notice.share < 1 else ""
        return (
            f"欄位 {names} {where}幾乎洩漏了目標{alone}：小型模型有它時 {with_it}，沒有時 {without}；"
            f"若預測時還不知道它的值，{advice}。"
        )
    if notice.what == "row_number":
        return (
            f"欄位 {names} 只是資料列的編號，對其他資料列毫無意義：小型模型有它時 {with_it}，沒有時 {without}；"
            f"若要略過它，{advice}。"
        )
    if notice.what == "repeated":
        return (
            f"{100 * notice.figure:.0f} % 的資料列與另一列的輸入相同：小型模型訓練時看過相同的列時 {with_it}，沒看過時 "
            f"{without}；若相同的列屬於同一個人或同一件東西，{advice}。"
        )
    if notice.what == "groups":
        return (
            f"{names} 相同的資料列彼此相似：小型模型訓練時看過同一個 {names} 的其他列時 {with_it}，沒看過時 {without}；"
            f"若要預測新的，{advice}。"
        )
    lead = f"依 {names} 相鄰的資料列" if notice.columns else "表格中相鄰的資料列"
    drift = ""
    if abs(notice.shift) >= LEAST_NOTICED_SHIFT:
        drift = f"，而且目標的平均從最前面的五分之一到這裡移動了 {notice.shift:+.1f} 個標準差"
    last = "最後五分之一的時間" if notice.columns else "最後五分之一的資料列"
    when = "若要預測更晚的資料" if notice.columns else "若資料列依時間排列"
    return (
        f"{lead}目標相似：在{last}中，小型模型若看過其中一部分則 {with_it}，若只看過之前的則 {without}{drift}；{when}，"
        f"{advice}。"
    )


def to_pass(notice: Notice) -> str:
    """The arguments that make a fit heed what was noticed."""
    if notice.what in ("target", "row_number"):
        dropped = ", ".join(f"{name!r}: 'drop'" for name in notice.columns[:NOTICED_COLUMNS])
        return f"preprocess=TablePreprocessor(kinds={{{dropped}}})"
    if notice.what == "repeated":
        return "fit(groups=...)，指出每一列屬於誰"
    if notice.what == "groups":
        return f"fit(groups={notice.columns[0]!r})"
    if notice.what == "time":
        return f"fit(time={notice.columns[0]!r})"
    return "fit(time=range(len(X)))；若相鄰的列屬於同一個人或同一件東西，則傳入 fit(groups=...)"


def options(notice: Notice) -> str:
    """The options of the command that do the same."""
    if notice.what in ("target", "row_number"):
        return f"--exclude-columns {shlex.quote(','.join(notice.columns))}"
    if notice.what == "repeated":
        return "--groups 與指出每一列屬於誰的欄位"
    if notice.what in ("groups", "time"):
        return f"--{notice.what} {shlex.quote(notice.columns[0])}"
    return "--time 與時間的欄位；若相鄰的列屬於同一個人或同一件東西，則傳入 --groups"


def fields(notice: Notice) -> str:
    """The fields of the studio's form that do the same."""
    if notice.what in ("target", "row_number"):
        return f"請略過 {several([repr(name) for name in notice.columns])}"
    if notice.what == "repeated":
        return "請把「組別」設為指出每一列屬於誰的欄位"
    if notice.what in ("groups", "time"):
        return f"請把「{'組別' if notice.what == 'groups' else '時間'}」設為 {notice.columns[0]!r}"
    return "請把「時間」設為時間的欄位；若相鄰的列屬於同一個人或同一件東西，則設定「組別」"
