"""Words about the columns that an answer comes from."""

from __future__ import annotations

from chainrule.views.words.facts import FEW_DIGITS, alike, set_off
from chainrule.views.words.facts import amount as amount

from . import say
from .phrases import counted

HEADS = say(("column", "cell", "typical", "effect"), ("欄位", "儲存格", "典型值", "影響"))
MISSING = say("missing", "缺失")
CELL = say("cell: low to high", "儲存格：由低到高")
RAISES, LOWERS = say(("raises", "lowers"), ("提高", "降低"))


def subject(output: str, label: object, target: str | None) -> str:
    """What an answer is: price, output 1, the probability of yes, the log-odds that churn is yes."""
    if output == "number":
        name = target or say("the answer", "答案")
        return name if label is None else say(f"{name}, output {label}", f"{name}（輸出 {label}）")
    quantity = say("the probability", "機率") if output == "probability" else say("the log-odds", "對數勝算")
    return (
        say(f"{quantity} of {label}", f"「{label}」的{quantity}")
        if target is None
        else say(f"{quantity} that {target} is {label}", f"「{target}」為「{label}」的{quantity}")
    )


def change(output: str, value: float, places: int | None) -> str:
    """The size of a difference of answers as text: 12.3, or 4.10 points of a probability in percent."""
    return say(
        _size_of(output, value, places) + (" points" if output == "probability" else ""),
        _size_of(output, value, places) + (" 個百分點" if output == "probability" else ""),
    )


def _size_of(output: str, value: float, places: int | None) -> str:
    """The size of a difference of answers: probabilities in percent, and a digit of what would be 0."""
    size = 100 * abs(value) if output == "probability" else abs(value)
    rounded = alike([size], places, FEW_DIGITS)[0]
    return rounded if float(rounded.replace(",", "")) else f"{size:.1g}"


def headline(subject: str, answer: str, base: str, typical: bool, rows: int) -> str:
    """The answer for a row, and that for what it is compared with."""
    first = subject[0].upper() + subject[1:] if subject.startswith("the ") else subject
    against = (
        say("for a typical row", "典型的一列")
        if typical
        else say(f"on average over {counted(rows, 'reference row')}", f"{rows:,} 個參考列的平均")
    )
    return say(
        f"{first} is {answer}; {against} it is {base}. The difference comes from:",
        f"{set_off(subject).lstrip()}是 {answer}；{against}是 {base}。差別來自：",
    )


def effect(column: str, cell: str, typical: str | None, change: str, raises: bool) -> str:
    """What a column does to an answer. typical: its cell in the typical row."""
    usual = "" if typical is None else say(f" (typical: {typical})", f"（典型值：{typical}）")
    return say(
        f"{column} {cell}{usual} {RAISES if raises else LOWERS} it by {change}",
        f"{column} {cell}{usual}使它{RAISES if raises else LOWERS} {change}",
    )


def no_effect(columns: int) -> str:
    """What is said where no column makes a difference."""
    return say(
        f"none of the {counted(columns, 'column')}: they are as in the typical row, or change nothing",
        f"{columns:,} 個欄位都沒有造成差別：與典型的一列相同，或不影響答案",
    )


def others(count: int, change: str, raises: bool) -> str:
    """What the columns do that are not listed."""
    which = "1 other column" if count == 1 else f"{count:,} other columns together"
    verb = (RAISES if raises else LOWERS).removesuffix("" if count == 1 else "s")
    return say(
        f"{which} {verb} it by {change}",
        f"其他 {count:,} 個欄位合計使它{RAISES if raises else LOWERS} {change}",
    )


def other_columns(count: int) -> str:
    """The name of the columns that are not listed."""
    return say(f"{count:,} other{'s' * (count != 1)}", f"其他 {count:,} 個")


def adds_up(error: float) -> str:
    """What is said of the sum."""
    return say(
        "The effects add up to the whole difference" + (f" (off by {error:.0e})" if error else "") + ".",
        "各個影響加起來就是全部的差別" + (f"（相差 {error:.0e}）" if error else "") + "。",
    )


def of_row(subject: str, row: int, rows: int) -> str:
    """The title of bars of one row."""
    return say(
        f"Why: {subject}" + (f", row {row}" if rows > 1 else ""),
        f"原因：{subject}" + (f"，第 {row} 列" if rows > 1 else ""),
    )


def of_rows(subject: str) -> str:
    """The title of the points of all rows."""
    return say(f"What moves {subject}", f"哪些因素影響{set_off(subject).rstrip()}")


def depends(column: str) -> str:
    """The title of effects over cells."""
    return say(f"Effect of {column}", f"{column} 的影響")


def axis(output: str) -> str:
    """The axis of effects."""
    unit = say(
        {"probability": ", points", "log_odds": ", in log-odds"}.get(output, ""),
        {"probability": "（百分點）", "log_odds": "（對數勝算）"}.get(output, ""),
    )
    return say(f"effect on the answer{unit}", f"對答案的影響{unit}")


def several_subjects(output: str) -> str:
    """What is explained where rows have different classes."""
    return (
        say("the probability of the predicted class", "預測類別的機率")
        if output == "probability"
        else say("the log-odds of the predicted class", "預測類別的對數勝算")
    )


def point(column: str) -> str:
    """What the pointer shows of a row's point: texts and numbers as the figure's template has them."""
    return say(
        f"{column} %{{customdata[0]}}<br>effect %{{x:+.4g}}<br>row %{{customdata[1]}}",
        f"{column} %{{customdata[0]}}<br>影響 %{{x:+.4g}}<br>第 %{{customdata[1]}} 列",
    )


