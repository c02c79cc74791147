"""The studio without a server: the engine in the page, whose numbers and answers are those of the library."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pytest

import a11y
from chainrule import (
    Adam,
    Dense,
    FormatError,
    Model,
    Network,
    OneCycle,
    ReLU,
    Rescale,
    SoftmaxCrossEntropy,
    load,
)
from chainrule.core.random import generator
from chainrule.datasets import load_mnist
from chainrule.lab.vanishing import ARMS, BATCH_SIZE, WATCHED, WIDTH, make_network
from chainrule.recipe.data import from_arrays
from chainrule.studio import screens
from chainrule.studio.page.assets import modules
from chainrule.studio.page.static import POLICY, build, facts, write_part
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from chainrule.trained.persistence import encode
from static_pages import TEST, TRAIN, StaticPages, ask, built_page, first, static_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

assert screens.__name__, "its import registers the commands"

pytestmark = pytest.mark.browser
METHODS = ("saliency", "input_x_gradient", "integrated_gradients", "epsilon_lrp", "deep_lift", "occlusion")
EXPECTED = "() => Number(document.querySelector('[data-test=course-answer] p').dataset.expected)"
"""The number that a step of the course asks for."""
FREE = {"why.method": ("sentence", "code", "error", "relative_error"), "why.proof": ("low", "high")}
"""Parts that differ: the page has no sentences, errors are rounding, and bounds allow for it a little differently."""


@pytest.fixture(scope="module")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticPages]:
    with static_pages(browser, built_page(tmp_path_factory.mktemp("page"))) as found:
        yield found


def trained() -> Model:
    """The first network of the page, by the library."""
    train, test = (first(part, n) for part, n in zip(load_mnist(), (TRAIN, TEST), strict=True))
    layers = [Rescale(1 / 255), Dense(128), ReLU(), Dense(32), ReLU(), Dense(10)]
    model = Model(Network(784, layers, SoftmaxCrossEntropy()), seed=0)
    model.fit(
        train.X,
        train.y,
        epochs=3,
        batch_size=128,
        optimizer=Adam(0.005),
        schedule=OneCycle(),
        validation_data=(test.X, test.y),
    )
    return model


def studio_of(model: Model) -> Studio:
    """A studio whose samples are those of the page."""
    train, test = (first(part, n) for part, n in zip(load_mnist(), (TRAIN, TEST), strict=True))
    data = from_arrays(train.X, train.y)._replace(name="mnist", source="mnist", train=train, test=test)
    return Studio(model, data, name="mnist 784-128-32-10")


def differences(found: Any, expected: Any, at: str = "") -> Iterator[str]:
    """Where an answer of the page is not that of the server: numbers to 1e-4, all else alike."""
    if isinstance(expected, np.ndarray) and expected.dtype != np.bool_:
        values = np.array([np.nan if v is None else v for v in found["array"]], np.float64)
        shape = found["shape"] or [len(values)]
        if list(expected.shape) != list(shape):
            yield f"{at}: {shape} is not {expected.shape}"
        elif not np.allclose(values, expected.ravel(), rtol=1e-4, atol=1e-5, equal_nan=True):
            yield f"{at}: {np.abs(values - expected.ravel()).max()}"
    elif isinstance(expected, dict):
        if expected.keys() != found.keys():
            yield f"{at}: {sorted(expected.keys() ^ found.keys())}"
        for key in expected.keys() & found.keys():
            yield from differences(found[key], expected[key], f"{at}.{key}")
    elif isinstance(expected, (list, tuple, np.ndarray)):
        if len(expected) != len(found):
            yield f"{at}: {len(found)} items, not {len(expected)}"
        for k, (one, two) in enumerate(zip(found, expected, strict=False)):
            yield from differences(one, two, f"{at}[{k}]")
    elif isinstance(expected, (int, float)) and not isinstance(expected, bool) and found is not None:
        if not np.isclose(found, expected, rtol=1e-4, atol=1e-6):
            yield f"{at}: {found} is not {expected}"
    elif found != expected and not alike(found, expected):
        yield f"{at}: {found!r} is not {expected!r}"


def alike(found: Any, expected: Any) -> bool:
    """Whether two texts differ only in how they write the same numbers."""
    if not isinstance(found, str) or not isinstance(expected, str):
        return False
    parts = [re.split(r"([-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)", text) for text in (found, expected)]
    numbers = [[float(number.replace("−", "-")) for number in each[1::2]] for each in parts]
    return parts[0][::2] == parts[1][::2] and np.allclose(*numbers, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_it_learns_reads_a_drawing_and_leads_to_its_chain_rule(pages):
    with pages.open() as page:
        assert float(page.locator("[data-test=score]").get_attribute("data-value")) > 0.85
        policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
        assert policy == POLICY and "unsafe-inline" not in policy
        pad = page.locator("[data-test=pad]").bounding_box()
        x, y, side = pad["x"], pad["y"], pad["width"]
        page.mouse.move(x + 0.5 * side, y + 0.15 * side)
        page.mouse.down()
        page.mouse.move(x + 0.5 * side, y + 0.85 * side, steps=6)
        page.mouse.up()
        page.evaluate("window.chainrule.idle()")
        assert page.locator("[data-test=prediction]").get_attribute("data-value") == "1"
        page.locator("[data-go=backprop]").click()
        page.locator("[data-test=relative]").wait_for()
        assert float(page.locator("[data-test=relative]").get_attribute("data-value")) < 1e-6
        assert "sample.drawn=" in page.evaluate("location.hash")


@pytest.mark.slow
def test_its_network_is_that_of_the_library_and_its_answers_those_of_the_server(pages):
    model = trained()
    with pages.open() as page:
        shown = ask(page, "model.get")["model"]
        for name, values in shown["arrays"].items():
            link, field = name.split(".")
            own = getattr(model.parameters[link], field)
            np.testing.assert_allclose(np.reshape(values["array"], own.shape), own, atol=2e-3)
            own[...] = np.reshape(values["array"], own.shape)
        studio = studio_of(model)
        asked: list[tuple[str, dict[str, Any]]] = [
            ("data.get", {}),
            ("data.samples", {"rows": [3, 9]}),
            ("backprop.mistake", {}),
            ("why.sample", {"row": 8}),
            ("why.mistake", {"after": 3}),
            *(("why.method", {"method": kind, "row": 8}) for kind in METHODS),
            ("why.method", {"method": "integrated_gradients", "row": 8, "target": "3", "against": "5"}),
            *(
                ("why.proof", {"row": 8, "radius": radius, "ends": [0.0, 255.0]})
                for radius in (0.5, 2.0, 8.0)
            ),
            ("neurons.layer", {"layer": "dense_2"}),
            ("neurons.one", {"layer": "dense_1", "neuron": 5}),
            ("neurons.importance", {"layer": "dense_2"}),
            ("neurons.try", {"edits": [{"do": "ablate", "layer": "dense_1", "neuron": 5, "to": "mean"}]}),
        ]
        for name, arguments in asked:
            found, expected = ask(page, name, **arguments), find(name)(studio, arguments)
            for free in FREE.get(name, ()):
                expected[free] = found[free]
            assert list(differences(found, expected, name)) == []
        radii = {"row": 8, "unit": 1.0, "ends": [0.0, 255.0]}
        farthest = [ask(page, "why.proven", **radii)["radius"], find("why.proven")(studio, radii)["radius"]]
        assert farthest[0] == pytest.approx(farthest[1], rel=0.03) and farthest[1] > 0
        for sample in ({"sample": 8}, {"sample": 8, "label": 3}, {"sample": 4, "n": 6}):
            walk, other = ask(page, "backprop.walk", **sample), find("backprop.walk")(studio, sample)
            assert list(differences(walk, other | {"walk": walk["walk"]}, "walk")) == []
            places = [("dense_1.W", [405, 48]), ("dense_2.W", [58, 6]), ("dense_3.b", [3])]
            for name, index in [*places, ("input", [300] if walk["n"] == 1 else [1, 300])]:
                number = {"name": name, "index": index, "terms": 3, "nodes": 8}
                found = ask(page, "backprop.weight", walk=walk["walk"], **number)
                expected = find("backprop.weight")(studio, {"walk": other["walk"], **number})
                # the errors of the difference and of its agreement are rounding alone
                free = {
                    "walk": walk["walk"],
                    "relative": found["relative"],
                    "difference": found["difference"],
                }
                assert list(differences(found, expected | free, name)) == []
                assert found["difference"]["value"] == pytest.approx(found["value"], rel=1e-6, abs=1e-12)
            rate = {"rate": 0.01}
            found = ask(page, "backprop.update", walk=walk["walk"], **rate)
            expected = find("backprop.update")(studio, {"walk": other["walk"], **rate})
            assert list(differences(found["parameters"], expected["parameters"], "update")) == []
            assert found["after"] == pytest.approx(expected["after"], rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_what_it_answers_is_what_its_screens_are_told(pages):
    with pages.open("glossary", **{"train.form": '{"seed":5,"epochs":1}'}) as page:
        assert ask(page, "model.get")["model"]["seed"] == 5
        assert '"seed":5' in unquote(page.evaluate("location.hash")), "kept on every screen"
        known = ask(page, "play.commands")["commands"]
        listed = re.search(r"const COMMANDS = \[(.+?)\];", modules()["play/main.js"], re.DOTALL)
        assert listed is not None and sorted(re.findall(r"'([\w.]+)'", listed[1])) == sorted(known)


@pytest.mark.slow
def test_gradients_vanish_as_in_the_laboratory(pages):
    """The deep sigmoid network's gradient is lost on its way to the first layer, that of ReLU with batch norm not."""
    arms = {"arms": ["sigmoid", "relu_batch_norm", "sigmoid_skip"], "depth": 10, "budget": 0.1, "seed": 3}
    with pages.open("glossary") as page:
        started = ask(page, "vanishing.start", **arms)["run"]
        rows = generator(3, "shuffle", 0).permutation(TRAIN)[: 12 * BATCH_SIZE]
        X, y = (part[rows] for part in (first(load_mnist()[0], TRAIN).X, load_mnist()[0].y))
        run = started
        while run["running"]:
            page.wait_for_timeout(50)
            run = ask(page, "vanishing.get")["run"]
        assert run["id"] == started["id"] and all(arm["done"] and arm["error"] is None for arm in run["arms"])
        for arm in run["arms"]:
            model = Model(make_network(ARMS[arm["name"]](10, WIDTH)), seed=3)
            flow = model.gradient_flow(X[:WATCHED], y[:WATCHED], samples=None)
            assert arm["facts"]["ratio"] == pytest.approx(flow.layers[0].delta_ratio, rel=1e-2)
        lost, kept, _ = (arm["facts"]["ratio"] for arm in run["arms"])
        assert lost < 1e-4 < 1e-2 < kept


