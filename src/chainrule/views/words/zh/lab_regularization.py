"""The sentences of the experiment `regularization`, built from its numbers.

Samples are named by the share of wrong labels, 0 for none, and remedies by their codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.views.words.zh.phrases import several

TITLE = "小樣本上的過度擬合，以及四種對策"
REMEDIES = {
    "plain": "一般訓練",
    "dropout": "dropout",
    "l2": "L2",
    "batch_norm": "批次正規化",
    "early_stopping": "提早停止",
    "all": "四種並用",
}
HEADS = (
    *("訓練方式", "訓練 %", "測試 %", "最低", "最高", "差距"),
    *("增益", "較好的種子", "測試損失", "週期", "最佳"),
)
LIMITS = (
    "一種架構、一種樣本大小、一份資料：樣本越多，每種對策的幫助越小，名次也會改變。學習率沒有分別調整，"
    "「四種並用」使用個別最佳的強度。提早停止用了驗證樣本，一般訓練本可用它們來訓練。"
    "批次正規化的目的是讓訓練容易，不是正則化；它在這裡的作用是附帶的。"
    "少數幾個種子能分辨大的差異與偶然，分辨不了小的差異。"
)
ACCURACIES = "各對策的測試準確率"
ACCURACY = "測試準確率，%"
LOSSES = ("訓練損失", "驗證損失")
EPOCH, LOSS = "週期", "損失"
ONE_SEED, MEAN = "一個種子", "平均"
MEAN_OF = "%{y}，平均<br>%{x:.2f} %"


def labels(wrong: float) -> str:
    """The labels of a sample."""
    return f"{100 * wrong:g} % 錯誤的標籤" if wrong else "正確的標籤"


def strength_of(remedy: str) -> str:
    """The current activity."""
    return f"{REMEDIES[remedy]} 的強度"


def question(samples: int) -> str:
    """The question."""
    return f"網路只有 {samples} 個樣本，全背得起來時，dropout、L2、批次正規化與提早停止會改變什麼？"


def better(seeds: int, of: int) -> str:
    """The number of seeds in which a remedy was better."""
    return f"{seeds} / {of}"


def caption(wrong: float, dropout: float, l2: float, repeats: int) -> str:
    """The caption of a table of remedies. dropout, l2: the strengths chosen."""
    return (
        f"{labels(wrong)}（dropout {dropout:g}，L2 {l2:g}）。準確率是 {repeats} 個種子的平均，"
        "並列出最低與最高的測試準確率；"
        "訓練與測試的差距，以及相對於同一樣本一般訓練的測試準確率增益，以百分點計；測試損失；執行的週期，"
        "以及驗證損失最低的週期（中位數）。"
    )


def answer(gains: Mapping[float, Mapping[str, float]], loss: Mapping[float, Mapping[str, float]]) -> str:
    """The answer in one sentence.

    gains: in test accuracy over plain training, in points, by sample and remedy.  loss: on the test samples, by sample
    and remedy, including plain.  All are means over the seeds.
    """
    said, lower, count = [], [], 0
    for wrong, found in gains.items():
        least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
        said.append(
            f"{labels(wrong)}時從 {found[least]:+.1f} 個百分點（{REMEDIES[least]}）到 {found[most]:+.1f} 個百分點"
            f"（{REMEDIES[most]}）"
        )
        lower.append(sum(loss[wrong][name] < loss[wrong]["plain"] for name in found))
        count = len(found)
    return (
        f"測試準確率的改變：{'；'.join(said)}。{count} 種對策中，測試損失低於一般訓練的分別有 "
        f"{'、'.join(map(str, lower))} 種。"
    )


def finding(
    wrong: float,
    accuracies: tuple[float, float],
    best: float,
    rise: float,
    gains: Mapping[str, float],
    torn: Sequence[str],
    loss: Mapping[str, float],
    settings: Mapping[str, Any],
) -> str:
    """The results for one sample.

    accuracies: of plain training on its labels and on the test digits, in percent.  best: its epoch of the lowest
    validation loss.  rise: its final validation loss over the lowest.  gains: by remedy, in points.  torn: remedies
    whose gain differs in sign between seeds.  loss: on the test samples, by remedy.
    """
    order = sorted(gains, key=lambda name: -gains[name])
    said = several([f"{REMEDIES[name]} {gains[name]:+.2f}" for name in order])
    text = (
        f"{labels(wrong)}時，一般訓練記住了 {settings['samples']} 個標籤中的 {accuracies[0]:.1f} %，在測試數字上答對 "
        f"{accuracies[1]:.1f} %；驗證損失在第 {best:.0f} 個週期最低（共 {settings['epochs']} 個），"
        f"最後是它的 {rise:.2f} 倍。"
        f"與它相比，測試準確率的百分點：{said}。"
    )
    if torn:
        text += f"各種子對 {several([REMEDIES[name] for name in torn])} 的正負號並不一致。"
    least = min(loss, key=loss.__getitem__)
    return f"{text}測試損失最低的是 {REMEDIES[least]}：{loss[least]:.3f}，一般訓練為 {loss['plain']:.3f}。"


def held_fixed(
    width: int,
    rate: float,
    batch: int,
    held_out: int,
    tried: tuple[int, int],
    spare: int,
    settings: Mapping[str, Any],
) -> str:
    """The controlled variables. tried: numbers of strengths of dropout and of L2.  spare: seeds used to choose them."""
    return (
        f"網路 784 - {width} - {width} - 10（ReLU）與它的初始權重，學習率 {rate:g} 的 Adam，批次大小 {batch}，最多 "
        f"{settings['epochs']} 個週期；每個種子用來訓練的 MNIST 數字（{settings['samples']} 個）、用來驗證的其他 "
        f"{held_out:,} 個與用來測試的 {settings['tested_on']:,} 個都相同；只有訓練的標籤會有錯。損失的測量不含懲罰項與 "
        f"dropout。dropout 的比例與 L2 的強度是 {tried[0]} 個與 {tried[1]} 個之中，最後一個週期之後驗證損失最低的，"
        f"取列出的種子之後 {spare} 個種子的平均。"
    )


def panel(remedy: str, accuracy: float) -> str:
    """The title of a remedy's panel. accuracy: in percent."""
    return f"{REMEDIES[remedy]}：測試準確率 <b>{accuracy:.1f} %</b>"


def both_losses(wrong: float) -> str:
    """The title of the losses of a sample."""
    return f"兩種損失，{labels(wrong)}"


def with_labels(wrong: float) -> str:
    """The title of a sample's panel."""
    return labels(wrong)
