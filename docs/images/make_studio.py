"""Makes the pictures of the studio: a digit that is drawn, as an animation, and each screen, on both grounds.

    python docs/images/make_studio.py [SCREEN ...]

A server runs meanwhile, on a network that was trained on MNIST, and Chromium shows its pages. The digit is drawn by the
mouse, as a hand would, and every number is the page's own.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import sync_playwright

from chainrule import Adam, Dense, Model, Network, OneCycle, ReLU, Rescale, SoftmaxCrossEntropy
from chainrule.recipe.data import load
from chainrule.studio.server.serve import served
from chainrule.studio.session.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
THEMES = ("light", "dark")
SIZE = {"width": 1440, "height": 880}
WIDTH = 860  # of the pictures
THREE = (
    (0.30, 0.24),
    (0.50, 0.14),
    (0.70, 0.26),
    (0.62, 0.42),
    (0.46, 0.50),
    (0.64, 0.54),
    (0.74, 0.68),
    (0.60, 0.84),
    (0.36, 0.80),
)
"""A stroke through these points of the pad, as shares of its width and height: a 3."""
STEPS = 3
"""Frames between two of them."""
SCREENS = ("backprop", "train", "neurons", "why", "plane")
STATE = {"backprop": "&backprop.step=11"}
"""Where a screen is, beside what it opens with."""
HEIGHT = {"backprop": 1160}
"""Of the windows of screens that need more than SIZE to be seen whole."""
COLORS, RARE = 104, 56


def trained() -> Studio:
    """MNIST, and a network for it."""
    data = load("mnist")
    layers = [Rescale(1 / 255), Dense(128), ReLU(), Dense(64), ReLU(), Dense(10)]
    model = Model(Network(784, layers, SoftmaxCrossEntropy()), seed=0)
    model.fit(data.train.X, data.train.y, epochs=4, optimizer=Adam(5e-3), schedule=OneCycle())
    return Studio(model, data, name="mnist 784-128-64-10")


def shot(page: Page) -> Image.Image:
    """What the page shows, at the pictures' width."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    height = round(image.height * WIDTH / image.width)
    return image.resize((WIDTH, height), Image.Resampling.LANCZOS)


def idle(page: Page) -> None:
    """Wait until nothing is under way."""
    page.wait_for_function("window.chainrule")
    page.evaluate("window.chainrule.idle()")


def drawn(page: Page) -> Iterator[Image.Image]:
    """Draw a digit, a frame for each piece of the stroke."""
    page.locator('[data-test="clear"]').click()
    idle(page)
    yield shot(page)
    box: Any = page.locator(".pad-frame canvas").first.bounding_box()
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in THREE]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for x, y in spots[1:]:
        for part in range(1, STEPS + 1):
            x0, y0 = page.evaluate("window.lastSpot") or spots[0]
            page.mouse.move(x0 + (x - x0) * part / STEPS, y0 + (y - y0) * part / STEPS, steps=4)
            idle(page)
            yield shot(page)
        page.evaluate("spot => { window.lastSpot = spot; }", [x, y])
    page.mouse.up()
    idle(page)
    yield shot(page)


def write_animation(path: Path, frames: list[Image.Image]) -> None:
    """Write a GIF that stays a while at its end; all frames have the colors of the last."""
    common = frames[-1].quantize(COLORS).getpalette() or []
    rare = frames[-1].quantize(RARE, Image.Quantize.MAXCOVERAGE).getpalette() or []  # the neurons' among them
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common[: 3 * COLORS], *rare[: 3 * RARE]])
    made = [frame.quantize(COLORS, palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [700, *[110] * (len(made) - 2), 2600]
    made[0].save(path, save_all=True, append_images=made[1:], duration=durations, loop=0, optimize=True)


def main() -> None:
    """Make all of them, or those of the screens that are named."""
    chosen = sys.argv[1:] or ["draw", *SCREENS]
    with served(trained()) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        base = url.partition("/?")[0]
        with browser.new_context() as context:
            context.new_page().goto(url)
            cookies = context.cookies()
        for theme in THEMES:
            with browser.new_context(viewport=SIZE) as context:
                context.add_cookies(cookies)  # type: ignore[arg-type]
                for screen in chosen:
                    page = context.new_page()
                    page.set_viewport_size(
                        {"width": SIZE["width"], "height": HEIGHT.get(screen, SIZE["height"])}
                    )
                    page.goto(f"{base}/#screen={screen}&lang=en&theme={theme}{STATE.get(screen, '')}")
                    idle(page)
                    if screen == "draw":
                        write_animation(HERE / f"studio-{theme}.gif", list(drawn(page)))
                    else:
                        if screen == "train":
                            page.click("[data-test=start]")
                            page.wait_for_selector(".screen[data-state=running]")
                            page.wait_for_selector(".screen[data-state=done]", timeout=120_000)
                        page.wait_for_timeout(5000)  # for what moves by itself
                        shot(page).quantize(192).save(HERE / f"studio-{screen}-{theme}.png", optimize=True)
                    page.close()
        browser.close()


if __name__ == "__main__":
    main()
