"""The weighted average of several fitted estimators, which predicts for the one that they were fitted for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.best.weights import tempered


class BlendPart(NamedTuple):
    """An estimator of an average."""

    weight: float
    estimator: Any
    recipe: str


class Blend:
    """An average of probabilities, or of numbers: sum_i w_i p_i, with probabilities at a temperature in the end.

    parts: the estimators, with weights that add up to 1.  temperature: see `tempered`; 1 for numbers.
    """

    def __init__(self, parts: Sequence[BlendPart], temperature: float = 1.0) -> None:
        """Keep the parts."""
        self.parts, self.temperature = list(parts), temperature

    def share_preprocessors(self) -> None:
        """Let the parts that prepare a table alike do so by one preprocessor, as those of a file do not."""
        known: dict[str, Any] = {}
        for part in self.parts:
            own = part.estimator.preprocessor_
            part.estimator.preprocessor_ = known.setdefault(json.dumps(own.to_data()), own)

    def each(self, X: Any) -> NDArray[np.float64]:
        """Return what each part predicts for a table X: (parts, n, outputs)."""
        prepared: dict[int, Any] = {}
        found = []
        for part in self.parts:
            made = part.estimator
            key = id(made.preprocessor_)
            if key not in prepared:
                prepared[key] = made._check_X(X)
            found.append(np.asarray(made._decided(prepared[key]), np.float64))
        return np.stack(found)

    def predicted(self, X: Any, exclusive: bool) -> NDArray[np.float64]:
        """Return the average (n, outputs). exclusive: whether the outputs are classes of which a row has one."""
        weights = np.array([part.weight for part in self.parts])
        mean: NDArray[np.float64] = np.tensordot(weights, self.each(X), 1)
        return tempered(mean, self.temperature, exclusive)

    def spread(self, X: Any) -> NDArray[np.float64]:
        """Return the weighted standard deviation of the parts' predictions (n, outputs)."""
        weights, each = np.array([part.weight for part in self.parts]), self.each(X)
        mean = np.tensordot(weights, each, 1)
        return np.sqrt(np.tensordot(weights, np.square(each - mean), 1))

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.parts)

    def __repr__(self) -> str:
        """Show the recipes, with the sum of the weights of each."""
        sums: dict[str, float] = {}
        for part in self.parts:
            sums[part.recipe] = sums.get(part.recipe, 0.0) + part.weight
        each = ", ".join(f"{weight:.2f} {recipe}" for recipe, weight in sums.items())
        return f"<Blend of {len(self)} networks: {each}; temperature {self.temperature:.3g}>"
