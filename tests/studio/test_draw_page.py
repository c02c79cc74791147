"""The screen Draw: the network that runs in the page is the model, and what it shows are its numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule import (
    Dense,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    Skip,
    Softmax,
    SoftmaxCrossEntropy,
    Standardize,
)
from chainrule.datasets import Dataset, center_digit, load_mnist
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.recipe.data import Data, from_arrays, load
from chainrule.studio.session.studio import Studio
from chainrule.trained.persistence import LAYERS
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser
VIEW = "document.querySelector('[data-test=network]').view"
SHOW = f"""async (x) => {{
  const {{ store }} = chainrule, main = document.querySelector('script').src;
  const {{ passOf }} = await import(new URL('layers.js', main));
  {VIEW}.show(passOf(store, store.get('network'), x));
}}"""
"""The picture of other inputs than the screen's."""


@pytest.fixture(scope="module")
def digits() -> Studio:
    train, _ = load_mnist()
    model = Model(
        Network(
            784, [Rescale(1 / 255), Dense(24), ReLU(), Dense(12), ReLU(), Dense(10)], SoftmaxCrossEntropy()
        ),
        dtype="float32",
        seed=0,
    )
    model.fit(train.X[:2000], train.y[:2000], epochs=4, optimizer="adam")
    return Studio(model, load("mnist"), name="digits")


@pytest.fixture(scope="module")
def pages(browser, digits):
    with studio_pages(browser, digits) as pages:
        yield pages


def stroke(page, points: list[tuple[float, float]]) -> None:
    """Draw through points of the pad, in shares of its sides."""
    box = page.locator("[data-test=pad]").bounding_box()
    for k, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4 if k else 1)
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    settle(page)


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def sample(page) -> np.ndarray:
    return np.array(page.evaluate("[...chainrule.store.get('sample').x]"), np.float32)


def forward(page, x) -> dict[str, dict[str, np.ndarray]]:
    """What the page computes of each link: what comes in, and what goes out."""
    found = page.evaluate(
        "(x) => chainrule.store.get('network').forward(x).map(({ name, from, a }) => [name, [...from], [...a]])",
        np.asarray(x, float).tolist(),
    )
    return {name: {"from": np.array(came), "a": np.array(a)} for name, came, a in found}


def layers(page) -> dict[str, np.ndarray]:
    """What goes on from each layer in the picture, by the name of its last link."""
    found = page.evaluate(
        f"""{VIEW}.scene().layers.map(({{ name, links }}, k) =>
          [[name, ...links.map((link) => link.name)].pop(), [...{VIEW}.scene().values[k].a]])"""
    )
    return {name: np.array(a) for name, a in found}


def close(found, expected) -> bool:
    return bool(np.abs(found - expected).max() <= 1e-5 * max(1e-3, np.abs(expected).max()))


# --- the forward pass


def every_kind() -> Network:
    """A network with every kind of link, each activation among them, and both forms of a residual block."""
    made = [cr.LeakyReLU(0.2), cr.ELU(0.7)]
    made += [kind() for kind in ACTIVATIONS.values() if kind not in (cr.LeakyReLU, cr.ELU, Softmax)]
    chain: list[Any] = [Standardize(), cr.PiecewiseLinearEmbedding(3, 5, columns=(2, 0))]
    chain += [Dense(6), cr.BatchNorm(), cr.Dropout(0.2)]
    for activation in made:
        chain += [Dense(6), activation]
    chain += [
        cr.Scale(),
        Residual([cr.BatchNorm(), ReLU(), Dense(6), cr.Tanh()]),
        *(cr.Take([0, 2, 4, 1, 1, 5]), cr.GroupedDense(2, 3), cr.GroupedDense(3, 2, shared=True), cr.Shift()),
        Residual([Dense(5), cr.Sigmoid()]),
    ]
    chain += [
        Rescale(0.5, 0.1),
        Skip([Dense(3), cr.Tanh()]),
        cr.PReLU(),
        cr.ParametricActivation(cr.ELU(0.5)),
        cr.PeriodicEmbedding(3, columns=(1,)),
        Dense(3),
        Softmax(),
    ]
    return Network(4, chain, cr.CategoricalCrossEntropy())


def kinds(links) -> set[str]:
    return {link.layer.kind for link in links} | {
        kind for link in links for branch in link.branches for kind in kinds(branch)
    }