def dependence_point(column: str) -> str:
    """What the pointer shows of a row's point over its cell."""
    return say(
        f"{column} %{{customdata[0]}}<br>effect %{{y:+.4g}}<br>row %{{customdata[1]}}",
        f"{column} %{{customdata[0]}}<br>影響 %{{y:+.4g}}<br>第 %{{customdata[1]}} 列",
    )


LOSSES = {
    "rmse": say("RMSE", "均方根誤差"),
    "pinball": say("pinball loss", "分位數損失"),
    "log_loss": say("log loss", "對數損失"),
}
"""What is measured, by its code."""
IMPORTANCE, IMPORTANCE_HEADS = (
    say("Which columns matter", "哪些欄位重要"),
    say(("column", "importance", "low", "high"), ("欄位", "重要性", "下限", "上限")),
)
ICE, MEAN = say(("single rows", "mean over the rows"), ("個別的列", "各列的平均"))
PAIR_HEADS = say(("column", "column", "joint effect"), ("欄位", "欄位", "共同影響"))
JOINT = say("Joint effects of two columns", "兩個欄位的共同影響")


SLOPE_HEADS = say(("column", "cell", "change"), ("欄位", "儲存格", "變化"))


def slopes(subject: str, answer: str) -> str:
    """The answer for a row, above its changes with each column."""
    first = subject[0].upper() + subject[1:] if subject.startswith("the ") else subject
    unit = say(", in points", "（百分點）") if answer.endswith("%") else ""
    change = "By one unit more of a column, or by the cell instead of the typical one, it changes"
    return say(
        f"{first} is {answer}. {change}{unit}:",
        f"{set_off(subject).lstrip()}是 {answer}。欄位每多一個單位，或以這個儲存格取代典型值時的變化{unit}：",
    )


def instead(cell: str, typical: str) -> str:
    """A cell that is compared with the typical one."""
    return say(f"{cell}, not {typical}", f"{cell}，而非 {typical}")


def a_day(change: str) -> str:
    """A change by one day."""
    return say(f"{change} a day", f"每天 {change}")


def grows(loss: str, is_score: bool) -> str:
    """The axis of importances."""
    return (
        say(f"fall of {loss}", f"{loss} 的降低")
        if is_score
        else say(f"growth of the {LOSSES[loss]}", f"{LOSSES[loss]}的增加")
    )


def importance(
    loss: str, is_score: bool, base: str, rows: int, repeats: int, level: float, groups: int | None
) -> str:
    """What importances are. base: the loss or the score, as text.  groups: whose rows count as one; None without."""
    named, changes = (
        (say(loss, f" {loss}"), say("falls", "降低"))
        if is_score
        else (say(f"the {LOSSES[loss]}", LOSSES[loss]), say("grows", "增加"))
    )
    as_one = (
        say(
            f", in which the rows of each of {counted(groups, 'group')} count as one",
            f"（{groups:,} 個群組，同一群組的列視為一個）",
        )
        if groups
        else ""
    )
    return say(
        f"By how much {named} ({base} over {counted(rows, 'row')}) {changes} where the cells of one column are "
        f"shuffled, the mean of {counted(repeats, 'shuffle')}, with its {100 * level:g} % interval{as_one}. A column "
        "that says what another says too seems to matter less than it does.",
        f"把一個欄位的儲存格打亂之後，{named}（{rows:,} 列為 {base}）{changes}多少，"
        f"取 {repeats:,} 次的平均，並附 {100 * level:g} % 信賴區間{as_one}。"
        "若另一個欄位有相同的資訊，這個欄位看起來會沒有實際上那麼重要。",
    )


def curve(column: str) -> str:
    """The title of a curve."""
    return say(f"The answer as {column} changes", f"{column} 改變時的答案")


def answer_axis(output: str) -> str:
    """The axis of answers."""
    return say(
        {"probability": "probability", "log_odds": "log-odds"}.get(output, "answer"),
        {"probability": "機率", "log_odds": "對數勝算"}.get(output, "答案"),
    )


def middle(share: float) -> str:
    """The name of the range of a column's middle."""
    return say(f"middle {100 * share:g} % of the rows", f"中間 {100 * share:g} % 的列")


def pair(output: str) -> str:
    """What a cell of joint effects is."""
    return axis(output).replace(
        say("effect on the answer", "對答案的影響"), say("mean joint effect", "平均的共同影響")
    )


def most_important(shown: int, shuffled: int, columns: int) -> str:
    """How many of the columns are shown, of those that were shuffled; nothing where these are all."""
    if shuffled < columns:
        first = (
            say("The", "")
            if shown == shuffled
            else say(f"The {shown} most important of the", f"其中最重要的 {shown} 個。")
        )
        return say(
            f"{first} {counted(shuffled, 'column')} with the largest effects, of {columns:,}.",
            f"{columns:,} 個欄位中，只打亂影響最大的 {shuffled:,} 個。{first}",
        )
    return (
        say(
            f"The {shown} most important of {columns:,} columns.",
            f"最重要的 {shown} 個欄位，共 {columns:,} 個。",
        )
        if shown < columns
        else ""
    )


def points(rows: int) -> str:
    """What the points of all rows are."""
    return say(
        f"Each point is one of {counted(rows, 'row')} that the network was not trained on: how much its cell raises or "
        "lowers the answer, compared with a typical row.",
        f"每個點是網路沒有學過的 {rows:,} 列之一：與典型的一列相比，這個儲存格使答案提高或降低多少。",
    )
