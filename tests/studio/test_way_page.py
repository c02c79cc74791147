"""The way through the screens: where each begins, what Backpropagation is about, and what an address opens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.studio.screens.backprop.walks import by_loss
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from small_studios import bright_rows, small_classifier
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser
HOSTILE = ("__proto__", "constructor", "toString", "valueOf", "hasOwnProperty")
BEGINS = """() => ({ y: scrollY, tag: document.activeElement.tagName, text: document.activeElement.textContent,
  screen: document.querySelector('.screen').dataset.screen })"""


@pytest.fixture(scope="module")
def studio() -> Studio:
    """A network that misreads a few of 100 pictures, and reads the first one rightly."""
    data = bright_rows(0.4)
    return Studio(small_classifier(data, epochs=5), data, name="rows")


@pytest.fixture(scope="module")
def pages(browser: Any, studio: Studio) -> Iterator[Pages]:
    with studio_pages(browser, studio) as pages:
        yield pages


def state(page: Any, key: str) -> Any:
    return page.evaluate(f"window.chainrule.store.get('{key}')")


def walked(page: Any) -> None:
    page.wait_for_selector("[data-test=weight] [data-test=gradient]")
    settle(page)


def begins(page: Any, screen: str, title: str) -> None:
    """The screen on show is at its top, and its name has the focus."""
    page.wait_for_selector(f".screen[data-screen={screen}]")
    settle(page)
    assert page.evaluate(BEGINS) == {"y": 0, "tag": "H1", "text": title, "screen": screen}


def ranked(studio: Studio) -> Any:
    part = studio.data.test
    assert part is not None
    return by_loss(studio.model, part.X, part.y)


@pytest.mark.slow
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_screen_begins_at_its_top(pages: Pages, phone: bool):
    """By the menu, a link within a screen, a step of the course and the browser's arrows."""
    with pages.open("backprop", phone=phone, motion=True) as page:
        walked(page)
        for screen, title in (("glossary", "Glossary"), ("backprop", "Backpropagation"), ("draw", "Draw")):
            page.evaluate("scrollTo(0, 1500)")
            page.locator(f"nav [data-screen={screen}]").click()
            begins(page, screen, title)
        page.evaluate("scrollTo(0, 300)")
        for screen, title, go in (
            ("backprop", "Backpropagation", page.go_back),
            ("glossary", "Glossary", page.go_back),
            ("backprop", "Backpropagation", page.go_forward),
        ):
            go()
            begins(page, screen, title)
            page.evaluate("scrollTo(0, 1500)")
        page.locator("nav [data-screen=course]").click()
        page.locator("[data-step=layer] button").click()
        begins(page, "draw", "Draw")
        page.evaluate("scrollTo(0, 300)")
        page.locator("[data-test=course-next]").click()
        begins(page, "backprop", "Backpropagation")
        page.evaluate("scrollTo(0, 1500)")
        page.locator("[data-test=course-next]").click()  # of the same screen
        settle(page)
        assert page.evaluate(BEGINS)["y"] == 0
        assert page.evaluate("document.activeElement.dataset.test") == "course-title"
        page.locator("[data-test=course-leave]").click()


@pytest.mark.slow
def test_the_browsers_arrows_lead_through_the_screens(pages: Pages):
    """An entry is a screen or a step of the course, whatever else changes on it; a language and a theme stay."""
    with pages.open("draw") as page:
        entries = page.evaluate("history.length")
        page.locator("nav [data-screen=backprop]").click()
        walked(page)
        page.evaluate("window.chainrule.store.set({ 'backprop.step': 3, lang: 'zh' })")
        settle(page)
        page.evaluate("window.chainrule.store.set({ course: 'loss' })")
        settle(page)
        assert page.evaluate("history.length") == entries + 2
        assert page.locator("[data-test=course]").is_visible()
        page.go_back()
        page.wait_for_selector("[data-test=course]", state="hidden")
        settle(page)
        assert state(page, "screen") == "backprop" and state(page, "backprop.step") == 3
        page.go_back()
        page.wait_for_selector(".screen[data-screen=draw]")
        settle(page)
        assert state(page, "theme") == "light"
        page.go_forward()
        page.wait_for_selector(".screen[data-screen=backprop]")
        page.go_forward()
        page.wait_for_selector("[data-test=course]")
        settle(page)
        assert state(page, "course") == "loss"
        page.locator("[data-test=course-leave]").click()


