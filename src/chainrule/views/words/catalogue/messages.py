"""Errors and warnings as the command says them: in Chinese those that are here, others as they were raised."""

from __future__ import annotations

import re
from functools import cache

from . import CHINESE, say

NO_MEMORY = say("there is not enough memory for this.", "記憶體不足。")


def no_file(path: str) -> str:
    """A file that is missing."""
    return say(f"{path} does not exist; check the path.", f"{path} 不存在；請檢查路徑。")


def bug(what: str) -> str:
    """An error that nobody raised on purpose."""
    return say(
        f"a bug in chainrule ({what}); --debug shows where.",
        f"chainrule 的程式錯誤（{what}）；--debug 會指出位置。",
    )


_COUNTED = {
    "row": "列",
    "fit": "次訓練",
    "column": "個欄位",
    "value": "個值",
    "recipe": "種做法",
    "cell": "個儲存格",
    "feature": "個特徵",
    "name": "個名稱",
}
_COUNT = re.compile(r"([\d,]+) ([a-z]+?)s?")


def translated(message: str) -> str:
    """The message of an error or a warning, and the parts in it, in Chinese where it is known."""
    if not CHINESE:
        return message
    for pattern, said in _patterns():
        if (found := pattern.fullmatch(message)) is not None:
            return said.format(*map(translated, found.groups()))
    if (counted := _COUNT.fullmatch(message)) is not None and counted[2] in _COUNTED:
        return f"{counted[1]} {_COUNTED[counted[2]]}"
    return message


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return the pattern of each message and what is said, the most particular one first."""
    known = sorted(_SAID, key=lambda each: -len(each.replace("{}", "")))
    return [
        (re.compile("(.*?)".join(map(re.escape, each.split("{}"))), re.DOTALL), _SAID[each]) for each in known
    ]


_SAID = {
    # of an exposure
    "{} must be above 0, and is not {} ({}); omit rows without exposure, or correct them.": (
        "{} 必須大於 0，但{}不是（{}）；請略過沒有曝險量的列，或修正它們。"
    ),
    "{} is for a loss of amounts; pass {}, one of {}.": "{} 需要以數量為目標的損失；請傳入 {}，可為 {}。",
    # of times to an event
    "--time is for times to an event, and {} predicts something else; omit it.": (
        "--time 用於事件發生的時間，{} 預測的是別的；請省略。"
    ),
    "--times is for times to an event, and {} predicts something else; omit it.": (
        "--times 用於事件發生的時間，{} 預測的是別的；請省略。"
    ),
    "of times to an event, explain prints what each column adds; omit --out and --true.": (
        "對於事件發生的時間，explain 只印出各欄位的影響；請省略 --out 與 --true。"
    ),
    "--interval is of numbers and classes; of times to an event, --times has the curve.": (
        "--interval 用於數值與類別；事件發生的時間請用 --times 取得曲線。"
    ),
    "--explain of times to an event explains a probability; name its time with --times.": (
        "對於事件發生的時間，--explain 說明的是機率；請用 --times 指定時間。"
    ),
    "--times must be numbers, such as 30,90,365, not {}.": "--times 必須是數字，例如 30,90,365，而不是 {}。",
    "{} lacks the column {}, the exposure of the amounts; add it.": "{} 沒有欄位 {}（數量的曝險量）；請加入。",
    "{} must be numbers, and has {}; convert it.": "{} 必須是數字，但內容是 {}；請轉換。",
    "{} is missing in {} of {} rows, the first of them row {}; fill it in, or omit these rows.": (
        "{0} 在 {2} 列中缺少 {1} 列，第一個是第 {3} 列；請填入，或略過這些列。"
    ),
    "in {} of {} rows, the first of them row {}": "在 {1} 列中有 {0} 列（第一個是第 {2} 列）",
    # what reading a table warns of
    "column {} has codes whose leading zeros are lost, and which are read as those of training with zeros; read the "
    "column as text.": "欄位 {} 的代碼少了開頭的零，已視為訓練時有零的代碼；請以文字讀取這個欄位。",
    "column {} has texts that say neither true nor false, and had only {} in training; such cells count as missing. "
    "Correct them, or leave them empty.": (
        "欄位 {} 有既非真也非假的文字，而訓練時只有 {}；這些儲存格視為缺失。請修正它們，或留空。"
    ),
    "column {} has numbers with different signs, such as {} and {}, which are read without them; write all in one "
    "unit.": "欄位 {} 的數字帶有不同的符號，例如 {} 與 {}，讀取時略過了這些符號；請全部改用同一種單位。",
    "bounds needs the preparation of the table, which {} lacks; train it with a preset.": (
        "bounds 需要表格的前處理，而 {} 沒有；請用 preset 訓練。"
    ),
    "{}: the sheet {} is read, not {}.": "{}：讀取的是工作表 {}，不是 {}。",
    "{}: the header is in row {}; {}.": "{}：標題在第 {} 列；{}。",
    "the {} above it {} skipped": "略過了它上方的列",
    "column {} is left out: its whole numbers, such as {}, differ in all rows and are spread evenly, as "
    "numbers of accounts are. If they are quantities, {}": (
        "略過欄位 {}：它的整數（例如 {}）每列都不同而且分布均勻，像帳號一樣。若它們是數量，{}"
    ),
    "pass {} as preprocess.": "請將 {} 傳給 preprocess。",
    "fit in Python, with {} as preprocess.": "請在 Python 中訓練，將 {} 傳給 preprocess。",
    "column {} has dates such as {}, of which none says whether the day or the month comes first; it is taken "
    "for categories. Write the year first, or convert it to dates.": (
        "欄位 {} 有 {} 這樣的日期，看不出日與月何者在前，因此視為類別。請把年寫在最前面，或轉換成日期。"
    ),
    "column {} has dates such as {}, which are read by Taiwan's calendar (Minguo): {}. If they are of another "
    "calendar, write their years with four digits.": (
        "欄位 {} 有 {} 這樣的日期，以民國紀年讀取：{}。若是其他紀年，請用四位數寫年份。"
    ),
    "column {} is free text: {} of its {} texts occur in one row. It is treated as categories, of which a "
    "network learns only repeated ones. {}": (
        "欄位 {} 是自由文字：{} 種文字（共 {} 種）只出現在一列。它被當成類別處理，"
        "而網路只能學到重複出現的類別。{}"
    ),
    "Omit it, or extract columns from it, for example with scikit-learn's TfidfVectorizer and TruncatedSVD.": (
        "請略過它，或從中取出欄位，例如用 scikit-learn 的 TfidfVectorizer 與 TruncatedSVD。"
    ),
    "Leave it out with --exclude-columns {}, or write what it says into columns of its own.": (
        "請用 --exclude-columns {} 略過它，或把其中的內容寫成獨立的欄位。"
    ),
    "column {} has numbers, but text in {} of its rows, such as {}, and is taken for categories; correct these "
    "cells or leave them empty{}": (
        "欄位 {} 是數字，但有 {} 的列是文字（例如 {}），因此視為類別；請修正這些儲存格或留空{}"
    ),
    ", or, where all are codes, pass TablePreprocessor(kinds={{}: 'category'}) as preprocess.": (
        "；若全部都是代碼，請將 TablePreprocessor(kinds={{{}: 'category'}}) 傳給 preprocess。"
    ),
    "; where all are codes, leave them as they are.": "；若全部都是代碼，則不必更動。",
    "column {} has numbers with the unit {}, such as {}, and is taken for categories; pass the numbers without "
    "it.": "欄位 {} 是有單位 {} 的數字（例如 {}），因此視為類別；請只留數字。",
    "y is read as numbers without their unit {}, and so are predictions.": "y 以沒有單位 {} 的數字讀取，預測值也是。",
    "{} is read as numbers without their unit {}.": "{} 以沒有單位 {} 的數字讀取。",
    "{} It is predicted as {} classes.": "{} 因此當成 {} 個類別來預測。",
    "the column {} of {}": "{1} 的欄位 {0}",
    "{} has numbers, but text in {} of {} rows, such as {} in row {}, counted from 0; correct {}, or leave the "
    "cell{} empty.": (
        "{0} 是數字，但 {2} 列中有 {1} 列是文字，例如第 {4} 列（從 0 數起）的 {3}；請修正，或將儲存格留空。"
    ),
    "{}: column {} has numbers such as {}, whose commas all have three digits behind them; they are taken to "
    "separate thousands; {}.": "{}：欄位 {} 有 {} 這樣的數字，每個逗號後面都有三位數字；逗號視為千分位分隔符號；{}。",
    '{} is not UTF-8; it is read as {} ({}), such as {}; if that is wrong, name its encoding (encoding="...", '
    "or --encoding of the command).": "{} 不是 UTF-8；以 {}（{}）讀取，例如 {}；若不正確，請以 --encoding 指定編碼。",
    "column {} has decimal {}, and had decimal {} in training; its numbers are read with {}. Check that they "
    "are right.": "欄位 {} 的小數符號是 {}，訓練時是 {}；數字以 {} 讀取。請檢查是否正確。",
    "column {} has numbers whose commas all have three digits behind them; they are taken to separate "
    "thousands; convert the column to numbers if they are decimal commas.": (
        "欄位 {} 的數字每個逗號後面都有三位數字，因此視為千分位分隔符號；若是小數點，請把欄位轉換成數字。"
    ),
    # what a training warns of
    "Training interrupted by user.": "訓練已中斷。",
    "Training interrupted by user: {}.": "訓練已中斷：{}。",
    "the network as it was is kept": "保留當時的網路",
    "its best epoch is kept": "保留最佳的週期",
    "the average is of the {} that had ended, and of those that were stopped": "平均來自已結束的 {}，以及中止的那些",
    "no fit had ended, so what predicts are the first networks as they were": (
        "沒有任何訓練結束，因此以最初的網路當時的樣子預測"
    ),
    "time_limit={} left the race time for {} of its {}{}; raise time_limit.": (
        "--time-limit {} 只夠讓競賽完成 {} 種做法（共 {}）{}；請提高 --time-limit。"
    ),
    "{} leaves time to prepare {} of the {} rows, which were drawn at random; raise {} to learn from all of "
    "them.": "{} 的時間只夠準備 {} 列（共 {} 列），這些列是隨機抽出的；要用全部的列，請提高 {}。",
    "{} ended the training after {}{}; raise {}, or fit fewer rows.": (
        "{} 使訓練在完成 {} 後結束{}；請提高 {}，或使用較少的列。"
    ),
    "TimeLimit({}) ended the training after {}; raise it.": "{} 秒的時間上限使訓練在完成 {} 後結束；請提高上限。",
    "{} of the {} epochs that were planned, which need {}": "{} 個週期（原定 {} 個，需要 {}）",
    "{} of the {} steps of the first epoch, which needs {}": "第一個週期的 {} 步（共 {} 步，需要 {}）",
    "about {} s": "約 {} 秒",
    "; on the rows held out its loss is {}, and that of a linear model {}": (
        "；在保留的列上，它的損失為 {}，線性模型為 {}"
    ),
    "training diverged, so it returned to its best epoch: {}": "訓練發散，因此回到最佳的週期：{}",
    "training on all rows diverged, so the network of the rows that were not held out is kept: {}": (
        "以全部的列訓練時發散，因此保留以未保留的列訓練的網路：{}"
    ),
    "member {} diverged and is removed from the ensemble: {}": "第 {} 個成員發散，已從集成中移除：{}",
    "the least populated {} in y {} only 1 member, which is either learned from or held out: how well it is "
    "predicted is not known, and thresholds, sets of labels and calibration are without it; collect more rows "
    "of it, or leave it out.": (
        "y 中最少的{}只有一列，不是用來訓練就是保留：無從得知預測得多好，門檻、標籤集合與校準也都不含它；"
        "請收集更多這樣的列，或略過它。"
    ),
    "{} of the groups of {} have fewer than the {} held-out rows that coverage={} needs, so every value is in "
    "their intervals or sets.": (
        "{1} 的群組中有 {0} 個少於涵蓋率 {3} 所需的 {2} 個保留列，因此它們的區間或集合包含所有的值。"
    ),
    "{} needs at least {} held-out rows of each label, and {} {} in every set; ask for less, or fit more rows.": (
        "{} 需要每個標籤至少 {} 個保留列，而{}不足，因此每個集合都有它；請降低涵蓋率，或用更多的列訓練。"
    ),
    "{} needs at least {} held-out rows, and there are fewer, so every value is in the interval or set; ask "
    "for less, or fit more rows.": (
        "{} 需要至少 {} 個保留列，現有的不足，因此區間或集合包含所有的值；請降低涵蓋率，或用更多的列訓練。"
    ),
    "the likeliest class is predicted, without a threshold: {}": "沒有門檻，預測最可能的類別：{}",
    "whether the network has learned from some of these rows is not known: {}": (
        "無從得知網路是否曾以其中某些列訓練：{}"
    ),
    "{} is told nothing more, and the training goes on without it: {}.": "不再通知 {}，訓練繼續進行：{}。",
    "the model was never trained, so it predicts with random initial weights; call fit first.": (
        "模型從未訓練過，因此以隨機的初始權重預測；請先訓練。"
    ),
    "training runs on the reference engine, which is slower than the native one: {}; pass {} where that is "
    "meant.": "以參考引擎訓練，比原生引擎慢：{}；若本來就要如此，請傳入 {}。",
    # options of the command
    "{} exists; pass --overwrite to replace it, or --out for another file.": (
        "{} 已存在；加上 --overwrite 會取代它，或用 --out 指定其他檔案。"
    ),
    "--out must end in .html, not {}.": "--out 必須以 .html 結尾，不能是 {}。",
    "--out must end in .npy or .csv, not {}.": "--out 必須以 .npy 或 .csv 結尾，不能是 {}。",
    "IN must be a file with the ending .csv, not {}.": "IN 必須是以 .csv 結尾的檔案，不能是 {}。",
    "{} already exists and has other content; name another file: chainrule data {} other.csv.": (
        "{} 已存在而且內容不同；請指定其他檔案：chainrule data {} other.csv。"
    ),
    "OUT, --seed and --row-group-size are for shuffle; type chainrule data {} FILE.csv.": (
        "OUT、--seed 與 --row-group-size 只用於 shuffle；請輸入 chainrule data {} FILE.csv。"
    ),
    "ACTION must be shuffle or a table ({}), not {}.": "ACTION 必須是 shuffle 或一份表格（{}），不能是 {}。",
    "shuffle needs two places; type chainrule data shuffle IN OUT.": (
        "shuffle 需要兩個位置；請輸入 chainrule data shuffle IN OUT。"
    ),
    "--part must be train, validation, test or all, not {}.": (
        "--part 必須是 train、validation、test 或 all，不能是 {}。"
    ),
    "{} has no {} part; it has {}.": "{} 沒有 {} 部分；它有 {}。",
    "{} names several files; evaluate takes them one at a time.": "{} 是好幾個檔案；evaluate 一次只評估一個。",
    "--lr must be above 0, not {}.": "--lr 必須大於 0，不能是 {}。",
    "--row counts from 0; it is {}.": "--row 從 0 數起，不能是 {}。",
    "{} contains {} samples; select one with --row, from 0 to {}.": (
        "{} 有 {} 個樣本；請以 --row 選擇一個，從 0 到 {}。"
    ),
    "--row is {}, but {} contains {} samples, from 0 to {}.": "--row 是 {}，但 {} 只有 {} 個樣本，從 0 到 {}。",
    "{} contains samples of {} features, but the model takes {}; select the same columns.": (
        "{} 的樣本有 {} 個特徵，但模型需要 {} 個；請選擇相同的欄位。"
    ),
    "{} has only the column 'y'; the model's features are missing.": "{} 只有欄位 'y'，缺少模型的特徵。",
    "--true names {}, which is not a label of the model; its labels are {}.": (
        "--true 的 {} 不是模型的標籤；它的標籤是 {}。"
    ),
    "--true must be {} number(s), not {}.": "--true 必須是 {} 個數字，不能是 {}。",
    "{} is one picture; omit --row.": "{} 是一張圖片；請省略 --row。",
    "export needs one format to write: --onnx, --c, --js or --html.": (
        "export 需要一種格式：--onnx、--c、--js 或 --html。"
    ),
    "NAME must be one of {}, not {}.": "NAME 必須是 {} 之一，不能是 {}。",
    "--out must be a writable folder, not {} ({}); choose another.": (
        "--out 必須是可寫入的資料夾，不能是 {}（{}）；請選擇其他資料夾。"
    ),
    "{} a model that was trained on a table by an estimator, as chainrule train does; {} has another one.": (
        "{}以表格訓練的模型，例如 chainrule train 所訓練的；{} 是另一種模型。"
    ),
    "reasons by column need": "各欄位的理由需要",
    "check needs": "check 需要",
    "{} is the model's own file; name another with --out.": "{} 是模型本身的檔案；請以 --out 指定另一個檔案。",
    "{} is not a complete ONNX file ({}); export it again.": "{} 不是完整的 ONNX 檔（{}）；請重新匯出。",
    "{} has outputs that are computed from different values; choose one, as in {}:{}: {}.": (
        "{} 的各個輸出由不同的值算出；請擇一，例如 {}:{}，可用的有：{}。"
    ),
    "{} has answers of the shape {}, and the model's to these rows have {}; write a number for each output, or a "
    "probability for each class, in their order.": (
        "{} 的答案形狀為 {}，而模型對這些列的答案形狀為 {}；請依序為每個輸出寫一個數字，或為每個類別寫一個機率。"
    ),
    "{}: the node {} cannot be a layer: it {}; it reads {}, and {} reads it.": (
        "{}：節點 {} 無法成為層：{}；它讀取 {}，並由 {} 讀取。"
    ),
    "computes what no layer or activation of Chainrule does": "Chainrule 沒有任何層或激勵函數做這種計算",
    "{} contains no model.safetensors; {}.": "{} 裡沒有 model.safetensors；{}。",
    "finish the run: chainrule train {} --resume": "請完成這次執行：chainrule train {} --resume",
    "name the model's file": "請指定模型的檔案",
    "--interval writes columns of a table; end {} in .csv.": "--interval 會寫出表格的欄位；{} 請以 .csv 結尾。",
    "--spread compares the members of an ensemble, but {} is one network; train with --members.": (
        "--spread 比較集成的成員，但 {} 只有一個網路；請以 --members 訓練。"
    ),
    "--explain needs --out with the ending .csv, not {}, or no --out.": (
        "--explain 需要以 .csv 結尾的 --out，不能是 {}，或省略 --out。"
    ),
    "--interval needs rows that a model did not learn from, and {} keeps nothing of such; train it on a table, "
    "with --preset fast.": "--interval 需要模型沒有學過的列，而 {} 沒有保留；請以表格與 --preset fast 訓練。",
    "{} is not a table, but the model was trained on one; predict reads {}.": (
        "{} 不是表格，但模型是以表格訓練的；predict 可讀取 {}。"
    ),
    "{} is a picture, which needs a model with 784 inputs; this one has {}.": (
        "{} 是圖片，需要有 784 個輸入的模型；這個模型有 {} 個。"
    ),
    "{} is not an input; predict reads {}.": "{} 不是可用的輸入；predict 可讀取 {}。",
    "{} contains no X; write it with np.savez(path, X=X).": "{} 裡沒有 X；請以 np.savez(path, X=X) 寫入。",
    "--host {} can be reached from other machines; pass --token-file, or set {}, so that not everybody may ask.": (
        "其他機器也能連到 --host {}；請傳入 --token-file 或設定 {}，以免任何人都能使用。"
    ),
    "the token in {} must have at least {} characters of ASCII without blanks; make one: openssl rand -hex 32.": (
        "{} 中的權杖至少要有 {} 個不含空白的 ASCII 字元；可用這個命令產生：openssl rand -hex 32。"
    ),
    "chainrule serve needs {}; install it: pip install 'chainrule[serve]'.": (
        "chainrule serve 需要 {}；請安裝：pip install 'chainrule[serve]'。"
    ),
    "the studio needs {}; install it: pip install 'chainrule[studio]'.": (
        "工作室需要 {}；請安裝：pip install 'chainrule[studio]'。"
    ),
    "several DATA must be Parquet or Arrow files without a comma in their names, not {}; name one, or a folder.": (
        "多個 DATA 必須是名稱不含逗號的 Parquet 或 Arrow 檔案，不能是 {}；請指定一個檔案，或一個資料夾。"
    ),
    "--hidden must be widths such as 256,128, or none, not {}.": (
        "--hidden 必須是 256,128 這樣的寬度或 none，不能是 {}。"
    ),
    "--lang must be {}, not {}.": "--lang 必須是 {}，不能是 {}。",
    "--resume continues a run, --overwrite replaces it; choose one.": (
        "--resume 會繼續執行，--overwrite 會取代它；請擇一。"
    ),
    "{} contains no run to continue; name its folder, or give DATA and --out.": (
        "{} 裡沒有可以繼續的執行；請指定它的資料夾，或給 DATA 與 --out。"
    ),
    "--resume continues a search, --overwrite replaces it; choose one.": (
        "--resume 會繼續搜尋，--overwrite 會取代它；請擇一。"
    ),
    "{} contains no search to continue; name its folder, or give DATA and --out.": (
        "{} 裡沒有可以繼續的搜尋；請指定它的資料夾，或給 DATA 與 --out。"
    ),
    "--track must be one of {}, or such as tensorboard:DIRECTORY, not {}.": (
        "--track 必須是 {} 之一，或像 tensorboard:DIRECTORY，不能是 {}。"
    ),
    # folders of runs
    "{} is no folder of a complete run, which has metrics.json and model.safetensors; name the folder that "
    "chainrule train wrote.": (
        "{} 不是完整執行的資料夾，其中應有 metrics.json 與 model.safetensors；請指定 chainrule train "
        "寫入的資料夾。"
    ),
    "the files of {} are damaged ({}); train the run again.": "{} 的檔案已損壞（{}）；請重新訓練。",
    "{} is damaged ({}); train the run again.": "{} 已損壞（{}）；請重新訓練。",
    "{} is the folder of a run; add {} to continue it.": "{} 是一次執行的資料夾；加上 {} 可以繼續。",
    "{} is a file; name a folder.": "{} 是檔案；請指定資料夾。",
    "{} already contains files ({}); name another folder.": "{} 裡已有檔案（{}）；請指定其他資料夾。",
    "{} already contains a run; continue it with {}, replace it with {}, or name another folder.": (
        "{} 裡已有一次執行；以 {} 可以繼續，以 {} 可以取代，或指定其他資料夾。"
    ),
    "another process is training in {}; wait until it ends, or name another folder with {}.": (
        "另一個行程正在 {} 中訓練；請等它結束，或以 {} 指定其他資料夾。"
    ),
    "the run in {} was made with other data; train it longer with the same data.": (
        "{} 的執行用的是其他資料；請用相同的資料繼續訓練。"
    ),
    "the run in {} was made with other data; restore them.": "{} 的執行用的是其他資料；請還原那些資料。",
    "{} has a search; continue it with: chainrule tune {} --resume": (
        "{} 裡是一次搜尋；要繼續請執行：chainrule tune {} --resume"
    ),
    "{} has a run but no search; continue it with: chainrule train {} --resume.": (
        "{} 裡是一次執行而不是搜尋；要繼續請執行：chainrule train {} --resume。"
    ),
    "{} is not the table that the run in {} was trained on, or has changed since; restore it, or train again.": (
        "{} 不是 {} 的執行所用的表格，或之後已改變；請還原它，或重新訓練。"
    ),
    # data and tables
    "{} does not exist; {} is mnist, a folder of IDX files, an .npz or a table.": (
        "{} 不存在；{} 是 mnist、IDX 檔案的資料夾、.npz 或表格。"
    ),
    "{} is not data; {} is mnist, a folder of IDX files, an .npz with X and y, or a table (.csv, .csv.gz, "
    ".parquet, .arrow, .xlsx).": (
        "{} 不是資料；{} 是 mnist、IDX 檔案的資料夾、有 X 與 y 的 .npz，或表格（.csv、.csv.gz、.parquet、"
        ".arrow、.xlsx）。"
    ),
    "{} is a table; name the column to predict with {}: {}.": "{} 是表格；請以 {} 指定要預測的欄位：{}。",
    "it has {}": "它有 {}",
    "its last are {}": "最後幾個是 {}",
    "{} has no column {}, the value of {}; {}": "{} 沒有欄位 {}（{} 的值）；{}",
    "did you mean {}?": "是不是 {}？",
    "it has {}.": "它有 {}。",
    "{} contains {}, the column to predict; exclude others.": "{} 含有要預測的欄位 {}；請排除其他欄位。",
    "{} names {}, the column to predict; name another.": "{} 指定了要預測的欄位 {}；請指定其他欄位。",
    "{} has no values; training needs a target.": "{} 沒有值；訓練需要目標。",
    "{} has {} different texts in {} rows, such as {}, too many for classes; name a column with fewer, or "
    "write quantities as numbers.": (
        "{0} 在 {2} 列中有 {1} 種不同的文字，例如 {3}，多得無法當成類別；請指定種類較少的欄位，"
        "或把數量寫成數字。"
    ),
    "{} has {} with a target; at least {} are needed for training, validation and testing.": (
        "{} 只有 {} 有目標；訓練、驗證與測試至少需要 {} 列。"
    ),
    "{} has only the column {}; other columns are needed to predict it.": (
        "{} 只有欄位 {}；還需要其他欄位才能預測它。"
    ),
    "{} is a table, but the model was trained on an array of numbers; pass an .npy or .npz, or train on a "
    "table.": "{} 是表格，但模型是以數字陣列訓練的；請傳入 .npy 或 .npz，或以表格訓練。",
    "{} lacks the column {}, which the model predicts; add it.": "{} 缺少模型要預測的欄位 {}；請加上。",
    "{} lacks {}{} of the {} columns the model was trained on; add what is missing, or rename its columns.": (
        "{0} 缺少模型訓練時 {3} 個欄位中的 {1}{2}；請加上缺少的欄位，或更改欄位名稱。"
    ),
    "{} is for tables, and {} has no named columns; omit it.": "{} 用於表格，而 {} 沒有欄位名稱；請省略。",
    "{} is for two classes; omit it.": "{} 用於兩個類別；請省略。",
    "{} must be one of {}, not {}.": "{} 必須是 {} 之一，不能是 {}。",
    "{} must be an integer of at least {}, not {}{}{}.": "{} 必須是至少 {} 的整數，不能是 {}{}{}。",
    "{} must be a finite number, not {}.": "{} 必須是有限的數字，不能是 {}。",
    "{} must be a probability of at least 0 and below 1, not {}.": "{} 必須是至少 0、小於 1 的機率，不能是 {}。",
    "{} has {} in {} rows; a target needs two that differ.": "{0} 在 {2} 列中只有 {1}；目標至少要有兩個不同的值。",
    "{} has a header but no rows; add at least one.": "{} 只有標題而沒有資料列；請至少加上一列。",
    "{} is empty; it needs a header and at least one row.": "{} 是空的；需要標題與至少一列資料。",
    "{} has two columns named {}; rename one of them.": "{} 有兩個名為 {} 的欄位；請更改其中一個的名稱。",
    "{} has {} in line {}, but {} in line {} ({}); {}make them equal, and quote cells that contain the "
    "delimiter.": "{0} 的第 {2} 行有 {1}，第 {4} 行卻有 {3}（{5}）；請使兩者相同，並為含有分隔符號的儲存格加上引號。",
    "{} is read by openpyxl, which is not installed; install chainrule[excel], or save the sheet as CSV.": (
        "{} 需要尚未安裝的 openpyxl；請安裝 chainrule[excel]，或將工作表存成 CSV。"
    ),
    "{} has no sheet {}, the value of {}; it has {}.": "{} 沒有工作表 {}（{} 的值）；它有 {}。",
    "{} has tables in the sheets {}; name one as {}.": "{} 的工作表 {} 都有表格；請以 {} 指定一個。",
    "{} is damaged or not an Excel workbook ({}); save it again.": "{} 已損壞或不是 Excel 活頁簿（{}）；請重新儲存。",
    "{} is damaged or not a valid {} file ({}); write it again.": "{} 已損壞或不是有效的 {} 檔案（{}）；請重新寫入。",
    "{} needs PyArrow, which is not installed; install chainrule[tables], or save the table as CSV.": (
        "{} 需要尚未安裝的 PyArrow；請安裝 chainrule[tables]，或將表格存成 CSV。"
    ),
    "{} is not valid CSV at line {}: {}; fix its quotes, or shorten that cell.": (
        "{} 的第 {} 行不是有效的 CSV：{}；請修正引號，或縮短該儲存格。"
    ),
    "{} already exists; choose a new or empty folder.": "{} 已存在；請選擇新的或空的資料夾。",
    "{} does not exist; pass an existing file or folder.": "{} 不存在；請指定存在的檔案或資料夾。",
    "writing": "寫入中",
    # what compares two models
    "{} must be a number, 0 or larger, or class, not {}.": "{} 必須是 0 以上的數字或 class，不是 {}。",
    "{} must be a number, because both models predict numbers.": "{} 必須是數字，因為兩個模型都預測數值。",
    "A predicts {} and B {}, so their answers cannot be compared; a network that ends with logits needs its loss: "
    "open(path, loss=SoftmaxCrossEntropy()).save(file).": (
        "A 預測{}，B 預測{}，無法比較；以 logits 結尾的網路需要損失函數："
        "open(path, loss=SoftmaxCrossEntropy()).save(file)。"
    ),
    "numbers": "數值",
    "classes": "類別",
    "A answers {} numbers for each of {} rows and B {} for each of {}; compare models with the same outputs on the "
    "same rows.": "A 對 {1} 列各答 {0} 個數，B 對 {3} 列各答 {2} 個；請以相同的資料列比較輸出相同的模型。",
    "A has the classes {} and B {}; compare models of the same classes.": (
        "A 的類別是 {}，B 的是 {}；請比較類別相同的模型。"
    ),
    # what an export leaves to the caller
    "Dates are given as seconds since 1970 in universal time.": "日期以 1970 年起的秒數（世界協調時間）傳入。",
    "Durations are given as seconds.": "時間長度以秒數傳入。",
    "Numbers and dates that are text are read by the caller.": "以文字表示的數字與日期由呼叫端讀取。",
    "The preparation of the table is not in the files, because the model's file has no estimator: a row is its "
    "prepared columns, as numbers.": (
        "檔案中沒有表格的前處理，因為模型的檔案沒有估計器：一列就是前處理後的欄位，皆為數字。"
    ),
}
"""What each message is in Chinese; {} is a part, which is translated too, in the order of English or by its number."""