@pytest.mark.slow
def test_a_small_network_learns_without_backpropagation_too(pages):
    """It reads fewer test images than with it, as the screen says in both languages; and the step of the course."""
    chosen = {"without_backprop.passes": "1000"}
    for lang, words in (("en", "backpropagation reads"), ("zh", "反向傳播認對")):
        with pages.open("without_backprop", lang=lang, **chosen) as page:
            page.click("[data-test=start]")
            page.wait_for_function("() => document.querySelector('[data-test=ending]').textContent")
            assert words in page.locator("[data-test=ending]").inner_text()
            rows = page.locator("[data-test=methods] tbody tr")
            accuracy = rows.locator("[data-column=accuracy]").evaluate_all(
                "all => all.map((one) => +one.dataset.value)"
            )
            assert rows.count() == len(accuracy) == 7 and accuracy[0] == max(accuracy) > 0.4
            page.evaluate("window.chainrule.store.set({ course: 'without' })")
            page.click("[data-test=course-reveal]")
            assert page.evaluate(EXPECTED) == 980


@pytest.mark.slow
def test_models_go_both_ways(pages, tmp_path: Path):
    train, test = (first(part, 500) for part in load_mnist())
    own = Model(Network(784, [Rescale(1 / 255), Dense(16), ReLU(), Dense(10)], SoftmaxCrossEntropy()), seed=3)
    own.fit(train.X, train.y, epochs=1, validation_fraction=None)
    own.save(tmp_path / "own.safetensors")
    with pages.open("train") as page:
        with page.expect_download() as saving:
            page.locator("[data-test=save]").click()
        saving.value.save_as(tmp_path / "saved.safetensors")
        found = load(tmp_path / "saved.safetensors")
        shown = ask(page, "model.get")["model"]
        W = found.parameters["dense_2"].W
        assert W.ravel().tolist() == shown["arrays"]["dense_2.W"]["array"]
        assert found.classes.tolist() == list(range(10)) and found.epochs_trained == 3
        assert found.evaluate(test.X, test.y, metrics=["accuracy"])["accuracy"] > 0.85

        page.locator("[data-key=files]").click()
        page.locator("[data-test=file]").set_input_files(tmp_path / "own.safetensors")
        page.wait_for_function("() => window.chainrule.store.get('model').name === 'own'")
        out = page.evaluate(
            """(x) => {
              const network = window.chainrule.store.get('network');
              return Array.from(network.answer(network.forward(x).at(-1).a));
            }""",
            test.X[7].tolist(),
        )
        assert out == pytest.approx(own.predict_proba(test.X[7:8])[0].tolist(), abs=1e-5)


