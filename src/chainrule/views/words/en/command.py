"""Words that the command prints around its results: what it begins, what it has done, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.views.words.en.phrases import counted

ERROR, WARNING = "Error: ", "Warning: "
INTERRUPTED = "Interrupted."
CONFUSION = "Confusion matrix: rows are true, columns predicted"
CONFUSIONS, NO_CONFUSION = "Largest confusions", "There are none."
RECALL, TRUE, PREDICTED, SAMPLES = "recall", "true", "predicted", "samples"
LIST_OF_LABS = "chainrule lab NAME runs one."
IN_THE_SET = "in the set"
FIGURES = {"predicted": "predicted", "spread": "spread", "lower": "lower", "upper": "upper"}
"""The names of the columns of predicted numbers."""
HELD_OUT, OTHERS = "--part validation evaluates the held-out ones", "--part test evaluates others"
NONE, NOT_SET = "none", "not set"
TARGET = "its target"
CHOSEN, RUNS = "chosen by auto", "runs if named"
ABOUT = {"chainrule": "chainrule"}
"""The names of what `info` lists; others are spoken as they are."""
PATHS = {
    "predict": "rows as JSON, CSV or an Arrow stream",
    "schema": "what they must have",
    "openapi": "all of it in OpenAPI 3.1",
    "health": "whether it is live and ready",
    "metrics": "figures for Prometheus",
    "infer": "the Open Inference Protocol",
}
TRY_IT = "Try it:"
SERVER_ENDS = (
    "A newer file in its place is taken over; SIGHUP takes it at once. Ctrl-C or SIGTERM ends the server."
)
FEWER = "A larger --interval leaves fewer such rows."


def on_samples(count: int, part: str) -> str:
    """The samples of an evaluation."""
    return f"On {count:,} {part} samples"


def on_very_samples(other: str) -> str:
    """What is said where the training samples are evaluated. other: how to evaluate others."""
    return f"The model was trained on these very samples; {other}."


def on_some_samples(count: int, other: str) -> str:
    """What is said where some of the samples are of the training."""
    return f"The model was trained on {count:,} of these samples; {other}."


def on_other_samples(count: int) -> str:
    """What is said where held-out samples are evaluated."""
    return (
        f"The model was trained on the other {count:,} samples of these data; these were held out. "
        "--part all evaluates all of them."
    )


def row(number: int) -> str:
    """The name of a row."""
    return f"row {number}"


def empty_sets(empty: int, rows: int) -> str:
    """How many rows have no label in their set."""
    return f"{empty:,} of {rows:,} rows have no label in the set: none is probable enough. {FEWER}"


def more_rows(count: int) -> str:
    """How many rows are not printed."""
    return f"... and {counted(count, 'more row')}; --out writes them all, --json prints them."


def first_reasons(count: int) -> str:
    """How many rows have their reasons printed."""
    return f"The reasons of the first {count} rows; --out writes those of all, --json prints them."


def written(files: Sequence[str], size: int) -> str:
    """The files of an export, and their bytes."""
    return f"Written to {', '.join(files)} ({size:,} bytes)"


def compared(rows: int, difference: str, tolerance: str | None) -> str:
    """How far the answers of an export are from the model's."""
    allowed = "" if tolerance is None else f" (tolerance {tolerance})"
    return f"On {rows:,} rows its answers are within {difference} of the model's{allowed}."


def same_class(share: float) -> str:
    """How often the class is the same."""
    return f"The likeliest class is the same for {share:.2%} of them."


def shuffled(rows: int, files: int, groups: int, seconds: float, path: str) -> str:
    """A shuffled copy."""
    parts = f"{counted(rows, 'row')} in {counted(files, 'file')} of {counted(groups, 'row group')}"
    return f"{parts}, in {seconds:.1f} s: {path}"


def table(rows: int, columns: int, target: str) -> str:
    """The size of a table, and the column to predict."""
    return f"{counted(rows, 'row')}, {counted(columns, 'column')} and {target}, the column to predict."


def next_is(command: str) -> str:
    """The command to type next."""
    return f"Next: {command}"


def ensemble(networks: int) -> str:
    """An ensemble, before the summary of one of its networks."""
    return f"An ensemble of {networks} networks whose average predicts, each:"


def columns(target: str) -> str:
    """The columns of a table, before their list."""
    return f"Columns of the table from which it predicts {target}:"


def first_of_average(networks: int, share: float) -> str:
    """Which network of an average is inspected."""
    return f"This is the first of {networks} networks whose average predicts, with {share:.0%} of it."


def side_by_side(networks: int) -> str:
    """An ensemble that is inspected as one network."""
    return f"This is an ensemble of {networks} networks, side by side in one."


def first_of_ensemble(networks: int) -> str:
    """An ensemble of which the first network is inspected."""
    return f"This is the first of an ensemble's {networks} networks."


def serving(name: str, task: str, columns: int, url: str) -> str:
    """What answers where."""
    return f"{name} ({task} from {counted(columns, 'column')}) answers at {url}"


def studio_at(url: str) -> str:
    """The address of the studio."""
    return f"The studio is at {url}"


def works_once(is_terminal: bool) -> str:
    """How long the address of the studio is good."""
    return f"The address works once.{' Enter prints another.' * is_terminal} Ctrl-C ends the studio."
