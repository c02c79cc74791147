"""Words that the command prints around its results: what it begins, what it has done, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

ERROR, WARNING = "錯誤：", "警告："
INTERRUPTED = "已中斷。"
CONFUSION = "混淆矩陣：列是實際類別，欄是預測類別"
CONFUSIONS, NO_CONFUSION = "最常見的混淆", "沒有混淆。"
RECALL, TRUE, PREDICTED, SAMPLES = "召回率", "實際", "預測", "樣本"
LIST_OF_LABS = "以 chainrule lab 名稱 執行其中一個。"
IN_THE_SET = "在集合內"
FIGURES = {"predicted": "預測", "spread": "離散", "lower": "下限", "upper": "上限"}
HELD_OUT, OTHERS = "加上 --part validation 可用保留的樣本評估", "加上 --part test 可用其他樣本評估"
NONE, NOT_SET = "無", "未設定"
TARGET = "目標"
CHOSEN, RUNS = "auto 所選", "指定時可用"
ABOUT = {
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
}
PATHS = {
    "predict": "以 JSON、CSV 或 Arrow 串流傳入資料列",
    "schema": "資料列該有的內容",
    "openapi": "完整說明（OpenAPI 3.1）",
    "health": "是否運作中、是否就緒",
    "metrics": "給 Prometheus 的數值",
    "infer": "Open Inference Protocol",
}
TRY_IT = "試試看："
SERVER_ENDS = "同一位置若有更新的檔案會自動改用；SIGHUP 可立即改用。Ctrl-C 或 SIGTERM 結束伺服器。"
FEWER = "提高 --interval 會減少這樣的列。"


def on_samples(count: int, part: str) -> str:
    """The samples of an evaluation."""
    return f"{count:,} 個{part}樣本"


def on_very_samples(other: str) -> str:
    """What is said where the training samples are evaluated. other: how to evaluate others."""
    return f"模型就是用這些樣本訓練的；{other}。"


def on_some_samples(count: int, other: str) -> str:
    """What is said where some of the samples are of the training."""
    return f"其中 {count:,} 個樣本曾用來訓練這個模型；{other}。"


def on_other_samples(count: int) -> str:
    """What is said where held-out samples are evaluated."""
    return f"模型以這份資料的其他 {count:,} 個樣本訓練，這些是保留的樣本。加上 --part all 可用全部樣本評估。"


def row(number: int) -> str:
    """The name of a row."""
    return f"第 {number} 列"


def empty_sets(empty: int, rows: int) -> str:
    """How many rows have no label in their set."""
    return f"{rows:,} 列中有 {empty:,} 列的集合裡沒有標籤：沒有一個標籤的機率夠高。{FEWER}"


def more_rows(count: int) -> str:
    """How many rows are not printed."""
    return f"……還有 {count:,} 列；--out 會寫出全部，--json 會全部印出。"


def first_reasons(count: int) -> str:
    """How many rows have their reasons printed."""
    return f"以下是前 {count} 列的理由；--out 會寫出全部，--json 會全部印出。"


def written(files: Sequence[str], size: int) -> str:
    """The files of an export, and their bytes."""
    return f"已寫入 {'、'.join(files)}（{size:,} 位元組）"


def compared(rows: int, difference: str, tolerance: str | None) -> str:
    """How far the answers of an export are from the model's."""
    allowed = "" if tolerance is None else f"（容許 {tolerance}）"
    return f"在 {rows:,} 列上，它的答案與模型相差不超過 {difference}{allowed}。"


def same_class(share: float) -> str:
    """How often the class is the same."""
    return f"其中 {share:.2%} 的最可能類別相同。"


def shuffled(rows: int, files: int, groups: int, seconds: float, path: str) -> str:
    """A shuffled copy."""
    return f"{rows:,} 列，寫成 {files:,} 個檔案、{groups:,} 個列群組，用時 {seconds:.1f} 秒：{path}"


def table(rows: int, columns: int, target: str) -> str:
    """The size of a table, and the column to predict."""
    return f"{rows:,} 列、{columns:,} 個欄位，以及要預測的欄位 {target}。"


def next_is(command: str) -> str:
    """The command to type next."""
    return f"接著執行：{command}"


def ensemble(networks: int) -> str:
    """An ensemble, before the summary of one of its networks."""
    return f"由 {networks} 個網路的平均來預測，每個網路如下："


def columns(target: str) -> str:
    """The columns of a table, before their list."""
    return f"用來預測 {target} 的欄位："


def first_of_average(networks: int, share: float) -> str:
    """Which network of an average is inspected."""
    return f"由 {networks} 個網路的加權平均來預測；這是第一個，權重 {share:.0%}。"


def side_by_side(networks: int) -> str:
    """An ensemble that is inspected as one network."""
    return f"這是 {networks} 個網路並排而成的一個網路。"


def first_of_ensemble(networks: int) -> str:
    """An ensemble of which the first network is inspected."""
    return f"這是 {networks} 個網路中的第一個。"


def serving(name: str, task: str, columns: int, url: str) -> str:
    """What answers where."""
    return f"{name}（{task}，{columns:,} 個欄位）的網址是 {url}"


def studio_at(url: str) -> str:
    """The address of the studio."""
    return f"工作室的網址是 {url}"


def works_once(is_terminal: bool) -> str:
    """How long the address of the studio is good."""
    return f"這個網址只能使用一次。{'按 Enter 鍵可取得新的網址。' * is_terminal}Ctrl-C 結束工作室。"
