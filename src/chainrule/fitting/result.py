"""The result of a fit: the network, its optimizer, what is known of its data, and what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import is_count
from chainrule.errors import ConfigError, FormatError
from chainrule.fitting.floor import Floor
from chainrule.fitting.limit import LimitCourse
from chainrule.fitting.lookup import Lookup
from chainrule.fitting.start import members_of
from chainrule.fitting.terms import Terms
from chainrule.formulas.optimizers import Optimizer
from chainrule.model import Ensemble, Model
from chainrule.tables.held_out import HeldOut
from chainrule.tables.labels import ClassShares, Labels
from chainrule.tables.numbers import Targets
from chainrule.tables.preprocessor import TablePreprocessor, transform_blocks
from chainrule.tables.relevance import Relevances
from chainrule.tables.times import Times
from chainrule.trained.evaluation import BATCH
from chainrule.training.run import OptimizerState, Run
from chainrule.training.time_limit import Shortfall
from chainrule.trust.conformal import Intervals, LabelSets
from chainrule.trust.decisions import Decision
from chainrule.trust.notice import Notices
from chainrule.trust.seen import SeenColumn

Check = Callable[[Any], Any]
"""What checks samples where no table is prepared, and returns them."""
Calibration = Intervals | LabelSets
"""What makes intervals or sets of labels of predictions."""
NO_SPREAD = "spread compares the members of an ensemble; fit with n_members=5, for example."
FEW = 8
"""The maximum rows of a table that are prepared and answered one by one."""


@dataclass(frozen=True)
class Records:
    """What scikit-learn's MLP records of a fit, in its words, and what there is beyond it."""

    n_iter: int = 0
    """epochs of the last fit, or iterations of its solver"""
    t: int = 0
    """samples seen"""
    loss: float | None = None
    loss_curve: list[float] = field(default_factory=list)
    validation_loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] | None = None
    best_loss: float | None = None
    best_validation_score: float | None = None
    no_improvement: int = 0
    """epochs in a row without one"""
    n_iter_refit: int = 0
    """epochs of the network that was trained anew on all samples"""


class UpdateRecord(NamedTuple):
    """What one `update` with new rows did, by those of them that it held out."""

    rows: int
    """the new ones"""
    held_out: int
    """those among them by which it was judged"""
    epochs: int
    part: float
    """the part of the trained parameters that was taken, from 0 for none to 1"""
    before: float
    """the loss on the rows held out before it"""
    after: float


SMALLEST_RATE = 1e-6
"""`learning_rate="adaptive"` ends the training below this rate."""


class Remembered(NamedTuple):
    """What an optimizer remembers, where the session that had it is no longer needed."""

    optimizer_state: Any