def test_the_page_computes_every_kind_of_link(browser):
    network = every_kind()
    assert set(LAYERS) - {"embedding"} <= kinds(
        network.links
    )  # which would have to stand where Standardize does
    rng = np.random.default_rng(0)
    X, y = rng.normal(2, 3, (120, 4)), rng.integers(0, 3, 120)
    model = Model(network, seed=1)
    model.fit(X, y, epochs=3)
    model.theta[:] += 0.3 * rng.normal(size=model.theta.size)
    with studio_pages(browser, Studio(model, name="every kind")) as pages, pages.open() as page:
        for x in X[:3]:
            x32 = x.astype(np.float32)
            trace = model.trace(x32, 0, training=False)
            found = forward(page, x32)
            for name, step in found.items():
                kind = name.rpartition("_")[0]
                assert close(
                    step["from" if kind in (*ACTIVATIONS, "parametric_activation") else "a"], trace.z[name][0]
                ), name
            assert close(found["softmax_1"]["a"], model.outputs(x32[None])[0])
            page.evaluate(SHOW, x32.tolist())
            assert {
                "piecewise_linear_embedding_1",
                "dropout_1",
                "residual_1",
                "rescale_1",
                "periodic_embedding_1",
                "softmax_1",
            } <= set(layers(page))
            for name, a in layers(page).items():
                assert close(a, trace.a[name][0]), name


@pytest.mark.slow
def test_the_page_looks_up_an_embedding(browser):
    """The forward pass, the drawing, and the screens that show a model with codes in its samples."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    X[:, 1], X[:, 3] = rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    chain = [cr.Embedding([(3, 3, 2), (1, 4, 3)]), Dense(5), cr.Tanh(), Dense(3)]
    model = Model(Network(4, chain, cr.SoftmaxCrossEntropy()), seed=1)
    model.fit(X, y, epochs=3)
    data = from_arrays(X, y, name="table")
    with studio_pages(browser, Studio(model, data, name="table")) as pages, pages.open() as page:
        for x in np.vstack([X[:5], [[0, 1.5, 0, 2], [0, -1, 0, 3]]]):
            x32 = x.astype(np.float32)
            trace, found = model.trace(x32, 0, training=False), forward(page, x32)
            assert close(found["embedding_1"]["a"], trace.z["embedding_1"][0])
            assert close(found["dense_2"]["a"], model.outputs(x32[None])[0])
            page.evaluate(SHOW, x32.tolist())
            assert close(layers(page)["embedding_1"], trace.a["embedding_1"][0])
        for screen in ("backprop", "neurons", "why"):
            with pages.open(screen) as other:
                settle(other)


@pytest.mark.slow
def test_the_screens_show_embedded_numbers(browser):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    X[:, 2] = 3.0  # a column without bins
    chain = [cr.PiecewiseLinearEmbedding(2, 4), Dense(5), cr.Tanh(), Dense(3)]
    model = Model(Network(3, chain, cr.SoftmaxCrossEntropy()), seed=1)
    model.fit(X, y, epochs=3)
    data = from_arrays(X, y, name="table")
    with studio_pages(browser, Studio(model, data, name="table")) as pages:
        for screen in ("backprop", "neurons", "why"):
            with pages.open(screen) as other:
                settle(other)
                for x in 2 * X[:5].astype(np.float32):
                    assert close(forward(other, x)["dense_2"]["a"], model.outputs(x[None])[0])


@pytest.mark.parametrize(
    ("loss", "bound", "members"),
    [
        (cr.SoftmaxCrossEntropy, None, 3),
        (cr.SigmoidCrossEntropy, None, 1),
        (cr.MeanSquaredError, 100.0, 3),
        pytest.param(cr.SoftmaxCrossEntropy, None, 1, marks=pytest.mark.slow),
        pytest.param(cr.SigmoidCrossEntropy, None, 3, marks=pytest.mark.slow),
        pytest.param(cr.MeanSquaredError, None, 1, marks=pytest.mark.slow),
        pytest.param(cr.MeanSquaredError, None, 3, marks=pytest.mark.slow),
        pytest.param(cr.MeanSquaredError, 100.0, 1, marks=pytest.mark.slow),
    ],
)
def test_the_answer_is_that_of_the_model(browser, loss, bound, members):
    """bound: the least prediction of a model of numbers, above all that the network gives."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    y = 40 + 7 * X[:, 0] if loss is cr.MeanSquaredError else (X[:, 0] > 0).astype(int)
    outputs = 2 if loss is cr.SoftmaxCrossEntropy else 1
    of_all = loss() if members == 1 else cr.MeanOverMembers(loss(), members)
    model = Model(Network(3, [Standardize(), Dense(5), cr.Tanh(), Dense(outputs * members)], of_all), seed=0)
    model.fit(X, y, epochs=5, scale_targets=loss is cr.MeanSquaredError)
    if bound is not None:
        model.target_scale = model.target_scale._replace(low=np.array([bound]), high=np.array([bound + 1]))
    with (
        studio_pages(browser, Studio(model, from_arrays(X, y, name="table"), name="table")) as pages,
        pages.open() as page,
    ):
        page.locator("[data-test=features] input[type=number]").nth(1).fill("0.75")
        settle(page)
        x = sample(page)
        assert x[1] == 0.75
        assert close(page.evaluate(f"[...{VIEW}.scene().values[0].z]"), x)
        rows = [
            float(row)
            for row in page.locator("[data-test=bars] [data-value]").evaluate_all(
                "rows => rows.map(row => row.dataset.value)"
            )
        ]
        expected = model.predict(x[None]) if loss is cr.MeanSquaredError else model.predict_proba(x[None])
        assert close(np.array(rows), np.asarray(expected, float).ravel())
        assert bound is None or rows == [bound]


