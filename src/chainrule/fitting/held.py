"""The base of the estimators: the check of their parameters, the result that they hold, and attributes read from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import validate_parameter_constraints

from chainrule.fitting.parameters import Parameters, about, is_stochastic
from chainrule.fitting.result import FitResult, RateControl, Records, UpdateRecord
from chainrule.fitting.start import put_parameters, views
from chainrule.formulas.optimizers import LBFGS
from chainrule.model import Ensemble, Model
from chainrule.tables.held_out import HeldOut
from chainrule.tables.numbers import Targets
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import as_matrix
from chainrule.training.arguments import check_precision
from chainrule.training.options import as_optimizer
from chainrule.trust.notice import Notices

T = TypeVar("T")


class FittedAttribute(Generic[T]):
    """A public attribute of a fitted estimator, which is read from the result that it holds.

    What is assigned to it stands in its place until the next fit, as scikit-learn's own attributes may be set.
    """

    def __init__(self, read: Callable[[FitResult], T], gives: bool = False) -> None:
        """Keep read(result): the value. An AttributeError of it says that there is none.

        gives: whether it has networks, whose parameters may then be written to.
        """
        self.read, self.gives = read, gives

    def __set_name__(self, owner: type, name: str) -> None:
        """Note the name."""
        self.name = name

    @overload
    def __get__(self, estimator: None, owner: type) -> Self: ...
    @overload
    def __get__(self, estimator: HoldsResult, owner: type) -> T: ...
    def __get__(self, estimator: HoldsResult | None, owner: type) -> Self | T:
        """Return what was assigned, or what the result has. Raises AttributeError before a fit."""
        if estimator is None:
            return self
        if self.name in estimator._given:
            assigned: T = estimator._given[self.name]
            return assigned
        if estimator._result is None:
            raise AttributeError(f"{type(estimator).__name__!r} object has no attribute {self.name!r}")
        if self.gives:
            estimator._few_rows.give()
        return self.read(estimator._result)

    def __set__(self, estimator: HoldsResult, value: T) -> None:
        """Let a value stand in place of the result's."""
        estimator._give(self.name, value)


class LayerParameters(FittedAttribute[list[Any]]):
    """The weights or the biases of each layer, as views of the networks; what is assigned is copied into them."""

    def __init__(self, field: str) -> None:
        """Keep the field of a Dense."""
        super().__init__(lambda result: views(result.model.network, result.model.theta, field), gives=True)

    def __set__(self, estimator: HoldsResult, value: Iterable[Any]) -> None:
        """Copy the values into the networks; before the first fit they are its start."""
        if estimator._result is None:
            estimator._give(self.name, list(value))
        else:
            estimator._few_rows.give()
            put_parameters(estimator._result.model, self.name, value)


def counted(result: FitResult) -> Records:
    """Return the records of a fit by batches. Raises AttributeError for that of a solver, which counts nothing."""
    records = result.records
    if records.best_loss is None and records.best_validation_score is None:
        raise AttributeError("only a fit by batches has it")
    return records


def kept_predictions(result: FitResult) -> HeldOut:
    """Return the predictions for held-out rows. Raises AttributeError where a fit has none."""
    if result.held_out is None:
        raise AttributeError("only a fit that held rows out has it, and no file keeps it")
    return result.held_out


def prepared(result: FitResult) -> TablePreprocessor:
    """Return what prepares the table. Raises AttributeError where there is none."""
    if result.preprocessor is None:
        raise AttributeError("only a fit with preprocess has it")
    return result.preprocessor


def check(kind: type[Any], settings: dict[str, Any]) -> None:
    """Check settings by the constraints of their class; plain values that passed before are not checked again."""
    rules: Callable[..., None] = check_once if all(map(is_plain, settings.values())) else check_all
    rules(kind, **settings)


def check_all(kind: Any, **settings: Any) -> None:
    """Check settings by scikit-learn's rules. Raises its InvalidParameterError."""
    validate_parameter_constraints(kind._parameter_constraints, settings, caller_name=kind.__name__)


check_once = lru_cache(maxsize=64, typed=True)(check_all)


def is_plain(value: Any) -> bool:
    """Return whether a value's type and equality say all of it: numbers, text, None, and tuples of these."""
    if type(value) is tuple:
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


@dataclass(eq=False)
class KeptRows:
    """What answers few rows of an estimator, until its next fit. A copy and a pickle of it begin without."""

    are_given: bool = False
    """whether networks of the estimator were given out, and may be written to from now on"""
    rows: object = field(default=None, init=False)

    def give(self) -> None:
        """Note that networks are given out."""
        self.are_given = True

    def keep(self, rows: object) -> None:
        """Keep what answers few rows."""
        self.rows = rows

    def __reduce__(self) -> tuple[type[KeptRows], tuple[()]]:
        """Return how a copy and a pickle are made."""
        return KeptRows, ()


class ParameterRules:
    """The constraints of a class's parameters by name, where scikit-learn looks for them."""

    def __get__(self, estimator: object, kind: type[Parameters]) -> dict[str, list[Any]]:
        """Return those of a class."""
        return {name: each.rule for name, each in about(kind).items()}


