"""Words about tables: their columns, and runs on them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from chainrule.views.words.facts import set_off

from . import say
from .phrases import counted, spoken

HEADS = say(
    ("column", "taken for", "because", "missing", "categories", "becomes"),
    ("欄位", "當成", "原因", "缺漏", "類別數", "變成"),
)
KINDS = {
    "number": say("number", "數字"),
    "boolean": say("boolean", "布林"),
    "category": say("category", "類別"),
    "date": say("date", "日期"),
    "duration": say("duration", "時間長度"),
}
WHYS = {
    "numbers": say("its values are numbers", "值是數字"),
    "text_numbers": say("its text reads as numbers", "文字可讀成數字"),
    "booleans": say("its values are true or false", "值是真或假"),
    "texts": say("its values are text", "值是文字"),
    "dates": say("its values are dates", "值是日期"),
    "text_dates": say("its text reads as dates or times", "文字可讀成日期或時間"),
    "durations": say("its values are durations", "值是時間長度"),
    "asked": say("it was asked for", "依照指定"),
    "declared": say("its type is of categories", "型別就是類別"),
    "code_texts": say("its text is of whole numbers that come again", "文字是重複出現的整數"),
    "mostly_numbers": say("its text reads as numbers but for some words", "文字可讀成數字，少數文字例外"),
    "all_missing": say("every value is missing", "每個值都缺漏"),
    "constant": say("every value is the same", "每個值都相同"),
    "near_constant": say("nearly every value is the same", "幾乎每個值都相同"),
    "every_value_differs": say("no text occurs twice", "沒有文字出現兩次"),
    "identifier": say("it numbers the rows", "它只是資料列的編號"),
}
_OF_TABLES = {
    "header": "{name}：欄位名稱在第 {row} 列，略過上方 {above} 列。",
    "years": "{name}：欄位名稱在第 {row} 列，年份 {first} 到 {last} 視為欄位名稱。",
    "no_header": "{name}：表格沒有欄位名稱，從第 {row} 列開始，略過上方 {above} 列。",
    "sheet": "{name}：讀取工作表 {sheet}，不讀 {others}。",
    "minguo": "欄位 {column} 的日期（例如 '{example}'）以民國紀年讀取：{day}。若是其他曆法，請將年份寫成四位數。",
    "words": (
        "欄位 {column} 是數字，其中 {of} 列有 {rows} 列是文字（{texts}）：讀成數字，這些文字視為遺漏值。"
        "若全部都是代碼，請在 preprocess 傳入 TablePreprocessor(kinds={{{column}: 'category'}})。"
    ),
    "codes": (
        "欄位 {column} 是文字，內容為重複出現的整數（例如 '{example}'），視為類別。"
        "若是數量，請轉成數字，或在 preprocess 傳入 TablePreprocessor(kinds={{{column}: 'number'}})。"
    ),
    "marks": (
        "欄位 {column} 有 {rows} 列是 {marks}，遠離其他數字（{low} 到 {high}）：視為遺漏值。"
        "若與其他數字一樣是數字，請在 preprocess 傳入 TablePreprocessor(missing={{{column}: []}})。"
    ),
}


def decided(code: str, facts: Mapping[str, object], said: str) -> str:
    """What a read of a table decided, see `chainrule.errors.TableWarning`. said: the sentence of the warning."""
    return say(
        said.replace("pass TablePreprocessor", "fit in Python, with TablePreprocessor"),
        _OF_TABLES[code].format(**facts) if code in _OF_TABLES else said,
    )


def became(outcome: str, outputs: int, size: int, merged: int, days: Sequence[str] = ()) -> str:
    """What became of a column. days: the names of the recurring days, those that were found first at the beginning."""
    recurring = say(
        f", {counted(len(days), 'recurring day')} ({', '.join([*days[:3], *['…'] * (len(days) > 3)])})",
        f"，{len(days):,} 個每年重現的日子（{'、'.join([*days[:3], *['…'] * (len(days) > 3)])}）",
    )
    said = {
        "scaled": say(f"{counted(outputs, 'number')}", f"{outputs:,} 個數字"),
        "parts": say(
            f"{counted(outputs, 'number')}: days, year, cycles{recurring * bool(days)}",
            f"{outputs:,} 個數字：日、年與循環{recurring * bool(days)}",
        ),
        "binary": say("1 number: -1 or 1", "1 個數字：-1 或 1"),
        "one_hot": say(f"{counted(outputs, 'number')}: one-hot", f"{outputs:,} 個數字：每個類別一個"),
        "embedded": say(f"an embedding of {counted(size, 'number')}", f"{size:,} 個數字的嵌入向量"),
        "indicator": say("1 number: whether it is missing", "1 個數字：是否缺漏"),
        "dropped": say("dropped", "捨棄"),
    }[outcome]
    return say(
        said
        + (
            f", {counted(merged, 'rare category').replace('categorys', 'categories')} as one"
            if merged
            else ""
        ),
        said + (f"，{merged:,} 個罕見類別合為一個" if merged else ""),
    )


def missing(share: str, infinite: int, marks: Sequence[str]) -> str:
    """The share of missing values, how many of these were infinite, and the numbers that stand for others."""
    more = [
        *(say([f"{infinite:,} infinite"], [f"{infinite:,} 個無限大"]) if infinite else []),
        *(say(f"{mark} for missing", f"{mark} 代表遺漏值") for mark in marks),
    ]
    return say(f"{share} ({', '.join(more)})", f"{share}（{'，'.join(more)}）") if more else share


def totals(columns: int, dropped: int, outputs: int) -> str:
    """The sums of a table in one sentence."""
    left = say(f", {dropped:,} of them dropped", f"，捨棄其中 {dropped:,} 個") if dropped else ""
    return say(
        f"{counted(columns, 'column')}{left}; {counted(outputs, 'input')} for a network.",
        f"{columns:,} 個欄位{left}；網路有 {outputs:,} 個輸入。",
    )


COMPARISON, SECONDS = say(("Compared", "seconds"), ("比較", "秒"))
MODELS = {
    "network": say("this network", "這個網路"),
    "constant": say("always the same", "永遠相同的答案"),
    "linear": say("linear model", "線性模型"),
    "boosting": say("boosted trees", "梯度提升樹"),
    "kaplan_meier": say("the same curve for all (Kaplan-Meier)", "所有列共用一條曲線（Kaplan-Meier）"),
}
REASONS = {
    "asked": say(", as the loss asks", "，依損失函數的要求"),
    "few_whole_numbers": say(
        "; with --loss mean_squared_error a number", "；加上 --loss mean_squared_error 則當成數字"
    ),
}
"""What is added where the task could be another."""
MODELS_HEAD = say("model", "模型")
COLUMNS = say("The columns", "欄位")
CALIBRATION, CALIBRATED = say(("Are the probabilities right?", "as predicted"), ("機率準嗎？", "與預測相符"))
PREDICTED_SHARE, OBSERVED_SHARE = say(
    ("predicted probability", "share that came true"), ("預測的機率", "實際發生的比例")
)
INTERVALS = say("Intervals", "區間")
INSIDE, OUTSIDE = say(("inside", "outside"), ("區間內", "區間外"))
RESIDUALS, RESIDUAL = say(("Errors by prediction", "predicted - true"), ("各預測值的誤差", "預測 - 實際"))
PREDICTED = say("predicted", "預測")
ROW, TRUE, ERROR, PROBABILITY = say(("row", "true", "error", "probability"), ("列", "實際", "誤差", "機率"))


def more(columns: int) -> str:
    """How many columns are not shown."""
    return say(
        f"... and {counted(columns, 'column')} more; chainrule info lists all of a run's.",
        f"……還有 {columns:,} 個欄位；chainrule info 會列出全部。",
    )


def like_identifiers(names: Sequence[str]) -> str:
    """What is said of columns in which no two rows have the same whole number."""
    told = "has" if len(names) == 1 else "have"
    shown = say(
        ", ".join(names[:5]) + (", ..." if len(names) > 5 else ""),
        "、".join(names[:5]) + ("……" if len(names) > 5 else ""),
    )
    option = ",".join(f'"{name}"' if "," in name else name for name in names[:5])
    return say(
        f"{shown} {told} a different whole number in every row. A number that only tells rows apart, as an identifier "
        f"does, says nothing of others: exclude it with --exclude-columns {shlex.quote(option)}",
        f"{shown} 的整數每列都不同。識別碼這類只用來區分資料列的數字，對其他資料列沒有意義：請用 "
        f"--exclude-columns {shlex.quote(option)} 排除",
    )


def predicts(target: str, task: str) -> str:
    """The column to predict, and what it has."""
    return say(f"predicts {target}: {task}", f"預測 {target}：{task}")


def numbers(why: str) -> str:
    """What is predicted where the targets are numbers."""
    return say(f"a number (regression){REASONS.get(why, '')}", f"一個數字（迴歸）{REASONS.get(why, '')}")


def times(column: str, label: str, events: int, rows: int) -> str:
    """What is predicted of times to an event. column: the one that says whether it came.  label: its value then."""
    return say(
        f"when the event comes, which is {column} = {label!r}: {events:,} of {counted(rows, 'row')} have it, the "
        "others are censored",
        f"事件發生的時間，事件是 {column} =「{label}」：{rows:,} 列中有 {events:,} 列發生，其餘為設限資料",
    )


def classes(why: str, labels: Sequence[str]) -> str:
    """What is predicted where the targets are classes."""
    shown = say(
        ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else ""),
        "、".join(labels[:5]) + ("……" if len(labels) > 5 else ""),
    )
    return say(
        f"one of {len(labels)} classes (classification): {shown}{REASONS.get(why, '')}",
        f"{len(labels)} 個類別之一（分類）：{shown}{REASONS.get(why, '')}",
    )


def left_out(rows: int) -> str:
    """What becomes of the rows without a target."""
    return say(
        f"{counted(rows, 'row')} without a target {'is' if rows == 1 else 'are'} left out",
        f"{rows:,} 列沒有目標，略過",
    )


def held_out_by(names: Mapping[str, str], gap: float | str) -> str:
    """How the rows to test on were chosen, where rows are tied. names: the columns of the groups and of the time."""
    apart = say(f", at least {gap} apart", f"（至少相隔 {gap}）") if gap else ""
    later = (
        say(f"come later by {names['time']!r}{apart}", f"{names['time']!r} 較晚{apart}")
        if "time" in names
        else ""
    )
    other = (
        say(f"have other values of {names['groups']!r}", f"{names['groups']!r} 不同")
        if "groups" in names
        else ""
    )
    how = " and ".join(part for part in (other, later) if part)
    return say(
        f"The rows to test and to validate on {how} than those trained on.",
        f"測試與驗證的各列與訓練的各列相比，{'，而且 '.join(part for part in (other, later) if part)}。",
    )


def same_rows(rows: int, simplest: str = "constant") -> str:
    """What the simpler models learned from. simplest: the first of them."""
    if simplest == "kaplan_meier":
        return say(f": the curve of {rows:,} training rows", f"：{rows:,} 個訓練列的曲線")
    return say(
        f": scikit-learn's models, from {rows:,} rows of the same inputs",
        f"：scikit-learn 的模型，以相同輸入的 {rows:,} 列訓練",
    )


def compared(rows: int, groups: int | None, simplest: str = "constant") -> str:
    """What the table of models shows. groups: of the test rows; None where each row counts by itself."""
    if simplest == "kaplan_meier":
        return say(
            f"The same rows judge both. The same curve for all is the estimate of Kaplan and Meier from "
            f"{counted(rows, 'row')}.",
            f"兩者都以相同的資料列評估。共用的曲線是以 {rows:,} 列計算的 Kaplan-Meier 估計。",
        )
    of_groups = ""
    if groups is not None:
        of_groups = say(
            f" Whether a difference may be chance is judged by the means of {counted(groups, 'group')}, because "
            "rows of a group resemble each other.",
            f"差距是否可能只是偶然，以 {groups:,} 個群組各自的平均判斷，因為同一群組的列彼此相似。",
        )
    return say(
        f"The same rows judge all of them. Always the same: the mean, or the share of each class. Linear model: ridge "
        f"or logistic regression. Boosted trees: histogram gradient boosting. All three are scikit-learn's as they "
        f"come, and learned from {counted(rows, 'row')}.{of_groups}",
        "全部以相同的資料列評估。永遠相同的答案：平均值，或各類別的比例。線性模型：嶺迴歸或邏輯斯迴歸。梯度提升樹：以直方圖建成。"
        f"三者都是 scikit-learn 的預設設定，以 {rows:,} 列訓練。{of_groups}",
    )


def calibration(
    label: str | None, rows: int, bins: int, confidence: int, outside: int, error: str, chance: str
) -> str:
    """What the points of calibration show. label: the positive class; None for the predicted one."""
    of = (
        say("the class that was predicted", "預測類別")
        if label is None
        else say(f"class {label}", f"類別 {label} ")
    )
    if bins == 1:
        line = say("does not contain", "不含") if outside else say("contains", "包含")
        return say(
            f"The point is all {counted(rows, 'row')}, which are too few for several points: the mean probability of "
            f"{of}, and how often it came true, with its {confidence} % interval, which {line} the line on which both "
            f"are equal. They are {error} apart; with right probabilities it would be about {chance} by chance.",
            f"{rows:,} 列太少，不足以分成幾個點，因此只有一點：{of}的平均機率，以及實際發生的比例，並附 {confidence} % "
            "區間；"
            f"區間{line}兩者相等的那條線。兩者相差 {error}；即使機率完全正確，僅因偶然也約有 {chance}。",
        )
    parts = say(
        f"one of {bins} equal parts of {rows:,} rows",
        f"將 {rows:,} 列依{of}的機率排序，均分成 {bins} 份，每一點是其中一份",
    )
    off = (
        say(
            f"The intervals of {outside} of {counted(bins, 'point')} do not contain the line.",
            f"{bins} 點中有 {outside} 點的區間不含這條線",
        )
        if outside
        else say("The intervals of all points contain the line.", "每一點的區間都包含這條線")
    )
    return say(
        f"Each point is {parts}, by the probability of {of}, with its {confidence} % interval. On the line they come "
        f"true as often as they were predicted. {off} The mean distance (ECE) is {error}; with right probabilities it "
        f"would be about {chance} by chance.",
        f"{parts}，並附 {confidence} % 區間。落在線上表示發生的比例與預測相符。{off}。"
        f"平均距離（期望校準誤差）為 {error}；即使機率完全正確，僅因偶然也約有 {chance}。",
    )


def point(count: str, low: str, high: str) -> str:
    """What the pointer shows of a point of calibration: numbers as the figure's template has them."""
    return say(
        f"predicted %{{x:.1%}}<br>came true %{{y:.1%}} ({low} to {high})<br>{count} rows",
        f"預測 %{{x:.1%}}<br>實際 %{{y:.1%}}（{low} 到 {high}）<br>{count} 列",
    )


