"""The story's page and an attribution's page in a browser: whole, offline, for every screen, whatever the data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from chainrule import (
    Dense,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Standardize,
)
from chainrule.datasets import load_mnist
from chainrule.inspection.story import explain
from chainrule.views import words
from chainrule.views.figures.attribution import attribution_bars
from chainrule.views.report.story import activity
from rendered import check

pytestmark = pytest.mark.browser
EVIL = "</script><img src=x onerror=document.title='owned'><b>"


@pytest.fixture(scope="module")
def digits() -> Model:
    train, _ = load_mnist()
    model = Model(
        Network(784, [Rescale(1 / 255), Dense(16), ReLU(), Dense(10)], SoftmaxCrossEntropy()), seed=0
    )
    model.fit(train.X[:1000], train.y[:1000], epochs=3, optimizer="adam")
    return model


def show(page, path) -> None:
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('.figure .main-svg').length > 0")


def fits(page) -> bool:
    return page.evaluate(
        "[...document.querySelectorAll('.figure')].every(f => f.querySelector('.main-svg') &&"
        " f.getBoundingClientRect().right <= innerWidth) && document.documentElement.scrollWidth <= innerWidth"
    )


def titles(page) -> list[str]:
    return page.locator(".figure .gtitle").all_text_contents()


def test_a_digit(browser_page, digits, page_file):
    test = load_mnist()[1]
    story = explain(digits, test.X[0], 7, source="digit.png")
    story.write(page_file)
    show(browser_page, page_file)
    assert browser_page.title() == "Why 7? - Chainrule"
    headings = browser_page.locator("h2").all_text_contents()
    assert [heading[:2] for heading in headings] == ["1.", "2.", "3.", "4.", "5."]
    assert titles(browser_page) == [
        "Every neuron of every layer",
        "Each pixel, for class 7",
        f"Each pixel, for class 7 against {story.rival.label}",
        "The error in the backward pass",
        "Before and after the step",
    ]
    assert browser_page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth === 28)")
    text = browser_page.locator("main").inner_text()
    for part in (
        "digit.png",
        "The true answer is 7",
        "dense_2",
        "relative",
        "the logit would need",
        "After the step the loss",
    ):
        assert part in text
    assert fits(browser_page)


SIZES = [(360, 740), (768, 1024), (1920, 1080)]
QUICK = [(360, 740, "dark")]
"""That of `make test`."""


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [
        pytest.param(*form, marks=() if form in QUICK else pytest.mark.slow)
        for form in ((*size, scheme) for scheme in ("light", "dark") for size in SIZES)
    ],
)
def test_it_fits_every_screen(browser_page, digits, page_file, width, height, scheme):
    explain(digits, load_mnist()[1].X[1]).write(page_file)
    browser_page.set_viewport_size({"width": width, "height": height})
    browser_page.emulate_media(color_scheme=scheme)
    show(browser_page, page_file)
    assert fits(browser_page)
    assert browser_page.evaluate("document.documentElement.dataset.theme") == scheme


@pytest.mark.slow
def test_a_story_can_be_read_on_a_phone(phone_page, digits, page_file):
    explain(digits, load_mnist()[1].X[1]).write(page_file)
    phone_page.goto(page_file.as_uri())
    check(phone_page)


@pytest.mark.slow
def test_bars_keep_their_rows_and_values_where_few_are_against(browser_page, phone_page, page_file):
    model = Model(Network(4, [Dense(1)], MeanSquaredError()), seed=0)
    model.parameters["dense_1"].W[:, 0] = [3.0, -1.0, 2.0, -0.5]
    names = [f"the {k}. of some features" for k in range(4)]
    story = explain(model, np.ones(4), 0.0, names=names)
    figure = attribution_bars(story.attribution)
    assert all(0.4 < bar.width < 1 for bar in figure.data)
    assert figure.layout.yaxis.ticktext[0] == "the 0. of some features = 1"
    story.write(page_file)
    for page in (browser_page, phone_page):
        page.goto(page_file.as_uri())
        check(page)
        spans = [
            (box["y"], box["y"] + box["height"])
            for box in (bar.bounding_box() for bar in page.locator(".figure .bars .point").all()[:4])
        ]
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(sorted(spans)))


def test_the_map_of_neurons_has_a_legend():
    legend = activity([("a", np.array([0.0, 1.0])), ("b", np.array([-2.0, 1.0]))]).data[-1].marker.colorbar
    assert legend.ticktext == ("-largest", "0", "+largest") and "each layer" in legend.title.text
    assert activity([("a", np.array([0.0, 1.0]))]).data[-1].marker.colorbar.ticktext == ("0", "+largest")


@pytest.mark.parametrize(
    ("change", "said"),
    [(0.0037, "+0.37 points"), (-0.25, "-25.00 points"), (3.6e-11, "+3.6e-09 points"), (0.0, "none")],
)
def test_a_small_change_of_a_probability_is_said_in_digits_that_count(change, said):
    assert words.story.points(change) == said


def test_the_story_of_a_sure_answer_has_no_zeros_for_what_moves():
    model = Model(Network(2, [Dense(3)], SoftmaxCrossEntropy()), seed=0, dtype="float64")
    model.parameters["dense_1"].W[...] = [[9.0, 0.0, -9.0], [5.0, 0.0, -5.0]]
    text = explain(model, [1.0, 1.0], 0).text()
    assert (
        "+0.00000" not in text
        and "0.00 points" not in text
        and "e-" in text.split("The effect of a training step")[1]
    )


@pytest.mark.parametrize(
    "task", [*(pytest.param(task, marks=pytest.mark.slow) for task in ("two", "numbers")), "many"]
)
def test_tables_of_every_task(browser_page, page_file, task):
    X = np.random.default_rng(0).normal(size=(60, 20))
    loss, y, outputs = {
        "two": (SigmoidCrossEntropy(), X[:, 0] > 0, 1),
        "many": (SigmoidCrossEntropy(), (X[:, :3] > 0).astype(int), 3),
        "numbers": (MeanSquaredError(), X[:, 0], 1),
    }[task]
    model = Model(Network(20, [Standardize(), Dense(8), ReLU(), Dense(outputs)], loss))
    model.fit(X, y, epochs=3, optimizer="adam")
    explain(model, X[0], y[0]).write(page_file)
    show(browser_page, page_file)
    assert any(title.startswith("Each feature, for") for title in titles(browser_page))
    assert browser_page.locator(".figure .barlayer .point").count() >= 13
    assert fits(browser_page)


def test_text_from_data_stays_text(browser_page, page_file):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.array([EVIL, "<a href='javascript:alert(1)'>a</a>", "plain"])[np.arange(60) % 3]
    model = Model(Network(3, [Dense(4), ReLU(), Dense(3)], SoftmaxCrossEntropy()))
    model.fit(X, y, epochs=1)
    explain(model, X[0], EVIL, names=[EVIL, "b", "c"], source=EVIL).write(page_file)
    show(browser_page, page_file)
    assert browser_page.title().endswith("- Chainrule")
    assert browser_page.locator("img[src=x], .figure a, main a").count() == 0
    assert EVIL in browser_page.locator("main").inner_text()


def test_an_attributions_page(browser_page, digits, page_file):
    digits.attribute(load_mnist()[1].X[:2], "deep_lift").write(page_file, row=1)
    show(browser_page, page_file)
    text = browser_page.locator("body").inner_text()
    for part in ("Sample 1 of 2", "DeepLIFT (rescale rule)", "The values add up to", "pixel ("):
        assert part in text
    assert fits(browser_page)