class HoldsResult(Parameters, BaseEstimator):  # type: ignore[misc]
    """Base class of the estimators: their parameters, the result of the last fit, and its attributes."""

    target_type: ClassVar[type[Targets]]
    """what is predicted: `Labels` or `Numbers`"""
    _parameter_constraints = ParameterRules()
    _result: FitResult | None = None
    _given: Mapping[str, Any] = {}
    """what was assigned to attributes since the last fit"""
    _few_rows = KeptRows()
    """what answers few rows; each fit has its own"""

    model_ = FittedAttribute[Model | Ensemble](lambda result: result.model, gives=True)
    """the `Model` beneath, or the `Ensemble` of n_members"""
    members_ = FittedAttribute[list[Model]](lambda result: result.members, gives=True)
    """the networks as models: one, or n_members"""
    preprocessor_ = FittedAttribute(prepared)
    """what prepares a table"""
    held_out_ = FittedAttribute(kept_predictions)
    """`HeldOut`: predictions for rows by networks that had not learned from them, out of fold after preset="best" """
    notices_ = FittedAttribute[Notices](lambda result: result.notices)
    """what the fit noticed of its table, each with the scores of a small model and what to pass"""
    updates_ = FittedAttribute[tuple[UpdateRecord, ...]](lambda result: result.updates)
    """what each `update` since the fit did"""
    coefs_ = LayerParameters("W")
    """the weights (fan_in, fan_out) of each layer, as views of `model_`; what is assigned is copied into them"""
    intercepts_ = LayerParameters("b")
    """the biases (fan_out,) of each layer, as views of `model_`; what is assigned is copied into them"""
    n_iter_ = FittedAttribute[int](lambda result: result.records.n_iter)
    n_iter_refit_ = FittedAttribute[int](lambda result: result.records.n_iter_refit)
    t_ = FittedAttribute[int](lambda result: result.records.t)
    loss_ = FittedAttribute[float | None](lambda result: result.records.loss)
    best_loss_ = FittedAttribute[float | None](lambda result: counted(result).best_loss)
    best_validation_score_ = FittedAttribute[float | None](
        lambda result: counted(result).best_validation_score
    )
    loss_curve_ = FittedAttribute[list[float]](lambda result: result.records.loss_curve)
    validation_loss_curve_ = FittedAttribute[list[float]](lambda result: result.records.validation_loss_curve)
    validation_scores_ = FittedAttribute[list[float] | None](lambda result: counted(result).validation_scores)
    n_layers_ = FittedAttribute[int](lambda result: result.n_layers)
    n_outputs_ = FittedAttribute[int](lambda result: result.targets.outputs)
    out_activation_ = FittedAttribute[str](lambda result: result.targets.out_activation)
    # Private names of scikit-learn's MLP, which its own tests read.
    _no_improvement_count = FittedAttribute[int](lambda result: result.records.no_improvement)
    _optimizer = FittedAttribute[RateControl | None](lambda result: result.rates)

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """Return the names of the parameters, which scikit-learn would read off the signature at each call."""
        names: list[str] = super()._get_param_names()
        return names

    def _validate_params(self) -> None:
        """Check the parameters. Raises scikit-learn's InvalidParameterError, and ConfigError for the precision."""
        check(type(self), self.get_params(deep=False))
        if self.precision is not None:  # the network that a fit goes on with is checked when it is trained
            solver = None if is_stochastic(self) else as_optimizer(self.optimizer or LBFGS())
            check_precision(self.precision, self.dtype or "float32", solver)

    @property
    def _fitted(self) -> FitResult:
        """The result. Raises NotFittedError before a fit."""
        if self._result is None:
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate arguments "
                "before using this estimator."
            )
        return self._result

    def _check_array(self, X: Any) -> Any:
        """Return X checked as scikit-learn does, with the features that it noted last."""
        X = as_matrix(self, X, accept_sparse=["csr", "csc"], reset=False)
        return X.tocsr() if hasattr(X, "tocsr") else X

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a result."""
        return self._result is not None

    def _hold(self, result: FitResult) -> None:
        """Take a result, in place of another one and of what was assigned."""
        were_given = self._few_rows.are_given or self.callbacks is not None  # which have the networks
        self._result, self._given, self._few_rows = result, {}, KeptRows(were_given)
        self.n_features_in_ = result.n_features
        if (names := result.feature_names) is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _give(self, name: str, value: Any) -> None:
        """Let a value stand in place of an attribute of the result, until the next fit."""
        self._given = {**self._given, name: value}


Held = TypeVar("Held", bound=HoldsResult)


def result_of(estimator: HoldsResult) -> FitResult:
    """Return the result that an estimator holds. Raises NotFittedError before a fit."""
    return estimator._fitted


def hold(estimator: HoldsResult, result: FitResult) -> None:
    """Let an estimator hold a result, in place of another one."""
    estimator._hold(result)


def check_samples(estimator: HoldsResult, X: Any) -> Any:
    """Return X checked as scikit-learn does, with the features that the estimator noted last."""
    return estimator._check_array(X)


def check_parameters(estimator: HoldsResult) -> None:
    """Check the parameters of an estimator. Raises scikit-learn's InvalidParameterError."""
    estimator._validate_params()


def as_fitted(estimator: Held, result: FitResult, **parameters: Any) -> Held:
    """Return an estimator of the same parameters, but for those given here, that holds a result."""
    made = type(estimator)(**{**estimator.get_params(deep=False), **parameters})
    made._hold(result)
    return made
