"""The course in a browser: each step shows its screen, and its answer is made of the numbers that Python computes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from a11y import faults, touch_faults
from chainrule.inspection.trace.trace import Trace
from chainrule.studio.page.assets import texts
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from small_studios import noise
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio() -> Studio:
    return noise()


@pytest.fixture(scope="module")
def pages(browser: Any, studio: Studio) -> Iterator[Pages]:
    with studio_pages(browser, studio) as pages:
        yield pages


def state(page: Any, key: str) -> Any:
    return page.evaluate(f"window.chainrule.store.get('{key}')")


def expected(page: Any, name: str) -> float:
    """Open the answer of the step on show, and read the number that is asked for."""
    page.wait_for_selector("[data-test=course-reveal]:visible")
    assert state(page, "course") == name
    assert page.locator("[data-test=course-title]").inner_text() == texts()[f"course.step.{name}.title"]["en"]
    settle(page)
    page.click("[data-test=course-reveal]")
    return float(page.locator("[data-test=course-answer] p").get_attribute("data-expected"))


def onward(page: Any) -> None:
    page.click("[data-test=course-next]")
    settle(page)


def trace_of(studio: Studio, index: int) -> Trace:
    part = studio.data.test or studio.data.train
    return studio.model.trace(part.X[index], part.y[index])


@pytest.mark.slow
def test_the_first_steps(pages: Pages, studio: Studio):
    """From the contents through the steps on Draw and Backpropagation, by their buttons."""
    model = studio.model
    W = model.parameters["dense_1"].W
    with pages.open("course") as page:
        page.click("[data-test=course-begin]")
        settle(page)
        assert expected(page, "network") == 784 * 8
        onward(page)
        trace = trace_of(studio, state(page, "sample")["index"])
        z = trace.outputs["dense_1"][0]
        assert state(page, "neuron") == {"link": "dense_1", "index": int(z.argmax())}
        assert expected(page, "neuron") == (0 if z.max() > 0 else 1)
        onward(page)
        products = W[:, z.argmax()] * trace.outputs["rescale_1"][0]
        assert_allclose(expected(page, "weight"), products[np.abs(products).argmax()], rtol=1e-5)
        onward(page)
        assert expected(page, "layer") == 8 * 7
        onward(page)
        page.wait_for_selector("[data-test=weight] [data-test=gradient]")
        trace = trace_of(studio, state(page, "backprop.sample"))
        assert_allclose(expected(page, "loss"), np.log(2), rtol=1e-6)
        assert f"{trace.loss:.4g}" in page.locator("[data-test=course-question]").inner_text()
        onward(page)
        found = []
        for name in ("dense_1", "dense_2", "dense_3"):
            g = trace.grads[name].W
            at = np.unravel_index(np.abs(g).argmax(), g.shape)
            found.append((abs(g[at]), model.parameters[name].W[at] - 0.01 * g[at]))
        assert_allclose(expected(page, "downhill"), max(found)[1], rtol=1e-5)


def test_the_chain_of_four_numbers(pages: Pages, studio: Studio):
    """The address of a step opens it; the model on show comes back when the course is left."""
    with pages.open("backprop", state={"course": "chain"}) as page:
        page.wait_for_selector("[data-test=lines] [data-test=line-weight]")
        settle(page)
        for guess, verdict in (
            ("−24", "sign"),
            ("23", "near"),
            ("7", "wrong"),
            ("a", "number"),
            ("24", "right"),
        ):
            page.fill("[data-test=course-guess]", guess)
            page.keyboard.press("Enter")
            assert page.locator("[data-test=course-verdict]").get_attribute("data-verdict") == verdict
        answer = page.locator("[data-test=course-answer]")
        assert answer.locator(".factor.outer").inner_text() == "−2"
        assert answer.locator(".factor.middle").last.inner_text() == "−6"
        assert answer.locator(".factor.inner").inner_text() == "2"
        page.click("[data-test=course-leave]")
        page.wait_for_function("() => window.chainrule.store.get('model').name === 'digits'")
        assert not page.locator("[data-test=course]").is_visible()
        assert "course" not in page.evaluate("location.hash")


def test_usual_slips_are_named(pages: Pages, studio: Studio):
    """The sum for the product, what is not asked for as well, and links of a neuron with itself."""
    with pages.open("draw", state={"course": "network"}) as page:
        verdict = page.locator("[data-test=course-verdict]")
        size = studio.model.network.size
        for guess, says in (
            (784 + 8, "the sum of the neurons"),
            (size, "every parameter"),
            (784 * 8 + 8, "counts the biases"),
            (784 * 8.5, "Close"),
            (784 * 8, "Right"),
        ):
            page.fill("[data-test=course-guess]", str(guess))
            page.keyboard.press("Enter")
            assert says in verdict.inner_text(), guess
        page.evaluate("window.chainrule.store.set({ course: 'layer', lang: 'zh' })")
        settle(page)
        page.fill("[data-test=course-guess]", str(8 * 8))
        page.keyboard.press("Enter")
        assert "和自己相連" in verdict.inner_text()


@pytest.mark.slow
def test_words_agree_with_their_numbers(pages: Pages, studio: Studio):
    """1 neuron and 2 neurons; and a number with a sign of its own is in brackets behind another sign, no other is."""
    with pages.open("plane", state={"course": "universality"}) as page:
        page.wait_for_function(
            "() => window.chainrule.store.get('shown.plane')?.settings.layers.length === 1"
        )
        page.evaluate("window.chainrule.store.call('plane.step', { steps: 200 })")
        page.wait_for_selector("[data-test=course-reveal]:visible")
        assert "of 1 neuron, between" in page.locator("[data-test=course-question]").inner_text()
        assert page.locator("[data-test=depth]").inner_text() == "1 hidden layer"
        page.locator("[data-test=course-width]").fill("2")
        page.wait_for_function("() => window.chainrule.store.get('shown.plane').settings.layers[0] === 2")
        page.evaluate("window.chainrule.store.call('plane.step', { steps: 200 })")
        page.wait_for_function(
            "() => document.querySelector('[data-test=course-question]').textContent.includes('2 neurons')"
        )
    with pages.open("backprop", state={"course": "zoom"}) as page:
        page.wait_for_selector("[data-test=course-reveal]:visible")
        page.click("[data-test=course-reveal]")
        walk = state(page, "shown.backprop")["walk"]
        right, largest = (
            walk["labels"][0],
            walk["links"][-1]["fields"]["W"]["largest"]["index"],
        )
        for j in (
            right,
            (right + 1) % 10,
        ):  # the error of the right class is below 0, those of the others are above
            page.evaluate(
                "([i, j]) => window.chainrule.store.set({ weight: { name: 'dense_3.W', i, j } })",
                [largest[0], j],
            )
            page.wait_for_function(
                f"() => document.querySelector('[data-test=course-question]').textContent.includes(',{j}]')"
            )
            settle(page)
            product = page.locator("[data-test=course-answer] p").inner_text().split(" = ")[0]
            assert product.startswith("0.5 × (−" if j == right else "0.5 × "), product
            assert ("(" in product) == (j == right), product


LATE = """(() => {
  const send = WebSocket.prototype.send, late = new Set();
  WebSocket.prototype.send = function (text) {
    if (LAST && text.includes(LAST) && !late.size) late.add(JSON.parse(text).id);
    setTimeout(() => send.call(this, text), text.includes('"backprop.example"') ? 1000 : 0);
  };
  const { set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
  Object.defineProperty(WebSocket.prototype, 'onmessage', { set(listen) {
    set.call(this, (event) => {
      const data = event.data, said = typeof data === 'string' ? data : new TextDecoder().decode(data).slice(0, 300);
      const isLate = [...late].some((id) => said.includes(`"id": ${id},`));
      setTimeout(() => { listen(event); window.lateCame ||= isLate; }, isLate ? 2500 : 0);
    });
  } });
})();"""
"""The course puts its own network in place of the one on show after a second; the answer to the first request with
LAST in it, which is about the one before, comes after that."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "last",
    [
        None,
        '"backprop.mistake"',
        '"backprop.chain"',
        *(pytest.param(last, marks=pytest.mark.slow) for last in ('"data.get"', '"backprop.walk"')),
    ],
)
def test_a_chain_that_comes_late_is_walked(pages: Pages, last: str | None):
    """It begins with a sample of its own data, of which there are six, not with the mistake of the network before."""
    init = LATE.replace("LAST", json.dumps(last))
    with pages.open("backprop", state={"course": "chain"}, init=init) as page:
        page.wait_for_selector("[data-test=lines] [data-test=line-weight]")
        if last not in (None, '"backprop.mistake"'):  # of which the chain may need none
            page.wait_for_function("window.lateCame")
        settle(page)
        assert page.evaluate("window.chainrule.store.get('model').inputs") == 1
        assert page.locator("[data-test=lines] [data-test=line-weight]").count() == 4
        assert state(page, "backprop.sample") < 6
        page.click("[data-test=course-leave]")
        settle(page)


