"""Words about a model: its summary, history, figures and page, and the smaller ones that can take its place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from . import CHINESE, say
from .phrases import counted, duration, percent, spoken

SUMMARY_HEADS = say(
    ("link", "layer", "output", "parameters", "operations"), ("環節", "層", "輸出", "參數", "運算")
)
INPUT = say("input", "輸入")
PARAMETERS, OPERATIONS, MEMORY = say(("parameters", "operations", "memory"), ("參數", "運算", "記憶體"))
HISTORY, NO_EPOCH = say(("History", "No epoch has been recorded."), ("訓練歷程", "還沒有記錄任何週期。"))
EPOCH, TRAINING, VALIDATION = say(("epoch", "training", "validation"), ("週期", "訓練", "驗證"))
POSITIVE, EPOCHS, TIME = say(("positive class", "epochs", "training time"), ("正類別", "週期", "訓練時間"))
BY_CLASS = say("By class", "各類別")
CLASS, LABEL = say(("class", "label"), ("類別", "標籤"))
RATES = say(("samples", "recall", "precision"), ("樣本", "召回率", "精確率"))
WORST, LARGEST_ERRORS = say(("Worst mistakes", "Largest errors"), ("錯得最離譜的", "最大的誤差"))
NO_MISTAKES = say("There are none: every sample was predicted correctly.", "沒有錯誤：每個樣本都預測正確。")
ERROR_HEADS = say(("row", "true", "predicted", "error"), ("列", "實際", "預測", "誤差"))
MISTAKE_HEADS = say(("row", "true", "predicted", "probability"), ("列", "實際", "預測", "機率"))
NO_LABEL = say("none", "無")
AGAIN, COPY, COPIED = say(("Run again", "Copy", "Copied"), ("再做一次", "複製", "已複製"))
NETWORK, SETTINGS, VERSIONS = say(("The network", "Settings", "Versions"), ("網路", "設定", "版本"))
PARTS = {
    "train": say("train", "訓練"),
    "training": say("training", "訓練"),
    "validation": say("validation", "驗證"),
    "test": say("test", "測試"),
    "given": say("given", "指定的"),
}
"""The samples on which a model is evaluated."""
AUGMENTATION = say("Random distortions per epoch", "每個週期重新變形")
DARK, LIGHT = say(("Dark", "Light"), ("深色", "淺色"))
TO_DARK, TO_LIGHT = say(
    ("Switch to the dark theme", "Switch to the light theme"), ("改用深色佈景主題", "改用淺色佈景主題")
)
ROW = say("The row", "一列資料")
ROW_NOTE = say("An empty field is a missing value.", "空白的欄位代表缺值。")
MATRIX_NOTE = say("Separate the numbers by blanks or commas.", "數字之間以空白或逗號分隔。")
ANSWER = say("The prediction", "預測")
YES, NO = say(("true", "false"), ("是", "否"))
OTHER = say("another text", "其他文字")
SECONDS = say("in seconds", "單位為秒")
CONFUSION = say("Confusion matrix", "混淆矩陣")
PREDICTED, TRUE = say(("predicted", "true"), ("預測", "實際"))
PREDICTED_AGAINST_TRUE = say("Predicted against true", "預測與實際")
DIAGONAL = say("predicted = true", "預測 = 實際")
SAMPLES = say("samples", "樣本")
LABELS = say("Labels found, missed and imagined", "找到、漏掉與誤報的標籤")
FOUND, MISSED, FALSE_ALARM = say(("found", "missed", "false alarm"), ("找到", "漏掉", "誤報"))
POINT = say("true %{x:.5g}<br>predicted %{y:.5g}", "實際 %{x:.5g}<br>預測 %{y:.5g}")
"""Hover text for a sample, with the numbers of the figure's template."""
DISTILLED = say("One network in place of an average", "以一個網路代替平均")
COST_HEADS = say(("", "teacher", "student"), ("", "老師", "學生"))
NETWORKS, FILE, SECONDS_OF_ROWS = say(
    ("networks", "file, bytes", "1,000 rows, ms"), ("網路數", "檔案，位元組", "1,000 列，毫秒")
)
LOG_LOSS, RMSE = say(("log loss", "RMSE"), ("對數損失", "RMSE"))
INT8 = say("What 8-bit integers do", "8 位元整數的影響")
LAYER_HEADS = say(
    ("layer", "numbers", "error", "beyond the ends", "integers used"),
    ("層", "數值", "誤差", "超出兩端", "用到的整數"),
)
CLASS_HEADS = say(
    ("class", "rows", "same class", "probability off by", "others mostly"),
    ("類別", "列數", "類別不變", "機率相差", "其餘多半變成"),
)
PAIR_HEADS, ROW_HEADS = (
    say(("A predicts", "B predicts", "rows"), ("A 預測", "B 預測", "列數")),
    say(("row", "A", "B", "difference"), ("列", "A", "B", "差距")),
)
FARTHEST = say("The rows that differ most", "差距最大的列")
COLUMN_HEADS = say(
    ("column", "one integer, in deviations", "answer off by"), ("欄位", "一個整數，以標準差計", "答案相差")
)


