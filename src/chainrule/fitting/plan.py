"""What a fit is done by: the estimator's parameters, its constraints, and what a recipe sets beside these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _num_samples

from chainrule.errors import ConfigError
from chainrule.fitting.limit import LimitCourse
from chainrule.fitting.parameters import (
    OPTIMIZING,
    WHOLE,
    Parameters,
    about,
    defaults_of,
    given,
    is_stochastic,
    values_of,
)
from chainrule.fitting.start import Trunk, activations_in
from chainrule.formulas.losses import Loss
from chainrule.network.constraints import Constraints
from chainrule.presets import ADDITIVE, BEST, DEFAULT, PRESETS, additive
from chainrule.presets.base import NOTHING, Facts, OfFewRows, Proposal, Recipe
from chainrule.presets.few import WITHOUT_LINEAR_PART
from chainrule.presets.layers import hidden_sizes
from chainrule.presets.variants import VARIANTS
from chainrule.tables.data import FitData, FitInput
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import check_column
from chainrule.tables.structure import read_structure


class Inputs(NamedTuple):
    """The network's inputs by columns of the table, or of the array, that the user gives."""

    columns: int
    names: list[str] | None
    """of the columns; None without names"""
    sources: Sequence[int]
    """the column of each input"""
    rising: frozenset[int]
    """the inputs that never fall when the number of their column rises"""
    unordered: Mapping[int, str]
    """the columns that cannot have a direction, and what they are"""


def inputs_of(data: FitData) -> Inputs:
    """Return what is known of the inputs of a fit's network."""
    made, width = data.preprocessor, data.samples.X.shape[1]
    if made is None:
        return Inputs(width, data.feature_names, range(width), frozenset(range(width)), {})
    names = getattr(made, "feature_names_in_", None)
    unordered = {
        k: "a date" if each.taken_for == "date" else "a category"
        for k, each in enumerate(made.columns_)
        if each.taken_for in ("date", "category", "boolean") and each.became != "dropped"
    }
    own = None if names is None else [str(name) for name in names]
    return Inputs(int(made.n_features_in_), own, made.sources_, frozenset(made.rising_), unordered)


def constraints_of(values: Mapping[str, Any], data: FitData) -> Constraints | None:
    """Return the constraints that monotonic_cst and interaction_cst ask for; None for none.

    values: the estimator's parameters by name.  Raises ConfigError for what does not fit the data.
    """
    inputs = inputs_of(data)
    directions = _directions(values["monotonic_cst"], inputs)
    if any(directions) and data.targets.task == "multiclass":
        raise ConfigError(
            "monotonic_cst is not supported for more than two classes, whose probabilities cannot all rise; fit one "
            "class against the others."
        )
    sets = _sets(values["interaction_cst"], inputs)
    if not any(directions) and not sets:
        return None
    of_inputs = [directions[column] * (place in inputs.rising) for place, column in enumerate(inputs.sources)]
    of_sets = [tuple(place for place, column in enumerate(inputs.sources) if column in each) for each in sets]
    return Constraints(tuple(of_inputs) if any(of_inputs) else (), tuple(each for each in of_sets if each))


def _directions(given: Mapping[str, int] | Iterable[int] | None, inputs: Inputs) -> list[int]:
    """Return the direction of each column."""
    if given is None:
        return [0] * inputs.columns
    if isinstance(given, Mapping):
        known = dict(zip(_named(inputs, "monotonic_cst"), range(inputs.columns), strict=True))
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ConfigError(f"monotonic_cst contains {unknown[0]!r}, which is no column of X.")
        values = [0] * inputs.columns
        for name, direction in given.items():
            values[known[name]] = direction
    else:
        values = list(np.asarray(given, dtype=object).ravel())
    if len(values) != inputs.columns:
        raise ConfigError(
            f"monotonic_cst has shape ({len(values)},) but the input data X has {inputs.columns} features; give -1, 0 "
            "or 1 for each, or a dict by name."
        )
    wrong = [each for each in values if isinstance(each, (str, bool)) or each not in (-1, 0, 1)]
    if wrong:
        raise ConfigError(f"monotonic_cst must be an array-like or a dict of -1, 0 or 1, not {wrong[0]!r}.")
    for column, what in inputs.unordered.items():
        if values[column]:
            name = repr(inputs.names[column]) if inputs.names else f"number {column}"
            raise ConfigError(
                f"monotonic_cst constrains the column {name}, which is {what}; only numbers can be constrained."
            )
    return [int(each) for each in values]


