"""The outputs of an average."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import Dense, Loss, MeanSquaredError, Network, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.trained.evaluation import average


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [
        (MeanSquaredError(), 1),
        (MeanSquaredError(), 2),
        (SigmoidCrossEntropy(), 1),
        (SoftmaxCrossEntropy(), 3),
    ],
    ids=["number", "numbers", "binary", "classes"],
)
def test_an_average_has_the_same_bits_whatever_rows_are_beside(loss: Loss, outputs: int):
    network = Network(2, [Dense(outputs)], loss)
    out = np.random.default_rng(0).normal(size=(16, 50, outputs))
    together = average(network, out)
    for row in range(50):
        np.testing.assert_array_equal(
            average(network, out[:, row : row + 1]), together[row : row + 1], strict=True
        )
