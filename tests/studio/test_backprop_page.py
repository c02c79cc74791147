"""Backpropagation in the studio, in a browser: every number on the page is the model's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule import Dense, Model, Network, ReLU, SoftmaxCrossEntropy, Tanh
from chainrule.datasets import Dataset
from chainrule.recipe.data import Data
from chainrule.studio.page.export import offline_page
from chainrule.studio.session.studio import Studio
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser

rng = np.random.default_rng(4)
X = rng.random((30, 36))
LABELS = np.arange(30) % 3
DATA = Data("patterns", "", "", Dataset(X, LABELS, (6, 6), "patterns"))


def made() -> Model:
    layers = [Dense(20), ReLU(), Dense(5), Tanh(), Dense(3)]
    model = Model(Network(36, layers, SoftmaxCrossEntropy()), seed=1, dtype="float64")
    model.fit(X, LABELS, epochs=3)
    return model


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(made(), DATA, name="patterns")


@pytest.fixture(scope="module")
def pages(browser: Any, studio: Studio) -> Iterator[Pages]:
    with studio_pages(browser, studio) as found:
        yield found


@pytest.fixture
def fresh(studio: Studio) -> Iterator[Studio]:
    """The studio, with its model and data put back afterwards."""
    yield studio
    studio.parts.pop("backprop.before", None)
    studio.show_data(DATA)
    studio.show_model(made(), "patterns")


def ready(page: Any) -> None:
    page.wait_for_selector("[data-test=weight] [data-test=gradient]")
    settle(page)


def value(page: Any, test: str) -> float:
    return float(page.locator(f"[data-test={test}]").first.get_attribute("data-value"))


def sentence(page: Any) -> str:
    return str(page.locator("[data-test=sentence]").inner_text())


def step(page: Any) -> str:
    return str(page.locator("[data-test=step]").inner_text())


def worst(model: Model) -> int:
    """The sample with the largest loss among those that the model is wrong about."""
    losses = [model.loss_and_gradients(X[k : k + 1], LABELS[k : k + 1], training=False)[0] for k in range(30)]
    wrong = model.predict(X) != LABELS
    assert wrong.any()
    return int(np.where(wrong, losses, -1).argmax())


STRONGEST = "document.querySelector('[data-test=weight]').dataset.shown"


def test_it_begins_with_a_mistake_and_shows_a_number_beside_its_place(pages: Pages, fresh: Studio):
    model, first = fresh.model, worst(fresh.model)
    said = model.predict(X[first : first + 1])[0]
    g = model.loss_and_gradients(X[first : first + 1], LABELS[first : first + 1], training=False)[1][
        "dense_1"
    ].W
    i, j = np.unravel_index(np.abs(g).argmax(), g.shape)
    with pages.open("backprop", viewport={"width": 1280, "height": 800}) as page:
        ready(page)
        question = page.locator("[data-test=question]")
        assert question.inner_text() == f"{LABELS[first]} taken for {said}: what should change?"
        assert page.input_value("[data-test=sample]") == str(first)
        assert page.evaluate(STRONGEST) == f"dense_1.W[{i},{j}]"
        number = page.locator("[data-test=gradient]")
        assert number.evaluate("(one) => one.getBoundingClientRect().height") < 40, "it stands in one line"
        marks = page.locator("[data-test=equations] [data-role]")
        for mark in (marks.first, marks.last):  # wherever the numbers are scrolled to, the picture is there
            mark.scroll_into_view_if_needed()
            mark.hover()
            settle(page)
            assert page.locator(".walk-picture").get_attribute("data-lit") is not None
            assert page.locator("[data-test=lit-words]").inner_text() != ""
            box = page.locator("[data-test=picture]").bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= 800
        page.click("[data-test=example-lesson]")
        page.wait_for_selector("[data-test=line-weight]")
        settle(page)
        assert question.inner_text() == "−6 instead of −5: what should change?"
        heads = page.locator("[data-test=head] b").all_inner_texts()
        assert heads == ["a₄", "a₃", "a₂", "a₁", "a₀", "C"]
        page.click("[data-test=go-next]")
        settle(page)
        assert sentence(page).startswith("a₃ = 0.5 × 2 = 1:")
        page.click("[data-test=example-end]")
        page.wait_for_selector(f"[data-test=weight][data-shown='dense_1.W[{i},{j}]']")
        settle(page)
        assert page.input_value("[data-test=sample]") == str(first)
        page.click("[data-test=next-mistake]")
        page.wait_for_function(
            "([old]) => document.querySelector('[data-test=sample]').value !== old", arg=[str(first)]
        )
        settle(page)
        assert "taken for" in question.inner_text()
        assert abs(value(page, "gradient")) > 0


def test_without_a_mistake_it_says_so(pages: Pages, fresh: Studio):
    said = fresh.model.predict(X)
    fresh.show_data(Data("patterns", "", "", Dataset(X, said, (6, 6), "patterns")))
    p = fresh.model.predict_proba(X)[np.arange(30), said]
    with pages.open("backprop") as page:
        ready(page)
        assert page.input_value("[data-test=sample]") == str(p.argmin())
        question = page.locator("[data-test=question]").inner_text()
        assert question.startswith(
            f"No mistake to learn from; {said[p.argmin()]} is the hardest, with {p.min():.1%}"[:-1]
        )
        assert page.locator("[data-test=next-mistake]").inner_text() == "The next largest loss"


@pytest.mark.slow
def test_on_a_phone_the_picture_stays_and_a_number_is_tapped(pages: Pages, fresh: Studio):
    with pages.open("backprop", phone=True) as page:
        ready(page)
        page.tap("[data-test=example-sigmoid]")
        page.wait_for_selector("[data-test=line-weight]")
        settle(page)
        assert page.locator("[data-test=head] b").all_inner_texts() == [
            "a₄",
            "z₃",
            "a₃",
            "z₂",
            "a₂",
            "z₁",
            "a₁",
            "a₀",
            "C",
        ]
        assert "Tap a number" in page.locator("[data-test=point-hint]").inner_text()
        right = page.locator(".equation *, .chained *").evaluate_all(
            "(all) => Math.max(...all.map((one) => one.getBoundingClientRect().right))"
        )
        assert right <= 378  # the panels' inner edge is at 366
        mark = page.locator("[data-test=line-weight] [data-role=weight]").last
        mark.scroll_into_view_if_needed()
        page.evaluate("scrollBy(0, 200)")
        name = mark.get_attribute("data-link")
        before = page.evaluate(STRONGEST)
        mark.tap()
        settle(page)
        assert page.locator(".walk-picture").get_attribute("data-lit") == f"weight {name} 0,0"
        assert page.evaluate(STRONGEST) == before
        box, number = page.locator(".walk-picture").bounding_box(), mark.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] < number["y"] < 844
        assert box["height"] < 240
        mark.tap()
        page.wait_for_selector(f"[data-test=weight][data-shown='{name}.W[0,0]']")
        settle(page)


def test_the_walk_goes_forward_and_back(pages: Pages, studio: Studio):
    trace = studio.model.trace(X[2], LABELS[2])
    with pages.open("backprop", state={"backprop.sample": 2}) as page:
        ready(page)
        assert step(page) == "Step 1 of 14"
        said = [sentence(page)]
        assert page.locator("[data-test=go-back]").is_disabled()
        for _ in range(13):
            page.click("[data-test=go-next]")
            settle(page)
            said.append(sentence(page))
        assert page.locator("[data-test=go-next]").is_disabled()
        assert len(set(said)) == 14
        k = int(np.abs(trace.z["dense_1"][0]).argmax())
        assert "dense_1: each of 20 neurons adds up 36 numbers" in said[1] and f"at neuron {k}" in said[1]
        on = int((trace.a["relu_1"] > 0).sum())
        assert f"More than 0 comes out of {on} of 20 neurons" in said[2]
        assert f"the loss is {float(f'{trace.loss:.4g}')}" in said[6]
        assert f"Locked neurons: {20 - on} of 20" in said[11]
        assert "36 × 20 products" in said[12]
        page.click("[data-test=go-first]")
        settle(page)
        assert sentence(page) == said[0]


def test_the_picture_shows_what_is_known(pages: Pages, studio: Studio):
    """A neuron's colour is there from its step on: blank before, and not after."""
    pixel = """([link, index, lane]) => {
      const canvas = document.querySelector('[data-test=picture]'), [x, y] = canvas.place(link, index, lane);
      const ratio = canvas.width / canvas.clientWidth;
      return [...canvas.getContext('2d').getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
    }"""
    trace = studio.model.trace(X[0], LABELS[0])
    at = int(np.abs(trace.delta["relu_1"][0] * 0 + trace.grad_outputs["relu_1"][0]).argmax())
    with pages.open(
        "backprop",
        state={
            "backprop.sample": 0,
            "weight": '{"name":"dense_3.b","i":0,"j":null}',
            "neuron": '{"link":"dense_3","index":0}',
        },
    ) as page:
        ready(page)
        blank = page.evaluate(pixel, ["relu_1", at, 1])
        page.click("[data-test=go-last]")
        settle(page)
        shown = page.evaluate(pixel, ["relu_1", at, 1])
        assert blank[3] == 0 and shown[3] == 255
        is_positive = trace.grad_outputs["relu_1"][0][at] > 0
        assert (shown[2] > shown[0]) == is_positive  # blue, or orange


