"""Words about what a fit notices of its table by itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.views.words.facts import LEAST_NOTICED_SHIFT, NOTICED_COLUMNS

from . import say
from .phrases import several, spoken

if TYPE_CHECKING:
    from chainrule.trust.notice import Notice

TITLE = say("What the fit noticed", "訓練時注意到的事")
NOTHING = say("The fit noticed nothing about the table.", "訓練時沒有在表格中注意到什麼。")
HEADS = say(
    ("noticed", "column", "with it", "without it", "what to pass"),
    ("注意到", "欄位", "有", "沒有", "該傳入什麼"),
)
KINDS = {
    "target": say("knows the target", "洩漏目標"),
    "row_number": say("numbers the rows", "資料列的編號"),
    "repeated": say("equal rows", "相同的資料列"),
    "groups": say("rows belong together", "資料列彼此相關"),
    "time": say("in order of time", "依時間排列"),
    "order": say("neighbors are alike", "相鄰的資料列相似"),
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
        advice = say(f"pass {advice}", f"請傳入 {advice}")
    if notice.what == "target":
        is_one, is_part = len(notice.columns) == 1, notice.share < 1
        they = "it" if is_one else "they"
        given = f"column {names} nearly gives" if is_one else f"columns {names} nearly give"
        rows = f"{100 * notice.share:.1f} %"
        where = say(
            f" in the {rows} of the rows where {they} {'has' if is_one else 'have'} a value",
            f"在有值的 {rows} 資料列中",
        )
        explained = f"{100 * notice.figure:.1f} %"
        alone = say(
            f": alone it explains {explained} of it{' there' * is_part}",
            f"，單獨就能解釋其 {explained}",
        )
        where, alone = where * is_part, alone * is_one
        return say(
            f"{given} the target away{where}{alone}, and a small model has {with_it} with "
            f"{_it(notice.columns)} and {without} without; if {they} would not be known when predicting, {advice}.",
            f"欄位 {names} {where}幾乎洩漏了目標{alone}：小型模型有它時 {with_it}，沒有時 {without}；"
            f"若預測時還不知道它的值，{advice}。",
        )
    if notice.what == "row_number":
        return say(
            f"column {names} numbers the rows, which says nothing about other rows: a small model has {with_it} with "
            f"it and {without} without; to leave it out, {advice}.",
            f"欄位 {names} 只是資料列的編號，對其他資料列毫無意義：小型模型有它時 {with_it}，沒有時 {without}；"
            f"若要略過它，{advice}。",
        )
    if notice.what == "repeated":
        return say(
            f"{100 * notice.figure:.0f} % of the rows have the same inputs as another row: a small model has {with_it} "
            f"on rows whose equals it was trained on, and {without} on others; if equal rows are of one person or "
            f"thing, {advice}.",
            f"{100 * notice.figure:.0f} % 的資料列與另一列的輸入相同：小型模型訓練時看過相同的列時 {with_it}，沒看過時 "
            f"{without}；若相同的列屬於同一個人或同一件東西，{advice}。",
        )
    if notice.what == "groups":
        return say(
            f"rows with the same {names} are alike: a small model has {with_it} where it was trained on other rows of "
            f"the same {names}, and {without} where it was not; if it is to predict new ones, {advice}.",
            f"{names} 相同的資料列彼此相似：小型模型訓練時看過同一個 {names} 的其他列時 {with_it}，沒看過時 {without}；"
            f"若要預測新的，{advice}。",
        )
    lead = say(
        f"rows near each other in {names}"
        if names and notice.columns
        else "rows near each other in the table",
        f"依 {names} 相鄰的資料列" if notice.columns else "表格中相鄰的資料列",
    )
    drift = ""
    if abs(notice.shift) >= LEAST_NOTICED_SHIFT:
        drift = say(
            f", and the target's mean moves by {notice.shift:+.1f} standard deviations from the first fifth to it",
            f"，而且目標的平均從最前面的五分之一到這裡移動了 {notice.shift:+.1f} 個標準差",
        )
    last = (
        say("the last fifth of the time", "最後五分之一的時間")
        if notice.columns
        else say("the last fifth of the rows", "最後五分之一的資料列")
    )
    when = (
        say("if it is to predict what comes later", "若要預測更晚的資料")
        if notice.columns
        else say("if they are in order of time", "若資料列依時間排列")
    )
    return say(
        f"{lead} have similar targets: on {last} a small model has {with_it} if it was trained on some of it, and "
        f"{without} if only on what is before{drift}; {when}, {advice}.",
        f"{lead}目標相似：在{last}中，小型模型若看過其中一部分則 {with_it}，若只看過之前的則 {without}{drift}；{when}，"
        f"{advice}。",
    )


def _it(columns: Sequence[str]) -> str:
    return "it" if len(columns) == 1 else "them"


def to_pass(notice: Notice) -> str:
    """The arguments that make a fit heed what was noticed."""
    if notice.what in ("target", "row_number"):
        dropped = ", ".join(f"{name!r}: 'drop'" for name in notice.columns[:NOTICED_COLUMNS])
        return f"preprocess=TablePreprocessor(kinds={{{dropped}}})"
    if notice.what == "repeated":
        return say("fit(groups=...) with what each row is of", "fit(groups=...)，指出每一列屬於誰")
    if notice.what == "groups":
        own = f"X.groupby({list(notice.columns)}).ngroup()"  # of a frame of pandas
        return f"fit(groups={notice.columns[0]!r})" if len(notice.columns) == 1 else f"fit(groups={own})"
    if notice.what == "time":
        return f"fit(time={notice.columns[0]!r})"
    return say(
        "fit(time=range(len(X))), or fit(groups=...) if neighbors are of one person or thing",
        "fit(time=range(len(X)))；若相鄰的列屬於同一個人或同一件東西，則傳入 fit(groups=...)",
    )


def options(notice: Notice) -> str:
    """The options of the command that do the same."""
    if notice.what in ("target", "row_number"):
        return f"--exclude-columns {shlex.quote(','.join(notice.columns))}"
    if notice.what == "repeated" or notice.columns[1:]:
        return say("--groups with the column of what each row is of", "--groups 與指出每一列屬於誰的欄位")
    if notice.what in ("groups", "time"):
        return f"--{notice.what} {shlex.quote(notice.columns[0])}"
    return say(
        "--time with a column of times, or --groups if neighbors are of one person or thing",
        "--time 與時間的欄位；若相鄰的列屬於同一個人或同一件東西，則傳入 --groups",
    )


def fields(notice: Notice) -> str:
    """The fields of the studio's form that do the same."""
    if notice.what in ("target", "row_number"):
        return say(
            f"leave {several([repr(name) for name in notice.columns])} out",
            f"請略過 {several([repr(name) for name in notice.columns])}",
        )
    if notice.what == "repeated" or notice.columns[1:]:
        return say(
            "set Groups to the column of what each row is of", "請把「組別」設為指出每一列屬於誰的欄位"
        )
    if notice.what in ("groups", "time"):
        return say(
            f"set {'Groups' if notice.what == 'groups' else 'Time'} to {notice.columns[0]!r}",
            f"請把「{'組別' if notice.what == 'groups' else '時間'}」設為 {notice.columns[0]!r}",
        )
    return say(
        "set Time to a column of times, or Groups if neighbors are of one person or thing",
        "請把「時間」設為時間的欄位；若相鄰的列屬於同一個人或同一件東西，則設定「組別」",
    )
