"""The losses of the studio's page: their values, derivatives and predictions are those of the library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule import MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.studio.page.assets import modules
from chainrule.studio.page.join import join
from chainrule.trained.persistence import encode

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from chainrule.formulas.losses import Loss

pytestmark = pytest.mark.browser
ENTRY = "import { lossOf } from './losses.js';\nwindow.lossOf = lossOf;"
ALL = """([given, out, y]) => {
  const loss = window.lossOf(given);
  const arrays = [loss.gradient(out, y), loss.predict(out), loss.smooth(y)];
  return [loss.value(out, y), ...arrays.map((all) => Array.from(all))];
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_content("<p>")
    page.add_script_tag(content=join("entry.js", {**modules(), "entry.js": ENTRY}))
    yield page
    page.close()


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (SoftmaxCrossEntropy(), [0, 1, 0]),
        (SoftmaxCrossEntropy(label_smoothing=0.1), [0, 1, 0]),
        (SigmoidCrossEntropy(), [0, 1, 1]),
        (SigmoidCrossEntropy(label_smoothing=0.2), [0, 1, 1]),
        (MeanSquaredError(), [0.5, -2, 30]),
        (MeanSquaredError(half=True), [0.5, -2, 30]),
    ],
)
def test_losses_are_those_of_the_library(page: Page, loss: Loss, y: list[float]):
    out = np.array([[-1.5, 700.0, 3.25]])
    targets = np.array([y], float)
    value, gradient, prediction, smooth = page.evaluate(ALL, [encode(loss), out[0].tolist(), y])
    assert value == pytest.approx(loss.value(out, targets)[0], rel=1e-14)
    np.testing.assert_allclose(gradient, loss.gradient(out, targets)[0], rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(prediction, loss.predict(out)[0], rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(smooth, loss.smooth(targets)[0], rtol=1e-14)


def test_another_loss_is_not_known(page: Page):
    other: dict[str, Any] = {"kind": "huber", "delta": 1.0}
    assert page.evaluate("(given) => window.lossOf(given)", other) is None