@pytest.mark.slow
def test_backpropagation_begins_with_a_mistake(pages: Pages, studio: Studio):
    """Unless a sample was chosen: the one that lies on Draw, or on Why, is nobody's choice."""
    worst = int(ranked(studio).order[0])
    assert studio.model.predict(studio.data.test.X[:1])[0] == studio.data.test.y[0] and worst != 0  # type: ignore[union-attr]
    for before in ("draw", "why"):
        with pages.open(before) as page:
            page.wait_for_function("() => window.chainrule.store.get('sample')?.index === 0")
            page.locator("nav [data-screen=backprop]").click()
            walked(page)
            assert page.input_value("[data-test=sample]") == str(worst), before
            assert "taken for" in page.locator("[data-test=question]").inner_text()
    with pages.open("draw", state={"sample.index": 0}) as page:
        page.wait_for_function("() => window.chainrule.store.get('sample')?.index === 0")
        page.locator("nav [data-screen=backprop]").click()
        walked(page)
        assert page.input_value("[data-test=sample]") == "0"
    with pages.open("draw") as page:
        page.locator("[data-test=sample]").nth(2).click()
        chosen = page.locator("[data-test=sample]").nth(2).get_attribute("data-index")
        settle(page)
        page.locator("nav [data-screen=backprop]").click()
        walked(page)
        assert page.input_value("[data-test=sample]") == chosen


def test_a_drawing_is_asked_about_the_second_likeliest(pages: Pages, studio: Studio):
    with pages.open("draw") as page:
        page.locator("[data-test=clear]").click()
        box = page.locator("[data-test=pad]").bounding_box()
        page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.06 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.06 * box["height"], steps=5)
        page.mouse.up()
        settle(page)
        x = np.array(page.evaluate("Array.from(window.chainrule.store.get('sample').x)"))
        said, other = (int(k) for k in np.argsort(-studio.model.outputs(x[None])[0])[:2])
        page.locator("nav [data-screen=backprop]").click()
        walked(page)
        assert page.locator("[data-test=question]").inner_text() == f"Taken for {said}: and if it is {other}?"
        assert page.input_value("[data-test=target]") == str(other)
        loss = float(state(page, "shown.backprop")["walk"]["loss"])
        assert loss == pytest.approx(float(studio.model.trace(x, other).loss), rel=1e-4) and loss > np.log(2)
        page.select_option("[data-test=target]", str(said))
        settle(page)
        assert "Taken for" not in page.locator("[data-test=question]").inner_text()


@pytest.mark.slow
def test_the_steps_ask_about_a_mistake(pages: Pages, studio: Studio):
    """A sample that is read rightly gives way to a mistake; one that an address names, or that is misread, stays."""
    order = [int(row) for row in ranked(studio).order]
    with pages.open("draw", state={"sample.index": 0}) as page:
        page.wait_for_function("() => window.chainrule.store.get('sample')?.index === 0")
        page.evaluate("window.chainrule.store.set({ course: 'loss' })")
        walked(page)
        assert state(page, "backprop.sample") == order[0]
        page.locator("[data-test=next-mistake]").click()
        walked(page)
        page.locator("[data-test=course-next]").click()
        walked(page)
        assert state(page, "course") == "downhill" and state(page, "backprop.sample") == order[1]
        page.locator("[data-test=sample]").fill("0")
        page.keyboard.press("Enter")
        walked(page)
        assert state(page, "shown.backprop")["walk"]["rows"] == [0]
        page.evaluate("window.chainrule.store.set({ course: 'own' })")
        page.wait_for_function(
            f"() => window.chainrule.store.get('shown.backprop')?.walk.rows[0] === {order[0]}"
        )
    with pages.open("backprop", state={"course": "own", "backprop.sample": 0}) as page:
        walked(page)
        assert state(page, "shown.backprop")["walk"]["rows"] == [0]


