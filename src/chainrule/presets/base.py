"""What a recipe is: how a table is prepared, and what a fit then sets, from what is known of it and is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from chainrule.errors import ConfigError, option
from chainrule.formulas.layers import Activation, Embedding, Layer
from chainrule.formulas.losses import Loss
from chainrule.formulas.optimizers import AdamW
from chainrule.formulas.schedules import Schedule
from chainrule.presets.layers import activations, by_layer, hidden_sizes


class Facts(NamedTuple):
    """What a recipe knows of a fit."""

    rows: int
    features: int
    """the columns of the samples; a category that becomes a vector is one of them"""
    task: str
    """regression, binary, multiclass or multilabel"""
    given: Mapping[str, Any]
    """the parameters that have another value than their default, which they keep"""
    numbers: tuple[int, ...] = ()
    """the places of the table's scaled numbers among the inputs of the layers in front"""
    sources: tuple[int, ...] = ()
    """the table's column that each input of the layers in front is of, in order"""
    monotone: frozenset[int] = frozenset()
    """those of `numbers` with a direction that the prediction must keep"""
    rarest: float = 1.0
    """the share of the rows of the rarest class; 1 for numbers and for several labels a row"""
    groups: int | None = None
    """the groups that the rows belong to, such as persons; None where they are not known"""
    outputs: int = 1
    """the numbers or labels that are predicted for a row"""


UNITS_OF_A_LINE, UNITS_OF_A_STEP = 2, 2
"""The hidden units of a linear part for each number to predict, and those of a step."""


class UnitsBeside(NamedTuple):
    """The last hidden units of a network, which training leaves alone: those of the steps, then of the linear part."""

    number: int
    steps: slice
    line: slice