def test_a_chosen_weight_has_its_gradient_and_a_difference_beside_it(pages: Pages, studio: Studio):
    _, grads = studio.model.loss_and_gradients(X[4:5], LABELS[4:5], training=False)
    with pages.open("backprop", state={"backprop.sample": 4}) as page:
        ready(page)
        for name, i, j in (("dense_1.W", 3, 7), ("dense_2.W", 11, 2), ("dense_3.W", 4, 1)):
            page.select_option("[data-test=parameter]", name)
            settle(page)
            for test, index in (("index-i", i), ("index-j", j)):
                page.fill(f"[data-test={test}]", str(index))
                page.press(f"[data-test={test}]", "Enter")
                settle(page)
            page.wait_for_selector(f"[data-test=weight][data-shown='{name}[{i},{j}]']")
            link, field = name.split(".")
            exact = float(getattr(grads[link], field)[i, j])
            assert_allclose(value(page, "gradient"), exact, rtol=1e-6)
            assert_allclose(value(page, "difference"), exact, rtol=1e-6, atol=1e-12)
            assert value(page, "relative") < 1e-6
        page.select_option("[data-test=parameter]", "dense_1.b")
        page.wait_for_selector("[data-test=weight][data-shown^='dense_1.b']")
        k = int(np.abs(grads["dense_1"].b).argmax())
        assert page.locator("[data-test=weight]").get_attribute("data-shown") == f"dense_1.b[{k}]"
        assert_allclose(value(page, "gradient"), grads["dense_1"].b[k], rtol=1e-6)


