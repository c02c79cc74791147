"""Words that `chainrule train` and `tune` print: what begins, each epoch, and what has ended."""

from __future__ import annotations

from . import say
from .model import stopped
from .phrases import counted, percent

EVALUATING, WRITING, TRYING = say(
    ("evaluating", "writing the report", "trying settings"), ("評估中", "正在寫報告", "正在嘗試設定")
)
COMPILING = say("compiling", "編譯中")
HEADS = {
    "learning_rate": say("lr", "學習率"),
    "forward_passes": say("passes", "前向次數"),
    "val": say("val", "驗證"),
    "test": say("test", "測試"),
    "loss": say("loss", "損失"),
    "accuracy": say("accuracy", "準確率"),
    "seconds": say("seconds", "秒"),
}
"""The parts of the heads of a table of epochs; others stay as they are."""
FINISHED = say(
    "Nothing is left to train; its results are written again.", "沒有需要再訓練的部分；結果會重新寫入。"
)
TOO_SHORT = say(
    "The time limit ended the first epoch: the network has seen only some of the rows. Raise --time-limit.",
    "時間上限在第一個週期結束前就到了：網路只看過一部分資料列。請提高 --time-limit。",
)
TRIAL_HEADS = say(("trial", "value", "best", "seconds", "settings"), ("試驗", "值", "最佳", "秒", "設定"))
SETTING_HEADS = say(("setting", "best", "preset", "importance"), ("設定", "最佳", "預設", "重要性"))


def parts(trained: int, held: int, tested: int) -> str:
    """The rows of a run."""
    also = say(
        f", {held:,} to validate on" * (held > 0) + f", {tested:,} to test on" * (tested > 0),
        f"、{held:,} 個用來驗證" * (held > 0) + f"、{tested:,} 個用來測試" * (tested > 0),
    )
    return say(f"{trained:,} samples to train on{also}", f"{trained:,} 個樣本用來訓練{also}")


def parts_of_race(trained: int, tested: int) -> str:
    """The rows of a race."""
    return say(
        f"{trained:,} samples to train and validate on, {tested:,} to test on",
        f"{trained:,} 個樣本用來訓練與驗證、{tested:,} 個用來測試",
    )


def parts_of_search(trained: int, tested: int) -> str:
    """The rows of a search."""
    return say(
        f"{trained:,} samples to search on, {tested:,} to test on",
        f"{trained:,} 個樣本用來搜尋、{tested:,} 個用來測試",
    )


def at_rate(rate: float) -> str:
    """A learning rate, behind the name of an optimizer."""
    return say(f" at {rate:g}", f"（學習率 {rate:g}）")


def batches(size: int | None) -> str:
    """The samples of a step; None for all."""
    return (
        say("all samples per step", "每步使用全部樣本")
        if size is None
        else say(f"batches of {size}", f"批次大小 {size}")
    )


def batches_and_epochs(size: int, epochs: int, seconds: float | None) -> str:
    """The samples of a step, and the end of a training."""
    limit = "" if seconds is None else say(f", {seconds:g} s at most", f"、{seconds:g} 秒")
    return say(
        f"{batches(size)}, {counted(epochs, 'epoch')} at most{limit}",
        f"{batches(size)}，最多 {epochs:,} 個週期{limit}",
    )


def new_training(first: int, last: int) -> str:
    """The epochs of a run that is trained longer."""
    return say(
        f"epochs {first} to {last}: a new training from the run's model",
        f"第 {first} 到 {last} 個週期：從這次執行的模型開始新的訓練",
    )


def plain_network(option: str) -> str:
    """The reason for a network without a preset."""
    return say(
        f"a plain network, because presets do not support {option}",
        f"使用一般網路，因為預設組合不支援 {option}",
    )


def of_preset(name: str, networks: int, parameters: int, loss: str) -> str:
    """The networks of a preset."""
    several = (
        say(
            f"{networks} networks, {parameters:,} parameters each",
            f"{networks} 個網路，各有 {parameters:,} 個參數",
        )
        if networks > 1
        else say(f"{parameters:,} parameters", f"{parameters:,} 個參數")
    )
    return say(f"preset {name}: {several}, {loss}", f"預設組合 {name}：{several}，{loss}")


def race(seconds: float) -> str:
    """A race."""
    return say(
        f"preset best: recipes race for {seconds:g} s; the average of the best predicts",
        f"預設組合 best：多種做法競賽 {seconds:g} 秒，以最佳者的平均預測",
    )


def race_again(plan: str) -> str:
    """A race that is repeated."""
    return say(
        f"preset best: the race of {plan} is repeated, however long it takes",
        f"預設組合 best：重做 {plan} 的競賽，不限時間",
    )


def search(
    preset: str, trials: int | None, seconds: float | None, folds: int | None, held: int, pruner: str
) -> str:
    """How a search ends and judges. held: one row of so many is held out without folds."""
    ends = [say(counted(trials, "trial"), f"{trials:,} 次試驗")] if trials is not None else []
    ends += say([f"{seconds:g} s"], [f"{seconds:g} 秒"]) if seconds is not None else []
    how = (
        say(f"one row of {held} held out", f"每 {held} 列保留一列")
        if folds is None
        else say(f"{folds} folds", f"{folds} 折")
    )
    return say(
        f"preset {preset}: {' or '.join(ends)}, {how}, pruner {pruner}",
        f"預設組合 {preset}：{'或 '.join(ends)}，{how}，提前結束的準則 {pruner}",
    )