@pytest.mark.slow
def test_mistakes_are_counted_for_the_weights_on_show(pages: Pages):
    """And counted again when others are on show; the weight that nobody chose is never a dead one."""
    data = bright_rows(0.4)
    late, early = (small_classifier(data, epochs=epochs) for epochs in (5, 1))
    studio = Studio(early, data, name="rows")
    with studio_pages(pages.browser, studio) as others, others.open("backprop") as page:
        walked(page)
        context = page.locator(".context")
        assert f"of {ranked(studio).mistakes} mistakes among 100" in context.inner_text()
        row = state(page, "backprop.sample")
        page.keyboard.press("ArrowRight")  # this sample is the reader's now
        studio.show_model(late, "rows")
        place = np.flatnonzero(ranked(studio).order == row)
        assert ranked(studio).mistakes < ranked(Studio(early, data)).mistakes
        page.wait_for_function(
            "() => window.chainrule.store.get('shown.backprop').walk.network.model.steps > 10"
        )
        settle(page)
        assert f"{ranked(Studio(early, data)).mistakes} mistakes" not in context.inner_text()
        if len(place):
            page.wait_for_function(
                f"() => document.querySelector('.context').textContent.includes('Number {place[0] + 1} of"
                f" {ranked(studio).mistakes} mistakes')"
            )
        dead = small_classifier(data, epochs=5)
        weight = state(page, "weight")
        dead.parameters["dense_1"].b[weight["j"]] = -1e3  # the neuron gives out nothing any more
        studio.show_model(dead, "rows")
        page.wait_for_function(f"() => window.chainrule.store.get('weight').j !== {weight['j']}")
        walked(page)
        assert float(page.locator("[data-test=gradient]").first.get_attribute("data-value")) != 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "key",
    [
        "screen",
        "course",
        *(
            pytest.param(key, marks=pytest.mark.slow)
            for key in ("lang", "theme", "draw.view", "why.target", "neuron")
        ),
    ],
)
def test_names_of_every_object_are_none_of_the_pages(pages: Pages, key: str):
    with pages.open("draw") as page:
        for name in HOSTILE:
            page.evaluate("hash => { location.hash = hash; }", f"#{key}={name}")
            settle(page)
            assert page.locator("main h1").inner_text() == "Draw", name
            assert page.locator(".screen").inner_text().strip() and not state(page, "course"), name
    with pages.open(
        "draw", state={"screen": HOSTILE[0], "__proto__": '{"lang":"zh"}'} | {key: HOSTILE[1]}
    ) as page:
        assert page.locator("main h1").inner_text() == "Draw"


STEPS = ("own", "zoom", "delta", "gradient", "activation", "loss", "downhill", "layer")


@pytest.mark.slow
def test_an_address_opens_its_step_after_the_chain(pages: Pages, studio: Studio):
    """In the same tab and in another one: the question is about the network on show, and the screen has its numbers."""
    with pages.open("backprop", state={"course": "chain"}) as page:
        for step in STEPS:
            page.evaluate("location.hash = '#course=chain'")
            page.wait_for_selector("[data-test=lines] [data-test=line-weight]")
            page.wait_for_selector("[data-test=course-reveal]:visible")
            assert studio.example == "lesson" and state(page, "model")["inputs"] == 1
            page.evaluate(f"location.hash = '#course={step}&lang=en'")
            page.wait_for_function("() => window.chainrule.store.get('model').name === 'rows'")
            page.wait_for_selector("[data-test=course-reveal]:visible")
            settle(page)
            asked = page.locator("[data-test=course-question]")
            asked.filter(has_not_text="w₃").wait_for()
            question = asked.inner_text()
            assert state(page, "course") == step and "w₃" not in question and "last layer" not in question
            assert studio.example is None and not page.locator("[data-test=course-return]").is_visible()
        page.evaluate("location.hash = '#course=chain'")
        page.wait_for_function("() => window.chainrule.store.get('model').example === 'lesson'")
        other = page.context.new_page()
        other.goto(f"{pages.origin}/#course=own&lang=en")
        settle(other)
        other.wait_for_function("() => window.chainrule.store.get('model').name === 'rows'")
        other.wait_for_selector("[data-test=course-reveal]:visible")
        other.locator("[data-test=course-question]", has_text="dense_1.W").wait_for()
        other.close()
        page.wait_for_selector(
            "[data-test=course-return]"
        )  # the chain is gone here too, and the step says so
        page.click("[data-test=course-return]")
        page.wait_for_selector("[data-test=lines] [data-test=line-weight]")
        page.wait_for_selector("[data-test=course-reveal]:visible")
        page.click("[data-test=course-leave]")
        page.wait_for_function("() => window.chainrule.store.get('model').name === 'rows'")


def test_a_run_goes_on_behind_the_chain(pages: Pages):
    """Its newest network is on show when the chain is not any more."""
    data = bright_rows(0.4)
    studio = Studio(small_classifier(data, epochs=1), data, name="rows")
    find("backprop.example")(studio, {})
    newest = small_classifier(data, epochs=2)
    studio.show_newest(newest, "newest", data)
    assert studio.name == "1-1-1-1-1"
    find("backprop.example_end")(studio, {})
    assert studio.model is newest and studio.name == "newest" and studio.data is data
