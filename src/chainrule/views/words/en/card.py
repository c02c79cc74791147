"""Words of a model card."""

from __future__ import annotations

from chainrule.views.words.en.model import PARTS, parameters_of
from chainrule.views.words.en.phrases import counted

DATA, RESULTS, LIMITS, USE, MADE = "Data", "Results", "Limits", "How to use it", "How it was made"
METRIC, VALUE = "metric", "value"
RANGE_HEADS = ("column", "type", "missing", "values in training")
LICENSE_MISSING = (
    "No license is named yet: repeat the command with `--license`, such as `--license apache-2.0`."
)
UNUSED = "What the model is meant for, and what it must not be used for, is for its authors to add here."
IN_PYTHON, ELSEWHERE = "In Python:", "At the command, over HTTP, and as C:"
NOTICED = "What its training noticed:"


def subtitle(task: str, networks: int, parameters: int, data: str) -> str:
    """What the model is."""
    what = (
        "A fully connected network"
        if networks == 1
        else f"An average of {networks:,} fully connected networks"
    )
    kind = "numbers" if task == "regression" else "labels" if task == "multilabel" else "classes"
    return f"{what} of {parameters_of(parameters)}, which predicts {kind}. Trained on {data} with Chainrule."


def data(inputs: int, is_table: bool) -> str:
    """What a row has."""
    return f"A row has {counted(inputs, 'column' if is_table else 'input')}."


def labels(names: str, count: int) -> str:
    """The classes."""
    return f"It tells {count:,} classes apart: {names}."


def judged(part: str, samples: int) -> str:
    """On what the figures are."""
    return f"On {counted(samples, f'{PARTS.get(part, part)} sample')} that training has not seen."


BEYOND = (
    "Outside of these values it has learned nothing; `chainrule check` compares later rows with them, and "
    "`chainrule predict` names the rows that look like nothing in training."
)
"""Why the ranges matter."""


ACCURACY_ENDS = (
    "The figures hold for rows like those that judged it: from another time, place or group of people they may be "
    "worse."
)
"""What the figures do not say."""
