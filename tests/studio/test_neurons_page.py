"""The screen Neurons in a browser: sorting, searching, taking neurons out, and what is said of the answers then."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from chainrule import Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from small_studios import SIDE, bright_rows, small_classifier
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser
UNITS = 12


def made() -> Studio:
    """Small pictures of three classes, and a network with a dead neuron and one that is always on."""
    data = bright_rows(1)
    model = small_classifier(data, epochs=30)
    first, second = (model.parameters[f"dense_{k}"] for k in (1, 2))
    first.b[4] = -100  # dead
    first.b[7] += 100  # always on
    second.b[:] -= 100 * second.W[7]
    return Studio(model, data, name="rows")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return made()


@pytest.fixture(scope="module")
def pages(browser, studio):
    with studio_pages(browser, studio) as pages:
        yield pages


def ask(studio: Studio, command: str, **arguments: Any) -> dict[str, Any]:
    return find(command)(studio, arguments)


def order(page) -> list[int]:
    return page.eval_on_selector_all(
        ".neurons-body button[data-neuron]", "all => all.map(one => Number(one.dataset.neuron))"
    )


def score(page, name: str = "after") -> float:
    return float(page.locator(f"[data-test={name}]").get_attribute("data-value"))


def test_neurons_are_sorted_and_searched(pages: Pages, studio: Studio):
    found = ask(studio, "neurons.layer")
    with pages.open("neurons") as page:
        for key in ("selectivity", "mean", "active", "variance", "norm", "bias"):
            page.select_option("[data-test=sort]", key)
            settle(page)
            values = np.nan_to_num(found[key], nan=-np.inf)
            assert order(page) == sorted(range(UNITS), key=lambda j, v=values: (-v[j], j))
        page.select_option("[data-test=sort]", "index")
        settle(page)
        assert order(page) == list(range(UNITS))
        page.fill("[data-test=find]", "1")
        settle(page)
        assert order(page) == [1, 10, 11]
        page.fill("[data-test=find]", "DEAD")
        settle(page)
        assert order(page) == np.flatnonzero(found["dead"]).tolist() and 4 in order(page)
        page.fill("[data-test=find]", "no such neuron")
        settle(page)
        assert order(page) == [] and "No neuron matches" in page.locator(".neurons-body").inner_text()
        page.fill("[data-test=find]", "")
        page.select_option("[data-test=only]", "always")
        settle(page)
        assert order(page) == np.flatnonzero(found["always"]).tolist() and 7 in order(page)
        page.select_option("[data-test=only]", "class 2")
        settle(page)
        best = np.nan_to_num(found["by_class"], nan=-np.inf).argmax(0)
        assert order(page) == np.flatnonzero(best == 2).tolist()


def test_a_table_says_the_numbers(pages: Pages, studio: Studio):
    found = ask(studio, "neurons.layer")
    with pages.open("neurons", state={"neurons.view": "table", "neurons.sort": "index"}) as page:
        cells = page.eval_on_selector_all(
            "tbody tr",
            "rows => rows.map(row => [...row.querySelectorAll('[data-value]')].map(c => c.dataset.value))",
        )
        names = ("mean", "active", "variance", "norm", "bias", "selectivity")
        expected = np.stack([found[name] for name in names], 1)
        np.testing.assert_allclose(np.array(cells, float), expected)
        page.click("th [data-sort=norm]")
        settle(page)
        assert page.locator("th[aria-sort=descending]").inner_text() == "weight norm"
        assert order(page) == np.argsort(-found["norm"], kind="stable").tolist()
        page.click("tbody tr:nth-child(3)")
        settle(page)
        chosen = str(order(page)[2])
        assert page.locator("[data-test=one]").get_attribute("data-neuron") == chosen
        assert json.loads(page.evaluate("new URLSearchParams(location.hash.slice(1)).get('neuron')")) == {
            "link": "relu_1",
            "index": int(chosen),
        }


def test_a_neuron_has_its_samples_and_its_weights(pages: Pages, studio: Studio):
    one = ask(studio, "neurons.one", layer="dense_1", neuron=7)
    state = {"neuron": json.dumps({"link": "relu_1", "index": 7})}
    with pages.open("neurons", state=state) as page:
        rows = page.eval_on_selector_all(
            "[data-test=most] button", "all => all.map(one => Number(one.dataset.row))"
        )
        assert rows == one["most"]["rows"]
        rows = page.eval_on_selector_all(
            "[data-test=least] button", "all => all.map(one => Number(one.dataset.row))"
        )
        assert rows == one["least"]["rows"]
        found = ask(studio, "neurons.layer")
        mean = float(page.locator("[data-fact=mean]").get_attribute("data-value"))
        assert mean == pytest.approx(found["mean"][7])
        means = page.eval_on_selector_all(
            "[data-test=class-bars] [data-value]", "all => all.map(one => Number(one.dataset.value))"
        )
        np.testing.assert_allclose(means, found["by_class"][:, 7])
        # The strongest weight has the full colour of its sign; the pointer reads any of them.
        strongest = int(np.abs(one["weights"]).argmax())
        row, column = divmod(strongest, SIDE)
        red, _, blue, _ = page.evaluate(
            """([x, y]) => {
                const canvas = document.querySelector('[data-test=weights]');
                return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data];
            }""",
            [column, row],
        )
        assert (blue > red) == (one["weights"][strongest] > 0)
        box = page.locator("[data-test=weights]").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 2.5 / SIDE, box["y"] + box["height"] * 5.5 / SIDE)
        assert "pixel (5, 2)" in page.locator(".neuron-weights").inner_text()


def test_taking_a_neuron_out_changes_the_accuracy(pages: Pages, studio: Studio):
    theta = studio.model.theta.copy()
    with pages.open("neurons", state={"neuron": json.dumps({"link": "relu_1", "index": 7})}) as page:
        before = score(page, "before")
        assert before == score(page) == ask(studio, "neurons.try", edits=[])["before"]["score"]
        page.click("[data-test=ablate-zero]")
        settle(page)
        edits = [{"do": "ablate", "layer": "dense_1", "neuron": 7, "to": "zero"}]
        expected = ask(studio, "neurons.try", edits=edits)["after"]
        assert score(page) == expected["score"] < before
        assert score(page, "loss-after") == expected["loss"]
        bars = page.eval_on_selector_all(
            "[data-test=by-class] > *", "all => all.map(one => Number(one.dataset.value))"
        )
        np.testing.assert_allclose(bars, expected["by_class"])
        page.select_option("[data-test=tool]", "round")
        page.fill("[data-test=bits]", "3")
        page.locator("[data-test=bits]").press("Enter")
        page.click("[data-test=break]")
        settle(page)
        edits.append({"do": "round", "layer": None, "bits": 3})
        assert page.evaluate("window.chainrule.store.get('neurons.edits')") == edits
        assert score(page) == ask(studio, "neurons.try", edits=edits)["after"]["score"]
        assert "np.round(W / step)" in page.locator(".break-form [data-test=code]").text_content()
        page.click("[data-test=undo]")
        settle(page)
        assert score(page) == expected["score"]
        page.click("[data-test=restore]")
        settle(page)
        assert score(page) == before and page.locator(".chip").count() == 0
    np.testing.assert_array_equal(studio.model.theta, theta)


@pytest.mark.parametrize(
    ("tool", "fields", "edit"),
    [
        ("noise", {"sigma": "1.5", "seed": "3"}, {"do": "noise", "layer": None, "sigma": 1.5, "seed": 3}),
        ("biases", {}, {"do": "biases", "layer": None}),
        ("zero", {}, {"do": "zero", "layer": "dense_1"}),
    ],
)
def test_every_way_to_break_it(
    pages: Pages, studio: Studio, tool: str, fields: dict[str, str], edit: dict[str, Any]
):
    with pages.open("neurons") as page:
        page.select_option("[data-test=tool]", tool)
        for name, value in fields.items():
            page.fill(f"[data-test={name}]", value)
            page.locator(f"[data-test={name}]").press("Enter")
        page.click("[data-test=break]")
        settle(page)
        assert page.evaluate("window.chainrule.store.get('neurons.edits')") == [edit]
        assert score(page) == ask(studio, "neurons.try", edits=[edit])["after"]["score"]


def test_a_weight_and_a_bias_are_changed(pages: Pages, studio: Studio):
    with pages.open(
        "neurons", state={"neuron": json.dumps({"link": "dense_2", "index": 1}), "neurons.layer": "dense_2"}
    ) as page:
        page.locator("[data-test=weights]").click(position={"x": 5, "y": 5})
        page.fill("[data-test=weight]", "2.5")
        page.locator("[data-test=weight]").press("Enter")
        page.fill("[data-test=bias]", "-3")
        page.locator("[data-test=bias]").press("Enter")
        settle(page)
        edits = [
            {"do": "set", "layer": "dense_2", "row": 0, "neuron": 1, "value": 2.5},
            {"do": "set", "layer": "dense_2", "row": None, "neuron": 1, "value": -3},
        ]
        assert page.evaluate("window.chainrule.store.get('neurons.edits')") == edits
        assert score(page) == ask(studio, "neurons.try", edits=edits)["after"]["score"]


def test_the_address_has_the_edits(pages: Pages, studio: Studio):
    edits = [{"do": "zero", "layer": "dense_2"}]
    with pages.open("neurons", state={"neurons.edits": json.dumps(edits), "neurons.sort": "norm"}) as page:
        assert score(page) == ask(studio, "neurons.try", edits=edits)["after"]["score"]
        page.click("[data-lang=zh]")
        settle(page)
        assert page.locator("h1").inner_text() == "神經元" and score(page) < score(page, "before")
    broken = json.dumps([{"do": "zero", "layer": "dense_9"}])
    with pages.open("neurons", state={"neurons.edits": broken, "neurons.layer": "dense_9"}) as page:
        assert "layer must be one of dense_1, dense_2" in page.locator(".break [role=alert]").inner_text()
        page.click("[data-test=restore]")
        settle(page)
        assert score(page) == score(page, "before")


def test_keys_walk_and_take_out(pages: Pages):
    with pages.open("neurons", state={"neurons.sort": "index"}) as page:
        page.locator(".neuron-card").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        settle(page)
        assert page.evaluate("document.activeElement.dataset.neuron") == "2"
        assert page.locator(".neuron-card[tabindex='0']").count() == 1
        assert page.locator("[data-test=one]").get_attribute("data-neuron") == "2"
        page.keyboard.press("Delete")
        settle(page)
        assert page.locator(".chip").inner_text().startswith("neuron 2 of relu_1 to 0")
        page.keyboard.press("Control+z")
        settle(page)
        assert page.locator(".chip").count() == 0
        page.keyboard.press("End")
        settle(page)
        assert page.evaluate("document.activeElement.dataset.neuron") == str(UNITS - 1)


def test_each_neuron_is_taken_out_in_turn(pages: Pages, studio: Studio):
    with pages.open("neurons") as page:
        page.click("[data-test=importance]")
        settle(page)
        loss = ask(studio, "neurons.importance", layer="dense_1")["loss"]
        assert order(page) == np.argsort(-loss, kind="stable").tolist()


def test_edits_are_kept_and_taken_back(browser):
    studio = made()
    model = studio.model
    with studio_pages(browser, studio) as pages, pages.open("neurons") as page:
        page.select_option("[data-test=tool]", "zero")
        page.click("[data-test=break]")
        settle(page)
        broken = score(page)
        page.click("[data-test=keep]")
        page.wait_for_selector("[data-test=back]")
        settle(page)
        assert studio.model is not model and score(page, "before") == broken
        assert page.locator("[data-test=model-line]").inner_text().startswith("rows *")
        assert page.locator("[data-test=summary]").inner_text().count("dead: 12")
        page.click("[data-test=back]")
        page.wait_for_selector("[data-test=back]", state="detached")
        settle(page)
        assert studio.model is model and score(page, "before") > broken


@pytest.mark.parametrize("lang", [pytest.param("en", marks=pytest.mark.slow), "zh"])
def test_a_phone_has_it_in_its_width(pages: Pages, lang: str):
    with pages.open("neurons", lang=lang, theme="dark", phone=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.locator(".neuron-card").nth(3).tap()
        page.locator("[data-test=ablate-mean]").tap()
        settle(page)
        assert page.locator(".chip").count() == 1
        text = page.locator("main").inner_text()
        assert ("neurons." not in text) and (lang == "en") == ("Break it" in text)


def test_no_model_and_no_data(browser):
    with studio_pages(browser, Studio()) as pages, pages.open("neurons") as page:
        assert "there is none yet" in page.locator(".screen").inner_text()
    model = Model(Network(4, [Dense(3), ReLU(), Dense(2)], SoftmaxCrossEntropy()), seed=0)
    with studio_pages(browser, Studio(model)) as pages, pages.open("neurons") as page:
        assert "there is no data yet" in page.locator(".screen [role=alert]").inner_text()


def test_what_integers_do(pages: Pages, studio: Studio):
    found = ask(studio, "neurons.integers")
    with pages.open("neurons") as page:
        page.click("[data-test=integers]")
        page.wait_for_selector("[data-test=integers-panel] table")
        panel = page.locator("[data-test=integers-panel]")
        assert panel.locator("h2").inner_text() == "What 8-bit integers do"
        assert float(panel.get_attribute("data-difference")) == found["difference"]
        tables = found["told"]["en"]["tables"]
        assert panel.locator("table").count() == len(tables)
        cells = panel.locator("table").first.locator("tbody tr").first.locator("th, td").all_inner_texts()
        assert cells == tables[0]["rows"][0]
        page.locator("[role=tab]").nth(1).click()  # another layer of the same network
        settle(page)
        assert panel.locator("table").count() == len(tables)
