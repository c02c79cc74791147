"""Words that the command prints around its results: what it begins, what it has done, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.views.words.facts import set_off

from . import say
from .phrases import counted

ERROR, WARNING = say(("Error: ", "Warning: "), ("錯誤：", "警告："))
INTERRUPTED = say("Interrupted.", "已中斷。")
CONFUSION = say("Confusion matrix: rows are true, columns predicted", "混淆矩陣：列是實際類別，欄是預測類別")
CONFUSIONS, NO_CONFUSION = say(("Largest confusions", "There are none."), ("最常見的混淆", "沒有混淆。"))
RECALL, TRUE, PREDICTED, SAMPLES = say(
    ("recall", "true", "predicted", "samples"), ("召回率", "實際", "預測", "樣本")
)
LIST_OF_LABS = say("chainrule lab NAME runs one.", "以 chainrule lab 名稱 執行其中一個。")
IN_THE_SET = say("in the set", "在集合內")
PROVEN, NOT_PROVEN = say(("proven", "not proven"), ("已證明", "未證明"))
FIGURES = {
    "predicted": say("predicted", "預測"),
    "spread": say("spread", "離散"),
    "lower": say("lower", "下限"),
    "upper": say("upper", "上限"),
}
"""The names of the columns of predicted numbers."""
MEDIAN = say("median", "中位數")
ABOUT_TIMES = say(
    "S(t): the probability that the event comes after t. The median is where S is 1/2, inf where S stays above; "
    "the mean is that of the time until the last event of the training.",
    "S(t)：事件在 t 之後才發生的機率。中位數是 S 為 1/2 的時間，S 一直較高時為 inf；平均只計到訓練資料的最後一個事件。",
)
"""What is said below predicted times to an event."""
HELD_OUT, OTHERS = say(
    ("--part validation evaluates the held-out ones", "--part test evaluates others"),
    ("加上 --part validation 可用保留的樣本評估", "加上 --part test 可用其他樣本評估"),
)
NONE, NOT_SET = say(("none", "not set"), ("無", "未設定"))
TARGET = say("its target", "目標")
CHOSEN, RUNS = say(("chosen by auto", "runs if named"), ("auto 所選", "指定時可用"))
ABOUT = say(
    {"chainrule": "chainrule"},
    {
        "chainrule": "chainrule",
        "python": "Python",
        "platform": "平台",
        "packages": "套件",
        "threads": "執行緒",
        "devices": "裝置",
        "cache": "快取",
        "engines": "引擎",
        "processors": "處理器",
        "environment": "環境變數",
        "blas": "BLAS",
        "task": "任務",
        "members": "成員",
        "inputs": "輸入",
        "outputs": "輸出",
        "classes": "類別",
        "target_scale": "目標的尺度",
        "loss": "損失函數",
        "dtype": "精度",
        "seed": "亂數種子",
        "epochs_trained": "已訓練的週期",
        "steps_trained": "已訓練的步數",
        "frozen": "凍結",
        "parameters": "參數",
        "operations": "運算",
        "feature_names": "特徵名稱",
    },
)
"""The names of what `info` lists; others are spoken as they are."""
PATHS = {
    "predict": say("rows as JSON, CSV or an Arrow stream", "以 JSON、CSV 或 Arrow 串流傳入資料列"),
    "schema": say("what they must have", "資料列該有的內容"),
    "openapi": say("all of it in OpenAPI 3.1", "完整說明（OpenAPI 3.1）"),
    "health": say("whether it is live and ready", "是否運作中、是否就緒"),
    "metrics": say("figures for Prometheus", "給 Prometheus 的數值"),
    "infer": say("the Open Inference Protocol", "Open Inference Protocol"),
}
TRY_IT = say("Try it:", "試試看：")
SERVER_ENDS = say(
    "A newer file in its place is taken over; SIGHUP takes it at once. Ctrl-C or SIGTERM ends the server.",
    "同一位置若有更新的檔案會自動改用；SIGHUP 可立即改用。Ctrl-C 或 SIGTERM 結束伺服器。",
)
FEWER = say("A larger --interval leaves fewer such rows.", "提高 --interval 會減少這樣的列。")


def on_samples(count: int, part: str) -> str:
    """The samples of an evaluation."""
    return say(f"On {count:,} {part} samples", f"{count:,} 個{part}樣本")


def on_very_samples(other: str) -> str:
    """What is said where the training samples are evaluated. other: how to evaluate others."""
    return say(
        f"The model was trained on these very samples; {other}.", f"模型就是用這些樣本訓練的；{other}。"
    )


def on_some_samples(count: int, other: str) -> str:
    """What is said where some of the samples are of the training."""
    return say(
        f"The model was trained on {count:,} of these samples; {other}.",
        f"其中 {count:,} 個樣本曾用來訓練這個模型；{other}。",
    )


def on_other_samples(count: int) -> str:
    """What is said where held-out samples are evaluated."""
    return say(
        f"The model was trained on the other {count:,} samples of these data; these were held out. "
        "--part all evaluates all of them.",
        f"模型以這份資料的其他 {count:,} 個樣本訓練，這些是保留的樣本。加上 --part all 可用全部樣本評估。",
    )


def row(number: int) -> str:
    """The name of a row."""
    return say(f"row {number}", f"第 {number} 列")


def empty_sets(empty: int, rows: int) -> str:
    """How many rows have no label in their set."""
    return say(
        f"{empty:,} of {rows:,} rows have no label in the set: none is probable enough. {FEWER}",
        f"{rows:,} 列中有 {empty:,} 列的集合裡沒有標籤：沒有一個標籤的機率夠高。{FEWER}",
    )


def more_rows(count: int, is_written: bool = True) -> str:
    """How many rows are not printed. is_written: whether the command has --out."""
    return say(
        f"... and {counted(count, 'more row')}; {'--out writes them all, ' * is_written}--json prints them.",
        f"……還有 {count:,} 列；{'--out 會寫出全部，' * is_written}--json 會全部印出。",
    )


def first_reasons(count: int) -> str:
    """How many rows have their reasons printed."""
    return say(
        f"The reasons of the first {count} rows; --out writes those of all, --json prints them.",
        f"以下是前 {count} 列的理由；--out 會寫出全部，--json 會全部印出。",
    )


def written(files: Sequence[str], size: int) -> str:
    """The files of an export, and their bytes."""
    return say(
        f"Written to {', '.join(files)} ({size:,} bytes)", f"已寫入 {'、'.join(files)}（{size:,} 位元組）"
    )


def compared(rows: int, difference: str, tolerance: str | None) -> str:
    """How far the answers of an export are from the model's."""
    allowed = "" if tolerance is None else say(f" (tolerance {tolerance})", f"（容許 {tolerance}）")
    return say(
        f"On {rows:,} rows its answers are within {difference} of the model's{allowed}.",
        f"在 {rows:,} 列上，它的答案與模型相差不超過 {difference}{allowed}。",
    )


