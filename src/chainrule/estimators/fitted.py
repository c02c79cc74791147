"""What a fitted estimator offers: prediction, its parameters, its hidden layers' outputs, transfer, and its file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _clone_parametrized,
    clone,
)
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.core.shown import view
from chainrule.errors import ConfigError, ShapeError
from chainrule.estimators import files
from chainrule.estimators.best import files as best_files
from chainrule.estimators.constraints import check
from chainrule.estimators.hidden import HiddenLayers
from chainrule.estimators.start import Trunk, views
from chainrule.model import Ensemble
from chainrule.trained.evaluation import BATCH
from chainrule.training.time_limit import Shortfall

OF_HIDDEN_LAYERS = (
    *("hidden_layer_sizes", "activation", "dropout", "batch_norm", "residual", "preprocess", "preset"),
    "n_members",  # of preset="tabm", whose members are in them; those of an ensemble are counted
)
"""The parameters that say what the hidden layers are."""
FEW = 8
"""Rows that NumPy has predicted before the parameters lie in the native engine."""


class Fitted(HiddenLayers, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base class of the estimators: all but the fit."""

    model_: Any
    """the `Model` beneath, or the `Ensemble` of n_members"""
    engine: Any
    preprocess: Any
    preprocessor_: Any
    validation_scores_: list[float] | None
    blend_: Any
    """the `Blend` that predicts, after a fit of preset="best" """
    _trunk: Trunk | None = None
    _variant: str | None = None
    """the recipe in place of the preset's, in a race"""
    _prepared: Any = None
    """the preprocessor that a race has fitted to the table already"""
    _threads: int | None = None
    """the most threads of the training, in a race"""
    _epochs: int | None = None
    """the epochs of a fit of all rows, with nothing held out, in a race"""
    _grace: float | None = None
    """the seconds after time_limit that the first epoch may take; None for as many as time_limit has"""
    _shortfall: Shortfall | None = None
    """how far the last fit came, if time_limit ended it within its first epoch"""

    # --- settings ---------------------------------------------------------------------------------------------------

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """Return the names of the parameters, which scikit-learn would read off the signature at each call."""
        names: list[str] = super()._get_param_names()
        return names

    def _validate_params(self) -> None:
        """Check the parameters. Raises scikit-learn's InvalidParameterError."""
        check(type(self), self.get_params(deep=False))

    # --- prediction -------------------------------------------------------------------------------------------------

    def _check_X(self, X: Any) -> Any:
        """Return X checked against the features of the training: an array, or a CSR matrix."""
        if "preprocessor_" in self.__dict__:
            table: NDArray[Any] = self.preprocessor_.transform(X)
            return table
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return X.tocsr() if hasattr(X, "tocsr") else X

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Return the network's output (n, outputs) for checked X."""
        model = self.model_
        few = self.engine == "auto" and X.shape[0] <= FEW
        out: NDArray[Any] = model._walk(X, "reference" if few else self.engine, BATCH)
        return out

    def _predicted(self, X: Any) -> NDArray[Any]:
        """Return what the loss makes of the output: probabilities or means (n, outputs)."""
        if "model_" not in self.__dict__:
            check_is_fitted(self)
        if "blend_" in self.__dict__:
            average: NDArray[Any] = self.blend_.predicted(X, self._task == "multiclass")
            return average
        return self._decided(self._check_X(X))

    def _decided(self, X: Any) -> NDArray[Any]:
        """Return the same of the model beneath, for checked X."""
        out = self._outputs(X)
        if (scale := self.model_.target_scale) is not None:
            out = scale.clamp(scale.restore(out))
        with np.errstate(over="ignore"):
            predicted: NDArray[Any] = self.model_.network.loss.predict(out)
        return predicted

    def spread(self, X: Any) -> NDArray[Any]:
        """Return how far the members of an ensemble disagree: the standard deviation of their predictions.

        Of numbers (n,) or (n, outputs), in the units of y, for a regressor; of probabilities, in the shape of
        `predict_proba`, for a classifier. Raises ConfigError for a single network.
        """
        check_is_fitted(self)
        if "blend_" in self.__dict__:
            of_parts: NDArray[Any] = self.blend_.spread(X)
            if of_parts.shape[1] > 1:
                return of_parts
            return np.hstack([of_parts, of_parts]) if hasattr(self, "_labels") else of_parts[:, 0]
        if not isinstance(self.model_, Ensemble):
            raise ConfigError(
                "spread compares the members of an ensemble; fit with n_members=5, for example."
            )
        found: NDArray[Any] = self.model_.spread(self._check_X(X), engine=self.engine)
        return found

    # --- parameters -------------------------------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """The weights (fan_in, fan_out) of each layer, as views of `model_`; what is assigned is copied into them."""
        return self._parameters("coefs_", "W")

    @coefs_.setter
    def coefs_(self, values: Iterable[Any]) -> None:
        self._assign("coefs_", "W", values)

    @property
    def intercepts_(self) -> list[NDArray[Any]]:
        """The biases (fan_out,) of each layer, as views of `model_`; what is assigned is copied into them."""
        return self._parameters("intercepts_", "b")

    @intercepts_.setter
    def intercepts_(self, values: Iterable[Any]) -> None:
        self._assign("intercepts_", "b", values)

    def _parameters(self, name: str, field: str) -> list[Any]:
        if "model_" in self.__dict__:
            return views(self.model_.network, self.model_.theta, field)
        given = self.__dict__.get("_given", {})
        if name not in given:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found: list[Any] = given[name]
        return found

    def _assign(self, name: str, field: str, values: Iterable[Any]) -> None:
        if "model_" not in self.__dict__:  # before the first fit they are its start
            self.__dict__.setdefault("_given", {})[name] = list(values)
            return
        own = views(self.model_.network, self.model_.theta, field)
        given = list(values)
        if len(given) != len(own):
            raise ShapeError(f"{name} must be {len(own)} arrays, one for each layer, not {len(given)}.")
        for index, value in enumerate(given):
            own[index] = value

    # --- transfer ---------------------------------------------------------------------------------------------------

    def freeze(self, *names: str) -> Self:
        """Exclude links from training, by name, or all: a `partial_fit` or a warm start leaves them as they are."""
        check_is_fitted(self)
        self.model_.freeze(*names)
        return self

    def unfreeze(self, *names: str) -> Self:
        """Train these links again, by name, or all."""
        check_is_fitted(self)
        self.model_.unfreeze(*names)
        return self

    def replace_head(self, estimator: Any = None, *, freeze: bool = True) -> Any:
        """Return an estimator for another task whose hidden layers are this one's (transfer learning).

        estimator: an `MLPClassifier` or `MLPRegressor` that is not fitted yet, whose parameters of the architecture are
        replaced by this one's; None for one like this.  freeze: whether its fit trains the last layer alone.
        Its fit draws the last layer anew, and begins with the hidden layers as they are now; so do clones of
        it, which a search or a cross-validation makes. A table is prepared as this one's was. Of an ensemble
        it is an ensemble again, whose members begin with the layers of one member each.
        """
        check_is_fitted(self)
        if "blend_" in self.__dict__:
            raise ConfigError(
                "replace_head takes the hidden layers of one network, and preset='best' has those of several; fit with "
                "preset='fast'."
            )
        made = clone(self) if estimator is None else clone(estimator, safe=False)
        if not isinstance(made, Fitted):
            raise ConfigError(f"estimator must be an MLPClassifier or MLPRegressor, not {estimator!r}.")
        same = {name: getattr(self, name) for name in OF_HIDDEN_LAYERS}
        if isinstance(self.model_, Ensemble):
            same.pop("n_members")
        made.set_params(**same)
        made._trunk = Trunk(tuple(self.members_), freeze, self.__dict__.get("preprocessor_"))
        return made

    def __sklearn_clone__(self) -> Any:
        """Return an estimator of the same parameters that is not fitted, with the hidden layers to begin with."""
        made = _clone_parametrized(self)
        if self._trunk is not None:
            made._trunk = self._trunk
        return made

    # --- files and notebooks ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file, which holds no code; `load` reads it back.

        It has the parameters and what a fit records, but not the optimizer's state, callbacks or a `RandomState`.
        `chainrule.load` reads the `Model` in it, and `Ensemble.load` an ensemble.
        """
        check_is_fitted(self)
        if "blend_" in self.__dict__:
            best_files.save(self, path)
            return
        self.model_.save(path, extra={"estimator": files.described(self)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an estimator of this class from a file that `save` wrote. Raises FormatError with the file's fault."""
        made: Self
        made, extra = files.read(cls, path)
        if (average := extra.get(best_files.KEY)) is not None:
            best_files.restore(made, path, average)
        return made

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle; parameters that lie in a file that cannot be written are copied."""
        super().__setstate__(state)
        for member in self.members_ if "model_" in self.__dict__ else ():
            if not member.theta.flags.writeable:
                member.theta = member.theta.copy()

    def _html_repr(self) -> str:
        """Return scikit-learn's diagram, and of a fitted estimator its architecture and its curve."""
        diagram: str = estimator_html_repr(self)
        if "model_" not in self.__dict__:
            return diagram
        shown = [] if "report_" not in self.__dict__ else [self.report_._repr_html_()]
        shown.append(view(self.members_[0], "as_output"))
        if len(self.model_.history):
            shown.append(view(self.model_.history, "as_output"))
        return "".join([diagram, *shown])

    def _repr_html_inner(self) -> str:
        """Return what a notebook shows; scikit-learn 1.6 calls this, later releases `_html_repr`."""
        return self._html_repr()

    def __sklearn_tags__(self) -> Any:
        """Say that sparse matrices are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.preprocess is None
        if self.preprocess is not None:  # a table, with text and missing values in it
            tags.transformer_tags.preserves_dtype = []  # that of the preprocessor
            tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags
