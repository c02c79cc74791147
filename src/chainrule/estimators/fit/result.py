"""The result of a fit: the network, what is known of its data, and what was recorded, also where a file says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import is_count
from chainrule.errors import FormatError
from chainrule.estimators.additive.terms import Terms
from chainrule.estimators.best.lookup import Lookup
from chainrule.estimators.conformal.intervals import Intervals
from chainrule.estimators.conformal.sets import LabelSets
from chainrule.estimators.decisions import Decision
from chainrule.estimators.drift.seen import SeenColumn
from chainrule.estimators.fit.floor import Floor
from chainrule.estimators.fit.held_out import HeldOut
from chainrule.estimators.fit.limit import LimitCourse
from chainrule.estimators.fit.rates import RateControl
from chainrule.estimators.fit.start import members_of
from chainrule.estimators.labels import Labels
from chainrule.estimators.notices.notice import Notices
from chainrule.estimators.numbers import Targets
from chainrule.estimators.priors import ClassShares
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.model import Ensemble, Model
from chainrule.trained.evaluation import BATCH
from chainrule.training.time_limit import Shortfall

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

    @cached_property
    def calibration(self) -> Calibration | None:
        """That of the held-out rows or a file; None without such rows, and for several labels a row."""
        held_out, targets = self.held_out, self.targets
        if self.kept is not None or held_out is None or not len(held_out.rows):
            return self.kept
        if isinstance(targets, Labels):
            return None if targets.kind == "multilabel" else LabelSets.of(held_out, targets)
        return Intervals.of(held_out, targets)

    @property
    def members(self) -> list[Model]:
        """The networks as models: one, or those of the ensemble."""
        return members_of(self.model)

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
        """That of the average's probabilities, see `chainrule.estimators.best.weights.tempered`."""
        return 1.0

    @property
    def lookup(self) -> Lookup | None:
        """What corrects the average before the temperature; None for nothing."""
        return None

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

    def outputs(self, X: Any, engine: str) -> NDArray[Any]:
        """Return the network's output (n, outputs) for checked samples."""
        out: NDArray[Any] = self.model.raw_outputs(X, engine, BATCH)
        return out

    def predicted(self, X: Any, engine: str) -> NDArray[Any]:
        """Return what the loss makes of the output: probabilities or means (n, outputs), in the units of y."""
        return self.predicted_of(self.outputs(X, engine))

    def predicted_of(self, out: NDArray[Any]) -> NDArray[Any]:
        """Return what `predicted` makes of the network's output (n, outputs), in the units of the loss."""
        if (scale := self.model.target_scale) is not None:
            out = scale.clamp(scale.restore(out))
        with np.errstate(over="ignore"):
            predicted: NDArray[Any] = self.model.network.loss.predict(out)
        return predicted if isinstance(self.targets, Labels) else self.targets.uncrossed(predicted)

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
        fits = value is None or _is_number(value)
    elif name in CURVES:
        is_left_out = value is None and name == "validation_scores_"
        fits = is_left_out or (isinstance(value, list) and all(map(_is_number, value)))
    else:
        fits = value in OUTPUTS
    if not fits:
        raise FormatError(f"{name} is {value!r:.60}, which no fit records")
    return value


def update_records(data: Iterable[Iterable[Any]]) -> tuple[UpdateRecord, ...]:
    """Return the records of updates in a file. Raises FormatError for values that no update records."""
    found = tuple(UpdateRecord(*each) for each in data)
    for each in found:
        counts = each.rows, each.held_out, each.epochs
        if not all(map(is_count, counts)):
            raise FormatError(f"an update has the counts {counts!r:.60}, which no update records")
        if not (
            _is_number(each.part)
            and 0 <= each.part <= 1
            and _is_number(each.before)
            and _is_number(each.after)
        ):
            raise FormatError(f"an update has the numbers {each[3:]!r:.60}, which no update records")
    return found


def check_whole(known: Mapping[str, Any], result: FitResult, is_classifier: bool) -> None:
    """Check that labels, table and hidden layers from a file are those of its network. Raises FormatError if not.

    known: the records in the file by name.
    """
    for name in (*COUNTS, "loss_curve_"):
        if name not in known:
            raise FormatError(f"{name} is missing")
    network, table, sizes = result.model.network, result.preprocessor, result.group_sizes
    inputs = known["n_features_in_"] if table is None else len(table.get_feature_names_out())
    labels = result.targets if isinstance(result.targets, Labels) else None
    facts = {
        "the features": inputs == network.inputs,
        "the outputs": known["n_outputs_"] == network.outputs,
        "the hidden layers": all(size > 0 for size in sizes) and sum(sizes) < len(network.layers),
        "the labels": (labels is not None) == is_classifier
        and (labels is None or _are_labels(labels.classes, labels.outputs, network.outputs)),
    }
    for what, fits in facts.items():
        if not fits:
            raise FormatError(f"{what} are not those of the network in the file")


def _are_labels(classes: Any, outputs: int, trained: int) -> bool:
    """Return whether these can be the labels of a network: sorted, different, and as many as its outputs say."""
    is_sorted = classes.ndim == 1 and np.array_equal(np.unique(classes), classes)
    return bool(is_sorted and len(classes) > 0 and outputs == trained and (trained > 1 or len(classes) <= 2))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
