"""What the two estimators share: their parameters, the order of a fit, prediction, and the model beneath."""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state, check_X_y
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, validate_data

from chainrule.data.samples import Samples, measure_targets
from chainrule.errors import ConfigError, DataError
from chainrule.estimators import continuing, fitting, preprocessing, refit
from chainrule.estimators.architecture import hidden_sizes
from chainrule.estimators.best import race
from chainrule.estimators.building import build
from chainrule.estimators.fitted import Fitted
from chainrule.estimators.protocol import CallbackSupportMixin, Tasks, tasks, with_callbacks
from chainrule.estimators.rates import as_rates, has_partial_fit, is_stochastic
from chainrule.estimators.scoring import score
from chainrule.estimators.settings import BEST, FitSettings, resolved, table_settings
from chainrule.estimators.start import take_trunk, untrained
from chainrule.formulas.losses import Loss


@dataclass(eq=False, repr=False)
class MLPEstimator(CallbackSupportMixin, Fitted):  # type: ignore[misc]
    """Base class of the estimators: scikit-learn's parameters of its MLP, and further ones."""

    _: KW_ONLY
    solver: Any = "adam"
    alpha: Any = 0.0001
    batch_size: Any = "auto"
    learning_rate: Any = "constant"
    learning_rate_init: Any = 0.001
    power_t: Any = 0.5
    max_iter: Any = 200
    shuffle: Any = True
    random_state: Any = None
    tol: Any = 1e-4
    verbose: Any = False
    warm_start: Any = False
    momentum: Any = 0.9
    nesterovs_momentum: Any = True
    early_stopping: Any = False
    validation_fraction: Any = 0.1
    beta_1: Any = 0.9
    beta_2: Any = 0.999
    epsilon: Any = 1e-8
    n_iter_no_change: Any = 10
    max_fun: Any = 15000
    dropout: Any = 0.0
    batch_norm: Any = False
    residual: Any = False
    optimizer: Any = None
    schedule: Any = None
    clip_norm: Any = None
    scoring: Any = None
    time_limit: Any = None
    callbacks: Any = None
    dtype: Any = None
    engine: Any = "auto"
    preprocess: Any = None
    n_members: Any = None
    own_batches: Any = True
    refit: Any = None
    preset: Any = None

    # --- what classifier and regressor say of themselves ------------------------------------------------------------

    @abstractmethod
    def _check_y(self, X: Any, y: Any, weight: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Check X and y, learn the labels, and a table by weight (n,); return X, and y as in `Samples`."""

    @abstractmethod
    def _encode(self, y: Any) -> NDArray[Any]:
        """Return checked targets as in `Samples`."""

    @property
    @abstractmethod
    def _task(self) -> str:
        """What is predicted, once the targets are checked: regression, binary, multiclass or multilabel."""

    @abstractmethod
    def _loss(self, settings: FitSettings) -> Loss:
        """Return the loss of the network."""

    @abstractmethod
    def _score(self, out: NDArray[Any], samples: Samples) -> float:
        """Return the score that early stopping watches, from outputs (n, outputs)."""

    # --- training ---------------------------------------------------------------------------------------------------

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Train on X and y, from the start, or with warm_start from the parameters reached; return the estimator.

        X: (n, features) array, CSR or CSC matrix, or data frame.  y: (n,) labels or numbers, or (n, outputs).
        sample_weight: (n,), the weight of each sample in the loss; None for 1 each.
        X_val, y_val: samples to validate after each epoch, in place of a fraction of X; early_stopping watches them.
        """
        return self._fit(X, y, sample_weight, X_val=X_val, y_val=y_val)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        incremental: bool = False,
    ) -> Self:
        """Check, begin or continue, and fit by batches or by a solver."""
        begun = time.monotonic()
        self._validate_params()
        if self.preset == BEST:
            race.fit(self, X, y, sample_weight, X_val, y_val, begun, incremental)
            return self._finished(None)
        race.forget(self)
        hidden_sizes(self.hidden_layer_sizes)  # an error comes before a large table is read
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y = self._check_y(X, y, sample_weight, incremental, first)
        weight = np.ones(X.shape[0])
        if sample_weight is not None:
            weight = np.asarray(_check_sample_weight(sample_weight, X), np.float64)
        weight = continuing.check_weights(self._weighted(y, weight))
        settings = replace(resolved(self, X.shape[0], X.shape[1], incremental), begun=begun)
        random = check_random_state(settings.random_state)
        watched = None if incremental else tasks(self, settings.max_iter, X, y, sample_weight)
        y = y.reshape(len(y), -1) if y.dtype.kind == "f" else y
        samples = Samples(X.tocsr() if hasattr(X, "tocsr") else X, y, weight, self.n_outputs_)
        is_drawn = self._begin(settings, X, random, first)
        samples = self._scaled(samples, first, settings.proposal.clamp)
        if not is_stochastic(settings):
            if len(self.members_) > 1:
                raise ConfigError(
                    "n_members above 1 needs training by batches, as by solver='adam'; a solver has one network."
                )
            validation = self._given_validation(X_val, y_val)
            fitting.by_solver(self, settings, samples, validation, watched)
            return self._finished(watched)
        if not (incremental and hasattr(self, "_optimizer")):
            self._optimizer = as_rates(settings)
        if settings.early_stopping and incremental:
            raise ConfigError("partial_fit does not support early_stopping=True")
        every = samples
        samples, validation, score = self._validation(settings, samples, random, X_val, y_val)
        if is_drawn and settings.proposal.start == "samples":
            self.model_.start_on(samples)
        fitting.check_schedule(settings.schedule, validation is not None)
        train = partial(
            fitting.by_batches, self, settings, samples, validation, random, score, incremental, watched
        )
        if not incremental and refit.is_wanted(settings, samples.n < every.n, first):
            refit.Refit(self, settings, every, random).beside(train)
        else:
            train()
        return self._finished(watched)

    def _validated(self, X: Any, y: Any, weight: Any, reset: bool, **rules: Any) -> tuple[Any, Any]:
        """Check X and y as scikit-learn does; with `preprocess` X is a table, which becomes an array first."""
        rules = {
            "accept_sparse": ["csr", "csc"],
            "multi_output": True,
            "dtype": (np.float64, np.float32),
        } | rules
        if self.preprocess is None:
            self.__dict__.pop("preprocessor_", None)
            found: tuple[Any, Any] = validate_data(self, X, y, reset=reset, **rules)
            return found
        if reset or "preprocessor_" not in self.__dict__:
            table = table_settings(self)
            self.preprocessor_ = self._prepared or preprocessing.fitted(
                self.preprocess, X, y, weight, self.dtype, self._trunk, table
            )
            preprocessing.publish(self)
        checked: tuple[Any, Any] = check_X_y(self.preprocessor_.transform(X), y, **rules)
        return checked

    def _scaled(self, samples: Samples, first: bool, clamp: bool) -> Samples:
        """Return the samples with standardized targets, where the table is preprocessed and the loss allows it.

        clamp: whether predictions are to stay within the range of the targets.
        """
        model = self.model_
        if first and self.preprocess is not None and model.network.loss.targets == "real":
            model.target_scale = measure_targets(samples.y, samples.weight, clamp)
            if not np.isfinite(model.target_scale.std).all():
                raise DataError(
                    "y has numbers so large that their spread is infinite; divide them by a constant."
                )
        return samples.scaled(model.target_scale)

    def _finished(self, watched: Tasks | None) -> Self:
        """End the fit for scikit-learn's callbacks, if there are any, and warn if it ended within its first epoch."""
        if watched is not None:
            watched.finish()
        fitting.warn_of(self._shortfall)
        return self

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on X and y, continuing with the optimizer's state; return the estimator."""
        return self._fit(X, y, sample_weight, incremental=True)

    def _weighted(self, y: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights, times those of the classes where there are any."""
        return weight

    def _begin(self, settings: FitSettings, X: Any, random: Any, first: bool) -> bool:
        """Make the model, if this is the first fit or the parameters were given, and reset what a fit records.

        Returns whether all of its parameters were drawn.
        """
        sizes = hidden_sizes(settings.hidden_layer_sizes)
        continuing.check_unchanged(self, settings, sizes, first)
        given = self.__dict__.pop("_given", {})
        is_new = first or "model_" not in self.__dict__
        if is_new:
            self._make_model(settings, sizes, X, random, given)
        continuing.begin_records(self, first := first or not hasattr(self, "t_"))
        if is_stochastic(settings):
            continuing.begin_watching(self, bool(settings.early_stopping), first)
        return is_new and not given and self._trunk is None

    def _make_model(
        self, settings: FitSettings, sizes: list[int], X: Any, random: Any, given: dict[str, list[Any]]
    ) -> None:
        """Make a model with scikit-learn's start, or with parameters that were assigned before."""
        inputs, front = X.shape[1], preprocessing.embedding(self)
        made = build(settings, sizes, inputs, [*front], self.n_outputs_, self._loss(settings))
        network, self._group_sizes = made
        dtype = np.dtype(settings.dtype or (X.dtype if X.dtype == np.float32 else np.float64))
        is_logistic = settings.activation == "logistic"
        trunks = () if self._trunk is None else self._trunk.models
        count = len(trunks) or int(settings.n_members)
        by_layers = settings.proposal.start != "sklearn"
        self.model_ = untrained(network, random, dtype, is_logistic, count, not given, by_layers)
        self.model_.classes = self._model_classes()
        if "preprocessor_" in self.__dict__:
            self.model_.feature_names = self.preprocessor_.get_feature_names_out().tolist()
        elif hasattr(self, "feature_names_in_"):
            self.model_.feature_names = self.feature_names_in_.tolist()
        self.n_layers_ = len(sizes) + 2
        if self._trunk is not None:
            for member, trunk in zip(self.members_, trunks, strict=True):
                take_trunk(member, trunk, self._trunk.freeze)
        for name, values in given.items():
            setattr(self, name, values)

    def _model_classes(self) -> NDArray[Any] | None:
        """Return the labels that the model beneath predicts; None for numbers."""
        return None

    def _validation(
        self, settings: FitSettings, samples: Samples, random: Any, X_val: Any, y_val: Any
    ) -> tuple[Samples, Samples | None, Any]:
        """Return the samples to train on and to validate on, and the score of a run that early stopping watches."""
        validation, y_scored = self._given_validation(X_val, y_val), y_val
        if validation is None and settings.early_stopping:
            samples, validation = fitting.split(
                samples, settings.validation_fraction, random, self._stratify(samples)
            )
            y_scored = self._decoded(
                validation.y if validation.scale is None else validation.scale.restore(validation.y)
            )
        if validation is None:
            return samples, None, None
        if self.validation_scores_ is None:
            self.validation_scores_ = []
        return samples, validation, partial(score, self, settings.scoring, validation, y_scored)

    def _given_validation(self, X_val: Any, y_val: Any) -> Samples | None:
        """Return the samples given for validation, checked. Raises DataError for X_val without y_val."""
        continuing.check_pair(X_val, y_val)
        if X_val is None:
            return None
        X = self._check_X(X_val)
        y = self._encode(self._check_val_y(X, y_val))
        y = y.reshape(len(y), -1) if y.dtype.kind == "f" else y
        return Samples(X, y, np.ones(len(y)), self.n_outputs_).scaled(self.model_.target_scale)

    @abstractmethod
    def _check_val_y(self, X: Any, y: Any) -> Any:
        """Check the targets of validation samples X."""

    def _decoded(self, y: NDArray[Any]) -> Any:
        """Return encoded targets as the user gave them."""
        return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y

    def _stratify(self, samples: Samples) -> NDArray[Any] | None:
        """Return what the split for early stopping keeps in proportion."""
        return None