def test_the_steps_back(pages: Pages, studio: Studio):
    """The three factors of a weight, the recursion of the errors, and a slope, of the network on show."""
    weight = {"name": "dense_2.W", "i": 3, "j": 1}
    with pages.open("backprop", state={"course": "own", "weight": json.dumps(weight)}) as page:
        page.wait_for_selector("[data-test=weight] [data-test=gradient]")
        trace = trace_of(studio, state(page, "backprop.sample"))
        assert_allclose(expected(page, "own"), trace.grads["dense_2"].W[3, 1], rtol=1e-4, atol=1e-9)
        onward(page)
        assert_allclose(expected(page, "zoom"), 0.5 * trace.grads["dense_2"].W[3, 1], rtol=1e-4, atol=1e-9)
        onward(page)
        delta = trace.grad_outputs["dense_2"][0]
        assert_allclose(expected(page, "delta"), delta[np.abs(delta).argmax()], rtol=1e-4)
        W, behind = studio.model.parameters["dense_3"].W, trace.grad_outputs["dense_3"][0]
        assert_allclose(delta, (W @ behind) * (trace.outputs["dense_2"][0] > 0), rtol=1e-4, atol=1e-7)
        assert page.locator("[data-test=course-recursion] canvas").count() == 5
        onward(page)
        assert expected(page, "gradient") == studio.model.network.size
        onward(page)
        k = np.abs(trace.grad_outputs["relu_2"][0]).argmax()
        assert expected(page, "activation") == float(trace.outputs["dense_2"][0, k] > 0)


