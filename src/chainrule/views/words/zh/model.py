"""What is said of a model: its summary, history, figures and page, and the smaller ones that can take its place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chainrule.views.words.zh.phrases import duration, percent, spoken

SUMMARY_HEADS = ("環節", "層", "輸出", "參數", "運算")
INPUT = "輸入"
PARAMETERS, OPERATIONS, MEMORY = "參數", "運算", "記憶體"
HISTORY, NO_EPOCH = "訓練歷程", "還沒有記錄任何週期。"
EPOCH, TRAINING, VALIDATION = "週期", "訓練", "驗證"
POSITIVE, EPOCHS, TIME = "正類別", "週期", "訓練時間"
BY_CLASS = "各類別"
CLASS, LABEL = "類別", "標籤"
RATES = ("樣本", "召回率", "精確率")
WORST, LARGEST_ERRORS = "錯得最離譜的", "最大的誤差"
NO_MISTAKES = "沒有錯誤：每個樣本都預測正確。"
ERROR_HEADS = ("列", "實際", "預測", "誤差")
MISTAKE_HEADS = ("列", "實際", "預測", "機率")
NO_LABEL = "無"
AGAIN, COPY, COPIED = "再做一次", "複製", "已複製"
NETWORK, SETTINGS, VERSIONS = "網路", "設定", "版本"
PARTS = {"train": "訓練", "training": "訓練", "validation": "驗證", "test": "測試", "given": "指定的"}
"""What the samples are that a model is judged by."""
AUGMENTATION = "每個週期重新變形"
DARK, LIGHT = "深色", "淺色"
TO_DARK, TO_LIGHT = "改用深色佈景主題", "改用淺色佈景主題"
ROW = "一列資料"
ROW_NOTE = "空白的欄位代表缺值。"
MATRIX_NOTE = "數字之間以空白或逗號分隔。"
ANSWER = "預測"
YES, NO = "是", "否"
OTHER = "其他文字"
SECONDS = "單位為秒"
CONFUSION = "混淆矩陣"
PREDICTED, TRUE = "預測", "實際"
PREDICTED_AGAINST_TRUE = "預測與實際"
DIAGONAL = "預測 = 實際"
SAMPLES = "樣本"
LABELS = "找到、漏掉與誤報的標籤"
FOUND, MISSED, FALSE_ALARM = "找到", "漏掉", "誤報"
POINT = "實際 %{x:.5g}<br>預測 %{y:.5g}"
"""What the pointer shows of a sample: numbers as the figure's template has them."""
DISTILLED = "以一個網路代替平均"
COST_HEADS = ("", "老師", "學生")
NETWORKS, FILE, SECONDS_OF_ROWS = "網路數", "檔案，位元組", "1,000 列，毫秒"
LOG_LOSS, RMSE = "對數損失", "RMSE"
INT8 = "8 位元整數的影響"
LAYER_HEADS = ("層", "數值", "誤差", "超出兩端", "用到的整數")
CLASS_HEADS = ("類別", "列數", "類別不變", "機率相差", "其餘多半變成")
PAIR_HEADS, ROW_HEADS = ("A 預測", "B 預測", "列數"), ("列", "A", "B", "差距")
FARTHEST = "差距最大的列"
COLUMN_HEADS = ("欄位", "一個整數，以標準差計", "答案相差")


def distorted(epochs: int) -> str:
    """What the rows of images are."""
    return f"訓練影像：第一列是原樣，以下是前 {epochs} 個週期實際用來訓練的樣子。"


def distorted_image(number: int) -> str:
    """A training image and its distortions."""
    return f"第 {number} 張訓練影像與它的變形"


def frozen(parameters: str) -> str:
    """The parameters of a frozen link."""
    return f"{parameters}（凍結）"


def parameters(count: int, frozen: int, size: str) -> str:
    """The parameters of a network, how many of them are frozen, and the bytes that they take."""
    some = f"，其中 {frozen:,} 個凍結" if frozen else ""
    return f"{count:,}{some}：{size}"


def operations(predicting: int, training: int) -> str:
    """The operations for a sample."""
    return f"每個樣本預測 {predicting:,}，訓練 {training:,}"


def memory(size: str, batch: int) -> str:
    """The bytes that training takes."""
    return f"以 Adam 訓練，批次大小 {batch}，約 {size}"


def totals(sums: Mapping[str, str]) -> str:
    """The sums in one sentence."""
    return "；".join(f"{name} {value}" for name, value in sums.items()) + "。"


def title(parameters: int, dtype: str) -> str:
    """The heading of a model."""
    return f"{parameters_of(parameters)}的模型，{dtype}"


def parameters_of(count: int) -> str:
    """1,234 個參數"""
    return f"{count:,} 個參數"


def about(task: str, loss: str, seed: int, epochs: int, steps: int) -> str:
    """What a model is for, and how far it was trained."""
    trained = f"訓練了 {epochs:,} 個週期、{steps:,} 步" if steps else "尚未訓練"
    return f"任務：{task}；損失函數 {loss}；亂數種子 {seed}；{trained}。"


def last_epoch(values: Mapping[str, float]) -> str:
    """The last record of a history."""
    return f"最後一個週期：{'、'.join(f'{name} {value:.4g}' for name, value in values.items())}。"


def history_of(epochs: int) -> str:
    """The heading of a history."""
    return f"{epochs:,} 個週期的訓練歷程"