def distorted(epochs: int) -> str:
    """The description of the rows of images."""
    return say(
        f"Training images: the originals in the first row, their distortions in the first {epochs} epochs below.",
        f"訓練影像：第一列是原樣，以下是前 {epochs} 個週期實際用來訓練的樣子。",
    )


def distorted_image(number: int) -> str:
    """A training image and its distortions."""
    return say(f"training image {number} and its distortions", f"第 {number} 張訓練影像與它的變形")


def frozen(parameters: str) -> str:
    """The parameters of a frozen link."""
    return say(f"{parameters} frozen", f"{parameters}（凍結）")


def parameters(count: int, frozen: int, size: str) -> str:
    """The parameters of a network, the number of frozen ones, and their bytes."""
    some = say(f", {frozen:,} of them frozen", f"，其中 {frozen:,} 個凍結") if frozen else ""
    return say(f"{count:,}{some}: {size}", f"{count:,}{some}：{size}")


def operations(predicting: int, training: int) -> str:
    """The operations per sample."""
    return say(
        f"{predicting:,} per sample to predict, {training:,} to train",
        f"每個樣本預測 {predicting:,}，訓練 {training:,}",
    )


def memory(size: str, batch: int) -> str:
    """The memory for training."""
    return say(
        f"about {size} for training with Adam and batches of {batch}",
        f"以 Adam 訓練，批次大小 {batch}，約 {size}",
    )


def totals(sums: Mapping[str, str]) -> str:
    """The totals in one sentence."""
    return say(
        "; ".join(f"{name} {value}" for name, value in sums.items()) + ".",
        "；".join(f"{name} {value}" for name, value in sums.items()) + "。",
    )


def title(parameters: int, dtype: str) -> str:
    """The heading of a model."""
    return say(
        f"Model of {parameters_of(parameters)}, {dtype}", f"{parameters_of(parameters)}的模型，{dtype}"
    )


def parameters_of(count: int) -> str:
    """1,234 parameters"""
    return say(f"{count:,} parameters", f"{count:,} 個參數")


def about(task: str, loss: str, seed: int, epochs: int, steps: int) -> str:
    """The task of a model, and its epochs and steps."""
    trained = (
        say(
            f"trained for {counted(epochs, 'epoch')}, {counted(steps, 'step')}",
            f"訓練了 {epochs:,} 個週期、{steps:,} 步",
        )
        if steps
        else say("not trained yet", "尚未訓練")
    )
    return say(
        f"Task: {task}; loss {loss}; seed {seed}; {trained}.",
        f"任務：{task}；損失函數 {loss}；亂數種子 {seed}；{trained}。",
    )


def last_epoch(values: Mapping[str, float]) -> str:
    """The last record of a history."""
    return say(
        f"Last epoch: {', '.join(f'{name} {value:.4g}' for name, value in values.items())}.",
        f"最後一個週期：{'、'.join(f'{name} {value:.4g}' for name, value in values.items())}。",
    )


def history_of(epochs: int) -> str:
    """The heading of a history."""
    return say(f"History of {counted(epochs, 'epoch')}", f"{epochs:,} 個週期的訓練歷程")


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


def stopped(reason: str) -> str:
    """Why training ended before its last epoch."""
    if CHINESE:
        for pattern, said in _REASONS:
            if found := re.fullmatch(pattern, reason):
                return f"提前停止：{found.expand(said)}。"
    return say(f"Stopped: {reason}.", f"提前停止：{reason}。")


def judged_on(
    parameters: int, samples: int, part: str, target: str | None = None, networks: int = 1, compared: int = 0
) -> str:
    """The description of a page, under its heading.

    target: what a table is to predict.  compared: the training rows of which similar ones correct an average.
    """
    what = "" if target is None else say(f" to predict {target}", f"預測 {target} 的")
    if networks > 1:
        these = say(
            f"The average of {networks:,} fully connected networks with {parameters_of(parameters)} in all",
            f"{what}{' ' * bool(what)}{networks:,} 個全連接神經網路的平均，共有 {parameters_of(parameters)}",
        )
    else:
        these = say(
            f"A fully connected network of {parameters_of(parameters)}",
            f"{what}全連接神經網路，{parameters_of(parameters)}",
        )
    rows = (
        say(
            f", corrected by the similar ones of {compared:,} training rows,",
            f"以 {compared:,} 列訓練資料中的相似列修正，",
        )
        if compared
        else ""
    )
    return say(
        f"{these}{rows}{what}, evaluated on {samples:,} {PARTS.get(part, part)} samples.",
        f"{these}，{rows}以 {samples:,} 個{PARTS.get(part, part)}樣本評估。",
    )