def at_once(jobs: int) -> str:
    """The trials at a time."""
    return say(f", {jobs} at a time", f"，同時 {jobs} 個")


def cost(memory: str, training: int, predicting: int) -> str:
    """What a network costs."""
    return say(
        f"{memory} to train, {training:,} operations per row; to predict {predicting:,}",
        f"訓練需要 {memory}，每列 {training:,} 次運算；預測 {predicting:,} 次",
    )


def watched(part: str, name: str) -> str:
    """The head of a column of the samples that are watched."""
    return say(f"{part} {name}", f"{part}{name}")


def epoch_of(epochs: int) -> str:
    """The head of the column of epochs."""
    return say(f"epoch of {epochs}", f"週期（共 {epochs}）")


def in_epoch(epoch: int, epochs: int) -> str:
    """The title of a bar."""
    return say(f"epoch {epoch}/{epochs}", f"週期 {epoch}/{epochs}")


def left(time: str, rate: float | None) -> str:
    """The time left, and the rows per second if known."""
    return (
        say(f"{time} left", f"還有 {time}")
        if rate is None
        else say(f"{rate:,.0f} rows/s, {time} left", f"每秒 {rate:,.0f} 列，還有 {time}")
    )


def ended(reason: str) -> str:
    """Why training ended before its last epoch."""
    return say(f"Stopped: {reason}.", stopped(reason))


def after(samples: int, epochs: int, seconds: float) -> str:
    """The samples that judge a run, and its training."""
    return say(
        f"on {counted(samples, 'sample')}, after {counted(epochs, 'epoch')} in {seconds:.1f} s",
        f"以 {samples:,} 個樣本評估，訓練 {epochs:,} 個週期，用時 {seconds:.1f} 秒",
    )


def trained_again(samples: int, epochs: int) -> str:
    """The second training, on all samples."""
    return say(
        f"trained again on all {samples:,} samples, for the best {counted(epochs, 'epoch')}",
        f"再以全部 {samples:,} 個樣本訓練，週期數取最佳的 {epochs:,} 個",
    )


def missed_target(target: float) -> str:
    """A target that was not reached."""
    return say(f"The target of {percent(target)} was not reached.", f"沒有達到 {percent(target)} 的目標。")


def run_folder(path: str) -> str:
    """The folder of a run."""
    return say(f"Run folder: {path}", f"資料夾：{path}")


def report(path: str) -> str:
    """The report of a run."""
    return say(f"Report:     {path}", f"報告：  {path}")


def finished(done: int, asked: int | None, why: str | None) -> str:
    """A run that has nothing left to train."""
    of = "" if asked is None else say(f"of {asked} ", f"（要求 {asked} 個）")
    reason = "" if why is None else stopped(why)
    return say(
        f"This run is finished: {done} {of}epochs{f' ({why})' if why else ''}.",
        f"這次執行已經完成：{done} 個週期{of}。{reason}",
    )


def train_longer(command: str) -> str:
    """The command that trains a finished run longer."""
    return say(f"To train it longer: {command}", f"要訓練更久：{command}")


def interrupted(command: str) -> str:
    """The end of a run by Ctrl-C, and the command that continues it."""
    return say(f"Interrupted; continue with: {command}", f"已中斷；要繼續請執行：{command}")


def interrupted_with_results(folder: str, command: str | None) -> str:
    """The end of a run by Ctrl-C that has results. command: that continues it; None if none does."""
    again = (
        say(".", "。")
        if command is None
        else say(f"; continue with: {command}", f"；要繼續請執行：{command}")
    )
    return say(
        f"Interrupted; {folder} has the results so far{again}", f"已中斷；目前的結果在 {folder}{again}"
    )


ENDS = say({"trials": "trials"}, {"trials": "試驗次數已滿", "time limit": "時間已到", "interrupted": "中斷"})
"""Why a search ended; others stay as they are."""


def searched(trials: int, seconds: float, why: str) -> str:
    """The end of a search."""
    return say(
        f"{counted(trials, 'trial')} in {seconds:.1f} s, ended by: {ENDS.get(why, why)}",
        f"{trials:,} 次試驗，用時 {seconds:.1f} 秒，結束原因：{ENDS.get(why, why)}",
    )


def best_of_search(metric: str, value: float, default: float | None) -> str:
    """The best value, beside that of the preset as it comes."""
    line = say(f"best {metric} on held-out rows {value:.5g}", f"在保留的列上，最佳的{metric}為 {value:.5g}")
    if not default:
        return line
    return say(
        f"{line}, of the unchanged preset {default:.5g} ({100 * (value / default - 1):+.1f} %)",
        f"{line}，未更動的預設組合為 {default:.5g}（{100 * (value / default - 1):+.1f} %）",
    )