RESIDUAL_POINT = say("predicted %{x:.5g}<br>off by %{y:+.5g}", "預測 %{x:.5g}<br>誤差 %{y:+.5g}")
"""What the pointer shows of an error."""


def interval(low: str, high: str) -> str:
    """What the pointer shows of an interval."""
    return say(
        f"predicted %{{x:.5g}}<br>true %{{y:.5g}}<br>interval {low} to {high}",
        f"預測 %{{x:.5g}}<br>實際 %{{y:.5g}}<br>區間 {low} 到 {high}",
    )


def intervals(asked: float, share: str, rows: int, width: str) -> str:
    """How many of the judged rows are in intervals that are to contain a share of rows."""
    return say(
        f"Intervals made to contain {100 * asked:.0f} % of new rows contain {share} of these {rows:,}. On average they "
        f"are {width} wide; where errors were large on the rows held out of the training, they are wider.",
        f"這些區間的目標是包含 {100 * asked:.0f} % 的新資料列，實際包含了這 {rows:,} 列中的 {share}。"
        f"平均寬度為 {width}；在訓練時保留的資料列上誤差大的地方，區間比較寬。",
    )


def worst_rows(shown: int, columns: int) -> str:
    """What the table of the worst rows shows."""
    which = (
        say("all columns", "所有欄位")
        if shown == columns
        else say(f"the {counted(shown, 'column')} that matter most", f"最重要的 {shown:,} 個欄位")
    )
    return say(
        f"Rows of the table, counted from 0 as predict and explain count them, with their cells of {which}.",
        f"資料表的列從 0 起算，與 predict 和 explain 相同，並列出{which}的內容。",
    )


