"""The sentences of the experiment `regularization`, built from its numbers.

Samples are named by the share of wrong labels, 0 for none, and remedies by their codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import say
from .phrases import several

TITLE = say("Overfitting on a small sample, and four remedies", "小樣本上的過度擬合，以及四種對策")
REMEDIES = {
    "plain": say("plain", "一般訓練"),
    "dropout": "dropout",
    "l2": "L2",
    "batch_norm": say("batch norm", "批次正規化"),
    "early_stopping": say("early stopping", "提早停止"),
    "all": say("all four", "四種並用"),
}
HEADS = (
    *say(
        ("training", "train %", "test %", "lowest", "highest", "gap"),
        ("訓練方式", "訓練 %", "測試 %", "最低", "最高", "差距"),
    ),
    *say(
        ("gain", "better in", "test loss", "epochs", "best"),
        ("增益", "較好的種子", "測試損失", "週期", "最佳"),
    ),
)
LIMITS = say(
    "One architecture, one sample size, one data set: with more samples every remedy gains less, and the "
    "ranking changes. The learning rate was not tuned for each, and 'all four' uses the strengths that were "
    "best individually. Early stopping uses the validation samples, which plain training could have trained "
    "on. Batch norm is meant to ease training, not to regularize; its effect here is a side effect. A few "
    "seeds distinguish large differences from chance, not small ones.",
    "一種架構、一種樣本大小、一份資料：樣本越多，每種對策的幫助越小，名次也會改變。學習率沒有分別調整，"
    "「四種並用」使用個別最佳的強度。提早停止用了驗證樣本，一般訓練本可用它們來訓練。"
    "批次正規化的目的是讓訓練容易，不是正則化；它在這裡的作用是附帶的。"
    "少數幾個種子能分辨大的差異與偶然，分辨不了小的差異。",
)
ACCURACIES = say("Test accuracy by remedy", "各對策的測試準確率")
ACCURACY = say("test accuracy, %", "測試準確率，%")
LOSSES = say(("training loss", "validation loss"), ("訓練損失", "驗證損失"))
EPOCH, LOSS = say(("epoch", "loss"), ("週期", "損失"))
ONE_SEED, MEAN = say(("one seed", "mean"), ("一個種子", "平均"))
MEAN_OF = say("%{y}, mean<br>%{x:.2f} %", "%{y}，平均<br>%{x:.2f} %")
"""Hover text for a mean."""


def labels(wrong: float) -> str:
    """The labels of a sample."""
    return (
        say(f"{100 * wrong:g} % wrong labels", f"{100 * wrong:g} % 錯誤的標籤")
        if wrong
        else say("correct labels", "正確的標籤")
    )


def strength_of(remedy: str) -> str:
    """The current activity."""
    return say(f"strength of {REMEDIES[remedy]}", f"{REMEDIES[remedy]} 的強度")


def question(samples: int) -> str:
    """The question."""
    return say(
        f"What do dropout, L2, batch norm and early stopping change when a network has {samples} samples "
        "that it can memorize?",
        f"網路只有 {samples} 個樣本，全背得起來時，dropout、L2、批次正規化與提早停止會改變什麼？",
    )


def better(seeds: int, of: int) -> str:
    """The number of seeds in which a remedy was better."""
    return say(f"{seeds} of {of}", f"{seeds} / {of}")


def caption(wrong: float, dropout: float, l2: float, repeats: int) -> str:
    """The caption of a table of remedies. dropout, l2: the strengths chosen."""
    return say(
        f"With {labels(wrong)} (dropout {dropout:g}, L2 {l2:g}). Accuracies, means of {repeats} seeds, with "
        "the lowest and the highest test accuracy; the gap between training and test, and the gain in test "
        "accuracy over plain training on the same sample, in points; the test loss; the epochs run, and the "
        "epoch of the lowest validation loss (medians).",
        f"{labels(wrong)}（dropout {dropout:g}，L2 {l2:g}）。準確率是 {repeats} 個種子的平均，"
        "並列出最低與最高的測試準確率；"
        "訓練與測試的差距，以及相對於同一樣本一般訓練的測試準確率增益，以百分點計；測試損失；執行的週期，"
        "以及驗證損失最低的週期（中位數）。",
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
            say(
                f"with {labels(wrong)} by {found[least]:+.1f} points ({REMEDIES[least]}) to {found[most]:+.1f} "
                f"points ({REMEDIES[most]})",
                f"{labels(wrong)}時從 {found[least]:+.1f} 個百分點（{REMEDIES[least]}）到 {found[most]:+.1f} 個百分點"
                f"（{REMEDIES[most]}）",
            )
        )
        lower.append(sum(loss[wrong][name] < loss[wrong]["plain"] for name in found))
        count = len(found)
    return say(
        f"They change the test accuracy {' and '.join(said)}; the test loss is below plain training's for "
        f"{' and for '.join(map(str, lower))} of the {count}.",
        f"測試準確率的改變：{'；'.join(said)}。{count} 種對策中，測試損失低於一般訓練的分別有 "
        f"{'、'.join(map(str, lower))} 種。",
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
    said = say(
        ", ".join(f"{REMEDIES[name]} {gains[name]:+.2f}" for name in order),
        several([f"{REMEDIES[name]} {gains[name]:+.2f}" for name in order]),
    )
    text = say(
        f"With {labels(wrong)}, plain training fits {accuracies[0]:.1f} % of its {settings['samples']} "
        f"labels and classifies {accuracies[1]:.1f} % of the test digits correctly; its validation loss is "
        f"lowest at epoch {best:.0f} of {settings['epochs']} and ends {rise:.2f} times as high. Relative to "
        f"it, in points of test accuracy: {said}.",
        f"{labels(wrong)}時，一般訓練記住了 {settings['samples']} 個標籤中的 {accuracies[0]:.1f} %，在測試數字上答對 "
        f"{accuracies[1]:.1f} %；驗證損失在第 {best:.0f} 個週期最低（共 {settings['epochs']} 個），"
        f"最後是它的 {rise:.2f} 倍。"
        f"與它相比，測試準確率的百分點：{said}。",
    )
    if torn:
        text += say(
            f" The seeds disagree on the sign for {several([REMEDIES[name] for name in torn])}.",
            f"各種子對 {several([REMEDIES[name] for name in torn])} 的正負號並不一致。",
        )
    least = min(loss, key=loss.__getitem__)
    return say(
        f"{text} The lowest test loss is that of {REMEDIES[least]}: {loss[least]:.3f}, compared with "
        f"{loss['plain']:.3f} for plain.",
        f"{text}測試損失最低的是 {REMEDIES[least]}：{loss[least]:.3f}，一般訓練為 {loss['plain']:.3f}。",
    )


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
    return say(
        f"The network 784 - {width} - {width} - 10 (ReLU) and its initial weights, Adam at {rate:g}, batches "
        f"of {batch}, at most {settings['epochs']} epochs; per seed the same {settings['samples']} digits of "
        f"MNIST for training, the same {held_out:,} others for validation, and the same "
        f"{settings['tested_on']:,} for testing; only training labels are ever wrong. Losses are measured "
        "without penalty and without dropout. The dropout rate and the L2 penalty are the best of "
        f"{tried[0]} and of {tried[1]} by the validation loss after the last epoch, averaged over the "
        f"{spare} seeds after those reported.",
        f"網路 784 - {width} - {width} - 10（ReLU）與它的初始權重，學習率 {rate:g} 的 Adam，批次大小 {batch}，最多 "
        f"{settings['epochs']} 個週期；每個種子用來訓練的 MNIST 數字（{settings['samples']} 個）、用來驗證的其他 "
        f"{held_out:,} 個與用來測試的 {settings['tested_on']:,} 個都相同；只有訓練的標籤會有錯。損失的測量不含懲罰項與 "
        f"dropout。dropout 的比例與 L2 的強度是 {tried[0]} 個與 {tried[1]} 個之中，最後一個週期之後驗證損失最低的，"
        f"取列出的種子之後 {spare} 個種子的平均。",
    )


def panel(remedy: str, accuracy: float) -> str:
    """The title of a remedy's panel. accuracy: in percent."""
    return say(
        f"{REMEDIES[remedy]}: <b>{accuracy:.1f} %</b> test accuracy",
        f"{REMEDIES[remedy]}：測試準確率 <b>{accuracy:.1f} %</b>",
    )


def both_losses(wrong: float) -> str:
    """The title of the losses of a sample."""
    return say(f"Both losses, with {labels(wrong)}", f"兩種損失，{labels(wrong)}")


def with_labels(wrong: float) -> str:
    """The title of a sample's panel."""
    return say(f"with {labels(wrong)}", labels(wrong))
