"""The networks of a fit bound for one prepared row: what `FitResult.predicted` and `Blend` make of a table."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.bound.rows import ArrayRow, Row, RowInputs, TableRow
from chainrule.data.frames import has_few_rows
from chainrule.data.samples import TargetScale, side_by_side
from chainrule.errors import ConfigError
from chainrule.fitting import covering
from chainrule.fitting.held import KeptRows
from chainrule.fitting.result import FEW, NO_SPREAD, FitResult
from chainrule.fitting.start import members_of
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network
from chainrule.race.blend import RaceResult
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import Targets
from chainrule.trained.evaluation import average, disagreement
from chainrule.trained.trained import SeenModel


class BoundNetworks(Protocol):
    """What answers prepared rows: one for each different preparation, all of the same table's row."""

    def predicted(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return probabilities or means (1, outputs)."""

    def predicted_and_spread(self, rows: Sequence[Row]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return these and how much the networks disagree (1, outputs); None of a single one."""


class AlikeNetworks:
    """Networks of one form and loss, whose outputs become predictions together."""

    def __init__(
        self, models: Sequence[Model | Ensemble], targets: Targets, engine: str, precision: str | None
    ) -> None:
        """Copy the parameters of each; an ensemble has those of its members."""
        first = models[0]
        self.network = first.network
        self.walks = [[_walk(member, engine, precision) for member in members_of(model)] for model in models]
        self.shape, self.dtype = (1, self.network.fan_out), members_of(first)[0].theta.dtype
        self.is_averaged = isinstance(first, Ensemble)
        self.restore = _restoring([model.target_scale for model in models], self.network)
        self.predict = self.network.loss.predict
        self.uncrossed = None if isinstance(targets, Labels) else targets.uncrossed

    def outputs(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return the outputs (networks, members, fan_out) for the row of each network, in the units of the loss."""
        out = np.empty((len(self.walks), len(self.walks[0]), *self.shape), self.dtype)
        for members, row, own in zip(self.walks, rows, out, strict=True):
            for k, walk in enumerate(members):
                walk(row, own[k])
        return out[:, :, 0]

    def predicted(self, out: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities or means (networks, outputs) of `outputs`, in the units of y."""
        mean = average(self.network, out.swapaxes(0, 1)) if self.is_averaged else out[:, 0]
        with np.errstate(over="ignore"):
            predicted: NDArray[Any] = self.predict(mean if self.restore is None else self.restore(mean))
        return predicted if self.uncrossed is None else self.uncrossed(predicted)


class BoundFit:
    """One network, or the members of an ensemble."""

    def __init__(self, result: FitResult, engine: str, precision: str | None) -> None:
        """Copy the parameters of a fit."""
        self.alike = AlikeNetworks([result.model], result.targets, engine, precision)
        self.scale = result.model.target_scale

    def predicted(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return probabilities or means (1, outputs), in the units of y."""
        return self.alike.predicted(self.alike.outputs(rows))

    def predicted_and_spread(self, rows: Sequence[Row]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return these and the deviation of the members (1, ...); None of a single network."""
        out = self.alike.outputs(rows)
        if not self.alike.is_averaged:
            return self.alike.predicted(out), None
        each = out.swapaxes(0, 1)
        restored = each if self.scale is None else self.scale.restore(each)
        return self.alike.predicted(out), disagreement(self.alike.network, restored)


class BoundBlend:
    """The networks of a race."""

    def __init__(self, result: RaceResult, engine: str, places: Sequence[int], precision: str | None) -> None:
        """Copy the parameters of its parts. places: which of the prepared rows each part takes, and then the lookup."""
        blend = result.blend
        self.compared = None if blend.lookup is None else places[len(blend.parts)]
        self.average, self.deviation = blend.average, blend.deviation
        self.exclusive = result.targets.task == "multiclass"
        forms = [_form(part.result) for part in blend.parts]
        groups = [[k for k, other in enumerate(forms) if other == form] for form in dict.fromkeys(forms)]
        self.groups = [
            (
                np.array(group),
                [places[k] for k in group],
                AlikeNetworks(
                    [blend.parts[k].result.model for k in group], result.targets, engine, precision
                ),
            )
            for group in groups
        ]
        """the numbers of parts that are alike, the prepared rows that they take, and their networks"""
        self.shape = (len(forms), 1, result.targets.outputs)

    def predicted(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return the average (1, outputs)."""
        return self._average(self._each(rows), rows)

    def predicted_and_spread(self, rows: Sequence[Row]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the average and the deviation of the parts (1, outputs)."""
        each = self._each(rows)
        return self._average(each, rows), self.deviation(each)

    def _average(self, each: NDArray[np.float64], rows: Sequence[Row]) -> NDArray[np.float64]:
        compared = None if self.compared is None else rows[self.compared][None]
        return self.average(each, self.exclusive, compared)

    def _each(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Return what each part predicts (parts, 1, outputs)."""
        each = np.empty(self.shape)
        for group, places, alike in self.groups:
            each[group, 0] = alike.predicted(alike.outputs([rows[place] for place in places]))
        return each


def bound_networks(
    result: FitResult, engine: str, places: Sequence[int], precision: str | None
) -> BoundNetworks:
    """Return the networks of a fit. places: which of the prepared rows each part of a race takes."""
    if isinstance(result, RaceResult):
        return BoundBlend(result, engine, places, precision)
    return BoundFit(result, engine, precision)


def _form(result: FitResult) -> tuple[object, ...]:
    """Return what networks have in common whose outputs become predictions together."""
    model = result.model
    own = members_of(model)
    loss = model.network.loss
    scaled = None if model.target_scale is None else model.target_scale.clamps
    return type(loss), repr(loss), model.network.fan_out, own[0].theta.dtype, len(own), type(model), scaled


def _walk(model: Model, engine: str, precision: str | None) -> Callable[[Row, NDArray[Any]], None]:
    """Return what writes a network's outputs of a row into an array (1, fan_out)."""
    bound = model.walk(engine, 1, precision)
    quick = getattr(bound, "row", None)

    def slowly(row: Row, out: NDArray[Any]) -> None:
        out[:] = bound(row[None])

    if quick is None:
        return slowly

    def walk(row: Row, out: NDArray[Any]) -> None:
        if quick(row, out) < 0:  # not finite, or not laid out as the kernels read
            slowly(row, out)

    return walk


def _restoring(
    scales: Sequence[TargetScale | None], network: Network
) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """Return what `TargetScale.restore` and `clamp` make of outputs (networks, fan_out); None without scales."""
    known = [scale for scale in scales if scale is not None]
    if not known:
        return None

    def of_each(*names: str) -> list[NDArray[np.float64]]:
        """Return these parts of all scales, (networks, fan_out) each."""
        one = np.empty((1, network.fan_out))
        rows = [[*side_by_side(one, *(getattr(scale, name) for name in names))] for scale in known]
        return [np.stack(part) for part in zip(*rows, strict=True)]

    mean, std = of_each("mean", "std")
    if not known[0].clamps:
        return lambda out: np.asarray(out, np.float64) * std + mean
    low, high = of_each("low", "high")
    return lambda out: np.minimum(np.maximum(np.asarray(out, np.float64) * std + mean, low), high)


# --- few rows of a fitted estimator, answered by what is kept for as long as nothing of the estimator has changed ----

MOST_PARAMETERS = 1 << 22
"""Of networks with more parameters nothing is kept, and they are compared with nothing."""
ENGINES = ("auto", "native")
"""Those by which few rows are answered so; another one is asked for what it computes."""


class FewAnswers(NamedTuple):
    """What is predicted for few rows."""

    inputs: NDArray[np.floating]
    """(n, features) as the first preprocessor makes them"""
    predicted: NDArray[Any]
    """probabilities or means (n, outputs)"""


class FewRows:
    """Answers few rows of a table by what `TableRow` prepares and the native engine holds. Threads may share it."""

    def __init__(self, result: FitResult, how: tuple[str, str | None], is_compared: bool) -> None:
        """Copy the parameters of a fit with a preprocessor.

        how: the engine and the precision.  is_compared: whether the parameters may change from now on.
        """
        self.result, self.how, self.is_compared = result, how, is_compared
        self.parts = result.parts
        self.models = [SeenModel(model) for model in result.networks] if is_compared else []
        preprocessors, places = result.preparations
        self.learned = [(each, each.learned_, each.crossed_) for each in preprocessors]
        self.table = TableRow(preprocessors)
        engine, precision = how
        self.networks = bound_networks(result, engine, places, precision)

    def is_current(self) -> bool:
        """Return whether nothing has changed on which an answer depends."""
        return (
            _are_same(self.result.parts, self.parts)
            and all(
                each.learned_ is learned and each.crossed_ is pairs for each, learned, pairs in self.learned
            )
            and (not self.models or all(map(SeenModel.is_same, self.models, self.result.networks)))
        )

    def answers(self, X: object) -> FewAnswers | None:
        """Return what is predicted for a table of few rows; None for one of more. Raises the errors of `predict`."""
        rows = self.table.of_few(X)
        if not rows:
            return None
        predicted = [self.networks.predicted(row) for row in rows]
        return FewAnswers(np.stack([row[0] for row in rows]), np.concatenate(predicted))


def _are_same(parts: Sequence[FitResult], others: Sequence[FitResult]) -> bool:
    return len(parts) == len(others) and all(map(operator.is_, parts, others))


def answer_few(
    kept: KeptRows, result: FitResult, engine: str, X: object, precision: str | None
) -> FewAnswers | None:
    """Return the predictions of few rows; None for more, or without a table's preprocessor.

    The networks of a race are compared with what was bound only once somebody may have a way to write to them: those of
    a dozen networks take longer to read than a row to predict.
    """
    if result.preprocessor is None:
        return None
    engine = result.engine_of(engine)
    if engine not in ENGINES:
        return None
    is_compared = kept.are_given or not isinstance(result, RaceResult)
    rows, how = kept.rows, (engine, precision)
    if not isinstance(rows, FewRows) or not (
        rows.result is result and rows.how == how and rows.is_compared >= is_compared and rows.is_current()
    ):
        are_large = sum(model.theta.size for model in result.networks) > MOST_PARAMETERS
        if are_large or not has_few_rows(X, FEW):
            return None
        rows = FewRows(result, how, is_compared)
        kept.keep(rows)
    return rows.answers(X)


# --- estimators bound for one row: raw row in, answer out, in microseconds and without a data frame ------------------


class RowAnswer(NamedTuple):
    """What a bound estimator says of one row."""

    prediction: Any
    """the label or the number, or an array (outputs,) of several"""
    probabilities: NDArray[np.floating] | None
    """(classes,) of a classifier; None of a regressor"""
    spread: Any
    """the disagreement of the networks, as `spread` has it; None of a single network"""


class BoundEstimator:
    """A snapshot of a fitted estimator that answers one row, made by its `bind`.

        bound = estimator.bind()
        bound.predict({"rooms": 3, "city": "Tainan"}), bound.answer([3, "Tainan"])

    A row is a mapping of values by column name, a sequence in the order of the columns of training, or a table of one
    row. A row's inputs have the bits that a table's have, and a single network's answer the bits of `predict`. A
    weighted average, of `preset="best"`, agrees to 1e-12.
    Cells are read as those of a table: None, NaN, NaT and pandas.NA are missing, an unknown category counts as a rare
    one, and any other cell raises the error of `predict`.
    It keeps the parameters, threshold and calibration of its time: bind again after more training. Threads may share
    it.
    """

    def __init__(self, result: FitResult, inputs: RowInputs, networks: BoundNetworks) -> None:
        """Keep what prepares a row and what answers it; `bound` makes both of a result."""
        self.result, self.inputs, self.networks = result, inputs, networks

    def predict(self, X: object) -> Any:
        """Predict a row: its label or number; an array (outputs,) of several."""
        return self._labelled(self._predicted(X))

    def spread(self, X: object) -> Any:
        """Return how much the networks disagree about a row, as the estimator's `spread` has it of a table.

        Raises ConfigError for a single network.
        """
        _, found = self.networks.predicted_and_spread(self.inputs(X))
        if found is None:
            raise ConfigError(NO_SPREAD)
        return self.result.shown_spread(found)[0]

    def answer(self, X: object) -> RowAnswer:
        """Return the prediction of a row with its probabilities and the spread, by one pass through the networks."""
        predicted, spread = self.networks.predicted_and_spread(self.inputs(X))
        shares = self._shares(predicted) if isinstance(self.result.targets, Labels) else None
        shown = None if spread is None else self.result.shown_spread(spread)[0]
        return RowAnswer(self._labelled(predicted), shares, shown)

    def _predicted(self, X: object) -> NDArray[Any]:
        return self.networks.predicted(self.inputs(X))

    def _labelled(self, predicted: NDArray[Any]) -> Any:
        """Return the prediction of what was predicted (1, outputs)."""
        return self.result.predictions(predicted)[0]

    def _shares(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return the probabilities (classes,) of what was predicted (1, outputs)."""
        assert isinstance(self.result.targets, Labels)
        found: NDArray[Any] = self.result.targets.shares(predicted)[0]
        return found

    def _with_first(self, X: object) -> tuple[Row, NDArray[Any]]:
        """Return the inputs of the first preparation (1, features), and what is predicted."""
        rows = self.inputs(X)
        return rows[0][None], self.networks.predicted(rows)

    def __repr__(self) -> str:
        """Show the kind and the columns."""
        return f"<{type(self).__name__} of {self.result.n_features:,} columns>"


class BoundClassifier(BoundEstimator):
    """A snapshot of a fitted classifier that answers one row; see `BoundEstimator`."""

    def predict_proba(self, X: object) -> NDArray[Any]:
        """Predict the probabilities (classes,) of a row, in the order of `classes_`."""
        return self._shares(self._predicted(X))

    def predict_set(self, X: object, coverage: covering.Coverage = 0.9) -> NDArray[np.bool_]:
        """Return which labels are in the set of a row (classes,), see `MLPClassifier.predict_set`."""
        coverage = covering.check_coverages(coverage)
        found: NDArray[np.bool_] = covering.sets(self.result, *self._with_first(X), coverage)[0]
        return found


class BoundRegressor(BoundEstimator):
    """A snapshot of a fitted regressor that answers one row; see `BoundEstimator`."""

    def predict_interval(self, X: object, coverage: covering.Coverage = 0.9) -> NDArray[Any]:
        """Return the interval [lower, upper] of a row, or (outputs, 2), see `MLPRegressor.predict_interval`."""
        coverage = covering.check_coverages(coverage)
        found: NDArray[Any] = covering.intervals(self.result, *self._with_first(X), coverage)[0]
        return found[0] if len(found) == 1 else found


AnyBound = TypeVar("AnyBound", bound=BoundEstimator)


def bound(
    kind: type[AnyBound],
    result: FitResult,
    engine: str,
    check: Callable[[Any], Any],
    precision: str | None = None,
) -> AnyBound:
    """Bind the result of a fit. check(X): what checks arrays of an estimator without a preprocessor."""
    if result.preprocessor is not None:
        preprocessors, places = result.preparations
        networks = bound_networks(result, engine, places, precision)
        return kind(result, TableRow(preprocessors), networks)
    names = result.feature_names
    row = ArrayRow(None if names is None else names.tolist(), result.n_features, check)
    return kind(result, row, BoundFit(result, engine, precision))
