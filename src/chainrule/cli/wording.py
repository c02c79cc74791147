"""An error of the library in the words of the command: arguments by their flags, classes by their names here."""

from __future__ import annotations

import re
from collections.abc import Callable

from chainrule.recipe.settings import NAMES, flag

ARGUMENTS = "|".join((*NAMES, "clip_value", "repeats", "budget"))

Replacement = str | Callable[[re.Match[str]], str]


def as_flag(match: re.Match[str]) -> str:
    """The first group as a flag, in place of all that was found before it."""
    return flag(match[1])


RULES: tuple[tuple[str, Replacement], ...] = (
    (rf"^({ARGUMENTS})(?= must )", as_flag),
    (r"^learning_rate( of \w+)?(?= must )", "--lr"),
    (r"^(momentum|weight_decay) of \w+(?= must )", as_flag),
    (r"^\w+'s (label_smoothing)(?= is )", as_flag),
    (r"^(precision|engine) '(\w+)'", r"--\1 \2"),
    (r"^validation_fraction=(?=[\d.])", "--validation-fraction "),
    (r"(?<=; )pass (more samples) or validation_data(?=\.$)", r"bring \1"),
    (rf"(?<=; leave )({ARGUMENTS})(?= out\.$)", as_flag),
    (r"(?<=; use )engine='auto'(?=\.$)", "--engine auto"),
    (r"(?<=; use )Adam(?=\.$)", "--optimizer adam"),
    (r"^LBFGS(?= )", "lbfgs"),
    (r"(?<= 0), or None(?=, not )", ""),
    (r"^nesterov of SGD(?= looks ahead)", "--nesterov"),
    (r"(?<=; pass )momentum=(?=[\d.]+ too\.$)", "--momentum "),
    (r"(?<=; use )SoftmaxCrossEntropy with one output a class(?=\.$)", "--loss softmax_cross_entropy"),
    (r"lower the learning rate, clip the gradient \(clip_norm=1\.0\)", "lower --lr, give --clip-norm 1"),
    (r"(?<= for )([A-Z]\w+)(?=; | but|, not )", lambda match: loss_name(match[1])),
    (r"(?<=, not )<U\d+(?=\.$)", "text"),
)
"""What the library says, and what the command says instead."""


def loss_name(kind: str) -> str:
    """MeanSquaredError is mean_squared_error; what is no loss is as it is."""
    from chainrule.formulas.losses import LOSSES

    return next((name for name, loss in LOSSES.items() if loss.__name__ == kind), kind)


def in_flags(sentence: str) -> str:
    """A sentence of the library as a user of the command would say it."""
    for pattern, replacement in RULES:
        sentence = re.sub(pattern, replacement, sentence)
    return sentence