@pytest.mark.slow
def test_a_table_of_ones_own(pages, tmp_path: Path):
    rng = np.random.default_rng(0)
    area, city = rng.uniform(20, 200, 300), rng.choice(["Taipei", 'the "old" town, south'], 300)
    price = 3 * area + 90 * (city == "Taipei") + rng.normal(0, 5, 300)
    cells = [
        f'{a:.1f},"{c.replace(chr(34), chr(34) * 2)}",{p:.2f}'
        for a, c, p in zip(area, city, price, strict=True)
    ]
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(["area,city,price", *cells]) + "\n", "utf-8")
    with pages.open("train") as page:
        page.locator("[data-key=files]").click()
        page.locator("[data-test=file]").set_input_files(path)
        page.wait_for_function("() => window.chainrule.store.get('data').name === 'houses'")
        assert ask(page, "data.get")["data"]["target"] == "price"
        page.locator("[data-test=start]").click()
        page.wait_for_function("() => document.querySelector('.screen').dataset.state === 'done'")
        record = ask(page, "train.state")["records"][-1]
        assert record["test_rmse"] < 0.2 * price.std()
        page.evaluate("window.chainrule.store.set({ screen: 'draw' })")
        page.locator("[data-test=prediction]").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize(("phone", "lang", "theme"), [(False, "zh", "dark"), (True, "en", "light")])