_REASONS = (
    (r"Validation score did not improve for (\S+) consecutive epochs", r"驗證分數連續 \1 個週期沒有進步"),
    (
        r"Validation score did not improve more than tol=(\S+) for (\S+) consecutive epochs",
        r"驗證分數連續 \2 個週期的進步都不超過 tol=\1",
    ),
    (r"Training loss did not improve for (\S+) consecutive epochs", r"訓練損失連續 \1 個週期沒有下降"),
    (
        r"Training loss did not improve more than tol=(\S+) for (\S+) consecutive epochs",
        r"訓練損失連續 \2 個週期的下降都不超過 tol=\1",
    ),
    (r"(\S+) has not improved since epoch (\S+)", r"\1 從第 \2 個週期起沒有進步"),
    (r"(\S+) reached (\S+)", r"\1 已達到 \2"),
    (r"the time limit of (\S+) s is over", r"\1 秒的時間上限已到"),
)
"""Why training ended, as a history says it, and in Chinese; what is not here stays as it is."""


def stopped(reason: str) -> str:
    """Why training ended before its last epoch."""
    for pattern, said in _REASONS:
        if found := re.fullmatch(pattern, reason):
            return f"提前停止：{found.expand(said)}。"
    return f"提前停止：{reason}。"


def judged_on(
    parameters: int, samples: int, part: str, target: str | None = None, networks: int = 1, compared: int = 0
) -> str:
    """What a page is about, under its heading.

    target: what a table is to predict.  compared: the training rows of which similar ones correct an average.
    """
    what = "" if target is None else f"預測 {target} 的"
    these = f"{what}全連接神經網路，"
    if networks > 1:
        these = f"{what}{' ' * bool(what)}{networks:,} 個全連接神經網路的平均，共有 "
    rows = f"以 {compared:,} 列訓練資料中的相似列修正，" if compared else ""
    return f"{these}{parameters_of(parameters)}，{rows}以 {samples:,} 個{PARTS.get(part, part)}樣本評估。"


def part_of_average(shown: int, networks: int, share: float) -> str:
    """Which networks of an average are shown. share: their weight."""
    first = f"前 {shown:,} 個" if shown > 1 else "第一個"
    return (
        f"這是以平均來預測的 {networks:,} 個網路中的{first}，權重為 {percent(share)}；"
        "圖上的曲線、週期與訓練時間只屬於它。"
    )


def of_part(part: str, metric: str) -> str:
    """The name of a metric of the judged samples."""
    return f"{PARTS.get(part, part)}{spoken(metric)}"


def missed(count: int, of: int) -> str:
    """How many samples were predicted wrong, and which of them are shown."""
    return f"{of:,} 個樣本中有 {count:,} 個預測錯誤。以下是模型給實際標籤的機率最低的幾個。"


def mistake(sample: int, true: str, predicted: str) -> str:
    """What a picture shows, for who does not see it."""
    return f"樣本 {sample}：實際是 {true}，預測為 {predicted}"


def taken_for(true: str, predicted: str) -> str:
    """The caption of a mistake; both names are HTML."""
    return f"{true} 當成 {predicted}"


def sure(share: float) -> str:
    """How sure a prediction was."""
    return f"機率 {100 * share:.1f} %"


def footer(version: str) -> str:
    """The last line of a page."""
    return f"由 Chainrule {version} 產生。這個網頁是完整的，不需要網路連線。"


def more_rows(count: int) -> str:
    """What stands in place of the middle of a long table."""
    return f"……還有 {count:,} 列……"


def by_epoch(title: str) -> str:
    """What curves show, for who does not see them."""
    return f"{title}隨週期的變化"


FIRST_EPOCH = "週期 1"


def answering(numbers: int, inputs: int) -> str:
    """What answers, and that nothing leaves the page."""
    return f"整個模型都在這個網頁裡執行：{inputs:,} 個輸入、{numbers:,} 個數字。輸入的內容不會離開網頁，也不需要連線。"


def titled(name: str) -> str:
    """The name of a column as a title: 驗證損失."""
    plain = name.removeprefix("val_")
    return VALIDATION * (plain != name) + spoken(plain)


def at_epoch(label: str, name: str) -> str:
    """What the pointer shows of a learning curve. label: training or validation.  name: of the column."""
    return f"週期 %{{x}}<br>{label}{spoken(name)} %{{y:.4f}}"


def cell(true: str, predicted: str) -> str:
    """What the pointer shows of a cell of the confusion matrix."""
    said = f"實際 {true}，預測 {predicted}"
    return f"{said}<br>%{{customdata[0]}} 個樣本，占實際的 %{{customdata[1]:.2f}} %"


def label_count(name: str) -> str:
    """What the pointer shows of a label's bar. name: found, missed or false alarm."""
    return f"標籤 %{{x}}<br>{name} %{{y}} 次"


def ranged(name: str, middle: str, low: str, high: str) -> str:
    """What the pointer shows of a line with a band: its number, and from where to where the others reach."""
    return f"{name}<br>{middle}（{low} 到 {high}）"


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


def agreeing(count: int, rows: int, tolerance: float | str) -> str:
    """On how many rows two models agree."""
    where = f"全部 {rows:,} 列" if count == rows else f" {rows:,} 列中的 {count:,} 列"
    if tolerance == "class":
        return f"A 與 B 在{where}上預測相同的標籤。"
    return f"A 與 B 在{where}上一致（容許誤差 {tolerance:g}）。"


def apart(largest: str, median: str, others: int | None) -> str:
    """How far the answers of two models are apart. others: the rows with another label; None of numbers."""
    if others is None:
        return f"兩者的數值最大相差 {largest}，中位數為 {median}。"
    return f"兩者的機率最大相差 {largest}，中位數為 {median}；{others:,} 列的標籤不同。"
