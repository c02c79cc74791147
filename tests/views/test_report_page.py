"""The report in a browser: whole, offline, readable on a phone, safe whatever the data say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from chainrule import (
    Dense,
    History,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from chainrule.datasets import load_mnist
from chainrule.explain.reasons import Reasons
from chainrule.tables.cells import ReadColumn
from chainrule.views.figures import confusion, learning_curve, size_bars
from chainrule.views.figures.reasons import beeswarm
from chainrule.views.markup import figure, section
from chainrule.views.report import page as page_of_sections
from chainrule.views.report import render, write, write_run
from rendered import DRAWN, UNFOLD, check

pytestmark = pytest.mark.browser
EVIL = "</script><img src=x onerror=document.title='owned'><b>"


def trained(loss, X, y, outputs, **options):
    model = Model(Network(X.shape[1], [*options.pop("first", []), Dense(8), ReLU(), Dense(outputs)], loss))
    return model, model.fit(X, y, epochs=3, validation_data=(X, y), optimizer="adam")


@pytest.fixture(scope="module")
def of_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    train, test = load_mnist()
    model, history = trained(
        SoftmaxCrossEntropy(), train.X[:600], train.y[:600], 10, first=[Rescale(1 / 255)]
    )
    page = tmp_path_factory.mktemp("report") / "report.html"
    write(page, model, history, test.X[:300], test.y[:300], title="digits", image_shape=(28, 28),
          settings={"epochs": 3, "l2": 0.0}, command="chainrule train digits", versions={"chainrule": "1"})  # fmt: skip
    return page


@pytest.fixture
def digits(of_digits: Path, page_file: Path) -> Path:
    return Path(shutil.copyfile(of_digits, page_file))


def show(page, path: Path) -> None:
    """Open the page with all that is folded."""
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('.figure .main-svg').length > 0")
    page.evaluate(UNFOLD)
    page.wait_for_function(DRAWN)


def figures_fit(page) -> bool:
    return page.evaluate(
        "[...document.querySelectorAll('.figure')].every(f => f.querySelector('.main-svg') &&"
        " f.getBoundingClientRect().right <= innerWidth) && document.documentElement.scrollWidth <= innerWidth"
    )


def test_the_page(browser_page, digits):
    show(browser_page, digits)
    assert browser_page.title() == "digits - Chainrule"
    assert browser_page.locator(".figure .main-svg").count() >= 3
    titles = browser_page.locator(".figure .gtitle").all_text_contents()
    assert titles == ["Confusion matrix", "Loss", "Accuracy"]
    assert browser_page.locator(".figure .xtitle").all_text_contents() == ["predicted", "epoch", "epoch"]
    assert browser_page.locator(".mistakes img").count() == 24
    assert browser_page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth === 28)")
    assert browser_page.locator("#command").inner_text() == "chainrule train digits"
    for words in ("dense_1", "By class", "test accuracy", "Settings"):
        assert words in browser_page.locator("body").inner_text()
    assert figures_fit(browser_page)


@pytest.mark.parametrize(
    ("width", "height"),
    [(360, 740), *(pytest.param(*size, marks=pytest.mark.slow) for size in ((768, 1024), (1920, 1080)))],
)
def test_it_fits_every_screen(browser_page, digits, width, height):
    browser_page.set_viewport_size({"width": width, "height": height})
    show(browser_page, digits)
    assert figures_fit(browser_page)
    browser_page.set_viewport_size({"width": height, "height": width})
    browser_page.wait_for_timeout(400)
    assert figures_fit(browser_page)


def test_a_report_can_be_read_on_a_phone(phone_page, digits):
    phone_page.goto(digits.as_uri())
    check(phone_page)


@pytest.mark.slow
def test_many_classes_with_long_names_have_room(browser_page, phone_page, page_file):
    labels = [f"species {k} of the northern forest" for k in range(39)]
    matrix = confusion(np.full((39, 39), 2) + 90 * np.eye(39, dtype=int), labels)
    assert max(map(len, matrix.layout.xaxis.ticktext)) <= 16
    assert list(matrix.data[0].customdata[3][4][2:]) == [labels[3], labels[4]]
    r = np.random.default_rng(0)
    X, y = r.normal(size=(200, 4)), np.array(labels)[np.arange(200) % 39]
    model, history = trained(SoftmaxCrossEntropy(), X, y, 39)
    write(page_file, model, history, X, y, title="many")
    for page, least in ((browser_page, 600), (phone_page, 150)):
        page.goto(page_file.as_uri())
        check(page)
        worst = page.locator("section", has_text="Worst mistakes").locator("tbody tr").first.locator("td")
        kinds = [cell.get_attribute("class") for cell in worst.all()]
        assert kinds == [None, None, "number"]  # names read from the left
        box = page.locator(".figure").first.locator(".heatmaplayer").bounding_box()
        assert box["width"] > least and box["height"] > least


def contrast(page, selector: str) -> float:
    """Of an element's text against the first background behind it that is not transparent."""
    colors = page.evaluate(
        """selector => {
            let e = document.querySelector(selector);
            const ink = getComputedStyle(e).color;
            while (getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = e.parentElement;
            return [ink, getComputedStyle(e).backgroundColor];
        }""",
        selector,
    )
    channels = [np.array(re.findall(r"[\d.]+", color)[:3], float) / 255 for color in colors]
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in channels]
    dark, light = sorted(float(c @ [0.2126, 0.7152, 0.0722]) for c in linear)
    return (light + 0.05) / (dark + 0.05)