def test_a_batch_walks_as_in_training(pages: Pages, studio: Studio):
    _, grads = studio.model.loss_and_gradients(X[:8], LABELS[:8])
    state = {"backprop.source": "batch", "backprop.n": 8, "weight": '{"name":"dense_2.W","i":3,"j":1}'}
    with pages.open("backprop", state=state) as page:
        ready(page)
        assert_allclose(value(page, "gradient"), grads["dense_2"].W[3, 1], rtol=1e-6)
        assert value(page, "paths") == 8 * 3
        before = sentence(page)
        page.fill("[data-test=row]", "5")
        page.press("[data-test=row]", "Enter")
        settle(page)
        assert sentence(page) != before


def test_a_neuron_and_a_connection_are_chosen_in_the_picture(pages: Pages, studio: Studio):
    _, grads = studio.model.loss_and_gradients(X[:1], LABELS[:1], training=False)
    with pages.open("backprop", state={"backprop.sample": 0, "backprop.step": 5}) as page:
        ready(page)
        place = (
            "([link, index, lane]) => document.querySelector('[data-test=picture]').place(link, index, lane)"
        )
        picture = page.locator("[data-test=picture]")
        x, y = page.evaluate(place, ["dense_2", 3, 0])
        picture.click(position={"x": x, "y": y})
        settle(page)
        page.wait_for_selector("[data-test=neuron] [data-test=pick]")
        assert "Neuron 3 of dense_2" in page.locator("[data-test=neuron]").inner_text()
        listed = page.locator("[data-test=neuron] [data-test=pick]").evaluate_all(
            "(all) => all.map((one) => one.dataset.name)"
        )
        column = np.abs(grads["dense_2"].W[:, 3])
        names = [name for name in listed if ".W[" in name]
        assert names[0] == f"dense_2.W[{column.argmax()},3]"
        page.click(f"[data-test=pick][data-name='{names[1]}']")
        page.wait_for_selector(f"[data-test=weight][data-shown='{names[1]}']")
        # a connection of the step at hand, near its target where no other one is
        (a, b), (c, d) = page.evaluate(place, ["tanh_1", 2, 0]), page.evaluate(place, ["dense_3", 1, 0])
        page.mouse.move(0, 0)
        picture.hover(position={"x": (a + c) / 2, "y": (b + d) / 2})
        settle(page)
        lit = page.locator(".walk-picture").get_attribute("data-lit")
        assert lit is not None and lit.startswith("weight dense_3 ")
        picture.click(position={"x": (a + c) / 2, "y": (b + d) / 2})
        page.wait_for_selector(f"[data-test=weight][data-shown='dense_3.W[{lit.split()[2]}]']")


