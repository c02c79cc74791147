"""The sentences of the experiment `regularization`, built from its numbers.

Samples are named by the share of wrong labels, 0 for none, and remedies by their codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.views.words.en.phrases import several

TITLE = "Overfitting on a small sample, and four remedies"
REMEDIES = {
    "plain": "plain",
    "dropout": "dropout",
    "l2": "L2",
    "batch_norm": "batch norm",
    "early_stopping": "early stopping",
    "all": "all four",
}
HEADS = (
    *("training", "train %", "test %", "lowest", "highest", "gap"),
    *("gain", "better in", "test loss", "epochs", "best"),
)
LIMITS = (
    "One architecture, one sample size, one data set: with more samples every remedy gains less, and the "
    "ranking changes. The learning rate was not tuned for each, and 'all four' uses the strengths that were "
    "best individually. Early stopping uses the validation samples, which plain training could have trained "
    "on. Batch norm is meant to ease training, not to regularize; its effect here is a side effect. A few "
    "seeds distinguish large differences from chance, not small ones."
)
ACCURACIES = "Test accuracy by remedy"
ACCURACY = "test accuracy, %"
LOSSES = ("training loss", "validation loss")
EPOCH, LOSS = "epoch", "loss"
ONE_SEED, MEAN = "one seed", "mean"
MEAN_OF = "%{y}, mean<br>%{x:.2f} %"
"""Hover text for a mean."""


def labels(wrong: float) -> str:
    """The labels of a sample."""
    return f"{100 * wrong:g} % wrong labels" if wrong else "correct labels"


def strength_of(remedy: str) -> str:
    """The current activity."""
    return f"strength of {REMEDIES[remedy]}"


def question(samples: int) -> str:
    """The question."""
    return (
        f"What do dropout, L2, batch norm and early stopping change when a network has {samples} samples "
        "that it can memorize?"
    )


def better(seeds: int, of: int) -> str:
    """The number of seeds in which a remedy was better."""
    return f"{seeds} of {of}"


def caption(wrong: float, dropout: float, l2: float, repeats: int) -> str:
    """The caption of a table of remedies. dropout, l2: the strengths chosen."""
    return (
        f"With {labels(wrong)} (dropout {dropout:g}, L2 {l2:g}). Accuracies, means of {repeats} seeds, with "
        "the lowest and the highest test accuracy; the gap between training and test, and the gain in test "
        "accuracy over plain training on the same sample, in points; the test loss; the epochs run, and the "
        "epoch of the lowest validation loss (medians)."
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
            f"with {labels(wrong)} by {found[least]:+.1f} points ({REMEDIES[least]}) to {found[most]:+.1f} "
            f"points ({REMEDIES[most]})"
        )
        lower.append(sum(loss[wrong][name] < loss[wrong]["plain"] for name in found))
        count = len(found)
    return (
        f"They change the test accuracy {' and '.join(said)}; the test loss is below plain training's for "
        f"{' and for '.join(map(str, lower))} of the {count}."
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
    said = ", ".join(f"{REMEDIES[name]} {gains[name]:+.2f}" for name in order)
    text = (
        f"With {labels(wrong)}, plain training fits {accuracies[0]:.1f} % of its {settings['samples']} "
        f"labels and classifies {accuracies[1]:.1f} % of the test digits correctly; its validation loss is "
        f"lowest at epoch {best:.0f} of {settings['epochs']} and ends {rise:.2f} times as high. Relative to "
        f"it, in points of test accuracy: {said}."
    )
    if torn:
        text += f" The seeds disagree on the sign for {several([REMEDIES[name] for name in torn])}."
    least = min(loss, key=loss.__getitem__)
    return (
        f"{text} The lowest test loss is that of {REMEDIES[least]}: {loss[least]:.3f}, compared with "
        f"{loss['plain']:.3f} for plain."
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
    return (
        f"The network 784 - {width} - {width} - 10 (ReLU) and its initial weights, Adam at {rate:g}, batches "
        f"of {batch}, at most {settings['epochs']} epochs; per seed the same {settings['samples']} digits of "
        f"MNIST for training, the same {held_out:,} others for validation, and the same "
        f"{settings['tested_on']:,} for testing; only training labels are ever wrong. Losses are measured "
        "without penalty and without dropout. The dropout rate and the L2 penalty are the best of "
        f"{tried[0]} and of {tried[1]} by the validation loss after the last epoch, averaged over the "
        f"{spare} seeds after those reported."
    )


def panel(remedy: str, accuracy: float) -> str:
    """The title of a remedy's panel. accuracy: in percent."""
    return f"{REMEDIES[remedy]}: <b>{accuracy:.1f} %</b> test accuracy"


def both_losses(wrong: float) -> str:
    """The title of the losses of a sample."""
    return f"Both losses, with {labels(wrong)}"


def with_labels(wrong: float) -> str:
    """The title of a sample's panel."""
    return f"with {labels(wrong)}"
