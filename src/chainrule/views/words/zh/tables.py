"""Words about tables: their columns, and runs on them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from chainrule.views.words.facts import set_off
from chainrule.views.words.zh.phrases import spoken

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
    "declared": "型別就是類別",
    "code_texts": "文字是重複出現的整數",
    "mostly_numbers": "文字可讀成數字，少數文字例外",
    "all_missing": "每個值都缺漏",
    "constant": "每個值都相同",
    "near_constant": "幾乎每個值都相同",
    "every_value_differs": "沒有文字出現兩次",
    "identifier": "它只是資料列的編號",
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
    return _OF_TABLES[code].format(**facts) if code in _OF_TABLES else said


def became(outcome: str, outputs: int, size: int, merged: int, days: Sequence[str] = ()) -> str:
    """What became of a column. days: the names of the recurring days, those that were found first at the beginning."""
    recurring = f"，{len(days):,} 個每年重現的日子（{'、'.join([*days[:3], *['…'] * (len(days) > 3)])}）"
    said = {
        "scaled": f"{outputs:,} 個數字",
        "parts": f"{outputs:,} 個數字：日、年與循環{recurring * bool(days)}",
        "binary": "1 個數字：-1 或 1",
        "one_hot": f"{outputs:,} 個數字：每個類別一個",
        "embedded": f"{size:,} 個數字的嵌入向量",
        "indicator": "1 個數字：是否缺漏",
        "dropped": "捨棄",
    }[outcome]
    return said + (f"，{merged:,} 個罕見類別合為一個" if merged else "")


def missing(share: str, infinite: int, marks: Sequence[str]) -> str:
    """The share of missing values, how many of these were infinite, and the numbers that stand for others."""
    more = [*([f"{infinite:,} 個無限大"] if infinite else []), *(f"{mark} 代表遺漏值" for mark in marks)]
    return f"{share}（{'，'.join(more)}）" if more else share


def totals(columns: int, dropped: int, outputs: int) -> str:
    """The sums of a table in one sentence."""
    left = f"，捨棄其中 {dropped:,} 個" if dropped else ""
    return f"{columns:,} 個欄位{left}；網路有 {outputs:,} 個輸入。"


COMPARISON, SECONDS = "比較", "秒"
MODELS = {
    "network": "這個網路",
    "constant": "永遠相同的答案",
    "linear": "線性模型",
    "boosting": "梯度提升樹",
}
REASONS = {
    "asked": "，依損失函數的要求",
    "few_whole_numbers": "；加上 --loss mean_squared_error 則當成數字",
}
"""What is added where the task could be another."""
MODELS_HEAD = "模型"
COLUMNS = "欄位"
CALIBRATION, CALIBRATED = "機率準嗎？", "與預測相符"
PREDICTED_SHARE, OBSERVED_SHARE = "預測的機率", "實際發生的比例"
INTERVALS = "區間"
INSIDE, OUTSIDE = "區間內", "區間外"
RESIDUALS, RESIDUAL = "各預測值的誤差", "預測 - 實際"
PREDICTED = "預測"
ROW, TRUE, ERROR, PROBABILITY = "列", "實際", "誤差", "機率"


def more(columns: int) -> str:
    """How many columns are not shown."""
    return f"……還有 {columns:,} 個欄位；chainrule info 會列出全部。"


def like_identifiers(names: Sequence[str]) -> str:
    """What is said of columns in which no two rows have the same whole number."""
    shown = "、".join(names[:5]) + ("……" if len(names) > 5 else "")
    option = ",".join(f'"{name}"' if "," in name else name for name in names[:5])
    return (
        f"{shown} 的整數每列都不同。識別碼這類只用來區分資料列的數字，對其他資料列沒有意義：請用 "
        f"--exclude-columns {shlex.quote(option)} 排除"
    )


def predicts(target: str, task: str) -> str:
    """The column to predict, and what it has."""
    return f"預測 {target}：{task}"


def numbers(why: str) -> str:
    """What is predicted where the targets are numbers."""
    return f"一個數字（迴歸）{REASONS.get(why, '')}"


def classes(why: str, labels: Sequence[str]) -> str:
    """What is predicted where the targets are classes."""
    shown = "、".join(labels[:5]) + ("……" if len(labels) > 5 else "")
    return f"{len(labels)} 個類別之一（分類）：{shown}{REASONS.get(why, '')}"


def left_out(rows: int) -> str:
    """What becomes of the rows without a target."""
    return f"{rows:,} 列沒有目標，略過"


def held_out_by(names: Mapping[str, str], gap: float | str) -> str:
    """How the rows to test on were chosen, where rows are tied. names: the columns of the groups and of the time."""
    apart = f"（至少相隔 {gap}）" if gap else ""
    later = f"{names['time']!r} 較晚{apart}" if "time" in names else ""
    other = f"{names['groups']!r} 不同" if "groups" in names else ""
    return f"測試與驗證的各列與訓練的各列相比，{'，而且 '.join(part for part in (other, later) if part)}。"


def same_rows(rows: int) -> str:
    """What the simpler models learned from."""
    return f"：scikit-learn 的模型，以相同輸入的 {rows:,} 列訓練"


def compared(rows: int, groups: int | None) -> str:
    """What the table of models shows. groups: of the test rows; None where each row counts by itself."""
    of_groups = ""
    if groups is not None:
        of_groups = f"差距是否可能只是偶然，以 {groups:,} 個群組各自的平均判斷，因為同一群組的列彼此相似。"
    return (
        "全部以相同的資料列評估。永遠相同的答案：平均值，或各類別的比例。線性模型：嶺迴歸或邏輯斯迴歸。梯度提升樹：以直方圖建成。"
        f"三者都是 scikit-learn 的預設設定，以 {rows:,} 列訓練。{of_groups}"
    )


def calibration(
    label: str | None, rows: int, bins: int, confidence: int, outside: int, error: str, chance: str
) -> str:
    """What the points of calibration show. label: the positive class; None for the predicted one."""
    of = "預測類別" if label is None else f"類別 {label} "
    if bins == 1:
        line = "不含" if outside else "包含"
        return (
            f"{rows:,} 列太少，不足以分成幾個點，因此只有一點：{of}的平均機率，以及實際發生的比例，並附 {confidence} % "
            "區間；"
            f"區間{line}兩者相等的那條線。兩者相差 {error}；即使機率完全正確，僅因偶然也約有 {chance}。"
        )
    parts = f"將 {rows:,} 列依{of}的機率排序，均分成 {bins} 份，每一點是其中一份"
    off = "每一點的區間都包含這條線" if not outside else f"{bins} 點中有 {outside} 點的區間不含這條線"
    return (
        f"{parts}，並附 {confidence} % 區間。落在線上表示發生的比例與預測相符。{off}。"
        f"平均距離（期望校準誤差）為 {error}；即使機率完全正確，僅因偶然也約有 {chance}。"
    )


def point(count: str, low: str, high: str) -> str:
    """What the pointer shows of a point of calibration: numbers as the figure's template has them."""
    return f"預測 %{{x:.1%}}<br>實際 %{{y:.1%}}（{low} 到 {high}）<br>{count} 列"