def test_formula_and_picture_light_each_other(pages: Pages):
    with pages.open("backprop", state={"weight": '{"name":"dense_2.W","i":1,"j":2}'}) as page:
        ready(page)
        marks = page.locator("[data-test=equations] [data-role=weight]")
        marks.first.scroll_into_view_if_needed()
        marks.first.hover()
        settle(page)
        link, index = (marks.first.get_attribute(f"data-{key}") for key in ("link", "index"))
        assert page.locator(".walk-picture").get_attribute("data-lit") == f"weight {link} {index}"
        assert page.locator("[data-role].lit").count() >= 2  # in symbols and in numbers
        page.mouse.move(2, 2)
        settle(page)
        assert page.locator("[data-role].lit").count() == 0
        assert page.locator(".walk-picture").get_attribute("data-lit") is None
        cell = page.locator("[data-test=equations] [data-role=cell]").first
        link, index = cell.get_attribute("data-link"), int(cell.get_attribute("data-index"))
        page.locator("[data-test=picture]").scroll_into_view_if_needed()
        x, y = page.evaluate(
            "([link, index]) => document.querySelector('[data-test=picture]').place(link, index, 0)",
            [link, index],
        )
        page.locator("[data-test=picture]").hover(position={"x": x, "y": y})
        settle(page)
        assert "lit" in (cell.get_attribute("class") or "")
        cell.click()
        settle(page)
        assert page.evaluate("window.chainrule.store.get('neuron')") == {"link": link, "index": index}


