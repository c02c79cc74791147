"""Words about a model: its summary, history, figures and page, and the smaller ones that can take its place."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.views.words.en.phrases import counted, duration, percent, spoken

SUMMARY_HEADS = ("link", "layer", "output", "parameters", "operations")
INPUT = "input"
PARAMETERS, OPERATIONS, MEMORY = "parameters", "operations", "memory"
HISTORY, NO_EPOCH = "History", "No epoch has been recorded."
EPOCH, TRAINING, VALIDATION = "epoch", "training", "validation"
POSITIVE, EPOCHS, TIME = "positive class", "epochs", "training time"
BY_CLASS = "By class"
CLASS, LABEL = "class", "label"
RATES = ("samples", "recall", "precision")
WORST, LARGEST_ERRORS = "Worst mistakes", "Largest errors"
NO_MISTAKES = "There are none: every sample was predicted correctly."
ERROR_HEADS = ("row", "true", "predicted", "error")
MISTAKE_HEADS = ("row", "true", "predicted", "probability")
NO_LABEL = "none"
AGAIN, COPY, COPIED = "Run again", "Copy", "Copied"
NETWORK, SETTINGS, VERSIONS = "The network", "Settings", "Versions"
PARTS = {
    "train": "train",
    "training": "training",
    "validation": "validation",
    "test": "test",
    "given": "given",
}
"""The samples on which a model is evaluated."""
AUGMENTATION = "Random distortions per epoch"
DARK, LIGHT = "Dark", "Light"
TO_DARK, TO_LIGHT = "Switch to the dark theme", "Switch to the light theme"
ROW = "The row"
ROW_NOTE = "An empty field is a missing value."
MATRIX_NOTE = "Separate the numbers by blanks or commas."
ANSWER = "The prediction"
YES, NO = "true", "false"
OTHER = "another text"
SECONDS = "in seconds"
CONFUSION = "Confusion matrix"
PREDICTED, TRUE = "predicted", "true"
PREDICTED_AGAINST_TRUE = "Predicted against true"
DIAGONAL = "predicted = true"
SAMPLES = "samples"
LABELS = "Labels found, missed and imagined"
FOUND, MISSED, FALSE_ALARM = "found", "missed", "false alarm"
POINT = "true %{x:.5g}<br>predicted %{y:.5g}"
"""Hover text for a sample, with the numbers of the figure's template."""
DISTILLED = "One network in place of an average"
COST_HEADS = ("", "teacher", "student")
NETWORKS, FILE, SECONDS_OF_ROWS = "networks", "file, bytes", "1,000 rows, ms"
LOG_LOSS, RMSE = "log loss", "RMSE"
INT8 = "What 8-bit integers do"
LAYER_HEADS = ("layer", "numbers", "error", "beyond the ends", "integers used")
CLASS_HEADS = ("class", "rows", "same class", "probability off by", "others mostly")
PAIR_HEADS, ROW_HEADS = ("A predicts", "B predicts", "rows"), ("row", "A", "B", "difference")
FARTHEST = "The rows that differ most"
COLUMN_HEADS = ("column", "one integer, in deviations", "answer off by")


def distorted(epochs: int) -> str:
    """The description of the rows of images."""
    return f"Training images: the originals in the first row, their distortions in the first {epochs} epochs below."


def distorted_image(number: int) -> str:
    """A training image and its distortions."""
    return f"training image {number} and its distortions"


def frozen(parameters: str) -> str:
    """The parameters of a frozen link."""
    return f"{parameters} frozen"


def parameters(count: int, frozen: int, size: str) -> str:
    """The parameters of a network, the number of frozen ones, and their bytes."""
    some = f", {frozen:,} of them frozen" if frozen else ""
    return f"{count:,}{some}: {size}"


def operations(predicting: int, training: int) -> str:
    """The operations per sample."""
    return f"{predicting:,} per sample to predict, {training:,} to train"


def memory(size: str, batch: int) -> str:
    """The memory for training."""
    return f"about {size} for training with Adam and batches of {batch}"


def totals(sums: Mapping[str, str]) -> str:
    """The totals in one sentence."""
    return "; ".join(f"{name} {value}" for name, value in sums.items()) + "."


def title(parameters: int, dtype: str) -> str:
    """The heading of a model."""
    return f"Model of {parameters_of(parameters)}, {dtype}"


def parameters_of(count: int) -> str:
    """1,234 parameters"""
    return f"{count:,} parameters"


def about(task: str, loss: str, seed: int, epochs: int, steps: int) -> str:
    """The task of a model, and its epochs and steps."""
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


def judged_on(
    parameters: int, samples: int, part: str, target: str | None = None, networks: int = 1, compared: int = 0
) -> str:
    """The description of a page, under its heading.

    target: what a table is to predict.  compared: the training rows of which similar ones correct an average.
    """
    judged = f"{samples:,} {PARTS.get(part, part)} samples"
    what = "" if target is None else f" to predict {target}"
    these, of = "A fully connected network of", ""
    if networks > 1:
        these, of = f"The average of {networks:,} fully connected networks with", " in all"
    rows = f", corrected by the similar ones of {compared:,} training rows," if compared else ""
    return f"{these} {parameters_of(parameters)}{of}{rows}{what}, evaluated on {judged}."


