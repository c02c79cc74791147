"""scikit-learn as a peer: MLPClassifier and MLPRegressor."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speed.cases import LEARNING_RATE, Case, LayerWeights
from speed.peers.base import Peer

FEWEST = 64
"""The minimum number of samples of a fit shorter than an epoch: enough to contain every class."""


class ScikitLearn(Peer):
    """scikit-learn's `fit(max_iter=epochs)` with warm_start, which checks the data once for all epochs."""

    packages = ("scikit-learn",)

    def __init__(self, threads: int) -> None:
        """Import the estimators, and accept the threads, which NumPy's BLAS takes from the environment."""
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        warnings.simplefilter("ignore")  # ConvergenceWarning: max_iter is meant

        def starting(base: type) -> type:
            class Starting(base):  # type: ignore[misc]
                """The estimator with given initial weights instead of drawn ones."""

                def _initialize(self, y: Any, layer_units: Any, dtype: Any) -> None:
                    super()._initialize(y, layer_units, dtype)
                    self.coefs_ = [layer.W.astype(dtype) for layer in self.given]
                    self.intercepts_ = [layer.b.astype(dtype) for layer in self.given]

            return Starting

        self.classifier, self.regressor = starting(MLPClassifier), starting(MLPRegressor)

    def refusal(self, case: Case) -> str | None:
        """Refuse networks other than plain ones, and two outputs, since it has one output for two classes."""
        if case.widths[-1] == 2:
            return "it has no softmax over two classes"
        return None if case.blocks == "plain" else f"it has no {case.blocks}"

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Build the estimator without penalty or early stopping, with the same Adam."""
        kind = self.regressor if case.is_regression else self.classifier
        self.case, self.X, self.y = case, X, y
        self.net = kind(
            hidden_layer_sizes=case.widths[1:-1],
            alpha=0.0,
            batch_size=case.batch,
            learning_rate_init=LEARNING_RATE,
            warm_start=True,
            tol=0.0,
            n_iter_no_change=10**9,
            random_state=0,
        )
        self.net.given = layers

    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train whole epochs; on the first samples alone if fewer are requested than an epoch has."""
        n = self.case.samples
        epochs, rows = max(1, samples // n), min(n, max(samples, FEWEST, self.case.batch))
        self.net.set_params(max_iter=epochs, shuffle=shuffle)
        self.net.fit(self.X[:rows], self.y[:rows])
        return epochs * rows

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Compute logarithms of the probabilities, or numbers."""
        if self.case.is_regression:
            return np.asarray(self.net.predict(X)).reshape(len(X), 1)
        return np.asarray(np.log(np.maximum(self.net.predict_proba(X), np.float32(1e-30))))

    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Return a prediction of probabilities or numbers."""
        if not hasattr(self.net, "coefs_"):
            self.train(FEWEST)  # it has no weights before
        predict = self.net.predict if self.case.is_regression else self.net.predict_proba
        return lambda: predict(X)