def of_plane(studio: Studio) -> dict[str, Any]:
    return find("plane.get")(studio, {})


@pytest.mark.slow
def test_the_steps_on_the_plane(pages: Pages, studio: Studio):
    """Batch normalization, overfitting, regression and universality, after some steps of each network."""
    with pages.open("plane", state={"course": "norm"}) as page:

        def trained(layers: list[int], **settings: Any) -> dict[str, Any]:
            wanted = ",".join(map(str, layers))
            n = settings.get("n", "s.n")
            page.wait_for_function(
                f"() => {{ const s = window.chainrule.store.get('shown.plane')?.settings;"
                f" return s && s.layers.join() === '{wanted}' && s.n === {n}; }}"
            )
            found = of_plane(studio)
            assert {key: found["settings"][key] for key in settings} == settings
            page.evaluate("window.chainrule.store.call('plane.step', { steps: 300 })")
            page.wait_for_selector("[data-test=course-reveal]:visible")
            page.wait_for_function("() => window.chainrule.store.get('shown.plane').frame.step >= 300")
            return of_plane(studio)

        arrays = trained([6, 6], kind="circles", batch_norm=True)["model"]["arrays"]
        gamma, beta = (arrays[f"batch_norm_1.{field}"][0] for field in ("gamma", "beta"))
        assert_allclose(expected(page, "norm"), 2 * gamma + beta, rtol=1e-3)
        normalized = page.locator("[data-test=course-histograms] figcaption").last
        assert abs(float(normalized.get_attribute("data-mean"))) < 0.3
        assert float(normalized.get_attribute("data-spread")) == pytest.approx(1, abs=0.2)
        onward(page)
        history = trained([12, 12], kind="moons", n=40)["history"]
        assert_allclose(
            expected(page, "overfitting"), history["val_loss"][-1] - history["loss"][-1], rtol=1e-4
        )
        onward(page)
        history = trained([12, 12], kind="moons", n=400)["history"]
        assert_allclose(expected(page, "remedies"), history["val_loss"][-1] - history["loss"][-1], rtol=1e-4)
        onward(page)
        history = trained([8, 8], kind="surface")["history"]
        assert_allclose(expected(page, "regression"), np.sqrt(history["loss"][-1]), rtol=1e-4)
        onward(page)
        trained([1], kind="surface")
        page.locator("[data-test=course-width]").fill("3")
        found = trained([3], kind="surface")
        assert expected(page, "universality") == 4 * 3 + 1 == len(found["frame"]["numbers"])
        assert page.locator("[data-test=course-widths] .loss-by-width").count() == 2


