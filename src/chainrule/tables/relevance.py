"""Relevances within groups, such as those of documents for a query, as the targets of a network that ranks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from chainrule.data.samples import Samples
from chainrule.formulas.losses import Loss
from chainrule.formulas.ranking import GROUP_LOSSES, ndcg
from chainrule.tables.rows import check_finite, check_there

Numbers = NDArray[np.float64]
KINDS = {"lambdarank": "lambda_rank", "pairwise": "pairwise_logistic"}
"""The losses by the names of the estimator's parameter."""


@dataclass(frozen=True)
class Relevances:
    """Relevances within groups as the targets of a network with one output, a score."""

    kind: str
    """of the loss"""
    at: int | None
    """how many ranks of a group count in its NDCG; None for all"""

    rules: ClassVar[Mapping[str, Any]] = {"y_numeric": True}
    task: ClassVar[str] = "regression"
    model_classes: ClassVar[None] = None
    out_activation: ClassVar[str] = "identity"
    middle: ClassVar[None] = None
    outputs: ClassVar[int] = 1

    @staticmethod
    def read(y: object, *, is_new: bool = False) -> Any:
        """Return relevances and groups in one number each. Raises DataError for missing targets."""
        check_there(y)
        check_finite(y)
        return y

    @classmethod
    def learn(cls, y: Numbers, parameters: Mapping[str, Any]) -> Self:
        """Return the targets by the parameters alone."""
        return cls(KINDS[parameters["loss"]], parameters["eval_at"])

    def class_weights(self, parameters: Mapping[str, Any], y: Numbers) -> None:
        """Return None: relevances are no classes."""

    def stratify(self, y: Numbers, is_table: bool) -> None:
        """Return None: groups are held out whole."""

    def check_again(self, y: Numbers, warm_start: bool) -> None:
        """Accept any relevances."""

    def check_validation(self, X: Any, y: object) -> Any:
        """Return the checked targets of samples X for validation."""
        found = check_array(y, ensure_2d=False, dtype="numeric")
        check_consistent_length(X, found)
        return found

    def encode(self, y: Numbers) -> Numbers:
        """Return them as `Samples` has them, (n, 1)."""
        return np.asarray(y, np.float64).reshape(-1, 1)

    def as_given(self, y: Numbers) -> Numbers:
        """Return encoded targets as (n,)."""
        return y[:, 0]

    def loss(self, parameters: Mapping[str, Any]) -> Loss:
        """Return the loss that the parameters name."""
        return GROUP_LOSSES[self.kind]()

    def score(self, loss: Loss, out: NDArray[Any], samples: Samples) -> float:
        """Return the mean NDCG of outputs (n, 1)."""
        return ndcg(np.asarray(loss.predict(out), np.float64)[:, 0], samples.y, self.at)

    def uncrossed(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return predictions as they are."""
        return predicted

    def predictions(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return scores (n,)."""
        return predicted[:, 0]