RESIDUAL_POINT = "預測 %{x:.5g}<br>誤差 %{y:+.5g}"


def interval(low: str, high: str) -> str:
    """What the pointer shows of an interval."""
    return f"預測 %{{x:.5g}}<br>實際 %{{y:.5g}}<br>區間 {low} 到 {high}"


def intervals(asked: float, share: str, rows: int, width: str) -> str:
    """How many of the judged rows are in intervals that are to contain a share of rows."""
    return (
        f"這些區間的目標是包含 {100 * asked:.0f} % 的新資料列，實際包含了這 {rows:,} 列中的 {share}。"
        f"平均寬度為 {width}；在訓練時保留的資料列上誤差大的地方，區間比較寬。"
    )


def worst_rows(shown: int, columns: int) -> str:
    """What the table of the worst rows shows."""
    which = "所有欄位" if shown == columns else f"最重要的 {shown:,} 個欄位"
    return f"資料表的列從 0 起算，與 predict 和 explain 相同，並列出{which}的內容。"


def decision(at: str, by: str | None, interval: str, confidence: int) -> str:
    """By which threshold labels are chosen. by: the score that chose it; None where it was given."""
    if by is None:
        return f"門檻 {at}，依照指定。"
    if by == "cost":
        return f"門檻 {at}，在此兩個類別的期望成本相同。"
    return f"門檻 {at}（{confidence} % 區間 {interval}），此時{set_off(spoken(by))}最高。"


def decision_by_costs(classes: int) -> str:
    """By which costs labels are chosen."""
    return f"從 {classes} 個類別中選出期望成本最低的一個。"


def expected(by: str, score: str, interval: str, confidence: int, rows: int, positives: int) -> str:
    """What score, or cost of a row, a decision is expected to have. positives: rows of the class; 0 for none to say."""
    what = "每列成本" if by == "cost" else set_off(spoken(by))
    of = f"，其中 {positives:,} 列為正類別" if positives else ""
    return f"預期的{what}為 {score}（{confidence} % 區間 {interval}），依據 {rows:,} 列保留資料{of}。"


DECIDED, BY_LIKELIEST = "預測哪個標籤", "機率最高的類別"
THRESHOLD, CHOSEN, HALF = "門檻", "採用的門檻", "0.5"
TRUE_AND_PREDICTED = "真實 → 預測"


def over_thresholds(by: str) -> str:
    """The title of a score, or of costs, over the thresholds."""
    return "各門檻的每列平均成本" if by == "cost" else f"各門檻的{set_off(spoken(by)).rstrip()}"


def valued(by: str) -> str:
    """The axis of a score or of costs."""
    return "每列平均成本" if by == "cost" else spoken(by)


def at_threshold(at: str) -> str:
    """The column of a threshold's counts."""
    return f"門檻 {at}"


def on_judged_rows(by: str, value: str, other: str, rows: int) -> str:
    """What a decision reaches on the rows that judge a run, and the likeliest class."""
    return f"在 {rows:,} 列測試資料上，{set_off(valued(by)).lstrip()}為 {value}；若預測機率最高的類別則為 {other}。"


THRESHOLD_CURVE = (
    "曲線出自測試資料；門檻則是以訓練時保留的其他資料選出。"
    "色帶是最佳門檻的區間：色帶愈寬，取哪個門檻的差別愈小。"
)


COMPARED_BY_LIKELIEST = "所有模型（包括這個網路）都以機率最高的類別來比較。"


def threshold_point(by: str) -> str:
    """What the pointer shows of a threshold."""
    return f"門檻 %{{x:.3f}}<br>{valued(by)} %{{y:.4g}}"