class FoldMembers(NamedTuple):
    """The members of an ensemble of which each leaves out another fold of the rows."""

    folds: int
    dealings: int
    """how many times the rows are dealt to folds; there are as many members as folds in all of them"""
    curves: float = 0.0
    """the standard deviation of what the curves of numbers rise by in a bin as a member begins; 0 for straight ones"""
    has_linear_part: bool = False
    """whether hidden units are left to what is solved beside a network: see `chainrule.fitting.few_solved`"""
    steps: int = 0
    """the steps drawn by chance that are solved beside each member with a linear part"""
    most: int | None = None
    """how many of these members there are, the first ones; None for all"""
    strong: int | None = None
    """the most inputs that a member learns from beside the linear part, see `chainrule.fitting.narrow`; None for all"""

    def units_beside(self, outputs: int) -> UnitsBeside:
        """Return the hidden units of a network with a linear part that are left to what is solved beside it."""
        steps, line = UNITS_OF_A_STEP * self.steps, UNITS_OF_A_LINE * outputs
        return UnitsBeside(steps + line, slice(-steps - line, -line), slice(-line, None))

    def first(self, members: int) -> FoldMembers:
        """Return the first of these members, so many, of no more dealings than they are of."""
        return self._replace(dealings=-(-members // self.folds), most=members)


class Proposal(NamedTuple):
    """What a recipe sets. All but `parameters` is at first as an estimator without a recipe has it."""

    parameters: Mapping[str, Any] = {}
    """parameters of the estimator by name, for those that are at their defaults"""
    beside: frozenset[str] = frozenset()
    """parameters of the optimizer beside which the recipe's own stays, which has taken them up or does without"""
    consumed: Mapping[str, Any] = {}
    """parameters that the recipe has put into the network itself, also if they were given, and what they are then"""
    front: tuple[Layer, ...] = ()
    """the layers in front of the first hidden one"""
    hidden: tuple[tuple[Layer, ...], ...] | None = None
    """the layers of each hidden layer; None for those that the parameters describe"""
    head: Callable[[int], tuple[Layer, ...]] | None = None
    """head(outputs) -> the last layers; None for a Dense"""
    loss: Callable[[Loss], Loss] | None = None
    """loss(loss of the parameters) -> the network's; None for that one"""
    start: str = "sklearn"
    """the first parameters: drawn as "sklearn" does, by the layers' "own" initializers, or by these and then set on the
    training "samples" (`Model.start_on`)"""
    factors: Mapping[str, Schedule] = {}
    """schedules of the weight decay, dropout and label smoothing: "decay", "dropout", "smoothing" """
    drop_last: bool = False
    """whether an epoch leaves out the samples that fill no batch, others in each epoch"""
    averaging: float = 0.0
    """the share that the average of the parameters after each epoch, which is what is judged and kept, keeps of itself;
    0 for the parameters of an epoch alone"""
    last_best: bool = False
    """whether early stopping returns to the last of several epochs with the best score"""
    refit: bool = False
    """whether the network is trained anew on all rows, for as many epochs as were best on those held out"""
    resamples: bool = False
    """whether each of several members has its own draw with replacement of the rows"""
    codes: Callable[[Embedding], Embedding] | None = None
    """codes(layer of the vectors of codes) -> the same with other settings; None for that one"""
    clamp: bool = False
    """whether predicted numbers stay within the range of the training targets"""
    folds: FoldMembers | None = None
    """the folds that the members leave out, in place of rows that all of them do; None for these"""


NOTHING = Proposal()
"""What is set without a recipe."""


class OfFewRows(NamedTuple):
    """What a recipe does instead where there are few rows."""

    least: int
    most: int
    """from so many rows to so many"""
    propose: Callable[[Facts], Proposal]
    table: Mapping[str, Any]
    beside: frozenset[str]
    """the parameters that may be given; beside others the recipe is as with many rows"""
    table_of_numbers: Mapping[str, Any] = {}
    """what is otherwise in `table` where numbers are predicted"""
    most_of_groups: int = 0
    """up to so many rows, if they belong to at most `most` groups"""
    most_cells: float = math.inf
    """rows times columns up to which they are few"""


MANY_COLUMNS = 800
"""A table of more columns is wide."""


class Recipe(NamedTuple):
    """A network for tables, by a name."""

    propose: Callable[[Facts], Proposal]
    """what it sets for a fit"""
    table: Mapping[str, Any] = {}
    """the settings of the `TablePreprocessor` of preprocess="auto" that are not the default"""
    of_few: OfFewRows | None = None
    """what it does instead where there are few rows; None for the same"""
    of_wide: OfFewRows | None = None
    """what it does instead where rows are few and columns are more than `MANY_COLUMNS`; None for the same"""

    def of_columns(self, columns: int) -> OfFewRows | None:
        """Return what it does instead where rows of so many columns are few."""
        return self.of_few if columns <= MANY_COLUMNS or self.of_wide is None else self.of_wide


MIN_ROWS_TO_HOLD_OUT = 50
"""The rows from which some are held out."""
ADAM = {"learning_rate_init": "learning_rate", "beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}
"""The estimator's parameters that are settings of AdamW, by the names of both."""
BESIDE = frozenset({*ADAM, "alpha", "schedule"})
"""The parameters of the optimizer that `adamw` takes up, or that change nothing of it."""
FRACTION = 0.2
"""The share of the rows that is held out."""
RARE = 0.01
"""The share of the rows of the rarest class below which accuracy is no guide."""


def in_message(preset: str) -> str:
    """Return a preset as messages name it: preset='fast', or --preset fast at the command."""
    return option("preset", f"preset={preset!r}", preset)


def check(facts: Facts, preset: str) -> None:
    """Check that nothing is given that the network of a preset has no place for. Raises ConfigError."""
    for name in ("batch_norm", "residual"):
        if name in facts.given:
            raise ConfigError(
                f"{in_message(preset)} has its own hidden layers, without {option(name)}; omit it, or use "
                f"{in_message('fast')}."
            )


def sizes(facts: Facts, default: tuple[int, ...]) -> list[int]:
    """Return the widths of the hidden layers: those given, or these."""
    return hidden_sizes(facts.given.get("hidden_layer_sizes", default))


def rates(facts: Facts, default: float, count: int) -> list[float]:
    """Return the rate of the dropout behind each hidden layer: those given, or this one."""
    return by_layer(facts.given.get("dropout", default), count, "dropout")


def functions(facts: Facts, default: Activation, count: int) -> list[Activation]:
    """Return the activation of each hidden layer: those given, or this one."""
    return activations(facts.given.get("activation", default), count)


def adamw(facts: Facts, **settings: Any) -> AdamW:
    """Return AdamW with these settings, and in place of some of them those that are given as the estimator's."""
    given: dict[str, Any] = {
        own: float(facts.given[name]) for name, own in ADAM.items() if name in facts.given
    }
    return AdamW(**settings | given)


def training(facts: Facts, batch: int, patience: float) -> dict[str, Any]:
    """Return the parameters of an epoch's batches, and of the rows held out where there are enough.

    batch: the samples of a batch.  patience: the epochs without a better score after which a fit stops.
    """
    found: dict[str, Any] = {
        "batch_size": max(1, min(batch, trained_rows(facts.rows))),
        "n_iter_no_change": patience,
        "tol": 0.0,
        "alpha": 0.0,
    }
    if facts.rows >= MIN_ROWS_TO_HOLD_OUT:
        found |= {"early_stopping": True, "validation_fraction": FRACTION}
        if is_rare(facts):
            found["scoring"] = "loss"
    return found


def is_rare(facts: Facts) -> bool:
    """Return whether a class is so rare that accuracy says nothing of it, being as high where it is never predicted.

    Then the loss says which epoch is the best, and no label is smoothed, by which the class would be predicted many
    times too often.
    """
    return facts.rarest < RARE


def trained_rows(rows: int) -> int:
    """Return how many of the rows are trained on."""
    return rows - math.ceil(FRACTION * rows) if rows >= MIN_ROWS_TO_HOLD_OUT else rows