def _sets(given: str | Iterable[Iterable[int | str]] | None, inputs: Inputs) -> list[frozenset[int]]:
    """Return the sets of columns whose functions are summed; [] for no constraint."""
    if given is None:
        return []
    every = range(inputs.columns)
    if isinstance(given, str):
        return [frozenset(each) for each in combinations(every, 2 if given == "pairwise" else 1)]
    if not isinstance(given, Iterable) or not all(
        isinstance(each, Iterable) and not isinstance(each, str) for each in given
    ):
        raise ConfigError(
            "interaction_cst must be 'pairwise', 'no_interactions', or a sequence of tuples or lists of columns, not "
            f"{given!r}."
        )
    return [frozenset(_place(each, inputs) for each in members) for members in given]


def _place(column: int | str, inputs: Inputs) -> int:
    """Return the index of a column that is given by its index or its name."""
    if isinstance(column, str) and column in (names := _named(inputs, "interaction_cst")):
        return names.index(column)
    is_index = isinstance(column, (int, np.integer)) and not isinstance(column, bool)
    if not is_index or int(column) not in range(inputs.columns):
        raise ConfigError(
            f"interaction_cst must consist of names of columns or of indices in [0, {inputs.columns - 1}], not "
            f"{column!r}."
        )
    return int(column)


def _named(inputs: Inputs, parameter: str) -> list[str]:
    """Return the names of the columns. Raises ConfigError without them."""
    if inputs.names is None:
        raise ConfigError(f"{parameter} names columns, but X has no names; give a data frame, or indices.")
    return inputs.names


# --- the parameters of a fit: the estimator's, and those that a recipe sets where they are at their defaults ---------
# They are put together once, when the samples are checked, and do not change while the network trains. The estimator's
# own parameters are only read: whoever looks at it, clones it or fails in it meanwhile finds what its user gave.


class KeptFit(NamedTuple):
    """Where a fit by batches keeps its state: from there another one like it goes on, to the same bits."""

    path: Path
    """a checkpoint; that of the network of all rows, if there is one, is beside it (`of_refit`)"""
    every_steps: int | None = None
    """the steps after which it is written too; None for only after each epoch"""

    @property
    def of_refit(self) -> KeptFit:
        """That of the network of all rows."""
        return KeptFit(self.path.with_stem(f"{self.path.stem}-refit"))


class Conditions(NamedTuple):
    """The conditions of a race or a search for a fit that are not parameters."""

    variant: str | None = None
    """the recipe in place of the preset's, one of `VARIANTS`"""
    threads: int | None = None
    """the maximum threads of the training; None for the engine's choice"""
    epochs: int | None = None
    """the epochs of a fit of all rows, with nothing held out"""
    grace: float | None = None
    """the seconds that the training may have in any case; None for a twentieth of time_limit"""
    course: LimitCourse | None = None
    """what the time limit of another fit did, to be repeated in place of one; None for none"""
    kept: KeptFit | None = None
    """where the fit keeps its state, and goes on from it; None for nowhere"""
    may_deal: bool = True
    """whether its rows may be dealt to folds: all of them are there, and no network goes on learning"""

    @property
    def is_alone(self) -> bool:
        """Whether the fit is none of many in a race or a search, all of whose fits see the same table."""
        return self._replace(kept=None, may_deal=True) == ALONE


ALONE = Conditions()
"""Those of a fit that nobody else asks for."""


@dataclass(frozen=True)
class FitPlan:
    """Everything that a fit is done by, beside its data and its start."""

    parameters: Parameters
    """those of the estimator, with what a recipe sets of them"""
    hidden_layer_sizes: tuple[int, ...]
    activation: Any
    """of the hidden layers: a name, a layer, or one of these for each"""
    loss: Loss
    """of the parameters; the network's may be the recipe's"""
    architecture: Mapping[str, str]
    """what the parameters of the network say, as text"""
    proposal: Proposal = NOTHING
    """what a recipe sets beyond parameters; that of none without a recipe"""
    constraints: Constraints | None = None
    """those of the network's inputs; None for none"""
    is_incremental: bool = False
    """whether it is one epoch, by `partial_fit`"""
    conditions: Conditions = ALONE
    begun: float | None = None
    """the `time.monotonic()` from which the seconds of time_limit count; None for the start of the training"""
    rate_weight: float = 1.0
    """the mean weight of rates, whose mean loss is so many times smaller than that of amounts"""

    @property
    def end(self) -> float | None:
        """The `time.monotonic()` at which the time is over; None without a limit, or before its start."""
        limit = self.parameters.time_limit
        return None if limit is None or self.begun is None else self.begun + float(limit)