def same_class(share: float) -> str:
    """How often the class is the same."""
    return say(
        f"The likeliest class is the same for {share:.2%} of them.", f"其中 {share:.2%} 的最可能類別相同。"
    )


def shuffled(rows: int, files: int, groups: int, seconds: float, path: str) -> str:
    """A shuffled copy."""
    parts = f"{counted(rows, 'row')} in {counted(files, 'file')} of {counted(groups, 'row group')}"
    return say(
        f"{parts}, in {seconds:.1f} s: {path}",
        f"{rows:,} 列，寫成 {files:,} 個檔案、{groups:,} 個列群組，用時 {seconds:.1f} 秒：{path}",
    )


def table(rows: int, columns: int, target: str) -> str:
    """The size of a table, and the column to predict."""
    return say(
        f"{counted(rows, 'row')}, {counted(columns, 'column')} and {target}, the column to predict.",
        f"{rows:,} 列、{columns:,} 個欄位，以及要預測的欄位 {target}。",
    )


def next_is(command: str) -> str:
    """The command to type next."""
    return say(f"Next: {command}", f"接著執行：{command}")


def ensemble(networks: int) -> str:
    """An ensemble, before the summary of one of its networks."""
    return say(
        f"An ensemble of {networks} networks whose average predicts, each:",
        f"由 {networks} 個網路的平均來預測，每個網路如下：",
    )