@dataclass
class RateControl:
    """An optimizer, its learning rate, and what it remembers for a `partial_fit` that continues."""

    optimizer: Optimizer
    learning_rate: float
    """the rate of the next epoch"""
    mode: str = "constant"
    """constant, invscaling or adaptive"""
    power: float = 0.5
    session: Any = None
    """the last fit's session, which is over, or what it remembers; None before the first"""
    steps: int = 0
    """the steps that the optimizer has taken"""

    @property
    def kept(self) -> OptimizerState | None:
        """What the optimizer remembers, read from the session when it is first asked for; None before the first fit."""
        if self.session is None:
            return None
        self.session = Remembered(self.session.optimizer_state)
        return OptimizerState(self.session.optimizer_state, self.steps)

    def keep(self, run: Run) -> None:
        """End the session of a run. Its engine may keep what the optimizer remembers, which most fits never ask for."""
        run.synchronize()
        self.session, self.steps = run.session, run.steps_before + run.step
        if hasattr(run.session, "end"):
            run.session.end()
        else:
            self.session = Remembered(run.session.optimizer_state)

    def forget(self) -> None:
        """Begin anew with what the optimizer remembers."""
        self.session = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, with what the optimizer remembers in place of the session."""
        session = None if self.kept is None else self.session
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"session": session}

    def after_epoch(self, samples: int) -> None:
        """Set the rate of the next epoch for "invscaling"; samples: those seen so far."""
        if self.mode == "invscaling":
            self.learning_rate = self.optimizer.learning_rate / (samples + 1) ** self.power

    def at_plateau(self) -> bool:
        """Return whether to stop where the loss no longer falls; "adaptive" divides the rate by 5 instead."""
        if self.mode != "adaptive" or self.learning_rate <= SMALLEST_RATE:
            return True
        self.learning_rate /= 5.0
        return False


@dataclass(frozen=True)
class FitResult:
    """What a fit has found. An estimator holds one; its public attributes are read from it."""

    model: Model | Ensemble
    targets: Targets
    group_sizes: tuple[int, ...]
    """how many layers of the network each hidden one is"""
    n_layers: int
    """as scikit-learn counts them, those of inputs and outputs included"""
    preprocessor: TablePreprocessor | None = None
    """what prepares a table; None for arrays"""
    records: Records = field(default_factory=Records)
    rates: RateControl | None = None
    """the optimizer, and what it remembers; None where there is nothing to go on from"""
    architecture: Mapping[str, str] = field(default_factory=dict)
    """what the parameters said of the network, see `FitPlan`; empty where that is not known"""
    shortfall: Shortfall | None = None
    """how far the fit came, if its time limit ended it within its first epoch"""
    course: LimitCourse | None = None
    """how its time limit changed it; None where that is not known"""
    floor: Floor | None = None
    """what a linear model reaches beside such a network, where that is known"""
    held_out: HeldOut | None = None
    """what was predicted for rows before the network learned from them; None without such rows, and from a file"""
    shares: ClassShares | None = None
    """the shares of the classes that the network was trained on; None for numbers, and where they are not known"""
    decision: Decision | None = None
    """how a classifier chooses labels; None for the likeliest"""
    terms: Terms | None = None
    """what each column and pair adds, of an additive model"""
    kept: Calibration | None = None
    """the calibration of intervals or sets of labels from a file"""
    notices: Notices = field(default_factory=Notices)
    """what the fit noticed of its table"""
    updates: tuple[UpdateRecord, ...] = ()
    """what `update` did since the fit"""
    seen: tuple[SeenColumn, ...] = ()
    """what is kept of its columns, to check later rows by"""
    exposure: str | None = None
    """the column with the exposure, or BY_ROW of `chainrule.tables.exposure`; None without one"""
    is_cut: bool = False
    """whether Ctrl-C ended the race, or the training on all rows; in no file"""

    @cached_property
    def calibration(self) -> Calibration | None:
        """That of the held-out rows or a file; None without such rows, for several labels a row, times and ranks."""
        held_out, targets = self.held_out, self.targets
        if self.kept is not None or held_out is None or not len(held_out.rows):
            return self.kept
        if isinstance(targets, Labels):
            return None if targets.kind == "multilabel" else LabelSets.of(held_out, targets)
        return None if isinstance(targets, (Times, Relevances)) else Intervals.of(held_out, targets)

    @property
    def members(self) -> list[Model]:
        """The networks as models: one, or those of the ensemble."""
        return members_of(self.model)

    @property
    def members_alone(self) -> list[FitResult]:
        """The result of each network of an ensemble alone; none without an ensemble, or of an average of results."""
        is_average = len(self.members) > 1 and self.parts[0] is self
        return [replace(self, model=member) for member in self.members] if is_average else []

    @property
    def parts(self) -> list[FitResult]:
        """The results that answer together: this one, or those of an average."""
        return [each for _, each in self.weighted]

    @property
    def weighted(self) -> list[tuple[float, FitResult]]:
        """The weight of each of the parts in their average, and its result."""
        return [(1.0, self)]

    @property
    def temperature(self) -> float:
        """That of the average's probabilities, see `chainrule.race.judge.tempered`."""
        return 1.0

    @property
    def lookup(self) -> Lookup | None:
        """What corrects the average before the temperature; None for nothing."""
        return None

    @property
    def preparations(self) -> tuple[list[TablePreprocessor], list[int]]:
        """The different preprocessors, its own the first, and the place among them of each part's, then the lookup's.

        Without a table there are no preprocessors: each part takes the samples themselves.
        """
        takers = [part.preprocessor for part in self.parts]
        if self.lookup is not None:
            takers.append(self.lookup.preprocessor)
        known = {id(each): each for each in (self.preprocessor, *takers) if each is not None}
        places = [list(known).index(id(each)) if known else 0 for each in takers]
        return list(known.values()), places

    @property
    def networks(self) -> list[Model]:
        """All networks that answer, those of each part."""
        return [model for part in self.parts for model in part.members]

    @property
    def n_features(self) -> int:
        """The columns of the table, or the features of the samples."""
        count: int = self.model.network.inputs
        return count if self.preprocessor is None else int(self.preprocessor.n_features_in_)

    @property
    def feature_names(self) -> NDArray[Any] | None:
        """The names of these; None without names."""
        if self.preprocessor is not None:
            names: NDArray[Any] | None = getattr(self.preprocessor, "feature_names_in_", None)
            return names
        own = self.model.feature_names
        return None if own is None else np.array(own, dtype=object)

    def outputs(self, X: Any, engine: str, precision: str | None = None) -> NDArray[Any]:
        """Return the network's output (n, outputs) for checked samples."""
        out: NDArray[Any] = self.model.raw_outputs(X, engine, BATCH, precision)
        return out

    def predicted(self, X: Any, engine: str, precision: str | None = None) -> NDArray[Any]:
        """Return what the loss makes of the output: probabilities or means (n, outputs), in the units of y."""
        return self.predicted_of(self.outputs(X, engine, precision))

    def predicted_of(self, out: NDArray[Any]) -> NDArray[Any]:
        """Return what `predicted` makes of the network's output (n, outputs), in the units of the loss."""
        if (scale := self.model.target_scale) is not None:
            out = scale.clamp(scale.restore(out))
        with np.errstate(over="ignore"):
            predicted: NDArray[Any] = self.model.network.loss.predict(out)
        return predicted if isinstance(self.targets, Labels) else self.targets.uncrossed(predicted)

    def quantize(self, inputs: Sequence[NDArray[Any]]) -> None:
        """Measure the ranges of the networks' values on prepared rows, see `Model.quantize`."""
        for part, at in zip(self.parts, self.preparations[1], strict=False):
            part.model.quantize(inputs[at])

    def engine_of(self, engine: str) -> str:
        """Return the engine by which it answers. engine: that of its estimator."""
        return engine

    def blocks(self, X: object, check: Check) -> Iterator[Sequence[NDArray[Any]]]:
        """Iterate over the inputs of a table by each of `preparations`, some rows at a time; samples are one block."""
        preprocessors, _ = self.preparations
        return transform_blocks(preprocessors, X) if preprocessors else iter([(check(X),)])

    def prepare(self, X: object, check: Check) -> list[NDArray[Any]]:
        """Return the inputs of a table by each of `preparations`, or checked samples."""
        preprocessors, _ = self.preparations
        return [each.transform(X) for each in preprocessors] if preprocessors else [check(X)]

    def each(
        self, inputs: Sequence[NDArray[Any]], engine: str, precision: str | None = None
    ) -> list[NDArray[Any]]:
        """Return the prediction of each part (n, outputs) for prepared rows."""
        _, places = self.preparations
        return [
            part.predicted(inputs[at], engine, precision)
            for part, at in zip(self.parts, places, strict=False)
        ]  # the last place may be that of the lookup

    def answer(
        self, inputs: Sequence[NDArray[Any]], engine: str, precision: str | None = None
    ) -> NDArray[Any]:
        """Return the answer for prepared rows (n, outputs): probabilities or means, in the units of y."""
        compared = None if self.lookup is None else inputs[self.preparations[1][-1]]
        return self.combined(self.each(inputs, self.engine_of(engine), precision), compared)

    def predict(self, X: object, engine: str, check: Check, precision: str | None = None) -> NDArray[Any]:
        """Return the answer for a table or for samples (n, outputs)."""
        found = [self.answer(block, engine, precision) for block in self.blocks(X, check)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def combined(self, each: Sequence[NDArray[Any]], compared: NDArray[Any] | None) -> NDArray[Any]:
        """Return the answer (n, outputs) from the prediction of each part. compared: the inputs of the lookup."""
        return each[0]

    def spread(self, X: object, engine: str, check: Check, precision: str | None = None) -> NDArray[Any]:
        """Return the standard deviation of the predictions of several networks. Raises ConfigError for a single one."""
        if not isinstance(self.model, Ensemble):
            raise ConfigError(NO_SPREAD)
        found: NDArray[Any] = self.model.spread(self.prepare(X, check)[0], engine=engine, precision=precision)
        return found

    def predictions(self, predicted: NDArray[Any]) -> Any:
        """Return labels or numbers, as the estimator predicts them, from what was predicted (n, outputs)."""
        if self.decision is not None and isinstance(self.targets, Labels):
            return self.decision.labels(self.targets, predicted)
        return self.targets.predictions(predicted)

    def shown_spread(self, spread: NDArray[Any]) -> NDArray[Any]:
        """Return the disagreement of an ensemble's members as `spread` shows it: as it is, and 0 of a single class."""
        is_one = isinstance(self.targets, Labels) and self.targets.is_one_class
        return np.zeros((len(spread), 1), spread.dtype) if is_one else spread


COUNTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_")
NUMBERS = ("loss_", "best_loss_", "best_validation_score_")
WAITED = "no_improvement_"
"""A count that only the state of a fit has."""
REFIT = "n_iter_refit_"
"""A count that files of earlier versions do not have."""
CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
OUTPUTS = ("identity", "logistic", "softmax", "exp")
RECORDS = (*COUNTS, REFIT, *NUMBERS, *CURVES, "out_activation_")
"""The attributes that a file keeps beside the model's own."""


def checked(name: str, value: Any) -> Any:
    """Return a record from a file. Raises FormatError for a value that no fit records."""
    if name in (*COUNTS, REFIT, WAITED):
        fits = is_count(value)
    elif name in NUMBERS:
        fits = value is None or is_number(value)
    elif name in CURVES:
        is_left_out = value is None and name == "validation_scores_"
        fits = is_left_out or (isinstance(value, list) and all(map(is_number, value)))
    else:
        fits = value in OUTPUTS
    if not fits:
        raise FormatError(f"{name} is {value!r:.60}, which no fit records")
    return value


def is_number(value: object) -> bool:
    """Return whether a value from a file is a number, perhaps infinite or NaN."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
