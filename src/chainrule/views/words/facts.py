"""Codes and thresholds shared by the words of all languages, and the choice of results to describe."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

MAX_RELATIVE_ERROR = 1e-6
"""The relative error of a derivative above which it is remarked on."""
FEATURES_LISTED = 12
"""The number of features that a story lists."""
ANSWERS_LISTED = 4
"""The number of answers that a story lists."""
NOTICED_COLUMNS = 5
"""The number of columns that a notice of a table lists."""
LEAST_NOTICED_SHIFT = 0.3
"""The move of a target's mean, in standard deviations, that a notice of a table mentions."""
MAX_LAYER_CHARACTERS = 40
"""The number of characters beyond which a story omits a layer's settings."""


def short(layer: str, longest: int = MAX_LAYER_CHARACTERS) -> str:
    """Return a layer as Python code, with long numbers rounded; without settings if too long."""
    text = re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4g}", layer)
    return text if len(text) <= longest else f"{text.partition('(')[0]}(...)"


def quantity(number: float) -> str:
    """Return a number with four digits, or all before the decimal point: 0.05612, 52.23, 49,167, 428,670."""
    return f"{number:,.0f}" if 10_000 <= abs(number) < 1e12 else f"{number:.4g}"


DIGITS = 5
"""The digits of the number in the middle of several that are printed alike."""
FEW_DIGITS = 4
"""Those of the largest of what is said to add up."""
LEAST_PLAIN, MOST_PLAIN = 1e-4, 1e12
"""The sizes between which numbers are printed without a power of ten."""
MOST_APART = 1e3
"""The largest ratio of the largest number to the one in the middle with which all are rounded alike."""


def decimals(numbers: Iterable[float], digits: int = DIGITS) -> int | None:
    """Return the decimals with which the median of the sizes of numbers has so many digits, at least 0.

    Numbers that are infinite, undefined or 0 do not count. None where no number of decimals suits all: where their
    sizes are too different, or need a power of ten.
    """
    sizes = sorted(abs(each) for each in numbers if each and math.isfinite(each))
    if not sizes:
        return 0
    middle = sizes[len(sizes) // 2]
    if middle < LEAST_PLAIN or sizes[-1] >= MOST_PLAIN or sizes[-1] > MOST_APART * middle:
        return None
    return max(0, digits - 1 - math.floor(math.log10(middle)))


def alike(numbers: Sequence[float], places: int | None, digits: int = DIGITS) -> list[str]:
    """Return numbers of a column as text: with equally many decimals, and with commas if one of them needs some.

    738.38, 97.10 and 1106.61, or 41.27 and 12,345.60.  places: `decimals` of these and of what stands beside them; for
    None each number has so many digits, or a power of ten.
    """
    if places is None:
        return [f"{each:.{digits}g}" for each in numbers]
    comma = "," * any(10_000 <= abs(each) < math.inf for each in numbers)
    return [f"{round(each, places) + 0.0:{comma}.{places}f}" for each in numbers]


def percent(share: float) -> str:
    """97.31 %, and never 100.00 % for a probability below 1."""
    if 0 < share < 5e-5:
        return "< 0.01 %"
    return "> 99.99 %" if 0.99995 <= share < 1 else f"{100 * share:.2f} %"


def amount(output: str, value: float, places: int | None) -> str:
    """An answer as text. places: the decimals of all numbers of a story; None where these are too different."""
    return percent(value) if output == "probability" else alike([value], places)[0]


def metrics_alike(values: Sequence[float], best: int) -> list[str]:
    """Return a metric of several models as text, with equally many decimals: four digits of the best one's.

    best: the place of that.
    """
    of_best = [values[best]] if values[best] and math.isfinite(values[best]) else values
    return alike(values, decimals(of_best, FEW_DIGITS), FEW_DIGITS)


FIRST_CHINESE = 0x2E80
"""The first of the characters that take no spaces."""


def set_off(name: str) -> str:
    """Return a name within a Chinese sentence, with a space at a side that is not Chinese: of F1 分數, " F1 分數"."""
    before, after = (" " * (ord(name[end]) < FIRST_CHINESE) for end in (0, -1))
    return f"{before}{name}{after}"


# --- vanishing gradients

PLAIN, CURES = "sigmoid", ("relu", "relu_batch_norm", "sigmoid_skip", "sigmoid_residual")
NORMED, RESIDUAL_RELU = "relu_batch_norm", "relu_batch_norm_residual"
CHANCE = math.log(10)
"""The loss of guessing among ten classes."""


def learns(loss: float) -> bool:
    """Return whether a training loss is below half that of guessing."""
    return loss < CHANCE / 2


class Net(Protocol):
    """The results of one network at one depth: medians over the seeds."""

    @property
    def depth(self) -> int:
        """Hidden layers."""
        ...

    @property
    def ratio(self) -> float:
        """The first layer's gradient relative to the last layer's, before training."""
        ...

    @property
    def loss(self) -> float:
        """The training loss in the end."""
        ...


# --- training without backpropagation


class Coded(Protocol):
    """A method."""

    @property
    def name(self) -> str:
        """Its code."""
        ...


class MethodResults(Protocol):
    """The results of one method: means over the seeds."""

    @property
    def arm(self) -> Coded:
        """The method."""
        ...

    @property
    def size(self) -> float | None:
        """The tuned step size."""
        ...

    @property
    def loss(self) -> float:
        """The final loss."""
        ...

    @property
    def accuracy(self) -> float:
        """The final accuracy on the test samples."""
        ...

    @property
    def steps(self) -> float:
        """The number of steps."""
        ...

    @property
    def passes_a_step(self) -> float:
        """The number of forward passes per step."""
        ...

    @property
    def milliseconds(self) -> float:
        """Milliseconds per step."""
        ...

    @property
    def cosine(self) -> float | None:
        """The cosine to the gradient; None if the method never moved."""
        ...

    def passes_to(self, loss: float) -> float | None:
        """The number of passes after which it reached a loss; None if it never did."""
        ...


Found = Mapping[str, MethodResults]
HANDS_BACK = ("backpropagation", "feedback_alignment")
"""Methods with a backward pass through the layers."""


def best_forward(found: Found) -> MethodResults | None:
    """Return the method with the lowest loss among those that backpropagate no error through a layer."""
    others = [outcome for name, outcome in found.items() if name not in (*HANDS_BACK, "none")]
    return min(others, key=lambda outcome: outcome.loss, default=None)


def chance(P: int) -> float:
    """The mean absolute cosine between a fixed and a random direction of P numbers."""
    return math.sqrt(2 / (math.pi * P))