def decision(at: str, by: str | None, interval: str, confidence: int) -> str:
    """By which threshold labels are chosen. by: the score that chose it; None where it was given."""
    if by is None:
        return say(f"Threshold {at}, as given.", f"門檻 {at}，依照指定。")
    if by == "cost":
        return say(
            f"Threshold {at}, at which both classes have the same expected cost.",
            f"門檻 {at}，在此兩個類別的期望成本相同。",
        )
    return say(
        f"Threshold {at} ({confidence} % interval {interval}), which has the highest {spoken(by)}.",
        f"門檻 {at}（{confidence} % 區間 {interval}），此時{set_off(spoken(by))}最高。",
    )


def decision_by_costs(classes: int) -> str:
    """By which costs labels are chosen."""
    return say(
        f"Of {classes} classes the one with the least expected cost is chosen.",
        f"從 {classes} 個類別中選出期望成本最低的一個。",
    )


def expected(by: str, score: str, interval: str, confidence: int, rows: int, positives: int) -> str:
    """What score, or cost of a row, a decision is expected to have. positives: rows of the class; 0 for none to say."""
    what = say("cost of a row", "每列成本") if by == "cost" else say(spoken(by), set_off(spoken(by)))
    of = say(f", {positives:,} of them positive", f"，其中 {positives:,} 列為正類別") if positives else ""
    return say(
        f"Expected {what}: {score} ({confidence} % interval {interval}), by {counted(rows, 'row')} held out{of}.",
        f"預期的{what}為 {score}（{confidence} % 區間 {interval}），依據 {rows:,} 列保留資料{of}。",
    )