def test_an_update_lowers_the_loss_and_is_kept_on_demand(pages: Pages, fresh: Studio):
    model = fresh.model
    theta = model.theta.copy()
    loss, grads = model.loss_and_gradients(X[1:2], LABELS[1:2], training=False)
    g = np.concatenate([part.ravel() for link in grads.values() for part in link])
    with pages.open("backprop", state={"backprop.sample": 1, "backprop.rate": 0.05}) as page:
        ready(page)
        walk = page.locator(".backprop").get_attribute("data-walk")
        page.click("[data-test=apply]")
        page.wait_for_selector("[data-test=loss-after]")
        settle(page)
        assert_allclose(value(page, "loss-before"), loss, rtol=1e-12)
        after = value(page, "loss-after")
        assert after < loss
        page.fill("[data-test=rate]", "0.2")
        page.press("[data-test=rate]", "Enter")
        page.click("[data-test=apply]")
        settle(page)
        assert value(page, "loss-after") != after and "by the rate 0.2" in sentence(page)
        page.fill("[data-test=rate]", "0.05")
        page.press("[data-test=rate]", "Enter")
        page.click("[data-test=apply]")
        settle(page)
        assert value(page, "loss-after") == after
        assert np.array_equal(model.theta, theta)
        assert step(page) == "Step 14 of 14" and "the loss goes from" in sentence(page)
        page.click("[data-test=keep]")
        page.wait_for_selector("[data-test=kept]")
        settle(page)
        assert_allclose(model.theta, theta - 0.05 * g, rtol=1e-12)
        assert_allclose(model.evaluate(X[1:2], LABELS[1:2])["loss"], after, rtol=1e-9)
        ready(page)
        page.wait_for_selector(f".backprop:not([data-walk='{walk}'])")
        trace = model.trace(X[1], LABELS[1])
        name = page.locator("[data-test=weight]").get_attribute("data-shown")
        settle(page)
        assert_allclose(value(page, "gradient"), trace.derive(name).value, rtol=1e-6)


def test_what_another_screen_chose_goes_in(pages: Pages, studio: Studio):
    """A sample by its number, or a drawing, whose target is then what the model takes for the second likeliest."""
    put = (
        "([x, index]) => window.chainrule.store.set({ sample: { x: Float32Array.from(x), y: null, index } })"
    )
    go = "(screen) => window.chainrule.store.set({ screen })"
    with pages.open("glossary") as page:
        page.evaluate(put, [X[9].tolist(), 9])
        page.evaluate(go, "backprop")
        ready(page)
        assert page.input_value("[data-test=sample]") == "9"
        page.fill("[data-test=sample]", "4")
        page.press("[data-test=sample]", "Enter")
        page.evaluate("window.chainrule.store.set({ lang: 'zh' })")  # the screen is made anew
        ready(page)
        assert page.input_value("[data-test=sample]") == "4"
        page.evaluate(go, "glossary")
        settle(page)
        drawn = (1 - X[3]).astype(np.float32)
        page.evaluate(put, [drawn.tolist(), None])
        page.evaluate(go, "backprop")
        ready(page)
        second = int(studio.model.outputs(drawn[None])[0].argsort()[-2])
        assert page.input_value("[data-test=target]") == str(second)
        name = page.locator("[data-test=weight]").get_attribute("data-shown")
        assert_allclose(
            value(page, "gradient"), studio.model.trace(drawn, second).derive(name).value, rtol=1e-6
        )


def test_it_follows_a_model_that_trains(pages: Pages, fresh: Studio):
    state = {"backprop.sample": 0, "weight": '{"name":"dense_2.W","i":3,"j":1}'}
    with pages.open("backprop", state=state) as page:
        ready(page)
        for _ in range(20):
            fresh.model.theta[...] += 0.01
            fresh.send("model.changed", {"name": "patterns"})
        exact = fresh.model.trace(X[0], LABELS[0]).derive("dense_2.W[3,1]").value
        shown = page.evaluate("(value) => String(value)", exact)
        page.wait_for_selector(f"[data-test=gradient][data-value='{shown}']")
        settle(page)


def test_another_target_makes_another_error(pages: Pages, studio: Studio):
    with pages.open("backprop", state={"backprop.sample": 0}) as page:
        ready(page)
        before = value(page, "gradient")
        name = page.locator("[data-test=weight]").get_attribute("data-shown")
        page.select_option("[data-test=target]", "2")
        settle(page)
        found = value(page, "gradient")
        assert found != before
        assert_allclose(found, studio.model.trace(X[0], 2).derive(name).value, rtol=1e-6)