def test_everybody_can_use_every_screen(pages, phone, lang, theme):
    found = {}
    with pages.open(phone=phone, lang=lang, theme=theme) as page:
        for screen in page.locator("nav.screens [data-screen]").evaluate_all(
            "all => all.map((one) => one.dataset.screen)"
        ):
            page.evaluate("screen => window.chainrule.store.set({ screen })", screen)
            page.evaluate("window.chainrule.idle()")
            wrong = a11y.faults(page, {"en": "en", "zh": "zh-Hant-TW"}[lang]) + a11y.axe_faults(page)
            found[screen] = wrong + (a11y.touch_faults(page) if phone else [])
    assert len(found) == 11 and not any(found.values()), found


def tab_to(page: Page, selector: str) -> None:
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


@pytest.mark.slow
def test_keys_alone_suffice(pages):
    """A digit is drawn and read, the steps back lead to its chain rule, and another network is trained."""
    with pages.open() as page:
        page.locator(".screen[data-state=done]").wait_for()  # the controls are others while it trains
        assert a11y.keyboard_faults(page) == []
        tab_to(page, "[data-test=pad]")
        for key in [*["ArrowUp"] * 9, *["Shift+ArrowDown"] * 18]:
            page.keyboard.press(key)
        page.evaluate("window.chainrule.idle()")
        assert page.locator("[data-test=prediction]").get_attribute("data-value") == "1"
        tab_to(page, "[data-go=backprop]")
        page.keyboard.press("Enter")
        page.locator("[data-test=relative]").wait_for()
        tab_to(page, "nav [data-screen=play]")
        page.keyboard.press("Enter")
        page.locator("[data-size=small]").wait_for()
        tab_to(page, "[data-size=small]")
        page.keyboard.press("Enter")
        page.wait_for_function("() => chainrule.store.get('model').size === 784 * 16 + 16 + 16 * 10 + 10")
        page.locator(".screen[data-state=done]").wait_for()


def test_the_builder_says_what_is_missing(tmp_path: Path):
    with pytest.raises(FormatError, match="make web"):
        build(tmp_path / "page", tmp_path)
    part = write_part(tmp_path, "train", first(load_mnist()[0], 40))
    assert part["n"] == 40 and [n for _, n, _ in part["files"]] == [40]