def test_light_and_dark(browser_page, digits):
    browser_page.emulate_media(color_scheme="dark")
    show(browser_page, digits)
    for theme in ("dark", "light"):
        assert browser_page.evaluate("document.documentElement.dataset.theme") == theme
        for selector in (
            "h1",
            "p",
            ".tiles dt",
            ".tiles div:nth-child(2) dt",
            "td",
            "tbody th",
            ".wrong",
            "pre",
        ):
            assert contrast(browser_page, selector) >= 4.5, (theme, selector)
        browser_page.locator("#theme").click()
    assert browser_page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_text_from_data_stays_text(browser_page, page_file):
    r = np.random.default_rng(0)
    X = r.normal(size=(80, 4))
    y = np.array([EVIL, "<a href='javascript:alert(1)'>a</a>", "plain"])[r.integers(0, 3, 80)]
    model, history = trained(SoftmaxCrossEntropy(), X, y, 3)
    history.stopped = EVIL
    write(
        page_file,
        model,
        history,
        X,
        y,
        title=EVIL,
        settings={EVIL: EVIL},
        command=EVIL,
        versions={EVIL: EVIL},
        part=EVIL,
    )
    show(browser_page, page_file)
    assert browser_page.title() == f"{EVIL} - Chainrule"
    assert browser_page.locator("img[src=x], .figure a, main a").count() == 0
    assert EVIL in browser_page.locator("tbody").first.inner_text()
    assert "</script><img" in "".join(browser_page.locator(".figure .xtick").all_text_contents())


@pytest.mark.parametrize("outputs", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_regression(browser_page, page_file, outputs):
    X = np.random.default_rng(0).normal(size=(90, 4))
    y = X[:, 0] if outputs == 1 else X[:, :outputs]
    model, history = trained(MeanSquaredError(), X, y, outputs)
    write(page_file, model, history, X, y, title="numbers")
    show(browser_page, page_file)
    assert browser_page.locator(".figure .gtitle").all_text_contents() == [
        "Predicted against true",
        "Loss",
        "RMSE",
    ]
    assert browser_page.locator(".figure .scatterlayer .points path").count() >= 90 * outputs
    assert "Largest errors" in browser_page.locator("main").inner_text()


@pytest.mark.parametrize("labels", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_two_classes_and_many_labels(browser_page, page_file, labels):
    X = np.random.default_rng(0).normal(size=(90, 4))
    y = X[:, 0] > 0 if labels == 1 else (X[:, :labels] > 0).astype(int)
    model, history = trained(SigmoidCrossEntropy(), X, y, labels)
    write(page_file, model, history, X, y, title="labels")
    show(browser_page, page_file)
    title = "Confusion matrix" if labels == 1 else "Labels found, missed and imagined"
    assert browser_page.locator(".figure .gtitle").first.text_content() == title
    assert figures_fit(browser_page)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["price", "size"])
def test_a_table(browser_page, phone_page, tmp_path, page_file, target):
    """Errors or calibration, the columns that matter and the worst rows fit a wide screen and a phone."""
    from chainrule.recipe.run import begun, carry_out
    from chainrule.recipe.settings import Settings

    r = np.random.default_rng(0)
    area = r.uniform(40, 200, 90)
    names = ["area", "a name that is rather long for the axis of a figure", target]
    cells = [
        f"{value:.0f}" if target == "price" else "large" if value > 120 else "small" for value in area + 9
    ]
    rows = [
        f"{value:.1f},{EVIL} {i % 3},{cell}" for i, (value, cell) in enumerate(zip(area, cells, strict=True))
    ]
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *rows]))
    settings = Settings(target_column=target, epochs=2, hidden=(4,))
    with begun(str(tmp_path / "t.csv"), settings, tmp_path / "run") as prepared:
        write_run(carry_out(prepared), page_file, "en")
    phone_page.goto(page_file.as_uri())
    phone_page.wait_for_function("document.querySelectorAll('.figure .main-svg').length >= 2")
    phone_page.wait_for_timeout(200)
    assert phone_page.evaluate("document.documentElement.scrollHeight") < 6000  # with what is folded
    first, second = phone_page.locator("h2").all_inner_texts()[:2]
    assert first == "In short" and second.startswith("Judged by ")
    assert not phone_page.locator(".tiles").is_visible()
    for screen in (browser_page, phone_page):
        show(screen, page_file)
        check(screen)
        assert screen.title() == "t - Chainrule"
    show(browser_page, page_file)
    title = "Largest errors" if target == "price" else "Worst mistakes"
    worst = browser_page.locator("section", has_text=title).locator("tbody tr").first.locator("td")
    kinds = [cell.get_attribute("class") for cell in worst.all()]
    assert kinds == [*(["number"] * 3 if target == "price" else [None, None, "number"]), None, None]
    beyond = (
        "[...document.querySelectorAll('td, th')].filter(c => c.getBoundingClientRect().right > innerWidth)"
    )
    assert (
        phone_page.evaluate(f"{beyond}.length") == 0
    )  # on a phone tables are cards, of which nothing is cut
    assert browser_page.locator("text=boosted trees").count() > 0