def resolved(
    estimator: Parameters,
    data: FitData,
    *,
    incremental: bool = False,
    conditions: Conditions = ALONE,
    trunk: Trunk | None = None,
    begun: float | None = None,
    members: int | None = None,
    of_few: OfFewRows | None = None,
) -> FitPlan:
    """Return the plan of an estimator's fit on data.

    incremental: of one epoch, by `partial_fit`.  members: the networks of the fit that it goes on with, or None.
    of_few: what `few_of` says of its rows.
    """
    values, proposal = values_of(estimator), NOTHING
    asked = values["monotonic_cst"], values["interaction_cst"]
    constraints = None if all(each is None for each in asked) else constraints_of(values, data)
    wanted = name_of_recipe(estimator.preset, estimator.preprocess)
    if wanted is not None:
        chosen = given(estimator)
        if trunk is not None:  # whose activations may be others than a recipe's for this task
            chosen.setdefault("activation", activations_in(trunk.models[0].network))
        columns = numbers(data.preprocessor), sources(data.preprocessor)
        rising = monotone(data.preprocessor, constraints)
        width, task = data.samples.X.shape[1], data.targets.task
        groups, outputs = groups_of(data), data.samples.outputs
        facts = Facts(data.rows, width, task, chosen, *columns, rising, rarest(data), groups, outputs)
        before, deals = members if trunk is None else len(trunk.models), of_few is not None
        if before is not None:  # the networks stay as many as they are
            are_several = before > 1 and "n_members" not in chosen
            own = recipe(wanted, conditions.variant).of_columns(inputs_of(data).columns)
            of_few = own if are_several else None
        chosen_recipe = recipe(wanted, conditions.variant) if of_few is None else of_few
        proposal = chosen_recipe.propose(facts)
        if not deals or (before is not None and before != proposal.parameters.get("n_members")):
            proposal = proposal._replace(folds=None)
        values |= _of_recipe(estimator, wanted, chosen, proposal, incremental)
        if incremental:  # one epoch is no run, whose course the schedules are
            proposal = proposal._replace(factors={})
    if conditions.epochs is not None:
        values |= {"max_iter": conditions.epochs, "early_stopping": False, "refit": False}
    values["n_members"] = (members if of_few is not None else None) or values["n_members"] or 1
    rate_weight = 1.0 if data.rate_weight is None else float(data.rate_weight.mean())
    values["tol"] /= rate_weight
    sizes = tuple(hidden_sizes(values["hidden_layer_sizes"]))
    known = about(type(estimator)).items()
    of_network = [name for name, each in known if not {"network", "hidden layers"}.isdisjoint(each.of)]
    architecture = {name: repr(values[name]) for name in of_network}
    return FitPlan(
        parameters=Parameters(**{name: values[name] for name in defaults_of(Parameters)}),
        hidden_layer_sizes=sizes,
        activation=values["activation"],
        loss=data.targets.loss(values),
        architecture=architecture | {"hidden_layer_sizes": repr(sizes)},
        proposal=proposal,
        constraints=constraints,
        is_incremental=incremental,
        conditions=conditions,
        begun=begun,
        rate_weight=rate_weight,
    )


def numbers(preprocessor: TablePreprocessor | None) -> tuple[int, ...]:
    """Return the places of a table's scaled numbers behind the `Embedding` of its codes, which puts these last."""
    if preprocessor is None:
        return ()
    codes = np.array([each[0] for each in preprocessor.embedded_], np.int64)
    return tuple(int(place - (codes < place).sum()) for place in preprocessor.numbers_)


def monotone(preprocessor: TablePreprocessor | None, constraints: Constraints | None) -> frozenset[int]:
    """Return those of `numbers` whose direction is constrained."""
    if preprocessor is None or constraints is None or not constraints.monotone:
        return frozenset()
    pairs = zip(numbers(preprocessor), preprocessor.numbers_, strict=True)
    return frozenset(place for place, output in pairs if constraints.monotone[output])


def sources(preprocessor: TablePreprocessor | None) -> tuple[int, ...]:
    """Return the table's column that each input behind this `Embedding` is of."""
    if preprocessor is None:
        return ()
    codes = {column: size for column, _, size in preprocessor.embedded_}
    rest = [source for place, source in enumerate(preprocessor.sources_) if place not in codes]
    return (*rest, *(preprocessor.sources_[column] for column, size in codes.items() for _ in range(size)))


def rarest(data: FitData) -> float:
    """Return the share of the rows of the rarest class; 1 for numbers and for several labels a row."""
    if (numbers := data.labels) is None or not len(numbers):
        return 1.0
    return float(np.unique(numbers, return_counts=True)[1].min() / len(numbers))