def test_the_facts_are_the_librarys():
    found = json.loads(json.dumps(facts()))
    assert {"adam", "adamw", "nadam", "amsgrad"} <= set(found["adam"]) and "sgd" not in found["adam"]
    arms = found["vanishing"]["arms"]
    assert arms.keys() == ARMS.keys()
    for arm, layers in ARMS.items():
        assert [*arms[arm]["first"], *2 * arms[arm]["more"]] == list(map(encode, layers(3, WIDTH)))


@pytest.mark.slow
def test_the_course(pages: StaticPages):
    """Every step, with the numbers of the page's network; the chain of four is on show in its place meanwhile."""
    with pages.open("course") as page:
        assert page.locator(".course-entry:not(:has(button))").count() == 0
        page.click("[data-test=course-begin]")
        for number in (784 * 128, None, None, 128 * 127, pytest.approx(np.log(2)), None, 24):
            page.wait_for_selector("[data-test=course-reveal]:visible")
            page.click("[data-test=course-reveal]")
            assert number is None or page.evaluate(EXPECTED) == number
            is_chain = page.evaluate("window.chainrule.store.get('model').example") == "lesson"
            assert is_chain == (number == 24)
            page.click("[data-test=course-next]")
        page.wait_for_function("() => window.chainrule.store.get('model').inputs === 784")
        page.locator("[data-test=course-question]", has_text="dense_1.W").wait_for()
        assert page.locator("[data-test=course-reveal]").is_visible()


@pytest.mark.slow
def test_the_lines_of_a_chain_are_those_of_the_server(pages: StaticPages):
    """Formulas, letters and numbers of both chains; the network that has been trained meanwhile comes back."""
    studio = Studio()
    with pages.open("glossary") as page:
        before = ask(page, "model.get")["model"]
        for kind in ("lesson", "sigmoid"):
            ask(page, "backprop.example", kind=kind)
            find("backprop.example")(studio, {"kind": kind})
            assert ask(page, "data.samples", rows=[0, 5])["X"]["array"] == [2, 1.5]
            for sample in (0, 3):
                walk, other = (
                    ask(page, "backprop.walk", sample=sample),
                    find("backprop.walk")(studio, {"sample": sample}),
                )
                assert list(differences(walk, other | {"walk": walk["walk"]}, "walk")) == []
                lines = ask(page, "backprop.chain", walk=walk["walk"], rate=0.1)
                expected = find("backprop.chain")(studio, {"walk": other["walk"], "rate": 0.1})
                for line, theirs in zip(lines["weights"], expected["weights"], strict=True):
                    assert line["relative"] < 1e-8  # rounding
                    theirs["relative"] = line["relative"]
                assert list(differences(lines, expected, kind)) == []
        ask(page, "backprop.example_end")
        assert ask(page, "model.get")["model"] == before
        with pytest.raises(Exception, match="no model to restore"):
            ask(page, "backprop.example_end")


# Another address, and before its event a change of the state, with which the page writes its own address.
GO_AND_WRITE = """(step) => {
  const { store } = window.chainrule;
  location.hash = `#course=${step}`;
  store.set({ theme: store.get('theme') === 'light' ? 'dark' : 'light' });
}"""


@pytest.mark.slow
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_door_leads_to_the_top_of_a_mistake(pages: StaticPages, phone: bool):
    """From the foot of the first screen, and over Draw; an address opens its step in the same page."""
    with pages.open(phone=phone) as page:
        for go in ("[data-go=backprop]", "nav [data-screen=draw]", "nav [data-screen=backprop]"):
            page.evaluate("scrollTo(0, 1e6)")
            page.locator(go).click()
            page.evaluate("window.chainrule.idle()")
            assert page.evaluate("[scrollY, document.activeElement.tagName]") == [0, "H1"]
            if "backprop" in go:
                page.locator("[data-test=relative]").wait_for()
                assert "taken for" in page.locator("[data-test=question]").inner_text()
                gradient = page.locator("[data-test=gradient]").first.get_attribute("data-value")
                assert abs(float(gradient or 0)) > 0.01
        for step in ("chain", "own", "chain", "delta", "neuron"):
            page.evaluate(GO_AND_WRITE, step)
            is_chain = str(step == "chain").lower()
            page.wait_for_function(
                f"() => (window.chainrule.store.get('model').example === 'lesson') === {is_chain}"
            )
            page.wait_for_selector("[data-test=course-reveal]:visible")
            assert page.evaluate("window.chainrule.store.get('course')") == step
            assert page.evaluate("scrollY") == 0
