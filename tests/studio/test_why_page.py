"""The screen Why in a browser: the methods' pictures and sums, a pixel's numbers in all of them, and turned answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from chainrule import Dense, MeanSquaredError, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.inspection.attribution import METHODS
from chainrule.recipe.data import from_arrays
from chainrule.studio.page.export import offline_page
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from small_studios import SIDE, bright_rows, small_classifier
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio() -> Studio:
    data = bright_rows(0.3)
    return Studio(small_classifier(data, epochs=4), data, name="rows")


@pytest.fixture(scope="module")
def pages(browser, studio):
    with studio_pages(browser, studio) as pages:
        yield pages


def ask(studio: Studio, command: str, **arguments: Any) -> dict[str, Any]:
    return find(command)(studio, arguments)


def shown(page) -> list[str]:
    return page.eval_on_selector_all("article.method", "all => all.map(one => one.dataset.method)")


def number(page, method: str, of: str) -> float:
    return float(page.locator(f"article[data-method={method}] [data-of={of}]").get_attribute("data-value"))


def pixels(page, test: str) -> np.ndarray[Any, Any]:
    """The colours of a picture: (height, width, 4)."""
    found = page.evaluate(
        """(test) => {
            const canvas = document.querySelector(`[data-test=${test}] canvas`);
            return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
        }""",
        test,
    )
    return np.array(found).reshape(SIDE, SIDE, 4)


def test_every_method_says_its_sum(pages: Pages, studio: Studio):
    with pages.open("why", state={"sample.index": 5}) as page:
        assert shown(page) == list(METHODS)
        for method in METHODS:
            found = ask(studio, "why.method", method=method, row=5)
            if method == "saliency":
                assert number(page, method, "output") == found["output"]
                continue
            assert number(page, method, "sum") == found["sum"]
            assert number(page, method, "expected") == found["expected"]
            assert number(page, method, "error") == found["error"]
            is_good = page.locator(f"article[data-method={method}] .promise.good").count() == 1
            assert is_good == found["complete"]
        answers = ask(studio, "why.sample", row=5)["answers"]
        assert page.locator(".answers .answer.said").first.get_attribute("data-label") == answers[0]["label"]


def test_pixels_have_the_colours_of_their_numbers(pages: Pages, studio: Studio):
    """Blue above 0, orange below, the ground at 0, the strongest in the full colour."""
    with pages.open("why", state={"sample.index": 5}) as page:
        for method in ("input_x_gradient", "deep_lift", "occlusion"):
            values = ask(studio, "why.method", method=method, row=5)["values"].reshape(SIDE, SIDE)
            colours = pixels(page, f"picture-{method}")
            blue = colours[..., 2] - colours[..., 0]
            strong = np.abs(values) > 0.1 * np.abs(values).max()
            assert strong.sum() > 8 and (values[strong] > 0).any() and (values[strong] < 0).any()
            assert ((blue > 0) == (values > 0))[strong].all()
            ground = colours[np.unravel_index(np.abs(values).argmin(), values.shape)]
            dark = np.abs(colours - ground).sum(-1)
            assert dark.flat[np.abs(values).argmax()] >= 0.9 * dark.max()
        ink = pixels(page, "input")[..., 0]
        x = studio.data.test.X[5].reshape(SIDE, SIDE)
        assert np.corrcoef(ink.ravel(), x.ravel())[0, 1] < -0.99  # dark on white


def test_a_pixel_has_its_numbers_in_every_method(pages: Pages, studio: Studio):
    with pages.open("why", state={"sample.index": 3}) as page:
        picture = page.locator("[data-test=picture-deep_lift]")
        box = picture.bounding_box()
        picture.hover(position={"x": box["width"] * 2.5 / SIDE, "y": box["height"] * 4.5 / SIDE})
        readout = page.locator("[data-test=readout]")
        assert "pixel (4, 2)" in readout.inner_text()
        at = 4 * SIDE + 2

        def told(of: str) -> float:
            return float(readout.locator(f"[data-of={of}]").get_attribute("data-value"))

        assert told("x") == pytest.approx(float(studio.data.test.X[3, at]))
        for method in METHODS:
            assert told(method) == ask(studio, "why.method", method=method, row=3)["values"][at]
        # The input, the methods, the change and the input with it.
        assert page.locator(".cross:visible").count() == 9
        page.mouse.move(1, 1)
        assert page.locator(".cross:visible").count() == 0
        page.locator("[data-test=input]").focus()  # the arrow keys begin in the middle
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert "pixel (5, 6)" in readout.inner_text()
        page.keyboard.press("Escape")
        assert page.locator(".cross:visible").count() == 0


def test_methods_are_chosen(pages: Pages):
    with pages.open("why") as page:
        for method in ("saliency", "occlusion"):
            page.locator(f"input[data-method={method}]").click()
            settle(page)
        left = [method for method in METHODS if method not in ("saliency", "occlusion")]
        assert shown(page) == left
        address = page.evaluate("new URLSearchParams(location.hash.slice(1)).get('why.methods')")
        assert json.loads(address) == left
    with pages.open("why", state={"why.methods": '["deep_lift"]'}) as page:
        assert shown(page) == ["deep_lift"]
        page.locator("input[data-method=deep_lift]").click()  # none is all of them
        settle(page)
        assert shown(page) == list(METHODS)


def test_one_scale_for_all(pages: Pages):
    with pages.open("why", state={"sample.index": 5}) as page:
        scales = "all => new Set(all.map(one => one.textContent)).size"
        places = "article:not([data-method=saliency]) .scale span"
        assert page.eval_on_selector_all(places, scales) > 1
        page.click("[data-test=shared]")
        settle(page)
        assert page.eval_on_selector_all(places, scales) == 1


def test_a_target_and_another_against_it(pages: Pages, studio: Studio):
    answers = [answer["label"] for answer in ask(studio, "why.sample", row=5)["answers"]]
    with pages.open("why", state={"sample.index": 5}) as page:
        page.select_option("[data-test=target]", answers[2])
        settle(page)
        page.select_option("[data-test=against]", answers[1])
        settle(page)
        for method in ("deep_lift", "epsilon_lrp"):
            found = ask(studio, "why.method", method=method, row=5, target=answers[2], against=answers[1])
            assert number(page, method, "sum") == found["sum"]
        assert f"for {answers[2]} against {answers[1]}" in page.locator(".why-methods h2").inner_text()
        assert page.locator("[data-test=turn]").get_attribute("data-to") == answers[1]
        hash_ = page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")
        assert (hash_["why.target"], hash_["why.against"]) == (answers[2], answers[1])


def test_the_walk_to_the_other_answer(pages: Pages, studio: Studio):
    found = ask(studio, "why.turn", row=5)
    said = ask(studio, "why.sample", row=5)["answers"][0]["label"]
    with pages.open("why", state={"sample.index": 5}) as page:
        turn = page.locator("[data-test=turn]")
        assert float(turn.get_attribute("data-distance")) == found["distance"]
        first = "[data-test=turned] .answer.said"
        assert page.locator(first).get_attribute("data-label") == found["to"]
        for share, label in (("0", said), ("0.8", said), ("1.5", found["to"])):
            page.locator("[data-test=walk]").fill(share)
            settle(page)
            assert page.locator(first).get_attribute("data-label") == label
            x = studio.data.test.X[5] + 1.001 * float(share) * found["change"]
            p = studio.model.predict_proba(x[None].astype(np.float32))[0]
            shown_p = float(page.locator(first).get_attribute("data-value"))
            assert shown_p == pytest.approx(p.max(), rel=1e-4)
        assert np.abs(pixels(page, "change")[..., 2] - pixels(page, "change")[..., 0]).max() > 50


def test_what_is_proven(pages: Pages, studio: Studio):
    """The bars and the verdict are those of the library; pictures of numbers that are no bytes have no ends."""
    x = studio.data.test.X[5]
    unit = float(x.max()) / 255
    with pages.open("why", state={"sample.index": 5}) as page:
        says, said = page.locator("[data-test=proof-says]"), studio.model.predict(x[None])[0]
        most = float(page.locator("[data-test=proof-most]").get_attribute("data-value"))
        assert most == pytest.approx(studio.model.certified_radius(x[None], unit=unit)[0], rel=1e-6)
        assert f"The proof reaches {most:.3g}" in page.locator("[data-test=proof-most]").inner_text()
        for levels in ("1", "2", "20"):
            page.locator("[data-test=levels]").fill(levels)
            settle(page)
            radius = float(levels) * unit
            box = studio.model.bounds(x - radius, x + radius, of="answer")
            for k, (low, high) in enumerate(zip(box.low[0], box.high[0], strict=True)):
                bar = page.locator(f"[data-test=proof] [data-label='{k}']")
                assert float(bar.get_attribute("data-low")) == pytest.approx(low, abs=1e-6)
                assert float(bar.get_attribute("data-high")) == pytest.approx(high, abs=1e-6)
            holds = bool(studio.model.certify(x[None], radius)[0])
            assert says.get_attribute("data-proven") == str(holds).lower()
            wanted = "Proven: no change" if holds else "Not proven: some change"
            assert says.inner_text().startswith(wanted) and f"up to {levels} of 255" in says.inner_text()
            assert says.inner_text().endswith(f"turn{'s' * holds} this {said}.")
        assert "why.levels=20" in page.evaluate("location.hash")
        page.click("[aria-label='Next sample']")
        settle(page)
        assert "up to 20 of 255" in says.inner_text()


def test_samples_are_chosen(pages: Pages, studio: Studio):
    test = studio.data.test
    wrong = np.flatnonzero(studio.model.predict(test.X) != test.y)
    with pages.open("why", state={"sample.index": 3}) as page:
        page.click("[aria-label='Next sample']")
        settle(page)
        assert page.evaluate("window.chainrule.store.get('sample').index") == 4
        page.fill("[data-test=row]", "12")
        page.locator("[data-test=row]").press("Enter")
        settle(page)
        assert (
            number(page, "deep_lift", "sum") == ask(studio, "why.method", method="deep_lift", row=12)["sum"]
        )
        page.click("[data-test=mistake]")
        settle(page)
        row = int(wrong[wrong > 12][0])
        assert page.evaluate("window.chainrule.store.get('sample.index')") == row
        assert "wrong" in page.locator("[data-test=verdict]").inner_text()


def test_a_drawing_is_asked_about(pages: Pages, studio: Studio):
    x = np.zeros(SIDE**2, np.float32)
    x[24:32] = 1
    with pages.open("why") as page:
        page.evaluate(
            """x => window.chainrule.store.set({
                sample: { x: Float32Array.from(x), y: null, index: null }, 'sample.index': null,
            })""",
            x.tolist(),
        )
        settle(page)
        assert page.locator(".why-side h2").inner_text() == "Your drawing"
        found = ask(studio, "why.method", method="occlusion", x=x.tolist())
        assert number(page, "occlusion", "sum") == found["sum"]


def test_evidence_leads_to_the_neurons(pages: Pages, studio: Studio):
    found = ask(studio, "why.story", row=5)
    with pages.open("why", state={"sample.index": 5}) as page:
        sums = page.eval_on_selector_all(
            "[data-test=evidence] .value", "all => all.map(one => Number(one.dataset.value))"
        )
        assert sums == pytest.approx([layer["for"] + layer["against"] for layer in found["evidence"]])
        page.locator("[data-test=story] summary").click()
        assert (
            found["chapters"]["en"][1]["content"][0]["text"] in page.locator("[data-test=story]").inner_text()
        )
        link, neuron = page.locator("[data-test=evidence] .label").first, page.locator(".neuron-link").first
        layer, index = link.inner_text(), neuron.inner_text().split()[0][1:]
        neuron.click()
        settle(page)
        assert page.locator("[data-test=one] h2").inner_text() == f"Neuron {index} of {layer}"


@pytest.mark.parametrize("screen", ["why", "neurons"])
def test_a_file_has_what_was_asked(pages: Pages, studio: Studio, browser_page, tmp_path, screen: str):
    """Exported, the screen says the same numbers without a server."""
    places = ".screen [data-value]"
    values = f"[...document.querySelectorAll('{places}')].map(one => one.dataset.value)"
    with pages.open(screen, state={"sample.index": 5}) as page:
        expected = page.evaluate(values)
        calls = page.evaluate("window.chainrule.store.memory.calls()")
    state = {"screen": screen, "lang": "en", "theme": "light", "sample.index": 5}
    path = tmp_path / "page.html"
    path.write_bytes(offline_page(studio, state, calls))
    browser_page.goto(path.as_uri())
    settle(browser_page)
    found = browser_page.evaluate(values)
    assert len(found) > 10 and found == expected


def test_a_sample_of_a_neuron_is_asked_about(pages: Pages):
    with pages.open("neurons") as page:
        example = page.locator("[data-test=most] button").nth(2)
        row = example.get_attribute("data-row")
        example.click()
        settle(page)
        assert page.locator("h1").inner_text() == "Why"
        assert page.locator(".why-side h2").inner_text() == f"Sample {row}"


@pytest.mark.parametrize("lang", [pytest.param("en", marks=pytest.mark.slow), "zh"])
def test_a_phone_has_it_in_its_width(pages: Pages, lang: str):
    with pages.open("why", lang=lang, theme="dark", phone=True, state={"sample.index": 5}) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("[data-test=picture-deep_lift]").tap()
        text = page.locator("main").inner_text()
        assert "why." not in text and (lang == "en") == ("Occlusion" in text)
        assert page.locator("[data-test=story]").count() == 1
        assert page.locator("[data-test=readout] [data-of=deep_lift]").count() == 1


def test_a_table_has_bars(browser):
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 5))
    data = from_arrays(X, X @ [1, -2, 0, 1, 3], name="table")
    model = Model(Network(5, [Dense(6), ReLU(), Dense(1)], MeanSquaredError()), seed=0)
    model.fit(X, data.train.y, epochs=5)
    model.feature_names = list("abcde")
    studio = Studio(model, data, name="table")
    with studio_pages(browser, studio) as pages, pages.open("why", state={"sample.index": 2}) as page:
        found = ask(studio, "why.method", method="deep_lift", row=2)
        bars = page.eval_on_selector_all(
            "article[data-method=deep_lift] .signed",
            "all => all.map(one => [Number(one.dataset.feature), Number(one.dataset.value)])",
        )
        order = np.argsort(-np.abs(found["values"]), kind="stable")
        assert bars == [[int(k), found["values"][k]] for k in order]
        page.hover("article[data-method=deep_lift] .signed >> nth=1")
        assert "abcde"[order[1]] in page.locator("[data-test=readout] h3").inner_text()
        assert page.locator("[data-test=turn]").count() == 0


@pytest.mark.slow
def test_nothing_to_ask_about(browser):
    with studio_pages(browser, Studio()) as pages, pages.open("why") as page:
        assert "there is none yet" in page.locator(".screen").inner_text()
    model = Model(Network(4, [Dense(3), ReLU(), Dense(2)], SoftmaxCrossEntropy()), seed=0)
    with studio_pages(browser, Studio(model)) as pages, pages.open("why") as page:
        assert "nothing to ask about yet" in page.locator(".screen").inner_text()
        assert page.locator(".panel:visible").count() == 0


HOLD = """() => {
  const { host } = chainrule.store, call = host.call.bind(host);
  window.held = [];
  window.asked = [];
  host.call = (name, args) => {
    window.asked.push(name);
    if (!name.startsWith('why.') || !window.held) return call(name, args);
    return new Promise((done) => window.held.push(() => done(call(name, args))));
  };
}"""
LET_GO = "() => { const { held } = window; window.held = null; held.forEach((go) => go()); }"


def test_the_input_and_the_answer_are_seen_before_the_server_has_said_anything(pages: Pages, studio: Studio):
    with pages.open("draw", state={"sample.index": 5}) as page:
        page.evaluate(HOLD)
        page.evaluate("chainrule.store.set({screen: 'why'})")
        page.wait_for_selector("[data-test=input] canvas")
        said = str(studio.model.predict(studio.data.test.X[5][None])[0])
        answer = page.locator(".answers .answer.said").first
        assert answer.get_attribute("data-label") == said
        assert page.locator(".why-side[aria-busy=true]").count() == 1
        assert page.get_by_text("Computing…").count() == 3  # the methods, the change, the evidence
        page.evaluate(LET_GO)
        page.wait_for_selector("[data-test=evidence]")
        settle(page)
        assert page.locator(".why-side[aria-busy]").count() == page.get_by_text("Computing…").count() == 0
        assert answer.get_attribute("data-label") == said
        asked = [name for name in page.evaluate("window.asked") if name.startswith("why.")]
        below = ["why.turn", "why.story", "why.proof", "why.proven"]
        assert asked == ["why.sample", *["why.method"] * len(METHODS), *below]