def groups_of(data: FitData) -> int | None:
    """Return the number of the groups that the rows of a fit belong to, those held out included; None without any."""
    groups = (data if data.whole is None else data.whole).structure.groups
    return None if groups is None else len(np.unique(groups))


def _of_recipe(
    estimator: Parameters, name: str, chosen: Mapping[str, Any], proposal: Proposal, incremental: bool
) -> dict[str, Any]:
    """Return the parameters that a recipe sets. chosen: those that are given, which stay as they are."""
    left_out = set(chosen) | set(WHOLE if incremental else ())
    if not (chosen.keys() - proposal.beside).isdisjoint(OPTIMIZING):
        left_out |= set(OPTIMIZING)
    found = {name: value for name, value in proposal.parameters.items() if name not in left_out}
    if not is_stochastic(estimator):  # its objective must be the same at each evaluation, and has no batches
        if proposal.hidden is not None:
            raise ConfigError(
                f"preset={name!r} trains in batches, which a solver such as L-BFGS does not; omit solver and "
                "optimizer, or use preset='fast'."
            )
        found = {name: value for name, value in found.items() if name == "hidden_layer_sizes"}
    return found | dict(proposal.consumed)


def few_of(
    estimator: Parameters, given_rows: FitInput, conditions: Conditions = ALONE, *, races: bool = False
) -> OfFewRows | None:
    """Return what a recipe does with the few rows that are given; None where they are many.

    Rows that are passed for validation say what is held out, as an order in time of groups does. Others, whole groups
    of them, or stretches of time, are dealt to folds. More rows are few too if they belong to few groups,
    but where they race, and those held out choose.
    """
    wanted = name_of_recipe(estimator.preset, estimator.preprocess)
    is_asked = conditions._replace(threads=None).is_alone
    if wanted in (None, BEST) or not (conditions.may_deal and is_asked):
        return None
    own = recipe(str(wanted), conditions.variant)
    columns = columns_in(given_rows.X)
    found = own.of_few if races else own.of_columns(columns)
    has_both = given_rows.time is not None and given_rows.groups is not None
    is_apart = given_rows.X_val is not None or has_both
    if found is None or is_apart or not is_stochastic(estimator):
        return None
    check_column(given_rows.y)
    rows = _num_samples(given_rows.y)
    has_few_groups = found.most < rows <= found.most_of_groups and not races
    if has_few_groups:
        groups = read_structure(given_rows.X, given_rows.groups, None, 0.0).groups
        has_few_groups = groups is not None and len(np.unique(groups)) <= found.most
    are_few = found.least <= rows <= found.most and rows * columns <= found.most_cells
    if not (are_few or has_few_groups):
        return None
    return found if found.beside.issuperset(given(estimator)) else None


def columns_in(X: object) -> int:
    """Return the columns of a table that knows them at once, or 0."""
    if isinstance(X, Mapping):
        return len(X)
    shape: tuple[int, ...] = tuple(getattr(X, "shape", ()))
    return int(shape[1]) if len(shape) == 2 else 0


def table_settings(
    estimator: Parameters,
    variant: str | None = None,
    is_in_time: bool = False,
    of_few: OfFewRows | None = None,
) -> Mapping[str, Any]:
    """Return the settings of the `TablePreprocessor` that preprocess="auto" makes, but those at their defaults.

    is_in_time: whether the rows to predict come later, with numbers beyond those that were learned from.
    of_few: what a recipe does with few rows, of which what is linear goes on beyond them.
    """
    if isinstance(estimator.preprocess, TablePreprocessor):
        return {}
    goes_on = False
    if of_few is not None:
        is_of_numbers = isinstance(estimator, RegressorMixin)
        settings = {**of_few.table, **(of_few.table_of_numbers if is_of_numbers else {})}
        goes_on = is_of_numbers and WITHOUT_LINEAR_PART.isdisjoint(given(estimator))
    else:
        wanted = name_of_recipe(estimator.preset, estimator.preprocess)
        settings = {} if wanted is None else {**recipe(wanted, variant).table}
    return {**settings, "out_of_range": "clip"} if is_in_time and not goes_on else settings


def name_of_recipe(preset: str | None, preprocess: TablePreprocessor | str | None) -> str | None:
    """Return the recipe that is asked for by these parameters; None for none."""
    return preset or (DEFAULT if isinstance(preprocess, str) else None)


def recipe(name: str, variant: str | None) -> Recipe:
    """Return the recipe of this name, or the variant in place of it."""
    if variant is not None:
        return VARIANTS[variant]
    return additive.RECIPE if name == ADDITIVE else PRESETS[DEFAULT if name == BEST else name]
