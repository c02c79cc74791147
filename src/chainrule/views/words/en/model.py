"""What is said of a model: its summary, its history, and the page that judges it."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.views.words.en.phrases import counted, spoken

SUMMARY_HEADS = ("link", "layer", "output", "parameters", "operations")
INPUT = "input"
PARAMETERS, OPERATIONS, MEMORY = "parameters", "operations", "memory"
HISTORY, NO_EPOCH = "History", "No epoch was recorded yet."
EPOCH, TRAINING, VALIDATION = "epoch", "training", "validation"
POSITIVE, EPOCHS, TIME = "positive class", "epochs", "training time"
BY_CLASS = "By class"
CLASS, LABEL = "class", "label"
RATES = ("samples", "recall", "precision")
WORST, LARGEST_ERRORS = "Worst mistakes", "Largest errors"
NO_MISTAKES = "There are none: every sample was predicted right."
ERROR_HEADS = ("row", "true", "predicted", "error")
MISTAKE_HEADS = ("row", "true", "predicted", "probability")
NO_LABEL = "none"
AGAIN, COPY, COPIED = "Do it again", "Copy", "Copied"
NETWORK, SETTINGS, VERSIONS = "The network", "Settings", "Versions"
PARTS = {"training": "training", "validation": "validation", "test": "test", "given": "given"}
"""What the samples are that a model is judged by."""
AUGMENTATION = "Distorted anew in each epoch"
DARK, LIGHT = "Dark", "Light"
TO_DARK, TO_LIGHT = "Switch to the dark theme", "Switch to the light theme"


def distorted(epochs: int) -> str:
    """What the rows of images are."""
    return f"Training images: as they are in the first row, and below as they are seen in the first {epochs} epochs."


def distorted_image(number: int) -> str:
    """A training image and its distortions."""
    return f"training image {number} and its distortions"


def frozen(parameters: str) -> str:
    """The parameters of a frozen link."""
    return f"{parameters} frozen"


def parameters(count: int, frozen: int, size: str) -> str:
    """The parameters of a network, how many of them are frozen, and the bytes that they take."""
    some = f", {frozen:,} of them frozen" if frozen else ""
    return f"{count:,}{some}: {size}"


def operations(predicting: int, training: int) -> str:
    """The operations for a sample."""
    return f"{predicting:,} a sample to predict, {training:,} to train"


def memory(size: str, batch: int) -> str:
    """The bytes that training takes."""
    return f"about {size} to train with Adam and batches of {batch}"


def totals(sums: Mapping[str, str]) -> str:
    """The sums in one sentence."""
    return "; ".join(f"{name} {value}" for name, value in sums.items()) + "."


def title(parameters: int, dtype: str) -> str:
    """The heading of a model."""
    return f"Model of {parameters_of(parameters)}, {dtype}"


def parameters_of(count: int) -> str:
    """1,234 parameters"""
    return f"{count:,} parameters"


def about(task: str, loss: str, seed: int, epochs: int, steps: int) -> str:
    """What a model is for, and how far it was trained."""
    trained = (
        f"trained for {counted(epochs, 'epoch')}, {counted(steps, 'step')}" if steps else "not trained yet"
    )
    return f"Task: {task}; loss {loss}; seed {seed}; {trained}."


def last_epoch(values: Mapping[str, float]) -> str:
    """The last record of a history."""
    return f"Last epoch: {', '.join(f'{name} {value:.4g}' for name, value in values.items())}."


def history_of(epochs: int) -> str:
    """The heading of a history."""
    return f"History of {counted(epochs, 'epoch')}"


def stopped(reason: str) -> str:
    """Why training ended before its last epoch."""
    return f"Stopped: {reason}."


def judged_on(parameters: int, samples: int, part: str) -> str:
    """What a page is about, under its heading."""
    judged = f"{samples:,} {PARTS.get(part, part)} samples"
    return f"A fully connected network of {parameters_of(parameters)}, judged on {judged}."


def of_part(part: str, metric: str) -> str:
    """The name of a metric of the judged samples."""
    return f"{PARTS.get(part, part)} {spoken(metric)}"


def missed(count: int, of: int) -> str:
    """How many samples were predicted wrong, and which of them are shown."""
    return (
        f"{count:,} of {of:,} samples were predicted wrong. These are the ones to whose true label the model gave the "
        "least probability."
    )


def mistake(sample: int, true: str, predicted: str) -> str:
    """What a picture shows, for who does not see it."""
    return f"sample {sample}: true {true}, predicted {predicted}"


def taken_for(true: str, predicted: str) -> str:
    """The caption of a mistake; both names are HTML."""
    return f"{true} taken for {predicted}"


def sure(share: float) -> str:
    """How sure a prediction was."""
    return f"at {100 * share:.1f} %"


def footer(version: str) -> str:
    """The last line of a page."""
    return f"Made by Chainrule {version}. This page is whole: it needs no network."


def more_rows(count: int) -> str:
    """What stands in place of the middle of a long table."""
    return f"… {count:,} more rows …"


def by_epoch(title: str) -> str:
    """What curves show, for who does not see them."""
    return f"{title} by epoch"


def first_epoch() -> str:
    """The left end of the epochs."""
    return "epoch 1"