def columns(target: str) -> str:
    """The columns of a table, before their list."""
    return say(f"Columns of the table from which it predicts {target}:", f"用來預測 {target} 的欄位：")


def first_of_average(networks: int, share: float) -> str:
    """Which network of an average is inspected."""
    return say(
        f"This is the first of {networks} networks whose average predicts, with {share:.0%} of it.",
        f"由 {networks} 個網路的加權平均來預測；這是第一個，權重 {share:.0%}。",
    )


def side_by_side(networks: int) -> str:
    """An ensemble that is inspected as one network."""
    return say(
        f"This is an ensemble of {networks} networks, side by side in one.",
        f"這是 {networks} 個網路並排而成的一個網路。",
    )


def first_of_ensemble(networks: int) -> str:
    """An ensemble of which the first network is inspected."""
    return say(
        f"This is the first of an ensemble's {networks} networks.", f"這是 {networks} 個網路中的第一個。"
    )


def serving(name: str, task: str, columns: int, url: str) -> str:
    """What answers where."""
    return say(
        f"{name} ({task} from {counted(columns, 'column')}) answers at {url}",
        f"{name}（{task}，{columns:,} 個欄位）的網址是 {url}",
    )


def studio_at(url: str) -> str:
    """The address of the studio."""
    return say(f"The studio is at {url}", f"工作室的網址是 {url}")


def works_once(is_terminal: bool) -> str:
    """How long the address of the studio is good."""
    return say(
        f"The address works once.{' Enter prints another.' * is_terminal} Ctrl-C ends the studio.",
        f"這個網址只能使用一次。{'按 Enter 鍵可取得新的網址。' * is_terminal}Ctrl-C 結束工作室。",
    )


def within(radii: Mapping[str, float]) -> str:
    """The changes of a row that a proof is of. radii: of columns by name, or of all as "X"."""
    changes = [
        say(
            f"{'every input' if name == 'X' else name} by up to {radius:g}",
            f"{'每個輸入' if name == 'X' else set_off(name)}不超過 {radius:g}",
        )
        for name, radius in radii.items()
    ]
    return say(", ".join(changes), "、".join(changes))


def proven(count: int, rows: int, total: int, radii: Mapping[str, float]) -> str:
    """How many rows keep their answer whatever changes within a radius. total: the rows of the file."""
    of = say(
        f"the first {rows:,} of {total:,} rows" if rows < total else counted(rows, "row"),
        f"{total:,} 列的前 {rows:,} 列" if rows < total else f"{rows:,} 列",
    )
    return say(
        f"Proven for {count:,} of {of}: changing {within(radii)} leaves the answer as it is.",
        f"{of}中有 {count:,} 列已證明：改變{within(radii)}，答案都不變。",
    )


def certified(right: int, both: int, known: int) -> str:
    """How many answers are right, and of these proven. known: the rows with a true answer."""
    return say(
        f"{right:,} of {counted(known, 'answer')} are right, {both:,} of these proven: a certified accuracy of "
        f"{100 * both / known:.2f} %.",
        f"{known:,} 列答對 {right:,} 列，其中 {both:,} 列已證明：經證明的準確率為 {100 * both / known:.2f} %。",
    )


def bounded(radii: Mapping[str, float]) -> str:
    """The head of predicted numbers and of their bounds."""
    return say(
        f"The numbers that are possible when changing {within(radii)}:",
        f"改變{within(radii)}時可能的數字：",
    )
