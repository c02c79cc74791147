"""What a visitor sees first: a table that is trained at once, and what a screen says without a model for the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.cli.studio import opened
from chainrule.recipe.data import from_arrays
from chainrule.studio.screens.train.desk import desk_of
from chainrule.studio.session.studio import Studio
from studio_pages import DESK, Pages, settle, studio_pages

pytestmark = pytest.mark.browser


def houses(path: Path) -> Path:
    random = np.random.default_rng(0)
    size, town = random.uniform(30, 200, 120).round(1), random.integers(0, 3, 120)
    price = 2000 * size + 30_000 * town + random.normal(0, 5000, 120)
    rows = [f"{size[k]},{'abc'[town[k]]},{price[k]:.0f}" for k in range(120)]
    path.write_text("\n".join(["size,town,price", *rows, ""]), "utf-8")
    return path


def see(pages: Pages, page, screen: str, lang: str) -> str:
    page.evaluate(f"window.chainrule.store.set({{ screen: '{screen}', lang: '{lang}' }})")
    settle(page)
    return page.locator("main").inner_text()


def test_a_table_is_trained_at_once_and_stands_there_in_its_own_words(browser, tmp_path: Path):
    studio = opened(str(houses(tmp_path / "houses.csv")))
    with studio_pages(browser, studio) as pages:
        page, faults = pages.watched(pages.context(DESK | {"reduced_motion": "reduce"}), "")
        page.goto(f"{pages.origin}/#lang=en")  # no screen is named
        settle(page)
        page.wait_for_selector(".screen[data-screen=train][data-state=done]")
        settle(page)
        run = desk_of(studio).current()
        assert page.locator("[data-test=data-line]").inner_text() == (
            "houses: 96 rows to learn from and 24 to test on, 2 columns, to predict price"
        )
        assert page.locator("[data-key=files]").get_attribute("aria-selected") == "true"
        legend = page.locator("[data-test=legend]").inner_text()
        assert "linear model" in legend and "constant" in legend
        shown = page.locator("[data-test=test_rmse]").get_attribute("data-value")
        assert float(shown) == pytest.approx(run.final["test_rmse"])
        tile, verdict = (
            page.locator(f"[data-test={name}]").inner_text() for name in ("test_rmse", "verdict")
        )
        assert "24 rows" in verdict and f"by {tile} (RMSE)" in verdict
        assert (
            page.locator("progress").first.evaluate("(bar) => bar.value") == 1
        )  # also where it stopped early
        assert "24 個沒看過的列" in see(pages, page, "train", "zh")
        # The row as it stands in the table: its columns, in their units.
        assert see(pages, page, "draw", "zh").startswith("試一列") and page.title().startswith("試一列")
        assert see(pages, page, "draw", "en").startswith("Try a row")
        assert page.locator(".feature-name").all_inner_texts() == ["size", "town"]
        town, size = (
            page.locator("select[data-column=town]"),
            page.locator("input[type=number][data-column=size]"),
        )
        first = studio.data.table.values(int(studio.data.table.test[0]), ["size", "town"])
        assert [size.input_value(), town.input_value()] == first
        assert page.locator(".answer-sure").inner_text() == "price"
        town.select_option("c")
        size.fill("111.5")
        settle(page)
        X = studio.data.table.preprocessor.transform({"size": np.array([111.5]), "town": ["c"]})
        said = float(page.locator("[data-test=prediction]").get_attribute("data-value"))
        assert said == pytest.approx(float(studio.model.predict(X)[0]), rel=1e-4)
        # Data that the model is not of.
        studio.show_data(from_arrays(np.zeros((20, 7)), np.arange(20) % 2, name="others"))
        settle(page)
        for lang, says in (("en", "belongs to other data"), ("zh", "模型屬於別的資料")):
            for screen in ("neurons", "why"):
                text = see(pages, page, screen, lang)
                assert says in text and "others" in text and "features but" not in text
        page.click("[data-test=go-train]")
        settle(page)
        assert page.locator(".screen").get_attribute("data-screen") == "train"
        assert not faults, "\n".join(faults)


def test_without_a_model_a_screen_says_what_to_do(browser):
    studio = Studio(data=from_arrays(np.zeros((20, 7)), np.arange(20) % 2, name="others"))
    with studio_pages(browser, studio) as pages, pages.open("glossary") as page:
        for screen, name in (("backprop", "反向傳播"), ("neurons", "神經元"), ("why", "為什麼")):
            assert "there is none yet" in see(pages, page, screen, "en")
            assert f"「{name}」顯示訓練好的網路" in see(pages, page, screen, "zh")
            assert page.locator(".error").count() == 0
        page.click("[data-test=go-train]")
        page.click("[data-test=start]")
        page.wait_for_selector(".screen[data-state=done]")
        see(pages, page, "neurons", "zh")
        assert page.locator("[data-test=lacking]").count() == 0


@pytest.mark.slow
def test_a_table_of_long_names_fits_a_phone_and_a_small_desk(browser, tmp_path: Path):
    columns = np.random.default_rng(1).normal(size=(80, 9))
    heads = [*(f"a measurement {k}" for k in range(8)), "progression_of_the_disease"]
    rows = [",".join(f"{value:.3f}" for value in row) for row in columns]
    path = tmp_path / "patients.csv"
    path.write_text("\n".join([",".join(heads), *rows, ""]), "utf-8")
    with studio_pages(browser, opened(str(path))) as pages:
        with pages.open("train") as page:
            page.wait_for_selector(".screen[data-screen=train][data-state=done]")
        small = {"viewport": {"width": 1280, "height": 800}}
        for screen, phone in (("draw", False), ("draw", True), ("backprop", True), ("why", True)):
            with pages.open(screen, phone=phone, **({} if phone else small)) as page:
                widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                assert widths == [390, 390] if phone else widths[0] <= 1280, screen
