"""Words that `chainrule train` and `tune` print: what begins, each epoch, and what has ended."""

from __future__ import annotations

from chainrule.views.words.zh.model import stopped
from chainrule.views.words.zh.phrases import percent

EVALUATING, WRITING, TRYING = "評估中", "正在寫報告", "正在嘗試設定"
COMPILING = "編譯中"
HEADS = {
    "learning_rate": "學習率",
    "forward_passes": "前向次數",
    "val": "驗證",
    "test": "測試",
    "loss": "損失",
    "accuracy": "準確率",
    "seconds": "秒",
}
FINISHED = "沒有需要再訓練的部分；結果會重新寫入。"
TOO_SHORT = "時間上限在第一個週期結束前就到了：網路只看過一部分資料列。請提高 --time-limit。"
TRIAL_HEADS = ("試驗", "值", "最佳", "秒", "設定")
SETTING_HEADS = ("設定", "最佳", "預設", "重要性")


def parts(trained: int, held: int, tested: int) -> str:
    """The rows of a run."""
    also = f"、{held:,} 個用來驗證" * (held > 0) + f"、{tested:,} 個用來測試" * (tested > 0)
    return f"{trained:,} 個樣本用來訓練{also}"


def parts_of_race(trained: int, tested: int) -> str:
    """The rows of a race."""
    return f"{trained:,} 個樣本用來訓練與驗證、{tested:,} 個用來測試"


def parts_of_search(trained: int, tested: int) -> str:
    """The rows of a search."""
    return f"{trained:,} 個樣本用來搜尋、{tested:,} 個用來測試"


def at_rate(rate: float) -> str:
    """A learning rate, behind the name of an optimizer."""
    return f"（學習率 {rate:g}）"


def batches(size: int | None) -> str:
    """The samples of a step; None for all."""
    return "每步使用全部樣本" if size is None else f"批次大小 {size}"


def batches_and_epochs(size: int, epochs: int, seconds: float | None) -> str:
    """The samples of a step, and the end of a training."""
    limit = "" if seconds is None else f"、{seconds:g} 秒"
    return f"{batches(size)}，最多 {epochs:,} 個週期{limit}"


def new_training(first: int, last: int) -> str:
    """The epochs of a run that is trained longer."""
    return f"第 {first} 到 {last} 個週期：從這次執行的模型開始新的訓練"


def plain_network(option: str) -> str:
    """The reason for a network without a preset."""
    return f"使用一般網路，因為預設組合不支援 {option}"


def of_preset(name: str, networks: int, parameters: int, loss: str) -> str:
    """The networks of a preset."""
    several = f"{networks} 個網路，各有 {parameters:,} 個參數" if networks > 1 else f"{parameters:,} 個參數"
    return f"預設組合 {name}：{several}，{loss}"


def race(seconds: float) -> str:
    """A race."""
    return f"預設組合 best：多種做法競賽 {seconds:g} 秒，以最佳者的平均預測"


def race_again(plan: str) -> str:
    """A race that is repeated."""
    return f"預設組合 best：重做 {plan} 的競賽，不限時間"


def search(
    preset: str, trials: int | None, seconds: float | None, folds: int | None, held: int, pruner: str
) -> str:
    """How a search ends and judges. held: one row of so many is held out without folds."""
    ends = [f"{trials:,} 次試驗"] if trials is not None else []
    ends += [f"{seconds:g} 秒"] if seconds is not None else []
    how = f"每 {held} 列保留一列" if folds is None else f"{folds} 折"
    return f"預設組合 {preset}：{'或 '.join(ends)}，{how}，提前結束的準則 {pruner}"


def at_once(jobs: int) -> str:
    """The trials at a time."""
    return f"，同時 {jobs} 個"


def cost(memory: str, training: int, predicting: int) -> str:
    """What a network costs."""
    return f"訓練需要 {memory}，每列 {training:,} 次運算；預測 {predicting:,} 次"


def watched(part: str, name: str) -> str:
    """The head of a column of the samples that are watched."""
    return f"{part}{name}"


def epoch_of(epochs: int) -> str:
    """The head of the column of epochs."""
    return f"週期（共 {epochs}）"


def in_epoch(epoch: int, epochs: int) -> str:
    """The title of a bar."""
    return f"週期 {epoch}/{epochs}"


def left(time: str, rate: float | None) -> str:
    """The time left, and the rows per second if known."""
    return f"還有 {time}" if rate is None else f"每秒 {rate:,.0f} 列，還有 {time}"


def ended(reason: str) -> str:
    """Why training ended before its last epoch."""
    return stopped(reason)


def after(samples: int, epochs: int, seconds: float) -> str:
    """The samples that judge a run, and its training."""
    return f"以 {samples:,} 個樣本評估，訓練 {epochs:,} 個週期，用時 {seconds:.1f} 秒"


def trained_again(samples: int, epochs: int) -> str:
    """The second training, on all samples."""
    return f"再以全部 {samples:,} 個樣本訓練，週期數取最佳的 {epochs:,} 個"


def missed_target(target: float) -> str:
    """A target that was not reached."""
    return f"沒有達到 {percent(target)} 的目標。"


def run_folder(path: str) -> str:
    """The folder of a run."""
    return f"資料夾：{path}"


def report(path: str) -> str:
    """The report of a run."""
    return f"報告：  {path}"


def finished(done: int, asked: int | None, why: str | None) -> str:
    """A run that has nothing left to train."""
    of = "" if asked is None else f"（要求 {asked} 個）"
    reason = "" if why is None else stopped(why)
    return f"這次執行已經完成：{done} 個週期{of}。{reason}"


def train_longer(command: str) -> str:
    """The command that trains a finished run longer."""
    return f"要訓練更久：{command}"


def interrupted(command: str) -> str:
    """The end of a run by Ctrl-C, and the command that continues it."""
    return f"已中斷；要繼續請執行：{command}"


def interrupted_with_results(folder: str, command: str | None) -> str:
    """The end of a run by Ctrl-C that has results. command: that continues it; None if none does."""
    again = "。" if command is None else f"；要繼續請執行：{command}"
    return f"已中斷；目前的結果在 {folder}{again}"


ENDS = {"trials": "試驗次數已滿", "time limit": "時間已到", "interrupted": "中斷"}


def searched(trials: int, seconds: float, why: str) -> str:
    """The end of a search."""
    return f"{trials:,} 次試驗，用時 {seconds:.1f} 秒，結束原因：{ENDS.get(why, why)}"


def best_of_search(metric: str, value: float, default: float | None) -> str:
    """The best value, beside that of the preset as it comes."""
    line = f"在保留的列上，最佳的{metric}為 {value:.5g}"
    if not default:
        return line
    return f"{line}，未更動的預設組合為 {default:.5g}（{100 * (value / default - 1):+.1f} %）"