def part_of_average(shown: int, networks: int, share: float) -> str:
    """Which networks of an average are shown. share: their weight."""
    first = f"前 {shown:,} 個" if shown > 1 else "第一個"
    rest = f"of {networks:,} networks whose average predicts, with {percent(share)} of it"
    return say(
        f"This is the first {rest}: its curves, epochs and time of training are shown."
        if shown == 1
        else f"These are the first {shown:,} {rest}: their curves, epochs and time of training are shown.",
        f"這是以平均來預測的 {networks:,} 個網路中的{first}，權重為 {percent(share)}；"
        "圖上的曲線、週期與訓練時間只屬於它。",
    )


def of_part(part: str, metric: str) -> str:
    """The name of a metric on the evaluated samples."""
    return say(f"{PARTS.get(part, part)} {spoken(metric)}", f"{PARTS.get(part, part)}{spoken(metric)}")


def missed(count: int, of: int) -> str:
    """The number of wrong predictions, and which of them are shown."""
    return say(
        f"{count:,} of {of:,} samples were predicted incorrectly. Shown are those to whose true label the "
        "model gave the lowest probability.",
        f"{of:,} 個樣本中有 {count:,} 個預測錯誤。以下是模型給實際標籤的機率最低的幾個。",
    )


def mistake(sample: int, true: str, predicted: str) -> str:
    """The alternative text of a picture."""
    return say(
        f"sample {sample}: true {true}, predicted {predicted}",
        f"樣本 {sample}：實際是 {true}，預測為 {predicted}",
    )


def taken_for(true: str, predicted: str) -> str:
    """The caption of a mistake; both names are HTML."""
    return say(f"{true} taken for {predicted}", f"{true} 當成 {predicted}")


def sure(share: float) -> str:
    """The probability of a prediction."""
    return say(f"at {100 * share:.1f} %", f"機率 {100 * share:.1f} %")


def footer(version: str) -> str:
    """The last line of a page."""
    return say(
        f"Made by Chainrule {version}. This page works offline.",
        f"由 Chainrule {version} 產生。這個網頁是完整的，不需要網路連線。",
    )


def more_rows(count: int) -> str:
    """The placeholder for the middle of a long table."""
    return say(f"… {count:,} more rows …", f"……還有 {count:,} 列……")


def by_epoch(title: str) -> str:
    """The alternative text of curves."""
    return say(f"{title} by epoch", f"{title}隨週期的變化")


FIRST_EPOCH = say("epoch 1", "週期 1")
"""The left end of the epochs."""


def answering(numbers: int, inputs: int) -> str:
    """What answers, and that nothing leaves the page."""
    columns = "1 input" if inputs == 1 else f"{inputs:,} inputs"
    return say(
        f"The whole model runs in this page: {columns}, {numbers:,} numbers. Nothing that you type leaves the page, "
        "and it needs no connection.",
        f"整個模型都在這個網頁裡執行：{inputs:,} 個輸入、{numbers:,} 個數字。輸入的內容不會離開網頁，也不需要連線。",
    )


def titled(name: str) -> str:
    """The name of a column as a title: Val loss."""
    if CHINESE:
        plain = name.removeprefix("val_")
        return VALIDATION * (plain != name) + spoken(plain)
    said = spoken(name)
    return said[0].upper() + said[1:]


def at_epoch(label: str, name: str) -> str:
    """Hover text for a learning curve. label: training or validation.  name: of the column."""
    return say(
        f"epoch %{{x}}<br>{label} {spoken(name)} %{{y:.4f}}",
        f"週期 %{{x}}<br>{label}{spoken(name)} %{{y:.4f}}",
    )


def cell(true: str, predicted: str) -> str:
    """Hover text for a cell of the confusion matrix."""
    said = say(f"true {true}, predicted {predicted}", f"實際 {true}，預測 {predicted}")
    return say(
        f"{said}<br>%{{customdata[0]}} samples, %{{customdata[1]:.2f}} % of the true",
        f"{said}<br>%{{customdata[0]}} 個樣本，占實際的 %{{customdata[1]:.2f}} %",
    )


def label_count(name: str) -> str:
    """Hover text for a label's bar. name: found, missed or false alarm."""
    return say(f"label %{{x}}<br>{name} %{{y}} times", f"標籤 %{{x}}<br>{name} %{{y}} 次")