DECIDED, BY_LIKELIEST = say(
    ("Which label is predicted", "likeliest class"), ("預測哪個標籤", "機率最高的類別")
)
THRESHOLD, CHOSEN, HALF = say(("threshold", "chosen", "0.5"), ("門檻", "採用的門檻", "0.5"))
TRUE_AND_PREDICTED = say("true → predicted", "真實 → 預測")


def over_thresholds(by: str) -> str:
    """The title of a score, or of costs, over the thresholds."""
    return (
        say("Mean cost of a row by threshold", "各門檻的每列平均成本")
        if by == "cost"
        else say(f"{spoken(by)} by threshold", f"各門檻的{set_off(spoken(by)).rstrip()}")
    )


def valued(by: str) -> str:
    """The axis of a score or of costs."""
    return say("mean cost of a row", "每列平均成本") if by == "cost" else spoken(by)


def at_threshold(at: str) -> str:
    """The column of a threshold's counts."""
    return say(f"at {at}", f"門檻 {at}")


def on_judged_rows(by: str, value: str, other: str, rows: int) -> str:
    """What a decision reaches on the rows that judge a run, and the likeliest class."""
    return say(
        f"On the {counted(rows, 'row')} of the test: {valued(by)} {value}; of the likeliest class {other}.",
        f"在 {rows:,} 列測試資料上，{set_off(valued(by)).lstrip()}為 {value}；若預測機率最高的類別則為 {other}。",
    )


THRESHOLD_CURVE = say(
    "The line is of the test rows; the threshold was chosen on other rows, which were held out of the training. "
    "The shaded band is the interval of the best threshold: the wider it is, the less it matters which is taken.",
    "曲線出自測試資料；門檻則是以訓練時保留的其他資料選出。"
    "色帶是最佳門檻的區間：色帶愈寬，取哪個門檻的差別愈小。",
)
"""What the curve of thresholds shows."""


COMPARED_BY_LIKELIEST = say(
    "All models, this network too, are compared by the likeliest class.",
    "所有模型（包括這個網路）都以機率最高的類別來比較。",
)
"""By which labels the models beside a network with a threshold are compared."""


def threshold_point(by: str) -> str:
    """What the pointer shows of a threshold."""
    return say(
        f"threshold %{{x:.3f}}<br>{valued(by)} %{{y:.4g}}", f"門檻 %{{x:.3f}}<br>{valued(by)} %{{y:.4g}}"
    )
