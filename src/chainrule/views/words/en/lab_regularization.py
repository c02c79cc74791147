"""What the experiment `regularization` says, in words built from its numbers.

Samples are named by the share of their labels that is wrong, 0 where all are right, and remedies by their codes.
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
    *(
        "training",
        "train %",
        "test %",
        "lowest",
        "highest",
        "gap",
        "gain",
        "better in",
        "test loss",
        "epochs",
    ),
    "best",
)
LIMITS = (
    "One architecture, one sample size, one data set: with more samples every remedy gains less, and which "
    "one leads changes. The learning rate was not tuned for each, and 'all four' takes the strengths that "
    "were best alone. Early stopping uses the watched samples, which plain training could have learned from. "
    "Batch norm was made to ease training, not to regularize; what it does here is a side effect. A few seeds "
    "tell large differences from luck, not small ones."
)
ACCURACIES = "Test accuracy by remedy"
ACCURACY = "test accuracy, %"
LOSSES = ("training loss", "loss of unseen samples")
EPOCH, LOSS = "epoch", "loss"
ONE_SEED, MEAN = "one seed", "mean"
MEAN_OF = "%{y}, mean<br>%{x:.2f} %"
"""What the pointer shows of a mean."""


def labels(wrong: float) -> str:
    """The labels of a sample."""
    return f"{100 * wrong:g} % wrong labels" if wrong else "right labels"


def strength_of(remedy: str) -> str:
    """What is under way."""
    return f"strength of {REMEDIES[remedy]}"


def question(samples: int) -> str:
    """What is asked."""
    return (
        f"What do dropout, L2, batch norm and early stopping change when {samples} samples meet a network that can "
        "learn them by heart?"
    )


def better(seeds: int, of: int) -> str:
    """In how many seeds a remedy was better."""
    return f"{seeds} of {of}"


def caption(wrong: float, dropout: float, l2: float, repeats: int) -> str:
    """What a table of remedies shows. dropout, l2: the strengths chosen."""
    return (
        f"With {labels(wrong)} (dropout {dropout:g}, L2 {l2:g}). Accuracies, means of {repeats} seeds, with the "
        "lowest and the highest test accuracy; the gap between training and test, and the gain in test accuracy over "
        "plain training on the same sample, in points; the test loss; the epochs run, and the one of the lowest "
        "watched loss (medians)."
    )


def answer(gains: Mapping[float, Mapping[str, float]], loss: Mapping[float, Mapping[str, float]]) -> str:
    """The question's answer in one sentence.

    gains: in test accuracy over plain training, in points, by sample and remedy.  loss: of the test samples, by sample
    and remedy, the plain one among them.  All are means over the seeds.
    """
    said, lower, count = [], [], 0
    for wrong, found in gains.items():
        least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
        said.append(
            f"with {labels(wrong)} by {found[least]:+.1f} points ({REMEDIES[least]}) to {found[most]:+.1f} points "
            f"({REMEDIES[most]})"
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
    """What one sample showed.

    accuracies: of plain training on its labels and on the test digits, in percent.  best: its epoch of the lowest
    watched loss.  rise: its last watched loss over the lowest.  gains: by remedy, in points.  torn: remedies whose gain
    has another sign in other seeds.  loss: of the test samples, by remedy.
    """
    order = sorted(gains, key=lambda name: -gains[name])
    said = ", ".join(f"{REMEDIES[name]} {gains[name]:+.2f}" for name in order)
    text = (
        f"With {labels(wrong)} plain training fits {accuracies[0]:.1f} % of its {settings['samples']} labels and gets "
        f"{accuracies[1]:.1f} % of the test digits right; its watched loss is lowest at epoch {best:.0f} of "
        f"{settings['epochs']} and ends {rise:.2f} times as high. Against it, in points of test accuracy: {said}."
    )
    if torn:
        text += f" The seeds do not agree on the sign for {several([REMEDIES[name] for name in torn])}."
    least = min(loss, key=loss.__getitem__)
    return (
        f"{text} The lowest test loss is that of {REMEDIES[least]}: {loss[least]:.3f}, against {loss['plain']:.3f} for "
        "plain."
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
    """What was the same for all remedies. tried: strengths of dropout and of L2.  spare: seeds that chose them."""
    return (
        f"The network 784 - {width} - {width} - 10 (ReLU) and its start, Adam at {rate:g}, batches of {batch}, at "
        f"most {settings['epochs']} epochs; for a seed the same {settings['samples']} digits of MNIST to learn "
        f"from, the same {held_out:,} others to watch, and the same {settings['tested_on']:,} to test on; only "
        "labels that are learned from are ever wrong. Losses are measured without penalty and without dropout. "
        f"The dropout rate and the L2 penalty are the best of {tried[0]} and of {tried[1]} by the watched loss "
        f"after the last epoch, mean of the {spare} seeds after those reported."
    )


def panel(remedy: str, accuracy: float) -> str:
    """The title of a remedy's panel. accuracy: in percent."""
    return f"{REMEDIES[remedy]}: <b>{accuracy:.1f} %</b> of test right"


def both_losses(wrong: float) -> str:
    """The title of the losses of a sample."""
    return f"Both losses, with {labels(wrong)}"


def with_labels(wrong: float) -> str:
    """The title of a sample's panel."""
    return f"with {labels(wrong)}"
