"""Makes docs/_static/card.png, the picture that other sites show beside a link to this one.

    python docs/images/make_card.py

A frame of training-dark.gif, and a title. Needs Chromium and the packages of the extra `test`.
"""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

from PIL import Image, ImageSequence

HERE = Path(__file__).parent
CARD = HERE.parent / "_static" / "card.png"
PAGE = """<style>
body { margin: 0; padding: 30px 60px 0; background: #171e26; color: #e8edf2; font: 24px sans-serif }
b { font-size: 64px }
p { margin: 4px 0 18px; color: #b1bac4 }
img { width: 940px; border-radius: 10px }
</style>
<b>Chainrule</b>
<p>Fully connected neural networks in Python, with every number open to inspection</p>
<img src="data:image/png;base64,PICTURE">"""


def main() -> None:
    """Write the picture."""
    from playwright.sync_api import sync_playwright

    frames = list(ImageSequence.Iterator(Image.open(HERE / "training-dark.gif")))
    picture = io.BytesIO()
    frames[-1].convert("RGB").save(picture, "PNG")
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 630})
        page.set_content(PAGE.replace("PICTURE", base64.b64encode(picture.getvalue()).decode()))
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    shot.quantize(256, dither=Image.Dither.NONE).save(CARD, optimize=True)
    print(f"{CARD.name}: {shot.width} x {shot.height}, {CARD.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