@pytest.mark.slow
def test_the_steps_in_the_laboratory(pages: Pages, studio: Studio):
    """Vanishing gradients, their cures, and the cost without backpropagation, of short runs."""
    find("vanishing.start")(studio, {"arms": ["sigmoid", "relu"], "depth": 3, "budget": 0.05})
    with pages.open("vanishing", state={"course": "vanishing"}) as page:
        page.wait_for_function(
            "() => window.chainrule.store.get('shown.vanishing')?.running === false", timeout=120_000
        )
        assert_allclose(expected(page, "vanishing"), 0.25**3)
        onward(page)
        arms = {arm["name"]: arm["profile"] for arm in find("vanishing.get")(studio, {})["run"]["arms"]}
        assert_allclose(expected(page, "cures"), arms["relu"][0] / arms["sigmoid"][0], rtol=1e-4)
        methods = ["backpropagation", "central_differences"]
        find("without_backprop.start")(studio, {"arms": methods, "passes": 1000})
        page.evaluate("window.chainrule.store.set({ course: 'without' })")
        page.wait_for_function(
            "() => window.chainrule.store.get('shown.without_backprop')?.running === false", timeout=120_000
        )
        settle(page)
        assert expected(page, "without") == 2 * (49 * 8 + 8 + 8 * 10 + 10)


def test_a_link_to_a_step_is_enough(pages: Pages):
    with pages.open("draw") as page:
        page.goto(f"{pages.origin}/#course=loss&lang=zh")
        page.reload()
        settle(page)
        assert page.locator(".screen").get_attribute("data-screen") == "backprop"
        links = page.evaluate("window.chainrule.store.get('network').links.length")
        assert state(page, "backprop.step") == links + 1


def test_a_step_is_printed(pages: Pages):
    """The step and its screen, black on white, without what can be pressed."""
    with pages.open("backprop", theme="dark", state={"course": "own"}) as page:
        page.wait_for_selector("[data-test=course-reveal]:visible")
        page.emulate_media(media="print")
        for hidden in (
            ".top-bar",
            "aside",
            ".player",
            "[data-test=course-next]",
            "[data-test=course-reveal]",
        ):
            assert not page.locator(hidden).first.is_visible(), hidden
        for shown in ("course-title", "course-question", "course-guess", "weight"):
            assert page.locator(f"[data-test={shown}]").first.is_visible(), shown
        course = "getComputedStyle(document.querySelector('.course'))"
        colors = page.evaluate(f"[{course}.color, {course}.backgroundColor]")
        assert colors == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
        page.emulate_media(media="screen")


@pytest.mark.parametrize(
    "phone", [pytest.param(False, id="desk", marks=pytest.mark.slow), pytest.param(True, id="phone")]
)
def test_everybody_can_use_it(pages: Pages, phone: bool):
    with pages.open(
        "draw", phone=phone, theme="dark" if phone else "light", state={"course": "neuron"}
    ) as page:
        page.wait_for_selector("[data-test=course-reveal]:visible")
        page.click("[data-test=course-reveal]")
        settle(page)
        assert faults(page, "en") == []
        assert not phone or touch_faults(page) == []
        page.locator("[data-test=course-next]").focus()
        page.keyboard.press("Enter")
        settle(page)
        assert state(page, "course") == "weight"
        assert page.evaluate("document.activeElement.dataset.test") == "course-title"


def test_answers_are_remembered(pages: Pages):
    """By the browser alone, until they are forgotten; a list that is none counts as empty."""
    with pages.open("draw") as page:
        page.evaluate("localStorage.clear()")
        page.evaluate("window.chainrule.store.set({ screen: 'course' })")
        assert page.locator("[data-test=course-progress]").count() == 0
        page.click("[data-test=course-begin]")
        settle(page)
        right = expected(page, "network")
        page.fill("[data-test=course-guess]", str(right))
        page.click("[data-test=course-check]")
        assert page.locator("[data-test=course-verdict]").get_attribute("data-verdict") == "right"
        page.click("[data-test=course-contents]")
        assert page.locator("[data-test=course-progress]").inner_text().startswith("1 of 20 questions")
        assert page.locator("[data-step=network] .course-solved").count() == 1
        assert page.locator(".course-solved").count() == 1
        page.click("[data-test=course-forget]")
        assert page.locator("[data-test=course-progress]").count() == 0
        assert page.evaluate("localStorage.getItem('chainrule.course')") == "[]"
        page.evaluate("localStorage.setItem('chainrule.course', '{\"a\": 1}')")
        page.evaluate("window.chainrule.store.set({ screen: 'draw' })")
        page.evaluate("window.chainrule.store.set({ screen: 'course' })")
        assert page.locator("[data-test=course-list] li").count() == 20
        assert page.locator("[data-test=course-progress]").count() == 0