def part_of_average(shown: int, networks: int, share: float) -> str:
    """Which networks of an average are shown. share: their weight."""
    rest = f"of {networks:,} networks whose average predicts, with {percent(share)} of it"
    if shown == 1:
        return f"This is the first {rest}: its curves, epochs and time of training are shown."
    return f"These are the first {shown:,} {rest}: their curves, epochs and time of training are shown."


def of_part(part: str, metric: str) -> str:
    """The name of a metric on the evaluated samples."""
    return f"{PARTS.get(part, part)} {spoken(metric)}"


def missed(count: int, of: int) -> str:
    """The number of wrong predictions, and which of them are shown."""
    return (
        f"{count:,} of {of:,} samples were predicted incorrectly. Shown are those to whose true label the "
        "model gave the lowest probability."
    )


def mistake(sample: int, true: str, predicted: str) -> str:
    """The alternative text of a picture."""
    return f"sample {sample}: true {true}, predicted {predicted}"


def taken_for(true: str, predicted: str) -> str:
    """The caption of a mistake; both names are HTML."""
    return f"{true} taken for {predicted}"


def sure(share: float) -> str:
    """The probability of a prediction."""
    return f"at {100 * share:.1f} %"


def footer(version: str) -> str:
    """The last line of a page."""
    return f"Made by Chainrule {version}. This page works offline."


def more_rows(count: int) -> str:
    """The placeholder for the middle of a long table."""
    return f"… {count:,} more rows …"


def by_epoch(title: str) -> str:
    """The alternative text of curves."""
    return f"{title} by epoch"


FIRST_EPOCH = "epoch 1"
"""The left end of the epochs."""


def answering(numbers: int, inputs: int) -> str:
    """What answers, and that nothing leaves the page."""
    columns = "1 input" if inputs == 1 else f"{inputs:,} inputs"
    return (
        f"The whole model runs in this page: {columns}, {numbers:,} numbers. Nothing that you type leaves the page, "
        "and it needs no connection."
    )


def titled(name: str) -> str:
    """The name of a column as a title: Val loss."""
    said = spoken(name)
    return said[0].upper() + said[1:]


def at_epoch(label: str, name: str) -> str:
    """Hover text for a learning curve. label: training or validation.  name: of the column."""
    return f"epoch %{{x}}<br>{label} {spoken(name)} %{{y:.4f}}"


def cell(true: str, predicted: str) -> str:
    """Hover text for a cell of the confusion matrix."""
    said = f"true {true}, predicted {predicted}"
    return f"{said}<br>%{{customdata[0]}} samples, %{{customdata[1]:.2f}} % of the true"


def label_count(name: str) -> str:
    """Hover text for a label's bar. name: found, missed or false alarm."""
    return f"label %{{x}}<br>{name} %{{y}} times"


def ranged(name: str, middle: str, low: str, high: str) -> str:
    """Hover text for a line with a band: its value, and the range of the others."""
    return f"{name}<br>{middle} ({low} to {high})"


def learning(run: str) -> str:
    """What is about to be trained."""
    return f"One network learns what those of {run} answer, for their rows and for rows in between."


def written(path: str) -> str:
    """Where it is."""
    return f"Written to {path}"


def learned(own: int, between: int, seconds: float) -> str:
    """What the student has learned."""
    return (
        f"The student learned the teacher's answers for {counted(own, 'row')} and {between:,} in between, "
        f"in {duration(seconds)}."
    )


def agreement(judged: int, difference: float, same: float | None, is_new: bool) -> str:
    """How far both are apart."""
    rows = (
        f"{counted(judged, 'new row')}"
        if is_new
        else f"{counted(judged, 'row')} that the student has not learned"
    )
    if same is None:
        return f"On {rows} their answers differ by {difference:.3f} standard deviations."
    return f"On {rows} {percent(same)} of the likeliest classes are the same; probabilities differ by {difference:.4f}."


def of_integers(rows: int, difference: float, is_classes: bool) -> str:
    """How far the answers are from the exact ones."""
    what = "probabilities differ by" if is_classes else "answers differ, in standard deviations, by"
    return f"On {counted(rows, 'row')} {what} {difference:.2g} on average."


def for_chips(ranged: int) -> str:
    """What the integers are for, and where their ranges come from."""
    return (
        "A small chip computes with 8-bit integers, as chainrule export --c --dtype int8 writes them. Their ranges are "
        f"those of {counted(ranged, 'training row')}."
    )


def how(of_columns: bool) -> str:
    """How the tables are read. of_columns: whether there is one of columns."""
    layers = (
        "The error of a layer is that of its result, in parts of the result's size; of several networks it is "
        "the worst."
    )
    if not of_columns:
        return layers
    return (
        f"{layers} A column is rounded alone, where the first dense layer reads it; what it changes is the "
        "answer's mean difference."
    )


def agreeing(count: int, rows: int, tolerance: float | str) -> str:
    """On how many rows two models agree."""
    where = f"all {counted(rows, 'row')}" if count == rows else f"{count:,} of {counted(rows, 'row')}"
    if tolerance == "class":
        return f"A and B predict the same label on {where}."
    return f"A and B agree on {where} (tolerance {tolerance:g})."


def apart(largest: str, median: str, others: int | None) -> str:
    """How far the answers of two models are apart. others: the rows with another label; None of numbers."""
    if others is None:
        return f"The largest difference of their numbers is {largest}, the median {median}."
    return (
        f"The largest difference of their probabilities is {largest}, the median {median}; "
        f"rows with another label: {others:,}."
    )