def test_keys_step_and_play(pages: Pages):
    with pages.open("backprop") as page:
        ready(page)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        settle(page)
        assert step(page) == "Step 3 of 14"
        page.keyboard.press("ArrowLeft")
        settle(page)
        assert step(page) == "Step 2 of 14"
        page.keyboard.press("End")
        settle(page)
        assert step(page) == "Step 14 of 14"
        page.keyboard.press("Home")
        settle(page)
        assert step(page) == "Step 1 of 14"
        page.focus("[data-test=rate]")
        page.keyboard.press("ArrowRight")  # in a field the keys are the field's
        settle(page)
        assert step(page) == "Step 1 of 14"
        assert page.locator("[data-test=go-play]").get_attribute("aria-label") == "Play"


@pytest.mark.slow
def test_it_plays_by_itself_for_those_who_like_motion(pages: Pages):
    with pages.open("backprop", motion=True) as page:
        page.wait_for_selector("[data-test=weight] [data-test=gradient]")
        page.wait_for_selector("[data-test=go-back]:enabled")
        page.click("[data-test=go-play]")
        assert page.locator("[data-test=go-play]").get_attribute("aria-label") == "Play"
        settle(page)


def test_error_times_slope(pages: Pages, studio: Studio):
    trace = studio.model.trace(X[0], LABELS[0])
    with pages.open("backprop", state={"backprop.sample": 0, "backprop.step": 11}) as page:
        ready(page)
        boxes = [
            page.locator(f"[data-test=split{part}").first.bounding_box()
            for part in ("]", "] .names", "-row]")
        ]
        assert boxes[0]["y"] < boxes[1]["y"] < boxes[2]["y"]  # the names stand above their columns
        rows = page.locator("[data-test=split-row]").evaluate_all(
            """(all) => all.map((row) => [row.dataset.index,
              ...[...row.querySelectorAll('.cell')].map((cell) => Number(cell.dataset.value))])"""
        )
        assert len(rows) == 16
        for index, error, slope, product in rows:
            assert_allclose(error, trace.grad_outputs["relu_1"][0, int(index)], rtol=1e-5)
            assert slope == float(trace.z["relu_1"][0, int(index)] > 0)
            assert_allclose(product, trace.delta["relu_1"][0, int(index)], rtol=1e-5, atol=1e-12)
        assert value(page, "locked") == (trace.z["relu_1"] <= 0).sum()
        locks = page.locator("[data-test=split-row] .lock").count()
        assert locks == sum(slope == 0 for _, _, slope, _ in rows)


def test_the_lesson_s_chain(pages: Pages, fresh: Studio):
    with pages.open("backprop") as page:
        ready(page)
        assert page.locator("[data-test=lines]").is_hidden()
        page.click("[data-test=example-lesson]")
        page.wait_for_selector("[data-test=line-weight]")
        settle(page)
        lines = page.locator("[data-test=line-weight] .total b").evaluate_all(
            "(all) => all.map((one) => Number(one.dataset.value))"
        )
        assert lines == [6, -12, 4, 24]
        updates = page.locator("[data-test=line-update] b").evaluate_all(
            "(all) => all.map((one) => Number(one.dataset.value))"
        )
        assert_allclose(updates, [1.94, -0.88, 2.96, 0.26])
        forward = page.locator("[data-test=line-forward] b").evaluate_all(
            "(all) => all.map((one) => Number(one.dataset.value))"
        )
        assert forward == [1, 3, -3, -6]
        assert [value(page, test) for test in ("gradient", "difference")] == [24, pytest.approx(24)]
        page.click("[data-test=example-end]")
        page.wait_for_selector("[data-test=lines]", state="hidden")
        settle(page)
        ready(page)
        assert page.locator("[data-test=example-end]").count() == 0
        assert fresh.data is DATA


def test_the_python_runs(
    pages: Pages, studio: Studio, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
):
    monkeypatch.chdir(tmp_path)
    studio.model.save("model.safetensors")
    np.savez("data.npz", X=X, y=LABELS)
    states = [{"backprop.sample": 3}, {"backprop.source": "batch", "backprop.n": 4}]
    for state in states:
        with pages.open("backprop", state=state) as page:
            ready(page)
            text = page.locator("[data-test=code]").text_content()
            shown = value(page, "gradient")
        names: dict[str, Any] = {}
        exec(compile(text, "shown", "exec"), names)
        # the numbers of the sample are written with nine digits
        assert_allclose(names["derivation"].value, shown, rtol=1e-6)
        assert names["loss"] == pytest.approx(names["trace"].loss)
    assert "dense_1" in capsys.readouterr().out