def test_no_mistakes_and_no_history(browser_page, page_file):
    X = np.array([[-1.0], [1.0]])
    model = Model(Network(1, [Dense(1)], SigmoidCrossEntropy()))
    model.parameters["dense_1"].W[...] = 9
    write(page_file, model, History(), X, [0, 1], title="sure")
    show(browser_page, page_file)
    assert "every sample was predicted correctly" in browser_page.locator("main").inner_text()


def test_the_same_report_is_the_same_text():
    X = np.array([[-1.0], [1.0]])
    model = Model(Network(1, [Dense(1)], SigmoidCrossEntropy()))
    model.fit(X, [0, 1], epochs=1)
    pages = [render(model, History([{"loss": 1.0}]), X, [0, 1], title="twice") for _ in range(2)]
    assert pages[0] == pages[1] and len(pages[0]) < 6_000_000


def test_figures_stand_alone():
    """Titled and labelled, for a notebook."""
    curve = learning_curve([{"loss": 1.0, "val_loss": 0.9}, {"loss": 0.5, "val_loss": 0.6}], "loss")
    matrix = confusion(np.array([[5, 1], [0, 4]]), ["cat", "dog"])
    for made in (curve, matrix):
        assert made.layout.title.text and made.layout.xaxis.title.text and made.layout.yaxis.title.text
    assert [trace.name for trace in curve.data] == ["training", "validation"]
    assert (
        len({trace.line.dash for trace in curve.data})
        == len({trace.marker.symbol for trace in curve.data})
        == 2
    )


@pytest.mark.parametrize("count", [3, 4])
def test_each_of_a_few_bars_has_its_name(phone_page, page_file, count):
    """Of three names every second one was left out."""
    names = ["年齡", "城市", "price", "k"][:count]
    drawn = figure(size_bars(names, list(range(count, 0, -1)), "which", "size", 20))
    page_file.write_text(page_of_sections("t", "t", "t", [section("", drawn)]), "utf-8")
    show(phone_page, page_file)
    assert phone_page.locator(".figure .ytick text").all_text_contents() == names


def test_settings_are_shown_as_they_were_written():
    X = np.array([[-1.0], [1.0]])
    model = Model(Network(1, [Dense(1)], SigmoidCrossEntropy()))
    settings = {"out": "結果", "odd": "\ud800", "rate": 0.5}
    page = render(model, History(), X, [0, 1], title="t", settings=settings)
    assert all(f"<td>{shown}</td>" in page for shown in ("結果", r"\ud800", "0.5"))


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_titles_are_whole_above_a_bar_of_colors(browser_page, page_file, width):
    """Plotly moves all titles of a figure whose bar of colors stands on its plot: that one was cut on a phone."""
    x, n = np.linspace(-1, 1, 60), 60
    columns = tuple(ReadColumn(name, "number", x) for name in ("a", "b", "c"))
    told = {"error": np.zeros(n), "reference": columns, "is_typical": True, "output": "probability"}
    found = Reasons(
        columns, np.stack([x, x, x], 1), x, x, **told, labels=("paid",) * n, target="the state of an invoice"
    )
    page_file.write_text(page_of_sections("t", "t", "t", [section("", figure(beeswarm(found)))]), "utf-8")
    browser_page.set_viewport_size({"width": width, "height": 900})
    show(browser_page, page_file)
    drawn = browser_page.locator(".figure").bounding_box()
    title, axis = (browser_page.locator(f".figure .{name}").bounding_box() for name in ("gtitle", "xtitle"))
    assert title["y"] >= drawn["y"]
    bar = browser_page.locator(".figure .cbfills").bounding_box()
    said = browser_page.locator(".figure .annotation-text").bounding_box()
    assert title["y"] + title["height"] < bar["y"] and said["y"] + said["height"] <= bar["y"] + 1
    ticks = browser_page.locator(".figure .xtick").first.bounding_box()
    assert ticks["y"] + ticks["height"] < axis["y"]
    assert bar["y"] + bar["height"] < browser_page.locator(".figure .gridlayer").bounding_box()["y"]


def test_numbers_of_a_confusion_matrix_are_readable():
    """White letters are on the stronger half of the blue cells alone; none is written twice."""
    drawn = confusion(np.array([[90, 10], [60, 40]]), ["no", "yes"])
    letters = {
        (int(i), int(j)): trace.textfont.color
        for trace in drawn.data
        for i, j in zip(*np.nonzero(np.isfinite(trace.z)), strict=True)
    }
    assert letters == {(0, 0): "white", (0, 1): None, (1, 0): None, (1, 1): None}
    assert sum((np.asarray(trace.text) != "").sum() for trace in drawn.data) == 4
    assert {trace.zmax for trace in drawn.data[:2]} == {0.9}
