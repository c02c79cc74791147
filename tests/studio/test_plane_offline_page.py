"""The plane in a page without a server: its points, its weights, its batches and its training are the library's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule import Model
from chainrule.core.random import generator
from chainrule.studio.page.export import offline_page
from chainrule.studio.screens.plane.commands import (
    ACTIVATION_KINDS,
    KINDS,
    OPTIMIZER_KINDS,
    PlaneSettings,
    data_of,
    network_of,
    optimizer_of,
    points,
)
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from chainrule.trained.persistence import named_tensors
from studio_pages import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
ENTRY = """import { generator, purposeful } from './random.js';
import { drawPoints } from './plane_data.js';
import { createTrainer } from './plane_trainer.js';
window.plane = { generator, purposeful, drawPoints, trained(settings, epochs) {
  const trainer = createTrainer(settings, drawPoints(settings));
  while (trainer.epoch < epochs) trainer.take();
  return [trainer.slots, Array.from(trainer.packed()), trainer.records];
} };
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with page_of(browser, ENTRY) as page:
        yield page


def test_random_numbers_are_those_of_numpy(page: Page):
    draw = """([entropy]) => { const rng = window.plane.generator(entropy);
      const first = [rng.random(3), rng.uniform(-0.3, 0.3, 2), rng.permutation(60)];
      return [...first, rng.integers(9, 20), rng.normal(3000), rng.random(2)].map((values) => Array.from(values)); }"""
    for entropy in ([0], [1], [7, 2, 3], [123456789, 1, 0], [4294967295, 2, 99]):
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
        expected: list[Any] = [rng.random(3), rng.uniform(-0.3, 0.3, 2), rng.permutation(60)]
        expected += [rng.integers(0, 9, 20, endpoint=True), rng.standard_normal(3000), rng.random(2)]
        found = page.evaluate(draw, [entropy])
        for k, (one, two) in enumerate(zip(found, expected, strict=True)):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-13 if k == 4 else 0)
    found = page.evaluate("window.plane.purposeful(5, 'shuffle', 3).permutation(40)")
    assert found == generator(5, "shuffle", 3).permutation(40).tolist()


def test_points_are_those_of_the_library(page: Page):
    for kind in KINDS:
        for seed in (0, 41):
            settings = {"kind": kind, "n": 50, "noise": 0.13, "seed": seed}
            found = page.evaluate(
                "(s) => Object.values(window.plane.drawPoints(s)).map((v) => Array.from(v))", settings
            )
            for one, two in zip(found, points(**settings), strict=True):
                np.testing.assert_allclose(one, np.ravel(two), rtol=0, atol=1e-7)


def expected(settings: PlaneSettings, epochs: int) -> tuple[dict[str, Any], Any]:
    """The numbers of `Model.fit` in float64, and its records."""
    data = data_of(settings)
    model = Model(network_of(settings, data.y), seed=settings.seed)
    exact = Model(model.network, dtype="float64", seed=settings.seed)
    exact.theta[...] = model.theta  # the start is drawn in float32
    exact.fit(
        data.X.astype(np.float64),
        data.y,
        epochs=epochs,
        batch_size=settings.batch,
        optimizer=optimizer_of(settings),
        validation_data=(data.X_test.astype(np.float64), data.y_test),
        metrics=None if settings.is_regression else ["accuracy"],
    )
    return named_tensors(exact.network, exact.theta, exact.states), exact.history


CASES: list[dict[str, Any]] = [
    *({"activation": kind, "layers": (5, 4)} for kind in ACTIVATION_KINDS),
    *({"optimizer": kind, "layers": (4,)} for kind in OPTIMIZER_KINDS),
    {"kind": "blobs", "layers": (6, 6, 3), "residual": True, "activation": "relu"},
    {"kind": "surface", "layers": (6, 4, 4), "residual": True, "batch_norm": True, "rate": 0.01},
    {"kind": "spirals", "layers": (4, 5), "batch_norm": True, "batch": 7},
    {"kind": "xor", "layers": (), "optimizer": "sgd", "rate": 0.3},
]


def test_training_agrees_with_the_engine(page: Page):
    """Every activation, optimizer and loss, batch normalization and blocks, in batches of which the last is smaller."""
    for given in CASES:
        settings = PlaneSettings(**{"n": 50, "batch": 16, "rate": 0.02, "seed": 3} | given)
        fields = {name: getattr(settings, name) for name in PlaneSettings.__dataclass_fields__}
        slots, numbers, records = page.evaluate(
            "([s, epochs]) => window.plane.trained(s, epochs)", [fields, 6]
        )
        tensors, history = expected(settings, 6)
        assert [name for name, _, _ in slots] == list(tensors), given
        wanted = np.concatenate([np.ravel(value) for value in tensors.values()])
        np.testing.assert_allclose(numbers, wanted, rtol=2e-6, atol=1e-7, err_msg=str(given))
        for row, record in zip(records[1:], history.records, strict=True):
            names = (
                ("loss", "val_loss")
                if settings.is_regression
                else ("loss", "val_loss", "accuracy", "val_accuracy")
            )
            assert row[1 : 1 + len(names)] == pytest.approx([record[name] for name in names], rel=1e-7), given


@pytest.mark.slow
def test_an_exported_plane_trains_in_its_page(browser_page, tmp_path):
    """It begins with the network that it was exported with; what needs a server is not there."""
    studio = Studio()
    settings = {"kind": "moons", "n": 60, "layers": [4], "seed": 2, "rate": 0.05}
    find("plane.build")(studio, settings)
    find("plane.start")(studio, {"epochs": 30, "pace": "fast"})
    run = studio.runs["plane"]
    with run.changed:
        assert run.changed.wait_for(lambda: run.place[0] == 30 and not run.is_running, 30)
    run.thread.join(0.2)
    frame = find("plane.get")(studio, {})["frame"]
    state = {
        "screen": "plane",
        "lang": "zh",
        "theme": "dark",
        "plane.layers": [4],
        "plane.kind": "moons",
        "plane.n": 60,
    }
    state |= {"plane.seed": 2, "plane.rate": 0.05}
    path = tmp_path / "page.html"
    path.write_bytes(offline_page(studio, state, [["plane.get", {}]]))
    studio.close()
    page = browser_page
    page.goto(path.as_uri())
    page.wait_for_function("() => window.chainrule")
    page.wait_for_selector("[data-test=epoch]")
    value = lambda name: float(page.locator(f"[data-test={name}]").get_attribute("data-value"))  # noqa: E731
    assert value("epoch") == 30 and value("loss") == pytest.approx(frame["record"][1], rel=1e-5)
    weights = page.evaluate(
        "window.chainrule.store.call('plane.get', {}).then(({ frame }) => Array.from(frame.numbers))"
    )
    assert weights == pytest.approx(frame["numbers"].tolist())
    assert page.locator("[data-test=play]").inner_text() == "開始"
    page.click("[data-test=play]")
    page.wait_for_function("() => Number(document.querySelector('[data-test=epoch]').dataset.value) > 40")
    page.click("[data-test=play]")
    page.wait_for_selector("[data-test=play][data-running=false]")
    assert value("accuracy") > 0.8
    page.click("[data-kind=blobs]")
    page.wait_for_function("() => document.querySelector('[data-test=epoch]').dataset.value === '0'")
    page.click("[data-test=step]")
    page.wait_for_function(
        "() => window.chainrule.store.call('plane.get', {}).then(({ frame }) => frame.step === 1)"
    )
    assert page.locator("[data-test=show], details.code").count() == 0
    assert "離線網頁" not in page.locator("body").inner_text()
