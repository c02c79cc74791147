"""What the axes of figures say: their titles and their ticks."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.recipe.judge import Judgement
from chainrule.views.figures import learning_curve, logarithmic_step
from chainrule.views.figures.tables import residuals


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([0.28, 0.53], "L0.05"),  # 0.3, 0.35, ... 0.5: of 1, 2 and 5 times a power of ten there is 0.5 alone
        ([2.302, 2.303], "L0.0002"),
        ([300.0, 900.0], "L200"),
        ([0.01, 1.0], "D2"),
        ([0.5, 0.5], "D2"),
        ([], "D2"),
    ],
)
def test_the_step_of_a_logarithmic_axis(values: list[float], step: str):
    assert logarithmic_step(values) == step


def test_a_loss_has_ticks():
    drawn = learning_curve([{"loss": 0.53, "val_loss": 0.37}, {"loss": 0.28, "val_loss": 0.34}], "loss")
    assert (drawn.layout.yaxis.type, drawn.layout.yaxis.dtick) == ("log", "L0.05")


def test_errors_are_titled_and_pointed_at():
    y, predicted = np.array([1.0, 2.0]), np.array([1.5, 2.0])
    judged = Judgement("test", "regression", {}, [], y, predicted, None, np.array([0]))
    drawn = residuals(judged)
    titles = [drawn.layout[axis].title.text for axis in ("xaxis", "yaxis")]
    assert titles == ["predicted", "predicted - true"]
    assert "off by %{y:+.5g}" in drawn.data[1].hovertemplate