def ranged(name: str, middle: str, low: str, high: str) -> str:
    """Hover text for a line with a band: its value, and the range of the others."""
    return say(f"{name}<br>{middle} ({low} to {high})", f"{name}<br>{middle}（{low} 到 {high}）")


def learning(run: str) -> str:
    """What is about to be trained."""
    return say(
        f"One network learns what those of {run} answer, for their rows and for rows in between.",
        f"一個網路學習 {run} 的各網路對其資料列以及其間各列的答案。",
    )


def written(path: str) -> str:
    """Where it is."""
    return say(f"Written to {path}", f"已寫入 {path}")


def learned(own: int, between: int, seconds: float) -> str:
    """What the student has learned."""
    return say(
        f"The student learned the teacher's answers for {counted(own, 'row')} and {between:,} in between, "
        f"in {duration(seconds)}.",
        f"學生學了老師對 {own:,} 列以及其間 {between:,} 列的答案，用時 {duration(seconds)}。",
    )


def agreement(judged: int, difference: float, same: float | None, is_new: bool) -> str:
    """How far both are apart."""
    rows = (
        say(f"{counted(judged, 'new row')}", f"{judged:,} 列新資料")
        if is_new
        else say(
            f"{counted(judged, 'row')} that the student has not learned", f"學生沒有學過的 {judged:,} 列"
        )
    )
    if same is None:
        return say(
            f"On {rows} their answers differ by {difference:.3f} standard deviations.",
            f"在 {rows}上，兩者的答案相差 {difference:.3f} 個標準差。",
        )
    return say(
        f"On {rows} {percent(same)} of the likeliest classes are the same; probabilities differ by {difference:.4f}.",
        f"在 {rows}上，{percent(same)} 的最可能類別相同；機率相差 {difference:.4f}。",
    )


def of_integers(rows: int, difference: float, is_classes: bool) -> str:
    """How far the answers are from the exact ones."""
    what = (
        say("probabilities differ by", "機率平均相差")
        if is_classes
        else say("answers differ, in standard deviations, by", "答案平均相差（以標準差計）")
    )
    return say(
        f"On {counted(rows, 'row')} {what} {difference:.2g} on average.",
        f"在 {rows:,} 列上，{what} {difference:.2g}。",
    )


def for_chips(ranged: int) -> str:
    """What the integers are for, and where their ranges come from."""
    return say(
        "A small chip computes with 8-bit integers, as chainrule export --c --dtype int8 writes them. Their ranges are "
        f"those of {counted(ranged, 'training row')}.",
        "小型晶片以 8 位元整數計算，chainrule export --c --dtype int8 就是這樣寫出的。"
        f"整數的範圍取自 {ranged:,} 列訓練資料。",
    )


def how(of_columns: bool) -> str:
    """How the tables are read. of_columns: whether there is one of columns."""
    layers = say(
        "The error of a layer is that of its result, in parts of the result's size; of several networks it is "
        "the worst.",
        "一層的誤差是其結果的誤差，以結果的大小為單位；有數個網路時取最大的。",
    )
    if not of_columns:
        return layers
    return say(
        f"{layers} A column is rounded alone, where the first dense layer reads it; what it changes is the "
        "answer's mean difference.",
        f"{layers}每個欄位在第一個稠密層讀取處單獨取整；它改變的是答案的平均差距。",
    )


def agreeing(count: int, rows: int, tolerance: float | str) -> str:
    """On how many rows two models agree."""
    where = (
        say(f"all {counted(rows, 'row')}", f"全部 {rows:,} 列")
        if count == rows
        else say(f"{count:,} of {counted(rows, 'row')}", f" {rows:,} 列中的 {count:,} 列")
    )
    if tolerance == "class":
        return say(f"A and B predict the same label on {where}.", f"A 與 B 在{where}上預測相同的標籤。")
    return say(
        f"A and B agree on {where} (tolerance {tolerance:g}).",
        f"A 與 B 在{where}上一致（容許誤差 {tolerance:g}）。",
    )


def apart(largest: str, median: str, others: int | None) -> str:
    """How far the answers of two models are apart. others: the rows with another label; None of numbers."""
    if others is None:
        return say(
            f"The largest difference of their numbers is {largest}, the median {median}.",
            f"兩者的數值最大相差 {largest}，中位數為 {median}。",
        )
    return say(
        f"The largest difference of their probabilities is {largest}, the median {median}; "
        f"rows with another label: {others:,}.",
        f"兩者的機率最大相差 {largest}，中位數為 {median}；{others:,} 列的標籤不同。",
    )
