"""The shares of the classes that a network was trained on, and probabilities where these are others.

A network learns the shares of its training rows, and class_weight changes these: with "balanced" a class of one row in
a thousand has half of the weight, and its probabilities are as if it were every other row. Bayes' rule turns
probabilities at one share of the classes into those at another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError, FormatError
from chainrule.estimators.labels import Labels

Prior = Mapping[Any, float] | Sequence[float] | NDArray[Any]
"""The share of each class: by label, or in the order of classes_."""


class ClassShares(NamedTuple):
    """The shares of the classes, in their order, each with a sum of 1."""

    of_rows: tuple[float, ...]
    """of the rows, by sample_weight"""
    trained: tuple[float, ...]
    """what the network learned: with class_weight too"""

    @classmethod
    def read(cls, data: Sequence[Sequence[float]], labels: Labels) -> Self:
        """Return those in a file. Raises FormatError unless they can be shares of these classes."""
        found = cls(*map(tuple, data))
        for each in found:
            numbers = np.array(each, np.float64)
            if (
                numbers.shape != labels.classes.shape
                or not (numbers >= 0).all()
                or abs(numbers.sum() - 1) > 1e-6
            ):
                raise FormatError("the shares of the classes are not those of a classifier with these labels")
        return found

    def factors(self, prior: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return what each class's probability is multiplied by, before they are divided by their sum.

        prior: (classes,) the shares to turn to; None for those of the rows.
        """
        trained = np.array(self.trained)
        wanted = np.array(self.of_rows) if prior is None else prior
        found: NDArray[np.float64] = np.divide(wanted, trained, out=np.zeros(len(trained)), where=trained > 0)
        return found


def adjusted(p: NDArray[Any], shares: ClassShares, prior: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return probabilities (n, classes) at other shares of the classes: p_k prior_k / trained_k over their sum.

    Source: Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities: a
    simple procedure", Neural Computation 14 (2002), equation 2.4.
    """
    found: NDArray[np.float64] = np.asarray(p, np.float64) * shares.factors(prior)
    total = found.sum(1, keepdims=True)
    np.divide(found, total, out=found, where=total > 0)
    return found


def checked_prior(prior: Prior, labels: Labels) -> NDArray[np.float64]:
    """Return shares (classes,) with a sum of 1. Raises ConfigError for others than the labels can have."""
    classes = labels.classes.tolist()
    if isinstance(prior, Mapping):
        if set(prior) != set(classes):
            raise ConfigError(
                f"prior must have a share for each of the labels {classes!r:.100}, not {[*prior]!r:.100}."
            )
        prior = [prior[label] for label in classes]
    try:
        found = np.asarray(prior, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"prior must be {len(classes)} numbers, the share of each class ({error})."
        ) from error
    if found.shape != (len(classes),) or not (
        np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0
    ):
        raise ConfigError(
            f"prior must be {len(classes)} numbers of at least 0, the share of each class in the order of classes_, "
            f"not {prior!r:.100}."
        )
    made: NDArray[np.float64] = found / found.sum()
    return made
