"""The outputs of an estimator's hidden layers, in the form of a scikit-learn transformer."""

from __future__ import annotations

import copy
import operator
from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.metaestimators import available_if

from chainrule.engines import Plan, select
from chainrule.errors import ConfigError
from chainrule.fitting.held import HoldsResult
from chainrule.formulas.losses import MeanSquaredError
from chainrule.network.network import Network
from chainrule.presets import ADDITIVE
from chainrule.presets.layers import hidden_sizes
from chainrule.trained.evaluation import BATCH


class HiddenFeatures(TransformerMixin, auto_wrap_output_keys=None):  # type: ignore[misc,call-arg]
    """scikit-learn's mixin of transformers, whose `fit_transform` is only there with `HiddenLayers.transform`."""

    @available_if(lambda self: self._has_hidden_layers())  # type: ignore[untyped-decorator]
    def fit_transform(self, X: object, y: object = None, **fit_params: object) -> object:
        """Fit to X and y, and return what `transform(X)` does."""
        return super().fit_transform(X, y, **fit_params)


class HiddenLayers(HoldsResult):
    """Base class of estimators whose hidden layers' outputs are features.

    `transform` stands here, outside of scikit-learn's classes, because these would name the outputs of each hidden
    layer as those of the last one, where `set_output` asks for frames.
    """

    _layer: int = -1
    """the hidden layer whose outputs `get_feature_names_out` names"""

    def _check_X(self, X: Any) -> Any:
        """Return X checked against the features of the training."""
        raise NotImplementedError

    def _has_hidden_layers(self) -> bool:
        """Return whether there are, or will be; scikit-learn takes what has a `transform` for a transformer."""
        if self._result is not None:
            return bool(self._result.group_sizes)
        return self.preset != ADDITIVE and bool(hidden_sizes(self.hidden_layer_sizes))

    @available_if(lambda self: self._has_hidden_layers())  # type: ignore[untyped-decorator]
    def transform(self, X: Any, layer: int = -1) -> Any:
        """Return the output (n, width) of a hidden layer for X, after its activation; a frame if `set_output` asks.

        layer: the index of the hidden layer from 0; -1 for the last one.  Those of an ensemble's members are side by
        side, (n, members * width).  Without hidden layers, as of preset="additive", there is no such method.
        """
        result, named = self._fitted, self if layer == -1 else copy.copy(self)._at(layer)
        network, checked = named._leading(), self._check_X(X)
        engine = select(self.engine, Plan(network))
        found = [
            engine.predict(network, member.theta[: network.size], member.states, checked, BATCH)
            for member in result.members
        ]
        out = found[0] if len(found) == 1 else np.hstack(found)
        return _wrap_data_with_container("transform", out, X, named)

    def _at(self, layer: int) -> Self:
        """Choose the hidden layer whose outputs are named, and return the estimator."""
        self._layer = layer
        return self

    @property
    def _n_features_out(self) -> int:
        """The width of the hidden layer, for the names of what `transform` returns; 0 where there is none."""
        if not self._fitted.group_sizes:
            return 0  # `dir` asks for every attribute
        return self._leading().outputs * len(self._fitted.members)

    def _leading(self) -> Network:
        """Return the network up to the hidden layer. Raises ConfigError where there is none."""
        sizes = self._fitted.group_sizes
        if not sizes:
            raise ConfigError(
                "there is no hidden layer whose output to return; use predict, or give hidden_layer_sizes."
            )
        try:
            number = range(len(sizes))[operator.index(self._layer)]
        except (TypeError, IndexError):
            raise ConfigError(
                f"layer must be an index of the {len(sizes)} hidden layers, from 0, not {self._layer!r}."
            ) from None
        return leading(self._fitted.model.network, sum(sizes[: number + 1]))


def leading(network: Network, count: int) -> Network:
    """Return the first `count` layers as a network, whose parameters are the first of theta."""
    return Network(network.inputs, network.layers[:count], MeanSquaredError())
