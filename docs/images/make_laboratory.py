"""Makes the pictures of docs/laboratory.md from the pages of the experiments.

    chainrule lab vanishing        and the others; each leaves its page in runs/lab
    python docs/images/make_laboratory.py runs/lab

The first figure of each page, as Chromium draws it, on the page's own light ground, which is read on dark pages too.
Needs the extra `test` (Playwright) and Chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from chainrule.lab import LABS

WIDTH, DENSITY, COLORS = 960, 1.5, 96


def main(pages: Path) -> None:
    """A picture a page."""
    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, browsers)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 900},
            device_scale_factor=DENSITY,
            color_scheme="light",
            reduced_motion="reduce",
        )
        for name in LABS:
            page.goto((pages / f"{name}.html").resolve().as_uri())
            page.wait_for_function("document.querySelector('.figure .main-svg')")
            card = page.locator("section", has=page.locator(".figure")).first
            drawn = Image.open(io.BytesIO(card.screenshot())).convert("RGB")
            made = Path(__file__).with_name(f"lab-{name}.png")
            drawn.quantize(COLORS, dither=Image.Dither.NONE).save(made, optimize=True)
            print(made)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