def test_a_neuron_is_chosen_without_a_mouse(pages: Pages, studio: Studio):
    with pages.open("backprop", state={"backprop.sample": 0}) as page:
        ready(page)
        page.select_option("[data-test=neuron-link]", "dense_3")
        page.fill("[data-test=neuron-index]", "2")
        page.press("[data-test=neuron-index]", "Enter")
        settle(page)
        assert page.evaluate("document.activeElement.dataset.test") == "neuron-index"
        page.keyboard.press("ArrowUp")  # there is no neuron 3
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        settle(page)
        assert "Neuron 2 of dense_3" in page.locator("[data-test=neuron]").inner_text()
        _, grads = studio.model.loss_and_gradients(X[:1], LABELS[:1], training=False)
        shown = page.locator("[data-test=neuron] tbody tr:first-child td.number").last.get_attribute(
            "data-value"
        )
        column = np.append(grads["dense_3"].W[:, 2], grads["dense_3"].b[2])
        assert_allclose(float(shown or "nan"), column[np.abs(column).argmax()], rtol=1e-6)


@pytest.mark.slow
def test_a_page_from_the_disk_has_what_was_seen(
    browser_page: Any, pages: Pages, studio: Studio, tmp_path: Any
):
    with pages.open("backprop", state={"backprop.sample": 6}) as page:
        ready(page)
        page.click("[data-test=apply]")
        page.wait_for_selector("[data-test=loss-after]")
        settle(page)
        seen = [value(page, test) for test in ("gradient", "difference", "loss-after")]
        calls = page.evaluate("window.chainrule.store.memory.calls()")
        keys = ("weight", "neuron", "backprop.sample", "backprop.step", "backprop.rate")
        state = page.evaluate(
            "(keys) => Object.fromEntries(keys.map((key) => [key, window.chainrule.store.get(key)]))", keys
        )
    content = offline_page(studio, {"screen": "backprop", "lang": "en", "theme": "light"} | state, calls)
    (tmp_path / "page.html").write_bytes(content)
    browser_page.goto((tmp_path / "page.html").as_uri())
    ready(browser_page)
    browser_page.click("[data-test=apply]")
    browser_page.wait_for_selector("[data-test=loss-after]")
    assert [value(browser_page, test) for test in ("gradient", "difference", "loss-after")] == seen
    assert browser_page.locator("[data-test=keep], .examples button").count() == 0
    browser_page.select_option("[data-test=parameter]", "dense_3.b")  # nobody computes this one
    browser_page.wait_for_selector("[data-test=weight] [role=alert]")
    assert "offline" in browser_page.locator("[data-test=weight] [role=alert]").inner_text()


@pytest.mark.parametrize(
    ("lang", "theme", "phone"),
    [
        ("en", "dark", False),
        ("zh", "light", True),
        pytest.param("en", "dark", True, marks=pytest.mark.slow),
        pytest.param("zh", "light", False, marks=pytest.mark.slow),
    ],
)
def test_both_languages_and_a_phone(pages: Pages, lang: str, theme: str, phone: bool):
    with pages.open("backprop", lang=lang, theme=theme, phone=phone, state={"backprop.step": 9}) as page:
        ready(page)
        text = page.locator(".screen").inner_text()
        assert ("連鎖" in text or "鏈鎖法則" in text) == (lang == "zh")
        assert "undefined" not in text and "NaN" not in text and "{" not in sentence(page)
        width, window = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert width <= window
        if phone:
            page.tap("[data-test=go-next]")
            settle(page)
            assert page.evaluate("window.chainrule.store.get('backprop.step')") == 10