# --- the pad


def test_a_drawing_becomes_what_python_makes_of_it(pages: Pages):
    with pages.open() as page:
        page.locator("[data-test=clear]").click()
        settle(page)
        assert not sample(page).any()
        stroke(page, [(0.2, 0.15), (0.75, 0.15), (0.35, 0.8)])
        height, width, text = page.evaluate(
            """() => { const { height, width, grey } = document.querySelector('[data-test=pad]').pad.greys();
              return [height, width, grey.join(' ')]; }"""
        )
        picture = np.array(text.split(), np.uint8).reshape(height, width)
        assert (picture > 0).mean() > 0.03
        assert np.abs(sample(page) - center_digit(picture)).max() <= 1
        page.locator("[data-test=keep]").check()
        settle(page)
        as_drawn = picture.reshape(28, height // 28, 28, width // 28).mean((1, 3)).ravel()
        assert np.abs(sample(page) - as_drawn).max() <= 1e-3
        page.locator("[data-test=undo]").click()
        settle(page)
        assert not sample(page).any() and page.locator("[data-test=undo]").is_disabled()


def inked(page) -> tuple[int, int, int, int]:
    """Where ink begins and ends on the pad: rows, and columns."""
    height, width, grey = page.evaluate(
        """() => { const { height, width, grey } = document.querySelector('[data-test=pad]').pad.greys();
          return [height, width, [...grey]]; }"""
    )
    rows, columns = np.nonzero(np.reshape(grey, (height, width)) > 127)
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


@pytest.mark.slow
def test_arrow_keys_draw(pages: Pages):
    """The pad has 280 x 280 pixels, its pen a width of 23, and an arrow key moves it by 10."""
    with pages.open() as page:
        page.locator("[data-test=clear]").click()
        page.locator("[data-test=pad]").focus()
        press(page, "ArrowUp", "ArrowRight")
        assert not sample(page).any(), "the pen is up"
        press(page, *["Shift+ArrowDown"] * 5)
        assert inked(page) == pytest.approx((130 - 11.5, 180 + 11.5, 150 - 11.5, 150 + 11.5), abs=1)
        assert sample(page).any()
        press(page, "ArrowLeft", "Shift+ArrowLeft")
        assert inked(page) == pytest.approx((130 - 11.5, 180 + 11.5, 130 - 11.5, 150 + 11.5), abs=1)
        for left in (True, False):
            page.locator("[data-test=undo]").click()
            settle(page)
            assert bool(sample(page).any()) is left
        page.locator("[data-test=pad]").focus()
        press(page, *["Shift+ArrowUp"] * 40)
        assert inked(page)[0] == 0, "the pen stays on the pad"


def test_centring_is_that_of_python_for_any_picture(pages: Pages):
    rng = np.random.default_rng(5)
    pictures = [
        np.full((40, 50), 30, np.uint8),
        load_mnist()[1].X[1].reshape(28, 28),
        255 - load_mnist()[1].X[2].reshape(28, 28),
    ]
    for size in ((64, 40), (35, 90), (150, 120)):
        ground, pen = rng.integers(0, 60), rng.integers(190, 250)
        picture = np.full(size, ground) + rng.integers(-6, 7, size)
        for _ in range(3):
            (r0, c0), (r1, c1) = (rng.uniform(0.15, 0.85, 2) * size for _ in range(2))
            for s in np.linspace(0, 1, 200):
                r, c = int(r0 + s * (r1 - r0)), int(c0 + s * (c1 - c0))
                picture[r - 2 : r + 3, c - 2 : c + 3] = pen
        picture[0, 0] = pen  # a speck
        picture = np.clip(picture, 0, 255).astype(np.uint8)
        pictures += [picture, 255 - picture]
    with pages.open() as page:
        for picture in pictures:
            made = page.evaluate(
                """async ([grey, height, width]) => {
                  const { centerDigit } = await import(new URL('digit.js', document.querySelector('script').src));
                  const found = centerDigit(Uint8Array.from(grey.split(' ')), height, width);
                  return found && [...found];
                }""",
                [" ".join(map(str, picture.ravel())), *picture.shape],
            )
            if made is None:
                with pytest.raises(cr.DataError):
                    center_digit(picture)
            else:
                assert np.abs(np.array(made) - center_digit(picture)).max() <= 1


def test_a_stroke_changes_the_answer_and_the_picture(pages: Pages, digits):
    with pages.open() as page:
        page.locator("[data-test=blank]").click()
        settle(page)
        before = page.locator("[data-test=bars] [data-value]").evaluate_all(
            "rows => rows.map(row => row.dataset.value)"
        )
        frames = page.evaluate("chainrule.frames")
        pixels = page.evaluate("document.querySelector('[data-test=network] canvas').toDataURL()")
        stroke(page, [(0.5, 0.15), (0.5, 0.85)])
        after = page.locator("[data-test=bars] [data-value]").evaluate_all(
            "rows => rows.map(row => row.dataset.value)"
        )
        assert before != after
        assert page.evaluate("chainrule.frames") > frames
        assert page.evaluate("document.querySelector('[data-test=network] canvas').toDataURL()") != pixels
        x = sample(page)
        assert page.locator("[data-test=prediction]").inner_text() == str(digits.model.predict(x[None])[0])
        assert float(page.locator("[data-test=latency]").get_attribute("data-value")) > 0
        assert float(page.locator("[data-test=forward]").get_attribute("data-value")) >= 0
        page.wait_for_function("() => location.hash.includes('sample.drawn')")
        page.reload()
        settle(page)
        assert np.abs(sample(page) - x).max() <= 255 / 30  # sixteen shades
        page.evaluate("chainrule.store.set({ screen: 'why' })")
        settle(page)
        assert page.locator(".why-side h2").inner_text() == "Your drawing"
        page.goto(page.url.replace("sample.drawn=", "sample.drawn=x"))
        page.reload()
        settle(page)
        assert page.locator(".why-side h2").inner_text() == "Sample 0"  # a text that is no drawing


def test_a_picture_from_a_file(pages: Pages, tmp_path):
    picture = np.full((90, 70), 235, np.uint8)
    picture[15:75, 30:38] = 20
    Image.fromarray(picture).save(tmp_path / "one.png")
    Image.fromarray(np.full((30, 30), 200, np.uint8)).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    with pages.open() as page:
        page.locator("[data-test=file]").set_input_files(tmp_path / "one.png")
        page.wait_for_function("() => chainrule.store.get('sample.index') === null")
        settle(page)
        assert np.abs(sample(page) - center_digit(picture)).max() <= 1
        for name in ("blank.png", "text.png"):
            page.locator("[data-test=file]").set_input_files(tmp_path / name)
            page.wait_for_function("() => document.querySelector('[data-test=note]').textContent !== ''")
        assert "text.png" in page.locator("[data-test=note]").inner_text()


@pytest.mark.slow
def test_a_pad_of_another_shape_is_read_cell_by_cell(browser):
    rng = np.random.default_rng(2)
    X, y = rng.integers(0, 256, (30, 48)).astype(np.uint8), rng.integers(0, 2, 30)
    model = Model(Network(48, [Rescale(1 / 255), Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy()), seed=0)
    data = Data("cells", "", "", Dataset(X, y, (6, 8)))
    with studio_pages(browser, Studio(model, data, name="cells")) as pages, pages.open(motion=True) as page:
        assert (sample(page) == X[0]).all()
        page.locator("[data-test=clear]").click()
        stroke(page, [(0.5, 0.25), (0.5, 0.26)])
        x = sample(page).reshape(6, 8)
        assert x[:, 3:5].sum() > 0.5 * x.sum() > 0 and x[4:].sum() == 0 and x.max() <= 255
        page.locator("[data-test=noise]").click()
        page.wait_for_function("() => chainrule.store.get('sample').x.filter((v) => v > 0).length > 0.9 * 48")
        page.wait_for_function(f"() => {VIEW}.scene().progress >= 3")  # the wave has run through


# --- samples


def test_samples_can_be_picked_with_the_keyboard(pages: Pages, digits):
    with pages.open() as page:
        thumb = page.locator("[data-test=sample]").nth(3)
        thumb.focus()
        page.keyboard.press("Enter")
        settle(page)
        index = int(thumb.get_attribute("data-index"))
        assert page.evaluate("chainrule.store.get('sample').index") == index
        assert (sample(page) == digits.data.test.X[index]).all()
        assert f"sample.index={index}" in page.evaluate("location.hash")


def test_wrongly_classified_samples_are_wrong(pages: Pages, digits):
    with pages.open() as page:
        page.locator("[data-test=which]").select_option("wrong")
        page.wait_for_function("() => document.querySelectorAll('[data-test=sample] em').length >= 6")
        settle(page)
        for thumb in page.locator("[data-test=sample]").all():
            index, (label, said) = int(thumb.get_attribute("data-index")), thumb.inner_text().split()
            assert digits.data.test.y[index] == int(label) != int(said)
            assert digits.model.predict(digits.data.test.X[index][None])[0] == int(said)


def test_samples_of_a_class(pages: Pages, digits):
    with pages.open() as page:
        page.locator("[data-test=which]").select_option("class 4")
        page.wait_for_function(
            """() => { const labels = [...document.querySelectorAll('.strip-label')];
              return labels.length === 12 && labels.every((label) => label.textContent === '4'); }"""
        )
        chosen = [int(e.get_attribute("data-index")) for e in page.locator("[data-test=sample]").all()]
        assert (digits.data.test.y[chosen] == 4).all()


# --- the picture of the network


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_neuron_has_the_colour_of_its_activation(pages: Pages, digits, theme):
    with pages.open(theme=theme) as page:
        x = sample(page)
        a = np.asarray(digits.model.trace(x, 0).a["dense_1"][0])
        inner = [np.abs(digits.model.trace(x, 0).a[name]).max() for name in ("dense_1", "dense_2")]
        for index in (int(a.argmax()), int(np.abs(a - a.max() / 2).argmin()), int(a.argmin())):
            share = round(255 * float(a[index]) / max(inner))
            pixel, table = page.evaluate(
                f"""async (index) => {{
                  const {{ palette }} = await import(new URL('colors.js', document.querySelector('script').src));
                  const canvas = document.querySelector('[data-test=network] canvas');
                  const ratio = canvas.width / canvas.clientWidth, c = canvas.getContext('2d');
                  const [x, y] = {VIEW}.place({{ link: 'dense_1', index }});
                  const pixel = c.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data;
                  const bytes = new Uint8Array(palette('{theme}').strong.buffer);
                  return [[...pixel], Array.from({{ length: 256 }}, (_, k) => [...bytes.slice(4 * k, 4 * k + 4)])];
                }}""",
                index,
            )
            near = [
                np.abs(np.subtract(pixel, table[k])).max()
                for k in range(max(0, share - 1), min(256, share + 2))
            ]
            assert min(near) == 0, (index, share)


def test_arrow_keys_walk_over_the_neurons(pages: Pages, digits):
    with pages.open() as page:
        page.evaluate("chainrule.store.set({neuron: {link: 'dense_2', index: 3}})")
        settle(page)
        page.locator("[data-test=network]").focus()
        for key in ("PageUp", "Home", "End", "PageDown", "PageDown", "Home", "ArrowDown", "ArrowDown"):
            page.keyboard.press(key)
        settle(page)
        assert page.evaluate("chainrule.store.get('neuron')") == {"link": "dense_3", "index": 2}
        x = sample(page)
        z = float(digits.model.trace(x, 0).z["dense_3"][0, 2])
        said = page.locator("[data-test=network-says]").text_content()
        assert "dense_3" in said and "neuron 2" in said
        number = float(re.search(r"z = ([−\d.]+)", said)[1].replace("−", "-"))
        assert number == pytest.approx(z, rel=1e-3)
        page.wait_for_selector("[data-test=network-table] table[data-layer=dense_3]", state="attached")
        assert page.locator("[data-test=network-table] tbody tr").count() == 10
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("chainrule.store.get('neuron').link") == "dense_2"
        page.keyboard.press("Escape")
        assert page.evaluate("chainrule.store.get('neuron')") is None


def test_a_click_shows_a_neurons_formula_inputs_and_weights(pages: Pages, digits):
    with pages.open() as page:
        x, y = page.evaluate(f"{VIEW}.place({{ link: 'dense_1', index: 7 }})")
        page.locator("[data-test=network] canvas").click(position={"x": x, "y": y})
        settle(page)
        assert page.evaluate("chainrule.store.get('neuron')") == {"link": "dense_1", "index": 7}
        value = sample(page)
        trace = digits.model.trace(value, 0)
        z = float(page.locator("[data-test=neuron-z]").get_attribute("data-value"))
        assert z == pytest.approx(float(trace.z["dense_1"][0, 7]), rel=1e-5)
        W = np.asarray(digits.model.parameters["dense_1"].W)[:, 7]
        parts = W * np.asarray(trace.a["rescale_1"][0])
        shown = [
            float(cell)
            for cell in page.locator("[data-test=neuron] td[data-value]").evaluate_all(
                "cells => cells.map(cell => cell.dataset.value)"
            )
        ]
        assert (
            np.allclose(shown, sorted(parts, key=abs, reverse=True)[: len(shown)], rtol=1e-5)
            and len(shown) == 8
        )
        formula = page.locator("[data-test=formula]").text_content()
        assert "max(" in formula and "781 more terms" in formula
        pixels, scale = page.evaluate(
            """async () => {
              const { palette } = await import(new URL('colors.js', document.querySelector('script').src));
              const canvas = document.querySelector('[data-test=weights]'), table = [...palette('light').signed];
              const data = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, 28, 28).data.buffer);
              return [[...data].map((color) => table.indexOf(color)), canvas.width * canvas.height];
            }"""
        )
        assert scale == 784
        places = np.round(127.5 + 127.5 * W / np.abs(W).max())
        assert (np.abs(np.array(pixels) - places) <= 1).mean() > 0.99


def test_one_scale_for_all_layers_or_one_for_each(pages: Pages):
    with pages.open() as page:

        def scales() -> list[float]:
            return page.evaluate(f"{VIEW}.scene().shades.map(({{ scale }}) => scale)")

        shared = scales()
        assert shared[1] == shared[2]
        page.locator("[data-test=by-layer]").check()
        settle(page)
        assert scales()[1] != scales()[2]


# --- the page


@pytest.mark.parametrize(
    ("phone", "lang"),
    [
        (False, "en"),
        (True, "zh"),
        pytest.param(False, "zh", marks=pytest.mark.slow),
        pytest.param(True, "en", marks=pytest.mark.slow),
    ],
)
def test_it_fits_and_says_everything_in_the_readers_language(pages: Pages, lang, phone):
    with pages.open(lang=lang, phone=phone, state={"neuron": '{"link":"dense_1","index":3}'}) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        words = page.locator("main").inner_text()
        assert "draw." not in words and "network." not in words
        assert bool(re.search("[\u3400-\u9fff]", words)) == (lang == "zh")
        assert page.locator("[data-test=formula] > div").count() == 3


def test_the_picture_follows_a_model_that_learns(pages: Pages, digits):
    with pages.open() as page:
        before = page.evaluate(f"{VIEW}.scene().values[1].z[0]")
        digits.model.theta[:] *= 1.01
        try:
            digits.send("model.changed", {"name": "digits"})
            page.wait_for_function(f"(before) => {VIEW}.scene().values[1].z[0] !== before", arg=before)
        finally:
            digits.model.theta[:] /= 1.01


def test_the_python_runs(pages: Pages, digits, tmp_path, monkeypatch, capsys):
    with pages.open() as page:
        text = page.locator("[data-test=code]").text_content()
    digits.model.save(tmp_path / "model.safetensors")
    picture = np.zeros((60, 60), np.uint8)
    picture[10:50, 28:33] = 255
    Image.fromarray(picture).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    exec(text, {"y": 1})
    assert "dense_3" in capsys.readouterr().out


# --- what is in sight


def top_and_bottom(page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["y"], box["y"] + box["height"]


@pytest.mark.parametrize("lang", [pytest.param("en", marks=pytest.mark.slow), "zh"])
def test_answer_and_neurons_are_in_sight_while_one_draws_on_a_phone(pages: Pages, lang):
    with pages.open(phone=True, lang=lang) as page:
        page.locator("[data-test=clear]").click()
        stroke(page, [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)])
        best, other = np.argsort(page.evaluate(f"[...{VIEW}.scene().answer]"))[::-1][:2]
        said = page.locator("[data-test=answer-strip]").inner_text()
        assert re.findall(r"\d+(?=\n)|\d+(?=: |：)", said) == [str(best), str(other)], said
        assert said.count("%") == 2
        tall = page.viewport_size["height"]
        pad, strip = top_and_bottom(page, "[data-test=pad]"), top_and_bottom(page, "[data-test=answer-strip]")
        first_layer = page.locator("[data-test=network]").bounding_box()["y"] + min(
            page.evaluate(f"{VIEW}.place({{ link: 'dense_1', index: 0 }})")[1:]
        )
        assert strip[1] <= pad[0] and pad[1] < tall and first_layer < tall
        page.evaluate("scrollTo(0, 400)")
        assert (
            top_and_bottom(page, "[data-test=answer-strip]")[0] >= 90
        )  # below the bar and the screens' names
        assert top_and_bottom(page, "[data-test=answer-strip]")[1] < tall / 4


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_click_brings_the_neurons_formula_into_sight(pages: Pages, phone):
    options: dict[str, Any] = {} if phone else {"viewport": {"width": 1280, "height": 800}}
    with pages.open(phone=phone, **options) as page:
        tall = page.viewport_size["height"]
        if not phone:  # the whole network, the answer beside the pad
            assert page.evaluate("scrollY") == 0
            for seen in ("[data-test=pad]", "[data-test=network]", "[data-test=bars]"):
                assert top_and_bottom(page, seen)[1] < tall
        x, y = page.evaluate(f"{VIEW}.place({{ link: 'dense_1', index: 7 }})")
        page.locator("[data-test=network] canvas").click(position={"x": x, "y": y})
        settle(page)
        top, bottom = top_and_bottom(page, "[data-test=formula]")
        assert 0 < top < bottom <= tall
        wide = page.viewport_size["width"]
        for line in page.locator("[data-test=formula] math").all():
            box = line.bounding_box()
            assert box["x"] + box["width"] <= wide


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_stronger_colour_is_a_higher_activation_and_no_line_has_it(pages: Pages, theme):
    with pages.open("glossary", theme=theme) as page:
        points, ground, lines = page.evaluate(
            f"""async () => {{
              const base = new URL('colors.js', document.querySelector('script').src);
              const {{ palette }} = await import(base), {{ SIGNED }} = await import(new URL('flat.js', base));
              const bytes = [...new Uint8Array(palette('{theme}').strong.buffer)];
              const parts = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
              const {{ backgroundColor }} = getComputedStyle(document.querySelector('.panel'));
              const ground = backgroundColor.match(/\\d+/g).map(Number);
              return [bytes, ground.slice(0, 3), SIGNED['{theme}'].map(parts)];
            }}"""
        )
        colors = np.reshape(points, (256, 4))[:, :3].astype(float)
        contrast = np.abs(colors - ground).sum(1)  # further from the ground, the higher
        assert (np.diff(contrast) >= 0).all() and contrast[-1] > 4 * contrast[0]
        for line in lines:
            assert np.abs(colors - line).max(1).min() > 60


def test_large_numbers_are_written_in_groups(pages: Pages):
    with pages.open("glossary") as page:
        written = page.evaluate(
            """async () => {
              const { number } = await import(new URL('format.js', document.querySelector('script').src));
              return [199327.4, -12345, 9876.5, 0.01234, 4765255328.3].map((value) => number(value, 4));
            }"""
        )
        assert written == ["199\u202f327", "−12\u202f345", "9877", "0.0123", "4.765e9"]
